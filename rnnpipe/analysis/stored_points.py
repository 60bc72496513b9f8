"""Certified fixed points of one network as read from their file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnpipe.errors import ArtefactError
from rnnpipe.io.fixed_points import KIND, SCHEMA, read_fixed_points
from rnnpipe.io.hdf5 import load, read

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StoredPoints:
    """Fixed points under every input that was searched."""

    table: pd.DataFrame
    """One row a point, its input's `label` among the columns; `.attrs` holds the file's attributes."""
    states: Array
    """(n_points, n_units)."""
    outputs: Array
    """(n_points, n_outputs)."""
    labels: list[str]
    """Of the inputs."""

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network."""
        return self.outputs.shape[1]

    def under(self, label: str) -> pd.DataFrame:
        """Points under one input.

        Raises:
            KeyError: It was not searched.
        """
        if label not in self.labels:
            raise KeyError(f"input {label}")
        return self.table[self.table["label"] == label]

    def outputs_of(self, chosen: ArrayLike) -> Array:
        """Outputs at some of the points, (n, n_outputs)."""
        return self.outputs[np.asarray(chosen, bool)]

    def states_of(self, chosen: ArrayLike) -> Array:
        """Some of the states, (n, n_units)."""
        return self.states[np.asarray(chosen, bool)]


def read_stored_points(path: str | Path) -> StoredPoints:
    """Certified fixed points of a file of stage `fixed_points`.

    Raises:
        ArtefactError: No such file, or one of a gated network, whose points have no outputs and no index.
    """
    table, states = read_fixed_points(path)
    with read(path, KIND, SCHEMA) as file:
        if "fixed_points/output" not in file:
            raise ArtefactError(f"{path}: holds points of a gated network; take a file of a rate network.")
        outputs, labels = load(file["fixed_points/output"]), [str(label) for label in load(file["inputs/label"])]
    return StoredPoints(table, states, outputs.astype(np.float64), labels)
