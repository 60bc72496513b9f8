"""Settings of supervised learning of continuous-time networks; the defaults are those of trainRNNbrain in 2023."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import field_validator, model_validator

from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, setting
from rnnpipe.training.terms import parse_terms

REGRESSION = "regression"
"""`rule` of learning to follow a target in time."""

REFERENCE_UNITS = 100
"""Size of network whose learning rate is the one given, where it depends on the size."""


class RegressionSettings(Settings):
    """Backpropagation through time with Adam on the mean squared error where the loss counts, plus penalties."""

    rule: Literal["regression"] = setting(REGRESSION, "regression: the outputs learn to follow a target in time")
    max_iterations: int = setting(1000, "largest number of updates", "updates", gt=0)
    learning_rate: float = setting(0.02, "Adam learning rate", gt=0)
    scale_with_units: bool = setting(False, "multiply the learning rate by (100 / n_units)^(1/3)")
    schedule: Literal["constant", "cosine", "step"] = setting(
        "constant",
        "learning rate over time: constant; cosine: falls to final_rate of its value; step: is multiplied by"
        " step_factor every step_interval updates",
    )
    warmup: int = setting(0, "updates over which the learning rate rises from zero", "updates", ge=0)
    final_rate: float = setting(0.0, "learning rate at the end of schedule cosine, relative to its value", ge=0, le=1)
    step_interval: int = setting(1000, "updates between the steps of schedule step", "updates", gt=0)
    step_factor: float = setting(0.5, "what each step of schedule step multiplies the learning rate by", gt=0, le=1)
    weight_decay: float = setting(5e-6, "multiple of each trained value that is added to its gradient (L2)", ge=0)
    max_norm: float | None = setting(
        None, "largest norm of the gradient, which is scaled down to it; by default it is not", gt=0
    )
    same_batch: bool = setting(
        False, "learn from one batch of trials throughout; held-out trials are others, where trials are drawn"
    )
    anneal_noise: bool = setting(
        False, "raise the noise of units and inputs from nearly none: times 1 / (1 + exp(-(k - K / 3) / (K / 12)))"
    )
    dropout: float = setting(
        0.0, "mean probability with which a unit is left out of an update, at all its steps and trials", ge=0, lt=1
    )
    dropout_kind: Literal["mute", "dead"] = setting(
        "mute", "what is left out: mute: the unit is not read out; dead: other units do not feel it, either"
    )
    dropout_by: Literal["uniform", "participation", "output_weights"] = setting(
        "uniform",
        "which units are left out: uniform: each equally often; participation: rather those that took part the most at"
        " the last evaluation; output_weights: rather those that are read out the most",
    )
    dropout_sharpness: float = setting(
        1.0,
        "beta of dropout_by, by participation or by the sum of absolute output weights v: the probability is"
        " dropout * n_units * softmax(beta * v), at most 0.999; below zero, those of small v are left out",
    )
    penalties: dict[str, Any] = setting(
        {"orthogonality": 0.3, "mean_square_rate": 0.1},
        "weight, or mapping of settings, of each further term of the loss by name: orthogonality, channel_overlap,"
        " mean_square_rate, in_degree, input_weights, recurrent_weights, output_weights, output_variance,"
        " rate_magnitude, state_magnitude, rate_inequality, drive_inequality, drive_time_variance, clustering,"
        " tail_energy",
    )
    task_safe: bool = setting(
        False,
        "remove from the penalties' gradient what opposes that of the error, before they are added; on top of"
        " penalties on activity it doubles the time of an update",
    )
    evaluation_interval: int = setting(
        10, "updates between evaluations on held-out trials without noise; the best network of all is kept", gt=0
    )
    trace_units: bool = setting(
        False,
        "note in the history, at each evaluation, how much each unit takes part and how far the weights have drifted;"
        " it takes the time of one to two updates and needs room for all states of the held-out trials",
    )
    tolerance: float | None = setting(
        None, "training ends when the held-out mean squared error is this or less; by default it does not", gt=0
    )
    patience: int | None = setting(
        None,
        "training ends when this many evaluations in a row have not lowered the held-out error by min_improvement; by"
        " default it does not",
        "evaluations",
        gt=0,
    )
    min_improvement: float = setting(0.01, "smallest relative lowering of the error that counts for patience", ge=0)
    max_state: float = setting(1e4, "absolute state of a unit from which on a network counts as diverged", gt=0)
    max_rollbacks: int = setting(
        10, "times that a diverged network is taken back, with half the learning rate, before training fails", ge=0
    )
    on_failure: Literal["error", "keep"] = setting(
        "keep", "not reaching the tolerance: keep the network, which says so, or a failed job"
    )

    @field_validator("penalties")
    @classmethod
    def _penalties_exist(cls, penalties: dict[str, Any]) -> dict[str, Any]:
        try:
            parse_terms(penalties)
        except SettingsError as error:
            raise ValueError(str(error).rstrip(".")) from None
        return penalties

    @model_validator(mode="after")
    def _is_possible(self) -> RegressionSettings:
        if self.warmup >= self.max_iterations:
            raise ValueError(
                f"warmup = {self.warmup} leaves none of max_iterations = {self.max_iterations} updates; lower it"
            )
        return self

    def rate(self, iteration: int, n_units: int) -> float:
        """Learning rate of an update, counted from 0."""
        rate = self.learning_rate
        if self.scale_with_units:
            rate *= (REFERENCE_UNITS / n_units) ** (1 / 3)
        if iteration < self.warmup:
            return rate * (iteration + 1) / self.warmup
        since = iteration - self.warmup
        if self.schedule == "cosine":
            part = since / max(1, self.max_iterations - self.warmup - 1)
            return rate * (self.final_rate + (1 - self.final_rate) * 0.5 * (1 + math.cos(math.pi * part)))
        if self.schedule == "step":
            return rate * self.step_factor ** (since // self.step_interval)
        return rate

    def noise_factor(self, iteration: int) -> float:
        """Factor of the noise of units and inputs in an update, counted from 0."""
        if not self.anneal_noise:
            return 1.0
        whole = self.max_iterations
        return 1 / (1 + math.exp(-(iteration - whole / 3) / (whole / 12)))
