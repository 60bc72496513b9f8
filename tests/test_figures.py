"""Stage `figures`: what is drawn is what was analysed, and the same input gives the same bytes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread, imsave
from synthetic import N_UNITS, write_evaluation, write_gathered, write_learning
from synthetic_context import context_figure_inputs, write_context_figure_inputs
from synthetic_economic import figure_inputs as economic_inputs
from synthetic_economic import write_figure_inputs as write_economic_inputs
from synthetic_kim import (
    network_figure_inputs,
    unit_figure_inputs,
    write_network_figure_inputs,
    write_unit_figure_inputs,
)
from synthetic_learners import figure_inputs as learner_inputs
from synthetic_learners import write_figure_inputs as write_learner_inputs
from synthetic_mante import write_mante
from synthetic_regression import figure_inputs as regression_inputs
from synthetic_regression import write_figure_inputs as write_regression_inputs
from synthetic_sensory import figure_inputs as sensory_inputs
from synthetic_sensory import write_figure_inputs as write_sensory_inputs

from rnnpipe.analysis import psychometric
from rnnpipe.analysis.alignment import align, stimulus_time
from rnnpipe.analysis.chronometric import reaction_times
from rnnpipe.analysis.durations import accuracy_by_duration
from rnnpipe.cli.main import main
from rnnpipe.errors import ArtefactError
from rnnpipe.figures import figure_module, figure_names
from rnnpipe.figures.source_data import of
from rnnpipe.figures.style import save
from rnnpipe.io.evaluation import read_activity, read_table

WAGER_FIGURES = ("fig_wager", "fig_wager_value", "fig_trial")
PICTURES = {"wide": (40, 120), "high": (90, 60), "last": (30, 60)}
"""Pictures of a contact sheet: name and shape (height, width)."""
SEEDS = {97: 15, 101: 9, 102: None}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_evaluation(folder / "fixed.h5", "rdm_fixed", 60)
    write_evaluation(folder / "rt.h5", "rdm_rt", 60)
    write_evaluation(folder / "wager.h5", "postdecisionwager", 12)
    write_mante(folder / "mante.h5", 5)
    write_gathered(folder / "gathered.csv")
    for seed, stop in SEEDS.items():
        write_learning(folder / f"{seed}.h5", seed, stop=stop)
    write_economic_inputs(folder)
    write_sensory_inputs(folder)
    write_unit_figure_inputs(folder)
    write_network_figure_inputs(folder)
    write_context_figure_inputs(folder)
    write_regression_inputs(folder)
    write_learner_inputs(folder)
    for name, shape in PICTURES.items():
        imsave(folder / f"{name}.png", np.random.default_rng(0).random((*shape, 3)))
    return folder


def _inputs(folder: Path, figure: str) -> dict[str, list[Path]]:
    if figure == "fig_learning":
        return {"history": [folder / f"{seed}.h5" for seed in SEEDS]}
    if figure == "fig_sweep":
        return {"gathered": [folder / "gathered.csv"]}
    if inputs := (
        economic_inputs(folder, figure)
        or sensory_inputs(folder, figure)
        or unit_figure_inputs(folder, figure)
        or network_figure_inputs(folder, figure)
        or context_figure_inputs(folder, figure)
        or regression_inputs(folder, figure)
        or learner_inputs(folder, figure)
    ):
        return inputs
    if figure == "fig_contact_sheet":
        return {"figures": [folder / f"{name}.png" for name in PICTURES]}
    if figure in ("fig_mante", "fig_statespace"):
        return {need: [folder / "mante.h5"] for need in figure_module(figure).NEEDS}
    name = "fixed" if figure == "fig1_rdm" else "wager" if figure in WAGER_FIGURES else "rt"
    return {need: [folder / f"{name}.h5"] for need in figure_module(figure).NEEDS}


def _argv(folder: Path, figure: str, out: Path, **settings: object) -> list[str]:
    flags = [f"--inputs={need}={path}" for need, paths in _inputs(folder, figure).items() for path in paths]
    return ["figures", "--figure", figure, *flags, "--settings", json.dumps(settings), "--out", str(out)]


def _data(folder: Path, figure: str, **settings: object) -> pd.DataFrame:
    module = figure_module(figure)
    return module.data(_inputs(folder, figure), module.Options(**settings))


@pytest.mark.parametrize("figure", figure_names())
def test_a_figure_is_three_files_of_the_same_bytes_every_time(figure: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.pdf"
    assert main(_argv(folder, figure, out)) == 0
    first = {suffix: out.with_suffix(suffix).read_bytes() for suffix in (".pdf", ".png", ".csv")}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "a.pdf", "a.png"]
    # another process, another hash seed, another name
    argv = [sys.executable, "-m", "rnnpipe", *_argv(folder, figure, tmp_path / "b.pdf")]
    subprocess.run(argv, check=True, env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}, capture_output=True)
    assert {suffix: (tmp_path / f"b{suffix}").read_bytes() for suffix in first} == first


@pytest.mark.parametrize("figure", figure_names())
def test_pdf_has_journal_width_embedded_fonts_and_no_date(figure: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.pdf"
    main(_argv(folder, figure, out))
    pdf = out.read_bytes()
    width = float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", pdf)[1])
    assert width == pytest.approx(174 / 25.4 * 72, abs=0.1)
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf and b"/CreationDate" not in pdf and b"/ModDate" not in pdf
    assert imread(out.with_suffix(".png")).shape[1] == pytest.approx(174 / 25.4 * 250, abs=1)


@pytest.mark.parametrize("figure", figure_names())
def test_the_source_data_are_all_that_is_drawn(figure: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.pdf"
    main(_argv(folder, figure, out))
    texts = ["panel", "series", "label", "x_label", "y_label", "choice"]
    table = pd.read_csv(out.with_suffix(".csv"))
    texts = [name for name in texts if name in table]
    table = table.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, ""))
    save(figure_module(figure).draw(table), table, tmp_path / "again.pdf", figure)
    # the ten digits of the CSV move nothing by as much as a shade of grey
    np.testing.assert_allclose(imread(tmp_path / "again.png"), imread(out.with_suffix(".png")), atol=2 / 255)


def test_a_contact_sheet_keeps_order_and_proportions(folder: Path, tmp_path: Path) -> None:
    table = _data(folder, "fig_contact_sheet")
    assert table["series"].tolist() == list(PICTURES)
    for row, (height, width) in zip(table.itertuples(), PICTURES.values(), strict=True):
        assert row.high / row.low == pytest.approx(height / width)
    first, second, third = table.itertuples()
    assert first.y == second.y and first.x + first.low < second.x and third.x == first.x
    assert third.y > first.y + max(first.high, second.high), "rows do not overlap"
    broken = tmp_path / "broken.png"
    broken.write_bytes((folder / "wide.png").read_bytes()[:200])
    module = figure_module("fig_contact_sheet")
    with pytest.raises(ArtefactError, match="broken.png: is not a whole PNG file"):
        module.data({"figures": [broken]}, module.Options())


def test_accuracy_in_the_table_is_that_of_the_analysis(folder: Path) -> None:
    rows = of(_data(folder, "fig1_rdm", n_bins=4), "C")
    expected = accuracy_by_duration(read_table(folder / "fixed.h5"), 4)
    np.testing.assert_array_equal(rows[["coherence", "x", "y", "low", "high", "n"]], expected)


def test_values_in_the_table_are_those_of_the_file(folder: Path) -> None:
    table = read_table(folder / "fixed.h5")
    activity = read_activity(folder / "fixed.h5", "value", "mask", "time")
    rows = of(_data(folder, "fig1_rdm"), "E", "stimulus")
    rows = rows[(rows["coherence"] == 25.6) & (rows["choice"] == "right")]
    trials = ((table["coherence"] == 25.6) & (table["choice"] == 2)).to_numpy()
    first_seen = int(table["stimulus_on"][0] / 10)
    value, mask = activity["value"][first_seen, trials].astype(float), activity["mask"][first_seen, trials]
    # the first state that has seen the stimulus is one step after lag 0
    point = rows[rows["x"] == 10].iloc[0]
    assert point["y"] == pytest.approx(value[mask].mean()) and point["n"] == mask.sum()
    assert rows["x"].min() == -200 and rows["x"].max() == 600


def test_choice_traces_end_with_the_choice(folder: Path) -> None:
    table = read_table(folder / "fixed.h5")
    activity = read_activity(folder / "fixed.h5", "value", "mask", "time")
    rows = of(_data(folder, "fig1_rdm"), "E", "choice")
    assert rows["x"].min() == -400 and rows["x"].max() == 0
    trials = ((table["coherence"] == 0) & (table["choice"] == 1)).to_numpy()
    steps = (table["choice_time"][trials] / 10).astype(int).to_numpy()
    last = activity["value"][steps, np.flatnonzero(trials)].astype(float).mean()
    assert rows[(rows["coherence"] == 0) & (rows["choice"] == "left") & (rows["x"] == 0)]["y"].iloc[0] == pytest.approx(
        last
    )


def test_the_unit_is_the_asked_one_or_the_most_selective(folder: Path) -> None:
    chosen = of(_data(folder, "fig1_rdm"), "D")
    assert re.match(rf"unit (0|{N_UNITS - 1}), ", chosen["label"].iloc[0])  # those follow the evidence most closely
    asked = of(_data(folder, "fig1_rdm", unit=3), "D")
    assert asked["label"].iloc[0].startswith("unit 3, d′ = −")  # it prefers left
    table = read_table(folder / "fixed.h5")
    arrays = read_activity(folder / "fixed.h5", "policy_rates", "mask", "time")
    trials = ((table["coherence"] == 51.2) & (table["choice"] == 1)).to_numpy()
    event = stimulus_time(table["stimulus_on"], 10.0)
    aligned = align(arrays["policy_rates"][..., 3], arrays["mask"], arrays["time"], event, (-200, 450))
    rows = asked[(asked["coherence"] == 51.2) & (asked["choice"] == "left")]
    expected = aligned[trials].mean(5)
    np.testing.assert_allclose(rows["y"], expected[np.isfinite(expected)])


def test_the_schematic_tells_the_task(folder: Path) -> None:
    rows = of(_data(folder, "fig1_rdm"), "A").set_index("series")
    assert rows.loc[["period fixation", "period stimulus", "period decision"], "label"].tolist() == [
        "750 ms",
        "80–1500 ms",
        "500 ms",
    ]
    assert rows.loc["reward fixate", "y"].tolist() == [0, 0, 0]
    assert rows.loc["reward left", "y"].tolist() == [-1, -1, 1]  # a leftward stimulus
    assert rows.loc["reward right", "y"].tolist() == [-1, -1, 0]
    rt = of(_data(folder, "fig_rdm_rt"), "A").set_index("series")
    assert rt.loc["reward left", "y"].tolist() == [-1, 1]


def test_reaction_times_and_choices_in_the_table_are_those_of_the_analysis(folder: Path) -> None:
    table, rows = read_table(folder / "rt.h5"), _data(folder, "fig_rdm_rt")
    expected = reaction_times(table)
    expected = expected[expected["coherence"] > 0].sort_values(["outcome", "coherence"])
    drawn = of(rows, "B").sort_values(["series", "x"])
    np.testing.assert_array_equal(
        drawn[["x", "y", "low", "high", "n"]], expected[["coherence", "mean", "low", "high", "n"]]
    )
    levels = psychometric.right_choices(table)
    np.testing.assert_array_equal(of(rows, "C", "right choices")[["x", "y"]], levels[["x", "p"]])
    fit = psychometric.fit(table)
    curve = of(rows, "C", "fit")
    np.testing.assert_allclose(curve["y"], fit(curve["x"]))
    assert f"σ = {fit.sigma:.1f} % [{fit.sigma_low:.1f}, {fit.sigma_high:.1f}]" in curve["label"].iloc[0]


def test_learning_shows_every_network_and_counts_those_at_criterion(folder: Path) -> None:
    rows = _data(folder, "fig_learning")
    assert sorted(rows["seed"].dropna().unique()) == sorted(SEEDS)
    assert of(rows, "A", "main")["seed"].unique().tolist() == [97]
    assert of(_data(folder, "fig_learning", main_seed=101), "B", "main")["seed"].unique().tolist() == [101]
    # 7500 and 4500 trials: mean 6000, SD (n - 1) 2121
    assert (
        of(rows, "A", "summary")["label"].iloc[0] == "2 of 3 networks reached the criterion\nafter 6000 ± 2121 trials"
    )
    assert (of(rows, "A", "main")["x"].max(), of(rows, "B", "target")["y"].tolist()) == (7.5, [80])
    assert of(rows, "B", "main")["x"].min() > 0  # the first validation has no positive reward


def test_percent_correct_needs_a_positive_reward(folder: Path) -> None:
    rows = _data(folder, "fig_learning")
    reward = of(rows, "A", "other").set_index(["seed", "x"])["y"]
    shown = of(rows, "B", "other").set_index(["seed", "x"]).index
    assert (reward[shown] > 0).all() and (reward.drop(shown) <= 0).all()


def _nothing_decided(columns: dict) -> None:
    columns["decision"][:] = False
    columns["choice"][:] = 0
    columns["correct"][:] = -1
    columns["choice_time"][:] = columns["reaction_time"][:] = np.nan


def _always_left(columns: dict) -> None:
    columns["choice"][columns["decision"]] = 1


@pytest.mark.parametrize("change", [_nothing_decided, _always_left])
@pytest.mark.parametrize("figure", ["fig1_rdm", "fig_rdm_rt"])
def test_degenerate_behaviour_is_drawn_with_a_note(figure: str, change, tmp_path: Path) -> None:
    name = "fixed" if figure == "fig1_rdm" else "rt"
    write_evaluation(tmp_path / f"{name}.h5", f"rdm_{name}", 8, change=change)
    assert main(_argv(tmp_path, figure, tmp_path / "a.pdf")) == 0
    if change is _nothing_decided:
        drawn = figure_module(figure).draw(_data(tmp_path, figure))
        notes = [text.get_text() for axes in drawn.axes for text in axes.texts]
        assert any(note.startswith(("no ", "too few")) for note in notes)
    elif figure == "fig_rdm_rt":
        assert of(_data(tmp_path, figure), "C", "no fit")["label"].tolist() == ["every choice was left"]


def test_a_training_that_never_earned_anything_is_drawn_with_a_note(tmp_path: Path) -> None:
    write_learning(tmp_path / "1.h5", 1, n_validations=1, stop=None)
    out = tmp_path / "a.pdf"
    assert (
        main(["figures", "--figure", "fig_learning", "--inputs", f"history={tmp_path / '1.h5'}", "--out", str(out)])
        == 0
    )
    assert "0 of 1 network reached" in out.with_suffix(".csv").read_text()


def _fails(capsys, *argv: str) -> str:
    assert main(["figures", *argv]) in (2, 3)
    message = capsys.readouterr().err.strip()
    assert "\n" not in message
    return message


def test_mistakes_are_one_sentence_and_leave_nothing(folder: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "a.pdf"
    fixed, rt = folder / "fixed.h5", folder / "rt.h5"

    def fails(figure: str, *inputs: str, settings: str = "{}", out: Path = out) -> str:
        flags = [word for item in inputs for word in ("--inputs", item)]
        return _fails(capsys, "--figure", figure, *flags, "--settings", settings, "--out", str(out))

    assert "known: " + ", ".join(figure_names()) in fails("fig1_rmd")
    assert "did you mean 'fig1_rdm'" in fails("fig1_rmd")
    assert "needs behaviour" in fails("fig1_rdm")
    assert "needs activity" in fails("fig1_rdm", f"behaviour={fixed}")
    assert "no need 'behavior'" in fails("fig1_rdm", f"behavior={fixed}")
    assert "expected NEED=PATH" in fails("fig1_rdm", "behaviour")
    assert "shows one network" in fails("fig1_rdm", f"behaviour={fixed}", f"behaviour={fixed}", f"activity={fixed}")
    assert "no such file" in fails("fig_learning", f"history={tmp_path / 'no.h5'}")
    assert "expected 'history'" in fails("fig_learning", f"history={fixed}")
    assert "unknown key 'units'" in fails("fig1_rdm", settings='{"units": 2}')
    assert "--settings" in fails("fig1_rdm", settings="{")
    both = f"behaviour={fixed}", f"activity={fixed}"
    assert "has units 0 to 11" in fails("fig1_rdm", *both, settings='{"unit": 99}')
    assert "no column 'stimulus'" in fails("fig1_rdm", f"behaviour={rt}", f"activity={rt}")
    assert "no history of that seed" in fails(
        "fig_learning", f"history={folder / '97.h5'}", settings='{"main_seed": 4}'
    )
    assert "ends in .pdf" in fails("fig1_rdm", *both, out=tmp_path / "a.png")
    write_evaluation(folder / "silent.h5", "rdm_fixed", 5, activity=False)
    assert "holds no activity" in fails("fig1_rdm", f"behaviour={fixed}", f"activity={folder / 'silent.h5'}")
    assert list(tmp_path.iterdir()) == []


def test_without_out_a_figure_describes_itself(capsys) -> None:
    assert main(["figures", "--figure", "fig1_rdm"]) == 2
    shown = capsys.readouterr().out
    assert "behaviour=PATH" in shown and "n_bins (default 10)" in shown


def test_drawing_needs_no_torch() -> None:
    code = (
        "import sys; from rnnpipe.figures import figure_module, figure_names; import rnnpipe.cli.claims,"
        "rnnpipe.cli.figures;"
        "[figure_module(n) for n in figure_names()]; assert 'torch' not in sys.modules and 'matplotlib.pyplot' not in"
        " sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_style_of_the_user_changes_nothing(folder: Path, tmp_path: Path) -> None:
    import matplotlib

    assert main(_argv(folder, "fig_learning", tmp_path / "a.pdf")) == 0
    with matplotlib.rc_context({"font.size": 30, "pdf.fonttype": 3, "lines.linewidth": 9, "axes.grid": True}):
        assert main(_argv(folder, "fig_learning", tmp_path / "b.pdf")) == 0
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
