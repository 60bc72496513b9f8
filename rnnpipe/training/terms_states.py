"""Penalties on the activity of continuous-time networks.

Those of magnitudes have gradients derived by hand; of the others torch finds them. It is imported where it computes:
settings are read without it.

Reference: engellab/trainRNNbrain (github.com/engellab/trainRNNbrain), state of 2026.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.training.terms_weights import Term, size_factor

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]


@dataclass(frozen=True)
class Activity:
    """Activity of a batch of trials, as tensors."""

    rates: Tensor
    """(n_steps, n_trials, n_units)."""
    drive: Tensor
    """Input z of the units, without noise, of the same shape."""
    outputs: Tensor
    """(n_steps, n_trials, n_outputs)."""
    sign: Tensor
    """Sign of each unit's weights, 0 where they are free, (n_units,)."""


class ActivityTerm(Term):
    """A penalty whose gradient torch finds."""

    def of(self, activity: Activity) -> Tensor:
        """Value, without the factor `weight`."""
        raise NotImplementedError


class MeanSquareRate(Term):
    """Mean of r^2 over all steps, trials and units, counted steps or not: a metabolic cost."""


class _SoftMaximum(Term):
    """A penalty on a soft maximum of each unit's a over the K steps of all trials, theta log(mean(exp(a / theta)))."""

    temperature: float = setting(0.1, "theta of the soft maximum; near 0 it is the maximum, large the mean", gt=0)
    exponent_below: float = setting(5.0, "exponent with which a maximum below the cap is penalised", ge=1)
    exponent_above: float = setting(5.0, "exponent with which a maximum above the cap is penalised", ge=1)

    def _soft(self, values: Array) -> tuple[Array, Array]:
        """The soft maximum of each unit, and its derivative in each of the values."""
        highest = values.max((0, 1))
        raised = np.exp((values - highest) / self.temperature)
        total = raised.sum((0, 1), dtype=np.float64)
        n = values.shape[0] * values.shape[1]
        return highest + self.temperature * (np.log(total) - math.log(n)), raised / total.astype(values.dtype)

    def _below_and_above(self, soft: Array, cap: float, unit: float) -> tuple[Array, Array, Array, Array]:
        """The two penalties of each unit in units of `unit`, and their derivatives in the soft maximum."""
        low, high = np.maximum(cap - soft, 0) / unit, np.maximum(soft - cap, 0) / unit
        below, above = self.exponent_below, self.exponent_above
        return low**below, high**above, -below * low ** (below - 1) / unit, above * high ** (above - 1) / unit


class RateMagnitude(_SoftMaximum):
    r"""Units whose soft maximum rate is below or above a cap c = cap log(101) / log(1 + N).

    Mean over units of (relu(c - a) / c)^g_below + (relu(a - c) / c)^g_above, or with `pooling` the soft maximum over
    units of each of the two. It is the signed rate that counts.
    """

    cap: float = setting(0.3, "soft maximum that is wanted, in a network of 100 units", gt=0)
    pooling: float | None = setting(
        None, "temperature of a soft maximum over units in place of the mean; by default the mean", gt=0
    )

    def of(self, rates: Array) -> tuple[float, Array]:
        """Value, without the factor `weight`, and its gradient in the rates."""
        soft, by_value = self._soft(rates)
        n, cap = len(soft), self.cap * size_factor(len(soft))
        below, above, by_below, by_above = self._below_and_above(soft, cap, cap)
        if self.pooling is None:
            return float((below + above).mean()), by_value * ((by_below + by_above) / n).astype(rates.dtype)
        value, by_soft = 0.0, np.zeros(n)
        for part, derivative in ((below, by_below), (above, by_above)):
            highest = part.max()
            raised = np.exp((part - highest) / self.pooling)
            value += float(highest + self.pooling * math.log(raised.mean()))
            by_soft += raised / raised.sum() * derivative
        return value, by_value * by_soft.astype(rates.dtype)


class StateMagnitude(_SoftMaximum):
    """Units whose soft maximum of abs(x) is below or above a cap c: mean of relu(c - a)^g_below + relu(a - c)^g_above.

    c = threshold * log(101) / log(1 + N); below zero, every state costs.
    """

    threshold: float = setting(-0.1, "soft maximum that is wanted, in a network of 100 units")

    def of(self, states: Array) -> tuple[float, Array]:
        """Value, without the factor `weight`, and its gradient in the states."""
        soft, by_value = self._soft(np.abs(states))
        cap = self.threshold * size_factor(len(soft))
        below, above, by_below, by_above = self._below_and_above(soft, cap, 1.0)
        by_soft = ((by_below + by_above) / len(soft)).astype(states.dtype)
        return float((below + above).mean()), by_value * by_soft * np.sign(states)


class OutputVariance(ActivityTerm):
    """Variance of the outputs between trials relative to their power: <(y - <y>_trials)^2> / <y^2>."""

    def of(self, activity: Activity) -> Tensor:
        y = activity.outputs
        return (y - y.mean(1, keepdim=True)).square().mean() / y.square().mean().clamp_min(1e-12)


class _Inequality(ActivityTerm):
    index: Literal["hhi", "gini"] = setting(
        "hhi", "hhi: normalised sum of squared shares (Herfindahl-Hirschman); gini: Gini index"
    )

    def _index(self, level: Tensor) -> Tensor:
        """Inequality, 0 to 1, of exp((level - mean) / interquartile range) between units, its exponent within +-8."""
        n = len(level)
        spread = level.quantile(0.75) - level.quantile(0.25)
        weight = ((level - level.mean()) / spread.clamp_min(1e-6)).clamp(-8, 8).exp()
        if n == 1:
            return weight.sum() * 0
        if self.index == "hhi":
            share = weight / weight.sum()
            return (share.square().sum() - 1 / n) / (1 - 1 / n)
        ordered = weight.sort().values
        rank = weight.new_ones(n).cumsum(0)
        return ((2 * rank - n - 1) * ordered).sum() / (n * weight.sum())


class RateInequality(_Inequality):
    """Inequality between the mean absolute rates of units."""

    def of(self, activity: Activity) -> Tensor:
        return self._index(activity.rates.abs().mean((0, 1)))


class DriveInequality(_Inequality):
    """Inequality between the mean inputs of units."""

    def of(self, activity: Activity) -> Tensor:
        return self._index(activity.drive.mean((0, 1)))


class DriveTimeVariance(ActivityTerm):
    """Variance over time of the mean input of all units and trials, relative to itself plus the mean within a step."""

    def of(self, activity: Activity) -> Tensor:
        between = activity.drive.mean((1, 2)).var(correction=0)
        within = activity.drive.flatten(1).var(1, correction=0).mean()
        return between / (between + within).clamp_min(1e-12)


class Clustering(ActivityTerm):
    """Pairs of units whose activities are neither alike nor different: units are drawn into clusters.

    With d the root mean square difference of two units' rates over steps and trials, and Q the quantile 0.9 of d over
    pairs: mean over pairs of units of one sign of a triangle that is 0 at d = 0.1 Q, 1 at 0.2 Q and 0 at 0.3 Q, made
    of softplus bends (sharpness 20).
    """

    def of(self, activity: Activity) -> Tensor:
        import torch

        total, n_pairs = activity.rates.sum() * 0, 0
        for kind in torch.unique(activity.sign):
            vectors = activity.rates.flatten(0, 1)[:, activity.sign == kind]
            n = vectors.shape[1]
            if n < 2:
                continue
            i, j = torch.triu_indices(n, n, 1)
            products = vectors.T @ vectors / len(vectors)
            square = products.diagonal()[i] + products.diagonal()[j] - 2 * products[i, j]
            distance = square.clamp_min(1e-12).sqrt()
            u = distance / distance.quantile(0.9)
            bend = [torch.nn.functional.softplus(u - at, beta=20) for at in (0.1, 0.2, 0.3)]
            total = total + ((bend[0] - 2 * bend[1] + bend[2]) / 0.1).sum()
            n_pairs += len(i)
        return total / max(1, n_pairs)


class TailEnergy(ActivityTerm):
    """Fraction of the variance of the rates beyond their first `dimensions` principal components."""

    dimensions: int = setting(6, "principal components without a penalty", gt=0)

    def of(self, activity: Activity) -> Tensor:
        import torch

        vectors = activity.rates.flatten(0, 1).double()
        centred = vectors - vectors.mean(0)
        values = torch.linalg.eigvalsh(centred.T @ centred / len(centred))
        kept = max(0, len(values) - self.dimensions)
        return values[:kept].sum() / values.sum().clamp_min(1e-12)
