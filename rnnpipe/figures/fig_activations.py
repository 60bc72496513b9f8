"""Activation functions of networks.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Fig. 7A.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rnnpipe.errors import ArtefactError
from rnnpipe.figures import Inputs
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import FAINT, new_figure, place, styled
from rnnpipe.io.history import read_bptt_history
from rnnpipe.networks.rate_network import CAP, activate
from rnnpipe.settings import Settings, setting

NEEDS = {"history": "history of the training of rate networks, one file a network"}
NAMES = {"sigmoid": "sigmoid", "softplus": "softplus", "clipped_relu": "ReLU"}
COLORS = {"sigmoid": "#1a1a1a", "softplus": "#e69f00", "clipped_relu": "#009e73"}
LINES = {"sigmoid": "-", "softplus": (0, (5, 1.5)), "clipped_relu": (0, (1.5, 1))}


class Options(Settings):
    """Settings of the figure."""

    limit: float = setting(5.0, "states are shown from minus this to this", gt=0)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`."""
    used = dict.fromkeys(_activation(path) for path in inputs["history"])
    x = np.linspace(-options.limit, options.limit, 201)
    labels = {"x_label": "State x", "y_label": "Rate φ(x)"}
    parts = []
    for name in (name for name in NAMES if name in used):
        capped = "" if name == "sigmoid" else f" (at most {CAP:g})"
        parts.append(points("A", name, x=x, y=activate(x, name), label=NAMES[name] + capped, **labels))
    return assemble(parts)


def _activation(path: object) -> str:
    history = read_bptt_history(str(path))
    name = history.attrs.get("settings", {}).get("network", {}).get("activation")
    if name not in NAMES:
        raise ArtefactError(f"{path}: does not say which activation its network has; train the network again.")
    return str(name)


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(62)
    axes = place(figure, 14, 11, 110, 47)
    axes.axhline(0, color=FAINT, lw=0.6, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.6, zorder=0)
    for name in table["series"].drop_duplicates():
        line = of(table, "A", name)
        axes.plot(line["x"], line["y"], color=COLORS[name], ls=LINES[name], lw=1.4, label=line["label"].iloc[0])
    axes.set(
        xlim=(table["x"].min(), table["x"].max()), xlabel=table["x_label"].iloc[0], ylabel=table["y_label"].iloc[0]
    )
    axes.legend(loc="upper left", bbox_to_anchor=(1.03, 1.0))
    return figure
