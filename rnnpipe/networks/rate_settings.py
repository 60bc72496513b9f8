"""Settings of the rate networks; their defaults are those of Kim, Li & Sejnowski (2019)."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from rnnpipe.settings import Settings, setting

RATE = "rate"
"""`kind` of a rate network."""

RateParameter = Literal["w", "w_out", "b_out", "gamma"]


class RateSettings(Settings):
    """A rate network, by default with excitatory and inhibitory units (Dale's principle)."""

    kind: Literal["rate"] = setting(RATE, "rate: units with smooth rates, and a time constant of their own each")
    n_units: int = setting(200, "number of units", gt=0)
    tau_min: float = setting(20.0, "smallest time constant", "ms", gt=0)
    tau_max: float = setting(50.0, "largest time constant; time constants are learned where it exceeds tau_min", "ms")
    activation: Literal["sigmoid", "clipped_relu", "softplus"] = setting(
        "sigmoid", "rate of a unit's state; clipped_relu and softplus end at 20"
    )
    dale: bool = setting(True, "whether a unit's weights all have its sign (Dale's principle)")
    p_inhibitory: float = setting(0.2, "probability that a unit is inhibitory (with Dale's principle)", ge=0, le=1)
    connection_probability: float = setting(
        0.2, "probability that one unit is connected to another at first", ge=0, le=1
    )
    n_som: int = setting(0, "inhibitory units, the first ones, that receive no inhibition (SOM units)", ge=0)
    weights: Literal["gaussian", "gamma"] = setting(
        "gaussian",
        "initial recurrent weights: normal of SD gain / sqrt(n_units * connection_probability), or Gamma of shape 2 and"
        " scale 0.003, to which the gain does not apply; absolute values with Dale's principle",
    )
    gain: float = setting(1.5, "scale of the initial recurrent weights", gt=0)
    balanced: bool = setting(
        False,
        "scale the initial inhibitory weights so that the mean input of a unit is zero; the published networks are not"
        " balanced",
    )
    bias: float = setting(
        0.0,
        "constant input of every unit, not trained; 0 in the published networks, below 0 for low rates at first, with"
        " which learning from reward is more reliable",
    )
    sigma_rec: float = setting(0.1, "SD of the noise that is added to each state at each step, whatever dt", ge=0)
    sigma_init: float = setting(0.01, "SD of the initial states", ge=0)
    fixed: list[RateParameter] = setting([], "parameters that are not trained, by exact name")

    @property
    def learns_tau(self) -> bool:
        """Whether time constants are parameters."""
        return self.tau_max > self.tau_min and "gamma" not in self.fixed

    @model_validator(mode="after")
    def _is_possible(self) -> RateSettings:
        if self.tau_max < self.tau_min:
            raise ValueError(f"tau_max = {self.tau_max:g} ms is below tau_min = {self.tau_min:g} ms; swap them")
        if self.n_som > self.n_units:
            raise ValueError(f"n_som = {self.n_som} is more than n_units = {self.n_units}")
        if self.balanced and not (self.dale and 0 < self.p_inhibitory < 1):
            raise ValueError(
                "balanced initial weights need dale: true and both kinds of units; change p_inhibitory or balanced"
            )
        return self
