"""`rnnpipe crate`: a finished study, with all that it was made of, as one RO-Crate to archive or publish."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import click

from rnnpipe.crate import About, write_crate
from rnnpipe.errors import SettingsError
from rnnpipe.files import check_writable

CLAIMS = "results/claims.csv"


@click.command()
@click.argument("results", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--source", "sources", multiple=True, metavar="NAME", help="all results of a source of --config; may be repeated"
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("config/config.yaml"),
    show_default=True,
    help="study of --source; `results/` is looked for in the folder above its own",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="ZIP", help="crate to write")
@click.option("--name", required=True, help="title of the study")
@click.option("--description", help="what the study is  [default: its title]")
@click.option("--license", "licence", required=True, help="of the data: an SPDX identifier (CC-BY-4.0) or an address")
@click.option("--author", "authors", multiple=True, help="name, or better address (ORCID), of an author; repeatable")
@click.option("--citation", "citations", multiple=True, help="address of a paper it belongs to; may be repeated")
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d"]),
    help="day of publication; the same day gives the same bytes  [default: today]",
)
def command(
    results: Sequence[Path],
    sources: Sequence[str],
    config: Path,
    out: Path,
    name: str,
    description: str | None,
    licence: str,
    authors: Sequence[str],
    citations: Sequence[str],
    date: datetime.datetime | None,
) -> None:
    """Pack RESULTS (files or folders) and all they were made of as an RO-Crate (Process Run Crate).

    What they were made of is found by the hashes that they note, and need not be named. A source has its networks,
    figures and the table of claims.
    """
    if out.suffix != ".zip":
        raise SettingsError(f"--out {out}: expected a name that ends in .zip.")
    if not results and not sources:
        raise SettingsError("nothing to pack is named: give results (files or folders), or --source.")
    paths = [*results, *(_results_of(sources, config) if sources else [])]
    check_writable(out)
    day = date or datetime.datetime.now(datetime.UTC)
    about = About(name, description or name, licence, f"{day:%Y-%m-%d}", authors, citations)
    print(f"wrote {out} ({write_crate(out, paths, about)} files)")


def _results_of(sources: Sequence[str], config: Path) -> list[Path]:
    """What a source is asked for, where the workflow leaves it."""
    from rnnpipe.config import read_study
    from rnnpipe.settings import suggest

    study, folder = read_study(config), config.parent.parent
    for source in sources:
        if source not in study.sources:
            raise SettingsError(f"--source {source}: is no source of {config} ({suggest(source, study.sources)}).")
    return [folder / path for source in sources for path in [*study.targets(source), CLAIMS]]
