"""The two motion tasks against their published numbers: draws, periods, noise and the ideal observer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare, norm

from rnnpipe.errors import SettingsError
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._base import Task
from rnnpipe.trials import DECISION, TIMEOUT

MOTION = pytest.mark.parametrize("name", ["rdm_fixed", "rdm_rt"])


def make(name: str, **values: Any) -> Task:
    return parse(trial_task_class(name), values, name)


def test_golden_conditions_of_the_published_generator() -> None:
    """The first validation of network seed 97: generator 3 * 97, 1000 trials."""
    c = make("rdm_fixed").sample(np.random.RandomState(291), 1000).conditions
    first = list(zip(c["stimulus"], c["side"], c["coherence"], strict=True))[:5]
    assert first == [(370, 1, 12.8), (150, 1, 0), (100, -1, 12.8), (130, 1, 12.8), (220, -1, 0)]
    assert c["stimulus"].mean() == pytest.approx(375.04)
    assert c["side"].sum() == 36
    assert c["coherence"].mean() == pytest.approx(19.4752)


def test_golden_period_indices() -> None:
    trials = make("rdm_fixed").sample(np.random.default_rng(0), 1, stimulus=370.0)
    steps = {name: np.flatnonzero(trials.during(name)[:, 0]) for name in trials.periods}
    for name, first, last in (("fixation", 0, 74), ("stimulus", 75, 111), ("decision", 112, 161)):
        np.testing.assert_array_equal(steps[name], np.arange(first, last + 1), err_msg=name)
    assert trials.n_steps == 276
    assert not any(275 in s for s in steps.values())
    assert trials.phase[161, 0] == DECISION and trials.phase[275, 0] == TIMEOUT
    assert (trials.phase[162:275] == 0).all() and (trials.phase[:112] == 0).all()


def test_reaction_time_periods() -> None:
    trials = make("rdm_rt").sample(np.random.default_rng(0), 1)
    assert trials.n_steps == 276
    np.testing.assert_array_equal(np.flatnonzero(trials.during("fixation")), np.arange(75))
    np.testing.assert_array_equal(np.flatnonzero(trials.during("decision")), np.arange(75, 275))
    np.testing.assert_array_equal(trials.periods["stimulus"], trials.periods["decision"])
    assert trials.discount[100] == pytest.approx(np.exp(-0.1))


def test_published_protocol() -> None:
    fixed, rt = make("rdm_fixed"), make("rdm_rt")
    assert (fixed.trials_per_update, fixed.validation_trials) == (10, 1000) and len(fixed.factorial()) == 10
    assert (rt.trials_per_update, rt.validation_trials) == (12, 1200) and len(rt.factorial()) == 12
    assert make("rdm_fixed", dt=1.0).n_steps == 2751
    for task in (fixed, rt):
        assert (task.min_decisions, task.min_correct, task.reward_abort) == (0.99, 0.8, -1.0)
    steps = [(make("rdm_fixed"), 0.4472), (make("rdm_rt"), 0.5477), (make("rdm_fixed", dt=1.0), 1.4142)]
    for task, sd in steps:
        assert task.sigma_step == pytest.approx(sd, abs=5e-5)


@pytest.mark.parametrize("generator", [np.random.default_rng, np.random.RandomState])
@pytest.mark.parametrize("dt", [10.0, 20.0])
def test_stimulus_durations_are_a_floored_truncated_exponential(dt: float, generator: Any) -> None:
    n = 20_000 if generator is np.random.default_rng else 4000
    s = make("rdm_fixed", dt=dt, tmax=3000.0).sample(generator(3), n).conditions["stimulus"]
    low = np.arange(80, 1500, dt)
    p = np.exp(-low / 330) - np.exp(-np.minimum(low + dt, 1500) / 330)
    p /= p.sum()
    counts = np.array([(np.abs(s - value) < 1e-6).sum() for value in low])
    assert counts.sum() == n, "every duration is a multiple of dt from 80 to below 1500 ms"
    bins = np.add.reduceat(counts, np.arange(0, len(low), 5)), np.add.reduceat(n * p, np.arange(0, len(low), 5))
    assert chisquare(*bins).pvalue > 1e-3
    if dt == 10:
        assert p @ low == pytest.approx(386, abs=1)
        assert s.mean() == pytest.approx(386, abs=4.5 * s.std() / np.sqrt(n))
        assert np.median(s) == pytest.approx(300, abs=20)


@MOTION
def test_evidence_and_cue(name: str) -> None:
    """Inputs without noise, on every side and coherence: the true side's channel is the stronger one."""
    task = make(name, var_in=0.0)
    trials = task.sample(np.random.default_rng(1), 200)
    fixation, left, right = np.moveaxis(trials.inputs, -1, 0)
    stimulus, c = trials.during("stimulus"), trials.conditions
    np.testing.assert_allclose(
        (right - left)[stimulus], np.broadcast_to(c["side"] * c["coherence"] / 100, stimulus.shape)[stimulus], atol=1e-6
    )
    np.testing.assert_allclose((right + left)[stimulus], 1, atol=1e-6)
    assert (trials.inputs[~stimulus][:, 1:] == 0).all()
    cue = trials.during("fixation") | (stimulus if name == "rdm_fixed" else False)
    np.testing.assert_array_equal(fixation, cue)


@MOTION
@pytest.mark.parametrize("dt", [1.0, 10.0, 33.0])
@pytest.mark.parametrize("var_in", [0.01, 0.04])
def test_noise_is_white_and_scales_with_the_step(name: str, dt: float, var_in: float) -> None:
    task = make(name, dt=dt, var_in=var_in, tmax=2750.0 + dt)
    n = 40 if dt == 1 else 400
    trials = task.sample(np.random.default_rng(2), n)
    mean = make(name, dt=dt, var_in=0.0, tmax=2750.0 + dt).sample(np.random.default_rng(0), n, **trials.conditions)
    during = trials.during("stimulus")
    noise = trials.inputs - mean.inputs
    np.testing.assert_array_equal(noise[~during], 0)
    np.testing.assert_array_equal(noise[..., 0], 0)
    left, right = noise[..., 1][during], noise[..., 2][during]
    expected, tolerance = np.sqrt(2 * 100 / dt * var_in), 4.5 / np.sqrt(2 * left.size)
    assert left.std() == pytest.approx(expected, rel=tolerance)
    assert right.std() == pytest.approx(expected, rel=tolerance)
    tolerance = 4.5 / np.sqrt(left.size)
    assert abs(np.corrcoef(left, right)[0, 1]) < tolerance
    both = during[1:] & during[:-1]
    assert abs(np.corrcoef(noise[1:, :, 1][both], noise[:-1, :, 1][both])[0, 1]) < 1.1 * tolerance
    neighbours = during[:, 1:] & during[:, :-1]
    assert abs(np.corrcoef(noise[:, 1:, 2][neighbours], noise[:, :-1, 2][neighbours])[0, 1]) < 1.3 * tolerance


@MOTION
def test_noise_of_the_true_side_is_drawn_first(name: str) -> None:
    """Turning the side around exchanges the two channels, noise included."""
    task = make(name)
    left = task.sample(np.random.default_rng(3), 20, side=-1)
    right = task.sample(np.random.default_rng(3), 20, side=1)
    np.testing.assert_array_equal(left.inputs[..., [0, 2, 1]], right.inputs)


@MOTION
def test_zero_coherence_rewards_the_drawn_side(name: str) -> None:
    trials = make(name).sample(np.random.default_rng(4), 3000, coherence=0.0)
    side = trials.conditions["side"]
    assert abs(side.mean()) < 4 / np.sqrt(3000)
    np.testing.assert_array_equal(trials.rewards[DECISION], np.stack([np.zeros(3000), side == -1, side == 1], axis=1))
    np.testing.assert_array_equal(trials.correct, np.stack([-np.ones(3000), side == -1, side == 1], axis=1))
    evidence = (trials.inputs[..., 2] - trials.inputs[..., 1]).sum(0)
    assert abs(np.corrcoef(np.sign(evidence), side)[0, 1]) < 4 / np.sqrt(3000), "the inputs must not tell the side"


@MOTION
def test_factorial_is_side_then_coherence(name: str) -> None:
    rows = make(name).factorial()
    assert rows[0] == {"side": -1, "coherence": 0.0} and rows[1] == {"side": 1, "coherence": 0.0}
    assert rows[2]["coherence"] == make(name).coherences[1]  # type: ignore[attr-defined]
    assert rows[-1] == {"side": 1, "coherence": 51.2}


def integrated_accuracy(task: Task, coherence: float, n: int, seed: int, chunk: int = 20_000) -> float:
    """Fraction of trials in which the summed evidence (right minus left, in the stimulus) has the true side's sign."""
    rng, correct = np.random.default_rng(seed), 0
    for start in range(0, n, chunk):
        trials = task.sample(rng, min(chunk, n - start), coherence=coherence)
        right_minus_left = np.einsum("tic,c->i", trials.inputs, np.array([0, -1, 1], np.float32), dtype=np.float64)
        correct += int((np.sign(right_minus_left) == trials.conditions["side"]).sum())
    return correct / n


IDEAL = {
    "rdm_fixed": (0.8097, {0.0: 0.5, 6.4: 0.718, 12.8: 0.861, 25.6: 0.970, 51.2: 0.999}),
    "rdm_rt": (0.848, {0.0: 0.5, 3.2: 0.720, 6.4: 0.879, 12.8: 0.990, 25.6: 1.0, 51.2: 1.0}),
}


@pytest.mark.parametrize(("name", "dt", "sd_of_estimate"), [("rdm_fixed", 10.0, 0.0011), ("rdm_rt", 100.0, 0.0008)])
def test_ideal_observer(name: str, dt: float, sd_of_estimate: float) -> None:
    """Perfect integration of the simulated inputs reaches the published ceilings; the mean has an SE below 0.0008.

    The reaction-time task is integrated over all of its 2000 ms. On steps of 100 ms, because the sum over a
    stimulus has the same distribution on every grid that divides it, and the fine grid is tested below.
    """
    mean, by_coherence = IDEAL[name]
    task = make(name, dt=dt)
    measured = {}
    for seed, (coherence, expected) in enumerate(by_coherence.items()):
        n = int(max(expected * (1 - expected), 0.01) / sd_of_estimate**2)
        measured[coherence] = integrated_accuracy(task, coherence, n, seed)
    assert measured == pytest.approx(by_coherence, abs=0.003)
    assert np.mean(list(measured.values())) == pytest.approx(mean, abs=0.003)


def test_ideal_observer_of_the_reaction_time_task_on_its_own_grid() -> None:
    task = make("rdm_rt")
    expected = float(norm.cdf(0.032 * np.sqrt(200) / np.sqrt(2 * 0.3)))
    assert expected == pytest.approx(IDEAL["rdm_rt"][1][3.2], abs=5e-4)
    assert integrated_accuracy(task, 3.2, 40_000, 1, chunk=4000) == pytest.approx(expected, abs=0.0068)  # 3 SE


@pytest.mark.parametrize(("var_in", "ceiling"), [(0.008, 0.820), (0.009, 0.815), (0.012, 0.8005), (0.02, 0.773)])
def test_ideal_observer_feels_the_input_noise(var_in: float, ceiling: float) -> None:
    """A tenth more noise variance moves the ceiling by 0.005, half of the gap between ceiling and criterion."""
    coherences = (6.4, 12.8, 25.6, 51.2)
    task = make("rdm_fixed", var_in=var_in)
    measured = [0.5] + [integrated_accuracy(task, c, 40_000, 7) for c in coherences]
    assert np.mean(measured) == pytest.approx(ceiling, abs=0.003)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("rdm_fixed", {"stimulus_min": 5.0}, r"stimulus can be 5 ms, shorter than one step \(dt = 10 ms\)"),
        ("rdm_fixed", {"decision": 1000.0}, r"the last period can end at 3250 ms, after tmax = 2750 ms"),
        ("rdm_fixed", {"stimulus_max": 80.0}, r"stimulus_min \(80 ms\) must be below stimulus_max \(80 ms\)"),
        ("rdm_fixed", {"stimulus_min": 1000.0, "stimulus_mean": 10.0}, r"mean 10 ms is hardly ever between 1000 and"),
        ("rdm_fixed", {"coherences": []}, r"coherences = \[\] percent"),
        ("rdm_fixed", {"coherences": [120.0]}, r"every coherence must be between 0 and 100"),
        ("rdm_fixed", {"coherences": ["high"]}, r"coherences.0 = 'high' percent"),
        ("rdm_rt", {"stimulus": 9.0}, r"stimulus can be 9 ms, shorter than one step"),
        ("rdm_rt", {"stimulus": 2500.0}, r"the last period can end at 3250 ms, after tmax"),
        ("rdm_rt", {"fixaton": 100.0}, r"unknown key 'fixaton' \(did you mean 'fixation'\?"),
    ],
)
def test_impossible_settings(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse(trial_task_class(name), values, "tasks.mine")
