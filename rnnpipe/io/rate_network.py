"""Rate networks on disk (.pth): plain tensors and plain settings; `read_rate_network` also reads the field's `.mat`.

The policies of `rnnpipe.io.network` that are rate networks are read, too. Contents: kind, schema_version, settings
(task, network, learning), seed, network (the arrays of a `RateNetwork`, w rectified under Dale's principle), score,
provenance, and `resume`, the state of the training at its end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.io.network import KIND as POLICY
from rnnpipe.io.network import SCHEMA_VERSION, kind_of, read_network, read_tensors, write_tensors
from rnnpipe.io.plain import score_of, seed_of, settings_of
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.rate_parameters import as_network
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import task_names, trial_task_class
from rnnpipe.tasks._base import Task

KIND = "rate_network"
ARRAYS = ("w", "sign", "mask", "w_in", "w_out", "b_out", "b_rec", "gamma")
INITIAL = ("w_initial", "gamma_initial")


@dataclass(frozen=True)
class StoredRateNetwork:
    """A trained rate network and what is known of its training."""

    path: Path
    network: RateNetwork
    settings: dict[str, Any]
    """Settings of task, network and learning; empty for a foreign file."""
    task: Task | None
    """Task that it was trained on; None where the file does not say."""
    score: dict[str, Any]
    """`accuracy`, `loss`, `n_trials_trained`, `reached_criterion` where they are known."""
    sigma_rec: float
    """SD of the noise of a step of the rate model."""
    sigma_init: float
    """SD of its initial states."""


def write_rate_network(
    path: str | Path,
    network: RateNetwork,
    settings: Mapping[str, Any],
    score: Mapping[str, Any],
    provenance: Mapping[str, Any],
    resume: Mapping[str, Any],
) -> None:
    """Write a trained network and the state that resumes its training."""
    arrays = {name: getattr(network, name) for name in (*ARRAYS, *INITIAL)}
    content = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "settings": json.dumps(settings, sort_keys=True),
        "seed": network.seed,
        "network": {name: torch.from_numpy(np.array(a)) for name, a in arrays.items() if a is not None},
        "score": dict(score),
        "provenance": json.dumps(dict(provenance), sort_keys=True),
        "resume": dict(resume),
    }
    write_tensors(path, content)


def read_rate_network(path: str | Path, task: Task | None = None) -> StoredRateNetwork:
    """Read a trained rate network, ours (.pth) or one in the format of Kim et al. (.mat).

    Args:
        path: The file.
        task: What a foreign file was trained on; by default what it says itself, if it does.

    Raises:
        ArtefactError: Missing, truncated, foreign, hostile, or of another kind; a wrong shape or value.
    """
    path = Path(path)
    if path.suffix == ".mat":
        from rnnpipe.io.mat import read_mat

        return _of_mat(path, read_mat(path), task)
    if kind_of(path) == POLICY:
        return _of_policy(path)
    content = read_tensors(path, KIND)
    try:
        settings = settings_of(str(path), content["settings"])
        task_settings = dict(settings["task"])
        trained_on = parse(trial_task_class(task_settings.pop("name")), task_settings, "task")
        rate = parse(RateSettings, settings["network"], "network")
        arrays: dict[str, NDArray[np.floating]] = {k: v.numpy() for k, v in content["network"].items()}
        missing = [name for name in ARRAYS if name not in arrays]
        if missing:
            raise ArtefactError(f"{path}: has no array {missing[0]!r}; train the network again.")
        for name, array in arrays.items():
            if array.dtype not in (np.float32, np.float64):
                raise ArtefactError(f"{path}: {name} holds {array.dtype}, expected float32; train the network again.")
        seed = seed_of(str(path), content["seed"])
        network = as_network(arrays, rate, trained_on.dt, seed, trained_on.name).check(str(path))
        expected = rate.n_units, len(trained_on.input_names)
        if (network.n_units, network.n_inputs) != expected:
            raise ArtefactError(
                f"{path}: holds a network of {network.n_units} units and {network.n_inputs} inputs, its settings ask"
                f" for {expected[0]} and {expected[1]}; train the network again."
            )
        return StoredRateNetwork(
            path, network, settings, trained_on, score_of(str(path), content["score"]), rate.sigma_rec, rate.sigma_init
        )
    except SettingsError as error:
        raise ArtefactError(f"{path}: was made with settings this rnnpipe does not know: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ArtefactError(f"{path}: is damaged or incomplete ({error!r}); train the network again.") from None


def _of_policy(path: Path) -> StoredRateNetwork:
    """A rate network that acts; its outputs are the logits of its actions."""
    stored = read_network(path)
    units, task = stored.policy_settings, stored.task
    if not isinstance(units, RateSettings):
        raise ArtefactError(
            f"{path}: is a {units.kind} network; only rate networks (network.kind: rate) can be used here."
        )
    if not isinstance(task, Task):
        raise ArtefactError(
            f"{path}: was trained on task {task.name!r}, an environment, whose inputs follow from actions."
        )
    arrays = {name: tensor.numpy() for name, tensor in stored.parameters["policy"].items()}
    arrays |= {f"{name}_initial": tensor.numpy() for name, tensor in stored.initial.items()}
    ones, mask = np.ones_like(arrays["w"]), stored.masks["policy"].get("w")
    arrays = {"sign": ones[0], **arrays, "mask": ones if mask is None else mask.numpy()}
    network = as_network(arrays, units, task.dt, stored.seed, task.name).check(str(path))
    return StoredRateNetwork(path, network, stored.settings, task, stored.score, units.sigma_rec, units.sigma_init)


def _of_mat(path: Path, file: Any, task: Task | None) -> StoredRateNetwork:
    variables = file.variables
    for warning in file.warnings:
        print(f"{path}: {warning}", flush=True)
    score: dict[str, Any] = {}
    for ours, theirs in (("accuracy", "eval_perf_mean"), ("loss", "eval_loss_mean"), ("n_trials_trained", "tr")):
        if theirs in variables:
            values = variables[theirs]
            if values.dtype.kind not in "fiub" or (theirs == "tr" and not np.isfinite(values).all()):
                found = f"{values.flat[0]!s:.40}" if values.size else "text"
                raise ArtefactError(
                    f"{path}: variable {theirs!r} is {found!r}, expected a real number; save it as one or remove it."
                )
            if values.size:
                score[ours] = float(values.flat[0]) + (theirs == "tr")  # tr counts from 0
    if "accuracy" in score:
        # the file has no flag of success: the authors' criterion is applied to its last evaluation
        score["reached_criterion"] = score["accuracy"] > 0.95 and score.get("loss", 0.0) < 7
    if task is None and file.network.task in task_names():
        task = parse(trial_task_class(file.network.task), {"dt": file.network.dt}, str(path))
    defaults = RateSettings()
    return StoredRateNetwork(path, file.network, {}, task, score, defaults.sigma_rec, defaults.sigma_init)
