"""Quantities of multisensory integration."""

from __future__ import annotations

import pandas as pd

from rnnpipe.analysis.multisensory import thresholds
from rnnpipe.analysis.quantities._registry import quantity


@quantity("table", "median")
def sigma_visual(table: pd.DataFrame) -> float:
    """Threshold of visual rates, the width of the fitted cumulative Gaussian."""
    return thresholds(table).fits["visual"].sigma


@quantity("table", "median")
def sigma_auditory(table: pd.DataFrame) -> float:
    """Threshold of auditory rates, the width of the fitted cumulative Gaussian."""
    return thresholds(table).fits["auditory"].sigma


@quantity("table", "median")
def sigma_multisensory(table: pd.DataFrame) -> float:
    """Threshold of rates of both modalities, the width of the fitted cumulative Gaussian."""
    return thresholds(table).fits["multisensory"].sigma


@quantity("table", "median")
def multisensory_precision_ratio(table: pd.DataFrame) -> float:
    """Precision (1/sigma^2) with both modalities over the sum of those with one."""
    return thresholds(table).ratio.value
