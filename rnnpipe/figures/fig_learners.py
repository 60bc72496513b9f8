"""Learners of one task side by side: their learning curves, costs, behaviour, activity, values and fixed points.

A: fraction of correct trials in the course of training. B: trials until it first reaches a threshold, and wall time of
the whole training. C: correct trials by a condition. D: mean activity of correct trials of one network of each learner
on its first two principal components, by the correct answer. E: predicted return. F: fixed points, by period.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.learners import (
    components_of,
    condition_means,
    correct_by,
    ideal_accuracy,
    learner_name,
    progress,
    seconds,
    trials_to,
)
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError
from rnnpipe.figures import Inputs
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.io.evaluation import read_table
from rnnpipe.io.fixed_points import read_fixed_points
from rnnpipe.settings import Settings, setting

NEEDS = {
    "history": "history of the training, one file a network",
    "time": "wall time of the training's job, as the workflow measured it, in the order of the histories",
    "behaviour": "evaluation of each network on many trials",
    "activity": "evaluation of each network with recorded activity",
}
OPTIONAL = {"fixed_points": "fixed points of networks that have some"}

LEARNERS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
"""Colours of the learners in their order, of Okabe and Ito: apart for readers with any kind of colour blindness."""
ANSWERS = ("#5e3c99", "#e08214", "#4d9221", "#c51b7d", "#2166ac", "#8c510a")
"""Colours of the correct answers."""
STYLES = ("-", "--", ":", "-.")
CORRECT = "Correct trials (%)"


class Options(Settings):
    """Settings of the figure."""

    by: str = setting("coherence", "condition of the trials that behaviour is sorted by (a column of the trial table)")
    label: str = setting("", "what that condition is called, with its unit; by default its name")
    performance: float = setting(0.8, "trials are counted until this fraction of them is correct", gt=0, le=1)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, and `learner`."""
    label = options.label or options.by.replace("_", " ").capitalize()
    parts = [*_learning(inputs, options)]
    parts += _behaviour(inputs, options, label)
    parts += _activity(inputs)
    parts += _fixed_points(inputs)
    return assemble(parts)


def _learning(inputs: Inputs, options: Options) -> list[pd.DataFrame]:
    histories, times = inputs["history"], inputs["time"]
    if len(histories) != len(times):
        raise ArtefactError(
            f"history has {len(histories)} files and time {len(times)}: each network needs a job of its own"
            " (seeds_per_job: 1)."
        )
    parts, tasks = [], set()
    for path, measured in zip(histories, times, strict=True):
        history = progress(path)
        tasks.add(_task_name(history.attrs))
        learner, seed = learner_name(history.attrs["settings"]), float(history.attrs["seed"])
        shown = history[history["performance"].notna()]
        common = {"learner": learner, "seed": seed}
        x, y = shown["n_trials"].to_numpy(), 100 * shown["performance"].to_numpy()
        parts.append(points("A", "performance", x=x, y=y, x_label="Training trials", y_label=CORRECT, **common))
        parts.append(
            points(
                "B",
                "cost",
                x=trials_to(shown, options.performance),
                y=seconds(measured),
                x_label=f"Trials to {100 * options.performance:g} % correct",
                y_label="Wall time of the training (s)",
                **common,
            )
        )
    if len(tasks) > 1:
        raise ArtefactError(f"the histories are of the tasks {', '.join(sorted(tasks))}; a comparison is of one task.")
    return parts


def _task_name(attributes: Mapping[str, Any]) -> str:
    """The task that was learned: of supervised learning, the one that it wraps."""
    settings = attributes["settings"].get("task", {})
    return str(settings.get("of", attributes.get("task")))


def _behaviour(inputs: Inputs, options: Options, label: str) -> list[pd.DataFrame]:
    parts, levels = [], np.zeros(0)
    for path in inputs["behaviour"]:
        table = read_table(path)
        if options.by not in table:
            raise ArtefactError(
                f"{path}: its trials have no column {options.by!r} that behaviour could be sorted by; set `by` to a"
                f" condition of task {table.attrs.get('task')!r}."
            )
        counts = correct_by(table, options.by)
        levels = np.union1d(levels, counts["x"])
        parts.append(
            points(
                "C",
                "correct",
                learner=learner_name(table.attrs["settings"]),
                seed=float(table.attrs["seed"]),
                x=counts["x"].to_numpy(),
                y=100 * counts["p"].to_numpy(),
                low=100 * counts["low"].to_numpy(),
                high=100 * counts["high"].to_numpy(),
                n=counts["n"].to_numpy(),
                x_label=label,
                y_label=CORRECT,
            )
        )
    ideal = _ideal(read_table(inputs["behaviour"][0]).attrs["settings"]["task"], options.by, levels)
    return parts if ideal is None else [*parts, ideal]


def _ideal(settings: Mapping[str, Any], by: str, levels: np.ndarray) -> pd.DataFrame | None:
    """The ideal observer of the task, where it has a formula and everything it depends on is fixed."""
    settings = settings.get("settings", {}) | {"name": settings["of"]} if "of" in settings else settings
    if settings.get("name") != "perceptual_decision_making" or by != "coherence":
        return None
    duration, sigma = settings.get("stimulus", 2000.0), settings.get("sigma", 1.0)
    if not isinstance(duration, int | float) or sigma <= 0 or settings.get("dim_ring", 2) != 2:
        return None
    x = np.linspace(levels.min(), levels.max(), 101)
    return points("C", "ideal observer", x=x, y=100 * ideal_accuracy(x, duration, sigma), label="ideal observer")


def _activity(inputs: Inputs) -> list[pd.DataFrame]:
    """Mean activity and value of the first network of each learner."""
    first: dict[str, Path] = {}
    for path in inputs["activity"]:
        first.setdefault(learner_name(read_table(path).attrs["settings"]), path)
    parts = []
    for learner, path in first.items():
        recording = Recording(path)
        recording.table["answer"] = _answers(recording)
        recorded = {"learner": learner, "seed": float(recording.table.attrs["seed"])}
        parts += _states(recording, recorded)
        if recording.has("value"):
            columns = [name for name in ("coherence",) if name in recording.table]
            for key, values in condition_means(recording, columns or ["answer"], "value").items():
                going = np.isfinite(values)
                words = f"{key[0]:g} %" if columns else str(key[0])
                parts.append(
                    points(
                        "E",
                        "value",
                        label=words,
                        x=recording.time[going],
                        y=values[going],
                        x_label="Time from trial start (ms)",
                        y_label="Predicted return",
                        **recorded,
                    )
                )
    return parts


def _states(recording: Recording, recorded: Mapping[str, Any]) -> list[pd.DataFrame]:
    """Mean activity for each answer on the first two components; nothing where too few trials are correct."""
    means = condition_means(recording, ["answer"])
    found = components_of(means)
    if found is None:
        return []
    first, second = 100 * found.ratio[:2]
    labels = {"x_label": f"PC 1 ({first:.0f} %)", "y_label": f"PC 2 ({second:.0f} %)"}
    parts = []
    for (answer,), values in means.items():
        going = np.isfinite(values).all(axis=1)
        x, y = found.project(values[going], 2).T
        lag = recording.time[going]
        parts.append(points("D", "mean activity", answer=answer, x=x, y=y, lag=lag, **labels, **recorded))
    return parts


def _answers(recording: Recording) -> list[str]:
    """The correct answer of each trial, in words; that of an incorrect one is not used."""
    names = list(recording.table.attrs["action_names"])
    return [names[choice] for choice in recording.table["choice"].to_numpy(int)]


def _fixed_points(inputs: Inputs) -> list[pd.DataFrame]:
    parts = []
    for path in inputs.get("fixed_points", ()):
        table, _ = read_fixed_points(path)
        learner = learner_name(table.attrs["settings"])
        for (label, stable), rows in table.groupby(["label", "stable"], sort=False):
            parts.append(
                points(
                    "F",
                    "stable" if stable else "unstable",
                    learner=learner,
                    seed=float(table.attrs["seed"]),
                    label=str(label),
                    y=float(len(rows)),
                    y_label="Fixed points",
                )
            )
    return parts


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(112)
    learners = list(dict.fromkeys(of(table, "A")["learner"]))
    colors = {name: LEARNERS[i % len(LEARNERS)] for i, name in enumerate(learners)}
    for letter, left in (("A", 1), ("B", 63), ("C", 118)):
        panel_letter(figure, letter, left, 1)
    _draw_learning(place(figure, 12, 66, 46, 40), of(table, "A"), colors)
    _draw_cost(place(figure, 76, 66, 36, 40), of(table, "B"), colors)
    _draw_behaviour(place(figure, 130, 66, 42, 40), table, colors)
    panel_letter(figure, "D", 1, 57)
    width = 80 / max(len(learners), 1)
    for i, learner in enumerate(learners):
        axes = place(figure, 8 + i * width, 10, width - 6, 38)
        _draw_activity(axes, of(table, "D"), learner, colors[learner], first=i == 0)
    panel_letter(figure, "E", 90, 57)
    _draw_value(place(figure, 101, 10, 34, 38), of(table, "E"), colors)
    panel_letter(figure, "F", 139, 57)
    _draw_fixed_points(place(figure, 149, 10, 23, 38), of(table, "F"), colors)
    return figure


def _labels(axes: Axes, rows: pd.DataFrame) -> None:
    axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0])


def _draw_learning(axes: Axes, rows: pd.DataFrame, colors: Mapping[str, str]) -> None:
    for (learner, _), curve in rows.groupby(["learner", "seed"], sort=False):
        shown = curve[curve["x"] > 0]
        axes.plot(shown["x"], shown["y"], color=colors[learner], lw=0.8)
    axes.set_xscale("log")
    _labels(axes, rows)
    handles = [Line2D([], [], color=color, lw=1.2, label=name) for name, color in colors.items()]
    axes.legend(handles=handles, loc="best", handlelength=1.2)


def _draw_cost(axes: Axes, rows: pd.DataFrame, colors: Mapping[str, str]) -> None:
    reached = rows[np.isfinite(rows["x"])]
    for learner, some in reached.groupby("learner", sort=False):
        axes.plot(some["x"], some["y"], "o", color=colors[learner], ms=3.6, mec="white", mew=0.4)
    axes.set(xscale="log", yscale="log")
    for values, limits in ((reached["x"], axes.set_xlim), (rows["y"], axes.set_ylim)):
        positive = values[values > 0]
        if len(positive):  # whole decades, so that there are labels to read a value by
            limits(10 ** np.floor(np.log10(positive.min() * 0.9)), 10 ** np.ceil(np.log10(positive.max() * 1.1)))
    _labels(axes, rows)
    if len(reached) < len(rows):
        axes.set_title(f"{len(rows) - len(reached)} of {len(rows)} never got there", fontsize=6, color=GREY)


def _draw_behaviour(axes: Axes, table: pd.DataFrame, colors: Mapping[str, str]) -> None:
    rows, ideal = of(table, "C", "correct"), of(table, "C", "ideal observer")
    if len(ideal):
        axes.plot(ideal["x"], ideal["y"], color=INK, lw=0.8, ls="--")
        axes.text(ideal["x"].iloc[-1], 60, "dashed: ideal\nobserver", fontsize=6, ha="right", va="top", color=GREY)
    levels = np.unique(rows["x"])
    few = len(levels) < 3  # categories rather than a scale
    names = list(colors)
    for (learner, _), curve in rows.groupby(["learner", "seed"], sort=False):
        shift = 0.12 * (names.index(learner) - (len(names) - 1) / 2) if few else 0.0
        axes.vlines(curve["x"] + shift, curve["low"], curve["high"], color=colors[learner], lw=0.6)
        axes.plot(curve["x"] + shift, curve["y"], "o" if few else "o-", color=colors[learner], ms=2.2, lw=0.7)
    if few:
        axes.set_xticks(levels, ["no", "yes"] if levels.tolist() == [0.0, 1.0] else [f"{x:g}" for x in levels])
        axes.set_xlim(levels[0] - 0.5, levels[-1] + 0.5)
    _labels(axes, rows)


def _draw_activity(axes: Axes, rows: pd.DataFrame, learner: str, color: str, first: bool) -> None:
    here = rows[rows["learner"] == learner]
    axes.set_title(learner, color=color, fontsize=6)
    axes.set_xticks([])
    axes.set_yticks([])
    if here.empty:
        note(axes, "too few correct trials")
        return
    answers = list(dict.fromkeys(here["answer"]))
    for answer, curve in here.groupby("answer", sort=False):
        shade = ANSWERS[answers.index(answer) % len(ANSWERS)]
        axes.plot(curve["x"], curve["y"], "-", color=shade, lw=0.9)
        axes.plot(curve["x"], curve["y"], "o", color=shade, ms=1.4)
        axes.plot(curve["x"].iloc[:1], curve["y"].iloc[:1], "s", color=INK, ms=2.6, zorder=3)
    _labels(axes, here)
    axes.margins(0.12)
    if first:
        handles = [
            Line2D([], [], color=ANSWERS[i % len(ANSWERS)], lw=1.2, label=str(answer).replace("_", " "))
            for i, answer in enumerate(answers)
        ]
        axes.legend(handles=handles, loc="best", fontsize=5.5, handlelength=1.0)


def _draw_value(axes: Axes, rows: pd.DataFrame, colors: Mapping[str, str]) -> None:
    if rows.empty:
        note(axes, "no learner predicts\nits return")
        return
    for learner, some in rows.groupby("learner", sort=False):
        levels = list(dict.fromkeys(some["label"]))
        for i, level in enumerate(levels):
            curve = some[some["label"] == level]
            strength = 0.3 + 0.7 * (i + 1) / len(levels)
            axes.plot(curve["x"], curve["y"], color=colors[learner], lw=0.9, alpha=strength)
    _labels(axes, rows)
    levels = list(dict.fromkeys(rows["label"]))
    if len(levels) > 1:
        axes.set_title(f"pale to strong: {levels[0]} to {levels[-1]}", fontsize=5.5, color=GREY)


def _draw_fixed_points(axes: Axes, rows: pd.DataFrame, colors: Mapping[str, str]) -> None:
    if rows.empty:
        axes.axis("off")
        note(axes, "none searched")
        return
    names = [name for name in colors if name in set(rows["learner"])]
    for i, name in enumerate(names):
        for kind, shift in (("stable", -0.15), ("unstable", 0.15)):
            y = rows[(rows["learner"] == name) & (rows["series"] == kind)]["y"]
            face = colors[name] if kind == "stable" else "white"
            axes.plot(np.full(len(y), i + shift), y, "o", ms=3, mfc=face, mec=colors[name], mew=0.7, alpha=0.8)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names], fontsize=5)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_ylabel(rows["y_label"].iloc[0] + " of an input")
    axes.set_title("filled: stable", fontsize=5.5, color=GREY)
