r"""A continuous-time recurrent network as plain arrays: what is trained, stored and analysed is this one description.

With u the input, z = W_rec r + W_in u + b the input of the units, and noise xi of each unit and eta of each channel:

=========  ====================================================================  =========
form       equation                                                              rate r
=========  ====================================================================  =========
rate       tau dx/dt = -x + phi(z) + xi - gamma x^3   (site "post")              x
           tau dx/dt = -x + phi(z + xi) - gamma x^3   (site "pre")
current    tau dx/dt = -x + z + xi - gamma x^3                                   phi(x)
=========  ====================================================================  =========

with u + eta in place of u, and the output y = W_out r (its own noise added to r). Euler steps of length dt, alpha =
dt / tau, make T states of T inputs: x[0] is the initial state, x[t + 1] = x[t] + alpha F(x[t], u[t]), so that the last
input has no effect, and a state has seen the inputs before it only. Per step, xi and eta have the SD
sqrt(2 / alpha) sigma: sigma_rec is then the SD of the state of a unit without input, whatever dt, up to O(alpha).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError
from rnnpipe.networks.activations import Activation

Form = Literal["rate", "current"]
NoiseSite = Literal["post", "pre"]

ARRAYS = ("w_rec", "w_in", "w_out", "b_rec", "x_init")


@dataclass(frozen=True)
class Ctrnn:
    """One network; matrices are [to, from]."""

    w_rec: NDArray[np.floating]
    """(n_units, n_units)."""
    w_in: NDArray[np.floating]
    """(n_units, n_inputs)."""
    w_out: NDArray[np.floating]
    """(n_outputs, n_units)."""
    b_rec: NDArray[np.floating]
    """(n_units,)."""
    x_init: NDArray[np.floating]
    """Initial state, (n_units,)."""
    activation: Activation
    form: Form
    tau: float
    """Time constant, ms."""
    dt: float
    """Euler step, ms."""
    saturation: float = 0.0
    """gamma, of the term -gamma x^3."""
    noise_site: NoiseSite = "post"
    sigma_rec: float = 0.0
    sigma_in: float = 0.0
    sigma_out: float = 0.0
    """SD of the noise that is added to each rate before the readout, of each step (it is not integrated)."""

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.w_rec)

    @property
    def n_inputs(self) -> int:
        """Number of input channels."""
        return self.w_in.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return len(self.w_out)

    @property
    def alpha(self) -> float:
        """Dt / tau."""
        return self.dt / self.tau

    def astype(self, dtype: Any) -> Ctrnn:
        """The same network in another precision."""
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name), dtype) for name in ARRAYS}
        return replace(self, **arrays)

    def drive(self, u: NDArray[Any]) -> NDArray[Any]:
        """Input of the units from outside, w_in u + b, (..., n_units), of inputs (..., n_inputs)."""
        return u @ self.w_in.T + self.b_rec

    def rates(self, x: NDArray[Any]) -> NDArray[Any]:
        """Rates of states, (..., n_units)."""
        return x if self.form == "rate" else self.activation(x)

    def velocity(self, x: NDArray[Any], u: NDArray[Any]) -> NDArray[Any]:
        """F = tau dx/dt without noise, (..., n_units), of states (..., n_units) under inputs (..., n_inputs)."""
        z = self.rates(x) @ self.w_rec.T + self.drive(u)
        return (self.activation(z) if self.form == "rate" else z) - x - self.saturation * x**3

    def jacobian(self, x: NDArray[Any], u: NDArray[Any]) -> NDArray[Any]:
        """dF/dx, (..., n_units, n_units) as [to, from], of states (..., n_units) under inputs (..., n_inputs)."""
        if self.form == "rate":
            slope = self.activation.derivative(x @ self.w_rec.T + self.drive(u))
            matrix = slope[..., :, None] * self.w_rec
        else:
            matrix = self.w_rec * self.activation.derivative(x)[..., None, :]
        i = np.arange(self.n_units)
        matrix[..., i, i] -= 1 + 3 * self.saturation * x**2
        return matrix

    def input_jacobian(self, x: NDArray[Any], u: NDArray[Any]) -> NDArray[Any]:
        """dF/du, (..., n_units, n_inputs)."""
        if self.form == "current":
            return np.broadcast_to(self.w_in, (*x.shape, self.n_inputs)).copy()
        return self.activation.derivative(x @ self.w_rec.T + self.drive(u))[..., None] * self.w_in

    def simulate(
        self,
        u: NDArray[Any],
        x0: NDArray[Any] | None = None,
        noise_rec: NDArray[Any] | None = None,
        noise_in: NDArray[Any] | None = None,
        noise_out: NDArray[Any] | None = None,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """States and outputs, (n_steps, n_trials, n_units or n_outputs): the reference for all engines.

        Args:
            u: Inputs, (n_steps, n_trials, n_inputs).
            x0: Initial states, (n_units,) or (n_trials, n_units); `x_init` by default.
            noise_rec: Standard normal numbers, (n_steps - 1, n_trials, n_units) or longer; by default no noise.
            noise_in: Likewise, (n_steps - 1, n_trials, n_inputs) or longer.
            noise_out: Likewise, (n_steps, n_trials, n_units).
        """
        n_steps, n_trials = u.shape[:2]
        alpha, scale = self.alpha, np.sqrt(2 / self.alpha)
        states = np.empty((n_steps, n_trials, self.n_units), self.w_rec.dtype)
        states[0] = self.x_init if x0 is None else x0
        for t in range(n_steps - 1):
            x = states[t]
            given = u[t] if noise_in is None else u[t] + scale * self.sigma_in * noise_in[t]
            xi = 0 if noise_rec is None else scale * self.sigma_rec * noise_rec[t]
            z = self.rates(x) @ self.w_rec.T + self.drive(given)
            if self.form == "current":
                pull = z + xi
            elif self.noise_site == "pre":
                pull = self.activation(z + xi)
            else:
                pull = self.activation(z) + xi
            states[t + 1] = x + alpha * (pull - x - self.saturation * x**3)
        shown = self.rates(states)
        if noise_out is not None:
            shown = shown + self.sigma_out * noise_out
        return states, shown @ self.w_out.T

    def check(self, where: str) -> Ctrnn:
        """The network itself, if its arrays fit each other.

        Raises:
            ArtefactError: A wrong shape or a value that is not finite; `where` names the file.
        """
        n = self.n_units
        n_in = self.n_inputs if self.w_in.ndim == 2 else -1
        n_out = self.n_outputs if self.w_out.ndim == 2 else -1
        shapes = {"w_rec": (n, n), "w_in": (n, n_in), "w_out": (n_out, n), "b_rec": (n,), "x_init": (n,)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ArtefactError(f"{where}: {name} has shape {array.shape}, expected {shape} for {n} units.")
            if not np.isfinite(array).all():
                raise ArtefactError(f"{where}: {name} holds NaN or infinite values; train the network again.")
        if not 0 < self.dt <= self.tau:
            raise ArtefactError(f"{where}: dt = {self.dt:g} ms and tau = {self.tau:g} ms; expected 0 < dt <= tau.")
        return self
