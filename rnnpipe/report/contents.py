"""What a report shows, gathered from a study and its folder of results; what is missing is named."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

import rnnpipe.figures
from rnnpipe.analysis.claims import COLUMNS, NOT_MEASURED, band_text, number_text
from rnnpipe.config import Study
from rnnpipe.config_entries import FIGURES
from rnnpipe.errors import ArtefactError
from rnnpipe.report.curves import Curve, read_curve
from rnnpipe.report.images import Embedded, embed
from rnnpipe.report.jobs import Costs, read_costs
from rnnpipe.settings import canonical

CURVES_SHOWN = 20
"""Networks of an experiment whose learning curves are drawn."""


@dataclass
class FigureShown:
    """One figure and its caption."""

    name: str
    about: str
    module: str
    experiments: list[str]
    seeds: str
    needs: str
    settings: str
    parameters: dict[str, str]
    """Settings of each experiment that it shows."""
    files: list[str]
    image: Embedded
    animation: Embedded | None = None
    sheet: bool = False
    """Whether it shows other figures again."""


@dataclass
class ExperimentShown:
    """One experiment: its settings and what became of its networks."""

    name: str
    task: str
    parameters: str
    seeds: str
    n_seeds: int
    n_trained: int = 0
    n_reached: int = 0
    wall: float | None = None
    curves: list[Curve] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)


@dataclass
class Made:
    """Networks that the same versions trained."""

    versions: str
    n: int = 0
    experiments: list[str] = field(default_factory=list)


@dataclass
class SourceShown:
    """Everything of one source, e.g. a paper."""

    name: str
    figures: list[FigureShown] = field(default_factory=list)
    experiments: list[ExperimentShown] = field(default_factory=list)


@dataclass
class Contents:
    """All that the page shows."""

    scale: str
    sources: list[SourceShown]
    claims: list[dict[str, Any]]
    costs: Costs
    speeds: list[dict[str, Any]]
    made_by: list[Made]
    missing: list[tuple[str, str]]
    """What is missing, and the command that makes it or what to do."""

    @property
    def images(self) -> list[Embedded]:
        """Every image of the page."""
        shown = [figure for source in self.sources for figure in source.figures]
        return [image for figure in shown for image in (figure.image, figure.animation) if image is not None]


def gather(study: Study, results: Path) -> Contents:
    """Contents of the report of a study, as far as its results are there."""
    missing: list[tuple[str, str]] = []
    costs = read_costs(results / "benchmarks")
    missing += [(f"{name} cannot be read", "its job is not counted") for name in costs.unreadable]
    made: dict[str, Made] = {}
    sources = []
    for name, names in study.sources.items():
        source = SourceShown(name)
        for figure in _contact_sheets_last(study, names["figures"]):
            shown = _figure(study, figure, results, missing)
            if shown is not None:
                source.figures.append(shown)
        for experiment in names["experiments"]:
            source.experiments.append(_experiment(study, experiment, results, costs, source, made, missing))
        sources.append(source)
    claims = _claims(study, results / "claims.csv", missing)
    speeds = _speeds(results / "bench.jsonl", missing)
    return Contents(study.workflow.scale, sources, claims, costs, speeds, list(made.values()), missing)


def _contact_sheets_last(study: Study, names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: _is_sheet(study, name))


def _is_sheet(study: Study, name: str) -> bool:
    return FIGURES in study.figures[name].needs


def _figure(study: Study, name: str, results: Path, missing: list[tuple[str, str]]) -> FigureShown | None:
    entry = study.figures[name]
    path = results / "figures" / f"{name}.png"
    make = f"snakemake --cores all results/figures/{name}.pdf"
    image = _image(path, make, f"figure {name}", missing)
    animated = path.with_suffix(".gif")
    again = f"snakemake --cores all results/figures/{name}.gif"
    animation = _image(animated, again, f"animation of {name}", missing) if entry.animate else None
    if image is None:
        return None
    experiments = study.experiments_of(entry.experiments)
    seeds = {s for e in experiments for s in study.experiments[e].seeds if entry.seeds is None or s in entry.seeds}
    suffixes = [".pdf", ".png", ".csv", *([".gif"] if entry.animate else [])]
    return FigureShown(
        name=name,
        about=_about(entry.module),
        module=f"rnnpipe.figures.{entry.module}",
        experiments=experiments,
        seeds=ranges(seeds),
        needs=", ".join(dict.fromkeys(need for needs in entry.read.values() for need in needs)),
        settings=in_words(entry.settings),
        parameters={e: _parameters(study, e) for e in experiments},
        files=[f"results/figures/{name}{suffix}" for suffix in suffixes if path.with_suffix(suffix).is_file()],
        image=image,
        animation=animation,
        sheet=_is_sheet(study, name),
    )


def _image(path: Path, make: str, what: str, missing: list[tuple[str, str]]) -> Embedded | None:
    if not path.is_file():
        missing.append((f"{what} has not been drawn", f"`{make}` makes it"))
        return None
    try:
        return embed(path)
    except ArtefactError as error:
        missing.append((f"{what}: {error}", f"`{make} --force` makes it again"))
        return None


def _about(module: str) -> str:
    """First paragraph of a figure's docstring, without importing it (which would import what draws)."""
    path = Path(rnnpipe.figures.__file__).with_name(f"{module}.py")
    try:
        text = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    except (OSError, SyntaxError):
        return ""
    return " ".join(text.split("\n\n")[0].split())


def _parameters(study: Study, name: str) -> str:
    return in_words(json.loads(study.train_settings(name)))


def in_words(values: Mapping[str, Any]) -> str:
    """Nested settings as `network.n_units = 75, ...`; 'defaults' for none."""
    lines: list[str] = []

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for key, inner in value.items():
                add(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            plain = isinstance(value, str) and value and not set(value) & set(',="')
            lines.append(f"{prefix} = {value if plain else canonical(value)}")

    for key, value in values.items():
        add(str(key), value)
    return ", ".join(lines) or "defaults"


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers in few words: `0 to 4, 7`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}, {b}" if b == a + 1 else f"{a} to {b}" for a, b in runs)


def _experiment(
    study: Study,
    name: str,
    results: Path,
    costs: Costs,
    source: SourceShown,
    made: dict[str, Made],
    missing: list[tuple[str, str]],
) -> ExperimentShown:
    entry = study.experiments[name]
    shown = ExperimentShown(name, entry.task, _parameters(study, name), ranges(entry.seeds), len(entry.seeds))
    shown.wall = costs.training.get(name)
    shown.figures = [figure.name for figure in source.figures if name in figure.experiments]
    absent = []
    for seed in entry.seeds:
        path = results / Path(study.result("history", name, seed)).relative_to("results")
        failed = path.with_name(f"{path.name.removesuffix('.h5')}.failed.h5")
        path = failed if failed.exists() and not path.exists() else path
        if not path.is_file():
            absent.append(seed)
            continue
        try:
            curve = read_curve(path, seed)
        except ArtefactError as error:
            missing.append((f"history of {name}, seed {seed}: {error}", "its network is not counted"))
            continue
        shown.n_trained += 1
        shown.n_reached += curve.reached
        by = made.setdefault(curve.made_by, Made(curve.made_by))
        by.n += 1
        if name not in by.experiments[-1:]:
            by.experiments.append(name)
        if len(shown.curves) < CURVES_SHOWN:
            shown.curves.append(curve)
    if absent:
        first = study.target(study.result("history", name, absent[0]))
        missing.append(
            (f"{name} is not trained for seed {ranges(absent)}", f"`snakemake --cores all {first}` trains it")
        )
    return shown


def _claims(study: Study, path: Path, missing: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Rows of the table of claims, with what the page shows of each; those of the study without a row are added."""
    rows: list[dict[str, Any]] = []
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"id": str})
        if list(table.columns) != COLUMNS:
            raise ValueError("its columns are other ones")
        text = table[["id", "source", "quantity", "unit", "verdict", "note"]].astype(object)
        text = text.where(text.notna(), "").astype(str)
        numbers = table[["target_low", "target_high", "measured", "n_seeds", "range_low", "range_high"]].astype(float)
        rows = [{**a, **b} for a, b in zip(text.to_dict("records"), numbers.to_dict("records"), strict=True)]
    except FileNotFoundError:
        if study.claims:
            missing.append(("the table of claims has not been made", "`snakemake --cores all claims` makes it"))
    except (OSError, ValueError) as error:
        missing.append((f"{path}: is no table of claims ({error})", "`snakemake --cores all claims --force` makes it"))
    papers = {claim: source for source, names in study.sources.items() for claim in names["claims"]}
    rows = [row for row in rows if row["id"] in papers]
    nan = float("nan")
    for name in [name for name in papers if name not in {row["id"] for row in rows}]:
        claim = study.claims[name]
        low, high = claim.target_low, claim.target_high
        rows.append(
            {"id": name, "source": claim.source, "quantity": claim.quantity, "unit": claim.unit}
            | {"verdict": NOT_MEASURED, "note": "not in the table of claims", "measured": nan, "n_seeds": 0.0}
            | {"target_low": nan if low is None else low, "target_high": nan if high is None else high}
            | {"range_low": nan, "range_high": nan}
        )
    order = {name: i for i, name in enumerate(papers)}
    for row in rows:
        spread = row["n_seeds"] > 1 and row["range_low"] == row["range_low"]
        row |= {
            "paper": papers[row["id"]],
            "experiments": study.experiments_of(study.claims[row["id"]].experiments),
            "value": number_text(row["measured"]),
            "target": band_text(row["target_low"], row["target_high"]),
            "range": f"{number_text(row['range_low'])} to {number_text(row['range_high'])}" if spread else "",
            "n": int(row["n_seeds"]),
        }
    return sorted(rows, key=lambda row: order[row["id"]])


def _speeds(path: Path, missing: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Lines of `results/bench.jsonl`, if this machine was measured; a study is whole without."""
    rows: list[dict[str, Any]] = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows.append({k: row.get(k) for k in ("name", "value", "unit", "threads", "n", "ratio", "ratio_to")})
            float(row["value"])
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        missing.append((f"{path}: is no benchmark", "`snakemake --cores 2 bench --force` makes it"))
        return []
    return rows


def count_verdicts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many claims have each verdict."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    return counts
