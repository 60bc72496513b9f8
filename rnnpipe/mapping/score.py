"""Trials of a task run by a rate network or by the spiking network that it is mapped to, and whether they are correct.

What is correct is the task's to say (`rnnpipe.tasks`), the same for both. Where networks act, it is a trial that ends
with the correct choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.evaluation.outcomes import outcomes
from rnnpipe.evaluation.spiking_policy import act
from rnnpipe.networks.draws import Fresh
from rnnpipe.networks.lif import Rows, simulate
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_engine import run_outputs
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.rate_policy import policy_engine
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.tasks._base import Task
from rnnpipe.trials import Trials

Array = NDArray[Any]


@dataclass(frozen=True)
class SpikingTrials:
    """What a spiking network did on some trials."""

    correct: NDArray[np.bool_]
    """(n_trials,)."""
    rates: Array
    """Mean firing rates, Hz, (n_trials, n_units)."""


def spiking_trials(
    task: Task,
    network: RateNetwork,
    trials: Trials,
    factors: Array,
    seeds: Array,
    lif: LifSettings,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> SpikingTrials:
    """Run a spiking network on trials.

    Args:
        task: The task.
        network: The rate network that is mapped.
        trials: The trials.
        factors: Scaling factor of each trial, (n_trials,).
        seeds: Seed of each trial, (n_trials,) uint64.
        lif: The spiking units.
        threads: Simulations at a time.
        progress: Called with the number of simulations that ended.
    """
    if not isinstance(task, AnalogTask):
        acted = act(network, trials, factors, seeds, lif, threads=threads, progress=progress)
        outcome = outcomes(trials, acted.actions, acted.rewards)
        return SpikingTrials(outcome["correct"] == 1, acted.result.rates)
    n = trials.n_trials
    rows = Rows(np.zeros(n, np.int64), np.arange(n), factors, seeds)
    result = simulate(
        [network], trials.inputs, rows, lif, (task.spiking_window, None), threads=threads, progress=progress
    )
    correct = task.output_correct(trials.conditions, result.high[:, 0], result.low[:, 0], spiking=True)
    return SpikingTrials(correct, result.rates)


def rate_correct(
    task: Task, network: RateNetwork, trials: Trials, sigma: tuple[float, float], generator: torch.Generator
) -> NDArray[np.bool_]:
    """Whether the rate network itself has trials correct, (n_trials,); `sigma` as in `map_network`."""
    if not isinstance(task, AnalogTask):
        engine, policy = policy_engine(network, sigma)
        episode = engine.rollout(policy, trials, Fresh(generator, generator), gradient=False)
        outcome = outcomes(trials, episode.actions.numpy(), episode.rewards.numpy())
        return outcome["correct"] == 1
    output = run_outputs(network, trials, *sigma, generator)[..., 0]
    shown = output[task.steps(task.rate_window).item() :]
    return task.output_correct(trials.conditions, shown.max(0), shown.min(0))
