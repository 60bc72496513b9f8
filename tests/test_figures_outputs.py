"""Figures of single networks of Kim et al. (2019): what is drawn is what a made-up network does."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from synthetic_kim import RATES, unit_figure_inputs, write_analog, write_unit_figure_inputs

from rnnpipe.analysis.outputs import (
    accuracy,
    binned,
    example_trials,
    mean_outputs,
    output_groups,
    rates_by_type,
    tau_histogram,
    unit_order,
    unit_rates,
    window_start,
)  # fmt: skip
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import figure_module
from rnnpipe.figures.published_units import TIME_CONSTANTS
from rnnpipe.figures.source_data import of
from rnnpipe.io.evaluation import read_spikes, read_units


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_unit_figure_inputs(folder)
    return folder


def _data(folder: Path, figure: str, inputs: dict | None = None, **settings: object) -> pd.DataFrame:
    module = figure_module(figure)
    return module.data(inputs or unit_figure_inputs(folder, figure), module.Options(**settings))


def test_trials_are_grouped_by_their_target_the_highest_first(folder: Path) -> None:
    recording = Recording(folder / "kim" / "lif.h5")
    go, nogo = output_groups(recording)
    assert (go.name, go.level, nogo.name, nogo.level) == ("Go", 1.0, "NoGo", 0.0)
    assert recording.table["go"][go.trials].all() and not recording.table["go"][nogo.trials].any()
    context = Recording(folder / "kim" / "context.h5")
    up, down = output_groups(context)
    assert (up.name, down.name) == ("target +1", "target -1")
    table = context.table.iloc[up.trials]
    assert (np.where(table["context"] == 1, table["sign_1"], table["sign_2"]) == 1).all()


def test_means_and_spreads_of_outputs_are_known(folder: Path) -> None:
    recording = Recording(folder / "kim" / "lif.h5")
    rows = mean_outputs(recording).set_index(["group", "time"])
    for group in output_groups(recording):
        offsets = 0.1 * (group.trials % 2)
        for time, level in ((370.0, 0.0), (375.0, 0.9 * group.level), (1000.0, 0.9 * group.level)):
            point = rows.loc[(group.name, time)]
            assert point["mean"] == pytest.approx(level + offsets.mean(), abs=1e-6)
            assert point["sd"] == pytest.approx(offsets.std(ddof=1), abs=1e-6) and point["n"] == len(group.trials)
    assert (window_start(recording), window_start(Recording(folder / "kim" / "rate.h5"))) == (500.0, 375.0)
    p, low, high, n = accuracy(recording.table)
    assert (p, n) == (1.0, 8) and low < 0.9 and high == 1


def test_rates_leave_out_the_first_steps_and_count_the_whole_trial(folder: Path) -> None:
    recording = Recording(folder / "kim" / "lif.h5")
    spikes, rates = read_spikes(recording.path), unit_rates(recording)
    for trial, unit in ((0, 3), (5, 4)):
        n = ((spikes["trial"] == trial) & (spikes["unit"] == unit)).sum()
        assert rates[trial, unit] == n - 1, "one second, without the spike of the first step"
    rows = rates_by_type(recording).set_index(["group", "type"])
    assert rows["n"].loc["Go"].to_dict() == {1: 3, -1: 1, -2: 1}
    assert rows.loc[("NoGo", -2), "mean"] == pytest.approx(0.9 * RATES[4], abs=0.6)
    assert rows.loc[("Go", -2), "mean"] == pytest.approx(2 * rows.loc[("NoGo", -2), "mean"], abs=1)
    first = rates[output_groups(recording)[1].trials].mean(axis=0)[:3]
    assert rows.loc[("NoGo", 1), "sd"] == pytest.approx(first.std(ddof=1))
    # 0.5 ms is step 10, which counts; 0.45 ms is step 9
    order = np.sort(np.unique(spikes["time"]))
    assert order[0] == pytest.approx(0.05)


@pytest.mark.parametrize(("time", "counts"), [(0.45, 0), (0.5, 1)])
def test_spikes_count_from_the_tenth_step_on(time: float, counts: int, tmp_path: Path) -> None:
    write_analog(tmp_path / "a.h5", spiking=True)
    before = unit_rates(Recording(tmp_path / "a.h5"))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        values = file["spikes/time"][:]
        values[0] = time  # the first spike is in step 1
        file["spikes/time"][:] = values
    assert (unit_rates(Recording(tmp_path / "a.h5")) - before).sum() == counts


def test_helpers_of_the_figures() -> None:
    assert unit_order([-1, 1, -2, 1, -1], [1, 2, 9, 3, 5]).tolist() == [3, 1, 4, 0, 2]
    edges, counts = tau_histogram([20.0, 20.4, 35.0, 49.8, 50.0], 20, 50, 1)
    assert (edges[0], edges[-1], len(counts)) == (19.5, 50.5, 31)
    assert (counts[0], counts[15], counts[30], counts.sum()) == (2, 1, 2, 5)
    centers, means = binned(np.arange(5.0)[:, None] * [1, 2], np.arange(5) * 5.0, 10)
    assert centers.tolist() == [2.5, 12.5, 20] and means.tolist() == [[0.5, 1], [2.5, 5], [4, 8]]


def test_the_digitised_bins_have_the_mean_and_spread_that_the_text_states() -> None:
    published = TIME_CONSTANTS["4B"]
    tau = np.repeat(np.arange(20.0, 51), published.counts)
    assert len(tau) == 250
    assert (tau.mean(), tau.std(ddof=1)) == (pytest.approx(published.mean, abs=0.1), pytest.approx(9.3, abs=0.05))


def test_time_constants_are_those_of_the_file(folder: Path) -> None:
    rows = _data(folder, "fig_tau", published="4B")
    bars = of(rows, "A", "units")
    assert bars["y"].sum() == pytest.approx(100) and bars.loc[bars["x"] == 20, "n"].tolist() == [2]
    tau = read_units(folder / "kim" / "lif.h5")["tau"]
    mean = of(rows, "A", "mean").iloc[0]
    assert mean["x"] == pytest.approx(tau.mean()) and mean["high"] - mean["x"] == pytest.approx(tau.std())
    paper = of(rows, "A", "paper")
    assert paper["n"].sum() == 250 and paper["y"].iloc[-1] == pytest.approx(100 * 27 / 250) and paper["x"].iloc[0] == 20


def test_outputs_name_the_network_and_what_counts(folder: Path) -> None:
    rows = _data(folder, "fig_outputs")
    assert of(rows, "A", "title")["label"].iloc[0] == "Rate network"
    assert of(rows, "B", "title")["label"].iloc[0] == "LIF network, S = 25"
    assert of(rows, "B", "window")["x"].tolist() == [500]
    assert of(rows, "B", "counts: Go")["y"].tolist() == [0.7]
    assert of(rows, "A", "counts: NoGo")["y"].tolist() == [0.3, -0.3], "to both sides in the rate network only"
    assert of(rows, "B", "counts: NoGo")["y"].tolist() == [0.3]
    assert of(rows, "A", "period stimulus")[["x", "y"]].to_numpy().tolist() == [[250, 375]]
    every = _data(folder, "fig_outputs", trials=True)
    assert of(every, "B", "trial: Go").groupby("trial").size().tolist() == [200] * 4


def test_rasters_show_opposite_stimuli_in_either_context(folder: Path) -> None:
    recording = Recording(folder / "kim" / "context.h5")
    examples = example_trials(recording)
    shown = recording.table.iloc[[trial for _, trial in examples]]
    assert shown[["context", "sign_1", "sign_2"]].to_numpy().tolist() == [
        [1, 1, -1],
        [1, -1, 1],
        [2, 1, -1],
        [2, -1, 1],
    ]
    rows = _data(folder, "fig_raster")
    # the context makes the same stimuli mean the opposite
    outputs = [of(rows, letter)["series"] for letter in "ABCD"]
    signs = [next(s for s in series if s.startswith("output: "))[-2:] for series in outputs]
    assert signs == ["+1", "-1", "-1", "+1"]
    spikes = read_spikes(recording.path)
    drawn = of(rows, "A")
    drawn = drawn[drawn["series"].str.startswith("spikes ")]
    expected = spikes[spikes["trial"] == examples[0][1]]
    assert len(drawn) == len(expected) and set(drawn["unit"]) == set(expected["unit"])
    # units from the lowest place up: excitatory ones by falling rate, then inhibitory, then SOM
    places = drawn.drop_duplicates("unit").sort_values("y")
    assert places["unit"].tolist() == [2, 1, 0, 3, 4] and places["y"].tolist() == [0, 1, 2, 3, 4]


def test_heat_maps_are_mean_activities_as_fractions_of_the_largest(folder: Path) -> None:
    rows = _data(folder, "fig_heatmap", published=True)
    heat = of(rows, "rate: Go", "heat")
    # rates are 0.1 k, and 0.05 more in the answer: the largest is 0.45
    at = heat[np.isclose(heat["x"], heat["x"].max())].set_index("unit")["value"].astype(float)
    np.testing.assert_allclose(at.loc[[0, 1, 4]], [0.05 / 0.45, 0.15 / 0.45, 1.0], atol=1e-6)
    early = of(rows, "rate: NoGo", "heat").groupby("unit")["value"].max().astype(float)
    np.testing.assert_allclose(early, 0.1 * np.arange(5) / 0.45, atol=1e-6)
    bars = of(rows, "rates: NoGo", "type 1")
    assert bars["y"].sum() == pytest.approx(100) and bars["n"].sum() == 3
    assert of(rows, "rates: Go", "paper -1")["x"].tolist() == [5]
    swapped = {"rate": [folder / "kim" / "lif.h5"], "spiking": [folder / "kim" / "rate.h5"]}
    with pytest.raises(ArtefactError, match="is no evaluation of a rate network"):
        _data(folder, "fig_heatmap", swapped)


def test_paths_in_the_plane_of_components(folder: Path) -> None:
    rows = _data(folder, "fig_pca", published=True)
    assert of(rows, "B", "paper")[["x", "y"]].to_numpy().tolist() == [[3, 99]]
    assert of(rows, "A", "variance means")["y"].iloc[0] == pytest.approx(100, abs=1e-3)
    assert of(rows, "A", "variance means")["label"].iloc[0] == "means of targets: 3 PCs hold 100.0 %"
    go = of(rows, "A", "path: Go 12")
    # five units rise by 0.05 together: a step of 0.05 sqrt(5) along one axis
    assert go["x"].max() - go["x"].min() == pytest.approx(0.05 * np.sqrt(5), rel=1e-4)
    assert np.ptp(of(rows, "A", "path: NoGo 12")["x"]) == pytest.approx(0, abs=1e-6)
    assert of(rows, "A", "moment: stimulus off 12")["lag"].tolist() == [375, 375]


def test_rates_by_type_stand_before_the_published_ones(folder: Path) -> None:
    rows = _data(folder, "fig_types", published=True)
    assert of(rows, "A", "paper -2: NoGo")[["y", "low", "high"]].to_numpy() == pytest.approx(
        np.array([[25.5, 25.5 - 2.33, 25.5 + 2.33]])
    )
    means = rates_by_type(Recording(folder / "kim" / "lif.h5")).set_index(["group", "type"])
    drawn = of(rows, "A", "mean -1: Go").iloc[0]
    assert drawn["y"] == means.loc[("Go", -1), "mean"] and drawn["x"] < 1 < of(rows, "A", "mean -1: NoGo")["x"].iloc[0]


def test_activations_are_those_of_the_networks(folder: Path) -> None:
    rows = _data(folder, "fig_activations")
    at = {name: np.interp(2.0, line["x"], line["y"]) for name, line in rows.groupby("series")}
    expected = {"sigmoid": 1 / (1 + np.exp(-2)), "softplus": np.log1p(np.exp(2)), "clipped_relu": 2.0}
    assert at == pytest.approx(expected)
    assert _data(folder, "fig_activations", {"history": [folder / "kim" / "sigmoid.h5"]})["series"].unique() == [
        "sigmoid"
    ]


@pytest.mark.parametrize("figure", ["fig_outputs", "fig_tau", "fig_raster", "fig_heatmap", "fig_pca", "fig_types"])
def test_one_kind_of_trial_without_spikes_is_drawn(figure: str, folder: Path, tmp_path: Path) -> None:
    for name, spiking in (("rate.h5", False), ("lif.h5", True)):
        write_analog(tmp_path / name, spiking=spiking, trials_per_condition=1, only={"go": False}, types=[1] * 5,
                     reached_criterion=False)  # fmt: skip
    with h5py.File(tmp_path / "lif.h5", "r+") as file:  # a silent network
        file["activity/policy_rates"][:] = 0
        for name in ("trial", "time", "unit"):
            values, attrs, old = file[f"spikes/{name}"][:0], dict(file[f"spikes/{name}"].attrs), file[f"spikes/{name}"]
            label = old.dims[0].label
            del file[f"spikes/{name}"]
            new = file.create_dataset(f"spikes/{name}", data=values)
            new.dims[0].label = label
            new.attrs.update({k: v for k, v in attrs.items() if k in ("unit", "description")})
    inputs = {
        need: [tmp_path / ("rate.h5" if need == "rate" else "lif.h5")] for need in unit_figure_inputs(folder, figure)
    }
    module = figure_module(figure)
    table = module.data(inputs, module.Options())
    module.draw(table)
    if figure in ("fig_outputs", "fig_tau", "fig_types"):
        title = table["label"][table["series"] == "title"].iloc[0]
        assert title == "LIF network, S = 25\n(training criterion not reached)"


def test_without_dales_principle_no_unit_is_called_excitatory(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_analog(path, spiking=True, types=[1] * 5, dale=False)
    rows = _data(tmp_path, "fig_raster", {"spiking": [path]})
    assert of(rows, "A", "units 1")["label"].tolist() == ["units (no Dale’s principle)"]
    assert of(_data(tmp_path, "fig_types", {"spiking": [path]}), "A", "type")["label"].tolist() == ["all units\nn = 5"]


def test_mistakes_are_one_sentence(folder: Path) -> None:
    rate = folder / "kim" / "rate.h5"
    with pytest.raises(ArtefactError, match="holds no spikes; evaluate the spiking network"):
        _data(folder, "fig_raster", {"spiking": [rate]})
    with pytest.raises(SettingsError, match="shows one network"):
        _data(folder, "fig_tau", {"activity": [rate, rate]})
    with pytest.raises(ArtefactError, match="expected 'bptt_history'"):
        _data(folder, "fig_activations", {"history": [rate]})
