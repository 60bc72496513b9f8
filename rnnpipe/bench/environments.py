"""Speed of the environments, against gymnasium's own way of running as many single ones."""

from __future__ import annotations

import time
from collections.abc import Iterator

import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv

from rnnpipe.bench.measure import Measurement
from rnnpipe.environments import IDS, TrialEnv, TrialVectorEnv

N_ENVS = (1, 16, 256)
REPETITIONS = 5
SECONDS = 0.4
"""Duration of one repetition."""


def environment_steps_per_second(env: gymnasium.Env | VectorEnv, seconds: float = SECONDS) -> float:
    """Environment steps per second of wall time, playing the ground truth: trials as a trained agent meets them.

    Args:
        env: A single environment, or a vector one, each of whose environments counts.
        seconds: How long to run.
    """
    vector = isinstance(env, VectorEnv)
    n = env.num_envs if isinstance(env, VectorEnv) else 1
    _, info = env.reset(seed=1)
    taken, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        for _ in range(100):
            _, _, terminated, truncated, info = env.step(info["ground_truth"])
            if not vector and (terminated or truncated):
                _, info = env.reset()
        taken += 100
    return n * taken / elapsed


def measure_environments() -> Iterator[Measurement]:
    """Steps per second of single and vector environments of rdm_fixed."""
    task = IDS["rnnpipe/RDM-v0"]
    made: dict[str, gymnasium.Env | VectorEnv] = {"environment_steps": TrialEnv(task)}
    made |= {f"environment_steps_vector_{n}": TrialVectorEnv(task, num_envs=n) for n in N_ENVS}
    rival = "environment_steps_sync_16"
    made[rival] = SyncVectorEnv([lambda: TrialEnv(task)] * 16)
    rates: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(REPETITIONS):  # in turn, so that a busy machine slows all of them
        for name, env in made.items():
            rates[name].append(environment_steps_per_second(env))
    reference = float(np.median(rates[rival]))
    for name, values in rates.items():
        value = float(np.median(values))
        ratio = value / reference if name.startswith("environment_steps_vector") else None
        yield Measurement(name, value, "steps/s", 1, REPETITIONS, ratio, rival if ratio else None)
