r"""Mapped spiking networks as Neuromorphic Intermediate Representation (NIR), which several simulators and chips read.

In NIR's own equations a leaky integrator (LI) that follows another one is the double-exponential synapse, so both
filters are exact in continuous time:

.. math::
    \tau_{rise} \dot a = -a + \sum_j W_{ij} S_j / S, \qquad \tau_i \dot c_i = -c_i + a_i, \qquad
    \tau_m \dot v_i = (v_{leak,i} - v_i) + c_i + \sum_k W^{in}_{ik} u_k

with spikes S as Dirac pulses, time in seconds and voltages in mV; the leak is the bias current plus the unit's constant
input. `differences` lists what NIR cannot say.

Reference: Pedersen et al. (2024) Nature Communications 15:8122 (NIR); Kim, Li & Sejnowski (2019) PNAS 116:22811.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.files import whole
from rnnpipe.networks.lif_reference import recurrent_weights
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_network import RateNetwork


def differences(settings: LifSettings) -> list[str]:
    """What an NIR graph does not say about a mapped network, one sentence each."""
    return [
        f"after a spike a unit rests for {settings.t_ref:g} ms (refractory period)",
        f"normal noise of SD {settings.v_noise:g} mV is added to each voltage every {settings.step:g} ms",
        f"voltages start uniformly between {settings.v_init_low:g} and {settings.v_init_high:g} mV",
        "a unit spikes at its threshold, not only above it",
        f"a spike reaches the voltage of other units two steps of {settings.step:g} ms later",
        "the two filters of a synapse advance in discrete steps, which makes a spike's area 1.3 % larger",
    ]


def nir_graph(network: RateNetwork, factor: float, settings: LifSettings) -> Any:
    """The graph of a mapped network: nodes input, w_in, units, w_rec, rise, decay, own_rise, own_decay, w_out, output.

    `rise` and `decay` filter what a unit receives, `own_rise` and `own_decay` its own spikes, which makes them a rate
    in Hz; with `tau_rise` 0 there is no rise.

    Args:
        network: The rate network.
        factor: Scaling factor S by which recurrent and output weights are divided.
        settings: The spiking units.

    Raises:
        SettingsError: Units or a stimulation that NIR does not know.
        ArtefactError: The package `nir` is not installed.
    """
    if settings.model != "lif":
        raise SettingsError("lif.model: NIR has leaky units only; export quadratic ones as a Brian2 script (.py).")
    if settings.stimulation != "none":
        raise SettingsError("lif.stimulation: a graph has no stimulation; set it to none.")
    try:
        import nir
    except ModuleNotFoundError:
        raise ArtefactError(
            "the package 'nir' is not installed; install it with `pip install 'rnnpipe[nir]'`."
        ) from None

    n = network.n_units

    def each(value: Any) -> np.ndarray[Any, Any]:
        return np.full(n, value, np.float64) + 0.0

    def integrator(tau: Any) -> Any:
        return nir.LI(tau=each(tau), r=each(1), v_leak=each(0))

    tau = np.asarray(network.tau, np.float64) / 1000
    nodes: dict[str, Any] = {
        "input": nir.Input(input_type={"input": np.array([network.n_inputs])}),
        "w_in": nir.Linear(weight=np.asarray(network.w_in, np.float64)),
        "units": nir.LIF(
            tau=each(settings.tau_m / 1000),
            r=each(1),
            v_leak=each(settings.constant) + network.b_rec,
            v_threshold=each(settings.threshold),
            v_reset=each(settings.v_reset),
        ),
        "w_rec": nir.Linear(weight=recurrent_weights(network, settings) / factor),
        "decay": integrator(tau),
        "own_decay": integrator(tau),
        "w_out": nir.Linear(weight=np.asarray(network.w_out, np.float64) / factor),
        "output": nir.Output(output_type={"output": np.array([network.n_outputs])}),
    }
    edges = [("input", "w_in"), ("w_in", "units"), ("units", "w_rec")]
    if settings.tau_rise > 0:
        nodes |= {"rise": integrator(settings.tau_rise / 1000), "own_rise": integrator(settings.tau_rise / 1000)}
        edges += [("w_rec", "rise"), ("rise", "decay"), ("units", "own_rise"), ("own_rise", "own_decay")]
    else:
        edges += [("w_rec", "decay"), ("units", "own_decay")]
    edges += [("decay", "units"), ("own_decay", "w_out"), ("w_out", "output")]
    metadata = {
        "description": "spiking network mapped from a trained rate network (Kim, Li & Sejnowski 2019)",
        "units": "time in s, voltage in mV, spikes are Dirac pulses, output in the units of the rate network's target",
        "input": f"one value per channel, held for {network.dt:g} ms",
        "not_in_the_graph": "; ".join(differences(settings)),
        "scaling_factor": f"{factor:g}",
        "task": network.task,
        "seed": str(network.seed),
    }
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def write_nir(path: str | Path, network: RateNetwork, factor: float, settings: LifSettings) -> None:
    """Write a mapped network as an NIR file (HDF5)."""
    graph = nir_graph(network, factor, settings)
    import nir

    with whole(path) as tmp:
        nir.write(tmp, graph)
