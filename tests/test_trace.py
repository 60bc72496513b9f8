"""Every result knows what made it: `rnnpipe info --trace` from any of them back to the data set and the settings."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from rnnpipe.cli.main import main
from rnnpipe.trace import read_made_by, trace

TASK = ["--task.name", "go_nogo"]
TRAINING = ["--learning.rule", "bptt", "--learning.max_trials", "5", "--learning.evaluation_trials", "5"]
TRAINING += ["--network.n_units", "20"]
CLAIMS = {"answers": {"source": "x -- y", "quantity": "fraction_correct", "experiments": ["a"], "needs": ["d"]}}
CLAIMS["answers"] |= {"target_low": 0.0}  # type: ignore[dict-item]
STAGES: dict[str, list[str]] = {
    "dataset.h5": ["dataset", *TASK, "--dataset.trials_per_condition", "2", "--out", "dataset.h5"],
    "net.pth": ["train", *TASK, *TRAINING, "--seed", "3", "--network", "net.pth", "--history", "history.h5"],
    "spiking.h5": ["spiking", "--network", "net.pth", "--search.factors", "10,20", "--search.n_trials", "1"]
    + ["--search.n_heldout", "2", "--search.only_trained", "false", "--out", "spiking.h5"],
    "evaluation.h5": ["evaluate", "--network", "net.pth", "--dataset", "dataset.h5", "--spiking", "spiking.h5"]
    + ["--out", "evaluation.h5"],
    "points.h5": ["fixed_points", "--network", "net.pth", "--dataset", "dataset.h5", "--out", "points.h5"]
    + ["--search.n_trials", "2", "--search.n_random", "2"],
    "figure.pdf": ["figures", "--figure", "fig_networks", "--inputs", "networks=spiking.h5", "--out", "figure.pdf"],
    "sheet.pdf": ["figures", "--figure", "fig_contact_sheet", "--inputs", "figures=figure.png", "--out", "sheet.pdf"],
    "claims.csv": ["claims", "--settings", json.dumps(CLAIMS), "--inputs", "d:a=evaluation.h5", "--out", "claims.csv"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of every stage, made once."""
    folder: Path = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, words in STAGES.items():
            assert main(words) == 0, name
    return folder


@pytest.fixture
def study(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working folder."""
    folder = tmp_path / "study"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


def inputs_of(name: str) -> dict[str, str]:
    return {one.role: one.name for one in trace(Path(name)).inputs}


def test_every_stage_notes_what_it_read(study: Path) -> None:
    expected = {
        "dataset.h5": {},
        "net.pth": {},
        "history.h5": {},
        "spiking.h5": {"network": "net.pth"},
        "evaluation.h5": {"network": "net.pth", "dataset": "dataset.h5", "spiking": "spiking.h5"},
        "points.h5": {"network": "net.pth", "dataset": "dataset.h5"},
        **{f"figure.{suffix}": {"networks": "spiking.h5"} for suffix in ("pdf", "png", "csv")},
        **{f"sheet.{suffix}": {"figures": "figure.png"} for suffix in ("pdf", "png", "csv")},
        **{f"claims.{suffix}": {"d:a": "evaluation.h5"} for suffix in ("csv", "md")},
    }
    assert {name: inputs_of(name) for name in expected} == expected
    for name in expected:
        noted = read_made_by(Path(name))
        assert noted.stage and noted.code and noted.settings and noted.versions["numpy"], name
        for one in trace(Path(name)).inputs:
            assert one.sha256 == hashlib.sha256((study / one.name).read_bytes()).hexdigest(), name
            assert one.state == "same"
        assert str(study).encode() not in Path(name).read_bytes()
    assert read_made_by(Path("net.pth")).seed == 3
