"""Evaluations and histories of a made-up observer, in the files of the real ones, for tests of what comes after.

The observer sums the evidence (right minus left) of each step and answers by its sign: in the fixed-duration task some
time into the decision period, in the reaction-time task when the sum reaches a bound that falls with time; where a sure
option is offered it takes it when the sum is small. Its units follow the sum with a known preference each (those of the
value network in reverse order), and its value the absolute sum.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnpipe.dataset import DatasetSettings, blocks
from rnnpipe.evaluation.simulate import trial_table
from rnnpipe.io.evaluation import KIND, SCHEMA
from rnnpipe.io.hdf5 import create, put
from rnnpipe.io.history import write_history
from rnnpipe.tasks import task_class
from rnnpipe.tasks._base import Task
from rnnpipe.trials import Trials

N_UNITS = 12
PREFERENCES = np.linspace(-1, 1, N_UNITS)
"""What each unit adds to its baseline per unit of the (squashed) sum; negative units prefer left."""
SURE_BELOW = 3.0
"""Sum of the evidence below which the observer takes a sure option."""


def observe(trials: Trials, task: Task, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Trial table and activity of the observer on a batch of trials."""
    n_steps, n = trials.n_steps, trials.n_trials
    t, i = np.arange(n_steps)[:, None], np.arange(n)
    evidence = np.where(trials.during("stimulus"), trials.inputs[..., 2] - trials.inputs[..., 1], 0.0).cumsum(axis=0)
    if task.name == "rdm_rt":
        onset = trials.periods["stimulus"][:, 0]
        bound = 9.0 * np.exp(-(t - onset) * task.dt / 900.0)
        crossed = (np.abs(evidence) > bound) & trials.during("decision")
        step = np.where(crossed.any(axis=0), crossed.argmax(axis=0) + int(100 / task.dt), n_steps - 1)
        step = np.minimum(step, n_steps - 1)
    else:
        step = trials.periods["decision"][:, 0] + rng.integers(2, int(300 / task.dt), n)
    side = np.where(evidence[step, i] > 0, 2, 1)
    if task.name == "postdecisionwager":  # takes the sure option where it is offered and evidence is weak
        side = np.where(trials.conditions["wager"] & (np.abs(evidence[step, i]) < SURE_BELOW), 3, side)
    lapse = rng.random(n) < 0.005  # never answers
    step = np.where(lapse, n_steps - 1, step)
    actions = np.where(t < step, 0, -1)
    actions[step, i] = np.where(lapse, 0, side)
    rewards = np.zeros((n_steps, n))
    for k in range(n_steps):
        now = actions[k] >= 0
        rewards[k, now] = trials.reward(k, np.maximum(actions[k], 0))[now]
    table = table_of(trials, task, actions, rewards)
    mask = actions >= 0
    drive = np.tanh(evidence / 12)
    rates = np.maximum(1.0 + PREFERENCES * drive[..., None] + 0.1 * rng.standard_normal((n_steps, n, N_UNITS)), 0)
    value = 0.8 + 0.2 * np.abs(drive) + 0.03 * rng.standard_normal((n_steps, n))
    activity = {
        "time": np.arange(n_steps) * task.dt,
        "mask": mask,
        "policy_rates": np.where(mask[..., None], rates, 0).astype(np.float32),
        "value_rates": np.where(mask[..., None], rates[..., ::-1], 0).astype(np.float32),
        "value": np.where(mask, value, 0).astype(np.float32),
        "probabilities": np.where(mask[..., None], np.eye(trials.n_actions)[np.maximum(actions, 0)], 0),
        "actions": actions.astype(np.int8),
        "rewards": rewards,
    }
    return table, activity


def write_evaluation(
    path: Path, task_name: str = "rdm_fixed", trials_per_condition: int = 60, seed: int = 97, activity: bool = True,
    change: Any = None,
) -> pd.DataFrame:  # fmt: skip
    """Write an evaluation of the observer; `change(table)` may spoil the table first. Returns the table."""
    task = task_class(task_name)()
    rng = np.random.default_rng(seed)
    batches = [observe(b, task, rng) for b in blocks(task, DatasetSettings(trials_per_condition=trials_per_condition))]
    columns = {k: np.concatenate([table[k] for table, _ in batches]) for k in batches[0][0]}
    arrays = {k: np.concatenate([a[k] for _, a in batches], axis=1) for k in batches[0][1] if k != "time"}
    arrays["time"] = batches[0][1]["time"]
    if change is not None:
        change(columns)
    return write_arrays(path, task, columns, arrays if activity else {}, seed)


def write_arrays(
    path: Path, task: Task, columns: dict[str, Any], activity: dict[str, Any], seed: int = 1, **settings: Any
) -> pd.DataFrame:
    """Write a trial table and activity (time, trial, ...) of any task as an evaluation. Returns the table."""
    everything = {
        "task": {"name": task.name, **task.model_dump(mode="json")},
        "network": {"n_units": N_UNITS},
        "value_network": {"n_units": 100},
        **settings,
    }
    attributes = {"task": task.name, "dt": task.dt, "seed": seed, "action_names": list(task.action_names)}
    with create(path, KIND, everything, {"stage": "evaluate"}, **attributes) as file:
        for name, values in columns.items():
            put(file, f"trials/{name}", SCHEMA, values)
        for name, values in activity.items():
            put(file, f"activity/{name}", SCHEMA, values)
    table = pd.DataFrame(columns)
    table.attrs = {**attributes, "settings": everything}
    return table


def table_of(trials: Trials, task: Task, actions: Any, rewards: Any | None = None) -> dict[str, Any]:
    """Columns of the trial table for actions (n_steps, n_trials), -1 after the end, by the rules of the pipeline."""
    if rewards is None:
        rewards = np.zeros(actions.shape)
        for k in range(len(actions)):
            now = actions[k] >= 0
            rewards[k, now] = trials.reward(k, np.maximum(actions[k], 0))[now]
    return trial_table(trials, task, actions, rewards)


def write_learning(
    path: Path, seed: int, n_validations: int = 20, stop: int | None = 15, rng_seed: int = 0
) -> pd.DataFrame:
    """Write the history of a network that learns to fixate, then to discriminate, and may stop at a validation."""
    rng = np.random.default_rng((rng_seed, seed))
    n = n_validations if stop is None else stop + 1
    k = np.arange(n)
    p_decision = np.clip(0.2 + 0.5 * k, 0, 0.985) * (k > 0)
    p_correct = np.clip(0.5 + 0.25 * (1 - np.exp(-k / 4)) + 0.02 * rng.standard_normal(n), 0, 0.795)
    if stop is not None:
        p_decision[-1], p_correct[-1] = 0.995, 0.803
    reward = p_decision * p_correct - (1 - p_decision)
    best = reward >= np.maximum.accumulate(reward)
    rows = [
        {
            "update": int(50 * j),
            "n_trials": int(500 * j),
            "mean_reward": float(reward[j]),
            "p_decision": float(p_decision[j]),
            "p_correct": float(p_correct[j]),
            "value_rmse": 0.3,
            "criterion": j == stop,
            "new_best": bool(best[j]),
        }
        for j in range(n)
    ]
    write_history(
        path, rows, {"task": {"name": "rdm_fixed"}}, {"stage": "train"}, seed=seed, task="rdm_fixed",
        reached_criterion=stop is not None, n_trials=int(500 * (n - 1)), n_updates=int(50 * (n - 1)),
        min_decisions=0.99, min_correct=0.8,
    )  # fmt: skip
    return pd.DataFrame(rows)


def write_gathered(path: Path) -> None:
    """Write the table of 36 networks of a sweep; the small ones with much noise never learn."""
    rng = np.random.default_rng(3)
    rows = []
    for n_units in (20, 50, 100):
        for noise in (0.0, 0.1, 0.5):
            for seed in range(4):
                reached = n_units > 20 or noise < 0.5
                accuracy = 0.97 - 0.2 * noise + 0.01 * rng.random()
                rows.append(
                    {"experiment": f"grid_{n_units}_{noise}", "seed": seed, "network.n_units": n_units,
                     "network.var_rec": noise, "task": "go_nogo", "rule": "bptt", "reached_criterion": reached,
                     "trials_to_criterion": 200 + 2000 * noise + 100 * rng.random() if reached else np.nan,
                     "score": "accuracy", "best_score": accuracy, "network": "a.pth", "history": "a.history.h5"}
                )  # fmt: skip
    pd.DataFrame(rows).to_csv(path, index=False)
