"""Penalties of continuous-time networks: values by their formulas, gradients against finite differences."""

import itertools

import numpy as np
import pytest

from rnnpipe.errors import SettingsError
from rnnpipe.networks.activations import Activation
from rnnpipe.networks.ctrnn import ARRAYS, Ctrnn
from rnnpipe.networks.ctrnn_engine import CtrnnEngine
from rnnpipe.training.terms import TERMS, Terms

SIGN = np.array([1, 1, 1, 1, -1, -1], np.int8)
GIVEN = {
    "in_degree": {"weight": 0.7, "degree": 2.0},
    "recurrent_weights": {"weight": 0.7, "cap": 0.1, "exponent": 3.0},
    "input_weights": {"weight": 0.7, "cap": 0.02},
    "output_weights": {"weight": 0.7, "cap": 0.05},
    "channel_overlap": {"weight": 0.7, "input_only": False},
    "tail_energy": {"weight": 0.7, "dimensions": 2},
}


def made(form="rate", name="tanh"):
    rng = np.random.default_rng(5)
    w_rec = np.abs(rng.normal(0.3, 0.2, (6, 6))) * SIGN
    return Ctrnn(
        w_rec=w_rec,
        w_in=rng.normal(0.3, 0.3, (6, 3)),
        w_out=rng.normal(0.3, 0.3, (2, 6)),
        b_rec=rng.normal(0, 0.1, 6),
        x_init=rng.normal(0, 0.3, 6),
        activation=Activation(name),
        form=form,
        tau=10.0,
        dt=2.0,
    )


def batch():
    rng = np.random.default_rng(6)
    return rng.normal(0, 1, (9, 4, 3)), rng.normal(0, 1, (9, 4, 2)), np.ones((9, 4))


def loss_and_gradient(terms, network, arrays):
    inputs, target, mask = batch()
    penalty = terms.of_activity(arrays, inputs) if terms.on_activity else None
    update = CtrnnEngine(network).update(
        arrays, inputs, target, mask, 0, rate_penalty=terms.rate_penalty, state_terms=penalty
    )
    values, gradient = terms.of_weights(arrays)
    values |= penalty.values if penalty else {}
    if terms.rate_penalty:
        values["mean_square_rate"] = update.mean_square_rate
    total = {k: g + gradient.get(k, 0) + (penalty.gradients.get(k, 0) if penalty else 0)
             for k, g in update.gradients.items()}  # fmt: skip
    return update.mse + terms.weighted(values), total, values


@pytest.mark.parametrize(("name", "form"), list(itertools.product(TERMS, ["rate", "current"])))
def test_gradient_is_that_of_finite_differences(name, form):
    given = GIVEN.get(name, 0.7)
    network, terms = made(form), Terms({name: given}, form, SIGN)
    arrays = {k: getattr(network, k).copy() for k in ARRAYS}
    _, gradient, values = loss_and_gradient(terms, network, arrays)
    assert values[name] > 1e-6, "a penalty that is zero tests nothing"
    rng, step = np.random.default_rng(1), 1e-5
    for key in ARRAYS:
        for _ in range(3):
            direction = rng.normal(size=arrays[key].shape)
            ends = []
            for side in (1, -1):
                moved = {**arrays, key: arrays[key] + side * step * direction}
                ends.append(loss_and_gradient(terms, network, moved)[0])
            expected = (ends[0] - ends[1]) / (2 * step)
            found = float((gradient[key] * direction).sum())
            assert found == pytest.approx(expected, rel=2e-5, abs=2e-8), key


@pytest.mark.parametrize("index", ["hhi", "gini"])
def test_inequality_of_equal_and_of_unequal_units(index):
    terms = Terms({"rate_inequality": {"weight": 1.0, "index": index}}, "rate", SIGN)
    arrays = {k: getattr(made(), k) for k in ARRAYS}
    penalty = terms.of_activity(arrays, batch()[0])
    value, _, _ = penalty(np.full((9, 4, 6), 0.3), np.full((9, 4, 6), 0.3))
    assert value == pytest.approx(0, abs=1e-12)
    unequal = np.ones((9, 4, 6)) * [0, 0, 0, 0.1, 0.2, 5.0]
    assert terms.of_activity(arrays, batch()[0])(unequal, unequal)[0] > 0.6


def test_orthogonality_counts_each_pair_twice_and_channel_overlap_is_its_root_mean_square():
    arrays = {k: getattr(made(), k) for k in ARRAYS}
    c = np.concatenate([arrays["w_in"], arrays["w_out"].T], axis=1)
    cosines = [c[:, i] @ c[:, j] / np.linalg.norm(c[:, i]) / np.linalg.norm(c[:, j])
               for i in range(5) for j in range(5) if i != j]  # fmt: skip
    given = {"orthogonality": 1.0, "channel_overlap": {"weight": 1.0, "input_only": False}}
    values, _ = Terms(given, "rate", SIGN).of_weights(arrays)
    assert values["orthogonality"] == pytest.approx(np.sqrt(np.sum(np.square(cosines))))
    assert values["channel_overlap"] == pytest.approx(np.sqrt(np.mean(np.square(cosines))))


def test_orthogonal_or_absent_columns_cost_nothing():
    arrays = {**{k: getattr(made(), k) for k in ARRAYS}, "w_in": np.eye(6)[:, :3], "w_out": np.zeros((2, 6))}
    values, gradient = Terms({"orthogonality": 1.0}, "rate", SIGN).of_weights(arrays)
    assert values["orthogonality"] == 0
    assert all(np.isfinite(g).all() and not g.any() for g in gradient.values())


def test_in_degree_of_equal_weights_is_their_number():
    arrays = {**{k: getattr(made(), k) for k in ARRAYS}, "w_rec": np.full((6, 6), -0.4)}
    values, _ = Terms({"in_degree": {"weight": 1.0, "degree": 4.0}}, "rate", SIGN).of_weights(arrays)
    assert values["in_degree"] == pytest.approx((6 - 4) ** 2 / 4**2)


def test_cap_of_input_weights_does_not_depend_on_the_length_of_a_trial():
    w_in = np.full((100, 1), 0.6)
    arrays = {**{k: getattr(made(), k) for k in ARRAYS}, "w_in": w_in}
    values, _ = Terms({"input_weights": 1.0}, "rate", np.zeros(100, np.int8)).of_weights(arrays)
    assert values["input_weights"] == pytest.approx((0.6 / 0.5) ** 5 - 1)


def test_rate_magnitude_is_zero_at_the_cap_and_counts_silent_units():
    terms = Terms({"rate_magnitude": 1.0}, "rate", SIGN)
    cap = 0.3 * np.log(101) / np.log(7)
    arrays, shape = {k: getattr(made(), k) for k in ARRAYS}, (9, 4, 6)
    assert terms.of_activity(arrays, batch()[0])(np.full(shape, cap), np.zeros(shape))[0] == pytest.approx(0, abs=1e-12)
    silent = np.full(shape, cap)
    silent[..., 0] = 0
    value, by_rates, _ = terms.of_activity(arrays, batch()[0])(silent, np.zeros(shape))
    assert value == pytest.approx(1 / 6)
    assert (by_rates[..., 0] < 0).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ortogonality": 1.0}, "did you mean 'orthogonality'"),
        ({"orthogonality": -1.0}, "greater than or equal to 0"),
        ({"in_degree": {"weight": 1.0, "degre": 3.0}}, "unknown key 'degre'"),
        ({"in_degree": {"degree": 3.0}}, "'weight' is required"),
    ],
)
def test_bad_penalties(given, words):
    with pytest.raises(SettingsError, match=words):
        Terms(given, "rate", SIGN)


def test_penalties_of_weight_zero_are_not_evaluated():
    assert not Terms(dict.fromkeys(TERMS, 0.0), "rate", SIGN).terms
