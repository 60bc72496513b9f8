"""Networks whose fixed points are known exactly, for the tests of the search, the certificates and the tracing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.networks.activations import Activation
from rnnpipe.networks.ctrnn import Ctrnn

Array = NDArray[np.float64]


def network(w: Any, b: Any = 0.0, activation: str = "tanh", form: str = "rate", **options: Any) -> Ctrnn:
    """A network of some recurrent weights and bias, with one input and one output; tau 10 ms, dt 1 ms."""
    w = np.asarray(w, float)
    n = len(w)
    options = {"tau": 10.0, "dt": 1.0, **options}
    return Ctrnn(
        w_rec=w,
        w_in=np.ones((n, 1)),
        w_out=np.ones((1, n)) / n,
        b_rec=np.broadcast_to(np.asarray(b, float), n).copy(),
        x_init=np.zeros(n),
        activation=Activation(activation),  # type: ignore[arg-type]
        form=form,  # type: ignore[arg-type]
        **options,
    )


def rolled(n: int) -> Array:
    """x = tanh(A x), A[:, i] = -roll(linspace(-1, 1, n), -i)."""
    return np.array([-np.roll(np.linspace(-1, 1, n), -i) for i in range(n)]).T


ROLLED = {
    2: [[0, 0], [-0.957504024077, 0.957504024077]],
    3: [[0, 0, 0], [-0.949795711387, 0.425502295113, 0.879894003155]],
    4: [
        [0, 0, 0, 0],
        [-0.962891906718, -0.525235230965, 0.962891906718, 0.525235230965],
        [-0.775516313852, 0.775516313852, -0.775516313852, 0.775516313852],
        [-0.877263141750, 0.569696163135, -0.339744995542, 0.789647670965],
        [-0.339744995542, 0.789647670965, -0.877263141750, 0.569696163135],
    ],
}
"""Fixed points of `rolled`, one of each pair +-x; signs of those of n = 4 up to a cyclic shift of the units."""

BLOCK_ROOT = {1.2: 0.6585696604057545, 1.5: 0.8585596366401104, 2.0: 0.9575040240772688, 3.0: 0.9949015284526289}
"""Positive root of x = tanh(g x)."""

BLOCK_EDGE = {1.2: 0.0563905853, 1.5: 0.2075464553, 2.0: 0.5328399754, 3.0: 1.3032739080}
"""Bias b_c = sqrt(g (g - 1)) - artanh sqrt(1 - 1 / g) at which two of the three roots of x = tanh(g x + b) meet."""


def blocks(k: int, m: int, g: float) -> Array:
    """k groups of m units, each a bistable switch: 3^k fixed points, C(k, j) 2^(k-j) of index j."""
    return np.kron(np.eye(k), np.full((m, m), g / m))


def hopfield(g: float, n_patterns: int = 3, copies: int = 2) -> Array:
    """W = g / N sum of outer products of up to three orthogonal patterns of +-1 on 4 x `copies` units."""
    patterns = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]]).repeat(copies, axis=0)[:, :n_patterns]
    return g / len(patterns) * patterns @ patterns.T


GRAPHS: dict[str, tuple[int, list[tuple[int, int]], list[int]]] = {
    "directed 3-cycle": (3, [(0, 1), (1, 2), (2, 0)], [0, 0, 1]),
    "3-clique": (3, [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2)], [1]),
    "3 isolated nodes": (3, [], [3, 3, 1]),
    "4 isolated nodes": (4, [], [4, 6, 4, 1]),
    "2-clique and a node": (3, [(0, 1), (1, 0)], [2, 1]),
    "4-cycle": (4, [(0, 1), (1, 2), (2, 3), (3, 0)], [0, 0, 1]),
    "5-node tournament": (5, [(i, (i + k) % 5) for i in range(5) for k in (1, 2)], [0, 0, 0, 0, 1]),
}
"""Threshold-linear graphs: units, edges, and the number of fixed points by index (Curto, Geneson & Morrison 2019)."""

GRAPH_RATES = {
    "directed 3-cycle": {4 / 13},
    "3-clique": {0.4},
    "3 isolated nodes": {1.0, 0.4, 0.25},
    "4 isolated nodes": {1.0, 0.4, 0.25, 2 / 11},
    "2-clique and a node": {1.0, 4 / 7, 2 / 11, 5 / 11},
    "4-cycle": {4 / 19},
    "5-node tournament": {2 / 11},
}
"""Rates of active units that occur at their fixed points."""


def graph(name: str) -> Array:
    """W of a threshold-linear graph: -0.75 along edges, -1.5 elsewhere, no unit onto itself; the bias is 1."""
    n, edges, _ = GRAPHS[name]
    w = np.full((n, n), -1.5)
    np.fill_diagonal(w, 0)
    for source, target in edges:
        w[target, source] = -0.75
    return w


def ring(j0: float) -> Array:
    """W of six ReLU units with bias 1 whose fixed points are a hexagon and the uniform state."""
    angle = 2 * np.pi * np.arange(6) / 6
    return (j0 + 4 * np.cos(angle[:, None] - angle)) / 6


def gauge(w: Array, rng: np.random.Generator, signs: bool) -> tuple[Array, NDArray[np.int64], Array]:
    """The same network with its units in another order, and (odd units) signs: W', permutation p, signs s.

    A point x of W is the point (s x)[p] of W'.
    """
    p = rng.permutation(len(w))
    s = rng.choice([-1.0, 1.0], len(w)) if signs else np.ones(len(w))
    return (w * np.outer(s, s))[np.ix_(p, p)], p, s
