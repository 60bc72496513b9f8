"""Speed of training and evaluation on rdm_fixed: fast engine, reference loop, and the machine's own limit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch

from rnnpipe.bench.measure import Measurement, seconds, sgemm_rate
from rnnpipe.memory import keep_freed_memory
from rnnpipe.networks.draws import Fresh
from rnnpipe.networks.engine import batch_size
from rnnpipe.networks.engines import thread_pool
from rnnpipe.networks.parameters import effective
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.tasks import task_class
from rnnpipe.training import reference
from rnnpipe.training.policy_gradient import PolicyGradient
from rnnpipe.training.settings import PolicyGradientSettings
from rnnpipe.trials import TIMEOUT, Trials

SD = float(np.sqrt(0.2))
"""Recurrent noise of a step at the defaults."""


def full_length(trials: Trials) -> Trials:
    """The same trials, none of which ends before the last step."""
    stops = np.zeros_like(trials.stops)
    stops[TIMEOUT] = True
    return dataclasses.replace(trials, stops=stops)


def learner(threads: int, device: torch.device) -> PolicyGradient:
    """A learner at the paper's settings whose readouts are not zero, on full-length trials."""
    made = PolicyGradient(
        task_class("rdm_fixed")(), GatedSettings(), ValueSettings(), PolicyGradientSettings(), 97, device, threads
    )
    generator = torch.Generator().manual_seed(0)
    for network in (made.policy, made.value):
        network["w_out"].copy_(0.05 * torch.randn(network["w_out"].shape, generator=generator))
    sample = made.task.sample

    class FullLength(type(made.task)):  # type: ignore[misc]
        """The task with trials that never end early."""

        def sample(self, *args: object, **conditions: object) -> Trials:
            return full_length(sample(*args, **conditions))  # type: ignore[arg-type]

    made.task = FullLength()
    return made


def reference_update(made: PolicyGradient) -> Callable[[], None]:
    """One update in plain PyTorch: a trial at a time, a step at a time, simulated again for the gradient."""
    trials = made.task.sample(made.rng, made.trials_per_update)
    policy, value = effective(made.policy, made.masks["policy"]), dict(made.value)
    shape = (trials.n_steps, trials.n_trials)
    noise, value_noise = (SD * torch.randn(*shape, 100) for _ in range(2))
    uniform = torch.rand(*shape)

    def update() -> None:
        _, d_policy, d_value, _ = reference.gradients(policy, value, trials, noise, uniform, value_noise, 0.1)
        made.value_adam.step(d_value)
        made.policy_adam.step(d_policy)

    return update


def flop_per_trial(made: PolicyGradient) -> float:
    """Multiplications and additions of an update, per full-length trial, as dense products.

    A policy step multiplies the rates with three blocks and the inputs with three; the value network likewise with
    rates and actions as inputs. The gradient needs each product twice more, except the one with the inputs, which
    are not trained: once.
    """
    n, n_in, n_act, steps = 100, 3, 3, made.task.n_steps
    policy = 3 * (3 * n * n) + 2 * (3 * n * n_in) + 3 * n * n_act
    value = 3 * (3 * n * n) + 2 * (3 * n * (n + n_act)) + 3 * n
    return 2.0 * steps * (policy + value)


def measure_training(threads: tuple[int, ...], repetitions: int) -> Iterator[Measurement]:
    """Updates and trials per second of the engine, the reference, their ratio, and the fraction of sgemm."""
    keep_freed_memory()
    cpu = torch.device("cpu")
    slow = learner(1, cpu)
    n = slow.trials_per_update
    rate = sgemm_rate()
    yield Measurement("sgemm", rate / 1e9, "GFLOP/s", 1, 10)
    reference_rate = n / seconds(reference_update(slow), max(3, repetitions // 10))
    yield Measurement("train_reference", reference_rate, "trials/s", 1, max(3, repetitions // 10))
    for count in threads:
        made = learner(count, cpu)
        speed = 1 / seconds(made.update, repetitions, warm_up=3)
        yield Measurement("train_updates", speed, "updates/s", count, repetitions)
        yield Measurement(
            "train_engine", n * speed, "trials/s", count, repetitions, n * speed / reference_rate, "train_reference"
        )
        done = n * speed * flop_per_trial(made)
        yield Measurement(
            "train_flop", done / 1e9, "GFLOP/s", count, repetitions, done / (count * rate), "sgemm per thread"
        )


def _drain(pool: ThreadPoolExecutor, function: Callable[[Trials], None], batches: list[Trials]) -> None:
    for _ in pool.map(function, batches):
        pass


def measure_evaluation(threads: tuple[int, ...], repetitions: int) -> Iterator[Measurement]:
    """Full-length trials per second of the policy network on 1000 trials, in the batches that evaluation uses."""
    keep_freed_memory()
    made = learner(1, torch.device("cpu"))
    trials = made.task.sample(np.random.default_rng(0), 1000)
    policy = effective(made.policy, made.masks["policy"])
    size = batch_size(trials.n_steps)
    batches = [trials[start : start + size] for start in range(0, trials.n_trials, size)]

    def run(batch: Trials) -> None:
        made.engine.rollout(policy, batch, Fresh.seeded(0), gradient=False)

    for count in threads:
        with thread_pool(count) as pool:
            rate = trials.n_trials / seconds(partial(_drain, pool, run, batches), repetitions)
        yield Measurement("evaluate_1000", rate, "trials/s", count, repetitions)
