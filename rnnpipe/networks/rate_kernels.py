"""One update of a rate network, compiled for the CPU: forward, backward, Adam.

Under Dale's principle an entry of w that is not positive has no effect and no gradient, and never comes back. So only
a list of entries is kept, in row order, which shrinks as training goes on (20 % of all entries at first, 5 % soon), and
every product runs over that list (`rate_products`). This is exact: the rectified weights are those of the dense
formulation.

Networks in which every entry counts (no Dale's principle) multiply by whole matrices instead.

Vectors over units are filled up with zeros to a length that suits the processor ("n_padded"). float32 and float64; the
float64 path serves the tests against the reference equations.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

from rnnpipe.networks.kernels import _sigmoid
from rnnpipe.networks.random_kernels import normal
from rnnpipe.networks.rate_products import multiply, transpose

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "fastmath": {"contract", "reassoc", "nsz"},
    "error_model": "numpy",
}

SIGMOID, CLIPPED_RELU, SOFTPLUS = 0, 1, 2
ACTIVATIONS = {"sigmoid": SIGMOID, "clipped_relu": CLIPPED_RELU, "softplus": SOFTPLUS}
L2, L1 = 0, 1
LOSSES = {"l2": L2, "l1": L1}

TIME_BLOCK = 16
"""Steps are filled up with zeros to a multiple of this for the products over time."""


def _softplus(x: Any) -> Any:
    """log(1 + exp(x)); in float32 an expression that the compiler can vectorise, exact to 2e-7."""
    raise NotImplementedError


@overload(_softplus, inline="always")
def _softplus_overload(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            # log(1 + e) = 2 atanh(e / (2 + e)) with e = exp(-|x|), a ratio below 1/3; it is q / (2 - q) with
            # q = e / (1 + e)
            q = _sigmoid(np.float32(-abs(x)))
            s = q / (np.float32(2.0) - q)
            b = s * s
            c = np.float32(1 / 11)
            c = c * b + np.float32(1 / 9)
            c = c * b + np.float32(1 / 7)
            c = c * b + np.float32(1 / 5)
            c = c * b + np.float32(1 / 3)
            c = c * b + np.float32(1.0)
            return max(x, np.float32(0.0)) + np.float32(2.0) * s * c

        return single

    def double(x: Any) -> Any:
        return max(x, 0.0) + math.log1p(math.exp(-abs(x)))

    return double


@numba.njit(**_OPTIONS)
def rates(x, r, kind):  # type: ignore[no-untyped-def]
    """Rates of a vector of states."""
    n = len(x)
    if kind == SIGMOID:
        for i in range(n):
            r[i] = _sigmoid(x[i])
    elif kind == CLIPPED_RELU:
        for i in range(n):
            r[i] = min(max(x[i], x.dtype.type(0)), x.dtype.type(20))
    else:
        for i in range(n):
            r[i] = min(_softplus(x[i]), x.dtype.type(20))


@numba.njit(**_OPTIONS)
def simulate(  # type: ignore[no-untyped-def]
    inputs, x0, noise, sigma, layout, full, dense, alpha, b_rec, w_in_t, w_out, b_out, kind, x, r, d, o
):
    """Simulate one trial.

    Args:
        inputs: (n_steps, n_inputs).
        x0: Initial state, (n_units,).
        noise: Standard normal, (n_steps - 1, n_units); noise[0] is not used.
        sigma: SD of the noise.
        layout: Values, columns and spans of the recurrent matrix, see `rate_products`.
        full: The recurrent matrix, (n_padded, n_padded), if `dense`.
        dense: Which of the two is used.
        alpha, b_rec: dt / tau and constant input, (n_padded,).
        w_in_t: (n_inputs, n_padded).
        w_out: (n_outputs, n_padded).
        b_out: (n_outputs,).
        kind: Activation.
        x, r: States and rates, (n_steps - 1, n_padded), filled in; x[0] beyond the units is zero.
        d: Input of each step less the state before it, (n_steps - 1, n_padded), filled in from the second step on. `r`
            and `d` may be longer; what is beyond is zero and stays so.
        o: Output, (n_steps - 2, n_outputs), filled in.
    """
    n, n_padded = len(x0), len(alpha)
    value, column, span = layout
    x[0, :n] = x0
    rates(x[0], r[0], kind)
    c = np.empty(n_padded, x.dtype)
    for t in range(1, len(x)):
        if dense:
            np.dot(full, r[t - 1], c)
        else:
            multiply(value, column, span, r[t - 1], c)
        for m in range(len(w_in_t)):
            u = inputs[t - 1, m]
            if u != 0:
                w = w_in_t[m]
                for i in range(n_padded):
                    c[i] += w[i] * u
        before, now, change, push = x[t - 1], x[t], d[t], noise[t]
        for i in range(n_padded):
            change[i] = c[i] + b_rec[i] - before[i]
            now[i] = before[i] + alpha[i] * change[i]
        for i in range(n):
            now[i] += sigma * push[i]
        rates(now, r[t], kind)
        for m in range(len(w_out)):
            w, rate = w_out[m], r[t]
            total = b_out[m]
            for i in range(n_padded):
                total += w[i] * rate[i]
            o[t - 1, m] = total


@numba.njit(**_OPTIONS)
def _backward(d, x, r, g, layout, full, dense, alpha, w_out, kind, grad_w_out, grad_alpha):  # type: ignore[no-untyped-def]
    r"""Reverse sweep of `simulate`.

    .. math:: \lambda_t = \phi'(x_t) (W_{out}^T g_t + W^T (\alpha \lambda_{t+1})) + (1 - \alpha) \lambda_{t+1}

    with g_t the gradient in the output of state t and lambda_t that in state t; alpha and phi' are of each unit.

    Args:
        d: As `simulate` left it; d[t] becomes alpha * lambda_t.
        x, r: As recorded.
        g: Gradient in the output, (n_states - 1, n_outputs).
        layout, full: Of the transposed matrix.
        dense, alpha, w_out, kind: As of `simulate`.
        grad_w_out, grad_alpha: What is added to, (n_outputs, n_padded) and (n_padded,).
    """
    n_padded = len(alpha)
    value, column, span = layout
    zero = x.dtype.type(0)
    lam, sent, back = np.zeros(n_padded, x.dtype), np.zeros(n_padded, x.dtype), np.zeros(n_padded, x.dtype)
    for t in range(len(x) - 1, 0, -1):
        if t < len(x) - 1:
            if dense:
                np.dot(full, sent, back)
            else:
                multiply(value, column, span, sent, back)
        state, rate, change = x[t], r[t], d[t]
        for m in range(len(w_out)):
            w, to, error = w_out[m], grad_w_out[m], g[t - 1, m]
            for i in range(n_padded):
                back[i] += w[i] * error
                to[i] += rate[i] * error
        if kind == SIGMOID:
            for i in range(n_padded):
                back[i] *= rate[i] * (1 - rate[i])
        elif kind == CLIPPED_RELU:
            for i in range(n_padded):
                back[i] = back[i] if zero < state[i] < 20 else zero
        else:
            for i in range(n_padded):
                back[i] = back[i] * _sigmoid(state[i]) if rate[i] < 20 else zero
        for i in range(n_padded):
            reaching = back[i] + lam[i] - sent[i]
            lam[i] = reaching
            grad_alpha[i] += reaching * change[i]
            sent[i] = alpha[i] * reaching
            change[i] = alpha[i] * reaching


@numba.njit(**_OPTIONS)
def fill(start, index, w, sign, slot, slot_t, value, value_t):  # type: ignore[no-untyped-def]
    """Weights that act, of a list, into the layouts of the matrix and of its transpose; dead entries are zero."""
    zero = w.dtype.type(0)
    for k in range(start[-1]):
        acting = max(w[k], zero) * sign[index[k]]
        value[slot[k]] = acting
        value_t[slot_t[k]] = acting


@numba.njit(**_OPTIONS)
def _over_time(a, r_t, index, w, sign, grad_w):  # type: ignore[no-untyped-def]
    """Add the products over time of one row of the gradient: of `a` with the rates of each entry's unit."""
    zero = a.dtype.type(0)
    k = 0
    # four at a time: they share `a`, and their sums do not wait for each other
    while k < len(index):
        last = len(index) - 1
        k1, k2, k3 = min(k + 1, last), min(k + 2, last), min(k + 3, last)
        b0, b1, b2, b3 = r_t[index[k]], r_t[index[k1]], r_t[index[k2]], r_t[index[k3]]
        s0, s1, s2, s3 = zero, zero, zero, zero
        for t in range(len(a)):
            s0 += a[t] * b0[t]
            s1 += a[t] * b1[t]
            s2 += a[t] * b2[t]
            s3 += a[t] * b3[t]
        for m, total in ((k, s0), (k + 1, s1), (k + 2, s2), (k + 3, s3)):
            if m <= last and w[m] > zero:
                grad_w[m] += total * sign[index[m]]
        k += 4


@numba.njit(**_OPTIONS)
def gradient(  # type: ignore[no-untyped-def]
    inputs, target, x0, noise, sigma, start, index, w, sign, layout, layout_t, full, full_t, dense,
    alpha, b_rec, w_in_t, w_out, b_out, kind, loss_kind, weight,
    x, r, d, d_t, r_t, o, grad_w, grad_w_out, grad_b_out, grad_alpha,
):  # fmt: skip
    """Simulate one trial and add the gradient of its loss, times `weight`.

    Args:
        inputs, x0, noise, sigma, layout, full, dense, alpha, b_rec, w_in_t, w_out, b_out, kind, x, r, d, o: See
            `simulate`.
        target: (n_steps - 1, n_outputs).
        start, index, w: Recurrent magnitudes as a list in row order, unless `dense`.
        sign: Sign of each unit, (n_units,).
        layout_t, full_t: `layout` and `full` of the transposed matrix.
        loss_kind: L2 or L1.
        weight: Factor on the gradient.
        d_t, r_t: Workspaces, (n_padded, time) with time a multiple of `TIME_BLOCK` of at least n_steps - 2.
        grad_w: What is added to: along the list, or (n_padded, n_padded) if `dense`, where it is that in W.
        grad_w_out, grad_b_out, grad_alpha: What is added to, (n_outputs, n_padded), (n_outputs,), (n_padded,).

    Returns:
        The loss.
    """
    simulate(inputs, x0, noise, sigma, layout, full, dense, alpha, b_rec, w_in_t, w_out, b_out, kind, x, r, d, o)
    steps, n_outputs = o.shape
    loss = 0.0
    for k in range(steps):
        for m in range(n_outputs):
            error = float(o[k, m] - target[k, m])
            loss += error * error if loss_kind == L2 else abs(error)
    if loss_kind == L2:
        loss = math.sqrt(loss)
    g = np.empty_like(o)
    for k in range(steps):
        for m in range(n_outputs):
            error = float(o[k, m] - target[k, m])
            if loss_kind == L2:
                g[k, m] = weight * error / loss if loss > 0 else 0.0
            else:
                g[k, m] = weight * (1.0 if error > 0 else (-1.0 if error < 0 else 0.0))
            grad_b_out[m] += g[k, m]
    _backward(d, x, r, g, layout_t, full_t, dense, alpha, w_out, kind, grad_w_out, grad_alpha)
    if dense:
        grad_w += np.dot(d[1 : steps + 1].T, r[:steps])
        return loss
    time = d_t.shape[1]
    transpose(d[1 : time + 1], d_t)
    transpose(r[:time], r_t)
    for i in range(len(x0)):
        _over_time(d_t[i], r_t, index[start[i] : start[i + 1]], w[start[i] :], sign, grad_w[start[i] :])
    return loss


@numba.njit(**_OPTIONS)
def outputs(  # type: ignore[no-untyped-def]
    inputs, lanes, sigma, sigma_init, n_units, layout, full, dense, alpha, b_rec, w_in_t, w_out, b_out, kind, out
):
    """Output of some trials, one after the other, with noise of their own.

    Args:
        inputs: (n_steps, n_trials, n_inputs).
        lanes: Generators of normal numbers, see `random_kernels`; they are moved on.
        sigma, sigma_init: SD of the noise and of the initial states.
        n_units: Number of units.
        layout, full, dense, alpha, b_rec, w_in_t, w_out, b_out, kind: See `simulate`.
        out: (n_steps - 2, n_trials, n_outputs), filled in.
    """
    n_steps, n_trials, _ = inputs.shape
    n_states, n_padded, block = n_steps - 1, len(alpha), 2 * lanes.shape[1]
    count = n_states * n_units
    drawn = np.empty((count + block - 1) // block * block, w_out.dtype)
    noise = drawn[:count].reshape(n_states, n_units)
    x = np.zeros((n_states, n_padded), w_out.dtype)
    r, d = np.zeros_like(x), np.zeros_like(x)
    o = np.empty((n_states - 1, len(w_out)), w_out.dtype)
    for trial in range(n_trials):
        normal(lanes, drawn)
        shown = inputs[:, trial].copy()
        # the first step has no noise: its numbers are the initial state
        start = sigma_init * noise[0]
        simulate(shown, start, noise, sigma, layout, full, dense, alpha, b_rec, w_in_t, w_out, b_out, kind, x, r, d, o)
        out[:, trial] = o


@numba.njit(**_OPTIONS)
def adam(p, g, m, v, rate, epsilon):  # type: ignore[no-untyped-def]
    """Adam on a vector; `rate` holds the bias correction, as in TensorFlow 1."""
    b1, b2 = p.dtype.type(0.9), p.dtype.type(0.999)
    for k in range(len(p)):
        m[k] = b1 * m[k] + (1 - b1) * g[k]
        v[k] = b2 * v[k] + (1 - b2) * g[k] * g[k]
        p[k] -= rate * m[k] / (math.sqrt(v[k]) + epsilon)


@numba.njit(**_OPTIONS)
def count_dead(w):  # type: ignore[no-untyped-def]
    """Number of entries that are not positive; NaN counts as alive, to be found."""
    dead = 0
    for k in range(len(w)):
        dead += w[k] <= 0
    return dead


@numba.njit(**_OPTIONS)
def drop_dead(start, index, w, m, v):  # type: ignore[no-untyped-def]
    """Take entries that are not positive out of the list."""
    n, to = len(start) - 1, 0
    first = start[0]
    for i in range(n):
        last = start[i + 1]
        for k in range(first, last):
            if not w[k] <= 0:
                index[to], w[to], m[to], v[to] = index[k], w[k], m[k], v[k]
                to += 1
        first = last
        start[i + 1] = to
