"""Speed of the spiking networks: the engine, the plain step-by-step loop, and the work that no engine can avoid."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from rnnpipe.bench.measure import Measurement, seconds
from rnnpipe.networks import lif, lif_kernels, lif_reference, random_kernels
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_network import RateNetwork

Array = NDArray[Any]

N_UNITS = 200
N_COLUMNS = 201
"""Input columns of a Go-NoGo trial of one second, every 5 ms."""

WINDOW = 0.5
"""Start of the window in which outputs count, as a fraction of the trial."""

FACTOR = 30.0
N_TRIALS = 48
"""Trials of a batch."""


def dale_network(n_units: int = N_UNITS) -> RateNetwork:
    """A random network under Dale's principle with as many connections, and about as many spikes, as a trained one."""
    rng = np.random.default_rng(0)
    sign = np.where(rng.random(n_units) < 0.2, -1.0, 1.0)
    w = 0.6 * np.abs(rng.standard_normal((n_units, n_units))) * (rng.random((n_units, n_units)) < 0.06)
    return RateNetwork(
        w=w * np.where(sign < 0, 6, 1),
        sign=sign,
        mask=np.ones((n_units, n_units)),
        w_in=rng.standard_normal((n_units, 1)),
        w_out=0.1 * rng.standard_normal((1, n_units)),
        b_out=np.zeros(1),
        b_rec=np.full(n_units, -2.0),
        gamma=rng.standard_normal(n_units),
        tau_min=20.0,
        tau_max=50.0,
        activation="sigmoid",
        dt=5.0,
    )


def go_trial(n_columns: int = N_COLUMNS) -> Array:
    """Input of a Go trial, (n_columns, 1, 1)."""
    inputs = np.zeros((n_columns, 1, 1))
    inputs[n_columns // 4 : 3 * n_columns // 8] = 1
    return inputs


def trials(n: int) -> lif.Rows:
    """Repeated simulations of one trial."""
    return lif.Rows(np.zeros(n, int), np.zeros(n, int), np.full(n, FACTOR), np.arange(n).astype(np.uint64))


@numba.njit(nogil=True, cache=True)
def _normal(times: int, lanes: Any, numbers: Any) -> None:
    for _ in range(times):
        random_kernels.normal(lanes, numbers)


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _stream(times: int, changed: Any, one: Any, other: Any) -> None:
    for _ in range(times):
        for k in range(len(changed)):
            x, a, b = changed[k], one[k], other[k]
            for j in range(len(x)):
                x[j] = x[j] * a[j] + b[j]


def unavoidable(n_units: int, repetitions: int) -> tuple[float, float]:
    """Time per unit and step, s, of what a simulation has to do at the least.

    Returns:
        Time of a normal number; and of a pass over the state, which is three variables that change (voltage, current,
        rate), each from two arrays that are read.
    """
    lanes = np.empty((4, random_kernels.LANES), np.uint32)
    random_kernels.start_lanes(np.uint64(0), lanes)
    numbers = np.empty(lif_kernels.BUFFER, np.float32)
    fills = 500
    normal = seconds(partial(_normal, fills, lanes, numbers), repetitions) / (fills * len(numbers))
    one, other, changed = (np.full((3, n_units), value, np.float32) for value in (0.5, 1.0, 1.0))
    steps = 10000
    stream = seconds(partial(_stream, steps, changed, one, other), repetitions) / (steps * n_units)
    return normal, stream


def measure_lif(
    threads: tuple[int, ...], repetitions: int, n_units: int = N_UNITS, n_columns: int = N_COLUMNS
) -> Iterator[Measurement]:
    """Simulated time per wall time of one trial and of batches, against the plain loop and against the machine's limit.

    The limit is what making the noise and passing over the state once a step would take, each measured alone.
    """
    network, inputs, settings = dale_network(n_units), go_trial(n_columns), LifSettings()
    n_steps = lif_reference.steps_per_column(network.dt, settings) * (n_columns - 1)
    simulated, unit_steps = n_steps * settings.step / 1000, n_steps * n_units
    window = (1000 * WINDOW * simulated, None)
    drawn = lif.draws(0, n_units, n_steps, settings)

    def plain() -> None:
        lif_reference.simulate(network, inputs[:, 0], FACTOR, settings, drawn.v0, drawn.noise)

    def engine(n: int, count: int) -> None:
        lif.simulate([network], inputs, trials(n), settings, window, threads=count)

    few = min(3, repetitions)
    reference = simulated / seconds(plain, few, warm_up=0)
    yield Measurement("lif_reference", reference, "simulated s/s", 1, few)
    one = simulated / seconds(partial(engine, 1, 1), repetitions)
    yield Measurement("lif_trial", one, "simulated s/s", 1, repetitions, one / reference, "lif_reference")
    normal, stream = unavoidable(n_units, repetitions)
    yield Measurement("lif_noise_alone", 1e9 * normal, "ns/unit/step", 1, repetitions)
    yield Measurement("lif_state_alone", 1e9 * stream, "ns/unit/step", 1, repetitions)
    batches = max(3, repetitions // 5)
    for count in threads:
        speed = N_TRIALS * simulated / seconds(partial(engine, N_TRIALS, count), batches)
        yield Measurement("lif_batch", speed, "simulated s/s", count, batches, speed / reference, "lif_reference")
        each = count / (speed / simulated * unit_steps)
        limit = "lif_noise_alone + lif_state_alone per thread"
        yield Measurement("lif_unit_step", 1e9 * each, "ns/unit/step", count, batches, (normal + stream) / each, limit)
