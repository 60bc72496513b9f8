"""Tasks as gymnasium environments: a single one, and a natively batched vector environment.

    import gymnasium
    env = gymnasium.make("rnnpipe.environments:rnnpipe/RDM-v0", dt=20.0)
    envs = gymnasium.make_vec("rnnpipe.environments:rnnpipe/RDM-v0", num_envs=256)

Every setting of a task is a keyword. After `import rnnpipe.environments` the part before the colon may be left out.
"""

from __future__ import annotations

from functools import partial

import gymnasium

from rnnpipe.environments._vector_api import EXPERIMENTAL
from rnnpipe.environments.single import TrialEnv
from rnnpipe.environments.vector import TrialVectorEnv
from rnnpipe.tasks import choice_task_names, trial_task_class

__all__ = ["IDS", "TrialEnv", "TrialVectorEnv"]

IDS = {f"rnnpipe/{trial_task_class(name).environment}-v0": name for name in choice_task_names()}
"""Registered id of each task."""

for _id, _task in IDS.items():
    if _id not in gymnasium.registry:
        gymnasium.register(
            _id,
            entry_point="rnnpipe.environments:TrialEnv",
            # 0.29 keeps the keywords to itself
            vector_entry_point=(
                partial(TrialVectorEnv, task=_task) if EXPERIMENTAL else "rnnpipe.environments:TrialVectorEnv"
            ),
            kwargs={"task": _task},
        )

if "rnnpipe/TwoStep-v0" not in gymnasium.registry:  # no trial task: what it shows depends on what is done
    gymnasium.register("rnnpipe/TwoStep-v0", entry_point="rnnpipe.environments.two_step:TwoStepEnv")
