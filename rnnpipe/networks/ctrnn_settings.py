"""Settings of continuous-time networks; the defaults are those of the 2023 state of engellab/trainRNNbrain."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from rnnpipe.networks.activations import Activation, ActivationName
from rnnpipe.networks.ctrnn import Form, NoiseSite
from rnnpipe.settings import Settings, setting

CTRNN = "ctrnn"
"""`kind` of a continuous-time network."""

Projection = Literal["clip0", "clip_eps", "reflect", "none"]


class CtrnnSettings(Settings):
    """A continuous-time network that is trained as a whole: recurrent, input and output weights.

    `dale`, `nonnegative_io` and `self_connections` are independent of each other.
    """

    kind: Literal["ctrnn"] = setting(CTRNN, "ctrnn: a continuous-time network, all weights of which are trained")
    n_units: int = setting(50, "number of units", gt=0)
    form: Form = setting(
        "rate", "rate: tau dx/dt = -x + phi(W x + ...), the state is the rate; current: tau dx/dt = -x + W phi(x) + ..."
    )
    activation: ActivationName = setting("tanh", "phi, the rate of a unit as a function of its input")
    slope: float = setting(1.0, "slope of phi at zero, or where it is above zero (all but gelu)", gt=0)
    shift: float = setting(0.0, "input at which a sigmoid is at one half")
    sharpness: float = setting(5.0, "sharpness of the bend of softplus and gelu", gt=0)
    leak: float = setting(0.01, "slope of leaky_relu below zero", ge=0)
    tau: float = setting(10.0, "time constant of the units", "ms", gt=0)
    saturation: float = setting(
        0.0, "gamma of a term -gamma x^3 that bounds states; with Euler steps it is stable for small states only", ge=0
    )
    noise_site: NoiseSite = setting(
        "post", "where noise enters a network of form rate: post, added to phi, or pre, to its argument"
    )
    sigma_rec: float = setting(0.03, "SD that noise gives the state of a unit without input, whatever dt", ge=0)
    sigma_in: float = setting(0.03, "noise of each input channel, likewise scaled", ge=0)
    sigma_out: float = setting(0.0, "SD of the noise that each step adds to the rates that are read out", ge=0)
    dale: bool = setting(False, "whether a unit's recurrent weights all have its sign (Dale's principle)")
    exc_inh_ratio: float = setting(4.0, "excitatory units for each inhibitory one (with Dale's principle)", gt=0)
    nonnegative_io: bool = setting(False, "whether input and output weights are 0 or above")
    self_connections: bool = setting(False, "whether a unit may be connected to itself")
    read_inhibitory: bool = setting(True, "whether outputs read inhibitory units, too (with Dale's principle)")
    connectivity: Literal["random", "spatial"] = setting(
        "random",
        "random: a unit reaches the fraction `density` of the others; spatial: units lie in a slab and near ones are"
        " connected, one side receives the inputs and the other is read out",
    )
    density: float = setting(1.0, "fraction of the units that each unit is connected to (connectivity random)", gt=0)
    degree: float = setting(
        12.0, "connections of a unit among 100 units (connectivity spatial); grows with log(n_units + 1)", gt=0
    )
    io_weights: Literal["positive", "gaussian"] = setting(
        "positive",
        "initial input and output weights: positive: normal of mean 1 / sqrt(n_units) and SD 1 / n_units; gaussian: of"
        " mean 0 and SD 1 / sqrt(n_units)",
    )
    spectral_radius: float | None = setting(
        1.2, "largest |eigenvalue| that the initial recurrent weights are scaled to; null: as they are drawn", gt=0
    )
    silent_fraction: float = setting(
        0.0,
        "fraction of the units, drawn at random, that inhibitory_boost silences at first (with Dale's principle)",
        ge=0,
        le=1,
    )
    inhibitory_boost: float = setting(
        2.0, "what the initial inhibitory weights to units of silent_fraction are multiplied by", ge=1
    )
    master_fraction: float = setting(
        0.0,
        "fraction of the other units, drawn at random, that a master inhibitor silences (with Dale's principle): the"
        " first inhibitory unit, which the first two inputs alone drive",
        ge=0,
        le=1,
    )
    master_strength: float = setting(5.0, "inhibition that a master inhibitor exerts: minus its initial weights", gt=0)
    master_drive: float = setting(1.0, "initial weights of the two inputs to a master inhibitor", gt=0)
    freeze_master: bool = setting(
        False, "whether a master inhibitor keeps its initial recurrent and input weights, bias and initial state"
    )
    train_bias: bool = setting(False, "whether the bias, a constant input of each unit, is trained")
    bias: float = setting(0.0, "bias, or its initial value")
    bias_range: list[float] = setting([-1.0, 1.0], "smallest and largest value of a trained bias")
    bias_uniform: bool = setting(False, "draw the initial bias uniformly from bias_range")
    train_x_init: bool = setting(False, "whether the initial state, else zero, is trained")
    projection: Projection = setting(
        "clip0",
        "how weights keep to signs and absent connections: clip0 and clip_eps set a weight of the wrong sign to zero or"
        " to 1e-12 of the right one after each update; reflect trains values whose magnitude counts; none: they hold at"
        " first only",
    )

    @property
    def phi(self) -> Activation:
        """The activation with its parameters."""
        return Activation(self.activation, self.slope, self.shift, self.sharpness, self.leak)

    @property
    def n_excitatory(self) -> int:
        """Number of excitatory units, which are the first ones (with Dale's principle)."""
        return round(self.n_units * self.exc_inh_ratio / (self.exc_inh_ratio + 1))

    @property
    def n_silent(self) -> int:
        """Number of units that inhibitory_boost silences at first."""
        return round(self.silent_fraction * self.n_units)

    @property
    def n_mastered(self) -> int:
        """Number of units that a master inhibitor silences."""
        return round(self.master_fraction * (self.n_units - 1))

    @model_validator(mode="after")
    def _can_be_silenced(self) -> CtrnnSettings:
        numbers = {"silent_fraction": self.n_silent, "master_fraction": self.n_mastered}
        for key, number in numbers.items():
            fraction = getattr(self, key)
            if fraction > 0 and not self.dale:
                raise ValueError(f"{key} needs dale: true, without which no unit is inhibitory")
            if fraction > 0 and number == 0:
                raise ValueError(f"{key} = {fraction:g} of n_units = {self.n_units} is no unit; raise one of the two")
        n_inhibitory = self.n_units - self.n_excitatory
        if self.master_fraction > 0 and n_inhibitory < 2:
            raise ValueError(
                f"master_fraction needs an inhibitory unit beside the master, but of n_units = {self.n_units} at"
                f" exc_inh_ratio = {self.exc_inh_ratio:g} only {n_inhibitory} is; raise n_units or lower the ratio"
            )
        return self

    @model_validator(mode="after")
    def _is_possible(self) -> CtrnnSettings:
        if self.dale and not 0 < self.n_excitatory < self.n_units:
            raise ValueError(
                f"dale: n_units = {self.n_units} at exc_inh_ratio = {self.exc_inh_ratio:g} are"
                f" {self.n_excitatory} excitatory and {self.n_units - self.n_excitatory} inhibitory units; raise"
                " n_units or change the ratio, so that there are both"
            )
        if not self.dale and not self.read_inhibitory:
            raise ValueError("read_inhibitory: false needs dale: true, without which no unit is inhibitory")
        if self.density > 1:
            raise ValueError(f"density = {self.density:g} is a fraction; expected a value above 0 and up to 1")
        if self.n_units == 1 and not self.self_connections and self.spectral_radius is not None:
            raise ValueError(
                "one unit without self_connections has no recurrent weight to scale; set spectral_radius: null"
            )
        if self.train_bias:
            if len(self.bias_range) != 2 or not self.bias_range[0] < self.bias_range[1]:
                raise ValueError(f"bias_range = {self.bias_range}: expected the smallest and the largest bias")
            if not self.bias_range[0] <= self.bias <= self.bias_range[1]:
                raise ValueError(f"bias = {self.bias:g} lies outside bias_range = {self.bias_range}")
        elif self.bias_uniform:
            raise ValueError("bias_uniform needs train_bias: true")
        if self.form == "current" and self.noise_site == "pre":
            raise ValueError("noise_site: pre is of form rate; in form current noise is added to the input anyway")
        return self
