"""Principal components of the activity of a rate network and of the spiking network it is mapped to.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Fig. S2.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.outputs import as_levels, output_groups
from rnnpipe.analysis.pca import group_means, principal_components, samples
from rnnpipe.analysis.recording import Recording
from rnnpipe.figures import Inputs
from rnnpipe.figures.analog import frame_points, group_color, network_title, shown_name
from rnnpipe.figures.motion import only
from rnnpipe.figures.published_units import LABEL
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings, setting

NEEDS = {
    "rate": "evaluation of the rate network with recorded activity",
    "spiking": "evaluation of the spiking network with recorded activity",
}
LETTERS = {"rate": "A", "spiking": "B"}
PLANES = ((1, 2), (1, 3))
"""Components of each plane."""
N_SHOWN = 3
N_VARIANCES = 10
"""Components whose variance is shown."""
PUBLISHED = 99.0
"""Variance that the first three components of either network hold in Fig. S2, %."""
KINDS = {"means": "means of targets", "trials": "single trials"}
COLORS = {"means": INK, "trials": "#e69f00"}
PATH, MOMENT = "path: ", "moment: "


class Options(Settings):
    """Settings of the figure."""

    start: float = setting(
        0.0, "time from which activity counts; most spiking units fire in the first milliseconds", "ms", ge=0
    )
    published: bool = setting(False, "draw the variance that Kim et al. (2019) state for Fig. S2")


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`.

    Axes are those of the mean activity of the trials of each target, whose paths are shown; the variance of single
    trials has principal components of its own.
    """
    parts = []
    for need, letter in LETTERS.items():
        recording = Recording(only(inputs, need))
        groups = output_groups(recording)
        late = recording.time >= options.start - 1e-6
        means = group_means(recording, as_levels(groups, len(recording.table)), n_groups=len(groups))[:, late]
        time = recording.time[late]
        of_means = principal_components([means.reshape(-1, means.shape[-1])])
        of_trials = principal_components(samples(recording, start=options.start))
        n = min(N_SHOWN, means.shape[-1])
        parts.append(points(letter, "title", label=network_title(recording)))
        for kind, found in (("means", of_means), ("trials", of_trials)):
            sums = 100 * np.cumsum(found.ratio)[:N_VARIANCES]
            label = f"{KINDS[kind]}: {n} PCs hold {sums[n - 1]:.1f} %"
            parts.append(
                points(
                    letter, f"variance {kind}", x=np.arange(1.0, len(sums) + 1), y=sums, label=label,
                    x_label="Principal components", y_label="Variance explained (%)",
                )
            )  # fmt: skip
        if options.published:
            words = f"{LABEL}: {PUBLISHED:g} % in {N_SHOWN} PCs"
            parts.append(points(letter, "paper", x=float(N_SHOWN), y=PUBLISHED, label=words))
        for group, mean in zip(groups, means, strict=True):
            position = of_means.project(mean, n)
            moments = _moments(recording, time)
            for i, j in PLANES:
                if max(i, j) > n:
                    continue
                x, y = position[:, i - 1], position[:, j - 1]
                labels = {"x_label": _axis(i, of_means.ratio), "y_label": _axis(j, of_means.ratio)}
                parts.append(points(letter, f"{PATH}{group.name} {i}{j}", lag=time, x=x, y=y, **labels))
                for name, k in moments.items():
                    parts.append(points(letter, f"{MOMENT}{name} {i}{j}", lag=float(time[k]), x=x[k], y=y[k]))
    return assemble(parts)


def _axis(i: int, ratio: np.ndarray) -> str:
    return f"PC{i} ({100 * ratio[i - 1]:.1f} % of the variance)"


def _moments(recording: Recording, time: np.ndarray) -> dict[str, int]:
    """Samples that are marked: the first one and the ends of the stimulus."""
    frame = pd.concat(frame_points("", recording))
    stimuli = frame[frame["series"].str.startswith("period ")]
    marked = {"start": 0}
    if len(stimuli):
        for name, when in (("stimulus on", stimuli["x"].min()), ("stimulus off", stimuli["y"].max())):
            if time[0] <= when <= time[-1]:
                marked[name] = int(np.abs(time - when).argmin())
    return marked


MARKERS = {"start": "o", "stimulus on": "^", "stimulus off": "s"}


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(132)
    for row, letter in enumerate(LETTERS.values()):
        bottom = 78 - 62 * row
        panel_letter(figure, letter, 1, 1 + 62 * row)
        for title in of(table, letter, "title")["label"]:
            figure.text(8 / 174, 1 - (1.5 + 62 * row) / 132, title.replace("\n", " "), va="top", ha="left")
        for column, (i, j) in enumerate(PLANES):
            _draw_plane(place(figure, 14 + 58 * column, bottom, 42, 42), of(table, letter), f"{i}{j}")
        _draw_variance(place(figure, 131, bottom, 40, 42), of(table, letter))
    names = [s.removeprefix(PATH)[:-3] for s in table["series"] if s.startswith(PATH)]
    handles = [Line2D([], [], color=group_color(n), label=shown_name(n)) for n in dict.fromkeys(names)]
    handles += [
        Line2D([], [], ls="", marker=marker, color=GREY, mec=INK, mew=0.5, label=name)
        for name, marker in MARKERS.items()
        if table["series"].str.startswith(MOMENT + name).any()
    ]
    for words in table["label"][table["series"] == "paper"].drop_duplicates():
        handles.append(Line2D([], [], ls="", marker="D", mfc="none", mec=GREY, mew=0.8, label=words))
    figure.legend(handles=handles, loc="lower center", ncols=6, bbox_to_anchor=(0.5, 0.003))
    return figure


def _draw_plane(axes: Axes, rows: pd.DataFrame, plane: str) -> None:
    paths = rows[rows["series"].str.startswith(PATH) & rows["series"].str.endswith(f" {plane}")]
    if paths.empty:
        note(axes, "too few units")
        return
    axes.axhline(0, color=FAINT, lw=0.5, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.5, zorder=0)
    for series, path in paths.groupby("series", sort=False):
        axes.plot(path["x"], path["y"], color=group_color(str(series).removeprefix(PATH)[:-3]), lw=0.9)
    for name, marker in MARKERS.items():
        moments = rows[rows["series"] == f"{MOMENT}{name} {plane}"]
        axes.plot(moments["x"], moments["y"], marker, color=GREY, mec=INK, mew=0.5, ms=3, zorder=4)
    axes.set(xlabel=paths["x_label"].iloc[0], ylabel=paths["y_label"].iloc[0])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))


def _draw_variance(axes: Axes, rows: pd.DataFrame) -> None:
    for i, kind in enumerate(KINDS):
        line = rows[rows["series"] == f"variance {kind}"]
        if line["y"].notna().any():
            axes.plot(line["x"], line["y"], "o-", color=COLORS[kind], lw=0.9, ms=2.6)
        axes.text(0.0, 1.12 - 0.09 * i, line["label"].iloc[0], transform=axes.transAxes, va="bottom", fontsize=6,
                  color=COLORS[kind] if kind == "means" else "#9a6a00")  # fmt: skip
    paper = rows[rows["series"] == "paper"]
    axes.plot(paper["x"], paper["y"], "D", ms=5, mfc="none", mec=GREY, mew=0.8, zorder=1)
    axes.set(xlabel=rows["x_label"][rows["series"] == "variance means"].iloc[0], ylabel="Variance explained (%)")
    axes.set(ylim=(0, 107), xlim=(0.5, N_VARIANCES + 0.5), xticks=range(1, N_VARIANCES + 1), yticks=range(0, 101, 20))
