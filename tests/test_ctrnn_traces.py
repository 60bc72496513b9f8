"""Traces of units and weights during training: definitions, what is kept for them, and that they change nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnpipe.analysis.participation import participation
from rnnpipe.analysis.population import silent_units
from rnnpipe.cli.main import main
from rnnpipe.errors import ArtefactError
from rnnpipe.io.history import read_participation, read_regression_history
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.networks.engines import hold_libraries
from rnnpipe.tasks.flip_flop import FlipFlop
from rnnpipe.training.regression import Member
from rnnpipe.training.regression_settings import RegressionSettings
from rnnpipe.training.traces import Traces

TASK = FlipFlop(n_bits=1, tmax=60.0, repeats=16)
SHAPES = {"w_rec": (4, 4), "w_in": (4, 1), "w_out": (2, 4)}
CHANGES = ("drift_10", "drift_100", "drift_1000", "drift_cosine", "participation_change")


def walk(interval: int, n_iterations: int, seed: int = 0) -> tuple[list[int], NDArray[Any], NDArray[Any]]:
    """Updates, weights and participation of a random walk, at evaluations."""
    rng = np.random.default_rng(seed)
    updates = [*range(0, n_iterations, interval), n_iterations]
    w = rng.standard_normal((len(updates), 28)).astype(np.float32).cumsum(0)
    return updates, w, rng.random((len(updates), 4)).astype(np.float32)


def split(w: NDArray[Any]) -> dict[str, NDArray[Any]]:
    parts = np.split(w, [16, 20])
    return {name: part.reshape(shape) for (name, shape), part in zip(SHAPES.items(), parts, strict=True)}


def norm(v: NDArray[Any]) -> float:
    return float(np.linalg.norm(v.astype(float)))


@pytest.mark.parametrize(("interval", "n_iterations"), [(10, 2500), (1, 1300), (25, 2500), (130, 2600)])
def test_drifts_are_those_of_all_evaluations_kept(interval: int, n_iterations: int) -> None:
    updates, w, p = walk(interval, n_iterations)
    traces, at = Traces(interval), dict(zip(updates, w, strict=True))
    for i, k in enumerate(updates):
        row = traces.note(k, split(w[i]), p[i])
        for lag in (10, 100, 1000):
            # weights that long ago, or up to a tenth longer where evaluations are dense, or up to an interval
            cell = max(interval, lag // 10)
            able = [j for j in updates[:i] if lag <= k - j < lag + cell and k - j <= 1.5 * lag]
            found = row[f"drift_{lag}"]
            assert math.isnan(found) if not able else any(
                found == pytest.approx(norm(w[i] - at[j]) / norm(w[i])) for j in able
            ), (k, lag)  # fmt: skip
        if i:
            assert row["participation_change"] == pytest.approx(norm(p[i] - p[i - 1]) / norm(p[i]))
        if i > 1:
            a, b = (w[i] - w[i - 1]).astype(float), (w[i - 1] - w[i - 2]).astype(float)
            assert row["drift_cosine"] == pytest.approx(a @ b / norm(a) / norm(b), abs=1e-6)
        else:
            assert math.isnan(row["drift_cosine"])
        assert len(traces.state()["iterations"]) <= 35
    assert row["drift_1000"] > 0 and math.isnan(row["drift_10"]) == (interval > 15)


def test_traces_go_on_where_they_were() -> None:
    updates, w, p = walk(10, 1500)
    whole, part = Traces(10), Traces(10)
    rows = [whole.note(k, split(a), b) for k, a, b in zip(updates, w, p, strict=True)]
    for k, a, b in zip(updates[:77], w[:77], p[:77], strict=True):
        part.note(k, split(a), b)
    resumed = Traces(10)
    resumed.load_state(part.state())
    rest = [resumed.note(k, split(a), b) for k, a, b in zip(updates[77:], w[77:], p[77:], strict=True)]
    assert rest == rows[77:]
    assert (np.array(resumed.participation) == p).all()


def test_weights_that_do_not_move_have_no_direction() -> None:
    _, w, p = walk(10, 10)
    traces = Traces(10)
    rows = [traces.note(k, split(w[0]), p[0] * 0) for k in (0, 10, 20)]
    assert rows[2]["drift_10"] == 0 and math.isnan(rows[2]["drift_cosine"])
    assert math.isnan(rows[2]["participation_change"]), "nothing takes part"


def test_silent_units_by_both_definitions() -> None:
    p = np.array([[1e-7, 1e-4, 0.04, 0.2, 1.0, 1.0, 1.0, 1.0], [0.0] * 8])
    truly, by_scale = silent_units(p)
    assert truly[0].sum() == 1 and by_scale[0].sum() == 3
    assert truly[1].all() and not by_scale[1].any(), "where all are silent there is no scale"


def member(**learning: Any) -> Member:
    hold_libraries()
    made = Member(TASK, CtrnnSettings(n_units=12), RegressionSettings(**{"max_iterations": 40, **learning}), 3)
    while not made.finished:
        made.advance()
    return made


def test_traces_change_nothing_of_the_training() -> None:
    plain, traced = member(), member(trace_units=True)
    assert (plain.adam.values == traced.adam.values).all() and plain.losses == traced.losses
    for row, more in zip(plain.history, traced.history, strict=True):
        assert set(more) - set(row) == set(CHANGES)
        assert all(more[name] == row[name] or (more[name] != more[name] and row[name] != row[name]) for name in row)
    assert plain.score() == traced.score()
    _, states = traced.engine.run(traced.arrays(), traced.held_out.inputs, states=True)
    assert states is not None and traced.traces is not None
    np.testing.assert_allclose(traced.traces.participation[-1], participation(states), rtol=1e-6)
    assert [len(t) for t in traced.traces.participation] == [12] * 5
    drifts = [row["drift_10"] for row in traced.history]
    assert math.isnan(drifts[0]) and all(0 < d < 2 for d in drifts[1:])


def test_histories_hold_traces_if_they_were_asked_for(tmp_path: Path) -> None:
    settings = {"task": {"name": "flip_flop", "n_bits": 1, "tmax": 60.0, "repeats": 16}, "network": {"n_units": 12},
                "learning": {"rule": "regression", "max_iterations": 30}}  # fmt: skip
    files = [f"--network={tmp_path}/{{seed}}.pth", "--device=cpu", f"--settings={json.dumps(settings)}", "--seed=3"]
    assert main(["train", *files, f"--history={tmp_path}/on.h5", "--learning.trace_units=true"]) == 0
    assert main(["train", *files, f"--history={tmp_path}/off.h5"]) == 0
    table = read_regression_history(tmp_path / "on.h5")
    assert set(CHANGES) <= set(table) and not set(CHANGES) & set(read_regression_history(tmp_path / "off.h5"))
    p = read_participation(tmp_path / "on.h5")
    assert p.shape == (4, 12) and p.dtype == np.float32
    change = [norm(b - a) / norm(b) for a, b in zip(p, p[1:], strict=False)]
    assert table["participation_change"].tolist()[1:] == pytest.approx(change, rel=1e-5)
    with pytest.raises(ArtefactError, match=r"off.h5: has no participation of units; train .* learning.trace_units"):
        read_participation(tmp_path / "off.h5")
