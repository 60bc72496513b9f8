"""From the first update to the files: validation, stop rules, checkpoints, interruption."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnpipe.errors import Interrupted, TrainingError
from rnnpipe.io.history import write_history
from rnnpipe.io.network import KIND, SCHEMA_VERSION, write_tensors
from rnnpipe.process import stop_requests
from rnnpipe.progress import Progress
from rnnpipe.training.checkpoint import Checkpoint
from rnnpipe.training.policy_gradient import PolicyGradient


def run(learner: PolicyGradient, checkpoint: Checkpoint, checkpoint_seconds: float) -> None:
    """Train until a stop rule holds or no updates are left, continuing from the checkpoint if there is one.

    The checkpoint is written every `checkpoint_seconds`, when a signal asks to stop, and at the end: it is the caller
    who drops it, once the results are on disk.

    Raises:
        Interrupted: A signal came; the state is saved.
        TrainingError: The networks became NaN or infinite.
    """
    state, how = checkpoint.load()
    if state is not None:
        learner.load_state(state)
        how += f" at update {learner.n_updates}"
    print(how, flush=True)
    limit = learner.learning.max_updates
    progress = Progress(limit, learner.n_updates)
    saved = time.monotonic()
    try:
        with stop_requests() as received:
            while True:
                if learner.validation_due:
                    row = learner.validate()
                    measured = {word: row[name] for name, word in learner.task.measures.items()}
                    progress.report(
                        f"update {row['update']:>6}/{limit}  trials {row['n_trials']:>8}"
                        f"  reward {row['mean_reward']:+.3f}"
                        + "".join(f"  {word} {value:.3f}" for word, value in measured.items())
                        + f"  best reward {learner.best['mean_reward']:+.3f}  value error {row['value_rmse']:.3f}"
                        f"  gradient norms {row['policy_grad_norm']:.3g}, {row['value_grad_norm']:.3g}",
                        important=row["new_best"],
                        reward=f"{row['mean_reward']:+.3f}",
                        **{word: f"{value:.3f}" for word, value in measured.items()},
                    )
                if learner.finished:
                    break
                learner.update()
                progress.advance()
                if received or time.monotonic() - saved >= checkpoint_seconds:
                    checkpoint.save(learner.state())
                    saved = time.monotonic()
                if received:
                    raise Interrupted(
                        f"stopped by {signal.Signals(received[0]).name} at update {learner.n_updates}; the state is in"
                        f" {checkpoint.path} and the same command continues from there."
                    )
    except TrainingError as error:
        raise TrainingError(
            f"training failed at update {learner.n_updates} ({learner.n_trials} trials): {error} Lower"
            " learning.learning_rate or check the inputs of the task."
        ) from None
    finally:
        progress.close()
    checkpoint.save(learner.state())


def write_results(
    learner: PolicyGradient,
    network_path: str | Path,
    history_path: str | Path,
    settings: Mapping[str, Any],
    seed: int,
    provenance: Mapping[str, Any],
) -> None:
    """Write the best networks (with the state that resumes the training) and the history."""
    reached = learner.reached_criterion
    content = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "settings": json.dumps(settings, sort_keys=True),
        "seed": seed,
        "policy": {k: v.cpu().clone() for k, v in learner.best_policy.items()},
        "value": {k: v.cpu().clone() for k, v in learner.best_value.items()},
        "masks": {part: {k: m.cpu() for k, m in masks.items()} for part, masks in learner.masks.items()},
        "score": {
            **learner.best,
            "reached_criterion": reached,
            "n_updates": learner.n_updates,
            "n_trials_trained": learner.n_trials,
        },
        "provenance": json.dumps(dict(provenance), sort_keys=True),
        "resume": learner.state(),
    }
    if learner.initial:
        content["initial"] = learner.initial
    task = learner.task
    write_history(
        history_path,
        learner.history,
        settings,
        provenance,
        seed=seed,
        task=task.name,
        reached_criterion=reached,
        n_trials=learner.n_trials,
        n_updates=learner.n_updates,
        **{name: getattr(task, name) for name in task.targets},
    )
    write_tensors(network_path, content)
