"""The last training trials, kept to score a training that has no validations of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Tracker:
    """Columns of the last `size` trials, one value a trial."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.table: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(next(iter(self.table.values()), ()))

    @property
    def full(self) -> bool:
        """Whether at least `size` trials were seen."""
        return len(self) == self.size

    def add(self, table: Mapping[str, NDArray[Any]]) -> None:
        """Add trials, latest last, and drop what is older than the last `size`."""
        before = self.table or {name: column[:0] for name, column in table.items()}
        self.table = {
            name: np.concatenate([before[name], column])[-self.size :].copy() for name, column in table.items()
        }

    def state(self) -> dict[str, Any]:
        """Plain values that `load_state` reads back, bit for bit."""
        return {name: {"dtype": column.dtype.str, "values": column.tolist()} for name, column in self.table.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self.table = {name: np.asarray(column["values"], column["dtype"]) for name, column in state.items()}
