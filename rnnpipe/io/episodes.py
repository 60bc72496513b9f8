"""Episodes of an environment on disk: the output of the `dataset` stage where trials cannot be drawn beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError
from rnnpipe.io.hdf5 import Field, attributes, create, put, read
from rnnpipe.tasks._environment import EnvironmentTask, Episodes

if TYPE_CHECKING:  # sampling a data set needs no torch
    from rnnpipe.io.match import Trained

KIND = "episodes"
SCHEMA = {"seed": Field(("trial",), "i", "what the environment is reset with")}


def write_episodes(
    path: str | Path,
    seeds: NDArray[np.int64],
    settings: dict[str, Any],
    provenance: dict[str, Any],
    **attrs: Any,
) -> None:
    """Write the seeds of episodes."""
    with create(path, KIND, settings, provenance, **attrs) as file:
        put(file, "seed", SCHEMA, seeds)


class EpisodesFile:
    """Episodes read from disk, of the environment that a network was trained on."""

    def __init__(self, path: str | Path, file: h5py.File, network: Trained) -> None:
        self.path, self.attributes = Path(path), attributes(file)
        self._seeds: NDArray[np.int64] = file["seed"][:]
        self.n_trials = len(self._seeds)
        if (self._seeds < 0).any():
            raise ArtefactError(f"{self.path}: holds a seed below 0, which resets no environment; make it again.")
        assert isinstance(network.task, EnvironmentTask)
        self._task = network.task
        made_for, id = self.attributes.get("task"), self.attributes.get("environment_id")
        if (made_for, id) != (self._task.name, self._task.id):
            raise ArtefactError(
                f"{network.path} was trained on task {self._task.name!r} ({self._task.id}), but {self.path} holds"
                f" episodes of {made_for!r} ({id}); evaluate it on a dataset of its own task."
            )

    def batches(self, size: int) -> Iterator[Episodes]:
        """All episodes in batches of at most `size`, to be played."""
        for start in range(0, self.n_trials, size):
            yield self._task.episodes(self._seeds[start : start + size])


@contextmanager
def open_episodes(path: str | Path, network: Trained) -> Iterator[EpisodesFile]:
    """Episodes for a network, checked to be of its environment.

    Raises:
        ArtefactError: They are not, or the file cannot be read.
    """
    with read(path, KIND, SCHEMA) as file:
        yield EpisodesFile(path, file, network)
