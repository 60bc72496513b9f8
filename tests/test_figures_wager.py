"""Figures of wagers, of values and of single trials: what they show, and what they do when there is nothing to show."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import N_UNITS, write_evaluation

from rnnpipe.analysis import wager
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import figure_module
from rnnpipe.figures.source_data import of
from rnnpipe.figures.wager import require_rates
from rnnpipe.io.evaluation import read_table
from rnnpipe.tasks import task_class

TASK = "postdecisionwager"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wager") / "wager.h5"
    write_evaluation(path, TASK, 12)
    return path


def _data(path: Path, figure: str, **settings: object) -> pd.DataFrame:
    module = figure_module(figure)
    return module.data(dict.fromkeys(module.NEEDS, [path]), module.Options(**settings))


def test_panels_by_duration_show_what_the_analysis_gives(path: Path) -> None:
    rows, table = _data(path, "fig_wager", n_bins=3), read_table(path)
    expected = wager.sure_by_duration(table, 3)
    np.testing.assert_array_equal(of(rows, "B")[["coherence", "x", "y", "low", "high", "n"]], expected)
    expected = wager.accuracy_by_offer(table, 3)
    for offer in ("forced", "waived"):
        here = expected[expected["offer"] == offer].drop(columns="offer")
        np.testing.assert_array_equal(of(rows, "C", offer)[["coherence", "x", "y", "low", "high", "n"]], here)
    value = wager.value_by_offer(Recording(path), 2)
    shown = of(_data(path, "fig_wager_value", n_bins=2), "A", "waived")
    np.testing.assert_array_equal(shown["y"], value[value["offer"] == "waived"]["mean"])


def test_the_schematic_has_the_sure_target_and_its_reward(path: Path) -> None:
    rows = of(_data(path, "fig_wager"), "A").set_index("series")
    periods = [name for name in rows.index.unique() if name.startswith("period ")]
    assert periods == ["period fixation", "period stimulus", "period delay", "period decision"]
    assert rows.loc[periods, "label"].tolist() == ["750 ms", "100–900 ms", "1200–1800 ms", "until 3950 ms"]
    assert rows.loc["reward sure", "label"].tolist() == ["\N{MINUS SIGN}1"] * 3 + ["+0.7"]
    assert rows.loc["reward left", "y"].tolist() == [-1, -1, -1, 1]  # a leftward stimulus
    sure, decision = rows.loc["input sure"], rows.loc["period decision", "x"]
    first = sure["x"][sure["y"] > 0].min()
    # 500-750 ms after the stimulus, which ends at 1250 ms, and on to the end
    assert 1750 <= first < 2000 < decision and (sure["y"][sure["x"] >= first] == 1).all()


@pytest.mark.parametrize(("network", "best"), [("policy", 0), ("value", N_UNITS - 1)])
def test_the_unit_is_sorted_by_its_own_preference(path: Path, network: str, best: int) -> None:
    rows = of(_data(path, "fig_wager", network=network, unit=best), "D")
    assert rows["label"].iloc[0].startswith(f"{network} unit {best}, d\N{PRIME} = ")
    assert rows["label"].iloc[0].endswith(", left")  # the units of the value network stand in reverse order
    late = rows[(rows["series"] == "offered, choice") & (rows["x"] == 0) & (rows["choice"] == "side")]
    mean = late.set_index("evidence")["y"]
    assert mean["preferred"] > 1.2 > 0.8 > mean["other"]
    assert set(rows["series"]) - {"unit"} == {
        "not offered, stimulus", "not offered, choice", "offered, stimulus", "offered, sure", "offered, choice",
    }  # fmt: skip
    assert set(rows[rows["choice"] == "sure"]["series"]) <= {"offered, stimulus", "offered, sure", "offered, choice"}
    recording = Recording(path)
    chosen = wager.preferred_unit(recording, f"{network}_rates")
    assert chosen is not None and chosen.unit in (0, N_UNITS - 1)


def test_the_reference_of_the_value_is_the_mean_reward(path: Path) -> None:
    rows = _data(path, "fig_value")
    assert of(rows, "A", "mean reward")["y"].iloc[0] == pytest.approx(read_table(path)["reward"].mean())
    stimulus, choice = of(rows, "A", "stimulus"), of(rows, "A", "choice")
    assert (stimulus["x"].min(), stimulus["x"].max(), choice["x"].min(), choice["x"].max()) == (-200, 600, -400, 0)


def test_right_choices_are_counted_among_those_of_a_side(path: Path) -> None:
    rows, table = _data(path, "fig_psychometric"), read_table(path)
    sided = table[table["choice"].isin([1, 2])]
    assert of(rows, "B", "right choices")["n"].sum() == len(sided) < table["decision"].sum()
    assert of(rows, "A")["n"].sum() == len(table)
    here = sided[sided["side"] * sided["coherence"] == 25.6]
    shown = of(rows, "B", "right choices").set_index("x")["y"]
    assert shown[25.6] == pytest.approx((here["choice"] == 2).mean())


def test_a_unit_is_shown_around_the_stimulus_and_up_to_the_choice(path: Path) -> None:
    rows, recording = _data(path, "fig_unit", unit=2), Recording(path)
    stimulus, choice = of(rows, "A", "stimulus"), of(rows, "A", "choice")
    assert (stimulus["x"].min(), stimulus["x"].max(), choice["x"].min(), choice["x"].max()) == (-200, 1000, -600, 0)
    trials = ((recording.table["coherence"] == 0) & (recording.table["choice"] == 1)).to_numpy()
    at_choice = recording.around_choice("policy_rates", (0, 0), 2)[trials].mean()[0]
    here = choice[(choice["coherence"] == 0) & (choice["choice"] == "left") & (choice["x"] == 0)]
    assert here["y"].iloc[0] == pytest.approx(at_choice)


@pytest.mark.parametrize("name", ["rdm_fixed", "rdm_rt", TASK])
def test_a_trial_is_shown_as_it_was(name: str, tmp_path: Path) -> None:
    write_evaluation(tmp_path / "e.h5", name, 1)
    table, task = read_table(tmp_path / "e.h5"), task_class(name)()
    rows = _data(tmp_path / "e.h5", "fig_trial", trial=3)
    row = table.iloc[3]
    assert of(rows, "C", "reward")["y"].sum() == pytest.approx(row["reward"])
    assert of(rows, "B", f"action {task.action_names[row['choice']]}")["x"].iloc[-1] == row["choice_time"]
    assert sum(len(of(rows, "B", f"action {a}")) for a in task.action_names) == row["n_steps"]
    on, off = row["stimulus_on"], min(row["stimulus_off"], row["choice_time"] + 1)
    for channel, sign in (("left", -1), ("right", 1)):
        trace = of(rows, "A", f"input {channel}").set_index("x")["y"]
        shown = trace[(trace.index >= on) & (trace.index < off)]
        # the mean of the evidence, and nothing of its noise
        assert shown.to_numpy() == pytest.approx((1 + sign * row["side"] * row["coherence"] / 100) / 2)
        assert (trace[trace.index < on] == 0).all() and trace.index.max() == row["choice_time"]
    assert f"coherence {row['coherence']:g} %" in of(rows, "A", "trial")["label"].iloc[0]


def _nothing_decided(columns: dict) -> None:
    columns["decision"][:] = False
    columns["choice"][:] = 0
    columns["correct"][:] = -1
    columns["choice_time"][:] = columns["reaction_time"][:] = np.nan


def _always(choice: int):
    def change(columns: dict) -> None:
        columns["choice"][columns["decision"]] = choice
        if choice == 3:
            columns["decision"] &= columns["wager"]
            columns["choice"][~columns["decision"]] = 0
            columns["correct"][:] = -1

    return change


@pytest.fixture(scope="module", params=["nothing", "left", "sure"])
def degenerate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param) / f"{request.param}.h5"
    change = {"nothing": _nothing_decided, "left": _always(1), "sure": _always(3)}[request.param]
    write_evaluation(path, TASK, 2, change=change)
    return path


@pytest.mark.parametrize(
    "figure", ["fig_wager", "fig_wager_value", "fig_value", "fig_psychometric", "fig_trial", "fig_unit"]
)
def test_degenerate_behaviour_is_drawn_with_a_note(figure: str, degenerate: Path) -> None:
    table = _data(degenerate, figure)
    drawn = figure_module(figure).draw(table)
    texts = [text.get_text() for axes in drawn.axes for text in axes.texts]
    if degenerate.stem == "nothing":
        expected = ("no ", "too few", "taken")  # a trial can be shown whatever came of it
        assert any(text.startswith(expected) for text in texts)
    if degenerate.stem == "sure" and figure == "fig_wager":
        assert of(table, "C").empty and (of(table, "B")["y"] == 1).all()


def test_mistakes_are_told(path: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="has units 0 to 11"):
        _data(path, "fig_wager", unit=12)
    with pytest.raises(SettingsError, match="has trials 0 to 287"):
        _data(path, "fig_trial", trial=288)
    write_evaluation(tmp_path / "rdm.h5", "rdm_fixed", 1)
    for figure in ("fig_wager", "fig_wager_value"):
        with pytest.raises(ArtefactError, match="is of task 'rdm_fixed'"):
            _data(tmp_path / "rdm.h5", figure)
    with pytest.raises(ArtefactError, match="a linear value network has no units"):
        require_rates(Recording(path), "no_rates")
