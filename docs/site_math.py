"""Equations of docstrings for the reference (an extension of Griffe; see mkdocs.yml): MathML, which browsers draw."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from griffe import Extension
from latex2mathml.converter import convert

BLOCK = re.compile(r"^( *)\.\. math::[ \t]*(\S.*)?\n((?:\1 +\S.*\n?|[ \t]*\n)*)", re.M)


def shown(text: str) -> str:
    """A docstring whose `.. math::` blocks and inline equations are MathML."""

    def block(match: re.Match[str]) -> str:
        latex = " ".join((match[2] or "", *textwrap.dedent(match[3]).split("\n"))).strip()
        if "&" in latex:
            latex = rf"\begin{{split}} {latex} \end{{split}}"
        return f'{match[1]}<div class="equation">{convert(latex, display="block")}</div>\n\n'

    return re.sub(r":math:`([^`]+)`", lambda match: convert(match[1]), BLOCK.sub(block, text + "\n")).rstrip("\n")


class Equations(Extension):
    """Changes the docstrings of everything that is documented."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Of one object (called by Griffe)."""
        if obj.docstring is not None:
            obj.docstring.value = shown(obj.docstring.value)
