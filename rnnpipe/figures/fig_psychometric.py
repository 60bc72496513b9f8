"""Decisions and right choices of a motion task by signed coherence, with the cumulative Gaussian fitted to them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnpipe.analysis import psychometric
from rnnpipe.analysis.proportions import wilson
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import SIGNED_COHERENCE, draw_psychometric, motion_table, only, psychometric_points
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import INK, new_figure, panel_letter, place, styled
from rnnpipe.settings import Settings

NEEDS = {"behaviour": "evaluation of the network on many trials"}


class Options(Settings):
    """This figure has no settings."""


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    table = motion_table(only(inputs, "behaviour"))
    levels = psychometric.right_choices(table)
    low, high = wilson(levels["n"], levels["n_trials"])
    decisions = points(
        "A",
        "decisions",
        x=levels["x"].to_numpy(),
        y=levels["p_decision"].to_numpy(),
        low=low,
        high=high,
        n=levels["n_trials"].to_numpy(float),
        x_label=SIGNED_COHERENCE,
        y_label="Fraction of trials with a decision",
    )
    sided = table["choice"].isin([psychometric.LEFT, psychometric.RIGHT])  # a sure option is on neither side
    return assemble([decisions, psychometric_points("B", table.assign(decision=table["decision"] & sided))])


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(62)
    panel_letter(figure, "A", 1, 1)
    _draw_decisions(place(figure, 14, 10, 66, 47), of(table, "A"))
    panel_letter(figure, "B", 90, 1)
    draw_psychometric(place(figure, 103, 10, 66, 47), table, "B")
    return figure


def _draw_decisions(axes: Axes, rows: pd.DataFrame) -> None:
    axes.vlines(rows["x"], rows["low"], rows["high"], color=INK, lw=0.7)
    axes.plot(rows["x"], rows["y"], "o-", color=INK, ms=3.2, lw=0.8)
    bottom = min(0.9, float(np.floor(10 * rows["low"].min()) / 10))  # decisions fail rarely in a trained network
    axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0], xticks=[-50, -25, 0, 25, 50])
    axes.set_ylim(bottom, 1 + 0.03 * (1 - bottom))
