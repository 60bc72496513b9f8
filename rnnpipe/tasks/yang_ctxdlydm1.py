"""Ctx Dly DM 1: the stronger of two directions, one after the other, in modality 1, ignoring modality 2."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_dm import YangInTurn


class YangCtxDlyDM1(YangInTurn):
    """Two bumps, a delay between them, in both modalities; respond to the one that is stronger in modality 1.

    Reference: Ctx Dly DM 1 of Yang et al. (2019); see `YangInTurn`.
    """

    name: ClassVar[str] = "yang_ctxdlydm1"
    environment: ClassVar[str] = "Yang-CtxDlyDM1"
    shown: ClassVar[tuple[int, ...]] = (1, 2)
    attended: ClassVar[tuple[int, ...]] = (1,)
    factors: ClassVar[tuple[str, ...]] = ("pair_mod1", "pair_mod2")
