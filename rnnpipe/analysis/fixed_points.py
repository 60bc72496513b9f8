"""Fixed points of a gated network, or of another map, under constant inputs: found, certified, merged, classified.

Per input, Newton's method runs on G(x) = 0 (see `gated_map`) with its analytic Jacobian from many starts, to round-off;
further rounds start between the points found and beside the unstable ones, until they bring nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rnnpipe.analysis.fixed_points_settings import FixedPointSettings
from rnnpipe.analysis.gated_map import Array, GatedMap

KINK = 1e-9
"""A state nearer to 0 than this, relative to the largest (at least 1), is on the kink of the rectification."""

KINDS = ("jittered", "relaxed", "mixed", "far")
"""Starts: visited states with jitter, their noise-free continuation, mixtures of two of them, anything."""

RELAXED = KINDS.index("relaxed")

ROUNDS = 3
"""Rounds of new starts made from the points found."""


class StateMap(Protocol):
    """A network with its input held constant, as `GatedMap` is: states are (n, n_units)."""

    @property
    def dt(self) -> float:
        """Step, ms."""

    @property
    def n_units(self) -> int:
        """Numbers of a state."""

    @property
    def kinked(self) -> bool:
        """Whether the map has a kink where a unit's state is 0."""

    def step(self, x: Array) -> Array:
        """The next state."""

    def pull(self, x: Array) -> Array:
        """G(x), zero at fixed points."""

    def relax(self, x: Array, duration: float) -> Array:
        """The state after some time, ms."""

    def pull_jacobian(self, x: Array, active: NDArray[np.bool_] | None = None) -> Array:
        """DG / dx, (n, n_units, n_units)."""

    def step_jacobian(self, x: Array, active: NDArray[np.bool_] | None = None) -> Array:
        """Dx' / dx, (n, n_units, n_units)."""


@dataclass(frozen=True)
class FixedPoints:
    """Fixed points under one input; the first axis of every array is the point, most visited first."""

    x: Array
    """States, (n_points, n_units)."""
    residual: Array
    """Largest |G| of a unit, (n_points,)."""
    radius: Array
    """Distance within which a true fixed point lies for certain, NaN where that is not proved, (n_points,)."""
    on_kink: NDArray[np.bool_]
    """Whether a unit sits on the kink of the rectification, where eigenvalues differ between its sides."""
    eigenvalues: NDArray[np.complex128]
    """Of the map x -> x', largest modulus first, (n_points, n_units)."""
    stable: NDArray[np.bool_]
    """Whether all eigenvalues, on a kink those of both sides, are inside the unit circle."""
    n_unstable: NDArray[np.int64]
    """Number of eigenvalues outside the unit circle."""
    n_hits: NDArray[np.int64]
    """Starts that ended here."""
    n_starts: int
    """Starts made in all."""
    n_converged: int
    """Starts that ended at some fixed point."""
    relaxed_speed: float
    """Largest change of a unit's state per second after the noise-free relaxation, median over those starts.

    It tells a network that rests from one that oscillates or, without any fixed point, drifts ever more slowly (units
    whose update gate closes as their state grows).
    """
    dt: float
    """Step of the map, ms."""

    @property
    def time_constants(self) -> Array:
        """-dt / log|eigenvalue|, ms: of decay where positive, of growth where negative, (n_points, n_units)."""
        with np.errstate(divide="ignore"):
            return np.asarray(-self.dt / np.log(np.abs(self.eigenvalues)))


def find_fixed_points(
    gated: StateMap, visited: Array, settings: FixedPointSettings, rng: np.random.Generator
) -> FixedPoints:
    """Search for the fixed points under one input.

    Args:
        gated: The network with its input.
        visited: States that the network passes through in its task, (n, n_units): where the search begins.
        settings: Size and tolerances of the search.
        rng: Generator of the starts.
    """
    starts = _starts(gated, visited, settings, rng)
    relaxed = starts[RELAXED :: len(KINDS)]
    change = np.abs(gated.step(relaxed) - relaxed).max(1)
    usual = max(1.0, float(np.linalg.norm(visited, axis=1).mean()))
    found, hits, n_starts = np.empty((0, gated.n_units)), np.empty(0, int), 0
    for _ in range(1 + ROUNDS):
        # lengths around that of a usual state: short ones find what is near, long ones get out of cycles
        ends = solve(gated, starts, usual * 10 ** rng.uniform(-0.5, 0.5, len(starts)), settings, rng)
        solutions = _polished(gated, ends[_is_zero(gated.pull(ends), ends, settings.tolerance)])
        n_starts += len(starts)
        known = len(found)
        found, hits = _merge(np.concatenate([found, solutions]), hits, settings.min_distance)
        if len(found) == known or not len(found):
            break
        starts = _between_and_beside(gated, found, settings)
        if not len(starts):
            break
    order = np.lexsort((*found.T[::-1], -hits)) if len(found) else np.empty(0, int)
    speed = float(np.median(change)) / (gated.dt / 1000) if len(change) else np.nan
    return _described(gated, found[order], hits[order], n_starts, speed)


def _starts(gated: StateMap, visited: Array, settings: FixedPointSettings, rng: np.random.Generator) -> Array:
    """The `KINDS` of starts in turn."""
    n, size = settings.n_starts, (settings.n_starts, gated.n_units)
    rms = np.sqrt(np.mean(visited**2))
    x = visited[rng.integers(len(visited), size=n)]
    other = visited[rng.integers(len(visited), size=n)]
    weight = rng.uniform(size=(n, 1))
    scale = settings.jitter * rms * 10 ** rng.uniform(-2, 0, size=(n, 1))
    far = max(rms, 1.0) * 10 ** rng.uniform(-1, 1, size=(n, 1)) * rng.standard_normal(size)
    jittered = x + scale * rng.standard_normal(size)
    kinds = {"jittered": jittered, "relaxed": x, "mixed": weight * x + (1 - weight) * other, "far": far}
    starts = np.choose((np.arange(n) % len(KINDS))[:, None], [kinds[kind] for kind in KINDS])
    starts[RELAXED :: len(KINDS)] = gated.relax(starts[RELAXED :: len(KINDS)], settings.relaxation)
    return np.asarray(starts)


def solve(
    gated: StateMap, starts: Array, longest_step: Array, settings: FixedPointSettings, rng: np.random.Generator
) -> Array:
    """Newton's method on G(x) = 0 from each start, (n, n_units); not all of the results are solutions.

    Steps have a limited length but need not make the residual smaller: rectification divides the state space into
    regions, and on their borders |G| has local minima that are no fixed points, where every descent method
    (Levenberg-Marquardt, line search) gets stuck. A step that makes it larger is shortened by a random factor, without
    which such a search can go round in a cycle of regions for ever.

    Args:
        gated: The network with its input.
        starts: States to start from, (n, n_units).
        longest_step: Euclidean length that a step may have, for each start, (n,).
        settings: Iterations and tolerance.
        rng: Generator of the factors.
    """
    x, running = starts.copy(), np.arange(len(starts))
    for _ in range(settings.max_iterations):
        here = x[running]
        pull = gated.pull(here)
        still = ~_is_zero(pull, here, settings.tolerance)
        running, here, pull = running[still], here[still], pull[still]
        if not len(running):
            break
        step = -_divided(gated.pull_jacobian(here), pull)
        length = np.linalg.norm(step, axis=1)
        factor = np.minimum(1, longest_step[running] / np.maximum(length, 1e-300))
        after = gated.pull(here + factor[:, None] * step)
        worse = (after**2).sum(1) > (pull**2).sum(1)
        factor *= np.where(worse, rng.uniform(size=len(factor)), 1)
        x[running] = here + factor[:, None] * step
    return x


def _polished(gated: StateMap, x: Array) -> Array:
    """One more Newton step where it makes the residual smaller."""
    pull = gated.pull(x)
    new = x - _divided(gated.pull_jacobian(x), pull)
    better = np.abs(gated.pull(new)).max(1, initial=0) < np.abs(pull).max(1, initial=0)
    return np.where(better[:, None], new, x)


def _divided(jacobian: Array, pull: Array) -> Array:
    """Newton steps J^-1 G."""
    try:
        return np.asarray(np.linalg.solve(jacobian, pull[..., None])[..., 0])
    except np.linalg.LinAlgError:  # one is exactly singular, as on a line of fixed points or where states have run away
        steps = np.full(pull.shape, np.nan)
        for i in np.flatnonzero(np.isfinite(jacobian).all((1, 2)) & np.isfinite(pull).all(1)):
            steps[i] = np.linalg.lstsq(jacobian[i], pull[i], rcond=None)[0]  # the shortest step that does as well
        return steps


def _is_zero(pull: Array, x: Array, tolerance: float) -> NDArray[np.bool_]:
    size = np.maximum(1, np.abs(x).max(1, initial=0))
    return np.asarray(np.abs(pull).max(1, initial=0) <= tolerance * size)


def _merge(x: Array, hits: NDArray[np.int64], distance: float) -> tuple[Array, NDArray[np.int64]]:
    """Points further apart than `distance`, known ones (that have hits) first, and the hits of each."""
    hits = np.concatenate([hits, np.zeros(len(x) - len(hits), int)])
    kept: list[int] = []
    for i in range(len(x)):
        away = np.linalg.norm(x[kept] - x[i], axis=1) if kept else np.empty(0)
        if len(away) and away.min() <= distance:
            hits[kept[int(away.argmin())]] += 1
        else:
            kept.append(i)
            hits[i] = max(hits[i], 1)
    return x[kept], hits[kept]


def _between_and_beside(gated: StateMap, x: Array, settings: FixedPointSettings) -> Array:
    """Midpoints of all pairs, and where the network goes from both sides of each unstable point."""
    i, j = np.triu_indices(len(x), 1)
    chosen = np.linspace(0, len(i) - 1, min(len(i), settings.n_starts)).astype(int)
    starts = [(x[i[chosen]] + x[j[chosen]]) / 2]
    values, vectors = np.linalg.eig(gated.step_jacobian(x))
    for point, value, vector in zip(x, values, vectors, strict=True):
        for k in np.flatnonzero(np.abs(value) > 1)[:3]:
            away = 1e-3 * max(1.0, float(np.abs(point).max())) * vector[:, k].real
            starts.append(gated.relax(np.stack([point + away, point - away]), settings.relaxation))
    return np.concatenate(starts)


def _described(gated: StateMap, x: Array, hits: NDArray[np.int64], n_starts: int, relaxed_speed: float) -> FixedPoints:
    size = np.maximum(1, np.abs(x).max(1, initial=0))[:, None]
    on_kink = (np.abs(x) <= KINK * size).any(1) & gated.kinked
    eigenvalues, n_unstable = _eigenvalues(gated, x, x > 0)
    for sign in (-1, 1):  # the one-sided Jacobians of points on a kink
        rows = np.flatnonzero(on_kink)
        sided = _eigenvalues(gated, x[rows], x[rows] > sign * KINK * size[rows])[1]
        n_unstable[rows] = np.maximum(n_unstable[rows], sided)
    return FixedPoints(
        x=x,
        residual=np.abs(gated.pull(x)).max(1, initial=0),
        radius=certified_radius(gated, x) if isinstance(gated, GatedMap) else np.full(len(x), np.nan),
        on_kink=on_kink,
        eigenvalues=eigenvalues,
        stable=n_unstable == 0,
        n_unstable=n_unstable,
        n_hits=hits,
        n_starts=n_starts,
        n_converged=int(hits.sum()),
        relaxed_speed=relaxed_speed,
        dt=gated.dt,
    )


def _eigenvalues(
    gated: StateMap, x: Array, active: NDArray[np.bool_]
) -> tuple[NDArray[np.complex128], NDArray[np.int64]]:
    values = np.linalg.eigvals(gated.step_jacobian(x, active)).astype(complex)
    order = np.lexsort((-values.imag, -values.real, -np.abs(values).round(12)), axis=1)
    values = np.take_along_axis(values, order, axis=1)
    return values, (np.abs(values) >= 1).sum(1)


def certified_radius(gated: GatedMap, x: Array) -> Array:
    r"""Distance from each state within which there is a true zero of G (Newton-Kantorovich), NaN where not proved.

    With beta = |J^-1|, eta = |J^-1 G| (rounding of G included) and K a Lipschitz constant of the Jacobian, there is one
    if h = beta eta K <= 1/2, within 2 eta / (1 + sqrt(1 - 2 h)); K holds while no unit changes the side of its kink.
    """
    radius = np.full(len(x), np.nan)
    n = gated.n_units
    for k, point in enumerate(x):
        on, r, reach = point > 0, np.maximum(point, 0), min(1.0, float(np.abs(point).min()))
        u, s, vt = np.linalg.svd(gated.pull_jacobian(point[None])[0])
        if s[-1] < 1e-13 * s[0]:
            continue
        onto_gamma = np.linalg.norm(gated.w_gates[n:] * on, axis=1)
        # |d2/dr2 (gamma_j r_j)| from |sigmoid'| <= 1/4 and |sigmoid''| <= 1 / (6 sqrt 3)
        curvature = onto_gamma.max() / 2 + np.linalg.norm((r + reach) * on * onto_gamma**2) / (6 * np.sqrt(3))
        lipschitz = np.linalg.norm(gated.w_rec, 2) * curvature
        driven = np.abs(gated.w_rec) @ (gated.gates(point)[1] * r) + np.abs(gated.drive[:n]) + np.abs(point)
        rounding = (n + 10) * np.finfo(float).eps * np.linalg.norm(driven)
        beta = 1 / s[-1]
        eta = np.linalg.norm(vt.T @ ((u.T @ gated.pull(point)) / s)) + beta * rounding
        h = beta * eta * lipschitz
        if h <= 0.5 and (distance := 2 * eta / (1 + np.sqrt(1 - 2 * h))) < reach:
            radius[k] = distance
    return radius
