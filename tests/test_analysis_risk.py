"""Gambling: choosers of known utility."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from synthetic_economic import always_left, nothing_decided, write_gambling

from rnnpipe.analysis.quantities import QUANTITIES
from rnnpipe.analysis.risk import (
    choice_map,
    gambles,
    higher_value_choices,
    over_networks,
    regression,
    risky_choices,
)
from rnnpipe.errors import ArtefactError

NAMES = ("risky_choice_rate", "higher_value_rate", "probability_weight", "expected_value_weight")


def _table(left: list[int], right: list[int], choice: list[int]) -> pd.DataFrame:
    table = pd.DataFrame({"left": left, "right": right, "choice": choice, "decision": [c > 0 for c in choice]})
    table.attrs = {"task": "gambling"}
    return table


@pytest.mark.parametrize("a", [0.5, 1.0, 1.5])
def test_the_weights_are_those_of_the_utility(a: float, tmp_path: Path) -> None:
    # log odds c log(p_R s_R^a / p_L s_L^a) with s = EV / p: c (1 - a) on log p, c a on log EV
    table = write_gambling(tmp_path / "a.h5", a=a, c=4.0, trials_per_condition=8)
    found = regression(gambles(table))
    assert found.low["log_p"] < 4 * (1 - a) < found.high["log_p"]
    assert found.low["log_ev"] < 4 * a < found.high["log_ev"]
    assert found.low["bias"] < 0 < found.high["bias"]
    assert found.weight["log_p"] == pytest.approx(4 * (1 - a), abs=0.4)
    rate = risky_choices(gambles(table))
    assert (rate.high < 0.5) if a < 1 else (rate.low > 0.5) if a > 1 else (rate.low < 0.5 < rate.high)
    assert QUANTITIES["risky_choice_rate"].measure(table) == rate.p
    assert QUANTITIES["probability_weight"].measure(table) == found.weight["log_p"]
    assert QUANTITIES["expected_value_weight"].measure(table) == found.weight["log_ev"]


def test_the_intervals_cover_the_true_weight_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    log_p, log_ev = rng.choice([-2, -1, 0, 1, 2], 400) * 1.0, rng.choice([-0.9, -0.3, 0, 0.3, 0.9], 400)
    p, covered = expit(0.3 + 0.7 * log_p + 2 * log_ev), []
    for _ in range(80):
        found = regression(pd.DataFrame({"log_p": log_p, "log_ev": log_ev, "right": rng.random(400) < p}))
        truth = {"bias": 0.3, "log_p": 0.7, "log_ev": 2.0}
        covered.append([found.low[k] < v < found.high[k] for k, v in truth.items()])
    assert (np.mean(covered, axis=0) > 0.89).all() and np.mean(covered) < 0.99


def test_the_riskier_option_is_the_less_probable_one_at_equal_expected_value() -> None:
    # options 0-4 have p = 0.1, 20-24 p = 0.9; the fifth of either has an expected value of 2.5
    pairs = [(4, 24, 1), (24, 4, 2), (24, 4, 1), (4, 4, 1), (4, 23, 1), (4, 24, 0)]
    trials = gambles(_table(*map(list, zip(*pairs, strict=True))))
    assert len(trials) == 5
    rate = risky_choices(trials)
    # same option and unequal expected values do not count, nor does the trial without a decision
    assert (rate.p, rate.n) == (pytest.approx(2 / 3), 3)
    higher = higher_value_choices(trials)
    assert (higher.p, higher.n) == (1, 1)  # 2.5 against 2.125
    assert trials["log_p"].iloc[0] == pytest.approx(np.log(9)) and trials["log_ev"].iloc[4] == pytest.approx(
        np.log(2.125 / 2.5)
    )


def test_the_map_holds_every_trial_once_in_its_place() -> None:
    left, right = np.repeat(np.arange(25), 25), np.tile(np.arange(25), 25)
    table = _table(list(left), list(right), [2] * 625)
    trials = gambles(table)
    cells = choice_map(trials.assign(right=trials["log_ev"] > 0))
    n = cells["n"].to_numpy().reshape(7, 7)  # log EV, log p
    assert n.sum() == 625
    np.testing.assert_array_equal(n, n[::-1, ::-1])  # left and right exchanged
    # ratio 9 of probabilities with a ratio of 2.5 of expected values, which lies beyond the map: its corner
    corner = trials[(trials["log_p"] > 2) & (trials["log_ev"] > 0.9)]
    assert len(corner) == 1 and n[6, 6] >= 1
    # nothing of lower value on the right is chosen, everything of clearly higher value is
    p = cells["p"].to_numpy().reshape(7, 7)
    assert np.nanmax(p[:3]) == 0 and np.nanmin(p[4:]) == 1
    assert cells["log_p"].to_numpy().reshape(7, 7)[0, 6] == pytest.approx(2.2 * 6 / 7)
    assert cells["log_ev"].to_numpy().reshape(7, 7)[0, 6] == pytest.approx(-0.9 * 6 / 7)


def test_an_even_map_puts_equal_options_on_one_side_of_the_middle_consistently() -> None:
    trials = pd.DataFrame({"log_p": [1e-17, -1e-17, 0.0], "log_ev": 0.0, "right": True})
    assert choice_map(trials, 2)["n"].tolist() == [0, 0, 0, 3]


@pytest.mark.parametrize("change", [nothing_decided, always_left])
def test_degenerate_choosers_are_not_measured(change, tmp_path: Path) -> None:
    table = write_gambling(tmp_path / "a.h5", trials_per_condition=1, change=change)
    trials = gambles(table)
    assert np.isnan([QUANTITIES[name].measure(table) for name in NAMES[2:]]).all()
    assert regression(trials).problem
    assert np.isnan([QUANTITIES[name].measure(table) for name in NAMES[:2]]).all() == (change is nothing_decided)
    assert choice_map(trials)["p"].isna().all() == (change is nothing_decided)


def test_a_perfect_chooser_has_no_finite_weights() -> None:
    left, right = np.repeat(np.arange(25), 25), np.tile(np.arange(25), 25)
    trials = gambles(_table(list(left), list(right), [2] * 625))
    unequal = trials[~trials["equal"]]
    assert regression(unequal.assign(right=unequal["log_ev"] > 0)).problem == "some weights explain every choice"
    # quasi-separation: chance where options are equal, no error elsewhere
    rng = np.random.default_rng(0)
    guess = np.where(trials["equal"], rng.random(625) < 0.5, trials["log_ev"] > 0)
    assert np.isnan(regression(trials.assign(right=guess)).weight["log_ev"])
    one_error = trials["log_ev"].to_numpy() > 0
    one_error[trials["log_ev"].argmax()] = False
    assert not regression(trials.assign(right=one_error)).problem
    alike = trials[trials["log_p"] == 0].assign(right=lambda t: np.arange(len(t)) % 2 == 0)
    assert regression(alike).problem == "too few pairs of options"


def test_networks_are_summarised_with_students_interval() -> None:
    mean, low, high = over_networks([1.0, 2.0, 3.0, np.nan])
    assert mean == 2 and high - mean == pytest.approx(4.302652730 / np.sqrt(3)) and mean - low == high - mean
    assert over_networks([5.0])[0] == 5 and np.isnan(over_networks([5.0])[1:]).all()
    assert np.isnan(over_networks([])).all()


def test_another_task_is_refused() -> None:
    table = _table([0], [1], [1])
    table.attrs = {"task": "rdm_fixed"}
    with pytest.raises(ArtefactError, match="offers no gambles"):
        gambles(table)
