"""Observers of the inputs of the twenty tasks of Yang et al. (2019): what they answer, and how often they are right.

They know the rule of their task by its name, not from its code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from rnnpipe.tasks._yang import YANG19
from rnnpipe.trials import FIXATE, Trials

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

N = 16
STEPS = np.minimum(np.arange(N), N - np.arange(N))
BUMPS = np.array([np.roll(0.8 * np.exp(-(STEPS**2) / 2), k) for k in range(N)])
"""Input of a stimulus of strength 1 in each direction, (direction, channel); pi / 8 is a step of the ring."""
OVERLAP = BUMPS @ BUMPS[0]
"""Product of two bumps that are so many steps apart."""

ATTENDED = {
    f"yang_{context}{delay}dm{modality}": attended
    for delay in ("", "dly")
    for context, modality, attended in (
        *(("", "1", (1,)), ("", "2", (2,)), ("ctx", "1", (1,)), ("ctx", "2", (2,)), ("multi", "", (1, 2))),
    )
}
"""Modalities that count in each of the decision-making tasks."""


def rings(trials: Trials, period: str) -> Floats:
    """Mean of each signal in a period, (modality, n_trials, channel)."""
    during = trials.during(period)
    mean = np.einsum("tic,ti->ic", trials.inputs[..., 1 : 1 + 2 * N].astype(float), during) / during.sum(0)[:, None]
    return mean.reshape(-1, 2, N).swapaxes(0, 1)


def direction(trials: Trials, period: str) -> Ints:
    """Direction of the one bump in either modality, counted from 0."""
    return (rings(trials, period).sum(0) @ BUMPS.T).argmax(1)


def reached(name: str, task: Any, trials: Trials) -> Ints:
    shown = direction(trials, "decision" if name.startswith("yang_rt") else "stimulus")
    return (shown + (N // 2 if "anti" in name else 0)) % N + 1


def matched(name: str, task: Any, trials: Trials) -> Ints:
    sample, test = direction(trials, "sample_stimulus"), direction(trials, "test_stimulus")
    match = (sample // 8 == test // 8) if name.endswith("mc") else sample == test
    return np.where(match != ("_dn" in name), test + 1, FIXATE)


def stronger_in_turn(name: str, task: Any, trials: Trials) -> Ints:
    periods = ("first_stimulus", "second_stimulus")
    first, second = (sum(rings(trials, p)[m - 1] for m in ATTENDED[name]) @ BUMPS.T for p in periods)
    return np.where(first.max(1) > second.max(1), first.argmax(1), second.argmax(1)) + 1


def stronger_together(name: str, task: Any, trials: Trials) -> Ints:
    """The pair of bumps that explains most by least squares, with strengths above 0, and the stronger one of it."""
    x = sum(rings(trials, "stimulus")[m - 1] for m in ATTENDED[name]) @ BUMPS.T
    i, j = np.nonzero(~np.eye(N, dtype=bool))
    own, cross = OVERLAP[0], OVERLAP[(j - i) % N]
    a, b = ((own * x[:, p] - cross * x[:, q]) / (own**2 - cross**2) for p, q in ((i, j), (j, i)))
    best = np.where(np.minimum(a, b) > 0, a * x[:, i] + b * x[:, j], -np.inf).argmax(1)
    k = np.arange(len(x))
    return np.where(a[k, best] > b[k, best], i[best], j[best]) + 1


def together_accuracy(name: str, task: Any, trials: Trials) -> float:
    """Of who knows where the two are: they differ by the coherence times the distance between their bumps."""
    c = trials.conditions
    coherence = np.abs(sum(c[f"coherence_mod{m}"] for m in ATTENDED[name])) / 100
    distance = np.sqrt(2 * (OVERLAP[0] - OVERLAP[c["apart"]]))
    noise = task.sigma * np.sqrt(len(ATTENDED[name]) / c["stimulus"])
    return float(norm.cdf(coherence * distance / 2 / noise).mean())


def in_turn_accuracy(name: str, task: Any, trials: Trials) -> float:
    """Of who knows where they are; pairs are numbered by their first strength, then by their second."""
    c, gain = trials.conditions, np.array([-0.3, -0.7, 0.3, -0.4, 0.7, 0.4])
    difference = np.abs(sum(gain[c[f"pair_mod{m}"]] for m in ATTENDED[name]))
    variance = len(ATTENDED[name]) * (1 / c["first_stimulus"] + 1 / c["second_stimulus"])
    return float(norm.cdf(difference * np.sqrt(OVERLAP[0] / variance) / task.sigma).mean())


def always(name: str, task: Any, trials: Trials) -> float:
    return 1.0


def _observer(name: str) -> tuple[Callable[[Any, Trials], Ints], Callable[[Any, Trials], float], float]:
    if name not in ATTENDED:
        decide, accuracy, published = (matched if "_dm" in name or "_dn" in name else reached), always, 1.0
    elif "dly" in name:
        decide, accuracy, published = stronger_in_turn, in_turn_accuracy, 0.901 if "multi" in name else 1.0
    else:
        decide, accuracy, published = stronger_together, together_accuracy, 0.916 if "multi" in name else 0.965
    return partial(decide, name), partial(accuracy, name), published


YANG_OBSERVERS = {name: _observer(name) for name in YANG19}
"""For each task: the answers to trials, how often they are right in closed form, and that at the task's defaults."""
