"""Supervised training: losses, evaluations, when it ends, seeds, interruption, mistakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from rnnpipe.bench import bptt as bench
from rnnpipe.cli.main import main
from rnnpipe.errors import TrainingError
from rnnpipe.io.history import read_bptt_history
from rnnpipe.io.rate_network import read_rate_network
from rnnpipe.networks.engines import hold_libraries
from rnnpipe.networks.rate_engine import RateLearner
from rnnpipe.networks.rate_products import multiply
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.training import run_bptt
from rnnpipe.training.bptt import Ensemble, Member, evaluate_outputs
from rnnpipe.training.bptt_settings import BpttSettings
from rnnpipe.training.bptt_torch import TorchEnsemble

ROOT = Path(__file__).parents[1]
SHORT = {"tmax": 300.0, "fixation": 50.0, "stimulus": 50.0, "rate_window": 150.0, "spiking_window": 150.0}
SMALL = RateSettings(n_units=20)


@pytest.fixture(autouse=True)
def one_thread_each() -> None:
    """As the command does it: threads of libraries cost more than they bring at these sizes."""
    hold_libraries()


def task(name: str = "go_nogo", **settings: Any) -> AnalogTask:
    made = parse(trial_task_class(name), settings, "task")
    assert isinstance(made, AnalogTask)
    return made


def member(seed: int = 1, network: RateSettings = SMALL, **learning: Any) -> Member:
    return Member(
        task(**SHORT), network, BpttSettings(**{"max_trials": 60, "evaluation_interval": 20, **learning}), seed
    )


# -- losses and evaluation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "conditions", "l2", "l1"),
    [
        ("go_nogo", {"go": True}, np.sqrt(124), 124),
        ("go_nogo", {"go": False}, 0, 0),
        ("xor", {}, 10, 100),
        ("context_integration", {}, np.sqrt(249), 249),
    ],
)
def test_losses_of_no_output(name: str, conditions: dict[str, Any], l2: float, l1: float) -> None:
    """The last sample of the target is not compared with anything: 124 of 125, 249 of 250 count."""
    made = task(name)
    trials = made.sample(np.random.default_rng(0), 6, **conditions)
    none = np.zeros((trials.n_steps - 2, 6))
    target = made.output_target(trials)
    for loss, expected in (("l2", l2), ("l1", l1)):
        np.testing.assert_allclose(evaluate_outputs(made, trials.conditions, none, target, loss)[1], expected)


def correct(made: AnalogTask, conditions: dict[str, Any], start: int, stop: int, value: float) -> bool:
    """Whether an output that has a value at some samples and is 0 elsewhere is right."""
    trials = made.sample(np.random.default_rng(0), 1, **conditions)
    output = np.zeros((trials.n_steps - 2, 1))
    output[start:stop] = value
    return bool(evaluate_outputs(made, trials.conditions, output, made.output_target(trials), "l2")[0][0])


def test_samples_that_count_in_an_evaluation() -> None:
    """Go-NoGo o[75:] of 199 samples, XOR o[200:] of 299, integration o[299:] of 499; thresholds are strict."""
    go, nogo = {"go": True}, {"go": False}
    gonogo, xor, mante = (task(name) for name in ("go_nogo", "xor", "context_integration"))
    assert correct(gonogo, go, 75, 76, 0.71) and correct(gonogo, go, 198, 199, 0.71)
    assert not correct(gonogo, go, 0, 75, 0.71) and not correct(gonogo, go, 75, 199, 0.69)
    assert not correct(gonogo, go, 75, 199, -0.9)
    assert correct(gonogo, nogo, 75, 199, 0.29) and not correct(gonogo, nogo, 75, 76, 0.31)
    assert not correct(gonogo, nogo, 198, 199, -0.31), "to either side"
    assert correct(gonogo, nogo, 0, 75, 0.9), "before it counts"
    same, different = {"first": 1, "second": 1}, {"first": 1, "second": -1}
    for conditions, sign in ((same, 1), (different, -1)):
        assert correct(xor, conditions, 200, 201, 0.71 * sign) and not correct(xor, conditions, 0, 200, 0.71 * sign)
        assert not correct(xor, conditions, 200, 299, -0.71 * sign)
    for context, signs in ((1, (-1, 1)), (2, (1, -1))):
        conditions = {"context": context, "sign_1": signs[0], "sign_2": signs[1]}
        assert correct(mante, conditions, 299, 300, -0.71) and not correct(mante, conditions, 0, 299, -0.71)
        assert not correct(mante, conditions, 299, 499, 0.71)


def test_an_evaluation_judges_fresh_trials_with_the_current_network() -> None:
    made = member()
    made.advance()
    before = made.evaluation_rng.bit_generator.state, made.evaluation_noise.lanes.copy()
    made.advance()
    again = member()
    again.evaluation_rng.bit_generator.state = before[0]
    again.evaluation_noise.lanes[...] = before[1]
    trials = made.task.sample(again.evaluation_rng, 100)
    fresh = RateLearner(made.network(), 0.1, 0.01, 0.01)
    output = fresh.outputs(trials.inputs, again.evaluation_noise)[..., 0]
    right, loss = evaluate_outputs(made.task, trials.conditions, output, made.task.output_target(trials), "l2")
    row = made.history[-1]
    assert (row["accuracy"], row["loss"]) == (right.mean(), loss.mean())
    np.testing.assert_array_equal(made.record["eval_os"], output.T)
    assert row["training_loss"] == pytest.approx(np.mean(made.losses[-20:]))


def test_evaluations_come_after_1_101_201_updates() -> None:
    made = member(max_trials=250, evaluation_interval=100, evaluation_trials=2, loss_threshold=1e-9)
    while not made.finished:
        made.advance()
    assert [row["n_trials"] for row in made.history] == [1, 101, 201, 250]
    assert len(made.losses) == 250


def test_training_ends_once_loss_and_accuracy_are_good_and_not_before_min_trials() -> None:
    """With thresholds that any network meets, the first evaluation after more than `min_trials` trials ends it."""
    easy = {"loss_threshold": 1e9, "accuracy_threshold": 0.0, "max_trials": 100, "evaluation_trials": 20}
    for min_trials, expected in ((0, 1), (1, 21), (20, 21), (21, 41)):
        made = member(**easy, min_trials=min_trials, seed=3)
        while not made.finished:
            made.advance()
            good = [row["accuracy"] > 0 for row in made.history]
        if all(good):
            assert made.reached_criterion and made.n_trials == expected
    for hard in ({"loss_threshold": 1e-9}, {"accuracy_threshold": 0.999999}):
        made = member(**{**easy, **hard})
        while not made.finished:
            made.advance()
        assert not made.reached_criterion and made.n_trials == 100


def test_it_learns_and_loses_connections() -> None:
    """A short Go-NoGo is solved within some hundred trials; by then most of the connections have gone."""
    made = member(
        network=RateSettings(n_units=60), max_trials=1500, evaluation_interval=100, evaluation_trials=50, seed=2
    )
    tau = made.network().tau
    while not made.finished:
        made.advance()
    assert made.reached_criterion and made.history[-1]["accuracy"] > 0.95 and made.history[-1]["loss"] < 7
    density = [row["density"] for row in made.history]
    assert density[0] == pytest.approx(0.2, abs=0.04) and density[-1] < 0.12
    assert all(b <= a for a, b in zip(density, density[1:], strict=False))
    network = made.network()
    assert (network.w >= 0).all() and made.history[-1]["density"] == pytest.approx((network.w > 0).mean())
    moved = np.abs(network.tau - tau)
    assert moved.max() > 0.5, "time constants are learned"
    assert made.history[-1]["tau_mean"] == pytest.approx(network.tau.mean())


def test_several_trials_per_update() -> None:
    made = member(trials_per_update=5, max_trials=60, evaluation_interval=4, loss_threshold=1e-9)
    while not made.finished:
        made.advance()
    assert [row["update"] for row in made.history] == [1, 5, 9, 12]
    assert [row["n_trials"] for row in made.history] == [5, 25, 45, 60]
    assert len(made.losses) == 60
    assert made.history[-1]["training_loss"] == pytest.approx(np.mean(made.losses[-15:]))


# -- seeds and state -----------------------------------------------------------------------------------------


def test_a_seed_decides_everything_and_nobody_else_matters() -> None:
    alone, other = member(1), member(2)
    together = Ensemble(task(**SHORT), SMALL, alone.learning, [2, 1])
    while not together.finished:
        together.advance(map)
    for made in (alone, other):
        while not made.finished:
            made.advance()
    assert alone.losses == together.members[1].losses and other.losses == together.members[0].losses
    np.testing.assert_array_equal(alone.network().w, together.members[1].network().w)
    assert alone.losses != other.losses
    assert not np.array_equal(alone.network().w_in, other.network().w_in)


def test_weights_do_not_depend_on_the_learning_and_trials_not_on_the_network() -> None:
    """Streams are apart: another learning rate starts from the same network, another size sees the same trials."""
    one, other = member(4), member(4, learning_rate=0.003)
    np.testing.assert_array_equal(one.network().w, other.network().w)
    one, other = member(4), member(4, RateSettings(n_units=9))
    for made in (one, other):
        made.advance()
    np.testing.assert_array_equal(one.record["u"], other.record["u"])
    np.testing.assert_array_equal(one.record["eval_labels"], other.record["eval_labels"])


def test_a_state_continues_to_the_bit() -> None:
    one, other = member(3, max_trials=80), member(3, max_trials=80)
    one.advance()
    one.advance()
    other.load_state(torch_round_trip(one.state()))
    while not one.finished:
        one.advance()
        other.advance()
    assert other.finished and one.losses == other.losses and one.history == other.history
    np.testing.assert_array_equal(one.network().w, other.network().w)
    for name, value in one.record.items():
        np.testing.assert_array_equal(value, other.record[name], err_msg=name)


def torch_round_trip(state: dict[str, Any]) -> dict[str, Any]:
    import io

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)


def test_a_loss_that_is_not_finite_names_the_seed_and_what_to_do() -> None:
    made = member(7)
    made.learner._p["w_out"][:] = np.nan
    with pytest.raises(TrainingError, match=r"seed 7 failed after 0 trials.*learning\.learning_rate"):
        made.advance()


# -- other devices -------------------------------------------------------------------------------------------


def ensemble(seeds: list[int], **learning: Any) -> TorchEnsemble:
    made = BpttSettings(**{"max_trials": 60, "evaluation_interval": 20, **learning})
    return TorchEnsemble(task(**SHORT), SMALL, made, seeds, torch.device("cpu"))


def test_an_ensemble_on_a_device_starts_from_the_same_networks_and_sees_the_same_trials() -> None:
    """Each member as alone on the CPU, but for its noise: weights, trials, evaluations, number of updates."""
    both = ensemble([3, 4])
    for k, seed in enumerate((3, 4)):
        alone = member(seed)
        for name in ("w", "w_in", "w_out", "gamma"):
            np.testing.assert_array_equal(getattr(both.members[k].network(), name), getattr(alone.network(), name))
    alone = member(4)
    while not both.finished:
        both.advance(map)
        alone.advance()
        one = both.members[1]
        np.testing.assert_array_equal(one.record["u"], alone.record["u"])
        np.testing.assert_array_equal(one.record["eval_labels"], alone.record["eval_labels"])
        assert one.n_trials == alone.n_trials and len(one.losses) == len(alone.losses)
        assert one.history[-1].keys() == alone.history[-1].keys() and one.record.keys() == alone.record.keys()
        for name, value in alone.record.items():
            assert one.record[name].shape == value.shape, name
        # an untrained readout hardly follows the noise: the losses of the first updates are nearly those alone
        np.testing.assert_allclose(one.losses[:3], alone.losses[:3], rtol=0.1, atol=0.05)
    assert both.members[0].losses != both.members[1].losses


def test_an_ensemble_on_a_device_learns_and_its_members_end_on_their_own() -> None:
    learning = BpttSettings(
        max_trials=600, evaluation_interval=50, evaluation_trials=50, loss_threshold=2.5, accuracy_threshold=0.6
    )
    made = TorchEnsemble(task(**SHORT), RateSettings(n_units=60), learning, [1, 2, 3], torch.device("cpu"))
    ended: dict[int, Any] = {}
    while not made.finished:
        for one in made.advance(map):
            assert one.seed not in ended
            if one.finished:
                ended[one.seed] = one.network().w, one.n_trials
    assert sum(one.reached_criterion for one in made.members) >= 2
    assert len({n for _, n in ended.values()}) > 1, "they end at different times"
    for one in made.members:
        np.testing.assert_array_equal(one.network().w, ended[one.seed][0])
        assert one.n_trials == ended[one.seed][1]


def test_an_ensemble_on_a_device_continues_from_its_state_to_the_bit() -> None:
    one, other = ensemble([5, 6]), ensemble([5, 6])
    one.advance(map)
    one.advance(map)
    other.load_state(torch_round_trip(one.state()))
    while not one.finished:
        one.advance(map)
        other.advance(map)
    assert other.finished
    for a, b in zip(one.members, other.members, strict=True):
        assert a.losses == b.losses and a.history == b.history
        np.testing.assert_array_equal(a.network().w, b.network().w)


def test_a_loss_that_is_not_finite_on_a_device() -> None:
    made = ensemble([5, 6])
    made.advance(map)
    made._learners._p["w_out"][1] = np.nan
    with pytest.raises(TrainingError, match=r"seed 6 failed after 1 trials: .* NaN or infinite.*learning_rate"):
        made.advance(map)


def test_the_command_trains_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a CUDA device that is the CPU in disguise."""
    asked: list[str] = []

    def choose(name: str) -> torch.device:
        asked.append(name)
        return torch.device("cuda")

    def disguised(*arguments: Any) -> TorchEnsemble:
        assert arguments[-1] == torch.device("cuda")
        return TorchEnsemble(*arguments[:-1], torch.device("cpu"))

    monkeypatch.setattr(run_bptt, "choose_device", choose)
    monkeypatch.setattr(run_bptt, "TorchEnsemble", disguised)
    assert main([*train(tmp_path), "--device=cuda"]) == 0
    assert asked == ["cuda"]
    for seed in (1, 2):
        stored = read_rate_network(tmp_path / f"seed{seed}.pth")
        assert stored.score["n_trials_trained"] == 120 and stored.network.w_in.dtype == np.float32
        assert (tmp_path / f"seed{seed}.mat").exists()
    fails([*train(tmp_path), "--device=cuda", "--learning.learning_rate=1e38"], capfd, "NaN or infinite", "seed 1")
    monkeypatch.undo()
    (tmp_path / "seed1.pth").unlink()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert main([*train(tmp_path, seeds=(1,)), "--device=auto"]) == 0, "on the CPU, unless a device is asked for"


# -- the command ---------------------------------------------------------------------------------------------

TRAIN = [
    "train", "--learning.rule=bptt", "--task.name=go_nogo", "--task.tmax=300", "--task.fixation=50",
    "--task.stimulus=50", "--task.rate_window=150", "--task.spiking_window=150", "--network.n_units=16",
    "--learning.max_trials=120", "--learning.evaluation_interval=20", "--learning.evaluation_trials=10",
    "--learning.accuracy_threshold=0.999", "--device=cpu",
]  # fmt: skip


def train(folder: Path, *more: str, seeds: tuple[int, ...] = (1, 2), name: str = "seed{seed}") -> list[str]:
    files = [f"--network={folder}/{name}.pth", f"--history={folder}/{name}.history.h5"]
    return [*TRAIN, *files, *(f"--seed={seed}" for seed in seeds), *more]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert main(train(folder)) == 0
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_files_of_a_training(undisturbed: Path) -> None:
    names = [f"seed{s}.{end}" for s in (1, 2) for end in ("history.h5", "mat", "pth")]
    assert sorted(p.name for p in undisturbed.iterdir()) == names, "no checkpoint and no lock is left"
    for seed in (1, 2):
        stored, history = (
            read_rate_network(undisturbed / f"seed{seed}.pth"),
            read_bptt_history(undisturbed / f"seed{seed}.history.h5"),
        )
        assert stored.network.seed == history.attrs["seed"] == seed
        assert stored.score["accuracy"] == history.accuracy.iloc[-1]
        assert history.n_trials.tolist() == [1, 21, 41, 61, 81, 101, 120]
        assert stored.settings["learning"]["rule"] == "bptt" and stored.network.task == "go_nogo"
        mat = read_rate_network(undisturbed / f"seed{seed}.mat")
        np.testing.assert_allclose(mat.network.w_rec, stored.network.w_rec, rtol=1e-6)
        with h5py.File(undisturbed / f"seed{seed}.history.h5") as file:
            assert file["losses"].shape == (120,)


def test_two_runs_give_the_same_bytes_whatever_the_threads_and_companions(undisturbed: Path, tmp_path: Path) -> None:
    for name, more, seeds in (("again", [], (1, 2)), ("threads", ["--threads=2"], (2, 1)), ("alone", [], (2,))):
        folder = tmp_path / name
        folder.mkdir()
        assert main(train(folder, *more, seeds=seeds)) == 0
        for file, content in contents(folder).items():
            assert content == (undisturbed / file).read_bytes(), (name, file)
    assert (undisturbed / "seed1.pth").read_bytes() != (undisturbed / "seed2.pth").read_bytes()


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rnnpipe", *train(folder, f"--checkpoint={folder}/state", *more)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


LONG = ["--learning.max_trials=4000", "--checkpoint_seconds=0.02"]


def stop(folder: Path, number: signal.Signals) -> tuple[int, str]:
    """Begin a training, end it by a signal once it has a checkpoint and has come further; its status and words."""
    process = start(folder, *LONG)
    state, deadline = folder / "state", time.monotonic() + 60
    seen: set[float] = set()
    while process.poll() is None and len(seen) < 3 and time.monotonic() < deadline:
        seen |= {state.stat().st_mtime} if state.exists() else set()
        time.sleep(0.002)
    process.send_signal(number)
    words, _ = process.communicate()
    return process.returncode, words


@pytest.mark.slow
def test_killed_and_stopped_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    folder.mkdir()
    assert main(train(whole, "--learning.max_trials=4000")) == 0
    status, _ = stop(folder, signal.SIGKILL)
    assert status == -signal.SIGKILL and not (folder / "seed1.pth").exists()
    for number in (signal.SIGTERM, signal.SIGINT):
        status, words = stop(folder, number)
        assert status == 75 and "the same command continues" in words and "Traceback" not in words
        assert words.startswith("continuing") and not (folder / "seed1.pth").exists()
    process = start(folder, *LONG)
    words, _ = process.communicate()
    assert process.returncode == 0 and words.startswith("continuing"), words
    assert contents(folder) == contents(whole)


def test_a_checkpoint_of_other_settings_is_not_used(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").write_bytes(b"not a checkpoint")
    assert main(train(tmp_path, f"--checkpoint={tmp_path}/state", "--learning.max_trials=2")) == 0
    assert "of no use" in capfd.readouterr().out


def fails(arguments: list[str], capfd: pytest.CaptureFixture[str], *words: str) -> None:
    capfd.readouterr()
    assert main(arguments) != 0
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("rnnpipe: ")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0], lines[0]


def test_mistakes_are_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(train(tmp_path, name="same"), capfd, "--network", "{seed}", "2 networks")
    other = [word for word in train(tmp_path) if not word.startswith("--task.")]
    fails([*other, "--task.name=rdm_fixed"], capfd, "rdm_fixed", "policy_gradient")
    fails([*train(tmp_path), f"--initial={tmp_path}/n.pth"], capfd, "--initial")
    fails([*train(tmp_path), "--network.kind=gated"], capfd, "kind")
    fails([*train(tmp_path), "--learning.max_updates=3"], capfd, "max_updates")
    fails([*train(tmp_path), "--network.tau_max=10"], capfd, "tau_max")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    fails([*train(tmp_path), "--device=cuda"], capfd, "CUDA")
    fails([*train(tmp_path), "--learning.learning_rate=1e38"], capfd, "NaN or infinite", "seed", "learning_rate")
    assert not list(tmp_path.glob("*.pth"))


def test_networks_that_do_not_learn_are_kept_or_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    few = ["--learning.max_trials=3", "--learning.loss_threshold=1e-9"]
    assert main(train(tmp_path, *few)) == 0
    assert "0 of 2 networks reached the criterion" in capfd.readouterr().out
    assert read_rate_network(tmp_path / "seed1.pth").score["reached_criterion"] is False
    folder = tmp_path / "error"
    folder.mkdir()
    fails(train(folder, *few, "--learning.on_failure=error"), capfd, "seed 1, 2", "max_trials", "failed")
    assert sorted(p.name for p in folder.glob("*.pth")) == ["seed1.failed.pth", "seed2.failed.pth"]
    attrs = read_bptt_history(folder / "seed1.history.failed.h5").attrs
    assert not attrs["reached_criterion"] and json.dumps(attrs["seed"], default=int) == "1"


# -- the benchmark -------------------------------------------------------------------------------------------


def test_the_benchmark_measures_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "LATER", 200)
    found = [(m.name, m.threads, m.ratio_to) for m in bench.measure_bptt((1, 2), 3, n_units=12)]
    engine = [("bptt_first", "bptt_plain"), ("bptt_later", "bptt_plain"), ("bptt_whole", "bptt_plain")]
    alone = [("bptt_density_later", None), ("bptt_products_sparse", "bptt_later"), ("bptt_products_full", "bptt_later")]
    assert found == [
        ("bptt_plain", 1, None),
        *((name, 1, to) for name, to in (*engine, *alone)),
        *((name, 2, to) for name, to in engine),
    ]


def test_the_products_of_the_benchmark_are_those_of_the_matrix() -> None:
    rng = np.random.default_rng(0)
    w = (rng.standard_normal((40, 40)) * (rng.random((40, 40)) < 0.2)).astype(np.float32)
    v, out = np.zeros(64, np.float32), np.zeros(64, np.float32)
    v[:40] = rng.standard_normal(40)
    for layout, expected in zip(bench.layouts(w), (w, w.T), strict=True):
        multiply(*layout, v, out)
        np.testing.assert_allclose(out[:40], expected @ v[:40], atol=1e-5)


def test_the_plain_loop_of_the_benchmark_trains_the_network() -> None:
    """Connections that are there change, those that are not do not; what is fixed stays."""
    first = member(2).first
    loop = bench.PlainLoop(task(**SHORT), first, SMALL)
    for _ in range(5):
        loop()
    after = {name: value.detach().numpy() for name, value in loop.w.items()}
    assert (after["w"][first.w == 0] == 0).all() and (after["w"] != first.w).any()
    np.testing.assert_array_equal(after["w_in"], first.w_in)
    assert (after["gamma"] != first.gamma).all() and (after["b_out"] != first.b_out).all()
