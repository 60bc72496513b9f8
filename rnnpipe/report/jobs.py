"""What the jobs of a study took, from the files that Snakemake's `benchmark:` leaves."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path

FIRST = ("dataset", "train", "spiking", "evaluate", "fixed_points")
"""Stages in the order in which they follow each other; the rest of results/benchmarks comes after them."""
OWN = "report"
"""The stage that makes the report, which cannot tell what it took itself."""


@dataclass
class Cost:
    """Jobs of one stage."""

    stage: str
    n_jobs: int = 0
    wall: float = 0.0
    """Summed wall time, s."""
    cpu: float = 0.0
    """Summed CPU time, s."""
    longest: float = 0.0
    """Wall time of the longest job, s."""
    longest_job: str = ""
    memory: float = math.nan
    """Largest resident memory of a job, MB."""


@dataclass
class Costs:
    """What all jobs took together and by stage; training also by experiment."""

    stages: list[Cost] = field(default_factory=list)
    training: dict[str, float] = field(default_factory=dict)
    """Summed wall time of an experiment's trainings, s."""
    unreadable: list[str] = field(default_factory=list)

    @property
    def wall(self) -> float:
        """Summed wall time of all jobs, s."""
        return sum(cost.wall for cost in self.stages)

    @property
    def n_jobs(self) -> int:
        """Number of all jobs."""
        return sum(cost.n_jobs for cost in self.stages)


def read_costs(folder: Path) -> Costs:
    """Costs from `results/benchmarks`; empty where there is none."""
    costs = Costs()
    found = {path.stem for path in folder.glob("*") if path.is_dir() or path.suffix == ".tsv"}
    for stage in [*(s for s in FIRST if s in found), *sorted(found - {*FIRST, OWN})]:
        files = [folder / f"{stage}.tsv", *sorted((folder / stage).rglob("*.tsv"))]
        cost = Cost(stage)
        for path in files:
            if path.is_file():
                _add(costs, cost, path, path.relative_to(folder).with_suffix("").as_posix())
        if cost.n_jobs:
            costs.stages.append(cost)
    return costs


def _add(costs: Costs, cost: Cost, path: Path, name: str) -> None:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        wall, cpu, memory = _number(row["s"]), _number(row["cpu_time"]), _number(row["max_rss"])
        if math.isnan(wall):
            raise ValueError
    except (OSError, StopIteration, KeyError, ValueError, csv.Error):
        costs.unreadable.append(f"{path}")
        return
    cost.n_jobs += 1
    cost.wall += wall
    cost.cpu += 0.0 if math.isnan(cpu) else cpu
    cost.memory = memory if math.isnan(cost.memory) else max(cost.memory, cost.memory if math.isnan(memory) else memory)
    if wall > cost.longest:
        cost.longest, cost.longest_job = wall, name
    parts = name.split("/")
    if cost.stage == "train" and len(parts) > 2:
        costs.training[parts[1]] = costs.training.get(parts[1], 0.0) + wall


def _number(text: str | None) -> float:
    """A number of Snakemake's table, where `NA` and `-` stand for what it could not measure."""
    return math.nan if text in (None, "", "-", "NA") else float(str(text))
