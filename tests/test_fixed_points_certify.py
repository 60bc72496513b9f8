"""Certificates, stability, enumeration and evidence, each against an independent computation."""

from __future__ import annotations

import dataclasses
from typing import Any

import mpmath
import numpy as np
import pytest
from exact_systems import BLOCK_ROOT, blocks, graph, network, ring, rolled
from scipy.integrate import solve_ivp

from rnnpipe.errors import ArtefactError, RnnpipeError, SettingsError
from rnnpipe.fixed_points import search as searching
from rnnpipe.fixed_points.attractors import moving_attractors
from rnnpipe.fixed_points.certify import certify, compensated_inputs
from rnnpipe.fixed_points.completeness import bounded, wilson
from rnnpipe.fixed_points.enumerate import enumerate_fixed_points
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.points import groups
from rnnpipe.fixed_points.result import FixedPointSet
from rnnpipe.fixed_points.search import search
from rnnpipe.fixed_points.settings import SearchSettings
from rnnpipe.fixed_points.slow import slow_points
from rnnpipe.fixed_points.solver import solve
from rnnpipe.fixed_points.stability import stability
from rnnpipe.networks.activations import ACTIVATIONS, Activation
from rnnpipe.networks.ctrnn import Ctrnn
from rnnpipe.networks.rate_network import RateNetwork


def find(net: Ctrnn | RateNetwork, u: Any = (0.0,), seed: int = 0, **settings: Any) -> FixedPointSet:
    given = {"n_starts": 128, "max_starts": 1024, "relaxation": 100.0, **settings}
    return search(Flow.of(net, list(u)), None, SearchSettings(**given), np.random.default_rng(seed))


def random_network(n: int, seed: int, gain: float = 1.5, b: float = 0.0, **options: Any) -> Ctrnn:
    rng = np.random.default_rng(seed)
    return network(gain / np.sqrt(n) * rng.standard_normal((n, n)), b * rng.standard_normal(n), **options)


def rate_network(seed: int, activation: str, n: int = 8) -> RateNetwork:
    rng = np.random.default_rng(seed)
    one = np.ones((n, n))
    return RateNetwork(
        w=np.abs(rng.standard_normal((n, n))),
        sign=np.where(np.arange(n) % 3 == 0, -1.0, 1.0),
        mask=one,
        w_in=rng.standard_normal((n, 2)),
        w_out=rng.standard_normal((1, n)),
        b_out=np.array([0.5]),
        b_rec=np.zeros(n),
        gamma=rng.standard_normal(n),
        tau_min=20.0,
        tau_max=100.0,
        activation=activation,  # type: ignore[arg-type]
        dt=5.0,
    )


@pytest.mark.parametrize("gamma", [0.0, 0.2])
@pytest.mark.parametrize("form", ["rate", "current"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_flow_is_that_of_the_network(name: str, form: str, gamma: float) -> None:
    net = random_network(5, 1, b=0.7, activation=name, form=form, saturation=gamma)
    flow, u, y = Flow.of(net, [0.4]), np.array([0.4]), np.random.default_rng(2).standard_normal((6, 5))
    np.testing.assert_allclose(flow.state_velocity(y), net.velocity(y, u), atol=1e-14)
    np.testing.assert_allclose(flow.state_jacobian(y), net.jacobian(y, u), atol=1e-14)
    np.testing.assert_allclose(flow.step(y), y + net.alpha * net.velocity(y, u), atol=1e-14)
    h = 1e-6
    for j, direction in enumerate(np.eye(5)):
        difference = (flow.velocity(y + h * direction) - flow.velocity(y - h * direction)) / (2 * h)
        np.testing.assert_allclose(flow.jacobian(y)[:, :, j], difference, atol=1e-7)
    z = np.linspace(-8, 8, 4001)
    assert np.abs(flow.psi.second_derivative(z)).max() <= flow.psi.curvature + 1e-12
    assert np.abs(flow.psi.derivative(z)).max() <= flow.psi.steepness + 1e-12
    low, high = flow.psi.range
    assert low <= flow.psi(z).min() and flow.psi(z).max() <= high
    x = find(net, (0.4,)).x
    assert len(x)
    at_rest = net.velocity(flow.state(x), u)
    np.testing.assert_allclose(at_rest, 0, atol=1e-11 * max(1, np.abs(flow.state(x)).max()))
    np.testing.assert_allclose(flow.outputs(x), flow.rates(flow.state(x)) @ net.w_out.T, atol=1e-11)


@pytest.mark.parametrize("activation", ["sigmoid", "clipped_relu", "softplus"])
def test_rate_networks_with_their_own_time_constants(activation: str) -> None:
    net = rate_network(0, activation)
    points = find(net, (0.3, -0.2))
    assert points.n_points and points.certificates.certified.all()
    tau, w = net.tau, net.w_rec
    for k, y in enumerate(points.state):
        drive = w @ points.x[k] + net.w_in @ [0.3, -0.2]
        np.testing.assert_allclose(drive, y, atol=1e-10)
        slope = np.array(
            [(points.flow.phi(y + e) - points.flow.phi(y - e))[i] / 2e-6 for i, e in enumerate(1e-6 * np.eye(8))]
        )
        matrix = (w * slope - np.eye(8)) / tau[:, None] * points.flow.time_unit
        expected = np.linalg.eigvals(matrix)
        found = points.stability.eigenvalues[k]
        np.testing.assert_allclose(np.sort(found.real), np.sort(expected.real), atol=1e-4)
        assert points.stability.index[k] == (expected.real > 0).sum()
    assert points.flow.time_unit == pytest.approx(tau.mean())


def test_spectra_and_left_vectors_of_both_forms() -> None:
    sets = {form: find(random_network(10, 3, b=0.3, form=form), (0.2,)) for form in ("rate", "current")}
    rate, current = sets["rate"], sets["current"]
    np.testing.assert_allclose(rate.x, current.x, atol=1e-12)
    np.testing.assert_allclose(rate.stability.eigenvalues, current.stability.eigenvalues, atol=1e-9)
    for k in range(rate.n_points):
        left = rate.flow.left_in_currents(rate.stability.left[k], rate.x[k])
        other = current.stability.left[k]
        cosine = abs(np.vdot(left, other)) / np.linalg.norm(left) / np.linalg.norm(other)
        assert cosine == pytest.approx(1, abs=1e-9)
        assert rate.stability.left[k] @ rate.stability.right[k] == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_degrees_add_up_to_one_and_points_are_symmetric(seed: int) -> None:
    points = find(random_network(20, seed), seed=seed)
    assert points.certificates.certified.all()
    assert points.degree == 1 and points.completeness.symmetric and points.n_points % 2 == 1
    index = points.stability.eigenvalues
    positive = ((index.real > 0) & (index.imag == 0)).sum(1)
    assert ((-1.0) ** positive).sum() == 1
    if not points.stability.stable.any():
        assert len(points.attractors.kind), "something must attract"


def test_radii_hold_the_true_root() -> None:
    """Against 40 digits; a point that is moved is certified with a radius that still holds the root, or not at all."""
    mpmath.mp.dps = 40
    net = random_network(4, 11, gain=2.5, b=0.2)
    flow = Flow.of(net, [0.1])
    points = find(net, (0.1,))
    w, c = mpmath.matrix(flow.w.tolist()), mpmath.matrix(flow.c.tolist())

    def equation(*x: Any) -> list[Any]:
        z = w * mpmath.matrix(x) + c
        return [mpmath.tanh(z[i]) - x[i] for i in range(4)]

    for x in points.x:
        root = mpmath.findroot(equation, [mpmath.mpf(float(v)) for v in x])
        exact = np.array([float(r) for r in root])
        for shift in (0.0, 1e-10, 1e-6, 1e-3, 0.1):
            moved = x + shift * np.array([0.5, -0.5, 0.5, 0.5])
            distance = float(mpmath.norm(mpmath.matrix(moved.tolist()) - root))
            found = certify(flow, moved[None])
            if found.certified[0]:
                assert distance <= found.inner_radius[0] and np.linalg.norm(moved - exact) < found.outer_radius[0]
            assert found.certified[0] or shift >= 1e-3
        others = np.linalg.norm(points.x - x, axis=1)
        outer = certify(flow, x[None]).outer_radius[0]
        assert (others[others > 0] > outer).all(), "no other root is within the radius of uniqueness"


def test_sums_are_compensated() -> None:
    w, c = np.array([[1e16, 1.0, -1e16]]), np.array([0.5])
    square = np.vstack([w, w, w])
    assert compensated_inputs(square, np.repeat(c, 3), np.ones((1, 3)))[0].tolist() == [1.5] * 3


@pytest.mark.parametrize("seed", range(50))
def test_enumeration_and_search_agree_on_random_relu_networks(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 3 + seed % 8
    rng = np.random.default_rng(seed)
    name = "relu" if seed % 5 else "leaky_relu"
    w = 1.2 * rng.standard_normal((n, n)) - (0.6 if seed % 2 else 0)
    net = network(w, rng.standard_normal(n), name)
    flow = Flow.of(net, [0.0])
    every = enumerate_fixed_points(flow)
    slopes = flow.psi.pieces[0]  # type: ignore[index]
    brute = []
    for pattern in np.ndindex(*[2] * n):
        s = slopes[list(pattern)]
        z = np.linalg.solve(np.eye(n) - w * s, flow.c)
        if ((z > 0) == np.array(pattern, bool)).all():
            brute.append(s * z)
    assert len(every.x) == len(brute)
    for x in brute:
        assert np.abs(every.x - x).max(1).min() < 1e-9 * max(1, np.abs(x).max())
    if seed % 2:  # these by the search alone
        monkeypatch.setattr(searching, "ENUMERATED", 0)
    points = find(net, seed=seed, n_starts=512)
    assert points.n_points == len(brute) and points.certificates.certified.all()
    assert points.completeness.enumerated != bool(seed % 2)


def test_a_capped_network_is_enumerated() -> None:
    """Three pieces: silent, linear, at the cap of 20."""
    n = 2
    net = dataclasses.replace(
        rate_network(0, "clipped_relu", n), w=np.array([[1.5, 0.0], [0.0, 2.0]]), sign=np.ones(n), b_rec=-np.ones(n)
    )
    every = enumerate_fixed_points(Flow.of(net, [0.0, 0.0])).x
    expected = [[a, b] for a in (0.0, 2.0, 20.0) for b in (0.0, 1.0, 20.0)]
    assert sorted(map(tuple, every.round(9).tolist())) == sorted(map(tuple, expected))
    points = find(net, (0.0, 0.0))
    assert points.n_points == 9 and points.completeness.complete and points.degree == 1
    with pytest.raises(SettingsError, match="piecewise linear"):
        enumerate_fixed_points(Flow.of(rate_network(0, "sigmoid"), [0.0, 0.0]))


@pytest.mark.parametrize("seed", range(4))
def test_tanh_networks_against_interval_arithmetic(seed: int) -> None:
    """Boxes in which no fixed point can be are thrown away; in what is left Krawczyk's operator proves single ones."""
    net = random_network(2, seed, gain=2.5, b=0.1)
    flow = Flow.of(net, [0.0])
    w, c = flow.w, flow.c
    proved, boxes = [], [(-np.ones(2), np.ones(2))]
    while boxes:
        low, high = boxes.pop()
        middle, half = (low + high) / 2, (high - low) / 2
        z, reach = w @ middle + c, np.abs(w) @ half
        new_low, new_high = np.maximum(low, np.tanh(z - reach) - 1e-14), np.minimum(high, np.tanh(z + reach) + 1e-14)
        if (new_low > new_high).any():
            continue
        if (new_high - new_low).max() < 0.9 * (high - low).max():
            boxes.append((new_low, new_high))
            continue
        ends = 1 - np.tanh(np.stack([z - reach, z + reach])) ** 2
        top = np.where(np.abs(z) <= reach, 1.0, ends.max(0))
        slope, spread = (ends.min(0) + top) / 2, (top - ends.min(0)) / 2
        j = slope[:, None] * w - np.eye(2)
        y = np.linalg.inv(j)
        centre = middle - y @ (np.tanh(z) - middle)
        radius = (np.abs(np.eye(2) - y @ j) + np.abs(y) @ (spread[:, None] * np.abs(w))) @ half + 1e-14
        if ((centre - radius > low) & (centre + radius < high)).all():
            if not any(np.abs(centre - p).max() < 1e-6 for p in proved):
                for _ in range(4):
                    centre = centre - np.linalg.solve(flow.jacobian(centre), flow.velocity(centre))
                proved.append(centre)
            continue
        if (np.abs(centre - middle) > radius + half).any():
            continue
        k = int(half.argmax())
        cut = middle[k] + 0.013 * half[k]  # off the centre, where points of odd networks are
        upper, lower = low.copy(), high.copy()
        lower[k] = upper[k] = cut
        boxes += [(low, lower), (upper, high)]
    unique = np.unique(np.round(proved, 9), axis=0)
    points = find(net, seed=seed)
    assert points.n_points == len(unique) and points.completeness.complete
    assert all(np.abs(points.x - p).max(1).min() < 1e-8 for p in unique)


def test_duplicates_are_joined_whatever_their_order() -> None:
    """A chain of near points is one group, although its ends are far apart; greedy picking would cut it."""
    rng = np.random.default_rng(0)
    chain = np.arange(5)[:, None] * 0.9e-6 * np.array([[1.0, 0, 0]])
    x = np.concatenate([chain, chain + 1e-3, rng.standard_normal((20, 3))])
    for _ in range(10):
        order = rng.permutation(len(x))
        labels = groups(x[order])
        assert len(set(labels)) == 22
        back = labels[np.argsort(order)]
        assert len(set(back[:5])) == 1 and len(set(back[5:10])) == 1 and back[0] != back[5]


def test_classes() -> None:
    rotation = np.array([[1.0, -2.0], [2.0, 1.0]])
    for scale, expected in ((0.5, "stable focus"), (2.0, "repeller"), (1.0, "undecided")):
        flow = Flow.of(network(scale * rotation), [0.0])
        zero = np.zeros((1, 2))
        assert stability(flow, zero, certify(flow, zero), 1000.0).flow_class[0] == expected
    flow = Flow.of(network(np.diag([0.999, 0.1])), [0.0])
    near = stability(flow, np.zeros((1, 2)), certify(flow, np.zeros((1, 2))), 1000.0)
    assert near.flow_class[0] == "stable node" and near.marginal[0] and near.slowest[0] == pytest.approx(10_000)


def test_a_limit_cycle_and_its_period() -> None:
    """Two units that rotate: the period of the flow from an independent integration; the exponent of a cycle is 0."""
    w = np.array([[2.0, -2.0], [2.0, 2.0]])
    points = find(network(w, dt=0.2), relaxation=50.0, n_starts=16)
    assert points.census() == [0, 0, 1] and points.attractors.kind.tolist() == ["limit cycle"]
    run = solve_ivp(lambda t, x: np.tanh(w @ x) - x, (0, 100), [0.5, 0], rtol=1e-10, atol=1e-10, dense_output=True)
    t = np.linspace(50, 100, 200_001)
    first = run.sol(t)[0]
    crossings = t[1:][(first[1:] > 0) & (first[:-1] <= 0)]
    assert points.attractors.period[0] == pytest.approx(10 * np.diff(crossings).mean(), rel=0.02)
    assert abs(points.attractors.lyapunov[0]) < 0.01
    assert (points.unstable_to == -1).all(), "the origin leads to the cycle, no fixed point"


def test_chaos_divergence_and_rest() -> None:
    chaotic = random_network(60, 1, gain=4.0)
    flow = Flow.of(chaotic, [0.0])
    y = np.random.default_rng(0).standard_normal((2, 60))
    found = moving_attractors(flow, y, 2000.0)
    assert set(found.kind) <= {"chaos", "limit cycle", "irregular"} and found.n_trajectories.sum() == 2
    grown = moving_attractors(Flow.of(network([[1.5]], 1.0, "relu"), [0.0]), np.ones((1, 1)), 2000.0)
    assert grown.kind.tolist() == ["divergence"]
    still = moving_attractors(Flow.of(network([[0.5]]), [0.0]), np.ones((1, 1)), 2000.0)
    assert len(still.kind) == 0 and still.n_moving == 0


def test_slow_points_are_kept_apart() -> None:
    """Just past a saddle-node there is no fixed point but a slow one, where q has its minimum."""
    edge = np.sqrt(1.5 * 0.5) - np.arctanh(np.sqrt(1 / 3))
    flow = Flow.of(network([[1.5]], edge + 1e-3), [0.0])
    ends = solve(flow, np.linspace(-1, 0, 30)[:, None], 100, np.random.default_rng(0))
    found = slow_points(flow, ends.x[~ends.solved], 1.0)
    grid = np.linspace(-0.7, -0.4, 300_001)
    q = 0.5 * (np.tanh(1.5 * grid + edge + 1e-3) - grid) ** 2
    assert len(found.q) == 1
    assert found.x[0, 0] == pytest.approx(grid[q.argmin()], abs=1e-5)
    assert found.q[0] == pytest.approx(q.min(), rel=1e-6)
    assert found.drift_time[0] == pytest.approx(10.0 / np.sqrt(2 * q.min()), rel=1e-5)
    assert found.counts() == {1e-4: 1, 1e-6: int(q.min() <= 1e-6), 1e-8: 0}


def test_where_degrees_must_add_up() -> None:
    assert bounded(Flow.of(network(5 * np.eye(3)), [0.0]))
    assert bounded(Flow.of(network(graph("3-clique"), 1.0, "relu"), [0.0]))
    assert bounded(Flow.of(network(0.9 * np.eye(2), 1.0, "leaky_relu"), [0.0]))
    assert not bounded(Flow.of(network([[1.5]], 1.0, "relu"), [0.0]))
    points = find(random_network(30, 0, gain=0.5, b=0.3, activation="softplus"))
    assert points.n_points >= 1


def test_sensitivity_to_the_input() -> None:
    net = network(blocks(2, 2, 1.5), 0.05)
    points, moved = find(net, (0.0,)), find(net, (1e-6,))
    for k in range(points.n_points):
        nearest = moved.x[np.abs(moved.x - points.x[k]).max(1).argmin()]
        np.testing.assert_allclose((nearest - points.x[k]) / 1e-6, points.input_sensitivity[k][:, 0], rtol=1e-3)


def test_wilson_intervals() -> None:
    low, high = wilson(np.array([0.0, 5.0, 10.0]), 10)
    np.testing.assert_allclose(low, [0, 0.2366, 0.7225], atol=1e-4)
    np.testing.assert_allclose(high, [0.2775, 0.7634, 1.0], atol=1e-4)
    assert np.isnan(wilson(np.zeros(2), 0)[0]).all()


def test_user_mistakes_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network(rolled(3))
    broken = dataclasses.replace(net, w_rec=np.full((3, 3), np.nan))
    for make, words in (
        (lambda: Flow.of(broken, [0.0]), "w_rec holds NaN"),
        (lambda: Flow.of(net, [0.0, 1.0]), r"shape \(2,\), expected \(1,\)"),
        (lambda: Flow.of(net, [np.inf]), "NaN or infinite"),
        (lambda: search(Flow.of(net, [0.0]), np.ones((5, 4))), r"shape \(5, 4\)"),
    ):
        with pytest.raises(RnnpipeError, match=words):
            make()

    def fails(_: Any) -> Any:
        raise np.linalg.LinAlgError

    flow = Flow.of(net, [0.0])
    certificates = certify(flow, np.zeros((1, 3)))
    monkeypatch.setattr(np.linalg, "eig", fails)
    with pytest.raises(ArtefactError, match="did not converge"):
        stability(flow, np.zeros((1, 3)), certificates, 1000.0)


def test_points_on_a_kink_have_two_sides() -> None:
    """The corners of the hexagon: one unit is on its kink, and the sides differ."""
    flow = Flow.of(network(ring(-1.0), 1.0, "relu"), [0.0])
    p = 1.5
    corner = np.zeros((1, 6))
    corner[0, :3] = [0, 2 * p, 2 * p]
    found = certify(flow, corner)
    assert found.on_kink[0] and not found.certified[0] and found.residual[0] < 1e-14
    sides = stability(flow, corner, found, 1000.0)
    assert sides.flow_class[0] == "undecided"
    assert Activation("relu").derivative(np.zeros(1))[0] == 0
    assert BLOCK_ROOT[1.5] == pytest.approx(np.tanh(1.5 * BLOCK_ROOT[1.5]))
