"""Learning curves."""

import numpy as np
import pandas as pd

from rnnpipe.analysis.learning import learning_curve, trials_to_criterion, trials_to_positive_reward

HISTORY = pd.DataFrame(
    {
        "n_trials": [0, 500, 1000, 1500, 2000],
        "mean_reward": [-1.0, -0.2, 0.4, 0.3, 0.7],
        "p_decision": [0.0, 0.5, 0.98, 0.995, 0.99],
        "p_correct": [0.0, 0.9, 0.82, 0.7, 0.8],
        "criterion": [False, False, False, True, True],
    }
)


def test_percent_correct_only_where_the_reward_is_positive() -> None:
    curve = learning_curve(HISTORY)
    np.testing.assert_allclose(curve["percent_correct"], [np.nan, np.nan, 82, 70, 80])
    assert curve["best_reward"].tolist() == [-1, -0.2, 0.4, 0.4, 0.7]
    assert curve["n_trials"].tolist() == HISTORY["n_trials"].tolist()


def test_the_first_validation_that_met_the_criterion_counts() -> None:
    assert trials_to_criterion(HISTORY) == 1500
    assert trials_to_criterion(HISTORY[:3]) == np.inf


def test_returns_of_an_environment_are_shown_as_they_are() -> None:
    history = HISTORY.drop(columns=["p_decision", "p_correct"]).assign(mean_return=[10.0, 20, 90, 80, 195])
    curve = learning_curve(history)
    assert curve["mean_return"].tolist() == [10, 20, 90, 80, 195] and "percent_correct" not in curve


def test_first_positive_reward() -> None:
    assert trials_to_positive_reward(HISTORY) == 1000
    assert trials_to_positive_reward(HISTORY[:2]) == np.inf
