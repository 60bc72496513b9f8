"""Economic choice: patterns, indifference points and classes of units that are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from synthetic import write_evaluation
from synthetic_economic import PLANTED, always_a, nothing_decided, write_economic

from rnnpipe.analysis import economic
from rnnpipe.analysis.economic import (
    EPOCHS,
    amount_ratio,
    choice_pattern,
    classify,
    epoch_rates,
    example_units,
    indifference,
    juice_choices,
    percent_of_classified,
    rates_by_offer,
    relative_amount,
)
from rnnpipe.analysis.quantities import QUANTITIES
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError

OFFERS = [(0, 1), (1, 3), (1, 2), (1, 1), (2, 1), (3, 1), (4, 1), (6, 1), (2, 0)]


def _table(juices: list[str], offer: list[str], choice: list[int]) -> pd.DataFrame:
    table = pd.DataFrame({"juices": juices, "offer": offer, "choice": choice, "decision": [c > 0 for c in choice]})
    table.attrs = {"task": "padoaschioppa2006"}
    return table


def _choices(k: list[int], n: int, offers: list[tuple[int, int]] = OFFERS) -> pd.DataFrame:
    """Choices of B: k of n at each offer."""
    rows = [
        (i, b, a, float(relative_amount(b, a)), a * b > 0, "B" if j < of_b else "A")
        for i, ((b, a), of_b) in enumerate(zip(offers, k, strict=True))
        for j in range(n)
    ]
    return pd.DataFrame(rows, columns=["offer", "n_b", "n_a", "x", "both", "chosen"])


def test_the_chosen_juice_follows_from_side_and_order() -> None:
    found = juice_choices(
        _table(["AB", "AB", "BA", "BA", "AB"], ["1B:3A", "2B:1A", "0B:1A", "2B:0A", "1B:1A"], [1, 2, 1, 2, 0])
    )
    assert found["chosen"].tolist() == ["A", "B", "B", "A", ""]
    assert found[["n_b", "n_a"]].to_numpy().tolist() == [[1, 3], [2, 1], [0, 1], [2, 0], [1, 1]]
    assert found["x"].tolist() == pytest.approx([-0.5, 1 / 3, -1, 1, 0])
    assert found["offer"].tolist() == [1, 4, 0, 8, 3]
    assert found["both"].tolist() == [True, True, False, False, True]


def test_the_pattern_is_in_the_order_of_the_list() -> None:
    pattern = choice_pattern(_choices([0, 0, 1, 2, 5, 9, 10, 10, 10], 10))
    assert pattern["label"].tolist()[:3] == ["0B : 1A", "1B : 3A", "1B : 2A"] and pattern["label"].iloc[8] == "2B : 0A"
    assert pattern["p"].tolist() == [0, 0, 0.1, 0.2, 0.5, 0.9, 1, 1, 1]
    assert (pattern["low"] <= pattern["p"]).all() and (pattern["high"] >= pattern["p"]).all()


@pytest.mark.parametrize("ratio", [1.0, 2.0, 2.2, 3.1])
def test_indifference_of_gradual_choices_is_where_they_cross_one_half(ratio: float) -> None:
    n, mu = 1000, (ratio - 1) / (ratio + 1)
    x = np.array([float(relative_amount(b, a)) for b, a in OFFERS])
    found = indifference(_choices([round(n * p) for p in norm.cdf((x - mu) / 0.3)], n))
    assert found.ratio == pytest.approx(ratio, rel=0.01) and found.fit.sigma == pytest.approx(0.3, rel=0.01)
    assert found.resolved and found.low < ratio < found.high and found.high - found.low < 0.4


def test_the_interval_covers_the_true_ratio_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    x = np.array([float(relative_amount(b, a)) for b, a in OFFERS])
    p = norm.cdf((x - (2.2 - 1) / (2.2 + 1)) / 0.25)
    found = [indifference(_choices(list(rng.binomial(50, p)), 50)) for _ in range(60)]
    covered = np.mean([f.low <= 2.2 <= f.high for f in found])
    assert 0.88 <= covered <= 1.0


def test_choices_that_switch_at_one_offer_have_an_indifference_point_between_its_neighbours() -> None:
    # at 2B:1A B is chosen in 38 %, before never, after always: somewhat more B than 2 : 1 makes it 50 %
    found = indifference(_choices([0, 0, 0, 0, 38, 100, 100, 100, 100], 100))
    assert 2.0 < found.ratio < 2.3
    assert not found.resolved and (found.low, found.high) == (pytest.approx(2), pytest.approx(3))
    step = indifference(_choices([0, 0, 0, 0, 0, 100, 100, 100, 100], 100))
    assert 2 < step.ratio < 3 and (step.low, step.high) == (pytest.approx(2), pytest.approx(3))
    # a network that lapses where only B is offered still has the same preference
    lapse = indifference(_choices([0, 0, 0, 0, 38, 100, 100, 100, 80], 100))
    assert lapse.ratio == pytest.approx(found.ratio, abs=0.1)


def test_without_two_juices_chosen_there_is_no_indifference_point() -> None:
    assert indifference(_choices([0] * 9, 10)).problem == "every choice was A"
    assert indifference(_choices([10] * 9, 10)).problem == "every choice was B"
    assert indifference(_choices([0, 0], 10, OFFERS[:2])).problem == "decisions at fewer than 3 offers"
    none = _choices([0] * 9, 10).assign(chosen="")
    found = indifference(none)
    assert found.problem == "no decisions" and np.isnan([found.ratio, found.low, found.mu]).all()
    falling = indifference(_choices([10, 9, 8, 6, 5, 4, 2, 1, 0], 10))
    assert falling.problem and np.isnan(falling.ratio)


def test_amounts_and_their_share_are_inverse() -> None:
    for n_b, n_a in [(1, 3), (2, 1), (10, 1)]:
        assert amount_ratio(float(relative_amount(n_b, n_a))) == pytest.approx(n_b / n_a)
    assert amount_ratio(1.0) == np.inf and amount_ratio(-1.0) == 0


def _preferences(n: int = 700) -> tuple[pd.DataFrame, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(3)
    offers = [OFFERS[i] for i in rng.integers(0, 9, n)]
    n_b, n_a = np.array(offers).T
    x = relative_amount(n_b, n_a)
    b = rng.random(n) < norm.cdf((x - 0.375) / 0.2)
    trials = pd.DataFrame(
        {
            "offer": [OFFERS.index(o) for o in offers],
            "n_b": n_b,
            "n_a": n_a,
            "x": x,
            "both": n_a * n_b > 0,
            "chosen": np.where(b, "B", "A"),
        }
    )
    return trials, b, rng


def test_units_are_in_the_class_of_what_they_encode() -> None:
    trials, b, rng = _preferences()
    z, n = trials["x"].to_numpy() - 0.375, len(trials)
    clean = np.stack(
        [np.abs(z), -np.abs(z), np.maximum(-z, 0), np.maximum(z, 0), np.where(b, 1, -1), np.where(b, -1, 1), 0 * z],
        axis=1,
    )
    rates = 5 + clean + 0.05 * rng.standard_normal((n, 7))
    forced = ~trials["both"].to_numpy()
    rates[forced] = 100 * rng.standard_normal((forced.sum(), 7))  # trials of one juice do not count
    found = classify(rates, trials, 0.375)
    groups = ["chosen value", "chosen value", "offer value A", "offer value B", "choice", "choice", ""]
    assert found["group"].tolist() == groups
    # an offer-value-A unit that fires more for more A falls with the variable -[-(x - x0)]_+
    assert np.sign(found["r"][:6]).tolist() == [1, -1, -1, 1, 1, -1]
    assert (found["r2"][:6] > 0.5).all() and np.isnan(found["r2"][6])
    assert percent_of_classified(found, "chosen value") == pytest.approx(100 / 3)
    assert percent_of_classified(found, "offer value A", "offer value B") == pytest.approx(100 / 3)


def test_a_weak_correlation_makes_no_class_however_significant() -> None:
    trials, _, rng = _preferences(20000)
    z = trials["x"].to_numpy() - 0.375
    both = trials["both"].to_numpy()
    spread = np.abs(z[both]).std()
    weak, strong = 5.5, 3.5  # noise in units of the signal: r^2 of about 3 % and 7.5 %
    rates = np.abs(z)[:, None] + spread * np.array([weak, strong]) * rng.standard_normal((len(z), 2))
    assert classify(rates, trials, 0.375)["group"].tolist() == ["", "chosen value"]


def test_few_trials_make_no_class_unless_significant() -> None:
    rng = np.random.default_rng(5)
    trials = _choices([0, 0, 0, 1, 1, 1, 1, 1, 1], 1)
    noise = rng.standard_normal((len(trials), 400))
    # with 7 trials most units of pure noise have r^2 >= 0.05 with some variable, only some p < 0.05
    assert 0 < (classify(noise, trials, 0.375)["group"] != "").mean() < 0.3


def test_units_and_variables_that_never_vary_make_no_class() -> None:
    trials, _, rng = _preferences(200)
    rates = np.stack([np.zeros(200), np.full(200, 0.1), np.full(200, 3.0) + 1e-7 * rng.standard_normal(200)], axis=1)
    assert (classify(rates, trials, 0.375)["group"] == "").all()
    assert np.isnan(percent_of_classified(classify(rates, trials, 0.375), "choice"))
    varied = rng.standard_normal((200, 3))
    assert (classify(varied, trials, np.nan)["group"] == "").all()
    assert (classify(varied, trials.assign(chosen=""), 0.375)["group"] == "").all()
    signal = np.where(trials["x"] > 0.375, 1.0, 0.0)[:, None] + 0.01 * varied
    assert set(classify(signal, trials.assign(chosen="B"), 0.375)["group"]) <= {"offer value B", "chosen value"}


def test_example_units_have_the_largest_r2_of_their_class() -> None:
    classes = pd.DataFrame(
        {
            "unit": range(6),
            "group": ["choice", "offer value A", "offer value B", "choice", "", "offer value B"],
            "r2": [0.2, 0.3, 0.5, 0.6, np.nan, 0.1],
        }
    )
    found = example_units(classes, {("chosen value",): 3, economic.OFFER_VALUE: 2, ("choice",): 1})
    assert [(u["unit"], u["group"]) for u in found] == [(2, "offer value B"), (1, "offer value A"), (3, "choice")]


def test_mean_rates_are_those_of_the_trials_of_an_offer() -> None:
    trials = _choices([0, 0, 0, 15, 22, 40, 40, 40, 40], 40)
    rates = np.stack([trials["offer"] + 0.0, np.where(trials["chosen"] == "B", 3.0, 1.0)], axis=1)
    rates[0] = np.nan
    together = rates_by_offer(rates, trials)
    of_unit = together[together["unit"] == 0]
    assert of_unit["mean"].tolist() == list(range(9)) and of_unit["n"].tolist() == [39] + [40] * 8
    split = rates_by_offer(rates, trials, by_choice=True)
    # 15 choices of B are too few, 18 of A as well
    at = split[split["unit"] == 1].set_index(["offer", "chosen"])
    assert (3, "A") in at.index and (3, "B") not in at.index and (4, "B") in at.index and (4, "A") not in at.index
    assert at.loc[(4, "B"), "mean"] == 3 and at.loc[(3, "A"), "mean"] == 1
    assert rates_by_offer(rates, trials.assign(chosen="")).empty


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("economic") / "a.h5"
    write_economic(path)
    return path


def test_a_recording_gives_back_what_was_planted(path: Path) -> None:
    recording = Recording(path)
    classes = economic.classify_recording(recording)
    assert classes["group"].tolist() == PLANTED
    assert QUANTITIES["percent_chosen_value"].measure(recording) == pytest.approx(100 * 3 / 9)
    assert QUANTITIES["percent_offer_value"].measure(recording) == pytest.approx(100 * 4 / 9)
    assert QUANTITIES["percent_choice"].measure(recording) == pytest.approx(100 * 2 / 9)
    assert QUANTITIES["indifference_ratio"].measure(recording.table) == pytest.approx(2.2, abs=0.4)
    before = epoch_rates(recording, "value_rates", EPOCHS["pre-offer"])
    np.testing.assert_allclose(before, 2.0)  # nothing of the offer


def test_epochs_begin_and_end_at_the_right_step(path: Path) -> None:
    recording = Recording(path)
    # a clock in place of a rate
    clock = np.broadcast_to(recording.time[:, None, None], (len(recording.time), len(recording.table), 1))
    recording.chunks = lambda name: iter([(slice(None), clock, np.ones(clock.shape[:2], bool))])  # type: ignore
    on, choice = (recording.table[name].to_numpy(float) for name in ("offer_on", "choice_time"))
    means = {name: epoch_rates(recording, "clock", epoch)[:, 0] for name, epoch in EPOCHS.items()}
    # 50 steps of 10 ms: the first at the start, the last one step before the end
    np.testing.assert_allclose(means["pre-offer"], on - 255)
    np.testing.assert_allclose(means["post-offer"], on + 245)
    np.testing.assert_allclose(means["late delay"], on + 745)
    np.testing.assert_allclose(means["pre-choice"], choice - 255)


@pytest.mark.parametrize("change", [nothing_decided, always_a])
def test_degenerate_behaviour_is_not_measured(change, tmp_path: Path) -> None:
    write_economic(tmp_path / "a.h5", trials_per_condition=3, change=change)
    recording = Recording(tmp_path / "a.h5")
    assert np.isnan(QUANTITIES["indifference_ratio"].measure(recording.table))
    for name in ("percent_chosen_value", "percent_offer_value", "percent_choice"):
        assert np.isnan(QUANTITIES[name].measure(recording))


def test_another_task_is_refused(tmp_path: Path) -> None:
    table = write_evaluation(tmp_path / "a.h5", "rdm_fixed", 1, activity=False)
    with pytest.raises(ArtefactError, match="offers no juices"):
        economic.juice_task(table)
