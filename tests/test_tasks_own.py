"""`docs/tutorial.md` as it stands: its task file in a copy of the repository, its study, its commands, its figure."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
COMMAND = ".venv/bin/snakemake --cores 2 results/figures/fig_yes_no.pdf results/claims.csv"
TESTS = ".venv/bin/pytest tests/test_tasks.py tests/test_environments.py -k yes_no"


def blocks(language: str) -> list[str]:
    """Code blocks of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the page's two files, and its source instead of the others."""
    tree = tmp_path_factory.mktemp("own") / "tree"
    tree.mkdir()
    for name in ("rnnpipe", "workflow", "config", "tests"):
        shutil.copytree(ROOT / name, tree / name)
    for name in ("pyproject.toml", "environment.yml"):
        shutil.copy(ROOT / name, tree)
    for text in (blocks("python")[0], blocks("yaml")[0]):
        first, rest = text.split("\n", 1)
        assert first in ("# rnnpipe/tasks/yes_no.py", "# config/yes_no.yaml")
        (tree / first.removeprefix("# ")).write_text(rest)
    (tree / "config" / "config.yaml").write_text("sources: [yes_no]\ndevice: cpu\n")
    return tree


def run(tree: Path, *words: str) -> str:
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RNNPIPE_END_WITH_PARENT")}
    done = subprocess.run(
        [sys.executable, *words], cwd=tree, env=inherited, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_page_shows_the_template() -> None:
    template = (ROOT / "rnnpipe" / "tasks" / "_template.py").read_text("utf-8")
    shown = blocks("python")[0].split("\n", 1)[1]
    assert shown == template.replace('"_template"', '"yes_no"'), "docs/tutorial.md and _template.py differ"
    assert any(COMMAND in block for block in blocks("bash")) and any(TESTS in block for block in blocks("bash"))


def test_one_file_is_a_task_everywhere(tree: Path) -> None:
    """Found by name, tried by the tests that every task is put to, sampled as the page does."""
    out = run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS.split()[1:])
    n_passed = int(re.findall(r"(\d+) passed", out)[0])
    assert n_passed > 25 and "failed" not in out, out
    out = run(tree, "-c", blocks("python")[1])
    assert out.splitlines()[-1] == "[1.  0.5] [0. 0. 1.]"


@pytest.mark.slow
def test_its_stages_one_by_one(tree: Path) -> None:
    """The page's commands, but for the number of updates and trials."""
    (block,) = (block for block in blocks("bash") if block.startswith("rnnpipe"))
    more = {
        "train": ["--learning.max_updates=2", "--learning.validation_interval=1", "--learning.on_failure=keep"],
        "dataset": ["--dataset.trials_per_condition=20"],
    }
    lines = [line.split()[1:] for line in block.splitlines()]
    assert [words[0] for words in lines] == ["train", "dataset", "evaluate", "figures"]
    calls = "".join(f"assert main({[*words, *more.get(words[0], [])]}) == 0\n" for words in lines)
    run(tree, "-c", f"from rnnpipe.cli.main import main\n{calls}")
    assert (tree / "evaluation.h5").stat().st_size > 1000 and (tree / "learning.pdf").stat().st_size > 1000


@pytest.mark.slow
def test_from_the_file_to_the_figure(tree: Path) -> None:
    """The page's study, of which one network is enough."""
    study = tree / "config" / "yes_no.yaml"
    assert "seeds: [1, 2, 3]" in study.read_text()
    study.write_text(study.read_text().replace("seeds: [1, 2, 3]", "seeds: [1]"))
    run(tree, "-m", "snakemake", *COMMAND.split()[1:])
    for suffix in ("pdf", "png", "csv"):
        assert (tree / f"results/figures/fig_yes_no.{suffix}").stat().st_size > 0
    with (tree / "results/claims.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["yes_no_accuracy"]
    assert rows[0]["verdict"] == "reached" and rows[0]["n_seeds"] == "1", rows
