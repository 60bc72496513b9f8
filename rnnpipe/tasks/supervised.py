"""Supervised learning of any task that has actions: one output for each, which follows the ground truth."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from rnnpipe.errors import SettingsError
from rnnpipe.settings import canonical, setting
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._draws import Draw, Rng
from rnnpipe.tasks._regression import RegressionTask
from rnnpipe.tasks._sources import NEUROGYM, NEUROGYM_MODULE, Source, Truth, choosing_task, decisions, source
from rnnpipe.trials import DECISION, FIXATE, Trials

MOST_INPUTS = 12
"""Inputs of one period under which fixed points are searched for by default."""


class Supervised(RegressionTask):
    """The trials of another task, learned from what is right at each step.

    Output k stands for action k of the task `of`. Where the ground truth of step t is that action, the target of output
    k is 1 at step t + 1, and 0 otherwise: state x[t + 1] is the first one that has seen `inputs[t]`. A trial therefore
    has one step more than in the task itself. The loss counts `decision_weight` times in the decision period, except in
    its first `grace` ms, where it does not count unless that is the whole period; then its last step does. It counts
    once before, and not after the end of a trial.

    The answer of a trial is the largest output after the last step of the decision period, among the actions that count
    as a choice there; to wait is among them where that can be the right answer. Where there is one action and to wait
    is never right, the question is when to act: the answer is that action if the first step at which its output is
    above that of waiting is one at which the ground truth is to act, and there is none otherwise.

    Task `of` may be one of NeuroGym, `neurogym:<id>` with its keyword arguments as settings. If its actions are values
    rather than choices, there is one output for each value. A trial longer than any of the first 1000 is drawn again.

    Reference: Yang, Joglekar, Song, Newsome & Wang (2019) Nat Neurosci 22:297, from whom the weights are.
    """

    name: ClassVar[str] = "supervised"
    reference: ClassVar[str] = "Yang, Joglekar, Song, Newsome & Wang (2019) Nat Neurosci 22:297"
    chooses: ClassVar[bool] = False
    trials_per_update: ClassVar[int] = 64
    validation_trials: ClassVar[int] = 512

    dt: float = setting(100.0, "time step; by default that of task `of`", "ms", gt=0)
    of: str = setting(
        "perceptual_decision_making",
        "task to learn: one of ours with something to choose, or `neurogym:<id>`",
        min_length=1,
    )
    settings: dict[str, Any] = setting({}, "settings of that task")
    decision_weight: float = setting(5.0, "weight of the loss in the decision period; it is 1 before", gt=0)
    grace: float = setting(100.0, "time after the start of the decision period in which the loss is 0", "ms", ge=0)
    batch_size: int = setting(64, "trials of an update, all fresh", "trials", gt=0)
    held_out_trials: int = setting(512, "trials on which a network is evaluated", "trials", gt=0)

    # -- the task that is learned ---------------------------------------------------------------------------

    @property
    def inner(self) -> Source:
        """The task that is learned.

        Raises:
            SettingsError: It is one of NeuroGym's and cannot be made.
        """
        return source(self.of, canonical({**self.settings, "dt": self.dt}))

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules below `rnnpipe` that are imported by name because of the task."""
        if self.of.startswith(NEUROGYM):
            return (NEUROGYM_MODULE,)
        return (f"tasks.{self.of}", *getattr(self._task, "modules", ()))

    @property
    def _task(self) -> Task:
        task: Task = self.inner.task  # type: ignore[attr-defined]
        return task

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the task."""
        return self.inner.input_names

    @property
    def action_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the task."""
        return ("none",) if self.inner.continuous else self.inner.action_names

    @property
    def output_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The task's actions."""
        return self.inner.action_names

    @property
    def factors(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the task."""
        return self.inner.factors

    @property
    def stimulus_onset(self) -> str:  # type: ignore[override]
        """That of the task."""
        return "decision" if self.of.startswith(NEUROGYM) else self._task.stimulus_onset

    @property
    def n_steps(self) -> int:
        """Number of steps, one more than those of the task."""
        return self.inner.n_steps + 1

    @property
    def longest_trial(self) -> float:
        return self.n_steps * self.dt

    def variables(self) -> dict[str, Draw]:
        return self.inner.variables()

    def factorial(self) -> list[dict[str, Any]]:
        return self.inner.factorial()

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        """Constant inputs of the task's periods without noise; of many in a period, a few at even intervals."""
        by_period: dict[str, list[str]] = {}
        found = self.inner.constant_inputs()
        for label in found:
            by_period.setdefault(label.partition(",")[0], []).append(label)
        return {
            labels[k]: found[labels[k]]
            for labels in by_period.values()
            for k in np.unique(np.linspace(0, len(labels) - 1, min(len(labels), MOST_INPUTS)).round().astype(int))
        }

    def without_noise(self) -> Self:
        if self.of.startswith(NEUROGYM):
            return self.model_copy(update={"settings": {**self.settings, "sigma": 0.0}})
        return self.model_copy(update={"settings": {**self.settings, self._task.noise: 0.0}})

    # -- trials ---------------------------------------------------------------------------------------------

    def sample(self, rng: Rng, n_trials: int, **conditions: ArrayLike) -> Trials:
        """Draw a batch of trials with `target` and `mask`; see `Task.sample`."""
        return self._with_target(self.inner.sample(rng, n_trials, **conditions))

    def batch(self, rng: Rng) -> Trials:
        """`batch_size` consecutive trials."""
        return self._with_target(self.inner.session(rng, self.batch_size))

    def held_out(self, rng: Rng) -> Trials:
        """`held_out_trials` consecutive trials."""
        return self._with_target(self.inner.session(rng, self.held_out_trials))

    def _with_target(self, truth: Truth) -> Trials:
        """The trials one step later: a step that nothing has driven yet comes first, and no input is left unused."""
        trials, values = truth.trials, truth.values
        if not self.inner.continuous:
            values = np.arange(len(self.output_names)) == values[..., None]
        weights = truth.weights(self.decision_weight, self.grace)
        return dataclasses.replace(
            trials,
            task=self.name,
            inputs=np.concatenate([trials.inputs, np.zeros_like(trials.inputs[:1])]),
            phase=np.concatenate([trials.phase, trials.phase[-1:]]),
            discount=np.concatenate([trials.discount, trials.discount[-1:]]),
            target=np.concatenate([values[:1], values]).astype(np.float32),
            mask=np.concatenate([np.zeros_like(weights[:1]), weights]),
        )

    # -- scores ---------------------------------------------------------------------------------------------

    def choices(self, output: NDArray[np.floating[Any]], trials: Trials) -> NDArray[np.int8] | None:
        if self.inner.continuous:
            return None
        i = np.arange(trials.n_trials)
        if len(self.output_names) == 2 and not (trials.correct[:, FIXATE] >= 0).any():
            assert trials.target is not None
            acts = output[:, :, 1] > output[:, :, FIXATE]
            acts[0] = False  # nothing has been seen
            in_time = acts.any(0) & (trials.target[acts.argmax(0), i, 1] == 1)
            return np.where(in_time & np.isfinite(output).all((0, 2)), 1, -1).astype(np.int8)
        final = output[decisions(trials)[:, 1], i].astype(float)
        counts = trials.choices[DECISION].copy()
        counts[:, FIXATE] |= trials.correct[:, FIXATE] >= 0
        counts &= np.isfinite(final).all(1)[:, None]
        best = np.where(counts, final, -np.inf).argmax(1)
        return np.where(counts.any(1), best, -1).astype(np.int8)

    def own_scores(self, output: NDArray[np.floating[Any]], trials: Trials) -> dict[str, float]:
        """`accuracy`: fraction of the trials with one right answer that were answered so."""
        return {} if self.inner.continuous else {"accuracy": self.accuracy(output, trials)}

    # -- settings -------------------------------------------------------------------------------------------

    @model_validator(mode="before")
    @classmethod
    def _step_of_the_task(cls, values: Any) -> Any:
        """Take the step from the task's settings, or its default, where none is given."""
        if not isinstance(values, dict) or "dt" in values:
            return values
        given, of = values.get("settings", {}), values.get("of", cls.model_fields["of"].default)
        if isinstance(given, dict) and "dt" in given:
            return {**values, "dt": given["dt"]}
        try:
            return {**values, "dt": choosing_task(of, given).dt}
        except (SettingsError, AttributeError, TypeError, ValueError):
            return values  # what is wrong with it is said when the task is made

    @model_validator(mode="after")
    def _times_are_possible(self) -> Supervised:
        """Make the task; those of NeuroGym are made when they are needed, which takes seconds."""
        if "dt" in self.settings and self.settings["dt"] != self.dt:
            raise ValueError(f"dt = {self.dt:g} ms, but dt of settings = {self.settings['dt']!r} ms; give one of them")
        foreign = [name for name in Task.model_fields if name != "dt" and name in self.model_fields_set]
        for name in foreign:
            if getattr(self, name) != Task.model_fields[name].get_default(call_default_factory=True):
                raise ValueError(f"{name} is no setting of task supervised itself; give it in `settings`")
        if self.of.startswith(NEUROGYM):
            return self
        try:
            task = self._task
        except SettingsError as error:
            raise ValueError(f"of: {str(error).rstrip('.')}") from None
        if task.reacts:
            raise ValueError(
                f"of = {self.of!r}: with these settings a trial depends on how the one before ended, which is not known"
                " in supervised learning; learn the task by reward"
            )
        return self
