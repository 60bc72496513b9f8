"""Where a simulation's random numbers come from: a generator, or tensors given in advance (tests)."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Draws(Protocol):
    """Random numbers of one batch of trials; noise has unit variance here."""

    def noise(self, t0: int, t1: int, trials: Tensor, n_units: int) -> Tensor:
        """Policy noise of steps t0 .. t1 - 1 for some trials, (t1 - t0, len(trials), n_units)."""

    def uniform(self, t0: int, t1: int, trials: Tensor) -> Tensor:
        """Numbers in [0, 1) that choose the actions, (t1 - t0, len(trials))."""

    def value_noise(self, t: Tensor, trial: Tensor, n_units: int) -> Tensor:
        """Value noise of some (step, trial) pairs, (len(t), n_units)."""

    def split(self, parts: list[slice]) -> list[Draws]:
        """Independent sources for parts of the batch, which number their trials from 0."""


class Fresh:
    """Numbers drawn when they are needed, so that ended trials draw none."""

    def __init__(self, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> None:
        self._generator, self._dtype = generator, dtype

    def _normal(self, *shape: int) -> Tensor:
        g = self._generator
        return torch.randn(*shape, generator=g, dtype=self._dtype, device=g.device)

    def noise(self, t0: int, t1: int, trials: Tensor, n_units: int) -> Tensor:
        return self._normal(t1 - t0, len(trials), n_units)

    def uniform(self, t0: int, t1: int, trials: Tensor) -> Tensor:
        g = self._generator
        return torch.rand(t1 - t0, len(trials), generator=g, dtype=self._dtype, device=g.device)

    def value_noise(self, t: Tensor, trial: Tensor, n_units: int) -> Tensor:
        return self._normal(len(t), n_units)

    def split(self, parts: list[slice]) -> list[Draws]:
        g = self._generator
        seeds = torch.randint(2**62, (len(parts),), generator=g, device=g.device).tolist()
        return [Fresh(torch.Generator(g.device).manual_seed(seed), self._dtype) for seed in seeds]


class Given:
    """Numbers given in advance: noise (n_steps, n_trials, n_units), uniform (n_steps, n_trials), value noise."""

    def __init__(self, noise: Tensor, uniform: Tensor, value_noise: Tensor) -> None:
        self._noise, self._uniform, self._value_noise = noise, uniform, value_noise

    def noise(self, t0: int, t1: int, trials: Tensor, n_units: int) -> Tensor:
        return self._noise[t0:t1, trials]

    def uniform(self, t0: int, t1: int, trials: Tensor) -> Tensor:
        return self._uniform[t0:t1, trials]

    def value_noise(self, t: Tensor, trial: Tensor, n_units: int) -> Tensor:
        return self._value_noise[t, trial]

    def split(self, parts: list[slice]) -> list[Draws]:
        return [Given(self._noise[:, p], self._uniform[:, p], self._value_noise[:, p]) for p in parts]
