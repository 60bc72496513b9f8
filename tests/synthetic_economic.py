"""Evaluations of made-up choosers between juices and between gambles, whose preferences are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm
from synthetic import table_of, write_arrays

from rnnpipe.cli.main import main
from rnnpipe.dataset import DatasetSettings, blocks
from rnnpipe.tasks import task_class
from rnnpipe.trials import Trials

PLANTED = ["chosen value"] * 3 + ["offer value A"] + ["offer value B"] * 3 + ["choice"] * 2 + [""] * 3
"""What each unit of the value network encodes."""


def _answer(trials: Trials, right: Any, rng: np.random.Generator) -> Any:
    """Actions (n_steps, n_trials) of answering left or right some time into the decision period, -1 after it."""
    step = trials.periods["decision"][:, 0] + rng.integers(2, 12, trials.n_trials)
    t = np.arange(trials.n_steps)[:, None]
    actions = np.where(t < step, 0, -1)
    actions[step, np.arange(trials.n_trials)] = np.where(right, 2, 1)
    return actions


def write_economic(
    path: Path, ratio: float = 2.2, sigma: float = 0.15, trials_per_condition: int = 25, activity: bool = True,
    change: Any = None, seed: int = 100, **settings: Any,
) -> pd.DataFrame:  # fmt: skip
    """Write an evaluation of a chooser to whom a drop of A is worth `ratio` drops of B; it takes what it is offered.

    Its value units follow `PLANTED` from the offer on. Returns the trial table.
    """
    task, rng = task_class("padoaschioppa2006")(**settings), np.random.default_rng(seed)
    mu = (ratio - 1) / (ratio + 1)
    columns: list[dict[str, Any]] = []
    masks, rates = [], []
    for trials in blocks(task, DatasetSettings(trials_per_condition=trials_per_condition)):
        n_b, n_a = task.amounts(trials.conditions["offer"]).T
        x = (n_b - n_a) / (n_b + n_a)
        b = np.where(n_b * n_a > 0, rng.random(len(x)) < norm.cdf((x - mu) / sigma), n_b > 0)
        actions = _answer(trials, b == (trials.conditions["juices"] == "AB"), rng)
        columns.append(table_of(trials, task, actions))
        mask = actions >= 0
        z = x - mu
        kinds = {
            "chosen value": np.abs(z), "offer value A": np.maximum(-z, 0), "offer value B": np.maximum(z, 0),
            "choice": np.where(b, 1.0, -1.0) / 2, "": 0 * z,
        }  # fmt: skip
        per_trial = np.stack([kinds[kind] for kind in PLANTED], axis=1)
        per_trial = 2 + per_trial + 0.1 * rng.standard_normal(per_trial.shape)
        seen = np.arange(trials.n_steps)[:, None] >= trials.periods["offer"][:, 0]
        masks.append(mask)
        rates.append(np.where((mask & seen)[..., None], per_trial, np.where(mask[..., None], 2.0, 0)).astype("f4"))
    table = {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}
    if change is not None:
        change(table)
    arrays = {
        "time": np.arange(task.n_steps) * task.dt,
        "mask": np.concatenate(masks, axis=1),
        "value_rates": np.concatenate(rates, axis=1),
    }
    return write_arrays(path, task, table, arrays if activity else {}, seed)


def write_gambling(
    path: Path, a: float = 1.0, c: float = 6.0, kappa: float = 0.0, trials_per_condition: int = 2, seed: int = 100,
    change: Any = None,
) -> pd.DataFrame:  # fmt: skip
    """Write an evaluation of a chooser of utility s^a, whose choices have the log odds c log(p_R s_R^a / p_L s_L^a)."""
    task, rng = task_class("gambling")(), np.random.default_rng(seed)
    columns = []
    for trials in blocks(task, DatasetSettings(trials_per_condition=trials_per_condition)):
        p, ev = task.probabilities, task.expected
        utility = np.log(p) + a * np.log(ev / p)
        odds = c * (utility[trials.conditions["right"]] - utility[trials.conditions["left"]])
        actions = _answer(trials, rng.random(len(odds)) < expit(odds), rng)
        columns.append(table_of(trials, task, actions))
    table = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
    if change is not None:
        change(table)
    return write_arrays(path, task, table, {}, seed, learning={"kappa": kappa})


def write_network(folder: Path, name: str = "net", **settings: Any) -> Path:
    """Write a small network that was hardly trained. Returns its file."""
    groups = {
        "task": {"name": "rdm_fixed"},
        "network": {"n_units": 20, **settings.get("network", {})},
        "value_network": {"n_units": 10, **settings.get("value_network", {})},
        "learning": {"max_updates": 1, "validation_trials": 2, "trials_per_update": 2, "on_failure": "keep"},
    }
    path = folder / f"{name}.pth"
    files = [f"--network={path}", f"--history={folder / name}.history.h5"]
    assert main(["train", "--seed=1", *files, "--device=cpu", "--settings", json.dumps(groups)]) == 0
    return path


def write_figure_inputs(folder: Path) -> None:
    """Write what `figure_inputs` names."""
    write_economic(folder / "economic.h5")
    write_economic(folder / "economic_4p1.h5", 4.1, value_ratio=4.1, activity=False, seed=101)
    for kappa, a in ((-0.5, 1.5), (0.0, 1.0), (0.5, 0.5)):
        for seed in (100, 101):
            write_gambling(folder / f"gambling{kappa}.{seed}.h5", a, kappa=kappa, seed=seed)
    write_network(folder)


def figure_inputs(folder: Path, figure: str) -> dict[str, list[Path]] | None:
    """Inputs of the figures of these tasks and of weights; None for another figure."""
    juices = [folder / "economic.h5", folder / "economic_4p1.h5"]
    return {
        "fig_economic": {"behaviour": juices, "activity": juices[:1]},
        "fig_indifference": {"behaviour": juices},
        "fig_kappa": {"behaviour": [folder / f"gambling{k}.{s}.h5" for k in (-0.5, 0.0, 0.5) for s in (100, 101)]},
        "fig_weights": {"network": [folder / "net.pth"]},
    }.get(figure)


def nothing_decided(columns: dict[str, Any]) -> None:
    """No trial ends with a decision."""
    columns["decision"][:] = False
    columns["choice"][:] = 0
    columns["correct"][:] = -1
    columns["choice_time"][:] = columns["reaction_time"][:] = np.nan


def always_left(columns: dict[str, Any]) -> None:
    """Every decision is for left."""
    columns["choice"][columns["decision"]] = 1


def always_a(columns: dict[str, Any]) -> None:
    """Every decision is for the side of juice A, even where none of it is offered."""
    columns["choice"][:] = np.where(columns["juices"] == "AB", 1, 2)
