"""Outputs of a supervised network in random trials: output solid, target dashed where it counts."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, GREY, INK, WIDTH, new_figure, place, styled
from rnnpipe.settings import Settings, setting
from rnnpipe.tasks._base import Task

NEEDS = {"activity": "evaluation of a supervised network with recorded activity"}
COLUMNS, ROW = 3, 27.0
"""Trials beside each other, and height of a row, mm."""
TITLE = 50
"""Characters of a line of a title: two lines fit between rows."""
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK)
"""Of the outputs, in turn: distinct for colour-blind readers."""
OUTPUT, TARGET = "output: ", "target: "
TIME = "Time from trial start (ms)"


class Options(Settings):
    """Settings of the figure."""

    n_trials: int = setting(12, "trials that are drawn", ge=1, le=36)
    seed: int = setting(0, "of the choice of the trials", ge=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, one panel a trial."""
    recording = Recording(only(inputs, "activity"))
    n = len(recording.table)
    chosen = np.sort(np.random.default_rng(options.seed).choice(n, min(options.n_trials, n), replace=False))
    names = getattr(recording.task, "output_names", ())
    parts = []
    for number, trial in enumerate(chosen, start=1):
        arrays = recording.trial(int(trial))
        if absent := {"output", "target", "loss_mask"} - arrays.keys():
            raise ArtefactError(
                f"{recording.path}: has no activity {min(absent)!r}; this figure needs an evaluation of a supervised"
                " network."
            )
        panel = f"{number}"
        condition = _condition(recording.task, recording.table.iloc[trial])
        parts.append(points(panel, "condition", n=float(trial), label=condition))
        counts = arrays["loss_mask"] > 0
        for k in range(arrays["output"].shape[1]):
            name = names[k] if k < len(names) else f"{k + 1}"
            for start, values in ((OUTPUT, arrays["output"][:, k]), (TARGET, arrays["target"][:, k])):
                # a gap where the target does not count
                y = np.where(counts, values, np.nan) if start == TARGET else values
                series = f"{start}{name}"
                parts.append(points(panel, series, x=arrays["time"], y=y, x_label=TIME, y_label="Output"))
    return assemble(parts)


def _condition(task: Task, row: pd.Series[Any]) -> str:
    """What the trial was about: the factors of its task."""
    return ", ".join(f"{name.replace('_', ' ')} {_value(row[name])}" for name in reversed(task.factors) if name in row)


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide and as high as it has trials."""
    panels = list(dict.fromkeys(table["panel"]))
    names = list(dict.fromkeys(s.removeprefix(OUTPUT) for s in table["series"] if s.startswith(OUTPUT)))
    rows = math.ceil(len(panels) / COLUMNS)
    height = ROW * rows + 14
    figure = new_figure(height)
    low, high = table["y"].min(), table["y"].max()
    margin = 0.06 * (high - low) if high > low else 0.5
    pitch = (WIDTH - 11) / COLUMNS
    for i, panel in enumerate(panels):
        row, column = divmod(i, COLUMNS)
        axes = place(figure, 11 + pitch * column, height - 4.5 - ROW * (row + 1) + 6, pitch - 4, ROW - 7.5)
        _draw_trial(axes, of(table, panel), names)
        axes.set_ylim(low - margin, high + margin)
        below = i + COLUMNS < len(panels)
        axes.tick_params(labelbottom=not below, labelleft=column == 0)
        axes.set(xlabel="" if below else TIME, ylabel="Output" if column == 0 else "")
    handles: list[Line2D] = []
    if len(names) > 1:
        handles += [Line2D([], [], color=_color(k), label=name.replace("_", " ")) for k, name in enumerate(names)]
    handles.append(Line2D([], [], color=GREY, label="output"))
    handles.append(Line2D([], [], color=GREY, ls=(0, (2.5, 1.5)), label="target, where the loss counts"))
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), bbox_to_anchor=(0.5, 0.5 / height))
    return figure


def _color(k: int) -> str:
    return COLORS[k % len(COLORS)]


def _draw_trial(axes: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    axes.axhline(0, color=FAINT, lw=0.5, zorder=0)
    for k, name in enumerate(names):
        output, target = (rows[rows["series"] == f"{start}{name}"] for start in (OUTPUT, TARGET))
        axes.plot(output["x"], output["y"], color=_color(k), lw=0.8)
        axes.plot(target["x"], target["y"], color=_color(k), lw=0.9, ls=(0, (2.5, 1.5)), alpha=0.75)
    shown = rows[rows["series"].str.startswith(OUTPUT)]["x"]
    axes.set_xlim(shown.min(), shown.max())
    words = rows[rows["series"] == "condition"]["label"].iloc[0]
    axes.set_title(textwrap.fill(words, TITLE), fontsize=5.2, pad=1.5, color=GREY, loc="left")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
