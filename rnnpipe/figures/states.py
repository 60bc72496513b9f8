"""How figures show states of a population: classes of fixed points by marker, inputs by color, axes in 2-D or 3-D."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d.axes3d import Axes3D

from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, GREY, INK, MM, new_figure, note, place

KINDS = ("stable", "unstable", "marginal", "slow")
"""Classes of points; each has a marker of its own, whatever else is drawn."""

COLORS = (
    {"stable": "#08306b", "unstable": "#d55e00", "marginal": INK},
    {"stable": "#9f86ff", "unstable": "#f0b400", "marginal": "#7f7f7f"},
    {"stable": "#2ca089", "unstable": "#8e1a5c", "marginal": "#56b4e9"},
)
"""Colors of the classes, by input.

After the pipeline of the Engel lab (blue and red, blue-violet and tomato, green and orange), darker and lighter so that
inputs stay apart for readers with any of the three kinds of colour blindness; the classes have markers besides.
"""

TRAJECTORY = "#9a9a9a"
MAX_INPUTS = len(COLORS)


def marker(kind: str, color: str) -> dict[str, Any]:
    """How a class of points is drawn: stable filled, unstable a cross, marginal open, slow small and translucent."""
    if kind == "unstable":
        return {"marker": "x", "ms": 3.6, "mew": 1.0, "color": color}
    if kind == "marginal":
        return {"marker": "o", "ms": 3.8, "mew": 0.8, "mfc": "white", "mec": color}
    if kind == "slow":
        return {"marker": "o", "ms": 1.8, "mew": 0, "mfc": color, "alpha": 0.35}
    return {"marker": "o", "ms": 3.8, "mew": 0.4, "mfc": color, "mec": "white"}


def color_of(kind: str, number: int) -> str:
    """Color of a class of points under the input of that number."""
    return COLORS[number % MAX_INPUTS]["stable" if kind == "slow" else kind]


def place_3d(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes3D:
    """3-D axes at a place in mm from the lower left corner of the figure, their panes clear."""
    w, h = figure.get_size_inches() / MM
    axes: Axes3D = figure.add_axes((left / w, bottom / h, width / w, height / h), projection="3d")
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis._axinfo["grid"].update(color=FAINT, linewidth=0.4)
        axis.set_major_locator(MaxNLocator(4))
        axis.line.set_color(GREY)
    axes.tick_params(labelsize=5, pad=-2)
    return axes


def label_3d(axes: Axes3D, labels: list[str]) -> None:
    """Labels of the three axes, close to them."""
    for name, label in zip("xyz", labels, strict=True):
        getattr(axes, f"set_{name}label")(label, labelpad=-6, fontsize=6)


def coordinates(rows: pd.DataFrame, in_3d: bool) -> list[Any]:
    """Columns of the coordinates."""
    return [rows[name].to_numpy(float) for name in ("x", "y", "z")[: 3 if in_3d else 2]]


def limits(axes: Axes | Axes3D, rows: pd.DataFrame, same_scale: bool) -> None:
    """Limits that hold everything, with a margin; of one scale where all coordinates are of one kind."""
    in_3d = isinstance(axes, Axes3D)
    spans = [(np.nanmin(v), np.nanmax(v)) for v in coordinates(rows, in_3d)]
    half = [max((high - low) / 2, 1e-9) for low, high in spans]
    if same_scale:
        size = np.ones(3) if in_3d else axes.bbox.size
        half = [max(h / s for h, s in zip(half, size, strict=False)) * s for s in size[: len(half)]]
    for name, (low, high), extent in zip("xyz", spans, half, strict=False):
        centre = (low + high) / 2
        getattr(axes, f"set_{name}lim")(centre - 1.06 * extent, centre + 1.06 * extent)


NOTHING = "nothing"
"""Series of the words that stand for a figure of which there is nothing to draw."""


def nothing(words: str) -> pd.DataFrame:
    """The table of a figure of a network that does not have what the figure is about.

    It is a result, not a mistake: the rest of a study is drawn, and the figure says why it is empty.
    """
    return assemble([points("A", NOTHING, label=words)])


def words_only(table: pd.DataFrame) -> Figure | None:
    """The figure of a table that `nothing` made; None of any other table."""
    rows = of(table, "A", NOTHING)
    if rows.empty:
        return None
    figure = new_figure(40)
    axes = place(figure, 5, 5, 164, 30)
    axes.axis("off")
    note(axes, rows["label"].iloc[0])
    place_3d(figure, 0, 0, 1, 1).set_visible(False)  # what an animation turns
    return figure
