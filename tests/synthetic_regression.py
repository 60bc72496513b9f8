"""Evaluations, histories and networks of supervised tasks whose answers are known, in the files of the real ones."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from synthetic import write_arrays

from rnnpipe.io.fixed_points import KIND as POINTS
from rnnpipe.io.fixed_points import SCHEMA as POINTS_SCHEMA
from rnnpipe.io.hdf5 import create, put
from rnnpipe.tasks._regression import RegressionTask
from rnnpipe.tasks.cddm import Cddm
from rnnpipe.tasks.flip_flop import FlipFlop
from rnnpipe.trials import Trials

COHERENCES = [-0.8, -0.2, -0.05, 0.0, 0.05, 0.2, 0.8]
SLOPES = {"motion": (25.0, 3.0), "colour": (12.0, -2.0)}
"""Slopes of the observer's log odds along the relevant and the irrelevant coherence, by context."""
N_UNITS = 16


def cddm() -> Cddm:
    """Context-dependent decisions at seven coherences, in coarse steps."""
    return Cddm(dt=20.0, coherences=COHERENCES)


def write_regression(
    path: Path, task: RegressionTask, trials: Trials, output: np.ndarray, rates: np.ndarray, **columns: Any
) -> pd.DataFrame:
    """Write outputs and rates as the evaluation of a continuous-time network. Returns the trial table."""
    n = trials.n_trials
    weight = trials.mask[..., None] / np.maximum(trials.mask.sum(0)[:, None], 1) / task.n_outputs
    mse = (weight * (output - trials.target) ** 2).sum((0, 2))
    nothing = np.full(n, np.nan)
    table = {
        **trials.conditions,
        "choice": np.zeros(n, np.int8),
        "decision": np.zeros(n, bool),
        "correct": np.full(n, -1, np.int8),
        "reward": np.zeros(n),
        "choice_time": nothing,
        "reaction_time": nothing,
        "n_steps": np.full(n, trials.n_steps),
        "mse": mse,
        "r2": nothing,
        **columns,
    }
    for name, edges in trials.periods.items():
        table[f"{name}_on"], table[f"{name}_off"] = (edges[:, i] * trials.dt for i in (0, 1))
    activity = {
        "time": np.arange(trials.n_steps) * trials.dt,
        "mask": np.ones(trials.mask.shape, bool),
        "policy_rates": rates.astype(np.float32),
        "output": output.astype(np.float32),
        "target": trials.target,
        "loss_mask": trials.mask,
    }
    return write_arrays(path, task, table, activity)


def write_cddm(path: Path, repeats: int = 4, seed: int = 0) -> pd.DataFrame:
    """Decisions of an observer with known slopes; four kinds of units, the last unit is silent."""
    task, rng = cddm().model_copy(update={"repeats": repeats}), np.random.default_rng(seed)
    trials = task.batch(rng)
    context = trials.conditions["context"]
    relevant, irrelevant = (trials.conditions[f"coherence_{k}"] for k in ("relevant", "irrelevant"))
    slope = np.array([SLOPES[str(c)] for c in context])
    p = expit(slope[:, 0] * relevant + slope[:, 1] * irrelevant)
    right = rng.random(trials.n_trials) < p
    side = np.where(right, 1.0, -1.0)
    ramp = np.clip((np.arange(trials.n_steps) - trials.periods["stimulus"][0, 0]) / 15, 0, 1)
    output = np.stack([np.outer(ramp, right), np.outer(ramp, ~right)], axis=-1)
    output += 0.04 * rng.standard_normal(output.shape)
    about = {
        "choice": np.outer(ramp, side),
        "context": np.outer(np.ones_like(ramp), np.where(context == "motion", 1.0, -1.0)),
        "motion": np.outer(ramp, task.coherence(trials.conditions)["motion"]),
        "time": np.outer(ramp * (1 - ramp) * 3, np.ones(trials.n_trials)),
    }
    kinds = [list(about.values())[i % 4] for i in range(N_UNITS - 1)]
    gain = np.linspace(0.3, 1.5, N_UNITS - 1)
    rates = np.stack([np.maximum(1 + g * k, 0) for g, k in zip(gain, kinds, strict=True)] + [0 * kinds[0]], axis=-1)
    rates[..., :-1] += 0.02 * rng.standard_normal((*rates.shape[:2], N_UNITS - 1))
    correct = np.where(relevant == 0, 1, right == (relevant > 0)).astype(np.int8)
    return write_regression(
        path, task, trials, output, rates,
        choice=np.where(right, 2, 1).astype(np.int8), decision=np.ones(trials.n_trials, bool), correct=correct,
    )  # fmt: skip


def write_flip_flop(path: Path, n_bits: int = 3, n_trials: int = 20, seed: int = 0) -> pd.DataFrame:
    """A flip-flop that answers four steps late, with a little noise."""
    task, rng = FlipFlop(n_bits=n_bits, repeats=n_trials), np.random.default_rng(seed)
    trials = task.batch(rng)
    late = np.concatenate([np.zeros((4, n_trials, n_bits)), trials.target[:-4]])
    output = late + 0.05 * rng.standard_normal(late.shape)
    mixing = rng.standard_normal((n_bits, N_UNITS))
    return write_regression(path, task, trials, output, np.tanh(output @ mixing))


def write_cube(path: Path, n_bits: int = 3, n_units: int = N_UNITS) -> None:
    """Fixed points of an ideal flip-flop: 3^n in a grid, their indices the numbers of zeros; and one more input."""
    grid = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=n_bits)))
    mixing = np.linalg.qr(np.random.default_rng(0).standard_normal((n_units, n_bits)))[0].T
    half = grid[grid[:, 0] > 0]
    x = np.concatenate([grid, half]) @ mixing * 3 + 4  # positive, as rates are
    index = (np.concatenate([grid, half]) == 0).sum(1)
    n, of_input = len(x), np.repeat([0, 1], [len(grid), len(half)])
    slowest = np.where(index > 0, -20.0, 20.0)
    slowest[-1] = 1e5
    arrays: dict[str, Any] = {
        "inputs/label": np.array(["rest", "pulse_1+"]),
        "inputs/values": np.eye(n_bits)[[1, 0]] * [[0.0], [1.0]],
        "inputs/n_starts": np.array([100, 100]),
        "inputs/n_converged": np.array([90, 90]),
        "inputs/relaxed_speed": np.zeros(2),
        "fixed_points/input": of_input,
        "fixed_points/x": x,
        "fixed_points/action_probability": np.ones((n, 1)),
        "fixed_points/residual": np.full(n, 1e-15),
        "fixed_points/radius": np.full(n, 1e-14),
        "fixed_points/on_kink": np.zeros(n, bool),
        "fixed_points/stable": index == 0,
        "fixed_points/n_unstable": index,
        "fixed_points/n_hits": np.full(n, 3),
        "fixed_points/eigenvalue_real": np.full((n, n_units), 0.5),
        "fixed_points/eigenvalue_imag": np.zeros((n, n_units)),
        "fixed_points/time_constant": np.repeat(slowest[:, None], n_units, 1),
    }
    settings = {"task": {"name": "flip_flop", "n_bits": n_bits}}
    with create(path, POINTS, settings, {"stage": "fixed_points"}, task="flip_flop", dt=1.0, seed=0) as file:
        for name, values in arrays.items():
            put(file, name, POINTS_SCHEMA, values)


def write_figure_inputs(folder: Path) -> None:
    """Files for `figure_inputs`, into `folder`/regression."""
    place = folder / "regression"
    place.mkdir()
    write_cddm(place / "cddm.h5")
    write_flip_flop(place / "flip_flop.h5")
    write_cube(place / "cube.h5")


def figure_inputs(folder: Path, figure: str) -> dict[str, list[Path]]:
    """Files of a figure of this topic by need; nothing of another figure."""
    place = folder / "regression"
    if figure == "fig_random_trials":
        return {"activity": [place / "flip_flop.h5"]}
    if figure == "fig_psychometric_surface":
        return {"behaviour": [place / "cddm.h5"]}
    if figure == "fig_fixed_points":
        return {"fixed_points": [place / "cube.h5"], "activity": [place / "flip_flop.h5"]}
    return {}
