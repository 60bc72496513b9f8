"""The workflow disturbed: killed, without room, unable to write, in a clock that goes backwards, started twice.

Many kills, and every stage, are `python tests/chaos/campaign.py --kills 60 --seed 1`; here are a few, on a part of it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
from pathlib import Path

import pytest
from chaos.disk import in_own_mounts, why_not
from chaos.kills import Killer
from chaos.running import DATA, SMALL, TRAINING, Place, make_tree, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are followed through /proc"),
]
YEAR = 365 * 24 * 3600
BACKWARDS = "import time; start, now = time.time(), time.time; time.time = lambda: 2 * start - now()"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tmp_path_factory.mktemp("chaos") / "tree")


@pytest.fixture(scope="module")
def undisturbed(tree: Path) -> Place:
    place = Place(tree.with_name("undisturbed"), tree, SMALL)
    place.plain()
    return place


@pytest.fixture
def place(tree: Path, tmp_path: Path) -> Place:
    return Place(tmp_path / "here", tree, SMALL)


def test_killed_six_times_it_ends_with_the_same_bytes(place: Place, undisturbed: Place) -> None:
    seen = Killer(place, undisturbed, 1, print).campaign(6)
    print(dict(seen.counts))
    assert seen.n_kills == 6 and seen.counts["compared"] >= 1
    assert not seen.defects, "\n".join(seen.defects)


def test_a_full_disk_is_told_and_nothing_is_half_written(place: Place, undisturbed: Place) -> None:
    if reason := why_not():
        pytest.skip(reason)
    done = in_own_mounts("full_results", place.tree, undisturbed.folder, place.folder, "100")
    assert done.returncode == 0, done.stdout


def test_results_that_cannot_be_written_are_told(place: Place, undisturbed: Place) -> None:
    if reason := why_not():
        pytest.skip(reason)
    done = in_own_mounts("read_only", place.tree, undisturbed.folder, place.folder)
    assert done.returncode == 0, done.stdout


def test_the_clock_goes_backwards(place: Place, undisturbed: Place, tmp_path: Path) -> None:
    """Files of next year and of last year, in any order; and processes in which time runs backwards."""
    shutil.copytree(undisturbed.folder, place.folder, dirs_exist_ok=True, symlinks=True)
    rng = random.Random(3)
    files = [path for path in sorted(place.results.rglob("*")) if path.is_file()]
    for path in files:
        when = path.stat().st_mtime + rng.uniform(-YEAR, YEAR)
        os.utime(path, (when, when))
    assert "Nothing to be done" in place.run("--dry-run").stdout
    shutil.rmtree(place.results / "evaluate")
    (tmp_path / "backwards").mkdir()
    (tmp_path / "backwards/sitecustomize.py").write_text(BACKWARDS)
    place.environment["PYTHONPATH"] = str(tmp_path / "backwards")
    said = place.plain()
    assert "They are dated back" in said and "Evaluating network" in said and "Training" not in said
    assert place.differences(undisturbed) == []
    assert "Nothing to be done" in place.run("--dry-run").stdout


def test_a_second_workflow_in_the_folder_is_refused(place: Place, undisturbed: Place) -> None:
    place.targets = DATA
    first = place.start()
    try:
        wait_until(lambda: place.locked, "the first takes the lock")
        os.killpg(first.pid, signal.SIGSTOP)  # or it might be done too soon
        second = place.run()
    finally:
        os.killpg(first.pid, signal.SIGCONT)
        first.wait()
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout and "Traceback" not in second.stdout
    assert first.returncode == 0
    assert place.differences(undisturbed) == []


def test_two_workflows_that_are_not_refused_leave_whole_files(place: Place, undisturbed: Place) -> None:
    """Each may lose a file that the other is about to make again, and then says so."""
    place.targets = TRAINING
    both = [place.start("--nolock") for _ in range(2)]
    for process in both:
        process.wait()
    assert place.whole_or_absent(undisturbed) == []
    place.unlock()
    place.plain()
    assert place.differences(undisturbed) == []
