"""Indifference points of networks that choose between juices: fitted choices of each, and all against training.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 4-figure supplements 1 and 2.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnpipe.analysis.economic import choice_pattern, indifference
from rnnpipe.figures import Inputs
from rnnpipe.figures.juices import JUICE_COLORS, ratio_label, read_choices
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {"behaviour": "evaluation of each network on many trials"}
X_LABEL = "(n$_B$ − n$_A$) / (n$_B$ + n$_A$)"
Y_LABEL = "Choices of B (%)"
HEAD, ROW, SUMMARY = 5.0, 35.0, 44.0
"""Height of the margin at the top, of a row of panels, and of the summary, mm."""


class Options(Settings):
    """Settings of the figure."""

    columns: int = setting(6, "panels of a row", ge=1, le=8)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    parts: list[pd.DataFrame] = []
    networks = [read_choices(path) for path in inputs["behaviour"]]
    networks.sort(key=lambda network: network[1])  # by value, networks of one value in the order given
    for i, (choices, value_ratio, seed) in enumerate(networks):
        parts += _network(f"A{i + 1}", choices, value_ratio, seed, i)
    parts.append(points("layout", "columns", x=float(min(options.columns, len(networks)))))
    return assemble(parts)


def _network(panel: str, choices: pd.DataFrame, value_ratio: float, seed: int, i: int) -> Iterator[pd.DataFrame]:
    pattern, found = choice_pattern(choices), indifference(choices)
    seen = pattern[pattern["n"] > 0]
    of_network = {"seed": float(seed), "value_ratio": f"{value_ratio:g}"}
    yield points(
        panel,
        "choices of B",
        x=seen["x"].to_numpy(float),
        y=100 * seen["p"].to_numpy(float),
        low=100 * seen["low"].to_numpy(float),
        high=100 * seen["high"].to_numpy(float),
        n=seen["n"].to_numpy(float),
        x_label=X_LABEL,
        y_label=Y_LABEL,
        **of_network,
    )
    if not found.problem:
        x = np.linspace(-1, 1, 401)
        yield points(panel, "fit", x=x, y=100 * found.fit(x), x_label=X_LABEL, y_label=Y_LABEL, **of_network)
        yield points(
            "B",
            "indifference",
            x=float(i),
            y=found.ratio,
            low=found.low,
            high=found.high,
            x_label="Network (seed)",
            y_label="Drops of B for a drop of A",
            **of_network,
        )
    yield points(panel, "result", label=f"seed {seed}\n{ratio_label(found)}", **of_network)
    yield points("B", "trained", x=float(i), y=value_ratio, x_label="Network (seed)", **of_network)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide and as high as the number of networks asks for."""
    panels = [name for name in dict.fromkeys(table["panel"]) if name.startswith("A")]
    columns = int(of(table, "layout", "columns")["x"].iloc[0])
    n_rows = -(-len(panels) // columns)
    height = HEAD + ROW * n_rows + SUMMARY
    figure = new_figure(height)
    panel_letter(figure, "A", 1, 1)
    pitch = min(162 / columns, 46.0)
    for i, panel in enumerate(panels):
        row, column = divmod(i, columns)
        axes = place(figure, 10 + pitch * column, height - HEAD - ROW * row - 26, pitch - 4, 23)
        _draw_network(axes, table, panel, first=column == 0, last=i + columns >= len(panels))
    panel_letter(figure, "B", 1, HEAD + ROW * n_rows)
    _draw_summary(place(figure, 12, 10, 156, 32), table)
    return figure


def _draw_network(axes: Axes, table: pd.DataFrame, panel: str, first: bool, last: bool) -> None:
    seen, fit = of(table, panel, "choices of B"), of(table, panel, "fit")
    axes.set(xlim=(-1.1, 1.1), ylim=(-4, 104), xticks=[-1, 0, 1], yticks=[0, 50, 100])
    if len(seen):
        axes.axhline(50, color=GREY, lw=0.4, ls=":", zorder=0)
    axes.plot(fit["x"], fit["y"], color=INK, lw=0.9)
    axes.vlines(seen["x"], seen["low"], seen["high"], color=INK, lw=0.7)
    axes.plot(seen["x"], seen["y"], "o", color=INK, ms=2.4)
    if seen.empty:
        note(axes, "no decisions")
    result = of(table, panel, "result")
    head, _, text = result["label"].iloc[0].partition("\n")
    axes.set_title(f"1A = {float(result['value_ratio'].iloc[0]):g}B, {head}", fontsize=6, loc="left", pad=2)
    axes.text(0.03, 0.98, text.replace("B [", "B\n[").replace("no fit: ", "no fit:\n"), transform=axes.transAxes,
              ha="left", va="top", fontsize=5.5, linespacing=1.3, wrap=True)  # fmt: skip
    if last:
        axes.set_xlabel(X_LABEL)
    else:
        axes.tick_params(labelbottom=False)
    if first:
        axes.set_ylabel(Y_LABEL)
    else:
        axes.tick_params(labelleft=False)


def _draw_summary(axes: Axes, table: pd.DataFrame) -> None:
    trained, found = of(table, "B", "trained"), of(table, "B", "indifference")
    for ratio, networks in trained.groupby("y"):
        left, right = networks["x"].min() - 0.4, networks["x"].max() + 0.4
        label = "trained" if ratio == trained["y"].min() else None
        axes.plot([left, right], [ratio, ratio], color=JUICE_COLORS["A"], lw=1.0, ls=(0, (4, 2)), label=label)
    bounded = found[np.isfinite(found["high"])]
    axes.vlines(bounded["x"], bounded["low"], bounded["high"], color=INK, lw=0.8)
    endless = found[~np.isfinite(found["high"])]
    axes.plot(endless["x"], endless["y"], "^", color=INK, ms=3)  # no upper bound
    axes.plot(bounded["x"], bounded["y"], "o", color=INK, ms=3, label="fitted, with interval")
    if found.empty:
        note(axes, "no network has an indifference point")
    top = max([float(trained["y"].max()), float(found["y"].max()) if len(found) else 0.0, *bounded["high"]])
    axes.set(xlim=(-0.6, trained["x"].max() + 0.6), ylim=(0, 1.18 * top))
    axes.set_xticks(trained["x"], [f"{seed:.0f}" for seed in trained["seed"]])
    axes.set(xlabel="Network (seed)", ylabel="Drops of B for a drop of A")
    axes.legend(loc="upper left", ncols=2)
