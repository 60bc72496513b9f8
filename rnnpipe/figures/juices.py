"""What figures of economic choice share: reading choices of juices, and panels of offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rnnpipe.analysis.economic import Indifference, juice_choices, juice_task
from rnnpipe.errors import ArtefactError
from rnnpipe.figures.source_data import points
from rnnpipe.figures.style import note
from rnnpipe.io.evaluation import read_table

JUICE_COLORS = {"A": "#d55e00", "B": "#0072b2"}
JUICE_MARKERS = {"A": "D", "B": "o"}


def read_choices(path: Path) -> tuple[pd.DataFrame, float, int]:
    """Choices of juices of an evaluation, what a drop of A was worth in training, and the network's seed.

    Raises:
        ArtefactError: It is of another task.
    """
    table = read_table(path)
    task = juice_task(table, path)
    if "seed" not in table.attrs:
        raise ArtefactError(f"{path}: has no attribute 'seed'; evaluate the network again.")
    return juice_choices(table, path), task.value_ratio, int(table.attrs["seed"])


def ratio_label(found: Indifference) -> str:
    """The indifference point in words, with its interval, or why there is none."""
    if found.problem:
        return f"no fit: {found.problem}"
    return f"1A = {found.ratio:.1f}B [{found.low:.1f}, {found.high:.1f}]"


def offer_points(panel: str, series: str, rows: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """Rows of something measured at each offer, which stand in the order of the task's list.

    Args:
        panel: Panel.
        series: Series.
        rows: One row an offer: `offer`, `label`, `both`, `low`, `high`, `n`.
        columns: Others, among them `y`.
    """
    return points(
        panel,
        series,
        x=rows["offer"].to_numpy(float),
        low=rows["low"].to_numpy(float),
        high=rows["high"].to_numpy(float),
        n=rows["n"].to_numpy(float),
        offer=rows["label"].to_numpy(object),
        forced=np.where(rows["both"].to_numpy(bool), "no", "yes").astype(object),
        x_label="Offer",
        **columns,
    )


def draw_offers(axes: Axes, rows: pd.DataFrame, ticks: pd.DataFrame, **style: Any) -> None:
    """Points at offers with their intervals, joined by lines except where only one juice was offered."""
    color = style["color"]
    free = rows[rows["forced"] == "no"]
    axes.vlines(rows["x"], rows["low"], rows["high"], color=color, lw=0.7)
    axes.plot(free["x"], free["y"], color=color, lw=0.8)
    axes.plot(rows["x"], rows["y"], ls="", ms=3.0, mew=0.6, **style)
    show_offers(axes, ticks)


def show_offers(axes: Axes, rows: pd.DataFrame) -> None:
    """Name the offers of those rows on the horizontal axis."""
    if rows.empty:
        axes.set(xticks=[], yticks=[])
        note(axes, "too few decisions")
        return
    names = rows.drop_duplicates("x").sort_values("x")
    axes.set_xticks(names["x"], names["offer"], rotation=90)
    axes.set_xlim(names["x"].min() - 0.5, names["x"].max() + 0.5)
    axes.set(ylabel=rows["y_label"].iloc[0])
