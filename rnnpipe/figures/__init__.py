"""Figures, one per file: they draw tables that `rnnpipe.analysis` computed.

A module whose name starts with `fig` is a figure. It has `NEEDS` (what it reads, in words), `Options` (its settings),
`data(inputs, options)`, which reads artefacts and gives the table of what is drawn, and `draw(table)`, which draws
that table and nothing else. What it can do without is in `OPTIONAL`, like `NEEDS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, suggest

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Inputs = Mapping[str, Sequence[Path]]
"""Files by need, one per network."""


class FigureModule(Protocol):
    """What the module of a figure offers."""

    NEEDS: Mapping[str, str]
    """What each need is, in words."""
    Options: type[Settings]

    def data(self, inputs: Inputs, options: Any) -> pd.DataFrame:
        """The table of everything that is drawn."""

    def draw(self, table: pd.DataFrame) -> Figure:
        """The figure of a table."""


def figure_names() -> list[str]:
    """Names of all figures, found by looking into this folder."""
    return sorted(p.stem for p in Path(__file__).parent.glob("fig*.py"))


def figure_module(name: str) -> FigureModule:
    """The figure of that name.

    Raises:
        SettingsError: There is none; the message lists those that exist.
    """
    if name not in figure_names():
        raise SettingsError(f"unknown figure {name!r} ({suggest(name, figure_names())}).")
    module: Any = importlib.import_module(f"{__name__}.{name}")
    return module


def optional_needs(module: FigureModule) -> Mapping[str, str]:
    """What a figure reads if it is given, in words; most have nothing of the kind."""
    found: Mapping[str, str] = getattr(module, "OPTIONAL", {})
    return found
