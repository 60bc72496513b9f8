"""Stability of fixed points: in the network's own flow, and under its Euler steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError
from rnnpipe.fixed_points.certify import EPS, Certificates, compensated_inputs, sided_inputs
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array, Saturated

CLASSES = ("stable node", "stable focus", "saddle", "repeller", "undecided")
"""Of the flow. Focus: the slowest mode oscillates. Saddle: 1 to n_units - 1 unstable directions. Repeller: all are
unstable. Undecided: an eigenvalue is 0 to its precision, or the sides of a kink differ in stability."""

SURE = 10.0
"""The sign of an eigenvalue's real part is certain beyond this many times its error bound."""


CROSSING_STEPS = 1000
"""Steps along the imaginary axis, at most, in search of a place where an eigenvalue may cross it."""


@dataclass(frozen=True)
class Stability:
    """Of each point; the first axis is the point. On a kink modes are those of its upper side."""

    eigenvalues: NDArray[np.complex128]
    """Growth rates per `Flow.time_unit`, largest real part first, (n, n_units)."""
    conditions: Array
    """Condition number 1 / |l^H r| of each eigenvalue, l and r of unit length, (n, n_units)."""
    index: NDArray[np.int64]
    """Eigenvalues with positive real part: unstable directions of the flow, (n,)."""
    other_index: NDArray[np.int64]
    """Likewise on the lower side of a kink; `index` off kinks, (n,)."""
    certain: NDArray[np.bool_]
    """Whether the signs of all real parts are certain, (n,)."""
    flow_class: NDArray[np.str_]
    """One of `CLASSES`, (n,)."""
    marginal: NDArray[np.bool_]
    """Whether the slowest mode is slower than the task, (n,)."""
    map_index: NDArray[np.int64]
    """Eigenvalues of the Euler map outside the unit circle, (n,)."""
    map_stable: NDArray[np.bool_]
    """Whether the Euler map is stable there, on a kink on both sides, (n,)."""
    right: NDArray[np.complex128]
    """Unit eigenvector of the first eigenvalue, in states, (n, n_units)."""
    left: NDArray[np.complex128]
    """Left one, with l^T r = 1, (n, n_units)."""
    slowest: Array
    """Time constant of the first eigenvalue, ms: time_unit / |real part|, (n,)."""

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Whether the flow is stable there, for certain, (n,)."""
        return (self.flow_class == CLASSES[0]) | (self.flow_class == CLASSES[1])


def stability(flow: Flow, x: Array, certificates: Certificates, trial_time: float) -> Stability:
    """Stability of points (n, n_units).

    Args:
        flow: The network under its input.
        x: Rates.
        certificates: Of the points.
        trial_time: Time scale of the task, ms.

    Raises:
        ArtefactError: The eigenvalues of a point cannot be computed.
    """
    n, n_units = x.shape
    z = compensated_inputs(flow.w, flow.c, x)
    matrices = _matrices(flow, x, z, 1)
    values, vectors, lefts, conditions = _modes(matrices)
    index = (values.real > 0).sum(1)
    other_values, other_index = values, index.copy()
    kinked = np.flatnonzero(certificates.on_kink)
    if len(kinked):
        other_values = values.copy()
        other_values[kinked] = _modes(_matrices(flow, x[kinked], z[kinked], -1))[0]
        other_index = (other_values.real > 0).sum(1)
    shift = certificates.lipschitz * np.nan_to_num(certificates.inner_radius) * flow.time_unit / flow.tau.min()
    if flow.gamma:
        shift += 6 * flow.gamma * np.abs(flow.state(x)).max(1, initial=0) * np.nan_to_num(certificates.inner_radius)
    error = SURE * conditions * (EPS * np.linalg.norm(matrices, axis=(1, 2)) + shift)[:, None]
    certain = (np.abs(values.real) > error).all(1)
    for k in np.flatnonzero(~certain):
        certain[k] = _never_crosses(matrices[k], SURE * float(EPS * np.linalg.norm(matrices[k]) + shift[k]))
    certain &= (index == other_index) & ~certificates.degenerate
    first = values[:, 0]
    classes = np.where(np.abs(first.imag) > 0, CLASSES[1], CLASSES[0]).astype("U12")
    classes[index > 0] = CLASSES[2]
    classes[index == n_units] = CLASSES[3]
    classes[~certain] = CLASSES[4]
    outside, other_outside = (
        (np.abs(flow.map_eigenvalues(v)) >= 1).sum(1) if n_units else np.zeros(n, int) for v in (values, other_values)
    )
    slowest = flow.time_unit / np.maximum(np.abs(first.real), 1e-300)
    return Stability(
        eigenvalues=values,
        conditions=conditions,
        index=index,
        other_index=other_index,
        certain=certain,
        flow_class=classes,
        marginal=slowest > trial_time,
        map_index=outside,
        map_stable=(outside == 0) & (other_outside == 0),
        right=vectors,
        left=lefts,
        slowest=slowest,
    )


def _matrices(flow: Flow, x: Array, z: Array, side: int) -> Array:
    """Stability matrices of the network's own flow; those of units on a kink on one side of it."""
    z = sided_inputs(flow, z, side)
    y = x
    if flow.form == "current":
        y = z = flow.psi.rest(z) if isinstance(flow.psi, Saturated) else z
    return flow.stability_matrix(y, flow.phi.derivative(z))


def _never_crosses(matrix: Array, error: float) -> bool:
    """Whether no matrix within `error` of this one has an eigenvalue on the imaginary axis.

    It has none at i w if the smallest singular value of M - i w exceeds the error; that value changes by no more than w
    does, so that steps of its size leave no gap. Unlike condition numbers this is of use for defective matrices, too.
    """
    identity, most = np.eye(len(matrix)), float(np.linalg.norm(matrix))
    w = 0.0  # those at -i w are the same
    for _ in range(CROSSING_STEPS):
        room = float(np.linalg.svd(matrix - 1j * w * identity, compute_uv=False)[-1]) - error
        if room <= 0:
            return False
        w += 0.9 * room
        if w > most + error:
            return True
    return False


def _modes(
    matrices: Array,
) -> tuple[NDArray[np.complex128], NDArray[np.complex128], NDArray[np.complex128], Array]:
    """Sorted eigenvalues, first right and left eigenvectors, condition numbers."""
    n, n_units = matrices.shape[:2]
    values = np.empty((n, n_units), complex)
    first, left = np.empty((n, n_units), complex), np.empty((n, n_units), complex)
    conditions = np.empty((n, n_units))
    for k, matrix in enumerate(matrices):
        try:
            v, right = np.linalg.eig(matrix)
        except np.linalg.LinAlgError:
            raise ArtefactError(
                "the eigenvalues of a fixed point did not converge; look for extreme weights in the network."
            ) from None
        order = np.lexsort((-v.imag, -v.real.round(12)))
        v, right = v[order], right[:, order]
        try:
            inverse = np.linalg.inv(right)
        except np.linalg.LinAlgError:  # a defective matrix
            inverse = np.full((n_units, n_units), np.inf)
        values[k], first[k], left[k] = v, right[:, 0], inverse[0]
        conditions[k] = np.linalg.norm(inverse, axis=1)
    return values, first, left, conditions
