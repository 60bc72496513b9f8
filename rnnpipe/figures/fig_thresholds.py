"""Multisensory thresholds of several networks, and the precision with both modalities against the sum of either.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Table 2.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnpipe.analysis.multisensory import (
    MODALITIES,
    Estimate,
    Thresholds,
    mean_of_networks,
    published,
    thresholds,
)
from rnnpipe.figures import Inputs
from rnnpipe.figures.reading import table_of_task
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, WIDTH, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {"behaviour": "evaluations of one network or more on many trials"}

COLUMNS = (*MODALITIES, "predicted", "measured", "ratio")
HEADS = {
    "name": "Network",
    "visual": "σ$_v$\n(events/s)",
    "auditory": "σ$_a$\n(events/s)",
    "multisensory": "σ$_{va}$\n(events/s)",
    "predicted": "1/σ$_v^2$ + 1/σ$_a^2$\n(s$^2$/events$^2$)",
    "measured": "1/σ$_{va}^2$\n(s$^2$/events$^2$)",
    "ratio": "Ratio",
}
PLACES = {
    "name": 0.0,
    "visual": 17,
    "auditory": 34.5,
    "multisensory": 52,
    "predicted": 69.5,
    "measured": 89,
    "ratio": 107,
}
"""Where columns start, mm from the left of the table."""
DIGITS = {"ratio": 2}
ROW = 5.0
"""Height of a row, mm."""
TABLE_WIDTH = 130.0
INTERVALS = "[ ]: 95 % interval, of a network from the sampling of its trials, of a mean from the spread of networks"
OURS, PAPER = "networks", "published"


class Options(Settings):
    """Settings of the figure."""

    published: bool = setting(True, "whether the published networks are shown beside")


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`.

    A row of the typeset table is a value of `x`; its cells are series, of which `choice` says whose networks they are.
    """
    tables = [table_of_task(path, "multisensory") for path in inputs["behaviour"]]
    found = sorted(((int(t.attrs["seed"]), thresholds(t)) for t in tables), key=lambda item: item[0])
    names = [f"seed {seed}" for seed, _ in found]
    parts = _rows(OURS, 0, names, [_estimates(t) for _, t in found])
    parts += [_scatter(OURS, [t.predicted for _, t in found], [t.measured for _, t in found], names)]
    if options.published:
        table = [dict(zip(COLUMNS, map(Estimate, (*s, p, m, r)), strict=True)) for s, p, m, r in published()]
        names = [f"published {i + 1}" for i in range(len(table))]
        parts += _rows(PAPER, len(found) + 1, names, table)
        parts += [_scatter(PAPER, [row["predicted"] for row in table], [row["measured"] for row in table], names)]
    return assemble(parts)


def _estimates(found: Thresholds) -> dict[str, Estimate]:
    sigmas = {modality: found.sigma(modality) for modality in MODALITIES}
    return {**sigmas, "predicted": found.predicted, "measured": found.measured, "ratio": found.ratio}


def _rows(whose: str, first: int, names: list[str], values: list[dict[str, Estimate]]) -> list[pd.DataFrame]:
    """Cells of the rows of networks, and of their mean below them with its interval over networks."""
    mean = {c: mean_of_networks([row[c].value for row in values]) for c in COLUMNS}
    n = {c: int(np.isfinite([row[c].value for row in values]).sum()) for c in COLUMNS}
    parts = []
    for i, (name, row) in enumerate(zip([*names, "mean"], [*values, mean], strict=True)):
        parts.append(points("A", "name", choice=whose, x=first + i, label=name))
        for column in COLUMNS:
            value, low, high = row[column]
            text = _text(row[column], DIGITS.get(column, 3))
            parts.append(points("A", column, choice=whose, x=first + i, y=value, low=low, high=high, label=text,
                                n=n[column] if name == "mean" else np.nan))  # fmt: skip
    return parts


def _text(estimate: Estimate, digits: int) -> str:
    value, low, high = estimate
    if not np.isfinite(value):
        return "no fit"
    interval = f"\n[{low:.{digits}f}, {high:.{digits}f}]" if np.isfinite(low) and np.isfinite(high) else ""
    return f"{value:.{digits}f}{interval}"


def _scatter(whose: str, predicted: list[Estimate], measured: list[Estimate], names: list[str]) -> pd.DataFrame:
    shown = [i for i in range(len(names)) if np.isfinite([predicted[i].value, measured[i].value]).all()]
    return points(
        "B",
        "precision",
        choice=whose,
        x=np.array([predicted[i].value for i in shown], dtype=float),
        y=np.array([measured[i].value for i in shown], dtype=float),
        low=np.array([measured[i].low for i in shown], dtype=float),
        high=np.array([measured[i].high for i in shown], dtype=float),
        x_low=np.array([predicted[i].low for i in shown], dtype=float),
        x_high=np.array([predicted[i].high for i in shown], dtype=float),
        label=np.array([names[i] for i in shown], dtype=object),
        x_label="Sum of unimodal\nprecisions (s$^2$/events$^2$)",
        y_label="Multisensory\nprecision (s$^2$/events$^2$)",
    )


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    cells = of(table, "A")
    n_rows = int(cells["x"].max()) + 1
    height = max(62.0, 14 + ROW * n_rows + 6)
    figure = new_figure(height)
    panel_letter(figure, "A", 1, 1)
    _draw_table(place(figure, 6, height - 14 - ROW * n_rows, TABLE_WIDTH - 6, ROW * n_rows + 13), cells, n_rows)
    panel_letter(figure, "B", TABLE_WIDTH, 1)
    side = WIDTH - TABLE_WIDTH - 16.5
    _draw_scatter(place(figure, TABLE_WIDTH + 14, height - side - 12, side, side), table)
    return figure


def _draw_table(axes: Axes, cells: pd.DataFrame, n_rows: int) -> None:
    width = TABLE_WIDTH - 6
    axes.set(xlim=(0, width), ylim=(-ROW * n_rows, 13))
    axes.axis("off")
    for column, head in HEADS.items():
        axes.text(PLACES[column], 1.6, head, ha="left", va="bottom", fontsize=6, linespacing=1.3)
    axes.axhline(0.6, color=INK, lw=0.6)
    for cell in cells.itertuples():
        middle, color = -ROW * (cell.x + 0.5), GREY if cell.choice == PAPER else INK
        value, _, interval = str(cell.label).partition("\n")
        axes.text(
            PLACES[str(cell.series)], middle + (1.15 if interval else 0), value, color=color, va="center", fontsize=6
        )
        axes.text(PLACES[str(cell.series)], middle - 1.15, interval, color=color, va="center", fontsize=5)
    axes.text(0, -ROW * n_rows - 1, INTERVALS, color=GREY, va="top", fontsize=5)
    names = cells[cells["series"] == "name"]
    for row in names[names["label"] == "mean"].itertuples():
        axes.axhline(-ROW * row.x, color=INK if row.choice == OURS else GREY, lw=0.4)
        axes.axhline(-ROW * (row.x + 1), color=INK, lw=0.6)


def _draw_scatter(axes: Axes, table: pd.DataFrame) -> None:
    rows = of(table, "B")
    if rows.empty:
        axes.set(xticks=[], yticks=[])
        note(axes, "no network has\nthree fits")
        return
    for whose, face, color in ((PAPER, "white", GREY), (OURS, INK, INK)):
        part = rows[rows["choice"] == whose]
        if part.empty:
            continue
        axes.vlines(part["x"], part["low"].astype(float), part["high"].astype(float), color=color, lw=0.5)
        axes.hlines(part["y"], part["x_low"].astype(float), part["x_high"].astype(float), color=color, lw=0.5)
        axes.plot(part["x"], part["y"], "o", mfc=face, mec=color, mew=0.7, ms=3, label=whose)
    reach = rows[["x", "y", "low", "high", "x_low", "x_high"]].astype(float)
    low, high = float(reach.min().min()), float(reach.max().max())
    limits = (low - 0.05 * (high - low), high + 0.05 * (high - low))
    axes.plot(limits, limits, color=GREY, lw=0.5, ls=":", zorder=0)
    axes.set(xlim=limits, ylim=limits, xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0])
    axes.locator_params(nbins=4)
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2, columnspacing=1.0)
