r"""How well a memorised variable can be read: from the outputs, and from the place on a line or ring of slow states.

R^2 = 1 - sum |error|^2 / sum |target - mean|^2, summed over the components of the variable. Readings that are fitted
are tested on trials that the fit has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnpipe.errors import SettingsError
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.manifold import SlowManifold
from rnnpipe.fixed_points.response import Array

FOLDS = 5


@dataclass(frozen=True)
class Recall:
    """Outputs against what they should be; the last axis is the output."""

    r_squared: float
    """Of the outputs as they are, without a fit."""
    slope: Array
    """Of the regression of each output on its target, (n_outputs,)."""
    intercept: Array
    """(n_outputs,)."""


def recall(flow: Flow, y: Array, target: Array) -> Recall:
    """How well the outputs at the ends of trials are a target.

    Args:
        flow: The network (under the input of the recall).
        y: States at the end, (n_trials, n_units).
        target: What the outputs should be, (n_trials, n_outputs).
    """
    outputs = flow.outputs(flow.rates(np.asarray(y, np.float64)))
    target = _columns(target, len(outputs))
    if target.shape != outputs.shape:
        raise SettingsError(f"the target has shape {target.shape}, expected one value an output, {outputs.shape}.")
    centred = target - target.mean(0)
    square = (centred**2).sum(0)
    if not square.all():
        raise SettingsError("a target is the same in all trials: nothing can be decoded from them.")
    slope = (centred * outputs).sum(0) / square
    return Recall(_r_squared(outputs, target), slope, outputs.mean(0) - slope * target.mean(0))


@dataclass(frozen=True)
class PlaceDecoding:
    """A variable read from the place on a curve."""

    r_squared: float
    """On trials that the fit has not seen; of (cos, sin) of an angle."""
    median_error: float
    """Median |error|, on the same trials: in units of the variable, of an angle in degrees."""
    away: float
    """Median distance of the states from the curve."""


def decode_place(
    manifold: SlowManifold, y: Array, variable: Array, rng: np.random.Generator, angle: bool = False, order: int = 3
) -> PlaceDecoding:
    """Read a memorised variable from the place on a line or ring of slow states nearest to the state of each trial.

    The variable, of an angle its cosine and sine, is a polynomial of the place on a line, a Fourier series of it on a
    ring, fitted by least squares.

    Args:
        manifold: The curve.
        y: States during the delay, (n_trials, n_units).
        variable: What is memorised, (n_trials,); angles in radians.
        rng: Generator of the five groups of trials, each of which is left out of the fit once.
        angle: Whether the variable is an angle.
        order: Highest power or harmonic.
    """
    variable = np.asarray(variable, np.float64)
    n = len(y)
    if variable.shape != (n,):
        raise SettingsError(f"the memorised variable has shape {variable.shape}, expected ({n},): one value a trial.")
    s, away = manifold.locate(np.asarray(y, np.float64))
    part = s / manifold.length
    if manifold.kind == "ring":
        turns = 2 * np.pi * part[:, None] * np.arange(1, order + 1)
        features = np.concatenate([np.ones((n, 1)), np.cos(turns), np.sin(turns)], axis=1)
    else:
        features = np.polynomial.legendre.legvander(2 * part - 1, order)
    if n < FOLDS or n - -(-n // FOLDS) < features.shape[1]:
        raise SettingsError(
            f"{n} trials: too few to fit {features.shape[1]} coefficients and test them; run more trials."
        )
    target = np.stack([np.cos(variable), np.sin(variable)], axis=1) if angle else variable[:, None]
    read = np.empty_like(target)
    group = rng.permutation(n) % FOLDS
    for g in range(FOLDS):
        fit = group != g
        read[~fit] = features[~fit] @ np.linalg.lstsq(features[fit], target[fit], rcond=None)[0]
    if angle:
        error = np.degrees(np.abs(np.angle((read[:, 0] + 1j * read[:, 1]) * np.exp(-1j * variable))))
    else:
        error = np.abs(read - target)[:, 0]
    return PlaceDecoding(_r_squared(read, target), float(np.median(error)), float(np.median(away)))


def _columns(values: Array, n: int) -> Array:
    values = np.asarray(values, np.float64)
    return values[:, None] if values.ndim == 1 and len(values) == n else values


def _r_squared(read: Array, target: Array) -> float:
    total = float(((target - target.mean(0)) ** 2).sum())
    return 1 - float(((read - target) ** 2).sum()) / total if total else np.nan
