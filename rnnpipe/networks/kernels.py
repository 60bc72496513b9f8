"""The sequential part of the gated networks, compiled for the CPU.

Only what must happen step by step is here; input projections and weight gradients are single matrix products
outside. Trials that have ended cost nothing: arrays are *packed*, one row for each (step, trial) that happened,
step after step. `start[t]` is the first row of step t, `trial[row]` the trial of a row and `prev[row]` the row of
the same trial one step earlier.

Everything works in float32 and float64; the float64 path uses the library's exponential and serves the tests
against the reference equations.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.extending import overload

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": {"contract"}, "error_model": "numpy"}


def _sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)); in float32 an exponential that the compiler can vectorise, exact to 2e-7."""
    raise NotImplementedError


@overload(_sigmoid, inline="always")
def _sigmoid_overload(x: Any) -> Any:
    if x == numba.float32:

        def single(x: Any) -> Any:
            # exp(y) = 2^k exp(f) with |f| <= ln(2)/2, where seven Taylor terms reach float32 precision
            y = np.float32(min(max(-x, np.float32(-87.0)), np.float32(87.0)))
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
            power = np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
            return np.float32(1.0) / (np.float32(1.0) + e * power)

        return single

    def double(x: Any) -> Any:
        return 1.0 / (1.0 + math.exp(-x))

    return double


@numba.njit(**_OPTIONS)
def sigmoid(x: Any, out: Any) -> None:
    """Element-wise sigmoid of a vector, as the kernels compute it (for tests)."""
    for i in range(len(x)):
        out[i] = _sigmoid(x[i])


@numba.njit(inline="always", **_OPTIONS)
def _relu(x: Any) -> Any:
    # written so that a NaN stays one: a dead unit must not hide it
    return x - x if x <= 0 else x


@numba.njit(**_OPTIONS)
def _advance(n, alpha, x, r, drive, noise, w_gates_t, w_rec_t, gates, s, c, lam, gam, d, new):  # type: ignore[no-untyped-def]
    """One step of `n` trials: rows of `x`, `r`, `drive` and `noise` to rows of `lam, gam, s, d` and `new`."""
    n_units = x.shape[1]
    np.dot(r[:n], w_gates_t, gates[:n])
    for i in range(n):
        for j in range(n_units):
            lam[i, j] = _sigmoid(gates[i, j] + drive[i, n_units + j])
        for j in range(n_units):
            gam[i, j] = _sigmoid(gates[i, n_units + j] + drive[i, 2 * n_units + j])
            s[i, j] = gam[i, j] * r[i, j]
    np.dot(s[:n], w_rec_t, c[:n])
    for i in range(n):
        for j in range(n_units):
            d[i, j] = c[i, j] + drive[i, j] + noise[i, j] - x[i, j]
            new[i, j] = x[i, j] + alpha * lam[i, j] * d[i, j]


@numba.njit(**_OPTIONS)
def act(  # type: ignore[no-untyped-def]
    row0, n, is_first, is_last, uniform, b_out, phase, stops, logits, alive, slot, place, trial, prev, action, z,
):  # fmt: skip
    """Choose the actions of one step of the `n` running trials, and keep the trials that go on.

    Args:
        row0: First row of the step.
        n: Running trials.
        is_first, is_last: Whether it is the first or the last step of the task.
        uniform: Numbers in [0, 1), by slot.
        b_out: Bias of the readout.
        phase, stops: The trials' rule table, `phase` of this step.
        logits: Readout of the running trials without its bias, which is added.
        alive, slot, place: Trial, slot and row one step ago of each running trial; those that go on are moved to the
            front, with their rows of this step.
        trial, prev, action, z: Packed records that are filled in.

    Returns:
        Number of trials that go on, or -1 if the policy became non-finite.
    """
    n_actions, running = z.shape[1], 0
    for i in range(n):
        row, b, k = row0 + i, alive[i], slot[i]
        trial[row] = b
        prev[row] = -1 if is_first else place[i]
        top = logits[i, 0] + b_out[0]
        for a in range(n_actions):
            logits[i, a] += b_out[a]
            top = max(top, logits[i, a])
        total = z.dtype.type(0)
        for a in range(n_actions):
            z[row, a] = np.exp(logits[i, a] - top)
            total += z[row, a]
        if not np.isfinite(total):
            return -1
        for a in range(n_actions):
            z[row, a] /= total
        # inverse of the cumulative distribution, normalised by its last element
        chosen, cumulative = 0, z[row, 0]
        norm = z.dtype.type(0)
        for a in range(n_actions):
            norm += z[row, a]
        while chosen < n_actions - 1 and uniform[k] * norm >= cumulative:
            chosen += 1
            cumulative += z[row, chosen]
        action[row] = chosen
        if not is_last and not stops[phase[b], b, chosen]:
            alive[running], slot[running], place[running] = b, k, row
            running += 1
    return running


@numba.njit(**_OPTIONS)
def places(t0, start, trial, alive, place):  # type: ignore[no-untyped-def]
    """Rows of the running trials one step before step t0, in the order of `alive`."""
    k = 0
    if t0 > 0:
        for row in range(start[t0 - 1], start[t0]):
            if k < len(alive) and trial[row] == alive[k]:
                place[k] = row
                k += 1


@numba.njit(**_OPTIONS)
def rollout(  # type: ignore[no-untyped-def]
    t0, t1, last, alpha, x0, drive, noise, uniform, alive, phase, stops,
    w_gates_t, w_rec_t, w_out_t, b_out, start, trial, prev, action, z, x, r, lam, gam, s, d, keep,
):  # fmt: skip
    """Let a policy act from step t0 up to (not including) t1 or until every trial has ended.

    Args:
        t0, t1: Steps to run; t0 > 0 continues from the rows already there.
        last: Last step of the task.
        alpha: dt / tau.
        x0: Initial state, (n_units,).
        drive: Input projections of the steps, (t1 - t0, n_alive, 3 * n_units).
        noise: Recurrent noise of the steps, (t1 - t0, n_alive, n_units).
        uniform: One uniform number an action, (t1 - t0, n_alive).
        alive: Trials still going on at t0, (n_alive,), in the order of the arrays above.
        phase, stops: The trials' rule table.
        w_gates_t, w_rec_t, w_out_t, b_out: Effective weights, [from, to].
        start, trial, prev, action, z, x, r, lam, gam, s, d: Packed records that are filled in; `z` is the policy.
        keep: Whether the records the gradient needs (lam, gam, s, d) are wanted.

    Returns:
        (number of steps done, False if the policy became non-finite).
    """
    n, n_units, n_actions = len(alive), x.shape[1], z.shape[1]
    slot = np.arange(n)  # place of each running trial in drive, noise and uniform
    xp, rp, qp = np.empty((n, n_units), x.dtype), np.empty((n, n_units), x.dtype), np.empty((n, n_units), x.dtype)
    up = np.empty((n, 3 * n_units), x.dtype)
    gates, c, new = (
        np.empty((n, 2 * n_units), x.dtype),
        np.empty((n, n_units), x.dtype),
        np.empty((n, n_units), x.dtype),
    )
    lam1, gam1, s1, d1 = np.empty_like(c), np.empty_like(c), np.empty_like(c), np.empty_like(c)
    logits = np.empty((n, n_actions), x.dtype)
    place = np.empty(n, np.int64)  # row of each running trial one step ago
    places(t0, start, trial, alive, place)
    for t in range(t0, t1):
        row0 = start[t]
        if t == 0:
            for i in range(n):
                for j in range(n_units):
                    new[i, j] = x0[j]
        else:
            for i in range(n):
                p, k = place[i], slot[i]
                for j in range(n_units):
                    xp[i, j] = x[p, j]
                    rp[i, j] = r[p, j]
                    qp[i, j] = noise[t - t0, k, j]
                for j in range(3 * n_units):
                    up[i, j] = drive[t - t0, k, j]
            if keep:
                o = slice(row0, row0 + n)
                _advance(n, alpha, xp, rp, up, qp, w_gates_t, w_rec_t, gates, s[o], c, lam[o], gam[o], d[o], new)
            else:
                _advance(n, alpha, xp, rp, up, qp, w_gates_t, w_rec_t, gates, s1, c, lam1, gam1, d1, new)
        for i in range(n):
            for j in range(n_units):
                x[row0 + i, j] = new[i, j]
                r[row0 + i, j] = _relu(new[i, j])
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
def forward(  # type: ignore[no-untyped-def]
    t0, t1, alpha, x0, drive, ahead, by_action, action, noise, start, prev, w_gates_t, w_rec_t,
    x, r, lam, gam, s, d, keep,
):  # fmt: skip
    """Run a gated network over the packed rows of steps t0 up to (not including) t1, whose inputs are known.

    A row of step t >= 1 is driven by `drive` of its own row if `ahead`, else of its trial's row one step before, plus
    `by_action` of the action taken one step before. `noise` begins with the first row of step t0. Rows of step 0
    hold the initial state.
    """
    n_units, most, first = x.shape[1], start[t0 + 1] - start[t0], start[t0]
    xp, rp, qp = (
        np.empty((most, n_units), x.dtype),
        np.empty((most, n_units), x.dtype),
        np.empty((most, n_units), x.dtype),
    )
    up = np.empty((most, 3 * n_units), x.dtype)
    gates, c, new = np.empty((most, 2 * n_units), x.dtype), np.empty_like(xp), np.empty_like(xp)
    lam1, gam1, s1, d1 = np.empty_like(c), np.empty_like(c), np.empty_like(c), np.empty_like(c)
    for row in range(first, start[1]):  # none unless t0 is 0
        for j in range(n_units):
            x[row, j] = x0[j]
            r[row, j] = _relu(x0[j])
    for t in range(max(t0, 1), t1):
        row0, n = start[t], start[t + 1] - start[t]
        for i in range(n):
            row = row0 + i
            p = prev[row]
            k, a = row if ahead else p, action[p]
            for j in range(n_units):
                xp[i, j] = x[p, j]
                rp[i, j] = r[p, j]
                qp[i, j] = noise[row - first, j]
            for j in range(3 * n_units):
                up[i, j] = drive[k, j] + by_action[a, j]
        if keep:
            o = slice(row0, row0 + n)
            _advance(n, alpha, xp, rp, up, qp, w_gates_t, w_rec_t, gates, s[o], c, lam[o], gam[o], d[o], new)
        else:
            _advance(n, alpha, xp, rp, up, qp, w_gates_t, w_rec_t, gates, s1, c, lam1, gam1, d1, new)
        for i in range(n):
            for j in range(n_units):
                x[row0 + i, j] = new[i, j]
                r[row0 + i, j] = _relu(new[i, j])


@numba.njit(**_OPTIONS)
def backward(  # type: ignore[no-untyped-def]
    n_steps, alpha, start, prev, x, r, lam, gam, d, d_out, w_out, w_gates, w_rec, rate_slope, d_state, d_gates, d_x0,
):  # fmt: skip
    r"""Reverse sweep of `rollout` and `forward`: hand-derived gradient of the gated step.

    With g the gradient reaching x_t, d = c_t - x_{t-1} and c_t the input of the step,

        dL/dc = alpha lambda g,   dL/da_lambda = alpha d g lambda (1 - lambda)
        dL/ds = W^T dL/dc,        dL/da_gamma  = (dL/ds) r_{t-1} gamma (1 - gamma)
        dL/dx_{t-1} = (1 - alpha lambda) g + 1[x_{t-1} > 0] (gamma dL/ds + W_gates^T dL/da + W_out^T dL/dz_{t-1})

    Args:
        n_steps, alpha, start, prev, x, r, lam, gam, d: As recorded.
        d_out: Gradient in each row's output, (rows, n_outputs).
        w_out, w_gates, w_rec: Effective weights, [to, from].
        rate_slope: Gradient of a penalty on rates is this times the rate, at every row.
        d_state: Filled with dL/dc, (rows - start[1], n_units): row k belongs to row k + start[1].
        d_gates: Filled with dL/da_lambda | dL/da_gamma, (rows - start[1], 2 * n_units).
        d_x0: Filled with the gradient in the initial state, (n_units,).
    """
    n_units, most, n_outputs, first = x.shape[1], start[1] - start[0], len(w_out), start[1]
    ds, dr = np.empty((most, n_units), x.dtype), np.empty((most, n_units), x.dtype)
    # gradients reaching the states of one step: read from `now`, sent to the rows of the step before in `then`
    now, then = np.empty((most, n_units), x.dtype), np.empty((most, n_units), x.dtype)
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for t in range(n_steps - 1, -1, -1):
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
                now[i, j] = now[i, j] if x[row, j] > zero else zero
            if rate_slope != zero:
                for j in range(n_units):
                    now[i, j] += rate_slope * r[row, j]
        for k in range(kept):  # trials that went on
            i = prev[start[t + 1] + k] - row0
            for j in range(n_units):
                now[i, j] += then[k, j]
        if t == 0:
            break
        for i in range(n):
            row = row0 + i
            for j in range(n_units):
                g, la = now[i, j], lam[row, j]
                d_state[row - first, j] = alpha * la * g
                d_gates[row - first, j] = alpha * d[row, j] * g * la * (one - la)
        np.dot(d_state[row0 - first : row0 - first + n], w_rec, ds[:n])
        for i in range(n):
            row = row0 + i
            p = prev[row]
            for j in range(n_units):
                ga = gam[row, j]
                d_gates[row - first, n_units + j] = ds[i, j] * r[p, j] * ga * (one - ga)
        np.dot(d_gates[row0 - first : row0 - first + n], w_gates, dr[:n])
        for i in range(n):
            row = row0 + i
            p = prev[row]
            for j in range(n_units):
                through = dr[i, j] + ds[i, j] * gam[row, j]
                then[i, j] = now[i, j] * (one - alpha * lam[row, j]) + (through if x[p, j] > zero else zero)
    for j in range(n_units):
        d_x0[j] = zero
    for i in range(start[1]):
        for j in range(n_units):
            d_x0[j] += now[i, j]
