"""The engine of continuous-time networks against autograd, finite differences and the simulation that defines them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from rnnpipe.networks import ctrnn_reference as reference
from rnnpipe.networks.activations import ACTIVATIONS, Activation
from rnnpipe.networks.ctrnn import ARRAYS, Ctrnn
from rnnpipe.networks.ctrnn_engine import CtrnnEngine, Noise

F64 = np.float64
SHAPE: dict[str, Any] = {"relu": {"slope": 1.3}, "leaky_relu": {"slope": 1.3, "leak": 0.1}, "tanh": {"slope": 1.5},
    "sigmoid": {"slope": 3.0, "shift": 0.3}, "softplus": {"slope": 0.8, "sharpness": 3.0}, "gelu": {"sharpness": 2.0},
}  # fmt: skip


def a_network(n: int = 6, activation: str = "tanh", form: str = "rate", seed: int = 0, **more: Any) -> Ctrnn:
    rng = np.random.default_rng(seed)
    n_in, n_out = more.pop("n_in", 3), more.pop("n_out", 2)
    own: dict[str, Any] = {"tau": 10.0, "dt": 2.0, "sigma_rec": 0.2, "sigma_in": 0.1, "sigma_out": 0.05, **more}
    return Ctrnn(
        rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=(n, n_in)), rng.normal(size=(n_out, n)) / np.sqrt(n),
        0.2 * rng.normal(size=n), 0.3 * rng.normal(size=n),
        Activation(activation, **SHAPE[activation]), form, **own,  # type: ignore[arg-type]
    )  # fmt: skip


def a_batch(network: Ctrnn, n_steps: int = 9, n_trials: int = 4, seed: int = 1) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n_steps, n_trials, network.n_inputs))
    target = rng.normal(size=(n_steps, n_trials, network.n_outputs))
    mask = (rng.random((n_steps, n_trials)) < 0.7) * rng.choice([0.5, 1.0, 2.0], size=(n_steps, n_trials))
    mask[-1, 0] = 1.0
    return inputs, target, mask


def some_noise(network: Ctrnn, n_steps: int, n_trials: int, seed: int = 2) -> Noise:
    rng = np.random.default_rng(seed)
    n, m = network.n_units, network.n_inputs
    return (
        rng.normal(size=(n_steps - 1, n_trials, n)),
        rng.normal(size=(n_steps - 1, n_trials, m)),
        rng.normal(size=(n_steps, n_trials, n)),
    )


def arrays(network: Ctrnn, dtype: Any = F64) -> dict[str, Any]:
    return {name: np.asarray(getattr(network, name), dtype) for name in ARRAYS}


def by_autograd(network: Ctrnn, batch: tuple[Any, ...], noise: Noise, rate_penalty: float) -> Any:
    w = {name: torch.tensor(value, requires_grad=True) for name, value in arrays(network).items()}
    tensors = tuple(None if a is None else torch.tensor(a) for a in noise)
    inputs, target, mask = map(torch.tensor, batch)
    loss, mse, x = reference.loss(network, w, inputs, target, mask, tensors, rate_penalty)  # type: ignore[arg-type]
    loss.backward()  # type: ignore[no-untyped-call]
    return mse.item(), x.detach().numpy(), {name: value.grad.numpy() for name, value in w.items()}  # type: ignore[union-attr]


KINDS = [
    *({"activation": a, "form": "rate", "noise_site": s} for a, s in itertools.product(ACTIVATIONS, ("post", "pre"))),
    *({"activation": a, "form": "current"} for a in ACTIVATIONS),
    {"form": "rate", "saturation": 0.1},
    {"form": "current", "saturation": 0.1},
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))
def test_gradients_equal_autograd(kind: dict[str, Any]) -> None:
    network = a_network(**kind)
    batch, noise = a_batch(network), some_noise(network, 9, 4)
    mse, x, expected = by_autograd(network, batch, noise, 0.7)
    inputs, target, mask = batch
    found = CtrnnEngine(network).update(arrays(network), inputs, target, mask, 0, rate_penalty=0.7, noise=noise)
    np.testing.assert_allclose(found.mse, mse, rtol=1e-12)
    np.testing.assert_allclose(found.largest_state, np.abs(x).max(), rtol=1e-12)
    for name in ARRAYS:
        scale = np.abs(expected[name]).max()
        assert scale > 1e-4, f"the case does not exercise {name}"
        np.testing.assert_allclose(found.gradients[name], expected[name], rtol=0, atol=1e-10 * scale, err_msg=name)
