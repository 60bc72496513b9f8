"""What becomes of the units and the weights of a network while it learns, noted at each evaluation.

How much each unit takes part, p, and how far the weights, w (recurrent, input and output as one vector), have drifted:

====================  =======================================================================
drift_10, _100, ...   norm of w(t) - w(t - L), relative to that of w(t), L = 10, 100, 1000 updates
drift_cosine          cosine of w(t) - w(t') and w(t') - w(t''), t' and t'' the evaluations before
participation_change  norm of p(t) - p(t'), relative to that of p(t)
====================  =======================================================================

w(t - L) is that of the last evaluation that is kept of those L updates ago or more; a value is NaN where that is more
than 1.5 L ago, or where there is none. Ten evaluations are kept for each L, so that networks of any size can afford it.

Reference: engellab/trainRNNbrain (github.com/engellab/trainRNNbrain), state of 2026.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from rnnpipe.networks.ctrnn_constraints import WEIGHTS
from rnnpipe.training.regression_adam import Array

LAGS = (10, 100, 1000)
"""Updates over which weights are compared."""
LATEST = 1.5
"""Largest number of updates over which they are in fact, relative to the one that is meant."""
KEPT = 10
"""Evaluations that are kept within each lag."""


class Traces:
    """Participation at every evaluation, and the weights of some of them.

    Args:
        interval: Updates between evaluations.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.participation: list[Array] = []
        """Of each unit, (n_units,) for each evaluation, float32."""
        self._kept: dict[int, Array] = {}
        """Weights by number of updates, in their order; the last two evaluations are always among them."""

    def note(self, iteration: int, arrays: Mapping[str, Array], participation: Array) -> dict[str, float]:
        """Note an evaluation; returns its drifts, by name.

        Args:
            iteration: Updates before it, more than at the evaluation before.
            arrays: The network's arrays by name of `ctrnn.ARRAYS`.
            participation: Of each unit, (n_units,).
        """
        w = np.concatenate([arrays[name].reshape(-1) for name in WEIGHTS])
        row = {f"drift_{lag}": self._drift(iteration, w, lag) for lag in LAGS}
        before = list(self._kept.values())[-2:]
        row["drift_cosine"] = _cosine(w - before[1], before[1] - before[0]) if len(before) == 2 else math.nan
        row["participation_change"] = math.nan
        if self.participation:
            row["participation_change"] = _ratio(_norm(participation - self.participation[-1]), _norm(participation))
        self.participation.append(participation)
        self._kept[iteration] = w
        self._forget(iteration)
        return row

    def _drift(self, iteration: int, w: Array, lag: int) -> float:
        at = max((k for k in self._kept if iteration - k >= lag), default=None)
        if at is None or iteration - at > LATEST * lag:
            return math.nan
        return _ratio(_norm(w - self._kept[at]), _norm(w))

    def _forget(self, iteration: int) -> None:
        """Drop weights that no later evaluation will be compared with."""
        needed = set(list(self._kept)[-2:])
        for lag in LAGS:
            # the first evaluation of each stretch of `cell` updates is kept until a later one is a lag old
            cell = max(self.interval, lag // KEPT)
            chosen = [k for k in self._kept if k % cell < self.interval]
            old = [k for k in chosen if iteration - k >= lag]
            needed |= {k for k in chosen if iteration - k < lag} | set(old[-1:])
        self._kept = {k: w for k, w in self._kept.items() if k in needed}

    def state(self) -> dict[str, Any]:
        """Everything that later notes depend on, as tensors and plain values."""
        return {
            "participation": torch.from_numpy(np.array(self.participation, np.float32)),
            "iterations": list(self._kept),
            "weights": [torch.from_numpy(w.copy()) for w in self._kept.values()],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self.participation = list(state["participation"].numpy())
        self._kept = {k: w.numpy() for k, w in zip(state["iterations"], state["weights"], strict=True)}


def _norm(values: Array) -> float:
    return math.sqrt(float(np.square(values, dtype=np.float64).sum()))


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else math.nan


def _cosine(a: Array, b: Array) -> float:
    return _ratio(float(np.einsum("i,i->", a, b, dtype=np.float64)), _norm(a) * _norm(b))
