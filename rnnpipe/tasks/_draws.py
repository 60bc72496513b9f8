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

    def one(self, rng: np.random.RandomState) -> Any:
        """One draw, the same as the first of `n`: a plain value, which is much faster than an array of one."""


@dataclass(frozen=True)
class Choice:
    """One of a list of values, uniformly."""

    values: Sequence[Any]

    def __call__(self, rng: Rng, n: int) -> NDArray[Any]:
        integers = rng.randint if isinstance(rng, np.random.RandomState) else rng.integers
        return np.asarray(self.values)[integers(0, len(self.values), n)]

    def one(self, rng: np.random.RandomState) -> Any:
        return self.values[rng.randint(0, len(self.values))]


@dataclass(frozen=True)
class Fixed:
    """Always the same number, unless a data set gives another; nothing is drawn from the generator."""

    value: float

    def __call__(self, rng: Rng, n: int) -> NDArray[np.float64]:
        return np.full(n, self.value, dtype=float)

    def one(self, rng: np.random.RandomState) -> float:
        return self.value


@dataclass(frozen=True)
class Uniform:
    """Uniform on [low, high), then floored to a multiple of `step` (not floored if it is 0)."""

    low: float
    high: float
    step: float = 0.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"nothing lies between {self.low:g} and {self.high:g}; the first must be smaller")

    def __call__(self, rng: Rng, n: int) -> NDArray[np.float64]:
        x = rng.uniform(self.low, self.high, n)
        return np.floor(x / self.step + 1e-9) * self.step if self.step else x

    def one(self, rng: np.random.RandomState) -> float:
        x = rng.uniform(self.low, self.high)
        return math.floor(x / self.step + 1e-9) * self.step if self.step else x


@dataclass(frozen=True)
class If:
    """Drawn only where another variable, drawn before, is true; `otherwise` elsewhere."""

    given: str
    draw: Draw
    otherwise: float

    def __call__(self, rng: Rng, n: int) -> NDArray[Any]:
        return self.draw(rng, n)

    def one(self, rng: np.random.RandomState) -> Any:
        return self.draw.one(rng)


@dataclass(frozen=True)
class TruncatedExponential:
    """Exponential of a mean (ms) kept within [low, high), floored to a multiple of dt, plus a constant offset."""

    mean: float
    low: float
    high: float
    dt: float
    offset: float = 0.0

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
        return self.offset + np.floor(x / self.dt + 1e-9) * self.dt

    def one(self, rng: np.random.RandomState) -> float:
        while not self.low <= (x := rng.exponential(self.mean)) < self.high:
            pass
        return self.offset + math.floor(x / self.dt + 1e-9) * self.dt


def draw(
    variables: Mapping[str, Draw], rng: Rng, n: int, forced: Mapping[str, ArrayLike], where: str
) -> dict[str, NDArray[Any]]:
    """Draw the variables of `n` trials, in the order of `variables`; forced ones are not drawn.

    A `Generator` draws variable by variable, all trials at once. A legacy `RandomState` draws trial by trial,
    which is the order of the published implementation: with its seed it gives that implementation's trials.

    Raises:
        SettingsError: A forced variable is unknown, is neither a scalar nor `n` values, or is none of its labels.
    """
    for name, value in forced.items():
        if name not in variables:
            raise SettingsError(f"{where}: no variable {name!r} ({suggest(name, variables)}).")
        if np.ndim(value) > 1 or (np.ndim(value) == 1 and len(np.asarray(value)) != n):
            raise SettingsError(f"{where}: {name!r} must be one value or {n}, got shape {np.shape(value)}.")
        # numbers may lie between those of the task, labels may not
        labels = [v for v in getattr(variables[name], "values", ()) if isinstance(v, str)]
        for label in np.unique(np.asarray(value)) if labels else ():
            if str(label) not in labels:
                raise SettingsError(f"{where}: {name} = {str(label)!r} ({suggest(str(label), labels)}).")
    free = {k: v for k, v in variables.items() if k not in forced}
    if isinstance(rng, np.random.RandomState):
        drawn: dict[str, Any] = {k: [] for k in free}
        for i in range(n):
            for name, variable in free.items():
                if isinstance(variable, If):
                    own = drawn.get(variable.given)
                    if not (own[-1] if own is not None else np.broadcast_to(forced[variable.given], n)[i]):
                        drawn[name].append(variable.otherwise)
                        continue
                drawn[name].append(variable.one(rng))
        drawn = {k: np.array(v, free[k](rng, 0).dtype) for k, v in drawn.items()}
    else:
        drawn = {name: variable(rng, n) for name, variable in free.items()}
    result = {k: drawn[k] if k in drawn else np.broadcast_to(forced[k], n).copy() for k in variables}
    for name, variable in free.items():
        if isinstance(variable, If):
            result[name] = np.where(result[variable.given], result[name], variable.otherwise)
    return result
