"""Economic choice between two juices: choices of networks trained on two values, and units of the value network.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.economic import (
    EPOCHS,
    MIN_GROUP,
    OFFER_VALUE,
    choice_pattern,
    classify,
    epoch_rates,
    example_units,
    indifference,
    juice_choices,
    rates_by_offer,
)
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import SettingsError
from rnnpipe.figures import Inputs
from rnnpipe.figures.juices import JUICE_COLORS, JUICE_MARKERS, draw_offers, offer_points, ratio_label, read_choices
from rnnpipe.figures.motion import UNIT_PANEL_LABEL, only
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, WIDTH, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {
    "behaviour": "evaluations on many trials of one or two networks, such as of two values of juice A",
    "activity": "evaluation of the network with recorded activity",
}
EXAMPLES = {("chosen value",): 3, OFFER_VALUE: 2, ("choice",): 1}
"""Units shown of each class."""
HEIGHT = 105.0


class Options(Settings):
    """Settings of the figure."""

    network: Literal["value", "policy"] = setting("value", "network whose units are shown")
    epoch: Literal["pre-offer", "post-offer", "late delay", "pre-choice"] = setting(
        "pre-choice", "500 ms of the trial over which rates are averaged; units are classified before choice"
    )
    min_trials: int = setting(MIN_GROUP, "trials that a mean rate needs", "trials", ge=2)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, x is an offer's place in the list."""
    paths = inputs["behaviour"]
    if len(paths) > 2:
        raise SettingsError(
            f"this figure shows the choices of two networks, but behaviour has {len(paths)} files; name one seed of"
            " each experiment (`seeds: [100]`)."
        )
    parts = [part for i, path in enumerate(paths) for part in _choices(f"A{i + 1}", path)]
    return assemble([*parts, *_units(only(inputs, "activity"), options)])


def _choices(panel: str, path: Path) -> Iterator[pd.DataFrame]:
    choices, value_ratio, _ = read_choices(path)
    pattern = choice_pattern(choices)
    pattern = pattern[pattern["n"] > 0]
    scaled = pattern.assign(low=100 * pattern["low"], high=100 * pattern["high"])
    y = 100 * pattern["p"].to_numpy(float)
    yield offer_points(panel, "choices of B", scaled, y=y, y_label="Choices of B (%)")
    yield points(panel, "trained", y=value_ratio, label=f"trained: 1A = {value_ratio:g}B")
    yield points(panel, "indifference", label=ratio_label(indifference(choices)))


def _units(path: Path, options: Options) -> Iterator[pd.DataFrame]:
    recording = Recording(path)
    choices, name = juice_choices(recording.table, path), f"{options.network}_rates"
    found = indifference(choices)
    rates = epoch_rates(recording, name, EPOCHS["pre-choice"])
    examples = example_units(classify(rates, choices, found.mu), EXAMPLES)
    if options.epoch != "pre-choice":
        rates = epoch_rates(recording, name, EPOCHS[options.epoch])
    yield points("B", "epoch", label=f"{options.network} network, {options.epoch}")
    if found.problem:
        yield points("B", "no classes", label=found.problem)
    for example in examples:
        unit, group = int(example["unit"]), str(example["group"])
        rows = rates_by_offer(rates[:, [unit]], choices, group == "choice", options.min_trials)
        series = f"{group} {unit}"
        label = f"{group}\nunit {unit}, r² = {example['r2']:.2f}"
        yield offer_points(
            "B",
            series,
            rows,
            y=rows["mean"].to_numpy(float),
            choice=rows["chosen"].to_numpy(object),
            y_label=UNIT_PANEL_LABEL,
        )
        yield points("B title", series, label=label)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(HEIGHT)
    panel_letter(figure, "A", 1, 1)
    panels = [panel for panel in ("A1", "A2") if len(of(table, panel))]
    for i, panel in enumerate(panels):
        _draw_choices(place(figure, 12, 63 - 50 * i, 36, 30), table, panel)
    panel_letter(figure, "B", 52, 1)
    series = list(dict.fromkeys(of(table, "B title")["series"]))
    for i, name in enumerate(series):
        axes = place(figure, 63 + 38 * (i % 3), 63 - 50 * (i // 3), 28, 30)
        _draw_unit(axes, table, name, first=i % 3 == 0)
    if not series:
        axes = place(figure, 63, 13, 104, 80)
        axes.axis("off")
        why = of(table, "B", "no classes")
        note(axes, f"no unit has a class{': ' + why['label'].iloc[0] if len(why) else ''}")
    shown = of(table, "B", "epoch")["label"].iloc[0]
    figure.text(1 - 2 / WIDTH, 1 - 1.2 / HEIGHT, shown, ha="right", va="top", color=GREY)
    return figure


def _draw_choices(axes: Axes, table: pd.DataFrame, panel: str) -> None:
    rows = of(table, panel, "choices of B")
    if len(rows):
        axes.axhline(50, color=GREY, lw=0.4, ls=":", zorder=0)
    axes.set(ylim=(-4, 104), yticks=[0, 25, 50, 75, 100])
    draw_offers(axes, rows, rows, color=INK, marker="o")
    title = f"{of(table, panel, 'trained')['label'].iloc[0]}\n{of(table, panel, 'indifference')['label'].iloc[0]}"
    axes.set_title(title, fontsize=6, loc="left", pad=3)


def _draw_unit(axes: Axes, table: pd.DataFrame, series: str, first: bool) -> None:
    rows = of(table, "B", series)
    for chosen, line in rows.groupby("choice"):
        color, marker = JUICE_COLORS.get(str(chosen), INK), JUICE_MARKERS.get(str(chosen), "s")
        draw_offers(axes, line, rows, color=color, marker=marker)
    if rows.empty:
        draw_offers(axes, rows, rows, color=INK, marker="s")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_title(of(table, "B title", series)["label"].iloc[0], fontsize=6, loc="left", pad=3)
    if not first:
        axes.set_ylabel("")
    if set(rows["choice"]) - {""}:
        handles = [
            Line2D([], [], ls="", marker=JUICE_MARKERS[j], color=JUICE_COLORS[j], ms=3, label=f"{j} chosen")
            for j in JUICE_COLORS
        ]
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.28 * (high - low))  # room for the legend
        axes.legend(handles=handles, loc="upper left", ncols=2, columnspacing=0.8, handletextpad=0.2, handlelength=1)
