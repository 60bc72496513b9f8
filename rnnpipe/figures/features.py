"""How figures show what is sorted by motion and by color: ink and blue, lighter for weaker evidence."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.colors import to_rgb

from rnnpipe.figures.style import INK

FEATURE_COLORS = {"motion": INK, "color": "#0072b2"}
"""Color of a feature, and of the context in which it is judged."""

STYLES = {"preferred": "-", "non-preferred": (0, (2.6, 1.3))}
"""Line of the choice, in the preferred coordinates of a unit."""


def choice_name(side: float) -> str:
    """Name of a choice in preferred coordinates, +1 or -1."""
    return "preferred" if side > 0 else "non-preferred"


def strength_colors(feature: str, strengths: Sequence[float]) -> dict[float, tuple[float, float, float]]:
    """A shade of a feature's color for each strength of evidence, from light to dark."""
    levels = sorted({abs(s) for s in strengths})
    weights = [1.0] if len(levels) == 1 else [0.4 + 0.6 * i / (len(levels) - 1) for i in range(len(levels))]
    return {level: _blend(FEATURE_COLORS[feature], w) for level, w in zip(levels, weights, strict=True)}


def _blend(color: str, weight: float) -> tuple[float, float, float]:
    """A color mixed with white."""
    red, green, blue = (1 - weight * (1 - part) for part in to_rgb(color))
    return red, green, blue
