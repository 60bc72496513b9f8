"""Dly DM 1: the stronger of two directions, one after the other, in modality 1."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_dm import YangInTurn


class YangDlyDM1(YangInTurn):
    """Two bumps, a delay between them, in modality 1 only; respond to the stronger one.

    Reference: Dly DM 1 of Yang et al. (2019); see `YangInTurn`.
    """

    name: ClassVar[str] = "yang_dlydm1"
    environment: ClassVar[str] = "Yang-DlyDM1"
    shown: ClassVar[tuple[int, ...]] = (1,)
    attended: ClassVar[tuple[int, ...]] = (1,)
    factors: ClassVar[tuple[str, ...]] = ("pair_mod1",)
