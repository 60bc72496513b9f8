"""Figures of mixed selectivity, targeted dimensionality reduction, lesions and stimulation of Kim et al.'s networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_context import context_figure_inputs, write_context, write_context_figure_inputs
from synthetic_kim import write_analog, write_spiking

from rnnpipe.analysis import context_integration as analysis
from rnnpipe.analysis.recording import Recording
from rnnpipe.cli.main import main
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import fig_lesions, fig_selectivity, fig_tdr, fig_trial, fig_unit
from rnnpipe.figures.source_data import of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    write_context_figure_inputs(folder)
    return folder


def _texts(figure: Any) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_trajectories_in_the_table_are_those_of_the_analysis(folder: Path) -> None:
    inputs = context_figure_inputs(folder, "fig_tdr")
    table = fig_tdr.data(inputs, fig_tdr.Options())
    recording = Recording(inputs["activity"][0])
    rows = analysis.trajectories(recording, analysis.population(recording))
    for context, panel in ((1, "A"), (2, "B")):
        for sort in analysis.MODALITIES:
            expected = rows[(rows["context"] == context) & (rows["sort"] == sort)]
            drawn = of(table, panel, f"by {sort}")
            np.testing.assert_array_equal(drawn[["offset", "x", "y"]], expected[["strength", "x_choice", f"x_{sort}"]])
            assert ((drawn["choice"] == "positive") == (expected["choice"] > 0).to_numpy()).all()
            assert drawn["label"].iloc[0] == f"Context {context}, sorted by input {sort[-1]}"
    assert set(of(table, "C")["series"]) == set(analysis.AXES)
    assert (of(table, "D")["unit"].nunique(), len(of(table, "D"))) == (16, 32)


def test_units_are_the_mixed_ones_or_those_asked_for(folder: Path) -> None:
    inputs = context_figure_inputs(folder, "fig_selectivity")
    recording = Recording(inputs["activity"][0])
    table = fig_selectivity.data(inputs, fig_selectivity.Options())
    shown = table.loc[table["series"].str.contains("context"), "label"].drop_duplicates()
    assert shown.tolist() == [f"unit {unit}" for unit in analysis.population(recording).mixed(4)]
    asked = fig_selectivity.data(inputs, fig_selectivity.Options(units=[7]))
    rows = asked[asked["series"] == "1 context 2"]
    expected = analysis.traces(recording, [7], fig_selectivity.WINDOW)
    expected = expected[expected["context"] == 2]
    np.testing.assert_array_equal(
        rows[["sign_1", "sign_2", "x", "y", "n"]], expected[["sign_1", "sign_2", "lag", "mean", "n"]]
    )
    assert set(rows["y_label"]) == {"Rate"}, "those of a rate network have no unit"
    with pytest.raises(SettingsError, match="units has 17"):
        fig_selectivity.data(inputs, fig_selectivity.Options(units=[17]))


@pytest.mark.parametrize("module", [fig_tdr, fig_selectivity])
def test_networks_that_do_not_answer_are_drawn_with_a_note(module: Any, tmp_path: Path) -> None:
    def silent(output: np.ndarray, time: np.ndarray) -> None:
        output[:] = 0

    def up(output: np.ndarray, time: np.ndarray) -> None:
        output[time >= 1250] = 1

    for change in (silent, up):
        write_context(tmp_path / "a.h5", 1, change=change)
        table = module.data({"activity": [tmp_path / "a.h5"]}, module.Options())
        assert "no " in _texts(module.draw(table))
        (tmp_path / "a.h5").unlink()
    # axes are found, but too few trials of a condition are correct
    write_context(tmp_path / "b.h5", 1)
    module.draw(module.data({"activity": [tmp_path / "b.h5"]}, module.Options()))
    write_analog(tmp_path / "other.h5")
    with pytest.raises(ArtefactError, match="context_integration"):
        module.data({"activity": [tmp_path / "other.h5"]}, module.Options())


def test_lesions_and_stimulation_in_the_table_are_percent_of_networks(folder: Path) -> None:
    table = fig_lesions.data(context_figure_inputs(folder, "fig_lesions"), fig_lesions.Options())
    mean = of(table, "A", "accuracy mean")
    assert mean["kind"].unique().tolist() == ["from excitatory units"]
    assert mean["x"].tolist() == [0, 10, 40] and mean["y"].tolist() == pytest.approx([95, 80, 50])
    assert mean["n"].tolist() == [3, 3, 3]
    assert of(table, "B", "nogo mean")["kind"].unique().tolist() == ["inhibitory units depolarised"]
    single = of(table, "B", "go networks")
    assert single[single["seed"] == 0]["y"].tolist() == pytest.approx([90, 70, 40])


def test_networks_that_were_never_trained_are_a_note(tmp_path: Path) -> None:
    settings = {"lesion_fraction": 0.5}
    paths = {
        "intact": [write_spiking(tmp_path / "i.h5", [0.5, 0.5], trained=False)],
        "lesions": [write_spiking(tmp_path / "l.h5", [0.5, 0.5], trained=False, lif=settings)],
        "stimulation": [write_spiking(tmp_path / "s.h5", [0.5, 0.5], trained=False)],
    }
    figure = fig_lesions.draw(fig_lesions.data(paths, fig_lesions.Options()))
    assert "no network reached the criterion" in _texts(figure)


def test_info_tells_what_the_files_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, expected in (("offsets.h5", "trials/offset_1"), ("stimulation_0.1.h5", "stimulation_of: inhibitory")):
        assert main(["info", str(folder / "context" / name)]) == 0
        assert expected in capsys.readouterr().out


def test_figures_of_actions_say_what_to_draw_of_a_network_without(folder: Path) -> None:
    inputs = context_figure_inputs(folder, "fig_tdr")
    with pytest.raises(ArtefactError, match="takes no actions; draw its outputs and spikes by fig_outputs"):
        fig_trial.data(inputs, fig_trial.Options())
    with pytest.raises(ArtefactError, match="fitting motion task"):
        fig_unit.data(inputs, fig_unit.Options())
