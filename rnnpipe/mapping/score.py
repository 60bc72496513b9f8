"""Trials of a task run by a rate network or by the spiking network that it is mapped to, and whether they are correct.

What is correct is the task's to say (`rnnpipe.tasks`), the same for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.networks.lif import Rows, simulate
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_engine import run_outputs
from rnnpipe.networks.rate_network import RateNetwork
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
    analog = _analog(task)
    n = trials.n_trials
    rows = Rows(np.zeros(n, np.int64), np.arange(n), factors, seeds)
    result = simulate(
        [network], trials.inputs, rows, lif, (analog.spiking_window, None), threads=threads, progress=progress
    )
    correct = analog.output_correct(trials.conditions, result.high[:, 0], result.low[:, 0], spiking=True)
    return SpikingTrials(correct, result.rates)


def rate_correct(
    task: Task, network: RateNetwork, trials: Trials, sigma: tuple[float, float], generator: torch.Generator
) -> NDArray[np.bool_]:
    """Whether the rate network itself has trials correct, (n_trials,); `sigma` as in `map_network`."""
    analog = _analog(task)
    output = run_outputs(network, trials, *sigma, generator)[..., 0]
    shown = output[analog.steps(analog.rate_window).item() :]
    return analog.output_correct(trials.conditions, shown.max(0), shown.min(0))


def _analog(task: Task) -> AnalogTask:
    if not isinstance(task, AnalogTask):
        raise SettingsError(
            f"task {task.name} has no continuous output to judge; take go_nogo, xor or context_integration."
        )
    return task
