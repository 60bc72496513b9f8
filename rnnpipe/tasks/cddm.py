"""Context-dependent decision making: two graded outputs give the sign of the coherence that the context names."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._motion import check_signed
from rnnpipe.tasks._regression import CategoricalTask, write
from rnnpipe.trials import Trials

EASY = 0.2
"""Coherence from which a decision should be right on nearly every trial: what `accuracy_*` by context are about."""


class Cddm(CategoricalTask):
    """See motion and colour at once and say on which side the one is that the context names; free of choice in between.

    Periods: fixation 200 ms; stimulus from there to the end of the trial at 600 ms; decision for its last 200 ms. The
    context's input is 1 throughout. A signed coherence
    c in [-1, 1] drives the feature's right channel with (1 + c) / 2 and its left one with (1 - c) / 2. In the decision
    period the output of the side of the relevant coherence should be 1; at zero coherence both should be
    `zero_target`, and either choice counts as correct. With one output it should be the sign. The loss counts before
    the stimulus (silence) and in the decision period, not in between.

    A batch is the full factorial in fixed order: context, then relevant coherence, then irrelevant coherence, the last
    one fastest, so that anything per trial reshapes to (2, n_coherences, n_coherences), in either context.

    Reference: engellab/trainRNNbrain, after Mante, Sussillo, Shenoy & Newsome (2013) Nature 503:78.
    """

    name: ClassVar[str] = "cddm"
    reference: ClassVar[str] = "engellab/trainRNNbrain; after Mante et al. (2013) Nature 503:78"
    environment: ClassVar[str] = "CDDM"
    input_names: ClassVar[tuple[str, ...]] = (
        "motion", "colour", "motion_right", "motion_left", "colour_right", "colour_left",
    )  # fmt: skip
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "left", "right")
    factors: ClassVar[tuple[str, ...]] = ("coherence_irrelevant", "coherence_relevant", "context")
    trials_per_update: ClassVar[int] = 338
    validation_trials: ClassVar[int] = 338

    tmax: float = setting(600.0, "duration of a trial", "ms", gt=0)
    fixation: float = setting(200.0, "time before the stimulus, which lasts to the end", "ms")
    viewing: float = setting(200.0, "time from the start of the stimulus to the decision, which lasts to the end", "ms")
    early_onset: bool = setting(
        False, "start stimulus and target one step early, as the authors' code does; the loss counts as without"
    )
    coherences: list[float] = setting(
        [-0.8, -0.4, -0.2, -0.1, -0.05, -0.025, 0.0, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8],
        "signed coherences of both features, from -1 to 1, positive to the right",
        min_length=1,
    )
    outputs: Literal[1, 2] = setting(2, "two outputs, right and left, or one, the sign")
    zero_target: float = setting(0.0, "target of two outputs at zero coherence", ge=0, lt=1)

    _signed = field_validator("coherences")(check_signed)

    @property
    def output_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The sides, or the one output."""
        return ("right", "left") if self.outputs == 2 else ("choice",)

    def variables(self) -> dict[str, Draw]:
        coherences = Choice(tuple(map(float, self.coherences)))
        return {
            "context": Choice(("motion", "colour")),
            "coherence_relevant": coherences,
            "coherence_irrelevant": coherences,
        }

    def bounds(self, conditions: Conditions) -> Bounds:
        decision, early = self.fixation + self.viewing, self.dt if self.early_onset else 0.0
        return {
            "fixation": (0.0, self.fixation),
            "stimulus": (self.fixation - early, self.tmax),
            "target": (decision - early, self.tmax),
            "decision": (decision, self.tmax),
        }

    def coherence(self, conditions: Conditions) -> dict[str, NDArray[np.float64]]:
        """Signed coherence of "motion" and of "colour", (n_trials,) each."""
        relevant, irrelevant = (np.asarray(conditions[f"coherence_{k}"], float) for k in ("relevant", "irrelevant"))
        motion = np.asarray(conditions["context"]) == "motion"
        return {"motion": np.where(motion, relevant, irrelevant), "colour": np.where(motion, irrelevant, relevant)}

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        for k, feature in enumerate(("motion", "colour")):
            inputs[..., k] = np.asarray(conditions["context"]) == feature
        write(inputs[..., 2:], during["stimulus"], self.sensory(**self.coherence(conditions)))

    def sensory(self, motion: ArrayLike, colour: ArrayLike) -> NDArray[np.float64]:
        """Levels of the sensory inputs at signed coherences, (..., n_inputs - 2)."""
        m, c = np.asarray(motion, float), np.asarray(colour, float)
        return np.stack([1 + m, 1 - m, 1 + c, 1 - c], axis=-1) / 2

    def levels(self) -> NDArray[np.float64]:
        if self.outputs == 2:
            return np.array([[np.nan, np.nan], [0.0, 1.0], [1.0, 0.0]])
        return np.array([[np.nan], [-1.0], [1.0]])

    def write_target(self, target: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        level = self.levels()[self.answer(conditions)]
        level[conditions["coherence_relevant"] == 0] = self.zero_target if self.outputs == 2 else 0.0
        write(target, during["target"], level)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["coherence_relevant"] > 0, 2, 1)

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        value, correct = super().judge(conditions)
        either = conditions["coherence_relevant"] == 0
        correct[either, 1:], value[either, 1:] = 1, self.reward_correct
        return value, correct

    def counted(self) -> dict[str, float]:
        return {"fixation": 0.0, "decision": self.grace}

    def protocol_inputs(self, nudge: float = 0.1) -> dict[str, NDArray[np.float64]]:
        """Inputs of either context: without stimulus, with a neutral one, and with a small relevant coherence.

        Args:
            nudge: That coherence; 0.1 gives (0.55, 0.45) in the relevant pair of channels.
        """
        found = {}
        for k, feature in enumerate(("motion", "colour")):
            other = "colour" if feature == "motion" else "motion"
            context = np.eye(2)[k]
            for mark, c in (("", 0.0), ("+", nudge), ("-", -nudge)):
                found[f"{feature}{mark}"] = np.concatenate([context, self.sensory(**{feature: c, other: 0.0})])
        for k, feature in enumerate(("motion", "colour")):
            alone = np.concatenate([np.eye(2)[k], np.zeros(len(self.input_names) - 2)])
            if not np.array_equal(alone, found[feature]):  # signed inputs are neutral where there are none
                found[f"{feature} context only"] = alone
        return found

    def own_scores(self, output: NDArray[np.floating[Any]], trials: Trials) -> dict[str, float]:
        """`accuracy` at nonzero coherences, and `accuracy_motion`, `accuracy_colour` at those of 0.2 or more."""
        scores = super().own_scores(output, trials)
        easy = np.abs(trials.conditions["coherence_relevant"]) >= EASY - 1e-9
        for feature in ("motion", "colour"):
            scores[f"accuracy_{feature}"] = self.accuracy(
                output, trials, easy & (trials.conditions["context"] == feature)
            )
        return scores

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation": self.fixation, "viewing": self.viewing}

    def longest(self) -> float:
        return self.fixation + self.viewing + self.grace + self.dt
