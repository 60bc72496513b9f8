"""Supervised learning of tasks that have actions: targets, weights, answers; that it is learned; and its stages."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from alike import ALIKE
from numpy.typing import NDArray

from rnnpipe.cli.main import main
from rnnpipe.config import load_study
from rnnpipe.dataset import DatasetSettings, blocks
from rnnpipe.errors import SettingsError
from rnnpipe.io.ctrnn import read_ctrnn
from rnnpipe.io.evaluation import read_activity, read_table
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.networks.engines import hold_libraries
from rnnpipe.settings import parse
from rnnpipe.tasks import choice_task_names, trial_task_class
from rnnpipe.tasks._sources import decisions
from rnnpipe.tasks.supervised import MOST_INPUTS, Supervised
from rnnpipe.training.regression import Member
from rnnpipe.training.regression_settings import RegressionSettings
from rnnpipe.trials import FIXATE, Trials

PDM = "perceptual_decision_making"
TUTORIAL: dict[str, Any] = {"fixation": 300.0, "stimulus": 500.0, "decision": 300.0}
CEILING = 0.8645
"""Ideal observer of the tutorial's timing; see the task."""
NETWORK: dict[str, Any] = {"tau": 100.0, "activation": "relu", "io_weights": "gaussian", "train_bias": True}
LEARNING: dict[str, Any] = {"max_norm": 1.0, "penalties": {"mean_square_rate": 0.01}, "evaluation_interval": 50}

all_tasks = pytest.mark.parametrize("name", [name for name in choice_task_names() if name not in ALIKE])
Array = NDArray[Any]


@pytest.fixture(autouse=True)
def one_thread_each() -> None:
    hold_libraries()


def make(of: str = PDM, **values: Any) -> Supervised:
    return parse(Supervised, {"of": of, **values}, "task")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def targets(trials: Trials) -> tuple[Array, Array]:
    assert trials.target is not None and trials.mask is not None
    return trials.target, trials.mask


# -- targets, weights, answers -------------------------------------------------------------------------------


@all_tasks
def test_the_target_is_the_ground_truth_one_step_later(name: str) -> None:
    task = make(name)
    own = trial_task_class(name)(dt=task.dt).draw(rng(3), task.batch_size)[0]
    trials = task.batch(rng(3))
    target, mask = targets(trials)
    assert task.n_steps == len(target) == own.n_steps + 1 and task.output_names == own_names(name)
    np.testing.assert_array_equal(trials.inputs[:-1], own.inputs)
    assert (target.sum(2) == 1).all()
    np.testing.assert_array_equal(target[1:].argmax(2), own.ground_truth)

    onset, offset = decisions(own).T
    assert (mask[0] == 0).all() and (offset > onset).all()
    for i in range(8):
        decision = mask[1 + onset[i] : 1 + offset[i], i]
        n_grace = min(round(task.grace / task.dt), len(decision) - 1)
        assert (mask[1 : 1 + onset[i], i] == 1).all() and (mask[1 + offset[i] :, i] == 0).all()
        assert (decision[:n_grace] == 0).all() and (decision[n_grace:] == task.decision_weight).all()


def own_names(name: str) -> tuple[str, ...]:
    return trial_task_class(name)().action_names


@all_tasks
def test_whoever_gives_the_target_is_right_and_whoever_waits_is_not(name: str) -> None:
    task = make(name, held_out_trials=200)
    trials = task.held_out(rng(1))
    target, _ = targets(trials)
    scores = task.score(target, trials)
    assert scores["mse"] == 0 and scores["accuracy"] == 1
    nothing = task.choices(np.zeros_like(target), trials)
    assert nothing is not None
    can_wait = trials.correct[:, FIXATE] >= 0
    if len(task.output_names) == 2 and not can_wait.any():  # the question is when to act
        assert (nothing == -1).all()
    else:
        assert (nothing[can_wait] == FIXATE).all() and (nothing[~can_wait] > FIXATE).all()
    assert task.accuracy(-target, trials) < 0.9
    broken = np.where(np.arange(trials.n_trials)[:, None] == 0, np.nan, target)
    answers = task.choices(broken, trials)
    assert answers is not None and answers[0] == -1 and (answers[1:] >= 0).all()


def test_the_answer_is_read_once_the_last_input_of_the_decision_was_seen() -> None:
    task = make(settings=TUTORIAL, dt=100.0)
    trials = task.sample(rng(), 4, direction=[0, 1, 0, 1])
    assert task.n_steps == 12 and (decisions(trials) == [8, 11]).all()
    output = np.zeros((12, 4, 3))
    output[:, :, 0] = 5.0  # waiting is no answer here
    output[:11, :, 1], output[11, :, 2] = 1.0, 1.0
    np.testing.assert_array_equal(task.choices(output, trials), 2)
    assert task.score(output, trials)["accuracy"] == 0.5


def test_a_last_step_that_ends_the_trial_whatever_is_done_is_no_decision() -> None:
    trials = make("memory_dm").batch(rng())
    assert (decisions(trials)[:, 1] == trials.periods["decision"][:, 1] - 1).all()
    withheld = make("graded_go_nogo", batch_size=200).batch(rng())
    target, _ = targets(withheld)
    waits = withheld.correct[:, FIXATE] == 1
    assert 0 < waits.sum() < 200 and (target[:, waits, 1:] == 0).all()


def test_where_one_action_is_due_the_question_is_when() -> None:
    task = make("ready_set_go")
    trials = task.batch(rng())
    target, _ = targets(trials)
    first = target[..., 1].argmax(0)
    i = np.arange(trials.n_trials)
    for shift, right in ((0, 1), (-4, 0)):
        output = np.zeros_like(target)
        output[first + shift, i, 1] = 1
        assert task.accuracy(output, trials) == right


def test_weights_and_batches_are_settings() -> None:
    task = make(settings=TUTORIAL, dt=20.0, decision_weight=2.0, grace=40.0, batch_size=5, held_out_trials=7)
    trials = task.batch(rng())
    _, mask = targets(trials)
    assert (trials.n_trials, task.held_out(rng()).n_trials) == (5, 7)
    assert (np.unique(mask) == [0, 1, 2]).all() and (mask.sum(0) == 40 + 2 * 13).all()


def test_constant_inputs_are_those_of_the_task_and_few() -> None:
    inputs = make().protocol_inputs()
    assert list(inputs)[0] == "fixation" and "no input" in inputs and len(inputs) == 11
    many = make("gambling").protocol_inputs()
    assert len(many) <= 5 * MOST_INPUTS


def test_noise_of_the_task_can_be_left_out() -> None:
    quiet = make().without_noise()
    a, b = (quiet.sample(rng(seed), 2, direction=0, coherence=51.2).inputs for seed in (1, 2))
    np.testing.assert_array_equal(a, b)


def test_data_sets_have_the_conditions_of_the_task() -> None:
    (trials,) = blocks(make(), DatasetSettings(trials_per_condition=2))
    assert trials.n_trials == 20 and trials.task == "supervised"
    assert set(trials.conditions) == {"direction", "coherence", "fixation", "stimulus", "delay"}


# -- learning ------------------------------------------------------------------------------------------------


def trained(task: Supervised, seed: int = 1, n_units: int = 50, **learning: Any) -> Member:
    units = parse(CtrnnSettings, {**NETWORK, "sigma_in": 0.0, "n_units": n_units}, "network")
    member = Member(task, units, parse(RegressionSettings, {**LEARNING, **learning}, "learning"), seed)
    while not member.finished:
        member.advance()
    return member


def test_perceptual_decisions_are_learned_to_the_ceiling() -> None:
    member = trained(make(settings=TUTORIAL, dt=20.0, held_out_trials=2000), max_iterations=300, learning_rate=0.005)
    assert abs(member.score()["accuracy"] - CEILING) < 0.03  # 2000 trials: SE 0.008
    assert member.history[0]["accuracy"] < 0.7


@pytest.mark.slow
def test_a_memory_is_learned() -> None:
    member = trained(make("delay_match_sample", dt=50.0), 2, 64, max_iterations=800, learning_rate=0.002)
    assert member.score()["accuracy"] > 0.97


# -- stages --------------------------------------------------------------------------------------------------

QUICK = {"n_units": 12, "tau": 100.0, "train_bias": True}


def test_stages_from_training_to_fixed_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = ["--task.name=supervised", f"--task.of={PDM}", "--task.dt=50"]
    task += ["--task.settings={fixation: 300.0, stimulus: 500.0, decision: 300.0, coherences: [6.4, 51.2]}"]
    network, trials = str(tmp_path / "n.pth"), str(tmp_path / "d.h5")
    short = ["--learning.rule=regression", "--learning.max_iterations=60", "--learning.learning_rate=0.02"]
    short += [f"--network.{key}={json.dumps(value)}" for key, value in QUICK.items()]
    assert main(["train", *task, *short, "--seed=1", f"--network={network}", f"--history={tmp_path / 'h.h5'}"]) == 0
    assert (
        read_ctrnn(network).task.changed() == make(dt=50.0, settings={**TUTORIAL, "coherences": [6.4, 51.2]}).changed()
    )
    assert main(["dataset", *task, "--dataset.trials_per_condition=25", f"--out={trials}"]) == 0
    out = str(tmp_path / "e.h5")
    assert main(["evaluate", f"--network={network}", f"--dataset={trials}", "--record_activity", f"--out={out}"]) == 0
    table = read_table(out)
    assert len(table) == 100 and table["decision"].all() and set(table["choice"]) <= {1, 2}
    np.testing.assert_array_equal(table["correct"], table["choice"] == table["direction"] + 1)
    np.testing.assert_array_equal(table["reward"], table["correct"])
    assert read_activity(out, "output")["output"].shape == (23, 100, 3)
    figure = str(tmp_path / "p.pdf")
    assert main(["figures", "--figure=fig_psychometric", f"--inputs=behaviour={out}", f"--out={figure}"]) == 0
    points = ["--search.n_starts=16", "--search.max_starts=16", f"--out={tmp_path / 'f.h5'}"]
    assert main(["fixed_points", f"--network={network}", *points, "--input", "rest=0,0,0"]) == 0

    other = ["--task.name=supervised", "--task.of=delay_match_sample", "--task.dt=50"]
    assert main(["dataset", *other, "--dataset.trials_per_condition=1", f"--out={trials}"]) == 0
    assert main(["evaluate", f"--network={network}", f"--dataset={trials}", f"--out={out}"]) > 0
    assert f"holds trials of 'delay_match_sample', but {network} has learned '{PDM}'" in capsys.readouterr().err


def test_a_configuration_names_the_code_of_the_inner_task(tmp_path: Path) -> None:
    source = {
        "tasks": {
            "ours": {"task": "supervised", "of": "delay_comparison"},
            "theirs": {"task": "supervised", "of": "neurogym:GoNogo-v0", "settings": {"dt": 20.0}},
        },
        "experiments": {
            name: {"task": name, "learning": {"rule": "regression"}, "network": {"tau": 200.0}, "seeds": [1]}
            for name in ("ours", "theirs")
        },
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(source))
    study = load_study({"sources": [str(path)]}, (tmp_path,))
    assert study.task_modules("ours") == ("tasks.supervised", "tasks.delay_comparison")
    assert study.task_modules("theirs") == ("tasks.supervised", "environments.neurogym_task")
    assert study.task("theirs").dt == 20.0


# -- mistakes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"of": "perceptual_decision"}, r"of: 'perceptual_decision' is no task .*did you mean 'perceptual_decision_ma"),
        ({"of": "flip_flop"}, r"'flip_flop' has targets of its own"),
        ({"of": "supervised"}, r"'supervised' has targets of its own"),
        ({"of": "cartpole"}, r"'cartpole' is an environment"),
        ({"settings": {"fixatoin": 100.0}}, r"unknown key 'fixatoin' \(did you mean 'fixation'"),
        ({"settings": {"stimulus": 10.0}}, r"stimulus can be 10 ms, shorter than one step"),
        ({"dt": 20.0, "settings": {"dt": 10.0}}, r"dt = 20 ms, but dt of settings = 10.0 ms"),
        ({"reward_abort": -2.0}, r"reward_abort is no setting of task supervised itself"),
        ({"decision_weight": 0.0}, r"decision_weight = 0\.0: .*greater than 0"),
        ({"batch_size": 0}, r"batch_size = 0 trials"),
        ({"of": ""}, r"of = '': .*at least 1 character"),
    ],
)
def test_bad_settings_are_one_sentence(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        parse(Supervised, values, "tasks.mine")
    assert str(error.value).startswith("tasks.mine: ") and "\n" not in str(error.value)


def test_the_step_is_that_of_the_task() -> None:
    assert make("rdm_fixed").dt == 10.0 and make(settings={"dt": 50.0}).dt == 50.0
    assert make("rdm_fixed").changed() == {"of": "rdm_fixed", "dt": 10.0}
    assert parse(Supervised, make("rdm_fixed").model_dump(mode="json"), "again") == make("rdm_fixed")


# -- NeuroGym ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(find_spec("neurogym") is None, reason="NeuroGym is not installed (docs/neurogym.md)")
@pytest.mark.parametrize("id", ["PerceptualDecisionMaking-v0", "ContextDecisionMaking-v0", "GoNogo-v0", "AntiReach-v0"])
def test_tasks_of_neurogym_have_targets_and_answers(id: str) -> None:
    task = make(f"neurogym:{id}", dt=40.0)
    trials = task.batch(rng(1))
    target, mask = targets(trials)
    assert target.shape == (task.n_steps, 64, len(task.output_names)) and mask.max() == 5
    scores = task.score(target, trials)
    assert scores["mse"] == 0 and scores["accuracy"] == 1
    np.testing.assert_array_equal(trials.inputs, task.batch(rng(1)).inputs)
    assert all(values.shape == (64,) for values in trials.conditions.values()) and "no input" in task.protocol_inputs()


@pytest.mark.skipif(find_spec("neurogym") is None, reason="NeuroGym is not installed (docs/neurogym.md)")
def test_tasks_of_neurogym_without_ground_truth_are_refused() -> None:
    with pytest.raises(SettingsError, match="Bandit-v0 has no ground truth"):
        make("neurogym:Bandit-v0").batch(rng())
