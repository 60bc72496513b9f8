"""Fixed points on a curve of slow states: where the speed along it changes its sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.valley import along_floor, newton, onto_floor, velocity

STILL = 1e-11
"""A speed smaller than this, relative to the largest state (at least 1), is round-off."""

FINER = 8
"""Parts into which a piece of the curve is cut where its ends do not tell how many fixed points it has."""

HALVINGS, ROUNDS = 8, 4
"""Of a piece of the curve before Newton's method starts, and how often these two are tried."""


@dataclass(frozen=True)
class PointsOnIt:
    """Fixed points on a curve, in the order of s."""

    states: Array
    """(n, n_units)."""
    arclength: Array
    """s, (n,)."""
    eigenvalues: NDArray[np.complex128]
    """Per time unit, largest real part first, (n, n_units)."""

    @property
    def n_unstable(self) -> NDArray[np.int64]:
        """Number of eigenvalues with a positive real part, (n,): 0 of a stable point, 1 of a saddle between two."""
        return np.asarray((self.eigenvalues.real > 0).sum(1))


def by_real_part(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Eigenvalues, (..., n), largest real part first."""
    return np.take_along_axis(values, np.argsort(-values.real, axis=-1, kind="stable"), axis=-1)


def fixed_points_on(
    flow: Flow, states: Array, tangents: Array, arclength: Array, length: float, closed: bool
) -> tuple[int, PointsOnIt]:
    """Number of changes of the sign of v . t along a curve, and the fixed points found at them.

    Between two samples v . t is at first taken as the cubic through its values and slopes, t^T J t, at both: where that
    has more zeros than the samples alone tell, or touches 0, the piece is sampled more finely. Then each zero is
    refined by Newton's method on all units. There are fewer points than changes if one of these does not converge to a
    point between its neighbours, as where the curve leaves out a fold.

    Args:
        flow: The network under its input.
        states: Samples of the curve, (n, n_units); a closed one does not repeat its first.
        tangents: Unit vectors along it, (n, n_units).
        arclength: Distances s of the samples, (n,).
        length: s at the end, of a closed curve after the way back to the first sample.
        closed: Whether the last sample is followed by the first.
    """
    if closed:
        states, tangents = np.append(states, states[:1], axis=0), np.append(tangents, tangents[:1], axis=0)
        arclength = np.append(arclength, length)
    curve = _refined(flow, _Samples(states, tangents, arclength, _along(flow, states, tangents)))
    still = STILL * max(1.0, float(np.abs(states).max()))
    # a sample on a fixed point has no sign: its neighbours have
    signed = np.flatnonzero(np.abs(curve.v) > still)
    curve = curve.chosen(signed)
    if closed and len(signed):  # the first and the last sample were the same; they may have been left out
        curve = curve.chosen(np.append(np.arange(len(signed)), 0))
        curve.s[-1] += length
    changes = np.flatnonzero(curve.v[:-1] * curve.v[1:] < 0)
    points, s = _between(flow, curve.chosen(changes), curve.chosen(changes + 1))
    if closed:
        s %= length
    order = np.argsort(s)
    values = np.linalg.eigvals(flow.stability_matrix(points[order])).astype(np.complex128)
    return len(changes), PointsOnIt(points[order], s[order], by_real_part(values))


@dataclass(frozen=True)
class _Samples:
    """A curve: states, unit vectors along it, distances, and v . t."""

    y: Array
    t: Array
    s: Array
    v: Array

    def chosen(self, k: NDArray[np.int64]) -> _Samples:
        return _Samples(self.y[k], self.t[k], self.s[k], self.v[k])


def _along(flow: Flow, y: Array, t: Array) -> Array:
    return np.asarray((velocity(flow, y) * t).sum(1))


def _refined(flow: Flow, curve: _Samples) -> _Samples:
    """More samples in the pieces on which the cubic changes its sign more than once."""
    h = np.diff(curve.s)
    slope = (curve.t * (flow.stability_matrix(curve.y) @ curve.t[..., None])[..., 0]).sum(1)
    u = np.linspace(0, 1, 4 * FINER + 1)[:, None]
    cubic = (1 + 2 * u) * (1 - u) ** 2 * curve.v[:-1] + u**2 * (3 - 2 * u) * curve.v[1:]
    cubic += h * (u * (1 - u) ** 2 * slope[:-1] - u**2 * (1 - u) * slope[1:])
    doubtful = np.flatnonzero((np.diff(np.sign(cubic), axis=0) != 0).sum(0) > 1)
    if not len(doubtful):
        return curve
    part = (np.arange(1, FINER) / FINER)[:, None, None]
    before, after = doubtful, doubtful + 1
    base = ((1 - part) * curve.y[before] + part * curve.y[after]).reshape(-1, curve.y.shape[1])
    normal = np.repeat((curve.y[after] - curve.y[before])[None], FINER - 1, axis=0).reshape(base.shape)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    y, _ = onto_floor(flow, base, normal)
    t = along_floor(flow, y, normal)
    s = ((1 - part[..., 0]) * curve.s[before] + part[..., 0] * curve.s[after]).ravel()
    order = np.argsort(np.concatenate([curve.s, s]), kind="stable")
    more = _Samples(
        np.concatenate([curve.y, y]),
        np.concatenate([curve.t, t]),
        np.concatenate([curve.s, s]),
        np.concatenate([curve.v, _along(flow, y, t)]),
    )
    return more.chosen(order)


def _between(flow: Flow, a: _Samples, b: _Samples) -> tuple[Array, Array]:
    """Fixed points between samples at which v . t has opposite signs, (n_found, n_units), and their s.

    The change of sign is enclosed on the floor of the valley first: Newton's method alone may go to a neighbour.
    """
    chord = b.y - a.y
    length = np.linalg.norm(chord, axis=1)
    normal = chord / np.maximum(length, 1e-300)[:, None]
    low, high = np.zeros(len(length)), np.ones(len(length))
    points, where = np.full_like(a.y, np.nan), np.full(len(length), np.nan)
    open_ = np.arange(len(length))
    for _ in range(ROUNDS):
        for _ in range(HALVINGS):
            part = (low[open_] + high[open_]) / 2
            y, _ = onto_floor(flow, a.y[open_] + part[:, None] * chord[open_], normal[open_])
            v = _along(flow, y, along_floor(flow, y, normal[open_]))
            before = v * a.v[open_] > 0
            low[open_] = np.where(before, part, low[open_])
            high[open_] = np.where(before, high[open_], part)
        # onto a fixed point without a hyperplane (its normal 0), then to round-off
        y, found = newton(flow, onto_floor(flow, y, np.zeros_like(y))[0])
        part = ((y - a.y[open_]) * normal[open_]).sum(1) / length[open_]
        away = np.linalg.norm(y - a.y[open_] - part[:, None] * chord[open_], axis=1)
        width = high[open_] - low[open_]
        found &= (part > low[open_] - 2 * width) & (part < high[open_] + 2 * width) & (away < length[open_])
        points[open_[found]], where[open_[found]] = y[found], part[found]
        open_ = open_[~found]
        if not len(open_):
            break
    found = ~np.isnan(where)
    return points[found], (a.s + where * (b.s - a.s))[found]
