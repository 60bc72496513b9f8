"""Quantities of context-dependent integration."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnpipe.analysis import context
from rnnpipe.analysis.quantities._registry import quantity


@quantity("table", "median")
def irrelevant_change(table: pd.DataFrame) -> float:
    """Absolute change of P(right) between the extreme levels of the irrelevant feature, larger of the two contexts."""
    rows = context.gating(table)
    changes = rows.loc[rows["context"] != rows["feature"], "change"].abs()
    return float(changes.max()) if changes.notna().all() else np.nan


@quantity("table", "median")
def relevant_change(table: pd.DataFrame) -> float:
    """Change of P(right) between the extreme levels of the relevant feature, smaller of the two contexts."""
    rows = context.gating(table)
    changes = rows.loc[rows["context"] == rows["feature"], "change"]
    return float(changes.min()) if changes.notna().all() else np.nan


@quantity("table", "median")
def motion_context_sigma(table: pd.DataFrame) -> float:
    """Width of the psychometric fit to motion in the motion context."""
    return context.fit(table, "motion", "motion").sigma


@quantity("table", "median")
def color_context_sigma(table: pd.DataFrame) -> float:
    """Width of the psychometric fit to color in the color context."""
    return context.fit(table, "color", "color").sigma
