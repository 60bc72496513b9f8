"""Learning curves as small drawings within the page, from the histories of trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnpipe.errors import ArtefactError
from rnnpipe.io.history import any_history

MEASURES = {
    "p_correct": "correct, fraction of decided trials",
    "performance": "correct, fraction of trials",
    "accuracy": "correct, fraction of trials",
    "mse": "squared error",
    "mean_return": "mean return of an episode",
    "mean_reward": "mean reward of a trial",
}
"""What is drawn against updates or trials: the first of these that a history has."""
LOGARITHMIC = ("mse",)
FRACTIONS = ("p_correct", "performance", "accuracy")
"""Drawn from 0 to 1, so that experiments can be compared."""
POINTS = 80
"""Points of a curve; longer ones are thinned."""
MOST_DRAWINGS = 60
"""Experiments of a source that are drawn; a sweep may have thousands."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 300, 130, 52, 10, 10, 22


@dataclass(frozen=True)
class Curve:
    """Learning of one network."""

    seed: int
    measure: str
    x: tuple[float, ...]
    """Training trials."""
    y: tuple[float, ...]
    reached: bool
    made_by: str
    """Versions that trained it, in words."""


def read_curve(path: Path, seed: int) -> Curve:
    """The learning curve of a history, by whatever rule.

    Raises:
        ArtefactError: The file is no history, or has no measure of learning.
    """
    table = any_history(path)
    for measure in MEASURES:
        if measure in table and "n_trials" in table and bool(np.isfinite(table[measure]).any()):
            break
    else:
        raise ArtefactError(f"{path}: has none of {', '.join(MEASURES)} by trials; train the network again.")
    shown = table[np.isfinite(table[measure])]
    keep = np.unique(np.linspace(0, len(shown) - 1, POINTS).round().astype(int))
    x, y = (shown[column].to_numpy(float)[keep] for column in ("n_trials", measure))
    provenance = table.attrs.get("provenance", {})
    versions = provenance if isinstance(provenance, dict) else {}
    made_by = ", ".join(f"{k} {v}" for k, v in versions.items() if k != "stage" and isinstance(v, str))
    reached = bool(table.attrs.get("reached_criterion", bool(table["criterion"].any())))
    return Curve(seed, measure, tuple(x), tuple(y), reached, made_by or "not noted")


@dataclass(frozen=True)
class Drawing:
    """Curves of one experiment as numbers for an SVG, by seed, and the ends of the axes in words."""

    label: str
    lines: list[tuple[int, str]]
    dots: list[tuple[int, str, str]]
    """Curves of a single point."""
    n: int
    """Networks that are drawn."""
    x_end: str
    low: str
    high: str


def draw(curves: Sequence[Curve]) -> Drawing | None:
    """A drawing of the curves that have the first one's measure, or nothing where no network saw a trial."""
    curves = [curve for curve in curves if curve.measure == curves[0].measure]
    log = bool(curves) and curves[0].measure in LOGARITHMIC and all(min(curve.y) > 0 for curve in curves)
    scaled = [(curve, [math.log10(v) for v in curve.y] if log else list(curve.y)) for curve in curves]
    everything = [v for _, y in scaled for v in y]
    x_end = max((curve.x[-1] for curve in curves), default=0.0)
    if x_end <= 0:
        return None
    low, high = (0.0, 1.0) if curves[0].measure in FRACTIONS else (min(everything), max(everything))
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    lines, dots = [], []
    for curve, y in scaled:
        px = [LEFT + (WIDTH - LEFT - RIGHT) * v / x_end for v in curve.x]
        py = [TOP + (HEIGHT - TOP - BOTTOM) * (high - v) / (high - low) for v in y]
        if len(px) == 1:
            dots.append((curve.seed, f"{px[0]:.1f}", f"{py[0]:.1f}"))
        else:
            lines.append((curve.seed, " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))))
    label = MEASURES[curves[0].measure] + (" (log)" if log else "")
    ends = [f"{10**v if log else v:.3g}" for v in (low, high)]
    return Drawing(label, lines, dots, len(curves), f"{x_end:,.0f} trials", *ends)
