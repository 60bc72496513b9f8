"""Quantities that claims are about: one number per network, and how networks are summarised; one module a topic."""

from rnnpipe.analysis.quantities import behaviour, history, motion
from rnnpipe.analysis.quantities._registry import QUANTITIES, Quantity

__all__ = ["QUANTITIES", "Quantity", "behaviour", "history", "motion"]
