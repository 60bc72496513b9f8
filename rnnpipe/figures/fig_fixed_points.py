"""Fixed points of a network in two or three dimensions, by class and input, with trajectories and unstable directions.

Stable points are filled circles, unstable ones crosses, marginal ones (their slowest mode outlasts a trial) open
circles; states that are slow without being fixed points are small and translucent. Up to three inputs have a pair of
colours each. With three axes the figure can be animated.

Reference: Sussillo & Barak (2013) Neural Comput 25:626; engellab/trainRNNbrain.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d.axes3d import Axes3D
from numpy.typing import NDArray

from rnnpipe.analysis.point_classes import Points, read_points
from rnnpipe.analysis.projection import Projection, projection
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import SettingsError
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.source_data import as_written, assemble, of, points
from rnnpipe.figures.states import (
    KINDS,
    MAX_INPUTS,
    TRAJECTORY,
    color_of,
    coordinates,
    label_3d,
    limits,
    marker,
    nothing,
    place_3d,
    words_only,
)
from rnnpipe.figures.style import GREY, INK, new_figure, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {"fixed_points": "fixed points of the network"}
OPTIONAL = {
    "activity": "evaluation of the network with recorded activity, for trajectories",
    "network": "the network (.pth), for axes of outputs and for unstable directions",
}
FITTED = {"points": "all points", "first": "the first input's points", "trajectories": "the trajectories"}
MODE_LENGTH = 0.06
"""Half the length of an unstable direction, as a fraction of the extent of all points."""
N_MODES = 3
"""Unstable directions of a point that are drawn, the fastest ones."""


class Options(Settings):
    """Settings of the figure."""

    axes: list[str] = setting(
        ["PC 1", "PC 2", "PC 3"], "the two or three axes: principal components, or outputs (`output 1`)",
        min_length=2, max_length=3,
    )  # fmt: skip
    components: Literal["points", "first", "trajectories"] = setting(
        "points", "whose principal components: all points', those of the first input's points, the trajectories'"
    )
    inputs: list[str] = setting([], "labels of the inputs that are shown, at most three; by default the first ones",
                                max_length=MAX_INPUTS)  # fmt: skip
    n_trajectories: int = setting(12, "trials whose trajectories are drawn, if there is an evaluation", ge=0)
    modes: bool = setting(False, "draw unstable directions; needs the network")
    elevation: float = setting(20.0, "height of the viewpoint (three axes)", "degrees", ge=-90, le=90)
    azimuth: float = setting(-60.0, "direction of the viewpoint (three axes)", "degrees")


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, and z of three axes.

    Series are classes of points, with the label and number of their input in `input` and `number` and the index in `n`;
    `trajectory`, `start` and `mode` are lines and points of trial or point `n`; `count` is the legend.
    """
    path = only(inputs, "fixed_points")
    found = read_points(path)
    found = found.of(options.inputs or list(found.labels[:MAX_INPUTS]))
    if not len(found.rates):
        return nothing(f"No fixed points under {', '.join(found.labels)}.")
    paths = _trajectories(inputs, options)
    if options.components == "trajectories" and not paths:
        raise SettingsError("settings of the figure: components is 'trajectories', but there are none; give activity.")
    samples, whose = _samples(found, paths, options)
    if samples is None:
        words = f"{len(found.rates)} fixed points under {', '.join(found.labels)} vary along fewer directions than axes"
        return nothing(f"{words}; give activity to show trajectories.")
    network = _network(inputs) if "network" in inputs else None
    shown = projection(options.axes, samples, None if network is None else network.w_out)
    parts = _points(found, shown)
    for trial, rates in paths.items():
        where = shown(rates)
        parts.append(_at("trajectory", where, n=float(trial)))
        parts.append(_at("start", where[:1], n=float(trial)))
    if options.modes:
        if network is None:
            raise SettingsError("settings of the figure: modes needs the network; give it with --inputs network=PATH.")
        parts += _modes(found, shown, network)
    names = dict(zip(("x_label", "y_label", "z_label"), shown.names, strict=False))
    components = f"principal components of {FITTED[whose]}"
    parts.append(points("A", "axes", low=options.elevation, high=options.azimuth, label=components, **names))
    return assemble(parts)


def _at(series: str, where: NDArray[np.float64], **columns: Any) -> pd.DataFrame:
    """Rows of places, (n, 2 or 3)."""
    return points("A", series, **dict(zip("xyz", as_written(where).T, strict=False)), **columns)


def _samples(found: Points, paths: dict[int, NDArray[Any]], options: Options) -> tuple[NDArray[Any] | None, str]:
    """Rates whose principal components are axes, and whose they are; None if they vary along too few directions.

    A network with one point or two is shown on the axes of its trajectories, where there are any.
    """
    kinds = {"points": found.rates, "first": found.rates[found.input == found.input[0]]}
    if paths:
        kinds["trajectories"] = np.concatenate(list(paths.values()))
    n_axes = sum(name.startswith("PC") for name in options.axes)
    for kind in (options.components, "points", "trajectories"):
        if kind in kinds and np.linalg.matrix_rank(kinds[kind] - kinds[kind].mean(0), tol=1e-6) >= max(n_axes, 1):
            return kinds[kind], kind
    return None, ""


def _trajectories(inputs: Inputs, options: Options) -> dict[int, NDArray[Any]]:
    """Rates of some trials, (n_steps, n_units) each, evenly among all of them."""
    if "activity" not in inputs or not options.n_trajectories:
        return {}
    recording = Recording(only(inputs, "activity"))
    n = len(recording.table)
    chosen = np.unique(np.linspace(0, n - 1, min(options.n_trajectories, n)).round().astype(int))
    return {int(trial): recording.trial(int(trial))["policy_rates"] for trial in chosen}


def _network(inputs: Inputs) -> Any:
    from rnnpipe.io.ctrnn import read_ctrnn  # it imports torch, which drawing needs not

    return read_ctrnn(only(inputs, "network")).network.astype(np.float64)


def _points(found: Points, shown: Projection) -> list[pd.DataFrame]:
    """Points by input and class, and how many there are."""
    parts = []
    for number, label in enumerate(found.labels):
        for kind in KINDS:
            chosen = (found.input == number) & (found.kind == kind)
            if chosen.any():
                index = found.n_unstable[chosen]
                about = {"input": label, "number": float(number)}
                parts.append(_at(kind, shown(found.rates[chosen]), n=index.astype(float), **about))
                parts.append(
                    points("A", "count", n=float(chosen.sum()), choice=kind, label=_count(kind, index), **about)
                )
    return parts


def _count(kind: str, index: NDArray[np.int64]) -> str:
    """How many points of a class there are, and of which index."""
    words = f"{len(index)} {kind}"
    if kind == "unstable":
        levels, counts = np.unique(index, return_counts=True)
        several = "\n" + ", ".join(f"{n} of index {k}" for k, n in zip(levels, counts, strict=True))
        words += several if len(levels) > 1 else f" of index {levels[0]}"
    return words


def _modes(found: Points, shown: Projection, network: Any) -> list[pd.DataFrame]:
    """Segments along the unstable directions of the unstable points, in rates."""
    from rnnpipe.fixed_points.flow import Flow

    extent = np.linalg.norm(found.rates - found.rates.mean(axis=0), axis=1).max()
    parts = []
    for i in np.flatnonzero(found.kind == "unstable"):
        flow = Flow.of(network, found.values[found.input[i]])
        y = found.states[i]
        values, vectors = np.linalg.eig(flow.stability_matrix(y))
        fastest = [k for k in np.argsort(-values.real)[:N_MODES] if values[k].real > 0]
        for k in fastest:
            direction = vectors[:, k].real * (1.0 if flow.form == "rate" else flow.phi.derivative(y))
            size = np.linalg.norm(direction)
            if size > 0:
                step = MODE_LENGTH * extent * direction / size
                about = {"input": found.labels[found.input[i]], "number": float(found.input[i])}
                parts.append(_at("mode", shown(found.rates[i] + np.outer([-1.0, 1.0], step)), n=float(i), **about))
    return parts


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    if (empty := words_only(table)) is not None:
        return empty
    figure = new_figure(112)
    head = of(table, "A", "axes").iloc[0]
    names = [head[name] for name in ("x_label", "y_label", "z_label") if name in table]
    in_3d = len(names) == 3
    axes: Any = place_3d(figure, 2, 2, 118, 108) if in_3d else place(figure, 14, 12, 104, 94)
    if isinstance(axes, Axes3D):
        label_3d(axes, names)
        axes.view_init(elev=float(head["low"]), azim=float(head["high"]))
    else:
        axes.set(xlabel=names[0], ylabel=names[1])
    for series, color, width in (("trajectory", TRAJECTORY, 0.5), ("mode", INK, 0.7)):
        for _, line in of(table, "A", series).groupby("n", sort=False):
            for start in range(0, len(line), len(line) if series == "trajectory" else 2):
                part = line.iloc[start : start + (len(line) if series == "trajectory" else 2)]
                axes.plot(*coordinates(part, in_3d), color=color, lw=width, alpha=0.8, zorder=1)
    first = of(table, "A", "start")
    axes.plot(*coordinates(first, in_3d), "s", ms=2.2, color=GREY, mew=0, zorder=2)
    for kind in reversed(KINDS):
        rows = of(table, "A", kind)
        for number, part in rows.groupby(pd.to_numeric(rows["number"])) if len(rows) else ():
            axes.plot(*coordinates(part, in_3d), ls="", **marker(kind, color_of(kind, int(number))), zorder=3)
    placed = table[table["x"].notna()]
    limits(axes, placed, same_scale=all(name.startswith("PC") for name in names))
    _legend(figure, table, head["label"])
    return figure


def _legend(figure: Figure, table: pd.DataFrame, components: str) -> None:
    """Classes with their numbers, by input; then lines."""
    handles: list[Line2D] = []
    counts = of(table, "A", "count")
    for label, rows in counts.groupby("input", sort=False):
        handles.append(Line2D([], [], ls="", label=f"input: {label}"))
        for row in rows.itertuples():
            style = marker(row.choice, color_of(row.choice, int(row.number)))
            handles.append(Line2D([], [], ls="", label=row.label, **style))
    if len(of(table, "A", "trajectory")):
        handles.append(Line2D([], [], color=TRAJECTORY, lw=0.7, label="trajectories of trials"))
        handles.append(Line2D([], [], ls="", marker="s", ms=2.2, color=GREY, mew=0, label="their starts"))
    if len(of(table, "A", "mode")):
        handles.append(Line2D([], [], color=INK, lw=0.7, label="unstable directions"))
    legend = figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(121 / 174, 0.97), labelspacing=0.6)
    for text in legend.get_texts():
        if text.get_text().startswith("input: "):
            text.set_fontweight("bold")
            text.set_text(text.get_text().removeprefix("input: "))
    figure.text(121 / 174, 0.03, f"Axes: {components}", color=GREY, fontsize=5.5)
