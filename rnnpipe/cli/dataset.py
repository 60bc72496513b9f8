"""`rnnpipe dataset`: sample the full factorial of a task's conditions into a file of trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rnnpipe.cli._options import TASK, stage
from rnnpipe.dataset import DatasetSettings, blocks, n_trials
from rnnpipe.io.trials import write_trials
from rnnpipe.provenance import provenance


@stage(task=TASK, dataset=DatasetSettings)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="H5", help="trials to write")
def command(settings: dict[str, Any], out: Path) -> None:
    """Sample a data set: every combination of a task's conditions, the same number of times."""
    task, dataset = settings["task"], settings["dataset"]
    total = n_trials(task, dataset)
    write_trials(
        out,
        blocks(task, dataset),
        total,
        {"task": {"name": task.name, **task.changed()}, "dataset": dataset.changed()},
        provenance("dataset"),
        seed=dataset.seed,
        input_names=list(task.input_names),
        action_names=list(task.action_names),
    )
    print(f"{out}: {total} trials of {task.name}, {dataset.trials_per_condition} of each condition")
