"""The code hash changes exactly when what a stage runs changes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rnnpipe.fingerprint import Fingerprint, library_version

ROOT = Path(__file__).parents[1]
FILES = {
    "__init__.py": "",
    "stages/__init__.py": "",
    "stages/train.py": "from pkg.stages import shared\nfrom ..nets import engine as e\ndef f():\n    import pkg.late\n",
    "stages/draw.py": '"""Draws."""\nfrom pkg.stages.shared import number\nimport matplotlib.pyplot as plt\n',
    "stages/shared.py": (
        '"""Doc."""\nnumber = 1\nclass A:\n    """Doc."""\n    x = setting(1, "help", "ms", gt=0)\n    """Doc."""\n'
    ),
    "nets/__init__.py": "from .base import thing\n",
    "nets/base.py": "import numpy\nthing = 1\n",
    "nets/engine.py": "def g(x):\n    return x\n",
    "late.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.only_types import T\n",
    "only_types.py": "T = int\n",
    "unused.py": "import torch\n",
}
LIBRARIES = ("numpy", "torch", "matplotlib")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def hashes(root: Path, cache: Path | None = None) -> dict[str, str]:
    fingerprint = Fingerprint(root, "pkg", LIBRARIES, cache)
    return {stage: fingerprint(f"pkg.stages.{stage}") for stage in ("train", "draw")}


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / "pkg" / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_closure_follows_relative_late_and_package_imports(package: Path) -> None:
    assert Fingerprint(package, "pkg").closure("pkg.stages.train") == [
        "pkg",
        "pkg.late",
        "pkg.nets",
        "pkg.nets.base",
        "pkg.nets.engine",
        "pkg.stages",
        "pkg.stages.shared",
        "pkg.stages.train",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        ("stages/shared.py", "number = 1", "number = 2", {"train", "draw"}),
        ("stages/draw.py", "as plt", "as plot", {"draw"}),
        ("nets/engine.py", "return x", "return -x", {"train"}),
        ("nets/base.py", "thing = 1", "thing = 2", {"train"}),
        ("nets/__init__.py", "base import thing", "base import thing as t", {"train"}),
        ("late.py", "import TYPE_CHECKING", "import TYPE_CHECKING\nx = 1", {"train"}),
        ("stages/shared.py", "setting(1,", "setting(2,", {"train", "draw"}),
        ("stages/shared.py", '"ms"', '"s"', {"train", "draw"}),
        ("stages/shared.py", "gt=0", "ge=0", {"train", "draw"}),
        # what nothing runs
        ("stages/shared.py", '"help"', '"another help"', set()),
        ("stages/shared.py", '"""Doc."""', '"""Another text\n    over lines."""', set()),
        ("stages/shared.py", '\n    """Doc."""\n', "\n", set()),
        ("stages/shared.py", "number = 1", "# a comment\nnumber   =   1  # and more", set()),
        ("nets/engine.py", "    return x", "    return (\n        x\n    )", set()),
        ("only_types.py", "int", "float", set()),
        ("unused.py", "torch", "numpy", set()),
    ],
)
def test_an_edit_changes_the_stages_that_run_it(
    package: Path, name: str, old: str, new: str, changed: set[str]
) -> None:
    cache = package / "cache.json"
    before = hashes(package, cache)
    edit(package, name, old, new)
    after, without_cache = hashes(package, cache), hashes(package)
    assert {stage for stage in before if before[stage] != after[stage]} == changed
    assert after == without_cache


def test_a_string_that_is_a_value_counts(package: Path) -> None:
    edit(package, "nets/engine.py", "return x", 'return "x"')
    before = hashes(package)
    edit(package, "nets/engine.py", '"x"', '"y"')
    assert hashes(package)["train"] != before["train"]


def test_a_new_submodule_is_found_in_spite_of_the_cache(package: Path) -> None:
    cache = package / "cache.json"
    edit(package, "stages/draw.py", "import number", "import number\nfrom pkg.nets import base, thing")
    hashes(package, cache)
    (package / "pkg/nets/thing.py").write_text("")
    assert "pkg.nets.thing" in Fingerprint(package, "pkg", LIBRARIES, cache).closure("pkg.stages.draw")


def test_versions_count_where_a_library_is_imported(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashes(package)
    real = library_version
    monkeypatch.setattr("rnnpipe.fingerprint.library_version", lambda x: "9.9" if x == "matplotlib" else real(x))
    after = hashes(package)
    assert (before["train"] == after["train"], before["draw"] == after["draw"]) == (True, False)


def test_build_labels_are_no_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnpipe.fingerprint.metadata.version", lambda _: "2.13.0+cu130")
    assert library_version("torch") == "2.13.0"


@pytest.mark.parametrize("content", ["", "[]", "[1]", '{"pkg.late": 3}', '{"pkg.late": ["a", "b"]}', "\x00\xff"])
def test_a_damaged_cache_is_ignored(package: Path, content: str) -> None:
    cache = package / "cache.json"
    cache.write_text(content)
    assert hashes(package, cache) == hashes(package)


def test_every_stage_of_the_package_has_a_hash_and_the_figures_have_their_own() -> None:
    from rnnpipe.cli.main import STAGES

    fingerprint = Fingerprint(ROOT, "rnnpipe", LIBRARIES)
    for stage in STAGES:
        assert len(fingerprint(f"rnnpipe.cli.{stage.replace('-', '_')}")) == 16
    assert "rnnpipe.cli.main" not in fingerprint.closure("rnnpipe.cli.train")
    train = fingerprint.closure("rnnpipe.cli.train", "rnnpipe.tasks.rdm_fixed")
    assert not [m for m in train if ".figures" in m or ".analysis" in m or m.endswith("tasks.rdm_rt")]
    figure = fingerprint.closure("rnnpipe.cli.figures", "rnnpipe.figures.fig_learning")
    assert "rnnpipe.figures.fig1_rdm" not in figure and not [m for m in figure if ".training" in m or ".networks" in m]


def test_cost_from_the_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def cost() -> float:
        start = time.process_time()
        fingerprint = Fingerprint(ROOT, "rnnpipe", LIBRARIES, tmp_path / "cache.json")
        for stage in ("dataset", "train", "evaluate", "fixed_points", "figures", "claims"):
            fingerprint(f"rnnpipe.cli.{stage}")
        return 1000 * (time.process_time() - start)

    cold, warm = cost(), min(cost() for _ in range(3))
    with capsys.disabled():
        print(f"\nfingerprints of six stages: {cold:.0f} ms at first, {warm:.1f} ms from the cache")
    assert warm < 100


def test_a_job_of_the_workflow_parses_no_code_to_say_what_made_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rnnpipe.provenance import CODE_CACHE, provenance

    monkeypatch.delenv(CODE_CACHE, raising=False)
    alone = provenance("gather")
    monkeypatch.setenv(CODE_CACHE, str(tmp_path / "cache.json"))
    assert provenance("gather") == alone
    monkeypatch.setattr("rnnpipe.fingerprint.ast.parse", None)
    assert provenance("gather") == alone
    assert CODE_CACHE in (ROOT / "workflow/rules/common.smk").read_text()


def test_what_a_killed_process_left_of_a_cache_goes(package: Path) -> None:
    leftover = package / f".cache.json.{2**22 + 1}.part"  # of a process that was killed; no process has this number
    leftover.write_text("{")
    assert hashes(package, package / "cache.json") == hashes(package)
    assert [path.name for path in package.glob("*cache*")] == ["cache.json"] and not leftover.exists()
