"""Selection vectors: against what a brief small input does to the network, in both forms; axes of the task."""

import numpy as np
import pytest
from synthetic_manifolds import line, network

from rnnpipe.errors import SettingsError
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.manifold import ManifoldError, ManifoldSettings, trace_manifold
from rnnpipe.fixed_points.selection import orthogonal_axes, over_line, selection, slow_modes, task_axes
from rnnpipe.fixed_points.valley import newton
from rnnpipe.networks.ctrnn import Ctrnn, Form

DIRECTIONS = {"motion": [1.0, -1.0, 0.0, 0.0], "colour": [0.0, 0.0, 1.0, -1.0]}


def _gated(form: Form, n: int = 12) -> Ctrnn:
    """A line along s in a network that is not normal: motion drives it, colour less, through other units as well."""
    rng = np.random.default_rng(3)
    s, a, b = np.linalg.qr(rng.standard_normal((n, 3)))[0].T * np.sqrt(n)
    w = (1.04 * np.outer(s, s) - 0.8 * np.outer(s, a) - 0.3 * np.outer(b, b)) / n
    w_in = np.stack([0.5 * s + 0.3 * b, -0.5 * s, 0.4 * a + 0.4 * s, -0.4 * a], axis=1) / np.sqrt(n)
    return network(w, form=form, w_in=w_in + 0.02 * rng.standard_normal((n, 4)), w_out=(s / n)[None])


def _points(flow: Flow) -> np.ndarray:
    return trace_manifold(flow, np.zeros(flow.n_units), ManifoldSettings(n_points=15, q_max=1e-4)).states


@pytest.mark.parametrize("form", ["rate", "current"])
def test_a_brief_input_moves_the_network_along_the_line_by_its_gain(form: Form) -> None:
    flow = Flow.of(_gated(form), np.zeros(4))
    ends, found = newton(flow, _points(flow)[[1, -2]])
    assert found.all()
    y = np.stack([ends[0], np.zeros(12), ends[1]])  # fixed points: a saddle between two stable ones
    chosen = selection(flow, y, DIRECTIONS, choice=flow.w_out[0])
    size, n_steps = 1e-6, 300
    for name, du in DIRECTIONS.items():
        for i, point in enumerate(y):
            given = flow.with_input(size * np.array(du)).step(point)  # one step with the input
            for _ in range(n_steps):
                given = flow.step(given)
            # by then only the slow mode is left, which has grown or decayed by (1 + alpha lambda) a step
            factor = (1 + 0.1 * chosen.modes.eigenvalue[i].real) ** n_steps
            moved = (given - point) / (size * 0.1 * factor)
            expected = chosen.gains[name][i] * chosen.modes.right[i]
            np.testing.assert_allclose(moved, expected, atol=2e-3 * np.abs(chosen.gains["motion"]).max())


@pytest.mark.parametrize("form", ["rate", "current"])
def test_vectors_are_eigenvectors_with_one_sign_all_along(form: Form) -> None:
    flow = Flow.of(_gated(form), np.zeros(4))
    y = _points(flow)
    modes = slow_modes(flow, y, towards=flow.w_out[0])
    jacobian = flow.stability_matrix(y)
    assert not modes.planar.any()
    right, left, value = modes.right, modes.left, modes.eigenvalue.real
    np.testing.assert_allclose((left * right).sum(1), 1)
    np.testing.assert_allclose(np.linalg.norm(right, axis=1), 1)
    np.testing.assert_allclose((jacobian @ right[..., None])[..., 0], value[:, None] * right, atol=1e-9)
    np.testing.assert_allclose((left[:, None] @ jacobian)[:, 0], value[:, None] * left, atol=1e-9)
    assert ((right[1:] * right[:-1]).sum(1) > 0.9).all()
    assert (modes.right_rates @ flow.w_out[0]).sum() > 0
    away = slow_modes(flow, y, towards=-flow.w_out[0])
    np.testing.assert_allclose(away.left, -left, atol=1e-9)
    # the direction of the line is that of its slow mode, and tells it among all modes
    along = trace_manifold(flow, np.zeros(12), ManifoldSettings(n_points=15, q_max=1e-4))
    hinted = slow_modes(flow, along.states, along.tangents)
    assert (np.abs((hinted.right * along.tangents).sum(1)) > 0.99).all()
    np.testing.assert_allclose(hinted.eigenvalue, slow_modes(flow, along.states).eigenvalue)


def test_both_forms_select_alike() -> None:
    rate, current = (Flow.of(_gated(form), np.zeros(4)) for form in ("rate", "current"))
    x = newton(rate, _points(rate)[[1, -2]])[0]
    h = x @ rate.w.T + rate.c
    a, b = (selection(flow, y, DIRECTIONS, choice=rate.w_out[0]) for flow, y in ((rate, x), (current, h)))
    np.testing.assert_allclose(a.modes.eigenvalue, b.modes.eigenvalue, atol=1e-10)
    # l_H = D l_S, and it is the left vector of the current form up to its length
    slope = rate.slope(x)
    np.testing.assert_allclose(a.modes.left_currents, slope * a.modes.left)
    np.testing.assert_allclose(b.modes.left_currents, b.modes.left)
    ratio = a.modes.left_currents / b.modes.left
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=1e-6)
    assert a.gating("colour", "motion") == pytest.approx(b.gating("colour", "motion"), rel=1e-6)
    assert a.gating("colour", "motion") * a.gating("motion", "colour") == pytest.approx(1)
    for name in DIRECTIONS:
        np.testing.assert_allclose(a.input_angles[name], b.input_angles[name], atol=1e-6)
        own = a.modes.left_currents @ (rate.w_in @ DIRECTIONS[name])
        np.testing.assert_allclose(a.gains[name], own)
    assert a.readout_angle is not None and (a.readout_angle < 90).all()


def test_gains_of_a_line_in_closed_form() -> None:
    n, gain = 10, 1.05
    w_in = np.stack([np.ones(n), np.tile([1.0, -1.0], n // 2)], axis=1)
    flow = Flow.of(line(n, gain, w_in=w_in, w_out=np.ones((1, n))), np.zeros(2))
    m = np.linspace(-0.3, 0.3, 7)
    y = m[:, None] * np.ones(n)
    found = selection(flow, y, {"along": [1.0, 0.0], "across": [0.0, 1.0]}, choice=flow.w_out[0])
    slope = 1 - np.tanh(gain * m) ** 2
    np.testing.assert_allclose(found.gains["along"], np.sqrt(n) * slope, rtol=1e-9)
    np.testing.assert_allclose(found.gains["across"], 0, atol=1e-9)
    np.testing.assert_allclose(found.modes.eigenvalue, gain * slope - 1, atol=1e-12)
    np.testing.assert_allclose(found.input_angles["along"], 0, atol=1e-5)
    np.testing.assert_allclose(found.input_angles["across"], 90, atol=1e-6)
    np.testing.assert_allclose(found.readout_angle, 0, atol=1e-5)
    assert found.gating("across", "along") < 1e-9 and found.gating("along", "across") > 1e6
    spread = over_line(found.gains["along"])
    assert spread.mean == pytest.approx((np.sqrt(n) * slope).mean()) and spread.low < spread.mean < spread.high


def test_a_slow_spiral_has_a_plane() -> None:
    turn = np.array([[0.98, -0.2], [0.2, 0.98]])
    skew = np.eye(4) + 0.3 * np.triu(np.ones((4, 4)), 1)
    w = skew @ np.block([[turn, np.zeros((2, 2))], [np.zeros((2, 2)), -np.eye(2)]]) @ np.linalg.inv(skew)
    flow = Flow.of(network(w, w_in=np.eye(4)), np.zeros(4))
    tangent = skew @ [0.6, 0.8, 0, 0]
    tangent /= np.linalg.norm(tangent)
    modes = slow_modes(flow, np.zeros((1, 4)), tangent[None])
    assert modes.planar.all() and abs(modes.eigenvalue[0].imag) == pytest.approx(0.2)
    np.testing.assert_allclose(modes.right[0], tangent, atol=1e-10)  # it is in the plane already
    assert modes.left[0] @ modes.right[0] == pytest.approx(1)
    np.testing.assert_allclose(modes.left[0] @ skew[:, 2:], 0, atol=1e-10)  # fast modes are not read


def test_axes_of_a_task_are_orthogonal_in_their_order() -> None:
    rng = np.random.default_rng(0)
    net = network(np.zeros((8, 8)), w_in=rng.standard_normal((8, 6)), w_out=rng.standard_normal((2, 8)))
    flow = Flow.of(net, np.zeros(6))
    axes = task_axes(flow, (0, 1), {"motion": (2, 3), "colour": (4, 5)})
    assert list(axes) == ["choice", "context", "motion", "colour"]
    matrix = np.array(list(axes.values()))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(4), atol=1e-14)
    raw = [net.w_out[0] - net.w_out[1], *(net.w_in[:, i] - net.w_in[:, i + 1] for i in (0, 2, 4))]
    overlap = np.array(raw) @ matrix.T
    np.testing.assert_allclose(overlap, np.tril(overlap), atol=1e-12)  # each is made of itself and those before it
    assert (np.diag(overlap) > 0).all()
    with pytest.raises(SettingsError, match="axis 'again' is 0 or a combination of those before it"):
        orthogonal_axes({"a": raw[0], "again": 2 * raw[0]})


def test_what_selects_nothing_is_said_in_a_sentence() -> None:
    flow = Flow.of(_gated("rate"), np.zeros(4))
    with pytest.raises(SettingsError, match="'motion' is .* expected 4 numbers"):
        selection(flow, np.zeros((2, 12)), {"motion": [1.0]})
    fast = Flow.of(network(np.zeros((3, 3))), np.zeros(1))
    with pytest.raises(ManifoldError, match="no slow direction"):
        slow_modes(fast, np.zeros((2, 3)))


def test_a_defective_eigenvalue_has_no_left_vector() -> None:
    """At rest the Jacobian is ((-0.01, 1), (0, -0.01)): right vector (1, 0) and left vector (0, 1) do not overlap."""
    flow = Flow.of(network(np.array([[0.99, 1.0], [0.0, 0.99]]), form="current", w_in=np.zeros((2, 1))), np.zeros(1))
    modes = slow_modes(flow, np.zeros((2, 2)), tangents=np.tile([1.0, 0.0], (2, 1)))
    assert np.isnan(modes.left).all() and np.isfinite(modes.right).all()
    np.testing.assert_allclose(modes.eigenvalue, -0.01, atol=1e-6)
