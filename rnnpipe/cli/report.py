"""Stage `report`: a study and its results to one page that needs nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

import rnnpipe
from rnnpipe.config import load_study
from rnnpipe.errors import SettingsError
from rnnpipe.files import whole
from rnnpipe.report.contents import gather
from rnnpipe.report.machine import commit, machine, versions
from rnnpipe.report.page import megabytes, render
from rnnpipe.yaml_file import read_mapping


@click.command()
@click.option(
    "--config",
    "text",
    default="config/config.yaml",
    show_default=True,
    metavar="JSON|FILE",
    help="the study: sources and scale, as in config/config.yaml",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="folder of its results",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results/report.html"),
    show_default=True,
    metavar="HTML",
    help="page to write",
)
def command(text: str, results: Path, out: Path) -> None:
    """Gather figures, claims, learning curves, speeds and provenance of a study into one page.

    The page works offline. What has not been made yet is named on it, with the command that makes it.
    """
    if out.suffix != ".html":
        raise SettingsError(f"--out {out}: expected a name that ends in .html.")
    root = Path(rnnpipe.__file__).parents[1]
    where = "--config" if text.lstrip().startswith("{") else text
    study = load_study(read_mapping(text), (".", root), where)
    contents = gather(study, results)
    page = render(
        contents,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=commit(root),
        machine=machine(),
        versions=versions(),
    )
    with whole(out) as tmp:
        tmp.write_text(page, encoding="utf-8")
    figures = sum(len(source.figures) for source in contents.sources)
    print(f"wrote {out}: {figures} figures, {len(contents.claims)} claims, {megabytes(len(page.encode()))}")
    for what, remedy in contents.missing:
        print(f"missing: {what}; {remedy}")
