"""Trials of any task for `torch.utils.data.DataLoader`: an endless stream of fresh ones, and a fixed set.

    stream = TrialStream("perceptual_decision_making", {"dt": 20.0}, batch_size=32, seed=1)
    for batch in DataLoader(stream, batch_size=None, num_workers=2):
        scores = model(batch["inputs"])  # (time, trial, unit)

Row t of a target is what to put out once row t of the inputs has been seen. Sample i depends on the seed and on i
alone: neither on the size of batches nor on the number of workers, nor on where a stream starts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from rnnpipe.errors import SettingsError
from rnnpipe.settings import canonical, parse, suggest
from rnnpipe.tasks import environment_task_names, task_names, trial_task_class
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._draws import Rng
from rnnpipe.tasks._regression import RegressionTask
from rnnpipe.tasks._sources import NEUROGYM, TaskSource, Truth, source
from rnnpipe.trials import Trials

__all__ = ["TrialSet", "TrialStream", "collate"]

Sample = dict[str, Any]
Array = NDArray[Any]

BLOCK = 32
"""Trials that are drawn together, from one generator; fixed, since trial i is row i % BLOCK of block i // BLOCK."""

ALONG_TIME = ("inputs", "target", "mask", "trial")
"""What of a sample has time as its first axis."""


class _ValueSource:
    """A task whose outputs follow values in time, as a source of them."""

    continuous, factors = True, ()

    def __init__(self, task: RegressionTask | AnalogTask) -> None:
        self.task, self.dt = task, task.dt
        self.input_names, self.action_names = task.input_names, task.output_names
        self.n_steps = task.n_steps - 1

    def sample(self, rng: Rng, n_trials: int) -> Truth:
        """Draw trials independently of each other."""
        return self._truth(self.task.sample(rng, n_trials))

    def session(self, rng: Rng, n_trials: int) -> Truth:
        """Draw consecutive trials of one session."""
        return self._truth(self.task.draw(rng, n_trials)[0])

    def _truth(self, trials: Trials) -> Truth:
        """In these tasks the last input is never used: state t + 1 is the first one that has seen that of step t."""
        if isinstance(self.task, AnalogTask):
            target = self.task.output_target(trials)[..., None]
            weights = np.ones(target.shape[:2], np.float32)
        else:
            assert trials.target is not None and trials.mask is not None
            target, weights = trials.target[1:], trials.mask[1:]
        counts = weights > 0
        lengths = np.where(counts.any(0), len(counts) - counts[::-1].argmax(0), len(counts)).astype(np.int32)
        return Truth(trials, target, lengths, weights)


def _source_of(task: str | Task, settings: Mapping[str, Any]) -> Any:
    """Where the trials of a task come from.

    Raises:
        SettingsError: There is no such task, it has nothing to learn from, or a setting is impossible.
    """
    if isinstance(task, str):
        if task.startswith(NEUROGYM):
            return source(task, canonical(dict(settings)))
        if task in environment_task_names() or task not in task_names():
            raise SettingsError(f"{task!r} is no task with trials ({suggest(task, task_names())}).")
        task = parse(trial_task_class(task), settings, f"settings of {task}")
    if isinstance(task, RegressionTask | AnalogTask):
        return _ValueSource(task)
    if not task.chooses:
        raise SettingsError(f"task {task.name} has neither a choice nor values to learn.")
    return TaskSource(task)


class Samples:
    """Trials of a task by number.

    A sample is a dict of `inputs` (time, unit), `target`: the action to take at each step, int64 (time,), or in tasks
    whose outputs follow values these, float32 (time, output), `mask`: the weight of each step in a loss, (time,),
    `length`: its number of steps, and `conditions`: what was drawn for it. A sample of several trials in a chain has
    also `trial`, (time,): which of them a step belongs to, from 0 on; its conditions are arrays, (trial,).

    Args:
        task: Name of a task, `neurogym:<id>`, or a task.
        settings: Settings of the task, if it is given by name.
        seed: Seed of the trials.
        chain: Consecutive trials of a sample, one straight after the other; they are those of one session where a task
            has trials that depend on those before.
        decision_weight: Weight of the steps of the decision period, in tasks whose target are actions.
        grace: Time after the start of the decision period in which the weight is 0 (ms), likewise.

    Raises:
        SettingsError: There is no such task, it has nothing to learn from, or a setting is impossible.
    """

    def __init__(
        self,
        task: str | Task,
        settings: Mapping[str, Any] | None = None,
        seed: int = 0,
        chain: int = 1,
        decision_weight: float = 5.0,
        grace: float = 100.0,
    ) -> None:
        if seed < 0:
            raise SettingsError(f"seed = {seed}: must be 0 or more.")
        if chain < 1:
            raise SettingsError(f"chain = {chain}: must be at least 1.")
        if not (decision_weight > 0 and grace >= 0):
            raise SettingsError(
                f"decision_weight = {decision_weight:g} must be above 0 and grace = {grace:g} ms not below it."
            )
        if isinstance(task, Task) and settings:
            raise SettingsError("settings are for a task that is given by its name; change them in the task itself.")
        self.seed, self.chain, self._weights = seed, chain, (decision_weight, grace)
        self._given = task, dict(settings or {})
        self._of = _source_of(*self._given)
        self._block: tuple[int, list[Sample]] = -1, []
        self.dt: float = self._of.dt
        """Step, ms."""
        self.input_names: tuple[str, ...] = self._of.input_names
        """Names of the inputs."""
        self.output_names: tuple[str, ...] = self._of.action_names
        """Names of the actions, or of the values."""
        self.discrete: bool = not self._of.continuous
        """Whether the target are actions."""
        self.longest: int = chain * self._of.n_steps
        """Steps of the longest sample."""

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: it makes the task anew."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_of", "_block")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._of, self._block = _source_of(*self._given), (-1, [])

    def __call__(self, i: int) -> Sample:
        """Sample i, of arrays."""
        size = BLOCK if self.chain == 1 else 1
        number, row = divmod(i, size)
        if self._block[0] != number:
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, number]))
            self._block = number, self._draw(rng, size * self.chain)
        return dict(self._block[1][row]) if self.chain == 1 else _chained(self._block[1])

    def _draw(self, rng: np.random.Generator, n: int) -> list[Sample]:
        truth = self._of.session(rng, n) if self.chain > 1 else self._of.sample(rng, n)
        trials, lengths, weights = truth.trials, truth.lengths, truth.weights(*self._weights)
        return [
            {
                "inputs": trials.inputs[:length, i],
                "target": truth.values[:length, i],
                "mask": weights[:length, i],
                "length": int(length),
                "conditions": {name: values[i] for name, values in trials.conditions.items()},
            }
            for i, length in enumerate(lengths)
        ]


def collate(samples: Sequence[Sample], batch_first: bool = False, n_steps: int | None = None) -> Sample:
    """Samples side by side as tensors, shorter ones filled up with zeros, where the mask is zero, too.

    Args:
        samples: Samples, of arrays or tensors.
        batch_first: Whether the first axis is that of the samples rather than time.
        n_steps: Steps to fill up to; by default those of the longest one.

    Returns:
        `inputs` (time, trial, unit), `target` (time, trial) or (time, trial, output), `mask` (time, trial), `length`
        (trial,) and, of chains, `trial` (time, trial), -1 after the end; `conditions`: a tensor for each, (trial,) or
        of chains (trial, chain), and a list where it is text.

    Raises:
        SettingsError: There is no sample, or a sample is longer than `n_steps`.
    """
    if not samples:
        raise SettingsError("there are no samples to put side by side.")
    longest = max(int(sample["length"]) for sample in samples)
    if n_steps is not None and n_steps < longest:
        raise SettingsError(f"a sample has {longest} steps, more than n_steps = {n_steps}.")
    batch: Sample = {}
    for name in ALONG_TIME:
        if name in samples[0]:
            batch[name] = _padded([np.asarray(s[name]) for s in samples], n_steps or longest, batch_first)
    if "trial" in batch:
        length = torch.tensor([int(s["length"]) for s in samples])
        t = torch.arange(n_steps or longest)
        after = t >= length[:, None] if batch_first else t[:, None] >= length
        batch["trial"][after] = -1
    batch["length"] = torch.tensor([int(sample["length"]) for sample in samples])
    names = dict.fromkeys(name for sample in samples for name in sample["conditions"])
    batch["conditions"] = {name: _stacked([s["conditions"].get(name) for s in samples]) for name in names}
    return batch


def _padded(rows: list[Array], n_steps: int, batch_first: bool) -> torch.Tensor:
    shape = (len(rows), n_steps) if batch_first else (n_steps, len(rows))
    out = np.zeros((*shape, *rows[0].shape[1:]), rows[0].dtype)
    for i, row in enumerate(rows):
        if batch_first:
            out[i, : len(row)] = row
        else:
            out[: len(row), i] = row
    return torch.from_numpy(out)


def _stacked(values: list[Any]) -> Any:
    array = np.array([np.asarray(v) for v in values])
    return torch.from_numpy(array) if array.dtype.kind in "biuf" else array.tolist()


def _chained(samples: list[Sample]) -> Sample:
    """Samples one straight after the other."""
    chained = {name: np.concatenate([s[name] for s in samples]) for name in ("inputs", "target", "mask")}
    lengths = [s["length"] for s in samples]
    return {
        **chained,
        "trial": np.repeat(np.arange(len(samples)), lengths),
        "length": sum(lengths),
        "conditions": {k: np.array([s["conditions"][k] for s in samples]) for k in samples[0]["conditions"]},
    }


class TrialStream(IterableDataset[Sample]):
    """An endless stream of fresh trials, in batches or one by one.

    It goes with `DataLoader(stream, batch_size=None, num_workers=...)`, which passes on the batches that the stream
    makes: batch k has samples start + k * batch_size and those that follow, and workers take turns at them. With
    `batch_size=None` here it yields sample by sample. A DataLoader that makes batches of those (`batch_size=32,
    collate_fn=collate`) takes each from one worker, so that which samples are together depends on their number.

    Args:
        task: Name of a task, `neurogym:<id>`, or a task.
        settings: Settings of the task, if it is given by name.
        batch_size: Samples of a batch; None: samples are yielded one by one.
        seed: Seed of the trials.
        start: Number of the first sample, to go on where a training has stopped.
        batch_first: Whether the first axis of batches is that of samples rather than time.
        fixed_length: Whether batches are filled up to the longest sample that there can be, so that all have the same
            shape, rather than to the longest that they hold.
        **more: `chain`, `decision_weight` and `grace`; see `Samples`.

    Raises:
        SettingsError: As `Samples`; batch_size or start is impossible.
    """

    def __init__(
        self,
        task: str | Task,
        settings: Mapping[str, Any] | None = None,
        batch_size: int | None = 32,
        seed: int = 0,
        start: int = 0,
        batch_first: bool = False,
        fixed_length: bool = False,
        **more: Any,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise SettingsError(f"batch_size = {batch_size}: must be at least 1, or None.")
        if start < 0:
            raise SettingsError(f"start = {start}: must be 0 or more.")
        self.samples = Samples(task, settings, seed, **more)
        self.batch_size, self.start = batch_size, start
        self.batch_first, self.fixed_length = batch_first, fixed_length

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        first, every = (0, 1) if worker is None else (worker.id, worker.num_workers)
        size = self.batch_size or 1
        n_steps = self.samples.longest if self.fixed_length else None
        for k in itertools.count(first, every):
            numbers = range(self.start + k * size, self.start + (k + 1) * size)
            found = [self.samples(i) for i in numbers]
            yield collate(found, self.batch_first, n_steps) if self.batch_size else _tensors(found[0])


class TrialSet(Dataset[Sample]):
    """A fixed set of trials, drawn once: the first ones of the stream of the same seed.

    It goes with `DataLoader(trials, batch_size=32, shuffle=True, collate_fn=collate)`.

    Args:
        task: Name of a task, `neurogym:<id>`, or a task.
        settings: Settings of the task, if it is given by name.
        n_samples: How many samples: trials, or chains of trials.
        seed: Seed of the trials.
        **more: `chain`, `decision_weight` and `grace`; see `Samples`.

    Raises:
        SettingsError: As `Samples`; n_samples is impossible.
    """

    def __init__(
        self,
        task: str | Task,
        settings: Mapping[str, Any] | None = None,
        n_samples: int = 1000,
        seed: int = 0,
        **more: Any,
    ) -> None:
        if n_samples < 1:
            raise SettingsError(f"n_samples = {n_samples}: must be at least 1.")
        self.samples = Samples(task, settings, seed, **more)
        self._all = [self.samples(i) for i in range(n_samples)]

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, index: int) -> Sample:
        return _tensors(self._all[index])


def _tensors(sample: Sample) -> Sample:
    return {name: torch.tensor(value) if name in ALONG_TIME else value for name, value in sample.items()}
