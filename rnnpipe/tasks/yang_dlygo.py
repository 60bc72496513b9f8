"""Dly Go: respond to where the stimulus was, after a delay."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_reach import YangReachFromMemory


class YangDlyGo(YangReachFromMemory):
    """Remember the direction of the stimulus and respond in it when the fixation cue goes off.

    Periods: fixation 500 ms; stimulus 500 ms; delay 500 ms; decision 500 ms.

    Reference: Dly Go of Yang et al. (2019); see `YangReachFromMemory`.
    """

    name: ClassVar[str] = "yang_dlygo"
    environment: ClassVar[str] = "Yang-DlyGo"
