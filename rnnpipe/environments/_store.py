"""The trials that the rows of a vector environment have drawn, laid out for `_kernels`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.environments._kernels import spread, store
from rnnpipe.environments._trials import answers
from rnnpipe.tasks._base import Task
from rnnpipe.trials import Trials


class Store:
    """Places for `n_ahead` trials of each of `n_rows` rows; they are empty until they are written."""

    def __init__(self, task: Task, example: Trials, n_rows: int, n_ahead: int) -> None:
        n = n_rows * n_ahead
        n_phases, _, n_actions = example.rewards.shape
        self.onset_period = task.stimulus_onset
        self.n_rows, self.n_ahead, self.discount = n_rows, n_ahead, example.discount
        self.inputs = np.empty((n, example.n_steps, example.n_inputs), np.float32)
        self.steps = np.empty((n, example.n_steps, 3), np.int8)
        self.rewards = np.empty((n, n_phases, n_actions), np.float32)
        self.flags = np.empty((n, n_phases, n_actions), np.uint8)
        self.onset = np.empty(n)
        self.names = list(example.conditions)
        by_type: dict[str, list[str]] = {}
        for name, values in example.conditions.items():
            if values.dtype.kind in "fiub":
                by_type.setdefault(values.dtype.str, []).append(name)
        self.numbers = [(names, np.empty((n, len(names)), dtype)) for dtype, names in by_type.items()]
        """Conditions by type: their names, and the values (places, names)."""
        grouped = {name for names, _ in self.numbers for name in names}
        self.labels = {name: np.empty(n, x.dtype) for name, x in example.conditions.items() if name not in grouped}

    def write(self, row: int, trials: Trials) -> None:
        """Overwrite the trials of a row, at its first places."""
        first = row * self.n_ahead
        where = slice(first, first + trials.n_trials)
        store(
            first,
            trials.inputs,
            trials.phase,
            trials.rewards,
            trials.stops,
            trials.choices,
            trials.correct,
            answers(trials),
            np.array(list(trials.periods.values()), np.int32),
            self.inputs,
            self.steps,
            self.rewards,
            self.flags,
        )
        self.onset[where] = trials.periods[self.onset_period][:, 0] * trials.dt
        for names, values in self.numbers:
            for j, name in enumerate(names):
                values[where, j] = trials.conditions[name]
        for name, labels in self.labels.items():
            labels[where] = trials.conditions[name]

    def conditions(
        self, places: NDArray[np.intp], rows: NDArray[np.intp], n: int, mask: NDArray[np.bool_]
    ) -> dict[str, NDArray[Any]]:
        """Conditions of the first `n` of `places`, each in its row of an array of all rows, and masks of these."""
        found: dict[str, NDArray[Any]] = {}
        for names, values in self.numbers:
            full = np.zeros((len(names), self.n_rows), values.dtype)
            spread(values, places, rows, n, full)
            found.update(zip(names, full, strict=True))
        for name, labels in self.labels.items():
            found[name] = np.full(self.n_rows, None)
            found[name][rows[:n]] = labels[places[:n]]
        return {name: found[name] for name in self.names} | {f"_{name}": mask.copy() for name in self.names}

    def records(self, places: NDArray[np.intp]) -> list[dict[str, Any]]:
        """Conditions of the trials at some places, as plain values."""
        if not len(places):
            return []
        found: dict[str, list[Any]] = {}
        for names, values in self.numbers:
            found.update(zip(names, values[places].T.tolist(), strict=True))
        for name, labels in self.labels.items():
            found[name] = labels[places].tolist()
        columns = [found[name] for name in self.names]
        return [dict(zip(self.names, values, strict=True)) for values in zip(*columns, strict=True)]
