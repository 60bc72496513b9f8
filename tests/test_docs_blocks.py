"""Every code block of every page: which test runs it; YAML is read as a study, the workflow is asked for a plan.

Python and commands of ours are run in `test_docs_followed.py` and in tests that it names. Commands of other programs
are run by what `RUN_BY` names; here their shell syntax is checked, and that what they ask for is there.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
from pages import PAGES, ROOT, Block, blocks, commands
from test_docs_followed import COMMANDS_ELSEWHERE, FOLLOWED, PYTHON_ELSEWHERE

from rnnpipe import declared
from rnnpipe.cli.main import rnnpipe
from rnnpipe.config import load_study
from rnnpipe.yaml_file import parse_yaml

RUN_BY = {
    **{program: (".ci/run", program) for program in ("pip", "ruff", "mypy", "snakefmt", "mkdocs")},
    **{program: (".ci/run", 'bash -euc "${readme[') for program in ("python3", "pytest")},
    **{program: ("tests/cluster/test_slurm.py", r"^squeue .*scancel$") for program in ("squeue", "awk", "xargs")},
    "cp": ("tests/test_tasks_own.py", "_template.py"),
    "python": ("tests/test_fuzz_files.py", "campaign.py"),
}
"""Which file runs a program that is not ours, and the words there that say so."""

NOT_RUN = {". activate"}
"""What is checked for shell syntax only."""

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
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        assert len(re.findall(r"^\s*(?:```|~~~)", text, re.M)) == 2 * len(blocks(page)), page
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        assert not re.search(r"^(?![*-] |\d+\. | ).*\n\n {4}", prose, re.M), f"{page}: indented code"


# -- YAML ----------------------------------------------------------------------------------------------------------


@every("yaml")
def test_yaml_is_a_study(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a source, with the tasks of the others; or as config.yaml, with the repository's sources."""
    values = parse_yaml(block.code, identify(block))
    if not set(values) <= SECTIONS:
        assert load_study(values, [ROOT]).tasks
        return
    if "fig_accuracy" in block.code:
        declare_own_figure(tmp_path, monkeypatch)
    source = tmp_path / "page.yaml"
    # the task of the tutorial is a file that a reader makes; what it is a copy of is there
    source.write_text(block.code.replace("{task: yes_no}", "{task: rdm_fixed}"))
    if "neurogym:" in block.code and find_spec("neurogym") is None:
        pytest.skip("NeuroGym is not installed (docs/neurogym.md)")
    study = load_study({"sources": [str(source)], "device": "cpu"}, [ROOT])
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


def asked(words: list[str]) -> Any:
    """What a command line asks Snakemake for."""
    from snakemake.cli import get_argument_parser

    got, unknown = get_argument_parser().parse_known_args(words)
    assert unknown == [], words
    return got


def exists(program: str, words: list[str]) -> bool:
    """Whether the repository has the files and extras that a command of another program names."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    wanted = [match[1] for word in words if (match := re.fullmatch(r"\.\[(\w+)\]", word))]
    files = [word for word in words if re.match(r"(tests|rnnpipe)/|requirements.*\.txt$", word) and program != "cp"]
    return set(wanted) <= set(extras) and all((ROOT / file).exists() for file in files)


@every("bash")
def test_commands_are_right(block: Block) -> None:
    subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)
    for words in commands(block.code):
        program, rest = words[0], words[1:]
        if program == "rnnpipe":
            # the task of the tutorial is a file that a reader makes; what it is a copy of is there
            rest = ["rdm_fixed" if word == "yes_no" else word for word in rest]
            try:
                parsed(rest)
            except click.ClickException as error:
                pytest.fail(f"{identify(block)}: {' '.join(words)}: {error.format_message()}")
        elif program == "snakemake":
            asked(rest)
        elif " ".join(words) not in NOT_RUN:
            file, said = RUN_BY[program]
            assert said in (ROOT / file).read_text("utf-8"), words
            assert exists(program, rest), words


def test_a_wrong_flag_would_be_found() -> None:
    with pytest.raises(click.UsageError, match="n_unitz"):
        parsed(["train", "--task.name", "rdm_fixed", "--network.n_unitz", "3", "--seed", "1"])
    assert commands("a b  # c\n.venv/bin/d 'e f' && g | h\n") == [["a", "b"], ["d", "e f"], ["g"], ["h"]]
    assert not exists("pip", ["install", "-e", ".[sb4]"]) and not exists("pytest", ["tests/test_nothing.py"])


@pytest.mark.slow
def test_the_workflow_has_a_plan_for_all_that_pages_ask_for(tmp_path: Path) -> None:
    """One plan for all targets, with what they set; the figure of the tutorial is made by test_tasks_own.py."""
    found = [words for page in PAGES for block in blocks(page, "bash") for words in commands(block.code)]
    calls = [asked(words[1:]) for words in found if words[0] == "snakemake"]
    targets = {target for call in calls for target in call.targets} - {"results/figures/fig_yes_no.pdf"}
    settings = sorted({setting for call in calls for setting in call.config or []})
    assert len(targets) > 5 and settings == ["device=cuda", "scale=smoke"]
    # as config/README.md keeps scales apart
    words = ["-n", "--cores", "2", "--directory", str(tmp_path), "--configfile", "config/config.yaml"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *words, "--config", *settings, "--", *sorted(targets)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0 and "This was a dry-run" in done.stdout, done.stdout[-2000:]


# -- all of it -----------------------------------------------------------------------------------------------------


@every("python")
def test_python_compiles(block: Block) -> None:
    compile(block.code, identify(block), "exec")


def test_everything_is_run() -> None:
    """Python and commands of each page: by test_docs_followed.py or a test that it names, which names the page."""
    here = {page for pages in FOLLOWED for page in pages}
    for page in PAGES:
        ours = [words for block in blocks(page, "bash") for words in commands(block.code) if words[0] == "rnnpipe"]
        for needed, elsewhere in ((blocks(page, "python"), PYTHON_ELSEWHERE), (ours, COMMANDS_ELSEWHERE)):
            if page in elsewhere:
                assert needed and Path(page).stem in (ROOT / "tests" / elsewhere[page]).read_text("utf-8"), page
            else:
                assert not needed or page in here, f"nothing runs {page}"
