"""Evaluations, histories and networks of supervised tasks whose answers are known, in the files of the real ones."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy.special import expit
from synthetic import write_arrays

from rnnpipe.io.ctrnn import as_ctrnn, write_ctrnn
from rnnpipe.io.evaluation import SCHEMA
from rnnpipe.io.fixed_points import KIND as POINTS
from rnnpipe.io.fixed_points import SCHEMA as POINTS_SCHEMA
from rnnpipe.io.hdf5 import create, put
from rnnpipe.io.history import write_regression_history
from rnnpipe.networks.ctrnn_constraints import Constraints
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.tasks._regression import RegressionTask
from rnnpipe.tasks.cddm import Cddm
from rnnpipe.tasks.flip_flop import FlipFlop
from rnnpipe.tasks.memory_angle import MemoryAngle
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
    table = write_regression(
        path, task, trials, output, rates,
        choice=np.where(right, 2, 1).astype(np.int8), decision=np.ones(trials.n_trials, bool), correct=correct,
    )  # fmt: skip
    with h5py.File(path, "r+") as file:
        put(file, "units/type", SCHEMA, np.where(np.arange(N_UNITS) < 13, 1, -1).astype(np.int8))
        put(file, "units/tau", SCHEMA, np.full(N_UNITS, 40.0))
    return table


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


def write_loss(path: Path, seed: int, n_evaluations: int = 40, penalties: bool = True) -> list[dict[str, Any]]:
    """History of a training whose error falls to 0.08 and rises a little at the end. Returns its evaluations."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n_evaluations):
        mse = 0.08 + 0.7 * np.exp(-k / 8) * (1 + 0.1 * rng.standard_normal()) + 0.02 * max(0, k - 34) / 5
        row = {
            "iteration": 10 * k, "n_trials": 2560 * k, "mse": mse, "loss": mse + 0.01,
            "training_loss": mse + 0.02 if k else np.nan, "training_mse": mse + 0.01 if k else np.nan,
            "gradient_norm": np.exp(-k / 15) if k else np.nan, "learning_rate": 1e-3, "spectral_radius": 1.2,
            "largest_state": 1.0, "n_rollbacks": 0, "criterion": False,
            "new_best": not rows or mse < min(row["mse"] for row in rows), "sign_correct": 0.9,
        }  # fmt: skip
        if penalties:
            row |= {"penalty_orthogonality": 0.3 + np.exp(-k / 5), "penalty_mean_rate": 0.2 + 0.002 * k}
        rows.append(row)
    write_regression_history(
        path, rows, [0.1] * (10 * n_evaluations), [0.1] * (10 * n_evaluations), {"task": {"name": "flip_flop"}},
        {"stage": "train"}, seed=seed, task="flip_flop",
    )  # fmt: skip
    return rows


def write_traces(path: Path, n_evaluations: int = 30, seed: int = 5) -> np.ndarray:
    """History of a training in which units fall silent one after the other. Returns their participation."""
    rng, rows = np.random.default_rng(seed), []
    k = np.arange(n_evaluations)
    ends = rng.permutation(np.linspace(8, 60, N_UNITS))
    p = np.exp(rng.normal(0, 0.5, N_UNITS)) * np.where(k[:, None] < ends, 1 - 0.8 * k[:, None] / ends, 0.0)
    for i in k:
        drift = {
            f"drift_{lag}": 0.1 * lag**0.4 * np.exp(-i / 12) if 10 * i >= lag else np.nan for lag in (10, 100, 1000)
        }
        rows.append(
            {
                "iteration": 10 * i, "n_trials": 0, "mse": 0.1, "loss": 0.1, "training_loss": 0.1, "training_mse": 0.1,
                "gradient_norm": 1.0, "learning_rate": 1e-3, "spectral_radius": 1.2, "largest_state": 1.0,
                "n_rollbacks": 0, "criterion": False, "new_best": False, **drift,
                "drift_cosine": np.tanh(rng.standard_normal()) if i > 1 else np.nan,
                "participation_change": 0.3 / i if i else np.nan,
            }
        )  # fmt: skip
    losses = [0.1] * (10 * n_evaluations)
    settings = {"task": {"name": "flip_flop"}}
    write_regression_history(
        path, rows, losses, losses, settings, {"stage": "train"}, list(p.astype(np.float32)), seed=0
    )
    return p


def write_network(path: Path, task: RegressionTask, w_rec: Any, w_in: Any, w_out: Any, **settings: Any) -> None:
    """Write a network of known weights as a trained one."""
    units = CtrnnSettings(
        **{"n_units": len(w_rec), "self_connections": True, "spectral_radius": None, "projection": "none", **settings}
    )
    arrays = {
        "w_rec": w_rec,
        "w_in": w_in,
        "w_out": w_out,
        "b_rec": np.zeros(len(w_rec)),
        "x_init": np.zeros(len(w_rec)),
    }
    network = as_ctrnn({k: np.asarray(v, np.float32) for k, v in arrays.items()}, units, task.dt)
    sign = np.zeros(len(w_rec), np.int8)
    if units.dale:
        sign[:] = np.where(np.arange(len(w_rec)) < units.n_excitatory, 1, -1)
    masks = {f"mask_{k}": np.ones_like(arrays[f"w_{k}"], bool) for k in ("rec", "in", "out")}
    constraints = Constraints(
        **masks, sign_rec=sign, sign_in=int(units.nonnegative_io), sign_out=int(units.nonnegative_io)
    )
    everything = {"task": {"name": task.name, **task.model_dump(mode="json")}, "network": units.model_dump(mode="json"),
                  "learning": {"rule": "regression"}}  # fmt: skip
    write_ctrnn(path, network, network, constraints, everything, 0, {}, {"stage": "train"}, {})


def write_dale(path: Path, n_units: int = N_UNITS) -> None:
    """A network with Dale's principle and non-negative, sparse input and output weights, for the task `cddm`."""
    rng, task = np.random.default_rng(4), cddm()
    settings = {"dale": True, "nonnegative_io": True, "activation": "relu", "tau": 40.0}
    n_excitatory = CtrnnSettings(n_units=n_units, **settings).n_excitatory
    sign = np.where(np.arange(n_units) < n_excitatory, 1.0, -3.0)
    w_rec = np.abs(rng.standard_normal((n_units, n_units))) * sign / n_units
    w_in = np.where(rng.random((n_units, 6)) < 0.3, rng.random((n_units, 6)), 0.0)
    w_out = np.where(rng.random((2, n_units)) < 0.4, rng.random((2, n_units)), 0.0)
    write_network(path, task, w_rec, w_in, w_out, **settings)


def write_decider(path: Path) -> None:
    """A network that integrates the evidence that its context names, along a line attractor; tanh units, current form.

    Two units hold the choice x_1 and the context x_2; sensory units carry what the context lets through, by saturation:
    the inhibition of the other context silences them.
    """
    task = cddm()
    n = 6  # choice, then two units of motion and two of colour (on, off), and one of the context
    w_rec, w_in, w_out = np.zeros((n, n)), np.zeros((n, 6)), np.zeros((2, n))
    w_rec[0, 0] = 1.02
    w_rec[0, 1:5] = 0.25, -0.25, 0.25, -0.25
    for unit, (channel, other) in enumerate(((2, 1), (3, 1), (4, 0), (5, 0)), start=1):
        w_in[unit, channel], w_in[unit, other] = 0.8, 2.5
    w_in[5, 0], w_in[5, 1] = 1.0, -1.0
    w_out[0, 0], w_out[1, 0] = 1.0, -1.0
    write_network(path, task, w_rec, w_in, w_out, form="current", activation="tanh", tau=40.0)


def write_ring(path: Path, n_ring: int = 12) -> None:
    """A memory of an angle: a ring of tanh units, and four units that pass it on to the outputs during recall only.

    A little disorder leaves few fixed points on the ring.
    """
    task, rng = MemoryAngle(n_angles=12, repeats=1, bias=True), np.random.default_rng(2)
    theta = 2 * np.pi * np.arange(n_ring) / n_ring
    axes = np.stack([np.cos(theta), np.sin(theta)])
    n = n_ring + 4
    w_rec, w_in, w_out = np.zeros((n, n)), np.zeros((n, 4)), np.zeros((2, n))
    w_rec[:n_ring, :n_ring] = 1.5 * 2 / n_ring * (axes.T @ axes) + 0.01 * rng.standard_normal((n_ring, n_ring)) / n_ring
    w_in[:n_ring, :2] = axes.T
    for k, axis in enumerate(axes):
        for sign in (1, -1):
            unit = n_ring + 2 * k + (sign < 0)
            w_rec[unit, :n_ring] = -0.8 * sign * axis / n_ring
            w_in[unit, 2:] = -2.5, 2.5
            w_out[k, unit] = 2.5 * sign
    write_network(path, task, w_rec, w_in, w_out, form="rate", activation="tanh", tau=10.0)


def write_figure_inputs(folder: Path) -> None:
    """Files for `figure_inputs`, into `folder`/regression."""
    place = folder / "regression"
    place.mkdir()
    write_cddm(place / "cddm.h5")
    write_flip_flop(place / "flip_flop.h5")
    write_cube(place / "cube.h5")
    write_dale(place / "dale.pth")
    write_decider(place / "decider.pth")
    write_ring(place / "ring.pth")
    for seed in (0, 1, 2):
        write_loss(place / f"loss{seed}.h5", seed)
    write_traces(place / "traces.h5")


def figure_inputs(folder: Path, figure: str) -> dict[str, list[Path]]:
    """Files of a figure of this topic by need; nothing of another figure."""
    place = folder / "regression"
    if figure == "fig_random_trials":
        return {"activity": [place / "flip_flop.h5"]}
    if figure == "fig_psychometric_surface":
        return {"behaviour": [place / "cddm.h5"]}
    if figure == "fig_population":
        return {"activity": [place / "cddm.h5"], "network": [place / "dale.pth"]}
    if figure == "fig_weight_matrices":
        return {"network": [place / "dale.pth"]}
    if figure == "fig_line_attractor":
        return {"network": [place / "decider.pth"]}
    if figure == "fig_manifolds":
        return {"network": [place / "ring.pth"]}
    if figure == "fig_loss":
        return {"history": sorted(place.glob("loss*.h5"))}
    if figure == "fig_participation":
        return {"history": [place / "traces.h5"]}
    if figure == "fig_fixed_points":
        return {"fixed_points": [place / "cube.h5"], "activity": [place / "flip_flop.h5"]}
    return {}
