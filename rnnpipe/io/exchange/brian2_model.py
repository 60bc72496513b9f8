r"""A spiking network that was mapped from a trained rate network (Kim, Li & Sejnowski 2019), for Brian2.

    python THIS_FILE.py --inputs INPUTS.csv --out RESULT.npz

Weights and constants are in the .npz file of the same name beside this one; this file needs Brian2 and nothing else.
An input is a row per column of the stimulus (a column lasts as long as a step of the rate network; one column more than
the trial has steps) and a value per channel. The result holds `spike_unit`, `spike_time` (ms), `rate` (mean of each
unit, Hz), `output_time` (ms) and `output`.

.. math::
    \tau_m \dot v_i &= -v_i + I_i \quad\text{(leaky; quadratic: } v_i^2 + I_i\text{)} \\
    I_i &= c_i + I_{bias} + b_i + \sum_k W^{in}_{ik} u_k \\
    \dot c_i &= -c_i / \tau_i + h_i, \qquad
    \dot h_i = -h_i / \tau_{rise} + \frac{1}{\tau_{rise} \tau_i} \sum_j W_{ij} \sum_s \delta(t - t_{js})

A spike is filtered with the time constant of the unit that receives it. The same filter of a unit's own spikes, with
its own time constant, is its rate r in Hz, and the output is W_out r. Noise of a fixed SD is added to the voltage at
every step, whatever its length, also during the refractory period. Quantities are in mV and seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import brian2
import numpy as np


def simulate(
    parameters: dict[str, Any],
    inputs: Any,
    seed: int = 0,
    v_noise: float | None = None,
    v0: Any = None,
    sample: float = 1.0,
) -> dict[str, Any]:
    """Simulate one trial.

    Args:
        parameters: What the .npz file holds.
        inputs: (n_columns, n_inputs); the trial lasts n_columns - 1 columns.
        seed: Seed of voltages at the start and noise.
        v_noise: SD of the noise of a step, mV; None for that of the file.
        v0: Voltages at the start, mV, (n_units,); None draws them.
        sample: Time between samples of the output, ms; a multiple of the integration step.
    """
    p = {name: array.item() if array.ndim == 0 else array for name, array in parameters.items()}
    n, dt, held = len(p["tau"]), p["dt"], p["steps_per_column"]
    columns = np.asarray(inputs, float)[:: p["downsample"]]
    if columns.ndim != 2 or columns.shape[1] != p["w_in"].shape[1] or len(columns) < 2:
        raise SystemExit(f"the input has shape {columns.shape}, expected (columns, {p['w_in'].shape[1]} channels).")
    n_steps = held * (len(columns) - 1)

    brian2.start_scope()
    brian2.seed(seed)
    brian2.defaultclock.dt = dt * brian2.second
    # step i, from 1, uses column floor(i / held + 1/2); Brian2 counts steps from 0
    external = brian2.TimedArray(columns @ p["w_in"].T + p["b_rec"], dt=held * dt * brian2.second)
    constants = {
        "external": external,
        "ahead": (1 + held / 2) * dt * brian2.second,
        "step": dt,
        "v_noise": p["v_noise"] if v_noise is None else v_noise,
        **{name: p[name] for name in ("tau_m", "t_ref", "tau_rise", "v_threshold", "v_reset", "bias")},
    }
    drift = "-v" if p["model"] == "lif" else "v**2"
    advance = f"""
    integrates = int(step * (t_in_timesteps + 1) > t_last + t_ref)
    v += step / tau_m * integrates * ({drift} + current + bias + external(t + ahead, i)) + v_noise * randn()
    """
    if p["tau_rise"] > 0:
        advance += """
        current = current * exp(-step / tau) + h * step
        h *= exp(-step / tau_rise)
        r = r * exp(-step / tau) + h_r * step
        h_r *= exp(-step / tau_rise)
        """
        arrive, own = "h_post += w / (tau_rise * tau_post)", "h_r += 1 / (tau_rise * tau)"
    else:
        advance += """
        current *= exp(-step / tau)
        r *= exp(-step / tau)
        """
        arrive, own = "current_post += w / tau_post", "r += 1 / tau"
    units = brian2.NeuronGroup(
        n,
        "v : 1\ncurrent : 1\nh : 1\nr : 1\nh_r : 1\nt_last : 1\ntau : 1 (constant)",
        threshold="v >= v_threshold",
        reset=f"v = v_reset\nt_last = step * (t_in_timesteps + 1)\n{own}",
        namespace=constants,
    )
    units.tau = p["tau"]
    draws = np.random.default_rng(seed)
    units.v = draws.uniform(p["v_init_low"], p["v_init_high"], n) if v0 is None else v0
    units.run_regularly(advance, when="groups")
    objects = [units]
    to, by = np.nonzero(p["w"])
    if len(to):
        synapses = brian2.Synapses(units, units, "w : 1 (constant)", on_pre=arrive, namespace=constants)
        synapses.connect(i=by, j=to)
        synapses.w = p["w"][to, by]
        objects.append(synapses)
    spikes = brian2.SpikeMonitor(units)
    rates = brian2.StateMonitor(units, "r", record=True, dt=sample / 1000 * brian2.second)
    network = brian2.Network(*objects, spikes, rates)
    network.run(n_steps * dt * brian2.second)
    seconds = n_steps * dt
    return {
        "spike_unit": np.asarray(spikes.i[:]),
        "spike_time": (np.round(np.asarray(spikes.t / brian2.second) / dt) + 1) * dt * 1000,
        "rate": np.asarray(spikes.count[:]) / seconds,
        "output_time": np.asarray(rates.t / brian2.second) * 1000,
        "output": np.asarray(rates.r[:]).T @ p["w_out"].T,
    }


def main() -> None:
    """Run the network on the input of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", required=True, help="stimulus: .npy or .csv, a row per column, a value per channel")
    parser.add_argument("--out", required=True, help="result to write (.npz)")
    parser.add_argument("--seed", type=int, default=0, help="seed of voltages at the start and noise (default: 0)")
    parser.add_argument("--v_noise", type=float, help="SD of the noise of a step, mV (default: the network's)")
    arguments = parser.parse_args()
    text = arguments.inputs.endswith(".csv")
    inputs = np.loadtxt(arguments.inputs, delimiter=",", ndmin=2) if text else np.load(arguments.inputs)
    parameters = dict(np.load(Path(__file__).with_suffix(".npz")))
    result = simulate(parameters, inputs, arguments.seed, arguments.v_noise)
    np.savez(arguments.out, **result)
    print(f"wrote {arguments.out} ({len(result['spike_unit'])} spikes, mean rate {result['rate'].mean():.2f} Hz)")


if __name__ == "__main__":
    main()
