"""Stage `evaluate`: a network and a dataset to a trial table and, on demand, activity (.h5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from rnnpipe.cli._options import stage
from rnnpipe.evaluation.simulate import simulate
from rnnpipe.io.episodes import open_episodes
from rnnpipe.io.evaluation import KIND, SCHEMA
from rnnpipe.io.hdf5 import create, fill, put
from rnnpipe.io.match import check_match
from rnnpipe.io.network import read_network
from rnnpipe.io.trials import TrialsFile, open_trials
from rnnpipe.memory import keep_freed_memory
from rnnpipe.networks.engine import batch_size
from rnnpipe.networks.engines import choose_device
from rnnpipe.progress import Progress
from rnnpipe.provenance import provenance
from rnnpipe.tasks._environment import EnvironmentTask


@stage()
@click.option(
    "--network", "network_path", type=click.Path(path_type=Path), required=True, help="trained network (.pth)"
)
@click.option("--dataset", type=click.Path(path_type=Path), required=True, help="trials to run it on (.h5)")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="evaluation to write (.h5)")
@click.option("--record_activity", is_flag=True, help="also record rates, values, actions and rewards of every step")
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
    seed: int,
    device: str,
    threads: int,
) -> None:
    """Run a trained network on a dataset, with noise and drawn actions, and write what it did."""
    keep_freed_memory()
    network = read_network(network_path)
    where = choose_device(device, network.task)
    own = isinstance(network.task, EnvironmentTask)
    with open_episodes(dataset, network) if own else open_trials(dataset) as trials:
        if isinstance(trials, TrialsFile):
            check_match(network, trials)
        progress = Progress(trials.n_trials, unit="trial")
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
        with create(out, KIND, network.settings, provenance("evaluate"), **attributes) as file:
            start = 0
            for table, activity in simulate(
                network, trials.batches(batch_size(network.task.n_steps)), where, threads, seed, record_activity
            ):
                n = len(table["choice"])
                columns = {f"trials/{k}": v for k, v in table.items()}
                columns |= {f"activity/{k}": v for k, v in activity.items()}
                for name, values in columns.items():
                    along = 0 if name.startswith("trials/") else 1
                    if start == 0:
                        shape = (*values.shape[:along], trials.n_trials, *values.shape[along + 1 :])
                        put(file, name, SCHEMA, shape=shape, dtype=values.dtype)
                    fill(file[name], (slice(None),) * along + (slice(start, start + n),), values)
                start += n
                progress.advance(n)
            if record_activity:
                n_steps = file["activity/mask"].shape[0]
                put(file, "activity/time", SCHEMA, np.arange(n_steps) * network.task.dt)
        progress.close()
    print(f"wrote {out} ({trials.n_trials} trials)", flush=True)
