"""Engine of the spiking networks: many simulations on the CPU, each independent of all others.

A simulation is a row: a network, a trial, a scaling factor and a seed. Its random numbers depend on its seed and the
number of units alone, so results do not depend on which rows are simulated together, in what order, or on the number
of threads. The equations are in `rnnpipe.networks.lif_reference`, the compiled steps in `rnnpipe.networks.lif_kernels`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.networks import lif_kernels as kernels
from rnnpipe.networks import random_kernels
from rnnpipe.networks.engines import thread_pool
from rnnpipe.networks.lif_reference import recurrent_weights, step_at, steps_per_column, stimulated_units
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_network import RateNetwork

Array = NDArray[Any]

WIDTH = 16
"""Arrays over units are padded to a multiple of this, so that whole vectors cover them."""


@dataclass(frozen=True)
class Rows:
    """What is simulated, one entry for each simulation."""

    network: Array
    """Place in the list of networks, (n_rows,)."""
    trial: Array
    """Place in the inputs, (n_rows,)."""
    factor: Array
    """Scaling factor by which recurrent and output weights are divided, (n_rows,)."""
    seed: Array
    """Seed of the voltages at the start, of the noise and of the stimulation, (n_rows,) uint64."""

    def __len__(self) -> int:
        return len(self.network)


@dataclass(frozen=True)
class Record:
    """What is recorded besides the outputs over the window and the mean rates; all of it costs memory."""

    outputs_every: int | None = None
    """Interval between recorded outputs, integration steps."""
    spikes: bool = False
    """Whether each spike is recorded."""
    bin: float | None = None
    """Width of the bins in which spikes are counted, ms."""
    voltage_units: tuple[int, ...] = ()
    """Units whose voltage is recorded at every step."""


NOTHING = Record()


@dataclass(frozen=True)
class Spikes:
    """Every spike, in the order of rows and steps."""

    row: Array
    """(n_spikes,)."""
    step: Array
    """Integration step, from 1; a spike is at step * dt, (n_spikes,)."""
    unit: Array
    """(n_spikes,)."""


@dataclass(frozen=True)
class LifResult:
    """What came of the simulations; networks that are smaller than the largest have zeros in their last units."""

    high: Array
    """Largest output in the window, (n_rows, n_outputs)."""
    low: Array
    """Smallest output in the window, (n_rows, n_outputs)."""
    mean: Array
    """Mean output over the window, (n_rows, n_outputs)."""
    n_spikes: Array
    """Spikes of each unit from the tenth step on, (n_rows, n_units)."""
    n_units: Array
    """Units of each row's network, (n_rows,)."""
    dt: float
    """Integration step, ms."""
    n_steps: int
    """Integration steps of a trial."""
    outputs: Array | None = None
    """Outputs at the steps k, 2 k, ... of an interval k, (n_rows, n_samples, n_outputs)."""
    spikes: Spikes | None = None
    """Every spike."""
    binned: Array | None = None
    """Spikes in bins, (n_rows, n_bins, n_units) uint16; all steps count."""
    voltage: Array | None = None
    """Voltages before the reset, 30 mV at a spike, mV, (n_rows, n_steps, n_recorded)."""

    @property
    def rates(self) -> Array:
        """Mean rates as the authors' code has them, spikes from the tenth step on in the whole trial, Hz."""
        return self.n_spikes / (self.n_steps * self.dt / 1000)


@dataclass(frozen=True)
class Draws:
    """The random numbers of a row."""

    v0: Array
    """Voltages at the start, mV, (n_units,)."""
    noise: Array
    """Standard normal numbers, (n_steps, n_units)."""
    coins: Array
    """Whether stimulated units are pushed, (n_steps,)."""


@dataclass(frozen=True)
class Given:
    """Random numbers given in advance (tests), for each row."""

    v0: Array
    """(n_rows, n_units)."""
    noise: Array
    """(n_rows, n_steps, n_units)."""
    coins: Array | None = None
    """(n_rows, n_steps); None: never pushed."""


@dataclass(frozen=True)
class _Network:
    """Constant arrays of a network, padded."""

    bias: Array
    w_in_t: Array
    w_from: Array
    jump: Array
    decay: Array
    w_out: Array
    pushed: Array
    """Units that are stimulated, (n_pushed,)."""


def resume_table(n_steps: int, settings: LifSettings) -> Array:
    """First step at which a unit that spiked at step i integrates again; entry 0 is the start, (n_steps + 1,) int32.

    It is the first k with dt k > dt i + t_ref in float64, as the authors' code has it: where t_ref is a multiple of dt,
    rounding decides between two steps (41 and, after some spikes, 40 steps later at the published values).
    """
    dt, t_ref = settings.dt / 1000 * settings.downsample, settings.t_ref / 1000
    until = dt * np.arange(n_steps + 1) + t_ref
    table = np.floor(until / dt).astype(np.int64) - 1
    while (early := dt * table <= until).any():
        table[early] += 1
    return np.minimum(table, np.iinfo(np.int32).max).astype(np.int32)


def draws(seed: int, n_units: int, n_steps: int, settings: LifSettings) -> Draws:
    """The random numbers that the row of a seed uses, for the reference and for tests."""
    lanes, v = _start(seed, n_units, settings, np.dtype(np.float64))
    n, ahead, buffer = len(v), max(1, kernels.BUFFER // len(v)), kernels.buffer(v)
    noise = np.empty((n_steps, n))
    for first in range(0, n_steps, ahead):
        random_kernels.normal(lanes, buffer)
        rows = buffer[: ahead * n].reshape(ahead, n)
        noise[first : first + ahead] = rows[: n_steps - first]
    return Draws(v[:n_units], noise[:, :n_units], _coins(seed, n_steps))


def simulate(
    networks: Sequence[RateNetwork],
    inputs: Array,
    rows: Rows,
    settings: LifSettings,
    window: tuple[float, float | None] = (0.0, None),
    *,
    record: Record = NOTHING,
    given: Given | None = None,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> LifResult:
    """Simulate every row.

    Args:
        networks: Rate networks that become spiking ones; they may differ in size.
        inputs: One column for each step of the rate networks and one more: column k is the input at k * network.dt,
            (n_columns, n_trials, n_inputs).
        rows: The simulations.
        settings: The spiking units.
        window: Times from which and before which outputs count, ms; None is the end of the trial, included.
        record: What is recorded besides.
        given: Random numbers instead of those that the seeds stand for.
        threads: Simulations at a time.
        progress: Called with the number of simulations that ended since the last call.

    Raises:
        SettingsError: Networks, inputs, rows, window or settings do not fit each other.
    """
    held = _check(networks, inputs, rows, settings)
    dtype = np.dtype(settings.precision)
    # a trial's input, contiguous: (n_trials, n_columns, n_inputs)
    u = np.array(np.moveaxis(inputs[:: settings.downsample], 0, 1), dtype, order="C")
    n_columns, n_outputs = u.shape[1], networks[0].n_outputs
    n_steps = held * (n_columns - 1)
    if n_columns < 2:
        raise SettingsError(
            f"the input has {len(inputs)} columns, of which every {settings.downsample}. is used; at least two are"
            " needed: one for each step of the rate network and one more."
        )
    first, last = _window(window, n_steps, settings)
    per_bin = 0 if record.bin is None else round(record.bin / settings.step)
    if record.bin is not None and not 1 <= per_bin <= np.iinfo(np.uint16).max:
        raise SettingsError(f"bins of {record.bin:g} ms cannot be counted in steps of {settings.step:g} ms.")
    every = record.outputs_every or 0
    prepared = [_prepare(network, settings, dtype) for network in networks]
    n_units = np.array([network.n_units for network in networks])[rows.network]
    n_rows, most = len(rows), int(n_units.max(initial=0))
    resume = resume_table(n_steps, settings)
    listed = np.array(settings.stimulation_units if settings.push else [], np.int32)
    chosen = np.array(record.voltage_units, np.int32)
    for name, units in (("stimulation_units", listed), ("voltage_units", chosen)):
        if len(units) and not 0 <= units.min() <= units.max() < n_units.min(initial=most):
            raise SettingsError(f"{name}: there is no unit {units.max()} in a network of {n_units.min()} units.")

    high, low, mean = (np.empty((n_rows, n_outputs)) for _ in range(3))
    counts = np.zeros((n_rows, most), np.int32)
    samples = np.empty((n_rows, n_steps // every if every else 0, n_outputs), dtype)
    binned = np.zeros((n_rows, -(-n_steps // per_bin) if per_bin else 0, most), np.uint16)
    voltage = np.empty((n_rows, n_steps if len(chosen) else 0, len(chosen)), np.float32)
    events: list[Array] = [np.empty((0, 2), np.int32)] * n_rows

    def run(row: int, room: int) -> int:
        """Simulate a row, recording up to `room` spikes; how many there were."""
        which = int(rows.network[row])
        network, n = prepared[which], networks[which].n_units
        lanes, v = _start(int(rows.seed[row]), n, settings, dtype)
        noise, coins = np.empty((0, len(v)), dtype), None
        if given is not None:
            noise = _padded(given.noise[row][:, :n], len(v), dtype)
            v[:n], coins = given.v0[row][:n], None if given.coins is None else given.coins[row]
        elif settings.push:
            coins = _coins(int(rows.seed[row]), n_steps)
        own_counts, own_bins = np.zeros(n, np.int32), np.zeros((binned.shape[1], n), np.uint16)
        own_events = np.empty((room, 2), np.int32)
        total = kernels.simulate(
            n_steps,
            held,
            n,
            settings.model == "qif",
            settings.tau_rise > 0,
            dtype.type(settings.step / settings.tau_m),
            dtype.type(settings.threshold),
            dtype.type(settings.v_reset),
            dtype.type(settings.v_noise),
            dtype.type(settings.step / 1000),
            dtype.type(np.exp(-settings.step / settings.tau_rise) if settings.tau_rise > 0 else 0),
            dtype.type(1 / rows.factor[row]),
            resume,
            network.bias,
            network.w_in_t,
            u[rows.trial[row]],
            network.w_from,
            network.jump,
            network.decay,
            network.w_out,
            v,
            lanes,
            noise,
            _pushes(coins, settings, dtype),
            network.pushed,
            first,
            last,
            high[row],
            low[row],
            mean[row],
            every,
            samples[row],
            own_counts,
            per_bin,
            own_bins,
            own_events,
            chosen,
            voltage[row],
        )
        counts[row, :n], binned[row, :, :n] = own_counts, own_bins
        events[row] = own_events[:total]
        return total

    def whole(row: int) -> None:
        room = 64 * most if record.spikes else 0
        if (total := run(row, room)) > room and record.spikes:
            run(row, total)

    with thread_pool(threads) as pool:
        for _ in pool.map(whole, range(n_rows)):
            if progress is not None:
                progress(1)
    return LifResult(
        high,
        low,
        mean,
        counts,
        n_units,
        settings.step,
        n_steps,
        outputs=samples if every else None,
        spikes=_spikes(events) if record.spikes else None,
        binned=binned if per_bin else None,
        voltage=voltage if len(chosen) else None,
    )


def _check(networks: Sequence[RateNetwork], inputs: Array, rows: Rows, settings: LifSettings) -> int:
    """Steps that a column is held, if networks, inputs and rows fit each other."""
    if not networks:
        raise SettingsError("there is no network to simulate.")
    head = networks[0]
    for network in networks:
        if (network.dt, network.n_inputs, network.n_outputs) != (head.dt, head.n_inputs, head.n_outputs):
            raise SettingsError(
                "networks that are simulated together must share their step and their numbers of inputs and outputs;"
                f" got {network.dt:g} ms, {network.n_inputs}, {network.n_outputs} besides {head.dt:g} ms,"
                f" {head.n_inputs}, {head.n_outputs}."
            )
    if inputs.ndim != 3 or inputs.shape[2] != head.n_inputs:
        raise SettingsError(
            f"the inputs have shape {inputs.shape}, expected (n_columns, n_trials, n_inputs) with n_inputs ="
            f" {head.n_inputs}, the channels of the network."
        )
    if not np.isfinite(inputs).all():
        raise SettingsError("the inputs hold NaN or infinite values.")
    for name, size in (("network", len(networks)), ("trial", inputs.shape[1])):
        index = getattr(rows, name)
        if len(index) and not 0 <= index.min() <= index.max() < size:
            raise SettingsError(f"rows: {name} {index.max()} does not exist; there are {size}, counted from 0.")
    wrong = np.nonzero(~(np.isfinite(rows.factor) & (rows.factor > 0)))[0]
    if len(wrong):
        raise SettingsError(f"the scaling factor {rows.factor[wrong[0]]:g} is not a positive number; use 20 to 75.")
    return steps_per_column(head.dt, settings)


def _window(window: tuple[float, float | None], n_steps: int, settings: LifSettings) -> tuple[int, int]:
    """First and last step of the window."""
    start, end = window
    first = step_at(start, settings)
    last = n_steps if end is None else min(n_steps, step_at(end, settings) - 1)
    if first > last:
        until = "its end" if end is None else f"{end:g} ms"
        raise SettingsError(
            f"no step is in the window from {start:g} ms to {until}: the trial takes {n_steps * settings.step:g} ms;"
            " the input may have too few columns."
        )
    return first, last


def _padded(array: Array, n: int, dtype: np.dtype[Any]) -> Array:
    """The array with zeros up to length n in its last axis, contiguous and of a type."""
    out = np.zeros((*array.shape[:-1], n), dtype)
    out[..., : array.shape[-1]] = array
    return out


def _prepare(network: RateNetwork, settings: LifSettings, dtype: np.dtype[Any]) -> _Network:
    tau, tau_rise = np.asarray(network.tau, np.float64) / 1000, settings.tau_rise / 1000
    jump = 1 / (tau_rise * tau) if tau_rise > 0 else 1 / tau
    n = -(-network.n_units // WIDTH) * WIDTH
    w_from = (recurrent_weights(network, settings) * jump[:, np.newaxis]).T
    return _Network(
        bias=_padded(network.b_rec + settings.constant, n, dtype),
        w_in_t=_padded(network.w_in.T, n, dtype),
        w_from=_padded(w_from, n, dtype),
        jump=_padded(jump, n, dtype),
        decay=_padded(np.exp(-settings.step / 1000 / tau), n, dtype),
        w_out=_padded(network.w_out, n, dtype),
        pushed=stimulated_units(network, settings),
    )


def _start(seed: int, n_units: int, settings: LifSettings, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Generators of a seed, and voltages at the start, padded."""
    lanes = np.empty((4, random_kernels.LANES), np.uint32)
    random_kernels.start_lanes(np.uint64(seed), lanes)
    v = np.empty(-(-n_units // WIDTH) * WIDTH)
    random_kernels.uniform(lanes, v)
    return lanes, (settings.v_init_low + (settings.v_init_high - settings.v_init_low) * v).astype(dtype)


def _coins(seed: int, n_steps: int) -> Array:
    coins = np.empty(n_steps, np.bool_)
    kernels.coins(np.uint64(seed), coins)
    return coins


def _pushes(coins: Array | None, settings: LifSettings, dtype: np.dtype[Any]) -> Array:
    """What is added to the stimulated units' voltage at each step, mV."""
    if coins is None or not settings.push:
        return np.empty(0, dtype)
    pushes = np.zeros(len(coins), dtype)
    # step i is entry i - 1
    part = slice(step_at(settings.stimulation_on, settings) - 1, step_at(settings.stimulation_off, settings) - 1)
    pushes[part] = settings.push * np.asarray(coins[part])
    return pushes


def _spikes(events: list[Array]) -> Spikes:
    row = np.repeat(np.arange(len(events)), [len(found) for found in events])
    step, unit = np.concatenate([np.empty((0, 2), np.int32), *events]).T
    return Spikes(row, step, unit)
