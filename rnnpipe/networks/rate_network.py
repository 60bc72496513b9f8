r"""A rate network as plain arrays: what is trained, stored, mapped to spikes and analysed is this one description.

.. math::
    \tau_i \dot x_i = -x_i + \sum_j W_{ij} r_j + b_i + \sum_k W_{in,ik} u_k, \quad r = \phi(x), \quad
    o = W_{out} r + b_{out}

The recurrent matrix is W_ij = w_ij s_j M_ij: magnitudes w (not negative under Dale's principle), the sign s of the
presynaptic unit, and a mask M of absent connections.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Eqs. 1-4 and the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError

Activation = Literal["sigmoid", "clipped_relu", "softplus"]

CAP = 20.0
"""Largest rate of `clipped_relu` and `softplus` (in the authors' code; the paper does not mention it)."""


def activate(x: NDArray[Any], activation: str) -> NDArray[Any]:
    """Rates of some states: 1 / (1 + exp(-x)), min([x]_+, 20), or min(log(1 + exp(x)), 20)."""
    if activation == "sigmoid":
        return 0.5 * (1 + np.tanh(0.5 * x))
    return np.minimum(np.maximum(x, 0) if activation == "clipped_relu" else np.logaddexp(0, x), CAP)


def time_constants(gamma: NDArray[Any], tau_min: float, tau_max: float) -> NDArray[Any]:
    """Time constants, ms, of parameters gamma: sigmoid(gamma) * (tau_max - tau_min) + tau_min."""
    return 0.5 * (1 + np.tanh(0.5 * gamma)) * (tau_max - tau_min) + tau_min


@dataclass(frozen=True)
class RateNetwork:
    """One rate network; matrices are [to, from]."""

    w: NDArray[np.floating]
    """Magnitudes of the recurrent weights (signed where Dale's principle does not hold), (n_units, n_units)."""
    sign: NDArray[np.floating]
    """+1 of excitatory, -1 of inhibitory units; +1 throughout without Dale's principle, (n_units,)."""
    mask: NDArray[np.floating]
    """0 where a connection is ruled out (no inhibition of SOM units), 1 elsewhere, (n_units, n_units)."""
    w_in: NDArray[np.floating]
    """(n_units, n_inputs)."""
    w_out: NDArray[np.floating]
    """(n_outputs, n_units)."""
    b_out: NDArray[np.floating]
    """(n_outputs,)."""
    b_rec: NDArray[np.floating]
    """Constant input of each unit (zero in the published networks), (n_units,)."""
    gamma: NDArray[np.floating]
    """Parameters of the time constants, (n_units,)."""
    tau_min: float
    """Smallest time constant, ms."""
    tau_max: float
    """Largest time constant, ms; equal to `tau_min` where all units share one."""
    activation: Activation
    dt: float
    """Step of the rate model, ms."""
    n_som: int = 0
    """Inhibitory units, the first ones, that no inhibitory unit reaches."""
    dale: bool = True
    """Whether Dale's principle holds."""
    w_initial: NDArray[np.floating] | None = None
    """`w` before training."""
    gamma_initial: NDArray[np.floating] | None = None
    """`gamma` before training."""
    task: str = ""
    """Task that it was trained on, where that is known."""
    seed: int = -1
    """Seed that it was trained from, where that is known."""

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.w)

    @property
    def n_inputs(self) -> int:
        """Number of input channels."""
        return self.w_in.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of readouts."""
        return len(self.w_out)

    @property
    def inhibitory(self) -> NDArray[np.bool_]:
        """Which units are inhibitory, (n_units,)."""
        return self.sign < 0

    @property
    def som(self) -> NDArray[np.bool_]:
        """Which units are SOM units: the first `n_som` inhibitory ones, (n_units,)."""
        return self.inhibitory & (np.cumsum(self.inhibitory) <= self.n_som)

    @property
    def w_rec(self) -> NDArray[np.floating]:
        """The recurrent matrix that acts, signs and mask applied, (n_units, n_units)."""
        return self.w * self.sign * self.mask

    @property
    def tau(self) -> NDArray[np.floating]:
        """Time constant of each unit, ms, (n_units,)."""
        return time_constants(self.gamma, self.tau_min, self.tau_max)

    @property
    def tau_initial(self) -> NDArray[np.floating]:
        """Time constants before training (of `gamma` where these are not known), ms, (n_units,)."""
        gamma = self.gamma if self.gamma_initial is None else self.gamma_initial
        return time_constants(gamma, self.tau_min, self.tau_max)

    def check(self, where: str) -> RateNetwork:
        """The network itself, if its arrays fit each other.

        Raises:
            ArtefactError: A wrong shape, a value that is not finite, a negative weight under Dale's principle,
                reversed time constants; `where` names the file.
        """
        n = self.n_units
        shapes = {
            "w": (n, n),
            "sign": (n,),
            "mask": (n, n),
            "w_in": (n, self.n_inputs if self.w_in.ndim == 2 else -1),
            "w_out": (self.n_outputs, n),
            "b_out": (self.n_outputs,),
            "b_rec": (n,),
            "gamma": (n,),
        }
        shapes |= {} if self.w_initial is None else {"w_initial": (n, n)}
        shapes |= {} if self.gamma_initial is None else {"gamma_initial": (n,)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ArtefactError(f"{where}: {name} has shape {array.shape}, expected {shape} for {n} units.")
            if not np.isfinite(array).all():
                raise ArtefactError(f"{where}: {name} holds NaN or infinite values; train the network again.")
        if self.dale and (self.w < 0).any():
            count = int((self.w < 0).sum())
            raise ArtefactError(
                f"{where}: w has {count} negative entries under Dale's principle, where the sign is the unit's;"
                " rectify them."
            )
        if not 0 < self.tau_min <= self.tau_max:
            raise ArtefactError(
                f"{where}: time constants run from {self.tau_min:g} to {self.tau_max:g} ms; expected 0 < min <= max."
            )
        return self
