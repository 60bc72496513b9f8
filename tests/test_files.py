"""Files that are whole or absent, and their dates."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnnpipe.files import date_back

ROOT = Path(__file__).parents[1]
HOUR = 3600


def test_files_from_the_future_are_dated_back_in_their_order(tmp_path: Path) -> None:
    now = time.time()
    ages = {"b/late": 9.0, "a": -3.0, "b/soon": 0.5, "same": 0.5, "b/c/last": 24.0, "long_ago": -900.0}
    for name, hours in ages.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (now + hours * HOUR,) * 2)
    assert date_back(tmp_path) == 4
    dates = {name: (tmp_path / name).stat().st_mtime for name in ages}
    assert max(dates.values()) <= time.time()
    assert dates["long_ago"] < dates["a"] < dates["b/soon"] == dates["same"] < dates["b/late"] < dates["b/c/last"]
    assert dates["a"] == (now - 3 * HOUR), "what is not from the future stays as it is"
    assert date_back(tmp_path) == 0


def test_where_all_files_are_from_the_future_none_is_afterwards(tmp_path: Path) -> None:
    for k in range(3):
        (tmp_path / str(k)).touch()
        os.utime(tmp_path / str(k), (time.time() + (k + 1) * HOUR,) * 2)
    assert date_back(tmp_path) == 3
    dates = [(tmp_path / str(k)).stat().st_mtime for k in range(3)]
    assert dates == sorted(set(dates)) and dates[-1] <= time.time()


def test_there_may_be_no_folder_yet(tmp_path: Path) -> None:
    assert date_back(tmp_path / "results") == 0


WRITER = """
import sys
from rnnpipe.files import whole
with whole(sys.argv[1]) as tmp:
    tmp.write_text("half")
    print("writes", flush=True)
    tmp.write_text(sys.stdin.read())
"""


def test_two_processes_that_write_the_same_file_leave_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "result"
    command = [sys.executable, "-c", WRITER, str(path)]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in both:
        assert process.stdout and process.stdout.readline() == "writes\n"
    assert not path.exists()
    for text, process in zip(("first", "second"), both, strict=True):
        process.communicate(text)
        assert process.returncode == 0 and path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


INTERRUPTED = """
import signal, sys
import numpy as np
from rnnpipe.io import hdf5
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
count, of, write = 0, int(sys.argv[2]), hdf5._Output.write
def interrupted(self, data):
    global count
    count += 1
    if count == of:
        signal.raise_signal(signal.SIGINT)
    return write(self, data)
hdf5._Output.write = interrupted
try:
    with hdf5.create(sys.argv[1], "x", {}, {}) as file:
        file["values"] = np.arange(1000.0)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_ctrl_c_while_hdf5_writes_leaves_no_file_and_no_stack_trace(write: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "x.h5"), str(write)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")
    assert not list(tmp_path.iterdir())
