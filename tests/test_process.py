"""How a stage's process ends, and that two never work on one checkpoint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rnnpipe.process import only_one

ROOT = Path(__file__).parents[1]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the signal at the end of a parent is Linux's")

PARENT = """
import os, subprocess, sys, time
from rnnpipe.process import this_process
os.environ["RNNPIPE_END_WITH_PARENT"] = this_process()
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
if len(sys.argv) > 2:
    child.wait()
"""
CHILD = """
import os, sys, time
from rnnpipe.cli.main import main
while {wait} and os.getppid() == int(sys.argv[1]): time.sleep(0.01)
main(["--version"])
print("went on")
"""
BETWEEN = "import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}, *sys.argv[1:]])"


def said(child: str, *more: str) -> str:
    command = [sys.executable, "-c", PARENT, child, *more]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60).stdout


@linux
def test_a_stage_whose_parent_died_before_it_could_ask_to_be_told_ends() -> None:
    assert "went on" not in said(CHILD.format(wait=True))


@linux
def test_a_stage_whose_parent_lives_goes_on() -> None:
    child = CHILD.format(wait=False)
    assert "went on" in said(child, "wait")
    assert "went on" in said(BETWEEN.format(child=child), "wait"), "another process may stand between the two"


HOLDER = """
import sys
from rnnpipe.process import only_one
with only_one(sys.argv[1]):
    print("has it", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    first = holder(tmp_path / "state")
    assert first.stdout and first.stdout.readline() == "has it\n"
    second = holder(tmp_path / "state")
    assert second.stdout and "waiting for another process" in second.stdout.readline()
    first.communicate()
    assert second.stdout.readline() == "has it\n"
    second.communicate()
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_process_means_nothing(tmp_path: Path) -> None:
    killed = holder(tmp_path / "state")
    assert killed.stdout and killed.stdout.readline() == "has it\n"
    killed.kill()
    killed.communicate()
    assert (tmp_path / "state.lock").exists()
    with only_one(tmp_path / "state"):
        pass
    assert not list(tmp_path.iterdir())
