r"""Policies that are rate networks, mapped to spiking ones: what they do on trials.

The output of the spiking network stands in for that of the rate network, and its bias, which the mapping drops, is
added again: the logits of step t are the mean of W_out r / S over the time step that ends at t * dt, plus b_out.
Actions are drawn from their softmax, and a trial ends as it does for the rate network.

A spiking network starts in random states, without synaptic activity, from which it would act at random. So it is run
for `SETTLE` ms before a trial, seeing the first observation, in which it cannot act.

What it does, does not change what it sees, so that whole trials are simulated and the actions drawn afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from rnnpipe.errors import SettingsError
from rnnpipe.evaluation.analog import filtered
from rnnpipe.evaluation.simulate import trial_table
from rnnpipe.networks.lif import LifResult, Record, Rows, simulate
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.tasks._base import Task
from rnnpipe.trials import Trials

Array = NDArray[Any]
Columns = dict[str, Array]

SETTLE = 500.0
"""Time before a trial, ms."""

SAMPLE = 0.5
"""Time between the samples of the output of which the mean over a time step is made, ms."""


@dataclass(frozen=True)
class Acted:
    """What a spiking policy did on some trials."""

    actions: NDArray[np.int64]
    """Action taken, -1 after the end, (n_steps, n_trials)."""
    rewards: Array
    """Discounted rewards, 0 after the end, (n_steps, n_trials)."""
    probabilities: Array
    """The policy, also of steps after the end, (n_steps, n_trials, n_actions)."""
    result: LifResult
    """The simulations, `n_settle` steps of `dt` longer than the trials."""
    n_settle: int


def act(
    network: RateNetwork,
    trials: Trials,
    factors: Array,
    seeds: Array,
    lif: LifSettings,
    record_spikes: bool = False,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Acted:
    """Let a spiking policy act.

    Args:
        network: The rate network that is mapped; its outputs are the logits of the actions.
        trials: The trials.
        factors: Scaling factor of each trial, (n_trials,).
        seeds: Seed of each trial, from which its voltages, noise and actions are drawn, (n_trials,) uint64.
        lif: The spiking units.
        record_spikes: Whether each spike is kept.
        threads: Simulations at a time.
        progress: Called with the number of simulations that ended.
    """
    n_steps, n = trials.n_steps, trials.n_trials
    n_settle = max(1, round(SETTLE / trials.dt))
    inputs = np.concatenate([np.repeat(trials.inputs[:1], n_settle, axis=0), trials.inputs])
    per_step = round(trials.dt / lif.step)
    if lif.downsample > 1:
        raise SettingsError("lif.downsample skips steps of a policy, at each of which it acts; set it to 1.")
    every = max(k for k in range(1, max(1, round(SAMPLE / lif.step)) + 1) if per_step % k == 0)
    rows = Rows(np.zeros(n, np.int64), np.arange(n), factors, seeds)
    record = Record(outputs_every=every, spikes=record_spikes)
    result = simulate([network], inputs, rows, lif, record=record, threads=threads, progress=progress)
    assert result.outputs is not None
    # step t of the trial ends at sample (n_settle + t) * samples
    samples = per_step // every
    steps = result.outputs.reshape(n, -1, samples, network.n_outputs).mean(2).swapaxes(0, 1)
    probabilities = softmax(steps[n_settle - 1 :].astype(np.float64) + network.b_out, axis=2)
    uniform = np.stack([np.random.default_rng(int(seed)).random(n_steps) for seed in seeds], axis=1)
    chosen = (uniform[..., None] >= np.cumsum(probabilities, axis=2)[..., :-1]).sum(2)
    i = np.arange(n)
    stops = trials.stops[trials.phase, i, chosen]
    stops[-1] = True
    running = np.arange(n_steps)[:, None] <= stops.argmax(0)
    rewards = trials.discount[:, None] * trials.rewards[trials.phase, i, chosen] * running
    return Acted(np.where(running, chosen, -1), rewards, probabilities, result, n_settle)


def spiking_policy_batches(
    task: Task,
    network: RateNetwork,
    factor: float,
    lif: LifSettings,
    batches: Iterator[Trials],
    seed: int,
    activity: bool,
    threads: int,
) -> Iterator[tuple[Columns, Columns, Columns]]:
    """Run a spiking policy; yields the trial table, the activity (time, trial, ...) and the spikes of each batch.

    The table is as of the rate network, with `rate_hz` of the whole simulation. Rates are filtered spike trains, Hz.
    Spikes are those of the trial, without the time before it and after its end.
    """
    for number, trials in enumerate(batches):
        n = trials.n_trials
        seeds = np.random.SeedSequence([seed, number]).generate_state(n, np.uint64)
        acted = act(network, trials, np.full(n, factor), seeds, lif, activity, threads)
        table = trial_table(trials, task, acted.actions, acted.rewards)
        table["rate_hz"] = acted.result.rates.mean(1).astype(np.float32)
        if not activity:
            yield table, {}, {}
            continue
        mask = acted.actions >= 0
        rates = filtered(acted.result, network, lif, round(trials.dt / lif.step))[acted.n_settle - 1 :]
        yield (
            table,
            {
                "policy_rates": rates * mask[..., None],
                "probabilities": (acted.probabilities * mask[..., None]).astype(np.float32),
                "actions": acted.actions.astype(np.int8),
                "rewards": acted.rewards,
                "mask": mask,
                "time": np.arange(trials.n_steps) * trials.dt,
            },
            _spikes(acted, mask.sum(0), trials.dt),
        )


def _spikes(acted: Acted, lengths: Array, dt: float) -> Columns:
    """Spikes of the trials, whose numbers of steps are `lengths`, (n_trials,)."""
    spikes = acted.result.spikes
    assert spikes is not None
    time = spikes.step * acted.result.dt - acted.n_settle * dt
    during = (time > 0) & (time <= (lengths[spikes.row] - 1) * dt)
    return {
        "trial": spikes.row[during].astype(np.int32),
        "time": time[during].astype(np.float32),
        "unit": spikes.unit[during].astype(np.int16),
    }
