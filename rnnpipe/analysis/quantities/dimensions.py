"""Quantities of the dimensions that activity occupies."""

from __future__ import annotations

import numpy as np

from rnnpipe.analysis.outputs import as_levels, output_groups
from rnnpipe.analysis.pca import group_means, principal_components
from rnnpipe.analysis.quantities._registry import quantity
from rnnpipe.analysis.recording import Recording


@quantity("activity", "mean")
def variance_of_three_components(recording: Recording) -> float:
    """Fraction of the variance of rates, averaged over trials of one target, along three principal components."""
    groups = as_levels(output_groups(recording), len(recording.table))
    means = group_means(recording, groups)
    ratio = principal_components([means.reshape(-1, means.shape[2])]).ratio
    return float(ratio[:3].sum()) if np.isfinite(ratio).all() else np.nan
