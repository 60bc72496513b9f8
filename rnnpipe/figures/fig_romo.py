"""Parametric working memory: percent correct of each pair of frequencies, and units tuned to the remembered one.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 2C.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis import romo
from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import UNIT_PANEL_LABEL, only
from rnnpipe.figures.reading import require_task, require_units, table_of_task
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, coherence_colours, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {
    "behaviour": "evaluation of the network on many trials",
    "activity": "evaluation of the network with recorded activity",
}
KINDS = ("positively", "positively", "negatively")
"""Sign of the tuning of each unit that is shown."""
STYLES = {"f1_higher": "-", "f2_higher": (0, (2.6, 1.3))}
ORDERS = {"f1_higher": "f1 > f2", "f2_higher": "f1 < f2"}
PERIOD_COLOR = "#e8e8e8"


class Options(Settings):
    """Settings of the figure."""

    units: list[int] | None = setting(
        None,
        "up to three policy units to show; by default two positively and one negatively tuned to f1 in the delay",
        min_length=1,
        max_length=len(KINDS),
    )


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`; `f1` and `f2` in Hz."""
    parts = [_accuracy(table_of_task(only(inputs, "behaviour"), "romo"))]
    recording = Recording(only(inputs, "activity"))
    table = require_task(recording.table, recording.path, "romo")
    parts.append(_stimuli(table))
    tuning = romo.delay_tuning(recording)
    if options.units is None:
        chosen = romo.example_units(tuning)
        panels = [2 if row.slope < 0 else i for i, row in enumerate(chosen.itertuples())]
    else:
        chosen = tuning.loc[require_units(options.units, recording.n_units())]
        panels = list(range(len(chosen)))
    units = dict(zip(panels, chosen.to_dict("records"), strict=True))
    for i, kind in enumerate(KINDS):
        part = _unit(recording, f"unit {i + 1}", units[i]) if i in units else None
        if part is not None and len(part):
            parts.append(part)
        elif part is not None:
            parts.append(points("B", f"note {i + 1}", label="too few correct\ntrials of any pair"))
        elif options.units is None:
            parts.append(points("B", f"note {i + 1}", label=f"no {'second ' * (i == 1)}unit is\n{kind} tuned"))
    return assemble(parts)


def _accuracy(table: pd.DataFrame) -> pd.DataFrame:
    pairs = romo.pair_accuracy(table)
    pairs = pairs[pairs["n"] > 0]
    return points(
        "A",
        "percent correct",
        f1=pairs["f1"].to_numpy(float),
        f2=pairs["f2"].to_numpy(float),
        x=pairs["f1"].to_numpy(float),
        y=pairs["f2"].to_numpy(float),
        low=100 * pairs["low"].to_numpy(float),
        high=100 * pairs["high"].to_numpy(float),
        n=pairs["n"].to_numpy(float),
        label=pairs["percent"].astype(str).to_numpy(object),
        x_label="First frequency f1 (Hz)",
        y_label="Second frequency f2 (Hz)",
    )


def _stimuli(table: pd.DataFrame) -> pd.DataFrame:
    """When the stimuli are on, s from the onset of the first; where delays differ, from the earliest to the latest."""
    origin = table["f1_on"].to_numpy(float)
    parts = []
    for name in ("f1", "f2"):
        on, off = ((table[f"{name}_{end}"].to_numpy(float) - origin) / 1000 for end in ("on", "off"))
        parts.append(points("B", f"stimulus {name}", x=float(on.min()), y=float(off.max()), label=name))
    return pd.concat(parts)


def _unit(recording: Recording, series: str, row: dict[str, float]) -> pd.DataFrame:
    traces = romo.unit_traces(recording, int(row["unit"]))
    higher = (traces["f1"] > traces["f2"]).to_numpy(bool)
    label = f"Unit {int(row['unit'])}, r² = {row['r_squared']:.2f}, slope\n"
    label += f"{row['slope']:.3f} [{row['low']:.3f}, {row['high']:.3f}] a.u./Hz"
    return points(
        "B",
        series,
        f1=traces["f1"].to_numpy(float),
        f2=traces["f2"].to_numpy(float),
        choice=np.where(higher, "f1_higher", "f2_higher").astype(object),
        x=traces["lag"].to_numpy(float) / 1000,
        y=traces["mean"].to_numpy(float),
        low=(traces["mean"] - traces["sem"]).to_numpy(float),
        high=(traces["mean"] + traces["sem"]).to_numpy(float),
        n=traces["n"].to_numpy(float),
        label=label.replace("-", "\N{MINUS SIGN}"),
        x_label="Time from f1 onset (s)",
        y_label=UNIT_PANEL_LABEL,
    )


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(57)
    panel_letter(figure, "A", 1, 1)
    frequencies = sorted(set(table["f1"].replace("", np.nan).dropna().astype(float)))
    _draw_accuracy(place(figure, 10, 9, 41, 41), table, frequencies)
    panel_letter(figure, "B", 54, 1)
    shown = [
        i for i in range(len(KINDS)) if len(of(table, "B", f"unit {i + 1}")) or len(of(table, "B", f"note {i + 1}"))
    ]
    for i in shown:
        _draw_unit(place(figure, 62 + 34.5 * i, 9, 27, 38), table, i, frequencies)
    _legends(figure, frequencies, 160)
    return figure


def _draw_accuracy(axes: Axes, table: pd.DataFrame, frequencies: list[float]) -> None:
    rows, colors = of(table, "A"), coherence_colours(frequencies)
    if rows.empty:
        note(axes, "no decisions")
        axes.set(xticks=[], yticks=[])
        return
    low, high = float(rows[["x", "y"]].min().min()), float(rows[["x", "y"]].max().max())
    margin = 0.42 * max(high - low, 1.0)  # room for the intervals
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=GREY, lw=0.5, ls=":", zorder=0)
    for row in rows.itertuples():
        color = colors[float(row.x)]
        axes.plot(row.x, row.y, "o", ms=13.5, color=color, mec="white", mew=0.5)
        dark = np.dot(color[:3], (0.3, 0.6, 0.1)) < 0.55
        axes.text(row.x, row.y, str(row.label), color="white" if dark else INK, ha="center", va="center", fontsize=6)
        outwards = -1 if row.y > row.x else 1  # away from the diagonal
        axes.text(row.x + 0.12 * outwards * (high - low), row.y, f"{row.low:.0f}–{row.high:.0f}", color=GREY,
                  fontsize=5, va="center", ha="left" if outwards > 0 else "right")  # fmt: skip
    axes.set(xlim=limits, ylim=limits, xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0], aspect="equal")
    axes.set(xticks=sorted(rows["x"].unique()), yticks=sorted(rows["x"].unique()))
    axes.set_title("Percent correct [95 % interval]", fontsize=6, loc="left", pad=3)


def _draw_unit(axes: Axes, table: pd.DataFrame, index: int, frequencies: list[float]) -> None:
    rows, colors = of(table, "B", f"unit {index + 1}"), coherence_colours(frequencies)
    axes.set(xlim=(romo.TRACE_WINDOW[0] / 1000, romo.TRACE_WINDOW[1] / 1000), xticks=[0, 1, 2, 3, 4])
    axes.set_xlabel("Time from f1 onset (s)")
    if index == 0:
        axes.set_ylabel(UNIT_PANEL_LABEL)
    for name in ("f1", "f2"):
        for stimulus in of(table, "B", f"stimulus {name}").itertuples():
            axes.axvspan(stimulus.x, stimulus.y, color=PERIOD_COLOR, lw=0, zorder=-1)
            middle = (stimulus.x + min(stimulus.y, romo.TRACE_WINDOW[1] / 1000)) / 2
            axes.text(middle, 1.0, stimulus.label, transform=axes.get_xaxis_transform(), ha="center", va="top",
                      fontsize=6, color=GREY)  # fmt: skip
    if rows.empty:
        axes.set_yticks([])
        for row in of(table, "B", f"note {index + 1}").itertuples():
            note(axes, str(row.label))
        return
    for (f1, choice, _), trace in rows.groupby(["f1", "choice", "f2"]):
        axes.plot(trace["x"], trace["y"], color=colors[float(f1)], ls=STYLES[str(choice)], lw=0.8)
    axes.set_ylim(0, 1.12 * (float(rows["y"].max()) or 1.0))  # a silent unit may be asked for
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_title(rows["label"].iloc[0], fontsize=6, loc="left", pad=3, x=-0.1)


def _legends(figure: Figure, frequencies: list[float], left: float) -> None:
    """Colors of f1 and line styles of the order, at a place in mm from the left."""
    if not frequencies:
        return
    width, _ = figure.get_size_inches() * 25.4
    colors = coherence_colours(frequencies)
    shades = [Line2D([], [], color=colors[f], lw=1.2, label=f"{f:g}") for f in reversed(frequencies)]
    orders = [Line2D([], [], color=INK, lw=0.8, ls=STYLES[k], label=ORDERS[k]) for k in STYLES]
    style: dict[str, Any] = {"loc": "upper left", "alignment": "left", "handlelength": 1.4}
    figure.legend(handles=shades, title="f1 (Hz)", bbox_to_anchor=(left / width, 0.8), **style)
    figure.legend(handles=orders, title="Order", bbox_to_anchor=(left / width, 0.32), **style)
