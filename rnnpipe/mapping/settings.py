"""Settings of stage `spiking`: the search for the factor between rate and spiking weights."""

from __future__ import annotations

from pydantic import field_validator

from rnnpipe.settings import Settings, setting


class SearchSettings(Settings):
    """Which scaling factors are tried, and on how many trials.

    A factor S divides recurrent and readout weights; the paper writes lambda = 1 / S.
    """

    factors: list[float] = setting(
        [20.0, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75], "scaling factors that are tried", min_length=1
    )
    n_trials: int = setting(100, "trials for each factor, drawn anew for each", "trials", gt=0)
    n_heldout: int = setting(
        100, "further trials on which the best factor's accuracy is measured again, and that of the rate network", gt=0
    )
    only_trained: bool = setting(
        True, "leave out networks that did not reach their training criterion, as the paper does"
    )
    seed: int = setting(1, "seed of trials, noise and initial voltages", ge=0)

    @field_validator("factors")
    @classmethod
    def _positive(cls, factors: list[float]) -> list[float]:
        for factor in factors:
            if factor <= 0:
                raise ValueError(f"a scaling factor divides the weights: {factor:g} is not above 0")
        if len(set(factors)) < len(factors):
            raise ValueError("a factor stands there twice; give each once")
        return factors
