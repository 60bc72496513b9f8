"""Context-dependent integration: choices by either feature in either context, and units sorted by task variables.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 2A.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis import context
from rnnpipe.analysis.context import FEATURES, population, sorted_units
from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.features import FEATURE_COLORS, STYLES, choice_name, strength_colors
from rnnpipe.figures.motion import only
from rnnpipe.figures.reading import require_task, require_units, table_of_task
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, new_figure, note, panel_letter, percent, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {
    "behaviour": "evaluation of the network on many trials",
    "activity": "evaluation of the network with recorded activity",
}
WINDOW = (0.0, 750.0)
N_UNITS = 4
CHOICE_COLOR = "#d55e00"
SORTS = {
    "choice": "Choice",
    "motion": "Motion, choice\n(motion context)",
    "color": "Color, choice\n(color context)",
    "context": "Context, choice",
}
"""Sortings of the units, one a row, as titles of their legends."""
PSYCHOMETRIC = {"motion": "A", "color": "B"}
"""Panel of each feature."""


class Options(Settings):
    """Settings of the figure."""

    units: list[int] | None = setting(
        None,
        "policy units to show; by default those of largest regression weight for context, motion, color and choice",
        min_length=1,
        max_length=N_UNITS,
    )


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    table = table_of_task(only(inputs, "behaviour"), "mante")
    changes = context.gating(table).set_index(["context", "feature"])
    parts = [
        part
        for feature in FEATURES
        for cued in FEATURES
        for part in _psychometric(table, feature, cued, changes.loc[(cued, feature)])
    ]
    recording = Recording(only(inputs, "activity"))
    require_task(recording.table, recording.path, "mante")
    found = population(recording)
    if options.units is None:
        titles = {unit: f"{name}\nunit {unit}" for name, unit in found.examples().items()}
    else:
        titles = {unit: f"unit {unit}" for unit in require_units(options.units, recording.n_units())}
    traces = sorted_units(recording, found, list(titles), WINDOW)
    columns = {unit: i + 1 for i, unit in enumerate(titles)}
    for (unit, sort), rows in traces.groupby(["unit", "sort"], sort=False):
        # contexts are series of their own, so that a row of every table says all that its line is
        for cued, line in rows.groupby("context", sort=True) if sort == "context" else [("", rows)]:
            parts.append(_unit(f"{columns[unit]} {sort} {cued}".strip(), titles[unit], line))
    if not titles:
        parts.append(points("C", "no unit", label=f"no example unit: {found.problem}"))
    return assemble(parts)


def _psychometric(table: pd.DataFrame, feature: str, cued: str, change: pd.Series) -> list[pd.DataFrame]:
    """Points, fit and label of the choices of one context against one feature."""
    levels = context.right_choices(table, cued, feature)
    seen = levels[levels["n"] > 0]
    if seen.empty:
        return [points(PSYCHOMETRIC[feature], cued, x=[])]
    labels = {"x_label": f"{feature.capitalize()} coherence (%), right > 0", "y_label": "Fraction of right choices"}
    columns = {k: seen[k].to_numpy(float) for k in ("x", "low", "high", "n")}
    if feature == cued:
        fit = context.fit(table, cued, feature)
        text = f"σ = {fit.sigma:.1f} %\n[{fit.sigma_low:.1f}, {fit.sigma_high:.1f}]"
        text = f"no fit:\n{fill(fit.problem, 20)}" if fit.problem else text
    elif np.isnan(change["change"]):
        text = "Δ: too few decisions"
    else:
        text = f"Δ = {change['change']:.2f}\n[{change['low']:.2f}, {change['high']:.2f}]"
        text = text.replace("-", "\N{MINUS SIGN}")
    x = np.linspace(levels["x"].min(), levels["x"].max(), 201)
    curve = context.fitted(levels, x)
    parts = [points(PSYCHOMETRIC[feature], cued, y=seen["p"].to_numpy(float), label=text, **columns, **labels)]
    if np.isfinite(curve).all():
        parts.append(points(PSYCHOMETRIC[feature], f"{cued} fit", x=x, y=curve, **labels))
    return parts


def _unit(series: str, title: str, rows: pd.DataFrame) -> pd.DataFrame:
    return points(
        "C",
        series,
        coherence=rows["coherence"].to_numpy(float),
        choice=np.array([choice_name(side) for side in rows["choice"]], dtype=object),
        x=rows["lag"].to_numpy(float),
        y=rows["mean"].to_numpy(float),
        low=(rows["mean"] - rows["sem"]).to_numpy(float),
        high=(rows["mean"] + rows["sem"]).to_numpy(float),
        n=rows["n"].to_numpy(float),
        label=title,
        x_label="Time from stimulus onset (ms)",
        y_label="Rate (z)",
    )


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(118)
    panel_letter(figure, "A", 1, 1)
    motion = place(figure, 12, 67, 38, 43)
    _draw_psychometric(motion, table, "motion")
    panel_letter(figure, "B", 1, 58)
    _draw_psychometric(place(figure, 12, 10, 38, 43), table, "color")
    if motion.lines:
        lines = [
            Line2D([], [], color=FEATURE_COLORS[cued], marker="o", label=f"{cued.capitalize()} context")
            for cued in FEATURES
        ]
        motion.legend(handles=lines, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, columnspacing=1.0)
    panel_letter(figure, "C", 55, 1)
    _draw_units(figure, table)
    return figure


def _draw_psychometric(axes: Axes, table: pd.DataFrame, feature: str) -> None:
    axes.set(ylim=(-0.03, 1.03), yticks=[0, 0.25, 0.5, 0.75, 1.0])
    rows = of(table, PSYCHOMETRIC[feature])
    if rows.empty:
        note(axes, "no decisions")
        return
    axes.axhline(0.5, color=GREY, lw=0.4, ls=":", zorder=0)
    axes.axvline(0, color=GREY, lw=0.4, ls=":", zorder=0)
    for cued in FEATURES:
        seen, fit = rows[rows["series"] == cued], rows[rows["series"] == f"{cued} fit"]
        if seen.empty:
            continue
        color = FEATURE_COLORS[cued]
        axes.plot(fit["x"], fit["y"], color=color, lw=1.0)
        axes.vlines(seen["x"], seen["low"], seen["high"], color=color, lw=0.7)
        axes.plot(seen["x"], seen["y"], "o", color=color, ms=3.0)
        # what governs choices leaves the upper left free, what does not the lower right
        x, y, side, edge = (0.03, 0.97, "left", "top") if cued == feature else (0.99, 0.03, "right", "bottom")
        axes.text(x, y, seen["label"].iloc[0], transform=axes.transAxes, ha=side, va=edge, fontsize=6, color=color)
    axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0])
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2.5, 5, 10]))


def _draw_units(figure: Figure, table: pd.DataFrame) -> None:
    """A column a unit, a row a sorting, with one scale of rates in each column."""
    rows = of(table, "C")
    shown = rows[rows["series"] != "no unit"]
    if shown.empty:
        axes = place(figure, 64, 10, 88, 98)
        axes.set_axis_off()
        note(axes, rows["label"].iloc[0] if len(rows) else "no example unit")
        return
    shades = {sort: strength_colors(sort, _sorted(shown, sort)["coherence"].dropna()) for sort in FEATURES}
    for column in range(N_UNITS):
        unit = shown[shown["series"].str.startswith(f"{column + 1} ")]
        if unit.empty:
            continue
        panels = {}
        for i, sort in enumerate(SORTS):
            axes = panels[sort] = place(figure, 63.5 + 24.4 * column, 85 - 25 * i, 16.5, 21)
            _draw_sorting(axes, unit, sort, shades.get(sort, {}))
            axes.set(xlim=WINDOW, xticks=[0, 250, 500, 750])
            axes.set_xticklabels(["0", "", "500", ""] if i == len(SORTS) - 1 else [])
            axes.yaxis.set_major_locator(MaxNLocator(4))
            if column == 0:
                axes.set_ylabel(shown["y_label"].iloc[0])
        low, high = unit["low"].fillna(unit["y"]).min(), unit["high"].fillna(unit["y"]).max()
        margin = 0.05 * max(high - low, 0.1)
        for axes in panels.values():
            axes.set_ylim(low - margin, high + margin)
        panels["choice"].set_title(unit["label"].iloc[0], fontsize=6, pad=3)
    width, height = figure.get_size_inches() * 25.4
    figure.text(108 / width, 2.2 / height, shown["x_label"].iloc[0], ha="center", va="bottom")
    if shown["label"].str.contains("\n").all():
        figure.text(108 / width, 114 / height, "Units of largest regression weight for", ha="center", va="center")
    for i, sort in enumerate(SORTS):
        _legend(place(figure, 154.5, 85 - 25 * i, 19, 21), sort, shades.get(sort, {}))


def _sorted(rows: pd.DataFrame, sort: str) -> pd.DataFrame:
    """Traces of one sorting, of all units."""
    return rows[rows["series"].str.split().str[1] == sort]


def _draw_sorting(axes: Axes, unit: pd.DataFrame, sort: str, shades: Mapping[float, Any]) -> None:
    lines = _sorted(unit, sort)
    if lines.empty:
        note(axes, "too few\ntrials")
        return
    for (series, coherence, choice), line in lines.groupby(["series", "coherence", "choice"], dropna=False):
        if sort in FEATURES:
            color = shades[coherence]
        else:
            color = CHOICE_COLOR if sort == "choice" else FEATURE_COLORS[series.split()[-1]]
        axes.fill_between(line["x"], line["low"], line["high"], color=color, alpha=0.2, lw=0)
        axes.plot(line["x"], line["y"], color=color, ls=STYLES[choice], lw=0.9)


def _legend(axes: Axes, sort: str, shades: Mapping[float, Any]) -> None:
    """Legend of one row of panels; the lines of choice are explained in the first."""
    axes.set_axis_off()
    if sort == "choice":
        handles = [Line2D([], [], color=CHOICE_COLOR, ls=ls, lw=0.9, label=name) for name, ls in STYLES.items()]
    elif sort == "context":
        handles = [Line2D([], [], color=color, lw=0.9, label=name) for name, color in FEATURE_COLORS.items()]
    else:
        handles = [Line2D([], [], color=shades[c], lw=0.9, label=percent(c)) for c in sorted(shades, reverse=True)]
    axes.legend(
        handles=handles, title=SORTS[sort], loc="upper left", bbox_to_anchor=(-0.02, 1.04), borderaxespad=0.0,
        alignment="left", handlelength=1.2,
    )  # fmt: skip
