"""Mapped spiking networks as a Brian2 script with its weights in an `.npz` file beside it.

The script is the text of `rnnpipe.io.exchange.brian2_model`, so it is checked and tested like any other module, and
runs where this package is not installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.files import whole
from rnnpipe.networks.lif_reference import recurrent_weights, steps_per_column
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_network import RateNetwork


def brian2_parameters(network: RateNetwork, factor: float, settings: LifSettings) -> dict[str, Any]:
    """Arrays and constants of the script, in mV and seconds; weights are divided by the scaling factor.

    Raises:
        SettingsError: The integration step does not divide the rate network's, or a stimulation is asked for.
    """
    if settings.stimulation != "none":
        raise SettingsError("lif.stimulation: the script has no stimulation; set it to none.")
    return {
        "model": settings.model,
        "dt": settings.dt / 1000 * settings.downsample,
        "downsample": settings.downsample,
        "steps_per_column": steps_per_column(network.dt, settings),
        "tau_m": settings.tau_m / 1000,
        "t_ref": settings.t_ref / 1000,
        "tau_rise": settings.tau_rise / 1000,
        "v_noise": settings.v_noise,
        "v_threshold": settings.threshold,
        "v_reset": settings.v_reset,
        "bias": settings.constant,
        "v_init_low": settings.v_init_low,
        "v_init_high": settings.v_init_high,
        "w": recurrent_weights(network, settings) / factor,
        "w_in": np.asarray(network.w_in, np.float64),
        "w_out": np.asarray(network.w_out, np.float64) / factor,
        "b_rec": np.asarray(network.b_rec, np.float64),
        "tau": np.asarray(network.tau, np.float64) / 1000,
        "sign": np.asarray(network.sign, np.float64),
        "scaling_factor": factor,
    }


def write_brian2(path: str | Path, network: RateNetwork, factor: float, settings: LifSettings) -> Path:
    """Write the script and its weights; returns the path of the latter.

    Raises:
        ArtefactError: The script is not called *.py, or the folder cannot be written to.
        SettingsError: See `brian2_parameters`.
    """
    path = Path(path)
    if path.suffix != ".py":
        raise ArtefactError(f"{path}: a Brian2 script is called *.py.")
    parameters = {name: np.asarray(value) for name, value in brian2_parameters(network, factor, settings).items()}
    save: Any = np.savez_compressed  # whose type does not allow arrays by name
    weights = path.with_suffix(".npz")
    with whole(weights) as tmp, open(tmp, "wb") as file:
        save(file, **parameters)
    with whole(path) as tmp:
        tmp.write_text(Path(__file__).with_name("brian2_model.py").read_text())
    return weights
