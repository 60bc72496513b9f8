"""Many files in few words: names that differ in their seeds only are written as in a shell, `seed{0,1,2}.h5`.

A system takes a command of 128 KiB at most (Linux, one argument), which the files of some hundred networks fill.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path

NAME = re.compile(r"(?P<head>.*/)?(?P<stem>[^/\d{}]*)(?P<number>\d[\d-]*)(?P<tail>[^/]*)", re.DOTALL)
SEVERAL = re.compile(r"\{(\d[\d-]*(?:,\d[\d-]*)+)\}")


def fold(paths: Iterable[str]) -> list[str]:
    """Files, in their order, where those that follow each other and differ in the first number of their name are one.

    >>> fold(["a/seed0.h5", "a/seed1.h5", "a/seed10-19.h5", "b/seed2.h5"])
    ['a/seed{0,1,10-19}.h5', 'b/seed2.h5']
    """
    folded = []
    for _, group in itertools.groupby(paths, _without_number):
        run = list(group)
        matches = [NAME.fullmatch(path) for path in run]
        first = matches[0]
        if len(run) > 1 and first is not None:
            numbers = ",".join(match["number"] for match in matches if match is not None)
            folded.append(f"{first['head'] or ''}{first['stem']}{{{numbers}}}{first['tail']}")
        else:
            folded += run
    return folded


def unfold(name: str) -> list[str]:
    """The files that a name of `fold` stands for; any other name, and one of a file that is there, stands for itself.

    >>> unfold("a/seed{0,1,10-19}.h5")
    ['a/seed0.h5', 'a/seed1.h5', 'a/seed10-19.h5']
    """
    found = SEVERAL.search(name)
    if found is None or Path(name).exists():
        return [name]
    return [name[: found.start()] + number + name[found.end() :] for number in found.group(1).split(",")]


def _without_number(path: str) -> tuple[str, ...] | str:
    """What files have in common that one name can stand for; of a name with braces the name itself."""
    match = NAME.fullmatch(path)
    if match is None or "{" in path:
        return path
    return match["head"] or "", match["stem"], match["tail"]
