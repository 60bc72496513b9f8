"""Balancing a pole on a cart."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.settings import setting
from rnnpipe.tasks._environment import EnvironmentTask


class CartPole(EnvironmentTask):
    """Push a cart left or right so that the pole on it stays up, for 200 steps.

    One step of the network is one of the environment, and one millisecond by convention. Training ends when the last
    100 episodes lasted 195 steps on average. CartPole-v1 limited to 200 steps is what was CartPole-v0.

    Reference: Barto, Sutton & Anderson (1983) IEEE Trans. Syst. Man Cybern. 13:834; learned by the networks of Song,
    Yang & Wang (2017) eLife 6:e21492, in the authors' code.
    """

    name: ClassVar[str] = "cartpole"
    reference: ClassVar[str] = "Barto, Sutton & Anderson (1983) IEEE Trans. Syst. Man Cybern. 13:834"

    id: str = setting("CartPole-v1", "gymnasium id; `module:Name-v0` imports the module first", min_length=1)
    max_steps: int = setting(200, "longest episode, in place of the registered limit", "steps", gt=0)
    reward_scale: float = setting(200.0, "rewards of the environment are divided by it", gt=0)
    min_return: float = setting(
        195.0, "training criterion: mean return (sum of unscaled rewards) of the episodes that are scored"
    )
