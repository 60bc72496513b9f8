"""Kinds of policy networks: what a learner, an evaluation and a reader of files must know of each.

Their modules are imported by name, so that a change of one kind retrains only its own networks.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor

from rnnpipe.settings import Settings
from rnnpipe.tasks._environment import AnyTask

if TYPE_CHECKING:
    from rnnpipe.networks.engines import Engine
    from rnnpipe.networks.parameters import Parameters
    from rnnpipe.networks.rate_settings import RateSettings
    from rnnpipe.networks.settings import GatedSettings, Penalty, ValueSettings

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


def policy_kind(name: object) -> PolicyKind:
    """The kind of that name; a name that is not known leads to the gated kind, whose settings refuse it."""
    module = importlib.import_module(f"rnnpipe.networks.{'rate' if name == RATE else 'gated'}_policy")
    kind: PolicyKind = module.KIND
    return kind
