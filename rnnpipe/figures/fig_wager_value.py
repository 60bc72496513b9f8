"""Post-decision wagering: the value after the stimulus by its duration, and along trials by coherence and choice."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from rnnpipe.analysis.wager import VALUE_WINDOW, by_coherence_and_option, value_by_offer
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.source_data import assemble, of
from rnnpipe.figures.style import coherence_colours, new_figure, panel_letter, place, styled
from rnnpipe.figures.wager import (
    aligned_points,
    coherence_handles,
    draw_aligned,
    draw_durations,
    duration_points,
    offer_handles,
    read_recording,
    side_legend,
    taken_handles,
)
from rnnpipe.settings import Settings, setting

NEEDS = {"activity": "evaluation of the network with recorded activity"}


class Options(Settings):
    """Settings of the figure."""

    n_bins: int = setting(5, "equal-count bins of stimulus duration for each coherence; activity has few trials", gt=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    recording = read_recording(only(inputs, "activity"))
    label = f"Expected reward\n{VALUE_WINDOW:g} ms after stimulus"
    bins = value_by_offer(recording, options.n_bins)
    return assemble(
        [
            *(duration_points("A", str(offer), rows, "mean", label) for offer, rows in bins.groupby("offer")),
            *aligned_points("B", recording, "value", None, by_coherence_and_option, "Expected reward"),
        ]
    )


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(112)
    levels = sorted(table["coherence"].dropna().unique())
    panel_letter(figure, "A", 1, 1)
    axes = place(figure, 14, 66, 90, 42)
    draw_durations(axes, of(table, "A"), levels, "no choices of a side")
    if len(of(table, "A")):
        side_legend(axes, coherence_handles(levels), "Coherence", (1.03, 1.0))
        side_legend(axes, offer_handles(), None, (1.03, 0.42))
    panel_letter(figure, "B", 1, 52)
    panels = draw_aligned(figure, table, "B", 14, 11, 42, "coherence", coherence_colours(levels), "too few trials")
    if levels:
        side_legend(panels[-1], coherence_handles(levels), "Coherence", (1.1, 1.0))
        side_legend(panels[-1], taken_handles(), "Choice", (1.1, 0.42))
    return figure
