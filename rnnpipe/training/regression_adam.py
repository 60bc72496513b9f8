"""Adam as published, with weight decay as part of the gradient, on the arrays of a network as one vector."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[Any]

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    r"""Adam with coupled L2 weight decay.

    .. math:: g \leftarrow g + \lambda \theta, \quad \theta \leftarrow \theta - \eta \hat m / (\sqrt{\hat v} + \epsilon)

    Args:
        arrays: Arrays by name; they are copied.
        names: Those that are trained; the others stay as they are.
        weight_decay: lambda.

    Reference: Kingma & Ba (2015), algorithm 1.
    """

    def __init__(self, arrays: Mapping[str, Array], names: Sequence[str], weight_decay: float) -> None:
        self.names, self.weight_decay = tuple(names), weight_decay
        self._shapes = {name: arrays[name].shape for name in names}
        self.values = self.flat(arrays)
        self.m, self.v = np.zeros_like(self.values), np.zeros_like(self.values)
        self.n_steps = 0
        self.arrays = {**{name: a.copy() for name, a in arrays.items()}, **self.views(self.values)}
        """Views of `values` by name, and the arrays that are not trained."""
        self.momentum = self.views(self.m)
        """Views of the first moments by name."""

    def flat(self, arrays: Mapping[str, Array]) -> Array:
        """Arrays that are trained as one vector; a copy."""
        return np.concatenate([arrays[name].reshape(-1) for name in self.names]).astype(np.float32)

    def views(self, vector: Array) -> dict[str, Array]:
        """A vector as arrays by name."""
        found, start = {}, 0
        for name, shape in self._shapes.items():
            size = math.prod(shape)
            found[name] = vector[start : start + size].reshape(shape)
            start += size
        return found

    def step(self, gradient: Array, rate: float) -> None:
        """One update of the arrays, in place, by a gradient as `flat` makes it."""
        g = gradient + np.float32(self.weight_decay) * self.values
        self.n_steps += 1
        self.m *= np.float32(BETA_1)
        self.m += np.float32(1 - BETA_1) * g
        self.v *= np.float32(BETA_2)
        self.v += np.float32(1 - BETA_2) * (g * g)
        scale = np.sqrt(self.v) * np.float32(1 / math.sqrt(1 - BETA_2**self.n_steps)) + np.float32(EPSILON)
        self.values -= np.float32(rate / (1 - BETA_1**self.n_steps)) * self.m / scale

    def state(self) -> dict[str, Any]:
        """Values and moments, copied."""
        return {
            **{name: torch.from_numpy(getattr(self, name).copy()) for name in ("values", "m", "v")},
            "n_steps": self.n_steps,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        for name in ("values", "m", "v"):
            getattr(self, name)[...] = state[name].numpy()
        self.n_steps = state["n_steps"]


def norm(vector: Array) -> float:
    """Length of a vector, summed in float64 and always in the same order."""
    return math.sqrt(float(np.square(vector, dtype=np.float64).sum()))


def task_safe(of_task: Array, of_penalties: Array) -> Array:
    """Sum of two gradients, the second without what opposes the first.

    With s = <p, t> / |t|^2 < 0, the penalties' gradient p becomes p - s t, at right angles to the task's t.
    """
    t, p = of_task.astype(np.float64), of_penalties.astype(np.float64)
    square = float((t * t).sum())
    s = float((p * t).sum()) / square if square > 0 else 0.0
    total: Array = (t + p - min(s, 0.0) * t).astype(np.float32)
    return total
