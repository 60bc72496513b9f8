"""Quantities of gambling."""

from __future__ import annotations

import pandas as pd

from rnnpipe.analysis import risk
from rnnpipe.analysis.quantities._registry import quantity


@quantity("table", "median")
def risky_choice_rate(table: pd.DataFrame) -> float:
    """Fraction of choices of the riskier (less probable) of two options of equal expected value."""
    return risk.risky_choices(risk.gambles(table)).p


@quantity("table", "median")
def higher_value_rate(table: pd.DataFrame) -> float:
    """Fraction of choices of the option of higher expected value, where expected values differ."""
    return risk.higher_value_choices(risk.gambles(table)).p


@quantity("table", "median")
def probability_weight(table: pd.DataFrame) -> float:
    """Weight of log(p_R / p_L) in a logistic regression of choices; positive is risk-averse."""
    return risk.regression(risk.gambles(table)).weight["log_p"]


@quantity("table", "median")
def expected_value_weight(table: pd.DataFrame) -> float:
    """Weight of log(EV_R / EV_L) in a logistic regression of choices."""
    return risk.regression(risk.gambles(table)).weight["log_ev"]
