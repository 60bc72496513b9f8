"""Lines, rings and higher continua of fixed points: labelled and thinned out, not counted as thousands of points."""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import cdist

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.solver import solve

FLAT = 1e-7
"""Along a continuum a singular value of J is below this share of the largest."""

KEPT = 48
"""Points that stand for all continua of a flow."""

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


def continua(flow: Flow, x: Array, pool: Executor | None = None) -> tuple[NDArray[np.int64], list[int]]:
    """Label of the continuum that each point is on, -1 for none, (n,), and the dimension of each continuum.

    Neighbours are on one continuum if the search from their midpoint ends between them, or if no larger gap is between
    them than between most others: what is left by `thinned` covers a continuum evenly.
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
    ends = solve(flow, middle, 50, np.random.default_rng(0), pool)
    joined = ends.solved & (np.linalg.norm(ends.x - middle, axis=1) < 0.5 * d)
    if len(flat) >= KEPT // 2:
        joined |= d <= 3 * np.median(d)
    tree.data = np.where(joined, d, 0)
    tree.eliminate_zeros()
    dimensions: list[int] = []
    for part in _parts(connected_components(tree, directed=False)[1]):
        if len(part) < 3 or distance[np.ix_(part, part)].max() < EXTENT:
            continue
        labels[flat[part]] = len(dimensions)
        dimensions.append(int(np.median(counts[flat[part]])))
    return labels, dimensions


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
