"""Figures of context-dependent integration: they show what the analysis found, or say what is missing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import write_evaluation
from synthetic_mante import write_mante

from rnnpipe.analysis import context
from rnnpipe.analysis.recording import Recording
from rnnpipe.cli.main import main
from rnnpipe.figures import figure_module
from rnnpipe.figures.features import strength_colors
from rnnpipe.figures.source_data import of

FIGURES = ["fig_mante", "fig_statespace"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mante") / "mante.h5"
    write_mante(path, 5)
    return path


def _data(path: Path, figure: str, **settings: object) -> pd.DataFrame:
    module = figure_module(figure)
    return module.data({need: [path] for need in module.NEEDS}, module.Options(**settings))


def _texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_choices_are_those_of_each_context_and_feature(path: Path) -> None:
    rows = _data(path, "fig_mante")
    table = Recording(path).table
    for feature, panel in (("motion", "A"), ("color", "B")):
        for cued in ("motion", "color"):
            shown, levels = of(rows, panel, cued), context.right_choices(table, cued, feature)
            np.testing.assert_array_equal(shown[["x", "y", "low", "high", "n"]], levels[["x", "p", "low", "high", "n"]])
            assert shown["label"].iloc[0][0] == ("σ" if cued == feature else "Δ")
    curve = of(rows, "A", "motion fit")
    assert curve["y"].iloc[0] < 0.1 and curve["y"].iloc[-1] > 0.9


def test_four_units_are_sorted_four_ways(path: Path) -> None:
    rows, recording = _data(path, "fig_mante"), Recording(path)
    found = context.population(recording)
    shown = of(rows, "C")
    titles = [f"{name}\nunit {unit}" for name, unit in found.examples().items()]
    assert shown["label"].unique().tolist() == titles and len(titles) == 4
    assert {s[2:] for s in shown["series"]} == {"choice", "motion", "color", "context motion", "context color"}
    unit = found.examples()["motion"]
    expected = context.sorted_units(recording, found, [unit], (0, 750))
    expected = expected[(expected["sort"] == "motion") & (expected["choice"] < 0) & (expected["coherence"] == 5)]
    line = of(rows, "C", "2 motion")
    line = line[(line["choice"] == "non-preferred") & (line["coherence"] == 5)]
    np.testing.assert_allclose(line[["x", "y", "n"]].astype(float), expected[["lag", "mean", "n"]])
    asked = of(_data(path, "fig_mante", units=[3, 1]), "C")
    assert asked["label"].unique().tolist() == ["unit 3", "unit 1"]


def test_six_panels_hold_the_trajectories_and_six_more_the_axes(path: Path) -> None:
    rows, recording = _data(path, "fig_statespace"), Recording(path)
    found = context.population(recording)
    expected = context.trajectories(recording, found)
    expected = expected[(expected["context"] == "color") & (expected["sort"] == "color")]
    panel = of(rows, "B", "motion by color")
    np.testing.assert_allclose(
        panel[["coherence", "x", "y"]].astype(float), expected[["strength", "x_choice", "x_motion"]]
    )
    assert of(rows, "A")["series"].unique().tolist() == ["motion by motion", "color by motion", "color by color"]
    assert of(rows, "B")["series"].unique().tolist() == ["motion by motion", "motion by color", "color by color"]
    weights = of(rows, "C", "motion context")
    np.testing.assert_allclose(weights[["x", "y"]].astype(float).T, found.axes[[1, 3]])
    assert of(rows, "C")["series"].nunique() == 6


def test_shades_darken_with_strength() -> None:
    shades = strength_colors("color", [-50, 5, 15, 50])
    assert list(shades) == [5, 15, 50]
    assert sum(shades[5]) > sum(shades[15]) > sum(shades[50])


def _undecided(columns: dict, arrays: dict) -> None:
    columns["decision"][:] = False
    columns["choice"][:], columns["correct"][:] = 0, -1
    columns["choice_time"][:] = columns["reaction_time"][:] = np.nan


def _always_left(columns: dict, arrays: dict) -> None:
    columns["choice"][columns["decision"]] = 1


def _once(columns: dict, arrays: dict) -> None:
    _undecided(columns, arrays)
    columns["decision"][5], columns["choice"][5], columns["correct"][5] = True, 2, 1


def _silent(columns: dict, arrays: dict) -> None:
    arrays["policy_rates"][:] = 0


def _ended(columns: dict, arrays: dict) -> None:
    _undecided(columns, arrays)
    arrays["mask"][1:] = False


@pytest.mark.parametrize("change", [_undecided, _always_left, _once, _silent, _ended, None])
def test_degenerate_networks_are_drawn_with_a_note(change, tmp_path: Path) -> None:
    path = tmp_path / "mante.h5"
    write_mante(path, 1, change=change)
    for figure in FIGURES:
        table = _data(path, figure)
        drawn = figure_module(figure).draw(table)
        drawn.savefig(tmp_path / "a.png", dpi=50)
        texts = _texts(drawn)
        reason = {_undecided: "0 trials with a choice", _silent: "no active unit", _ended: "no active unit"}
        if change in reason:
            assert any(text.startswith("no ") and reason[change] in text for text in texts)
        if change is _undecided and figure == "fig_mante":
            assert texts.count("no decisions") == 2
        if change is _always_left and figure == "fig_mante":
            assert any("every choice was" in text.replace("\n", " ") for text in texts)
        if change is _once and figure == "fig_mante":
            assert texts.count("Δ: too few decisions") == 1
        assert not any("nan" in text for text in texts)
        if change is _once and figure == "fig_mante":
            assert texts.count("Δ: too few decisions") == 1
        assert not any("nan" in text for text in texts)


def test_a_file_of_another_task_or_a_unit_that_is_not_there_is_one_sentence(path: Path, tmp_path: Path, capsys) -> None:
    other, out = tmp_path / "rdm.h5", tmp_path / "a.pdf"
    write_evaluation(other, "rdm_fixed", 2)
    for figure in FIGURES:
        flags = [f"--inputs={need}={other}" for need in figure_module(figure).NEEDS]
        assert main(["figures", "--figure", figure, *flags, "--out", str(out)]) == 3
        message = capsys.readouterr().err.strip()
        assert "is of task 'rdm_fixed'" in message and "\n" not in message
    flags = [f"--inputs={need}={path}" for need in ("behaviour", "activity")]
    assert main(["figures", "--figure", "fig_mante", *flags, "--settings", '{"units": [16]}', "--out", str(out)]) == 2
    assert "units 0 to 15" in capsys.readouterr().err
    assert not out.exists()
