"""Multisensory integration: psychometric functions of each modality, and units selective for choice, modality or both.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 2B.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis import multisensory
from rnnpipe.analysis.multisensory import MODALITIES, STIMULUS_WINDOW, UNIMODAL, Example, Thresholds
from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import UNIT_PANEL_LABEL, only
from rnnpipe.figures.reading import require_task, require_units, table_of_task
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {
    "behaviour": "evaluation of the network on many trials",
    "activity": "evaluation of the network with recorded activity",
}
KINDS = {"choice": "Choice-selective", "modality": "Modality-selective", "mixed": "Mixed-selective"}
COLORS = {"visual": "#0072b2", "auditory": "#009e73", "multisensory": "#d55e00"}
STYLES = {"high": (0, (2.6, 1.3)), "low": "-"}
N_PANELS = 3


class Options(Settings):
    """Settings of the figure."""

    units: list[int] | None = setting(
        None,
        "up to three policy units to show; by default the most choice-, modality- and mixed-selective ones",
        min_length=1,
        max_length=N_PANELS,
    )


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    parts = [_psychometric(table_of_task(only(inputs, "behaviour"), "multisensory"))]
    recording = Recording(only(inputs, "activity"))
    require_task(recording.table, recording.path, "multisensory")
    selectivity = multisensory.selectivity(recording)
    if options.units is None:
        examples = multisensory.example_units(selectivity)
    else:
        units = require_units(options.units, recording.n_units())
        examples = [Example("", u, float(selectivity.choice[u]), float(selectivity.modality[u])) for u in units]
    for i, example in enumerate(examples):
        traces = multisensory.unit_traces(recording, example.unit)
        if traces.empty:
            parts.append(_note(i))
            continue
        parts.append(
            points(
                "B",
                f"unit {i + 1}",
                modality=traces["modality"].to_numpy(object),
                choice=traces["choice"].to_numpy(object),
                x=traces["lag"].to_numpy(float),
                y=traces["mean"].to_numpy(float),
                low=(traces["mean"] - traces["sem"]).to_numpy(float),
                high=(traces["mean"] + traces["sem"]).to_numpy(float),
                n=traces["n"].to_numpy(float),
                label=_unit_label(example),
                x_label="Time from stimulus onset (ms)",
                y_label=UNIT_PANEL_LABEL,
            )
        )
    if options.units is None:
        parts += [_note(i) for i in range(len(examples), N_PANELS)]
    return assemble(parts)


def _note(i: int) -> pd.DataFrame:
    return points("B", f"note {i + 1}", label="too few correct\nunimodal trials")


def _unit_label(example: Example) -> str:
    title = f"{KINDS[example.kind]}, unit" if example.kind else "Unit"
    selectivity = f"d\N{PRIME} choice {example.d_choice:.2f}, modality {example.d_modality:.2f}"
    return f"{title} {example.unit}\n{selectivity.replace('-', chr(0x2212))}"


def _psychometric(table: pd.DataFrame) -> pd.DataFrame:
    found = multisensory.thresholds(table)
    labels = {"x_label": "Rate (events/s)", "y_label": "Fraction of high choices"}
    parts = []
    for modality in MODALITIES:
        levels = multisensory.high_choices(table, modality)
        seen = levels[levels["n"] > 0]
        columns = {k: seen[k].to_numpy(float) for k in ("x", "low", "high", "n")}
        parts.append(points("A", modality, modality=modality, y=seen["p"].to_numpy(float), **columns, **labels))
        x = np.linspace(levels["x"].min(), levels["x"].max(), 201) if len(levels) else np.zeros(0)
        curve = {} if found.fits[modality].problem else {"x": x, "y": found.fits[modality](x)}
        parts.append(
            points("A", f"{modality} fit", modality=modality, label=_fit_label(found, modality), **curve, **labels)
        )
    return pd.concat(parts)


def _fit_label(found: Thresholds, modality: str) -> str:
    if problem := found.fits[modality].problem:
        return f"{modality.capitalize()}: no fit, {problem.split(';')[0]}"
    sigma = found.sigma(modality)
    return f"{modality.capitalize()}: σ = {sigma.value:.2f} [{sigma.low:.2f}, {sigma.high:.2f}] events/s"


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(59)
    panel_letter(figure, "A", 1, 1)
    _draw_psychometric(place(figure, 11, 9, 36, 36), table)
    panel_letter(figure, "B", 52, 1)
    for i in range(N_PANELS):
        if len(of(table, "B", f"unit {i + 1}")) or len(of(table, "B", f"note {i + 1}")):
            _draw_unit(place(figure, 61 + 39.5 * i, 9, 30, 36), table, i)
    _legend(figure, 52, 5)
    return figure


def _draw_psychometric(axes: Axes, table: pd.DataFrame) -> None:
    rows = of(table, "A")
    axes.set(ylim=(-0.03, 1.03), yticks=[0, 0.25, 0.5, 0.75, 1.0])
    axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0])
    drawn = False
    for i, modality in enumerate(MODALITIES):
        seen, fit = of(table, "A", modality), of(table, "A", f"{modality} fit")
        color = COLORS[modality]
        axes.plot(fit["x"], fit["y"], color=color, lw=0.9)
        axes.vlines(seen["x"], seen["low"], seen["high"], color=color, lw=0.7)
        axes.plot(seen["x"], seen["y"], "o", color=color, ms=2.6)
        drawn = drawn or len(seen) > 0
        axes.text(-0.2, 1.26 - 0.09 * i, fit["label"].iloc[0], transform=axes.transAxes, color=color, fontsize=6)
    if not drawn:
        axes.set_xticks([])
        note(axes, "no decisions")
        return
    axes.axhline(0.5, color=GREY, lw=0.4, ls=":", zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _draw_unit(axes: Axes, table: pd.DataFrame, index: int) -> None:
    rows = of(table, "B", f"unit {index + 1}")
    axes.set(xlim=STIMULUS_WINDOW, xticks=[0, 500, 1000])
    axes.set_xlabel("Time from stimulus onset (ms)")
    if index == 0:
        axes.set_ylabel(UNIT_PANEL_LABEL)
    if rows.empty:
        axes.set_yticks([])
        note(axes, of(table, "B", f"note {index + 1}")["label"].iloc[0])
        return
    axes.axvline(0, color=GREY, lw=0.5, zorder=0)
    for (modality, choice), trace in rows.groupby(["modality", "choice"]):
        color = COLORS[str(modality)]
        axes.fill_between(trace["x"], trace["low"], trace["high"], color=color, alpha=0.2, lw=0)
        axes.plot(trace["x"], trace["y"], color=color, ls=STYLES[str(choice)], lw=0.9)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_title(rows["label"].iloc[0], fontsize=6, loc="left", pad=3, x=-0.12)


def _legend(figure: Figure, left: float, top: float) -> None:
    """Colors and line styles of the units, in one line above them; places in mm."""
    width, height = figure.get_size_inches() * 25.4
    handles: list[Artist] = [Line2D([], [], color=COLORS[m], lw=1.2, label=m) for m in UNIMODAL]
    handles += [Line2D([], [], color=INK, ls=STYLES[c], lw=0.9, label=f"{c} choice") for c in STYLES]
    handles.append(Patch(color=INK, alpha=0.2, lw=0, label="± SEM"))
    anchor = ((left + 7) / width, 1 - (top - 4.5) / height)
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=anchor, ncols=len(handles), columnspacing=1.2)
