"""Panels of consecutive trials one above the other: observations, actions, rewards, performance, activity.

`tabled` makes the table of what is drawn from a history, `draw` the figure of such a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from rnnpipe.analysis.history import History
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, WIDTH, new_figure, place, styled

TINTS = ("#8c8c8c", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
"""Of periods, in turn, before they are made light."""
TAKEN, RIGHT, REWARD, VALUE = "#0072b2", "#e69f00", "#d55e00", INK
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK)
"""Of continuous outputs, in turn: distinct for colour-blind readers."""
TRACES = 6
"""Channels up to which observations are traces; more are an image."""
LEFT, SIDE, GAP = 26.0, 36.0, 3.0
"""Room left of the panels for names, right of them for legends, and between them, mm."""
HEIGHTS = {"rewards": 15.0, "scores": 16.0, "activity": 30.0}
LINE = 2.6
"""Height of a line of small text, mm."""
MOST_LINES = 5
"""Lines of conditions above a trial."""


def tint(index: int, strength: float = 0.13) -> tuple[float, float, float]:
    """Light colour of the period of that index."""
    r, g, b = (1 - strength * (1 - x) for x in to_rgb(TINTS[index % len(TINTS)]))
    return r, g, b


def readable(name: str) -> str:
    """A name as it is drawn."""
    return name.replace("_", " ")


def name_axis(axes: Axes, names: Sequence[str], height: float) -> None:
    """Names at 0, 1, 2, ... of the vertical axis, as many as there is room for in a height in mm."""
    every = max(1, int(np.ceil(len(names) * LINE / height)))
    shown = range(0, len(names), every)
    axes.set_yticks(list(shown), [readable(names[i]) for i in shown])


def tabled(history: History) -> pd.DataFrame:
    """Everything that is drawn of a history; columns as in `rnnpipe.figures.source_data`.

    Panels: `head`, `trials`, `observations`, `actions`, `rewards`, `scores`, `activity`. x is the start of a step.
    """
    unit = 1.0 if history.dt is None else history.dt
    x_label = "Step" if history.dt is None else "Time (ms)"
    time = np.arange(history.n_steps) * unit
    about: dict[str, Any] = {"x_label": x_label}

    def lines(panel: str, kind: str, names: Sequence[str], values: NDArray[Any], y_label: str) -> list[pd.DataFrame]:
        return [
            points(panel, f"{kind} {name}", x=time, y=values[:, i].astype(float), y_label=y_label, **about)
            for i, name in enumerate(_distinct(names))
        ]

    noise = "" if history.noise else " (inputs without noise)"
    parts = [points("head", "title", label=history.name + noise, x=history.n_steps * unit, **about)]
    parts += [points("head", f"period {k}", x=a * unit, y=b * unit, label=k) for k, a, b in history.periods if a < b]
    conditions = history.conditions or ("",) * len(history.starts)
    parts.append(points("trials", "start", x=history.starts * unit, label=np.array(conditions, object), **about))
    parts += lines("observations", "input", history.input_names, history.observations, "Observation")
    truth = history.ground_truth
    if history.discrete:
        parts.append(points("actions", "names", label=np.array(history.action_names, object)))
        parts.append(points("actions", "taken", x=time, y=history.actions.astype(float), y_label="Action", **about))
        if truth is not None:
            parts.append(points("actions", "ground truth", x=time, y=truth.astype(float), y_label="Action", **about))
    else:
        parts += lines("actions", "output", history.action_names, history.actions, history.action_label)
        if truth is not None:
            parts += lines("actions", "target", history.action_names, truth, history.action_label)
    for name, values in (("reward", history.rewards), ("expected reward", history.value)):
        if values is not None:
            parts.append(points("rewards", name, x=time, y=values.astype(float), y_label="Reward", **about))
    if history.scores is not None:
        ends = (history.ends + 1) * unit
        parts.append(points("scores", "score", x=ends, y=history.scores, y_label=history.score_name, **about))
    if history.rates is not None:
        peak = np.argsort(np.abs(history.rates).argmax(0), kind="stable")  # a wave of activity is seen as one
        names = [str(unit) for unit in peak]
        parts += lines("activity", "unit", names, history.rates[:, peak], "Unit, by time of peak")
    return assemble(parts)


def _distinct(names: Sequence[str]) -> list[str]:
    """Names, numbered where two are the same."""
    return [name if list(names).count(name) == 1 else f"{name} {i}" for i, name in enumerate(names)]


def grid(table: pd.DataFrame, panel: str, kind: str) -> tuple[list[str], NDArray[Any], NDArray[Any]]:
    """Names, time (n_steps,) and values (n_steps, n_names) of the lines of a kind."""
    rows = of(table, panel)
    rows = rows[rows["series"].str.startswith(f"{kind} ")]
    names = [name.removeprefix(f"{kind} ") for name in rows["series"].drop_duplicates()]
    if not names:
        return [], np.zeros(0), np.zeros((0, 0))
    values = rows["y"].to_numpy().reshape(len(names), -1).T
    return names, rows["x"].to_numpy()[: len(values)], values


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `tabled` made, 174 mm wide and as high as it has panels."""
    head, trials = of(table, "head"), of(table, "trials")
    end = float(head["x"].iloc[0])
    inputs, time, seen = grid(table, "observations", "input")
    actions = of(table, "actions", "names")["label"].tolist()
    outputs = grid(table, "actions", "output")[0]
    left = max(LEFT, min(44.0, 8 + 1.15 * max(len(readable(n)) for n in [*inputs, *actions])))
    wide = WIDTH - left - SIDE
    heights = {"observations": min(44.0, max(16.0, (5.0 if len(inputs) <= TRACES else 2.6) * len(inputs)))}
    heights["actions"] = 24.0 if outputs else min(36.0, max(11.0, 3.6 * len(actions)))
    heights |= {panel: height for panel, height in HEIGHTS.items() if not of(table, panel).empty}
    words = _conditions(trials, end, wide)
    above = 6.0 + LINE * max((w.count("\n") + 1 for w in words), default=0) + (2.0 if words else 0.0)
    total = above + 2.5 + sum(heights.values()) + GAP * (len(heights) - 1) + 9.0
    figure = new_figure(total)
    figure.text(left / WIDTH, 1 - 1.5 / total, head["label"].iloc[0], ha="left", va="top", fontsize=6.5)

    tints = {name: tint(i) for i, name in enumerate(dict.fromkeys(head["label"].iloc[1:]))}
    strip = place(figure, left, total - above - 2.0, wide, 2.0)
    strip.set(xlim=(0, end), ylim=(0, 1))
    strip.axis("off")
    for start, text in zip(trials["x"], words, strict=False):
        strip.text(start, 1.4, text, ha="left", va="bottom", fontsize=5.5, linespacing=1.15)
    bottom = total - above - 2.5
    for panel, height in heights.items():
        bottom -= height
        axes = place(figure, left, bottom, wide, height)
        axes.set_xlim(0, end)
        for period in head.iloc[1:].itertuples():
            axes.axvspan(period.x, period.y, color=tints[period.label], lw=0, zorder=-2)
        if panel == "observations":
            _draw_observations(axes, inputs, time, seen, height, end)
        elif panel == "actions":
            _draw_actions(axes, table, height, end)
        elif panel == "rewards":
            _draw_rewards(axes, table, end)
        elif panel == "scores":
            _draw_scores(axes, table)
        else:
            rates = grid(table, "activity", "unit")[2]
            most = np.abs(rates).max(0)  # a few strong units would hide all others
            scaled = rates / np.where(most > 0, most, 1.0)
            _image(axes, scaled, end, "viridis" if rates.min() >= 0 else "RdBu_r", "Activity / unit's largest")
            axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.set_ylabel(of(table, "activity")["y_label"].iloc[0])
        _mark_starts(axes, trials["x"].to_numpy(), end)
        if panel != list(heights)[-1]:
            axes.set_xticklabels([])
        else:
            axes.set_xlabel(head["x_label"].iloc[0])
        bottom -= GAP
    for period in head.iloc[1:].itertuples():
        strip.axvspan(period.x, period.y, color=tint(list(tints).index(period.label), 0.55), lw=0)
    if tints:
        patches = [Patch(color=tint(i, 0.55), lw=0, label=readable(name)) for i, name in enumerate(tints)]
        y = 1 - above / total
        # right of the colour bar and the scale of the observations
        where: Any = {"loc": "upper left", "bbox_to_anchor": (1 - (SIDE - 13) / WIDTH, y), "borderaxespad": 0.0}
        figure.legend(handles=patches, title="Period", alignment="left", handlelength=1.2, handletextpad=0.5, **where)
    return figure


def _conditions(trials: pd.DataFrame, end: float, wide: float) -> list[str]:
    """Conditions above their trials, or nothing where there is no room for them."""
    words = trials["label"].tolist()
    starts = np.append(trials["x"].to_numpy(), end)
    room = np.diff(starts) / end * wide
    longest = [max((len(line) for line in w.split("\n")), default=0) * 1.05 for w in words]
    fit = all(a <= b for a, b in zip(longest, room, strict=True)) and max(w.count("\n") for w in words) < MOST_LINES
    return words if fit and any(words) else []


def _mark_starts(axes: Axes, starts: NDArray[Any], end: float) -> None:
    # so many lines would hide what is between them
    if len(starts) <= 60:
        for start in starts:
            if 0 < start < end:
                axes.axvline(start, color=INK, lw=0.5, ls=(0, (3, 2)), zorder=1)


def _held(time: NDArray[Any], values: NDArray[Any], end: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """A line of steps that goes on to the end of the last one."""
    return np.append(time, end), np.concatenate([values, values[-1:]])


def _draw_observations(
    axes: Axes, names: list[str], time: NDArray[Any], seen: NDArray[Any], height: float, end: float
) -> None:
    if len(names) > TRACES:
        low = float(seen.min())
        _image(axes, seen, end, "viridis" if low >= -0.2 * float(seen.max()) else "RdBu_r", "Observation")
        name_axis(axes, names, height)
        return
    scale = max(float(np.abs(seen).max()), 1e-12)
    low = min(0.0, float(seen.min()) / scale)
    spacing = 1.3 - low
    bases = spacing * np.arange(len(names))[::-1]
    for base, values in zip(bases, seen.T, strict=True):
        axes.axhline(base, color=GREY, lw=0.3, zorder=0)
        axes.plot(*_held(time, base + values / scale, end), color=INK, lw=0.7, drawstyle="steps-post")
    axes.set(ylim=(low - 0.2, bases[0] + 1.25), yticks=bases + 0.5 + low / 2)
    axes.set_yticklabels([readable(name) for name in names])
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)
    # a bar of the common scale, at the lowest trace
    axes.plot([1.015, 1.015], [0.0, 1.0], color=INK, lw=1.0, transform=axes.get_yaxis_transform(), clip_on=False)
    axes.text(1.025, 0.5, f"{scale:.3g}", transform=axes.get_yaxis_transform(), va="center", fontsize=6)


def _image(axes: Axes, values: NDArray[Any], end: float, cmap: str, label: str) -> None:
    """Values (n_steps, n_rows) as an image, the first row at the top."""
    extreme = float(np.abs(values).max()) or 1.0
    limits = (-extreme, extreme) if cmap == "RdBu_r" else (min(0.0, float(values.min())), float(values.max()) or 1.0)
    extent = (0.0, end, values.shape[1] - 0.5, -0.5)
    shown = axes.imshow(
        values.T, aspect="auto", interpolation="none", extent=extent, cmap=mpl.colormaps[cmap], vmin=limits[0],
        vmax=limits[1],
    )  # fmt: skip
    figure = axes.figure
    assert isinstance(figure, Figure)
    box = axes.get_position()
    bar = figure.colorbar(shown, cax=figure.add_axes((box.x1 + 2.5 / WIDTH, box.y0, 1.8 / WIDTH, box.height)))
    bar.outline.set_linewidth(0.4)
    bar.ax.yaxis.set_major_locator(MaxNLocator(3))
    bar.set_label(label)


def _legend(axes: Axes, handles: list[Line2D]) -> None:
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.015, 1.05), alignment="left")


def _draw_actions(axes: Axes, table: pd.DataFrame, height: float, end: float) -> None:
    names = of(table, "actions", "names")["label"].tolist()
    dashed: Any = (0, (2.0, 1.4))
    if not names:
        names, time, values = grid(table, "actions", "output")
        _, _, targets = grid(table, "actions", "target")
        handles = []
        for i, name in enumerate(names):
            color = COLORS[i % len(COLORS)]
            axes.plot(*_held(time, values[:, i], end), color=color, lw=0.9, drawstyle="steps-post")
            if targets.size:
                axes.plot(*_held(time, targets[:, i], end), color=color, lw=0.9, ls=dashed, drawstyle="steps-post")
            handles.append(Line2D([], [], color=color, lw=0.9, label=readable(name)))
        if targets.size:
            handles.append(Line2D([], [], color=GREY, lw=0.9, ls=dashed, label="target"))
        axes.set_ylabel(of(table, "actions")["y_label"].iloc[0])
        axes.yaxis.set_major_locator(MaxNLocator(4))
        _legend(axes, handles[:8])
        return
    taken, truth = of(table, "actions", "taken"), of(table, "actions", "ground truth")
    axes.plot(*_held(taken["x"].to_numpy(), taken["y"].to_numpy(), end), color=TAKEN, lw=1.1, drawstyle="steps-post")
    handles = [Line2D([], [], color=TAKEN, lw=1.1, label="taken")]
    if not truth.empty:
        right = _held(truth["x"].to_numpy(), truth["y"].to_numpy(), end)
        axes.plot(*right, color=RIGHT, lw=1.1, ls=dashed, drawstyle="steps-post")
        handles.append(Line2D([], [], color=RIGHT, lw=1.1, ls=dashed, label="ground truth"))
    axes.set(ylim=(len(names) - 0.5, -0.5))
    name_axis(axes, names, height)
    axes.set_ylabel("Action")
    _legend(axes, handles)


def _draw_rewards(axes: Axes, table: pd.DataFrame, end: float) -> None:
    reward, value = of(table, "rewards", "reward"), of(table, "rewards", "expected reward")
    axes.axhline(0, color=GREY, lw=0.3, zorder=0)
    handles = []
    for rows, color, label in ((value, VALUE, "expected reward"), (reward, REWARD, "reward")):
        if not rows.empty:
            line = _held(rows["x"].to_numpy(), rows["y"].to_numpy(), end)
            axes.plot(*line, color=color, lw=0.9, drawstyle="steps-post")
            handles.append(Line2D([], [], color=color, lw=0.9, label=label))
    levels = np.unique(reward["y"])
    if 1 < len(levels) <= 4 and value.empty and np.diff(levels).min() > 0.15 * np.ptp(levels):
        axes.set_yticks(levels, [f"{x:g}".replace("-", "\N{MINUS SIGN}") for x in levels])
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_ylabel("Reward")
    _legend(axes, handles)


def _draw_scores(axes: Axes, table: pd.DataFrame) -> None:
    scores = of(table, "scores")
    axes.plot(scores["x"], scores["y"], "o", color=TAKEN, ms=2.6, clip_on=False)
    binary = set(scores["y"]) <= {0.0, 1.0}
    if binary:
        axes.set(ylim=(-0.15, 1.15), yticks=[0, 1])
    else:
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.margins(y=0.15)
    name = scores["y_label"].iloc[0]
    axes.set_ylabel(name)
    mean = f"{scores['y'].mean():.3g}".replace("-", "\N{MINUS SIGN}")
    n = len(scores)
    axes.text(
        1.025, 0.5, f"mean of {n} trial{'s' * (n > 1)}:\n{mean}", transform=axes.transAxes, va="center", fontsize=6
    )
