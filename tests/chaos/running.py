"""The workflow in a folder of its own, what it has made there, and what it has left behind."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MARK = "RNNPIPE_CHAOS"
"""Variable by which a process, orphans too, is known to belong to a folder."""
PATIENCE = 900.0
"""Seconds after which something hangs, on a machine however busy."""

DATA = ("results/dataset/motion/behaviour.h5",)
TRAINING = ("results/figures/learning.pdf",)
"""A training and a figure of it."""
SMALL = (*TRAINING, "results/evaluate/network/seed1.behaviour.h5")
"""A data set, a training, its evaluation and a figure."""
EVERYTHING = (
    *TRAINING,
    "results/claims.csv",
    "results/figures/behaviour.pdf",
    "results/fixed_points/network/seed1.h5",
    "results/evaluate/rate/lif/seed1.trials.h5",
)
AGENT = "results/evaluate/agent/seed1.behaviour.h5"


def every_stage() -> tuple[str, ...]:
    """Targets that need every stage, and every trainer that is installed."""
    return (*EVERYTHING, AGENT) if importlib.util.find_spec("stable_baselines3") else EVERYTHING


def make_tree(folder: Path) -> Path:
    """A checkout whose trainings keep a checkpoint every moment, so that there is one to be killed with."""
    folder.mkdir()
    shutil.copytree(ROOT / "workflow", folder / "workflow")
    (folder / "environment.yml").write_text((ROOT / "environment.yml").read_text())
    (folder / "rnnpipe").symlink_to(ROOT / "rnnpipe")
    rules = folder / "workflow/rules/train.smk"
    often = rules.read_text().replace(" --checkpoint {params", " --checkpoint_seconds 0.2 --checkpoint {params")
    assert often.count("checkpoint_seconds") == 2
    rules.write_text(often)
    return folder


@dataclass
class Place:
    """A folder in which Snakemake makes `targets` of `study.yaml` with the workflow of `tree`."""

    folder: Path
    tree: Path
    targets: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.configuration.write_text(yaml.safe_dump({"sources": [str(HERE / "study.yaml")], "device": "cpu"}))

    @property
    def configuration(self) -> Path:
        return self.tree / "config.yaml"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def command(self, *words: str) -> list[str]:
        command = [sys.executable, "-m", "snakemake", *self.targets, "--snakefile", f"{self.tree}/workflow/Snakefile"]
        command += ["--directory", str(self.folder), "--configfile", str(self.configuration), "--cores", "2"]
        return [*command, *words]

    def variables(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RNNPIPE_END_WITH_PARENT")}
        return {**inherited, MARK: str(self.folder), **self.environment}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Snakemake in a process group of its own; what it says is added to `said.txt` beside the folder."""
        with open(self.folder.with_name(f"{self.folder.name}.said.txt"), "a") as said:
            return subprocess.Popen(
                self.command(*words),
                cwd=self.tree,
                env=self.variables(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                preexec_fn=as_in_a_terminal,
            )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.tree,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )

    def plain(self) -> str:
        """One plain call that must complete; what it said."""
        done = self.run()
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def locked(self) -> bool:
        """Whether a Snakemake that was killed has left its lock."""
        return any((self.folder / ".snakemake/locks").glob("*"))

    def unlock(self) -> bool:
        """Take the lock of a Snakemake that was killed away, as a user would; whether there was one."""
        if not self.locked:
            return False
        done = self.run("--unlock")
        assert done.returncode == 0, done.stdout
        return True

    def files(self) -> dict[str, str]:
        """Digest of every result by its path; logs and benchmarks, which hold times, by their path alone."""
        found = {}
        for path in sorted(self.results.rglob("*")):
            name = str(path.relative_to(self.results))
            if path.is_file() and path.name != ".snakemake_timestamp":
                timed = name.startswith(("logs/", "benchmarks/"))
                found[name] = "" if timed else hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def leftovers(self) -> list[str]:
        """What Snakemake's own folder should be without between runs."""
        own = self.folder / ".snakemake"
        found = [*own.glob("locks/*"), *own.glob("incomplete/*"), *own.glob("shadow/*"), *own.glob("*rnnpipe_code.*")]
        return sorted(str(path.relative_to(self.folder)) for path in found if path.name != "rnnpipe_code.json")

    def differences(self, undisturbed: Place) -> list[str]:
        """In what this folder differs from an undisturbed one: nothing, if all is well.

        Where fewer targets were made, their files are compared.
        """
        here, there = self.files(), undisturbed.files()
        if self.targets != undisturbed.targets:
            there = {name: digest for name, digest in there.items() if name in here}
        said = [f"{name}: left over" for name in here.keys() - there.keys()]
        said += [f"{name}: missing" for name in there.keys() - here.keys()]
        said += [f"{name}: other bytes" for name in here.keys() & there.keys() if here[name] != there[name]]
        return sorted([*said, *(f"{name}: left over" for name in self.leftovers())])

    def whole_or_absent(self, undisturbed: Place, killed: bool = False) -> list[str]:
        """As `differences`, of a run that has not come to its end: what is there must be whole.

        What a killed process was writing stays under its temporary name until the file is made again.
        """
        there, kept = undisturbed.files(), (".checkpoint", ".lock", ".part")[: 3 if killed else 2]
        here = {name: digest for name, digest in self.files().items() if digest and not name.endswith(kept)}
        return sorted(name for name, digest in here.items() if there.get(name) != digest)


def as_in_a_terminal() -> None:
    """Between fork and exec: Ctrl-C and a closed terminal end a process, although they do not end a background one."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def processes(folder: Path) -> dict[int, list[str]]:
    """Processes that were started in a folder, orphans too, and their command lines."""
    mark, found = f"{MARK}={folder}".encode(), {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in place.joinpath("environ").read_bytes().split(b"\0"):
                words = place.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")
                if words != [""]:  # has ended, and waits to be asked for its status
                    found[int(place.name)] = words
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, 0 if it has ended: a clock that does not run while others have the cores."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(condition: Callable[[], object], what: str, pause: float = 0.02) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what}: did not happen in {PATIENCE:g} s"
        time.sleep(pause)
