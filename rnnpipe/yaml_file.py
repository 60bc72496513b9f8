"""YAML files as a careful reader expects them: a key given twice is an error, and 1e-3 is a number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from rnnpipe.errors import SettingsError


class _Loader(yaml.SafeLoader):
    """Safe loader without YAML 1.1's two traps for settings: silent duplicates, and 1e-3 read as text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *entry`, which the keys beside it override
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(problem=f"key {key!r} is given twice, again in line {line}")
            seen.add(key if isinstance(key, str) else None)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(text: str, where: str) -> Any:
    """Value of a YAML (or JSON) text.

    Raises:
        SettingsError: It is not valid; the message names `where` and the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - derives from SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise SettingsError(f"{where}{line}: not valid YAML ({problem}).") from None


def read_yaml(path: str | Path) -> Any:
    """Value of a YAML (or JSON) file.

    Raises:
        SettingsError: It cannot be read or is not valid.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not a text file"
        raise SettingsError(f"{path}: cannot be read ({reason.lower()}); give a YAML file.") from None
    return parse_yaml(text, str(path))


def read_mapping(text: str, flag: str = "--settings") -> dict[str, Any]:
    """A mapping that a flag gives as JSON, or as the name of a YAML or JSON file.

    Raises:
        SettingsError: It is neither, or not a mapping.
    """
    inline = text.lstrip().startswith(("{", "["))
    where = flag if inline else text
    value = parse_yaml(text, where) if inline else read_yaml(text)  # JSON is YAML
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: expected a mapping of settings, got {str(value)[:40]}.")
    return value
