"""Rings made of fixed points: stable ones, the saddles between them, and the paths that lead from these to those.

A ring attractor whose symmetry is broken keeps a few fixed points, and the slow flow between them goes along the
unstable directions of its saddles: together they are an invariant closed curve. `trace_manifold` follows the valley of
least speed instead, which in a network that is far from normal can turn away from that curve.
"""

from __future__ import annotations

import numpy as np

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.manifold import SlowManifold, described
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.trace import Trace, at_equal_distances

BESIDE, THERE = 1e-4, 1e-3
"""Where a path begins beside its saddle and where it has arrived at a stable point, relative to the largest state."""

SPACING = 2e-3
"""Distance between the states that are kept of a path, likewise."""

MAX_STEPS = 50_000
"""Steps of the network along a path, at most."""

MAX_WAYS = 100_000
"""Ways along paths that are tried, at most; the saddles of a ring have two each."""

Path = tuple[int, int, Array]
"""Saddle, stable point that it leads to, and the states from the one to the other."""


def ring_of_points(flow: Flow, states: Array, n_points: int = 200) -> SlowManifold | None:
    """The closed curve through stable points along the unstable directions of saddles between them, if there is one.

    Saddles have one unstable direction; those that do not lead to stable points to both sides are left out. Of several
    closed curves the one through the most saddles is taken.

    Args:
        flow: The network under its input.
        states: All of its fixed points, in its own states, (n, n_units).
        n_points: Points of the result, at equal distances along the curve.
    """
    ring = _closed(_paths(flow, np.asarray(states, np.float64)))
    if ring is None:
        return None
    pieces = []
    for (saddle, _, back), (_, _, forth) in ring:
        pieces += [back[::-1], states[saddle][None], forth]
    polygon = np.concatenate([*pieces, pieces[0][:1]])
    chords = np.diff(polygon, axis=0)
    length = np.linalg.norm(chords, axis=1)
    polygon, chords = polygon[np.append(True, length > 0)], chords[length > 0] / length[length > 0, None]
    gap = max(float(np.linalg.norm(forth[-1] - forth[-2])) for _, (_, _, forth) in ring)
    trace = Trace(polygon, np.append(chords, chords[:1], axis=0), "closed", gap)
    return described(flow, at_equal_distances(trace, n_points)[0], True, ("closed", "closed"), gap)


def _paths(flow: Flow, states: Array) -> list[Path]:
    """Paths from saddles along their unstable directions to the stable points that they reach."""
    if not len(states):
        return []
    size = max(1.0, float(np.linalg.norm(states, axis=1).max()))
    values, vectors = np.linalg.eig(flow.stability_matrix(states))
    n_unstable = (values.real > 0).sum(1)
    stable = np.flatnonzero(n_unstable == 0)
    saddles = [k for k in np.flatnonzero(n_unstable == 1) if not values[k].imag[values[k].real.argmax()]]
    if not len(stable) or not saddles:
        return []
    directions = np.array([vectors[k, :, values[k].real.argmax()].real for k in saddles])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    start = np.repeat(saddles, 2)
    y = states[start] + BESIDE * size * np.stack([directions, -directions], axis=1).reshape(-1, states.shape[1])
    kept = [[one.copy()] for one in y]
    arrived: list[Path] = []
    running = np.arange(len(y))
    for _ in range(MAX_STEPS):
        y[running] = flow.step(y[running])
        distance = np.linalg.norm(y[running, None] - states[stable], axis=2)
        for i in running[distance.min(1) <= THERE * size]:
            end = int(stable[np.linalg.norm(y[i] - states[stable], axis=1).argmin()])
            arrived.append((int(start[i]), end, np.array([*kept[i], y[i], states[end]])))
        running = running[(distance.min(1) > THERE * size) & np.isfinite(y[running]).all(1)]
        if not len(running):
            break
        for i in running[
            np.linalg.norm(y[running] - np.array([kept[i][-1] for i in running]), axis=1) >= SPACING * size
        ]:
            kept[i].append(y[i].copy())
    return arrived


def _closed(paths: list[Path]) -> list[tuple[Path, Path]] | None:
    """Pairs of paths, back to the last stable point and forth to the next, along the longest closed way; None without.

    The way passes each stable point and each saddle once at most.
    """
    of: dict[int, list[Path]] = {}
    for path in paths:
        of.setdefault(path[0], []).append(path)
    links = {saddle: (both[0], both[1]) for saddle, both in of.items() if len(both) == 2}
    best: list[tuple[Path, Path]] = []
    tried = 0

    def extend(way: list[tuple[Path, Path]], saddles: set[int], passed: set[int]) -> None:
        nonlocal best, tried
        tried += 1
        if tried > MAX_WAYS:
            return
        first, at = way[0][0][1], way[-1][1][1]
        if at == first:
            if len(way) > len(best):
                best = list(way)
            return
        if at in passed:
            return
        for saddle, (one, other) in links.items():
            if saddle not in saddles and at in (one[1], other[1]):
                pair = (one, other) if one[1] == at else (other, one)
                extend([*way, pair], saddles | {saddle}, passed | {at})

    used: set[int] = set()
    for saddle, pair in links.items():  # closed ways through this saddle and none of those before
        used.add(saddle)
        extend([pair], set(used), set())
    return best or None
