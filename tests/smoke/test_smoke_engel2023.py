"""The study `engel2023` at scale smoke: in a file of its own, so that several run side by side."""

from pathlib import Path

import pytest
from running import run_smoke


@pytest.mark.slow
def test_engel2023(tmp_path: Path) -> None:
    run_smoke(tmp_path, "engel2023")
