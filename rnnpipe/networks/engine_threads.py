"""Several threads on one batch: each simulates its own part of the trials.

Trials of a batch are independent, so every operation of `CpuEngine` runs on parts side by side; gradients are
added in a fixed order. Results depend on the number of parts (other noise, other rounding), not on timing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnpipe.networks.draws import Draws
from rnnpipe.networks.engine import CpuEngine, Episode, Grads, ValuePass
from rnnpipe.trials import Trials

T = TypeVar("T")


class ThreadedEngine:
    """`CpuEngine` on parts of a batch in as many threads; same interface."""

    def __init__(self, engine: CpuEngine, threads: int) -> None:
        self.engine, self.dtype, self.device = engine, engine.dtype, engine.device
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)

    def _each(self, function: Callable[..., T], *arguments: list[Any]) -> list[T]:
        return list(self._pool.map(function, *arguments))

    def _parts(self, n_trials: int) -> list[slice]:
        edges = np.linspace(0, n_trials, min(self._threads, n_trials) + 1).round().astype(int)
        return [slice(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]

    def rollout(self, policy: Mapping[str, Tensor], trials: Trials, draws: Draws, gradient: bool = True) -> Episode:
        """See `CpuEngine.rollout`."""
        parts = self._parts(trials.n_trials)
        episodes = self._each(
            lambda part, own: self.engine.rollout(policy, trials[part], own, gradient), parts, draws.split(parts)
        )
        joined = [torch.cat([getattr(e, name) for e in episodes], 1) for name in ("actions", "rewards", "mask")]
        return Episode(*joined, record=(parts, episodes))

    def value(
        self, value: Mapping[str, Tensor], episode: Episode, draws: Draws, pairing: str = "learning"
    ) -> ValuePass:
        """See `CpuEngine.value`."""
        parts, episodes = episode.record  # type: ignore[misc]
        passes = self._each(
            lambda part, own: self.engine.value(value, part, own, pairing), episodes, draws.split(parts)
        )
        return ValuePass(torch.cat([p.value for p in passes], 1), (parts, passes))

    def policy_gradient(self, policy: Mapping[str, Tensor], episode: Episode, advantage: Tensor) -> Grads:
        """See `CpuEngine.policy_gradient`."""
        parts, episodes = episode.record  # type: ignore[misc]
        return _sum(self._each(lambda p, e: self.engine.policy_gradient(policy, e, advantage[:, p]), parts, episodes))

    def value_gradient(self, value: Mapping[str, Tensor], passed: ValuePass, d_value: Tensor) -> Grads:
        """See `CpuEngine.value_gradient`."""
        parts, passes = passed.record  # type: ignore[misc]
        return _sum(self._each(lambda p, v: self.engine.value_gradient(value, v, d_value[:, p]), parts, passes))

    def activity(self, episode: Episode, passed: ValuePass | None = None) -> dict[str, NDArray[Any]]:
        """See `CpuEngine.activity`."""
        _, episodes = episode.record  # type: ignore[misc]
        passes = [None] * len(episodes) if passed is None else passed.record[1]  # type: ignore[index]
        dense = [self.engine.activity(e, p) for e, p in zip(episodes, passes, strict=True)]
        return {name: np.concatenate([d[name] for d in dense], 1) for name in dense[0]}


def _sum(gradients: list[Grads]) -> Grads:
    total = gradients[0]
    for gradient in gradients[1:]:
        total = {name: value + gradient[name] for name, value in total.items()}
    return total
