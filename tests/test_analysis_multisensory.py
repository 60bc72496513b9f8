"""Multisensory thresholds, how they combine, and the selectivity of units."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from synthetic_sensory import BASELINE, CHOICE_EFFECT, MODALITY_EFFECT, NOISE, SIGMAS, write_multisensory

from rnnpipe.analysis import multisensory
from rnnpipe.analysis.multisensory import MODALITIES, Selectivity
from rnnpipe.analysis.quantities import QUANTITIES
from rnnpipe.analysis.recording import Recording

RATES = np.arange(9.0, 17.0)


def _table(sigmas: dict[str, float], n: int, rng: np.random.Generator | None = None, bias: float = 0.0) -> pd.DataFrame:
    """Choices at every rate and modality; without a generator as many as expected."""
    modality, rate = np.repeat(list(sigmas), len(RATES)), np.tile(RATES, len(sigmas))
    p = norm.cdf((rate - 12.5 - bias) / np.repeat(list(sigmas.values()), len(RATES)))
    n_high = np.round(n * p).astype(int) if rng is None else rng.binomial(n, p)
    choice = np.where(np.arange(n) < n_high[:, None], 2, 1).ravel()
    return pd.DataFrame(
        {"modality": np.repeat(modality, n), "rate": np.repeat(rate, n), "choice": choice, "decision": True}
    )


def test_thresholds_and_precisions_are_those_of_the_observer() -> None:
    table = _table(SIGMAS, 20_000, bias=0.3)
    found = multisensory.thresholds(table)
    for modality, sigma in SIGMAS.items():
        assert found.sigma(modality).value == pytest.approx(sigma, rel=1e-3)
        assert found.fits[modality].mu == pytest.approx(12.8, abs=1e-2)  # grows towards high rates
    predicted, measured = 1 / 2.0**2 + 1 / 2.2**2, 1 / 1.5**2
    assert found.predicted.value == pytest.approx(predicted, rel=2e-3)
    assert found.measured.value == pytest.approx(measured, rel=2e-3)
    assert found.ratio.value == pytest.approx(measured / predicted, rel=4e-3)
    for name in ("visual", "auditory", "multisensory"):
        assert QUANTITIES[f"sigma_{name}"].measure(table) == found.sigma(name).value
    assert QUANTITIES["multisensory_precision_ratio"].measure(table) == found.ratio.value


def test_an_observer_that_adds_precisions_has_ratio_one() -> None:
    sigmas = {"visual": 2.0, "auditory": 2.0, "multisensory": np.sqrt(2)}
    assert multisensory.thresholds(_table(sigmas, 20_000)).ratio.value == pytest.approx(1, rel=2e-3)


def test_intervals_of_precisions_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    runs, hits = 100, np.zeros(3)
    predicted, measured = 1 / 2.0**2 + 1 / 2.2**2, 1 / 1.5**2
    for _ in range(runs):
        found = multisensory.thresholds(_table(SIGMAS, 300, rng))
        pairs = ((found.predicted, predicted), (found.measured, measured), (found.ratio, measured / predicted))
        hits += [estimate.low <= truth <= estimate.high for estimate, truth in pairs]
    # 95 % of 100 with a binomial spread of 2.2 %; all of them would mean that the intervals are too wide
    assert ((hits / runs > 0.88) & (hits / runs < 1)).all()


def test_choices_are_counted_for_the_modality_and_without_undecided_trials() -> None:
    table = pd.DataFrame(
        {
            "modality": ["visual", "visual", "visual", "auditory", "visual"],
            "rate": [9.0, 9, 9, 9, 16],
            "choice": [2, 1, 0, 2, 2],
        }
    )
    table["decision"] = table["choice"] > 0
    levels = multisensory.high_choices(table, "visual")
    assert levels["x"].tolist() == [9, 16]
    assert levels["n_trials"].tolist() == [3, 1] and levels["n"].tolist() == [2, 1]
    assert levels["n_chosen"].tolist() == [1, 1] and levels["p"].tolist() == [0.5, 1.0]


@pytest.mark.parametrize(("choice", "words"), [(0, "no decisions"), (1, "every choice was low"), (2, "was high")])
def test_a_table_without_thresholds_says_why(choice: int, words: str) -> None:
    table = _table(SIGMAS, 5).assign(choice=choice, decision=choice > 0)
    found = multisensory.thresholds(table)
    assert all(words in fit.problem for fit in found.fits.values())
    assert np.isnan([*found.predicted, *found.measured, *found.ratio]).all()
    assert np.isnan(QUANTITIES["sigma_visual"].measure(table))


def test_one_modality_without_a_fit_leaves_the_others() -> None:
    table = _table(SIGMAS, 1000)
    table.loc[table["modality"] == "auditory", "choice"] = 1
    found = multisensory.thresholds(table)
    assert np.isfinite([found.sigma("visual").value, *found.measured]).all()
    assert np.isnan([found.sigma("auditory").value, found.predicted.value, found.ratio.value]).all()


def test_published_precisions_are_those_of_the_table() -> None:
    rows = np.array([[predicted, measured] for _, predicted, measured, _ in multisensory.published()])
    expected = [(0.449, 0.475), (0.455, 0.477), (0.414, 0.415), (0.438, 0.440), (0.444, 0.400), (0.446, 0.457)]
    np.testing.assert_allclose(rows, expected, atol=6e-4)
    for column, mean in enumerate((2.132, 2.131, 1.504)):
        sigmas = [sigmas[column] for sigmas, *_ in multisensory.published()]
        assert multisensory.mean_of_networks(sigmas).value == pytest.approx(mean, abs=6e-4)


def test_mean_of_networks_has_a_student_interval_over_those_measured() -> None:
    found = multisensory.mean_of_networks([1.0, 2.0, 3.0, np.nan])
    assert found.value == 2 and found.high - 2 == pytest.approx(4.303 / np.sqrt(3), abs=1e-3)
    assert found.high - found.value == pytest.approx(found.value - found.low)
    assert multisensory.mean_of_networks([2.0])[0] == 2 and np.isnan(multisensory.mean_of_networks([2.0])[1:]).all()
    assert np.isnan(multisensory.mean_of_networks([np.nan])).all()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = tmp_path_factory.mktemp("multisensory") / "activity.h5"
    write_multisensory(path, trials_per_condition=12)
    return Recording(path)


def test_selectivity_separates_choice_from_modality(recording: Recording) -> None:
    found = multisensory.selectivity(recording)
    spread = np.where(NOISE > 0, NOISE, np.nan)
    noisy = BASELINE > 0.5  # the others are clipped at 0
    np.testing.assert_allclose(found.choice[noisy], (2 * CHOICE_EFFECT / spread)[noisy], atol=0.08)
    np.testing.assert_allclose(found.modality[noisy], (2 * MODALITY_EFFECT / spread)[noisy], atol=0.15)
    assert np.isnan(found.choice[5]) and np.isnan(found.modality[5])  # silent
    np.testing.assert_allclose(found.rate[noisy], BASELINE[noisy], atol=0.02)


def test_unequal_numbers_of_trials_do_not_mix_choice_and_modality(tmp_path: Path) -> None:
    def mostly_high_visual(columns: dict) -> None:
        drop = (columns["modality"] == "visual") == (columns["choice"] == 1)
        drop &= np.arange(len(drop)) % 4 > 0
        columns["correct"][drop] = -1

    write_multisensory(tmp_path / "a.h5", 10, change=mostly_high_visual)
    found = multisensory.selectivity(Recording(tmp_path / "a.h5"))
    assert abs(found.choice[1] - 1.0) < 0.2  # 9 times less than the d' of its modality


def test_examples_are_the_planted_units(recording: Recording) -> None:
    examples = multisensory.example_units(multisensory.selectivity(recording))
    # the unit of largest choice d', number 4, hardly fires
    assert [(e.kind, e.unit) for e in examples] == [("choice", 3), ("modality", 1), ("mixed", 2)]
    assert examples[0].d_choice < 0 < examples[1].d_modality and examples[2].d_modality < 0 < examples[2].d_choice


def test_examples_are_different_units_and_may_be_few() -> None:
    rate = np.ones(2)
    found = multisensory.example_units(Selectivity(np.array([3.0, 2.0]), np.array([2.5, 0.1]), rate))
    assert [(e.kind, e.unit) for e in found] == [("choice", 1), ("modality", 0)]
    nothing = np.full(2, np.nan)
    assert multisensory.example_units(Selectivity(nothing, nothing, nothing)) == []


def test_traces_are_of_correct_unimodal_trials_and_lag_zero_has_not_seen_the_stimulus(recording: Recording) -> None:
    traces = multisensory.unit_traces(recording, 1)
    assert set(traces["modality"]) == {"visual", "auditory"} and set(traces["choice"]) == {"low", "high"}
    assert (traces["lag"].min(), traces["lag"].max()) == (-300, 1000)
    table = recording.table
    visual_high = traces[(traces["modality"] == "visual") & (traces["choice"] == "high")].set_index("lag")
    n = ((table["modality"] == "visual") & (table["rate"] > 12.5) & (table["choice"] == 2)).sum()
    assert (visual_high["n"] == n).all()
    assert visual_high.loc[0, "mean"] == pytest.approx(1.5, abs=0.2)
    assert visual_high.loc[[10, 500, 1000], "mean"].to_numpy() == pytest.approx(2.5, abs=0.2)
    other = traces[(traces["modality"] == "auditory") & (traces["choice"] == "low")].set_index("lag")
    assert other.loc[[10, 500, 1000], "mean"].to_numpy() == pytest.approx(0.5, abs=0.2)


def test_too_few_trials_of_a_condition_give_no_selectivity(tmp_path: Path) -> None:
    def few(columns: dict) -> None:
        visual_low = np.flatnonzero((columns["modality"] == "visual") & (columns["choice"] == 1))
        columns["correct"][visual_low[4:]] = -1

    write_multisensory(tmp_path / "a.h5", 2, change=few)
    found = multisensory.selectivity(Recording(tmp_path / "a.h5"))
    assert np.isnan(found.choice).all() and multisensory.example_units(found) == []


def test_modalities_are_those_of_the_task() -> None:
    from rnnpipe.tasks.multisensory import Multisensory

    assert Multisensory().variables()["modality"].values == MODALITIES
