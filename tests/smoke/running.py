"""A shipped study at scale smoke, from its configuration to its figures and claims."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def run_smoke(folder: Path, source: str) -> None:
    """Make everything of a source in a folder, and find that nothing is left to do."""
    configuration = folder / "config.yaml"
    configuration.write_text(yaml.safe_dump({"sources": [source], "scale": "smoke"}))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile")]
    command += ["--directory", str(folder), "--cores", "2", source, "--configfile", str(configuration)]
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RNNPIPE_END_WITH_PARENT")}
    done, again = (
        subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    )
    assert done.returncode == 0, done.stdout
    assert "Nothing to be done" in again.stdout, again.stdout
