"""How much the units of a network take part in its activity.

Reference: engellab/trainRNNbrain (github.com/engellab/trainRNNbrain), state of 2026.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_UNITS_AT_ONCE = 16
"""Units whose samples are ordered at once: a quantile needs a copy of them."""


def participation(rates: NDArray[Any]) -> Array:
    r"""How much each unit takes part: :math:`p_i = \mathrm{SD}(r_i) + q_{0.9}(|r_i|)`.

    Args:
        rates: (n_steps, n_trials, n_units); moments are over steps and trials.

    Returns:
        (n_units,).
    """
    samples = rates.reshape(-1, rates.shape[-1])
    found = np.empty(rates.shape[-1])
    for start in range(0, len(found), _UNITS_AT_ONCE):
        part = np.ascontiguousarray(samples[:, start : start + _UNITS_AT_ONCE].T)
        found[start : start + _UNITS_AT_ONCE] = part.std(axis=1, dtype=np.float64) + _quantile(np.abs(part), 0.9)
    return found


def _quantile(rows: NDArray[Any], q: float) -> Array:
    """Quantile of each row, (n_rows,), as numpy's; without a sort, and in the rows' own precision, which is faster."""
    at = q * (rows.shape[1] - 1)
    k = int(at)
    rows = np.partition(rows, k, axis=1)
    low = rows[:, k].astype(np.float64)
    return low + (at - k) * (rows[:, k + 1 :].min(axis=1) - low) if at > k else low
