"""Stable-Baselines3 on our environments: its checks, its learners, agents on disk, and their evaluation."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rnnpipe.environments import TrialEnv, TrialVectorEnv
from rnnpipe.errors import AnalysisError, ArtefactError, SettingsError, TrainingError
from rnnpipe.settings import parse
from rnnpipe.tasks import choice_task_names, trial_task_class
from rnnpipe.training.sb3_settings import DEFAULTS, Sb3Settings

TUTORIAL = {"fixation": 300.0, "stimulus": 500.0, "decision": 300.0}
SHORT = {"fixation": 100.0, "stimulus": 200.0, "sigma": 0.0, "coherences": [100.0]}
PDM = "perceptual_decision_making"


def test_missing_packages_are_one_sentence() -> None:
    """As on a machine that does not have them."""
    modules = ["rnnpipe.environments.sb3", "rnnpipe.training.sb3_agents", "rnnpipe.evaluation.agents"]
    code = (
        "import importlib, sys\n"
        "class Without:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'stable_baselines3': raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "from rnnpipe.errors import ArtefactError\n"
        f"for name in {modules}:\n"
        "    try: importlib.import_module(name)\n"
        "    except ArtefactError as error: print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    how = "the package 'stable-baselines3' is not installed; install it with `pip install 'rnnpipe[sb3]'`."
    assert out.stdout.splitlines() == [how] * 3


class TestSettings:
    def test_what_is_left_out_is_the_algorithms(self) -> None:
        for algorithm, values in DEFAULTS.items():
            settings = Sb3Settings(algorithm=algorithm)
            assert {name: settings.filled(name) for name in values} == values
        assert Sb3Settings(gamma=0.5).filled("gamma") == 0.5
        assert Sb3Settings(entropy_bonus=0.0).filled("entropy_bonus") == 0

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"algorithm": "trpo"}, "algorithm = 'trpo'"),
            ({"algorithm": "a2c", "n_epochs": 3}, "n_epochs: a2c makes one update .* or take ppo"),
            ({"algorithm": "recurrent_a2c", "batch_size": 8}, "batch_size: recurrent_a2c .* or take recurrent_ppo"),
            ({"n_envs": 2, "n_steps": 3, "batch_size": 7}, "batch_size = 7 steps, but a rollout has 6"),
            ({"algorithm": "a2c", "n_envs": 1, "n_steps": 1}, "a rollout must have at least 2 steps"),
            ({"hidden_layers": [64, 0]}, "every layer must have at least 1 unit"),
            ({"n_unit": 3}, r"unknown key 'n_unit' \(did you mean 'n_units'"),
        ],
    )
    def test_bad_ones_are_one_sentence(self, values: dict[str, Any], message: str) -> None:
        with pytest.raises(SettingsError, match=message):
            parse(Sb3Settings, values, "learning")


@pytest.fixture(scope="module")
def sb3() -> Any:
    """The modules under test."""
    reason = "needs the extra rnnpipe[sb3]: stable-baselines3 and sb3-contrib"
    pytest.importorskip("stable_baselines3", reason=reason)
    pytest.importorskip("sb3_contrib", reason=reason)
    import rnnpipe.environments.sb3 as environments
    import rnnpipe.evaluation.agents as agents
    import rnnpipe.training.sb3_agents as training

    class Modules:
        make_sb3_env = staticmethod(environments.make_sb3_env)
        TrialVecEnv = environments.TrialVecEnv
        evaluate_agent = staticmethod(agents.evaluate_agent)
        record_agent = staticmethod(agents.record_agent)
        train_agent = staticmethod(training.train_agent)
        save_agent = staticmethod(training.save_agent)
        load_agent = staticmethod(training.load_agent)
        make_model = staticmethod(training.make_model)
        make_env = staticmethod(training.make_env)
        Agent = training.Agent

    return Modules


class Oracle:
    """Takes the action that the task asks for."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def predict(self, observation: Any, state: Any, episode_start: Any, deterministic: bool) -> tuple[Any, Any]:
        return self.env.ground_truth, None


class Noisy(Oracle):
    """Takes it most of the time, anything at other times, and notes when it was told that an episode starts."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.rng, self.starts = np.random.default_rng(0), []

    def predict(self, observation: Any, state: Any, episode_start: Any, deterministic: bool) -> tuple[Any, Any]:
        self.starts.append(np.array(episode_start))
        n = len(self.env.ground_truth)
        anything = self.rng.integers(len(self.env.action_names), size=n)
        return np.where(self.rng.random(n) < 0.005, anything, self.env.ground_truth), None


def act(env: Any, rng: np.random.Generator) -> NDArray[np.int64]:
    anything = rng.integers(len(env.action_names), size=env.num_envs)
    return np.where(rng.random(env.num_envs) < 0.1, anything, env.ground_truth)


class TestEnvironment:
    @pytest.mark.parametrize("task", choice_task_names())
    def test_their_checker(self, sb3: Any, task: str) -> None:
        from stable_baselines3.common.env_checker import check_env

        id = f"rnnpipe.environments:rnnpipe/{trial_task_class(task).environment}-v0"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(gymnasium.make(id).unwrapped)

    @pytest.mark.parametrize("mode", ["trial", "session", "endless"])
    @pytest.mark.parametrize("task", ["rdm_fixed", PDM, "go_nogo"])
    def test_rows_are_what_their_own_vectoriser_makes_of_single_environments(
        self, sb3: Any, mode: str, task: str
    ) -> None:
        """Observations, rewards, ends and infos, seeds and autoreset: all of DummyVecEnv's contract."""
        from stable_baselines3.common.vec_env import DummyVecEnv

        env = sb3.make_sb3_env(task, 4, mode, seed=5, session_trials=3)
        dummy = DummyVecEnv([lambda: TrialEnv(task, mode=mode, session_trials=3)] * 4)
        dummy.seed(5)
        rng = np.random.default_rng(1)
        n_over = n_ended = 0
        for again in (False, True):
            if again:
                env.seed(9)
                dummy.seed(9)
            observation, expected = env.reset(), dummy.reset()
            np.testing.assert_array_equal(observation, expected)
            assert env.reset_infos == dummy.reset_infos
            for _ in range(400):
                action = act(env, rng)
                observation, reward, done, infos = env.step(action)
                expected, their_reward, their_done, their_infos = dummy.step(action)
                assert observation.dtype == np.float32 and reward.dtype == np.float32 and done.dtype == bool
                np.testing.assert_array_equal(observation, expected)
                np.testing.assert_array_equal(reward, their_reward)
                np.testing.assert_array_equal(done, their_done)
                for i, (mine, theirs) in enumerate(zip(infos, their_infos, strict=True)):
                    mine = dict(mine)  # it may be shared
                    final = mine.pop("terminal_observation", None)
                    if done[i]:
                        assert final is not None
                        np.testing.assert_array_equal(final, theirs.pop("terminal_observation"))
                        # theirs shows the end of an episode, ours what comes next
                        for key in ("ground_truth", "period"):
                            assert mine[key] == dummy.reset_infos[i][key]
                            mine[key] = theirs[key]
                    else:
                        assert theirs.pop("TimeLimit.truncated") is False
                    assert ("episode" in mine) == theirs["new_trial"]
                    n_ended += theirs["new_trial"]
                    mine.pop("episode", None)
                    assert mine == theirs
                n_over += done.sum()
        assert n_ended > 20 and (n_over > 3) == (mode != "endless")

    @pytest.mark.parametrize("mode", ["trial", "session", "endless"])
    def test_statistics_are_of_trials(self, sb3: Any, mode: str) -> None:
        env = sb3.make_sb3_env("rdm_fixed", 3, mode, seed=2, session_trials=4)
        rng = np.random.default_rng(0)
        env.reset()
        earned, length, n, before = np.zeros(3), np.zeros(3, int), 0, 0.0
        for _ in range(600):
            _, reward, done, infos = env.step(act(env, rng))
            earned += reward
            length += 1
            for i, info in enumerate(infos):
                if not info["new_trial"]:
                    assert not done[i] and "episode" not in info
                    continue
                assert info["episode"]["r"] == pytest.approx(earned[i]) and info["episode"]["l"] == length[i]
                assert info["episode"]["t"] >= before
                before = info["episode"]["t"]
                earned[i], length[i], n = 0, 0, n + 1
        assert n > 20

    def test_infos_of_going_trials_are_shared_and_cannot_be_spoilt(self, sb3: Any) -> None:
        env = sb3.make_sb3_env("rdm_fixed", 3, seed=1)
        env.reset()
        for _ in range(400):
            infos = env.step(np.zeros(3, np.int64))[3]
            for info in infos:
                assert info["new_trial"] == ("episode" in info)
                if not info["new_trial"]:
                    for spoil in (lambda i: i.update(a=1), lambda i: i.pop("period"), lambda i: i.__setitem__("a", 1)):
                        with pytest.raises(TypeError, match="change a copy"):
                            spoil(info)
                    for other in (info.copy(), copy.deepcopy(info), pickle.loads(pickle.dumps(info))):
                        other["a"] = 1
                        assert type(other) is dict and "a" not in info

    def test_sessions_are_cut_and_trials_end(self, sb3: Any) -> None:
        seen = {}
        for mode in ("trial", "session"):
            env = sb3.make_sb3_env(PDM, 1, mode, seed=2, session_trials=2, **SHORT)
            env.reset()
            done = [False]
            while not done[0]:
                _, _, done, infos = env.step(env.ground_truth)
            seen[mode] = infos[0]
        assert seen["trial"]["TimeLimit.truncated"] is False and seen["session"]["TimeLimit.truncated"] is True
        assert not seen["trial"]["terminal_observation"].any() and seen["session"]["terminal_observation"].any()

    def test_seeds_are_used_once(self, sb3: Any) -> None:
        settings = {"fixation": 0.0}
        env = sb3.make_sb3_env(PDM, 3, seed=5, **settings)
        first = env.reset()
        second = env.reset()
        assert not np.array_equal(first, second)
        env.seed(5)
        np.testing.assert_array_equal(env.reset(), first)
        np.testing.assert_array_equal(env.reset(), second)
        env.seed(6)
        np.testing.assert_array_equal(env.reset()[:2], first[1:])

    def test_attributes_and_methods(self, sb3: Any) -> None:
        env = sb3.make_sb3_env(PDM, 3)
        assert env.get_attr("num_envs") == [3, 3, 3] and len(env.get_attr("task", [0, 2])) == 2
        assert env.get_attr("render_mode", 1) == [None]
        assert env.has_attr("task") and not env.has_attr("tusk")
        env.set_attr("note", 7)
        env.set_attr("note", 8, [2, 0, 1])
        assert env.get_attr("note") == [8, 8, 8]
        with pytest.raises(ValueError, match="attribute 'note' can be set for all environments only"):
            env.set_attr("note", 9, 1)
        env.set_attr("twice", lambda x: 2 * x)
        assert env.env_method("twice", 4) == [8, 8, 8]
        with pytest.raises(ValueError, match="method 'twice' can be called for all environments only"):
            env.env_method("twice", 4, indices=[0])
        with pytest.raises(ValueError, match="call reset on the vectorised environment itself"):
            env.env_method("reset")
        assert env.env_is_wrapped(gymnasium.Wrapper) == [False] * 3
        assert env.env_is_wrapped(gymnasium.Wrapper, [1]) == [False]

    def test_a_task_with_its_settings(self, sb3: Any) -> None:
        task = parse(trial_task_class(PDM), TUTORIAL, "task")
        env = sb3.make_sb3_env(task, 2, dt=50.0)
        assert env.task == task.model_copy(update={"dt": 50.0}) and env.num_envs == 2

    def test_episodes_may_be_cut_in_a_trial(self, sb3: Any) -> None:
        env = sb3.TrialVecEnv(TrialVectorEnv(PDM, num_envs=2, autoreset_mode="SameStep", max_episode_steps=5))
        env.reset()
        for step in range(1, 11):
            _, _, done, infos = env.step(np.zeros(2, int))
            assert done.all() == done.any() == (step in (5, 10))
        assert infos[0]["TimeLimit.truncated"] and not infos[0]["new_trial"] and "episode" not in infos[0]

    def test_another_autoreset_is_refused(self, sb3: Any) -> None:
        with pytest.raises(ValueError, match="autoreset_mode 'SameStep', not 'NextStep'"):
            sb3.TrialVecEnv(TrialVectorEnv(PDM, num_envs=2))

    def test_bad_settings_are_one_sentence(self, sb3: Any) -> None:
        with pytest.raises(SettingsError, match="unknown mode 'trails'"):
            sb3.make_sb3_env(PDM, 2, "trails")


class TestEvaluation:
    @pytest.mark.parametrize("mode", ["trial", "session", "endless"])
    @pytest.mark.parametrize("task", ["rdm_rt", PDM, "postdecisionwager", "go_nogo"])
    def test_the_ground_truth_is_always_correct(self, sb3: Any, task: str, mode: str) -> None:
        env = sb3.make_sb3_env(task, 8, mode, session_trials=3)
        table = sb3.evaluate_agent(Oracle(env), env, 50, seed=1)
        assert len(table) == 50 and table["decision"].all() and (table["correct"] == 1).all()
        one = trial_task_class(task)()
        assert one.performance({k: table[k].to_numpy() for k in table})["p_correct"] == 1

    @pytest.mark.parametrize("mode", ["trial", "session", "endless"])
    @pytest.mark.parametrize("task", ["rdm_fixed", PDM, "go_nogo", "postdecisionwager"])
    def test_the_table_is_what_the_environment_said(self, sb3: Any, task: str, mode: str) -> None:
        """Trials that are looked up by their seed are those that were played, of each environment equally many."""
        n, share = 4, 20
        env = sb3.make_sb3_env(task, n, mode, session_trials=3)
        agent = Noisy(env)
        table = sb3.evaluate_agent(agent, env, n * share - 1, seed=3)
        again = sb3.make_sb3_env(task, n, mode, seed=3, session_trials=3)
        again.reset()
        found: list[list[dict[str, Any]]] = [[] for _ in range(n)]
        agent = Noisy(again)
        while min(map(len, found)) < share:
            _, _, _, infos = again.step(agent.predict(None, None, None, True)[0])
            for row, info in zip(found, infos, strict=True):
                if info["new_trial"]:
                    row.append(info)
        expected = [info for row in found for info in row[:share]][: n * share - 1]
        assert len(table) == len(expected)
        for (_, row), info in zip(table.iterrows(), expected, strict=True):
            assert {k: row[k] for k in info["trial"]} == info["trial"]
            assert float(row["correct"] == 1) == info["performance"]
            assert row["reward"] == pytest.approx(info["episode"]["r"]) and row["n_steps"] == info["episode"]["l"]
            assert row["reaction_time"] == info["reaction_time"] if "reaction_time" in info else True
            assert np.isnan(row["reaction_time"]) == ("reaction_time" not in info)
        assert 0.2 < (table["correct"] == 1).mean() < 1

    @pytest.mark.parametrize("reset", ["episode", "trial", "never"])
    def test_when_states_are_reset(self, sb3: Any, reset: str) -> None:
        env = sb3.make_sb3_env(PDM, 2, "session", session_trials=4, **SHORT)
        agent = Noisy(env)
        table = sb3.evaluate_agent(agent, env, 16, seed=1, reset_state=reset)
        starts = np.array(agent.starts)[:, 0]
        assert starts[0]
        expected = {"episode": 2, "trial": 8, "never": 1}[reset]
        assert starts.sum() == expected
        ends = np.cumsum(table["n_steps"][:8])
        if reset == "trial":
            np.testing.assert_array_equal(np.flatnonzero(starts)[1:], ends[:-1])

    def test_what_cannot_be_evaluated_is_one_sentence(self, sb3: Any) -> None:
        from stable_baselines3.common.vec_env import DummyVecEnv

        env = sb3.make_sb3_env(PDM, 2)
        other = DummyVecEnv([lambda: gymnasium.make("CartPole-v1")])
        with pytest.raises(SettingsError, match="DummyVecEnv is no environment of one of our tasks"):
            sb3.evaluate_agent(Oracle(env), other, 5, seed=1)
        cut = sb3.TrialVecEnv(TrialVectorEnv(PDM, autoreset_mode="SameStep", max_episode_steps=5))
        with pytest.raises(SettingsError, match="max_episode_steps, which cuts trials short"):
            sb3.evaluate_agent(Oracle(cut), cut, 5, seed=1)
        with pytest.raises(SettingsError, match="n_trials = 0"):
            sb3.evaluate_agent(Oracle(env), env, 0, seed=1)
        with pytest.raises(SettingsError, match="reset_state = 'always'"):
            sb3.evaluate_agent(Oracle(env), env, 5, seed=1, reset_state="always")
        with pytest.raises(SettingsError, match="unknown task 'perceptual'"):
            sb3.evaluate_agent(Oracle(env), "perceptual", 5, seed=1)
        model = sb3.make_model(env, Sb3Settings(algorithm="a2c"), 0)
        with pytest.raises(SettingsError, match="its observation space is .* make the environment with the settings"):
            sb3.evaluate_agent(model, "rdm_rt" if env.observation_space.shape != (3,) else "mante", 5, seed=1)
        with pytest.raises(AnalysisError, match=r"the agent \(A2C\) has no recurrent units"):
            sb3.record_agent(model, env, 5, seed=1)


ALGORITHMS = {
    "a2c": {"n_stack": 3},
    "ppo": {"n_stack": 3, "n_steps": 32, "n_epochs": 2},
    "recurrent_ppo": {"n_steps": 32, "n_units": 16, "n_epochs": 2, "mode": "endless"},
    "recurrent_a2c": {"n_units": 16, "critic": "own", "mode": "session", "session_trials": 5},
}


def short_task() -> Any:
    return parse(trial_task_class(PDM), SHORT, "task")


def train(sb3: Any, algorithm: str, max_steps: int = 400, seed: int = 3, **more: Any) -> Any:
    values = {"algorithm": algorithm, "max_steps": max_steps, "n_envs": 4, "hidden_layers": [8], "block_trials": 20}
    settings = Sb3Settings(**values | ALGORITHMS[algorithm] | more)
    return sb3.train_agent(short_task(), settings, seed)


def weights(agent: Any) -> dict[str, Any]:
    return agent.model.policy.state_dict()


class TestLearning:
    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_seeds_curve_and_round_trip(self, sb3: Any, tmp_path: Path, algorithm: str) -> None:
        agent, same, other = train(sb3, algorithm), train(sb3, algorithm), train(sb3, algorithm, seed=4)
        assert all(torch.equal(v, weights(same)[k]) for k, v in weights(agent).items())
        assert not all(torch.equal(v, weights(other)[k]) for k, v in weights(agent).items())
        assert len(agent.curve) > 2 and agent.curve.equals(same.curve)
        assert (agent.curve["n_trials"].diff()[1:] == 20).all() and agent.curve["n_steps"].is_monotonic_increasing
        assert agent.curve["performance"].between(0, 1).all()

        path = tmp_path / "agent.pth"
        sb3.save_agent(path, agent)
        state = torch.random.get_rng_state()
        read = sb3.load_agent(path)
        assert torch.equal(state, torch.random.get_rng_state())
        assert (read.task, read.settings, read.seed) == (agent.task, agent.settings, agent.seed)
        assert read.curve.equals(agent.curve)
        for deterministic in (True, False):
            tables = [
                sb3.evaluate_agent(a.model, a.make_env(4), 30, seed=7, deterministic=deterministic)
                for a in (agent, read)
            ]
            assert tables[0].equals(tables[1])
        sb3.save_agent(tmp_path / "again.pth", read)
        assert path.read_bytes() == (tmp_path / "again.pth").read_bytes()

    @pytest.mark.slow
    def test_an_agent_learns(self, sb3: Any) -> None:
        """What is shown in the stimulus is remembered until the decision."""
        values = {"n_units": 32, "mode": "endless", "n_steps": 32, "learning_rate": 0.003, "block_trials": 100}
        settings = Sb3Settings(n_envs=16, batch_size=256, max_steps=40_000, target_performance=0.97, **values)
        rows: list[dict[str, float]] = []
        agent = sb3.train_agent(short_task(), settings, 1, progress=rows.append)
        assert agent.curve["performance"].iloc[0] < 0.7 and agent.curve["performance"].iloc[-1] >= 0.97
        assert len(rows) == len(agent.curve) and agent.model.num_timesteps < 40_000
        for reset in ("episode", "trial"):
            table = sb3.evaluate_agent(agent.model, agent.make_env(), 100, seed=99, reset_state=reset)
            assert (table["correct"] == 1).mean() > 0.95
        assert len(sb3.evaluate_agent(agent.model, agent.task, 7, seed=1)) == 7

    @pytest.mark.parametrize("critic", ["shared", "own", "linear"])
    def test_activity(self, sb3: Any, critic: str) -> None:
        """The recorded states are those of the network run by itself on the recorded observations."""
        agent = train(sb3, "recurrent_ppo", critic=critic, mode="trial")
        arguments = {"n_trials": 21, "seed": 5, "deterministic": False}
        table = sb3.evaluate_agent(agent.model, agent.make_env(4), **arguments)
        recorded_table, activity = sb3.record_agent(agent.model, agent.make_env(4), **arguments)
        assert recorded_table.columns.equals(table.columns) and len(recorded_table) == 21
        assert ("value_rates" in activity) == (critic == "own")
        mask, n_steps = activity["mask"], agent.task.n_steps
        np.testing.assert_array_equal(mask.sum(0), recorded_table["n_steps"])
        np.testing.assert_array_equal(activity["time"], np.arange(n_steps) * agent.task.dt)
        np.testing.assert_allclose(activity["rewards"].sum(0), recorded_table["reward"], rtol=1e-6)
        assert activity["policy_rates"].shape == activity["states"].shape == (n_steps, 21, 16)
        np.testing.assert_allclose(activity["probabilities"].sum(-1)[mask], 1, rtol=1e-5)
        assert (activity["actions"][mask] >= 0).all() and (activity["actions"][~mask] == -1).all()
        seen = torch.as_tensor(activity["observations"])
        lstms = {"policy_rates": agent.model.policy.lstm_actor, "value_rates": agent.model.policy.lstm_critic}
        for name in {"policy_rates", "value_rates"} & set(activity):
            with torch.no_grad():
                h, _ = lstms[name](seen)
            np.testing.assert_allclose(activity[name][mask], h.numpy()[mask], atol=1e-6)
            assert not activity[name][~mask].any()

    def test_recurrent_a2c_makes_one_unclipped_update_of_a_rollout(self, sb3: Any) -> None:
        settings = Sb3Settings(algorithm="recurrent_a2c", n_envs=4)
        model = sb3.make_model(sb3.make_env(short_task(), settings, 4), settings, 0)
        assert (model.n_epochs, model.batch_size, model.gae_lambda) == (1, 80, 1.0)
        assert model.clip_range(1.0) > 1e6 and model.normalize_advantage is False
        model.learn(240)
        assert model._n_updates == 3

    @pytest.mark.parametrize("algorithm", ["a2c", "recurrent_ppo"])
    def test_divergence_is_one_sentence(self, sb3: Any, algorithm: str) -> None:
        with pytest.raises(TrainingError, match=r"became NaN or infinite; lower learning.learning_rate \(1e\+36\)"):
            train(sb3, algorithm, learning_rate=1e36)

    def test_memory_of_frames_is_for_agents_without(self, sb3: Any) -> None:
        with pytest.raises(SettingsError, match="n_stack = 2: frames are stacked for agents without memory"):
            sb3.train_agent(short_task(), Sb3Settings(n_stack=2), 0)

    def test_files_that_are_no_agents(self, sb3: Any, tmp_path: Path) -> None:
        agent, path = train(sb3, "a2c"), tmp_path / "agent.pth"
        sb3.save_agent(path, agent)
        whole = torch.load(path, weights_only=True)

        def changed(**new: Any) -> Path:
            torch.save(whole | new, path)
            return path

        with pytest.raises(ArtefactError, match="no such file"):
            sb3.load_agent(tmp_path / "none.pth")
        with pytest.raises(ArtefactError, match="is not a sb3_agent file"):
            sb3.load_agent(changed(kind="network"))
        with pytest.raises(ArtefactError, match="holds objects other than tensors"):
            sb3.load_agent(changed(policy=short_task()))
        name = next(iter(whole["policy"]))
        with pytest.raises(ArtefactError, match="not those that its settings ask for"):
            sb3.load_agent(changed(policy={k: v for k, v in whole["policy"].items() if k != name}))
        with pytest.raises(ArtefactError, match="NaN or infinite"):
            sb3.load_agent(changed(policy=whole["policy"] | {name: whole["policy"][name] * np.nan}))
        with pytest.raises(ArtefactError, match="settings this rnnpipe does not know"):
            sb3.load_agent(changed(settings=whole["settings"].replace('"a2c"', '"a3c"')))
        with pytest.raises(ArtefactError, match="damaged or incomplete"):
            sb3.load_agent(changed(curve={}))


def test_the_page_runs_as_it_stands(sb3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the number of steps and trials. Each block goes on from those before."""
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[1] / "docs" / "agents.md").read_text()
    names: dict[str, Any] = {}
    lengths = []
    for part in page.split("```python\n")[1:]:
        code = part.split("```")[0]
        for long, short in (("60_000", "2_000"), ("2_000_000", "500"), ("n_trials=1000", "n_trials=40")):
            code = code.replace(long, short)
        exec(code, names)
        lengths.append(len(names.pop("table")))
    assert lengths == [40, 40, 40]
    assert names["activity"]["policy_rates"].shape[1:] == (40, 64) and names["alive"].any()


def test_the_page_names_every_default(sb3: Any) -> None:
    page = (Path(__file__).parents[1] / "docs" / "agents.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    table = {row[0].strip("`"): row[1:] for row in rows if row[0].strip("`") in DEFAULTS["ppo"]}
    assert set(table) == set(DEFAULTS["ppo"])
    for name, cells in table.items():
        expected = ["all" if v is None else str(v) for v in (DEFAULTS[a][name] for a in DEFAULTS)]
        assert cells == expected, name
