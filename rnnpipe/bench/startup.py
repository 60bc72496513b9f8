"""Seconds from process start to the first update, as a user waits for them."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from rnnpipe.bench.measure import Measurement

TRAIN = (
    "train --task.name rdm_fixed --seed 1 --learning.max_updates 1 --learning.validation_interval 2"
    " --learning.validation_trials 1 --learning.on_failure keep --device cpu --threads 1"
)


def _run(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "rnnpipe", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure_startup(repetitions: int = 3) -> Iterator[Measurement]:
    """A whole `train` process that makes one update and two validations of one trial, and `--help`."""
    with tempfile.TemporaryDirectory() as folder:
        files = ["--network", f"{folder}/n.pth", "--history", f"{folder}/n.h5"]
        _run([*TRAIN.split(), *files])  # compiles the kernels where they are not cached yet
        times = [_run([*TRAIN.split(), *files]) for _ in range(repetitions)]
        yield Measurement("start_to_first_update", statistics.median(times), "s", 1, repetitions)
    times = [_run(["--help"]) for _ in range(repetitions)]
    yield Measurement("help", statistics.median(times), "s", 1, repetitions)
