"""One trial of any task: its inputs, what the policy network did, what it earned and what was expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, GREY, INK, WIDTH, new_figure, panel_letter, place, styled
from rnnpipe.settings import Settings, setting
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._draws import Draw, If, TruncatedExponential, Uniform
from rnnpipe.trials import FIXATE

NEEDS = {"activity": "evaluation of the network with recorded activity"}
ACTION_COLORS = (GREY, "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
TIME = "Time from trial start (ms)"


class Options(Settings):
    """Settings of the figure."""

    trial: int = setting(0, "trial to show, counted from 0 as in the file", ge=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`.

    An evaluation does not hold inputs. They are made again from the trial's conditions, without the noise.
    """
    recording = Recording(only(inputs, "activity"))
    if options.trial >= len(recording.table):
        raise SettingsError(
            f"settings of the figure: trial = {options.trial}: {recording.path} has trials 0 to"
            f" {len(recording.table) - 1}."
        )
    row, arrays, task = recording.table.iloc[options.trial], recording.trial(options.trial), recording.task
    if "output" in arrays and "probabilities" not in arrays:
        raise ArtefactError(
            f"{recording.path}: is of a network with a continuous output, which takes no actions; draw its outputs and"
            " spikes by fig_outputs and fig_raster."
        )
    if absent := [name for name in ("probabilities", "actions", "rewards", "value") if name not in arrays]:
        raise ArtefactError(f"{recording.path}: has no activity {absent[0]!r}; evaluate the network again.")
    time = arrays["time"]
    levels = _expected_inputs(task, row, recording)[: len(time)]
    parts = [points("A", "trial", label=_title(options.trial, row, task))]
    for period in (name.removesuffix("_on") for name in row.index if name.endswith("_on")):
        on, off = float(row[f"{period}_on"]), min(float(row[f"{period}_off"]), float(time[-1]))
        if on < off:
            parts.append(points("A", f"period {period}", x=on, y=off, label=period, x_label=TIME))
    for i, name in enumerate(task.input_names):
        parts.append(points("A", f"input {name}", x=time, y=levels[:, i], x_label=TIME, y_label="Input"))
    for i, name in enumerate(task.action_names):
        y = arrays["probabilities"][:, i].astype(float)
        parts.append(points("B", f"probability {name}", x=time, y=y, x_label=TIME, y_label="Probability of action"))
        taken = time[arrays["actions"] == i]
        parts.append(points("B", f"action {name}", x=taken, y=np.full(len(taken), float(i)), x_label=TIME))
    for name, y, label in (("value", arrays["value"], "expected reward"), ("reward", arrays["rewards"], "reward")):
        parts.append(points("C", name, x=time, y=y.astype(float), label=label, x_label=TIME, y_label="Reward"))
    return assemble(parts)


def _expected_inputs(task: Task, row: pd.Series, recording: Recording) -> np.ndarray:
    """Inputs of the trial without noise, (n_steps, n_inputs).

    Raises:
        ArtefactError: The file lacks a condition.
    """
    if absent := [name for name in task.variables() if name not in row]:
        raise ArtefactError(f"{recording.path}: has no trials/{absent[0]}; evaluate the network again.")
    silent = task.without_noise()
    conditions = {name: row[name] for name in task.variables()}
    inputs: np.ndarray = silent.sample(np.random.default_rng(0), 1, **conditions).inputs[:, 0].astype(float)
    return inputs


def _title(index: int, row: pd.Series, task: Task) -> str:
    """The trial in words: its conditions and what came of it."""
    conditions = ", ".join(
        f"{name.replace('_', ' ')} {_word(row[name])}{_unit(name, variable)}"
        for name, variable in task.variables().items()
    )
    outcome = {1: "correct", 0: "wrong"}.get(int(row["correct"]), "")
    answer = "waited" if row["choice"] == FIXATE else f"chose {task.action_names[int(row['choice'])]}"
    chosen = answer if row["decision"] else "no decision"
    return f"Trial {index}: {conditions}\n{', '.join(word for word in (chosen, outcome) if word)}"


def _unit(name: str, variable: Draw) -> str:
    """Unit of a variable: those that are drawn in steps of time are durations."""
    timed = isinstance(variable, If | TruncatedExponential) or (isinstance(variable, Uniform) and variable.step > 0)
    return " ms" if timed else " %" if name.startswith("coherence") else ""


def _word(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    text = f"{value:g}" if isinstance(value, int | float | np.integer | np.floating) else str(value)
    return text.replace("-", "\N{MINUS SIGN}")


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide and as high as it has inputs."""
    names = _names(table, "A", "input ")
    top = 8.0 + 5.5 * len(names)
    figure = new_figure(84 + top)
    end = float(of(table, "C")["x"].max())
    for letter, bottom, height in (("A", 78.0, top - 8), ("B", 42.0, 30.0), ("C", 10.0, 26.0)):
        panel_letter(figure, letter, 1, 84 + top - bottom - height - (5 if letter == "A" else 2))
        axes = place(figure, 27, bottom, 112, height)
        for period in table[table["series"].str.startswith("period ")].itertuples():
            axes.axvline(period.x, color=FAINT, lw=0.8, zorder=0)
        axes.set(xlim=(0, end))
        if letter == "A":
            _draw_inputs(axes, table, names)
        elif letter == "B":
            _draw_actions(axes, table)
        else:
            _draw_rewards(axes, table)
        if letter != "C":
            axes.set_xticklabels([])
    title = of(table, "A", "trial")["label"].iloc[0]
    figure.text(27 / WIDTH, 1 - 1.5 / (84 + top), title, ha="left", va="top", fontsize=6, linespacing=1.3)
    return figure


def _names(table: pd.DataFrame, panel: str, kind: str) -> list[str]:
    series = of(table, panel)["series"].drop_duplicates()
    return [name.removeprefix(kind) for name in series if name.startswith(kind)]


def _draw_inputs(axes: Axes, table: pd.DataFrame, names: Sequence[str]) -> None:
    """A row for each input, all on one scale, and the periods above them."""
    rows = of(table, "A")
    inputs = rows[rows["series"].str.startswith("input ")]
    scale = max(1.0, float(inputs["y"].abs().max()))
    low = min(0.0, float(inputs["y"].min()) / scale)
    bases = [(1.3 - low) * (len(names) - 1 - i) for i in range(len(names))]
    bottom, top = low - 0.2, bases[0] + 1.3
    for base, name in zip(bases, names, strict=True):
        line = of(table, "A", f"input {name}")
        axes.plot(line["x"], base + line["y"] / scale, color=INK, lw=0.8, drawstyle="steps-post")
    axes.set(ylim=(bottom, top), yticks=[base + 0.4 + low / 2 for base in bases])
    axes.set_yticklabels([name.replace("_", " ") for name in names])
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)
    axes.text(1.02, 0.5, f"full height: {scale:g}\n(noise left out)", transform=axes.transAxes, va="center", color=GREY,
              fontsize=6)  # fmt: skip
    periods = rows[rows["series"].str.startswith("period ")].sort_values("x")
    row = (top - bottom) / (1.3 * len(names) + 0.2)
    for i, period in enumerate(periods.itertuples()):
        height = top + row * (0.15 if i % 2 == 0 else 0.75)  # short periods would write over one another
        name = period.label.replace("_", " ")
        axes.text(period.x, height, f" {name}", ha="left", va="bottom", color=GREY, fontsize=6)


def _draw_actions(axes: Axes, table: pd.DataFrame) -> None:
    """Probability of every action, and above, at each step, the one that was taken."""
    names = _names(table, "B", "probability ")
    handles = []
    for i, name in enumerate(names):
        color = ACTION_COLORS[i % len(ACTION_COLORS)]
        line, taken = of(table, "B", f"probability {name}"), of(table, "B", f"action {name}")
        axes.plot(line["x"], line["y"], color=color, lw=0.9)
        axes.plot(taken["x"], np.full(len(taken), 1.12), "s", color=color, ms=1.6, mew=0, clip_on=False)
        handles.append(Line2D([], [], color=color, lw=0.9, label=name.replace("_", " ")))
    last = of(table, "B")
    last = last[last["series"].str.startswith("action ")].sort_values("x").tail(1)
    for action in last.itertuples():
        color = ACTION_COLORS[int(action.y) % len(ACTION_COLORS)]
        axes.plot([action.x], [1.12], "v", color=color, ms=4.0, mew=0, clip_on=False)
    axes.text(1.02, 1.0, "taken", transform=axes.transAxes, va="center", color=GREY, fontsize=6)
    axes.set(ylim=(-0.02, 1.12), yticks=[0, 0.5, 1], ylabel="Probability of action")
    axes.spines["left"].set_bounds(0, 1)
    axes.legend(handles=handles, title="Action", loc="upper left", bbox_to_anchor=(1.02, 0.9), alignment="left")


def _draw_rewards(axes: Axes, table: pd.DataFrame) -> None:
    value, reward = of(table, "C", "value"), of(table, "C", "reward")
    paid = reward[reward["y"] != 0]
    axes.axhline(0, color=GREY, lw=0.5, zorder=0)
    axes.plot(value["x"], value["y"], color=INK, lw=0.9)
    axes.vlines(paid["x"], 0, paid["y"], color="#d55e00", lw=1.2, clip_on=False)
    axes.plot(paid["x"], paid["y"], "o", color="#d55e00", ms=3.0, clip_on=False)
    handles = [
        Line2D([], [], color=INK, lw=0.9, label=value["label"].iloc[0]),
        Line2D([], [], color="#d55e00", lw=1.2, marker="o", ms=3.0, label=reward["label"].iloc[0]),
    ]
    axes.set(xlabel=TIME, ylabel="Reward")
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.0))
