"""Stage `gather`: the histories of many networks to one table, a row each."""

from __future__ import annotations

from pathlib import Path

import click

from rnnpipe.analysis.gathered import GatherSettings, gather
from rnnpipe.errors import SettingsError
from rnnpipe.files import whole
from rnnpipe.settings import parse
from rnnpipe.yaml_file import read_mapping


@click.command()
@click.option(
    "--settings",
    "text",
    required=True,
    metavar="JSON|FILE",
    help="which networks: name, seeds, seeds_per_job (supervised), and sweep, a list of {key, values}",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("results/train"),
    show_default=True,
    help="folder that holds one of each experiment",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="CSV", help="table to write")
def command(text: str, folder: Path, out: Path) -> None:
    """Gather all networks of an experiment or a sweep in one table: what was varied, how each learned, its files."""
    if out.suffix != ".csv":
        raise SettingsError(f"--out {out}: expected a name that ends in .csv.")
    table = gather(parse(GatherSettings, read_mapping(text), "settings of stage gather"), folder)
    with whole(out) as tmp:
        table.to_csv(tmp, index=False, float_format="%.10g", lineterminator="\n")
    reached = int(table["reached_criterion"].sum())
    print(f"wrote {out} ({len(table)} networks, {reached} of them reached the criterion)")
