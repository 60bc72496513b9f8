"""Quantities of continuous-time networks that follow a target: their scores, their fixed points and slow curves.

Scores are those of the network on fresh trials with its noise, as published, unless they are called clean. Curves are
traced when they are measured, and once for all quantities of a network (`TracedNetwork`).
"""

from __future__ import annotations

from collections import Counter
from math import comb

import numpy as np
import pandas as pd

from rnnpipe.analysis.choice_surface import choice_surface, gating
from rnnpipe.analysis.quantities._registry import quantity
from rnnpipe.analysis.stored_points import StoredPoints
from rnnpipe.analysis.traced_network import TracedNetwork

RIGHT = 2
"""Action of task cddm."""

CORNER = 0.15
"""How far an output may be from +1 or -1 where it holds a bit."""

MIDDLE = (0.1, 0.9)
"""The part of a line, of its length, that its ends do not belong to."""


def _score(traced: TracedNetwork, name: str) -> float:
    if name not in traced.score:
        raise KeyError(f"score {name}")
    return float(traced.score[name])


@quantity("network", "median")
def squared_error(traced: TracedNetwork) -> float:
    """Mean squared error of the outputs where the loss counts, with noise."""
    return _score(traced, "noisy_mse")


@quantity("network", "median")
def clean_squared_error(traced: TracedNetwork) -> float:
    """Mean squared error of the outputs where the loss counts, without noise."""
    return _score(traced, "mse")


@quantity("network", "largest")
def largest_squared_error(traced: TracedNetwork) -> float:
    """Mean squared error with noise, of the worst network."""
    return _score(traced, "noisy_mse")


@quantity("network", "median")
def output_accuracy(traced: TracedNetwork) -> float:
    """Fraction of trials that the outputs answer correctly."""
    return _score(traced, "noisy_accuracy")


@quantity("network", "median")
def easy_accuracy(traced: TracedNetwork) -> float:
    """Fraction of correct answers at coherences of 20 % and more, in the worse context."""
    # numpy's, unlike Python's, is NaN where one of them is
    return float(np.min([_score(traced, f"noisy_accuracy_{context}") for context in ("motion", "colour")]))


@quantity("network", "median")
def sign_correct(traced: TracedNetwork) -> float:
    """Fraction of steps, 10 and more after a pulse began, at which the outputs have the right sign."""
    return _score(traced, "noisy_sign_correct")


@quantity("network", "median")
def recall_slope(traced: TracedNetwork) -> float:
    """Slope of the number that is recalled over the one that was shown."""
    return _score(traced, "noisy_slope")


@quantity("network", "median")
def recall_r2(traced: TracedNetwork) -> float:
    """Fraction of the variance of the right answers that the recalled numbers explain."""
    return _score(traced, "noisy_r2_recalled")


@quantity("network", "median")
def angular_error(traced: TracedNetwork) -> float:
    """Median angle between the outputs and the right answer, degrees."""
    return _score(traced, "noisy_angular_error")


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
    rest = found.under("rest")
    stable = found.outputs_of(rest[rest["index"] == 0])
    bits = np.where(stable > 0, 1, -1)  # an output of 0 is far from both
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
    x = found.states_of(found.under("rest"))
    if not len(x):
        return np.nan
    return float(max(np.linalg.norm(x + point, axis=1).min() for point in x))


# -- slow curves ----------------------------------------------------------------------------------------------


@quantity("network", "mean")
def has_delay_curve(traced: TracedNetwork) -> float:
    """Fraction of networks with a curve of slow states in the delay."""
    return float(traced.curve("delay") is not None)


@quantity("network", "mean")
def ring_in_delay(traced: TracedNetwork) -> float:
    """Fraction of networks whose slow states in the delay are a closed ring that goes round once."""
    curve = traced.curve("delay")
    return float(curve is not None and curve.kind == "ring")


@quantity("network", "mean")
def ring_in_recall(traced: TracedNetwork) -> float:
    """Fraction of networks whose slow states in recall are a closed ring that goes round once."""
    curve = traced.curve("recall")
    return float(curve is not None and curve.kind == "ring")


@quantity("network", "median")
def delay_output(traced: TracedNetwork) -> float:
    """Largest length of the output along the slow states of the delay: 0 if they cannot be read out."""
    curve = traced.curve("delay")
    return float(np.linalg.norm(curve.outputs, axis=1).max()) if curve is not None else np.nan


@quantity("network", "median")
def recall_output(traced: TracedNetwork) -> float:
    """Smaller of the largest output to either side along the slow states of recall."""
    curve = traced.curve("recall")
    return float(min(curve.outputs[:, 0].max(), -curve.outputs[:, 0].min())) if curve is not None else np.nan


@quantity("network", "median")
def recall_radius(traced: TracedNetwork) -> float:
    """Mean length of the output along the slow states of recall."""
    curve = traced.curve("recall")
    return float(np.linalg.norm(curve.outputs, axis=1).mean()) if curve is not None else np.nan


@quantity("network", "median")
def delay_length(traced: TracedNetwork) -> float:
    """Length of the curve of slow states in the delay."""
    curve = traced.curve("delay")
    return curve.length if curve is not None else np.nan


# -- decisions ------------------------------------------------------------------------------------------------


@quantity("network", "median")
def line_gating(traced: TracedNetwork) -> float:
    """Gain of irrelevant relative to relevant evidence on the line attractors, in the worse context."""
    lines = traced.context_lines
    return float(np.max([one.gating_index for one in lines.values()])) if lines is not None else np.nan


@quantity("network", "median")
def line_slowness(traced: TracedNetwork) -> float:
    """Largest q along the middle 80 % of the line attractors, in the worse context."""
    lines = traced.context_lines
    if lines is None:
        return np.nan
    largest = []
    for one in lines.values():
        place, q = one.line.arclength / one.line.length, one.line.q
        inside = q[(place > MIDDLE[0]) & (place < MIDDLE[1])]
        # between points, as round-off decides on which side of 10 % a point lies
        largest.append(np.max([*inside, *np.interp(MIDDLE, place, q)]))
    return float(np.max(largest))


@quantity("network", "median")
def line_along_choice(traced: TracedNetwork) -> float:
    """|cosine| between the middle of the line attractors and the axis of choice, in the worse context."""
    lines = traced.context_lines
    if lines is None:
        return np.nan
    angles = [one.selection.readout_angle for one in lines.values()]
    return float(np.min([abs(np.cos(np.deg2rad(a[len(a) // 2]))) if a is not None else np.nan for a in angles]))


@quantity("table", "median")
def choice_gating(table: pd.DataFrame) -> float:
    """Slope of choices along the irrelevant relative to that along the relevant coherence, in the worse context."""
    right = np.where(table["decision"].to_numpy(bool), (table["choice"] == RIGHT).to_numpy(float), np.nan)
    surface = choice_surface(
        table["context"], table["coherence_relevant"], table["coherence_irrelevant"], right, table["mse"]
    )
    return float(np.max([gate.index for gate in gating(surface).values()]))
