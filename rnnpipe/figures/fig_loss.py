"""Learning of supervised networks: held-out and training error, penalties and the norm of the gradient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import Inputs
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.io.history import read_regression_history
from rnnpipe.settings import Settings, setting

NEEDS = {"history": "history of the training of a supervised network, one file a network"}
PENALTY = "penalty_"
X_LABEL = "Updates"
MEASURES = {
    "A": ("mse", "Mean squared error\n(held out, without noise)"),
    "B": ("training_mse", "Mean squared error\n(training, with noise)"),
    "D": ("gradient_norm", "Norm of the gradient"),
}
"""Column and label of each panel but C, which has the penalties."""
PENALTIES = "Penalty (not weighted)"
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", GREY)
"""Of the penalties."""
PLACES = {"A": (15, 60), "B": (104, 60), "C": (15, 11), "D": (104, 11)}


class Options(Settings):
    """Settings of the figure."""

    main_seed: int | None = setting(None, "seed of the network that is drawn in black; by default the first", ge=0)
    floor: float | None = setting(None, "error that no network can go below, drawn as a line in panels A and B", gt=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, x in updates.

    Series `main` and `other` are curves of networks (`seed`), in panel C of the penalty `choice`; `best` is where the
    network was best, the one that is kept.
    """
    histories = {int(history.attrs["seed"]): history for history in map(_read, inputs["history"])}
    main = next(iter(histories)) if options.main_seed is None else options.main_seed
    if main not in histories:
        seeds = ", ".join(map(str, histories))
        raise SettingsError(f"settings of the figure: main_seed = {main}: no history of that seed (there are {seeds}).")
    parts, best = [], []
    for seed, history in histories.items():
        role, x = "main" if seed == main else "other", history["iteration"].to_numpy(float)
        for panel, (name, label) in MEASURES.items():
            y = history[name].to_numpy(float)
            shown = np.isfinite(y) & (y > 0)
            about = {"seed": float(seed), "x_label": X_LABEL, "y_label": label}
            parts.append(points(panel, role, x=x[shown], y=y[shown], **about))
        for name in [name for name in history if str(name).startswith(PENALTY)]:
            about = {"choice": str(name).removeprefix(PENALTY), "x_label": X_LABEL, "y_label": PENALTIES}
            parts.append(points("C", role, seed=float(seed), x=x, y=history[name].to_numpy(float), **about))
        if history["new_best"].any():
            k = int(np.flatnonzero(history["new_best"])[-1])
            best.append(float(history["mse"].iloc[k]))
            parts.append(points("A", "best", seed=float(seed), x=x[k], y=best[-1], n=float(main == seed)))
    if options.floor is not None:
        words = f"floor {options.floor:g}"
        parts += [points(panel, "floor", y=options.floor, label=words) for panel in "AB"]
    parts.append(points("A", "summary", n=float(len(histories)), label=_summary(best, len(histories))))
    return assemble(parts)


def _read(path: Path) -> pd.DataFrame:
    history = read_regression_history(path)
    if "seed" not in history.attrs:
        raise ArtefactError(f"{path}: has no attribute 'seed'; train the network again.")
    return history


def _summary(best: list[float], n: int) -> str:
    if not best:
        return f"none of {n} networks has a finite error" if n > 1 else "no finite error"
    if n == 1:
        return f"best {best[0]:.4g}"
    return f"best of {n} networks: median {np.median(best):.4g}, {min(best):.4g} to {max(best):.4g}"


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(106)
    for panel, (left, bottom) in PLACES.items():
        panel_letter(figure, panel, left - 14, 106 - bottom - 42)
        axes = place(figure, left, bottom, 66, 37)
        rows = of(table, panel)
        if rows["x"].notna().any():
            _draw_curves(axes, rows)
        else:
            axes.set(xticks=[], yticks=[])
            note(axes, "no penalties" if panel == "C" else "no updates")
        if panel == "A":
            axes.set_title(of(table, "A", "summary")["label"].iloc[0], fontsize=6, color=GREY, pad=3)
    return figure


def _draw_curves(axes: Axes, rows: pd.DataFrame) -> None:
    curves = rows[rows["series"].isin(["main", "other"])]
    names = list(dict.fromkeys(curves["choice"])) if "choice" in curves else [""]
    colors = [INK] if names == [""] else [COLORS[k % len(COLORS)] for k in range(len(names))]
    for role, alpha, width in (("other", 0.35, 0.6), ("main", 1.0, 1.0)):
        for name, color in zip(names, colors, strict=True):
            same = curves[(curves["series"] == role) & ((curves["choice"] == name) if "choice" in curves else True)]
            for _, curve in same.groupby("seed", sort=False):
                axes.plot(curve["x"], curve["y"], color=color, lw=width, alpha=alpha)
    best = rows[rows["series"] == "best"]
    for own, color in ((0, GREY), (1, INK)):
        shown = best[best["n"] == own]
        axes.plot(shown["x"], shown["y"], "o", ms=2.6, mfc="white", mec=color, mew=0.8, zorder=4)
    for floor in rows[rows["series"] == "floor"].itertuples():
        axes.axhline(floor.y, color="#b2182b", lw=0.7, ls=(0, (3, 2)), zorder=1)
        axes.text(0.995, floor.y, floor.label, transform=axes.get_yaxis_transform(), ha="right", va="bottom",
                  color="#b2182b", fontsize=5.5)  # fmt: skip
    if (curves["y"] > 0).all():
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        _label_decade(axes)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes.set(xlabel=curves["x_label"].iloc[0], ylabel=curves["y_label"].iloc[0], xlim=(0, max(curves["x"].max(), 1)))
    if names != [""]:
        handles = [Line2D([], [], color=c, label=n.replace("_", " ")) for n, c in zip(names, colors, strict=True)]
        axes.legend(handles=handles, loc="upper right", fontsize=5.5)


def _label_decade(axes: Axes) -> None:
    """Label more than the powers of ten where the axis spans little more than a decade."""
    low, high = axes.get_ylim()
    if high / low < 30:
        steps = (1, 2, 5) if high / low > 5 else (1, 1.5, 2, 2.5, 3, 4, 5, 7)
        exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        shown = [m * 10.0**e for e in exponents for m in steps if low <= m * 10.0**e <= high]
        axes.set_yticks(shown, [f"{t:g}" for t in shown])
        axes.set_ylim(low, high)
