"""Quantities of the choices in any task."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnpipe.analysis.quantities._registry import quantity


@quantity("table", "median")
def decision_rate(table: pd.DataFrame) -> float:
    """Fraction of trials with a decision."""
    return float(table["decision"].mean())


@quantity("table", "median")
def accuracy(table: pd.DataFrame) -> float:
    """Fraction of decisions that were correct."""
    judged = table["correct"][table["correct"] >= 0]
    return float((judged == 1).mean()) if len(judged) else np.nan
