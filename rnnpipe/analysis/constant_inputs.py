"""The constant inputs of a task, and the states in which a network meets them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnpipe.analysis.gated_map import Array, GatedMap
from rnnpipe.tasks._base import Task
from rnnpipe.trials import Trials

NO_INPUT = "no input"


def constant_inputs(task: Task) -> dict[str, Array]:
    """The distinct noise-free inputs of a task, by label, (n_inputs,) each.

    They are those in the middle of each period under every combination of the task's factors, and no input at all. A
    label is the period with the factors that the input depends on, e.g. "stimulus, side=1, coherence=12.8".
    """
    quiet = task.without_noise()
    rows = task.factorial()
    factors = {name: np.array([row[name] for row in rows]) for name in task.factors}
    trials = quiet.sample(np.random.default_rng(0), len(rows), **factors)
    labels: dict[bytes, str] = {np.zeros(trials.n_inputs).tobytes(): NO_INPUT}
    for period, edges in trials.periods.items():
        middle = trials.inputs[edges.sum(1) // 2, np.arange(len(rows))].astype(np.float64) + 0.0
        groups: dict[bytes, list[int]] = {}
        for i, u in enumerate(middle):
            groups.setdefault(u.tobytes(), []).append(i)
        for key, members in groups.items():
            labels.setdefault(key, ", ".join([period, *_shared(rows, members)]))
    none, *others = labels.items()
    return {label: np.frombuffer(key) for key, label in (*others, none)}


def _shared(rows: list[dict[str, Any]], members: list[int]) -> list[str]:
    """The factors that all these conditions share although not all conditions do."""
    shared = []
    for name in rows[0]:
        values = {rows[i][name] for i in members}
        if len(values) == 1 and len({row[name] for row in rows}) > 1:
            value = values.pop()
            shared.append(f"{name}={value:g}" if isinstance(value, (int, float)) else f"{name}={value}")
    return shared


def visited_states(
    policy: Mapping[str, Any], trials: Trials, tau: float, noise_sd: float, rng: np.random.Generator
) -> Array:
    """States of a network on trials, up to the end of each one's decision period, (n, n_units).

    Args:
        policy: Effective weights by name.
        trials: Trials of its task.
        tau: Time constant of the units, ms.
        noise_sd: Standard deviation of the recurrent noise of a step.
        rng: Generator of that noise.
    """
    inputs = trials.inputs.astype(np.float64)
    gated = GatedMap.of(policy, inputs, trials.dt, tau)
    x = np.repeat(np.asarray(policy["x0"], dtype=np.float64)[None], trials.n_trials, axis=0)
    states = [x]
    for drive in gated.drive[1:]:
        at_t = dataclasses.replace(gated, drive=drive)
        x = at_t.step(x, noise_sd * rng.standard_normal(x.shape))
        states.append(x)
    return np.stack(states)[trials.loss_mask]
