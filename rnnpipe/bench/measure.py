"""How things are timed: warmed up, repeated, the median reported, rivals in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Measurement:
    """One line of the benchmark."""

    name: str
    value: float
    unit: str
    threads: int
    n: int
    """Repetitions the median is over."""
    ratio: float | None = None
    ratio_to: str | None = None
    """What the ratio is to, measured in the same run."""


def seconds(function: Callable[[], object], repetitions: int, warm_up: int = 1) -> float:
    """Median wall time of a call, s."""
    for _ in range(warm_up):
        function()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def sgemm_rate(repetitions: int = 10) -> float:
    """What this machine reaches in a large float32 matrix product on one thread, flop/s."""
    n = 1536
    a = np.random.default_rng(0).standard_normal((n, n), dtype=np.float32)
    return 2 * n**3 / seconds(lambda: a @ a, repetitions)
