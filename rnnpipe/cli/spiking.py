"""Stage `spiking`: rate networks to spiking ones, the scaling factor of each and how well it works (.h5)."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.cli._options import TASK, stage
from rnnpipe.errors import ArtefactError, Interrupted, SettingsError
from rnnpipe.files import check_writable
from rnnpipe.inputs import noted_inputs
from rnnpipe.io.hdf5 import create, put
from rnnpipe.io.rate_network import StoredRateNetwork, read_rate_network
from rnnpipe.io.spiking import KIND, SCHEMA, read_spiking
from rnnpipe.mapping.search import check_fit, map_network
from rnnpipe.mapping.settings import SearchSettings
from rnnpipe.memory import keep_freed_memory
from rnnpipe.networks.engines import hold_libraries
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.process import only_one, stop_requests
from rnnpipe.progress import Progress
from rnnpipe.provenance import provenance
from rnnpipe.settings import canonical
from rnnpipe.tasks import modules_of_task
from rnnpipe.tasks._base import Task
from rnnpipe.training.checkpoint import Checkpoint

Measures = dict[str, NDArray[Any]]


@stage(optional=("task",), task=TASK, lif=LifSettings, search=SearchSettings)
@click.option(
    "--network",
    "paths",
    type=click.Path(path_type=Path),
    required=True,
    multiple=True,
    help="rate network (.pth, or .mat of Kim et al.), or a folder of .pth files; repeat it for several",
)
@click.option(
    "--factor_of",
    type=click.Path(path_type=Path),
    help="file of this stage whose factor each network takes (by its seed), instead of a search",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="what became of them (.h5)")
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads; results do not depend on it"
)
def command(settings: dict[str, Any], paths: Sequence[Path], factor_of: Path | None, out: Path, threads: int) -> None:
    """Map rate networks to spiking ones: search the scaling factor of each, and measure it on held-out trials.

    A .mat file does not say what it was trained on: name it with --task.name. No input is changed. An interrupted run
    continues with the first network that was not done.
    """
    keep_freed_memory()
    hold_libraries()
    lif, search = settings["lif"], settings["search"]
    networks = [read_rate_network(path, settings.get("task")) for path in _files(paths)]
    task = _task(networks, settings.get("task"))
    for one in networks:
        check_fit(task, one.network, str(one.path))
    if len({one.network.n_units for one in networks}) > 1:
        raise SettingsError("networks of one file must have the same number of units; map each size by itself.")
    known = read_spiking(factor_of) if factor_of is not None else None
    made_by = provenance("spiking", *modules_of_task(task))
    plain = {"lif": lif.model_dump(mode="json"), "search": search.model_dump(mode="json")}
    plain |= {"task": {"name": task.name, **task.model_dump(mode="json")}}
    plain |= {name: networks[0].settings[name] for name in ("network", "learning") if name in networks[0].settings}
    place = out.with_name(f".{out.name}.checkpoint")
    check_writable(out, place)
    key = canonical([plain, [str(one.path) for one in networks], [_digest(one) for one in networks], made_by])
    with only_one(place):
        kept = Checkpoint(place, key)
        state, how = kept.load()
        done: list[Measures] = [] if state is None else [_arrays(row) for row in state["networks"]]
        print(f"{how} ({len(networks)} networks)".replace("training", "mapping"), flush=True)
        per_network = search.n_heldout + (0 if known is not None else len(search.factors) * search.n_trials)
        progress = Progress(per_network * len(networks), per_network * len(done), unit="simulation")
        with stop_requests() as received:
            for k, one in enumerate(networks[len(done) :], start=len(done)):
                done.append(_map(task, one, k, lif, search, known, threads, progress))
                kept.save({"networks": [{n: torch.from_numpy(np.array(a)) for n, a in row.items()} for row in done]})
                if received and k + 1 < len(networks):
                    raise Interrupted(
                        f"stopped by {signal.Signals(received[0]).name} after {k + 1} of {len(networks)} networks; the"
                        f" state is in {kept.path} and the same command continues from there."
                    )
        progress.close()
        read = [*(("network", one.path) for one in networks), ("factor_of", factor_of)]
        _write(out, task, networks, done, search, plain, {**made_by, **noted_inputs(out, read)})
        mapped = [row for row in done if np.isfinite(row["heldout"])]
        accuracy = f", mean held-out accuracy {np.mean([row['heldout'] for row in mapped]):.3f}" if mapped else ""
        print(f"wrote {out} ({len(mapped)} of {len(networks)} networks mapped{accuracy})", flush=True)
        kept.drop()


def _files(paths: Sequence[Path]) -> list[Path]:
    """Networks in the order given, those of a folder by the number in their name."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = [file for file in path.glob("*.pth") if ".failed" not in file.name]
        if not inside:
            raise ArtefactError(f"{path}: is a folder without networks (.pth).")
        found += sorted(inside, key=lambda file: (len(file.stem), file.stem))
    return list(dict.fromkeys(found))


def _task(networks: Sequence[StoredRateNetwork], given: Task | None) -> Task:
    if given is not None:
        return given
    tasks = [one.task for one in networks]
    for one, task in zip(networks, tasks, strict=True):
        if task is None:
            raise SettingsError(f"{one.path}: does not say what it was trained on; give --task.name.")
        if task != tasks[0]:
            raise SettingsError(
                f"{one.path}: was trained on another task (or other settings of it) than {networks[0].path}; map it by"
                " itself or give --task.name."
            )
    assert tasks[0] is not None
    return tasks[0]


def _digest(one: StoredRateNetwork) -> str:
    return hashlib.sha256(one.path.read_bytes()).hexdigest()


def _arrays(row: dict[str, Any]) -> Measures:
    return {name: value.numpy() for name, value in row.items()}


def _map(
    task: Task,
    one: StoredRateNetwork,
    place: int,
    lif: LifSettings,
    search: SearchSettings,
    known: Any,
    threads: int,
    progress: Progress,
) -> Measures:
    network, trained = one.network, bool(one.score.get("reached_criterion", True))
    seed = network.seed if network.seed >= 0 else place
    n_conditions = len(task.factorial())
    missing: Measures = {
        "accuracy": np.full(len(search.factors), np.nan),
        "condition_accuracy": np.full(n_conditions, np.nan),
        "firing_rate": np.full((n_conditions, network.n_units), np.nan),
        **{name: np.array(np.nan) for name in ("factor", "best", "heldout", "rate")},
    }
    factor = None
    if known is not None:
        factor = float(known.networks["factor"].iloc[known.row(seed)])
    if (search.only_trained and not trained) or (factor is not None and not np.isfinite(factor)):
        progress.report(f"{one.path}: left out, it did not reach its training criterion", important=True)
        return missing
    found = map_network(
        task, network, (one.sigma_rec, one.sigma_init), lif, search, seed, threads, factor, progress.advance
    )
    progress.report(
        f"{one.path}: factor {found['factor']:g}  accuracy {found['best']:.2f} in the search, {found['heldout']:.2f}"
        f" held out, {found['rate']:.2f} of the rate network",
        important=True,
        factor=f"{found['factor']:g}",
        accuracy=f"{found['heldout']:.2f}",
    )
    return {name: np.asarray(value, dtype=np.float64) for name, value in found.items()}


def _write(
    out: Path,
    task: Task,
    networks: Sequence[StoredRateNetwork],
    done: Sequence[Measures],
    search: SearchSettings,
    plain: dict[str, Any],
    made_by: dict[str, Any],
) -> None:
    nets = [one.network for one in networks]
    tau = np.stack([net.tau.astype(np.float64) for net in nets])
    firing = np.stack([row["firing_rate"] for row in done])
    kinds = np.stack([np.where(net.som, -2, np.where(net.inhibitory, -1, 1)) for net in nets]).astype(np.int8)

    def score(name: str) -> NDArray[np.float64]:
        return np.array([float(one.score.get(name, np.nan)) for one in networks])

    columns = {
        "seed": np.array([net.seed if net.seed >= 0 else k for k, net in enumerate(nets)], np.int64),
        "trained": np.array([bool(one.score.get("reached_criterion", True)) for one in networks]),
        "n_trials_trained": score("n_trials_trained"),
        "training_accuracy": score("accuracy"),
        "training_loss": score("loss"),
        "rate_accuracy": np.array([row["rate"] for row in done], float),
        "factor": np.array([row["factor"] for row in done], float),
        "accuracy": np.array([row["best"] for row in done], float),
        "heldout_accuracy": np.array([row["heldout"] for row in done], float),
        "tau_mean": tau.mean(1),
        "tau_sd": tau.std(1),
        "density": np.array([float((net.w_rec != 0).mean()) for net in nets]),
        "n_inhibitory": np.array([int(net.inhibitory.sum()) for net in nets]),
        "rate_hz": firing.mean((1, 2)),
    }
    table = task.factorial()
    with create(out, KIND, plain, made_by, task=task.name, n_units=nets[0].n_units) as file:
        for name, values in columns.items():
            put(file, f"networks/{name}", SCHEMA, values)
        put(file, "factors", SCHEMA, np.asarray(search.factors, float))
        put(file, "accuracy", SCHEMA, np.stack([row["accuracy"] for row in done]))
        put(file, "tau", SCHEMA, tau)
        put(file, "unit_type", SCHEMA, kinds)
        for name in table[0]:
            put(file, f"conditions/{name}", SCHEMA, np.array([row[name] for row in table]))
        put(file, "condition_accuracy", SCHEMA, np.stack([row["condition_accuracy"] for row in done]))
        put(file, "firing_rate", SCHEMA, firing.astype(np.float32))
