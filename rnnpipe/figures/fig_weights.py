"""Effective weights of a network: positive and negative ones of each block, with spectral radius."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from rnnpipe.analysis.weights import RECURRENT, spectral_radius, weight_blocks, weight_histogram
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {"network": "trained network (.pth)"}
COLORS = {"positive": "#0072b2", "negative": "#d55e00"}
NAMES = {
    "W_rec": "$W_{rec}$",
    "W_lambda": r"$W_\lambda$",
    "W_gamma": r"$W_\gamma$",
    "W_in": "$W_{in}$",
    "W_out": "$W_{out}$",
}
HEIGHT = 50.0


class Options(Settings):
    """Settings of the figure."""

    part: Literal["policy", "value"] = setting("policy", "which of the two networks")
    n_bins: int = setting(25, "bins of the larger of the two signs", ge=1)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, x is the lower edge of a bin."""
    # they import torch, which drawing needs not
    from rnnpipe.io.network import read_network
    from rnnpipe.networks.parameters import masked

    network = read_network(only(inputs, "network"))
    weights = masked(network.parameters[options.part], network.masks[options.part])
    blocks = weight_blocks({name: value.numpy() for name, value in weights.items()})
    kind = str(network.settings[{"policy": "network", "value": "value_network"}[options.part]].get("kind", "gated"))
    parts = [
        points("head", "network", label=f"{options.part} network ({kind}) of {network.task.name}, seed {network.seed}")
    ]
    shown = [name for name in (*RECURRENT, "W_in", "W_out") if name in blocks]
    if "W_in" in shown:
        shown.remove("W_out")  # the readout stands in for the blocks of a network that has nothing else
    if "W_rec" not in shown:
        parts.append(points("head", "note", label="a linear readout of its inputs: it has no recurrent weights"))
    elif "W_lambda" not in shown:
        parts.append(points("head", "note", label="simple units: they have no gates"))
    for panel, name in zip("ABCD", shown, strict=False):
        parts += _block(panel, name, blocks[name], options.n_bins)
    return assemble(parts)


def _block(panel: str, name: str, weights: NDArray[np.float64], n_bins: int) -> Iterator[pd.DataFrame]:
    histogram = weight_histogram(weights, n_bins)
    for sign in COLORS:
        bins = histogram[histogram["sign"] == sign]
        yield points(
            panel,
            sign,
            x=bins["low"].to_numpy(float),
            y=bins["n"].to_numpy(float),
            width=(bins["high"] - bins["low"]).to_numpy(float),
            x_label=f"Weight, {NAMES[name]} (a.u.)",
            y_label="Connections",
        )
    present = weights[weights != 0]
    lines = [f"{len(present)} of {weights.size} connections"]
    if name in RECURRENT:
        lines.append(f"spectral radius {spectral_radius(weights):.2f}")
    if len(present):
        lines.append(f"mean {present.mean():.3f}, SD {present.std():.3f}".replace("-", "\N{MINUS SIGN}"))
    yield points(panel, "summary", n=float(len(present)), label="\n".join(lines))


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(HEIGHT)
    figure.text(0.5, 1 - 1.2 / HEIGHT, of(table, "head", "network")["label"].iloc[0], ha="center", va="top", color=GREY)
    why = of(table, "head", "note")
    if len(why):
        figure.text(0.5, 1 - 4.4 / HEIGHT, why["label"].iloc[0], ha="center", va="top", color=GREY)
    panels = [panel for panel in "ABCD" if len(of(table, panel))]
    for i, panel in enumerate(panels):
        panel_letter(figure, panel, 1 + 43.5 * i, 3)
        _draw_block(place(figure, 11 + 43.5 * i, 9, 31, 26), table, panel, first=i == 0)
    return figure


def _draw_block(axes: Axes, table: pd.DataFrame, panel: str, first: bool) -> None:
    for sign, color in COLORS.items():
        bins = of(table, panel, sign)
        widths = pd.to_numeric(bins["width"])
        axes.bar(bins["x"], bins["y"], widths, align="edge", color=color, lw=0, label=sign)
    rows = table[(table["panel"] == panel) & table["series"].isin(list(COLORS))]
    axes.set_title(of(table, panel, "summary")["label"].iloc[0], fontsize=6, loc="left", pad=2, linespacing=1.2)
    if rows.empty:
        axes.set(xticks=[], yticks=[])
        note(axes, "every weight is zero")
        return
    axes.axvline(0, color=INK, lw=0.4)
    axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0] if first else "")
    axes.xaxis.set_major_locator(MaxNLocator(4, symmetric=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    if first:
        axes.set_ylim(top=1.3 * axes.get_ylim()[1])  # room for the legend
        axes.legend(loc="upper left", ncols=2, handlelength=0.8, columnspacing=1.0, borderaxespad=0.0)
