"""Every code block of every page: Python runs, YAML is read, commands are parsed by the program that they call."""

from __future__ import annotations

import subprocess
import sys
import types
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
from pages import PAGES, ROOT, Block, blocks, commands

from rnnpipe import declared
from rnnpipe.cli.main import main, rnnpipe
from rnnpipe.config import load_study, read_study
from rnnpipe.figures import figure_names
from rnnpipe.yaml_file import parse_yaml

RUN_ELSEWHERE = {
    "docs/agents.md": "test_sb3.py",
    "docs/neurogym.md": "test_neurogym.py",
    "docs/supervised.md": "test_dataloader.py",
    "docs/transforms.md": "test_transforms_docs.py",
    "docs/tutorial.md": "test_tasks_own.py",
}
"""Pages whose Python is run by tests of their subject."""

KNOWN = {"python3", "pip", "pytest", "ruff", "mypy", "snakefmt", "mkdocs", "cp", ".", "squeue", "awk", "xargs"}
"""Commands that are not ours: their lines are checked for shell syntax only."""

FIGURES = [*figure_names(), "fig_accuracy"]
"""All figures, and that of docs/howto_figure.md."""

SECTIONS = {"tasks", "datasets", "experiments", "spiking", "figures", "claims", "scales"}


def identify(block: Block) -> str:
    return f"{block.page}:{block.line}"


def every(*languages: str) -> Any:
    found = [block for page in PAGES for block in blocks(page, *languages)]
    return pytest.mark.parametrize("block", found, ids=identify)


def test_there_is_no_other_kind_of_block() -> None:
    languages = {block.language for page in PAGES for block in blocks(page)}
    assert languages <= {"python", "yaml", "bash"}
    assert sum(len(blocks(page)) for page in PAGES) > 50


# -- YAML ----------------------------------------------------------------------------------------------------------


@every("yaml")
def test_yaml_is_a_study(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a source, with the tasks of the others; or as config.yaml, with the repository's sources."""
    values = parse_yaml(block.code, identify(block))
    if not set(values) <= SECTIONS:
        assert load_study(values, [ROOT / "config"]).tasks
        return
    if "fig_accuracy" in block.code:
        declare_own_figure(tmp_path, monkeypatch)
    source = tmp_path / "page.yaml"
    # the task of the tutorial is a file that a reader makes; what it is a copy of is there
    source.write_text(block.code.replace("{task: yes_no}", "{task: rdm_fixed}"))
    if "neurogym:" in block.code and find_spec("neurogym") is None:
        pytest.skip("NeuroGym is not installed (docs/neurogym.md)")
    study = load_study({"sources": [str(source)], "device": "cpu"}, [ROOT / "config"])
    assert set(study.tasks) >= set(values.get("tasks", {}))


def declare_own_figure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let configurations know the figure of docs/howto_figure.md as if its file were in rnnpipe/figures."""
    (folder / "figures").mkdir()
    for path in (ROOT / "rnnpipe" / "figures").glob("*.py"):
        (folder / "figures" / path.name).symlink_to(path)
    (folder / "figures" / "fig_accuracy.py").write_text(blocks("docs/howto_figure.md", "python")[0].code)
    (folder / "analysis").symlink_to(ROOT / "rnnpipe" / "analysis")
    monkeypatch.setattr(declared, "_HERE", folder)
    # they remember what they have read; what they read here is forgotten with the patch
    for name in ("figure_modules", "optional_needs"):
        function = getattr(declared, name).__wrapped__
        monkeypatch.setattr(f"rnnpipe.config_checks.{name}", function)


# -- commands ------------------------------------------------------------------------------------------------------


def parsed(words: list[str]) -> None:
    """Let the command line parse the words of a command of ours, all flags and settings included."""
    command = rnnpipe.get_command(click.Context(rnnpipe), words[0])
    assert command is not None, f"no stage {words[0]}"
    command.make_context(words[0], words[1:])


@cache
def targets() -> set[str]:
    """What can be asked of the workflow by name."""
    study = read_study(ROOT / "config" / "config.yaml")
    figures = {
        f"results/figures/{name}.{end}" for name in [*study.figures, "fig_yes_no"] for end in ("pdf", "png", "csv")
    }
    sources = {path.stem for path in (ROOT / "config").glob("*.yaml")}
    return figures | sources | {"results/claims.csv", "results/bench.jsonl", "bench", "train"}


@every("bash")
def test_commands_are_right(block: Block) -> None:
    subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)
    for words in commands(block.code):
        program, rest = words[0], words[1:]
        if program == "rnnpipe" and "-m" not in rest:
            rest = ["--task.name=rdm_fixed" if word == "--task.name=yes_no" else word for word in rest]
            rest = ["rdm_fixed" if word == "yes_no" else word for word in rest]
            try:
                parsed(rest)
            except click.ClickException as error:
                pytest.fail(f"{identify(block)}: {' '.join(words)}: {error.format_message()}")
        elif program == "snakemake":
            from snakemake.cli import get_argument_parser

            got, unknown = get_argument_parser().parse_known_args(rest)
            assert unknown == [] and set(got.targets) <= targets(), words
        else:
            assert program in KNOWN, words


def test_a_wrong_flag_would_be_found() -> None:
    with pytest.raises(click.UsageError, match="n_unitz"):
        parsed(["train", "--task.name", "rdm_fixed", "--network.n_unitz", "3", "--seed", "1"])
    assert commands("a b  # c\n.venv/bin/d 'e f' && g | h\n") == [["a", "b"], ["d", "e f"], ["g"], ["h"]]


# -- Python --------------------------------------------------------------------------------------------------------


@every("python")
def test_python_compiles(block: Block) -> None:
    compile(block.code, identify(block), "exec")


def test_all_python_is_run() -> None:
    """Each page with Python is run here or by the test that `RUN_ELSEWHERE` names, which names the page."""
    here = Path(__file__).read_text()
    for page in (page for page in PAGES if blocks(page, "python")):
        where = RUN_ELSEWHERE.get(page)
        text = here.split("# -- Python")[1] if where is None else (ROOT / "tests" / where).read_text()
        assert Path(page).name in text, page


def own_figure() -> types.ModuleType:
    """The figure of docs/howto_figure.md as a module."""
    made = types.ModuleType("rnnpipe.figures.fig_accuracy")
    exec(compile(blocks("docs/howto_figure.md", "python")[0].code, "fig_accuracy.py", "exec"), made.__dict__)
    return made


SMALL = {
    "train": ["--learning.max_updates=2", "--learning.validation_interval=1", "--learning.validation_trials=20",
              "--learning.on_failure=keep", "--network.n_units=10", "--value_network.n_units=10", "--device=cpu"],
    "dataset": ["--dataset.trials_per_condition=3"],
}  # fmt: skip
"""What makes the commands of a page quick."""


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which docs/howto_figure.md, then README.md's Python, then docs/howto_data.md was followed."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("rnnpipe.figures.figure_names", lambda: FIGURES)
        patch.setitem(sys.modules, "rnnpipe.figures.fig_accuracy", own_figure())
        for page in ("docs/howto_figure.md", "README.md", "docs/howto_data.md"):
            follow(page)
            if page == "README.md":
                (folder / "evaluation.h5").rename(folder / "motion.h5")
    return folder


def follow(page: str) -> None:
    """Do what a page says, block after block; of README.md its Python only."""
    variables: dict[str, Any] = {}
    for block in blocks(page, "python", "bash"):
        if block.language == "python" and not block.code.startswith("# rnnpipe/"):
            exec(compile(block.code, identify(block), "exec"), variables)
        elif block.language == "bash" and page != "README.md":
            for words in commands(block.code):
                assert words[0] == "rnnpipe"
                assert main([*words[1:], *SMALL.get(words[1], [])]) == 0, words


def test_pages_are_followed(followed: Path) -> None:
    for name in ("accuracy.pdf", "accuracy.png", "accuracy.csv", "mine.pth", "both.pdf", "both.csv"):
        assert (followed / name).stat().st_size > 100, name
    assert "animal" in (followed / "both.csv").read_text()


def test_the_examples_among_the_tasks_run() -> None:
    for block in blocks("docs/tasks.md", "python"):
        exec(compile(block.code, identify(block), "exec"), {})
