"""The matrix products that the equations of an update need: how many operations, and how fast they are alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from rnnpipe.training.policy_gradient import PolicyGradient


@dataclass(frozen=True)
class Product:
    """A product of an (m, k) with a (k, n) matrix that is made a number of times."""

    m: int
    k: int
    n: int
    times: int = 1

    @property
    def flop(self) -> float:
        """Multiplications and additions."""
        return 2.0 * self.m * self.k * self.n * self.times


def _gated(n_trials: int, n_steps: int, n_units: int, n_in: int, n_out: int) -> Iterator[Product]:
    rows = n_trials * (n_steps - 1)
    # step by step, there and back: gates, recurrent input
    yield Product(n_trials, n_units, 2 * n_units, n_steps - 1)
    yield Product(n_trials, n_units, n_units, n_steps - 1)
    yield Product(n_trials, 2 * n_units, n_units, n_steps - 1)
    yield Product(n_trials, n_units, n_units, n_steps - 1)
    # all steps at once: input projections; gradients of the input, recurrent and gate weights
    yield Product(rows, n_in, 3 * n_units)
    yield Product(3 * n_units, rows, n_in)
    yield Product(n_units, rows, n_units)
    yield Product(2 * n_units, rows, n_units)
    yield from _readout(rows + n_trials, n_units, n_out)


def _readout(rows: int, n_units: int, n_out: int) -> Iterator[Product]:
    """Outputs and the gradient of their weights."""
    yield Product(rows, n_units, n_out)
    yield Product(n_out, rows, n_units)


def update_products(made: PolicyGradient) -> list[Product]:
    """The products of an update of both networks on full-length trials, as dense products.

    What reaches the readout from its gradient is left out: a vector times a number for each row.
    """
    n_trials, n_steps = made.trials_per_update, made.task.n_steps
    n_units, n_actions = len(made.policy["x0"]), len(made.task.action_names)
    products = list(_gated(n_trials, n_steps, n_units, len(made.task.input_names), n_actions))
    if "w_rec" in made.value:
        return [*products, *_gated(n_trials, n_steps, len(made.value["x0"]), n_units + n_actions, 1)]
    return [*products, *_readout(n_trials * n_steps, n_units + n_actions, 1)]


@numba.njit(nogil=True, cache=True)
def _multiply(times: int, a: Any, b: Any, out: Any) -> None:
    for _ in range(times):
        np.dot(a, b, out)


def multiplier(products: list[Product]) -> Callable[[], None]:
    """A function that makes the products and nothing else: compiled as those of the engine are, one matrix each."""
    rng = np.random.default_rng(0)
    prepared = []
    for p in products:
        a, b = (rng.standard_normal(shape, dtype=np.float32) for shape in ((p.m, p.k), (p.k, p.n)))
        prepared.append((p.times, a, b, np.empty((p.m, p.n), np.float32)))

    def multiply() -> None:
        for times, a, b, out in prepared:
            _multiply(times, a, b, out)

    return multiply
