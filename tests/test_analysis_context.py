"""Context-dependent integration: behaviour and a population whose answers are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from synthetic_mante import HUMP, LOADINGS, N_UNITS, RAMP, SCALE, write_mante

from rnnpipe.analysis import context
from rnnpipe.analysis.proportions import difference
from rnnpipe.analysis.quantities import QUANTITIES
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.targeted import orthogonal_axes
from rnnpipe.tasks.mante import Mante

PREFERRED = LOADINGS["choice"]


def _behaviour(relevant: dict[str, float], irrelevant: dict[str, float], n: int = 400) -> pd.DataFrame:
    """Exact proportions: P(right) = Phi(relevant / sigma + irrelevant * slope), whatever the context."""
    rows = []
    for row in Mante().factorial():
        cued = row["context"]
        other = "color" if cued == "motion" else "motion"
        x, y = (row[f"side_{f}"] * row[f"coherence_{f}"] for f in (cued, other))
        right = round(n * norm.cdf(x / relevant[cued] + y * irrelevant[cued]))
        choice = np.repeat([2, 1], [right, n - right])
        rows.append(pd.DataFrame({**row, "choice": choice, "decision": True}, index=range(n)))
        rows.append(pd.DataFrame({**row, "choice": 0, "decision": False}, index=range(3)))  # undecided do not count
    return pd.concat(rows, ignore_index=True)


def test_difference_of_proportions_equals_the_published_example() -> None:
    # Newcombe (1998), example (a) of table II: 56/70 and 48/80
    assert difference((48, 56), (80, 70)) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert np.isnan(difference((0, 1), (0, 2))).all()


def test_gating_and_widths_are_those_of_the_observer() -> None:
    table = _behaviour({"motion": 12.0, "color": 15.0}, {"motion": 0.0, "color": -0.004})
    rows = context.gating(table).set_index(["context", "feature"])
    assert rows.loc[("motion", "motion"), "change"] == pytest.approx(1, abs=0.005)
    assert rows.loc[("motion", "color"), "change"] == pytest.approx(0, abs=0.003)
    assert rows.loc[("color", "motion"), "change"] < -0.02  # repelled
    assert ((rows["low"] <= rows["change"]) & (rows["change"] <= rows["high"])).all()
    n_levels = 2 * 2 * 3  # conditions at one level of a feature in one context
    assert (rows["n"] == 2 * 400 * n_levels / 2).all()
    assert context.fit(table, "motion", "motion").sigma == pytest.approx(12, abs=0.2)
    assert QUANTITIES["motion_context_sigma"].measure(table) == pytest.approx(12, abs=0.2)
    assert QUANTITIES["color_context_sigma"].measure(table) == pytest.approx(15, abs=0.4)
    assert QUANTITIES["irrelevant_change"].measure(table) == -rows.loc[("color", "motion"), "change"]
    assert QUANTITIES["relevant_change"].measure(table) == pytest.approx(0.998, abs=0.004)


def test_a_feature_that_repels_choices_is_fitted_by_a_falling_curve() -> None:
    x = np.array([-50.0, -15, -5, 5, 15, 50])
    levels = pd.DataFrame({"x": x, "n_chosen": 1000 * norm.cdf(-x / 80), "n": 1000})
    np.testing.assert_allclose(context.fitted(levels, x), norm.cdf(-x / 80), atol=1e-3)
    np.testing.assert_allclose(context.fitted(levels.assign(x=-x), x), norm.cdf(x / 80), atol=1e-3)
    assert np.isnan(context.fitted(levels.assign(n_chosen=0), x)).all()


@pytest.mark.parametrize(
    "name", ["irrelevant_change", "relevant_change", "motion_context_sigma", "color_context_sigma"]
)
def test_what_a_network_does_not_allow_is_nan(name: str) -> None:
    table = _behaviour({"motion": 12.0, "color": 15.0}, {"motion": 0.0, "color": 0.0}, n=2)
    undecided = table.assign(choice=0, decision=False)
    assert np.isnan(QUANTITIES[name].measure(undecided))
    assert np.isnan(QUANTITIES[name].measure(table[table["context"] == "motion"])) or name == "motion_context_sigma"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = tmp_path_factory.mktemp("mante") / "mante.h5"
    table = write_mante(path, 10)
    assert 0.03 < (~table["decision"]).mean() < 0.15  # interspersed
    return Recording(path)


@pytest.fixture(scope="module")
def found(recording: Recording) -> context.Population:
    return context.population(recording)


def _expected(found: context.Population) -> np.ndarray:
    """The planted axes in standardised rates and preferred coordinates, made orthogonal."""
    vectors = [
        LOADINGS[name] * (PREFERRED if name in context.SIDED else 1) / found.regression.sd for name in context.AXES
    ]
    return orthogonal_axes(np.array(vectors))


def test_units_prefer_the_side_of_their_choice_loading(found: context.Population) -> None:
    assert found.active.tolist() == list(range(N_UNITS)) and found.problem == ""
    np.testing.assert_array_equal(found.preferred, PREFERRED)


def test_the_scale_is_one_mean_and_deviation_of_all_valid_samples(recording, found: context.Population) -> None:
    samples = np.concatenate([values[mask] for _, values, mask in recording.chunks("policy_rates")])
    assert (found.mean, found.sd) == pytest.approx((samples.mean(), samples.std()), rel=1e-5)


def test_planted_axes_are_found_in_a_file_with_undecided_trials(recording, found: context.Population) -> None:
    regression = found.regression
    assert regression.n_trials == recording.table["decision"].sum()
    # every 50 ms from the first step of the stimulus, whose state is the first to have seen it
    assert regression.lags.tolist() == [10 + 50 * k for k in range(15)]
    assert (np.diag(found.axes @ _expected(found).T) > 0.95).all()
    steps = np.round(regression.lags / 10).astype(int) - 1
    for name, course in (("choice", RAMP), ("motion", HUMP), ("color", HUMP), ("context", np.ones(75))):
        weights = regression.coefficients[regression.regressors.index(name)] * regression.sd
        planted = LOADINGS[name] * (PREFERRED if name in context.SIDED else 1)
        np.testing.assert_allclose(weights @ planted / N_UNITS, SCALE[name] * course[steps], atol=0.02)


def test_activity_of_the_next_trial_gives_no_axes(tmp_path: Path) -> None:
    def shift(columns: dict, arrays: dict) -> None:
        for name in ("mask", "policy_rates"):
            arrays[name] = np.roll(arrays[name], 1, axis=1)

    write_mante(tmp_path / "shifted.h5", 6, change=shift)
    found = context.population(Recording(tmp_path / "shifted.h5"))
    cosines = np.abs(np.diag(found.axes @ _expected(found).T))
    assert not (cosines > 0.95).any()


def test_units_are_sorted_on_correct_trials_in_their_own_coordinates(recording, found: context.Population) -> None:
    left = int(np.flatnonzero(PREFERRED < 0)[0])
    rows = context.sorted_units(recording, found, [3, left], (0, 750)).set_index("unit")
    assert set(rows["sort"]) == {"choice", "motion", "color", "context"}
    table = recording.table
    activity = np.concatenate([values[..., left] for _, values, _ in recording.chunks("policy_rates")], axis=1)
    one = rows.loc[left]
    # motion and choice in the motion context: 15 % towards its target, which is left
    correct = (table["context"] == "motion") & (table["correct"] == 1) & (table["choice"] == 1)
    trials = (correct & (table["coherence_motion"] == 15)).to_numpy()
    trace = one[(one["sort"] == "motion") & (one["choice"] == 1) & (one["coherence"] == 15)].set_index("lag")
    assert (trace["n"] == trials.sum()).all()
    for lag, step in ((0, 74), (10, 75), (750, 149)):  # lag 0 is the last state that has not seen the stimulus
        expected = (activity[step, trials].astype(float).mean() - found.mean) / found.sd
        assert trace.loc[lag, "mean"] == pytest.approx(expected, abs=1e-5)
    by_context = one[(one["sort"] == "context") & (one["lag"] == 400)]
    assert sorted(by_context["context"]) == ["color", "color", "motion", "motion"]
    choice = one[(one["sort"] == "choice") & (one["lag"] == 750)].set_index("choice")["mean"]
    assert choice[1.0] > choice[-1.0]
    assert len(context.sorted_units(recording, found, [], (0, 750))) == 0


def test_trajectories_follow_choice_and_both_features(recording, found: context.Population) -> None:
    rows = context.trajectories(recording, found)
    assert rows["lag"].unique().tolist() == [50.0 * k for k in range(17)]
    sizes = rows[rows["lag"] == 0].groupby(["context", "sort"]).size()
    assert sizes.to_dict() == {
        ("motion", "motion"): 6, ("motion", "color"): 12, ("color", "motion"): 12, ("color", "color"): 6,
    }  # fmt: skip
    relevant = rows[(rows["sort"] == rows["context"])]
    assert (np.sign(relevant["strength"]) == relevant["choice"]).all()  # correct trials
    sd = found.regression.sd.mean()
    at = rows[(rows["context"] == "color") & (rows["sort"] == "motion") & (rows["lag"] == 400)]
    slope = np.polyfit(at["strength"] / 50, at["x_motion"], 1)[0]
    assert slope == pytest.approx(SCALE["motion"] * HUMP[39] * np.sqrt(N_UNITS) / sd, rel=0.1)
    end = rows[(rows["context"] == "motion") & (rows["sort"] == "color") & (rows["lag"] == 750)]
    apart = end.loc[end["choice"] > 0, "x_choice"].mean() - end.loc[end["choice"] < 0, "x_choice"].mean()
    assert apart == pytest.approx(2 * SCALE["choice"] * np.sqrt(N_UNITS) / sd, rel=0.1)
    means = rows.groupby(["context", "sort", "lag"])[["x_choice", "x_motion", "x_color", "x_context"]].mean()
    np.testing.assert_allclose(means, 0, atol=1e-9)


def test_a_file_without_choices_has_no_axes_and_says_why(tmp_path: Path) -> None:
    def undecide(columns: dict, arrays: dict) -> None:
        columns["decision"][:] = False
        columns["choice"][:], columns["correct"][:] = 0, -1

    write_mante(tmp_path / "none.h5", 1, change=undecide)
    recording = Recording(tmp_path / "none.h5")
    found = context.population(recording)
    assert "0 trials with a choice" in found.problem and found.examples() == {}
    assert context.trajectories(recording, found).empty
    assert context.sorted_units(recording, found, [0], (0, 750)).empty
