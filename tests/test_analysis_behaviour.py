"""Reaction times and accuracy by stimulus duration."""

import numpy as np
import pandas as pd
import pytest

from rnnpipe.analysis.chronometric import correct_means, falls_with_coherence, reaction_times
from rnnpipe.analysis.durations import accuracy_by_duration, equal_count_bins


def _trials(coherence: float, correct: int, times: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"coherence": coherence, "correct": correct, "reaction_time": times})


def test_reaction_times_are_means_of_correct_and_error_trials_apart() -> None:
    rt = [400.0 + 10 * i for i in range(11)]
    table = pd.concat(
        [
            _trials(10, 1, rt),
            _trials(10, 0, [t + 100 for t in rt]),
            _trials(10, -1, [np.nan] * 30),  # no decision
            _trials(20, 0, [1.0] * 10),  # one trial short
        ]
    )
    found = reaction_times(table)
    assert found["outcome"].tolist() == ["correct", "error"]
    assert found["mean"].tolist() == [450, 550]
    assert found["n"].tolist() == [11, 11]
    # SD 33.17, Student's t(10) = 2.228
    assert (found["high"] - found["mean"]).tolist() == pytest.approx([2.2281 * 33.1662 / np.sqrt(11)] * 2, rel=1e-4)
    assert reaction_times(table, min_trials=9)["coherence"].tolist() == [10, 10, 20]


@pytest.mark.parametrize(
    ("means", "expected"),
    [([600, 500, 400], True), ([600, 600, 400], False), ([500, 600, 400], False), ([1600, 500, 400], False),
     ([600, 500, 100], False)],
)  # fmt: skip
def test_falling_is_strict_and_within_bounds(means: list[float], expected: bool) -> None:
    parts = [_trials(c, 1, [m] * 12) for c, m in zip([3.2, 6.4, 51.2], means, strict=True)]
    table = pd.concat([*parts, _trials(0.0, 1, [1.0] * 12)])  # zero coherence does not count
    assert falls_with_coherence(table) is expected
    assert correct_means(table).index.tolist() == [3.2, 6.4, 51.2]


def test_falling_is_unknown_when_a_coherence_has_too_few_trials() -> None:
    table = pd.concat([_trials(3.2, 1, [600.0] * 12), _trials(6.4, 1, [500.0] * 12), _trials(51.2, 1, [400.0] * 3)])
    assert falls_with_coherence(table) is None
    assert falls_with_coherence(table[:0]) is None


def test_the_last_bin_takes_the_remainder() -> None:
    values = np.random.default_rng(0).permutation(23)
    bins = [values[i].tolist() for i in equal_count_bins(values, 10)]
    assert [len(b) for b in bins] == [2] * 9 + [5]
    assert sum(bins, []) == list(range(23))


def test_few_values_make_one_bin_and_none_no_bin() -> None:
    assert [b.tolist() for b in equal_count_bins([3.0, 1.0], 10)] == [[1, 0]]
    assert list(equal_count_bins([], 10)) == []


def test_accuracy_rises_with_duration_where_it_does() -> None:
    n = 40
    duration = np.arange(n) * 10.0
    table = pd.DataFrame({"coherence": 12.8, "stimulus": duration, "correct": (duration >= 200).astype(int)})
    more = pd.DataFrame({"coherence": [0.0, 12.8], "stimulus": [50.0, 50.0], "correct": [1, -1]})
    found = accuracy_by_duration(pd.concat([table, more])[::-1], n_bins=4)
    assert found["coherence"].unique().tolist() == [12.8]
    assert found["n"].tolist() == [10, 10, 10, 10]
    assert found["duration"].tolist() == [45, 145, 245, 345]
    assert found["p"].tolist() == [0, 0, 1, 1]
    assert ((found["low"] <= found["p"]) & (found["p"] <= found["high"])).all()
