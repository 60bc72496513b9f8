"""Delayed match to sample: is the direction after the delay the one before it?"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._match import MatchTask


class DelayMatchSample(MatchTask):
    """See a direction, remember it, and say whether the test is the same one or the opposite.

    Periods: fixation 300 ms; sample 500 ms; delay 1000 ms; test 500 ms; decision 900 ms. In sample and test channel k
    of the ring is at 0.5 + 0.5 cos(2 pi k / dim_ring - angle). The sample is one of the ring's directions; the test is
    the sample on half of the trials and opposite to it on the others.

    Reference: Miller, Erickson & Desimone (1996) J Neurosci 16:5154; NeuroGym.
    """

    name: ClassVar[str] = "delay_match_sample"
    reference: ClassVar[str] = "Miller, Erickson & Desimone (1996) J Neurosci 16:5154"
    environment: ClassVar[str] = "DelayMatchSample"
    periods: ClassVar[tuple[str, ...]] = ("fixation", "sample_stimulus", "delay", "test_stimulus", "decision")
    factors: ClassVar[tuple[str, ...]] = ("match", "direction")
    trials_per_update: ClassVar[int] = 20

    fixation: Duration = setting(300.0, "duration of fixation before the sample", "ms")
    sample_stimulus: Duration = setting(500.0, "duration of the sample", "ms")
    delay: Duration = setting(1000.0, "time between sample and test", "ms")
    test_stimulus: Duration = setting(500.0, "duration of the test", "ms")
    decision: float = setting(900.0, "time to choose in", "ms")

    def categories(self) -> dict[str, Draw]:
        return {"match": Choice((False, True)), "direction": Choice(tuple(range(self.dim_ring)))}

    def directions(self, conditions: Conditions) -> dict[str, NDArray[np.floating[Any]]]:
        sample = self.angle(conditions["direction"])
        return {"sample_stimulus": sample, "test_stimulus": sample + np.pi * ~np.asarray(conditions["match"], bool)}
