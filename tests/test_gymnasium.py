"""Environments under gymnasium 0.29, which NeuroGym pins, are those under the one that is installed.

`pip install --no-deps --target FOLDER gymnasium==0.29.1` and `RNNPIPE_GYMNASIUM=FOLDER` run this; CI does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from rnnpipe.environments import IDS

ROOT = Path(__file__).parents[1]
OLD = os.environ.get("RNNPIPE_GYMNASIUM", "")


def _run(*folders: str) -> dict[str, Any]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, str(ROOT)]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "tests/gymnasium_script.py"), "2"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.skipif(not OLD, reason="RNNPIPE_GYMNASIUM names no folder with another gymnasium")
def test_trials_are_the_same_with_gymnasium_0_29() -> None:
    old, new = _run(OLD), _run()
    assert old["version"].startswith("0.29") and old["file"].startswith(OLD)
    assert new["version"] == gymnasium.__version__ != old["version"]
    assert len(old["ids"]) == len(IDS) and len(set(old["ids"].values())) > len(IDS) / 2
    assert old["ids"] == new["ids"]
