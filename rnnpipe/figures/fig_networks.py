"""Many networks against a setting: how well they learned, and how well they work as spiking networks.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Figs. 1C, 2C-E, 3B-C, 4D-E, 5, 6 and 7B-C.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnpipe.analysis.networks import MEASURES, Measure, best_mappings, difference_p, of_files, summarise
from rnnpipe.errors import ArtefactError
from rnnpipe.figures import Inputs
from rnnpipe.figures.kim2019_paper import NAME, published
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, WIDTH, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {"networks": "rate networks mapped to spikes, of stage spiking; one file a batch of networks"}

MeasureName = Literal[
    "trained",
    "trials",
    "rate_accuracy",
    "tau_mean",
    "successful",
    "accuracy",
    "heldout_accuracy",
    "factor",
    "rate_hz",
]
PaperName = Literal[
    "gonogo_size",
    "gonogo_tau",
    "context_size",
    "context_tau",
    "refractory",
    "gain",
    "fixed_tau",
    "filter",
    "activation",
]
Axis = Literal[
    "n_units", "tau_max", "gain", "t_ref", "v_noise", "p_inhibitory", "activation", "time_constants", "filter"
]
Sorting = Literal["v_noise", "p_inhibitory", "task"]


@dataclass(frozen=True)
class _Axis:
    label: str
    names: Mapping[str, str]
    """Labels of the values of an axis of names, in their order; numbers have none."""


AXES: dict[str, _Axis] = {
    "n_units": _Axis("Number of units N", {}),
    "tau_max": _Axis("Largest time constant allowed (ms)", {}),
    "gain": _Axis("Gain of the initial weights", {}),
    "t_ref": _Axis("Refractory period (ms)", {}),
    "v_noise": _Axis("Noise of a step's voltage, SD (mV)", {}),
    "p_inhibitory": _Axis("Probability that a unit is inhibitory", {}),
    "activation": _Axis("Activation", {"sigmoid": "sigmoid", "softplus": "softplus", "clipped_relu": "ReLU"}),
    "time_constants": _Axis("Time constants", {"35": "fixed,\n35 ms", "20-50": "learned,\n20–50 ms"}),
    "filter": _Axis("Synaptic filter", {"single": "single\nexponential", "double": "double\nexponential"}),
}
"""What networks are compared over."""

TASKS = {"go_nogo": "Go-NoGo", "xor": "XOR", "context_integration": "context integration"}
COLORS = (INK, "#0072b2", "#d55e00", "#009e73")
MARKERS = ("o", "s", "^", "D")
PAPER_COLOR = "#b9a7c9"
ONE_LINE = 5
"""Entries of a legend that fit into one line."""
NOTHING = "no network reached\nthe criterion"


class Options(Settings):
    """Settings of the figure."""

    x: Axis = setting("n_units", "what networks are compared over: a setting of the networks, or of their mapping")
    measures: list[MeasureName] = setting(
        ["trained", "accuracy", "heldout_accuracy"], "what is compared, one panel each", min_length=1, max_length=6
    )
    series: Sorting | None = setting(None, "setting that sorts the networks into series, within panels of spikes")
    best_mapping: bool = setting(False, "of several ways of mapping, show the one of each network's highest accuracy")
    paper: PaperName | None = setting(None, "published values that are drawn faintly behind")
    identity: bool = setting(False, "whether the line y = x is drawn")
    test: bool = setting(
        False, "whether p of equal accuracies over the values of x is written (rank-sum test of two, Kruskal-Wallis)"
    )
    zoom: float | None = setting(None, "draw each measure once more, up to this value of x", gt=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`.

    Rows `panel` tell what the axes are and how far x reaches (`low`, `high`). `networks` are single networks (`seed`),
    `summary` their mean and SD or a fraction and its 95 % interval, `n` the number of networks; `choice` tells series
    apart. Rows `tick` name the places of an axis of names.
    """
    table = of_files(inputs["networks"])
    if options.best_mapping:
        table = best_mappings(table)
    table = table.assign(x=_places(table, options.x), choice=_series(table, options.series))
    panels: list[tuple[Measure, str, float]] = []
    for limit in [np.inf] if options.zoom is None else [np.inf, options.zoom]:
        panels += [(MEASURES[name], name, limit) for name in options.measures]
    parts = []
    for letter, (measure, name, limit) in zip("ABCDEFGHIJKL", panels, strict=False):
        low, high = _reach(table, options, limit)
        label = {"x_label": AXES[options.x].label, "y_label": measure.label}
        parts.append(points(letter, "panel", low=low, high=high, **label))
        parts += _ticks(letter, options.x)
        if options.paper is not None:
            parts += _published(letter, options, name, limit)
        shown = table[table["x"] <= limit]
        if measure.of_rate_network:
            shown = shown.sort_values(measure.column, kind="stable", na_position="last")
            shown = shown.drop_duplicates(["rate_network", "x"]).sort_index().assign(choice="")
        for choice, rows in shown.groupby("choice", sort=False):
            parts += _of_series(letter, measure, str(choice), rows)
        if options.identity:
            ends = np.array([low, high])
            parts.append(points(letter, "identity", x=ends, y=ends, label="y = x"))
        if options.test and name in ("accuracy", "heldout_accuracy"):
            parts += _difference(letter, measure, shown)
    return assemble(parts)


def _places(table: pd.DataFrame, axis: str) -> list[float]:
    """Place of each network on the x axis: a number, or the place of its name."""
    names = list(AXES[axis].names)
    if axis == "time_constants":
        found = [_name(low, high) for low, high in zip(table["tau_min"], table["tau_max"], strict=True)]
    elif axis == "filter":
        found = ["single" if rise == 0 else "double" for rise in table["tau_rise"]]
    else:
        found = list(table[axis])
    for value in found:
        if value is None or (names and value not in names) or value != value:
            known = f"one of {', '.join(names)}" if names else "a number"
            raise ArtefactError(f"a file of networks has {axis} = {value}, expected {known}; leave it out.")
    return [float(names.index(value) if names else value) for value in found]


def _reach(table: pd.DataFrame, options: Options, limit: float) -> tuple[float, float]:
    """Lowest and highest place of all panels, so that they can be compared."""
    names = AXES[options.x].names
    if names:
        return 0.0, len(names) - 1.0
    places = list(table["x"])
    if options.paper is not None:
        places += [float(x) for name in options.measures for x in published(options.paper, name)["x"]]
    within = [x for x in places if x <= limit]
    return min(within, default=0.0), max(within, default=limit)


def _name(low: Any, high: Any) -> str:
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"


def _series(table: pd.DataFrame, by: str | None) -> list[str]:
    if by is None:
        return [""] * len(table)
    if by == "task":
        return [TASKS.get(task, str(task)) for task in table["task"]]
    form = {"v_noise": "noise {:g} mV", "p_inhibitory": "p(inhibitory) = {:g}"}[by]
    return [form.format(value) for value in table[by]]


def _ticks(letter: str, axis: str) -> list[pd.DataFrame]:
    names = list(AXES[axis].names.values())
    return [points(letter, "tick", x=np.arange(len(names)), label=np.array(names, object))] if names else []


def _published(letter: str, options: Options, name: str, limit: float) -> list[pd.DataFrame]:
    assert options.paper is not None
    rows, names = published(options.paper, name), list(AXES[options.x].names)
    x = np.array([names.index(value) if names else float(value) for value in rows["x"]], dtype=float)
    rows, x = rows[x <= limit], x[x <= limit]
    value, sd = rows["value"].to_numpy(), rows["sd"].to_numpy()
    return [points(letter, "paper", x=x, y=value, low=value - sd, high=value + sd, label=NAME)]


def _of_series(letter: str, measure: Measure, choice: str, rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Points of single networks, and their summary, at each place."""
    parts = []
    for x, here in rows.groupby("x"):
        values = measure.values(here)
        if measure.threshold is None:
            parts.append(points(letter, "networks", choice=choice, seed=_seeds(measure, here), x=x, y=values))
        n, value, low, high = summarise(measure, values)
        if n:
            parts.append(points(letter, "summary", choice=choice, x=x, y=value, low=low, high=high, n=n))
    return parts


def _seeds(measure: Measure, rows: pd.DataFrame) -> Any:
    """Seeds of the networks that have a measure, in the order of their values."""
    if measure.of == "trained":
        rows = rows[rows["trained"].astype(bool)]
    return rows["seed"][np.isfinite(rows[measure.column].to_numpy(float))].to_numpy(float)


def _difference(letter: str, measure: Measure, rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The text of a test over the places, of each series."""
    parts = []
    for choice, part in rows.groupby("choice", sort=False):
        groups = [values for _, here in part.groupby("x") if len(values := measure.values(here))]
        p = difference_p(groups)
        if np.isfinite(p):
            test = "rank-sum test" if len(groups) == 2 else "Kruskal–Wallis test"
            parts.append(points(letter, "test", choice=choice, y=p, label=f"p = {p:.2g} ({test})"))
    return parts


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    letters = list(dict.fromkeys(table["panel"]))
    columns = min(len(letters), 2 if len(letters) in (2, 4) else 3)
    lines = -(-len(letters) // columns)
    choices = list(dict.fromkeys(table["choice"][table["series"] == "summary"])) if "choice" in table else []
    top = 5 + 2.3 * max(len(choices), 1)
    names = (table["series"] == "tick").any()
    bottom, high = 12.5 if names else 9.5, 36.0
    handles = _legend(table, choices)
    below = 5.0 if len(handles) <= ONE_LINE else 8.5
    figure = new_figure(lines * (top + high + bottom) + below)
    width = WIDTH / columns
    for i, letter in enumerate(letters):
        row, column = divmod(i, columns)
        above = row * (top + high + bottom)
        panel_letter(figure, letter, column * width + 1, above + 1)
        left = column * width + 14
        up = (lines - row - 1) * (top + high + bottom) + below + bottom
        axes = place(figure, left, up, min(width - 17, 80), high)
        _draw_panel(axes, table[table["panel"] == letter], choices)
    if handles:
        ncols = len(handles) if len(handles) <= ONE_LINE else -(-len(handles) // 2)
        figure.legend(handles=handles, loc="lower center", ncols=ncols, columnspacing=1.6)
    return figure


def _style(choice: Hashable, choices: list[str]) -> tuple[str, str, int]:
    """Color, marker and number of a series."""
    named = [c for c in choices if c]
    place = named.index(str(choice)) if choice in named else 0
    return COLORS[place % len(COLORS)], MARKERS[place % len(MARKERS)], place


def _draw_panel(axes: Axes, rows: pd.DataFrame, choices: list[str]) -> None:
    head, ticks = rows[rows["series"] == "panel"].iloc[0], rows[rows["series"] == "tick"]
    axes.set(xlabel=head["x_label"], ylabel=head["y_label"])
    percent = str(head["y_label"]).endswith("(%)")
    places = rows["x"][rows["series"].isin(["paper", "summary"])]
    low, high = float(head["low"]), float(head["high"])
    span = high - low if high > low else max(abs(high), 1.0)
    margin = 0.5 if len(ticks) else 0.06 * span
    axes.set_xlim(low - margin, high + margin)
    if len(ticks):
        axes.set_xticks(ticks["x"], ticks["label"])
    elif len(levels := sorted(set(places))) <= 6 and (len(levels) < 2 or min(np.diff(levels)) > 0.08 * span):
        axes.set_xticks(levels, [f"{level:g}" for level in levels])
    width = 0.12 if len(ticks) else 0.014 * span
    summary = rows[rows["series"] == "summary"]
    present = [c for c in choices if (summary["choice"] == c).any()] if len(summary) else []
    top = 100.0 if percent else np.inf
    paper = rows[rows["series"] == "paper"]
    if len(paper):
        at = paper["x"] + (-1.7 * width if len(ticks) else 0)
        line = "none" if len(ticks) else "-"
        axes.vlines(at, paper["low"], np.minimum(paper["high"], top), color=PAPER_COLOR, lw=1.6, alpha=0.5, zorder=1)
        axes.plot(at, paper["y"], color=PAPER_COLOR, ls=line, lw=1.0, marker="D", ms=2.6, mec="none", zorder=1)
    for row in rows[rows["series"] == "identity"].groupby("label"):
        axes.plot(row[1]["x"], row[1]["y"], color=GREY, lw=0.6, ls=(0, (3, 2)), zorder=0)
    for choice in present:
        color, marker, place = _style(choice, choices)
        shift = (place - (len(present) - 1) / 2) * (2.2 if len(ticks) else 1.1) * width if len(present) > 1 else 0.0
        shift += 0.6 * width if len(ticks) and len(paper) else 0.0
        single = of(rows, str(head["panel"]), "networks")
        single = single[single["choice"] == choice]
        axes.plot(
            single["x"] + shift + width * _spread(single), single["y"],
            ls="none", marker=marker, ms=1.7, mfc=color, mec="none", alpha=0.35, zorder=2,
        )  # fmt: skip
        mean = summary[summary["choice"] == choice].sort_values("x")
        axes.vlines(mean["x"] + shift, mean["low"], np.minimum(mean["high"], top), color=color, lw=0.9, zorder=3)
        axes.plot(
            mean["x"] + shift, mean["y"], color=color, ls="none" if len(ticks) else "-", lw=0.8,
            marker=marker, ms=4, mec="white", mew=0.4, zorder=4,
        )  # fmt: skip
        _write_numbers(axes, mean, color, present.index(choice), bool(len(ticks)))
    if not present:
        note(axes, NOTHING)
    if percent:
        values = pd.concat([summary["y"], summary["low"], rows["y"][rows["series"].isin(["networks", "paper"])]])
        start = 0.0 if "trained" in head["y_label"] or "successful" in head["y_label"] else _floor(values)
        axes.set_ylim(start - 0.03 * (100 - start), 100 + 0.05 * (100 - start))
    texts = rows[rows["series"] == "test"]
    for i, text in enumerate(texts.itertuples()):
        color = _style(text.choice, choices)[0]
        axes.text(0.02, 0.04 + 0.08 * i, text.label, transform=axes.transAxes, color=color, fontsize=5.5)


def _floor(values: pd.Series) -> float:
    """Where an axis of percent starts: at a ten below all values, and not above 90."""
    finite = values[np.isfinite(values.astype(float))]
    return float(np.clip(10 * np.floor((finite.min() if len(finite) else 0.0) / 10), 0, 90))


def _spread(rows: pd.DataFrame) -> Any:
    """Sideways shifts of the points of one place, in -0.5 to 0.5: evenly, in the order of their seeds."""
    count = rows.groupby("x").cumcount()
    # a low-discrepancy sequence: neighbours in number are far apart
    return (0.5 + 0.6180339887 * count) % 1.0 - 0.5


def _write_numbers(axes: Axes, mean: pd.DataFrame, color: str, line: int, names: bool) -> None:
    """Numbers of networks above a panel: at each place where there is room, else their range."""
    numbers, offset = mean["n"].astype(int), 2.0 + 6.4 * line
    low, high = axes.get_xlim()
    gaps = np.diff(mean["x"].to_numpy()) / (high - low)
    far = names or not len(gaps) or gaps.min() > 0.055

    def write(x: float, text: str, align: str) -> None:
        axes.annotate(
            text, (x, 1), xycoords=("data", "axes fraction"), xytext=(0, offset), textcoords="offset points",
            ha=align, va="bottom", fontsize=5, color=color, annotation_clip=False,
        )  # fmt: skip

    if len(set(numbers)) > 1 and far:
        for x, n in zip(mean["x"], numbers, strict=True):
            write(x, f"{'n = ' if x == mean['x'].iloc[0] and names else ''}{n}", "center")
        if not names:
            write(low, "n =", "right")
    else:
        text = f"{numbers.min()}" if len(set(numbers)) == 1 else f"{numbers.min()}–{numbers.max()}"
        write(high, f"n = {text} networks{'' if len(numbers) == 1 else ' each'}", "right")


def _legend(table: pd.DataFrame, choices: list[str]) -> list[Line2D]:
    """What stands for what."""
    handles = []
    for choice in [c for c in choices if c] or ([""] if choices else []):
        color, marker, _ = _style(choice, choices)
        label = f"{choice or 'our networks'}"
        handles.append(Line2D([], [], color=color, marker=marker, ms=4, mec="white", mew=0.4, lw=0.8, label=label))
    if (table["series"] == "networks").any():
        handles.append(Line2D([], [], color=GREY, ls="none", marker="o", ms=1.7, label="single networks"))
    bars = []
    if (table["series"] == "networks").any():
        bars.append("mean ± SD")
    y_labels = table["y_label"][table["series"] == "panel"]
    if any("trained" in label or "successful" in label for label in y_labels):
        bars.append("95 % interval of percentages of networks")
    if bars:
        handles.append(Line2D([], [], color=GREY, lw=0.9, marker="|", ms=0, label=", ".join(bars)))
    if (table["series"] == "paper").any():
        label = f"{NAME}, in search" if any(label.startswith("Held-out") for label in y_labels) else NAME
        handles.append(Line2D([], [], color=PAPER_COLOR, marker="D", ms=2.6, mec="none", lw=1.0, label=label))
    if (table["series"] == "identity").any():
        handles.append(Line2D([], [], color=GREY, lw=0.6, ls=(0, (3, 2)), label="y = x"))
    return handles
