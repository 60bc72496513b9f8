"""The study `song2017` at scale smoke: in a file of its own, so that several run side by side."""

from pathlib import Path

import pytest
from running import run_smoke


@pytest.mark.slow
def test_song2017(tmp_path: Path) -> None:
    run_smoke(tmp_path, "song2017")
