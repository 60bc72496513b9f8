"""Checks of the plain values in files: settings, what made them, seeds and scores.

Whoever uses them takes for granted that they are what was written. A file that was damaged or edited may say anything,
so readers check all of it, not only what they use themselves.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from rnnpipe.errors import ArtefactError

GROUPS = ("task", "network", "value_network", "learning", "lif", "search")
"""What is a group of settings in files of several kinds."""
_AGAIN = "make the file again"
_LARGEST = 2**63 - 1
"""Integer that HDF5 and numpy can hold."""


def mapping_of(where: str, name: str, text: object) -> dict[str, Any]:
    """A mapping from its JSON, as `json.dumps` of settings writes it.

    Args:
        where: The file.
        name: What the text is called in an error.
        text: The JSON.

    Raises:
        ArtefactError: It is not JSON of a mapping, or holds a number that is not finite.
    """
    try:
        decoded = json.loads(text, parse_constant=_number, parse_float=_number)  # type: ignore[arg-type]
    except (TypeError, ValueError, RecursionError):
        decoded = None
    if not isinstance(decoded, dict):
        raise ArtefactError(f"{where}: {name} is not JSON of a mapping of finite values; {_AGAIN}.")
    return decoded


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def settings_of(where: str, text: object, name: str = "'settings'") -> dict[str, Any]:
    """Settings from their JSON; the groups among them are mappings.

    Raises:
        ArtefactError: They are not; see `mapping_of`.
    """
    settings = mapping_of(where, name, text)
    for group in GROUPS:
        if not isinstance(settings.get(group, {}), dict):
            raise ArtefactError(f"{where}: the settings of {group} are no mapping; {_AGAIN}.")
    return settings


def seed_of(where: str, value: object) -> int:
    """A seed; -1 is none.

    Raises:
        ArtefactError: It is no integer that a seed can be.
    """
    if not isinstance(value, int) or not -1 <= value <= _LARGEST:
        raise ArtefactError(f"{where}: its seed is {value!r:.40}, expected an integer; {_AGAIN}.")
    return int(value)


def score_of(where: str, value: object) -> dict[str, Any]:
    """A score: numbers by name, of which `n_trials_trained` counts.

    Raises:
        ArtefactError: It is none.
    """
    if not isinstance(value, Mapping):
        raise ArtefactError(f"{where}: its score is {value!r:.40}, expected numbers by name; {_AGAIN}.")
    for name, number in value.items():
        if not isinstance(name, str) or not isinstance(number, int | float):
            raise ArtefactError(f"{where}: its score has {name!r:.40} = {number!r:.40}, expected a number; {_AGAIN}.")
        if isinstance(number, int) and abs(number) > _LARGEST:
            raise ArtefactError(f"{where}: its score has {name!r:.40} = {number!r:.40}, too large a number; {_AGAIN}.")
    trials = value.get("n_trials_trained", 0)
    if not isinstance(trials, int):
        raise ArtefactError(f"{where}: its score says n_trials_trained = {trials!r:.40}, not a whole number; {_AGAIN}.")
    return dict(value)
