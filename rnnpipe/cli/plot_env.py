"""`rnnpipe plot-env`: a picture of some trials of any environment, played by any agent."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import click

from rnnpipe.errors import SettingsError
from rnnpipe.yaml_file import read_mapping

POLICIES = ("random", "ground_truth", "fixate", "agent")
TRIALS = 5
PACKAGE = str(Path(__file__).parents[1])


@click.command()
@click.argument("what", metavar="[TASK|ID]", required=False)
@click.option("--settings", "text", default="{}", metavar="JSON|FILE", help="settings of the task or environment")
@click.option(
    "--agent",
    "agent_path",
    type=click.Path(path_type=Path),
    metavar="PTH",
    help="network or agent that plays; it names the task",
)
@click.option("--policy", type=click.Choice(POLICIES), help="who plays [default: agent if one is given, else random]")
@click.option("--trials", type=click.IntRange(1), metavar="INT", help=f"trials to play [default: {TRIALS}]")
@click.option("--steps", type=click.IntRange(1), metavar="INT", help="steps to play, in place of trials")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="seed of trials and actions")
@click.option(
    "--mode",
    type=click.Choice(["trial", "session", "endless"]),
    help="what an episode is [default: endless; with an agent that of its training]",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="PDF|PNG", help="picture to write")
def command(
    what: str | None,
    text: str,
    agent_path: Path | None,
    policy: str | None,
    trials: int | None,
    steps: int | None,
    seed: int,
    mode: str | None,
    out: Path,
) -> None:
    """Draw what is seen, done and earned in some trials of a task or environment.

    TASK is one of ours, ID one of gymnasium (`CartPole-v1`, `module:Name-v0`) or of NeuroGym (`neurogym:Name-v0`).
    """
    if out.suffix not in (".pdf", ".png"):
        raise SettingsError(f"--out {out}: expected a name that ends in .pdf or .png.")
    if trials is not None and steps is not None:
        raise SettingsError("--trials and --steps: give one of them.")
    if (policy == "agent") != (agent_path is not None) and policy is not None:
        given = "no --agent is given" if agent_path is None else f"--agent {agent_path} is given"
        raise SettingsError(f"--policy {policy}: {given}; give --agent with --policy agent, or without --policy.")
    settings = read_mapping(text)

    from rnnpipe.figures.consecutive import draw, tabled
    from rnnpipe.figures.style import save_picture
    from rnnpipe.files import check_writable
    from rnnpipe.inputs import noted_inputs
    from rnnpipe.provenance import provenance
    from rnnpipe.tasks import environment_task_names, task_names

    check_writable(out)
    n = None if steps is not None else trials or TRIALS
    if agent_path is not None:
        history = _with_agent(agent_path, what, settings, seed, n, steps, mode)
    elif what is None:
        raise SettingsError("no task is named: give one, an id, or --agent.")
    else:
        from rnnpipe.evaluation.play import make_environment, play, simple_policy

        with warnings.catch_warnings(record=True) as said:
            environment = make_environment(what, settings, mode)
        for sentence in dict.fromkeys(str(one.message) for one in said if one.filename.startswith(PACKAGE)):
            print(f"note: {sentence}")
        who = policy or "random"
        words = {"random": "random actions", "ground_truth": "ground truth", "fixate": "fixates"}[who]
        history = play(environment, simple_policy(who, environment, seed), f"{what}: {words}", seed, n, steps)
    asked = {
        "what": what,
        "settings": settings,
        "policy": policy,
        "trials": n,
        "steps": steps,
        "seed": seed,
        "mode": mode,
    }
    known = what in (*task_names(), *environment_task_names())
    record = {
        "kind": "picture",
        "settings": {name: value for name, value in asked.items() if value is not None},
        "provenance": {
            **provenance("plot_env", *([f"tasks.{what}"] if known else [])),
            **noted_inputs(out, [("agent", agent_path)]),
        },
    }
    save_picture(draw(tabled(history)), out, history.name, record)
    print(f"wrote {out} ({len(history.ends)} trials, {history.n_steps} steps)")


def _with_agent(
    path: Path, what: str | None, settings: dict[str, Any], seed: int, n: int | None, steps: int | None,
    mode: str | None,
) -> Any:  # fmt: skip
    """What an agent of Stable-Baselines3 or a network of ours does."""
    from rnnpipe.evaluation.play import AgentEnvironment, AgentPolicy, play, play_network, task_of_agent
    from rnnpipe.io.network import kind_of

    kind = kind_of(path)
    if kind != "sb3_agent":
        if n is None or mode is not None:
            raise SettingsError(
                f"{'--steps' if n is None else '--mode'}: {path} is no agent of Stable-Baselines3; a network of ours"
                " plays whole trials, each from its initial state: give --trials."
            )
        return play_network(path, kind, what, settings, seed, n)
    from rnnpipe.training.sb3_agents import load_agent

    agent = load_agent(path)
    task = task_of_agent(agent.task, what, settings, path)
    if mode is not None:
        changed = {**agent.settings.model_dump(), "mode": mode}
        agent = dataclasses.replace(agent, settings=type(agent.settings).model_validate(changed))
    agent = dataclasses.replace(agent, task=task)
    acting = AgentPolicy(agent.model)
    name = f"{task.name}: {agent.settings.algorithm}, seed {agent.seed}"
    return play(AgentEnvironment(agent.make_env(1, seed)), acting, name, seed, n, steps, acting.rates)
