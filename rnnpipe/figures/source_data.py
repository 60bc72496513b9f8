"""The tidy table behind a figure: what is drawn is what is written next to it as CSV.

One row a point. Columns of every figure: `panel`, `series`, `x`, `y`, `low`, `high` (interval), `n` (trials behind the
point), `label` (text that is drawn); others, such as `coherence` (percent) and `choice`, where they apply. Labels of
the axes, with units, are in `x_label` and `y_label`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

COLUMNS = ["panel", "series", "x", "y", "low", "high", "n", "label", "x_label", "y_label"]


def points(panel: str, series: str, **columns: Any) -> pd.DataFrame:
    """Rows of one series; scalars are repeated, arrays have one value a point."""
    length = max([1, *(len(v) for v in columns.values() if np.ndim(v) == 1)])
    index = range(0) if any(np.ndim(v) == 1 and len(v) == 0 for v in columns.values()) else range(length)
    values = {k: np.asarray(v) if np.ndim(v) == 1 else v for k, v in columns.items()}
    return pd.DataFrame({"panel": panel, "series": series, **values}, index=index)


def assemble(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One table of all parts, the common columns first, numbers as float64.

    Columns of a part without rows are kept, so that nothing to draw looks the same to a reader as something.
    """
    parts = list(parts)
    records = [record for part in parts for record in part.to_dict("records")]
    extra = list(dict.fromkeys(name for part in parts for name in part if name not in COLUMNS))
    numbers = {"x", "y", "z", "low", "high", "n", "coherence", "seed"}
    names = [*COLUMNS[:2], *extra, *COLUMNS[2:]]

    def column(name: str) -> Any:
        if name in numbers:
            return np.array([r.get(name, np.nan) for r in records], dtype=float)
        return np.array([r.get(name, "") for r in records], dtype=object)

    return pd.DataFrame({name: column(name) for name in names})


def as_written(values: Any) -> Any:
    """Values as the CSV will hold them: in 3-D, where lines snap to pixels, the last digits can move one."""
    return np.array([float(f"{v:.10g}") for v in np.ravel(values)]).reshape(np.shape(values))


def of(table: pd.DataFrame, panel: str, series: str | None = None) -> pd.DataFrame:
    """The rows of a panel, or of one of its series."""
    rows = table[table["panel"] == panel]
    return rows if series is None else rows[rows["series"] == series]
