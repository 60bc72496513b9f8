"""Settings of the networks; their defaults are those of Song, Yang & Wang (2017), Table 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import model_validator

from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, setting, suggest

Trained = Literal["w_in", "b_in", "w_gates", "w_rec", "w_out", "b_out", "x0"]

PARAMETERS = {
    "gated": ("w_in", "b_in", "w_gates", "w_rec", "w_out", "b_out", "x0"),
    "simple": ("w_in", "b_in", "w_rec", "w_out", "b_out", "x0"),
    "linear": ("w_out", "b_out", "x0"),
    "rate": ("w", "sign", "w_in", "b_rec", "w_out", "b_out", "gamma"),
}
"""Parameters of each kind of network; a rate network has `sign`, which is not trained, with Dale's principle only."""

RADIUS = {"gated": 2.0, "simple": 1.5, "linear": 2.0}
"""Initial spectral radius of the published networks, by kind (a linear network has no recurrent weights)."""


@dataclass(frozen=True)
class Penalty:
    """Weights of what is added to a network's loss; see `rnnpipe.networks.penalties`."""

    l1_rec: float = 0.0
    l2_rec: float = 0.0
    l2_rate: float = 0.0
    gradient: float = 0.0


NO_PENALTY = Penalty()


class GatedSettings(Settings):
    """The policy network.

    A simple network is a gated one whose gates are 1 throughout. A setting that is None has its kind's published value.
    """

    kind: Literal["gated", "simple"] = setting("gated", "gated: units with two gates; simple: units without gates")
    n_units: int = setting(100, "number of units", gt=0)
    connection_probability: float = setting(
        0.1, "recurrent connection probability; every unit has int(p * n_units) inputs per block", gt=0, le=1
    )
    spectral_radius: float | None = setting(
        None, "initial spectral radius of each recurrent block; by default 2 (gated) or 1.5 (simple)", gt=0
    )
    input_scale: float = setting(1.0, "factor on the initial input weights", ge=0)
    tau: float = setting(100.0, "time constant of the units", "ms", gt=0)
    var_rec: float = setting(0.01, "recurrent noise variance; a step's SD is sqrt(2 * tau / dt * var_rec)", ge=0)
    input_targets: dict[str, list[int]] = setting(
        {}, "units that an input reaches at first, by input: [first, end); an input that is absent here reaches all"
    )
    input_targets_permanent: bool = setting(
        False, "whether input connections that are absent at first stay absent; otherwise they start at zero and learn"
    )
    l1_rec: float = setting(0.0, "weight in the loss of the mean absolute w_rec", ge=0)
    l2_rec: float = setting(0.0, "weight in the loss of the mean squared recurrent weight, w_rec and w_gates", ge=0)
    l2_rate: float | None = setting(
        None, "weight in the loss of the mean squared rate; by default 0, or 0.002 (simple)", ge=0
    )
    gradient_penalty: float | None = setting(
        None,
        "weight in the loss of the penalty on gradients that vanish or explode; by default 2 (simple only)",
        ge=0,
    )
    fixed: list[Trained] = setting([], "parameters that are not trained, by exact name")

    @property
    def radius(self) -> float:
        """Initial spectral radius of each recurrent block."""
        return _or(self.spectral_radius, RADIUS[self.kind])

    @property
    def penalty(self) -> Penalty:
        """What is added to the loss."""
        return _penalty(self)

    @model_validator(mode="after")
    def _kind_has_what_is_set(self) -> GatedSettings:
        _check_kind(self)
        return self

    @model_validator(mode="after")
    def _targets_are_units(self) -> GatedSettings:
        for name, units in self.input_targets.items():
            if len(units) != 2 or not 0 <= units[0] < units[1] <= self.n_units:
                raise ValueError(
                    f"input_targets: {name}: {units} are no units; give [first, end) between 0 and n_units ="
                    f" {self.n_units}"
                )
        return self


def check_inputs(network: GatedSettings, input_names: Sequence[str]) -> None:
    """Check that the inputs that settings name are inputs of the task.

    Raises:
        SettingsError: One is not.
    """
    for name in network.input_targets:
        if name not in input_names:
            raise SettingsError(
                f"network.input_targets: the task has no input {name!r} ({suggest(name, input_names)})."
            )


class ValueSettings(Settings):
    """The value network, which predicts the return from the policy network's rates and actions."""

    kind: Literal["gated", "linear", "simple"] = setting(
        "gated", "gated: units with two gates; linear: readout of the inputs alone; simple: units without gates"
    )
    n_units: int = setting(100, "number of units (not of a linear network)", gt=0)
    connection_probability: float = setting(1.0, "recurrent connection probability", gt=0, le=1)
    spectral_radius: float | None = setting(
        None, "initial spectral radius of each recurrent block; by default 2 (gated) or 1.5 (simple)", gt=0
    )
    input_scale: float = setting(1.0, "factor on the initial input weights", ge=0)
    var_rec: float = setting(0.01, "recurrent noise variance; a step's SD is sqrt(2 * tau / dt * var_rec)", ge=0)
    initial_value: float | None = setting(None, "initial bias of the readout; by default the task's reward of an abort")
    l1_rec: float = setting(0.0, "weight in the loss of the mean absolute w_rec", ge=0)
    l2_rec: float = setting(0.0, "weight in the loss of the mean squared recurrent weight, w_rec and w_gates", ge=0)
    l2_rate: float | None = setting(
        None, "weight in the loss of the mean squared rate; by default 0, or 0.002 (simple)", ge=0
    )
    gradient_penalty: float | None = setting(
        None,
        "weight in the loss of the penalty on gradients that vanish or explode; by default 2 (simple only)",
        ge=0,
    )
    fixed: list[Trained] = setting([], "parameters that are not trained, by exact name")

    @property
    def radius(self) -> float:
        """Initial spectral radius of each recurrent block."""
        return _or(self.spectral_radius, RADIUS[self.kind])

    @property
    def penalty(self) -> Penalty:
        """What is added to the loss."""
        return _penalty(self)

    @model_validator(mode="after")
    def _kind_has_what_is_set(self) -> ValueSettings:
        _check_kind(self)
        return self


def _or(value: float | None, published: float) -> float:
    return published if value is None else value


def _penalty(network: GatedSettings | ValueSettings) -> Penalty:
    simple = network.kind == "simple"
    return Penalty(
        l1_rec=network.l1_rec,
        l2_rec=network.l2_rec,
        l2_rate=_or(network.l2_rate, 0.002 if simple else 0.0),
        gradient=_or(network.gradient_penalty, 2.0 if simple else 0.0),
    )


def _check_kind(network: GatedSettings | ValueSettings) -> None:
    """Refuse settings of parts that a kind of network does not have."""
    if network.kind != "simple" and network.gradient_penalty:
        raise ValueError(
            f"gradient_penalty = {network.gradient_penalty:g} is defined for simple networks, not for kind"
            f" {network.kind}; remove it or set kind: simple"
        )
    if network.kind == "linear" and (network.l1_rec or network.l2_rec):
        raise ValueError("l1_rec and l2_rec are about recurrent weights, which kind linear has not; remove them")
    for name in network.fixed:
        if name not in PARAMETERS[network.kind]:
            raise ValueError(
                f"fixed: kind {network.kind} has no parameter {name}; it has {', '.join(PARAMETERS[network.kind])}"
            )
