"""The decision-making families of Yang et al. (2019): which of two directions has the stronger stimulus."""

from __future__ import annotations

from itertools import permutations
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._yang import YangTask, gaussian_bump

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


class YangDecision(YangTask):
    """Two bumps, the second `apart` steps of the ring from the first; respond in the direction of the stronger one.

    Stronger is the one whose strengths, summed over the modalities that are `attended`, are higher. With two of them
    the sums may be equal: then nothing in the inputs tells the answer, and `coin`, drawn for each trial, does.
    """

    shown: ClassVar[tuple[int, ...]]
    """Modalities, 1 or 2, in which the bumps are."""
    attended: ClassVar[tuple[int, ...]]
    """Those that count."""
    trials_per_update: ClassVar[int] = 64

    fixation: Duration = setting({"min": 200.0, "max": 500.0}, "duration of fixation before the (first) stimulus", "ms")

    def evidence(self) -> Draw:
        """What the strengths of both bumps in a modality are drawn from."""
        raise NotImplementedError

    def strengths(self, conditions: Conditions, modality: int) -> Pair:
        """Strength of the first and the second bump in a modality that is shown, (n_trials,) each."""
        raise NotImplementedError

    def categories(self) -> dict[str, Draw]:
        n = self.dim_ring
        drawn: dict[str, Draw] = {"direction": Choice(tuple(range(n))), "apart": Choice(tuple(range(1, n)))}
        drawn |= {factor: self.evidence() for factor in self.factors}
        return drawn | ({"coin": Choice((1, 2))} if len(self.attended) > 1 else {})

    def directions(self, conditions: Conditions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Direction of the first and of the second bump, counted from 0, (n_trials,) each."""
        first, apart = (np.asarray(conditions[name], dtype=np.int64) for name in ("direction", "apart"))
        return first, (first + apart) % self.dim_ring

    def bumps(self, conditions: Conditions) -> Pair:
        """Levels of both rings for the first and for the second bump, (n_trials, 2 dim_ring) each."""
        levels = []
        for which, direction in enumerate(self.directions(conditions)):
            bump = gaussian_bump(self.dim_ring, direction)
            rings = [
                self.strengths(conditions, modality)[which][:, None] * bump if modality in self.shown else 0 * bump
                for modality in (1, 2)
            ]
            levels.append(np.concatenate(rings, axis=1))
        return levels[0], levels[1]

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        first, second = self.directions(conditions)
        difference = sum(np.subtract(*self.strengths(conditions, modality)) for modality in self.attended)
        chosen = np.where(difference > 0, first, second)
        if "coin" in conditions:
            tossed = np.where(np.asarray(conditions["coin"]) == 1, first, second)
            chosen = np.where(np.isclose(difference, 0), tossed, chosen)
        return chosen + 1


class YangTogether(YangDecision):
    """Both bumps at once.

    Periods: fixation, uniform between 200 and 500 ms; stimulus 500 ms; decision 200 ms. The bumps have the strengths
    0.5 + coherence / 200 and 0.5 - coherence / 200 with the coherence of their modality, drawn with either sign: if it
    is positive, the first is stronger. Some versions of NeuroGym have `stimulus: [200, 400, 600]` in DM 1 alone.

    An observer who compares the two, in m modalities, knowing where they are, is correct with probability
    Phi(C d sqrt(T) / (2 sigma sqrt(m))) after T ms, C being the coherence (their sum) as a fraction and d the distance
    between the bumps as vectors: .965 at the defaults, .916 in both modalities.
    """

    periods: ClassVar[tuple[str, ...]] = ("fixation", "stimulus", "decision")

    min_correct: float = setting(0.85, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    stimulus: Duration = setting(500.0, "duration of the stimulus", "ms")
    decision: float = setting(200.0, "time to choose in", "ms")
    coherences: list[float] = setting(
        [8.0, 16.0, 32.0, 64.0],
        "coherences, drawn uniformly and with either sign, in each modality for itself",
        "percent",
        min_length=1,
    )

    @field_validator("coherences")
    @classmethod
    def _have_a_sign(cls, coherences: list[float]) -> list[float]:
        if not all(0 < c <= 100 for c in coherences) or len(set(coherences)) < len(coherences):
            raise ValueError("every coherence must be above 0 and not above 100 percent, and be listed once")
        return coherences

    def evidence(self) -> Draw:
        return Choice(tuple(sign * c for sign in (1, -1) for c in self.coherences))

    def strengths(self, conditions: Conditions, modality: int) -> Pair:
        half = np.asarray(conditions[f"coherence_mod{modality}"], float) / 200
        return 0.5 + half, 0.5 - half

    def levels(self, conditions: Conditions) -> dict[str, NDArray[np.float64]]:
        first, second = self.bumps(conditions)
        return {"stimulus": first + second}


class YangInTurn(YangDecision):
    """One bump, a delay, the other bump.

    Periods: fixation, uniform between 200 and 500 ms; first stimulus 500 ms; delay 1000 ms; second stimulus 500 ms;
    decision 200 ms. The strengths of both in a modality are one of the ordered pairs of `strength_values`, by its
    number: at the defaults (.3, .6), (.3, 1), (.6, .3), (.6, 1), (1, .3) and (1, .6). An ideal observer is right,
    unless strengths of two modalities cancel: on .901 of the trials of Multi Dly DM.
    """

    periods: ClassVar[tuple[str, ...]] = ("fixation", "first_stimulus", "delay", "second_stimulus", "decision")
    stimuli: ClassVar[tuple[str, ...]] = ("first_stimulus", "second_stimulus")
    stimulus_onset: ClassVar[str] = "second_stimulus"

    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    first_stimulus: Duration = setting(500.0, "duration of the first stimulus", "ms")
    delay: Duration = setting(1000.0, "time between the stimuli", "ms")
    second_stimulus: Duration = setting(500.0, "duration of the second stimulus", "ms")
    decision: float = setting(200.0, "time to choose in", "ms")
    strength_values: list[float] = setting(
        [0.3, 0.6, 1.0], "strengths, of which two different ones are drawn in each modality", min_length=2
    )

    @field_validator("strength_values")
    @classmethod
    def _differ(cls, values: list[float]) -> list[float]:
        if min(values) <= 0 or len(set(values)) < len(values):
            raise ValueError("every strength must be above 0 and be listed once")
        return values

    def evidence(self) -> Draw:
        n = len(self.strength_values)
        return Choice(tuple(range(n * (n - 1))))

    def strengths(self, conditions: Conditions, modality: int) -> Pair:
        pairs = np.array(list(permutations(self.strength_values, 2)))
        first, second = pairs[np.asarray(conditions[f"pair_mod{modality}"], int)].T
        return first, second

    def levels(self, conditions: Conditions) -> dict[str, NDArray[np.float64]]:
        return dict(zip(self.stimuli, self.bumps(conditions), strict=True))
