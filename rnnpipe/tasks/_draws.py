"""Distributions of trial variables, and the one function that draws them in order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.settings import suggest

Rng = np.random.Generator | np.random.RandomState


class Draw(Protocol):
    """A distribution of one variable."""

    def __call__(self, rng: Rng, n: int) -> NDArray[Any]:
        """`n` independent draws, (n,)."""


@dataclass(frozen=True)
class Choice:
    """One of a list of values, uniformly."""

    values: Sequence[Any]

    def __call__(self, rng: Rng, n: int) -> NDArray[Any]:
        integers = rng.randint if isinstance(rng, np.random.RandomState) else rng.integers
        return np.asarray(self.values)[integers(0, len(self.values), n)]


@dataclass(frozen=True)
class TruncatedExponential:
    """Exponential of a mean (ms) kept within [low, high), then floored to a multiple of dt."""

    mean: float
    low: float
    high: float
    dt: float

    def __post_init__(self) -> None:
        # rejection would draw for ever where hardly anything is kept
        if math.exp(-self.low / self.mean) - math.exp(-self.high / self.mean) < 1e-3:
            raise ValueError(
                f"an exponential of mean {self.mean:g} ms is hardly ever between {self.low:g} and {self.high:g} ms;"
                " change its mean or its bounds"
            )

    def __call__(self, rng: Rng, n: int) -> NDArray[np.float64]:
        x = np.full(n, np.nan)
        while (outside := ~((self.low <= x) & (x < self.high))).any():
            x[outside] = rng.exponential(self.mean, outside.sum())
        return np.floor(x / self.dt + 1e-9) * self.dt


def draw(
    variables: Mapping[str, Draw], rng: Rng, n: int, forced: Mapping[str, ArrayLike], where: str
) -> dict[str, NDArray[Any]]:
    """Draw the variables of `n` trials, in the order of `variables`; forced ones are not drawn.

    A `Generator` draws variable by variable, all trials at once. A legacy `RandomState` draws trial by trial,
    which is the order of the published implementation: with its seed it gives that implementation's trials.

    Raises:
        SettingsError: A forced variable is unknown, or is neither a scalar nor `n` values.
    """
    for name, value in forced.items():
        if name not in variables:
            raise SettingsError(f"{where}: no variable {name!r} ({suggest(name, variables)}).")
        if np.ndim(value) > 1 or (np.ndim(value) == 1 and len(np.asarray(value)) != n):
            raise SettingsError(f"{where}: {name!r} must be one value or {n}, got shape {np.shape(value)}.")
    free = {k: v for k, v in variables.items() if k not in forced}
    if isinstance(rng, np.random.RandomState):
        drawn: dict[str, Any] = {k: [] for k in free}
        for _ in range(n):
            for name, variable in free.items():
                drawn[name].append(variable(rng, 1))
        drawn = {k: np.concatenate(v) if v else free[k](rng, 0) for k, v in drawn.items()}
    else:
        drawn = {name: variable(rng, n) for name, variable in free.items()}
    return {k: drawn[k] if k in drawn else np.broadcast_to(forced[k], n).copy() for k in variables}
