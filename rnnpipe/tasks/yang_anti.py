"""Anti: respond away from where the stimulus was."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_reach import YangReachOnCue


class YangAnti(YangReachOnCue):
    """Respond opposite to the stimulus when the fixation cue goes off.

    Periods: fixation 500 ms; stimulus 500 ms; delay, none; decision 500 ms.

    Reference: Anti of Yang et al. (2019); see `YangReachOnCue`.
    """

    name: ClassVar[str] = "yang_anti"
    environment: ClassVar[str] = "Yang-Anti"
    anti: ClassVar[bool] = True
