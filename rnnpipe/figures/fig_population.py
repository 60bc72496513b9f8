"""What the units of a network do: how much they take part, what they are selective for, and clusters of responses.

A: participation, SD + 90 % quantile of the rate. B: share of the variance of a unit's mean rate (in the decision
period, where there is one) that lies between the levels of each factor of the task. C: mean weights between the
clusters of D, if the network is given. D: mean responses of clusters of units whose responses have the same shape.

Reference: engellab/trainRNNbrain.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from rnnpipe.analysis.population import SELECTIVE, Population, population, selectivity
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.unit_groups import (
    N_EXCITATORY,
    N_INHIBITORY,
    cluster_connections,
    cluster_means,
    condition_means,
    functional_clusters,
)
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import Inputs
from rnnpipe.figures.motion import only
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.io.evaluation import read_activity, read_units
from rnnpipe.settings import Settings, setting, suggest

NEEDS = {"activity": "evaluation of the network with recorded activity, without noise for published definitions"}
OPTIONAL = {"network": "the network (.pth), for the weights between clusters"}
N_BINS = 40
"""Bins of time of the responses."""
MAX_LEVELS = 15
"""Levels of a factor whose responses are drawn."""
QUANTILE = 0.2
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", GREY)
"""Of the factors."""
RATE = "Firing rate (a.u.)"


class Options(Settings):
    """Settings of the figure."""

    factor: str | None = setting(
        None, "factor of the task whose levels sort the responses; by default the one that units are most selective for"
    )
    n_clusters: int = setting(N_EXCITATORY, "clusters of (excitatory) units", ge=1, le=12)
    n_inhibitory_clusters: int = setting(N_INHIBITORY, "clusters of inhibitory units", ge=1, le=6)
    seed: int = setting(0, "of the starts of the clustering", ge=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`.

    C: x from, y to, `low` the mean weight. D: one series a cluster, `choice` the level of the factor.
    """
    recording = Recording(only(inputs, "activity"))
    rates = read_activity(recording.path, "policy_rates")["policy_rates"]
    found = population(rates)
    factors = {name: recording.table[name].to_numpy() for name in recording.task.factors if name in recording.table}
    eta = _selectivity(recording, found, factors)
    labels, inhibitory = _clusters(recording, rates, factors, options)
    parts = [*_participation(found), *_selective(eta, found)]
    parts += _responses(recording, rates, labels, inhibitory, factors, _factor(options.factor, eta, factors))
    if "network" in inputs:
        parts += _connections(inputs, labels, inhibitory)
    return assemble(parts)


def _selectivity(
    recording: Recording, found: Population, factors: dict[str, NDArray[Any]]
) -> dict[str, NDArray[np.float64]]:
    """Eta^2 of the active units by factor."""
    period = "decision" if "decision_on" in recording.table else None
    start, stop = (recording.table[f"{period}_{edge}"] if period else at for edge, at in (("on", 0.0), ("off", np.inf)))
    means = recording.trial_means("policy_rates", start, stop)
    return selectivity(means[:, ~found.silent], factors)


def _clusters(
    recording: Recording, rates: NDArray[Any], factors: dict[str, NDArray[Any]], options: Options
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Cluster of each unit, and which units are inhibitory; conditions are combinations of the factors, or trials."""
    condition = np.arange(rates.shape[1])
    if factors:
        condition = pd.DataFrame(factors).groupby(list(factors), sort=True).ngroup().to_numpy()
    try:
        inhibitory = read_units(recording.path)["type"].to_numpy() < 0
    except ArtefactError:  # the network has no types
        inhibitory = np.zeros(rates.shape[2], bool)
    responses = condition_means(rates, condition, N_BINS)
    n = options.n_clusters, options.n_inhibitory_clusters
    return functional_clusters(responses, inhibitory, *n, seed=options.seed), inhibitory


def _participation(found: Population) -> list[pd.DataFrame]:
    p = found.participation
    counts, edges = np.histogram(p, bins=min(30, max(5, len(p) // 4)))
    words = (
        f"{100 * found.silent.mean():.0f} % truly silent, {100 * found.scale_free_silent.mean():.0f} % on the network's"
        f" scale\nparticipation ratio {found.participation_ratio:.2f}; energy {found.energy:.3g}, HHI"
        f" {found.concentration:.2g}\nSD of log10 mean rate {found.sigma_log:.2f}; CV in time {found.cv:.2f}; p90 /"
        f" median {found.p90_over_median:.2f}"
    )
    label = {"x_label": "Participation (a.u.)", "y_label": "Units"}
    return [
        points("A", "histogram", x=edges[:-1], y=counts.astype(float), low=edges[:-1], high=edges[1:], **label),
        points("A", "quantile", x=float(np.quantile(p, QUANTILE)), label=f"{100 * QUANTILE:.0f} % quantile"),
        points("A", "summary", n=float(len(p)), label=words),
    ]


def _selective(eta: dict[str, NDArray[np.float64]], found: Population) -> list[pd.DataFrame]:
    n = int((~found.silent).sum())
    parts = [points("B", "threshold", y=SELECTIVE, n=float(n), label=f"selective above {SELECTIVE:g}")]
    for name, values in eta.items():
        sorted_eta = np.sort(values[np.isfinite(values)])[::-1]
        part = 100 * float((sorted_eta > SELECTIVE).sum()) / n if n else np.nan
        parts.append(
            points(
                "B", f"factor {name}", x=np.arange(1.0, len(sorted_eta) + 1), y=sorted_eta, choice=name,
                label=f"{name.replace('_', ' ')}: {part:.0f} % selective",
                x_label="Active units, sorted", y_label=r"Selectivity $\eta^2$",
            )
        )  # fmt: skip
    return parts


def _factor(asked: str | None, eta: dict[str, NDArray[np.float64]], factors: dict[str, NDArray[Any]]) -> str | None:
    """The factor that sorts responses.

    Raises:
        SettingsError: The task has no such factor.
    """
    if asked is not None:
        if asked not in factors:
            raise SettingsError(f"settings of the figure: unknown factor {asked!r} ({suggest(asked, factors)}).")
        return asked
    few = {name: float(np.nanmean(v)) for name, v in eta.items()
           if len(np.unique(factors[name])) <= MAX_LEVELS and np.isfinite(v).any()}  # fmt: skip
    return max(few, key=lambda name: few[name]) if few else None


def _responses(
    recording: Recording,
    rates: NDArray[Any],
    labels: NDArray[np.int64],
    inhibitory: NDArray[np.bool_],
    factors: dict[str, NDArray[Any]],
    factor: str | None,
) -> list[pd.DataFrame]:
    """Mean response of each cluster to each level of the factor."""
    values = factors[factor] if factor else np.zeros(rates.shape[1])
    levels, condition = np.unique(values, return_inverse=True)
    means = cluster_means(condition_means(rates, condition, len(recording.time)), labels)
    parts = [points("D", "factor", label=factor.replace("_", " ") if factor else "")]
    for c, responses in enumerate(means):
        members = labels == c
        kind = "I" if inhibitory[members].all() else "E" if inhibitory.any() else ""
        words = f"{_name(c, kind)}: {members.sum()} unit{'s' if members.sum() > 1 else ''}"
        parts.append(points("D", f"title {c}", n=float(members.sum()), choice=kind, label=words))
        for level, response in zip(levels, responses, strict=True):
            about = {"choice": str(level), "x_label": "Time from trial start (ms)", "y_label": RATE}
            parts.append(points("D", f"cluster {c}", x=recording.time, y=response, **about))
    return parts


def _name(cluster: int, kind: str) -> str:
    return f"{kind or 'cluster '}{cluster + 1}"


def _connections(inputs: Inputs, labels: NDArray[np.int64], inhibitory: NDArray[np.bool_]) -> list[pd.DataFrame]:
    from rnnpipe.io.ctrnn import read_ctrnn  # it imports torch, which drawing needs not

    path = only(inputs, "network")
    w = read_ctrnn(path).network.w_rec
    if len(w) != len(labels):
        raise ArtefactError(f"{path}: has {len(w)} units, the evaluation {len(labels)}; give the evaluated network.")
    mean = cluster_connections(w, labels)
    to, sender = (np.ravel(v) for v in np.indices(mean.shape))
    kinds = ["I" if inhibitory[labels == c].all() else "E" if inhibitory.any() else "" for c in range(len(mean))]
    names = [_name(c, kind) for c, kind in enumerate(kinds)]
    about = {"x_label": "From cluster", "y_label": "To cluster", "label": "Mean weight"}
    return [
        points("C", "tick", x=np.arange(len(names)), label=np.array(names, object)),
        points("C", "weight", x=sender.astype(float), y=to.astype(float), low=mean.ravel(), **about),
    ]


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    titles = [s for s in dict.fromkeys(table["series"]) if s.startswith("title ")]
    connected = len(of(table, "C")) > 0
    columns = 4
    lines = max(1, -(-len(titles) // columns))
    height = 62 + 30 * lines + 12
    figure = new_figure(height)
    panel_letter(figure, "A", 1, 2)
    _draw_participation(place(figure, 13, height - 54, 42, 34), table)
    panel_letter(figure, "B", 62, 2)
    _draw_selectivity(place(figure, 74, height - 54, 42, 34), of(table, "B"))
    if connected:
        panel_letter(figure, "C", 119, 2)
        _draw_connections(figure, of(table, "C"), height)
    panel_letter(figure, "D", 1, 63)
    rows = of(table, "D")
    factor = of(table, "D", "factor")["label"].iloc[0]
    drawn = rows[rows["series"].str.startswith("cluster ")]
    levels = sorted(dict.fromkeys(drawn["choice"]), key=_sort_key)
    shades = {level: mpl.colormaps["viridis"](0.86 * i / max(len(levels) - 1, 1)) for i, level in enumerate(levels)}
    if not titles:
        note(place(figure, 13, 14, 150, 24), "no unit varies")
    for i, title in enumerate(titles):
        line, column = divmod(i, columns)
        axes = place(figure, 11 + 41 * column, height - 62 - 30 * (line + 1) + 6.5, 33, 18)
        for level in levels:
            series = title.replace("title", "cluster")
            curve = drawn[(drawn["series"] == series) & (drawn["choice"] == level)]
            axes.plot(curve["x"], curve["y"], color=shades[level] if len(levels) > 1 else INK, lw=0.7)
        axes.set_title(of(table, "D", title)["label"].iloc[0], pad=2, fontsize=6)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.ticklabel_format(axis="y", scilimits=(-2, 4), useMathText=True)  # wide labels would reach the neighbour
        axes.yaxis.get_offset_text().set_fontsize(5)
        last = i + columns >= len(titles)
        axes.set(xlabel=curve["x_label"].iloc[0] if last else "", ylabel=RATE if column == 0 else "",
                 xlim=(curve["x"].min(), curve["x"].max()))  # fmt: skip
        axes.tick_params(labelbottom=last)
    if len(levels) > 1:
        handles = [Line2D([], [], color=shades[level], label=_shown(level)) for level in levels]
        legend = figure.legend(handles=handles, loc="lower center", ncols=min(len(handles), 15), title=factor,
                               columnspacing=1.0, bbox_to_anchor=(0.5, 0.3 / height))  # fmt: skip
        legend.get_title().set_color(GREY)
    return figure


def _sort_key(level: str) -> tuple[float, str]:
    try:
        return float(level), ""
    except ValueError:
        return 0.0, level


def _shown(level: str) -> str:
    try:
        return f"{float(level):.3g}".replace("-", "\N{MINUS SIGN}")
    except ValueError:
        return level


def _draw_participation(axes: Axes, table: pd.DataFrame) -> None:
    bars, quantile = of(table, "A", "histogram"), of(table, "A", "quantile").iloc[0]
    axes.bar(bars["low"], bars["y"], bars["high"] - bars["low"], align="edge", color="#7a9cc6", lw=0)
    axes.axvline(quantile["x"], color=INK, lw=0.7, ls=(0, (3, 2)))
    axes.text(
        quantile["x"], 0.99, f" {quantile['label']}", transform=axes.get_xaxis_transform(), va="top", fontsize=5.5
    )
    axes.set(xlabel=bars["x_label"].iloc[0], ylabel=bars["y_label"].iloc[0])
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_ylim(top=1.18 * max(bars["y"].max(), 1))
    words = of(table, "A", "summary")["label"].iloc[0]
    axes.text(-0.22, 1.38, words, transform=axes.transAxes, va="top", fontsize=5, color=GREY, linespacing=1.3)


def _draw_selectivity(axes: Axes, rows: pd.DataFrame) -> None:
    lines = rows[rows["series"].str.startswith("factor ")]
    threshold = rows[rows["series"] == "threshold"].iloc[0]
    axes.axhline(threshold["y"], color=FAINT, lw=0.8, ls=(0, (3, 2)), zorder=0)
    if lines.empty:
        axes.set(xticks=[], yticks=[])
        note(axes, "the task has no factors")
        return
    for k, (_, line) in enumerate(lines.groupby("series", sort=False)):
        axes.plot(line["x"], line["y"], color=COLORS[k % len(COLORS)], lw=0.9, label=line["label"].iloc[0])
    axes.set(xlabel=lines["x_label"].iloc[0], ylabel=lines["y_label"].iloc[0], ylim=(0, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.01), fontsize=5.5)


def _draw_connections(figure: Figure, rows: pd.DataFrame, height: float) -> None:
    axes = place(figure, 128, height - 54, 30, 30)
    ticks, cells = rows[rows["series"] == "tick"], rows[rows["series"] == "weight"]
    n = len(ticks)
    grid = np.full((n, n), np.nan)
    grid[cells["y"].astype(int), cells["x"].astype(int)] = cells["low"]
    most = float(np.nanmax(np.abs(grid))) if np.isfinite(grid).any() else 1.0
    mesh = axes.pcolormesh(grid, cmap="RdBu_r", vmin=-most, vmax=most)
    names = [str(label).removeprefix("cluster ") for label in ticks["label"]]
    axes.set_xticks(np.arange(n) + 0.5, names, rotation=90)
    axes.set_yticks(np.arange(n) + 0.5, names)
    axes.set(xlabel=cells["x_label"].iloc[0], ylabel=cells["y_label"].iloc[0], ylim=(n, 0))
    bar = figure.colorbar(mesh, cax=place(figure, 160, height - 54, 1.8, 30))
    bar.outline.set_linewidth(0.4)
    bar.set_label(cells["label"].iloc[0], labelpad=0)
    bar.ax.yaxis.set_major_locator(MaxNLocator(3))
