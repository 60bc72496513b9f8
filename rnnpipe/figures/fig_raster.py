"""Single trials of a spiking network: its output and the spikes of every unit, for each combination of conditions.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Figs. 4A and S4.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.outputs import Group, example_trials, output_groups, outputs, unit_order, unit_rates
from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.analog import (
    COUNTS,
    OUTPUT,
    TIME,
    TYPE_COLORS,
    accuracy_words,
    draw_frame,
    frame_points,
    group_color,
    network_title,
    type_handles,
    type_name,
)  # fmt: skip
from rnnpipe.figures.motion import only
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import INK, new_figure, note, panel_letter, place, styled
from rnnpipe.io.evaluation import read_spikes, read_units
from rnnpipe.settings import Settings

NEEDS = {"spiking": "evaluation of the spiking network with recorded activity"}
LETTERS = "ABCD"


class Options(Settings):
    """The figure has no settings."""


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`.

    Units are sorted by type and, within a type, by their mean rate in all trials, the highest first.
    """
    recording = Recording(only(inputs, "spiking"))
    spikes, kinds = read_spikes(recording.path), read_units(recording.path)["type"].to_numpy()
    order = unit_order(kinds, unit_rates(recording).mean(axis=0))
    place_of = np.empty(len(order), int)
    place_of[order] = np.arange(len(order))
    output, groups = outputs(recording), output_groups(recording)
    title = f"{network_title(recording)}: {accuracy_words(recording.table)}"
    parts = [points("all", "title", label=title.replace("\n", " "), n=float(len(kinds)))]
    for letter, (name, trial) in zip(LETTERS, example_trials(recording, len(LETTERS)), strict=False):
        group = next(g for g in groups if trial in g.trials)
        verdict = "correct" if recording.table["correct"].iloc[trial] == 1 else "wrong"
        label = f"{name}\ntrial {trial}: {verdict}"
        parts += [_of_group(part, group) for part in frame_points(letter, recording)]
        y = output[:, trial]
        parts.append(points(letter, f"output: {group.name}", x=recording.time, y=y, label=label, y_label=OUTPUT))
        fired = spikes[spikes["trial"] == trial]
        for kind in TYPE_COLORS:
            if not (kinds == kind).any():
                continue
            of_kind = fired[kinds[fired["unit"]] == kind]
            unit, time = of_kind["unit"].to_numpy(int), of_kind["time"].to_numpy(float)
            y = place_of[unit].astype(float)
            parts.append(points(letter, f"spikes {kind}", unit=unit, x=time, y=y, x_label=TIME))
            n = float((kinds == kind).sum())
            parts.append(points(letter, f"units {kind}", n=n, label=type_name(recording, kind)))
    return assemble(parts)


def _of_group(part: pd.DataFrame, group: Group) -> pd.DataFrame:
    """The frame without the thresholds of other groups."""
    return part[~part["series"].str.startswith(COUNTS) | (part["series"] == COUNTS + group.name)]


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(100)
    panels = [letter for letter in LETTERS if len(of(table, letter))]
    width = (174 - 14) / max(len(panels), 1)
    n_units = float(of(table, "all", "title")["n"].iloc[0])
    lines = table[table["series"].str.startswith("output: ")]
    span = _span(pd.concat([lines["y"], table["y"][table["series"].str.startswith(COUNTS)]]))
    names: dict[int, str] = {}
    for i, panel in enumerate(panels):
        left = 14 + width * i
        panel_letter(figure, panel, left - (13 if i == 0 else 4), 7)
        above, below = place(figure, left, 66, width - 5, 20), place(figure, left, 15, width - 5, 47)
        rows = of(table, panel)
        output = rows[rows["series"].str.startswith("output: ")]
        end = float(output["x"].max())
        draw_frame(above, table, panel)
        above.plot(output["x"], output["y"], color=group_color(output["series"].iloc[0].partition(": ")[2]), lw=1.0)
        above.set(xlim=(0, end), ylim=span, xticklabels=[])
        above.set_title(output["label"].iloc[0], fontsize=6, pad=3, linespacing=1.3)
        draw_frame(below, table[~table["series"].str.startswith(COUNTS)], panel)
        names |= _draw_spikes(below, rows)
        below.set(xlim=(0, end), ylim=(-1, n_units), xlabel=TIME if len(panels) < 3 else "Time (ms)")
        for axes in (above, below):  # the last label would run into the first one of the next panel
            axes.xaxis.set_major_locator(MaxNLocator(5 if len(panels) < 3 else 3, prune="upper"))
        for axes, label in ((above, OUTPUT), (below, "Unit (sorted)")):
            if i == 0:
                axes.set_ylabel(label)
            else:
                axes.set_yticklabels([])
    if not panels:
        note(place(figure, 14, 15, 156, 60), "no trials to show")
    figure.text(0.5, 0.992, of(table, "all", "title")["label"].iloc[0], ha="center", va="top", fontsize=6)
    handles = type_handles(names)
    handles.append(Line2D([], [], color=INK, lw=0.7, ls=(0, (4, 2)), label="threshold of an answer"))
    figure.legend(handles=handles, loc="lower center", ncols=4, bbox_to_anchor=(0.5, 0.003))
    return figure


def _span(values: pd.Series) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or 0.1
    return low - margin, high + margin


def _draw_spikes(axes: Axes, rows: pd.DataFrame) -> dict[int, str]:
    """Draw the spikes of each type of units; returns the types and their names."""
    kinds = [kind for kind in TYPE_COLORS if (rows["series"] == f"units {kind}").any()]
    # in a large network one row is too thin to be seen
    n_units = sum(float(rows.loc[rows["series"] == f"units {kind}", "n"].iloc[0]) for kind in kinds)
    half = min(0.9, max(0.45, n_units / 250))
    for kind in kinds:
        fired = rows[rows["series"] == f"spikes {kind}"]
        axes.vlines(fired["x"], fired["y"] - half, fired["y"] + half, color=TYPE_COLORS[kind], lw=0.6)
    return {kind: rows["label"][rows["series"] == f"units {kind}"].iloc[0] for kind in kinds}
