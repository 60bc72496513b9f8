"""Dropout of units: what is left out, its gradient, its random numbers, and what it does to learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.networks.ctrnn import ARRAYS, Ctrnn
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.networks.engines import hold_libraries
from rnnpipe.settings import parse
from rnnpipe.tasks.flip_flop import FlipFlop
from rnnpipe.training.dropout import probabilities
from rnnpipe.training.regression import Batch, Member
from rnnpipe.training.regression_settings import RegressionSettings

TASK = FlipFlop(n_bits=1, tmax=60.0, repeats=16)
PENALTIES = {"orthogonality": 0.3, "mean_square_rate": 0.5, "output_variance": 0.2}


@pytest.fixture(autouse=True)
def one_thread_each() -> None:
    hold_libraries()


def member(network: dict[str, Any] | None = None, seed: int = 3, **learning: Any) -> Member:
    units = CtrnnSettings(**{"n_units": 12, **(network or {})})
    return Member(TASK, units, RegressionSettings(**{"max_iterations": 40, **learning}), seed)


def trained(made: Member) -> Member:
    while not made.finished:
        made.advance()
    return made


def left_out(made: Member, iteration: int) -> NDArray[np.bool_]:
    found = made.dropout.dropped(iteration, made.arrays(), made.participation)
    assert found is not None
    return found


# -- which units ---------------------------------------------------------------------------------------------


def test_probabilities() -> None:
    rng = np.random.default_rng(0)
    v = rng.random(50)
    assert probabilities(0.2, v, 0.0) == pytest.approx(0.2)
    assert probabilities(0.2, v, 3.0) == pytest.approx(0.2 * 50 * np.exp(3 * v) / np.exp(3 * v).sum())
    assert probabilities(0.2, v, 3.0).mean() == pytest.approx(0.2)
    assert np.argmax(probabilities(0.2, v, -3.0)) == np.argmin(v)
    steep = probabilities(0.2, 1e4 * v, 3.0)
    assert steep.max() == 0.999 and np.sort(steep)[-2] < 0.1


def test_units_are_left_out_with_the_probability_that_is_asked_for() -> None:
    made = member(dropout=0.3)
    times = np.mean([left_out(made, k) for k in range(2000)], axis=0)
    assert times == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / 2000))
    assert (left_out(made, 7) == left_out(member(dropout=0.3), 7)).all()
    assert (left_out(made, 7) != left_out(member(dropout=0.3, seed=4), 7)).any()


def test_units_that_take_part_or_are_read_out_the_most_are_left_out_the_most() -> None:
    made = member(dropout=0.3, dropout_by="participation", dropout_sharpness=20.0)
    made.advance()
    assert made.participation is not None and made.participation.dtype == np.float32
    _, states = made.engine.run(made.arrays(), made.held_out.inputs, states=True)
    assert states is not None
    rows = states.reshape(-1, 12).astype(float)
    assert made.participation == pytest.approx(rows.std(0) + np.quantile(np.abs(rows), 0.9, axis=0), rel=1e-5)
    times = np.mean([left_out(made, k) for k in range(1000)], axis=0)
    expected = probabilities(0.3, made.participation, 20.0)
    assert times == pytest.approx(expected, abs=0.08) and expected.max() > 2 * expected.min()

    made = member(dropout=0.3, dropout_by="output_weights", dropout_sharpness=20.0)
    times = np.mean([left_out(made, k) for k in range(1000)], axis=0)
    expected = probabilities(0.3, np.abs(made.arrays()["w_out"]).sum(0), 20.0)
    assert times == pytest.approx(expected, abs=0.08) and expected.max() > 2 * expected.min()


def test_other_random_numbers_are_those_without_dropout() -> None:
    plain, made = member(), member(dropout=0.3, dropout_kind="dead")
    assert all((getattr(plain.first, name) == getattr(made.first, name)).all() for name in ARRAYS)
    assert (plain.batch(3)[0] == made.batch(3)[0]).all() and plain.noise(3, (1, 1, 1)) == made.noise(3, (1, 1, 1))
    assert (plain.held_out.inputs == made.held_out.inputs).all()


def test_no_dropout_is_the_training_without_it_bit_for_bit() -> None:
    plain = trained(member(max_iterations=20))
    none = trained(member(max_iterations=20, dropout_kind="dead", dropout_by="output_weights", dropout_sharpness=9.0))
    assert (plain.adam.values == none.adam.values).all() and plain.losses == none.losses


# -- gradient ------------------------------------------------------------------------------------------------


def loss(network: Ctrnn, batch: Batch, dropped: NDArray[np.bool_], kind: str, weights_of: Member) -> float:
    """The loss in float64, by the reference equations of a network whose dropped units are disconnected."""
    inputs, target, mask = (a.astype(float) for a in batch)
    cut = {"w_out": network.w_out * ~dropped} | ({"w_rec": network.w_rec * ~dropped} if kind == "dead" else {})
    whole = {name: getattr(network, name) for name in ARRAYS}
    without = Ctrnn(
        **{**whole, **cut}, activation=network.activation, form=network.form, tau=network.tau, dt=network.dt
    )
    states, y = without.simulate(inputs)
    mse = (mask[..., None] * (y - target) ** 2).sum() / mask.sum() / y.shape[2]
    variance = ((y - y.mean(1, keepdims=True)) ** 2).mean() / (y**2).mean()
    values, _ = weights_of.terms.of_weights(whole)
    total = mse + weights_of.terms.weighted(values)
    if "mean_square_rate" in weights_of.learning.penalties:
        total += 0.5 * (without.rates(states) ** 2).mean() + 0.2 * variance
    return float(total)


@pytest.mark.parametrize("form", ["rate", "current"])
@pytest.mark.parametrize("kind", ["mute", "dead"])
@pytest.mark.parametrize("penalties", [{}, PENALTIES])
def test_gradient_by_finite_differences(form: str, kind: str, penalties: dict[str, float]) -> None:
    """Weights of dropped units have a gradient by penalties on weights only, which see the weights as they are."""
    network = {
        "form": form, "sigma_rec": 0.0, "sigma_in": 0.0, "self_connections": True, "train_bias": True, "bias": 0.1,
        "train_x_init": True, "io_weights": "gaussian",
    }  # fmt: skip
    made = member(network, dropout=0.4, dropout_kind=kind, penalties=penalties)
    batch, k = made.batch(0), 5
    dropped = left_out(made, k)
    assert 2 < dropped.sum() < 10
    vector, value, _, _ = made.gradient(made.arrays(), batch, k)
    here = made.first.astype(float)
    assert value == pytest.approx(loss(here, batch, dropped, kind, made), rel=1e-5)
    found, rng, h = made.adam.views(vector), np.random.default_rng(1), 1e-5
    for name in ARRAYS:
        array = getattr(here, name)
        for _ in range(3):
            step = rng.standard_normal(array.shape)
            ends = []
            for sign in (1, -1):
                moved = {n: getattr(here, n) + (sign * h * step if n == name else 0) for n in ARRAYS}
                there = Ctrnn(**moved, activation=here.activation, form=here.form, tau=here.tau, dt=here.dt)
                ends.append(loss(there, batch, dropped, kind, made))
            slope = (ends[0] - ends[1]) / (2 * h)
            scale = float(np.linalg.norm(found[name]))
            assert (found[name] * step).sum() == pytest.approx(slope, rel=2e-3, abs=2e-4 * scale), name
    assert (not found["w_out"][:, dropped].any()) == (not penalties)
    assert (not found["w_rec"][:, dropped].any()) == (kind == "dead")
    # a dead unit is not felt: its inputs have a gradient by penalties on activity only
    assert (not found["w_in"][dropped].any()) == (kind == "dead" and not penalties)


def test_task_safe_gradients_are_of_the_network_that_is_left() -> None:
    """Without penalties' opposing parts the two ways agree: here the penalty is too weak to oppose."""
    network = {"sigma_rec": 0.0, "sigma_in": 0.0}
    safe, plain = (
        member(network, dropout=0.4, dropout_kind="dead", penalties={"output_variance": 1e-6}, task_safe=safe)
        for safe in (True, False)
    )
    g = [m.gradient(m.arrays(), m.batch(0), 5)[0] for m in (safe, plain)]
    np.testing.assert_allclose(g[0], g[1], rtol=1e-3, atol=1e-5)
    dropped = left_out(safe, 5)
    assert not safe.adam.views(g[0])["w_rec"][:, dropped].any()


def test_gradients_of_magnitudes_are_pulled_back_through_the_mask() -> None:
    network = {"dale": True, "nonnegative_io": True, "activation": "relu", "projection": "reflect"}
    made = member(network, dropout=0.4, dropout_kind="dead", penalties={})
    found = made.adam.views(made.gradient(made.arrays(), made.batch(0), 5)[0])
    dropped = left_out(made, 5)
    assert not found["w_rec"][:, dropped].any() and found["w_rec"][:, ~dropped].any()


# -- learning ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["uniform", "participation", "output_weights"])
def test_networks_learn_with_dropout_and_keep_to_their_constraints(by: str) -> None:
    network = {"dale": True, "nonnegative_io": False, "n_units": 20}
    made = trained(member(network, dropout=0.2, dropout_kind="dead", dropout_by=by, max_iterations=120))
    assert made.best["mse"] < 0.85 * made.history[0]["mse"]
    final = made.network()
    assert (final.w_rec[:, :16] >= 0).all() and (final.w_rec[:, 16:] <= 0).all()
    assert "participation" not in made.history[0]


def test_networks_that_learned_with_dropout_bear_the_loss_of_units() -> None:
    """By how much the error rises without one of the units, mean over units."""

    def rise(made: Member) -> float:
        arrays = {name: getattr(made.network(), name) for name in ARRAYS}
        errors = []
        for unit in range(20):
            cut = {name: arrays[name].copy() for name in ARRAYS}
            cut["w_out"][:, unit] = cut["w_rec"][:, unit] = 0
            outputs, _ = made.engine.run(cut, made.held_out.inputs)
            errors.append(made.task.score(outputs, made.held_out)["mse"])
        return float(np.mean(errors)) - made.best["mse"]

    plain, made = (
        trained(member({"n_units": 20}, max_iterations=200, dropout=p, dropout_kind="dead")) for p in (0.0, 0.2)
    )
    assert 0 < rise(made) < 0.6 * rise(plain)


def test_settings() -> None:
    with pytest.raises(SettingsError, match="dropout = 1.0: input should be less than 1"):
        parse(RegressionSettings, {"rule": "regression", "dropout": 1.0}, "learning")
