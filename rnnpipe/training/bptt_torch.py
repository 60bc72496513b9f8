"""Supervised training of an ensemble on a torch device: all networks that have not ended make each update together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnpipe.networks.rate_engine_torch import TorchNoise, TorchRateLearners
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.training.bptt import NOT_FINITE, Ensemble, Learner, Member
from rnnpipe.training.bptt_settings import BpttSettings


class _One:
    """One of several networks that are trained together, as a `Member` sees it."""

    def __init__(self, learners: TorchRateLearners, k: int) -> None:
        self._learners, self._k = learners, k

    @property
    def n_updates(self) -> int:
        return self._learners.n_updates[self._k]

    @n_updates.setter
    def n_updates(self, value: int) -> None:
        self._learners.n_updates[self._k] = value

    @property
    def density(self) -> float:
        return float((self.network().w_rec != 0).mean())

    def network(self) -> RateNetwork:
        return self._learners.network(self._k)

    def last_trial(self) -> dict[str, NDArray[Any]]:
        return self._learners.last_trial(self._k)

    def state(self) -> dict[str, Any]:
        return self._learners.state(self._k)

    def load_state(self, state: dict[str, Any]) -> None:
        self._learners.load_state(self._k, state)


class TorchMember(Member):
    """A network that is trained together with others; what learns is given to it by the ensemble."""

    learner: Learner
    noise: TorchNoise
    evaluation_noise: TorchNoise

    def prepare(self) -> None:
        """Leave it to `join`."""

    def join(self, learners: TorchRateLearners, k: int) -> None:
        """Be network k of several."""
        self.learner = _One(learners, k)
        made = [TorchNoise(seed, learners.device, learners.dtype) for seed in self.noise_seeds]
        self.noise, self.evaluation_noise = made


class TorchEnsemble(Ensemble):
    """Networks of the same settings in training on a device; their seeds are all that differs.

    Args:
        task, network, learning, seeds: As of `Ensemble`.
        device: Where they are trained.
        dtype: float32, or float64 for tests.
    """

    members: list[TorchMember]

    def __init__(
        self,
        task: AnalogTask,
        network: RateSettings,
        learning: BpttSettings,
        seeds: list[int],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.members = [TorchMember(task, network, learning, seed) for seed in seeds]
        self._learners = TorchRateLearners(
            [member.first for member in self.members],
            network.sigma_rec,
            network.sigma_init,
            learning.learning_rate,
            learning.loss,
            tuple(network.fixed),
            device,
            dtype,
        )
        for k, member in enumerate(self.members):
            member.join(self._learners, k)

    def advance(self, map_: Callable[..., Any]) -> list[Member]:
        """Bring the unfinished members to their next evaluation, all together. Returns these members.

        Raises:
            TrainingError: A loss became NaN or infinite.
        """
        del map_
        places = [k for k, member in enumerate(self.members) if not member.finished]
        going = [self.members[k] for k in places]
        batch = going[0].learning.trials_per_update
        drawn = [member.draw() for member in going]
        inputs = self._stacked([trials.inputs for trials, _ in drawn])
        target = self._stacked([target for _, target in drawn])
        n_states, losses = inputs.shape[1] - 1, []
        for first in range(0, inputs.shape[2], batch):
            part = slice(first, first + batch)
            noise = torch.stack([m.noise.normal(batch, n_states, m.settings.n_units) for m in going])
            # the first state has no noise of a step: its numbers are the initial state
            losses.append(self._learners.update(inputs[:, :, part], target[:, :, part], noise[:, :, 0], noise, places))
        # only here is the device waited for
        found = torch.cat(losses, 1).double().cpu().numpy()
        for member, own, (trials, wanted) in zip(going, found, drawn, strict=True):
            bad = ~np.isfinite(own)
            member.losses.extend(own[: bad.argmax() if bad.any() else len(own)].tolist())
            if bad.any():
                raise member.failed(NOT_FINITE)
            member.keep_last(trials, wanted)
        shown = [member.draw_evaluation() for member in going]
        sources = [member.evaluation_noise for member in going]
        output = self._learners.outputs(self._stacked([t.inputs for t in shown]), sources, places)[..., 0]
        for member, trials, own in zip(going, shown, output.cpu().numpy(), strict=True):
            member.judge(trials, own)
        return list(going)

    def _stacked(self, arrays: list[NDArray[Any]]) -> Tensor:
        return self._learners.tensor(np.stack(arrays))
