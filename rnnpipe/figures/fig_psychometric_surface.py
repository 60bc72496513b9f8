"""Choices and errors in context-dependent decisions as surfaces over the coherences of motion and of colour.

A: rightward choices in either context, with the line of indifference; B: mean squared error. Motion is along x and
colour along y in every panel, so that a network that gates well has a vertical border in the motion context and a
horizontal one in the colour context.

Reference: engellab/trainRNNbrain; after Mante, Sussillo, Shenoy & Newsome (2013) Nature 503:78.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from rnnpipe.analysis.choice_surface import choice_surface, fit_rows, gating
from rnnpipe.errors import ArtefactError
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.reading import table_of_task
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import INK, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings

NEEDS = {"behaviour": "evaluation of a network on task cddm"}
CONTEXTS = {"motion": "Motion context", "colour": "Colour context"}
MEASURES = {"A": ("p", "Choices to the right (%)", 100.0), "B": ("mse", "Mean squared error", 1.0)}
MAPS = {"A": "RdBu_r", "B": "cividis"}
"""Colours: a diverging and a sequential map that colour-blind readers see as such."""
RIGHT = 2
X_LABEL, Y_LABEL = "Motion coherence (%)", "Colour coherence (%)"


class Options(Settings):
    """The figure has no settings."""


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`.

    Series `surface <context>` has x and y in percent, the value in `value` (percent right, or error), and of choices
    the interval `low` and `high` (Wilson, 95 %); `indifference <context>` is the bias of each row's logistic fit.
    """
    path = only(inputs, "behaviour")
    table = table_of_task(path, "cddm")
    if "mse" not in table:
        raise ArtefactError(f"{path}: has no column 'mse'; this figure needs an evaluation of a supervised network.")
    answered = table["decision"].to_numpy(bool)
    right = np.where(answered, (table["choice"] == RIGHT).to_numpy(float), np.nan)
    surface = choice_surface(
        table["context"], table["coherence_relevant"], table["coherence_irrelevant"], right, table["mse"]
    )
    gates, rows = gating(surface), fit_rows(surface)
    parts = []
    for context in CONTEXTS:
        cells = surface[surface["context"] == context]
        x, y = _axes(context, cells["relevant"], cells["irrelevant"])
        for panel, (measure, label, scale) in MEASURES.items():
            limits = {"low": 100 * cells["low"].to_numpy(), "high": 100 * cells["high"].to_numpy()}
            parts.append(
                points(
                    panel, f"surface {context}", x=x, y=y, value=scale * cells[measure].to_numpy(float),
                    n=cells["n" if measure == "p" else "n_trials"].to_numpy(float),
                    **(limits if measure == "p" else {}), label=label, x_label=X_LABEL, y_label=Y_LABEL,
                )
            )  # fmt: skip
        fits = rows[(rows["context"] == context) & rows["bias"].notna() & (rows["slope"] > 0)]
        x, y = _axes(context, fits["bias"], fits["level"])
        parts.append(points("A", f"indifference {context}", x=x, y=y, value=fits["slope"].to_numpy(float) / 100))
        found = gates.get(context)
        if found is None or found.problem:
            words = found.problem if found else "no trials"
        else:
            words = f"gating index {found.index:.2f}"
        parts.append(points("A", f"gating {context}", value=np.nan if found is None else found.index, label=words))
    return assemble(parts)


def _axes(context: str, relevant: pd.Series[Any], irrelevant: pd.Series[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Coherence of motion and of colour, percent."""
    along, across = (100 * v.to_numpy(float) for v in (relevant, irrelevant))
    return (along, across) if context == "motion" else (across, along)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(140)
    for row, panel in enumerate(MEASURES):
        panel_letter(figure, panel, 1, 2 + 69 * row)
        shown = table[(table["panel"] == panel) & table["series"].str.startswith("surface")]
        values = pd.to_numeric(shown["value"])
        limits = (0.0, 100.0) if panel == "A" else (0.0, max(float(values.max()), 1e-9) if len(values) else 1.0)
        bottom, last = 80 - 69 * row, None
        for column, (context, title) in enumerate(CONTEXTS.items()):
            axes = place(figure, 17 + 75 * column, bottom, 52, 52)
            gate = of(table, "A", f"gating {context}")["label"]
            axes.set_title(f"{title}: {gate.iloc[0]}" if panel == "A" and len(gate) else title)
            cells = of(table, panel, f"surface {context}")
            if cells.empty:
                axes.set(xticks=[], yticks=[])
                note(axes, "no trials")
                continue
            last = _draw_surface(axes, cells, MAPS[panel], limits)
            if panel == "A":
                _draw_indifference(axes, cells, of(table, "A", f"indifference {context}"))
        if panel == "A":
            dot = Line2D([], [], ls="", marker="o", color=INK, ms=2.2, label="indifference\n(logistic fit)")
            figure.legend(handles=[dot], loc="upper left", bbox_to_anchor=(150 / 174, 133 / 140))
        if last is not None:
            bar = figure.colorbar(last, cax=place(figure, 152, bottom + 8, 2.5, 36))
            bar.outline.set_linewidth(0.4)
            bar.set_label(shown["label"].iloc[0])
    return figure


def _levels(cells: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    return np.unique(cells["x"]), np.unique(cells["y"])


def _draw_surface(axes: Axes, cells: pd.DataFrame, colors: str, limits: tuple[float, float]) -> Any:
    """Cells of equal size, whatever the distance of their coherences, labelled with the true ones."""
    x, y = _levels(cells)
    grid = np.full((len(y), len(x)), np.nan)
    grid[np.searchsorted(y, cells["y"]), np.searchsorted(x, cells["x"])] = pd.to_numeric(cells["value"])
    mesh = axes.pcolormesh(
        np.arange(len(x) + 1) - 0.5, np.arange(len(y) + 1) - 0.5, grid, cmap=colors, vmin=limits[0], vmax=limits[1]
    )
    axes.set(xlabel=cells["x_label"].iloc[0], ylabel=cells["y_label"].iloc[0], aspect="auto")
    axes.set_xticks(range(len(x)), [_tick(v) for v in x], rotation=90)
    axes.set_yticks(range(len(y)), [_tick(v) for v in y])
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    return mesh


def _tick(level: float) -> str:
    return f"{level:g}".replace("-", "\N{MINUS SIGN}")


def _draw_indifference(axes: Axes, cells: pd.DataFrame, line: pd.DataFrame) -> None:
    """The bias of each row's fit, at its place between the levels."""
    x, y = _levels(cells)
    inside = line[line["x"].between(x[0], x[-1]) & line["y"].between(y[0], y[-1])]
    across = np.interp(inside["x"], x, np.arange(len(x))), np.interp(inside["y"], y, np.arange(len(y)))
    axes.plot(*across, "o", color=INK, ms=2.2, mec="white", mew=0.4)
