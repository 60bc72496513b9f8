"""Settings of the networks; their defaults are those of Song, Yang & Wang (2017), Table 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import model_validator

from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, setting, suggest

Trained = Literal["w_in", "b_in", "w_gates", "w_rec", "w_out", "b_out", "x0"]


class GatedSettings(Settings):
    """The gated policy network."""

    n_units: int = setting(100, "number of units", gt=0)
    connection_probability: float = setting(
        0.1, "recurrent connection probability; every unit has int(p * n_units) inputs per block", gt=0, le=1
    )
    spectral_radius: float = setting(2.0, "initial spectral radius of each recurrent block", gt=0)
    input_scale: float = setting(1.0, "factor on the initial input weights", ge=0)
    tau: float = setting(100.0, "time constant of the units", "ms", gt=0)
    var_rec: float = setting(0.01, "recurrent noise variance; a step's SD is sqrt(2 * tau / dt * var_rec)", ge=0)
    input_targets: dict[str, list[int]] = setting(
        {}, "units that an input reaches at first, by input: [first, end); an input that is absent here reaches all"
    )
    input_targets_permanent: bool = setting(
        False, "whether input connections that are absent at first stay absent; otherwise they start at zero and learn"
    )
    fixed: list[Trained] = setting([], "parameters that are not trained, by exact name")

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

    kind: Literal["gated", "linear"] = setting("gated", "gated: recurrent; linear: readout of the inputs alone")
    n_units: int = setting(100, "number of units (gated only)", gt=0)
    connection_probability: float = setting(1.0, "recurrent connection probability", gt=0, le=1)
    spectral_radius: float = setting(2.0, "initial spectral radius of each recurrent block", gt=0)
    input_scale: float = setting(1.0, "factor on the initial input weights", ge=0)
    var_rec: float = setting(0.01, "recurrent noise variance; a step's SD is sqrt(2 * tau / dt * var_rec)", ge=0)
    initial_value: float | None = setting(None, "initial bias of the readout; by default the task's reward of an abort")
    fixed: list[Trained] = setting([], "parameters that are not trained, by exact name")
