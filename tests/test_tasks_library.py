"""Rules that every task of consecutive periods keeps: rewards, lengths, time steps, and inputs that tell the answer.

Each task is tested by being in the folder; what a new one needs here is an entry in `OBSERVERS`, or in `WHEN`.
"""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from alike import ALIKE
from library_observers import CUES, LIBRARY_OBSERVERS, WHEN
from numpy.typing import NDArray
from scipy.stats import norm
from yang_observers import YANG_OBSERVERS

from rnnpipe.cli._options import _value as flag_value
from rnnpipe.environments import TrialEnv
from rnnpipe.errors import SettingsError
from rnnpipe.evaluation.outcomes import outcomes
from rnnpipe.io.trials import open_trials, write_trials
from rnnpipe.networks.draws import Fresh
from rnnpipe.networks.parameters import effective
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import task_names, trial_task_class
from rnnpipe.tasks._durations import ends
from rnnpipe.tasks._periods import PeriodTask
from rnnpipe.training.policy_gradient import PolicyGradient
from rnnpipe.training.settings import PolicyGradientSettings
from rnnpipe.trials import DECISION, EARLY, FIXATE, FREE, OUTSIDE, TIMEOUT, Trials

PECULIAR = {"post_decision_wager", "dual_delay_match_sample"}
"""Tasks with rules of their own, which `test_tasks_library_more` is about."""
NAMES = [name for name in task_names() if issubclass(trial_task_class(name), PeriodTask) and name not in PECULIAR]
library = pytest.mark.parametrize("name", [name for name in NAMES if name not in ALIKE])
N = 2000
CPU = torch.device("cpu")

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def make(name: str, **settings: Any) -> PeriodTask:
    task = parse(trial_task_class(name), settings, name)
    assert isinstance(task, PeriodTask)
    return task


def played(trials: Trials, actions: Ints) -> dict[str, NDArray[Any]]:
    """Outcomes of actions, (n_steps, n_trials), by the rules of the tables, step by step."""
    i, alive = np.arange(trials.n_trials), np.ones(trials.n_trials, bool)
    taken, rewards = np.full(actions.shape, -1), np.zeros(actions.shape)
    for t, a in enumerate(actions):
        taken[t, alive], rewards[t, alive] = a[alive], trials.reward(t, a)[alive]
        alive &= ~trials.stops[trials.phase[t], i, a]
    assert not alive.any(), "every trial has an end"
    return outcomes(trials, taken, rewards)


def lengths(trials: Trials) -> Ints:
    """Steps of each trial."""
    return trials.periods["decision"][:, 1]


def answers(trials: Trials) -> Ints:
    """The correct action of each trial."""
    answer: Ints = (trials.correct == 1).argmax(1)
    return answer


# -- what the inputs tell ---------------------------------------------------------------------------------------


def means(trials: Trials, period: str) -> Floats:
    """Mean of each signal channel in a period, (n_trials, n_inputs - 1): all that an observer of it can use."""
    during = trials.during(period)
    return np.einsum("tic,ti->ic", trials.inputs[..., 1:].astype(float), during) / during.sum(0)[:, None]


def strongest(task: Any, trials: Trials) -> Ints:
    return means(trials, "stimulus").argmax(1) + 1


def motion_accuracy(task: Any, trials: Trials) -> float:
    c = trials.conditions
    return float(norm.cdf(c["coherence"] / 100 * np.sqrt(c["stimulus"] / 2) / task.sigma).mean())


def same_side(task: Any, trials: Trials) -> Ints:
    first, second = (np.diff(means(trials, period))[:, 0] for period in task.stimuli)
    return np.where(first * second > 0, 1, 2)


def same_side_accuracy(task: Any, trials: Trials) -> float:
    right = [norm.cdf(np.sqrt(trials.conditions[period] / 2) / task.sigma) for period in task.stimuli]
    return float((right[0] * right[1] + (1 - right[0]) * (1 - right[1])).mean())


def same_half(task: Any, trials: Trials) -> Ints:
    sine = np.sin(2 * np.pi * np.arange(task.dim_ring) / task.dim_ring)
    first, second = (means(trials, period) @ sine for period in task.stimuli)
    return np.where(first * second > 0, 1, 2)


def same_half_accuracy(task: Any, trials: Trials) -> float:
    """The sine component of n channels is n / 4 sin(angle), its noise has a variance of n / 2 sigma**2 / T."""
    steepness = np.sqrt(task.dim_ring / 8 * trials.conditions[task.stimuli[0]][0]) / task.sigma
    right = norm.cdf(steepness * np.sin(np.pi * (np.arange(10_000) + 0.5) / 10_000)).mean()
    return float(right**2 + (1 - right) ** 2)


def stronger(task: Any, trials: Trials) -> Ints:
    first, second = (means(trials, period)[:, 0] for period in task.stimuli)
    return np.where(first > second, 1, 2)


def stronger_accuracy(task: Any, trials: Trials) -> float:
    first, second = task.levels(trials.conditions).values()
    sd = task.sigma * np.sqrt(sum(1 / trials.conditions[period] for period in task.stimuli))
    return float(norm.cdf(np.abs(first - second) / sd).mean())


def paired(task: Any, trials: Trials) -> Ints:
    first, second = (means(trials, period).argmax(1) for period in task.stimuli)
    return np.where(second - first == 2, 1, FIXATE)


def opposite(task: Any, trials: Trials) -> Ints:
    return means(trials, "stimulus").argmin(1) + 1


def above(task: Any, trials: Trials) -> Ints:
    """Whether the noise ever exceeds half the level of the signal, whose duration is one step."""
    highest = np.where(trials.during("stimulus"), trials.inputs[..., 1], -np.inf).max(0)
    return (highest > task.level / 2).astype(int)


def above_accuracy(task: Any, trials: Trials) -> float:
    below = norm.cdf(task.level / 2 / task.sigma_step)
    n = trials.conditions["stimulus"] / task.dt
    present = 1 - below ** (n - 1) * (1 - below)
    return float(np.where(trials.conditions["present"], present, below**n).mean())


def certain(task: Any, trials: Trials) -> float:
    return 1.0


class Observer(NamedTuple):
    """Who sees the inputs alone: the answer to each trial, and how often it is right, in closed form."""

    decide: Callable[[Any, Trials], Ints]
    accuracy: Callable[[Any, Trials], float]
    published: float
    """Accuracy at the task's defaults, to three digits."""


OBSERVERS = {
    "perceptual_decision_making": Observer(strongest, motion_accuracy, 0.896),
    "delay_response": Observer(strongest, motion_accuracy, 0.886),
    "delay_match_sample": Observer(same_side, same_side_accuracy, 1.0),
    "delay_match_category": Observer(same_half, same_half_accuracy, 0.979),
    "delay_comparison": Observer(stronger, stronger_accuracy, 0.996),
    "delay_paired_association": Observer(paired, certain, 1.0),
    "anti_reach": Observer(opposite, certain, 1.0),
    "detection": Observer(above, above_accuracy, 0.971),
    **{name: Observer(*observer) for name, observer in LIBRARY_OBSERVERS.items()},
    **{name: Observer(*observer) for name, observer in YANG_OBSERVERS.items()},
}


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(WHEN)))
def test_inputs_tell_the_answer_as_well_as_the_noise_lets(name: str) -> None:
    """The answer is in the inputs, and in nothing but the signals: no more and no less than in closed form."""
    task, observer = make(name), OBSERVERS[name]
    trials = task.sample(np.random.default_rng(1), N)
    expected = observer.accuracy(task, trials)
    found = float((observer.decide(task, trials) == answers(trials)).mean())
    assert abs(found - expected) <= 3 * np.sqrt(expected * (1 - expected) / N) + 1e-12
    many = task.sample(np.random.default_rng(2), 5 * N)
    assert observer.accuracy(task, many) == pytest.approx(observer.published, abs=0.006)
    chance = np.bincount(answers(trials)).max() / N
    assert found > chance + 0.3


@pytest.mark.parametrize("name", sorted(WHEN))
def test_inputs_tell_when_to_act(name: str) -> None:
    """Who reads the time off the inputs is right; who acts at the time that is best for all trials is often wrong."""
    task = make(name)
    trials = task.sample(np.random.default_rng(1), 500)
    i, t = np.arange(500), np.arange(trials.n_steps)[:, None]

    def correct(step: Ints) -> NDArray[np.bool_]:
        right: NDArray[np.bool_] = played(trials, (t == step).astype(int))["correct"] == 1
        return right

    decide, since = WHEN[name]
    step = decide(task, trials)
    assert (trials.phase[step, i] != FREE).all() and correct(step).all()
    onset = trials.periods[since][:, 0]
    assert max(correct(onset + wait).mean() for wait in range(trials.n_steps - onset.max())) < 0.8


@library
def test_noise_is_on_the_signals_alone_and_means_the_same_at_any_step(name: str) -> None:
    task = make(name, sigma=1.0)
    noisy = task.sample(np.random.default_rng(3), 400)
    quiet = task.without_noise().sample(np.random.default_rng(4), 400, **noisy.conditions)
    noise = noisy.inputs - quiet.inputs
    shown = np.any([noisy.during(period) for period in task.stimuli], axis=0)
    assert (noise[~shown] == 0).all() and (noise[..., 0] == 0).all()
    signals = noise.shape[2] - CUES.get(name, 0)
    assert (noise[..., signals:] == 0).all()
    samples = noise[shown][:, 1:signals]
    assert samples.std() == pytest.approx(1 / np.sqrt(task.dt), rel=4 / np.sqrt(2 * samples.size))
    assert abs(samples.mean()) < 4 / np.sqrt(task.dt * samples.size)


# -- rewards ----------------------------------------------------------------------------------------------------


@library
def test_the_ground_truth_earns_the_most(name: str) -> None:
    """Through the tables: performance 1 and the reward of a correct choice, on every trial."""
    task = make(name)
    trials = task.sample(np.random.default_rng(5), 300)
    table = played(trials, trials.ground_truth)
    assert task.performance(table | trials.conditions) == {"p_decision": 1.0, "p_correct": 1.0}
    np.testing.assert_allclose(table["reward"], task.reward_correct)
    assert trials.rewards.max() == np.float32(task.reward_correct)
    acts = (trials.ground_truth != FIXATE).argmax(0)
    assert getattr(task, "graded", False) or (acts == trials.periods["decision"][:, 0])[answers(trials) != FIXATE].all()
    step = np.where(answers(trials) == FIXATE, lengths(trials) - 1, acts)
    np.testing.assert_array_equal(table["n_steps"], step + 1)


@library
def test_the_ground_truth_earns_the_most_in_the_environment(name: str) -> None:
    env = TrialEnv(name)
    for trial in range(20):
        _, info = env.reset(seed=6) if trial == 0 else env.reset()
        total, over = 0.0, False
        while not over:
            _, reward, over, truncated, info = env.step(info["ground_truth"])
            total += reward
            assert not truncated
        assert info["performance"] == 1 and total == pytest.approx(env.task.reward_correct)  # type: ignore[attr-defined]


@library
def test_only_the_right_action_is_rewarded_when_choices_begin_to_count(name: str) -> None:
    task = make(name)
    trials = task.sample(np.random.default_rng(7), 300)
    i, truth = np.arange(300), trials.ground_truth != FIXATE
    t = np.where(truth.any(0), truth.argmax(0), trials.periods["decision"][:, 0])
    assert getattr(task, "graded", False) or (t == trials.periods["decision"][:, 0]).all()
    first = trials.rewards[trials.phase[t, i], i]
    answer = trials.ground_truth[t, i]
    acts = answer != FIXATE
    assert acts.all() or task.withholds
    others = np.arange(trials.n_actions) != answer[:, None]
    np.testing.assert_allclose(first[acts][~others[acts]], task.reward_correct)
    assert (first[others] < task.reward_correct).all() and (first[others] <= 0).all()
    last = trials.rewards[TIMEOUT]
    np.testing.assert_allclose(last[~acts, FIXATE], task.reward_correct)
    assert (last[~acts, 1:] <= 0).all()


@library
def test_silence_is_judged_at_the_end(name: str) -> None:
    task = make(name, reward_timeout=-0.3)
    trials = task.sample(np.random.default_rng(8), 200)
    table = played(trials, np.zeros(trials.phase.shape, int))
    due = answers(trials) != FIXATE
    np.testing.assert_array_equal(table["n_steps"], lengths(trials))
    np.testing.assert_allclose(table["reward"], np.where(due, -0.3, task.reward_correct), rtol=1e-6)
    np.testing.assert_array_equal(table["decision"], task.withholds)
    np.testing.assert_array_equal(table["correct"], np.where(due, 0, 1) if task.withholds else -1)


@library
@pytest.mark.parametrize("abort_ends", [False, True])
def test_haste_costs_and_ends_the_trial_only_if_asked_to(name: str, abort_ends: bool) -> None:
    """One early action and then the ground truth: lost is its price, and what the trial would have paid if it ends."""
    task = make(name, abort_ends=abort_ends, fixation=500.0, reward_abort=-0.25)
    trials = task.sample(np.random.default_rng(9), 100)
    for period in task.periods[:-1]:
        onset, offset = trials.periods[period].T
        if (onset == offset).any():
            continue
        actions = trials.ground_truth.astype(int)
        actions[onset, np.arange(100)] = 1
        table = played(trials, actions)
        costs, false_alarm = period in task.waiting, period in task.early
        ends = costs and abort_ends or false_alarm
        expected = -0.25 * costs + task.reward_wrong * false_alarm + task.reward_correct * (not ends)
        np.testing.assert_allclose(table["reward"], expected, rtol=1e-6)
        assert (table["decision"] != ends).all()


@library
def test_rule_table(name: str) -> None:
    task = make(name, reward_correct=0.9, reward_wrong=-0.2, reward_abort=-0.7, abort_ends=True)
    trials = task.sample(np.random.default_rng(10), 60)
    acts = np.arange(trials.n_actions) != FIXATE
    rewards, stops, choices = trials.rewards, trials.stops, trials.choices
    graded = getattr(task, "graded", False)
    assert len(rewards) == task.n_phases and (graded or task.n_phases == (EARLY if task.early else FREE) + 1)
    np.testing.assert_allclose(rewards[OUTSIDE][:, acts], -0.7)
    assert stops[OUTSIDE][:, acts].all() and not choices[OUTSIDE].any()
    np.testing.assert_allclose(rewards[DECISION][:, acts], np.where(trials.correct[:, acts] == 1, 0.9, -0.2), rtol=1e-6)
    assert (stops[DECISION] == acts).all() and (choices[DECISION] == acts).all()
    if not graded:
        np.testing.assert_array_equal(rewards[TIMEOUT][:, acts], rewards[DECISION][:, acts])
    assert stops[TIMEOUT].all() and choices[TIMEOUT][:, acts].all()
    assert not (rewards[FREE].any() or stops[FREE].any() or choices[FREE].any())
    for phase in range(len(rewards)):
        assert phase == TIMEOUT or not (rewards[phase, :, FIXATE].any() or stops[phase, :, FIXATE].any())
    if task.early:
        np.testing.assert_allclose(rewards[EARLY][:, acts], -0.2)
        assert stops[EARLY][:, acts].all() and not choices[EARLY].any()
        assert (trials.phase == EARLY).any()
    assert not set(task.variables()) & {"decision", "choice", "correct", "choice_step", "reward", "n_steps", "return"}


# -- time -------------------------------------------------------------------------------------------------------


@library
def test_trials_end_with_their_last_period(name: str) -> None:
    task = make(name, fixation={"min": 200.0, "max": 600.0})
    trials = task.sample(np.random.default_rng(11), 100)
    end = lengths(trials)
    assert len(np.unique(end)) > 2 and end.max() <= trials.n_steps
    t = np.arange(trials.n_steps)[:, None]
    assert (trials.inputs[t >= end] == 0).all()
    assert (trials.ground_truth[t >= end] == FIXATE).all() and (trials.phase[t >= end] == FREE).all()
    np.testing.assert_array_equal(trials.loss_mask, t < end)
    np.testing.assert_array_equal(trials.phase == TIMEOUT, t == end - 1)
    for before, after in itertools.pairwise(task.periods):
        np.testing.assert_array_equal(trials.periods[before][:, 1], trials.periods[after][:, 0])
    np.testing.assert_array_equal(trials.periods[task.periods[0]][:, 0], 0)
    np.testing.assert_array_equal(trials.periods[task.periods[-1]][:, 1], end)
    if not task.early:
        waits = np.any([trials.during(period) for period in task.waiting], axis=0)
        np.testing.assert_array_equal(trials.phase == OUTSIDE, waits)


@library
def test_no_period_vanishes_at_any_step(name: str) -> None:
    """Every period has its duration, floored to a step; a step that some duration is shorter than is refused."""
    shortest = min(make(name).shortest_periods().values())
    for dt in [10.0, *(dt for dt in (20.0, 50.0, 100.0) if dt <= shortest)]:
        task = make(name, dt=dt)
        trials = task.sample(np.random.default_rng(12), 20)
        assert trials.n_steps == lengths(task.sample(np.random.default_rng(0), 2000)).max() or any(
            isinstance(duration, dict) for duration in task.durations().values()
        )
        for period, duration in task.durations().items():
            steps = np.diff(trials.periods[period])[:, 0]
            low, high = min(ends(duration)), max(ends(duration))
            assert (steps >= np.floor(low / dt)).all() and (steps <= np.floor(high / dt)).all()
            assert (steps > 0).all() or (0 in ends(duration) and period in task.optional)
            if period in trials.conditions:
                np.testing.assert_allclose(steps * dt, trials.conditions[period])
    with pytest.raises(SettingsError, match=f"^{name}: .* shorter than one step .dt = {shortest + 1:g} ms"):
        make(name, dt=shortest + 1)


@library
def test_fixation_cue(name: str) -> None:
    for until in ("fixation", "stimulus", "decision"):
        task = make(name, fixation_until=until, fixation=300.0)
        trials = task.sample(np.random.default_rng(13), 10)
        off = trials.periods["fixation" if until == "fixation" else task.stimuli[-1]][:, 1]
        if until == "decision":
            off = trials.periods[task.periods[-1]][:, 0]
        np.testing.assert_array_equal(trials.inputs[..., 0], np.arange(trials.n_steps)[:, None] < off)


FORMS: list[tuple[Any, str]] = [
    (-100.0, "must be finite and not negative"),
    ("100", "a duration is a number of ms, a list"),
    ([], "a duration is a number of ms, a list"),
    ([True], "a duration is a number of ms, a list"),
    ([100.0, 100.0], "listed twice"),
    ({"min": 300.0}, "a duration is a number of ms, a list"),
    ({"mean": 1.0, "max": 300.0}, "a duration is a number of ms, a list"),
    ({"min": 300.0, "max": 300.0}, "min = 300 ms must be below max = 300 ms"),
    ({"mean": 1.0, "min": 300.0, "max": 400.0}, "hardly ever between 300 and 400 ms"),
    ({"min": 30.0, "max": 400.0}, r"fixation can be 30 ms, shorter than one step \(dt = 100 ms\)"),
    ([0.0, 30.0], r"fixation can be 30 ms, shorter than one step"),
]


@pytest.mark.parametrize(("duration", "message"), FORMS)
def test_durations_that_are_none(duration: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        make("anti_reach", fixation=duration)
    assert "\n" not in str(error.value)


def test_durations_are_drawn_as_they_say() -> None:
    def steps(duration: Any) -> Floats:
        trials = make("anti_reach", fixation=duration).sample(np.random.default_rng(14), 4000)
        return np.diff(trials.periods["fixation"])[:, 0] * 100.0

    assert set(steps(250)) == {200} and set(steps(0)) == {0}
    for values, counts in ((steps([0, 200, 550]), {0: 1 / 3, 200: 1 / 3, 500: 1 / 3}),
                           (steps({"min": 200, "max": 500}), {200: 1 / 3, 300: 1 / 3, 400: 1 / 3})):  # fmt: skip
        assert set(values) == set(counts)
        for value, share in counts.items():
            assert (values == value).mean() == pytest.approx(share, abs=0.03)
    drawn = steps({"mean": 600, "min": 300, "max": 3000})
    assert drawn.min() == 300 and drawn.max() <= 2900
    assert np.mean(drawn < 900) == pytest.approx((1 - np.exp(-1)) / (1 - np.exp(-4.5)), abs=0.03)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("300", 300.0),
        ("300,500", [300.0, 500.0]),
        ("[300, 500]", [300.0, 500.0]),
        ("{mean: 600, min: 300, max: 3000}", {"mean": 600.0, "min": 300.0, "max": 3000.0}),
    ],
)
def test_durations_as_flags(text: str, value: Any) -> None:
    field = trial_task_class("delay_response").model_fields["delay"]
    assert flag_value("--task.delay", field, text) == value
    assert make("delay_response", delay=value).durations()["delay"] == value


def test_given_durations_are_checked() -> None:
    task, rng = make("delay_match_sample", delay=[500, 1500]), np.random.default_rng(0)
    assert (np.diff(task.sample(rng, 3, delay=[500, 730, 1500]).periods["delay"])[:, 0] == [5, 7, 15]).all()
    with pytest.raises(SettingsError, match=r"delay = 50 ms is shorter than one step \(dt = 100 ms\)"):
        task.sample(rng, 2, delay=[0, 50])
    with pytest.raises(SettingsError, match="test_stimulus = 0 ms is shorter than one step"):
        task.sample(rng, 2, test_stimulus=0)
    with pytest.raises(SettingsError, match="lasts 3800 ms, but the longest that its settings allow lasts 3700 ms"):
        task.sample(rng, 2, delay=1600)


# -- one trial, seen by everything ------------------------------------------------------------------------------


@library
def test_environment_and_tables_show_the_same_trial(name: str, tmp_path: Any) -> None:
    """Inputs, answers and ends of a rollout are those that a supervised loss is computed from, also from a file."""
    env = TrialEnv(name)
    observation, info = env.reset(seed=15)
    fresh = TrialEnv(name)
    fresh.reset(seed=15)
    first = fresh._trials
    assert first is not None
    truth = first.ground_truth
    trials = env.task.sample(np.random.default_rng(16), 8)
    with_file = tmp_path / "trials.h5"
    write_trials(with_file, [trials], 8, {}, {})
    with open_trials(with_file) as stored:
        again = stored[0:8]
    for field in ("inputs", "phase", "rewards", "stops", "choices", "ground_truth", "loss_mask"):
        np.testing.assert_array_equal(getattr(again, field), getattr(trials, field))
    for t in range(first.n_steps):
        np.testing.assert_array_equal(observation, first.inputs[t, 0])
        assert info["ground_truth"] == truth[t, 0]
        observation, _, over, truncated, info = env.step(FIXATE)
        assert over == (first.phase[t, 0] == TIMEOUT) and not truncated
        if over:
            break
    assert (first.inputs[t + 1 :, 0] == 0).all() and (truth[t + 1 :, 0] == FIXATE).all()


@library
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda task: pickle.loads(pickle.dumps(task))])
def test_copies_draw_the_same(name: str, twin: Any) -> None:
    task = make(name, fixation={"mean": 300.0, "min": 200.0, "max": 600.0})
    rng = np.random.default_rng(17)
    task.sample(rng, 3)
    other, its_rng = twin(task), twin(rng)
    for _ in range(2):
        a, b = task.sample(rng, 5), other.sample(its_rng, 5)
        np.testing.assert_array_equal(a.inputs, b.inputs)
        np.testing.assert_array_equal(a.phase, b.phase)


def test_it_is_learned_by_reward_and_no_rollout_leaves_its_trial() -> None:
    task = make("perceptual_decision_making", fixation=[300.0, 500.0], stimulus=500.0, decision=300.0)
    learning = PolicyGradientSettings(validation_trials=100)
    learner = PolicyGradient(task, GatedSettings(n_units=20), ValueSettings(n_units=20), learning, 1, CPU)
    before = learner.policy.clone()
    for _ in range(2):
        learner.update()
    assert not torch.equal(before["w_out"], learner.policy["w_out"])
    assert torch.isfinite(learner.policy.flat).all()
    trials = task.sample(np.random.default_rng(18), 50)
    weights = effective(learner.policy, learner.masks["policy"])
    episode, _ = learner._simulate(trials, weights, dict(learner.value), Fresh.seeded(1))
    np.testing.assert_array_equal(episode.mask.numpy() > trials.loss_mask, False)
    steps = (episode.actions.numpy() >= 0).sum(0)
    assert (steps <= lengths(trials)).all() and (steps == lengths(trials)).any() and (steps < lengths(trials)).any()


# -- single tasks -----------------------------------------------------------------------------------------------


def test_tutorial_timing_of_perceptual_decision_making() -> None:
    """11 steps: three of fixation, five of evidence, three of zeros; the ideal observer reaches .8645."""
    task = make("perceptual_decision_making", fixation=300, stimulus=500, decision=300)
    trials = task.sample(np.random.default_rng(19), 4, direction=[0, 1, 0, 1], coherence=51.2)
    quiet = task.without_noise().sample(np.random.default_rng(0), 4, **trials.conditions)
    assert trials.n_steps == 11
    np.testing.assert_array_equal(trials.inputs[:3], np.broadcast_to([1, 0, 0], (3, 4, 3)))
    np.testing.assert_array_equal(trials.inputs[8:], 0)
    np.testing.assert_allclose(quiet.inputs[3:8, 1], np.broadcast_to([0, 0.244, 0.756], (5, 3)), rtol=1e-6)
    np.testing.assert_array_equal(trials.ground_truth[:, 1], [0] * 8 + [2] * 3)
    even = task.sample(np.random.default_rng(0), 5, coherence=[0, 6.4, 12.8, 25.6, 51.2])
    assert motion_accuracy(task, even) == pytest.approx(0.8645, abs=1e-4)


def test_categories_need_three_channels() -> None:
    with pytest.raises(SettingsError, match="dim_ring = 2: .*greater than or equal to 3"):
        make("delay_match_category", dim_ring=2)
    task = make("delay_match_category", dim_ring=3)
    trials = task.sample(np.random.default_rng(20), N)
    assert (same_half(task, trials) == answers(trials)).mean() > 0.94


def test_opposite_of_anti_reach() -> None:
    trials = make("anti_reach", dim_ring=4).sample(np.random.default_rng(0), 4, direction=[0, 1, 2, 3])
    assert answers(trials).tolist() == [3, 4, 1, 2]
    np.testing.assert_allclose(trials.inputs[5, 1], [1, 0, 1, 0, -1], atol=1e-7)
    towards = make("anti_reach", dim_ring=3, anti=False).sample(np.random.default_rng(0), 3, direction=[0, 1, 2])
    assert answers(towards).tolist() == [1, 2, 3]
    with pytest.raises(SettingsError, match="dim_ring = 5 must be even, or no direction is opposite to another"):
        make("anti_reach", dim_ring=5)


def test_pairs_that_belong_together() -> None:
    first, second = [1, 1, 2, 2], [3, 4, 3, 4]
    trials = make("delay_paired_association").sample(np.random.default_rng(0), 4, first=first, second=second)
    assert answers(trials).tolist() == [1, 0, 0, 1]
    np.testing.assert_allclose(trials.rewards[TIMEOUT], [[0, 1], [1, -1], [1, -1], [0, 1]])
    np.testing.assert_array_equal(trials.inputs[5, :, 1:].argmax(1) + 1, first)
    np.testing.assert_array_equal(trials.inputs[25, :, 1:].argmax(1) + 1, second)


def test_false_alarms_of_detection() -> None:
    """To go before the signal ends the trial as a wrong answer does; the signal lies within the stimulus anywhere."""
    task = make("detection", sigma=0.0, signal=200.0)
    trials = task.sample(np.random.default_rng(21), 600)
    present, onset = trials.conditions["present"], trials.periods["decision"][:, 0]
    high = trials.inputs[..., 1] == 0.5
    np.testing.assert_array_equal(high.sum(0), 2 * present)
    np.testing.assert_array_equal(high.argmax(0)[present], onset[present])
    on, off = trials.periods["stimulus"].T
    assert set(onset[present & (off - on == 6)] - 5) == set(range(5))
    np.testing.assert_array_equal(onset[~present], on[~present])
    hasty = np.zeros(trials.phase.shape, int)
    hasty[on, np.arange(600)] = 1
    table = played(trials, hasty)
    too_soon = onset > on
    np.testing.assert_allclose(table["reward"], np.where(present & ~too_soon, 1, -1))
    np.testing.assert_array_equal(table["decision"], ~(present & too_soon))
    with pytest.raises(SettingsError, match="signal = 600 ms is longer than the shortest stimulus .500 ms"):
        make("detection", signal=600.0)


def test_comparison_pairs_are_checked() -> None:
    with pytest.raises(SettingsError, match="every pair must be two frequencies, the higher one first"):
        make("delay_comparison", pairs=[[10.0, 18.0]])
