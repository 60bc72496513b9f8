"""One update of a rate network, compiled for the CPU: forward, backward, Adam.

Under Dale's principle an entry of w that is not positive has no effect and no gradient, and never comes back. So only
the positive entries are kept, as a list in row order that shrinks as training goes on (20 % of all entries at first,
5 % soon), and every product runs over that list. This is exact: the rectified weights are those of the dense formulation.

Networks in which every entry counts (no Dale's principle) run over whole rows instead.

float32 and float64; the float64 path serves the tests against the reference equations.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from rnnpipe.networks.kernels import _sigmoid

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
            # log(1 + exp(x)) without overflow
            r[i] = min(max(x[i], x.dtype.type(0)) + math.log1p(math.exp(-abs(x[i]))), x.dtype.type(20))


@numba.njit(**_OPTIONS)
def _slopes(x, r, slope, kind):  # type: ignore[no-untyped-def]
    """Derivative of the rates."""
    n = len(x)
    if kind == SIGMOID:
        for i in range(n):
            slope[i] = r[i] * (1 - r[i])
    elif kind == CLIPPED_RELU:
        for i in range(n):
            slope[i] = 1 if 0 < x[i] < 20 else 0
    else:
        for i in range(n):
            slope[i] = _sigmoid(x[i]) if r[i] < 20 else 0


@numba.njit(**_OPTIONS)
def _product(start, index, value, v, out):  # type: ignore[no-untyped-def]
    """Sparse matrix in row order times a vector."""
    for i in range(len(out)):
        total = v.dtype.type(0)
        for k in range(start[i], start[i + 1]):
            total += value[k] * v[index[k]]
        out[i] = total


@numba.njit(**_OPTIONS)
def _product_dense(w, v, out):  # type: ignore[no-untyped-def]
    """Full matrix times a vector."""
    n = len(v)
    for i in range(len(out)):
        total = v.dtype.type(0)
        for j in range(n):
            total += w[i, j] * v[j]
        out[i] = total


@numba.njit(**_OPTIONS)
def transpose(start, index, start_t, index_t, place_t):  # type: ignore[no-untyped-def]
    """Column order of a list in row order: `place_t[k]` is where the k-th entry in column order stands in the list."""
    n = len(start) - 1
    start_t[:] = 0
    for k in range(start[n]):
        start_t[index[k] + 1] += 1
    for j in range(n):
        start_t[j + 1] += start_t[j]
    for i in range(n):
        for k in range(start[i], start[i + 1]):
            j = index[k]
            index_t[start_t[j]] = i
            place_t[start_t[j]] = k
            start_t[j] += 1
    for j in range(n, 0, -1):
        start_t[j] = start_t[j - 1]
    start_t[0] = 0


@numba.njit(**_OPTIONS)
def gradient(  # type: ignore[no-untyped-def]
    inputs, target, x0, noise, sigma, start, index, w, start_t, index_t, place_t, sign, mask, w_in, w_out, b_out, b_rec,
    alpha, kind, loss_kind, dense, weight, x, r, d, x_t, r_t, o, grad_w, grad_w_out, grad_b_out, grad_alpha,
):  # fmt: skip
    """Simulate one trial and add the gradient of its loss, times `weight`.

    Args:
        inputs: (n_steps, n_inputs).
        target: (n_steps - 1, n_outputs).
        x0: Initial state, (n_units,).
        noise: Standard normal, (n_steps - 1, n_units); noise[0] is not used.
        sigma: SD of the noise.
        start, index, w: Recurrent magnitudes as a list in row order.
        start_t, index_t, place_t: Its column order, see `transpose`.
        sign, mask, w_in, w_out, b_out, b_rec: Arrays of the network.
        alpha: dt / tau, (n_units,).
        kind: Activation.
        loss_kind: L2 or L1.
        dense: Whether the list holds all entries.
        weight: Factor on the gradient.
        x, r: States and rates, (n_steps - 1, n_units), filled in.
        d: Workspace, (n_steps - 1, n_units).
        x_t, r_t: Workspaces, (n_units, n_steps - 1).
        o: Output, (n_steps - 2, n_outputs), filled in.
        grad_w, grad_w_out, grad_b_out, grad_alpha: What is added to; `grad_w` along the list.

    Returns:
        The loss.
    """
    n, n_states, n_outputs, n_inputs = len(alpha), len(x), len(w_out), w_in.shape[1]
    zero = x.dtype.type(0)
    value = np.empty_like(w)
    for i in range(n):
        for k in range(start[i], start[i + 1]):
            value[k] = w[k] * sign[index[k]] * mask[i, index[k]]
    full = value.reshape(n, n) if dense else value[:0].reshape(0, 0)

    x[0] = x0
    rates(x[0], r[0], kind)
    c = np.empty_like(x0)
    for t in range(1, n_states):
        before = r[t - 1]
        if dense:
            _product_dense(full, before, c)
        else:
            _product(start, index, value, before, c)
        for i in range(n):
            c[i] += b_rec[i]
        for m in range(n_inputs):
            u = inputs[t - 1, m]
            if u != 0:
                for i in range(n):
                    c[i] += w_in[i, m] * u
        for i in range(n):
            d[t, i] = c[i] - x[t - 1, i]
            x[t, i] = x[t - 1, i] + alpha[i] * d[t, i] + sigma * noise[t, i]
        rates(x[t], r[t], kind)

    loss = 0.0
    for t in range(1, n_states):
        for m in range(n_outputs):
            total = b_out[m]
            for i in range(n):
                total += w_out[m, i] * r[t, i]
            o[t - 1, m] = total
            error = float(total - target[t - 1, m])
            loss += error * error if loss_kind == L2 else abs(error)
    if loss_kind == L2:
        loss = math.sqrt(loss)

    # backward; lam[i] = dL / dx_t,i, x_t keeps alpha * lam of every step for the gradient of w
    lam, sent, slope = np.zeros(n, x.dtype), np.zeros(n, x.dtype), np.empty(n, x.dtype)
    value_t = np.empty_like(w)
    if dense:
        for i in range(n):
            for j in range(n):
                value_t[j * n + i] = full[i, j]
    else:
        for k in range(start_t[n]):
            value_t[k] = value[place_t[k]]
    full_t = value_t.reshape(n, n) if dense else value_t[:0].reshape(0, 0)
    back = np.zeros(n, x.dtype)
    g = np.empty(n_outputs, x.dtype)
    for t in range(n_states - 1, 0, -1):
        for m in range(n_outputs):
            error = float(o[t - 1, m] - target[t - 1, m])
            if loss_kind == L2:
                g[m] = weight * error / loss if loss > 0 else 0.0
            else:
                g[m] = weight * (1.0 if error > 0 else (-1.0 if error < 0 else 0.0))
            grad_b_out[m] += g[m]
            for i in range(n):
                grad_w_out[m, i] += g[m] * r[t, i]
        if t < n_states - 1:
            if dense:
                _product_dense(full_t, sent, back)
            else:
                _product(start_t, index_t, value_t, sent, back)
        for m in range(n_outputs):
            for i in range(n):
                back[i] += w_out[m, i] * g[m]
        _slopes(x[t], r[t], slope, kind)
        for i in range(n):
            lam[i] = slope[i] * back[i] + lam[i] - sent[i]
            sent[i] = alpha[i] * lam[i]
            grad_alpha[i] += lam[i] * d[t, i]
            d[t, i] = sent[i]
        for i in range(n):
            back[i] = zero
    for i in range(n):
        for t in range(1, n_states):
            x_t[i, t - 1] = d[t, i]
            r_t[i, t - 1] = r[t - 1, i]
    steps = n_states - 1
    for i in range(n):
        a = x_t[i]
        for k in range(start[i], start[i + 1]):
            b = r_t[index[k]]
            total = zero
            for t in range(steps):
                total += a[t] * b[t]
            grad_w[k] += total * sign[index[k]] * mask[i, index[k]]
    return loss


@numba.njit(**_OPTIONS)
def adam(p, g, m, v, rate, epsilon):  # type: ignore[no-untyped-def]
    """Adam on a vector; `rate` holds the bias correction, as in TensorFlow 1."""
    b1, b2 = p.dtype.type(0.9), p.dtype.type(0.999)
    for k in range(len(p)):
        m[k] = b1 * m[k] + (1 - b1) * g[k]
        v[k] = b2 * v[k] + (1 - b2) * g[k] * g[k]
        p[k] -= rate * m[k] / (math.sqrt(v[k]) + epsilon)


@numba.njit(**_OPTIONS)
def drop_dead(start, index, w, m, v):  # type: ignore[no-untyped-def]
    """Take entries that are not positive out of the list; returns whether there were any."""
    n, to = len(start) - 1, 0
    first = start[0]
    for i in range(n):
        last = start[i + 1]
        for k in range(first, last):
            # NaN stays, to be found
            if not w[k] <= 0:
                index[to], w[to], m[to], v[to] = index[k], w[k], m[k], v[k]
                to += 1
        first = last
        start[i + 1] = to
    return to < first
