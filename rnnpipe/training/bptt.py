"""Supervised training of rate networks, several side by side, each with its own trials, noise, optimiser and end.

An update is: draw a trial, simulate it, step Adam on the loss of its output. After the first update and then at fixed
intervals the network is evaluated on fresh trials; training ends when loss and accuracy are good enough.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Methods and the authors' code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.errors import TrainingError
from rnnpipe.networks.rate_engine import Noise, RateLearner
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.rate_parameters import initial_network
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.training.bptt_settings import BpttSettings
from rnnpipe.trials import Trials

Array = NDArray[np.floating]

NOT_FINITE = "the loss became NaN or infinite."


def evaluate_outputs(
    task: AnalogTask, conditions: dict[str, NDArray[Any]], output: Array, target: Array, loss: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether trials are correct and their losses, (n_trials,) each, of outputs (n_samples, n_trials)."""
    shown = output[task.steps(task.rate_window).item() :]
    correct = task.output_correct(conditions, shown.max(0), shown.min(0))
    error = output.astype(np.float64) - target[: len(output)]
    return correct, np.sqrt((error**2).sum(0)) if loss == "l2" else np.abs(error).sum(0)


class Learner(Protocol):
    """A rate network in training, as a `Member` sees it; see `RateLearner`."""

    n_updates: int

    @property
    def density(self) -> float:
        """Fraction of recurrent connections that act."""

    def network(self) -> RateNetwork:
        """The network as it is now."""

    def last_trial(self) -> dict[str, Array]:
        """States, rates and output of the last trial simulated."""

    def state(self) -> dict[str, Any]:
        """Everything the rest of the training depends on."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""


class NoiseSource(Protocol):
    """Where normal numbers come from."""

    def state(self) -> torch.Tensor:
        """What the numbers to come depend on."""

    def load_state(self, state: torch.Tensor) -> None:
        """Continue from `state`."""


class Member:
    """One network in training.

    Args:
        task: The task.
        network: Settings of the network.
        learning: Settings of the learning rule.
        seed: Seed; weights, training trials, training noise and evaluations have streams of their own.
    """

    def __init__(self, task: AnalogTask, network: RateSettings, learning: BpttSettings, seed: int) -> None:
        self.task, self.settings, self.learning, self.seed = task, network, learning, seed
        weights, trials, noise, evaluation, evaluation_noise = np.random.SeedSequence(seed).spawn(5)
        self.first = initial_network(
            network, len(task.input_names), len(task.output_names), task.dt, np.random.default_rng(weights), seed
        )
        self.rng, self.evaluation_rng = np.random.default_rng(trials), np.random.default_rng(evaluation)
        self.noise_seeds = [int(s.generate_state(1, np.uint64)[0] >> np.uint64(1)) for s in (noise, evaluation_noise)]
        self.losses: list[float] = []
        self.history: list[dict[str, Any]] = []
        self.record: dict[str, Array] = {}
        self.reached_criterion = False
        self.prepare()

    def prepare(self) -> None:
        """Make what learns and where its noise comes from."""
        network, learning = self.settings, self.learning
        self.learner: Learner = RateLearner(
            self.first,
            network.sigma_rec,
            network.sigma_init,
            learning.learning_rate,
            learning.loss,
            tuple(network.fixed),
        )
        self.noise: NoiseSource
        self.evaluation_noise: NoiseSource
        self.noise, self.evaluation_noise = (Noise(seed) for seed in self.noise_seeds)

    @property
    def n_trials(self) -> int:
        """Training trials seen so far."""
        return self.learner.n_updates * self.learning.trials_per_update

    @property
    def finished(self) -> bool:
        """Whether the criterion is reached or no trials are left."""
        return self.reached_criterion or self.n_trials >= self.learning.max_trials

    def advance(self) -> None:
        """Make updates up to the next evaluation, and evaluate.

        Raises:
            TrainingError: The loss became NaN or infinite.
        """
        learner, noise, fresh, batch = self.learner, self.noise, self.evaluation_noise, self.learning.trials_per_update
        assert isinstance(learner, RateLearner) and isinstance(noise, Noise) and isinstance(fresh, Noise)
        trials, target, losses = *self.draw(), np.empty(0)
        for first in range(0, trials.n_trials, batch):
            part = slice(first, first + batch)
            drawn = noise.normal(batch, trials.n_steps - 1, self.settings.n_units)
            try:
                # the first state has no noise of a step: its numbers are the initial state
                losses = learner.update(trials.inputs[:, part], target[:, part], drawn[:, 0], drawn)
            except TrainingError as error:
                raise self.failed(str(error)) from None
            self.losses.extend(losses.tolist())
        self.keep_last(trials, target)
        shown = self.draw_evaluation()
        self.judge(shown, learner.outputs(shown.inputs, fresh)[..., 0])

    def draw(self) -> tuple[Trials, NDArray[np.float32]]:
        """Trials up to the next evaluation and their targets, (n_steps - 1, n_trials, 1)."""
        learning, made, batch = self.learning, self.learner.n_updates, self.learning.trials_per_update
        left = -(-(learning.max_trials - self.n_trials) // batch)
        trials = self.task.sample(self.rng, batch * min(1 if made == 0 else learning.evaluation_interval, left))
        return trials, self.task.output_target(trials)[..., None]

    def draw_evaluation(self) -> Trials:
        """Fresh trials of an evaluation."""
        return self.task.sample(self.evaluation_rng, self.learning.evaluation_trials)

    def failed(self, what: str) -> TrainingError:
        """The error of a training that cannot go on."""
        return TrainingError(
            f"training of seed {self.seed} failed after {len(self.losses)} trials: {what} Lower learning.learning_rate"
            " or check the inputs of the task."
        )

    def keep_last(self, trials: Trials, target: NDArray[np.float32]) -> None:
        """Keep what the `.mat` file shows of the last trial, and of the first one."""
        last = self.learner.last_trial()
        if self.learning.record_states:
            if self.learner.n_updates == 1:
                self.record |= {"x0": last["x"], "r0": last["r"]}
            self.record |= {"x": last["x"], "r": last["r"]}
        self.record |= {"o": last["o"], "u": trials.inputs[:-1, -1].T, "target": target[:, -1, 0]}

    def judge(self, trials: Trials, output: Array) -> None:
        """Evaluate the outputs (n_samples, n_trials) of fresh trials: a row of the history, and whether to end.

        Raises:
            TrainingError: The loss is NaN or infinite.
        """
        learning = self.learning
        target = self.task.output_target(trials)
        correct, losses = evaluate_outputs(self.task, trials.conditions, output, target, learning.loss)
        accuracy, loss = float(correct.mean()), float(losses.mean())
        if not np.isfinite(loss):
            raise self.failed(NOT_FINITE)
        good = loss < learning.loss_threshold and accuracy > learning.accuracy_threshold
        self.reached_criterion = good and self.n_trials > learning.min_trials
        tau = self.network().tau
        before = self.history[-1]["n_trials"] if self.history else 0
        self.history.append(
            {
                "update": self.learner.n_updates,
                "n_trials": self.n_trials,
                "accuracy": accuracy,
                "loss": loss,
                "training_loss": float(np.mean(self.losses[before:])),
                "density": self.learner.density,
                "tau_mean": float(tau.mean()),
                "tau_sd": float(tau.std()),
                "criterion": self.reached_criterion,
            }
        )
        self.record |= {"eval_os": output.T, "eval_labels": self.task.level(trials.conditions)}

    def network(self) -> RateNetwork:
        """The network as it is now, which is the one evaluated last once training has ended."""
        return self.learner.network()

    # -- state ----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything the rest of the training depends on, as tensors and plain values."""
        return {
            "learner": self.learner.state(),
            "rngs": [json.dumps(g.bit_generator.state) for g in (self.rng, self.evaluation_rng)],
            "noise": [self.noise.state(), self.evaluation_noise.state()],
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "history": [dict(row) for row in self.history],
            "record": {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in self.record.items()},
            "reached_criterion": self.reached_criterion,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.learner.load_state(state["learner"])
        for rng, kept in zip((self.rng, self.evaluation_rng), state["rngs"], strict=True):
            rng.bit_generator.state = json.loads(kept)
        for noise, kept in zip((self.noise, self.evaluation_noise), state["noise"], strict=True):
            noise.load_state(kept)
        self.losses = state["losses"].tolist()
        self.history = [dict(row) for row in state["history"]]
        self.record = {name: value.numpy() for name, value in state["record"].items()}
        self.reached_criterion = state["reached_criterion"]


class Ensemble:
    """Several networks of the same settings in training; their seeds are all that differs."""

    def __init__(self, task: AnalogTask, network: RateSettings, learning: BpttSettings, seeds: list[int]) -> None:
        self.members: Sequence[Member] = [Member(task, network, learning, seed) for seed in seeds]

    def advance(self, map_: Callable[..., Any]) -> list[Member]:
        """Bring every unfinished member to its next evaluation, side by side by `map_`; returns these members."""
        going = [member for member in self.members if not member.finished]
        list(map_(Member.advance, going))
        return going

    @property
    def finished(self) -> bool:
        """Whether all members are."""
        return all(member.finished for member in self.members)

    def state(self) -> dict[str, Any]:
        """State of every member."""
        return {"members": [member.state() for member in self.members]}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        for member, kept in zip(self.members, state["members"], strict=True):
            member.load_state(kept)
