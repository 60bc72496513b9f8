"""Training by Stable-Baselines3 as stage `train` runs it: one agent from the first rollout to its files."""

from __future__ import annotations

import hashlib
import signal
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from rnnpipe.errors import ArtefactError, Interrupted, SettingsError, TrainingError
from rnnpipe.files import check_writable
from rnnpipe.inputs import noted_inputs
from rnnpipe.io.history import write_history
from rnnpipe.process import only_one, stop_requests
from rnnpipe.progress import Progress
from rnnpipe.settings import canonical
from rnnpipe.tasks._environment import AnyTask, EnvironmentTask
from rnnpipe.training.checkpoint import Checkpoint
from rnnpipe.training.job import Job
from rnnpipe.training.sb3_agents import load_agent, save_agent, trained
from rnnpipe.training.sb3_learner import Learner, target_of
from rnnpipe.training.sb3_settings import Sb3Settings

LIBRARIES = ("gymnasium", "sb3-contrib", "stable-baselines3")
SHOWN = {"performance": "correct", "mean_return": "return", "mean_reward": "reward"}
"""Measures of a block in the progress, by what they are called there."""


def train(job: Job) -> None:
    """Train an agent of Stable-Baselines3 for a number of steps, or until it reaches its target.

    On one core, and on the CPU unless a GPU is asked for: at these sizes neither more cores nor a GPU are faster.
    """
    if len(job.seeds) != 1:
        raise SettingsError(
            f"--seed was given {len(job.seeds)} times; a training by rule sb3 is of one seed, so run one for each."
        )
    task, settings, seed = job.settings["task"], job.settings["learning"], job.seeds[0]
    if job.device == "cuda" and not torch.cuda.is_available():
        from rnnpipe.networks.engines import choose_device

        choose_device("cuda")
    device = "cuda" if job.device == "cuda" else "cpu"
    torch.set_num_threads(1)  # results must not depend on the number of threads
    made_by: dict[str, Any] = {**job.provenance, **{name: metadata.version(name) for name in LIBRARIES}}
    start = None
    if job.initial is not None:
        start = _start(job.initial, task, settings)
        made_by["initial"] = hashlib.sha256(job.initial.read_bytes()).hexdigest()  # what it holds, wherever it lies
    agent_path, history = job.network(seed), job.history(seed)
    place = job.checkpoint or agent_path.with_name(f".{agent_path.name}.checkpoint")
    check_writable(agent_path, history, place)
    with only_one(place):
        kept = Checkpoint(place, canonical([job.plain, seed, made_by, device]))

        def anew() -> Learner:
            return Learner(task, settings, seed, device, start)

        learner = anew()
        state, how = kept.load()
        if state is not None and learner.load_state(state):
            how += f" at step {learner.n_steps}"
        elif state is not None:
            learner = anew()
            how = f"training from the start, the environments did not repeat what is noted in {place}"
        print(how, flush=True)
        _run(learner, kept, job.checkpoint_seconds)
        made_by |= noted_inputs(agent_path, [("initial", job.initial)]) if job.initial is not None else {}
        agent = trained(learner, seed, made_by)
        score = agent.score
        write_history(
            history,
            learner.rows,
            job.plain,
            made_by,
            seed=seed,
            task=task.name,
            reached_criterion=score["reached_criterion"],
            n_trials=score["n_trials_trained"],
            n_updates=score["n_updates"],
            n_steps=score["n_steps"],
            **_targets(task, settings),
        )
        save_agent(agent_path, agent)
        measured = ", ".join(f"{word} {score[name]:.3f}" for name, word in SHOWN.items() if name in score)
        print(
            f"done after {score['n_steps']} steps, {score['n_trials_trained']} trials; last block: {measured}; wrote"
            f" {agent_path}",
            flush=True,
        )
        kept.drop()


def _run(learner: Learner, checkpoint: Checkpoint, checkpoint_seconds: float) -> None:
    """Train to the end, continuing where the learner stands; as `rnnpipe.training.loop.run` does.

    Raises:
        Interrupted: A signal came; the state is saved.
        TrainingError: The agent became NaN or infinite.
    """
    limit = learner.settings.max_steps
    progress = Progress(limit, learner.n_steps, unit="step")
    saved = time.monotonic()
    try:
        with stop_requests() as received:
            while not learner.finished:
                before = learner.n_steps
                rows = learner.update()
                progress.advance(learner.n_steps - before)
                if rows:
                    row = rows[-1]
                    measured: dict[str, Any] = {word: f"{row[name]:.3f}" for name, word in SHOWN.items() if name in row}
                    progress.report(
                        f"step {learner.n_steps:>8}/{limit}  trials {row['n_trials']:>8}"
                        + "".join(f"  {word} {value}" for word, value in measured.items())
                        + f"  value error {row['value_rmse']:.3f}",
                        **measured,
                    )
                if received or time.monotonic() - saved >= checkpoint_seconds:
                    checkpoint.save(learner.state())
                    saved = time.monotonic()
                if received and not learner.finished:
                    raise Interrupted(
                        f"stopped by {signal.Signals(received[0]).name} at step {learner.n_steps}; the state is in"
                        f" {checkpoint.path} and the same command continues from there."
                    )
    except TrainingError as error:
        raise TrainingError(f"training failed at step {learner.n_steps} ({learner.n_trials} trials): {error}") from None
    finally:
        progress.close()
    checkpoint.save(learner.state())


def _targets(task: AnyTask, settings: Sb3Settings) -> dict[str, float]:
    if isinstance(task, EnvironmentTask):
        return {"min_return": task.min_return}
    return {"min_performance": target_of(task, settings)}


def _start(path: Path, task: AnyTask, settings: Sb3Settings) -> dict[str, Any]:
    """Weights that a training starts from, checked to be those of such an agent.

    Raises:
        ArtefactError: The file is no agent, or an agent of other inputs, actions or units.
    """
    agent = load_agent(path)
    structure = ["recurrent", "hidden_layers", "n_stack", "pass_reward", "pass_action"]
    if settings.recurrent:
        structure += ["n_units", "critic"]
    fields: list[tuple[str, object, object]] = [
        ("the task's inputs", list(agent.task.input_names), list(task.input_names)),
        ("the task's actions", list(agent.task.action_names), list(task.action_names)),
        *((f"learning.{name}", getattr(agent.settings, name), getattr(settings, name)) for name in structure),
    ]
    for name, had, wanted in fields:
        if had != wanted:
            raise ArtefactError(
                f"{path}: training cannot start from it: {name}: {had!r} there, {wanted!r} here; set what it has or"
                " train from the start."
            )
    return dict(agent.model.policy.state_dict())
