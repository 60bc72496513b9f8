"""DNMC: respond to the test if it is not of the category of the sample."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_match import YangMatchCategory


class YangDNMC(YangMatchCategory):
    """Withhold if the test is of the category of the sample; respond in its direction if it is of the other.

    Reference: DNMC of Yang et al. (2019); see `YangMatchCategory`.
    """

    name: ClassVar[str] = "yang_dnmc"
    environment: ClassVar[str] = "Yang-DNMC"
    go_on_match: ClassVar[bool] = False
