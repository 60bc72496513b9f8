"""Training of continuous-time networks: optimiser, losses, best network, divergence, resuming, stages, settings."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from rnnpipe.cli.main import main
from rnnpipe.config import Study, load_study
from rnnpipe.config_entries import RegressionExperiment
from rnnpipe.errors import SettingsError, TrainingError
from rnnpipe.io.ctrnn import read_ctrnn
from rnnpipe.io.evaluation import read_activity, read_table
from rnnpipe.io.history import read_regression_history
from rnnpipe.io.network import read_tensors, write_tensors
from rnnpipe.io.trials import open_trials
from rnnpipe.networks.ctrnn import ARRAYS
from rnnpipe.networks.ctrnn_engine import CtrnnEngine
from rnnpipe.networks.ctrnn_engine_torch import TorchCtrnnEngine
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.networks.engines import hold_libraries
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._presets import PRESETS
from rnnpipe.tasks._regression import RegressionTask
from rnnpipe.training.regression import Member
from rnnpipe.training.regression_adam import Adam, task_safe
from rnnpipe.training.regression_settings import RegressionSettings

ROOT = Path(__file__).parents[1]
TASK: dict[str, Any] = {"n_bits": 1, "tmax": 60.0, "repeats": 16}
DALE: dict[str, Any] = {"activation": "relu", "dale": True, "nonnegative_io": True}


@pytest.fixture(autouse=True)
def one_thread_each() -> None:
    hold_libraries()


def task(name: str = "flip_flop", **settings: Any) -> RegressionTask:
    made = parse(trial_task_class(name), settings, "task")
    assert isinstance(made, RegressionTask)
    return made


def member(seed: int = 3, network: dict[str, Any] | None = None, **learning: Any) -> Member:
    units = CtrnnSettings(**{"n_units": 12, **(network or {})})
    return Member(task(**TASK), units, RegressionSettings(**{"max_iterations": 40, **learning}), seed)


def trained(made: Member) -> Member:
    while not made.finished:
        made.advance()
    return made


# -- optimiser and schedules ---------------------------------------------------------------------------------


def test_adam_is_the_published_one_with_coupled_weight_decay() -> None:
    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=(4, 3)).astype(np.float32), "b": rng.normal(size=5).astype(np.float32)}
    ours = Adam({**arrays, "fixed": np.ones(2, np.float32)}, ("a", "b"), 0.01)
    expected = {name: a.astype(float) for name, a in arrays.items()}
    m, v = ({name: np.zeros(a.shape) for name, a in arrays.items()} for _ in range(2))
    for k in range(1, 51):
        gradients = {name: rng.normal(size=a.shape).astype(np.float32) for name, a in arrays.items()}
        for name, a in expected.items():
            g = gradients[name] + 0.01 * a
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g**2
            expected[name] = a - 0.02 * (m[name] / (1 - 0.9**k)) / (np.sqrt(v[name] / (1 - 0.999**k)) + 1e-8)
        ours.step(ours.flat(gradients), 0.02)
    for name, a in expected.items():
        np.testing.assert_allclose(ours.arrays[name], a, rtol=2e-5, atol=2e-6)
    assert (ours.arrays["fixed"] == 1).all()


def test_schedules() -> None:
    def rates(at: list[int], n_units: int = 100, **learning: Any) -> list[float]:
        made = RegressionSettings(max_iterations=101, learning_rate=1.0, **learning)
        return [made.rate(k, n_units) for k in at]

    assert rates([0, 100]) == [1, 1]
    assert rates([0, 50, 100], schedule="cosine", final_rate=0.1) == pytest.approx([1, 0.55, 0.1])
    assert rates([0, 9, 10, 25], schedule="step", step_interval=10, step_factor=0.5) == [1, 1, 0.5, 0.25]
    assert rates([0, 4, 9, 10], warmup=10) == pytest.approx([0.1, 0.5, 1, 1])
    assert rates([10, 100], schedule="cosine", warmup=10) == pytest.approx([1, 0], abs=1e-12)
    assert rates([0], n_units=800, scale_with_units=True) == pytest.approx([0.5])


def test_annealed_noise_rises() -> None:
    made = RegressionSettings(max_iterations=120, anneal_noise=True)
    assert [made.noise_factor(k) for k in (0, 40, 120)] == pytest.approx([1 / (1 + math.exp(4)), 0.5, 1], abs=4e-4)
    quiet, loud = member(anneal_noise=True), member()
    batch = quiet.batch(0)
    same = [m.gradient(m.arrays(), batch, k)[2] for m, k in ((quiet, 39), (quiet, 0))]
    clean = member(network={"sigma_rec": 0.0, "sigma_in": 0.0})
    without = clean.gradient(clean.arrays(), batch, 0)[2]
    assert abs(same[1] - without) < 0.2 * abs(same[0] - without) or abs(same[1] - without) < 1e-3
    assert loud.noise(0, batch[0].shape)[1] is None


def test_task_safe_gradients_do_not_oppose_the_task() -> None:
    t, p = np.float32([1, 2, 0]), np.float32([-3, 1, 4])
    safe = task_safe(t, p)
    assert (safe - t) @ t == pytest.approx(0, abs=1e-6)
    assert (task_safe(t, -p) == t - p).all(), "p.t is above zero there"


@pytest.mark.parametrize("penalties", [{"orthogonality": 5.0}, {"mean_square_rate": 20.0, "state_magnitude": 1.0}])
def test_task_safe_training_splits_the_gradient(penalties: dict[str, float]) -> None:
    """The combination of the two parts found apart: without penalties, and what they add."""
    plain, both, safe = member(penalties={}), member(penalties=penalties), member(penalties=penalties, task_safe=True)
    batch = plain.batch(0)
    g = [m.gradient(m.arrays(), batch, 0)[0].astype(float) for m in (plain, both, safe)]
    np.testing.assert_allclose(g[2], task_safe(g[0], g[1] - g[0]), rtol=1e-3, atol=1e-5)


# -- losses --------------------------------------------------------------------------------------------------

NETWORKS: dict[str, dict[str, Any]] = {
    "cddm": {**DALE, "n_units": 75},
    "dmts": {**DALE, "spectral_radius": 1.1},
    "flip_flop_2bit": {},
    "flip_flop": {},
    "memory_anti_number": {"sigma_rec": 0.015, "sigma_in": 0.015},
    "memory_anti_angle": {},
}
"""What differs from the defaults in the networks of the 2023 presets."""

RATES = {"dmts": 0.05, "memory_anti_number": 0.005, "memory_anti_angle": 0.005}


def preset(name: str, **changes: Any) -> Member:
    settings = {**PRESETS[f"seed2023/{name}"], **changes}
    rate = RATES.get(name, 0.02)
    learning = RegressionSettings(learning_rate=rate, evaluation_interval=1, same_batch=name in ("cddm", "dmts"))
    return Member(task(settings.pop("task"), **settings), CtrnnSettings(**NETWORKS[name]), learning, 0)


@pytest.mark.parametrize(
    ("name", "changes", "low", "high"),
    [
        ("cddm", {"coherences": [-0.8, -0.2, -0.05, 0.0, 0.05, 0.2, 0.8]}, 2.4, 2.8),
        ("dmts", {"repeats": 8}, 1.2, 1.3),
        ("flip_flop_2bit", {"repeats": 64}, 1.55, 1.9),
        ("flip_flop", {"repeats": 64}, 2.1, 2.5),
    ],
)
def test_loss_of_the_untrained_presets(name: str, changes: dict[str, Any], low: float, high: float) -> None:
    made = preset(name, **changes)
    made.advance()
    row = made.history[0]
    assert low < row["loss"] < high
    m = made.first.n_inputs + made.first.n_outputs
    assert row["penalty_orthogonality"] == pytest.approx(math.sqrt(m * (m - 1)), rel=0.04)


@pytest.mark.parametrize(("name", "low", "high"), [("memory_anti_number", 1.35, 1.7), ("memory_anti_angle", 2.2, 2.55)])
def test_loss_of_the_memory_presets_after_one_update(name: str, low: float, high: float) -> None:
    """Their recall input drives the output of the untrained network, whose loss is higher; curves of the reference
    start with the first validation, which comes after the first update."""
    made = preset(name, repeats=2)
    made.advance()
    made.advance()
    assert low < made.history[1]["loss"] < high < made.history[0]["loss"] < 3.2


def test_loss_is_the_error_plus_the_weighted_penalties() -> None:
    weights = {"orthogonality": 0.3, "mean_square_rate": 0.1, "tail_energy": 2.0, "in_degree": 0.5, "rate_magnitude": 1}
    made = trained(member(penalties=weights, max_iterations=10))
    for row in made.history:
        expected = row["mse"] + sum(w * row[f"penalty_{name}"] for name, w in weights.items())
        assert row["loss"] == pytest.approx(expected, rel=1e-6)
        assert row["penalty_tail_energy"] > 0


def test_evaluations_do_not_depend_on_how_many_trials_are_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = member(), member()
    whole.evaluate()
    monkeypatch.setattr("rnnpipe.training.regression.STATES", 60 * 12 * 5)
    parts.evaluate()
    for name, value in whole.history[0].items():
        assert parts.history[0][name] == pytest.approx(value, rel=1e-6, nan_ok=True), name


def test_batches_depend_on_their_number_and_held_out_trials_are_others() -> None:
    fresh, same = member(), member(same_batch=True)
    assert (fresh.batch(4)[0] == member().batch(4)[0]).all()
    assert (fresh.batch(4)[0] != fresh.batch(5)[0]).any()
    assert (same.batch(4)[0] == same.batch(5)[0]).all()
    assert (same.batch(0)[0] != same.held_out.inputs).any()
    seeds = [fresh.noise(k, (1, 1, 1))[0] for k in range(20)]
    assert len(set(seeds)) == 20


# -- training ------------------------------------------------------------------------------------------------


def test_a_one_bit_flip_flop_is_learned() -> None:
    made = Member(
        task(n_bits=1, tmax=100.0, repeats=64), CtrnnSettings(n_units=16), RegressionSettings(max_iterations=200), 0
    )
    trained(made)
    assert made.history[0]["r2_unc"] < 0.5
    score = made.score()
    assert score["r2_unc"] > 0.75 and score["sign_correct"] > 0.98
    assert score["mse"] < score["noisy_mse"] < score["mse"] + 0.06


def test_dale_networks_learn_under_their_constraints() -> None:
    learning = RegressionSettings(max_iterations=100, learning_rate=0.02)
    made = trained(Member(task("dmts", dt=5.0, repeats=8), CtrnnSettings(**{**DALE, "n_units": 20}), learning, 0))
    assert made.best["mse"] < 0.8 * made.history[0]["mse"]
    network = made.network()
    assert (network.w_rec[:, :16] >= 0).all() and (network.w_rec[:, 16:] <= 0).all()
    assert network.w_rec[:, 16:].sum() < -0.5


def test_everything_that_is_asked_for_is_trained() -> None:
    made = trained(member(network={"train_bias": True, "train_x_init": True}))
    network = made.network()
    assert all((getattr(network, name) != getattr(made.first, name)).any() for name in ARRAYS)
    made = trained(member())
    assert not made.network().b_rec.any() and not made.network().x_init.any()


def test_the_best_network_is_kept() -> None:
    made = trained(member(learning_rate=0.2, max_iterations=120))
    errors = [row["mse"] for row in made.history]
    best = int(np.argmin(errors))
    assert best < len(errors) - 1, "the last network must not be the best one, or this tests nothing"
    assert made.best["iteration"] == made.history[best]["iteration"] == made.score()["best_iteration"]
    arrays = {name: getattr(made.network(), name) for name in ARRAYS}
    outputs, _ = made.engine.run(arrays, made.held_out.inputs)
    assert made.task.score(outputs, made.held_out)["mse"] == errors[best] == made.score()["held_out_mse"]
    assert [row["new_best"] for row in made.history] == [
        e <= min([math.inf, *errors[:i]]) for i, e in enumerate(errors)
    ]


def test_training_ends_at_the_tolerance_or_on_a_plateau() -> None:
    made = trained(member(max_iterations=300, tolerance=0.4))
    assert made.iteration < 300 and made.best["mse"] <= 0.4 and made.reached_criterion
    assert [row["criterion"] for row in made.history] == [False] * (len(made.history) - 1) + [True]
    made = trained(member(max_iterations=300, patience=2, min_improvement=0.9))
    assert made.iteration == 20 and made.reached_criterion
    made = trained(member(max_iterations=10, tolerance=1e-9))
    assert not made.reached_criterion


def test_clipping_scales_the_gradient_down() -> None:
    made, clipped = (member(max_iterations=1, weight_decay=0.0, max_norm=m) for m in (None, 1e-3))
    for one in (made, clipped):
        trained(one)
    assert made.norms == clipped.norms and made.norms[0] > 1e-3
    np.testing.assert_allclose(clipped.adam.m, made.adam.m * 1e-3 / made.norms[0], rtol=2e-2, atol=2e-8)


def test_the_engine_for_devices_trains_the_same_networks() -> None:
    """On the CPU and without noise, the numbers of which are its own; penalties on activity need their own gradient."""
    units = CtrnnSettings(n_units=12, sigma_rec=0.0, sigma_in=0.0)
    learning = RegressionSettings(max_iterations=10, penalties={"output_variance": 0.1, "mean_square_rate": 0.1})
    engines = (CtrnnEngine, partial(TorchCtrnnEngine, device="cpu"))
    made = [trained(Member(task(**TASK), units, learning, 0, engine)) for engine in engines]
    np.testing.assert_allclose(made[1].losses, made[0].losses, rtol=1e-4)
    np.testing.assert_allclose(made[1].adam.values, made[0].adam.values, atol=2e-4)
    assert made[1].history[-1]["mse"] == pytest.approx(made[0].history[-1]["mse"], rel=1e-3)


# -- divergence ----------------------------------------------------------------------------------------------


def test_a_diverged_network_goes_back_and_learns_on_at_half_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    made = member()
    made.advance()
    made.advance()
    kept = {name: a.copy() for name, a in made.arrays().items()}
    moments = made.adam.m.copy()
    found, update = made.engine.update, made.engine.update
    calls = itertools.count()

    def breaks(*args: Any, **kwargs: Any) -> Any:
        result = update(*args, **kwargs)
        if next(calls) == 3:
            result.largest_state, result.mse = math.inf, math.nan
        return result

    monkeypatch.setattr(made.engine, "update", breaks)
    for _ in range(4):
        made.update()
    assert all((a == kept[name]).all() for name, a in made.arrays().items()) and (made.adam.m == moments).all()
    assert made.n_rollbacks == 1 and made.rate(14) == 0.01
    monkeypatch.setattr(made.engine, "update", found)
    trained(made)
    assert made.history[-1]["n_rollbacks"] == 1 and made.history[-1]["learning_rate"] == 0.01
    assert math.isnan(made.losses[13]) and np.isfinite(np.delete(made.losses, 13)).all()
    assert made.score()["n_rollbacks"] == 1 and made.reached_criterion


def test_networks_that_really_diverge_are_taken_back_until_they_do_not_or_training_ends() -> None:
    network = {"activation": "relu", "n_units": 12, "form": "current"}
    made = trained(member(network=network, learning_rate=3.0, max_rollbacks=30, max_iterations=120))
    assert made.n_rollbacks > 0 and not made.diverged and made.reached_criterion
    assert np.isfinite(made.adam.values).all() and made.iteration == 120
    made = trained(member(network=network, learning_rate=1e4, max_rollbacks=3))
    assert made.diverged and not made.reached_criterion and made.iteration < 40
    assert all(np.isfinite(getattr(made.network(), name)).all() for name in ARRAYS)


def test_an_untrained_network_that_diverges_is_an_error() -> None:
    with pytest.raises(TrainingError, match="seed 3 failed: the untrained network diverges"):
        member(network={"activation": "relu", "form": "current", "spectral_radius": 40.0}).advance()


# -- state ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "learning",
    [
        {},
        {"same_batch": True, "anneal_noise": True, "schedule": "cosine"},
        {"dropout": 0.3, "dropout_kind": "dead", "dropout_by": "participation", "trace_units": True},
    ],
)
def test_a_resumed_training_is_the_undisturbed_one(tmp_path: Path, learning: dict[str, Any]) -> None:
    whole = trained(member(**learning))
    part = member(**learning)
    for _ in range(3):
        part.advance()
    write_tensors(tmp_path / "state", {"kind": "x", "schema_version": 1, "state": part.state()})
    resumed = member(**learning)
    resumed.load_state(read_tensors(tmp_path / "state", "x")["state"])
    trained(resumed)
    for name, made in (("a", whole), ("b", resumed)):
        content = {"kind": "x", "schema_version": 1, "state": made.state(), "score": made.score()}
        write_tensors(tmp_path / name, content)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# -- stages --------------------------------------------------------------------------------------------------

SMALL = {"task": {"name": "flip_flop", **TASK}, "network": {"n_units": 12}, "learning": {"rule": "regression"}}


def train(folder: Path, *more: str, settings: dict[str, Any] | None = None) -> list[str]:
    given = json.dumps(settings or SMALL)
    files = [f"--network={folder}/n{{seed}}.pth", f"--history={folder}/n{{seed}}.h5"]
    return ["train", f"--settings={given}", "--device=cpu", *files, *more]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks, and trials of their task."""
    made = tmp_path_factory.mktemp("made")
    assert main(train(made, "--learning.max_iterations=20", "--seed=1", "--seed=2", "--threads=2")) == 0
    flags = [f"--task.{name}={value}" for name, value in {"name": "flip_flop", **TASK}.items()]
    assert main(["dataset", *flags, "--dataset.trials_per_condition=300", f"--out={made}/trials.h5"]) == 0
    return made


def test_files_do_not_depend_on_threads_or_on_the_other_networks(folder: Path, tmp_path: Path) -> None:
    assert main(train(tmp_path, "--learning.max_iterations=20", "--seed=2", "--threads=1")) == 0
    for name in ("n2.pth", "n2.h5"):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()
    assert main(train(tmp_path, "--learning.max_iterations=20", "--seed=1", "--threads=2")) == 0
    assert (folder / "n1.pth").read_bytes() == (tmp_path / "n1.pth").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["n1.h5", "n1.pth", "n2.h5", "n2.pth"]


def test_history_and_network_of_a_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = read_regression_history(folder / "n1.h5")
    assert table["iteration"].tolist() == [0, 10, 20] and table["n_trials"].tolist() == [0, 160, 320]
    assert table.attrs["seed"] == 1 and table.attrs["reached_criterion"]
    assert (table["spectral_radius"] > 0.5).all() and table["gradient_norm"][1:].notna().all()
    stored = read_ctrnn(folder / "n1.pth")
    assert stored.score["held_out_mse"] == table["mse"].min() and stored.score["n_trials_trained"] == 320
    assert stored.settings["learning"]["rule"] == "regression" and stored.settings["network"]["kind"] == "ctrnn"
    assert (stored.initial.w_rec != stored.network.w_rec).any()
    assert main(["info", str(folder / "n1.h5")]) == 0
    assert "regression_history" in capsys.readouterr().out


def evaluate(folder: Path, out: Path, *more: str) -> Path:
    arguments = [f"--network={folder}/n1.pth", f"--dataset={folder}/trials.h5", f"--out={out}", *more]
    assert main(["evaluate", *arguments]) == 0
    return out


def test_evaluations_judge_outputs_as_the_task_does(folder: Path, tmp_path: Path) -> None:
    clean = evaluate(folder, tmp_path / "clean.h5", "--noise_free", "--record_activity")
    table, activity = read_table(clean), read_activity(clean)
    stored = read_ctrnn(folder / "n1.pth")
    with open_trials(folder / "trials.h5") as file:
        trials = file[0:300]
    _, expected = stored.network.astype(np.float64).simulate(trials.inputs.astype(np.float64))
    np.testing.assert_allclose(activity["output"], expected, atol=1e-5)
    score = stored.task.score(activity["output"], trials)
    assert table["mse"].mean() == pytest.approx(score["mse"], rel=1e-5)
    assert table["r2"].mean() == pytest.approx(score["r2_per_trial"], rel=1e-4)
    assert not table["decision"].any() and (table["correct"] == -1).all()
    assert activity["policy_rates"].shape == (60, 300, 12) and (activity["target"] == trials.target).all()
    assert not table.attrs["noise"]


def test_noise_of_evaluations_follows_their_seed_and_not_threads(folder: Path, tmp_path: Path) -> None:
    runs = [["--noise_free"], ["--seed=1"], ["--seed=1", "--threads=2"], ["--seed=2"]]
    errors = [read_table(evaluate(folder, tmp_path / f"{i}.h5", *more))["mse"] for i, more in enumerate(runs)]
    assert (errors[1] == errors[2]).all()
    assert (errors[0] != errors[1]).all() and (errors[1] != errors[3]).all()
    assert errors[0].mean() < errors[1].mean()


def test_evaluations_of_tasks_with_answers(tmp_path: Path) -> None:
    settings = {
        "task": {"name": "dmts", "repeats": 4, "dt": 5.0},
        "network": {"n_units": 10, "activation": "relu", "form": "current"},
        "learning": {"rule": "regression", "max_iterations": 10},
    }
    assert main(train(tmp_path, "--seed=1", settings=settings)) == 0
    data = ["dataset", "--task.name=dmts", "--task.dt=5", "--dataset.trials_per_condition=5"]
    assert main([*data, f"--out={tmp_path}/trials.h5"]) == 0
    out = evaluate(tmp_path, tmp_path / "e.h5", "--noise_free", "--record_activity")
    table, activity = read_table(out), read_activity(out)
    assert table["decision"].all() and set(table["correct"]) <= {0, 1}
    stored = read_ctrnn(tmp_path / "n1.pth")
    with open_trials(tmp_path / "trials.h5") as file:
        score = stored.task.score(activity["output"], file[0:20])
    assert table["correct"].mean() == pytest.approx(score["accuracy"])
    np.testing.assert_allclose(activity["policy_rates"], np.maximum(activity["states"], 0), atol=1e-6)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    return shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": {"name": "rdm_fixed"}}, "task rdm_fixed has no target in time"),
        ({"network": {"kind": "gated"}}, "kind = 'gated': rule regression trains continuous-time networks"),
        ({"network": {"kind": "ctrnn"}, "learning": {"rule": "bptt"}}, "rule bptt trains rate networks"),
        ({"network": {"kind": "ctrnn"}, "learning": {}}, "learn by it only"),
        ({"learning": {"rule": "regression", "penalties": {"orthogonal": 1}}}, "unknown penalty 'orthogonal'"),
        ({"learning": {"rule": "regression", "warmup": 2000}}, "warmup = 2000"),
        ({"network": {"tau": 0.5}}, "tau = 0.5 ms is below the step"),
    ],
)
def test_mistakes_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], words: str
) -> None:
    assert main(train(tmp_path, "--seed=1", settings={**SMALL, **changes})) != 0
    assert words in said(capsys)
    assert not [p for p in tmp_path.iterdir() if p.suffix in (".pth", ".h5")]


def test_a_missed_tolerance_fails_only_if_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--seed=1", "--learning.max_iterations=5", "--learning.tolerance=1e-6"]
    assert main(train(tmp_path, *more, "--learning.on_failure=error")) == TrainingError.exit_code
    assert "did not come down to 1e-06 within 5 updates" in said(capsys)
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(".")) == ["n1.failed.h5", "n1.failed.pth"]
    assert not read_ctrnn(tmp_path / "n1.failed.pth").score["reached_criterion"]
    assert main(train(tmp_path, *more)) == 0
    assert (tmp_path / "n1.pth").exists()


def test_evaluations_refuse_what_does_not_fit(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["dataset", "--task.name=flip_flop", "--task.n_bits=2", "--dataset.trials_per_condition=3"]
    assert main([*data, f"--out={tmp_path}/two.h5"]) == 0
    network = ["evaluate", f"--network={folder}/n1.pth", f"--out={tmp_path}/e.h5"]
    capsys.readouterr()
    assert main([*network, f"--dataset={tmp_path}/two.h5"]) != 0
    assert "2 inputs, but" in said(capsys)
    assert main([*network, f"--dataset={folder}/trials.h5", "--scaling_factor=30"]) != 0
    assert "only rate networks run with spikes" in said(capsys)
    assert not (tmp_path / "e.h5").exists()


@pytest.mark.slow
def test_training_survives_kill_9(tmp_path: Path) -> None:
    (tmp_path / "killed").mkdir()
    (tmp_path / "whole").mkdir()
    more = ["--seed=1", "--seed=2", "--learning.max_iterations=150", "--checkpoint_seconds=0", "--threads=2"]
    command = [sys.executable, "-m", "rnnpipe", *train(tmp_path / "killed", *more)]
    state, n_killed, seen = tmp_path / "killed" / ".n1.pth.checkpoint", 0, 0.0
    for _ in range(2):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while process.poll() is None and not (state.exists() and state.stat().st_mtime > seen):
            time.sleep(0.02)
        time.sleep(0.1)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            n_killed += 1
        process.wait()
        seen = state.stat().st_mtime if state.exists() else seen
    assert n_killed == 2
    run = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    assert "continuing from" in run.stdout
    # in a process of its own, too: this one may have compiled kernels beside another worker, and two compilations may
    # contract products and sums differently
    whole = [sys.executable, "-m", "rnnpipe", *train(tmp_path / "whole", *more)]
    subprocess.run(whole, cwd=ROOT, capture_output=True, check=True)
    for name in ("n1.pth", "n2.pth", "n1.h5", "n2.h5"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


# -- configuration -------------------------------------------------------------------------------------------

BASE: dict[str, Any] = {
    "tasks": {"bits": {"task": "flip_flop", "n_bits": 2}, "motion": {"task": "rdm_fixed"}},
    "datasets": {"bits": {"trials": {"trials_per_condition": 2}}},
    "experiments": {"one": {"task": "bits", "learning": {"rule": "regression"}, "seeds": 5, "seeds_per_job": 3}},
}


def study(tmp_path: Path, **experiment: Any) -> Study:
    content = json.loads(json.dumps(BASE))
    content["experiments"]["one"] |= experiment
    (tmp_path / "mini.yaml").write_text(yaml.safe_dump(content))
    return load_study({"sources": [str(tmp_path / "mini.yaml")]}, (str(tmp_path),))


def test_experiments_train_several_networks_by_one_job(tmp_path: Path) -> None:
    made = study(tmp_path, network={"n_units": 20})
    one = made.experiment("one")
    assert isinstance(one, RegressionExperiment) and one.batches == {"0-2": [0, 1, 2], "3-4": [3, 4]}
    assert made.training("one", 4) == "results/train/one/seeds3-4"
    given = json.loads(made.train_settings("one"))
    assert given == {
        "task": {"name": "flip_flop", "n_bits": 2}, "network": {"n_units": 20}, "learning": {"rule": "regression"}
    }  # fmt: skip
    assert {"networks.ctrnn_settings", "training.run_regression", "training.regression_settings"} <= set(
        made.modules("one")
    )


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ({"task": "motion"}, "has no target in time, which rule regression learns from"),
        ({"network": {"kind": "rate"}}, "rule regression trains continuous-time networks"),
        ({"network": {"n_unit": 3}}, "did you mean 'n_units'"),
        ({"learning": {"rule": "bptt"}}, "which rule bptt learns from"),
    ],
)
def test_impossible_experiments(tmp_path: Path, experiment: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        study(tmp_path, **experiment)
