"""Delayed match to category: do two directions lie in the same half of the circle?"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions
from rnnpipe.tasks._draws import Choice, Draw, Uniform
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._match import MatchTask


class DelayMatchCategory(MatchTask):
    """See a direction, remember its category, and say whether the test, another direction, is of the same one.

    Periods: fixation 500 ms; sample 650 ms (600 at steps of 100 ms); delay 1000 ms; test 650 ms, in which the answer is
    given. Category 0 are the angles from 0 to pi, category 1 those from pi to 2 pi; angles are uniform within their
    category: angle = pi * (category + place). Channel k of the ring is at 0.5 + 0.5 cos(2 pi k / dim_ring - angle). Two
    channels would show cos(angle) only, whose distribution is the same in both categories, so there must be three.

    Reference: Freedman & Assad (2006) Nature 443:85; NeuroGym, whose default of two channels cannot be solved.
    """

    name: ClassVar[str] = "delay_match_category"
    reference: ClassVar[str] = "Freedman & Assad (2006) Nature 443:85"
    environment: ClassVar[str] = "DelayMatchCategory"
    periods: ClassVar[tuple[str, ...]] = ("fixation", "sample_stimulus", "delay", "test_stimulus")
    factors: ClassVar[tuple[str, ...]] = ("match", "category")
    trials_per_update: ClassVar[int] = 20

    min_correct: float = setting(0.9, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    dim_ring: int = setting(8, "directions, equally spaced on a ring, each with an input", ge=3)
    fixation: Duration = setting(500.0, "duration of fixation before the sample", "ms")
    sample_stimulus: Duration = setting(650.0, "duration of the sample", "ms")
    delay: Duration = setting(1000.0, "time between sample and test", "ms")
    test_stimulus: Duration = setting(650.0, "duration of the test, in which the answer is given", "ms")

    def categories(self) -> dict[str, Draw]:
        place = Uniform(0.0, 1.0)
        return {
            "match": Choice((False, True)),
            "category": Choice((0, 1)),
            "sample_place": place,
            "test_place": place,
        }

    def directions(self, conditions: Conditions) -> dict[str, NDArray[np.floating[Any]]]:
        sample = np.asarray(conditions["category"])
        test = np.where(conditions["match"], sample, 1 - sample)
        return {
            "sample_stimulus": np.pi * (sample + conditions["sample_place"]),
            "test_stimulus": np.pi * (test + conditions["test_place"]),
        }
