"""Tasks that are made of others: the mixture of several, one after the other, and the combination of two at once."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from alike import COMPOSED
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv
from scipy.stats import chisquare
from test_transforms import PDM, SIGNIFICANT, assert_equal, best, correct_answers, earns_most, told

from rnnpipe.environments import TrialEnv, TrialVectorEnv
from rnnpipe.environments._vector_api import AutoresetMode
from rnnpipe.errors import SettingsError
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._yang import YANG19
from rnnpipe.training.policy_gradient import PolicyGradient
from rnnpipe.training.settings import PolicyGradientSettings
from rnnpipe.trials import FREE, Trials

SHORT = {"task": PDM, "stimulus": 500.0}
OTHERS = [SHORT, {"task": "delay_match_sample"}, {"task": "detection"}]


def make(name: str, **settings: Any) -> Task:
    return parse(trial_task_class(name), settings, f"task {name}")


# -- mixture --------------------------------------------------------------------------------------------------


def test_each_trial_of_a_mixture_is_one_of_its_task() -> None:
    task = make("mixture", tasks=OTHERS)
    trials = task.sample(np.random.default_rng(0), 90)
    names, actions = list(task.input_names), list(task.action_names)
    for k, settings in enumerate(OTHERS):
        values = dict(settings)
        part = make(values.pop("task"), **values)
        rows = np.flatnonzero(trials.conditions["task_index"] == k)
        assert len(rows) > 10
        inputs, mine = [names.index(n) for n in part.input_names], [actions.index(a) for a in part.action_names]
        known = {n: trials.conditions[n][rows] for n in part.variables()}
        alone = part.sample(np.random.default_rng(0), len(rows), **known)
        n = alone.n_steps
        ours = trials[rows]
        np.testing.assert_array_equal(ours.phase[:n], alone.phase)
        assert (ours.phase[n:] == FREE).all() and not ours.inputs[n:].any()
        if part.name != "detection":  # whose signal is placed by a variable, and whose noise is all there is besides
            np.testing.assert_array_equal(ours.inputs[:n, :, inputs] != 0, alone.inputs != 0)
        others = [i for i in range(len(names)) if i not in inputs and not names[i].startswith("rule")]
        assert not ours.inputs[..., others].any()
        rules = ours.inputs[..., names.index("rule_" + part.name)]
        np.testing.assert_array_equal(rules.sum(0), alone.periods["decision"][:, 1])
        np.testing.assert_array_equal(ours.inputs[..., -3:].sum(2), rules)
        for table in ("rewards", "stops", "choices"):
            np.testing.assert_array_equal(getattr(ours, table)[: len(alone.rewards)][..., mine], getattr(alone, table))
        np.testing.assert_array_equal(ours.correct[:, mine], alone.correct)
        for name, edges in alone.periods.items():
            np.testing.assert_array_equal(ours.periods[name], edges)
        np.testing.assert_array_equal(ours.periods["onset"], alone.periods[part.stimulus_onset])
        foreign = [i for i in range(len(actions)) if i not in mine]
        assert not ours.choices[..., foreign].any() and (ours.correct[:, foreign] == -1).all()
        for name in set(trials.conditions) - set(known) - {"task_index"}:
            assert np.isnan(ours.conditions[name]).all()
    assert earns_most(trials)


def test_all_twenty_tasks_of_yang_are_one_task() -> None:
    task = make("mixture")
    assert task.changed() == {} and task.input_names[-20:] == tuple(f"rule_{name}" for name in YANG19)
    assert len(task.input_names) == 33 + 20 and len(task.action_names) == 17
    trials = task.sample(np.random.default_rng(0), 400)
    assert chisquare(np.bincount(trials.conditions["task_index"], minlength=20)).pvalue > SIGNIFICANT
    assert earns_most(trials)
    for row in task.factorial()[::7]:
        some = task.sample(np.random.default_rng(1), 5, **row)
        assert (some.conditions["task_index"] == row["task_index"]).all() and list(some.conditions) == list(
            trials.conditions
        )


def test_every_learner_can_learn_a_mixture() -> None:
    task = make("mixture")
    learner = PolicyGradient(
        task, GatedSettings(n_units=10), ValueSettings(n_units=10), PolicyGradientSettings(trials_per_update=20),
        seed=1, device=torch.device("cpu"),
    )  # fmt: skip
    before = learner.policy.clone()
    learner.update()
    assert any(not torch.equal(values, before[name]) for name, values in learner.policy.items())
    supervised = make("supervised", of="mixture")
    batch = supervised.batch(np.random.default_rng(0))  # type: ignore[attr-defined]
    assert batch.inputs.shape[2] == 53 and batch.target is not None and batch.target.shape[2] == 17
    assert (batch.target.sum(2) == 1).all() and "tasks.yang_dmc" in supervised.modules  # type: ignore[attr-defined]


def test_orders_of_a_mixture() -> None:
    for schedule, gap in (("sequential", 1), ("block", 5)):
        task = make("mixture", tasks=OTHERS, schedule=schedule, block=5)
        rng = np.random.default_rng(0)
        first, state = task.draw(rng, 7)
        second, _ = task.draw(rng, 40, state)
        index = np.concatenate([t.conditions["task_index"] for t in (first, second)])
        assert (np.diff(np.flatnonzero(np.diff(index))) == gap).all()


def test_what_goes_on_from_trial_to_trial_goes_on_in_each_task() -> None:
    tasks = [
        {**SHORT, "transforms": [{"kind": "timeout", "duration": 300.0}]},
        {**SHORT, "transforms": [{"kind": "trial_history", "repeat": [1.0]}]},
        {"task": "bandit"},
    ]
    task = make("mixture", tasks=tasks)
    assert task.reacts
    rng, state, last = np.random.default_rng(0), None, True
    answers, arms = set(), set()
    for i in range(60):
        trials, state = task.draw(rng, 1, state)
        assert trials.n_steps == task.n_steps
        k = int(trials.conditions["task_index"][0])
        if k == 0:
            assert bool(trials.conditions["timeout"][0]) == (not last)
            last = bool(i % 2)
        elif k == 1:
            answers.add(float(trials.conditions["direction"][0]))
        else:
            arms.add(float(trials.conditions["p_1"][0]))
        state = task.after(state, i % 2, 0.0)
    assert len(answers) == 1 and len(arms) == 1
    with pytest.raises(SettingsError, match="transform 'timeout' depends on the outcome"):
        task.sample(rng, 50)


# -- combine --------------------------------------------------------------------------------------------------

PAIRS: list[dict[str, Any]] = [
    {},
    {"actions": "product", "cue": True},
    {"main": SHORT, "distractor": {"task": "multisensory_integration"}, "actions": "product"},
    {"main": SHORT, "distractor": SHORT, "actions": "product", "delay": 0.0},
    {"main": SHORT, "distractor": SHORT, "delay": 0.0},
    {"main": SHORT, "distractor": {"task": "delay_comparison"}, "delay": 0.0},
    {
        "main": {"task": "rdm_fixed"},
        "distractor": {"task": "rdm_fixed"},
        "actions": "product",
        "delay": 0.0,
        "dt": 20.0,
    },
    {"main": {"task": "rdm_fixed"}, "distractor": {"task": PDM}, "actions": "product", "delay": 100.0, "dt": 20.0},
]


@pytest.mark.parametrize("settings", PAIRS)
def test_a_combination_can_be_answered_in_full(settings: dict[str, Any]) -> None:
    task = make("combine", **settings)
    trials = task.sample(np.random.default_rng(0), 300)
    kind = trials.conditions["trial_type"]
    counts = [(kind == name).sum() for name in ("main", "distractor", "both")]
    assert chisquare(counts, [90, 90, 120]).pvalue > SIGNIFICANT
    total, right = told(trials)
    np.testing.assert_allclose(total, best(trials), atol=1e-6)
    assert right.all()
    alike = settings.get("delay") == 0 and settings["main"] == settings["distractor"] and task.dt == 100  # type: ignore[attr-defined]
    at_once = alike and settings.get("actions") != "product"  # one action answers both
    np.testing.assert_allclose(total, np.where((kind == "both") & (not at_once), 2, 1))


def test_trials_of_one_task_are_those_of_the_task() -> None:
    task = make(
        "combine", main=SHORT, distractor={"task": "delay_comparison"}, actions="product", delay=300.0, cue=True
    )
    names, k = task.input_names, 3
    for label, first, name, inside in (
        ("main", 0, PDM, slice(2, 5)),
        ("distractor", k, "delay_comparison", slice(5, 7)),
    ):
        trials = task.sample(np.random.default_rng(0), 40, trial_type=label)
        part = task.parts[label != "main"]  # type: ignore[attr-defined]
        known = {n: trials.conditions[f"{label}_{n}"] for n in part.variables()}
        alone = part.sample(np.random.default_rng(0), 40, **known)
        here = slice(first, first + alone.n_steps)
        np.testing.assert_array_equal(trials.inputs[here, :, inside] != 0, alone.inputs != 0)
        shown = [i for i, n in enumerate(names) if n.startswith(f"{label}_")]
        assert shown == list(range(inside.start, inside.stop)) and part.name == name
        rest = np.delete(np.arange(len(names)), shown + [0 if label == "main" else 1])
        assert not trials.inputs[..., rest].any()
        np.testing.assert_array_equal(trials.periods["decision"], alone.periods["decision"] + first)
        # whatever the other half of a pair is, a trial of one task goes as this one alone
        rng = np.random.default_rng(1)
        actions, other = rng.integers(3, size=(trials.n_steps, 40)), rng.integers(3, size=(trials.n_steps, 40))
        pairs = 3 * actions + other if label == "main" else 3 * other + actions
        np.testing.assert_allclose(returns(trials, pairs), returns(alone, actions[here]))


def returns(trials: Trials, actions: Any) -> Any:
    """Summed rewards of actions, (n_steps, n_trials), to the end of each trial."""
    i, alive, total = np.arange(trials.n_trials), np.ones(trials.n_trials, bool), np.zeros(trials.n_trials)
    for t, a in enumerate(actions):
        total += alive * trials.reward(t, a)
        alive &= ~trials.stops[trials.phase[t], i, a]
    return total


def test_the_dual_task_scores_both_answers() -> None:
    """Go/NoGo is answered in the delay of paired association; an error there costs its reward and ends nothing."""
    task = make("combine", main={"task": "delay_paired_association", "transforms": []})
    trials = task.sample(np.random.default_rng(0), 80, trial_type="both")
    truth = trials.ground_truth.copy()
    total, right = told(trials)
    held = np.flatnonzero((trials.rewards[trials.phase, np.arange(80)].max(2) > 0).all(1))[0]
    assert (trials.periods["main_decision"][:, 0] > held).all()
    wrong = truth.copy()
    wrong[held] = 1 - truth[held]
    both = returns(trials, truth), returns(trials, wrong)
    assert right.all() and (both[0] == total).all() and ((both[0] - both[1]) >= 1).all()
    # the condition that says what the distractor was decides that answer, and nothing else of the trial does
    go = correct_answers(task.parts[1], {n: trials.conditions[f"distractor_{n}"] for n in task.parts[1].variables()})  # type: ignore[attr-defined]
    np.testing.assert_array_equal(truth[held], go)


# -- both -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_composed_tasks_are_environments(name: str) -> None:
    settings: dict[str, Any] = (
        {"tasks": OTHERS} if name == "mixture" else {"main": SHORT, "distractor": SHORT, "delay": 300.0}
    )
    env = TrialEnv(name, **settings)
    env.reset(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*Box observation space (minimum|maximum) value is .*infinity.*")
        check_env(env, skip_render_check=True)
    envs = TrialVectorEnv(name, num_envs=3, mode="session", session_trials=3, autoreset_mode="SameStep", **settings)
    single = SyncVectorEnv(
        [lambda: TrialEnv(name, mode="session", session_trials=3, **settings)] * 3,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    seen, info = envs.reset(seed=4)
    np.testing.assert_array_equal(seen, single.reset(seed=4)[0])
    ended, performance = 0, []
    for _ in range(120):
        actions = info["ground_truth"]
        *ours, info = envs.step(actions)
        *theirs, _ = single.step(actions)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
        ended += info["new_trial"].sum()
        if "performance" in info:
            performance += info["performance"][info["_performance"]].tolist()
    assert ended > 10 and set(performance) == {1.0}


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_composed_tasks_are_exact(name: str) -> None:
    task = make(name)
    assert task.changed() == {} and task.factorial()[0].keys() == {task.factors[0]}
    trials = task.sample(np.random.default_rng(0), 30)
    assert set(trials.conditions) == set(task.variables())
    for same in (copy.deepcopy(task), pickle.loads(pickle.dumps(task))):
        assert_equal(trials, same.sample(np.random.default_rng(0), 30))
    quiet = task.without_noise().sample(np.random.default_rng(0), 30)
    assert_equal(trials, quiet, but=("inputs",))
    assert trials.inputs.shape == (task.n_steps, 30, len(task.input_names))
    assert task.modules and all(module.startswith("tasks.") for module in task.modules)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("mixture", {"tasks": []}, "tasks = .*at least 1 item"),
        ("mixture", {"tasks": [{"task": "delay_match_sampl"}]}, r"tasks\[0\]: task 'delay_match_sampl' .*did you mean"),
        ("mixture", {"tasks": [{"task": "mixture"}]}, "task 'mixture' cannot be part of task mixture"),
        ("mixture", {"tasks": [{"task": "identity"}]}, "task 'identity' cannot be part of task mixture"),
        ("mixture", {"tasks": [{"task": PDM, "dt": 50.0}]}, "dt = 50 ms, but that of task mixture is 100 ms"),
        ("mixture", {"tasks": [{"task": PDM, "stimulu": 1.0}]}, "unknown key 'stimulu' .did you mean 'stimulus'"),
        ("mixture", {"tasks": [{"task": "rdm_rt"}], "dt": 10.0}, "tau_reward of a part has no meaning"),
        ("mixture", {"transforms": [{"kind": "catch"}]}, "task mixture has no transforms of its own"),
        ("mixture", {"tasks": [{"task": "rdm_fixed", "abort_on_last_step": False}], "dt": 10.0}, "must end with their"),
        ("combine", {"distractor": {"task": PDM}}, "actions cannot be shared: delay_paired_association has 2"),
        ("combine", {"p_types": [0.5, 0.5]}, "three probabilities"),
        ("combine", {"distractor": {"task": "bandit"}, "actions": "product"}, "because its rewards are drawn"),
        ("combine", {"distractor": {"task": "motor_timing"}, "dt": 10.0}, "because it depends on when it is answered"),
        (
            "combine",
            {"main": {**SHORT, "transforms": [{"kind": "timeout", "duration": 500.0}]}, "actions": "product"},
            "because its trials depend on the outcomes of those before",
        ),
    ],
)  # fmt: skip
def test_bad_compositions_are_one_sentence(name: str, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        make(name, **settings)
    assert str(caught.value).startswith(f"task {name}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_bad_conditions_are_one_sentence(name: str) -> None:
    task = make(name)
    factor = task.factors[0]
    with pytest.raises(SettingsError, match=f"no variable '{factor}x' .did you mean '{factor}'"):
        task.sample(np.random.default_rng(0), 4, **{f"{factor}x": 1})
    with pytest.raises(SettingsError, match="must be one value or 4, got shape .3,"):
        task.sample(np.random.default_rng(0), 4, **{factor: [1, 1, 1]})
    with pytest.raises(SettingsError, match=f"task {name}: {factor}"):
        task.sample(np.random.default_rng(0), 4, **{factor: 77})
