"""Value along trials of a motion task by coherence and choice, against the mean reward.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 1E.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import motion_table, only
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, new_figure, place, styled
from rnnpipe.figures.traces import draw_value, legends, value_points
from rnnpipe.settings import Settings, setting

NEEDS = {"activity": "evaluation of the network with recorded activity"}


class Options(Settings):
    """Settings of the figure."""

    highest: float = setting(1.0, "upper end of the axis of the value, unless data go beyond it", gt=0)
    lowest: float = setting(0.5, "lower end of that axis, likewise")


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    path = only(inputs, "activity")
    motion_table(path, "stimulus_on")
    recording = Recording(path)
    reward = recording.table["reward"]
    return assemble(
        [
            points("A", "limits", low=options.lowest, high=options.highest),
            points("A", "mean reward", y=float(reward.mean()), n=float(len(reward)), label="mean reward"),
            *value_points("A", recording),
        ]
    )


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(62)
    levels = sorted(table["coherence"].dropna().unique())
    limits = of(table, "A", "limits").iloc[0]
    stimulus, choice = place(figure, 14, 12, 80, 46), place(figure, 100, 12, 40, 46)
    draw_value(stimulus, choice, table, "A", levels, (float(limits["low"]), float(limits["high"])))
    reward = of(table, "A", "mean reward").iloc[0]
    for axes in (stimulus, choice):
        axes.axhline(reward["y"], color=GREY, lw=0.7, ls=":", zorder=1)
    stimulus.legend(handles=[Line2D([], [], color=GREY, lw=0.7, ls=":", label=reward["label"])], loc="upper left")
    stimulus.set_xticklabels(["\N{MINUS SIGN}200", "0", "200", "400", ""])
    legends(choice, levels)
    return figure
