"""Speed of the environments, single and many at once, against those of NeuroGym in the vector layers its users use."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv

from rnnpipe.bench.measure import Measurement
from rnnpipe.environments import TrialEnv, TrialVectorEnv
from rnnpipe.tasks import trial_task_class

TASK, NEUROGYM = "perceptual_decision_making", "PerceptualDecisionMaking-v0"
PERIODS: dict[str, Any] = {"fixation": 300.0, "stimulus": 500.0, "decision": 300.0}
"""Timing of NeuroGym's tutorial, ms: 11 steps."""
N_ENVS = (16, 256)
REPETITIONS = 5
SECONDS = 0.2
"""Processor time of one repetition."""
WARM_UP = 4000
"""Steps after which every draw of trials is as large as it becomes."""
LEARNING = {16: 20_000, 256: 100_000}
"""Steps of a training, by number of environments."""


class Stepped:
    """Environments that are stepped with random actions, whichever library they are of."""

    def __init__(self, env: Any) -> None:
        self.env, self.single = env, isinstance(env, gymnasium.Env)
        self.n = 1 if self.single else env.num_envs
        n_actions = getattr(env, "single_action_space", env.action_space).n
        drawn = np.random.default_rng(0).integers(n_actions, size=(64, self.n))
        self.actions = drawn[:, 0].tolist() if self.single else list(drawn)
        env.reset()

    def run(self, n_steps: int) -> None:
        """Take so many steps, or up to 63 more."""
        for _ in range(-(-n_steps // 64)):
            for action in self.actions:
                result = self.env.step(action)
                if self.single and (result[2] or result[3]):
                    self.env.reset()

    def steps_per_second(self) -> float:
        """Steps of all environments together per second of processor time."""
        taken, start = 0, time.process_time()
        while (elapsed := time.process_time() - start) < SECONDS:
            self.run(64)
            taken += 64
        return self.n * taken / elapsed


def _neurogym() -> Callable[[], gymnasium.Env] | None:
    """What makes NeuroGym's environment, if it is installed."""
    try:
        ngym: Any = importlib.import_module("neurogym")
    except ImportError:
        return None
    timing = {**PERIODS, "delay": 0}
    return lambda: ngym.make(NEUROGYM, dt=100, timing=timing)


def _environments() -> Iterator[tuple[str, Any, str | None]]:
    """Name of each measurement, its environments, and the name of what it is compared with."""
    theirs = _neurogym()
    with_sb3 = importlib.util.find_spec("stable_baselines3") is not None
    for missing, there in (("neurogym", theirs is not None), ("stable-baselines3", with_sb3)):
        if not there:
            click.echo(f"environments: {missing} is not installed; what needs it is left out.", err=True)
    yield "environment_steps", TrialEnv(TASK, **PERIODS), "neurogym_steps" if theirs else None
    if theirs:
        yield "neurogym_steps", theirs(), None
    for n in N_ENVS:
        rival = None
        if theirs:
            rival = f"neurogym_dummy_{n}" if with_sb3 else f"neurogym_sync_{n}"
            yield f"neurogym_sync_{n}", SyncVectorEnv([theirs] * n), None
        yield f"environment_steps_vector_{n}", TrialVectorEnv(TASK, num_envs=n, **PERIODS), rival
        if with_sb3:
            yield from _environments_of_sb3(n, theirs)


def _environments_of_sb3(n: int, theirs: Callable[[], gymnasium.Env] | None) -> Iterator[tuple[str, Any, str | None]]:
    from stable_baselines3.common.vec_env import DummyVecEnv

    from rnnpipe.environments.sb3 import make_sb3_env

    for passes, ending in ((False, ""), (True, "_pass_reward")):
        rival = f"neurogym_dummy_{n}{ending}" if theirs else None
        yield f"environment_steps_sb3_{n}{ending}", make_sb3_env(TASK, n, pass_reward=passes, **PERIODS), rival
        if theirs and rival:
            yield rival, DummyVecEnv([_passing(theirs) if passes else theirs] * n), None


def _passing(make: Callable[[], gymnasium.Env]) -> Callable[[], gymnasium.Env]:
    """What makes the same environment, with NeuroGym's wrapper that shows the last reward."""
    wrapper: Any = importlib.import_module("neurogym.wrappers").PassReward
    return lambda: wrapper(make())


def _compared(rates: dict[str, list[float]], rivals: dict[str, str | None], unit: str) -> Iterator[Measurement]:
    medians = {name: float(np.median(values)) for name, values in rates.items()}
    for name, value in medians.items():
        rival = rivals[name]
        ratio = value / medians[rival] if rival else None
        yield Measurement(name, value, unit, 1, len(rates[name]), ratio, rival)


def measure_environments() -> Iterator[Measurement]:
    """Steps, trials and training steps per second of processor time of one task, ours and NeuroGym's."""
    stepped: dict[str, Stepped] = {}
    rivals: dict[str, str | None] = {}
    for name, env, rival in _environments():
        stepped[name], rivals[name] = Stepped(env), rival
        if name.startswith("environment"):
            stepped[name].run(WARM_UP)
    rates: dict[str, list[float]] = {name: [] for name in stepped}
    for _ in range(REPETITIONS):  # in turn, so that a busy machine slows all of them
        for name, one in stepped.items():
            rates[name].append(one.steps_per_second())
    yield from _compared(rates, rivals, "steps/s")
    yield from _measure_trials()
    yield from _measure_learning(stepped)


def _measure_trials(n: int = 2000) -> Iterator[Measurement]:
    """Trials drawn per second of processor time."""
    task, rng, theirs = trial_task_class(TASK)(**PERIODS), np.random.default_rng(0), _neurogym()
    rates: dict[str, list[float]] = {"trials": []}
    if theirs:
        rates["neurogym_trials"] = []
        single: Any = theirs().unwrapped
        single.reset()
    for _ in range(REPETITIONS):
        start = time.process_time()
        for _ in range(10):
            task.sample(rng, n)
        rates["trials"].append(10 * n / (time.process_time() - start))
        if theirs:
            start = time.process_time()
            for _ in range(n):
                single.new_trial()
            rates["neurogym_trials"].append(n / (time.process_time() - start))
    yield from _compared(rates, {"trials": "neurogym_trials" if theirs else None, "neurogym_trials": None}, "trials/s")


def _measure_learning(stepped: dict[str, Stepped]) -> Iterator[Measurement]:
    """Training steps per second of processor time of A2C, one thread, over the adapter and over NeuroGym's."""
    if "environment_steps_sb3_16" not in stepped:
        return
    from stable_baselines3 import A2C

    for n, n_steps in LEARNING.items():
        ours, theirs = f"environment_steps_sb3_{n}", f"neurogym_dummy_{n}"
        rates: dict[str, list[float]] = {}
        for name, label in ((ours, f"a2c_{n}"), (theirs, f"a2c_neurogym_{n}")):
            if name in stepped:
                model = A2C("MlpPolicy", stepped[name].env, seed=1, device="cpu")
                start = time.process_time()
                model.learn(n_steps)
                rates[label] = [n_steps / (time.process_time() - start)]
        rival = f"a2c_neurogym_{n}" if theirs in stepped else None
        yield from _compared(rates, {f"a2c_{n}": rival, f"a2c_neurogym_{n}": None}, "steps/s")
