"""What Kim, Li & Sejnowski (2019) PNAS 116:22811 show of single networks, to be drawn faintly behind ours."""

from __future__ import annotations

from dataclasses import dataclass

LABEL = "Kim et al. (2019)"


@dataclass(frozen=True)
class TimeConstants:
    """Tuned time constants of a published network."""

    mean: float
    """ms; stated in the text."""
    sd: float
    """ms; stated in the text."""
    counts: tuple[int, ...] = ()
    """Units in bins of 1 ms that are centered on 20, 21, ... 50 ms; digitised, empty where the figure is too small."""


TIME_CONSTANTS = {
    "1B": TimeConstants(28.2, 9.4),
    "4B": TimeConstants(
        38.9,
        9.3,
        (1, 4, 6, 4, 6, 4, 6, 9, 11, 8, 4, 6, 9, 5, 2, 2, 6, 9, 7, 4, 8, 4, 9, 6, 10, 6, 18, 15, 14, 20, 27),
    ),
}  # fmt: skip
"""By figure. These bins give 39.0 and 9.3 ms."""

RATES = {
    ("NoGo", 1): (3.08, 3.29),
    ("NoGo", -1): (10.80, 8.94),
    ("NoGo", -2): (25.50, 2.33),
    ("Go", 1): (4.72, 5.89),
    ("Go", -1): (9.30, 8.16),
    ("Go", -2): (27.05, 3.98),
}
"""Fig. S3: mean and SD of the rates of PYR, PV and SST units, Hz, by group of trials and type (1, -1, -2)."""

LOWEST_BIN = 0.77
"""Fig. S1: fraction of the excitatory units that fire at less than 2 Hz (digitised)."""

INHIBITORY_MODE = {"NoGo": 7.0, "Go": 5.0}
"""Fig. S1: most frequent rate of inhibitory units, Hz (digitised)."""
