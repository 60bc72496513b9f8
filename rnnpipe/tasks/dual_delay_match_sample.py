"""Delayed match to sample with two samples, each of which is tested once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During, Rules
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._periods import PeriodTask
from rnnpipe.trials import FIRST, FIXATE


class DualDelayMatchSample(PeriodTask):
    """See two samples, then say of the one that is cued, and after that of the other one, whether a test matches it.

    Periods, 500 ms each: fixation, sample, first delay, first cue, first test, second delay, second cue, second test.
    Each of the two items has two channels, of which it drives one with 1 (`item_1` and `item_2` say which). A cue is a
    1 on the channel of the item that is tested next, without noise, and the test a 1 on one of that item's channels.
    `order` is the item that is tested first; `first_match` and `second_match` say whether the first and the second test
    match.

    Either answer earns `reward_correct` or `reward_wrong`. The first one is what is done at the last step of the first
    test, at which the fixation cue goes off for that step: the right one lets the trial go on, a wrong one ends it, and
    so does none, with `reward_timeout`. The second one is asked by `PeriodTask`'s rules, and is the decision: `correct`
    is about it, and a trial that ends at the first answer has no decision.

    Reference: Rose, LaRocque, Riggall et al. (2016) Science 354:1136; NeuroGym, where the first answer is paid at every
    step of its test and performance is perfect with either of them.
    """

    name: ClassVar[str] = "dual_delay_match_sample"
    reference: ClassVar[str] = "Rose, LaRocque, Riggall et al. (2016) Science 354:1136"
    environment: ClassVar[str] = "DualDelayMatchSample"
    input_names: ClassVar[tuple[str, ...]] = (
        "fixation", "item_1_a", "item_1_b", "item_2_a", "item_2_b", "cue_1", "cue_2",
    )  # fmt: skip
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "match", "non_match")
    periods: ClassVar[tuple[str, ...]] = (
        "fixation", "sample_stimulus", "first_delay", "first_cue", "first_test", "second_delay", "second_cue",
        "second_test",
    )  # fmt: skip
    stimuli: ClassVar[tuple[str, ...]] = ("sample_stimulus", "first_test", "second_test")
    stimulus_onset: ClassVar[str] = "second_test"
    waiting: ClassVar[tuple[str, ...]] = (*periods[:4], "second_delay", "second_cue")
    optional: ClassVar[tuple[str, ...]] = ("fixation", "first_delay", "second_delay")
    factors: ClassVar[tuple[str, ...]] = ("first_match", "second_match", "order", "item_1", "item_2")
    trials_per_update: ClassVar[int] = 32
    validation_trials: ClassVar[int] = 512

    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: Duration = setting(500.0, "duration of fixation before the samples", "ms")
    sample_stimulus: Duration = setting(500.0, "duration of the samples", "ms")
    first_delay: Duration = setting(500.0, "time between the samples and the first cue", "ms")
    first_cue: Duration = setting(500.0, "duration of the first cue", "ms")
    first_test: Duration = setting(500.0, "duration of the first test", "ms")
    second_delay: Duration = setting(500.0, "time between the first test and the second cue", "ms")
    second_cue: Duration = setting(500.0, "duration of the second cue", "ms")
    second_test: float = setting(500.0, "duration of the second test, in which to answer", "ms")

    @property
    def n_phases(self) -> int:
        return FIRST + 1

    def categories(self) -> dict[str, Draw]:
        either, item = Choice((False, True)), Choice((1, 2))
        return {"first_match": either, "second_match": either, "order": item, "item_1": item, "item_2": item}

    def observe(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        super().observe(inputs, conditions, during, rng)
        inputs[_last(during["first_test"]), 0] = 0

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        items = np.stack([conditions["item_1"], conditions["item_2"]], axis=1).astype(int)
        first = np.asarray(conditions["order"], int)
        self.add_signals(inputs[..., :5], during["sample_stimulus"], self._levels(items), rng)
        for which, tested in (("first", first), ("second", 3 - first)):
            item = items[np.arange(len(items)), tested - 1]
            test = np.where(conditions[f"{which}_match"], item, 3 - item)
            shown = np.where(np.array([1, 2]) == tested[:, None], test[:, None], 0)
            self.add_signals(inputs[..., :5], during[f"{which}_test"], self._levels(shown), rng)
            for k in (1, 2):
                inputs[during[f"{which}_cue"] & (tested == k), 4 + k] = 1

    @staticmethod
    def _levels(items: NDArray[np.int_]) -> NDArray[np.float64]:
        """Levels of the four channels of two items, (n_trials, 2); 0 is no item."""
        return (items[..., None] == np.array([1, 2])).reshape(len(items), 4).astype(float)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["second_match"], 1, 2)

    def phases(self, periods: Mapping[str, NDArray[np.int32]], during: During) -> NDArray[np.uint8]:
        phase = super().phases(periods, during)
        phase[_last(during["first_test"])] = FIRST
        return phase

    def rules(self, conditions: Conditions, value: NDArray[np.floating[Any]]) -> Rules:
        rewards, stops, choices = super().rules(conditions, value)
        right = np.where(conditions["first_match"], 1, 2)[:, None] == np.arange(value.shape[1])
        rewards[FIRST] = np.where(right, self.reward_correct, self.reward_wrong)
        rewards[FIRST, :, FIXATE] = self.reward_timeout
        stops[FIRST] = ~right
        return rewards, stops, choices


def _last(during: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The last step of a period, (n_steps, n_trials)."""
    return during & ~np.concatenate([during[1:], np.zeros_like(during[:1])])
