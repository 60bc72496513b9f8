"""Panels of traces sorted by coherence and choice, as used for units and for values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.traces import sorted_traces
from rnnpipe.figures.source_data import of, points
from rnnpipe.figures.style import GREY, INK, at_least, coherence_colours, note, percent

STIMULUS_WINDOW = (-200.0, 600.0)
CHOICE_WINDOW = (-400.0, 0.0)
"""Windows of the panels of the value, ms."""

STYLES = {"right": "-", "left": (0, (2.6, 1.3))}


def trace_points(panel: str, series: str, traces: pd.DataFrame, event: str, y_label: str) -> pd.DataFrame:
    """Rows of the traces that `rnnpipe.analysis.traces.sorted_traces` gives; the interval is one standard error."""
    return points(
        panel,
        series,
        coherence=traces["coherence"].to_numpy(float),
        choice=traces["choice"].to_numpy(object),
        x=traces["lag"].to_numpy(float),
        y=traces["mean"].to_numpy(float),
        low=(traces["mean"] - traces["sem"]).to_numpy(float),
        high=(traces["mean"] + traces["sem"]).to_numpy(float),
        n=traces["n"].to_numpy(float),
        x_label=f"Time from {event} (ms)",
        y_label=y_label,
    )


def draw_traces(axes: Axes, table: pd.DataFrame, panel: str, series: str, coherences: Sequence[float]) -> None:
    """Draw one series: colour is coherence, right choices solid, left choices dashed."""
    rows = of(table, panel, series)
    if rows.empty:
        note(axes, "no trials to average")
        return
    colours = coherence_colours(coherences)
    for (coherence, choice), trace in rows.groupby(["coherence", "choice"]):
        axes.plot(trace["x"], trace["y"], color=colours[coherence], ls=STYLES[choice], lw=0.9)
    axes.axvline(0, color=GREY, lw=0.5, zorder=0)
    axes.set_xlabel(rows["x_label"].iloc[0])
    axes.set_ylabel(rows["y_label"].iloc[0])


def value_points(panel: str, recording: Recording) -> list[pd.DataFrame]:
    """Rows of the value by coherence and choice around the stimulus and around the choice."""
    parts = []
    for series, aligned, event in (
        ("stimulus", recording.around("stimulus", "value", STIMULUS_WINDOW), "stimulus onset"),
        ("choice", recording.around_choice("value", CHOICE_WINDOW), "choice"),
    ):
        traces = sorted_traces(aligned, recording.table)
        parts.append(trace_points(panel, series, traces, event, "Expected reward"))
    return parts


def draw_value(
    stimulus: Axes, choice: Axes, table: pd.DataFrame, panel: str, coherences: Sequence[float],
    limits: tuple[float, float],
) -> None:  # fmt: skip
    """Draw what `value_points` gives into axes side by side, with one scale: published limits, widened if need be."""
    span = at_least(*limits, of(table, panel)["y"])
    for axes, series, window in ((stimulus, "stimulus", STIMULUS_WINDOW), (choice, "choice", CHOICE_WINDOW)):
        draw_traces(axes, table, panel, series, coherences)
        axes.set(xlim=window, ylim=span)
        axes.set_xlabel(axes.get_xlabel().replace("from ", "from\n"))
    stimulus.set_xticks([-200, 0, 200, 400, 600])
    stimulus.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    choice.set(xticks=[-400, -200, 0], yticks=[], ylabel="")
    choice.spines["left"].set_visible(False)


def legends(axes: Axes, coherences: Sequence[float]) -> None:
    """Legends of coherence, the strongest first, and of choice, one below the other right of the axes."""
    colours = coherence_colours(coherences)
    if not colours:
        return
    shades = [Line2D([], [], color=colours[c], label=percent(c)) for c in sorted(colours, reverse=True)]
    sides = [Line2D([], [], color=INK, ls=STYLES[s], lw=0.9, label=s) for s in ("right", "left")]
    place: dict[str, Any] = {"loc": "upper left", "borderaxespad": 0.0, "alignment": "left"}
    axes.add_artist(axes.legend(handles=shades, title="Coherence", bbox_to_anchor=(1.04, 1.02), **place))
    axes.legend(handles=sides, title="Choice", bbox_to_anchor=(1.04, 0.36), **place)
