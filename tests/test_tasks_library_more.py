"""Tasks whose rules differ from those of other tasks of consecutive periods: wagers, juices, two answers, grades."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import task_table
from library_observers import onsets
from numpy.typing import NDArray
from scipy.stats import norm

from rnnpipe.environments import TrialEnv, TrialVectorEnv
from rnnpipe.errors import SettingsError
from rnnpipe.evaluation.outcomes import outcomes
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._durations import ends
from rnnpipe.tasks._sure import SURE
from rnnpipe.tasks._timing import TimingTask
from rnnpipe.tasks.bandit import Bandit
from rnnpipe.tasks.economic_decision_making import EconomicDecisionMaking
from rnnpipe.tasks.post_decision_wager import PostDecisionWagerNeuroGym
from rnnpipe.trials import DECISION, FIRST, FIXATE, GRADED, OUTSIDE, TIMEOUT, Trials

N = 4000


def make(name: str, **settings: Any) -> Any:
    return parse(trial_task_class(name), settings, name)


def drawn(task: Any, n: int, seed: int = 0, **conditions: Any) -> Trials:
    trials: Trials = task.sample(np.random.default_rng(seed), n, **conditions)
    return trials


def played(trials: Trials, actions: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Outcomes of actions, (n_steps, n_trials), by the rules of the tables, step by step."""
    i, alive = np.arange(trials.n_trials), np.ones(trials.n_trials, bool)
    taken, rewards = np.full(actions.shape, -1), np.zeros(actions.shape)
    for t, a in enumerate(actions):
        taken[t, alive], rewards[t, alive] = a[alive], trials.reward(t, a)[alive]
        alive &= ~trials.stops[trials.phase[t], i, a]
    assert not alive.any(), "every trial has an end"
    return outcomes(trials, taken, rewards)


def shown(trials: Trials, period: str) -> NDArray[Any]:
    """Mean of each input in a period, (n_trials, n_inputs)."""
    during = trials.during(period)
    return np.einsum("tic,ti->ic", trials.inputs.astype(float), during) / during.sum(0)[:, None]


def at_decision(trials: Trials, choice: NDArray[Any] | int) -> NDArray[Any]:
    """Actions that wait for the decision and then choose."""
    actions = np.zeros(trials.phase.shape, int)
    actions[trials.periods["decision"][:, 0], np.arange(trials.n_trials)] = choice
    return actions


def within(found: float, expected: float, n: int = N) -> bool:
    return abs(found - expected) <= 3 * np.sqrt(expected * (1 - expected) / n) + 1e-12


# -- wager ------------------------------------------------------------------------------------------------------


def test_wager_answers_are_as_good_as_the_evidence() -> None:
    task = make("post_decision_wager")
    assert isinstance(task, PostDecisionWagerNeuroGym)
    trials = drawn(task, N)
    c = trials.conditions
    right = norm.cdf(c["coherence"] / 100 * np.sqrt(c["stimulus"] / 2) / task.sigma)
    assert right.mean() == pytest.approx(0.788, abs=0.01)
    level = shown(trials, "stimulus")
    table = played(trials, at_decision(trials, np.where(level[:, 2] > level[:, 1], 2, 1)))
    assert table["decision"].all() and within((table["correct"] == 1).mean(), float(right.mean()))
    assert (played(trials, trials.ground_truth)["reward"] == 1).all()


def test_the_sure_option_pays_who_is_uncertain() -> None:
    """Better than answering always is to take it below the certainty that it is worth; elsewhere it is an abort."""
    task = make("post_decision_wager")
    trials = drawn(task, N, wager=True)
    c, level = trials.conditions, shown(trials, "stimulus")
    signed = level[:, 2] - level[:, 1]
    # posterior of the side, the coherence being one of the six, from the sufficient statistic of the evidence
    mean = np.array([s * x / 100 for s in (-1, 1) for x in task.coherences])
    sd = task.sigma * np.sqrt(2 / c["stimulus"])[:, None]
    like = norm.pdf(signed[:, None], mean, sd)
    p_right = like[:, 6:].sum(1) / like.sum(1)
    certain = np.maximum(p_right, 1 - p_right)
    side = np.where(p_right > 0.5, 2, 1)
    always = played(trials, at_decision(trials, side))["reward"].mean()
    wagering = played(trials, at_decision(trials, np.where(certain < task.reward_sure, SURE, side)))
    assert wagering["reward"].mean() > always + 0.03
    assert wagering["reward"].mean() == pytest.approx(np.maximum(certain, 0.7).mean(), abs=0.02)
    assert 0.3 < task.performance({**c, **wagering})["p_sure"] < 0.7
    none = drawn(task, 50, wager=False)
    table = played(none, at_decision(none, SURE))
    np.testing.assert_allclose(table["reward"], -0.1, rtol=1e-6)
    assert not table["decision"].any()


def test_the_sure_target_appears_in_the_delay() -> None:
    task = make("post_decision_wager", dt=50.0)
    trials = drawn(task, 400)
    c, t = trials.conditions, np.arange(trials.n_steps)[:, None]
    on = trials.periods["delay"][:, 0] + np.round(c["sure_onset"] / 50).astype(int)
    expected = (t >= on) & (t < trials.periods["decision"][:, 1]) & c["wager"]
    np.testing.assert_array_equal(trials.inputs[..., 3], expected)
    assert set(c["sure_onset"][c["wager"]]) == {500, 550, 600, 650, 700}
    np.testing.assert_array_equal(trials.inputs[..., 0], t < trials.periods["decision"][:, 0])
    assert (trials.inputs[..., 0][trials.during("stimulus")] == 1).all()
    with pytest.raises(SettingsError, match="can appear 1500 ms after the stimulus .sure_onset., when the"):
        make("post_decision_wager", sure_onset=1500.0)
    with pytest.raises(SettingsError, match=r"min_sure .0.6. must be below max_sure .0.5."):
        make("post_decision_wager", min_sure=0.6)


# -- juices -----------------------------------------------------------------------------------------------------


def test_offers_tell_the_juices_and_the_amounts() -> None:
    """Reading values off the inputs earns the most on each trial; the reward is what was chosen."""
    task = make("economic_decision_making")
    assert isinstance(task, EconomicDecisionMaking)
    trials = drawn(task, N)
    offer = shown(trials, "offer_on")
    worth = np.array([0.22, 0.1])
    left, right = offer[:, 1:3] @ worth * offer[:, 5] * 5, offer[:, 3:5] @ worth * offer[:, 6] * 5
    table = played(trials, at_decision(trials, np.where(left > right, 1, 2)))
    assert (table["correct"] == 1).all() and (np.abs(left - right) > 1e-6).all()
    np.testing.assert_allclose(table["reward"], np.maximum(left, right), rtol=1e-5)
    np.testing.assert_allclose(table["reward"], trials.rewards[DECISION].max(1), rtol=1e-5)
    other = played(trials, at_decision(trials, np.where(left > right, 2, 1)))
    assert (other["correct"] == 0).all()
    np.testing.assert_allclose(other["reward"], np.minimum(left, right), atol=1e-6)
    assert within(float((table["choice"] == 1).mean()), 0.5)


def test_rules_of_economic_choice() -> None:
    task = make("economic_decision_making", reward_timeout=-0.2, sigma=1.0)
    trials = drawn(task, 200)
    assert (trials.phase[trials.during("fixation") | trials.during("offer_on")] == OUTSIDE).all()
    hasty = at_decision(trials, 1)
    hasty[3] = 2
    table = played(trials, hasty)
    np.testing.assert_allclose(table["reward"], trials.rewards[DECISION, :, 1] - 0.1, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(played(trials, np.zeros_like(hasty))["reward"], -0.2)
    quiet = task.without_noise().sample(np.random.default_rng(0), 200, **trials.conditions)
    noise = trials.inputs - quiet.inputs
    assert not noise[..., :5].any() and not noise[~trials.during("offer_on")].any()
    assert noise[trials.during("offer_on")][:, 5:].std() == pytest.approx(0.1, rel=0.05)
    assert set(np.diff(trials.periods["offer_on"])[:, 0]) == set(range(10, 20))
    assert (np.diff(trials.periods["decision"])[:, 0] == 7).all()


# -- two answers in one trial -----------------------------------------------------------------------------------


def two_tests(trials: Trials) -> NDArray[Any]:
    """Whether each test matches, from the inputs alone: the cued item's channel in the sample and in the test."""
    sample = shown(trials, "sample_stimulus")[:, 1:5].reshape(-1, 2, 2).argmax(2)
    i, answers = np.arange(trials.n_trials), []
    for which in ("first", "second"):
        item = shown(trials, f"{which}_cue")[:, 5:].argmax(1)
        test = shown(trials, f"{which}_test")[:, 1:5].reshape(-1, 2, 2)[i, item].argmax(1)
        answers.append(np.where(test == sample[i, item], 1, 2))
    return np.stack(answers)


def test_both_answers_are_in_the_inputs_and_each_is_paid_once() -> None:
    task = make("dual_delay_match_sample", reward_wrong=-0.4, reward_timeout=-0.3)
    trials = drawn(task, N)
    first, second = two_tests(trials)
    i, actions = np.arange(N), at_decision(trials, second)
    due = trials.periods["first_test"][:, 1] - 1
    actions[due, i] = first
    table = played(trials, actions)
    np.testing.assert_array_equal(actions, np.where(trials.during("decision"), actions, trials.ground_truth))
    assert (table["reward"] == 2).all() and (table["correct"] == 1).all()
    assert (played(trials, trials.ground_truth)["reward"] == 2).all()

    during_test = actions.copy()  # answering all along the first test is paid once, too
    during_test[trials.during("first_test")] = np.broadcast_to(first, actions.shape)[trials.during("first_test")]
    assert (played(trials, during_test)["reward"] == 2).all()
    wrong = actions.copy()
    wrong[due, i] = 3 - first
    table = played(trials, wrong)
    np.testing.assert_allclose(table["reward"], -0.4, rtol=1e-6)
    assert (table["n_steps"] == due + 1).all() and not table["decision"].any()
    wrong = at_decision(trials, 3 - second)
    wrong[due, i] = first
    table = played(trials, wrong)
    np.testing.assert_allclose(table["reward"], 0.6, rtol=1e-6)
    assert (table["correct"] == 0).all() and table["decision"].all()
    table = played(trials, at_decision(trials, second))
    np.testing.assert_allclose(table["reward"], -0.3, rtol=1e-6)
    assert (table["n_steps"] == due + 1).all() and not table["decision"].any()


def test_items_cues_and_answers_are_independent() -> None:
    task = make("dual_delay_match_sample")
    trials = drawn(task, N)
    c = trials.conditions
    first, second = two_tests(trials)
    assert within((first == second).mean(), 0.5) and within((c["order"] == 1).mean(), 0.5)
    for which in ("first", "second"):
        cue = trials.inputs[..., 5:][trials.during(f"{which}_cue")]
        assert (cue.sum(1) == 1).all()
    assert (shown(trials, "first_cue")[:, 5:] + shown(trials, "second_cue")[:, 5:] == 1).all()
    off = trials.inputs[..., 0] == 0
    np.testing.assert_array_equal(off, (trials.phase == FIRST) | trials.during("decision"))
    noise = trials.inputs - task.without_noise().sample(np.random.default_rng(0), N, **c).inputs
    stimuli = np.any([trials.during(period) for period in task.stimuli], axis=0)
    assert not noise[~stimuli].any() and not noise[..., [0, 5, 6]].any()
    assert noise[stimuli][:, 1:5].std() == pytest.approx(0.1, rel=0.02)


def test_the_environment_asks_for_both_answers() -> None:
    env = TrialEnv("dual_delay_match_sample", dt=50.0, first_delay=0, first_test={"min": 200, "max": 500})
    for trial in range(10):
        _, info = env.reset(seed=6) if trial == 0 else env.reset()
        total, over, answers = 0.0, False, 0
        while not over:
            answers += info["ground_truth"] != FIXATE
            _, reward, over, _, info = env.step(info["ground_truth"])
            total += reward
        assert info["performance"] == 1 and total == 2 and answers == 2


# -- grades -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dt"), [("ready_set_go", 10.0), ("ready_set_go", 80.0), ("motor_timing", 25.0), ("one_two_three_go", 20.0)]
)
def test_the_reward_depends_on_the_error(name: str, dt: float) -> None:
    """At any step after the last flash: the published curve within the tolerance, nothing outside."""
    task = make(name, dt=dt, reward_wrong=-0.5, reward_timeout=-0.25, reward_correct=2.0)
    assert isinstance(task, TimingTask)
    trials = drawn(task, 40)
    due, flash = task.due(trials.conditions), trials.periods["production"][:, 0]
    end = trials.periods["production"][:, 1]
    for step in range(int((end - flash).max())):
        actions = np.zeros(trials.phase.shape, int)
        reached = flash + step < end
        actions[np.minimum(flash + step, end - 1), np.arange(40)] = 1
        table = played(trials, actions)
        error = np.abs(step * dt - due) / (0.2 * due + 25)
        right = error <= 1 + 1e-9
        expected = np.where(right, 2 * np.maximum(1 - np.minimum(error, 1), 0) ** 1.5, -0.5)
        expected = np.where(right, np.maximum(expected, 0.2), expected)
        np.testing.assert_allclose(table["reward"][reached], expected[reached], rtol=1e-4)
        np.testing.assert_array_equal(table["correct"][reached], np.where(right, 1, -1)[reached])
    best = played(trials, trials.ground_truth)
    np.testing.assert_array_equal((trials.ground_truth != FIXATE).sum(0), 1)
    np.testing.assert_allclose(best["reward"], 2)
    assert (played(trials, np.zeros(trials.phase.shape, int))["reward"] == -0.25).all()


def test_the_best_time_on_the_grid_is_the_ground_truth() -> None:
    task = make("ready_set_go", gain=1.37, dt=40.0)
    trials = drawn(task, 200)
    due = task.due(trials.conditions) / 40
    went = (trials.ground_truth != FIXATE).argmax(0) - trials.periods["production"][:, 0]
    np.testing.assert_array_equal(went, np.round(due))
    assert (np.abs(due - np.round(due)) > 0.01).any() and trials.phase.max() >= GRADED
    earned = played(trials, trials.ground_truth)["reward"]
    choices = [trials.rewards[trials.phase[t], np.arange(200), 1] for t in range(trials.n_steps)]
    np.testing.assert_array_equal(earned, np.max(choices, axis=0))


def test_grades_have_room() -> None:
    with pytest.raises(SettingsError, match="can be correct in 651 steps of dt = 1 ms, too many to grade .at most 250"):
        make("ready_set_go", dt=1.0)
    task = make("ready_set_go", dt=1.0, graded=False)
    assert drawn(task, 1).phase.max() < GRADED
    flashes = onsets(drawn(task, 3), 1)
    assert (flashes.sum(0) == 1).all()


# -- bandits ----------------------------------------------------------------------------------------------------


def test_arms_last_for_a_session() -> None:
    task = make("bandit", n_arms=3, lasts=N)
    assert isinstance(task, Bandit)
    rng = np.random.default_rng(0)
    trials, state = task.draw(rng, N)
    p = task.probabilities(trials.conditions)
    assert p.shape == (N, 3) and (p == p[0]).all()
    assert trials.n_steps == 1 and not trials.inputs.any()
    for arm in range(3):
        assert within(float(trials.rewards[TIMEOUT, :, arm + 1].mean()), p[0, arm])
    short = make("bandit", n_arms=3, lasts=7)
    first, state = short.draw(rng, 10)
    second, _ = short.draw(rng, 11, state)
    both = np.concatenate([short.probabilities(part.conditions) for part in (first, second)])
    assert len(np.unique(both[:, 0])) == 3 and (both.reshape(3, 7, 3) == both[::7, None]).all()
    assert (trials.correct[:, 1:].argmax(1) == p[0].argmax()).all() and (trials.correct[:, 0] == -1).all()


def test_independent_trials_cannot_be_told_apart() -> None:
    """Any arm is right on one of n trials; the ground truth is right on all and earns the mean of the highest p."""
    trials = drawn(make("bandit"), N)
    for arm in (1, 2):
        assert within((played(trials, np.full((1, N), arm))["correct"] == 1).mean(), 0.5)
    best = played(trials, trials.ground_truth)
    assert (best["correct"] == 1).all() and within(best["reward"].mean(), 2 / 3)


def test_arms_of_sets_and_opposite_arms() -> None:
    task = make("bandit", sets=[[0.1, 0.9], [0.9, 0.1]], reward_loss=-1.0)
    trials = drawn(task, N)
    assert within((trials.conditions["set"] == 0).mean(), 0.5)
    np.testing.assert_array_equal(trials.ground_truth[0], 2 - trials.conditions["set"])
    assert within((played(trials, trials.ground_truth)["reward"] == 1).mean(), 0.9)
    opposite = make("bandit", opposite=True)
    p = opposite.probabilities(drawn(opposite, 100).conditions)
    np.testing.assert_allclose(p.sum(1), 1)
    equal = drawn(make("bandit", sets=[[0.5, 0.5]]), 5)
    assert (equal.correct[:, 1:] == 1).all(), "no arm is better"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sets": [[0.1, 1.9]]}, "every probability must be between 0 and 1"),
        ({"sets": [[0.1, 0.2, 0.3]]}, r"the set \[0.1, 0.2, 0.3\] has 3 probabilities for 2 arms"),
        ({"n_arms": 3, "opposite": True}, "opposite arms are two"),
        ({"reward_win": 0.0}, "reward_win = 0 must be above reward_loss = 0"),
    ],
)
def test_arms_that_are_none(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        make("bandit", **settings)
    assert "\n" not in str(error.value)


# -- go or not --------------------------------------------------------------------------------------------------


def test_delayed_go_and_nogo_pay_what_they_say() -> None:
    trials = drawn(make("delayed_go_nogo"), 2, go=[False, True])
    waiting = np.zeros(trials.phase.shape, int)
    for actions, reward, correct in ((waiting, [1, -0.5], [1, 0]), (at_decision(trials, 1), [-0.5, 1], [0, 1])):
        table = played(trials, actions)
        assert table["reward"].tolist() == reward and table["correct"].tolist() == correct
    np.testing.assert_array_equal(trials.inputs[[0, 4, 5], 1], [[1, 0, 1], [1, 0, 1], [1, 0, 0]])
    assert trials.n_steps == 15 and trials.periods["decision"].tolist() == [[10, 15]] * 2


@pytest.mark.parametrize("name", ["post_decision_wager", "economic_decision_making", "bandit"])
def test_what_is_added_to_a_task_leaves_its_settings(name: str) -> None:
    task = make(name)
    assert (task.dt, task.reward_abort, task.abort_ends) == (100.0, -0.1, False)


def test_the_table_of_all_tasks_is_that_of_the_code() -> None:
    text = task_table.PAGE.read_text()
    assert text.endswith(task_table.HEADING + task_table.table()), "run python tests/task_table.py"


def test_environments_keep_the_arms_of_a_session() -> None:
    """In any row; who counts the rewards of its session finds the better arm."""
    env = TrialEnv("bandit", mode="session", session_trials=30, lasts=30)
    sessions, right = [], []
    for k in range(40):
        _, info = env.reset(seed=1) if k == 0 else env.reset()
        wins, tries, truncated, p = np.ones(2), np.full(2, 2.0), False, []
        while not truncated:
            arm = int((wins / tries).argmax())
            _, reward, _, truncated, info = env.step(arm + 1)
            wins[arm] += reward
            tries[arm] += 1
            p.append((info["trial"]["p_1"], info["trial"]["p_2"]))
            right.append(info["performance"])
        assert len(p) == 30 and len(set(p)) == 1
        sessions.append(p[0])
    assert len(set(sessions)) == 40
    assert np.mean(np.reshape(right, (40, 30))[:, 10:]) > 0.65

    envs = TrialVectorEnv("bandit", num_envs=3, mode="session", session_trials=5, lasts=5)
    _, info = envs.reset(seed=1)
    seen: list[list[float]] = []
    while len(seen) < 20:
        *_, info = envs.step(np.ones(3, int))
        if info.get("_trial", np.zeros(1)).all():
            seen.append(info["trial"]["p_1"].tolist())
    rows = np.array(seen).T.reshape(3, 4, 5)
    assert (rows == rows[..., :1]).all() and len(np.unique(rows)) == 12


@pytest.mark.parametrize(
    "name", ["post_decision_wager", "economic_decision_making", "dual_delay_match_sample", "bandit", "delayed_go_nogo"]
)
def test_no_period_vanishes_at_any_step(name: str) -> None:
    for dt in (10.0, 20.0, 50.0, 100.0):
        task = make(name, dt=dt)
        trials = drawn(task, 50)
        for period, duration in task.durations().items():
            steps = np.diff(trials.periods[period])[:, 0]
            assert steps.min() >= np.floor(min(ends(duration)) / dt) and steps.max() <= np.floor(
                max(ends(duration)) / dt
            )
            assert (steps > 0).all() or duration == 0
        np.testing.assert_array_equal((trials.phase == TIMEOUT).sum(0), 1)
    shortest = min(make(name).shortest_periods().values())
    with pytest.raises(SettingsError, match=f"^{name}: .* shorter than one step .dt = {shortest + 1:g} ms"):
        make(name, dt=shortest + 1)
