"""Made-up files of rate networks mapped to spikes, in the form of the real ones, for tests of what comes after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnpipe.dataset import DatasetSettings, blocks
from rnnpipe.evaluation.analog import analog_table
from rnnpipe.io.evaluation import KIND as EVALUATION
from rnnpipe.io.evaluation import SCHEMA as EVALUATION_SCHEMA
from rnnpipe.io.hdf5 import create, put
from rnnpipe.io.history import write_bptt_history
from rnnpipe.io.spiking import KIND, SCHEMA
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.tasks import task_class
from rnnpipe.training.bptt_settings import BpttSettings

N_UNITS = 5
UNIT_TYPES = (1, 1, 1, -1, -2)
RATES = (0.5, 1.0, 4.0, 10.0, 25.0)
"""Firing rate of each unit, Hz, without a stimulus; with one it is twice as high."""


def write_spiking(
    path: Path,
    accuracy: ArrayLike,
    *,
    heldout: ArrayLike | None = None,
    trained: ArrayLike = True,
    trials: ArrayLike = 601.0,
    rate_accuracy: ArrayLike = 1.0,
    tau: float = 30.0,
    factor: ArrayLike = 25.0,
    seeds: Sequence[int] | None = None,
    task: str = "go_nogo",
    network: Mapping[str, Any] | None = None,
    learning: Mapping[str, Any] | None = None,
    lif: Mapping[str, Any] | None = None,
    rates: Sequence[float] = RATES,
) -> Path:
    """Write a file of stage `spiking` about networks of five units, one for each accuracy.

    A network that was not trained has no accuracy. Other values are one for all or one a network.
    """
    best = np.asarray(accuracy, dtype=float)
    n = len(best)
    known = np.broadcast_to(np.asarray(trained, bool), n)

    def mapped(values: ArrayLike) -> np.ndarray:
        return np.where(known, np.broadcast_to(np.asarray(values, float), n), np.nan)

    settings = {
        "task": {"name": task},
        "network": {**RateSettings().model_dump(mode="json"), "n_units": N_UNITS, **(network or {})},
        "learning": {**BpttSettings(rule="bptt").model_dump(mode="json"), **(learning or {})},
        "lif": {**LifSettings().model_dump(mode="json"), **(lif or {})},
        "search": {"factors": [20.0, 25.0]},
    }
    firing = np.asarray(rates)[None, None] * np.array([1.0, 2.0])[None, :, None] * np.ones((n, 1, 1))
    firing = np.where(known[:, None, None], firing, np.nan)
    taus = np.full((n, N_UNITS), tau)
    columns: dict[str, Any] = {
        "seed": np.arange(n) if seeds is None else np.asarray(seeds),
        "trained": known,
        "n_trials_trained": np.broadcast_to(np.asarray(trials, float), n),
        "training_accuracy": np.full(n, 0.97),
        "rate_accuracy": mapped(rate_accuracy),
        "factor": mapped(factor),
        "accuracy": mapped(best),
        "heldout_accuracy": mapped(best if heldout is None else heldout),
        "tau_mean": taus.mean(1),
        "tau_sd": taus.std(1),
        "density": np.full(n, 0.05),
        "rate_hz": firing.mean((1, 2)),
    }
    with create(path, KIND, settings, {}, task=task, n_units=N_UNITS) as file:
        for name, values in columns.items():
            put(file, f"networks/{name}", SCHEMA, values)
        put(file, "factors", SCHEMA, np.array([20.0, 25.0]))
        put(file, "accuracy", SCHEMA, np.stack([mapped(0.5), mapped(best)], 1))
        put(file, "tau", SCHEMA, taus)
        put(file, "unit_type", SCHEMA, np.tile(np.array(UNIT_TYPES, np.int8), (n, 1)))
        put(file, "conditions/go", SCHEMA, np.array([False, True]))
        put(file, "condition_accuracy", SCHEMA, np.stack([mapped(best)] * 2, 1))
        put(file, "firing_rate", SCHEMA, firing.astype(np.float32))
    return path


def write_analog(
    path: Path,
    task_name: str = "go_nogo",
    spiking: bool = False,
    trials_per_condition: int = 4,
    factor: float = 25.0,
    only: Mapping[str, Any] | None = None,
    types: Sequence[int] = UNIT_TYPES,
    model: str = "lif",
    dale: bool = True,
    **attrs: Any,
) -> dict[str, Any]:
    """Write an evaluation with activity of a network of five units that always answers, and is off in odd trials.

    The output is 0.9 times the target from the start of the target on, plus 0.1 in every odd trial. Rates of units
    rise from 0.1 k by 0.05 where the target is above 0; spiking units fire regularly with the rates `RATES`, twice
    that where the target is above 0, and once in the first step, which counts for no rate. `only` gives all trials
    these conditions. Returns the columns.
    """
    task = task_class(task_name)()
    batches = blocks(task, DatasetSettings(trials_per_condition=trials_per_condition))
    if only:
        batches = iter([task.sample(np.random.default_rng(0), trials_per_condition, **only)])
    tables, arrays, fired, start = [], [], [], 0
    for trials in batches:
        n, dt = trials.n_trials, task.dt
        time = np.arange(1, trials.n_steps) * dt if spiking else np.arange(trials.n_steps - 2) * dt
        level = task.level(trials.conditions)
        answering = time[:, None] >= trials.periods["target"][:, 0] * dt
        output = 0.9 * level * answering + 0.1 * ((start + np.arange(n)) % 2)
        columns = analog_table(task, trials, time, output, spiking)
        rates = 0.1 * np.arange(N_UNITS) + 0.05 * (level > 0)[None, :, None] * answering[..., None]
        for trial in range(n):
            for unit, rate in enumerate(RATES):
                times = 100.0 + np.arange(0, time[-1] - 100, 1000 / (rate * (1 + (level[trial] > 0))))
                times = np.concatenate([[0.05], times])
                fired += [(start + trial, t, unit) for t in times]
        tables.append(columns)
        arrays.append((output[..., None].astype(np.float32), rates.astype(np.float32)))
        start += n
    columns = {k: np.concatenate([t[k] for t in tables]) for k in tables[0]}
    given: dict[str, Any] = {
        "task": {"name": task.name, **task.model_dump(mode="json")},
        "network": {**RateSettings().model_dump(mode="json"), "n_units": N_UNITS, "dale": dale},
    }
    attrs = {"task": task.name, "dt": task.dt, "seed": 0, "reached_criterion": True, **attrs}
    if spiking:
        given["lif"] = LifSettings(model=model).model_dump(mode="json")
        attrs["scaling_factor"] = factor
    with create(path, EVALUATION, given, {"stage": "evaluate"}, **attrs) as file:
        for name, values in columns.items():
            put(file, f"trials/{name}", EVALUATION_SCHEMA, values)
        put(file, "activity/time", EVALUATION_SCHEMA, time)
        put(file, "activity/mask", EVALUATION_SCHEMA, np.ones((len(time), start), bool))
        for i, name in enumerate(("output", "policy_rates")):
            put(file, f"activity/{name}", EVALUATION_SCHEMA, np.concatenate([a[i] for a in arrays], axis=1))
        put(file, "units/tau", EVALUATION_SCHEMA, np.array([20.0, 20.4, 35.0, 49.8, 50.0]))
        put(file, "units/type", EVALUATION_SCHEMA, np.array(types, np.int8))
        if spiking:
            for i, (name, kind) in enumerate((("trial", np.int32), ("time", np.float32), ("unit", np.int16))):
                put(file, f"spikes/{name}", EVALUATION_SCHEMA, np.array([s[i] for s in fired], kind))
    return columns


UNIT_FIGURES = {
    "fig_outputs": {"activity": ["rate.h5", "lif.h5"]},
    "fig_tau": {"activity": ["lif.h5"]},
    "fig_raster": {"spiking": ["context.h5"]},
    "fig_heatmap": {"rate": ["rate.h5"], "spiking": ["lif.h5"]},
    "fig_pca": {"rate": ["rate.h5"], "spiking": ["lif.h5"]},
    "fig_types": {"spiking": ["lif.h5"]},
    "fig_activations": {"history": ["sigmoid.h5", "softplus.h5", "clipped_relu.h5"]},
}
"""Figures of single networks and the files they are drawn from in tests."""


def write_unit_figure_inputs(folder: Path) -> None:
    """Write what the figures of single networks are drawn from, into `folder`/kim."""
    (folder / "kim").mkdir()
    write_analog(folder / "kim" / "rate.h5")
    write_analog(folder / "kim" / "lif.h5", spiking=True)
    write_analog(folder / "kim" / "context.h5", "context_integration", spiking=True, trials_per_condition=1)
    for name in ("sigmoid", "softplus", "clipped_relu"):
        row = {"update": 1, "n_trials": 1, "criterion": False} | dict.fromkeys(
            ("accuracy", "loss", "training_loss", "density", "tau_mean", "tau_sd"), 0.5
        )
        settings = {"network": RateSettings(activation=name).model_dump(mode="json")}
        write_bptt_history(folder / "kim" / f"{name}.h5", [row], [5.0], settings, {}, seed=0)


def unit_figure_inputs(folder: Path, figure: str) -> dict[str, list[Path]]:
    """Files of a figure of single networks by need; nothing of another figure."""
    return {need: [folder / "kim" / f for f in files] for need, files in UNIT_FIGURES.get(figure, {}).items()}


def write_network_figure_inputs(folder: Path) -> None:
    """Files for `network_figure_inputs`: networks of three sizes at two noises."""
    for n_units, mean in ((10, 0.6), (50, 0.8), (200, 0.97)):
        for v_noise in (0.1, 0.0):
            write_spiking(
                folder / f"networks_{n_units}_{v_noise:g}.h5",
                np.clip(mean + 0.03 * np.arange(-2, 3), 0, 1),
                trained=np.arange(5) < (3 if n_units == 10 else 5),
                trials=601.0 + 100 * np.arange(5),
                network={"n_units": n_units},
                lif={"v_noise": v_noise},
            )


def network_figure_inputs(folder: Path, figure: str) -> dict[str, list[Path]]:
    """What a figure of networks mapped to spikes is drawn from; empty for any other figure."""
    if figure == "fig_networks":
        return {"networks": sorted(folder.glob("networks_*.h5"))}
    return {}
