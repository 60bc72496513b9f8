"""What came of each trial: the one place that says what a decision is and when it was correct."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.tasks._environment import Episodes
from rnnpipe.trials import FIXATE, Trials


def outcomes(
    trials: Trials, actions: NDArray[np.integer[Any]], rewards: NDArray[np.floating[Any]]
) -> dict[str, NDArray[Any]]:
    """Outcome of each trial.

    Args:
        trials: The batch.
        actions: Actions taken, -1 after the end, (n_steps, n_trials).
        rewards: Rewards earned, (n_steps, n_trials).

    Returns:
        Arrays (n_trials,): `decision` (the last action was a choice), `choice` (its index, 0 without one or where it
        was to wait), `correct` (1, 0, or -1 without one), `choice_step` (-1 where `choice` is 0), `reward` (sum),
        `n_steps`; of episodes of an environment, where nothing is a choice, also `return`, the sum of its rewards as it
        gives them.
    """
    n_steps = (actions >= 0).sum(0)
    last, i = n_steps - 1, np.arange(trials.n_trials)
    action = actions[last, i]
    decision = trials.choices[trials.phase[last, i], i, action]
    table = {
        "decision": decision,
        "choice": np.where(decision, action, FIXATE).astype(np.int8),
        "correct": np.where(decision, trials.correct[i, action], -1).astype(np.int8),
        "choice_step": np.where(decision & (action != FIXATE), last, -1),
        "reward": rewards.sum(0),
        "n_steps": n_steps,
    }
    return table | {"return": trials.returns.copy()} if isinstance(trials, Episodes) else table
