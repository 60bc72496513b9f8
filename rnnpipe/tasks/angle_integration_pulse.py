"""Integration of a single pulse of angular velocity."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._speeds import PulseSpeeds
from rnnpipe.tasks.angle_integration import Heading


class AngleIntegrationPulse(PulseSpeeds, Heading):
    """Turn left or right once, for one of several durations, and code the angle turned by.

    Reference: engellab/trainRNNbrain, task AngleIntegrationSimplified.
    """

    name: ClassVar[str] = "angle_integration_pulse"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    trials_per_update: ClassVar[int] = 120
    validation_trials: ClassVar[int] = 120
