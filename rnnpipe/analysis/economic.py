"""Economic choice between two juices: choice pattern, indifference point, and what units encode.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 4; after Padoa-Schioppa & Assad (2006) Nature 441:223.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from rnnpipe.analysis.proportions import LEVEL, wilson
from rnnpipe.analysis.psychometric import LEFT, Fit, fit_least_squares
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError
from rnnpipe.io.evaluation import task_of
from rnnpipe.tasks._juices import JuiceTask

MIN_GROUP = 20
"""Trials that a mean rate of one offer (and choice) needs."""

MIN_R2 = 0.05
"""Least share of a unit's variance that a variable explains in a unit of its class."""

ALPHA = 0.05
"""Significance level of the correlation between a unit's rate and a variable."""

RESOLVED = 1.645
"""An offer is on the slope of a fitted curve when it is this near to its middle, in sigma: P(B) of 5 to 95 %."""


@dataclass(frozen=True)
class Epoch:
    """A stretch of a trial: `start` <= time from `event` < `stop`, ms."""

    event: str
    """Column of the trial table."""
    start: float
    stop: float


EPOCHS = {
    "pre-offer": Epoch("offer_on", -500.0, 0.0),
    "post-offer": Epoch("offer_on", 0.0, 500.0),
    "late delay": Epoch("offer_on", 500.0, 1000.0),
    "pre-choice": Epoch("choice_time", -500.0, 0.0),
}

CLASSES = ("chosen value", "offer value A", "offer value B", "choice")
"""Classes of units, named after the variable that explains most of their variance."""

OFFER_VALUE = ("offer value A", "offer value B")


def juice_task(table: pd.DataFrame, where: object = "the trial table") -> JuiceTask:
    """The task of a trial table, with its offers and values.

    Raises:
        ArtefactError: It is another task.
    """
    task = task_of(table.attrs, where)
    if not isinstance(task, JuiceTask):
        raise ArtefactError(f"{where}: task {task.name!r} offers no juices; give an evaluation of padoaschioppa2006.")
    return task


def juice_choices(table: pd.DataFrame, where: object = "the trial table") -> pd.DataFrame:
    """What was offered and chosen in each trial, in terms of juices.

    Args:
        table: Trials with `juices` ("AB": A on the left), `offer`, `choice` (1 left, 2 right) and `decision`.
        where: What to call the table in an error.

    Returns:
        One row a trial: `offer` (its place in the task's list), `n_b`, `n_a` (drops), `x` = (n_b - n_a) / (n_b + n_a),
        `both` (whether both juices were offered), `chosen` ("A", "B", or "" without a decision).
    """
    juices, names = table["juices"].astype(str), table["offer"].astype(str)
    task = juice_task(table, where)
    amounts = task.amounts(names.to_numpy())
    n_b, n_a = amounts.T
    place = {pair: i for i, pair in enumerate(task.offers)}
    on_left = np.where(juices == "AB", "A", "B")
    on_right = np.where(juices == "AB", "B", "A")
    chosen = np.where(table["choice"] == LEFT, on_left, on_right)
    return pd.DataFrame(
        {
            "offer": np.array([place[int(b), int(a)] for b, a in amounts], dtype=int),
            "n_b": n_b,
            "n_a": n_a,
            "x": relative_amount(n_b, n_a),
            "both": (n_b > 0) & (n_a > 0),
            "chosen": np.where(table["decision"].to_numpy(bool), chosen, "").astype(object),
        }
    )


def relative_amount(n_b: ArrayLike, n_a: ArrayLike) -> NDArray[np.float64]:
    """Relative amount x = (n_b - n_a) / (n_b + n_a): -1 for A only, +1 for B only, 0 for nothing."""
    b, a = np.asarray(n_b, dtype=float), np.asarray(n_a, dtype=float)
    x: NDArray[np.float64] = (b - a) / np.where(b + a > 0, b + a, 1.0)
    return x


def amount_ratio(x: float) -> float:
    """n_b / n_a = (1 + x) / (1 - x), the inverse of `relative_amount`; infinite from x = 1, 0 below x = -1."""
    return float(np.inf) if x >= 1 else max(0.0, (1 + x) / (1 - x))


def offer_label(n_b: int, n_a: int) -> str:
    """An offer as the axis shows it, e.g. "1B : 3A"."""
    return f"{n_b}B : {n_a}A"


def choice_pattern(choices: pd.DataFrame) -> pd.DataFrame:
    """Fraction of choices of B for each offer, in the order of the task's list.

    Args:
        choices: What `juice_choices` gives.

    Returns:
        One row an offer: `offer`, `n_b`, `n_a`, `x`, `both`, `label`, `n` (trials with a decision), `k` (choices of B),
        `p`, and its interval `low`, `high`; NaN where nothing was decided.
    """
    rows = []
    for offer, group in choices.groupby("offer"):
        first = group.iloc[0]
        n, k = int((group["chosen"] != "").sum()), int((group["chosen"] == "B").sum())
        label = offer_label(first["n_b"], first["n_a"])
        low, high = wilson(k, n)
        p = k / n if n else np.nan
        rows.append(
            (offer, first["n_b"], first["n_a"], first["x"], first["both"], label, n, k, p, float(low), float(high))
        )
    columns = ["offer", "n_b", "n_a", "x", "both", "label", "n", "k", "p", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True)
class Indifference:
    """How many drops of B are worth a drop of A; NaN where `problem` says why that cannot be told."""

    fit: Fit
    """P(B) against x."""
    ratio: float = np.nan
    low: float = np.nan
    high: float = np.nan
    resolved: bool = False
    """Whether at least two offers lie on the slope of the curve, so that sampling alone sets the interval."""
    problem: str = ""

    @property
    def mu(self) -> float:
        """Relative amount at indifference; NaN where there is a problem."""
        return np.nan if self.problem else self.fit.mu


def indifference(choices: pd.DataFrame, level: float = LEVEL) -> Indifference:
    r"""Indifference point: the amounts at which A and B are chosen equally often.

    The choices of B are fitted by :math:`\Phi((x - \mu)/\sigma)`, unweighted least squares over all offers, those of
    one juice (x = -1, +1) included; then

    .. math:: n_B / n_A = (1 + \mu) / (1 - \mu).

    Half a trial is added to the choices of A and of B at each offer. A well-trained network chooses one juice always at
    all offers but one, where without it any small enough sigma fits equally well and mu is wherever the search stops.

    The interval is that of mu where at least two offers lie on the slope. Elsewhere the slope is set by the half
    trials, and the interval goes from the largest x at which B was chosen less than half the time to the smallest
    above it at which it was chosen more often, each by its Wilson interval.

    Args:
        choices: What `juice_choices` gives.
        level: Confidence level.

    Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 4-figure supplements 1 and 2.
    """
    pattern = choice_pattern(choices)
    pattern = pattern[pattern["n"] > 0].sort_values("x")
    x, k, n = (pattern[c].to_numpy(float) for c in ("x", "k", "n"))
    problem = ""
    if not len(x):
        problem = "no decisions"
    elif len(np.unique(x)) < 3:
        problem = "decisions at fewer than 3 offers"
    elif k.sum() in (0, n.sum()):
        problem = f"every choice was {'A' if k.sum() == 0 else 'B'}"
    if problem:
        return Indifference(Fit("least squares", problem=problem), problem=problem)
    fit = fit_least_squares(x, k + 0.5, n + 1, level)
    if fit.problem:
        return Indifference(fit, problem="choices of B do not grow with its share")
    if not -1 < fit.mu < 1:
        return Indifference(fit, problem="indifference lies beyond the offers")
    resolved = bool((np.abs(x - fit.mu) < RESOLVED * fit.sigma).sum() >= 2)
    if resolved:
        low, high = fit.mu_low, fit.mu_high
    else:
        p_low, p_high = wilson(k, n, level)
        less, more = x[p_high < 0.5], x[p_low > 0.5]
        low = float(less[less <= fit.mu].max(initial=-1.0))
        high = float(more[more >= fit.mu].min(initial=1.0))
    return Indifference(fit, amount_ratio(fit.mu), amount_ratio(low), amount_ratio(high), resolved)


def epoch_rates(recording: Recording, name: str, epoch: Epoch) -> NDArray[np.float64]:
    """Mean activity of each trial in an epoch, (n_trials, n_units); NaN where it has no step of it.

    The offer counts from the step at which it is first shown, as published.
    """
    event = recording.table[epoch.event].to_numpy(float)
    return recording.trial_means(name, event + epoch.start, event + epoch.stop)


def rates_by_offer(
    rates: NDArray[np.float64],
    choices: pd.DataFrame,
    by_choice: bool = False,
    min_trials: int = MIN_GROUP,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Mean rate of each unit for each offer, of trials with a decision.

    Args:
        rates: Mean rate of each trial, (n_trials, n_units); trials with NaN do not count.
        choices: The same trials, from `juice_choices`.
        by_choice: Separate trials in which A and in which B was chosen.
        min_trials: Groups of fewer trials are left out.
        level: Confidence level of the interval, Student's t.

    Returns:
        One row a unit and group, in the order of unit, offer and choice: `unit`, `offer`, `x`, `both`, `label`,
        `chosen` ("A", "B"; "" for both together), `mean`, `low`, `high`, `n`.
    """
    usable = np.isfinite(rates).all(axis=1) & (choices["chosen"] != "").to_numpy()
    units, parts = np.arange(rates.shape[1]), []
    for (offer, chosen), group in choices.assign(
        chosen=choices["chosen"] if by_choice else "", trial=np.arange(len(choices))
    )[usable].groupby(["offer", "chosen"]):
        if len(group) < min_trials:
            continue
        of_group = rates[group["trial"]]
        n, mean = len(of_group), of_group.mean(axis=0)
        sem = of_group.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(units), np.nan)
        half = student.ppf(0.5 + level / 2, max(n - 1, 1)) * sem
        first = group.iloc[0]
        parts.append(
            pd.DataFrame(
                {
                    "unit": units,
                    "offer": offer,
                    "x": first["x"],
                    "both": first["both"],
                    "label": offer_label(first["n_b"], first["n_a"]),
                    "chosen": chosen,
                    "mean": mean,
                    "low": mean - half,
                    "high": mean + half,
                    "n": n,
                }
            )
        )
    names = ["unit", "offer", "x", "both", "label", "chosen", "mean", "low", "high", "n"]
    if not parts:
        return pd.DataFrame(columns=names)
    return pd.concat(parts).sort_values(["unit", "offer", "chosen"], ignore_index=True)


def encoded_variables(x: ArrayLike, chose_b: ArrayLike, mu: float) -> dict[str, NDArray[np.float64]]:
    r"""What a unit may encode in each trial, by class.

    .. math:: |x - \mu|, \quad -[-(x - \mu)]_+, \quad [x - \mu]_+, \quad \pm 1 \; (B: +1)

    Args:
        x: (n_b - n_a) / (n_b + n_a) of each trial.
        chose_b: Whether B was chosen.
        mu: x at indifference, (ratio - 1) / (ratio + 1).
    """
    z = np.asarray(x, dtype=float) - mu
    choice = np.where(np.asarray(chose_b, dtype=bool), 1.0, -1.0)
    return dict(zip(CLASSES, (np.abs(z), -np.maximum(-z, 0.0), np.maximum(z, 0.0), choice), strict=True))


def classify(rates: NDArray[np.float64], choices: pd.DataFrame, mu: float) -> pd.DataFrame:
    """Class of each unit: the variable that explains most of the variance of its rate over trials.

    Trials count in which both juices were offered and one was chosen. A variable that is significantly correlated
    with the rate (p < 0.05) and explains at least 5 % of its variance is a candidate.

    Args:
        rates: Mean rate of each trial in the 500 ms before choice, (n_trials, n_units); trials with NaN do not count.
        choices: The same trials, from `juice_choices`.
        mu: x at indifference; NaN (unknown) leaves every unit without a class.

    Returns:
        One row a unit: `unit`, `group` (one of `CLASSES`, "" for none), `r2` of it (NaN for none) and `r`, the
        correlation, whose sign tells which way the unit goes.

    Reference: Song, Yang & Wang (2017) eLife 6:e21492, Methods.
    """
    usable = np.isfinite(rates).all(axis=1) & (choices["both"] & (choices["chosen"] != "")).to_numpy()
    y, trials = rates[usable], choices[usable]
    variables = encoded_variables(trials["x"], trials["chosen"] == "B", mu)
    r, p = (np.stack(v) for v in zip(*(_pearson(v, y) for v in variables.values()), strict=True))
    r2 = np.where((p < ALPHA) & (r**2 >= MIN_R2), r**2, np.nan)
    best = np.argmax(np.nan_to_num(r2, nan=-1.0), axis=0)
    units = np.arange(rates.shape[1])
    found = r2[best, units]
    group = np.where(np.isfinite(found), np.array(CLASSES, dtype=object)[best], "")
    r_best = np.where(np.isfinite(found), r[best, units], np.nan)
    return pd.DataFrame({"unit": units, "group": group, "r2": found, "r": r_best})


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation of one variable, (n,), with each column of y, and its two-sided p; NaN where either is constant."""
    n = len(x)
    if n < 3 or not np.isfinite(x).all():
        return np.full(y.shape[1], np.nan), np.full(y.shape[1], np.nan)
    dx, dy = x - x.mean(), y - y.mean(axis=0)
    spread_x, spread_y = np.sqrt((dx**2).mean()), np.sqrt((dy**2).mean(axis=0))
    # single precision: a constant rate averages to a constant only within rounding
    varies = (spread_x > 1e-9) & (spread_y > 1e-6 * np.abs(y).max(axis=0))
    r = np.clip((dx @ dy) / n / np.where(varies, spread_x * spread_y, np.nan), -1.0, 1.0)
    with np.errstate(divide="ignore"):
        p = 2 * student.sf(np.abs(r) * np.sqrt((n - 2) / (1 - r**2)), n - 2)
    return r, p


def classify_recording(recording: Recording, name: str = "value_rates") -> pd.DataFrame:
    """Classes of the units of a recording, with the indifference point of its own choices; see `classify`."""
    choices = juice_choices(recording.table, recording.path)
    return classify(epoch_rates(recording, name, EPOCHS["pre-choice"]), choices, indifference(choices).mu)


def percent_of_classified(classes: pd.DataFrame, *groups: str) -> float:
    """Percentage of the classified units that are in one of those classes; NaN where no unit is classified."""
    classified = classes[classes["group"] != ""]
    return 100 * float(classified["group"].isin(groups).mean()) if len(classified) else np.nan


def example_units(classes: pd.DataFrame, wanted: Mapping[tuple[str, ...], int]) -> list[dict[str, Any]]:
    """The units of largest r^2 of each class, fewer where a class has fewer.

    Args:
        classes: What `classify` gives.
        wanted: How many units of which classes together.

    Returns:
        Rows of `classes`, in the order of `wanted`, largest r^2 first.
    """
    found: list[dict[str, Any]] = []
    for groups, n in wanted.items():
        members = classes[classes["group"].isin(groups)].sort_values("r2", ascending=False, kind="stable")
        found += members.head(n).to_dict("records")
    return found
