"""Learning in gymnasium environments: what is credited to what, episodes and seeds, resuming, stages, bad input."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
import yaml
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete

from rnnpipe.cli.main import main
from rnnpipe.config import read_study
from rnnpipe.environments import IDS
from rnnpipe.errors import ArtefactError, SettingsError, TrainingError
from rnnpipe.io.evaluation import read_activity, read_table
from rnnpipe.io.history import read_history
from rnnpipe.io.network import read_network
from rnnpipe.networks.draws import Fresh, Given
from rnnpipe.networks.engine import CpuEngine
from rnnpipe.networks.engine_environment import EnvironmentEngine
from rnnpipe.networks.engines import choose_device
from rnnpipe.networks.parameters import effective, initial_policy, initial_value
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import environment_task_names, task_class, task_names, trial_task_class
from rnnpipe.tasks._environment import ENDED, EnvironmentTask, Episodes
from rnnpipe.training.checkpoint import Checkpoint
from rnnpipe.training.loop import run
from rnnpipe.training.policy_gradient import PolicyGradient
from rnnpipe.training.settings import PolicyGradientSettings

CPU = torch.device("cpu")


class Clock(gymnasium.Env[Any, Any]):
    """Shows (steps since reset, last action, seed's number); step k with action a earns 10 k + a.

    It ends after 2 + number steps, the number being drawn from the seed.
    """

    observation_space = Box(-np.inf, np.inf, (3,), np.float64)
    action_space = Discrete(3, start=5)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.number, self.k, self.over = int(self.np_random.integers(0, 9)), 0, False
        return np.array([0.0, -1.0, self.number]), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert not self.over, "stepped after its end"
        assert self.action_space.contains(action)
        self.k += 1
        self.over = self.k >= 2 + self.number
        return np.array([self.k, action, self.number]), 10.0 * self.k + action, self.over, False, {}


class Bandit(gymnasium.Env[Any, Any]):
    """Shows a cue, then a blank; the last of its three steps earns 1 if it names the cue."""

    observation_space = Box(0, 1, (1, 2), np.float32)
    action_space = Discrete(2, start=3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.cue, self.k = int(self.np_random.integers(2)), 0
        return np.eye(2, dtype=np.float32)[[self.cue]], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.k += 1
        reward = 5.0 * (self.k == 3 and action - 3 == self.cue)
        return np.zeros((1, 2), np.float32), reward, self.k == 3, False, {}


class Broken(Clock):
    """Goes wrong at its second step."""

    def __init__(self, what: str = "observation") -> None:
        self.what = what

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        seen, reward, *rest = super().step(action)
        if self.k == 2 and self.what == "observation":
            seen = np.array([0.0, np.nan, 0.0])
        if self.k == 2 and self.what == "reward":
            reward = np.inf
        self.number = 8
        return seen, reward, False, *rest[1:]


class Named(Clock):
    observation_space = Dict({"a": Box(0, 1, (2,))})


class Many(Clock):
    action_space = MultiDiscrete([2, 2])


for _class in (Clock, Bandit, Broken, Named, Many):
    if f"rnnpipe_test/{_class.__name__}-v0" not in gymnasium.registry:
        gymnasium.register(f"rnnpipe_test/{_class.__name__}-v0", entry_point=_class, max_episode_steps=4)


def environment(name: str, **values: Any) -> EnvironmentTask:
    values = {"id": f"rnnpipe_test/{name}-v0", "max_steps": 6, "min_return": 1e9, **values}
    task = parse(task_class("environment"), values, "task")
    assert isinstance(task, EnvironmentTask)
    return task


def learner(task: EnvironmentTask, seed: int = 1, threads: int = 1, **learning: Any) -> PolicyGradient:
    return PolicyGradient(
        task,
        GatedSettings(n_units=12, connection_probability=0.5, tau=1.0, var_rec=0.002),
        ValueSettings(n_units=10, var_rec=0.002),
        PolicyGradientSettings(**learning),
        seed,
        CPU,
        threads,
    )


def weights(task: EnvironmentTask) -> dict[str, torch.Tensor]:
    """A policy that depends on what it sees, but not so much that it always does the same."""
    settings = GatedSettings(n_units=12, connection_probability=0.5, input_scale=0.1)
    policy, masks = initial_policy(settings, task.input_names, len(task.action_names), 3)
    policy["w_out"].copy_(0.1 * torch.randn(policy["w_out"].shape, generator=torch.Generator().manual_seed(1)))
    return effective(policy, masks)


def given(n_steps: int, n_trials: int) -> Given:
    g = torch.Generator().manual_seed(0)
    noise, value_noise = (torch.randn(n_steps, n_trials, n, generator=g) for n in (12, 10))
    return Given(noise, torch.rand(n_steps, n_trials, generator=g), value_noise)


# -- what is credited to what -----------------------------------------------------------------------------------------


def test_observations_follow_actions_by_one_step_and_rewards_belong_to_the_action() -> None:
    task = environment("Clock", reward_scale=4.0, tau_reward=3.0)
    trials = task.sample(np.random.default_rng(0), 30)
    engine = EnvironmentEngine(task, 0.5, 0.3, 0.3)
    episode = engine.rollout(weights(task), trials, given(7, 30))
    actions, mask, rewards = (x.numpy() for x in (episode.actions, episode.mask, episode.rewards))
    assert set(np.unique(actions)) == {-1, 0, 1, 2}
    number = np.array([np.random.Generator(np.random.PCG64(s)).integers(0, 9) for s in trials.conditions["seed"]])
    assert len(set(number)) > 4, "episodes differ"
    for i in range(30):
        steps = min(2 + number[i], 6)  # of the environment; the trial has one more, in front
        assert mask[:, i].tolist() == [1.0] * (steps + 1) + [0.0] * (6 - steps)
        assert (actions[: steps + 1, i] >= 0).all() and (actions[steps + 1 :, i] == -1).all()
        assert trials.inputs[0, i].tolist() == [0, 0, 0]
        assert trials.inputs[1, i].tolist() == [0, -1, number[i]], "the observation on reset drives the state at t = 1"
        for t in range(1, steps):
            assert trials.inputs[t + 1, i].tolist() == [t, 5 + actions[t, i], number[i]]
        assert rewards[0, i] == 0, "the first action does nothing"
        expected = [(10 * t + 5 + actions[t, i]) for t in range(1, steps + 1)]
        discount = np.exp(-np.arange(1, steps + 1) / 3.0)
        np.testing.assert_allclose(rewards[1 : steps + 1, i], np.array(expected) * discount / 4, rtol=1e-6)
        assert (rewards[steps + 1 :, i] == 0).all()
        assert trials.returns[i] == sum(expected), "neither scaled nor discounted"
        assert trials.phase[steps, i] == ENDED and (trials.phase[:steps, i] != ENDED).all()


def test_the_network_sees_what_the_environment_shows() -> None:
    """What was played, replayed as a fixed batch by the ordinary engine: same states, actions, values and gradients."""
    task = environment("Clock")
    trials = task.sample(np.random.default_rng(2), 9)
    policy = weights(task)
    value, masks = initial_value(ValueSettings(n_units=10), GatedSettings(n_units=12), 3, 4, 0.0)
    value["w_out"].fill_(0.1)
    value = effective(value, masks)
    results = []
    for engine in (EnvironmentEngine(task, 0.5, 0.3, 0.3), CpuEngine(0.5, 0.3, 0.3)):
        episode, passed = engine.rollout_with_value(policy, value, trials, given(7, 9))
        advantage = torch.arange(63.0).reshape(7, 9) * episode.mask
        activity = engine.activity(episode, passed)
        tensors = [torch.from_numpy(activity[k]) for k in ("policy_rates", "value_rates", "probabilities")]
        gradients = [
            *engine.policy_gradient(policy, episode, advantage).values(),
            *engine.value_gradient(value, passed, advantage).values(),
        ]
        results.append([episode.actions, episode.mask, passed.value, *tensors, *gradients])
    assert trials.inputs[1:].any()
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_an_episode_depends_on_its_own_seed() -> None:
    task = environment("Clock")
    seeds = np.array([7, 11, 7], np.int64)
    trials = task.episodes(seeds)
    engine = EnvironmentEngine(task, 0.5, 0.3, 0.3)
    for _ in range(2):  # used again, the environments are as new
        engine.rollout(weights(task), trials, Fresh.seeded(1))
        first = trials.inputs[1, :, 2].tolist()
        assert first[0] == first[2] != first[1]
        trials = task.episodes(seeds[::-1])
    part = trials[1:]
    assert isinstance(part, Episodes) and part.conditions["seed"].tolist() == [11, 7] and len(part.returns) == 2
    part.returns[0] = -3
    assert trials.returns[1] == -3, "a slice of a batch is filled in for the batch"


# -- learning ------------------------------------------------------------------------------------------


def test_a_cue_is_remembered_and_named() -> None:
    """The reward comes two steps after the cue, so that it is learned only if credit reaches the right action."""
    task = environment("Bandit", reward_scale=5.0, min_return=4.9)
    made = learner(task, trials_per_update=20, max_updates=600, learning_rate=0.01, validation_interval=20)
    start = None
    while not made.finished:
        if made.validation_due:
            row = made.validate()
            start = start or row
        made.update()
    assert start is not None and 1.5 < start["mean_return"] < 3.5, "chance"
    assert made.reached_criterion, made.history[-1]
    assert made.history[-1]["mean_return"] >= 4.9 and made.history[-1]["mean_length"] == 3
    assert made.history[-1]["mean_reward"] == pytest.approx(made.history[-1]["mean_return"] / 5)


def test_validation_on_episodes_of_its_own() -> None:
    """Scores do not depend on threads, each of which has environments of its own, nor on their number."""
    rows = []
    for threads in (1, 3):
        made = learner(environment("Clock"), threads=threads, validation_trials=400, trials_per_update=7)
        made.update()
        rows.append(made.validate())
    assert rows[0] == rows[1]
    assert 4.5 < rows[0]["mean_length"] < 5.7 and "p_correct" not in rows[0]


def states_equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(states_equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(states_equal, a, b))
    return bool(a == b)


def test_resumed_training_ends_as_an_undisturbed_one() -> None:
    def go_on(made: PolicyGradient, updates: int) -> None:
        while made.n_updates < updates:
            if made.validation_due:
                made.validate()
            made.update()

    kept: dict[int, Any] = {}
    whole = learner(task_class("cartpole")(), validation_interval=5, tracked_trials=20)  # type: ignore[call-arg, arg-type]
    for updates in (7, 35, 45):
        go_on(whole, updates)
        buffer = io.BytesIO()
        torch.save(whole.state(), buffer)
        kept[updates] = buffer.getvalue()
    for updates in (7, 35):
        resumed = learner(task_class("cartpole")(), validation_interval=5, tracked_trials=20)  # type: ignore[call-arg, arg-type]
        resumed.load_state(torch.load(io.BytesIO(kept[updates]), weights_only=True))
        go_on(resumed, 45)
        assert states_equal(resumed.state(), torch.load(io.BytesIO(kept[45]), weights_only=True))
    other = learner(task_class("cartpole")(), seed=2, validation_interval=5, tracked_trials=20)  # type: ignore[call-arg, arg-type]
    go_on(other, 45)
    assert other.history[-1]["mean_return"] != whole.history[-1]["mean_return"]


def test_cartpole_is_the_published_one() -> None:
    task = task_class("cartpole")()  # type: ignore[call-arg]
    assert isinstance(task, EnvironmentTask)
    assert (task.n_steps, len(task.input_names), len(task.action_names)) == (201, 4, 2)
    assert task.input_names[0] == "obs_0" and task.action_names[1] == "action_1"
    trials = task.sample(np.random.RandomState(0), 4)
    engine = EnvironmentEngine(task, 1.0, 0.06, 0.06)
    episode = engine.rollout(weights(task), trials, Fresh.seeded(1))
    lengths = episode.mask.sum(0).numpy()
    np.testing.assert_array_equal(trials.returns, lengths - 1, "every action but the first earns 1")
    np.testing.assert_allclose(episode.rewards.sum(0), (lengths - 1) / 200, rtol=1e-6)
    steady = gymnasium.make("CartPole-v1")
    seen, _ = steady.reset(seed=int(trials.conditions["seed"][2]))
    np.testing.assert_array_equal(trials.inputs[1, 2], seen)
    for t in range(1, 6):
        seen, *_ = steady.step(int(episode.actions[t, 2]))
        np.testing.assert_array_equal(trials.inputs[t + 1, 2], seen)


def test_the_time_limit_is_the_task_s_and_no_failure() -> None:
    """The limit replaces the registered one of 4 steps, and the last action still earns its reward."""
    task = environment("Clock", max_steps=5)
    trials = task.episodes(np.arange(20, dtype=np.int64))
    episode = EnvironmentEngine(task, 0.5, 0.3, 0.3).rollout(weights(task), trials, Fresh.seeded(1))
    long = episode.mask[5] == 1
    assert long.any() and (episode.rewards[5][long] >= 55).all()


# -- stages ------------------------------------------------------------------------------------------

BANDIT = [
    "--task.name=environment",
    "--task.id=rnnpipe_test/Bandit-v0",
    "--task.max_steps=3",
    "--task.min_return=4",
    "--task.reward_scale=5",
    "--network.n_units=12",
    "--network.connection_probability=0.5",
    "--network.tau=1",
    "--value_network.n_units=10",
    "--learning.trials_per_update=20",
    "--learning.learning_rate=0.02",
    "--learning.validation_interval=20",
]


def train(folder: Path, *more: str) -> list[str]:
    files = [f"--network={folder}/n.pth", f"--history={folder}/n.h5"]
    return ["train", *BANDIT, *files, "--seed=1", "--device=cpu", *more]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    assert main(train(folder)) == 0
    assert main(["dataset", *BANDIT[:4], "--dataset.trials_per_condition=300", f"--out={folder}/e.h5"]) == 0
    return folder


def evaluate(folder: Path, network: Path, out: str, dataset: str = "e.h5", *more: str) -> list[str]:
    files = [f"--network={network}/n.pth", f"--dataset={folder}/{dataset}", f"--out={folder}/{out}"]
    return ["evaluate", *files, "--device=cpu", *more]


def test_train_writes_a_network_and_a_history(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, history = read_network(made / "n.pth"), read_history(made / "n.h5")
    assert network.task.input_names == ("obs_0", "obs_1") and network.score["reached_criterion"]
    assert history.attrs["min_return"] == 4 and "min_correct" not in history.attrs
    assert not {"p_decision", "p_correct"} & set(history.columns)
    assert history["criterion"].iloc[-1] and history["mean_return"].iloc[-1] >= 4
    assert main(["info", f"{made}/n.pth"]) == main(["info", f"{made}/n.h5"]) == 0
    assert "mean_return" in capsys.readouterr().out


def test_evaluation_on_episodes(made: Path, tmp_path: Path) -> None:
    for out in ("a.h5", "b.h5"):
        assert main(evaluate(made, made, out, "e.h5", "--record_activity")) == 0
    assert (made / "a.h5").read_bytes() == (made / "b.h5").read_bytes()
    table, activity = read_table(made / "a.h5"), read_activity(made / "a.h5")
    assert len(table) == 300 and table["seed"].nunique() == 300 and (table["n_steps"] == 4).all()
    assert table["return"].mean() > 3.5, "what was learned"
    np.testing.assert_allclose(table["return"], 5 * activity["rewards"].sum(0), rtol=1e-6)
    np.testing.assert_allclose(table["reward"], activity["rewards"].sum(0), rtol=1e-6)
    assert activity["observations"].shape == (4, 300, 2)
    cue = activity["observations"][1].argmax(1)
    np.testing.assert_array_equal(table["return"] == 5, activity["actions"][3] == cue)
    assert not table["decision"].any()


def test_killed_runs_continue(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that fails after a checkpoint and is started again ends with the bytes of an undisturbed one."""
    update = PolicyGradient.update

    def dies(self: PolicyGradient) -> None:
        if self.n_updates == 12:
            raise KeyboardInterrupt
        update(self)

    monkeypatch.setattr(PolicyGradient, "update", dies)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        sys.exit(main(train(tmp_path, "--checkpoint_seconds=0")))
    monkeypatch.setattr(PolicyGradient, "update", update)
    assert list(tmp_path.glob(".n.pth.checkpoint"))
    assert main(train(tmp_path)) == 0
    for name in ("n.pth", "n.h5"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


def test_criterion_not_reached(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(train(tmp_path, "--task.min_return=6", "--learning.max_updates=30")) != 0
    error = capfd.readouterr().err
    assert "criterion was not reached after 600 trials" in error and "return" in error and "(criterion 6)" in error
    assert (tmp_path / "n.failed.h5").exists() and not (tmp_path / "n.pth").exists()
    keep = ["--task.min_return=6", "--learning.max_updates=30", "--learning.on_failure=keep"]
    assert main(train(tmp_path, *keep)) == 0


def test_options_are_given_to_the_environment(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = ["--task.id=rnnpipe_test/Broken-v0", "--task.max_steps=6", "--task.options={what: reward}"]
    assert main(train(tmp_path, *broken)) != 0
    error = capfd.readouterr().err
    assert "'rnnpipe_test/Broken-v0' gave a NaN or infinite reward at step 2" in error
    assert "Traceback" not in error


# -- bad input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"id": "NoSuch-v0"}, "environment 'NoSuch-v0' cannot be made .*NoSuch.*check id and options"),
        ({"id": "no_such_module:X-v0"}, "cannot be made .*no_such_module.*package is installed"),
        ({"id": "CartPole-v1", "options": {"gravty": 1}}, "cannot be made .*gravty.*check id and options"),
        ({"id": "Pendulum-v1"}, "has actions Box.*must be Discrete; wrap"),
        ({"id": "rnnpipe_test/Many-v0"}, "has actions MultiDiscrete.*must be Discrete; wrap"),
        ({"id": "rnnpipe_test/Named-v0"}, "has observations Dict.*must be a Box; wrap"),
    ],
)
def test_environments_that_cannot_be_learned(values: dict[str, Any], message: str) -> None:
    task = environment("Clock", **values)
    with pytest.raises(SettingsError, match=message) as error:
        learner(task)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("what", ["observation", "reward"])
def test_nan_from_an_environment(what: str, tmp_path: Path) -> None:
    made = learner(environment("Broken", options={"what": what}), max_updates=5)
    with pytest.raises(TrainingError, match=f"'rnnpipe_test/Broken-v0' gave a NaN or infinite {what} at step 2"):
        run(made, Checkpoint(tmp_path / "state", "key"), 100.0)


def test_required_settings() -> None:
    with pytest.raises(SettingsError, match="key 'id' is required.*'max_steps' is required.*'min_return' is required"):
        parse(task_class("environment"), {}, "tasks.mine")


def test_networks_in_environments_run_on_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_device("cuda", environment("Clock")).type == "cpu"
    assert "is an environment, which runs on the CPU" in capsys.readouterr().out
    assert choose_device("auto", environment("Clock")).type == "cpu"
    assert not capsys.readouterr().out


def test_stages_that_have_no_meaning(made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    trials, other = tmp_path / "t.h5", tmp_path / "o.h5"
    assert main(["dataset", "--task.name=rdm_rt", "--dataset.trials_per_condition=1", f"--out={trials}"]) == 0
    assert main(["dataset", "--task.name=cartpole", "--dataset.trials_per_condition=5", f"--out={other}"]) == 0
    for arguments, message in (
        (evaluate(tmp_path, made, "x.h5", "t.h5"), "kind 'trials', expected 'episodes'"),
        (evaluate(tmp_path, made, "x.h5", "o.h5"), "holds episodes of 'cartpole' (CartPole-v1)"),
        (
            ["fixed_points", f"--network={made}/n.pth", f"--dataset={other}", f"--out={tmp_path}/x.h5"],
            "no periods of constant input",
        ),
        (
            ["dataset", "--task.name=cartpole", "--dataset.conditions={side: 1}", f"--out={tmp_path}/x.h5"],
            "is an environment, of which nothing can be fixed",
        ),
        (["dataset", *BANDIT[:4], "--task.id=NoSuch-v0", f"--out={tmp_path}/x.h5"], "'NoSuch-v0' cannot be made"),
    ):
        capfd.readouterr()
        assert main(arguments) != 0, message
        error = capfd.readouterr().err
        assert message in error and "Traceback" not in error, error
        assert not (tmp_path / "x.h5").exists()


def test_a_network_whose_environment_is_gone(made: Path, tmp_path: Path) -> None:
    content = torch.load(made / "n.pth", weights_only=True)
    content["settings"] = content["settings"].replace("Bandit-v0", "Bandit-v9")
    torch.save(content, tmp_path / "n.pth")
    with pytest.raises(ArtefactError, match="Bandit-v9' cannot be made"):
        read_network(tmp_path / "n.pth")


def test_environments_are_no_trial_environments() -> None:
    assert {"cartpole", "environment"} <= set(environment_task_names())
    assert not set(environment_task_names()) & (set(task_names()) | set(IDS.values()))
    with pytest.raises(SettingsError, match="'cartpole' is an environment"):
        trial_task_class("cartpole")


# -- configuration ------------------------------------------------------------------------------------------


def test_a_study_is_checked_without_making_an_environment(tmp_path: Path) -> None:
    source = {
        "tasks": {"pole": {"task": "cartpole"}, "mine": {"task": "environment", "id": "N-v0", "max_steps": 5}},
        "datasets": {"pole": {"behaviour": {"trials_per_condition": 10}}},
        "experiments": {"pole": {"task": "pole", "network": {"tau": 1.0}, "seeds": [1]}},
    }
    source["tasks"]["mine"]["min_return"] = 1.0
    (tmp_path / "config").mkdir()
    config = tmp_path / "config" / "config.yaml"
    config.write_text(yaml.safe_dump({"sources": ["mine"]}))
    (tmp_path / "config" / "mine.yaml").write_text(yaml.safe_dump(source))
    code = (
        "import sys; from rnnpipe.config import read_study; s = read_study(sys.argv[1]);"
        "print(s.train_settings('pole'), s.dataset_settings('pole', 'behaviour'), s.dataset_settings);"
        "assert not {'gymnasium', 'torch', 'h5py'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(config)], capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr
    assert '"task":{"name":"cartpole"}' in done.stdout
    source["datasets"]["pole"]["behaviour"]["conditions"] = {"side": 1.0}  # type: ignore[index]
    (tmp_path / "config" / "mine.yaml").write_text(yaml.safe_dump(source))
    with pytest.raises(SettingsError, match="datasets.pole.behaviour.conditions: task cartpole is an environment"):
        read_study(config)
