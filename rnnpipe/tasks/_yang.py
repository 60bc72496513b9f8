"""What the twenty tasks of Yang et al. (2019) share: inputs of two modalities, choices on a ring, a rule input."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Rng
from rnnpipe.tasks._ring import RingChoiceTask

YANG19 = (
    *("yang_go", "yang_rtgo", "yang_dlygo", "yang_anti", "yang_rtanti", "yang_dlyanti"),
    *("yang_dm1", "yang_dm2", "yang_ctxdm1", "yang_ctxdm2", "yang_multidm"),
    *("yang_dlydm1", "yang_dlydm2", "yang_ctxdlydm1", "yang_ctxdlydm2", "yang_multidlydm"),
    *("yang_dms", "yang_dnms", "yang_dmc", "yang_dnmc"),
)
"""Names of the twenty tasks, in the order of the paper and of the rule inputs."""

WIDTH = np.pi / 8
"""Standard deviation of a bump of input, radians."""


def gaussian_bump(n: int, direction: NDArray[Any]) -> NDArray[np.float64]:
    """Levels of a ring of `n` channels, 0.8 exp(-(d / (pi / 8))^2 / 2), d being the angle to `direction`, 2 pi k / n.

    Args:
        n: Number of channels.
        direction: Direction that is shown, counted from 0, (n_trials,).

    Returns:
        Levels, (n_trials, n).
    """
    steps = np.abs(np.arange(n) - np.asarray(direction)[:, None]) % n
    away = 2 * np.pi * np.minimum(steps, n - steps) / n
    return 0.8 * np.exp(-((away / WIDTH) ** 2) / 2)


class YangTask(RingChoiceTask):
    """One of the twenty: a fixation cue, two rings of inputs, the two modalities, and a choice for each direction.

    Signals are bumps (`gaussian_bump`) times a strength; noise, where there is any, is on both rings while a stimulus
    is on. With `rule_input` a one-hot code of the task, in the order of `YANG19`, follows them throughout the trial, so
    that one network can be trained on all twenty.

    A subclass gives `levels`, besides what `PeriodTask` asks for.

    Reference: Yang, Joglekar, Song, Newsome & Wang (2019) Nat Neurosci 22:297; NeuroGym.
    """

    reference: ClassVar[str] = "Yang, Joglekar, Song, Newsome & Wang (2019) Nat Neurosci 22:297"
    validation_trials: ClassVar[int] = 500

    dim_ring: int = setting(
        16,
        "directions, equally spaced on a ring, each with an input in both modalities and a choice",
        ge=4,
        multiple_of=2,
    )
    rule_input: bool = setting(False, "append 20 inputs of which that of this task is on throughout the trial")

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The fixation cue, both rings and, if there is a rule input, the twenty rules."""
        rings = (f"mod{modality}_{k + 1}" for modality in (1, 2) for k in range(self.dim_ring))
        rules = (name.replace("yang", "rule") for name in YANG19) if self.rule_input else ()
        return "fixation", *rings, *rules

    def levels(self, conditions: Conditions) -> dict[str, NDArray[np.float64]]:
        """Level of both rings, one after the other, in each period of a stimulus, (n_trials, 2 dim_ring)."""
        raise NotImplementedError

    def observe(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        n_signals = 1 + 2 * self.dim_ring
        super().observe(inputs[..., :n_signals], conditions, during, rng)
        if self.rule_input:
            inputs[..., n_signals + YANG19.index(self.name)] = np.any([during[p] for p in self.periods], axis=0)

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        for period, level in self.levels(conditions).items():
            self.add_signals(inputs, during[period], level, rng)

    def shown_in(self, modality: NDArray[Any], direction: NDArray[Any]) -> NDArray[np.float64]:
        """Levels of both rings if one of them, 1 or 2, shows a direction, (n_trials, 2 dim_ring)."""
        here = np.asarray(modality)[:, None] == np.repeat((1, 2), self.dim_ring)
        return here * np.tile(gaussian_bump(self.dim_ring, direction), 2)
