"""Trials of every registered task by the gymnasium that is imported: a program of its own, for `test_gymnasium.py`.

`python gymnasium_script.py SEEDS` runs gymnasium's checker (and Stable-Baselines3's, if that is installed), compares
each row of vector environments with the single environment of its seed, and prints JSON: the version, and per id a
digest of everything that random actions met.
"""

from __future__ import annotations

import hashlib
import json
import sys
import warnings

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import check_env

from rnnpipe.environments import IDS, TrialEnv, TrialVectorEnv
from rnnpipe.environments._vector_api import AutoresetMode

STEPS, ROWS = 60, 3


def single(id: str, seed: int, next_step: bool) -> list[tuple[bytes, float, bool]]:
    """What one environment shows, gives and ends, with random actions; beginning anew counts as a step or does not."""
    env = gymnasium.make(id).unwrapped
    assert isinstance(env, TrialEnv)
    actions = np.random.default_rng(seed).integers(env.action_space.n, size=STEPS)  # type: ignore[attr-defined]
    seen = [(env.reset(seed=seed)[0].tobytes(), 0.0, False)]
    over = False
    for action in actions:
        if over and next_step:
            seen.append((env.reset()[0].tobytes(), 0.0, False))
            over = False
            continue
        observation, reward, terminated, truncated, _ = env.step(int(action))
        over = terminated or truncated
        if over and not next_step:
            observation = env.reset()[0]
        seen.append((observation.tobytes(), float(reward), over))
    return seen


def several(id: str, seed: int, mode: AutoresetMode) -> list[list[tuple[bytes, float, bool]]]:
    """The same of the rows of a vector environment."""
    envs = TrialVectorEnv(IDS[id], num_envs=ROWS, autoreset_mode=mode)
    n = envs.single_action_space.n  # type: ignore[attr-defined]
    actions = np.stack([np.random.default_rng(seed + i).integers(n, size=STEPS) for i in range(ROWS)], axis=1)
    seen = [[(row.tobytes(), 0.0, False)] for row in envs.reset(seed=seed)[0]]
    for action in actions:
        observation, reward, terminated, truncated, _ = envs.step(action)
        for i in range(ROWS):
            seen[i].append((observation[i].tobytes(), float(reward[i]), bool(terminated[i] or truncated[i])))
    return seen


def main(seeds: int) -> None:
    """Check every id, and print what was found."""
    try:
        from stable_baselines3.common.env_checker import check_env as check_sb3
    except ImportError:
        check_sb3 = None
    digests = {}
    for id in IDS:
        digest = hashlib.sha256()
        for seed in range(seeds):
            env = gymnasium.make(id)
            env.reset(seed=seed)
            env.action_space.seed(seed)
            check_env(env.unwrapped, skip_render_check=True)
            for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
                for i, row in enumerate(several(id, seed, mode)):
                    assert row == single(id, seed + i, mode is AutoresetMode.NEXT_STEP), (id, seed, i, mode)
                    digest.update(repr(row).encode())
        if check_sb3 is not None:
            check_sb3(gymnasium.make(id).unwrapped)
        digests[id] = digest.hexdigest()
    made = gymnasium.make_vec("rnnpipe/RDM-v0", num_envs=2, **_custom())
    assert isinstance(made, TrialVectorEnv) and made.num_envs == 2 and made.task.dt == 20.0
    checked = check_sb3 is not None
    print(json.dumps({"version": gymnasium.__version__, "file": gymnasium.__file__, "sb3": checked, "ids": digests}))


def _custom() -> dict:  # type: ignore[type-arg]
    """Keywords of `make_vec` for an environment of its own with dt of 20 ms."""
    if gymnasium.__version__.startswith("0."):
        return {"vectorization_mode": "custom", "vector_kwargs": {"dt": 20.0}}
    return {"dt": 20.0}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(int(sys.argv[1]))
