"""Contact sheet: every figure of a source, in the order of its configuration, on pages to leaf through."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.image import imread

from rnnpipe.errors import ArtefactError
from rnnpipe.figures import Inputs
from rnnpipe.figures.source_data import assemble, points
from rnnpipe.figures.style import GREY, WIDTH, new_figure, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {"figures": "pictures of the figures (.png)"}
MARGIN, GAP, TITLE = 4.0, 6.0, 4.5
"""Outer margin, space between figures, and height of a title, mm."""


class Options(Settings):
    """Settings of the sheet."""

    columns: int = setting(2, "figures beside each other", gt=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """One row a figure: where it stands (x, y: upper left corner, mm), how large it is, and its file."""
    width = (WIDTH - 2 * MARGIN - (options.columns - 1) * GAP) / options.columns
    heights = [width * _aspect(Path(path)) for path in inputs["figures"]]
    parts, top = [], MARGIN
    for first in range(0, len(heights), options.columns):
        row = range(first, min(first + options.columns, len(heights)))
        for column, i in enumerate(row):
            parts.append(
                points(
                    "sheet",
                    Path(inputs["figures"][i]).stem,
                    x=MARGIN + column * (width + GAP),
                    y=top,
                    low=width,
                    high=heights[i],
                    label=str(inputs["figures"][i]),
                    x_label="left edge (mm); low: width",
                    y_label="upper edge (mm); high: height",
                )
            )
        top += TITLE + max(heights[i] for i in row) + GAP
    return assemble(parts)


def _aspect(path: Path) -> float:
    try:
        height, width = imread(path).shape[:2]
    except (OSError, SyntaxError, ValueError):
        raise ArtefactError(f"{path}: is not a whole PNG file; draw the figure again.") from None
    return float(height / width)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The sheet of a table that `data` made, 174 mm wide and as high as it must be."""
    height = float((table["y"] + table["high"]).max()) + TITLE + MARGIN if len(table) else 40.0
    figure = new_figure(height)
    for row in table.itertuples():
        top = height - row.y
        figure.text((row.x + 0.5) / WIDTH, (top - 1.0) / height, row.series, ha="left", va="top", color=GREY)
        axes = place(figure, row.x, top - TITLE - row.high, row.low, row.high)
        axes.imshow(imread(row.label), aspect="auto", interpolation="antialiased")
        axes.axis("off")
    return figure
