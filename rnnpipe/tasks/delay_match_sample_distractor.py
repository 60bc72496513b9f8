"""Delayed match to sample with distractors: respond to the first stimulus that is the sample again."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng, Uniform
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._periods import CueScheme
from rnnpipe.tasks._ring import RingTask


class DelayMatchSampleDistractor(RingTask):
    """See a direction, remember it through delays and other directions, and respond when it is shown again.

    Periods: fixation 300 ms; sample 500 ms; delay 1000 ms; up to two distractors of 500 ms, each with a delay of 1000
    ms after it; the test, which is the sample again, 500 ms, with which the trial ends. `n_distractors`, 0 to 2, is
    drawn uniformly, so that nothing but the directions tells which stimulus is the test. Channel k of the ring is at
    cos(2 pi k / dim_ring - angle), without noise unless `sigma` is set. The sample is uniform on the circle; a
    distractor is `first_turn` or `second_turn` radians away from it, by `separation` degrees at least. To respond after
    the sample but before the test ends the trial with `reward_wrong`.

    Reference: Miller, Erickson & Desimone (1996) J Neurosci 16:5154; NeuroGym, whose distractors may come as close to
    the sample as chance has it and whose trials go on after a test that was missed.
    """

    name: ClassVar[str] = "delay_match_sample_distractor"
    reference: ClassVar[str] = "Miller, Erickson & Desimone (1996) J Neurosci 16:5154"
    environment: ClassVar[str] = "DelayMatchSampleDistractor1D"
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "match")
    periods: ClassVar[tuple[str, ...]] = (
        "fixation", "sample_stimulus", "delay", "first_distractor", "second_delay", "second_distractor", "third_delay",
        "test_stimulus",
    )  # fmt: skip
    stimuli: ClassVar[tuple[str, ...]] = ("sample_stimulus", "first_distractor", "second_distractor", "test_stimulus")
    stimulus_onset: ClassVar[str] = "test_stimulus"
    waiting: ClassVar[tuple[str, ...]] = ("fixation", "sample_stimulus")
    early: ClassVar[tuple[str, ...]] = periods[2:-1]
    optional: ClassVar[tuple[str, ...]] = ("fixation", *early)
    factors: ClassVar[tuple[str, ...]] = ("n_distractors",)
    trials_per_update: ClassVar[int] = 30
    validation_trials: ClassVar[int] = 500

    reward_wrong: float = setting(-1.0, "reward of responding to a distractor, or in a delay")
    sigma: float = setting(0.0, "input noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    fixation_until: CueScheme = setting(
        "fixation",
        "fixation cue is on in the fixation period only (fixation), to the test (decision), or all the time (stimulus),"
        " of which the second tells when to respond",
    )
    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    dim_ring: int = setting(32, "directions, equally spaced on a ring, each with an input", ge=3)
    fixation: Duration = setting(300.0, "duration of fixation before the sample", "ms")
    sample_stimulus: Duration = setting(500.0, "duration of the sample", "ms")
    delay: float = setting(1000.0, "time between two stimuli", "ms", ge=0)
    test_stimulus: float = setting(500.0, "duration of the test, and of each distractor", "ms", gt=0)
    separation: float = setting(30.0, "smallest angle between a distractor and the sample", "degrees", ge=0, lt=180)

    def durations(self) -> dict[str, Duration]:
        own: dict[str, Duration] = {p: getattr(self, p) for p in self.periods if p in type(self).model_fields}
        return {p: own[p] if p in own else [0.0, self._if_there(p)] for p in self.periods}

    def _if_there(self, period: str) -> float:
        return self.test_stimulus if period.endswith("distractor") else self.delay

    def derived(self, conditions: Conditions) -> dict[str, NDArray[np.floating[Any]]]:
        n = np.asarray(conditions["n_distractors"])
        return {p: np.where(n > k // 2, self._if_there(p), 0.0) for k, p in enumerate(self.early[1:])}

    def categories(self) -> dict[str, Draw]:
        turn = Uniform(np.radians(self.separation), 2 * np.pi - np.radians(self.separation))
        sample = Uniform(0.0, 2 * np.pi)
        return {"n_distractors": Choice((0, 1, 2)), "sample": sample, "first_turn": turn, "second_turn": turn}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        channels = 2 * np.pi * np.arange(self.dim_ring) / self.dim_ring
        for period, turn in zip(self.stimuli, (0, conditions["first_turn"], conditions["second_turn"], 0), strict=True):
            angle = np.asarray(conditions["sample"] + turn)
            self.add_signals(inputs, during[period], np.cos(channels - angle[:, None]), rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.ones(len(conditions["sample"]), int)
