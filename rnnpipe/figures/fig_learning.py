"""Learning curves of several networks: reward and percent correct against training trials.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 1-figure supplements 1, 3 and 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.learning import learning_curve, trials_to_criterion
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import Inputs
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.io.history import read_history
from rnnpipe.settings import Settings, setting

NEEDS = {"history": "history of the training, one file a network"}
TARGET = "#b2182b"
X_LABEL = "Training trials (×1000)"
REWARD = "Mean reward per trial"
SCORES = {
    "min_correct": ("p_correct", "percent_correct", "Correct (% of decided trials)", 100.0, " %"),
    "min_performance": ("performance", "percent_of_trials", "Correct (% of trials)", 100.0, " %"),
    "min_return": ("mean_return", "mean_return", "Mean return of an episode", 1.0, ""),
}
"""By the attribute that holds the target of panel B: column of the history, of the curve, label, scale, unit."""


class Options(Settings):
    """Settings of the figure."""

    main_seed: int | None = setting(None, "seed of the network that is drawn in black; by default the first", ge=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, x in thousands of trials."""
    histories = {int(history.attrs["seed"]): history for history in map(_read, inputs["history"])}
    main = next(iter(histories)) if options.main_seed is None else options.main_seed
    if main not in histories:
        seeds = ", ".join(map(str, histories))
        raise SettingsError(f"settings of the figure: main_seed = {main}: no history of that seed (there are {seeds}).")
    target, column, measure, label, scale, unit = _score(histories[main])
    for history in histories.values():
        if _score(history)[0] != target:
            raise ArtefactError(
                f"{history.attrs['path']}: its training was scored by {_score(history)[0]}, that of"
                f" {histories[main].attrs['path']} by {target}; draw them as two figures."
            )
    parts = []
    for seed, history in histories.items():
        curve, role = learning_curve(history), "main" if seed == main else "other"
        for panel, name, y_label in (("A", "mean_reward", REWARD), ("B", measure, label)):
            shown = curve[curve[name].notna()]
            x, y = shown["n_trials"].to_numpy() / 1000, shown[name].to_numpy()
            parts.append(points(panel, role, seed=float(seed), x=x, y=y, x_label=X_LABEL, y_label=y_label))
    targets = {scale * float(history.attrs[target]) for history in histories.values()}
    parts += [points("B", "target", y=y, label=f"target {y:g}{unit}", y_label=label) for y in sorted(targets)]
    reached = []
    for seed, history in histories.items():
        trials = trials_to_criterion(history)
        if np.isfinite(trials):
            reached.append(trials)
            y = scale * float(history.loc[history["n_trials"] == trials, column].iloc[0])
            parts.append(points("B", "criterion", seed=float(seed), x=trials / 1000, y=y, x_label=X_LABEL))
    parts.append(points("A", "summary", n=float(len(histories)), label=_summary(reached, len(histories))))
    return assemble(parts)


def _read(path: object) -> pd.DataFrame:
    history = read_history(str(path))
    history.attrs["path"] = str(path)
    if "seed" not in history.attrs:
        raise ArtefactError(f"{path}: has no attribute 'seed'; train the network again.")
    _score(history)
    return history


def _score(history: pd.DataFrame) -> tuple[str, str, str, str, float, str]:
    """What panel B shows of a history: the attribute of its target and the row of `SCORES`."""
    for target, row in SCORES.items():
        if target in history.attrs and row[0] in history:
            return target, *row
    path = history.attrs["path"]
    raise ArtefactError(f"{path}: has no attribute {' or '.join(map(repr, SCORES))}; train the network again.")


def _summary(trials: list[float], n_networks: int) -> str:
    networks = "network" if n_networks == 1 else "networks"
    head = f"{len(trials)} of {n_networks} {networks} reached the criterion"
    if not trials:
        return head
    spread = f" ± {np.std(trials, ddof=1):.0f}" if len(trials) > 1 else ""
    return f"{head}\nafter {np.mean(trials):.0f}{spread} trials"


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(62)
    rows = table[table["series"].isin(["main", "other"])]
    end = 1.02 * float(rows["x"].max(skipna=True)) if len(rows) and rows["x"].max() > 0 else 1.0
    for panel, left in (("A", 14), ("B", 102)):
        panel_letter(figure, panel, left - 13, 1)
        axes = place(figure, left, 10, 70, 47)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=end > 5))
        labels = of(table, panel)["y_label"]
        label = next((text for text in labels if text), "")
        axes.set(xlim=(0, end), xlabel=X_LABEL, ylabel=label)
        if panel == "A":
            lowest, highest = float(rows["y"][rows["panel"] == "A"].min()), float(rows["y"][rows["panel"] == "A"].max())
            axes.set_ylim(min(-1.05, lowest - 0.05) if lowest < 0 else 0.0, max(1.0, highest + 0.05))
        elif label == SCORES["min_correct"][2]:
            axes.set(ylim=(40, 100), yticks=[40, 60, 80, 100])
        elif label == SCORES["min_performance"][2]:
            axes.set(ylim=(0, 100), yticks=[0, 20, 40, 60, 80, 100])
        _draw_curves(axes, table, panel)
    return figure


def _draw_curves(axes: Axes, table: pd.DataFrame, panel: str) -> None:
    if panel == "A":
        axes.axhline(0, color=GREY, lw=0.4, ls=":", zorder=0)
        text = of(table, "A", "summary")["label"].iloc[0]
        axes.text(0.98, 0.05, text, transform=axes.transAxes, ha="right", va="bottom", linespacing=1.4)
    drawn, targets = {}, {}
    for target in of(table, panel, "target").itertuples():
        targets[target.label] = axes.axhline(target.y, color=TARGET, lw=0.7, ls=(0, (4, 2)), zorder=1)
    met = of(table, panel, "criterion")
    styles: dict[str, dict[str, Any]] = {"other": {"color": "#b5b5b5", "lw": 0.8}, "main": {"color": INK, "lw": 1.75}}
    for role, style in styles.items():
        for seed, curve in of(table, panel, role).groupby("seed"):
            (line,) = axes.plot(curve["x"], curve["y"], zorder=3 if role == "main" else 2, **style)
            drawn[f"seed {seed:.0f}" if role == "main" else "other seeds"] = line
    if not drawn:
        note(axes, "no validation with a positive reward" if panel == "B" else "no validations")
    elif panel == "B":
        if len(met):
            (dots,) = axes.plot(met["x"], met["y"], "o", color=TARGET, ms=3.2, mec="white", mew=0.4, zorder=4)
            targets["criterion reached"] = dots
        # the main network is drawn last, on top, and named first
        named = dict(sorted(drawn.items(), reverse=True)) | targets
        axes.legend(list(named.values()), list(named), loc="lower right")
