"""`docs/transforms.md`: its examples run, its configurations are read, its table names every kind and setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rnnpipe.config import load_study
from rnnpipe.errors import SettingsError
from rnnpipe.tasks._transforms import KINDS, read
from rnnpipe.yaml_file import parse_yaml

PAGE = (Path(__file__).parents[1] / "docs" / "transforms.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.mark.parametrize("code", blocks("python"))
def test_examples_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/transforms.md", "exec"), {})
    assert (tmp_path / "trials.csv").exists() == ("trials.csv" in code) or "close()" in code


def test_configurations_are_read(tmp_path: Path) -> None:
    for text in blocks("yaml"):
        (tmp_path / "page.yaml").write_text(text)
        study = load_study({"sources": [str(tmp_path / "page.yaml")], "device": "cpu"})
        assert study.tasks
    assert study.initial_network("stage_3", 2) == ["results/train/stage_2/seed2.pth"]
    assert parse_yaml(blocks("yaml")[0], "page")["tasks"]["biased"]["transforms"][0]["kind"] == "side_bias"


@pytest.mark.parametrize(
    "more", ["experiments: {e: {task: t, seeds: [1]}}", "datasets: {t: {d: {trials_per_condition: 1}}}"]
)
def test_outcomes_are_not_known_beforehand(more: str, tmp_path: Path) -> None:
    timeout = "tasks: {t: {task: rdm_fixed, transforms: [{kind: timeout, duration: 500}]}}"
    (tmp_path / "page.yaml").write_text(f"{timeout}\n{more}\n")
    with pytest.raises(
        SettingsError, match="page.yaml: .*: task rdm_fixed: transform 'timeout' depends on the outcome"
    ):
        load_study({"sources": [str(tmp_path / "page.yaml")], "device": "cpu"}, [tmp_path])


def test_the_table_has_every_kind_and_setting() -> None:
    read([])
    rows = dict(re.findall(r"^\| `(\w+)` \|([^|]*)\|", PAGE, re.M))
    assert set(rows) == set(KINDS)
    for kind, settings in rows.items():
        assert set(re.findall(r"`(\w+)`", settings)) == set(KINDS[kind].model_fields), kind
