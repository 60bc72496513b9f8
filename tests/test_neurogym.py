"""NeuroGym's tasks under our conventions: seeds, rows against NeuroGym's own step, batches, learning, bad input.

NeuroGym's pins exclude the versions that this package is developed with, so it is no extra; docs/neurogym.md says how
to install it beside. Without it, all but the tests of messages are skipped.
"""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rnnpipe.cli.main import main
from rnnpipe.environments._neurogym import (
    NEEDS,
    NO_GROUND_TRUTH,
    WITHHOLDS,
    WRONG_GROUND_TRUTH,
    WRONG_REWARD,
    TrialStream,
)
from rnnpipe.environments.neurogym import NeurogymEnv, NeurogymSource, neurogym_ids
from rnnpipe.errors import SettingsError
from rnnpipe.io.history import read_history
from rnnpipe.io.network import read_network
from rnnpipe.settings import parse
from rnnpipe.tasks import task_class, task_names, trial_task_class
from rnnpipe.tasks._environment import EnvironmentTask

try:
    IDS = neurogym_ids()
except SettingsError:
    IDS = []

needs_neurogym = pytest.mark.skipif(not IDS, reason="NeuroGym is not installed (docs/neurogym.md)")
pytestmark = pytest.mark.filterwarnings("ignore:.*NeuroGym:UserWarning")

ARGUMENTS: dict[str, dict[str, Any]] = {"AnnubesEnv-v0": {"session": {"v": 0.5, "a": 0.5}, "catch_prob": 0.5}}
"""Of those that cannot be made without."""

CANNOT_BE_MADE = {"perceptualdecisionmaking.ibl20-v0": "its wrappers work on gymnasium 0.29 only"}
OTHER_STEP = {"perceptualdecisionmaking.roitman02-v0": "its wrapper's step fails on gymnasium 1"}
RUN = [id for id in IDS if id not in CANNOT_BE_MADE]
SUPERVISED = [id for id in RUN if id not in NO_GROUND_TRUTH]
PDM = "PerceptualDecisionMaking-v0"
SHORT = {"timing": {"fixation": 100, "stimulus": 300, "decision": 200}}


def actions(env: Any, n: int) -> list[Any]:
    rng = np.random.default_rng(5)
    space = env.action_space
    if hasattr(space, "n"):  # half of the time waiting: trials are longer then
        return [0 if wait else a for a, wait in rng.integers([space.n, 2], size=(n, 2)).tolist()]
    return list(rng.uniform(space.low, space.high, (n, *space.shape)))


def rollout(env: Any, seed: int | None, n: int = 150) -> str:
    out: list[Any] = [env.reset(seed=seed)]
    for action in actions(env, n):
        out.append(env.step(action))
        if out[-1][2] or out[-1][3]:
            out.append(env.reset())
    return repr(out)


def oracle(env: NeurogymEnv, n_trials: int, seed: int = 0) -> list[dict[str, Any]]:
    """Info of the ends of trials in which the ground truth is played; `return` is the sum of a trial's rewards."""
    ends = []
    for i in range(n_trials):
        _, info = env.reset(seed=seed + i)
        over, total = False, 0.0
        while not over:
            _, reward, over, _, info = env.step(info["ground_truth"])
            total += reward
        ends.append({**info, "return": total})
    return ends


# -- all ids ---------------------------------------------------------------------------------------------------


@needs_neurogym
def test_the_tables_name_ids_that_exist() -> None:
    named = {*NEEDS, *NO_GROUND_TRUTH, *WITHHOLDS, *WRONG_GROUND_TRUTH, *WRONG_REWARD, *CANNOT_BE_MADE, *OTHER_STEP}
    assert named <= set(IDS) and len(IDS) >= 52
    for id in RUN:
        assert TrialStream(id, ARGUMENTS.get(id, {})).has_ground_truth == (id not in NO_GROUND_TRUTH), id


@pytest.mark.parametrize("id", RUN)
def test_a_seed_determines_everything(id: str) -> None:
    """Whatever the environment did before; another seed gives other trials."""
    arguments = ARGUMENTS.get(id, {})
    env = NeurogymEnv(id, mode="endless", **arguments)
    first = rollout(env, 3)
    rollout(env, 4)
    assert rollout(env, 3) == first == rollout(NeurogymEnv(id, mode="endless", **arguments), 3)
    if id != "Null-v0":
        assert rollout(env, 4) != first
    trial = NeurogymEnv(id, **arguments)
    assert rollout(trial, 3) == rollout(trial, 3)


@pytest.mark.parametrize("id", [id for id in RUN if id not in OTHER_STEP])
def test_rows_are_those_of_neurogym(id: str) -> None:
    """Against the task's own `step`, seeded alike: observation, reward, end and ground truth of every action."""
    import neurogym

    arguments = ARGUMENTS.get(id, {})
    env, stream = NeurogymEnv(id, mode="endless", **arguments), TrialStream(id, arguments)
    seen, info = env.reset(seed=8)
    stream.seed(np.random.default_rng(8))
    stream.begin()
    assert isinstance(stream.base, neurogym.core.TrialEnv)
    n_ends = 0
    for action in actions(env, 250 if env.dt > 10 else 700):
        base = stream.base
        trial = stream.conditions()
        truth = base.gt[base.t_ind].copy() if stream.has_ground_truth else None
        if truth is not None:
            np.testing.assert_array_equal(info["ground_truth"], truth.astype(np.float32))
        theirs, reward, _, _, their_info = base.step(action)
        seen, ours, terminated, truncated, info = env.step(action)
        assert (ours, info["new_trial"], terminated, truncated) == (reward, their_info["new_trial"], False, False)
        n_ends += info["new_trial"]
        if info["new_trial"]:
            assert repr(info["trial"]) == repr(trial), "the trial that ended"
            if id not in (*WRONG_REWARD, *WRONG_GROUND_TRUTH):
                assert info["performance"] == their_info["performance"]
        if not (info["new_trial"] and (len(stream._bases) > 1 or id == "DawTwoStep-v0")):
            # where tasks take turns, NeuroGym shows the first row of the wrong one
            np.testing.assert_array_equal(seen, np.array(np.broadcast_to(theirs, seen.shape), np.float32))
    assert n_ends >= 2


@pytest.mark.parametrize("id", SUPERVISED)
def test_seeded_batches(id: str) -> None:
    source = NeurogymSource(id, **ARGUMENTS.get(id, {}))
    a, other = source.batch(6, 1), source.batch(6, 2)
    b, c = source.batch(6, np.random.default_rng(1)), NeurogymSource(id, **ARGUMENTS.get(id, {})).batch(6, 1)
    assert repr(a) == repr(b) == repr(c)
    for name in ("inputs", "ground_truth", "mask", "lengths"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        np.testing.assert_array_equal(getattr(a, name), getattr(c, name))
    assert a.inputs.shape != other.inputs.shape or (a.inputs != other.inputs).any() or repr(a) != repr(other)
    assert a.inputs.dtype == np.float32 and a.inputs.shape == (a.lengths.max(), 6, len(source.input_names))
    assert a.ground_truth.shape[:2] == a.mask.shape == a.inputs.shape[:2]
    np.testing.assert_array_equal(a.mask.sum(0), a.lengths)
    past = a.mask == 0
    assert not a.inputs[past].any() and not a.ground_truth[past].any()
    assert all(x.shape == (6, 2) for x in a.periods.values()) and all(len(x) == 6 for x in a.conditions.values())
    assert max(x.max() for x in a.periods.values()) <= a.lengths.max()


@pytest.mark.parametrize("id", [id for id in SUPERVISED if "Reaching1D" not in id])
def test_batch_and_environment_show_the_same_trial(id: str) -> None:
    trials = NeurogymSource(id, **ARGUMENTS.get(id, {})).batch(1, np.random.default_rng(4))
    env = NeurogymEnv(id, **ARGUMENTS.get(id, {}))
    seen, info = env.reset(seed=4)
    wait = 0 if hasattr(env.action_space, "n") else np.zeros(env.action_space.shape, np.float32)
    t, over = 0, False
    while not over:
        np.testing.assert_array_equal(seen, trials.inputs[t, 0])
        np.testing.assert_array_equal(info["ground_truth"], trials.ground_truth[t, 0])
        for name in trials.periods:
            onset, offset = trials.periods[name][0]
            assert (info["period"] == env.period_names.index(name)) <= (onset <= t < offset)
        seen, _, over, _, info = env.step(wait)
        t += 1
    assert info["trial"].keys() == trials.conditions.keys()


@pytest.mark.parametrize("id", [PDM, "Bandit-v0", "DawTwoStep-v0", "yang19.go-v0", "ReachingDelayResponse-v0"])
@pytest.mark.filterwarnings("ignore")
def test_gymnasium_accepts_them(id: str) -> None:
    if not IDS:
        pytest.skip("NeuroGym is not installed (docs/neurogym.md)")
    for mode in ("trial", "session"):
        check_env(NeurogymEnv(id, mode=mode, session_trials=3), skip_render_check=True)


# -- what is mended ------------------------------------------------------------------------------------------------


@needs_neurogym
@pytest.mark.parametrize(
    "id", [*WITHHOLDS, PDM, "PostDecisionWager-v0", "DualDelayMatchSample-v0", "DelayComparison-v0"]
)
def test_who_plays_the_ground_truth_performs(id: str) -> None:
    ends = oracle(NeurogymEnv(id), 20)
    assert [end["performance"] for end in ends] == [1.0] * 20


@needs_neurogym
def test_waiting_counts_only_where_it_is_right() -> None:
    env = NeurogymEnv("GoNogo-v0")
    ends = []
    for seed in range(30):
        env.reset(seed=seed)
        over = False
        while not over:
            _, _, over, _, info = env.step(0)
        ends.append((info["trial"]["ground_truth"], info["performance"]))
    assert set(ends) == {(0, 1.0), (1, 0.0)}


@needs_neurogym
def test_bandit_performance_is_the_arm_that_pays_most() -> None:
    env = NeurogymEnv("Bandit-v0", mode="session", session_trials=4, p=[0.2, 0.9])
    env.reset(seed=0)
    steps = [env.step(a) for a in (0, 1, 1, 0)]
    assert [s[4]["performance"] for s in steps] == [0, 1, 1, 0]
    assert [s[3] for s in steps] == [False, False, False, True]


@needs_neurogym
def test_the_rule_of_roitman02() -> None:
    """Choices count from the second step of the stimulus, with which the trial ends."""
    env = NeurogymEnv("perceptualdecisionmaking.roitman02-v0")
    trials = NeurogymSource("perceptualdecisionmaking.roitman02-v0").batch(5, 0)
    onset, offset = trials.periods["stimulus"][0]
    np.testing.assert_array_equal(trials.lengths, offset)
    assert not trials.ground_truth[: onset + 1].any() and trials.ground_truth[onset + 1 :].all()
    for end in oracle(env, 5):
        assert (end["performance"], end["reaction_time"], end["return"]) == (1.0, 100.0, 1.0)
    env.reset(seed=0)
    length, over = 0, False
    while not over:
        _, _, over, _, info = env.step(0)
        length += 1
    assert length == offset and info["performance"] == 0


@needs_neurogym
def test_tasks_that_take_turns_begin_with_any_of_them() -> None:
    env = NeurogymEnv("yang19.go-v0")
    shown = []
    for seed in range(12):
        env.reset(seed=seed)
        rows = np.array([env.step(0)[0] for _ in range(8)])
        shown.append(bool(rows[:, 1:17].any()))
    assert 0 < sum(shown) < 12


@needs_neurogym
@pytest.mark.parametrize("id", [*WRONG_REWARD])
def test_wrong_rewards_are_told(id: str) -> None:
    with pytest.warns(UserWarning, match=f"reward of NeuroGym's {id}: "):
        NeurogymEnv(id)


@needs_neurogym
@pytest.mark.parametrize("id", [*WRONG_GROUND_TRUTH, "DelayMatchCategory-v0"])
def test_wrong_ground_truths_are_told(id: str) -> None:
    source = NeurogymSource(id)
    with pytest.warns(UserWarning, match=f"NeuroGym's {id}"):
        source.batch(2, 0)


@needs_neurogym
def test_what_is_right_is_not_complained_about() -> None:
    with pytest.warns(UserWarning, match=f"{PDM}: fixation, decision is shorter than a step of 200 ms"):
        NeurogymSource(PDM, dt=200)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        NeurogymSource(PDM).batch(3, 0)
        NeurogymSource("DelayMatchCategory-v0", dim_ring=8).batch(3, 0)


@needs_neurogym
def test_observations_are_copies() -> None:
    env, same = NeurogymEnv(PDM), NeurogymEnv(PDM)
    env.reset(seed=0)[0][:] = 9
    same.reset(seed=0)
    for _ in range(5):
        seen = env.step(0)[0]
        np.testing.assert_array_equal(seen, same.step(0)[0])
        seen[:] = 9


def test_the_page_names_tasks_that_exist() -> None:
    """The table of docs/neurogym.md, both sides; who has NeuroGym sees theirs checked, too."""
    page = (Path(__file__).parents[1] / "docs" / "neurogym.md").read_text()
    rows = re.findall(r"^\| `([\w.]+-v0)` \| `(\w+)` \|$", page, re.MULTILINE)
    assert len(rows) == 42 and {ours for _, ours in rows} <= set(task_names())
    assert not IDS or {theirs for theirs, _ in rows} <= set(IDS)
    for theirs, ours in rows:
        if not theirs.startswith("yang19."):
            name = {"GoNogo-v0": "DelayedGoNogo", "PostDecisionWager-v0": "PostDecisionWagerNeuroGym"}.get(theirs)
            assert trial_task_class(ours).environment == (name or theirs.removesuffix("-v0"))
    block = page.split("In Python:\n\n```python\n")[1].split("```")[0]
    if IDS:
        exec(block, {})


# -- learning ------------------------------------------------------------------------------------------------------

TASK = [
    "--task.name=environment",
    f"--task.id=neurogym:{PDM}",
    "--task.options={timing: {fixation: 100, stimulus: 300, decision: 200}, cohs: [51.2, 102.4]}",
    "--task.dt=100",
    "--task.max_steps=6",
    "--task.min_return=0.9",
]


@needs_neurogym
@pytest.mark.slow
def test_a_policy_learns_one(tmp_path: Any) -> None:
    """Perceptual decision making with strong signals, from reward alone; the same seed, the same bytes."""
    learning = ["--network.n_units=30", "--network.tau=100", "--value_network.n_units=20"]
    learning += [
        "--learning.trials_per_update=40",
        "--learning.learning_rate=0.02",
        "--learning.validation_interval=20",
    ]
    for run in ("a", "b"):
        files = [f"--network={tmp_path}/{run}.pth", f"--history={tmp_path}/{run}.h5"]
        assert main(["train", *TASK, *learning, *files, "--seed=1", "--device=cpu"]) == 0
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
    network = read_network(tmp_path / "a.pth")
    assert network.task.input_names == ("fixation", "stimulus_0", "stimulus_1")
    assert network.task.action_names == ("fixation", "choice_0", "choice_1")
    assert read_history(tmp_path / "a.h5")["mean_return"].iloc[-1] >= 0.9


def environment(**values: Any) -> EnvironmentTask:
    values = {"id": f"neurogym:{PDM}", "max_steps": 22, "min_return": 1.0, "dt": 100, **values}
    task = parse(task_class("environment"), values, "task")
    assert isinstance(task, EnvironmentTask)
    return task


@needs_neurogym
def test_its_environment_is_a_task_s() -> None:
    task = environment(options=SHORT)
    env = task.make()
    assert isinstance(env.unwrapped, NeurogymEnv) and env.unwrapped.dt == 100
    assert len(task.input_names) == task.spaces.n_inputs == 3
    assert rollout(env, 5) == rollout(task.make(), 5)
    named = gymnasium.make("rnnpipe.environments.neurogym:rnnpipe/NeuroGym-v0", task=PDM, **SHORT)
    assert rollout(named, 5) == rollout(env, 5)


def test_the_adapter_belongs_to_the_code_of_a_training() -> None:
    assert environment().modules == ("environments.neurogym",)
    assert environment(id="CartPole-v1").modules == ()


# -- bad input -----------------------------------------------------------------------------------------------------


@needs_neurogym
@pytest.mark.parametrize("id", NO_GROUND_TRUTH)
def test_tasks_without_ground_truth_are_refused(id: str) -> None:
    with pytest.raises(SettingsError, match=f"{id} has no ground truth.*learn it by reward.*neurogym:{id}") as error:
        NeurogymSource(id).batch(3, 0)
    assert "\n" not in str(error.value)


@needs_neurogym
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"id": "neurogym:PerceptualDecisonMaking-v0"}, f"no task 'PerceptualDecisonMaking-v0' .did you mean '{PDM}'"),
        ({"id": "neurogym:AnnubesEnv-v0"}, "cannot be made .*session.*give its `session`"),
        ({"id": "neurogym:perceptualdecisionmaking.ibl20-v0"}, "ibl20-v0 cannot be made .*gymnasium 0.29"),
        ({"options": {"sigmas": 2}}, f"{PDM} cannot be made .*sigmas.*check its arguments"),
        ({"options": {"mode": "trail"}}, "unknown mode 'trail' .did you mean 'trial'"),
        ({"options": {"mode": "session", "session_trials": 0}}, "session_trials = 0: must be at least 1"),
        ({"dt": 20}, r"dt = 20 ms, but a step of 'neurogym:Per.*' is 100 ms; set dt to that, or `options: {dt: 20}`"),
        ({"id": "neurogym:ReachingDelayResponse-v0"}, "has actions Box.*must be Discrete"),
    ],
)
def test_what_cannot_be_made(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        print(environment(**values).spaces)
    assert "\n" not in str(error.value)


@needs_neurogym
def test_impossible_batches_and_actions() -> None:
    with pytest.raises(SettingsError, match="n_trials = 0: must be at least 1"):
        NeurogymSource(PDM).batch(0, 0)
    env = NeurogymEnv(PDM)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action 3 is not one of 0 .. 2"):
        env.step(3)


def test_without_neurogym_there_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "neurogym"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "neurogym", None)
    task = [x.replace(PDM, "GoNogo-v0") for x in TASK[:2] + TASK[3:]]
    assert main(["train", *task, f"--network={tmp_path}/n.pth", f"--history={tmp_path}/n.h5", "--seed=1"]) == 2
    error = capfd.readouterr().err
    assert "NeuroGym cannot be imported" in error and "pip install --no-deps neurogym==2.3.1" in error
    assert "Traceback" not in error and not list(tmp_path.iterdir())
