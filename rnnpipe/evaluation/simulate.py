"""A trained network on a dataset: batches in, trial table and activity out, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.evaluation.outcomes import outcomes
from rnnpipe.io.network import Network
from rnnpipe.networks import gated_policy, rate_policy  # noqa: F401  `policy_kind` finds them by name
from rnnpipe.networks.draws import Fresh
from rnnpipe.networks.engines import thread_pool
from rnnpipe.networks.policy_kind import policy_kind
from rnnpipe.tasks._environment import AnyTask, Episodes
from rnnpipe.trials import Trials

Columns = dict[str, NDArray[Any]]


def trial_table(trials: Trials, task: AnyTask, actions: NDArray[Any], rewards: NDArray[Any]) -> Columns:
    """One value a trial: its conditions, its periods (ms) and what came of it; see `rnnpipe.io.evaluation`."""
    outcome = outcomes(trials, actions, rewards)
    step = outcome.pop("choice_step")
    time = np.where(step < 0, np.nan, step * trials.dt)
    table: Columns = {**trials.conditions, **outcome, "choice_time": time}
    onset = trials.periods[task.stimulus_onset][:, 0] if trials.periods else 0  # an environment has no periods
    table["reaction_time"] = time - onset * trials.dt
    for name, edges in trials.periods.items():
        table[f"{name}_on"], table[f"{name}_off"] = (edges[:, i] * trials.dt for i in (0, 1))
    return table


def simulate(
    network: Network, batches: Iterator[Trials], device: torch.device, threads: int, seed: int, activity: bool
) -> Iterator[tuple[Columns, Columns]]:
    """Run the best networks on batches of trials, with recurrent noise and drawn actions.

    Args:
        network: The trained network.
        batches: Batches of its task.
        device: Where to run.
        threads: Batches simulated side by side; the result does not depend on it.
        seed: Seed of recurrent noise and actions; batch k has a stream of its own, so that a batch does not depend on
            the ones before.
        activity: Also return the activity; otherwise the second item is empty.

    Yields:
        The trial table and the activity (time, trial, ...) of each batch; see `rnnpipe.io.evaluation`.
    """
    kind = policy_kind(network.policy_settings.kind)
    engine = kind.engine(device, network.task, network.policy_settings, network.value_settings)
    policy, value = ({k: v.to(device) for k, v in w.items()} for w in (network.policy, network.value))

    def run(numbered: tuple[int, Trials]) -> tuple[Columns, Columns]:
        number, trials = numbered
        stream = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        draws = Fresh.seeded(stream, device)
        episode = engine.rollout(policy, trials, draws, gradient=False)
        actions, rewards = episode.actions.cpu().numpy(), episode.rewards.cpu().numpy()
        table = trial_table(trials, network.task, actions, rewards)
        if not activity:
            return table, {}
        passed = engine.value(value, episode, draws, pairing="rollout", gradient=False)
        return table, {
            **engine.activity(episode, passed),
            "value": passed.value.cpu().numpy(),
            "actions": actions.astype(np.int8),
            "rewards": rewards,
            "mask": episode.mask.cpu().numpy().astype(bool),
            **({"observations": trials.inputs} if isinstance(trials, Episodes) else {}),
        }

    numbered = enumerate(batches)
    with thread_pool(threads) as pool:
        while group := list(islice(numbered, threads)):  # no more batches in memory than threads
            yield from pool.map(run, group)
