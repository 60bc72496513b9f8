"""Wagers whose answers are known: sure choices, accuracy by what was offered, values, and units sorted by evidence."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import write_arrays, write_evaluation

from rnnpipe.analysis import wager
from rnnpipe.analysis.durations import fraction_by_duration, mean_by_duration
from rnnpipe.analysis.quantities import QUANTITIES
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.value import before_stimulus
from rnnpipe.tasks import task_class

DT = 10.0
LEFT, RIGHT, SURE = 1, 2, 3


def _trials(
    n: int, coherence: float, choice: int, correct: int, offered: bool = True, duration: float = 200.0
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "wager": [offered] * n,
            "coherence": coherence,
            "choice": choice,
            "decision": choice > 0,
            "correct": correct if choice in (LEFT, RIGHT) else -1,
            "stimulus": duration,
        }
    )


def _table(*parts: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True)


def _sure_rates(rates: dict[float, float], n: int = 400) -> pd.DataFrame:
    parts = []
    for coherence, rate in rates.items():
        k = round(rate * n)
        parts += [_trials(k, coherence, SURE, -1), _trials(n - k, coherence, RIGHT, 1)]
    return _table(*parts)


def test_fractions_and_means_are_those_of_equal_count_bins() -> None:
    duration = np.arange(8) * 100.0
    table = pd.DataFrame({"coherence": [10.0] * 8 + [0.0], "stimulus": [*duration, 50.0]})
    found = fraction_by_duration(table, [*(duration >= 500), True], 2)
    assert found[["coherence", "duration", "p", "n"]].to_numpy().tolist() == [
        [0, 50, 1, 1],
        [10, 150, 0, 4],
        [10, 550, 0.75, 4],
    ]
    values = np.array([1.0, 3, np.nan, 2, 5, 5, 7, 7, 4])
    found = mean_by_duration(table, values, 2)
    assert found["mean"].tolist() == [4, 2, 6]
    assert found["duration"].tolist() == [50, pytest.approx(400 / 3), 550]  # a trial without a value has no part
    assert np.isnan(found["low"][0]) and found["n"].tolist() == [1, 3, 4]
    # SD 1, Student's t(2) = 4.303
    assert found["high"][1] - found["mean"][1] == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)


def test_sure_choices_are_counted_among_the_decisions_of_wager_trials() -> None:
    table = _table(
        _trials(3, 6.4, SURE, -1),
        _trials(1, 6.4, LEFT, 0),
        _trials(5, 6.4, 0, -1),  # no decision
        _trials(7, 6.4, RIGHT, 1, offered=False),
        _trials(2, 51.2, RIGHT, 1),
    )
    found = wager.sure_by_coherence(table)
    assert found[["coherence", "n_sure", "n", "p"]].to_numpy().tolist() == [[6.4, 3, 4, 0.75], [51.2, 0, 2, 0]]
    assert ((found["low"] <= found["p"]) & (found["p"] <= found["high"])).all()
    assert QUANTITIES["sure_rate"].measure(table) == pytest.approx(0.5)
    binned = wager.sure_by_duration(table, 1)
    assert binned["p"].tolist() == [0.75, 0] and binned["n"].tolist() == [4, 2]


def test_the_gain_of_waiving_is_waived_less_forced_accuracy() -> None:
    table = _table(
        _trials(60, 12.8, RIGHT, 1, offered=False),
        _trials(40, 12.8, LEFT, 0, offered=False),
        _trials(45, 12.8, RIGHT, 1),
        _trials(5, 12.8, LEFT, 0),
        _trials(50, 12.8, SURE, -1),
        _trials(9, 12.8, 0, -1),
        _trials(9, 0.0, LEFT, 1),
        _trials(9, 0.0, LEFT, 1, offered=False),
        _trials(4, 25.6, LEFT, 1),  # nothing to compare with
    )
    found = wager.gain_of_waiving(table)
    assert found["coherence"].tolist() == [12.8]
    gain = found.iloc[0]
    assert [gain["forced"], gain["waived"]] == pytest.approx([0.6, 0.9]) and gain["difference"] == pytest.approx(0.3)
    assert 0.15 < gain["low"] < 0.3 < gain["high"] < 0.45
    assert (gain["n_forced"], gain["n_waived"]) == (100, 50)
    assert QUANTITIES["waived_accuracy_gain"].measure(table) == pytest.approx(0.3)
    by_duration = wager.accuracy_by_offer(table, 1).set_index(["offer", "coherence"])["p"]
    assert by_duration["forced"].to_dict() == {12.8: 0.6} and by_duration["waived"].to_dict() == {12.8: 0.9, 25.6: 1.0}


def test_the_gain_is_the_smallest_of_the_intermediate_coherences() -> None:
    parts = []
    for coherence, (forced, waived) in {3.2: (50, 50), 6.4: (60, 80), 25.6: (80, 90), 51.2: (100, 100)}.items():
        for offered, k in ((False, forced), (True, waived)):
            parts += [_trials(k, coherence, LEFT, 1, offered), _trials(100 - k, coherence, LEFT, 0, offered)]
    assert QUANTITIES["waived_accuracy_gain"].measure(_table(*parts)) == pytest.approx(0.1)
    assert np.isnan(QUANTITIES["waived_accuracy_gain"].measure(_table(*parts[:4])))


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({0.0: 0.7, 6.4: 0.6, 51.2: 0.1}, True),
        ({0.0: 0.68, 3.2: 0.7, 51.2: 0.1}, True),  # a difference that sampling explains
        ({0.0: 0.5, 6.4: 0.7, 51.2: 0.1}, False),
        ({0.0: 0.5, 6.4: 0.5, 51.2: 0.5}, False),
        ({0.0: 0.1, 6.4: 0.6, 51.2: 0.7}, False),
        ({0.0: 0.5}, None),
        ({0.0: 1.0, 6.4: 1.0}, None),
        ({0.0: 0.0, 6.4: 0.0}, None),
    ],
)
def test_sure_choices_fall_with_coherence_or_not(rates: dict[float, float], expected: bool | None) -> None:
    table = _sure_rates(rates)
    assert wager.sure_falls_with_coherence(table) is expected
    measured = QUANTITIES["sure_falls_with_coherence"].measure(table)
    assert np.isnan(measured) if expected is None else measured == float(expected)


def test_sure_choices_of_short_stimuli_correlate_negatively_with_duration() -> None:
    short_sure = [_trials(20, 6.4, SURE if d < 300 else LEFT, 1, duration=d) for d in (100.0, 200, 300, 400)]
    weakly = [_trials(20, 12.8, SURE if d in (100, 300) else LEFT, 1, duration=d) for d in (100.0, 200, 300, 400)]
    table = _table(*short_sure, *weakly, _trials(9, 25.6, SURE, -1), _trials(20, 6.4, LEFT, 1, offered=False))
    found = wager.sure_and_duration(table).set_index("coherence")["correlation"]
    assert found[6.4] == pytest.approx(-0.894, abs=1e-3) and -0.5 < found[12.8] < -0.4 and np.isnan(found[25.6])
    assert QUANTITIES["sure_duration_correlation"].measure(table) == found[12.8]  # the least negative
    assert np.isnan(QUANTITIES["sure_duration_correlation"].measure(table[:0]))


def test_an_observer_that_integrates_wagers_as_published(tmp_path: Path) -> None:
    table = write_evaluation(tmp_path / "e.h5", "postdecisionwager", 120, activity=False)
    assert QUANTITIES["sure_falls_with_coherence"].measure(table) == 1
    assert QUANTITIES["sure_duration_correlation"].measure(table) < 0
    assert QUANTITIES["waived_accuracy_gain"].measure(table) > 0
    assert 0.3 < QUANTITIES["sure_rate"].measure(table) < 0.6


N = 240


def _recording(path: Path, rng: np.random.Generator) -> Recording:
    """Units of known preference: right, left (twice as strongly), none, silent; the value is what the tests say.

    Every trial has its stimulus at 200-400 ms, the sure target at 900 ms and its choice at 1500 ms. A third of trials
    is undecided; their units fire at 1e3.
    """
    side, coherence = np.tile([-1, 1], N // 2), np.repeat([0.0, 10.0, 20.0, 40.0], N // 4)
    offered = np.tile(np.repeat([True, False], 2), N // 4)
    decided = np.arange(N) % 3 > 0
    choice = np.where(decided, rng.integers(1, 3, N), 0)  # has nothing to do with the evidence
    choice = np.where(decided & offered & (np.arange(N) % 3 == 1), SURE, choice)
    time = np.arange(160) * DT
    on, off = 200.0, 400.0
    during = ((on <= time) & (time < off))[:, None]
    rates = 2 + 0.5 * rng.standard_normal((160, N, 4))
    rates[..., 0] += np.where(during, 0.5 * side, 0)
    rates[..., 1] -= np.where(during, 1.0 * side, 0)
    rates[..., 3] = 0
    rates[:, ~decided] = 1e3
    value = np.where(time < off, 0.0, np.where(time < off + 500, 1.0, 5.0))[:, None] * np.where(offered, 0.5, 1.0)
    value = np.where((time < on)[:, None], 0.25, value)
    mask = np.ones((160, N), bool)
    mask[151:] = False
    columns = {
        "wager": offered, "side": side, "coherence": coherence, "choice": choice, "decision": decided,
        "correct": np.where(np.isin(choice, [1, 2]), (choice == np.where(side > 0, 2, 1)).astype(int), -1),
        "choice_time": np.where(decided, 1500.0, np.nan), "reaction_time": np.where(decided, 1300.0, np.nan),
        "n_steps": np.full(N, 151), "stimulus": np.full(N, 200.0), "reward": np.full(N, 0.3),
        "stimulus_on": np.full(N, on), "stimulus_off": np.full(N, off), "sure_on": np.full(N, 900.0),
        "sure_off": np.full(N, 1600.0),
    }  # fmt: skip
    task = task_class("postdecisionwager")()
    write_arrays(path, task, columns, {"time": time, "mask": mask, "policy_rates": rates, "value": value})
    return Recording(path)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return _recording(tmp_path_factory.mktemp("wager") / "e.h5", np.random.default_rng(4))


def test_value_is_averaged_over_the_500_ms_after_the_stimulus(recording: Recording) -> None:
    # the value is 1 (half of it where the sure option is offered) exactly then, and something else a step off
    found = wager.value_by_offer(recording, 1).set_index(["offer", "coherence"])
    assert found.loc["forced", "mean"].to_numpy() == pytest.approx(1.0)
    assert found.loc["waived", "mean"].to_numpy() == pytest.approx(0.5)
    table = recording.table
    waived = table["wager"] & table["choice"].isin([LEFT, RIGHT])
    assert found.loc["waived", "n"].sum() == waived.sum() < (table["wager"] & table["decision"]).sum()


def test_preference_is_by_the_side_of_the_evidence_in_the_stimulus_of_decided_trials(recording: Recording) -> None:
    found = wager.evidence_selectivity(recording, "policy_rates")
    # means differ by 1 and -2, SD 0.5; choices say nothing
    assert found[:3] == pytest.approx([2.0, -4.0, 0.0], abs=0.15) and np.isnan(found[3])
    best = wager.preferred_unit(recording, "policy_rates")
    assert best is not None and (best.unit, best.target) == (1, -1)
    asked = wager.preferred_unit(recording, "policy_rates", 0)
    assert asked is not None and asked.target == 1
    assert wager.preferred_unit(recording, "policy_rates", 3) is None


@pytest.mark.parametrize(("unit", "target"), [(0, 1), (1, -1)])
def test_traces_are_sorted_by_evidence_for_the_preferred_target(recording: Recording, unit: int, target: int) -> None:
    aligned, table = wager.around(recording, "policy_rates", True, "stimulus", (-100, 150), unit)
    traces = wager.by_evidence(aligned, table, target).set_index(["evidence", "taken", "lag"])
    for evidence, sign in (("preferred", 1), ("other", -1)):
        for taken in ("side", "sure"):
            mean = traces.loc[(evidence, taken), "mean"]
            # lag 0 is the last state that has not seen the stimulus
            assert mean.loc[:0].mean() == pytest.approx(2.0, abs=0.15)
            assert mean.loc[10:].mean() == pytest.approx(2 + sign * 0.5 * (unit + 1), abs=0.15)
    if unit == 1:  # by whose strong preference a single lag tells
        preferred = traces.loc[("preferred", "side"), "mean"]
        assert preferred[0.0] < 2.5 < preferred[10.0]
    source = recording.table
    kind = source["wager"] & (source["choice"] == SURE) & (source["coherence"] > 0) & (source["side"] == target)
    assert traces.loc[("preferred", "sure", 0.0), "n"] == kind.sum()
    kind = source["wager"] & source["choice"].isin([LEFT, RIGHT]) & (source["coherence"] > 0)
    assert traces.loc[("other", "side", 0.0), "n"] == (kind & (source["side"] == -target)).sum()


def test_trials_are_aligned_to_the_sure_target_and_to_the_choice(recording: Recording) -> None:
    aligned, table = wager.around(recording, "value", True, "sure", (-100, 100))
    assert table["wager"].all() and len(table) == N // 2
    # the sure target is seen from 900 ms on, when the value of offers changes from 0.5 to 2.5
    assert aligned.mean().tolist() == [0.5] * 11 + [2.5] * 10
    without, table = wager.around(recording, "value", False, "choice", (-50, 50))
    assert not table["wager"].any()
    assert without.counts().tolist() == [int(table["decision"].sum())] * 6 + [0] * 5
    by_option = wager.by_coherence_and_option(aligned, recording.table[recording.table["wager"]].reset_index(drop=True))
    assert by_option["taken"].unique().tolist() == ["side", "sure"]
    assert by_option["coherence"].unique().tolist() == [0, 10, 20, 40]


def test_the_value_before_the_stimulus_has_seen_none_of_it(recording: Recording) -> None:
    found = before_stimulus(recording)
    assert found["coherence"].tolist() == [0, 10, 20, 40] and found["n"].tolist() == [N // 4] * 4
    assert found["mean"].tolist() == [0.25] * 4
    assert QUANTITIES["value_before_stimulus_error"].measure(recording) == pytest.approx(0.05)  # reward 0.3
    assert QUANTITIES["value_before_stimulus_spread"].measure(recording) == 0


def test_nothing_can_be_measured_without_decisions(tmp_path: Path) -> None:
    nothing = _trials(6, 10.0, 0, -1)
    assert np.isnan(QUANTITIES["sure_rate"].measure(nothing))
    assert wager.accuracy_by_offer(nothing).empty and wager.gain_of_waiving(nothing).empty
    assert "offer" in wager.accuracy_by_offer(nothing)
