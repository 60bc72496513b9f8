r"""Steps of the Levenberg-Marquardt method for many starts at once: (J^T J + mu) d = -J^T F with J = -1 + D W.

J^T J = 1 - D W - W^T D + W^T D^2 W, and for each pair of units W^T D^2 W is linear in the squared slopes: the pairs of
all starts are one matrix product. The Cholesky factorisation then works on all starts side by side, which fills the
vector units of the processor; library calls for one small matrix after the other take several times as long.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array

SIDE_BY_SIDE = 128
"""Largest network that is done like that; in larger ones library calls are faster, and the pairs take much memory."""


class NormalEquations:
    """Of one flow."""

    def __init__(self, flow: Flow) -> None:
        self.w = flow.w
        self.row, self.column = np.tril_indices(flow.n_units)
        self.diagonal = np.flatnonzero(self.row == self.column)
        self._small = flow.n_units <= SIDE_BY_SIDE
        self._pairs = self.w.T[self.row] * self.w.T[self.column] if self._small else np.empty((0, 0))

    def gram(self, slope: Array) -> Array:
        """Lower triangles of J^T J, row by row, (n_pairs, n), of slopes (n, n_units)."""
        if self._small:
            packed = self._pairs @ (slope**2).T
        else:
            scaled = slope[:, :, None] * self.w
            packed = (scaled.transpose(0, 2, 1) @ scaled)[:, self.row, self.column].T.copy()
        _subtract_linear(packed, self.w, np.ascontiguousarray(slope.T))
        return packed

    def gradient(self, slope: Array, f: Array) -> Array:
        """J^T F, (n, n_units)."""
        return (slope * f) @ self.w - f

    def step(self, gram: Array, mu: Array, gradient: Array) -> Array:
        """Solutions d, (n, n_units); `gram` may be overwritten."""
        if self._small:
            d = -gradient.T
            _cholesky_solve(gram, mu, d)
            return np.ascontiguousarray(d.T)
        n, n_units = gradient.shape
        full = np.empty((n, n_units, n_units))
        full[:, self.row, self.column] = full[:, self.column, self.row] = gram.T
        full[:, np.arange(n_units), np.arange(n_units)] += mu[:, None]
        return np.asarray(np.linalg.solve(full, -gradient[..., None])[..., 0])

    def flops(self) -> float:
        """Floating point operations of a step."""
        n = len(self.w)
        return n**2 * (n + 1) + n**3 / 3 + 6 * n**2


@njit(cache=True, nogil=True)
def _subtract_linear(gram: Array, w: Array, slope: Array) -> None:
    """Gram += 1 - D W - W^T D, the slopes as (n_units, n)."""
    n_units, n = slope.shape
    p = 0
    for i in range(n_units):
        for j in range(i + 1):
            a, b = w[i, j], w[j, i]
            one = 1.0 if i == j else 0.0
            for k in range(n):
                gram[p, k] += one - slope[i, k] * a - slope[j, k] * b
            p += 1


@njit(cache=True, nogil=True, fastmath={"contract"})
def _cholesky_solve(a: Array, mu: Array, x: Array) -> None:
    """Solve (A + mu) x = x in place for packed lower triangles A, (n_pairs, n), which are overwritten."""
    n_units, n = x.shape
    for i in range(n_units):
        row_i = i * (i + 1) // 2
        for j in range(i + 1):
            row_j = j * (j + 1) // 2
            target = a[row_i + j]
            if i == j:
                for k in range(n):
                    target[k] += mu[k]
            for m in range(j):
                left, right = a[row_i + m], a[row_j + m]
                for k in range(n):
                    target[k] -= left[k] * right[k]
            if i == j:
                for k in range(n):
                    target[k] = 1 / np.sqrt(max(target[k], 1e-300))  # the inverse of the diagonal
            else:
                diagonal = a[row_j + j]
                for k in range(n):
                    target[k] *= diagonal[k]
        for m in range(i):
            factor = a[row_i + m]
            for k in range(n):
                x[i, k] -= factor[k] * x[m, k]
        diagonal = a[row_i + i]
        for k in range(n):
            x[i, k] *= diagonal[k]
    for i in range(n_units - 1, -1, -1):
        row_i = i * (i + 1) // 2
        for k in range(n):
            x[i, k] *= a[row_i + i, k]
        for m in range(i):
            factor = a[row_i + m]
            for k in range(n):
                x[m, k] -= factor[k] * x[i, k]
