"""The sequential part of rate networks that act, compiled for the CPU; arrays are packed as in `kernels`."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from rnnpipe.networks.kernels import act, places
from rnnpipe.networks.rate_kernels import rates

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": {"contract"}, "error_model": "numpy"}


@numba.njit(**_OPTIONS)
def rollout(  # type: ignore[no-untyped-def]
    t0, t1, last, alpha, kind, drive, noise, uniform, alive, phase, stops, w_rec_t, w_out_t, b_out,
    start, trial, prev, action, z, x, r, d, keep,
):  # fmt: skip
    """Let a policy act from step t0 up to (not including) t1 or until every trial has ended.

    Args:
        t0, t1: Steps to run; t0 > 0 continues from the rows already there.
        last: Last step of the task.
        alpha: dt / tau, (n_units,).
        kind: Activation, as in `rate_kernels`.
        drive: Input projections of the steps, (t1 - t0, n_alive, n_units).
        noise: What is added to the states, at step 0 the states themselves, (t1 - t0, n_alive, n_units).
        uniform: One uniform number an action, (t1 - t0, n_alive).
        alive: Trials still going on at t0, (n_alive,), in the order of the arrays above.
        phase, stops: The trials' rule table.
        w_rec_t, w_out_t, b_out: Effective weights, [from, to].
        start, trial, prev, action, z, x, r, d: Packed records that are filled in; `z` is the policy, `d` how far what
            drives a state is from it.
        keep: Whether `d` is wanted.

    Returns:
        (number of steps done, False if the policy became non-finite).
    """
    n, n_units = len(alive), x.shape[1]
    slot = np.arange(n)  # place of each running trial in drive, noise and uniform
    place = np.empty(n, np.int64)  # row of each running trial one step ago
    rp, c = np.empty((n, n_units), x.dtype), np.empty((n, n_units), x.dtype)
    logits = np.empty((n, z.shape[1]), x.dtype)
    places(t0, start, trial, alive, place)
    for t in range(t0, t1):
        row0 = start[t]
        if t == 0:
            for i in range(n):
                for j in range(n_units):
                    x[i, j] = noise[0, i, j]
        else:
            for i in range(n):
                p = place[i]
                for j in range(n_units):
                    rp[i, j] = r[p, j]
            np.dot(rp[:n], w_rec_t, c[:n])
            for i in range(n):
                p, k, row = place[i], slot[i], row0 + i
                for j in range(n_units):
                    pull = c[i, j] + drive[t - t0, k, j] - x[p, j]
                    c[i, j] = pull
                    x[row, j] = x[p, j] + alpha[j] * pull + noise[t - t0, k, j]
                if keep:
                    for j in range(n_units):
                        d[row, j] = c[i, j]
        for i in range(n):
            rates(x[row0 + i], r[row0 + i], kind)
        np.dot(r[row0 : row0 + n], w_out_t, logits[:n])
        running = act(
            row0, n, t == 0, t == last, uniform[t - t0], b_out, phase[t], stops, logits, alive, slot, place,
            trial, prev, action, z,
        )  # fmt: skip
        if running < 0:
            return t - t0, False
        start[t + 1] = row0 + n
        n = running
        if n == 0:
            return t + 1 - t0, True
    return t1 - t0, True


@numba.njit(**_OPTIONS)
def backward(  # type: ignore[no-untyped-def]
    n_steps, alpha, start, prev, slope, d, d_out, w_out, w_rec, d_drive, d_alpha
):  # fmt: skip
    r"""Reverse sweep of `rollout`.

    With g the gradient reaching x_t and d = c_t - x_{t-1}, where c_t is the input of the step,

        dL/dc = alpha g,   dL/dalpha = sum_t d g
        dL/dx_{t-1} = (1 - alpha) g + phi'(x_{t-1}) (W^T dL/dc + W_out^T dL/dz_{t-1})

    Args:
        n_steps, alpha, start, prev: As recorded.
        slope: phi' of each row, (rows, n_units).
        d: As recorded, or without rows where the gradient in alpha is not wanted.
        d_out: Gradient in each row's output, (rows, n_outputs).
        w_out, w_rec: Effective weights, [to, from].
        d_drive: Filled with dL/dc, (rows - start[1], n_units): row k belongs to row k + start[1].
        d_alpha: Filled with the gradient in alpha, (n_units,).
    """
    n_units, most, n_outputs, first = slope.shape[1], start[1] - start[0], len(w_out), start[1]
    zero, one = slope.dtype.type(0), slope.dtype.type(1)
    # gradients reaching the states of one step: read from `now`, sent to the rows of the step before in `then`
    now, then = np.empty((most, n_units), slope.dtype), np.empty((most, n_units), slope.dtype)
    dr = np.empty((most, n_units), slope.dtype)
    d_alpha[:] = zero
    for t in range(n_steps - 1, 0, -1):
        row0, n = start[t], start[t + 1] - start[t]
        kept = start[t + 2] - start[t + 1] if t < n_steps - 1 else 0
        for i in range(n):
            row = row0 + i
            for j in range(n_units):
                now[i, j] = zero
            for a in range(n_outputs):
                for j in range(n_units):
                    now[i, j] += d_out[row, a] * w_out[a, j]
            for j in range(n_units):
                now[i, j] *= slope[row, j]
        for k in range(kept):  # trials that went on
            i = prev[start[t + 1] + k] - row0
            for j in range(n_units):
                now[i, j] += then[k, j]
        for i in range(n):
            row = row0 + i
            for j in range(n_units):
                d_drive[row - first, j] = alpha[j] * now[i, j]
            if len(d):
                for j in range(n_units):
                    d_alpha[j] += d[row, j] * now[i, j]
        np.dot(d_drive[row0 - first : row0 - first + n], w_rec, dr[:n])
        for i in range(n):
            p = prev[row0 + i]
            for j in range(n_units):
                then[i, j] = now[i, j] * (one - alpha[j]) + slope[p, j] * dr[i, j]
