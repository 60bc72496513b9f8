"""The fixed points under one input: the record of each, and what else the search found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.fixed_points.attractors import Attractors
from rnnpipe.fixed_points.certify import Certificates
from rnnpipe.fixed_points.completeness import Completeness
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.slow import SlowPoints
from rnnpipe.fixed_points.stability import Stability

NOWHERE = -1
"""Target of an unstable direction that leads to no fixed point (it moves on, or diverges)."""


@dataclass(frozen=True)
class FixedPointSet:
    """Fixed points under one input, most attracting first (by index, then by hits); the first axis is the point."""

    flow: Flow
    """The network under the input."""
    x: Array
    """Rates, (n, n_units)."""
    state: Array
    """States, (n, n_units)."""
    output: Array
    """Outputs, (n, n_outputs)."""
    q: Array
    """|F|^2 / 2, (n,)."""
    speed: Array
    """|f| of the state, per `Flow.time_unit`, (n,)."""
    certificates: Certificates
    stability: Stability
    continuum: NDArray[np.int64]
    """Index of the continuum that the point stands for, -1 for isolated points, (n,)."""
    continuum_dimensions: tuple[int, ...]
    """Dimension of each continuum."""
    n_hits: NDArray[np.int64]
    """Starts that ended here; 0 where only starts made from other points did, (n,)."""
    basin: Array
    """Share of the noise-free relaxations that ended here, (n,)."""
    basin_low: Array
    """Lower end of its 95 % interval (Wilson), (n,)."""
    basin_high: Array
    """Upper end, (n,)."""
    input_sensitivity: Array
    """dx/du = -J^-1 D W_in, NaN where degenerate or on a kink, (n, n_units, n_inputs)."""
    unstable_from: NDArray[np.int64]
    """Point that each followed unstable direction leaves, (n_followed,)."""
    unstable_direction: NDArray[np.int64]
    """1, 2, ... to one side of the fastest, next, ...; -1, -2, ... to the other, (n_followed,)."""
    unstable_to: NDArray[np.int64]
    """Point that it leads to, `NOWHERE` where it leads to none, (n_followed,)."""
    slow: SlowPoints
    attractors: Attractors
    completeness: Completeness
    n_starts: int
    """Starts made, those from points found left out."""
    n_solved: int
    """Of these, starts that ended at a fixed point."""
    n_relaxations: int
    """Noise-free relaxations."""
    wall_time: float
    """Of the search, s."""
    flops: float
    """Floating point operations of its linear algebra."""

    @property
    def n_points(self) -> int:
        """Number of points."""
        return len(self.x)

    @property
    def degree(self) -> int | None:
        """Sum of the signs of det(-J), None where it is not known."""
        return self.completeness.degree_sum

    def census(self) -> list[int]:
        """Number of points with 0, 1, 2, ... unstable directions."""
        return np.bincount(self.stability.index).tolist()

    def targets(self, point: int) -> list[int]:
        """Points that the followed unstable directions of a point lead to, in order."""
        return [int(k) for k in self.unstable_to[self.unstable_from == point]]

    def summary(self) -> dict[str, Any]:
        """Counts and evidence as plain values."""
        classes, counts = np.unique(self.stability.flow_class, return_counts=True)
        kinds, moving = np.unique(self.attractors.kind, return_counts=True)
        c = self.completeness
        return {
            "n_points": self.n_points,
            "n_certified": int(self.certificates.certified.sum()),
            "classes": dict(zip(classes.tolist(), counts.tolist(), strict=True)),
            "census": self.census(),
            "n_marginal": int(self.stability.marginal.sum()),
            "n_map_stable": int(self.stability.map_stable.sum()),
            "n_on_kink": int(self.certificates.on_kink.sum()),
            "continua": list(self.continuum_dimensions),
            "slow_points": {f"q<={tier:g}": n for tier, n in self.slow.counts().items()},
            "moving_attractors": dict(zip(kinds.tolist(), moving.tolist(), strict=True)),
            "n_moving_relaxations": self.attractors.n_moving,
            "complete": c.complete,
            "enumerated": c.enumerated,
            "reasons": list(c.reasons),
            "degree_sum": c.degree_sum,
            "degree_expected": c.degree_expected,
            "symmetric": c.symmetric,
            "coverage": c.coverage if np.isfinite(c.coverage) else None,
            "chao1": c.chao1,
            "n_starts": self.n_starts,
            "n_solved": self.n_solved,
            "wall_time": self.wall_time,
            "gflop": self.flops / 1e9,
        }
