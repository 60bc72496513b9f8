r"""Batched solvers of F(x) = 0 from many starts at once.

Smooth responses: Levenberg-Marquardt far from a solution, (J^T J + mu) d = -J^T F with the gain-ratio rule of Nielsen
for mu, and Newton's method near it. It ends at a fixed point or at a minimum of |F|^2 that is none.

Piecewise linear responses: Newton's method jumps to the fixed point of the linear system that holds where it is (its
*pattern*: the piece that each unit is on) and is exact once the pattern reproduces itself. On the borders of patterns
|F| has minima that are no fixed points, where every descent method gets stuck; so steps have a limited length
instead, and one that makes |F| larger is shortened by a random factor, without which the search can go round in a
cycle of patterns for ever.

References: Madsen, Nielsen & Tingleff (2004), Methods for non-linear least squares problems, 2nd ed., DTU;
Robinson (1992), Math. Oper. Res. 17:691 (Newton's method across kinks).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.normal_equations import NormalEquations
from rnnpipe.fixed_points.response import Array

TOLERANCE = 1e-12
"""Largest |F_i| of a fixed point, relative to its largest rate (at least 1)."""

NEAR = 1e-3
"""Below this largest |F_i| Newton's method takes over."""

POLISHING = 2
"""Newton steps at the end of each start, at most; the points that remain are polished further."""

MU = 0.1
"""First mu, relative to the largest diagonal element of J^T J."""

STALLED = 1e-3
"""A start has stalled when |J^T F| is below this share of |J| |F| in a row of `PATIENCE` steps."""
PATIENCE = 3

SINGULAR = 1e10
"""A step so many times longer than F is that of a singular J."""

CHUNK_BYTES = 640 * 1024
"""Memory for the Jacobians of one chunk: those of a chunk stay in the cache."""


@dataclass(frozen=True)
class Ends:
    """Where starts ended; the first axis is the start."""

    x: Array
    """Rates, (n, n_units)."""
    solved: NDArray[np.bool_]
    """Whether the residual is that of a fixed point."""
    iterations: NDArray[np.int64]
    """Steps taken."""
    flops: float
    """Floating point operations of the linear algebra."""


def residual(flow: Flow, x: Array) -> Array:
    """Largest |F_i|, (n,)."""
    return np.abs(flow.velocity(x)).max(-1, initial=0)


def tolerance(x: Array) -> Array:
    """Largest |F_i| that the fixed points x may have, (n,)."""
    return TOLERANCE * np.maximum(1, np.abs(x).max(-1, initial=0))


def solve(
    flow: Flow, starts: Array, max_iterations: int, rng: np.random.Generator, pool: Executor | None = None
) -> Ends:
    """Solve F(x) = 0 from each start, (n, n_units).

    Args:
        flow: The network under its input.
        starts: Rates to start from.
        max_iterations: Steps of a start, at most.
        rng: Generator of the shortened steps at kinks. Each chunk of starts has a stream of its own, and the size of
            chunks depends on the network only: the result does not depend on the number of threads.
        pool: Threads that take the chunks; none by default.
    """
    n, n_units = starts.shape
    if not n:
        return Ends(starts.copy(), np.zeros(0, bool), np.zeros(0, int), 0.0)
    size = max(1, CHUNK_BYTES // (8 * n_units**2))
    chunks = [starts[i : i + size] for i in range(0, n, size)]
    streams = rng.spawn(len(chunks))
    method = _descend if flow.psi.pieces is None else _jump

    def work(job: tuple[Array, np.random.Generator]) -> Ends:
        x, iterations, flops = method(flow, job[0], max_iterations, job[1])
        x, extra = polish(flow, x)
        return Ends(x, residual(flow, x) <= tolerance(x), iterations, flops + extra)

    jobs = list(zip(chunks, streams, strict=True))
    return _joined(list((pool.map if pool else map)(work, jobs)))


def _joined(parts: Sequence[Ends]) -> Ends:
    x, solved, iterations = (np.concatenate([getattr(p, k) for p in parts]) for k in ("x", "solved", "iterations"))
    return Ends(x, solved, iterations, sum(p.flops for p in parts))


def _descend(
    flow: Flow, starts: Array, max_iterations: int, rng: np.random.Generator
) -> tuple[Array, NDArray[np.int64], float]:
    """Levenberg-Marquardt, then Newton; (rates, iterations, flops)."""
    n, n_units = starts.shape
    equations = NormalEquations(flow)
    steps, flops = np.zeros(n, int), 0.0
    end = starts.copy()
    # what follows has a row for each start that still runs, and `at` says which
    at, x, f = np.arange(n), starts.copy(), flow.velocity(starts)
    mu, nu, flat = np.full(n, -1.0), np.full(n, 2.0), np.zeros(n, int)
    failed = np.zeros(n, bool)  # Newton's method, near what seemed a solution
    for _ in range(max_iterations):
        size = np.abs(f).max(1)
        going = (size > tolerance(x)) & (flat < PATIENCE) & np.isfinite(size)
        if not going.all():
            end[at[~going]] = x[~going]
            at, x, f, mu, nu, flat, failed, size = (a[going] for a in (at, x, f, mu, nu, flat, failed, size))
        if not len(at):
            return end, steps, flops
        steps[at] += 1
        newton = (size < NEAR) & ~failed
        slope = flow.slope(x)
        step, promised = np.empty_like(x), np.ones(len(at))
        if newton.any():
            step[newton] = _divided(flow.jacobian(x[newton], slope[newton]), -f[newton])
            flops += newton.sum() * 2 / 3 * n_units**3
        if not newton.all():
            far = ~newton
            gram = equations.gram(slope[far])
            diagonal = gram[equations.diagonal]
            gradient = equations.gradient(slope[far], f[far])
            damping = np.where(mu[far] < 0, MU * diagonal.max(0), mu[far])
            d = equations.step(gram, damping, gradient)
            mu[far], step[far] = damping, d
            promised[far] = 0.5 * (d * (damping[:, None] * d - gradient)).sum(1)
            shallow = (gradient**2).sum(1) < STALLED**2 * diagonal.sum(0) * (f[far] ** 2).sum(1)
            flat[far] = np.where(shallow, flat[far] + 1, 0)
            flops += far.sum() * equations.flops()
        new = x + step
        f_new = flow.velocity(new)
        with np.errstate(over="ignore", invalid="ignore"):
            gain = 0.5 * ((f**2).sum(1) - (f_new**2).sum(1)) / np.maximum(promised, 1e-300)
        better = gain > 0
        x[better], f[better] = new[better], f_new[better]
        failed |= newton & ~better
        worse = ~better & ~newton
        mu = np.where(better & ~newton, mu * np.maximum(1 / 3, 1 - (2 * np.minimum(gain, 1) - 1) ** 3), mu)
        mu, nu = np.where(worse, mu * nu, mu), np.where(worse, 2 * nu, 2.0)
        flat[worse & (mu > 1e12)] = PATIENCE
    end[at] = x
    return end, steps, flops


def _jump(
    flow: Flow, starts: Array, max_iterations: int, rng: np.random.Generator
) -> tuple[Array, NDArray[np.int64], float]:
    """Newton's method from pattern to pattern; (rates, iterations, flops)."""
    n = len(starts)
    x, iterations, flops = starts.copy(), np.zeros(n, int), 0.0
    # lengths around that of a usual state: short ones find what is near, long ones get out of cycles
    usual = max(1.0, float(np.median(np.linalg.norm(starts, axis=1))))
    longest = usual * 10 ** rng.uniform(-0.5, 0.5, (n,))
    at = np.arange(n)
    for _ in range(max_iterations):
        here = x[at]
        f = flow.velocity(here)
        largest = np.abs(f).max(1)
        going = (largest > tolerance(here)) & np.isfinite(largest)
        at, here, f = at[going], here[going], f[going]
        if not len(at):
            break
        iterations[at] += 1
        step = _divided(flow.jacobian(here), -f)
        flops += len(at) * 2 / 3 * flow.n_units**3
        length = np.maximum(np.linalg.norm(step, axis=1), 1e-300)
        factor = np.minimum(np.ones(len(at)), longest[at] / length)
        after = flow.velocity(here + factor[:, None] * step)
        worse = (after**2).sum(1) > (f**2).sum(1)
        factor *= np.where(worse, rng.uniform(size=len(factor)), 1)
        x[at] = here + factor[:, None] * step
    return x, iterations, flops


def escape(flow: Flow, starts: Array, known: Array, max_iterations: int = 60) -> Array:
    """Rates nearer to solutions other than the known ones, (n, n_units).

    Newton's method on F times the product of 1 + 1 / |x - x_k|^2 over the known points x_k, where these are poles: its
    step is that on F, divided by 1 - g . step, with g the gradient of the product's logarithm.
    """
    x = starts.copy()
    longest = max(1.0, float(np.median(np.linalg.norm(starts, axis=1)))) if len(x) else 1.0
    for _ in range(max_iterations):
        step = _divided(flow.jacobian(x), -flow.velocity(x))
        pull = np.zeros(len(x))
        for point in known:
            away = x - point
            square = np.maximum((away**2).sum(1), 1e-300)
            pull -= 2 * (away * step).sum(1) / (square * (1 + square))
        factor = 1 / np.where(np.abs(1 - pull) < 1e-6, 1e-6, 1 - pull)
        length = np.abs(factor) * np.linalg.norm(step, axis=1)
        x = x + (factor * np.minimum(1, longest / np.maximum(length, 1e-300)))[:, None] * step
    return x


def polish(flow: Flow, x: Array, steps: int = POLISHING) -> tuple[Array, float]:
    """Newton steps while they make the residual of what is nearly solved smaller, to round-off; (rates, flops)."""
    x, flops = x.copy(), 0.0
    size = residual(flow, x)
    at = np.flatnonzero(size < NEAR)
    for _ in range(steps):
        if not len(at):
            break
        f = flow.velocity(x[at])
        new = x[at] + _divided(flow.jacobian(x[at]), -f)
        flops += len(at) * 2 / 3 * flow.n_units**3
        new_size = residual(flow, new)
        better = new_size < size[at]
        x[at[better]], size[at[better]] = new[better], new_size[better]
        at = at[better & (new_size > 0)]
    return x, flops


def _divided(matrices: Array, right: Array) -> Array:
    """Solutions of linear systems; of least length where a matrix is singular, as on a line of fixed points."""
    try:
        out = np.asarray(np.linalg.solve(matrices, right[..., None])[..., 0])
        size = np.abs(right).max(1, initial=0)
        odd = np.flatnonzero(~(np.abs(out).max(1, initial=0) <= SINGULAR * size))
    except np.linalg.LinAlgError:
        out, odd = np.empty_like(right), np.arange(len(right))
    for k in odd:
        out[k] = np.linalg.lstsq(matrices[k], right[k], rcond=1 / SINGULAR)[0]
    return out
