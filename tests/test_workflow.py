"""The workflow, run by Snakemake for real: what an edit reruns, and what it does not.

A small study is made once in a copy of the repository; then each case edits the copy, asks a dry run what would be
done, and takes the edit back.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TINY = {"max_updates": 60, "validation_interval": 30, "validation_trials": 20, "on_failure": "keep"}
STUDY = {
    "tasks": {
        "motion": {"task": "rdm_fixed", "dt": 50.0, "fixation": 100.0},
        "rt": {"task": "rdm_rt", "dt": 50.0},
        "go": {"task": "go_nogo"},
    },
    "datasets": {
        "motion": {
            "behaviour": {"trials_per_condition": 20},
            "activity": {"trials_per_condition": 4, "record_activity": True},
        },
        "go": {"trials": {"trials_per_condition": 2}},
    },
    "experiments": {
        "a": {
            "task": "motion",
            "network": {"n_units": 20},
            "value_network": {"n_units": 10},
            "learning": {**TINY, "learning_rate": 0.02, "value_learning_rate": 0.01},
            "seeds": [1, 2],
        },
        "b": {
            "task": "motion",
            "network": {"n_units": 10},
            "value_network": {"n_units": 10},
            "learning": TINY,
            "seeds": [1],
        },
        "s": {
            "task": "go",
            "sweep": {"key": "network.n_units", "values": [8, 12]},
            "learning": {"rule": "bptt", "max_trials": 20, "evaluation_trials": 5},
            "seeds": 3,
            "seeds_per_job": 2,
        },
    },
    "spiking": {"lif": {"search": {"factors": [10, 30], "n_trials": 2, "n_heldout": 2, "only_trained": False}}},
    "figures": {
        "learning_a": {"module": "fig_learning", "of": "a", "needs": ["history"]},
        "learning_b": {"module": "fig_learning", "of": "b", "needs": ["history"]},
        "behaviour_a": {"module": "fig1_rdm", "of": "a", "seeds": [1], "needs": ["behaviour", "activity"]},
    },
    "claims": {"works": {"quantity": "decision_rate", "of": "a", "needs": ["behaviour"], "target_low": 0.5}},
}
DATASETS = {"Sampling data set behaviour of motion", "Sampling data set activity of motion"}
TRAIN_A = {"Training a, seed 1", "Training a, seed 2"}
TRAIN_B = {"Training b, seed 1"}
EVALUATE = {
    "Evaluating a, seed 1, on behaviour",
    "Evaluating a, seed 2, on behaviour",
    "Evaluating a, seed 1, on activity",
}
DRAW_A, DRAW_B, DRAW_BEHAVIOUR = {"Drawing learning_a"}, {"Drawing learning_b"}, {"Drawing behaviour_a"}
CLAIMS = {"Checking claims"}
EVERYTHING = DATASETS | TRAIN_A | TRAIN_B | EVALUATE | DRAW_A | DRAW_B | DRAW_BEHAVIOUR | CLAIMS


def snakemake(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RNNPIPE_END_WITH_PARENT")}
    command = [sys.executable, "-m", "snakemake", *words]
    return subprocess.run(
        command,
        cwd=folder,
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def planned(folder: Path, *words: str) -> set[str]:
    """Messages of the jobs that Snakemake would run."""
    done = snakemake(folder, "--dry-run", *words)
    assert done.returncode == 0, done.stdout
    jobs = set(re.findall(r"^Job \d+: (.*)$", done.stdout, re.M))
    assert jobs or "Nothing to be done" in done.stdout, done.stdout
    return jobs


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """A file with a text replaced, or with a text added at its end where there is no old one."""
    before, stat = path.read_text(), path.stat()
    assert old in before
    path.write_text(before.replace(old, new, 1) if old else before + new)
    try:
        yield
    finally:
        path.write_text(before)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@contextmanager
def study(tree: Path, *key: str, value: object) -> Iterator[None]:
    """The study with one value changed."""
    path = tree / "config" / "mini.yaml"
    before = path.read_text()
    content = yaml.safe_load(before)
    place = content
    for part in key[:-1]:
        place = place[part]
    place[key[-1]] = value
    path.write_text(yaml.safe_dump(content))
    try:
        yield
    finally:
        path.write_text(before)


def copy_repository(folder: Path) -> Path:
    for name in ("rnnpipe", "workflow", "config"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "environment.yml").write_text((ROOT / "environment.yml").read_text())
    (folder / "config/mini.yaml").write_text(yaml.safe_dump(STUDY))
    main = folder / "config/config.yaml"
    main.write_text(
        main.read_text()
        .replace("  - song2017\n", "  - mini\n")
        .replace("  - kim2019\n", "")
        .replace("  - engel2023\n", "")
        .replace("  - neurogym\n", "")
    )
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which everything has been made."""
    folder = copy_repository(tmp_path_factory.mktemp("tree"))
    assert planned(folder) == EVERYTHING
    done = snakemake(folder, "--cores", "2")
    assert done.returncode == 0, done.stdout
    return folder


def test_nothing_changed_runs_nothing(tree: Path) -> None:
    done = snakemake(tree, "--cores", "2")
    assert done.returncode == 0 and "Nothing to be done" in done.stdout
    for name in ("learning_a", "learning_b", "behaviour_a"):
        for suffix in ("pdf", "png", "csv"):
            assert (tree / f"results/figures/{name}.{suffix}").stat().st_size > 0
    assert "decision_rate" in (tree / "results/claims.csv").read_text()
    assert not list(tree.glob("results/train/*/.*.checkpoint")), "training is over"


CODE = "\n_edited = 1\n"
PASSED_OVER = '\n# a comment\n\n\n"""A text that nothing reads."""\n'
EDITS = {
    "comment in an engine": ("networks/engine.py", "", PASSED_OVER, set()),
    "comment in a figure": ("figures/fig_learning.py", "", PASSED_OVER, set()),
    "docstring of a stage": ("cli/train.py", '"""Stage', '"""The stage', set()),
    "help text of a setting": ("training/settings.py", '"Adam learning rate of the policy network"', '"rate"', set()),
    "program that starts stages": ("cli/main.py", "", CODE, set()),
    "task that is not used": ("tasks/rdm_rt.py", "", CODE, set()),
    "figure module": ("figures/fig_learning.py", "", CODE, DRAW_A | DRAW_B),
    "other figure module": ("figures/fig1_rdm.py", "", CODE, DRAW_BEHAVIOUR),
    "figure style": ("figures/style.py", "", CODE, DRAW_A | DRAW_B | DRAW_BEHAVIOUR),
    "claims": ("analysis/claims.py", "", CODE, CLAIMS),
    "trainer": ("training/policy_gradient.py", "", CODE, EVERYTHING - DATASETS),
    "default of a setting of the trainer": (
        "training/settings.py",
        "setting(1.0, ",
        "setting(1.5, ",
        EVERYTHING - DATASETS,
    ),
    "evaluation": ("evaluation/simulate.py", "", CODE, EVALUATE | DRAW_BEHAVIOUR | CLAIMS),
    "task": ("tasks/rdm_fixed.py", "", CODE, EVERYTHING),
    "sampling of data sets": ("cli/dataset.py", "", CODE, DATASETS | EVALUATE | DRAW_BEHAVIOUR | CLAIMS),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edit_of_the_code_reruns_what_runs_it(tree: Path, case: str) -> None:
    name, old, new, expected = EDITS[case]
    with edited(tree / "rnnpipe" / name, old, new):
        assert planned(tree) == expected


LEARNING_A = STUDY["experiments"]["a"]["learning"]  # type: ignore[index]
SETTINGS = {
    "setting of one experiment": (
        ("experiments", "b", "learning", "learning_rate"),
        0.03,
        TRAIN_B | DRAW_B,
    ),
    "two values swapped": (
        ("experiments", "a", "learning"),
        {**LEARNING_A, "learning_rate": 0.01, "value_learning_rate": 0.02},
        TRAIN_A | EVALUATE | DRAW_A | DRAW_BEHAVIOUR | CLAIMS,
    ),
    "a default spelt out": (("experiments", "a", "network"), {"n_units": 20, "tau": 100.0}, set()),
    "a seed added": (("experiments", "b", "seeds"), [1, 2], {"Training b, seed 2"} | DRAW_B),
    "a seed added to what claims gather": (
        ("experiments", "a", "seeds"),
        [1, 2, 3],
        {"Training a, seed 3", "Evaluating a, seed 3, on behaviour"} | DRAW_A | CLAIMS,
    ),
    "a seed removed": (("experiments", "a", "seeds"), [1], DRAW_A | CLAIMS),
    "size of a data set": (
        ("datasets", "motion", "activity", "trials_per_condition"),
        5,
        {"Sampling data set activity of motion", "Evaluating a, seed 1, on activity"} | DRAW_BEHAVIOUR,
    ),
    "setting of a task": (("tasks", "motion", "decision"), 450.0, EVERYTHING),
    "setting of a task that is not used": (("tasks", "rt", "dt"), 20.0, set()),
    "band of a claim": (("claims", "works", "target_low"), 0.6, CLAIMS),
    "a figure added": (
        ("figures", "more"),
        {"module": "fig_learning", "of": "a", "seeds": [2], "needs": ["history"]},
        {"Drawing more"},
    ),
    "seeds of a figure": (("figures", "learning_a", "seeds"), [2], DRAW_A),
    "where results are recorded": (
        ("datasets", "motion", "behaviour", "record_activity"),
        True,
        {"Evaluating a, seed 1, on behaviour", "Evaluating a, seed 2, on behaviour"} | DRAW_BEHAVIOUR | CLAIMS,
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_a_setting_reruns_what_depends_on_it(tree: Path, case: str) -> None:
    key, value, expected = SETTINGS[case]
    with study(tree, *key, value=value):
        assert planned(tree) == expected


def test_training_that_starts_from_another_reruns_with_it(tree: Path) -> None:
    entry = {"task": "motion", "learning": TINY, "seeds": [2], "initial": "a"}
    target, network = "results/train/tuned/seed2.pth", {"n_units": 20}
    with study(tree, "experiments", "tuned", value={**entry, "network": network, "value_network": {"n_units": 10}}):
        assert planned(tree, target) == {"Training tuned, seed 2"}
        done = snakemake(tree, "--cores", "1", target)
        assert done.returncode == 0, done.stdout
        assert "--initial results/train/a/seed2.pth" in done.stdout
        assert planned(tree, target) == set()
        with study(tree, "experiments", "a", "learning", "learning_rate", value=0.03):
            assert planned(tree, target) == {"Training a, seed 2", "Training tuned, seed 2"}


def test_the_name_of_a_source_is_a_target(tree: Path) -> None:
    assert planned(tree, "mini", "--forceall") == EVERYTHING | TRAIN_S | TRAIN_S_12, "networks without a figure, too"


def test_device_and_threads_rerun_nothing(tree: Path) -> None:
    assert planned(tree, "--cores", "2", "--config", "device=cpu", "threads=2") == set()


def test_touching_every_file_of_the_package_reruns_nothing(tree: Path) -> None:
    for path in (tree / "rnnpipe").rglob("*.py"):
        path.touch()
    assert planned(tree) == set()


def test_targets_by_name(tree: Path) -> None:
    forced = ("--forceall",)
    assert planned(tree, "all_networks", *forced) == TRAIN_A | TRAIN_B | TRAIN_S | TRAIN_S_12
    assert planned(tree, "claims", *forced) == EVERYTHING - DRAW_A - DRAW_B - DRAW_BEHAVIOUR - TRAIN_B - {
        "Sampling data set activity of motion",
        "Evaluating a, seed 1, on activity",
    }
    assert planned(tree, "all_figures", *forced) == EVERYTHING - CLAIMS - {"Evaluating a, seed 2, on behaviour"}
    assert planned(tree, "results/fixed_points/b/seed1.h5") == {"Searching for fixed points of b, seed 1"}
    assert planned(tree, "bench") == {"Measuring speed"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("results/figures/lerning_a.pdf",), "unknown figure 'lerning_a' (did you mean 'learning_a'?"),
        (("results/train/c/seed1.pth",), "unknown experiment 'c'"),
        (("results/dataset/motion/behavior.h5",), "unknown data set of motion 'behavior' (did you mean 'behaviour'?"),
        (("--config", "scale=smok"), "unknown scale 'smok'"),
        (("--config", "treads=2"), "unknown key 'treads' (did you mean 'threads'?"),
    ],
)
def test_mistakes_stop_before_anything_is_planned(tree: Path, words: tuple[str, ...], message: str) -> None:
    done = snakemake(tree, "--dry-run", *words)
    assert done.returncode != 0 and message in done.stdout


def test_a_mistake_in_a_source_is_told_before_anything_is_planned(tree: Path) -> None:
    with study(tree, "experiments", "a", "netwrk", value={}):
        done = snakemake(tree, "--dry-run")
    assert done.returncode != 0 and "unknown key 'netwrk' (did you mean 'network'?" in done.stdout


def _imported(tree: Path, *words: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "snakemake", *words]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def test_reading_the_workflow_imports_nothing_heavy(tree: Path) -> None:
    by_itself = _imported(tree, "--version")  # plugins of Snakemake may: the one for SLURM imports pandas
    imported = _imported(tree, "--dry-run", "--forceall") - by_itself
    assert "rnnpipe.config" in imported
    assert not imported & {"torch", "numba", "matplotlib", "scipy", "pandas", "h5py", "gymnasium"}


def test_runs_elsewhere_and_without_an_activated_environment(tree: Path, tmp_path: Path) -> None:
    target = "results/dataset/motion/activity.h5"
    words = ["--snakefile", str(tree / "workflow/Snakefile"), "--directory", str(tmp_path), "--cores", "1", target]
    done = snakemake(tmp_path, *words, "--configfile", str(tree / "config/config.yaml"), PATH="/usr/bin:/bin")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / target).read_bytes() == (tree / target).read_bytes()


def test_report(tree: Path) -> None:
    pytest.importorskip("pygments")
    done = snakemake(tree, "--report", "report.html")
    assert done.returncode == 0, done.stdout
    assert (tree / "report.html").stat().st_size > 100_000


def test_the_report_is_a_target(tree: Path) -> None:
    done = snakemake(tree, "--cores", "1", "report")
    assert done.returncode == 0, done.stdout
    page = (tree / "results/report.html").read_text()
    assert all(f'id="figure-{name}"' in page for name in STUDY["figures"]) and page.count("data:image/") >= 3
    assert 'id="claim-works"' in page
    assert planned(tree, "report") == set()
    with edited(tree / "rnnpipe/report/page.css", "", "\n/* printed */\n"):
        assert planned(tree, "report") == {"Writing the report"}


def test_a_killed_snakemake_leaves_no_orphan_and_the_same_command_continues(tree: Path) -> None:
    learning = {**TINY, "max_updates": 20_000, "validation_interval": 100}
    entry = {"task": "motion", "learning": learning, "seeds": [5]}
    target = "results/train/long/seed5.pth"
    log = tree / "results/logs/train/long/seed5.log"
    command = [sys.executable, "-m", "snakemake", "--cores", "1", target]
    with study(tree, "experiments", "long", value=entry):
        first = subprocess.Popen(command, cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait(lambda: log.exists() and "update" in log.read_text())
        first.send_signal(signal.SIGKILL)
        first.wait()
        _wait(lambda: "stopped by SIGTERM" in log.read_text())
        assert snakemake(tree, "--unlock").returncode == 0
        second = subprocess.Popen(command, cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait(lambda: log.exists() and "continuing from" in log.read_text())
        finally:
            second.send_signal(signal.SIGINT)
            second.wait()


def _wait(condition, seconds: float = 60) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)


# --- the text of the workflow


def rules() -> dict[str, str]:
    text = "\n".join(path.read_text() for path in sorted((ROOT / "workflow").rglob("*.smk")))
    text += (ROOT / "workflow/Snakefile").read_text()
    blocks = re.findall(r"^rule (\w+):\n((?:[ \t].*\n|\n)+)", text, re.M)
    return {name: body for name, body in blocks if "shell:" in body or "run:" in body or "script:" in body}


def test_every_rule_is_complete() -> None:
    found = rules()
    stages = {"dataset", "train", "spiking", "evaluate", "fixed_points", "gather", "figures", "claims", "bench"}
    stages |= {"report"}
    variants = {"train_several": "train", "evaluate_spiking": "evaluate", "animation": "figures"}
    assert set(found) == stages | set(variants)
    for name, body in found.items():
        for part in ("output", "log", "benchmark", "message", "conda", "threads", "resources", "params", "shell"):
            assert re.search(rf"^    {part}:", body, re.M), f"{name} has no {part}:"
        for part in ("run", "script", "retries"):
            assert not re.search(rf"^    {part}:", body, re.M), f"{name} has {part}:"
        stage = variants.get(name, name)
        assert f'code("{stage}"' in body, f"{name} does not depend on its code"
        assert f'"exec python -m rnnpipe {stage} ' in body, "without exec a stage is killed before it can save"
        assert "mem_mb=" in body and "runtime=" in body


def test_lint_and_format() -> None:
    done = snakemake(ROOT, "--lint")
    assert done.returncode == 0, done.stdout
    snakefmt = shutil.which("snakefmt", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if snakefmt is None:
        pytest.skip("snakefmt is not installed")
    done = subprocess.run([snakefmt, "--check", "workflow"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["smoke", "default", "paper"])
def test_the_shipped_study_can_be_planned_at_every_scale(tmp_path: Path, scale: str) -> None:
    configuration = str(ROOT / "config/config.yaml")
    words = [
        "--snakefile",
        str(ROOT / "workflow/Snakefile"),
        "--directory",
        str(tmp_path),
        "--configfile",
        configuration,
    ]
    jobs = planned(tmp_path, *words, "--config", f"scale={scale}")
    assert "Drawing fig1_rdm" in jobs and "Checking claims" in jobs


SPIKES = [f"results/spiking/s_8/lif/seeds{batch}.h5" for batch in ("0-1", "2-2")]
ON_TRIALS = ["results/evaluate/s_8/seed2.trials.h5", "results/evaluate/s_8/lif/seed2.trials.h5"]
SAMPLE_GO = {"Sampling data set trials of go"}
TRAIN_S = {"Training s_8, seeds 0-1", "Training s_8, seeds 2-2"}
TRAIN_S_12 = {"Training s_12, seeds 0-1", "Training s_12, seeds 2-2"}
MAP_S = {f"Mapping s_8, seeds {batch}, to spikes (lif)" for batch in ("0-1", "2-2")}
EVALUATE_S = {"Evaluating s_8, seed 2, on trials"}
EVALUATE_SPIKES = {"Evaluating s_8, seed 2, with spikes (lif) on trials"}


@pytest.fixture(scope="module")
def mapped(tree: Path) -> Path:
    """The tree in which rate networks have been trained, mapped and evaluated, too."""
    assert planned(tree, *SPIKES, *ON_TRIALS) == SAMPLE_GO | TRAIN_S | MAP_S | EVALUATE_S | EVALUATE_SPIKES
    done = snakemake(tree, "--cores", "2", *SPIKES, *ON_TRIALS)
    assert done.returncode == 0, done.stdout
    return tree


RATE_EDITS = {
    "nothing": (None, set()),
    "rate kernels": ("networks/rate_kernels.py", TRAIN_S | MAP_S | EVALUATE_S | EVALUATE_SPIKES),
    "trainer": ("training/bptt.py", TRAIN_S | MAP_S | EVALUATE_S | EVALUATE_SPIKES),
    "other trainer": ("training/policy_gradient.py", set()),
    "spiking kernels": ("networks/lif_kernels.py", MAP_S | EVALUATE_S | EVALUATE_SPIKES),
    "search": ("mapping/search.py", MAP_S | EVALUATE_SPIKES),
}


@pytest.mark.parametrize("case", RATE_EDITS)
def test_rate_networks_rerun_with_the_code_that_runs_them(mapped: Path, case: str) -> None:
    name, expected = RATE_EDITS[case]
    if name is None:
        assert planned(mapped, *SPIKES, *ON_TRIALS) == expected
        return
    with edited(mapped / "rnnpipe" / name, "", CODE):
        assert planned(mapped, *SPIKES, *ON_TRIALS) == expected


def test_several_networks_of_a_job_and_their_files(mapped: Path) -> None:
    names = {path.name for path in (mapped / "results/train/s_8/seeds0-1").glob("[!.]*")}
    assert names == {f"seed{seed}.{kind}" for seed in (0, 1) for kind in ("pth", "mat", "history.h5")}
    with study(mapped, "spiking", "lif", "search", "n_trials", value=3):
        assert planned(mapped, *SPIKES, *ON_TRIALS) == MAP_S | EVALUATE_SPIKES
    with study(mapped, "experiments", "s", "seeds", value=4):
        wanted = "results/spiking/s_8/lif/seeds2-3.h5"
        assert planned(mapped, wanted) == {"Training s_8, seeds 2-3", "Mapping s_8, seeds 2-3, to spikes (lif)"}


def test_a_value_added_to_a_sweep_trains_its_networks_only(mapped: Path) -> None:
    target, gathering = "results/gather/s.csv", {"Gathering the networks of s"}
    assert planned(mapped, target) == TRAIN_S_12 | gathering, "the networks of s_8 are there"
    done = snakemake(mapped, "--cores", "2", target)
    assert done.returncode == 0, done.stdout
    rows = (mapped / target).read_text().splitlines()
    assert rows[0].startswith("experiment,seed,network.n_units,task,") and len(rows) == 7
    assert all((mapped / name).is_file() for row in rows[1:] for name in row.split(",")[-2:])
    assert planned(mapped, target) == set()
    with study(mapped, "experiments", "s", "sweep", value={"network.n_units": [8, 10, 12]}):
        new = {"Training s_10, seeds 0-1", "Training s_10, seeds 2-2"}
        assert planned(mapped, target) == new | gathering
    grid = {"network.n_units": [8, 12], "task.dt": [5.0]}
    with study(mapped, "experiments", "s", "sweep", value=grid):
        assert "Training s_8_5, seeds 0-1" in planned(mapped, target)
