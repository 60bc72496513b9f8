"""Reaction-time version of motion discrimination: task, chronometric and psychometric function, an example unit.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 1-figure supplement 2.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from rnnpipe.analysis.chronometric import MIN_TRIALS, reaction_times
from rnnpipe.analysis.traces import sorted_traces
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import (
    UNIT_PANEL_LABEL,
    Activity,
    draw_psychometric,
    motion_table,
    only,
    psychometric_points,
    unit_label,
)
from rnnpipe.figures.schematic import draw_schematic, schematic
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.figures.traces import draw_traces, legends, trace_points
from rnnpipe.io.evaluation import task_of
from rnnpipe.settings import Settings, setting

NEEDS = {
    "behaviour": "evaluation of the network on many trials",
    "activity": "evaluation of the network with recorded activity",
}
UNIT_WINDOW = (-200.0, 400.0)
RT_LABEL = "Reaction time (ms)"


class Options(Settings):
    """Settings of the figure."""

    min_trials: int = setting(
        MIN_TRIALS, "mean reaction times only of groups with more trials than this", "trials", ge=1
    )
    unit: int | None = setting(
        None, "policy unit to show; by default the one of largest |d'| among those ordered by coherence", ge=0
    )
    shown_stimulus: float = setting(900.0, "duration of the stimulus in the schematic", "ms", gt=0)
    schematic_seed: int = setting(1, "seed of the noise in the schematic", ge=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    path = only(inputs, "behaviour")
    table = motion_table(path)
    parts = [
        schematic("A", task_of(table.attrs, path), options.shown_stimulus, options.schematic_seed),
        _chronometric(table, options.min_trials),
        psychometric_points("C", table),
    ]
    activity = Activity.read(only(inputs, "activity"), "policy_rates")
    example = activity.example(options.unit)
    if example is not None:
        rates = activity.arrays["policy_rates"][:, :, example.unit]
        traces = sorted_traces(activity.around_stimulus(rates, UNIT_WINDOW), activity.table)
        part = trace_points("D", "example unit", traces, "stimulus onset", UNIT_PANEL_LABEL)
        parts.append(part.assign(label=unit_label(example)))
    return assemble(parts)


def _chronometric(table: pd.DataFrame, min_trials: int) -> pd.DataFrame:
    times = reaction_times(table, min_trials)
    times = times[times["coherence"] > 0]  # zero has no place on a logarithmic axis
    parts = [
        points(
            "B",
            outcome,
            coherence=group["coherence"].to_numpy(),
            x=group["coherence"].to_numpy(),
            y=group["mean"].to_numpy(),
            low=group["low"].to_numpy(),
            high=group["high"].to_numpy(),
            n=group["n"].to_numpy(),
            x_label="Coherence (%)",
            y_label=RT_LABEL,
        )
        for outcome, group in times.groupby("outcome")
    ]
    return pd.concat(parts) if parts else points("B", "correct", coherence=[], x=[])


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(98)
    panel_letter(figure, "A", 1, 1)
    draw_schematic(place(figure, 4, 53, 92, 42), table, "A")
    panel_letter(figure, "B", 104, 1)
    _draw_chronometric(place(figure, 116, 57, 50, 35), table)
    panel_letter(figure, "C", 1, 49)
    draw_psychometric(place(figure, 12, 9, 62, 34), table, "C")
    panel_letter(figure, "D", 84, 49)
    unit = place(figure, 94, 9, 56, 34)
    levels = sorted(of(table, "D")["coherence"].dropna().unique())
    draw_traces(unit, table, "D", "example unit", levels)
    unit.set(xlim=UNIT_WINDOW, xticks=[-200, 0, 200, 400])
    unit.set_ylim(bottom=0)
    unit.yaxis.set_major_locator(MaxNLocator(5))
    if levels:
        unit.set_title(of(table, "D")["label"].iloc[0], fontsize=6, loc="left", pad=3)
        legends(unit, levels)
    return figure


def _draw_chronometric(axes: Axes, table: pd.DataFrame) -> None:
    rows = of(table, "B")
    for outcome, face, colour in (("correct", INK, INK), ("error", "white", GREY)):
        line = rows[rows["series"] == outcome]
        if line.empty:
            continue
        axes.vlines(line["x"], line["low"], line["high"], color=colour, lw=0.7)
        axes.plot(line["x"], line["y"], "o-", color=colour, mfc=face, mec=colour, mew=0.8, ms=3.4, label=outcome)
    axes.set(xscale="log", xlim=(1, 100), xlabel="Coherence (%)", ylabel=RT_LABEL)
    axes.set_xticks([1, 10, 100], ["1", "10", "100"])
    if rows["y"].notna().any():
        # the published limits, widened by whole ticks where reaction times go beyond them
        low, high = float(rows["low"].min()), float(rows["high"].max())
        axes.set_ylim(min(200.0, 200 * np.floor(low / 200)), max(1000.0, 200 * np.ceil(high / 200)))
        axes.yaxis.set_major_locator(MultipleLocator(200))
        axes.legend(loc="upper right")
    else:
        axes.set_yticks([])
        note(axes, "too few decisions")
