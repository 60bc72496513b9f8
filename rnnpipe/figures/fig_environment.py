"""Consecutive trials of an agent or network: what it saw, did and earned, and the activity of its units."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from rnnpipe.analysis.history import recorded
from rnnpipe.figures import Inputs, consecutive
from rnnpipe.figures.motion import only
from rnnpipe.settings import Settings, setting

NEEDS = {"activity": "evaluation of the network or agent with recorded activity"}


class Options(Settings):
    """Settings of the figure."""

    trial: int = setting(0, "first trial to show, counted from 0 as in the file", ge=0)
    n_trials: int = setting(4, "trials that are shown, one after the other", "trials", ge=1, le=50)


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; see `rnnpipe.figures.consecutive.tabled`."""
    return consecutive.tabled(recorded(only(inputs, "activity"), options.trial, options.n_trials))


def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide and as high as it has panels."""
    return consecutive.draw(table)
