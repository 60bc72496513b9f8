"""What gymnasium's vector environments are made of, in 1.1 and later, and in 0.29, which NeuroGym pins.

0.29 has the same base classes among its experiments, and no word for when an environment begins its next episode.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

__all__ = ["EXPERIMENTAL", "AutoresetMode", "VectorEnv", "VectorWrapper"]

EXPERIMENTAL = False
"""Whether gymnasium's vector environments are its experiment of 0.29."""

if TYPE_CHECKING:
    from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
else:
    try:
        from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
    except ImportError:
        from gymnasium.experimental import vector

        EXPERIMENTAL = True
        Observation, Action, Array = TypeVar("Observation"), TypeVar("Action"), TypeVar("Array")
        VectorEnv = vector.VectorEnv

        class VectorWrapper(vector.VectorWrapper, Generic[Observation, Action, Array]):
            """That of 0.29, with the types of its environment."""

        class AutoresetMode(Enum):
            """When an environment whose episode ended begins the next one, as in gymnasium 1.1 and later."""

            NEXT_STEP = "NextStep"
            SAME_STEP = "SameStep"
            DISABLED = "Disabled"
