"""Solutions become points: duplicates merged, and new starts made from the points found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnpipe.fixed_points.certify import Certificates
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.solver import residual

SAME = 1e-6
"""Solutions nearer than this (Euclidean) are one point."""

STEP_AWAY = 1e-4
"""Length of the first step from an unstable point along an unstable direction, relative to its length (at least 1)."""

DIRECTIONS = 3
"""Unstable directions of a point that are followed, at most: the fastest."""


def groups(x: Array, distance: float = SAME) -> NDArray[np.int64]:
    """A label of each point, (n,): points are in one group if a chain of steps shorter than `distance` joins them.

    Unlike picking greedily, this does not depend on the order of the points. Only points near each other along one
    random direction are compared.
    """
    n = len(x)
    labels = np.full(n, -1)
    if not n:
        return labels
    direction = np.random.default_rng(0).standard_normal(x.shape[1])
    shadow = x @ (direction / max(float(np.linalg.norm(direction)), 1e-300))
    order = np.argsort(shadow, kind="stable")
    cuts = np.flatnonzero(np.diff(shadow[order]) > 1.001 * distance + 1e-14 * np.abs(shadow).max()) + 1
    label = 0
    for part in np.split(order, cuts):
        rest = part
        while len(rest):
            frontier, rest = [rest[0]], rest[1:]
            while frontier:
                p = frontier.pop()
                labels[p] = label
                if len(rest):
                    near = np.linalg.norm(x[rest] - x[p], axis=1) < distance
                    frontier.extend(rest[near])
                    rest = rest[~near]
            label += 1
    return labels


def merged(flow: Flow, x: Array, hits: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """One point a group, that of smallest residual; its hits, added; and the point of each solution, (n,)."""
    labels = groups(x)
    order = np.lexsort((np.arange(len(x)), residual(flow, x)))
    best = order[np.unique(labels[order], return_index=True)[1]]
    return x[best], np.bincount(labels, hits, len(best)).astype(np.int64), labels


def proved_same(x: Array, certificates: Certificates) -> NDArray[np.int64]:
    """Index of the point that each is proved to be the same fixed point as, itself otherwise, (n,).

    Two are the same if the true fixed point of one is within the other's radius of uniqueness.
    """
    same = np.arange(len(x))
    for i in np.flatnonzero(certificates.certified & np.isfinite(certificates.outer_radius)):
        away = np.linalg.norm(x - x[i], axis=1) + certificates.inner_radius
        twins = np.flatnonzero(certificates.certified & (away < certificates.outer_radius[i]))
        same[twins] = np.minimum(same[twins], same[i])
    return same


def midpoints(x: Array, most: int, rng: np.random.Generator, new: NDArray[np.bool_]) -> Array:
    """Midpoints of pairs of points of which at least one is new; at most `most` of them."""
    i, j = np.triu_indices(len(x), 1)
    keep = new[i] | new[j]
    i, j = i[keep], j[keep]
    if len(i) > most:
        chosen = np.sort(rng.choice(len(i), most, replace=False))
        i, j = i[chosen], j[chosen]
    return np.asarray((x[i] + x[j]) / 2)


def mirrored(flow: Flow, x: Array) -> Array:
    """Mirror images -x, which are fixed points, too, where the flow is odd; else none."""
    return -x if flow.odd else x[:0]


def beside(flow: Flow, x: Array) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """States beside unstable points along their unstable directions, (n_states, n_units).

    Returns:
        The states; the point of each; and the direction of each, 1, 2, ... on one side, -1, -2, ... on the other.
    """
    states, of, direction = [], [], []
    y = flow.state(x)
    for k in range(len(x)):
        values, vectors = np.linalg.eig(flow.stability_matrix(y[k]))
        order = np.argsort(-values.real, kind="stable")
        unstable = [m for m in order if values[m].real > 0 and values[m].imag >= 0][:DIRECTIONS]
        for d, m in enumerate(unstable, 1):
            along = vectors[:, m].real
            along = along / max(float(np.linalg.norm(along)), 1e-300)
            along = along * np.sign(along[np.abs(along).argmax()])
            length = STEP_AWAY * max(1.0, float(np.linalg.norm(y[k])))
            for sign in (1, -1):
                states.append(y[k] + sign * length * along)
                of.append(k)
                direction.append(sign * d)
    n_units = flow.n_units
    return np.reshape(states, (len(states), n_units)), np.array(of, np.int64), np.array(direction, np.int64)
