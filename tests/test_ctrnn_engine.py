"""The engine of continuous-time networks against autograd, finite differences and the simulation that defines them."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch

from rnnpipe.bench.ctrnn import CASES, Case, measure_ctrnn
from rnnpipe.networks import ctrnn_reference as reference
from rnnpipe.networks.activations import ACTIVATIONS, Activation
from rnnpipe.networks.ctrnn import ARRAYS, Ctrnn
from rnnpipe.networks.ctrnn_activations import KINDS as ACTIVATION_KINDS
from rnnpipe.networks.ctrnn_activations import activate
from rnnpipe.networks.ctrnn_engine import CtrnnEngine, Noise, tiles
from rnnpipe.networks.ctrnn_engine_torch import TorchCtrnnEngine
from rnnpipe.networks.engines import thread_pool

F64 = np.float64
SHAPE: dict[str, Any] = {"relu": {"slope": 1.3}, "leaky_relu": {"slope": 1.3, "leak": 0.1}, "tanh": {"slope": 1.5},
    "sigmoid": {"slope": 3.0, "shift": 0.3}, "softplus": {"slope": 0.8, "sharpness": 3.0}, "gelu": {"sharpness": 2.0},
}  # fmt: skip


def a_network(n: int = 6, activation: str = "tanh", form: str = "rate", seed: int = 0, **more: Any) -> Ctrnn:
    rng = np.random.default_rng(seed)
    n_in, n_out = more.pop("n_in", 3), more.pop("n_out", 2)
    own: dict[str, Any] = {"tau": 10.0, "dt": 2.0, "sigma_rec": 0.2, "sigma_in": 0.1, "sigma_out": 0.05, **more}
    return Ctrnn(
        rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=(n, n_in)), rng.normal(size=(n_out, n)) / np.sqrt(n),
        0.2 * rng.normal(size=n), 0.3 * rng.normal(size=n),
        Activation(activation, **SHAPE[activation]), form, **own,  # type: ignore[arg-type]
    )  # fmt: skip


def a_batch(network: Ctrnn, n_steps: int = 9, n_trials: int = 4, seed: int = 1) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n_steps, n_trials, network.n_inputs))
    target = rng.normal(size=(n_steps, n_trials, network.n_outputs))
    mask = (rng.random((n_steps, n_trials)) < 0.7) * rng.choice([0.5, 1.0, 2.0], size=(n_steps, n_trials))
    mask[-1, 0] = 1.0
    return inputs, target, mask


def some_noise(network: Ctrnn, n_steps: int, n_trials: int, seed: int = 2) -> Noise:
    rng = np.random.default_rng(seed)
    n, m = network.n_units, network.n_inputs
    return (
        rng.normal(size=(n_steps - 1, n_trials, n)),
        rng.normal(size=(n_steps - 1, n_trials, m)),
        rng.normal(size=(n_steps, n_trials, n)),
    )


def arrays(network: Ctrnn, dtype: Any = F64) -> dict[str, Any]:
    return {name: np.asarray(getattr(network, name), dtype) for name in ARRAYS}


def by_autograd(network: Ctrnn, batch: tuple[Any, ...], noise: Noise, rate_penalty: float) -> Any:
    w = {name: torch.tensor(value, requires_grad=True) for name, value in arrays(network).items()}
    tensors = tuple(None if a is None else torch.tensor(a) for a in noise)
    inputs, target, mask = map(torch.tensor, batch)
    loss, mse, x = reference.loss(network, w, inputs, target, mask, tensors, rate_penalty)  # type: ignore[arg-type]
    loss.backward()  # type: ignore[no-untyped-call]
    return mse.item(), x.detach().numpy(), {name: value.grad.numpy() for name, value in w.items()}  # type: ignore[union-attr]


KINDS = [
    *({"activation": a, "form": "rate", "noise_site": s} for a, s in itertools.product(ACTIVATIONS, ("post", "pre"))),
    *({"activation": a, "form": "current"} for a in ACTIVATIONS),
    {"form": "rate", "saturation": 0.1},
    {"form": "current", "saturation": 0.1},
]


def names(kind: dict[str, Any]) -> str:
    return "-".join(map(str, kind.values()))


def check_gradients(network: Ctrnn, n_steps: int, n_trials: int, dtype: Any, tolerance: float, engine: Any) -> None:
    """An update's numbers against autograd of the reference in float64."""
    (inputs, target, mask), noise = a_batch(network, n_steps, n_trials), some_noise(network, n_steps, n_trials)
    mse, x, expected = by_autograd(network, (inputs, target, mask), noise, 0.7)
    found = engine.update(arrays(network, dtype), inputs, target, mask, 0, rate_penalty=0.7, noise=noise)
    np.testing.assert_allclose(found.mse, mse, rtol=tolerance)
    np.testing.assert_allclose(found.largest_state, np.abs(x).max(), rtol=tolerance)
    r = x if network.form == "rate" else network.activation(x)
    np.testing.assert_allclose(found.mean_square_rate, np.square(r).mean(), rtol=tolerance)
    for name in ARRAYS:
        assert found.gradients[name].dtype == dtype
        scale = np.abs(expected[name]).max()
        assert scale > 1e-6, f"the case does not exercise {name}"
        np.testing.assert_allclose(
            found.gradients[name], expected[name], rtol=0, atol=tolerance * scale, err_msg=name
        )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=names)
def test_gradients_equal_autograd(kind: dict[str, Any]) -> None:
    network = a_network(**kind)
    check_gradients(network, 9, 4, F64, 1e-10, CtrnnEngine(network))
    check_gradients(network, 9, 4, np.float32, 1e-4, CtrnnEngine(network))
    check_gradients(network, 9, 4, F64, 1e-10, TorchCtrnnEngine(network, "cpu"))
    check_gradients(network, 9, 4, np.float32, 1e-4, TorchCtrnnEngine(network, "cpu"))


SIZES = [(1, 2, 1), (1, 7, 33), (2, 3, 16), (50, 12, 1), (50, 40, 70), (75, 5, 17), (130, 7, 33), (5, 600, 3)]


@pytest.mark.parametrize("form", ["rate", "current"])
@pytest.mark.parametrize(("n", "n_steps", "n_trials"), SIZES)
def test_gradients_of_any_shape(n: int, n_steps: int, n_trials: int, form: str) -> None:
    """One unit, two steps, tiles that are not full, several tiles, chunks of steps that are not full."""
    network = a_network(n, form=form, n_in=1 + n % 4, n_out=1 + n % 3, saturation=0.02)
    check_gradients(network, n_steps, n_trials, F64, 1e-9, CtrnnEngine(network))
    check_gradients(network, n_steps, n_trials, np.float32, 2e-4, CtrnnEngine(network))


@pytest.mark.parametrize("form", ["rate", "current"])
@pytest.mark.parametrize("activation", ["tanh", "softplus", "gelu"])
def test_gradients_equal_finite_differences(form: str, activation: str) -> None:
    network = a_network(activation=activation, form=form, saturation=0.05)
    (inputs, target, mask), noise = a_batch(network), some_noise(network, 9, 4)
    engine, p = CtrnnEngine(network), arrays(network)

    def terms(rates: Any, states: Any) -> Any:
        """A penalty that no other term resembles: mean r^3 and mean sin x."""
        value = (rates**3).mean() + np.sin(states).mean()
        return float(value), 3 * rates**2 / rates.size, np.cos(states) / states.size

    def loss(p: dict[str, Any]) -> float:
        seen: list[float] = []

        def watched(rates: Any, states: Any) -> Any:
            found = terms(rates, states)
            seen.append(found[0])
            return found

        made = engine.update(p, inputs, target, mask, 0, state_terms=watched, noise=noise)
        return made.mse + 0.7 * made.mean_square_rate + seen[0]

    found = engine.update(p, inputs, target, mask, 0, rate_penalty=0.7, state_terms=terms, noise=noise).gradients
    rng = np.random.default_rng(3)
    for name in ARRAYS:
        direction, h = rng.normal(size=p[name].shape), 1e-3
        # two step sizes, extrapolated: an error of order h^4
        slopes = [
            (loss({**p, name: p[name] + d * direction}) - loss({**p, name: p[name] - d * direction})) / (2 * d)
            for d in (h, h / 2)
        ]
        slope = (4 * slopes[1] - slopes[0]) / 3
        np.testing.assert_allclose((found[name] * direction).sum(), slope, rtol=1e-7, err_msg=name)


def test_terms_that_are_not_there_change_nothing() -> None:
    """The way over all states gives the same as the direct one, bit for bit."""
    for form in ("rate", "current"):
        network = a_network(20, form=form)
        batch = a_batch(network, 15, 40)
        p, engine = arrays(network, np.float32), CtrnnEngine(network)
        shapes: list[Any] = []

        def terms(rates: Any, states: Any) -> Any:
            shapes.append((rates.shape, states.shape))  # noqa: B023
            return 0.0, None, None

        one = engine.update(p, *batch, seed=5)
        other = engine.update(p, *batch, seed=5, state_terms=terms)
        assert shapes == [((15, 40, 20), (15, 40, 20))]
        assert one.mse == other.mse
        for name in ARRAYS:
            np.testing.assert_array_equal(one.gradients[name], other.gradients[name])


def test_terms_see_the_rates_and_states_of_the_simulation() -> None:
    for form in ("rate", "current"):
        network = a_network(form=form, activation="sigmoid")
        batch, noise = a_batch(network, 9, 40), some_noise(network, 9, 40)
        x, _ = network.simulate(batch[0], None, *noise)
        seen: list[Any] = []

        def terms(rates: Any, states: Any) -> Any:
            seen.extend([rates, states])  # noqa: B023
            return 0.0, None, None

        CtrnnEngine(network).update(arrays(network), *batch, seed=0, state_terms=terms, noise=noise)
        np.testing.assert_allclose(seen[0], network.rates(x), atol=1e-13)
        np.testing.assert_allclose(seen[1], x, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS, ids=names)
def test_runs_equal_the_simulation(kind: dict[str, Any]) -> None:
    network = a_network(20, **kind)
    u, noise = a_batch(network, 30, 35)[0], some_noise(network, 30, 35)
    for dtype, tolerance in ((F64, 1e-13), (np.float32, 2e-6)):
        for given in (noise, (None, None, None), (noise[0], None, None), (None, noise[1], noise[2])):
            x, y = network.simulate(u, None, *given)
            outputs, states = CtrnnEngine(network).run(arrays(network, dtype), u, noise=given, states=True)
            assert states is not None and states.dtype == dtype
            np.testing.assert_allclose(states, x, rtol=0, atol=tolerance * np.abs(x).max())
            np.testing.assert_allclose(outputs, y, rtol=0, atol=tolerance * max(1, np.abs(y).max()))
            outputs, states = TorchCtrnnEngine(network, "cpu").run(arrays(network, dtype), u, noise=given, states=True)
            np.testing.assert_allclose(states, x, rtol=0, atol=tolerance * np.abs(x).max())  # type: ignore[arg-type]
            np.testing.assert_allclose(outputs, y, rtol=0, atol=tolerance * max(1, np.abs(y).max()))
    quiet = CtrnnEngine(network).run(arrays(network), u)
    assert quiet[1] is None
    np.testing.assert_allclose(quiet[0], network.simulate(u)[1], rtol=0, atol=1e-12)


def test_torch_engine_does_as_the_other_one() -> None:
    """Further terms, noise from a seed, arrays that are kept while sizes change."""
    for form in ("rate", "current"):
        network = a_network(20, form=form, saturation=0.02)
        engine, other, p = TorchCtrnnEngine(network, "cpu"), CtrnnEngine(network), arrays(network)

        def terms(rates: Any, states: Any) -> Any:
            return 0.0, 3 * rates**2 / rates.size, np.cos(states) / states.size

        for n_trials in (12, 40, 12):
            batch, noise = a_batch(network, 11, n_trials), some_noise(network, 11, n_trials)
            expected = other.update(p, *batch, seed=0, rate_penalty=0.3, state_terms=terms, noise=noise)
            found = engine.update(p, *batch, seed=0, rate_penalty=0.3, state_terms=terms, noise=noise)
            for name in ARRAYS:
                np.testing.assert_allclose(found.gradients[name], expected.gradients[name], rtol=1e-9, atol=1e-12)
        one, two = engine.update(p, *batch, seed=4), engine.update(p, *batch, seed=5)
        assert one.mse == engine.update(p, *batch, seed=4).mse != two.mse
        y = engine.run(p, batch[0], 4)[0]
        error = (batch[2][..., None] * (y - batch[1]) ** 2).sum() / (2 * batch[2].sum())
        np.testing.assert_allclose(one.mse, error, rtol=1e-12)
        quiet = np.stack([engine.run(p, np.repeat(batch[0][:, :1], 4000, 1), seed)[0] for seed in (1, None)])
        _, exact = network.simulate(batch[0][:, :1])
        np.testing.assert_allclose(quiet[1][:, :1], exact, atol=1e-12)
        noisy = other.run(p, np.repeat(batch[0][:, :1], 4000, 1), 1)[0]
        np.testing.assert_allclose(quiet[0].std(1), noisy.std(1), rtol=0.08)
    diverging = {**p, "w_rec": np.full_like(p["w_rec"], np.nan)}
    assert engine.update(diverging, *batch, seed=0).largest_state == np.inf


def test_benchmark_counts_the_products_and_compares_with_them() -> None:
    """Products counted by hand; each case is measured with each number of threads, its rivals too."""
    case = Case(6, 5, 20, 3, 2)
    step, row = 2 * 6 * 6, 2 * 6
    by_hand = 20 * (step * (4 + 3 + 4) + row * (3 * 4 + 2 * 5 + 2 * 5 + 3 * 4 + 2 * 5))
    assert case.flop == by_hand
    found = {(m.name, m.threads): m for m in measure_ctrnn((1, 2), 2, {"small": case})}
    assert set(found) == {
        ("ctrnn_small_products", 1), ("ctrnn_small", 1), ("ctrnn_small_products", 2), ("ctrnn_small", 2),
        ("ctrnn_small_plain", 2),
    }  # fmt: skip
    for threads in (1, 2):
        one, ceiling = found["ctrnn_small", threads], found["ctrnn_small_products", threads]
        assert one.ratio is not None
        np.testing.assert_allclose(one.ratio, one.value / ceiling.value, rtol=1e-9)
    published = CASES["cddm"]
    assert abs(published.flop / 7.34e9 - 1) < 0.02  # what it takes at N = 75, T = 600, B = 338


def test_results_do_not_depend_on_threads() -> None:
    for form in ("rate", "current"):
        network = a_network(40, form=form)
        p, batch = arrays(network, np.float32), a_batch(network, 25, 230)
        one = CtrnnEngine(network)
        expected, outputs = one.update(p, *batch, seed=7), one.run(p, batch[0], 7)[0]
        assert len(tiles(230)) >= 4
        with thread_pool(4) as pool:
            engine = CtrnnEngine(network, pool.map)
            for _ in range(5):
                found = engine.update(p, *batch, seed=7)
                assert (found.mse, found.mean_square_rate) == (expected.mse, expected.mean_square_rate)
                for name in ARRAYS:
                    np.testing.assert_array_equal(found.gradients[name], expected.gradients[name])
                np.testing.assert_array_equal(engine.run(p, batch[0], 7)[0], outputs)


@pytest.mark.parametrize("n_trials", [1, 15, 16, 17, 33, 48, 64, 65, 256, 338, 352, 396, 1000])
def test_tiles_cover_each_trial_once(n_trials: int) -> None:
    made = tiles(n_trials)
    trials = np.concatenate([np.arange(tile.first, tile.first + tile.count) for tile in made])
    np.testing.assert_array_equal(trials, np.arange(n_trials))
    assert all(tile.count <= tile.width <= 64 and tile.width % 16 == 0 for tile in made)
    assert sum(tile.width for tile in made) < n_trials + 16


def free_units(n_trials: int, n_steps: int, dt: float = 1.0, **more: Any) -> Ctrnn:
    """Units without connections that show their state, and input channels that reach a unit of their own."""
    n, own = 8, {"sigma_rec": 0.3, "sigma_in": 0.0, "sigma_out": 0.0, **more}
    zero = np.zeros((n, n))
    return Ctrnn(
        zero, np.eye(n), np.eye(n), np.zeros(n), np.zeros(n), Activation("tanh"), "current", 10.0, dt, **own
    )  # fmt: skip


def test_stationary_sd_and_time_step() -> None:
    """The SD of a free unit is sigma sqrt(2 / (2 - alpha)), so almost the same at half the time step."""
    found = []
    for dt in (1.0, 0.5):
        network = free_units(512, 400, dt)
        u = np.zeros((int(400 / dt), 512, 8), np.float32)
        _, x = CtrnnEngine(network).run(arrays(network, np.float32), u, 3, states=True)
        assert x is not None
        sd = x[int(200 / dt) :].std()
        np.testing.assert_allclose(sd, 0.3 * np.sqrt(2 / (2 - network.alpha)), rtol=0.01)
        found.append(sd**2)
    np.testing.assert_allclose(found[0], found[1], rtol=0.045)


def test_mean_trajectory_at_half_the_time_step() -> None:
    network = a_network(20, dt=0.5, sigma_rec=0.0, sigma_in=0.0, sigma_out=0.0)
    phase = np.arange(0, 100, 0.25)[:, None, None] / 15 + np.arange(3)
    ends = []
    for every in (4, 2, 1):
        coarse = dataclasses.replace(network, dt=0.25 * every)
        ends.append(CtrnnEngine(coarse).run(arrays(coarse), np.sin(phase[::every]))[0][-1])
    first, second = np.abs(ends[0] - ends[1]).max(), np.abs(ends[1] - ends[2]).max()
    assert 0 < second < 0.7 * first < 0.2


def drawn(n_trials: int = 200, n_steps: int = 60, seed: int = 1, **sigmas: Any) -> Any:
    """Noise of the units as their states show it: the differences that the leak leaves, in units of the SD."""
    network = free_units(n_trials, n_steps, **sigmas)
    u = np.zeros((n_steps, n_trials, 8), np.float32)
    y, x = CtrnnEngine(network).run(arrays(network, np.float32), u, seed, states=True)
    assert x is not None
    return (x[1:] - 0.9 * x[:-1]) / (0.1 * np.sqrt(20)), y - np.tanh(x)


def test_noise_is_standard_normal_and_independent() -> None:
    kinds: list[tuple[dict[str, Any], float]] = [({"sigma_rec": 0.3}, 0.3), ({"sigma_rec": 0.0, "sigma_in": 0.2}, 0.2)]
    for sigmas, scale in kinds:
        xi = drawn(**sigmas)[0] / scale
        n = xi.size
        assert abs(xi.mean()) < 5 / np.sqrt(n) and abs(xi.var() - 1) < 5 * np.sqrt(2 / n)
        assert abs((xi**3).mean()) < 5 * np.sqrt(15 / n) and abs((xi**4).mean() - 3) < 5 * np.sqrt(96 / n)
        bound = 5 / np.sqrt(n)
        # between steps, neighbouring trials, trials of different tiles, units, seeds
        assert abs((xi[1:] * xi[:-1]).mean()) < 1.1 * bound
        assert abs((xi[:, 1:] * xi[:, :-1]).mean()) < 1.1 * bound
        assert abs((xi[:, :100] * xi[:, 100:]).mean()) < 1.5 * bound
        for shift in (48, 64):
            assert abs((xi[:, shift:] * xi[:, :-shift]).mean()) < 1.5 * bound
        assert abs((xi[..., 1:] * xi[..., :-1]).mean()) < 1.1 * bound
        assert abs((xi * drawn(seed=2, **sigmas)[0] / scale).mean()) < bound
        np.testing.assert_array_equal(xi, drawn(**sigmas)[0] / scale)
    both, alone = drawn(sigma_rec=0.3, sigma_in=0.4)[0], drawn(sigma_rec=0.3)[0]
    np.testing.assert_allclose(both.std(), 0.5, rtol=0.01)
    eta = both - alone
    np.testing.assert_allclose(eta.std(), 0.4, rtol=0.01)
    assert abs(np.corrcoef(alone.ravel(), eta.ravel())[0, 1]) < 5 / np.sqrt(eta.size)


def test_noise_of_the_output() -> None:
    xi, shown = drawn(sigma_out=0.2)
    assert abs(shown.std() / 0.2 - 1) < 0.01 and abs(shown.mean()) < 0.005
    assert abs((shown[1:] * xi).mean()) < 5 * 0.2 * 0.3 / np.sqrt(xi.size)
    assert abs((shown[:-1] * xi).mean()) < 5 * 0.2 * 0.3 / np.sqrt(xi.size)


def test_updates_use_the_noise_of_runs() -> None:
    """The same seed gives the same outputs in training and in a run."""
    for form in ("rate", "current"):
        network = a_network(12, form=form)
        p, (u, target, mask) = arrays(network, np.float32), a_batch(network, 20, 100)
        y, _ = CtrnnEngine(network).run(p, u, 11)
        mse = (mask[..., None] * (y - target) ** 2).sum() / (2 * mask.sum())
        np.testing.assert_allclose(CtrnnEngine(network).update(p, u, target, mask, 11).mse, mse, rtol=1e-5)
        assert CtrnnEngine(network).update(p, u, target, mask, 12).mse != pytest.approx(mse, rel=1e-5)


def test_masked_trials_do_not_count() -> None:
    network = a_network(7, sigma_rec=0.0, sigma_in=0.0, sigma_out=0.0)
    p, (u, target, mask) = arrays(network), a_batch(network, 9, 20)
    mask[:, 5] = 0
    engine = CtrnnEngine(network)
    one = engine.update(p, u, target, mask, 0)
    target[:, 5], u[:, 5] = 1e3, 1.0
    other = engine.update(p, u, target, mask, 0)
    few = [k for k in range(20) if k != 5]
    without = engine.update(p, u[:, few], target[:, few], mask[:, few], 0)
    for name in ARRAYS:
        np.testing.assert_allclose(other.gradients[name], one.gradients[name], rtol=0, atol=1e-12)
        np.testing.assert_allclose(without.gradients[name], one.gradients[name], rtol=0, atol=1e-12)
    nothing = engine.update(p, u, target, 0 * mask, 0)
    assert nothing.mse == 0 and all(not gradient.any() for gradient in nothing.gradients.values())


def test_trials_that_fill_up_a_tile_do_not_show() -> None:
    """Started at zero, they would go further in a step than those that rest where bias and weights are even."""
    for form in ("rate", "current"):
        quiet: dict[str, Any] = {"sigma_rec": 0.0, "sigma_in": 0.0, "sigma_out": 0.0}
        network = a_network(6, "relu", form, tau=2.0, dt=1.8, **quiet)
        slope = network.activation.slope
        # at rest at x = 1: x = s (b - x) or x = b - s x
        b = 1 + 1 / slope if form == "rate" else 1 + slope
        p = {**arrays(network), "w_rec": -np.eye(6), "b_rec": np.full(6, b), "x_init": np.ones(6)}
        batch = a_batch(network, 9, 3)
        batch[0][:] = 0
        x, _ = dataclasses.replace(network, **p).simulate(batch[0])
        np.testing.assert_allclose(x, 1, rtol=1e-9)
        found = CtrnnEngine(network).update(p, *batch, seed=0)
        np.testing.assert_allclose(found.largest_state, 1, rtol=1e-9)
        np.testing.assert_allclose(found.mean_square_rate, slope**2 if form == "current" else 1, rtol=1e-9)


@pytest.mark.parametrize("form", ["rate", "current"])
def test_divergence_is_reported(form: str) -> None:
    """States that explode, and NaN in the weights, are an infinite largest state and no crash."""
    network = a_network(10, "relu", form, saturation=0.1)
    p, batch = arrays(network, np.float32), a_batch(network, 200, 20)
    engine = CtrnnEngine(network)
    assert np.isfinite(engine.update(p, *batch, seed=0).largest_state)
    large = {**p, "w_rec": np.full_like(p["w_rec"], 50), "b_rec": np.full_like(p["b_rec"], 10)}
    assert engine.update(large, *batch, seed=0).largest_state == np.inf
    assert engine.update({**p, "w_rec": np.full_like(p["w_rec"], np.nan)}, *batch, seed=0).largest_state == np.inf
    again = engine.update(p, *batch, seed=0)
    assert np.isfinite(again.largest_state) and np.isfinite(again.gradients["w_rec"]).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_in_single_precision(name: Any) -> None:
    """Against float64 on a fine grid: rates to 5e-7 of the value, or 4e-7; NaN stays NaN."""
    shapes: list[dict[str, Any]] = [{}, SHAPE[name]]
    for more in shapes:
        phi = Activation(name, **more)
        z = np.concatenate([np.linspace(-60, 60, 200_001), np.logspace(-12, 0, 1001), [1e4, -1e4, 0.0]])
        z = z.astype(np.float32)
        rate, slope = np.empty_like(z), np.empty_like(z)
        numbers = np.array([phi.slope, phi.shift, phi.sharpness, phi.leak], np.float32)
        activate(ACTIVATION_KINDS[name], numbers, z, rate, slope, np.float32(1))
        exact = Activation(name, **{k: float(np.float32(v)) for k, v in more.items()})
        expected = exact(z.astype(F64))
        np.testing.assert_allclose(rate, expected, rtol=5e-7, atol=4e-7 * max(1.0, 0.2 * np.abs(z[-1])))
        np.testing.assert_allclose(slope, exact.derivative(z.astype(F64)), rtol=0, atol=3e-6)
        if phi.bounded:
            low, high = phi.range
            assert rate.min() >= low and rate.max() <= high
        z[:] = np.nan
        activate(ACTIVATION_KINDS[name], numbers, z, rate, slope, np.float32(1))
        assert np.isnan(rate).all()
