"""Speed of training of each experiment of a study, where the time of an update goes, and time to criterion."""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnnpipe.analysis.learning import trials_to_criterion
from rnnpipe.bench.measure import Measurement, sgemm_rate
from rnnpipe.bench.products import multiplier, update_products
from rnnpipe.bench.training import learner
from rnnpipe.config import Study
from rnnpipe.config_entries import HISTORY, Experiment
from rnnpipe.io.history import read_history
from rnnpipe.memory import keep_freed_memory
from rnnpipe.networks import kernels
from rnnpipe.networks.draws import Fresh
from rnnpipe.tasks._base import Task
from rnnpipe.training.policy_gradient import PolicyGradient

PARTS: dict[str, list[tuple[Any, str]]] = {
    "noise": [(Fresh, "noise"), (Fresh, "uniform"), (Fresh, "value_noise")],
    "forward": [(kernels, "rollout"), (kernels, "forward")],
    "backward": [(kernels, "backward")],
}
"""Functions whose time is measured within an update; step-by-step products are part of `forward` and `backward`."""


@contextmanager
def _timed(spent: dict[str, float], parts: Mapping[str, list[tuple[Any, str]]]) -> Iterator[None]:
    """Add the CPU time spent in functions to `spent`, by part."""

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent[part] += time.process_time() - start

        return call

    original = [(owner, name, getattr(owner, name)) for functions in parts.values() for owner, name in functions]
    try:
        for part, functions in parts.items():
            for owner, name in functions:
                setattr(owner, name, timed(part, getattr(owner, name)))
        yield
    finally:
        for owner, name, function in original:
            setattr(owner, name, function)


def breakdown(made: PolicyGradient, repetitions: int) -> dict[str, float]:
    """Where the time of an update of a learner on one thread goes, s; medians.

    Returns:
        `wall`, wall time of an update; and CPU time, which a busy machine disturbs less: of `update`, of its `products`
        made alone, in turn with it, and of each part.
    """
    parts = {"sampling": [(type(made.task), "sample")], **PARTS}
    multiply = multiplier(update_products(made))
    made.update()
    multiply()
    rows = []
    for _ in range(repetitions):
        spent = dict.fromkeys(parts, 0.0)
        with _timed(spent, parts):
            start, cpu = time.perf_counter(), time.process_time()
            made.update()
            row = {"update": time.process_time() - cpu, "wall": time.perf_counter() - start, **spent}
        cpu = time.process_time()
        multiply()
        rows.append(row | {"products": time.process_time() - cpu})
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def measure_experiments(study: Study, repetitions: int) -> Iterator[Measurement]:
    """Training of the experiments of a study at their settings, on full-length trials and one thread.

    For each: trials per second; floating-point operations, as a fraction of what the machine reaches; the time that
    an update's matrix products take alone, and the time in each part of it, as fractions of the update. Parts
    overlap with the products: those that are made step by step are part of `forward` and `backward`. Experiments
    that make the same computations (other seeds, learning rates, ...) are measured once, under the first one's name.
    """
    keep_freed_memory()
    rate = sgemm_rate()
    yield Measurement("sgemm", rate / 1e9, "GFLOP/s", 1, 10)
    measured: list[tuple[Any, ...]] = []
    for name, experiment in study.experiments.items():
        if not isinstance(experiment, Experiment):
            continue  # what is learned supervised is measured by itself
        task, sizes = study.tasks[experiment.task], experiment.learning.trials_per_update
        same = (task, experiment.network, experiment.value_network, sizes)
        if isinstance(task, Task) and same not in measured:
            measured.append(same)
            made = learner(
                1, torch.device("cpu"), task, experiment.network, experiment.value_network, experiment.learning
            )
            yield from _measure(name, made, rate, repetitions)


def _measure(name: str, made: PolicyGradient, rate: float, repetitions: int) -> Iterator[Measurement]:
    spent = breakdown(made, repetitions)
    update, trials = spent.pop("update"), made.trials_per_update / spent.pop("wall")
    yield Measurement(f"train_{name}", trials, "trials/s", 1, repetitions)
    speed = sum(p.flop for p in update_products(made)) * trials / made.trials_per_update
    yield Measurement(f"train_{name}_flop", speed / 1e9, "GFLOP/s", 1, repetitions, speed / rate, "sgemm")
    for part, value in spent.items():
        yield Measurement(
            f"train_{name}_{part}", 1e3 * value, "CPU ms/update", 1, repetitions, value / update, "whole update"
        )


def measure_criterion(study: Study, results: Path) -> Iterator[Measurement]:
    """What the trainings of a study took, from the files they left; an experiment without any is left out.

    Args:
        study: The study.
        results: Folder that holds `results/`.

    Yields:
        For each experiment, over its networks: median trials to criterion, with the fraction of networks that reached
        it, and median seconds of a training that did, from process start to the last file. Those are wall time on a
        machine that may have done other things; of a training that was interrupted, time since it was resumed.
    """
    for name, experiment in study.experiments.items():
        if experiment.supervised:
            continue  # their histories hold evaluations, and several networks share a job
        trials, seconds = [], []
        for seed in experiment.seeds:
            history = results / study.result(HISTORY, name, seed)
            if not history.is_file():
                continue
            trials.append(trials_to_criterion(read_history(history)))
            benchmark = results / f"results/benchmarks/train/{name}/seed{seed}.tsv"
            if benchmark.is_file() and np.isfinite(trials[-1]):
                with benchmark.open(newline="") as file:
                    seconds.append(float(next(csv.DictReader(file, delimiter="\t"))["s"]))
        threads = study.workflow.threads
        if trials:
            reached = float(np.isfinite(trials).mean())
            median = float(np.median(trials))
            label = f"criterion_{name}"
            yield Measurement(f"{label}_reached", reached, "fraction of networks", threads, len(trials))
            if np.isfinite(median):
                yield Measurement(f"{label}_trials", median, "trials", threads, len(trials))
            if seconds:
                yield Measurement(f"{label}_seconds", float(np.median(seconds)), "s", threads, len(seconds))
