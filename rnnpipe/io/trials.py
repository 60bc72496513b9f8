"""Trials on disk: the output of the `dataset` stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rnnpipe.errors import ArtefactError
from rnnpipe.io.hdf5 import Field, attributes, create, fill, load, put, read
from rnnpipe.trials import Trials

KIND = "trials"
SCHEMA = {
    "inputs": Field(("time", "trial", "input"), "f", "observation of each step"),
    "phase": Field(("time", "trial"), "u", "row of the rule table: 0 outside, 1 decision, 2 timeout, 3 free, 4 early"),
    "rewards": Field(("phase", "trial", "action"), "f", "reward of an action, before discounting"),
    "stops": Field(("phase", "trial", "action"), "b", "whether an action ends the trial"),
    "choices": Field(("phase", "trial", "action"), "b", "whether an action counts as a decision"),
    "correct": Field(("trial", "action"), "i", "1 correct choice, 0 wrong choice, -1 no choice"),
    "discount": Field(("time",), "f", "factor on the reward of each step"),
    "target": Field(("time", "trial", "output"), "f", "what continuous outputs should be at each step", required=False),
    "mask": Field(("time", "trial"), "f", "weight of each step in the loss of these outputs", required=False),
    "conditions/*": Field(("trial",), "fiubO", "drawn variable; durations in ms"),
    "periods/*": Field(("trial", "edge"), "i", "onset and offset of the period", "steps"),
}
_FIELDS = ("inputs", "phase", "rewards", "stops", "choices", "correct", "discount")
_OPTIONAL = ("target", "mask")


def write_trials(
    path: str | Path,
    batches: Iterable[Trials],
    n_trials: int,
    settings: dict[str, Any],
    provenance: dict[str, Any],
    **attrs: Any,
) -> None:
    """Write batches of trials one after another as one file of `n_trials`."""
    with create(path, KIND, settings, provenance, **attrs) as file:
        start = 0
        for batch in batches:
            arrays: dict[str, Any] = {name: getattr(batch, name) for name in _FIELDS}
            arrays |= {name: getattr(batch, name) for name in _OPTIONAL if getattr(batch, name) is not None}
            arrays |= {f"conditions/{k}": v for k, v in batch.conditions.items()}
            arrays |= {f"periods/{k}": v for k, v in batch.periods.items()}
            stop = start + batch.n_trials
            for name, values in arrays.items():
                axes = SCHEMA[name.split("/")[0] + "/*" if "/" in name else name].axes
                if start == 0:
                    shape = tuple(n_trials if a == "trial" else n for a, n in zip(axes, values.shape, strict=True))
                    put(file, name, SCHEMA, shape=shape, dtype=values.dtype)
                where = tuple(slice(start, stop) if a == "trial" else slice(None) for a in axes)
                fill(file[name], where, values)
            if start == 0:
                file.attrs["task"], file.attrs["dt"] = batch.task, batch.dt
            start = stop
        assert start == n_trials, f"{start} trials written, {n_trials} announced"


class TrialsFile:
    """Trials read from disk in batches."""

    def __init__(self, path: str | Path, file: h5py.File) -> None:
        self.path, self.file = Path(path), file
        self.attributes = attributes(file)
        if not {"task", "dt"} <= self.attributes.keys():
            raise ArtefactError(f"{path}: does not say its task and step; make the dataset again.")
        self.n_trials: int = file["phase"].shape[1]

    def __getitem__(self, rows: slice) -> Trials:
        file = self.file

        def part(name: str) -> Any:
            axes = SCHEMA[name.split("/")[0] + "/*" if "/" in name else name].axes
            return load(file[name], tuple(rows if a == "trial" else slice(None) for a in axes))

        return Trials(
            task=self.attributes["task"],
            dt=float(self.attributes["dt"]),
            **{name: part(name) for name in _FIELDS},
            **{name: part(name) for name in _OPTIONAL if name in file},
            conditions={k: part(f"conditions/{k}") for k in file["conditions"]},
            periods={k: part(f"periods/{k}") for k in file["periods"]},
        )

    def batches(self, size: int) -> Iterator[Trials]:
        """All trials in batches of at most `size`."""
        for start in range(0, self.n_trials, size):
            yield self[start : start + size]

    def conditions(self) -> dict[str, np.ndarray]:
        """Drawn variables of all trials, (n_trials,) each."""
        return {k: load(self.file[f"conditions/{k}"]) for k in self.file["conditions"]}


class open_trials:
    """Context manager: `with open_trials(path) as trials:` gives a checked `TrialsFile`."""

    def __init__(self, path: str | Path) -> None:
        self.path = path

    def __enter__(self) -> TrialsFile:
        self._context = read(self.path, KIND, SCHEMA)
        file = self._context.__enter__()
        try:
            return TrialsFile(self.path, file)
        except BaseException as error:
            self._context.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(self, *error: Any) -> bool | None:
        return self._context.__exit__(*error)
