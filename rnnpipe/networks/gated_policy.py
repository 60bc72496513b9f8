"""Gated and simple networks as policies; see `policy_kind`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from rnnpipe.errors import SettingsError
from rnnpipe.networks.engines import Engine, make_engine
from rnnpipe.networks.parameters import Parameters, initial_policy, recurrent_shapes
from rnnpipe.networks.settings import GatedSettings, Penalty, ValueSettings, check_inputs
from rnnpipe.settings import Settings
from rnnpipe.tasks._environment import AnyTask


class GatedKind:
    """Gated and simple networks; see `policy_kind.PolicyKind`."""

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


KIND = GatedKind()
