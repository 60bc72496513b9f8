"""Adam with a norm clip, in the form the published networks were trained with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from rnnpipe.networks.parameters import Parameters

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
LARGEST_NORM = 1e10


class Adam:
    r"""Adam whose epsilon is added to the uncorrected root of the second moment ("epsilon hat").

    .. math:: \theta \leftarrow \theta - \eta \frac{\sqrt{1 - \beta_2^k}}{1 - \beta_1^k} \frac{m}{\sqrt v + \epsilon}

    Gradients are masked first (absent connections and fixed parameters have none) and scaled down to
    `max_norm`; a gradient whose norm is not finite or above 1e10 counts as zero, but the step is still made.

    Args:
        parameters: Updated in place.
        learning_rate: eta.
        max_norm: Largest norm of the gradient over all trained parameters.
        masks: Connection masks by parameter name.
        fixed: Names of parameters that are not trained.

    Reference: Song, Yang & Wang (2017), Eqs. 38-42; Kingma & Ba (2015), section 2.
    """

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float,
        max_norm: float,
        masks: Mapping[str, Tensor],
        fixed: Iterable[str] = (),
    ) -> None:
        self.parameters, self.learning_rate, self.max_norm = parameters, learning_rate, max_norm
        trained = parameters.zeros_like()
        for name, value in trained.items():
            value[...] = 0.0 if name in set(fixed) else masks.get(name, torch.ones_like(value))
        self._trained = trained.flat
        self.m, self.v = torch.zeros_like(parameters.flat), torch.zeros_like(parameters.flat)
        self.step_count = 0

    def step(self, gradient: Mapping[str, Tensor]) -> Tensor:
        """One update; returns the norm of the gradient before clipping (a 0-d tensor, not waited for)."""
        g = torch.cat([gradient[name].reshape(-1) for name in self.parameters]).mul_(self._trained)
        norm = g.norm()
        usable = torch.isfinite(norm) & (norm <= LARGEST_NORM)
        scale = torch.where(norm > self.max_norm, self.max_norm / norm, torch.ones_like(norm))
        g = torch.where(usable, g * scale, torch.zeros_like(g))
        self.step_count += 1
        k = self.step_count
        self.m.mul_(BETA_1).add_(g, alpha=1 - BETA_1)
        self.v.mul_(BETA_2).addcmul_(g, g, value=1 - BETA_2)
        rate = self.learning_rate * math.sqrt(1 - BETA_2**k) / (1 - BETA_1**k)
        self.parameters.flat.addcdiv_(self.m, self.v.sqrt().add_(EPSILON), value=-rate)
        return norm
