"""The search for all fixed points of a network under one constant input.

From a mixture of starts a batched solver runs to fixed points, duplicates are merged, and *closure rounds* start from
what was found: midpoints of pairs, mirror images, unstable directions followed to where they lead, places near points.
Each point is certified, its stability determined, and the evidence weighed that none is missing: if more starts can
help, twice as many are made.
"""

from __future__ import annotations

import time
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from rnnpipe.errors import SettingsError
from rnnpipe.fixed_points import starts as drawing
from rnnpipe.fixed_points.attractors import moving_attractors
from rnnpipe.fixed_points.certify import Certificates, certify
from rnnpipe.fixed_points.completeness import Completeness, assess, wilson
from rnnpipe.fixed_points.continua import continua, thinned
from rnnpipe.fixed_points.enumerate import enumerable, enumerate_fixed_points
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.points import SAME, beside, merged, midpoints, mirrored, proved_same
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.result import NOWHERE, FixedPointSet
from rnnpipe.fixed_points.settings import SearchSettings
from rnnpipe.fixed_points.slow import slow_points
from rnnpipe.fixed_points.solver import escape, polish, solve
from rnnpipe.fixed_points.stability import stability
from rnnpipe.networks.engines import thread_pool

ENUMERATED = 12
"""Piecewise linear networks of up to so many units are enumerated, too, which proves completeness."""

DISPLACED = 4
"""Starts near each point in a closure round, at most a quarter as many as the first starts."""

REST = 1e-9
"""A relaxation rests if the largest |f_i| is below this, relative to the largest state (at least 1)."""


THREADED = 32
"""Networks from this size on are searched by several threads; in smaller ones they wait for each other."""

POLISHING = 8
"""Newton steps to round-off for each point, at most."""


@dataclass
class _Relaxations:
    """Ends of noise-free trajectories."""

    y: Array
    """States at their ends."""
    x: Array
    """Rates of the solutions that the solver finds from there."""
    solved: NDArray[np.bool_]
    speed: Array
    """Largest |f_i|."""

    @property
    def at_rest(self) -> NDArray[np.bool_]:
        return np.asarray(self.speed <= REST * np.maximum(1, np.abs(self.y).max(1, initial=0)))

    def __add__(self, other: _Relaxations) -> _Relaxations:
        pairs = ((getattr(self, k), getattr(other, k)) for k in ("y", "x", "solved", "speed"))
        return _Relaxations(*(np.concatenate(p) for p in pairs))


@dataclass
class _Found:
    """What a search has found so far."""

    x: Array
    hits: NDArray[np.int64]
    relaxed: _Relaxations
    followed: _Relaxations
    left: Array
    """Rates of the points that the trajectories of `followed` left."""
    direction: NDArray[np.int64]
    unsolved: list[Array] = field(default_factory=list)
    n_starts: int = 0
    n_solved: int = 0
    rounds: int = 0
    quiet: int = 0
    flops: float = 0.0


def search(
    flow: Flow,
    visited: Array | None = None,
    settings: SearchSettings | None = None,
    rng: np.random.Generator | None = None,
    threads: int = 1,
) -> FixedPointSet:
    """Find, certify and classify the fixed points of a network under one input.

    Args:
        flow: The network under its input.
        visited: States that the network passes through in its task, in the order of time, (n, n_units); without them
            the starts are drawn from the network alone.
        settings: Size and limits of the search.
        rng: Generator of the starts, by default that of `settings.seed`.
        threads: CPU threads; the result does not depend on their number.

    Raises:
        SettingsError: The visited states do not fit the network.
        ArtefactError: The eigenvalues of a point cannot be computed.
    """
    begin = time.perf_counter()
    settings = SearchSettings() if settings is None else settings
    rng = np.random.default_rng(settings.seed) if rng is None else rng
    if visited is not None:
        visited = np.asarray(visited, np.float64)
        if visited.ndim != 2 or visited.shape[1] != flow.n_units or not np.isfinite(visited).all():
            raise SettingsError(
                f"visited states have shape {visited.shape}, expected finite ones of shape (n, {flow.n_units})."
            )
        visited = flow.rates(visited) if len(visited) else None
    nothing = np.empty((0, flow.n_units))
    still = _Relaxations(nothing, nothing, np.zeros(0, bool), np.zeros(0))
    found = _Found(nothing, np.zeros(0, np.int64), still, still, nothing, np.zeros(0, np.int64))
    threaded = threads > 1 and flow.n_units >= THREADED
    with threadpool_limits(1), thread_pool(threads) if threaded else nullcontext() as pool:
        while True:
            n = settings.n_starts if not found.n_starts else found.n_starts
            _from_starts(flow, visited, min(n, settings.max_starts - found.n_starts), settings, rng, found, pool)
            certificates, completeness = _judged(flow, found, settings, rng, pool)
            if not completeness.more_starts_may_help or found.n_starts >= settings.max_starts:
                break
        return _described(flow, visited, found, certificates, completeness, settings, begin)


def _from_starts(
    flow: Flow,
    visited: Array | None,
    n: int,
    settings: SearchSettings,
    rng: np.random.Generator,
    found: _Found,
    pool: Executor | None,
) -> None:
    """Search from new starts."""
    starts = drawing.draw(flow, visited, n, settings, rng)
    x = starts.x
    relaxing = starts.kind == drawing.KINDS.index("relaxed")
    y, speed = drawing.relax(flow, flow.state(x[relaxing]), settings.relaxation * flow.time_unit, pool, REST)
    x[relaxing] = flow.rates(y)
    x = np.where(np.isfinite(x), x, 0.0)
    ends = solve(flow, x, settings.max_iterations, rng, pool)
    found.relaxed += _Relaxations(y, ends.x[relaxing], ends.solved[relaxing], speed)
    found.unsolved.append(ends.x[~ends.solved & ~relaxing])
    found.n_starts += n
    found.n_solved += int(ends.solved.sum())
    found.flops += ends.flops
    solutions = ends.x[ends.solved]
    if not flow.psi(flow.c).any():  # 0 is a fixed point for certain, and is it exactly
        solutions = np.concatenate([np.zeros((1, flow.n_units)), solutions])
        hits = np.concatenate([[0], np.ones(len(solutions) - 1, np.int64)])
    else:
        hits = np.ones(len(solutions), np.int64)
    _add(flow, found, solutions, hits)


def _add(flow: Flow, found: _Found, solutions: Array, hits: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Merge solutions into what was found; which points are new."""
    before = found.x
    x, all_hits, _ = merged(flow, np.concatenate([before, solutions]), np.concatenate([found.hits, hits]))
    found.x, found.hits = thinned(flow, x, all_hits)
    if not len(before):
        return np.ones(len(found.x), bool)
    return cdist(found.x, before).min(1, initial=np.inf) > SAME


def _close(
    flow: Flow, found: _Found, settings: SearchSettings, rng: np.random.Generator, pool: Executor | None, missing: bool
) -> None:
    """Closure rounds, until two have brought nothing new."""
    new = cdist(found.x, found.left).min(1, initial=np.inf) > SAME if len(found.left) else np.ones(len(found.x), bool)
    found.quiet = 0
    for _ in range(settings.closure_rounds):
        if not len(found.x):
            found.quiet = min(2, settings.closure_rounds)
            return
        followed, left, direction = _followed(flow, found.x[new], settings, rng, pool)
        found.followed += followed
        found.left = np.concatenate([found.left, left])
        found.direction = np.concatenate([found.direction, direction])
        most = max(1, settings.n_starts // 4)
        near = np.repeat(found.x, DISPLACED, axis=0)
        near = near[rng.permutation(len(near))[:most]]
        noise = 10 ** rng.uniform(-2, 0.5, (len(near), 1)) * rng.standard_normal(near.shape)
        near = flow.psi(flow.z(near + noise))
        if missing:
            near = escape(flow, near, found.x)
        starts = [midpoints(found.x, settings.n_starts, rng, new), mirrored(flow, found.x[new]), near]
        ends = solve(flow, np.concatenate(starts), settings.max_iterations, rng, pool)
        found.flops += ends.flops
        solutions = np.concatenate([ends.x[ends.solved], followed.x[followed.solved]])
        new = _add(flow, found, solutions, np.zeros(len(solutions), np.int64))
        found.rounds += 1
        found.quiet = 0 if new.any() else found.quiet + 1
        if found.quiet >= 2:
            break


def _followed(
    flow: Flow, x: Array, settings: SearchSettings, rng: np.random.Generator, pool: Executor | None
) -> tuple[_Relaxations, Array, NDArray[np.int64]]:
    """Where the unstable directions of points lead; the points left and the directions."""
    y, of, direction = beside(flow, x)
    end, speed = drawing.relax(flow, y, settings.relaxation * flow.time_unit, pool, REST)
    ends = solve(flow, flow.rates(end), settings.max_iterations, rng, pool)
    return _Relaxations(end, ends.x, ends.solved, speed), x[of], direction


def _judged(
    flow: Flow, found: _Found, settings: SearchSettings, rng: np.random.Generator, pool: Executor | None
) -> tuple[Certificates, Completeness]:
    """Close, merge what is proved to be the same, certify, and weigh the evidence."""
    missing = False
    for attempt in range(2):
        _close(flow, found, settings, rng, pool, missing)
        enumerated = flow.n_units <= ENUMERATED and enumerable(flow)
        if enumerated:
            _add(flow, found, every := enumerate_fixed_points(flow).x, np.zeros(len(every), np.int64))
        found.x = polish(flow, found.x, POLISHING)[0]
        certificates = certify(flow, found.x)
        same = proved_same(found.x, certificates)
        if (same != np.arange(len(same))).any():
            np.add.at(found.hits, same, np.where(same != np.arange(len(same)), found.hits, 0))
            kept = same == np.arange(len(same))
            found.x, found.hits = found.x[kept], found.hits[kept]
            certificates = certify(flow, found.x)
        _, dimensions = continua(flow, found.x)
        arrived = _arrivals(flow, found, found.relaxed)
        completeness = assess(
            flow,
            found.x,
            certificates,
            found.hits,
            len(dimensions),
            int((found.relaxed.at_rest & (arrived == NOWHERE)).sum()),
            int((~found.relaxed.at_rest & (arrived == NOWHERE)).sum()),
            (found.rounds, found.quiet, settings.closure_rounds),
            enumerated,
        )
        known, expected = completeness.degree_sum, completeness.degree_expected
        missing = known is not None and expected is not None and known != expected
        if not missing or attempt:
            break
    return certificates, completeness


def _arrivals(flow: Flow, found: _Found, ends: _Relaxations) -> NDArray[np.int64]:
    """The point that each trajectory has come to or is coming to, `NOWHERE` where it is none."""
    arrived = np.full(len(ends.y), NOWHERE)
    if not len(found.x) or not len(arrived):
        return arrived
    distance = cdist(ends.x, found.x)
    nearest = distance.argmin(1)
    on_line = continua(flow, found.x)[0][nearest] >= 0
    target = flow.state(ends.x)
    away = np.linalg.norm(ends.y - target, axis=1)
    size = np.maximum(1, np.abs(target).max(1, initial=0))
    known = ends.solved & ((distance.min(1) < 10 * SAME) | on_line)
    # on its way: no further than a linear approach at the rate of the slowest mode explains
    rates = -np.array([np.linalg.eigvals(flow.stability_matrix(y)).real.max() for y in flow.state(found.x)])
    speed = np.linalg.norm(flow.time_unit / flow.tau * flow.state_velocity(ends.y), axis=1)
    slowest = rates[nearest]
    with np.errstate(divide="ignore", invalid="ignore"):
        coming = (slowest > 0) & (away < 2 * speed / slowest) & (away < 0.1 * size)
    here = known & (ends.at_rest | coming | (away < 1e-6 * size))
    arrived[here] = nearest[here]
    return arrived


def _described(
    flow: Flow,
    visited: Array | None,
    found: _Found,
    certificates: Certificates,
    completeness: Completeness,
    settings: SearchSettings,
    begin: float,
) -> FixedPointSet:
    stable = stability(flow, found.x, certificates, settings.trial_time)
    order = np.lexsort((-found.hits, stable.index))
    found.x, found.hits = found.x[order], found.hits[order]
    certificates = certify(flow, found.x)
    stable = stability(flow, found.x, certificates, settings.trial_time)
    x = found.x
    labels, dimensions = continua(flow, x)
    arrived, led = _arrivals(flow, found, found.relaxed), _arrivals(flow, found, found.followed)
    n_relaxed = len(arrived)
    counts = np.bincount(arrived[arrived >= 0], minlength=len(x)).astype(float)
    low, high = wilson(counts, n_relaxed)
    left = cdist(found.left, x).argmin(1) if len(x) and len(found.left) else np.zeros(0, np.int64)
    moving = np.concatenate(
        [r.y[(to == NOWHERE) & ~r.at_rest] for r, to in ((found.relaxed, arrived), (found.followed, led))]
    )
    states = flow.state(x)
    scale = flow.state(visited) if visited is not None else states
    length = float(np.sqrt(((scale - scale.mean(0)) ** 2).sum(1).mean())) if len(scale) > 1 else 1.0
    f = flow.velocity(x)
    sensitivity = np.full((len(x), flow.n_units, flow.w_in.shape[1]), np.nan)
    regular = ~(certificates.degenerate | certificates.on_kink)
    sensitivity[regular] = -np.linalg.solve(flow.jacobian(x[regular]), flow.input_jacobian(x[regular]))
    return FixedPointSet(
        flow=flow,
        x=x,
        state=states,
        output=flow.outputs(x),
        q=0.5 * (f**2).sum(1),
        speed=np.linalg.norm(flow.time_unit / flow.tau * flow.state_velocity(states), axis=1),
        certificates=certificates,
        stability=stable,
        continuum=labels,
        continuum_dimensions=tuple(dimensions),
        n_hits=found.hits,
        basin=counts / n_relaxed if n_relaxed else np.full(len(x), np.nan),
        basin_low=low,
        basin_high=high,
        input_sensitivity=sensitivity,
        unstable_from=left,
        unstable_direction=found.direction,
        unstable_to=led,
        slow=slow_points(flow, np.concatenate(found.unsolved), length or 1.0),
        attractors=moving_attractors(flow, moving, settings.relaxation * flow.time_unit),
        completeness=completeness,
        n_starts=found.n_starts,
        n_solved=found.n_solved,
        n_relaxations=n_relaxed,
        wall_time=time.perf_counter() - begin,
        flops=float(found.flops),
    )
