"""Every result knows what made it: `rnnpipe info --trace` from any of them back to the data set and the settings."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
import pytest
import yaml

from rnnpipe.cli.main import main
from rnnpipe.errors import ArtefactError
from rnnpipe.figures.animation import animate
from rnnpipe.figures.style import new_figure, save_picture
from rnnpipe.inputs import noted_name
from rnnpipe.io.record import as_comment, read_record
from rnnpipe.trace import read_made_by, trace

TASK = ["--task.name", "go_nogo"]
TRAINING = ["--learning.rule", "bptt", "--learning.max_trials", "5", "--learning.evaluation_trials", "5"]
TRAINING += ["--network.n_units", "20"]
CLAIMS = {"answers": {"source": "x -- y", "quantity": "accuracy", "of": "a", "needs": ["d"]}}
CLAIMS["answers"] |= {"target_low": 0.0}  # type: ignore[dict-item]
STAGES: dict[str, list[str]] = {
    "dataset.h5": ["dataset", *TASK, "--dataset.trials_per_condition", "2", "--out", "dataset.h5"],
    "net.pth": ["train", *TASK, *TRAINING, "--seed", "3", "--network", "net.pth", "--history", "history.h5"],
    "spiking.h5": ["spiking", "--network", "net.pth", "--search.factors", "10,20", "--search.n_trials", "1"]
    + ["--search.n_heldout", "2", "--search.only_trained", "false", "--out", "spiking.h5"],
    "evaluation.h5": ["evaluate", "--network", "net.pth", "--dataset", "dataset.h5", "--spiking", "spiking.h5"]
    + ["--out", "evaluation.h5"],
    "points.h5": ["fixed_points", "--network", "net.pth", "--dataset", "dataset.h5", "--out", "points.h5"]
    + ["--search.n_trials", "2", "--search.n_starts", "8", "--search.max_starts", "8", "--search.closure_rounds", "0"],
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


def test_a_trace_reaches_the_data_set_and_every_setting(study: Path, capsys: Any) -> None:
    assert main(["info", "--trace", "--json", "claims.csv"]) == 0
    claims = json.loads(capsys.readouterr().out)
    assert claims["settings"] == {**CLAIMS} and claims["stage"] == "claims"
    (evaluation,) = (one["made_by"] for one in claims["inputs"])
    by_role = {one["as"]: one for one in evaluation["inputs"]}
    dataset, spiking = by_role["dataset"]["made_by"], by_role["spiking"]["made_by"]
    assert dataset["settings"]["dataset"] == {"trials_per_condition": 2} and dataset["inputs"] == []
    assert by_role["network"]["made_by"]["settings"]["network"]["n_units"] == 20
    assert spiking["inputs"][0]["made_by"] is None and spiking["inputs"][0]["state"] == "same"  # told once
    digest = hashlib.sha256(json.dumps(CLAIMS, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert claims["settings_sha256"] == digest
    assert main(["info", "--trace", "sheet.csv"]) == 0
    shown = capsys.readouterr().out
    assert "figures: figure.png (same" in shown and "inputs: 3 same, 0 changed, 0 missing" in shown


def test_what_changed_or_is_missing_is_told_and_not_followed(study: Path, capsys: Any) -> None:
    with h5py.File("dataset.h5", "r+") as file:
        file.attrs["settings"] = json.dumps({"dataset": {"trials_per_condition": 3}})
    Path("spiking.h5").unlink()
    states = {one.role: (one.state, one.node is None) for one in trace(Path("evaluation.h5")).inputs}
    assert states == {"network": ("same", False), "dataset": ("changed", True), "spiking": ("missing", True)}
    assert main(["info", "--trace", "evaluation.h5"]) == 0
    assert "inputs: 1 same, 1 changed, 1 missing" in capsys.readouterr().out


def test_inputs_are_found_from_the_folders_of_the_file(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "net.pth").write_bytes(b"another network")  # of the same name in the working folder
    monkeypatch.chdir(elsewhere)
    assert [one.state for one in trace(study / "points.h5").inputs] == ["same", "same"]


def test_a_table_is_only_traced_by_the_record_of_this_very_table(study: Path, capsys: Any) -> None:
    pd.read_csv("figure.csv").iloc[1:].to_csv("figure.csv", index=False)
    assert main(["info", "--trace", "figure.csv"]) == 3
    assert "figure.csv: is not the table that figure.pdf was written with" in capsys.readouterr().err
    Path("figure.pdf").unlink()
    assert read_made_by(Path("figure.csv")).stage is None


def test_damaged_records_are_one_sentence(study: Path, capsys: Any) -> None:
    for inputs in ([1], [{"as": "network"}], {"network": "x"}, "x"):
        with h5py.File("points.h5", "r+") as file:
            file.attrs["provenance"] = json.dumps({"stage": "fixed_points", "inputs": inputs})
        assert main(["info", "--trace", "points.h5"]) == 3
        assert "points.h5: what it notes of its inputs is damaged" in capsys.readouterr().err
    Path("claims.md").write_text(as_comment({"provenance": 1}))
    assert main(["info", "--trace", "claims.md"]) == 3
    assert "its record of what made it is damaged" in capsys.readouterr().err
    assert main(["info", "--json", "points.h5"]) == 2
    assert "--json goes with --trace" in capsys.readouterr().err
    assert main(["info", "--trace", "nothing.h5"]) == 3


def test_files_of_earlier_versions_say_that_their_inputs_were_not_noted(study: Path, capsys: Any) -> None:
    with h5py.File("points.h5", "r+") as file:
        noted = json.loads(file.attrs["provenance"])
        del noted["inputs"]
        file.attrs["provenance"] = json.dumps(noted)
    assert trace(Path("points.h5")).made_by.inputs is None
    assert main(["info", "--trace", "points.h5"]) == 0
    assert "its inputs were not noted" in capsys.readouterr().out


def test_a_record_survives_what_its_file_does_to_text(tmp_path: Path) -> None:
    record = {"provenance": {"stage": "x"}, "settings": {"a--b": "(c) \\ -> é", "d": "-->"}}
    (tmp_path / "a.md").write_text(f"| table |\n\n{as_comment(record)}")
    assert read_record(tmp_path / "a.md") == record
    assert as_comment(record).count("--") == 2


def test_no_absolute_path_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path("results/x.h5")
    assert noted_name(Path("../a/n.pth"), out) == "../a/n.pth"
    assert noted_name(tmp_path / "a" / "n.pth", out) == "a/n.pth"
    assert noted_name(tmp_path.parent / "b" / "n.pth", tmp_path.parent / "c" / "x.h5") == "b/n.pth"
    assert noted_name(Path("/elsewhere/n.pth"), out) == "n.pth"
    monkeypatch.chdir("/")
    assert noted_name(Path("/elsewhere/a/n.pth"), Path("/elsewhere/x.h5")) == "a/n.pth"


def test_records_in_pictures_of_every_kind(study: Path) -> None:
    made_by = {"stage": "x", "inputs": [{"as": "a", "file": f"f ({k}) \\.h5", "sha256": "0" * 64} for k in range(200)]}
    record = {"kind": "figure", "settings": {"text": "(a)) \\( --> é"}, "provenance": made_by}
    figure = new_figure(30, 30)
    figure.add_subplot(projection="3d")
    for suffix in (".pdf", ".png"):
        save_picture(figure, Path(f"p{suffix}"), "title", record)
    animate(figure, Path("p.gif"), n_frames=2, record=record)
    for suffix in (".pdf", ".png", ".gif"):
        file = Path(f"p{suffix}")
        assert read_record(file) == record, suffix
        whole, rng = file.read_bytes(), random.Random(0)
        for _ in range(100):  # no damage is more than a sentence
            broken = bytearray(whole[: rng.choice((len(whole), rng.randrange(1, len(whole))))])
            for _ in range(rng.randrange(4)):
                broken[rng.randrange(len(broken))] = rng.randrange(256)
            file.write_bytes(broken)
            with contextlib.suppress(ArtefactError):
                read_record(file)


def crate_of(*words: str) -> int:
    return main(["crate", *words, "--name", "A study", "--license", "CC-BY-4.0", "--out", "study.zip"])


def test_a_crate_holds_a_study_and_the_calls_that_made_it(study: Path, capsys: Any) -> None:
    rocrate: Any = pytest.importorskip("rocrate.rocrate")
    words = ["sheet.pdf", "claims.csv", "points.h5", "history.h5", "--date", "2026-01-31"]
    words += ["--citation", "https://doi.org/10.7554/eLife.21492", "--author", "A. Person"]
    assert crate_of(*words) == 0, capsys.readouterr().err
    crate = rocrate.ROCrate("study.zip")
    files = {entity.id: entity for entity in crate.get_entities() if entity.type == "File"}
    made = {"dataset.h5", "net.pth", "history.h5", "spiking.h5", "evaluation.h5", "points.h5", "figure.png"}
    made |= {"sheet.pdf", "sheet.png", "sheet.csv", "claims.csv", "claims.md"}
    assert {name for name in files if name != "ro-crate-metadata.json"} == made
    for name in made:
        assert files[name]["sha256"] == hashlib.sha256((study / name).read_bytes()).hexdigest()
    calls = {action["name"].split()[1].rstrip(":"): action for action in crate.root_dataset["mentions"]}
    assert set(calls) == {"dataset", "train", "spiking", "evaluate", "fixed_points", "figures", "claims"}
    assert {one.id for one in calls["train"]["result"]} == {"net.pth", "history.h5"}
    noted = {one["name"]: one["value"] for one in calls["train"]["object"]}
    assert noted["seed"] == 3 and json.loads(noted["settings"])["network"]["n_units"] == 20
    for call in calls.values():  # what the profile asks for
        assert call.type == "CreateAction" and call["instrument"].type == "SoftwareApplication"
        assert call["instrument"]["softwareVersion"] and call["name"] and call["result"]
    assert crate.root_dataset["conformsTo"].id == "https://w3id.org/ro/wfrun/process/0.5"
    assert {one.id for one in calls["evaluate"]["object"] if one.type == "File"} == {
        "net.pth",
        "dataset.h5",
        "spiking.h5",
    }
    assert crate.license.id == "https://spdx.org/licenses/CC-BY-4.0"
    assert crate.root_dataset["datePublished"] == "2026-01-31" and crate.root_dataset["author"]["name"] == "A. Person"
    first = Path("study.zip").read_bytes()
    assert str(study).encode() not in first
    for file in study.glob("*.h5"):
        os.utime(file, (1, 1))
    assert crate_of(*words) == 0 and Path("study.zip").read_bytes() == first
    assert crate_of(str(study)) == 0  # all of a folder
    more = {"figure.pdf", "figure.csv", "net.mat", "ro-crate-metadata.json"}
    assert set(zipfile.ZipFile("study.zip").namelist()) == made | more
    Path("dataset.h5").unlink()
    capsys.readouterr()
    assert crate_of(*words) == 3
    assert "was made of dataset.h5, which is missing" in capsys.readouterr().err


def test_a_crate_of_a_source_has_all_that_is_asked_for_by_its_name(study: Path, capsys: Any) -> None:
    pytest.importorskip("rocrate.rocrate")
    experiment = {"task": "go", "learning": {"rule": "bptt"}, "seeds": [3], "seeds_per_job": 1}
    source = {
        "tasks": {"go": {"task": "go_nogo"}},
        "experiments": {"a": experiment},
        "spiking": {"lif": {}},
        "figures": {"drawn": {"module": "fig_networks", "of": "a", "needs": {"networks": ["lif"]}}},
    }
    Path("config").mkdir()
    Path("config/mine.yaml").write_text(yaml.safe_dump(source))
    Path("config/config.yaml").write_text("sources: [mine]\n")
    for name, place in {"net.pth": "train/a/seeds3-3/seed3.pth", "figure.pdf": "figures/drawn.pdf"}.items():
        target = Path("results", place)
        target.parent.mkdir(parents=True)
        shutil.copy(name, target)
    assert crate_of("--source", "mine") == 3
    assert "results/claims.csv: no such file" in capsys.readouterr().err
    for name in ("claims.csv", "claims.md"):
        shutil.copy(name, Path("results", name))
    assert crate_of("--source", "mine") == 0, capsys.readouterr().err
    packed = set(zipfile.ZipFile("study.zip").namelist())
    assert {"results/train/a/seeds3-3/seed3.pth", "results/figures/drawn.pdf", "results/claims.md"} <= packed
    assert {"spiking.h5", "evaluation.h5", "dataset.h5"} <= packed
    assert crate_of("--source", "mime") == 2 and crate_of() == 2
    said = capsys.readouterr().err
    assert "--source mime: is no source of config/config.yaml (did you mean 'mine'? known: mine)" in said
    assert "nothing to pack is named" in said
