"""Fixed points of a network as what figures show of them: class, index and rates, by input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.io.evaluation import task_of
from rnnpipe.io.fixed_points import KIND, SCHEMA, read_fixed_points
from rnnpipe.io.hdf5 import load, read

Array = NDArray[np.float64]

MORE = (
    "fixed_points/rate",
    "fixed_points/index",
    "fixed_points/marginal",
    "slow_points/input",
    "slow_points/x",
    "slow_points/rate",
)
"""What only files of rate networks have."""


@dataclass(frozen=True)
class Points:
    """Fixed points under some inputs; the first axis of every array but `values` is the point."""

    labels: tuple[str, ...]
    """Of the inputs."""
    values: Array
    """The inputs, (n_inputs, n_channels)."""
    input: NDArray[np.int64]
    """Index of the input of each point."""
    kind: NDArray[np.str_]
    """"stable", "unstable", "marginal" (its slowest mode is slower than the task) or "slow" (no fixed point)."""
    n_unstable: NDArray[np.int64]
    """Number of unstable directions: the index."""
    states: Array
    """(n_points, n_units)."""
    rates: Array
    """(n_points, n_units)."""

    def of(self, labels: list[str]) -> Points:
        """Those under some of the inputs, in the order named.

        Raises:
            SettingsError: There is no input of that name.
        """
        if absent := [label for label in labels if label not in self.labels]:
            raise SettingsError(
                f"settings of the figure: inputs has {absent[0]!r}; fixed points were searched for under"
                f" {', '.join(map(repr, self.labels))}."
            )
        index = [self.labels.index(label) for label in labels]
        chosen = np.concatenate([np.flatnonzero(self.input == i) for i in index]) if index else np.zeros(0, int)
        number = np.concatenate([np.full((self.input == i).sum(), k) for k, i in enumerate(index)]) if index else chosen
        arrays: dict[str, Any] = {
            name: getattr(self, name)[chosen] for name in ("kind", "n_unstable", "states", "rates")
        }
        return Points(tuple(labels), self.values[index], number.astype(np.int64), **arrays)


def read_points(path: str | Path) -> Points:
    """Fixed points of a file of stage `fixed_points`, with their classes; and slow points, where there are any.

    Points of rate networks have the classes of the flow. Those of gated networks have those of the map of one step, and
    are marginal if their slowest mode lasts longer than a trial.
    """
    table, states = read_fixed_points(path)
    with read(path, KIND, SCHEMA) as file:
        labels, values = load(file["inputs/label"]), load(file["inputs/values"])
        more = {name: load(file[name]) for name in MORE if name in file}
    if "fixed_points/index" in more:
        rates, n_unstable = more["fixed_points/rate"], more["fixed_points/index"]
        marginal = more["fixed_points/marginal"].astype(bool)
    else:
        rates, n_unstable = np.maximum(states, 0), table["n_unstable"].to_numpy()
        marginal = np.abs(table["time_constant"].to_numpy()) > task_of(table.attrs, path).longest_trial
    kind = np.where(marginal, "marginal", np.where(n_unstable > 0, "unstable", "stable"))
    n_slow = len(more.get("slow_points/input", ()))
    if n_slow:
        states = np.concatenate([states, more["slow_points/x"]])
        rates = np.concatenate([rates, more["slow_points/rate"]])
    return Points(
        labels=tuple(map(str, labels)),
        values=values.astype(np.float64),
        input=np.concatenate([table["input"], more["slow_points/input"] if n_slow else []]).astype(np.int64),
        kind=np.concatenate([kind, ["slow"] * n_slow]).astype(str),
        n_unstable=np.concatenate([n_unstable, np.zeros(n_slow)]).astype(np.int64),
        states=states.astype(np.float64),
        rates=rates.astype(np.float64),
    )
