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


@quantity("table", "median")
def performance(table: pd.DataFrame) -> float:
    """Fraction of all trials that were answered correctly."""
    return float((table["correct"] == 1).mean())


@quantity("table", "median")
def weak_motion_performance(table: pd.DataFrame) -> float:
    """Fraction of the trials of the weakest coherence above zero that were answered correctly."""
    weak = table["coherence"] == table["coherence"][table["coherence"] > 0].min()
    return float((table["correct"][weak] == 1).mean()) if weak.any() else np.nan
