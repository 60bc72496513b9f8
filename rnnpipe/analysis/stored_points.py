"""Certified fixed points of one network as read from their file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError
from rnnpipe.io.fixed_points import KIND, SCHEMA, read_fixed_points
from rnnpipe.io.hdf5 import load, read

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StoredPoints:
    """Fixed points under every input that was searched."""

    table: pd.DataFrame
    """One row a point, numbered from 0, its input's `label` among the columns; `.attrs` holds the file's attributes."""
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

    def outputs_of(self, points: pd.DataFrame) -> Array:
        """Outputs at some of the points, rows of `table`, (n, n_outputs)."""
        return self.outputs[points.index.to_numpy()]

    def states_of(self, points: pd.DataFrame) -> Array:
        """Some of the states, those of rows of `table`, (n, n_units)."""
        return self.states[points.index.to_numpy()]


def read_stored_points(path: str | Path) -> StoredPoints:
    """Certified fixed points of a file of stage `fixed_points`.

    Raises:
        ArtefactError: No such file, a damaged one, or one of a gated network: its points have no outputs and no index.
    """
    from rnnpipe.io.certified_points import CERTIFIED  # imports numba

    with read(path, KIND, SCHEMA) as file:
        if "fixed_points/output" not in file:
            raise ArtefactError(f"{path}: holds points of a gated network; take a file of a rate network.")
    table, states = read_fixed_points(path)
    with read(path, KIND, CERTIFIED) as file:
        outputs, labels = load(file["fixed_points/output"]), [str(label) for label in load(file["inputs/label"])]
    return StoredPoints(table, states, outputs.astype(np.float64), labels)
