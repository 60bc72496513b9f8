"""Progress of long work: a bar on a terminal, sparse lines in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """Progress towards a number of steps.

    Args:
        total: Number of steps at which the work certainly ends.
        done: Steps already done (a resumed run).
        unit: What a step is called.
    """

    def __init__(self, total: int, done: int = 0, unit: str = "update") -> None:
        self._terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=total, initial=done, unit=unit, disable=not self._terminal, dynamic_ncols=True, mininterval=0.5
        )
        self._last_line = -SECONDS_BETWEEN_LINES

    def advance(self, steps: int = 1) -> None:
        """Count steps."""
        self._bar.update(steps)

    def report(self, message: str, important: bool = False, **measures: Any) -> None:
        """Show the latest measures: on the bar, or as a line if it is important or the last line is long ago."""
        if self._terminal:
            self._bar.set_postfix(measures)
            return
        now = time.monotonic()
        if important or now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            print(message, flush=True)

    def close(self) -> None:
        """Leave the terminal in order."""
        self._bar.close()
