"""Stable-Baselines3 as a learner of stage `train`: configuration, resumed trainings, evaluations of agents."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnnpipe.cli.main import main
from rnnpipe.config import load_study
from rnnpipe.config_entries import AgentExperiment
from rnnpipe.errors import ArtefactError, SettingsError, TrainingError
from rnnpipe.io.evaluation import read_activity, read_table
from rnnpipe.settings import parse
from rnnpipe.tasks import task_class
from rnnpipe.training.rules import groups_of, modules_of
from rnnpipe.training.sb3_settings import Sb3Settings

ROOT = Path(__file__).parents[1]
PDM = "perceptual_decision_making"
SHORT = {"fixation": 100.0, "stimulus": 200.0, "decision": 200.0}
CARTPOLE = {"max_steps": 30, "min_return": 20.0, "reward_scale": 2.0}
SOURCE = """
tasks:
  pdm: {task: perceptual_decision_making, fixation: 100.0, stimulus: 200.0}
  pole: {task: cartpole}
  flip: {task: flip_flop}
datasets:
  pdm: {activity: {trials_per_condition: 2, record_activity: true}}
experiments:
  agent: {task: pdm, seeds: 2, learning: {rule: sb3, max_steps: 600, pass_reward: true}}
  network: {task: pdm, seeds: 2}
"""


def study(tmp_path: Path, text: str = "") -> Any:
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "config" / "mine.yaml").write_text(SOURCE + text)
    return load_study({"sources": ["mine"]}, (tmp_path,))


class TestConfiguration:
    """Of these nothing needs Stable-Baselines3: a study is read, and its jobs planned, without it."""

    def test_an_agent_is_an_experiment_with_a_job_for_each_seed(self, tmp_path: Path) -> None:
        found = study(tmp_path)
        agent = found.experiment("agent")
        assert isinstance(agent, AgentExperiment) and not agent.supervised and list(agent.given) == ["learning"]
        assert found.network("agent", 1) == "results/train/agent/seed1.pth"
        assert found.result("history", "agent", 1) == "results/train/agent/seed1.history.h5"
        settings = found.train_settings("agent")
        assert '"rule":"sb3"' in settings and '"max_steps":600' in settings and "network" not in settings
        assert "training.run_sb3" in found.modules("agent") and "training.run_sb3" not in found.modules("network")
        assert "evaluation.run_agent" in found.evaluation_modules("agent")
        assert "evaluation.run_agent" not in found.evaluation_modules("network")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("  bad: {task: flip, seeds: 1, learning: {rule: sb3}}", "task flip has continuous outputs and nothing to"),
            ("  bad: {task: pdm, seeds: 1, network: {kind: rate}, learning: {rule: sb3}}", "leave network out"),
            ("  bad: {task: pdm, seeds: 1, network: {n_units: 3}, learning: {rule: sb3}}", "unknown key 'network'"),
            ("  bad: {task: pdm, seeds: 1, learning: {rule: sb4}}", r"no such rule \(did you mean 'sb3'"),
            (
                "  bad: {task: pdm, seeds: 1, initial: network, learning: {rule: sb3}}",
                "network learns by rule policy_g",
            ),
            ("  bad: {task: pdm, seeds: 3, initial: agent, learning: {rule: sb3}}", r"seeds \[2\] are not trained"),
            ("  bad: {task: pdm, seeds: 1, learning: {rule: sb3, n_stack: 2}}", "n_stack = 2: frames are stacked for"),
            (
                "  bad: {task: pole, seeds: 1, learning: {rule: sb3, mode: endless}}",
                "mode = 'endless': episodes of task",
            ),
            (
                "  bad: {task: pole, seeds: 1, learning: {rule: sb3, target_performance: 0.5}}",
                "task cartpole is an environment, which has returns",
            ),
            (
                "  bad: {task: pdm, seeds: 1, learning: {rule: sb3, algorithm: ppo}}\n"
                "claims:\n  c: {quantity: performance, of: bad, needs: [s.activity], source: x, target_low: 1}\n"
                "spiking:\n  s: {}",
                "only rate networks",
            ),
        ],
    )
    def test_what_cannot_be_is_one_sentence(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(SettingsError, match=message):
            study(tmp_path, text + "\n")

    def test_fixed_points_are_those_of_recurrent_units(self, tmp_path: Path) -> None:
        claim = "figures:\n  f: {module: fig_fixed_points, of: bad, needs: [fixed_points, activity]}\n"
        memoryless = "  bad: {task: pdm, seeds: 1, learning: {rule: sb3, algorithm: ppo}}\n"
        with pytest.raises(SettingsError, match="fixed points are those of recurrent units"):
            study(tmp_path, memoryless + claim)
        study(tmp_path, memoryless.replace("ppo", "recurrent_a2c") + claim)

    def test_groups(self) -> None:
        given = {"learning": {"rule": "sb3"}}
        assert groups_of(given) == {"learning": Sb3Settings}
        assert modules_of(given) == ("training.run_sb3", "training.sb3_settings")


def test_training_without_the_packages_is_one_sentence_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'stable_baselines3': raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Without())\n"
    )
    result = rnnpipe(tmp_path, *train_flags(tmp_path), PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert result.returncode == 3
    assert result.stdout.strip() == (
        "rnnpipe: the package 'stable-baselines3' is not installed; install it with `pip install 'rnnpipe[sb3]'`."
    )
    assert not list(tmp_path.glob("*.h5"))


def train_flags(folder: Path, *more: str) -> list[str]:
    return [
        "train",
        "--learning.rule=sb3",
        f"--task.name={PDM}",
        "--task.stimulus=200",
        "--learning.n_envs=4",
        "--learning.n_steps=16",
        "--learning.n_units=8",
        "--learning.block_trials=50",
        "--learning.pass_reward=true",
        "--learning.n_epochs=2",
        "--learning.max_steps=1600",
        "--seed=3",
        f"--network={folder}/agent.pth",
        f"--history={folder}/agent.h5",
        f"--checkpoint={folder}/state",
        *more,
    ]


def start(folder: Path, *flags: str, **environment: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "rnnpipe", *flags],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def rnnpipe(folder: Path, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    process = start(folder, *flags, **environment)
    output, _ = process.communicate()
    return subprocess.CompletedProcess(flags, process.returncode, output)


@pytest.fixture(scope="module")
def sb3() -> Any:
    """The modules under test."""
    reason = "needs the extra rnnpipe[sb3]: stable-baselines3 and sb3-contrib"
    pytest.importorskip("stable_baselines3", reason=reason)
    pytest.importorskip("sb3_contrib", reason=reason)
    import rnnpipe.evaluation.agents as agents
    import rnnpipe.evaluation.run_agent as run_agent
    import rnnpipe.training.sb3_agents as training
    import rnnpipe.training.sb3_learner as learner
    import rnnpipe.training.sb3_models as models

    class Modules:
        Learner = learner.Learner
        Agent = training.Agent
        make_env = staticmethod(models.make_env)
        make_model = staticmethod(models.make_model)
        trained = staticmethod(training.trained)
        play = staticmethod(run_agent.play)
        agents_play = staticmethod(agents._play)
        Predicting = agents.Predicting
        record_agent = staticmethod(agents.record_agent)

    return Modules


KINDS: dict[str, dict[str, Any]] = {
    "a2c": {"algorithm": "a2c", "n_stack": 3, "pass_reward": True},
    "ppo": {"algorithm": "ppo", "n_steps": 16, "n_epochs": 2, "mode": "session", "session_trials": 3, "n_stack": 2},
    "recurrent_ppo": {"algorithm": "recurrent_ppo", "n_steps": 16, "n_epochs": 2, "mode": "endless"},
    "passing": {"algorithm": "recurrent_ppo", "n_steps": 16, "n_epochs": 1, "mode": "session", "session_trials": 3},
    "recurrent_a2c": {"algorithm": "recurrent_a2c", "n_steps": 16, "critic": "own"},
    "environment": {"algorithm": "recurrent_ppo", "n_steps": 16, "n_epochs": 1, "pass_action": True},
}
KINDS["passing"] |= {"pass_reward": True, "pass_action": True}


def settings_of(kind: str, **more: Any) -> Sb3Settings:
    values = {"n_envs": 4, "n_units": 8, "hidden_layers": [8], "block_trials": 10, "max_steps": 320}
    return Sb3Settings(**values | KINDS[kind] | more)


def task_of(kind: str) -> Any:
    return parse(task_class("cartpole"), CARTPOLE, "t") if kind == "environment" else parse(task_class(PDM), SHORT, "t")


def same(one: Any, other: Any) -> bool:
    a, b = one.policy.state_dict(), other.policy.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class TestLearner:
    @pytest.mark.parametrize("kind", KINDS)
    def test_it_does_what_the_library_does(self, sb3: Any, kind: str) -> None:
        settings, task = settings_of(kind), task_of(kind)
        learner = sb3.Learner(task, settings, 5)
        env = sb3.make_env(task, settings, 4)
        model = sb3.make_model(env, settings, 5)
        env.seed(int(np.random.SeedSequence(5).generate_state(1)[0]) >> 1)
        model.learn(settings.max_steps)
        # the generators are global: those of the learner are set again
        again = sb3.Learner(task, settings, 5)
        while not again.finished:
            again.update()
        assert same(model, again.model) and not same(model, learner.model)
        assert model.num_timesteps == again.n_steps and model._n_updates == again.model._n_updates

    @pytest.mark.parametrize("kind", KINDS)
    def test_it_goes_on_from_between_any_two_rollouts(self, sb3: Any, tmp_path: Path, kind: str) -> None:
        from rnnpipe.training.checkpoint import Checkpoint

        settings, task = settings_of(kind), task_of(kind)
        undisturbed = sb3.Learner(task, settings, 5)
        while not undisturbed.finished:
            undisturbed.update()

        kept = Checkpoint(tmp_path / "state", "key")
        learner = sb3.Learner(task, settings, 5)
        rows = 0
        while not learner.finished:
            learner.update()
            rows += len(learner.rows) > rows
            kept.save(learner.state())
            torch.rand(3), np.random.rand(3)  # whatever else draws
            learner = sb3.Learner(task, settings, 5)
            assert learner.load_state(kept.load()[0])
        assert same(undisturbed.model, learner.model)
        assert learner.n_updates == undisturbed.n_updates and learner.n_trials == undisturbed.n_trials > 0
        assert learner.rows and np.isfinite(learner.rows[-1]["value_rmse"])
        assert learner.rows == undisturbed.rows

    def test_environments_that_do_not_repeat_themselves_are_noticed(self, sb3: Any) -> None:
        settings, task = settings_of("a2c"), task_of("a2c")
        learner = sb3.Learner(task, settings, 5)
        learner.update()
        state = learner.state()
        assert sb3.Learner(task, settings, 5).load_state(state)
        assert not sb3.Learner(task, settings, 6).load_state(state)

    def test_the_curve(self, sb3: Any) -> None:
        settings = settings_of("recurrent_ppo", max_steps=640, target_performance=0.0)
        learner = sb3.Learner(task_of("a2c"), settings, 1)
        while not learner.finished:
            learner.update()
        before = learner.n_updates
        # the target of a block is reached in its rollout, from which nothing is learned any more
        assert learner.reached_target and learner.n_steps == 64 * (before + 1) < 640
        row = learner.rows[0]
        assert row["n_trials"] == 10 and row["update"] == before and row["criterion"]
        assert 0 <= row["performance"] <= 1 and row["mean_length"] <= task_of("a2c").n_steps

    def test_no_trial_is_an_error_and_few_are_one_row(self, sb3: Any) -> None:
        learner = sb3.Learner(parse(task_class(PDM), {}, "t"), settings_of("a2c", max_steps=1, n_envs=1), 1)
        learner.update()
        with pytest.raises(TrainingError, match=r"no trial ended in 5 steps of 1 environments; raise"):
            sb3.trained(learner, 1)
        learner = sb3.Learner(task_of("a2c"), settings_of("a2c", block_trials=1000), 1)
        while not learner.finished:
            learner.update()
        agent = sb3.trained(learner, 1)
        assert len(agent.curve) == 1 and agent.curve["n_trials"][0] == learner.n_trials > 10


class TestPassed:
    def test_reward_and_action_of_the_step_before(self, sb3: Any) -> None:
        from rnnpipe.environments.sb3 import make_sb3_env

        rng = np.random.default_rng(0)
        for mode in ("trial", "session", "endless"):
            plain = make_sb3_env(PDM, 3, mode, seed=2, session_trials=3, **SHORT)
            env = make_sb3_env(PDM, 3, mode, 2, True, True, session_trials=3, **SHORT)
            n = len(plain.input_names)
            actions = [f"previous_{name}" for name in env.action_names]
            assert env.input_names == (*plain.input_names, "previous_reward", *actions)
            assert env.observation_space.shape == (n + 4,)
            observation = env.reset()
            np.testing.assert_array_equal(observation[:, :n], plain.reset())
            assert not observation[:, n:].any()
            ends = 0
            for _ in range(60):
                action = np.where(rng.random(3) < 0.7, env.ground_truth, rng.integers(3, size=3))
                observation, reward, done, infos = env.step(action)
                expected, their_reward, their_done, their_infos = plain.step(action)
                np.testing.assert_array_equal(observation[:, :n], expected)
                np.testing.assert_array_equal(reward, their_reward)
                np.testing.assert_array_equal(done, their_done)
                passed = np.concatenate([reward[:, None], np.eye(3)[action]], axis=1)
                np.testing.assert_array_equal(observation[~done, n:], passed[~done])
                assert not observation[done, n:].any()
                for row in np.flatnonzero(done):
                    final = infos[row]["terminal_observation"]
                    np.testing.assert_array_equal(final[:n], their_infos[row]["terminal_observation"])
                    np.testing.assert_array_equal(final[n:], passed[row].astype(np.float32))
                ends += done.sum()
            assert (ends > 5) == (mode != "endless")


def joined(parts: list[Any]) -> Any:
    """Batches of trials as one."""
    first = parts[0]
    axes = {"inputs": 1, "phase": 1, "rewards": 1, "stops": 1, "choices": 1, "correct": 0}
    values = {name: np.concatenate([getattr(p, name) for p in parts], axis=axis) for name, axis in axes.items()}
    for name in ("periods", "conditions"):
        values[name] = {k: np.concatenate([getattr(p, name)[k] for p in parts]) for k in getattr(first, name)}
    return dataclasses.replace(first, **values)


class TestEvaluation:
    @pytest.mark.parametrize("kind", [k for k in KINDS if k != "environment"])
    def test_on_a_data_set_an_agent_does_what_it_does_in_its_environments(self, sb3: Any, kind: str) -> None:
        """The same trials in the same order, with the same inputs, frames and resets."""
        settings, task = settings_of(kind), task_of(kind)
        learner = sb3.Learner(task, settings, 5)
        learner.update()
        agent = sb3.Agent(learner.model, task, settings, 5, None)
        played = sb3.agents_play(sb3.Predicting(agent.model, True), agent.make_env(4), 40, 7, "episode")
        trials = joined([part.trials for part in played])
        expected = np.concatenate([part.actions for part in played], axis=1)
        for activity in (False, True):
            actions, rewards, recorded = sb3.play(agent, trials, activity)
            np.testing.assert_array_equal(actions, expected)
            np.testing.assert_allclose(rewards, np.concatenate([part.rewards for part in played], axis=1), rtol=1e-6)
            assert bool(recorded) == activity
        assert {"value", "probabilities", "observations"} <= set(recorded)
        assert ("policy_rates" in recorded) == settings.recurrent
        assert recorded["observations"].shape[2] == agent.model.observation_space.shape[0]
        for values in recorded.values():
            assert not values[actions < 0].any()

    def test_episodes_of_an_environment(self, sb3: Any) -> None:
        settings, task = settings_of("environment"), task_of("environment")
        learner = sb3.Learner(task, settings, 5)
        agent = sb3.Agent(learner.model, task, settings, 5, None)
        episodes = task.episodes(np.arange(10, 19))
        actions, rewards, recorded = sb3.play(agent, episodes, True)
        np.testing.assert_array_equal((actions >= 0).sum(0) - 1, episodes.returns)  # 1 a step
        np.testing.assert_allclose(rewards.sum(0), episodes.returns / 2)
        assert recorded["policy_rates"].shape == (31, 9, 8)
        again = task.episodes(np.arange(12, 15))
        np.testing.assert_array_equal(sb3.play(agent, again, False)[0], actions[:, 2:5])
        # the first one step by step
        env = task.make()
        observation, _ = env.reset(seed=10)
        for t in range(1, int((actions[:, 0] >= 0).sum())):
            np.testing.assert_allclose(episodes.inputs[t, 0], observation, rtol=1e-6)
            observation, _, over, _, _ = env.step(int(actions[t, 0]))
        assert over or t == 30


@pytest.mark.slow
def test_stages(sb3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed and stopped, a training ends with what an undisturbed one has; its agent is evaluated and described."""

    def run(*flags: str) -> tuple[int, str]:
        status = main(flags)
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    def file(name: str) -> str:
        return str(tmp_path / name)

    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    assert run(*train_flags(tmp_path / "a"))[0] == 0

    flags, state = train_flags(tmp_path / "b", "--checkpoint_seconds=0.05"), tmp_path / "b" / "state"
    for number in (signal.SIGKILL, signal.SIGTERM):
        before = state.stat().st_mtime if state.exists() else 0.0
        process = start(tmp_path, *flags)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("continuing" if before else "training from the start")
        while not state.exists() or state.stat().st_mtime == before:
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.01)
        process.send_signal(number)
        output, _ = process.communicate()
        if number == signal.SIGTERM:
            assert process.returncode == 75 and "the same command continues from there" in output, output
    status, output = run(*flags)
    assert status == 0 and output.startswith("continuing"), output
    assert not state.exists()
    assert (tmp_path / "a" / "agent.pth").read_bytes() == (tmp_path / "b" / "agent.pth").read_bytes()
    assert (tmp_path / "a" / "agent.h5").read_bytes() == (tmp_path / "b" / "agent.h5").read_bytes()

    task = [f"--task.name={PDM}", "--task.stimulus=200", "--dataset.trials_per_condition=3"]
    assert run("dataset", *task, f"--out={file('trials.h5')}")[0] == 0
    command = [
        "evaluate",
        f"--network={file('a/agent.pth')}",
        f"--dataset={file('trials.h5')}",
        f"--out={file('e.h5')}",
    ]
    assert run(*command, "--record_activity")[0] == 0
    table, activity = read_table(file("e.h5")), read_activity(file("e.h5"))
    assert {"choice", "correct", "reaction_time", "coherence", "stimulus_on"} <= set(table)
    assert activity["policy_rates"].shape == (*activity["mask"].shape, 8) and table.attrs["n_trials_trained"] > 50
    np.testing.assert_array_equal(activity["mask"].sum(0), table["n_steps"])
    assert len(table.attrs["input_names"]) == activity["observations"].shape[2]
    assert table.attrs["input_names"][3:] == ["previous_reward"]
    status, output = run(*command, "--noise_free")
    assert status == 2 and "is an agent of Stable-Baselines3; leave" in output
    _, output = run("info", file("a/agent.pth"))
    for words in ("agent of Stable-Baselines3", "recurrent_ppo", "lstm_actor.weight_hh_l0", "stable-baselines3: 2"):
        assert words in output
    assert (
        run("figures", "--figure=fig_learning", f"--inputs=history={file('a/agent.h5')}", f"--out={file('f.pdf')}")[0]
        == 0
    )
    inputs = f"--inputs=behaviour={file('e.h5')}"
    assert run("figures", "--figure=fig_psychometric", inputs, f"--out={file('p.pdf')}")[0] == 0


def test_training_starts_from_an_agent_that_fits(sb3: Any, tmp_path: Path) -> None:
    from rnnpipe.training.run_sb3 import _start
    from rnnpipe.training.sb3_agents import load_agent, save_agent

    task, settings = task_of("a2c"), settings_of("passing")
    learner = sb3.Learner(task, settings, 1)
    while not learner.finished:
        learner.update()
    save_agent(tmp_path / "agent.pth", sb3.trained(learner, 1))
    weights = _start(tmp_path / "agent.pth", task, settings)
    second = sb3.Learner(task, settings, 2, start=weights)
    assert same(second.model, load_agent(tmp_path / "agent.pth").model)
    with pytest.raises(ArtefactError, match=r"learning.n_units: 8 there, 9 here"):
        _start(tmp_path / "agent.pth", task, settings.model_copy(update={"n_units": 9}))
    with pytest.raises(ArtefactError, match="the task's inputs"):
        _start(tmp_path / "agent.pth", parse(task_class("rdm_fixed"), {}, "t"), settings)


class TestFixedPoints:
    def test_the_map_is_the_lstm(self) -> None:
        from rnnpipe.analysis.lstm_map import LstmMap

        torch.manual_seed(2)
        lstm = torch.nn.LSTM(3, 5).double()
        weights = {name: tensor.detach().numpy() for name, tensor in lstm.named_parameters()}
        rng = np.random.default_rng(0)
        u, x = rng.standard_normal(3), rng.standard_normal((4, 10))
        found = LstmMap.of(weights, u, 20.0, prefix="")
        h, c = (torch.as_tensor(part)[None].contiguous() for part in np.split(x, 2, axis=1))
        with torch.no_grad():
            _, (h, c) = lstm(torch.as_tensor(np.repeat(u[None, None], 4, axis=1)), (h, c))
        np.testing.assert_allclose(found.step(x), np.concatenate([h[0], c[0]], axis=1), rtol=1e-12)
        jacobian, small = found.step_jacobian(x), 1e-6
        for k in range(10):
            d = small * np.eye(10)[k]
            np.testing.assert_allclose(
                jacobian[:, :, k], (found.step(x + d) - found.step(x - d)) / (2 * small), atol=1e-8
            )
        np.testing.assert_allclose(found.pull_jacobian(x), jacobian - np.eye(10))
        np.testing.assert_allclose(found.relax(x, 60.0), found.step(found.step(found.step(x))))

    def test_a_bistable_cell_has_its_three_points(self) -> None:
        """One cell with open gates and c' = f c + i tanh(w h): symmetric, two stable points around an unstable one."""
        from rnnpipe.analysis.fixed_points import find_fixed_points
        from rnnpipe.analysis.fixed_points_settings import FixedPointSettings
        from rnnpipe.analysis.lstm_map import LstmMap

        lstm = LstmMap(np.array([[0.0], [0.0], [6.0], [0.0]]), np.array([9.0, -9.0, 0.0, 9.0]), 10.0)
        rng = np.random.default_rng(1)
        points = find_fixed_points(lstm, rng.standard_normal((50, 2)), FixedPointSettings(n_starts=40), rng)
        x = points.x[np.argsort(points.x[:, 0])]
        np.testing.assert_allclose(x[:, 0], -x[::-1, 0], atol=1e-9)
        assert len(x) == 3 and x[2, 0] > 0.7 and points.n_unstable.sum() == 1 and not points.on_kink.any()
        np.testing.assert_allclose(lstm.step(points.x), points.x, atol=1e-12)

    def test_of_an_agent(self, sb3: Any, tmp_path: Path) -> None:
        from rnnpipe.analysis.lstm_map import LstmMap
        from rnnpipe.io.fixed_points import read_fixed_points
        from rnnpipe.training.sb3_agents import save_agent

        task, settings = task_of("passing"), settings_of("passing")
        learner = sb3.Learner(task, settings, 1)
        while not learner.finished:
            learner.update()
        save_agent(tmp_path / "agent.pth", sb3.trained(learner, 1))
        named = ["--task.name=perceptual_decision_making", *(f"--task.{name}={value}" for name, value in SHORT.items())]
        trials, out = f"{tmp_path}/trials.h5", f"{tmp_path}/points.h5"
        assert main(["dataset", *named, "--dataset.trials_per_condition=2", f"--out={trials}"]) == 0
        more = ["--fixed_points.n_starts=8", "--fixed_points.relaxation=500"]
        files = [f"--network={tmp_path}/agent.pth", f"--dataset={trials}", f"--out={out}"]
        assert main(["fixed_points", *files, *more]) == 0
        table, h = read_fixed_points(out)
        assert len(table) and h.shape == (len(table), 8) and (table["residual"] < 1e-11).all()
        weights = {name: tensor.numpy() for name, tensor in learner.model.policy.state_dict().items()}
        import h5py

        with h5py.File(out) as file:
            values = file["inputs/values"][:]
        assert values.shape[1] == 3 + 1 + 3 and (values[:, 3:] == [0, 1, 0, 0]).all()
        for row, state in zip(table.itertuples(), h, strict=True):
            lstm = LstmMap.of(weights, values[row.input], 100.0)
            i, f, g, _ = np.split(lstm.w_rec @ state + lstm.drive, 4)
            c = np.tanh(g) / (1 + np.exp(-i)) * (1 + np.exp(f))  # sigma(i) tanh(g) / (1 - sigma(f))
            np.testing.assert_allclose(lstm.step(np.concatenate([state, c])[None])[0, :8], state, atol=1e-10)
