r"""How fixed points move, appear and vanish when the input changes from one value to another.

A fixed point under the input u(p) = u0 + p (u1 - u0) is followed through the solutions of v(y; u(p)) = 0 in (y, p) by
pseudo-arclength continuation, which goes round the folds (saddle-nodes) where a stable point and a saddle merge: the
tangent (dy, dp) spans the null space of the (n_units, n_units + 1) matrix (J, dv/dp), and each step solves

.. math:: v(y; u(p)) = 0, \quad (dy, dp) \cdot (y - y_0, p - p_0) = h

A fold is where dp changes its sign along the branch. While J is regular a fixed point moves by dy/du = -J^-1 dv/du.

Reference: Keller (1977) in Rabinowitz, Applications of Bifurcation Theory, 359-384.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from rnnpipe.errors import AnalysisError, SettingsError
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.valley import input_effect, velocity
from rnnpipe.settings import Settings, setting

BranchEnd = Literal["first", "last", "unfinished"]
"""The input at which a branch ends, u0 or u1, or that it was given up."""


class ContinuationSettings(Settings):
    """How branches of fixed points are followed."""

    longest_step: float = setting(0.05, "longest step, relative to the norm of the start and the way of p", gt=0, le=1)
    turn: float = setting(15.0, "largest turn of a branch in a step", "degrees", gt=0, lt=90)
    max_steps: int = setting(2000, "steps of a branch, at most", gt=0)
    same: float = setting(1e-6, "points nearer to each other are one, relative to their norm (at least 1)", gt=0)


class ContinuationError(AnalysisError):
    """What was given as a fixed point is none."""


@dataclass(frozen=True)
class Branch:
    """Fixed points along one branch; the first axis is the point."""

    states: Array
    """In the network's own states, (n, n_units)."""
    part: Array
    """p of each, from 0 at u0 to 1 at u1, (n,)."""
    n_unstable: NDArray[np.int64]
    """Number of eigenvalues with a positive real part, (n,)."""
    fold_states: Array
    """Where stable points and saddles merge, (n_folds, n_units)."""
    fold_parts: Array
    """p of the folds, (n_folds,)."""
    end: BranchEnd
    """Where it ends."""


@dataclass(frozen=True)
class Connection:
    """A branch between two fixed points, each as (0 for u0 or 1 for u1, its number there)."""

    start: tuple[int, int]
    end: tuple[int, int] | None
    """None if the branch was not finished."""
    branch: Branch


@dataclass(frozen=True)
class BranchGraph:
    """How the fixed points under two inputs are connected by branches."""

    points: tuple[Array, Array]
    """Under u0 and u1, those given first and those that branches led to after them, (n, n_units) each."""
    n_given: tuple[int, int]
    """How many were given: more points than these mean that the search had missed some."""
    connections: list[Connection]
    """One a branch."""

    def survivors(self) -> list[tuple[int, int]]:
        """Pairs (number under u0, number under u1) that one branch connects."""
        ends = [(c.start, c.end) for c in self.connections if c.end is not None]
        return sorted((a[1], b[1]) if a[0] == 0 else (b[1], a[1]) for a, b in ends if a[0] != b[0])

    def merging(self, side: Literal[0, 1]) -> list[tuple[int, int]]:
        """Pairs of points under u0 (0) or u1 (1) that merge on the way to the other input."""
        ends = [(c.start, c.end) for c in self.connections if c.end is not None]
        return sorted((min(a[1], b[1]), max(a[1], b[1])) for a, b in ends if a[0] == b[0] == side)


def sensitivity(flow: Flow, y: Array) -> Array:
    """dy/du = -J^-1 dv/du, (n, n_units, n_inputs), of the fixed points y, (n, n_units).

    Raises:
        ContinuationError: A Jacobian is singular: the point is a saddle-node or on a continuum.
    """
    try:
        return np.asarray(-np.linalg.solve(flow.stability_matrix(y), input_effect(flow, y)))
    except np.linalg.LinAlgError:
        raise ContinuationError(
            "a fixed point has a singular Jacobian: it is about to vanish or on a line of fixed points, and no input "
            "moves it by a definite distance."
        ) from None


class _Path:
    """The equation of a branch, in points z = (y, p)."""

    def __init__(self, flow: Flow, u1: Any) -> None:
        self.first, self.last = flow, flow.with_input(u1)
        self.change = self.last.u - flow.u
        if not self.change.any():
            raise SettingsError("the two inputs are equal: nothing changes between them.")

    def at(self, p: float) -> Flow:
        return self.first.with_input(self.first.u + p * self.change)

    def residual(self, z: Array) -> Array:
        return velocity(self.at(float(z[-1])), z[:-1])

    def matrix(self, z: Array) -> Array:
        """(J, dv/dp), (n_units, n_units + 1)."""
        flow = self.at(float(z[-1]))
        return np.column_stack([flow.stability_matrix(z[:-1]), input_effect(flow, z[:-1]) @ self.change])

    def tangent(self, z: Array, guess: Array) -> Array:
        """The null vector of (J, dv/dp), in the direction of `guess`."""
        null = np.linalg.svd(self.matrix(z))[2][-1]
        return np.asarray(null if null @ guess > 0 else -null)

    def corrected(self, z: Array, normal: Array) -> Array | None:
        """The point of the branch in the hyperplane through z across `normal`; None if it is not found."""
        offset = normal @ z
        best = np.inf
        for _ in range(12):
            residual = np.append(self.residual(z), normal @ z - offset)
            size = float(np.abs(residual).max())
            if not np.isfinite(size) or size > 10 * max(best, 1e-10):
                return None
            if size >= best and best <= 1e-12 * max(1.0, float(np.abs(z).max())):
                return z
            best = min(best, size)
            try:
                z = z - np.linalg.solve(np.vstack([self.matrix(z), normal]), residual)
            except np.linalg.LinAlgError:
                return None
        return z if best <= 1e-11 * max(1.0, float(np.abs(z).max())) else None


def follow_branch(
    flow: Flow, u1: Any, start: Array, side: Literal[0, 1] = 0, settings: ContinuationSettings | None = None
) -> Branch:
    """Follow a fixed point while the input changes, until it is one of the two inputs (again).

    Args:
        flow: The network under the first input, u0.
        u1: The other input, (n_inputs,).
        start: A fixed point, in the network's own states, (n_units,).
        side: Of which input it is a fixed point: 0 of u0, 1 of u1.
        settings: Of the steps.

    Raises:
        ContinuationError: The start is not a fixed point.
    """
    settings = settings or ContinuationSettings()
    path = _Path(flow, u1)
    n = flow.n_units
    across = np.append(np.zeros(n), 1.0)
    first = path.corrected(np.append(start, float(side)), across)
    if first is None or np.linalg.norm(first[:-1] - start) > 1e-3 * max(1.0, float(np.linalg.norm(start))):
        speed = np.linalg.norm(path.residual(np.append(start, side)))
        raise ContinuationError(
            f"the start is no fixed point under its input: |v| = {speed:.2g} per time constant; refine it first."
        )
    longest = settings.longest_step * max(1.0, float(np.linalg.norm(start)))
    points, tangent = [first], path.tangent(first, across if side == 0 else -across)
    folds: list[Array] = []
    step = longest / 4
    end: BranchEnd = "unfinished"
    while len(points) <= settings.max_steps:
        z = points[-1]
        new = path.corrected(z + step * tangent, tangent)
        direction = None if new is None else path.tangent(new, tangent)
        if new is None or direction is None or _turned(direction, tangent, new - z) > settings.turn:
            step /= 2
            if step < 1e-9 * longest:
                break
            continue
        if direction[-1] * tangent[-1] < 0:
            fold = _fold(path, z, tangent, step)
            if fold is None:
                break
            folds.append(fold)
        tangent = direction
        if not 0 < new[-1] < 1:
            limit = 0.0 if new[-1] <= 0 else 1.0
            last = path.corrected(_on(z, new, limit), across)
            if last is not None:
                points.append(last)
                end = "first" if limit == 0 else "last"
                break
            step /= 2
            continue
        points.append(new)
        step = min(longest, 1.5 * step)
    z = np.array(points)
    unstable = [int((np.linalg.eigvals(path.matrix(row)[:, :-1]).real > 0).sum()) for row in z]
    found = np.array(folds).reshape(-1, n + 1)
    return Branch(z[:, :-1], z[:, -1], np.array(unstable), found[:, :-1], found[:, -1], end)


def _turned(direction: Array, tangent: Array, secant: Array) -> float:
    """Largest angle between the tangents at both ends of a step and the step itself, degrees."""
    secant = secant / max(float(np.linalg.norm(secant)), 1e-300)
    cosine = min(float(direction @ tangent), float(secant @ tangent), float(secant @ direction))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _on(z: Array, new: Array, p: float) -> Array:
    """Where the straight line between two points has the value p of the input."""
    part = (p - z[-1]) / (new[-1] - z[-1])
    between: Array = z + part * (new - z)
    between[-1] = p
    return between


def _fold(path: _Path, z: Array, tangent: Array, step: float) -> Array | None:
    """The fold within a step from z along `tangent`: where dp along the branch is 0.

    p is stationary there, so that its error is of the second order in that of the place. None if the branch is
    singular there in more than one direction, as where several parts of a network lose their fixed points at once.
    """

    def rising(h: float) -> float:
        found = path.corrected(z + h * tangent, tangent)
        if found is None:
            raise _Singular
        return float(path.tangent(found, tangent)[-1])

    try:
        place = brentq(rising, 0.0, step, xtol=1e-13 * max(1.0, step), rtol=1e-14)
    except _Singular:
        return None
    return path.corrected(z + place * tangent, tangent)


class _Singular(Exception):
    """A point of a branch cannot be found."""


def connect(
    flow: Flow, u1: Any, points0: Array, points1: Array, settings: ContinuationSettings | None = None
) -> BranchGraph:
    """Which fixed points under one input become which under another, and which merge and vanish between them.

    Every branch is followed once. One that ends at a point that was not given adds it (a search had missed it), and it
    is not followed again.

    Args:
        flow: The network under the first input, u0.
        u1: The other input, (n_inputs,).
        points0: Fixed points under u0, in the network's own states, (n0, n_units).
        points1: Fixed points under u1, (n1, n_units).
        settings: Of the steps.

    Raises:
        ContinuationError: One that is given is not a fixed point.
    """
    settings = settings or ContinuationSettings()
    points = [list(np.asarray(points0, np.float64)), list(np.asarray(points1, np.float64))]
    given = (len(points[0]), len(points[1]))
    connections: list[Connection] = []
    reached: set[tuple[int, int]] = set()
    sides: tuple[Literal[0, 1], ...] = (0, 1)
    for side in sides:
        for k in range(given[side]):
            if (side, k) in reached:
                continue
            branch = follow_branch(flow, u1, points[side][k], side, settings)
            end = None
            if branch.end != "unfinished":
                other = 0 if branch.end == "first" else 1
                end = (other, _number(points[other], branch.states[-1], settings.same))
                reached.add(end)
            reached.add((side, k))
            connections.append(Connection((side, k), end, branch))
    n = flow.n_units
    arrays = (np.array(points[0]).reshape(-1, n), np.array(points[1]).reshape(-1, n))
    return BranchGraph(arrays, given, connections)


def _number(points: list[Array], y: Array, same: float) -> int:
    """Number of y among the points, where it is added if it is new."""
    for k, point in enumerate(points):
        if np.linalg.norm(point - y) <= same * max(1.0, float(np.linalg.norm(y))):
            return k
    points.append(y)
    return len(points) - 1
