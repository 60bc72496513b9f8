"""Observers of the inputs of tasks of consecutive periods: what they answer, or when they go, and how often rightly.

They see `Trials.inputs` and know the periods of what they attend to, and no conditions; those are used to say how often
they are right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from rnnpipe.trials import Trials

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def shown(trials: Trials, period: str) -> Floats:
    """Mean of each signal in a period, (n_trials, n_inputs - 1)."""
    during = trials.during(period)
    return np.einsum("tic,ti->ic", trials.inputs[..., 1:].astype(float), during) / during.sum(0)[:, None]


def certain(task: Any, trials: Trials) -> float:
    return 1.0


def first_modality(task: Any, trials: Trials) -> Ints:
    return shown(trials, "stimulus")[:, : task.dim_ring].argmax(1) + 1


def first_modality_accuracy(task: Any, trials: Trials) -> float:
    c = trials.conditions
    return float(norm.cdf(c["coherence"] / 100 * np.sqrt(c["stimulus"] / 2) / task.sigma).mean())


def both_modalities(task: Any, trials: Trials) -> Ints:
    return shown(trials, "stimulus").reshape(trials.n_trials, 2, task.dim_ring).sum(1).argmax(1) + 1


def both_modalities_accuracy(task: Any, trials: Trials) -> float:
    c = trials.conditions
    return float(norm.cdf(c["coherence"] / 100 * np.sqrt(c["stimulus"]) / 2 / task.sigma).mean())


def more_pulses(task: Any, trials: Trials) -> Ints:
    """A pulse is one step long at the defaults."""
    first, second = (trials.inputs[..., 1:] > 0.5).sum(0).T
    return np.where(first >= second, 1, 2)


def more_pulses_accuracy(task: Any, trials: Trials) -> float:
    """All but half of the trials with as many pulses on both sides."""
    bits = [np.array([int(train).bit_count() for train in trials.conditions[which]]) for which in ("frequent", "rare")]
    return float(1 - (bits[0] == bits[1]).mean() / 2)


def sum_of_weights(task: Any, trials: Trials) -> Ints:
    shapes = shown(trials, "fourth_shape").reshape(trials.n_trials, 4, len(task.weights)).argmax(2)
    return np.where(np.asarray(task.weights)[shapes].sum(1) > 0, 2, 1)


def sum_of_weights_accuracy(task: Any, trials: Trials) -> float:
    p = task.probability(trials.conditions)
    return float(np.maximum(p, 1 - p).mean())


def delay_by_rule(task: Any, trials: Trials) -> Ints:
    rule = shown(trials, "rule_cue")[:, :2].argmax(1) + 1
    flashes = trials.inputs[..., 3:]
    side = flashes.sum(0).argmax(1) + 1
    dark = flashes.sum(2) < 0.5
    first, last = (~dark).argmax(0), trials.n_steps - 1 - (~dark)[::-1].argmax(0)
    t = np.arange(trials.n_steps)[:, None]
    delay = (dark & (first < t) & (t < last)).sum(0) * trials.dt
    return np.where((delay < 850) == (rule == 1), side, 3 - side)


def longer(task: Any, trials: Trials) -> Ints:
    first, second = (trials.inputs[..., 1:] > 0.5).sum(0).T
    return np.where(first > second, 1, 2)


def go_cue(task: Any, trials: Trials) -> Ints:
    return shown(trials, "stimulus").argmax(1)


LIBRARY_OBSERVERS: dict[str, tuple[Callable[[Any, Trials], Ints], Callable[[Any, Trials], float], float]] = {
    "context_decision_making": (first_modality, first_modality_accuracy, 0.941),
    "multisensory_integration": (both_modalities, both_modalities_accuracy, 0.908),
    "pulse_decision_making": (more_pulses, more_pulses_accuracy, 0.960),
    "probabilistic_reasoning": (sum_of_weights, sum_of_weights_accuracy, 0.916),
    "hierarchical_reasoning": (delay_by_rule, certain, 1.0),
    "interval_discrimination": (longer, certain, 1.0),
    "delayed_go_nogo": (go_cue, certain, 1.0),
}
"""The answer to each trial, how often it is right in closed form, and that at the defaults, to three digits."""


def onsets(trials: Trials, channel: int) -> NDArray[np.bool_]:
    """Steps at which an input goes up, (n_steps, n_trials)."""
    up = trials.inputs[..., channel] > 0.5
    return up & ~np.concatenate([np.zeros_like(up[:1]), up[:-1]])


def after_ready_and_set(task: Any, trials: Trials) -> Ints:
    ready, set_ = (onsets(trials, channel).argmax(0) for channel in (1, 2))
    return 2 * set_ - ready


def as_long_as_asked(task: Any, trials: Trials) -> Ints:
    asked = (trials.inputs[..., 1:3] > 0.5).any(0).argmax(1)
    return onsets(trials, 3).argmax(0) + np.round(np.array([800, 1500])[asked] / trials.dt).astype(int)


def in_rhythm(task: Any, trials: Trials) -> Ints:
    flashes = onsets(trials, 1)
    first, last = flashes.argmax(0), trials.n_steps - 1 - flashes[::-1].argmax(0)
    assert (flashes.sum(0) == 3).all()
    return last + (last - first) // 2


def sample_again(task: Any, trials: Trials) -> Ints:
    """The first step, after the sample, of a stimulus whose channels are as they were in it."""
    sample = shown(trials, "sample_stimulus")
    t = np.arange(trials.n_steps)[:, None]
    same = np.abs(trials.inputs[..., 1:] - sample).max(2) < 0.05
    return (same & (t >= trials.periods["sample_stimulus"][:, 1])).argmax(0)


WHEN: dict[str, tuple[Callable[[Any, Trials], Ints], str]] = {
    "ready_set_go": (after_ready_and_set, "production"),
    "motor_timing": (as_long_as_asked, "production"),
    "one_two_three_go": (in_rhythm, "production"),
    "delay_match_sample_distractor": (sample_again, "sample_stimulus"),
}
"""In tasks with one action, in which the answer is when: the step at which to act, and a period with whose onset the
time to it begins."""
CUES = {"one_two_three_go": 1}
"""How many of the last inputs are cues without noise."""
