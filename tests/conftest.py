"""What holds for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _denormals_are_drawn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Engines flush denormals in the thread that runs them; hypothesis draws them, and refuses to where that is set."""
    torch = sys.modules.get("torch")
    drawn = torch is not None and getattr(request.function, "is_hypothesis_test", False)
    if drawn:
        torch.set_flush_denormal(False)
    yield
