r"""What a line attractor integrates: right and left vectors of the slow mode, and how well each input drives it.

At a slow point with the slow eigenvalue lambda of J, the right vector r is the direction of the line and the left
vector l, with l . r = 1, reads the position s on it. A small change du of the input moves the network along the line by

.. math:: ds/dt = l \cdot \frac{\partial v}{\partial u} du = l_H \cdot W_{in} du

per time unit. In the rate form dv/du = D W_in, so that it is l_H = D l, and not l, that can be compared with columns of
W_in; in the current form l_H = l. (Time constants of units, where they differ, are part of l_H.)

Reference: Mante, Sussillo, Shenoy & Newsome (2013) Nature 503:78 for the selection vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.manifold import ManifoldError
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.valley import input_effect

DEFECTIVE = 1e-12
"""Overlap of a left and a right vector below which their eigenvalue has no left vector of its own: it is NaN."""

RATE_MAX = 0.5
"""A mode is not slow if its |eigenvalue| is larger than this, per time constant, at all points."""


@dataclass(frozen=True)
class SlowModes:
    """The slow mode of each point; the first axis is the point."""

    eigenvalue: NDArray[np.complex128]
    """Per time unit, (n,)."""
    planar: NDArray[np.bool_]
    """Whether it is one of a complex pair; r and l are then in the slow plane, r as near to the line as it can be."""
    right: Array
    """r, unit vectors in the network's own states, (n, n_units)."""
    left: Array
    """l, with l . r = 1, (n, n_units)."""
    left_currents: Array
    """l_H: how a current into each unit moves the network along r, (n, n_units)."""
    right_rates: Array
    """Change of the rates along r, (n, n_units); in the rate form r itself."""


def slow_modes(flow: Flow, y: Array, tangents: Array | None = None, towards: Array | None = None) -> SlowModes:
    """Right and left vectors of the slow mode at points of a line, with the same sign all along it.

    Args:
        flow: The network under its input.
        y: States in the order of the line, (n, n_units).
        tangents: Directions of the line at them, (n, n_units): the mode is the one that is nearest to it. By default it
            is that with the smallest |eigenvalue|.
        towards: Weights of the rates, such as those of a choice, that grow along r, (n_units,). By default r points
            along the tangents or from the first state to the last.

    Raises:
        ManifoldError: No mode is slow.
    """
    jacobian = flow.stability_matrix(y)
    values, rights = np.linalg.eig(jacobian)
    left_values, lefts = np.linalg.eig(jacobian.swapaxes(1, 2))
    n = len(y)
    eigenvalue, planar = np.empty(n, np.complex128), np.zeros(n, bool)
    right, left = np.empty_like(y), np.empty_like(y)
    for i in range(n):
        hint = tangents[i] if tangents is not None else (right[i - 1] if i else None)
        k = _slowest(values[i], rights[i], None if tangents is None else tangents[i])
        eigenvalue[i] = values[i, k]
        j = int(np.abs(left_values[i] - values[i, k]).argmin())
        if values[i, k].imag:
            planar[i] = True
            right[i], left[i] = _in_plane(rights[i][:, k], lefts[i][:, j], hint)
        else:
            right[i] = rights[i][:, k].real / np.linalg.norm(rights[i][:, k].real)
            overlap = lefts[i][:, j].real @ right[i]  # 0 of a defective eigenvalue, which has no such left vector
            left[i] = lefts[i][:, j].real / overlap if abs(overlap) > DEFECTIVE else np.nan
        if hint is not None and right[i] @ hint < 0:
            right[i], left[i] = -right[i], -left[i]
    if (np.abs(eigenvalue) > RATE_MAX).all():
        raise ManifoldError(
            f"no slow direction: the slowest eigenvalue of {n} points is {eigenvalue[np.abs(eigenvalue).argmin()]:.3g} "
            f"per time constant, expected {RATE_MAX:g} at most in absolute value."
        )
    slope = 1.0 if flow.form == "rate" else flow.phi.derivative(y)
    along = (slope * right) @ towards if towards is not None else right @ (y[-1] - y[0])
    if (towards is not None or tangents is None) and along.sum() < 0:
        right, left = -right, -left
    gain = flow.phi.derivative(flow.z(y)) if flow.form == "rate" else 1.0
    return SlowModes(eigenvalue, planar, right, left, flow.time_unit / flow.tau * gain * left, slope * right)


def _slowest(values: NDArray[np.complex128], vectors: NDArray[np.complex128], tangent: Array | None) -> int:
    if tangent is None:
        return int(np.abs(values).argmin())
    alignment = np.empty(len(values))
    for k, vector in enumerate(vectors.T):
        basis = np.linalg.qr(np.column_stack([vector.real, vector.imag]) if values[k].imag else vector.real[:, None])[0]
        alignment[k] = np.linalg.norm(basis.T @ tangent)
    return int(alignment.argmax())


def _in_plane(right: NDArray[np.complex128], left: NDArray[np.complex128], hint: Array | None) -> tuple[Array, Array]:
    """R and l of a slow plane: r its direction nearest to `hint`, l in the left plane, dual to it."""
    basis = np.linalg.qr(np.column_stack([right.real, right.imag]))[0]
    dual = np.column_stack([left.real, left.imag])
    dual = dual @ np.linalg.inv(basis.T @ dual)
    direction = np.array([1.0, 0.0]) if hint is None else basis.T @ hint
    direction /= np.linalg.norm(direction)
    return basis @ direction, dual @ direction


@dataclass(frozen=True)
class Spread:
    """A quantity over the points of a line."""

    mean: float
    sd: float
    low: float
    """5th percentile."""
    high: float
    """95th percentile."""


def over_line(values: Array) -> Spread:
    """Mean and spread of a quantity over points at equal distances along a line, (n,)."""
    low, high = np.percentile(values, [5, 95])
    return Spread(float(values.mean()), float(values.std()), float(low), float(high))


@dataclass(frozen=True)
class Selection:
    """How the inputs of some directions drive the network along a line; the first axis is the point."""

    modes: SlowModes
    gains: dict[str, Array]
    """g = l_H . W_in du of each direction, units of the state per time unit, (n,)."""
    input_angles: dict[str, Array]
    """Angle between l_H and W_in du, degrees, (n,); 90: the input is ignored."""
    readout_angle: Array | None
    """Angle between the change of rates along r and the weights of the choice, degrees, (n,)."""

    def gating(self, irrelevant: str, relevant: str) -> float:
        """|mean gain of the irrelevant input| / |mean gain of the relevant one|: 0 of perfect selection, 1 of none."""
        below = abs(float(self.gains[relevant].mean()))
        return abs(float(self.gains[irrelevant].mean())) / below if below else np.inf


def selection(
    flow: Flow,
    y: Array,
    directions: Mapping[str, Sequence[float] | Array],
    choice: Array | None = None,
    tangents: Array | None = None,
) -> Selection:
    """Effective gains of inputs along a line of slow points.

    Args:
        flow: The network under the input of the line (a context without evidence).
        y: Points of the line, in the network's own states, (n, n_units).
        directions: Named changes du of the input, (n_inputs,) each, as e_2 - e_3 for motion to the right.
        choice: Weights of the rates that stand for the choice, as W_out,0 - W_out,1, (n_units,): r points their way.
        tangents: Directions of the line at the points, (n, n_units).

    Raises:
        SettingsError: A direction is not of one number an input.
        ManifoldError: No mode is slow.
    """
    changes: dict[str, Array] = {}
    for name, du in directions.items():
        changes[name] = np.asarray(du, np.float64)
        if changes[name].shape != flow.u.shape or not changes[name].any():
            raise SettingsError(f"input direction {name!r} is {list(du)}, expected {len(flow.u)} numbers, not all 0.")
    modes = slow_modes(flow, y, tangents, choice)
    effect = input_effect(flow, y)
    gains = {name: (modes.left * (effect @ du)).sum(1) for name, du in changes.items()}
    angles = {name: _angle(modes.left_currents, flow.w_in @ du) for name, du in changes.items()}
    return Selection(modes, gains, angles, None if choice is None else _angle(modes.right_rates, choice))


def _angle(vectors: Array, axis: Array) -> Array:
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(axis)
    return np.degrees(np.arccos(np.clip(vectors @ axis / np.maximum(norms, 1e-300), -1, 1)))


def orthogonal_axes(vectors: Mapping[str, Array]) -> dict[str, Array]:
    """Unit vectors, (n_units,) each: every vector less its part along those before it.

    Raises:
        SettingsError: A vector is a combination of those before it.
    """
    axes: dict[str, Array] = {}
    for name, vector in vectors.items():
        rest = np.asarray(vector, np.float64)
        size = float(np.linalg.norm(rest))
        for _ in range(2):  # the second time removes the round-off of the first
            for axis in axes.values():
                rest = rest - (rest @ axis) * axis
        length = float(np.linalg.norm(rest))
        if not length > 1e-10 * size:
            raise SettingsError(
                f"axis {name!r} is 0 or a combination of those before it ({', '.join(axes)}); leave it out."
            )
        axes[name] = rest / length
    return axes


def task_axes(
    flow: Flow, context: tuple[int, int], sensory: Mapping[str, tuple[int, int]], choice: tuple[int, int] | None = None
) -> dict[str, Array]:
    """Axes of choice, context and each sense, orthogonalised in this order.

    Args:
        flow: The network.
        context: Channels of the two contexts: the axis is the difference of their columns of W_in.
        sensory: Channels (for, against) of each sense.
        choice: Outputs whose difference is the choice; by default the first two, or the only one.
    """
    w_out, w_in = flow.w_out, flow.w_in
    if choice is None:
        chosen = w_out[0] - w_out[1] if len(w_out) > 1 else w_out[0]
    else:
        chosen = w_out[choice[0]] - w_out[choice[1]]
    vectors = {"choice": chosen, "context": w_in[:, context[0]] - w_in[:, context[1]]}
    vectors |= {name: w_in[:, plus] - w_in[:, minus] for name, (plus, minus) in sensory.items()}
    return orthogonal_axes(vectors)
