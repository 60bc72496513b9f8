"""Multi DM: the stronger of two directions at once, summed over both modalities."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_dm import YangTogether


class YangMultiDM(YangTogether):
    """Two bumps at once, in both modalities; respond to the one that is stronger in their sum.

    Opposite coherences cancel, on 1 of 8 trials: nobody is right on more than 15/16 of the trials.

    Reference: Multi DM of Yang et al. (2019); see `YangTogether`.
    """

    name: ClassVar[str] = "yang_multidm"
    environment: ClassVar[str] = "Yang-MultiDM"
    shown: ClassVar[tuple[int, ...]] = (1, 2)
    attended: ClassVar[tuple[int, ...]] = (1, 2)
    factors: ClassVar[tuple[str, ...]] = ("coherence_mod1", "coherence_mod2")
