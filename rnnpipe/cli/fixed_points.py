"""Stage `fixed_points`: where the noise-free network comes to rest under each constant input of its task (.h5)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.special import softmax

from rnnpipe.analysis.constant_inputs import constant_inputs, visited_states
from rnnpipe.analysis.fixed_points import find_fixed_points
from rnnpipe.analysis.fixed_points_settings import FixedPointSettings
from rnnpipe.analysis.gated_map import GatedMap
from rnnpipe.cli._options import stage
from rnnpipe.errors import ArtefactError
from rnnpipe.io.fixed_points import write_fixed_points
from rnnpipe.io.match import check_match
from rnnpipe.io.network import read_network
from rnnpipe.io.trials import open_trials
from rnnpipe.networks.settings import GatedSettings
from rnnpipe.provenance import provenance
from rnnpipe.tasks._environment import EnvironmentTask


@stage(fixed_points=FixedPointSettings)
@click.option(
    "--network", "network_path", type=click.Path(path_type=Path), required=True, help="trained network (.pth)"
)
@click.option(
    "--dataset", type=click.Path(path_type=Path), required=True, help="trials whose states begin the search (.h5)"
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="fixed points to write (.h5)")
def command(settings: dict[str, Any], network_path: Path, dataset: Path, out: Path) -> None:
    """Find the fixed points of a trained policy network under each constant input of its task."""
    search: FixedPointSettings = settings["fixed_points"]
    network = read_network(network_path)
    task, units = network.task, network.policy_settings
    if not isinstance(units, GatedSettings):
        raise ArtefactError(
            f"{network_path}: is a {units.kind} network; fixed points are searched for in gated and simple networks."
        )
    if isinstance(task, EnvironmentTask):
        raise ArtefactError(
            f"{network_path}: was trained on task {task.name!r}, an environment whose inputs follow from what is done:"
            " it has no periods of constant input under which fixed points could be searched for; take a network of a"
            " trial-structured task."
        )
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
        print(
            f"{label}: {len(points.x)} fixed points, {int(points.stable.sum())} stable;"
            f" {points.n_converged} of {points.n_starts} starts ended at one; after {search.relaxation:g} ms of"
            f" relaxation states change by {points.relaxed_speed:.2g} per s",
            flush=True,
        )
    write_fixed_points(
        out,
        found,
        {**network.settings, "fixed_points": search.changed()},
        provenance("fixed_points"),
        task=task.name,
        dt=task.dt,
        tau=tau,
        seed=network.seed,
        input_names=list(task.input_names),
        action_names=list(task.action_names),
    )
    print(f"wrote {out} ({sum(len(points.x) for _, points, _ in found.values())} fixed points)", flush=True)
