"""Pages of the documentation as tests read them: code blocks, commands, links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *(ROOT / "docs").glob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "config" / "README.md",
    )
)


class Block(NamedTuple):
    """A code block."""

    page: str
    line: int
    """Line of the page that the code starts at, from 1."""
    language: str
    code: str


def blocks(page: str, *languages: str) -> list[Block]:
    """Code blocks of a page, or those of some languages, in their order."""
    text = (ROOT / page).read_text("utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    made = [Block(page, text.count("\n", 0, match.start(2)) + 1, match[1], match[2]) for match in found]
    return [block for block in made if not languages or block.language in languages]


def commands(code: str) -> list[list[str]]:
    """Words of each command of a shell script, without assignments, paths to .venv, pipes and redirections."""
    joined = code.replace("\\\n", " ")
    made: list[list[str]] = [[]]
    for line in joined.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        for word in lexer:
            if set(word) <= set(";&|"):
                made.append([])
            else:
                made[-1].append(re.sub(r"^\.venv/(docs/)?bin/", "", word))
        made.append([])
    return [words for words in made if words]


def links(text: str) -> list[str]:
    """Targets of the links and pictures of a page, outside its code."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose))
