"""Benchmarks: that they count and attribute what they say; how fast the machine is, is no test."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from rnnpipe.bench import experiments, training
from rnnpipe.bench.products import Product, multiplier, update_products
from rnnpipe.cli.main import main
from rnnpipe.config import load_study
from rnnpipe.io.history import write_history
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.training.policy_gradient import PolicyGradient

SHORT = {"dt": 50.0, "fixation": 100.0, "stimulus": 100.0, "tmax": 700.0}
STUDY: dict[str, Any] = {
    "tasks": {"senses": {"task": "multisensory", **SHORT}, "motion": {"task": "rdm_fixed", "dt": 50.0}},
    "experiments": {
        "a": {"task": "senses", "network": {"n_units": 12}, "value_network": {"n_units": 8}, "seeds": [1, 2, 3]},
        "same": {
            "task": "senses", "network": {"n_units": 12}, "value_network": {"n_units": 8}, "seeds": [4],
            "learning": {"learning_rate": 0.01},
        },
        "linear": {"task": "motion", "value_network": {"kind": "linear"}, "network": {"n_units": 12}, "seeds": [1]},
    },
}  # fmt: skip


def learner(value_network: ValueSettings | None = None) -> PolicyGradient:
    task = parse(trial_task_class("multisensory"), SHORT, "here")
    cpu = torch.device("cpu")
    return training.learner(1, cpu, task, GatedSettings(n_units=12), value_network or ValueSettings(n_units=8))


def test_trials_are_of_full_length_and_of_the_settings() -> None:
    made = learner()
    assert made.task.name == "multisensory" and made.task.dt == 50 and made.task.n_steps == 15
    trials = made.task.sample(np.random.RandomState(0), 5)  # type: ignore[union-attr]
    assert trials.n_steps == 15
    assert trials.stops[2].all() and not trials.stops[:2].any()
    before = made.policy.flat.clone()
    made.update()
    assert not torch.equal(before, made.policy.flat)


def test_products_of_an_update() -> None:
    """Each product of the equations once, counted by hand: 24 trials, 15 steps, 5 inputs, 12 and 8 units, 3 actions."""
    assert Product(2, 3, 4, 5).flop == 2 * 2 * 3 * 4 * 5
    step, row = 24 * 14, 24 * 15
    policy = step * (2 * 3 * 12 * 12 + 2 * 3 * 12 * 5 + 3 * 12 * 12) + row * 2 * 12 * 3
    value = step * (2 * 3 * 8 * 8 + 2 * 3 * 8 * (12 + 3) + 3 * 8 * 8) + row * 2 * 8
    assert sum(p.flop for p in update_products(learner())) == 2 * (policy + value)
    linear = sum(p.flop for p in update_products(learner(ValueSettings(kind="linear"))))
    assert linear == 2 * (policy + row * 2 * (12 + 3))
    products = update_products(learner())
    assert {p.times for p in products} == {1, 14}, "the recurrent ones are made step by step"
    multiplier(products)()


def test_time_goes_to_the_part_that_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is made to compute longer is found to take longer, others do not; functions are put back."""

    def slowed(*args: Any, **kwargs: Any) -> Any:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass
        return backward(*args, **kwargs)

    made = learner()
    backward = experiments.kernels.backward
    fast = experiments.breakdown(made, 3)
    monkeypatch.setattr(experiments.kernels, "backward", slowed)
    slow = experiments.breakdown(made, 3)
    assert experiments.kernels.backward is slowed
    assert slow["backward"] > 0.04 > fast["backward"], "twice an update: policy and value"
    assert slow["update"] > 0.04 and slow["wall"] > 0.04
    assert slow["sampling"] < 0.02 and slow["noise"] < 0.02 and slow["forward"] < 0.02
    assert set(fast) == {"wall", "update", "products", "sampling", "noise", "forward", "backward"}
    assert sum(fast[k] for k in ("sampling", "noise", "forward", "backward")) <= fast["update"] + 1e-3


def write(folder: Path) -> Path:
    (folder / "config").mkdir()
    (folder / "config" / "mine.yaml").write_text(yaml.safe_dump(STUDY))
    main_file = folder / "config" / "config.yaml"
    main_file.write_text("sources: [mine]\n")
    return main_file


def test_every_computation_of_a_study_is_measured_once(tmp_path: Path) -> None:
    write(tmp_path)
    study = load_study({"sources": ["mine"]}, (tmp_path,))
    found = {m.name: m for m in experiments.measure_experiments(study, 3)}
    parts = ("", "_flop", "_products", "_sampling", "_noise", "_forward", "_backward")
    assert set(found) == {"sgemm", *(f"train_{name}{part}" for name in ("a", "linear") for part in parts)}
    for name in ("a", "linear"):
        assert found[f"train_{name}"].unit == "trials/s" and found[f"train_{name}"].value > 0
        assert found[f"train_{name}_flop"].ratio_to == "sgemm"
        assert found[f"train_{name}_products"].ratio_to == "whole update"


def history(folder: Path, seed: int, n_trials: list[int], criterion: list[bool], seconds: float) -> None:
    rows = [
        {"update": n // 24, "n_trials": n, "mean_reward": 0.5, "p_decision": 1.0, "p_correct": 0.8, "value_rmse": 0.1,
         "criterion": met, "new_best": True}
        for n, met in zip(n_trials, criterion, strict=True)
    ]  # fmt: skip
    path = folder / f"results/train/a/seed{seed}.history.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_history(path, rows, {"task": {"name": "multisensory"}}, {"stage": "train"}, seed=seed)
    benchmark = folder / f"results/benchmarks/train/a/seed{seed}.tsv"
    benchmark.parent.mkdir(parents=True, exist_ok=True)
    benchmark.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t5.0\n")


def test_time_to_criterion_is_read_from_what_trainings_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of three networks reached the criterion, after 1200 and 3600 trials; the third counts as infinitely long."""
    config = write(tmp_path)
    history(tmp_path, 1, [0, 1200, 2400], [False, True, True], 10.0)
    history(tmp_path, 2, [0, 3600], [False, True], 30.0)
    history(tmp_path, 3, [0, 9600], [False, False], 500.0)
    out = tmp_path / "bench.jsonl"
    assert main(["bench", "--only", "criterion", "--config", str(config), "--out", str(out)]) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines == [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    values = {line["name"]: (line["value"], line["unit"], line["n"]) for line in lines}
    assert values == {
        "criterion_a_reached": (0.6667, "fraction of networks", 3),
        "criterion_a_trials": (3600, "trials", 3),
        "criterion_a_seconds": (20.0, "s", 2),
    }


def test_a_study_that_is_not_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nowhere = tmp_path / "config.yaml"
    assert main(["bench", "--only", "criterion", "--config", str(nowhere)]) != 0
    assert str(nowhere) in capfd.readouterr().err
