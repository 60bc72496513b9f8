"""RT Go: respond to the stimulus as soon as it is there."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_reach import YangReachAtOnce


class YangRTGo(YangReachAtOnce):
    """Respond in the direction of the stimulus at once.

    Periods: fixation 500 ms; decision 500 ms, with the stimulus on.

    Reference: RT Go of Yang et al. (2019); see `YangReachAtOnce`.
    """

    name: ClassVar[str] = "yang_rtgo"
    environment: ClassVar[str] = "Yang-RTGo"
