"""The command line: flags made from settings, mistakes as one sentence, `dataset`, and `info` on every artefact."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
import pytest

from rnnpipe.cli import dataset as dataset_stage
from rnnpipe.cli import main as cli
from rnnpipe.cli._argv import flag_value
from rnnpipe.cli._options import TASK, stage
from rnnpipe.cli.main import STAGES, THREAD_VARIABLES, main
from rnnpipe.dataset import BLOCK, DatasetSettings, blocks
from rnnpipe.errors import ArtefactError, Interrupted, RnnpipeError
from rnnpipe.io.trials import open_trials
from rnnpipe.networks.settings import GatedSettings
from rnnpipe.tasks import task_class, task_names
from rnnpipe.training.settings import PolicyGradientSettings
from rnnpipe.trials import Trials

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def run(*words: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rnnpipe", *words]
    return subprocess.run(
        command, capture_output=True, text=True, env={**ENVIRONMENT, **kwargs.pop("env", {})}, **kwargs
    )


@pytest.fixture
def parsed() -> dict[str, Any]:
    return {}


@pytest.fixture
def command(parsed: dict[str, Any]) -> click.Command:
    @stage(task=TASK, network=GatedSettings, learning=PolicyGradientSettings)
    @click.option("--seed", type=int)
    def command(settings: dict[str, Any], seed: int | None) -> None:
        """Do it."""
        parsed.update(settings, seed=seed)

    return command


def call(command: click.Command, *words: str) -> Any:
    return command.main(args=list(words), standalone_mode=False)


# --- flags


def test_flags_win_over_settings_which_win_over_defaults(command: click.Command, parsed: dict[str, Any]) -> None:
    settings = {"task": {"name": "rdm_fixed", "dt": 20.0}, "network": {"n_units": 7, "tau": 50.0}}
    call(command, "--settings", json.dumps(settings), "--network.n_units", "9", "--seed", "3", "--task.dt=5")
    assert (parsed["task"].name, parsed["task"].dt, parsed["seed"]) == ("rdm_fixed", 5.0, 3)
    assert (parsed["network"].n_units, parsed["network"].tau) == (9, 50.0)
    assert parsed["network"].connection_probability == GatedSettings().connection_probability
    assert parsed["learning"] == PolicyGradientSettings()


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_settings_from_a_file(command: click.Command, parsed: dict[str, Any], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"settings.{suffix}"
    text = "task: {name: rdm_rt}\nnetwork: {tau: 1e2}\n" if suffix == "yaml" else '{"task": {"name": "rdm_rt"}}'
    path.write_text(text)
    call(command, "--settings", str(path))
    assert parsed["task"].name == "rdm_rt" and parsed["network"].tau == 100.0


def test_values_of_every_type(command: click.Command, parsed: dict[str, Any]) -> None:
    words = ["--task.name", "rdm_rt", "--task.tau_reward", "null", "--task.coherences", "0, 6.4,51.2"]
    words += [
        "--task.abort_on_last_step",
        "false",
        "--network.fixed",
        "[w_in, b_in]",
        "--learning.learning_rate",
        "1e-3",
    ]
    words += ["--learning.target_reward", "-0.5", "--learning.on_failure", "keep"]
    call(command, *words)
    task, learning = parsed["task"], parsed["learning"]
    assert task.tau_reward is None and task.coherences == [0.0, 6.4, 51.2] and task.abort_on_last_step is False
    assert parsed["network"].fixed == ["w_in", "b_in"]
    assert (learning.learning_rate, learning.target_reward, learning.on_failure) == (0.001, -0.5, "keep")


def test_help_lists_every_setting_of_the_named_task_with_unit_and_default() -> None:
    text = " ".join(run("train", "--task.name", "rdm_rt", "--help").stdout.split())
    for group, model in {"task": task_class("rdm_rt"), "learning": PolicyGradientSettings}.items():
        for name in model.model_fields:
            assert f"--{group}.{name} " in text
    assert "--task.tau_reward FLOAT|null" in text and "[ms; default: 10000.0]" in text
    assert "--task.stimulus_mean" not in text, "a setting of another task"
    bare = " ".join(run("train", "--help").stdout.split())
    assert f"--task.name TASK one of {', '.join(task_names())}" in bare and "--task.dt" not in bare


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task.name", "rdm_fixd"], "unknown task 'rdm_fixd' (did you mean 'rdm_fixed'?"),
        ([], "no task is named: give --task.name, one of angle_addition, angle_integration"),
        (["--task.name=rdm_fixed", "--network.n_unit=3"], "--network.n_units"),
        (["--task.name=rdm_fixed", "--network.n_units=x"], "--network.n_units x: input should be a valid integer"),
        (["--task.name=rdm_fixed", "--network.n_units=0"], "network: n_units = 0: input should be greater than 0"),
        (["--task.name=rdm_fixed", "--task.dt=100"], "shorter than one step (dt = 100 ms)"),
        (["--task.name=rdm_fixed", "--task.decision=2000"], "after tmax = 2750 ms"),
        (["--task.name=rdm_fixed", "--task.coherences=[1"], "--task.coherences"),
        (["--task.name=rdm_fixed", "--learning.credit_t0=late"], "'immediate' or 'return'"),
        (["--settings={"], "--settings, line 1: not valid YAML"),
        (["--settings=[1]"], "expected a mapping"),
        (["--settings=nowhere.yaml"], "nowhere.yaml: cannot be read (no such file or directory)"),
        (['--settings={"task": 3}'], "task: expected a mapping of settings, got 3"),
        (['--settings={"netwrk": {}}'], "unknown group 'netwrk' (did you mean 'network'?"),
        (['--settings={"task": {"name": "rdm_fixed", "dtt": 3}}'], "unknown key 'dtt' (did you mean 'dt'?"),
        (['--settings={"task": {"name": "rdm_fixed", "dt": "3"}}'], "dt = '3' ms"),
        (["--task.name=rdm_fixed", "--seed=x"], "'x' is not a valid integer"),
        (["--task.name=rdm_fixed", "--seed"], "requires an argument"),
    ],
)
def test_a_wrong_word_is_one_sentence(
    command: click.Command, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(cli, "rnnpipe", command)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("rnnpipe: ") and error.count("\n") == 1


def test_flag_value() -> None:
    assert flag_value(["--a", "1", "--b=2", "--a=3"], "--a") == "3"
    assert flag_value(["--ab", "1", "--a"], "--a") is None


# --- the program


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from rnnpipe.cli.main import main; main(['--help']);"
        "print([m for m in ('numpy', 'torch', 'pydantic', 'h5py', 'pandas', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert all(name in done.stdout for name in STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_has_a_help_page(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: rnnpipe {name}"), done.stderr


def test_an_unknown_stage_lists_those_that_exist() -> None:
    done = run("trian")
    assert done.returncode == 2 and "unknown stage 'trian'" in done.stderr and "train" in done.stderr


class Broken(click.Command):
    """A command that raises what it is given."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("broken")
        self.error = error

    def invoke(self, ctx: click.Context) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (ArtefactError("x.h5: is damaged."), 3, "rnnpipe: x.h5: is damaged.\n"),
        (Interrupted("stopped, continue."), 75, "rnnpipe: stopped, continue.\n"),
        (KeyboardInterrupt(), 130, "rnnpipe: interrupted.\n"),
        (MemoryError("3 GiB"), 6, "rnnpipe: out of memory (3 GiB); use smaller batches"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out.h5"),
            3,
            "rnnpipe: out.h5: no space left on device; free",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "out.h5"), 3, "rnnpipe: out.h5: permission denied.\n"),
    ],
)
def test_failures_are_one_sentence_with_their_own_status(
    error: BaseException, status: int, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(cli, "rnnpipe", Broken(error))
    assert main([]) == status
    assert capsys.readouterr().err.lstrip().startswith(sentence)
    monkeypatch.setenv("RNNPIPE_DEBUG", "1")
    main([])
    assert "Traceback" in capsys.readouterr().err


def test_mistakes_of_the_program_keep_their_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "rnnpipe", Broken(ZeroDivisionError("bug")))
    with pytest.raises(ZeroDivisionError):
        main([])


def test_every_error_has_its_own_status() -> None:
    statuses = [kind.exit_code for kind in RnnpipeError.__subclasses__()]
    assert 0 not in statuses and len(set(statuses)) == len(statuses)


def test_a_reader_that_goes_away_ends_quietly(tmp_path: Path) -> None:
    path = tmp_path / "trials.h5"
    assert (
        run("dataset", "--task.name=rdm_fixed", "--dataset.trials_per_condition=1", "--out", str(path)).returncode == 0
    )
    done = subprocess.run(
        f"'{sys.executable}' -u -m rnnpipe info '{path}' | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert done.returncode == 1 and done.stderr == ""


def test_threads_reach_libraries_before_they_are_imported() -> None:
    script = (
        "import sys; from rnnpipe.cli import main as m;"
        "assert 'numpy' not in sys.modules; m.set_threads(['train', '--threads', '3']);"
        "import os; print(sorted({os.environ[v] for v in m.THREAD_VARIABLES}), os.environ['OMP_WAIT_POLICY'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.stdout.strip() == "['3'] PASSIVE", done.stderr


def test_without_the_flag_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in THREAD_VARIABLES:
        monkeypatch.setenv(variable, "5")
    cli.set_threads(["train", "--threads", "none"])
    assert {os.environ[v] for v in THREAD_VARIABLES} == {"5"}


# --- dataset


def test_a_dataset_runs_through_the_factorial_first_factor_fastest() -> None:
    task = task_class("rdm_fixed")()
    settings = DatasetSettings(trials_per_condition=120, seed=4)
    parts = list(blocks(task, settings))
    assert [p.n_trials for p in parts] == [500, 500, 200]
    side = np.concatenate([p.conditions["side"] for p in parts])
    coherence = np.concatenate([p.conditions["coherence"] for p in parts])
    np.testing.assert_array_equal(side, np.tile([-1, 1], 600))
    np.testing.assert_array_equal(coherence, np.tile(np.repeat([0, 6.4, 12.8, 25.6, 51.2], 2), 120))
    durations = np.concatenate([p.conditions["stimulus"] for p in parts])
    assert len(np.unique(durations)) > 50, "durations stay random"


def test_blocks_are_independent_and_a_shorter_set_is_the_beginning_of_a_longer_one() -> None:
    task = task_class("rdm_fixed")(dt=20.0, coherences=[0.0])  # without evidence inputs are noise alone

    def inputs(n: int, seed: int) -> list[Trials]:
        return list(blocks(task, DatasetSettings(trials_per_condition=n, seed=seed)))

    short, long, other = inputs(BLOCK // 2, 1), inputs(BLOCK, 1), inputs(BLOCK // 2, 2)
    np.testing.assert_array_equal(short[0].inputs, long[0].inputs)
    for a, b in ((long[0], long[1]), (short[0], other[0])):
        same = a.during("stimulus") & b.during("stimulus")
        assert abs(np.corrcoef(a.inputs[same][:, 1], b.inputs[same][:, 1])[0, 1]) < 0.05


def test_dataset_stage_writes_what_was_asked_for(tmp_path: Path) -> None:
    words = ["--task.name=rdm_rt", "--task.dt=20", "--dataset.trials_per_condition=50", "--dataset.seed=7"]
    for name in ("a", "b"):
        assert main(["dataset", *words, "--out", str(tmp_path / f"{name}.h5")]) == 0
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with open_trials(tmp_path / "a.h5") as file:
        assert file.n_trials == 600
        assert file.attributes["settings"] == {
            "task": {"name": "rdm_rt", "dt": 20.0},
            "dataset": {"trials_per_condition": 50, "seed": 7},
        }
        assert (file.attributes["seed"], file.attributes["task"], file.attributes["dt"]) == (7, "rdm_rt", 20.0)
        expected = list(blocks(task_class("rdm_rt")(dt=20.0), DatasetSettings(trials_per_condition=50, seed=7)))
        np.testing.assert_array_equal(file[500:600].inputs, expected[1].inputs)
        np.testing.assert_array_equal(file[500:600].periods["stimulus"], expected[1].periods["stimulus"])


def test_dataset_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(task: Any, settings: Any) -> Any:
        yield next(blocks(task, settings))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(dataset_stage, "blocks", failing)
    words = ["dataset", "--task.name=rdm_fixed", "--dataset.trials_per_condition=100"]
    assert main([*words, "--out", str(tmp_path / "a.h5")]) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["file/a.h5", "/proc/a.h5"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, where: str, capsys: Any) -> None:
    (tmp_path / "file").write_text("not a folder")
    out = where if where.startswith("/") else str(tmp_path / where)
    assert main(["dataset", "--task.name=rdm_fixed", "--dataset.trials_per_condition=1", "--out", out]) == 3
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.slow
def test_memory_of_the_published_behaviour_set_stays_small(tmp_path: Path) -> None:
    script = (
        "import re, sys; from pathlib import Path; from rnnpipe.cli.main import main;"
        "status = main(['dataset', '--task.name=rdm_fixed', '--dataset.trials_per_condition=5000', '--out=a.h5']);"
        # not ru_maxrss, which begins with the size of the process that started this one
        "print(int(re.search('VmHWM:[^0-9]*([0-9]+)', Path('/proc/self/status').read_text())[1]) // 1024);"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 250, "MiB; torch alone would be more"


# --- info


def test_info_tells_kind_axes_units_settings_and_provenance(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "trials.h5"
    main(["dataset", "--task.name=rdm_fixed", "--task.dt=20", "--dataset.trials_per_condition=2", "--out", str(path)])
    capsys.readouterr()
    assert main(["info", str(path)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "kind: trials",
        "seed: 1",
        "inputs time 138, trial 20, input 3 float32",
        "periods/stimulus trial 20, edge 2 int32 steps",
        "trials_per_condition: 2",
        "dt: 20.0",
        "stage: dataset",
    ):
        assert words in text


def test_info_on_a_network_tells_score_and_weights(tmp_path: Path, capsys: Any) -> None:
    words = ["--task.name=rdm_fixed", "--task.dt=50", "--network.n_units=6", "--value_network.n_units=5", "--seed=3"]
    words += [
        "--learning.max_updates=1",
        "--learning.validation_trials=4",
        "--learning.on_failure=keep",
        "--device=cpu",
    ]
    files = ["--network", str(tmp_path / "n.pth"), "--history", str(tmp_path / "n.h5")]
    assert main(["train", *words, *files]) == 0
    capsys.readouterr()
    assert main(["info", str(tmp_path / "n.pth")]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        "kind: network",
        "seed: 3",
        "policy.w_rec 6 x 6",
        "value.w_out 1 x 5",
        "score:",
        "reached_criterion: false",
    ):
        assert part in text
    assert main(["info", str(tmp_path / "n.h5")]) == 0
    assert "kind: history" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.h5", b"\x89HDF\r\n\x1a\n truncated", "not a whole HDF5 file"),
        ("a.h5", b"", "not a whole HDF5 file"),
        ("a.pth", b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.", "expected a network file"),
        ("a.pdf", b"%PDF-1.4 cut", "not a whole PDF"),
        ("a.png", b"GIF89a", "not a whole PNG"),
        ("a.csv", b"\xff\xfe\x00", "not a table"),
        ("a.csv", b"", "not a table"),
        ("a.npz", b"", "no artefact of rnnpipe"),
    ],
)
def test_info_on_foreign_files(tmp_path: Path, name: str, content: bytes, message: str, capsys: Any) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert main(["info", str(path)]) == 3
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_info_on_foreign_hdf5_and_on_nothing(tmp_path: Path, capsys: Any) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = [1]
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.attrs.update(kind="trials", schema_version=1, settings="{not json")
    for name, message in (
        ("a.h5", "not one of rnnpipe"),
        ("b.h5", "not JSON of a mapping"),
        ("c.h5", "no such file"),
        (".", "folder"),
    ):
        assert main(["info", str(tmp_path / name)]) == 3
        assert message in capsys.readouterr().err


def test_ctrl_c_while_it_starts_ends_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")  # what the program imports first
    done = run("info", "x.h5", env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"})
    assert done.returncode == 130 and done.stderr == "rnnpipe: interrupted.\n"
