r"""An LSTM under a constant input as a map of its state (h, c), in float64, with derivatives.

.. math::
    c' = \sigma(f) c + \sigma(i) \tanh g, \qquad h' = \sigma(o) \tanh c', \qquad
    (i, f, g, o) = W h + V u + b

At a fixed point c = sigma(i) tanh(g) / (1 - sigma(f)), so that h and the input tell all of it.

References: Hochreiter & Schmidhuber (1997) Neural Comput 9:1735; the form with a forget gate, as in PyTorch, Gers,
Schmidhuber & Cummins (2000) Neural Comput 12:2451.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LstmMap:
    """An LSTM with one input held constant. States are (n, n_units): h and behind it c, half of the units each."""

    w_rec: Array
    """Weights from h onto i, f, g and o, (4 n, n) of n cells."""
    drive: Array
    """Input and biases of these, (4 n,)."""
    dt: float
    """Step, ms."""

    kinked: ClassVar[bool] = False
    """The map is smooth."""

    @classmethod
    def of(cls, weights: Mapping[str, Any], u: Array, dt: float, prefix: str = "lstm_actor.") -> LstmMap:
        """The map of an agent's LSTM of one layer (PyTorch's names of weights) under an input, (n_inputs,)."""
        w_in, w_rec, b_in, b_rec = (
            np.asarray(weights[f"{prefix}{name}_l0"], np.float64)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        return cls(w_rec, w_in @ u + b_in + b_rec, dt)

    @property
    def n_units(self) -> int:
        """Numbers of a state: twice the cells."""
        return 2 * self.w_rec.shape[1]

    def step(self, x: Array) -> Array:
        """The next state, (n, n_units)."""
        h, c = np.split(x, 2, axis=1)
        i, f, g, o = np.split(h @ self.w_rec.T + self.drive, 4, axis=1)
        after = expit(f) * c + expit(i) * np.tanh(g)
        return np.concatenate([expit(o) * np.tanh(after), after], axis=1)

    def pull(self, x: Array) -> Array:
        """How far a step moves the state; zero at fixed points, (n, n_units)."""
        return self.step(x) - x

    def relax(self, x: Array, duration: float) -> Array:
        """The state after some time (ms), (n, n_units)."""
        for _ in range(round(duration / self.dt)):
            x = self.step(x)
        return x

    def step_jacobian(self, x: Array, active: NDArray[np.bool_] | None = None) -> Array:
        """Dx' / dx, (n, n_units, n_units); `active` is for maps with kinks."""
        n = self.w_rec.shape[1]
        h, c = np.split(x, 2, axis=1)
        z = np.split(h @ self.w_rec.T + self.drive, 4, axis=1)
        i, f, o, g = expit(z[0]), expit(z[1]), expit(z[3]), np.tanh(z[2])
        after = np.tanh(f * c + i * g)
        w_i, w_f, w_g, w_o = np.split(self.w_rec, 4)
        jacobian = np.zeros((len(x), 2 * n, 2 * n))
        by_h = (
            (i * (1 - i) * g)[:, :, None] * w_i
            + (f * (1 - f) * c)[:, :, None] * w_f
            + (i * (1 - g**2))[:, :, None] * w_g
        )
        through = o * (1 - after**2)
        diagonal = np.arange(n)
        jacobian[:, n:, :n] = by_h
        jacobian[:, n + diagonal, n + diagonal] = f
        jacobian[:, :n, :n] = through[:, :, None] * by_h + (o * (1 - o) * after)[:, :, None] * w_o
        jacobian[:, diagonal, n + diagonal] = through * f
        return jacobian

    def pull_jacobian(self, x: Array, active: NDArray[np.bool_] | None = None) -> Array:
        """Derivative of `pull`, (n, n_units, n_units)."""
        return self.step_jacobian(x) - np.eye(self.n_units)
