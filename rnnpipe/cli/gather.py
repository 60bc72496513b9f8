"""Stage `gather`: the histories of many networks to one table, a row each."""

from __future__ import annotations

from pathlib import Path

import click

from rnnpipe.analysis.gathered import GatherSettings, as_markdown, gather, histories
from rnnpipe.errors import SettingsError
from rnnpipe.files import whole
from rnnpipe.inputs import noted_inputs, sha256_of
from rnnpipe.io.record import as_comment
from rnnpipe.provenance import provenance
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
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="CSV", help="table to write; .md beside it"
)
def command(text: str, folder: Path, out: Path) -> None:
    """Gather all networks of an experiment or a sweep in one table: what was varied, how each learned, its files."""
    if out.suffix != ".csv":
        raise SettingsError(f"--out {out}: expected a name that ends in .csv.")
    settings = parse(GatherSettings, read_mapping(text), "settings of stage gather")
    table = gather(settings, folder)
    with whole(out) as tmp:
        table.to_csv(tmp, index=False, float_format="%.10g", lineterminator="\n")
    read = [("history", path) for path in histories(settings, folder)]
    record = {
        "kind": "gathered",
        "settings": settings.changed(),
        "provenance": {**provenance("gather"), **noted_inputs(out, read)},
        "table_sha256": sha256_of(out),
    }
    with whole(out.with_suffix(".md")) as tmp:
        tmp.write_text(f"{as_markdown(table)}\n{as_comment(record)}", encoding="utf-8")
    reached = int(table["reached_criterion"].sum())
    print(f"wrote {out} ({len(table)} networks, {reached} of them reached the criterion)")
