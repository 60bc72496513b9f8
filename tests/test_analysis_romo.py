"""Accuracy by pair of frequencies, and tuning to the remembered frequency."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress
from synthetic_sensory import SLOPES, TRANSIENT, write_romo

from rnnpipe.analysis import romo
from rnnpipe.analysis.quantities import QUANTITIES
from rnnpipe.analysis.recording import Recording


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = tmp_path_factory.mktemp("romo") / "activity.h5"
    write_romo(path)
    return Recording(path)


def test_the_first_frequency_is_the_higher_one_where_order_says_so(recording: Recording) -> None:
    table = recording.table
    pairs = romo.frequencies(table)
    assert (pairs["f1"] > pairs["f2"]).tolist() == (table["order"] > 0).tolist()
    assert set(map(tuple, np.sort(pairs, axis=1))) == {(b, b + 8) for b in (10, 14, 18, 22, 26)}
    np.testing.assert_array_equal(pairs.min(axis=1), table["base"])


def test_accuracy_is_counted_by_pair_and_rounded_down(recording: Recording) -> None:
    pairs = romo.pair_accuracy(recording.table).set_index(["f1", "f2"])
    assert len(pairs) == 10
    spoilt = pairs.loc[(18, 10)]
    assert (spoilt["n_trials"], spoilt["n"]) == (12, 11)  # one was undecided
    assert spoilt["p"] == pytest.approx(10 / 11) and spoilt["percent"] == 90  # 90.9
    assert spoilt["low"] < 10 / 11 < spoilt["high"] < 1
    others = pairs.drop(index=(18, 10))
    assert (others["p"] == 1).all() and (others["percent"] == 100).all() and (others["high"] == 1).all()
    assert QUANTITIES["worst_pair_accuracy"].measure(recording.table) == pytest.approx(10 / 11)


def test_a_pair_without_decisions_has_no_accuracy(recording: Recording) -> None:
    table = recording.table.copy()
    table.attrs = recording.table.attrs
    table["correct"] = -1
    pairs = romo.pair_accuracy(table)
    assert pairs["p"].isna().all() and pairs["low"].isna().all() and (pairs["percent"] == -1).all()
    assert np.isnan(QUANTITIES["worst_pair_accuracy"].measure(table))


def test_linear_tuning_equals_the_reference() -> None:
    rng = np.random.default_rng(0)
    x = rng.choice([10.0, 20, 30], 40)
    rates = np.stack([0.1 * x + rng.standard_normal(40), -0.02 * x + rng.standard_normal(40), np.ones(40)], axis=1)
    found = romo.linear_tuning(rates, x)
    for unit in (0, 1):
        expected = linregress(x, rates[:, unit])
        row = found.loc[unit]
        assert row["slope"] == pytest.approx(expected.slope) and row["p"] == pytest.approx(expected.pvalue)
        assert row["r_squared"] == pytest.approx(expected.rvalue**2) and row["r"] == pytest.approx(expected.rvalue)
        half = 2.0244 * expected.stderr  # Student t, 38 degrees of freedom
        assert (row["low"], row["high"]) == pytest.approx((expected.slope - half, expected.slope + half), rel=1e-4)
    assert found.loc[2, ["slope", "low", "r_squared", "p"]].isna().all() and found.loc[2, "rate"] == 1


@pytest.mark.parametrize(("n", "x"), [(0, []), (2, [1.0, 2]), (4, [3.0, 3, 3, 3])])
def test_tuning_of_too_little_is_unknown(n: int, x: list[float]) -> None:
    found = romo.linear_tuning(np.zeros((n, 3)), np.asarray(x, dtype=float))
    assert found["unit"].tolist() == [0, 1, 2] and found[["slope", "p"]].isna().all(axis=None)


def test_tuning_of_the_delay_finds_the_planted_slopes(recording: Recording) -> None:
    tuning = romo.delay_tuning(recording)
    remembered = np.where(np.arange(len(SLOPES)) == TRANSIENT, 0.0, SLOPES)
    for unit in range(len(SLOPES) - 1):
        # a tenth of an interval of slack: 95 % intervals of six units miss once in four
        slack = 0.5 * (tuning.loc[unit, "high"] - tuning.loc[unit, "low"])
        assert tuning.loc[unit, "low"] - slack <= remembered[unit] <= tuning.loc[unit, "high"] + slack
    assert tuning["tuned"].tolist() == [True, False, True, False, True, True, False]
    assert tuning.loc[6, ["slope", "r_squared", "p"]].isna().all()  # silent
    assert QUANTITIES["delay_tuned_units"].measure(recording) == pytest.approx(4 / 7)
    assert QUANTITIES["delay_tuned_rarer_sign"].measure(recording) == pytest.approx(1 / 7)


def test_only_correct_trials_count_for_tuning(tmp_path: Path) -> None:
    def some_wrong(columns: dict) -> None:
        columns["correct"][columns["base"] > 14] = 0

    write_romo(tmp_path / "a.h5", 4, change=some_wrong)
    recording = Recording(tmp_path / "a.h5")
    table, frequencies = recording.table, romo.frequencies(recording.table)
    keep = (table["correct"] == 1).to_numpy()
    rates = recording.trial_means("policy_rates", 1750, 4250)
    assert set(frequencies["f1"][keep]) == {10, 14, 18, 22}
    expected = linregress(frequencies["f1"][keep], rates[keep, 0])
    assert romo.delay_tuning(recording).loc[0, "slope"] == pytest.approx(expected.slope)


def test_examples_are_two_positive_and_one_negative_active_units(recording: Recording) -> None:
    tuning = romo.delay_tuning(recording)
    assert tuning.loc[5, "r_squared"] > tuning.loc[4, "r_squared"]  # but it hardly fires
    assert romo.example_units(tuning)["unit"].tolist() == [0, 4, 2]
    assert romo.example_units(tuning.assign(slope=tuning["slope"].abs()))["unit"].tolist() == [0, 2]
    assert romo.example_units(tuning.assign(tuned=False)).empty


def test_traces_are_of_correct_trials_by_pair_and_lag_zero_has_not_seen_f1(recording: Recording) -> None:
    traces = romo.unit_traces(recording, 0)
    assert (traces["lag"].min(), traces["lag"].max()) == (-500, 4000)
    assert len(traces[["f1", "f2"]].drop_duplicates()) == 10
    spoilt = traces[(traces["f1"] == 18) & (traces["f2"] == 10)]
    assert (spoilt["n"] == 10).all()  # of 12, one wrong and one undecided
    highest = traces[traces["f1"] == 34].set_index("lag")["mean"]
    step = highest[10] - highest[0]
    assert step == pytest.approx(12 * SLOPES[0], abs=1e-3)  # 12 Hz above the middle
    assert highest[0] == pytest.approx(highest[-500])


def test_without_correct_trials_there_is_no_tuning(tmp_path: Path) -> None:
    def nothing(columns: dict) -> None:
        columns["correct"][:] = -1

    write_romo(tmp_path / "a.h5", 1, change=nothing)
    recording = Recording(tmp_path / "a.h5")
    tuning = romo.delay_tuning(recording)
    assert not tuning["tuned"].any() and romo.example_units(tuning).empty
    assert romo.unit_traces(recording, 0).empty
    assert np.isnan(QUANTITIES["delay_tuned_units"].measure(recording))
    assert np.isnan(QUANTITIES["delay_tuned_rarer_sign"].measure(recording))
    assert isinstance(tuning, pd.DataFrame)
