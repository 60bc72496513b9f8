"""Stage `claims`: histories, evaluations, networks and fixed points to the table of what was claimed and measured."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pandas as pd

from rnnpipe.analysis.claim import FIXED_POINTS, HISTORY, NETWORK, Claim
from rnnpipe.analysis.claims import COLUMNS, as_markdown, pooled_row, row
from rnnpipe.analysis.networks import SETTINGS, read_networks
from rnnpipe.analysis.quantities import QUANTITIES, Quantity
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.stored_points import StoredPoints, read_stored_points
from rnnpipe.analysis.traced_network import TracedNetwork
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.file_runs import unfold
from rnnpipe.files import whole
from rnnpipe.inputs import noted_inputs, sha256_of
from rnnpipe.io.evaluation import read_table
from rnnpipe.io.history import read_history
from rnnpipe.io.record import as_comment
from rnnpipe.provenance import provenance
from rnnpipe.settings import parse, suggest
from rnnpipe.yaml_file import read_mapping

Files = Mapping[tuple[str, str], Sequence[Path]]
"""Files by need and experiment, one per network or batch of them."""


def _help_of_quantities() -> str:
    lines = [f"  {name}: {quantity.description} ({quantity.summary})" for name, quantity in sorted(QUANTITIES.items())]
    return "\b\nQuantities (and how networks are summarised):\n" + "\n".join(
        piece for line in lines for piece in textwrap.wrap(line, 76, initial_indent="  ", subsequent_indent="    ")
    )


@click.command(epilog=_help_of_quantities())
@click.option("--settings", "text", required=True, metavar="JSON|FILE", help="claims by name, alone or under 'claims'")
@click.option(
    "--inputs",
    multiple=True,
    metavar="NEED:EXPERIMENT=PATH",
    help="a file to measure on, or several, as 'seed{0,1}.h5'; repeat for each",
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="CSV", help="table to write; .md beside it"
)
def command(text: str, inputs: Sequence[str], out: Path) -> None:
    """Hold what networks do against what was claimed, with the verdict of each claim.

    A missing file makes a claim "not measured", a value outside the band "missed"; neither fails the command.
    """
    if out.suffix != ".csv":
        raise SettingsError(f"--out {out}: expected a name that ends in .csv.")
    claims, files = read_claims(text), sort_inputs(inputs)
    reader = Reader()
    rows = [measure(name, claim, files, reader) for name, claim in claims.items()]
    table = pd.DataFrame(rows, columns=COLUMNS)
    shown = as_markdown(table)
    with whole(out) as tmp:
        table.to_csv(tmp, index=False, float_format="%.10g", lineterminator="\n")
    read = [
        (f"{need}:{experiment}", path)
        for (need, experiment), paths in files.items()
        for path in map(_or_failed, paths)
        if path.exists()
    ]
    record = {
        "kind": "claims",
        "settings": read_mapping(text),
        "provenance": {**provenance("claims"), **noted_inputs(out, read)},
        "table_sha256": sha256_of(out),
    }
    with whole(out.with_suffix(".md")) as tmp:
        tmp.write_text(f"{shown}\n{as_comment(record)}", encoding="utf-8")
    print(shown)


def read_claims(text: str) -> dict[str, Claim]:
    """Validated claims by name.

    Raises:
        SettingsError: Not a mapping of claims, or a claim with a wrong key or an unknown quantity.
    """
    values = read_mapping(text)
    values = values["claims"] if set(values) == {"claims"} else values
    if not isinstance(values, dict):
        raise SettingsError(f"claims: expected a mapping of claims, got {values!r}.")
    claims = {name: parse(Claim, claim, f"claims.{name}") for name, claim in values.items()}
    for name, claim in claims.items():
        if claim.quantity not in QUANTITIES:
            known = suggest(claim.quantity, QUANTITIES)
            raise SettingsError(f"claims.{name}: unknown quantity {claim.quantity!r} ({known}).")
        need_of(name, claim)
        _check_where(name, claim)
    return claims


def _check_where(name: str, claim: Claim) -> None:
    for key in claim.where:
        if QUANTITIES[claim.quantity].reads != "networks":
            raise SettingsError(
                f"claims.{name}: where chooses among networks mapped to spikes, but {claim.quantity} is measured on one"
                " network at a time; leave it out."
            )
        if key not in SETTINGS:
            raise SettingsError(f"claims.{name}: where: unknown setting {key!r} ({suggest(key, SETTINGS)}).")


def need_of(name: str, claim: Claim) -> str:
    """Which of a claim's needs its quantity is measured on.

    Raises:
        SettingsError: None of them is of the right kind.
    """
    reads = QUANTITIES[claim.quantity].reads
    own = reads if reads in (HISTORY, NETWORK, FIXED_POINTS) else None
    for need in claim.needs:
        if need == own or (own is None and need not in (HISTORY, NETWORK, FIXED_POINTS)):
            return need
    expected = repr(own) if own else "entries of spiking" if reads == "networks" else "the name of a data set"
    raise SettingsError(f"claims.{name}: {claim.quantity} is measured on {expected}, but needs = {claim.needs}.")


def sort_inputs(inputs: Sequence[str]) -> dict[tuple[str, str], list[Path]]:
    """Files by need and experiment, in the order given.

    Raises:
        SettingsError: Not NEED:EXPERIMENT=PATH.
    """
    files: dict[tuple[str, str], list[Path]] = {}
    for item in inputs:
        key, _, path = item.partition("=")
        need, _, experiment = key.partition(":")
        if not (need and experiment and path):
            raise SettingsError(f"--inputs {item}: expected NEED:EXPERIMENT=PATH.")
        files.setdefault((need, experiment), []).extend(map(Path, unfold(path)))
    return files


class Reader:
    """Reads each file once, however many claims look at it."""

    def __init__(self) -> None:
        self._read: dict[tuple[Path, str], Any] = {}

    def __call__(self, path: Path, reads: str) -> Any:
        """The file as a quantity wants it; see `Reads`."""
        key = path, reads
        if key not in self._read:
            if reads == "history":
                self._read[key] = read_history(path)
            elif reads == "table":
                self._read[key] = read_table(path)
            elif reads == "networks":
                self._read[key] = read_networks(path)
            elif reads == FIXED_POINTS:
                self._read[key] = read_stored_points(path)
            elif reads == NETWORK:
                from rnnpipe.io.ctrnn import read_ctrnn  # imports torch

                self._read[key] = TracedNetwork(read_ctrnn(path))
            else:
                self._read[key] = Recording(path)
        return self._read[key]


def measure(name: str, claim: Claim, files: Files, read: Reader) -> dict[str, object]:
    """The row of one claim."""
    quantity, need = QUANTITIES[claim.quantity], need_of(name, claim)
    if quantity.reads == "networks":
        return _measure_pooled(name, claim, quantity, files, read)
    values: dict[int | str, float] = {}
    notes: list[str] = []
    for experiment in claim.experiments:
        for path in _existing(need, experiment, files, notes):
            data = read(path, quantity.reads)
            seed = _seed_of(data, len(values))
            if claim.seeds is not None and seed not in claim.seeds:
                continue  # given for another claim
            key = seed if len(claim.experiments) == 1 else f"{seed} of {experiment}"
            values[key] = _measure_one(quantity, data, path, claim.quantity)
    return row(name, claim, quantity, values, notes)


def _seed_of(data: Any, otherwise: int) -> int:
    """Seed of the network that data are of."""
    if isinstance(data, (Recording, StoredPoints)):
        data = data.table
    return int(data.attrs.get("seed", otherwise) if isinstance(data, pd.DataFrame) else data.seed)


def _measure_pooled(name: str, claim: Claim, quantity: Quantity, files: Files, read: Reader) -> dict[str, object]:
    """The row of a claim on all networks of its experiments and mappings together."""
    notes: list[str] = []
    parts = [
        read(path, quantity.reads).assign(experiment=experiment, need=need)
        for experiment in claim.experiments
        for need in claim.needs
        for path in _existing(need, experiment, files, notes)
    ]
    if not parts:
        return pooled_row(name, claim, math.nan, 0, notes)
    table = pd.concat(parts, ignore_index=True)
    for key, values in claim.where.items():
        table = table[table[key].isin(values if isinstance(values, list) else [values])]
    n = table["rate_network"].nunique()
    if not n:
        chosen = ", ".join(f"{key} = {value}" for key, value in claim.where.items())
        return pooled_row(name, claim, math.nan, 0, [*notes, f"no network with {chosen} was given"])
    # a part of the networks would be another measurement
    value = math.nan if notes else quantity.measure(table)
    if math.isnan(value) and not notes:
        trained = table.drop_duplicates("rate_network")["trained"].sum()
        notes.append(f"cannot be measured: {trained} of {n} networks reached the training criterion")
    return pooled_row(name, claim, value, n, notes)


def _existing(need: str, experiment: str, files: Files, notes: list[str]) -> list[Path]:
    """Files of a need that are there; what is missing is noted."""
    paths = files.get((need, experiment), ())
    if not paths:
        notes.append(
            f"no {need} of experiment {experiment} was given; `snakemake --cores all results/claims.csv` makes it"
        )
    found = []
    for path in map(_or_failed, paths):
        if path.exists():
            found.append(path)
        else:
            notes.append(f"{path} is missing; `snakemake --cores all {path}` makes it")
    return found


def _or_failed(path: Path) -> Path:
    """The history of a training that missed its criterion, where it is all there is.

    Such a training leaves its history under another name. Leaving it out would count successes only.
    """
    failed = path.with_name(f"{path.name.removesuffix('.h5')}.failed.h5")
    return failed if failed.exists() and not path.exists() else path


def _measure_one(quantity: Quantity, data: Any, path: Path, name: str) -> float:
    try:
        return quantity.measure(data)
    except KeyError as error:
        raise ArtefactError(
            f"{path}: has no {error}, which {name} is computed from; measure it on another task."
        ) from None
