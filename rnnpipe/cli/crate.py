"""`rnnpipe crate`: a finished study, with all that it was made of, as one RO-Crate to archive or publish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from rnnpipe.crate import write_crate
from rnnpipe.errors import SettingsError
from rnnpipe.files import check_writable


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="ZIP", help="crate to write")
@click.option("--name", required=True, help="title of the study")
@click.option("--description", help="what the study is  [default: its title]")
@click.option("--license", "licence", required=True, help="of the data: an SPDX identifier (CC-BY-4.0) or an address")
@click.option("--citation", "citations", multiple=True, help="address of a paper it belongs to; may be repeated")
def command(
    results: Sequence[Path], out: Path, name: str, description: str | None, licence: str, citations: Sequence[str]
) -> None:
    """Pack RESULTS (files or folders) and all they were made of as an RO-Crate (Process Run Crate).

    The contact sheet of a source is made of its figures, and these of all else: naming it and the claims is enough.
    """
    if out.suffix != ".zip":
        raise SettingsError(f"--out {out}: expected a name that ends in .zip.")
    check_writable(out)
    n_files = write_crate(out, results, name, description or name, licence, citations)
    print(f"wrote {out} ({n_files} files)")
