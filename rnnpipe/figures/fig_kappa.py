"""Risk-sensitive learning in gambling: choices of networks trained with different kappa.

Reference: Mihatsch & Neuneier (2002) Machine Learning 49:267, for the learning rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rnnpipe.analysis.risk import (
    LOG_EV,
    LOG_P,
    N_CELLS,
    choice_map,
    gamble_task,
    gambles,
    higher_value_choices,
    over_networks,
    regression,
    risky_choices,
)
from rnnpipe.figures import Inputs
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, GREY, INK, new_figure, note, panel_letter, place, styled
from rnnpipe.io.evaluation import read_table
from rnnpipe.settings import Settings, setting

NEEDS = {"behaviour": "evaluation of each network on many trials; networks may differ in kappa"}
X_LABEL = "κ (> 0: risk-averse)"
P_LABEL, EV_LABEL = "log (p$_R$ / p$_L$)", "log (EV$_R$ / EV$_L$)"
MEASURES = {
    "B": "Riskier option at equal\nexpected value (%)",
    "C": "Option of higher\nexpected value (%)",
    "D": f"Weight of {P_LABEL}",
}
COLORS = "PuOr"
HEIGHT = 104.0


class Options(Settings):
    """Settings of the figure."""

    n_cells: int = setting(N_CELLS, "cells of the maps along each axis", ge=1)


@dataclass(frozen=True)
class _Network:
    kappa: float
    seed: float
    trials: pd.DataFrame


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    networks = [_read(path) for path in inputs["behaviour"]]
    kappas = sorted({network.kappa for network in networks})
    shown = sorted({kappas[0], min(kappas, key=abs), kappas[-1]})  # strongest of both signs, and none
    parts: list[pd.DataFrame] = []
    for i, kappa in enumerate(shown):
        parts += _map(f"A{i + 1}", kappa, [n for n in networks if n.kappa == kappa], options.n_cells)
    for kappa in kappas:
        parts += _measures(kappa, [n for n in networks if n.kappa == kappa])
    return assemble(parts)


def _read(path: Path) -> _Network:
    table = read_table(path)
    gamble_task(table, path)
    kappa = table.attrs.get("settings", {}).get("learning", {}).get("kappa", 0.0)
    return _Network(float(kappa), float(table.attrs.get("seed", np.nan)), gambles(table, path))


def _map(panel: str, kappa: float, networks: list[_Network], n_cells: int) -> Iterator[pd.DataFrame]:
    cells = choice_map(pd.concat([network.trials for network in networks]), n_cells)
    yield points(
        panel,
        "right choices",
        x=cells["log_p"].to_numpy(float),
        y=cells["log_ev"].to_numpy(float),
        n=cells["n"].to_numpy(float),
        p=cells["p"].to_numpy(float),
        x_label=P_LABEL,
        y_label=EV_LABEL,
    )
    count = "1 network" if len(networks) == 1 else f"{len(networks)} networks"
    yield points(panel, "title", x=kappa, label=f"κ = {kappa:g}, {count}".replace("-", "\N{MINUS SIGN}"))


def _measures(kappa: float, networks: list[_Network]) -> Iterator[pd.DataFrame]:
    rates = {
        "B": [risky_choices(network.trials) for network in networks],
        "C": [higher_value_choices(network.trials) for network in networks],
    }
    found: dict[str, list[tuple[float, float, float, float]]] = {
        panel: [(100 * r.p, 100 * r.low, 100 * r.high, float(r.n)) for r in values] for panel, values in rates.items()
    }
    fits = [regression(network.trials) for network in networks]
    found["D"] = [
        (f.weight["log_p"], f.low["log_p"], f.high["log_p"], float(len(network.trials)))
        for f, network in zip(fits, networks, strict=True)
    ]
    for panel, values in found.items():
        labels = {"x_label": X_LABEL, "y_label": MEASURES[panel]}
        for network, (y, low, high, n) in zip(networks, values, strict=True):
            yield points(panel, "network", x=kappa, y=y, low=low, high=high, n=n, seed=network.seed, **labels)
        y, low, high = over_networks([value[0] for value in values])
        if panel == "D" and np.isnan(y):
            yield points(panel, "no weights", x=kappa, label=fits[0].problem)
        yield points(panel, "mean", x=kappa, y=y, low=low, high=high, n=float(len(networks)), **labels)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(HEIGHT)
    panel_letter(figure, "A", 1, 1)
    panels = [panel for panel in ("A1", "A2", "A3") if len(of(table, panel))]
    for i, panel in enumerate(panels):
        _draw_map(place(figure, 13 + 48 * i, 59, 40, 38), table, panel, first=i == 0)
    bar = place(figure, 13 + 48 * len(panels) - 3, 59, 2.5, 38)
    scale = ScalarMappable(Normalize(0, 100), mpl.colormaps[COLORS])
    figure.colorbar(scale, cax=bar, ticks=[0, 50, 100]).set_label("Choices of right (%)")
    for i, panel in enumerate(MEASURES):
        panel_letter(figure, panel, 1 + 58 * i, HEIGHT - 52)
        _draw_measure(place(figure, 16 + 58 * i, 10, 39, 36), table, panel)
    return figure


def _draw_map(axes: Axes, table: pd.DataFrame, panel: str, first: bool) -> None:
    cells = of(table, panel, "right choices")
    n = round(len(cells) ** 0.5)
    p = pd.to_numeric(cells["p"]).to_numpy(float).reshape(n, n)
    axes.set_facecolor(FAINT)
    x, y = np.linspace(-LOG_P, LOG_P, n + 1), np.linspace(-LOG_EV, LOG_EV, n + 1)
    axes.pcolormesh(x, y, np.ma.masked_invalid(100 * p), cmap=mpl.colormaps[COLORS], vmin=0, vmax=100)
    axes.set_xlabel(P_LABEL)
    axes.set(xlim=(-LOG_P, LOG_P), ylim=(-LOG_EV, LOG_EV), xticks=[-2, -1, 0, 1, 2], yticks=[-0.8, -0.4, 0, 0.4, 0.8])
    axes.set_title(of(table, panel, "title")["label"].iloc[0], fontsize=6, loc="left", pad=3)
    if first:
        axes.set_ylabel(EV_LABEL)
    else:
        axes.tick_params(labelleft=False)
    if not (cells["n"] > 0).any():
        note(axes, "no decisions")


def _draw_measure(axes: Axes, table: pd.DataFrame, panel: str) -> None:
    each, mean = of(table, panel, "network"), of(table, panel, "mean")
    each, mean = each[each["y"].notna()], mean[mean["y"].notna()]
    several = bool(each["x"].duplicated().any())
    if each.empty:
        axes.set(xticks=[], yticks=[], xlabel=X_LABEL, ylabel=MEASURES[panel])
        why = of(table, panel, "no weights")["label"]
        note(axes, why.iloc[0] if len(why) else "too few decisions")
        return
    if panel == "D":
        axes.axhline(0, color=GREY, lw=0.4, ls=":", zorder=0)
    else:
        axes.axhline(50, color=GREY, lw=0.4, ls=":", zorder=0)
        axes.set(ylim=(-4, 104), yticks=[0, 25, 50, 75, 100])
    axes.axvline(0, color=GREY, lw=0.4, ls=":", zorder=0)
    axes.set(xlabel=X_LABEL, ylabel=MEASURES[panel])
    faint = GREY if several else INK
    axes.vlines(each["x"], each["low"], each["high"], color=faint, lw=0.5 if several else 0.7)
    axes.plot(each["x"], each["y"], "o", color=faint, ms=2.2 if several else 3.0, mfc="white" if several else INK,
              mew=0.6, label="one network")  # fmt: skip
    axes.plot(mean["x"], mean["y"], color=INK, lw=0.9)
    if several:
        axes.vlines(mean["x"], mean["low"], mean["high"], color=INK, lw=1.0)
        axes.plot(mean["x"], mean["y"], "o", color=INK, ms=3.0, label="mean, 95 % interval")
        if panel == "B":
            axes.legend(loc="upper right")
    if panel == "D":
        axes.yaxis.set_major_locator(MaxNLocator(5))
    half = max(0.5, 1.15 * float(each["x"].abs().max()))
    axes.set_xlim(-half, half)
    axes.xaxis.set_major_locator(MaxNLocator(5, symmetric=True))
