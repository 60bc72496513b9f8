r"""A rate network under one constant input as an autonomous flow, in float64: what is searched, traced and certified.

All networks are brought to one equation of their fixed points, in the rates x:

.. math:: F(x) = -x + \psi(W x + c), \qquad J = -1 + D W, \qquad D = \mathrm{diag}\,\psi'(W x + c)

with c the input and bias. Solvers work on it. *States* y are the network's own variable: the rates in the rate form,
the currents h in the current form, related to a fixed point by x = phi(h) and h = s^-1(W x + c) (s^-1 is the identity
without saturation, see `response`). The network's own flow is

.. math:: \tau_i \dot y_i = f_i(y), \; f = -y - \gamma y^3 + \phi(W y + c) \text{ or } -y - \gamma y^3 + W \phi(y) + c

and stability is that of diag(time_unit / tau_i) df/dy, in units of 1 / `time_unit` (the time constant where units share
it, else the mean), or of the Euler map y + dt / tau f. In both forms the output is W_out x + b_out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.fixed_points.response import Array, Capped, Plain, Response, Saturated
from rnnpipe.networks.activations import Activation
from rnnpipe.networks.ctrnn import Ctrnn, Form
from rnnpipe.networks.rate_network import RateNetwork


@dataclass(frozen=True)
class Flow:
    """One network under one constant input."""

    w: Array
    """Recurrent weights, w[to, from]."""
    w_in: Array
    """(n_units, n_inputs)."""
    b: Array
    """Bias, (n_units,)."""
    w_out: Array
    """(n_outputs, n_units)."""
    b_out: Array
    """(n_outputs,)."""
    u: Array
    """The input, (n_inputs,)."""
    phi: Response
    """The activation."""
    form: Form
    """Which variable is the network's state: "rate" or "current"."""
    tau: Array
    """Time constant of each unit, ms, (n_units,)."""
    dt: float
    """Euler step of the network, ms."""
    gamma: float = 0.0
    """Of the saturation -gamma y^3."""

    @classmethod
    def of(cls, network: Ctrnn | RateNetwork, u: Any) -> Flow:
        """The flow of a network under an input, (n_inputs,).

        Raises:
            ArtefactError: A weight is not finite or the shapes do not fit.
            SettingsError: The input has another length or is not finite.
        """
        network.check("the network")
        n = network.n_units
        w_in, w_out = np.asarray(network.w_in, np.float64), np.asarray(network.w_out, np.float64)
        common: dict[str, Any] = {
            "w": np.asarray(network.w_rec, np.float64),
            "w_in": w_in,
            "w_out": w_out,
            "dt": float(network.dt),
        }
        common |= {"b": np.asarray(network.b_rec, np.float64), "u": _input(u, network.n_inputs)}
        if isinstance(network, RateNetwork):
            sigmoid = network.activation == "sigmoid"
            phi: Response = Plain(Activation("sigmoid")) if sigmoid else Capped(network.activation)
            tau, b_out = np.asarray(network.tau, np.float64), np.asarray(network.b_out, np.float64)
            return cls(**common, phi=phi, form="current", tau=np.broadcast_to(tau, n), b_out=b_out)
        if network.saturation < 0:
            raise ArtefactError(f"the network: saturation = {network.saturation:g}; expected 0 or more.")
        tau, b_out = np.full(n, float(network.tau)), np.zeros(len(w_out))
        phi, gamma = Plain(network.activation), float(network.saturation)
        return cls(**common, phi=phi, form=network.form, tau=tau, b_out=b_out, gamma=gamma)

    def with_input(self, u: Any) -> Flow:
        """The same network under another input."""
        return replace(self, u=_input(u, self.w_in.shape[1]))

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.w)

    @cached_property
    def c(self) -> Array:
        """Input of each unit from outside, w_in u + b, (n_units,)."""
        return self.w_in @ self.u + self.b

    @cached_property
    def psi(self) -> Response:
        """The nonlinearity of the fixed-point equation."""
        return Saturated(self.phi, self.gamma, self.form == "rate") if self.gamma else self.phi

    @property
    def time_unit(self) -> float:
        """Mean time constant, ms: eigenvalues are in units of its inverse."""
        return float(self.tau.mean())

    @property
    def alpha(self) -> Array:
        """Dt / tau of each unit."""
        return self.dt / self.tau

    @property
    def odd(self) -> bool:
        """Whether the flow is odd, F(-x) = -F(x)."""
        return self.psi.odd and not self.c.any()

    # the fixed-point equation, in rates

    def z(self, x: Array) -> Array:
        """Inputs W x + c of the units, (..., n_units)."""
        return x @ self.w.T + self.c

    def velocity(self, x: Array) -> Array:
        """F(x), (..., n_units)."""
        return self.psi(self.z(x)) - x

    def slope(self, x: Array) -> Array:
        """The diagonal of D, psi'(W x + c), (..., n_units)."""
        return self.psi.derivative(self.z(x))

    def jacobian(self, x: Array, slope: Array | None = None) -> Array:
        """J = -1 + D W, (..., n_units, n_units); `slope` replaces the diagonal of D (one side of a kink)."""
        slope = self.slope(x) if slope is None else slope
        return _less_identity(slope[..., :, None] * self.w)

    def input_jacobian(self, x: Array) -> Array:
        """dF/du = D W_in, (..., n_units, n_inputs); a fixed point moves by dx/du = -J^-1 D W_in."""
        return self.slope(x)[..., None] * self.w_in

    def outputs(self, x: Array) -> Array:
        """W_out x + b_out, (..., n_outputs)."""
        return x @ self.w_out.T + self.b_out

    # the network's own variable

    def state(self, x: Array) -> Array:
        """The network's states of some fixed points, (..., n_units)."""
        if self.form == "rate":
            return x
        z = self.z(x)
        return self.psi.rest(z) if isinstance(self.psi, Saturated) else z

    def rates(self, y: Array) -> Array:
        """Rates of states, (..., n_units)."""
        return y if self.form == "rate" else self.phi(y)

    def state_velocity(self, y: Array) -> Array:
        """f(y) = tau dy/dt, (..., n_units)."""
        z = self.z(self.rates(y))
        pull = (self.phi(z) if self.form == "rate" else z) - y
        return pull - self.gamma * y**3 if self.gamma else pull

    def state_jacobian(self, y: Array, slope: Array | None = None) -> Array:
        """df/dy, (..., n_units, n_units); `slope` replaces the derivatives of phi (one side of a kink)."""
        if self.form == "rate":
            slope = self.phi.derivative(self.z(y)) if slope is None else slope
            matrix = slope[..., :, None] * self.w
        else:
            slope = self.phi.derivative(y) if slope is None else slope
            matrix = slope[..., None, :] * self.w
        return _less_identity(matrix, 3 * self.gamma * y**2 if self.gamma else None)

    def stability_matrix(self, y: Array, slope: Array | None = None) -> Array:
        """diag(time_unit / tau) df/dy, whose eigenvalues lambda are the rates of growth per `time_unit`."""
        return (self.time_unit / self.tau)[:, None] * self.state_jacobian(y, slope)

    def map_eigenvalues(self, eigenvalues: NDArray[Any]) -> NDArray[Any]:
        """Those of the Euler map, 1 + dt / time_unit lambda, of eigenvalues lambda of the flow."""
        return 1 + self.dt / self.time_unit * eigenvalues

    def step(self, y: Array) -> Array:
        """The network's next states without noise, (..., n_units)."""
        return y + self.alpha * self.state_velocity(y)

    def left_in_currents(self, left: Array, x: Array) -> Array:
        """Left vectors of the current form, l_H = D l_S, from those of the rate form at x, (..., n_units).

        From l_S^T D W = lambda l_S^T: l_H can be compared with columns of W_in, l_S cannot. It holds where units share
        a time constant and do not saturate.
        """
        return self.slope(x) * left


def _less_identity(matrix: Array, more: Array | None = None) -> Array:
    i = np.arange(matrix.shape[-1])
    matrix[..., i, i] -= 1 if more is None else 1 + more
    return matrix


def _input(u: Any, n_inputs: int) -> Array:
    values = np.asarray(u, np.float64)
    if values.shape != (n_inputs,):
        raise SettingsError(f"input has shape {values.shape}, expected ({n_inputs},): one value an input channel.")
    if not np.isfinite(values).all():
        raise SettingsError("input holds NaN or infinite values; give finite ones.")
    return values
