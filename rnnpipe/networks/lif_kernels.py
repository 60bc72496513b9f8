"""One simulation of a network of spiking units, compiled for the CPU, with the random numbers it needs.

A simulation is N * n_steps updates of a unit, each of which needs a normal number, and one update must cost about a
nanosecond. So every loop over units is one that the compiler vectorises, recurrent input is added for the units that
spike alone (most steps have none), and normal numbers are made here, a few steps ahead of their use.

Random numbers: `LANES` generators xoshiro128++ side by side (Blackman & Vigna 2021), started from one seed by
SplitMix64; pairs of their words become pairs of normal numbers by the Box-Muller transform in float32, which reaches
6.6 standard deviations. They are float32 numbers in float64 simulations, too, so that both see the same noise.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from rnnpipe.networks.lif_settings import PEAK

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": {"contract"}, "error_model": "numpy"}
_SUM: dict[str, Any] = _OPTIONS | {"fastmath": {"contract", "reassoc", "nsz"}}

LANES = 128
"""Generators side by side; normal numbers come in blocks of twice as many."""

BUFFER = 4096
"""Normal numbers made at a time, at most (one step's, where these are more): they stay in the first-level cache."""

COUNTED_FROM = 10
"""First step whose spikes count for the mean rates, as in the authors' code: the volley at the start does not."""


@numba.njit(inline="always", **_OPTIONS)
def _mix(x: Any) -> Any:
    """SplitMix64's output function: neighbouring numbers in, unrelated ones out."""
    x = np.uint64((x ^ np.uint64(x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    x = np.uint64((x ^ np.uint64(x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    return np.uint64(x ^ np.uint64(x >> np.uint64(31)))


@numba.njit(inline="always", **_OPTIONS)
def _mixed(key: Any, k: int) -> Any:
    """Number k of the sequence that belongs to a key."""
    return _mix(np.uint64(key + np.uint64(k) * np.uint64(0x9E3779B97F4A7C15)))


@numba.njit(**_OPTIONS)
def start_lanes(seed: Any, lanes: Any) -> None:
    """Start the generators from a seed; `lanes` holds four words of each, (4, LANES) uint32."""
    key = _mix(np.uint64(seed))
    for k in range(4 * LANES):
        lanes[k // LANES, k % LANES] = np.uint32(_mixed(key, k) >> np.uint64(32))


@numba.njit(**_OPTIONS)
def coins(seed: Any, out: Any) -> None:
    """Whether the stimulated units are pushed, for each step."""
    key = _mix(np.uint64(seed) ^ np.uint64(0xD1B54A32D192ED03))
    for k in range(len(out)):
        out[k] = _mixed(key, k) >> np.uint64(63) != np.uint64(0)


@numba.njit(inline="always", **_OPTIONS)
def _rotated(x: Any, k: int) -> Any:
    return np.uint32(np.uint32(x << np.uint32(k)) | np.uint32(x >> np.uint32(32 - k)))


@numba.njit(inline="always", **_OPTIONS)
def _next(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Word of a generator, xoshiro128++, and its next state."""
    word = np.uint32(_rotated(np.uint32(a + d), 7) + a)
    e, f = np.uint32(c ^ a), np.uint32(d ^ b)
    return word, np.uint32(a ^ f), np.uint32(b ^ e), np.uint32(e ^ np.uint32(b << np.uint32(9))), _rotated(f, 11)


@numba.njit(**_OPTIONS)
def _words(lanes: Any, words: Any) -> None:
    """Next two words of each generator, (2, LANES) uint32; two at a time, so that the state is stored half as often."""
    s0, s1, s2, s3, first, second = lanes[0], lanes[1], lanes[2], lanes[3], words[0], words[1]
    for i in range(LANES):
        word, a, b, c, d = _next(s0[i], s1[i], s2[i], s3[i])
        first[i] = word
        word, a, b, c, d = _next(a, b, c, d)
        second[i] = word
        s0[i], s1[i], s2[i], s3[i] = a, b, c, d


@numba.njit(**_OPTIONS)
def uniform(lanes: Any, out: Any) -> None:
    """Fill a vector with numbers in (0, 1)."""
    words = np.empty((2, LANES), np.uint32)
    for first in range(0, len(out), 2 * LANES):
        _words(lanes, words)
        for i in range(min(2 * LANES, len(out) - first)):
            out[first + i] = (np.float64(words[i // LANES, i % LANES]) + 0.5) * 2.0**-32


@numba.njit(**_OPTIONS)
def normal(lanes: Any, out: Any) -> None:
    """Fill a vector, whose length is a multiple of 2 * LANES, with standard normal numbers.

    Box-Muller: radius sqrt(-2 ln u), angle a pi / 2 with a in [-1, 1], and a bit that chooses the half of the circle.
    Polynomials are minimax fits: log2 on [1, 2) to 2e-6, cosine and sine on a quarter turn either way to 6e-7.
    """
    assert len(out) % (2 * LANES) == 0
    words = np.empty((2, LANES), np.uint32)
    lengths, angles = words[0], words[1]
    for first in range(0, len(out), 2 * LANES):
        _words(lanes, words)
        one, other = out[first : first + LANES], out[first + LANES : first + 2 * LANES]
        for i in range(LANES):
            x = np.float32(lengths[i]) + np.float32(0.5)  # u = x / 2^32
            bits = np.float32(x).view(np.int32)
            exponent = np.float32(np.int32(np.int32(bits >> np.int32(23)) - np.int32(127 + 32)))
            m = np.int32(np.int32(bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000)).view(np.float32)
            y = np.float32(-0.0256910862)
            y = y * m + np.float32(0.275148763)
            y = y * m + np.float32(-1.2669183)
            y = y * m + np.float32(3.28652897)
            y = y * m + np.float32(-5.34198957)
            y = y * m + np.float32(6.11296342)
            y = y * m + np.float32(-3.04004036)
            squared = max((exponent + y) * np.float32(-1.3862943611198906), np.float32(0.0))
            word = angles[i]
            half = np.int32(np.uint32(word << np.uint32(31)))
            radius = np.int32(np.float32(np.sqrt(squared)).view(np.int32) ^ half).view(np.float32)
            a = np.float32(np.int32(word)) * np.float32(2.0**-31)
            b = a * a
            c = np.float32(0.00085819062)
            c = c * b + np.float32(-0.0208106275)
            c = c * b + np.float32(0.253650745)
            c = c * b + np.float32(-1.23369821)
            c = c * b + np.float32(0.999999953)
            d = np.float32(-0.00433309496)
            d = d * b + np.float32(0.0794343441)
            d = d * b + np.float32(-0.645892849)
            d = d * b + np.float32(1.57079101)
            one[i] = radius * c
            other[i] = radius * (a * d)


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
