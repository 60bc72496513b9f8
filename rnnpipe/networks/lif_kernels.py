"""One simulation of a network of spiking units, compiled for the CPU, with the random numbers it needs.

A simulation is N * n_steps updates of a unit, each of which needs a normal number, and one update must cost about a
nanosecond. So every loop over units is one that the compiler vectorises, recurrent input is added for the units that
spike alone (most steps have none), and normal numbers are made here, a few steps ahead of their use.

Random numbers are those of `random_kernels`: float32 in float64 simulations, too, so that both see the same noise.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from rnnpipe.networks.lif_settings import PEAK
from rnnpipe.networks.random_kernels import LANES, mix, mixed, normal

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": {"contract"}, "error_model": "numpy"}
_SUM: dict[str, Any] = _OPTIONS | {"fastmath": {"contract", "reassoc", "nsz"}}

BUFFER = 4096
"""Normal numbers made at a time, at most (one step's, where these are more): they stay in the first-level cache."""

COUNTED_FROM = 10
"""First step whose spikes count for the mean rates, as in the authors' code: the volley at the start does not."""


@numba.njit(**_OPTIONS)
def coins(seed: Any, out: Any) -> None:
    """Whether the stimulated units are pushed, for each step."""
    key = mix(np.uint64(seed) ^ np.uint64(0xD1B54A32D192ED03))
    for k in range(len(out)):
        out[k] = mixed(key, k) >> np.uint64(63) != np.uint64(0)


@numba.njit(**_OPTIONS)
def buffer(v: Any) -> Any:
    """Room for the normal numbers of `max(1, BUFFER // n)` steps of n units, rounded up to whole blocks, zeros."""
    block = 2 * LANES
    return np.zeros((max(1, BUFFER // len(v)) * len(v) + block - 1) // block * block, v.dtype)


@numba.njit(**_OPTIONS)
def _count(v: Any, threshold: Any) -> Any:
    """How many units are at or above threshold."""
    above = np.int32(0)
    for j in range(len(v)):
        above += np.int32(v[j] >= threshold)
    return above


@numba.njit(**_OPTIONS)
def _leaky(v, current, constant, noise, sd, leak, resume, step, threshold):  # type: ignore[no-untyped-def]
    """One step of leaky units; how many are at or above threshold then."""
    above, zero = np.int32(0), v.dtype.type(0)
    for j in range(len(v)):
        gain = leak if step >= resume[j] else zero
        new = v[j] + gain * (current[j] + constant[j] - v[j]) + sd * noise[j]
        v[j] = new
        above += np.int32(new >= threshold)
    return above


@numba.njit(**_OPTIONS)
def _quadratic(v, current, constant, noise, sd, leak, resume, step, threshold):  # type: ignore[no-untyped-def]
    """One step of quadratic units; how many are at or above threshold then."""
    above, zero = np.int32(0), v.dtype.type(0)
    for j in range(len(v)):
        gain = leak if step >= resume[j] else zero
        new = v[j] + gain * (v[j] * v[j] + current[j] + constant[j]) + sd * noise[j]
        v[j] = new
        above += np.int32(new >= threshold)
    return above


@numba.njit(**_OPTIONS)
def _filter(x: Any, h: Any, decay: Any, gain: Any) -> None:
    """Advance the filtered variable `x` of the double exponential filter by gain times the rising variable `h`."""
    for j in range(len(x)):
        x[j] = x[j] * decay[j] + h[j] * gain


@numba.njit(**_OPTIONS)
def _scale(x: Any, factor: Any) -> None:
    for j in range(len(x)):
        x[j] *= factor


@numba.njit(**_OPTIONS)
def _decay(x: Any, decay: Any) -> None:
    for j in range(len(x)):
        x[j] *= decay[j]


@numba.njit(**_SUM)
def _dot(a: Any, b: Any) -> Any:
    total = a.dtype.type(0)
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@numba.njit(**_OPTIONS)
def _drive(constant: Any, bias: Any, w_in_t: Any, u: Any) -> None:
    """Current that is held until the input changes: bias + W_in u."""
    for j in range(len(constant)):
        constant[j] = bias[j]
    for k in range(len(u)):
        for j in range(len(constant)):
            constant[j] += w_in_t[k, j] * u[k]


@numba.njit(**_OPTIONS)
def simulate(  # type: ignore[no-untyped-def]
    n_steps, held, n_units, quadratic, double, leak, threshold, reset, sd, dt, rise, scale, resume_from,
    bias, w_in_t, u, w_from, jump, decay, w_out, v, lanes, noise, push, pushed,
    first, last, high, low, mean, every, samples, counts, per_bin, binned, events, chosen, voltage,
):  # fmt: skip
    """Simulate one network through one trial.

    Arrays over units are padded to a common multiple of the vector length; padding units never spike.

    Args:
        n_steps: Steps, numbered from 1.
        held: Steps that an input column is held.
        n_units: Units without padding.
        quadratic, double: Whether units are quadratic; whether the synaptic filter has a rise.
        leak: dt / tau_m.
        threshold, reset: mV.
        sd: Noise of a step, mV.
        dt: Step, s.
        rise: Factor by which the rising variable shrinks in a step.
        scale: 1 / scaling factor of the weights.
        resume_from: First step at which a unit that spiked at step k integrates again, (n_steps + 1,).
        bias: Constant current, (n,).
        w_in_t: Input weights, (n_inputs, n).
        u: Input, (n_columns, n_inputs).
        w_from: What a spike of unit j adds to the filters of its targets before scaling, (n_units, n) [from, to].
        jump: What a spike adds to the filter of the unit's own rate, (n,).
        decay: Factor by which filtered currents and rates shrink in a step, (n,).
        w_out: Output weights, (n_outputs, n).
        v: Voltages at the start, overwritten, (n,).
        lanes: Generators of the noise, see `start_lanes`.
        noise: Standard normal numbers instead, (n_steps, n); without rows where they are to be drawn.
        push: What is added to the voltage of the units `pushed` at each step, (n_steps,); empty: nothing.
        first, last: Steps of the window.
        high, low, mean: Filled with the outputs' extrema and mean over the window, (n_outputs,).
        every, samples: Filled with the outputs of every so many steps, (n_samples, n_outputs), if every > 0.
        counts: Filled with the number of spikes of each unit from step `COUNTED_FROM` on, (n_units,).
        per_bin, binned: Filled with spikes in bins of so many steps, (n_bins, n_units), if per_bin > 0.
        events: Filled with (step, unit) of each spike, as far as there is room.
        chosen, voltage: Units and their recorded voltages, (n_steps, n_chosen).

    Returns:
        Number of spikes.
    """
    n, n_outputs = len(v), len(w_out)
    current, h, r, h_r = np.zeros_like(v), np.zeros_like(v), np.zeros_like(v), np.zeros_like(v)
    # all rising variables shrink alike: the factor is kept apart, and applied when it is due
    shrunk, least = v.dtype.type(1), v.dtype.type(0.01)
    constant, resume = np.empty_like(v), np.full(n, resume_from[0], np.int32)
    for j in range(n_units, n):
        v[j] = v.dtype.type(-1e15)
        resume[j] = n_steps + 1
    spiked = np.empty(n_units, np.int32)
    given, noisy = len(noise) > 0, sd > 0
    ahead = max(1, BUFFER // n)
    numbers = buffer(v)
    total, column, left, o = 0, -1, 0, 0
    sums = np.zeros(n_outputs, np.float64)
    for k in range(n_outputs):
        high[k], low[k] = -np.inf, np.inf
    for step in range(1, n_steps + 1):
        if left == 0:
            if given:
                for k in range(min(ahead, n_steps + 1 - step)):
                    numbers[k * n : (k + 1) * n] = noise[step - 1 + k]
            elif noisy:
                normal(lanes, numbers)
            left, o = ahead, 0
        xi = numbers[o : o + n]
        left -= 1
        o += n
        now = (2 * step + held) // (2 * held)
        if now != column:
            column = now
            _drive(constant, bias, w_in_t, u[column])
        if quadratic:
            above = _quadratic(v, current, constant, xi, sd, leak, resume, step, threshold)
        else:
            above = _leaky(v, current, constant, xi, sd, leak, resume, step, threshold)
        if len(push) > 0 and push[step - 1] != 0:
            for k in range(len(pushed)):
                v[pushed[k]] += push[step - 1]
            above = _count(v, threshold)
        for k in range(len(chosen)):
            voltage[step - 1, k] = PEAK if v[chosen[k]] >= threshold else v[chosen[k]]
        if double:
            _filter(current, h, decay, dt * shrunk)
            _filter(r, h_r, decay, dt * shrunk)
            shrunk *= rise
            if shrunk < least:
                _scale(h, shrunk)
                _scale(h_r, shrunk)
                shrunk = v.dtype.type(1)
        else:
            _decay(current, decay)
            _decay(r, decay)
        if above > 0:
            found = 0
            for j in range(n_units):
                if v[j] >= threshold:
                    spiked[found] = j
                    found += 1
            target, own = (h, h_r) if double else (current, r)
            size = scale / shrunk
            for k in range(found):
                j = spiked[k]
                v[j] = reset
                resume[j] = resume_from[step]
                own[j] += jump[j] / shrunk
                if step >= COUNTED_FROM:
                    counts[j] += 1
                if per_bin > 0:
                    binned[(step - 1) // per_bin, j] += 1
                if total < len(events):
                    events[total, 0], events[total, 1] = step, j
                total += 1
                row = w_from[j]
                for i in range(n):
                    target[i] += size * row[i]
        sampled = every > 0 and step % every == 0
        if sampled or first <= step <= last:
            for k in range(n_outputs):
                out = scale * _dot(w_out[k], r)
                if sampled:
                    samples[step // every - 1, k] = out
                if first <= step <= last:
                    high[k], low[k] = max(high[k], out), min(low[k], out)
                    sums[k] += out
    for k in range(n_outputs):
        mean[k] = sums[k] / max(1, last + 1 - first)
    return total
