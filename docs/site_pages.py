"""Pages of the site that are not files of this folder (a hook of mkdocs; see mkdocs.yml).

Pages of the repository (`PAGES`) and of the reference (`REFERENCE`), and those made of results: claims and benchmarks.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

PAGES = {
    "config/README.md": "configuration.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
}
"""Files of the repository by page; links to them are links to the page."""

MADE = ("claims.md", "benchmarks.md")
"""Pages that are made of results, and so are no files."""

REFERENCE = {
    "tasks": ("Tasks and trials", ["tasks", "trials", "settings", "errors"]),
    "environments": (
        "Environments and data loaders",
        ["environments", "environments.single", "environments.vector", "environments.wrappers", "environments.monitor",
         "environments.sb3", "environments.neurogym", "torch_data"],
    ),
    "networks": (
        "Networks",
        ["networks.settings", "networks.reference", "networks.rate_settings", "networks.rate_network",
         "networks.rate_parameters", "networks.rate_reference", "networks.ctrnn_settings", "networks.ctrnn",
         "networks.ctrnn_reference", "networks.lif_settings", "networks.lif", "networks.lif_reference"],
    ),
    "training": (
        "Learning and evaluation",
        ["training.settings", "training.bptt_settings", "training.regression_settings", "training.sb3_settings",
         "training.sb3_agents", "evaluation.agents", "evaluation.outcomes"],
    ),
    "spiking": ("Rate networks to spiking ones", ["mapping.settings", "mapping.search", "mapping.score"]),
    "fixed_points": (
        "Fixed points",
        ["fixed_points.settings", "fixed_points.analyzer", "fixed_points.search", "fixed_points.result",
         "fixed_points.certify", "fixed_points.completeness", "fixed_points.continuation", "fixed_points.selection"],
    ),
    "analysis": (
        "Analyses",
        ["analysis.psychometric", "analysis.chronometric", "analysis.durations", "analysis.learning",
         "analysis.selectivity", "analysis.targeted", "analysis.pca", "analysis.participation", "analysis.slow_curves",
         "analysis.claim", "analysis.claims", "analysis.gathered"],
    ),
    "figures": ("Figures", ["figures", "figures.source_data", "figures.style"]),
    "files": (
        "Files",
        ["io.trials", "io.history", "io.evaluation", "io.fixed_points", "io.rate_network", "io.ctrnn", "io.mat",
         "inputs", "trace", "crate", "file_runs"],
    ),
}  # fmt: skip
"""By page of the reference: its title and the modules of `rnnpipe` on it."""

WIDE = "---\nhide: [toc]\n---\n"
"""Head of a page that is a table."""

NOT_MADE = (
    "!!! note\n    There are no results where this site was built. `{command}` makes `{path}`; build it again then.\n"
)


def relinked(text: str, source: str) -> str:
    """Markdown of a file of the repository, its links to other files turned into links between pages.

    Args:
        text: The Markdown.
        source: Path of the file in the repository.
    """
    page = page_of(source)

    def link(match: re.Match[str]) -> str:
        target, anchor = match[2], match[3] or ""
        there = page_of(posixpath.normpath(posixpath.join(posixpath.dirname(source), target)))
        return f"{match[1]}({posixpath.relpath(there, posixpath.dirname(page) or '.')}{anchor})"

    return re.sub(r"(\[[^\]]*\])\((?![a-z]+:)([^)#\s]+)(#[^)\s]*)?\)", link, text)


def page_of(path: str) -> str:
    """The page of a file of the repository; of other files than pages, the path that the site knows no page of."""
    return PAGES.get(path, path.removeprefix("docs/"))


def reference(name: str) -> str:
    """A page of the reference, for mkdocstrings."""
    title, modules = REFERENCE[name]
    return f"# {title}\n\n" + "\n".join(f"::: rnnpipe.{module}\n" for module in modules)


def claims(results: Path) -> str:
    """The page of claims: the table that the workflow wrote."""
    text = WIDE + "# Claims\n\nNumbers of papers, the band in which ours count as the same, and what was measured.\n\n"
    path = results / "claims.md"
    return text + (path.read_text("utf-8") if path.is_file() else missing("snakemake --cores 8 results/claims.csv"))


def benchmarks(results: Path) -> str:
    """The page of benchmarks: a table of the lines that `rnnpipe bench` wrote."""
    text = WIDE + "# Benchmarks\n\nMedians of one run; ratios are between things measured in that run.\n\n"
    path = results / "bench.jsonl"
    if not path.is_file():
        return text + missing("snakemake --cores 2 results/bench.jsonl")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
    text += "| what | value | unit | threads | repetitions | ratio | to |\n|---|---:|---|---:|---:|---:|---|\n"
    for line in lines:
        ratio = f"{line['ratio']:.3g}" if "ratio" in line else ""  # `rnnpipe bench` leaves out what there is none of
        cells = [line["name"], f"{line['value']:.4g}", line["unit"], line["threads"], line["n"], ratio]
        text += "| " + " | ".join(map(str, [*cells, line.get("ratio_to", "")])) + " |\n"
    return text


def missing(command: str) -> str:
    """A note that says which command makes what is not there."""
    return NOT_MADE.format(command=command, path=command.split()[-1])


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made or lie elsewhere (called by mkdocs)."""
    from mkdocs.structure.files import File

    results = ROOT / config["extra"]["results"]
    made = {f"reference/{name}.md": reference(name) for name in REFERENCE}
    made |= dict(zip(MADE, (claims(results), benchmarks(results)), strict=True))
    made |= {
        page: relinked((ROOT / path).read_text("utf-8"), path)
        for path, page in PAGES.items()
        if files.get_file_from_path(page) is None
    }
    for page, content in made.items():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of a page of docs/ to files outside it (called by mkdocs)."""
    own = page.file.src_uri
    return relinked(markdown, f"docs/{own}") if (ROOT / "docs" / own).is_file() else markdown
