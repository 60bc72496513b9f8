"""Rules that every task keeps: the time grid, the rule table, draws in order, factorial designs, bad settings."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from alike import COMPOSED
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from rnnpipe.errors import SettingsError
from rnnpipe.settings import parse
from rnnpipe.tasks import task_class, task_names, trial_task_class
from rnnpipe.tasks._base import Task, TimeoutTask
from rnnpipe.tasks._draws import draw
from rnnpipe.tasks._regression import TargetTask
from rnnpipe.tasks._template import YesNo
from rnnpipe.trials import DECISION, FIRST, FIXATE, OUTSIDE, TIMEOUT, Trials

TASKS = {name: trial_task_class(name) for name in task_names() if name not in COMPOSED} | {YesNo.name: YesNo}
"""Every task, and the template that a new one starts from."""

all_tasks = pytest.mark.parametrize("name", sorted(TASKS))
own_tasks = pytest.mark.parametrize("name", sorted(set(TASKS) - {"supervised"}))
"""Those whose noise and timing are settings of their own, not of another task that they show."""
choice_tasks = pytest.mark.parametrize("name", sorted(name for name, task in TASKS.items() if task.chooses))
"""Those in which there is something to choose, which rules about actions and rewards are about."""
timeout_tasks = pytest.mark.parametrize("name", sorted(n for n, task in TASKS.items() if issubclass(task, TimeoutTask)))
timeout_choice_tasks = pytest.mark.parametrize(
    "name", sorted(n for n, task in TASKS.items() if issubclass(task, TimeoutTask) and task.chooses)
)
"""Those whose trials have room up to `tmax` and are ended by haste; `test_tasks_library` is about the others."""


def make(name: str, **values: Any) -> Task:
    return parse(TASKS[name], values, name)


def grid_unit(name: str) -> Fraction:
    """A power of 2 by which to scale steps that suit periods of 100 ms, for a task that has shorter ones."""
    task = make(name)
    conditions = draw(task.variables(), np.random.default_rng(0), 50, {}, name)
    drawn = [np.min(np.subtract(end, start)) for start, end in task.bounds(conditions).values()]
    shortest = min(*drawn, *task.shortest_periods().values())
    room = 125 if isinstance(task, TargetTask) else 60  # up to half a step is cut off the end of a trial
    return Fraction(2) ** min(0, math.floor(math.log2(shortest / room)))


def play(trials: Trials, actions: NDArray[np.integer[Any]]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return, last step and whether a decision was made, for actions (n_steps, n_trials): the rules, step by step."""
    i = np.arange(trials.n_trials)
    alive = np.ones(trials.n_trials, bool)
    total, last, decided = np.zeros(trials.n_trials), np.zeros(trials.n_trials, int), np.zeros(trials.n_trials, bool)
    for t, a in enumerate(actions):
        total += np.where(alive, trials.reward(t, a), 0)
        last[alive] = t
        decided |= alive & trials.choices[trials.phase[t], i, a]
        alive &= ~trials.stops[trials.phase[t], i, a]
    return total, last, decided


def first_decision(trials: Trials) -> NDArray[Any]:
    return trials.periods["decision"][:, 0]


def answers(task: Task, trials: Trials) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The correct choice of each trial, the step at which the ground truth makes it, and its undiscounted reward."""
    i, t, truth = np.arange(trials.n_trials), np.arange(trials.n_steps)[:, None], trials.ground_truth
    truth = np.where(t >= first_decision(trials), truth, FIXATE)  # what is answered before is not the choice
    choice = truth.max(0)
    assert task.withholds or (choice != FIXATE).all()
    end = trials.n_steps if isinstance(task, TimeoutTask) else trials.periods["decision"][:, 1]
    acts = (truth != FIXATE).argmax(0)
    assert getattr(task, "graded", False) or (acts == first_decision(trials))[choice != FIXATE].all()
    step = np.where(choice == FIXATE, end - 1, acts)
    return choice, step, trials.rewards[trials.phase[step, i], i, choice]


def most(task: Task, trials: Trials) -> NDArray[Any]:
    """What each trial can earn at most, undiscounted."""
    decided = trials.rewards[DECISION].max(1)
    return np.maximum(decided, trials.rewards[TIMEOUT, :, FIXATE]) if task.withholds else decided


@all_tasks
def test_arrays_fit_the_names(name: str) -> None:
    task = make(name)
    trials = task.sample(np.random.default_rng(0), 8)
    n, a = 8, len(task.action_names)
    assert trials.task == name and trials.dt == task.dt
    assert trials.inputs.shape == (task.n_steps, n, len(task.input_names)) and trials.inputs.dtype == np.float32
    assert trials.phase.shape == (task.n_steps, n)
    assert trials.rewards.shape == trials.stops.shape == trials.choices.shape == (len(trials.rewards), n, a)
    assert trials.phase.max() < len(trials.rewards) <= (3 if isinstance(task, TimeoutTask) else 256)
    assert trials.rewards.dtype == np.float32 and trials.stops.dtype == trials.choices.dtype == bool
    assert trials.correct.shape == (n, a)
    assert set(trials.conditions) == set(task.variables())
    assert task.stimulus_onset in trials.periods
    assert np.isfinite(trials.inputs).all()
    assert task.changed() == {}


@timeout_tasks
@settings(max_examples=25, deadline=None)
@given(
    dt=st.one_of(st.sampled_from([20, 7, 1, 33]), st.fractions(Fraction(2), Fraction(60), max_denominator=2)),
    seed=st.integers(0, 1000),
)
def test_periods_are_half_open_on_any_grid(name: str, dt: Fraction | int, seed: int) -> None:
    """Step t lies in [start, end) exactly where start <= t * dt < end, also where dt does not divide a duration."""
    dt = Fraction(dt) * grid_unit(name)
    task = make(name, dt=float(dt))
    trials = task.sample(np.random.default_rng(seed), 3)
    t, last = np.arange(trials.n_steps), (trials.n_steps - 1) * dt
    if isinstance(task, TargetTask):
        assert abs(task.tmax - trials.n_steps * dt) <= dt / 2
    else:
        assert last <= task.longest_trial < last + dt
    for period, (start, end) in task.bounds(trials.conditions).items():
        for i in range(3):
            low, high = (Fraction(float(np.broadcast_to(x, 3)[i])) for x in (start, end))
            inside = (math.ceil(low / dt) <= t) & (t < math.ceil(high / dt))  # low <= t * dt < high, exactly
            np.testing.assert_array_equal(trials.during(period)[:, i], inside, err_msg=f"{period}, dt {dt}")
            assert inside.any(), f"{period} has no step at dt {dt}"
    if not task.chooses:
        assert (trials.phase[:-1] == OUTSIDE).all()
        return
    decides = trials.during("decision")
    decides[-1] = False
    np.testing.assert_array_equal(trials.phase == DECISION, decides)
    np.testing.assert_array_equal(trials.phase[-1], TIMEOUT)
    assert (trials.phase[:-1] != TIMEOUT).all()


@timeout_tasks
def test_a_grid_that_rounding_could_shift(name: str) -> None:
    """0.1 and 0.3 are no binary fractions: products such as 3 * 0.1 must not move a period by a step."""
    one_more = not issubclass(TASKS[name], TargetTask)  # whose last step is the last one that starts before tmax
    for dt, per_100_ms in ((0.1, 1000), (12.5, 8) if one_more else (1.25, 80)):
        task = make(name, dt=dt)
        np.testing.assert_array_equal(task.steps(np.arange(20) * 100.0), np.arange(20) * per_100_ms)
    assert make(name, dt=0.1).n_steps == round(make(name).longest_trial * 10) + one_more


@timeout_choice_tasks
def test_rule_table(name: str) -> None:
    own = {k: v for k, v in {"reward_correct": 0.9, "reward_wrong": -0.2}.items() if k in TASKS[name].model_fields}
    task = make(name, reward_abort=-0.7, tau_reward=None, **own)
    trials = task.sample(np.random.default_rng(1), 40)
    waits = np.arange(trials.n_actions) == FIXATE
    offered = task.offered(trials.conditions)
    offered = np.ones((40, trials.n_actions), bool) if offered is None else offered
    assert (trials.rewards[OUTSIDE][:, waits] == 0).all() and not trials.stops[OUTSIDE][:, waits].any()
    np.testing.assert_allclose(trials.rewards[OUTSIDE][:, ~waits], -0.7)
    assert trials.stops[OUTSIDE][:, ~waits].all() and not trials.choices[OUTSIDE].any()
    assert (trials.rewards[DECISION][:, waits] == 0).all() and not trials.stops[DECISION][:, waits].any()
    assert trials.stops[DECISION][:, ~waits].all()
    np.testing.assert_array_equal(trials.choices[DECISION], offered & ~waits)
    assert trials.choices[DECISION].any(0)[~waits].all(), "every action is a choice on some trials"
    np.testing.assert_allclose(trials.rewards[DECISION][~offered], -0.7, err_msg="what is not offered aborts")
    answering = np.where(waits, trials.rewards[TIMEOUT], trials.rewards[DECISION])  # waiting is one at the end, if ever
    if own:
        answer = trials.ground_truth.max(0)
        right, wrong = trials.correct == 1, trials.correct == 0
        assert (right.argmax(1) == answer).all() and wrong.any()
        np.testing.assert_allclose(answering[right], 0.9)
        np.testing.assert_allclose(answering[wrong], -0.2)
    np.testing.assert_allclose(trials.rewards[TIMEOUT][:, ~waits], -0.7)
    assert trials.stops[TIMEOUT].all() and not trials.choices[TIMEOUT][:, ~waits].any()
    assert (trials.choices[TIMEOUT][:, waits] == task.withholds).all()
    if task.withholds:
        assert set(np.unique(trials.correct[:, waits])) == {0, 1}, "waiting is right on some trials, wrong on others"
    else:
        np.testing.assert_allclose(trials.rewards[TIMEOUT][:, waits], -0.7)
        assert (trials.correct[:, waits] == -1).all()
    assert (trials.correct[~offered] == -1).all()
    assert (trials.correct == 1).any(1).all()


@timeout_choice_tasks
def test_timeout_reward_and_open_end_are_settings(name: str) -> None:
    rng = np.random.default_rng(1)
    timeout = make(name, reward_timeout=-0.25).sample(rng, 2).rewards[TIMEOUT]
    np.testing.assert_allclose(timeout[:, 1:] if TASKS[name].withholds else timeout, -0.25)
    if TASKS[name].withholds:  # without an end there is no moment at which an answer was withheld
        with pytest.raises(SettingsError, match=f"^{name}: waiting to the last step is an answer.*abort_on_last_step"):
            make(name, abort_on_last_step=False)
        return
    open_end = make(name, abort_on_last_step=False).sample(rng, 2)
    assert (open_end.phase != TIMEOUT).all()


@choice_tasks
def test_an_oracle_earns_the_maximum(name: str) -> None:
    task = make(name)
    trials = task.sample(np.random.default_rng(2), 60)
    total, last, decided = play(trials, trials.ground_truth)
    _, step, paid = answers(task, trials)
    if (trials.phase == FIRST).any():  # an earlier answer, which is paid as well
        paid, best = 2 * paid, 2 * most(task, trials)
    else:
        best = most(task, trials)
    np.testing.assert_array_equal(last, step)
    assert decided.all()
    np.testing.assert_allclose(total, paid * trials.discount[last], rtol=1e-6)
    if not task.random_rewards:
        np.testing.assert_array_equal(paid, best)
        return
    # one condition many times: what the correct choices earn on average is what is most on average
    same = {name: value[0] for name, value in trials.conditions.items() if "draw" not in name}
    many = task.sample(np.random.default_rng(2), 20_000, **same)
    earned = many.rewards[DECISION].mean(0)
    assert (many.correct == many.correct[0]).all() and len(np.unique(many.rewards[DECISION], axis=0)) > 1
    assert earned[many.correct[0] == 1].min() > earned[many.correct[0] != 1].max()


@choice_tasks
def test_choices_are_counted_as_the_task_says(name: str) -> None:
    """Performance of an oracle is perfect, that of silence nothing; the criterion tells them apart."""
    task = make(name)
    trials = task.sample(np.random.default_rng(13), 200)
    answer = trials.ground_truth.max(0)
    perfect = {**trials.conditions, "decision": np.ones(200, bool), "correct": np.ones(200, int), "choice": answer}
    silent = {**perfect, "decision": np.zeros(200, bool), "correct": np.full(200, -1), "choice": np.zeros(200, int)}
    best, worst = task.performance(perfect), task.performance(silent)
    assert (best["p_decision"], best["p_correct"]) == (1.0, 1.0)
    assert set(worst.values()) == {0.0} and not task.criterion(worst)
    low = {**best, "p_correct": task.min_correct - 0.001}
    assert not task.criterion(low) and not task.criterion({**best, "p_decision": 0.98})


@timeout_choice_tasks
def test_haste_and_silence_are_punished(name: str) -> None:
    task = make(name)
    trials = task.sample(np.random.default_rng(3), 20)
    answer = answers(task, trials)[0]
    choice = np.where(answer == FIXATE, 1, answer)  # to act where nothing should be done
    waiting = np.zeros((trials.n_steps, trials.n_trials), int)

    total, last, decided = play(trials, waiting)
    paid = trials.rewards[TIMEOUT, :, FIXATE] if task.withholds else task.reward_abort
    np.testing.assert_allclose(total, paid * trials.discount[-1], rtol=1e-6)
    assert (last == trials.n_steps - 1).all() and (decided == task.withholds).all()
    if task.withholds:
        assert (total[answer == FIXATE] > total[answer != FIXATE].max()).all(), "silence pays where it is right only"

    i = np.arange(trials.n_trials)
    for step in (np.zeros(20, int), first_decision(trials) - 1):
        hasty = waiting.copy()
        hasty[step, i] = choice
        total, last, decided = play(trials, hasty)
        np.testing.assert_allclose(total, task.reward_abort * trials.discount[step], rtol=1e-6)
        np.testing.assert_array_equal(last, step)
        assert not decided.any()

    offset = trials.periods["decision"][:, 1]
    for step, on_time in ((offset - 1, True), (offset, False)):
        late = waiting.copy()
        late[np.minimum(step, trials.n_steps - 1), i] = choice
        total, last, decided = play(trials, late)
        on_time_and_before_the_end = on_time & (step < trials.n_steps - 1)
        np.testing.assert_array_equal(decided, on_time_and_before_the_end)
        paid = np.where(on_time_and_before_the_end, trials.rewards[DECISION][i, choice], task.reward_abort)
        np.testing.assert_allclose(total, paid * trials.discount[last], rtol=1e-6)


@choice_tasks
def test_discount_runs_from_the_start_of_the_trial(name: str) -> None:
    task = make(name, tau_reward=1000.0)
    trials = task.sample(np.random.default_rng(0), 2)
    np.testing.assert_allclose(trials.discount, np.exp(-np.arange(task.n_steps) * task.dt / 1000), rtol=1e-6)
    assert trials.discount[0] == 1
    np.testing.assert_array_equal(make(name, tau_reward=None).sample(np.random.default_rng(0), 2).discount, 1)


@all_tasks
@pytest.mark.parametrize("generator", [np.random.default_rng, np.random.RandomState])
def test_a_seed_fixes_the_trials(name: str, generator: Any) -> None:
    a, b, c = (make(name).sample(generator(seed), 5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.inputs, b.inputs)
    for variable in a.conditions:
        np.testing.assert_array_equal(a.conditions[variable], b.conditions[variable])
    shows = a.inputs.any()  # a bandit shows nothing
    assert not np.array_equal(a.inputs, c.inputs) if shows else a.conditions["p_1"][0] != c.conditions["p_1"][0]


@own_tasks
def test_conditions_are_drawn_before_noise(name: str) -> None:
    """Noise has no influence on what is drawn, and its samples do not depend on its size."""
    levels = (0.0, 0.01, 0.04) if TASKS[name].noise == "var_in" else (0.0, 0.1, 0.2)
    none, small, large = (make(name, **{TASKS[name].noise: v}).sample(np.random.default_rng(4), 30) for v in levels)
    for variable in none.conditions:
        np.testing.assert_array_equal(none.conditions[variable], large.conditions[variable])
    np.testing.assert_allclose(large.inputs - none.inputs, 2 * (small.inputs - none.inputs), atol=1e-5)


@all_tasks
def test_the_published_order_is_trial_by_trial(name: str) -> None:
    """With a legacy generator the first trials of a batch are those of a smaller batch."""
    few, many = (make(name).sample(np.random.RandomState(5), n) for n in (3, 10))
    for variable in few.conditions:
        np.testing.assert_array_equal(few.conditions[variable], many.conditions[variable][:3])


@all_tasks
def test_conditions_can_be_fixed(name: str) -> None:
    task = make(name)
    reference = task.sample(np.random.default_rng(6), 12).conditions
    for variable, values in reference.items():
        one = task.sample(np.random.default_rng(7), 12, **{variable: values[3]})
        np.testing.assert_array_equal(one.conditions[variable], values[3])
        each = task.sample(np.random.default_rng(7), 12, **{variable: values})
        np.testing.assert_array_equal(each.conditions[variable], values)
        assert list(each.conditions) == list(reference)
    fixed = task.sample(np.random.default_rng(0), 12, **reference)
    np.testing.assert_array_equal(
        fixed.phase, task.sample(np.random.default_rng(1), 12, **reference).phase, "phases follow the conditions alone"
    )
    assert not np.shares_memory(reference[variable], fixed.conditions[variable]), "a batch owns its arrays"


@all_tasks
def test_conditions_that_do_not_exist(name: str) -> None:
    task = make(name)
    factor = next(iter(task.variables()))
    with pytest.raises(SettingsError, match=f"no variable '{factor}x' .did you mean '{factor}'"):
        task.sample(np.random.default_rng(0), 4, **{f"{factor}x": 1})
    with pytest.raises(SettingsError, match="must be one value or 4, got shape .3,"):
        task.sample(np.random.default_rng(0), 4, **{factor: [1, 1, 1]})
    with pytest.raises(SettingsError, match="must be one value or 4"):
        task.sample(np.random.default_rng(0), 4, **{factor: np.ones((4, 1))})


@all_tasks
def test_factorial_has_its_first_factor_fastest(name: str) -> None:
    task = make(name)
    values = [task.variables()[f].values for f in task.factors]  # type: ignore[attr-defined]
    expected = [dict(zip(task.factors, row[::-1], strict=True)) for row in itertools.product(*values[::-1])]
    assert task.factorial() == expected


@pytest.mark.parametrize("name", sorted(name for name, task in TASKS.items() if task.factors))
def test_categories_are_uniform_and_independent(name: str) -> None:
    task = make(name)
    table = task.factorial()
    n = max(4000, 40 * len(table))
    # of the variables alone: their distribution needs no inputs
    conditions = draw(task.variables(), np.random.default_rng(8), n, {}, name)
    place = {tuple(row.values()): i for i, row in enumerate(table)}
    drawn = zip(*(conditions[factor].tolist() for factor in task.factors), strict=True)
    counts = np.bincount([place[row] for row in drawn], minlength=len(table))
    assert counts.sum() == n
    assert np.abs(counts - n / len(table)).max() < 4.5 * np.sqrt(n / len(table))
    assert len(table) == 1 or chisquare(counts).pvalue > 1e-3


@all_tasks
def test_inputs_never_tell_the_past_choice(name: str) -> None:
    """Without noise the inputs are a function of the conditions: two batches of the same ones agree."""
    task = make(name).without_noise()
    a = task.sample(np.random.default_rng(9), 20)
    b = task.sample(np.random.default_rng(10), 20, **a.conditions)
    np.testing.assert_array_equal(a.inputs, b.inputs)


@own_tasks
def test_impossible_settings_are_one_sentence(name: str) -> None:
    short, noise = min(500.0, make(name).longest() - 1), TASKS[name].noise
    cases: list[tuple[dict[str, Any], str]] = [
        ({"dt": 5000.0}, r"shorter than one step \(dt = 5000 ms\)"),
        ({"dt": 0.0}, r"dt = 0\.0 ms: .*greater than 0"),
        ({"dt": "10"}, r"dt = '10' ms: .*number"),
        ({noise: -0.1}, rf"{noise} = -0\.1.*: .*greater than or equal to 0"),
        ({"dt": float("inf")}, r"dt = inf ms: .*finite"),
        ({"rewad_abort": -1.0}, r"unknown key 'rewad_abort' \(did you mean 'reward_abort'\?"),
    ]
    if issubclass(TASKS[name], TimeoutTask):
        cases += [
            ({"tmax": short}, rf"after tmax = {short:g} ms"),
            ({"tmax": float("inf")}, r"tmax = inf ms: .*finite"),
        ]
    for values, message in cases:
        with pytest.raises(SettingsError, match=message) as error:
            parse(TASKS[name], values, "config/mine.yaml: tasks.mine")
        assert str(error.value).startswith("config/mine.yaml: tasks.mine: ")
        assert "\n" not in str(error.value)


def test_an_unknown_task_lists_those_that_exist() -> None:
    with pytest.raises(SettingsError, match=r"unknown task 'rdm_fixd' \(did you mean 'rdm_fixed'\? known: .*rdm_rt"):
        task_class("rdm_fixd")
    for hidden in ("_base", "_draws", "../errors", ""):
        with pytest.raises(SettingsError, match="unknown task"):
            task_class(hidden)


@all_tasks
def test_one_draw_is_the_first_of_many(name: str) -> None:
    """The published order draws one by one: the same numbers, and as many of the generator's, as in an array of one."""
    one, many = np.random.RandomState(11), np.random.RandomState(11)
    for _ in range(20):
        for variable in make(name).variables().values():
            a, b = variable.one(one), variable(many, 1)
            assert a == b[0] and np.array([a], b.dtype)[0] == b[0]
    assert one.randint(2**31) == many.randint(2**31)
