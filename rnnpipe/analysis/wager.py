"""Post-decision wagering: when the sure option is taken, what waiving it says of the choice, and units by evidence.

Trials are of three kinds. On *forced* trials only left and right are offered. Where the sure option is offered it is
either taken, or *waived* for left or right.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 3; after Kiani & Shadlen (2009) Science 324:759.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from rnnpipe.analysis.alignment import Aligned
from rnnpipe.analysis.durations import N_BINS, accuracy_by_duration, fraction_by_duration, mean_by_duration
from rnnpipe.analysis.proportions import difference, wilson
from rnnpipe.analysis.psychometric import LEFT, RIGHT
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.selectivity import ACTIVE, d_prime_of
from rnnpipe.analysis.traces import MIN_TRIALS, grouped_traces
from rnnpipe.tasks._sure import SURE

INTERMEDIATE = (6.4, 25.6)
"""Lowest and highest coherence (percent) at which accuracy is off chance and off the ceiling, so that it can differ."""

VALUE_WINDOW = 500.0
"""Time after the end of the stimulus (ms) over which values are averaged: the sure target never appears earlier."""

OFFERS = ("forced", "waived")
"""Kinds of trials with a left or right choice."""


def choices_of_side(table: pd.DataFrame, offer: str) -> NDArray[np.bool_]:
    """Trials of a kind, "forced" or "waived", that ended with left or right, (n_trials,)."""
    chosen = table["decision"].to_numpy(bool) & table["choice"].isin([LEFT, RIGHT]).to_numpy()
    offered: NDArray[np.bool_] = table["wager"].to_numpy(bool)
    return chosen & (offered if offer == "waived" else ~offered)


def _decided_wagers(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["wager"].to_numpy(bool) & table["decision"].to_numpy(bool)]


def sure_by_coherence(table: pd.DataFrame) -> pd.DataFrame:
    """Fraction of sure choices among the decisions of wager trials, per coherence.

    Args:
        table: Trials with `wager`, `coherence` (percent), `choice` and `decision`.

    Returns:
        One row a coherence, ascending: `coherence`, `n_sure`, `n`, `p`, `low`, `high` (Wilson interval).
    """
    trials = _decided_wagers(table)
    sure = (trials["choice"] == SURE).astype(int)
    levels = sure.groupby(trials["coherence"].astype(float)).agg(["sum", "count"]).reset_index()
    levels.columns = ["coherence", "n_sure", "n"]
    levels["p"] = levels["n_sure"] / levels["n"]
    levels["low"], levels["high"] = wilson(levels["n_sure"], levels["n"])
    return levels


def sure_by_duration(table: pd.DataFrame, n_bins: int = N_BINS) -> pd.DataFrame:
    """Fraction of sure choices among the decisions of wager trials against stimulus duration; all coherences.

    Columns as in `rnnpipe.analysis.durations.fraction_by_duration`.
    """
    trials = _decided_wagers(table)
    return fraction_by_duration(trials, trials["choice"] == SURE, n_bins)


def accuracy_by_offer(table: pd.DataFrame, n_bins: int = N_BINS) -> pd.DataFrame:
    """Fraction correct of left and right choices against stimulus duration; coherences above zero.

    Columns as in `rnnpipe.analysis.durations.fraction_by_duration`, and first `offer`: "forced" or "waived".
    """
    parts = [accuracy_by_duration(table[choices_of_side(table, offer)], n_bins) for offer in OFFERS]
    return _stacked(parts)


def value_by_offer(recording: Recording, n_bins: int = N_BINS) -> pd.DataFrame:
    """Value in the 500 ms after the stimulus against its duration, of trials with a left or right choice.

    Columns as in `rnnpipe.analysis.durations.mean_by_duration`, and first `offer`: "forced" or "waived".
    """
    table, off = recording.table, recording.table["stimulus_off"].to_numpy(float)
    value = recording.trial_means("value", off, off + VALUE_WINDOW)
    kinds = [choices_of_side(table, offer) for offer in OFFERS]
    return _stacked([mean_by_duration(table[kind], value[kind], n_bins) for kind in kinds])


def _stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    parts = [part.assign(offer=offer) for offer, part in zip(OFFERS, parts, strict=True)]
    stacked = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return stacked[["offer", *(name for name in stacked if name != "offer")]]


def gain_of_waiving(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of left and right choices where the sure option was waived less that where there was none.

    Args:
        table: Trials with `wager`, `coherence` (percent), `choice`, `decision` and `correct`.

    Returns:
        One row a coherence above zero with choices of both kinds, ascending: `coherence`, `forced`, `waived`
        (accuracies), `difference` with its 95 % score interval `low`, `high`, `n_forced`, `n_waived`.
    """
    rows = []
    for coherence in np.unique(table["coherence"].to_numpy(float)):
        if coherence <= 0:
            continue
        here = table["coherence"].to_numpy(float) == coherence
        groups = [table["correct"].to_numpy()[here & choices_of_side(table, offer)] == 1 for offer in OFFERS]
        k, n = ((float(g(groups[0])), float(g(groups[1]))) for g in (np.sum, len))
        if min(n) == 0:
            continue
        rows.append((float(coherence), k[0] / n[0], k[1] / n[1], *difference(k, n), int(n[0]), int(n[1])))
    names = ["coherence", "forced", "waived", "difference", "low", "high", "n_forced", "n_waived"]
    return pd.DataFrame(rows, columns=names)


def sure_falls_with_coherence(table: pd.DataFrame) -> bool | None:
    """Whether sure choices fall with coherence, beyond what sampling can tell.

    They do when they are rarer at the highest coherence than at the lowest, and at no coherence commoner than at the
    one below it; "rarer" and "commoner" mean that the 95 % interval of the difference excludes zero. A strict order
    of the proportions would be left to chance between coherences that hardly differ, such as 0 and 3.2 %.

    None where there are fewer than two coherences with decisions, or where nothing but the sure option, or never it,
    was taken.
    """
    levels = sure_by_coherence(table)
    k, n = levels["n_sure"].to_numpy(float), levels["n"].to_numpy(float)
    if len(levels) < 2 or k.sum() in (0, n.sum()):
        return None
    rises = [difference((k[i], k[i + 1]), (n[i], n[i + 1]))[1] > 0 for i in range(len(k) - 1)]
    falls = difference((k[0], k[-1]), (n[0], n[-1]))[2] < 0
    return bool(falls and not any(rises))


def sure_and_duration(table: pd.DataFrame, coherences: tuple[float, float] = INTERMEDIATE) -> pd.DataFrame:
    """Rank correlation of sure choices and stimulus duration on wager trials, per coherence between two.

    Returns:
        One row a coherence, ascending: `coherence`, `correlation` (Spearman; NaN where only sure choices, or none,
        were made), `n`.
    """
    trials = _decided_wagers(table)
    trials = trials[trials["coherence"].between(*coherences)]
    rows = []
    for coherence, group in trials.groupby("coherence"):
        sure, duration = (group["choice"] == SURE).to_numpy(float), group["stimulus"].to_numpy(float)
        varies = sure.std() > 0 and duration.std() > 0
        rows.append((float(coherence), float(spearmanr(sure, duration).statistic) if varies else np.nan, len(group)))
    return pd.DataFrame(rows, columns=["coherence", "correlation", "n"])


@dataclass(frozen=True)
class Preference:
    """A unit and the target it prefers."""

    unit: int
    d_prime: float
    """By side of the evidence, positive where the unit fires more for rightward evidence."""

    @property
    def target(self) -> int:
        """Preferred target, +1 (right) or -1 (left)."""
        return 1 if self.d_prime > 0 else -1


def evidence_selectivity(recording: Recording, name: str) -> NDArray[np.float64]:
    """Selectivity (d') of each unit for the side of the evidence, over all samples of the stimulus of decided trials.

    Args:
        recording: Activity of a wager network.
        name: "policy_rates" or "value_rates".

    Returns:
        One a unit, positive where rightward evidence makes it fire more; NaN where a side was never shown or the unit
        never varied.
    """
    table = recording.table
    side = np.where(table["decision"], np.where(table["side"] > 0, 1, 0), -1)
    return d_prime_of(recording.moments(name, table["stimulus_on"], table["stimulus_off"], side, 2))


def preferred_unit(recording: Recording, name: str, unit: int | None = None) -> Preference | None:
    """That unit, or by default the active one of largest absolute d' by evidence side.

    A unit is active when its mean rate over the stimulus of all decided trials is at least a quarter of the mean over
    units.

    Returns:
        None where no unit has a d' (no unit varies, or one side was never shown).
    """
    table = recording.table
    selectivity = evidence_selectivity(recording, name)
    if unit is not None:
        return Preference(unit, float(selectivity[unit])) if np.isfinite(selectivity[unit]) else None
    if not np.isfinite(selectivity).any():
        return None
    decided = np.where(table["decision"], 0, -1)
    rates = recording.moments(name, table["stimulus_on"], table["stimulus_off"], decided, 1).mean[0]
    active = np.isfinite(selectivity) & (rates >= ACTIVE * rates.mean())
    best = int(np.argmax(np.where(active, np.abs(np.nan_to_num(selectivity)), -1.0)))
    return Preference(best, float(selectivity[best])) if active.any() else None


def by_evidence(aligned: Aligned, table: pd.DataFrame, target: int, min_trials: int = MIN_TRIALS) -> pd.DataFrame:
    """Mean trace of trials with evidence for a unit's preferred target and for the other.

    Coherence zero is left out, for it has no evidence; errors are kept.

    Args:
        aligned: One unit, (n_lags, n_trials).
        table: The same trials, with `side`, `coherence`, `choice` and `decision`.
        target: Preferred target, +1 or -1.
        min_trials: A lag with fewer trials is left out.

    Returns:
        As `rnnpipe.analysis.traces.grouped_traces` of `evidence` ("preferred", "other") and `taken` ("side" for left
        or right, "sure").
    """
    evidence = pd.Series(np.where(table["side"] == target, "preferred", "other"), index=table.index)
    labels = pd.DataFrame({"evidence": evidence.where(table["coherence"] > 0), "taken": _taken(table)})
    return grouped_traces(aligned, labels, min_trials)


def by_coherence_and_option(aligned: Aligned, table: pd.DataFrame, min_trials: int = MIN_TRIALS) -> pd.DataFrame:
    """Mean trace of each `coherence` (percent) and `taken` ("side", "sure"); see `by_evidence`."""
    labels = pd.DataFrame({"coherence": table["coherence"].astype(float), "taken": _taken(table)})
    return grouped_traces(aligned, labels, min_trials)


def _taken(table: pd.DataFrame) -> pd.Series:
    """What was taken: "side" or "sure"; missing without a decision."""
    taken = pd.Series(np.where(table["choice"] == SURE, "sure", "side"), index=table.index, dtype=object)
    return taken.where(table["decision"].to_numpy(bool))


Event = Literal["stimulus", "sure", "choice"]
EVENTS: tuple[tuple[bool, Event, tuple[float, float]], ...] = (
    (False, "stimulus", (-100.0, 700.0)),
    (False, "choice", (-500.0, 0.0)),
    (True, "stimulus", (-100.0, 700.0)),
    (True, "sure", (-200.0, 700.0)),
    (True, "choice", (-500.0, 0.0)),
)
"""Whether the sure option is offered, what activity is aligned to, and the window (ms) of each published panel."""


def around(recording: Recording, name: str, wager: bool, event: Event, window: tuple[float, float], unit: Any = None
           ) -> tuple[Aligned, pd.DataFrame]:  # fmt: skip
    """Activity around an event, and the table, of trials with or without the sure option."""
    kind = np.flatnonzero(recording.table["wager"].to_numpy(bool) == wager)
    if event == "choice":
        aligned = recording.around_choice(name, window, unit)
    else:
        aligned = recording.around(event, name, window, unit)
    return aligned[kind], recording.table.iloc[kind].reset_index(drop=True)
