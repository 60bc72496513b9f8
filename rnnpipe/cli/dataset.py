"""`rnnpipe dataset`: sample the full factorial of a task's conditions into a file of trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rnnpipe.cli._options import TASK, stage
from rnnpipe.dataset import DatasetSettings, blocks, episode_seeds, n_trials
from rnnpipe.io.episodes import write_episodes
from rnnpipe.io.trials import write_trials
from rnnpipe.provenance import provenance
from rnnpipe.tasks import modules_of_task
from rnnpipe.tasks._environment import EnvironmentTask
from rnnpipe.tasks._regression import RegressionTask


@stage(task=TASK, dataset=DatasetSettings)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="H5", help="trials to write")
def command(settings: dict[str, Any], out: Path) -> None:
    """Sample a data set: every combination of a task's conditions, the same number of times.

    Of an environment, whose trials are made by acting, it holds the seeds of its episodes.
    """
    task, dataset = settings["task"], settings["dataset"]
    plain = {"task": {"name": task.name, **task.changed()}, "dataset": dataset.changed()}
    made_by = provenance("dataset", *modules_of_task(task))
    if isinstance(task, EnvironmentTask):
        seeds = episode_seeds(task, dataset)
        task.make().close()  # one that cannot be made is an error here, not in every evaluation
        attributes = {"task": task.name, "dt": task.dt, "environment_id": task.id, "seed": dataset.seed}
        write_episodes(out, seeds, plain, made_by, **attributes)
        print(f"{out}: seeds of {len(seeds)} episodes of {task.id}")
        return
    total = n_trials(task, dataset)
    outputs = {"output_names": list(task.output_names)} if isinstance(task, RegressionTask) else {}
    write_trials(
        out,
        blocks(task, dataset),
        total,
        plain,
        made_by,
        seed=dataset.seed,
        input_names=list(task.input_names),
        action_names=list(task.action_names),
        **outputs,
    )
    print(f"{out}: {total} trials of {task.name}, {dataset.trials_per_condition} of each condition")
