"""Integration of a single pulse of speed on a line."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._speeds import PulseSpeeds
from rnnpipe.tasks.integration import Position


class IntegrationPulse(PulseSpeeds, Position):
    """Move left or right once, for one of several durations, and give the position.

    Reference: engellab/trainRNNbrain, task IntegrationSimplified.
    """

    name: ClassVar[str] = "integration_pulse"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    trials_per_update: ClassVar[int] = 120
    validation_trials: ClassVar[int] = 120
