"""Speed of supervised training of rate networks: the engine, a plain loop, and what the products alone would take.

Go-NoGo of one second with 200 units, one trial an update, as the published networks are trained. The engine's updates
become faster as connections die; it is measured from the first update on and again once few are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.bench.measure import Measurement, seconds
from rnnpipe.memory import keep_freed_memory
from rnnpipe.networks import rate_reference as reference
from rnnpipe.networks.engines import hold_libraries, thread_pool
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.rate_parameters import TRAINED
from rnnpipe.networks.rate_products import lay_out, multiply, padded
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.training.bptt import Ensemble, Member
from rnnpipe.training.bptt_settings import BpttSettings

TASK = "go_nogo"
PER_ADVANCE = 100
"""Updates between evaluations, as in the published trainings."""
LATER = 800
"""Updates after which few connections are left."""


def ensemble(n_networks: int, n_units: int, task: AnalogTask, evaluation_trials: int = 100) -> Ensemble:
    """Networks that go on training for ever, the first update of each made."""
    learning = BpttSettings(
        max_trials=10**7,
        evaluation_interval=PER_ADVANCE,
        evaluation_trials=evaluation_trials,
        loss_threshold=1e-9,
        record_states=False,
    )
    made = Ensemble(task, RateSettings(n_units=n_units), learning, list(range(n_networks)))
    made.advance(map)
    return made


class PlainLoop:
    """Training in plain PyTorch, a step at a time, differentiated by autograd, in single precision; a call: an update.

    Args:
        task: The task.
        network: The network to start from; it is not changed.
        settings: Where the SDs of the noise are.
    """

    def __init__(self, task: AnalogTask, network: RateNetwork, settings: RateSettings) -> None:
        self.task, self.network, self.settings = task, network, settings
        fixed = ("sign", "mask", "w_in", "b_rec")
        self.w = {name: torch.tensor(getattr(network, name)) for name in (*TRAINED, *fixed)}
        self.adam = torch.optim.Adam([self.w[name].requires_grad_() for name in TRAINED], lr=0.01)
        self.rng = np.random.default_rng(0)

    def __call__(self) -> None:
        """Make an update on a fresh trial."""
        network, trials = self.network, self.task.sample(self.rng, 1)
        target = torch.from_numpy(self.task.output_target(trials)[..., None])
        inputs, n_states, n = torch.from_numpy(trials.inputs), trials.n_steps - 1, network.n_units
        alpha = network.dt / reference.time_constants(self.w, network.tau_min, network.tau_max)
        x0, noise = self.settings.sigma_init * torch.randn(1, n), self.settings.sigma_rec * torch.randn(n_states, 1, n)
        _, rates = reference.states(self.w, inputs, x0, noise, alpha, network.dale, network.activation)
        self.adam.zero_grad()
        loss = reference.loss(reference.outputs(self.w, rates), target, "l2").mean()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()


@numba.njit(nogil=True, cache=True)
def _sparse(times: int, layout: Any, layout_t: Any, v: Any, out: Any) -> None:
    for _ in range(times):
        multiply(*layout, v, out)
        multiply(*layout_t, out, v)


@numba.njit(nogil=True, cache=True)
def _full(times: int, w: Any, w_t: Any, v: Any, out: Any) -> None:
    for _ in range(times):
        np.dot(w, v, out)
        np.dot(w_t, out, v)


def layouts(w: NDArray[np.float32]) -> list[tuple[NDArray[np.float32], Any, Any]]:
    """A matrix and its transpose as the engine multiplies by them."""
    rows, columns = np.nonzero(w)
    start = np.concatenate([[0], np.cumsum((w != 0).sum(1))]).astype(np.int64)
    made = []
    for transposed in (False, True):
        value, column, span, slot = lay_out(start, columns.astype(np.int32), padded(len(w)), transposed)
        single = value.astype(np.float32)
        single[slot] = w[rows, columns]
        made.append((single, column, span))
    return made


def recurrent_products(w: NDArray[np.float32], n_steps: int, repetitions: int) -> tuple[float, float]:
    """Time of the step-by-step products of an update, there and back, s: over connections, and by whole matrices."""
    forward, back = layouts(0.1 * w)
    v, out = (np.zeros(padded(len(w)), np.float32) for _ in range(2))
    full, full_t = np.ascontiguousarray(0.1 * w), np.ascontiguousarray(0.1 * w.T)
    short, short_out = (np.zeros(len(w), np.float32) for _ in range(2))
    return (
        seconds(lambda: _sparse(n_steps, forward, back, v, out), repetitions),
        seconds(lambda: _full(n_steps, full, full_t, short, short_out), repetitions),
    )


def speeds(made: Ensemble, threads: int, repetitions: int) -> tuple[float, float]:
    """Training trials per second, evaluations included: of the first updates, and once few connections are left."""
    with thread_pool(threads) as pool:

        def advance() -> None:
            made.advance(pool.map if threads > 1 else map)

        first = seconds(advance, 1, warm_up=0)
        later = seconds(advance, repetitions, warm_up=LATER // PER_ADVANCE - 1)
    trials = PER_ADVANCE * len(made.members)
    return trials / first, trials / later


def measure_bptt(threads: tuple[int, ...], repetitions: int, n_units: int = 200) -> Iterator[Measurement]:
    """Training trials per second of the plain loop and of the engine with one network a thread.

    `bptt_first` and `bptt_later` include evaluations of one trial, `bptt_whole` such of 100 trials as published
    trainings make. The ceilings are the products with the recurrent matrix that the equations of an update need one
    after the other, alone: over the connections that are left, and by whole matrices.
    """
    keep_freed_memory()
    hold_libraries()
    task = trial_task_class(TASK)()
    assert isinstance(task, AnalogTask)
    settings, few = RateSettings(n_units=n_units), max(3, repetitions // 3)
    ensemble(1, n_units, task).advance(map)  # compiles the kernels
    network = Member(task, settings, BpttSettings(), 0).first
    plain = 1 / seconds(PlainLoop(task, network, settings), few)
    yield Measurement("bptt_plain", plain, "trials/s", 1, few)
    for count in threads:
        made = ensemble(count, n_units, task, evaluation_trials=1)
        first, later = speeds(made, count, few)
        _, whole = speeds(ensemble(count, n_units, task), count, few)
        for name, rate, n in (("first", first, 1), ("later", later, few), ("whole", whole, few)):
            yield Measurement(f"bptt_{name}", rate, "trials/s", count, n, rate / plain, "bptt_plain")
        if count == 1:
            one = made.members[0]
            yield Measurement("bptt_density_later", one.learner.density, "fraction of connections", 1, 1)
            times = recurrent_products(one.network().w_rec.astype(np.float32), task.n_steps - 2, few)
            for name, time in zip(("sparse", "full"), times, strict=True):
                yield Measurement(f"bptt_products_{name}", 1 / time, "trials/s", 1, few, later * time, "bptt_later")
