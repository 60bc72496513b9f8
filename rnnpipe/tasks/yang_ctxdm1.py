"""Ctx DM 1: the stronger of two directions at once, in modality 1, ignoring modality 2."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_dm import YangTogether


class YangCtxDM1(YangTogether):
    """Two bumps at once, in both modalities; respond to the one that is stronger in modality 1.

    Reference: Ctx DM 1 of Yang et al. (2019); see `YangTogether`.
    """

    name: ClassVar[str] = "yang_ctxdm1"
    environment: ClassVar[str] = "Yang-CtxDM1"
    shown: ClassVar[tuple[int, ...]] = (1, 2)
    attended: ClassVar[tuple[int, ...]] = (1,)
    factors: ClassVar[tuple[str, ...]] = ("coherence_mod1", "coherence_mod2")
