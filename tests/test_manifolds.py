"""Line and ring attractors: exact ones, perturbed ones against a direct search, their measures, and what has none."""

import numpy as np
import pytest
from scipy.optimize import brentq
from synthetic_manifolds import hexagon, line, network, ring

from rnnpipe.errors import SettingsError
from rnnpipe.fixed_points.decoding import decode_place, recall
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.line_between import line_between, nudged_end
from rnnpipe.fixed_points.manifold import ManifoldError, SlowManifold, stable_start, trace_manifold
from rnnpipe.fixed_points.manifold_measures import drift, output_range, readout_angles, shape
from rnnpipe.fixed_points.trace import ManifoldSettings, follow
from rnnpipe.fixed_points.valley import newton, onto_floor, velocity
from rnnpipe.networks.ctrnn import Ctrnn, Form

QUICK = ManifoldSettings(n_points=80)


def _flow(net: Ctrnn, u: float = 0.0) -> Flow:
    return Flow.of(net, np.full(net.n_inputs, u))


def _visited(n: int) -> np.ndarray:
    theta = 2 * np.pi * np.arange(n) / n
    return np.cos(theta - np.random.default_rng(7).uniform(0, 6, (6, 1)))


def _traced(net: Ctrnn, settings: ManifoldSettings = QUICK) -> SlowManifold:
    flow = _flow(net)
    return trace_manifold(flow, stable_start(flow, _visited(net.n_units), 4000.0, settings), settings)


@pytest.mark.parametrize("start", [(0.3, 0.7), (0.5, 0.5), (1.0, 0.0)])
def test_the_exact_line_is_traced_to_both_of_its_ends(start: tuple[float, float]) -> None:
    found = trace_manifold(_flow(network([[0, -1], [-1, 0]], 1.0, "relu")), np.array(start), QUICK)
    assert found.kind == "line" and found.winding == 0 and found.continuum
    assert found.length == pytest.approx(np.sqrt(2), abs=1e-6)
    np.testing.assert_allclose(np.sort(found.states[[0, -1]], axis=0), [[0, 0], [1, 1]], atol=1e-6)
    assert found.q.max() < 1e-28 and found.n_sign_changes == 0 and not len(found.points.states)
    np.testing.assert_allclose(found.eigenvalues[1:-1], np.broadcast_to([0, -2], (78, 2)), atol=1e-12)
    assert all(len(values) == 1 for values in found.slow_eigenvalues[1:-1])
    assert shape(found).share[0] == pytest.approx(1) and shape(found).participation_ratio == pytest.approx(1)


@pytest.mark.parametrize("j0, across", [(-4.0, (-0.8128, -1, -1, -1, -2.1872)), (-1.0, (-0.4064, -1, -1, -1, -1.0936))])
@pytest.mark.parametrize("seed", range(3))
def test_the_exact_hexagon_closes_in_every_order_of_its_units(j0: float, across: tuple[float, ...], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(6)
    net, start, p = hexagon(j0, order)
    found = trace_manifold(_flow(net), start, QUICK)
    assert (found.kind, abs(found.winding), found.ends) == ("ring", 1, ("closed", "closed"))
    assert found.gap < 1e-12 and found.continuum and found.n_sign_changes == 0
    assert np.abs(found.tangential_speed).max() < 1e-13
    np.testing.assert_allclose(found.eigenvalues, np.broadcast_to([0, *across], (80, 6)), atol=1e-4)
    # each of its six sides has three neighbouring units active, and all are visited, once in turn
    active = np.unique(np.sort(order[np.argsort(-found.states, axis=1)[:, :3]], axis=1), axis=0)
    assert len(active) == 6
    assert found.length == pytest.approx(12 * np.sqrt(2) * p, rel=0.02)  # straight lines between samples cut corners
    trace = follow(found.flow, start, found.tangents[0], QUICK)
    walked = np.linalg.norm(np.diff(trace.states, axis=0), axis=1).sum()
    assert walked == pytest.approx(12 * np.sqrt(2) * p, rel=1e-3)


def _direct(flow: Flow, found: SlowManifold) -> np.ndarray:
    """Fixed points near a curve by another way: Newton's method from all along it, from states beside it."""
    rng = np.random.default_rng(3)
    after = np.roll(found.states, -1, axis=0)
    starts = np.concatenate([(1 - a) * found.states + a * after for a in rng.uniform(size=6)])
    starts += 1e-3 * rng.standard_normal(starts.shape)
    ends: list[np.ndarray] = []
    y, converged = newton(flow, starts, 60)
    for point in y[converged & (found.locate(y)[1] < 0.05)]:
        if all(np.linalg.norm(point - other) > 1e-7 for other in ends):
            ends.append(point)
    return np.array(ends)


@pytest.mark.parametrize("form", ["rate", "current"])
@pytest.mark.parametrize("seed", range(2))
def test_a_perturbed_ring_has_alternating_stable_points_and_saddles(form: Form, seed: int) -> None:
    found = _traced(ring(40, 0.02, seed, form=form))
    assert found.kind == "ring" and found.gap < 1e-9
    index = found.points.n_unstable
    assert found.n_sign_changes == len(index) > 0 and found.alternating
    assert (index == 0).sum() == (index == 1).sum()
    assert np.abs(velocity(found.flow, found.points.states)).max() < 1e-12
    assert (np.diff(found.points.arclength) > 0).all() and found.points.arclength.min() >= 0
    direct = _direct(found.flow, found)
    assert len(direct) == len(index)
    for point in direct:
        assert np.linalg.norm(found.points.states - point, axis=1).min() < 1e-6


@pytest.mark.slow
def test_a_ring_of_rectified_units_is_followed_over_its_kinks() -> None:
    found = _traced(ring(30, 0.01, 0, "relu"))
    flow, index = found.flow, found.points.n_unstable
    assert found.kind == "ring" and found.alternating and found.n_sign_changes == len(index) >= 4
    # exactly: for each set of active units near the ring, the one solution of the linear equations of these units
    after = np.roll(found.states, -1, axis=0)
    near = np.concatenate([(1 - a) * found.states + a * after for a in np.linspace(0, 1, 21)])
    sets = np.unique(flow.z(near) > 0, axis=0)
    exact: list[np.ndarray] = []
    for on in sets:
        x = np.zeros(30)
        x[on] = np.linalg.solve(np.eye(on.sum()) - flow.w[np.ix_(on, on)], flow.c[on])
        if ((flow.z(x) > 0) == on).all() and found.locate(x[None])[1][0] < 0.05:
            exact.append(x)
    assert len(exact) == len(index) < len(sets)
    for x in exact:
        assert np.linalg.norm(found.points.states - x, axis=1).min() < 1e-9


def test_the_same_ring_whatever_the_order_and_the_sign_of_units() -> None:
    net = ring(30, 0.02, 0)
    found = _traced(net)
    rng = np.random.default_rng(0)
    for _ in range(3):
        order, sign = rng.permutation(30), rng.choice([-1.0, 1.0], 30)
        moved = network(sign[:, None] * net.w_rec[np.ix_(order, order)] * sign)
        flow = _flow(moved)
        start = found.points.states[found.points.n_unstable == 0][0]
        again = trace_manifold(flow, sign * start[order], QUICK)
        assert again.length == pytest.approx(found.length, rel=1e-3)
        assert len(again.points.states) == len(found.points.states)
        back = np.empty_like(again.points.states)
        back[:, order] = again.points.states * sign
        for point in back:
            assert np.linalg.norm(found.points.states - point, axis=1).min() < 1e-8


@pytest.mark.parametrize("form", ["rate", "current"])
def test_a_smooth_line_is_the_one_of_its_scalar_equation(form: Form) -> None:
    n, gain = 20, 1.03
    signs = np.random.default_rng(2).choice([-1.0, 1.0], n)
    flow = _flow(line(n, gain, signs, form))
    root = brentq(lambda m: np.tanh(gain * m) - m, 0.1, 1)
    # in currents h = gain m s: tau dh/dt = -h + gain tanh(h)
    scale = gain if form == "current" else 1.0

    def speed(m: np.ndarray) -> np.ndarray:
        return np.tanh(gain * m) - m if form == "rate" else gain * np.tanh(m) - m

    start = stable_start(flow, 0.4 * signs[None], 4000.0, QUICK)
    np.testing.assert_allclose(np.abs(start), scale * root, rtol=1e-9)
    found = trace_manifold(flow, start, QUICK)
    assert found.kind == "line" and found.ends == ("speed", "speed")
    assert found.n_sign_changes == 3 and found.points.n_unstable.tolist() == [0, 1, 0] and found.alternating
    along = found.points.states @ signs / n
    np.testing.assert_allclose(np.sort(along), [-scale * root, 0, scale * root], atol=1e-10)
    m = found.states @ signs / n
    np.testing.assert_allclose(found.states, m[:, None] * signs, atol=1e-8)
    direction = np.sign(m[-1] - m[0])
    np.testing.assert_allclose(found.tangential_speed, direction * np.sqrt(n) * speed(m), atol=1e-8)
    np.testing.assert_allclose(found.q, n * speed(m) ** 2 / 2, atol=1e-9)
    end = brentq(lambda m: n * speed(m) ** 2 / 2 - QUICK.q_max, scale * root, 2)
    assert np.abs(m[[0, -1]]) == pytest.approx(end, abs=1e-6)
    # what the network does in 50 ms is what the scalar equation does
    gone = drift(found, 50.0)
    later = m.copy()
    for _ in range(50):
        later += 0.1 * speed(later)
    inside = np.abs(later) < end
    np.testing.assert_allclose(gone.along[inside], direction * np.sqrt(n) * (later - m)[inside], atol=1e-3)
    np.testing.assert_allclose(gone.distance, np.sqrt(n) * np.abs(later - m), atol=1e-7)
    assert gone.away[inside].max() < 1e-6


def test_the_slowest_state_of_a_hyperplane_is_a_minimum() -> None:
    flow = _flow(ring(12, 0.3, 1))
    rng = np.random.default_rng(0)
    y = rng.standard_normal((5, 12))
    normal = rng.standard_normal((5, 12))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    floor, q = onto_floor(flow, y, normal)
    np.testing.assert_allclose(((floor - y) * normal).sum(1), 0, atol=1e-10)
    np.testing.assert_allclose(q, (velocity(flow, floor) ** 2).sum(1) / 2)
    for _ in range(50):
        step = 1e-4 * rng.standard_normal((5, 12))
        step -= (step * normal).sum(1, keepdims=True) * normal
        assert ((velocity(flow, floor + step) ** 2).sum(1) / 2 > q - 1e-10).all()


def test_the_plane_of_a_ring_and_the_readout() -> None:
    n = 40
    net = ring(n, 0.0, 0)
    found = _traced(net)
    assert found.continuum and found.kind == "ring"
    assert shape(found).share == (pytest.approx(0.5, abs=0.03), pytest.approx(1.0, abs=0.05))
    assert shape(found).participation_ratio == pytest.approx(2, abs=0.2)  # higher harmonics of saturated units
    theta = 2 * np.pi * np.arange(n) / n
    planes = {0.0: [np.cos(theta), np.sin(theta)], 90.0: [np.cos(2 * theta), np.sin(4 * theta)]}
    for angle, rows in planes.items():
        seen = SlowManifold(**{**found.__dict__, "flow": _flow(network(net.w_rec, w_out=np.array(rows)))})
        angles = readout_angles(seen, np.random.default_rng(0))
        np.testing.assert_allclose(angles.angles, angle, atol=0.5)
        assert np.abs(np.array([angles.low, angles.high]) - angle).max() < 6
        low, high = output_range(seen)
        assert (high - low).max() > 10 if angle == 0 else (high - low).max() < 1
    tilted = network(net.w_rec, w_out=[np.cos(theta) + np.cos(2 * theta)])
    seen = SlowManifold(**{**found.__dict__, "flow": _flow(tilted)})
    angles = readout_angles(seen, np.random.default_rng(0))
    np.testing.assert_allclose(angles.angles, 45, atol=0.5)
    assert 44 < angles.low[0] < angles.high[0] < 46
    silent = SlowManifold(**{**found.__dict__, "flow": _flow(network(net.w_rec, w_out=np.zeros((1, n))))})
    with pytest.raises(SettingsError, match="readout are 0"):
        readout_angles(silent, np.random.default_rng(0))


def test_places_on_a_ring_are_decoded_and_found_again() -> None:
    n = 40
    theta = 2 * np.pi * np.arange(n) / n
    found = _traced(ring(n, 0.005, 0))
    s, away = found.locate(found.states)
    np.testing.assert_allclose(s, found.arclength, atol=1e-6)
    np.testing.assert_allclose(away, 0, atol=1e-6)
    rng = np.random.default_rng(5)
    angle = rng.uniform(0, 2 * np.pi, 60)
    y = found.flow.rates(np.tanh(2 * 0.95 * np.cos(theta - angle[:, None])))
    for _ in range(60):
        y = found.flow.step(y)
    read = decode_place(found, y, angle, rng, angle=True)
    assert read.r_squared > 0.99 and read.median_error < 3 and read.away < 0.1
    shuffled = decode_place(found, y, rng.permutation(angle), rng, angle=True)
    assert shuffled.r_squared < 0.3 and shuffled.median_error > 30
    with pytest.raises(SettingsError, match="too few"):
        decode_place(found, y[:8], angle[:8], rng, angle=True)


def test_recall_and_places_on_a_line() -> None:
    n = 20
    flow = _flow(line(n, 1.03, w_out=-np.ones((1, n)) / n))
    found = trace_manifold(flow, stable_start(flow, np.full((1, n), 0.4), 4000.0, QUICK), QUICK)
    value = np.linspace(-0.3, 0.3, 25)
    y = value[:, None] * np.ones(n)
    read = recall(flow, y, -value[:, None])
    assert read.r_squared == pytest.approx(1) and read.slope == pytest.approx(1) and read.intercept == pytest.approx(0)
    opposite = recall(flow, y, value[:, None])
    assert opposite.slope == pytest.approx(-1) and opposite.r_squared == pytest.approx(-3)
    place = decode_place(found, y, value, np.random.default_rng(0))
    assert place.r_squared > 0.9999 and place.median_error < 1e-3
    with pytest.raises(SettingsError, match="same in all trials"):
        recall(flow, y, np.zeros((25, 1)))


def test_a_line_between_two_choices_is_that_without_the_nudge() -> None:
    n = 20
    net = line(n, 1.03, w_in=np.ones((n, 1)))
    flow = _flow(net)
    ends = [nudged_end(flow, [nudge], np.zeros(n), 1000.0, 3000.0) for nudge in (-0.3, 0.3)]
    root = brentq(lambda m: np.tanh(1.03 * m) - m, 0.1, 1)
    np.testing.assert_allclose(ends, [np.full(n, -root), np.full(n, root)], atol=1e-4)
    assert nudged_end(flow, [0.3], np.zeros(n), 1000.0, 0.0)[0] > root + 0.2
    found = line_between(flow, ends[0], ends[1])
    assert found.states.shape == (31, n) and found.kind == "line"
    m = found.states.mean(1)
    np.testing.assert_allclose(m, np.linspace(-root, root, 31), atol=1e-3)
    np.testing.assert_allclose(found.q, n * (np.tanh(1.03 * m) - m) ** 2 / 2, atol=1e-12)
    with pytest.raises(ManifoldError, match="one state"):
        line_between(flow, ends[0], ends[0])


def test_what_is_no_slow_curve_is_said_in_a_sentence() -> None:
    isolated = _flow(line(6, 3.0))
    start = stable_start(isolated, np.ones((1, 6)), 500.0, QUICK)
    with pytest.raises(ManifoldError, match="no slow direction at the start: its slowest eigenvalue is -0.969"):
        trace_manifold(isolated, start, QUICK)
    with pytest.raises(ManifoldError, match="no slow state: q"):
        trace_manifold(isolated, start + 0.5, QUICK)
    with pytest.raises(ManifoldError, match=r"shape \(3,\), expected \(6,\)"):
        trace_manifold(isolated, np.zeros(3), QUICK)
    spinning = _flow(network([[1.5, -2.0], [2.0, 1.5]]))
    with pytest.raises(ManifoldError, match="no stable point: 500 ms after the 1 states"):
        stable_start(spinning, np.full((1, 2), 0.5), 500.0, QUICK)
    saddle = _flow(network(np.diag([1.01, 3.0])))
    with pytest.raises(ManifoldError, match="unstable across"):
        trace_manifold(saddle, np.zeros(2), QUICK)
    with pytest.raises(SettingsError, match="at least the step"):
        drift(trace_manifold(_flow(line(6, 1.02)), np.zeros(6), QUICK), 0.5)
