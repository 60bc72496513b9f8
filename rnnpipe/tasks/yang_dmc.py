"""DMC: respond to the test if it is of the category of the sample."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.tasks._yang_match import YangMatchCategory


class YangDMC(YangMatchCategory):
    """Respond in the direction of the test if it is of the category of the sample; withhold if it is of the other.

    Reference: DMC of Yang et al. (2019); see `YangMatchCategory`.
    """

    name: ClassVar[str] = "yang_dmc"
    environment: ClassVar[str] = "Yang-DMC"
