"""The study `kim2019` at scale smoke: in a file of its own, so that several run side by side."""

from pathlib import Path

import pytest
from running import run_smoke


@pytest.mark.slow
def test_kim2019(tmp_path: Path) -> None:
    run_smoke(tmp_path, "kim2019")
