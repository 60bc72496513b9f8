"""Risk preference in gambling: choices between options by probability and expected value.

An option that pays s with probability p has the expected value p s. Of two options of one expected value the less
probable one, which pays more when it pays, is the riskier.

Reference: Mihatsch & Neuneier (2002) Machine Learning 49:267, for risk-sensitive learning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog, minimize
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as student

from rnnpipe.analysis.proportions import LEVEL, wilson
from rnnpipe.analysis.psychometric import RIGHT
from rnnpipe.errors import ArtefactError
from rnnpipe.io.evaluation import task_of
from rnnpipe.tasks.gambling import Gambling

LOG_P, LOG_EV = 2.2, 0.9
"""The map goes from -2.2 to 2.2 in log(p_R / p_L) and from -0.9 to 0.9 in log(EV_R / EV_L)."""

N_CELLS = 7
"""Cells of the map along each axis."""

TERMS = ("bias", "log_p", "log_ev")


def gamble_task(table: pd.DataFrame, where: object = "the trial table") -> Gambling:
    """The task of a trial table, with its options.

    Raises:
        ArtefactError: It is another task.
    """
    task = task_of(table.attrs, where)
    if not isinstance(task, Gambling):
        raise ArtefactError(f"{where}: task {task.name!r} offers no gambles; give an evaluation of gambling.")
    return task


def gambles(table: pd.DataFrame, where: object = "the trial table") -> pd.DataFrame:
    """Options and choices of the trials with a decision.

    Args:
        table: Trials of the gambling task with `left` and `right` (options), `choice` and `decision`.
        where: What to call the table in an error.

    Returns:
        One row a decision: `log_p` = log(p_R / p_L), `log_ev` = log(EV_R / EV_L), `equal` (whether expected values
        differ by less than the task's tolerance), `right` (whether right was chosen).
    """
    left, right = table["left"].to_numpy(), table["right"].to_numpy()
    task = gamble_task(table, where)
    p, ev = task.probabilities, task.expected
    trials = pd.DataFrame(
        {
            "log_p": np.log(p[right] / p[left]),
            "log_ev": np.log(ev[right] / ev[left]),
            "equal": np.abs(ev[right] - ev[left]) <= task.tolerance / task.reward_scale,
            "right": table["choice"].to_numpy() == RIGHT,
        }
    )
    return trials[table["decision"].to_numpy(bool)].reset_index(drop=True)


def choice_map(trials: pd.DataFrame, n_cells: int = N_CELLS) -> pd.DataFrame:
    """P(choose right) over the log ratios of probability and of expected value.

    The cells are of equal size; what lies beyond the map (|log EV ratio| of 0.92) counts in its outermost cells.

    Args:
        trials: What `gambles` gives.
        n_cells: Cells along each axis.

    Returns:
        One row a cell, log_p fastest: `log_p`, `log_ev` (centres), `n`, `k` (right choices), `p` (NaN without trials).
    """
    i, j = _cell(trials["log_p"], LOG_P, n_cells), _cell(trials["log_ev"], LOG_EV, n_cells)
    n, k = np.zeros((n_cells, n_cells)), np.zeros((n_cells, n_cells))
    np.add.at(n, (j, i), 1)
    np.add.at(k, (j, i), trials["right"].to_numpy(float))
    centers = (np.arange(n_cells) + 0.5) / n_cells * 2 - 1
    log_ev, log_p = np.meshgrid(LOG_EV * centers, LOG_P * centers, indexing="ij")
    p = k / np.where(n > 0, n, np.nan)
    columns = {"log_p": log_p, "log_ev": log_ev, "n": n, "k": k, "p": p}
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()})


def _cell(values: ArrayLike, limit: float, n_cells: int) -> NDArray[np.intp]:
    # the small constant keeps a ratio of 1 that rounding left below it in the middle cell's upper half, where it is
    place = np.floor((np.asarray(values, dtype=float) + limit) / (2 * limit) * n_cells + 1e-9)
    return np.clip(place, 0, n_cells - 1).astype(np.intp)


@dataclass(frozen=True)
class Rate:
    """A proportion with its Wilson interval; NaN without trials."""

    p: float
    low: float
    high: float
    n: int


def _rate(hits: pd.Series) -> Rate:
    k, n = int(hits.sum()), len(hits)
    low, high = wilson(k, n)
    return Rate(k / n if n else np.nan, float(low), float(high), n)


def risky_choices(trials: pd.DataFrame) -> Rate:
    """Choices of the riskier option where expected values are equal and probabilities are not.

    0.5 without a preference for risk, more for a risk-seeking and less for a risk-averse chooser.
    """
    pairs = trials[trials["equal"] & (trials["log_p"].abs() > 1e-9)]
    return _rate(pairs["right"] == (pairs["log_p"] < 0))


def higher_value_choices(trials: pd.DataFrame) -> Rate:
    """Choices of the option of higher expected value where expected values differ."""
    pairs = trials[~trials["equal"]]
    return _rate(pairs["right"] == (pairs["log_ev"] > 0))


@dataclass(frozen=True)
class Logistic:
    """Weights of a logistic regression of right choices; all NaN where `problem` says why there is none."""

    weight: dict[str, float]
    """By term: `bias`, `log_p`, `log_ev`."""
    low: dict[str, float]
    high: dict[str, float]
    problem: str = ""


def regression(trials: pd.DataFrame, level: float = LEVEL) -> Logistic:
    r"""Logistic regression of choices on the log ratios of probability and of expected value.

    .. math:: P(R) = 1 / (1 + e^{-z}), \quad z = b_0 + b_p \log(p_R/p_L) + b_{EV} \log(EV_R/EV_L)

    By maximum likelihood, with Wald intervals from the observed information. A chooser of utility s^a, whose z is c
    times the log ratio of p s^a, has b_p = c (1 - a) and b_EV = c a: b_p is positive for a risk-averse one. There
    are no weights where the likelihood has no finite maximum: all choices are alike, or some weights explain each
    without error.

    Args:
        trials: What `gambles` gives.
        level: Confidence level.
    """
    cells = trials.assign(n=1.0, k=trials["right"].astype(float)).groupby(["log_p", "log_ev"])[["n", "k"]].sum()
    n, k = cells["n"].to_numpy(float), cells["k"].to_numpy(float)
    places = np.array([list(key) for key in cells.index], dtype=float).reshape(len(n), 2)
    design = np.column_stack([np.ones(len(n)), places])
    problem = ""
    if not len(n):
        problem = "no decisions"
    elif k.sum() in (0, n.sum()):
        problem = f"every choice was {'left' if k.sum() == 0 else 'right'}"
    elif np.linalg.matrix_rank(design) < len(TERMS):
        problem = "too few pairs of options"
    elif _separated(design, k, n):
        problem = "some weights explain every choice"
    nothing = dict.fromkeys(TERMS, np.nan)
    if problem:
        return Logistic(nothing, nothing, nothing, problem)

    def loss(b: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = design @ b
        value = float(k @ np.logaddexp(0, -z) + (n - k) @ np.logaddexp(0, z))
        return value / n.sum(), (n * expit(z) - k) @ design / n.sum()

    best = minimize(loss, np.zeros(len(TERMS)), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    p = expit(design @ best)
    information = (design * (n * p * (1 - p))[:, None]).T @ design
    if np.linalg.cond(information) > 1e12:
        return Logistic(nothing, nothing, nothing, "the choices do not tell the weights")
    half = norm.ppf(0.5 + level / 2) * np.sqrt(np.diag(np.linalg.inv(information)))
    weight, low, high = (
        dict(zip(TERMS, map(float, values), strict=True)) for values in (best, best - half, best + half)
    )
    return Logistic(weight, low, high)


def over_networks(values: ArrayLike, level: float = LEVEL) -> tuple[float, float, float]:
    """Mean of several networks and its interval, Student's t; NaN do not count, one network has no interval."""
    x = np.asarray(values, dtype=float)
    x = x[np.isfinite(x)]
    if not len(x):
        return np.nan, np.nan, np.nan
    half = student.ppf(0.5 + level / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)) if len(x) > 1 else np.nan
    return float(x.mean()), float(x.mean() - half), float(x.mean() + half)


def _separated(design: NDArray[np.float64], k: NDArray[np.float64], n: NDArray[np.float64]) -> bool:
    """Whether some weights put every choice on its side, or on the border, and at least one off it.

    Then and only then the likelihood rises without end along them (Albert & Anderson 1984 Biometrika 71:1).
    """
    sides = np.concatenate([design[k > 0], -design[k < n]])
    best = linprog(-sides.sum(axis=0), A_ub=-sides, b_ub=np.zeros(len(sides)), bounds=[(-1, 1)] * design.shape[1])
    return bool(best.status == 0 and -best.fun > 1e-7)
