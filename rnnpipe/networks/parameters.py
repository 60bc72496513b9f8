"""Parameters of a network as views into one flat vector, and their initial values.

Weights are stored w[to, from]; the input weights and biases have row blocks [state | lambda | gamma], the gate
weights row blocks [lambda | gamma]. A simple network has the state's block alone; where its weights act (`effective`)
it is written as a gated network whose gates are 1. A rate network (`rate_policy`) has magnitudes `w`, to which the
signs of the units apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnpipe.networks.settings import PARAMETERS, GatedSettings, ValueSettings

if TYPE_CHECKING:
    from rnnpipe.networks.rate_settings import RateSettings

ORDER = (*PARAMETERS["gated"], *PARAMETERS["rate"])


class Parameters(Mapping[str, Tensor]):
    """Named tensors that are views into the one contiguous vector `flat`.

    One vector makes the optimiser, the gradient norm and a checkpoint single operations.
    """

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        names = [name for name in dict.fromkeys(ORDER) if name in values]
        self.flat = torch.cat([values[name].reshape(-1) for name in names])
        self._views: dict[str, Tensor] = {}
        start = 0
        for name in names:
            n = values[name].numel()
            self._views[name] = self.flat[start : start + n].view(values[name].shape)
            start += n

    def __getitem__(self, name: str) -> Tensor:
        return self._views[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def zeros_like(self) -> Parameters:
        """Zeros of the same names and shapes."""
        return Parameters({name: torch.zeros_like(value) for name, value in self.items()})

    def clone(self) -> Parameters:
        """An independent copy."""
        return Parameters(self)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Parameters:
        """A copy on another device or in another precision."""
        return Parameters({name: value.to(device=device, dtype=dtype) for name, value in self.items()})

    def mask_of(self, names: Iterable[str]) -> Tensor:
        """1 in `flat` for entries of the named parameters, 0 elsewhere."""
        chosen = set(names)
        return torch.cat([torch.full((v.numel(),), float(n in chosen), dtype=v.dtype) for n, v in self.items()])


def _connect(rng: np.random.RandomState, n_units: int, n_rows: int, k: int) -> NDArray[np.float64]:
    """Mask (n_rows, n_units) with exactly `k` inputs per row; a fresh permutation per row."""
    mask = np.zeros((n_rows, n_units))
    for row in mask:
        row[rng.permutation(n_units)[:k]] = 1
    return mask


def recurrent_shapes(kind: str, n_units: int, n_inputs: int, n_outputs: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the parameters of a gated or simple network by name."""
    blocks = 3 if kind == "gated" else 1
    shapes: dict[str, tuple[int, ...]] = {
        "w_in": (blocks * n_units, n_inputs),
        "b_in": (blocks * n_units,),
        "w_gates": (2 * n_units, n_units),
        "w_rec": (n_units, n_units),
        "w_out": (n_outputs, n_units),
        "b_out": (n_outputs,),
        "x0": (n_units,),
    }
    return {name: shapes[name] for name in PARAMETERS[kind]}


GATE_BIAS = 100.0
"""Bias whose sigmoid is exactly 1 in single and double precision."""


def initial_recurrent(
    settings: GatedSettings | ValueSettings,
    n_inputs: int,
    n_outputs: int,
    seed: int,
    input_scale: float,
    b_out: float,
) -> tuple[Parameters, dict[str, Tensor]]:
    """Initial parameters of a gated or simple network and its connection masks.

    Draws in the published order from a legacy Mersenne Twister, so that a seed gives the published networks:
    connections (w_rec, then the gates), input weights (normal times `input_scale`), magnitudes of recurrent
    weights (Gamma of mean 1 and variance 1/4; gates first), their signs (gates first). Readout weights are 0, the
    readout bias `b_out`, the initial state 0.5. Each masked recurrent block is scaled to the spectral radius.

    A simple network has no gates: connections, input weights, recurrent weights (standard normal), each drawn as above;
    its initial state is arctanh(0.5).

    Returns:
        float32 parameters; masks {w_rec, w_gates} of 0 and 1, empty if every pair of units is connected.

    Reference: Song, Yang & Wang (2017) eLife 6:e21492, Methods; the authors' code for the order of draws.
    """
    n, rng = settings.n_units, np.random.RandomState(seed)
    gated = settings.kind == "gated"
    blocks = 3 if gated else 1
    masks: dict[str, NDArray[np.float64]] = {}
    if settings.connection_probability < 1:
        # the small constant keeps e.g. 0.29 * 100 from being cut to 28
        k = max(1, int(settings.connection_probability * n + 1e-9))
        masks["w_rec"] = _connect(rng, n, n, k)
        if gated:
            masks["w_gates"] = _connect(rng, n, 2 * n, k)
    w_in = input_scale * rng.normal(size=(n_inputs, blocks * n))
    weights = {}  # drawn [from, to], stored [to, from]
    if gated:
        w_gates = rng.gamma(4.0, 0.25, size=(n, 2 * n))
        w_rec = rng.gamma(4.0, 0.25, size=(n, n))
        w_gates *= 2 * rng.randint(2, size=(n, 2 * n)) - 1
        w_rec *= 2 * rng.randint(2, size=(n, n)) - 1
        weights["w_gates"] = w_gates.T.copy()
    else:
        w_rec = rng.normal(size=(n, n))
    weights["w_rec"] = w_rec.T.copy()
    for name, w in weights.items():
        mask = masks.get(name, np.ones_like(w))
        for rows in (slice(0, n), slice(n, 2 * n))[: len(w) // n]:
            radius = np.abs(np.linalg.eigvals((mask * w)[rows])).max()
            w[rows] *= settings.radius / radius
    values = {
        "w_in": w_in.T,
        "b_in": np.zeros(blocks * n),
        **weights,
        "w_out": np.zeros((n_outputs, n)),
        "b_out": np.full(n_outputs, b_out),
        "x0": np.full(n, 0.5 if gated else np.arctanh(0.5)),
    }
    as_tensor = {name: torch.tensor(value, dtype=torch.float32) for name, value in values.items()}
    return Parameters(as_tensor), {k: torch.tensor(m, dtype=torch.float32) for k, m in masks.items()}


def initial_policy(
    settings: GatedSettings, input_names: Sequence[str], n_actions: int, seed: int
) -> tuple[Parameters, dict[str, Tensor]]:
    """Initial policy network; input weights have SD input_scale * sqrt(p * n_units) / n_inputs.

    Inputs reach the units that `input_targets` names, in each of the (three or one) blocks; the mask of a permanent
    pattern is `w_in`.
    """
    n, n_inputs = settings.n_units, len(input_names)
    scale = settings.input_scale * np.sqrt(settings.connection_probability * n) / n_inputs
    parameters, masks = initial_recurrent(settings, n_inputs, n_actions, seed, scale, b_out=0.0)
    pattern = torch.ones(len(parameters["b_in"]) // n, n, n_inputs)
    for name, (first, end) in settings.input_targets.items():
        column = pattern[:, :, input_names.index(name)]
        column[:, :first] = column[:, end:] = 0
    pattern = pattern.view(-1, n_inputs)
    parameters["w_in"].mul_(pattern)
    if settings.input_targets and settings.input_targets_permanent:
        masks["w_in"] = pattern
    return parameters, masks


def initial_value(
    settings: ValueSettings, policy: GatedSettings | RateSettings, n_actions: int, seed: int, reward_abort: float
) -> tuple[Parameters, dict[str, Tensor]]:
    """Initial value network: it predicts `initial_value` everywhere.

    Input weights have SD input_scale * sqrt(p * n) / (n + n_actions) with n the number of *policy* units, also
    when the value network has another size (a convention of the published networks). A linear network has only
    x0, which stands for its input at t = 0, and the readout.
    """
    b_out = reward_abort if settings.initial_value is None else settings.initial_value
    n_inputs = policy.n_units + n_actions
    if settings.kind == "linear":
        values = {
            "w_out": torch.zeros(1, n_inputs),
            "b_out": torch.full((1,), b_out),
            "x0": torch.full((n_inputs,), 0.5),
        }
        return Parameters(values), {}
    scale = settings.input_scale * np.sqrt(settings.connection_probability * policy.n_units) / n_inputs
    return initial_recurrent(settings, n_inputs, 1, seed, scale, b_out)


def masked(parameters: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters times their masks, where there is a mask."""
    return {name: masks[name] * value if name in masks else value for name, value in parameters.items()}


def effective(parameters: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights that act: masked, those of a simple network as the gated network that it is, with gates at 1.

    Those of a rate network are `w_rec`, the magnitudes with their signs, `w_in`, `b_in`, `w_out`, `b_out` and `gamma`.
    """
    w = masked(parameters, masks)
    if "w" in w:
        w["w_rec"], w["b_in"] = w.pop("w"), w.pop("b_rec")
        if "sign" in w:
            w["w_rec"] = w["w_rec"].relu() * w.pop("sign")
        return w
    if "w_rec" not in w or "w_gates" in w:
        return w
    n = len(w["w_rec"])
    w["w_in"] = torch.cat([w["w_in"], w["w_in"].new_zeros(2 * n, w["w_in"].shape[1])])
    w["b_in"] = torch.cat([w["b_in"], w["b_in"].new_full((2 * n,), GATE_BIAS)])
    w["w_gates"] = w["w_rec"].new_zeros(2 * n, n)
    return w


def own(gradient: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A gradient in the effective weights as one in the parameters: without the gates that a simple network lacks.

    Their rows come after those of the state. A magnitude of a rate network that is not positive has no effect and no
    gradient.
    """
    if "w" in parameters:
        w, w_rec, still = parameters["w"], gradient["w_rec"], {}
        if "sign" in parameters:
            w_rec = w_rec * parameters["sign"] * (w > 0)
            still = {"sign": torch.zeros_like(parameters["sign"])}
        made = {**gradient, **still, "w": w_rec, "b_rec": gradient["b_in"]}
        return {name: made[name] for name in parameters}
    return {name: gradient[name][: len(value)] for name, value in parameters.items()}
