"""Environments with transforms, the wrappers that pass rewards and actions on, and monitors."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
import pandas as pd
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv
from test_transforms import NAMES, PDM, applied, correct_answers, entry, make

from rnnpipe.environments import TrialEnv, TrialVectorEnv
from rnnpipe.environments._vector_api import AutoresetMode
from rnnpipe.environments.monitor import Monitor, VectorMonitor
from rnnpipe.environments.wrappers import PassAction, PassReward, VectorPassAction, VectorPassReward
from rnnpipe.errors import SettingsError
from rnnpipe.tasks import trial_task_class

SHORT = {"fixation": 100.0, "stimulus": 300.0, "decision": 200.0}
ORDERS = (
    ("schedule_attr", "noise", "reaction_time", "catch", "miss"),
    ("side_bias", "identity", "noise", "miss", "catch"),
    ("trial_history", "catch", "noise", "timeout"),
    ("random_ground_truth", "reaction_time", "noise", "timeout"),
)
"""Several transforms at once: together they are all of them."""


def several(name: str, kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    """Those of several transforms that have a meaning in a task."""
    return [entry(kind, make(name)) for kind in kinds if applied(name, kind) is not None]


@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_checker(name: str) -> None:
    for kinds in ORDERS[::2] if NAMES.index(name) % 2 else ORDERS[1::2]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message=".*Box observation space (minimum|maximum) value is .*infinity.*")
            env = TrialEnv(name, transforms=several(name, kinds))
            env.reset(seed=1)
            env.action_space.seed(1)
            check_env(env, skip_render_check=True)


@pytest.mark.parametrize("name", NAMES)
def test_sb3_checker(name: str) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on observations that are no picture and have no bounds
        checker.check_env(TrialEnv(name, transforms=several(name, ORDERS[NAMES.index(name) % 4])))


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("kinds", ORDERS)
def test_rows_of_the_vector_are_single_environments(kinds: tuple[str, ...], mode: AutoresetMode) -> None:
    settings = {"mode": "session", "session_trials": 3, "transforms": several(PDM, kinds), **SHORT}
    envs = TrialVectorEnv(PDM, num_envs=4, autoreset_mode=mode, **settings)
    single = SyncVectorEnv([lambda: TrialEnv(PDM, **settings)] * 4, autoreset_mode=mode)
    rng = np.random.default_rng(0)
    seen, info = envs.reset(seed=5)
    np.testing.assert_array_equal(seen, single.reset(seed=5)[0])
    n_ended = 0
    for _ in range(150):
        truth = np.asarray(info["ground_truth"])
        actions = np.where(rng.random(4) < 0.15, rng.integers(3, size=4), truth)
        *ours, info = envs.step(actions)
        *theirs, other = single.step(actions)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(info["ground_truth"], other["ground_truth"])
        if "trial" in info and "trial" in other:
            for key, values in info["trial"].items():
                if not key.startswith("_"):
                    there = info["trial"][f"_{key}"]
                    np.testing.assert_array_equal(values[there], np.asarray(other["trial"][key])[there])
        n_ended += info["new_trial"].sum()
    assert n_ended > 20


def test_environments_play_the_trials_that_are_drawn() -> None:
    """What `Task.draw` gives, one trial after another, with what the outcomes of the trials before call for."""
    kinds = several(PDM, ("trial_history", "noise", "reaction_time", "timeout"))
    kinds[0]["after_error"] = 0.0
    env = TrialEnv(PDM, mode="endless", transforms=kinds, **SHORT)
    task, rng = env.task, np.random.default_rng(0)
    observation, info = env.reset(seed=3)
    own, state = gymnasium.utils.seeding.np_random(3)[0], None
    n_longer, answers, wrong = 0, [], []
    for _ in range(60):
        trials, state = task.draw(own, 1, state)
        n_longer += int(trials.conditions["timeout"][0])
        ended, t, earned = False, 0, 0.0
        slip = rng.random() < 0.3
        while not ended:
            np.testing.assert_array_equal(observation, trials.inputs[t, 0])
            assert info["ground_truth"] == trials.ground_truth[t, 0]
            action = info["ground_truth"] and (3 - info["ground_truth"] if slip else info["ground_truth"])
            observation, reward, _, _, info = env.step(action)
            earned, t, ended = earned + reward, t + 1, info["new_trial"]
        assert info["performance"] == (not slip)
        answers.append(int(correct_answers(task, trials.conditions)[0]))
        wrong.append(slip)
        state = task.after(state, int(not slip), earned)
    assert n_longer == sum(wrong[:-1]) > 5
    assert all(a != b for a, b, slip in zip(answers[:-1], answers[1:], wrong[:-1], strict=True) if slip)


def test_copies_are_exact() -> None:
    env = TrialEnv(PDM, mode="endless", transforms=several(PDM, ORDERS[2]), **SHORT)
    env.reset(seed=1)
    for _ in range(30):
        env.step(1)
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        original = copy.deepcopy(env)
        for _ in range(60):
            a, b = original.step(2), twin.step(2)
            np.testing.assert_array_equal(a[0], b[0])
            assert a[1:4] == b[1:4]


# -- rewards and actions of the step before -------------------------------------------------------------------


def test_reward_and_action_follow_the_observation() -> None:
    env = PassAction(
        PassReward(gymnasium.make("rnnpipe/PerceptualDecisionMaking-v0", mode="session", session_trials=3))
    )
    bare = gymnasium.make("rnnpipe/PerceptualDecisionMaking-v0", mode="session", session_trials=3)
    assert env.input_names == (*bare.unwrapped.input_names, "previous_reward", "previous_fixate", "previous_choice_1",
                               "previous_choice_2")  # fmt: skip
    rng, n_across = np.random.default_rng(0), 0
    for episode in range(2):
        seed = 4 if episode == 0 else None
        seen, _ = env.reset(seed=seed)
        plain, info = bare.reset(seed=seed)
        np.testing.assert_array_equal(seen, [*plain, 0, 0, 0, 0])
        done = False
        while not done:
            action = int(rng.integers(3)) if rng.random() < 0.3 else info["ground_truth"]
            seen, reward, *_ = env.step(action)
            plain, same, terminated, truncated, info = bare.step(action)
            assert reward == same and seen.dtype == np.float32 and seen in env.observation_space
            np.testing.assert_array_equal(seen, np.float32([*plain, reward, *(np.arange(3) == action)]))
            done = terminated or truncated
            n_across += info["new_trial"] and not done
    assert n_across == 4  # from one trial to the next the last reward is seen
    index = PassAction(bare, one_hot=False)
    index.reset(seed=1)
    assert index.step(2)[0][-1] == 2 and index.input_names[-1] == "previous_action"


@pytest.mark.parametrize("wrapper", [PassReward, PassAction])
def test_wrapped_environments_pass_the_checker(wrapper: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(infinity|is different from the unwrapped).*")
        env = wrapper(TrialEnv(PDM, **SHORT))
        env.reset(seed=1)
        env.action_space.seed(1)
        check_env(env, skip_render_check=True)
    sb3 = pytest.importorskip("stable_baselines3.common.env_checker")
    sb3.check_env(wrapper(TrialEnv(PDM, **SHORT)))


@pytest.mark.parametrize("episodes", ["trial", "session"])
@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("native", [True, False])
def test_vector_wrappers_do_what_single_ones_do(native: bool, mode: AutoresetMode, episodes: str) -> None:
    settings: dict[str, Any] = {"mode": episodes, "session_trials": 2, **SHORT}
    many = (
        TrialVectorEnv(PDM, num_envs=3, autoreset_mode=mode, **settings)
        if native
        else SyncVectorEnv([lambda: TrialEnv(PDM, **settings)] * 3, autoreset_mode=mode)
    )
    envs = VectorPassAction(VectorPassReward(many))
    single = SyncVectorEnv([lambda: PassAction(PassReward(TrialEnv(PDM, **settings)))] * 3, autoreset_mode=mode)
    assert envs.single_observation_space == single.single_observation_space
    assert envs.observation_space == single.observation_space
    rng = np.random.default_rng(1)
    seen, _ = envs.reset(seed=2)
    np.testing.assert_array_equal(seen, single.reset(seed=2)[0])
    n_over = 0
    for _ in range(80):
        actions = rng.integers(3, size=3)
        seen, rewards, terminated, truncated, info = envs.step(actions)
        expected, _, _, _, other = single.step(actions)
        assert seen.dtype == np.float32
        over = terminated | truncated
        if not (mode is AutoresetMode.DISABLED and over.any()):
            np.testing.assert_array_equal(seen, expected)
        n_over += over.sum()
        if mode is AutoresetMode.SAME_STEP and over.any():
            for row in np.flatnonzero(over):
                np.testing.assert_array_equal(info["final_obs"][row], other["final_obs"][row])
        if mode is AutoresetMode.DISABLED and over.any():
            again, _ = envs.reset(options={"reset_mask": over})
            same, _ = single.reset(options={"reset_mask": over})
            np.testing.assert_array_equal(again[over], same[over])
            assert not again[over, -4:].any() and again[~over, -3:].sum() == (~over).sum()
    assert n_over > 5


def test_wrappers_refuse_what_they_cannot_append_to() -> None:
    discrete = gymnasium.make("CliffWalking-v1")
    with pytest.raises(
        SettingsError, match="PassReward appends numbers to a list of numbers, but the observation space"
    ):
        PassReward(discrete)
    with pytest.raises(SettingsError, match="PassAction needs actions that are one of n, but the action space is Box"):
        PassAction(gymnasium.make("Pendulum-v1"))


# -- monitors -------------------------------------------------------------------------------------------------


def play(env: Any, n_steps: int, rng: np.random.Generator) -> tuple[list[Any], list[float]]:
    """Random actions in one environment: the trials that ended, and the rewards of each."""
    trials, rewards, earned = [], [], 0.0
    env.reset(seed=1)
    for _ in range(n_steps):
        _, reward, terminated, truncated, info = env.step(int(rng.integers(3)))
        earned += reward
        if info["new_trial"]:
            trials.append(info)
            rewards.append(earned)
            earned = 0.0
        if terminated or truncated:
            env.reset()
            earned = 0.0
    return trials, rewards


@pytest.mark.parametrize("suffix", [".csv", ".h5"])
def test_monitor_writes_the_trials_that_ended(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "runs" / f"trials{suffix}"
    env = Monitor(TrialEnv("mante", dt=50.0, stimulus=100.0, delay_min=100.0, delay_max=300.0), path, every=5)
    env.reset(seed=1)
    assert not path.exists()
    trials, rewards = play(env, 60, np.random.default_rng(0))
    assert len(trials) > 10
    if suffix == ".csv":
        assert len(pd.read_csv(path)) == len(trials) // 5 * 5  # whole blocks so far
    env.close()
    if suffix == ".csv":
        table = pd.read_csv(path)
    else:
        with h5py.File(path) as file:
            table = pd.DataFrame({k: v.asstr()[:] if v.dtype == object else v[:] for k, v in file.items()})
    assert list(table["trial"]) == list(range(len(trials))) and (table["env"] == 0).all()
    np.testing.assert_allclose(table["reward"], rewards)
    np.testing.assert_array_equal(table["performance"], [info["performance"] for info in trials])
    np.testing.assert_array_equal(table["reaction_time"], [info.get("reaction_time", np.nan) for info in trials])
    for name in trials[0]["trial"]:
        assert list(table[name]) == [info["trial"][name] for info in trials]
    assert not list(path.parent.glob(".*"))


@pytest.mark.parametrize("episodes", ["trial", "endless"])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_monitor_of_many(tmp_path: Path, mode: AutoresetMode, episodes: str) -> None:
    make_envs = [lambda: TrialEnv(PDM, mode=episodes, **SHORT)] * 3
    env = VectorMonitor(
        TrialVectorEnv(PDM, num_envs=3, mode=episodes, autoreset_mode=mode, **SHORT), tmp_path / "a.csv"
    )
    same = VectorMonitor(SyncVectorEnv(make_envs, autoreset_mode=mode), tmp_path / "b.csv")
    rng = np.random.default_rng(0)
    env.reset(seed=1)
    same.reset(seed=1)
    total, ended = 0.0, 0
    for _ in range(60):
        actions = rng.integers(3, size=3)
        _, rewards, *_ = env.step(actions)
        same.step(actions)
        total += rewards.sum()
    env.close()
    same.close()
    table = pd.read_csv(tmp_path / "a.csv")
    pd.testing.assert_frame_equal(table, pd.read_csv(tmp_path / "b.csv"))
    ended = len(table)
    assert ended > 10 and set(table["env"]) == {0, 1, 2} and (table["n_steps"] <= 6).all()
    assert abs(table["reward"].sum() - total) <= 3 * 2 and set(table["coherence"]) <= {0.0, 6.4, 12.8, 25.6, 51.2}


def test_monitor_of_sb3_environments(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    from rnnpipe.environments.sb3 import make_sb3_env
    from rnnpipe.environments.sb3_monitor import TrialVecMonitor

    env = TrialVecMonitor(make_sb3_env(PDM, n_envs=3, seed=1, **SHORT), tmp_path / "trials.csv", every=7)
    other = VectorMonitor(
        TrialVectorEnv(PDM, num_envs=3, autoreset_mode=AutoresetMode.SAME_STEP, **SHORT), tmp_path / "other.csv"
    )
    env.reset()
    other.reset(seed=1)
    rng = np.random.default_rng(0)
    for _ in range(50):
        actions = rng.integers(3, size=3)
        env.step(actions)
        other.step(actions)
    env.close()
    other.close()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "trials.csv"), pd.read_csv(tmp_path / "other.csv"), rtol=1e-6)


def test_monitor_bad_input(tmp_path: Path) -> None:
    env = TrialEnv(PDM)
    with pytest.raises(SettingsError, match="trials.txt must end with one of .csv, .h5"):
        Monitor(env, tmp_path / "trials.txt")
    with pytest.raises(SettingsError, match="every = 0: must be at least 1 trial"):
        Monitor(env, tmp_path / "trials.csv", every=0)


def test_a_task_in_an_environment_has_its_transforms() -> None:
    env = gymnasium.make("rnnpipe/PerceptualDecisionMaking-v0", transforms=[{"kind": "catch", "p": 1.0}])
    assert env.unwrapped.task.transforms == [{"kind": "catch", "p": 1.0}]
    with pytest.raises(SettingsError, match="environment of task .*: transforms.0. .catch.: p = 2.0"):
        gymnasium.make("rnnpipe/PerceptualDecisionMaking-v0", transforms=[{"kind": "catch", "p": 2.0}])
    assert trial_task_class(PDM).environment == "PerceptualDecisionMaking"
