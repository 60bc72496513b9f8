"""Mixed selectivity of single units in context-dependent integration: rates by context and the signs of both inputs.

A in context 1, B in context 2, means over correct trials with their standard errors. The paper shows voltages; here are
rates, those of a spiking network its filtered spike trains, in Hz.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Fig. S5A.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.context_integration import population, traces
from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.reading import require_task, require_units
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, PERIOD_COLOURS, WIDTH, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {"activity": "evaluation with recorded activity on a data set of several offsets"}
WINDOW = (-250.0, 1500.0)
N_UNITS = 4
COLORS = {1.0: "#0072b2", -1.0: "#d55e00"}
"""Color of the sign of input 1."""
STYLES: dict[float, Any] = {1.0: "-", -1.0: (0, (2.6, 1.3))}
"""Line of the sign of input 2."""


class Options(Settings):
    """Settings of the figure."""

    units: list[int] | None = setting(
        None,
        "units to show; by default those that depend most on both inputs and the context, by the smallest coefficient",
        min_length=1,
        max_length=N_UNITS,
    )


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    recording = Recording(only(inputs, "activity"))
    require_task(recording.table, recording.path, "context_integration")
    found = population(recording)
    units = found.mixed(N_UNITS)
    if options.units is not None:
        units = require_units(options.units, recording.n_units())
    y_label = "Rate (Hz)" if "scaling_factor" in recording.table.attrs else "Rate"
    rows = traces(recording, units, WINDOW) if units else traces(recording, [0], WINDOW).iloc[:0]
    onset = float((recording.table["stimulus_off"] - recording.table["stimulus_on"]).max())
    parts = [points("A", "stimulus", x=onset, label="stimulus")]
    for i, unit in enumerate(units):
        own = rows[rows["unit"] == unit]
        for context in (1, 2):
            part = own[own["context"] == context]
            parts.append(
                points(
                    "A",
                    f"{i + 1} context {context}",
                    unit=unit,
                    sign_1=part["sign_1"].to_numpy(float),
                    sign_2=part["sign_2"].to_numpy(float),
                    x=part["lag"].to_numpy(float),
                    y=part["mean"].to_numpy(float),
                    low=(part["mean"] - part["sem"]).to_numpy(float),
                    high=(part["mean"] + part["sem"]).to_numpy(float),
                    n=part["n"].to_numpy(float),
                    label=f"unit {unit}",
                    x_label="Time from stimulus onset (ms)",
                    y_label=y_label,
                )
            )
    if not units:
        parts.append(points("A", "problem", label=f"no example unit: {found.problem or 'no active unit'}"))
    return assemble(parts)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(80)
    rows = of(table, "A")
    problem, off = of(rows, "A", "problem"), float(of(rows, "A", "stimulus")["x"].iloc[0])
    shown = rows[~rows["series"].isin(["stimulus", "problem"])]
    if len(problem):
        axes = place(figure, 14, 10, 150, 60)
        axes.set_axis_off()
        note(axes, problem["label"].iloc[0])
        return figure
    for k in range(2):
        panel_letter(figure, "AB"[k], 1, 9 + 33 * k)
    for i in range(N_UNITS):
        unit = shown[shown["series"].str.startswith(f"{i + 1} ")]
        if unit.empty and i:
            continue
        panels = []
        for k, context in enumerate((1, 2)):
            axes = place(figure, 14 + 41 * i, 42 - 33 * k, 33, 27)
            _draw_unit(axes, unit[unit["series"] == f"{i + 1} context {context}"], off)
            axes.set(xlim=WINDOW, xticks=[0, 500, 1000, 1500])
            axes.yaxis.set_major_locator(MaxNLocator(5))
            if k == 0:
                axes.set_xticklabels([])
                axes.set_title(unit["label"].iloc[0] if len(unit) else "", fontsize=6, pad=3)
            if i == 0 and len(unit):
                axes.set_ylabel(f"Context {context}\n{unit['y_label'].iloc[0]}")
            panels.append(axes)
        if len(unit):
            low, high = float(unit["low"].fillna(unit["y"]).min()), float(unit["high"].fillna(unit["y"]).max())
            margin = 0.05 * ((high - low) or 1.0)
            for axes in panels:
                axes.set_ylim(low - margin, high + margin)
    if len(shown):
        figure.text((14 + 41 * 2 - 4) / WIDTH, 2 / 80, shown["x_label"].iloc[0], ha="center", va="bottom")
    _legend(place(figure, 14, 74, 150, 6))
    return figure


def _draw_unit(axes: Axes, rows: pd.DataFrame, off: float) -> None:
    axes.axvspan(0, off, color=PERIOD_COLOURS["stimulus"], lw=0, zorder=0)
    if rows.empty:
        note(axes, "too few\ncorrect trials")
        return
    for (first, second), line in rows.groupby(["sign_1", "sign_2"]):
        axes.fill_between(line["x"], line["low"], line["high"], color=COLORS[first], alpha=0.2, lw=0)
        axes.plot(line["x"], line["y"], color=COLORS[first], ls=STYLES[second], lw=0.8)


def _legend(axes: Axes) -> None:
    axes.set_axis_off()
    handles = [Line2D([], [], color=color, lw=1.2, label=f"input 1 {_sign(s)}") for s, color in COLORS.items()]
    handles += [Line2D([], [], color=GREY, ls=ls, lw=0.8, label=f"input 2 {_sign(s)}") for s, ls in STYLES.items()]
    axes.legend(handles=handles, loc="center left", ncols=len(handles), columnspacing=1.2, borderaxespad=0.0)


def _sign(sign: float) -> str:
    return "positive" if sign > 0 else "negative"
