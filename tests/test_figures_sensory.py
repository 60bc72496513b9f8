"""Figures of multisensory integration and working memory: numbers are those of the analysis, empty ones say so."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from synthetic_sensory import (
    always_first,
    figure_inputs,
    nothing_decided,
    write_figure_inputs,
    write_multisensory,
    write_romo,
)

from rnnpipe.analysis import multisensory, romo
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import figure_module
from rnnpipe.figures.source_data import of
from rnnpipe.io.evaluation import read_table

FIGURES = ["fig_multisensory", "fig_romo", "fig_thresholds"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_figure_inputs(folder)
    return folder


def _data(folder: Path, figure: str, **settings: Any) -> pd.DataFrame:
    inputs = figure_inputs(folder, figure)
    assert inputs is not None
    return _table(figure, inputs, **settings)


def _table(figure: str, inputs: dict[str, list[Path]], **settings: Any) -> pd.DataFrame:
    module = figure_module(figure)
    return module.data(inputs, module.Options(**settings))


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_psychometric_points_and_fits_are_those_of_the_analysis(folder: Path) -> None:
    rows, table = _data(folder, "fig_multisensory"), read_table(folder / "multisensory.h5")
    found = multisensory.thresholds(table)
    for modality in multisensory.MODALITIES:
        levels = multisensory.high_choices(table, modality)
        drawn = of(rows, "A", modality)
        np.testing.assert_array_equal(drawn[["x", "y", "low", "high", "n"]], levels[["x", "p", "low", "high", "n"]])
        curve = of(rows, "A", f"{modality} fit")
        np.testing.assert_allclose(curve["y"], found.fits[modality](curve["x"]))
        assert f"σ = {found.fits[modality].sigma:.2f} [" in curve["label"].iloc[0]


def test_units_are_the_examples_in_their_order_with_their_traces(folder: Path) -> None:
    rows, recording = _data(folder, "fig_multisensory"), Recording(folder / "multisensory.h5")
    titles = [of(rows, "B", f"unit {i}")["label"].iloc[0] for i in (1, 2, 3)]
    for title, start in zip(titles, ("Choice-selective, unit 3", "Modality-", "Mixed-selective, unit 2"), strict=True):
        assert title.startswith(start)
    assert "d′ choice −" in titles[0]  # it prefers low
    traces = multisensory.unit_traces(recording, 3)
    drawn = of(rows, "B", "unit 1")
    assert drawn["modality"].tolist() == traces["modality"].tolist()
    assert drawn["choice"].tolist() == traces["choice"].tolist()
    np.testing.assert_array_equal(drawn[["x", "y", "n"]], traces[["lag", "mean", "n"]].astype(float))
    np.testing.assert_allclose(drawn["high"] - drawn["y"], traces["sem"])


def test_lines_are_blue_for_visual_and_dashed_for_high(folder: Path) -> None:
    rows = _data(folder, "fig_multisensory")
    figure = figure_module("fig_multisensory").draw(rows)
    unit = figure.axes[2]  # the modality-selective one: 2.4 with visual, 0.6 with auditory stimuli
    ends = {
        (line.get_color(), line.is_dashed()): line.get_ydata()[-1] for line in unit.lines if len(line.get_xdata()) > 2
    }
    assert set(ends) == {("#0072b2", True), ("#0072b2", False), ("#009e73", True), ("#009e73", False)}
    assert ends["#0072b2", True] > ends["#0072b2", False] > 2 > 1 > ends["#009e73", True] > ends["#009e73", False]


def test_thresholds_are_typeset_by_seed_with_their_mean_and_the_published_ones(folder: Path) -> None:
    rows = _data(folder, "fig_thresholds")
    cells = of(rows, "A")
    names = cells[cells["series"] == "name"].sort_values("x")["label"].tolist()
    assert names == ["seed 99", "seed 101", "mean", *(f"published {i}" for i in range(1, 7)), "mean"]
    found = [multisensory.thresholds(read_table(folder / f"{name}.h5")) for name in ("multisensory", "multisensory101")]
    sigma = cells[(cells["series"] == "visual") & (cells["choice"] == "networks")].sort_values("x")
    expected = [t.fits["visual"].sigma for t in found]
    np.testing.assert_allclose(sigma["y"], [*expected, np.mean(expected)])
    assert sigma["label"].iloc[0].startswith(f"{expected[0]:.3f}\n[")
    ratio = cells[(cells["series"] == "ratio") & (cells["choice"] == "networks")].sort_values("x")
    np.testing.assert_allclose(ratio["y"].iloc[:2], [t.ratio.value for t in found])
    scatter = of(rows, "B")
    ours = scatter[scatter["choice"] == "networks"]
    np.testing.assert_allclose(ours["x"], [t.predicted.value for t in found])
    np.testing.assert_allclose(ours["y"], [t.measured.value for t in found])
    assert (scatter["choice"] == "published").sum() == 6
    alone = _data(folder, "fig_thresholds", published=False)
    assert set(alone["choice"]) == {"networks"}


def test_percent_correct_is_truncated_and_sits_at_its_pair(folder: Path) -> None:
    rows = of(_data(folder, "fig_romo"), "A").set_index(["x", "y"])
    assert len(rows) == 10
    assert rows.loc[(18.0, 10.0), "label"] == "85"  # 6 of 7 are 85.7 %
    assert rows.loc[(10.0, 18.0), "label"] == "100"
    figure = figure_module("fig_romo").draw(_data(folder, "fig_romo"))
    (text,) = [t for t in figure.axes[0].texts if t.get_text() == "85"]
    assert text.get_position() == (18.0, 10.0)


def test_memory_units_are_two_positive_and_a_negative_one(folder: Path) -> None:
    rows, recording = _data(folder, "fig_romo"), Recording(folder / "romo.h5")
    units = [of(rows, "B", f"unit {i}") for i in (1, 2, 3)]
    starts = ("Unit 0, ", "Unit 4, ", "Unit 2, ")
    assert [unit["label"].iloc[0].startswith(start) for unit, start in zip(units, starts, strict=True)] == [True] * 3
    assert "\n−0.0" in units[2]["label"].iloc[0]
    traces = romo.unit_traces(recording, 2)
    np.testing.assert_allclose(units[2]["x"], traces["lag"] / 1000)
    np.testing.assert_allclose(units[2]["y"], traces["mean"])
    assert ((units[2]["f1"].astype(float) > units[2]["f2"].astype(float)) == (units[2]["choice"] == "f1_higher")).all()
    stimuli = rows[rows["series"].str.startswith("stimulus")].set_index("series")
    assert stimuli.loc["stimulus f1", ["x", "y"]].tolist() == [0, 0.5]
    assert stimuli.loc["stimulus f2", ["x", "y"]].tolist() == [3.5, 4.0]


def test_random_delays_shade_all_that_the_second_stimulus_may_cover(tmp_path: Path) -> None:
    table = write_romo(tmp_path / "a.h5", 4, delay=None)
    rows = _table("fig_romo", {"behaviour": [tmp_path / "a.h5"], "activity": [tmp_path / "a.h5"]})
    shade = of(rows, "B", "stimulus f2").iloc[0]
    delay = table["f2_on"] - table["f1_on"]
    assert (shade["x"], shade["y"]) == pytest.approx((delay.min() / 1000, delay.max() / 1000 + 0.5))


@pytest.mark.parametrize("figure", ["fig_multisensory", "fig_romo"])
def test_units_can_be_asked_for(figure: str, folder: Path) -> None:
    rows = _data(folder, figure, units=[6, 1])
    assert of(rows, "B", "unit 1")["label"].iloc[0].startswith("Unit 6")
    assert of(rows, "B", "unit 2")["label"].iloc[0].startswith("Unit 1")
    assert of(rows, "B", "unit 3").empty and of(rows, "B", "note 3").empty
    assert len(figure_module(figure).draw(rows).axes) == 3
    with pytest.raises(SettingsError, match="the network has units 0 to 6"):
        _data(folder, figure, units=[7])


@pytest.mark.parametrize("change", [nothing_decided, always_first])
@pytest.mark.parametrize("figure", FIGURES)
def test_degenerate_behaviour_is_drawn_with_a_note(figure: str, change: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    (write_romo if figure == "fig_romo" else write_multisensory)(path, 6, change=change)
    module = figure_module(figure)
    rows = _table(figure, {need: [path] for need in module.NEEDS}, **({"published": False} if "thr" in figure else {}))
    texts = _texts(module.draw(rows))
    if figure == "fig_thresholds":
        assert texts.count("no fit") == 2 * 6 and "no network has\nthree fits" in texts
    elif figure == "fig_multisensory":
        assert texts.count("too few correct\nunimodal trials") == 3
        assert any("no decisions" in t or "every choice was low" in t for t in texts)
        assert ("no decisions" in texts) == (change is nothing_decided)
    elif change is nothing_decided:
        assert "no decisions" in texts and "no unit is\npositively tuned" in texts
    else:
        assert texts.count("0") == 5  # percent correct where f2 was higher


@pytest.mark.parametrize("figure", FIGURES)
def test_another_task_is_refused(figure: str, folder: Path) -> None:
    wrong = folder / ("multisensory.h5" if figure == "fig_romo" else "romo.h5")
    with pytest.raises(ArtefactError, match="this figure needs an evaluation of"):
        _table(figure, {need: [wrong] for need in figure_module(figure).NEEDS})
