"""Pages of the documentation are followed: their Python and the commands of ours on them, one after the other.

Commands run as they stand, with settings after them that make them quick (`small`).
"""

from __future__ import annotations

import sys
import types
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pages import blocks, commands

from rnnpipe.cli.main import main
from rnnpipe.figures import figure_names
from rnnpipe.provenance import provenance

PYTHON_ELSEWHERE = {
    "docs/agents.md": "test_sb3.py",
    "docs/neurogym.md": "test_neurogym.py",
    "docs/supervised.md": "test_dataloader.py",
    "docs/transforms.md": "test_transforms_docs.py",
    "docs/tutorial.md": "test_tasks_own.py",
}
"""Pages whose Python is run by tests of their subject."""

COMMANDS_ELSEWHERE = {
    "docs/coming_from_spikernn.md": "test_docs.py",
    "docs/coming_from_trainrnnbrain.md": "test_docs.py",
    "docs/provenance.md": "test_trace.py",  # of a small source
    "docs/tutorial.md": "test_tasks_own.py",
}
"""Pages whose commands of ours are run by another test."""

FOLLOWED = [
    ("README.md",),
    ("docs/howto_figure.md", "docs/howto_data.md"),
    ("docs/howto_gpu.md",),
    ("docs/coming_from_pyrl.md",),
    ("docs/tasks.md",),
    ("docs/transforms.md",),
    ("docs/supervised.md",),
    ("docs/agents.md",),
]
"""Pages that are followed here, each tuple in one folder."""

MADE = {
    "README.md": ["evaluation.h5", "spikes.h5", "points.h5"],
    "docs/howto_data.md": ["accuracy.pdf", "accuracy.png", "accuracy.csv", "mine.pth", "both.pdf", "both.csv"],
    "docs/howto_gpu.md": ["net.pth"],
    "docs/coming_from_pyrl.md": ["trials_a.h5", "learning.pdf"],
    "docs/tasks.md": [],
    "docs/transforms.md": ["catch.h5", "catch.png"],
    "docs/supervised.md": ["decisions.h5"],
    "docs/agents.md": ["evaluation.h5", "learning.pdf", "task.pdf", "random.png", "agent.png", "cartpole.png"],
}
"""What is there at the end, among other files."""

SMALL = {
    "train": ["--device=cpu"],
    "dataset": ["--dataset.trials_per_condition=20"],
    "spiking": ["--search.factors=20,30", "--search.n_trials=2", "--search.n_heldout=2", "--search.only_trained=false"],
    "fixed_points": ["--search.n_starts=64", "--search.max_starts=128"],
    # learners
    "policy_gradient": ["--learning.max_updates=2", "--learning.validation_interval=1",
                        "--learning.validation_trials=20", "--learning.on_failure=keep",
                        "--network.n_units=10", "--value_network.n_units=10"],
    "bptt": ["--learning.max_trials=3", "--learning.evaluation_trials=5", "--network.n_units=10"],
    "regression": ["--learning.max_iterations=10", "--network.n_units=12"],
    "sb3": ["--learning.max_steps=256", "--learning.n_envs=4", "--learning.n_steps=32", "--learning.n_units=8"],
    # tasks: trials so short that an untrained network sometimes decides
    "rdm_fixed": ["--task.dt=20", "--task.fixation=20", "--task.stimulus_min=20", "--task.stimulus_mean=20",
                  "--task.stimulus_max=60"],
    "go_nogo": ["--task.tmax=300", "--task.fixation=50", "--task.stimulus=50", "--task.rate_window=150",
                "--task.spiking_window=150"],
}  # fmt: skip
"""What makes the commands of a page quick, by stage, learner and task."""


def small(words: list[str]) -> list[str]:
    """Settings to be added to a command of a page."""
    added = SMALL.get(words[0], [])
    if words[0] in ("train", "dataset"):
        given = dict(zip(words, words[1:], strict=False))
        added = added + SMALL.get(given["--task.name"], [])
    if words[0] == "train":
        added = added + SMALL[given.get("--learning.rule", "policy_gradient")]
    return added


def own_figure() -> types.ModuleType:
    """The figure of docs/howto_figure.md as a module."""
    made = types.ModuleType("rnnpipe.figures.fig_accuracy")
    exec(compile(blocks("docs/howto_figure.md", "python")[0].code, "fig_accuracy.py", "exec"), made.__dict__)
    return made


def follow(page: str) -> None:
    """Do what a page says, block after block."""
    variables: dict[str, Any] = {}
    for block in blocks(page, "python", "bash"):
        if block.language == "python":
            # a file that the reader makes begins with its name
            if page not in PYTHON_ELSEWHERE and not block.code.startswith("# rnnpipe/"):
                exec(compile(block.code, f"{page}:{block.line}", "exec"), variables)
            continue
        for words in commands(block.code):
            if words[0] != "rnnpipe" or ("neurogym" in " ".join(words) and find_spec("neurogym") is None):
                continue
            assert main([*words[1:], *small(words[1:])]) == 0, words


@pytest.mark.slow
@pytest.mark.parametrize("pages", FOLLOWED, ids=lambda pages: Path(pages[-1]).stem)
def test_a_page_is_followed(pages: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "docs/agents.md" in pages:
        pytest.importorskip("sb3_contrib")
    monkeypatch.chdir(tmp_path)
    names = [*figure_names(), "fig_accuracy"]
    monkeypatch.setattr("rnnpipe.figures.figure_names", lambda: names)
    monkeypatch.setitem(sys.modules, "rnnpipe.figures.fig_accuracy", own_figure())
    # it has no file whose code could be hashed
    monkeypatch.setattr("rnnpipe.cli.figures.provenance", lambda stage, *_: provenance(stage))
    for page in pages:
        follow(page)
        if page == "docs/howto_figure.md":
            (tmp_path / "evaluation.h5").rename(tmp_path / "motion.h5")
    for name in MADE[pages[-1]]:
        assert (tmp_path / name).stat().st_size > 100, name
    if "docs/howto_data.md" in pages:
        assert "network 0" in (tmp_path / "accuracy.csv").read_text()
        assert {"network 0", "animal"} <= set((tmp_path / "both.csv").read_text().replace("\n", ",").split(","))
