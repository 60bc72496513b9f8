"""Settings declared once: YAML key = field = command-line flag = help text, with unit, default and bounds.

A group of settings is a frozen pydantic model whose fields are made by `setting`. Everything that reads
settings goes through `parse`, which turns pydantic's report into one sentence that names the key, what it is,
what was expected and, for an unknown key, the nearest one that exists.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rnnpipe.errors import SettingsError

S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """Frozen, strictly typed group of settings; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def changed(self) -> dict[str, Any]:
        """The settings that differ from their defaults.

        Used wherever settings are compared or passed on, so that a new option with a neutral default changes
        no comparison and reruns nothing.
        """
        return self.model_dump(mode="json", exclude_defaults=True)


def setting(default: Any, help: str, unit: str | None = None, **bounds: Any) -> Any:
    """A field of a `Settings` group.

    Args:
        default: Value that is used when the key is absent; `...` makes the key required.
        help: One sentence for `--help` and `config/README.md`.
        unit: Unit of the value, None for numbers without one.
        **bounds: Passed to `pydantic.Field`: gt, ge, lt, le, min_length, ...
    """
    return Field(default, description=help, json_schema_extra={"unit": unit}, **bounds)


def canonical(value: Any) -> str:
    """One string for a nested value: equal strings if and only if equal values (sorted keys, no spaces)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def suggest(name: str, known: Iterable[str]) -> str:
    """' (did you mean 'x'? ...)' for a misspelt name, listing what exists."""
    known = sorted(known)
    near = difflib.get_close_matches(str(name)[:100], known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known: {', '.join(known)}"


def parse(model: type[S], values: Mapping[str, Any] | None, where: str, lax: bool = False) -> S:
    """Validate a mapping as a group of settings.

    Args:
        model: The group.
        values: Mapping of keys to values; None is an empty mapping.
        where: What to call the mapping in an error, e.g. "config/song2017.yaml: experiments.rdm_fixed.network".
        lax: Convert strings (command-line values) to the field's type.

    Raises:
        SettingsError: Naming every bad key, its value and what was expected.
    """
    if values is None:
        values = {}
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where}: expected a mapping of settings, got {values!r:.200}.")
    try:
        return model.model_validate(dict(values), strict=not lax)
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(model, e, where) for e in error.errors()) + ".") from None


def _sentence(model: type[BaseModel], error: Any, where: str) -> str:
    path = [str(p) for p in error["loc"]]
    key = ".".join(path)
    if error["type"] == "extra_forbidden":
        group: Any = model
        for part in path[:-1]:
            field = getattr(group, "model_fields", {}).get(part)
            group = field.annotation if field is not None else group
        return f"{where}: unknown key {key!r:.200} ({suggest(path[-1], getattr(group, 'model_fields', {}))})"
    if error["type"] == "missing":
        return f"{where}: key {key!r} is required"
    message = error["msg"].removeprefix("Value error, ")
    field = model.model_fields.get(path[0]) if path else None
    unit = (field.json_schema_extra or {}).get("unit") if field is not None else None  # type: ignore[union-attr]
    unit = f" {unit}" if unit else ""
    if not path:
        return f"{where}: {message[:1].lower()}{message[1:]}"
    return f"{where}: {key:.200} = {error['input']!r:.200}{unit}: {message[:1].lower()}{message[1:]}"
