"""Penalties on the weights of continuous-time networks, with gradients derived by hand; computed in float64.

Reference: engellab/trainRNNbrain (github.com/engellab/trainRNNbrain), states of 2023 (`orthogonality`) and 2026.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import Settings, setting

Array = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]
Value = tuple[float, dict[str, Array]]
"""A penalty and its gradient in each array that it depends on."""

REFERENCE_UNITS = 100
"""Network size at which the magnitudes below are stated."""


def size_factor(n_units: int) -> float:
    """How a magnitude that is stated for 100 units scales with their number: log(101) / log(1 + n)."""
    return math.log(1 + REFERENCE_UNITS) / math.log(1 + n_units)


class Term(Settings):
    """A penalty: its weight in the loss, and what it has of settings of its own."""

    weight: float = setting(..., "factor of the penalty in the loss", ge=0)


class WeightTerm(Term):
    """A penalty on weights."""

    def of(self, arrays: Arrays, sign: NDArray[np.int8]) -> Value:
        """Value, without the factor `weight`, and its gradient.

        Args:
            arrays: The network's arrays by name of `ctrnn.ARRAYS`.
            sign: Sign of the recurrent weights from each unit, 0 where they are free.
        """
        raise NotImplementedError


class Orthogonality(WeightTerm):
    r"""Overlap of input and output weights: the Frobenius norm, not squared, of their cosines.

    Of the columns c_k of [W_in, W_out'], all pairs counted twice: sqrt(sum_{i != j} cos^2(c_i, c_j)).
    """

    def of(self, arrays: Arrays, sign: NDArray[np.int8]) -> Value:
        n_inputs = arrays["w_in"].shape[1]
        value, gradient = _overlap(np.concatenate([arrays["w_in"], arrays["w_out"].T], axis=1))
        return value, {"w_in": gradient[:, :n_inputs], "w_out": gradient[:, n_inputs:].T}


class ChannelOverlap(WeightTerm):
    """Root mean square of the cosines between input weights of different channels, or output weights, too."""

    input_only: bool = setting(True, "whether only input channels count")

    def of(self, arrays: Arrays, sign: NDArray[np.int8]) -> Value:
        columns, n_inputs = arrays["w_in"], arrays["w_in"].shape[1]
        if not self.input_only:
            columns = np.concatenate([columns, arrays["w_out"].T], axis=1)
        m = columns.shape[1]
        value, gradient = _overlap(columns)
        norm = math.sqrt(max(1, m * (m - 1)))
        found = {"w_in": gradient[:, :n_inputs] / norm}
        if not self.input_only:
            found["w_out"] = gradient[:, n_inputs:].T / norm
        return value / norm, found


def _overlap(columns: NDArray[Any]) -> tuple[float, Array]:
    """Norm R = |G - diag G| of the cosines G of columns c_k = |c_k| u_k; dR/du = 2 u (G - diag G) / R / 2 twice over.

    Columns of zeros have no direction and take no part.
    """
    c = columns.astype(np.float64)
    length = np.linalg.norm(c, axis=0)
    unit = np.divide(c, length, out=np.zeros_like(c), where=length > 0)
    off = unit.T @ unit
    np.fill_diagonal(off, 0)
    value = float(np.linalg.norm(off))
    if value < 1e-12:
        return 0.0, np.zeros_like(c)
    by_unit = 2 * unit @ off / value
    across = by_unit - unit * (unit * by_unit).sum(0)
    return value, np.divide(across, length, out=np.zeros_like(c), where=length > 0)


class InDegree(WeightTerm):
    r"""Effective number of inputs of a unit beyond `degree`: mean of relu(S_i - d)^2 / d^2.

    S_i = (sum_j abs w_ij)^2 / sum_j w_ij^2 is the number of inputs if all are equally strong.
    """

    degree: float = setting(20.0, "effective number of inputs up to which there is no penalty", gt=0)

    def of(self, arrays: Arrays, sign: NDArray[np.int8]) -> Value:
        w, d = arrays["w_rec"].astype(np.float64), self.degree
        total, square = np.abs(w).sum(1, keepdims=True), (w**2).sum(1, keepdims=True) + 1e-30
        excess = np.maximum(total**2 / square - d, 0)
        by_degree = 2 * excess / d**2 / len(w)
        by_w = 2 * total * np.sign(w) / square - 2 * total**2 * w / square**2
        return float((excess**2).mean() / d**2), {"w_rec": by_degree * by_w}


class _Magnitude(WeightTerm):
    exponent: float = setting(5.0, "exponent with which weights beyond the cap are penalised", ge=1)


class InputWeights(_Magnitude):
    """Input weights beyond a cap c: mean of (1 + relu(abs(w) / c - 1))^exponent - 1.

    c = cap * (100 / N) * log(1 + N) / log(101). (The source takes the number of time steps for 100.)
    """

    cap: float = setting(0.5, "largest magnitude without a penalty in a network of 100 units", gt=0)

    def of(self, arrays: Arrays, sign: NDArray[np.int8]) -> Value:
        n = len(arrays["w_in"])
        value, gradient = _beyond(arrays["w_in"], self.cap * REFERENCE_UNITS / n / size_factor(n), self.exponent)
        return value, {"w_in": gradient}


class OutputWeights(_Magnitude):
    """Output weights beyond a cap, as `InputWeights`; c = cap * log(101) / log(1 + N)."""

    cap: float = setting(0.03, "largest magnitude without a penalty in a network of 100 units", gt=0)

    def of(self, arrays: Arrays, sign: NDArray[np.int8]) -> Value:
        cap = self.cap * size_factor(arrays["w_out"].shape[1])
        value, gradient = _beyond(arrays["w_out"], cap, self.exponent)
        return value, {"w_out": gradient}


class RecurrentWeights(_Magnitude):
    """Recurrent weights beyond a cap, as `InputWeights`, times N / (100 * 20); c = cap * log(101) / log(1 + N).

    With Dale's principle the mean over weights from excitatory units, and that over weights from inhibitory ones with a
    cap `inhibitory` times as large, are added.
    """

    cap: float = setting(0.07, "largest magnitude without a penalty in a network of 100 units", gt=0)
    inhibitory: float = setting(4.0, "cap of inhibitory weights relative to that of excitatory ones", gt=0)

    def of(self, arrays: Arrays, sign: NDArray[np.int8]) -> Value:
        w = arrays["w_rec"]
        n = len(w)
        scale, cap = n / (REFERENCE_UNITS * 20), self.cap * size_factor(n)
        value, gradient = 0.0, np.zeros(w.shape)
        for columns, of_kind in ((sign >= 0, cap), (sign < 0, cap * self.inhibitory)):
            if columns.any():
                part, gradient[:, columns] = _beyond(w[:, columns], of_kind, self.exponent)
                value += part
        return scale * value, {"w_rec": scale * gradient}


def _beyond(w: NDArray[Any], cap: float, exponent: float) -> tuple[float, Array]:
    """Mean of (1 + relu(|w| / cap - 1))^exponent - 1 and its gradient."""
    w = w.astype(np.float64)
    ratio = np.maximum(np.abs(w) / cap, 1)
    gradient = np.where(ratio > 1, exponent * ratio ** (exponent - 1), 0) * np.sign(w) / cap / w.size
    return float((ratio**exponent - 1).mean()), gradient
