"""YAML files as a careful reader expects them: a key given twice is an error, and 1e-3 is a number.

A text is read in bounded time and memory, whatever it says: its length, its depth and the entries that its aliases
stand for are limited. Its values are those of JSON; whatever else YAML knows (dates, sets, bytes) is an error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

import yaml

from rnnpipe.errors import SettingsError

LONGEST = 2**20
"""Characters of a text."""
DEEPEST = 64
"""Mappings and lists in each other."""
MOST = 30_000
"""Entries of a text, those that aliases stand for included."""


class _Loader(yaml.SafeLoader):
    """Safe loader without YAML 1.1's two traps for settings: silent duplicates, and 1e-3 read as text."""

    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        self.nodes += 1
        if self.depth > DEEPEST:
            self._refuse(f"it is deeper than {DEEPEST} levels")
        if self.nodes > MOST:
            self._refuse(f"it has more than {MOST} entries")
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _refuse(self, problem: str) -> NoReturn:
        raise yaml.composer.ComposerError(problem=problem, problem_mark=self.get_mark())

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MOST:
            raise yaml.constructor.ConstructorError(problem=f"its merged mappings have more than {MOST} entries")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[type, str]] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *entry`, which the keys beside it override
                continue
            key = self.construct_object(key_node, deep=True)
            if (type(key), repr(key)) in seen:
                line = key_node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(problem=f"key {key!r:.80} is given twice, again in line {line}")
            seen.add((type(key), repr(key)))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(text: str, where: str) -> Any:
    """Value of a YAML (or JSON) text.

    Raises:
        SettingsError: It is not valid; the message names `where` and the line.
    """
    if len(text) > LONGEST:
        raise SettingsError(f"{where}: is longer than the {LONGEST} characters that settings may have.")
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - derives from SafeLoader
        _check_plain(value)
        return value
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        # a tag or a pattern promised a number, a date, ... that the text is not
        raise SettingsError(f"{where}: not valid YAML ({type(error).__name__}: {str(error)[:200]}).") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise SettingsError(f"{where}{line}: not valid YAML ({problem}).") from None


def _check_plain(value: Any) -> None:
    """Check that a value is one of JSON, and of a bounded size where aliases are written out.

    Raises:
        yaml.YAMLError: It is not.
    """
    waiting, n = [(value, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        n += 1
        problem = ""
        if isinstance(item, dict):
            waiting += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            waiting += [(part, depth + 1) for part in item]
        elif isinstance(item, str):
            if "\0" in item or any("\ud800" <= letter <= "\udfff" for letter in item):
                problem = f"{item!r:.80} holds a character that no text has"
        elif isinstance(item, int) and abs(item) >= 2**64:
            problem = "it has a whole number of more than 64 bits"
        elif not isinstance(item, int | float | None):
            problem = f"{item!s:.80} is read as a value of type {type(item).__name__}; put text in quotes"
        if depth > 2 * DEEPEST or n > 2 * MOST or len(waiting) > 2 * MOST:
            problem = "its aliases stand for too much"
        if problem:
            raise yaml.constructor.ConstructorError(problem=problem)


def read_yaml(path: str | Path) -> Any:
    """Value of a YAML (or JSON) file.

    Raises:
        SettingsError: It cannot be read or is not valid.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(LONGEST + 1)
    except (OSError, ValueError) as error:  # of a text that is none, or a name that can be none
        reason = getattr(error, "strerror", None) or "is not a text file"
        raise SettingsError(f"{str(path)[:200]}: cannot be read ({reason.lower()}); give a YAML file.") from None
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
