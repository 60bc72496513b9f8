"""Fixed points followed while the input changes: saddle-nodes in closed form, graphs against direct searches."""

import numpy as np
import pytest
from scipy.optimize import brentq, root
from synthetic_manifolds import network

from rnnpipe.errors import SettingsError
from rnnpipe.fixed_points.continuation import ContinuationError, connect, follow_branch, sensitivity
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.valley import velocity
from rnnpipe.networks.ctrnn import Ctrnn, Form

GAINS = [1.2, 1.5, 2.0, 3.0]


def _critical(gain: float) -> float:
    """Input at which a group of units with self-excitation g loses two of its three fixed points."""
    return float(np.sqrt(gain * (gain - 1)) - np.arctanh(np.sqrt(1 - 1 / gain)))


def _groups(gains: list[float], m: int, form: Form = "rate", seed: int = 0) -> Ctrnn:
    """Groups of m units, each with its own input, x = tanh(g x + u) in each; units in random order and sign."""
    k = len(gains)
    w = np.kron(np.diag(gains), np.ones((m, m))) / m
    w_in = np.kron(np.eye(k), np.ones((m, 1)))
    rng = np.random.default_rng(seed)
    order, sign = rng.permutation(k * m), rng.choice([-1.0, 1.0], k * m)
    return network(sign[:, None] * w[np.ix_(order, order)] * sign, form=form, w_in=sign[:, None] * w_in[order])


def _all_points(net: Ctrnn, gains: list[float], u: np.ndarray) -> np.ndarray:
    """All fixed points under an input, from those of the scalar equation of each group."""
    roots = []
    for gain, b in zip(gains, u, strict=True):
        grid = np.linspace(-1.2, 1.2, 4000)  # without 0, a root itself
        f = np.tanh(gain * grid + b) - grid
        at = np.flatnonzero(f[:-1] * f[1:] < 0)
        roots.append([brentq(lambda x, g=gain, b=b: np.tanh(g * x + b) - x, grid[i], grid[i + 1]) for i in at])
    means = np.array(np.meshgrid(*roots, indexing="ij")).reshape(len(gains), -1).T
    x = means @ net.w_in.T  # +-1 where a unit is of the group
    return x if net.form == "rate" else x @ net.w_rec.T + net.w_in @ u


@pytest.mark.parametrize("gain", GAINS)
@pytest.mark.parametrize("form", ["rate", "current"])
def test_saddle_nodes_are_where_they_must_be(gain: float, form: Form) -> None:
    net = _groups([gain], 4, form)
    flow = Flow.of(net, [0.0])
    low = _all_points(net, [gain], np.zeros(1))[0]
    branch = follow_branch(flow, [1.5], low)
    assert branch.end == "first" and len(branch.fold_parts) == 1
    assert 1.5 * branch.fold_parts[0] == pytest.approx(_critical(gain), abs=1e-12)
    # from the stable point over the fold to the saddle, at z = -sqrt(1 - 1/g)
    assert branch.n_unstable[[0, -1]].tolist() == [0, 1]
    np.testing.assert_allclose(branch.states[-1], 0, atol=1e-10)
    x = flow.rates(branch.fold_states[0]) @ net.w_in[:, 0] / 4
    assert x == pytest.approx(-np.sqrt(1 - 1 / gain), abs=1e-6)
    for y, p in zip(branch.states, branch.part, strict=True):
        assert np.abs(velocity(flow.with_input([1.5 * p]), y)).max() < 1e-10


@pytest.mark.parametrize("form", ["rate", "current"])
def test_the_graph_of_two_groups(form: Form) -> None:
    gains = [1.5, 2.0]
    net = _groups(gains, 3, form)
    u0, u1 = np.array([0.05, -0.1]), np.array([0.3, 0.2])
    points0, points1 = _all_points(net, gains, u0), _all_points(net, gains, u1)
    assert (len(points0), len(points1)) == (9, 3)  # the first group has lost two of its three
    graph = connect(Flow.of(net, u0), u1, points0, points1)
    assert graph.n_given == (9, 3) and [len(p) for p in graph.points] == [9, 3]
    assert len(graph.survivors()) == 3 and len(graph.merging(0)) == 3 and not graph.merging(1)
    first = points0 if form == "rate" else np.tanh(points0)
    last = points1 if form == "rate" else np.tanh(points1)
    means0, means1 = first @ net.w_in / 3, last @ net.w_in / 3
    survivors = np.array(graph.survivors())
    assert (means0[survivors[:, 0], 0] > 0.5).all()  # the upper point of the first group
    places = [means[survivors[:, side], 1].argsort() for side, means in enumerate((means0, means1))]
    assert (places[0] == places[1]).all()  # the second group keeps its place
    for a, b in graph.merging(0):
        assert abs(means0[a, 1] - means0[b, 1]) < 1e-9 and max(means0[a, 0], means0[b, 0]) < 0.5
    folds = [c.branch.fold_parts for c in graph.connections if len(c.branch.fold_parts)]
    critical = (_critical(1.5) - u0[0]) / (u1[0] - u0[0])
    np.testing.assert_allclose(np.concatenate(folds), critical, atol=1e-8)


def test_points_that_a_search_had_missed_are_found_by_their_branches() -> None:
    net = _groups([2.0], 3)
    every = _all_points(net, [2.0], np.zeros(1))
    graph = connect(Flow.of(net, [0.0]), [1.0], every[:1], np.empty((0, 3)))
    assert graph.n_given == (1, 0) and len(graph.points[0]) == 2 and len(graph.points[1]) == 0
    np.testing.assert_allclose(graph.points[0][1], every[1], atol=1e-9)


def test_branches_of_a_random_network_are_all_that_a_direct_search_finds() -> None:
    n = 6
    rng = np.random.default_rng(4)
    net = network(1.6 * rng.standard_normal((n, n)) / np.sqrt(n), w_in=rng.standard_normal((n, 1)))
    flow = Flow.of(net, [0.0])

    def direct(u: float) -> np.ndarray:
        at = flow.with_input([u])
        found: list[np.ndarray] = []
        for start in np.random.default_rng(0).uniform(-1, 1, (300, n)):
            solution = root(at.velocity, start, jac=at.jacobian, tol=1e-13)
            new = all(np.linalg.norm(solution.x - other) > 1e-6 for other in found)
            if np.abs(at.velocity(solution.x)).max() < 1e-11 and new:
                found.append(solution.x)
        return np.array(found)

    points0, points1 = direct(0.0), direct(0.8)
    graph = connect(flow, [0.8], points0, points1)
    assert [len(p) for p in graph.points] == [len(points0), len(points1)]
    assert all(c.end is not None for c in graph.connections)
    for p in (0.25, 0.6):  # every branch, wherever it goes, is among the fixed points between
        between = direct(0.8 * p)
        crossings = 0
        for connection in graph.connections:
            branch = connection.branch
            for k in np.flatnonzero((branch.part[:-1] - p) * (branch.part[1:] - p) < 0):
                part = (p - branch.part[k]) / (branch.part[k + 1] - branch.part[k])
                y = (1 - part) * branch.states[k] + part * branch.states[k + 1]
                assert np.linalg.norm(between - y, axis=1).min() < 0.05
                crossings += 1
        assert crossings <= len(between)


@pytest.mark.parametrize("form", ["rate", "current"])
def test_fixed_points_move_with_the_input_as_the_derivative_says(form: Form) -> None:
    gains = [1.5, 2.0]
    net = _groups(gains, 2, form)
    u = np.array([0.05, -0.1])
    moved = sensitivity(Flow.of(net, u), _all_points(net, gains, u))
    for channel in range(2):
        step = 1e-5 * np.eye(2)[channel]
        difference = (_all_points(net, gains, u + step) - _all_points(net, gains, u - step)) / 2e-5
        np.testing.assert_allclose(moved[..., channel], difference, rtol=1e-5, atol=1e-7)


def test_what_cannot_be_followed_is_said_in_a_sentence() -> None:
    net = _groups([1.5], 2)
    flow = Flow.of(net, [0.0])
    with pytest.raises(ContinuationError, match="no fixed point under its input"):
        follow_branch(flow, [1.0], np.array([0.9, -0.2]))
    with pytest.raises(SettingsError, match="two inputs are equal"):
        follow_branch(flow, [0.0], np.zeros(2))
    with pytest.raises(SettingsError, match="input has shape"):
        follow_branch(flow, [0.0, 1.0], np.zeros(2))
    line = Flow.of(network(np.eye(2), 0.0, "relu", w_in=np.ones((2, 1))), [0.0])
    with pytest.raises(ContinuationError, match="singular Jacobian"):
        sensitivity(line, np.full((1, 2), 0.5))
