"""The tasks of Kim, Li & Sejnowski (2019) against their published numbers, written out in steps of 5 ms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot
from numpy.typing import NDArray
from scipy.stats import norm

from rnnpipe.analysis.psychometric import choices_by_level, fit_levels
from rnnpipe.environments import TrialEnv, TrialVectorEnv
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.evaluation.outcomes import outcomes
from rnnpipe.evaluation.simulate import trial_table
from rnnpipe.figures import fig_psychometric, fig_trial
from rnnpipe.io.evaluation import read_table
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.training.policy_gradient import PolicyGradient
from rnnpipe.training.settings import PolicyGradientSettings
from rnnpipe.trials import DECISION, FIXATE, OUTSIDE, TIMEOUT, Trials
from tests.synthetic import write_arrays

NAMES = ("go_nogo", "xor", "context_integration")
T = {"go_nogo": 200, "xor": 300, "context_integration": 500}
"""States of a rate network in one trial, the published T."""
RATE_FROM = {"go_nogo": 75, "xor": 200, "context_integration": 299}
"""First sample of a rate network's output (of T - 1) that counts, from 0."""
SPIKING_FROM = {"go_nogo": 9_999, "xor": 19_999, "context_integration": 25_999}
"""First step of a spiking network's output (of 100 T, 0.05 ms each) that counts, from 0."""

all_tasks = pytest.mark.parametrize("name", NAMES)


def make(name: str, **values: Any) -> AnalogTask:
    task = parse(trial_task_class(name), values, name)
    assert isinstance(task, AnalogTask)
    return task


def every(name: str, repeats: int = 1, **values: Any) -> tuple[AnalogTask, Trials]:
    """The task, and trials of each of its conditions."""
    task = make(name, **values)
    table = task.factorial() * repeats
    conditions = {factor: np.array([row[factor] for row in table]) for factor in task.factors}
    return task, task.sample(np.random.default_rng(0), len(table), **conditions)


def published(name: str, condition: dict[str, Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean input (input, T + 1) and target (T,) of a condition, as the authors' code makes them step by step."""
    u, z = np.zeros((len(make(name).input_names), T[name] + 1)), np.zeros(T[name])
    if name == "go_nogo" and condition["go"]:
        u[0, 50:75] = 1
        z[75:] = 1
    elif name == "xor":
        u[0, 50:100] = condition["first"]
        u[1, 110:160] = condition["second"]
        z[170:270] = 1 if condition["first"] * condition["second"] == 1 else -1
    elif name == "context_integration":
        u[0, 50:250] = 0.5 * condition["sign_1"]
        u[1, 50:250] = 0.5 * condition["sign_2"]
        u[1 + condition["context"], 0:501] = 1
        z[250:] = condition["sign_1"] if condition["context"] == 1 else condition["sign_2"]
    return u, z


def extremes(task: AnalogTask, output: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Largest and smallest output of a rate network where it counts; `output` is (T - 1, n_trials)."""
    counts = np.arange(len(output)) * task.dt >= task.rate_window - 1e-9
    return output[counts].max(0), output[counts].min(0)


# -- inputs and targets --------------------------------------------------------------------------------------


@all_tasks
def test_inputs_and_targets_column_by_column(name: str) -> None:
    task, trials = every(name, var_in=0.0)
    target = task.output_target(trials)
    assert trials.inputs.shape[0] == T[name] + 1 and target.shape == (T[name], trials.n_trials)
    assert target.dtype == np.float32
    for i, condition in enumerate(task.factorial()):
        u, z = published(name, condition)
        np.testing.assert_array_equal(trials.inputs[:, i].T, u, err_msg=str(condition))
        np.testing.assert_array_equal(target[:, i], z, err_msg=str(condition))


@pytest.mark.parametrize(
    ("name", "loss"),
    [("go_nogo", {0.0, np.sqrt(124)}), ("xor", {10.0}), ("context_integration", {np.sqrt(249)})],
)
def test_loss_of_an_output_that_stays_at_zero(name: str, loss: set[float]) -> None:
    """The root of the summed squared error of samples 0 .. T - 2 that are compared with the target one step before."""
    task, trials = every(name)
    output = np.zeros((T[name] - 1, trials.n_trials))
    error = np.sqrt(((output - task.output_target(trials)[:-1]) ** 2).sum(0))
    np.testing.assert_allclose(np.unique(error.round(9)), sorted(loss), atol=1e-8)


def test_stimulus_noise_has_unit_variance_per_step() -> None:
    task = make("context_integration")
    assert task.sigma_step == pytest.approx(1.0)
    trials = task.sample(np.random.default_rng(3), 500)
    silent = task.model_copy(update={"var_in": 0.0}).sample(np.random.default_rng(3), 500, **trials.conditions)
    noise = (trials.inputs - silent.inputs).astype(float)
    assert (noise[:50] == 0).all() and (noise[250:] == 0).all() and (noise[..., 2:] == 0).all()
    x = noise[50:250, :, :2]
    assert x.std() == pytest.approx(1, abs=0.01) and abs(x.mean()) < 0.01
    for a, b in ((x[1:], x[:-1]), (x[..., 0], x[..., 1]), (x[:, 1:], x[:, :-1])):  # steps, inputs, trials
        assert abs((a * b).mean()) < 0.015
    assert (noise[50:250, :, :2].std((0, 1)) > 0.98).all()


@pytest.mark.parametrize("name", ["go_nogo", "xor"])
def test_inputs_of_the_other_tasks_have_no_noise_unless_asked_for(name: str) -> None:
    assert make(name).sigma_step == 0
    task, trials = every(name, 200, var_in=0.025)
    noise = trials.inputs - every(name, 200, var_in=0.0)[1].inputs
    on = noise.std(1) > 0
    expected = {"go_nogo": [slice(50, 75)], "xor": [slice(50, 100), slice(110, 160)]}[name]
    for k, steps in enumerate(expected):
        assert on[steps, k].all() and on[:, k].sum() == steps.stop - steps.start
        assert noise[steps, :, k].std() == pytest.approx(1, abs=0.03)


def test_published_settings() -> None:
    for name in NAMES:
        task = make(name)
        assert (task.dt, task.threshold, task.min_correct) == (5.0, 0.7, 0.95)
        assert (task.reward_correct, task.reward_wrong, task.reward_abort) == (1.0, 0.0, -1.0)
        assert task.changed() == {}
    assert make("go_nogo").threshold_nogo == 0.3  # type: ignore[attr-defined]
    assert [make(n).tmax for n in NAMES] == [1000, 1500, 2500]
    assert [make(n).spiking_window for n in NAMES] == [500, 1000, 1300]


def test_the_answer_of_xor_comes_50_ms_after_the_second_pulse_whatever_the_delay() -> None:
    """In the authors' code it starts at 10 + stim_on + 2 stim_dur + delay steps."""
    _, trials = every("xor", delay=200.0, tmax=2000.0)
    assert (trials.periods["second_stimulus"] == [140, 190]).all()
    assert (trials.periods["target"] == [200, 300]).all() and (trials.periods["decision"][:, 0] == 200).all()


def test_windows_are_those_of_the_published_code() -> None:
    """The last 200 of 499 samples of context integration begin with sample 299, one step earlier than at 1500 ms."""
    for name in NAMES:
        task = make(name)
        n = T[name] - 1
        assert np.flatnonzero(np.arange(n) * task.dt >= task.rate_window)[0] == RATE_FROM[name]
        assert task.steps(task.rate_window) == RATE_FROM[name]
        step = np.arange(1, 100 * T[name] + 1)  # a step's output is that at its end
        assert np.flatnonzero(step * 0.05 >= task.spiking_window - 1e-9)[0] == SPIKING_FROM[name]
    assert 499 - RATE_FROM["context_integration"] == 200


# -- what counts as correct ----------------------------------------------------------------------------------


@all_tasks
def test_an_output_that_follows_its_target_is_correct_and_its_opposite_wrong(name: str) -> None:
    task, trials = every(name)
    z = task.output_target(trials)[:-1].astype(float)
    nogo = ~trials.conditions["go"] if name == "go_nogo" else np.zeros(trials.n_trials, bool)
    assert task.output_correct(trials.conditions, *extremes(task, z)).all()
    np.testing.assert_array_equal(task.output_correct(trials.conditions, *extremes(task, -z)), nogo)
    np.testing.assert_array_equal(task.output_correct(trials.conditions, *extremes(task, 0 * z)), nogo)


@all_tasks
def test_an_output_counts_from_the_first_step_of_its_window(name: str) -> None:
    task, trials = every(name)
    level = task.level(trials.conditions)
    answered = level != 0
    for k, counts in ((RATE_FROM[name] - 1, False), (RATE_FROM[name], True), (T[name] - 2, True)):
        z = np.zeros((T[name] - 1, trials.n_trials))
        z[k] = level
        correct = task.output_correct(trials.conditions, *extremes(task, z))
        assert (correct[answered] == counts).all() and correct[~answered].all(), k


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spiking", [False, True])
def test_thresholds_are_strict(dtype: Any, spiking: bool) -> None:
    """More than 0.7 is an answer; less than 0.3 is none, on either side of zero where a rate network gave it."""
    up, down = dtype(0.7), dtype(0.3)
    above, below = np.nextafter(up, dtype(1)), np.nextafter(down, dtype(0))

    def correct(name: str, condition: dict[str, Any], highest: Any, lowest: Any) -> bool:
        conditions = {k: np.array([v]) for k, v in condition.items()}
        high, low = np.array([highest], dtype), np.array([lowest], dtype)
        return bool(make(name).output_correct(conditions, high, low, spiking=spiking)[0])

    assert correct("go_nogo", {"go": True}, above, -5) and not correct("go_nogo", {"go": True}, up, -5)
    assert correct("go_nogo", {"go": False}, below, -below) and not correct("go_nogo", {"go": False}, down, 0)
    assert not correct("go_nogo", {"go": False}, 0.5, 0)
    assert correct("go_nogo", {"go": False}, 0, -0.5) == spiking
    assert correct("go_nogo", {"go": False}, below, -down) == spiking
    same, different = {"first": -1, "second": -1}, {"first": -1, "second": 1}
    assert correct("xor", same, above, -5) and not correct("xor", same, up, -5)
    assert correct("xor", different, 5, -above) and not correct("xor", different, 5, -up)
    positive = {"context": 2, "sign_1": -1, "sign_2": 1}
    assert correct("context_integration", positive, above, -5)
    assert not correct("context_integration", positive, up, -5)
    assert correct("context_integration", {**positive, "context": 1}, 5, -above)
    assert not correct("context_integration", {**positive, "context": 1}, 5, -up)


@all_tasks
@pytest.mark.parametrize("spiking", [False, True])
def test_many_factors_are_judged_at_once(name: str, spiking: bool) -> None:
    """Outputs may have more axes before that of the trials, such as one of scaling factors; NaN is no answer."""
    task, trials = every(name, 5)
    rng = np.random.default_rng(2)
    highest = rng.uniform(-0.2, 1.2, (3, 12, trials.n_trials))
    lowest = highest - rng.uniform(0, 2, highest.shape)
    correct = task.output_correct(trials.conditions, highest, lowest, spiking)
    assert correct.shape == highest.shape and correct.dtype == bool
    for i, j in np.ndindex(3, 12):
        one = task.output_correct(trials.conditions, highest[i, j], lowest[i, j], spiking)
        np.testing.assert_array_equal(correct[i, j], one)
    for n in range(trials.n_trials):
        conditions = {k: v[n : n + 1] for k, v in trials.conditions.items()}
        one = task.output_correct(conditions, highest[1, 3, n : n + 1], lowest[1, 3, n : n + 1], spiking)
        assert one[0] == correct[1, 3, n]
    assert 0 < correct.mean() < 1
    assert not task.output_correct(trials.conditions, np.nan * highest, np.nan * lowest, spiking).any()


def test_thresholds_are_settings() -> None:
    go, nogo = ({"go": np.array([x])} for x in (True, False))
    task = make("go_nogo", threshold=0.5, threshold_nogo=0.1)
    assert task.output_correct(go, np.array([0.6]), np.array([0.0]))[0]
    assert not task.output_correct(nogo, np.array([0.2]), np.array([0.0]))[0]


# -- ideal observers -----------------------------------------------------------------------------------------


def test_go_nogo_and_xor_are_certain_from_their_inputs() -> None:
    for name in ("go_nogo", "xor"):
        task = make(name)
        trials = task.sample(np.random.default_rng(5), 400)
        if name == "go_nogo":
            read = np.where(trials.inputs[..., 0].max(0) > 0.5, 1, FIXATE)
        else:
            first, second = (trials.inputs[..., k].sum(0) for k in (0, 1))
            read = np.where(first * second > 0, 2, 1)
        np.testing.assert_array_equal(trials.correct[np.arange(400), read], 1)


@pytest.mark.parametrize("dt", [5.0, 20.0])
def test_ideal_observer_of_context_integration(dt: float) -> None:
    """The mean of the cued input over the stimulus has d' / 2 = offset * sqrt(200), whatever the step."""
    n, levels = 3000, []
    for offset in (0.02, 0.05, 0.1, 0.5):
        task = make("context_integration", offset=offset, dt=dt)
        trials = task.sample(np.random.default_rng(7), n)
        during = trials.during("stimulus")
        mean = (trials.inputs[..., :2] * during[..., None]).sum(0) / during.sum(0)[:, None]
        cued = np.where(trials.inputs[-1, :, 2] == 1, 0, 1)
        i, answer = np.arange(n), np.where(trials.correct[:, 2] == 1, 1, -1)
        expected = norm.cdf(offset * np.sqrt(200))
        sd = np.sqrt(max(expected * (1 - expected), 1e-4) / n)
        assert (np.sign(mean[i, cued]) == answer).mean() == pytest.approx(expected, abs=4 * sd)
        assert (np.sign(mean[i, 1 - cued]) == answer).mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / n))
        levels.append((answer * offset, np.where(mean[i, cued] > 0, 2, 1)))
    x, choice = (np.concatenate(part) for part in zip(*levels[:3], strict=True))
    fit = fit_levels(choices_by_level(pd.DataFrame({"choice": choice, "decision": True}), x))
    assert fit.sigma == pytest.approx(1 / np.sqrt(200), rel=0.08) and abs(fit.mu) < 0.006


def test_both_modalities_alone_say_nothing_of_the_context() -> None:
    task, trials = every("context_integration")
    expected = np.where(trials.conditions["context"] == 1, trials.conditions["sign_1"], trials.conditions["sign_2"])
    np.testing.assert_array_equal(np.where(trials.correct[:, 2] == 1, 1, -1), expected)
    np.testing.assert_array_equal(task.level(trials.conditions), expected)
    conflict = trials.conditions["sign_1"] != trials.conditions["sign_2"]
    assert conflict.sum() == 4 and expected[conflict].sum() == 0


# -- environments and withheld answers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "name", "n_inputs", "n_actions"),
    [("GoNogo", "go_nogo", 1, 2), ("XOR", "xor", 2, 3), ("ContextIntegration", "context_integration", 4, 3)],
)
def test_they_are_environments(id: str, name: str, n_inputs: int, n_actions: int) -> None:
    env = gymnasium.make(f"rnnpipe/{id}-v0")
    assert env.unwrapped.task.name == name  # type: ignore[attr-defined]
    assert env.observation_space.shape == (n_inputs,) and env.action_space.n == n_actions  # type: ignore[attr-defined]


@all_tasks
def test_the_period_that_an_environment_shows_is_the_decision(name: str) -> None:
    """The target's period lies within that of the decision and must not hide it."""
    env = TrialEnv(name, dt=50.0)
    _, info = env.reset(seed=1)
    trials = env.task.sample(gymnasium.utils.seeding.np_random(1)[0], 16)
    for t in range(trials.n_steps - 1):
        period = env.period_names[info["period"]] if info["period"] >= 0 else ""
        assert (period == "decision") == (trials.phase[t, 0] == DECISION)
        *_, info = env.step(0)


def test_a_withheld_answer_is_a_decision_without_a_time() -> None:
    """Go-NoGo played in all ways that there are, on both kinds of trial."""
    task = make("go_nogo", dt=25.0, reward_correct=0.9, reward_wrong=-0.2)
    last = task.n_steps - 1
    # when "go" is said (None: never): before the decision period, in it, on the last step
    cases = [(go, step) for go in (True, False) for step in (3, 20, last, None)]
    trials = task.sample(np.random.default_rng(0), len(cases), go=np.array([go for go, _ in cases]))
    assert [trials.phase[t, 0] for t in (3, 20, last)] == [OUTSIDE, DECISION, TIMEOUT]
    actions = np.full((task.n_steps, len(cases)), -1)
    for i, (_, step) in enumerate(cases):
        end = last if step is None else step
        actions[: end + 1, i] = 0
        if step is not None:
            actions[step, i] = 1
    rewards = np.array([np.where(a >= 0, trials.reward(t, np.maximum(a, 0)), 0) for t, a in enumerate(actions)])
    table = outcomes(trials, actions, rewards)
    for name, expected in {
        "decision": [False, True, False, True] * 2,
        "choice": [0, 1, 0, 0] * 2,
        "correct": [-1, 1, -1, 0, -1, 0, -1, 1],
        "choice_step": [-1, 20, -1, -1] * 2,
        "n_steps": [4, 21, last + 1, last + 1] * 2,
    }.items():
        np.testing.assert_array_equal(table[name], expected, err_msg=name)
    np.testing.assert_allclose(table["reward"], [-1, 0.9, -1, -0.2, -1, -0.2, -1, 0.9], rtol=1e-6)
    assert task.performance({**trials.conditions, **table}) == {"p_decision": 0.5, "p_correct": 0.5}

    columns = trial_table(trials, task, actions, rewards)
    np.testing.assert_array_equal(columns["reaction_time"], [np.nan, 250, np.nan, np.nan] * 2)
    np.testing.assert_array_equal(columns["choice_time"], [np.nan, 500, np.nan, np.nan] * 2)
    levels = choices_by_level(pd.DataFrame(columns), columns["go"], choice=1)
    assert levels["n"].tolist() == [2, 2] and levels["p"].tolist() == [0.5, 0.5]


def test_environments_pay_for_a_withheld_answer() -> None:
    env, envs = TrialEnv("go_nogo", dt=50.0), TrialVectorEnv("go_nogo", num_envs=1, dt=50.0, autoreset_mode="SameStep")
    envs.reset(seed=2)
    seen = set()
    for i in range(12):
        env.reset(seed=2) if i == 0 else env.reset()
        terminated = False
        while not terminated:
            _, reward, terminated, truncated, info = env.step(0)
            *_, many = envs.step(np.array([0]))
        go = info["trial"]["go"]
        assert not truncated and reward == info["performance"] == (0 if go else 1)
        assert "reaction_time" not in info
        assert many["final_info"]["performance"][0] == info["performance"]
        assert "reaction_time" not in many["final_info"]
        seen.add(go)
    assert seen == {True, False}


@pytest.mark.parametrize(("name", "dt"), [("go_nogo", 25.0), ("xor", 50.0)])
def test_they_can_be_learned_from_reward(name: str, dt: float) -> None:
    """About 75 updates of Go-NoGo, 250 of XOR."""
    a = PolicyGradient(
        trial_task_class(name)(dt=dt), GatedSettings(n_units=50), ValueSettings(n_units=50),
        PolicyGradientSettings(validation_trials=200, validation_interval=25, max_updates=800), 1, torch.device("cpu"),
    )  # fmt: skip
    while not a.finished:
        a.validate() if a.validation_due else a.update()
    assert a.reached_criterion
    assert a.history[-1]["p_correct"] >= 0.95 and a.history[-1]["p_decision"] >= 0.99


# -- figures -------------------------------------------------------------------------------------------------


def _evaluation(path: Path, name: str) -> Path:
    """An evaluation of an observer that makes no mistake."""
    task, trials = every(name, dt=25.0)
    actions = trials.ground_truth.astype(int)
    for i, acted in enumerate((actions > 0).T):
        if acted.any():
            actions[acted.argmax() + 1 :, i] = -1
    mask = actions >= 0
    rewards = np.array([np.where(a >= 0, trials.reward(t, np.maximum(a, 0)), 0) for t, a in enumerate(actions)])
    activity = {
        "time": np.arange(task.n_steps) * task.dt,
        "mask": mask,
        "policy_rates": np.zeros((*mask.shape, 3), np.float32),
        "value_rates": np.zeros((*mask.shape, 3), np.float32),
        "value": mask.astype(np.float32),
        "probabilities": np.eye(trials.n_actions)[np.maximum(actions, 0)] * mask[..., None],
        "actions": actions.astype(np.int8),
        "rewards": rewards,
    }
    write_arrays(path, task, trial_table(trials, task, actions, rewards), activity)
    return path


@all_tasks
def test_evaluations_are_tables_and_figures(name: str, tmp_path: Path) -> None:
    """A single trial can be drawn, pulses below zero within their panel; a psychometric figure says what is missing."""
    path = _evaluation(tmp_path / "evaluation.h5", name)
    table = read_table(path)
    assert table["decision"].all() and (table["correct"] == 1).all() and (table["reward"] == 1).all()
    assert table["reaction_time"].notna().equals(table["choice"] > 0)
    titles = set()
    for trial in range(len(table)):
        data = fig_trial.data({"activity": [path]}, fig_trial.Options(trial=trial))
        titles.add(data["label"].iloc[0].split("\n")[1])
        figure = fig_trial.draw(data)
        panel = figure.axes[0]
        low, high = panel.get_ylim()
        lines = [np.asarray(line.get_ydata(), float) for line in panel.lines]
        drawn = np.concatenate([line for line in lines if len(line) > 2])  # not the onsets of periods
        assert low < drawn.min() and drawn.max() < high
        pyplot.close(figure)
    assert (
        titles
        == {
            "go_nogo": {"waited, correct", "chose go, correct"},
            "xor": {"chose different, correct", "chose same, correct"},
            "context_integration": {"chose negative, correct", "chose positive, correct"},
        }[name]
    )
    with pytest.raises(ArtefactError, match=f"trials of task '{name}' have no column 'side'"):
        fig_psychometric.data({"behaviour": [path]}, fig_psychometric.Options())


# -- impossible settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("go_nogo", {"threshold_nogo": 0.7}, r"threshold_nogo = 0\.7 must be below threshold = 0\.7"),
        ("go_nogo", {"threshold": 0.2}, r"threshold_nogo = 0\.3 must be below threshold = 0\.2"),
        ("go_nogo", {"threshold": 1.0}, r"threshold = 1\.0: .*less than 1"),
        ("xor", {"threshold": 0.0}, r"threshold = 0\.0: .*greater than 0"),
        ("go_nogo", {"rate_window": 995.0}, r"rate_window = 995 ms on, but its last sample is that of 990 ms"),
        ("xor", {"rate_window": 2000.0}, r"rate_window = 2000 ms on, but its last sample is that of 1490 ms"),
        (
            "context_integration",
            {"tmax": 1300.0, "rate_window": 1255.0},
            r"spiking_window = 1300 ms on, .*tmax = 1300 ms",
        ),
        ("context_integration", {"tmax": 1400.0}, r"rate_window = 1495 ms on, but its last sample is that of 1390 ms"),
        ("go_nogo", {"spiking_window": 1000.0}, r"spiking_window = 1000 ms on, but the trial ends at tmax = 1000 ms"),
        ("xor", {"rate_window": -5.0}, r"rate_window = -5\.0 ms: .*greater than or equal to 0"),
        ("xor", {"answer_duration": 700.0}, r"last period can end at 1550 ms, after tmax = 1500 ms"),
        ("xor", {"answer_delay": 250.0}, r"last period can end at 1550 ms, after tmax = 1500 ms"),
        ("xor", {"delay": -10.0}, r"delay = -10\.0 ms: .*greater than or equal to 0"),
        ("go_nogo", {"stimulus": 800.0}, r"last period can end at 1055 ms, after tmax = 1000 ms"),
        ("context_integration", {"offset": 0.0}, r"offset = 0\.0: .*greater than 0"),
        ("go_nogo", {"abort_on_last_step": False}, r"waiting to the last step is an answer in this task"),
    ],
)
def test_impossible_settings_are_one_sentence(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        parse(trial_task_class(name), values, "config/mine.yaml: tasks.mine")
    assert str(error.value).startswith("config/mine.yaml: tasks.mine: ")
    assert "\n" not in str(error.value) and str(error.value).endswith(".") and str(error.value).count("; ") <= 1


def test_the_latest_possible_windows() -> None:
    for name in NAMES:
        last = (T[name] - 2) * 5.0
        task = make(name, rate_window=last, spiking_window=T[name] * 5.0 - 5)
        assert task.steps(task.rate_window) == T[name] - 2, "the last sample"
