"""Starts of the search: a mixture, because no single kind finds all fixed points.

Isotropic starts miss most saddles of a network whose recurrent weights have few dominant directions; starts in the
range of W find them.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.settings import SearchSettings

SHARES = {"visited": 0.4, "range": 0.3, "mixed": 0.1, "relaxed": 0.1, "anywhere": 0.1}
"""Kinds of starts and their shares: visited states with jitter, psi(W g + c) of random g, mixtures of two visited
states, ends of noise-free relaxations (of the first two), anywhere in the range of the rates."""

UNVISITED = {"range": 0.7, "relaxed": 0.1, "anywhere": 0.2}
"""Shares where no visited states are known."""

KINDS = tuple(SHARES)

GAINS = (0.1, 100.0)
"""Smallest and largest scale of g; drawn log-uniformly, it takes units from their linear range to saturation."""

JITTERS = 1e-2
"""Smallest jitter, relative to the largest."""


TOGETHER = 64
"""Trajectories that one thread computes side by side."""

CHECKED = 32
"""Steps after which trajectories are checked for rest."""

GONE = 1e6
"""A trajectory that moves faster than this diverges."""


@dataclass(frozen=True)
class Starts:
    """Starts of one round, and what each is."""

    x: Array
    """Rates, (n, n_units)."""
    kind: NDArray[np.int64]
    """Index into `KINDS`, (n,)."""


def draw(flow: Flow, visited: Array | None, n: int, settings: SearchSettings, rng: np.random.Generator) -> Starts:
    """Starts in their shares; those to be relaxed are where their relaxation begins.

    Args:
        flow: The network under its input.
        visited: Rates that the network passes through in its task, (n_visited, n_units), or None.
        n: Number of starts.
        settings: Of these, `jitter`.
        rng: Generator.
    """
    shares = UNVISITED if visited is None else SHARES
    counts = _apportioned(n, list(shares.values()))
    parts, kinds = [], []
    for (kind, _), count in zip(shares.items(), counts, strict=True):
        parts.append(_of_kind(flow, visited, kind, count, settings, rng))
        kinds.append(np.full(count, KINDS.index(kind)))
    return Starts(np.concatenate(parts), np.concatenate(kinds))


def _apportioned(n: int, shares: list[float]) -> list[int]:
    edges = np.round(n * np.cumsum([0.0, *shares])).astype(int)
    return np.diff(edges).tolist()


def _of_kind(
    flow: Flow, visited: Array | None, kind: str, n: int, settings: SearchSettings, rng: np.random.Generator
) -> Array:
    size = (n, flow.n_units)
    if kind == "relaxed":
        rest = _of_kind(flow, visited, "range", n if visited is None else n - n // 2, settings, rng)
        if visited is None:
            return rest
        return np.concatenate([_of_kind(flow, visited, "visited", n // 2, settings, rng), rest])
    if kind == "range":
        low, high = np.log10(GAINS)
        g = 10 ** rng.uniform(low, high, (n, 1)) * rng.standard_normal(size)
        return flow.psi(flow.z(g))
    if kind == "anywhere":
        return _anywhere(flow, visited, n, rng)
    assert visited is not None
    rms = float(np.sqrt(np.mean(visited**2)))

    def jittered() -> Array:
        # each stratum of the states (they are in the order of time) has its turn
        first = (np.arange(n) + rng.uniform(size=n)) * len(visited) / max(n, 1)
        x = visited[np.minimum(first.astype(int), len(visited) - 1)]
        scale = settings.jitter * rms * 10 ** rng.uniform(np.log10(JITTERS), 0, (n, 1))
        return x + scale * rng.standard_normal(size)

    if kind == "visited":
        return jittered()
    weight = np.where(np.arange(n) % 2 == 0, 0.5, rng.uniform(size=n))[:, None]
    return weight * jittered() + (1 - weight) * rng.permutation(jittered())


def _anywhere(flow: Flow, visited: Array | None, n: int, rng: np.random.Generator) -> Array:
    """Uniform in the box of bounded rates; isotropic at all scales where rates have no bound."""
    low, high = flow.psi.range
    if np.isfinite(low) and np.isfinite(high):
        return rng.uniform(low, high, (n, flow.n_units))
    usual = 1.0 if visited is None else max(1.0, float(np.sqrt(np.mean(visited**2))))
    x = usual * 10 ** rng.uniform(-1, 1, (n, 1)) * rng.standard_normal((n, flow.n_units))
    return np.clip(x, low, high)


def relax(flow: Flow, y: Array, duration: float, pool: Executor | None, rest: float) -> tuple[Array, Array]:
    """Where the noise-free network goes from some states; (states, largest |f_i| there).

    Args:
        flow: The network under its input.
        y: States, (n, n_units).
        duration: Time, ms; a trajectory ends before where it rests.
        pool: Threads; None for none.
        rest: Largest |f_i| of a state at rest, relative to the largest state (at least 1).
    """
    if not len(y):
        return y, np.zeros(0)

    def work(y: Array) -> tuple[Array, Array]:
        end, speed = y.copy(), np.zeros(len(y))
        at, steps = np.arange(len(y)), round(duration / flow.dt)
        for k in range(steps + 1):
            f = flow.state_velocity(y)
            if k % CHECKED == 0 or k == steps:
                size = np.abs(f).max(1, initial=0)
                end[at], speed[at] = y, size
                going = (size > rest * np.maximum(1, np.abs(y).max(1, initial=0))) & (size < GONE)
                at, y, f = at[going], y[going], f[going]
                if not len(at):
                    break
            y = y + flow.alpha * f
        return end, speed

    parts = [y[i : i + TOGETHER] for i in range(0, len(y), TOGETHER)]
    done = list((pool.map if pool else map)(work, parts))
    return np.concatenate([d[0] for d in done]), np.concatenate([d[1] for d in done])
