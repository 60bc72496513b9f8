"""What figures of motion tasks share: a network's behaviour and activity, example unit and psychometric panel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from rnnpipe.analysis import psychometric
from rnnpipe.analysis.alignment import Aligned, align, stimulus_time
from rnnpipe.analysis.selectivity import ExampleUnit, d_prime, example_unit
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import Inputs
from rnnpipe.figures.source_data import of, points
from rnnpipe.figures.style import GREY, INK, note
from rnnpipe.io.evaluation import read_activity, read_table

COLUMNS = ("side", "coherence", "choice", "decision", "correct", "reaction_time", "choice_time")
UNIT_PANEL_LABEL = "Firing rate (a.u.)"
SIGNED_COHERENCE = "Signed coherence (%), right > 0"


def only(inputs: Inputs, need: str) -> Path:
    """The one file of a need.

    Raises:
        SettingsError: There are several; the figure is of one network.
    """
    files = inputs[need]
    if len(files) > 1:
        raise SettingsError(
            f"this figure shows one network, but {need} has {len(files)} files; name one seed (`seeds: [97]`)."
        )
    return files[0]


def motion_table(path: Path, *more: str) -> pd.DataFrame:
    """Trial table of a motion task.

    Of two directions on a ring, the first (choice 1) is shown as left and the second as right.

    Raises:
        ArtefactError: It is of another task.
    """
    table = read_table(path)
    if "side" not in table and "direction" in table and len(table.attrs.get("action_names", ())) == 3:
        table["side"] = np.where(table["direction"] == 0, -1, 1)
    if absent := [name for name in (*COLUMNS, *more) if name not in table]:
        raise ArtefactError(
            f"{path}: trials of task {table.attrs.get('task')!r} have no column {absent[0]!r}, which this figure needs;"
            " give it an evaluation of a fitting motion task."
        )
    return table


@dataclass(frozen=True)
class Activity:
    """Activity of one network with its trial table; arrays are (time, trial, ...)."""

    table: pd.DataFrame
    arrays: dict[str, Any]

    @classmethod
    def read(cls, path: Path, *names: str) -> Activity:
        """Those arrays of an evaluation, and always time and mask."""
        return cls(motion_table(path, "stimulus_on", "stimulus_off"), read_activity(path, "time", "mask", *names))

    @property
    def coherences(self) -> list[float]:
        """Coherences presented, percent, ascending."""
        return [float(c) for c in np.unique(self.table["coherence"])]

    def around_stimulus(self, values: Any, window: tuple[float, float]) -> Aligned:
        """Values aligned to the last step before the stimulus could be seen; window in ms."""
        event = stimulus_time(self.table["stimulus_on"], float(self.table.attrs["dt"]))
        return align(values, self.arrays["mask"], self.arrays["time"], event, window)

    def around_choice(self, values: Any, window: tuple[float, float]) -> Aligned:
        """Values aligned to the step at which the choice was made; window in ms."""
        return align(values, self.arrays["mask"], self.arrays["time"], self.table["choice_time"], window)

    def example(self, unit: int | None) -> ExampleUnit | None:
        """The unit that was asked for, or the one the criterion of `example_unit` chooses.

        Raises:
            SettingsError: The network has no such unit.
        """
        rates, mask, time = self.arrays["policy_rates"], self.arrays["mask"], self.arrays["time"]
        if unit is None:
            return example_unit(rates, mask, time, self.table, float(self.table.attrs["dt"]))
        if not 0 <= unit < rates.shape[2]:
            raise SettingsError(
                f"settings of the figure: unit = {unit}: the network has units 0 to {rates.shape[2] - 1}."
            )
        column = np.asarray(time)[:, None]
        during = (
            mask & (self.table["stimulus_on"].to_numpy() <= column) & (column < self.table["stimulus_off"].to_numpy())
        )
        selectivity = d_prime(rates[..., unit : unit + 1], during, self.table["choice"].to_numpy())
        return ExampleUnit(unit, float(selectivity[0]), np.nan)


def unit_label(example: ExampleUnit) -> str:
    """What a panel says of its unit; units are counted from 0 as in the files."""
    return f"unit {example.unit}, d\N{PRIME} = {example.d_prime:.2f}".replace("-", "\N{MINUS SIGN}")


def psychometric_points(panel: str, table: pd.DataFrame) -> pd.DataFrame:
    """Fraction of right choices at each signed coherence with its fit, or why there is none."""
    levels = psychometric.right_choices(table)
    fit = psychometric.fit_least_squares(levels["x"], levels["n_right"], levels["n"])
    labels = {"x_label": SIGNED_COHERENCE, "y_label": "Fraction of right choices"}
    seen = levels[levels["n"] > 0]
    columns = {k: seen[k].to_numpy(float) for k in ("x", "low", "high", "n")}
    parts = [points(panel, "right choices", y=seen["p"].to_numpy(float), **columns, **labels)]
    if fit.problem:
        parts.append(points(panel, "no fit", label=fit.problem))
    else:
        x = np.linspace(levels["x"].min(), levels["x"].max(), 201)
        mu = round(fit.mu, 1) + 0.0  # never -0.0
        label = f"σ = {fit.sigma:.1f} % [{fit.sigma_low:.1f}, {fit.sigma_high:.1f}]\nµ = {mu:.1f} %".replace(
            "= -", "= \N{MINUS SIGN}"
        )
        parts.append(points(panel, "fit", x=x, y=fit(x), label=label, **labels))
    return pd.concat(parts)


def draw_psychometric(axes: Axes, table: pd.DataFrame, panel: str) -> None:
    """Draw what `psychometric_points` gives."""
    seen, fit = of(table, panel, "right choices"), of(table, panel, "fit")
    axes.set(ylim=(-0.03, 1.03), yticks=[0, 0.25, 0.5, 0.75, 1.0])
    axes.yaxis.set_minor_locator(NullLocator())
    if seen.empty:
        note(axes, "no decisions")
        return
    axes.axhline(0.5, color=GREY, lw=0.4, ls=":", zorder=0)
    axes.axvline(0, color=GREY, lw=0.4, ls=":", zorder=0)
    axes.plot(fit["x"], fit["y"], color=INK, lw=1.0)
    axes.vlines(seen["x"], seen["low"], seen["high"], color=INK, lw=0.7)
    axes.plot(seen["x"], seen["y"], "o", color=INK, ms=3.2)
    axes.set(xlabel=seen["x_label"].iloc[0], ylabel=seen["y_label"].iloc[0], xticks=[-50, -25, 0, 25, 50])
    text = fit["label"].iloc[0] if len(fit) else "no fit: " + str(of(table, panel, "no fit")["label"].iloc[0])
    axes.text(0.03, 0.97, text, transform=axes.transAxes, ha="left", va="top", fontsize=6, linespacing=1.4)
