"""DNMS: respond to the test if it is not in the direction of the sample."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_match import YangMatchSample


class YangDNMS(YangMatchSample):
    """Respond in the direction of the test if that of the sample was opposite; withhold if it was the same.

    Reference: DNMS of Yang et al. (2019); see `YangMatchSample`.
    """

    name: ClassVar[str] = "yang_dnms"
    environment: ClassVar[str] = "Yang-DNMS"
    go_on_match: ClassVar[bool] = False
