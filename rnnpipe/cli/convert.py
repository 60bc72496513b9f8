"""Stage `convert`: the parameters of a network of another program to a network of ours (.pth)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from rnnpipe.cli._options import TASK, stage
from rnnpipe.errors import SettingsError
from rnnpipe.inputs import noted_inputs
from rnnpipe.io.ctrnn import write_ctrnn
from rnnpipe.io.exchange.trainrnnbrain import as_network, read_parameters
from rnnpipe.networks.ctrnn import ARRAYS
from rnnpipe.networks.ctrnn_engine import CtrnnEngine
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.networks.engines import hold_libraries
from rnnpipe.provenance import provenance
from rnnpipe.tasks import modules_of_task
from rnnpipe.tasks._regression import RegressionTask


@stage(task=TASK, network=CtrnnSettings)
@click.option(
    "--parameters",
    type=click.Path(path_type=Path),
    required=True,
    help="parameters of a network of trainRNNbrain (.pkl, .json or .npz)",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="network to write (.pth)")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="noted as the network's; seed of its score"
)
def command(settings: dict[str, Any], parameters: Path, out: Path, seed: int) -> None:
    """Make a continuous-time network of the parameters of one that trainRNNbrain trained.

    What its file does not say is set by --network.*: the activation of networks of 2023, whether Dale's principle
    holds, the noise. The network is scored on fresh trials of the task, as after a training.
    """
    task = settings["task"]
    if not isinstance(task, RegressionTask):
        raise SettingsError(
            f"task {task.name} has no target in time for outputs; take a task that has (flip_flop, ...)."
        )
    hold_libraries()
    made = as_network(read_parameters(parameters), settings["network"], task.dt, parameters)
    network = made.network
    expected, found = (len(task.input_names), len(task.output_names)), (network.n_inputs, network.n_outputs)
    if found != expected:
        raise SettingsError(
            f"{parameters}: is a network of {found[0]} inputs and {found[1]} outputs, but task {task.name} has"
            f" {expected[0]} and {expected[1]}; give the task's settings."
        )
    trials_seed, noise = np.random.SeedSequence(seed).spawn(2)
    fresh, engine = task.batch(np.random.default_rng(trials_seed)), CtrnnEngine(network)
    arrays = {name: getattr(network, name) for name in ARRAYS}
    noise_seed = int(noise.generate_state(1, np.uint64)[0] >> np.uint64(1))
    clean, noisy = (task.score(engine.run(arrays, fresh.inputs, s)[0], fresh) for s in (None, noise_seed))
    plain = {"network": made.settings.model_dump(mode="json"), "seed": seed}
    plain["task"] = {"name": task.name, **task.model_dump(mode="json")}
    read = noted_inputs(out, [("parameters", parameters)])
    made_by = {**provenance("convert", *modules_of_task(task)), **read}
    score = {**clean, **{f"noisy_{name}": value for name, value in noisy.items()}}
    write_ctrnn(out, network, network, made.constraints, plain, seed, score, made_by, {})
    print(
        f"wrote {out} ({network.n_units} units, {made.settings.activation}); error on fresh trials {clean['mse']:.4g},"
        f" with noise {noisy['mse']:.4g}",
        flush=True,
    )
