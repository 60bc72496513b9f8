"""Dropout of units: in each update some of them, drawn anew, are not read out, or not felt by other units either.

A unit that is dropped is so at all steps of all trials of an update. It still receives its inputs, so that penalties on
activity count it, and outputs are not scaled up to make up for it. What it sends is a column of weights: of `w_out`,
and of `w_rec` in both forms of the equation, its connection to itself included.

Reference: engellab/trainRNNbrain (github.com/engellab/trainRNNbrain), state of 2026.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnpipe.training.regression_adam import Array
from rnnpipe.training.regression_settings import RegressionSettings

LARGEST = 0.999
"""Largest probability of dropping a unit."""
SENDS = {"mute": ("w_out",), "dead": ("w_out", "w_rec")}
"""Weights that a dropped unit does not send along, by kind."""


def probabilities(mean: float, values: ArrayLike, sharpness: float) -> NDArray[np.float64]:
    r"""Probability of dropping each unit, :math:`\min(p N\,\mathrm{softmax}(\beta v), 0.999)`.

    Args:
        mean: p, the mean over units as long as none is limited to 0.999.
        values: v of each unit, (n_units,).
        sharpness: beta; with 0 all units have the probability p.
    """
    z = sharpness * np.asarray(values, np.float64)
    e = np.exp(z - z.max())
    return np.minimum(mean * len(e) * e / e.sum(), LARGEST)


class Dropout:
    """Which units are dropped from update to update.

    Args:
        learning: Settings of the learning rule.
        stream: Root of the streams of random numbers, one an update.
    """

    def __init__(self, learning: RegressionSettings, stream: np.random.SeedSequence) -> None:
        self.learning, self._stream = learning, stream

    @property
    def by_participation(self) -> bool:
        """Whether it depends on how much units take part."""
        return self.learning.dropout > 0 and self.learning.dropout_by == "participation"

    def dropped(
        self, iteration: int, arrays: Mapping[str, Array], participation: Array | None
    ) -> NDArray[np.bool_] | None:
        """Units that an update leaves out, (n_units,); None if there is no dropout.

        Args:
            iteration: Number of the update; which units it is depends on it, but not on the updates before.
            arrays: The network's arrays by name of `ctrnn.ARRAYS`.
            participation: Of each unit, at the last evaluation.
        """
        learning, n = self.learning, arrays["w_out"].shape[1]
        if learning.dropout == 0:
            return None
        values: Array = np.zeros(n)
        if learning.dropout_by == "participation":
            assert participation is not None
            values = participation
        elif learning.dropout_by == "output_weights":
            values = np.abs(arrays["w_out"]).sum(0, dtype=np.float64)
        number = np.random.SeedSequence(self._stream.entropy, spawn_key=(*self._stream.spawn_key, iteration))
        drawn: NDArray[np.bool_] = np.random.default_rng(number).random(n) < probabilities(
            learning.dropout, values, learning.dropout_sharpness
        )
        return drawn

    def without(self, arrays: dict[str, Array], dropped: NDArray[np.bool_] | None) -> dict[str, Array]:
        """Weights, or gradients in them, by name: those that dropped units send are zero. Nothing is changed in place.

        As the masked weights are w m, the gradient in w is that in w m, times m: one function serves both.
        """
        if dropped is None:
            return arrays
        masked = dict(arrays)
        for name in SENDS[self.learning.dropout_kind]:
            if name in masked:
                masked[name] = np.where(dropped, masked[name].dtype.type(0), masked[name])
        return masked
