"""Training by policy gradient as stage `train` runs it: one network from the first update to its files."""

from __future__ import annotations

import hashlib
from typing import Any

from rnnpipe.errors import SettingsError, TrainingError
from rnnpipe.files import check_writable
from rnnpipe.inputs import noted_inputs
from rnnpipe.io.match import check_start
from rnnpipe.io.network import read_network
from rnnpipe.memory import keep_freed_memory
from rnnpipe.networks.engines import choose_device
from rnnpipe.process import only_one
from rnnpipe.settings import canonical
from rnnpipe.training.checkpoint import Checkpoint
from rnnpipe.training.job import Job
from rnnpipe.training.loop import run, write_results
from rnnpipe.training.policy_gradient import PolicyGradient


def train(job: Job) -> None:
    """Train a policy and a value network by policy gradient, until the task's criterion is reached."""
    if len(job.seeds) != 1:
        raise SettingsError(
            f"--seed was given {len(job.seeds)} times; a policy-gradient training is of one seed, so run one for each."
        )
    settings, seed, initial = job.settings, job.seeds[0], job.initial
    keep_freed_memory()
    where = choose_device(job.device, settings["task"])
    made_by: dict[str, Any] = dict(job.provenance)
    network_path, history = job.network(seed), job.history(seed)
    start = None
    if initial is not None:
        start = read_network(initial)
        check_start(start, settings["task"], settings["network"], settings["value_network"])
        made_by["initial"] = hashlib.sha256(initial.read_bytes()).hexdigest()  # what it holds, wherever it lies
    key = canonical([job.plain, seed, made_by, where.type])
    place = job.checkpoint or network_path.with_name(f".{network_path.name}.checkpoint")
    check_writable(network_path, history, place)
    with only_one(place):
        learner = PolicyGradient(
            settings["task"],
            settings["network"],
            settings["value_network"],
            settings["learning"],
            seed,
            where,
            job.threads,
            start,
        )
        kept = Checkpoint(place, key)
        run(learner, kept, job.checkpoint_seconds)
        best = learner.best
        task = settings["task"]
        summary = (
            f"{learner.n_trials} trials, best network: reward {best['mean_reward']:+.3f}, "
            + ", ".join(f"{word} {best[name]:.3f}" for name, word in task.measures.items())
            + f" (criterion {', '.join(f'{getattr(task, name):g}' for name in task.targets)})"
        )
        failed = not learner.reached_criterion and settings["learning"].target_reward is None
        if failed and settings["learning"].on_failure == "error":
            # beside the declared outputs, which a workflow engine deletes when a job fails
            network_path = network_path.with_name(f"{network_path.stem}.failed.pth")
            history = history.with_name(f"{history.name.removesuffix('.h5')}.failed.h5")
        made_by |= noted_inputs(network_path, [("initial", initial)]) if initial is not None else {}
        write_results(learner, network_path, history, job.plain, seed, made_by)
        if failed and settings["learning"].on_failure == "error":
            raise TrainingError(
                f"the criterion was not reached after {summary}; history in {history}, network in {network_path}."
                " Raise learning.max_updates, try another seed, or set learning.on_failure: keep."
            )
        print(f"{'criterion not reached' if failed else 'done'} after {summary}; wrote {network_path}", flush=True)
        kept.drop()
