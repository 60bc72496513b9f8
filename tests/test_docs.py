"""The pages of docs/ for users of other programs: every name and flag on them exists, their commands run."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

from rnnpipe.cli.main import main
from rnnpipe.io.fixed_points import read_fixed_points
from rnnpipe.io.mat import read_mat

DOCS = Path(__file__).parents[1] / "docs"
SPIKERNN, TRAINRNNBRAIN, PYRL = "coming_from_spikernn", "coming_from_trainrnnbrain", "coming_from_pyrl"

HELP = {
    SPIKERNN: [
        *(["train", "--learning.rule=bptt", f"--task.name={name}"] for name in ("go_nogo", "xor")),
        *([name] for name in ("spiking", "evaluate", "dataset", "export")),
    ],
    TRAINRNNBRAIN: [
        *(["train", "--learning.rule=regression", f"--task.name={name}"] for name in ("flip_flop", "cddm")),
        *([name] for name in ("dataset", "evaluate", "fixed_points", "figures", "convert")),
    ],
    PYRL: [
        ["train", "--task.name=rdm_fixed"],
        *([name] for name in ("dataset", "evaluate", "figures", "plot-env")),
    ],
}
"""Command lines whose help lists the flags of a page."""

SHORT = ["--task.tmax=300", "--task.fixation=50", "--task.stimulus=50"]
SHORT += ["--task.rate_window=150", "--task.spiking_window=150"]
"""A Go-NoGo trial of 60 steps."""


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text()


def steps(name: str) -> list[list[str]]:
    """The commands of the first block of a page."""
    lines = page(name).split("```bash\n")[1].split("```")[0].splitlines()
    commands = [line.split(" #")[0].split() for line in lines]
    assert all(words[0] == "rnnpipe" for words in commands)
    return [words[1:] for words in commands]


@pytest.mark.parametrize("name", [*HELP, "migration"])
def test_every_python_name_exists(name: str) -> None:
    names = set(re.findall(r"`(rnnpipe\.[\w.]*\w)", page(name)))
    assert len(names) > 3
    for one in names:
        pkgutil.resolve_name(one)


@pytest.mark.parametrize("name", HELP)
def test_every_flag_on_our_side_exists(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    known = ""
    for words in HELP[name]:
        main([*words, "--help"])
        known += capsys.readouterr().out
    lines = [line.split("|")[2] if line.startswith("|") else line for line in page(name).splitlines()]
    flags = set(re.findall(r"--\w[\w.]*", "\n".join(line for line in lines if "python " not in line)))
    assert len(flags - {"--cores"}) > 20
    unknown = [flag for flag in sorted(flags) if not re.search(rf"{re.escape(flag)}(?![\w.])", known)]
    assert [flag for flag in unknown if flag != "--cores"] == []


def test_the_steps_from_spikernn_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand, but for a short trial, few trials and a barely trained network."""
    monkeypatch.chdir(tmp_path)
    words = ["train", "--learning.rule=bptt", "--task.name=go_nogo", *SHORT, "--network.n_units=10", "--seed=4"]
    words += ["--learning.max_trials=3", "--learning.evaluation_trials=5", "--network.gain=1.25", "--device=cpu"]
    assert main([*words, "--network=model.pth", "--history=history.h5"]) == 0  # writes model.mat, too
    more = {
        "spiking": [*SHORT, "--search.factors=20,30", "--search.n_trials=2", "--search.n_heldout=2"],
        "dataset": [*SHORT, "--dataset.trials_per_condition=2"],
        "evaluate": SHORT,
    }
    more["spiking"] += ["--search.only_trained=false"]
    for words in steps(SPIKERNN):
        assert main([*words, *more.get(words[0], [])]) == 0, words
    assert read_mat(tmp_path / "mapped.mat").record["opt_scaling_factor"].item() in (20, 30)


def test_the_steps_from_trainrnnbrain_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand, but for few units, updates and starts."""
    monkeypatch.chdir(tmp_path)
    more = {
        "train": ["--learning.max_iterations=20", "--network.n_units=12", "--device=cpu"],
        "dataset": ["--dataset.trials_per_condition=8"],
        "fixed_points": ["--search.n_starts=64", "--search.max_starts=128"],
    }
    for words in steps(TRAINRNNBRAIN):
        assert main([*words, *more.get(words[0], [])]) == 0, words
    assert (tmp_path / "points.pdf").stat().st_size > 1000
    table, states = read_fixed_points(tmp_path / "points.h5")
    assert len(table) == len(states) > 0 and states.shape[1] == 12
