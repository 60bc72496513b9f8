"""Stage `train`: a task and settings to trained networks (.pth) and their histories (.h5)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rnnpipe.cli._options import TASK, stage
from rnnpipe.provenance import provenance
from rnnpipe.tasks import modules_of_task
from rnnpipe.training.job import Job
from rnnpipe.training.rules import groups_of, modules_of, rule_of


@stage(choose=groups_of, task=TASK, network=None, value_network=None, learning=None)
@click.option(
    "--seed",
    "seeds",
    type=click.IntRange(0),
    required=True,
    multiple=True,
    help="seed of weights, trials, noise and actions; rules bptt and regression train several networks at once: repeat"
    " it for each",
)
@click.option(
    "--network",
    "network_path",
    type=click.Path(path_type=Path),
    required=True,
    help="network to write (.pth; of rule bptt also .mat beside it); {seed} in the name stands for the seed",
)
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    required=True,
    help="history to write (.h5); {seed} in the name stands for the seed",
)
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
    seeds: Sequence[int],
    network_path: Path,
    history: Path,
    initial: Path | None,
    checkpoint: Path | None,
    checkpoint_seconds: float,
    device: str,
    threads: int,
) -> None:
    """Train networks on a task, by policy gradient or, with --learning.rule bptt or regression, supervised.

    `rnnpipe train --learning.rule regression --help` lists the settings of that rule.
    """
    plain = {name: group.model_dump(mode="json") for name, group in settings.items()}
    plain["task"] = {"name": settings["task"].name, **plain["task"]}
    learner = importlib.import_module(f"rnnpipe.training.run_{rule_of(plain)}")
    job = Job(
        settings=settings,
        plain=plain,
        seeds=list(dict.fromkeys(seeds)),
        network_path=network_path,
        history_path=history,
        initial=initial,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        device=device,
        threads=threads,
        provenance=provenance("train", *modules_of_task(settings["task"]), *modules_of(plain)),
    )
    learner.train(job)
