"""Evaluation of continuous-time networks on data sets: outputs judged where the loss counts, and activity."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError
from rnnpipe.evaluation.analog import batch_size
from rnnpipe.evaluation.run import Columns, Run
from rnnpipe.io.ctrnn import StoredCtrnn, read_ctrnn
from rnnpipe.io.trials import TrialsFile, open_trials
from rnnpipe.networks.ctrnn import ARRAYS
from rnnpipe.networks.ctrnn_engine import CtrnnEngine
from rnnpipe.networks.engines import hold_libraries, thread_pool
from rnnpipe.tasks._regression import RegressionTask
from rnnpipe.trials import DECISION, FIXATE, TIMEOUT, Trials

Array = NDArray[Any]


@contextlib.contextmanager
def regression_run(path: Path, dataset: Path, seed: int, noise: bool, activity: bool, threads: int) -> Iterator[Run]:
    """An evaluation of a continuous-time network.

    Args:
        path: The network.
        dataset: Trials of its task.
        seed: Seed of the noise.
        noise: Whether the network has its noise of units, inputs and outputs.
        activity: Whether rates and outputs of every step are wanted.
        threads: CPU threads, on which results do not depend.

    Raises:
        ArtefactError: A file is of no use, or the trials are not of the network's task.
    """
    stored = read_ctrnn(path)
    task, network = stored.task, stored.network
    hold_libraries()
    with open_trials(dataset) as trials, thread_pool(threads) as pool:
        _check_match(stored, trials)
        attributes = {
            "task": task.name,
            "dt": task.dt,
            "seed": stored.seed,
            "dataset_seed": int(trials.attributes.get("seed", -1)),
            "input_names": list(task.input_names),
            "output_names": list(task.output_names),
            "action_names": list(task.action_names),
            "n_trials_trained": int(stored.score.get("n_trials_trained", -1)),
            "reached_criterion": bool(stored.score.get("reached_criterion", False)),
            "noise": noise,
        }
        engine = CtrnnEngine(network, map_=pool.map if threads > 1 else map)
        parts = trials.batches(batch_size(task.n_steps, network.n_units))
        extra = {
            "units/tau": np.full(network.n_units, network.tau),
            "units/type": np.where(stored.constraints.sign_rec < 0, -1, 1).astype(np.int8),
        }
        batches = _batches(stored, engine, parts, seed if noise else None, activity)
        yield Run(trials.n_trials, stored.settings, attributes, batches, extra if stored.network_settings.dale else {})


def _check_match(stored: StoredCtrnn, trials: TrialsFile) -> None:
    task = stored.task
    has = trials.attributes.get("task"), trials.attributes.get("dt"), trials.file["inputs"].shape[2]
    if has != (task.name, task.dt, stored.network.n_inputs):
        raise ArtefactError(
            f"{trials.path}: holds trials of {has[0]!r} with steps of {has[1]:g} ms and {has[2]} inputs, but"
            f" {stored.path} is a network of {task.name!r} with steps of {task.dt:g} ms and"
            f" {stored.network.n_inputs} inputs; evaluate it on a dataset of its own task."
        )
    of, theirs = (settings.get("task", {}).get("of") for settings in (stored.settings, trials.attributes["settings"]))
    if of != theirs and "of" in type(task).model_fields:
        default = type(task).model_fields["of"].default  # which data sets do not write down
        if (of or default) != (theirs or default):
            raise ArtefactError(
                f"{trials.path}: holds trials of {theirs or default!r}, but {stored.path} has learned"
                f" {of or default!r}; evaluate it on a dataset of its own task."
            )
    if "target" not in trials.file or trials.file["target"].shape[2] != stored.network.n_outputs:
        raise ArtefactError(
            f"{trials.path}: has no target for {stored.network.n_outputs} outputs, which those of {stored.path} would"
            " be compared with; make the data set again from the network's task."
        )


def _batches(
    stored: StoredCtrnn, engine: CtrnnEngine, batches: Iterator[Trials], seed: int | None, activity: bool
) -> Iterator[tuple[Columns, Columns, Columns]]:
    """Trial table, activity and no spikes of each batch; sample k of the activity is the state x[k], at k * dt."""
    arrays = {name: getattr(stored.network, name) for name in ARRAYS}
    for number, trials in enumerate(batches):
        stream = None
        if seed is not None:
            stream = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        output, states = engine.run(arrays, trials.inputs, stream, states=activity)
        recorded: Columns = {}
        if states is not None:
            assert trials.target is not None and trials.mask is not None
            recorded = {
                "policy_rates": stored.network.rates(states).astype(np.float32),
                "output": output.astype(np.float32),
                "target": trials.target,
                "loss_mask": trials.mask,
                "mask": np.ones(trials.mask.shape, bool),
                "time": np.arange(trials.n_steps) * trials.dt,
            }
            if stored.network.form == "current":
                recorded["states"] = states.astype(np.float32)
        yield regression_table(stored.task, trials, output), recorded, {}


def regression_table(task: RegressionTask, trials: Trials, output: Array) -> Columns:
    """One value a trial: its conditions, its periods (ms), error and, where there is one, the answer that was given.

    `mse` is the mean squared error over outputs where the loss counts, NaN where it never does; `r2` is 1 - mse /
    variance of the target there, NaN where the target is constant.
    """
    assert trials.target is not None and trials.mask is not None
    n = trials.n_trials
    weight = trials.mask.astype(np.float64)[..., None]
    total = weight.sum((0, 2)) * output.shape[2]
    goal = trials.target.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mse = (weight * (output - goal) ** 2).sum((0, 2)) / total
        mean = (weight * goal).sum((0, 2)) / total
        variance = (weight * (goal - mean[:, None]) ** 2).sum((0, 2)) / total
        r2 = np.where(variance > 1e-12, 1 - mse / variance, np.nan)
    choice, correct, reward = np.zeros(n, np.int8), np.full(n, -1, np.int8), np.zeros(n, np.float32)
    decided = np.zeros(n, bool)
    when = np.full(n, np.nan)
    answer, i = task.choices(output, trials), np.arange(n)
    if answer is not None:
        last = trials.periods["decision"][:, 1] - 1
        decided = answer >= 0
        choice = np.where(decided, answer, FIXATE).astype(np.int8)
        correct = np.where(decided, trials.correct[i, choice], -1).astype(np.int8)
        row = np.where(choice == FIXATE, TIMEOUT, DECISION)
        reward = np.where(decided, trials.rewards[row, i, choice], 0).astype(np.float32)
        when = np.where(decided, last * trials.dt, np.nan)
    table: Columns = {
        **trials.conditions,
        "choice": choice,
        "decision": decided,
        "correct": correct,
        "reward": reward,
        "choice_time": when,
        "reaction_time": np.full(n, np.nan),  # an answer is read at one time
        "n_steps": np.full(n, trials.n_steps),
        "mse": mse,
        "r2": r2,
    }
    for name, edges in trials.periods.items():
        table[f"{name}_on"], table[f"{name}_off"] = (edges[:, k] * trials.dt for k in (0, 1))
    return table
