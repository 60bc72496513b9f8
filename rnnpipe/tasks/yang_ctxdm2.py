"""Ctx DM 2: the stronger of two directions at once, in modality 2, ignoring modality 1."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_dm import YangTogether


class YangCtxDM2(YangTogether):
    """Two bumps at once, in both modalities; respond to the one that is stronger in modality 2.

    Reference: Ctx DM 2 of Yang et al. (2019); see `YangTogether`.
    """

    name: ClassVar[str] = "yang_ctxdm2"
    environment: ClassVar[str] = "Yang-CtxDM2"
    shown: ClassVar[tuple[int, ...]] = (1, 2)
    attended: ClassVar[tuple[int, ...]] = (2,)
    factors: ClassVar[tuple[str, ...]] = ("coherence_mod1", "coherence_mod2")
