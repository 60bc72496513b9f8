"""Many networks at once, rate networks and the spiking ones that they were mapped to: one row a network and mapping.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kruskal, mannwhitneyu

from rnnpipe.analysis.proportions import wilson
from rnnpipe.io.spiking import Spiking, read_spiking
from rnnpipe.settings import canonical

SUCCESS = 0.95
"""Accuracy from which on a spiking network is called successful in the paper."""

SETTINGS = {
    "task": ("task", "name"),
    "n_units": ("network", "n_units"),
    "tau_min": ("network", "tau_min"),
    "tau_max": ("network", "tau_max"),
    "activation": ("network", "activation"),
    "gain": ("network", "gain"),
    "dale": ("network", "dale"),
    "p_inhibitory": ("network", "p_inhibitory"),
    "n_som": ("network", "n_som"),
    "min_trials": ("learning", "min_trials"),
    "model": ("lif", "model"),
    "t_ref": ("lif", "t_ref"),
    "tau_rise": ("lif", "tau_rise"),
    "v_noise": ("lif", "v_noise"),
}
"""Columns that are settings: of the training, and of the mapping to spikes."""

TYPES = {"excitatory_hz": 1, "inhibitory_hz": -1, "som_hz": -2}
"""Columns with the mean firing rate of a type of unit, and the number that stands for it in the file."""

QUIET = 2.0
"""Rate below which most excitatory units fire in the paper, Hz."""


def read_networks(path: str | Path) -> pd.DataFrame:
    """Networks of one file of stage `spiking`.

    Returns:
        One row a network: the columns of the file's group `networks` and of `SETTINGS`; `rate_network` and `mapping`,
        which tell networks and ways of mapping them apart; mean rates over conditions and units of each of `TYPES`,
        Hz; `quiet_excitatory`, the fraction of excitatory units (in each condition) below 2 Hz. NaN where a network
        was not mapped, or has no such units.
    """
    file = read_spiking(path)
    table = file.networks.copy()
    for name, keys in SETTINGS.items():
        table[name] = file.setting(*keys)
    table["n_units"] = file.setting("network", "n_units", default=file.tau.shape[1])  # a .mat file does not say
    made = {name: file.attributes["settings"].get(name, {}) for name in ("task", "network", "learning")}
    table["rate_network"] = [f"{canonical(made)} {seed}" for seed in table["seed"]]
    table["mapping"] = canonical({name: file.attributes["settings"].get(name, {}) for name in ("lif", "search")})
    for name, kind in TYPES.items():
        table[name] = _of_units(file, kind, lambda rates: float(rates.mean()))
    table["quiet_excitatory"] = _of_units(file, 1, lambda rates: float((rates < QUIET).mean()))
    return table


def _of_units(file: Spiking, kind: int, measure: Callable[[NDArray[np.float64]], float]) -> list[float]:
    """A measure of the rates (condition, unit) of one type of unit, for each network."""
    found = []
    for rates, types in zip(file.firing_rate.astype(np.float64), file.unit_type, strict=True):
        chosen = rates[:, types == kind]
        chosen = chosen[np.isfinite(chosen).all(axis=1)]  # a condition that no held-out trial had
        found.append(measure(chosen) if chosen.size else np.nan)
    return found


def of_files(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Networks of several files as one table; one that stands there twice, mapped in one way, is taken once."""
    table = pd.concat([read_networks(path) for path in paths], ignore_index=True)
    return table.drop_duplicates(["rate_network", "mapping"], ignore_index=True)


def best_mappings(table: pd.DataFrame) -> pd.DataFrame:
    """Of the ways in which each rate network was mapped, the first one of highest accuracy in the search."""
    order = table["accuracy"].fillna(-1.0).sort_values(ascending=False, kind="stable").index
    kept = table.loc[order].drop_duplicates("rate_network").index
    return table.loc[kept.sort_values()].reset_index(drop=True)


@dataclass(frozen=True)
class Measure:
    """Something that many networks are compared by."""

    column: str
    label: str
    percent: bool
    of: Literal["training", "trained", "mapped"]
    """Which networks have it: all that were trained, those that reached the criterion, those that were mapped."""
    threshold: float | None = None
    """If given, the measure is the fraction of networks at or above it."""

    @property
    def of_rate_network(self) -> bool:
        """Whether it does not depend on how the network was mapped to spikes."""
        return self.of != "mapped" or self.column == "rate_accuracy"

    def values(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """The values of the networks that have it; percent where it is one."""
        if self.of == "trained":
            table = table[table["trained"].astype(bool)]
        column = table[self.column].to_numpy(float)
        column = column[np.isfinite(column)]
        if self.threshold is not None:
            column = (column >= self.threshold).astype(float)
        return 100 * column if self.percent else column


MEASURES = {
    "trained": Measure("trained", "Networks trained (%)", True, "training", threshold=1.0),
    "trials": Measure("n_trials_trained", "Training trials to criterion", False, "trained"),
    "rate_accuracy": Measure("rate_accuracy", "Accuracy of rate network (%)", True, "mapped"),
    "tau_mean": Measure("tau_mean", "Mean synaptic decay time (ms)", False, "trained"),
    "successful": Measure("accuracy", "Spiking networks successful (%)", True, "mapped", threshold=SUCCESS),
    "accuracy": Measure("accuracy", "Spiking accuracy in search (%)", True, "mapped"),
    "heldout_accuracy": Measure("heldout_accuracy", "Held-out spiking accuracy (%)", True, "mapped"),
    "factor": Measure("factor", "Scaling factor S = 1/λ", False, "mapped"),
    "rate_hz": Measure("rate_hz", "Mean firing rate (Hz)", False, "mapped"),
}


class Summary(NamedTuple):
    """A measure of several networks."""

    n: int
    value: float
    """Mean; NaN without networks."""
    low: float
    """Mean less SD, or lower bound of the 95 % score interval of a fraction; NaN of one network's mean."""
    high: float


def summarise(measure: Measure, values: NDArray[np.float64]) -> Summary:
    """Mean and SD (divisor n - 1) over networks, or a fraction of them with its score interval."""
    n = len(values)
    if not n:
        return Summary(0, np.nan, np.nan, np.nan)
    mean = float(values.mean())
    if measure.threshold is None:
        sd = float(values.std(ddof=1)) if n > 1 else np.nan
        return Summary(n, mean, mean - sd, mean + sd)
    scale = 100.0 if measure.percent else 1.0
    low, high = wilson(mean / scale * n, n)
    return Summary(n, mean, scale * float(low), scale * float(high))


def difference_p(groups: Iterable[ArrayLike]) -> float:
    """P of groups being alike: two-sided rank-sum test of two, Kruskal-Wallis test of more.

    1 where all values are equal; NaN with fewer than two groups, or an empty one. The paper says of its comparisons
    only that they are not significant.
    """
    found = [np.asarray(group, dtype=float) for group in groups]
    if len(found) < 2 or min(map(len, found)) == 0:
        return np.nan
    if len(np.unique(np.concatenate(found))) == 1:
        return 1.0
    if len(found) == 2:
        return float(mannwhitneyu(*found, alternative="two-sided", method="asymptotic").pvalue)
    return float(kruskal(*found).pvalue)
