"""The site of docs/: it builds strictly, all links and anchors lead somewhere, it loads nothing from elsewhere."""

from __future__ import annotations

import html.parser
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from pages import PAGES, ROOT, links


def hook() -> Any:
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "docs" / "site_pages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOOK = hook()


# -- without mkdocs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_links_lead_to_files(page: str) -> None:
    for target in links((ROOT / page).read_text("utf-8")):
        path = urlsplit(target)
        if not path.scheme and path.path and path.path not in HOOK.MADE:
            assert (ROOT / page).parent.joinpath(path.path).exists(), f"{page}: {target}"


def test_links_between_files_become_links_between_pages() -> None:
    relinked = HOOK.relinked
    assert relinked("[a](../config/README.md#x) [b](tasks.md)", "docs/a.md") == "[a](configuration.md#x) [b](tasks.md)"
    assert relinked("[a](../docs/agents.md)", "config/README.md") == "[a](agents.md)"
    assert relinked("![a](docs/b.png) [c](https://d.org/e.md) [f](#g)", "CHANGELOG.md") == (
        "![a](b.png) [c](https://d.org/e.md) [f](#g)"
    )


def test_modules_of_the_reference_exist_and_say_what_they_are() -> None:
    modules = [module for _, names in HOOK.REFERENCE.values() for module in names]
    assert len(set(modules)) == len(modules) > 40
    for module in modules:
        path = ROOT / "rnnpipe" / Path(*module.split("."))
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        assert source.read_text("utf-8").lstrip("r").startswith('"""'), module


def test_claims_and_benchmarks_are_those_of_the_results(tmp_path: Path) -> None:
    assert "`snakemake --cores 8 results/claims.csv` makes `results/claims.csv`" in HOOK.claims(tmp_path)
    assert "makes `results/bench.jsonl`" in HOOK.benchmarks(tmp_path)
    (tmp_path / "claims.md").write_text("1 claims: 1 reached\n")
    line = '{"name": "update", "value": 12.345, "unit": "ms", "threads": 1, "n": 30%s}\n'
    (tmp_path / "bench.jsonl").write_text(line % ', "ratio": 2.5, "ratio_to": "torch"' + line % "")
    assert HOOK.claims(tmp_path).endswith("1 claims: 1 reached\n")
    rows = HOOK.benchmarks(tmp_path).splitlines()[-2:]
    assert rows == ["| update | 12.35 | ms | 1 | 30 | 2.5 | torch |", "| update | 12.35 | ms | 1 | 30 |  |  |"]


# -- with it -------------------------------------------------------------------------------------------------------


def mkdocs() -> str | None:
    """The program: of this environment, of `.venv/docs` as CI makes it, or as RNNPIPE_MKDOCS says."""
    places = [os.environ.get("RNNPIPE_MKDOCS"), str(Path(sys.executable).parent / "mkdocs")]
    places += [str(ROOT / ".venv" / "docs" / "bin" / "mkdocs")]
    return next((found for place in places if place and (found := shutil.which(place))), None)


needs_mkdocs = pytest.mark.skipif(mkdocs() is None, reason="mkdocs is not installed (requirements-docs.txt)")


class Page(html.parser.HTMLParser):
    """What a page refers to, and where it can be referred to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.targets.append(values["href"])
        if tag in ("script", "img", "iframe") and "src" in values:
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") in ("stylesheet", "preload", "icon"):
            self.loaded.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = mkdocs()
    assert program is not None
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [program, "build", "--strict", "--site-dir", str(out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "Documentation built" in done.stdout  # said nothing, it would have counted no warnings
    return out


@needs_mkdocs
@pytest.mark.slow
def test_every_page_is_there_and_every_link_leads_to_one(site: Path) -> None:
    pages = {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    expected = {Path(page).with_suffix(".html").name for page in PAGES if page.startswith("docs/")}
    assert expected | {"configuration.html", "contributing.html", "claims.html", "benchmarks.html"} <= set(pages)
    assert {f"reference/{name}.html" for name in HOOK.REFERENCE} <= set(pages)
    for name, page in pages.items():
        for target in [*page.targets, *page.loaded]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                assert target not in page.loaded, f"{name} loads {target}"
                continue
            path = (site / name).parent.joinpath(unquote(parts.path)).resolve() if parts.path else site / name
            path = path / "index.html" if path.is_dir() else path
            assert path.is_file(), f"{name}: {target}"
            if parts.fragment and path.suffix == ".html":
                there = pages[path.relative_to(site.resolve()).as_posix() if parts.path else name]
                assert unquote(parts.fragment) in there.anchors, f"{name}: {target}"


@needs_mkdocs
@pytest.mark.slow
def test_the_reference_has_docstrings(site: Path) -> None:
    text = (site / "reference" / "networks.html").read_text("utf-8")
    assert 'id="rnnpipe.networks.ctrnn.Ctrnn"' in text and "w_rec" in text
    pages = {path.stem: path.read_text("utf-8") for path in (site / "reference").glob("*.html")}
    assert not any(written in page for page in pages.values() for written in (".. math", ":math:"))
    equations = [found for page in pages.values() for found in re.findall(r"<math.*?</math>", page, re.S)]
    assert len(equations) > 8
    # what the converter does not know it leaves as it is written
    assert [equation for equation in equations if "\\" in equation or "<mi>&</mi>" in equation] == []
