"""What lesions and stimulation do to spiking networks: fractions of correct trials, network by network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from rnnpipe.analysis.multisensory import mean_of_networks
from rnnpipe.io.spiking import Spiking, read_spiking

LESIONS = {
    "all": "all connections",
    "excitatory": "from excitatory units",
    "inhibitory": "from inhibitory units",
    "som": "from SOM units",
}
"""Kinds of lesions by their presynaptic population."""

PUSHES = {"exc": "depolarised", "inh": "hyperpolarised"}
MEASURES = ("accuracy", "go", "nogo")


def lesion(mapped: Spiking) -> tuple[str, float]:
    """What a mapping lesions, in words, and the fraction of those connections that it lesions."""
    pre, post = (str(mapped.setting("lif", f"lesion_{side}", default="all")) for side in ("pre", "post"))
    if mapped.setting("lif", "lesion_by_type", default=False):
        kind = "of each type"
    elif post != "all":
        kind = f"{pre} to {post} units"
    else:
        kind = LESIONS[pre]
    return kind, float(mapped.setting("lif", "lesion_fraction", default=0.0))


def stimulation(mapped: Spiking) -> tuple[str, float]:
    """What a mapping stimulates, in words, and the fraction of that population that it stimulates."""
    mode, whom = mapped.setting("lif", "stimulation"), mapped.setting("lif", "stimulation_of")
    if whom is None:
        units = mapped.setting("lif", "stimulation_units", default=[])
        return f"listed units {PUSHES.get(mode, '')}".strip(), len(units) / max(mapped.unit_type.shape[1], 1)
    return f"{whom} units {PUSHES.get(mode, '')}".strip(), float(mapped.setting("lif", "stimulation_fraction"))


def correct_trials(mapped: Spiking) -> pd.DataFrame:
    """Fractions of correct held-out Go-NoGo trials of each network: `seed` and `MEASURES` (all, Go, NoGo trials)."""
    go = mapped.conditions["go"].to_numpy(bool)
    by_condition = mapped.condition_accuracy
    return pd.DataFrame(
        {
            "seed": mapped.networks["seed"].to_numpy(),
            "accuracy": mapped.networks["heldout_accuracy"].to_numpy(float),
            "go": by_condition[:, go][:, 0],
            "nogo": by_condition[:, ~go][:, 0],
        }
    )


def dose_response(paths: Iterable[str | Path], intact: Iterable[str | Path], what: str) -> pd.DataFrame:
    """Correct trials of each network by the fraction that is lesioned or stimulated.

    Args:
        paths: Files of stage `spiking`, of mappings that lesion or stimulate.
        intact: Files of the mapping without; they give the fraction 0 of every kind.
        what: "lesion" or "stimulation".

    Returns:
        One row a kind, fraction and network, in that order: `kind`, `fraction`, `seed`, and `MEASURES`, NaN for a
        network that was left out because it did not reach its training criterion.
    """
    read = [read_spiking(path) for path in paths]
    named = [(lesion if what == "lesion" else stimulation)(mapped) for mapped in read]
    parts = [
        correct_trials(mapped).assign(kind=kind, fraction=part)
        for mapped, (kind, part) in zip(read, named, strict=True)
    ]
    kinds = list(dict.fromkeys(kind for kind, _ in named))
    whole = [correct_trials(read_spiking(path)) for path in intact]
    parts = [base.assign(kind=kind, fraction=0.0) for base in whole for kind in kinds] + parts
    columns = ["kind", "fraction", "seed", *MEASURES]
    if not parts:
        return pd.DataFrame(columns=columns)
    order = {kind: i for i, kind in enumerate(kinds)}
    table = pd.concat(parts, ignore_index=True)
    # a fraction 0 of a sweep itself is nearer to its other fractions than the intact networks are: same trials
    table = table.drop_duplicates(["kind", "fraction", "seed"], keep="last")
    key = table["kind"].map(order)
    return table.assign(order=key).sort_values(["order", "fraction", "seed"], ignore_index=True)[columns]


def over_networks(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over networks of each measure of `dose_response`, with its 95 % Student interval.

    Returns:
        One row a measure, kind and fraction: `measure`, `kind`, `fraction`, `mean`, `low`, `high`, `n` (networks). What
        no network measures is left out.
    """
    rows = []
    for measure in MEASURES:
        for (kind, part), group in table.groupby(["kind", "fraction"], sort=False):
            values = group[measure].to_numpy(float)
            n = int(np.isfinite(values).sum())
            if n:
                found = mean_of_networks(values)
                rows.append((measure, kind, part, found.value, found.low, found.high, n))
    return pd.DataFrame(rows, columns=["measure", "kind", "fraction", "mean", "low", "high", "n"])
