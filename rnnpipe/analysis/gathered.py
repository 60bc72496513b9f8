"""All networks of an experiment or a sweep in one table: what was varied, how each learned, where its files are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.io.history import any_history
from rnnpipe.settings import Settings, canonical, setting
from rnnpipe.sweep import Sweep, batches, members

COUNTS = ("update", "iteration", "n_trials")
"""Columns of histories that count, of training by one rule or another."""

FLAGS = ("criterion", "new_best")
"""Columns of histories that mark rows."""

SCORES = {"accuracy": True, "mse": False, "mean_reward": True}
"""What the best network of a training is chosen by, whichever of them its history has: whether more is better."""


class GatherSettings(Settings):
    """Settings of stage `gather`."""

    name: str = setting(..., "experiment or sweep")
    sweep: list[Sweep] = setting([], "what the sweep varies, in the order of its names; nothing: one experiment")
    seeds: list[int] = setting(..., "seeds of the networks, the same of every member", min_length=1)
    seeds_per_job: int | None = setting(
        None, "networks that one job trained, into one folder (supervised); by default each has its own files", gt=0
    )


def gather(settings: GatherSettings, folder: str | Path) -> pd.DataFrame:
    """The table of all networks.

    Args:
        settings: Which networks.
        folder: Folder of the trainings, `results/train`.

    Returns:
        One row a network: `experiment`, `seed`; the varied settings, by their names with dots; `task`, `rule`;
        `reached_criterion`, `n_updates`, `n_trials` and those until the criterion was met first,
        `updates_to_criterion`, `trials_to_criterion` (NaN: never); `score`, the measure that chose the best network,
        `best_score` and `final_score`; `final_*`, every measure of the history's last row; `network` and `history`,
        the files.

    Raises:
        ArtefactError: A history is missing, or none.
    """
    records = [
        {"experiment": member, "seed": seed, **values, **_learned(path)}
        for member, seed, values, path in _places(settings, Path(folder))
    ]
    table = pd.DataFrame(records)
    last = ["network", "history"]
    return table[[*(name for name in table if name not in last), *last]]


def histories(settings: GatherSettings, folder: str | Path) -> list[Path]:
    """The files that the table is made of, in its order."""
    return [path for _, _, _, path in _places(settings, Path(folder))]


def as_markdown(table: pd.DataFrame) -> str:
    """The table in short for a reader: a row an experiment."""
    names = varied(table)
    heads = ["experiment", *names, "networks", "reached criterion", "median trials to it", "best score"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for experiment, some in table.groupby("experiment", sort=False):
        first = some.iloc[0]
        trials = some["trials_to_criterion"].median()
        scores = some["best_score"]
        cells = [
            str(experiment),
            *(str(first[name]).replace("|", "\\|") for name in names),
            str(len(some)),
            str(int(some["reached_criterion"].sum())),
            "-" if math.isnan(trials) else f"{trials:.10g}",
            f"{first['score']} {scores.median():.4g} ({scores.min():.4g} to {scores.max():.4g})".replace("_", " "),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _places(settings: GatherSettings, folder: Path) -> list[tuple[str, int, dict[str, Any], Path]]:
    """Member, seed, varied settings and history of every network."""
    jobs = {seed: "" for seed in settings.seeds}
    if settings.seeds_per_job is not None:
        for name, seeds in batches(settings.seeds, settings.seeds_per_job).items():
            jobs.update(dict.fromkeys(seeds, f"seeds{name}"))
    found = members(settings.name, settings.sweep)
    if len(found) != math.prod(len(axis.values) for axis in settings.sweep):
        raise SettingsError(f"sweep {settings.name}: two of its combinations have one name; change a value.")
    return [
        (member, seed, {key: _written(value) for key, value in values.items()}, folder / member / job / _history(seed))
        for member, values in found.items()
        for seed, job in jobs.items()
    ]


def _history(seed: int) -> str:
    return f"seed{seed}.history.h5"


def _written(value: Any) -> Any:
    """A setting as a table can hold it."""
    return value if isinstance(value, (bool, int, float, str)) else canonical(value)


def _learned(path: Path) -> dict[str, Any]:
    """What one history says."""
    if not path.is_file():
        raise ArtefactError(f"{path}: is not there; train the network first.")
    history = any_history(path)
    settings: Mapping[str, Any] = history.attrs.get("settings", {})
    if history.empty:
        raise ArtefactError(f"{path}: has no row; train the network again.")
    last = history.iloc[-1]
    met = history["criterion"].to_numpy(bool)
    first = history.iloc[int(np.argmax(met))] if met.any() else None
    updates = "iteration" if "iteration" in history else "update"
    score = next(name for name in SCORES if name in history)
    column = history[score].to_numpy(float)
    seen = column[np.isfinite(column)]
    best = (seen.max() if SCORES[score] else seen.min()) if seen.size else math.nan
    measures = [name for name in history if name not in (*COUNTS, *FLAGS)]
    return {
        "task": str(history.attrs.get("task", "")),
        "rule": str(settings.get("learning", {}).get("rule", "policy_gradient")),
        "reached_criterion": bool(met.any()),
        "n_updates": int(last[updates]),
        "n_trials": int(last["n_trials"]),
        "updates_to_criterion": math.nan if first is None else float(first[updates]),
        "trials_to_criterion": math.nan if first is None else float(first["n_trials"]),
        "score": score,
        "best_score": float(best),
        "final_score": float(last[score]),
        **{f"final_{name}": float(last[name]) for name in measures},
        "network": str(path.with_name(path.name.removesuffix(".history.h5") + ".pth")),
        "history": str(path),
    }


def read_gathered(path: str | Path) -> pd.DataFrame:
    """A table that `gather` wrote.

    Raises:
        ArtefactError: It is none.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError):
        table = pd.DataFrame()
    if not {"experiment", "seed", "best_score", "history"} <= set(table):
        raise ArtefactError(f"{path}: is no table of networks; make one with `rnnpipe gather`.")
    return table


def varied(table: pd.DataFrame) -> list[str]:
    """Names of the settings that a table's networks differ in, in their order."""
    start, end = table.columns.get_loc("seed"), table.columns.get_loc("task")
    return [str(name) for name in table.columns[start + 1 : end]]
