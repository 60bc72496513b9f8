"""Stage `fixed_points`: where the noise-free network comes to rest under each constant input of its task (.h5)."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.special import softmax

from rnnpipe.analysis.constant_inputs import constant_inputs, visited_states
from rnnpipe.analysis.fixed_points import find_fixed_points
from rnnpipe.analysis.fixed_points_settings import FixedPointSettings
from rnnpipe.analysis.gated_map import Array, GatedMap
from rnnpipe.cli._options import stage
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.result import FixedPointSet
from rnnpipe.fixed_points.search import search
from rnnpipe.fixed_points.settings import SearchSettings
from rnnpipe.fixed_points.visited import visited_states as rate_network_states
from rnnpipe.inputs import noted_inputs
from rnnpipe.io.certified_points import write_certified_points
from rnnpipe.io.ctrnn import KIND as CTRNN
from rnnpipe.io.ctrnn import read_ctrnn
from rnnpipe.io.fixed_points import write_fixed_points
from rnnpipe.io.match import check_match
from rnnpipe.io.network import KIND as POLICY
from rnnpipe.io.network import Network, kind_of, read_network
from rnnpipe.io.rate_network import read_rate_network
from rnnpipe.io.trials import open_trials
from rnnpipe.networks.ctrnn import Ctrnn
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.settings import GatedSettings
from rnnpipe.provenance import provenance
from rnnpipe.tasks import modules_of_task
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._environment import AnyTask, EnvironmentTask
from rnnpipe.tasks._regression import RegressionTask

AGENT, AGENT_POINTS = "sb3_agent", "rnnpipe.evaluation.agent_points"


@stage(fixed_points=FixedPointSettings, search=SearchSettings)
@click.option(
    "--network",
    "network_path",
    type=click.Path(path_type=Path),
    required=True,
    help="trained network (.pth, or .mat of Kim et al.)",
)
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    help="trials whose states begin the search (.h5); rate networks can do without, on fresh trials of their task",
)
@click.option(
    "--input",
    "given",
    multiple=True,
    metavar="[LABEL=]FLOAT,...",
    help="constant input to search under, instead of those of the task; may be repeated (rate networks)",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="fixed points to write (.h5)")
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads; results do not depend on it"
)
def command(
    settings: dict[str, Any],
    network_path: Path,
    dataset: Path | None,
    given: tuple[str, ...],
    out: Path,
    threads: int,
) -> None:
    """Find the fixed points of a trained network under each constant input of its task.

    The points of rate networks (of either kind) are certified, classified and tested for completeness, as --search.*
    says, and a summary is printed as JSON; those of gated networks, and of the LSTM of an agent of
    Stable-Baselines3, are searched for as --fixed_points.* says.
    """
    kind = kind_of(network_path) if network_path.suffix != ".mat" else None
    if kind == AGENT:
        if dataset is None or given:
            raise SettingsError(f"{network_path}: is an agent of Stable-Baselines3: give --dataset, and no --input.")
        _agent(network_path, dataset, settings["fixed_points"], out)
        return
    if kind == POLICY:
        network = read_network(network_path)
        if isinstance(network.task, EnvironmentTask):
            raise ArtefactError(
                f"{network_path}: was trained on task {network.task.name!r}, an environment whose inputs follow from"
                " what is done: it has no periods of constant input under which fixed points could be searched for;"
                " take a network of a trial-structured task."
            )
        if isinstance(network.policy_settings, GatedSettings):
            if dataset is None or given:
                raise SettingsError(f"{network_path}: is a gated network: give --dataset, and no --input.")
            _gated(network, network.task, network.policy_settings, dataset, settings["fixed_points"], out)
            return
    stored = _stored_ctrnn(network_path) if kind == CTRNN else _stored_rate(network_path)
    _certified(stored, dataset, given, settings["search"], out, threads)


def _agent(path: Path, dataset: Path, search: FixedPointSettings, out: Path) -> None:
    points_of = importlib.import_module(AGENT_POINTS)  # by name: only what agents have depends on it
    agent, found = points_of.agent_points(path, dataset, search)
    _report(found, search)
    write_fixed_points(
        out,
        found,
        {"learning": agent.settings.model_dump(mode="json"), "fixed_points": search.changed()}
        | {"task": {"name": agent.task.name, **agent.task.model_dump(mode="json")}},
        _made_by(out, path, dataset, agent.task, AGENT_POINTS.removeprefix("rnnpipe.")),
        task=agent.task.name,
        dt=agent.task.dt,
        seed=agent.seed,
        input_names=list(agent.make_env(1).unwrapped.input_names),
        action_names=list(agent.task.action_names),
    )
    print(f"wrote {out} ({sum(len(points.x) for _, points, _ in found.values())} fixed points)", flush=True)


def _made_by(out: Path, network: Path, dataset: Path | None, task: AnyTask | None, *modules: str) -> dict[str, Any]:
    """Provenance of fixed points."""
    modules = (*modules, *(modules_of_task(task) if task is not None else ()))
    read = noted_inputs(out, [("network", network), ("dataset", dataset)])
    return {**provenance("fixed_points", *modules), **read}


def _report(found: Mapping[str, tuple[Any, Any, Any]], search: FixedPointSettings) -> None:
    for label, (_, points, _) in found.items():
        print(
            f"{label}: {len(points.x)} fixed points, {int(points.stable.sum())} stable;"
            f" {points.n_converged} of {points.n_starts} starts ended at one; after {search.relaxation:g} ms of"
            f" relaxation states change by {points.relaxed_speed:.2g} per s",
            flush=True,
        )


def _gated(
    network: Network, task: Task, units: GatedSettings, dataset: Path, search: FixedPointSettings, out: Path
) -> None:
    tau = units.tau
    noise_sd = math.sqrt(2 * tau / task.dt * units.var_rec)
    with open_trials(dataset) as trials:
        check_match(network, trials)
        some = trials[: search.n_trials]
    policy = {name: tensor.numpy().astype(np.float64) for name, tensor in network.policy.items()}
    visited = visited_states(policy, some, tau, noise_sd, np.random.default_rng([search.seed, 0]))
    found = {}
    for k, (label, u) in enumerate(constant_inputs(task).items()):
        gated = GatedMap.of(policy, u, task.dt, tau)
        points = find_fixed_points(gated, visited, search, np.random.default_rng([search.seed, 1 + k]))
        probability = softmax(np.maximum(points.x, 0) @ policy["w_out"].T + policy["b_out"], axis=1)
        found[label] = (u, points, probability)
        _report({label: found[label]}, search)
    write_fixed_points(
        out,
        found,
        {**network.settings, "fixed_points": search.changed()},
        _made_by(out, network.path, dataset, task),
        task=task.name,
        dt=task.dt,
        tau=tau,
        seed=network.seed,
        input_names=list(task.input_names),
        action_names=list(task.action_names),
    )
    print(f"wrote {out} ({sum(len(points.x) for _, points, _ in found.values())} fixed points)", flush=True)


@dataclass(frozen=True)
class _Stored:
    """A rate network of either kind, and what is known of it."""

    path: Path
    network: Ctrnn | RateNetwork
    task: Task | None
    settings: dict[str, Any]
    sigma: float
    """SD of its noise, in the sense of its kind."""
    seed: int


def _stored_ctrnn(path: Path) -> _Stored:
    stored = read_ctrnn(path)
    return _Stored(path, stored.network, stored.task, stored.settings, stored.network.sigma_rec, stored.seed)


def _stored_rate(path: Path) -> _Stored:
    stored = read_rate_network(path)
    return _Stored(path, stored.network, stored.task, stored.settings, stored.sigma_rec, stored.network.seed)


def _certified(
    stored: _Stored,
    dataset: Path | None,
    given: tuple[str, ...],
    settings: SearchSettings,
    out: Path,
    threads: int,
) -> None:
    network, task = stored.network, stored.task
    inputs = _inputs(given, network.n_inputs, task, stored.path)
    trials = _trial_inputs(stored, dataset, settings)
    states = None
    if trials is not None:
        states = rate_network_states(network, trials, stored.sigma, np.random.default_rng([settings.seed, 0]))
    found: dict[str, FixedPointSet] = {}
    for k, (label, u) in enumerate(inputs.items()):
        rng = np.random.default_rng([settings.seed, 1 + k])
        points = search(Flow.of(network, u), states, settings, rng, threads)
        evidence = "; ".join(points.completeness.reasons)
        print(
            f"{label}: {points.n_points} fixed points, {int(points.certificates.certified.sum())} certified,"
            f" {int(points.stability.stable.sum())} stable; "
            + ("nothing speaks against completeness" if not evidence else f"not certified complete: {evidence}"),
            flush=True,
        )
        found[label] = points
    write_certified_points(
        out,
        found,
        {**stored.settings, "search": settings.changed()},
        _made_by(out, stored.path, dataset, task),
        task="" if task is None else task.name,
        dt=float(network.dt),
        seed=stored.seed,
        input_names=list(task.input_names) if task is not None else [str(i) for i in range(network.n_inputs)],
    )
    print(json.dumps({label: points.summary() for label, points in found.items()}, indent=1))
    print(f"wrote {out} ({sum(points.n_points for points in found.values())} fixed points)", flush=True)


def _inputs(given: tuple[str, ...], n_inputs: int, task: Task | None, path: Path) -> dict[str, Array]:
    """The inputs to search under, by label."""
    if not given:
        if task is None:
            raise SettingsError(f"{path}: does not say which task it was trained on; give --input.")
        return task.protocol_inputs() if isinstance(task, RegressionTask) else constant_inputs(task)
    inputs: dict[str, Array] = {}
    for text in given:
        label, _, values = text.rpartition("=")
        try:
            u = np.array([float(value) for value in values.split(",")])
        except ValueError:
            raise SettingsError(
                f"--input {text}: expected numbers with commas between them, e.g. {','.join(['0'] * n_inputs)}."
            ) from None
        if len(u) != n_inputs or not np.isfinite(u).all():
            raise SettingsError(f"--input {text}: has {len(u)} values, expected {n_inputs} finite ones, one a channel.")
        if (label or values) in inputs:
            raise SettingsError(f"--input {text}: a second input of this label; give it another one.")
        inputs[label or values] = u
    return inputs


def _trial_inputs(stored: _Stored, dataset: Path | None, settings: SearchSettings) -> Array | None:
    """Inputs of trials, (n_steps, n_trials, n_inputs); None where there are none."""
    task = stored.task
    if dataset is None:
        if task is None:
            return None
        trials = task.sample(np.random.default_rng([settings.seed, 0, 0]), settings.n_trials)
        return np.asarray(trials.inputs, np.float64)
    with open_trials(dataset) as file:
        found = file.attributes.get("task"), file.attributes.get("dt"), file.file["inputs"].shape[2]
        expected = task.name if task is not None else found[0], float(stored.network.dt), stored.network.n_inputs
        for what, theirs, ours in zip(("task", "dt in ms", "number of inputs"), found, expected, strict=True):
            if theirs != ours:
                raise ArtefactError(
                    f"{dataset}: its {what} is {theirs!r}, that of {stored.path} {ours!r}; take a data set of the"
                    " network's task."
                )
        return np.asarray(file[: settings.n_trials].inputs, np.float64)
