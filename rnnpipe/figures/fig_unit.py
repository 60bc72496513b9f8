"""A unit of a motion task by coherence and choice, around the stimulus and around the choice.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 1D, with the published analysis's longer windows.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.traces import sorted_traces
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import UNIT_PANEL_LABEL, Activity, only, unit_label
from rnnpipe.figures.source_data import assemble, of
from rnnpipe.figures.style import new_figure, note, place, styled
from rnnpipe.figures.traces import draw_traces, legends, trace_points
from rnnpipe.settings import Settings, setting

NEEDS = {"activity": "evaluation of the network with recorded activity"}
STIMULUS_WINDOW = (-200.0, 1000.0)
CHOICE_WINDOW = (-600.0, 100.0)


class Options(Settings):
    """Settings of the figure."""

    unit: int | None = setting(
        None, "policy unit to show; by default the one of largest |d'| among those ordered by coherence", ge=0
    )


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    activity = Activity.read(only(inputs, "activity"), "policy_rates")
    example = activity.example(options.unit)
    if example is None:
        return assemble([])
    rates = activity.arrays["policy_rates"][:, :, example.unit]
    parts = []
    for series, aligned, event in (
        ("stimulus", activity.around_stimulus(rates, STIMULUS_WINDOW), "stimulus onset"),
        ("choice", activity.around_choice(rates, CHOICE_WINDOW), "choice"),
    ):
        traces = sorted_traces(aligned, activity.table)
        parts.append(trace_points("A", series, traces, event, UNIT_PANEL_LABEL).assign(label=unit_label(example)))
    return assemble(parts)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(66)
    # one scale of time in both
    stimulus, choice = place(figure, 14, 10, 78, 48), place(figure, 98, 10, 45.5, 48)
    if table.empty:
        for axes, window in ((stimulus, STIMULUS_WINDOW), (choice, CHOICE_WINDOW)):
            axes.set(xlim=window, yticks=[])
            note(axes, "no unit tells left from right choices")
        return figure
    levels = sorted(table["coherence"].dropna().unique())
    top = 1.05 * max(float(table["y"].max()), 0.1)
    bottom = min(1.05 * float(table["y"].min()), 0.0)  # the output of an LSTM may be negative
    for axes, series, window in ((stimulus, "stimulus", STIMULUS_WINDOW), (choice, "choice", CHOICE_WINDOW)):
        draw_traces(axes, table, "A", series, levels)
        axes.set(xlim=window, ylim=(bottom, top))
    stimulus.yaxis.set_major_locator(MaxNLocator(5))
    stimulus.set_title(of(table, "A")["label"].iloc[0], fontsize=6, loc="left", pad=3)
    stimulus.set_xticks([-200, 0, 200, 400, 600, 800])
    choice.set(xticks=[-600, -400, -200, 0], yticks=[], ylabel="")
    choice.spines["left"].set_visible(False)
    legends(choice, levels)
    return figure
