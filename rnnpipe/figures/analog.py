"""How figures show continuous outputs: mean and SD of each group of trials, what counts, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.outputs import (
    NAMES,
    TYPES,
    accuracy,
    analog_task,
    is_spiking,
    mean_outputs,
    output_groups,
    outputs,
    window_start,
)  # fmt: skip
from rnnpipe.analysis.recording import Recording
from rnnpipe.figures.source_data import of, points
from rnnpipe.figures.style import GREY, INK, PERIOD_COLOURS, note
from rnnpipe.tasks._analog import AnalogTask

HIGH, LOW = "#0072b2", "#d55e00"
"""Color of trials with the higher and with the lower target."""

TYPE_COLORS = {1: INK, -1: "#cc79a7", -2: "#009e73"}
"""Color of excitatory, inhibitory and SOM units."""

TIME = "Time from trial start (ms)"
OUTPUT = "Output"
MEAN, TRIAL, COUNTS, STIMULUS, WINDOW = "mean: ", "trial: ", "counts: ", "period ", "window"
"""How names of series start: mean of a group, single trials of a group, level that an output is compared with,
periods of stimuli; and the start of the time in which the output counts."""


def network_title(recording: Recording) -> str:
    """What was evaluated, and whether its training went to the end."""
    attrs = recording.table.attrs
    if is_spiking(recording):
        model = str(attrs["settings"].get("lif", {}).get("model", "lif")).upper()
        name = f"{model} network, S = {attrs['scaling_factor']:g}"
    else:
        name = "Rate network"
    return name if attrs.get("reached_criterion", True) else f"{name}\n(training criterion not reached)"


def accuracy_words(table: pd.DataFrame) -> str:
    """Accuracy with its interval (95 %) and the number of trials."""
    p, low, high, n = accuracy(table)
    return f"{100 * p:.0f} % correct [{100 * low:.0f}, {100 * high:.0f}], n = {n}" if n else "no trials"


def group_color(name: str) -> str:
    """Color of a group of trials."""
    lower = {names[min(names)] for names in NAMES.values()}
    return LOW if name in lower or name.startswith("target -") else HIGH


def shown_name(name: str) -> str:
    """Name of a group as it is written."""
    return name.replace("-", "\N{MINUS SIGN}")


def frame_points(panel: str, recording: Recording) -> list[pd.DataFrame]:
    """Rows of what surrounds outputs: stimuli, start of the window, levels that they are compared with."""
    task, start, end = analog_task(recording), window_start(recording), float(recording.time[-1])
    parts = [points(panel, WINDOW, x=start, label="output counts", x_label=TIME)]
    for name in recording.table.columns:
        if name.endswith("_on") and "stimulus" in name and len(recording.table):
            period = name.removesuffix("_on")
            on, off = (float(recording.table[f"{period}_{edge}"].iloc[0]) for edge in ("on", "off"))
            parts.append(points(panel, f"{STIMULUS}{period}", x=on, y=min(off, end), x_label=TIME))
    for group in output_groups(recording):
        for level in _levels(task, group.level, is_spiking(recording)):
            parts.append(points(panel, f"{COUNTS}{group.name}", x=start, y=level, high=end, x_label=TIME))
    return parts


def _levels(task: AnalogTask, level: float, spiking: bool) -> list[float]:
    if level == 0 and task.withholds:
        nogo = float(getattr(task, "threshold_nogo", task.threshold))
        return [nogo] if spiking else [nogo, -nogo]
    return [task.threshold if level > 0 else -task.threshold]


def output_points(panel: str, recording: Recording, trials: bool = False) -> list[pd.DataFrame]:
    """Rows of the outputs of an evaluation: mean +- SD of each group of trials, or every trial."""
    labels = {"x_label": TIME, "y_label": OUTPUT}
    parts = frame_points(panel, recording)
    if trials:
        output = outputs(recording)
        for group in output_groups(recording):
            for trial in group.trials:
                y = output[:, trial]
                parts.append(points(panel, TRIAL + group.name, trial=int(trial), x=recording.time, y=y, **labels))
    else:
        for name, one in mean_outputs(recording).groupby("group", sort=False):
            mean, sd = one["mean"].to_numpy(), one["sd"].to_numpy()
            x, n = one["time"].to_numpy(), one["n"].to_numpy(float)
            parts.append(points(panel, f"{MEAN}{name}", x=x, y=mean, low=mean - sd, high=mean + sd, n=n, **labels))
    parts.append(points(panel, "title", label=network_title(recording)))
    parts.append(points(panel, "accuracy", n=float(len(recording.table)), label=accuracy_words(recording.table)))
    return parts


def draw_frame(axes: Axes, table: pd.DataFrame, panel: str) -> None:
    """Draw what `frame_points` gives."""
    rows = of(table, panel)
    for period in rows[rows["series"].str.startswith(STIMULUS)].itertuples():
        axes.axvspan(period.x, period.y, color=PERIOD_COLOURS["stimulus"], lw=0, zorder=0)
    for start in of(table, panel, WINDOW)["x"]:
        axes.axvline(start, color=GREY, lw=0.6, ls=":", zorder=1)
    for row in rows[rows["series"].str.startswith(COUNTS)].itertuples():
        color = group_color(row.series.removeprefix(COUNTS))
        axes.plot([row.x, row.high], [row.y, row.y], color=color, lw=0.7, ls=(0, (4, 2)), zorder=2)


def draw_outputs(axes: Axes, table: pd.DataFrame, panel: str, accuracies: bool = True) -> None:
    """Draw what `output_points` gives."""
    draw_frame(axes, table, panel)
    rows = of(table, panel)
    drawn = rows[rows["series"].str.startswith((MEAN, TRIAL))]
    axes.set(xlabel=TIME, ylabel=OUTPUT)
    if drawn.empty:
        note(axes, "no trials")
        return
    for name, line in drawn.groupby("series", sort=False):
        color = group_color(str(name).partition(": ")[2])
        if str(name).startswith(MEAN):
            axes.fill_between(line["x"], line["low"], line["high"], color=color, alpha=0.22, lw=0, zorder=3)
            axes.plot(line["x"], line["y"], color=color, lw=1.0, zorder=4)
        else:
            for _, trial in line.groupby("trial", sort=True):
                axes.plot(trial["x"], trial["y"], color=color, lw=0.35, alpha=0.7, zorder=3)
    axes.set_xlim(0, float(drawn["x"].max()))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    for title in of(table, panel, "title")["label"]:
        words = of(table, panel, "accuracy")["label"].tolist() if accuracies else []
        axes.set_title("\n".join([title, *words]), fontsize=6, pad=3, linespacing=1.3)


def output_handles(table: pd.DataFrame) -> list[Line2D]:
    """Entries of a legend for what `draw_outputs` draws."""
    series = table["series"][table["series"].str.startswith((MEAN, TRIAL))].drop_duplicates()
    spread = " (mean ± SD over trials)" if series.str.startswith(MEAN).any() else " (single trials)"
    names = list(dict.fromkeys(name.partition(": ")[2] for name in series))
    handles = [Line2D([], [], color=group_color(name), lw=1.2, label=shown_name(name) + spread) for name in names]
    if len(table[table["series"].str.startswith(COUNTS)]):
        handles.append(Line2D([], [], color=INK, lw=0.7, ls=(0, (4, 2)), label="threshold of an answer"))
        handles.append(Line2D([], [], color=GREY, lw=0.7, ls=":", label="output counts from here"))
    return handles


def type_name(recording: Recording, kind: int) -> str:
    """Name of the units of a type; without Dale's principle all of them are of type 1 and neither kind."""
    dale = recording.table.attrs["settings"].get("network", {}).get("dale", True)
    return f"{TYPES[kind]} units" if dale else "units (no Dale\N{RIGHT SINGLE QUOTATION MARK}s principle)"


def type_handles(names: Mapping[int, str]) -> list[Line2D]:
    """Entries of a legend for types of units and their names."""
    return [
        Line2D([], [], color=TYPE_COLORS[k], ls="", marker="s", ms=3.5, mew=0, label=names[k])
        for k in TYPES
        if k in names
    ]
