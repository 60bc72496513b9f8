"""Multisensory integration: thresholds of each modality, how they combine, and units selective for choice or modality.

A threshold is the width sigma of the cumulative Gaussian of an observer's choices. One that adds two independent cues
weighted by their precision 1/sigma^2 has, with both, the sum of their precisions.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 2B and Table 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from rnnpipe.analysis.proportions import LEVEL
from rnnpipe.analysis.psychometric import Fit, choices_by_level, fit_levels
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.selectivity import ACTIVE
from rnnpipe.analysis.traces import MIN_TRIALS, grouped_traces

LOW, HIGH = 1, 2
"""Choices, as in the trial table."""
NAMES = {LOW: "low", HIGH: "high"}
UNIMODAL = ("visual", "auditory")
MODALITIES = (*UNIMODAL, "multisensory")

PUBLISHED = (
    (2.124, 2.099, 1.451),
    (2.107, 2.086, 1.448),
    (2.276, 2.128, 1.552),
    (2.118, 2.155, 1.508),
    (2.077, 2.171, 1.582),
    (2.088, 2.149, 1.480),
)
"""Thresholds (events/s) of six networks for each of `MODALITIES`; Song, Yang & Wang (2017), Table 2."""

STIMULUS_WINDOW = (-300.0, 1000.0)
"""Lags from stimulus onset (ms) over which units are shown."""


class Estimate(NamedTuple):
    """A number with its confidence interval; NaN where it cannot be had."""

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan


@dataclass(frozen=True)
class Thresholds:
    """Fits of one network's choices, and the precisions (1 / (events/s)^2) that follow."""

    fits: dict[str, Fit]
    """By modality."""
    predicted: Estimate
    """Precision of an observer that adds both cues, 1/sigma_visual^2 + 1/sigma_auditory^2."""
    measured: Estimate
    """Precision with both cues, 1/sigma_multisensory^2."""
    ratio: Estimate
    """Measured over predicted, 1 where cues are combined as well as they could be."""

    def sigma(self, modality: str) -> Estimate:
        """Threshold, events/s."""
        fit = self.fits[modality]
        return Estimate(fit.sigma, fit.sigma_low, fit.sigma_high)


def high_choices(table: pd.DataFrame, modality: str) -> pd.DataFrame:
    """Choices "high" at each rate (events/s) of a modality; columns as in `psychometric.choices_by_level`."""
    trials = table[table["modality"] == modality]
    return choices_by_level(trials, trials["rate"], HIGH)


def thresholds(table: pd.DataFrame, level: float = LEVEL) -> Thresholds:
    r"""Thresholds of a trial table with `modality`, `rate`, `choice` and `decision`.

    The modalities are different trials, so the errors of their fits are independent. To first order the precision
    P = 1/sigma^2 has the standard error 2 SE(sigma)/sigma^3; the intervals are those of log P and of the log of the
    ratio, whose variance is

    .. math:: \mathrm{Var}(\ln r) = \frac{\mathrm{Var}(P_{va})}{P_{va}^2} +
        \frac{\mathrm{Var}(P_v) + \mathrm{Var}(P_a)}{(P_v + P_a)^2}
    """
    fits = {m: fit_levels(high_choices(table, m), (NAMES[LOW], NAMES[HIGH])) for m in MODALITIES}
    z = float(norm.ppf(0.5 + LEVEL / 2))  # the level of the fits
    sigma = np.array([fits[m].sigma for m in MODALITIES])
    error = (np.array([fits[m].sigma_high for m in MODALITIES]) - sigma) / z  # the lower bound is cut at 0
    precision, spread = sigma**-2.0, 2 * error * sigma**-3.0
    both, sum_of_errors = precision[:2].sum(), np.hypot(*spread[:2])
    relative = sum_of_errors / both, spread[2] / precision[2]
    return Thresholds(
        fits,
        _log_interval(both, relative[0], level),
        _log_interval(precision[2], relative[1], level),
        _log_interval(precision[2] / both, float(np.hypot(*relative)), level),
    )


def _log_interval(value: float, relative_error: float, level: float) -> Estimate:
    factor = float(np.exp(norm.ppf(0.5 + level / 2) * relative_error))
    return Estimate(float(value), float(value) / factor, float(value) * factor)


def published() -> list[tuple[tuple[float, float, float], float, float, float]]:
    """Table 2: of each network the thresholds, the predicted and the measured precision, and their ratio."""
    rows = []
    for sigmas in PUBLISHED:
        visual, auditory, both = (sigma**-2.0 for sigma in sigmas)
        rows.append((sigmas, visual + auditory, both, both / (visual + auditory)))
    return rows


def mean_of_networks(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """Mean over the networks that could be measured, with Student's t interval; no interval for a single one."""
    measured = np.asarray(values, dtype=float)
    measured = measured[np.isfinite(measured)]
    n = len(measured)
    if n == 0:
        return Estimate()
    mean = float(measured.mean())
    if n == 1:
        return Estimate(mean)
    half = float(student.ppf(0.5 + level / 2, n - 1) * measured.std(ddof=1) / np.sqrt(n))
    return Estimate(mean, mean - half, mean + half)


@dataclass(frozen=True)
class Selectivity:
    """How units tell choices and modalities apart in correct unimodal trials, (n_units,) each."""

    choice: NDArray[np.float64]
    """d' of the choice, positive where the unit fires more before "high"; NaN where the unit never varied, and for all
    units where a condition has fewer than 5 trials."""
    modality: NDArray[np.float64]
    """d' of the modality, positive where the unit fires more with visual than with auditory stimuli."""
    rate: NDArray[np.float64]
    """Mean rate over the four conditions."""


@dataclass(frozen=True)
class Example:
    """A unit and the selectivity it stands for."""

    kind: str
    """"choice", "modality" or "mixed"."""
    unit: int
    d_choice: float
    d_modality: float


def unimodal_conditions(table: pd.DataFrame) -> pd.DataFrame:
    """`modality` and `choice` ("low", "high") of correct unimodal trials; other trials have neither."""
    counts = ((table["correct"] == 1) & table["modality"].isin(UNIMODAL)).to_numpy()
    choice = table["choice"].map(NAMES)
    return pd.DataFrame({"modality": table["modality"].where(counts), "choice": choice.where(counts)})


def selectivity(recording: Recording) -> Selectivity:
    r"""Selectivity of each policy unit during the stimulus.

    The four conditions (modality x choice) count equally, however many trials they have, so that neither d' contains
    the other: with m and v the mean and variance of the rate over all (step, trial) samples of a condition,

    .. math:: d'_{choice} = \frac{(m_{V,high} + m_{A,high} - m_{V,low} - m_{A,low})/2}{\sqrt{\bar v}}, \quad
        d'_{modality} = \frac{(m_{V,high} + m_{V,low} - m_{A,high} - m_{A,low})/2}{\sqrt{\bar v}}
    """
    table = recording.table
    labels = unimodal_conditions(table)
    conditions = [(m, c) for m in UNIMODAL for c in NAMES.values()]
    group = np.full(len(table), -1)
    for i, (modality, choice) in enumerate(conditions):
        members = np.flatnonzero((labels["modality"] == modality) & (labels["choice"] == choice))
        if len(members) >= MIN_TRIALS:
            group[members] = i
    moments = recording.moments("policy_rates", table["stimulus_on"], table["stimulus_off"], group, len(conditions))
    visual = np.array([m == "visual" for m, _ in conditions])
    high = np.array([c == "high" for _, c in conditions])
    spread = np.sqrt(moments.variance.mean(axis=0))
    spread = np.where(spread > 0, spread, np.nan)

    def d_prime(positive: NDArray[np.bool_]) -> NDArray[np.float64]:
        d: NDArray[np.float64] = (moments.mean[positive].mean(axis=0) - moments.mean[~positive].mean(axis=0)) / spread
        return d

    return Selectivity(d_prime(high), d_prime(visual), moments.mean.mean(axis=0))


def example_units(found: Selectivity) -> list[Example]:
    """A choice-, a modality- and a mixed-selective unit, all different.

    Among active units (mean rate at least a quarter of the mean over units) they are those with the largest
    |d'_choice| - |d'_modality|, |d'_modality| - |d'_choice|, and smaller of both. The list ends early where too few
    units have a d'.
    """
    choice, modality = np.abs(found.choice), np.abs(found.modality)
    usable = np.isfinite(choice) & np.isfinite(modality) & (found.rate >= ACTIVE * found.rate.mean())
    scores = {"choice": choice - modality, "modality": modality - choice, "mixed": np.minimum(choice, modality)}
    examples = []
    for kind, score in scores.items():
        if not usable.any():
            break
        unit = int(np.argmax(np.where(usable, score, -np.inf)))
        usable[unit] = False
        examples.append(Example(kind, unit, float(found.choice[unit]), float(found.modality[unit])))
    return examples


def unit_traces(recording: Recording, unit: int, window: tuple[float, float] = STIMULUS_WINDOW) -> pd.DataFrame:
    """Mean rate of a unit in correct unimodal trials by `modality` and `choice`, aligned to stimulus onset.

    Columns as in `traces.grouped_traces`.
    """
    aligned = recording.around("stimulus", "policy_rates", window, unit)
    return grouped_traces(aligned, unimodal_conditions(recording.table))
