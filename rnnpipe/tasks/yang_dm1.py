"""DM 1: the stronger of two directions at once, in modality 1."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_dm import YangTogether


class YangDM1(YangTogether):
    """Two bumps at once, in modality 1 only; respond to the stronger one.

    Reference: DM 1 of Yang et al. (2019); see `YangTogether`.
    """

    name: ClassVar[str] = "yang_dm1"
    environment: ClassVar[str] = "Yang-DM1"
    shown: ClassVar[tuple[int, ...]] = (1,)
    attended: ClassVar[tuple[int, ...]] = (1,)
    factors: ClassVar[tuple[str, ...]] = ("coherence_mod1",)
