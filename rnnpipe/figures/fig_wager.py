"""Post-decision wagering: task, sure choices and accuracy by stimulus duration, and a unit in five alignments.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 3.
"""

from __future__ import annotations

from typing import Literal

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from rnnpipe.analysis.durations import N_BINS
from rnnpipe.analysis.wager import accuracy_by_offer, by_evidence, preferred_unit, sure_by_duration
from rnnpipe.errors import SettingsError
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import UNIT_PANEL_LABEL, only
from rnnpipe.figures.reading import table_of_task
from rnnpipe.figures.schematic import draw_schematic, schematic
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import INK, WIDTH, at_least, new_figure, panel_letter, place, styled
from rnnpipe.figures.wager import (
    TASK,
    aligned_points,
    coherence_handles,
    draw_aligned,
    draw_durations,
    duration_points,
    offer_handles,
    read_recording,
    require_rates,
    side_legend,
    taken_handles,
)
from rnnpipe.io.evaluation import task_of
from rnnpipe.settings import Settings, setting

NEEDS = {
    "behaviour": "evaluation of the network on many trials",
    "activity": "evaluation of the network with recorded activity",
}
EVIDENCE_COLORS = {"preferred": INK, "other": "#9a9a9a"}
NO_UNIT = "no unit tells\nleft from right"


class Options(Settings):
    """Settings of the figure."""

    n_bins: int = setting(N_BINS, "equal-count bins of stimulus duration for each coherence", gt=0)
    network: Literal["policy", "value"] = setting("policy", "network whose unit is shown")
    unit: int | None = setting(
        None, "unit to show; by default the active one of largest |d'| between left and right evidence", ge=0
    )
    shown_stimulus: float = setting(500.0, "duration of the stimulus in the schematic", "ms", gt=0)
    schematic_seed: int = setting(1, "seed of the noise in the schematic", ge=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    path = only(inputs, "behaviour")
    table = table_of_task(path, TASK)
    accuracy = accuracy_by_offer(table, options.n_bins)
    parts = [
        schematic("A", task_of(table.attrs, path), options.shown_stimulus, options.schematic_seed),
        duration_points("B", "sure", sure_by_duration(table, options.n_bins), "p", "Fraction sure"),
        *(duration_points("C", str(o), rows, "p", "Fraction correct") for o, rows in accuracy.groupby("offer")),
    ]
    recording = read_recording(only(inputs, "activity"))
    name = f"{options.network}_rates"
    require_rates(recording, name)
    if options.unit is not None and options.unit >= recording.n_units(name):
        raise SettingsError(
            f"settings of the figure: unit = {options.unit}: the network has units 0 to {recording.n_units(name) - 1}."
        )
    found = preferred_unit(recording, name, options.unit)
    if found is not None:
        target = found.target
        label = f"{options.network} unit {found.unit}, d\N{PRIME} = {abs(found.d_prime):.2f} for its target"
        parts.append(points("D", "unit", label=f"{label}, {'right' if target > 0 else 'left'}"))
        parts += aligned_points(
            "D", recording, name, found.unit, lambda a, t: by_evidence(a, t, target), UNIT_PANEL_LABEL
        )
    return assemble(parts)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(138)
    panel_letter(figure, "A", 1, 1)
    draw_schematic(place(figure, 4, 73, 92, 62), table, "A")

    levels = sorted(table.loc[table["panel"].isin(["B", "C"]) & table["coherence"].notna(), "coherence"].unique())
    panel_letter(figure, "B", 100, 1)
    sure, rows = place(figure, 110, 106, 37, 28), of(table, "B")
    draw_durations(sure, rows, levels, "no decisions")
    sure.set(ylim=at_least(0.0, 0.8, rows["high"]), xlabel="")
    sure.set_xticklabels([])
    sure.yaxis.set_major_locator(MultipleLocator(0.2))
    side_legend(sure, coherence_handles(levels), "Coherence", (1.05, 1.02))

    panel_letter(figure, "C", 100, 34)
    correct, rows = place(figure, 110, 73, 37, 28), of(table, "C")
    draw_durations(correct, rows, levels, "no choices of a side")
    bottom, _ = at_least(0.5, 1.0, rows["y"])
    correct.set_ylim(bottom, 1.02)
    correct.yaxis.set_major_locator(MultipleLocator(0.1 if bottom >= 0.4 else 0.2))
    correct.spines["left"].set_bounds(bottom, 1.0)
    side_legend(correct, offer_handles(), None, (1.05, 0.7))

    panel_letter(figure, "D", 1, 74)
    axes = draw_aligned(figure, table, "D", 12, 11, 43, "evidence", EVIDENCE_COLORS, NO_UNIT, least=0.0)
    if len(label := of(table, "D", "unit")["label"]):
        evidence = [
            Line2D([], [], color=c, lw=0.9, label="Preferred target" if e == "preferred" else "Other target")
            for e, c in EVIDENCE_COLORS.items()
        ]
        side_legend(axes[-1], evidence, "Evidence for", (1.1, 1.0))
        side_legend(axes[-1], taken_handles(), "Choice", (1.1, 0.66))
        figure.text(12 / WIDTH, 1 - 74.5 / 138, label.iloc[0], ha="left", va="top", fontsize=6)
    return figure
