"""Speeds that are to be integrated: blocks of random speed, and single pulses of graded duration."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._regression import TargetTask
from rnnpipe.tasks._trains import Train, event_onsets, since, uniforms, values_of


class Traveller(TargetTask):
    """A task about how far a speed has led: what is asked of a kind of speed, and known to a kind of answer."""

    def travelled(self, conditions: Conditions) -> NDArray[np.float64]:
        """Integral of the speed in ms, that of the step itself included, positive to the left, (n_steps, n_trials)."""
        raise NotImplementedError


class SpeedTask(Traveller):
    """A speed arrives in two channels, one for each direction, beside an input that is 1.

    The way at step t is dt * sum over s <= t of (u_left[s] - u_right[s]), u the two inputs. The loss counts from
    `grace` on.
    """

    input_names: ClassVar[tuple[str, ...]] = ("left", "right", "bias")

    tmax: float = setting(220.0, "duration of a trial", "ms", gt=0)
    grace: float = setting(10.0, "time after the start in which the loss does not count yet", "ms", ge=0)

    def speed(self, conditions: Conditions) -> NDArray[np.float64]:
        """Speed at each step, positive to the left, (n_steps, n_trials)."""
        raise NotImplementedError

    def travelled(self, conditions: Conditions) -> NDArray[np.float64]:
        return np.asarray(self.dt * np.cumsum(self.speed(conditions), axis=0))

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        speed = self.speed(conditions)
        inputs[..., 0], inputs[..., 1] = np.maximum(speed, 0), np.maximum(-speed, 0)
        inputs[..., 2] = 1.0

    def counted(self) -> dict[str, float]:
        return {"trial": self.grace}

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        rest = np.array([0.0, 0.0, 1.0])
        return {"rest": rest, "left": rest + [1, 0, 0], "right": rest + [0, 1, 0]}

    def longest(self) -> float:
        return self.grace + self.dt


class BlockSpeeds(SpeedTask):
    """Blocks of constant speed, each uniform in (-1, 1), lasting block_min + floor(E), E exponential, then block_gap.

    The condition `train` is a number that stands for all blocks of a trial.
    """

    repeats: int = setting(256, "trials of a batch", "trials", gt=0)
    block_min: float = setting(10.0, "shortest block", "ms")
    block_mean: float = setting(22.0, "mean of the exponential that is added to it", "ms", gt=0)
    block_gap: float = setting(0.0, "time without speed after each block", "ms", ge=0)

    def variables(self) -> dict[str, Draw]:
        return {"train": Train()}

    def bounds(self, conditions: Conditions) -> Bounds:
        return {"trial": (0.0, self.tmax), "stimulus": (0.0, self.tmax)}

    def speed(self, conditions: Conditions) -> NDArray[np.float64]:
        shortest, gap, n_steps = int(self.steps(self.block_min)), int(self.steps(self.block_gap)), self.n_steps
        u = uniforms(conditions["train"], (2, 1, -(-n_steps // (shortest + gap))))
        lengths = shortest + np.floor(-self.block_mean / self.dt * np.log1p(-u[:, 0])).astype(np.int64)
        latest, ago = since(event_onsets(lengths[..., :-1] + gap, n_steps, first=True), n_steps)
        on = ago < values_of(lengths, latest)
        return np.asarray(np.where(on, values_of(2 * u[:, 1] - 1, latest), 0.0)[..., 0])

    def shortest_periods(self) -> dict[str, float]:
        return {"block_min": self.block_min}


class PulseSpeeds(SpeedTask):
    """One pulse of speed 1, to the left or right, of one of several durations."""

    factors: ClassVar[tuple[str, ...]] = ("duration", "side")

    repeats: int = setting(3, "trials of each condition in a batch", "trials", gt=0)
    onset: float = setting(10.0, "start of the pulse", "ms", ge=0)
    duration_max: float = setting(100.0, "longest pulse", "ms", gt=0)
    n_durations: int = setting(20, "how many durations, equally spaced up to the longest", gt=0)

    def variables(self) -> dict[str, Draw]:
        durations = self.duration_max * np.arange(1, self.n_durations + 1) / self.n_durations
        return {"duration": Choice(tuple(durations.tolist())), "side": Choice(("left", "right"))}

    def bounds(self, conditions: Conditions) -> Bounds:
        return {"trial": (0.0, self.tmax), "stimulus": (self.onset, self.onset + conditions["duration"])}

    def speed(self, conditions: Conditions) -> NDArray[np.float64]:
        on, off = self.steps(self.onset), self.steps(self.onset + np.asarray(conditions["duration"], float))
        t = np.arange(self.n_steps)[:, None]
        return np.where((on <= t) & (t < off), np.where(np.asarray(conditions["side"]) == "left", 1.0, -1.0), 0.0)

    def shortest_periods(self) -> dict[str, float]:
        return {"the shortest pulse (duration_max / n_durations)": self.duration_max / self.n_durations}

    def longest(self) -> float:
        return max(self.onset + self.duration_max, super().longest())
