"""Outputs of networks: mean and SD over the trials of each target, or every trial; one panel an evaluation.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Figs. 2B, S6 and S7.
"""

from __future__ import annotations

import string

import pandas as pd
from matplotlib.figure import Figure

from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.analog import draw_outputs, output_handles, output_points
from rnnpipe.figures.source_data import assemble, of
from rnnpipe.figures.style import new_figure, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {"activity": "evaluation with recorded activity of a rate or spiking network; each is a panel"}
COLUMNS = 3
"""Panels beside each other."""


class Options(Settings):
    """Settings of the figure."""

    trials: bool = setting(False, "draw every trial instead of mean and SD")


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    parts = []
    for i, path in enumerate(inputs["activity"]):
        parts += output_points(f"{_letter(i)}", Recording(path), options.trials)
    return assemble(parts)


def _letter(i: int) -> str:
    letters = string.ascii_uppercase
    return letters[i] if i < len(letters) else letters[i // len(letters) - 1] + letters[i % len(letters)]


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide and as high as it has panels."""
    panels = list(table["panel"].drop_duplicates())
    columns = min(COLUMNS, len(panels))
    n_rows = -(-len(panels) // columns)
    height = 62.0 * n_rows + 5
    figure = new_figure(height)
    pitch = 174 / columns
    for i, panel in enumerate(panels):
        row, column = divmod(i, columns)
        top = 62.0 * row
        if len(panels) > 1:
            panel_letter(figure, panel, pitch * column + 1, top + 1)
        axes = place(figure, pitch * column + 13, height - top - 50, pitch - 18, 38)
        draw_outputs(axes, table, panel)
        rows = of(table, panel)["y_label"]
        axes.set_ylabel(next((text for text in rows if text), ""))
    figure.legend(handles=output_handles(table), loc="lower center", ncols=4, bbox_to_anchor=(0.5, 0.5 / height))
    return figure
