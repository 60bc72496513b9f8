"""Tasks, one per file: the file's name is what the configuration calls it. A leading underscore is no task."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from rnnpipe.errors import SettingsError
from rnnpipe.settings import suggest

if TYPE_CHECKING:
    from rnnpipe.tasks._base import Task


def task_names() -> list[str]:
    """Names of all tasks, found by looking into this folder."""
    return sorted(p.stem for p in Path(__file__).parent.glob("[!_]*.py"))


def task_class(name: str) -> type[Task]:
    """The task of that name.

    Raises:
        SettingsError: There is none; the message lists those that exist.
    """
    if name not in task_names():
        raise SettingsError(f"unknown task {name!r} ({suggest(name, task_names())}).")
    module = importlib.import_module(f"{__name__}.{name}")
    found: type[Task] = next(c for c in vars(module).values() if isinstance(c, type) and c.__dict__.get("name") == name)
    return found
