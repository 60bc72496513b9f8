"""What figures of post-decision wagering share: panels against stimulus duration, and a row of aligned traces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.alignment import Aligned
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.wager import EVENTS, around
from rnnpipe.errors import ArtefactError
from rnnpipe.figures.reading import require_task
from rnnpipe.figures.source_data import of, points
from rnnpipe.figures.style import GREY, INK, coherence_colours, note, percent, place

TASK = "postdecisionwager"
DURATION = "Stimulus duration (ms)"
OFFER_STYLES = {"waived": ("-", None), "forced": ((0, (2.6, 1.3)), "white")}
"""Line and face of the marker of each kind of trial; no face is that of the line."""
OFFER_NAMES = {"waived": "Sure waived", "forced": "Sure not offered"}
TAKEN_STYLES = {"side": "-", "sure": (0, (2.6, 1.3))}
TAKEN_NAMES = {"side": "Left or right", "sure": "Sure"}
EVENT_NAMES = {"stimulus": "stimulus onset", "sure": "sure target", "choice": "choice"}

WIDTHS = [26.0, 16.5, 26.0, 29.5, 16.5]
"""Widths of the aligned panels, mm: one scale of time in all."""
BETWEEN, GROUPS = 2.6, 5.0
"""Space between panels, and between those without and those with the sure option, mm."""


def read_recording(path: Path) -> Recording:
    """Activity of a wager network; raises as `require_task`."""
    recording = Recording(path)
    require_task(recording.table, recording.path, TASK)
    return recording


def duration_points(panel: str, series: str, bins: pd.DataFrame, value: str, y_label: str) -> pd.DataFrame:
    """Rows of bins that `rnnpipe.analysis.durations` gives, `value` being the column of what is shown."""
    return points(
        panel,
        series,
        coherence=bins["coherence"].to_numpy(float),
        x=bins["duration"].to_numpy(float),
        y=bins[value].to_numpy(float),
        low=bins["low"].to_numpy(float),
        high=bins["high"].to_numpy(float),
        n=bins["n"].to_numpy(float),
        x_label=DURATION,
        y_label=y_label,
    )


def draw_durations(axes: Axes, rows: pd.DataFrame, levels: Iterable[float], empty: str) -> None:
    """Draw series of bins, color by coherence; a series "forced" is dashed with open points."""
    axes.set(xlabel=DURATION, xlim=(80, 700), xticks=range(100, 701, 200))
    if rows.empty:
        note(axes, empty)
        return
    colours = coherence_colours(list(levels))
    for (series, coherence), line in rows.groupby(["series", "coherence"], sort=True):
        style, face = OFFER_STYLES.get(series, OFFER_STYLES["waived"])
        color = colours[coherence]
        axes.vlines(line["x"], line["low"], line["high"], color=color, lw=0.5, alpha=0.6)
        axes.plot(line["x"], line["y"], ls=style, lw=0.8, color=color)
        axes.plot(line["x"], line["y"], "o", color=color, ms=2.4, mfc=face or color, mew=0.6)
    axes.set_ylabel(rows["y_label"].iloc[0])
    if rows["x"].max() > 700:  # beyond the published axis
        axes.set(xlim=(80, 900), xticks=range(100, 901, 200))


Sort = Callable[[Aligned, pd.DataFrame], pd.DataFrame]


def aligned_points(
    panel: str, recording: Recording, name: str, unit: int | None, sort: Sort, y_label: str
) -> list[pd.DataFrame]:
    """Rows of the five published alignments of a unit or of the value, sorted by `sort`."""
    parts = []
    for wager, event, window in EVENTS:
        traces = sort(*around(recording, name, wager, event, window, unit))
        columns = {k: traces[k].to_numpy(object) for k in ("evidence",) if k in traces}
        if "coherence" in traces:
            columns["coherence"] = traces["coherence"].to_numpy(float)
        parts.append(
            points(
                panel,
                series_name(wager, event),
                choice=traces["taken"].to_numpy(object),
                x=traces["lag"].to_numpy(float),
                y=traces["mean"].to_numpy(float),
                low=(traces["mean"] - traces["sem"]).to_numpy(float),
                high=(traces["mean"] + traces["sem"]).to_numpy(float),
                n=traces["n"].to_numpy(float),
                x_label=f"Time from\n{EVENT_NAMES[event]} (ms)",
                y_label=y_label,
                **columns,
            )
        )
    return parts


def series_name(wager: bool, event: str) -> str:
    """Name of the series of an aligned panel."""
    return f"{'offered' if wager else 'not offered'}, {event}"


def draw_aligned(
    figure: Figure, table: pd.DataFrame, panel: str, left: float, bottom: float, height: float,
    by: str, colors: Mapping[Any, Any], empty: str, least: float | None = None,
) -> list[Axes]:  # fmt: skip
    """Draw the five alignments side by side with one scale of y; color by the column `by`.

    Args:
        figure: The figure.
        table: Its table.
        panel: Letter of the panel.
        left: Left edge of the first panel, mm.
        bottom: Lower edge, mm.
        height: Height, mm.
        by: Column that gives the color.
        colors: Color of each of its values.
        empty: What to say where there is nothing at all.
        least: Lower end of the y axis; by default from the data.
    """
    rows = of(table, panel)
    rows = rows[rows["x_label"] != ""]
    figure_height = figure.get_size_inches()[1] * 25.4
    drawn: list[Axes] = []
    starts: dict[bool, tuple[float, float]] = {}
    for (wager, event, window), width in zip(EVENTS, WIDTHS, strict=True):
        if wager and not starts.get(True):
            left += GROUPS - BETWEEN
        axes = place(figure, left, bottom, width, height)
        starts[wager] = starts.get(wager, (left, left))[0], left + width
        lines = rows[rows["series"] == series_name(wager, event)]
        axes.set(xlim=window, xticks=(-400, -200, 0) if event == "choice" else (0, 300, 600))
        axes.axvline(0, color=GREY, lw=0.5, zorder=0)
        if lines.empty and len(rows):
            note(axes, "too few\ntrials")
        for (value, taken), line in lines.groupby([by, "choice"], sort=True) if len(lines) else ():
            axes.fill_between(line["x"], line["low"], line["high"], color=colors[value], alpha=0.18, lw=0)
            axes.plot(line["x"], line["y"], color=colors[value], ls=TAKEN_STYLES[taken], lw=0.9)
        axes.set_xlabel(f"Time from\n{EVENT_NAMES[event]} (ms)")
        if drawn:
            axes.spines["left"].set_visible(False)
            axes.set_yticks([])
        drawn.append(axes)
        left += width + BETWEEN
    if len(rows):
        low, high = float(rows["low"].fillna(rows["y"]).min()), float(rows["high"].fillna(rows["y"]).max())
        margin = 0.04 * max(high - low, 0.05)
        for axes in drawn:
            axes.set_ylim(low - margin if least is None else least, high + margin)
        drawn[0].set_ylabel(rows["y_label"].iloc[0])
    else:
        note(drawn[2], empty)
    drawn[0].yaxis.set_major_locator(MaxNLocator(5) if len(rows) else MaxNLocator(1))
    for wager, title in ((False, "Sure option not offered"), (True, "Sure option offered")):
        start, end = starts[wager]
        y = (bottom + height + 1.2) / figure_height
        width = figure.get_size_inches()[0] * 25.4
        figure.text((start + end) / 2 / width, y, title, ha="center", va="bottom")
        figure.add_artist(Line2D([start / width, end / width], [y - 0.5 / figure_height] * 2, color=GREY, lw=0.5))
    return drawn


def side_legend(axes: Axes, handles: list[Line2D], title: str | None, anchor: tuple[float, float]) -> None:
    """A legend beside the axes; its upper left corner is at `anchor`, in units of the axes."""
    if handles:
        axes.add_artist(
            axes.legend(
                handles=handles, title=title, loc="upper left", bbox_to_anchor=anchor, borderaxespad=0.0,
                alignment="left",
            )
        )  # fmt: skip


def coherence_handles(levels: Iterable[float]) -> list[Line2D]:
    """Handles of the coherences, the strongest first."""
    colours = coherence_colours(list(levels))
    return [Line2D([], [], color=colours[c], label=percent(c)) for c in sorted(colours, reverse=True)]


def offer_handles() -> list[Line2D]:
    """Handles of the two kinds of trials with a left or right choice."""
    return [
        Line2D([], [], color=INK, ls=style, lw=0.8, marker="o", ms=2.4, mew=0.6, mfc=face or INK, label=OFFER_NAMES[o])
        for o, (style, face) in OFFER_STYLES.items()
    ]


def taken_handles(color: str = INK) -> list[Line2D]:
    """Handles of what was taken."""
    return [Line2D([], [], color=color, ls=style, lw=0.9, label=TAKEN_NAMES[t]) for t, style in TAKEN_STYLES.items()]


def require_rates(recording: Recording, name: str) -> None:
    """Check that the units of that network were recorded.

    Raises:
        ArtefactError: They were not; a linear value readout has no units.
    """
    try:
        recording.n_units(name)
    except ArtefactError:
        raise ArtefactError(
            f"{recording.path}: has no {name}; a linear value network has no units, show those of the policy network."
        ) from None
