r"""All fixed points of a small piecewise linear network, by trying every pattern of pieces.

With the slope s_i and offset o_i of the piece that each unit is on, x = S z + o and (1 - W S) z = W o + c is linear;
its solution is a fixed point if each z_i lies on the piece assumed. Patterns are the leaves of a tree in which one unit
after the other is given its piece: from the solution in which all units yet to be decided are on their first piece a
change of one unit is of rank one. Units whose input interval arithmetic confines to one piece are not branched on.

For threshold-linear networks the fixed points are the solutions of a linear complementarity problem.
Reference: Cottle, Pang & Stone (1992), The Linear Complementarity Problem.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import linprog

from rnnpipe.errors import SettingsError
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array

MOST_PATTERNS = 1 << 20
"""Patterns that are tried, at most: 20 undecided units of two pieces."""

LOOSE = 1e-6
"""A leaf whose inputs violate its pattern by less than this, relative to the largest, is solved again from scratch."""

SMALL_PIVOT = 1e-7
"""Below this the change of one unit is too inaccurate, and the leaves below are all solved from scratch."""

SINGULAR = 1e-12
"""A pattern is singular if the smallest singular value is less than this share of the largest."""


@dataclass(frozen=True)
class Enumeration:
    """All fixed points of one flow."""

    x: Array
    """Rates, (n, n_units), one for each pattern that reproduces itself; those on a kink may occur once only."""
    singular: Array
    """A fixed point of each singular pattern that has some: lines or more of fixed points, (n_singular, n_units)."""
    n_patterns: int
    """Patterns in all, those that intervals rule out left out."""


def enumerable(flow: Flow) -> bool:
    """Whether the patterns are few enough."""
    return flow.psi.pieces is not None and _n_patterns(_possible(flow)) <= MOST_PATTERNS


def enumerate_fixed_points(flow: Flow) -> Enumeration:
    """Find all fixed points of a piecewise linear flow.

    Raises:
        SettingsError: The response is not piecewise linear, or there are too many patterns.
    """
    if flow.psi.pieces is None:
        raise SettingsError("only networks of piecewise linear units can be enumerated; search instead.")
    possible = _possible(flow)
    n_patterns = _n_patterns(possible)
    if n_patterns > MOST_PATTERNS:
        raise SettingsError(
            f"{flow.n_units} units have {n_patterns} patterns, expected {MOST_PATTERNS} at most; search instead."
        )
    slopes, offsets = flow.psi.pieces
    edges = np.array([-np.inf, *flow.psi.kinks, np.inf])
    first = np.array([np.flatnonzero(p)[0] for p in possible], np.int64)
    w = flow.w
    start = np.eye(flow.n_units) - w * slopes[first]
    if np.linalg.cond(start) > 1 / SMALL_PIVOT:
        candidates = np.array(list(np.ndindex(*possible.sum(1).tolist())), np.int64)
        candidates = np.array([[np.flatnonzero(p)[k] for p, k in zip(possible, c, strict=True)] for c in candidates])
    else:
        gain = np.asarray(np.linalg.solve(start, w), np.float64)
        z = np.asarray(np.linalg.solve(start, w @ offsets[first] + flow.c), np.float64)
        candidates = _leaves(gain, z, possible, slopes, offsets, edges)
    found: list[Array] = []
    singular: list[Array] = []
    for pattern in candidates:
        point, single = _solved(flow, pattern, slopes, offsets, edges)
        if point is not None:
            (found if single else singular).append(point)
    n_units = flow.n_units
    return Enumeration(np.reshape(found, (-1, n_units)), np.reshape(singular, (-1, n_units)), n_patterns)


def _n_patterns(possible: NDArray[np.bool_]) -> int:
    return int(np.prod(possible.sum(1).astype(float)).clip(max=2.0**62))


def _possible(flow: Flow) -> NDArray[np.bool_]:
    """Pieces that each unit can be on, (n_units, n_pieces), by interval arithmetic from the bounds of the rates."""
    low, high = rate_bounds(flow)
    edges = np.array([-np.inf, *flow.psi.kinks, np.inf])
    positive, negative = np.maximum(flow.w, 0), np.minimum(flow.w, 0)
    slack = 0.0
    for _ in range(10):
        with np.errstate(invalid="ignore"):
            z_low = np.nan_to_num(_times(positive, low) + _times(negative, high) + flow.c, nan=-np.inf, neginf=-np.inf)
            z_high = np.nan_to_num(_times(positive, high) + _times(negative, low) + flow.c, nan=np.inf, posinf=np.inf)
        slack = 1e-9 * max(1.0, *(float(np.abs(b[np.isfinite(b)]).max(initial=0)) for b in (z_low, z_high)))
        ends = np.stack([_response_at(flow, z_low), _response_at(flow, z_high)])
        low, high = np.maximum(low, ends.min(0)), np.minimum(high, ends.max(0))
    return np.asarray((z_low[:, None] - slack <= edges[1:]) & (z_high[:, None] + slack >= edges[:-1]))


def _times(matrix: Array, bound: Array) -> Array:
    """Matrix times bounds, 0 times infinity being 0."""
    return np.where(matrix != 0, matrix * np.where(matrix != 0, bound, 0), 0).sum(1)


def _response_at(flow: Flow, z: Array) -> Array:
    slopes, offsets = flow.psi.pieces  # type: ignore[misc]  # piecewise linear, see the callers
    piece = np.searchsorted(np.array(flow.psi.kinks), z)
    with np.errstate(invalid="ignore"):
        return np.where(slopes[piece] == 0, offsets[piece], slopes[piece] * z + offsets[piece])


def rate_bounds(flow: Flow) -> tuple[Array, Array]:
    """Smallest and largest rate of each unit at any fixed point, infinite where no bound is proved, (n_units,).

    With rates not below `low` and slopes of s at most, [x]_+ <= s [W]_+ [x]_+ + psi(a) with a = [c - [-W]_+ low]_+, so
    that x <= (1 - s [W]_+)^-1 psi(a) if the spectral radius of s [W]_+ is below 1.
    """
    n = flow.n_units
    low, high = flow.psi.range
    lows, highs = np.full(n, low), np.full(n, high)
    if np.isfinite(high) or not np.isfinite(low) or flow.psi.steepness <= 0:
        return lows, highs
    growth = flow.psi.steepness * np.maximum(flow.w, 0)
    if np.abs(np.linalg.eigvals(growth)).max(initial=0) < 1 - 1e-9:
        base = flow.psi(np.maximum(flow.c + np.minimum(flow.w, 0) @ lows, 0))
        highs = np.linalg.solve(np.eye(n) - growth, base) * (1 + 1e-9) + 1e-12
    return lows, highs


@njit(cache=True)
def _leaves(
    gain: Array, z: Array, possible: NDArray[np.bool_], slopes: Array, offsets: Array, edges: Array
) -> NDArray[np.int64]:
    """Patterns whose inputs agree with them, nearly at least; `gain` is (1 - W S)^-1 W of the first patterns."""
    n, n_pieces = possible.shape
    first = np.zeros(n, np.int64)
    for i in range(n):
        while not possible[i, first[i]]:
            first[i] += 1
    gains, inputs = np.empty((n + 1, n, n)), np.empty((n + 1, n))
    exact = np.ones(n + 1, np.bool_)  # whether the solution of the depth is trusted
    gains[0], inputs[0] = gain, z
    piece = np.full(n, -1)
    found = np.empty((64, n), np.int64)
    n_found, depth = 0, 0
    while depth >= 0:
        if depth == n:
            fits = True
            if exact[n]:
                margin = LOOSE * max(1.0, np.abs(inputs[n]).max())
                for i in range(n):
                    if inputs[n, i] < edges[piece[i]] - margin or inputs[n, i] > edges[piece[i] + 1] + margin:
                        fits = False
                        break
            if fits:
                if n_found == len(found):
                    longer = np.empty((2 * n_found, n), np.int64)
                    longer[:n_found] = found
                    found = longer
                found[n_found] = piece
                n_found += 1
            depth -= 1
            continue
        piece[depth] += 1
        while piece[depth] < n_pieces and not possible[depth, piece[depth]]:
            piece[depth] += 1
        if piece[depth] >= n_pieces:
            piece[depth] = -1
            depth -= 1
            continue
        g, i = gains[depth], depth
        d_slope = slopes[piece[i]] - slopes[first[i]]
        d_offset = offsets[piece[i]] - offsets[first[i]]
        pivot = 1 - d_slope * g[i, i]
        exact[depth + 1] = exact[depth] and abs(pivot) > SMALL_PIVOT
        if exact[depth + 1]:
            z_i = (inputs[depth, i] + d_offset * g[i, i]) / pivot
            change = d_offset + d_slope * z_i
            scale = d_slope / pivot
            for a in range(n):
                inputs[depth + 1, a] = inputs[depth, a] + g[a, i] * change
                factor = scale * g[a, i]
                for b in range(n):
                    gains[depth + 1, a, b] = g[a, b] + factor * g[i, b]
        depth += 1
    return found[:n_found]


def _solved(
    flow: Flow, pattern: NDArray[np.int64], slopes: Array, offsets: Array, edges: Array
) -> tuple[Array | None, bool]:
    """The fixed point of a pattern, None if it has none, and whether it is the pattern's only one."""
    s, o = slopes[pattern], offsets[pattern]
    matrix, right = np.eye(flow.n_units) - flow.w * s, flow.w @ o + flow.c
    values = np.linalg.svd(matrix, compute_uv=False)
    low, high = edges[pattern], edges[pattern + 1]
    if values[-1] > SINGULAR * values[0]:
        z = np.linalg.solve(matrix, right)
        margin = 1e-10 * max(1.0, float(np.abs(z).max()))
        if ((z < low - margin) | (z > high + margin)).any():
            return None, True
        return s * np.clip(z, low, high) + o, True
    bounds = [(None if np.isinf(a) else a, None if np.isinf(b) else b) for a, b in zip(low, high, strict=True)]
    ends = _extremes(matrix, right, bounds)
    if ends is None:
        return None, False
    return s * ends.mean(0) + o, bool(np.ptp(ends, axis=0).max() <= 1e-9 * max(1.0, float(np.abs(ends).max())))


def _extremes(matrix: Array, right: Array, bounds: list[tuple[float | None, float | None]]) -> Array | None:
    """The solutions within bounds that are furthest apart along a random direction, (2, n_units); None: no solution."""
    direction = np.random.default_rng(0).standard_normal(len(right))
    ends = []
    for sign in (-1.0, 1.0):
        result = linprog(sign * direction, A_eq=matrix, b_eq=right, bounds=bounds)
        if result.status == 3:  # a ray of solutions: far along it
            wide = [(-1e3 if a is None else a, 1e3 if b is None else b) for a, b in bounds]
            result = linprog(sign * direction, A_eq=matrix, b_eq=right, bounds=wide)
        if result.status != 0:
            return None
        ends.append(result.x)
    return np.array(ends)
