"""What became of rate networks as spiking ones: output of the `spiking` stage, one row a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError
from rnnpipe.io.hdf5 import Field, attributes, load, read
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.settings import parse

KIND = "spiking"
_N = ("network",)
SCHEMA = {
    "networks/seed": Field(_N, "i", "seed that the network was trained from, or its place in the list of files"),
    "networks/trained": Field(_N, "b", "whether it reached its training criterion"),
    "networks/n_trials_trained": Field(_N, "f", "training trials until then, or all of them", "trials"),
    "networks/training_accuracy": Field(_N, "f", "fraction of correct trials of the last evaluation in training"),
    "networks/rate_accuracy": Field(_N, "f", "fraction of the held-out trials that the rate network has correct"),
    "networks/factor": Field(_N, "f", "scaling factor of highest accuracy, the smallest one of several"),
    "networks/accuracy": Field(_N, "f", "accuracy of the spiking network at that factor in the search: the maximum"),
    "networks/heldout_accuracy": Field(_N, "f", "accuracy of the spiking network at that factor on held-out trials"),
    "networks/tau_mean": Field(_N, "f", "mean time constant of the units", "ms"),
    "networks/tau_sd": Field(_N, "f", "SD of the time constants between units", "ms"),
    "networks/density": Field(_N, "f", "fraction of recurrent connections that act"),
    "networks/rate_hz": Field(_N, "f", "mean firing rate of all units on held-out trials", "Hz"),
    "networks/*": Field(_N, "fiub", "further measure of the network"),
    "factors": Field(("factor",), "f", "scaling factors that were tried"),
    "accuracy": Field(("network", "factor"), "f", "accuracy of the spiking network at each factor"),
    "tau": Field(("network", "unit"), "f", "time constant of each unit: its synaptic decay time", "ms"),
    "unit_type": Field(("network", "unit"), "i", "1 excitatory, -1 inhibitory, -2 inhibitory without inhibition (SOM)"),
    "conditions/*": Field(("condition",), "fiubO", "conditions of the held-out trials"),
    "condition_accuracy": Field(("network", "condition"), "f", "accuracy of the spiking network on held-out trials"),
    "firing_rate": Field(("network", "condition", "unit"), "f", "mean firing rate on held-out trials", "Hz"),
}

_ARRAYS = ("factors", "accuracy", "tau", "unit_type", "condition_accuracy", "firing_rate")


@dataclass(frozen=True)
class Spiking:
    """Spiking networks of one file."""

    path: Path
    networks: pd.DataFrame
    """One row a network; columns as in the group `networks`."""
    factors: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    tau: NDArray[np.float64]
    unit_type: NDArray[np.int64]
    conditions: pd.DataFrame
    """One row a condition."""
    condition_accuracy: NDArray[np.float64]
    firing_rate: NDArray[np.float64]
    attributes: dict[str, Any]

    def setting(self, *keys: str, default: Any = None) -> Any:
        """A setting of the training or of the mapping, such as ("network", "n_units"); `default` where it is absent."""
        value: Any = self.attributes["settings"]
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                return default
            value = value[key]
        return value

    def row(self, seed: int) -> int:
        """Place of the network of a seed.

        Raises:
            ArtefactError: There is none.
        """
        found = np.flatnonzero(self.networks["seed"].to_numpy() == seed)
        if len(found) == 0:
            raise ArtefactError(f"{self.path}: holds no network of seed {seed}.")
        return int(found[0])


def read_spiking(path: str | Path) -> Spiking:
    """Read a file of stage `spiking`."""
    with read(path, KIND, SCHEMA) as file:
        arrays = {name: file[name][:] for name in _ARRAYS}
        return Spiking(
            path=Path(path),
            networks=pd.DataFrame({name: column[:] for name, column in file["networks"].items()}),
            conditions=pd.DataFrame({name: load(column) for name, column in file["conditions"].items()}),
            attributes=attributes(file),
            **arrays,
        )


def mapping_of(seed: int, lif: LifSettings, spiking: Path | None, factor: float | None) -> tuple[LifSettings, float]:
    """Spiking units and scaling factor of a network: what was asked for, else those of a file of stage `spiking`.

    Args:
        seed: Seed that the network was trained from; below 0 it is the first one of the file.
        lif: Units without a file.
        spiking: The file.
        factor: Factor, whatever the file says.
    """
    if spiking is not None:
        mapped = read_spiking(spiking)
        lif = parse(LifSettings, mapped.setting("lif"), f"{spiking}: lif")
        if factor is None:
            factor = float(mapped.networks["factor"].iloc[mapped.row(max(seed, 0))])
            if not np.isfinite(factor):
                raise ArtefactError(
                    f"{spiking}: has no factor for the network of seed {seed}, which did not reach its training"
                    " criterion; give --scaling_factor, or map it with --search.only_trained false."
                )
    assert factor is not None
    return lif, factor
