"""Learning to follow a target as stage `train` runs it: several networks side by side, from first update to files."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rnnpipe.errors import Interrupted, SettingsError, TrainingError
from rnnpipe.files import check_writable
from rnnpipe.io.ctrnn import write_ctrnn
from rnnpipe.io.history import write_regression_history
from rnnpipe.memory import keep_freed_memory
from rnnpipe.networks.ctrnn_engine import CtrnnEngine
from rnnpipe.networks.ctrnn_engine_torch import TorchCtrnnEngine
from rnnpipe.networks.engines import choose_device, hold_libraries, thread_pool
from rnnpipe.process import only_one, stop_requests
from rnnpipe.progress import Progress
from rnnpipe.settings import canonical
from rnnpipe.tasks._regression import RegressionTask
from rnnpipe.training.checkpoint import Checkpoint
from rnnpipe.training.job import Job
from rnnpipe.training.regression import MakeEngine, Member


def train(job: Job) -> None:
    """Train continuous-time networks on a task with a target, each until it ends; results do not depend on threads."""
    task, network, learning = (job.settings[name] for name in ("task", "network", "learning"))
    if not isinstance(task, RegressionTask):
        raise SettingsError(
            f"task {task.name} has no target in time for outputs, which rule regression learns from; take a task that"
            " has (flip_flop, cddm, ...), rule: bptt for the tasks of Kim et al., or rule: policy_gradient."
        )
    if job.initial is not None:
        raise SettingsError("--initial is for policy-gradient trainings; rule regression starts from new weights.")
    # a device pays for large networks alone: with small ones, each operation on it waits longer than it computes
    where = choose_device("cpu" if job.device == "auto" else job.device)
    keep_freed_memory()
    hold_libraries()
    place = job.checkpoint or _beside(job)
    check_writable(*(path for seed in job.seeds for path in (job.network(seed), job.history(seed))), place)
    with only_one(place), thread_pool(job.threads) as pool:
        # several networks share the threads, one each; a network alone spreads its batch over them
        map_: Callable[..., Any] = pool.map if job.threads > 1 else map
        alone = len(job.seeds) == 1
        engine: MakeEngine = partial(CtrnnEngine, map_=map_ if alone else map)
        if where.type != "cpu":
            engine = partial(TorchCtrnnEngine, device=where)
        members = [Member(task, network, learning, seed, engine) for seed in job.seeds]
        kept = Checkpoint(place, canonical([job.plain, job.seeds, job.provenance, where.type]))
        _run(members, kept, job.checkpoint_seconds, map if alone or where.type != "cpu" else map_)
        failed = [member for member in members if not member.reached_criterion]
        error = bool(failed) and learning.on_failure == "error"
        scores = [_write(member, job, "failed" if error and member in failed else "") for member in members]
        if error:
            seeds = ", ".join(str(member.seed) for member in failed)
            raise TrainingError(
                f"the held-out error of seed {seeds} did not come down to {learning.tolerance:g} within"
                f" {learning.max_iterations} updates; networks and histories are beside {job.network(failed[0].seed)}"
                " as *.failed.*. Raise learning.max_iterations or learning.tolerance, take other seeds, or set"
                " learning.on_failure: keep."
                if learning.tolerance is not None
                else f"the network of seed {seeds} diverged more than {learning.max_rollbacks} times; networks and"
                f" histories are beside {job.network(failed[0].seed)} as *.failed.*. Lower learning.learning_rate."
            )
        errors = sorted(score["mse"] for score in scores)
        print(
            f"{len(members) - len(failed)} of {len(members)} networks trained; error on fresh trials {errors[0]:.4g}"
            + (f" to {errors[-1]:.4g}" if len(errors) > 1 else "")
            + f"; wrote {job.network(job.seeds[0])} ...",
            flush=True,
        )
        kept.drop()


def _beside(job: Job) -> Path:
    first = job.network(job.seeds[0])
    return first.with_name(f".{first.name}.checkpoint")


def _run(members: list[Member], checkpoint: Checkpoint, seconds: float, map_: Callable[..., Any]) -> None:
    """Train until every member has ended, continuing from the checkpoint if there is one."""
    state, how = checkpoint.load()
    if state is not None:
        for member, kept in zip(members, state["members"], strict=True):
            member.load_state(kept)
        how += f" at update {max(member.iteration for member in members)}"
    print(f"{how} ({len(members)} networks)" if len(members) > 1 else how, flush=True)
    limit = sum(member.learning.max_iterations for member in members)
    progress = Progress(limit, sum(member.iteration for member in members))
    saved = time.monotonic()
    try:
        with stop_requests() as received:

            def advance(member: Member) -> None:
                if not received:
                    member.advance()

            while going := [member for member in members if not member.finished]:
                before = sum(member.iteration for member in going)
                list(map_(advance, going))
                progress.advance(sum(member.iteration for member in going) - before)
                for member in going:
                    if member.history:
                        _report(progress, member)
                if received or time.monotonic() - saved >= seconds:
                    checkpoint.save(_state(members))
                    saved = time.monotonic()
                if received:
                    raise Interrupted(
                        f"stopped by {signal.Signals(received[0]).name}; the state is in {checkpoint.path} and the"
                        " same command continues from there."
                    )
    finally:
        progress.close()
    checkpoint.save(_state(members))


def _state(members: list[Member]) -> dict[str, Any]:
    return {"members": [member.state() for member in members]}


def _report(progress: Progress, member: Member) -> None:
    row, limit = member.history[-1], member.learning.max_iterations
    progress.report(
        f"seed {member.seed}  update {row['iteration']:>6}/{limit}  error {row['mse']:.4f}  r2 {row['r2']:.3f}"
        f"  best error {member.best['mse']:.4f}  loss {row['loss']:.4f}  gradient norm {row['gradient_norm']:.3g}"
        f"  spectral radius {row['spectral_radius']:.2f}"
        + (f"  taken back {member.n_rollbacks} times" if member.n_rollbacks else ""),
        important=member.finished,
        error=f"{row['mse']:.4f}",
        best=f"{member.best['mse']:.4f}",
    )


def _write(member: Member, job: Job, mark: str) -> dict[str, Any]:
    """Write the files of one network, `mark` before the suffixes; returns its score."""
    settings = {**job.plain, "seed": member.seed}
    path, history = job.network(member.seed), job.history(member.seed)
    if mark:
        path = path.with_name(f"{path.stem}.{mark}{path.suffix}")
        history = history.with_name(f"{history.name.removesuffix('.h5')}.{mark}.h5")
    write_regression_history(
        history,
        member.history,
        member.losses,
        member.errors,
        settings,
        job.provenance,
        None if member.traces is None else member.traces.participation,
        seed=member.seed,
        task=member.task.name,
        reached_criterion=member.reached_criterion,
        n_iterations=member.iteration,
        n_trials=member.n_trials,
    )
    score = member.score()
    write_ctrnn(
        path,
        member.network(),
        member.first,
        member.constraints,
        settings,
        member.seed,
        score,
        job.provenance,
        member.state(),
    )
    return score
