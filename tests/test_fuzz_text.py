"""Hostile text: YAML and JSON that never end, settings that are none, and names that lead out of `results/`."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzz.mutations import mutate_bytes, mutate_tree
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnpipe.config import Study, load_study
from rnnpipe.errors import SettingsError
from rnnpipe.yaml_file import LONGEST, MOST, parse_yaml, read_yaml

ROOT = Path(__file__).parents[1]
LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 99)}]}}\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 500_000 + "]" * 500_000, "deeper than 64"),
        ('{"a":' * 100_000, "deeper than 64"),
        ("x" * (LONGEST + 1), "longer than"),
        ("[" + "0," * (MOST + 1) + "]", f"more than {MOST} entries"),
        (LAUGHS, "aliases stand for too much"),
        (MERGED, "merged mappings have more than"),
        ("a: &a [*a]", "aliases stand for too much"),
        ("1: 2\n1: 3", "key 1 is given twice"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("a: 2001-02-03", "type date; put text in quotes"),
        ("a: 2001-13-45", "month must be in"),
        ("!!set {a, b}", "type set"),
        ("a: !!binary aGVsbG8=", "type bytes"),
        ("!!int abc", "invalid literal"),
        ("!!bool abc", "not valid YAML"),
        ("a: 0x_", "invalid literal"),
        ("a: " + "9" * 5000, "not valid YAML"),
        ("a: 0x" + "f" * 100, "more than 64 bits"),
        ('a: "\\ud800"', "character that no text has"),
        ('a: "\\0"', "character that no text has"),
    ],
)
def test_yaml(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_yaml(text, "FILE")
    assert words in str(error.value) and str(error.value).startswith("FILE") and len(str(error.value)) < 500


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(SettingsError, match="/dev/zero: is longer than"):
        read_yaml("/dev/zero")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_yaml("a\0b")


SOURCE: dict[str, Any] = {
    "tasks": {"motion": {"task": "rdm_fixed"}, "stop": {"task": "go_nogo"}},
    "datasets": {"motion": {"behaviour": {"trials_per_condition": 5}}, "stop": {"trials": {"trials_per_condition": 2}}},
    "experiments": {
        "motion": {"task": "motion", "seeds": [1, 2, 3], "network": {"n_units": 20}},
        "stop": {"task": "stop", "seeds": [1, 2], "network": {"n_units": 20}, "learning": {"rule": "bptt"}},
    },
    "figures": {"curve": {"module": "fig_learning", "of": "motion", "needs": ["history"]}},
}


def load(content: Any, folder: Path, **config: Any) -> Study:
    """The study of one source of that content."""
    path = folder / "broken.yaml"
    path.write_text(json.dumps(content, default=str))
    return load_study({"sources": [str(path)], "scale": "default", **config}, [folder])


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32))
def test_configuration_of_any_values_is_a_study_or_a_sentence(seed: int) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        try:
            content: Any = SOURCE
            for _ in range(rng.choice((1, 1, 2))):
                content = mutate_tree(rng, content)
            study = load(content, Path(folder))
        except SettingsError as error:
            assert len(str(error)) < 5000
        else:
            assert_contained(study)


def assert_contained(study: Study) -> None:
    """Whatever the workflow puts into a path or, unquoted, into a command is a plain name below `results/`."""
    paths = [*study.networks(), *(path for source in study.sources for path in study.targets(source))]
    flags = [pair for figure in study.figures for pair in study.figure_inputs(figure)] + study.claims_inputs()
    paths += [path for _, path in flags]
    paths += [
        study.evaluation_dataset(e.task, d) for e in study.experiments.values() for d in study.datasets.get(e.task, {})
    ]
    words = [need for need, _ in flags] + [figure.module for figure in study.figures.values()]
    assert all(re.fullmatch(r"results(/[A-Za-z0-9_-]+)+(\.[A-Za-z0-9_]+)*", path) for path in paths), paths
    assert all(re.fullmatch(r"[A-Za-z0-9_:.]+", word) for word in words), words


HOSTILE = ["../up", "/tmp/up", "a/b", "a b", "$(touch CANARY)", "`touch CANARY`", "';touch CANARY;'", "a\nb", "", "."]
HOSTILE += ["a" * 300, "-rf", "{wildcards}", "é", "a\u202eb", "%s"]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Every key and every text of a nested value, by its path; whether it is the key."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*at, key), True
            yield from places(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*at, index))
    elif isinstance(value, str):
        yield at, False


def replaced(value: Any, at: tuple[Any, ...], key: bool, text: str) -> Any:
    """The value with another text at a place."""
    here, rest = at[0], at[1:]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    changed = {
        (text if not rest and key and k == here else k): (
            (replaced(item, rest, key, text) if rest else item if key else text) if k == here else item
        )
        for k, item in items
    }
    return changed if isinstance(value, dict) else list(changed.values())


def test_no_name_leads_out_of_results_or_into_a_shell(tmp_path: Path) -> None:
    assert_contained(load(SOURCE, tmp_path))
    refused = 0
    for number, (at, key) in enumerate(places(SOURCE)):
        for text in (HOSTILE[number % len(HOSTILE)], HOSTILE[(number + 4) % len(HOSTILE)]):
            try:
                assert_contained(load(replaced(SOURCE, at, key, text), tmp_path))
            except SettingsError as error:
                assert "\n" not in str(error).replace("\\n", ""), error
                refused += 1
    assert refused > 50


@pytest.mark.parametrize("name", HOSTILE)
def test_a_source_of_a_hostile_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        load_study({"sources": [name]}, [tmp_path])
    with pytest.raises(SettingsError):
        load_study({"sources": [f"{name}.yaml"]}, [tmp_path])


def test_snakemake_runs_nothing_of_a_name(tmp_path: Path) -> None:
    text = "$(touch CANARY)"
    content = json.loads(json.dumps(SOURCE).replace('"stop": {"task": "stop"', f'"{text}": {{"task": "stop"'))
    assert text in content["experiments"]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "broken.yaml").write_text(json.dumps(content))
    (tmp_path / "config" / "config.yaml").write_text("sources: [broken]\n")
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow" / "Snakefile"), "--cores", "1"]
    done = subprocess.run([*command, "--dry-run"], cwd=tmp_path, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "may hold only letters, digits and underscores" in said, said
    assert not list(tmp_path.rglob("CANARY")) and not (tmp_path / "results").exists()


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32))
def test_yaml_of_any_bytes_is_read_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    text = json.dumps(SOURCE).encode()
    try:
        parse_yaml(mutate_bytes(rng, text).decode("latin-1"), "x")
    except SettingsError as error:
        assert str(error).startswith("x")
