"""What is shipped: the package as a wheel in an environment of its own, and the workflow as a module of another one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
STUDY = """\
tasks: {motion: {task: rdm_fixed, dt: 50.0}, go: {task: go_nogo}}
experiments:
  a:
    task: motion
    network: {n_units: 10}
    value_network: {n_units: 10}
    learning: {max_updates: 20, validation_interval: 10, validation_trials: 20, on_failure: keep}
    seeds: [1]
  s:
    task: go
    learning: {rule: bptt, max_trials: 20, evaluation_trials: 5}
    seeds: 2
    seeds_per_job: 2
spiking: {lif: {search: {factors: [10], n_trials: 2, n_heldout: 2, only_trained: false}}}
figures:
  learning_a: {module: fig_learning, of: a, needs: [history]}
  mapped: {module: fig_networks, of: s, needs: {networks: [lif]}}
claims: {trains: {quantity: fraction_trained, of: s, needs: [lif], target_low: 0.0}}
"""
OTHER_WORKFLOW = """\
module rnnpipe:
    snakefile: "{root}/workflow/Snakefile"
    config: {{"sources": ["mine"]}}
    prefix: "models"

use rule * from rnnpipe as rnnpipe_*

rule summary:
    default_target: True
    input: "models/results/figures/learning_a.csv", "models/results/figures/mapped.pdf", "models/results/claims.csv"
    output: "summary.txt"
    shell: "wc -l < {{input[0]}} > {{output}}"
"""


def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RNNPIPE_END_WITH_PARENT")}
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=inherited,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_the_workflow_is_a_module_of_another_one(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "mine.yaml").write_text(STUDY)
    (tmp_path / "Snakefile").write_text(OTHER_WORKFLOW.format(root=ROOT))
    made = run(sys.executable, "-m", "snakemake", "--cores", "1", cwd=tmp_path)
    assert made.returncode == 0, made.stdout
    assert int((tmp_path / "summary.txt").read_text()) > 5
    assert not (tmp_path / "results").exists()  # everything has the prefix
    again = run(sys.executable, "-m", "snakemake", "--cores", "1", cwd=tmp_path)
    assert "Nothing to be done" in again.stdout, again.stdout


@pytest.mark.slow
def test_the_wheel_works_without_the_checkout(tmp_path: Path) -> None:
    built = run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT)
    if built.returncode and re.search(
        "(?i)connection|resolution|no matching distribution found for hatchling", built.stdout
    ):
        pytest.skip("the build backend cannot be fetched")
    assert built.returncode == 0, built.stdout
    (wheel,) = tmp_path.glob("rnnpipe-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    package = {str(p.relative_to(ROOT)) for p in (ROOT / "rnnpipe").rglob("*.py")}
    package |= {f"rnnpipe/report/page.{kind}" for kind in ("html", "css", "js")}
    assert package <= set(names) and not [n for n in names if n.startswith(("tests/", "results/", "workflow/"))]

    # an environment that sees the installed libraries, but not the checkout, which may be installed there, too
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    site = next((tmp_path / "env" / "lib").glob("python*")) / "site-packages"
    zipfile.ZipFile(wheel).extractall(site)
    libraries = next(p for p in map(Path, sys.path) if (p / "numpy").is_dir())
    (site / "libraries.pth").write_text(f"{libraries}\n")
    where = run(python, "-I", "-c", "import rnnpipe; print(rnnpipe.__file__)", cwd=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(site), where.stdout
    for words in (
        ["--help"],
        ["dataset", "--task.name", "rdm_fixed", "--dataset.trials_per_condition", "2", "--out", "t.h5"],
    ):
        done = run(python, "-I", "-m", "rnnpipe", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
    assert (tmp_path / "t.h5").is_file()


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"] and citation["license"] == PROJECT["license"]
    assert citation["title"] == PROJECT["name"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_what_is_installed_is_what_the_package_asks_for() -> None:
    lock = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.M))
    for requirement in PROJECT["dependencies"]:
        name, low, high = re.fullmatch(r"([\w-]+)>=([\d.]+),<([\d.]+)(?:,!=[\d.*]+)?", requirement).groups()  # type: ignore[union-attr]
        version = [int(part) for part in re.findall(r"\d+", lock[name])]
        assert [int(p) for p in low.split(".")] <= version < [int(p) for p in high.split(".")], requirement


def test_the_catalogue_finds_the_workflow() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"] == {"conda": True} and usage["report"] is True
    for path in ("workflow/Snakefile", "config/config.yaml", "config/README.md", "README.md", "LICENSE"):
        assert (ROOT / path).is_file(), path
