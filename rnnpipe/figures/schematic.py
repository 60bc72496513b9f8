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
COLOURS = {"fixation": INK, "left": "#0072b2", "right": "#b8860b"}
NAMES = {"fixation": "Fixation cue", "left": "Evidence, left", "right": "Evidence, right"}


def schematic(panel: str, task: Task, shown: float, seed: int) -> pd.DataFrame:
    """One leftward trial of the highest coherence, the periods of the task and its rewards.

    Args:
        panel: Letter of the panel.
        task: A motion task.
        shown: Duration of the stimulus that is shown, ms.
        seed: Seed of the trial's noise.
    """
    variables = task.variables()
    duration = variables.get("stimulus")
    timed = isinstance(duration, TruncatedExponential)
    conditions = {"side": LEFTWARD, "coherence": max(variables["coherence"].values)}  # type: ignore[attr-defined]
    trial = task.sample(np.random.default_rng(seed), 1, **conditions, **({"stimulus": shown} if timed else {}))
    edges = {name: trial.periods[name][0] * task.dt for name in trial.periods}
    end = max(off for _, off in edges.values()) if timed else edges["stimulus"][0] + shown
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
    starts: dict[float, str] = {}
    for name, (on, off) in edges.items():
        if on in starts:  # the decision period of the reaction-time task is the stimulus itself
            continue
        starts[on] = name
        limits = (off - on, off - on)
        if name == "stimulus" and isinstance(duration, TruncatedExponential):
            limits = (duration.low, duration.high)
        parts.append(points(panel, f"period {name}", x=on, y=min(off, end), low=limits[0], high=limits[1],
                            label=_duration(limits, open_ended=not timed and name == "stimulus")))  # fmt: skip
        phase = int(trial.phase[int(on / task.dt), 0])
        for i, action in enumerate(task.action_names):
            reward = float(trial.rewards[phase, 0, i])
            parts.append(points(panel, f"reward {action}", x=on, y=reward, label=_reward(reward)))
    return pd.concat(parts, ignore_index=True)


def _duration(limits: tuple[float, float], open_ended: bool) -> str:
    low, high = limits
    if open_ended:
        return f"up to {high:g} ms, answer at any time"
    return f"{low:g} ms" if low == high else f"{low:g}–{high:g} ms"


def _reward(value: float) -> str:
    return f"{value:+g}".replace("-", "\N{MINUS SIGN}") if value else "0"


def draw_schematic(axes: Axes, table: pd.DataFrame, panel: str) -> None:
    """Draw a schematic into empty axes; all of it lies within them."""
    rows = of(table, panel)
    periods = rows[rows["series"].str.startswith("period ")]
    end, top = float(periods["y"].max()), 9.7
    axes.set(xlim=(-0.3 * end, end), ylim=(0, top + 1.9))
    axes.axis("off")
    base = {"fixation": 8.0, "left": 6.1, "right": 4.2}  # of each input's trace, in rows of the drawing
    for period in periods.itertuples():
        name, middle = period.series.removeprefix("period "), (period.x + period.y) / 2
        axes.axvspan(period.x, period.y, ymax=top / (top + 1.9), color=PERIOD_COLOURS[name], lw=0)
        axes.text(middle, top + 1.0, name.capitalize(), ha="center", va="bottom", fontsize=6.5)
        axes.text(middle, top + 0.25, period.label, ha="center", va="bottom", fontsize=6, color=GREY)
    for name, bottom in base.items():
        trace = of(table, panel, f"input {name}")
        level = trace["y"].to_numpy()
        # the published axis of evidence is 0 to 1; noise goes beyond it on both sides, so it is drawn smaller
        scale = 1.2 if name == "fixation" else 0.62
        width = 0.8 if name == "fixation" else 0.55
        axes.plot(trace["x"], bottom + scale * level, color=COLOURS[name], lw=width, drawstyle="steps-post")
        axes.text(-0.02 * end, bottom + 0.5 * scale, NAMES[name], ha="right", va="center", color=COLOURS[name])
    axes.axhline(3.2, color=GREY, lw=0.5)
    axes.text(-0.295 * end, 2.55, "Reward", ha="left", va="center", fontstyle="italic")
    for line, action in enumerate(("fixate", "left", "right")):
        y = 2.55 - 0.95 * line
        axes.text(-0.02 * end, y, action.capitalize(), ha="right", va="center")
        for cell in of(table, panel, f"reward {action}").itertuples():
            until = float(periods.loc[periods["x"] == cell.x, "y"].iloc[0])
            weight = "bold" if cell.y > 0 else "normal"
            axes.text((cell.x + until) / 2, y, cell.label, ha="center", va="center", fontweight=weight)
