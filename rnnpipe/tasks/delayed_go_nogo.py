"""Delayed Go-NoGo: after a delay, go if the cue said so, else wait."""

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


class DelayedGoNogo(PeriodTask):
    """See one of two cues, remember it, and go if it was the Go cue.

    Periods: fixation, none; stimulus 500 ms; delay 500 ms; decision 500 ms. The cue is a 1 on its own channel during
    the stimulus, without noise unless `sigma` is set. To go on a NoGo trial earns `reward_wrong`, to wait on a Go trial
    `reward_timeout`, both -0.5; to wait on a NoGo trial is correct.

    Reference: Zhang, Yan, Chang et al. (2019) eLife 8:e43191; NeuroGym, where waiting is neither rewarded nor counted.
    `go_nogo` is that of Kim, Li & Sejnowski (2019), `graded_go_nogo` that of engellab/trainRNNbrain.
    """

    name: ClassVar[str] = "delayed_go_nogo"
    reference: ClassVar[str] = "Zhang et al. (2019) eLife 8:e43191"
    environment: ClassVar[str] = "DelayedGoNogo"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "nogo", "go")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "go")
    periods: ClassVar[tuple[str, ...]] = ("fixation", "stimulus", "delay", "decision")
    factors: ClassVar[tuple[str, ...]] = ("go",)
    withholds: ClassVar[bool] = True
    trials_per_update: ClassVar[int] = 20
    validation_trials: ClassVar[int] = 200

    reward_wrong: float = setting(-0.5, "reward of going on a NoGo trial")
    reward_timeout: float = setting(-0.5, "reward of waiting to the end of a Go trial")
    sigma: float = setting(0.0, "input noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: Duration = setting(0.0, "duration of fixation before the stimulus", "ms")
    stimulus: Duration = setting(500.0, "duration of the cue", "ms")
    delay: Duration = setting(500.0, "time between the cue and the decision", "ms")
    decision: float = setting(500.0, "time to go in", "ms")

    def categories(self) -> dict[str, Draw]:
        return {"go": Choice((False, True))}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        go = np.asarray(conditions["go"], dtype=float)
        self.add_signals(inputs, during["stimulus"], np.stack([1 - go, go], axis=1), rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["go"], 1, FIXATE)
