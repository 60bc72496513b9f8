"""Firing rates of the types of units of a spiking network, and its outputs.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Fig. S3.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rnnpipe.analysis.outputs import TYPES, output_groups, rates_by_type, unit_rates
from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.analog import draw_outputs, group_color, output_handles, output_points, shown_name, type_name
from rnnpipe.figures.motion import only
from rnnpipe.figures.published_units import LABEL, RATES
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, GREY, new_figure, panel_letter, place, styled
from rnnpipe.io.evaluation import read_units
from rnnpipe.settings import Settings, setting

NEEDS = {"spiking": "evaluation of the spiking network with recorded activity"}
SHORT = {1: "excitatory\n(PYR)", -1: "inhibitory\n(PV)", -2: "SOM\n(SST)"}
Y_LABEL = "Firing rate (Hz)"


class Options(Settings):
    """Settings of the figure."""

    published: bool = setting(False, "draw the rates of Kim et al. (2019), Fig. S3, behind")


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, x is the place of a type and group."""
    recording = Recording(only(inputs, "spiking"))
    kinds, rates = read_units(recording.path)["type"].to_numpy(), unit_rates(recording)
    groups, rows = output_groups(recording), rates_by_type(recording)
    shown = [kind for kind in TYPES if (kinds == kind).any()]
    parts = []
    for i, kind in enumerate(shown):
        for j, group in enumerate(groups):
            x = i + 0.36 * (j - (len(groups) - 1) / 2)
            one = rows[(rows["group"] == group.name) & (rows["type"] == kind)].iloc[0]
            if options.published and (group.name, kind) in RATES:
                mean, sd = RATES[group.name, kind]
                paper = {"x": x, "y": mean, "low": mean - sd, "high": mean + sd}
                parts.append(points("A", f"paper {kind}: {group.name}", **paper, label=LABEL, y_label=Y_LABEL))
            units = rates[group.trials].mean(axis=0)[kinds == kind]
            # spread the units over the width of a bar, in a fixed order
            spread = x + 0.13 * np.sin(2.4 * np.arange(len(units)))
            parts.append(points("A", f"units {kind}: {group.name}", x=spread, y=units, y_label=Y_LABEL))
            label = f"{one['mean']:.1f}\n± {one['sd']:.1f}"
            limits = {"low": one["mean"] - one["sd"], "high": one["mean"] + one["sd"]}
            parts.append(
                points(
                    "A", f"mean {kind}: {group.name}", x=x, y=one["mean"], **limits, n=float(one["n"]), label=label,
                    y_label=Y_LABEL,
                )
            )  # fmt: skip
        n = int((kinds == kind).sum())
        name = SHORT[kind] if type_name(recording, kind).startswith(TYPES[kind]) else "all units"
        parts.append(points("A", "type", x=float(i), n=float(n), label=f"{name}\nn = {n}"))
    return assemble([*parts, *output_points("B", recording)])


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(76)
    panel_letter(figure, "A", 1, 1)
    _draw_rates(place(figure, 13, 22, 66, 42), table)
    panel_letter(figure, "B", 88, 1)
    draw_outputs(place(figure, 101, 22, 68, 38), table, "B")
    handles = output_handles(table)
    figure.legend(handles=handles, loc="lower right", ncols=2, bbox_to_anchor=(1.0, 0.005), columnspacing=1.2)
    return figure


def _draw_rates(axes: Axes, table: pd.DataFrame) -> None:
    rows, types = of(table, "A"), of(table, "A", "type")
    groups: dict[str, str] = {}
    for row in rows[rows["series"].str.startswith("paper ")].itertuples():
        axes.bar([row.x], [row.y], width=0.34, color=FAINT, lw=0, zorder=0)
        axes.errorbar([row.x - 0.13], [row.y], yerr=[[row.y - row.low], [row.high - row.y]], fmt="none", ecolor=GREY,
                      elinewidth=0.8, zorder=1)  # fmt: skip
    top = max(1.0, float(rows[["y", "high"]].max().max()))
    for series, units in rows[rows["series"].str.startswith("units ")].groupby("series", sort=False):
        color = group_color(str(series).partition(": ")[2])
        axes.plot(units["x"], units["y"], "o", ms=1.5, mew=0, color=color, alpha=0.35, zorder=2)
    for row in rows[rows["series"].str.startswith("mean ")].itertuples():
        name = row.series.partition(": ")[2]
        color = groups.setdefault(name, group_color(name))
        axes.errorbar([row.x], [row.y], yerr=[[row.y - row.low], [row.high - row.y]], fmt="o", color=color, ms=3.6,
                      mec="white", mew=0.5, elinewidth=1.0, capsize=1.5, zorder=4)  # fmt: skip
        axes.text(row.x, 1.06 * top, row.label, ha="center", va="bottom", color=color, linespacing=1.1)
    axes.set(xticks=types["x"], ylabel=Y_LABEL, ylim=(0, 1.3 * top))
    axes.set_xticklabels(types["label"], linespacing=1.3)
    axes.set_xlim(-0.6, len(types) - 0.4)
    handles = [Patch(color=color, lw=0, label=shown_name(name)) for name, color in groups.items()]
    if rows["series"].str.startswith("paper ").any():
        handles.append(Patch(color=FAINT, lw=0, label=LABEL))
    title = "Mean ± SD over units (dots)"
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, title=title, alignment="left")
