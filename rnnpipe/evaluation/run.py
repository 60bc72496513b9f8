"""What an evaluation hands to the file that is written, whatever the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.networks.rate_network import RateNetwork

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


def units_of(network: RateNetwork) -> Columns:
    """What an evaluation says of the units of a rate network, or of the spiking one that it is mapped to."""
    kinds = np.where(network.som, -2, np.where(network.inhibitory, -1, 1)).astype(np.int8)
    return {"units/tau": network.tau.astype(np.float64), "units/type": kinds}
