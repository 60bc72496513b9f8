"""Scores of continuous outputs, codes of angles, and random trains of events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._scores import regression_scores
from rnnpipe.tasks._trains import N_TRAINS, Train, event_onsets, since, uniforms, values_of
from rnnpipe.tasks.memory_angle import MemoryAngle


def test_scores_by_hand() -> None:
    """Two trials, three steps, one output; the last step does not count; the second trial's target is constant."""
    target = np.array([[0.0, 2.0], [1.0, 2.0], [9.0, 9.0]])[..., None]
    output = np.array([[0.5, 2.0], [1.0, 1.0], [np.nan, np.inf]])[..., None]
    mask = np.array([[1, 1], [1, 1], [0, 0]], np.float32)
    scores = regression_scores(output, target, mask)
    mse, power = (0.25 + 0 + 0 + 1) / 4, (0 + 1 + 4 + 4) / 4
    variance = np.var([0.0, 1.0, 2.0, 2.0])
    assert scores["mse"] == pytest.approx(mse)
    assert scores["r2_unc"] == pytest.approx(1 - mse / power)
    assert scores["r2"] == pytest.approx(1 - mse / variance)
    assert scores["r2_per_trial"] == pytest.approx(1 - 0.125 / 0.25)
    assert scores["n_r2_per_trial"] == 1


def test_scores_average_over_outputs_and_weights() -> None:
    target = np.zeros((2, 1, 2))
    target[1, 0] = [1, 3]
    output = np.zeros((2, 1, 2))
    weights = np.array([[1.0], [3.0]])
    scores = regression_scores(output, target, weights)
    assert scores["mse"] == pytest.approx(3 * (1 + 9) / 8)
    assert scores["r2_unc"] == 0
    # pooled: each output about its own mean (3/4 and 9/4); per trial: both about one mean, 3 / 2
    pooled = (3 * 0.25**2 + 0.75**2 + 3 * 0.75**2 + 2.25**2) / 8
    own = (3 * (0.5**2 + 1.5**2) + 2 * 1.5**2) / 8
    assert scores["r2"] == pytest.approx(1 - 3.75 / pooled)
    assert scores["r2_per_trial"] == pytest.approx(1 - 3.75 / own)


def test_scores_without_a_denominator_are_nan() -> None:
    zeros, nothing = np.zeros((3, 2, 1)), np.zeros((3, 2))
    constant = regression_scores(zeros, zeros, nothing + 1)
    assert constant["mse"] == 0 and constant["n_r2_per_trial"] == 0
    assert all(np.isnan(constant[k]) for k in ("r2_unc", "r2", "r2_per_trial"))
    assert np.isnan(regression_scores(zeros, zeros, nothing)["mse"])


def test_scores_need_outputs_of_these_trials() -> None:
    task: Any = trial_task_class("dmts")()
    trials = task.sample(np.random.default_rng(0), 4)
    with pytest.raises(ValueError, match=r"output is \(120, 3, 2\), but the target of the trials is \(120, 4, 2\)"):
        task.score(np.zeros((120, 3, 2)), trials)
    other: Any = trial_task_class("rdm_fixed")()
    with pytest.raises(ValueError, match="the trials have no target"):
        task.score(np.zeros((120, 3, 2)), other.sample(np.random.default_rng(0), 3))


def test_choices_are_the_nearest_levels_at_the_end_of_the_decision() -> None:
    task: Any = trial_task_class("half_adder")()
    trials = task.sample(np.random.default_rng(0), 4, first=[0, 0, 1, 1], second=[0, 1, 0, 1])
    output = np.zeros((150, 4, 1))
    output[119, :, 0] = [0.4, 0.6, 0.5, np.nan]  # the decision ends at 120 ms
    output[120:] = 7.0
    assert task.choices(output, trials).tolist() == [1, 2, 1, -1]
    assert task.score(output, trials)["accuracy"] == 0.5, "a tie is the first action, no number is no answer"
    go: Any = trial_task_class("graded_go_nogo")()
    silent = go.sample(np.random.default_rng(0), 2, number=[0.1, 0.2])
    assert go.choices(np.full((60, 2, 1), np.nan), silent).tolist() == [-1, -1]
    assert go.score(np.full((60, 2, 1), np.nan), silent)["accuracy"] == 0, "no number is not silence"


# -- angles --------------------------------------------------------------------------------------------------


def code(**values: Any) -> MemoryAngle:
    return parse(MemoryAngle, values, "memory_angle")


@settings(max_examples=100, deadline=None)
@given(angle=st.floats(-720, 720), k=st.integers(4, 12), amplitude=st.floats(0.1, 5))
def test_angles_are_decoded_from_their_code(angle: float, k: int, amplitude: float) -> None:
    for task in (code(amplitude=amplitude), code(encoding="triangular", n_channels=k, amplitude=amplitude)):
        y = task.encode(angle)
        assert abs((float(task.decode(y)) - angle + 180) % 360 - 180) < 1e-6
        assert 0 <= task.decode(y) < 360 or task.decode(y) == pytest.approx(360)
        assert y.shape == (task.n_outputs,) == (len(task.channel_names()),)
    assert (y >= 0).all() and y.sum() == pytest.approx(amplitude) and (y > 0).sum() <= 2


def test_the_triangular_code_by_hand() -> None:
    task = code(encoding="triangular", amplitude=1.0)  # arcs of 120 degrees
    expected = np.array([[1.0, 0.0, 0.0], [0.75, 0.25, 0.0], [0.0, 1.0, 0.0], [0.25, 0.0, 0.75]])
    np.testing.assert_allclose(task.encode([0, 30, 120, 270]), expected)
    np.testing.assert_allclose(code().encode([0, 90]), [[2, 0], [0, 2]], atol=1e-12)
    assert task.input_names == ("angle_1", "angle_2", "angle_3", "recall")
    assert code(bias=True).input_names == ("cos", "sin", "bias", "recall")


def test_angular_error_is_the_median_on_the_circle() -> None:
    task = code()
    assert task.angular_error(task.encode([359.0, 10.0, 180.0]), [1.0, 11.0, 183.0]) == pytest.approx(2)


# -- trains of events ----------------------------------------------------------------------------------------


def test_uniforms_are_uniform_and_independent() -> None:
    """Within a train, between trains, and between neighbouring numbers of trains."""
    for trains in (Train()(np.random.default_rng(0), 3000), np.arange(3000), np.arange(3000) * 2**40):
        u = uniforms(trains, (2, 5))
        assert u.shape == (3000, 2, 5) and u.min() >= 0 and u.max() < 1
        assert kstest(u.ravel(), "uniform").pvalue > 1e-3
        flat = u.reshape(3000, 10)
        both = np.corrcoef(np.concatenate([flat, np.roll(flat, 1, axis=0)], axis=1).T)
        assert np.abs(both - np.eye(20)).max() < 5 / np.sqrt(3000)
    assert (uniforms(np.array([3, 4]), (2, 5))[1] == uniforms(np.array([4]), (2, 5))[0]).all()


def test_train_numbers_are_exact_in_any_file() -> None:
    drawn = Train()(np.random.default_rng(0), 1000)
    assert drawn.min() >= 0 and drawn.max() < N_TRAINS and (drawn.astype(float).astype(int) == drawn).all()
    assert len(np.unique(drawn)) == 1000
    old = Train()(np.random.RandomState(0), 3)
    one = np.random.RandomState(0)
    assert [Train().one(one) for _ in range(3)] == old.tolist()


def test_events_by_hand() -> None:
    onsets = event_onsets(np.array([[[2, 3, 9]]]), 8, first=False)
    assert onsets.tolist() == [[[2, 5, 8]]]
    assert event_onsets(np.array([[[2, 3, 9]]]), 8, first=True).tolist() == [[[0, 2, 5, 8]]]
    latest, ago = since(onsets, 8)
    assert latest[:, 0, 0].tolist() == [-1, -1, 0, 0, 0, 1, 1, 1]
    assert ago[2:, 0, 0].tolist() == [0, 1, 2, 0, 1, 2]
    values = np.array([[[7.0, -2.0, 5.0]]])
    assert values_of(values, latest)[:, 0, 0].tolist() == [0, 0, 7, 7, 7, -2, -2, -2]
