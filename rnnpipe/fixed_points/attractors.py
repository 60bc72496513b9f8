"""Attractors that are not points: cycles, chaos and drift, told from trajectories that do not come to rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array

KINDS = ("limit cycle", "irregular", "chaos", "drift", "divergence")
"""Limit cycle: the state comes back. Irregular: it comes back nowhere within what was watched, and neighbours do not
separate (a quasi-periodic motion, or a long cycle). Chaos: neighbours separate exponentially. Drift: it moves in one
direction, slowly. Divergence: it grows beyond all bounds."""

REST = "rest"
"""What is told of a trajectory that has come to rest by the end."""

STILL = 1e-6
"""Motion below this size, relative to the state (at least 1), is rest."""

EXAMINED = 32
"""Trajectories that are examined, at most."""

RECURRENCE = 1e-3
"""The state has come back if it is nearer than this to where it was, relative to the size of the motion."""

TURNS = 24
"""Crossings of the section after which a cycle may close, at most."""

SEPARATION = 0.01
"""Lyapunov exponent above which neighbours count as separating, per time unit."""

LARGE = 1e6
"""A state above this is divergent."""


@dataclass(frozen=True)
class Attractors:
    """Kinds of motion that trajectories end in; the first axis is the attractor."""

    kind: NDArray[np.str_]
    """One of `KINDS`, (n,)."""
    state: Array
    """A state of it, (n, n_units)."""
    period: Array
    """Period of a limit cycle, ms, else NaN, (n,)."""
    lyapunov: Array
    """Largest Lyapunov exponent per `Flow.time_unit` (of a cycle about 0, of chaos positive), (n,)."""
    size: Array
    """Root mean square distance of the motion from its mean, (n,)."""
    n_trajectories: NDArray[np.int64]
    """Examined trajectories that end in it, (n,)."""
    n_moving: int
    """Trajectories that do not come to rest, in all; `EXAMINED` of them at most were examined."""


def moving_attractors(flow: Flow, y: Array, duration: float) -> Attractors:
    """What the network does from states that it did not leave for a fixed point, (n, n_units).

    The motion is watched for twice `duration` (ms). A cycle is found where it crosses a plane through its mean, upwards
    along its main direction, at places that come back; the exponent is that of a tangent vector carried along.
    """
    n_moving = len(y)
    y = y[np.linspace(0, max(n_moving - 1, 0), min(n_moving, EXAMINED)).astype(int)] if n_moving else y
    path, lyapunov = _watched(flow, y, max(64, round(2 * duration / flow.dt)) if n_moving else 0)
    rows = [_described(flow, path[:, k], float(lyapunov[k])) for k in range(len(y))]
    kept: list[int] = []
    counts: list[int] = []
    for k, (kind, period, size) in enumerate(rows):
        if kind == REST:  # it only took longer than others
            n_moving -= 1
            continue
        for m, other in enumerate(kept):
            other_kind, other_period, other_size = rows[other]
            alike = kind == other_kind and (kind != KINDS[0] or abs(period - other_period) < 0.01 * period)
            near = np.linalg.norm(path[:, k].mean(0) - path[:, other].mean(0)) < 0.1 * max(size, other_size)
            if alike and (near or kind in KINDS[3:]):
                counts[m] += 1
                break
        else:
            kept.append(k)
            counts.append(1)
    return Attractors(
        kind=np.array([rows[k][0] for k in kept], dtype="U16"),
        state=path[-1, kept] if kept else np.empty((0, flow.n_units)),
        period=np.array([rows[k][1] for k in kept], dtype=float),
        lyapunov=lyapunov[kept] if kept else np.empty(0),
        size=np.array([rows[k][2] for k in kept], dtype=float),
        n_trajectories=np.array(counts, np.int64),
        n_moving=n_moving,
    )


def _watched(flow: Flow, y: Array, n_steps: int) -> tuple[Array, Array]:
    """States of the second half of the steps, (n_steps // 2, n, n_units), and the exponents over it."""
    tangent = np.random.default_rng(0).standard_normal(y.shape)
    path = np.zeros((n_steps // 2, *y.shape))
    growth = np.zeros(len(y))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for t in range(n_steps):
            rates = flow.rates(y)
            if flow.form == "rate":
                pulled = flow.phi.derivative(flow.z(y)) * (tangent @ flow.w.T)
            else:
                pulled = (flow.phi.derivative(y) * tangent) @ flow.w.T
            tangent = tangent + flow.alpha * (pulled - (1 + 3 * flow.gamma * y**2) * tangent)
            length = np.linalg.norm(tangent, axis=1)
            tangent /= np.maximum(length, 1e-300)[:, None]
            z = flow.z(rates)
            pull = (flow.phi(z) if flow.form == "rate" else z) - y
            y = np.clip(y + flow.alpha * (pull - flow.gamma * y**3), -2 * LARGE, 2 * LARGE)
            k = t - (n_steps - len(path))
            if k >= 0:
                path[k] = y
                growth += np.log(np.maximum(length, 1e-300))
    return path, growth / (len(path) * flow.dt / flow.time_unit)


def _described(flow: Flow, path: Array, lyapunov: float) -> tuple[str, float, float]:
    """Kind, period (ms) and size of one motion."""
    middle = path.mean(0)
    size = float(np.sqrt(((path - middle) ** 2).sum(1).mean()))
    if not np.isfinite(path).all() or np.abs(path[-1]).max() > LARGE:
        return KINDS[4], np.nan, np.inf
    if size < STILL * max(1.0, float(np.abs(middle).max())):
        return REST, np.nan, size
    direction = np.linalg.svd(path - middle, full_matrices=False)[2][0]
    along = (path - middle) @ direction
    up = np.flatnonzero((along[:-1] < 0) & (along[1:] >= 0))
    if len(up) >= 2:
        part = -along[up] / (along[up + 1] - along[up])
        crossings = path[up] + part[:, None] * (path[up + 1] - path[up])
        times = up + part
        for turns in range(1, min(TURNS, len(up) - 1) + 1):
            back = np.linalg.norm(crossings[turns:] - crossings[:-turns], axis=1)
            if back.max() < RECURRENCE * size:
                return KINDS[0], float((times[turns:] - times[:-turns]).mean() * flow.dt), size
    if lyapunov > SEPARATION:
        return KINDS[2], np.nan, size
    travelled = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    if float(np.linalg.norm(path[-1] - path[0])) > 0.5 * travelled:
        rising = np.abs(path[-1]).max() > 2 * np.abs(path[0]).max() + 1
        return KINDS[4 if rising else 3], np.nan, size
    return KINDS[1], np.nan, size
