"""Continuous-time networks on disk (.pth): plain tensors and plain settings, read without running any code.

Contents: kind, schema_version, settings (task, network, learning), seed, network (the arrays of a `Ctrnn`), initial
(the same before training), constraints (masks, signs and what is held), score, provenance, and `resume`, the state of
the training at its end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.io.network import SCHEMA_VERSION, read_tensors, write_tensors
from rnnpipe.io.plain import mapping_of, score_of, seed_of, settings_of
from rnnpipe.networks.ctrnn import ARRAYS, Ctrnn
from rnnpipe.networks.ctrnn_constraints import WEIGHTS, Constraints
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._regression import RegressionTask

KIND = "ctrnn"
MASKS = ("mask_rec", "mask_in", "mask_out")
SIGNS = ("sign_rec", "sign_in", "sign_out")
HELD = "held_"
"""Before the names of arrays some values of which are not trained; most networks have none."""


@dataclass(frozen=True)
class StoredCtrnn:
    """A trained continuous-time network and what is known of its training."""

    path: Path
    network: Ctrnn
    """In float32, as it was trained; `network.astype(float)` for analyses."""
    initial: Ctrnn
    """The network before training."""
    constraints: Constraints
    settings: dict[str, Any]
    """Settings of task, network and learning."""
    network_settings: CtrnnSettings
    """Those of the network, validated."""
    task: RegressionTask
    seed: int
    score: dict[str, Any]
    """Of the network on fresh trials, without noise and (`noisy_`) with it; see `RegressionTask.score`."""
    provenance: dict[str, Any]


def write_ctrnn(
    path: str | Path,
    network: Ctrnn,
    initial: Ctrnn,
    constraints: Constraints,
    settings: Mapping[str, Any],
    seed: int,
    score: Mapping[str, Any],
    provenance: Mapping[str, Any],
    resume: Mapping[str, Any],
) -> None:
    """Write a trained network and the state that resumes its training."""
    content = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "settings": json.dumps(settings, sort_keys=True),
        "seed": seed,
        "network": _tensors(network),
        "initial": _tensors(initial),
        "constraints": {
            **{name: torch.from_numpy(np.asarray(getattr(constraints, name))) for name in (*MASKS, *SIGNS)},
            **{f"{HELD}{name}": torch.from_numpy(values) for name, values in constraints.held.items()},
        },
        "score": dict(score),
        "provenance": json.dumps(dict(provenance), sort_keys=True),
        "resume": dict(resume),
    }
    write_tensors(path, content)


def _tensors(network: Ctrnn) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(getattr(network, name), np.float32)) for name in ARRAYS}


def read_ctrnn(path: str | Path) -> StoredCtrnn:
    """Read a trained network and check that its arrays are those its settings ask for and obey its constraints.

    Raises:
        ArtefactError: Missing, truncated, foreign, hostile, or of another kind; a wrong shape, value or sign.
    """
    content = read_tensors(path, KIND)
    path, where = Path(path), str(path)
    try:
        settings = settings_of(where, content["settings"])
        task_settings = dict(settings["task"])
        task = parse(trial_task_class(task_settings.pop("name")), task_settings, "task")
        if not isinstance(task, RegressionTask):
            raise ArtefactError(f"{path}: is said to be of task {task.name!r}, which has no target for outputs.")
        units = parse(CtrnnSettings, settings["network"], "network")
        constraints = _constraints(content["constraints"], units)
        network, initial = (_network(content[part], units, task, path) for part in ("network", "initial"))
        for name, mask in zip(WEIGHTS, MASKS, strict=True):
            if constraints.mask(name).shape != getattr(network, name).shape:
                raise ArtefactError(f"{path}: {mask} does not have the shape of {name}; train the network again.")
        if constraints.sign_rec.shape != (units.n_units,):
            raise ArtefactError(f"{path}: sign_rec has shape {constraints.sign_rec.shape}, expected one sign a unit.")
        for name, values in constraints.held.items():
            if values.shape != getattr(network, name).shape:
                raise ArtefactError(f"{path}: {HELD}{name} does not have the shape of {name}; train the network again.")
        broken = constraints.broken({name: getattr(network, name) for name in ARRAYS})
        if broken:
            raise ArtefactError(f"{path}: {broken}; train the network again.")
        return StoredCtrnn(
            path=path,
            network=network,
            initial=initial,
            constraints=constraints,
            settings=settings,
            network_settings=units,
            task=task,
            seed=seed_of(where, content["seed"]),
            score=score_of(where, content["score"]),
            provenance=mapping_of(where, "'provenance'", content["provenance"]),
        )
    except SettingsError as error:
        raise ArtefactError(f"{path}: was made with settings this rnnpipe does not know: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ArtefactError(f"{path}: is damaged or incomplete ({error!r}); train the network again.") from None


def _network(tensors: Mapping[str, torch.Tensor], units: CtrnnSettings, task: RegressionTask, path: Path) -> Ctrnn:
    arrays: dict[str, Any] = {name: tensors[name].numpy() for name in ARRAYS}
    if any(array.dtype != np.float32 for array in arrays.values()):
        raise ArtefactError(f"{path}: holds arrays that are not float32; train the network again.")
    network = as_ctrnn(arrays, units, task.dt).check(str(path))
    expected = units.n_units, len(task.input_names), len(task.output_names)
    found = network.n_units, network.n_inputs, network.n_outputs
    if found != expected:
        raise ArtefactError(
            f"{path}: holds a network of {found[0]} units, {found[1]} inputs and {found[2]} outputs, its settings ask"
            f" for {expected[0]}, {expected[1]} and {expected[2]}; train the network again."
        )
    return network


def as_ctrnn(arrays: Mapping[str, Any], units: CtrnnSettings, dt: float) -> Ctrnn:
    """The network of arrays by name of `ctrnn.ARRAYS` and of settings."""
    return Ctrnn(
        **arrays,
        activation=units.phi,
        form=units.form,
        tau=units.tau,
        dt=dt,
        saturation=units.saturation,
        noise_site=units.noise_site,
        sigma_rec=units.sigma_rec,
        sigma_in=units.sigma_in,
        sigma_out=units.sigma_out,
    )


def _constraints(tensors: Mapping[str, torch.Tensor], units: CtrnnSettings) -> Constraints:
    masks = {name: tensors[name].numpy().astype(bool) for name in MASKS}
    return Constraints(
        **masks,
        sign_rec=tensors["sign_rec"].numpy().astype(np.int8),
        sign_in=int(tensors["sign_in"]),
        sign_out=int(tensors["sign_out"]),
        projection=units.projection,
        bias_range=(units.bias_range[0], units.bias_range[1]) if units.train_bias else None,
        held={k.removeprefix(HELD): values.numpy() for k, values in tensors.items() if k.startswith(HELD)},
    )
