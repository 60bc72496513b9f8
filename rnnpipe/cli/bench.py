"""Stage `bench`: speeds of training, evaluation, environments, start-up, spiking networks and fixed points.

One JSON line each.

Training is measured on the first task in depth (against a plain implementation, by threads) and for every experiment
of a study in breadth; what trainings took to their criterion is read from the files they left.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import click

from rnnpipe.bench.bptt import measure_bptt
from rnnpipe.bench.ctrnn import measure_ctrnn
from rnnpipe.bench.environments import measure_environments
from rnnpipe.bench.experiments import measure_criterion, measure_experiments
from rnnpipe.bench.fixed_points import measure_fixed_points
from rnnpipe.bench.lif import measure_lif
from rnnpipe.bench.mapping import measure_mapping
from rnnpipe.bench.measure import Measurement
from rnnpipe.bench.startup import measure_startup
from rnnpipe.bench.training import measure_evaluation, measure_training
from rnnpipe.config import read_study
from rnnpipe.files import whole

PARTS = (
    "training", "evaluation", "environments", "startup", "experiments", "criterion", "supervised", "continuous",
    "spiking", "mapping", "fixed_points",
)  # fmt: skip


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="measure these alone; repeatable")
@click.option("--threads", "thread_counts", default="1,2", show_default=True, help="thread counts to try")
@click.option("--repetitions", type=click.IntRange(1), default=30, show_default=True, help="timed repetitions")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("config/config.yaml"),
    show_default=True,
    help="study whose experiments, or trained networks, are measured; `results/` is looked for in the folder above its"
    " own",
)
@click.option("--out", type=click.Path(path_type=Path), help="also write the lines to this file")
def command(only: tuple[str, ...], thread_counts: str, repetitions: int, config: Path, out: Path | None) -> None:
    """Measure speeds; ratios are between things measured in this very run."""
    try:
        threads = tuple(int(word) for word in thread_counts.split(","))
    except ValueError:
        raise click.BadParameter(f"{thread_counts!r} is not a list like 1,2", param_hint="--threads") from None
    wanted = only or PARTS
    study = read_study(config) if {"experiments", "criterion", "fixed_points"} & set(wanted) else None

    def measurements() -> Iterator[Measurement]:
        if "training" in wanted:
            yield from measure_training(threads, repetitions)
        if "evaluation" in wanted:
            yield from measure_evaluation(threads, max(1, repetitions // 10))
        if "environments" in wanted:
            yield from measure_environments()
        if "startup" in wanted:
            yield from measure_startup()
        if "supervised" in wanted:
            yield from measure_bptt(threads, repetitions)
        if "continuous" in wanted:
            yield from measure_ctrnn(threads, repetitions)
        if "mapping" in wanted:
            yield from measure_mapping(threads)
        if "spiking" in wanted:
            yield from measure_lif(threads, repetitions)
        if "fixed_points" in wanted and study is not None:
            yield from measure_fixed_points(threads, study, config.resolve().parent.parent)
        if "experiments" in wanted and study is not None:
            yield from measure_experiments(study, max(3, repetitions // 3))
        if "criterion" in wanted and study is not None:
            yield from measure_criterion(study, config.resolve().parent.parent)

    lines = []
    for measurement in measurements():
        plain = dataclasses.asdict(measurement)
        plain = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in plain.items() if v is not None}
        lines.append(json.dumps(plain))
        print(lines[-1], flush=True)
    if out is not None:
        with whole(out) as tmp:
            tmp.write_text("\n".join(lines) + "\n")
