"""Stage `spiking` and the evaluation of spiking networks: search, ties, held-out trials, resumption, bad input."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from rnnpipe.cli.main import main
from rnnpipe.io.evaluation import read_activity, read_table
from rnnpipe.io.hdf5 import load, read
from rnnpipe.io.spiking import KIND, SCHEMA, read_spiking
from rnnpipe.mapping import search as search_module
from rnnpipe.mapping.score import SpikingTrials, spiking_trials
from rnnpipe.mapping.search import condition_of, map_network
from rnnpipe.mapping.settings import SearchSettings
from rnnpipe.networks.lif_reference import steps_per_column
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_parameters import initial_network
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class

SMALL = [
    "--task.name=go_nogo",
    "--learning.rule=bptt",
    "--network.n_units=20",
    "--learning.max_trials=60",
    "--learning.evaluation_interval=30",
    "--learning.evaluation_trials=10",
]
SEARCH = ["--search.factors=10,30", "--search.n_trials=4", "--search.n_heldout=6", "--search.only_trained=false"]


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two networks, a data set, and what became of the networks."""
    folder = tmp_path_factory.mktemp("trained")
    names = f"--network={folder}/nets/seed{{seed}}.pth", f"--history={folder}/nets/seed{{seed}}.history.h5"
    assert run("train", *SMALL, "--seed=3", "--seed=11", *names) == 0
    assert run("dataset", "--task.name=go_nogo", "--dataset.trials_per_condition=5", f"--out={folder}/trials.h5") == 0
    assert run("spiking", f"--network={folder}/nets", *SEARCH, f"--out={folder}/spiking.h5") == 0
    return folder


def test_what_is_in_the_file(trained: Path) -> None:
    mapped = read_spiking(trained / "spiking.h5")
    assert mapped.networks["seed"].tolist() == [3, 11], "in the order of their numbers"
    assert mapped.factors.tolist() == [10, 30] and mapped.accuracy.shape == (2, 2)
    for k, row in mapped.networks.iterrows():
        assert row["accuracy"] == mapped.accuracy[k].max()
        assert row["factor"] == mapped.factors[mapped.accuracy[k].argmax()], "the smallest one of several"
        assert 0 <= row["heldout_accuracy"] <= 1 and row["n_trials_trained"] == 60
    network = torch.load(trained / "nets/seed3.pth", weights_only=True)["network"]
    gamma = network["gamma"].double().numpy()
    np.testing.assert_allclose(mapped.tau[0], 20 + 30 / (1 + np.exp(-gamma)), rtol=1e-6)
    np.testing.assert_array_equal(mapped.unit_type[0], network["sign"].numpy())
    assert mapped.setting("lif", "v_noise") == 0.1 and mapped.setting("network", "n_units") == 20
    with read(trained / "spiking.h5", KIND, SCHEMA) as file:
        assert load(file["conditions/go"]).tolist() == [False, True]


def test_inputs_are_left_alone_and_threads_do_not_matter(trained: Path) -> None:
    files = sorted((trained / "nets").iterdir())
    before = {path: path.read_bytes() for path in files}
    there = set(trained.iterdir())
    out = trained / "s.h5"  # beside the other, so that both note the same names of their networks
    assert run("spiking", f"--network={trained}/nets", *SEARCH, "--threads=2", f"--out={out}") == 0
    assert {path: path.read_bytes() for path in sorted((trained / "nets").iterdir())} == before
    assert out.read_bytes() == (trained / "spiking.h5").read_bytes()
    assert set(trained.iterdir()) - there == {out}, "no checkpoint is left"
    out.unlink()


def test_ties_go_to_the_smallest_factor_and_the_heldout_trials_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """With accuracies given: 0.5, 1, 1 at factors 40, 30, 20 (not in order), and 0.75 on held-out trials."""
    task = trial_task_class("go_nogo")()
    network = initial_network(RateSettings(n_units=5), 1, 1, 5.0, np.random.default_rng(0))
    right = {40.0: [1, 0, 1, 0], 30.0: [1, 1, 1, 1], 20.0: [1, 1, 1, 1]}
    seen: list[np.ndarray] = []

    def fake(task, network, trials, factors, seeds, lif, threads, progress):  # type: ignore[no-untyped-def]
        seen.append(seeds)
        if len(factors) == 12:
            correct = np.concatenate([right[f] for f in factors[::4]]).astype(bool)
        else:
            assert (factors == 20.0).all()
            correct = np.arange(len(factors)) % 4 != 0
        return SpikingTrials(correct, np.ones((len(factors), 5)))

    monkeypatch.setattr(search_module, "spiking_trials", fake)
    tried = SearchSettings(factors=[40.0, 30.0, 20.0], n_trials=4, n_heldout=8)
    found = map_network(task, network, (0.1, 0.01), LifSettings(), tried, 1)
    assert found["factor"] == 20 and found["best"] == 1 and found["heldout"] == 0.75
    assert found["accuracy"].tolist() == [0.5, 1, 1]
    every = np.concatenate(seen)
    assert len(np.unique(every)) == len(every) == 20, "every simulation has random numbers of its own"


def test_conditions_are_counted_as_the_factorial_does() -> None:
    task = trial_task_class("context_integration")()
    table = task.factorial()
    conditions = {name: np.array([row[name] for row in table]) for name in table[0]}
    np.testing.assert_array_equal(condition_of(task, conditions), np.arange(8))


def test_a_network_that_only_copies_its_input_is_judged_in_the_window() -> None:
    """One unit driven by the pulse: its output is high during the pulse only, which the window of 500 ms leaves out."""
    task = trial_task_class("go_nogo")()
    network = initial_network(RateSettings(n_units=1, tau_max=20.0), 1, 1, 5.0, np.random.default_rng(0))
    network.w[:], network.w_in[:], network.w_out[:], network.sign[:] = 0, 60, 1, 1
    trials = task.sample(np.random.default_rng(0), 20, go=np.arange(20) % 2 == 0)
    quiet = parse(LifSettings, {"v_noise": 0.0, "v_init_high": -50.0}, "here")
    seeds = np.arange(20, dtype=np.uint64)
    outcome = spiking_trials(task, network, trials, np.full(20, 50.0), seeds, quiet)
    np.testing.assert_array_equal(outcome.correct, np.arange(20) % 2 == 1)
    assert (outcome.rates[::2] > 0).all() and (outcome.rates[1::2] == 0).all()
    early = parse(type(task), {"spiking_window": 300.0, "rate_window": 300.0}, "here")
    outcome = spiking_trials(early, network, trials, np.full(20, 50.0), seeds, quiet)
    assert outcome.correct.all(), "Go trials count once the pulse is in the window"


def test_untrained_networks_are_left_out(trained: Path, tmp_path: Path) -> None:
    words = ["--search.factors=30", "--search.n_trials=2", "--search.n_heldout=2"]
    assert run("spiking", f"--network={trained}/nets/seed3.pth", *words, f"--out={tmp_path}/s.h5") == 0
    mapped = read_spiking(tmp_path / "s.h5")
    assert not mapped.networks["trained"][0] and np.isnan(mapped.networks["factor"][0])
    assert np.isnan(mapped.accuracy).all() and np.isfinite(mapped.tau).all()


def test_the_factor_of_another_file(trained: Path, tmp_path: Path) -> None:
    words = [*SEARCH, "--lif.t_ref=20", f"--factor_of={trained}/spiking.h5"]
    assert run("spiking", f"--network={trained}/nets", *words, f"--out={tmp_path}/s.h5") == 0
    mapped, before = read_spiking(tmp_path / "s.h5"), read_spiking(trained / "spiking.h5")
    assert mapped.networks["factor"].tolist() == before.networks["factor"].tolist()
    assert np.isnan(mapped.accuracy).all() and np.isfinite(mapped.networks["heldout_accuracy"]).all()
    assert (mapped.networks["rate_hz"] < before.networks["rate_hz"]).all(), "a longer refractory period"


def test_heldout_trials_are_the_same_with_and_without_a_search(trained: Path, tmp_path: Path) -> None:
    """The factor of another file, all else equal, must give that file's held-out numbers again."""
    words = [*SEARCH, f"--factor_of={trained}/spiking.h5"]
    assert run("spiking", f"--network={trained}/nets", *words, f"--out={tmp_path}/s.h5") == 0
    again, before = read_spiking(tmp_path / "s.h5"), read_spiking(trained / "spiking.h5")
    for name in ("heldout_accuracy", "rate_accuracy", "rate_hz"):
        assert again.networks[name].tolist() == before.networks[name].tolist(), name
    np.testing.assert_array_equal(again.firing_rate, before.firing_rate)


def test_an_interrupted_run_goes_on(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = trained / "interrupted.h5"
    words = ["spiking", f"--network={trained}/nets", *SEARCH, f"--out={out}"]
    calls = []

    def one(*args, **kwargs):  # type: ignore[no-untyped-def]
        calls.append(args)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGTERM)
        return map_network(*args, **kwargs)

    monkeypatch.setattr("rnnpipe.cli.spiking.map_network", one)
    assert run(*words) != 0
    assert "after 1 of 2 networks" in capsys.readouterr().err and not out.exists()
    assert run(*words) == 0 and len(calls) == 2, "only the second network is mapped again"
    assert out.read_bytes() == (trained / "spiking.h5").read_bytes()


def test_evaluation_of_both_networks_has_one_form(trained: Path, tmp_path: Path) -> None:
    common = ["evaluate", f"--network={trained}/nets/seed3.pth", f"--dataset={trained}/trials.h5", "--record_activity"]
    assert run(*common, f"--out={tmp_path}/rate.h5") == 0
    assert run(*common, "--scaling_factor=30", f"--out={tmp_path}/spiking.h5") == 0
    assert run(*common, f"--spiking={trained}/spiking.h5", "--threads=2", f"--out={tmp_path}/chosen.h5") == 0
    chosen = read_table(tmp_path / "chosen.h5").attrs["scaling_factor"]
    assert chosen == read_spiking(trained / "spiking.h5").networks["factor"][0]
    for name, n_samples in (("rate", 199), ("spiking", 200)):
        table, activity = read_table(tmp_path / f"{name}.h5"), read_activity(tmp_path / f"{name}.h5")
        assert len(table) == 10 and set(table["go"]) == {False, True}
        assert activity["output"].shape == (n_samples, 10, 1) and activity["policy_rates"].shape == (n_samples, 10, 20)
        output, time = activity["output"][..., 0], activity["time"]
        window = 375.0 if name == "rate" else 500.0
        shown = output[time >= window]
        assert (table["highest"] >= shown.max(0) - 1e-6).all() and (table["lowest"] <= shown.min(0) + 1e-6).all()
    output = read_activity(tmp_path / "rate.h5", "output")["output"][75:, :, 0]
    np.testing.assert_allclose(read_table(tmp_path / "rate.h5")["highest"], output.max(0))


def test_rates_are_the_spikes_filtered_with_the_synapse(trained: Path, tmp_path: Path) -> None:
    """Filtered rates read out with w_out / S are the recorded output, and integrate to the number of spikes."""
    words = [f"--network={trained}/nets/seed3.pth", f"--dataset={trained}/trials.h5", "--record_activity"]
    assert run("evaluate", *words, "--scaling_factor=30", f"--out={tmp_path}/e.h5") == 0
    activity = read_activity(tmp_path / "e.h5")
    w_out = torch.load(trained / "nets/seed3.pth", weights_only=True)["network"]["w_out"].double().numpy()
    read_out = activity["policy_rates"].astype(float) @ w_out.T / 30
    # sums of exponentials and the step-by-step recursion differ by the 1.4 % of the discrete kernel's area
    np.testing.assert_allclose(read_out, activity["output"], atol=0.03 * np.abs(activity["output"]).max())
    with read(tmp_path / "e.h5", "evaluation", {}) as file:
        trial, unit, time = (file[f"spikes/{name}"][:] for name in ("trial", "unit", "time"))
    assert time.min() > 0 and time.max() <= 1000
    counts = np.zeros((10, 20))
    np.add.at(counts, (trial, unit), 1)
    # what is left of the last spikes at the end of the trial is missing
    missing = counts - activity["policy_rates"].sum(0) * 0.005
    assert missing.min() > -1 and missing.max() < 5 and abs(missing.mean()) < 0.1 * counts.mean() + 1
    assert steps_per_column(5.0, LifSettings()) == 100


def test_a_mat_file_is_mapped_without_training(trained: Path, tmp_path: Path) -> None:
    words = ["spiking", f"--network={trained}/nets/seed11.mat", *SEARCH]  # it says what it was trained on
    assert run(*words, f"--out={tmp_path}/m.h5") == 0
    ours, theirs = read_spiking(trained / "spiking.h5"), read_spiking(tmp_path / "m.h5")
    np.testing.assert_allclose(theirs.tau[0], ours.tau[1], rtol=1e-6)
    common = ["evaluate", "--network", f"{trained}/nets/seed11.mat", f"--dataset={trained}/trials.h5"]
    assert run(*common, "--task.name=go_nogo", f"--out={tmp_path}/e.h5") == 0
    assert len(read_table(tmp_path / "e.h5")) == 10


BAD = {
    "no such network": (["--network={tmp}/none.pth"], "no such file"),
    "a folder without networks": (["--network={tmp}"], "folder without networks"),
    "no task": (["--network={tmp}/foreign.mat"], "give --task.name"),
    "another number of inputs": (["--network={nets}/seed3.mat", "--task.name=xor"], "has 1 input channels"),
    "another step": (["--network={nets}/seed3.mat", "--task.name=go_nogo", "--task.dt=10"], "has steps of 5 ms"),
    "a factor of 0": (["--network={nets}/seed3.pth", "--search.factors=0,10"], "0 is not above 0"),
    "a factor twice": (["--network={nets}/seed3.pth", "--search.factors=10,10"], "twice"),
    "reset above threshold": (["--network={nets}/seed3.pth", "--lif.v_reset=-30"], "not below the threshold"),
    "factors of no such file": (["--network={nets}/seed3.pth", "--factor_of={tmp}/no.h5"], "no such file"),
    "a file of trials": (["--network={tmp}/trials.pth"], "no archive of tensors"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(
    trained: Path, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(trained / "trials.h5", tmp_path / "trials.pth") if case == "a file of trials" else None
    if case == "no task":
        content = scipy.io.loadmat(trained / "nets/seed3.mat")
        kept = {k: v for k, v in content.items() if not k.startswith("_") and k != "task"}
        kept |= {k: kept[k].astype(bool) for k in ("inh", "exc")}
        scipy.io.savemat(tmp_path / "foreign.mat", kept)
    words, message = BAD[case]
    filled = [word.format(tmp=tmp_path, nets=trained / "nets") for word in words]
    capsys.readouterr()
    assert run("spiking", *filled, f"--out={tmp_path}/s.h5") != 0
    error = capsys.readouterr().err
    assert message in error and error.startswith("rnnpipe: ") and error.count("\n") == 1, error
    assert not (tmp_path / "s.h5").exists() and not list(tmp_path.glob(".*checkpoint"))


EVALUATE = {
    "a factor of 0": (["--scaling_factor=0"], "must be above 0"),
    "a policy's trials": (["--dataset={tmp}/other.h5"], "evaluate it on a dataset of its own task"),
}


@pytest.mark.parametrize("case", EVALUATE)
def test_bad_evaluations_are_one_sentence(
    trained: Path, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("dataset", "--task.name=xor", "--dataset.trials_per_condition=1", f"--out={tmp_path}/other.h5") == 0
    words, message = EVALUATE[case]
    filled = [word.format(tmp=tmp_path) for word in words]
    dataset = [] if "--dataset" in filled[0] else [f"--dataset={trained}/trials.h5"]
    capsys.readouterr()
    assert run("evaluate", f"--network={trained}/nets/seed3.pth", *dataset, *filled, f"--out={tmp_path}/e.h5") != 0
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1, error
