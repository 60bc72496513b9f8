"""Certified fixed points as read from their file, the quantities of claims about them, and stage `claims` on them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from exact_systems import blocks
from synthetic_regression import write_cube, write_network

from rnnpipe.analysis.quantities import QUANTITIES
from rnnpipe.analysis.stored_points import StoredPoints, read_stored_points
from rnnpipe.cli.main import main
from rnnpipe.errors import ArtefactError
from rnnpipe.tasks.flip_flop import FlipFlop


def _measure(name: str, data: Any) -> float:
    return QUANTITIES[name].measure(data)


QUICK = ["--search.n_starts=64", "--search.max_starts=64", "--search.n_trials=4", "--search.closure_rounds=1"]
ROOT = 0.9575040240772688
"""Positive root of x = tanh(2 x)."""


def _switches(path: Path, n_bits: int) -> Path:
    """Independent bistable units that hold +-1 each, and lose the other value under a pulse."""
    eye = np.eye(n_bits)
    task = FlipFlop(n_bits=n_bits)
    write_network(path, task, blocks(n_bits, 1, 2.0), eye, eye / ROOT, form="rate", activation="tanh")
    return path


def _search(network: Path, out: Path, *flags: str) -> Path:
    assert main(["fixed_points", f"--network={network}", f"--out={out}", *QUICK, *flags]) == 0
    return out


@pytest.fixture(scope="module")
def switches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fixed points of two switches as the stage wrote them."""
    folder = tmp_path_factory.mktemp("switches")
    return _search(_switches(folder / "n.pth", 2), folder / "p.h5")


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fixed points of one switch under an input that its task does not know."""
    folder = tmp_path_factory.mktemp("by_hand")
    return _search(_switches(folder / "n.pth", 1), folder / "p.h5", "--input=weak=0.2")


def _kept(found: StoredPoints, keep: Any) -> StoredPoints:
    """Some of the points."""
    keep = np.asarray(keep, bool)
    return replace(
        found, table=found.table[keep].reset_index(drop=True), states=found.states[keep], outputs=found.outputs[keep]
    )


def _with(found: StoredPoints, column: str, row: int, value: Any) -> StoredPoints:
    table = found.table.copy()
    table.loc[row, column] = value
    return replace(found, table=table)


def _row(found: StoredPoints, label: str, output: list[float]) -> int:
    """The point under an input that is nearest to an output."""
    away = np.linalg.norm(found.outputs - output, axis=1) + np.where(found.table["label"] == label, 0, 1e9)
    return int(away.argmin())


def _cube(n: int = 3) -> StoredPoints:
    """All that an ideal n-bit memory has at rest."""
    grid = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=n)))
    index = (grid == 0).sum(1)
    columns = {"label": "rest", "index": index, "degree": (-1) ** index, "certified": True}
    return StoredPoints(pd.DataFrame(columns), 2 * grid, grid, ["rest"])


def test_points_as_the_stage_wrote_them(switches: Path) -> None:
    found = read_stored_points(switches)
    assert found.labels == ["rest", "pulse_1+", "pulse_1-", "pulse_2+", "pulse_2-"] and found.n_outputs == 2
    assert found.table.attrs["task"] == "flip_flop" and found.outputs.dtype == np.float64
    rest = found.under("rest")
    assert len(rest) == 9 and set(rest["label"]) == {"rest"}
    np.testing.assert_allclose(found.outputs_of(rest), found.states_of(rest) / ROOT, atol=1e-6)
    pulsed = found.under("pulse_2-")
    assert len(pulsed) == 3 and (found.outputs_of(pulsed)[:, 1] < -1).all()
    np.testing.assert_allclose(np.sort(found.outputs_of(pulsed)[:, 0]), [-1, 0, 1], atol=1e-6)
    with pytest.raises(KeyError, match="input pulse_3"):
        found.under("pulse_3+")
    nothing = _kept(found, found.table["label"] != "rest")
    assert len(nothing.under("rest")) == 0 and nothing.outputs_of(nothing.under("rest")).shape == (0, 2)


def test_quantities_of_two_switches(switches: Path) -> None:
    found = read_stored_points(switches)
    expected = {
        "cube_census": 1.0,
        "points_at_rest": 9.0,
        "all_corners": 1.0,
        "points_under_a_pulse": 2.0,
        "certified_fraction": 1.0,
        "degree_of_one": 1.0,
    }
    assert {name: _measure(name, found) for name in expected} == expected
    assert _measure("asymmetry_at_rest", found) < 1e-10


def test_the_census_is_that_of_a_cube_of_its_number_of_bits(switches: Path) -> None:
    found = read_stored_points(switches)
    for n, n_points in ((1, 3), (2, 9), (3, 27)):
        assert _measure("cube_census", _cube(n)) == 1 and _measure("points_at_rest", _cube(n)) == n_points
    middle = _row(found, "rest", [0, 0])
    assert found.table.loc[middle, "index"] == 2
    assert _measure("cube_census", _with(found, "index", middle, 1)) == 0
    for output in ([0, 0], [1, 0], [1, -1]):
        fewer = _kept(found, np.arange(len(found.table)) != _row(found, "rest", output))
        assert _measure("cube_census", fewer) == 0 and _measure("points_at_rest", fewer) == 8
    pulsed = _kept(found, np.arange(len(found.table)) != _row(found, "pulse_1+", [1, 1]))
    assert _measure("cube_census", pulsed) == 1, "only points at rest count"


def test_a_corner_counts_if_it_is_stable_and_holds_every_bit(switches: Path) -> None:
    found = read_stored_points(switches)
    corner = _row(found, "rest", [1, -1])
    assert _measure("all_corners", _with(found, "index", corner, 1)) == 0
    assert _measure("all_corners", _kept(found, np.arange(len(found.table)) != corner)) == 0
    for away, held in ((0.14, 1), (-0.14, 1), (0.16, 0), (-0.2, 0)):
        outputs = found.outputs.copy()
        outputs[corner, 0] += away
        assert _measure("all_corners", replace(found, outputs=outputs)) == held
    # a stable point whose outputs are 0 does not stand in for a corner, and does no harm beside all of them
    cube = _cube(2)
    centre = _with(cube, "index", _row(cube, "rest", [0, 0]), 0)
    assert _measure("all_corners", centre) == 1
    assert _measure("all_corners", _kept(centre, np.arange(9) != _row(cube, "rest", [1, 1]))) == 0


def test_stable_points_under_pulses(switches: Path) -> None:
    found = read_stored_points(switches)
    pulsed = _row(found, "pulse_1+", [1, 1])
    assert _measure("points_under_a_pulse", _with(found, "index", pulsed, 1)) == 1.75
    none = _kept(found, found.table["label"] != "pulse_2-")  # searched, and nothing found
    assert _measure("points_under_a_pulse", none) == 1.5
    assert np.isnan(_measure("points_under_a_pulse", _cube()))


def test_proofs_and_degrees(switches: Path) -> None:
    found = read_stored_points(switches)
    n = len(found.table)
    assert n == 9 + 4 * 3
    doubtful = found
    for row in (0, n - 1):  # at rest, and under a pulse
        doubtful = _with(doubtful, "certified", row, False)
    assert _measure("certified_fraction", doubtful) == pytest.approx(1 - 2 / n)
    assert np.isnan(_measure("certified_fraction", _kept(found, np.zeros(n))))
    # a saddle that is taken for a node makes the sum 3, one whose sign is unknown 2, one that was missed 2
    saddle = _row(found, "rest", [1, 0])
    assert found.table.loc[saddle, "degree"] == -1
    assert _with(found, "degree", saddle, 1).under("rest")["degree"].sum() == 3
    for broken in (
        _with(found, "degree", saddle, 1),
        _with(found, "degree", saddle, 0),
        _kept(found, np.arange(n) != saddle),
        _kept(found, found.table["label"] != "pulse_2+"),  # searched, and nothing found
    ):
        assert _measure("degree_of_one", broken) == 0.8, "one of five inputs"


def test_the_set_at_rest_is_symmetric(switches: Path) -> None:
    found = read_stored_points(switches)
    corner = _row(found, "rest", [1, 1])
    states = found.states.copy()
    states[corner] += [0.03, 0.04]
    assert _measure("asymmetry_at_rest", replace(found, states=states)) == pytest.approx(0.05)
    # without it, what is nearest to minus its opposite is a saddle, one root away
    alone = _kept(found, np.arange(len(found.table)) != corner)
    assert _measure("asymmetry_at_rest", alone) == pytest.approx(ROOT)
    away = found.states.copy()
    away[_row(found, "pulse_1+", [1, 1])] = 100.0
    assert _measure("asymmetry_at_rest", replace(found, states=away)) < 1e-10, "only points at rest count"
    assert np.isnan(_measure("asymmetry_at_rest", _kept(found, found.table["label"] != "rest")))


@pytest.mark.parametrize("name", ["cube_census", "points_at_rest", "all_corners", "asymmetry_at_rest"])
def test_rest_must_have_been_searched(switches: Path, name: str) -> None:
    found = read_stored_points(switches)
    unsearched = replace(_kept(found, found.table["label"] != "rest"), labels=found.labels[1:])
    with pytest.raises(KeyError, match="input rest"):
        _measure(name, unsearched)


def test_files_of_points_that_cannot_be_read(switches: Path, tmp_path: Path) -> None:
    write_cube(tmp_path / "gated.h5")
    with pytest.raises(ArtefactError, match=r"gated\.h5: holds points of a gated network; take a file of a rate"):
        read_stored_points(tmp_path / "gated.h5")
    with pytest.raises(ArtefactError, match="no such file"):
        read_stored_points(tmp_path / "none.h5")

    def cut(file: h5py.File) -> None:
        output = file["fixed_points/output"][:-1]
        del file["fixed_points/output"]
        file["fixed_points/output"] = output

    def lose(file: h5py.File) -> None:
        del file["fixed_points/degree"]

    def misplace(file: h5py.File) -> None:
        file["fixed_points/input"][0] = 99

    changes: tuple[tuple[Callable[[h5py.File], None], str], ...] = (
        (cut, "output"),
        (lose, "degree"),
        (misplace, "names an input that is not there"),
    )
    for change, word in changes:
        path = tmp_path / "damaged.h5"
        path.write_bytes(switches.read_bytes())
        with h5py.File(path, "r+") as file:
            change(file)
        with pytest.raises(ArtefactError, match=rf"damaged\.h5: .*{word}.*make it again"):
            read_stored_points(path)


def _run(out: Path, *inputs: str) -> tuple[int, pd.DataFrame | None]:
    """Claims on all quantities of fixed points, at least 1 each."""
    claim = {"of": "e", "needs": ["fixed_points"], "target_low": 1.0}
    claims = {name: {"quantity": name, **claim} for name, q in QUANTITIES.items() if q.reads == "fixed_points"}
    flags = [word for item in inputs for word in ("--inputs", f"fixed_points:e={item}")]
    status = main(["claims", "--settings", json.dumps(claims), *flags, "--out", str(out)])
    return status, pd.read_csv(out).set_index("id") if out.exists() else None


def test_claims_on_points(switches: Path, tmp_path: Path) -> None:
    status, rows = _run(tmp_path / "c.csv", str(switches), f"{tmp_path}/missing.h5")
    assert status == 0 and rows is not None and len(rows) == 7
    missed = {"asymmetry_at_rest"}
    assert set(rows.index[rows["verdict"] == "missed"]) == missed
    assert set(rows.index[rows["verdict"] == "reached"]) == set(rows.index) - missed
    assert (rows["n_seeds"] == 1).all() and rows["note"].str.contains("missing.h5 is missing").all()
    status, rows = _run(tmp_path / "none.csv")
    assert status == 0 and rows is not None and (rows["verdict"] == "not measured").all()
    assert rows["note"].str.contains("no fixed_points of experiment e was given").all()


@pytest.mark.parametrize("kind", ["gated", "by_hand"])
def test_points_of_another_kind_or_input_are_one_sentence(
    kind: str, by_hand: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, words = by_hand, "has no 'input rest', which cube_census is computed from"
    if kind == "gated":
        path, words = tmp_path / "p.h5", "holds points of a gated network; take a file of a rate network."
        write_cube(path)
    capsys.readouterr()
    status, rows = _run(tmp_path / "c.csv", str(path))
    message = capsys.readouterr().err.strip()
    assert status == 3 and rows is None
    assert "\n" not in message and str(path) in message and words in message
