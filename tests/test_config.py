"""The configuration is checked whole, before any job is planned, and every mistake is one sentence."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import settings_tables
import yaml

from rnnpipe.config import load_study, merge, read_study
from rnnpipe.errors import SettingsError
from rnnpipe.settings import canonical

ROOT = Path(__file__).parents[1]
STUDY: dict[str, Any] = {
    "tasks": {"motion": {"task": "rdm_fixed", "dt": 20.0}},
    "datasets": {"motion": {"behaviour": {"trials_per_condition": 3}, "activity": {"record_activity": True}}},
    "experiments": {"small": {"task": "motion", "network": {"n_units": 20}, "seeds": [1, 2]}},
    "figures": {
        "learning": {"module": "fig_learning", "of": "small", "needs": ["history"]},
        "behaviour": {"module": "fig1_rdm", "of": "small", "seeds": [2], "needs": ["behaviour", "activity"]},
    },
    "claims": {"works": {"quantity": "accuracy", "of": "small", "needs": ["behaviour"], "target_low": 0.5}},
    "scales": {"smoke": {"experiments": {"small": {"network": {"tau": 50.0}, "seeds": [2]}}}},
}


def write(folder: Path, study: Any, name: str = "mine") -> Path:
    path = folder / "config" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(study if isinstance(study, str) else yaml.safe_dump(study, sort_keys=False))
    return path


def load(folder: Path, study: Any, **config: Any) -> Any:
    write(folder, study)
    return load_study({"sources": ["mine"], **config}, (folder,), "config.yaml")


@pytest.mark.parametrize("scale", ["smoke", "default", "paper"])
def test_the_shipped_configuration_is_valid_at_every_scale(scale: str) -> None:
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    study = load_study({**config, "scale": scale}, (ROOT,))
    assert "fig1_rdm" in study.figures
    assert study.claims


def test_published_counts_at_paper_scale() -> None:
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    paper = load_study({**config, "scale": "paper"}, (ROOT,))
    counts = {
        (task, name): entry.trials_per_condition * len(paper.tasks[task].factorial())
        for task, entries in paper.datasets.items()
        for name, entry in entries.items()
    }
    assert counts["rdm_fixed", "behaviour"] == 50_000 and counts["rdm_fixed", "activity"] == 500
    assert counts["rdm_rt", "behaviour"] == 30_000 and counts["rdm_rt", "activity"] == 600
    assert counts["rdm_fixed_dt", "behaviour"] == 10_000
    assert paper.experiments["rdm_fixed"].seeds == [97, 101, 102, 103, 104, 105]
    assert paper.experiments["rdm_fixed"].learning.changed() == {}, "the published protocol"
    assert paper.figures["fig1_rdm"].seeds == [97]


def test_only_what_differs_from_the_defaults_is_passed_on(tmp_path: Path) -> None:
    study = load(tmp_path, STUDY)
    assert study.dataset_settings("motion", "behaviour") == canonical(
        {"task": {"name": "rdm_fixed", "dt": 20.0}, "dataset": {"trials_per_condition": 3}}
    )
    assert json.loads(study.dataset_settings("motion", "activity"))["dataset"] == {}, "recording is not sampling"
    assert json.loads(study.train_settings("small")) == {
        "task": {"name": "rdm_fixed", "dt": 20.0},
        "network": {"n_units": 20},
    }
    spelt_out = deepcopy(STUDY)
    spelt_out["experiments"]["small"]["network"]["tau"] = 100.0
    assert load(tmp_path, spelt_out).train_settings("small") == study.train_settings("small")


def test_swapped_values_give_another_string(tmp_path: Path) -> None:
    rates = {"learning_rate": 0.01, "value_learning_rate": 0.02}
    swapped = {"learning_rate": 0.02, "value_learning_rate": 0.01}
    texts = []
    for learning in (rates, swapped):
        study = deepcopy(STUDY)
        study["experiments"]["small"]["learning"] = learning
        texts.append(load(tmp_path, study).train_settings("small"))
    assert texts[0] != texts[1]


def test_scales_change_entries_in_depth_and_replace_lists(tmp_path: Path) -> None:
    smoke = load(tmp_path, {**STUDY, "figures": {}}, scale="smoke").experiments["small"]
    assert (smoke.network.n_units, smoke.network.tau, smoke.seeds) == (20, 50.0, [2])
    assert merge({"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"c": [3]}, "d": {}}) == {"a": {"b": 1, "c": [3]}, "d": {}}


def test_files_that_figures_and_claims_are_made_of(tmp_path: Path) -> None:
    study = load(tmp_path, STUDY)
    assert study.figure_inputs("learning") == [
        ("history", "results/train/small/seed1.history.h5"),
        ("history", "results/train/small/seed2.history.h5"),
    ]
    assert study.figure_inputs("behaviour") == [
        ("behaviour", "results/evaluate/small/seed2.behaviour.h5"),
        ("activity", "results/evaluate/small/seed2.activity.h5"),
    ]
    assert study.claims_inputs() == [
        ("behaviour:small", f"results/evaluate/small/seed{seed}.behaviour.h5") for seed in (1, 2)
    ]
    assert study.evaluation_dataset("small", "behaviour") == "results/dataset/motion/behaviour.h5"
    assert study.record_activity_flag("small", "activity") == "--record_activity"
    assert study.record_activity_flag("small", "behaviour") == ""


def test_sources_refer_to_each_other_and_may_lie_anywhere(tmp_path: Path) -> None:
    write(tmp_path, STUDY)
    more = write(tmp_path, {"experiments": {"large": {"task": "motion", "seeds": [3]}}}, "more")
    study = load_study({"sources": ["mine", str(more)]}, (tmp_path,))
    assert set(study.experiments) == {"small", "large"}
    main = tmp_path / "config" / "config.yaml"
    main.write_text("sources: [mine, more]\nthreads: 2\n")
    assert read_study(main) == load_study({"sources": ["mine", "more"], "threads": 2}, (tmp_path,))


def test_a_figure_of_several_experiments_reads_what_each_of_them_has(tmp_path: Path) -> None:
    study = deepcopy(STUDY)
    study["tasks"]["rt"] = {"task": "rdm_rt"}
    study["datasets"]["rt"] = {"behaviour": {}}
    study["experiments"]["other"] = {"task": "rt", "seeds": [1, 7]}
    study["figures"]["behaviour"]["of"] = ["small", "other"]
    study["figures"]["behaviour"]["seeds"] = [1, 7]
    assert load(tmp_path, study).figure_inputs("behaviour") == [
        ("behaviour", "results/evaluate/small/seed1.behaviour.h5"),
        ("behaviour", "results/evaluate/other/seed1.behaviour.h5"),
        ("behaviour", "results/evaluate/other/seed7.behaviour.h5"),
        ("activity", "results/evaluate/small/seed1.activity.h5"),
    ]


def test_a_contact_sheet_shows_the_other_figures_in_their_order(tmp_path: Path) -> None:
    study = deepcopy(STUDY)
    study["figures"] = {
        "sheet": {"module": "fig_contact_sheet", "needs": ["figures"]},
        "z": study["figures"]["behaviour"],
        "a": study["figures"]["learning"],
    }
    made = load(tmp_path, study)
    assert made.figure_inputs("sheet") == [("figures", "results/figures/z.png"), ("figures", "results/figures/a.png")]


def test_the_name_of_a_source_stands_for_all_of_it(tmp_path: Path) -> None:
    write(tmp_path, STUDY)
    write(tmp_path, {"experiments": {"large": {"task": "motion", "seeds": [3], "initial": "small"}}}, "more")
    with pytest.raises(SettingsError, match=r"initial: small: seeds \[3\] are not trained"):
        load_study({"sources": ["mine", "more"]}, (tmp_path,))
    write(tmp_path, {"experiments": {"large": {"task": "motion", "seeds": [2], "initial": "small"}}}, "more")
    study = load_study({"sources": ["mine", "more"]}, (tmp_path,))
    assert study.targets("more") == ["results/train/large/seed2.pth"]
    assert study.targets("mine") == [
        "results/train/small/seed1.pth",
        "results/train/small/seed2.pth",
        "results/figures/learning.pdf",
        "results/figures/behaviour.pdf",
    ]
    assert study.initial_network("large", 2) == ["results/train/small/seed2.pth"]
    assert study.initial_network("small", 2) == []


@pytest.mark.parametrize("name", ["my-study", "train", "2nd"])
def test_a_source_whose_name_cannot_be_a_target(tmp_path: Path, name: str) -> None:
    write(tmp_path, STUDY, name)
    with pytest.raises(SettingsError, match=f"its name '{name}' is a target of the workflow"):
        load_study({"sources": [name]}, (tmp_path,))


def test_two_sources_of_one_name(tmp_path: Path) -> None:
    write(tmp_path, STUDY)
    (tmp_path / "elsewhere").mkdir()
    other = write(tmp_path / "elsewhere", {"experiments": {}})
    with pytest.raises(SettingsError, match="have one name; rename one of the files"):
        load_study({"sources": ["mine", str(other)]}, (tmp_path,))


MISTAKES: list[tuple[tuple[Any, ...], Any, str]] = [
    (("experimentz",), {}, "unknown key 'experimentz' (did you mean 'experiments'?"),
    (("experiments", "small", "seed"), [1], "experiments.small: unknown key 'seed' (did you mean 'seeds'?"),
    (("experiments", "small", "network", "n_unit"), 5, "unknown key 'network.n_unit' (did you mean 'n_units'?"),
    (("experiments", "small", "network", "n_units"), "many", "network.n_units = 'many'"),
    (("experiments", "small", "network", "n_units"), 0, "greater than 0"),
    (("experiments", "small", "network", "n_units"), 2.5, "network.n_units = 2.5"),
    (("experiments", "small", "network"), None, "experiments.small: network"),
    (("experiments", "small", "task"), "moton", "unknown task 'moton' (did you mean 'motion'?"),
    (("experiments", "small", "seeds"), [], "seeds = []"),
    (("experiments", "small", "seeds"), [1, 1, 2], "stand there once"),
    (("experiments", "small", "seeds"), [-1, 2], "0 or more"),
    (("experiments", "small", "learning", "learning_rate"), "fast", "learning.learning_rate = 'fast'"),
    (("experiments", "sm/all"), {"task": "motion", "seeds": [1]}, "only letters, digits and underscores"),
    (("tasks", "motion", "task"), "rdm_fixd", "unknown task 'rdm_fixd' (did you mean 'rdm_fixed'?"),
    (("tasks", "motion"), {"dt": 10.0}, "tasks.motion: key 'task' is required"),
    (("tasks", "motion", "durations"), 3, "tasks.motion: unknown key 'durations'"),
    (("tasks", "motion", "fixation"), 5.0, "shorter than one step (dt = 20 ms)"),
    (("tasks", "motion", "decision"), 900.0, "after tmax = 2750 ms"),
    (("datasets", "moton"), {"behaviour": {}}, "unknown task 'moton'"),
    (
        ("datasets", "motion", "behaviour", "trials_per_cond"),
        3,
        "unknown key 'trials_per_cond' (did you mean 'trials_per_condition'?",
    ),
    (("datasets", "motion", "history"), {}, "cannot be the name of a data set"),
    (("datasets", "motion", "a.b"), {}, "only letters, digits and underscores"),
    (("figures", "learning", "module"), "fig_lerning", "unknown module 'fig_lerning' (did you mean 'fig_learning'?"),
    (("experiments", "small", "initial"), "smal", "unknown experiment 'smal' (did you mean 'small'?"),
    (("experiments", "small", "initial"), "small", "initial: small -> small goes in a circle"),
    (("experiments", "small", "network", "input_targets"), {"lft": [0, 5]}, "no input 'lft' (did you mean 'left'?"),
    (("experiments", "small", "network", "input_targets"), {"left": [5, 50]}, "left: [5, 50] are no units"),
    (("experiments", "small", "network", "input_targets"), {"left": [5]}, "left: [5] are no units"),
    (("datasets", "motion", "behaviour", "conditions"), {"stimulu": 300.0}, "no variable 'stimulu' (did you mean"),
    (("datasets", "motion", "behaviour", "conditions"), {"side": 1.0}, "'side' is a factor"),
    (("datasets", "motion", "network"), {}, "cannot be the name of a data set"),
    (("figures", "learning", "of"), [], "key 'of' is required: name the experiment that 'history' is of"),
    (("figures", "learning", "of"), ["small", "big"], "unknown experiment 'big'"),
    (("figures", "learning", "of"), "smal", "unknown experiment 'smal' (did you mean 'small'?"),
    (("figures", "learning", "needs"), ["histories"], "unknown need 'histories' (did you mean 'history'?"),
    (("figures", "learning", "needs"), ["behaviour"], "fig_learning is drawn from ['history']"),
    (("figures", "learning", "seeds"), [2, 3], "seeds [3] are not trained; the experiment's seeds are [1, 2]"),
    (("figures", "learning", "settings"), {"no_such": 1}, "unknown key 'no_such'"),
    (("claims", "works", "quantity"), "acuracy", "unknown quantity 'acuracy' (did you mean 'accuracy'?"),
    (("claims", "works", "of"), "large", "unknown experiment 'large'"),
    (("claims", "works", "needs"), ["behavior"], "unknown need 'behavior' (did you mean 'behaviour'?"),
    (("claims", "works", "target_low"), None, "at least one bound"),
    (("scales", "smoke", "experiments", "smal"), {"seeds": [1]}, "unknown name 'smal' (did you mean 'small'?"),
    (("scales", "smoke", "experiment"), {}, "unknown section 'experiment' (did you mean 'experiments'?"),
    (("scales", "smoke", "datasets"), {"motion": {"behavior": {}}}, "unknown name 'behavior'"),
    (
        ("scales", "smoke", "experiments", "small", "network", "tua"),
        1.0,
        "at scale smoke: experiments.small: unknown key",
    ),
]


@pytest.mark.parametrize(("key", "value", "message"), MISTAKES, ids=[".".join(map(str, m[0])) for m in MISTAKES])
def test_a_mistake_is_one_sentence_that_names_it(
    tmp_path: Path, key: tuple[Any, ...], value: Any, message: str
) -> None:
    study = deepcopy(STUDY)
    if key[0] != "scales":
        study["scales"] = {}
    place = study
    for part in key[:-1]:
        place = place.setdefault(part, {})
    place[key[-1]] = value
    with pytest.raises(SettingsError) as error:
        load(tmp_path, study)
    assert message in str(error.value)
    assert "mine.yaml" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"sources": ["min"]}, "unknown source 'min' (did you mean 'mine'?"),
        ({"sources": []}, "sources = []"),
        ({"sources": "mine"}, "sources = 'mine'"),
        ({"sources": ["nowhere/mine.yaml"]}, "nowhere/mine.yaml: cannot be read"),
        ({"scale": "smok"}, "unknown scale 'smok' (did you mean 'smoke'?"),
        ({"device": "gpu"}, "device = 'gpu'"),
        ({"threads": 0}, "threads = 0"),
        ({"threads": "2"}, "threads = '2'"),
        ({"thread": 2}, "unknown key 'thread' (did you mean 'threads'?"),
    ],
)
def test_mistakes_in_the_main_file(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(tmp_path, STUDY, **config)
    assert message in str(error.value)


def test_one_name_in_two_sources_names_both(tmp_path: Path) -> None:
    write(tmp_path, STUDY)
    write(tmp_path, {"experiments": {"small": {"task": "motion", "seeds": [1]}}}, "more")
    with pytest.raises(SettingsError, match=r"more\.yaml: experiments\.small is also defined in .*mine\.yaml"):
        load_study({"sources": ["mine", "more"]}, (tmp_path,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: {a: 1\n", "not valid YAML"),
        ("tasks:\n  a: {task: rdm_fixed}\n  a: {task: rdm_rt}\n", "key 'a' is given twice, again in line 3"),
        ("- tasks\n", "expected a mapping"),
        ("tasks: [a]\n", "tasks = ['a']"),
        ("tasks: {1: {task: rdm_fixed}}\n", "tasks"),
        ("tasks: !!python/object/apply:os.system [id]\n", "not valid YAML"),
        ("\x00", "not valid YAML"),
    ],
)
def test_files_that_are_no_studies(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(tmp_path, text)
    assert message in str(error.value)


def test_numbers_with_an_exponent_are_numbers(tmp_path: Path) -> None:
    text = "tasks: {a: {task: rdm_fixed}}\nexperiments: {e: {task: a, seeds: [1], learning: {learning_rate: 4e-3}}}\n"
    assert load(tmp_path, text).experiments["e"].learning.learning_rate == 0.004


def test_the_readme_lists_every_setting() -> None:
    text = settings_tables.README.read_text()
    assert text.endswith(settings_tables.HEADING + settings_tables.tables()), "run python tests/settings_tables.py"


def test_environment_has_the_pins_of_the_lock_file() -> None:
    def pins(text: str) -> list[str]:
        lines = (line.strip().removeprefix("- ") for line in text.splitlines())
        return sorted(line.split(" ")[0] for line in lines if "==" in line and not line.startswith("#"))

    lock = pins((ROOT / "requirements.txt").read_text())
    assert pins((ROOT / "environment.yml").read_text()) == lock
    assert "torch==2.13.0" in lock and not [p for p in lock if p.startswith(("nvidia", "cuda", "triton")) or "+" in p]
