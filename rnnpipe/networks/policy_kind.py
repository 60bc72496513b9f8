"""Kinds of policy networks: what a learner, an evaluation and a reader of files must know of each.

The module of rate networks is imported by name, so that a change of it does not retrain the other kinds.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor

from rnnpipe.errors import SettingsError
from rnnpipe.networks.engines import Engine, make_engine
from rnnpipe.networks.parameters import Parameters, initial_policy, recurrent_shapes
from rnnpipe.networks.settings import GatedSettings, Penalty, ValueSettings, check_inputs
from rnnpipe.settings import Settings
from rnnpipe.tasks._environment import AnyTask

if TYPE_CHECKING:
    from rnnpipe.networks.rate_settings import RateSettings

    PolicySettings = GatedSettings | RateSettings
    """Settings of a policy network of any kind."""

RATE = "rate"


class PolicyKind(Protocol):
    """One kind of policy networks; `network` is the settings of one."""

    settings: ClassVar[type[Settings]]
    """Its settings."""
    kept_initial: ClassVar[tuple[str, ...]]
    """Parameters whose values before training are kept in its files."""

    def check(self, network: Any, task: AnyTask) -> None:
        """Raise a SettingsError if the network cannot do the task."""

    def engine(self, device: torch.device, task: AnyTask, network: Any, value: ValueSettings) -> Engine:
        """What runs the network, and a value network beside it."""

    def initial(self, network: Any, task: AnyTask, seed: int) -> tuple[Parameters, dict[str, Tensor]]:
        """Initial parameters and masks."""

    def untrained(self, network: Any) -> Collection[str]:
        """Parameters that are not trained."""

    def penalty(self, network: Any) -> Penalty:
        """What is added to the loss."""

    def confine(self, parameters: Mapping[str, Tensor]) -> None:
        """Move parameters back, in place, to where they may be, after an optimiser's step."""

    def shapes(self, network: Any, n_inputs: int, n_actions: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters by name."""

    def structure(self, network: Any) -> dict[str, object]:
        """Settings, by name, in which a network must agree with one that its training starts from."""


class GatedKind:
    """Gated and simple networks."""

    settings: ClassVar[type[Settings]] = GatedSettings
    kept_initial: ClassVar[tuple[str, ...]] = ()

    def check(self, network: GatedSettings, task: AnyTask) -> None:
        """See `PolicyKind`."""
        if task.dt > network.tau:
            raise SettingsError(
                f"task.dt = {task.dt:g} ms is longer than network.tau = {network.tau:g} ms; take a shorter step."
            )
        check_inputs(network, task.input_names)

    def engine(self, device: torch.device, task: AnyTask, network: GatedSettings, value: ValueSettings) -> Engine:
        """See `PolicyKind`."""
        alpha = task.dt / network.tau
        sd, value_sd = (math.sqrt(2 / alpha * one.var_rec) for one in (network, value))
        return make_engine(device, alpha, sd, value_sd, task)

    def initial(self, network: GatedSettings, task: AnyTask, seed: int) -> tuple[Parameters, dict[str, Tensor]]:
        """See `PolicyKind`."""
        return initial_policy(network, task.input_names, len(task.action_names), seed)

    def untrained(self, network: GatedSettings) -> Collection[str]:
        """See `PolicyKind`."""
        return network.fixed

    def penalty(self, network: GatedSettings) -> Penalty:
        """See `PolicyKind`."""
        return network.penalty

    def confine(self, parameters: Mapping[str, Tensor]) -> None:
        """See `PolicyKind`: they may be anywhere."""

    def shapes(self, network: GatedSettings, n_inputs: int, n_actions: int) -> dict[str, tuple[int, ...]]:
        """See `PolicyKind`."""
        return recurrent_shapes(network.kind, network.n_units, n_inputs, n_actions)

    def structure(self, network: GatedSettings) -> dict[str, object]:
        """See `PolicyKind`."""
        return {
            "input_targets that are permanent": network.input_targets if network.input_targets_permanent else {},
            **{name: getattr(network, name) for name in ("n_units", "connection_probability")},
        }


def policy_kind(name: object) -> PolicyKind:
    """The kind of that name; a name that is not known leads to the gated kind, whose settings refuse it."""
    if name == RATE:
        rate: PolicyKind = importlib.import_module("rnnpipe.networks.rate_policy").KIND
        return rate
    return GatedKind()
