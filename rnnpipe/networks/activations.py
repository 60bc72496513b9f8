r"""Rates of units as functions of their input: values, derivatives, and bounds for the certificates of fixed points.

With z the input of a unit, s the slope, c the shift, k the sharpness and l the leak:

=============  =============================================
relu           max(s z, 0)
leaky_relu     s z where z >= 0, l z elsewhere
tanh           tanh(s z)
sigmoid        1 / (1 + exp(-s (z - c)))
softplus       log(1 + exp(k s z)) / k
gelu           z (1 + erf(k z / sqrt 2)) / 2
=============  =============================================

The derivative of a rectification at its kink is taken as 0 (relu) or the leak; analyses say where a unit sits on one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

ActivationName = Literal["relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu"]

ACTIVATIONS: tuple[ActivationName, ...] = get_args(ActivationName)


@dataclass(frozen=True)
class Activation:
    """One activation with its parameters; those that it does not have are ignored."""

    name: ActivationName
    slope: float = 1.0
    """s: of all but gelu."""
    shift: float = 0.0
    """c: of sigmoid."""
    sharpness: float = 5.0
    """k: of softplus and gelu."""
    leak: float = 0.01
    """l: of leaky_relu."""

    def __call__(self, z: NDArray[Any]) -> NDArray[Any]:
        """Rates of inputs, in their precision."""
        s, k = self.slope, self.sharpness
        match self.name:
            case "relu":
                return np.maximum(s * z, 0)
            case "leaky_relu":
                return np.where(z >= 0, s * z, self.leak * z)
            case "tanh":
                return np.tanh(s * z)
            case "sigmoid":
                return 0.5 * (1 + np.tanh(0.5 * s * (z - self.shift)))
            case "softplus":
                return (np.maximum(k * s * z, 0) + np.log1p(np.exp(-np.abs(k * s * z)))) / k
            case "gelu":
                return 0.5 * z * (1 + _erf(k * z / math.sqrt(2)))

    def derivative(self, z: NDArray[Any]) -> NDArray[Any]:
        """Derivative at inputs."""
        s, k = self.slope, self.sharpness
        match self.name:
            case "relu":
                return s * (z > 0).astype(z.dtype)
            case "leaky_relu":
                return np.where(z > 0, s, self.leak).astype(z.dtype)
            case "tanh":
                return s * (1 - np.tanh(s * z) ** 2)
            case "sigmoid":
                return 0.25 * s * (1 - np.tanh(0.5 * s * (z - self.shift)) ** 2)
            case "softplus":
                return s * 0.5 * (1 + np.tanh(0.5 * k * s * z))
            case "gelu":
                return 0.5 * (1 + _erf(k * z / math.sqrt(2))) + k * z / math.sqrt(2 * math.pi) * np.exp(
                    -0.5 * (k * z) ** 2
                )

    def second_derivative(self, z: NDArray[Any]) -> NDArray[Any]:
        """Second derivative at inputs (0 for the piecewise linear ones)."""
        s, k = self.slope, self.sharpness
        match self.name:
            case "tanh":
                r = np.tanh(s * z)
                return -2 * s**2 * r * (1 - r**2)
            case "sigmoid":
                t = np.tanh(0.5 * s * (z - self.shift))
                return -0.25 * s**2 * t * (1 - t**2)
            case "softplus":
                return 0.25 * k * s**2 * (1 - np.tanh(0.5 * k * s * z) ** 2)
            case "gelu":
                return k / math.sqrt(2 * math.pi) * (2 - (k * z) ** 2) * np.exp(-0.5 * (k * z) ** 2)
            case _:
                return np.zeros_like(z)

    @property
    def piecewise_linear(self) -> bool:
        """Whether it is made of straight pieces, between which its derivative jumps."""
        return self.name in ("relu", "leaky_relu")

    @property
    def bounded(self) -> bool:
        """Whether rates have a largest and a smallest value."""
        return self.name in ("tanh", "sigmoid")

    @property
    def odd(self) -> bool:
        """Whether phi(-z) = -phi(z)."""
        return self.name == "tanh"

    @property
    def range(self) -> tuple[float, float]:
        """Infimum and supremum of the rates."""
        match self.name:
            case "tanh":
                return -1.0, 1.0
            case "sigmoid":
                return 0.0, 1.0
            case "leaky_relu":
                return -math.inf, math.inf
            case "gelu":
                return -0.17 / self.sharpness, math.inf  # its minimum, -0.16997 / k, rounded down
            case _:
                return 0.0, math.inf

    @property
    def curvature(self) -> float:
        """Largest |second derivative|; for the piecewise linear ones 0, which holds on each piece."""
        s, k = self.slope, self.sharpness
        match self.name:
            case "tanh":
                return s**2 * 4 / (3 * math.sqrt(3))
            case "sigmoid":
                return s**2 / (6 * math.sqrt(3))
            case "softplus":
                return k * s**2 / 4
            case "gelu":
                return k * math.sqrt(2 / math.pi)
            case _:
                return 0.0


def _erf(z: NDArray[Any]) -> NDArray[Any]:
    from scipy.special import erf  # settings are read without scipy, which is slow to import

    return erf(z)
