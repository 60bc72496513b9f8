"""A table of the trials that are played in environments of Stable-Baselines3; see `rnnpipe.environments.monitor`.

env = TrialVecMonitor(make_sb3_env("rdm_fixed", n_envs=16), "trials.csv", every=1000)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from rnnpipe.environments.monitor import TrialTable


class TrialVecMonitor(VecEnvWrapper):
    """Vectorised environments whose trials are written to a table."""

    def __init__(self, venv: VecEnv, path: str | Path, every: int = 1000) -> None:
        """Wrap environments that say in their infos when trials end; see `TrialTable`."""
        super().__init__(venv)
        self.table = TrialTable(path, every, venv.num_envs)

    def reset(self) -> Any:
        """Begin episodes; trials that were not ended are not counted."""
        self.table.begin()
        return self.venv.reset()

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Act, and note the trials that ended."""
        observation, rewards, done, infos = self.venv.step_wait()
        self.table.step(rewards)
        for row, info in enumerate(infos):
            if info["new_trial"]:
                self.table.end(row, info)
        self.table.begin(done)
        return observation, rewards, done, infos

    def close(self) -> None:
        """Write what has not been written, and close the environments."""
        self.table.write()
        super().close()
