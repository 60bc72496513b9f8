"""DMS: respond to the test if it is in the direction of the sample."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_match import YangMatchSample


class YangDMS(YangMatchSample):
    """Respond in the direction of the test if that of the sample was the same; withhold if it was opposite.

    Reference: DMS of Yang et al. (2019); see `YangMatchSample`.
    """

    name: ClassVar[str] = "yang_dms"
    environment: ClassVar[str] = "Yang-DMS"
