"""Initial networks in which some units are silent, to ask whether training brings them back.

Over-inhibited units: the weights from inhibitory units to a random fraction of units are multiplied. What silences them
is the inhibitory population, which learns, and the first steps of a trial are not silent.

Master inhibitor: the first inhibitory unit is driven by the first two input channels alone, which in `cddm` say which
context it is and of which one is on throughout; no unit reaches it, and it inhibits a random fraction of the others so
strongly that they are silent in every trial. If it is frozen, its weights, bias and initial state stay as they are.

Both happen after the recurrent weights were scaled. Without inputs a master's row has no eigenvalue but zero: the
spectral radius remains the one that was asked for. Boosted inhibition changes it.

Reference: engellab/trainRNNbrain (github.com/engellab/trainRNNbrain), state of 2026.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.networks.ctrnn_settings import CtrnnSettings

Arrays = dict[str, NDArray[Any]]
Masks = dict[str, NDArray[np.bool_]]

MASTER_INPUTS = 2
"""Input channels that drive a master inhibitor, the first ones."""


def boost_inhibition(
    w_rec: NDArray[Any], sign: NDArray[np.int8], settings: CtrnnSettings, rng: np.random.Generator
) -> None:
    """Multiply, in place, the inhibitory weights to `settings.n_silent` units that are drawn at random."""
    rows = rng.choice(settings.n_units, settings.n_silent, replace=False)
    w_rec[np.ix_(rows, np.flatnonzero(sign < 0))] *= settings.inhibitory_boost


def connect_master(masks: Masks, settings: CtrnnSettings, rng: np.random.Generator) -> None:
    """Leave a master inhibitor, in place, the connections that it has; the units it inhibits are drawn at random.

    Raises:
        SettingsError: There are fewer inputs than drive it.
    """
    n, master, n_inputs = settings.n_units, settings.n_excitatory, masks["w_in"].shape[1]
    if n_inputs < MASTER_INPUTS:
        raise SettingsError(
            f"network: master_fraction: the first {MASTER_INPUTS} inputs drive the master inhibitor, but the task has"
            f" {n_inputs}; take a task that has them, or set master_fraction: 0."
        )
    others = np.delete(np.arange(n), master)
    masks["w_rec"][:, master] = masks["w_rec"][master] = masks["w_in"][master] = False
    masks["w_rec"][rng.choice(others, settings.n_mastered, replace=False), master] = True
    masks["w_in"][master, :MASTER_INPUTS] = True


def set_master(arrays: Arrays, masks: Masks, settings: CtrnnSettings) -> None:
    """Give the connections of a master inhibitor their weights, in place."""
    master = settings.n_excitatory
    arrays["w_rec"][:, master] = np.where(masks["w_rec"][:, master], -settings.master_strength, 0.0)
    arrays["w_in"][master] = np.where(masks["w_in"][master], settings.master_drive, 0.0)


def held_master(arrays: Arrays, settings: CtrnnSettings) -> Arrays:
    """What a frozen master inhibitor holds, by name: values that are never changed, NaN where they are free."""
    master = settings.n_excitatory
    held: Arrays = {name: np.full_like(arrays[name], np.nan) for name in ("w_rec", "w_in", "b_rec", "x_init")}
    held["w_rec"][:, master] = arrays["w_rec"][:, master]
    for name, values in held.items():
        values[master] = arrays[name][master]
    return held
