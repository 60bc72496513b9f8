"""Supervised training as stage `train` runs it: several networks side by side from the first update to their files."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rnnpipe.errors import Interrupted, SettingsError, TrainingError
from rnnpipe.files import check_writable
from rnnpipe.io.history import write_bptt_history
from rnnpipe.io.mat import write_mat
from rnnpipe.io.rate_network import write_rate_network
from rnnpipe.memory import keep_freed_memory
from rnnpipe.networks.engines import choose_device, hold_libraries, thread_pool
from rnnpipe.process import only_one, stop_requests
from rnnpipe.progress import Progress
from rnnpipe.settings import canonical
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.training.bptt import Ensemble, Member
from rnnpipe.training.bptt_torch import TorchEnsemble
from rnnpipe.training.checkpoint import Checkpoint
from rnnpipe.training.job import Job


def train(job: Job) -> None:
    """Train rate networks by backpropagation through time, each until its criterion is reached."""
    task, network, learning = (job.settings[name] for name in ("task", "network", "learning"))
    if not isinstance(task, AnalogTask):
        raise SettingsError(
            f"task {task.name} has no target for an output, which rule bptt learns from; take an analog task"
            " (go_nogo, xor, context_integration) or rule: policy_gradient."
        )
    if job.initial is not None:
        raise SettingsError("--initial is for policy-gradient trainings; rule bptt starts from new weights.")
    # a device pays for many networks alone: by itself, each operation on it waits longer than it computes
    where = choose_device("cpu" if job.device == "auto" else job.device)
    keep_freed_memory()
    hold_libraries()
    place = job.checkpoint or _beside(job)
    paths = [path for seed in job.seeds for path in (job.network(seed), job.history(seed))]
    check_writable(*paths, place)
    with only_one(place):
        ensemble: Ensemble
        if where.type == "cpu":
            ensemble = Ensemble(task, network, learning, job.seeds)
        else:
            ensemble = TorchEnsemble(task, network, learning, job.seeds, where)
        kept = Checkpoint(place, canonical([job.plain, job.seeds, job.provenance, where.type]))
        with thread_pool(job.threads) as pool:
            _run(ensemble, kept, job.checkpoint_seconds, pool.map if job.threads > 1 else map)
        failed = [member for member in ensemble.members if not member.reached_criterion]
        error = bool(failed) and learning.on_failure == "error"
        for member in ensemble.members:
            _write(member, job, "failed" if error and member in failed else "")
        if error:
            seeds = ", ".join(str(member.seed) for member in failed)
            raise TrainingError(
                f"the criterion was not reached within {learning.max_trials} trials by seed {seeds}; networks and"
                f" histories are beside {job.network(failed[0].seed)} as *.failed.*. Raise learning.max_trials, take"
                " other seeds, or set learning.on_failure: keep."
            )
        n, trained = len(ensemble.members), len(ensemble.members) - len(failed)
        print(f"{trained} of {n} networks reached the criterion; wrote {job.network(job.seeds[0])} ...", flush=True)
        kept.drop()


def _beside(job: Job) -> Path:
    first = job.network(job.seeds[0])
    return first.with_name(f".{first.name}.checkpoint")


def _run(ensemble: Ensemble, checkpoint: Checkpoint, seconds: float, map_: Callable[..., Any]) -> None:
    """Train until every member has ended, continuing from the checkpoint if there is one."""
    state, how = checkpoint.load()
    if state is not None:
        ensemble.load_state(state)
    members = ensemble.members
    print(f"{how} ({len(members)} networks)", flush=True)
    limit = sum(member.learning.max_trials for member in members)
    progress = Progress(limit, sum(member.n_trials for member in members), unit="trial")
    saved = time.monotonic()
    with stop_requests() as received:

        def side_by_side(step: Callable[[Member], None], going: list[Member]) -> Any:
            return map_(lambda member: None if received else step(member), going)

        while not ensemble.finished:
            before = sum(member.n_trials for member in members)
            for member in ensemble.advance(side_by_side):
                if member.history:
                    _report(progress, member)
            progress.advance(sum(member.n_trials for member in members) - before)
            if received or time.monotonic() - saved >= seconds:
                checkpoint.save(ensemble.state())
                saved = time.monotonic()
            if received:
                raise Interrupted(
                    f"stopped by {signal.Signals(received[0]).name}; the state is in {checkpoint.path} and the same"
                    " command continues from there."
                )
    progress.close()
    checkpoint.save(ensemble.state())


def _report(progress: Progress, member: Member) -> None:
    row = member.history[-1]
    progress.report(
        f"seed {member.seed}  trials {row['n_trials']:>6}/{member.learning.max_trials}  accuracy {row['accuracy']:.2f}"
        f"  loss {row['loss']:.2f}  tau {row['tau_mean']:.1f} ms  density {row['density']:.3f}"
        + ("  criterion reached" if member.reached_criterion else ""),
        important=member.finished,
        accuracy=f"{row['accuracy']:.2f}",
        loss=f"{row['loss']:.2f}",
    )


def _write(member: Member, job: Job, mark: str) -> None:
    """The files of one network; `mark` goes before the suffixes."""
    row, network = member.history[-1], member.network()
    settings = {**job.plain, "seed": member.seed}
    score = {
        "accuracy": row["accuracy"],
        "loss": row["loss"],
        "reached_criterion": member.reached_criterion,
        "n_trials_trained": member.n_trials,
        "density": row["density"],
    }
    path, history = job.network(member.seed), job.history(member.seed)
    if mark:
        path = path.with_name(f"{path.stem}.{mark}{path.suffix}")
        history = history.with_name(f"{history.name.removesuffix('.h5')}.{mark}.h5")
    write_bptt_history(
        history,
        member.history,
        member.losses,
        settings,
        job.provenance,
        seed=member.seed,
        task=member.task.name,
        reached_criterion=member.reached_criterion,
        n_trials=member.n_trials,
    )
    extra = {
        "seed": member.seed,
        "P_inh": member.settings.p_inhibitory,
        "P_rec": member.settings.connection_probability,
        "gain": member.settings.gain,
        "apply_dale": member.settings.dale,
        "task": member.task.name,
        "dt_rate_ms": member.task.dt,
        "success": member.reached_criterion,
    }
    write_mat(path.with_suffix(".mat"), network, _record(member), extra)
    write_rate_network(path, network, settings, score, job.provenance, member.state())


def _record(member: Member) -> dict[str, Any]:
    """What the authors' trainer keeps of a training, in their names and shapes."""
    kept, row = member.record, member.history[-1]
    losses = np.zeros(member.learning.max_trials)
    losses[: len(member.losses)] = member.losses
    record = {
        "losses": losses,
        "tr": member.n_trials - 1,
        "eval_perf_mean": row["accuracy"],
        "eval_loss_mean": row["loss"],
        "eval_os": kept["eval_os"],
        "eval_labels": _labels(member),
        "u": kept["u"].astype(np.float64),
        "target": kept["target"].astype(np.float64),
        "o": kept["o"][..., None],
    }
    states = {name: kept[name][..., None] for name in ("x0", "r0", "x", "r") if name in kept}
    return record | states


def _labels(member: Member) -> Any:
    level = member.record["eval_labels"]
    return np.where(level > 0, "same", "diff") if member.task.name == "xor" else level
