"""Figures of economic choice, gambling and weights: numbers are those of the analysis, and empty ones say so."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from synthetic_economic import (
    always_a,
    always_left,
    figure_inputs,
    nothing_decided,
    write_economic,
    write_figure_inputs,
    write_gambling,
    write_network,
)

from rnnpipe.analysis.economic import EPOCHS, choice_pattern, epoch_rates, indifference, juice_choices
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.risk import choice_map, gambles, risky_choices
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import figure_module
from rnnpipe.figures.source_data import of
from rnnpipe.io.evaluation import read_table
from rnnpipe.io.network import read_network


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


def _notes(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_choices_in_the_table_are_those_of_the_analysis(folder: Path) -> None:
    rows = _data(folder, "fig_economic")
    for panel, name, trained in (("A1", "economic", 2.2), ("A2", "economic_4p1", 4.1)):
        choices = juice_choices(read_table(folder / f"{name}.h5"))
        pattern, drawn = choice_pattern(choices), of(rows, panel, "choices of B")
        np.testing.assert_allclose(drawn["y"], 100 * pattern["p"])
        assert drawn["offer"].tolist() == pattern["label"].tolist()
        assert drawn["forced"].tolist() == ["yes", *["no"] * 7, "yes"]
        assert of(rows, panel, "trained")["y"].tolist() == [trained]
        found = indifference(choices)
        assert of(rows, panel, "indifference")["label"].iloc[0].startswith(f"1A = {found.ratio:.1f}B [")


def test_example_units_are_the_most_typical_of_each_class_and_choice_is_split(folder: Path) -> None:
    rows = _data(folder, "fig_economic")
    series = list(dict.fromkeys(of(rows, "B title")["series"]))
    assert [name.rsplit(" ", 1)[0] for name in series[:3]] == ["chosen value"] * 3
    assert (
        all(name.startswith("offer value") for name in series[3:5])
        and series[5].startswith("choice")
        and series[6:] == []
    )
    assert set(of(rows, "B", series[0])["choice"]) == {""}
    recording = Recording(folder / "economic.h5")
    rates = epoch_rates(recording, "value_rates", EPOCHS["pre-choice"])
    choices, unit = juice_choices(recording.table), int(series[5].rsplit(" ", 1)[1])
    drawn = of(rows, "B", series[5])
    assert set(drawn["choice"]) == {"A", "B"}
    for row in drawn.itertuples():
        members = ((choices["offer"] == row.x) & (choices["chosen"] == row.choice)).to_numpy()
        assert row.n == members.sum() >= 20 and row.y == pytest.approx(rates[members, unit].mean())
    # before the offer nothing is known of it
    early = of(_data(folder, "fig_economic", epoch="pre-offer"), "B", series[0])
    assert early["y"].tolist() == [2.0] * 9


def test_forced_offers_are_not_joined_to_the_others(folder: Path) -> None:
    figure = figure_module("fig_economic").draw(_data(folder, "fig_economic"))
    joined = [line for line in figure.axes[0].lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 2]
    assert [list(line.get_xdata()) for line in joined] == [list(range(1, 8))]


def test_indifference_points_stand_beside_what_was_trained(folder: Path) -> None:
    paths = figure_inputs(folder, "fig_indifference")["behaviour"]
    rows = _table("fig_indifference", {"behaviour": paths[::-1]})  # sorted by value, not by order
    assert of(rows, "B", "trained")["y"].tolist() == [2.2, 4.1]
    expected = [indifference(juice_choices(read_table(path))) for path in paths]
    np.testing.assert_allclose(of(rows, "B", "indifference")["y"], [f.ratio for f in expected])
    np.testing.assert_allclose(of(rows, "B", "indifference")["high"], [f.high for f in expected])
    fit = of(rows, "A1", "fit")
    np.testing.assert_allclose(fit["y"], 100 * expected[0].fit(fit["x"]))


def test_kappa_is_read_from_the_settings_and_networks_are_pooled(folder: Path) -> None:
    paths = figure_inputs(folder, "fig_kappa")["behaviour"]
    rows = _table("fig_kappa", {"behaviour": paths[::-1]})
    trials = {path: gambles(read_table(path)) for path in paths}
    assert [of(rows, f"A{i}", "title")["x"].iloc[0] for i in (1, 2, 3)] == [-0.5, 0, 0.5]
    seekers = pd.concat([trials[path] for path in paths[:2]])
    np.testing.assert_allclose(pd.to_numeric(of(rows, "A1", "right choices")["p"]), choice_map(seekers)["p"])
    for path in paths:
        kappa, seed = read_table(path).attrs["settings"]["learning"]["kappa"], int(path.stem.rsplit(".", 1)[1])
        row = of(rows, "B", "network")
        row = row[(row["x"] == kappa) & (row["seed"] == seed)].iloc[0]
        assert row["y"] == pytest.approx(100 * risky_choices(trials[path]).p)
    mean = of(rows, "B", "mean").set_index("x")["y"]
    assert mean[-0.5] > 55 and mean[0.5] < 45  # the risk-averse ones learnt with kappa above 0
    assert (of(rows, "D", "mean").set_index("x")["y"].diff().dropna() > 0).all()


def test_kappa_is_zero_where_it_is_not_said(tmp_path: Path) -> None:
    write_gambling(tmp_path / "a.h5", kappa=0.0)
    rows = _table("fig_kappa", {"behaviour": [tmp_path / "a.h5"]})
    assert of(rows, "A1", "title")["label"].iloc[0] == "κ = 0, 1 network" and of(rows, "A2").empty
    figure_module("fig_kappa").draw(rows)


def test_weights_are_the_effective_ones(folder: Path) -> None:
    rows = _data(folder, "fig_weights")
    w = read_network(folder / "net.pth").policy
    for panel, values in (("A", w["w_rec"]), ("B", w["w_gates"][:20]), ("C", w["w_gates"][20:]), ("D", w["w_in"])):
        values = values.numpy()
        assert of(rows, panel, "positive")["y"].sum() == (values > 0).sum()
        assert of(rows, panel, "negative")["y"].sum() == (values < 0).sum()
    assert of(rows, "A", "summary")["label"].iloc[0].startswith("40 of 400 connections\nspectral radius 2.0")
    dense = of(_data(folder, "fig_weights", part="value"), "A", "summary")["label"].iloc[0]
    assert dense.startswith("100 of 100 connections")


def test_networks_without_recurrent_weights_or_gates_say_so(tmp_path: Path) -> None:
    path = write_network(tmp_path, network={"kind": "simple"}, value_network={"kind": "linear"})
    value = _table("fig_weights", {"network": [path]}, part="value")
    assert "no recurrent weights" in of(value, "head", "note")["label"].iloc[0]
    policy = _table("fig_weights", {"network": [path]})
    assert "no gates" in of(policy, "head", "note")["label"].iloc[0]
    assert len(of(policy, "B", "summary")) and of(policy, "C").empty
    for table in (value, policy):
        figure_module("fig_weights").draw(table)


@pytest.mark.parametrize("change", [nothing_decided, always_a, always_left])
def test_degenerate_choosers_between_juices_are_drawn_with_a_note(change, tmp_path: Path) -> None:
    write_economic(tmp_path / "a.h5", trials_per_condition=3, change=change)
    inputs = {"behaviour": [tmp_path / "a.h5"], "activity": [tmp_path / "a.h5"]}
    table = _table("fig_economic", inputs)
    figure = figure_module("fig_economic").draw(table)
    if change is not always_left:  # who takes what lies left takes A and B equally often
        assert any(note.startswith("no unit has a class") for note in _notes(figure))
        assert "no fit" in of(table, "A1", "indifference")["label"].iloc[0]
    table = _table("fig_indifference", {"behaviour": [tmp_path / "a.h5"]})
    figure = figure_module("fig_indifference").draw(table)
    if change is not always_left:
        assert "no network has an indifference point" in _notes(figure)


@pytest.mark.parametrize("change", [nothing_decided, always_left])
def test_degenerate_gamblers_are_drawn_with_a_note(change, tmp_path: Path) -> None:
    write_gambling(tmp_path / "a.h5", trials_per_condition=1, change=change)
    figure = figure_module("fig_kappa").draw(_table("fig_kappa", {"behaviour": [tmp_path / "a.h5"]}))
    notes = _notes(figure)
    if change is nothing_decided:
        assert notes == ["no decisions", "too few decisions", "too few decisions", "no decisions"]
    else:
        assert notes == ["every choice was left"]


def test_mistakes_are_named(folder: Path) -> None:
    juices, gamble = folder / "economic.h5", folder / "gambling0.0.100.h5"
    with pytest.raises(ArtefactError, match=r"gambling0\.0\.100\.h5: .* offers no juices"):
        _table("fig_indifference", {"behaviour": [gamble]})
    with pytest.raises(ArtefactError, match=r"economic\.h5: .* offers no gambles"):
        _table("fig_kappa", {"behaviour": [juices]})
    with pytest.raises(SettingsError, match="behaviour has 3 files"):
        _table("fig_economic", {"behaviour": [juices] * 3, "activity": [juices]})
    with pytest.raises(SettingsError, match="shows one network"):
        _table("fig_weights", {"network": [folder / "net.pth"] * 2})
