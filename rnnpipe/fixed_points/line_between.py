"""The line between two choices, built as in the pipeline of Engel's laboratory: hyperplanes across the chord.

The network is nudged to either choice, left to itself without the nudge, and between the two ends the slowest state is
found in each of a number of hyperplanes; each search starts from the solution of the last one plus the increment. (In
the pipeline itself the nudge stays on while the ends relax.) `trace_manifold` needs no ends and follows bends.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.manifold import ManifoldError, SlowManifold, described
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.valley import onto_floor


def nudged_end(flow: Flow, nudged: Any, start: Array, duration: float, relaxation: float) -> Array:
    """State of a network after an input that is then taken away, (n_units,).

    Args:
        flow: The network under the input without the nudge.
        nudged: The input with it, (n_inputs,).
        start: State at the beginning, (n_units,).
        duration: How long the nudge lasts, ms.
        relaxation: How long the network is left without it, ms.
    """
    y = np.asarray(start, np.float64)
    for under, time in ((flow.with_input(nudged), duration), (flow, relaxation)):
        for _ in range(round(time / flow.dt)):
            y = under.step(y)
    return y


def line_between(flow: Flow, first: Array, last: Array, n_points: int = 31) -> SlowManifold:
    """Slowest states in hyperplanes across the straight line from `first` to `last`, (n_units,) each.

    Raises:
        ManifoldError: The ends are one state.
    """
    increment = (np.asarray(last, np.float64) - first) / (n_points - 1)
    length = float(np.linalg.norm(increment))
    if length <= 1e-9 * max(1.0, float(np.linalg.norm(first))):
        raise ManifoldError("the two ends of the line are one state: nudge the network more strongly, or for longer.")
    normal = (increment / length)[None]
    states, y = [], np.asarray(first, np.float64)
    for _ in range(n_points):
        found, _ = onto_floor(flow, y[None], normal)
        states.append(found[0])
        y = found[0] + increment
    return described(flow, np.array(states), closed=False)
