"""Speed of supervised training of continuous-time networks: the engine, the products alone, a plain loop.

An update: forward with noise, loss, gradient. The ceiling are the products that its equations need, alone, in the
shapes in which they come, by the BLAS that SciPy ships, each thread with its share of the trials. Rates are operations
of these products by time. The fastest of several repetitions counts, in turn with its rival: others may be computing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rnnpipe.bench.measure import Measurement
from rnnpipe.bench.products import Product, multiplier
from rnnpipe.networks import ctrnn_reference as reference
from rnnpipe.networks.activations import Activation, ActivationName
from rnnpipe.networks.ctrnn import ARRAYS, Ctrnn
from rnnpipe.networks.ctrnn_engine import CtrnnEngine
from rnnpipe.networks.engines import hold_libraries, thread_pool


@dataclass(frozen=True)
class Case:
    """Sizes of an update."""

    n_units: int
    n_steps: int
    n_trials: int
    n_in: int
    n_out: int
    activation: ActivationName = "tanh"

    def products(self, n_trials: int) -> list[Product]:
        """The products of an update of some of the trials, see the backward pass in `ctrnn_kernels`."""
        n, rows, shown = self.n_units, n_trials * (self.n_steps - 1), n_trials * self.n_steps
        return [
            Product(n_trials, n, n, self.n_steps - 1),  # forward, step by step
            Product(n_trials, n, n, self.n_steps - 2),  # and back
            Product(rows, self.n_in, n),  # input
            Product(shown, n, self.n_out),  # output
            Product(shown, self.n_out, n),  # what reaches the rates from it
            Product(n, rows, n),  # gradients of the recurrent weights, those of inputs and those of the output
            Product(n, rows, self.n_in),
            Product(self.n_out, shown, n),
        ]

    @property
    def flop(self) -> float:
        """Multiplications and additions of an update."""
        return sum(product.flop for product in self.products(self.n_trials))


CASES = {
    "flip_flop_2": Case(50, 200, 256, 2, 2),
    "flip_flop_3": Case(50, 200, 256, 3, 3),
    "memory_number": Case(50, 320, 352, 2, 1),
    "memory_angle": Case(50, 320, 396, 3, 2),
    "dmts": Case(50, 120, 256, 2, 2, "relu"),
    "cddm": Case(75, 600, 338, 6, 2, "relu"),
    "100_units": Case(100, 300, 450, 6, 2, "relu"),
    "256_units": Case(256, 100, 512, 6, 2, "relu"),
    "1000_units": Case(1000, 20, 512, 6, 2, "relu"),
}
"""Networks of the published trainings of Engel's group (2023), and larger ones."""

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


def network(case: Case) -> Ctrnn:
    """A network whose activity neither dies nor explodes, with the published trainings' noise."""
    rng = np.random.default_rng(0)
    n = case.n_units
    return Ctrnn(
        w_rec=(0.8 / np.sqrt(n) * rng.standard_normal((n, n))).astype(np.float32),
        w_in=(rng.standard_normal((n, case.n_in)) / np.sqrt(n)).astype(np.float32),
        w_out=(rng.standard_normal((case.n_out, n)) / np.sqrt(n)).astype(np.float32),
        b_rec=np.zeros(n, np.float32),
        x_init=np.zeros(n, np.float32),
        activation=Activation(case.activation),
        form="rate",
        tau=10.0,
        dt=1.0,
        sigma_rec=0.03,
        sigma_in=0.03,
    )


def batch(case: Case) -> Batch:
    """Inputs, target and mask of any content."""
    rng = np.random.default_rng(1)
    shapes = [(case.n_steps, case.n_trials, m) for m in (case.n_in, case.n_out)]
    inputs, target = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
    return inputs, target, np.ones((case.n_steps, case.n_trials), np.float32)


def plain_update(made: Ctrnn, data: Batch) -> Callable[[], None]:
    """An update in plain PyTorch, differentiated by autograd."""
    w = {name: torch.tensor(getattr(made, name), requires_grad=True) for name in ARRAYS}
    inputs, target, mask = map(torch.from_numpy, data)

    def update() -> None:
        for value in w.values():
            value.grad = None
        noise = torch.randn(*inputs.shape[:2], made.n_units), torch.randn(inputs.shape), None
        reference.loss(made, w, inputs, target, mask, noise)[0].backward()  # type: ignore[no-untyped-call]

    return update


def fastest(functions: list[Callable[[], object]], repetitions: int) -> list[float]:
    """Shortest wall times of several functions that are called in turn, s."""
    best = [np.inf] * len(functions)
    for function in functions:
        function()
    for _ in range(repetitions):
        for k, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[k] = min(best[k], time.perf_counter() - start)
    return best


def measure_ctrnn(
    threads: tuple[int, ...], repetitions: int, cases: dict[str, Case] | None = None
) -> Iterator[Measurement]:
    """Rates of the engine and of the products alone for each case, and of the plain loop for those of small networks.

    Args:
        threads: Thread counts to try; the plain loop has the largest one.
        repetitions: Timed repetitions; the plain loop, which is slow, is repeated twice.
        cases: What to measure, CASES by default.
    """
    hold_libraries()
    for name, case in (CASES if cases is None else cases).items():
        made, data = network(case), batch(case)
        p, giga = {key: getattr(made, key) for key in ARRAYS}, case.flop / 1e9
        rate = 0.0
        for count in threads:
            with thread_pool(count) as pool:
                engine = CtrnnEngine(made, pool.map if count > 1 else map)
                products = [multiplier(case.products(-(-case.n_trials // count))) for _ in range(count)]

                def multiply(pool=pool, products=products) -> None:  # type: ignore[no-untyped-def]
                    list(pool.map(lambda product: product(), products))

                def update(engine=engine, p=p, data=data) -> None:  # type: ignore[no-untyped-def]
                    engine.update(p, *data, seed=0)

                alone, time_ = fastest([multiply, update], repetitions)
            rate = giga / time_
            yield Measurement(f"ctrnn_{name}_products", giga / alone, "Gflop/s", count, repetitions)
            yield Measurement(
                f"ctrnn_{name}", rate, "Gflop/s", count, repetitions, alone / time_, f"ctrnn_{name}_products"
            )  # fmt: skip
        torch.set_num_threads(max(threads))
        (plain,) = fastest([plain_update(made, data)], 2)
        torch.set_num_threads(1)
        yield Measurement(
            f"ctrnn_{name}_plain", giga / plain, "Gflop/s", max(threads), 2, giga / plain / rate, f"ctrnn_{name}"
        )
