"""Fast engine of continuous-time networks on the CPU: loss of a batch, its gradient by backpropagation, runs.

The equations are those of `ctrnn`, the backward pass is derived by hand in `ctrnn_kernels`. A batch is cut into tiles
of trials, which go through all steps there and back on their own: threads take whole tiles, and the sum over tiles is
made in their order, so that results do not depend on the number of threads. A tile's noise is a stream of its own.

An ensemble is several engines, one a thread (with the default `map_`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.networks import ctrnn_kernels as kernels
from rnnpipe.networks.ctrnn import Ctrnn
from rnnpipe.networks.ctrnn_activations import KINDS
from rnnpipe.networks.ctrnn_products import GRAIN, ROWS, SIDES, SUMS, pack, unpack
from rnnpipe.networks.random_kernels import LANES

Array = NDArray[np.floating]
Noise = tuple[Array | None, Array | None, Array | None]
"""Standard normal numbers of the units, the input channels and the output: (n_steps - 1, n_trials, n_units), (n_steps -
1, n_trials, n_inputs) and (n_steps, n_trials, n_units), or longer; None is no noise."""
StateTerms = Callable[[Array, Array], tuple[float, Array | None, Array | None]]
"""A penalty on (rates, states), both (n_steps, n_trials, n_units): its value and its gradients in them."""


@dataclass
class Update:
    """A batch's loss and gradient."""

    mse: float
    """Squared error of the outputs, its mean over outputs, and over steps and trials with the mask as weights."""
    mean_square_rate: float
    """Mean of r^2 over all steps, trials and units."""
    largest_state: float
    """Largest |x|; infinite if one is NaN."""
    gradients: dict[str, Array]
    """Gradient of mse + rate_penalty * mean_square_rate + further terms, by name of `ctrnn.ARRAYS`."""


@dataclass(frozen=True)
class Tile:
    """Some trials of a batch."""

    index: int
    first: int
    count: int
    width: int
    """Trials with those that fill up a multiple of GRAIN."""


LARGEST = 4
"""Multiples of GRAIN in the largest tile."""


def tiles(n_trials: int) -> list[Tile]:
    """How a batch is cut: as evenly as possible, into an even number of tiles unless they would become narrow."""
    grains = -(-n_trials // GRAIN)
    n = -(-grains // LARGEST)
    n += n % 2 if grains >= 4 else 0
    ends = [GRAIN * -(-k * grains // n) for k in range(n + 1)]
    bounds = zip(ends, ends[1:], strict=False)
    return [Tile(k, first, min(end, n_trials) - first, end - first) for k, (first, end) in enumerate(bounds)]


class _Space:
    """Records and workspaces of one tile at a time.

    Args:
        slots: Steps that are kept.
        x_slots: Steps whose states are kept beside their rates.
        n, n_in, n_out: Units, inputs, outputs.
        kind: Precision.
    """

    def __init__(self, slots: int, x_slots: int, n: int, n_in: int, n_out: int, kind: Any) -> None:
        widest, filled = LARGEST * GRAIN, kernels.filled
        n_a, n_b = filled(n + n_out, SIDES[0]), filled(n + n_in + 1, SIDES[1])
        self.slots, self.x_slots, self.shape, self.n = slots, x_slots, (n_a, n_b), n
        self.src = np.zeros(slots * n_b * widest, kind)
        # one step more, and room for what is read beyond the last output
        self.grad = np.zeros(((slots + 1) * n_a + SIDES[0]) * widest, kind)
        self.x = np.zeros(x_slots * n * widest, kind)
        self.z, self.a, self.shown = (np.zeros(filled(n, ROWS) * widest, kind) for _ in range(3))
        self.y = np.zeros(filled(n_out, ROWS) * widest, kind)
        self.xi = np.zeros(filled((n + n_in + filled(n, SIDES[1])) * widest, 2 * LANES), kind)
        self.sums = np.zeros(n_a // SIDES[0] * (n_b // SIDES[1]) * SUMS, kind)
        self.noisy = np.zeros(filled(n_out, SIDES[0]) // SIDES[0] * (filled(n, SIDES[1]) // SIDES[1]) * SUMS, kind)
        self.lanes = np.zeros((4, LANES), np.uint32)

    def history(self, rates: bool, tile: Tile) -> Array:
        """Rates or states of the tile that was run, (n_steps, n_trials, n_units)."""
        beside = len(self.x) > 0 and not rates
        rows, records = (self.n, self.x) if beside else (self.shape[1], self.src)
        kept = records[: self.slots * rows * tile.width].reshape(self.slots, rows, tile.width)
        return kept[:, : self.n, : tile.count].transpose(0, 2, 1)


@dataclass
class _Call:
    """Arguments of an update or a run, as the kernels want them."""

    p: dict[str, Array]
    inputs: Array
    seed: int
    noise: Noise | None
    target: Array
    mask: Array
    outputs: Array
    states: Array
    factor: float = 0.0

    def __post_init__(self) -> None:
        p = self.p
        self.kind: Any = p["w_rec"].dtype.type
        self.w = pack(np.hstack([p["w_rec"], p["w_in"], p["b_rec"][:, None]]))
        self.w_out, self.w_back = pack(p["w_out"]), pack(np.hstack([p["w_rec"].T, p["w_out"].T]))
        self.n, self.n_in, self.n_out = len(p["w_rec"]), self.inputs.shape[2], len(p["w_out"])


def _taken(spaces: list[_Space]) -> _Space | None:
    """An idle workspace, or None; another thread may take the last one between a look and a pop."""
    try:
        return spaces.pop()
    except IndexError:
        return None


class CtrnnEngine:
    """Loss and gradient of networks of one kind, the arrays of which are given anew each time.

    Threads should round tiny numbers to zero, as those of `engines.thread_pool` do: decaying gradients underflow.

    Args:
        network: Its equations are used, and the SDs of its noise.
        map_: Applies a function to the tiles of a batch; `map` of a thread pool runs them side by side.
    """

    def __init__(self, network: Ctrnn, map_: Callable[..., Any] = map) -> None:
        self.map = map_
        self._current, self._pre = network.form == "current", network.noise_site == "pre"
        phi = network.activation
        self._kind, self._phi = KINDS[phi.name], (phi.slope, phi.shift, phi.sharpness, phi.leak)
        self._alpha, self._gamma = network.alpha, network.saturation
        scale = math.sqrt(2 / network.alpha)
        self._sigmas = (scale * network.sigma_rec, scale * network.sigma_in, network.sigma_out)
        self._idle: dict[str, tuple[Any, list[_Space]]] = {}

    def _spaces(self, use: str, *sizes: Any) -> list[_Space]:
        """Idle workspaces for a use; those of other sizes are dropped."""
        if use not in self._idle or self._idle[use][0] != sizes:
            self._idle[use] = sizes, []
        return self._idle[use][1]

    def _forward(self, call: _Call, tile: Tile, space: _Space) -> tuple[float, float, float]:
        """Run a tile: sums of weighted squared errors and of squared rates, largest |state|."""
        kind, drawn, sigmas = call.kind, call.noise is None, self._sigmas
        given = [np.zeros((0, 0, 0), kind)] * 3
        if call.noise is not None:
            sigma_rec, sigma_in, sigma_out = (0.0 if a is None else s for s, a in zip(sigmas, call.noise, strict=True))
            sigmas = sigma_rec, sigma_in, sigma_out
            given = [g if a is None else np.ascontiguousarray(a, kind) for g, a in zip(given, call.noise, strict=True)]
        kernels.start(np.uint64(call.seed % 2**64), tile.index, space.lanes)
        space.noisy[:] = 0
        error, square, largest = kernels.forward(
            call.inputs, call.target, call.mask, tile.first, tile.count, tile.width, len(call.target) > 0,
            self._current, self._pre, self._kind, np.array(self._phi, kind), kind(self._alpha), kind(self._gamma),
            np.array(sigmas, kind), kind(call.factor), call.w, call.w_out, call.p["x_init"], tuple(given),
            drawn and any(sigmas), space.lanes, space.slots, max(1, space.x_slots), space.src, space.grad, space.x,
            space.z, space.a, space.y, space.xi, space.shown, space.noisy, call.outputs, call.states,
        )  # fmt: skip
        size = np.array(largest, np.int32 if kind is np.float32 else np.int64).view(kind)
        return error, square, float(size)

    def _backward(
        self, call: _Call, tile: Tile, space: _Space, per_rate: float, more: tuple[Array, Array]
    ) -> tuple[Array, Array, Array]:
        """After `_forward`: gradients of [w_rec | w_in | b_rec ; w_out], of w_out by noise, and of x_init."""
        kind, alpha = call.kind, self._alpha
        d_init, matrix = np.empty(call.n, kind), np.empty(space.shape, kind)
        noisy = np.empty((kernels.filled(call.n_out, SIDES[0]), kernels.filled(call.n, SIDES[1])), kind)
        space.sums[:] = 0
        kernels.backward(
            len(call.inputs), call.n, call.n_in, call.n_out, tile.width, self._current, kind(alpha), kind(1 - alpha),
            kind(3 * alpha * self._gamma), kind(per_rate), call.w_back, space.src, space.grad, space.x, space.a,
            space.z, *more, tile.first, tile.count, space.sums, d_init,
        )  # fmt: skip
        unpack(space.sums, matrix)
        unpack(space.noisy, noisy)
        return matrix, noisy, d_init

    def update(
        self,
        arrays: dict[str, Array],
        inputs: Array,
        target: Array,
        mask: Array,
        seed: int,
        *,
        rate_penalty: float = 0.0,
        state_terms: StateTerms | None = None,
        noise: Noise | None = None,
    ) -> Update:
        """Loss of a batch and its gradient.

        Args:
            arrays: The network's arrays by name of `ctrnn.ARRAYS`, whose precision is computed in.
            inputs: (n_steps, n_trials, n_inputs).
            target: (n_steps, n_trials, n_outputs).
            mask: Weights of the squared errors, (n_steps, n_trials).
            seed: Decides the noise.
            rate_penalty: Weight of the mean squared rate in the loss.
            state_terms: Further terms of the loss; all rates and states are kept for it, which takes time and room.
            noise: Used instead of what `seed` decides.
        """
        kind: Any = arrays["w_rec"].dtype.type
        n_steps, n_trials, n_in = inputs.shape
        n, n_out = len(arrays["w_rec"]), target.shape[2]
        norm = n_out * float(mask.sum(dtype=np.float64))
        none: Array = np.zeros((0, 0, 0), kind)
        call = _Call(
            arrays, np.ascontiguousarray(inputs, kind), seed, noise, np.ascontiguousarray(target, kind),
            np.ascontiguousarray(mask, kind), none, none, 2 / norm if norm else 0.0,
        )  # fmt: skip
        x_slots = (n_steps if self._gamma or state_terms is not None else 2) if self._current else 0
        sizes = n_steps, x_slots, n, n_in, n_out, kind
        spaces, cut = self._spaces("update", *sizes), tiles(n_trials)
        per_rate = 2 * rate_penalty / (n_steps * n_trials * n)

        def there(tile: Tile) -> tuple[tuple[float, float, float], _Space]:
            space = _taken(spaces) or _Space(*sizes)
            return self._forward(call, tile, space), space

        def back(tile: Tile, space: _Space, more: tuple[Array, Array]) -> tuple[Array, Array, Array]:
            found = self._backward(call, tile, space, per_rate, more)
            spaces.append(space)
            return found

        def through(tile: Tile) -> tuple[tuple[float, float, float], tuple[Array, Array, Array]]:
            sums, space = there(tile)
            return sums, back(tile, space, (none, none))

        if state_terms is None:
            sums, parts = zip(*self.map(through, cut), strict=True)
        else:
            sums, used = zip(*self.map(there, cut), strict=True)
            rates, states = (
                np.concatenate([space.history(wanted, tile) for tile, space in zip(cut, used, strict=True)], axis=1)
                for wanted in (True, False)
            )
            _, by_rates, by_states = state_terms(rates, states)
            more = tuple(none if a is None else np.ascontiguousarray(a, kind) for a in (by_rates, by_states))
            parts = tuple(self.map(back, cut, used, [more] * len(cut)))
        matrix, noisy, d_init = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
        gradients = {
            "w_rec": matrix[:n, :n].copy(),
            "w_in": matrix[:n, n : n + n_in].copy(),
            "w_out": matrix[n : n + n_out, :n] + kind(self._sigmas[2]) * noisy[:n_out, :n],
            "b_rec": matrix[:n, n + n_in].copy(),
            "x_init": d_init,
        }
        error, square = (sum(one[k] for one in sums) for k in (0, 1))
        largest = max(size if math.isfinite(size) else math.inf for *_, size in sums)
        return Update(error / norm if norm else 0.0, square / (n_steps * n_trials * n), largest, gradients)

    def run(
        self,
        arrays: dict[str, Array],
        inputs: Array,
        seed: int | None = None,
        noise: Noise | None = None,
        states: bool = False,
    ) -> tuple[Array, Array | None]:
        """Outputs (n_steps, n_trials, n_outputs) of a batch and, if wanted, its states (n_steps, n_trials, n_units).

        Args:
            arrays: The network's arrays by name.
            inputs: (n_steps, n_trials, n_inputs).
            seed: Decides the noise; None is no noise.
            noise: Used instead of what `seed` decides.
            states: Whether states are wanted.
        """
        kind: Any = arrays["w_rec"].dtype.type
        n_steps, n_trials, n_in = inputs.shape
        n, n_out = len(arrays["w_rec"]), len(arrays["w_out"])
        if seed is None and noise is None:
            noise = (None, None, None)
        none: Array = np.zeros((0, 0, 0), kind)
        outputs: Array = np.empty((n_steps, n_trials, n_out), kind)
        kept: Array = np.empty((n_steps, n_trials, n), kind) if states else none
        no_mask: Array = np.zeros((0, 0), kind)
        call = _Call(arrays, np.ascontiguousarray(inputs, kind), seed or 0, noise, none, no_mask, outputs, kept)
        sizes = 2, 2 if self._current else 0, n, n_in, n_out, kind
        spaces = self._spaces("run", *sizes)

        def through(tile: Tile) -> None:
            space = _taken(spaces) or _Space(*sizes)
            self._forward(call, tile, space)
            spaces.append(space)

        list(self.map(through, tiles(n_trials)))
        return outputs, kept if states else None
