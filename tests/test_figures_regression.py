"""Figures of supervised networks: tables are what was recorded and analysed; classes of points keep their marks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_regression as synthetic
from matplotlib.axes import Axes
from test_config import STUDY, load

from rnnpipe.analysis.choice_surface import choice_surface, gating
from rnnpipe.analysis.population import population
from rnnpipe.analysis.projection import projection
from rnnpipe.analysis.unit_groups import condition_means
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import figure_module, states
from rnnpipe.figures.source_data import of
from rnnpipe.io.evaluation import read_activity, read_table
from rnnpipe.tasks.flip_flop import FlipFlop


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    synthetic.write_figure_inputs(folder)
    return folder / "regression"


def _data(figure: str, files: dict[str, list[Path]], **settings: object) -> pd.DataFrame:
    module = figure_module(figure)
    return module.data(files, module.Options(**settings))


def test_random_trials_show_the_target_only_where_it_counts(folder: Path) -> None:
    inputs = {"activity": [folder / "cddm.h5"]}
    table = _data("fig_random_trials", inputs, n_trials=5)
    assert list(dict.fromkeys(table["panel"])) == ["1", "2", "3", "4", "5"]
    arrays, trials = read_activity(folder / "cddm.h5"), read_table(folder / "cddm.h5")
    for panel in "135":
        head = of(table, panel, "condition").iloc[0]
        trial = int(head["n"])
        assert f"context {trials['context'][trial]}" in head["label"]
        right, target = of(table, panel, "output: right"), of(table, panel, "target: right")
        np.testing.assert_allclose(right["y"], arrays["output"][:, trial, 0])
        counts = arrays["loss_mask"][:, trial] > 0
        assert 0 < counts.sum() < len(counts)
        np.testing.assert_array_equal(target["y"].notna(), counts)
        np.testing.assert_allclose(target["y"][counts], arrays["target"][counts, trial, 0])
    other = _data("fig_random_trials", inputs, n_trials=5, seed=1)
    assert of(other, "1", "condition")["n"].tolist() != of(table, "1", "condition")["n"].tolist()
    assert len(dict.fromkeys(_data("fig_random_trials", inputs, n_trials=12)["panel"])) == 12


def test_surfaces_have_motion_along_x_in_both_contexts_and_true_coherences(folder: Path) -> None:
    table, trials = (
        _data("fig_psychometric_surface", {"behaviour": [folder / "cddm.h5"]}),
        read_table(folder / "cddm.h5"),
    )
    right = (trials["choice"] == 2).to_numpy(float)
    for context in ("motion", "colour"):
        rows = of(table, "A", f"surface {context}")
        assert sorted(set(rows["x"])) == pytest.approx([100 * c for c in synthetic.COHERENCES])
        here = (trials["context"] == context).to_numpy()
        relevant, irrelevant = (trials[f"coherence_{k}"].to_numpy() for k in ("relevant", "irrelevant"))
        motion, colour = (relevant, irrelevant) if context == "motion" else (irrelevant, relevant)
        for row in rows.iloc[::9].itertuples():
            same = here & np.isclose(100 * motion, row.x) & np.isclose(100 * colour, row.y)
            assert row.value == pytest.approx(100 * right[same].mean()) and row.n == same.sum() == 4
            assert row.low <= row.value <= row.high
        errors = of(table, "B", f"surface {context}")
        assert errors["value"].astype(float).mean() == pytest.approx(trials["mse"][here].mean())
    names = ("context", "coherence_relevant", "coherence_irrelevant")
    found = gating(choice_surface(*(trials[name] for name in names), right, trials["mse"]))
    for context, (relevant_slope, irrelevant_slope) in synthetic.SLOPES.items():
        index = of(table, "A", f"gating {context}")["value"].astype(float).iloc[0]
        assert index == found[context].index == pytest.approx(abs(irrelevant_slope / relevant_slope), abs=0.12)
    with pytest.raises(ArtefactError, match=r"needs an evaluation of cddm"):
        _data("fig_psychometric_surface", {"behaviour": [folder / "flip_flop.h5"]})


def test_learning_shows_every_network_and_where_it_was_best(folder: Path, tmp_path: Path) -> None:
    files = sorted(folder.glob("loss*.h5"))
    table = _data("fig_loss", {"history": files}, main_seed=1, floor=0.0398)
    assert set(of(table, "A", "main")["seed"]) == {1} and set(of(table, "A", "other")["seed"]) == {0, 2}
    rows = synthetic.write_loss(tmp_path / "one.h5", seed=1, penalties=False)
    best = min(rows, key=lambda row: row["mse"])
    mark = of(table, "A", "best").set_index("seed").loc[1.0]
    assert (mark["x"], mark["y"]) == (best["iteration"], pytest.approx(best["mse"]))
    assert of(table, "B", "main")["x"].min() == 10, "there is no training error before the first update"
    assert set(of(table, "C")["choice"]) == {"orthogonality", "mean_rate"}
    assert of(table, "A", "floor")["y"].tolist() == [0.0398]
    module = figure_module("fig_loss")
    alone = _data("fig_loss", {"history": [tmp_path / "one.h5"]})
    assert "no penalties" in [text.get_text() for axes in module.draw(alone).axes for text in axes.texts]
    with pytest.raises(SettingsError, match="no history of that seed"):
        _data("fig_loss", {"history": files}, main_seed=7)


def test_participation_over_training_is_that_of_the_history(folder: Path, tmp_path: Path) -> None:
    p = synthetic.write_traces(tmp_path / "traces.h5")
    table = _data("fig_participation", {"history": [tmp_path / "traces.h5"]})
    heat, unit = of(table, "A", "heat"), of(table, "A", "unit")
    grid = heat.pivot(index="y", columns="x", values="low").to_numpy()
    assert grid.shape == p.T.shape and (np.diff(grid[:, -1]) >= 0).all()
    np.testing.assert_allclose(grid, np.log10(np.maximum(p, 1e-6))[:, unit["n"].astype(int)].T, atol=1e-6)
    assert of(table, "B", "histogram")["y"].sum() == synthetic.N_UNITS
    assert of(table, "B", "quantile")["x"].iloc[0] == pytest.approx(np.quantile(p[-1], 0.2))
    silent = of(table, "C", "truly silent")
    assert silent["y"].tolist() == pytest.approx((100 * (p == 0).mean(1)).tolist()) and silent["y"].iloc[-1] > 40
    drifts = [of(table, "D", f"drift_{lag}") for lag in (10, 100, 1000)]
    assert [len(d) for d in drifts] == [29, 20, 0] and drifts[1]["x"].min() == 100
    assert of(table, "E")["x"].min() == 20
    with pytest.raises(ArtefactError, match="has no participation of units; train the network again with learning"):
        _data("fig_participation", {"history": [folder / "loss0.h5"]})
    long = synthetic.write_traces(tmp_path / "long.h5", n_evaluations=700)
    heat = of(_data("fig_participation", {"history": [tmp_path / "long.h5"]}), "A", "heat")
    assert heat["x"].nunique() == 200 and heat["x"].max() == 10 * (len(long) - 1)


def test_the_population_is_that_of_the_recording(folder: Path) -> None:
    inputs = {"activity": [folder / "cddm.h5"], "network": [folder / "dale.pth"]}
    table = _data("fig_population", inputs)
    found = population(read_activity(folder / "cddm.h5", "policy_rates")["policy_rates"])
    assert of(table, "A", "histogram")["y"].sum() == synthetic.N_UNITS
    assert of(table, "A", "quantile")["x"].iloc[0] == pytest.approx(np.quantile(found.participation, 0.2))
    context = of(table, "B", "factor context")
    assert len(context) == synthetic.N_UNITS - 1, "the silent unit is not active"
    # every fourth unit follows the context and nothing else
    assert (context["y"] > 0.95).sum() == 4 and "27 % selective" in context["label"].iloc[0]
    titles = table[table["series"].str.startswith("title ")]
    assert titles["n"].sum() == synthetic.N_UNITS - 1 and set(titles["choice"]) == {"E", "I"}
    assert set(table[table["series"] == "cluster 0"]["choice"]) == {"motion", "colour"}
    by_choice = _data("fig_population", inputs, factor="coherence_relevant")
    assert len(set(by_choice[by_choice["series"] == "cluster 0"]["choice"])) == len(synthetic.COHERENCES)
    with pytest.raises(SettingsError, match="unknown factor 'contxt'.*context"):
        _data("fig_population", inputs, factor="contxt")
    with pytest.raises(ArtefactError, match="has 6 units, the evaluation 16"):
        _data("fig_population", {**inputs, "network": [folder / "decider.pth"]})


def test_condition_means_are_means() -> None:
    rng = np.random.default_rng(0)
    rates, condition = rng.standard_normal((11, 9, 3)), np.array([2, 0, 1, 1, 2, 0, 0, 2, 2])
    means = condition_means(rates, condition, 4)
    edges = [0, 3, 6, 8, 11]
    for c in range(3):
        for k, (a, b) in enumerate(zip(edges, edges[1:], strict=False)):
            np.testing.assert_allclose(means[c, k], rates[a:b, condition == c].mean((0, 1)))
    assert condition_means(rates, condition, 100).shape == (3, 11, 3)


def test_weight_matrices_are_the_network_in_another_order(folder: Path) -> None:
    from rnnpipe.io.ctrnn import read_ctrnn

    table, network = _data("fig_weight_matrices", {"network": [folder / "dale.pth"]}), read_ctrnn(folder / "dale.pth")
    order = of(table, "head", "unit")["n"].astype(int).to_numpy()
    assert sorted(order) == list(range(synthetic.N_UNITS))
    assert of(table, "head", "border")["x"].tolist() == [13]
    for panel, w in (
        ("A", network.network.w_in[order]),
        ("B", network.network.w_rec[np.ix_(order, order)]),
        ("C", network.network.w_out[:, order]),
    ):
        rows = of(table, panel, "weight")
        drawn = np.zeros_like(w)
        drawn[rows["y"].astype(int), rows["x"].astype(int)] = rows["low"]
        np.testing.assert_allclose(drawn, w, rtol=1e-6)
        assert len(rows) == (w != 0).sum()
        assert of(table, panel, "limit")["high"].iloc[0] == pytest.approx(np.quantile(abs(w[w != 0]), 0.99), rel=1e-6)


def _drawn_markers(table: pd.DataFrame) -> dict[str, int]:
    axes: Axes = figure_module("fig_fixed_points").draw(table).axes[0]
    counts: dict[str, int] = {}
    for line in axes.lines:
        counts[str(line.get_marker())] = counts.get(str(line.get_marker()), 0) + len(line.get_xdata())
    return counts


def test_fixed_points_are_marked_by_class_not_by_position(folder: Path) -> None:
    inputs = {"fixed_points": [folder / "cube.h5"]}
    table = _data("fig_fixed_points", inputs, axes=["PC 1", "PC 2"], inputs=["rest"])
    assert of(table, "A", "count")["label"].tolist() == [
        "8 stable",
        "19 unstable\n12 of index 1, 6 of index 2, 1 of index 3",
    ]
    assert _drawn_markers(table) == {"o": 8, "x": 19, "s": 0}
    # without stable points the unstable ones are still crosses
    only_unstable = table[~table["series"].isin(["stable"]) & ~(table["label"] == "8 stable")]
    assert _drawn_markers(only_unstable) == {"x": 19, "s": 0}
    both = _data("fig_fixed_points", inputs)
    assert of(both, "A", "marginal")["input"].tolist() == ["pulse_1+"]
    assert set(of(both, "A", "stable")["number"]) == {0, 1}
    with pytest.raises(SettingsError, match="inputs has 'pulse'; .*'rest', 'pulse_1"):
        _data("fig_fixed_points", inputs, inputs=["pulse"])
    with pytest.raises(SettingsError, match="give the network, too"):
        _data("fig_fixed_points", inputs, axes=["output 1", "PC 1"])
    with pytest.raises(SettingsError, match="modes needs the network"):
        _data("fig_fixed_points", inputs, modes=True)
    with pytest.raises(SettingsError, match="nothing varies along it"):
        _data("fig_fixed_points", inputs, axes=["PC 1", "PC 9"])


def test_certified_points_of_a_rate_network_with_its_output_and_unstable_directions(tmp_path: Path) -> None:
    from rnnpipe.fixed_points.flow import Flow
    from rnnpipe.fixed_points.search import search
    from rnnpipe.fixed_points.settings import SearchSettings
    from rnnpipe.io.certified_points import write_certified_points
    from rnnpipe.io.ctrnn import read_ctrnn

    # two independent units x = tanh(2 x): 3 x 3 fixed points, those of one unit at +-0.9575
    path, points = tmp_path / "net.pth", tmp_path / "points.h5"
    task = FlipFlop(n_bits=2)
    synthetic.write_network(path, task, 2 * np.eye(2), 0.5 * np.eye(2), np.array([[3.0, 0.0], [0.0, 1.0]]), tau=10.0)
    flow = Flow.of(read_ctrnn(path).network.astype(float), np.zeros(2))
    found = search(flow, None, SearchSettings(n_starts=256), np.random.default_rng(0))
    settings = {"task": {"name": "flip_flop", "n_bits": 2}}
    write_certified_points(points, {"rest": found}, settings, {"stage": "fixed_points"}, task="flip_flop", seed=0)
    inputs = {"fixed_points": [points], "network": [path]}
    table = _data("fig_fixed_points", inputs, axes=["output 1", "PC 1"], modes=True)
    assert of(table, "A", "count")["label"].tolist() == ["4 stable", "5 unstable\n4 of index 1, 1 of index 2"]
    np.testing.assert_allclose(np.abs(of(table, "A", "stable")["x"]), 3 * 0.957504, atol=1e-5)
    np.testing.assert_allclose(np.abs(of(table, "A", "stable")["y"]), 0.957504, atol=1e-5)
    modes = of(table, "A", "mode")
    assert len(modes) == 2 * (4 * 1 + 2)
    # unstable directions are along the units, so in these axes along either axis
    steps = np.abs(modes[["x", "y"]].to_numpy()[1::2] - modes[["x", "y"]].to_numpy()[::2])
    assert (steps.min(axis=1) < 1e-9).all() and (steps.max(axis=1) > 0.01).all()


def test_projections_are_centred_orthogonal_and_show_outputs_as_they_are() -> None:
    rng = np.random.default_rng(1)
    samples = 5 + rng.standard_normal((200, 6)) * [4, 3, 2, 1, 0.5, 0.1]
    w_out = rng.standard_normal((2, 6))
    components = projection(["PC 1", "PC 2"], samples)
    np.testing.assert_allclose(components(samples).mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(components.vectors @ components.vectors.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(components.direction(np.ones(6)), components(1 + samples[0]) - components(samples[0]))
    share = components(samples).var(0, ddof=1) / samples.var(0, ddof=1).sum()
    assert components.names[0] == f"PC 1 ({100 * share[0]:.1f} % of the variance)"
    mixed = projection(["output 2", "PC 1"], samples, w_out)
    np.testing.assert_allclose(mixed(samples)[:, 0], samples @ w_out[1])
    assert abs(mixed.vectors[1] @ w_out[1]) < 1e-12 and np.linalg.norm(mixed.vectors[1]) == pytest.approx(1)
    with pytest.raises(SettingsError, match="already show"):
        projection(["output 1", "output 1"], samples, w_out)
    with pytest.raises(SettingsError, match="the network has 2"):
        projection(["output 3", "PC 1"], samples, w_out)
    with pytest.raises(SettingsError, match="expected 'PC 1'"):
        projection(["V", "PC 1"], samples, w_out)


def test_line_attractors_of_a_network_that_gates_by_context(folder: Path) -> None:
    table = _data("fig_line_attractor", {"network": [folder / "decider.pth"]}, n_points=21)
    for context in ("motion", "colour"):
        line = of(table, "A", "line")
        line = line[line["choice"] == context]
        assert (np.diff(line["x"]) > 0).all(), "from left to right"
        assert len(line) == 21 and np.sign(line["y"].mean()) == (1 if context == "motion" else -1)
        gate = of(table, "C", "gating")
        assert gate[gate["choice"] == context]["y"].iloc[0] < 0.05
        other = "colour" if context == "motion" else "motion"
        gains = {f: of(table, "C", f"gain {f}") for f in (context, other)}
        mean = {f: rows[rows["choice"] == context]["y"].mean() for f, rows in gains.items()}
        assert mean[context] > 0.2 > 20 * abs(mean[other])
        ends = {}
        for side in ("left", "zero", "right"):
            path = of(table, "A", f"trajectory {side}")
            path = path[path["choice"] == context]
            assert path["x"].iloc[0] == 0
            ends[side] = path["x"].iloc[-1]
        assert ends["left"] < -0.3 < ends["zero"] < 0.3 < ends["right"]
        q = of(table, "B", "q")
        assert q[q["choice"] == context]["y"].max() < 5e-4
    with pytest.raises(ArtefactError, match="task 'memory_angle'; this figure needs one of cddm"):
        _data("fig_line_attractor", {"network": [folder / "ring.pth"]})


def test_rings_of_a_memory_and_what_is_read_from_them(folder: Path) -> None:
    table = _data("fig_manifolds", {"network": [folder / "ring.pth"]}, n_points=60)
    radius = {}
    for label in ("delay", "recall"):
        own = table[table["choice"] == label]
        curve = own[(own["panel"] == "A") & (own["series"] == "curve")]
        assert len(curve) == 61 and curve[["x", "y", "z"]].iloc[0].tolist() == curve[["x", "y", "z"]].iloc[-1].tolist()
        read = own[(own["panel"] == "B") & (own["series"] == "curve")]
        radius[label] = np.hypot(read["x"], read["y"])
        np.testing.assert_allclose(curve["x"], read["x"], atol=1e-9)
        speed = own[(own["panel"] == "C") & (own["series"] == "curve")]["y"].to_numpy()
        on_it = own[(own["panel"] == "C") & own["series"].isin(["stable", "unstable"])].sort_values("x")
        assert (np.diff(np.sign(np.append(speed, speed[0]))) != 0).sum() == len(on_it) >= 2
        assert on_it["series"].iloc[::2].nunique() == 1 == on_it["series"].iloc[1::2].nunique(), "they alternate"
        summary = own[own["series"] == "summary"]["label"].iloc[0]
        assert summary.startswith(f"{label}: ring") and f"{len(on_it) // 2} stable" in summary
    assert radius["delay"].max() < 0.2 and radius["recall"].min() > 1.7
    with pytest.raises(SettingsError, match=r"input 'dely' is none of task memory_angle \(delay, recall\)"):
        _data("fig_manifolds", {"network": [folder / "ring.pth"]}, inputs=["dely"])


def test_axes_of_one_scale_are_of_one_scale() -> None:
    rows = pd.DataFrame({"x": [0.0, 10.0], "y": [0.0, 1.0], "z": [0.0, 2.0]})
    from rnnpipe.figures.style import new_figure, place

    figure = new_figure(50)
    flat, solid = place(figure, 10, 10, 60, 20), states.place_3d(figure, 80, 10, 40, 30)
    states.limits(flat, rows, same_scale=True)
    states.limits(solid, rows, same_scale=True)
    width, height = (np.ptp(limits) for limits in (flat.get_xlim(), flat.get_ylim()))
    assert width / height == pytest.approx(3) and flat.get_xlim()[0] < 0 and flat.get_xlim()[1] > 10
    assert np.ptp(solid.get_xlim()) == pytest.approx(np.ptp(solid.get_zlim()))


def test_the_workflow_makes_animations_that_are_asked_for(tmp_path: Path) -> None:
    points = {"module": "fig_fixed_points", "of": "small", "seeds": [2], "needs": ["fixed_points"]}
    figures = {**STUDY["figures"], "cube": {**points, "animate": True}, "flat": {**points, "needs": ["activity"]}}
    with pytest.raises(SettingsError, match=r"is drawn from \['fixed_points'\], and from \['activity', 'network'\]"):
        load(tmp_path, {**STUDY, "figures": figures})
    figures["flat"] = {**points, "needs": ["fixed_points", "activity"]}
    study = load(tmp_path, {**STUDY, "figures": figures})
    assert study.animated == ["cube"]
    targets = study.targets("mine")
    assert "results/figures/cube.gif" in targets and "results/figures/flat.gif" not in targets
    assert [need for need, _ in study.figure_inputs("flat")] == ["fixed_points", "activity"]
