"""Quantities of many rate networks and the spiking ones that they were mapped to.

They read one row a network, as `rnnpipe.analysis.networks.read_networks` gives it, with the columns `experiment` and
`need` (the entry of `spiking`). Accuracies of spiking networks are those of the search for the scaling factor, as
published, unless they are called held-out. Networks that missed the training criterion count where training is
measured only. Groups are the networks of one experiment that were mapped in one way, in the order of the claim.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from rnnpipe.analysis.networks import SUCCESS, best_mappings, difference_p
from rnnpipe.analysis.quantities._registry import quantity


def _trained(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["trained"].astype(bool)]


def _trials(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the training trials of networks that reached the criterion only; no group is lost."""
    return table.assign(n_trials_trained=table["n_trials_trained"].where(table["trained"].astype(bool)))


def _values(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    return table[column].dropna().to_numpy(float)


def _mean(table: pd.DataFrame, column: str) -> float:
    values = _values(table, column)
    return float(values.mean()) if len(values) else np.nan


def _groups(table: pd.DataFrame, column: str) -> list[NDArray[np.float64]]:
    return [_values(rows, column) for _, rows in table.groupby(["experiment", "need"], sort=False)]


def _means(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Mean of each group, NaN of an empty one."""
    return np.array([values.mean() if len(values) else np.nan for values in _groups(table, column)])


@quantity("networks", "pooled")
def fraction_trained(table: pd.DataFrame) -> float:
    """Fraction of rate networks that reached the training criterion."""
    return float(table["trained"].astype(bool).mean())


@quantity("networks", "pooled")
def mean_trials_trained(table: pd.DataFrame) -> float:
    """Mean number of training trials to the criterion, over networks that reached it."""
    return _mean(_trained(table), "n_trials_trained")


@quantity("networks", "pooled")
def trials_ratio(table: pd.DataFrame) -> float:
    """Mean number of training trials to the criterion of the first experiment over that of the last."""
    means = _means(_trials(table), "n_trials_trained")
    return float(means[0] / means[-1]) if len(means) > 1 else np.nan


@quantity("networks", "pooled")
def trials_size_correlation(table: pd.DataFrame) -> float:
    """Rank correlation of the number of units and the mean number of training trials to the criterion."""
    means = _trained(table).groupby("n_units")["n_trials_trained"].mean()
    return float(spearmanr(means.index, means).statistic) if len(means) > 2 else np.nan


@quantity("networks", "pooled")
def lowest_rate_accuracy(table: pd.DataFrame) -> float:
    """Fraction of held-out trials that the worst of the trained rate networks has correct."""
    values = _values(_trained(table), "rate_accuracy")
    return float(values.min()) if len(values) else np.nan


@quantity("networks", "pooled")
def mean_rate_accuracy(table: pd.DataFrame) -> float:
    """Fraction of held-out trials that trained rate networks have correct, mean over networks."""
    return _mean(_trained(table), "rate_accuracy")


@quantity("networks", "pooled")
def mean_tau(table: pd.DataFrame) -> float:
    """Mean time constant of the units of trained networks, mean over networks."""
    return _mean(_trained(table), "tau_mean")


@quantity("networks", "pooled")
def fraction_successful(table: pd.DataFrame) -> float:
    """Fraction of the spiking networks with an accuracy of at least 95 %."""
    values = _values(table, "accuracy")
    return float((values >= SUCCESS).mean()) if len(values) else np.nan


@quantity("networks", "pooled")
def mean_spiking_accuracy(table: pd.DataFrame) -> float:
    """Accuracy of spiking networks at the best scaling factor, as found in the search (an optimistic estimate)."""
    return _mean(table, "accuracy")


@quantity("networks", "pooled")
def best_spiking_accuracy(table: pd.DataFrame) -> float:
    """Accuracy of the best of the spiking networks."""
    values = _values(table, "accuracy")
    return float(values.max()) if len(values) else np.nan


@quantity("networks", "pooled")
def mean_heldout_accuracy(table: pd.DataFrame) -> float:
    """Accuracy of spiking networks on held-out trials, at the scaling factor that was best in the search."""
    return _mean(table, "heldout_accuracy")


@quantity("networks", "pooled")
def first_group_shortfall(table: pd.DataFrame) -> float:
    """Lowest mean accuracy of the other groups less that of the first, which is the worst of all where positive."""
    means = _means(table, "accuracy")
    return float(means[1:].min() - means[0]) if len(means) > 1 else np.nan


@quantity("networks", "pooled")
def heldout_accuracy_rise(table: pd.DataFrame) -> float:
    """Mean accuracy on held-out trials of the last group less that of the first."""
    means = _means(table, "heldout_accuracy")
    return float(means[-1] - means[0]) if len(means) > 1 else np.nan


@quantity("networks", "pooled")
def best_refractory_period(table: pd.DataFrame) -> float:
    """Refractory period of the highest mean accuracy on held-out trials, the shortest of several."""
    means = table.groupby("t_ref")["heldout_accuracy"].mean().dropna()
    return float(means.idxmax()) if len(means) > 1 else np.nan


@quantity("networks", "pooled")
def accuracy_difference_p(table: pd.DataFrame) -> float:
    """P of equal accuracies of the groups: rank-sum test of two, Kruskal-Wallis test of more."""
    return difference_p(_groups(table, "accuracy"))


@quantity("networks", "pooled")
def descending_accuracy(table: pd.DataFrame) -> float:
    """Smallest fall of the mean accuracy from one experiment to the next, at each network's best way of mapping."""
    means = best_mappings(table).groupby("experiment", sort=False)["accuracy"].mean().to_numpy(float)
    return float((means[:-1] - means[1:]).min()) if len(means) > 1 else np.nan


@quantity("networks", "pooled")
def descending_success(table: pd.DataFrame) -> float:
    """Smallest fall of the fraction of successful spiking networks from one experiment to the next, mapped as above."""
    best = best_mappings(table)
    success = (best["accuracy"] >= SUCCESS).astype(float).where(best["accuracy"].notna())
    means = success.groupby(best["experiment"], sort=False).mean().to_numpy(float)
    return float((means[:-1] - means[1:]).min()) if len(means) > 1 else np.nan


@quantity("networks", "pooled")
def fraction_successful_of_best(table: pd.DataFrame) -> float:
    """Fraction of the networks with an accuracy of at least 95 %, at each network's best way of mapping."""
    return fraction_successful(best_mappings(table))


@quantity("networks", "pooled")
def population_rate(table: pd.DataFrame) -> float:
    """Mean firing rate of all units, mean over spiking networks."""
    return _mean(table, "rate_hz")


@quantity("networks", "pooled")
def inhibitory_rate(table: pd.DataFrame) -> float:
    """Mean firing rate of the inhibitory units (of those that receive inhibition), mean over spiking networks."""
    return _mean(table, "inhibitory_hz")


@quantity("networks", "pooled")
def quiet_excitatory_units(table: pd.DataFrame) -> float:
    """Fraction of excitatory units that fire below 2 Hz, over conditions, mean over spiking networks."""
    return _mean(table, "quiet_excitatory")


@quantity("networks", "pooled")
def type_rates_fall(table: pd.DataFrame) -> float:
    """Smaller step of the firing rates from SOM to other inhibitory to excitatory units, mean over networks."""
    rates = table[["som_hz", "inhibitory_hz", "excitatory_hz"]].dropna().mean().to_numpy(float)
    return float((rates[:-1] - rates[1:]).min())
