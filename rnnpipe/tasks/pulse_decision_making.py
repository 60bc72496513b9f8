"""Pulse-based decision making: on which side were there more flashes?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._durations import Duration, floored
from rnnpipe.tasks._periods import PeriodTask


@dataclass(frozen=True)
class Pulses:
    """A train of `n` bins, each with a pulse with probability `p`, as a whole number: its bit k is bin k."""

    p: float
    n: int

    def __call__(self, rng: Rng, n: int) -> NDArray[np.int64]:
        return (rng.random((n, self.n)) < self.p) @ (1 << np.arange(self.n))

    def one(self, rng: np.random.RandomState) -> int:
        return int((rng.random(self.n) < self.p) @ (1 << np.arange(self.n)))


class PulseDecisionMaking(PeriodTask):
    """Count brief pulses on two sides, then choose the side with more of them.

    Periods: fixation 500 ms; stimulus of `n_bins` bins, each a time for a pulse (10 ms) and a gap (240 ms); decision
    500 ms. Each bin has a pulse, of height 1 and without noise unless `sigma` is set, on each side independently: with
    the higher of the probabilities `p_pulse` on the side `side`, with the lower one on the other. The side with more
    pulses is correct, and where both have as many, `side`, which the inputs do not tell: the ideal observer is right on
    half of these trials, .960 of all at the defaults. `frequent` and `rare` are the trains of pulses on `side` and on
    the other one as whole numbers, bit k of which is bin k. Acting at any time before the decision costs
    `reward_abort`.

    Reference: Scott, Constantinople, Erlich, Tank & Brody (2015) eLife 4:e11308; NeuroGym.
    """

    name: ClassVar[str] = "pulse_decision_making"
    reference: ClassVar[str] = "Scott, Constantinople, Erlich, Tank & Brody (2015) eLife 4:e11308"
    environment: ClassVar[str] = "PulseDecisionMaking"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "pulses_1", "pulses_2")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "choice_1", "choice_2")
    periods: ClassVar[tuple[str, ...]] = ("fixation", "stimulus", "decision")
    waiting: ClassVar[tuple[str, ...]] = ("fixation", "stimulus")
    factors: ClassVar[tuple[str, ...]] = ("side",)
    trials_per_update: ClassVar[int] = 20
    validation_trials: ClassVar[int] = 500

    dt: float = setting(10.0, "time step", "ms", gt=0)
    sigma: float = setting(0.0, "input noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    min_correct: float = setting(0.92, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: Duration = setting(500.0, "duration of fixation before the first bin", "ms")
    n_bins: int = setting(6, "bins, in each of which either side may have a pulse", ge=1, le=62)
    pulse: float = setting(10.0, "duration of a pulse, with which a bin begins", "ms", gt=0)
    gap: float = setting(240.0, "rest of the bin after it", "ms", gt=0)
    decision: float = setting(500.0, "time to choose in", "ms")
    p_pulse: list[float] = setting([0.3, 0.7], "lower and higher probability of a pulse in a bin")

    @field_validator("p_pulse")
    @classmethod
    def _lower_then_higher(cls, p: list[float]) -> list[float]:
        if not (len(p) == 2 and 0 <= p[0] < p[1] <= 1):
            raise ValueError("must be two probabilities, the lower one first")
        return p

    def durations(self) -> dict[str, Duration]:
        stimulus = self.n_bins * (floored(self.pulse, self.dt) + floored(self.gap, self.dt))
        return {"fixation": self.fixation, "stimulus": stimulus, "decision": self.decision}

    def categories(self) -> dict[str, Draw]:
        low, high = self.p_pulse
        return {"side": Choice((1, 2)), "frequent": Pulses(high, self.n_bins), "rare": Pulses(low, self.n_bins)}

    def pulses(self, conditions: Conditions) -> NDArray[np.int64]:
        """Whether each side has a pulse (1, else 0) in each bin, (n_trials, 2, n_bins)."""
        first = np.asarray(conditions["side"]) == 1
        frequent, rare = np.asarray(conditions["frequent"], int), np.asarray(conditions["rare"], int)
        trains = np.stack([np.where(first, frequent, rare), np.where(first, rare, frequent)], axis=1)
        return trains[..., None] >> np.arange(self.n_bins) & 1

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        self.add_signals(inputs, during["stimulus"], np.zeros((inputs.shape[1], 2)), rng)
        n_pulse = int(self.steps(floored(self.pulse, self.dt)))
        n_bin = n_pulse + int(self.steps(floored(self.gap, self.dt)))
        t, i = np.nonzero(during["stimulus"])
        since = t - during["stimulus"].argmax(0)[i]
        on = since % n_bin < n_pulse
        t, i, since = t[on], i[on], since[on]
        inputs[t, i, 1:] += self.pulses(conditions)[i, :, since // n_bin]

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        first, second = self.pulses(conditions).sum(2).T
        return np.where(first == second, conditions["side"], np.where(first > second, 1, 2))

    def shortest_periods(self) -> dict[str, float]:
        return {**super().shortest_periods(), "pulse": self.pulse, "gap": self.gap}
