"""A bar on a terminal, sparse lines in a log."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from rnnpipe.progress import Progress

ROOT = Path(__file__).parents[1]
SHORT = [
    "--task.name=rdm_fixed",
    "--network.n_units=8",
    "--network.connection_probability=0.5",
    "--value_network.n_units=8",
    "--learning.max_updates=40",
    "--learning.validation_interval=10",
    "--learning.validation_trials=20",
    "--learning.on_failure=keep",
]


def test_a_terminal_shows_updates_reward_accuracy_and_time_left(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 130, 0, 0))
    files = [f"--network={tmp_path}/n.pth", f"--history={tmp_path}/n.h5"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rnnpipe", "train", *SHORT, *files, "--seed=1", "--device=cpu"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    process.communicate()
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert process.returncode == 0, shown
    assert "40/40" in shown and "reward=" in shown and "correct=" in shown
    assert "<" in shown.replace("<?", ""), "time left"


def test_a_log_has_important_lines_and_few_others(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(10)
    for line in ("first", "soon after", "soon after that"):
        progress.report(line, reward=0)
    progress.report("best", important=True)
    progress.close()
    assert capsys.readouterr().out.splitlines() == ["first", "best"]
