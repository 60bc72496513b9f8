"""Mixed selectivity, axes and trajectories in context-dependent integration; lesions and stimulation of networks."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from synthetic_context import DT, HUMP, LOADINGS, N_UNITS, NAMES, OFFSETS, SCALE, STIMULATION, write_context
from synthetic_kim import write_spiking

from rnnpipe.analysis import context_integration as analysis
from rnnpipe.analysis.lesions import dose_response, over_networks
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.targeted import Regression
from rnnpipe.dataset import DatasetSettings, blocks, n_trials
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.settings import parse
from rnnpipe.tasks.context_integration import ContextIntegration


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = tmp_path_factory.mktemp("context") / "offsets.h5"
    write_context(path)
    return Recording(path)


@pytest.fixture(scope="module")
def found(recording: Recording) -> analysis.Population:
    return analysis.population(recording)


# the data set


def test_a_data_set_runs_through_offsets_and_the_inputs_have_them() -> None:
    settings = DatasetSettings(trials_per_condition=2, conditions={"offset_1": [0.1, 0.4], "offset_2": 0.3})
    task = ContextIntegration(var_in=0.0)
    (trials,) = blocks(task, settings)
    assert trials.n_trials == n_trials(task, settings) == 8 * 2 * 2
    combinations = {name: trials.conditions[name] for name in ("context", "sign_1", "sign_2", "offset_1")}
    _, counts = np.unique(np.stack(list(combinations.values())), axis=1, return_counts=True)
    assert counts.tolist() == [2] * 16
    for k in (1, 2):
        level = trials.conditions[f"sign_{k}"] * trials.conditions[f"offset_{k}"]
        np.testing.assert_allclose(trials.inputs[50:250, :, k - 1], np.tile(level, (200, 1)), rtol=1e-6)
    assert (trials.conditions["offset_2"] == 0.3).all()


def test_without_a_data_set_of_its_own_the_offset_is_that_of_training_and_no_draw_is_spent_on_it() -> None:
    task, n = ContextIntegration(), 7
    trials = task.sample(np.random.default_rng(5), n)
    rng = np.random.default_rng(5)
    signs = [np.array([-1, 1])[rng.integers(0, 2, n)] for _ in range(2)]
    cue = np.array([1, 2])[rng.integers(0, 2, n)]
    noise = rng.standard_normal((2, 200 * n)).reshape(2, 200, n)
    np.testing.assert_array_equal(trials.conditions["context"], cue)
    for k in range(2):
        np.testing.assert_allclose(trials.inputs[50:250, :, k], 0.5 * signs[k] + noise[k], rtol=1e-5, atol=1e-6)
    (again,) = blocks(task, DatasetSettings(trials_per_condition=1))
    assert (again.conditions["offset_1"] == 0.5).all() and again.n_trials == 8


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [({"offset_1": []}, "offset_1 has an empty list"), ({"offset_1": [0.1, 0.1]}, "offset_1 has a value twice")],
)
def test_lists_of_conditions_that_make_no_sense(conditions: dict, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        parse(DatasetSettings, {"conditions": conditions}, "here")


# regression


def test_variables_are_signed_and_scaled(recording: Recording) -> None:
    table, rows = recording.table, analysis.variables(recording.table)
    assert tuple(rows) == NAMES == analysis.AXES
    assert set(rows["modality_1"].round(6)) == {-1, -0.5, -0.2, 0.2, 0.5, 1}
    assert (rows["context"] == np.where(table["context"] == 1, 1, -1)).all()
    cued = np.where(table["context"] == 1, table["sign_1"], table["sign_2"])
    assert (rows["choice"] == cued).all()


def test_axes_are_those_of_the_population(found: analysis.Population) -> None:
    assert found.problem == "" and found.active.tolist() == list(range(N_UNITS)), "the last unit hardly varies"
    for axis, name in zip(found.axes, NAMES, strict=True):
        assert axis @ LOADINGS[name] / np.sqrt(N_UNITS) > 0.99, name


def test_coefficients_follow_the_time_course_of_their_variable(found: analysis.Population) -> None:
    norms = found.norms()
    assert norms["lag"].tolist() == list(np.arange(50, 1001, 50))
    assert norms["choice"].idxmax() == len(norms) - 1 and (norms["choice"].diff().dropna() > 0).mean() > 0.9
    # lag 50 ms is the second step of the stimulus
    expected = SCALE["modality_1"] * HUMP[1::2] * np.sqrt(N_UNITS) / found.regression.sd.mean()
    np.testing.assert_allclose(norms["modality_1"], expected, rtol=0.1, atol=0.15)
    assert norms["context"].std() / norms["context"].mean() < 0.1


def test_trajectories_spread_by_offset_along_the_axis_of_their_input(
    recording: Recording, found: analysis.Population
) -> None:
    rows = analysis.trajectories(recording, found)
    assert rows["lag"].max() == 1250
    middle = rows[rows["lag"] == 500]
    for context, sort in ((1, "modality_1"), (1, "modality_2"), (2, "modality_1"), (2, "modality_2")):
        part = middle[(middle["context"] == context) & (middle["sort"] == sort)]
        cued = sort == f"modality_{context}"
        # what is not cued goes with either choice
        assert len(part) == (6 if cued else 12)
        assert set(part["strength"].abs()) == set(OFFSETS)
        assert (np.sign(part["x_choice"]) == part["choice"]).all()
        if cued:
            assert (np.sign(part["strength"]) == part["choice"]).all()
        slope = np.polyfit(part["strength"] / 0.5, part[f"x_{sort}"], 1)[0]
        expected = SCALE[sort] * HUMP[round(500 / DT) - 1] * np.sqrt(N_UNITS) / found.regression.sd.mean()
        assert slope == pytest.approx(expected, rel=0.1)


def test_trials_that_were_wrong_at_first_are_not_sorted(tmp_path: Path) -> None:
    """The first output beyond the threshold is the answer; a correct one may come later."""

    def change(output: np.ndarray, time: np.ndarray) -> None:
        output[:, 0] *= -1  # wrong
        output[time < 2000, 1] *= -1  # wrong, then right

    write_context(tmp_path / "a.h5", 1, change=change)
    table = Recording(tmp_path / "a.h5").table
    assert table["correct"].tolist()[:3] == [0, 1, 1]
    rows = analysis.conditions(table)
    assert rows.isna().all(axis=1).tolist()[:3] == [True, True, False]
    assert rows.notna().all(axis=1).sum() == len(table) - 2


def test_traces_are_means_of_correct_trials(recording: Recording) -> None:
    rows = analysis.traces(recording, [4, 9], (0.0, 1000.0))
    assert len(rows.groupby(["unit", "context", "sign_1", "sign_2"])) == 2 * 8
    one = rows[(rows["unit"] == 9) & (rows["context"] == 2) & (rows["sign_1"] == -1) & (rows["sign_2"] == 1)]
    mean_offset = np.mean(OFFSETS) / 0.5
    values = {"choice": 1.0, "modality_1": -mean_offset, "modality_2": mean_offset, "context": -1.0}
    at = one[one["lag"] == 500]["mean"].iloc[0]
    k = round(500 / DT) - 1
    course = {"choice": (k + 1) / 40, "modality_1": HUMP[k], "modality_2": HUMP[k], "context": 1.0}
    expected = 2 + sum(SCALE[n] * course[n] * values[n] * LOADINGS[n][9] for n in NAMES)
    assert at == pytest.approx(expected, abs=0.05)


def test_units_of_mixed_selectivity_depend_on_everything() -> None:
    weights = np.array([[0, 9, 0, 0], [3, 0, 3, 1], [3, 0, -2, 1], [-3, 9, 2, 1]], float)
    regression = Regression(NAMES, np.zeros(1), weights[:, None], np.zeros(4), np.ones(4), 10)
    population = analysis.Population(np.array([5, 6, 7, 8]), regression)
    assert population.mixed(2) == [5, 7], "smallest absolute weights of inputs and context: 3, 0, 2, 1"


def test_one_offset_does_not_tell_choice_from_its_causes(tmp_path: Path) -> None:
    write_context(tmp_path / "one.h5", 8, [0.5])
    found = analysis.population(Recording(tmp_path / "one.h5"))
    assert "do not tell" in found.problem and found.mixed(4) == []
    assert analysis.trajectories(Recording(tmp_path / "one.h5"), found).empty


def test_an_evaluation_without_offsets_is_refused(tmp_path: Path) -> None:
    write_context(tmp_path / "old.h5", 1)
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        del file["trials/offset_2"]
    with pytest.raises(ArtefactError, match="has no trials/offset_2"):
        analysis.population(Recording(tmp_path / "old.h5"))


# lesions


def _by_condition(path: Path, nogo: float, go: float) -> Path:
    with h5py.File(path, "r+") as file:
        file["condition_accuracy"][:] = [nogo, go]
    return path


def test_dose_response_is_sorted_and_starts_with_the_intact_networks(tmp_path: Path) -> None:
    intact = _by_condition(write_spiking(tmp_path / "intact.h5", [1.0, 0.9]), 0.8, 1.0)
    files = [
        write_spiking(tmp_path / f"{pre}{part}.h5", [0.9 - part, 0.7], lif={"lesion_pre": pre, "lesion_fraction": part})
        for pre in ("inhibitory", "all")
        for part in (0.4, 0.1)
    ]
    _by_condition(files[0], 0.2, 0.9)
    table = dose_response(files, [intact], "lesion")
    assert table["kind"].drop_duplicates().tolist() == ["from inhibitory units", "all connections"]
    assert table["fraction"].tolist() == [0, 0, 0.1, 0.1, 0.4, 0.4] * 2
    first = table[table["kind"] == "from inhibitory units"]
    assert first["accuracy"].tolist() == pytest.approx([1.0, 0.9, 0.8, 0.7, 0.5, 0.7])
    assert first[["nogo", "go"]].iloc[0].tolist() == [0.8, 1.0]
    assert first[["nogo", "go"]].iloc[-1].tolist() == [0.2, 0.9]
    means = over_networks(table)
    row = means[(means["measure"] == "accuracy") & (means["kind"] == "all connections") & (means["fraction"] == 0.1)]
    # t of one degree of freedom: 12.706 standard errors
    assert row[["mean", "low", "high", "n"]].iloc[0].tolist() == pytest.approx(
        [0.75, 0.75 - 0.6353, 0.75 + 0.6353, 2], abs=1e-3
    )


def test_stimulation_is_named_and_untrained_networks_are_left_out(tmp_path: Path) -> None:
    lif = {**STIMULATION, "stimulation": "inh", "stimulation_fraction": 0.2}
    path = write_spiking(tmp_path / "s.h5", [0.5, 0.5, 0.5], trained=[True, False, True], lif=lif)
    intact = write_spiking(tmp_path / "i.h5", [1.0, 1.0, 1.0], trained=[True, False, True])
    table = dose_response([path], [intact], "stimulation")
    assert table["kind"].unique().tolist() == ["inhibitory units hyperpolarised"]
    assert table[table["seed"] == 1]["accuracy"].isna().all()
    assert over_networks(table)["n"].unique().tolist() == [2]
    lif = {**STIMULATION, "stimulation_of": None, "stimulation_units": [1, 2]}
    listed = dose_response([write_spiking(tmp_path / "l.h5", [0.5], lif=lif)], [], "stimulation")
    assert listed[["kind", "fraction"]].iloc[0].tolist() == ["listed units depolarised", 2 / 5]
