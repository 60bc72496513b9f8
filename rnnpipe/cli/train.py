"""Stage `train`: a task and settings to a trained network (.pth) and its history (.h5)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import click

from rnnpipe.cli._options import TASK, stage
from rnnpipe.errors import TrainingError
from rnnpipe.files import check_writable
from rnnpipe.io.match import check_start
from rnnpipe.io.network import read_network
from rnnpipe.memory import keep_freed_memory
from rnnpipe.networks.engines import choose_device
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.process import only_one
from rnnpipe.provenance import provenance
from rnnpipe.settings import canonical
from rnnpipe.training.checkpoint import Checkpoint
from rnnpipe.training.loop import run, write_results
from rnnpipe.training.policy_gradient import PolicyGradient
from rnnpipe.training.settings import PolicyGradientSettings


@stage(task=TASK, network=GatedSettings, value_network=ValueSettings, learning=PolicyGradientSettings)
@click.option("--seed", type=click.IntRange(0), required=True, help="seed of weights, trials, noise and actions")
@click.option(
    "--network", "network_path", type=click.Path(path_type=Path), required=True, help="network to write (.pth)"
)
@click.option("--history", type=click.Path(path_type=Path), required=True, help="history to write (.h5)")
@click.option(
    "--initial",
    type=click.Path(path_type=Path),
    help="trained network whose best weights and connections training starts from (.pth); by default random ones",
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="where the state is kept while training; by default beside the network",
)
@click.option(
    "--checkpoint_seconds",
    type=click.FloatRange(0),
    default=20.0,
    show_default=True,
    help="seconds between checkpoints",
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="where to train"
)
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads; results do not depend on it"
)
def command(
    settings: dict[str, Any],
    seed: int,
    network_path: Path,
    history: Path,
    initial: Path | None,
    checkpoint: Path | None,
    checkpoint_seconds: float,
    device: str,
    threads: int,
) -> None:
    """Train a policy and a value network by policy gradient, until the task's criterion is reached."""
    keep_freed_memory()
    where = choose_device(device, settings["task"])
    plain = {name: group.model_dump(mode="json") for name, group in settings.items()}
    plain["task"] = {"name": settings["task"].name, **plain["task"]}
    made_by = provenance("train")
    start = None
    if initial is not None:
        start = read_network(initial)
        check_start(start, settings["task"], settings["network"], settings["value_network"])
        made_by["initial"] = hashlib.sha256(initial.read_bytes()).hexdigest()  # what it holds, wherever it lies
    key = canonical([plain, seed, made_by, where.type])
    place = checkpoint or network_path.with_name(f".{network_path.name}.checkpoint")
    check_writable(network_path, history, place)
    with only_one(place):
        learner = PolicyGradient(
            settings["task"],
            settings["network"],
            settings["value_network"],
            settings["learning"],
            seed,
            where,
            threads,
            start,
        )
        kept = Checkpoint(place, key)
        run(learner, kept, checkpoint_seconds)
        best = learner.best
        task = settings["task"]
        summary = (
            f"{learner.n_trials} trials, best network: reward {best['mean_reward']:+.3f}, "
            + ", ".join(f"{word} {best[name]:.3f}" for name, word in task.measures.items())
            + f" (criterion {', '.join(f'{getattr(task, name):g}' for name in task.targets)})"
        )
        failed = not learner.reached_criterion and settings["learning"].target_reward is None
        if failed and settings["learning"].on_failure == "error":
            # beside the declared outputs, which a workflow engine deletes when a job fails
            network_path = network_path.with_name(f"{network_path.stem}.failed.pth")
            history = history.with_name(f"{history.name.removesuffix('.h5')}.failed.h5")
        write_results(learner, network_path, history, plain, seed, made_by)
        if failed and settings["learning"].on_failure == "error":
            raise TrainingError(
                f"the criterion was not reached after {summary}; history in {history}, network in {network_path}."
                " Raise learning.max_updates, try another seed, or set learning.on_failure: keep."
            )
        kept.drop()
    print(f"{'criterion not reached' if failed else 'done'} after {summary}; wrote {network_path}", flush=True)
