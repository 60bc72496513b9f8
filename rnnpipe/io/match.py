"""Whether a network and a file of trials belong together."""

from __future__ import annotations

from rnnpipe.errors import ArtefactError
from rnnpipe.io.network import Network
from rnnpipe.io.trials import TrialsFile


def check_match(network: Network, trials: TrialsFile) -> None:
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
