"""Alignment, sorted traces, selectivity: activity whose averages are known."""

import numpy as np
import pandas as pd
import pytest

from rnnpipe.analysis.alignment import align, stimulus_time
from rnnpipe.analysis.selectivity import coherence_order, d_prime, example_unit
from rnnpipe.analysis.traces import left_right_difference, sorted_traces

DT = 10.0


def test_lag_zero_is_the_last_state_before_the_stimulus() -> None:
    # a perfect follower: the state of step k is the observation of step k, and the stimulus starts at step 7
    n_steps, onset = 20, 7
    values = (np.arange(n_steps) >= onset).astype(float)[:, None]
    mask = np.ones((n_steps, 1), bool)
    aligned = align(values, mask, np.arange(n_steps) * DT, stimulus_time([onset * DT], DT), (-20, 30))
    assert aligned.lags.tolist() == [-20, -10, 0, 10, 20, 30]
    assert aligned.values[:, 0].tolist() == [0, 0, 0, 1, 1, 1]


def test_a_choice_is_aligned_to_its_own_step_the_last_of_the_trial() -> None:
    values = np.arange(20.0)[:, None] * [1, 1]
    mask = np.arange(20)[:, None] <= [12, 5]
    aligned = align(values, mask, np.arange(20) * DT, [120, 50], (-30, 10))
    assert aligned.values[3].tolist() == [12, 5]  # lag 0
    assert aligned.valid[4].tolist() == [False, False]  # nothing after the end
    assert aligned.mean()[:4].tolist() == [5.5, 6.5, 7.5, 8.5]
    assert np.isnan(aligned.mean()[4])


def test_means_count_only_what_was_recorded() -> None:
    values = np.array([[1.0, 5.0], [3.0, np.nan], [9.0, 7.0]])  # step, trial
    mask = np.array([[True, True], [True, False], [False, False]])
    aligned = align(values, mask, [0, 10, 20], [0, 0], (-10, 20))
    assert aligned.counts().tolist() == [0, 2, 1, 0]
    assert aligned.mean()[1:3].tolist() == [3, 3]
    assert np.isnan(aligned.mean()[[0, 3]]).all() and np.isnan(aligned.mean(min_trials=2)[2])
    assert aligned.sem()[1] == pytest.approx(np.std([1, 5], ddof=1) / np.sqrt(2))
    assert aligned.trial_means().tolist() == [2, 5]


def test_trials_without_the_event_contribute_nothing() -> None:
    aligned = align(np.ones((5, 2)), np.ones((5, 2), bool), np.arange(5) * DT, [np.nan, 20], (-10, 10))
    assert aligned.counts().tolist() == [1, 1, 1]


def test_coarsely_saved_activity_is_aligned_to_the_nearest_saved_step() -> None:
    time = np.arange(10) * 10.0  # every tenth step of 1 ms
    values = time[:, None].copy()
    aligned = align(values, np.ones((10, 1), bool), time, stimulus_time([50.0], 1.0), (-10, 10))
    assert aligned.values[:, 0].tolist() == [40, 50, 60]  # 49 ms is nearest to 50


def test_many_units_equal_one_unit_at_a_time() -> None:
    rng = np.random.default_rng(0)
    values, mask = rng.random((15, 6, 3)), rng.random((15, 6)) < 0.7
    event = np.array([0, 30, 60, 90, np.nan, 140.0])
    time = np.arange(15) * DT
    many = align(values, mask, time, event, (-50, 50))
    for unit in range(3):
        one = align(values[..., unit], mask, time, event, (-50, 50))
        np.testing.assert_array_equal(many.mean()[:, unit], one.mean())
        np.testing.assert_allclose(many.sem()[:, unit], one.sem())
        np.testing.assert_array_equal(many.trial_means()[:, unit], one.trial_means())


def _table(coherence, choice) -> pd.DataFrame:
    return pd.DataFrame({"coherence": np.asarray(coherence, float), "choice": choice})


def test_traces_are_sorted_by_coherence_and_choice_errors_included() -> None:
    table = _table([0, 0, 0, 10, 10, 10], [1, 2, 2, 1, 1, 0])
    values = np.tile([1.0, 2, 4, 5, 7, 100], (3, 1))
    aligned = align(values, np.ones((3, 6), bool), np.arange(3) * DT, np.zeros(6), (0, 20))
    traces = sorted_traces(aligned, table, min_trials=1)
    means = {key: group["mean"].unique().tolist() for key, group in traces.groupby(["coherence", "choice"])}
    assert means == {(0.0, "left"): [1], (0.0, "right"): [3], (10.0, "left"): [6]}
    assert sorted_traces(aligned, table, min_trials=3).empty


def test_left_and_right_are_compared_at_matched_coherence() -> None:
    table = _table([0] * 4 + [10] * 4 + [20] * 4, [1, 1, 2, 2] * 2 + [1, 1, 1, 2])
    values = np.array([[1.0, 3, 4, 6, 7, 7, 5, 5, 9, 9, 9, 9]] * 2)
    aligned = align(values, np.ones((2, 12), bool), [0, 10], np.zeros(12), (0, 10))
    found = left_right_difference(aligned, table, min_trials=2)
    assert found["coherence"].tolist() == [0, 10]  # at 20 only one right choice
    assert found["difference"].tolist() == [-3, 2]
    assert found["sem"].tolist() == pytest.approx([np.sqrt(2 / 2 + 2 / 2), 0])


def test_d_prime_is_positive_for_units_that_prefer_right() -> None:
    rng = np.random.default_rng(1)
    choice = np.repeat([1, 2], 400)
    rates = rng.standard_normal((20, 800, 3)) * 2
    rates[:, choice == 2] += np.array([3.0, -1.0, 0.0])
    during = np.zeros((20, 800), bool)
    during[5:15] = True
    rates[~during] = 1e6  # samples outside do not count
    assert d_prime(rates, during, choice) == pytest.approx([1.5, -0.5, 0.0], abs=0.05)
    assert np.isnan(d_prime(rates, during, np.ones(800, int))).all()
    assert np.isnan(d_prime(np.ones((20, 800, 1)), during, choice)).all()


def test_order_counts_neighbours_in_the_preferred_direction() -> None:
    means = np.array([[1.0, 4, 1], [2, 3, 3], [2, 2, 2], [3, 1, 4]])
    assert coherence_order(means, np.array([True, False, True])).tolist() == pytest.approx([1, 1, 2 / 3])


def _population(n_trials: int = 240) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """Five units: ordered weak, ordered strong (left), strong without order, silent, noise."""
    rng = np.random.default_rng(2)
    coherence = np.tile([0.0, 10, 20, 40], n_trials // 4)
    choice = np.repeat([1, 2], n_trials // 2)
    n_steps = 60
    on = 200.0
    signed = np.where(choice == 2, 1, -1) * (coherence / 40 + 0.3)
    ramp = np.clip((np.arange(n_steps) * DT - on) / 200, 0, 1)[:, None]
    noise = 0.3 * rng.standard_normal((n_steps, n_trials, 5))
    rates = np.stack(
        [
            2 + 0.4 * ramp * signed,
            2 - 0.8 * ramp * signed,
            2 + 3 * ramp * np.sign(signed) * (1 - coherence / 50),  # falls with coherence
            np.zeros((n_steps, n_trials)),
            np.ones((n_steps, n_trials)),
        ],
        axis=2,
    )
    rates = rates + noise * np.array([1, 1, 1, 0, 1])
    table = pd.DataFrame({"coherence": coherence, "choice": choice, "stimulus_on": on, "stimulus_off": 550.0})
    return rates, table, np.arange(n_steps) * DT


def test_the_example_unit_is_the_most_selective_of_the_ordered_ones() -> None:
    rates, table, time = _population()
    mask = np.ones(rates.shape[:2], bool)
    found = example_unit(rates, mask, time, table, DT)
    assert found is not None and found.unit == 1 and found.d_prime < -1 and found.order == 1
    swapped = table.assign(choice=3 - table["choice"])
    mirrored = example_unit(rates, mask, time, swapped, DT)
    assert mirrored is not None and mirrored.unit == 1 and mirrored.d_prime == pytest.approx(-found.d_prime)


def test_there_is_no_example_unit_without_two_choices_or_without_activity() -> None:
    rates, table, time = _population()
    mask = np.ones(rates.shape[:2], bool)
    assert example_unit(rates, mask, time, table.assign(choice=1), DT) is None
    assert example_unit(0 * rates, mask, time, table, DT) is None
    assert example_unit(rates, np.zeros_like(mask), time, table, DT) is None
