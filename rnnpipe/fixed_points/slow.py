r"""Slow points: minima of q = |F|^2 / 2 that are no fixed points. They are kept apart from these.

A minimum has J^T F = 0 with a positive semidefinite Hessian J^T J + W^T diag(F psi'') W. Trained networks pass them
slowly: memories drift along them with the speed |F|.

Reference: Sussillo & Barak (2013) Neural Comput 25:626-649.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.points import groups
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.solver import residual, tolerance

TIERS = (1e-4, 1e-6, 1e-8)
"""Values of q down to which slow points are counted."""

STATIONARY = 1e-8
"""A point is a minimum if |J^T F| is below this share of |J| |F|, |J| at least 1, and the Hessian positive
semidefinite."""

CANDIDATES = 64
"""Ends of the search that are followed, at most: those of smallest q, and of those nearer than `COARSE` the first."""
COARSE = 1e-2

STEPS = 60
SAME = 1e-4
"""Slow points nearer than this are one."""


@dataclass(frozen=True)
class SlowPoints:
    """Slow points under one input, slowest first; the first axis is the point."""

    x: Array
    """Rates, (n, n_units)."""
    q: Array
    """|F|^2 / 2, (n,)."""
    speed: Array
    """Speed of the network's state there, per `Flow.time_unit`, (n,)."""
    direction: Array
    """F / |F|, in rates, (n, n_units)."""
    drift_time: Array
    """Time to move by the length scale at that speed, ms, (n,)."""
    length_scale: float
    """Root mean square distance of visited states (of the points found, where none are known) from their mean."""

    def counts(self) -> dict[float, int]:
        """Number of slow points down to each of `TIERS`."""
        return {tier: int((self.q <= tier).sum()) for tier in TIERS}


def slow_points(flow: Flow, ends: Array, length_scale: float) -> SlowPoints:
    """Slow points near where a search ended without a solution.

    Args:
        flow: The network under its input.
        ends: Rates where starts ended, (n, n_units).
        length_scale: Distance in states that drift times are for.
    """
    q = 0.5 * (flow.velocity(ends) ** 2).sum(1)
    slow = np.flatnonzero(q <= 10 * TIERS[0])
    slow = slow[np.argsort(q[slow], kind="stable")]
    first = np.sort(np.unique(groups(ends[slow], COARSE), return_index=True)[1])
    x = ends[slow[first][:CANDIDATES]]
    minima = [p for p in (_minimum(flow, p) for p in x) if p is not None]
    x = np.reshape(minima, (-1, flow.n_units))
    x = x[residual(flow, x) > tolerance(x)]
    f = flow.velocity(x)
    q = 0.5 * (f**2).sum(1)
    order = np.argsort(q, kind="stable")
    order = order[np.unique(groups(x[order], SAME), return_index=True)[1]]
    order = order[np.argsort(q[order], kind="stable")]
    x, f, q = x[order], f[order], q[order]
    velocity = flow.time_unit / flow.tau * flow.state_velocity(flow.state(x))
    speed = np.linalg.norm(velocity, axis=1)
    length = np.linalg.norm(f, axis=1, keepdims=True)
    return SlowPoints(x, q, speed, f / length, length_scale / speed * flow.time_unit, length_scale)


def _minimum(flow: Flow, x: Array) -> Array | None:
    """The minimum of q near a point by Newton's method, damped until it makes q smaller; None if there is none."""
    damping = 1e-6
    for _ in range(STEPS):
        f, jacobian = flow.velocity(x), flow.jacobian(x)
        gradient = f @ jacobian
        curvature = (flow.w.T * (f * flow.psi.second_derivative(flow.z(x)))) @ flow.w
        values, vectors = np.linalg.eigh(jacobian.T @ jacobian + curvature)
        size = max(1.0, float(np.linalg.norm(jacobian))) * float(np.linalg.norm(f))
        if np.linalg.norm(gradient) <= STATIONARY * size:
            return x if values[0] >= -1e-9 * values[-1] else None
        while damping < 1e6:
            step = -vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), 1e-12) / (1 + damping))
            if (flow.velocity(x + step) ** 2).sum() < (f**2).sum():
                x, damping = x + step, damping / 10
                break
            damping = max(10 * damping, 1e-2)
        else:
            return None
    return None
