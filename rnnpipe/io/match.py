"""Whether a network and a file of trials, or a training that starts from it, belong together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rnnpipe.errors import ArtefactError
from rnnpipe.io.network import Network
from rnnpipe.io.trials import TrialsFile
from rnnpipe.networks.policy_kind import policy_kind
from rnnpipe.networks.settings import ValueSettings
from rnnpipe.tasks._environment import AnyTask

if TYPE_CHECKING:
    from rnnpipe.networks.policy_kind import PolicySettings


class Trained(Protocol):
    """Whatever has a file and the task that it was trained on."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def task(self) -> AnyTask:
        """The task."""


def check_match(network: Trained, trials: TrialsFile) -> None:
    """Check that trials are of the network's task, step and channels.

    Raises:
        ArtefactError: They are not.
    """
    task, dt = trials.attributes.get("task"), trials.attributes.get("dt")
    if task != network.task.name:
        raise ArtefactError(
            f"{network.path} was trained on task {network.task.name!r}, but {trials.path} holds trials of {task!r};"
            " evaluate it on a dataset of its own task."
        )
    if dt != network.task.dt:
        raise ArtefactError(
            f"{network.path} was trained with dt = {network.task.dt:g} ms, but {trials.path} has dt = {dt:g} ms; make"
            " the dataset with the network's dt."
        )
    shape = trials.file["inputs"].shape[2], trials.file["rewards"].shape[2]
    expected = len(network.task.input_names), len(network.task.action_names)
    if shape != expected:
        raise ArtefactError(f"{trials.path}: has {shape} inputs and actions, the network expects {expected}.")


def check_start(network: Network, task: AnyTask, policy: PolicySettings, value: ValueSettings) -> None:
    """Check that a training of these settings can start from a network: same channels, kinds, sizes and connections.

    Raises:
        ArtefactError: It cannot; the message names the field.
    """
    had, had_value = network.policy_settings, network.value_settings
    fields: list[tuple[str, object, object]] = [
        ("the task's inputs", list(network.task.input_names), list(task.input_names)),
        ("the task's actions", list(network.task.action_names), list(task.action_names)),
        ("network.kind", had.kind, policy.kind),
    ]
    if had.kind == policy.kind:
        kind = policy_kind(policy.kind)
        wanted = kind.structure(policy)
        fields += [(f"network.{name}", theirs, wanted[name]) for name, theirs in kind.structure(had).items()]
    structure = ["kind", "n_units", "connection_probability"]
    if value.kind == had_value.kind == "linear":
        structure = []  # it follows from the policy network
    fields += [(f"value_network.{name}", getattr(had_value, name), getattr(value, name)) for name in structure]
    for what, theirs, ours in fields:
        if theirs != ours:
            raise ArtefactError(
                f"{network.path}: training cannot start from it: {what}: {theirs!r} there, {ours!r} here; set what it"
                " has or train from the start."
            )
