"""The two-step task, in sessions."""

from __future__ import annotations

from typing import Any, ClassVar

from rnnpipe.settings import setting
from rnnpipe.tasks._environment import EnvironmentTask


class TwoStep(EnvironmentTask):
    """Choose, come to one of two states, choose again and perhaps be paid; an episode is a session of 100 trials.

    What is shown second depends on what was chosen first, so that no trial can be drawn beforehand: the task is the
    environment `rnnpipe/TwoStep-v0`, whose keywords are the `options`. Observations have the reward and the action of
    the step before, without which nothing tells which arm pays. A choice at random earns 50 a session on average, and
    who knows all probabilities of reward 61.

    Reference: Daw, Gershman, Seymour, Dayan & Dolan (2011) Neuron 69:1204.
    """

    name: ClassVar[str] = "two_step"
    reference: ClassVar[str] = "Daw, Gershman, Seymour, Dayan & Dolan (2011) Neuron 69:1204"

    id: str = setting(
        "rnnpipe.environments:rnnpipe/TwoStep-v0",
        "gymnasium id; `module:Name-v0` imports the module first",
        min_length=1,
    )
    options: dict[str, Any] = setting(
        {"pass_reward": True, "pass_action": True},
        "keyword arguments of the environment: second_choice, p_common, walk_sd, p_min, p_max, ...; the fields of"
        " `TwoStepSettings`",
    )
    dt: float = setting(100.0, "time step", "ms", gt=0)
    max_steps: int = setting(200, "longest episode, in place of the registered limit: 2 for each trial", "steps", gt=0)
    min_return: float = setting(
        55.0, "training criterion: mean return (sum of unscaled rewards) of the episodes that are scored"
    )

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules below `rnnpipe` that are imported by name because of the id."""
        return ("environments.two_step", *super().modules)
