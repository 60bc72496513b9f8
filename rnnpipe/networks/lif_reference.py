r"""Spiking units, one trial a step at a time, as readable as possible: the fast engine is tested against this module.

A rate network becomes a spiking one of the same size: recurrent and output weights are divided by a scaling factor S,
input weights stay, the bias of the output is dropped, and a unit's time constant tau_i filters the spikes it receives.

.. math::
    \tau_m \dot v_i &= -v_i + I_i \quad\text{(leaky; quadratic: } v_i^2 + I_i\text{)} \\
    I_i &= c_i + I_{bias} + b_i + \sum_k W^{in}_{ik} u_k \\
    \dot c_i &= -c_i / \tau_i + h_i, \qquad
    \dot h_i = -h_i / \tau_{rise} + \frac{1}{S \tau_{rise} \tau_i} \sum_j W_{ij} \sum_s \delta(t - t_{js})

A unit at threshold spikes, is reset, and does not integrate for the refractory period. The same filter of a unit's own
spikes is its rate r, in Hz, and the output is W_out r / S. The paper filters a spike with the sending unit's time
constant; the authors' code, and so this module, with the receiving unit's, as the rate equation does.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Eqs. 5-7 and SI, and the authors' code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.networks.lif_settings import PEAK, LifSettings
from rnnpipe.networks.rate_network import RateNetwork

Array = NDArray[Any]


@dataclass(frozen=True)
class Trace:
    """Everything about one trial; record k is of step k + 1, which ends at (k + 1) * step."""

    voltage: Array
    """Voltages before the reset, `PEAK` where a unit spikes, mV, (n_steps, n_units)."""
    spikes: Array
    """Whether a unit spikes, (n_steps, n_units)."""
    rates: Array
    """Filtered spikes, Hz, (n_steps, n_units)."""
    currents: Array
    """Recurrent currents that acted in the step, in mV at unit resistance, (n_steps, n_units)."""
    outputs: Array
    """(n_steps, n_outputs)."""


def steps_per_column(rate_dt: float, settings: LifSettings) -> int:
    """How many integration steps an input column is held.

    Raises:
        SettingsError: The rate network's step, ms, is no multiple of the integration step.
    """
    held = round(rate_dt / settings.dt)
    if held < 1 or abs(held * settings.dt - rate_dt) > 1e-6 * rate_dt:
        raise SettingsError(
            f"dt = {settings.dt:g} ms of the spiking units does not divide the rate network's step of {rate_dt:g} ms;"
            " choose one that does."
        )
    return held


def step_at(time: float, settings: LifSettings) -> int:
    """First step that ends at a time, ms, or later; steps are numbered from 1."""
    return max(1, math.ceil(time / settings.step - 1e-6))


def population(network: RateNetwork, name: str) -> Array:
    """Which units are of a population: all, excitatory, inhibitory or som, (n_units,)."""
    return {
        "all": np.ones(network.n_units, bool),
        "excitatory": ~network.inhibitory,
        "inhibitory": network.inhibitory,
        "som": network.som,
    }[name]


def stimulated_units(network: RateNetwork, settings: LifSettings) -> Array:
    """Units that are pushed, (n_pushed,): those listed, or `round(fraction * n)` of a population of n units.

    Those of a smaller fraction are among those of a larger one.

    Raises:
        SettingsError: The network has no unit of the population.
    """
    if not settings.push:
        return np.empty(0, np.int32)
    if settings.stimulation_of is None:
        return np.array(settings.stimulation_units, np.int32)
    members = np.flatnonzero(population(network, settings.stimulation_of))
    if len(members) == 0:
        raise SettingsError(
            f"the stimulation is of {settings.stimulation_of} units, of which the network has none; name another"
            " stimulation_of."
        )
    order = np.random.default_rng(settings.stimulation_seed).permutation(members)
    return np.sort(order[: round(settings.stimulation_fraction * len(members))]).astype(np.int32)


def recurrent_weights(network: RateNetwork, settings: LifSettings) -> Array:
    """Recurrent weights before scaling: trained or initial, lesioned where that is asked for, (n_units, n_units).

    A lesion takes `round(fraction * n)` of the n connections of a kind that are not zero; which ones, depends on its
    seed and the network alone.

    Raises:
        SettingsError: Initial weights or a population are asked for that the network does not have.
    """
    if settings.initial_weights:
        if network.w_initial is None:
            raise SettingsError("initial_weights: the network's file holds no weights from before training.")
        weights = np.array(network.w_initial * network.sign * network.mask, np.float64)
    else:
        weights = np.array(network.w_rec, np.float64)
    if settings.lesion_fraction == 0:
        return weights
    candidates = weights != 0
    if settings.lesion_keep_self:
        np.fill_diagonal(candidates, False)
    sides = [(settings.lesion_post, settings.lesion_pre)]
    if settings.lesion_by_type:
        sides = [(post, pre) for post in ("excitatory", "inhibitory") for pre in ("excitatory", "inhibitory")]
    for name in (settings.lesion_post, settings.lesion_pre):
        if not population(network, name).any():
            raise SettingsError(f"the lesion is of connections of {name} units, of which the network has none.")
    rng = np.random.default_rng(settings.lesion_seed)
    for post, pre in sides:
        to, by = np.nonzero(candidates & np.outer(population(network, post), population(network, pre)))
        chosen = rng.permutation(len(to))[: round(settings.lesion_fraction * len(to))]
        weights[to[chosen], by[chosen]] *= settings.lesion_scale
    return weights


def simulate(
    network: RateNetwork,
    inputs: Array,
    factor: float,
    settings: LifSettings,
    v0: Array,
    noise: Array,
    coins: Array | None = None,
) -> Trace:
    """Simulate one trial in float64.

    Args:
        network: The rate network that becomes a spiking one.
        inputs: One column for each step of the rate network and one more, (n_columns, n_inputs).
        factor: Scaling factor S by which recurrent and output weights are divided.
        settings: The spiking units.
        v0: Voltages at the start, mV, (n_units,).
        noise: Standard normal numbers, (n_steps, n_units).
        coins: Whether stimulated units are pushed, used during the stimulation, (n_steps,).
    """
    # seconds here, so that rates are in Hz
    dt = settings.dt / 1000 * settings.downsample
    tau_m, t_ref, tau_rise = settings.tau_m / 1000, settings.t_ref / 1000, settings.tau_rise / 1000
    tau = np.asarray(network.tau, np.float64) / 1000
    pushed = step_at(settings.stimulation_on, settings), step_at(settings.stimulation_off, settings)
    stimulated = stimulated_units(network, settings)
    held = steps_per_column(network.dt, settings)
    u = np.asarray(inputs, np.float64)[:: settings.downsample]
    n_steps, n = held * (len(u) - 1), network.n_units
    external = u @ np.asarray(network.w_in, np.float64).T + network.b_rec
    weights = recurrent_weights(network, settings) / factor
    w_out = np.asarray(network.w_out, np.float64) / factor
    trace = Trace(
        voltage=np.zeros((n_steps, n)),
        spikes=np.zeros((n_steps, n), bool),
        rates=np.zeros((n_steps, n)),
        currents=np.zeros((n_steps, n)),
        outputs=np.zeros((n_steps, network.n_outputs)),
    )

    v = np.array(v0, np.float64)
    current, h, r, h_r, t_last = (np.zeros(n) for _ in range(5))
    for i in range(1, n_steps + 1):
        total = current + settings.constant + external[int(np.floor(i / held + 0.5))]
        drift = total - v if settings.model == "lif" else v**2 + total
        v = v + dt / tau_m * (dt * i > t_last + t_ref) * drift + settings.v_noise * noise[i - 1]
        if coins is not None and pushed[0] <= i < pushed[1] and coins[i - 1]:
            v[stimulated] += settings.push
        spikes = v >= settings.threshold
        t_last[spikes] = dt * i
        trace.currents[i - 1] = current
        arriving = weights[:, spikes].sum(axis=1)
        if tau_rise > 0:
            current = current * np.exp(-dt / tau) + h * dt
            h = h * np.exp(-dt / tau_rise) + arriving / (tau_rise * tau)
            r = r * np.exp(-dt / tau) + h_r * dt
            h_r = h_r * np.exp(-dt / tau_rise) + spikes / (tau_rise * tau)
        else:
            current = current * np.exp(-dt / tau) + arriving / tau
            r = r * np.exp(-dt / tau) + spikes / tau
        trace.voltage[i - 1] = np.where(spikes, PEAK, v)
        trace.spikes[i - 1] = spikes
        trace.rates[i - 1] = r
        trace.outputs[i - 1] = w_out @ r
        v[spikes] = settings.v_reset
    return trace
