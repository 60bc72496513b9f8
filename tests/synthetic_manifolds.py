"""Networks whose line and ring attractors are known, exactly or after a small random change of their weights."""

from typing import Any

import numpy as np

from rnnpipe.networks.activations import Activation, ActivationName
from rnnpipe.networks.ctrnn import Ctrnn, Form


def network(
    w: Any, b: Any = 0.0, act: ActivationName = "tanh", form: Form = "rate", w_in: Any = None, w_out: Any = None
) -> Ctrnn:
    """A network of tau = 10 ms and dt = 1 ms; one input without effect and the first unit as output by default."""
    w = np.asarray(w, float)
    n = len(w)
    return Ctrnn(
        w_rec=w,
        w_in=np.zeros((n, 1)) if w_in is None else np.asarray(w_in, float),
        w_out=np.eye(n)[:1] if w_out is None else np.asarray(w_out, float),
        b_rec=np.broadcast_to(np.asarray(b, float), n).copy(),
        x_init=np.zeros(n),
        activation=Activation(act),
        form=form,
        tau=10.0,
        dt=1.0,
    )


def hexagon(j0: float, order: Any = None) -> tuple[Ctrnn, np.ndarray, float]:
    """Six rectified units with an exact ring of fixed points: the network, a point of the ring, and p.

    With theta_k = 2 pi k / 6 and W_jk = (J0 + 4 cos(theta_j - theta_k)) / 6, J0 < 0, b = 1 and p = 3 / (2 |J0|), all
    (p - s, 2 p, p + s), |s| <= p, on three neighbouring units are fixed points.
    """
    theta = 2 * np.pi * np.arange(6) / 6
    order = np.arange(6) if order is None else np.asarray(order)
    w = (j0 + 4 * np.cos(theta[:, None] - theta)) / 6
    p = 1.5 / abs(j0)
    x = np.array([0.7 * p, 2 * p, 1.3 * p, 0, 0, 0])
    return network(w[np.ix_(order, order)], 1.0, "relu"), x[order], p


def ring(n: int, epsilon: float, seed: int, act: ActivationName = "tanh", form: Form = "rate") -> Ctrnn:
    """A ring of units with cosine weights, and a random change of relative size epsilon that breaks the symmetry."""
    theta = 2 * np.pi * np.arange(n) / n
    noise = epsilon * np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n)
    if act == "tanh":
        return network(4 / n * np.cos(theta[:, None] - theta) + noise, form=form)
    return network((-2 + 4 * np.cos(theta[:, None] - theta)) / n + noise, 1.0, act, form)


def line(n: int, gain: float, signs: Any = 1.0, form: Form = "rate", **arrays: Any) -> Ctrnn:
    """Tanh units with W = gain s s^T / n: slow along s, where x = m s obeys tau dm/dt = -m + tanh(gain m)."""
    s = np.broadcast_to(np.asarray(signs, float), n)
    return network(gain / n * np.outer(s, s), form=form, **arrays)
