"""Context-dependent decision making: judge one of two modalities and ignore the other."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._motion import check_percentages
from rnnpipe.tasks._periods import CueScheme
from rnnpipe.tasks._ring import RingChoiceTask, bump


class ContextDecisionMaking(RingChoiceTask):
    """Watch two modalities at once, then choose the direction that the relevant one is strongest for.

    Periods: fixation 300 ms; stimulus 750 ms; delay, truncated exponential (mean parameter 600 ms, 300-3000 ms);
    decision 100 ms, which begins when the fixation cue goes off. Each modality is a ring of `dim_ring` channels at 0.5
    + c / 200 * cos(2 pi k / dim_ring - angle), with c the coherence in percent. `direction` and `coherence` are those
    of the relevant modality, `other_direction` and `other_coherence` those of the other; all are independent. Which
    modality is relevant, `context`, is always `modality`, or, if `explicit_context`, drawn for each trial and shown by
    one of two channels that are on for the whole trial. The ideal observer of two channels is correct with probability
    Phi(c / 100 * sqrt(T) / (sqrt(2) sigma)) after T ms: .941 on average at the defaults.

    Reference: Mante, Sussillo, Shenoy & Newsome (2013) Nature 503:78; NeuroGym, where nothing tells when the delay is
    over. `mante` is that of Song, Yang & Wang (2017).
    """

    name: ClassVar[str] = "context_decision_making"
    reference: ClassVar[str] = "Mante, Sussillo, Shenoy & Newsome (2013) Nature 503:78"
    environment: ClassVar[str] = "ContextDecisionMaking"
    periods: ClassVar[tuple[str, ...]] = ("fixation", "stimulus", "delay", "decision")
    factors: ClassVar[tuple[str, ...]] = ("context", "direction", "other_direction", "coherence", "other_coherence")
    trials_per_update: ClassVar[int] = 40
    validation_trials: ClassVar[int] = 1000

    min_correct: float = setting(0.9, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation_until: CueScheme = setting(
        "decision",
        "fixation cue is on in the fixation period only (fixation), to the end of the stimulus (stimulus), or until the"
        " decision (decision), of which only the last tells when to answer",
    )
    explicit_context: bool = setting(False, "relevant modality is drawn for each trial and shown by two more inputs")
    modality: Literal[1, 2] = setting(1, "relevant modality where it is not shown")
    fixation: Duration = setting(300.0, "duration of fixation before the stimulus", "ms")
    stimulus: Duration = setting(750.0, "duration of the stimulus", "ms")
    delay: Duration = setting(
        {"mean": 600.0, "min": 300.0, "max": 3000.0}, "time between the stimulus and the decision", "ms"
    )
    decision: float = setting(100.0, "time to choose in", "ms")
    coherences: list[float] = setting(
        [5.0, 15.0, 50.0], "coherences of each modality, drawn uniformly", "percent", min_length=1
    )

    _percentages = field_validator("coherences")(check_percentages)

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The fixation cue, a ring for each modality, and, if it is shown, the context."""
        rings = (f"modality_{m}_ring_{k + 1}" for m in (1, 2) for k in range(self.dim_ring))
        return "fixation", *rings, *(("context_1", "context_2") if self.explicit_context else ())

    def categories(self) -> dict[str, Draw]:
        directions, coherences = Choice(tuple(range(self.dim_ring))), Choice(tuple(self.coherences))
        return {
            "context": Choice((1, 2) if self.explicit_context else (self.modality,)),
            "direction": directions,
            "other_direction": directions,
            "coherence": coherences,
            "other_coherence": coherences,
        }

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        relevant, other = (
            bump(self.dim_ring, self.angle(conditions[f"{which}direction"]), conditions[f"{which}coherence"])
            for which in ("", "other_")
        )
        first = (np.asarray(conditions["context"]) == 1)[:, None]
        level = np.concatenate([np.where(first, relevant, other), np.where(first, other, relevant)], axis=1)
        n = 1 + level.shape[1]
        self.add_signals(inputs[..., :n], during["stimulus"], level, rng)
        if self.explicit_context:
            there = np.any([during[period] for period in self.periods], axis=0)
            for context in (1, 2):
                inputs[..., n + context - 1] = there & (np.asarray(conditions["context"]) == context)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.asarray(conditions["direction"], int) + 1
