r"""The floor of the valley of slow states: where the speed is least within a hyperplane across it.

Near a line or ring attractor the speed :math:`|v(y)|` of a network is small along a curve and rises steeply away from
it. The curve is made of the solutions of

.. math:: \min_y \tfrac12 |v(y)|^2 \quad\text{with}\quad t \cdot (y - y_0) = 0

for hyperplanes with normals t along it. They are solved for many hyperplanes at once by the method of Levenberg and
Marquardt on the augmented least-squares problem: residuals v, and steps that leave t . y alone.

Here v = diag(time_unit / tau) f(y) is the network's own velocity, in units of its state per `Flow.time_unit`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array

ITERATIONS = 40
"""Of the method of Levenberg and Marquardt; a smooth valley takes about five."""

STEP, PROMISE, GAIN = 1e-12, 1e-15, 1e-11
"""The last step is one shorter than this, relative to the state (at least 1), or that promises, or gives, less of q."""


def velocity(flow: Flow, y: Array) -> Array:
    """V(y) = time_unit dy/dt, (..., n_units), of states (..., n_units)."""
    return flow.time_unit / flow.tau * flow.state_velocity(y)


def input_effect(flow: Flow, y: Array) -> Array:
    """dv/du, (..., n_units, n_inputs): how inputs push the states y."""
    push = np.broadcast_to(flow.w_in, (*y.shape, flow.w_in.shape[1]))
    if flow.form == "rate":
        push = flow.phi.derivative(flow.z(y))[..., None] * push
    return np.asarray((flow.time_unit / flow.tau)[:, None] * push)


def slowness(flow: Flow, y: Array) -> Array:
    """The speed |v| as q = |v|^2 / 2, (...,)."""
    return 0.5 * (velocity(flow, y) ** 2).sum(-1)


def onto_floor(flow: Flow, y: Array, normal: Array) -> tuple[Array, Array]:
    """Slowest states near y in the hyperplanes through y across `normal`.

    Args:
        flow: The network under its input.
        y: States to start from, (n, n_units).
        normal: Unit normals t of the hyperplanes, (n, n_units).

    Returns:
        The states, (n, n_units), and their q, (n,).
    """
    y = y.copy()
    n, n_units = y.shape
    v = velocity(flow, y)
    q = 0.5 * (v**2).sum(1)
    damping, factor = np.full(n, 1e-6), np.full(n, 2.0)
    running = np.arange(n)
    diagonal = np.arange(n_units)
    for _ in range(ITERATIONS):
        t, here = normal[running], y[running]
        jacobian = flow.stability_matrix(here)
        across = jacobian - (jacobian @ t[..., None]) * t[:, None, :]
        matrix = across.swapaxes(1, 2) @ across
        size = matrix[:, diagonal, diagonal].max(1)
        downhill = -(across.swapaxes(1, 2) @ v[running][..., None])[..., 0]
        # the direction t itself has been taken out of the problem: any curvature there leaves its step at 0
        damped = matrix + np.maximum(size, 1e-300)[:, None, None] * t[:, :, None] * t[:, None, :]
        damped[:, diagonal, diagonal] += (damping[running] * size + 1e-300)[:, None]
        step = np.linalg.solve(damped, downhill[..., None])[..., 0]
        step -= (step * t).sum(1, keepdims=True) * t
        new = velocity(flow, here + step)
        gain = q[running] - 0.5 * (new**2).sum(1)
        predicted = 0.5 * (step * (damping[running, None] * size[:, None] * step + downhill)).sum(1)
        better = gain > 0
        taken = running[better]
        y[taken] += step[better]
        v[taken] = new[better]
        q[taken] = 0.5 * (new[better] ** 2).sum(1)
        ratio = gain[better] / np.maximum(predicted[better], 1e-300)
        damping[taken] = np.maximum(damping[taken] * np.maximum(0.1, 1 - (2 * ratio - 1) ** 3), 1e-15)
        factor[taken] = 2.0
        refused = running[~better]
        damping[refused] *= factor[refused]
        factor[refused] *= 2
        last = (np.abs(step).max(1) <= STEP * np.maximum(1, np.abs(here).max(1))) | (predicted <= PROMISE * q[running])
        last |= better & (gain <= GAIN * q[running])
        running = running[~last]
        if not len(running):
            break
    return y, q


def along_floor(flow: Flow, y: Array, guess: Array) -> Array:
    """Unit vectors along the valley at y, (n, n_units): the direction near `guess` in which v changes least.

    One step of inverse iteration on J^T J, which has its smallest eigenvalue along the valley.
    """
    jacobian = flow.stability_matrix(y)
    matrix = jacobian.swapaxes(1, 2) @ jacobian
    size = np.trace(matrix, axis1=1, axis2=2)
    matrix += guess[:, :, None] * guess[:, None, :] * size[:, None, None]
    i = np.arange(y.shape[1])
    matrix[:, i, i] += 1e-13 * size[:, None]  # exact continua, where the guess may miss the null vector
    tangent = np.linalg.solve(matrix, guess[..., None])[..., 0]
    return np.asarray(tangent / np.linalg.norm(tangent, axis=1, keepdims=True))


def stretch(flow: Flow, y: Array, tangent: Array) -> Array:
    """|J t|, (n,): how fast v changes along the unit vectors t at y, per `time_unit`."""
    return np.linalg.norm(flow.stability_matrix(y) @ tangent[..., None], axis=1)[:, 0]


def newton(flow: Flow, y: Array, iterations: int = 30) -> tuple[Array, NDArray[np.bool_]]:
    """Fixed points from states near them by Newton's method, and whether each has converged to round-off.

    Args:
        flow: The network under its input.
        y: States, (n, n_units).
        iterations: Most steps.
    """
    y = y.copy()
    for _ in range(iterations):
        step = _solve(flow.stability_matrix(y), velocity(flow, y))
        y -= step
        if (np.abs(step).max(1) <= 1e-14 * np.maximum(1, np.abs(y).max(1))).all():
            break
    residual = np.abs(velocity(flow, y)).max(1)
    return y, np.isfinite(residual) & (residual <= 1e-12 * np.maximum(1, np.abs(y).max(1)))


def _solve(matrix: Array, right: Array) -> Array:
    try:
        return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0])
    except np.linalg.LinAlgError:  # exactly singular somewhere: the least-squares steps
        return np.asarray((np.linalg.pinv(matrix) @ right[..., None])[..., 0])
