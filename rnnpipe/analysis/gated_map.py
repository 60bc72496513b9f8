r"""The gated network without noise as a map of its state, in float64, with derivatives.

For a constant input the map is

.. math::
    x' = x + \alpha \lambda(x) \, G(x), \qquad G(x) = -x + W (\gamma(r) r) + V u + b, \qquad r = [x]_+

and because the update gate lambda is positive, its fixed points are exactly the zeros of G.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Eqs. 34-37.
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
class GatedMap:
    """A gated network with one input held constant. States are (n, n_units)."""

    w_gates: Array
    """Weights onto the gates, rows [lambda | gamma], (2 n_units, n_units)."""
    w_rec: Array
    """Recurrent weights, w[to, from]."""
    drive: Array
    """Input and bias of [state | lambda | gamma], (3 n_units,); or (n, 3 n_units), one input per state."""
    dt: float
    """Step, ms."""
    tau: float
    """Time constant of the units, ms."""

    kinked: ClassVar[bool] = True
    """Rectification has a kink where a unit's state is 0."""

    @classmethod
    def of(cls, policy: Mapping[str, Any], u: Array, dt: float, tau: float) -> GatedMap:
        """The map of a policy network (effective weights by name) under an input, (n_inputs,) or (n, n_inputs)."""
        w = {name: np.asarray(policy[name], dtype=np.float64) for name in ("w_in", "b_in", "w_gates", "w_rec")}
        return cls(w["w_gates"], w["w_rec"], u @ w["w_in"].T + w["b_in"], dt, tau)

    @property
    def alpha(self) -> float:
        """Dt / tau."""
        return self.dt / self.tau

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.w_rec)

    def gates(self, x: Array) -> tuple[Array, Array]:
        """The gates lambda and gamma, (n, n_units) each."""
        both = expit(np.maximum(x, 0) @ self.w_gates.T + self.drive[..., self.n_units :])
        return both[..., : self.n_units], both[..., self.n_units :]

    def pull(self, x: Array) -> Array:
        """G(x), how far the state is from what drives it; zero at fixed points, (n, n_units)."""
        gamma = self.gates(x)[1]
        return (gamma * np.maximum(x, 0)) @ self.w_rec.T + self.drive[..., : self.n_units] - x

    def step(self, x: Array, noise: Array | float = 0.0) -> Array:
        """The next state, (n, n_units)."""
        return x + self.alpha * self.gates(x)[0] * (self.pull(x) + noise)

    def relax(self, x: Array, duration: float) -> Array:
        """The state after some time (ms) without noise, (n, n_units)."""
        for _ in range(round(duration / self.dt)):
            x = self.step(x)
        return x

    def pull_jacobian(self, x: Array, active: NDArray[np.bool_] | None = None) -> Array:
        """DG / dx, (n, n_units, n_units).

        Args:
            x: States.
            active: Units that count as active, by default those with x > 0; it matters only where x = 0, where
                the rectification has a kink and G two one-sided derivatives.
        """
        on = (x > 0) if active is None else active
        r, gamma = np.maximum(x, 0), self.gates(x)[1]
        through_gate = (self.w_rec * (r * gamma * (1 - gamma))[:, None, :]) @ self.w_gates[self.n_units :]
        jacobian = (through_gate + self.w_rec * gamma[:, None, :]) * on[:, None, :]
        jacobian[:, np.arange(self.n_units), np.arange(self.n_units)] -= 1
        return np.asarray(jacobian)

    def step_jacobian(self, x: Array, active: NDArray[np.bool_] | None = None) -> Array:
        """Dx' / dx, (n, n_units, n_units); `active` as in `pull_jacobian`."""
        on = (x > 0) if active is None else active
        lam = self.gates(x)[0]
        along_gate = (self.pull(x) * lam * (1 - lam))[:, :, None] * self.w_gates[: self.n_units] * on[:, None, :]
        jacobian = self.alpha * (lam[:, :, None] * self.pull_jacobian(x, active) + along_gate)
        jacobian[:, np.arange(self.n_units), np.arange(self.n_units)] += 1
        return np.asarray(jacobian)
