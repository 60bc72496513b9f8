"""Who takes part while a network learns: participation of each unit, silent units, drift of weights and activity.

A: participation, SD + 90 % quantile of the rate, of each unit at each evaluation, units sorted by their last one.
B: the last one. C: silent units, truly (below 1e-6) and on the network's scale (below 5 % of its 95th percentile).
D: how much the weights have changed over 10, 100 and 1000 updates, and participation since the evaluation before.
E: whether the weights go on in the direction in which they went, the cosine of changes between evaluations.

Reference: engellab/trainRNNbrain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from rnnpipe.analysis.population import SILENT, silent_units
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.io.history import read_participation, read_regression_history
from rnnpipe.settings import Settings

NEEDS = {"history": "history of the training of a supervised network, with learning.trace_units"}
MOST = 200
"""Evaluations, and units, of the heat map; of more, as many at even distances are drawn."""
QUANTILE = 0.2
DRIFT = "drift_"
X_LABEL = "Updates"
SILENCE = {"truly silent": ("#0072b2", 0.9), "silent on the network's scale": ("#e69f00", 2.0)}
"""Colour and width of the curves, in the order of `silent_units`."""
LAG_COLORS = ("#56b4e9", "#0072b2", INK)
HEIGHT = 122.0


class Options(Settings):
    """The figure has no settings."""


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, x in updates.

    A: y is the place of a unit, sorted, `low` log10 of its participation, at least -6; series `unit` has the number of
    the unit (n) at each place that is drawn (y).
    """
    path = only(inputs, "history")
    history, p = read_regression_history(path), read_participation(path).astype(np.float64)
    x = history["iteration"].to_numpy(float)
    return assemble([*_heat(x, p), *_last(p[-1]), *_silent(x, p), *_drift(history, x)])


def _even(n: int) -> NDArray[np.int64]:
    """All of n places, or `MOST` of them at even distances, the first and the last included."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST)).round().astype(np.int64))


def _heat(x: NDArray[Any], p: NDArray[Any]) -> list[pd.DataFrame]:
    order = np.argsort(p[-1], kind="stable")
    times, places = _even(len(x)), _even(len(order))
    shown = np.log10(np.maximum(p[np.ix_(times, order[places])], SILENT))
    about = {"x_label": X_LABEL, "y_label": "Units, sorted by their last value"}
    return [
        points("A", "size", x=float(x[-1]), y=float(len(order)), n=float(len(x))),
        points("A", "unit", y=places.astype(float), n=order[places].astype(float)),
        points(
            "A", "heat", x=np.repeat(x[times], len(places)), y=np.tile(places.astype(float), len(times)),
            low=shown.ravel(), label="log$_{10}$ participation", **about,
        ),
    ]  # fmt: skip


def _last(p: NDArray[Any]) -> list[pd.DataFrame]:
    counts, edges = np.histogram(p, bins=min(30, max(5, len(p) // 4)))
    about = {"x_label": "Participation, last evaluation (a.u.)", "y_label": "Units"}
    return [
        points("B", "histogram", x=edges[:-1], y=counts.astype(float), low=edges[:-1], high=edges[1:], **about),
        points("B", "quantile", x=float(np.quantile(p, QUANTILE)), label=f"{100 * QUANTILE:.0f} % quantile"),
    ]


def _silent(x: NDArray[Any], p: NDArray[Any]) -> list[pd.DataFrame]:
    about = {"x_label": X_LABEL, "y_label": "Silent units (%)"}
    return [
        points("C", name, x=x, y=100 * silent.mean(axis=1), label=name, **about)
        for name, silent in zip(SILENCE, silent_units(p), strict=True)
    ]


def _drift(history: pd.DataFrame, x: NDArray[Any]) -> list[pd.DataFrame]:
    lags = sorted(int(str(c).removeprefix(DRIFT)) for c in history if str(c).removeprefix(DRIFT).isdigit())
    curves = [("D", f"{DRIFT}{lag}", f"weights, {lag} updates", "Relative change") for lag in lags]
    curves.append(("D", "participation_change", "participation, one evaluation", "Relative change"))
    curves.append(("E", "drift_cosine", "", "Cosine of successive changes"))
    parts = []
    for panel, name, label, y_label in curves:
        y = history[name].to_numpy(float)
        shown = np.isfinite(y) & ((y > 0) | (panel == "E"))
        parts.append(points(panel, name, x=x[shown], y=y[shown], label=label, x_label=X_LABEL, y_label=y_label))
    return parts


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(HEIGHT)
    last = float(of(table, "A", "size")["x"].iloc[0])
    panel_letter(figure, "A", 1, 2)
    _draw_heat(figure, place(figure, 14, 65, 84, 48), table)
    panel_letter(figure, "B", 117, 2)
    _draw_last(place(figure, 129, 65, 42, 48), of(table, "B"))
    for panel, left in (("C", 14), ("D", 73), ("E", 131)):
        panel_letter(figure, panel, left - 13, 68)
        axes = place(figure, left, 11, 40, 36)
        rows = of(table, panel)
        if rows["x"].notna().any():
            {"C": _draw_silent, "D": _draw_drift, "E": _draw_cosine}[panel](axes, rows)
            axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0], xlim=(0, max(last, 1)))
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
        else:
            axes.set(xticks=[], yticks=[])
            note(axes, "too few evaluations")
    return figure


def _draw_heat(figure: Figure, axes: Axes, table: pd.DataFrame) -> None:
    cells, size = of(table, "A", "heat"), of(table, "A", "size").iloc[0]
    grid = cells.pivot(index="y", columns="x", values="low")
    edges = [_edges(v.to_numpy(float), end) for v, end in ((grid.columns, size["x"]), (grid.index, size["y"] - 1))]
    mesh = axes.pcolormesh(*edges, grid.to_numpy(), cmap="viridis", vmin=np.log10(SILENT), rasterized=True)
    axes.set(xlabel=cells["x_label"].iloc[0], ylabel=cells["y_label"].iloc[0])
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_title(f"{size['y']:.0f} units at {size['n']:.0f} evaluations", fontsize=6, color=GREY, pad=3)
    bar = figure.colorbar(mesh, cax=place(figure, 100, 65, 2, 48))
    bar.outline.set_linewidth(0.4)
    bar.ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    bar.set_label(cells["label"].iloc[0])


def _edges(places: NDArray[Any], last: float) -> NDArray[Any]:
    """Borders of cells: half-way between their places, the outermost as far beyond them as the next are within."""
    if len(places) == 1:
        return np.array([places[0] - 0.5, last + 0.5])
    inner = (places[1:] + places[:-1]) / 2
    return np.concatenate([[2 * places[0] - inner[0]], inner, [2 * places[-1] - inner[-1]]])


def _draw_last(axes: Axes, rows: pd.DataFrame) -> None:
    bars, quantile = rows[rows["series"] == "histogram"], rows[rows["series"] == "quantile"].iloc[0]
    axes.bar(bars["low"], bars["y"], bars["high"] - bars["low"], align="edge", color="#7a9cc6", lw=0)
    axes.axvline(quantile["x"], color=INK, lw=0.7, ls=(0, (3, 2)))
    transform = axes.get_xaxis_transform()
    axes.text(quantile["x"], 0.99, f" {quantile['label']}", transform=transform, va="top", fontsize=5.5)
    axes.set(xlabel=bars["x_label"].iloc[0], ylabel=bars["y_label"].iloc[0], ylim=(0, 1.18 * max(bars["y"].max(), 1)))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(4))


def _draw_silent(axes: Axes, rows: pd.DataFrame) -> None:
    for k, (name, curve) in enumerate(rows.groupby("series", sort=False)):
        color, width = SILENCE[str(name)]
        axes.plot(curve["x"], curve["y"], color=color, lw=width, label=curve["label"].iloc[0], zorder=3 - k)
    axes.set_ylim(0, max(1.08 * rows["y"].max(), 5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.01), fontsize=5.5)


def _draw_drift(axes: Axes, rows: pd.DataFrame) -> None:
    lags = [name for name in dict.fromkeys(rows["series"]) if name.startswith(DRIFT)]
    styles: dict[str, Any] = {name: {"color": c} for name, c in zip(lags, LAG_COLORS, strict=False)}
    styles["participation_change"] = {"color": "#d55e00", "lw": 0.7}
    for name, curve in rows.groupby("series", sort=False):
        axes.plot(curve["x"], curve["y"], label=curve["label"].iloc[0], **styles[str(name)])
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.01), fontsize=5.5)


def _draw_cosine(axes: Axes, rows: pd.DataFrame) -> None:
    axes.axhline(0, color=FAINT, lw=0.8, zorder=0)
    axes.plot(rows["x"], rows["y"], color=INK)
    axes.set_ylim(-1.02, 1.02)
    axes.yaxis.set_major_locator(MaxNLocator(5))
