"""The fast engine of the rate networks against autograd of the reference equations and finite differences."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_rate import SIGMA, SIGMA_INIT, Plain, a_batch, a_network, losses, simulate, tensors

from rnnpipe.errors import TrainingError
from rnnpipe.networks import rate_kernels as kernels
from rnnpipe.networks import rate_products as products
from rnnpipe.networks.rate_engine import Noise, RateLearner
from rnnpipe.networks.rate_engine_torch import TorchNoise, TorchRateLearners
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.rate_parameters import TRAINED

F64 = np.float64


def learner(network: RateNetwork, learning_rate: float = 0.01, loss: str = "l2", **more: Any) -> RateLearner:
    return RateLearner(network, SIGMA, SIGMA_INIT, learning_rate, loss, **{"dtype": F64, **more})


CASES = [
    *({"activation": a, "loss": b, "dale": c}
      for a, b, c in itertools.product(kernels.ACTIVATIONS, kernels.LOSSES, (True, False))),
    {"n_som": 3},
    {"n_som": 3, "activation": "clipped_relu", "n_outputs": 2},
    {"n_outputs": 2, "dale": False},
    {"n_outputs": 2, "loss": "l1"},
    {"p_inhibitory": 0.0},
    {"p_inhibitory": 1.0},
    {"connection_probability": 0.0},
    {"n_units": 1, "connection_probability": 1.0},
    {"n_units": 35, "n_inputs": 1},
    {"n_units": 67, "n_inputs": 4, "connection_probability": 0.1},
    {"n_units": 40, "dale": False, "n_outputs": 2},
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(f"{k}={v}" for k, v in case.items()))
def test_gradients_equal_autograd_of_the_reference(case: dict[str, Any]) -> None:
    case = dict(case)
    loss = case.pop("loss", "l2")
    network = a_network(seed=2, **case)
    batch = a_batch(network, 3)
    engine = learner(network, loss=loss)
    found, gradient = engine.gradients(*batch)
    w = tensors(network)
    expected = losses(network, w, batch, loss)
    expected.mean().backward()
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-10)
    for name, value in engine.dense(gradient).items():
        slope = w[name].grad
        assert slope is not None
        np.testing.assert_allclose(value, slope, rtol=1e-8, atol=1e-10 * (1 + slope.abs().max()), err_msg=name)
        if case.get("connection_probability") != 0 or name != "w":
            assert slope.abs().max() > 1e-6, f"the case does not exercise {name}"
    x, r, o = simulate(network, w, batch[0][:, -1:], batch[2][-1:], batch[3][-1:])
    for name, value in (("x", x), ("r", r), ("o", o)):
        np.testing.assert_allclose(engine.last_trial()[name], value.detach()[:, 0], atol=1e-10)


@pytest.mark.parametrize("loss", ["l2", "l1"])
@pytest.mark.parametrize("activation", kernels.ACTIVATIONS)
@pytest.mark.parametrize("dale", [True, False])
def test_gradients_equal_finite_differences(loss: str, activation: str, dale: bool) -> None:
    network = a_network(seed=4, n_units=7, activation=activation, dale=dale, n_outputs=2)
    batch = a_batch(network, 2, 15)
    engine = learner(network, loss=loss)
    gradient = engine.dense(engine.gradients(*batch)[1])
    rng = np.random.default_rng(0)
    for name in TRAINED:
        value = getattr(network, name)
        places = np.flatnonzero(value.reshape(-1)) if name == "w" and dale else np.arange(value.size)
        for k in rng.choice(places, min(5, len(places)), replace=False):
            h, both = 1e-6, []
            for step in (h, -h):
                moved = value.copy()
                moved.reshape(-1)[k] += step
                both.append(
                    learner(dataclasses.replace(network, **{name: moved}), loss=loss).gradients(*batch)[0].mean()
                )
            slope = (both[0] - both[1]) / (2 * h)
            assert gradient[name].reshape(-1)[k] == pytest.approx(slope, rel=1e-5, abs=1e-7), (name, k)


def test_rates_at_the_cap_and_below_zero_carry_no_gradient() -> None:
    """States driven to 30 and -3: clipped_relu is flat at both, softplus at the first alone."""
    for activation, low in (("clipped_relu", 0.0), ("softplus", 1 / (1 + np.exp(3)))):
        network = a_network(
            n_units=2, connection_probability=1.0, dale=False, activation=activation, tau_min=5.0, tau_max=5.0
        )
        network = dataclasses.replace(
            network, w=np.zeros((2, 2)), b_rec=np.array([30.0, -3.0]), w_out=np.ones((1, 2)), w_in=np.zeros((2, 2))
        )
        inputs, target, x0, noise = a_batch(network, 1, 8)
        engine = RateLearner(network, 0.0, 0.0, 0.01, "l1", dtype=F64)
        gradient = engine.dense(engine.gradients(inputs, target - 100, x0, noise)[1])["w"]
        r = engine.last_trial()["r"]
        np.testing.assert_allclose(r[1:, 0], 20)
        # alpha = 1: W_ij acts through the slope at unit i, times the rate of unit j a step before
        np.testing.assert_allclose(gradient[0], 0, atol=1e-12)
        np.testing.assert_allclose(gradient[1], low * r[:-1].sum(0), rtol=1e-10, atol=1e-12)


def test_a_loss_of_zero_has_a_gradient_of_zero() -> None:
    network = dataclasses.replace(a_network(), w_out=np.zeros((1, 14)), b_out=np.zeros(1))
    inputs, target, x0, noise = a_batch(network)
    found, gradient = learner(network).gradients(inputs, 0 * target, x0, noise)
    assert (found == 0).all() and all((value == 0).all() for value in gradient.values())


def test_gradient_of_several_trials_is_the_mean() -> None:
    network = a_network(n_som=2)
    batch = a_batch(network, 4)
    engine = learner(network)
    together, gradient = engine.gradients(*batch)
    inputs, target, x0, noise = batch
    one = [engine.gradients(inputs[:, [i]], target[:, [i]], x0[[i]], noise[[i]]) for i in range(4)]
    np.testing.assert_allclose(together, [loss[0] for loss, _ in one], rtol=1e-12)
    for name, value in gradient.items():
        np.testing.assert_allclose(value, np.mean([g[name] for _, g in one], axis=0), rtol=1e-9, atol=1e-12)


def test_the_output_of_a_state_is_compared_with_the_target_a_step_before() -> None:
    """Sample k of the output is read from state k + 1; input k reaches state k + 1; the last columns do nothing."""
    network = a_network()
    batch = a_batch(network, 1, 12)
    base = learner(network).gradients(*batch)[0]

    def changed(which: int, *where: Any) -> bool:
        other = [a.copy() for a in batch]
        other[which][where] += 1.0
        return bool(learner(network).gradients(*other)[0] != base)

    assert [changed(0, k) for k in range(12)] == [True] * 10 + [False] * 2, (
        "inputs: T = 11 states, input 9 reaches the last"
    )
    assert [changed(1, k) for k in range(11)] == [True] * 10 + [False], "targets: 10 samples"
    assert [changed(3, 0, k) for k in range(11)] == [False] + [True] * 10, "noise: none in the initial state"
    # a unit without memory shows which input a sample of the output follows
    simple = dataclasses.replace(
        a_network(n_units=1, tau_min=5.0, tau_max=5.0, activation="clipped_relu", n_inputs=1),
        w=np.zeros((1, 1)), w_in=np.ones((1, 1)), w_out=np.ones((1, 1)), b_out=np.zeros(1), b_rec=np.zeros(1),
    )  # fmt: skip
    inputs = np.arange(1.0, 11)[:, None, None]
    target = inputs[:-1].copy()
    engine = RateLearner(simple, 0.0, 0.0, 0.01, dtype=F64)
    assert engine.gradients(inputs, target, np.zeros((1, 1)), np.zeros((1, 9, 1)))[0] == 0
    assert engine.last_trial()["o"][:, 0].tolist() == list(range(1, 9))


# -- updates -------------------------------------------------------------------------------------------------


def follow(
    network: RateNetwork, n_updates: int, rate: float, loss: str = "l2", n_trials: int = 1
) -> tuple[Plain, RateLearner]:
    """The same updates the plain way and by the engine, compared after each."""
    plain, engine = Plain(network, rate, loss), learner(network, rate, loss)
    for k in range(n_updates):
        batch = a_batch(network, n_trials, 14, seed=k)
        np.testing.assert_allclose(engine.update(*batch), plain.update(*batch), rtol=1e-7)
        found = engine.network()
        np.testing.assert_allclose(found.w, plain.rectified, atol=1e-8)
        for name in ("w_out", "b_out", "gamma"):
            np.testing.assert_allclose(getattr(found, name), plain.w[name].detach(), atol=1e-8, err_msg=name)
    return plain, engine


@pytest.mark.parametrize("changes", [{}, {"dale": False}, {"n_som": 3}, {"activation": "softplus"}, {"tau_max": 20.0}])
def test_updates_equal_those_of_the_dense_matrix(changes: dict[str, Any]) -> None:
    """Entries that die are left out of the list, which changes nothing: none comes back."""
    network = a_network(seed=5, **changes)
    plain, engine = follow(network, 25, 0.03)
    raw = plain.w["w"].detach().numpy()
    if network.dale:
        assert (raw < 0).any(), "the case does not exercise entries that die"
        assert engine.density == pytest.approx(((raw > 0) & (network.mask > 0)).mean())
    np.testing.assert_array_equal(engine.network().w_in, network.w_in)
    np.testing.assert_array_equal(engine.network().b_rec, network.b_rec)
    if network.tau_min == network.tau_max:
        np.testing.assert_array_equal(engine.network().gamma, network.gamma)


@settings(max_examples=15, deadline=None)
@given(
    n_units=st.integers(1, 20),
    connection_probability=st.sampled_from([0.1, 0.5, 1.0]),
    p_inhibitory=st.sampled_from([0.0, 0.3, 1.0]),
    n_som=st.integers(0, 3),
    dale=st.booleans(),
    n_outputs=st.integers(1, 2),
    loss=st.sampled_from(["l2", "l1"]),
    n_trials=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_updates_of_any_network_equal_those_of_the_dense_matrix(
    n_units: int, n_som: int, loss: str, n_trials: int, seed: int, **more: Any
) -> None:
    network = a_network(seed, n_units=n_units, n_som=min(n_som, n_units), **more)
    follow(network, 6, 0.05, loss, n_trials)


def test_entries_that_the_mask_rules_out_keep_their_value_and_do_nothing() -> None:
    network = a_network(seed=6, n_som=4, connection_probability=0.6)
    out = (network.mask == 0) & (network.w > 0)
    assert out.any()
    _, engine = follow(network, 5, 0.03)
    np.testing.assert_array_equal(engine.network().w[out], network.w[out])
    other = learner(dataclasses.replace(network, w=np.where(out, 9.0, network.w)))
    batch = a_batch(network)
    np.testing.assert_array_equal(other.gradients(*batch)[0], learner(network).gradients(*batch)[0])


def test_fixed_parameters_do_not_move() -> None:
    network = a_network()
    engine = learner(network, fixed=("w", "gamma"))
    for k in range(3):
        engine.update(*a_batch(network, 1, 14, k))
    for name in TRAINED:
        same = np.array_equal(getattr(engine.network(), name), getattr(network, name))
        assert same == (name in ("w", "gamma")), name


def test_without_dale_every_entry_is_there_after_one_update() -> None:
    """Adam moves every entry by the learning rate at first, those that were zero as well."""
    network = a_network(dale=False, n_units=30, connection_probability=0.2)
    engine = learner(network)
    assert engine.density == pytest.approx(0.2, abs=0.05)
    engine.update(*a_batch(network, 1))
    assert engine.density == 1.0
    np.testing.assert_allclose(np.abs(engine.network().w - network.w), 0.01, rtol=1e-2)


def test_single_precision_agrees_to_single_precision() -> None:
    for changes in ({}, {"dale": False}, {"activation": "softplus"}, {"n_units": 70, "n_som": 5}):
        network = a_network(seed=8, **changes)
        batch = a_batch(network, 2, 40)
        single, double = learner(network, dtype=np.float32), learner(network)
        (loss, g), (expected, h) = single.gradients(*(a.astype(np.float32) for a in batch)), double.gradients(*batch)
        np.testing.assert_allclose(loss, expected, rtol=1e-4)
        for name, value in single.dense(g).items():
            other = double.dense(h)[name]
            np.testing.assert_allclose(value, other, atol=2e-3 * np.abs(other).max(), err_msg=name)
            assert value.dtype == np.float32


def test_a_state_continues_to_the_bit() -> None:
    for changes in ({}, {"dale": False}, {"n_som": 3}):
        network = a_network(seed=9, **changes)
        batches = [tuple(a.astype(np.float32) for a in a_batch(network, 1, 20, k)) for k in range(20)]
        one, other = (RateLearner(network, SIGMA, SIGMA_INIT, 0.03) for _ in range(2))
        for batch in batches[:10]:
            one.update(*batch)
        other.load_state(one.state())
        for batch in batches[10:]:
            np.testing.assert_array_equal(one.update(*batch), other.update(*batch))
        for name in ("w", "w_out", "b_out", "gamma"):
            np.testing.assert_array_equal(getattr(one.network(), name), getattr(other.network(), name))
        assert one.n_updates == other.n_updates == 20 and one.density == other.density


@pytest.mark.parametrize("changes", [{}, {"dale": False}, {"n_som": 3, "n_outputs": 2}, {"activation": "softplus"}])
@pytest.mark.parametrize("kind", [np.float32, F64])
def test_outputs_of_many_trials_are_those_of_the_network(kind: type, changes: dict[str, Any]) -> None:
    """Noise comes trial by trial in blocks of 256; the numbers of the first step are the initial state."""
    network = a_network(seed=11, **changes)
    inputs = a_batch(network, 5, 30)[0]
    engine = learner(network, dtype=kind)
    found = engine.outputs(inputs, Noise(5))
    count, source = 29 * network.n_units, Noise(5)
    noise = np.stack([source.normal(-(-count // 256) * 256)[:count].reshape(29, -1) for _ in range(5)])
    expected = simulate(network, tensors(network), inputs, noise[:, 0].astype(F64), noise.astype(F64))[2].detach()
    np.testing.assert_allclose(found, expected, atol=1e-9 if kind == F64 else 2e-4, rtol=1e-9 if kind == F64 else 2e-4)
    after = engine.outputs(inputs, source)
    assert not np.array_equal(after, found), "fresh noise"
    # of the trained network, too: what an update changed is in the outputs
    engine.update(*a_batch(network, 1))
    moved = learner(engine.network(), dtype=kind).outputs(inputs, Noise(5))
    np.testing.assert_array_equal(engine.outputs(inputs, Noise(5)), moved)
    assert not np.array_equal(moved, found)


def test_noise_is_normal_and_its_state_continues_it() -> None:
    source = Noise(3)
    x = source.normal(200, 500).astype(F64)
    assert abs(x.mean()) < 0.015 and abs(x.std() - 1) < 0.01 and abs((x**4).mean() - 3) < 0.1
    other = Noise(4)
    assert not np.array_equal(other.normal(300), source.normal(300))
    other.lanes[...] = source.lanes
    np.testing.assert_array_equal(other.normal(300), source.normal(300))


def test_trials_of_another_length_in_between() -> None:
    network = a_network()
    engine, fresh = learner(network), learner(network)
    batch = a_batch(network, 2)
    engine.gradients(*a_batch(network, 1, 40))
    np.testing.assert_array_equal(engine.gradients(*batch)[0], fresh.gradients(*batch)[0])


@pytest.mark.parametrize("activation", kernels.ACTIVATIONS)
@pytest.mark.parametrize("kind", [np.float32, F64])
def test_a_loss_that_is_not_finite_is_said_and_changes_nothing(kind: type, activation: str) -> None:
    network = a_network(activation=activation)
    engine = learner(network, dtype=kind)
    before = engine.network()
    for bad in (np.nan, np.inf):
        inputs, *rest = a_batch(network)
        inputs[3] = bad
        with pytest.raises(TrainingError, match="NaN or infinite"):
            engine.update(inputs, *rest)
    assert engine.n_updates == 0
    for name in TRAINED:
        np.testing.assert_array_equal(getattr(engine.network(), name), getattr(before, name))


# -- the engine of other devices ------------------------------------------------------------------------------

ENSEMBLES: list[dict[str, Any]] = [
    {},
    {"loss": "l1", "n_outputs": 2},
    {"dale": False, "activation": "softplus"},
    {"activation": "clipped_relu", "loss": "l1"},
    {"n_som": 3, "tau_max": 20.0},
]


def together(cases: list[tuple[Any, ...]]) -> list[torch.Tensor]:
    """Arrays of several networks' trials with the network in front."""
    inputs, target, x0, noise = (torch.tensor(np.stack(arrays)) for arrays in zip(*cases, strict=True))
    return [inputs, target, x0, noise]


def an_ensemble(changes: dict[str, Any], **more: Any) -> tuple[list[RateNetwork], TorchRateLearners, list[RateLearner]]:
    changes = dict(changes)
    loss = changes.pop("loss", "l2")
    networks = [a_network(seed, **changes) for seed in (21, 22, 23)]
    many = TorchRateLearners(networks, SIGMA, SIGMA_INIT, 0.03, loss, dtype=torch.float64, **more)
    return networks, many, [learner(network, 0.03, loss, **more) for network in networks]


@pytest.mark.parametrize("changes", ENSEMBLES)
def test_ensembles_have_the_gradients_of_their_networks(changes: dict[str, Any]) -> None:
    networks, many, single = an_ensemble(changes)
    batches = [a_batch(network, 2, 18, seed) for seed, network in enumerate(networks)]
    found, gradient = many.gradients(*together(batches))
    for k, (network, one, batch) in enumerate(zip(networks, single, batches, strict=True)):
        w = tensors(network)
        expected = losses(network, w, batch, changes.get("loss", "l2"))
        expected.mean().backward()
        np.testing.assert_allclose(found[k], expected.detach(), rtol=1e-10)
        own = one.dense(one.gradients(*batch)[1])
        for name in TRAINED:
            slope = w[name].grad
            if slope is None:  # one time constant: gamma has no effect
                continue
            np.testing.assert_allclose(gradient[name][k], slope, atol=1e-9 * (1 + slope.abs().max()), err_msg=name)
            np.testing.assert_allclose(gradient[name][k], own[name], atol=1e-9 * (1 + slope.abs().max()), err_msg=name)
        for name, value in one.last_trial().items():
            np.testing.assert_allclose(many.last_trial(k)[name], value, atol=1e-10)


@pytest.mark.parametrize("changes", ENSEMBLES)
def test_ensembles_train_as_their_networks_do_alone(changes: dict[str, Any]) -> None:
    """Also once one of them has ended: it stays as it was, the others go on."""
    networks, many, single = an_ensemble(changes, fixed=("b_out",))
    for step in range(12):
        going = [0, 1, 2] if step < 5 else [0, 2]
        batches = [a_batch(networks[k], 1, 14, 10 * step + k) for k in going]
        found = many.update(*together(batches), going=going)
        for k, batch, loss in zip(going, batches, found, strict=True):
            np.testing.assert_allclose(loss, single[k].update(*batch), rtol=1e-7)
    assert many.n_updates == [12, 5, 12]
    for k, one in enumerate(single):
        for name in (*TRAINED, "b_rec", "w_in", "sign"):
            np.testing.assert_allclose(
                getattr(many.network(k), name), getattr(one.network(), name), atol=1e-8, err_msg=name
            )
        np.testing.assert_array_equal(many.network(k).b_out, networks[k].b_out)


def test_an_ensemble_continues_from_its_state_and_networks_may_be_at_different_updates() -> None:
    networks, many, _ = an_ensemble({})
    batches = together([a_batch(network, 1, 14, seed) for seed, network in enumerate(networks)])
    many.update(*batches)
    many.update(*(a[[1]] for a in batches), going=[1])
    _, other, _ = an_ensemble({})
    for k in range(3):
        other.load_state(k, many.state(k))
    for one in (many, other):
        one.update(*batches)
    assert many.n_updates == other.n_updates == [2, 3, 2]
    alone = learner(networks[1], 0.03)
    for _ in range(3):
        alone.update(*(a[1].numpy() for a in batches))
    for name in TRAINED:
        for k in range(3):
            np.testing.assert_array_equal(getattr(many.network(k), name), getattr(other.network(k), name))
        np.testing.assert_allclose(getattr(many.network(1), name), getattr(alone.network(), name), atol=1e-8)


@pytest.mark.parametrize("changes", [{}, {"dale": False, "n_outputs": 2, "activation": "softplus"}])
def test_outputs_of_an_ensemble(changes: dict[str, Any]) -> None:
    """Noise comes in blocks of steps; the initial state first."""
    networks, many, _ = an_ensemble(changes)
    inputs = [a_batch(network, 4, 40, seed)[0] for seed, network in enumerate(networks)]
    sources = [TorchNoise(seed, torch.device("cpu"), torch.float64) for seed in range(3)]
    found = many.outputs(torch.tensor(np.stack(inputs))[[0, 2]], [sources[0], sources[2]], [0, 2])
    for k, place in ((0, 0), (2, 1)):
        source = TorchNoise(k, torch.device("cpu"), torch.float64)
        x0 = source.normal(4, 14).numpy()
        blocks = [source.normal(min(16, 39 - first), 4, 14) for first in range(1, 39, 16)]
        noise = torch.cat([torch.zeros(1, 4, 14, dtype=torch.float64), *blocks]).transpose(0, 1).numpy()
        expected = simulate(networks[k], tensors(networks[k]), inputs[k], x0, noise)[2].detach()
        np.testing.assert_allclose(found[place], expected, atol=1e-9)


# -- sparse products -----------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 70), density=st.sampled_from([0.0, 0.1, 0.5, 1.0]), seed=st.integers(0, 9))
def test_products_with_a_sparse_matrix_and_its_transpose(n: int, density: float, seed: int) -> None:
    """On this processor's way and on the plain one."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((n, n)) * (rng.random((n, n)) < density)
    rows, columns = np.nonzero(w)
    start = np.concatenate([[0], np.cumsum((w != 0).sum(1))]).astype(np.int64)
    v = np.zeros(products.padded(n))
    v[:n] = rng.standard_normal(n)
    for transposed, expected in ((False, w @ v[:n]), (True, w.T @ v[:n])):
        made = products.lay_out(start, columns.astype(np.int32), products.padded(n), transposed)
        value, column, span, slot = made
        value[slot] = w[rows, columns]
        for kind, tolerance in ((np.float32, 1e-4), (F64, 1e-12)):
            out = np.full(len(v), 7, kind)
            products.multiply(value.astype(kind), column, span, v.astype(kind), out)
            np.testing.assert_allclose(out[:n], expected, atol=tolerance)
            assert (out[n:] == 0).all()
        out = np.full(len(v), 7.0)
        for chunk in range(len(v) // products.LANES):
            products.plain_rows(value, column, span, v, out, len(v) // products.BLOCK, chunk)
        np.testing.assert_allclose(out[:n], expected, atol=1e-12)


@pytest.mark.parametrize("kind", [np.float32, F64])
def test_transpose(kind: type) -> None:
    a = np.arange(48.0 * 32).reshape(48, 32).astype(kind)
    out = np.zeros((32, 48), kind)
    products.transpose(a, out)
    np.testing.assert_array_equal(out, a.T)


def test_softplus_is_exact_to_single_precision() -> None:
    x = np.linspace(-30, 19, 4001, dtype=np.float32)
    r = np.empty_like(x)
    kernels.rates(x, r, kernels.SOFTPLUS)
    np.testing.assert_allclose(r, np.logaddexp(0, x.astype(F64)), rtol=1e-6, atol=1e-9)
