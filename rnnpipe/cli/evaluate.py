"""Stage `evaluate`: a network and a dataset to a trial table and, on demand, activity (.h5)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from rnnpipe.cli._options import TASK, stage
from rnnpipe.errors import SettingsError
from rnnpipe.evaluation.run_analog import analog_run
from rnnpipe.evaluation.run_policy import policy_run
from rnnpipe.evaluation.run_regression import regression_run
from rnnpipe.inputs import noted_inputs
from rnnpipe.io.ctrnn import KIND as CTRNN
from rnnpipe.io.evaluation import write_evaluation
from rnnpipe.io.network import kind_of
from rnnpipe.io.rate_network import KIND as RATE_NETWORK
from rnnpipe.memory import keep_freed_memory
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.progress import Progress
from rnnpipe.provenance import provenance
from rnnpipe.settings import parse
from rnnpipe.tasks import modules_of_task, task_class

AGENT, AGENT_RUN = "sb3_agent", "rnnpipe.evaluation.run_agent"


@stage(optional=("task",), task=TASK, lif=LifSettings)
@click.option(
    "--network",
    "network_path",
    type=click.Path(path_type=Path),
    required=True,
    help="trained network (.pth, or .mat of Kim et al.)",
)
@click.option("--dataset", type=click.Path(path_type=Path), required=True, help="trials to run it on (.h5)")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="evaluation to write (.h5)")
@click.option("--record_activity", is_flag=True, help="also record rates, outputs or values and actions of every step")
@click.option(
    "--noise_free", is_flag=True, help="without the noise of units, inputs and outputs (continuous-time networks)"
)
@click.option(
    "--spiking",
    type=click.Path(path_type=Path),
    help="run the spiking network instead, with the units and the factor of this file of stage spiking (.h5)",
)
@click.option(
    "--scaling_factor",
    type=float,
    help="run the spiking network of this factor, with the units of --lif.* or those of --spiking",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="seed of recurrent noise and actions"
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="where to run"
)
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads; results do not depend on it"
)
def command(
    settings: dict[str, Any],
    network_path: Path,
    dataset: Path,
    out: Path,
    record_activity: bool,
    noise_free: bool,
    spiking: Path | None,
    scaling_factor: float | None,
    seed: int,
    device: str,
    threads: int,
) -> None:
    """Run a trained network on a dataset, with noise (and drawn actions), and write what it did.

    An agent of Stable-Baselines3 takes the most probable actions.
    A continuous-time network has outputs that are compared with their target, and answers where its task has them.
    A rate network is run as it is, or as the spiking network that it is mapped to: give --spiking or --scaling_factor.
    """
    keep_freed_memory()
    if scaling_factor is not None and scaling_factor <= 0:
        raise SettingsError(f"--scaling_factor {scaling_factor:g}: it divides the weights and must be above 0.")
    kind = kind_of(network_path) if network_path.suffix != ".mat" else RATE_NETWORK
    if kind == AGENT:
        if spiking is not None or scaling_factor is not None or noise_free:
            raise SettingsError(
                f"{network_path}: is an agent of Stable-Baselines3; leave --spiking, --scaling_factor and --noise_free"
                " out."
            )
        agents = importlib.import_module(AGENT_RUN)  # by name: only agents' evaluations depend on it
        started = agents.agent_run(network_path, dataset, device, record_activity)
    elif kind == CTRNN:
        if spiking is not None or scaling_factor is not None:
            raise SettingsError(f"{network_path}: is a continuous-time network; only rate networks run with spikes.")
        started = regression_run(network_path, dataset, seed, not noise_free, record_activity, threads)
    elif noise_free:
        raise SettingsError(f"--noise_free: {network_path} is no continuous-time network, which alone can do so.")
    elif kind == RATE_NETWORK:
        started = analog_run(
            network_path,
            dataset,
            settings.get("task"),
            settings["lif"],
            spiking,
            scaling_factor,
            seed,
            record_activity,
            threads,
        )
    else:
        started = policy_run(
            network_path, dataset, settings["lif"], spiking, scaling_factor, seed, device, record_activity, threads
        )
    read = ("network", network_path), ("dataset", dataset), ("spiking", spiking)
    asked = {"seed": seed, "record_activity": record_activity, "noise_free": noise_free}
    with started as run:
        progress = Progress(run.n_trials, unit="trial")
        write_evaluation(
            out,
            run.batches,
            run.n_trials,
            {**run.settings, "evaluation": asked},
            {**provenance("evaluate", *_modules(kind, run.settings)), **noted_inputs(out, read)},
            run.attributes,
            run.extra,
            progress.advance,
        )
        progress.close()
    print(f"wrote {out} ({run.n_trials} trials)", flush=True)


def _modules(kind: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Modules below `rnnpipe` that the evaluation of a kind of network imports by name."""
    values = dict(settings["task"])
    task = parse(task_class(values.pop("name")), values, "task")
    return (*modules_of_task(task), *([AGENT_RUN.removeprefix("rnnpipe.")] if kind == AGENT else []))
