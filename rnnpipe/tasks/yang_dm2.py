"""DM 2: the stronger of two directions at once, in modality 2."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_dm import YangTogether


class YangDM2(YangTogether):
    """Two bumps at once, in modality 2 only; respond to the stronger one.

    Reference: DM 2 of Yang et al. (2019); see `YangTogether`.
    """

    name: ClassVar[str] = "yang_dm2"
    environment: ClassVar[str] = "Yang-DM2"
    shown: ClassVar[tuple[int, ...]] = (2,)
    attended: ClassVar[tuple[int, ...]] = (2,)
    factors: ClassVar[tuple[str, ...]] = ("coherence_mod2",)
