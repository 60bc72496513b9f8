"""The constant inputs that a trial-structured task has in its periods, without noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.tasks._base import Task

NO_INPUT = "no input"


def constant_inputs(task: Task) -> dict[str, NDArray[np.float64]]:
    """The distinct noise-free inputs of a task, by label, (n_inputs,) each.

    They are those in the middle of each period under every combination of the task's factors, and no input at all. A
    label is the period with the factors that the input depends on, e.g. "stimulus, side=1, coherence=12.8".
    """
    quiet = task.without_noise()
    rows = task.factorial()
    factors = {name: np.array([row[name] for row in rows]) for name in task.factors}
    trials = quiet.sample(np.random.default_rng(0), len(rows), **factors)
    labels: dict[bytes, str] = {np.zeros(trials.n_inputs).tobytes(): NO_INPUT}
    for period, edges in trials.periods.items():
        middle = trials.inputs[edges.sum(1) // 2, np.arange(len(rows))].astype(np.float64) + 0.0
        groups: dict[bytes, list[int]] = {}
        for i, u in enumerate(middle):
            groups.setdefault(u.tobytes(), []).append(i)
        for key, members in groups.items():
            labels.setdefault(key, ", ".join([period, *_shared(rows, members)]))
    none, *others = labels.items()
    return {label: np.frombuffer(key) for key, label in (*others, none)}


def _shared(rows: list[dict[str, Any]], members: list[int]) -> list[str]:
    """The factors that all these conditions share although not all conditions do."""
    shared = []
    for name in rows[0]:
        values = {rows[i][name] for i in members}
        if len(values) == 1 and len({row[name] for row in rows}) > 1:
            value = values.pop()
            shared.append(f"{name}={value:g}" if isinstance(value, (int, float)) else f"{name}={value}")
    return shared
