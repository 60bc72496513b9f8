"""A continuous-time network as read from its file, with the slow curves that claims about it share."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rnnpipe.analysis.slow_curves import ContextLine
    from rnnpipe.fixed_points.manifold import SlowManifold
    from rnnpipe.io.ctrnn import StoredCtrnn


class TracedNetwork:
    """A stored network whose curves are traced when they are first asked for, and kept as long as it is.

    Args:
        stored: The network.
    """

    def __init__(self, stored: StoredCtrnn) -> None:
        self.stored = stored
        self._curves: dict[str, SlowManifold | None] = {}

    @property
    def seed(self) -> int:
        """Seed of the network."""
        return self.stored.seed

    @property
    def score(self) -> dict[str, Any]:
        """Of the network on fresh trials; see `StoredCtrnn`."""
        return self.stored.score

    def curve(self, label: str) -> SlowManifold | None:
        """The line or ring of slow states under an input of its task, as `fig_manifolds` draws it; None without one.

        Raises:
            KeyError: The task has no such input.
        """
        # they import torch and numba, which claims on other files need not
        from rnnpipe.analysis.slow_curves import memory_curves
        from rnnpipe.fixed_points.manifold import ManifoldError
        from rnnpipe.fixed_points.trace import ManifoldSettings

        stored = self.stored
        if label not in stored.task.protocol_inputs():
            raise KeyError(f"input {label}")
        if label not in self._curves:
            network = stored.network.astype(np.float64)
            try:
                self._curves |= memory_curves(network, stored.task, [label], ManifoldSettings(), stored.seed)
            except ManifoldError:
                self._curves[label] = None
        return self._curves[label]

    @cached_property
    def context_lines(self) -> dict[str, ContextLine] | None:
        """The line attractor of either context, as `fig_line_attractor` draws it; None where a context has none.

        Raises:
            KeyError: The task has no two contexts.
        """
        from rnnpipe.analysis.slow_curves import context_lines
        from rnnpipe.fixed_points.manifold import ManifoldError
        from rnnpipe.tasks.cddm import Cddm

        if not isinstance(self.stored.task, Cddm):
            raise KeyError("two contexts")
        try:
            return context_lines(self.stored.network.astype(np.float64), self.stored.task)
        except ManifoldError:
            return None
