"""A data set: the full factorial of a task's conditions, sampled in blocks that are independent of each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnpipe.settings import Settings, setting
from rnnpipe.tasks._base import Task
from rnnpipe.trials import Trials

BLOCK = 500
"""Trials drawn from one generator; fixed, so that a data set does not depend on how it is batched."""


class DatasetSettings(Settings):
    """How many trials, and which."""

    trials_per_condition: int = setting(100, "trials of every combination of conditions", "trials", gt=0)
    seed: int = setting(1, "seed of the trials", ge=0)


def n_trials(task: Task, settings: DatasetSettings) -> int:
    """Number of trials of a data set."""
    return len(task.factorial()) * settings.trials_per_condition


def blocks(task: Task, settings: DatasetSettings) -> Iterator[Trials]:
    """The trials of a data set, block by block.

    Trial i has the i-th combination of conditions, modulo their number, the task's first factor changing fastest;
    variables that are no factors (durations) are drawn. Block b draws from a generator of its own, seeded by
    (seed, b).
    """
    factorial = task.factorial()
    total = n_trials(task, settings)
    for block, start in enumerate(range(0, total, BLOCK)):
        rows = np.arange(start, min(start + BLOCK, total)) % len(factorial)
        conditions = {name: np.array([row[name] for row in factorial])[rows] for name in task.factors}
        rng = np.random.default_rng(np.random.SeedSequence([settings.seed, block]))
        yield task.sample(rng, len(rows), **conditions)
