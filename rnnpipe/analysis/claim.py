"""What a claim is: a number of a paper, the band it should fall into, and where it is measured."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from rnnpipe.settings import Settings, setting

HISTORY, NETWORK, FIXED_POINTS = "history", "network", "fixed_points"
"""Needs that are a training history, a network and its fixed points; any other is an entry of `spiking` or the name of
a data set that a network was evaluated on."""


class Claim(Settings):
    """One row of the table of claims."""

    quantity: str = setting(..., "what is measured; one of the quantities of `rnnpipe claims --help`")
    of: str | list[str] = setting(..., "experiment (or sweep) whose networks it is measured on, or a list of them")
    needs: list[str] = setting(
        ...,
        "what it is measured from: `history`, `network`, `fixed_points`, the name of a data set, or entries of"
        " `spiking`",
        min_length=1,
    )
    source: str = setting("", "where the target comes from")
    seeds: list[int] | None = setting(None, "which of the experiments' networks; by default all", min_length=1)
    where: dict[str, Any] = setting(
        {}, "settings that networks mapped to spikes are chosen by: `{n_units: 50}`, or a list of values each"
    )
    unit: str = setting("", "unit of the target and of what is measured")
    target_low: float | None = setting(None, "smallest value that fulfils the claim; null for no lower bound")
    target_high: float | None = setting(None, "largest value that fulfils the claim; null for no upper bound")

    @property
    def experiments(self) -> list[str]:
        """Names of the experiments that it is about."""
        return [self.of] if isinstance(self.of, str) else list(self.of)

    @model_validator(mode="after")
    def _band_is_possible(self) -> Claim:
        low, high = self.target_low, self.target_high
        if low is None and high is None:
            raise ValueError("target_low and target_high are both missing; a claim needs at least one bound")
        if low is not None and high is not None and low > high:
            raise ValueError(f"target_low ({low:g}) is above target_high ({high:g})")
        return self
