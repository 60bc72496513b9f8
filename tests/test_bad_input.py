"""A user's mistake, a bad file or a full disk: one sentence, a non-zero status, nothing half-written."""

from __future__ import annotations

import os
import pickle
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from rnnpipe.cli.main import main
from rnnpipe.errors import TrainingError
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.tasks import task_class
from rnnpipe.training.checkpoint import Checkpoint
from rnnpipe.training.loop import run
from rnnpipe.training.policy_gradient import PolicyGradient
from rnnpipe.training.settings import PolicyGradientSettings

ROOT = Path(__file__).parents[1]
TINY = [
    "--task.name=rdm_fixed",
    "--network.n_units=8",
    "--value_network.n_units=8",
    "--network.connection_probability=0.5",
    "--learning.max_updates=2",
    "--learning.validation_trials=5",
    "--learning.on_failure=keep",
]


def train(folder: Path, *more: str, tiny: list[str] = TINY) -> list[str]:
    return ["train", *tiny, "--seed=1", f"--network={folder}/n.pth", f"--history={folder}/n.h5", "--device=cpu", *more]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network, datasets of its task, of another dt and of another task, and an evaluation."""
    folder = tmp_path_factory.mktemp("made")
    assert main(train(folder)) == 0
    for name, settings in (
        ("own", ["--task.name=rdm_fixed"]),
        ("other_dt", ["--task.name=rdm_fixed", "--task.dt=20"]),
        ("other_task", ["--task.name=rdm_rt"]),
    ):
        assert main(["dataset", *settings, "--dataset.trials_per_condition=2", f"--out={folder}/{name}.h5"]) == 0
    assert main(evaluate(folder / "n.pth", folder / "own.h5", folder / "evaluation.h5")) == 0
    return folder


def evaluate(network: Path, dataset: Path, out: Path) -> list[str]:
    return ["evaluate", f"--network={network}", f"--dataset={dataset}", f"--out={out}", "--device=cpu"]


def fails(arguments: list[str], capfd: pytest.CaptureFixture[str], *words: str, folder: Path | None = None) -> str:
    """The command fails with one sentence that holds all the words, and leaves nothing new in the folder."""
    before = set(folder.rglob("*")) if folder else set()
    capfd.readouterr()
    status = main(arguments)
    _, error = capfd.readouterr()
    assert status not in (0, None), error
    assert "Traceback" not in error
    lines = [line for line in error.splitlines() if line.startswith("rnnpipe: ")]
    assert len(lines) == 1, error
    for word in words:
        assert word in lines[0], lines[0]
    if folder:
        assert {p for p in folder.rglob("*") if not p.name.endswith(".lock")} <= before
    return lines[0]


# -- settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--settings", '{"network": {"n_unit": 5}}'], ["n_unit", "did you mean 'n_units'"]),
        (["--settings", '{"netwrk": {}}'], ["netwrk", "network"]),
        (["--settings", '{"network": {"spectral_radius": "big"}}'], ["spectral_radius", "big", "number"]),
        (["--settings", "{not json"], ["--settings"]),
        (["--settings", "no_such_file.yaml"], ["no_such_file.yaml"]),
        (["--network.n_units=-3"], ["n_units", "greater than 0"]),
        (["--learning.credit_t0=later"], ["credit_t0", "immediate"]),
        (["--task.fixation=5"], ["fixation", "shorter than one step", "dt = 10 ms"]),
        (["--task.tmax=1000"], ["tmax = 1000 ms", "2750 ms"]),
        (["--task.name=rdm_fixd"], ["rdm_fixd", "did you mean 'rdm_fixed'", "rdm_rt"]),
        (["--task.dt=60", "--network.tau=50"], ["dt", "tau"]),
        (["--learnin.max_updates=3"], ["--learnin.max_updates"]),
    ],
)
def test_settings(arguments: list[str], words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fails(train(tmp_path, *arguments), capfd, *words, folder=tmp_path)


def test_unknown_stage_and_figure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fails(["trian"], capfd, "trian", "train")
    fails(["figures", "--figure=fig_1", f"--out={tmp_path}/f.pdf"], capfd, "fig_1", "fig1_rdm", folder=tmp_path)


def test_no_cuda_when_asked_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    fails(train(tmp_path, "--device=cuda"), capfd, "cuda", "--device cpu", folder=tmp_path)


# -- files ---------------------------------------------------------------------------------------------------


def damaged_copies(path: Path, folder: Path) -> list[Path]:
    """Truncated, empty, overwritten and foreign versions of a file."""
    whole = path.read_bytes()
    contents = {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "short": whole[:-40],
        "text": b"hello, this is not what you expect\n" * 50,
        "zeroed": whole[: len(whole) // 3] + bytes(len(whole) // 3) + whole[2 * (len(whole) // 3) :],
    }
    paths = []
    for name, content in contents.items():
        copy = folder / f"{name}{path.suffix}"
        copy.write_bytes(content)
        paths.append(copy)
    return paths


def test_damaged_network(made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for bad in [*damaged_copies(made / "n.pth", tmp_path), tmp_path / "absent.pth", tmp_path, made / "own.h5"]:
        fails(evaluate(bad, made / "own.h5", tmp_path / "out.h5"), capfd, str(bad), folder=tmp_path)


def test_damaged_dataset(made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for bad in [
        *damaged_copies(made / "own.h5", tmp_path),
        tmp_path / "absent.h5",
        tmp_path,
        made / "n.h5",
        made / "n.pth",
    ]:
        fails(evaluate(made / "n.pth", bad, tmp_path / "out.h5"), capfd, str(bad), folder=tmp_path)


class Hostile:
    """Unpickled, it would create a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


def test_hostile_network_runs_no_code(made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "owned"
    torch.save({"kind": "network", "x": Hostile(target)}, tmp_path / "zip.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Hostile(target)))
    for name in ("zip.pth", "plain.pth"):
        fails(evaluate(tmp_path / name, made / "own.h5", tmp_path / "o.h5"), capfd, name, folder=tmp_path)
        fails(["info", str(tmp_path / name)], capfd, name)
    assert not target.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(schema_version=99), ["schema version 99"]),
        (lambda c: c.update(kind="checkpoint"), ["network"]),
        (lambda c: c["policy"].pop("w_rec"), ["w_rec"]),
        (lambda c: c["policy"].update(w_rec=torch.zeros(3, 3)), ["w_rec", "(3, 3)", "(8, 8)"]),
        (lambda c: c["policy"]["w_in"].fill_(float("nan")), ["w_in", "NaN"]),
        (lambda c: c.update(settings="{}"), ["task"]),
        (lambda c: c.update(settings=c["settings"].replace('"tau"', '"tua"')), ["tua"]),
        (lambda c: c["policy"].update(b_out="no tensor"), ["policy.b_out", "expected a tensor"]),
    ],
)
def test_network_that_is_not_what_it_says(
    change, words: list[str], made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = torch.load(made / "n.pth", weights_only=True)
    change(content)
    torch.save(content, tmp_path / "bad.pth")
    fails(evaluate(tmp_path / "bad.pth", made / "own.h5", tmp_path / "o.h5"), capfd, "bad.pth", *words, folder=tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.attrs.modify("schema_version", 99), ["schema version 99"]),
        (lambda f: f.attrs.modify("kind", "history"), ["history", "trials"]),
        (lambda f: f.__delitem__("phase"), ["phase"]),
        (lambda f: (f.__delitem__("phase"), f.create_dataset("phase", data=np.zeros(5, np.uint8))), ["phase", "(5,)"]),
        (
            lambda f: (f.__delitem__("correct"), f.create_dataset("correct", data=np.zeros((3, 3), np.int8))),
            ["correct"],
        ),
        (lambda f: (f.__delitem__("discount"), f.create_dataset("discount", data=["a"] * 276)), ["discount"]),
    ],
)
def test_dataset_that_is_not_what_it_says(
    change, words: list[str], made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(made / "own.h5", tmp_path / "bad.h5")
    with h5py.File(tmp_path / "bad.h5", "r+") as file:
        change(file)
    fails(evaluate(made / "n.pth", tmp_path / "bad.h5", tmp_path / "o.h5"), capfd, "bad.h5", *words, folder=tmp_path)


def test_network_of_another_task_or_dt(made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    net, out = made / "n.pth", tmp_path / "o.h5"
    fails(evaluate(net, made / "other_dt.h5", out), capfd, "dt = 10 ms", "dt = 20 ms", folder=tmp_path)
    fails(evaluate(net, made / "other_task.h5", out), capfd, "rdm_fixed", "rdm_rt", folder=tmp_path)


# -- training and output -------------------------------------------------------------------------------------


def test_nan_in_training(tmp_path: Path) -> None:
    learner = PolicyGradient(
        task_class("rdm_fixed")(),
        GatedSettings(n_units=8, connection_probability=0.5),
        ValueSettings(n_units=8),
        PolicyGradientSettings(validation_trials=5),
        1,
        torch.device("cpu"),
    )
    learner.validate()
    learner.policy["w_out"][0, 0] = float("nan")
    with pytest.raises(TrainingError, match="training failed at update 0 .*NaN.*learning_rate"):
        run(learner, Checkpoint(tmp_path / "state", "key"), 100.0)
    assert not list(tmp_path.iterdir())


def test_criterion_not_reached_keeps_the_history_and_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tiny = [a for a in TINY if "on_failure" not in a]
    fails(train(tmp_path, tiny=tiny), capfd, "criterion was not reached", "n.failed.h5", "learning.max_updates")
    assert not (tmp_path / "n.pth").exists() and not (tmp_path / "n.h5").exists()
    assert main(["info", str(tmp_path / "n.failed.h5")]) == 0


def test_output_folder_that_cannot_be_written(made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    nowhere = tmp_path / "file" / "folder"
    fails(train(nowhere), capfd, "cannot be written", folder=tmp_path)
    fails(evaluate(made / "n.pth", made / "own.h5", nowhere / "o.h5"), capfd, "cannot be written", folder=tmp_path)
    fails(["dataset", "--task.name=rdm_fixed", f"--out={nowhere}/d.h5"], capfd, "cannot be written", folder=tmp_path)


@pytest.mark.parametrize("stage", ["train", "dataset", "evaluate"])
def test_full_disk(stage: str, made: Path, tmp_path: Path) -> None:
    """No file may grow beyond 8 kB, which fails in the middle of a write as a full disk does."""
    arguments = {
        "train": train(tmp_path),
        "dataset": ["dataset", "--task.name=rdm_fixed", f"--out={tmp_path}/d.h5"],
        "evaluate": [*evaluate(made / "n.pth", made / "own.h5", tmp_path / "o.h5"), "--record_activity"],
    }[stage]
    result = subprocess.run(
        [sys.executable, "-m", "rnnpipe", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
        capture_output=True,
        text=True,
    )
    assert result.returncode not in (0, None), result.stdout
    assert "Traceback" not in result.stderr, result.stderr
    assert "cannot be written" in result.stderr, result.stderr
    left = [p for p in tmp_path.rglob("*") if not p.name.endswith(".lock")]
    assert not left, left
