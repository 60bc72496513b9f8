"""Files of learners of one task: histories of three rules, evaluations, and times of their jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
from synthetic import write_evaluation, write_learning

RULES: dict[str, dict[str, Any]] = {
    "gradient": {"rule": "policy_gradient"},
    "ppo": {"rule": "sb3", "algorithm": "recurrent_ppo"},
    "frames": {"rule": "sb3", "algorithm": "a2c", "n_stack": 3},
}
"""Experiments by name: the settings of their learners."""
SECONDS = {"gradient": 12.5, "ppo": 80.0, "frames": 9.0}
SEEDS = (1, 2)


def _relearned(path: Path, rule: dict[str, Any]) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["settings"] = json.dumps({**json.loads(file.attrs["settings"]), "learning": rule})


def write_figure_inputs(folder: Path) -> None:
    """Every file that a figure of learners reads."""
    for name, rule in RULES.items():
        (folder / name).mkdir()
        for seed in SEEDS:
            history, evaluation = folder / name / f"{seed}.history.h5", folder / name / f"{seed}.h5"
            write_learning(history, seed, stop=None if name == "frames" else 10 + seed)
            write_evaluation(evaluation, "rdm_fixed", 20, seed)
            for path in (history, evaluation):
                _relearned(path, rule)
            (folder / name / f"{seed}.tsv").write_text(f"s\th:m:s\tmax_rss\n{SECONDS[name] * seed}\t0:00:12\t90.1\n")


def figure_inputs(folder: Path, figure: str) -> dict[str, list[Path]]:
    """What a figure of learners is drawn from, by need."""
    if figure not in ("fig_learners", "fig_agents"):
        return {}
    suffixes = {"history": "history.h5", "behaviour": "h5"}
    if figure == "fig_learners":
        suffixes |= {"time": "tsv", "activity": "h5"}
    return {
        need: [folder / name / f"{seed}.{suffix}" for name in RULES for seed in SEEDS]
        for need, suffix in suffixes.items()
    }
