"""What the figures of single tasks share when they read evaluations."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.io.evaluation import read_table


def require_task(table: pd.DataFrame, path: Path, task: str) -> pd.DataFrame:
    """The trial table, if it is of that task.

    Raises:
        ArtefactError: It is of another one.
    """
    if table.attrs.get("task") != task:
        raise ArtefactError(
            f"{path}: is of task {table.attrs.get('task')!r}; this figure needs an evaluation of {task}."
        )
    return table


def table_of_task(path: Path, task: str) -> pd.DataFrame:
    """Trial table of an evaluation of that task; raises as `require_task`."""
    return require_task(read_table(path), path, task)


def require_units(units: list[int], n_units: int) -> list[int]:
    """The units that were asked for, if the network has them.

    Raises:
        SettingsError: It does not.
    """
    if absent := [unit for unit in units if not 0 <= unit < n_units]:
        raise SettingsError(f"settings of the figure: units has {absent[0]}: the network has units 0 to {n_units - 1}.")
    return units
