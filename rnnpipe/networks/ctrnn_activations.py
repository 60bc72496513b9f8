"""Activations and their derivatives of whole vectors, compiled for the CPU: `activations.Activation` for the engine.

In float32 they are expressions that the compiler can vectorise. Hyperbolic tangent and error function are ratios of
polynomials, minimax fits in relative error, exact to 4e-7 of the value with their rounding; float64 uses the library's
functions and serves tests. NaN stays NaN.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

from rnnpipe.networks.activations import ACTIVATIONS

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": {"contract"}, "error_model": "numpy"}

RELU, LEAKY_RELU, TANH, SIGMOID, SOFTPLUS, GELU = range(6)
KINDS = {name: ("relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu").index(name) for name in ACTIVATIONS}


def _tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    raise NotImplementedError


def _erf(x: Any) -> Any:
    """Error function."""
    raise NotImplementedError


def _exp(x: Any) -> Any:
    """Exponential of a number that is not positive."""
    raise NotImplementedError


def _log1p(x: Any) -> Any:
    """log(1 + x) with x in [0, 1]."""
    raise NotImplementedError


@overload(_tanh)
def _tanh_overload(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            x = np.float32(9.0) if x > np.float32(9.0) else x
            x = np.float32(-9.0) if x < np.float32(-9.0) else x
            y = x * x
            p = np.float32(1.33549772e-08)
            p = p * y + np.float32(2.06093332e-05)
            p = p * y + np.float32(0.00349560431)
            p = p * y + np.float32(0.133810396)
            p = p * y + np.float32(0.99999998)
            q = np.float32(7.77669443e-07)
            q = q * y + np.float32(0.000328566063)
            q = q * y + np.float32(0.0258770447)
            q = q * y + np.float32(0.467143552)
            q = q * y + np.float32(1.0)
            r = x * p / q
            r = np.float32(1.0) if r > np.float32(1.0) else r
            return np.float32(-1.0) if r < np.float32(-1.0) else r

        return single

    def double(x: Any) -> Any:
        return math.tanh(x)

    return double


@overload(_erf)
def _erf_overload(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            x = np.float32(3.9) if x > np.float32(3.9) else x
            x = np.float32(-3.9) if x < np.float32(-3.9) else x
            y = x * x
            p = np.float32(2.06648183e-06)
            p = p * y + np.float32(0.000285061156)
            p = p * y + np.float32(0.00373829809)
            p = p * y + np.float32(0.0526679317)
            p = p * y + np.float32(0.189665701)
            p = p * y + np.float32(1.12837915)
            q = np.float32(3.82700563e-05)
            q = q * y + np.float32(0.00115736467)
            q = q * y + np.float32(0.0149141798)
            q = q * y + np.float32(0.113818492)
            q = q * y + np.float32(0.501419633)
            q = q * y + np.float32(1.0)
            r = x * p / q
            r = np.float32(1.0) if r > np.float32(1.0) else r
            return np.float32(-1.0) if r < np.float32(-1.0) else r

        return single

    def double(x: Any) -> Any:
        return math.erf(x)

    return double


@overload(_exp)
def _exp_overload(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            # exp(x) = 2^k exp(f) with |f| <= ln(2)/2, where seven Taylor terms reach float32 precision
            y = np.float32(-87.0) if x < np.float32(-87.0) else x
            k = np.floor(y * np.float32(1.4426950408889634) + np.float32(0.5))
            # ln(2) in two parts, the first short enough that k times it is exact
            f = (y - k * np.float32(0.693359375)) - k * np.float32(-2.12194440e-4)
            e = np.float32(1 / 5040)
            e = e * f + np.float32(1 / 720)
            e = e * f + np.float32(1 / 120)
            e = e * f + np.float32(1 / 24)
            e = e * f + np.float32(1 / 6)
            e = e * f + np.float32(0.5)
            e = e * f + np.float32(1.0)
            e = e * f + np.float32(1.0)
            return e * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)

        return single

    def double(x: Any) -> Any:
        return math.exp(x)

    return double


@overload(_log1p)
def _log1p_overload(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            # log(1 + x) = 2 atanh(x / (2 + x)), a ratio of at most 1/3
            s = x / (np.float32(2.0) + x)
            b = s * s
            c = np.float32(1 / 13)
            c = c * b + np.float32(1 / 11)
            c = c * b + np.float32(1 / 9)
            c = c * b + np.float32(1 / 7)
            c = c * b + np.float32(1 / 5)
            c = c * b + np.float32(1 / 3)
            c = c * b + np.float32(1.0)
            return np.float32(2.0) * s * c

        return single

    def double(x: Any) -> Any:
        return math.log1p(x)

    return double


@numba.njit(**_OPTIONS)
def activate(kind, phi, z, rate, slope, factor):  # type: ignore[no-untyped-def]
    """Rates of inputs, and their derivatives times a factor.

    Args:
        kind: Of KINDS.
        phi: Slope, shift, sharpness and leak, see `activations.Activation`.
        z: Inputs, (n,).
        rate: Filled with rates; other memory than `z`, for the sake of speed.
        slope: Filled with derivatives times `factor`.
        factor: The factor.
    """
    n = len(z)
    s, c, k, leak = phi[0], phi[1], phi[2], phi[3]
    zero, half, one = z.dtype.type(0), z.dtype.type(0.5), z.dtype.type(1)
    if kind == RELU:
        steep = factor * s
        for i in range(n):
            silent = z[i] <= zero
            slope[i] = zero if silent else steep
            rate[i] = zero if silent else s * z[i]
    elif kind == LEAKY_RELU:
        steep, flat = factor * s, factor * leak
        for i in range(n):
            silent = z[i] <= zero
            slope[i] = flat if silent else steep
            rate[i] = (leak if silent else s) * z[i]
    elif kind == TANH:
        steep = factor * s
        for i in range(n):
            r = _tanh(s * z[i])
            rate[i] = r
            slope[i] = steep * (one - r * r)
    elif kind == SIGMOID:
        s, steep = half * s, half * half * factor * s
        for i in range(n):
            r = _tanh(s * (z[i] - c))
            rate[i] = half * (one + r)
            slope[i] = steep * (one - r * r)
    elif kind == SOFTPLUS:
        s, steep, per = k * s, factor * s, one / k
        for i in range(n):
            y = s * z[i]
            e = _exp(-abs(y))
            rate[i] = per * ((y if y > zero else zero) + _log1p(e))
            slope[i] = steep * (one if y > zero else e) / (one + e)
    else:
        per, height = z.dtype.type(math.sqrt(0.5)), z.dtype.type(math.sqrt(0.5 / math.pi))
        for i in range(n):
            y = k * z[i]
            phase = half * (one + _erf(per * y))
            slope[i] = factor * (phase + height * y * _exp(-half * y * y))
            rate[i] = z[i] * phase
