"""A brief stimulus at a random time, a delay, a cue to recall: what the tasks on working memory share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions
from rnnpipe.tasks._draws import Draw, Fixed, Uniform
from rnnpipe.tasks._regression import TargetTask
from rnnpipe.trials import Trials


class MemoryTask(TargetTask):
    """Hold what was shown, with outputs at 0, and give it while the cue is on.

    Periods: stimulus of `stimulus` from an onset drawn for each trial in [onset_min, onset_max); delay; recall from
    `recall_onset` to the end of the trial. The loss counts before recall and, after `grace`, during it.
    """

    tmax: float = setting(320.0, "duration of a trial", "ms", gt=0)
    repeats: int = setting(11, "trials of each condition in a batch", "trials", gt=0)
    grace: float = setting(20.0, "time after the cue in which the loss does not count yet", "ms", ge=0)
    onset_min: float = setting(0.0, "earliest onset of the stimulus", "ms", ge=0)
    onset_max: float = setting(140.0, "upper bound of the onset; equal to onset_min, the onset is fixed", "ms", ge=0)
    stimulus: float = setting(10.0, "duration of the stimulus", "ms")
    recall_onset: float = setting(160.0, "start of recall, which lasts to the end", "ms", gt=0)
    bias: bool = setting(False, "a further input that is 1 throughout")

    def onset(self) -> Draw:
        """Distribution of the stimulus onset, ms."""
        if self.onset_min == self.onset_max:
            return Fixed(self.onset_min)
        return Uniform(self.onset_min, self.onset_max, self.dt)

    def bounds(self, conditions: Conditions) -> Bounds:
        off = conditions["onset"] + self.stimulus
        return {
            "silence": (0.0, self.recall_onset),
            "stimulus": (conditions["onset"], off),
            "delay": (off, self.recall_onset),
            "recall": (self.recall_onset, self.tmax),
        }

    def counted(self) -> dict[str, float]:
        return {"silence": 0.0, "recall": self.grace}

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        names = self.input_names
        rest = np.array([float(name == "bias") for name in names])
        return {"delay": rest, "recall": rest + np.array([float(name == "recall") for name in names])}

    def recalled(self, output: NDArray[np.floating[Any]], trials: Trials) -> NDArray[np.float64]:
        """Mean output of each trial in recall where the loss counts, (n_trials, n_outputs)."""
        assert trials.mask is not None
        w = (trials.mask * trials.during("recall")).astype(float)[..., None]
        counted = np.where(w > 0, output.astype(float), 0.0)  # what does not count may be anything
        return np.asarray((w * counted).sum(0) / w.sum(0))

    def shortest_periods(self) -> dict[str, float]:
        return {
            "stimulus": self.stimulus,
            "delay (recall_onset less onset_max and stimulus)": self.recall_onset - self.onset_max - self.stimulus,
        }

    def longest(self) -> float:
        return self.recall_onset + self.grace + self.dt
