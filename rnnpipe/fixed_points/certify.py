r"""Proofs that a computed point is near a true fixed point, and that it is the only one near.

With J at the computed point, beta = ||J^-1||, eta = ||J^-1 F|| (rounding of F included) and K a Lipschitz constant of
J, h = beta eta K <= 1/2 proves one true fixed point within r- = 2 eta / (1 + sqrt(1 - 2 h)) and none other within
r+ = (1 + sqrt(1 - 2 h)) / (beta K) (Newton-Kantorovich). For J = -1 + D W, K = max|psi''| max_i ||w_i|| ||W|| with w_i
the rows of W, as long as no input crosses a kink, which bounds both radii. Between kinks of a piecewise linear response
K = 0: the pattern of pieces reproduces itself, and its linear system has one solution.

Reference: Ortega & Rheinboldt (1970), Iterative Solution of Nonlinear Equations in Several Variables, 12.6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array

KINK = 1e-9
"""An input nearer to a kink than this, relative to the largest input (at least 1), is on it."""

SINGULAR = 1e-12
"""J is singular to round-off if its smallest singular value is less than this share of the largest."""

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Certificates:
    """What is proved of each point; the first axis is the point."""

    residual: Array
    """Largest |F_i|, evaluated in loops with compensated sums, (n,)."""
    method: NDArray[np.str_]
    """"kantorovich", "pattern" (no kink crossed by a piecewise linear response), "exact" (F = 0 without rounding) or
    "" where nothing is proved, (n,)."""
    inner_radius: Array
    """r-: a true fixed point is within; NaN where not proved, (n,)."""
    outer_radius: Array
    """r+: no other fixed point is within; NaN where not proved, (n,)."""
    on_kink: NDArray[np.bool_]
    """Whether the input of a unit is on a kink of its response, (n,)."""
    degenerate: NDArray[np.bool_]
    """Whether J (on a kink, of a side) is singular to round-off or too nearly singular for a proof, (n,)."""
    degree: NDArray[np.int64]
    """Sign of det(-J): the index of the vector field -F; 0 where it is degenerate or the sides of a kink differ."""
    lipschitz: Array
    """K, (n,)."""

    @property
    def certified(self) -> NDArray[np.bool_]:
        """Whether a true fixed point is proved to be there, (n,)."""
        return self.method != ""


def certify(flow: Flow, x: Array) -> Certificates:
    """Certificates of points (n, n_units)."""
    n = len(x)
    z = compensated_inputs(flow.w, flow.c, x)
    rates = flow.psi(z)
    f = rates - x
    steep, curvature = flow.psi.steepness, flow.psi.curvature
    # an input is known to a rounding and, by compensation, hardly more; a response to some units in the last place
    rounding = EPS * (2 * np.abs(x) + 4 * np.abs(rates) + 2 * steep * (np.abs(z) + np.abs(flow.c)))
    rows = np.linalg.norm(flow.w, axis=1)
    lipschitz = curvature * rows.max(initial=0) * (np.linalg.norm(flow.w, 2) if flow.n_units else 0.0)
    gap, kink_margin = kink_distance(flow, z)
    reach = np.where(rows > 0, gap / np.maximum(rows, 1e-300), np.inf).min(1, initial=np.inf)
    on_kink: NDArray[np.bool_] = np.any(gap <= kink_margin[:, None], axis=1)
    method = np.full(n, "", dtype="U12")
    inner, outer = np.full(n, np.nan), np.full(n, np.nan)
    degenerate, degree = np.zeros(n, bool), np.zeros(n, np.int64)
    piecewise = flow.psi.pieces is not None
    for k in range(n):
        signs = set()
        for slope in _slopes(flow, z[k], bool(on_kink[k])):
            jacobian = flow.jacobian(x[k], slope)
            u, s, vt = np.linalg.svd(jacobian)
            degenerate[k] |= bool(s[-1] <= SINGULAR * s[0])
            signs.add(0 if degenerate[k] else round(float(np.linalg.slogdet(-jacobian)[0])))
        degree[k] = signs.pop() if len(signs) == 1 else 0
        if not x[k].any() and not flow.psi(flow.c).any():  # 0 is mapped to 0 without rounding, on a kink or not
            method[k], inner[k] = "exact", 0.0
        if degenerate[k] or on_kink[k]:
            continue
        beta = 1 / float(s[-1])
        eta = float(np.linalg.norm(vt.T @ ((u.T @ f[k]) / s))) + beta * float(np.linalg.norm(rounding[k]))
        h = beta * eta * lipschitz
        degenerate[k] = h > 0.5
        radius = np.inf if degenerate[k] else 2 * eta / (1 + np.sqrt(1 - 2 * h))
        if radius >= reach[k]:
            continue
        far = (1 + np.sqrt(1 - 2 * h)) / (beta * lipschitz) if lipschitz else np.inf
        outer[k] = min(far, reach[k])
        if not method[k]:
            method[k], inner[k] = "pattern" if piecewise else "kantorovich", radius
    return Certificates(
        residual=np.abs(f).max(1, initial=0),
        method=method,
        inner_radius=inner,
        outer_radius=outer,
        on_kink=on_kink,
        degenerate=degenerate,
        degree=degree,
        lipschitz=np.full(n, lipschitz),
    )


def kink_distance(flow: Flow, z: Array) -> tuple[Array, Array]:
    """Distance of each input to the nearest kink, (n, n_units), and below which it counts as on it, (n,)."""
    margin = KINK * np.maximum(1, np.abs(z).max(-1, initial=0))
    gap = np.full(z.shape, np.inf)
    for kink in flow.psi.kinks:
        gap = np.minimum(gap, np.abs(z - kink))
    return gap, margin


def sided_inputs(flow: Flow, z: Array, side: int) -> Array:
    """Inputs, those on a kink moved off it to one side (-1 or 1), (..., n_units)."""
    margin = kink_distance(flow, z)[1][..., None]
    for kink in flow.psi.kinks:
        z = np.where(np.abs(z - kink) <= margin, kink + 2 * side * margin, z)
    return z


def _slopes(flow: Flow, z: Array, on_kink: bool) -> list[Array]:
    if not on_kink:
        return [flow.psi.derivative(z)]
    return [flow.psi.derivative(sided_inputs(flow, z, side)) for side in (-1, 1)]


@njit(cache=True)
def compensated_inputs(w: Array, c: Array, x: Array) -> Array:
    """W x + c in plain loops, with the error of each sum and product carried along (as if in twice the precision)."""
    n, n_units = x.shape
    z = np.empty_like(x)
    for k in range(n):
        for i in range(n_units):
            total, error = c[i], 0.0
            for j in range(n_units):
                product, slip = _product(w[i, j], x[k, j])
                new = total + product
                back = new - total
                error += (total - (new - back)) + (product - back) + slip
                total = new
            z[k, i] = total + error
    return z


@njit(inline="always")
def _product(a: float, b: float) -> tuple[float, float]:
    """A product and its rounding error (Dekker)."""
    product = a * b
    split = 134217729.0  # 2^27 + 1
    high_a, high_b = split * a, split * b
    high_a, high_b = high_a - (high_a - a), high_b - (high_b - b)
    low_a, low_b = a - high_a, b - high_b
    return product, ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b
