"""Schematic of a motion task: its inputs in one trial, its periods and what each action earns in each of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rnnpipe.figures.source_data import of, points
from rnnpipe.figures.style import GREY, INK, PERIOD_COLOURS
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._draws import TruncatedExponential

LEFTWARD = -1
COLOURS = {"fixation": INK, "left": "#0072b2", "right": "#b8860b", "sure": "#00795a"}
NAMES = {"fixation": "Fixation cue", "left": "Evidence, left", "right": "Evidence, right", "sure": "Sure target"}
ACTIONS = {"sure": "Sure, if offered"}
NOISY = ("left", "right")
SHOWN_DECISION = 600.0
"""How much of a longer decision period is shown, ms."""


def schematic(panel: str, task: Task, shown: float, seed: int) -> pd.DataFrame:
    """One leftward trial of the highest coherence, the periods of the task and its rewards.

    Where there is a sure option the trial offers it, and where there is a delay it is the shortest.

    Args:
        panel: Letter of the panel.
        task: A motion task.
        shown: Duration of the stimulus that is shown, ms.
        seed: Seed of the trial's noise.
    """
    variables = task.variables()
    random = {name: v for name, v in variables.items() if isinstance(v, TruncatedExponential)}
    timed = "stimulus" in random
    conditions = {"side": LEFTWARD, "coherence": max(variables["coherence"].values)}  # type: ignore[attr-defined]
    if timed:
        conditions["stimulus"] = shown
    if "delay" in random:
        conditions["delay"] = random["delay"].offset + random["delay"].low
    if "wager" in variables:
        conditions["wager"] = True
    trial = task.sample(np.random.default_rng(seed), 1, **conditions)
    edges = _phases({name: trial.periods[name][0] * task.dt for name in trial.periods})
    last = max(on for on, _ in edges.values())
    end = max(off for _, off in edges.values())
    end = min(end, last + SHOWN_DECISION) if timed else edges["stimulus"][0] + shown
    time = np.arange(trial.n_steps) * task.dt
    steps = time <= end
    parts = [
        points(
            panel,
            f"input {name}",
            x=time[steps],
            y=trial.inputs[steps, 0, i].astype(float),
            x_label="Time (ms)",
            y_label="Input",
        )
        for i, name in enumerate(task.input_names)
    ]
    for name, (on, off) in edges.items():
        limits, label = (off - on, off - on), ""
        if name in random:
            limits = (random[name].offset + random[name].low, random[name].offset + random[name].high)
        elif name == "stimulus":  # of the reaction-time task
            label = f"up to {off - on:g} ms, answer at any time"
        elif name == "decision" and "delay" in random:  # begins at random and ends with the trial
            label = f"until {off:g} ms"
        label = label or _duration(limits)
        parts.append(points(panel, f"period {name}", x=on, y=min(off, end), low=limits[0], high=limits[1], label=label))
        phase = int(trial.phase[int(on / task.dt), 0])
        for i, action in enumerate(task.action_names):
            reward = float(trial.rewards[phase, 0, i])
            parts.append(points(panel, f"reward {action}", x=on, y=reward, label=_reward(reward)))
    return pd.concat(parts, ignore_index=True)


def _phases(edges: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Periods that follow one another, without those within them.

    Those are a sure target that comes up during the delay, and the decision period of the reaction-time task, which is
    the stimulus itself.
    """
    shown: dict[str, tuple[float, float]] = {}
    end = 0.0
    for name, (on, off) in edges.items():
        if on == end:
            shown[name] = on, off
            end = off
    return shown


def _duration(limits: tuple[float, float]) -> str:
    low, high = limits
    return f"{low:g} ms" if low == high else f"{low:g}–{high:g} ms"


def _reward(value: float) -> str:
    return f"{value:+g}".replace("-", "\N{MINUS SIGN}") if value else "0"


def draw_schematic(axes: Axes, table: pd.DataFrame, panel: str) -> None:
    """Draw a schematic into empty axes; all of it lies within them."""
    rows = of(table, panel)
    periods = rows[rows["series"].str.startswith("period ")]
    inputs = _names(rows, "input ")
    actions = _names(rows, "reward ")
    line = 1.3 + 0.95 * (len(actions) - 1)  # between inputs and rewards, in rows of the drawing
    end, top = float(periods["y"].max()), line + 0.8 + 1.9 * len(inputs)
    axes.set(xlim=(-0.3 * end, end), ylim=(0, top + 1.9))
    axes.axis("off")
    for period in periods.itertuples():
        name, middle = period.series.removeprefix("period "), (period.x + period.y) / 2
        axes.axvspan(period.x, period.y, ymax=top / (top + 1.9), color=PERIOD_COLOURS[name], lw=0)
        axes.text(middle, top + 1.0, name.capitalize(), ha="center", va="bottom", fontsize=6.5)
        axes.text(middle, top + 0.25, period.label, ha="center", va="bottom", fontsize=6, color=GREY)
    for i, name in enumerate(inputs):
        bottom = line + 1.0 + 1.9 * (len(inputs) - 1 - i)
        trace = of(table, panel, f"input {name}")
        level = trace["y"].to_numpy()
        # the published axis of evidence is 0 to 1; noise goes beyond it on both sides, so it is drawn smaller
        scale = 0.62 if name in NOISY else 1.2
        width = 0.55 if name in NOISY else 0.8
        axes.plot(trace["x"], bottom + scale * level, color=COLOURS[name], lw=width, drawstyle="steps-post")
        axes.text(-0.02 * end, bottom + 0.5 * scale, NAMES[name], ha="right", va="center", color=COLOURS[name])
    axes.axhline(line, color=GREY, lw=0.5)
    axes.text(-0.295 * end, line - 0.65, "Reward", ha="left", va="center", fontstyle="italic")
    for i, action in enumerate(actions):
        y = line - 0.65 - 0.95 * i
        axes.text(-0.02 * end, y, ACTIONS.get(action, action.capitalize()), ha="right", va="center")
        for cell in of(table, panel, f"reward {action}").itertuples():
            until = float(periods.loc[periods["x"] == cell.x, "y"].iloc[0])
            weight = "bold" if cell.y > 0 else "normal"
            axes.text((cell.x + until) / 2, y, cell.label, ha="center", va="center", fontweight=weight)


def _names(rows: pd.DataFrame, kind: str) -> list[str]:
    """Names of all series of a kind, in their order."""
    series = rows["series"].drop_duplicates()
    return [name.removeprefix(kind) for name in series if name.startswith(kind)]
