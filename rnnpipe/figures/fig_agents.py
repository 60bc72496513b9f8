"""Agents of several experiments on one task: their learning curves, and how well they do when they have learned.

A: fraction of correct trials in the course of training, one line a network. B: fraction of correct trials of each
trained network in an evaluation, with published values and the best that is possible. C: the same by coherence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnpipe.analysis.learners import correct_by, progress
from rnnpipe.analysis.proportions import wilson
from rnnpipe.figures import Inputs
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, new_figure, panel_letter, place, styled
from rnnpipe.io.evaluation import read_table
from rnnpipe.settings import Settings, setting

NEEDS = {
    "history": "history of the training, one file a network",
    "behaviour": "evaluation of each network on many trials",
}
AGENTS = ("#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499", "#1a1a1a")
"""Colours of the experiments in their order: the muted scheme of P. Tol, for readers with any kind of colour vision."""
CORRECT = "Correct trials (%)"


class Options(Settings):
    """Settings of the figure."""

    labels: dict[str, str] = setting({}, "what experiments are called; by default their names")
    published: dict[str, float] = setting({}, "published fraction of correct trials, by experiment")
    ceiling: float | None = setting(None, "fraction of correct trials of the ideal observer", gt=0, le=1)
    chance: float | None = setting(0.5, "fraction of correct trials of a guess", ge=0, le=1)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, and `agent`, an experiment."""
    parts = []
    for path in inputs["history"]:
        history = progress(path)
        shown = history[history["performance"].notna()]
        parts.append(
            points(
                "A",
                "performance",
                agent=_agent(path, options),
                seed=float(history.attrs["seed"]),
                x=shown["n_trials"].to_numpy() / 1000,
                y=100 * shown["performance"].to_numpy(),
                x_label="Training trials (×1000)",
                y_label=CORRECT,
            )
        )
    for path in inputs["behaviour"]:
        parts += _behaviour(path, options)
    for name, value in options.published.items():
        parts.append(points("B", "published", agent=options.labels.get(name, name), x=100 * value))
    for name, level in (("ceiling", options.ceiling), ("chance", options.chance)):
        if level is not None:
            parts.append(points("B", name, x=100 * level, label=name))
    return assemble(parts)


def _agent(path: Path, options: Options) -> str:
    """The experiment that a file is of: the folder that it is in."""
    return options.labels.get(path.parent.name, path.parent.name)


def _behaviour(path: Path, options: Options) -> list[pd.DataFrame]:
    table = read_table(path)
    agent, seed = _agent(path, options), float(table.attrs["seed"])
    right = table["correct"] == 1
    low, high = wilson(np.array([right.sum()]), np.array([len(right)]))
    columns = {"agent": agent, "seed": seed, "n": float(len(right))}
    parts = [points("B", "evaluated", x=100 * right.mean(), low=100 * low[0], high=100 * high[0], **columns)]
    if "coherence" in table:
        counts = correct_by(table, "coherence")
        x, y, n = counts["x"].to_numpy(), 100 * counts["p"].to_numpy(), counts["n"].to_numpy()
        labels = {"x_label": "Coherence (%)", "y_label": CORRECT}
        parts.append(points("C", "evaluated", agent=agent, seed=seed, x=x, y=y, n=n, **labels))
    return parts


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    agents = list(dict.fromkeys(of(table, "B", "evaluated")["agent"]))
    height = max(62.0, 16 + 6 * len(agents))
    figure = new_figure(height)
    for letter, left in (("A", 1), ("B", 59), ("C", 130)):
        panel_letter(figure, letter, left, 1)
    _draw_lines(place(figure, 12, 10, 42, height - 16), of(table, "A"), agents)
    _draw_evaluated(place(figure, 88, 10, 38, height - 16), of(table, "B"), agents)
    by_coherence = of(table, "C")
    if len(by_coherence):
        axes = place(figure, 141, 10, 31, height - 16)
        _draw_lines(axes, by_coherence, agents)
    return figure


def _color(agent: str, agents: Sequence[str]) -> str:
    return AGENTS[agents.index(agent) % len(AGENTS)] if agent in agents else GREY


def _draw_lines(axes: Axes, rows: pd.DataFrame, agents: Sequence[str]) -> None:
    for (agent, _), curve in rows.groupby(["agent", "seed"], sort=False):
        axes.plot(curve["x"], curve["y"], color=_color(agent, agents), lw=0.7)
    if len(rows):
        axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0])


def _draw_evaluated(axes: Axes, rows: pd.DataFrame, agents: Sequence[str]) -> None:
    for name, style in (("ceiling", "--"), ("chance", ":")):
        level = rows[rows["series"] == name]
        if len(level):
            axes.axvline(level["x"].iloc[0], color=GREY, lw=0.7, ls=style, zorder=0)
            axes.text(level["x"].iloc[0], -0.95, name, color=GREY, fontsize=5.5, ha="center", va="bottom")
    for agent, some in rows[rows["series"] == "evaluated"].groupby("agent", sort=False):
        y = agents.index(agent) + np.linspace(-0.2, 0.2, len(some)) * (len(some) > 1)
        axes.hlines(y, some["low"], some["high"], color=_color(agent, agents), lw=0.7)
        axes.plot(some["x"], y, "o", color=_color(agent, agents), ms=3)
    published = rows[(rows["series"] == "published") & rows["agent"].isin(agents)]
    where = [agents.index(agent) for agent in published["agent"]]
    axes.plot(published["x"], where, "|", color=INK, ms=9, mew=0.9)
    axes.set_yticks(range(len(agents)), agents)
    axes.set_ylim(len(agents) - 0.5, -1.0)
    axes.set_xlabel(CORRECT + ("; bar: published" if len(published) else ""))
