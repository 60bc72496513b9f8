"""Trials for torch's DataLoader: numbered samples, streams, sets, batches; of every task."""

from __future__ import annotations

import itertools
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alike import ALIKE
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from rnnpipe.errors import SettingsError
from rnnpipe.settings import parse
from rnnpipe.tasks import task_names, trial_task_class
from rnnpipe.tasks._regression import RegressionTask
from rnnpipe.torch_data import BLOCK, Samples, TrialSet, TrialStream, collate

PDM = "perceptual_decision_making"
TUTORIAL: dict[str, Any] = {"fixation": 300.0, "stimulus": 500.0, "decision": 300.0, "dt": 50.0}
VARIED = "context_decision_making"
"""A task whose trials differ in length."""

all_tasks = pytest.mark.parametrize("name", [name for name in task_names() if name not in ALIKE])


def taken(loader: Any, n: int) -> list[dict[str, Any]]:
    return list(itertools.islice(iter(loader), n))


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    equal = all(torch.equal(a[k], b[k]) for k in ("inputs", "target", "mask"))
    return equal and a["conditions"].keys() == b["conditions"].keys()


@all_tasks
def test_every_task_gives_whole_trials(name: str) -> None:
    samples = Samples(name, seed=4)
    some = [samples(i) for i in (0, 1, BLOCK, 3)]
    for sample in some:
        n = sample["length"]
        assert sample["inputs"].shape == (n, len(samples.input_names)) and sample["inputs"].dtype == np.float32
        assert sample["mask"].shape == (n,) and sample["mask"].dtype == np.float32 and sample["mask"][-1] > 0
        if samples.discrete:
            assert sample["target"].shape == (n,) and sample["target"].dtype == np.int64
            assert sample["target"].min() >= 0 and sample["target"].max() < len(samples.output_names)
        else:
            assert sample["target"].shape == (n, len(samples.output_names)) and sample["target"].dtype == np.float32
        assert 0 < n <= samples.longest
    batch = collate(some)
    assert batch["inputs"].shape == (max(s["length"] for s in some), 4, len(samples.input_names))
    if not isinstance(trial_task_class(name), type) or not samples.discrete:
        return
    own = trial_task_class(name)().sample(np.random.default_rng(np.random.SeedSequence([4, 0])), BLOCK)
    n = some[0]["length"]
    np.testing.assert_array_equal(some[0]["inputs"], own.inputs[:n, 0])
    np.testing.assert_array_equal(some[0]["target"], own.ground_truth[:n, 0])


def test_values_follow_what_was_seen() -> None:
    """State t + 1 of the networks here is the first that has seen input t; in a sample both are row t."""
    task = parse(trial_task_class("flip_flop"), {"n_bits": 2}, "task")
    assert isinstance(task, RegressionTask)
    own = task.sample(np.random.default_rng(np.random.SeedSequence([0, 0])), BLOCK)
    assert own.target is not None and own.mask is not None
    sample = Samples("flip_flop", {"n_bits": 2})(5)
    np.testing.assert_array_equal(sample["target"], own.target[1:, 5])
    np.testing.assert_array_equal(sample["inputs"], own.inputs[:-1, 5])
    np.testing.assert_array_equal(sample["mask"], own.mask[1:, 5])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**40), size=st.integers(1, 70), start=st.integers(0, 100), chain=st.sampled_from([1, 1, 3]))
def test_sample_i_depends_on_the_seed_and_i_alone(seed: int, size: int, start: int, chain: int) -> None:
    samples = Samples(VARIED, seed=seed, chain=chain)
    stream = TrialStream(VARIED, batch_size=size, seed=seed, start=start, chain=chain)
    for k, batch in enumerate(taken(stream, 2)):
        numbers = range(start + k * size, start + (k + 1) * size)
        assert same(batch, collate([samples(i) for i in numbers]))
    singles = TrialStream(VARIED, batch_size=None, seed=seed, start=start, chain=chain)
    for k, one in enumerate(taken(singles, 3)):
        np.testing.assert_array_equal(one["inputs"], samples(start + k)["inputs"])


@pytest.mark.parametrize("batch_size", [None, 5])
def test_workers_change_nothing(batch_size: int | None) -> None:
    stream = TrialStream(VARIED, batch_size=batch_size, seed=7)
    alone, shared = (taken(DataLoader(stream, batch_size=None, num_workers=n), 7) for n in (0, 2))
    assert all(same(a, b) for a, b in zip(alone, shared, strict=True))


def test_seeds_differ_and_streams_travel() -> None:
    stream = TrialStream(PDM, seed=1)
    streams = stream, pickle.loads(pickle.dumps(stream)), TrialStream(PDM, seed=2)
    a, b, c = (next(iter(one)) for one in streams)
    assert same(a, b) and not torch.equal(a["inputs"], c["inputs"])


def test_what_is_filled_up_does_not_count() -> None:
    samples = Samples(VARIED, seed=1)
    some = [samples(i) for i in range(20)]
    batch = collate(some)
    lengths = batch["length"]
    assert len(lengths.unique()) > 1
    after = torch.arange(len(batch["mask"]))[:, None] >= lengths
    assert (batch["mask"][after] == 0).all() and (batch["inputs"][after] == 0).all()
    assert (batch["target"][after] == 0).all() and (batch["mask"][lengths - 1, torch.arange(20)] > 0).all()
    assert batch["conditions"]["delay"].shape == (20,)
    first = collate(some, batch_first=True, n_steps=samples.longest)
    assert first["inputs"].shape == (20, samples.longest, len(samples.input_names))
    assert torch.equal(first["inputs"].transpose(0, 1)[: len(batch["inputs"])], batch["inputs"])
    fixed = taken(TrialStream(VARIED, batch_size=3, fixed_length=True, batch_first=True), 2)
    assert all(b["target"].shape == (3, samples.longest) for b in fixed)


def test_chains_are_whole_trials_one_after_the_other() -> None:
    chain = Samples(VARIED, seed=3, chain=4)(2)
    trials = [chain["trial"] == k for k in range(4)]
    assert sum(t.sum() for t in trials) == chain["length"] == len(chain["inputs"])
    assert (np.diff(chain["trial"]) >= 0).all() and chain["conditions"]["delay"].shape == (4,)
    for own in trials:
        assert chain["target"][own].max() > 0 and chain["target"][own][0] == 0  # each begins with fixation
    batch = next(iter(TrialStream(VARIED, batch_size=3, seed=3, chain=4)))
    assert batch["conditions"]["delay"].shape == (3, 4) and batch["trial"].max() == 3
    assert ((batch["trial"] == -1).sum(0) == len(batch["trial"]) - batch["length"]).all()


def test_text_is_a_list() -> None:
    assert set(next(iter(TrialStream("cddm", batch_size=4)))["conditions"]["context"]) <= {"motion", "colour"}


def test_a_set_is_the_beginning_of_the_stream() -> None:
    trials = TrialSet(PDM, TUTORIAL, n_samples=10, seed=5)
    assert len(trials) == 10
    one = DataLoader(trials, batch_size=10, collate_fn=collate)
    assert same(next(iter(one)), next(iter(TrialStream(PDM, TUTORIAL, batch_size=10, seed=5))))
    stacked = next(iter(DataLoader(trials, batch_size=4, num_workers=2)))  # trials of one length need no collate
    assert stacked["inputs"].shape == (4, 22, 3) and stacked["conditions"]["coherence"].shape == (4,)
    with pytest.raises(IndexError):
        trials[10]


def test_a_task_may_be_given_itself() -> None:
    task = parse(trial_task_class(PDM), TUTORIAL, "task")
    assert same(next(iter(TrialStream(task))), next(iter(TrialStream(PDM, TUTORIAL))))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "perceptual_decision"}, r"'perceptual_decision' is no task with trials \(did you mean"),
        ({"task": "cartpole"}, r"'cartpole' is no task with trials"),
        ({"task": PDM, "settings": {"stimulos": 3}}, r"unknown key 'stimulos'"),
        ({"task": PDM, "seed": -1}, r"seed = -1"),
        ({"task": PDM, "start": -1}, r"start = -1"),
        ({"task": PDM, "batch_size": 0}, r"batch_size = 0"),
        ({"task": PDM, "chain": 0}, r"chain = 0"),
        ({"task": PDM, "grace": -1.0}, r"grace = -1 ms"),
    ],
)
def test_mistakes_are_one_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TrialStream(**arguments)


def test_impossible_batches_are_one_sentence() -> None:
    with pytest.raises(SettingsError, match="no samples"):
        collate([])
    with pytest.raises(SettingsError, match="more than n_steps = 3"):
        collate([Samples(PDM)(0)], n_steps=3)
    with pytest.raises(SettingsError, match="n_samples = 0"):
        TrialSet(PDM, n_samples=0)
    with pytest.raises(SettingsError, match="given by its name"):
        TrialStream(trial_task_class(PDM)(), {"dt": 20.0})


def test_the_examples_of_the_page_run() -> None:
    page = (Path(__file__).parents[1] / "docs" / "supervised.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["correct"] > 0.7  # chance is 0.5, the ideal observer has 0.86; 64 trials: SE 0.04
    assert names["starts"].sum() == 4 * 9
