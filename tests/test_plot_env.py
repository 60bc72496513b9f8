"""Pictures of environments and agents: what is drawn is what was played, and files are whole or absent."""

from __future__ import annotations

import copy
import importlib.util
import pickle
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from matplotlib.image import imread
from numpy.typing import NDArray

from rnnpipe.analysis.history import History, recorded, runs
from rnnpipe.cli.main import main
from rnnpipe.environments import TrialEnv, TrialVectorEnv
from rnnpipe.errors import AnalysisError, SettingsError
from rnnpipe.evaluation.play import make_environment, play, simple_policy
from rnnpipe.figures.consecutive import TRACES, draw, grid, tabled
from rnnpipe.figures.source_data import of
from rnnpipe.io.evaluation import read_activity, read_table

PDM = "perceptual_decision_making"
SHORT = {"fixation": 100.0, "stimulus": 300.0, "decision": 200.0}
FEW = '{"fixation": 100.0, "stimulus": 300.0, "decision": 200.0}'


def _played(name: str, policy: str, seed: int = 0, n_trials: int | None = 4, **settings: Any) -> History:
    environment = make_environment(name, settings)
    return play(environment, simple_policy(policy, environment, seed), name, seed, n_trials)


class TestHistory:
    def test_it_is_what_happened(self) -> None:
        history = _played(PDM, "random", **SHORT)
        env = TrialEnv(PDM, mode="endless", **SHORT)
        seen, info = env.reset(seed=0)
        ends, scores = [], []
        for k in range(history.n_steps):
            assert np.array_equal(history.observations[k], seen)
            assert history.ground_truth is not None and history.ground_truth[k] == info["ground_truth"]
            period = [name for name, a, b in history.periods if a <= k < b]
            assert period == [env.period_names[info["period"]]]
            seen, reward, _, _, info = env.step(history.actions[k])
            assert history.rewards is not None and history.rewards[k] == reward
            if info["new_trial"]:
                ends.append(k)
                scores.append(info["performance"])
        assert len(ends) == 4 and history.ends.tolist() == ends and history.n_steps == ends[-1] + 1
        assert history.scores is not None and history.scores.tolist() == scores
        assert history.starts.tolist() == [0, *(end + 1 for end in ends[:-1])]
        assert history.dt == 100.0 and history.input_names == ("fixation", "ring_1", "ring_2")

    def test_the_ground_truth_is_always_right_and_fixating_never(self) -> None:
        right, still = _played(PDM, "ground_truth", **SHORT), _played(PDM, "fixate", **SHORT)
        assert right.scores is not None and right.scores.tolist() == [1.0] * 4
        assert np.array_equal(right.actions, right.ground_truth)
        assert still.scores is not None and still.scores.tolist() == [0.0] * 4 and not still.actions.any()

    def test_steps_may_end_within_a_trial(self) -> None:
        environment = make_environment(PDM, SHORT)
        history = play(environment, simple_policy("fixate", environment, 0), PDM, 0, n_steps=8)
        assert history.n_steps == 8 and history.ends.tolist() == [5] and history.starts.tolist() == [0, 6]
        assert len(history.conditions) == 2 and history.conditions[0] and not history.conditions[1]

    def test_episodes_of_other_environments_are_trials(self) -> None:
        history = _played("CartPole-v1", "random", n_trials=2)
        assert history.score_name == "Return" and history.dt is None and history.ground_truth is None
        assert history.scores is not None and history.scores.tolist() == np.diff([0, *(history.ends + 1)]).tolist()

    def test_trials_that_never_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rnnpipe.evaluation.play.MOST_STEPS", 10)
        with pytest.raises(AnalysisError, match="only 1 of 4 trials ended within 10 steps; give --steps"):
            _played(PDM, "fixate", **SHORT)

    def test_periods_from_indices(self) -> None:
        assert runs([0, 0, 1, -1, 0], ["a", "b"]) == (("a", 0, 2), ("b", 2, 3), ("a", 4, 5))
        assert runs([], []) == ()


class TestDrawing:
    @pytest.mark.parametrize(
        ("name", "settings"), [(PDM, SHORT), ("anti_reach", {}), ("CartPole-v1", {}), ("Pendulum-v1", {})]
    )
    def test_lines_are_the_history(self, name: str, settings: dict[str, Any]) -> None:
        environment = make_environment(name, settings)
        history = play(environment, simple_policy("random", environment, 1), name, 1, n_steps=40)
        table = tabled(history)
        unit = history.dt or 1.0
        names, time, seen = grid(table, "observations", "input")
        assert names == list(history.input_names) and np.array_equal(seen, history.observations)
        assert np.array_equal(time, np.arange(40) * unit)
        figure = draw(table)
        axes = {a.get_ylabel(): a for a in figure.axes}
        lines = {line.get_color(): line for line in axes["Action"].lines}
        x, y = lines["#0072b2"].get_data()
        first = history.actions if history.discrete else history.actions[:, 0]
        assert np.array_equal(x, np.arange(41) * unit) and np.array_equal(y[:-1], first)
        assert np.array_equal(axes["Reward"].lines[1].get_ydata()[:-1], history.rewards)
        if history.ground_truth is not None:
            dashed = lines["#e69f00"]
            assert dashed.get_linestyle() == "--" and np.array_equal(dashed.get_ydata()[:-1], history.ground_truth)
        image = figure.axes[1].images
        if len(names) > TRACES:
            assert np.array_equal(image[0].get_array(), history.observations.T)
            assert image[0].get_extent() == [0, 40 * unit, len(names) - 0.5, -0.5]
        else:
            assert not image
        shown = axes["Time (ms)"] if "Time (ms)" in axes else figure.axes[-1]
        assert shown.get_xlim()[1] == 40 * unit

    def test_trials_begin_at_dashed_lines_with_their_conditions(self) -> None:
        history = _played(PDM, "ground_truth", n_trials=3, **SHORT)
        table = tabled(history)
        assert of(table, "trials")["x"].tolist() == (history.starts * 100.0).tolist()
        figure = draw(table)
        starts = [line.get_xdata()[0] for line in figure.axes[1].lines if len(set(line.get_xdata())) == 1]
        assert set(history.starts[1:] * 100.0) <= set(starts)
        words = [text.get_text() for text in figure.axes[0].texts]
        assert words == list(history.conditions) and all("coherence" in w for w in words)
        many = draw(tabled(_played(PDM, "ground_truth", n_trials=20, **SHORT)))
        assert not many.axes[0].texts, "there is no room for the conditions of so many trials"


def _run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    status = main(["plot-env", *argv])
    return status, capsys.readouterr().err


class TestCommand:
    @pytest.mark.parametrize("suffix", [".png", ".pdf"])
    def test_one_whole_file_of_the_same_bytes(self, suffix: str, tmp_path: Path) -> None:
        files = [tmp_path / "a" / f"x{suffix}", tmp_path / "b" / f"y{suffix}"]
        for out in files:
            argv = [PDM, "--settings", FEW, "--trials", "2", "--seed", "3", "--out", str(out)]
            assert main(["plot-env", *argv]) == 0
            assert list(out.parent.iterdir()) == [out]
        assert files[0].read_bytes() == files[1].read_bytes()
        if suffix == ".png":
            assert np.ptp(imread(files[0])) > 0.9

    @pytest.mark.parametrize(
        ("argv", "sentence"),
        [
            (["rdm_fixd"], "there is no task 'rdm_fixd'; did you mean 'rdm_fixed'?"),
            (["rnnpipe/RMD-v0"], "there is no environment 'rnnpipe/RMD-v0'; did you mean 'rnnpipe/RDM-v0'?"),
            (["CartPol-v1"], "did you mean 'CartPole-v1'?"),
            (["no_such_module:X-v0"], "cannot be made (No module named 'no_such_module'"),
            (["CartPole-v1", "--settings", "{x: 1}"], "unexpected keyword argument 'x'"),
            ([PDM, "--settings", "{stimulos: 1}"], "unknown key 'stimulos' (did you mean 'stimulus'?"),
            (["flip_flop"], "nothing to choose"),
            (["CartPole-v1", "--mode", "trial"], "has no trials within its episodes"),
            (["CartPole-v1", "--policy", "ground_truth"], "does not say what should be done"),
            (["Taxi-v3", "--policy", "agent"], "no --agent is given"),
            ([PDM, "--trials", "2", "--steps", "3"], "give one of them"),
            ([], "no task is named"),
            (["--agent", "nowhere.pth"], "nowhere.pth: no such file"),
        ],
    )
    def test_mistakes(self, argv: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        status, said = _run(capsys, *argv, "--out", str(tmp_path / "x.png"))
        assert status in (2, 3) and sentence in said and said.count("\n") == 1, said
        assert not list(tmp_path.iterdir())

    def test_other_formats(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        status, said = _run(capsys, PDM, "--out", str(tmp_path / "x.gif"))
        assert status == 2 and "ends in .pdf or .png" in said

    @pytest.mark.skipif(importlib.util.find_spec("neurogym") is not None, reason="needs to be absent")
    def test_neurogym_is_absent(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        status, said = _run(capsys, "neurogym:GoNogo-v0", "--out", str(tmp_path / "x.png"))
        assert status == 2 and "NeuroGym cannot be imported" in said and "pip install" in said

    @pytest.mark.skipif(importlib.util.find_spec("neurogym") is None, reason="needs NeuroGym")
    @pytest.mark.parametrize("id", ["GoNogo-v0", "ReachingDelayResponse-v0", "yang19.go-v0"])
    @pytest.mark.filterwarnings("ignore")
    def test_neurogym(self, id: str, tmp_path: Path) -> None:
        argv = [f"neurogym:{id}", "--policy", "ground_truth", "--trials", "2"]
        assert main(["plot-env", *argv, "--out", str(tmp_path / "x.png")]) == 0
        history = _played(f"neurogym:{id}", "ground_truth", n_trials=2)
        assert history.scores is not None and history.scores.tolist() == [1.0, 1.0]
        env: Any = gymnasium.make("rnnpipe/NeuroGym-v0", task=id, mode="endless", render_mode="rgb_array")
        env.reset(seed=0)
        first = env.render()
        env.step(env.action_space.sample())
        assert first.shape == env.render().shape and (first != env.render()).any()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    argv = ["--task.name", PDM, *(f"--task.{k}={v}" for k, v in SHORT.items()), "--network.n_units=12"]
    argv += ["--learning.max_updates=4", "--learning.on_failure=keep", "--seed=1"]
    assert main(["train", *argv, f"--network={folder}/net.pth", f"--history={folder}/net.h5"]) == 0
    return folder / "net.pth"


class TestNetworks:
    def test_a_picture_of_one(self, network: Path, tmp_path: Path) -> None:
        out = tmp_path / "x.png"
        assert main(["plot-env", PDM, "--agent", str(network), "--trials", "2", "--out", str(out)]) == 0
        assert list(tmp_path.iterdir()) == [out]

    def test_an_evaluation_again(self, network: Path, tmp_path: Path) -> None:
        trials, path = tmp_path / "trials.h5", tmp_path / "evaluation.h5"
        argv = ["--task.name", PDM, *(f"--task.{k}={v}" for k, v in SHORT.items()), "--dataset.trials_per_condition=1"]
        assert main(["dataset", *argv, "--out", str(trials)]) == 0
        argv = ["--network", str(network), "--dataset", str(trials), "--record_activity"]
        assert main(["evaluate", *argv, "--out", str(path)]) == 0
        history, table, activity = recorded(path, 3, 4), read_table(path), read_activity(path)
        lengths = activity["mask"].sum(0)[3:7]
        assert history.starts.tolist() == [0, *np.cumsum(lengths)[:-1]] and history.n_steps == lengths.sum()
        for k, (start, n) in enumerate(zip(history.starts, lengths, strict=True)):
            rows = slice(start, start + n)
            for mine, theirs in ((history.actions, "actions"), (history.rewards, "rewards"), (history.value, "value")):
                assert mine is not None and np.array_equal(mine[rows], activity[theirs][:n, 3 + k])
            assert history.rates is not None
            assert np.array_equal(history.rates[rows], activity["policy_rates"][:n, 3 + k])
            on = [(name, a - start) for name, a, b in history.periods if start <= a < start + n and a < b]
            row = table.iloc[3 + k]
            assert all(at * 100.0 == row[f"{name}_on"] for name, at in on) and ("stimulus", 1) in on
        assert history.scores is not None and history.scores.tolist() == (table.correct[3:7] == 1).tolist()
        assert not history.noise and "inputs without noise" in tabled(history)["label"].iloc[0]
        with pytest.raises(SettingsError, match="trial = 1000"):
            recorded(path, 1000, 4)

    @pytest.mark.parametrize(
        ("argv", "sentence"),
        [
            (["rdm_rt"], f"was trained on task '{PDM}', not on 'rdm_rt'"),
            (["--settings", "{dt: 50.0}"], "was trained with dt 100.0, which would be 50.0"),
            (["--steps", "10"], "--steps: "),
            (["--mode", "trial"], "--mode: "),
            (["--policy", "random"], "--policy random"),
        ],
    )
    def test_mistakes(
        self, argv: list[str], sentence: str, network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status, said = _run(capsys, *argv, "--agent", str(network), "--out", str(tmp_path / "x.png"))
        assert status == 2 and sentence in said and said.count("\n") == 1, said


@pytest.mark.skipif(importlib.util.find_spec("sb3_contrib") is None, reason="needs the extra sb3")
@pytest.mark.parametrize(("algorithm", "n_stack"), [("recurrent_ppo", 1), ("ppo", 3)])
def test_agents_of_stable_baselines3(algorithm: str, n_stack: int, tmp_path: Path) -> None:
    from rnnpipe.settings import parse
    from rnnpipe.tasks import task_class
    from rnnpipe.training.sb3_agents import save_agent, train_agent
    from rnnpipe.training.sb3_settings import Sb3Settings

    task = parse(task_class(PDM), SHORT, "task")
    learning = Sb3Settings(algorithm=algorithm, mode="session", session_trials=3, max_steps=64, n_envs=2, n_steps=32,
                           n_stack=n_stack)  # fmt: skip
    agent = train_agent(task, learning, seed=1)
    save_agent(tmp_path / "agent.pth", agent)
    argv = ["--agent", str(tmp_path / "agent.pth"), "--trials", "5", "--seed", "7"]
    assert main(["plot-env", *argv, "--out", str(tmp_path / "x.png")]) == 0
    from rnnpipe.evaluation.play import AgentEnvironment, AgentPolicy

    acting = AgentPolicy(agent.model)
    history = play(AgentEnvironment(agent.make_env(1, 7)), acting, "it", 7, 5, look=acting.rates)
    env, state, first = TrialEnv(PDM, mode="session", session_trials=3, **SHORT), None, True
    seen, info = env.reset(seed=7)
    stacked: NDArray[Any] = np.zeros((n_stack, 3), np.float32)
    for k in range(history.n_steps):
        stacked = np.concatenate([stacked[1:] * (not first), seen[None]])
        action, state = agent.model.predict(
            stacked.ravel()[None], state=state, episode_start=np.array([first]), deterministic=True
        )
        assert history.actions[k] == action[0] and np.array_equal(history.observations[k], seen)
        assert history.ground_truth is not None and history.ground_truth[k] == info["ground_truth"]
        seen, reward, _, first, info = env.step(action[0])
        assert history.rewards is not None and history.rewards[k] == np.float32(reward)
        if first:
            seen, info = env.reset()
    assert len(history.ends) == 5 and (history.rates is None) == (algorithm == "ppo")


class TestRender:
    @pytest.mark.parametrize("id", ["rnnpipe/RDM-v0", "rnnpipe/AntiReach-v0", "rnnpipe/ReadySetGo-v0"])
    @pytest.mark.parametrize("mode", ["trial", "endless"])
    def test_gymnasium_accepts_it(self, id: str, mode: str) -> None:
        env = gymnasium.make(id, mode=mode, render_mode="rgb_array")
        check_env(env.unwrapped)
        env.reset(seed=0)
        picture: Any = env.render()
        assert picture.shape == (531, 708, 3) and picture.dtype == np.uint8 and np.ptp(picture) > 200

    def test_a_frame_shows_the_trial_so_far(self) -> None:
        env: Any = TrialEnv(PDM, mode="endless", render_mode="rgb_array", **SHORT)
        seen, _ = env.reset(seed=0)
        observations, actions, frames = [seen], [], [env.render()]
        for action in (0, 1, 2, 0, 1, 0):
            seen, _, _, _, info = env.step(action)
            actions.append(action)
            frames.append(env.render())
            if info["new_trial"]:
                break
            observations.append(seen)
            drawn = env._canvas._drawn
            assert drawn.taken[0].get_ydata()[::2].tolist() == actions
            levels = drawn.lines[1].get_ydata()[::2]
            assert np.allclose(levels, drawn.bases[1] + np.array(observations)[:, 1] / drawn.scale)
        assert all((a != b).any() for a, b in zip(frames, frames[1:], strict=False))
        # the trial that has ended is still shown, with what came of it; the next step shows the next one
        drawn = env._canvas._drawn
        assert len(drawn.taken[0].get_ydata()) == 2 * len(actions)
        assert drawn.words.get_text().startswith("performance ")
        env.step(0)
        env.render()
        assert len(env._canvas._drawn.taken[0].get_ydata()) == 2 and not env._canvas._drawn.words.get_text()

    def test_copies_show_the_same(self) -> None:
        env: Any = TrialEnv("anti_reach", render_mode="rgb_array")
        env.reset(seed=0)
        for _ in range(7):
            env.step(0)
        picture = env.render()
        for other in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
            assert np.array_equal(other.render(), picture)
            assert np.array_equal(other.step(0)[0], copy.deepcopy(env).step(0)[0])

    @pytest.mark.parametrize("autoreset", ["NextStep", "SameStep"])
    @pytest.mark.parametrize("mode", ["trial", "session"])
    def test_rows_show_what_single_environments_do(self, autoreset: str, mode: str) -> None:
        about: dict[str, Any] = {"mode": mode, "session_trials": 2, "render_mode": "rgb_array", **SHORT}
        rows: Any = TrialVectorEnv(PDM, num_envs=2, autoreset_mode=autoreset, **about)
        singles: list[Any] = [TrialEnv(PDM, **about) for _ in range(2)]
        rows.reset(seed=5)
        for row, env in enumerate(singles):
            env.reset(seed=5 + row)
        rng, over = np.random.default_rng(0), [False, False]
        for _ in range(16):
            actions = rng.integers(3, size=2)
            for row, env in enumerate(singles):
                if over[row]:
                    env.reset()
                if not over[row] or autoreset == "SameStep":
                    over[row] = any(env.step(actions[row])[2:4])
                else:
                    over[row] = False
            rows.step(actions)
            for mine, env in zip(rows._running_trials, singles, strict=True):
                its = env._running_trial
                assert mine.actions == its.actions and np.allclose(mine.rewards, its.rewards)
                assert np.array_equal(mine.seen, its.seen) and mine.periods == its.periods
                assert mine.truths == its.truths and (mine.outcome is None) == (its.outcome is None)
        assert [picture.shape for picture in rows.render()] == [(531, 708, 3)] * 2

    def test_without_it_nothing_is_kept(self) -> None:
        assert type(TrialEnv(PDM)) is TrialEnv and TrialEnv(PDM).render() is None
        assert type(TrialVectorEnv(PDM)) is TrialVectorEnv
        for kind in (TrialEnv, TrialVectorEnv):
            with pytest.raises(SettingsError, match="render_mode = 'human': must be 'rgb_array' or None"):
                kind(PDM, render_mode="human")
