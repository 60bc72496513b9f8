"""Stage `claims`: quantities, verdicts, table and command."""

import json
import math
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from synthetic import write_evaluation, write_learning

from rnnpipe.analysis.claim import Claim
from rnnpipe.analysis.claims import COLUMNS, as_markdown, row, verdict
from rnnpipe.analysis.quantities import QUANTITIES
from rnnpipe.analysis.recording import Recording
from rnnpipe.cli.main import main
from rnnpipe.io.evaluation import read_table
from rnnpipe.io.history import read_history


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("claims")
    write_evaluation(folder / "fixed.h5", "rdm_fixed", 150)
    write_evaluation(folder / "rt.h5", "rdm_rt", 150, activity=False)
    for seed, stop in ((97, 15), (101, 9), (102, None)):
        write_learning(folder / f"{seed}.h5", seed, stop=stop)
    return folder


def test_quantities_of_a_history(files: Path) -> None:
    reached, never = read_history(files / "97.h5"), read_history(files / "102.h5")
    assert QUANTITIES["trials_to_criterion"].measure(reached) == 7500
    assert QUANTITIES["trials_to_criterion"].measure(never) == math.inf
    assert QUANTITIES["fraction_at_criterion"].measure(reached) == 1
    assert QUANTITIES["fraction_at_criterion"].measure(never) == 0
    assert QUANTITIES["first_validation_reward"].measure(reached) == -1
    assert QUANTITIES["trials_to_positive_reward"].measure(reached) == 500


def test_quantities_of_behaviour(files: Path) -> None:
    fixed, rt = read_table(files / "fixed.h5"), read_table(files / "rt.h5")
    # the observer is the ideal one, but for 0.5 % of lapses that end without a decision
    assert QUANTITIES["accuracy"].measure(fixed) == pytest.approx(0.81, abs=0.03)
    assert QUANTITIES["psychometric_sigma"].measure(fixed) == pytest.approx(11.7, abs=1.6)
    assert QUANTITIES["psychometric_bias"].measure(fixed) == pytest.approx(0, abs=1.5)
    assert QUANTITIES["decision_rate"].measure(fixed) == pytest.approx(0.995, abs=0.005)
    assert QUANTITIES["rt_falls_with_coherence"].measure(rt) == 1
    assert 150 < QUANTITIES["rt_shortest"].measure(rt) < QUANTITIES["rt_longest"].measure(rt) < 1500


def test_value_difference_finds_a_network_that_values_left_more(files: Path, tmp_path: Path) -> None:
    measure = QUANTITIES["value_left_right_difference"].measure
    assert measure(Recording(files / "fixed.h5")) < 0.02
    biased = tmp_path / "biased.h5"
    shutil.copy(files / "fixed.h5", biased)
    left = read_table(biased)["choice"].to_numpy() == 1
    with h5py.File(biased, "r+") as file:
        value = file["activity/value"]
        value[:] = value[:] + np.where(left, 0.1, 0).astype(np.float32) * file["activity/mask"][:]
    assert measure(Recording(biased)) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("measured", "low", "high", "expected"),
    [(5, 3, 8, "reached"), (3, 3, 8, "reached"), (8, 3, 8, "reached"), (2.9, 3, 8, "missed"), (8.1, 3, 8, "missed"),
     (5, None, 4, "missed"), (5, 4, None, "reached"), (math.inf, 3, 8, "missed"), (math.nan, 3, 8, "not measured"),
     (-1.0000000001, -1, -1, "reached"), (-0.999, -1, -1, "missed")],
)  # fmt: skip
def test_verdicts(measured: float, low: float | None, high: float | None, expected: str) -> None:
    assert verdict(measured, low, high) == expected


def _claim(**changes: object) -> Claim:
    values = {"quantity": "trials_to_criterion", "of": "e", "needs": ["history"], "target_low": 1.0, **changes}
    return Claim.model_validate(values)


def test_networks_that_never_learned_keep_the_median_right() -> None:
    quantity = QUANTITIES["trials_to_criterion"]
    found = row("a", _claim(), quantity, {1: 10.0, 2: 30.0, 3: math.inf})
    assert (found["measured"], found["range_low"], found["range_high"], found["n_seeds"]) == (30, 10, math.inf, 3)
    assert "seed 3" in str(found["note"])
    assert row("a", _claim(), quantity, {1: math.inf, 2: math.inf})["measured"] == math.inf
    assert row("a", _claim(), quantity, {1: 2.0, 2: math.inf})["measured"] == math.inf


def test_unmeasurable_networks_are_left_out_and_named() -> None:
    found = row("a", _claim(quantity="accuracy"), QUANTITIES["accuracy"], {1: 0.8, 7: math.nan})
    assert found["measured"] == 0.8 and found["n_seeds"] == 1 and "seed 7" in str(found["note"])


def test_the_first_validation_is_judged_by_the_worst_network() -> None:
    assert QUANTITIES["first_validation_reward"].summarise([-1.0, -1.0, -0.9]) == -0.9


def _run(out: Path, claims: dict, *inputs: str) -> tuple[int, pd.DataFrame | None]:
    flags = [word for item in inputs for word in ("--inputs", item)]
    status = main(["claims", "--settings", json.dumps(claims), *flags, "--out", str(out)])
    return status, pd.read_csv(out) if out.exists() else None


CLAIMS = {
    "trials": {
        "quantity": "trials_to_criterion",
        "of": "fixed",
        "needs": ["history"],
        "source": "a paper",
        "unit": "trials",
        "target_low": 3000,
        "target_high": 15000,
    },
    "all": {
        "quantity": "fraction_at_criterion",
        "of": "fixed",
        "needs": ["history"],
        "target_low": 0.83,
        "target_high": 1.0,
    },
    "sigma": {
        "quantity": "psychometric_sigma",
        "of": "fixed",
        "needs": ["behaviour"],
        "target_low": 8.0,
        "target_high": 16.0,
    },
    "rt": {
        "quantity": "rt_falls_with_coherence",
        "of": "rt",
        "needs": ["behaviour"],
        "target_low": 1.0,
        "target_high": 1.0,
    },
}


def test_the_command_writes_both_tables_and_prints_one(files: Path, tmp_path: Path, capsys) -> None:
    histories = [f"history:fixed={files / f'{seed}.h5'}" for seed in (97, 101, 102)]
    out = tmp_path / "claims.csv"
    status, table = _run(out, {"claims": CLAIMS}, *histories, f"behaviour:fixed={files / 'fixed.h5'}")
    assert status == 0 and table is not None
    assert table.columns.tolist() == COLUMNS
    assert table["id"].tolist() == list(CLAIMS)
    assert table["verdict"].tolist() == ["reached", "missed", "reached", "not measured"]
    assert table["measured"].tolist()[:2] == [7500, pytest.approx(2 / 3)]
    assert table["n_seeds"].tolist() == [3, 3, 1, 0]
    assert "snakemake" in table["note"][3]
    shown = out.with_suffix(".md").read_text()
    assert shown.partition("\n<!-- rnnpipe")[0] in capsys.readouterr().out  # the record at the end is for programs
    lines = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(lines) == 6 and len({len(line) for line in lines}) == 1
    before = out.read_bytes()
    _run(out, {"claims": CLAIMS}, *histories, f"behaviour:fixed={files / 'fixed.h5'}")
    assert out.read_bytes() == before


def test_a_missing_file_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    path = "results/evaluate/rt/seed3.behaviour.h5"
    status, table = _run(tmp_path / "c.csv", {"rt": CLAIMS["rt"]}, f"behaviour:rt={path}")
    assert status == 0 and table is not None
    assert table["verdict"].tolist() == ["not measured"] and f"snakemake --cores all {path}" in table["note"][0]


def test_a_training_that_failed_counts_among_the_networks(files: Path, tmp_path: Path) -> None:
    (tmp_path / "seed102.history.failed.h5").write_bytes((files / "102.h5").read_bytes())
    inputs = [f"history:fixed={files / '97.h5'}", f"history:fixed={tmp_path / 'seed102.history.h5'}"]
    _, table = _run(tmp_path / "c.csv", {"all": CLAIMS["all"]}, *inputs)
    assert table is not None and table["measured"].tolist() == [0.5]


@pytest.mark.parametrize(
    ("claims", "inputs", "words"),
    [
        ({"a": {**CLAIMS["rt"], "quantity": "rt_fall"}}, [], "unknown quantity 'rt_fall'"),
        ({"a": {**CLAIMS["rt"], "targetlow": 1.0}}, [], "unknown key 'targetlow'"),
        ({"a": {**CLAIMS["rt"], "target_low": 2.0}}, [], "above target_high"),
        ({"a": {"quantity": "accuracy", "of": "e", "needs": ["behaviour"]}}, [], "at least one bound"),
        ({"a": {**CLAIMS["rt"], "needs": ["history"]}}, [], "is measured on the name of a data set"),
        ({"a": {**CLAIMS["all"], "needs": ["behaviour"]}}, [], "is measured on 'history'"),
        ({"a": 3}, [], "claims.a"),
        (CLAIMS, ["behaviour=x.h5"], "expected NEED:EXPERIMENT=PATH"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(claims, inputs, words: str, tmp_path: Path, capsys) -> None:
    status, table = _run(tmp_path / "c.csv", claims, *inputs)
    message = capsys.readouterr().err.strip()
    assert status == 2 and table is None
    assert words in message and "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_kind_is_refused(files: Path, tmp_path: Path, capsys) -> None:
    status, _ = _run(tmp_path / "c.csv", {"rt": CLAIMS["rt"]}, f"behaviour:rt={files / '97.h5'}")
    assert status == 3 and "expected 'evaluation'" in capsys.readouterr().err


def test_markdown_of_no_claims() -> None:
    assert as_markdown(pd.DataFrame([], columns=COLUMNS)).startswith("0 claims")


def test_every_quantity_describes_itself() -> None:
    assert all(len(quantity.description) > 20 for quantity in QUANTITIES.values())
