"""Lines, rings and higher continua of fixed points: labelled and thinned out, not counted as thousands of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import cdist

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.solver import TOLERANCE

FLAT = 1e-7
"""Along a continuum a singular value of J is below this share of the largest."""

KEPT = 48
"""Points that stand for all continua of a flow."""

PROBED = 20
"""Steps from a place between two points to a fixed point, at most."""

NARROWED = 5
"""Times that the largest gap between two points is probed, at most."""

GAP = 0.3
"""Gaps below this share of the distance of two points are none."""

EXTENT = 1e-3
"""A continuum is longer than this; what is shorter is a point that is known less precisely."""


def nullity(flow: Flow, x: Array) -> NDArray[np.int64]:
    """Number of directions in which J hardly changes anything, (n,)."""
    counts = np.empty(len(x), np.int64)
    for k in range(len(x)):
        s = np.linalg.svd(flow.jacobian(x[k]), compute_uv=False)
        counts[k] = (s <= FLAT * s[0]).sum()
    return counts


def thinned(flow: Flow, x: Array, hits: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
    """The points, those on continua replaced by `KEPT` far apart, and the hits, those of the others added to them."""
    if len(x) <= KEPT:
        return x, hits
    flat = np.flatnonzero(nullity(flow, x) > 0)
    if len(flat) <= KEPT:
        return x, hits
    chosen = flat[_far_apart(x[flat], KEPT)]
    hits = hits.copy()
    others = np.setdiff1d(flat, chosen)
    nearest = chosen[cdist(x[others], x[chosen]).argmin(1)]
    np.add.at(hits, nearest, hits[others])
    kept = np.setdiff1d(np.arange(len(x)), others)
    return x[kept], hits[kept]


def continua(flow: Flow, x: Array) -> tuple[NDArray[np.int64], list[int]]:
    """Label of the continuum that each point is on, -1 for none, (n,), and the dimension of each continuum.

    Neighbours are on one continuum if points between them lead from one to the other, see `_joined`.
    """
    labels = np.full(len(x), -1)
    counts = nullity(flow, x)
    flat = np.flatnonzero(counts > 0)
    if len(flat) < 3:
        return labels, []
    distance = cdist(x[flat], x[flat])
    tree = minimum_spanning_tree(distance).tocoo()
    i, j, d = tree.row, tree.col, tree.data
    middle = (x[flat[i]] + x[flat[j]]) / 2
    joined = np.linalg.norm(_nearest(flow, middle) - middle, axis=1) < 0.5 * d
    for k in np.flatnonzero(~joined):  # around a corner, perhaps
        joined[k] = _joined(flow, x[flat[i[k]]], x[flat[j[k]]])
    tree.data = np.where(joined, d, 0)
    tree.eliminate_zeros()
    dimensions: list[int] = []
    for part in _parts(connected_components(tree, directed=False)[1]):
        if len(part) < 3 or distance[np.ix_(part, part)].max() < EXTENT:
            continue
        labels[flat[part]] = len(dimensions)
        dimensions.append(int(np.median(counts[flat[part]])))
    return labels, dimensions


def _nearest(flow: Flow, x: Array) -> Array:
    """Fixed points near some rates, NaN where there is none: by steps of least length, which do not slide along."""
    x = x.copy()
    for k in range(len(x)):
        for _ in range(PROBED):
            f = flow.velocity(x[k])
            if np.abs(f).max() <= TOLERANCE * max(1.0, float(np.abs(x[k]).max())):
                break
            x[k] -= np.linalg.lstsq(flow.jacobian(x[k]), f, rcond=FLAT)[0]
        else:
            x[k] = np.nan
    return x


def _joined(flow: Flow, a: Array, b: Array) -> bool:
    """Whether fixed points near the segment between two points leave gaps much smaller than their distance."""
    whole = float(np.linalg.norm(b - a))
    for _ in range(NARROWED):
        probes = a + np.linspace(0, 1, 9)[1:-1, None] * (b - a)
        ends = _nearest(flow, probes)
        near = np.linalg.norm(ends - probes, axis=1) < 0.5 * float(np.linalg.norm(b - a))
        way = np.concatenate([a[None], ends[near], b[None]])
        gaps = np.linalg.norm(np.diff(way, axis=0), axis=1)
        k = int(gaps.argmax())
        if gaps[k] < GAP * whole:
            return True
        a, b = way[k], way[k + 1]
    return False


def _parts(labels: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(labels == k) for k in range(labels.max(initial=-1) + 1)]


def _far_apart(x: Array, n: int) -> NDArray[np.int64]:
    """Indices of points, each the furthest from those before it."""
    chosen = [0]
    distance = np.linalg.norm(x - x[0], axis=1)
    while len(chosen) < n:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(x - x[chosen[-1]], axis=1))
    return np.array(chosen)
