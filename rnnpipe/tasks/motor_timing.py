"""Motor timing: produce the one of two intervals that is asked for."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._durations import Duration, floored
from rnnpipe.tasks._timing import TimingTask


class MotorTiming(TimingTask):
    """See which interval is asked for, wait for a flash (set), then go when that interval has passed.

    Periods: fixation 500 ms; cue, uniform between 1000 and 3000 ms; production, which begins with the set flash, and at
    whose onset the fixation cue goes off. Each interval has a channel, at 1 from the cue's onset to the end of the set
    flash; nothing but learning tells how long the interval is. The set flash lasts 50 ms. All are without noise unless
    `sigma` is set. `interval` indexes the `intervals`, 800 and 1500 ms. To go is correct within 20% of the interval
    plus 25 ms; see `TimingTask`.

    Reference: Wang, Narain, Hosseini & Jazayeri (2018) Nat Neurosci 21:102; NeuroGym, in whose time step, 80 ms, the
    set flash vanishes.
    """

    name: ClassVar[str] = "motor_timing"
    reference: ClassVar[str] = "Wang, Narain, Hosseini & Jazayeri (2018) Nat Neurosci 21:102"
    environment: ClassVar[str] = "MotorTiming"
    periods: ClassVar[tuple[str, ...]] = ("fixation", "cue", "production")
    stimuli: ClassVar[tuple[str, ...]] = ("cue", "production")
    flashes: ClassVar[dict[str, str]] = {"production": "set_flash"}
    factors: ClassVar[tuple[str, ...]] = ("interval",)

    dt: float = setting(50.0, "time step", "ms", gt=0)
    fixation: Duration = setting(500.0, "duration of fixation before the cue", "ms")
    cue: Duration = setting({"min": 1000.0, "max": 3000.0}, "time from the onset of the cue to the set flash", "ms")
    set_flash: float = setting(50.0, "duration of the set flash", "ms", gt=0)
    intervals: list[float] = setting([800.0, 1500.0], "intervals to be produced, drawn uniformly", "ms", min_length=1)

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The fixation cue, a channel for each interval, and the set flash."""
        return "fixation", *(f"interval_{k + 1}" for k in range(len(self.intervals))), "set"

    def categories(self) -> dict[str, Draw]:
        return {"interval": Choice(tuple(range(len(self.intervals))))}

    def due(self, conditions: Conditions) -> NDArray[np.floating[Any]]:
        return np.array(self.intervals_due())[np.asarray(conditions["interval"], int)]

    def intervals_due(self) -> list[float]:
        return [floored(ms, self.dt) for ms in self.intervals]

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        n = len(self.intervals)
        asked = (np.asarray(conditions["interval"])[:, None] == np.arange(n + 1)).astype(float)
        self.add_signals(inputs, during["cue"], asked, rng)
        self.add_signals(inputs, during["production"], np.zeros_like(asked), rng)
        self.flash(inputs, during, "production", n + 1)
        for k in range(n):
            chosen = {"production": during["production"] & (asked[:, k] == 1)}
            self.flash(inputs, chosen, "production", k + 1)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.ones(len(conditions["interval"]), int)
