"""Rings of stable points, saddles and the paths between them, on networks whose paths are straight lines."""

import numpy as np
import pytest
from scipy.optimize import brentq
from synthetic_manifolds import network

from rnnpipe.analysis.slow_curves import _curve
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.heteroclinic import ring_of_points
from rnnpipe.fixed_points.manifold import ManifoldError
from rnnpipe.fixed_points.trace import ManifoldSettings
from rnnpipe.networks.ctrnn import Form

HELD = float(brentq(lambda x: np.tanh(1.5 * x) - x, 0.1, 1))
"""Where a unit x = tanh(1.5 x) rests, to either side; 0 is unstable."""


def _switches(n: int, form: Form = "rate", turn: float = 0.0) -> tuple[Flow, np.ndarray]:
    """n units, each a switch of its own, and all 3^n fixed points; `turn` makes the second weaker: it rests at 0."""
    gain = np.diag([1.5, *[1.5 - turn] * (n - 1)])
    flow = Flow.of(network(gain, form=form), np.zeros(1))
    x = np.stack(np.meshgrid(*[[-HELD, 0, HELD]] * n, indexing="ij"), axis=-1).reshape(-1, n)
    return flow, x if form == "rate" else 1.5 * x


@pytest.mark.parametrize("form", ["rate", "current"])
def test_two_switches_have_a_square_ring(form: Form) -> None:
    """Four stable corners, four saddles in the middle of the sides; the unstable centre is not on it."""
    flow, points = _switches(2, form)
    found = ring_of_points(flow, np.random.default_rng(0).permutation(points), 400)
    assert found is not None and found.kind == "ring" and abs(found.winding) == 1
    side = 2 * HELD * (1.0 if form == "rate" else 1.5)
    assert found.length == pytest.approx(4 * side, rel=0.01)
    np.testing.assert_allclose(np.abs(found.states).max(1), side / 2, atol=0.01 * side)
    assert sorted(found.points.n_unstable) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert found.gap < 0.01


def test_the_longest_of_several_rings_is_taken() -> None:
    """The corners and edges of a cube: a closed way through all eight corners exists."""
    flow, points = _switches(3)
    found = ring_of_points(flow, points)
    assert found is not None
    corners = np.abs(found.points.states).min(1) > HELD / 2
    assert corners.sum() == 8 and len(found.points.states) == 16
    assert found.length == pytest.approx(16 * HELD, rel=0.02)


def test_chains_and_single_points_are_no_rings() -> None:
    line, points = _switches(1)
    assert ring_of_points(line, points) is None, "a saddle between two stable points"
    weak, _ = _switches(2, turn=0.9)
    three = np.array([[-HELD, 0.0], [0.0, 0.0], [HELD, 0.0]])
    assert ring_of_points(weak, three) is None
    assert ring_of_points(weak, three[1:2]) is None and ring_of_points(weak, three[:0]) is None
    flow, points = _switches(2)
    open_chain = points[~((points[:, 0] == 0) & (points[:, 1] < 0))]  # one saddle was not found
    assert ring_of_points(flow, open_chain) is None


def test_a_memory_is_the_ring_of_its_points_only_where_that_is_slow() -> None:
    """The corners of two switches have no slow direction; along the sides |v| is 0.2 per time constant at most."""
    flow, points = _switches(2)
    corners = points[(points != 0).all(1)]
    found = _curve(flow, corners, ManifoldSettings(q_max=0.05), 0)
    assert found.kind == "ring" and found.length == pytest.approx(8 * HELD, rel=0.01)
    assert 1e-3 < found.q.max() < 0.05
    with pytest.raises(ManifoldError, match="no slow direction"):
        _curve(flow, corners, ManifoldSettings(), 0)
