"""Supervised training of continuous-time networks: one network, its trials, noise, optimiser, evaluations and end.

An update is: take a batch of trials, find the gradient of the loss with noise, step Adam, bring the weights back to
their constraints. At intervals the network is evaluated, without noise, on held-out trials; the best network is the
one with the lowest error there. A network that diverges is taken back to its last evaluation and learns on at half the
rate: its forward pass overflows while its gradient is small, so that clipping would not help.

Reference: engellab/trainRNNbrain (github.com/engellab/trainRNNbrain), whose defaults of 2023 are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.analysis.participation import participation
from rnnpipe.errors import TrainingError
from rnnpipe.networks.ctrnn import ARRAYS, Ctrnn
from rnnpipe.networks.ctrnn_engine import CtrnnEngine, Noise
from rnnpipe.networks.ctrnn_init import initial_ctrnn, spectral_radius
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.tasks._regression import RegressionTask
from rnnpipe.training.dropout import Dropout
from rnnpipe.training.regression_adam import Adam, norm, task_safe
from rnnpipe.training.regression_settings import RegressionSettings
from rnnpipe.training.terms import Terms
from rnnpipe.training.traces import Traces
from rnnpipe.trials import Trials

if TYPE_CHECKING:
    from rnnpipe.networks.ctrnn_engine_torch import TorchCtrnnEngine

Array = NDArray[Any]
Arrays = dict[str, Array]
Batch = tuple[Array, Array, Array]

MakeEngine = Callable[[Ctrnn], "CtrnnEngine | TorchCtrnnEngine"]
"""Makes the engine of a network."""

DENSE_RADIUS = 300
"""Units up to which the spectral radius of a history is found by all eigenvalues."""


STATES = 20_000_000
"""States (steps x trials x units) of held-out trials that are kept at once."""


class Member:
    """One network in training.

    Args:
        task: The task.
        network: Settings of the network.
        learning: Settings of the learning rule.
        seed: Root of independent streams: weights, batches, training noise, held-out trials, final trials,
            dropout.
        make_engine: Makes the engine; by default that of the CPU on one thread.
    """

    def __init__(
        self,
        task: RegressionTask,
        network: CtrnnSettings,
        learning: RegressionSettings,
        seed: int,
        make_engine: MakeEngine = CtrnnEngine,
    ) -> None:
        self.task, self.settings, self.learning, self.seed = task, network, learning, seed
        weights, self._batches, self._noise, held_out, self._final, dropout = np.random.SeedSequence(seed).spawn(6)
        self.first, self.constraints = initial_ctrnn(
            network, len(task.input_names), len(task.output_names), task.dt, weights
        )
        names = [*ARRAYS[:3], *(["b_rec"] if network.train_bias else []), *(["x_init"] if network.train_x_init else [])]
        self.adam = Adam({name: getattr(self.first, name) for name in ARRAYS}, names, learning.weight_decay)
        self.terms = Terms(learning.penalties, network.form, self.constraints.sign_rec)
        self.dropout = Dropout(learning, dropout)
        self.engine = make_engine(self.first)
        self.held_out = task.held_out(np.random.default_rng(held_out))
        self.iteration = 0
        self.n_trials = 0
        self.rate_factor = 1.0
        self.n_rollbacks = 0
        self.losses: list[float] = []
        self.errors: list[float] = []
        self.norms: list[float] = []
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {}
        self.good: dict[str, Any] = {}
        self.waited = 0
        self.reference = math.inf
        self.participation: Array | None = None
        """Of each unit at the last evaluation, if something depends on it."""
        self.traces = Traces(learning.evaluation_interval) if learning.trace_units else None
        self._fixed: tuple[int, Batch] | None = None

    # -- training -------------------------------------------------------------------------------------------

    @property
    def reached_criterion(self) -> bool:
        """Whether the held-out error came down to the tolerance; without one, whether training did not diverge."""
        if self.learning.tolerance is None:
            return not self.diverged
        return bool(self.best) and self.best["mse"] <= self.learning.tolerance

    @property
    def diverged(self) -> bool:
        """Whether the network was taken back more often than it may."""
        return self.n_rollbacks > self.learning.max_rollbacks

    @property
    def finished(self) -> bool:
        """Whether training has ended."""
        if not self.history:
            return False
        learning = self.learning
        plateau = learning.patience is not None and self.waited >= learning.patience
        done = self.iteration >= learning.max_iterations or plateau or self.diverged
        return done or (learning.tolerance is not None and self.reached_criterion)

    def advance(self) -> None:
        """Make updates up to the next evaluation, and evaluate; the first time only evaluate.

        Raises:
            TrainingError: The initial network diverges, so that there is nothing to go back to.
        """
        if self.history:
            every = self.learning.evaluation_interval
            until = min((self.iteration // every + 1) * every, self.learning.max_iterations)
            while self.iteration < until and not self.diverged:
                self.update()
        if not self.diverged:
            self.evaluate()

    def update(self) -> None:
        """One update, or, if the network has diverged, a step back."""
        k, learning, adam = self.iteration, self.learning, self.adam
        batch = self.batch(k)
        self.iteration += 1
        self.n_trials += batch[0].shape[1]
        arrays = self.constraints.effective(adam.arrays)
        gradient, loss, error, largest = self.gradient(arrays, batch, k)
        length = norm(gradient)
        self.losses.append(loss)
        self.errors.append(error)
        self.norms.append(length)
        if not (math.isfinite(loss) and math.isfinite(length) and largest <= learning.max_state):
            self.roll_back()
            return
        if learning.max_norm is not None and length > learning.max_norm:
            gradient *= np.float32(learning.max_norm / length)
        adam.step(gradient, self.rate(k))
        self.constraints.project(adam.arrays, adam.momentum)

    def rate(self, iteration: int) -> float:
        """Learning rate of an update."""
        return self.rate_factor * self.learning.rate(iteration, self.settings.n_units)

    def gradient(self, arrays: Arrays, batch: Batch, iteration: int) -> tuple[Array, float, float, float]:
        """Gradient of a batch in what is trained, as one vector; loss, squared error and largest |state|.

        Error and penalties on activity are of the network without the units that are dropped, those on weights of all
        weights.
        """
        terms, adam = self.terms, self.adam
        seed, noise = self.noise(iteration, batch[0].shape)
        dropped = self.dropout.dropped(iteration, arrays, self.participation)
        left = self.dropout.without(arrays, dropped)
        penalty = terms.of_activity(left, batch[0]) if terms.on_activity else None
        found = self.engine.update(
            left, *batch, seed, rate_penalty=terms.rate_penalty, state_terms=penalty, noise=noise
        )
        gradients = self.dropout.without(found.gradients, dropped)
        values, of_weights = terms.of_weights(arrays)
        extra = {name: np.zeros_like(arrays[name]) for name in ARRAYS}
        for part in (of_weights, self.dropout.without(penalty.gradients, dropped) if penalty else {}):
            for name, value in part.items():
                extra[name] += value
        values |= penalty.values if penalty else {}
        if terms.rate_penalty:
            values["mean_square_rate"] = found.mean_square_rate
        loss = found.mse + terms.weighted(values)

        def flat(gradients: Arrays) -> Array:
            return adam.flat(self.constraints.pull_back(adam.arrays, gradients))

        if not (self.learning.task_safe and values):
            total = flat({name: g + extra[name] for name, g in gradients.items()})
        else:
            task = gradients
            if penalty or terms.rate_penalty:
                task = self.dropout.without(self.engine.update(left, *batch, seed, noise=noise).gradients, dropped)
            rest = {name: g - task[name] + extra[name] for name, g in gradients.items()}
            total = task_safe(flat(task), flat(rest))
        return total, loss, found.mse, found.largest_state

    def batch(self, iteration: int) -> Batch:
        """Inputs, target and mask of an update, (n_steps, n_trials, ...) each; they depend on its number only."""
        number = 0 if self.learning.same_batch else iteration
        if self._fixed is None or self._fixed[0] != number:
            trials = self.task.batch(np.random.default_rng(_substream(self._batches, number)))
            self._fixed = number, _as_batch(trials)
        return self._fixed[1]

    def noise(self, iteration: int, shape: tuple[int, ...]) -> tuple[int, Noise | None]:
        """Seed of an update's noise, and the noise itself where it is scaled."""
        stream = _substream(self._noise, iteration)
        seed, factor = (
            int(stream.generate_state(1, np.uint64)[0] >> np.uint64(1)),
            self.learning.noise_factor(iteration),
        )
        if factor == 1.0:
            return seed, None
        (n_steps, n_trials, n_inputs), rng, units = shape, np.random.default_rng(stream), self.settings

        def normal(sigma: float, steps: int, n: int, scale: float) -> Array | None:
            return np.float32(scale) * rng.standard_normal((steps, n_trials, n), np.float32) if sigma > 0 else None

        return seed, (
            normal(units.sigma_rec, n_steps - 1, units.n_units, factor),
            normal(units.sigma_in, n_steps - 1, n_inputs, factor),
            normal(units.sigma_out, n_steps, units.n_units, 1.0),
        )

    # -- evaluation -----------------------------------------------------------------------------------------

    def evaluate(self) -> None:
        """Evaluate on the held-out trials without noise: a row of the history, and maybe the best network so far.

        Raises:
            TrainingError: The initial network diverges.
        """
        row = self.measure()
        if not (math.isfinite(row["loss"]) and row["largest_state"] <= self.learning.max_state):
            if not self.history:
                raise TrainingError(
                    f"training of seed {self.seed} failed: the untrained network diverges (largest state"
                    f" {row['largest_state']:.3g}). Lower network.spectral_radius or the inputs of the task."
                )
            self.roll_back()
            return
        broken = self.constraints.broken(self.arrays())
        assert not broken, broken
        self.participation = row.pop("participation", None)
        if self.traces is not None and self.participation is not None:
            row |= self.traces.note(self.iteration, self.arrays(), self.participation)
        self.good = self.adam.state()
        row["new_best"] = not self.best or row["mse"] <= self.best["mse"]
        if row["new_best"]:
            self.best = {"mse": row["mse"], "iteration": self.iteration, "values": self.good["values"].clone()}
        improved = row["mse"] < self.reference * (1 - self.learning.min_improvement)
        self.waited = 0 if improved else self.waited + 1
        self.reference = row["mse"] if improved else self.reference
        row["criterion"] = self.learning.tolerance is not None and row["mse"] <= self.learning.tolerance
        self.history.append(row)

    @property
    def needs_participation(self) -> bool:
        """Whether evaluations find out how much units take part."""
        return self.dropout.by_participation or self.traces is not None

    def measure(self) -> dict[str, Any]:
        """What an evaluation notes of the network as it is now; `participation` of units, if it is needed."""
        trials, arrays = self.held_out, self.arrays()
        values, _ = self.terms.of_weights(arrays)
        # states of large networks are not kept for all trials at once, unless something is a function of all of them
        size = max(1, STATES // (trials.n_steps * self.settings.n_units))
        size = trials.n_trials if self.terms.on_activity or self.needs_participation else size
        outputs, largest, square = np.empty((*trials.inputs.shape[:2], self.first.n_outputs), np.float32), 0.0, 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, trials.n_trials, size):
                part = slice(start, start + size)
                outputs[:, part], states = self.engine.run(arrays, trials.inputs[:, part], states=True)
                assert states is not None
                rates = self.first.rates(states)
                square += float(np.square(rates, dtype=np.float64).sum()) / (trials.n_trials * rates[:, 0].size)
                largest = float(np.maximum(largest, np.abs(states).max()))  # NaN stays NaN
                if self.terms.on_activity:
                    penalty = self.terms.of_activity(arrays, trials.inputs)
                    penalty(rates, states)
                    values |= penalty.values
            if self.terms.rate_penalty:
                values["mean_square_rate"] = square
            scores = self.task.score(outputs, trials)
            units = {"participation": participation(rates).astype(np.float32)} if self.needs_participation else {}
        since = self.history[-1]["iteration"] if self.history else 0
        return {
            "iteration": self.iteration,
            "n_trials": self.n_trials,
            **scores,
            "loss": scores["mse"] + self.terms.weighted(values),
            **{f"penalty_{name}": value for name, value in values.items()},
            "training_loss": _mean(self.losses[since:]),
            "training_mse": _mean(self.errors[since:]),
            "gradient_norm": _mean(self.norms[since:]),
            "learning_rate": self.rate(min(self.iteration, self.learning.max_iterations - 1)),
            "spectral_radius": _radius(arrays["w_rec"]),
            "largest_state": largest if math.isfinite(largest) else math.inf,
            "n_rollbacks": self.n_rollbacks,
            **units,
        }

    def roll_back(self) -> None:
        """Go back to the last evaluation that was finite, with half the learning rate."""
        self.n_rollbacks += 1
        self.rate_factor /= 2
        self.adam.load_state(self.good)

    def arrays(self) -> Arrays:
        """The network's arrays as they are now."""
        return self.constraints.effective(self.adam.arrays)

    def network(self) -> Ctrnn:
        """The best network of all evaluations."""
        trained = {**self.adam.arrays, **self.adam.views(self.best["values"].numpy())}
        best: dict[str, Any] = {name: np.array(a) for name, a in self.constraints.effective(trained).items()}
        return replace(self.first, **best)

    def score(self) -> dict[str, Any]:
        """How the best network does on fresh trials, without noise and (`noisy_`) with it."""
        network, trials, noise = self.network(), _substream(self._final, 0), _substream(self._final, 1)
        fresh = self.task.held_out(np.random.default_rng(trials))
        arrays = {name: getattr(network, name) for name in ARRAYS}
        seed = int(noise.generate_state(1, np.uint64)[0] >> np.uint64(1))
        clean, noisy = (self.task.score(self.engine.run(arrays, fresh.inputs, s)[0], fresh) for s in (None, seed))
        return {
            **clean,
            **{f"noisy_{name}": value for name, value in noisy.items()},
            "held_out_mse": self.best["mse"],
            "best_iteration": self.best["iteration"],
            "n_iterations": self.iteration,
            "n_trials_trained": self.n_trials,
            "reached_criterion": self.reached_criterion,
            "diverged": self.diverged,
            "n_rollbacks": self.n_rollbacks,
        }

    # -- state ----------------------------------------------------------------------------------------------

    _PLAIN = ("iteration", "n_trials", "rate_factor", "n_rollbacks", "waited", "reference")
    _LISTS = ("losses", "errors", "norms")

    def state(self) -> dict[str, Any]:
        """Everything the rest of the training depends on, as tensors and plain values."""
        return {
            "adam": self.adam.state(),
            "best": dict(self.best),
            "good": dict(self.good),
            "history": [dict(row) for row in self.history],
            **{name: torch.tensor(getattr(self, name), dtype=torch.float64) for name in self._LISTS},
            **{name: getattr(self, name) for name in self._PLAIN},
            **({} if self.participation is None else {"participation": torch.from_numpy(self.participation)}),
            **({} if self.traces is None else {"traces": self.traces.state()}),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.adam.load_state(state["adam"])
        self.best, self.good = dict(state["best"]), dict(state["good"])
        self.history = [dict(row) for row in state["history"]]
        for name in self._LISTS:
            setattr(self, name, state[name].tolist())
        for name in self._PLAIN:
            setattr(self, name, state[name])
        if "participation" in state:
            self.participation = state["participation"].numpy()
        if self.traces is not None:
            self.traces.load_state(state["traces"])


def _as_batch(trials: Trials) -> Batch:
    assert trials.target is not None and trials.mask is not None
    return trials.inputs, trials.target, trials.mask


def _substream(stream: np.random.SeedSequence, number: int) -> np.random.SeedSequence:
    """Stream of an update: it depends on nothing but its number, so that a training resumes anywhere."""
    return np.random.SeedSequence(stream.entropy, spawn_key=(*stream.spawn_key, number))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _radius(w: Array) -> float:
    return spectral_radius(w, DENSE_RADIUS) if np.isfinite(w).all() else math.inf
