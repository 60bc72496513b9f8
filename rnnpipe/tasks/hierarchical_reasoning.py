"""Hierarchical reasoning: was the time between two flashes long, and what does the rule make of it?"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._periods import PeriodTask


class HierarchicalReasoning(PeriodTask):
    """Learn the rule, judge the time between two flashes, then go to their side or to the other one.

    Periods: fixation, truncated exponential (mean parameter 600 ms, 400-800 ms); rule cue 1000 ms; second fixation,
    truncated exponential (mean parameter 600 ms, 400-900 ms); first flash 100 ms; delay, one of eight from 530 to 1170
    ms; second flash 100 ms; decision 700 ms. Both flashes are on the same `side`. By rule 1 the answer is that side if
    the delay is short and the other one if it is long, by rule 2 the reverse. A delay is long from `boundary` on; what
    counts is the delay as it is shown, a multiple of `dt`. Cues and flashes are at 1, without noise unless `sigma` is
    set. Acting at any time before the decision costs `reward_abort`.

    Reference: Sarafyazd & Jazayeri (2019) Science 364:eaav8911; NeuroGym. There the rule is not shown, but holds for
    blocks of trials, from the outcomes of which it is to be inferred and reported; here trials are independent. There
    is no delay at the boundary, after which neither answer would be right.
    """

    name: ClassVar[str] = "hierarchical_reasoning"
    reference: ClassVar[str] = "Sarafyazd & Jazayeri (2019) Science 364:eaav8911"
    environment: ClassVar[str] = "HierarchicalReasoning"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "rule_1", "rule_2", "flash_1", "flash_2")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "choice_1", "choice_2")
    periods: ClassVar[tuple[str, ...]] = (
        "fixation", "rule_cue", "second_fixation", "first_flash", "delay", "second_flash", "decision",
    )  # fmt: skip
    stimuli: ClassVar[tuple[str, ...]] = ("rule_cue", "first_flash", "second_flash")
    stimulus_onset: ClassVar[str] = "second_flash"
    waiting: ClassVar[tuple[str, ...]] = periods[:-1]
    optional: ClassVar[tuple[str, ...]] = ("fixation", "second_fixation")
    factors: ClassVar[tuple[str, ...]] = ("rule", "side")
    trials_per_update: ClassVar[int] = 32
    validation_trials: ClassVar[int] = 500

    sigma: float = setting(0.0, "input noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    min_correct: float = setting(0.9, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: Duration = setting(
        {"mean": 600.0, "min": 400.0, "max": 800.0}, "duration of fixation before the rule", "ms"
    )
    rule_cue: Duration = setting(1000.0, "time for which the rule is shown", "ms")
    second_fixation: Duration = setting(
        {"mean": 600.0, "min": 400.0, "max": 900.0}, "time between the rule and the first flash", "ms"
    )
    first_flash: Duration = setting(100.0, "duration of the first flash", "ms")
    delay: Duration = setting(
        [530.0, 610.0, 690.0, 770.0, 930.0, 1010.0, 1090.0, 1170.0], "time between the flashes", "ms"
    )
    second_flash: Duration = setting(100.0, "duration of the second flash", "ms")
    decision: float = setting(700.0, "time to choose in", "ms")
    boundary: float = setting(850.0, "delays from it on are long", "ms", gt=0)

    def categories(self) -> dict[str, Draw]:
        return {"rule": Choice((1, 2)), "side": Choice((1, 2))}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        for period, which, first in (("rule_cue", "rule", 0), ("first_flash", "side", 2), ("second_flash", "side", 2)):
            level = (first + np.asarray(conditions[which])[:, None] == np.arange(1, 5)).astype(float)
            self.add_signals(inputs, during[period], level, rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        # a given delay is shown, and counts, floored to a step
        shown = np.floor(np.asarray(conditions["delay"]) / self.dt + 1e-9) * self.dt
        towards = (shown < self.boundary) == (np.asarray(conditions["rule"]) == 1)
        side = np.asarray(conditions["side"], int)
        return np.where(towards, side, 3 - side)
