"""Units sorted by what they do: clusters of responses, connections between clusters, order of weight matrices.

Definitions follow the pipeline of the Engel lab (github.com/engellab/trainRNNbrain).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.vq import kmeans2

Array = NDArray[np.float64]

N_EXCITATORY, N_INHIBITORY = 8, 4
"""Clusters of either type."""
N_DIMENSIONS = 10
"""Principal components in which units are clustered."""
N_STARTS = 16
"""Starts of k-means, of which the tightest clustering counts."""
WEAK = 1e-3
"""Weights below this are no connection when units are sorted."""
LEFT_OUT = -1
"""Cluster of units that are in none."""


def condition_means(rates: NDArray[Any], condition: ArrayLike, n_bins: int) -> Array:
    """Mean response to each condition, in bins of time.

    Args:
        rates: (n_steps, n_trials, n_units).
        condition: Of each trial, 0, 1, ..., each at least once, (n_trials,).
        n_bins: Bins of time, as equal as steps allow; never more than there are steps.

    Returns:
        (n_conditions, n_bins, n_units).
    """
    group = np.asarray(condition)
    edges = np.unique(np.linspace(0, len(rates), min(n_bins, len(rates)) + 1).round().astype(int))
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(int(group.max()) + 1))
    binned = np.add.reduceat(rates, edges[:-1], axis=0, dtype=np.float64)[:, order]
    sums = np.add.reduceat(binned, starts, axis=1)
    size = np.diff(edges)[:, None, None] * np.bincount(group)[:, None]
    return np.moveaxis(sums / size, 1, 0)


def response_shapes(responses: NDArray[Any]) -> tuple[Array, NDArray[np.bool_]]:
    """Mean responses as vectors of length 1 about 0, so that units are compared by shape, not by size.

    Args:
        responses: (n_conditions, n_steps, n_units).

    Returns:
        Shapes, (n_units, n_conditions * n_steps), and which units have one: those that vary.
    """
    shapes = np.moveaxis(responses, -1, 0).reshape(responses.shape[-1], -1).astype(np.float64)
    away = shapes - shapes.mean(axis=1, keepdims=True)
    size = np.linalg.norm(away, axis=1)
    varies = size > 1e-6 * max(float(np.abs(shapes).max(initial=0.0)), 1e-300)
    return away / np.where(varies, size, 1.0)[:, None], varies


def functional_clusters(
    responses: NDArray[Any],
    inhibitory: ArrayLike | None = None,
    n_excitatory: int = N_EXCITATORY,
    n_inhibitory: int = N_INHIBITORY,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Clusters of units whose responses have the same shape, excitatory and inhibitory units apart.

    Shapes of responses are projected on their first ten principal components (over units) and clustered by k-means
    from several seeded starts. A population of fewer units than clusters has one cluster a unit.

    Args:
        responses: Mean activity of each condition, (n_conditions, n_steps, n_units).
        inhibitory: Which units are inhibitory, (n_units,); None where there are no types: all are one population.
        n_excitatory: Clusters of excitatory units, or of all of them.
        n_inhibitory: Clusters of inhibitory units.
        seed: Of the starts.

    Returns:
        Cluster of each unit, (n_units,): 0, 1, ..., excitatory ones first and the largest of a type first; -1 of units
        that do not vary.
    """
    shapes, varies = response_shapes(responses)
    inhibitory = np.zeros(len(shapes), bool) if inhibitory is None else np.asarray(inhibitory, bool)
    labels = np.full(len(shapes), LEFT_OUT, np.int64)
    if not varies.any():
        return labels
    away = shapes - shapes[varies].mean(axis=0)
    _, _, axes = np.linalg.svd(away[varies], full_matrices=False)
    scores = away @ axes[:N_DIMENSIONS].T
    first = 0
    for members, k in ((varies & ~inhibitory, n_excitatory), (varies & inhibitory, n_inhibitory)):
        if members.any():
            found = _k_means(scores[members], min(k, int(members.sum())), seed)
            labels[members] = first + found
            first += int(found.max()) + 1
    return labels


def _k_means(points: Array, k: int, seed: int) -> NDArray[np.int64]:
    """The tightest of several clusterings, the largest cluster first; a cluster that came out empty is dropped."""
    best, tightest = np.zeros(len(points), np.int64), np.inf
    for start in range(N_STARTS):
        centres = _spread_centres(points, k, np.random.default_rng((seed, start)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of empty clusters
            centres, labels = kmeans2(points, centres, iter=100, minit="matrix")
        spread = float(((points - centres[labels]) ** 2).sum())
        if spread < tightest - 1e-12:
            best, tightest = labels.astype(np.int64), spread
    order = np.argsort(-np.bincount(best, minlength=k), kind="stable")
    return np.argsort(order, kind="stable")[best]


def _spread_centres(points: Array, k: int, rng: np.random.Generator) -> Array:
    """First centres of k-means++: each a point, drawn in proportion to its squared distance from those before."""
    chosen = [int(rng.integers(len(points)))]
    distance = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    for _ in range(k - 1):
        total = distance.sum()
        p = distance / total if total > 0 else None
        chosen.append(int(rng.choice(len(points), p=p)))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]


def cluster_means(responses: NDArray[Any], labels: NDArray[np.int64]) -> Array:
    """Mean response of the units of each cluster, (n_clusters, n_conditions, n_steps).

    Args:
        responses: (n_conditions, n_steps, n_units).
        labels: Cluster of each unit, (n_units,); -1 for none.
    """
    n = int(labels.max(initial=LEFT_OUT)) + 1
    return (
        np.stack([responses[..., labels == c].mean(axis=-1, dtype=np.float64) for c in range(n)])
        if n
        else np.empty((0, *responses.shape[:2]))
    )


def cluster_connections(w: NDArray[Any], labels: NDArray[np.int64]) -> Array:
    """Mean weight between clusters, [to, from], (n_clusters, n_clusters); NaN where there is no pair of units.

    A unit's connection to itself does not count.

    Args:
        w: Recurrent weights, w[to, from], (n_units, n_units).
        labels: Cluster of each unit, (n_units,); -1 for none.
    """
    n = int(labels.max(initial=LEFT_OUT)) + 1
    member = (labels[:, None] == np.arange(n)).astype(np.float64)
    between = w.astype(np.float64) * ~np.eye(len(w), dtype=bool)
    size = member.sum(axis=0)
    pairs = np.outer(size, size) - np.diag(size)
    return np.where(pairs > 0, member.T @ between @ member / np.where(pairs > 0, pairs, 1.0), np.nan)


def weight_order(w_in: NDArray[Any], w_out: NDArray[Any], inhibitory: ArrayLike | None = None) -> NDArray[np.intp]:
    """Order of units for weight matrices: by type, then strongest input channel, then strongest output.

    Excitatory units come first; units of the same channel are together, and those without a connection above 1e-3 last.
    Ties keep the order of the network.

    Args:
        w_in: (n_units, n_inputs).
        w_out: (n_outputs, n_units).
        inhibitory: Which units are inhibitory, (n_units,); None where there are no types.
    """
    inhibitory = np.zeros(len(w_in), bool) if inhibitory is None else np.asarray(inhibitory, bool)
    order: NDArray[np.intp] = np.lexsort((_strongest(w_out.T), _strongest(w_in), inhibitory))
    return order


def _strongest(weights: NDArray[Any]) -> NDArray[np.intp]:
    """Channel of the largest absolute weight of each unit; the number of channels where none is above 1e-3."""
    size = np.abs(weights)
    return np.where(size.max(axis=1, initial=0.0) > WEAK, size.argmax(axis=1), weights.shape[1])
