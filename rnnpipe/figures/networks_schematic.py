"""Schematic of the two networks: the policy network acts, the value network predicts the return from what it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch

from rnnpipe.figures.source_data import of, points
from rnnpipe.figures.style import GREY, INK

FILL = {"policy": "#e0e7f1", "value": "#f7ecd9"}


def network_sizes(panel: str, attributes: Mapping[str, Any]) -> pd.DataFrame:
    """Number of units of both networks, from the settings that an evaluation carries (NaN where they are absent)."""
    settings = attributes.get("settings", {})
    kind = settings.get("value_network", {}).get("kind", "gated")
    policy = settings.get("network", {}).get("n_units", float("nan"))
    value = settings.get("value_network", {}).get("n_units", float("nan")) if kind != "linear" else float("nan")
    parts = [points(panel, "policy", y=policy, label=_units(policy)),
             points(panel, "value", y=value, label=_units(value) if kind != "linear" else "linear")]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _units(n: float) -> str:
    return f"{int(n)} units" if n == n else ""


def draw_networks(axes: Axes, table: pd.DataFrame, panel: str) -> None:
    """Draw both networks into empty axes of about 60 by 40 mm."""
    box = axes.get_position()
    figure = axes.get_figure(root=True)
    assert figure is not None
    width, height = figure.get_size_inches() * (box.width, box.height)
    h = 10 * height / width  # one unit is the same length in both directions, so that circles are round
    axes.set(xlim=(0, 10), ylim=(0, h))
    axes.axis("off")
    radius, gap = 1.25, 7.5
    policy, value = (4.4, h - radius - 0.1), (4.4, radius + 0.1)
    for name, (x, y) in (("policy", policy), ("value", value)):
        axes.add_patch(Circle((x, y), radius, fc=FILL[name], ec=INK, lw=0.7))
        axes.text(x, y + 0.25, f"{name.capitalize()}\nnetwork", ha="center", va="center", linespacing=1.1)
        axes.text(
            x, y - 0.66, of(table, panel, name)["label"].iloc[0], ha="center", va="center", fontsize=5.5, color=GREY
        )
    between = (policy[1] + value[1]) / 2
    _arrow(axes, (1.95, policy[1]), (policy[0] - radius, policy[1]))
    axes.text(1.85, policy[1], "Fixation cue,\nevidence", ha="right", va="center", linespacing=1.15)
    _arrow(axes, (policy[0] + radius, policy[1]), (gap - 0.15, policy[1]))
    axes.text(gap, policy[1], "Fixate,\nleft or right", ha="left", va="center", linespacing=1.15)
    _arrow(axes, (policy[0], policy[1] - radius), (value[0], value[1] + radius))
    axes.text(policy[0] - 0.15, between, "firing rates", ha="right", va="center", color=GREY, fontsize=5.5)
    _arrow(axes, (gap + 0.7, policy[1] - 0.6), (value[0] + 0.87 * radius, value[1] + 0.5 * radius), bend=-0.3)
    axes.text(gap + 0.75, between, "last action", ha="left", va="center", color=GREY, fontsize=5.5)
    _arrow(axes, (value[0] + radius, value[1]), (gap - 0.15, value[1]))
    axes.text(gap, value[1], "Expected\nreward", ha="left", va="center", linespacing=1.15)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], bend: float = 0.0) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=5,
            lw=0.7,
            color=INK,
            shrinkA=0,
            shrinkB=0,
            connectionstyle=f"arc3,rad={bend}",
        )  # fmt: skip
    )
