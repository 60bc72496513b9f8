"""Supervised training of rate networks, several side by side, each with its own trials, noise, optimiser and end.

An update is: draw a trial, simulate it, step Adam on the loss of its output. After the first update and then at fixed
intervals the network is evaluated on fresh trials; training ends when loss and accuracy are good enough.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Methods and the authors' code.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.errors import TrainingError
from rnnpipe.networks.rate_engine import RateLearner, run_outputs
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.rate_parameters import initial_network
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.training.bptt_settings import BpttSettings

Array = NDArray[np.floating]


def evaluate_outputs(
    task: AnalogTask, conditions: dict[str, NDArray[Any]], output: Array, target: Array, loss: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether trials are correct and their losses, (n_trials,) each, of outputs (n_samples, n_trials)."""
    shown = output[task.steps(task.rate_window).item() :]
    correct = task.output_correct(conditions, shown.max(0), shown.min(0))
    error = output.astype(np.float64) - target[: len(output)]
    return correct, np.sqrt((error**2).sum(0)) if loss == "l2" else np.abs(error).sum(0)


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
        first = initial_network(
            network, len(task.input_names), len(task.output_names), task.dt, np.random.default_rng(weights), seed
        )
        self.learner = RateLearner(
            first, network.sigma_rec, network.sigma_init, learning.learning_rate, learning.loss, tuple(network.fixed)
        )
        self.rng, self.evaluation_rng = np.random.default_rng(trials), np.random.default_rng(evaluation)
        self.noise, self.evaluation_noise = _generator(noise), _generator(evaluation_noise)
        self.losses: list[float] = []
        self.history: list[dict[str, Any]] = []
        self.record: dict[str, Array] = {}
        self.reached_criterion = False

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
        learning, learner, batch = self.learning, self.learner, self.learning.trials_per_update
        left = -(-(learning.max_trials - self.n_trials) // batch)
        n_updates = min(1 if learner.n_updates == 0 else learning.evaluation_interval, left)
        trials = self.task.sample(self.rng, n_updates * batch)
        target = self.task.output_target(trials)[..., None]
        n = self.settings.n_units
        x0, noise = torch.empty(batch, n), torch.empty(batch, trials.n_steps - 1, n)
        for k in range(n_updates):
            part = slice(k * batch, (k + 1) * batch)
            x0.normal_(generator=self.noise)
            noise.normal_(generator=self.noise)
            try:
                losses = learner.update(trials.inputs[:, part], target[:, part], x0.numpy(), noise.numpy())
            except TrainingError as error:
                raise TrainingError(
                    f"training of seed {self.seed} failed after {self.n_trials} trials: {error} Lower"
                    " learning.learning_rate or check the inputs of the task."
                ) from None
            self.losses.extend(losses.tolist())
            if learner.n_updates == 1 and learning.record_states:
                last = learner.last_trial()
                self.record |= {"x0": last["x"], "r0": last["r"]}
        if learning.record_states:
            last = learner.last_trial()
            self.record |= {"x": last["x"], "r": last["r"]}
        self.record |= {"o": learner.last_trial()["o"], "u": trials.inputs[:-1, -1].T, "target": target[:, -1, 0]}
        self._evaluate()

    def _evaluate(self) -> None:
        learning = self.learning
        trials = self.task.sample(self.evaluation_rng, learning.evaluation_trials)
        network = self.network()
        settings = self.settings
        output = run_outputs(network, trials, settings.sigma_rec, settings.sigma_init, self.evaluation_noise)[..., 0]
        target = self.task.output_target(trials)
        correct, losses = evaluate_outputs(self.task, trials.conditions, output, target, learning.loss)
        accuracy, loss = float(correct.mean()), float(losses.mean())
        good = loss < learning.loss_threshold and accuracy > learning.accuracy_threshold
        self.reached_criterion = good and self.n_trials > learning.min_trials
        tau = network.tau
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
        level = self.task.level(trials.conditions)
        self.record |= {"eval_os": output.T, "eval_labels": level}

    def network(self) -> RateNetwork:
        """The network as it is now, which is the one evaluated last once training has ended."""
        network = self.learner.network()
        return network

    # -- state ----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything the rest of the training depends on, as tensors and plain values."""
        return {
            "learner": self.learner.state(),
            "rngs": [json.dumps(g.bit_generator.state) for g in (self.rng, self.evaluation_rng)],
            "generators": [g.get_state().clone() for g in (self.noise, self.evaluation_noise)],
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
        for generator, kept in zip((self.noise, self.evaluation_noise), state["generators"], strict=True):
            generator.set_state(kept)
        self.losses = state["losses"].tolist()
        self.history = [dict(row) for row in state["history"]]
        self.record = {name: value.numpy() for name, value in state["record"].items()}
        self.reached_criterion = state["reached_criterion"]


def _generator(seed: np.random.SeedSequence) -> torch.Generator:
    return torch.Generator().manual_seed(int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1)))


class Ensemble:
    """Several networks of the same settings in training; their seeds are all that differs."""

    def __init__(self, task: AnalogTask, network: RateSettings, learning: BpttSettings, seeds: list[int]) -> None:
        self.members = [Member(task, network, learning, seed) for seed in seeds]

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
