"""Evaluation of networks that act."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rnnpipe.errors import SettingsError
from rnnpipe.evaluation.run import Columns, Run
from rnnpipe.evaluation.simulate import simulate
from rnnpipe.io.episodes import open_episodes
from rnnpipe.io.match import check_match
from rnnpipe.io.network import read_network
from rnnpipe.io.trials import TrialsFile, open_trials
from rnnpipe.networks.engine import batch_size
from rnnpipe.networks.engines import choose_device
from rnnpipe.networks.lif_settings import LifSettings
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
    """An evaluation of a network that acts, with drawn actions."""
    if spiking is not None or factor is not None:
        raise SettingsError(
            f"{path}: acts by drawn actions; only rate networks with a continuous output are mapped to spikes."
        )
    network = read_network(path)
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
            "n_trials_trained": int(network.score["n_trials_trained"]),
            "reached_criterion": bool(network.score["reached_criterion"]),
        }

        def batches() -> Iterator[tuple[Columns, Columns, Columns]]:
            parts = trials.batches(batch_size(network.task.n_steps))
            for table, recorded in simulate(network, parts, where, threads, seed, activity):
                if activity:
                    recorded["time"] = np.arange(len(recorded["mask"])) * network.task.dt
                yield table, recorded, {}

        yield Run(trials.n_trials, network.settings, attributes, batches())
