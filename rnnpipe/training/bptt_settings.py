"""Settings of supervised learning by backpropagation through time; the defaults are those of Kim et al. (2019)."""

from __future__ import annotations

from typing import Literal

from rnnpipe.settings import Settings, setting

BPTT = "bptt"
"""`rule` of backpropagation through time."""


class BpttSettings(Settings):
    """Backpropagation through time with Adam, as in Kim, Li & Sejnowski (2019): every trial is an update."""

    rule: Literal["bptt"] = setting(BPTT, "bptt: the output learns a target")
    learning_rate: float = setting(0.01, "Adam learning rate", gt=0)
    loss: Literal["l2", "l1"] = setting(
        "l2", "l2: root of the summed squared error of a trial; l1: summed absolute error"
    )
    trials_per_update: int = setting(
        1,
        "trials of one gradient step, of whose losses the mean counts; more than one is another learning rule than the"
        " published one: fewer and less noisy updates, more trials",
        "trials",
        gt=0,
    )
    max_trials: int = setting(6000, "largest number of training trials", "trials", gt=0)
    min_trials: int = setting(
        0, "trials before training may end; 0: as in the paper's figures, 1500: the authors' code on Go-NoGo", ge=0
    )
    evaluation_interval: int = setting(
        100, "updates between evaluations; the first one is after one update", "updates", gt=0
    )
    evaluation_trials: int = setting(100, "fresh trials of one evaluation", "trials", gt=0)
    loss_threshold: float = setting(7.0, "training ends when the mean loss of an evaluation is below this ...", gt=0)
    accuracy_threshold: float = setting(0.95, "... and the fraction of correct trials above this", ge=0, lt=1)
    record_states: bool = setting(
        True, "keep states and rates of the first and of the last training trial, for the .mat file"
    )
    on_failure: Literal["error", "keep"] = setting(
        "keep", "not reaching the criterion: keep the network, which says so, or a failed job"
    )
