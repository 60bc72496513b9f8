"""Ready-set-go: measure the interval between two flashes and produce it after the second."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Draw, Rng
from rnnpipe.tasks._durations import Duration, ends, floored
from rnnpipe.tasks._timing import TimingTask


class ReadySetGo(TimingTask):
    """See a flash (ready) and, an interval later, another (set), then go when `gain` times that interval has passed.

    Periods: fixation 100 ms; measure, uniform between 800 and 1500 ms, which begins with the ready flash; production,
    which begins with the set flash, and at whose onset the fixation cue goes off. Flashes last 83 ms, at 1 and without
    noise unless `sigma` is set. To go is correct within 20% of the interval plus 25 ms; see `TimingTask`.

    Reference: Remington, Narain, Hosseini & Jazayeri (2018) Neuron 98:1005; NeuroGym, whose ground truth is later than
    the time it rewards, by the duration of a flash.
    """

    name: ClassVar[str] = "ready_set_go"
    reference: ClassVar[str] = "Remington, Narain, Hosseini & Jazayeri (2018) Neuron 98:1005"
    environment: ClassVar[str] = "ReadySetGo"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "ready", "set")
    periods: ClassVar[tuple[str, ...]] = ("fixation", "measure", "production")
    stimuli: ClassVar[tuple[str, ...]] = ("measure", "production")
    flashes: ClassVar[dict[str, str]] = {"measure": "ready_flash", "production": "set_flash"}
    factors: ClassVar[tuple[str, ...]] = ()

    fixation: Duration = setting(100.0, "duration of fixation before the ready flash", "ms")
    ready_flash: float = setting(83.0, "duration of the ready flash", "ms", gt=0)
    measure: Duration = setting({"min": 800.0, "max": 1500.0}, "time from the ready to the set flash", "ms")
    set_flash: float = setting(83.0, "duration of the set flash", "ms", gt=0)
    gain: float = setting(1.0, "interval to be produced, in units of the one that is measured", gt=0)

    def categories(self) -> dict[str, Draw]:
        return {}

    def due(self, conditions: Conditions) -> NDArray[np.floating[Any]]:
        return self.gain * np.floor(np.asarray(conditions["measure"]) / self.dt + 1e-9) * self.dt

    def intervals_due(self) -> list[float]:
        return [self.gain * floored(ms, self.dt) for ms in ends(self.measure)]

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        for channel, period in enumerate(self.stimuli, start=1):
            self.add_signals(inputs, during[period], np.zeros((inputs.shape[1], 2)), rng)
            self.flash(inputs, during, period, channel)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.ones(len(conditions["measure"]), int)
