"""What an evaluation hands to the file that is written, whatever the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Run:
    """An evaluation under way: batches are simulated as they are asked for."""

    n_trials: int
    settings: Mapping[str, Any]
    attributes: dict[str, Any]
    batches: Iterator[tuple[Columns, Columns, Columns]]
    """Trial table, activity and spikes of each batch."""
    extra: Columns = field(default_factory=dict)
    """Further arrays by their name in the file."""
