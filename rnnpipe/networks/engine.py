"""Fast engine of the reward-learning networks on the CPU.

The rollout is the forward pass: what it records is what the gradient needs, nothing is simulated twice, no trial
beyond its end. Input projections and weight gradients are single matrix products over all steps; only the
recurrence itself is stepped, in `kernels`. `engine_torch` does the same on any torch device.

Arrays are packed (see `kernels`); what leaves the engine is (time, trial).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnpipe.errors import TrainingError
from rnnpipe.networks import kernels
from rnnpipe.networks.draws import Draws
from rnnpipe.networks.penalties import vanishing_gradients_slope
from rnnpipe.networks.settings import NO_PENALTY, Penalty
from rnnpipe.trials import Trials

Array = NDArray[np.floating]
Grads = dict[str, Tensor]
Pairing = Literal["learning", "rollout"]
OnBlock = Callable[["_Packed", int, int], None]
"""Called with the packed records of a rollout and a range of steps that is done."""
Stepper = Callable[[int, int, Array, Array, Array, NDArray[Any]], tuple[int, bool]]
"""Runs a policy from step t0 up to (not including) t1, given t0, t1, the input projections of these steps, their noise
(of unit variance) and uniform numbers, and the running trials; returns the steps done and whether it stayed finite."""

BLOCK = 32
"""Steps whose noise and input projections are made at once; some are in vain when the last trial ends earlier."""

ROWS = 70_000
"""(step, trial) pairs of a batch whose records fit into a few hundred MB; longer trials come in smaller batches."""


def batch_size(n_steps: int, most: int = 250) -> int:
    """Trials to simulate at once: `most`, or fewer where trials are long."""
    return max(1, min(most, ROWS // n_steps))


@dataclass
class Episode:
    """What happened in a batch of trials, dense, and the engine's records of it."""

    actions: Tensor
    """Action taken, -1 after the end, (n_steps, n_trials)."""
    rewards: Tensor
    """Discounted rewards, 0 after the end, (n_steps, n_trials)."""
    mask: Tensor
    """1 while the trial was going on, 0 after, (n_steps, n_trials)."""
    record: object
    """Engine's own."""


@dataclass
class ValuePass:
    """Predicted returns, (n_steps, n_trials), 0 after the end, and the engine's records."""

    value: Tensor
    record: object


@dataclass
class _Packed:
    """Packed records of one network; `rows` is the number of (step, trial) pairs that happened."""

    n_steps: int
    rows: int
    start: NDArray[np.int64]
    step: NDArray[np.int64]
    trial: NDArray[np.int64]
    prev: NDArray[np.int64]
    action: NDArray[np.int64]
    x: Array
    r: Array
    lam: Array
    gam: Array
    s: Array
    d: Array
    z: Array
    inputs: Array | None = None
    kept: bool = True


def _numpy(tensor: Tensor) -> Array:
    array: Array = tensor.detach().numpy()
    return array


class CpuEngine:
    """Rollouts, value predictions and gradients on the CPU.

    Args:
        alpha: dt / tau.
        noise_sd: SD of a step's recurrent noise, sqrt(2 tau / dt * var_rec), of the policy network.
        value_noise_sd: The same of the value network.
        dtype: torch.float32, or torch.float64 for tests.
    """

    device = torch.device("cpu")
    _records: tuple[str, ...] = ("lam", "gam", "s", "d")
    """What a rollout keeps for the gradient besides states and rates."""

    def __init__(
        self, alpha: float, noise_sd: float, value_noise_sd: float, dtype: torch.dtype = torch.float32
    ) -> None:
        self.dtype = dtype
        self._type = np.dtype(str(dtype).removeprefix("torch."))
        self._alpha = self._type.type(alpha)
        self._noise_sd, self._value_noise_sd = noise_sd, value_noise_sd

    # -- policy ---------------------------------------------------------------------------------------------

    def rollout(
        self,
        policy: Mapping[str, Tensor],
        trials: Trials,
        draws: Draws,
        gradient: bool = True,
        on_block: OnBlock | None = None,
        block: int = BLOCK,
    ) -> Episode:
        """Let the policy act on a batch of trials.

        Args:
            policy: Effective weights of the policy network.
            trials: The batch.
            draws: Random numbers.
            gradient: Keep what `policy_gradient` needs.
            on_block: Called with the records and a range of steps as soon as these steps are done. It may write the
                inputs of later steps and the rules (phase, rewards, stops) of steps done: which trials have ended is
                decided after it.
            block: Steps simulated between two calls of `on_block`.

        Raises:
            TrainingError: The policy became NaN or infinite.
        """
        w = {name: _numpy(value) for name, value in policy.items()}
        n_steps, n_trials, n_units = trials.n_steps, trials.n_trials, w["w_out"].shape[1]
        rows, n_actions = n_steps * n_trials, trials.n_actions
        kept = {name: rows if gradient and name in self._records else 0 for name in ("lam", "gam", "s", "d")}
        p = _Packed(
            n_steps=0,
            rows=0,
            start=np.zeros(n_steps + 1, np.int64),
            step=np.empty(0, np.int64),
            trial=np.empty(rows, np.int64),
            prev=np.empty(rows, np.int64),
            action=np.empty(rows, np.int64),
            x=np.empty((rows, n_units), self._type),
            r=np.empty((rows, n_units), self._type),
            **{name: np.empty((size, n_units), self._type) for name, size in kept.items()},
            z=np.empty((rows, n_actions), self._type),
            kept=gradient,
        )
        w_in_t, b_in, advance = np.ascontiguousarray(w["w_in"].T), w["b_in"], self._stepper(w, trials, p)
        alive, t0 = np.arange(n_trials), 0
        while t0 < n_steps and len(alive):
            t1 = min(t0 + block, n_steps)
            index = torch.from_numpy(alive)
            noise = _numpy(draws.noise(t0, t1, index, n_units))
            uniform = _numpy(draws.uniform(t0, t1, index))
            seen = trials.inputs[t0:t1, alive].astype(self._type, copy=False)
            drive = seen.reshape(-1, seen.shape[2]) @ w_in_t
            drive += b_in
            done, finite = advance(t0, t1, drive.reshape(t1 - t0, len(alive), -1), noise, uniform, alive.copy())
            if not finite:
                raise TrainingError(f"the policy became NaN or infinite at step {t0 + done} of a trial.")
            p.n_steps = t0 + done
            if on_block is not None:
                on_block(p, t0, p.n_steps)
            ran = slice(p.start[p.n_steps - 1], p.start[p.n_steps])
            last = p.trial[ran]
            ended = trials.stops[trials.phase[p.n_steps - 1, last], last, p.action[ran]]
            alive, t0 = last[~ended], p.n_steps
        p.rows = int(p.start[p.n_steps])
        for name in ("trial", "prev", "action", "x", "r", "z", "lam", "gam", "s", "d"):
            setattr(p, name, getattr(p, name)[: p.rows])
        p.step = np.repeat(np.arange(p.n_steps), np.diff(p.start[: p.n_steps + 1]))
        if gradient:
            p.inputs = trials.inputs[p.step, p.trial].astype(self._type, copy=False)

        dense = {name: np.zeros((n_steps, n_trials), self._type) for name in ("rewards", "mask")}
        actions = np.full((n_steps, n_trials), -1, np.int64)
        at = (p.step, p.trial)
        actions[at] = p.action
        dense["mask"][at] = 1
        dense["rewards"][at] = trials.discount[p.step] * trials.rewards[trials.phase[at], p.trial, p.action]
        return Episode(
            torch.from_numpy(actions), torch.from_numpy(dense["rewards"]), torch.from_numpy(dense["mask"]), record=p
        )

    def _stepper(self, w: Mapping[str, Array], trials: Trials, p: _Packed) -> Stepper:
        """What runs a policy over a block of steps and extends its records."""
        weights_t = [np.ascontiguousarray(w[k].T) for k in ("w_gates", "w_rec", "w_out")]

        def advance(
            t0: int, t1: int, drive: Array, noise: Array, uniform: Array, alive: NDArray[Any]
        ) -> tuple[int, bool]:
            noise *= self._noise_sd
            return kernels.rollout(
                t0, t1, trials.n_steps - 1, self._alpha, w["x0"], drive, noise, uniform, alive, trials.phase,
                trials.stops, *weights_t, w["b_out"],
                p.start, p.trial, p.prev, p.action, p.z, p.x, p.r, p.lam, p.gam, p.s, p.d, p.kept,
            )  # fmt: skip

        return advance

    def policy_gradient(
        self,
        policy: Mapping[str, Tensor],
        episode: Episode,
        advantage: Tensor,
        entropy: float = 0.0,
        penalty: Penalty = NO_PENALTY,
    ) -> Grads:
        """Gradient of -sum (log pi(a_t) * advantage_t + entropy * H_t) with respect to the effective weights.

        Args:
            policy: The weights of the rollout.
            episode: A rollout with gradient=True.
            advantage: Factor on each log-probability, (n_steps, n_trials).
            entropy: Factor on the entropy H_t of the policy at each step.
            penalty: Penalties on rates and gradients (not those on weights), whose gradient is added.
        """
        p: _Packed = episode.record  # type: ignore[assignment]
        assert p.inputs is not None, "the rollout kept no gradient"
        d_logits = self._logits_slope(p, advantage, entropy)
        return self._gated_gradient(policy, p, d_logits, (p.inputs[p.start[1] :],), penalty)

    def _logits_slope(self, p: _Packed, advantage: Tensor, entropy: float) -> Array:
        """Gradient of the policy's objective in the logits of each row, (rows, n_actions)."""
        factor = _numpy(advantage)[p.step, p.trial]
        d_logits = p.z * factor[:, None]
        d_logits[np.arange(p.rows), p.action] -= factor
        if entropy:
            surprise = p.z * np.log(np.where(p.z > 0, p.z, 1))  # minus each action's share of the entropy
            d_logits += self._type.type(entropy) * (surprise - p.z * surprise.sum(1, keepdims=True))
        return d_logits

    # -- value ----------------------------------------------------------------------------------------------

    def rollout_with_value(
        self,
        policy: Mapping[str, Tensor],
        value: Mapping[str, Tensor],
        trials: Trials,
        draws: Draws,
        helper: Executor | None = None,
        on_block: OnBlock | None = None,
        block: int = BLOCK,
    ) -> tuple[Episode, ValuePass]:
        """`rollout` and `value` (learning pairing) together: the value network follows the policy block by block.

        Given a helper, an executor of one thread, it follows there. The result does not depend on that. `on_block` and
        `block` as in `rollout`; it is called after the value network was told to follow.
        """
        follower = _Follower(self, value, draws, "learning", gradient=True)
        pending: list[Future[None]] = []

        def follow(p: _Packed, t0: int, t1: int) -> None:
            # the records are still being extended: what follows looks at these steps and earlier ones only
            if helper is None:
                follower.run(p, t0, t1)
            else:
                pending.append(helper.submit(follower.run, p, t0, t1))
            if on_block is not None:
                on_block(p, t0, t1)

        try:
            episode = self.rollout(policy, trials, draws, on_block=follow, block=block)
        finally:
            for future in pending:
                future.result()
        return episode, follower.finish(episode)

    def value(
        self,
        value: Mapping[str, Tensor],
        episode: Episode,
        draws: Draws,
        pairing: Pairing = "learning",
        gradient: bool = True,
    ) -> ValuePass:
        """Predicted return of every step that happened.

        Args:
            value: Effective weights of the value network, gated or linear.
            episode: The rollout it looks at.
            draws: Random numbers.
            pairing: "learning": the state of step t has seen the rates and actions up to t - 1, so that the baseline
                does not depend on the action it judges; "rollout": rates up to t and actions up to t - 1, the
                pairing of the published value traces.
            gradient: Keep what `value_gradient` needs.
        """
        p: _Packed = episode.record  # type: ignore[assignment]
        follower = _Follower(self, value, draws, pairing, gradient)
        for t0 in range(0, p.n_steps, BLOCK):
            follower.run(p, t0, min(t0 + BLOCK, p.n_steps))
        return follower.finish(episode)

    def value_gradient(
        self, value: Mapping[str, Tensor], passed: ValuePass, d_value: Tensor, penalty: Penalty = NO_PENALTY
    ) -> Grads:
        """Gradient of a loss with respect to the effective weights, given its gradient in each predicted return.

        The gradient of penalties on rates and gradients is added; the 'rates' of a linear network are its inputs.
        """
        record: tuple[_Packed, _Follower] = passed.record  # type: ignore[assignment]
        v, seen = record
        assert seen.keeps_gradient, "the value pass kept no gradient"
        d_out = _numpy(d_value)[v.step, v.trial][:, None]
        if "w_rec" not in value:
            first = v.start[1]
            x0 = (d_out[:first] @ _numpy(value["w_out"])).sum(0)
            if penalty.l2_rate:
                x0 += v.r[:first].sum(0) * self._rate_slope(v, penalty)
            grads = {"w_out": d_out.T @ v.r, "b_out": d_out.sum(0), "x0": x0}
            return {name: torch.from_numpy(g) for name, g in grads.items()}
        first = v.start[1]
        rows = v.prev[first:] if seen.pairing == "learning" else slice(first, None)
        acts = np.eye(seen.n_actions, dtype=self._type)[v.action[v.prev[first:]]]
        return self._gated_gradient(value, v, d_out, (seen.rates[rows], acts), penalty)

    # -- shared ---------------------------------------------------------------------------------------------

    def _rate_slope(self, p: _Packed, penalty: Penalty) -> np.floating:
        slope: np.floating = self._type.type(2 * penalty.l2_rate / (p.r.shape[1] * p.rows))
        return slope

    def _gated_gradient(
        self, weights: Mapping[str, Tensor], p: _Packed, d_out: Array, inputs: tuple[Array, ...], penalty: Penalty
    ) -> Grads:
        """Gradients of a gated network; `inputs` are the columns of what drove each row after step 0."""
        w = {name: np.ascontiguousarray(_numpy(weights[name])) for name in ("w_out", "w_gates", "w_rec")}
        first, n = p.start[1], p.x.shape[1]
        d_state = np.empty((p.rows - first, n), self._type)
        d_gates = np.empty((p.rows - first, 2 * n), self._type)
        d_x0 = np.empty(n, self._type)
        d_out = np.ascontiguousarray(d_out)
        kernels.backward(
            p.n_steps, self._alpha, p.start, p.prev, p.x, p.r, p.lam, p.gam, p.d, d_out,
            w["w_out"], w["w_gates"], w["w_rec"], self._rate_slope(p, penalty), d_state, d_gates, d_x0,
        )  # fmt: skip
        ones = np.ones(p.rows, self._type)
        d_in = [np.concatenate([d_state.T @ u, d_gates.T @ u]) for u in inputs]
        grads = {
            "w_in": np.concatenate(d_in, 1),
            "b_in": np.concatenate([ones[first:] @ d_state, ones[first:] @ d_gates]),
            "w_gates": d_gates.T @ p.r[p.prev[first:]],
            "w_rec": d_state.T @ p.s[first:],
            "w_out": d_out.T @ p.r,
            "b_out": ones @ d_out,
            "x0": d_x0,
        }
        made = {name: torch.from_numpy(g) for name, g in grads.items()}
        if penalty.gradient and p.rows > first:
            # the gates are 1: what reaches the state of a row is its d_state / alpha
            reaching, active = torch.from_numpy(d_state) / float(self._alpha), torch.from_numpy(p.x[p.prev[first:]] > 0)
            slope = vanishing_gradients_slope(
                weights["w_rec"], reaching, active, float(self._alpha), int(p.rows - first)
            )
            made["w_rec"] += penalty.gradient * slope
        return made

    def activity(self, episode: Episode, passed: ValuePass | None = None) -> dict[str, Array]:
        """Dense records of a batch: policy rates, probabilities and, given a value pass, value rates."""
        p: _Packed = episode.record  # type: ignore[assignment]
        records = {"policy_rates": p.r, "probabilities": p.z}
        if passed is not None:
            records["value_rates"] = passed.record[0].r  # type: ignore[index]
        dense = {}
        for name, values in records.items():
            dense[name] = np.zeros((*episode.mask.shape, values.shape[1]), self._type)
            dense[name][p.step, p.trial] = values
        return dense


class _Follower:
    """A value network that follows a rollout block by block."""

    def __init__(
        self, engine: CpuEngine, value: Mapping[str, Tensor], draws: Draws, pairing: Pairing, gradient: bool
    ) -> None:
        self._engine, self._draws, self.pairing, self._keep = engine, draws, pairing, gradient
        self._w = {name: _numpy(v) for name, v in value.items()}
        self._gated = "w_rec" in self._w
        self._v: _Packed | None = None
        self._drive: Array = np.empty((0, 0))
        self.rates: Array = np.empty((0, 0))
        """Rates of the policy network, packed."""
        self.n_actions = 0

    @property
    def keeps_gradient(self) -> bool:
        """Whether the records of the gradient are kept."""
        return self._keep

    def _prepare(self, p: _Packed) -> None:
        w, kind = self._w, self._engine._type
        n_rows, n_policy = p.r.shape
        self.rates = p.r
        if self._gated:
            n = len(w["x0"])
            self.n_actions = w["w_in"].shape[1] - n_policy
            self._drive = np.empty((n_rows, 3 * n), kind)
            self._rates_to_drive = np.ascontiguousarray(w["w_in"][:, :n_policy].T)
            self._by_action = w["w_in"][:, n_policy:].T + w["b_in"]
            self._recurrent = [np.ascontiguousarray(w[name].T) for name in ("w_gates", "w_rec")]
            sizes = [n_rows] * 2 + [n_rows if self._keep else 0] * 4  # x, r; lam, gam, s, d
            arrays = [np.empty((rows, n), kind) for rows in sizes]
        else:
            self.n_actions = w["w_out"].shape[1] - n_policy
            none = np.empty((0, 0), kind)
            arrays = [none, np.zeros((n_rows, n_policy + self.n_actions), kind), none, none, none, none]
        x, r, lam, gam, s, d = arrays
        z = np.empty((0, 0), kind)
        self._v = _Packed(0, 0, p.start, p.step, p.trial, p.prev, p.action, x, r, lam, gam, s, d, z)

    def run(self, p: _Packed, t0: int, t1: int) -> None:
        """Predict the steps t0 up to (not including) t1, whose rows of `p` are complete."""
        if self._v is None:
            self._prepare(p)
        v, w = self._v, self._w
        assert v is not None
        rows = slice(p.start[t0], p.start[t1])
        ahead = self.pairing == "rollout"
        if not self._gated:
            later = slice(max(rows.start, p.start[1]), rows.stop)
            prev = p.prev[later]
            v.r[later, : p.r.shape[1]] = p.r[later if ahead else prev]
            v.r[np.arange(later.start, later.stop), p.r.shape[1] + p.action[prev]] = 1
            v.r[: p.start[1]] = w["x0"]
            return
        np.matmul(p.r[rows], self._rates_to_drive, out=self._drive[rows])
        step = torch.from_numpy(np.repeat(np.arange(t0, t1), np.diff(p.start[t0 : t1 + 1])))
        noise = self._draws.value_noise(step, torch.from_numpy(p.trial[rows]), len(w["x0"]))
        kernels.forward(
            t0, t1, self._engine._alpha, w["x0"], self._drive, ahead, self._by_action, p.action,
            _numpy(noise.mul_(self._engine._value_noise_sd)), p.start, p.prev, *self._recurrent,
            v.x, v.r, v.lam, v.gam, v.s, v.d, self._keep,
        )  # fmt: skip

    def finish(self, episode: Episode) -> ValuePass:
        """Predicted returns, once every step has been run."""
        p: _Packed = episode.record  # type: ignore[assignment]
        v = self._v
        assert v is not None
        v.n_steps, v.rows, v.step = p.n_steps, p.rows, p.step
        for name in ("trial", "prev", "action"):
            setattr(v, name, getattr(p, name))
        for name in ("x", "r", "lam", "gam", "s", "d"):
            setattr(v, name, getattr(v, name)[: p.rows])
        self.rates = p.r
        predicted = v.r @ self._w["w_out"][0] + self._w["b_out"]
        dense = torch.zeros(episode.mask.shape, dtype=self._engine.dtype)
        dense[torch.from_numpy(p.step), torch.from_numpy(p.trial)] = torch.from_numpy(predicted)
        return ValuePass(dense, (v, self))
