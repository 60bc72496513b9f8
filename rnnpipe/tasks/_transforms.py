"""Transforms of tasks: what is changed about the trials of any task, before anyone plays them or learns from them.

A task's setting `transforms` lists mappings with a `kind` and that kind's settings; they are applied in this order to
every batch that is drawn, so that learners, environments, data sets and figures see the same trials. There are two
sorts: `Plan` decides what is drawn (conditions, or the correct answer), `Edit` changes what was drawn (inputs, phases,
rewards). Kinds are registered by `kind`, in `_transforms_draws` and `_transforms_edits`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, canonical, parse, suggest
from rnnpipe.tasks._draws import Rng, draw
from rnnpipe.trials import FIXATE, Trials

if TYPE_CHECKING:
    from rnnpipe.tasks._base import Task

KINDS: dict[str, type[Transform]] = {}
"""Every kind of transform by its name."""

STEP_TIME = ("pass_reward", "pass_action")
"""What others call transforms of tasks, too, but depends on the actions within a trial."""

T = TypeVar("T", bound="type[Transform]")

N_EXAMPLES = 1000
"""Trials that are drawn to see which answers a task has."""

N_CANDIDATES = 4096
"""Trials, at most, that are drawn at once to find some with the wanted answers."""

N_ROUNDS = 200
"""After that many such draws without one there is none: answers rarer than 1 in 1000 are not among a task's."""


@dataclass
class Wanted:
    """What a transform asks of the trials to be drawn."""

    conditions: dict[str, NDArray[Any]] = field(default_factory=dict)
    """Variables that are fixed, (n_trials,) each."""
    answers: NDArray[np.int64] | None = None
    """Actions that should be correct, (n_trials,)."""
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    """Further conditions to keep with the trials, (n_trials,) each."""


class Transform(Settings):
    """A change of a task's trials. A subclass is a `Plan` or an `Edit`, and is registered with `kind`."""

    KIND: ClassVar[str]
    reacts: ClassVar[bool] = False
    """Whether it depends on the outcome of the trial before: nothing can then be drawn beforehand."""
    needs_choices: ClassVar[bool] = True
    """Whether it has no meaning in a task without anything to choose."""

    def check(self, task: Task) -> None:
        """Raise a ValueError, one sentence without its end, if it cannot be applied to a task."""

    def begin(self, task: Task, rng: np.random.Generator) -> Any:
        """State at the start of a session, which `after` and the methods of a subclass carry on."""
        return None

    def after(self, state: Any, correct: int, reward: float) -> Any:
        """State after the outcome of a trial; see `Task.after`."""
        return state

    @property
    def longer_by(self) -> float:
        """By how much trials may become longer, ms."""
        return 0.0


class Plan(Transform):
    """A transform that decides what is drawn."""

    decides_answer: ClassVar[bool] = False
    """Whether it asks for correct answers: only one transform of a task can."""

    def plan(self, task: Task, rng: np.random.Generator, n: int, state: Any) -> tuple[Wanted, Any]:
        """What to draw for the next `n` trials of a session, and the state after them."""
        raise NotImplementedError


class Edit(Transform):
    """A transform that changes trials that were drawn."""

    def edit(self, task: Task, trials: Trials, rng: np.random.Generator, state: Any) -> Trials:
        """The trials, changed; what it was given stays as it is."""
        raise NotImplementedError


def kind(name: str) -> Callable[[T], T]:
    """Decorator that registers a transform."""

    def register(transform: T) -> T:
        transform.KIND = name
        KINDS[name] = transform
        return transform

    return register


def read(given: Sequence[Mapping[str, Any]]) -> tuple[Transform, ...]:
    """The transforms of a list of mappings.

    Raises:
        ValueError: One has no kind, an unknown one, or settings that this kind does not have or cannot take; one sort
            is listed twice, or two of them decide which answer is correct.
    """
    return _read(canonical(list(given)))


@lru_cache(maxsize=256)
def _read(given: str) -> tuple[Transform, ...]:
    from rnnpipe.tasks import _transforms_draws, _transforms_edits  # noqa: F401  # where the kinds register themselves

    found: list[Transform] = []
    for number, entry in enumerate(json.loads(given)):
        name, settings = entry.get("kind"), {key: value for key, value in entry.items() if key != "kind"}
        if name in STEP_TIME:
            raise ValueError(
                f"transforms[{number}]: {name} depends on what is done in a trial, which is not known when it is drawn:"
                " networks cannot be trained on it; agents have it as a setting of `learning`, and environments as"
                " a wrapper in rnnpipe.environments.wrappers"
            )
        if name not in KINDS:
            what = "has no kind" if name is None else f"unknown kind {name!r}"
            raise ValueError(f"transforms[{number}]: {what} ({suggest(str(name), KINDS)})")
        try:
            found.append(parse(KINDS[name], settings, f"transforms[{number}] ({name})"))
        except SettingsError as error:
            raise ValueError(str(error).rstrip(".")) from None
    names = [transform.KIND for transform in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"transform {twice!r} is listed twice; list it once")
    deciding = [t.KIND for t in found if isinstance(t, Plan) and t.decides_answer]
    if len(deciding) > 1:
        raise ValueError(f"transforms {deciding[0]!r} and {deciding[1]!r} cannot be combined: both decide the answer")
    return tuple(found)


def check(task: Task) -> None:
    """Check that a task's transforms can be applied to it.

    Raises:
        ValueError: One cannot: the sentence names both.
    """
    transforms = read(task.transforms)
    names = [transform.KIND for transform in transforms]
    for transform in transforms:
        if transform.needs_choices and not task.chooses:
            raise ValueError(
                f"transform {transform.KIND!r} does not apply to task {task.name}, in which there is nothing to choose"
            )
        if (isinstance(transform, Plan) or transform.reacts) and not task.independent:
            raise ValueError(
                f"transform {transform.KIND!r} does not apply to task {task.name}, which decides itself what follows"
                " from trial to trial"
            )
        transform.check(task)
    if "timeout" in names[:-1]:
        raise ValueError("transform 'timeout' must be the last one, because it lengthens the trials as they are then")


def transformed(
    task: Task, rng: Rng, n_trials: int, forced: Mapping[str, Any], state: Any = None
) -> tuple[Trials, tuple[Any, ...]]:
    """Draw the next trials of a session, with the task's transforms; see `Task.draw`.

    Conditions that are `forced` go before those that transforms ask for, and where some are, no transform decides the
    answer: it follows from them.
    """
    transforms = read(task.transforms)
    plans = [t for t in transforms if isinstance(t, Plan)]
    states: list[Any] = list(state) if state is not None else []
    own = own_generator(rng) if plans else np.random.default_rng(0)  # edits alone leave the first batch what it was
    states = states or [t.begin(task, own) for t in transforms]

    conditions: dict[str, Any] = {}
    columns: dict[str, NDArray[Any]] = {}
    answers = None
    for i, transform in enumerate(transforms):
        if isinstance(transform, Plan) and not (transform.decides_answer and forced):
            wanted, states[i] = transform.plan(task, own, n_trials, states[i])
            conditions |= wanted.conditions
            columns |= wanted.columns
            answers = wanted.answers if wanted.answers is not None else answers
    conditions |= forced
    if answers is not None:
        conditions = with_answers(task, own, answers, conditions)
    trials = task.untransformed(rng, n_trials, **conditions)
    trials.conditions.update(columns)
    edits = [(t, s) for t, s in zip(transforms, states, strict=True) if isinstance(t, Edit)]
    own = own_generator(rng) if edits else own
    for edit, its_state in edits:
        trials = edit.edit(task, trials, own, its_state)
    return trials, tuple(states)


def own_generator(rng: Rng) -> np.random.Generator:
    """A generator of the transforms' own, so that the task's draws stay what they are."""
    seed = rng.randint(0, 2**31 - 1) if isinstance(rng, np.random.RandomState) else rng.integers(0, 2**63 - 1)
    return np.random.default_rng(int(seed))


def correct_answers(task: Task, conditions: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """The correct action of each trial, the first of them if there are several, and waiting if there is none."""
    _, correct = task.judge(dict(conditions))
    return np.where((correct == 1).any(1), (correct == 1).argmax(1), FIXATE)


_ANSWERS: dict[tuple[type, str], tuple[int, ...]] = {}


def possible_answers(task: Task) -> tuple[int, ...]:
    """Actions that are the correct answer of some trial, in growing order: waiting only where the task `withholds`."""
    key = type(task), canonical(task.changed())
    if key not in _ANSWERS:
        drawn = draw(task.variables(), np.random.default_rng(0), N_EXAMPLES, {}, f"task {task.name}")
        answers, counts = np.unique(correct_answers(task, drawn), return_counts=True)
        _ANSWERS[key] = tuple(
            int(a) for a, k in zip(answers, counts, strict=True) if k > 1 and (a != FIXATE or task.withholds)
        )
    return _ANSWERS[key]


def check_has_answers(transform: Transform, task: Task) -> tuple[int, ...]:
    """The possible answers of a task.

    Raises:
        ValueError: There are not several.
    """
    answers = possible_answers(task)
    if len(answers) < 2:
        raise ValueError(
            f"transform {transform.KIND!r} does not apply to task {task.name}, in which the correct answer is always"
            " the same"
        )
    return answers


def with_answers(
    task: Task, rng: np.random.Generator, answers: NDArray[np.int64], given: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Draw all variables of trials from their distribution given the correct answer, by rejection.

    Args:
        task: The task.
        rng: Generator.
        answers: The correct action of each trial, (n_trials,).
        given: Variables that are fixed, each one value or (n_trials,).

    Raises:
        SettingsError: No trial with what is given has that answer.
    """
    n, variables, where = len(answers), task.variables(), f"task {task.name}"
    fixed = {name: np.broadcast_to(value, n) for name, value in given.items()}
    found: dict[str, NDArray[Any]] = {}
    left = np.arange(n)
    for _ in range(N_ROUNDS):
        times = max(1, min(2 * len(task.action_names), N_CANDIDATES // len(left)))
        trial = np.repeat(left, times)
        drawn = draw(variables, rng, len(trial), {name: value[trial] for name, value in fixed.items()}, where)
        hits = np.flatnonzero(correct_answers(task, drawn) == answers[trial])
        which, first = np.unique(trial[hits], return_index=True)
        for name, values in drawn.items():
            found.setdefault(name, np.zeros(n, values.dtype))[which] = values[hits[first]]
        left = np.setdiff1d(left, which)
        if not len(left):
            return found
    answer = task.action_names[answers[left[0]]]
    fixed_by = ", ".join(f"{name} = {value[left[0]]}" for name, value in fixed.items())
    raise SettingsError(
        f"{where}: no trial was found whose correct answer is {answer!r}{' with ' if fixed_by else ''}{fixed_by};"
        " change the transform that asks for it."
    )
