"""Where a simulation's random numbers come from: a generator, or tensors given in advance (tests)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
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


class Fresh:
    """Numbers drawn when they are needed, so that ended trials draw none.

    The two networks draw from generators of their own, so that it does not matter which of them is simulated first.
    """

    def __init__(
        self, generator: torch.Generator, value_generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> None:
        self._generator, self._value_generator, self._dtype = generator, value_generator, dtype

    @classmethod
    def seeded(cls, seed: int, device: torch.device | str = "cpu") -> Fresh:
        """Streams that depend on one seed."""
        seeds = np.random.SeedSequence(seed).generate_state(2, np.uint64) >> np.uint64(1)
        own, others = (torch.Generator(device).manual_seed(int(s)) for s in seeds)
        return cls(own, others)

    def noise(self, t0: int, t1: int, trials: Tensor, n_units: int) -> Tensor:
        """See `Draws`."""
        return self._normal(self._generator, t1 - t0, len(trials), n_units)

    def uniform(self, t0: int, t1: int, trials: Tensor) -> Tensor:
        """See `Draws`."""
        g = self._generator
        return torch.rand(t1 - t0, len(trials), generator=g, dtype=self._dtype, device=g.device)

    def value_noise(self, t: Tensor, trial: Tensor, n_units: int) -> Tensor:
        """See `Draws`."""
        return self._normal(self._value_generator, len(t), n_units)

    def _normal(self, generator: torch.Generator, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=self._dtype, device=generator.device)


class Given:
    """Numbers given in advance: noise (n_steps, n_trials, n_units), uniform (n_steps, n_trials), value noise."""

    def __init__(self, noise: Tensor, uniform: Tensor, value_noise: Tensor) -> None:
        self._noise, self._uniform, self._value_noise = noise, uniform, value_noise

    def noise(self, t0: int, t1: int, trials: Tensor, n_units: int) -> Tensor:
        """See `Draws`."""
        return self._noise[t0:t1, trials]

    def uniform(self, t0: int, t1: int, trials: Tensor) -> Tensor:
        """See `Draws`."""
        return self._uniform[t0:t1, trials]

    def value_noise(self, t: Tensor, trial: Tensor, n_units: int) -> Tensor:
        """See `Draws`."""
        return self._value_noise[t, trial]
