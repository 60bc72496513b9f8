"""The scaling factor at which a rate network works as a spiking one.

Recurrent and readout weights are divided by a factor S (the paper's lambda = 1 / S). Each of several factors is tried
on trials of its own; the one with the most correct trials is taken, the smallest of several. Since that maximum is an
optimistic estimate, the factor's accuracy is measured again on held-out trials, and that of the rate network on the
same ones.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Methods and the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.mapping.score import rate_correct, spiking_trials
from rnnpipe.mapping.settings import SearchSettings
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.tasks._base import Task

Array = NDArray[Any]


def condition_of(task: Task, conditions: dict[str, Array]) -> NDArray[np.int64]:
    """Place of each trial's combination of factors in the task's factorial, (n_trials,)."""
    place, size = np.zeros(len(next(iter(conditions.values()))), np.int64), 1
    variables = task.variables()
    for name in task.factors:
        values: Any = np.asarray(variables[name].values)  # type: ignore[attr-defined]
        place += size * (conditions[name][:, None] == values).argmax(1)
        size *= len(values)
    return place


def check_fit(task: Task, network: RateNetwork, where: str) -> None:
    """Check that a network has the inputs of a task.

    Raises:
        SettingsError: It does not.
    """
    if network.n_inputs != len(task.input_names):
        raise SettingsError(
            f"{where}: has {network.n_inputs} input channels, but task {task.name} has {len(task.input_names)}"
            f" ({', '.join(task.input_names)}); name the task that it was trained on with --task.name."
        )
    if network.dt != task.dt:
        raise SettingsError(
            f"{where}: has steps of {network.dt:g} ms, the task of {task.dt:g} ms; set task.dt to the network's."
        )


def map_network(
    task: Task,
    network: RateNetwork,
    sigma: tuple[float, float],
    lif: LifSettings,
    search: SearchSettings,
    key: int,
    threads: int = 1,
    factor: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Array]:
    """Search the factor of one network and measure it on held-out trials.

    Args:
        task: What it was trained on.
        network: The network.
        sigma: SD of the noise of a step and of the initial states of the rate network.
        lif: The spiking units.
        search: What is tried.
        key: With the seed of the search, what the network's random numbers are drawn from.
        threads: Simulations at a time.
        factor: A factor to take; None to search it.
        progress: Called with the number of simulations that ended.

    Returns:
        `accuracy` (n_factors,), `factor`, `best` (its accuracy in the search), `heldout`, `rate`, `condition_accuracy`
        (n_conditions,), `firing_rate` (n_conditions, n_units).
    """
    trials_seed, rows_seed, noise_seed, heldout_seed = np.random.SeedSequence([search.seed, key]).spawn(4)
    rng = np.random.default_rng(trials_seed)
    row_seeds = rows_seed.generate_state(len(search.factors) * search.n_trials + search.n_heldout, np.uint64)
    accuracy = np.full(len(search.factors), np.nan)
    n = search.n_trials
    if factor is None:
        trials = task.sample(rng, n * len(search.factors))
        factors = np.repeat(np.asarray(search.factors), n)
        outcome = spiking_trials(task, network, trials, factors, row_seeds[: len(factors)], lif, threads, progress)
        accuracy = outcome.correct.reshape(-1, n).mean(1)
        by_size = np.argsort(search.factors, kind="stable")
        factor = float(np.asarray(search.factors)[by_size][accuracy[by_size].argmax()])
        best = float(accuracy.max())
    else:
        best = np.nan
    # a stream of their own: the same trials whether there was a search or not, and none of those of a search
    heldout = task.sample(np.random.default_rng(heldout_seed), search.n_heldout)
    factors = np.full(search.n_heldout, factor)
    outcome = spiking_trials(task, network, heldout, factors, row_seeds[-search.n_heldout :], lif, threads, progress)
    generator = torch.Generator().manual_seed(int(noise_seed.generate_state(1, np.uint64)[0] >> np.uint64(1)))
    right = rate_correct(task, network, heldout, sigma, generator)
    condition, n_conditions = condition_of(task, heldout.conditions), len(task.factorial())
    return {
        "accuracy": accuracy,
        "factor": np.array(factor),
        "best": np.array(best),
        "heldout": np.array(outcome.correct.mean()),
        "rate": np.array(right.mean()),
        "condition_accuracy": _by(condition, n_conditions, outcome.correct[:, None])[:, 0],
        "firing_rate": _by(condition, n_conditions, outcome.rates),
    }


def _by(group: Array, n_groups: int, values: Array) -> Array:
    """Mean over trials of each group, NaN where there is none, (n_groups, ...)."""
    return np.stack(
        [
            values[group == g].mean(0) if (group == g).any() else np.full(values.shape[1:], np.nan)
            for g in range(n_groups)
        ]
    )
