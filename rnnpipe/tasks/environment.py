"""Any gymnasium environment with discrete actions."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._environment import EnvironmentTask


class Environment(EnvironmentTask):
    """An environment by its id, with observations in a Box (flattened) and discrete actions.

    Reference: Towers et al. (2024) Gymnasium, arXiv:2407.17032.
    """

    name: ClassVar[str] = "environment"
    reference: ClassVar[str] = "Towers et al. (2024) Gymnasium, arXiv:2407.17032"
