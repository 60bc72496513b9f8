"""Transforms of trials: what each changes, that the ground truth stays the best to do, and what cannot be done."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from alike import ALIKE, COMPOSED
from numpy.typing import NDArray
from scipy.stats import binomtest, chisquare

from rnnpipe.errors import SettingsError
from rnnpipe.settings import parse
from rnnpipe.tasks import choice_task_names, task_names, trial_task_class
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._transforms import KINDS, correct_answers, possible_answers, read
from rnnpipe.trials import DECISION, FIXATE, FREE, TIMEOUT, Trials

read([])  # registers the kinds

NAMES = [name for name in choice_task_names() if name not in ALIKE | COMPOSED]
PDM = "perceptual_decision_making"
SIGNIFICANT = 1e-6
"""Seeds are fixed: a correct implementation fails a test with this probability, when the seed or numpy changes."""


def make(name: str, *transforms: dict[str, Any], **settings: Any) -> Task:
    return parse(trial_task_class(name), {**settings, "transforms": list(transforms)}, f"task {name}")


def entry(kind: str, task: Task) -> dict[str, Any]:
    """A transform of a kind with settings that suit a task."""
    n = max(len(possible_answers(task)), 2)
    p = (np.arange(1, n + 1) / np.arange(1, n + 1).sum()).tolist()
    first = {
        name: variable(np.random.default_rng(0), 2).tolist() for name, variable in list(task.variables().items())[:1]
    }
    settings: dict[str, dict[str, Any]] = {
        "identity": {},
        "noise": {"sigma": 0.5},
        "reaction_time": {"cost": 1e-5},
        "catch": {"p": 0.4},
        "miss": {"reward": -0.5},
        "timeout": {"duration": 3 * task.dt},
        "random_ground_truth": {"p": p},
        "side_bias": {"probs": [p, p[::-1]], "block": [2, 5]},
        "trial_history": {"repeat": [0.8, 0.3], "block": 7},
        "schedule_attr": {"conditions": [{name: values[k] for name, values in first.items()} for k in (0, 1)]},
    }
    return {"kind": kind, **settings[kind]}


@cache
def applied(name: str, kind: str) -> Task | None:
    """A task with a transform, None if it has no meaning there."""
    try:
        return make(name, entry(kind, make(name)))
    except SettingsError as error:
        assert repr(kind) in str(error) and name in str(error) and str(error).count(". ") == 0, str(error)
        return None


def session(task: Task, n: int, seed: int = 0) -> list[Trials]:
    """Batches of a session in which every second answer is wrong."""
    rng, state, found = np.random.default_rng(seed), None, []
    for i in range(n):
        trials, state = task.draw(rng, 1 if task.reacts else 12, state)
        found.append(trials)
        if task.reacts:
            state = task.after(state, i % 2, 0.0)
    return found


def best(trials: Trials) -> NDArray[np.float64]:
    """The highest return of each trial, by dynamic programming over its rule table."""
    i, value = np.arange(trials.n_trials), np.zeros(trials.n_trials)
    for t in range(trials.n_steps - 1, -1, -1):
        stops = trials.stops[trials.phase[t], i]
        value = (trials.discount[t] * trials.rewards[trials.phase[t], i] + np.where(stops, 0, value[:, None])).max(1)
    return value


def told(trials: Trials) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The return of the ground truth, and whether it ended in the correct choice."""
    i, n, truth = np.arange(trials.n_trials), trials.n_trials, trials.ground_truth
    alive, total, right = np.ones(n, bool), np.zeros(n), np.zeros(n, bool)
    for t, action in enumerate(truth):
        total += alive * trials.reward(t, action)
        stops = trials.stops[trials.phase[t], i, action] | (t + 1 == trials.n_steps)
        right |= alive & stops & trials.choices[trials.phase[t], i, action] & (trials.correct[i, action] == 1)
        alive &= ~stops
    return total, right


def earns_most(trials: Trials) -> bool:
    """Whether the ground truth earns all that can be earned, and is judged correct wherever something is."""
    total, right = told(trials)
    return bool(np.allclose(total, best(trials), atol=1e-6) and right[(trials.correct == 1).any(1)].all())


@cache
def plainly_best(name: str) -> bool:
    """Whether the ground truth of a task without transforms is the best to do."""
    return all(earns_most(trials) for trials in session(make(name), 2))


def assert_equal(a: Trials, b: Trials, but: tuple[str, ...] = ()) -> None:
    for name in ("inputs", "phase", "rewards", "stops", "choices", "correct", "discount"):
        if name not in but:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name in () if "periods" in but else a.periods:
        np.testing.assert_array_equal(a.periods[name], b.periods[name], err_msg=name)
    for name, values in a.conditions.items():
        np.testing.assert_array_equal(values, b.conditions[name], err_msg=name)


@pytest.mark.parametrize("name", [n for n in task_names() if n not in ALIKE | COMPOSED | {"supervised"}])
def test_without_effect_nothing_changes(name: str) -> None:
    plain, same = make(name), make(name, {"kind": "identity"})
    assert plain.changed() == {} and not plain.reacts and plain.extra_steps == 0
    assert_equal(plain.sample(np.random.default_rng(3), 20), same.sample(np.random.default_rng(3), 20))
    noisy = make(name, {"kind": "noise", "sigma": 1.0})
    trials = noisy.sample(np.random.default_rng(3), 20)
    assert_equal(plain.sample(np.random.default_rng(3), 20), trials, but=("inputs",))
    again = parse(trial_task_class(name), noisy.changed(), name)
    assert again == noisy
    assert_equal(trials, again.sample(np.random.default_rng(3), 20))
    legacy = noisy.sample(np.random.RandomState(3), 20)
    assert_equal(plain.sample(np.random.RandomState(3), 20), legacy, but=("inputs",))


NOT_THE_BEST = {"bandit", "economic_decision_making", "gambling", "padoaschioppa2006"}
"""Tasks in which rewards are drawn, or the correct choice is one of several."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_ground_truth_stays_the_best(name: str, kind: str) -> None:
    task = applied(name, kind)
    if task is None:
        return
    plain = plainly_best(name)
    for trials in session(task, 5 if task.reacts else 2):
        assert trials.n_steps == task.n_steps + task.extra_steps
        assert trials.phase.max() < len(trials.rewards) == len(trials.stops) == len(trials.choices)
        assert trials.inputs.dtype == trials.rewards.dtype == np.float32 and trials.phase.dtype == np.uint8
        assert not plain or earns_most(trials)
    assert session(task, 1)[0].task == name


def test_for_most_tasks_that_says_something() -> None:
    assert {name for name in NAMES if not plainly_best(name)} <= NOT_THE_BEST


def test_which_transforms_apply_to_which_tasks() -> None:
    everywhere = {"identity", "noise", "catch", "schedule_attr"}
    for kind in sorted(KINDS):
        without = {name for name in NAMES if applied(name, kind) is None}
        if kind in everywhere:
            assert without <= {"bandit"} and (kind == "schedule_attr") == bool(without), (kind, without)
        assert len(without) < 25, (kind, without)
    assert applied("motor_timing", "side_bias") is None  # to go is always correct
    assert applied("rdm_rt", "reaction_time") is None  # it is one already
    assert applied("bandit", "trial_history") is None  # which has sessions of its own
    silent = sorted(set(task_names()) - set(choice_task_names()) - {"supervised"})
    assert silent and all(applied(name, "catch") is None and applied(name, "noise") for name in silent)


# -- what is drawn --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [PDM, "go_nogo", "delay_comparison", "yang_dnmc", "mante", "detection", "gambling"])
def test_answers_have_their_probabilities(name: str) -> None:
    answers = possible_answers(make(name))
    p = np.arange(1, len(answers) + 1) / np.arange(1, len(answers) + 1).sum()
    task = make(name, {"kind": "random_ground_truth", "p": p.tolist()})
    trials = task.sample(np.random.default_rng(0), 3000)
    drawn = correct_answers(task, trials.conditions)
    assert chisquare([(drawn == a).sum() for a in answers], 3000 * p).pvalue > SIGNIFICANT


def test_all_else_is_drawn_given_the_answer() -> None:
    plain = make(PDM)
    task = make(PDM, {"kind": "random_ground_truth", "p": [0.9, 0.1]})
    trials = task.sample(np.random.default_rng(1), 4000)
    for answer in (1, 2):
        given = trials.conditions["coherence"][correct_answers(task, trials.conditions) == answer]
        counts = [(given == c).sum() for c in plain.coherences]  # type: ignore[attr-defined]
        assert chisquare(counts).pvalue > SIGNIFICANT
    # where whether a trial is a match decides the answer, and all else is drawn
    nonmatch = make("yang_dnmc", {"kind": "random_ground_truth", "p": [1.0] + [0.0] * 16})
    assert (correct_answers(nonmatch, nonmatch.sample(np.random.default_rng(0), 200).conditions) == FIXATE).all()


def test_side_bias_in_blocks() -> None:
    task = make(PDM, {"kind": "side_bias", "probs": [[0.8, 0.2], [0.2, 0.8]], "block": 90})
    rng, state, blocks, answers = np.random.default_rng(0), None, [], []
    for n in (7, 500, 1, 3000, 492):
        trials, state = task.draw(rng, n, state)
        blocks.append(trials.conditions["side_block"])
        answers.append(correct_answers(task, trials.conditions))
    block, answer = np.concatenate(blocks), np.concatenate(answers)
    ends = np.flatnonzero(np.diff(block)) + 1
    assert 1 <= ends[0] <= 90 and (np.diff(ends) == 90).all()  # a session begins in the middle of a block
    for k, p in enumerate((0.8, 0.2)):
        inside = answer[block == k]
        assert binomtest(int((inside == 1).sum()), len(inside), p).pvalue > SIGNIFICANT
    once = task.sample(np.random.default_rng(0), 40)
    assert set(once.conditions) == set(task.variables()) | {"side_block"}


@pytest.mark.parametrize("block", [0.05, [3, 9], 4])
def test_lengths_of_blocks(block: Any) -> None:
    probs = [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    task = make(PDM, {"kind": "side_bias", "probs": probs, "block": block})
    trials, _ = task.draw(np.random.default_rng(0), 6000)
    blocks = trials.conditions["side_block"]
    changes = np.flatnonzero(np.diff(blocks)) + 1
    lengths = np.diff(changes)
    if isinstance(block, float):
        assert binomtest(len(changes), 5999, block).pvalue > SIGNIFICANT
    elif isinstance(block, list):
        assert chisquare(np.bincount(lengths, minlength=10)[3:]).pvalue > SIGNIFICANT and lengths.max() == 9
    else:
        assert (lengths == 4).all()
    to = blocks[changes], blocks[changes - 1]
    assert chisquare(np.bincount((to[0] - to[1]) % 3, minlength=3)[1:]).pvalue > SIGNIFICANT  # never the same again


def test_trial_history_has_its_transition_matrix() -> None:
    matrix = [[0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [0.2, 0.1, 0.7]]
    task = make("memory_dm", {"kind": "trial_history", "transitions": [matrix]})
    rng = np.random.default_rng(0)
    first, state = task.draw(rng, 10)
    second, state = task.draw(rng, 6000, state)
    answer = np.concatenate([correct_answers(task, t.conditions) for t in (first, second)])
    for before, row in enumerate(matrix):
        after = answer[1:][answer[:-1] == before]
        assert chisquare(np.bincount(after, minlength=3), np.array(row) * len(after)).pvalue > SIGNIFICANT


def test_trial_history_repeats_by_block() -> None:
    task = make(PDM, {"kind": "trial_history", "repeat": [0.9, 0.2], "block": 200})
    trials, _ = task.draw(np.random.default_rng(0), 8000)
    answer, block = correct_answers(task, trials.conditions), trials.conditions["history_block"]
    for k, p in enumerate((0.9, 0.2)):
        same = (answer[1:] == answer[:-1])[block[1:] == k]
        assert binomtest(int(same.sum()), len(same), p).pvalue > SIGNIFICANT


def test_trial_history_after_errors() -> None:
    task = make(PDM, {"kind": "trial_history", "repeat": [0.95], "after_error": 0.1})
    assert task.reacts
    rng, state = np.random.default_rng(0), None
    answers, correct = [], rng.integers(-1, 2, 600)
    for outcome in correct.tolist():
        trials, state = task.draw(rng, 1, state)
        answers.append(int(correct_answers(task, trials.conditions)[0]))
        state = task.after(state, outcome, 0.0)
    same, erred = np.diff(answers) == 0, correct[:-1] == 0
    for p, among in ((0.1, erred), (0.95, ~erred)):
        assert binomtest(int(same[among].sum()), int(among.sum()), p).pvalue > SIGNIFICANT
    with pytest.raises(SettingsError, match=f"task {PDM}: transform 'trial_history' depends on the outcome"):
        task.sample(np.random.default_rng(0), 2)
    assert task.sample(np.random.default_rng(0), 1).n_trials == 1  # the first one of a session


def test_schedules_of_conditions() -> None:
    items = [{"coherence": 0.0}, {"coherence": 12.8}, {"coherence": 51.2}]
    levels = [0.0, 12.8, 51.2]
    orders = {}
    for schedule in ("sequential", "block", "random"):
        task = make(PDM, {"kind": "schedule_attr", "conditions": items, "schedule": schedule, "block": 4})
        rng = np.random.default_rng(2)
        first, state = task.draw(rng, 5)
        second, _ = task.draw(rng, 600, state)
        shown = np.concatenate([t.conditions["coherence"] for t in (first, second)])
        orders[schedule] = np.searchsorted(levels, shown)
        np.testing.assert_array_equal(np.array(levels)[orders[schedule]], shown)
    assert (np.diff(orders["sequential"]) % 3 == 1).all()
    assert (np.diff(np.flatnonzero(np.diff(orders["block"]))) == 4).all()
    assert chisquare(np.bincount(orders["random"])).pvalue > SIGNIFICANT


def test_given_conditions_go_before_transforms() -> None:
    biased = make(PDM, {"kind": "side_bias", "probs": [[1.0, 0.0]]})
    trials = biased.sample(np.random.default_rng(0), 40, direction=1)
    assert (trials.conditions["direction"] == 1).all() and "side_block" not in trials.conditions
    scheduled = make(PDM, {"kind": "schedule_attr", "conditions": [{"coherence": 0.0}]})
    assert (scheduled.sample(np.random.default_rng(0), 9, coherence=51.2).conditions["coherence"] == 51.2).all()


def test_two_transforms_together() -> None:
    bias = {"kind": "side_bias", "probs": [[0.9, 0.1]]}
    only_strong = {"kind": "schedule_attr", "conditions": [{"coherence": 51.2}]}
    task = make(PDM, only_strong, bias, {"kind": "reaction_time", "cost": 1e-4}, {"kind": "catch", "p": 0.5})
    trials = task.sample(np.random.default_rng(0), 2000)
    assert (trials.conditions["coherence"] == 51.2).all() and earns_most(trials)
    first = correct_answers(task, trials.conditions) == 1
    assert binomtest(int(first.sum()), 2000, 0.9).pvalue > SIGNIFICANT
    catch = trials.conditions["catch"]
    assert binomtest(int((catch & first).sum()), int(first.sum()), 0.5).pvalue > SIGNIFICANT
    # the cost comes before or after what a catch trial earns, as they are listed
    assert set(trials.rewards[DECISION][catch][:, 1:].ravel().tolist()) == {0.0}
    other = make(PDM, {"kind": "catch", "p": 0.5}, {"kind": "reaction_time", "cost": 1e-4})
    trials = other.sample(np.random.default_rng(0), 200)
    rewards = trials.rewards[DECISION][trials.conditions["catch"]][:, 1:]
    np.testing.assert_allclose(rewards, -0.01, rtol=1e-6)


# -- what is changed ------------------------------------------------------------------------------------------


def test_noise_has_its_scale_and_ends_with_the_trial() -> None:
    for dt in (20.0, 100.0):
        quiet = make("go_nogo", dt=dt, tmax=2000.0)
        noisy = make("go_nogo", {"kind": "noise", "sigma": 2.0}, dt=dt, tmax=2000.0)
        same = np.random.default_rng(0), np.random.default_rng(0)
        noise = noisy.sample(same[0], 300).inputs - quiet.sample(same[1], 300).inputs
        assert noise.std() == pytest.approx(2 / np.sqrt(dt), rel=0.03)
        mean = noise.mean(0).std()  # of a mean over all of it, whatever the step
        assert mean == pytest.approx(2 / np.sqrt(noise.shape[0] * dt), rel=0.15)
    lasting = make("delay_match_sample", {"kind": "noise", "sigma": 1.0}, delay=[0.0, 1000.0])
    trials = lasting.sample(np.random.default_rng(0), 50)
    end = trials.periods["decision"][:, 1]
    shown = (trials.inputs != 0).all(2)
    np.testing.assert_array_equal(shown, np.arange(trials.n_steps)[:, None] < end)
    assert not make(PDM, {"kind": "noise", "sigma": 1.0}).without_noise().transforms


def test_reaction_time_opens_the_decision_with_the_stimulus() -> None:
    settings = {"fixation": 300.0, "stimulus": 500.0, "delay": 200.0, "decision": 300.0}
    plain = make(PDM, **settings).sample(np.random.default_rng(0), 50)
    task = make(PDM, {"kind": "reaction_time", "cost": 0.001}, **settings)
    trials = task.sample(np.random.default_rng(0), 50)
    assert (trials.periods["decision"] == [4, 8]).all() and (trials.phase[8:] == FREE).all()
    assert (trials.phase[4:7] == DECISION).all() and (trials.phase[7] == TIMEOUT).all()
    np.testing.assert_array_equal(trials.inputs[:8], plain.inputs[:8])
    assert not trials.inputs[8:].any()
    np.testing.assert_array_equal(trials.ground_truth[4:8], np.broadcast_to(plain.correct.argmax(1), (4, 50)))
    assert (trials.rewards[DECISION, :, FIXATE] == np.float32(-0.1)).all()
    np.testing.assert_allclose(trials.rewards[DECISION], plain.rewards[DECISION] - 0.1, rtol=1e-6)
    np.testing.assert_array_equal(trials.rewards[0], plain.rewards[0])

    longer = make(PDM, {"kind": "reaction_time", "end_on_stimulus": False, "start": 200.0}, **settings)
    trials = longer.sample(np.random.default_rng(0), 50)
    assert (trials.periods["decision"] == [5, 13]).all() and (trials.phase[5:12] == DECISION).all()
    np.testing.assert_array_equal(trials.inputs, plain.inputs)
    np.testing.assert_array_equal(trials.ground_truth[5:13], np.broadcast_to(plain.correct.argmax(1), (8, 50)))

    kim = make("go_nogo", {"kind": "reaction_time", "end_on_stimulus": False})
    trials = kim.sample(np.random.default_rng(0), 20)
    np.testing.assert_array_equal(trials.periods["target"], trials.periods["decision"])


def test_catch_trials_earn_the_same_whatever_is_chosen() -> None:
    plain = make(PDM).sample(np.random.default_rng(0), 2000)
    trials = make(PDM, {"kind": "catch", "p": 0.2, "reward": 0.25}).sample(np.random.default_rng(0), 2000)
    catch = trials.conditions["catch"]
    assert binomtest(int(catch.sum()), 2000, 0.2).pvalue > SIGNIFICANT
    assert_equal(plain, trials, but=("rewards",))
    np.testing.assert_array_equal(trials.rewards[:, ~catch], plain.rewards[:, ~catch])
    assert (trials.rewards[trials.choices & catch[:, None]] == 0.25).all()
    np.testing.assert_array_equal(trials.rewards[~trials.choices], plain.rewards[~trials.choices])


def test_catch_trials_of_weak_evidence() -> None:
    weak = {"kind": "catch", "p": 0.5, "variable": "coherence", "percentile": 40.0}
    trials = make(PDM, weak).sample(np.random.default_rng(0), 3000)
    level, catch = trials.conditions["coherence"], trials.conditions["catch"]
    assert not catch[level > 6.4].any()
    assert binomtest(int(catch[level <= 6.4].sum()), int((level <= 6.4).sum()), 0.5).pvalue > SIGNIFICANT


def test_misses() -> None:
    plain = make(PDM).sample(np.random.default_rng(0), 20)
    trials = make(PDM, {"kind": "miss", "reward": -0.5}).sample(np.random.default_rng(0), 20)
    assert (trials.rewards[TIMEOUT, :, FIXATE] == plain.rewards[TIMEOUT, :, FIXATE] - 0.5).all()
    np.testing.assert_array_equal(trials.rewards[TIMEOUT, :, 1:], plain.rewards[TIMEOUT, :, 1:])
    np.testing.assert_array_equal(trials.rewards[:TIMEOUT], plain.rewards[:TIMEOUT])
    withheld = make("go_nogo", {"kind": "miss", "reward": -0.5}).sample(np.random.default_rng(0), 40)
    go, before = withheld.conditions["go"], make("go_nogo").sample(np.random.default_rng(0), 40).rewards[TIMEOUT]
    np.testing.assert_array_equal(withheld.rewards[TIMEOUT, :, FIXATE] - before[:, FIXATE], np.where(go, -0.5, 0))


def test_timeouts_lengthen_fixation_after_errors() -> None:
    settings = {"fixation": 300.0, "stimulus": 500.0, "sigma": 0.0, "tau_reward": 1000.0}
    task = make(PDM, {"kind": "timeout", "duration": 500.0}, **settings)
    plain = make(PDM, **settings)
    rng, state = np.random.default_rng(0), None
    for outcome in (1, 0, -1, 0, 1):
        trials, state = task.draw(rng, 1, state)
        longer = bool(trials.conditions["timeout"][0])
        k = 5 if longer else 0
        same = plain.sample(np.random.default_rng(0), 1, **{n: trials.conditions[n] for n in plain.variables()})
        n = same.n_steps
        assert trials.n_steps == n + 5 == task.n_steps + task.extra_steps
        np.testing.assert_array_equal(trials.inputs[k : k + n], same.inputs)
        np.testing.assert_array_equal(trials.inputs[:k], np.repeat(same.inputs[:1], k, axis=0))
        np.testing.assert_array_equal(trials.phase[k : k + n], same.phase)
        assert (trials.phase[:k] == same.phase[0]).all() and (trials.phase[k + n :] == FREE).all()
        assert (trials.periods["fixation"] == [0, 3 + k]).all()
        np.testing.assert_array_equal(trials.periods["stimulus"], same.periods["stimulus"] + k)
        np.testing.assert_allclose(trials.discount, np.exp(-np.arange(n + 5) * 100 / 1000), rtol=1e-6)
        state = task.after(state, outcome, 0.0)
        assert state == (outcome == 0,)
    with pytest.raises(SettingsError, match="transform 'timeout' depends on the outcome of the trial before"):
        task.sample(rng, 2)


# -- what cannot be done --------------------------------------------------------------------------------------

BIAS = {"kind": "side_bias", "probs": [[0.5, 0.5]]}


@pytest.mark.parametrize(
    ("transforms", "sentence"),
    [
        ([{"kind": "catc"}], "unknown kind 'catc' .did you mean 'catch'."),
        ([{"p": 0.1}], r"transforms\[0\]: has no kind .known: catch"),
        ([{"kind": "catch", "q": 0.1}], r"transforms\[0\] .catch.: unknown key 'q'"),
        ([{"kind": "catch", "p": 1.5}], r"transforms\[0\] .catch.: p = 1.5: input should be less than or equal to 1"),
        ([{"kind": "catch"}, {"kind": "catch"}], "transform 'catch' is listed twice"),
        ([BIAS, {"kind": "random_ground_truth", "p": [0.5, 0.5]}], "'side_bias' and 'random_ground_truth' cannot be"),
        ([{"kind": "pass_reward"}], "pass_reward depends on what is done in a trial"),
        ([{"kind": "timeout", "duration": 500.0}, {"kind": "catch"}], "'timeout' must be the last one"),
        ([{"kind": "timeout", "duration": 50.0}], "duration = 50 ms is shorter than one step"),
        ([{"kind": "random_ground_truth", "p": [0.5, 0.4]}], "are no probabilities"),
        ([{"kind": "random_ground_truth", "p": [1.0]}], f"p has 1 probabilities, but task {PDM} has 2 correct answers"),
        ([{"kind": "side_bias", "probs": [[1.0, 0.0]], "block": 0}], "a block is a number of trials"),
        ([{"kind": "side_bias", "probs": [[1.0, 0.0]], "block": [5, 2]}], "a block is a number of trials"),
        ([{"kind": "trial_history"}], "give either repeat or transitions"),
        ([{"kind": "trial_history", "repeat": [1.5]}], "repeat: 1.5 is no probability"),
        ([{"kind": "trial_history", "transitions": [[[1.0]]]}], "has 1 probabilities, but task"),
        ([{"kind": "schedule_attr", "conditions": [{"coherenc": 1}]}], "'coherenc' .did you mean 'coherence'"),
        ([{"kind": "schedule_attr", "conditions": [{"coherence": 1}, {"direction": 0}]}], "name the same variables"),
        ([{"kind": "schedule_attr", "conditions": [{"coherence": "x"}]}], "coherence = 'x' is no number"),
        ([{"kind": "catch", "variable": "coherenc"}], "no variable 'coherenc'"),
        ([{"kind": "miss", "reward": 1.0}], "less than or equal to 0"),
        ([{"kind": "reaction_time", "start": 1900.0}], None),
        ([{"kind": "reaction_time", "start": 2000.0}], "leaves no step to choose in"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(transforms: list[dict[str, Any]], sentence: str | None) -> None:
    if sentence is None:
        make(PDM, *transforms)
        return
    with pytest.raises(SettingsError, match=sentence) as caught:
        make(PDM, *transforms)
    assert str(caught.value).startswith(f"task {PDM}: ") and "\n" not in str(caught.value)


def test_answers_that_conditions_rule_out() -> None:
    task = make(
        PDM,
        {"kind": "schedule_attr", "conditions": [{"direction": 0}]},
        {"kind": "random_ground_truth", "p": [0.0, 1.0]},
    )
    with pytest.raises(SettingsError, match="correct answer is 'choice_2' with direction = 0; change the transform"):
        task.sample(np.random.default_rng(0), 5)


def test_open_trials_have_no_misses() -> None:
    with pytest.raises(SettingsError, match="'miss' does not apply to task rdm_fixed, whose trials have no last step"):
        make("rdm_fixed", {"kind": "miss", "reward": -1.0}, abort_on_last_step=False)


def test_kinds_are_read_before_they_are_listed() -> None:
    assert len(read([{"kind": "identity"}])) == 1 and "identity" in KINDS
