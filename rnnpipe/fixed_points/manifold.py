"""Line and ring attractors of trained networks: slow curves with a finite number of fixed points on them.

A curve of slow states y(s) is traced from a stable point (see `trace`) and sampled at equal distances s. It is
described in the network's own states y and its own velocity v = time_unit dy/dt (see `Flow`): q = |v|^2 / 2, the
speed |v|, and the signed speed v . t along the curve. Where v . t changes its sign there is a fixed point of the
network; each is refined to round-off and classified by all of its eigenvalues. On a ring stable points and saddles
alternate.

Source of the measures: Seung (1996) PNAS 93:13339 for line attractors; Sussillo & Barak (2013) Neural Computation
25:626 for slow points and q.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import AnalysisError
from rnnpipe.fixed_points.crossings import STILL, PointsOnIt, by_real_part, fixed_points_on
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.trace import End, ManifoldSettings, Trace, at_equal_distances, beside_kinks, follow
from rnnpipe.fixed_points.valley import along_floor, newton, onto_floor, slowness, velocity

Kind = Literal["line", "ring", "open"]
"""A curve with two ends; closed, once round its centre; anything whose ends were not reached or that is wound up."""

SLOW = 0.1
"""Eigenvalues whose real part is smaller than this in absolute value are called slow (per time constant)."""


DESCENT = 50
"""Most rounds in which a start is brought onto the floor of its valley."""


class ManifoldError(AnalysisError):
    """There is no slow curve where one was asked for."""


@dataclass(frozen=True)
class SlowManifold:
    """A curve of slow states, sampled at equal distances; the first axis of its arrays is the point."""

    flow: Flow
    """The network under its input."""
    kind: Kind
    states: Array
    """y, (n_points, n_units); a closed curve does not repeat its first."""
    tangents: Array
    """Unit vectors along it, (n_points, n_units)."""
    arclength: Array
    """s, from 0 on, (n_points,)."""
    length: float
    """Of the whole curve, in units of the state; of a ring with the way back from the last point to the first."""
    ends: tuple[End, End]
    """Why the trace stopped at the first and at the last point."""
    gap: float
    """By how much a closed trace missed its start, NaN of others."""
    winding: int
    """Turns of a closed curve round its centre, in the plane of its first two principal components; 0 of others."""
    q: Array
    """|v|^2 / 2, (n_points,)."""
    tangential_speed: Array
    """v . t, per time unit, (n_points,)."""
    eigenvalues: NDArray[np.complex128]
    """Per time unit, largest real part first, (n_points, n_units)."""
    n_sign_changes: int
    """Changes of the sign of v . t; 0 of a continuum of fixed points, where it is round-off."""
    points: PointsOnIt
    """The fixed points where it changes."""

    @property
    def speed(self) -> Array:
        """|v|, per time unit, (n_points,)."""
        return np.sqrt(2 * self.q)

    @property
    def rates(self) -> Array:
        """(n_points, n_units)."""
        return self.flow.rates(self.states)

    @property
    def outputs(self) -> Array:
        """W_out r + b_out, (n_points, n_outputs)."""
        return self.flow.outputs(self.rates)

    @property
    def continuum(self) -> bool:
        """Whether all points are fixed points to round-off."""
        return bool((self.speed <= STILL * max(1.0, float(np.abs(self.states).max()))).all())

    @property
    def slow_eigenvalues(self) -> list[NDArray[np.complex128]]:
        """Of each point, those with |Re| < 0.1."""
        return [values[np.abs(values.real) < SLOW] for values in self.eigenvalues]

    @property
    def alternating(self) -> bool:
        """Whether stable points and saddles of one unstable direction alternate: on a ring in equal numbers."""
        index = self.points.n_unstable
        closed = np.append(index, index[:1]) if self.kind == "ring" else index
        return len(index) > 0 and set(index.tolist()) <= {0, 1} and bool((np.diff(closed) != 0).all())

    @cached_property
    def _pieces(self) -> tuple[Array, Array]:
        """Begin of each straight piece and the vector to its end."""
        after = np.roll(self.states, -1, axis=0)
        n = len(self.states) if self.kind == "ring" else len(self.states) - 1
        return self.states[:n], (after - self.states)[:n]

    def locate(self, y: Array) -> tuple[Array, Array]:
        """Distance s along the curve of the point of it that is nearest to states, and how far away that is.

        Args:
            y: States, (n, n_units).

        Returns:
            s, (n,), and the distances, (n,).
        """
        begin, vector = self._pieces
        square = np.maximum((vector**2).sum(1), 1e-300)
        along = np.clip((y @ vector.T - (begin * vector).sum(1)) / square, 0, 1)
        # |y - begin - along vector|^2, without an array of (n, n_pieces, n_units)
        offset = (y**2).sum(1)[:, None] - 2 * y @ begin.T + (begin**2).sum(1)
        product = y @ vector.T - (begin * vector).sum(1)
        nearest = (offset - 2 * along * product + along**2 * square).argmin(1)
        rows = np.arange(len(y))
        part = along[rows, nearest]
        away = np.linalg.norm(y - begin[nearest] - part[:, None] * vector[nearest], axis=1)
        ends = np.append(self.arclength, self.length)
        s = self.arclength[nearest] + part * (ends[nearest + 1] - ends[nearest])
        return s, away


def stable_start(flow: Flow, visited: Array, duration: float, settings: ManifoldSettings) -> Array:
    """A state at which the network rests after it was left to itself: where a trace can start, (n_units,).

    Args:
        flow: The network under its input.
        visited: States that it passes through in its task, (n, n_units).
        duration: How long it is left to itself, ms.
        settings: What counts as slow.

    Raises:
        ManifoldError: It never comes to rest.
    """
    y = np.asarray(visited, np.float64)
    for _ in range(max(1, round(duration / flow.dt))):
        y = flow.step(y)
    q = np.where(np.isfinite(y).all(1), slowness(flow, np.nan_to_num(y)), np.inf)
    slowest = y[q.argmin()]
    if q.min() > settings.q_max:
        raise ManifoldError(
            f"no stable point: {duration:g} ms after the {len(y)} states given, q = |v|^2 / 2 is {q.min():.2g} or "
            f"more, expected {settings.q_max:g} at most; relax for longer, or the network oscillates under this input."
        )
    point, found = newton(flow, slowest[None])
    near = np.linalg.norm(point[0] - slowest) <= 0.1 * max(1.0, float(np.linalg.norm(slowest)))
    if found[0] and near and np.linalg.eigvals(flow.stability_matrix(point[0])).real.max() < 0:
        return point[0]
    return slowest


def trace_manifold(flow: Flow, start: Array, settings: ManifoldSettings | None = None) -> SlowManifold:
    """The line or ring of slow states through a stable point.

    Args:
        flow: The network under its input.
        start: A stable point or another slow state of it, in the network's own states, (n_units,).
        settings: Of the trace.

    Raises:
        ManifoldError: The start is not slow, or unstable across the curve, or has no slow direction.
    """
    settings = settings or ManifoldSettings()
    start = np.asarray(start, np.float64)
    start, tangent = _beginning(flow, start, settings)
    trace = forward = follow(flow, start, tangent, settings)
    ends = (forward.end, forward.end)
    if forward.end != "closed":
        trace = backward = follow(flow, start, -tangent, settings)
        ends = (backward.end, forward.end)
    if trace.end != "closed":
        states = np.concatenate([backward.states[:0:-1], forward.states])
        tangents = np.concatenate([-backward.tangents[:0:-1], forward.tangents])
        trace = Trace(states, tangents, forward.end, np.nan)
    if len(trace.states) < 2:
        raise ManifoldError(
            f"no slow curve: from the start no step is possible within q_max = {settings.q_max:g} and rate_max = "
            f"{settings.rate_max:g}; give larger ones or another start."
        )
    base, normals, _ = at_equal_distances(trace, settings.n_points)
    closed = trace.end == "closed"
    inner = slice(None) if closed else slice(1, -1)  # ends are located already
    states = base.copy()
    states[inner], _ = onto_floor(flow, base[inner], normals[inner])
    return described(flow, states, closed, (trace.end, trace.end) if closed else ends, trace.gap)


def described(
    flow: Flow, states: Array, closed: bool, ends: tuple[End, End] = ("given", "given"), gap: float = np.nan
) -> SlowManifold:
    """A curve through slow states in their order, with its speeds, eigenvalues and fixed points.

    Args:
        flow: The network under its input.
        states: Points of the curve, (n_points, n_units); a closed one does not repeat its first.
        closed: Whether the last is followed by the first.
        ends: Why it ends where it does.
        gap: By how much a closed one missed its start.
    """
    chords = np.linalg.norm(np.diff(states, axis=0, append=states[:1]), axis=1)
    arclength = np.concatenate([[0], np.cumsum(chords[:-1])])
    length = float(arclength[-1] + (chords[-1] if closed else 0))
    guess = np.roll(states, -1, axis=0) - np.roll(states, 1, axis=0) if closed else np.gradient(states, axis=0)
    guess /= np.linalg.norm(guess, axis=1, keepdims=True)
    tangents = along_floor(flow, states, guess)
    along = (velocity(flow, states) * tangents).sum(1)
    values = np.linalg.eigvals(flow.stability_matrix(states)).astype(np.complex128)
    winding = _winding(states) if closed else 0
    if closed:
        kind: Kind = "ring" if abs(winding) == 1 else "open"
    else:
        kind = "open" if "limit" in ends else "line"
    n_changes, points = fixed_points_on(flow, states, tangents, arclength, length, closed)
    return SlowManifold(
        flow=flow,
        kind=kind,
        states=states,
        tangents=tangents,
        arclength=arclength,
        length=length,
        ends=ends,
        gap=gap,
        winding=winding,
        q=slowness(flow, states),
        tangential_speed=along,
        eigenvalues=by_real_part(values),
        n_sign_changes=n_changes,
        points=points,
    )


def _beginning(flow: Flow, start: Array, settings: ManifoldSettings) -> tuple[Array, Array]:
    """Where a trace starts, and the slowest direction there, oriented so that its largest entry is positive."""
    if start.shape != (flow.n_units,) or not np.isfinite(start).all():
        raise ManifoldError(f"the start has shape {start.shape}, expected ({flow.n_units},) finite values.")
    q = float(slowness(flow, start))
    if q > settings.q_max:
        raise ManifoldError(
            f"the start is no slow state: q = |v|^2 / 2 is {q:.2g}, expected {settings.q_max:g} at most; start at a "
            "stable fixed point."
        )
    values = np.linalg.eigvals(flow.stability_matrix(start))
    slowest = int(np.abs(values).argmin())
    if abs(values[slowest]) > settings.rate_max:
        beside = beside_kinks(flow, start, settings)
        if beside is not None:
            return beside
        raise ManifoldError(
            f"no slow direction at the start: its slowest eigenvalue is {values[slowest]:.3g} per time constant "
            f"({flow.time_unit / abs(values[slowest]):.3g} ms), expected {settings.rate_max:g} at most; raise "
            "rate_max, or this is an isolated fixed point."
        )
    others = np.delete(values, slowest)
    if others.real.max(initial=-1.0) > max(0.0, values[slowest].real) + 1e-9:
        raise ManifoldError(
            f"the start is unstable across the slow direction (eigenvalue {others[others.real.argmax()]:.3g} per time "
            "constant); start at a stable fixed point."
        )
    return _down_to_floor(flow, start)


def _down_to_floor(flow: Flow, y: Array) -> tuple[Array, Array]:
    """The state on the floor of the valley that a slow one lies beside, and the valley's direction there.

    The direction is that in which v changes least. An eigenvector of a matrix that is not normal can point elsewhere,
    up the side of the valley, where no step along the floor begins. It depends on the state, and the state, in the
    hyperplane across it, on the direction: both are found in turn. A fixed point is on the floor of any direction.
    """
    size = max(1.0, float(np.linalg.norm(y)))
    for _ in range(DESCENT):
        direction = np.linalg.svd(flow.stability_matrix(y))[2][-1]
        lower = onto_floor(flow, y[None], direction[None])[0][0]
        moved, y = float(np.linalg.norm(lower - y)), lower
        if moved <= 1e-9 * size:
            break
    direction = np.linalg.svd(flow.stability_matrix(y))[2][-1]
    return y, direction * np.sign(direction[np.abs(direction).argmax()])


def _winding(states: Array) -> int:
    """Turns of a closed curve round its mean, in the plane of its first two principal components."""
    centred = states - states.mean(0)
    plane = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    around = np.unwrap(np.arctan2(plane[:, 1], plane[:, 0]), axis=0)
    last = np.angle(np.exp(1j * (around[0] - around[-1])))
    return round(float(around[-1] - around[0] + last) / (2 * np.pi))
