"""Psychometric fits and intervals of proportions."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm

from rnnpipe.analysis import psychometric
from rnnpipe.analysis.proportions import wilson
from rnnpipe.analysis.psychometric import fit_least_squares, fit_likelihood, right_choices

X = np.array([-51.2, -25.6, -12.8, -6.4, 0.0, 6.4, 12.8, 25.6, 51.2])
FITS = [fit_least_squares, fit_likelihood]


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 17), (480, 1000)])
def test_wilson_equals_the_reference(k: int, n: int) -> None:
    expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert np.allclose(wilson(k, n), (expected.low, expected.high), atol=1e-12)


def test_wilson_of_no_trials_is_unknown() -> None:
    assert np.isnan(wilson([0, 1], [0, 1])[0]).tolist() == [True, False]


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("mu", "sigma"), [(0.0, 11.7), (-4.0, 8.0), (7.0, 30.0)])
def test_exact_proportions_give_their_parameters(fit, mu: float, sigma: float) -> None:
    n = np.full(len(X), 1e6)
    found = fit(X, n * norm.cdf((X - mu) / sigma), n)
    assert (found.mu, found.sigma) == pytest.approx((mu, sigma), abs=1e-3)
    assert found.mu_low < mu < found.mu_high and found.sigma_low < sigma < found.sigma_high
    assert found(mu) == pytest.approx(0.5, abs=1e-4) and found(mu + sigma) == pytest.approx(norm.cdf(1), abs=1e-4)


def test_bias_is_found_from_levels_that_average_to_a_rounding_error() -> None:
    # the mean of these is -8e-16, where finite differences would keep mu at its start
    x = np.sort(np.r_[X, 3.2, -3.2])
    x = x + (-7.9e-16 - x.mean())
    n = np.full(len(x), 1000.0)
    assert fit_least_squares(x, n * norm.cdf((x - 2) / 12), n).mu == pytest.approx(2, abs=1e-4)


@pytest.mark.parametrize("fit", FITS)
def test_intervals_cover_the_truth_as_often_as_they_say(fit) -> None:
    rng = np.random.default_rng(3)
    n, runs = np.full(len(X), 200), 100
    hits = np.zeros(2)
    for _ in range(runs):
        found = fit(X, rng.binomial(n, norm.cdf((X - 1) / 12)), n)
        hits += [found.mu_low <= 1 <= found.mu_high, found.sigma_low <= 12 <= found.sigma_high]
    # 95 % of 100 with a binomial spread of 2.2 %
    assert ((hits / runs > 0.88) & (hits / runs <= 1)).all()


def test_profile_interval_is_where_the_likelihood_has_fallen_enough() -> None:
    n = np.full(len(X), 50)
    k = np.random.default_rng(0).binomial(n, norm.cdf((X - 1) / 12))
    found = fit_likelihood(X, k, n)

    def loss(mu: float, sigma: float) -> float:
        z = (X - mu) / sigma
        return -(k @ norm.logcdf(z) + (n - k) @ norm.logsf(z))

    best = loss(found.mu, found.sigma)
    for sigma in (found.sigma_low, found.sigma_high):
        profile = min(loss(mu, sigma) for mu in np.linspace(found.mu - 3, found.mu + 3, 4001))
        assert profile - best == pytest.approx(1.9207, abs=1e-3)


def test_least_squares_is_the_estimator_of_the_published_width() -> None:
    # accuracies of an ideal observer of the fixed-duration task, whose published width is 11.7
    p = np.array([0.5, 0.718, 0.861, 0.970, 0.999])
    x, p = np.r_[-X[:3:-1], X[5:]], np.r_[1 - p[::-1], p[1:]]
    n = np.full(9, 1e4)
    assert fit_least_squares(x, n * p, n).sigma == pytest.approx(11.7, abs=0.05)
    assert fit_likelihood(x, n * p, n).sigma > 12.5


def _table(side, coherence, choice) -> pd.DataFrame:
    choice = np.asarray(choice)
    return pd.DataFrame({"side": side, "coherence": coherence, "choice": choice, "decision": choice > 0})


def test_choices_are_counted_by_signed_coherence_of_decided_trials() -> None:
    table = _table([-1, -1, 1, -1, 1, 1, 1], [10.0, 10, 0, 0, 10, 10, 10], [1, 2, 2, 1, 2, 0, 2])
    levels = right_choices(table)
    assert levels["x"].tolist() == [-10, 0, 10]  # both sides of zero coherence are one level
    assert levels["n_trials"].tolist() == [2, 2, 3]
    assert levels["n"].tolist() == [2, 2, 2]
    assert levels["p"].tolist() == [0.5, 0.5, 1.0]
    assert levels["p_decision"].tolist() == pytest.approx([1, 1, 2 / 3])


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("x", "k", "n", "words"),
    [
        ([], [], [], "no decisions"),
        (X, np.zeros(9), np.zeros(9), "no decisions"),
        ([-1, 1], [1, 4], [5, 5], "a fit needs 3"),
        (X, np.zeros(9), np.full(9, 5), "every choice was left"),
        (X, np.full(9, 5), np.full(9, 5), "every choice was right"),
        (X, 5 * (X > 0), np.full(9, 5), "do not resolve a width"),
        (X, 5 * (X > 0) + 2 * (X == 0), np.full(9, 5), "do not resolve a width"),
        (X, [9, 8, 7, 6, 5, 4, 3, 2, 1], np.full(9, 10), "do not grow"),
    ],
)
def test_data_without_a_fit_say_why(fit, x, k, n, words: str) -> None:
    found = fit(x, k, n)
    assert words in found.problem
    assert np.isnan([found.mu, found.sigma, found.sigma_low, found.mu_high]).all()
    assert np.isnan(found([0.0, 1.0])).all()


def test_a_table_without_decisions_has_no_fit() -> None:
    assert psychometric.fit(_table([1, -1], [10.0, 10], [0, 0])).problem == "no decisions"
