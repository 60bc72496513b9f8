"""Context-dependent integration in state space: condition averages on the axes of choice, motion and color.

A: trajectories of the population in the motion context, B: in the color context, sorted by either feature. C: weights
of the units on the orthogonal axes, pair by pair.

Reference: Song, Yang & Wang (2017) eLife 6:e21492; after Mante, Sussillo, Shenoy & Newsome (2013).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.context import AXES, FEATURES, Population, population, trajectories
from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.features import STYLES, choice_name, strength_colors
from rnnpipe.figures.motion import only
from rnnpipe.figures.reading import require_task
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings

NEEDS = {"activity": "evaluation of the network with recorded activity"}
PANELS = {
    "motion": [("motion", "motion"), ("color", "motion"), ("color", "color")],
    "color": [("motion", "motion"), ("motion", "color"), ("color", "color")],
}
"""Ordinate and sorting feature of the three panels of each context, from left to right."""
LETTERS = {"motion": "A", "color": "B"}


class Options(Settings):
    """The figure has no settings."""


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, `coherence` signed: preferred > 0."""
    recording = Recording(only(inputs, "activity"))
    require_task(recording.table, recording.path, "mante")
    found = population(recording)
    rows = trajectories(recording, found)
    parts = []
    for context in FEATURES:
        for ordinate, sort in PANELS[context]:
            part = rows[(rows["context"] == context) & (rows["sort"] == sort)]
            parts.append(_trajectories(context, ordinate, sort, part))
    parts.extend(_weights(found))
    if found.problem:
        parts.append(points("A", "problem", label=f"no axes: {found.problem}"))
    return assemble(parts)


def _trajectories(context: str, ordinate: str, sort: str, rows: pd.DataFrame) -> pd.DataFrame:
    return points(
        LETTERS[context],
        f"{ordinate} by {sort}",
        coherence=rows["strength"].to_numpy(float),
        choice=np.array([choice_name(side) for side in rows["choice"]], dtype=object),
        lag=rows["lag"].to_numpy(float),
        x=rows["x_choice"].to_numpy(float),
        y=rows[f"x_{ordinate}"].to_numpy(float),
        n=rows["n"].to_numpy(float),
        label=_title(context, sort),
        x_label=f"{_name('choice')} (z)",
        y_label=f"{_name(ordinate)} (z)",
    )


def _weights(found: Population) -> list[pd.DataFrame]:
    if found.problem:
        return []
    weights = dict(zip(AXES, found.axes, strict=True))
    label = f"Weights of the {len(found.active)} active units on the orthogonal axes"
    return [
        points(
            "C",
            f"{a} {b}",
            unit=found.active,
            label=label,
            x=weights[a],
            y=weights[b],
            x_label=_name(a),
            y_label=_name(b),
        )
        for a, b in combinations(AXES, 2)
    ]


def _title(context: str, sort: str) -> str:
    return f"{context.capitalize()} context, sorted by {sort}"


def _name(axis: str) -> str:
    return f"{axis.capitalize()} axis"


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(148)
    shown = table[table["panel"].isin(["A", "B"]) & (table["series"] != "problem")]
    problem = of(table, "A", "problem")
    missing = "no axes" if len(problem) else "too few correct trials"
    for i, context in enumerate(FEATURES):
        panel_letter(figure, LETTERS[context], 1, 9 + 53 * i)
        for j, (ordinate, sort) in enumerate(PANELS[context]):
            axes = place(figure, 13 + 56 * j, 97 - 53 * i, 42, 36)
            shades = strength_colors(sort, _by(shown, sort)["coherence"])
            _draw_trajectories(axes, of(shown, LETTERS[context], f"{ordinate} by {sort}"), shades, missing)
            axes.set_title(_title(context, sort), fontsize=6, pad=3)
            if len(shown):
                axes.set(xlim=_limits(shown["x"]), ylim=_limits(shown["y"]))
    for j, feature in enumerate(FEATURES):
        _draw_legend(place(figure, 10 + 64 * j, 138, 64, 9), shown, feature)
    if len(shown):
        lines = [Line2D([], [], color=INK, ls=ls, lw=0.7, label=name) for name, ls in STYLES.items()]
        figure.legend(
            handles=lines, title="Choice", loc="upper left", bbox_to_anchor=(141 / 174, 147.5 / 148), alignment="left"
        )
    if len(problem):
        axes = place(figure, 24, 138, 142, 9)
        axes.set_axis_off()
        note(axes, problem["label"].iloc[0])
    panel_letter(figure, "C", 1, 113)
    _draw_weights(figure, of(table, "C"))
    return figure


def _by(rows: pd.DataFrame, feature: str) -> pd.DataFrame:
    """Trajectories that are sorted by a feature, in all panels."""
    return rows[rows["series"].str.endswith(f"by {feature}")]


def _limits(values: pd.Series) -> tuple[float, float]:
    """Symmetric limits that all panels share, so that the size of trajectories can be compared."""
    extent = 1.08 * float(values.abs().max()) or 1.0
    return -extent, extent


def _draw_trajectories(axes: Axes, rows: pd.DataFrame, shades: Mapping[float, Any], missing: str) -> None:
    if rows.empty:
        axes.set(xticks=[], yticks=[])
        note(axes, missing)
        return
    axes.axhline(0, color=FAINT, lw=0.5, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.5, zorder=0)
    for (strength, choice), line in rows.groupby(["coherence", "choice"], sort=True):
        color = shades[abs(strength)]
        axes.plot(line["x"], line["y"], color=color, ls=STYLES[choice], lw=0.7)
        dots = line[line["lag"] % 100 == 0]
        axes.plot(dots["x"], dots["y"], "o", mec=color, mfc=color if strength > 0 else "white", ms=2.2, mew=0.5)
    axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _draw_legend(axes: Axes, shown: pd.DataFrame, feature: str) -> None:
    """A row of markers from the strongest evidence away from the preferred target to the strongest towards it."""
    axes.set(xlim=(-32, 32), ylim=(0, 9))
    axes.set_axis_off()
    rows = _by(shown, feature)
    if rows.empty:
        return
    shades = strength_colors(feature, rows["coherence"])
    text: dict[str, Any] = {"fontsize": 6, "va": "center", "linespacing": 1.3}
    for i, (level, color) in enumerate(shades.items()):
        for side, face in ((1, color), (-1, "white")):
            axes.plot(side * (2.5 + 5 * i), 6.5, "o", mec=color, mfc=face, ms=3, mew=0.6)
            axes.text(side * (2.5 + 5 * i), 3.0, f"{level:g}", ha="center", **text)
    end = 5 * len(shades)
    axes.text(-end - 0.5, 4.8, f"{feature.capitalize()} (%)\naway from", ha="right", **text)
    axes.text(end + 0.5, 4.8, "towards\npreferred target", ha="left", **text)


def _draw_weights(figure: Figure, rows: pd.DataFrame) -> None:
    pairs = list(combinations(AXES, 2))
    extent = 1.08 * float(rows[["x", "y"]].abs().max().max()) if len(rows) else 1.0
    tick = max(np.floor(10 * extent) / 10, 0.1)
    for i, (a, b) in enumerate(pairs):
        axes = place(figure, 14 + 27.6 * i, 9, 17, 17)
        pair = rows[rows["series"] == f"{a} {b}"]
        axes.set(xlim=(-extent, extent), ylim=(-extent, extent))
        if pair.empty:
            axes.set(xticks=[], yticks=[])
            note(axes, "no axes")
            continue
        axes.axhline(0, color=FAINT, lw=0.5, zorder=0)
        axes.axvline(0, color=FAINT, lw=0.5, zorder=0)
        axes.plot(pair["x"], pair["y"], "o", color=INK, mec="none", ms=2.0, alpha=0.7)
        axes.set(xlabel=pair["x_label"].iloc[0], ylabel=pair["y_label"].iloc[0])
        axes.set_xticks([-tick, 0, tick], [f"\N{MINUS SIGN}{tick:g}", "0", f"{tick:g}"])
        axes.set_yticks([-tick, 0, tick], [f"\N{MINUS SIGN}{tick:g}", "0", f"{tick:g}"])
    if len(rows):
        width, height = figure.get_size_inches() * 25.4
        figure.text(14 / width, 29 / height, rows["label"].iloc[0], fontsize=6, color=GREY)
