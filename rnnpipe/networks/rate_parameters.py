"""Initial rate networks, and rate networks from the tensors that are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.rate_settings import RateSettings

TRAINED = ("w", "w_out", "b_out", "gamma")


def initial_network(
    settings: RateSettings, n_inputs: int, n_outputs: int, dt: float, rng: np.random.Generator, seed: int = -1
) -> RateNetwork:
    """An untrained rate network, in float32.

    Units are inhibitory, and entries of w kept, each with its own probability; kept entries are normal of SD
    gain / sqrt(n p), or Gamma distributed; with Dale's principle w is the absolute value. Input weights are standard
    normal and stay fixed, readout weights have SD 0.01, gamma is standard normal.

    Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Methods, and the authors' code.
    """
    n = settings.n_units
    inhibitory = (rng.random(n) < settings.p_inhibitory) & settings.dale
    kept = rng.random((n, n)) < settings.connection_probability
    if settings.weights == "gamma":
        w = rng.gamma(2.0, 0.003, (n, n))
    else:
        spread = settings.gain / np.sqrt(n * settings.connection_probability) if kept.any() else 0.0
        w = rng.standard_normal((n, n)) * spread
    w = w * kept
    if settings.dale:
        w = np.abs(w)
    if settings.balanced:
        ratio = (~inhibitory).sum() / max(1, inhibitory.sum())
        w[:, inhibitory] *= ratio
    sign = np.where(inhibitory, -1.0, 1.0)
    made: dict[str, NDArray[np.floating]] = {
        "w": w,
        "sign": sign,
        "mask": som_mask(inhibitory, settings.n_som),
        "w_in": rng.standard_normal((n, n_inputs)),
        "w_out": rng.standard_normal((n_outputs, n)) / 100,
        "b_out": np.zeros(n_outputs),
        "b_rec": np.full(n, settings.bias),
        "gamma": rng.standard_normal(n),
    }
    single: dict[str, Any] = {name: value.astype(np.float32) for name, value in made.items()}
    return RateNetwork(
        **single,
        tau_min=settings.tau_min,
        tau_max=settings.tau_max,
        activation=settings.activation,
        dt=dt,
        n_som=settings.n_som,
        dale=settings.dale,
        w_initial=single["w"].copy(),
        gamma_initial=single["gamma"].copy(),
        seed=seed,
    )


def som_mask(inhibitory: NDArray[np.bool_], n_som: int) -> NDArray[np.float64]:
    """0 from every inhibitory unit to the first `n_som` inhibitory units, 1 elsewhere, (n_units, n_units)."""
    som = inhibitory & (np.cumsum(inhibitory) <= n_som)
    return 1.0 - np.outer(som, inhibitory).astype(np.float64)


def as_network(
    tensors: Mapping[str, NDArray[np.floating]], settings: RateSettings, dt: float, seed: int, task: str
) -> RateNetwork:
    """The rate network of stored arrays: w, sign, mask, w_in, w_out, b_out, b_rec, gamma, and the initial ones."""
    return RateNetwork(
        **tensors,
        tau_min=settings.tau_min,
        tau_max=settings.tau_max,
        activation=settings.activation,
        dt=dt,
        n_som=settings.n_som,
        dale=settings.dale,
        seed=seed,
        task=task,
    )
