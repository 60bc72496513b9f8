"""Rate networks and the spiking networks that they are mapped to, on a data set: trial table and activity.

Both give the same table and the same arrays, in steps of the rate network, so that every analysis reads either.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.networks.lif import LifResult, Record, Rows, simulate
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_engine import run_network
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.trials import FIXATE, Trials

Array = NDArray[Any]
Columns = dict[str, Array]

SPIKES = 20_000_000
"""Numbers of a batch's records (steps x trials x units) that fit into some hundred MB."""


def batch_size(n_steps: int, n_units: int) -> int:
    """Trials to simulate at once."""
    return max(1, min(250, SPIKES // (n_steps * n_units)))


def analog_table(task: AnalogTask, trials: Trials, time: Array, output: Array, spiking: bool) -> Columns:
    """One value a trial: its conditions, its periods (ms) and what came of it; see `rnnpipe.io.evaluation`.

    Args:
        task: The task.
        trials: The trials.
        time: Time of each sample of the output, ms, (n_samples,).
        output: (n_samples, n_trials).
        spiking: Whether it is the output of a spiking network.
    """
    start = task.spiking_window if spiking else task.rate_window
    counts = time >= start - 1e-9
    shown = output[counts]
    highest, lowest = shown.max(0), shown.min(0)
    return scored(task, trials, highest, lowest, spiking) | _answer(task, trials, time, output, counts)


def scored(task: AnalogTask, trials: Trials, highest: Array, lowest: Array, spiking: bool) -> Columns:
    """What follows from the extremes of the output alone."""
    correct = task.output_correct(trials.conditions, highest, lowest, spiking)
    table: Columns = {
        **trials.conditions,
        "correct": correct.astype(np.int8),
        "highest": highest.astype(np.float32),
        "lowest": lowest.astype(np.float32),
        "reward": np.where(correct, task.reward_correct, task.reward_wrong).astype(np.float32),
    }
    for name, edges in trials.periods.items():
        table[f"{name}_on"], table[f"{name}_off"] = (edges[:, i] * trials.dt for i in (0, 1))
    return table


def _answer(task: AnalogTask, trials: Trials, time: Array, output: Array, counts: Array) -> Columns:
    """The answer that the output gives: when it is first beyond the threshold in the window, to either side."""
    up, down = len(task.action_names) - 1, 1 if len(task.action_names) > 2 else FIXATE
    beyond = (np.abs(output) > task.threshold) & counts[:, None]
    first, i = beyond.argmax(0), np.arange(output.shape[1])
    decided = beyond.any(0)
    choice = np.where(decided, np.where(output[first, i] > 0, up, down), FIXATE).astype(np.int8)
    when = np.where(decided, time[first], np.nan)
    onset = trials.periods[task.stimulus_onset][:, 0] * trials.dt
    return {
        "choice": choice,
        "decision": decided | task.withholds,
        "choice_time": when,
        "reaction_time": when - onset,
        "n_steps": np.full(len(i), trials.n_steps - 1),
    }


def rate_batches(
    task: AnalogTask,
    network: RateNetwork,
    sigma: tuple[float, float],
    batches: Iterator[Trials],
    seed: int,
    activity: bool,
) -> Iterator[tuple[Columns, Columns, Columns]]:
    """Run a rate network; yields the trial table, the activity (time, trial, ...) and no spikes of each batch.

    Sample k of the activity is the state at (k + 1) * dt, whose output belongs to the time k * dt.
    """
    for number, trials in enumerate(batches):
        stream = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1)
        generator = torch.Generator().manual_seed(int(stream))
        n, n_trials = trials.n_steps - 2, trials.n_trials
        output = np.empty((n, n_trials, network.n_outputs), np.float32)
        rates = np.empty((n if activity else 0, n_trials, network.n_units), np.float32)
        for t, now, out in run_network(network, trials.inputs, *sigma, generator):
            if t == 0:
                continue
            output[t - 1] = out
            if activity:
                rates[t - 1] = now
        time = np.arange(n) * trials.dt
        table = analog_table(task, trials, time, output[..., 0], spiking=False)
        yield table, _activity(time, output, rates) if activity else {}, {}


def spiking_batches(
    task: AnalogTask,
    network: RateNetwork,
    factor: float,
    lif: LifSettings,
    batches: Iterator[Trials],
    seed: int,
    activity: bool,
    threads: int,
) -> Iterator[tuple[Columns, Columns, Columns]]:
    """Run the spiking network of a factor; yields the trial table, the activity and the spikes of each batch.

    Outputs and rates are sampled at the steps of the rate network; a rate is the filtered spike train of the unit, Hz.
    """
    for number, trials in enumerate(batches):
        n_trials = trials.n_trials
        seeds = np.random.SeedSequence([seed, number]).generate_state(n_trials, np.uint64)
        rows = Rows(np.zeros(n_trials, np.int64), np.arange(n_trials), np.full(n_trials, factor), seeds)
        every = round(trials.dt / lif.step)
        record = Record(outputs_every=every, spikes=activity)
        window = task.spiking_window, None
        result = simulate([network], trials.inputs, rows, lif, window, record=record, threads=threads)
        assert result.outputs is not None
        output = result.outputs.transpose(1, 0, 2)
        time = np.arange(1, len(output) + 1) * every * lif.step
        counts = time >= task.spiking_window - 1e-9
        # the extremes are those of every step, not of the samples
        table = scored(task, trials, result.high[:, 0], result.low[:, 0], spiking=True)
        table |= _answer(task, trials, time, output[..., 0], counts)
        table["rate_hz"] = result.rates.mean(1).astype(np.float32)
        if not activity:
            yield table, {}, {}
            continue
        yield table, _activity(time, output, filtered(result, network, lif, every)), _spikes(result)


def _activity(time: Array, output: Array, rates: Array) -> Columns:
    n_trials = output.shape[1]
    return {
        "policy_rates": rates,
        "output": output.astype(np.float32),
        "mask": np.ones((len(time), n_trials), bool),
        "time": time,
    }


def _spikes(result: LifResult) -> Columns:
    spikes = result.spikes
    assert spikes is not None
    return {
        "trial": spikes.row.astype(np.int32),
        "time": (spikes.step * result.dt).astype(np.float32),
        "unit": spikes.unit.astype(np.int16),
    }


def filtered(result: LifResult, network: RateNetwork, lif: LifSettings, every: int) -> Array:
    r"""Spike trains filtered with each unit's own synaptic kernel, sampled every `every` steps, Hz.

    The kernel is (e^{-t/tau} - e^{-t/tau_rise}) / (tau - tau_rise), or e^{-t/tau} / tau without a rise: of unit area.

    Returns:
        (n_samples, n_rows, n_units).
    """
    spikes = result.spikes
    assert spikes is not None
    n_samples, step = result.n_steps // every, every * result.dt
    shape = n_samples, len(result.n_units), network.n_units
    tau = network.tau.astype(np.float64)
    sample = (spikes.step - 1) // every
    inside = sample < n_samples
    at = sample[inside], spikes.row[inside], spikes.unit[inside]
    ago = (sample[inside] + 1) * step - spikes.step[inside] * result.dt
    decays = [tau] if lif.tau_rise == 0 else [tau, np.full_like(tau, lif.tau_rise)]
    total = np.zeros(shape, np.float32)
    width = tau if lif.tau_rise == 0 else tau - lif.tau_rise
    for sign, decay in zip((1, -1), decays, strict=False):
        trace = np.zeros(shape, np.float32)
        np.add.at(trace, at, np.exp(-ago / decay[at[2]]).astype(np.float32))
        keep = np.exp(-step / decay).astype(np.float32)
        for k in range(1, n_samples):
            trace[k] += keep * trace[k - 1]
        total += sign * trace
    return total * (1000 / width).astype(np.float32)
