r"""The rate at which a unit rests, as a function of its input: the nonlinearity of the fixed-point equation.

At a fixed point x = psi(W x + c) for the rates x of all networks that the package knows. Without saturation psi is the
activation phi. With the term -gamma y^3 a unit rests at the root s^-1(v) of y + gamma y^3 = v, and psi is s^-1 o phi in
the rate form, phi o s^-1 in the current form, where phi acts after the saturation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rnnpipe.networks.activations import Activation
from rnnpipe.networks.rate_network import CAP, activate

Array = NDArray[np.float64]


class Response(Protocol):
    """What the search and the certificates need to know of a nonlinearity."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """Inputs at which the derivative jumps, ascending."""

    @property
    def pieces(self) -> tuple[Array, Array] | None:
        """Slopes and offsets of the straight pieces between the kinks; None if they are not straight."""

    @property
    def range(self) -> tuple[float, float]:
        """Infimum and supremum."""

    @property
    def odd(self) -> bool:
        """Whether psi(-z) = -psi(z)."""

    @property
    def curvature(self) -> float:
        """Largest |second derivative| between kinks."""

    @property
    def steepness(self) -> float:
        """Largest derivative in absolute value."""

    def __call__(self, z: Array) -> Array:
        """Rates of inputs."""

    def derivative(self, z: Array) -> Array:
        """Derivative at inputs; at a kink that of one side."""

    def second_derivative(self, z: Array) -> Array:
        """Second derivative at inputs that are on no kink."""


@dataclass(frozen=True)
class Plain:
    """An activation of continuous-time networks."""

    activation: Activation

    @property
    def kinks(self) -> tuple[float, ...]:
        """0 for the rectifications."""
        return (0.0,) if self.activation.piecewise_linear else ()

    @property
    def pieces(self) -> tuple[Array, Array] | None:
        """Below and above 0, for the rectifications."""
        if not self.activation.piecewise_linear:
            return None
        below = self.activation.leak if self.activation.name == "leaky_relu" else 0.0
        return np.array([below, self.activation.slope]), np.zeros(2)

    @property
    def range(self) -> tuple[float, float]:
        """Infimum and supremum."""
        return self.activation.range

    @property
    def odd(self) -> bool:
        """Of tanh only."""
        return self.activation.odd

    @property
    def curvature(self) -> float:
        """Largest |second derivative|."""
        return self.activation.curvature

    @property
    def steepness(self) -> float:
        """Largest |derivative|; that of gelu is 1.129 at z = sqrt 2 / k, rounded up."""
        match self.activation.name:
            case "sigmoid":
                return abs(self.activation.slope) / 4
            case "gelu":
                return 1.13
            case "leaky_relu":
                return max(abs(self.activation.slope), abs(self.activation.leak))
            case _:
                return abs(self.activation.slope)

    def __call__(self, z: Array) -> Array:
        """Rates of inputs."""
        return self.activation(z)

    def derivative(self, z: Array) -> Array:
        """Derivative at inputs."""
        return self.activation.derivative(z)

    def second_derivative(self, z: Array) -> Array:
        """Second derivative at inputs."""
        return self.activation.second_derivative(z)


@dataclass(frozen=True)
class Capped:
    """The activations of rate networks that end at a largest rate: `clipped_relu` and `softplus`."""

    name: str

    @property
    def kinks(self) -> tuple[float, ...]:
        """0 and the cap, or where log(1 + exp(z)) reaches the cap."""
        return (0.0, CAP) if self.name == "clipped_relu" else (math.log(math.expm1(CAP)),)

    @property
    def pieces(self) -> tuple[Array, Array] | None:
        """Silent, linear and capped, for `clipped_relu`."""
        return (np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, CAP])) if self.name == "clipped_relu" else None

    @property
    def range(self) -> tuple[float, float]:
        """From silence to the cap."""
        return 0.0, CAP

    @property
    def odd(self) -> bool:
        """No."""
        return False

    @property
    def curvature(self) -> float:
        """Of softplus 1 / 4, at 0."""
        return 0.0 if self.name == "clipped_relu" else 0.25

    @property
    def steepness(self) -> float:
        """1, below the cap."""
        return 1.0

    def __call__(self, z: Array) -> Array:
        """Rates of inputs."""
        return activate(z, self.name)

    def derivative(self, z: Array) -> Array:
        """Derivative at inputs."""
        if self.name == "clipped_relu":
            return ((z > 0) & (z < CAP)).astype(np.float64)
        return np.where(z < self.kinks[0], 0.5 * (1 + np.tanh(0.5 * z)), 0.0)

    def second_derivative(self, z: Array) -> Array:
        """Second derivative at inputs."""
        if self.name == "clipped_relu":
            return np.zeros_like(z)
        return np.where(z < self.kinks[0], 0.25 * (1 - np.tanh(0.5 * z) ** 2), 0.0)


@dataclass(frozen=True)
class Saturated:
    """A response behind (rate form) or in front of (current form) the cubic saturation y + gamma y^3 = v."""

    inner: Response
    gamma: float
    outside: bool
    """Whether the saturation acts on the rate, s^-1(phi(z)); otherwise it acts on the input, phi(s^-1(z))."""

    def rest(self, v: Array) -> Array:
        """s^-1(v): the real root y of y + gamma y^3 = v (Cardano, in hyperbolic functions, which cancel nothing)."""
        a = 2 / math.sqrt(3 * self.gamma)
        return a * np.sinh(np.arcsinh(3 * v / a) / 3)

    def _slope(self, y: Array) -> Array:
        return 1 / (1 + 3 * self.gamma * y**2)

    def _bend(self, y: Array) -> Array:
        return -6 * self.gamma * y * self._slope(y) ** 3

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where the input of the inner response is on one of its kinks."""
        inner = self.inner.kinks
        return inner if self.outside else tuple(k + self.gamma * k**3 for k in inner)

    @property
    def pieces(self) -> tuple[Array, Array] | None:
        """None: no piece of it is straight."""
        return None

    @property
    def range(self) -> tuple[float, float]:
        """Infimum and supremum."""
        low, high = self.inner.range
        if not self.outside:
            return low, high
        return (
            float(self.rest(np.array(low))) if math.isfinite(low) else low,
            float(self.rest(np.array(high))) if math.isfinite(high) else high,
        )

    @property
    def odd(self) -> bool:
        """If the inner one is."""
        return self.inner.odd

    @property
    def curvature(self) -> float:
        """A bound by the chain rule; |s^-1''| is largest, 6 sqrt(gamma / 15) / 1.2^3, at y^2 = 1 / (15 gamma)."""
        bend, steep = 6 * math.sqrt(self.gamma / 15) / 1.2**3, self.inner.steepness
        return self.inner.curvature + bend * (steep**2 if self.outside else steep)

    @property
    def steepness(self) -> float:
        """That of the inner one at most: the slope of s^-1 is 1 at most."""
        return self.inner.steepness

    def __call__(self, z: Array) -> Array:
        """Rates of inputs."""
        return self.rest(self.inner(z)) if self.outside else self.inner(self.rest(z))

    def derivative(self, z: Array) -> Array:
        """Derivative at inputs."""
        if self.outside:
            return self._slope(self(z)) * self.inner.derivative(z)
        y = self.rest(z)
        return self.inner.derivative(y) * self._slope(y)

    def second_derivative(self, z: Array) -> Array:
        """Second derivative at inputs."""
        if self.outside:
            y = self(z)
            return self._bend(y) * self.inner.derivative(z) ** 2 + self._slope(y) * self.inner.second_derivative(z)
        y = self.rest(z)
        return self.inner.second_derivative(y) * self._slope(y) ** 2 + self.inner.derivative(y) * self._bend(y)
