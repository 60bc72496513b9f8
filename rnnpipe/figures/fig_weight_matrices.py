"""Weights of a continuous-time network as matrices: input, recurrent and output, units sorted by type and channel.

Units are sorted by type, then by their strongest input channel, then by their strongest output. Colours are symmetric
about zero and end at the 99 % quantile of a matrix's absolute weights, so that a few large ones hide nothing.

Reference: engellab/trainRNNbrain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from rnnpipe.analysis.unit_groups import weight_order
from rnnpipe.analysis.weights import spectral_radius
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, new_figure, panel_letter, place, styled
from rnnpipe.settings import Settings

NEEDS = {"network": "trained continuous-time network (.pth)"}
PANELS = {"B": ("$W_{rec}$", "From unit", "To unit"), "A": ("$W_{in}$", "Input", "To unit"),
          "C": ("$W_{out}$", "From unit", "Output")}  # fmt: skip
QUANTILE = 0.99
HEIGHT = 118.0


class Options(Settings):
    """The figure has no settings."""


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`.

    Series `weight`: x is the sender's place, y the receiver's, `low` the weight; weights of zero are left out. `unit`
    is the number of the unit at place x; `limit` is the end of the colours, `border` where inhibitory units begin.
    """
    from rnnpipe.io.ctrnn import read_ctrnn  # it imports torch, which drawing needs not

    stored = read_ctrnn(only(inputs, "network"))
    network, units = stored.network.astype(np.float64), stored.network_settings
    inhibitory = stored.constraints.sign_rec < 0
    order = weight_order(network.w_in, network.w_out, inhibitory)
    sorted_weights = {
        "B": network.w_rec[np.ix_(order, order)],
        "A": network.w_in[order],
        "C": network.w_out[:, order],
    }
    words = (
        f"{units.n_units} units ({units.form} form, {units.activation}) of task {stored.task.name}, seed {stored.seed}"
    )
    parts = [points("head", "network", label=f"{words}; units sorted by type, input and output")]
    parts.append(points("head", "unit", x=np.arange(len(order), dtype=float), n=order.astype(float)))
    if inhibitory.any():
        parts.append(points("head", "border", x=float((~inhibitory).sum())))
    for panel, name in (("A", "input"), ("C", "output")):
        names = np.array(getattr(stored.task, f"{name}_names"), object)
        parts.append(points(panel, "channel", x=np.arange(len(names), dtype=float), label=names))
    for panel, w in sorted_weights.items():
        parts += _matrix(panel, w)
    return assemble(parts)


def _matrix(panel: str, w: NDArray[Any]) -> list[pd.DataFrame]:
    title, x_label, y_label = PANELS[panel]
    to, sender = np.nonzero(w)
    present = w[to, sender]
    limit = float(np.quantile(np.abs(present), QUANTILE)) if len(present) else 1.0
    lines = [f"{title}: {len(present)} of {w.size} connections"]
    if panel == "B":
        lines.append(f"spectral radius {spectral_radius(w):.2f}")
    about = {"x_label": x_label, "y_label": y_label}
    n_to, n_from = w.shape
    return [
        points(panel, "weight", x=sender.astype(float), y=to.astype(float), low=present, **about),
        points(panel, "limit", x=float(n_from), y=float(n_to), high=limit, label="; ".join(lines), **about),
    ]


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(HEIGHT)
    words = of(table, "head", "network")["label"].iloc[0]
    figure.text(0.5, 1 - 1.5 / HEIGHT, words, ha="center", va="top", color=GREY)
    border = of(table, "head", "border")["x"].tolist()
    panel_letter(figure, "A", 1, 5)
    _draw_matrix(figure, place(figure, 14, 32, 22, 74), (37.5, 32, 2, 30), table, "A", [], border)
    panel_letter(figure, "B", 52, 5)
    _draw_matrix(figure, place(figure, 62, 32, 92, 74), (156, 32, 2, 30), table, "B", border, border)
    panel_letter(figure, "C", 52, 90)
    _draw_matrix(figure, place(figure, 62, 9, 92, 12), (156, 6, 2, 17), table, "C", border, [])
    return figure


def _draw_matrix(
    figure: Figure,
    axes: Axes,
    bar_place: tuple[float, float, float, float],
    table: pd.DataFrame,
    panel: str,
    borders_x: list[float],
    borders_y: list[float],
) -> None:
    head, cells = of(table, panel, "limit").iloc[0], of(table, panel, "weight")
    shape = int(head["y"]), int(head["x"])
    grid = np.zeros(shape)
    grid[cells["y"].astype(int), cells["x"].astype(int)] = cells["low"]
    limit = float(head["high"])
    edges: Any = np.arange(shape[1] + 1) - 0.5, np.arange(shape[0] + 1) - 0.5
    mesh = axes.pcolormesh(*edges, grid, cmap="RdBu_r", vmin=-limit, vmax=limit, rasterized=True)
    for at in borders_x:
        axes.axvline(at - 0.5, color=INK, lw=0.5)
    for at in borders_y:
        axes.axhline(at - 0.5, color=INK, lw=0.5)
    axes.set(ylim=(shape[0] - 0.5, -0.5), xlabel=head["x_label"], ylabel=head["y_label"])
    axes.set_title(head["label"], fontsize=6, pad=3, loc="left", x=-0.25 if panel == "A" else 0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=True))
    channels = of(table, panel, "channel")
    names = [str(name).replace("_", " ") for name in channels["label"]]
    if panel == "A":
        axes.set_xticks(channels["x"], names, rotation=90)
    elif panel == "C":
        axes.set_yticks(channels["x"], names)
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    bar = figure.colorbar(mesh, cax=place(figure, *bar_place), extend="both")
    bar.outline.set_linewidth(0.4)
    bar.ax.yaxis.set_major_locator(MaxNLocator(3))
    if panel != "A":
        bar.set_label("Weight (a.u.)")
