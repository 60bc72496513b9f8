"""Transforms that decide what is drawn: conditions by a schedule, and how often which answer is correct."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, model_validator

from rnnpipe.settings import Settings, setting, suggest
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._transforms import Plan, Wanted, check_has_answers, kind, possible_answers


def _length(value: int | float | list[int]) -> int | float | list[int]:
    if isinstance(value, list):
        good = len(value) == 2 and 1 <= value[0] <= value[1]
    else:
        good = value >= 1 if isinstance(value, int) else 0 < value < 1
    if not good:
        raise ValueError(
            "a block is a number of trials, [fewest, most] of them, or a probability between 0 and 1 to end"
        )
    return value


BlockLength = Annotated[int | float | list[int], AfterValidator(_length)]
"""`200`: so many trials. `[100, 300]`: uniformly between these. `0.01`: ends with this probability at each trial."""

Row = list[float]


class Blocks(Settings):
    """A session in blocks, each of another item than the one before, which is drawn from all others."""

    block: BlockLength = setting(200, "length of a block: trials, [fewest, most], or the probability to end", "trials")

    def _draw_length(self, rng: np.random.Generator) -> int:
        if isinstance(self.block, list):
            return int(rng.integers(self.block[0], self.block[1] + 1))
        return self.block if isinstance(self.block, int) else int(rng.geometric(self.block))

    def begin_blocks(self, rng: np.random.Generator, n_items: int) -> tuple[int, int]:
        """A random item, and how many trials are left of its block, of which a session begins in the middle."""
        left = self._draw_length(rng)
        memoryless = isinstance(self.block, float)
        return int(rng.integers(n_items)), left if memoryless else int(rng.integers(1, left + 1))

    def next_blocks(
        self, rng: np.random.Generator, n_items: int, n: int, state: tuple[int, int]
    ) -> tuple[NDArray[np.int64], tuple[int, int]]:
        """The item of each of the next `n` trials, and the state after them."""
        item, left = state
        items = np.empty(n, np.int64)
        done = 0
        while done < n:
            if left == 0:
                left = self._draw_length(rng)
                item = (item + int(rng.integers(1, n_items))) % n_items if n_items > 1 else item
            part = min(left, n - done)
            items[done : done + part] = item
            done, left = done + part, left - part
        return items, (item, left)


class Schedule(Blocks):
    """Which of several items it is in each trial."""

    schedule: Literal["random", "sequential", "block"] = setting(
        "random", "any of them in each trial (random), one after the other (sequential), or in blocks (block)"
    )

    def begin_schedule(self, rng: np.random.Generator, n_items: int) -> tuple[int, int]:
        """State at the start of a session: a random place."""
        return self.begin_blocks(rng, n_items)

    def next_scheduled(
        self, rng: np.random.Generator, n_items: int, n: int, state: tuple[int, int]
    ) -> tuple[NDArray[np.int64], tuple[int, int]]:
        """The item of each of the next `n` trials, and the state after them."""
        if self.schedule == "random":
            return rng.integers(0, n_items, n), state
        if self.schedule == "sequential":
            return (state[0] + np.arange(n)) % n_items, ((state[0] + n) % n_items, 0)
        return self.next_blocks(rng, n_items, n, state)


def _check_row(row: Row, what: str) -> None:
    if min(row, default=-1) < 0 or not math.isclose(sum(row), 1, abs_tol=1e-6):
        raise ValueError(f"{what}: {row} are no probabilities, which must not be negative and add up to 1")


def _check_choices(n: int, of: str, transform: Plan, task: Task, answers: tuple[int, ...]) -> None:
    if n != len(answers):
        names = ", ".join(task.action_names[a] for a in answers)
        raise ValueError(
            f"transform {transform.KIND!r}: {of} has {n} probabilities, but task {task.name} has {len(answers)} correct"
            f" answers ({names})"
        )


def _picked(rng: np.random.Generator, row: Any) -> int:
    return min(int(np.searchsorted(np.cumsum(row), rng.random(), side="right")), len(row) - 1)


@kind("random_ground_truth")
class RandomGroundTruth(Plan):
    """The correct answer has given probabilities, in every trial alike; all else is drawn given the answer.

    Reference: RandomGroundTruth of NeuroGym.
    """

    decides_answer: ClassVar[bool] = True

    p: list[float] = setting(..., "probability of each correct answer, in the order of the actions", min_length=1)

    @model_validator(mode="after")
    def _are_probabilities(self) -> RandomGroundTruth:
        _check_row(self.p, "p")
        return self

    def check(self, task: Task) -> None:
        _check_choices(len(self.p), "p", self, task, check_has_answers(self, task))

    def plan(self, task: Task, rng: np.random.Generator, n: int, state: Any) -> tuple[Wanted, Any]:
        return Wanted(answers=rng.choice(np.array(possible_answers(task)), n, p=_normed(self.p))), state


@kind("side_bias")
class SideBias(Plan, Blocks):
    """In blocks of trials some answers are correct more often than others.

    The condition `side_block` is the number of the block's row of `probs`.

    Reference: SideBias of NeuroGym; International Brain Laboratory (2021) eLife 10:e63711.
    """

    decides_answer: ClassVar[bool] = True

    probs: list[list[float]] = setting(
        ..., "one row for each block: the probability of each correct answer, in the order of the actions", min_length=1
    )

    @model_validator(mode="after")
    def _are_probabilities(self) -> SideBias:
        for i, row in enumerate(self.probs):
            _check_row(row, f"probs[{i}]")
        return self

    def check(self, task: Task) -> None:
        answers = check_has_answers(self, task)
        for i, row in enumerate(self.probs):
            _check_choices(len(row), f"probs[{i}]", self, task, answers)

    def begin(self, task: Task, rng: np.random.Generator) -> Any:
        return self.begin_blocks(rng, len(self.probs))

    def plan(self, task: Task, rng: np.random.Generator, n: int, state: Any) -> tuple[Wanted, Any]:
        blocks, state = self.next_blocks(rng, len(self.probs), n, state)
        edges = np.cumsum([_normed(row) for row in self.probs], axis=1)[blocks]
        drawn = np.minimum((rng.random(n)[:, None] >= edges).sum(1), edges.shape[1] - 1)
        return Wanted(answers=np.array(possible_answers(task))[drawn], columns={"side_block": blocks}), state


@kind("trial_history")
class TrialHistory(Plan, Blocks):
    """Which answer is correct depends on which one was in the trial before.

    Either `repeat` or `transitions` is given. The former has one number for each sort of block, the probability that
    the answer is that of the trial before; the others are equally likely. The latter has one matrix for each: row i
    holds the probabilities after answer i. With `after_error`, the answer is repeated with this probability after a
    wrong choice. The condition `history_block` is the number of the block's sort.

    Reference: Hermoso-Mendizabal et al. (2020) Nat Commun 11:1057; TrialHistory of NeuroGym.
    """

    decides_answer: ClassVar[bool] = True

    repeat: list[float] | None = setting(None, "for each sort of block the probability of the same answer again")
    transitions: list[list[list[float]]] | None = setting(
        None, "for each sort of block a matrix: row i has the probabilities of the answers after answer i"
    )
    after_error: float | None = setting(
        None, "probability of the same answer again after a wrong choice; by default as ever", ge=0, le=1
    )

    @property
    def reacts(self) -> bool:  # type: ignore[override]
        """With `after_error` only."""
        return self.after_error is not None

    @model_validator(mode="after")
    def _one_is_given(self) -> TrialHistory:
        if (self.repeat is None) == (self.transitions is None):
            raise ValueError("give either repeat or transitions")
        if not (self.repeat or self.transitions):
            raise ValueError("repeat and transitions need one entry at least")
        for p in self.repeat or ():
            if not 0 <= p <= 1:
                raise ValueError(f"repeat: {p} is no probability")
        for matrix in self.transitions or ():
            for i, row in enumerate(matrix):
                _check_row(row, f"transitions, row {i}")
        return self

    def check(self, task: Task) -> None:
        answers = check_has_answers(self, task)
        for matrix in self.transitions or ():
            _check_choices(len(matrix), "a column of transitions", self, task, answers)
            for row in matrix:
                _check_choices(len(row), "a row of transitions", self, task, answers)

    def matrices(self, n: int) -> NDArray[np.float64]:
        """Probability of each answer (last axis) after each other one, for each sort of block."""
        if self.transitions is not None:
            return np.array([[_normed(row) for row in matrix] for matrix in self.transitions])
        assert self.repeat is not None
        return np.array([_repeating(p, n) for p in self.repeat])

    def begin(self, task: Task, rng: np.random.Generator) -> Any:
        matrices = self.matrices(len(possible_answers(task)))
        return self.begin_blocks(rng, len(matrices)), int(rng.integers(matrices.shape[1])), False

    def plan(self, task: Task, rng: np.random.Generator, n: int, state: Any) -> tuple[Wanted, Any]:
        answers = np.array(possible_answers(task))
        matrices = self.matrices(len(answers))
        blocks_state, previous, erred = state
        blocks, blocks_state = self.next_blocks(rng, len(matrices), n, blocks_state)
        drawn = np.empty(n, np.int64)
        for i, block in enumerate(blocks.tolist()):
            matrix = matrices[block]
            if erred:
                assert self.after_error is not None
                matrix = _repeating(self.after_error, len(answers))
            previous = drawn[i] = _picked(rng, matrix[previous])
        wanted = Wanted(answers=answers[drawn], columns={"history_block": blocks})
        return wanted, (blocks_state, int(previous), False)

    def after(self, state: Any, correct: int, reward: float) -> Any:
        return (*state[:2], self.after_error is not None and correct == 0)


@kind("schedule_attr")
class ScheduleAttr(Plan, Schedule):
    """Some conditions are not drawn but follow a schedule.

    Reference: ScheduleAttr of NeuroGym.
    """

    needs_choices: ClassVar[bool] = False

    conditions: list[dict[str, Any]] = setting(
        ..., "the items of the schedule: values of the task's variables, the same variables in each", min_length=1
    )

    def check(self, task: Task) -> None:
        variables, names = task.variables(), set(self.conditions[0])
        for item in self.conditions:
            if set(item) != names or not item:
                raise ValueError("transform 'schedule_attr': all conditions must name the same variables")
            for name, value in item.items():
                if name not in variables:
                    raise ValueError(
                        f"transform 'schedule_attr': task {task.name} has no variable {name!r}"
                        f" ({suggest(name, variables)})"
                    )
                labels = [v for v in getattr(variables[name], "values", ()) if isinstance(v, str)]
                if labels and value not in labels:
                    raise ValueError(f"transform 'schedule_attr': {name} = {value!r} ({suggest(str(value), labels)})")
                if not labels and not isinstance(value, int | float):
                    raise ValueError(f"transform 'schedule_attr': {name} = {value!r} is no number")

    def begin(self, task: Task, rng: np.random.Generator) -> Any:
        return self.begin_schedule(rng, len(self.conditions))

    def plan(self, task: Task, rng: np.random.Generator, n: int, state: Any) -> tuple[Wanted, Any]:
        items, state = self.next_scheduled(rng, len(self.conditions), n, state)
        values = {name: np.array([item[name] for item in self.conditions])[items] for name in self.conditions[0]}
        return Wanted(conditions=values), state


def _normed(row: Row) -> NDArray[np.float64]:
    p = np.asarray(row, float)
    return np.asarray(p / p.sum())


def _repeating(p: float, n: int) -> NDArray[np.float64]:
    """Repeat the last of `n` answers with probability p, the others being equally likely."""
    return np.full((n, n), (1 - p) / (n - 1)) + np.eye(n) * (p - (1 - p) / (n - 1))
