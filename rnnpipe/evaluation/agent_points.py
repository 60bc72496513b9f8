"""Fixed points of the LSTM of an agent of Stable-Baselines3, for stage `fixed_points`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.analysis.constant_inputs import constant_inputs
from rnnpipe.analysis.fixed_points import FixedPoints, find_fixed_points
from rnnpipe.analysis.fixed_points_settings import FixedPointSettings
from rnnpipe.analysis.lstm_map import LstmMap
from rnnpipe.errors import ArtefactError
from rnnpipe.evaluation.run_agent import Named, play
from rnnpipe.io.match import check_match
from rnnpipe.io.trials import open_trials
from rnnpipe.tasks._base import Task
from rnnpipe.training.sb3_agents import Agent, load_agent
from rnnpipe.trials import FIXATE

Array = NDArray[np.float64]


def agent_points(
    path: Path, dataset: Path, search: FixedPointSettings
) -> tuple[Agent, dict[str, tuple[Array, FixedPoints, Array]]]:
    """Search for the fixed points of an agent under each constant input of its task.

    Where observations have the reward and the action of the step before, these are 0 and to fixate.

    Returns:
        The agent, and by the input's label its values, the fixed points (`x` is h alone, (n, n_cells); the eigenvalues
        are those of the map of h and c) and the policy at them.

    Raises:
        ArtefactError: The agent has no LSTM or no constant inputs, or the trials are of another task.
    """
    agent = load_agent(path)
    if not agent.settings.recurrent or not isinstance(agent.task, Task):
        raise ArtefactError(
            f"{path}: is an agent"
            + (" without recurrent units" if not agent.settings.recurrent else " of an environment")
            + ", which has no fixed points under the constant inputs of a trial; take a recurrent one of a"
            " trial-structured task."
        )
    with open_trials(dataset) as trials:
        check_match(Named(path, agent.task), trials)
        actions, _, recorded = play(agent, trials[: search.n_trials], True)
    visited = np.concatenate([recorded["policy_rates"], recorded["states"]], axis=2).astype(np.float64)[actions >= 0]
    weights = {name: tensor.numpy() for name, tensor in agent.model.policy.state_dict().items()}
    found = {}
    for k, (label, shown) in enumerate(constant_inputs(agent.task).items()):
        u = np.concatenate([shown, _passed(agent)])
        points = find_fixed_points(
            LstmMap.of(weights, u, agent.task.dt), visited, search, np.random.default_rng([search.seed, 1 + k])
        )
        h = points.x[:, : points.x.shape[1] // 2]
        found[label] = (u, dataclasses.replace(points, x=h), _policy(agent, h))
    return agent, found


def _passed(agent: Agent) -> Array:
    reward = np.zeros(int(agent.settings.pass_reward))
    action = np.zeros(len(agent.task.action_names) * agent.settings.pass_action)
    action[FIXATE : FIXATE + 1] = 1.0
    return np.concatenate([reward, action])


@torch.no_grad()
def _policy(agent: Agent, h: Array) -> Array:
    """Probabilities of the actions where the LSTM's output is h, (n, n_actions)."""
    policy: Any = agent.model.policy
    latent = policy.mlp_extractor.forward_actor(torch.as_tensor(h, dtype=torch.float32))
    probabilities: Array = policy.action_net(latent).softmax(1).numpy().astype(np.float64)
    return probabilities
