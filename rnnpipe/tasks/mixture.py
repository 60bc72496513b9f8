"""Several tasks in turn: which one it is changes from trial to trial."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.settings import setting
from rnnpipe.tasks._composed import ComposedTask, Entry, entry, united, worst
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._transforms import own_generator
from rnnpipe.tasks._transforms_draws import Schedule
from rnnpipe.tasks._yang import YANG19
from rnnpipe.trials import FREE, Trials


class Mixture(ComposedTask, Schedule):
    """Each trial is one of several tasks, and a rule input may tell which: one network learns them all.

    By default they are the twenty tasks of Yang et al. (2019), in random order. Tasks share the inputs and actions that
    they call by the same name; inputs that a task does not have are 0, and an action that it does not have is as bad as
    the worst that it has, and no decision. A trial that is shorter than others is followed by steps that are
    never reached. The condition `task_index` is the place in the list of the task of a trial; conditions that a task
    does not have are NaN. Transforms, and what goes on from trial to trial, are those of each task.

    Reference: Yang, Joglekar, Song, Newsome & Wang (2019) Nat Neurosci 22:297; ScheduleEnvs of NeuroGym.
    """

    name: ClassVar[str] = "mixture"
    reference: ClassVar[str] = "Yang, Joglekar, Song, Newsome & Wang (2019) Nat Neurosci 22:297"
    environment: ClassVar[str] = "Mixture"
    factors: ClassVar[tuple[str, ...]] = ("task_index",)
    trials_per_update: ClassVar[int] = 100
    validation_trials: ClassVar[int] = 2000

    tasks: list[dict[str, Any]] = setting(
        [{"task": name} for name in YANG19],
        "the tasks, each with its settings as `tasks` of a configuration",
        min_length=1,
    )
    rule_input: bool = setting(True, "one more input for each task, which is 1 throughout its trials")

    def entries(self) -> dict[str, Entry]:
        return {f"tasks[{i}]": given for i, given in enumerate(self.tasks)}

    @property
    def labels(self) -> tuple[str, ...]:
        """What to call each task: its name, with a number where it is listed again."""
        names = [part.name for part in self.parts]
        return tuple(f"{n}_{1 + names[:i].count(n)}" if n in names[:i] else n for i, n in enumerate(names))

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of all tasks, and the rules."""
        rules = (f"rule_{label}" for label in self.labels) if self.rule_input else ()
        return *dict.fromkeys(name for part in self.parts for name in part.input_names), *rules

    @property
    def action_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of all tasks; waiting is the same in all."""
        return "fixate", *dict.fromkeys(name for part in self.parts for name in part.action_names[1:])

    @property
    def n_steps(self) -> int:
        return max(part.n_steps + part.extra_steps for part in self.parts)

    def without_noise(self) -> Self:
        return self.model_copy(update={"tasks": [entry(part.without_noise()) for part in self.parts]})

    def variables(self) -> dict[str, Draw]:
        index = {"task_index": Choice(tuple(range(len(self.tasks))))}
        return {**index, **united([part.variables() for part in self.parts])}

    def untransformed(self, rng: Rng, n_trials: int, **conditions: ArrayLike) -> Trials:
        given, own = self.given(conditions, n_trials), own_generator(rng)
        if "task_index" in given:
            index = given.pop("task_index").astype(np.int64)
            if not ((index >= 0) & (index < len(self.tasks))).all():
                raise SettingsError(f"task {self.name}: task_index must be 0 .. {len(self.tasks) - 1}.")
        else:
            index, _ = self.next_scheduled(own, len(self.tasks), n_trials, self.begin_schedule(own, len(self.tasks)))
        found = []
        for k in np.unique(index).tolist():
            rows, part = np.flatnonzero(index == k), self.parts[k]
            known = part.variables()
            fixed = {
                name: value[rows].astype(known[name](np.random.default_rng(0), 0).dtype)
                for name, value in given.items()
                if name in known
            }
            found.append((k, rows, part.sample(own_generator(own), len(rows), **fixed)))
        return self._joined(n_trials, index, found)

    def draw(self, rng: Rng, n_trials: int, state: Any = None) -> tuple[Trials, Any]:
        """Consecutive trials; `state` holds that of the schedule, the task of the last trial and the states of all."""
        own = own_generator(rng)
        if state is None:
            state = self.begin_schedule(own, len(self.tasks)), 0, (None,) * len(self.tasks)
        schedule, _, states = state
        index, schedule = self.next_scheduled(own, len(self.tasks), n_trials, schedule)
        found, of_parts = [], list(states)
        for k in np.unique(index).tolist():
            rows = np.flatnonzero(index == k)
            trials, of_parts[k] = self.parts[k].draw(own_generator(own), len(rows), of_parts[k])
            found.append((k, rows, trials))
        return self._joined(n_trials, index, found), (schedule, int(index[-1]), tuple(of_parts))

    def after(self, state: Any, correct: int, reward: float) -> Any:
        schedule, k, states = state
        part = self.parts[k]
        if not part.reacts:
            return state
        return schedule, k, (*states[:k], part.after(states[k], correct, reward), *states[k + 1 :])

    def _joined(self, n: int, index: NDArray[np.int64], found: list[tuple[int, NDArray[np.intp], Trials]]) -> Trials:
        """The trials of the tasks as those of one."""
        n_steps, names, actions = self.n_steps, self.input_names, self.action_names
        n_phases = max(FREE + 1, *(len(trials.rewards) for _, _, trials in found))
        inputs = np.zeros((n_steps, n, len(names)), np.float32)
        phase = np.full((n_steps, n), FREE, np.uint8)
        rewards = np.zeros((n_phases, n, len(actions)), np.float32)
        stops, choices = np.zeros((2, *rewards.shape), bool)
        correct = np.full((n, len(actions)), -1, np.int8)
        layout, parts = self.layout, self.parts
        periods = {name: np.zeros((n, 2), np.int32) for name in (*layout.periods, self.stimulus_onset)}
        for k, rows, trials in found:
            part, steps = parts[k], slice(trials.n_steps)
            into = [names.index(name) for name in part.input_names]
            inputs[steps, rows[:, None], into] = trials.inputs
            phase[steps, rows] = trials.phase
            of = np.array([part.action_names.index(a) if a in part.action_names else -1 for a in actions])
            for whole, table in ((rewards, trials.rewards), (stops, trials.stops), (choices, trials.choices)):
                other = np.zeros_like(worst(table)) if whole is choices else worst(table)
                whole[: len(table), rows] = np.where(of >= 0, table[..., of], other[..., None])
            correct[rows] = np.where(of >= 0, trials.correct[:, of], -1)
            for name, edges in trials.periods.items():
                periods[name][rows] = edges
            periods[self.stimulus_onset][rows] = trials.periods[part.stimulus_onset]
            if self.rule_input:
                there = np.arange(n_steps)[:, None] < max_end(trials)
                inputs[:, rows, len(names) - len(self.tasks) + k] = there
        conditions = layout.spread(n, [(rows, trials.conditions) for _, rows, trials in found])
        discount = np.ones(n_steps)
        if self.tau_reward is not None:
            discount = np.exp(-np.arange(n_steps) * self.dt / self.tau_reward)
        return Trials(
            task=self.name, dt=self.dt, inputs=inputs, phase=phase, rewards=rewards, stops=stops, choices=choices,
            correct=correct, discount=discount.astype(np.float32), periods=periods,
            conditions={"task_index": index, **conditions},
        )  # fmt: skip


def max_end(trials: Trials) -> NDArray[np.int64]:
    """The end of the last period of each trial, in steps."""
    return np.max([edges[:, 1] for edges in trials.periods.values()], axis=0)
