"""The matching family of Yang et al. (2019): respond to the test or withhold, by whether it matches the sample."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._yang import YangTask
from rnnpipe.trials import FIXATE


class YangMatch(YangTask):
    """See a sample and, after a delay, a test; respond in the direction of the test, or not at all.

    Periods: fixation 300 ms; sample 500 ms; delay 1000 ms; test 500 ms; decision 900 ms. Sample and test are in the
    same modality, drawn for each trial, independently. A response is due on matches if `go_on_match`, else on
    non-matches; where none is due, to wait to the end is correct and rewarded.

    A subclass gives `test`: what a match is.
    """

    go_on_match: ClassVar[bool] = True
    """Whether to respond on matches, or on non-matches."""
    periods: ClassVar[tuple[str, ...]] = ("fixation", "sample_stimulus", "delay", "test_stimulus", "decision")
    stimuli: ClassVar[tuple[str, ...]] = ("sample_stimulus", "test_stimulus")
    stimulus_onset: ClassVar[str] = "test_stimulus"
    factors: ClassVar[tuple[str, ...]] = ("match", "modality", "sample")
    withholds: ClassVar[bool] = True
    trials_per_update: ClassVar[int] = 64

    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: Duration = setting(300.0, "duration of fixation before the sample", "ms")
    sample_stimulus: Duration = setting(500.0, "duration of the sample", "ms")
    delay: Duration = setting(1000.0, "time between sample and test", "ms")
    test_stimulus: Duration = setting(500.0, "duration of the test", "ms")
    decision: float = setting(900.0, "time to respond in", "ms")

    def test(self, conditions: Conditions) -> NDArray[np.int64]:
        """Direction of the test, counted from 0, (n_trials,)."""
        raise NotImplementedError

    def categories(self) -> dict[str, Draw]:
        return {
            "match": Choice((False, True)),
            "modality": Choice((1, 2)),
            "sample": Choice(tuple(range(self.dim_ring))),
        }

    def levels(self, conditions: Conditions) -> dict[str, NDArray[np.float64]]:
        shown = conditions["sample"], self.test(conditions)
        return {p: self.shown_in(conditions["modality"], k) for p, k in zip(self.stimuli, shown, strict=True)}

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        due = np.asarray(conditions["match"], bool) == self.go_on_match
        return np.where(due, self.test(conditions) + 1, FIXATE)


class YangMatchSample(YangMatch):
    """A match is a test in the direction of the sample, a non-match one opposite to it."""

    def test(self, conditions: Conditions) -> NDArray[np.int64]:
        sample = np.asarray(conditions["sample"], dtype=np.int64)
        return np.where(conditions["match"], sample, (sample + self.dim_ring // 2) % self.dim_ring)


class YangMatchCategory(YangMatch):
    """A match is a test of the category of the sample, any direction of it being as likely.

    The categories are the two halves of the ring, the first `dim_ring` / 2 directions and the others; `place` is that
    of the test within its category. NeuroGym has the first direction of the second half in the wrong one.
    """

    def categories(self) -> dict[str, Draw]:
        return {**super().categories(), "place": Choice(tuple(range(self.dim_ring // 2)))}

    def test(self, conditions: Conditions) -> NDArray[np.int64]:
        half = self.dim_ring // 2
        sample = np.asarray(conditions["sample"], dtype=np.int64) // half
        category = np.where(conditions["match"], sample, 1 - sample)
        return category * half + np.asarray(conditions["place"], dtype=np.int64)
