"""What trainings by different rules have in common, so that learners can be compared on one task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from rnnpipe.analysis.pca import Components, principal_components
from rnnpipe.analysis.proportions import wilson
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError
from rnnpipe.io.history import any_history

RULES = {"policy_gradient": "Policy gradient", "bptt": "BPTT", "regression": "BPTT"}
ALGORITHMS = {
    "a2c": "A2C",
    "ppo": "PPO",
    "recurrent_a2c": "Recurrent A2C",
    "recurrent_ppo": "Recurrent PPO",
}


def learner_name(settings: Mapping[str, Any]) -> str:
    """What a learner is called, from the settings of a training: its rule, or the algorithm of an agent."""
    learning = settings.get("learning", {})
    rule = str(learning.get("rule", "policy_gradient"))
    if rule != "sb3":
        return RULES.get(rule, rule)
    stacked = f", {learning['n_stack']} frames" if learning.get("n_stack", 1) > 1 else ""
    return ALGORITHMS.get(str(learning.get("algorithm")), rule) + stacked


def progress(path: str | Path) -> pd.DataFrame:
    """How well a network did in the course of its training, whatever the rule.

    Returns:
        One row a validation: `n_trials` before it, and `performance`, the fraction of trials answered correctly. By
        policy gradient it is of validation trials, whose actions are drawn; of an agent, of the training trials since
        the row before, whose actions are drawn, too; supervised, of held-out trials. `.attrs` as in the file.

    Raises:
        ArtefactError: The file is no history, or one of a task without right and wrong answers.
    """
    history = any_history(path)
    if "performance" in history:
        performance = history["performance"].to_numpy(float)
    elif "p_correct" in history:  # of the decisions
        performance = history["p_correct"].to_numpy(float) * history["p_decision"].to_numpy(float)
    elif "accuracy" in history:
        performance = history["accuracy"].to_numpy(float)
    else:
        raise ArtefactError(
            f"{path}: is of a task without right answers ({history.attrs.get('task')}), so that nothing can be"
            " compared; give it the history of another task."
        )
    table = pd.DataFrame({"n_trials": history["n_trials"].to_numpy(float), "performance": performance})
    table.attrs = history.attrs
    return table


def trials_to(history: pd.DataFrame, performance: float) -> float:
    """Training trials before the first row of `progress` that is at least so good; infinite if there is none."""
    reached = history["n_trials"][history["performance"] >= performance]
    return float(reached.iloc[0]) if len(reached) else math.inf


def seconds(path: str | Path) -> float:
    """Wall time of a training's job, from what the workflow measured; of the last run, if it was interrupted.

    Raises:
        ArtefactError: The file is no such measurement.
    """
    try:
        measured = pd.read_csv(path, sep="\t")
        found = float(measured["s"].iloc[-1])
    except (OSError, ValueError, KeyError, IndexError, pd.errors.ParserError):
        raise ArtefactError(
            f"{path}: is no measurement of a job by the workflow (.tsv with a column 's'); run the training again."
        ) from None
    return found


def correct_by(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Correct trials among all trials at each value of a condition.

    Returns:
        One row a value, ascending: `x`, `n` trials, `p`, the fraction of them that is correct, and its interval `low`,
        `high`.
    """
    counts = pd.DataFrame({"x": table[column].to_numpy(float), "n": 1.0, "k": (table["correct"] == 1).astype(float)})
    counts = counts.groupby("x", as_index=False).sum()
    counts["p"] = counts["k"] / counts["n"]
    counts["low"], counts["high"] = wilson(counts["k"], counts["n"])
    return counts.drop(columns="k")


def ideal_accuracy(coherence: NDArray[np.float64], duration: float, sigma: float) -> NDArray[np.float64]:
    """Probability that the ideal observer of two evidence channels is correct.

    Phi(coherence / 100 * sqrt(T) / (sqrt(2) sigma)), where the channels are at 1/2 +- coherence / 200 with Gaussian
    noise of SD sigma / sqrt(dt) a step.

    Args:
        coherence: Percent.
        duration: T, ms.
        sigma: Noise, sqrt(ms).
    """
    found: NDArray[np.float64] = ndtr(np.asarray(coherence) / 100 * math.sqrt(duration) / (math.sqrt(2) * sigma))
    return found


def condition_means(
    recording: Recording, by: Sequence[str], name: str = "policy_rates", min_trials: int = 5
) -> dict[tuple[Any, ...], NDArray[np.float64]]:
    """Mean activity of the trials of each combination of columns, correct ones only.

    Args:
        recording: The activity.
        by: Columns of the trial table.
        name: Which activity.
        min_trials: A step counts while so many of the trials go on.

    Returns:
        (n_steps, ...) by the values of the columns, NaN where too few trials go on.
    """
    table = recording.table
    keys = list(zip(*(table[column].tolist() for column in by), strict=True))
    right = (table["correct"] == 1).to_numpy()
    sums: dict[tuple[Any, ...], Any] = {}
    counts: dict[tuple[Any, ...], NDArray[np.float64]] = {}
    for trials, values, mask in recording.chunks(name):
        here = keys[trials]
        for key in dict.fromkeys(here):
            chosen = np.array([k == key for k in here]) & right[trials]
            going = mask[:, chosen]
            weights = going.reshape(*going.shape, *[1] * (values.ndim - 2))
            total = (values[:, chosen].astype(np.float64) * weights).sum(axis=1)
            sums[key] = sums.get(key, 0.0) + total
            counts[key] = counts.get(key, np.zeros(len(mask))) + going.sum(axis=1)
    means = {}
    for key in sorted(sums):
        n = np.where(counts[key] >= min_trials, counts[key], np.nan)
        means[key] = sums[key] / n.reshape(-1, *[1] * (sums[key].ndim - 1))
    return means


def components_of(means: Mapping[tuple[Any, ...], NDArray[np.float64]]) -> Components | None:
    """Principal components of condition means, (n_steps, n_units) each; None where fewer than two steps have a mean."""
    chunks = [values[np.isfinite(values).all(axis=1)] for values in means.values()]
    return principal_components(chunks) if sum(map(len, chunks)) > 1 else None
