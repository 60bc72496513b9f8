r"""A tile of trials through time and back, compiled for the CPU: continuous-time networks.

Activity is laid out (unit, trial). A step's *source* holds the rates, the input with its noise and a row of ones, so
that one product with [w_rec | w_in | b_rec] gives the input of the units, and one sum over steps and trials of products
with the step's *gradient* gives that of all weights. The gradient of step t, at place t + 1, holds that in the input of
the units (before: the derivative of the activation) and, below, that in the output: with e_t the gradient in y_t, a_t
in x_t, q_t in r_t, and delta_t in z_t,

    rate form      delta_t = alpha phi'(z_t) a_{t+1}
                   a_t = q_t + k_t a_{t+1},             q_t = c r_t + W_out^T e_t + W_rec^T delta_t
    current form   delta_t = alpha a_{t+1}
                   a_t = phi'(x_t) q_t + k_t a_{t+1}

with k_t = 1 - alpha - 3 alpha gamma x_t^2 and c from the penalty on rates. Everything is a loop over vectors of all
units and trials, besides the products.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

from rnnpipe.networks.ctrnn_activations import activate
from rnnpipe.networks.ctrnn_products import ROWS, SIDES, accumulate, multiply
from rnnpipe.networks.random_kernels import LANES, mix, mixed, normal, start_lanes

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "fastmath": {"contract", "reassoc", "nsz"},
    "error_model": "numpy",
}

CHUNK = 1024
"""Numbers of a unit, over steps and trials, that are summed before sums leave the registers."""


@numba.njit(inline="always", **_OPTIONS)
def filled(n: Any, multiple: int) -> Any:
    """The next multiple."""
    return -(-n // multiple) * multiple


@numba.njit(**_OPTIONS)
def start(seed: Any, tile: int, lanes: Any) -> None:
    """Start the random generators of a tile."""
    start_lanes(mixed(mix(np.uint64(seed)), tile), lanes)


def _draw(lanes: Any, out: Any) -> None:
    """Fill a vector with standard normal numbers."""
    raise NotImplementedError


@overload(_draw)
def _draw_overload(lanes: Any, out: Any) -> Any:
    if out.dtype == types.float32:

        def single(lanes: Any, out: Any) -> None:
            normal(lanes, out)

        return single

    def double(lanes: Any, out: Any) -> None:
        drawn = np.empty(len(out), np.float32)
        normal(lanes, drawn)
        out[:] = drawn

    return double


def _size(x: Any) -> Any:
    """|x| as an integer: such numbers are ordered as the values are, and NaN comes after infinity."""
    raise NotImplementedError


@overload(_size)
def _size_overload(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            return np.int32(np.float32(x).view(np.int32) & np.int32(0x7FFFFFFF))

        return single

    def double(x: Any) -> Any:
        return np.int64(np.float64(x).view(np.int64) & np.int64(0x7FFFFFFFFFFFFFFF))

    return double


@numba.njit(**_OPTIONS)
def _leak(x, pull, xi, sigma, alpha, gamma, new):  # type: ignore[no-untyped-def]
    """An Euler step from `x` to `new`; the sum of squares and the largest size of the new states."""
    square, largest = x.dtype.type(0), _size(x.dtype.type(0))
    for i in range(len(x)):
        y = x[i]
        y += alpha * (pull[i] + sigma * xi[i] - y - gamma * y * y * y)
        new[i] = y
        square += y * y
        largest = max(largest, _size(y))
    return square, largest


@numba.njit(**_OPTIONS)
def _extent(x: Any) -> Any:
    """The sum of squares of a vector, and the largest size in it."""
    square, largest = x.dtype.type(0), _size(x.dtype.type(0))
    for i in range(len(x)):
        square += x[i] * x[i]
        largest = max(largest, _size(x[i]))
    return square, largest


@numba.njit(**_OPTIONS)
def _spread(values: Any, first: int, count: int, width: int, out: Any) -> None:
    """A step's numbers of some trials, (trial, unit), as (unit, trial) of a tile, filled up with zeros."""
    for i in range(values.shape[1]):
        for k in range(count):
            out[i * width + k] = values[first + k, i]
        for k in range(count, width):
            out[i * width + k] = 0


@numba.njit(**_OPTIONS)
def _silence(rows: Any, n: int, count: int, width: int) -> None:
    """Zeros for the trials that only fill up a tile."""
    for i in range(n):
        for k in range(count, width):
            rows[i * width + k] = 0


@numba.njit(**_OPTIONS)
def forward(  # type: ignore[no-untyped-def]
    inputs, target, mask, first, count, width, learning, current, pre, kind, phi, alpha, gamma, sigmas, factor,
    w, w_out, x_init, given, drawn, lanes, slots, x_slots, src, grad, x, z, pull, y, xi, shown, noisy, outputs, states,
):  # fmt: skip
    """Run a tile.

    Args:
        inputs: (n_steps, n_trials, n_inputs).
        target, mask: (n_steps, n_trials, n_outputs) and (n_steps, n_trials), if `learning`.
        first, count, width: First trial, number of trials, and trials with those that fill up the tile.
        learning: Whether gradients will be wanted; otherwise outputs are.
        current, pre: Whether the network is of the current form; whether noise is inside of the activation.
        kind, phi: Activation, see `activate`.
        alpha, gamma: dt / tau and saturation.
        sigmas: SD of the noise of a step of units, input channels, and rates as the output sees them; 0 is no noise.
        factor: Gradient in an output per error.
        w, w_out: [w_rec | w_in | b_rec] and w_out, packed.
        x_init: (n_units,).
        given: Noise to use, three arrays (time, trial, number), where its SD is not 0, unless `drawn`.
        drawn, lanes: Whether noise is drawn from these random generators.
        slots, x_slots: Steps that `src` and `grad`, and `x`, have room for; then the first ones are written over.
        src, grad, x: Sources, gradients, and, in the current form, states, by step.
        z, pull, y, xi, shown: Workspaces: input of units, where they are drawn to, outputs, noise, rates as the output
            sees them.
        noisy: Blocks of `accumulate`: gradient of w_out by the noise of the output, which is added.
        outputs, states: (n_steps, n_trials, ·), filled unless they are empty.

    Returns:
        Sum of weighted squared errors, sum of squared rates, largest |state| (see `_size`).
    """
    n_steps, n, n_in = len(inputs), len(x_init), inputs.shape[2]
    n_out = target.shape[2] if learning else outputs.shape[2]
    high, low = filled(n + n_in + 1, SIDES[1]) * width, filled(n + n_out, SIDES[0]) * width
    m, inside = n * width, n * width + n_in * width
    numbers = filled(inside + (m if sigmas[2] != 0 else 0), 2 * LANES)
    error, square = 0.0, 0.0
    zero, one = z.dtype.type(0), z.dtype.type(1)
    start_x = x if current else src
    for i in range(n):
        for k in range(width):
            start_x[i * width + k] = x_init[i] if k < count else zero
    if current:
        activate(kind, phi, x[:m], src[:m], grad[:m], one)
        if count < width:
            _silence(src, n, count, width)
            _silence(grad, n, count, width)
    _, largest = _extent(start_x[:m])
    square += _extent(src[:m])[0]
    for t in range(n_steps):
        at, to = (t % slots) * high, ((t + 1) % slots) * high
        up = ((t + 1) % slots) * low
        if learning:
            up = (t + 1) * low
        now = src[at : at + high]
        if drawn:
            _draw(lanes, xi[:numbers])
        else:
            if sigmas[0] != zero and t < n_steps - 1:
                _spread(given[0][t], first, count, width, xi)
            if sigmas[1] != zero and t < n_steps - 1:
                _spread(given[1][t], first, count, width, xi[m:])
            if sigmas[2] != zero:
                _spread(given[2][t], first, count, width, xi[inside:])
        for c in range(n_in):
            row = (n + c) * width
            for k in range(count):
                now[row + k] = inputs[t, first + k, c]
            for k in range(count, width):
                now[row + k] = zero
            if sigmas[1] != zero:
                for k in range(count):
                    now[row + k] += sigmas[1] * xi[row + k]
        for k in range(width):
            now[inside + k] = one
        # output
        y[:] = zero
        if sigmas[2] != zero:
            for i in range(m):
                shown[i] = now[i] + sigmas[2] * xi[inside + i]
            multiply(w_out, filled(n_out, ROWS), n, shown, 0, y, 0, width)
        else:
            multiply(w_out, filled(n_out, ROWS), n, src, at, y, 0, width)
        for c in range(n_out):
            if learning:
                row = up + (n + c) * width
                for k in range(count):
                    off = y[c * width + k] - target[t, first + k, c]
                    weighted = mask[t, first + k] * off
                    error += np.float64(weighted) * np.float64(off)
                    grad[row + k] = factor * weighted
                for k in range(count, width):
                    grad[row + k] = zero
            else:
                for k in range(count):
                    outputs[t, first + k, c] = y[c * width + k]
        if learning and sigmas[2] != zero:
            n_a, n_b = filled(n_out, SIDES[0]), filled(n, SIDES[1])
            accumulate(grad, up + m, n_a, 0, xi, inside, n_b, 0, noisy, 1, width)
        if len(states) > 0:
            source = (t % x_slots) * m if current else at
            rows = x if current else src
            for i in range(n):
                for k in range(count):
                    states[t, first + k, i] = rows[source + i * width + k]
        if t == n_steps - 1:
            break
        # next state
        z[:] = zero
        multiply(w, filled(n, ROWS), n + n_in + 1, src, at, z, 0, width)
        new, slope = src[to : to + m], grad[up : up + m]
        if current:
            old, fresh = (t % x_slots) * m, ((t + 1) % x_slots) * m
            _, top = _leak(x[old : old + m], z[:m], xi[:m], sigmas[0], alpha, gamma, x[fresh : fresh + m])
            activate(kind, phi, x[fresh : fresh + m], new, slope, one)
            if count < width:
                _silence(x[fresh:], n, count, width)
                _silence(slope, n, count, width)
                _silence(new, n, count, width)
                _, top = _extent(x[fresh : fresh + m])
            square += _extent(new)[0]
        else:
            sigma = sigmas[0]
            if pre:
                for i in range(m):
                    z[i] += sigma * xi[i]
                sigma = zero
            activate(kind, phi, z[:m], pull[:m], slope, alpha)
            added, top = _leak(now[:m], pull[:m], xi[:m], sigma, alpha, gamma, new)
            if count < width:
                _silence(slope, n, count, width)
                _silence(new, n, count, width)
                added, top = _extent(new)
            square += added
        largest = max(largest, top)
    return error, square, largest


@numba.njit(**_OPTIONS)
def backward(  # type: ignore[no-untyped-def]
    n_steps, n, n_in, n_out, width, current, alpha, keep, bend, per_rate, w_back, src, grad, x, a, q,
    by_rates, by_states, first, count, sums, d_init,
):  # fmt: skip
    """Take the gradient of a tile back through time.

    Args:
        n_steps, n, n_in, n_out, width: Steps, units, inputs, outputs, trials with those that fill up.
        current, alpha: As of `forward`.
        keep, bend: 1 - alpha and 3 alpha gamma.
        per_rate: Gradient of the penalty on rates per rate.
        w_back: [w_rec^T | w_out^T], packed.
        src, grad, x: As `forward` left them; x is all states if it is the current form and bend is not 0.
        a, q: Workspaces, as `z` of `forward`.
        by_rates, by_states: Further gradients, (n_steps, n_trials, n_units); empty if there are none.
        first, count: Of the tile.
        sums: Blocks of `accumulate`: gradient of [w_rec | w_in | b_rec ; w_out], which is added.
        d_init: Gradient in the initial state, (n_units,), filled in.
    """
    rows, others = filled(n + n_out, SIDES[0]), filled(n + n_in + 1, SIDES[1])
    high, low, m = others * width, rows * width, n * width
    chunk = max(1, CHUNK // width)
    zero = a.dtype.type(0)
    a[:] = zero
    for t in range(n_steps - 1, -1, -1):
        at, up = t * high, (t + 1) * low
        r, delta = src[at : at + m], grad[up : up + m]
        if t == n_steps - 1:
            delta[:] = zero
        if current:
            if t < n_steps - 1:
                for i in range(m):
                    delta[i] = alpha * a[i]
            for i in range(m):
                q[i] = per_rate * r[i]
            if len(by_rates) > 0:
                for i in range(n):
                    for k in range(count):
                        q[i * width + k] += by_rates[t, first + k, i]
            multiply(w_back, filled(n, ROWS), n + n_out, grad, up, q, 0, width)
            slope = grad[up - low : up - low + m]
            if bend == zero:
                for i in range(m):
                    a[i] = slope[i] * q[i] + keep * a[i]
            else:
                state = x[t * m : t * m + m]
                for i in range(m):
                    a[i] = slope[i] * q[i] + (keep - bend * state[i] * state[i]) * a[i]
        else:
            for i in range(m):
                delta[i] *= a[i]
                a[i] = (keep - bend * r[i] * r[i]) * a[i] + per_rate * r[i]
            if len(by_rates) > 0:
                for i in range(n):
                    for k in range(count):
                        a[i * width + k] += by_rates[t, first + k, i]
            multiply(w_back, filled(n, ROWS), n + n_out, grad, up, a, 0, width)
        if len(by_states) > 0:
            for i in range(n):
                for k in range(count):
                    a[i * width + k] += by_states[t, first + k, i]
        done = n_steps - t
        if done % chunk == 0 or t == 0:
            steps = (done - 1) % chunk + 1
            accumulate(grad, up, rows, low, src, at, others, high, sums, steps, width)
    for i in range(n):
        total = zero
        for k in range(count):
            total += a[i * width + k]
        d_init[i] = total
