"""Rate networks: golden numbers of the equations, initial distributions, files."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from synthetic_rate import NAMES, SIGMA, SIGMA_INIT, a_network, losses, simulate, tensors, toy, toy_trial

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.io.rate_network import read_rate_network, write_rate_network
from rnnpipe.networks.rate_engine import RateLearner, run_network, run_outputs
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.rate_parameters import initial_network, som_mask
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class

# -- golden numbers of the published equations (independently computed in float64) -----------------------------

TAU = [8.303063, 9.669499, 11.202656, 12.797344, 14.330501, 15.696937]
X_1 = [-0.05971306, 0.23322459, 0.07659955, -0.02714278, -0.02090276, 0.1320795]
X_199 = [-1.33513098, 1.0962999, 0.47050216, 1.43107716, 0.65315674, 1.51367448]
OUTPUT = {0: 0.2329619640, 49: 0.0021496812, 74: 0.1577338999, 99: 0.0062085559, 198: 0.0159362602}
L2, L1 = 10.8905353661, 126.7212709933
D_B_OUT = -10.5634999059
D_W_OUT = [-2.54050579, -8.50533487, -6.79720481, -8.11540734, -6.32081433, -8.89948089]
D_W = {(0, 1): -0.7570938683, (2, 4): 0.1263922968, (5, 5): 0.0, (0, 0): 0.0}
D_GAMMA = [-0.02581094, 0.00568879, 0.00044518, -0.0055481, -0.00028917, 0.00173749]


def test_golden_network() -> None:
    network = toy()
    np.testing.assert_allclose(network.tau / 5, TAU, atol=1e-6)
    assert network.w_rec.sum() == pytest.approx(7.792984416141465, abs=1e-12)
    np.testing.assert_allclose(network.w_rec[0], [0, 0.732351, 0.300006, 0, -1.401993, -1.357535], atol=1e-6)


def test_golden_numbers_by_the_reference_equations() -> None:
    network, (inputs, target, x0, noise) = toy(), toy_trial()
    w = tensors(network)
    x, _, output = simulate(network, w, inputs, x0, noise)
    np.testing.assert_allclose(x.detach()[1, 0], X_1, atol=1e-8)
    np.testing.assert_allclose(x.detach()[199, 0], X_199, atol=1e-8)
    assert output.shape == (199, 1, 1), "no output is read from the initial state"
    for k, value in OUTPUT.items():
        assert output[k].item() == pytest.approx(value, abs=1e-10)
    batch = inputs, target, x0, noise
    assert losses(network, w, batch, "l1").item() == pytest.approx(L1, abs=1e-9)
    loss = losses(network, w, batch, "l2")
    assert loss.item() == pytest.approx(L2, abs=1e-9)
    loss.backward()
    found = {name: w[name].grad.numpy() for name in ("w", "w_out", "b_out", "gamma")}  # type: ignore[union-attr]
    check_gradient(found)


def check_gradient(found: dict[str, Any]) -> None:
    assert found["b_out"].item() == pytest.approx(D_B_OUT, abs=1e-9)
    np.testing.assert_allclose(found["w_out"][0], D_W_OUT, atol=1e-8)
    for place, value in D_W.items():
        assert found["w"][place] == pytest.approx(value, abs=1e-9), place
    np.testing.assert_allclose(found["gamma"], D_GAMMA, atol=1e-8)


def test_golden_numbers_by_the_engine() -> None:
    network, batch = toy(), toy_trial()
    learner = RateLearner(network, SIGMA, SIGMA_INIT, 0.01, dtype=np.float64)
    loss, gradient = learner.gradients(*batch)
    assert loss.item() == pytest.approx(L2, abs=1e-9)
    check_gradient(learner.dense(gradient))
    last = learner.last_trial()
    np.testing.assert_allclose(last["x"][[1, 199]], [X_1, X_199], atol=1e-8)
    for k, value in OUTPUT.items():
        assert last["o"][k, 0] == pytest.approx(value, abs=1e-10)
    loss, _ = RateLearner(network, SIGMA, SIGMA_INIT, 0.01, "l1", dtype=np.float64).gradients(*batch)
    assert loss.item() == pytest.approx(L1, abs=1e-9)


@pytest.mark.parametrize(("kind", "tolerance"), [(np.float64, 1e-10), (np.float32, 2e-5)])
def test_golden_numbers_of_a_network_that_is_run(kind: type, tolerance: float) -> None:
    network = dataclasses.replace(toy(), **{name: getattr(toy(), name).astype(kind) for name in NAMES})
    inputs, _, x0, noise = toy_trial()
    given = x0.astype(kind), noise.transpose(1, 0, 2).astype(kind)
    run = run_network(network, inputs, SIGMA, SIGMA_INIT, torch.Generator(), given)
    found = {t: output.item() for t, _, output in run}
    assert sorted(found) == list(range(200))
    for k, value in OUTPUT.items():
        assert found[k + 1] == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_other_networks_run_as_the_reference_says(kind: type) -> None:
    """Activations, both signs of Dale's principle, several outputs, one time constant, a constant input."""
    for changes in (
        {"activation": "clipped_relu"},
        {"activation": "softplus", "dale": False},
        {"tau_max": 20.0, "n_som": 3},
    ):
        network = a_network(n_outputs=2, **changes)
        rng = np.random.default_rng(3)
        inputs = rng.standard_normal((20, 5, 2))
        x0, noise = rng.standard_normal((5, 14)), rng.standard_normal((5, 19, 14))
        _, rates, output = simulate(network, tensors(network), inputs, x0, noise)
        cast = dataclasses.replace(network, **{name: getattr(network, name).astype(kind) for name in NAMES})
        given = x0.astype(kind), noise.transpose(1, 0, 2).astype(kind)
        tolerance = 1e-10 if kind == np.float64 else 2e-4
        for t, r, o in run_network(cast, inputs, SIGMA, SIGMA_INIT, torch.Generator(), given):
            np.testing.assert_allclose(r, rates.detach()[t], atol=tolerance, rtol=tolerance)
            if t > 0:
                np.testing.assert_allclose(o, output.detach()[t - 1], atol=tolerance, rtol=tolerance)


def test_noise_of_a_step_is_not_scaled() -> None:
    """Without input, x is an AR(1) process of variance sigma^2 / (1 - (1 - alpha)^2): SD 0.151 at tau = 4 steps."""
    none = dataclasses.replace(
        toy(), w=np.zeros((6, 6)), tau_min=20.0, tau_max=20.0, w_out=np.eye(6) * 4, b_out=np.zeros(6)
    )
    network = dataclasses.replace(none, **{name: getattr(none, name).astype(np.float32) for name in NAMES})
    trials = trial_task_class("go_nogo")().sample(np.random.default_rng(0), 400, go=False)
    output = run_outputs(network, trials, SIGMA, SIGMA_INIT, torch.Generator().manual_seed(1))
    # the logistic function has slope 1/4 at 0, and the readout is 4
    late, first = output[60:] - output[60:].mean((0, 1)), output[0] - 2
    assert late.std() == pytest.approx(0.151, rel=0.02)
    assert first.std() == pytest.approx(np.hypot(0.1, 0.75 * 0.01), rel=0.05)


# -- initial networks ----------------------------------------------------------------------------------------


def made(seed: int = 0, **settings: Any) -> RateNetwork:
    return initial_network(RateSettings(**settings), 3, 1, 5.0, np.random.default_rng(seed))


def test_initial_distributions() -> None:
    network = made(n_units=400)
    kept = network.w[network.w > 0]
    assert network.w.min() == 0 and network.w.dtype == np.float32
    assert kept.size / 400**2 == pytest.approx(0.2, abs=5 * np.sqrt(0.2 * 0.8) / 400)
    assert kept.mean() == pytest.approx(1.5 * np.sqrt(2 / np.pi) / np.sqrt(400 * 0.2), rel=0.02)
    assert np.sqrt((kept.astype(float) ** 2).mean()) == pytest.approx(1.5 / np.sqrt(80), rel=0.02)
    assert 0.1 < (np.diag(network.w) > 0).mean() < 0.3, "autapses are allowed"
    assert network.w_in.std() == pytest.approx(1, rel=0.08)
    assert network.w_out.std() == pytest.approx(0.01, rel=0.2)
    assert (network.b_out == 0).all() and (network.b_rec == 0).all()
    tau = np.concatenate([made(seed, n_units=400).tau for seed in range(10)])
    assert tau.mean() == pytest.approx(35, abs=0.4) and tau.std() == pytest.approx(6.2, abs=0.25)
    np.testing.assert_array_equal(network.w, network.w_initial)
    np.testing.assert_array_equal(network.gamma, network.gamma_initial)


def test_number_of_inhibitory_units_is_binomial() -> None:
    counts = np.array([made(seed, n_units=10).inhibitory.sum() for seed in range(2000)])
    assert counts.mean() == pytest.approx(2, abs=0.12)
    assert counts.var() == pytest.approx(1.6, abs=0.25)
    assert (counts == 0).mean() == pytest.approx(0.107, abs=0.03)


def test_gamma_distributed_weights_ignore_the_gain() -> None:
    one, other = (made(n_units=300, weights="gamma", gain=gain) for gain in (1.5, 3.0))
    np.testing.assert_array_equal(one.w, other.w)
    kept = one.w[one.w > 0]
    assert kept.mean() == pytest.approx(0.006, rel=0.03) and kept.std() == pytest.approx(0.003 * np.sqrt(2), rel=0.05)


def test_without_dale_weights_have_both_signs_and_nobody_is_inhibitory() -> None:
    network = made(n_units=300, dale=False, p_inhibitory=0.5)
    assert not network.inhibitory.any() and (network.mask == 1).all()
    kept = network.w[network.w != 0]
    assert abs(kept.mean()) < 0.01 and kept.std() == pytest.approx(1.5 / np.sqrt(60), rel=0.03)


def test_published_networks_are_not_balanced_and_balanced_ones_are() -> None:
    """Mean input of all weights: positive at first, zero on average where balance is asked for."""
    networks = [[made(seed, n_units=200, balanced=balanced) for seed in range(20)] for balanced in (False, True)]
    mean = [np.array([network.w_rec.sum(1).mean() for network in group]) for group in networks]
    assert mean[0].min() > 3
    assert abs(mean[1].mean()) < 0.3 and np.abs(mean[1]).max() < 1
    v = np.ones(200)
    for _ in range(50):
        v = networks[0][0].w_rec @ v / np.linalg.norm(v)
    # a leading eigenvalue of mean(w) n, the same in every network but for the number of inhibitory units
    assert np.linalg.norm(v) == pytest.approx(mean[0][0], rel=0.1)
    assert mean[0].mean() == pytest.approx((1 - 2 * 0.2) * 40 * 1.5 * np.sqrt(2 / np.pi / 40), rel=0.1)


def test_som_units_are_the_first_inhibitory_ones_and_get_no_inhibition() -> None:
    network = made(n_units=60, n_som=4)
    som, inhibitory = network.som, network.inhibitory
    assert som.sum() == 4 and np.flatnonzero(som).tolist() == np.flatnonzero(inhibitory)[:4].tolist()
    assert (network.w_rec[som] >= 0).all(), "autapses and SOM to SOM, too"
    assert (network.w_rec[~som] < 0).any() and (network.w_rec[:, som].sum(0) < 0).all()
    assert (som_mask(inhibitory, 0) == 1).all()
    assert (made(n_units=20, n_som=3, dale=False).mask == 1).all()


def test_settings_that_contradict_each_other() -> None:
    for given, word in (
        ({"tau_min": 50, "tau_max": 20}, "swap"),
        ({"n_units": 5, "n_som": 6}, "n_som"),
        ({"balanced": True, "dale": False}, "balanced"),
        ({"unit": 3}, "n_units"),
    ):
        with pytest.raises(SettingsError, match=word):
            parse(RateSettings, given, "network")


# -- files ---------------------------------------------------------------------------------------------------


def write(path: Path, network: RateNetwork, **changes: Any) -> Path:
    rate = {"n_units": 12, **changes}
    settings = {"task": {"name": "go_nogo"}, "network": {"kind": "rate", **rate}, "learning": {"rule": "bptt"}}
    write_rate_network(path, network, settings, {"accuracy": 0.9}, {"stage": "train"}, {"update": 3})
    return path


def a_stored_network(**changes: Any) -> RateNetwork:
    network = initial_network(RateSettings(n_units=12), 1, 1, 5.0, np.random.default_rng(0), 3)
    return dataclasses.replace(network, task="go_nogo", **changes)


def test_a_file_gives_back_the_network(tmp_path: Path) -> None:
    network = a_stored_network()
    found = read_rate_network(write(tmp_path / "n.pth", network))
    for name in (*NAMES, "w_initial", "gamma_initial"):
        np.testing.assert_array_equal(getattr(found.network, name), getattr(network, name))
    assert found.task is not None and found.task.name == "go_nogo" and found.score == {"accuracy": 0.9}
    assert (found.network.seed, found.network.dt, found.sigma_rec, found.sigma_init) == (3, 5.0, 0.1, 0.01)
    assert write(tmp_path / "m.pth", network).read_bytes() == (tmp_path / "n.pth").read_bytes()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"w": np.zeros((12, 11), np.float32)}, "w has shape"),
        ({"w": np.full((12, 12), np.nan, np.float32)}, "w holds NaN"),
        ({"gamma": np.full(12, np.inf, np.float32)}, "gamma holds NaN or infinite"),
        ({"w": np.full((12, 12), -1, np.float32)}, "negative"),
        ({"w_out": np.zeros((1, 3), np.float32)}, "w_out has shape"),
        ({"w_in": np.zeros((12, 2), np.float32)}, "2 inputs"),
    ],
)
def test_a_network_that_cannot_be_right_is_refused(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    path = write(tmp_path / "n.pth", a_stored_network(**changes))
    with pytest.raises(ArtefactError, match=word) as caught:
        read_rate_network(path)
    assert str(path) in str(caught.value) and str(caught.value).count("\n") == 0


def test_files_that_are_no_networks(tmp_path: Path) -> None:
    whole = write(tmp_path / "n.pth", a_stored_network()).read_bytes()
    flag = tmp_path / "executed"

    class Hostile:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.touch, (flag,)  # type: ignore[return-value]

    torch.save({"kind": "rate_network", "bad": Hostile()}, tmp_path / "hostile.pth", pickle_module=pickle)
    (tmp_path / "short.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.pth").write_bytes(b"")
    torch.save({"kind": "checkpoint", "schema_version": 1}, tmp_path / "gated.pth")
    for name, word in (
        ("hostile", "not read"), ("short", "cannot be read"), ("empty", "cannot be read"), ("gated", "not a"),
        ("missing", "no such file"),
    ):  # fmt: skip
        with pytest.raises(ArtefactError, match=word):
            read_rate_network(tmp_path / f"{name}.pth")
    assert not flag.exists()
    content = torch.load(tmp_path / "n.pth", weights_only=True)
    del content["network"]["gamma"]
    torch.save(content, tmp_path / "part.pth")
    with pytest.raises(ArtefactError, match="gamma"):
        read_rate_network(tmp_path / "part.pth")
    torch.save({**content, "network": {"w": "x"}}, tmp_path / "odd.pth")
    with pytest.raises(ArtefactError, match="damaged"):
        read_rate_network(tmp_path / "odd.pth")
    write(tmp_path / "n.pth", a_stored_network(), n_units=13)
    with pytest.raises(ArtefactError, match="13"):
        read_rate_network(tmp_path / "n.pth")
