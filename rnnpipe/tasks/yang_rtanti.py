"""RT Anti: respond away from the stimulus as soon as it is there."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_reach import YangReachAtOnce


class YangRTAnti(YangReachAtOnce):
    """Respond opposite to the stimulus at once.

    Periods: fixation 500 ms; decision 500 ms, with the stimulus on.

    Reference: RT Anti of Yang et al. (2019); see `YangReachAtOnce`.
    """

    name: ClassVar[str] = "yang_rtanti"
    environment: ClassVar[str] = "Yang-RTAnti"
    anti: ClassVar[bool] = True
