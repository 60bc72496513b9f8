"""Analyses of supervised networks against known answers: choice surfaces, populations, groups of units."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from rnnpipe.analysis.choice_surface import choice_surface, firth, fit_logistic, fit_rows, gating
from rnnpipe.analysis.participation import participation
from rnnpipe.analysis.population import eta_squared, population, selectivity
from rnnpipe.analysis.proportions import wilson
from rnnpipe.analysis.unit_groups import (
    cluster_connections,
    cluster_means,
    functional_clusters,
    weight_order,
)

LEVELS = np.array([-0.8, -0.4, -0.2, -0.1, -0.05, -0.025, 0, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8])


def _trials(slopes: dict[str, tuple[float, float]], repeats: int, seed: int = 0, lapse: float = 0.0) -> pd.DataFrame:
    """Trials of an observer whose log odds have known slopes, by context: (relevant, irrelevant)."""
    rng = np.random.default_rng(seed)
    r, i = (np.repeat(x.ravel(), repeats) for x in np.meshgrid(LEVELS, LEVELS, indexing="ij"))
    parts = []
    for context, (relevant, irrelevant) in slopes.items():
        p = lapse + (1 - 2 * lapse) * expit(relevant * r + irrelevant * i)
        parts.append(
            pd.DataFrame({"context": context, "relevant": r, "irrelevant": i, "right": rng.random(len(r)) < p})
        )
    trials = pd.concat(parts, ignore_index=True).astype({"right": float})
    return trials.assign(error=np.abs(trials["relevant"]) + (trials["context"] == "colour"))


def _surface(trials: pd.DataFrame) -> pd.DataFrame:
    return choice_surface(*(trials[name] for name in ("context", "relevant", "irrelevant", "right", "error")))


def test_a_surface_counts_every_trial_once() -> None:
    trials = _trials({"motion": (8.0, 1.0), "colour": (8.0, 1.0)}, 5)
    trials.loc[3, "right"] = np.nan  # no choice
    surface = _surface(trials.sample(frac=1, random_state=1))
    assert len(surface) == 2 * 13 * 13 and surface["n_trials"].sum() == len(trials) == surface["n"].sum() + 1
    for row in surface.iloc[::37].itertuples():
        same = trials[(trials["context"] == row.context) & (trials["relevant"] == row.relevant)]
        same = same[same["irrelevant"] == row.irrelevant]
        assert row.n_right == same["right"].sum() and row.mse == pytest.approx(same["error"].mean())
        np.testing.assert_allclose((row.low, row.high), wilson(row.n_right, row.n))


def test_relevant_is_the_axis_that_choices_follow_and_the_index_is_the_ratio_of_slopes() -> None:
    found = gating(_surface(_trials({"motion": (10.0, 1.0), "colour": (6.0, -3.0)}, 60)))
    for context, relevant, irrelevant in (("motion", 10.0, 1.0), ("colour", 6.0, -3.0)):
        g = found[context]
        assert abs(g.relevant - relevant) < 4 * g.relevant_error and g.relevant_error < 0.5
        assert abs(g.irrelevant - irrelevant) < 4 * g.irrelevant_error
        assert g.index == pytest.approx(abs(irrelevant / relevant), abs=0.05)


def test_errors_of_slopes_are_those_of_repeated_experiments() -> None:
    found = [gating(_surface(_trials({"a": (6.0, 1.0)}, 3, seed)))["a"] for seed in range(60)]
    for name in ("relevant", "irrelevant"):
        values = np.array([getattr(g, name) for g in found])
        error = np.mean([getattr(g, f"{name}_error") for g in found])
        assert values.std(ddof=1) == pytest.approx(error, rel=0.35)


def test_a_network_that_never_errs_has_a_gating_index_near_zero() -> None:
    trials = _trials({"motion": (1e6, 0.0)}, 3)
    trials["right"] = np.where(trials["relevant"] == 0, trials.index % 2, trials["relevant"] > 0).astype(float)
    found = gating(_surface(trials))["motion"]
    assert np.isfinite(found.relevant) and found.index < 0.02
    assert gating(_surface(trials[trials["irrelevant"] == 0]))["motion"].problem


def test_firth_of_one_proportion_adds_half_a_choice_to_either_side() -> None:
    beta, covariance = firth(np.ones((1, 1)), np.array([10.0]), np.array([10.0]))
    assert expit(beta[0]) == pytest.approx(10.5 / 11)
    p = 10.5 / 11
    assert covariance[0, 0] == pytest.approx(1 / (10 * p * (1 - p)))


@pytest.mark.parametrize(("bias", "slope", "lapse"), [(0.1, 12.0, 0.0), (-0.05, 20.0, 0.08), (0.0, -9.0, 0.0)])
def test_a_row_is_fitted_with_bias_slope_and_lapse(bias: float, slope: float, lapse: float) -> None:
    n = np.full(len(LEVELS), 1e6)
    p = lapse + (1 - 2 * lapse) * expit(slope * (LEVELS - bias))
    fit = fit_logistic(LEVELS, n * p, n)
    assert (fit.bias, fit.slope, fit.lapse) == pytest.approx((bias, slope, lapse), abs=2e-3, rel=1e-2)
    np.testing.assert_allclose(fit(LEVELS), p, atol=1e-3)


def test_a_step_has_an_infinite_slope_in_the_middle_of_its_gap() -> None:
    n = np.full(13, 7.0)
    fit = fit_logistic(LEVELS, n * (LEVELS > 0.1), n)
    assert np.isinf(fit.slope) and fit.slope > 0 and fit.bias == pytest.approx(0.15) and fit.lapse == 0
    np.testing.assert_array_equal(fit(LEVELS), LEVELS > 0.1)
    down = fit_logistic(LEVELS, n * (LEVELS < 0) + 3.0 * (LEVELS == 0), n)
    assert down.slope == -np.inf and down.bias == 0.0 and down(0.0) == 0.5
    assert "every choice was left" in fit_logistic(LEVELS, 0 * n, n).problem
    assert "no decisions" in fit_logistic(LEVELS, 0 * n, 0 * n).problem


def test_rows_are_fitted_at_every_level_of_the_other_coherence() -> None:
    surface = _surface(_trials({"motion": (20.0, 4.0)}, 200))
    rows = fit_rows(surface)
    assert rows["level"].tolist() == LEVELS.tolist()
    # log odds 20 r + 4 i = 0 at r = -i / 5
    inner = rows[rows["level"].abs() <= 0.4]
    np.testing.assert_allclose(inner["bias"], -inner["level"] / 5, atol=0.03)
    across = fit_rows(surface, along="irrelevant").set_index("level")
    assert across.loc[0.0, "slope"] == pytest.approx(4.0, abs=1.0)


def test_participation_is_sd_plus_a_quantile() -> None:
    rng = np.random.default_rng(0)
    rates = rng.standard_normal((40, 30, 70))
    rates[..., 3], rates[..., 4] = 0.0, 2.0
    p = participation(rates)
    flat = rates.reshape(-1, 70)
    np.testing.assert_allclose(p, flat.std(0) + np.quantile(abs(flat), 0.9, axis=0), rtol=1e-12)
    assert p[3] == 0 and p[4] == 2.0


def test_statistics_of_a_population_that_is_made_of_known_modes() -> None:
    rng = np.random.default_rng(1)
    n_units, n = 40, 5000
    rates = np.zeros((n, 4, n_units), np.float32)
    rates[..., :3] = 5 + rng.standard_normal((n, 4, 3))  # three independent units of equal variance
    rates[..., 3] = 1e-4  # silent on the scale of the others
    found = population(rates)
    assert found.silent.sum() == 36 and found.scale_free_silent.sum() == 37
    assert found.participation_ratio == pytest.approx(3.0, abs=0.05)
    assert found.energy == pytest.approx(3 * 26, rel=0.01)
    assert found.concentration == pytest.approx(1 / 3, rel=0.02)
    assert found.cv == pytest.approx(0.2, rel=0.05)
    # mean rates 5, 5, 5 and 1e-4
    assert found.sigma_log == pytest.approx(np.log10([5, 5, 5, 1e-4]).std(), rel=1e-2)
    assert found.p90_over_median == pytest.approx(1.0, abs=0.02)
    quiet = population(np.zeros((5, 2, 3)))
    assert quiet.silent.all() and np.isnan([quiet.participation_ratio, quiet.concentration, quiet.cv]).all()


def test_eta_squared_is_the_share_between_groups() -> None:
    rng = np.random.default_rng(2)
    factor = rng.integers(3, size=600)
    other = rng.integers(2, size=600)
    values = np.stack([factor == 1, factor + 0.0 * other, other, rng.standard_normal(600), np.ones(600)], axis=1) * 1.0
    eta = eta_squared(values, factor)
    assert eta[:2] == pytest.approx([1, 1]) and eta[2] < 0.02 and eta[3] < 0.02 and np.isnan(eta[4])
    v = values[:, 3] + factor
    between = sum((factor == g).sum() * (v[factor == g].mean() - v.mean()) ** 2 for g in range(3))
    assert eta_squared(v[:, None], factor)[0] == pytest.approx(between / ((v - v.mean()) ** 2).sum())
    assert list(selectivity(values, {"a": factor, "constant": np.zeros(600)})) == ["a"]


def _responses(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Units of four kinds of responses, of any size, and their kinds; the last unit is silent."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, 25)
    shapes = np.array([[np.sin(2 * t), t], [t**2, 0 * t], [0 * t, -t], [np.cos(9 * t), np.sin(9 * t)]])
    kind = np.array([0] * 12 + [1] * 9 + [2] * 6 + [3] * 4)
    size = rng.uniform(0.1, 10, len(kind))
    made = 3 + size * np.moveaxis(shapes[kind], 0, -1) + 0.01 * size * rng.standard_normal((2, 25, len(kind)))
    return np.concatenate([made, np.full((2, 25, 1), 0.5)], axis=-1), np.append(kind, -1)


def test_clusters_are_units_of_the_same_shape_whatever_their_size() -> None:
    responses, kind = _responses()
    for seed in range(3):
        np.testing.assert_array_equal(functional_clusters(responses, n_excitatory=4, seed=seed), kind)
    order = np.random.default_rng(5).permutation(len(kind))
    np.testing.assert_array_equal(functional_clusters(responses[..., order], n_excitatory=4), kind[order])
    means = cluster_means(responses, kind)
    np.testing.assert_allclose(means[1], responses[..., kind == 1].mean(-1))


def test_inhibitory_units_have_clusters_of_their_own() -> None:
    responses, kind = _responses()
    inhibitory = np.arange(len(kind)) % 3 == 0
    labels = functional_clusters(responses, inhibitory, n_excitatory=4, n_inhibitory=2)
    assert set(labels[~inhibitory]) == {-1, 0, 1, 2, 3} or set(labels[~inhibitory]) == {0, 1, 2, 3}
    assert set(labels[inhibitory]) - {-1} == {4, 5} and labels[-1] == -1
    few = functional_clusters(responses[..., :3], n_excitatory=8)
    assert len(set(few)) == 3, "no more clusters than units"
    assert (functional_clusters(np.ones((2, 5, 4))) == -1).all()


def test_connections_between_clusters_leave_out_a_unit_with_itself() -> None:
    rng = np.random.default_rng(3)
    w, labels = rng.standard_normal((7, 7)), np.array([0, 1, 0, -1, 1, 1, 2])
    c = cluster_connections(w, labels)
    assert c.shape == (3, 3) and np.isnan(c[2, 2])
    assert c[0, 1] == pytest.approx(w[np.ix_([0, 2], [1, 4, 5])].mean())
    assert c[0, 0] == pytest.approx((w[0, 2] + w[2, 0]) / 2)


def test_weight_matrices_are_sorted_by_type_input_and_output() -> None:
    w_in = np.array([[0, 2.0], [3, 1], [1e-4, 0], [0, -5], [1, 0]])
    w_out = np.array([[1.0, 0, 0, 0, 2], [0, 1, 1, 1, 3]])
    assert weight_order(w_in, w_out).tolist() == [1, 4, 0, 3, 2]
    assert weight_order(w_in, w_out, [True, False, False, False, False]).tolist() == [1, 4, 3, 2, 0]
