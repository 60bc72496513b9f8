"""Made-up files of rate networks mapped to spikes, in the form of the real ones, for tests of what comes after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnpipe.io.hdf5 import create, put
from rnnpipe.io.spiking import KIND, SCHEMA
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.training.bptt_settings import BpttSettings

N_UNITS = 5
UNIT_TYPES = (1, 1, 1, -1, -2)
RATES = (0.5, 1.0, 4.0, 10.0, 25.0)
"""Firing rate of each unit, Hz, without a stimulus; with one it is twice as high."""


def write_spiking(
    path: Path,
    accuracy: ArrayLike,
    *,
    heldout: ArrayLike | None = None,
    trained: ArrayLike = True,
    trials: ArrayLike = 601.0,
    rate_accuracy: ArrayLike = 1.0,
    tau: float = 30.0,
    factor: ArrayLike = 25.0,
    seeds: Sequence[int] | None = None,
    task: str = "go_nogo",
    network: Mapping[str, Any] | None = None,
    learning: Mapping[str, Any] | None = None,
    lif: Mapping[str, Any] | None = None,
    rates: Sequence[float] = RATES,
) -> Path:
    """Write a file of stage `spiking` about networks of five units, one for each accuracy.

    A network that was not trained has no accuracy. Other values are one for all or one a network.
    """
    best = np.asarray(accuracy, dtype=float)
    n = len(best)
    known = np.broadcast_to(np.asarray(trained, bool), n)

    def mapped(values: ArrayLike) -> np.ndarray:
        return np.where(known, np.broadcast_to(np.asarray(values, float), n), np.nan)

    settings = {
        "task": {"name": task},
        "network": {**RateSettings().model_dump(mode="json"), "n_units": N_UNITS, **(network or {})},
        "learning": {**BpttSettings(rule="bptt").model_dump(mode="json"), **(learning or {})},
        "lif": {**LifSettings().model_dump(mode="json"), **(lif or {})},
        "search": {"factors": [20.0, 25.0]},
    }
    firing = np.asarray(rates)[None, None] * np.array([1.0, 2.0])[None, :, None] * np.ones((n, 1, 1))
    firing = np.where(known[:, None, None], firing, np.nan)
    taus = np.full((n, N_UNITS), tau)
    columns: dict[str, Any] = {
        "seed": np.arange(n) if seeds is None else np.asarray(seeds),
        "trained": known,
        "n_trials_trained": np.broadcast_to(np.asarray(trials, float), n),
        "training_accuracy": np.full(n, 0.97),
        "rate_accuracy": mapped(rate_accuracy),
        "factor": mapped(factor),
        "accuracy": mapped(best),
        "heldout_accuracy": mapped(best if heldout is None else heldout),
        "tau_mean": taus.mean(1),
        "tau_sd": taus.std(1),
        "density": np.full(n, 0.05),
        "rate_hz": firing.mean((1, 2)),
    }
    with create(path, KIND, settings, {}, task=task, n_units=N_UNITS) as file:
        for name, values in columns.items():
            put(file, f"networks/{name}", SCHEMA, values)
        put(file, "factors", SCHEMA, np.array([20.0, 25.0]))
        put(file, "accuracy", SCHEMA, np.stack([mapped(0.5), mapped(best)], 1))
        put(file, "tau", SCHEMA, taus)
        put(file, "unit_type", SCHEMA, np.tile(np.array(UNIT_TYPES, np.int8), (n, 1)))
        put(file, "conditions/go", SCHEMA, np.array([False, True]))
        put(file, "condition_accuracy", SCHEMA, np.stack([mapped(best)] * 2, 1))
        put(file, "firing_rate", SCHEMA, firing.astype(np.float32))
    return path
