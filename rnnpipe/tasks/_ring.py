"""Signals on a ring of directions, and choices that are directions."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._periods import PeriodTask


def bump(n: int, angle: NDArray[np.floating[Any]], coherence: ArrayLike = 100.0) -> NDArray[np.float64]:
    """Levels of a ring of `n` channels, 0.5 + coherence / 200 * cos(2 pi k / n - angle), (n_trials, n).

    Args:
        n: Number of channels.
        angle: Direction that is shown, radians, (n_trials,).
        coherence: Percent, one or (n_trials,).
    """
    height = np.broadcast_to(np.asarray(coherence, float), np.shape(angle)) / 200
    return 0.5 + height[:, None] * np.cos(2 * np.pi * np.arange(n) / n - np.asarray(angle)[:, None])


class RingTask(PeriodTask):
    """A task whose signals are the channels of a ring of `dim_ring` directions, 2 pi k / dim_ring."""

    dim_ring: int = setting(2, "directions, equally spaced on a ring, each with an input", ge=2)

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The fixation cue and a channel for each direction."""
        return "fixation", *(f"ring_{k + 1}" for k in range(self.dim_ring))

    def angle(self, direction: NDArray[Any]) -> NDArray[np.float64]:
        """Angle of a direction, counted from 0, radians."""
        return 2 * np.pi * direction / self.dim_ring


class RingChoiceTask(RingTask):
    """A ring task in which each direction is a choice."""

    factors: ClassVar[tuple[str, ...]] = ("direction",)

    @property
    def action_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """To wait, or one of the directions."""
        return "fixate", *(f"choice_{k + 1}" for k in range(self.dim_ring))
