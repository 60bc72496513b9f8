"""Motion discrimination of fixed duration: task, networks, behaviour, an example unit and the predicted reward.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 1.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from rnnpipe.analysis.durations import N_BINS, accuracy_by_duration
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.traces import sorted_traces
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import UNIT_PANEL_LABEL, Activity, motion_table, only, unit_label
from rnnpipe.figures.networks_schematic import draw_networks, network_sizes
from rnnpipe.figures.schematic import draw_schematic, schematic
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import at_least, coherence_colours, new_figure, note, panel_letter, percent, place, styled
from rnnpipe.figures.traces import draw_traces, draw_value, legends, trace_points, value_points
from rnnpipe.io.evaluation import task_of
from rnnpipe.settings import Settings, setting

NEEDS = {
    "behaviour": "evaluation of the network on many trials",
    "activity": "evaluation of the network with recorded activity",
}
UNIT_WINDOW = (-200.0, 450.0)


class Options(Settings):
    """Settings of the figure."""

    n_bins: int = setting(N_BINS, "equal-count bins of stimulus duration for each coherence", gt=0)
    unit: int | None = setting(
        None, "policy unit to show; by default the one of largest |d'| among those ordered by coherence", ge=0
    )
    shown_stimulus: float = setting(500.0, "duration of the stimulus in the schematic", "ms", gt=0)
    schematic_seed: int = setting(1, "seed of the noise in the schematic", ge=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    path = only(inputs, "behaviour")
    table = motion_table(path, "stimulus")
    parts = [
        schematic("A", task_of(table.attrs, path), options.shown_stimulus, options.schematic_seed),
        network_sizes("B", table.attrs),
        _accuracy(table, options.n_bins),
    ]
    activity = Activity.read(only(inputs, "activity"), "policy_rates")
    example = activity.example(options.unit)
    if example is not None:
        rates = activity.arrays["policy_rates"][:, :, example.unit]
        traces = sorted_traces(activity.around_stimulus(rates, UNIT_WINDOW), activity.table)
        part = trace_points("D", "example unit", traces, "stimulus onset", UNIT_PANEL_LABEL)
        parts.append(part.assign(label=unit_label(example)))
    return assemble([*parts, *value_points("E", Recording(only(inputs, "activity")))])


def _accuracy(table: pd.DataFrame, n_bins: int) -> pd.DataFrame:
    bins = accuracy_by_duration(table, n_bins)
    return points(
        "C",
        "accuracy",
        coherence=bins["coherence"].to_numpy(),
        x=bins["duration"].to_numpy(),
        y=bins["p"].to_numpy(),
        low=bins["low"].to_numpy(),
        high=bins["high"].to_numpy(),
        n=bins["n"].to_numpy(),
        x_label="Stimulus duration (ms)",
        y_label="Fraction correct",
    )


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(102)
    panel_letter(figure, "A", 1, 1)
    draw_schematic(place(figure, 4, 57, 92, 42), table, "A")
    panel_letter(figure, "B", 104, 1)
    draw_networks(place(figure, 106, 56, 66, 42), table, "B")

    panel_letter(figure, "C", 1, 48)
    _draw_accuracy(figure, table)

    levels = sorted(table.loc[table["panel"].isin(["D", "E"]) & table["coherence"].notna(), "coherence"].unique())
    panel_letter(figure, "D", 61, 48)
    unit = place(figure, 70, 11, 33, 35)
    draw_traces(unit, table, "D", "example unit", levels)
    unit.set(xlim=UNIT_WINDOW, xticks=[-200, 0, 200, 400])
    unit.set_ylim(bottom=0)
    unit.yaxis.set_major_locator(MaxNLocator(5))
    if len(of(table, "D")):
        unit.set_title(of(table, "D")["label"].iloc[0], fontsize=6, loc="left", pad=3)

    panel_letter(figure, "E", 105, 48)
    stimulus, choice = place(figure, 114, 11, 28, 35), place(figure, 146, 11, 14, 35)
    draw_value(stimulus, choice, table, "E", levels, (0.5, 1.2))
    stimulus.set_xticklabels(["", "0", "200", "400", ""])
    choice.set_xticklabels(["\N{MINUS SIGN}400", "", "0"])
    legends(choice, levels)
    return figure


def _draw_accuracy(figure: Figure, table: pd.DataFrame) -> None:
    axes, rows = place(figure, 12, 11, 44, 35), of(table, "C")
    colours = coherence_colours([0.0, *rows["coherence"].dropna()])  # zero coherence is a shade of the other panels
    for coherence, line in rows.groupby("coherence", sort=True):
        axes.vlines(line["x"], line["low"], line["high"], color=colours[coherence], lw=0.7)
        axes.plot(line["x"], line["y"], "o-", color=colours[coherence], label=percent(coherence), ms=2.6)
    if rows.empty:
        note(axes, "no decisions above zero coherence")
    else:
        axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0])
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], title="Coherence", loc="lower right")
    bottom, _ = at_least(0.5, 1.0, rows["low"])  # chance, unless the network is worse
    axes.set(xlim=(0, 1200), ylim=(bottom, 1 + 0.02 * (1 - bottom)), xticks=[0, 300, 600, 900, 1200])
    axes.yaxis.set_major_locator(MultipleLocator(0.1 if bottom >= 0.3 else 0.2))
    axes.spines["left"].set_bounds(bottom, 1.0)
