"""Equations of docstrings for the reference (an extension of Griffe; see mkdocs.yml): shown as they are written."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from griffe import Extension

BLOCK = re.compile(r"^( *)\.\. math::[ \t]*(\S.*)?\n((?:\1 +\S.*\n?|[ \t]*\n)*)", re.M)


def shown(text: str) -> str:
    """A docstring whose `.. math::` blocks are code blocks and whose inline equations are code."""

    def block(match: re.Match[str]) -> str:
        lines = "\n".join(part for part in (match[2], textwrap.dedent(match[3]).strip("\n")) if part)
        return textwrap.indent(f"```latex\n{lines}\n```\n\n", match[1])

    return re.sub(r":math:(`[^`]+`)", r"\1", BLOCK.sub(block, text + "\n")).rstrip("\n")


class Equations(Extension):
    """Changes the docstrings of everything that is documented."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Of one object (called by Griffe)."""
        if obj.docstring is not None:
            obj.docstring.value = shown(obj.docstring.value)
