"""The constant inputs of a task, and the states in which a network meets them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnpipe.analysis.gated_map import Array, GatedMap
from rnnpipe.tasks._constant_inputs import NO_INPUT, constant_inputs
from rnnpipe.trials import Trials

__all__ = ["NO_INPUT", "constant_inputs", "visited_states"]


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
