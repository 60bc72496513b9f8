"""The search against networks whose fixed points are known exactly, in many orders (and signs) of their units."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pytest
from exact_systems import (
    BLOCK_EDGE,
    BLOCK_ROOT,
    GRAPH_RATES,
    GRAPHS,
    ROLLED,
    Array,
    blocks,
    gauge,
    graph,
    hopfield,
    network,
    ring,
    rolled,
)

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.result import FixedPointSet
from rnnpipe.fixed_points.search import search
from rnnpipe.fixed_points.settings import SearchSettings
from rnnpipe.fixed_points.solver import solve
from rnnpipe.networks.ctrnn import Ctrnn

GAUGES = 20


def find(
    net: Ctrnn, seed: int = 0, n_starts: int = 256, visited: Array | None = None, **settings: Any
) -> FixedPointSet:
    given = SearchSettings(n_starts=n_starts, **{"max_starts": 8 * n_starts, **settings})
    return search(Flow.of(net, [0.0]), visited, given, np.random.default_rng(seed))


def assert_holds(points: FixedPointSet) -> None:
    """Each reported point is one, by plain loops over the network's own equation."""
    net, y = points.flow, points.state
    for k in range(points.n_points):
        for i in range(net.n_units):
            drive = float(net.c[i])
            for j in range(net.n_units):
                rate = y[k, j] if net.form == "rate" else float(net.phi(y[k, j : j + 1])[0])
                drive += float(net.w[i, j]) * float(rate)
            pull = float(net.phi(np.array([drive]))[0]) if net.form == "rate" else drive
            assert abs(pull - y[k, i]) < 2e-12 * max(1.0, float(np.abs(y[k]).max()))


def assert_same(x: Array, expected: Array, tolerance: float = 1e-9) -> None:
    """The same points in any order."""
    expected = np.asarray(expected)
    assert x.shape == expected.shape
    distance = np.abs(x[:, None] - expected).max(2)
    assert (distance.min(1) < tolerance).all() and (distance.min(0) < tolerance).all()


@pytest.mark.parametrize("n", ROLLED)
def test_small_tanh_networks(n: int) -> None:
    base = np.array(ROLLED[n])
    expected = np.unique(np.concatenate([base, -base]).round(12) + 0.0, axis=0)
    net = network(rolled(n))
    if n == 4:  # of the cyclic shifts of the published digits, those that solve the equation of this orientation
        expected = -expected if np.abs(np.tanh(expected @ rolled(n).T) - expected).max() > 1e-9 else expected
    for seed in range(GAUGES):
        w, p, s = gauge(net.w_rec, np.random.default_rng(seed), signs=True)
        points = find(network(w), seed, n_starts=64)
        assert_same(points.x, (expected * s)[:, p])
        assert points.census() == {2: [2, 1], 3: [2, 1], 4: [4, 4, 1]}[n]
        assert points.certificates.certified.all() and points.completeness.complete
        assert_holds(points)


def test_stable_as_a_flow_and_unstable_as_a_map() -> None:
    """The steps of dt = tau leave where the flow rests, and smaller ones do not."""
    slow, fast = (find(network(rolled(3), tau=10.0, dt=dt), relaxation=5000.0) for dt in (1.0, 10.0))
    for points, stable in ((slow, True), (fast, False)):
        corner = np.abs(points.x).max(1) > 0.1
        assert (points.stability.flow_class[corner] == "stable node").all()
        assert (points.stability.map_stable[corner] == stable).all()
    values = np.sort(fast.flow.map_eigenvalues(fast.stability.eigenvalues[corner]).real, axis=1)
    np.testing.assert_allclose(values, [[-1.006406170595, 0, 0.285346480372]] * 2, atol=1e-11)
    assert set(fast.attractors.kind) == {"limit cycle"}, "it alternates between two states"
    np.testing.assert_allclose(fast.attractors.period, 20.0)


@pytest.mark.parametrize(("k", "m", "g"), [(2, 3, 1.2), (2, 5, 3.0), (3, 4, 2.0)])
def test_bistable_blocks(k: int, m: int, g: float) -> None:
    root = BLOCK_ROOT[g]
    levels = np.array(list(np.ndindex(*[3] * k))) - 1
    expected = (root * levels).repeat(m, axis=1)
    for seed in range(GAUGES):
        w, p, s = gauge(blocks(k, m, g), np.random.default_rng(seed), signs=True)
        points = find(network(w, form=("rate", "current")[seed % 2]), seed)
        assert_same(points.x, (expected * s)[:, p])
        assert points.census() == [comb(k, j) * 2 ** (k - j) for j in range(k + 1)]
        assert points.certificates.certified.all() and points.completeness.complete
        assert points.degree == 1 and points.completeness.symmetric
    first = -1 + g * (1 - root**2)
    np.testing.assert_allclose(points.stability.eigenvalues[0, 0], first, atol=1e-12)
    assert_holds(points)


@pytest.mark.slow
def test_starts_must_cover_the_range_of_the_weights() -> None:
    """27 and 81 fixed points of 48 units: isotropic starts alone miss many, the mixture finds all, each time."""
    rng = np.random.default_rng(0)
    flow = Flow.of(network(blocks(3, 16, 1.5)), [0.0])
    isotropic = solve(flow, rng.standard_normal((800, 48)), 100, rng)
    assert len(np.unique(isotropic.x[isotropic.solved].round(6) + 0.0, axis=0)) < 20
    for k, gauges in ((3, GAUGES), (4, 2)):
        for seed in range(gauges):
            w = gauge(blocks(k, 48 // k, 1.5), np.random.default_rng(seed), signs=True)[0]
            points = find(network(w), seed, n_starts=512)
            assert points.census() == [comb(k, j) * 2 ** (k - j) for j in range(k + 1)]
            assert points.completeness.complete and points.certificates.certified.all()


def test_saddles_lead_to_their_neighbours() -> None:
    """The heteroclinic graph of three switches is a cube: from an edge to its two corners."""
    points = find(network(blocks(3, 4, 1.5)))
    signs = np.sign(points.x[:, ::4].round(6))
    for saddle in np.flatnonzero(points.stability.index == 1):
        ends = points.targets(saddle)
        assert len(ends) == 2 and (points.stability.index[ends] == 0).all()
        fixed = signs[saddle] != 0
        assert (signs[ends][:, fixed] == signs[saddle, fixed]).all()
        assert signs[ends][:, ~fixed].ravel().tolist() in ([1, -1], [-1, 1])
    shares = points.basin[points.stability.index == 0]
    assert shares.sum() == pytest.approx(1.0)
    assert ((points.basin_low <= points.basin) & (points.basin <= points.basin_high)).all()


@pytest.mark.parametrize(("g", "census"), [(1.2, [6, 12, 8, 1]), (1.5, [6, 12, 8, 1]), (2.0, [6, 24, 20, 1])])
def test_hopfield_networks(g: float, census: list[int]) -> None:
    check_hopfield(g, census)


@pytest.mark.slow
@pytest.mark.parametrize("g", [3.0, 5.0])
def test_hopfield_networks_with_stable_mixtures(g: float) -> None:
    check_hopfield(g, [14, 24, 12, 1])


def check_hopfield(g: float, census: list[int]) -> None:
    for seed in range(GAUGES):
        w = gauge(hopfield(g), np.random.default_rng(seed), signs=True)[0]
        points = find(network(w), seed, n_starts=512)
        assert points.census() == census
        assert points.certificates.certified.all() and points.degree == 1 and points.completeness.symmetric


def test_few_patterns() -> None:
    for patterns, count in ((1, 3), (2, 9)):
        assert find(network(hopfield(1.5, patterns))).n_points == count


@pytest.mark.parametrize("name", GRAPHS)
def test_threshold_linear_graphs(name: str) -> None:
    for seed in range(GAUGES):
        w = gauge(graph(name), np.random.default_rng(seed), signs=False)[0]
        points = find(network(w, 1.0, "relu"), seed, n_starts=128)
        assert points.census() == GRAPHS[name][2]
        active = points.x[points.x > 0]
        assert {min(GRAPH_RATES[name], key=lambda r: abs(r - x)) for x in active} == GRAPH_RATES[name]
        assert min(abs(x - r) for x in active for r in GRAPH_RATES[name]) < 1e-14
        assert (points.certificates.method == "pattern").all() and points.degree == 1
        assert points.completeness.complete and points.completeness.enumerated
        assert_holds(points)
    if not points.stability.stable.any():
        assert set(points.attractors.kind) == {"limit cycle"}


@pytest.mark.parametrize("seed", range(GAUGES))
def test_a_line_is_labelled(seed: int) -> None:
    w = gauge(np.array([[0.0, -1], [-1, 0]]), np.random.default_rng(seed), signs=False)[0]
    points = find(network(w, 1.0, "relu"), seed, n_starts=64)
    assert points.continuum_dimensions == (1,) and 3 <= points.n_points < 60
    np.testing.assert_allclose(points.x.sum(1), 1, atol=1e-11)
    assert not points.completeness.complete and not points.certificates.certified.any()
    assert not points.stability.stable.any()
    inside = (points.x > 1e-6).all(1)
    np.testing.assert_allclose(points.stability.eigenvalues[inside], [[0, -2]] * inside.sum(), atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("j0", [-4.0, -1.0])
def test_a_ring_is_labelled(j0: float) -> None:
    p = 3 / (2 * abs(j0))
    for seed in range(GAUGES):
        w, order, _ = gauge(ring(j0), np.random.default_rng(seed), signs=False)
        points = find(network(w, 1.0, "relu"), seed, n_starts=64)
        assert points.continuum_dimensions == (1,) and points.n_points < 80
        certain = points.certificates.certified
        assert_same(points.x[certain], np.full((1, 6), 1 / (1 - j0)))
        x = points.x[~certain][:, np.argsort(order)]
        np.testing.assert_allclose(np.sort(x)[:, -1], 2 * p, atol=1e-9)
        np.testing.assert_allclose(x.sum(1), 4 * p, atol=1e-9)
        assert points.stability.index[certain] == [2]


@pytest.mark.parametrize("g", BLOCK_EDGE)
def test_a_saddle_node(g: float) -> None:
    """One point of three roots before the bifurcation, one afterwards; at it one is degenerate, and not counted on."""
    edge = np.sqrt(g * (g - 1)) - np.arctanh(np.sqrt(1 - 1 / g))
    assert edge == pytest.approx(BLOCK_EDGE[g], abs=1e-9)
    for factor, count in ((0.999, 3), (1.001, 1)):
        points = find(network(blocks(1, 3, g), factor * edge), n_starts=128)
        assert points.n_points == count and points.completeness.complete
    at = find(network(blocks(1, 3, g), edge), n_starts=128)
    assert 1 <= at.n_points <= 3 and (at.x > 0).any()
    assert not at.completeness.complete or at.n_points == 1
    uncertain = ~at.certificates.certified
    np.testing.assert_allclose(at.x[uncertain], -np.sqrt(1 - 1 / g), atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_homogeneous_networks_have_no_false_points(seed: int) -> None:
    """Without input and bias |F| is small wherever rates are: only 0 is a fixed point, and it is so exactly."""
    w = np.random.default_rng(seed).normal(size=(12, 12)) * 1.5 / np.sqrt(12)
    points = find(network(w, 0.0, "relu"), seed)
    assert points.n_points == 1 and not points.x.any()
    assert points.certificates.method.tolist() == ["exact"] and points.certificates.on_kink.all()


def test_no_fixed_point() -> None:
    points = find(network([[1.5]], 1.0, "relu"))
    assert points.n_points == 0 and points.completeness.complete and points.completeness.enumerated
    assert points.attractors.kind.tolist() == ["divergence"]
    assert points.x.shape == (0, 1) and points.census() == []


def test_the_result_does_not_depend_on_threads() -> None:
    net = network(np.random.default_rng(3).normal(size=(40, 40)) * 2 / np.sqrt(40), 0.1)
    one, two = (
        search(Flow.of(net, [0.3]), None, SearchSettings(n_starts=128, max_starts=128), threads=threads)
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(one.x, two.x)
    np.testing.assert_array_equal(one.n_hits, two.n_hits)
    np.testing.assert_array_equal(one.stability.eigenvalues, two.stability.eigenvalues)
    np.testing.assert_array_equal(one.unstable_to, two.unstable_to)
