"""Bandits: arms that pay with probabilities which last for a session."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator, model_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng, Uniform
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._periods import ConsecutiveTask
from rnnpipe.trials import Trials


class Bandit(ConsecutiveTask):
    """Choose one of several arms, which pays `reward_win` with its probability and `reward_loss` otherwise.

    Periods: fixation, none; decision 100 ms, one step. Nothing is shown but the fixation cue. What an arm pays with is
    drawn once for a session and stays the same in its `lasts` trials: `p_1`, `p_2`, ... are uniform between 0 and 1;
    with `opposite` arms the second of two pays with 1 - `p_1`; or they are one of the `sets`, drawn uniformly, which is
    then the variable `set`. A choice is correct if no other arm has a higher probability. `draw_1`, `draw_2`, ... are
    uniform numbers: an arm pays where its number is below its probability.

    An environment draws its trials in sessions, counted from its seed: in mode "session" with as many
    `session_trials` an episode is one of them, in mode "endless" the arms change without notice. A network that sees
    its rewards and actions can learn within a session which arm is better. Trials that are sampled for a data set are
    each a session of their own: nothing in them tells which arm is better, and no more than 1 / n of the choices can be
    correct on average.

    Reference: Wang, Kurth-Nelson, Kumaran et al. (2018) Nat Neurosci 21:860, whose sessions have 100 trials and whose
    arms are opposite, or of the sets (.1, .9), (.25, .75) or (.4, .6) in either order; NeuroGym, where the arms last
    for ever.
    """

    name: ClassVar[str] = "bandit"
    reference: ClassVar[str] = "Wang, Kurth-Nelson, Kumaran et al. (2018) Nat Neurosci 21:860"
    environment: ClassVar[str] = "Bandit"
    input_names: ClassVar[tuple[str, ...]] = ("fixation",)
    periods: ClassVar[tuple[str, ...]] = ("fixation", "decision")
    stimuli: ClassVar[tuple[str, ...]] = ("fixation",)
    stimulus_onset: ClassVar[str] = "decision"
    factors: ClassVar[tuple[str, ...]] = ()
    random_rewards: ClassVar[bool] = True
    trials_per_update: ClassVar[int] = 100
    validation_trials: ClassVar[int] = 1000

    min_correct: float = setting(
        0.75, "training criterion: fraction of decisions that are correct, out of reach without memory of past trials",
        ge=0, le=1,
    )  # fmt: skip
    fixation: Duration = setting(0.0, "duration of fixation before the decision", "ms")
    decision: float = setting(100.0, "time to choose in", "ms")
    lasts: int = setting(100, "trials of a session, in which the arms stay the same", ge=1)
    n_arms: int = setting(2, "number of arms", ge=2)
    opposite: bool = setting(False, "two arms whose probabilities add up to 1")
    sets: list[list[float]] = setting(
        [], "probabilities of all arms, one set of which is drawn for each session; none: uniform ones"
    )
    reward_win: float = setting(1.0, "reward of an arm that pays")
    reward_loss: float = setting(0.0, "reward of an arm that does not pay")

    @property
    def action_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """To wait, or one of the arms."""
        return "fixate", *(f"arm_{k + 1}" for k in range(self.n_arms))

    @field_validator("sets")
    @classmethod
    def _probabilities(cls, sets: list[list[float]]) -> list[list[float]]:
        if not all(0 <= p <= 1 for arms in sets for p in arms):
            raise ValueError("every probability must be between 0 and 1")
        return sets

    @model_validator(mode="after")
    def _arms_agree(self) -> Bandit:
        if self.opposite and (self.n_arms != 2 or self.sets):
            raise ValueError("opposite arms are two, and no sets are given for them; set n_arms: 2 and sets: []")
        for arms in self.sets:
            if len(arms) != self.n_arms:
                raise ValueError(f"the set {arms} has {len(arms)} probabilities for {self.n_arms} arms (n_arms)")
        if self.reward_win <= self.reward_loss:
            raise ValueError(
                f"reward_win = {self.reward_win:g} must be above reward_loss = {self.reward_loss:g}, or the better arm"
                " is the worse one"
            )
        return self

    def of_session(self) -> dict[str, Draw]:
        """What is drawn once for a session."""
        if self.sets:
            return {"set": Choice(tuple(range(len(self.sets))))}
        return {f"p_{k + 1}": Uniform(0.0, 1.0) for k in range(1 if self.opposite else self.n_arms)}

    def categories(self) -> dict[str, Draw]:
        return self.of_session() | {f"draw_{k + 1}": Uniform(0.0, 1.0) for k in range(self.n_arms)}

    def probabilities(self, conditions: Conditions) -> NDArray[np.float64]:
        """Probability with which each arm pays, (n_trials, n_arms)."""
        if self.sets:
            return np.array(self.sets)[np.asarray(conditions["set"], int)]
        p = np.stack([np.asarray(conditions[name], float) for name in self.of_session()], axis=1)
        return np.concatenate([p, 1 - p], axis=1) if self.opposite else p

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        pass  # nothing tells the arms apart

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        p = self.probabilities(conditions)
        draws = np.stack([conditions[f"draw_{k + 1}"] for k in range(self.n_arms)], axis=1)
        paid = np.where(draws < p, self.reward_win, self.reward_loss)
        best = (p >= p.max(1, keepdims=True)).astype(np.int8)
        wait = np.zeros((len(p), 1))
        return np.concatenate([wait, paid], 1), np.concatenate([wait.astype(np.int8) - 1, best], 1)

    def draw(self, rng: Rng, n_trials: int, state: Any = None) -> tuple[Trials, Any]:
        """Consecutive trials: `state` holds what was drawn for the session and how many trials it has left."""
        values, left = ({}, 0) if state is None else state
        given: dict[str, list[float]] = {name: [] for name in self.of_session()}
        n_given = 0
        while n_given < n_trials:
            if left == 0:
                values, left = {name: draw(rng, 1)[0].item() for name, draw in self.of_session().items()}, self.lasts
            n = min(left, n_trials - n_given)
            for name, value in values.items():
                given[name] += [value] * n
            n_given, left = n_given + n, left - n
        return self.sample(rng, n_trials, **given), (values, left)
