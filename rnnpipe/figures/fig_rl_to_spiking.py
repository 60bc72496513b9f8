"""A rate network that learned a motion task from reward, and the spiking network it is mapped to: what both choose.

Fractions of right choices among trials with a choice, each with the cumulative Gaussian fitted to it, and of trials
with a choice, by signed coherence.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from rnnpipe.analysis import psychometric
from rnnpipe.analysis.proportions import wilson
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import SIGNED_COHERENCE, motion_table, only, psychometric_points
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, new_figure, panel_letter, place, styled
from rnnpipe.settings import Settings

NEEDS = {
    "rate": "evaluation of the rate network on many trials",
    "spiking": "evaluation of the spiking network on the same trials",
}
COLORS = {"rate": INK, "spiking": "#d55e00"}
SHIFT = {"rate": -0.4, "spiking": 0.4}
"""Horizontal shift of the points, so that error bars do not hide each other, percent coherence."""


class Options(Settings):
    """This figure has no settings."""


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    parts = []
    for network in NEEDS:
        table = motion_table(only(inputs, network))
        sided = table["choice"].isin([psychometric.LEFT, psychometric.RIGHT])
        table = table.assign(decision=table["decision"] & sided)
        parts.append(psychometric_points(f"A {network}", table))
        levels = psychometric.right_choices(table)
        low, high = wilson(levels["n"], levels["n_trials"])
        factor = table.attrs.get("scaling_factor")
        parts.append(
            points(
                f"B {network}",
                "decisions",
                x=levels["x"].to_numpy(),
                y=levels["p_decision"].to_numpy(),
                low=low,
                high=high,
                n=levels["n_trials"].to_numpy(float),
                x_label=SIGNED_COHERENCE,
                y_label="Fraction of trials with a decision",
                label=network if factor is None else f"{network}, factor {float(factor):g}",
            )
        )
    return assemble(parts)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(62)
    panel_letter(figure, "A", 1, 1)
    _draw_choices(place(figure, 14, 10, 66, 47), table)
    panel_letter(figure, "B", 90, 1)
    _draw_decisions(place(figure, 103, 10, 66, 47), table)
    return figure


def _draw_choices(axes: Axes, table: pd.DataFrame) -> None:
    axes.set(ylim=(-0.03, 1.03), yticks=[0, 0.25, 0.5, 0.75, 1.0])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhline(0.5, color=GREY, lw=0.4, ls=":", zorder=0)
    axes.axvline(0, color=GREY, lw=0.4, ls=":", zorder=0)
    for i, (network, color) in enumerate(COLORS.items()):
        seen, fit = (of(table, f"A {network}", series) for series in ("right choices", "fit"))
        axes.plot(fit["x"], fit["y"], color=color, lw=1.0)
        axes.vlines(seen["x"] + SHIFT[network], seen["low"], seen["high"], color=color, lw=0.7)
        axes.plot(seen["x"] + SHIFT[network], seen["y"], "o", color=color, ms=3.2)
        why = of(table, f"A {network}", "no fit")["label"]
        text = str(fit["label"].iloc[0]) if len(fit) else f"no fit: {why.iloc[0]}"
        axes.text(
            0.03, 0.97 - 0.21 * i, f"{network}\n{text}", transform=axes.transAxes, ha="left", va="top", fontsize=6,
            linespacing=1.4, color=color,
        )  # fmt: skip
        if len(seen):
            axes.set(xlabel=seen["x_label"].iloc[0], ylabel=seen["y_label"].iloc[0])
    axes.set_xticks([-50, -25, 0, 25, 50])


def _draw_decisions(axes: Axes, table: pd.DataFrame) -> None:
    lowest = 1.0
    for network, color in COLORS.items():
        rows = of(table, f"B {network}")
        axes.vlines(rows["x"] + SHIFT[network], rows["low"], rows["high"], color=color, lw=0.7)
        axes.plot(rows["x"] + SHIFT[network], rows["y"], "o-", color=color, ms=3.2, lw=0.8, label=rows["label"].iloc[0])
        lowest = min(lowest, float(rows["low"].min()))
        axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0])
    bottom = min(0.9, float(np.floor(10 * lowest) / 10))
    axes.set_xticks([-50, -25, 0, 25, 50])
    axes.set_ylim(bottom, 1 + 0.03 * (1 - bottom))
    axes.legend(loc="lower center", frameon=False)
