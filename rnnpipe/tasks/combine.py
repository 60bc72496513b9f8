"""Two tasks at once: a main one, and one that distracts from it."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import field_validator, model_validator

from rnnpipe.errors import SettingsError
from rnnpipe.settings import setting, suggest
from rnnpipe.tasks._base import Conditions
from rnnpipe.tasks._composed import ComposedTask, Entry, entry
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._transforms import own_generator
from rnnpipe.tasks._transforms_edits import last_step
from rnnpipe.trials import DECISION, FIXATE, FREE, TIMEOUT, Trials

PARTS = ("main", "distractor")
TYPES = (*PARTS, "both")
"""Which tasks there are in a trial."""

FIRST_PAIR = 8
"""Row of the rule table with which those of pairs of phases begin; the rows with a name come before."""


class Combine(ComposedTask):
    """A main task, a distractor, or both: the distractor begins `delay` after the main task.

    The inputs of both follow one another, after two that tell which tasks are on if there is a `cue`; those of a task
    that is not on are 0. Actions are shared, then both tasks have as many, or pairs, one of each task (product). In a
    trial of one task its rules hold. Where both are on, the trial ends when both have been answered: the one whose
    choices count for longer has its decision period, choices and outcome, from when the other one is over; the other
    one's answer is the action at the last step at which its choices count, which earns what it would and ends nothing.
    If both last as long, the first answer is that of both. Aborts are as in each task. A pair of actions earns the sum
    of both; a shared action what the main task gives or, where that is 0, the distractor.

    By default it is the dual task of Zhang et al. (2019): paired association with Go/NoGo in its delay.

    Reference: Zhang, Yan, Zhou et al. (2019) Cell Rep 29:1; combine of early versions of NeuroGym.
    """

    name: ClassVar[str] = "combine"
    reference: ClassVar[str] = "Molano-Mazon et al. (2022) NeuroGym, doi:10.31234/osf.io/aqc9n"
    environment: ClassVar[str] = "Combine"
    factors: ClassVar[tuple[str, ...]] = ("trial_type",)
    trials_per_update: ClassVar[int] = 60
    validation_trials: ClassVar[int] = 600

    main: dict[str, Any] = setting(
        {"task": "delay_paired_association"}, "main task: `task`, its name, and its settings"
    )
    distractor: dict[str, Any] = setting({"task": "delayed_go_nogo"}, "distractor: `task`, its name, and its settings")
    delay: float = setting(800.0, "time from the start of a trial to that of the distractor", "ms", ge=0)
    p_types: list[float] = setting([0.3, 0.3, 0.4], "probability of main task only, distractor only, and both")
    cue: bool = setting(False, "two inputs, before all others, that are 1 while the main task or the distractor is on")
    actions: Literal["shared", "product"] = setting("shared", "one action for both tasks, or pairs of actions")

    @field_validator("p_types")
    @classmethod
    def _are_probabilities(cls, p: list[float]) -> list[float]:
        if len(p) != len(TYPES) or min(p) < 0 or not math.isclose(sum(p), 1, abs_tol=1e-6):
            raise ValueError("there must be three probabilities, which add up to 1: main task, distractor, both")
        return p

    def entries(self) -> dict[str, Entry]:
        return {"main": self.main, "distractor": self.distractor}

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The cues, those of the main task and those of the distractor."""
        cues = tuple(f"cue_{part}" for part in PARTS) if self.cue else ()
        own = (f"{label}_{n}" for label, part in zip(PARTS, self.parts, strict=True) for n in part.input_names)
        return *cues, *own

    @property
    def action_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the main task, or pairs; the first of both is to wait."""
        main, distractor = self.parts
        if self.actions == "shared":
            return main.action_names
        return tuple(f"{a}+{b}" for a in main.action_names for b in distractor.action_names)

    @property
    def _shift(self) -> int:
        return int(self.steps(self.delay))

    @property
    def n_steps(self) -> int:
        main, distractor = self.parts
        return max(main.n_steps, self._shift + distractor.n_steps)

    def without_noise(self) -> Self:
        quiet = {label: entry(part.without_noise()) for label, part in zip(PARTS, self.parts, strict=True)}
        return self.model_copy(update=quiet)

    def variables(self) -> dict[str, Draw]:
        own = {f"{label}_{n}": v for label, p in zip(PARTS, self.parts, strict=True) for n, v in p.variables().items()}
        return {"trial_type": Choice(TYPES), **own}

    @model_validator(mode="after")
    def _answers_can_be_kept(self) -> Combine:
        main, distractor = self.parts
        if self.actions == "shared" and len(main.action_names) != len(distractor.action_names):
            raise ValueError(
                f"actions cannot be shared: {main.name} has {len(main.action_names)}, {distractor.name} has"
                f" {len(distractor.action_names)}; take actions: product"
            )
        for label, part in zip(PARTS, self.parts, strict=True):
            trials = part.draw(np.random.default_rng(0), 1)[0]
            what = f"{label}: task {part.name} cannot be combined with another one"
            if part.reacts:
                raise ValueError(f"{what}, because its trials depend on the outcomes of those before")
            if part.random_rewards:
                raise ValueError(f"{what}, because its rewards are drawn")
            if len(trials.rewards) > FREE + 1:
                raise ValueError(f"{what}, because it depends on when it is answered")
        trials = self.untransformed(np.random.default_rng(0), 64, trial_type="both")
        if not trials.choices[trials.phase, np.arange(64)].any((0, 2)).all():
            raise ValueError("when one task is over, there is no time left to answer the other one; change delay")
        return self

    def untransformed(self, rng: Rng, n_trials: int, **conditions: ArrayLike) -> Trials:
        given, own = self.given(conditions, n_trials), own_generator(rng)
        types = self._types(own, n_trials, given.pop("trial_type", None))
        parts = []
        for label, part in zip(PARTS, self.parts, strict=True):
            prefix = f"{label}_"
            fixed = {k.removeprefix(prefix): v for k, v in given.items() if k.startswith(prefix)}
            parts.append(part.sample(own_generator(own), n_trials, **fixed))
        return self._joined(types, parts[0], parts[1])

    def draw(self, rng: Rng, n_trials: int, state: Any = None) -> tuple[Trials, Any]:
        """Consecutive trials; `state` holds those of both tasks, which go on whether they are on or not."""
        own = own_generator(rng)
        types = self._types(own, n_trials, None)
        states = (None, None) if state is None else state
        drawn = [part.draw(own_generator(own), n_trials, s) for part, s in zip(self.parts, states, strict=True)]
        return self._joined(types, drawn[0][0], drawn[1][0]), (drawn[0][1], drawn[1][1])

    def _types(self, rng: np.random.Generator, n: int, given: NDArray[Any] | None) -> NDArray[np.str_]:
        if given is None:
            return np.array(TYPES)[rng.choice(len(TYPES), n, p=np.array(self.p_types) / sum(self.p_types))]
        if unknown := set(given.astype(str).tolist()) - set(TYPES):
            raise SettingsError(f"task {self.name}: trial_type = {min(unknown)!r} ({suggest(min(unknown), TYPES)}).")
        return given.astype(np.array(TYPES).dtype)

    def _joined(self, types: NDArray[np.str_], main: Trials, distractor: Trials) -> Trials:
        n_steps, i = self.n_steps, np.arange(len(types))
        on = [types != TYPES[1], types != TYPES[0]]
        starts = (0, self._shift)
        played = [
            _Played.of(part, n_steps, k, here) for part, k, here in zip((main, distractor), starts, on, strict=True)
        ]
        both, tie = on[0] & on[1], played[0].answered == played[1].answered
        main_last = np.where(both, played[0].answered >= played[1].answered, on[0])
        over = np.minimum(played[0].answered, played[1].answered)
        for of, last in zip(played, (main_last, ~main_last), strict=True):
            of.keep_answer(both & ~last)
            of.wait_for(both & last, np.where(tie, over, over + 1))

        # one row for each pair of the tasks' phases, after those that have a name
        n_rows = [len(of.rewards) for of in played]
        phase = FIRST_PAIR + played[0].phase.astype(int) * n_rows[1] + played[1].phase
        tables = self._tables(played, np.indices(n_rows).reshape(2, -1))
        rewards, stops, choices = (np.concatenate([np.zeros((FIRST_PAIR, *x.shape[1:]), x.dtype), x]) for x in tables)
        used = np.zeros(rewards.shape[:2], bool)
        used[phase, i] = True
        for row in (DECISION, TIMEOUT):
            of_main, of_distractor = (
                np.where(main_last == (k == 0), row, np.where(both & tie, of.held, of.nothing))
                for k, of in enumerate(played)
            )
            pair = FIRST_PAIR + of_main * n_rows[1] + of_distractor
            for table in (rewards, stops, choices):
                table[row] = table[pair, i]
            used[row], used[pair, i] = True, False
            phase[phase == pair] = row
        for table in (rewards, stops, choices):
            table[~used] = 0  # what no step of a trial can earn says nothing about its ground truth

        inputs = np.concatenate([of.inputs for of in played], axis=2)
        if self.cue:
            end = np.max([of.end for of in played], axis=0)
            there = np.arange(n_steps)[:, None] < end
            inputs = np.concatenate(
                [np.stack([there & here for here in on], axis=2).astype(np.float32), inputs], axis=2
            )
        discount = np.ones(n_steps)
        if self.tau_reward is not None:
            discount = np.exp(-np.arange(n_steps) * self.dt / self.tau_reward)
        return Trials(
            task=self.name, dt=self.dt, inputs=inputs, phase=phase.astype(np.uint8), rewards=rewards, stops=stops,
            choices=choices, correct=self._correct(main, distractor, main_last, both & tie),
            discount=discount.astype(np.float32), periods=self._periods(played, main_last, both, tie, over),
            conditions=self._conditions(types, main, distractor),
        )  # fmt: skip

    def _of_parts(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Action of the main task and of the distractor for each action."""
        n_main, n_distractor = (len(part.action_names) for part in self.parts)
        if self.actions == "shared":
            return np.arange(n_main), np.arange(n_main)
        a = np.arange(n_main * n_distractor)
        return a // n_distractor, a % n_distractor

    def _tables(self, played: list[_Played], pairs: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
        a, b = self._of_parts()
        main, distractor = played
        earned = main.rewards[pairs[0]][..., a], distractor.rewards[pairs[1]][..., b]
        rewards = sum(earned) if self.actions == "product" else np.where(earned[0] == 0, earned[1], earned[0])
        stops = main.stops[pairs[0]][..., a] | distractor.stops[pairs[1]][..., b]
        choices = main.choices[pairs[0]][..., a] | distractor.choices[pairs[1]][..., b]
        return np.asarray(rewards, np.float32), stops, choices

    def _correct(
        self, main: Trials, distractor: Trials, main_last: NDArray[np.bool_], at_once: NDArray[np.bool_]
    ) -> NDArray[np.int8]:
        a, b = self._of_parts()
        first, second = main.correct[:, a], distractor.correct[:, b]
        correct = np.where(main_last[:, None], first, second)
        if self.actions == "product":
            together = np.where((first < 0) | (second < 0), -1, first * second)
            correct = np.where(at_once[:, None], together, correct)
        return correct.astype(np.int8)

    def _periods(
        self, played: list[_Played], main_last: NDArray[np.bool_], both: NDArray[np.bool_], tie: NDArray[np.bool_],
        over: NDArray[np.intp],
    ) -> dict[str, NDArray[np.int32]]:  # fmt: skip
        found: dict[str, NDArray[np.int32]] = {}
        last = main_last[:, None]
        for label, of in zip(PARTS, played, strict=True):
            found |= {f"{label}_{name}": edges for name, edges in of.periods.items()}
        main, distractor = self.parts
        onset = np.where(last, played[0].periods[main.stimulus_onset], played[1].periods[distractor.stimulus_onset])
        decision = np.where(last, played[0].periods["decision"], played[1].periods["decision"])
        begins = np.where(both, np.maximum(decision[:, 0], np.where(tie, over, over + 1)), decision[:, 0])
        found["decision"] = np.stack([begins, decision[:, 1]], axis=1).astype(np.int32)
        return found | {self.stimulus_onset: onset.astype(np.int32)}

    def _conditions(self, types: NDArray[np.str_], main: Trials, distractor: Trials) -> Conditions:
        found: Conditions = {"trial_type": types}
        for label, trials in zip(PARTS, (main, distractor), strict=True):
            found |= {f"{label}_{name}": values for name, values in trials.conditions.items()}
        return found


class _Played:
    """The trials of one of two tasks on the time grid of both, with two further phases."""

    def __init__(
        self,
        trials: Trials,
        inputs: NDArray[np.float32],
        phase: NDArray[np.uint8],
        periods: dict[str, NDArray[np.int32]],
        end: NDArray[np.intp],
    ) -> None:
        self.inputs, self.phase, self.periods, self.end = inputs, phase, periods, end
        self.nothing, self.held = len(trials.rewards), len(trials.rewards) + 1
        kept = trials.rewards[DECISION].copy()
        kept[:, FIXATE] = trials.rewards[TIMEOUT, :, FIXATE]
        no = np.zeros((2, *kept.shape), bool)
        self.rewards = np.concatenate([trials.rewards, [np.zeros_like(kept), kept]])
        self.stops, self.choices = np.concatenate([trials.stops, no]), np.concatenate([trials.choices, no])
        t = np.arange(len(phase))[:, None]
        self.answered: NDArray[np.intp] = np.where(self.counts(), t, -1).max(0)
        """Last step at which choices count, -1 where the task is not on."""

    @classmethod
    def of(cls, trials: Trials, n_steps: int, shift: int, on: NDArray[np.bool_]) -> _Played:
        """The trials, `shift` steps later, where they are on."""
        n = trials.n_trials
        inputs = np.zeros((n_steps, n, trials.n_inputs), np.float32)
        phase = np.full((n_steps, n), len(trials.rewards), np.uint8)
        there = np.arange(trials.n_steps)[:, None] <= last_step(trials)
        here = slice(shift, shift + trials.n_steps)
        inputs[here] = trials.inputs * on[:, None]
        phase[here] = np.where(there & on, trials.phase, len(trials.rewards))
        periods = {name: np.where(on[:, None], p + shift, 0).astype(np.int32) for name, p in trials.periods.items()}
        return cls(trials, inputs, phase, periods, np.where(on, last_step(trials) + 1 + shift, 0))

    def counts(self) -> NDArray[np.bool_]:
        """Where an action can be a choice, (n_steps, n_trials)."""
        found: NDArray[np.bool_] = np.asarray(self.choices.any(2))[self.phase, np.arange(self.phase.shape[1])]
        return found

    def keep_answer(self, where: NDArray[np.bool_]) -> None:
        """In these trials, let the action at the last step of its decision be the answer, and nothing else count."""
        t, counts = np.arange(len(self.phase))[:, None], self.counts()
        self.phase[(counts | (t > self.answered)) & where] = self.nothing
        rows = np.flatnonzero(where)
        self.phase[self.answered[rows], rows] = self.held

    def wait_for(self, where: NDArray[np.bool_], begin: NDArray[np.intp]) -> None:
        """In these trials, let choices count only from that step on."""
        t = np.arange(len(self.phase))[:, None]
        self.phase[self.counts() & (t < begin) & where] = self.nothing
