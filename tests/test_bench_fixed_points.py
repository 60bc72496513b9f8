"""The benchmark of the search for fixed points: each method finds what there is; what it reports is judged rightly."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import yaml
from exact_systems import BLOCK_ROOT

from rnnpipe.bench import fixed_points as bench
from rnnpipe.cli.main import main
from rnnpipe.config import load_study, read_study
from rnnpipe.fixed_points.response import Plain
from rnnpipe.fixed_points.settings import SearchSettings
from rnnpipe.fixed_points.solver import residual
from rnnpipe.networks.activations import Activation

SIZES = (2, 3)
"""Two switches: nine fixed points."""
METHODS = ("search", "solver", "fsolve_jacobian", "fsolve", "adam_1e-06", "adam_1e-09", "adam_1e-12")
SETTINGS = SearchSettings(n_starts=96, max_starts=96)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> bench.System:
    """A tiny exact system, and fewer iterations of Adam."""
    monkeypatch.setattr(bench, "N_STARTS", 96)
    return bench.exact_system(SIZES)


def matches(x: np.ndarray, known: np.ndarray, atol: float) -> bool:
    distance = np.linalg.norm(x[:, None] - known, axis=2)
    return len(x) == len(known) and bool((distance.min(0) < atol).all() and (distance.min(1) < atol).all())


def test_points_of_the_exact_system_are_known(small: bench.System) -> None:
    assert small.known is not None
    assert small.known.shape == (9, 5) and residual(small.flow, small.known).max() < 1e-15
    assert np.unique(np.abs(small.known).round(12)).tolist() == [0, round(BLOCK_ROOT[bench.GAIN], 12)]
    assert len(np.unique(small.known.round(6) + 0.0, axis=0)) == 9
    other = bench.exact_system(SIZES, seed=1)
    assert (other.flow.w != small.flow.w).any(), "another order or other signs"


def test_each_method_finds_all_points_of_a_tiny_system(small: bench.System) -> None:
    assert small.known is not None
    starts = bench.starts_of(small, SETTINGS)
    assert starts.shape == (96, 5)
    found = bench.batched(small.flow, starts, SETTINGS)
    assert matches(found.x, small.known, 1e-9) and found.n_starts == 96 and found.seconds > 0
    for derivative in (True, False):
        found = bench.sequential(small.flow, starts, derivative)
        assert matches(found.x, small.known, 1e-5) and found.n_starts == 96 and found.seconds > 0
    by_tolerance = bench.first_order(small.flow, starts)
    assert tuple(by_tolerance) == bench.TOLERANCES
    for tol, found in by_tolerance.items():
        assert (0.5 * (small.flow.velocity(found.x) ** 2).sum(1) < 1.5 * tol + 1e-13).all(), "in single precision"
    assert matches(found.x, small.known, 1e-5)
    times = [found.seconds for found in by_tolerance.values()]
    assert times == sorted(times)


def test_rivals_obey_their_limits(small: bench.System, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = bench.starts_of(small, SETTINGS)
    few = bench.first_order(small.flow, starts, iterations=1)
    assert len(few[1e-12].x) < 9, "two iterations lead nearly nowhere"
    monkeypatch.setattr(bench, "LIMIT", 0.0)
    assert bench.sequential(small.flow, starts, derivative=True).n_starts == 1
    none = bench.first_order(small.flow, starts)
    assert len(none[1e-12].x) < 9 and tuple(none) == bench.TOLERANCES


def test_the_units_of_a_rival_have_the_slope_of_the_network(small: bench.System) -> None:
    """tanh(s z) with weights W / s has the fixed points of tanh(z) with W."""
    assert small.known is not None
    steep = replace(small.flow, w=small.flow.w / 2, phi=Plain(Activation("tanh", slope=2.0)))
    starts = bench.starts_of(small, SETTINGS)
    assert matches(bench.sequential(steep, starts, derivative=True).x, small.known, 1e-5)
    assert matches(bench.first_order(steep, starts)[1e-12].x, small.known, 1e-5)


def test_reports_are_judged(small: bench.System) -> None:
    """Three true reports of two points, one near none, one whose Newton step leads far away."""
    assert small.known is not None
    a, b = small.known[0], small.known[4]
    edge = np.where(np.arange(5) == 0, 0.9, 0.0)  # no point within reach
    flat = np.arctanh(np.sqrt(1 - 1 / bench.GAIN)) / bench.GAIN * np.sign(a)  # dF = 0 in each group
    reports = np.array([a + 1e-4, a - 1e-3, b + 1e-3, edge, flat])
    judged = bench.judge(small.flow, reports)
    assert matches(judged.points, np.array([a, b]), 1e-12)
    assert judged.repeated == 1 and judged.spurious == 2
    nothing = bench.judge(small.flow, np.empty((0, 5)))
    assert nothing.points.shape == (0, 5) and nothing.repeated == nothing.spurious == 0


def test_lines_of_a_comparison(small: bench.System) -> None:
    lines = {m.name: m for m in bench.compare("tiny", small, SETTINGS)}
    parts = ("found", "repeated", "spurious", "seconds", "start", "rate")
    each = {f"fixed_points_tiny_{method}_{part}" for method, part in product(METHODS, parts)}
    assert set(lines) == {f"fixed_points_tiny_{name}" for name in ("known", "certified", "complete")} | each
    assert lines["fixed_points_tiny_known"].value == lines["fixed_points_tiny_certified"].value == 9
    assert lines["fixed_points_tiny_complete"].value == 1
    for method in METHODS:
        found, rate = (lines[f"fixed_points_tiny_{method}_{part}"] for part in ("found", "rate"))
        assert found.value == 9 and found.ratio == 1 and found.n == 96
        spent = lines[f"fixed_points_tiny_{method}_seconds"].value
        assert rate.value == pytest.approx(9 / spent)
        assert lines[f"fixed_points_tiny_{method}_start"].value == pytest.approx(1e3 * spent / 96)
        if method != "search":
            assert rate.ratio == pytest.approx(rate.value / lines["fixed_points_tiny_search_rate"].value)
    assert lines["fixed_points_tiny_search_rate"].ratio is None


def test_what_any_method_finds_is_known_of_a_network_that_is_not(small: bench.System) -> None:
    """Without the known points the comparison counts against those that were found."""
    lines = {m.name: m for m in bench.compare("tiny", bench.System(small.flow), SETTINGS)}
    assert lines["fixed_points_tiny_known"].value == 9
    assert lines["fixed_points_tiny_fsolve_found"].ratio == 1


def test_complete_searches_by_threads() -> None:
    lines = list(bench.complete_search((1, 2), SIZES, SETTINGS))
    assert [(m.name, m.threads) for m in lines] == [
        ("fixed_points_96_known", 1),
        *((f"fixed_points_96_{part}", n) for n in (1, 2) for part in ("found", "certified", "complete", "seconds")),
    ]
    assert all(m.ratio == 1 for m in lines if m.name.endswith(("found", "certified")))
    assert lines[4].ratio is None and lines[8].ratio == pytest.approx(lines[8].value / lines[4].value)


def study(folder: Path, **network: object) -> Path:
    source = {
        "tasks": {"two": {"task": "flip_flop", "n_bits": 2}, "three": {"task": "flip_flop", "tmax": 50.0}},
        "experiments": {
            name: {
                "task": name,
                "network": {"n_units": 6, **(network if name == "three" else {})},
                "learning": {"rule": "regression", "max_iterations": 2},
                "seeds": [3, 4],
            }
            for name in ("two", "three")
        },
    }
    (folder / "config").mkdir()
    (folder / "config" / "mine.yaml").write_text(yaml.safe_dump(source))
    (folder / "config" / "config.yaml").write_text("sources: [mine]\n")
    return folder / "config" / "config.yaml"


def network_path(folder: Path, name: str, seed: int) -> Path:
    path = folder / load_study({"sources": ["mine"]}, (folder,)).network(name, seed)
    path.parent.mkdir(parents=True)
    return path


def test_the_first_trained_network_of_three_bits_is_taken(tmp_path: Path) -> None:
    read = read_study(study(tmp_path))
    network_path(tmp_path, "two", 3).touch()
    assert bench.trained_network(read, tmp_path) is None, "of two bits"
    path = network_path(tmp_path, "three", 4)
    files = ["--network", str(path), "--history", str(path.with_suffix(".h5"))]
    assert main(["train", "--settings", read.train_settings("three"), "--seed", "4", "--device", "cpu", *files]) == 0
    stored = bench.trained_network(read, tmp_path)
    assert stored is not None and stored.seed == 4 and stored.path == path
    system = bench.trained_system(stored, 5)
    assert system.known is None and not system.flow.u.any() and system.flow.n_units == 6
    assert system.visited is not None and system.visited.shape == (5 * stored.task.n_steps, 6)


def test_networks_of_other_units_are_not_taken(tmp_path: Path) -> None:
    read = read_study(study(tmp_path, activation="relu"))
    network_path(tmp_path, "three", 3).touch()
    assert bench.trained_network(read, tmp_path) is None


def test_the_part_prints_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of small systems, without a trained network, which a line says."""
    monkeypatch.setattr(bench, "N_STARTS", 96)
    monkeypatch.setattr(bench, "exact_system", lambda sizes, exact=bench.exact_system: exact((2, 2)))
    monkeypatch.setattr(bench, "SearchSettings", lambda **given: SearchSettings(**{"n_starts": 128, **given}))
    out = tmp_path / "bench.jsonl"
    assert main(["bench", "--only", "fixed_points", "--config", str(study(tmp_path)), "--out", str(out)]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert lines == [json.loads(line) for line in out.read_text().splitlines()]
    values = {line["name"]: line["value"] for line in lines}
    assert values["fixed_points_exact_known"] == values["fixed_points_128_found"] == 9
    assert not any("trained" in name for name in values)
    assert "no trained network of the 3-bit flip-flop in " + str(tmp_path / "results") in printed.err
