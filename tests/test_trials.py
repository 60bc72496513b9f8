"""Trials as data: indexing, ground truth, targets and rewards, on a batch small enough to write out."""

from __future__ import annotations

import numpy as np
import pytest

from rnnpipe.trials import DECISION, FIXATE, OUTSIDE, TIMEOUT, Trials


@pytest.fixture
def trials() -> Trials:
    """Two trials of five steps: steps 2-3 decide in trial 0 (left correct), step 3 in trial 1 (right correct)."""
    phase = np.array([[0, 0], [0, 0], [1, 0], [1, 1], [2, 2]], np.uint8)
    rewards = np.zeros((3, 2, 3), np.float32)
    rewards[OUTSIDE, :, 1:] = -1
    rewards[DECISION] = [[0, 1, 0.25], [0, 0.5, 2]]
    rewards[TIMEOUT] = -3
    stops = rewards != 0
    stops[DECISION, :, 1:] = True
    choices = np.zeros_like(stops)
    choices[DECISION, :, 1:] = True
    return Trials(
        task="by_hand",
        dt=10.0,
        inputs=np.arange(5 * 2 * 2, dtype=np.float32).reshape(5, 2, 2),
        phase=phase,
        rewards=rewards,
        stops=stops,
        choices=choices,
        correct=np.array([[-1, 1, 0], [-1, 0, 1]], np.int8),
        discount=np.array([1, 0.5, 0.25, 0.125, 0.0625], np.float32),
        periods={
            "fixation": np.array([[0, 2], [0, 3]], np.int32),
            "decision": np.array([[2, 4], [3, 4]], np.int32),
        },
        conditions={"side": np.array([-1, 1])},
    )


def test_sizes(trials: Trials) -> None:
    assert (trials.n_steps, trials.n_trials, trials.n_inputs, trials.n_actions) == (5, 2, 2, 3)


def test_during_is_half_open(trials: Trials) -> None:
    expected = np.array([[0, 0, 1, 1, 0], [0, 0, 0, 1, 0]], bool).T
    np.testing.assert_array_equal(trials.during("decision"), expected)


def test_reward_takes_phase_trial_action_and_discount(trials: Trials) -> None:
    np.testing.assert_array_equal(trials.reward(0, np.array([FIXATE, 2])), [0, -1])
    np.testing.assert_array_equal(trials.reward(2, np.array([2, 2])), [0.25 * 0.25, -0.25])
    np.testing.assert_array_equal(trials.reward(3, np.array([1, 2])), [0.125, 0.25])
    np.testing.assert_array_equal(trials.reward(4, np.array([0, 1])), [-3 / 16, -3 / 16])


def test_ground_truth_waits_until_the_decision(trials: Trials) -> None:
    np.testing.assert_array_equal(trials.ground_truth.T, [[0, 0, 1, 1, 0], [0, 0, 0, 2, 0]])


def test_ground_truth_of_ambiguous_trials(trials: Trials) -> None:
    trials.correct[:] = [[-1, 1, 1], [-1, 0, 0]]
    np.testing.assert_array_equal(trials.ground_truth.T, [[0, 0, 1, 1, 0], [0, 0, 0, 0, 0]])


def test_loss_counts_up_to_the_end_of_the_decision(trials: Trials) -> None:
    np.testing.assert_array_equal(trials.loss_mask.T, [[1, 1, 1, 1, 0]] * 2)


@pytest.mark.parametrize(
    "index", [slice(1, 2), [1, 0], np.array([1, 1, 0]), np.array([False, True]), slice(None, None, -1), []]
)
def test_indexing_takes_whole_trials(trials: Trials, index: object) -> None:
    rows = np.arange(2)[index]
    some = trials[index]
    assert some.n_trials == len(rows) and some.n_steps == trials.n_steps
    for new, old in enumerate(rows):
        np.testing.assert_array_equal(some.inputs[:, new], trials.inputs[:, old])
        np.testing.assert_array_equal(some.phase[:, new], trials.phase[:, old])
        for name in ("rewards", "stops", "choices"):
            np.testing.assert_array_equal(getattr(some, name)[:, new], getattr(trials, name)[:, old])
        np.testing.assert_array_equal(some.correct[new], trials.correct[old])
        np.testing.assert_array_equal(some.periods["decision"][new], trials.periods["decision"][old])
        assert some.conditions["side"][new] == trials.conditions["side"][old]
        np.testing.assert_array_equal(some.ground_truth[:, new], trials.ground_truth[:, old])
