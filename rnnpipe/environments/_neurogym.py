"""What NeuroGym's tasks are made of: building one by its id, seeding all that is random in it, drawing its trials.

NeuroGym draws from generators that its `reset` does not seed, keeps state from trial to trial that its `seed` does not
reset, takes a hidden step on reset, and says what a trial was only by the trial that follows. `TrialStream` is the part
of it that can be relied on: one trial after the other, all of them determined by one seed.

References: Molano-Mazon et al. (2022) NeuroGym, doi:10.31234/osf.io/aqc9n; version 2.3.1.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.environments._trials import NO_PERIOD
from rnnpipe.errors import SettingsError
from rnnpipe.settings import suggest

PREFIX = "neurogym:"
"""What an id of NeuroGym begins with wherever ids of other packages can stand."""

INSTALL = (
    "pip install --no-deps neurogym==2.3.1 && pip install pydantic-settings loguru tomlkit natsort (docs/neurogym.md)"
)

NO_GROUND_TRUTH = ("Bandit-v0", "DawTwoStep-v0", "EconomicDecisionMaking-v0", "Null-v0")
"""Tasks that do not say what the right action is."""

NEEDS = {
    "AnnubesEnv-v0": "it has no defaults: give its `session`, e.g. {v: 0.5, a: 0.5}, and `catch_prob`",
    "perceptualdecisionmaking.ibl20-v0": "its wrappers need gymnasium 0.29, NeuroGym's own pin",
}
"""Why an id cannot be made, of those that cannot be made as they are."""

WRONG_GROUND_TRUTH = {
    "HierarchicalReasoning-v0": "the delay that decides is drawn anew and is not the one that is shown",
    "IntervalDiscrimination-v0": "where both intervals are equal in steps, about a quarter of trials, it says 2",
    "PostDecisionWager-v0": "the action that is rewarded is one less than the one that it names",
    "Reaching1D-v0": "angles are cut to whole numbers",
    "Reaching1DWithSelfDistraction-v0": "angles are cut to whole numbers",
    "ReadySetGo-v0": "it comes one cue later than what is rewarded",
    "yang19.dmc-v0": "the first direction of the second half is in the wrong category",
    "yang19.dnmc-v0": "the first direction of the second half is in the wrong category",
}
"""Tasks whose ground truth disagrees with what is shown or rewarded, and how."""

WITHHOLDS = (
    "DelayPairedAssociation-v0",
    "GoNogo-v0",
    "yang19.dmc-v0",
    "yang19.dms-v0",
    "yang19.dnmc-v0",
    "yang19.dnms-v0",
)
"""Tasks in which to withhold can be right, which is neither rewarded nor counted."""

WRONG_REWARD = {
    "Bandit-v0": "by default both arms pay alike, so that there is nothing to learn",
    "DualDelayMatchSample-v0": "the first answer is paid at each of the steps in which it is given",
    "PostDecisionWager-v0": "the first choice is never right and the second is paid for the first action",
    "SpatialSuppressMotion-v0": "no action is ever rewarded",
    "ToneDetection-v0": "no action is ever rewarded",
    **dict.fromkeys(WITHHOLDS, "to withhold where it is right earns nothing"),
}
"""Tasks that do not reward what they ask for, and how."""


def neurogym_ids() -> list[str]:
    """Ids that the installed NeuroGym registers, without prefix.

    Raises:
        SettingsError: NeuroGym is not installed or cannot be imported.
    """
    return sorted(_registered())


def _registered() -> dict[str, str]:
    """Constructor of each id, `module:name`."""
    try:  # not by name, so that its version is part of what results depend on
        from neurogym.envs.registration import ALL_EXTENDED_ENVS
    except ImportError as error:
        raise SettingsError(_missing(error)) from None
    registered: dict[str, str] = ALL_EXTENDED_ENVS
    return registered


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingsError(_missing(error)) from None


def _missing(error: ImportError) -> str:
    return f"NeuroGym cannot be imported ({error}); install it with `{INSTALL}`."


def plain(value: Any) -> Any:
    """A condition as Python's own number, text, or list of these."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


class TrialStream:
    """Trials of one of NeuroGym's tasks, one at a time, in the order in which a seed draws them.

    Args:
        id: Id, with or without `neurogym:`.
        kwargs: Keyword arguments of the task.

    Raises:
        SettingsError: NeuroGym is missing, there is no such id, or it cannot be made with these arguments.
    """

    def __init__(self, id: str, kwargs: Mapping[str, Any]) -> None:
        self.id = id.removeprefix(PREFIX)
        self._known = _registered()
        if self.id not in self._known:
            raise SettingsError(f"NeuroGym has no task {self.id!r} ({suggest(self.id, self._known)}).")
        made = self._make(kwargs)
        base = made.unwrapped
        # a rule of steps, which is kept here as a rule of trials: its wrapper does not work on gymnasium 1
        self._reaction_time = self.id == "perceptualdecisionmaking.roitman02-v0"
        self._top = base if self._reaction_time else base._top
        several = self._top.envs if hasattr(self._top, "envs") else [base]
        self._bases = [one.unwrapped for one in several]
        for one in self._bases:
            one.set_top(self)  # `step` of the task asks its top for the next trial
        wrappers: list[Any] = [self._top] if self._top is not base else []
        self._schedules: list[Any] = [w.schedule for w in wrappers if hasattr(w, "schedule")]
        self._initial = [(x, _copied(x.__dict__)) for x in [*wrappers, *self._schedules, *self._bases]]
        if hasattr(base, "modalities"):  # a set, in whose order the channels would be: another one in each process
            cues = [name for name in base.observation_space.name if name not in base.modalities]
            base.observation_space.name = {name: i for i, name in enumerate([*cues, *sorted(base.modalities)])}
        self.dt = float(base.dt)
        self.observation_space, self.action_space = base.observation_space, base.action_space
        self._first: NDArray[Any] | None = None
        self.seed(np.random.default_rng(0))
        self.begin()
        self.period_names = tuple(dict.fromkeys([*(name for b in self._bases for name in b.timing), *self.periods()]))
        self.has_ground_truth = bool(self.base._has_gt)

    def _make(self, kwargs: Mapping[str, Any]) -> Any:
        module, name = self._known[self.id].split(":")
        constructor = getattr(_import(module), name)
        try:
            return constructor(**kwargs)
        except Exception as error:  # whatever the constructor of a task raises, it is about its arguments
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            why = NEEDS.get(self.id, "check its arguments")
            raise SettingsError(f"NeuroGym's {self.id} cannot be made ({reason}); {why}.") from None

    @property
    def base(self) -> Any:
        """The task that the present trial is of: tasks that are several take turns."""
        return self._top.unwrapped

    def seed(self, rng: np.random.Generator) -> None:
        """Bring everything back to where it began and seed each generator on its own."""
        for part, initial in self._initial:
            part.__dict__.clear()
            part.__dict__.update(_copied(initial))

        def draw() -> int:
            return int(rng.integers(2**31 - 1))

        for base in self._bases:
            base.seed(draw())
            for duration in base.timing.values():
                if hasattr(duration, "seed"):  # its own generator, which otherwise would be the same as the others'
                    duration.seed(draw())
            if hasattr(base, "_random_seed"):
                base._rng = np.random.default_rng(draw())
            if hasattr(base, "state1_high_reward"):  # which state is the good one, always the first to begin with
                base.state1_high_reward = bool(rng.integers(2))
        for schedule in self._schedules:  # which task comes first, always the same one to begin with
            schedule.seed(draw())
            schedule.i = self._top.next_i_env = int(rng.integers(len(self._bases)))

    def begin(self) -> None:
        """Draw a trial and stand at its first row: `reset` without its hidden step."""
        for base in self._bases:
            base.t = base.t_ind = base.num_tr = 0
            base.performance = 0
        self.new_trial()

    def new_trial(self, **fixed: Any) -> dict[str, Any]:
        """Draw a trial; `step` of the task calls it when one ends."""
        for base in self._bases:  # periods that only some trials have would stay
            for marks in (base.start_t, base.end_t, base.start_ind, base.end_ind):
                marks.clear()
        trial: dict[str, Any] = self._top.new_trial(**fixed)
        if self._reaction_time:
            self._respond_during_stimulus(self.base)
        if self.id == "DawTwoStep-v0":  # not set, for there is no transition on waiting
            trial["transition"][0] = 0
        self._first = np.array(self.base.ob[0]) if hasattr(self.base, "ob") else None  # before anything is added to it
        return trial

    @staticmethod
    def _respond_during_stimulus(base: Any) -> None:
        """A choice counts from the second step of the stimulus, with which the trial ends (`ReactionTime`)."""
        start, end = base.start_ind["stimulus"], base.end_ind["stimulus"]
        base.gt[start + 1 : end] = base.gt[base.start_ind["decision"]]
        base.start_t["decision"] = base.start_t["stimulus"] + base.dt
        base.end_t["decision"] = base.tmax = base.end_t["stimulus"]
        base.start_ind["decision"], base.end_ind["decision"] = start + 1, end
        base.ob, base.gt = base.ob[:end], base.gt[:end]

    def first_row(self) -> NDArray[np.float32]:
        """Observation with which the present trial begins, (n_inputs,)."""
        base = self.base
        if self.id == "DawTwoStep-v0":
            return np.eye(1, 3, dtype=np.float32)[0]
        if self._first is None:
            return np.zeros(self.n_inputs, np.float32)
        seen, *_ = base.post_step(self._first.copy(), 0.0, False, False, {})
        return self.row(seen)

    def row(self, seen: Any) -> NDArray[np.float32]:
        """An observation as a copy of its own, flat: the task goes on writing into the one it gave."""
        return np.array(np.broadcast_to(seen, self.observation_space.shape), np.float32).ravel()

    def conditions(self) -> dict[str, Any]:
        """What was drawn for the present trial."""
        return {str(name): plain(value) for name, value in (self.base.trial or {}).items()}

    def periods(self) -> dict[str, tuple[int, int]]:
        """Half-open [onset, offset) of each period of the present trial, steps."""
        base = self.base
        return {str(name): (int(base.start_ind[name]), int(base.end_ind[name])) for name in base.start_ind}

    def period_of_steps(self) -> list[int]:
        """Index of the period of each step of the present trial, the last one where several overlap."""
        periods = self.periods()
        index = [NO_PERIOD] * max((end for _, end in periods.values()), default=0)
        for name, (start, end) in periods.items():
            if name in self.period_names:
                index[start:end] = [self.period_names.index(name)] * (end - start)
        return index

    @property
    def n_inputs(self) -> int:
        """Length of an observation, flattened."""
        return int(np.prod(self.observation_space.shape))

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the input channels, `obs_i` where NeuroGym has none."""
        return _names(self.observation_space, self.n_inputs, "obs")

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the actions, of the values of an action where these are numbers."""
        space = self.action_space
        return _names(space, int(space.n) if hasattr(space, "n") else int(np.prod(space.shape)), "action")

    def vanished(self) -> list[str]:
        """Periods of fixed duration that are shorter than a step, and so never are."""
        return [
            str(name)
            for base in self._bases
            for name, duration in base.timing.items()
            if isinstance(duration, int | float) and 0 < duration < self.dt
        ]


def _copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a task, with counters in containers of their own."""
    return {name: value.copy() if isinstance(value, dict | list) else value for name, value in state.items()}


def _names(space: Any, n: int, prefix: str) -> tuple[str, ...]:
    """Name of each index, from a mapping of names to one index or several."""
    names = [f"{prefix}_{i}" for i in range(n)]
    for name, where in getattr(space, "name", {}).items():
        indices = np.atleast_1d(np.asarray(where, int)).tolist()
        for k, i in enumerate(indices):
            if i < n:
                names[i] = str(name) if len(indices) == 1 else f"{name}_{k}"
    return tuple(names)
