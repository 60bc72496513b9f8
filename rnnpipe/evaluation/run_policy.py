"""Evaluation of networks that act."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rnnpipe.evaluation.analog import batch_size as spiking_batch_size
from rnnpipe.evaluation.run import Columns, Run, units_of
from rnnpipe.evaluation.simulate import simulate
from rnnpipe.evaluation.spiking_policy import spiking_policy_batches
from rnnpipe.io.episodes import open_episodes
from rnnpipe.io.match import check_match
from rnnpipe.io.network import read_network
from rnnpipe.io.rate_network import read_rate_network
from rnnpipe.io.spiking import mapping_of
from rnnpipe.io.trials import TrialsFile, open_trials
from rnnpipe.networks.engine import batch_size
from rnnpipe.networks.engines import choose_device
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._environment import EnvironmentTask


@contextlib.contextmanager
def policy_run(
    path: Path,
    dataset: Path,
    lif: LifSettings,
    spiking: Path | None,
    factor: float | None,
    seed: int,
    device: str,
    activity: bool,
    threads: int,
) -> Iterator[Run]:
    """An evaluation of a network that acts, with drawn actions, or of the spiking network that it is mapped to.

    The latter has no value network.
    """
    network = read_network(path)
    settings, mapped = dict(network.settings), None
    if spiking is not None or factor is not None:
        mapped = read_rate_network(path).network
        lif, factor = mapping_of(mapped.seed, lif, spiking, factor)
        settings |= {"lif": lif.model_dump(mode="json"), "scaling_factor": factor}
    where = choose_device(device, network.task)
    own = isinstance(network.task, EnvironmentTask)
    with open_episodes(dataset, network) if own else open_trials(dataset) as trials:
        if isinstance(trials, TrialsFile):
            check_match(network, trials)
        attributes = {
            "task": network.task.name,
            "dt": network.task.dt,
            "seed": network.seed,
            "dataset_seed": int(trials.attributes.get("seed", -1)),
            "input_names": list(network.task.input_names),
            "action_names": list(network.task.action_names),
            "n_trials_trained": int(network.score.get("n_trials_trained", -1)),
            "reached_criterion": bool(network.score.get("reached_criterion", False)),
        }
        if mapped is not None and factor is not None:
            assert isinstance(trials, TrialsFile) and isinstance(network.task, Task)
            attributes["scaling_factor"] = factor
            parts = trials.batches(spiking_batch_size(network.task.n_steps, mapped.n_units))
            run = spiking_policy_batches(network.task, mapped, factor, lif, parts, seed, activity, threads)
            yield Run(trials.n_trials, settings, attributes, run, units_of(mapped))
            return

        def batches() -> Iterator[tuple[Columns, Columns, Columns]]:
            parts = trials.batches(batch_size(network.task.n_steps))
            for table, recorded in simulate(network, parts, where, threads, seed, activity):
                if activity:
                    recorded["time"] = np.arange(len(recorded["mask"])) * network.task.dt
                yield table, recorded, {}

        yield Run(trials.n_trials, network.settings, attributes, batches())
