"""What a quantity is, and the table of all of them.

A quantity is a function of what was read from one network's files, or of the table of many networks; adding one is
adding a function with the decorator below to a module of this folder. NaN stands for "this network does not allow the
measurement" and infinity for "never happened".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Reads = Literal["history", "table", "activity", "networks", "network", "fixed_points"]
"""What a quantity is computed from: a training history, a trial table, a `Recording` of activity, a table of all
networks of a claim (`rnnpipe.analysis.networks`), a continuous-time network, or its certified fixed points."""

Summary = Literal["mean", "median", "largest", "pooled"]
"""How networks are summarised; "pooled" is one measurement of all networks together."""


@dataclass(frozen=True)
class Quantity:
    """A measure of one network and of a set of them, or of a set as a whole."""

    measure: Callable[[Any], float]
    reads: Reads
    summary: Summary

    @property
    def description(self) -> str:
        """First line of the measure's docstring."""
        return (self.measure.__doc__ or "").strip().splitlines()[0].rstrip(".")

    def summarise(self, values: Sequence[float]) -> float:
        """One number for several networks; NaN if none could be measured. A pooled quantity has one value already."""
        measured = np.asarray([v for v in values if not np.isnan(v)], dtype=float)
        if not len(measured):
            return np.nan
        summaries: dict[str, Callable[[np.ndarray], float]] = {
            "mean": np.mean,
            "median": _median,
            "largest": np.max,
            "pooled": np.mean,
        }
        return float(summaries[self.summary](measured))


QUANTITIES: dict[str, Quantity] = {}


def quantity(reads: Reads, summary: Summary) -> Callable[[Callable[[Any], float]], Callable[[Any], float]]:
    """Register a function of one network's data (or of the table of all) as a quantity under its own name."""

    def register(measure: Callable[[Any], float]) -> Callable[[Any], float]:
        QUANTITIES[measure.__name__] = Quantity(measure, reads, summary)
        return measure

    return register


def _median(values: np.ndarray) -> float:
    """Median that is infinite, not NaN, where the middle pair holds an infinity."""
    ordered = np.sort(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float(low if low == high else (low + high) / 2)
