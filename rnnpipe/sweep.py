"""Sweeps: one entry that stands for many, which differ in the values of some settings, and how they are called."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, parse, setting


class Sweep(Settings):
    """Values of one setting."""

    key: str = setting(..., "which setting, with dots: `network.n_units`", max_length=200, pattern=r"^\w+(\.\w+)*$")
    values: list[Any] = setting(..., "its values", min_length=1)


def read_sweep(values: Any, where: str) -> list[Sweep]:
    """The settings that a sweep varies, in their order: of `{key: ..., values: [...]}`, or of `{key: [...], ...}`.

    Raises:
        SettingsError: It is neither, or two values of a setting cannot be told apart by name.
    """
    if not isinstance(values, Mapping) or not values:
        raise SettingsError(f"{where}: expected a mapping of settings to lists of values, got {values!r:.200}.")
    if {"key", "values"} & set(values):
        found = [parse(Sweep, values, where)]
    else:
        found = [parse(Sweep, {"key": key, "values": list_}, f"{where}: {key!r:.100}") for key, list_ in values.items()]
    for axis in found:
        labels = [label(value) for value in axis.values]
        twice = next((one for one in labels if labels.count(one) > 1), None)
        if twice is not None:
            same = [value for value in axis.values if label(value) == twice]
            raise SettingsError(f"{where}: {axis.key}: the values {same} would all be called {twice!r}; leave one.")
    return found


def members(name: str, sweep: Sequence[Sweep]) -> dict[str, dict[str, Any]]:
    """Every combination of the values by the name of its entry, `<name>_<value>_<value>`, the last setting fastest.

    Without settings it is the entry itself.
    """
    keys = [axis.key for axis in sweep]
    return {
        "_".join([name, *map(label, combination)]): dict(zip(keys, combination, strict=True))
        for combination in itertools.product(*(axis.values for axis in sweep))
    }


def label(value: Any) -> str:
    """A value as a part of a name: 0.5 is 0p5; the same number is always written the same way, 100.0 as 100."""
    if isinstance(value, list):
        return "_".join(map(label, value))
    text = f"{value:.15g}".replace("e+", "e") if isinstance(value, float) else str(value)
    return re.sub(r"\W", "_", text.replace(".", "p").replace("-", "m"))


def batches(seeds: Sequence[int], size: int) -> dict[str, list[int]]:
    """Seeds that one job handles, by the name of the job's files."""
    ordered = sorted(seeds)
    parts = [ordered[i : i + size] for i in range(0, len(ordered), size)]
    return {f"{part[0]}-{part[-1]}": part for part in parts}
