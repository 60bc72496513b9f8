"""Quantities of economic choice."""

from __future__ import annotations

import pandas as pd

from rnnpipe.analysis import economic
from rnnpipe.analysis.quantities._registry import quantity
from rnnpipe.analysis.recording import Recording


@quantity("table", "median")
def indifference_ratio(table: pd.DataFrame) -> float:
    """Drops of juice B that are chosen as often as a drop of A."""
    return economic.indifference(economic.juice_choices(table)).ratio


@quantity("activity", "mean")
def percent_chosen_value(recording: Recording) -> float:
    """Value-network units that encode the chosen value, percent of those of any class."""
    return economic.percent_of_classified(economic.classify_recording(recording), "chosen value")


@quantity("activity", "mean")
def percent_offer_value(recording: Recording) -> float:
    """Value-network units that encode the value of one offer, A or B, percent of those of any class."""
    return economic.percent_of_classified(economic.classify_recording(recording), *economic.OFFER_VALUE)


@quantity("activity", "mean")
def percent_choice(recording: Recording) -> float:
    """Value-network units that encode the choice, percent of those of any class."""
    return economic.percent_of_classified(economic.classify_recording(recording), "choice")
