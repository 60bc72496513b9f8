"""Many files in few words."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnpipe.file_runs import fold, unfold

ROOT = Path(__file__).parents[1]


def _all(names: list[str]) -> list[str]:
    return [path for name in names for path in unfold(name)]


@pytest.mark.parametrize(
    ("paths", "folded"),
    [
        ([], []),
        (["a/seed3.h5"], ["a/seed3.h5"]),
        ([f"a/seed{i}.h5" for i in (0, 1, 10)], ["a/seed{0,1,10}.h5"]),
        (["a/seed01.h5", "a/seed1.h5"], ["a/seed{01,1}.h5"]),
        (["a/seeds0-9.h5", "a/seeds10-19.h5"], ["a/seeds{0-9,10-19}.h5"]),
        (["a1/seed0.h5", "a1/seed1.h5", "a2/seed1.h5"], ["a1/seed{0,1}.h5", "a2/seed1.h5"]),
        (["a/seed0.h5", "b/seed0.h5", "a/seed1.h5"], ["a/seed0.h5", "b/seed0.h5", "a/seed1.h5"]),
        (["a/seed0.h5", "a/seed1.h5", "a/seed1.h6"], ["a/seed{0,1}.h5", "a/seed1.h6"]),
        (["need=seed1.h5", "need=seed0.h5", "other=seed0.h5"], ["need=seed{1,0}.h5", "other=seed0.h5"]),
        (["a/table.csv", "a/table.csv"], ["a/table.csv", "a/table.csv"]),
    ],
)
def test_runs_of_names(paths: list[str], folded: list[str]) -> None:
    assert fold(paths) == folded
    assert _all(folded) == paths


@given(st.lists(st.from_regex(r"(a|b_1)(/seed|/|)(0|[1-9][0-9]?)(\.h5|-3|/x|\n)", fullmatch=True), max_size=12))
def test_no_name_is_lost_or_changed(paths: list[str]) -> None:
    assert _all(fold(paths)) == paths


def test_a_file_that_is_there_stands_for_itself(tmp_path: Path) -> None:
    path = tmp_path / "seed{0,2}.h5"
    assert [Path(name).name for name in unfold(str(path))] == ["seed0.h5", "seed2.h5"]
    path.touch()
    assert unfold(str(path)) == [str(path)]
    assert unfold("seed{0}.h5") == ["seed{0}.h5"]


def test_no_command_of_the_studies_is_longer_than_linux_takes() -> None:
    """One argument of a program, as the command of a rule is to its shell, takes 128 KiB."""
    from rnnpipe.config import load_study
    from rnnpipe.yaml_file import read_mapping

    config = read_mapping(str(ROOT / "config/config.yaml"))
    study = load_study({**config, "scale": "paper"}, (ROOT,), "config/config.yaml")
    commands = [study.claims_settings(), *(study.figure_settings(name) for name in study.figures)]
    lists = [study.claims_inputs(), *(study.figure_inputs(name) for name in study.figures)]
    for settings, pairs in zip(commands, lists, strict=True):
        flags = " ".join(f"--inputs {shlex.quote(name)}" for name in fold(f"{need}={path}" for need, path in pairs))
        assert len(shlex.quote(settings)) + len(flags) < 100_000
    assert sum(len(f"--inputs {need}={path} ") for need, path in lists[0]) > 100_000  # not so when written one by one
