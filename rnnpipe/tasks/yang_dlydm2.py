"""Dly DM 2: the stronger of two directions, one after the other, in modality 2."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_dm import YangInTurn


class YangDlyDM2(YangInTurn):
    """Two bumps, a delay between them, in modality 2 only; respond to the stronger one.

    Reference: Dly DM 2 of Yang et al. (2019); see `YangInTurn`.
    """

    name: ClassVar[str] = "yang_dlydm2"
    environment: ClassVar[str] = "Yang-DlyDM2"
    shown: ClassVar[tuple[int, ...]] = (2,)
    attended: ClassVar[tuple[int, ...]] = (2,)
    factors: ClassVar[tuple[str, ...]] = ("pair_mod2",)
