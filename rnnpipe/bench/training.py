"""Speed of training and evaluation on rdm_fixed: fast engine, reference loop, and the machine's own limit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch

from rnnpipe.bench.measure import Measurement, seconds, sgemm_rate
from rnnpipe.bench.products import update_products
from rnnpipe.memory import keep_freed_memory
from rnnpipe.networks.draws import Fresh
from rnnpipe.networks.engine import batch_size
from rnnpipe.networks.engines import thread_pool
from rnnpipe.networks.parameters import effective
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._base import Task
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


def learner(
    threads: int,
    device: torch.device,
    task: Task | None = None,
    network: GatedSettings | None = None,
    value_network: ValueSettings | None = None,
    learning: PolicyGradientSettings | None = None,
) -> PolicyGradient:
    """A learner whose readouts are not zero, on full-length trials; by default rdm_fixed at the paper's settings."""
    task = task or trial_task_class("rdm_fixed")()
    made = PolicyGradient(
        task,
        network or GatedSettings(),
        value_network or ValueSettings(),
        learning or PolicyGradientSettings(),
        97,
        device,
        threads,
    )
    generator = torch.Generator().manual_seed(0)
    for parameters in (made.policy, made.value):
        parameters["w_out"].copy_(0.05 * torch.randn(parameters["w_out"].shape, generator=generator))
    sample = task.sample

    class FullLength(type(task)):  # type: ignore[misc]
        """The task with trials that never end early."""

        def sample(self, *args: object, **conditions: object) -> Trials:
            return full_length(sample(*args, **conditions))  # type: ignore[arg-type]

    made.task = FullLength(**task.model_dump())
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
        done = speed * sum(product.flop for product in update_products(made))
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
