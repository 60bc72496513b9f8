"""Ctx Dly DM 2: the stronger of two directions, one after the other, in modality 2, ignoring modality 1."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_dm import YangInTurn


class YangCtxDlyDM2(YangInTurn):
    """Two bumps, a delay between them, in both modalities; respond to the one that is stronger in modality 2.

    Reference: Ctx Dly DM 2 of Yang et al. (2019); see `YangInTurn`.
    """

    name: ClassVar[str] = "yang_ctxdlydm2"
    environment: ClassVar[str] = "Yang-CtxDlyDM2"
    shown: ClassVar[tuple[int, ...]] = (1, 2)
    attended: ClassVar[tuple[int, ...]] = (2,)
    factors: ClassVar[tuple[str, ...]] = ("pair_mod1", "pair_mod2")
