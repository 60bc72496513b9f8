"""The two-step task: transitions, rewards, what its ground truth earns, and what can be known from what is seen."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray

from rnnpipe.environments.two_step import TwoStepEnv
from rnnpipe.errors import SettingsError
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.settings import parse
from rnnpipe.tasks._environment import EnvironmentTask
from rnnpipe.tasks.two_step import TwoStep
from rnnpipe.training.policy_gradient import PolicyGradient
from rnnpipe.training.settings import PolicyGradientSettings
from rnnpipe.trials import FIXATE

Policy = Callable[[NDArray[np.float32], dict[str, Any]], int]
SIMPLE: dict[str, Any] = {"second_choice": False, "p_common": 0.8}
both = pytest.mark.parametrize("settings", [{}, SIMPLE], ids=["daw", "simple"])


def knowing(observation: NDArray[np.float32], info: dict[str, Any]) -> int:
    return int(info["ground_truth"])


def played(env: TwoStepEnv, policy: Policy, n_trials: int, seed: int = 1) -> dict[str, NDArray[Any]]:
    """State, transition, probabilities, reward and performance of trials, and the first choice."""
    rows: list[tuple[Any, ...]] = []
    observation, info = env.reset(seed=seed)
    first = 0
    while len(rows) < n_trials:
        action = policy(observation, info)
        first = action if info["period"] == 0 else first
        observation, reward, terminated, truncated, info = env.step(action)
        if info["new_trial"]:
            trial = info["trial"]
            rows.append((first, trial["state"], trial["common"], trial["p"], reward, info["performance"]))
        if terminated or truncated:
            observation, info = env.reset()
    names = ("first", "state", "common", "p", "reward", "performance")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


@both
@pytest.mark.parametrize("mode", ["trial", "session", "endless"])
def test_it_is_an_environment(settings: dict[str, Any], mode: str) -> None:
    env = gymnasium.make(
        "rnnpipe.environments:rnnpipe/TwoStep-v0", mode=mode, pass_reward=True, pass_action=True, **settings
    )
    check_env(env.unwrapped, skip_render_check=True)
    assert env.observation_space.shape == (7,) == (len(env.unwrapped.input_names),)  # type: ignore[attr-defined]
    envs = gymnasium.make_vec("rnnpipe/TwoStep-v0", num_envs=3, mode=mode)
    observations, _ = envs.reset(seed=1)
    assert observations.shape == (3, 3)


@both
def test_the_ground_truth_earns_what_the_better_choices_pay(settings: dict[str, Any]) -> None:
    env = TwoStepEnv("session", 100, **settings)
    table = played(env, knowing, 3000)
    assert (table["performance"] == 1).all()
    best = np.sort(table["p"].max(2), axis=1)
    p_common = env.settings.p_common
    expected = (1 - p_common) * best[:, 0] + p_common * best[:, 1]
    error = np.sqrt(expected.mean() * (1 - expected.mean()) / len(expected))
    assert abs(table["reward"].mean() - expected.mean()) < 3 * error
    assert abs(table["common"].mean() - p_common) < 3 * np.sqrt(0.25 / 3000)
    np.testing.assert_array_equal(table["state"] == table["first"], table["common"])
    rng = np.random.default_rng(0)

    def random(observation: Any, info: dict[str, Any]) -> int:
        return int(rng.integers(1, 3)) if info["period"] == 0 or env.settings.second_choice else FIXATE

    chance = played(env, random, 3000)
    assert abs(chance["reward"].mean() - chance["p"].mean()) < 3 * error and chance["reward"].mean() < expected.mean()
    assert abs(chance["performance"].mean() - (0.25 if env.settings.second_choice else 0.5)) < 0.04


def test_states_are_shown_and_arms_pay() -> None:
    env = TwoStepEnv("trial", p_common=1.0, walk_sd=0.0, pass_reward=True, pass_action=True)
    for first in (1, 2):
        for second in (1, 2):
            rewards = []
            for k in range(300):
                observation, info = env.reset(seed=7) if k == 0 else env.reset()
                assert observation.tolist() == [1, 0, 0, 0, 0, 0, 0] and info["period"] == 0
                observation, reward, terminated, _, info = env.step(first)
                assert observation.tolist() == [0, first == 1, first == 2, 0, 0, first == 1, first == 2]
                assert reward == 0 and not terminated and info["period"] == 1 and not info["new_trial"]
                observation, reward, terminated, _, info = env.step(second)
                assert terminated and not observation.any() and info["trial"]["state"] == first
                rewards.append(reward)
            p = info["trial"]["p"][first - 1][second - 1]  # without a walk the same in all trials of a seed
            assert abs(np.mean(rewards) - p) < 3 * np.sqrt(p * (1 - p) / 300)
    with pytest.raises(ResetNeeded):
        env.step(1)


def test_probabilities_walk_between_their_bounds() -> None:
    p = played(TwoStepEnv("endless"), knowing, 4000)["p"]
    assert p.shape == (4000, 2, 2) and p.min() >= 0.25 and p.max() <= 0.75 and p.std(0).min() > 0.1
    steps = np.diff(p, axis=0)
    inside = ((p > 0.35) & (p < 0.65))[:-1]
    assert steps[inside].std() == pytest.approx(0.025, rel=0.05)
    assert abs(np.corrcoef(steps.reshape(-1, 4).T) - np.eye(4)).max() < 0.1, "each on its own"
    sessions = played(TwoStepEnv("session", 10), knowing, 4000)["p"].reshape(400, 10, 2, 2)
    assert abs(np.corrcoef(sessions[:-1, -1].ravel(), sessions[1:, 0].ravel())[0, 1]) < 0.1, "drawn for each session"
    large = played(TwoStepEnv("endless", walk_sd=3.0), knowing, 300)["p"]
    assert large.min() >= 0.25 and large.max() <= 0.75


def test_states_swap() -> None:
    p = played(TwoStepEnv("endless", **SIMPLE), knowing, 8000)["p"][..., 0]
    assert set(np.unique(p)) == {0.1, 0.9} and (p.sum(1) == 1).all()
    assert abs((p[1:, 0] != p[:-1, 0]).mean() - 0.025) < 3 * np.sqrt(0.025 * 0.975 / 8000)


@both
def test_what_is_not_due_ends_the_trial_and_costs(settings: dict[str, Any]) -> None:
    env = TwoStepEnv("endless", reward_abort=-0.3, **settings)
    env.reset(seed=1)
    _, reward, *_, info = env.step(FIXATE)
    assert reward == -0.3 and info["new_trial"] and info["performance"] == 0 and info["trial"]["common"] is None
    env.step(1)
    _, reward, *_, info = env.step(FIXATE if env.settings.second_choice else 1)
    assert reward == -0.3 and info["new_trial"] and info["performance"] == 0


def test_what_is_seen_tells_the_better_state() -> None:
    """Bayes' rule on states and rewards alone, without the probabilities: far above chance, below who knows them."""
    env = TwoStepEnv("session", 100, pass_reward=True, pass_action=True, **SIMPLE)
    belief, state = 0.5, 0

    def bayes(observation: NDArray[np.float32], info: dict[str, Any]) -> int:
        nonlocal belief, state
        if info["period"] == 1:
            state = int(observation[1:3].argmax()) + 1
            return FIXATE
        if not observation[4:].any():  # a session begins
            belief = 0.5
        else:
            good, bad = (0.9, 0.1) if observation[3] == 1 else (0.1, 0.9)
            one, two = (good, bad) if state == 1 else (bad, good)
            belief = belief * one / (belief * one + (1 - belief) * two)
            belief = belief * 0.975 + (1 - belief) * 0.025
        return 1 if belief >= 0.5 else 2

    table = played(env, bayes, 5000)
    assert 0.64 < table["reward"].mean() < 0.72 and 0.85 < table["performance"].mean() < 0.95


def test_what_is_seen_tells_the_better_arms() -> None:
    """Running averages of the rewards of four arms, and the transitions, beat choices at random."""
    env = TwoStepEnv("session", 200, pass_reward=True, pass_action=True)
    rng = np.random.default_rng(0)
    average, last = np.full((2, 2), 0.5), (0, 0)

    def learner(observation: NDArray[np.float32], info: dict[str, Any]) -> int:
        nonlocal last
        if info["period"] == 0:
            if not observation[4:].any():
                average[:] = 0.5
            else:
                average[last] += 0.25 * (observation[3] - average[last])
            values = average.max(1)
        else:
            values = average[int(observation[1:3].argmax())]
        action = int(values.argmax()) if rng.random() > 0.1 else int(rng.integers(2))
        if info["period"] == 1:
            last = int(observation[1:3].argmax()), action
        return action + 1

    table = played(env, learner, 6000)
    gain = table["reward"].mean() - table["p"].mean()
    assert gain > 4 * np.sqrt(0.25 / 6000)
    assert table["performance"].mean() > 0.33


@both
def test_a_seed_determines_everything_and_copies_go_on_alike(settings: dict[str, Any]) -> None:
    env, other = TwoStepEnv("session", 5, **settings), TwoStepEnv("session", 5, **settings)
    env.reset(seed=3)
    other.reset(seed=4)
    other.reset(seed=3)
    twins = [other, copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    rng = np.random.default_rng(0)
    for _ in range(100):
        action = int(rng.integers(3))
        observation, *rest = env.step(action)
        for twin in twins:
            same, *its_rest = twin.step(action)
            np.testing.assert_array_equal(observation, same)
            assert rest == its_rest
        if rest[2]:
            env.reset()
            for twin in twins:
                twin.reset()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "sesion"}, "unknown mode 'sesion' .*session"),
        ({"session_trials": 0}, "session_trials = 0: must be at least 1"),
        ({"p_min": 0.8}, "p_min = 0.8 must be below p_max = 0.75"),
        ({"p_comon": 0.8}, "p_comon.*p_common"),
        ({"p_common": 0.3}, "p_common = 0.3"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        TwoStepEnv(**settings)
    assert "\n" not in str(error.value)


def test_sessions_are_learned_as_episodes() -> None:
    task = parse(TwoStep, {"max_steps": 20}, "two_step")
    assert isinstance(task, EnvironmentTask) and task.modules == ("environments.two_step",)
    assert task.input_names[:4] == ("first_stage", "state_1", "state_2", "reward") and len(task.input_names) == 7
    assert task.action_names == ("fixate", "choice_1", "choice_2")
    learning = PolicyGradientSettings(validation_trials=4, trials_per_update=4)
    learner = PolicyGradient(task, GatedSettings(n_units=8), ValueSettings(n_units=8), learning, 1, torch.device("cpu"))
    before = learner.policy.clone()
    learner.update()
    assert torch.isfinite(learner.policy.flat).all() and not torch.equal(before["w_out"], learner.policy["w_out"])
