"""Lines and rings of slow states that hold a memory, before and during recall, and what the outputs read from them.

A: the curves in the space of an output and principal components, with the fixed points on them. B: outputs along the
curves. C: signed speed along them; where it changes sign there is a fixed point. With three axes it can be animated.

Reference: Sussillo & Barak (2013) Neural Comput 25:626; engellab/trainRNNbrain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnpipe.analysis.projection import projection
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.source_data import as_written, assemble, of, points
from rnnpipe.figures.states import (
    MAX_INPUTS,
    color_of,
    coordinates,
    label_3d,
    limits,
    marker,
    nothing,
    place_3d,
    words_only,
)
from rnnpipe.figures.style import FAINT, GREY, new_figure, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {"network": "continuous-time network (.pth) of a memory task"}
PLACE = "Place along the curve (0 to 1)"


class Options(Settings):
    """Settings of the figure."""

    inputs: list[str] = setting(
        ["delay", "recall"], "inputs of the task under which a curve is traced", min_length=1, max_length=MAX_INPUTS
    )
    axes: list[str] = setting(
        ["output 1", "PC 1", "PC 2"], "three axes of panel A: outputs, or principal components of the first curve",
        min_length=3, max_length=3,
    )  # fmt: skip
    n_points: int = setting(200, "points of a curve", ge=20)
    q_max: float = setting(1e-3, "largest q = |v|^2 / 2 of a state on a curve, v its change in a time constant", gt=0)
    elevation: float = setting(20.0, "height of the viewpoint", "degrees", ge=-90, le=90)
    azimuth: float = setting(-60.0, "direction of the viewpoint", "degrees")


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, `choice` the input, `number` its number.

    A: `curve`, `stable` and `unstable`, with z. B: `output <k>` along the curve of one output; of two or more, x and y
    are the first two, `readout`. C: `speed` along the curve.
    """
    # they import torch, which drawing needs not
    from rnnpipe.analysis.slow_curves import memory_curves
    from rnnpipe.fixed_points.manifold import ManifoldError
    from rnnpipe.fixed_points.manifold_measures import readout_angles
    from rnnpipe.fixed_points.trace import ManifoldSettings
    from rnnpipe.io.ctrnn import read_ctrnn

    stored = read_ctrnn(only(inputs, "network"))
    settings = ManifoldSettings(n_points=options.n_points, q_max=options.q_max)
    try:
        found = memory_curves(stored.network.astype(np.float64), stored.task, options.inputs, settings, stored.seed)
    except ManifoldError as error:
        return nothing(f"This network has no such curve: {error}")
    first = next(iter(found.values()))
    shown = projection(options.axes, first.rates, first.flow.w_out)
    names = dict(zip(("x_label", "y_label", "z_label"), shown.names, strict=True))
    parts = [points("A", "view", low=options.elevation, high=options.azimuth, **names)]
    for number, (label, curve) in enumerate(found.items()):
        about: dict[str, Any] = {"choice": label, "number": float(number)}
        closed = slice(0, 1 if curve.kind == "ring" else 0)
        rates = np.concatenate([curve.rates, curve.rates[closed]])
        parts.append(_at("curve", shown(rates), about))
        on_it, index = curve.flow.rates(curve.points.states), curve.points.n_unstable
        at, ends = curve.points.arclength / curve.length, curve.flow.outputs(on_it)
        for kind, chosen in (("stable", index == 0), ("unstable", index > 0)):
            if chosen.any():
                parts.append(_at(kind, shown(on_it[chosen]), about))
                parts.append(points("C", kind, x=at[chosen], y=np.zeros(chosen.sum()), **about))
                parts += _readout(kind, at[chosen], ends[chosen], about)
        s = curve.arclength / curve.length
        outputs = curve.flow.outputs(rates)
        parts += _readout("curve", np.append(s, np.ones(len(outputs) - len(s))), outputs, about)
        label_y = {"x_label": PLACE, "y_label": "Speed along the curve\n(state / time constant)"}
        parts.append(points("C", "curve", x=s, y=curve.tangential_speed, **about, **label_y))
        angle = readout_angles(curve, np.random.default_rng(0))
        counts = f"{int((index == 0).sum())} stable, {int((index > 0).sum())} unstable"
        words = (
            f"{label}: {curve.kind}, length {curve.length:.2f}; {'a continuum' if curve.continuum else counts};"
            f" to outputs {angle.angles[0]:.0f}° [{angle.low[0]:.0f}, {angle.high[0]:.0f}]"
        )
        parts.append(points("A", "summary", n=float(len(index)), y=float(angle.angles[0]), label=words, **about))
    return assemble(parts)


def _at(series: str, where: Any, about: dict[str, Any]) -> pd.DataFrame:
    return points("A", series, **dict(zip("xyz", as_written(where).T, strict=True)), **about)


def _readout(series: str, s: Any, outputs: Any, about: dict[str, Any]) -> list[pd.DataFrame]:
    """Outputs: the second against the first, or the only one against the place on the curve."""
    if outputs.shape[1] == 1:
        labels = {"x_label": PLACE, "y_label": "Output"}
        return [points("B", series, x=s, y=outputs[:, 0], **about, **labels)]
    labels = {"x_label": "Output 1", "y_label": "Output 2"}
    return [points("B", series, x=outputs[:, 0], y=outputs[:, 1], **about, **labels)]


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    if (empty := words_only(table)) is not None:
        return empty
    figure = new_figure(108)
    panel_letter(figure, "A", 1, 2)
    view = of(table, "A", "view").iloc[0]
    axes: Any = place_3d(figure, 4, 10, 104, 96)
    label_3d(axes, [view["x_label"], view["y_label"], view["z_label"]])
    axes.view_init(elev=float(view["low"]), azim=float(view["high"]))
    _draw_series(axes, of(table, "A"), in_3d=True)
    curves = of(table, "A")
    limits(axes, curves[curves["x"].notna()], same_scale=False)
    for letter, bottom in (("B", 64), ("C", 14)):
        panel_letter(figure, letter, 112, 106 - bottom - 36)
        flat = place(figure, 127, bottom, 44, 36)
        rows = of(table, letter)
        shown = rows[rows["series"] == "curve"]
        flat.set(xlabel=shown["x_label"].iloc[0], ylabel=shown["y_label"].iloc[0])
        flat.axhline(0, color=FAINT, lw=0.6, zorder=0)
        if letter == "B" and shown["x_label"].iloc[0] != PLACE:
            flat.axvline(0, color=FAINT, lw=0.6, zorder=0)
            limits(flat, rows, same_scale=True)
        if letter == "C":
            flat.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
        _draw_series(flat, rows, in_3d=False)
    words = "\n".join(of(table, "A", "summary")["label"])
    figure.text(4 / 174, 1.5 / 108, words, fontsize=5.8, color=GREY, va="bottom")
    handles, summaries = [], of(table, "A", "summary")
    for row in summaries.itertuples():
        handles.append(Line2D([], [], color=color_of("stable", int(row.number)), label=f"{row.choice}: curve"))
        for kind in ("stable", "unstable"):
            handles.append(Line2D([], [], ls="", label=kind, **marker(kind, color_of(kind, int(row.number)))))
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(12 / 174, 0.995), ncols=len(summaries), fontsize=5.8
    )
    return figure


def _draw_series(axes: Axes | Any, rows: pd.DataFrame, in_3d: bool) -> None:
    """Curves and the fixed points on them."""
    for series in ("curve", "stable", "unstable"):
        for number, part in rows[rows["series"] == series].groupby(pd.to_numeric(rows["number"])):
            where = coordinates(part, in_3d)
            if series == "curve":
                axes.plot(*where, color=color_of("stable", int(number)), lw=1.0, alpha=0.8, zorder=1)
            else:
                axes.plot(*where, ls="", **marker(series, color_of(series, int(number))), zorder=3)
