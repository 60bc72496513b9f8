"""Context-dependent integration of one network in state space: targeted dimensionality reduction, by offset.

A, B: condition averages of correct trials on the axes of choice and of either input, in context 1 and 2, sorted by the
signed offset of that input; a dot every 250 ms, filled for positive offsets. C: norm over units of the regression
coefficients of each variable. D: weights of the units on the axes.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Fig. S5B; after Mante, Sussillo, Shenoy & Newsome (2013). The
offsets that trials were sorted by are not published; the data set's are 0.5, as in training, and smaller ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.context_integration import AXES, MODALITIES, Population, population, trajectories
from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.reading import require_task
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, GREY, coherence_colours, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings

NEEDS = {"activity": "evaluation with recorded activity on a data set of several offsets"}
LETTERS = {1: "A", 2: "B"}
"""Panel of each context."""
NAMES = {"choice": "choice", "modality_1": "input 1", "modality_2": "input 2", "context": "context"}
COLORS = {"choice": "#d55e00", "modality_1": "#0072b2", "modality_2": "#009e73", "context": "#1a1a1a"}
MARKERS = {"modality_1": "o", "modality_2": "^"}
DOT_EVERY = 250.0
STYLES: dict[str, Any] = {"positive": "-", "negative": (0, (2.6, 1.3))}
"""Line of each choice."""


class Options(Settings):
    """The figure has no settings."""


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, `offset` signed."""
    recording = Recording(only(inputs, "activity"))
    require_task(recording.table, recording.path, "context_integration")
    found = population(recording)
    rows = trajectories(recording, found)
    parts = []
    for context, letter in LETTERS.items():
        for sort in MODALITIES:
            part = rows[(rows["context"] == context) & (rows["sort"] == sort)]
            parts.append(
                points(
                    letter,
                    f"by {sort}",
                    offset=part["strength"].to_numpy(float),
                    choice=np.where(part["choice"] > 0, "positive", "negative").astype(object),
                    lag=part["lag"].to_numpy(float),
                    x=part["x_choice"].to_numpy(float),
                    y=part[f"x_{sort}"].to_numpy(float),
                    n=part["n"].to_numpy(float),
                    label=f"Context {context}, sorted by {NAMES[sort]}",
                    x_label="Choice axis (z)",
                    y_label=f"{NAMES[sort].capitalize()} axis (z)",
                )
            )
    if found.problem:
        parts.append(points("A", "problem", label=f"no axes: {found.problem}"))
    else:
        parts += _axes(found)
    return assemble(parts)


def _axes(found: Population) -> list[pd.DataFrame]:
    """Norms of the coefficients over time, and weights of the units on the orthogonal axes."""
    norms = found.norms()
    labels = {"x_label": "Time from stimulus onset (ms)", "y_label": "Norm of coefficients"}
    parts = [points("C", name, x=norms["lag"].to_numpy(), y=norms[name].to_numpy(), **labels) for name in AXES]
    weights = dict(zip(AXES, found.axes, strict=True))
    labels = {"x_label": "Weight on choice axis", "y_label": "Weight on axis of input"}
    return parts + [
        points("D", name, unit=found.active, x=weights["choice"], y=weights[name], **labels) for name in MODALITIES
    ]


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(122)
    shown = table[table["panel"].isin(list(LETTERS.values())) & (table["series"] != "problem")]
    problem = of(table, "A", "problem")
    shades = coherence_colours(shown["offset"].abs().dropna()) if len(shown) else {}
    for i, (context, letter) in enumerate(LETTERS.items()):
        panel_letter(figure, letter, 1, 9 + 56 * i)
        for j, sort in enumerate(MODALITIES):
            axes = place(figure, 13 + 56 * j, 68 - 57 * i, 42, 40)
            axes.set_title(f"Context {context}, sorted by {NAMES[sort]}", fontsize=6, pad=3)
            _draw_trajectories(axes, of(shown, letter, f"by {sort}"), shades, "no axes" if len(problem) else "")
            if len(shown):
                axes.set(xlim=_limits(shown["x"]), ylim=_limits(shown["y"]))
    panel_letter(figure, "C", 115, 9)
    _draw_norms(place(figure, 128, 68, 44, 40), of(table, "C"))
    panel_letter(figure, "D", 115, 65)
    _draw_weights(place(figure, 128, 11, 40, 40), of(table, "D"))
    if len(problem):
        axes = place(figure, 13, 113, 158, 8)
        axes.set_axis_off()
        note(axes, problem["label"].iloc[0])
    elif len(shown):
        _legend(place(figure, 13, 113, 158, 8), shades)
    return figure


def _limits(values: pd.Series) -> tuple[float, float]:
    """Symmetric limits that all panels share, so that the size of trajectories can be compared."""
    extent = 1.08 * float(values.abs().max()) or 1.0
    return -extent, extent


def _draw_trajectories(axes: Axes, rows: pd.DataFrame, shades: Mapping[float, Any], missing: str) -> None:
    if rows.empty:
        axes.set(xticks=[], yticks=[])
        note(axes, missing or "too few correct trials")
        return
    axes.axhline(0, color=FAINT, lw=0.5, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.5, zorder=0)
    for (offset, choice), line in rows.groupby(["offset", "choice"], sort=True):
        color = shades[abs(offset)]
        axes.plot(line["x"], line["y"], color=color, ls=STYLES[choice], lw=0.8)
        dots = line[line["lag"] % DOT_EVERY == 0]
        axes.plot(dots["x"], dots["y"], "o", mec=color, mfc=color if offset > 0 else "white", ms=2.4, mew=0.6)
    axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _draw_norms(axes: Axes, rows: pd.DataFrame) -> None:
    if rows.empty:
        axes.set(xticks=[], yticks=[])
        note(axes, "no axes")
        return
    for name in AXES:
        line = rows[rows["series"] == name]
        axes.plot(line["x"], line["y"], color=COLORS[name], lw=1.0, label=NAMES[name])
    axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0], xlim=(0, None))
    # room for the legend above the lines
    axes.set_ylim(0, 1.4 * float(rows["y"].max()) or 1.0)
    axes.legend(loc="upper left", ncols=2, columnspacing=1.0)


def _draw_weights(axes: Axes, rows: pd.DataFrame) -> None:
    if rows.empty:
        axes.set(xticks=[], yticks=[])
        note(axes, "no axes")
        return
    axes.axhline(0, color=FAINT, lw=0.5, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.5, zorder=0)
    for name in MODALITIES:
        own = rows[rows["series"] == name]
        axes.plot(
            own["x"], own["y"], MARKERS[name], color=COLORS[name], mec="none", ms=2.2, alpha=0.7, label=NAMES[name]
        )
    low, high = _limits(pd.concat([rows["x"], rows["y"]]))
    axes.set(xlim=(low, high), ylim=(low, 1.35 * high))
    axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.legend(loc="upper left", ncols=2, columnspacing=1.0)


def _legend(axes: Axes, shades: Mapping[float, Any]) -> None:
    """One row: shade of each offset, its sign, and the line of the choice."""
    axes.set_axis_off()
    handles = [Line2D([], [], color=color, lw=1.2, label=f"offset ±{level:g}") for level, color in shades.items()]
    for name, face in (("positive", GREY), ("negative", "white")):
        handles.append(Line2D([], [], ls="", marker="o", mec=GREY, mfc=face, ms=3, label=f"{name} offset"))
    handles += [Line2D([], [], color=GREY, ls=ls, lw=0.8, label=f"{name} choice") for name, ls in STYLES.items()]
    axes.legend(handles=handles, loc="center left", ncols=len(handles), columnspacing=1.2, borderaxespad=0.0)
