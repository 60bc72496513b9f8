"""Quantities that claims are about: one number per network, and how networks are summarised; one module a topic."""

from rnnpipe.analysis.quantities import (
    behaviour,
    context,
    dimensions,
    economic,
    history,
    motion,
    multisensory,
    networks,
    regression,
    risk,
    romo,
    wager,
)
from rnnpipe.analysis.quantities._registry import QUANTITIES, Quantity

__all__ = [
    "QUANTITIES",
    "Quantity",
    "behaviour",
    "context",
    "dimensions",
    "economic",
    "history",
    "motion",
    "multisensory",
    "networks",
    "regression",
    "risk",
    "romo",
    "wager",
]
