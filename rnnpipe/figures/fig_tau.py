"""Tuned time constants of a network, and the outputs of its trials.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Figs. 1B, 4B and 4C.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnpipe.analysis.outputs import tau_histogram
from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.analog import HIGH, draw_outputs, output_handles, output_points
from rnnpipe.figures.motion import only
from rnnpipe.figures.published_units import LABEL, TIME_CONSTANTS
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, GREY, new_figure, panel_letter, place, styled
from rnnpipe.io.evaluation import read_units
from rnnpipe.settings import Settings, setting

NEEDS = {"activity": "evaluation of the network, rate or spiking, with recorded activity"}
X_LABEL, Y_LABEL = "Time constant (ms)", "Units (% of the network)"


class Options(Settings):
    """Settings of the figure."""

    bin_width: float = setting(1.0, "width of the bins of the time constants", "ms", gt=0)
    published: Literal["1B", "4B"] | None = setting(None, "figure of the paper whose numbers are drawn behind")


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    recording = Recording(only(inputs, "activity"))
    tau = read_units(recording.path)["tau"].to_numpy()
    network = recording.table.attrs["settings"].get("network", {})
    low, high = float(network.get("tau_min", np.floor(tau.min()))), float(network.get("tau_max", np.ceil(tau.max())))
    edges, counts = tau_histogram(tau, low, high, options.bin_width)
    parts = []
    if options.published is not None:
        theirs = TIME_CONSTANTS[options.published]
        words = f"{LABEL}\n{theirs.mean:g} ± {theirs.sd:g} ms"
        if theirs.counts:
            bins = _bars("paper", 19.5 + np.arange(len(theirs.counts) + 1), np.array(theirs.counts))
            bins["label"] = words
            parts.append(bins)
        # the interval is that of the text
        x, spread = theirs.mean, theirs.sd
        parts.append(points("A", "paper mean", x=x, low=x - spread, high=x + spread, label=words, x_label=X_LABEL))
    parts.append(_bars("units", edges, counts))
    mean, sd = float(tau.mean()), float(tau.std(ddof=1)) if len(tau) > 1 else 0.0
    label = f"{len(tau)} units\n{mean:.1f} ± {sd:.1f} ms (mean ± SD)"
    parts.append(
        points("A", "mean", x=mean, low=mean - sd, high=mean + sd, n=float(len(tau)), label=label, x_label=X_LABEL)
    )
    return assemble([*parts, *output_points("B", recording)])


def _bars(series: str, edges: np.ndarray, counts: np.ndarray) -> pd.DataFrame:
    """Rows of a histogram: x is the center of a bin, low and high its edges."""
    share = 100 * counts / max(counts.sum(), 1)
    x = (edges[:-1] + edges[1:]) / 2
    return points(
        "A", series, x=x, y=share, low=edges[:-1], high=edges[1:], n=counts.astype(float), x_label=X_LABEL,
        y_label=Y_LABEL,
    )  # fmt: skip


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(64)
    panel_letter(figure, "A", 1, 1)
    _draw_histogram(place(figure, 13, 15, 66, 39), table)
    panel_letter(figure, "B", 88, 1)
    draw_outputs(place(figure, 101, 15, 68, 39), table, "B")
    handles = output_handles(table)
    figure.legend(handles=handles, loc="lower right", ncols=2, bbox_to_anchor=(1.0, 0.005), columnspacing=1.2)
    return figure


def _draw_histogram(axes: Axes, table: pd.DataFrame) -> None:
    ours, paper = of(table, "A", "units"), of(table, "A", "paper")
    axes.bar(ours["x"], ours["y"], width=ours["high"] - ours["low"], lw=0.3, color=HIGH, ec="white", alpha=0.85)
    if len(paper):
        # an outline over our bars, or they would hide it
        axes.bar(paper["x"], paper["y"], width=paper["high"] - paper["low"], color=FAINT, lw=0, zorder=0)
        axes.stairs(paper["y"], [paper["low"].iloc[0], *paper["high"]], color=GREY, lw=0.7, zorder=3)
    shown = of(table, "A")
    shown = shown[shown["series"].isin(["units", "paper"])]
    top = max(float(shown["y"].max()), 1.0)
    axes.set(xlabel=X_LABEL, ylabel=Y_LABEL, ylim=(0, 1.5 * top))
    # mean and SD in the free space above the bars, names beside them
    for series, height, color in (("mean", 1.1, HIGH), ("paper mean", 1.2, GREY)):
        for row in of(table, "A", series).itertuples():
            axes.errorbar(
                [row.x], [height * top], xerr=[[row.x - row.low], [row.high - row.x]], fmt="o", color=color, ms=3.2,
                elinewidth=0.8, capsize=1.5, zorder=5,
            )  # fmt: skip
            left = series == "mean"
            axes.text(
                0.01 if left else 0.99, 1.0, row.label, transform=axes.transAxes, ha="left" if left else "right",
                va="top", color=color, linespacing=1.3, fontsize=6,
            )  # fmt: skip
