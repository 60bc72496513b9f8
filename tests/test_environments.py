"""Environments: gymnasium's own checker, the rules of the trials, seeds, and the batched against the single one."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from alike import ALIKE, COMPOSED
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv

from rnnpipe.bench.environments import measure_environments
from rnnpipe.environments import IDS, TrialEnv, TrialVectorEnv
from rnnpipe.environments._vector_api import AutoresetMode
from rnnpipe.errors import SettingsError
from rnnpipe.tasks import choice_task_names, task_names, trial_task_class
from rnnpipe.tasks._base import TimeoutTask
from rnnpipe.tasks._periods import ConsecutiveTask
from rnnpipe.tasks.rdm_fixed import RDMFixed
from rnnpipe.trials import FIRST, TIMEOUT

all_ids = pytest.mark.parametrize("id", sorted(id for id, name in IDS.items() if name not in ALIKE))
all_tasks = pytest.mark.parametrize("task", [name for name in choice_task_names() if name not in ALIKE | COMPOSED])
hasty_tasks = pytest.mark.parametrize(
    "task", [name for name in choice_task_names() if issubclass(trial_task_class(name), TimeoutTask)]
)
"""Those in which any haste ends the trial; `test_tasks_library` is about the others."""
SHORT: dict[str, dict[str, Any]] = {
    "rdm_fixed": {"fixation": 100.0, "stimulus_max": 200.0},
    "rdm_rt": {"fixation": 100.0, "stimulus": 200.0},
    "mante": {"fixation": 100.0, "stimulus": 100.0, "delay_min": 100.0, "delay_max": 300.0},
    "multisensory": {"fixation": 100.0, "stimulus": 100.0},
    "romo": {"fixation": 100.0, "stimulus": 100.0, "delay_min": 100.0, "delay_max": 300.0},
    "postdecisionwager": {
        "fixation": 100.0, "stimulus_max": 300.0, "delay_min": 150.0, "delay_max": 300.0, "delay_mean": 200.0,
        "sure_min": 50.0, "sure_max": 150.0, "sure_mean": 100.0,
    },
    "post_decision_wager": {"sure_onset": 50.0},
    "padoaschioppa2006": {"fixation": 100.0, "offer_min": 100.0, "offer_max": 300.0},
    "gambling": {"fixation": 100.0, "stimulus": 100.0},
    "go_nogo": {"fixation": 100.0, "stimulus": 100.0, "tmax": 600.0},
    "xor": {"fixation": 100.0, "stimulus": 100.0},
    "context_integration": {"fixation": 100.0, "stimulus": 100.0},
    "cddm": {"fixation": 100.0, "viewing": 100.0},
    "cddm_signed": {"fixation": 100.0, "viewing": 100.0},
    "dmts": {"dt": 5.0},
    "graded_go_nogo": {"dt": 5.0},
    "static_xor": {"dt": 5.0},
    "half_adder": {"dt": 10.0},
    "memory_dm": {"dt": 5.0},
    "delay_dm": {"dt": 5.0},
    "block_dm": {"dt": 5.0},
    "detection": {"stimulus": 300.0},
    "pulse_decision_making": {"n_bins": 2, "pulse": 50.0, "gap": 50.0},
    "interval_discrimination": {"intervals": [50.0, 100.0]},
    "ready_set_go": {"ready_flash": 50.0, "set_flash": 50.0, "measure": [100.0, 200.0]},
    "motor_timing": {"intervals": [100.0, 200.0]},
    "one_two_three_go": {"flash_duration": 50.0, "intervals": [100.0, 200.0]},
}  # fmt: skip
"""Settings under which trials are short."""


def short(task: str, **more: Any) -> dict[str, Any]:
    of = trial_task_class(task)
    # of its periods those that are settings
    periods = dict.fromkeys(set(of.periods) & set(of.model_fields), 100.0) if issubclass(of, ConsecutiveTask) else {}
    return {"dt": 50.0, **periods, **SHORT.get(task, {}), **more}


def patient(env: TrialEnv | TrialVectorEnv, info: dict[str, Any], rng: np.random.Generator) -> Any:
    """Mostly what the task asks for, sometimes anything: trials of every length and outcome."""
    answer = np.asarray(info["ground_truth"])
    n = len(env.action_names)
    action = np.where(rng.random(answer.shape) < 0.05, rng.integers(n, size=answer.shape), answer)
    return action if action.ndim else int(action)


def assert_same(a: Any, b: Any, where: str = "") -> None:
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), f"{where}: {sorted(a)} and {sorted(b)}"
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, where
        np.testing.assert_array_equal(a, b, err_msg=where)
    else:
        assert a == b, where


@all_ids
@pytest.mark.parametrize("seed", range(20))
def test_gymnasium_checker(id: str, seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*Box observation space (minimum|maximum) value is (-)?infinity.*")
        env = gymnasium.make(id)
        env.reset(seed=seed)
        env.action_space.seed(seed)
        check_env(env.unwrapped)


@all_ids
def test_registered_with_settings(id: str) -> None:
    dt = trial_task_class(IDS[id])().dt / 2
    env = gymnasium.make(id, dt=dt)
    assert isinstance(env.unwrapped, TrialEnv) and env.unwrapped.task.dt == dt
    assert env.unwrapped.task.name == IDS[id]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = gymnasium.make_vec(id, num_envs=3, dt=dt, reward_abort=-0.25)
    assert isinstance(envs, TrialVectorEnv) and envs.num_envs == 3
    assert envs.task.dt == dt and envs.task.reward_abort == -0.25
    assert isinstance(gymnasium.make_vec(id, num_envs=2, vectorization_mode="sync"), SyncVectorEnv)


def test_a_task_without_choices_is_no_environment() -> None:
    silent = sorted(set(task_names()) - set(choice_task_names()))
    assert "flip_flop" in silent and not set(silent) & set(IDS.values())
    for make in (TrialEnv, TrialVectorEnv):
        with pytest.raises(SettingsError, match="^task flip_flop has continuous outputs and nothing to choose.*rdm_rt"):
            make("flip_flop")


def test_module_prefix_needs_no_import() -> None:
    code = "import gymnasium; print(gymnasium.make('rnnpipe.environments:rnnpipe/RDM-v0', dt=20.0).reset(seed=1)[0])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip() == "[1. 0. 0.]"


@all_tasks
def test_observations_are_the_rows_of_the_trials(task: str) -> None:
    """Reset shows step 0, an action at step t brings the observation of step t + 1."""
    env = TrialEnv(task)
    observation, info = env.reset(seed=5)
    trials = env.task.sample(gymnasium.utils.seeding.np_random(5)[0], 16)
    np.testing.assert_array_equal(observation, trials.inputs[0, 0])
    names, last = list(trials.periods), (trials.phase[:, 0] == TIMEOUT).argmax()
    for t in range(last):
        inside = [i for i, name in enumerate(names) if trials.during(name)[t, 0]]
        assert info["period"] == (inside[-1] if inside else -1)
        assert info["ground_truth"] == trials.ground_truth[t, 0]
        asked = trials.phase[t, 0] == FIRST  # an answer without which the trial would not go on
        observation, reward, terminated, truncated, info = env.step(info["ground_truth"] if asked else 0)
        assert observation.dtype == np.float32 and type(reward) is float and reward == asked
        assert terminated is False and truncated is False and info["new_trial"] is False
        np.testing.assert_array_equal(observation, trials.inputs[t + 1, 0])
    observation, reward, terminated, truncated, info = env.step(0)
    assert terminated is True and truncated is False
    right = env.task.withholds and trials.correct[0, 0] == 1
    withheld = trials.rewards[TIMEOUT, 0, 0]
    assert reward == trials.discount[last] * withheld
    if not env.task.withholds:
        timeout = env.task.reward_abort if isinstance(env.task, TimeoutTask) else env.task.reward_timeout
        assert withheld == np.float32(timeout)
    np.testing.assert_array_equal(observation, 0)
    assert info["new_trial"] and info["performance"] == right and "reaction_time" not in info
    with pytest.raises(ResetNeeded):
        env.step(0)
    observation, _ = env.reset()
    np.testing.assert_array_equal(observation, trials.inputs[0, 1])


@all_tasks
def test_playing_the_ground_truth_earns_the_most(task: str) -> None:
    env = TrialEnv(task)
    trials, _ = env.task.draw(gymnasium.utils.seeding.np_random(7)[0], 16)
    for i in range(16):
        _, info = env.reset(seed=7) if i == 0 else env.reset()
        terminated, rewards, t = False, [], -1
        while not terminated:
            _, reward, terminated, _, info = env.step(info["ground_truth"])
            rewards.append(reward)
            t += 1
        truth, decision = trials.ground_truth[:, i], trials.periods["decision"][i, 0]
        answer = truth[decision:].max()
        assert answer != 0 or env.task.withholds
        begins = truth.argmax() if getattr(env.task, "graded", False) else decision
        assert t == (begins if answer else (trials.phase[:, i] == TIMEOUT).argmax())
        assert sum(rewards) == rewards[-1] * (1 + (trials.phase[:, i] == FIRST).any())
        assert rewards[-1] == trials.discount[t] * trials.rewards[1 if answer else 2, i, answer]
        most = max(trials.rewards[1, i].max(), trials.rewards[2, i, 0] if env.task.withholds else -np.inf)
        assert env.task.random_rewards or rewards[-1] == trials.discount[t] * most
        assert info["performance"] == 1
        onset = trials.periods[env.task.stimulus_onset][i, 0] * trials.dt
        if answer:
            assert info["reaction_time"] == t * trials.dt - onset
        else:
            assert "reaction_time" not in info, "there is no moment at which an answer was withheld"
        assert info["trial"] == {k: v[i] for k, v in trials.conditions.items()}


def test_what_is_not_offered_aborts() -> None:
    """The sure option, in the decision period: a choice where it is offered, else as any action that breaks a rule."""
    env = TrialEnv("postdecisionwager", **short("postdecisionwager"))
    seen = set()
    for i in range(30):
        _, info = env.reset(seed=1) if i == 0 else env.reset()
        while env.period_names[info["period"]] != "decision":
            observation, _, _, _, info = env.step(0)
        _, reward, terminated, _, info = env.step(3)
        offered = info["trial"]["wager"]
        assert terminated and observation[3] == offered and info["performance"] == 0
        assert (reward == np.float32(0.7)) == offered and (reward == -1) == (not offered)
        assert ("reaction_time" in info) == offered
        seen.add(offered)
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("task", "variable", "kind"),
    [
        ("mante", "context", str),
        ("mante", "side_motion", int),
        ("padoaschioppa2006", "offer", str),
        ("postdecisionwager", "wager", bool),
        ("postdecisionwager", "sure_onset", float),
        ("gambling", "left", int),
    ],
)
def test_conditions_of_every_type_are_plain_values(task: str, variable: str, kind: type) -> None:
    """What a trial was, at its end: the trials' own conditions, of a plain type; over many rows an array of them."""
    env, n = TrialEnv(task, **short(task)), 6
    trials = env.task.sample(gymnasium.utils.seeding.np_random(3)[0], 16)
    for i in range(16):
        env.reset(seed=3) if i == 0 else env.reset()
        *_, info = env.step(1)
        value = info["trial"][variable]
        assert type(value) is kind and value == trials.conditions[variable][i]
    envs = TrialVectorEnv(task, num_envs=n, **short(task))
    envs.reset(seed=3)
    *_, info = envs.step(np.array([1, 0, 1, 0, 1, 0]))
    values, there = info["trial"][variable], info["trial"][f"_{variable}"]
    np.testing.assert_array_equal(there, [True, False] * 3)
    assert values.shape == (n,) and values[0] == trials.conditions[variable][0]
    assert values.dtype == (object if kind is str else trials.conditions[variable].dtype)
    if kind is str:
        assert type(values[0]) is str and values[1] is None
    else:
        assert values[1] == kind()


@hasty_tasks
def test_haste_ends_the_trial(task: str) -> None:
    env = TrialEnv(task)
    env.reset(seed=1)
    _, reward, terminated, truncated, info = env.step(1)
    assert (reward, terminated, truncated) == (env.task.reward_abort, True, False)
    assert info["performance"] == 0 and "reaction_time" not in info


@hasty_tasks
def test_trials_without_an_enforced_end_are_truncated(task: str) -> None:
    if trial_task_class(task).withholds:
        for kind in (TrialEnv, TrialVectorEnv):
            with pytest.raises(SettingsError, match="waiting to the last step is an answer in this task"):
                kind(task, abort_on_last_step=False)
        return
    env = TrialEnv(task, **short(task, abort_on_last_step=False, tmax=5000.0))
    envs = TrialVectorEnv(task, **short(task, abort_on_last_step=False, tmax=5000.0))
    env.reset(seed=1)
    envs.reset(seed=1)
    for t in range(env.task.n_steps):
        one, many = env.step(0), envs.step(np.array([0]))
        assert one[1] == 0 and one[2] is False and one[3] is (t == env.task.n_steps - 1)
        assert (many[1], many[2], many[3]) == (0, False, one[3])


@all_tasks
@pytest.mark.parametrize("autoreset", ["NextStep", "SameStep"])
@pytest.mark.parametrize("mode", ["trial", "session", "endless"])
def test_rows_of_the_vector_are_single_environments(task: str, autoreset: str, mode: str) -> None:
    """Everything that the batched environment returns is what gymnasium makes of as many single ones."""
    n, settings = 5, short(task, mode=mode, session_trials=3)
    envs = TrialVectorEnv(task, num_envs=n, autoreset_mode=autoreset, **settings)
    sync = SyncVectorEnv([lambda: TrialEnv(task, **settings)] * n, autoreset_mode=autoreset)
    rng = np.random.default_rng(0)
    n_ended, n_over = 0, 0
    for seed in (11, None):
        (observation, info), (expected, expected_info) = envs.reset(seed=seed), sync.reset(seed=seed)
        np.testing.assert_array_equal(observation, expected)
        assert_same(info, expected_info)
        for step in range(250):
            action = patient(envs, info, rng)
            (*result, info), (*expected, expected_info) = envs.step(action), sync.step(action)
            for name, a, b in zip(("observation", "reward", "terminated", "truncated"), result, expected, strict=True):
                assert_same(a, b, f"step {step}: {name}")
            for found in (info, expected_info):
                final = found.pop("final_obs", None)
                if final is not None:
                    found["final"] = np.stack(final[found["_final_obs"]].tolist()).astype(np.float32)
            assert_same(info, expected_info, f"step {step}: info")
            n_ended += info["new_trial"].sum() + ("final" in info)
            n_over += (result[2] | result[3]).sum()
    assert n_ended > 50
    assert (n_over > 10) == (mode != "endless")


def test_rows_are_single_environments_over_many_draws() -> None:
    """Draws grow, and rows whose trials differ in length draw at different times."""
    settings: dict[str, Any] = {"fixation": {"min": 100.0, "max": 500.0}, "stimulus": 200.0, "mode": "endless"}
    envs = TrialVectorEnv("perceptual_decision_making", num_envs=2, **settings)
    singles = [TrialEnv("perceptual_decision_making", **settings) for _ in range(2)]
    _, info = envs.reset(seed=8)
    for i, env in enumerate(singles):
        env.reset(seed=8 + i)
    n_trials = np.zeros(2, int)
    while n_trials.min() < 3 * envs.face.n_ahead:
        answer = info["ground_truth"]
        observation, _, _, _, info = envs.step(answer)
        n_trials += info["new_trial"]
        for i, env in enumerate(singles):
            np.testing.assert_array_equal(observation[i], env.step(answer[i])[0])
    assert n_trials[0] != n_trials[1] and 16 < envs.face.n_ahead <= 512


@pytest.mark.parametrize("mode", ["trial", "session"])
def test_an_episode_goes_on_with_the_next_trial(mode: str) -> None:
    """No trial of the stream of a seed is lost between episodes, and the one that a session ends with is the next."""
    task, settings = "rdm_fixed", short("rdm_fixed")
    env = TrialEnv(task, mode=mode, session_trials=3, **settings)
    envs = TrialVectorEnv(task, mode=mode, session_trials=3, autoreset_mode="Disabled", **settings)
    trials = env.task.sample(gymnasium.utils.seeding.np_random(4)[0], 16)
    sides: list[float] = []
    many: list[float] = []
    env.reset(seed=4)
    envs.reset(seed=4)
    for _ in range(10):
        observation, *_, over, info = env.step(1)
        *_, more = envs.step(np.array([1]))
        sides.append(info["trial"]["coherence"])
        many.append(more["trial"]["coherence"][0])
        if over or mode == "trial":
            again, _ = env.reset()
            envs.reset(options={"reset_mask": np.array([True])})
            assert mode == "trial" or np.array_equal(observation, again)
    assert sides == many == trials.conditions["coherence"][:10].tolist()
    env.reset(seed=4)
    env.reset()
    assert env.step(1)[4]["trial"]["coherence"] == sides[1], "a trial that reset showed is not shown again"


class Streaks(RDMFixed):
    """Coherence counts the correct choices in a row before the trial, and its thousands the trials judged so far."""

    @property
    def reacts(self) -> bool:
        return True

    def draw(self, rng: Any, n_trials: int, state: Any = None) -> tuple[Any, Any]:
        assert n_trials == 1
        state = state or (0, 0, 0.0)
        return self.sample(rng, 1, coherence=1000.0 * state[1] + state[0]), state

    def after(self, state: Any, correct: int, reward: float) -> Any:
        assert (correct == 1) == (reward == self.reward_correct) and (correct == -1) == (reward == self.reward_abort)
        return (state[0] + 1 if correct == 1 else 0), state[1] + 1, state[2] + reward


@pytest.mark.parametrize("mode", ["trial", "session", "endless"])
def test_trials_that_depend_on_outcomes(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are drawn one by one, each row by what was done in it, as single environments are."""
    monkeypatch.setattr("rnnpipe.environments._trials.trial_task_class", lambda name: Streaks)
    n, settings = 3, short("rdm_fixed", mode=mode, session_trials=4)
    envs = TrialVectorEnv("streaks", num_envs=n, autoreset_mode="SameStep", **settings)
    sync = SyncVectorEnv([lambda: TrialEnv("streaks", **settings)] * n, autoreset_mode="SameStep")
    _, info = envs.reset(seed=1)
    sync.reset(seed=1)
    rng, seen = np.random.default_rng(0), []
    for _ in range(400):
        action = patient(envs, info, rng)
        observation, *_, info = envs.step(action)
        expected, *_, expected_info = sync.step(action)
        np.testing.assert_array_equal(observation, expected)
        for found in (info, expected_info):
            for ends in (found, found.get("final_info", {})):
                if "trial" in ends and ends["_trial"][1]:
                    seen.append(ends["trial"]["coherence"][1])
    assert seen[::2] == seen[1::2]
    judged, streaks = np.divmod(seen[::2], 1000)
    assert judged.tolist() == list(range(len(judged))) and len(judged) > 20
    assert streaks.max() > 3 and (np.diff(streaks)[streaks[1:] > 0] == 1).all()


@all_tasks
def test_row_i_is_seeded_with_s_plus_i(task: str) -> None:
    envs = TrialVectorEnv(task, num_envs=4, **short(task))
    many = TrialVectorEnv(task, num_envs=9, **short(task))
    (a, info), (b, _) = envs.reset(seed=3), many.reset(seed=3)
    for _ in range(60):
        action = info["ground_truth"]
        a, *_, info = envs.step(action)
        b, *_ = many.step(np.concatenate([action, np.zeros(5, int)]))
        np.testing.assert_array_equal(a, b[:4])
    np.testing.assert_array_equal(envs.reset(seed=[6, 5, 4, 3])[0], envs.reset(seed=3)[0][::-1])


@all_tasks
def test_a_seed_determines_everything(task: str) -> None:
    def run(env: TrialEnv, seed: int | None) -> list[Any]:
        rng = np.random.default_rng(0)
        seen: list[Any] = []
        for episode in range(40):
            observation, info = env.reset(seed=seed if episode == 0 else None)
            seen.append(observation)
            over = False
            while not over:
                observation, reward, over, _, info = env.step(patient(env, info, rng))
                seen.append(np.append(observation, reward))
        return seen

    env = TrialEnv(task, **short(task))
    first = run(env, 1)
    run(env, None)
    again, other = run(env, 1), run(env, 2)
    assert len(first) == len(again) and all((x == y).all() for x, y in zip(first, again, strict=True))
    assert not all(np.array_equal(x, y) for x, y in zip(first, other, strict=False))


@all_tasks
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize("kind", [TrialEnv, TrialVectorEnv])
def test_copies_are_exact(task: str, duplicate: Any, kind: Any) -> None:
    env = kind(task, mode="endless", **short(task))
    zero = 0 if kind is TrialEnv else np.zeros(1, int)
    _, info = env.reset(seed=1)
    for _ in range(30):
        *_, info = env.step(info["ground_truth"])
    twin = duplicate(env)
    for _ in range(300):
        assert_same(env.step(zero)[4], twin.step(zero)[4])
    np.testing.assert_array_equal(env.step(zero)[0], twin.step(zero)[0])


@all_tasks
@pytest.mark.parametrize("kind", [TrialEnv, TrialVectorEnv])
def test_returned_arrays_are_the_callers_to_keep(task: str, kind: Any) -> None:
    env, twin = (kind(task, mode="endless") for _ in range(2))
    zero = 0 if kind is TrialEnv else np.zeros(1, int)
    outputs = [env.reset(seed=1)] + [env.step(zero) for _ in range(5)]
    for output in outputs:
        output[0][:] = np.nan
        output[-1].clear()
    twin.reset(seed=1)
    for _ in range(5):
        twin.step(zero)
    np.testing.assert_array_equal(env.step(zero)[0], twin.step(zero)[0])


def test_reward_types_of_the_vector() -> None:
    envs = TrialVectorEnv("rdm_rt", num_envs=2)
    observation, _ = envs.reset(seed=1)
    assert observation.dtype == np.float32 and observation in envs.observation_space
    observation, reward, terminated, truncated, info = envs.step(np.array([1, 0]))
    assert reward.dtype == np.float64 and terminated.dtype == truncated.dtype == bool
    np.testing.assert_array_equal(reward, [-1, 0])
    np.testing.assert_array_equal(info["_trial"], [True, False])
    np.testing.assert_array_equal(info["trial"]["_side"], [True, False])


def test_reset_of_some_rows_without_autoreset() -> None:
    envs = TrialVectorEnv("rdm_fixed", num_envs=3, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(seed=1)
    envs.step(np.array([1, 0, 0]))
    with pytest.raises(ResetNeeded):
        envs.step(np.zeros(3, int))
    _, info = envs.reset(options={"reset_mask": np.array([True, False, False])})
    np.testing.assert_array_equal(info["_period"], [True, False, False])
    *_, info = envs.step(np.zeros(3, int))
    assert envs._t.tolist() == [1, 2, 2]


def test_episodes_can_be_limited() -> None:
    envs = TrialVectorEnv("rdm_fixed", num_envs=2, mode="endless", max_episode_steps=4)
    envs.reset(seed=1)
    flags = [envs.step(np.zeros(2, int))[3].all() for _ in range(10)]
    assert flags == [False, False, False, True, False, False, False, False, True, False]  # the fifth step resets


@all_tasks
def test_a_wrapper_counts_returns(task: str) -> None:
    envs = gymnasium.wrappers.vector.RecordEpisodeStatistics(TrialVectorEnv(task, num_envs=3, **short(task)))
    _, info = envs.reset(seed=1)
    returns = []
    for _ in range(200):
        *_, info = envs.step(info["ground_truth"])
        if "episode" in info:
            returns.extend(info["episode"]["r"][info["_episode"]])
    trials = envs.unwrapped.task.sample(np.random.default_rng(0), 500)  # type: ignore[attr-defined]
    rewards = trials.rewards[1].copy()
    if envs.unwrapped.task.withholds:  # type: ignore[attr-defined]
        rewards[:, 0] = trials.rewards[2, :, 0]
    least = (rewards[trials.correct == 1]).min() * trials.discount.min()
    assert len(returns) > 10 and min(returns) >= least - 1e-6 and max(returns) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "rdm_fixd"}, r"unknown task 'rdm_fixd' \(did you mean 'rdm_fixed'"),
        ({"task": "rdm_fixed", "fixaton": 1.0}, r"unknown key 'fixaton' \(did you mean 'fixation'"),
        ({"task": "rdm_fixed", "dt": 900.0}, r"shorter than one step \(dt = 900 ms\)"),
        ({"task": "rdm_fixed", "mode": "trails"}, r"unknown mode 'trails' \(did you mean 'trial'"),
        ({"task": "rdm_fixed", "session_trials": 0}, r"session_trials = 0: must be at least 1"),
    ],
)
def test_bad_arguments_are_one_sentence(arguments: dict[str, Any], message: str) -> None:
    for kind in (TrialEnv, TrialVectorEnv):
        with pytest.raises(SettingsError, match=message):
            kind(**arguments)


def test_bad_arguments_of_the_vector() -> None:
    with pytest.raises(SettingsError, match="num_envs = 0: must be at least 1"):
        TrialVectorEnv("rdm_fixed", num_envs=0)
    with pytest.raises(SettingsError, match="unknown autoreset_mode 'next' .did you mean 'NextStep'"):
        TrialVectorEnv("rdm_fixed", autoreset_mode="next")


def test_actions_that_do_not_exist() -> None:
    env, envs = TrialEnv("rdm_fixed"), TrialVectorEnv("rdm_fixed", num_envs=2)
    with pytest.raises(ResetNeeded):
        env.step(0)
    with pytest.raises(ResetNeeded):
        envs.step(np.zeros(2, int))
    env.reset(seed=1)
    envs.reset(seed=1)
    for action in (-1, 3):
        with pytest.raises(ValueError, match="not one of 0 .. 2"):
            env.step(action)
        with pytest.raises(ValueError, match="actions are 0 .. 2"):
            envs.step(np.array([0, action]))
    with pytest.raises(ValueError, match="expected 2 integer actions"):
        envs.step(np.zeros(3, int))
    with pytest.raises(ValueError, match="expected 2 integer actions"):
        envs.step(np.zeros(2))
    with pytest.raises(ValueError, match="one seed for each of 2 rows"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(ValueError, match="reset_mask must be 2 values of bool"):
        envs.reset(options={"reset_mask": np.ones(3, bool)})


def test_what_is_compared_is_measured_in_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of single and vector environments, and trials; against others' where they are installed."""
    for name, value in {"SECONDS": 0.001, "REPETITIONS": 1, "WARM_UP": 64, "LEARNING": {}}.items():
        monkeypatch.setattr(f"rnnpipe.bench.environments.{name}", value)
    found = {m.name: m for m in measure_environments()}
    assert {"environment_steps", "environment_steps_vector_16", "environment_steps_vector_256", "trials"} <= set(found)
    assert all(m.value > 0 for m in found.values())
    for measurement in found.values():
        if measurement.ratio_to:
            assert measurement.ratio == pytest.approx(measurement.value / found[measurement.ratio_to].value)
    assert ("neurogym_steps" in found) == (found["environment_steps"].ratio is not None)
