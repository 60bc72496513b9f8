"""Choices as a function of two coherences in two contexts: surfaces, fits of their rows, and how well context gates.

The context names one feature as relevant. A network that gates perfectly answers by the coherence of this feature
alone; the index of gating is the slope along the other one relative to that along the relevant one.

References: Mante, Sussillo, Shenoy & Newsome (2013) Nature 503:78; Firth (1993) Biometrika 80:27 and Heinze & Schemper
(2002) Stat Med 21:2409 for the fit of choices that a step explains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from rnnpipe.analysis.proportions import wilson
from rnnpipe.analysis.psychometric import SIDES, usable

Array = NDArray[np.float64]

MAX_LAPSE = 0.3
"""Largest fraction of lapses on either side that a fit may assume: beyond it a flat row would pass for a steep one."""


@dataclass(frozen=True)
class Logistic:
    """Choice probability lapse + (1 - 2 lapse) / (1 + exp(-slope (x - bias))); NaN where `problem` says why."""

    bias: float = np.nan
    """Coherence of indifference."""
    slope: float = np.nan
    """Per unit of coherence; infinite where a step explains every choice, negative where choices go the other way."""
    lapse: float = np.nan
    """Fraction of choices of either side that do not depend on coherence."""
    problem: str = ""

    def __call__(self, x: ArrayLike) -> Array:
        """Fitted probability of a rightward choice; NaN without a fit."""
        away = np.asarray(x, dtype=float) - self.bias
        if np.isinf(self.slope):
            shape = np.where(away == 0, 0.5, (np.sign(away) * np.sign(self.slope) + 1) / 2)
        else:
            shape = expit(self.slope * away)
        return np.asarray(self.lapse + (1 - 2 * self.lapse) * shape)


@dataclass(frozen=True)
class Gating:
    """Slopes of the log odds of a rightward choice along both coherences, of one context; NaN without choices."""

    bias: float = np.nan
    """Log odds at zero coherence of both features."""
    relevant: float = np.nan
    """Slope along the relevant coherence, per unit."""
    relevant_error: float = np.nan
    """Its standard error."""
    irrelevant: float = np.nan
    irrelevant_error: float = np.nan
    problem: str = ""

    @property
    def index(self) -> float:
        """|irrelevant slope| / |relevant slope|: 0 if context gates perfectly, 1 if it does not gate."""
        return abs(self.irrelevant) / abs(self.relevant) if self.relevant else np.inf


def choice_surface(
    context: ArrayLike, relevant: ArrayLike, irrelevant: ArrayLike, right: ArrayLike, error: ArrayLike
) -> pd.DataFrame:
    """Choices and errors in each context at each pair of coherences.

    Args:
        context: Name of the context of each trial, (n_trials,).
        relevant: Signed coherence of the feature that the context names, (n_trials,).
        irrelevant: Signed coherence of the other one, (n_trials,).
        right: 1 for a rightward choice, 0 for a leftward one, NaN for none, (n_trials,).
        error: Squared error of each trial, (n_trials,).

    Returns:
        One row for each context and pair that occurs, ascending: `context`, `relevant`, `irrelevant`, `n_trials`, `n`
        (choices), `n_right`, `p` and its interval (Wilson, 95 %) `low`, `high`, `mse` (mean over trials).
    """
    answered = np.asarray(right, dtype=float)
    trials = pd.DataFrame(
        {
            "context": np.asarray(context),
            "relevant": np.asarray(relevant, dtype=float) + 0.0,  # makes -0 equal 0
            "irrelevant": np.asarray(irrelevant, dtype=float) + 0.0,
            "n_trials": 1,
            "n": np.isfinite(answered).astype(int),
            "n_right": np.nan_to_num(answered),
            "mse": np.asarray(error, dtype=float),
        }
    )
    keys = ["context", "relevant", "irrelevant"]
    cells = trials.groupby(keys, as_index=False).agg(
        n_trials=("n_trials", "sum"), n=("n", "sum"), n_right=("n_right", "sum"), mse=("mse", "mean")
    )
    n = cells["n"].to_numpy(float)
    cells["p"] = cells["n_right"] / np.where(n > 0, n, np.nan)
    cells["low"], cells["high"] = wilson(cells["n_right"], n)
    return cells[[*keys, "n_trials", "n", "n_right", "p", "low", "high", "mse"]]


def fit_logistic(x: ArrayLike, n_right: ArrayLike, n: ArrayLike, names: tuple[str, str] = SIDES) -> Logistic:
    """Fit of choices at several levels by maximum likelihood, with equal lapses on both sides.

    Where a step explains every choice the likelihood has no finite maximum: the slope is infinite and the bias in the
    middle between the levels around the step.

    Args:
        x: Levels, (n_levels,).
        n_right: Rightward choices at each level.
        n: Choices at each level; levels without any do not count.
        names: What the two choices are called, the counted one last.
    """
    level, k, m, problem = usable(x, n_right, n, names)
    if (step := _step(level, k, m)) is not None:
        return step
    if problem:
        return Logistic(problem=problem)
    centre, scale = float(level.mean()), float(level.std())
    u = (level - centre) / scale
    direction = np.sign(np.cov(u, k / m)[0, 1]) or 1.0

    def loss(t: Array) -> tuple[float, Array]:
        shape, spared = expit(t[0] + t[1] * u), 1 - 2 * t[2]
        p = np.clip(t[2] + spared * shape, 1e-12, 1 - 1e-12)
        slope = (p * m - k) / (p * (1 - p)) / m.sum()
        rise = slope * spared * shape * (1 - shape)
        value = -(k * np.log(p) + (m - k) * np.log1p(-p)).sum() / m.sum()
        return float(value), np.array([rise.sum(), rise @ u, slope @ (1 - 2 * shape)])

    bounds = [(None, None), (None, None), (0.0, MAX_LAPSE)]
    starts = [np.array([0.0, direction * steep, lapse]) for steep in (1.0, 10.0) for lapse in (0.0, 0.05)]
    options = {"ftol": 1e-13, "gtol": 1e-9}
    found = [minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for start in starts]
    intercept, slope, lapse = min(found, key=lambda f: f.fun).x
    if abs(slope) < 1e-6:
        return Logistic(problem="choices do not depend on the level")
    return Logistic(float(centre - scale * intercept / slope), float(slope / scale), float(lapse))


def _step(x: Array, k: Array, n: Array) -> Logistic | None:
    """The step that explains every choice, if there is one."""
    if not len(x) or k.sum() in (0, n.sum()):
        return None
    order = np.argsort(x)
    x, k, n = x[order], k[order], n[order]
    for sign, up in ((1.0, k), (-1.0, n - k)):
        below, above = x[up < n], x[up > 0]  # levels with a choice of the lower and of the upper side
        if below.max() < above.min() or (below.max() == above.min() and len(x) > 1):
            return Logistic(float((below.max() + above.min()) / 2), sign * np.inf, 0.0)
    return None


def fit_rows(surface: pd.DataFrame, along: str = "relevant") -> pd.DataFrame:
    """Logistic fits of a surface along one coherence, at each level of the other one.

    Args:
        surface: What `choice_surface` gave.
        along: "relevant" or "irrelevant".

    Returns:
        One row a context and level: `context`, `level`, `bias`, `slope`, `lapse`, `problem`.
    """
    other = {"relevant": "irrelevant", "irrelevant": "relevant"}[along]
    rows: list[dict[str, Any]] = []
    for (context, level), row in surface.groupby(["context", other]):
        fit = fit_logistic(row[along], row["n_right"], row["n"])
        rows.append({"context": context, "level": level, **vars(fit)})
    return pd.DataFrame(rows, columns=["context", "level", "bias", "slope", "lapse", "problem"])


def gating(surface: pd.DataFrame) -> dict[Any, Gating]:
    r"""How choices depend on both coherences, by context.

    .. math:: \mathrm{logit}\, p = \beta_0 + \beta_r c_r + \beta_i c_i

    by penalised likelihood (Firth), whose slopes are finite even where a step explains every choice: nothing else would
    give a trained network, which hardly errs, an index.
    """
    found = {}
    for context, cells in surface.groupby("context"):
        cells = cells[cells["n"] > 0]
        x = cells[["relevant", "irrelevant"]].to_numpy(float)
        k, n = cells["n_right"].to_numpy(float), cells["n"].to_numpy(float)
        design = np.column_stack([np.ones(len(x)), x])
        if np.linalg.matrix_rank(design) < 3:
            found[context] = Gating(problem="choices at too few pairs of coherences")
            continue
        beta, covariance = firth(design, k, n)
        error = np.sqrt(np.diag(covariance))
        found[context] = Gating(*np.array([beta[0], beta[1], error[1], beta[2], error[2]]).tolist())
    return found


def firth(design: Array, k: Array, n: Array, max_steps: int = 200) -> tuple[Array, Array]:
    r"""Logistic regression of k of n choices with Jeffreys' prior: coefficients and their covariance.

    It maximises :math:`\ell(\beta) + \frac12 \log \det I(\beta)`, I the Fisher information, by Newton steps on the
    score :math:`X^T (k - n p + h (\frac12 - p))`, h the leverages, halved until they ascend.

    Args:
        design: X, (n_rows, n_coefficients), of full rank.
        k: Choices that are counted, (n_rows,).
        n: Choices, (n_rows,).
        max_steps: Most Newton steps.
    """

    def objective(beta: Array) -> tuple[float, Array, Array]:
        z = design @ beta
        p = expit(z)
        information = (design.T * (n * p * (1 - p))) @ design
        sign, logdet = np.linalg.slogdet(information)
        value = float((k * z - n * np.logaddexp(0, z)).sum() + logdet / 2) if sign > 0 else -np.inf
        return value, p, information

    beta = np.zeros(design.shape[1])
    value, p, information = objective(beta)
    for _ in range(max_steps):
        inverse = np.linalg.inv(information)
        leverage = n * p * (1 - p) * np.einsum("ij,jk,ik->i", design, inverse, design)
        step = inverse @ (design.T @ (k - n * p + leverage * (0.5 - p)))
        scale = 1.0
        while True:
            new = objective(beta + scale * step)
            if new[0] >= value or scale < 1e-6:
                break
            scale /= 2
        beta, (value, p, information) = beta + scale * step, new
        if np.abs(scale * step).max() < 1e-9 * (1 + np.abs(beta).max()):
            break
    return beta, np.linalg.inv(information).astype(np.float64)
