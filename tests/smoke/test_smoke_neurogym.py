"""The study `neurogym` at scale smoke: in a file of its own, so that several run side by side."""

from pathlib import Path

import pytest
from running import run_smoke


@pytest.mark.slow
def test_neurogym(tmp_path: Path) -> None:
    pytest.importorskip("sb3_contrib")
    run_smoke(tmp_path, "neurogym")
