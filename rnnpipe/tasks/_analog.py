"""Tasks that are also solved by a continuous output: what it should be, and when it counts as correct."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, Discrimination
from rnnpipe.trials import Trials


class AnalogTask(Discrimination):
    """A task of Kim, Li & Sejnowski (2019): one output follows a target and is read out at the end of the trial.

    The same object judges the output of a rate network and that of the spiking network it is mapped to; only the times
    from which the output counts differ, as they do in the authors' code. As every task it also has actions, so that it
    is an environment and can be learned from reward.

    Column k of the inputs, (n_steps, n_trials, n_inputs), is the input from k * dt on. A rate network makes
    T = n_steps - 1 states and no output at the first one: sample k = 0 .. T - 2 of its output is read from state k + 1
    and compared with the target at k * dt. A spiking network runs to (n_steps - 1) * dt, which is why the inputs have
    one more column than the target. Trials are drawn with the probabilities of the authors' code, not in its order: a
    seed does not give that code's trials.
    """

    output_names: ClassVar[tuple[str, ...]] = ("output",)

    dt: float = setting(5.0, "time step", "ms", gt=0)
    var_in: float = setting(0.0, "input noise variance; a step's SD is sqrt(2 * 100 ms / dt * var_in)", ge=0)
    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    threshold: float = setting(0.7, "an output beyond it is an answer, to either side", gt=0, lt=1)
    rate_window: float = setting(..., "time from which the output of a rate network counts", "ms", ge=0)
    spiking_window: float = setting(..., "time from which the output of a spiking network counts", "ms", ge=0)

    def level(self, conditions: Conditions) -> NDArray[np.floating[Any]]:
        """Target of the output in period `target`, (n_trials,); it is 0 elsewhere."""
        raise NotImplementedError

    def output_target(self, trials: Trials) -> NDArray[np.float32]:
        """Target at each time k * dt, (n_steps - 1, n_trials); no output is compared with the last one."""
        during = trials.during("target")[:-1]
        return (during * self.level(trials.conditions)).astype(np.float32)

    def output_correct(
        self, conditions: Conditions, highest: NDArray[Any], lowest: NDArray[Any], spiking: bool = False
    ) -> NDArray[np.bool_]:
        """Whether each trial was answered correctly, (..., n_trials); an output that is NaN is no answer.

        Args:
            conditions: Conditions of the trials, (n_trials,) each.
            highest: Largest output from `rate_window` (or `spiking_window`) on, (..., n_trials).
            lowest: Smallest output there, (..., n_trials).
            spiking: Whether it is the output of a spiking network.
        """
        up = self.level(conditions) > 0
        return np.where(up, highest > self.threshold, lowest < -self.threshold)

    @model_validator(mode="after")
    def _outputs_count(self) -> AnalogTask:
        last = (self.n_steps - 3) * self.dt
        if self.steps(self.rate_window) * self.dt > last + 1e-9:
            raise ValueError(
                f"the output of a rate network would count from rate_window = {self.rate_window:g} ms on, but its last"
                f" sample is that of {last:g} ms; lower rate_window or raise tmax"
            )
        if self.spiking_window >= self.tmax:
            raise ValueError(
                f"the output of a spiking network would count from spiking_window = {self.spiking_window:g} ms on, but"
                f" the trial ends at tmax = {self.tmax:g} ms; lower spiking_window or raise tmax"
            )
        return self
