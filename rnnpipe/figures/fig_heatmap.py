"""Activity of every unit of a rate network and of the spiking network it is mapped to, and firing rates by type.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Fig. S1.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from rnnpipe.analysis.outputs import (
    TYPES,
    as_levels,
    binned,
    is_spiking,
    output_groups,
    unit_order,
    unit_rates,
    window_start,
)  # fmt: skip
from rnnpipe.analysis.pca import group_means
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError
from rnnpipe.figures import Inputs
from rnnpipe.figures.analog import (
    STIMULUS,
    TIME,
    TYPE_COLORS,
    frame_points,
    network_title,
    shown_name,
    type_handles,
    type_name,
)
from rnnpipe.figures.motion import only
from rnnpipe.figures.published_units import INHIBITORY_MODE, LABEL, LOWEST_BIN
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.io.evaluation import read_units
from rnnpipe.settings import Settings, setting

NEEDS = {
    "rate": "evaluation of the rate network with recorded activity",
    "spiking": "evaluation of the spiking network on the same trials, with recorded activity",
}
COLORS = "viridis"
BIN = "Units of the type (%)"


class Options(Settings):
    """Settings of the figure."""

    bin_width: float = setting(20.0, "width of the time bins of the heat maps", "ms", gt=0)
    rate_bin: float = setting(2.0, "width of the bins of firing rates", "Hz", gt=0)
    published: bool = setting(False, "draw the numbers of Kim et al. (2019), Fig. S1, behind")


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`; `value` is a unit's activity in a bin.

    Activities are means over the trials of a target, divided by the largest of all units, bins and targets of the
    network. Units are sorted by type and by the rate network's activity in the trials of the highest target, in the
    window in which its output counts.
    """
    rate, spiking = Recording(only(inputs, "rate")), Recording(only(inputs, "spiking"))
    kinds = read_units(rate.path)["type"].to_numpy()
    for one, expected in ((rate, False), (spiking, True)):
        if is_spiking(one) != expected:
            kind = "spiking" if expected else "rate"
            raise ArtefactError(
                f"{one.path}: is no evaluation of a {kind} network; give the needs the other way round."
            )
    if (theirs := spiking.n_units()) != len(kinds):
        raise ArtefactError(
            f"{spiking.path}: has {theirs} units, the rate network {len(kinds)}; evaluate the same network twice."
        )
    parts, order = [], np.arange(len(kinds))
    for row, one in (("rate", rate), ("spiking", spiking)):
        groups = output_groups(one)
        means = group_means(one, as_levels(groups, len(one.table)), n_groups=len(groups))
        if row == "rate":
            order = unit_order(kinds, means[0][one.time >= window_start(one)].mean(axis=0))
        maps = [binned(mean, one.time, options.bin_width) for mean in means]
        largest = float(max(values.max() for _, values in maps)) or 1.0
        unit = "Hz" if row == "spiking" else ""
        label = f"{network_title(one)}; 1 is {largest:.3g} {unit}".strip()
        for group, (time, values) in zip(groups, maps, strict=True):
            panel = f"{row}: {group.name}"
            n_bins = len(time)
            parts.append(
                points(
                    panel,
                    "heat",
                    unit=np.repeat(order, n_bins),
                    value=(values[:, order].T / largest).ravel(),
                    x=np.tile(time, len(order)),
                    y=np.repeat(np.arange(len(order)), n_bins).astype(float),
                )
            )
            title = f"{shown_name(group.name)}, {len(group.trials)} trials\n{label}"
            parts.append(points(panel, "title", x=float(one.time[-1]), label=title, x_label=TIME))
            parts += [p for p in frame_points(panel, one) if p["series"].iloc[0].startswith(STIMULUS)]
    for y, kind in enumerate(kinds[order]):
        parts.append(
            points("types", "type", unit=int(order[y]), y=float(y), n=float(kind), label=type_name(rate, int(kind)))
        )
    return assemble([*parts, *_distributions(spiking, kinds, options)])


def _distributions(recording: Recording, kinds: np.ndarray, options: Options) -> list[pd.DataFrame]:
    rates, width, parts = unit_rates(recording), options.rate_bin, []
    for group in output_groups(recording):
        panel = f"rates: {group.name}"
        mean = rates[group.trials].mean(axis=0)
        edges = width * np.arange(int(mean.max() // width) + 2)
        for kind in TYPES:
            values = mean[kinds == kind]
            if not len(values):
                continue
            counts, _ = np.histogram(values, edges)
            label = f"{values.mean():.1f} ± {values.std(ddof=1) if len(values) > 1 else 0:.1f} Hz"
            parts.append(
                points(
                    panel, f"type {kind}", x=edges[:-1] + width / 2, y=100 * counts / len(values), low=edges[:-1],
                    high=edges[1:], n=counts.astype(float), label=label, x_label="Firing rate (Hz)", y_label=BIN,
                )
            )  # fmt: skip
        if options.published and group.name in INHIBITORY_MODE:
            lowest = f"{LABEL}: excitatory units below 2 Hz"
            parts.append(points(panel, "paper 1", x=0.0, y=100 * LOWEST_BIN, high=2.0, label=lowest))
            mode = f"{LABEL}: most frequent rate of inhibitory units"
            parts.append(points(panel, "paper -1", x=INHIBITORY_MODE[group.name], label=mode))
    return parts


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(180)
    groups = [p.removeprefix("rate: ") for p in table["panel"].drop_duplicates() if p.startswith("rate: ")]
    kinds = of(table, "types").sort_values("y")["n"].to_numpy(int)
    panel_letter(figure, "A", 1, 1)
    panel_letter(figure, "B", 1, 121)
    image: AxesImage | None = None
    for column, group in enumerate(groups):
        left = 15 + 74 * column
        for row, name in enumerate(("rate", "spiking")):
            axes = place(figure, left, 128 - 57 * row, 62, 42)
            image = _draw_heat(axes, table, f"{name}: {group}") or image
            strip = place(figure, left - 2, 128 - 57 * row, 1.5, 42)
            _draw_types(strip, kinds)
            strip.set_ylabel("Unit (sorted)" if column == 0 else "")
        axes = place(figure, left, 14, 62, 37)
        _draw_rates(axes, table, f"rates: {group}")
    if image is not None:
        bar = figure.colorbar(image, cax=place(figure, 15 + 74 * len(groups) - 8, 71, 2, 42))
        bar.set_label("Activity (fraction of the largest)")
        bar.outline.set_linewidth(0.6)
    handles = type_handles(dict(zip(kinds.tolist(), of(table, "types").sort_values("y")["label"], strict=True)))
    for series, style in (("paper 1", "-"), ("paper -1", ":")):
        for label in table["label"][table["series"] == series].drop_duplicates():
            color = TYPE_COLORS[int(series.split()[1])]
            handles.append(Line2D([], [], color=color, ls=style, lw=0.9, alpha=0.55, label=label))
    figure.legend(handles=handles, loc="lower center", ncols=4, bbox_to_anchor=(0.5, 0.003), columnspacing=1.2)
    return figure


def _draw_heat(axes: Axes, table: pd.DataFrame, panel: str) -> AxesImage | None:
    heat, title = of(table, panel, "heat"), of(table, panel, "title")
    if heat.empty:
        note(axes, "no trials")
        return None
    grid = heat.assign(value=heat["value"].astype(float)).pivot(index="y", columns="x", values="value").to_numpy()
    end = float(title["x"].iloc[0])
    extent = (0.0, end, -0.5, len(grid) - 0.5)
    image = axes.imshow(
        grid, aspect="auto", origin="lower", extent=extent, cmap=COLORS, vmin=0, vmax=1, interpolation="nearest"
    )
    rows = of(table, panel)
    for period in rows[rows["series"].str.startswith(STIMULUS)].itertuples():
        for edge in (period.x, period.y):
            axes.axvline(edge, color="white", lw=0.7, ls=(0, (3, 2)))
    axes.set(xlabel=TIME, yticks=[], title=title["label"].iloc[0])
    axes.xaxis.labelpad = 1
    axes.title.set(fontsize=6, linespacing=1.3)
    return image


def _draw_types(axes: Axes, kinds: np.ndarray) -> None:
    """A strip of the types of the units beside a heat map."""
    for y, kind in enumerate(kinds):
        axes.axhspan(y - 0.5, y + 0.5, color=TYPE_COLORS[int(kind)], lw=0)
    axes.set(ylim=(-0.5, len(kinds) - 0.5), xticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)


def _draw_rates(axes: Axes, table: pd.DataFrame, panel: str) -> None:
    rows = of(table, panel)
    shown = [kind for kind in TYPES if (rows["series"] == f"type {kind}").any()]
    for i, kind in enumerate(shown):
        bars = rows[rows["series"] == f"type {kind}"]
        width = (bars["high"] - bars["low"]) * 0.9 / len(shown)
        x = bars["low"] + (bars["high"] - bars["low"]) * 0.05 + width * (i + 0.5)
        axes.bar(x, bars["y"], width=width, color=TYPE_COLORS[kind], lw=0)
        axes.text(0.99, 0.97 - 0.1 * i, bars["label"].iloc[0], transform=axes.transAxes, ha="right", va="top",
                  color=TYPE_COLORS[kind])  # fmt: skip
    for row in rows[rows["series"] == "paper 1"].itertuples():
        axes.plot([row.x, row.high], [row.y, row.y], color=TYPE_COLORS[1], lw=0.9, alpha=0.55)
    for row in rows[rows["series"] == "paper -1"].itertuples():
        axes.axvline(row.x, color=TYPE_COLORS[-1], lw=0.9, ls=":", zorder=0)
    name = panel.removeprefix("rates: ")
    axes.set(xlabel="Firing rate (Hz)", ylabel=BIN, xlim=(0, None), ylim=(0, None))
    axes.set_title(f"Firing rates, {shown_name(name)} (mean ± SD over units)", fontsize=6, pad=3, color=INK)
    axes.tick_params(color=GREY)
