"""A data set: the full factorial of a task's conditions, sampled in blocks that are independent of each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import field_validator

from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, setting, suggest
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._environment import AnyTask, EnvironmentTask
from rnnpipe.trials import Trials

BLOCK = 500
"""Trials drawn from one generator; fixed, so that a data set does not depend on how it is batched."""


class DatasetSettings(Settings):
    """How many trials, and which."""

    trials_per_condition: int = setting(
        100, "trials of every combination of conditions; episodes of an environment, which has one", "trials", gt=0
    )
    seed: int = setting(1, "seed of the trials", ge=0)
    conditions: dict[str, float | bool | str | list[float | bool | str]] = setting(
        {},
        "variables of the task that are fixed, by name, such as a duration that is drawn otherwise; a list of values"
        " makes the variable a further factor",
    )

    @field_validator("conditions")
    @classmethod
    def _values_differ(cls, conditions: dict[str, Any]) -> dict[str, Any]:
        for name, values in conditions.items():
            if isinstance(values, list) and not values:
                raise ValueError(f"{name} has an empty list of values; give one value or more")
            if isinstance(values, list) and len(set(values)) < len(values):
                raise ValueError(f"{name} has a value twice; give each once")
        return conditions


def check_conditions(task: AnyTask, settings: DatasetSettings) -> None:
    """Check that what is fixed are variables of the task that its factorial does not run through.

    Raises:
        SettingsError: One is not.
    """
    if settings.conditions and isinstance(task, EnvironmentTask):
        raise SettingsError(
            f"conditions: task {task.name} is an environment, of which nothing can be fixed; set what it offers in the"
            " task's options."
        )
    for name in settings.conditions:
        if name not in task.variables():
            raise SettingsError(
                f"conditions: task {task.name} has no variable {name!r} ({suggest(name, task.variables())})."
            )
        if name in task.factors:
            raise SettingsError(f"conditions: {name!r} is a factor, of which a data set holds every value.")


def factorial(task: Task, settings: DatasetSettings) -> list[dict[str, Any]]:
    """Every combination of the values of the task's factors and of the data set's own, the task's first one fastest."""
    table = task.factorial()
    for name, values in settings.conditions.items():
        if isinstance(values, list):
            table = [{**row, name: value} for value in values for row in table]
    return table


def n_trials(task: Task, settings: DatasetSettings) -> int:
    """Number of trials of a data set."""
    return len(factorial(task, settings)) * settings.trials_per_condition


def blocks(task: Task, settings: DatasetSettings) -> Iterator[Trials]:
    """The trials of a data set, block by block.

    Trial i has the i-th combination of conditions, modulo their number, the task's first factor changing fastest;
    variables that are no factors (durations) are drawn. Block b draws from a generator of its own, seeded by
    (seed, b).
    """
    check_conditions(task, settings)
    table = factorial(task, settings)
    total = n_trials(task, settings)
    for block, start in enumerate(range(0, total, BLOCK)):
        rows = np.arange(start, min(start + BLOCK, total)) % len(table)
        conditions: dict[str, ArrayLike] = dict(settings.conditions)
        conditions |= {name: np.array([row[name] for row in table])[rows] for name in table[0]}
        rng = np.random.default_rng(np.random.SeedSequence([settings.seed, block]))
        yield task.sample(rng, len(rows), **conditions)


def episode_seeds(task: EnvironmentTask, settings: DatasetSettings) -> NDArray[np.int64]:
    """What the environment of each episode is reset with, (n_trials,)."""
    check_conditions(task, settings)
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 0]))
    return rng.integers(0, 2**31 - 1, settings.trials_per_condition)
