"""The configuration of rate networks: rules, batches, sweeps, mappings and what may refer to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rnnpipe.config import Study, load_study
from rnnpipe.config_entries import SupervisedExperiment
from rnnpipe.errors import SettingsError
from rnnpipe.sweep import label

BASE: dict[str, Any] = {
    "tasks": {"go": {"task": "go_nogo"}, "motion": {"task": "rdm_fixed"}},
    "datasets": {"go": {"trials": {"trials_per_condition": 2, "record_activity": True}}},
    "experiments": {
        "one": {"task": "go", "learning": {"rule": "bptt"}, "seeds": 5, "seeds_per_job": 2},
        "sizes": {
            "task": "go",
            "learning": {"rule": "bptt"},
            "seeds": [3],
            "sweep": {"key": "network.n_units", "values": [10, 20]},
        },
        "policy": {"task": "motion", "network": {"kind": "rate"}, "seeds": [1, 2]},
        "gated": {"task": "motion", "seeds": [1]},
    },
    "spiking": {
        "lif": {},
        "slow": {"factor_of": "lif", "sweep": {"key": "lif.t_ref", "values": [0.5, 2.0]}},
    },
}


def study(tmp_path: Path, *key: str, value: Any = None) -> Study:
    content = json.loads(json.dumps(BASE))
    place = content
    for part in key[:-1]:
        place = place.setdefault(part, {})
    if key:
        place[key[-1]] = value
    path = tmp_path / "mini.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_study({"sources": [str(path)]}, (str(tmp_path),))


def test_batches_and_files(tmp_path: Path) -> None:
    made = study(tmp_path)
    one = made.experiment("one")
    assert isinstance(one, SupervisedExperiment) and one.seeds == [0, 1, 2, 3, 4]
    assert one.batches == {"0-1": [0, 1], "2-3": [2, 3], "4-4": [4]}
    assert made.network("one", 3) == "results/train/one/seeds2-3/seed3.pth"
    assert made.training("one", 3) == "results/train/one/seeds2-3"
    assert made.result("history", "one", 4) == "results/train/one/seeds4-4/seed4.history.h5"
    assert made.target(made.result("history", "one", 4)) == "results/train/one/seeds4-4"
    assert made.result("lif", "one", 1) == "results/spiking/one/lif/seeds0-1.h5"
    assert made.result("lif.trials", "one", 1) == "results/evaluate/one/lif/seed1.trials.h5"
    assert made.trainings("policy", "2-2") == ["results/train/policy/seed2.pth"]
    assert made.target("results/train/policy/seed2.pth") == "results/train/policy/seed2.pth"
    with pytest.raises(SettingsError, match="no networks 0-9; there are 0-1, 2-3, 4-4"):
        made.trainings("one", "0-9")


def test_sweeps_stand_for_their_members(tmp_path: Path) -> None:
    made = study(tmp_path)
    assert made.experiments_of(["sizes", "one"]) == ["sizes_10", "sizes_20", "one"]
    assert made.experiment("sizes_20").network.n_units == 20  # type: ignore[attr-defined]
    assert made.sources_of("slow.trials") == ["slow_0p5.trials", "slow_2.trials"]
    assert made.factor_of("one", "slow_2", "0-1") == ["results/spiking/one/lif/seeds0-1.h5"]
    assert made.factor_of("one", "lif", "0-1") == []
    assert [label(v) for v in (0.5, 2.0, -1, "softplus", [1, 2.5])] == ["0p5", "2", "m1", "softplus", "1_2p5"]


def test_settings_of_the_stages(tmp_path: Path) -> None:
    """The rule and the kind are always said, since the stage must know them; all else only where it differs."""
    made = study(tmp_path)
    assert json.loads(made.train_settings("sizes_10")) == {
        "task": {"name": "go_nogo"},
        "network": {"n_units": 10},
        "learning": {"rule": "bptt"},
    }
    assert json.loads(made.train_settings("policy"))["network"] == {"kind": "rate"}
    assert json.loads(made.train_settings("gated")) == {"task": {"name": "rdm_fixed"}}
    assert json.loads(made.spiking_settings("slow_0p5")) == {"lif": {"t_ref": 0.5}}
    assert "training.run_bptt" in made.modules("one") and "training.run_bptt" not in made.modules("gated")


BAD = {
    "no such rule": (("experiments", "one", "learning"), {"rule": "hebb"}, "no such rule"),
    "a gated network, supervised": (("experiments", "one", "network"), {"kind": "gated"}, "trains rate networks"),
    "a task without an output": (("experiments", "one", "task"), "motion", "no target for an output"),
    "a value network, supervised": (("experiments", "one", "value_network"), {}, "unknown key 'value_network'"),
    "reversed time constants": (("experiments", "one", "network"), {"tau_max": 10.0}, "below tau_min"),
    "a wrong key of a rate network": (("experiments", "one", "network"), {"n_unit": 5}, "n_units"),
    "an empty sweep": (("experiments", "sizes", "sweep"), {"key": "network.gain", "values": []}, "sweep: values"),
    "a sweep of no setting": (("experiments", "sizes", "sweep", "key"), "network.size", "unknown key"),
    "a factor of 0": (("spiking", "lif"), {"search": {"factors": [0.0]}}, "not above 0"),
    "no such mapping": (("spiking", "other"), {"factor_of": "lif2"}, "unknown entry of spiking 'lif2'"),
    "a circle of factors": (("spiking", "other"), {"factor_of": "slow_2"}, "takes its factor from elsewhere"),
    "an unknown setting of the units": (("spiking", "lif"), {"lif": {"tau": 3.0}}, "unknown key"),
    "a data set called as a mapping": (("datasets", "go", "lif"), {}, "cannot be the name of a data set"),
    "seeds below 0": (("experiments", "one", "seeds"), -1, "seeds"),
    "spikes of gated networks": (
        ("claims", "x"),
        {"quantity": "decision_rate", "of": "gated", "needs": ["lif"], "target_low": 0.0},
        "only rate networks",
    ),
    "fixed points of supervised networks": (
        ("claims", "x"),
        {"quantity": "decision_rate", "of": "one", "needs": ["fixed_points"], "target_low": 0.0},
        "fixed points",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, case: str) -> None:
    key, value, message = BAD[case]
    with pytest.raises(SettingsError, match=message) as caught:
        study(tmp_path, *key, value=value)
    assert "mini.yaml" in str(caught.value) and "\n" not in str(caught.value)
