"""Table of claims: what was measured against what should be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from rnnpipe.analysis.claim import Claim
from rnnpipe.analysis.quantities import Quantity

REACHED, MISSED, NOT_MEASURED = "reached", "missed", "not measured"

OF_DYNAMICS = ("network", "fixed_points")
"""What quantities read that describe a network and not its trials."""

COLUMNS = [
    "id",
    "source",
    "quantity",
    "unit",
    "target_low",
    "target_high",
    "measured",
    "n_seeds",
    "verdict",
    "range_low",
    "range_high",
    "note",
]


def verdict(measured: float, low: float | None, high: float | None) -> str:
    """Whether a measured value lies in a band, bounds included; NaN was not measured."""
    if math.isnan(measured):
        return NOT_MEASURED
    # single-precision rewards of -1 add up to -1 within rounding, which "exactly -1" must allow
    slack = 1e-6
    inside = (low is None or measured >= low - slack) and (high is None or measured <= high + slack)
    return REACHED if inside else MISSED


def row(
    name: str, claim: Claim, what: Quantity, values: Mapping[int | str, float], notes: Sequence[str] = ()
) -> dict[str, object]:
    """One row of the table.

    Args:
        name: Identifier of the claim.
        claim: The claim.
        what: Its quantity.
        values: Measurement of each network by seed (or experiment and seed); NaN where it could not be made.
        notes: What else a reader should know, e.g. which command makes a missing file.
    """
    measured = {seed: value for seed, value in values.items() if not math.isnan(value)}
    notes = list(notes)
    if unmeasured := sorted(set(values) - set(measured), key=_by_seed):
        why = "it has no such points or curve" if what.reads in OF_DYNAMICS else "too few trials or decisions"
        notes.append(f"cannot be measured for seed {', '.join(map(str, unmeasured))}: {why}")
    if never := sorted((seed for seed, value in measured.items() if math.isinf(value)), key=_by_seed):
        notes.append(f"never happened for seed {', '.join(map(str, never))}")
    summary = what.summarise(list(measured.values()))
    low, high = min(measured.values(), default=np.nan), max(measured.values(), default=np.nan)
    return _row(name, claim, summary, len(measured), (low, high), notes)


def pooled_row(name: str, claim: Claim, value: float, n_networks: int, notes: Sequence[str] = ()) -> dict[str, object]:
    """One row of the table, of a quantity that is measured on many networks together.

    Args:
        name: Identifier of the claim.
        claim: The claim.
        value: The measurement; NaN where it could not be made.
        n_networks: How many networks it was made on.
        notes: As of `row`.
    """
    return _row(name, claim, value, n_networks, (np.nan, np.nan), notes)


def _by_seed(seed: int | str) -> tuple[str, int]:
    return ("", seed) if isinstance(seed, int) else (seed, 0)


def _row(
    name: str, claim: Claim, summary: float, n: int, span: tuple[float, float], notes: Sequence[str]
) -> dict[str, object]:
    return {
        "id": name,
        "source": claim.source,
        "quantity": claim.quantity,
        "unit": claim.unit,
        "target_low": np.nan if claim.target_low is None else claim.target_low,
        "target_high": np.nan if claim.target_high is None else claim.target_high,
        "measured": summary,
        "n_seeds": n,
        "verdict": verdict(summary, claim.target_low, claim.target_high),
        "range_low": span[0],
        "range_high": span[1],
        "note": "; ".join(notes),
    }


def as_markdown(table: pd.DataFrame) -> str:
    """The table as aligned Markdown, numbers rounded, with a line that counts the verdicts."""
    heads = ["verdict", "id", "quantity", "measured", "range", "networks", "target", "unit", "source"]
    body = []
    for r in table.to_dict("records"):
        summary, span = number_text(r["measured"]), f"{number_text(r['range_low'])} to {number_text(r['range_high'])}"
        body.append(
            [
                r["verdict"],
                r["id"],
                r["quantity"],
                summary,
                span if r["n_seeds"] > 1 and not math.isnan(r["range_low"]) else "",
                str(r["n_seeds"]),
                band_text(r["target_low"], r["target_high"]),
                r["unit"],
                r["source"],
            ]
        )
    widths = [max(len(line[i]) for line in [heads, *body]) for i in range(len(heads))]
    numbers = {heads.index(name) for name in ("measured", "networks")}

    def line(cells: Sequence[str]) -> str:
        padded = (
            c.rjust(w) if i in numbers else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if i in numbers else "-") for i, w in enumerate(widths)) + "|"
    counts = ", ".join(f"{(table['verdict'] == v).sum()} {v}" for v in (REACHED, MISSED, NOT_MEASURED))
    notes = [f"- {r['id']}: {r['note']}" for r in table.to_dict("records") if r["note"]]
    lines = [f"{len(table)} claims: {counts}", "", line(heads), rule, *map(line, body)]
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def number_text(value: float) -> str:
    """A number of the table as a reader sees it."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "never"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def band_text(low: float, high: float) -> str:
    """The target of a claim in words; NaN is no bound."""
    if math.isnan(low):
        return f"at most {number_text(high)}"
    if math.isnan(high):
        return f"at least {number_text(low)}"
    return f"exactly {number_text(low)}" if low == high else f"{number_text(low)} to {number_text(high)}"
