"""Lesions and stimulation of spiking Go-NoGo networks: correct trials against the fraction that is lesioned or driven.

A: lesions of recurrent connections; the factor of each network stays that of the intact one. B: stimulation of a part
of a population for some time, in Go and in NoGo trials alike. A NoGo trial that is not correct is one that turned to
Go: its output went beyond 0.3. Thin lines are networks, thick ones their mean with its 95 % interval; kinds are drawn
side by side.

An extension: the code of Kim, Li & Sejnowski (2019) PNAS 116:22811 can stimulate units, the paper has no such results,
and so there are no published numbers to compare with.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnpipe.analysis.lesions import dose_response, over_networks
from rnnpipe.figures import Inputs
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings

NEEDS = {
    "intact": "spiking networks as they are",
    "lesions": "spiking networks with lesions",
    "stimulation": "spiking networks that are stimulated",
}
COLORS = ("#1a1a1a", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9")
MARKERS = "os^Dv<"
ROWS = {
    "lesion": ("A", "Lesioned connections (%)"),
    "stimulation": ("B", "Stimulated units (%)"),
}
TITLES = {"accuracy": "All trials", "go": "Go trials", "nogo": "NoGo trials"}


class Options(Settings):
    """The figure has no settings."""


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, fractions in percent."""
    parts = []
    for what, (panel, x_label) in ROWS.items():
        table = dose_response(inputs["lesions" if what == "lesion" else what], inputs["intact"], what)
        y_label = "Correct trials (%)"
        if table.empty or not np.isfinite(table[list(TITLES)]).to_numpy().any():
            parts.append(points(panel, "problem", label="no network reached the criterion"))
            continue
        for measure in TITLES:
            for kind, rows in table[table[measure].notna()].groupby("kind", sort=False):
                parts.append(
                    points(
                        panel,
                        f"{measure} networks",
                        kind=kind,
                        seed=rows["seed"].to_numpy(float),
                        x=100 * rows["fraction"].to_numpy(float),
                        y=100 * rows[measure].to_numpy(float),
                    )
                )
        found = over_networks(table)
        for (measure, kind), rows in found.groupby(["measure", "kind"], sort=False):
            values = {name: 100 * rows[name].to_numpy(float) for name in ("low", "high")}
            parts.append(
                points(
                    panel,
                    f"{measure} mean",
                    kind=kind,
                    x=100 * rows["fraction"].to_numpy(float),
                    y=100 * rows["mean"].to_numpy(float),
                    n=rows["n"].to_numpy(float),
                    x_label=x_label,
                    y_label=y_label,
                    **values,
                )
            )
    return assemble(parts)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(112)
    for i, (panel, _) in enumerate(ROWS.values()):
        panel_letter(figure, panel, 1, 1 + 57 * i)
        rows = of(table, panel)
        problem, kinds = rows[rows["series"] == "problem"], []
        if "kind" in rows:
            kinds = [kind for kind in rows["kind"].drop_duplicates() if kind]
        for j, measure in enumerate(TITLES):
            axes = place(figure, 14 + 55 * j, 66 - 57 * i, 46, 35)
            axes.set_title(TITLES[measure], fontsize=6, pad=3)
            if rows.empty or len(problem):
                axes.set(xticks=[], yticks=[])
                note(axes, problem["label"].iloc[0] if len(problem) else "nothing to show")
                continue
            _draw_measure(axes, rows, measure, kinds)
            if j:
                axes.set_ylabel("")
        if kinds:
            n = rows["n"].max()
            networks = "network" if n == 1 else "networks"
            handles = [
                Line2D([], [], color=COLORS[k % 6], marker=MARKERS[k % 6], label=kind) for k, kind in enumerate(kinds)
            ]
            axes = place(figure, 14, 105.5 - 57 * i, 156, 5)
            axes.set_axis_off()
            axes.legend(
                handles=handles,
                loc="center left",
                ncols=len(handles),
                columnspacing=1.4,
                borderaxespad=0.0,
            )
            axes.text(1, 0.5, f"{n:.0f} {networks}", transform=axes.transAxes, ha="right", va="center", fontsize=6)
    return figure


def _draw_measure(axes: Axes, rows: pd.DataFrame, measure: str, kinds: list[str]) -> None:
    single, mean = (rows[rows["series"] == f"{measure} {series}"] for series in ("networks", "mean"))
    if mean.empty:
        note(axes, "no trials")
        return
    axes.axhline(100, color=FAINT, lw=0.5, zorder=0)
    for k, kind in enumerate(kinds):
        color, shift = COLORS[k % 6], 0.9 * (k - (len(kinds) - 1) / 2)
        for _, line in single[single["kind"] == kind].groupby("seed"):
            axes.plot(line["x"], line["y"], color=color, lw=0.4, alpha=0.35, zorder=1)
        line = mean[mean["kind"] == kind]
        # an interval of few networks may reach beyond what a percentage can be
        low, high = line["low"].clip(0, 100), line["high"].clip(0, 100)
        axes.vlines(line["x"] + shift, low, high, color=color, lw=0.8, zorder=2)
        axes.plot(line["x"] + shift, line["y"], color=color, marker=MARKERS[k % 6], ms=3.0, lw=1.2, zorder=3)
    axes.set(xlabel=mean["x_label"].iloc[0], ylabel=mean["y_label"].iloc[0], ylim=(-3, 103), xlim=(-3, None))
