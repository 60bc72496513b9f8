"""A task of NeuroGym as trials with their ground truth, for supervised learning: what `neurogym:<id>` stands for."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnpipe.environments.neurogym import NeurogymSource, NeurogymTrials
from rnnpipe.errors import SettingsError
from rnnpipe.tasks._constant_inputs import NO_INPUT
from rnnpipe.tasks._draws import Draw, Rng
from rnnpipe.tasks._sources import NEUROGYM, Truth
from rnnpipe.trials import DECISION, FIXATE, FREE, OUTSIDE, TIMEOUT, Trials

N_PROBED = 1000
"""Trials that tell how long a trial can be, what is drawn for it, and whether to wait can be right."""
N_AVERAGED = 200
"""Trials over which the inputs of a period are averaged."""
OUTCOMES = ("choice", "decision", "correct", "reward", "choice_time", "reaction_time", "n_steps", "mse", "r2")
"""Columns of an evaluation that are no conditions; a condition of that name gets the prefix `drawn_`."""


class NeurogymTask:
    """Trials of one of NeuroGym's tasks; see `rnnpipe.tasks._sources.Source`.

    A choice is due in its period "decision"; in a task without, in the last steps whose ground truth is an action, and
    where there are none in the last step. A trial that is longer than all of the first 1000 is drawn again.

    Args:
        id: Id, with or without `neurogym:`.
        **kwargs: Keyword arguments of the task; those that JSON knows.

    Raises:
        SettingsError: NeuroGym is missing, there is no such id, it cannot be made with these arguments, or has no
            ground truth.
    """

    factors = ()

    def __init__(self, id: str, **kwargs: Any) -> None:
        self.name = id.removeprefix(NEUROGYM)
        self._of = NeurogymSource(self.name, **kwargs)
        self.dt = self._of.dt
        if "dt" in kwargs and kwargs["dt"] != self.dt:
            raise SettingsError(
                f"NeuroGym's {self.name} has steps of {self.dt:g} ms whatever is asked for; set dt to that."
            )
        self.input_names, self.action_names = self._of.input_names, self._of.action_names
        probed = self._of.batch(N_PROBED, 0)
        self.n_steps = int(probed.lengths.max())
        self.continuous = probed.ground_truth.dtype.kind == "f"
        self._kinds = {name: _kind(values) for name, values in probed.conditions.items()}
        self._withholds = not self.continuous and bool((_answers(probed, _due(probed)) == FIXATE).any())

    def variables(self) -> dict[str, Draw]:
        """Variables that can be fixed: none."""
        return {}

    def factorial(self) -> list[dict[str, Any]]:
        """Every combination of conditions: one, without any."""
        return [{}]

    def sample(self, rng: Rng, n_trials: int, **conditions: ArrayLike) -> Truth:
        """Draw trials.

        Raises:
            SettingsError: A condition is given, of which none can be fixed.
        """
        if conditions:
            raise SettingsError(f"NeuroGym's {self.name} has no variable {next(iter(conditions))!r} that can be fixed.")
        if isinstance(rng, np.random.RandomState):
            rng = np.random.default_rng(int(rng.randint(2**31 - 1)))
        parts, missing = [], n_trials
        while missing:
            part = self._of.batch(missing, rng)
            fits = np.flatnonzero(part.lengths <= self.n_steps)
            parts.append(self._truth(part, fits))
            missing -= len(fits)
        return parts[0] if len(parts) == 1 else _joined(parts)

    def session(self, rng: Rng, n_trials: int) -> Truth:
        """Draw consecutive trials."""
        return self.sample(rng, n_trials)

    def constant_inputs(self) -> dict[str, NDArray[np.float64]]:
        """Input in the middle of each period, the mean over trials, and no input at all."""
        trials = self.sample(np.random.default_rng(0), N_AVERAGED).trials
        found = {}
        for period, edges in trials.periods.items():
            there = np.flatnonzero((edges[:, 1] > edges[:, 0]) & (edges[:, 0] >= 0))
            if len(there):
                middle = np.minimum(edges[there].sum(1) // 2, trials.n_steps - 1)
                found[period] = trials.inputs[middle, there].mean(0, dtype=np.float64)
        return {**found, NO_INPUT: np.zeros(trials.n_inputs)}

    def _truth(self, drawn: NeurogymTrials, rows: NDArray[np.intp]) -> Truth:
        """Some of NeuroGym's trials, filled up to `n_steps`."""
        n, due = len(rows), _due(drawn)
        answers = _answers(drawn, due)[rows]
        lengths, due = drawn.lengths[rows], due[rows]

        def filled(values: NDArray[Any]) -> NDArray[Any]:
            part = values[: self.n_steps, rows]
            return np.concatenate([part, np.zeros((self.n_steps - len(part), *part.shape[1:]), part.dtype)])

        n_actions = 1 if self.continuous else len(self.action_names)
        correct = np.full((n, n_actions), -1, np.int8)
        if not self.continuous:
            correct[:] = answers[:, None] == np.arange(n_actions)
            correct[:, FIXATE] = correct[:, FIXATE] if self._withholds else -1
        t = np.arange(self.n_steps)[:, None]
        phase = np.where(t < due[:, 0], OUTSIDE, np.where(t < due[:, 1], DECISION, FREE)).astype(np.uint8)
        rewards, choices = np.zeros((FREE + 1, n, n_actions), np.float32), np.zeros((FREE + 1, n, n_actions), bool)
        rewards[[DECISION, TIMEOUT]] = correct == 1
        choices[DECISION, :, FIXATE + 1 :] = choices[TIMEOUT, :, FIXATE + 1 :] = True
        choices[TIMEOUT, :, FIXATE] = self._withholds
        trials = Trials(
            task=self.name,
            dt=self.dt,
            inputs=filled(drawn.inputs),
            phase=phase,
            rewards=rewards,
            stops=choices.copy(),
            choices=choices,
            correct=correct,
            discount=np.ones(self.n_steps, np.float32),
            periods={**{name: edges[rows] for name, edges in drawn.periods.items()}, "decision": due},
            conditions=self._conditions(drawn, rows),
        )
        weights = filled(drawn.mask) if self.continuous else None
        return Truth(trials, filled(drawn.ground_truth), lengths, weights)

    def _conditions(self, drawn: NeurogymTrials, rows: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        """What was drawn, as numbers or text; always the same columns."""
        columns = {}
        for name, kind in self._kinds.items():
            values = [drawn.conditions[name][i] for i in rows] if name in drawn.conditions else [None] * len(rows)
            columns[f"drawn_{name}" if name in OUTCOMES else name] = _as(kind, values)
        return columns


def _due(drawn: NeurogymTrials) -> NDArray[np.int32]:
    """Half-open [onset, offset) of the steps in which the choice of each trial is due, (n_trials, 2)."""
    lengths = drawn.lengths
    due = np.stack([lengths - 1, lengths], axis=1)
    if drawn.ground_truth.ndim == 2:
        acts = (drawn.ground_truth != FIXATE) & (drawn.mask > 0)
        last = len(acts) - 1 - acts[::-1].argmax(0)
        before = (np.arange(len(acts))[:, None] < last) & ~acts
        first = np.where(before.any(0), len(acts) - before[::-1].argmax(0), 0)
        due = np.where(acts.any(0)[:, None], np.stack([first, last + 1], axis=1), due)
    if "decision" in drawn.periods:
        edges = np.minimum(drawn.periods["decision"], lengths[:, None])
        there = (edges[:, 0] >= 0) & (edges[:, 1] > edges[:, 0])
        due = np.where(there[:, None], edges, due)
    return due.astype(np.int32)


def _answers(drawn: NeurogymTrials, due: NDArray[np.int32]) -> NDArray[Any]:
    """Ground truth in the last step in which the choice is due, (n_trials, ...)."""
    return np.asarray(drawn.ground_truth[due[:, 1] - 1, np.arange(len(due))])


def _kind(values: NDArray[Any]) -> str:
    """Whether the values of a condition are truths, numbers or else text."""
    if values.ndim == 1:
        plain = [v.item() if isinstance(v, np.generic) else v for v in values]
        if all(isinstance(v, bool) for v in plain):
            return "bool"
        if all(v is None or isinstance(v, bool | int | float) for v in plain):
            return "number"
    return "text"


def _as(kind: str, values: list[Any]) -> NDArray[Any]:
    plain = [v.tolist() if isinstance(v, np.ndarray | np.generic) else v for v in values]
    if kind == "bool":
        return np.array([bool(v) for v in plain])
    if kind == "number":
        return np.array([np.nan if v is None else float(v) for v in plain])
    return np.array([v if isinstance(v, str) else json.dumps(v) for v in plain], object)


def _joined(parts: list[Truth]) -> Truth:
    """Trials of several draws one after the other."""
    first = parts[0].trials

    def along(axis: int, of: list[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate(of, axis=axis)

    every = [part.trials for part in parts]
    names = list(dict.fromkeys(name for trials in every for name in trials.periods))
    trials = Trials(
        task=first.task,
        dt=first.dt,
        inputs=along(1, [x.inputs for x in every]),
        phase=along(1, [x.phase for x in every]),
        rewards=along(1, [x.rewards for x in every]),
        stops=along(1, [x.stops for x in every]),
        choices=along(1, [x.choices for x in every]),
        correct=along(0, [x.correct for x in every]),
        discount=first.discount,
        periods={k: along(0, [x.periods.get(k, np.full((x.n_trials, 2), -1, np.int32)) for x in every]) for k in names},
        conditions={k: along(0, [x.conditions[k] for x in every]) for k in first.conditions},
    )
    weights = [part.own_weights for part in parts if part.own_weights is not None]
    return Truth(
        trials,
        along(1, [part.values for part in parts]),
        along(0, [part.lengths for part in parts]),
        along(1, weights) if weights else None,
    )
