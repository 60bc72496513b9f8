"""Quantities of continuous-time networks: scores, slow curves, decisions; stage `claims` on them."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from synthetic_regression import cddm, write_network

from rnnpipe.analysis import slow_curves
from rnnpipe.analysis.quantities import QUANTITIES
from rnnpipe.analysis.traced_network import TracedNetwork
from rnnpipe.cli.main import main
from rnnpipe.io.ctrnn import read_ctrnn
from rnnpipe.tasks.cddm_signed import CddmSigned
from rnnpipe.tasks.flip_flop import FlipFlop
from rnnpipe.tasks.memory_angle import MemoryAngle
from rnnpipe.tasks.memory_number import MemoryNumber


def _measure(name: str, data: Any) -> float:
    return QUANTITIES[name].measure(data)


def _traced(path: Path) -> TracedNetwork:
    return TracedNetwork(read_ctrnn(path))


# -- scores ---------------------------------------------------------------------------------------------------

SCORES = {
    "squared_error": "noisy_mse",
    "clean_squared_error": "mse",
    "largest_squared_error": "noisy_mse",
    "output_accuracy": "noisy_accuracy",
    "sign_correct": "noisy_sign_correct",
    "recall_slope": "noisy_slope",
    "recall_r2": "noisy_r2_recalled",
    "angular_error": "noisy_angular_error",
}


def _scored(**score: float) -> Any:
    return SimpleNamespace(score=score)


def test_scores_are_those_of_the_file() -> None:
    names = sorted(set(SCORES.values()))
    other = {name.removeprefix("noisy_"): -1.0 for name in names}
    scored = _scored(**(other | {name: 0.1 * k for k, name in enumerate(names)}))
    for quantity, name in SCORES.items():
        assert _measure(quantity, scored) == 0.1 * names.index(name), quantity
    for quantity, name in SCORES.items():
        with pytest.raises(KeyError, match=f"score {name}"):
            _measure(quantity, _scored(unrelated=1.0))
    assert np.isnan(_measure("recall_slope", _scored(noisy_slope=np.nan)))


def test_easy_trials_are_those_of_the_worse_context() -> None:
    def accuracy(motion: float, colour: float) -> float:
        scored = _scored(noisy_accuracy_motion=motion, noisy_accuracy_colour=colour, noisy_accuracy=0.1)
        return _measure("easy_accuracy", scored)

    assert accuracy(0.9, 0.7) == 0.7 and accuracy(0.6, 0.7) == 0.6
    assert np.isnan(accuracy(0.9, np.nan)) and np.isnan(accuracy(np.nan, 0.9)), "one context is no measurement of two"


@pytest.mark.parametrize(
    ("name", "summary"),
    [("squared_error", 2.0), ("largest_squared_error", 9.0), ("asymmetry_at_rest", 9.0), ("cube_census", 4.0),
     ("all_corners", 4.0), ("degree_of_one", 4.0), ("certified_fraction", 4.0), ("ring_in_delay", 4.0),
     ("ring_in_recall", 4.0), ("has_delay_curve", 4.0), ("points_at_rest", 2.0), ("points_under_a_pulse", 2.0),
     ("delay_output", 2.0), ("line_gating", 2.0), ("line_slowness", 2.0), ("line_along_choice", 2.0)],
)  # fmt: skip
def test_how_networks_are_summarised(name: str, summary: float) -> None:
    assert QUANTITIES[name].summarise([1.0, 2.0, 9.0]) == summary
    assert QUANTITIES[name].summarise([1.0, np.nan, 2.0, 9.0]) == summary
    assert np.isnan(QUANTITIES[name].summarise([np.nan]))


# -- slow curves ----------------------------------------------------------------------------------------------

WEIGHT, GAIN, LEAK = 0.25, 3.0, 0.125
"""Weights onto and from the units that read a memory in recall; and what of it reaches the outputs throughout."""
RECALLED = 2 * WEIGHT * GAIN + LEAK
"""What of it reaches the outputs in recall."""


def _read_out(w_rec: np.ndarray, w_in: np.ndarray, w_out: np.ndarray, axes: np.ndarray, cue: int, bias: int) -> None:
    """Add units that pass what lies along some axes of the first units on to the outputs, in recall only."""
    n = axes.shape[1]
    for k, axis in enumerate(axes):
        for sign in (1, -1):
            unit = n + 2 * k + (sign < 0)
            w_rec[unit, :n] = WEIGHT * sign * axis
            w_in[unit, cue], w_in[unit, bias] = 4.0, -2.0
            w_out[k, unit] = sign * GAIN
        w_out[k, :n] = LEAK * axis


def _number_line(path: Path, scale: float = 1.0) -> Path:
    """Memory of a number on the line x_1 + x_2 = 1 of two rectified units, all of it fixed points.

    Its output is RECALLED (x_1 - x_2) in recall and LEAK (x_1 - x_2) before, both `scale` times.
    """
    task = MemoryNumber(bias=True, n_numbers=8, repeats=1)
    w_rec, w_in, w_out = np.zeros((4, 4)), np.zeros((4, 3)), np.zeros((1, 4))
    w_rec[0, 1] = w_rec[1, 0] = -1.0
    w_in[:2, 0], w_in[:2, 2] = [0.25, -0.25], 1.0
    _read_out(w_rec, w_in, w_out, np.array([[1.0, -1.0]]), cue=1, bias=2)
    write_network(path, task, w_rec, w_in, scale * w_out, form="rate", activation="relu")
    return path


def _hexagon(path: Path) -> Path:
    """Memory of an angle on a ring of six rectified units, all of it fixed points: (p - s, 2 p, p + s), p = 3 / 8."""
    task = MemoryAngle(bias=True, n_angles=12, repeats=1)
    theta = 2 * np.pi * np.arange(6) / 6
    axes = np.stack([np.cos(theta), np.sin(theta)])
    w_rec, w_in, w_out = np.zeros((10, 10)), np.zeros((10, 4)), np.zeros((2, 10))
    w_rec[:6, :6] = (-4 + 4 * np.cos(theta[:, None] - theta)) / 6
    w_in[:6, :2], w_in[:6, 2] = axes.T, 1.0
    _read_out(w_rec, w_in, w_out, axes, cue=3, bias=2)
    write_network(path, task, w_rec, w_in, w_out, form="rate", activation="relu")
    return path


def _forgetful(path: Path) -> Path:
    """A network without slow states, for a memory task."""
    task = MemoryNumber(bias=True, n_numbers=8, repeats=1)
    write_network(path, task, np.zeros((2, 2)), np.ones((2, 3)), np.ones((1, 2)), form="rate", activation="tanh")
    return path


@pytest.fixture(scope="module")
def number_line(tmp_path_factory: pytest.TempPathFactory) -> TracedNetwork:
    """A traced line."""
    return _traced(_number_line(tmp_path_factory.mktemp("line") / "n.pth"))


@pytest.fixture(scope="module")
def hexagon(tmp_path_factory: pytest.TempPathFactory) -> TracedNetwork:
    """A traced ring."""
    return _traced(_hexagon(tmp_path_factory.mktemp("ring") / "n.pth"))


def test_a_line_of_numbers(number_line: TracedNetwork) -> None:
    expected = {
        "has_delay_curve": 1.0,
        "ring_in_delay": 0.0,
        "ring_in_recall": 0.0,
        "delay_length": np.sqrt(2),
        "delay_output": LEAK,
        "recall_output": RECALLED,
        "recall_radius": RECALLED / 2,
    }
    assert {name: _measure(name, number_line) for name in expected} == pytest.approx(expected, rel=0.01)


def test_a_ring_of_angles(hexagon: TracedNetwork) -> None:
    p = 3 / 8
    # the population vector goes round a hexagon of apothem 3 p and half a side of sqrt(3) p
    s = (np.arange(10_000) + 0.5) / 10_000
    mean = p * np.sqrt(9 + 3 * s**2).mean()
    expected = {
        "has_delay_curve": 1.0,
        "ring_in_delay": 1.0,
        "ring_in_recall": 1.0,
        "delay_length": 12 * np.sqrt(2) * p,
        "delay_output": LEAK * np.sqrt(12) * p,
        "recall_radius": RECALLED * mean,
    }
    assert {name: _measure(name, hexagon) for name in expected} == pytest.approx(expected, rel=0.01)


def test_the_smaller_side_counts(number_line: TracedNetwork) -> None:
    curve = number_line.curve("recall")
    assert curve is not None
    for outputs, smaller in (([-1.0, 0.0, 3.0], 1.0), ([-3.0, 0.0, 1.0], 1.0), ([1.0, 2.0], -1.0)):
        one: Any = SimpleNamespace(curve={"recall": SimpleNamespace(outputs=np.array(outputs)[:, None])}.get)
        assert _measure("recall_output", one) == smaller


def test_rings_of_delay_and_recall_are_told_apart() -> None:
    for delay, recall in itertools.product(("ring", "line", "open"), repeat=2):
        curves = {"delay": SimpleNamespace(kind=delay), "recall": SimpleNamespace(kind=recall)}
        one: Any = SimpleNamespace(curve=curves.get)
        assert _measure("ring_in_delay", one) == (delay == "ring")
        assert _measure("ring_in_recall", one) == (recall == "ring")


def test_without_slow_states_only_their_absence_is_measured(tmp_path: Path) -> None:
    traced = _traced(_forgetful(tmp_path / "n.pth"))
    for name in ("has_delay_curve", "ring_in_delay", "ring_in_recall"):
        assert _measure(name, traced) == 0
    for name in ("delay_output", "recall_output", "recall_radius", "delay_length"):
        assert np.isnan(_measure(name, traced))


def test_curves_are_traced_once_and_belong_to_their_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[str], int]] = []
    trace = slow_curves.memory_curves

    def counted(network: Any, task: Any, labels: list[str], settings: Any, seed: int = 0) -> Any:
        calls.append((labels, seed))
        return trace(network, task, labels, settings, seed)

    monkeypatch.setattr(slow_curves, "memory_curves", counted)
    path = tmp_path / "n.pth"
    stored = replace(read_ctrnn(_number_line(path)), seed=7)
    traced = TracedNetwork(stored)
    assert traced.seed == 7 and traced.score is stored.score
    first = [_measure(name, traced) for name in ("delay_output", "delay_length", "recall_output", "recall_radius")]
    assert calls == [(["delay"], 7), (["recall"], 7)], "as the figure traces them"
    # another network under the same name, in the same process
    again = _traced(_number_line(path, scale=2.0))
    second = [_measure(name, again) for name in ("delay_output", "delay_length", "recall_output", "recall_radius")]
    np.testing.assert_allclose(second, np.array([2, 1, 2, 2]) * first)
    assert len(calls) == 4
    none = _traced(_forgetful(path))
    assert [_measure("ring_in_delay", none), _measure("has_delay_curve", none)] == [0, 0]
    assert len(calls) == 5, "that there is none is known, too"


# -- decisions ------------------------------------------------------------------------------------------------

NEUTRAL, SUPPRESSED = 0.8 * 0.5, {"motion": 1.4, "colour": 0.7}
"""Currents of units of a feature, in its context and in the other one, without evidence."""
DRIVE = {"motion": 0.25, "colour": 0.35}


def _decider(path: Path, slow: float = 1.02) -> Path:
    """A choice on a line attractor, tanh units in currents; features are suppressed by saturation.

    Unit 0 is the choice, units 1 to 4 are driven by the right and left of motion and of colour, unit 5 does nothing but
    be read out.
    """
    w_rec, w_in, w_out = np.zeros((6, 6)), np.zeros((6, 6)), np.zeros((2, 6))
    w_rec[0, 0] = slow
    for k, (feature, other) in enumerate((("motion", 1), ("colour", 0))):
        for side, sign in enumerate((1.0, -1.0)):
            unit = 1 + 2 * k + side
            w_rec[0, unit] = sign * DRIVE[feature]
            w_in[unit, 1 + unit], w_in[unit, other] = 0.8, SUPPRESSED[feature] - NEUTRAL
    w_out[:, 0], w_out[0, 5] = [1.0, -1.0], 1.5
    write_network(path, cddm(), w_rec, w_in, w_out, form="current", activation="tanh", tau=40.0)
    return path


def _sech2(h: float) -> float:
    return float(1 - np.tanh(h) ** 2)


def test_lines_of_two_contexts(tmp_path: Path) -> None:
    traced = _traced(_decider(tmp_path / "n.pth"))
    # the left vector is (1, w_0i sech^2(h_i) / (1 + lambda)): gains go with drive and slope
    gain = {
        (name, context): DRIVE[name] * _sech2(NEUTRAL if name == context else SUPPRESSED[name])
        for name in DRIVE
        for context in DRIVE
    }
    index = {
        "motion": gain["colour", "motion"] / gain["motion", "motion"],
        "colour": gain["motion", "colour"] / gain["colour", "colour"],
    }
    assert index["motion"] > 2 * index["colour"]
    assert _measure("line_gating", traced) == pytest.approx(index["motion"], rel=1e-5)
    # the line is along unit 0, the axis of choice (2, 0, 0, 0, 0, 1.5)
    assert _measure("line_along_choice", traced) == pytest.approx(0.8, rel=1e-5)
    lines = traced.context_lines
    assert lines is not None and list(lines) == ["motion", "colour"]
    slowest = []
    for context, one in lines.items():
        h = np.linspace(*one.line.states[[0, -1], 0], 31)  # the ends, to either side
        assert h[0] < -0.2 and h[-1] > 0.2
        # in a hyperplane the other units move a little to where they slow unit 0 down
        slopes = [gain[name, context] for name in DRIVE for _ in range(2)]
        q = (1.02 * np.tanh(h) - h) ** 2 / 2 / (1 + np.square(slopes).sum())
        slowest.append(q[3:28].max())
        assert q.max() > 1.5 * q[3:28].max()
    assert abs(slowest[0] - slowest[1]) > 0.1 * max(slowest)
    assert _measure("line_slowness", traced) == pytest.approx(max(slowest), rel=0.02)


def test_lines_of_signed_inputs_begin_without_evidence(tmp_path: Path) -> None:
    """`cddm_signed` has no input of a context alone: its neutral stimulus is none."""
    w_rec, w_in, w_out = np.zeros((3, 3)), np.zeros((3, 4)), np.zeros((2, 3))
    w_rec[0, :], w_out[:, 0] = [1.02, 0.25, 0.35], [1.0, -1.0]
    w_in[1, 2] = w_in[2, 3] = 1.0  # units 1 and 2 are driven by motion and by colour, whatever the context
    path = tmp_path / "n.pth"
    write_network(path, CddmSigned(), w_rec, w_in, w_out, form="current", activation="tanh", tau=40.0)
    traced = _traced(path)
    assert _measure("line_gating", traced) == pytest.approx(0.35 / 0.25, rel=1e-5), (
        "colour counts most, in both contexts"
    )
    lines = traced.context_lines
    assert lines is not None
    for one in lines.values():
        assert {name: abs(path[-1, 0]) > 0.1 for name, path in one.trajectories.items()} == {
            "right": True,
            "zero": False,
            "left": True,
        }


def _line(q: list[float], gating: float, angle: list[float] | None) -> Any:
    s = np.arange(len(q)) * 0.3
    return SimpleNamespace(
        gating_index=gating,
        line=SimpleNamespace(arclength=s, length=s[-1], q=np.array(q)),
        selection=SimpleNamespace(readout_angle=None if angle is None else np.array(angle)),
    )


def test_the_worse_context_counts() -> None:
    q = [9.0, 8.0, *[0.0] * 17, 8.0, 9.0]  # those of 8 are 5 % from the ends
    one = _line(q, 0.1, [0.0, 60.0, 0.0])
    other = _line([9.0, 1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 1.0, 9.0], 0.3, [90.0, 150.0, 90.0])
    spoilt = _line([np.nan] * 11, np.nan, None)
    for first, second in ((one, other), (other, one)):
        both: Any = SimpleNamespace(context_lines={"motion": first, "colour": second})
        assert _measure("line_gating", both) == 0.3
        assert _measure("line_slowness", both) == pytest.approx(2.0)
        assert _measure("line_along_choice", both) == pytest.approx(0.5)
    steeper = _line(q, 0.1, [0.0, 120.0, 0.0]), _line(q, 0.1, [0.0, 75.0, 0.0])
    for first, second in (steeper, steeper[::-1]):
        both = SimpleNamespace(context_lines={"motion": first, "colour": second})
        assert _measure("line_slowness", both) == pytest.approx(0.0, abs=1e-9)
        assert _measure("line_along_choice", both) == pytest.approx(np.cos(np.deg2rad(75)))
    for first, second in ((one, spoilt), (spoilt, one)):
        both = SimpleNamespace(context_lines={"motion": first, "colour": second})
        for name in ("line_gating", "line_slowness", "line_along_choice"):
            assert np.isnan(_measure(name, both)), name


def test_lines_are_found_once_and_may_be_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    trace = slow_curves.context_lines

    def counted(*args: Any) -> Any:
        calls.append(args)
        return trace(*args)

    monkeypatch.setattr(slow_curves, "context_lines", counted)
    names = ("line_gating", "line_slowness", "line_along_choice")
    for path, absent in ((_decider(tmp_path / "a.pth"), False), (_decider(tmp_path / "b.pth", slow=0.3), True)):
        calls.clear()
        traced = _traced(path)
        assert [bool(np.isnan(_measure(name, traced))) for name in names] == [absent] * 3
        assert len(calls) == 1


def _choices(slopes: dict[str, tuple[float, float]], n: int = 400) -> pd.DataFrame:
    """Choices in their expected numbers of an observer with slopes along the relevant and the irrelevant coherence."""
    grid = [-0.2, -0.1, 0.0, 0.1, 0.2]
    cells = []
    for context, (along, across) in slopes.items():
        for c, d in itertools.product(grid, grid):
            right = np.arange(n) < round(n / (1 + np.exp(-along * c - across * d)))
            cell = {"context": context, "coherence_relevant": c, "coherence_irrelevant": d, "mse": 0.0}
            cells.append(pd.DataFrame({**cell, "choice": np.where(right, 2, 1), "decision": True}, index=range(n)))
    return pd.concat(cells, ignore_index=True)


def test_choices_are_gated_by_context() -> None:
    slopes = {"motion": (10.0, 1.0), "colour": (8.0, -4.0)}
    table = _choices(slopes)
    assert _measure("choice_gating", table) == pytest.approx(0.5, rel=0.02)
    assert _measure("choice_gating", _choices({**slopes, "colour": (8.0, 0.4)})) == pytest.approx(0.1, rel=0.02)
    # trials without a decision do not count, whatever their choice
    idle = table.assign(decision=False, choice=np.where(table["coherence_irrelevant"] > 0, 2, 0))
    assert _measure("choice_gating", pd.concat([table, idle], ignore_index=True)) == _measure("choice_gating", table)
    for context in slopes:
        silent = table.assign(decision=table["decision"] & (table["context"] != context))
        assert np.isnan(_measure("choice_gating", silent)), "one context is no measurement of two"


# -- stage ----------------------------------------------------------------------------------------------------


def _claim(quantity: str, **target: float) -> dict[str, Any]:
    return {"quantity": quantity, "of": "e", "needs": ["network"], **(target or {"target_low": 0.9})}


def _run(out: Path, claims: dict[str, Any], *inputs: str) -> tuple[int, pd.DataFrame | None]:
    flags = [word for item in inputs for word in ("--inputs", item)]
    status = main(["claims", "--settings", json.dumps(claims), *flags, "--out", str(out)])
    return status, pd.read_csv(out).set_index("id") if out.exists() else None


def _scores_written(path: Path, seed: int, **score: float) -> Path:
    content = torch.load(path, weights_only=True)
    torch.save({**content, "score": score, "seed": seed}, path)
    return path


def test_claims_on_networks(tmp_path: Path) -> None:
    line = _scores_written(_number_line(tmp_path / "line.pth"), 3, noisy_slope=-0.9, noisy_mse=0.1)
    none = _scores_written(_forgetful(tmp_path / "none.pth"), 5, noisy_slope=np.nan, noisy_mse=0.3)
    claims = {
        "has": _claim("has_delay_curve"),
        "length": _claim("delay_length", target_low=1.4, target_high=1.43),
        "slope": _claim("recall_slope", target_low=-1.0, target_high=-0.8),
        "mean": _claim("squared_error", target_high=0.25),
        "worst": _claim("largest_squared_error", target_high=0.25),
    }
    networks = [f"network:e={line}", f"network:e={none}", f"network:e={tmp_path}/missing.pth"]
    status, rows = _run(tmp_path / "c.csv", claims, *networks)
    assert status == 0 and rows is not None
    np.testing.assert_allclose(rows["measured"], [0.5, np.sqrt(2), -0.9, 0.2, 0.3], rtol=0.01)
    assert rows["n_seeds"].tolist() == [2, 1, 1, 2, 2]
    assert rows["verdict"].tolist() == ["missed", "reached", "reached", "reached", "missed"]
    # networks that do not allow a measurement are named, and so are files that are not there
    for name, unmeasured in (("has", False), ("length", True), ("slope", True), ("mean", False)):
        assert ("seed 5" in rows.loc[name, "note"]) == unmeasured, name
        assert "missing.pth is missing" in rows.loc[name, "note"]
    status, rows = _run(tmp_path / "none.csv", {"length": claims["length"]}, networks[1])
    assert status == 0 and rows is not None and rows["measured"].isna().all()
    assert rows["verdict"].tolist() == ["not measured"] and rows["n_seeds"].tolist() == [0]
    # the same name, another network: nothing is remembered from one run to the next
    _scores_written(_number_line(line, scale=2.0), 3, noisy_slope=-0.9, noisy_mse=0.1)
    claims = {"delay": _claim("delay_output"), "recall": _claim("recall_output")}
    _, rows = _run(tmp_path / "again.csv", claims, networks[0])
    assert rows is not None
    np.testing.assert_allclose(rows["measured"], [2 * LEAK, 2 * RECALLED], rtol=0.01)


@pytest.mark.parametrize(
    ("quantity", "words"),
    [
        ("recall_slope", "has no 'score noisy_slope', which recall_slope is computed from"),
        ("delay_output", "has no 'input delay', which delay_output is computed from"),
        ("line_gating", "has no 'two contexts', which line_gating is computed from"),
    ],
)
def test_networks_of_another_task_are_one_sentence(
    quantity: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, path = np.ones((1, 1)), tmp_path / "n.pth"
    write_network(path, FlipFlop(n_bits=1), 2 * one, one, one, form="rate", activation="tanh")
    status, rows = _run(tmp_path / "c.csv", {"a": _claim(quantity)}, f"network:e={path}")
    message = capsys.readouterr().err.strip()
    assert status == 3 and rows is None
    assert "\n" not in message and str(path) in message and words in message
