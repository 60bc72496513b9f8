"""Stage `gather` and sweeps: what entries stand for, what they are called, the table of their networks, its figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from synthetic import write_learning

from rnnpipe.analysis.gathered import GatherSettings, gather, read_gathered, varied
from rnnpipe.cli.main import main
from rnnpipe.config import Study, load_study
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import fig_sweep
from rnnpipe.figures.source_data import of
from rnnpipe.io.history import write_bptt_history
from rnnpipe.sweep import label, members
from rnnpipe.trace import trace

GRID = {"network.n_units": [10, 20], "network.activation": ["sigmoid", "softplus"]}
BASE: dict[str, Any] = {
    "tasks": {"go": {"task": "go_nogo"}},
    "datasets": {"go": {"trials": {"trials_per_condition": 2}}},
    "experiments": {
        "grid": {"task": "go", "learning": {"rule": "bptt"}, "seeds": 5, "seeds_per_job": 2, "sweep": GRID},
        "one": {"task": "go", "learning": {"rule": "bptt"}, "seeds": [3]},
    },
    "figures": {"map": {"module": "fig_sweep", "of": ["grid"], "needs": ["gathered"], "settings": {"kind": "map"}}},
}


def study(tmp_path: Path, *key: str, value: Any = None, **more: Any) -> Study:
    content = json.loads(json.dumps({**BASE, **more}))
    place = content
    for part in key[:-1]:
        place = place.setdefault(part, {})
    if key:
        place[key[-1]] = value
    path = tmp_path / "mini.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_study({"sources": [str(path)]}, (str(tmp_path),))


def swept(tmp_path: Path, sweep: Any, **more: Any) -> Study:
    return study(tmp_path, "experiments", "grid", "sweep", value=sweep, **more)


def test_numbers_are_written_one_way() -> None:
    assert [label(v) for v in (100, 100.0, 1e6, 1_000_000)] == ["100", "100", "1000000", "1000000"]
    assert label(0.1234567) != label(0.1234568)
    assert [label(v) for v in (True, None, -0.5, [1, 2.0])] == ["True", "None", "m0p5", "1_2"]


def test_a_grid_stands_for_every_combination(tmp_path: Path) -> None:
    made = study(tmp_path)
    names = ["grid_10_sigmoid", "grid_10_softplus", "grid_20_sigmoid", "grid_20_softplus"]
    assert made.experiments_of(["grid"]) == names
    assert json.loads(made.train_settings("grid_20_softplus"))["network"] == {"activation": "softplus", "n_units": 20}
    assert made.gather_inputs("grid")[:3] == [f"results/train/{names[0]}/seeds{b}" for b in ("0-1", "2-3", "4-4")]
    assert made.gather_inputs("one") == ["results/train/one/seeds3-3"]
    assert made.figure_inputs("map") == [("gathered", "results/gather/grid.csv")]
    assert swept(tmp_path, {"network.n_units": [10]}).experiments_of(["grid"]) == ["grid_10"]
    assert swept(tmp_path, {"key": "network.n_units", "values": [10]}).experiments_of(["grid"]) == ["grid_10"]
    # a scale changes one setting of the grid
    smoke = {"smoke": {"experiments": {"grid": {"sweep": {"network.n_units": [5]}}}}}
    study(tmp_path, scales=smoke)
    small = load_study({"sources": [str(tmp_path / "mini.yaml")], "scale": "smoke"})
    assert small.experiments_of(["grid"]) == ["grid_5_sigmoid", "grid_5_softplus"]


def test_an_added_value_changes_the_settings_of_no_other_member(tmp_path: Path) -> None:
    before, after = study(tmp_path), swept(tmp_path, {**GRID, "network.n_units": [10, 15, 20]})
    assert set(after.networks()) - set(before.networks()) == {
        f"results/train/grid_15_{activation}/seeds{batch}"
        for activation in GRID["network.activation"]
        for batch in ("0-1", "2-3", "4-4")
    }
    assert all(before.train_settings(n) == after.train_settings(n) for n in before.experiments)
    assert before.gather_settings("grid") != after.gather_settings("grid")


def test_a_sweep_over_settings_of_the_task_makes_tasks(tmp_path: Path) -> None:
    made = swept(tmp_path, {"task.dt": [5.0, 10.0], "network.n_units": [10]})
    assert made.experiments_of(["grid"]) == ["grid_5_10", "grid_10_10"]
    assert made.experiment("grid_10_10").task == "go_dt_10" and made.task("go_dt_10").dt == 10.0
    assert made.dataset("go_dt_10", "trials") == made.dataset("go", "trials")
    assert json.loads(made.train_settings("grid_10_10"))["task"] == {"name": "go_nogo", "dt": 10.0}
    with pytest.raises(SettingsError, match="is called go_dt_5, as an entry of `tasks`"):
        swept(tmp_path, {"task.dt": [5.0]}, tasks={**BASE["tasks"], "go_dt_5": {"task": "xor"}})
    with pytest.raises(SettingsError, match="unknown key 'dx'"):
        swept(tmp_path, {"task.dx": [5.0]})


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ([], "expected a mapping"),
        ({}, "expected a mapping"),
        ({"network.n_units": 10}, "expected|valid list"),
        ({"network.n_units": []}, "values"),
        ({"network.n_units": [10, 10.0]}, "would all be called '10'"),
        ({"network n_units": [10]}, "pattern"),
        ({"network.size": [10]}, "unknown key"),
        ({"key": "network.n_units", "value": [10]}, "unknown key 'value'"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, sweep: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        swept(tmp_path, sweep)
    assert "mini.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_what_cannot_be_gathered_is_said(tmp_path: Path) -> None:
    made = swept(tmp_path, {"seeds_per_job": [1, 2]})
    with pytest.raises(SettingsError, match="not all trained from the same seeds"):
        made.gather_settings("grid")
    with pytest.raises(SettingsError, match="unknown experiment 'gird'"):
        made.gather_inputs("gird")
    with pytest.raises(SettingsError, match="seed 9; the experiment's seeds are"):
        made.network("grid_1", 9)
    claim = {"quantity": "decision_rate", "of": "one", "needs": ["gathered"], "target_low": 0.0}
    with pytest.raises(SettingsError, match="table for figures"):
        study(tmp_path, "claims", "x", value=claim)


def write_grid(tmp_path: Path) -> tuple[GatherSettings, Path]:
    """Histories of a sweep as stage `train` leaves them, without training."""
    made = study(tmp_path)
    settings = GatherSettings.model_validate_json(made.gather_settings("grid"))
    folder = tmp_path / "results/train"
    for member, values in members("grid", settings.sweep).items():
        for seed in settings.seeds:
            path = tmp_path / made.result("history", member, seed)
            n_units, met = values["network.n_units"], seed > 1
            rows = [
                {"update": u, "n_trials": 2 * u, "accuracy": a, "loss": 1 - a, "training_loss": 0.5, "density": 1.0,
                 "tau_mean": 20.0, "tau_sd": 1.0, "criterion": met and u == 200}
                for u, a in ((100, 0.5), (200, 0.9 + n_units / 1000), (300, 0.7))
            ]  # fmt: skip
            write_bptt_history(
                path, rows, [1.0], json.loads(made.train_settings(member)), {}, seed=seed, task="go_nogo"
            )
    return settings, folder


def test_the_table_has_one_row_a_network(tmp_path: Path) -> None:
    settings, folder = write_grid(tmp_path)
    out = tmp_path / "grid.csv"
    argv = ["gather", "--settings", settings.model_dump_json(), "--folder", str(folder), "--out", str(out)]
    assert main(argv) == 0
    table = read_gathered(out)
    assert len(table) == 20 and not table.duplicated(["experiment", "seed"]).any()
    assert varied(table) == list(GRID)
    row = table[(table["experiment"] == "grid_20_softplus") & (table["seed"] == 3)].iloc[0]
    expected = {
        "network.n_units": 20, "network.activation": "softplus", "task": "go_nogo", "rule": "bptt", "n_updates": 300,
        "n_trials": 600, "updates_to_criterion": 200, "trials_to_criterion": 400, "score": "accuracy",
        "best_score": 0.92, "final_score": 0.7, "final_tau_mean": 20,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert Path(row["history"]).is_file() and row["history"].endswith("grid_20_softplus/seeds2-3/seed3.history.h5")
    assert row["network"].endswith("grid_20_softplus/seeds2-3/seed3.pth")
    never = table["seed"] < 2
    assert table["trials_to_criterion"].isna().equals(never) and table["reached_criterion"].equals(~never)
    traced = trace(out)
    assert traced.made_by.stage == "gather" and [one.state for one in traced.inputs] == ["same"] * 20
    shown = out.with_suffix(".md").read_text().splitlines()
    assert shown[2] == "| grid_10_sigmoid | 10 | sigmoid | 5 | 3 | 400 | accuracy 0.91 (0.91 to 0.91) |"
    assert len(shown) == 2 + 4 + 2
    Path(row["history"]).unlink()
    with pytest.raises(ArtefactError, match=r"seed3\.history\.h5: is not there"):
        gather(settings, folder)


def test_networks_with_files_of_their_own(tmp_path: Path) -> None:
    for seed, stop in ((1, 15), (2, None)):
        (tmp_path / "a").mkdir(exist_ok=True)
        write_learning(tmp_path / f"a/seed{seed}.history.h5", seed, stop=stop)
    table = gather(GatherSettings(name="a", seeds=[1, 2]), tmp_path)
    assert table["rule"].tolist() == ["policy_gradient"] * 2 and table["score"].tolist() == ["mean_reward"] * 2
    assert table["trials_to_criterion"].tolist()[0] == 7500 and np.isnan(table["trials_to_criterion"][1])


def test_the_figure_draws_the_means_of_the_table(tmp_path: Path) -> None:
    settings, folder = write_grid(tmp_path)
    path = tmp_path / "grid.csv"
    gather(settings, folder).to_csv(path, index=False)
    for kind in ("lines", "map"):
        table = fig_sweep.data({"gathered": [path]}, fig_sweep.Options(kind=kind))
        reached, trials, best = (of(table, panel).set_index(["x_name", "y_name"]) for panel in "ABC")
        assert len(table) == 12 and reached["y"].tolist() == [60.0] * 4 and trials["y"].tolist() == [400.0] * 4
        assert best.loc[("20", "softplus"), "y"] == pytest.approx(0.92) and trials["n"].tolist() == [3.0] * 4
        fig_sweep.draw(table)
    swapped = fig_sweep.Options(x="network.activation", y="network.n_units", measures=["final_loss"])
    assert set(of(fig_sweep.data({"gathered": [path]}, swapped), "A")["x_name"]) == {"sigmoid", "softplus"}
    for options, message in (
        ({"x": "network.gain"}, "was not varied"),
        ({"measures": ["accuracy"]}, "no measure 'accuracy'"),
    ):
        with pytest.raises(SettingsError, match=message):
            fig_sweep.data({"gathered": [path]}, fig_sweep.Options(**options))
    pd.DataFrame({"a": [1]}).to_csv(path)
    with pytest.raises(ArtefactError, match="no table of networks"):
        fig_sweep.data({"gathered": [path]}, fig_sweep.Options())


def test_ten_thousand_networks_are_the_few_lines_of_the_documentation(tmp_path: Path) -> None:
    """Their table is asked for by a command that any system takes, and there is a job for each ten of them."""
    text = (Path(__file__).parents[1] / "config/README.md").read_text(encoding="utf-8")
    block = text[text.index("**Sweep.**") :].split("```yaml\n")[1].split("```")[0]
    (tmp_path / "many.yaml").write_text(block)
    made = load_study({"sources": [str(tmp_path / "many.yaml")]})
    assert sum(len(made.experiment(name).seeds) for name in made.experiments_of(["grid"])) == 10_000
    assert len(made.gather_inputs("grid")) == len(set(made.networks())) == 1000
    assert len(made.gather_settings("grid")) < 5000
