"""Tasks, one per file: the file's name is what the configuration calls it. A leading underscore is no task.

A task is trial-structured (`_base`) or an environment that reacts to what is done (`_environment`).
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnpipe.errors import SettingsError
from rnnpipe.settings import suggest

if TYPE_CHECKING:
    from rnnpipe.tasks._base import Task
    from rnnpipe.tasks._environment import EnvironmentTask


def task_names() -> list[str]:
    """Names of all trial-structured tasks, found by looking into this folder."""
    return [name for name, is_environment in _files().items() if not is_environment]


def environment_task_names() -> list[str]:
    """Names of all tasks that are environments, found by looking into this folder."""
    return [name for name, is_environment in _files().items() if is_environment]


def choice_task_names() -> list[str]:
    """Names of the trial-structured tasks in which there is something to choose: those that are environments, too."""
    return [name for name in task_names() if trial_task_class(name).chooses]


@cache
def _files() -> dict[str, bool]:
    """Name of every task and whether it is an environment, told by what its file imports."""
    base = f"from {__name__}._environment import"
    return {p.stem: base in p.read_text("utf-8") for p in sorted(Path(__file__).parent.glob("[!_]*.py"))}


def task_class(name: str) -> type[Task] | type[EnvironmentTask]:
    """The task of that name.

    Raises:
        SettingsError: There is none; the message lists those that exist.
    """
    if not isinstance(name, str) or name not in _files():  # it may come from a file
        raise SettingsError(f"unknown task {name!r:.100} ({suggest(name, _files())}).")
    module = importlib.import_module(f"{__name__}.{name}")
    found: Any = next(c for c in vars(module).values() if isinstance(c, type) and c.__dict__.get("name") == name)
    return found


def modules_of_task(task: Task | EnvironmentTask) -> tuple[str, ...]:
    """Modules that a task is, below `rnnpipe`: they are imported by name."""
    return (f"tasks.{task.name}", *getattr(task, "modules", ()))


def trial_task_class(name: str) -> type[Task]:
    """The trial-structured task of that name.

    Raises:
        SettingsError: There is none, or it is an environment.
    """
    if name in environment_task_names():
        raise SettingsError(
            f"task {name!r} is an environment, which has no trials that could be drawn beforehand; take one of"
            f" {', '.join(task_names())}."
        )
    found: Any = task_class(name)
    return found
