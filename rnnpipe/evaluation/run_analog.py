"""Evaluation of rate networks with a continuous output, and of the spiking networks that they are mapped to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.evaluation.analog import batch_size, rate_batches, spiking_batches
from rnnpipe.evaluation.run import Run, units_of
from rnnpipe.io.rate_network import read_rate_network
from rnnpipe.io.spiking import mapping_of
from rnnpipe.io.trials import open_trials
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.tasks._base import Task


@contextlib.contextmanager
def analog_run(
    path: Path,
    dataset: Path,
    given: Task | None,
    lif: LifSettings,
    spiking: Path | None,
    factor: float | None,
    seed: int,
    activity: bool,
    threads: int,
) -> Iterator[Run]:
    """An evaluation of a rate network, or of the spiking network of a factor or of a file of stage `spiking`."""
    stored = read_rate_network(path, given)
    network, task = stored.network, given or stored.task
    settings: dict[str, Any] = dict(stored.settings)
    if spiking is not None or factor is not None:
        lif, factor = mapping_of(network.seed, lif, spiking, factor)
        settings |= {"lif": lif.model_dump(mode="json"), "scaling_factor": factor}
    with open_trials(dataset) as trials:
        if task is None:
            raise SettingsError(f"{path}: does not say what it was trained on; give --task.name.")
        if not isinstance(task, AnalogTask):
            raise SettingsError(f"{path}: task {task.name} has no continuous output to judge.")
        has = trials.attributes.get("task"), trials.attributes.get("dt"), trials.file["inputs"].shape[2]
        if has != (task.name, task.dt, network.n_inputs):
            raise ArtefactError(
                f"{dataset}: holds trials of {has[0]!r} with steps of {has[1]:g} ms and {has[2]} inputs, but {path} is"
                f" a network of {task.name!r} with steps of {task.dt:g} ms and {network.n_inputs} inputs; evaluate it"
                " on a dataset of its own task."
            )
        attributes = {
            "task": task.name,
            "dt": task.dt,
            "seed": network.seed,
            "dataset_seed": int(trials.attributes.get("seed", -1)),
            "input_names": list(task.input_names),
            "action_names": list(task.action_names),
            "n_trials_trained": int(stored.score.get("n_trials_trained", -1)),
            "reached_criterion": bool(stored.score.get("reached_criterion", False)),
        }
        if factor is not None:
            attributes["scaling_factor"] = factor
        batches = trials.batches(batch_size(task.n_steps, network.n_units))
        if factor is None:
            run = rate_batches(task, network, (stored.sigma_rec, stored.sigma_init), batches, seed, activity)
        else:
            run = spiking_batches(task, network, factor, lif, batches, seed, activity, threads)
        settings.setdefault("task", {"name": task.name, **task.model_dump(mode="json")})
        yield Run(trials.n_trials, settings, attributes, run, units_of(network))
