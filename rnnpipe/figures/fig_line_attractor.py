"""Line attractors of context-dependent decisions, one a context, and what drives the network along them.

A: both lines and trajectories on the axes of choice, context and evidence of motion. B: how slow the lines are. C: gain
of evidence of either feature along the line, in either context; gating is their ratio. The figure can be animated.

Reference: Mante, Sussillo, Shenoy & Newsome (2013) Nature 503:78; engellab/trainRNNbrain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnpipe.errors import ArtefactError
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.source_data import as_written, assemble, of, points
from rnnpipe.figures.states import color_of, coordinates, label_3d, limits, marker, nothing, place_3d, words_only
from rnnpipe.figures.style import FAINT, GREY, new_figure, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {"network": "continuous-time network (.pth) of task cddm"}
CONTEXTS = {"motion": "#e08a00", "colour": "#4aa3df"}
"""Color of each context's trajectories; the lines have the colours of inputs 1 and 2 in figures of states."""
NUMBERS = {"motion": 1, "colour": 2}
SIDES = {"right": "-", "left": (0, (1, 1)), "zero": (0, (4, 2))}
FEATURES = {"motion": "#1a1a1a", "colour": "#0072b2"}
"""Color of each feature's evidence."""


class Options(Settings):
    """Settings of the figure."""

    n_points: int = setting(31, "points of a line", ge=5)
    coherence: float = setting(0.4, "coherence of the relevant feature in the trajectories", gt=0, le=1)
    elevation: float = setting(12.0, "height of the viewpoint", "degrees", ge=-90, le=90)
    azimuth: float = setting(228.0, "direction of the viewpoint", "degrees")


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`.

    A: `line`, `trajectory <side>`, `stable` and `unstable` of each context (`choice`), with z. B: `q` along the line, x
    from 0 to 1. C: `gain <feature>`.
    """
    # they import torch, which drawing needs not
    from rnnpipe.analysis.slow_curves import context_lines
    from rnnpipe.fixed_points.manifold import ManifoldError
    from rnnpipe.fixed_points.selection import task_axes
    from rnnpipe.io.ctrnn import read_ctrnn
    from rnnpipe.tasks.cddm import Cddm

    path = only(inputs, "network")
    stored = read_ctrnn(path)
    if not isinstance(stored.task, Cddm):
        raise ArtefactError(f"{path}: is a network of task {stored.task.name!r}; this figure needs one of cddm.")
    try:
        found = context_lines(stored.network.astype(np.float64), stored.task, options.n_points, options.coherence)
    except ManifoldError as error:
        return nothing(f"This network has no such curve: {error}")
    axes = task_axes(found["motion"].line.flow, (0, 1), {"motion": (2, 3)})
    shown = np.array([axes[name] for name in ("choice", "context", "motion")])
    parts = [points("A", "view", low=options.elevation, high=options.azimuth)]
    for context, one in found.items():
        line, about = one.line, {"choice": context}
        parts.append(_at("line", line.rates @ shown.T, about))
        for side, rates in one.trajectories.items():
            parts.append(_at(f"trajectory {side}", rates @ shown.T, about))
        on_it = line.flow.rates(line.points.states) @ shown.T if len(line.points.states) else np.zeros((0, 3))
        for kind, chosen in (("stable", line.points.n_unstable == 0), ("unstable", line.points.n_unstable > 0)):
            if chosen.any():
                parts.append(_at(kind, on_it[chosen], about))
        place_on_it = line.arclength / line.length
        labels = {"x_label": "Place on the line, left to right", "y_label": "$q = |v|^2/2$ (per time constant)"}
        parts.append(points("B", "q", x=place_on_it, y=line.q, **about, **labels))
        for feature, gain in one.selection.gains.items():
            labels = {"x_label": "Place on the line, left to right", "y_label": "Gain of evidence\n(1 / time constant)"}
            parts.append(points("C", f"gain {feature}", x=place_on_it, y=gain, **about, **labels))
        angle = one.selection.readout_angle
        words = f"{context} context: gating index {one.gating_index:.2f}"
        if angle is not None:
            words += f"; line to choice axis {np.median(angle):.0f}°"
        parts.append(points("C", "gating", y=one.gating_index, label=words, **about))
    return assemble(parts)


def _at(series: str, where: Any, about: dict[str, str]) -> pd.DataFrame:
    return points("A", series, **dict(zip("xyz", as_written(where).T, strict=True)), **about)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    if (empty := words_only(table)) is not None:
        return empty
    figure = new_figure(108)
    panel_letter(figure, "A", 1, 2)
    rows, view = of(table, "A"), of(table, "A", "view").iloc[0]
    axes: Any = place_3d(figure, 4, 8, 106, 98)
    label_3d(axes, ["Choice axis", "Context axis", "Motion axis"])
    axes.view_init(elev=float(view["low"]), azim=float(view["high"]))
    for context, number in NUMBERS.items():
        own = rows[rows["choice"] == context]
        for side, style in SIDES.items():
            path = own[own["series"] == f"trajectory {side}"]
            axes.plot(*coordinates(path, True), color=CONTEXTS[context], ls=style, lw=0.9, zorder=1)
        line = own[own["series"] == "line"]
        axes.plot(*coordinates(line, True), color=color_of("stable", number), lw=2.0, zorder=2)
        for kind in ("stable", "unstable"):
            shown = own[own["series"] == kind]
            axes.plot(*coordinates(shown, True), ls="", **marker(kind, color_of(kind, number)), zorder=3)
    limits(axes, rows[rows["x"].notna()], same_scale=False)
    panel_letter(figure, "B", 112, 2)
    _draw_along(place(figure, 126, 66, 45, 33), of(table, "B"), ["q"])
    panel_letter(figure, "C", 112, 54)
    _draw_along(place(figure, 126, 21, 45, 29), of(table, "C"), [f"gain {feature}" for feature in FEATURES])
    words = "\n".join(of(table, "C", "gating")["label"])
    figure.text(104 / 174, 3.5 / 108, words, fontsize=5.8, color=GREY, va="bottom")
    handles = [
        Line2D([], [], color=color_of("stable", n), lw=2, label=f"{c} context: line") for c, n in NUMBERS.items()
    ]
    handles += [Line2D([], [], color=CONTEXTS[c], label=f"{c} context: trajectories") for c in NUMBERS]
    handles += [Line2D([], [], color=GREY, ls=ls, label=f"evidence {side}") for side, ls in SIDES.items()]
    figure.legend(handles=handles, loc="lower left", ncols=3, bbox_to_anchor=(0.02, 0.005), fontsize=5.5)
    return figure


def _draw_along(axes: Axes, rows: pd.DataFrame, series: list[str]) -> None:
    """Quantities along both lines: the context by line style, the context (of q) or feature by color."""
    handles = []
    for context, number in NUMBERS.items():
        for name in series:
            curve = rows[(rows["series"] == name) & (rows["choice"] == context)]
            feature = name.removeprefix("gain ")
            color = color_of("stable", number) if name == "q" else FEATURES[feature]
            style: Any = "-" if context == "motion" else (0, (3, 1.5))
            axes.plot(curve["x"], curve["y"], color=color, ls=style, lw=1.0)
            words = f"{context} context" if name == "q" else f"{feature} in {context} context"
            handles.append(Line2D([], [], color=color, ls=style, label=words))
    shown = rows[rows["series"].isin(series)]
    axes.set(xlabel=shown["x_label"].iloc[0], ylabel=shown["y_label"].iloc[0], xlim=(0, 1))
    if series == ["q"]:
        axes.set_ylim(bottom=0)
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    else:
        axes.axhline(0, color=FAINT, lw=0.6, zorder=0)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + (0.28 if len(handles) < 3 else 0.5) * (high - low))
    axes.legend(handles=handles, loc="upper left", fontsize=5.2)
