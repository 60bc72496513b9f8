"""Quantities of continuous-time networks that follow a target: their scores, their fixed points and slow curves.

Scores are those of the network on fresh trials with its noise, as published, unless they are called clean. Curves are
traced when they are measured.
"""

from __future__ import annotations

from collections import Counter
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnpipe.analysis.choice_surface import choice_surface, gating
from rnnpipe.analysis.quantities._registry import quantity
from rnnpipe.analysis.stored_points import StoredPoints

if TYPE_CHECKING:
    from rnnpipe.analysis.slow_curves import ContextLine
    from rnnpipe.fixed_points.manifold import SlowManifold
    from rnnpipe.io.ctrnn import StoredCtrnn

RIGHT = 2
"""Action of task cddm."""

CORNER = 0.15
"""How far an output may be from +1 or -1 where it holds a bit."""

MIDDLE = (0.1, 0.9)
"""The part of a line, of its length, that its ends do not belong to."""


def _score(stored: StoredCtrnn, name: str) -> float:
    value = stored.score.get(name, np.nan)
    return float(value)


@quantity("network", "median")
def squared_error(stored: StoredCtrnn) -> float:
    """Mean squared error of the outputs where the loss counts, with noise."""
    return _score(stored, "noisy_mse")


@quantity("network", "median")
def clean_squared_error(stored: StoredCtrnn) -> float:
    """Mean squared error of the outputs where the loss counts, without noise."""
    return _score(stored, "mse")


@quantity("network", "largest")
def largest_squared_error(stored: StoredCtrnn) -> float:
    """Mean squared error with noise, of the worst network."""
    return _score(stored, "noisy_mse")


@quantity("network", "median")
def output_accuracy(stored: StoredCtrnn) -> float:
    """Fraction of trials that the outputs answer correctly."""
    return _score(stored, "noisy_accuracy")


@quantity("network", "median")
def easy_accuracy(stored: StoredCtrnn) -> float:
    """Fraction of correct answers at coherences of 20 % and more, in the worse context."""
    return min(_score(stored, "noisy_accuracy_motion"), _score(stored, "noisy_accuracy_colour"))


@quantity("network", "median")
def sign_correct(stored: StoredCtrnn) -> float:
    """Fraction of steps, 10 and more after a pulse began, at which the outputs have the right sign."""
    return _score(stored, "noisy_sign_correct")


@quantity("network", "median")
def recall_slope(stored: StoredCtrnn) -> float:
    """Slope of the number that is recalled over the one that was shown."""
    return _score(stored, "noisy_slope")


@quantity("network", "median")
def recall_r2(stored: StoredCtrnn) -> float:
    """Fraction of the variance of the right answers that the recalled numbers explain."""
    return _score(stored, "noisy_r2_recalled")


@quantity("network", "median")
def angular_error(stored: StoredCtrnn) -> float:
    """Median angle between the outputs and the right answer, degrees."""
    return _score(stored, "noisy_angular_error")


# -- fixed points ---------------------------------------------------------------------------------------------


@quantity("fixed_points", "mean")
def cube_census(found: StoredPoints) -> float:
    """Fraction of networks with the fixed points of an ideal n-bit memory at rest: C(n, k) 2^(n - k) of index k."""
    rest = found.under("rest")
    n = found.n_outputs
    ideal = {k: comb(n, k) * 2 ** (n - k) for k in range(n + 1)}
    return float(dict(Counter(rest["index"].astype(int))) == ideal)


@quantity("fixed_points", "median")
def points_at_rest(found: StoredPoints) -> float:
    """Number of fixed points at rest."""
    return float(len(found.under("rest")))


@quantity("fixed_points", "mean")
def all_corners(found: StoredPoints) -> float:
    """Fraction of networks whose stable points at rest hold every combination of bits, each output within 0.15."""
    stable = found.outputs_of((found.table["label"] == "rest") & (found.table["index"] == 0))
    bits = np.sign(stable)
    held = (np.abs(stable - bits) <= CORNER).all(1)
    return float(len(np.unique(bits[held], axis=0)) == 2**found.n_outputs)


@quantity("fixed_points", "median")
def points_under_a_pulse(found: StoredPoints) -> float:
    """Number of stable points under a pulse to one bit, mean over pulses: 2^(n - 1) if the other value is lost."""
    labels = [label for label in found.labels if label.startswith("pulse_")]
    return float(np.mean([(found.under(label)["index"] == 0).sum() for label in labels])) if labels else np.nan


@quantity("fixed_points", "mean")
def certified_fraction(found: StoredPoints) -> float:
    """Fraction of fixed points that are proved to exist, all inputs."""
    return float(found.table["certified"].mean()) if len(found.table) else np.nan


@quantity("fixed_points", "mean")
def degree_of_one(found: StoredPoints) -> float:
    """Fraction of inputs under which the signs of det(-J) of all points sum to 1, as they must (bounded rates)."""
    sums = [found.under(label)["degree"].sum() for label in found.labels]
    return float(np.mean([s == 1 for s in sums]))


@quantity("fixed_points", "largest")
def asymmetry_at_rest(found: StoredPoints) -> float:
    """Largest distance between minus a point at rest and the nearest point: 0 of odd networks without input."""
    x = found.states_of(found.table["label"] == "rest")
    if not len(x):
        return np.nan
    return float(max(np.linalg.norm(x + point, axis=1).min() for point in x))


# -- slow curves ----------------------------------------------------------------------------------------------


def _curve(stored: StoredCtrnn, label: str) -> SlowManifold | None:
    """The slow curve of a memory under an input; None where there is none."""
    from rnnpipe.analysis.slow_curves import memory_curves
    from rnnpipe.fixed_points.manifold import ManifoldError
    from rnnpipe.fixed_points.trace import ManifoldSettings

    cache = _CURVES.setdefault(str(stored.path), {})
    if label not in cache:
        try:
            network = stored.network.astype(np.float64)
            cache[label] = memory_curves(network, stored.task, [label], ManifoldSettings())[label]
        except ManifoldError:
            cache[label] = None
    return cache[label]


_CURVES: dict[str, dict[str, Any]] = {}
"""Curves by file and input: several claims look at one."""


@quantity("network", "mean")
def has_delay_curve(stored: StoredCtrnn) -> float:
    """Fraction of networks with a curve of slow states in the delay."""
    return float(_curve(stored, "delay") is not None)


@quantity("network", "mean")
def ring_in_delay(stored: StoredCtrnn) -> float:
    """Fraction of networks whose slow states in the delay are a closed ring that goes round once."""
    curve = _curve(stored, "delay")
    return float(curve is not None and curve.kind == "ring" and abs(curve.winding) == 1)


@quantity("network", "mean")
def ring_in_recall(stored: StoredCtrnn) -> float:
    """Fraction of networks whose slow states in recall are a closed ring that goes round once."""
    curve = _curve(stored, "recall")
    return float(curve is not None and curve.kind == "ring" and abs(curve.winding) == 1)


@quantity("network", "median")
def delay_output(stored: StoredCtrnn) -> float:
    """Largest length of the output along the slow states of the delay: 0 if they cannot be read out."""
    curve = _curve(stored, "delay")
    return float(np.linalg.norm(curve.outputs, axis=1).max()) if curve is not None else np.nan


@quantity("network", "median")
def recall_output(stored: StoredCtrnn) -> float:
    """Smaller of the largest output to either side along the slow states of recall."""
    curve = _curve(stored, "recall")
    return float(min(curve.outputs[:, 0].max(), -curve.outputs[:, 0].min())) if curve is not None else np.nan


@quantity("network", "median")
def recall_radius(stored: StoredCtrnn) -> float:
    """Mean length of the output along the slow states of recall."""
    curve = _curve(stored, "recall")
    return float(np.linalg.norm(curve.outputs, axis=1).mean()) if curve is not None else np.nan


@quantity("network", "median")
def delay_length(stored: StoredCtrnn) -> float:
    """Length of the curve of slow states in the delay."""
    curve = _curve(stored, "delay")
    return curve.length if curve is not None else np.nan


# -- decisions ------------------------------------------------------------------------------------------------


def _lines(stored: StoredCtrnn) -> dict[str, ContextLine] | None:
    """The line of either context; None where a context has none."""
    from rnnpipe.analysis.slow_curves import context_lines
    from rnnpipe.fixed_points.manifold import ManifoldError

    cache = _CURVES.setdefault(str(stored.path), {})
    if "contexts" not in cache:
        try:
            cache["contexts"] = context_lines(stored.network.astype(np.float64), stored.task)  # type: ignore[arg-type]
        except ManifoldError:
            cache["contexts"] = None
    return cache["contexts"]


@quantity("network", "median")
def line_gating(stored: StoredCtrnn) -> float:
    """Gain of irrelevant relative to relevant evidence on the line attractors, in the worse context."""
    lines = _lines(stored)
    return max(one.gating_index for one in lines.values()) if lines is not None else np.nan


@quantity("network", "median")
def line_slowness(stored: StoredCtrnn) -> float:
    """Largest q along the middle 80 % of the line attractors, in the worse context."""
    lines = _lines(stored)
    if lines is None:
        return np.nan
    inside = []
    for one in lines.values():
        place = one.line.arclength / one.line.length
        inside.append(one.line.q[(place >= MIDDLE[0]) & (place <= MIDDLE[1])].max())
    return float(max(inside))


@quantity("network", "median")
def line_along_choice(stored: StoredCtrnn) -> float:
    """|cosine| between the middle of the line attractors and the axis of choice, in the worse context."""
    lines = _lines(stored)
    if lines is None or any(one.selection.readout_angle is None for one in lines.values()):
        return np.nan
    middle = []
    for one in lines.values():
        angle = one.selection.readout_angle
        assert angle is not None
        middle.append(abs(np.cos(np.deg2rad(angle[len(angle) // 2]))))
    return float(min(middle))


@quantity("table", "median")
def choice_gating(table: pd.DataFrame) -> float:
    """Slope of choices along the irrelevant relative to that along the relevant coherence, in the worse context."""
    right = np.where(table["decision"].to_numpy(bool), (table["choice"] == RIGHT).to_numpy(float), np.nan)
    surface = choice_surface(
        table["context"], table["coherence_relevant"], table["coherence_irrelevant"], right, table["mse"]
    )
    return max(gate.index for gate in gating(surface).values())
