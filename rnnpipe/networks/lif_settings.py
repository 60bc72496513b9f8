"""Settings of the spiking units; their defaults are those of Kim, Li & Sejnowski (2019), Table S1, and their code."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from rnnpipe.settings import Settings, setting

Population = Literal["all", "excitatory", "inhibitory", "som"]

THRESHOLD = {"lif": -40.0, "qif": 30.0}
"""Published threshold of each kind of unit, mV."""

BIAS = {"lif": -40.0, "qif": 0.0}
"""Published constant current of each kind of unit, in mV (unit resistance)."""

PEAK = 30.0
"""What a voltage record shows at a spike, mV."""


class LifSettings(Settings):
    """Spiking units, how they are simulated, and what is done to them.

    A setting that is None has its kind's published value.
    """

    model: Literal["lif", "qif"] = setting("lif", "lif: leaky units; qif: quadratic units")
    dt: float = setting(
        0.05, "integration step, before downsampling; the rate network's step is a multiple", "ms", gt=0
    )
    downsample: int = setting(
        1,
        "every how many columns of the input one is used, by which dt is multiplied, the noise of a step is not",
        ge=1,
    )
    tau_m: float = setting(10.0, "membrane time constant", "ms", gt=0)
    t_ref: float = setting(2.0, "refractory period", "ms", ge=0)
    tau_rise: float = setting(2.0, "rise time of the synaptic filter; 0 is a filter that only decays", "ms", ge=0)
    v_noise: float = setting(0.1, "SD of what is added to the voltage at each step, whatever its length", "mV", ge=0)
    v_threshold: float | None = setting(None, "threshold; by default -40 (lif) or 30 (qif)", "mV")
    v_reset: float = setting(-65.0, "voltage after a spike", "mV")
    bias: float | None = setting(None, "constant current at unit resistance; by default -40 (lif) or 0 (qif)", "mV")
    v_init_low: float = setting(-65.0, "lowest voltage at the start, drawn from a uniform distribution", "mV")
    v_init_high: float = setting(30.0, "highest voltage at the start", "mV")
    initial_weights: bool = setting(False, "whether recurrent weights are those before training; all else is trained")
    precision: Literal["float32", "float64"] = setting("float32", "precision of the simulation")
    stimulation: Literal["none", "exc", "inh"] = setting(
        "none", "artificial stimulation: at every step all its units or none, at random, are pushed by +0.5 or -0.5 mV"
    )
    stimulation_on: float = setting(0.0, "start of the stimulation", "ms", ge=0)
    stimulation_off: float = setting(0.0, "end of the stimulation", "ms", ge=0)
    stimulation_units: list[int] = setting([], "units that are stimulated, from 0")
    stimulation_of: Population | None = setting(
        None, "population of which a random part is stimulated, in place of listed units"
    )
    stimulation_fraction: float = setting(1.0, "fraction of that population that is stimulated", ge=0, le=1)
    stimulation_seed: int = setting(1, "seed of the choice of stimulated units", ge=0)
    lesion_fraction: float = setting(
        0.0, "fraction of the recurrent connections, of those that exist and are of the kind below, that is lesioned",
        ge=0, le=1,
    )  # fmt: skip
    lesion_pre: Population = setting("all", "presynaptic units of the connections that are lesioned")
    lesion_post: Population = setting("all", "postsynaptic units of the connections that are lesioned")
    lesion_by_type: bool = setting(
        False, "whether the fraction holds within each of the four pairs of excitatory and inhibitory units"
    )
    lesion_scale: float = setting(0.0, "factor on the weights of lesioned connections")
    lesion_keep_self: bool = setting(False, "whether connections of units with themselves are never lesioned")
    lesion_seed: int = setting(1, "seed of the choice of lesioned connections", ge=0)

    @property
    def threshold(self) -> float:
        """Threshold, mV."""
        return THRESHOLD[self.model] if self.v_threshold is None else self.v_threshold

    @property
    def constant(self) -> float:
        """Constant current, mV at unit resistance."""
        return BIAS[self.model] if self.bias is None else self.bias

    @property
    def step(self) -> float:
        """Integration step after downsampling, ms."""
        return self.dt * self.downsample

    @property
    def push(self) -> float:
        """What one push of the stimulation adds to the voltage, mV."""
        return {"none": 0.0, "exc": 0.5, "inh": -0.5}[self.stimulation]

    @model_validator(mode="after")
    def _possible(self) -> LifSettings:
        if self.v_reset >= self.threshold:
            raise ValueError(
                f"v_reset = {self.v_reset:g} mV is not below the threshold of {self.threshold:g} mV: a unit that spiked"
                " would spike for ever"
            )
        if self.v_init_low > self.v_init_high:
            raise ValueError(
                f"v_init_low = {self.v_init_low:g} mV is above v_init_high = {self.v_init_high:g} mV; exchange them"
            )
        if self.step > self.tau_m:
            raise ValueError(
                f"a step of {self.step:g} ms (dt * downsample) is longer than tau_m = {self.tau_m:g} ms;"
                " make it shorter"
            )
        return self

    @model_validator(mode="after")
    def _stimulation_is_of_something(self) -> LifSettings:
        if self.stimulation == "none":
            return self
        if self.stimulation_on >= self.stimulation_off:
            raise ValueError(
                f"stimulation_on = {self.stimulation_on:g} ms is not before stimulation_off ="
                f" {self.stimulation_off:g} ms; give both or set stimulation: none"
            )
        if self.stimulation_of is not None:
            if self.stimulation_units:
                raise ValueError(
                    "stimulation_units and stimulation_of both say what is stimulated; leave one of them out"
                )
            return self
        if not self.stimulation_units or min(self.stimulation_units) < 0:
            raise ValueError(
                f"stimulation_units = {self.stimulation_units} are no units; list those to stimulate, counted from 0,"
                " or name a population by stimulation_of"
            )
        if len(set(self.stimulation_units)) < len(self.stimulation_units):
            raise ValueError(f"stimulation_units = {self.stimulation_units} names a unit twice; name each once")
        return self

    @model_validator(mode="after")
    def _lesion_is_one_kind(self) -> LifSettings:
        if self.lesion_by_type and (self.lesion_pre != "all" or self.lesion_post != "all"):
            raise ValueError(
                "lesion_by_type is about all connections; leave lesion_pre and lesion_post at all, or set it to false"
            )
        return self
