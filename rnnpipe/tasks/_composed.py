"""Tasks that are made of other tasks: what the mixture of several and the combination of two share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from rnnpipe.errors import SettingsError
from rnnpipe.settings import canonical, parse, setting, suggest
from rnnpipe.tasks import choice_task_names, trial_task_class
from rnnpipe.tasks._base import Conditions, Task
from rnnpipe.tasks._draws import Draw
from rnnpipe.tasks._transforms_edits import last_step
from rnnpipe.trials import FIXATE

Entry = Mapping[str, Any]


class ComposedTask(Task):
    """A task whose trials are those of others, its parts, each given as in a configuration: `task` and its settings.

    All parts have the time step `dt` and, where rewards are discounted, `tau_reward` of the whole. Transforms are
    given to the parts.
    """

    reference: ClassVar[str] = "Molano-Mazon et al. (2022) NeuroGym, doi:10.31234/osf.io/aqc9n"
    stimulus_onset: ClassVar[str] = "onset"

    dt: float = setting(100.0, "time step of all tasks", "ms", gt=0)
    reward_abort: float = setting(
        -0.1, "initial prediction of the value network, unless its own settings give one; no task's reward"
    )

    def entries(self) -> dict[str, Entry]:
        """The settings that are tasks, by what to call each in an error."""
        raise NotImplementedError

    @property
    def parts(self) -> tuple[Task, ...]:
        """The tasks it is made of."""
        entries = self.entries()
        return _parts(self.name, canonical([*entries]), canonical([*entries.values()]), self.dt)

    @property
    def layout(self) -> Layout:
        """What the trials of all parts have."""
        entries = self.entries()
        return _layout(self.name, canonical([*entries]), canonical([*entries.values()]), self.dt)

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules below `rnnpipe` that are imported by name because of the parts."""
        names = {module for part in self.parts for module in (f"tasks.{part.name}", *getattr(part, "modules", ()))}
        return tuple(sorted(names))

    def given(self, conditions: Mapping[str, ArrayLike], n_trials: int) -> dict[str, NDArray[Any]]:
        """Conditions that are fixed, (n_trials,) each.

        Raises:
            SettingsError: There is no such variable, or it is neither one value nor `n_trials` of them.
        """
        variables, found = self.variables(), {}
        for name, value in conditions.items():
            if name not in variables:
                raise SettingsError(f"task {self.name}: no variable {name!r} ({suggest(name, variables)}).")
            if np.shape(value) not in ((), (n_trials,)):
                raise SettingsError(
                    f"task {self.name}: {name!r} must be one value or {n_trials}, got shape {np.shape(value)}."
                )
            found[name] = np.broadcast_to(np.asarray(value), n_trials)
        return found

    @property
    def withholds(self) -> bool:  # type: ignore[override]
        """Whether waiting can be the correct answer of a part."""
        return any(part.withholds for part in self.parts)

    @property
    def random_rewards(self) -> bool:  # type: ignore[override]
        """Whether rewards of a part are drawn."""
        return any(part.random_rewards for part in self.parts)

    @property
    def longest_trial(self) -> float:
        return self.n_steps * self.dt

    @property
    def sigma_step(self) -> float:
        """The largest of the parts."""
        return max(part.sigma_step for part in self.parts)

    def shortest_periods(self) -> dict[str, float]:
        return {}

    def longest(self) -> float:
        return self.longest_trial

    @property
    def reacts(self) -> bool:
        return any(part.reacts for part in self.parts)

    @model_validator(mode="after")
    def _times_are_possible(self) -> ComposedTask:
        if self.transforms:
            raise ValueError(f"task {self.name} has no transforms of its own; give them to the tasks it is made of")
        try:
            parts = self.parts
            for label, part in zip(self.entries(), parts, strict=True):
                if part.tau_reward is not None:
                    raise ValueError(
                        f"{label}: tau_reward of a part has no meaning; set it to null, and that of task {self.name}"
                    )
                trials = part.draw(np.random.default_rng(0), 1)[0]
                if not trials.stops[trials.phase[last_step(trials), 0], 0].all():
                    raise ValueError(f"{label}: its trials must end with their last step; set abort_on_last_step: true")
        except SettingsError as error:
            raise ValueError(str(error).rstrip(".")) from None
        return self


def entry(part: Task) -> dict[str, Any]:
    """A part as it is given."""
    return {"task": part.name, **part.changed()}


@lru_cache(maxsize=64)
def _parts(whole: str, labels: str, entries: str, dt: float) -> tuple[Task, ...]:
    found = []
    for label, given in zip(json.loads(labels), json.loads(entries), strict=True):
        settings = {key: value for key, value in given.items() if key != "task"}
        name, known = given.get("task"), choice_task_names()
        if name not in known or name in ("mixture", "combine"):
            known = sorted(set(known) - {"mixture", "combine"})
            raise SettingsError(f"{label}: task {name!r} cannot be part of task {whole} ({suggest(str(name), known)}).")
        if settings.setdefault("dt", dt) != dt:
            raise SettingsError(
                f"{label}: dt = {settings['dt']:g} ms, but that of task {whole} is {dt:g} ms; give it there only."
            )
        found.append(parse(trial_task_class(name), settings, f"{label} ({name})"))
    return tuple(found)


def united(variables: Sequence[Mapping[str, Draw]]) -> dict[str, Draw]:
    """The variables of several tasks; of those with the same name the first stands for all."""
    return {name: variable for of in reversed(variables) for name, variable in of.items()}


@dataclass(frozen=True)
class Layout:
    """What the trials of all parts have, whichever of them a batch holds."""

    periods: tuple[str, ...]
    """Names of the periods of all parts."""
    columns: dict[str, np.dtype[Any]]
    """Type of each condition; numbers and truth values that not all parts have are floats."""

    def spread(self, n: int, found: Sequence[tuple[NDArray[np.intp], Conditions]]) -> Conditions:
        """Conditions of `n` trials from those of some: absent ones are NaN, of labels an empty one."""
        merged: Conditions = {}
        for name, dtype in self.columns.items():
            nothing: Any = {"f": np.nan, "U": "", "b": False}.get(dtype.kind, -1)
            merged[name] = np.full(n, nothing, dtype)
            for rows, conditions in found:
                if name in conditions:
                    merged[name][rows] = conditions[name].astype(dtype)
        return merged


@lru_cache(maxsize=64)
def _layout(whole: str, labels: str, entries: str, dt: float) -> Layout:
    examples = [part.draw(np.random.default_rng(0), 1)[0] for part in _parts(whole, labels, entries, dt)]
    columns: dict[str, np.dtype[Any]] = {}
    for name in dict.fromkeys(name for trials in examples for name in trials.conditions):
        dtypes = [trials.conditions[name].dtype for trials in examples if name in trials.conditions]
        if any(dtype.kind == "U" for dtype in dtypes):
            columns[name] = np.dtype(f"<U{max(max(d.itemsize // 4 for d in dtypes if d.kind == 'U'), 32)}")
        else:
            alike = len(dtypes) == len(examples) and len(set(dtypes)) == 1
            columns[name] = dtypes[0] if alike else np.dtype(float)
    return Layout(tuple(dict.fromkeys(name for trials in examples for name in trials.periods)), columns)


def worst(table: NDArray[Any]) -> NDArray[Any]:
    """What an action does that a task does not have: it is as bad as the worst of all but waiting, (n_phases, n)."""
    acts = np.delete(table, FIXATE, axis=2)
    return np.asarray(acts.any(2) if acts.dtype == bool else acts.min(2))
