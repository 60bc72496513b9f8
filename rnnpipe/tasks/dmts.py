"""Delayed match to sample: say whether the second stimulus is the first one again."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._regression import CategoricalTask, jittered


class Dmts(CategoricalTask):
    """A sample in one of two channels, a delay, a match in one of them: are they the same?

    Periods: sample 15-45 ms; match 60-90 ms; decision from 90 ms to the end of the trial at 120 ms; with `jitter` the
    onsets of sample and match vary independently. In the decision period the first output should be 1 on a match, the
    second one otherwise; with one output it should be 1 on a match and 0 otherwise. The loss counts before the match
    (silence) and in the decision period; with `silent_match` also in between.

    Reference: engellab/trainRNNbrain, task DMTS.
    """

    name: ClassVar[str] = "dmts"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    environment: ClassVar[str] = "DMTS"
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "match", "nonmatch")
    factors: ClassVar[tuple[str, ...]] = ("sample", "match")
    trials_per_update: ClassVar[int] = 256
    validation_trials: ClassVar[int] = 256
    stimulus_onset: ClassVar[str] = "match"

    tmax: float = setting(120.0, "duration of a trial", "ms", gt=0)
    repeats: int = setting(64, "trials of each condition in a batch", "trials", gt=0)
    sample_onset: float = setting(15.0, "start of the sample, without jitter", "ms", ge=0)
    match_onset: float = setting(60.0, "start of the match, without jitter", "ms")
    stimulus: float = setting(30.0, "duration of the sample, and of the match", "ms")
    jitter: float = setting(0.0, "onsets are drawn from [onset - jitter, onset + jitter), each for itself", "ms", ge=0)
    decision_onset: float = setting(90.0, "start of the decision period, which lasts to the end", "ms")
    cue: bool = setting(False, "a further input that is 1 in the decision period")
    outputs: Literal[1, 2] = setting(2, "two outputs, match and nonmatch, or one, the match")
    silent_match: bool = setting(False, "the loss counts during the match, too, up to the decision")

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The two channels, and the cue if there is one."""
        return ("first", "second", "cue") if self.cue else ("first", "second")

    @property
    def output_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The answers, or the one that is said."""
        return ("match", "nonmatch")[: self.outputs]

    def variables(self) -> dict[str, Draw]:
        return {
            "sample": Choice((1, 2)),
            "match": Choice((1, 2)),
            "sample_onset": jittered(self.sample_onset, self.jitter, self.dt),
            "match_onset": jittered(self.match_onset, self.jitter, self.dt),
        }

    def bounds(self, conditions: Conditions) -> Bounds:
        sample, match = conditions["sample_onset"], conditions["match_onset"]
        return {
            "silence": (0.0, self.decision_onset if self.silent_match else match),
            "sample": (sample, sample + self.stimulus),
            "delay": (sample + self.stimulus, match),
            "match": (match, match + self.stimulus),
            "decision": (self.decision_onset, self.tmax),
        }

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        for period in ("sample", "match"):
            for k in (0, 1):
                inputs[..., k] += during[period] & (conditions[period] == k + 1)
        if self.cue:
            inputs[..., 2] = during["decision"]

    def levels(self) -> NDArray[np.float64]:
        return np.array([[np.nan, np.nan], [1.0, 0.0], [0.0, 1.0]])[:, : self.outputs]

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["sample"] == conditions["match"], 1, 2)

    def counted(self) -> dict[str, float]:
        return {"silence": 0.0, "decision": self.grace}

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        one = np.eye(len(self.input_names))
        found = {"rest": np.zeros(len(one)), "first": one[0], "second": one[1]}
        return {**found, "decision": one[2]} if self.cue else found

    def shortest_periods(self) -> dict[str, float]:
        if self.sample_onset < self.jitter:
            raise ValueError(f"the sample could start before the trial: jitter = {self.jitter:g} ms is too large")
        if self.match_onset + self.jitter + self.stimulus > self.decision_onset:
            raise ValueError(
                f"the match can end after decision_onset = {self.decision_onset:g} ms; start it earlier or make jitter"
                " smaller"
            )
        delay = self.match_onset - self.sample_onset - 2 * self.jitter - self.stimulus
        return {"stimulus": self.stimulus, "the delay between sample and match": delay}

    def longest(self) -> float:
        return self.decision_onset + self.grace + self.dt
