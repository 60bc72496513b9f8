"""Stage `fixed_points` on rate networks, its files, and the object for interactive work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from exact_systems import blocks, network
from synthetic_regression import write_network

from rnnpipe.cli.main import main
from rnnpipe.errors import SettingsError
from rnnpipe.fixed_points.analyzer import DynamicSystemAnalyzer, point_kinds
from rnnpipe.fixed_points.settings import SearchSettings
from rnnpipe.fixed_points.visited import visited_states
from rnnpipe.io.certified_points import CERTIFIED
from rnnpipe.io.ctrnn import read_ctrnn
from rnnpipe.io.fixed_points import KIND, read_fixed_points
from rnnpipe.io.hdf5 import read
from rnnpipe.tasks.flip_flop import FlipFlop

SMALL = ["--search.n_starts=64", "--search.max_starts=64", "--search.n_trials=4"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A switch of eight units, as if trained on a 1-bit flip-flop."""
    path = tmp_path_factory.mktemp("ctrnn") / "n.pth"
    ones = np.ones((8, 1))
    write_network(path, FlipFlop(n_bits=1), blocks(1, 8, 1.5), ones, ones.T / 8, activation="tanh", dale=False)
    return path


def test_the_stage_on_a_continuous_time_network(trained: Path, tmp_path: Path, capsys: Any) -> None:
    call = ["fixed_points", f"--network={trained}", *SMALL]
    assert main([*call, f"--out={tmp_path}/a.h5"]) == 0
    printed = capsys.readouterr().out
    summary = json.loads(printed[printed.index("{") : printed.rindex("}") + 1])
    stored = read_ctrnn(trained)
    assert list(summary) == list(stored.task.protocol_inputs())
    table, states = read_fixed_points(tmp_path / "a.h5")
    assert len(table) == sum(s["n_points"] for s in summary.values()) > 0
    assert [summary["rest"][key] for key in ("n_points", "census", "complete")] == [3, [2, 1], True]
    assert summary[list(summary)[1]]["n_points"] == 1, "a pulse leaves one side only"
    assert table["certified"].all() and set(table["class"]) <= {"stable node", "stable focus", "saddle", "repeller"}
    net = stored.network.astype(np.float64)
    with read(tmp_path / "a.h5", KIND, CERTIFIED) as file:
        values = file["inputs/values"][:]
        output, rate = file["fixed_points/output"][:], file["fixed_points/rate"][:]
        timeless = {label: {k: v for k, v in s.items() if k != "wall_time"} for label, s in summary.items()}
        assert json.loads(file.attrs["summary"]) == timeless, "equal searches make equal files"
    for x, k, o, r in zip(states, table["input"], output, rate, strict=True):
        assert np.abs(net.velocity(x, values[k])).max() < 1e-11
        np.testing.assert_allclose(net.rates(x), r, atol=1e-12)
        np.testing.assert_allclose(net.w_out @ r, o, atol=1e-12)
    assert main([*call, f"--out={tmp_path}/b.h5", "--threads=2"]) == 0
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        np.testing.assert_array_equal(a["fixed_points/x"][:], b["fixed_points/x"][:])


def test_inputs_by_hand(trained: Path, tmp_path: Path, capsys: Any) -> None:
    call = ["fixed_points", f"--network={trained}", f"--out={tmp_path}/a.h5", *SMALL]
    assert main([*call, "--input=weak=0.2", "--input=0.5"]) == 0
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["inputs/label"].asstr()[:].tolist() == ["weak", "0.5"]
        assert file["inputs/values"][:].tolist() == [[0.2], [0.5]]
    (tmp_path / "a.h5").unlink()
    for bad, words in (("0,1", "has 2 values, expected 1"), ("x", "expected numbers"), ("nan", "finite")):
        capsys.readouterr()
        assert main([*call, f"--input={bad}"]) != 0
        message = capsys.readouterr().err
        assert words in message and "Traceback" not in message and not (tmp_path / "a.h5").exists()


def test_a_damaged_network_is_refused(trained: Path, tmp_path: Path, capsys: Any) -> None:
    content = torch.load(trained, weights_only=True)
    content["network"]["w_rec"][0, 0] = float("nan")
    torch.save(content, tmp_path / "broken.pth")
    main(["fixed_points", f"--network={tmp_path}/broken.pth", f"--out={tmp_path}/a.h5"])
    message = capsys.readouterr().err
    assert "w_rec" in message and "Traceback" not in message and not (tmp_path / "a.h5").exists()


def test_visited_states_are_those_of_the_network() -> None:
    net = network(blocks(2, 2, 1.5))
    u = np.random.default_rng(0).standard_normal((30, 4, 1))
    states = visited_states(net, u, 0.0, np.random.default_rng(0))
    expected = net.simulate(u)[0]
    np.testing.assert_allclose(states.reshape(30, 4, 4)[:, ::2], expected[:, ::2], atol=1e-14)


def test_the_analyzer() -> None:
    analyzer = DynamicSystemAnalyzer(network(blocks(2, 3, 1.5)), SearchSettings(n_starts=128, max_starts=512))
    with pytest.raises(SettingsError, match="no fixed point to draw"):
        analyzer.plot_fixed_points()
    points = analyzer.get_fixed_points([0.0])
    assert points.n_points == 9 and analyzer.get_fixed_points([0.3], mode="approx").n_starts == 128
    assert sorted(point_kinds(points).tolist()) == ["stable"] * 4 + ["unstable"] * 5
    near = analyzer.compute_point_analytics(points.state[0], [0.0])
    assert near["q"] < 1e-24 and near["class"] == "stable node" and near["l"] @ near["r"] == pytest.approx(1)
    np.testing.assert_allclose(near["eigenvalues"][:2].real, points.stability.eigenvalues[0, :2].real, atol=1e-12)
    for projection, axes in (("2D", None), ("3D", None), ("2D", np.eye(6)[:, :2])):
        figure = analyzer.plot_fixed_points(projection, axes)  # type: ignore[arg-type]
        labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        assert "u = (0): 4 stable" in labels and "u = (0): 5 unstable" in labels
    flat = analyzer.plot_fixed_points("2D", 2 * np.eye(6)[:, :2])
    drawn = np.concatenate([np.transpose(line.get_data()) for line in flat.axes[0].lines[:2]])
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(points.state[:, :2], axis=0), atol=1e-12)
    for call, words in (
        (lambda: analyzer.get_fixed_points([0.0], mode="fast"), "'exact' or 'approx'"),  # type: ignore[arg-type]
        (lambda: analyzer.plot_fixed_points("2D", np.eye(5)[:, :2]), r"P has shape \(5, 2\)"),
        (lambda: analyzer.compute_point_analytics(np.zeros(2), [0.0]), r"point has shape \(2,\)"),
    ):
        with pytest.raises(SettingsError, match=words):
            call()
