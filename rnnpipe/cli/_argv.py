"""What must be known of a command line before click parses it."""

from __future__ import annotations

from collections.abc import Sequence


def flag_value(argv: Sequence[str], flag: str) -> str | None:
    """Value of `--flag value` or `--flag=value`, the last one; None if absent.

    Thread counts must be set before numpy is imported, and the task that is named decides which flags exist.
    """
    value = None
    for position, word in enumerate(argv):
        if word == flag and position + 1 < len(argv):
            value = argv[position + 1]
        elif word.startswith(f"{flag}="):
            value = word.partition("=")[2]
    return value
