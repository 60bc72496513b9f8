"""Figure of many networks against a setting, and the analysis behind it."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from synthetic_kim import UNIT_TYPES, write_spiking

from rnnpipe.analysis.networks import MEASURES, best_mappings, difference_p, of_files, read_networks, summarise
from rnnpipe.cli.main import main
from rnnpipe.figures import fig_networks
from rnnpipe.figures.kim2019_paper import TABLES, published
from rnnpipe.figures.source_data import of


def _data(files: list[Path], **options: object) -> pd.DataFrame:
    return fig_networks.data({"networks": files}, fig_networks.Options.model_validate(options))


def _summary(table: pd.DataFrame, panel: str, choice: str = "") -> pd.DataFrame:
    rows = of(table, panel, "summary")
    return rows[rows["choice"] == choice].set_index("x")


def test_a_file_becomes_one_row_a_network_with_its_settings_and_rates(tmp_path: Path) -> None:
    path = write_spiking(tmp_path / "a.h5", [0.9, 1.0], trained=[True, False], network={"n_units": 50, "gain": 2.0})
    table = read_networks(path)
    assert table["n_units"].tolist() == [50, 50] and table["gain"].tolist() == [2, 2]
    assert table["v_noise"].tolist() == [0.1, 0.1] and table["task"].tolist() == ["go_nogo"] * 2
    # rates 0.5, 1, 4 (excitatory), 10, 25 Hz without a stimulus, twice that with one
    assert UNIT_TYPES == (1, 1, 1, -1, -2)
    assert table.loc[0, "excitatory_hz"] == pytest.approx(1.5 * 5.5 / 3)
    assert table.loc[0, ["inhibitory_hz", "som_hz"]].tolist() == [15, 37.5]
    assert table.loc[0, "quiet_excitatory"] == 0.5  # 0.5, 1 and 1 of 0.5, 1, 4, 1, 2, 8 Hz are below 2 Hz
    assert table.loc[1, ["excitatory_hz", "quiet_excitatory", "accuracy"]].isna().all()


def test_networks_are_counted_once_and_mappings_apart(tmp_path: Path) -> None:
    a = write_spiking(tmp_path / "a.h5", [0.9, 0.7])
    b = write_spiking(tmp_path / "b.h5", [0.6, 0.8], lif={"v_noise": 0.0})
    table = of_files([a, b, a])
    assert len(table) == 4 and table["rate_network"].nunique() == 2
    assert best_mappings(table)["accuracy"].tolist() == [0.9, 0.8]
    assert best_mappings(table)["seed"].tolist() == [0, 1]
    rows = _data([a, b], measures=["trained", "rate_accuracy", "accuracy"], series="v_noise")
    assert _summary(rows, "A")["n"].tolist() == [2] and _summary(rows, "B")["n"].tolist() == [2]
    assert _summary(rows, "C", "noise 0.1 mV")["y"].tolist() == [pytest.approx(80)]
    assert _summary(rows, "C", "noise 0 mV")["y"].tolist() == [pytest.approx(70)]


def test_each_measure_counts_the_networks_that_have_it(tmp_path: Path) -> None:
    path = write_spiking(
        tmp_path / "a.h5", [0.95, 0.94, 1.0, 1.0], heldout=[0.9, 0.8, 0.7, 0.1], trained=[True, True, True, False],
        trials=[101, 201, 601, 6000], tau=[30.0][0], factor=[20, 30, 40, 50], rate_accuracy=[1.0, 0.97, 1.0, 0.2],
    )  # fmt: skip
    rows = _data([path], measures=["trained", "trials", "successful", "accuracy", "heldout_accuracy", "factor"])
    found = {panel: _summary(rows, panel).iloc[0] for panel in "ABCDEF"}
    assert [found[p]["n"] for p in "ABCDEF"] == [4, 3, 3, 3, 3, 3]
    assert found["A"]["y"] == 75
    assert found["B"]["y"] == pytest.approx(301)
    assert found["B"]["high"] - found["B"]["y"] == pytest.approx(np.std([101, 201, 601], ddof=1))
    assert found["C"]["y"] == pytest.approx(200 / 3)  # 0.95 is a success
    assert found["D"]["y"] == pytest.approx(100 * (0.95 + 0.94 + 1) / 3)
    assert (found["E"]["y"], found["F"]["y"]) == (pytest.approx(80), 30)
    single = of(rows, "B", "networks")
    assert single[["seed", "y"]].to_numpy().tolist() == [[0, 101], [1, 201], [2, 601]]
    assert of(rows, "A", "networks").empty


def test_a_fraction_has_its_score_interval_and_a_single_network_no_spread() -> None:
    n, value, low, high = summarise(MEASURES["trained"], np.array([100.0] * 9 + [0.0]))
    assert (n, value) == (10, 90) and low == pytest.approx(59.6, abs=0.1) and high == pytest.approx(98.2, abs=0.1)
    assert summarise(MEASURES["trials"], np.array([5.0]))[:2] == (1, 5) and np.isnan(
        summarise(MEASURES["trials"], np.array([5.0])).low
    )
    assert summarise(MEASURES["trials"], np.array([])).n == 0


def test_equal_groups_differ_by_chance_only() -> None:
    assert difference_p([[1, 1], [1, 1, 1]]) == 1
    assert difference_p([[1, 2, 3], [1, 2, 3]]) == pytest.approx(1)
    assert difference_p([range(10), range(20, 30)]) < 0.001
    assert difference_p([range(10), range(20, 30), range(10)]) < 0.001
    assert np.isnan(difference_p([[1.0, 2.0]])) and np.isnan(difference_p([[1.0], []]))


def test_axes_of_names_are_in_the_order_of_the_paper(tmp_path: Path) -> None:
    files = [
        write_spiking(tmp_path / f"{name}.h5", [value], network={"activation": name})
        for name, value in (("clipped_relu", 0.5), ("sigmoid", 0.9), ("softplus", 0.7))
    ]
    rows = _data(files, x="activation", measures=["accuracy"], paper="activation")
    assert of(rows, "A", "tick")["label"].tolist() == ["sigmoid", "softplus", "ReLU"]
    np.testing.assert_allclose(_summary(rows, "A").sort_index()["y"], [90, 70, 50])
    assert of(rows, "A", "paper")["y"].tolist() == [98.8, 88.3, 59.7]
    fixed = write_spiking(tmp_path / "f.h5", [0.6], network={"tau_min": 35.0, "tau_max": 35.0})
    learned = write_spiking(tmp_path / "l.h5", [0.8])
    rows = _data([learned, fixed], x="time_constants", measures=["accuracy"], paper="fixed_tau")
    np.testing.assert_allclose(_summary(rows, "A").loc[[0, 1], "y"], [60, 80])
    double, single = learned, write_spiking(tmp_path / "s.h5", [0.3], lif={"tau_rise": 0.0})
    rows = _data([double, single], x="filter", measures=["accuracy"])
    np.testing.assert_allclose(_summary(rows, "A").loc[[0, 1], "y"], [30, 80])


def test_a_zoom_shows_the_same_networks_up_to_its_limit(tmp_path: Path) -> None:
    files = [write_spiking(tmp_path / f"{t}.h5", [0.9], lif={"t_ref": float(t)}) for t in (0, 2, 5, 20)]
    rows = _data(files, x="t_ref", measures=["heldout_accuracy"], zoom=5.0, paper="refractory")
    assert _summary(rows, "A").index.tolist() == [0, 2, 5, 20] and _summary(rows, "B").index.tolist() == [0, 2, 5]
    assert len(of(rows, "A", "paper")) == 20 and of(rows, "B", "paper")["x"].max() == 5


def test_tests_and_the_identity_are_written(tmp_path: Path) -> None:
    files = [
        write_spiking(tmp_path / f"{g}.h5", v, network={"gain": g}, tau=10 * g)
        for g, v in ((1.0, [0.5, 0.6]), (2.0, [0.5, 0.6]))
    ]
    rows = _data(files, x="gain", measures=["accuracy", "tau_mean"], test=True, identity=True)
    assert of(rows, "A", "test")["label"].tolist() == ["p = 1 (rank-sum test)"] and of(rows, "B", "test").empty
    assert of(rows, "B", "identity")["y"].tolist() == of(rows, "B", "identity")["x"].tolist() == [1, 2]


def test_published_values_are_those_of_the_paper() -> None:
    assert published("gonogo_size", "trials").iloc[0].tolist() == ["10", 2678, 1246]
    assert published("gonogo_tau", "tau_mean")["value"].iloc[[1, -1]].tolist() == [34.7, 345.1]
    assert published("context_size", "successful")["x"].iloc[0] == "50"  # none of N = 10 was trained
    assert published("gain", "trained").empty
    assert published("gain", "heldout_accuracy").equals(published("gain", "accuracy"))
    assert get_args(fig_networks.MeasureName) == tuple(MEASURES) and get_args(fig_networks.PaperName) == tuple(TABLES)
    assert set(get_args(fig_networks.Axis)) == set(fig_networks.AXES)
    for table in TABLES:
        for measure in MEASURES:
            found = published(table, measure)
            assert not measure.endswith("accuracy") or found["value"].between(10, 100).all()


def test_networks_that_never_learned_are_drawn_with_a_note(tmp_path: Path) -> None:
    path = write_spiking(tmp_path / "a.h5", [0.5, 0.5], trained=False)
    for measures in (["accuracy"], ["trained", "trials", "accuracy"]):
        rows = _data([path], measures=measures, paper="gonogo_size", test=True)
        drawn = fig_networks.draw(rows)
        texts = [text.get_text() for axes in drawn.axes for text in axes.texts]
        assert texts.count(fig_networks.NOTHING) == len(set(measures) - {"trained"})
    assert _summary(_data([path], measures=["trained"]), "A")["y"].tolist() == [0]


def test_a_file_that_does_not_fit_the_axis_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_spiking(tmp_path / "a.h5", [0.5], network={"tau_max": 100.0})
    settings = json.dumps({"x": "time_constants", "measures": ["accuracy"]})
    argv = ["figures", "--figure", "fig_networks", "--settings", settings, "--inputs", f"networks={path}"]
    assert main([*argv, "--out", str(tmp_path / "a.pdf")]) == 3
    assert "time_constants = 20-100, expected one of 35, 20-50" in capsys.readouterr().err
