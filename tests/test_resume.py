"""Training survives `kill -9` at any moment and ends with the bytes of an undisturbed run."""

from __future__ import annotations

import errno
import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnnpipe.cli.main import main

ROOT = Path(__file__).parents[1]
SMALL = [
    "--task.name=rdm_fixed",
    "--task.dt=50",
    "--task.coherences=0",
    "--network.n_units=16",
    "--value_network.n_units=12",
    "--learning.max_updates=2500",
    "--learning.validation_interval=100",
    "--learning.validation_trials=60",
    "--learning.on_failure=keep",
    "--task.min_correct=1.0",
    "--task.min_decisions=1.0",
]
N_KILLS = 20


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    files = ["--network", f"{folder}/net.pth", "--history", f"{folder}/net.h5", "--checkpoint", f"{folder}/state"]
    command = [
        sys.executable,
        "-m",
        "rnnpipe",
        "train",
        *SMALL,
        *files,
        "--seed=3",
        "--threads=1",
        "--device=cpu",
        *more,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def written(folder: Path) -> float:
    """When the checkpoint was last replaced."""
    return (folder / "state").stat().st_mtime if (folder / "state").exists() else 0.0


def wait_for_training(process: subprocess.Popen[str]) -> str:
    """The first line training prints: whether it continues, and from where."""
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start(folder)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return folder


def assert_same(folder: Path, undisturbed: Path) -> None:
    for name in ("net.pth", "net.h5"):
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes(), name
    assert not (folder / "state").exists(), "the checkpoint goes once the results are there"


@pytest.mark.slow
def test_killed_at_random_points_it_ends_with_the_same_bytes(undisturbed: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    kills = resumed = 0
    while True:
        process = start(tmp_path, "--checkpoint_seconds=0.02")
        first = wait_for_training(process)
        resumed += first.startswith("continuing")
        if kills >= N_KILLS:
            output, _ = process.communicate()
            assert process.returncode == 0, output
            break
        before, deadline = written(tmp_path), time.monotonic() + 60
        further = rng.random() < 0.8  # mostly killed once it has come further, sometimes before
        while further and written(tmp_path) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        process.communicate()
        if process.returncode == 0:  # a fast machine was done before: check it, and begin again
            assert_same(tmp_path, undisturbed)
            for path in tmp_path.glob("net.*"):
                path.unlink()
            continue
        assert process.returncode == -signal.SIGKILL
        kills += 1
    print(f"{kills} kills, {resumed} resumed")
    assert resumed >= N_KILLS // 2
    assert_same(tmp_path, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_saves_says_how_to_continue_and_continues(
    number: signal.Signals, undisturbed: Path, tmp_path: Path
) -> None:
    process = start(tmp_path, "--checkpoint_seconds=0.05")
    wait_for_training(process)
    while written(tmp_path) == 0.0 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    output, _ = process.communicate()
    assert process.returncode == 75
    assert "the same command continues" in output and "Traceback" not in output
    assert (tmp_path / "state").exists() and not (tmp_path / "net.pth").exists()
    process = start(tmp_path)
    assert wait_for_training(process).startswith("continuing")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert_same(tmp_path, undisturbed)


@pytest.mark.slow
def test_a_damaged_or_foreign_checkpoint_is_not_used(undisturbed: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"not a checkpoint")
    process = start(tmp_path)
    assert "of no use" in wait_for_training(process)
    time.sleep(0.3)
    process.terminate()
    process.communicate()
    process = start(tmp_path, "--learning.learning_rate=0.001", "--learning.max_updates=3")
    assert "of other settings" in wait_for_training(process)
    output, _ = process.communicate()
    assert process.returncode == 0, output


class FullAtTheEnd(io.StringIO):
    """A log on a disk that has room for all but the last line."""

    def write(self, text: str) -> int:
        if "wrote " in text:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(text)


RULES = {
    "policy_gradient": ["--task.name=rdm_fixed", "--learning.max_updates=2", "--learning.on_failure=keep"],
    "bptt": ["--task.name=go_nogo", "--learning.max_trials=2", "--learning.evaluation_trials=2"],
    "regression": ["--task.name=cddm", "--learning.max_iterations=2"],
    "sb3": ["--task.name=rdm_fixed", "--learning.max_steps=100"],
}


@pytest.mark.parametrize("rule", RULES)
def test_a_training_whose_last_line_cannot_be_logged_is_kept(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has failed, so the workflow deletes its files: the next attempt must not begin anew."""
    if rule == "sb3":
        pytest.importorskip("stable_baselines3", reason="needs the extra rnnpipe[sb3]")
    files = ["--network=net.pth", "--history=net.h5", "--checkpoint=state", "--seed=3", "--device=cpu"]
    words = ["train", f"--learning.rule={rule}", *RULES[rule], *files]
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", FullAtTheEnd())
        assert main(words) == 3
    assert "no space left on device; free some space" in capsys.readouterr().err
    written = Path("net.pth").read_bytes()
    Path("net.pth").unlink()
    assert main(words) == 0
    assert "continuing from state" in capsys.readouterr().out
    assert Path("net.pth").read_bytes() == written and not Path("state").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_mistake_that_cannot_be_told_keeps_its_status() -> None:
    command = [sys.executable, "-m", "rnnpipe", "info", "missing.h5"]
    with open("/dev/full", "w") as full:
        assert subprocess.run(command, cwd=ROOT, stdout=full, stderr=full).returncode == 3
