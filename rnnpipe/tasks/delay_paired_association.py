"""Delayed paired association: go if the second of two items belongs to the first."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._periods import PeriodTask
from rnnpipe.trials import FIXATE


class DelayPairedAssociation(PeriodTask):
    """Smell an item, remember it, smell another, and after a second delay go if the two belong together.

    Periods: fixation, none; first item 1000 ms; delay 1000 ms; second item 1000 ms; second delay 1000 ms; decision
    500 ms. The first item is 1 or 2, the second 3 or 4; 1 belongs to 3 and 2 to 4. The channel of an item is at 1 while
    it is there, without noise unless `sigma` is set. On the other pairs waiting to the end is correct. To go on these
    earns `reward_wrong`, to wait where the items belong together `reward_timeout`.

    Reference: Zhang, Yan, Chang et al. (2019) eLife 8:e43191; NeuroGym, which counts no correct rejection.
    """

    name: ClassVar[str] = "delay_paired_association"
    reference: ClassVar[str] = "Zhang et al. (2019) eLife 8:e43191"
    environment: ClassVar[str] = "DelayPairedAssociation"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "item_1", "item_2", "item_3", "item_4")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "go")
    periods: ClassVar[tuple[str, ...]] = (
        "fixation", "first_stimulus", "delay", "second_stimulus", "second_delay", "decision",
    )  # fmt: skip
    stimuli: ClassVar[tuple[str, ...]] = ("first_stimulus", "second_stimulus")
    optional: ClassVar[tuple[str, ...]] = ("fixation", "delay", "second_delay")
    stimulus_onset: ClassVar[str] = "second_stimulus"
    factors: ClassVar[tuple[str, ...]] = ("first", "second")
    withholds: ClassVar[bool] = True
    trials_per_update: ClassVar[int] = 20
    validation_trials: ClassVar[int] = 500

    reward_wrong: float = setting(-1.0, "reward of going where the items do not belong together")
    sigma: float = setting(0.0, "input noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: Duration = setting(0.0, "duration of fixation before the first item", "ms")
    first_stimulus: Duration = setting(1000.0, "duration of the first item", "ms")
    delay: Duration = setting(1000.0, "time between the items", "ms")
    second_stimulus: Duration = setting(1000.0, "duration of the second item", "ms")
    second_delay: Duration = setting(1000.0, "time between the second item and the decision", "ms")
    decision: float = setting(500.0, "time to go in", "ms")

    def categories(self) -> dict[str, Draw]:
        return {"first": Choice((1, 2)), "second": Choice((3, 4))}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        for item in ("first", "second"):
            level = (np.asarray(conditions[item])[:, None] == np.arange(1, 5)).astype(float)
            self.add_signals(inputs, during[f"{item}_stimulus"], level, rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(np.asarray(conditions["second"]) - conditions["first"] == 2, 1, FIXATE)
