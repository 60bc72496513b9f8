"""Comparisons of learners: every number against plain code, on files of three rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from synthetic import write_evaluation
from synthetic_learners import RULES, SECONDS, SEEDS, figure_inputs, write_figure_inputs

from rnnpipe.analysis.learners import (
    components_of,
    condition_means,
    ideal_accuracy,
    learner_name,
    progress,
    seconds,
    trials_to,
)
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError
from rnnpipe.figures import figure_module
from rnnpipe.figures.fig_learners import _ideal
from rnnpipe.figures.source_data import of
from rnnpipe.io.evaluation import read_activity, read_table
from rnnpipe.io.history import read_history, write_bptt_history, write_regression_history
from rnnpipe.tasks import task_class

NAMES = {"gradient": "Policy gradient", "ppo": "Recurrent PPO", "frames": "A2C, 3 frames"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learners")
    write_figure_inputs(folder)
    return folder


def drawn(folder: Path, figure: str, **settings: object) -> pd.DataFrame:
    module = figure_module(figure)
    table = module.data(figure_inputs(folder, figure), module.Options(**settings))
    module.draw(table)
    return table


def test_names_of_learners() -> None:
    assert learner_name({}) == "Policy gradient" == learner_name({"learning": {"rule": "policy_gradient"}})
    assert learner_name({"learning": {"rule": "regression"}}) == "BPTT" == learner_name({"learning": {"rule": "bptt"}})
    assert learner_name({"learning": {"rule": "sb3", "algorithm": "ppo", "n_stack": 1}}) == "PPO"


def test_progress_of_every_rule(folder: Path, tmp_path: Path) -> None:
    history = read_history(folder / "ppo" / "1.history.h5")
    found = progress(folder / "ppo" / "1.history.h5")
    np.testing.assert_allclose(found["performance"], history["p_correct"] * history["p_decision"])
    assert found.attrs["seed"] == 1 and found["n_trials"].tolist() == history["n_trials"].tolist()
    one = {"n_trials": 64, "accuracy": 0.75}
    path = tmp_path / "a.h5"
    rest = dict.fromkeys(
        ("mse", "loss", "training_loss", "training_mse", "gradient_norm", "learning_rate", "spectral_radius"), 0.5
    )
    more = {"largest_state": 1.0, "n_rollbacks": 0, "new_best": True, "criterion": False, "iteration": 1}
    write_regression_history(path, [{**one, **rest, **more}], [0.1], [0.1], {"task": {}}, {}, task="x", seed=1)
    assert progress(path)["performance"].tolist() == [0.75]
    rest = dict.fromkeys(("loss", "training_loss", "density", "tau_mean", "tau_sd"), 0.5)
    write_bptt_history(tmp_path / "b.h5", [{**one, **rest, "update": 1, "criterion": False}], [0.1], {}, {}, seed=1)
    assert progress(tmp_path / "b.h5")["performance"].tolist() == [0.75]


def test_a_history_without_right_answers_and_no_history(tmp_path: Path) -> None:
    rest = dict.fromkeys(
        ("mse", "loss", "training_loss", "training_mse", "gradient_norm", "learning_rate", "spectral_radius"), 0.5
    )
    row = {**rest, "largest_state": 1.0, "n_rollbacks": 0, "new_best": True, "criterion": False, "iteration": 1}
    write_regression_history(tmp_path / "a.h5", [{**row, "n_trials": 1}], [0.1], [0.1], {}, {}, task="cycle", seed=1)
    with pytest.raises(ArtefactError, match="a.h5: is of a task without right answers .cycle."):
        progress(tmp_path / "a.h5")
    write_evaluation(tmp_path / "e.h5", "rdm_fixed", 1)
    with pytest.raises(ArtefactError, match="e.h5: is a file of kind 'evaluation', expected 'history'"):
        progress(tmp_path / "e.h5")
    with pytest.raises(ArtefactError, match="no such file"):
        progress(tmp_path / "none.h5")


def test_trials_to_a_performance() -> None:
    history = pd.DataFrame({"n_trials": [0.0, 10.0, 20.0, 30.0], "performance": [0.5, 0.7, 0.6, 0.9]})
    assert [trials_to(history, p) for p in (0.5, 0.65, 0.75, 0.95)] == [0, 10, 30, np.inf]


@pytest.mark.parametrize("text", ["", "s\n", "x\ty\n1\t2\n", "s\nten\n"])
def test_no_measurement_of_a_job(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(ArtefactError, match="a.tsv: is no measurement"):
        seconds(tmp_path / "a.tsv")


def test_the_ideal_observer_is_that_of_the_inputs() -> None:
    task = task_class("perceptual_decision_making")(fixation=300.0, stimulus=500.0, decision=300.0)
    trials = task.sample(np.random.default_rng(3), 40_000, coherence=12.8)
    evidence = trials.inputs[..., 1] - trials.inputs[..., 2]
    right = (evidence.sum(axis=0) < 0) == (trials.conditions["direction"] == 1)
    expected = ideal_accuracy(np.array(12.8), 500.0, 1.0)
    assert abs(right.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 40_000)
    mean = ideal_accuracy(np.array(task.coherences), 500.0, 1.0).mean()
    assert mean == pytest.approx(0.8645, abs=5e-4)


def test_condition_means_against_plain_code(folder: Path) -> None:
    path = folder / "ppo" / "1.h5"
    table, arrays = read_table(path), read_activity(path, "policy_rates", "mask")
    means = condition_means(Recording(path), ["choice", "coherence"], min_trials=3)
    assert len(means) == len(table[["choice", "coherence"]].drop_duplicates())
    for (choice, coherence), found in means.items():
        chosen = ((table["choice"] == choice) & (table["coherence"] == coherence) & (table["correct"] == 1)).to_numpy()
        for step in range(0, len(found), 37):
            going = chosen & arrays["mask"][step].astype(bool)
            if going.sum() < 3:
                assert np.isnan(found[step]).all()
            else:
                np.testing.assert_allclose(found[step], arrays["policy_rates"][step, going].mean(axis=0), rtol=1e-5)
    assert components_of({(1,): np.full((4, 2), np.nan)}) is None


def test_the_figure_of_learners(folder: Path) -> None:
    table = drawn(folder, "fig_learners", performance=0.7)
    cost = of(table, "B")
    assert list(dict.fromkeys(cost["learner"])) == list(NAMES.values())
    for name in RULES:
        for seed in SEEDS:
            row = cost[(cost["learner"] == NAMES[name]) & (cost["seed"] == seed)].iloc[0]
            assert row["y"] == SECONDS[name] * seed
            assert row["x"] == trials_to(progress(folder / name / f"{seed}.history.h5"), 0.7)
    behaviour = of(table, "C", "correct")
    evaluated = read_table(folder / "ppo" / "2.h5")
    part = behaviour[(behaviour["learner"] == "Recurrent PPO") & (behaviour["seed"] == 2)]
    expected = 100 * (evaluated["correct"] == 1).groupby(evaluated["coherence"]).mean()
    np.testing.assert_allclose(part["y"], expected)
    assert (part["low"] <= part["y"]).all() and (part["y"] <= part["high"]).all()
    assert set(of(table, "D")["answer"]) == {"left", "right"} and set(of(table, "D")["seed"]) == {1}
    assert len(of(table, "F")) == 0


def test_an_ideal_observer_is_drawn_where_there_is_one() -> None:
    settings = {"name": "perceptual_decision_making", "stimulus": 500.0}
    levels = np.array([0.0, 50.0])
    for task in (settings, {"of": settings["name"], "settings": {"stimulus": 500.0}}):
        line = _ideal(task, "coherence", levels)
        assert line is not None
        np.testing.assert_allclose(line["y"], 100 * norm.cdf(line["x"] / 100 * np.sqrt(500 / 2)))
    for other in ({"dim_ring": 4}, {"stimulus": [300, 500]}, {"sigma": 0}, {"name": "rdm_fixed"}):
        assert _ideal({**settings, **other}, "coherence", levels) is None
    assert _ideal(settings, "direction", levels) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: i | {"time": i["time"][:-1]}, "each network needs a job of its own"),
        (lambda i: i, "have no column 'speed'"),
    ],
)
def test_what_cannot_be_compared(folder: Path, change, message: str) -> None:
    module = figure_module("fig_learners")
    with pytest.raises(ArtefactError, match=message):
        module.data(change(figure_inputs(folder, "fig_learners")), module.Options(by="speed"))


def test_the_figure_of_agents(folder: Path) -> None:
    settings = {"labels": {"ppo": "with memory"}, "published": {"ppo": 0.8}, "ceiling": 0.86}
    table = drawn(folder, "fig_agents", **settings)
    rows = of(table, "B", "evaluated")
    assert list(dict.fromkeys(rows["agent"])) == ["gradient", "with memory", "frames"]
    for name, agent in (("gradient", "gradient"), ("ppo", "with memory")):
        for seed in SEEDS:
            evaluated = read_table(folder / name / f"{seed}.h5")
            row = rows[(rows["agent"] == agent) & (rows["seed"] == seed)].iloc[0]
            assert row["x"] == pytest.approx(100 * (evaluated["correct"] == 1).mean()) and row["low"] < row["x"]
    assert of(table, "B", "published")["x"].tolist() == [80.0] and of(table, "B", "ceiling")["x"].tolist() == [86.0]
    assert len(of(table, "C")) == 6 * len(read_table(folder / "ppo" / "1.h5")["coherence"].unique())
