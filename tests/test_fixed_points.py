"""Fixed points against networks whose fixed points are known, and derivatives against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rnnpipe.analysis.constant_inputs import constant_inputs, visited_states
from rnnpipe.analysis.fixed_points import FixedPoints, _divided, certified_radius, find_fixed_points
from rnnpipe.analysis.fixed_points_settings import FixedPointSettings
from rnnpipe.analysis.gated_map import GatedMap
from rnnpipe.networks.reference import gated_states, gated_step
from rnnpipe.tasks import task_class

DT, TAU = 10.0, 100.0
OPEN = 50.0
"""Bias of a gate that is then open to round-off."""


def threshold_linear(w_rec: Any, b: Any) -> GatedMap:
    """The map of x' = x + alpha (-x + W [x]_+ + b): a gated network whose gates are open."""
    w = np.asarray(w_rec, float)
    n = len(w)
    drive = np.concatenate([np.broadcast_to(np.asarray(b, float), n), np.full(2 * n, OPEN)])
    return GatedMap(np.zeros((2 * n, n)), w, drive, DT, TAU)


def random_policy(n: int, seed: int, gain: float = 1.5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "w_in": rng.standard_normal((3 * n, 3)),
        "b_in": 0.3 * rng.standard_normal(3 * n),
        "w_gates": gain / np.sqrt(n) * rng.standard_normal((2 * n, n)),
        "w_rec": gain / np.sqrt(n) * rng.standard_normal((n, n)),
        "w_out": rng.standard_normal((3, n)),
        "b_out": rng.standard_normal(3),
        "x0": 0.5 * np.ones(n),
    }


def search(gated: GatedMap, seed: int = 0, **settings: Any) -> FixedPoints:
    rng = np.random.default_rng(seed)
    visited = rng.standard_normal((50, gated.n_units))
    return find_fixed_points(gated, visited, FixedPointSettings(**{"n_starts": 128, **settings}), rng)


def census(points: FixedPoints) -> list[int]:
    """Number of points with 0, 1, 2, ... unstable directions."""
    return np.bincount(points.n_unstable).tolist()


def test_the_map_is_the_network() -> None:
    policy = random_policy(7, 0)
    rng = np.random.default_rng(1)
    x, u, q = rng.standard_normal((5, 7)), rng.standard_normal((5, 3)), rng.standard_normal((5, 7))
    weights = {k: torch.tensor(v) for k, v in policy.items()}
    expected = gated_step(weights, torch.tensor(x), torch.tensor(u), torch.tensor(q), DT / TAU).numpy()
    np.testing.assert_allclose(GatedMap.of(policy, u, DT, TAU).step(x, q), expected, atol=1e-14)


def test_golden_step() -> None:
    """Two units, published by hand: weights there are from row to column."""
    policy = {
        "w_in": np.array([[0.5, -0.25, 0.1, 0.2, -0.3, 0.4]]).T,
        "b_in": np.zeros(6),
        "w_gates": np.concatenate([[[0.3, -0.2], [0.25, 0.5]], [[0.1, 0.4], [-0.6, 0.2]]], axis=1).T,
        "w_rec": np.array([[0.7, -0.4], [0.2, 0.9]]).T,
    }
    gated = GatedMap.of(policy, np.array([1.0]), DT, TAU)
    x, q = np.array([[0.5, -0.3]]), np.array([0.2, -0.1])
    np.testing.assert_allclose(gated.gates(x), [[[0.5621765, 0.52497919]], [[0.4378235, 0.64565631]]], atol=1e-8)
    x = gated.step(x, q)
    np.testing.assert_allclose(x, [[0.51985822, -0.30722186]], atol=1e-8)
    np.testing.assert_allclose(gated.step(x, q), [[0.53900199, -0.31423923]], atol=1e-8)


@pytest.mark.parametrize("name", ["pull", "step"])
def test_jacobians_are_those_of_finite_differences(name: str) -> None:
    gated = GatedMap.of(random_policy(9, 2), np.array([1.0, 0.5, -0.5]), DT, TAU)
    x = np.random.default_rng(3).standard_normal((6, 9))
    assert np.abs(x).min() > 1e-3, "differences must not cross a kink"
    function, jacobian = getattr(gated, name), getattr(gated, f"{name}_jacobian")(x)
    h = 1e-5
    for j, direction in enumerate(np.eye(9)):
        difference = (function(x + h * direction) - function(x - h * direction)) / (2 * h)
        np.testing.assert_allclose(jacobian[:, :, j], difference, atol=1e-9)


def test_one_sided_jacobians_at_a_kink() -> None:
    gated = GatedMap.of(random_policy(4, 4), np.zeros(3), DT, TAU)
    x = np.array([[0.7, 0.0, -0.4, 0.3]])
    h = np.array([[0, 1e-6, 0, 0]])
    for side, active in ((1, x >= 0), (-1, x > 0)):
        difference = side * (gated.step(x + side * h) - gated.step(x)) / 1e-6
        np.testing.assert_allclose(gated.step_jacobian(x, active)[:, :, 1], difference, atol=1e-5)


def test_a_linear_network() -> None:
    """All units active: x = (1 - W)^-1 b, and the eigenvalues are 1 + alpha (eigenvalue of W - 1)."""
    rng = np.random.default_rng(5)
    w = 0.1 * rng.uniform(size=(6, 6))
    gated = threshold_linear(w, 1.0)
    points = search(gated)
    np.testing.assert_allclose(points.x, [np.linalg.solve(np.eye(6) - w, np.ones(6))], atol=1e-13)
    expected = 1 + DT / TAU * (np.linalg.eigvals(w) - 1)
    np.testing.assert_allclose(np.sort_complex(points.eigenvalues[0]), np.sort_complex(expected), atol=1e-12)
    np.testing.assert_allclose(points.time_constants[0, 0], -DT / np.log(np.abs(expected).max()), rtol=1e-9)
    assert points.stable.all() and not points.on_kink.any()
    assert (points.radius < 1e-11).all()
    assert points.n_converged == points.n_starts


def test_a_bistable_network() -> None:
    """Two units that inhibit each other: one or the other active, and the saddle between them."""
    points = search(threshold_linear([[0, -1.5], [-1.5, 0]], 1.0))
    found = {tuple(x.round(12)): (s, k) for x, s, k in zip(points.x, points.stable, points.n_unstable, strict=True)}
    assert found == {(1.0, -0.5): (True, 0), (-0.5, 1.0): (True, 0), (0.4, 0.4): (False, 1)}
    saddle = points.x[:, 0].round(12) == 0.4
    np.testing.assert_allclose(points.eigenvalues[saddle], [[1 + 0.1 * 0.5, 1 + 0.1 * -2.5]], atol=1e-12)
    assert points.time_constants[saddle][0, 0] == pytest.approx(-10 / np.log(1.05)), "growth is negative"
    assert np.isfinite(points.radius).all()


def test_a_gated_bistable_network_with_its_saddle() -> None:
    """Gates that depend on the state: x = w sigmoid(g r + c) r + b of one unit, solved by bisection."""
    gated = GatedMap(np.array([[0.7], [8.0]]), np.array([[0.9]]), np.array([0.2, 0.3, -4.0]), DT, TAU)

    def pull(x: float) -> float:
        return 0.9 / (1 + np.exp(4.0 - 8 * max(x, 0))) * max(x, 0) + 0.2 - x

    grid = np.linspace(-3, 10, 13_002)
    values = np.array([pull(x) for x in grid])
    roots = []
    for i in np.flatnonzero(values[1:] * values[:-1] < 0):
        low, high = grid[i], grid[i + 1]
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if pull(low) * pull(middle) > 0 else (low, middle)
        roots.append(low)
    assert len(roots) == 3
    points = search(gated)
    order = np.argsort(points.x[:, 0])
    np.testing.assert_allclose(points.x[order, 0], roots, atol=1e-12)
    np.testing.assert_array_equal(points.stable[order], [True, False, True])


GRAPHS = {
    "directed 3-cycle": (3, [(0, 1), (1, 2), (2, 0)], [0, 0, 1]),
    "3-clique": (3, [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2)], [1]),
    "3 isolated nodes": (3, [], [3, 3, 1]),
    "4 isolated nodes": (4, [], [4, 6, 4, 1]),
    "2-clique and a node": (3, [(0, 1), (1, 0)], [2, 1]),
    "4-cycle": (4, [(0, 1), (1, 2), (2, 3), (3, 0)], [0, 0, 1]),
    "5-node tournament": (5, [(i, (i + k) % 5) for i in range(5) for k in (1, 2)], [0, 0, 0, 0, 1]),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("seed", range(3))
def test_all_fixed_points_of_threshold_linear_graphs(name: str, seed: int) -> None:
    """Every fixed point and its unstable directions (of the flow: a small step), in any order of the units.

    Reference: Curto, Geneson & Morrison (2019) Neural Comput 31:94-155 (graph rules; weights -0.75 and -1.5).
    """
    n, edges, expected = GRAPHS[name]
    w = np.full((n, n), -1.5)
    np.fill_diagonal(w, 0)
    for source, target in edges:
        w[target, source] = -0.75
    order = np.random.default_rng(seed).permutation(n)
    gated = threshold_linear(w[np.ix_(order, order)], 1.0)
    small_step = GatedMap(gated.w_gates, gated.w_rec, gated.drive, 0.1, TAU)
    # in the tournament nothing is stable and few starts end in the region of its one fixed point
    points = search(small_step, seed, relaxation=500.0, n_starts=1024 if n == 5 else 128)
    assert census(points) == expected
    assert np.isfinite(points.radius).all(), "all of them are certified"
    assert np.sum((-1.0) ** points.n_unstable) == 1, "the degrees of all fixed points sum to 1"


def test_a_point_of_the_flow_can_be_unstable_for_the_map() -> None:
    """Strong inhibition of a unit by itself: the flow is stable, steps of dt = tau oscillate away."""
    stable, unstable = (
        search(GatedMap(g.w_gates, g.w_rec, g.drive, dt, TAU))
        for g, dt in ((threshold_linear([[-1.5]], 1.0), 10.0), (threshold_linear([[-1.5]], 1.0), 100.0))
    )
    assert stable.x[0, 0] == unstable.x[0, 0] == pytest.approx(0.4)
    assert stable.stable[0] and not unstable.stable[0]
    assert unstable.eigenvalues[0, 0] == pytest.approx(-1.5)


@pytest.mark.parametrize("seed", range(6))
def test_fixed_points_stay(seed: int) -> None:
    """Of random gated networks: the step does not move them, and small deviations go as the eigenvalues say."""
    gated = GatedMap.of(random_policy(20, seed, gain=1.0), np.array([1.0, 0.5, 0.5]), DT, TAU)
    points = search(gated)
    assert len(points.x)
    np.testing.assert_allclose(gated.step(points.x), points.x, atol=1e-12 * max(1, np.abs(points.x).max()))
    away = points.x + 1e-8 * np.random.default_rng(0).standard_normal(points.x.shape)
    later = gated.relax(away, 20_000.0)
    distance = np.linalg.norm(later - points.x, axis=1)
    settled = np.abs(points.eigenvalues[:, 0]) < 0.99
    assert (distance[points.stable & settled] < 1e-8).all()
    assert (distance[~points.stable & (np.abs(points.eigenvalues[:, 0]) > 1.01)] > 1e-6).all()
    i, j = np.triu_indices(len(points.x), 1)
    assert (np.linalg.norm(points.x[i] - points.x[j], axis=1) > 1e-6).all()


def test_the_certificate_tells_how_far_a_point_may_be() -> None:
    gated = GatedMap.of(random_policy(20, 1), np.array([1.0, 0.5, 0.5]), DT, TAU)
    exact = search(gated).x[:1]
    assert certified_radius(gated, exact)[0] < 1e-11
    direction = np.random.default_rng(0).standard_normal(exact.shape)
    near = exact + 1e-8 * direction / np.linalg.norm(direction)
    radius = certified_radius(gated, near)[0]
    assert 1e-8 <= radius < 1e-6
    assert np.isnan(certified_radius(gated, exact + direction)[0])


def test_a_line_of_fixed_points_is_found_but_not_certified() -> None:
    points = search(threshold_linear([[0, -1], [-1, 0]], 1.0))
    on_line = (points.x > 1e-6).all(1)
    assert on_line.any()
    np.testing.assert_allclose(points.x[on_line].sum(1), 1, atol=1e-9)
    assert np.isnan(points.radius[on_line]).all() and not points.stable[on_line].any()
    np.testing.assert_allclose(points.eigenvalues[on_line].real, [[1.0, 0.8]] * on_line.sum(), atol=1e-9)


def test_a_silent_network_sits_on_the_kink() -> None:
    """Without input and bias 0 is a fixed point; it is stable only if it is on both sides of the kink."""
    calm, lively = (search(threshold_linear(w * np.eye(2), 0.0)) for w in (0.5, 1.5))
    for points, stable in ((calm, True), (lively, False)):
        at_zero = np.abs(points.x).max(1) < 1e-9
        assert at_zero.sum() == 1 and points.on_kink[at_zero].all()
        assert points.stable[at_zero] == stable
        assert np.isnan(points.radius[at_zero])


def test_no_fixed_point() -> None:
    points = search(threshold_linear([[1.5]], 1.0), relaxation=1000.0)  # grows for ever
    assert points.x.shape == (0, 1) and points.eigenvalues.shape == (0, 1)
    assert points.n_converged == 0 and points.n_starts == 128
    assert points.relaxed_speed > 1


def test_the_search_is_reproducible() -> None:
    gated = GatedMap.of(random_policy(20, 3), np.zeros(3), DT, TAU)
    a, b, c = search(gated, 1), search(gated, 1), search(gated, 2)
    np.testing.assert_array_equal(a.x, b.x)
    np.testing.assert_array_equal(a.n_hits, b.n_hits)
    np.testing.assert_allclose(np.sort(a.x.sum(1)), np.sort(c.x.sum(1)), atol=1e-9, err_msg="same points, any seed")


def test_constant_inputs_of_the_motion_tasks() -> None:
    for name, cue in (("rdm_fixed", 1), ("rdm_rt", 0)):
        task = task_class(name)(coherences=[0.0, 51.2])  # type: ignore[call-arg]
        inputs = {label: u.round(6).tolist() for label, u in constant_inputs(task).items()}
        assert inputs == {
            "fixation": [1, 0, 0],
            "stimulus, coherence=0": [cue, 0.5, 0.5],
            "stimulus, side=-1, coherence=51.2": [cue, 0.756, 0.244],
            "stimulus, side=1, coherence=51.2": [cue, 0.244, 0.756],
            "no input": [0, 0, 0],
        }


def test_visited_states_are_those_of_the_network() -> None:
    policy = random_policy(8, 6)
    trials = task_class("rdm_fixed")(dt=50.0).sample(np.random.default_rng(0), 4)  # type: ignore[call-arg]
    states = visited_states(policy, trials, TAU, 0.0, np.random.default_rng(0))
    weights = {k: torch.tensor(v) for k, v in policy.items()}
    inputs = torch.tensor(trials.inputs, dtype=torch.float64)
    expected = gated_states(weights, inputs, torch.zeros(trials.n_steps, 4, 8, dtype=torch.float64), 50 / TAU).numpy()
    np.testing.assert_allclose(states, expected[trials.loss_mask], atol=1e-12)
    noisy = visited_states(policy, trials, TAU, 0.3, np.random.default_rng(0))
    assert noisy.shape == states.shape and np.abs(noisy - states).max() > 0.01


def test_steps_where_a_matrix_is_singular_are_the_shortest_ones() -> None:
    """One start on a line of fixed points, or one whose state has run away, does not end the search of the others."""
    rng = np.random.default_rng(0)
    jacobian, pull = rng.standard_normal((5, 3, 3)), rng.standard_normal((5, 3))
    jacobian[1, 0] = 0  # singular, and consistent
    pull[1, 0] = 0
    jacobian[2] = 1e18 * np.ones((3, 3))
    jacobian[3, 0, 0], pull[4, 1] = np.inf, np.nan
    steps = _divided(jacobian, pull)
    np.testing.assert_allclose(jacobian[:2] @ steps[:2, :, None], pull[:2, :, None], atol=1e-12)
    np.testing.assert_allclose(steps[1], np.linalg.pinv(jacobian[1]) @ pull[1])
    assert np.isfinite(steps[2]).all() and np.isnan(steps[3:]).all()
