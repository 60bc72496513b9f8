"""Multi Dly DM: the stronger of two directions, one after the other, summed over both modalities."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.settings import setting
from rnnpipe.tasks._yang_dm import YangInTurn


class YangMultiDlyDM(YangInTurn):
    """Two bumps, a delay between them, in both modalities; respond to the one that is stronger in their sum.

    Opposite pairs cancel, on 1 of 6 trials: nobody is right on more than 11/12 of the trials.

    Reference: Multi Dly DM of Yang et al. (2019); see `YangInTurn`.
    """

    name: ClassVar[str] = "yang_multidlydm"
    environment: ClassVar[str] = "Yang-MultiDlyDM"
    shown: ClassVar[tuple[int, ...]] = (1, 2)
    attended: ClassVar[tuple[int, ...]] = (1, 2)
    factors: ClassVar[tuple[str, ...]] = ("pair_mod1", "pair_mod2")

    min_correct: float = setting(0.85, "training criterion: fraction of decisions that are correct", ge=0, le=1)
