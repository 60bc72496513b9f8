"""Claims on many networks together: quantities, selection by settings, sweeps."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_kim import write_spiking

from rnnpipe.analysis.networks import read_networks
from rnnpipe.analysis.quantities import QUANTITIES
from rnnpipe.cli.main import main
from rnnpipe.config import load_study
from rnnpipe.errors import SettingsError


def _table(*files: tuple[str, str, Path]) -> pd.DataFrame:
    parts = [read_networks(path).assign(experiment=experiment, need=need) for experiment, need, path in files]
    return pd.concat(parts, ignore_index=True)


def _measure(name: str, table: pd.DataFrame) -> float:
    return QUANTITIES[name].measure(table)


def test_quantities_of_one_experiment(tmp_path: Path) -> None:
    table = _table(("e", "lif", write_spiking(
        tmp_path / "a.h5", [0.95, 0.9, 1.0, 1.0], heldout=[0.9, 0.8, 0.7, 0.1], trained=[True, True, True, False],
        trials=[101, 201, 601, 6000], tau=33.0, rate_accuracy=[1.0, 0.97, 1.0, 0.2],
    )))  # fmt: skip
    expected = {
        "fraction_trained": 0.75,
        "mean_trials_trained": 301,
        "lowest_rate_accuracy": 0.97,
        "mean_rate_accuracy": 0.99,
        "mean_tau": 33,
        "fraction_successful": 2 / 3,
        "mean_spiking_accuracy": 0.95,
        "best_spiking_accuracy": 1.0,
        "mean_heldout_accuracy": 0.8,
        "population_rate": 1.5 * 8.1,
        "inhibitory_rate": 15,
        "quiet_excitatory_units": 0.5,
        "type_rates_fall": 15 - 1.5 * 5.5 / 3,
    }
    assert {name: _measure(name, table) for name in expected} == pytest.approx(expected)
    # a population whose order is broken has a step upwards
    wrong = _table(("e", "lif", write_spiking(tmp_path / "b.h5", [1.0], rates=(1, 1, 1, 30, 25))))
    assert _measure("type_rates_fall", wrong) == pytest.approx(-7.5)


def test_networks_that_never_learned_have_nothing_but_that_to_measure(tmp_path: Path) -> None:
    table = _table(("e", "lif", write_spiking(tmp_path / "a.h5", [0.5, 0.5], trained=False)))
    for name, quantity in QUANTITIES.items():
        if quantity.reads == "networks":
            value = quantity.measure(table)
            assert value == 0 if name == "fraction_trained" else np.isnan(value), name


def test_quantities_that_compare_groups(tmp_path: Path) -> None:
    few, many = (
        ("few", "lif", write_spiking(tmp_path / f"{n}.h5", a, trials=t, network={"n_units": n}, trained=k))
        for n, a, t, k in ((10, [0.6, 0.7], [2001, 6000], [True, False]), (200, [0.9, 1.0], [501, 501], True))
    )
    many = ("many", *many[1:])
    some = ("some", "lif", write_spiking(tmp_path / "50.h5", [0.8], trials=1001, network={"n_units": 50}))
    table = _table(few, some, many)
    assert _measure("trials_ratio", table) == pytest.approx(2001 / 501)
    # with 1001, 501 and 2001 in the order of their sizes the correlation would be 0.5
    assert _measure("trials_size_correlation", table) == pytest.approx(-1)
    assert _measure("first_group_shortfall", table) == pytest.approx(0.2)
    assert _measure("first_group_shortfall", _table(many, few, some)) == pytest.approx(0.6 - 0.95)
    assert _measure("descending_accuracy", _table(many, some, few)) == pytest.approx(0.15)
    assert _measure("descending_accuracy", table) == pytest.approx(-0.2)
    assert _measure("descending_success", _table(many, some)) == pytest.approx(0.5)
    never = ("never", "lif", write_spiking(tmp_path / "n.h5", [0.5], trained=False, network={"n_units": 20}))
    # an experiment without results is not passed over
    assert np.isnan(_measure("trials_ratio", _table(never, few, many)))
    assert np.isnan(_measure("descending_accuracy", _table(many, never, few)))
    assert np.isnan(_measure("descending_success", _table(many, never, few)))


def test_each_network_counts_at_its_best_mapping(tmp_path: Path) -> None:
    wide = write_spiking(tmp_path / "w.h5", [0.6, 1.0])
    small = write_spiking(tmp_path / "s.h5", [0.96, 0.5], lif={"dt": 0.1})
    table = _table(("e", "lif", wide), ("e", "lif_small", small))
    assert _measure("fraction_successful", table) == 0.5 and _measure("fraction_successful_of_best", table) == 1


def test_mappings_of_one_experiment_are_compared(tmp_path: Path) -> None:
    one = write_spiking(tmp_path / "a.h5", np.linspace(0.5, 0.6, 10), heldout=[0.9] * 10, lif={"t_ref": 0.0})
    two = write_spiking(tmp_path / "b.h5", np.linspace(0.8, 0.9, 10), heldout=[0.95] * 10, lif={"t_ref": 2.0})
    three = write_spiking(tmp_path / "c.h5", np.linspace(0.8, 0.9, 10), heldout=[0.4] * 10, lif={"t_ref": 20.0})
    table = _table(("e", "r_0", one), ("e", "r_2", two), ("e", "r_20", three))
    assert _measure("best_refractory_period", table) == 2
    assert _measure("heldout_accuracy_rise", table) == pytest.approx(-0.5)
    assert _measure("heldout_accuracy_rise", table[table["t_ref"] < 10]) == pytest.approx(0.05)
    assert _measure("accuracy_difference_p", table) < 0.001
    assert _measure("accuracy_difference_p", table[table["t_ref"] > 1]) == pytest.approx(1)
    assert np.isnan(_measure("accuracy_difference_p", table[table["t_ref"] == 2]))


def _run(out: Path, claims: dict, *inputs: str) -> tuple[int, pd.DataFrame | None]:
    flags = [word for item in inputs for word in ("--inputs", item)]
    status = main(["claims", "--settings", json.dumps(claims), *flags, "--out", str(out)])
    return status, pd.read_csv(out) if out.exists() else None


CLAIM = {"quantity": "mean_spiking_accuracy", "of": ["a", "b"], "needs": ["lif", "noise"], "target_low": 0.85}


def test_the_command_pools_files_and_chooses_by_settings(tmp_path: Path) -> None:
    a = write_spiking(tmp_path / "a.h5", [0.8, 1.0])
    a_more = write_spiking(tmp_path / "a2.h5", [0.9], seeds=[2])
    b = write_spiking(tmp_path / "b.h5", [0.5], network={"n_units": 50})
    quiet = write_spiking(tmp_path / "q.h5", [1.0, 1.0], lif={"v_noise": 0.0})
    files = [f"lif:a={a}", f"lif:a={a_more}", f"lif:b={b}", f"noise:a={quiet}", f"noise:b={quiet}"]
    claims = {
        "a": {**CLAIM, "of": "a", "needs": ["lif"]},
        "all": {**CLAIM, "needs": ["lif"]},
        "fifty": {**CLAIM, "needs": ["lif"], "where": {"n_units": 50}},
        "quiet": {**CLAIM, "of": ["a"], "where": {"v_noise": [0.0]}},
        "none": {**CLAIM, "of": "a", "where": {"n_units": 7}},
        "unmade": {**CLAIM, "of": ["a", "c"], "needs": ["lif"]},
    }
    status, table = _run(tmp_path / "c.csv", claims, *files)
    assert status == 0 and table is not None
    rows = table.set_index("id")
    np.testing.assert_allclose(rows["measured"], [0.9, 0.8, 0.5, 1.0, np.nan, np.nan])
    assert rows["n_seeds"].tolist() == [3, 4, 1, 2, 0, 3]
    assert rows["verdict"].tolist() == ["reached", "missed", "missed", "reached", "not measured", "not measured"]
    assert "n_units = 7" in rows.loc["none", "note"] and "experiment c" in rows.loc["unmade", "note"]
    assert " to " not in (tmp_path / "c.md").read_text().splitlines()[4].split("|")[5]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"where": {"n_unit": 3}}, "did you mean 'n_units'"),
        ({"quantity": "accuracy", "where": {"n_units": 3}}, "one network at a time"),
        ({"needs": ["history"]}, "is measured on entries of spiking"),
    ],
)
def test_mistakes_are_one_sentence(change: dict, words: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    status, table = _run(tmp_path / "c.csv", {"a": {**CLAIM, **change}})
    message = capsys.readouterr().err.strip()
    assert status == 2 and table is None and words in message and "\n" not in message


STUDY = """
tasks: {t: {task: go_nogo}}
datasets: {t: {trials: {trials_per_condition: 2}}}
experiments:
  size: {task: t, learning: {rule: bptt}, seeds: 3, seeds_per_job: 2, sweep: {key: network.n_units, values: [5, 6]}}
spiking:
  lif: {}
  noise: {sweep: {key: lif.v_noise, values: [0.05, 0.0]}}
claims:
"""


def _study(folder: Path, claim: str):
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "mine.yaml").write_text(STUDY + f"  c: {claim}\n")
    return load_study({"sources": ["mine"]}, (folder,))


def test_the_stage_is_given_the_members_of_sweeps(tmp_path: Path) -> None:
    claim = "{quantity: fraction_trained, of: size, needs: [lif, noise], target_low: 1.0}"
    study = _study(tmp_path, claim)
    given = json.loads(study.claims_settings())["claims"]["c"]
    assert given["of"] == ["size_5", "size_6"] and given["needs"] == ["lif", "noise_0p05", "noise_0"]
    assert [name for name, _ in study.claims_inputs()][:4] == ["lif:size_5"] * 2 + ["lif:size_6"] * 2
    assert len(study.claims_inputs()) == 12
    study = _study(tmp_path, "{quantity: accuracy, of: size_5, needs: [trials], seeds: [0, 2], target_low: 1.0}")
    assert [path[-16:] for _, path in study.claims_inputs()] == ["/seed0.trials.h5", "/seed2.trials.h5"]


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ("{quantity: fraction_trained, of: size, needs: [trials], target_low: 1}", "is measured on entries of"),
        ("{quantity: fraction_trained, of: size, needs: [lif, trials], target_low: 1}", "is measured on entries of"),
        ("{quantity: accuracy, of: size, needs: [lif], target_low: 1}", "is measured on a data set"),
        ("{quantity: trials_to_criterion, of: size, needs: [history], target_low: 1}", "mean_trials_trained"),
        ("{quantity: accuracy, of: size, needs: [trials], seeds: [7], target_low: 1}", "seeds [7] are not trained"),
        ("{quantity: fraction_trained, of: size, needs: [lif], seeds: [0], target_low: 1}", "leave seeds out"),
    ],
)
def test_what_a_claim_is_measured_on_is_checked_before_anything_runs(tmp_path: Path, claim: str, words: str) -> None:
    with pytest.raises(SettingsError, match="claims.c") as error:
        _study(tmp_path, claim)
    assert words in str(error.value)
