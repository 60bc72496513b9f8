"""Tasks with a target in time: what the published code fixes in numbers, and what an ideal observer of inputs can do.

Rules that every task keeps are in test_tasks.py; scores, codes and trains of events in test_tasks_scores.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnpipe.cli.main import main
from rnnpipe.config import load_study
from rnnpipe.dataset import DatasetSettings, blocks
from rnnpipe.errors import SettingsError
from rnnpipe.io.trials import open_trials, write_trials
from rnnpipe.settings import parse
from rnnpipe.tasks import task_names, trial_task_class
from rnnpipe.tasks._presets import PRESETS
from rnnpipe.tasks._regression import CategoricalTask, TargetTask
from rnnpipe.tasks.cddm import Cddm
from rnnpipe.tasks.flip_flop import FlipFlop
from rnnpipe.trials import Trials

NAMES = [name for name in task_names() if issubclass(trial_task_class(name), TargetTask)]
all_tasks = pytest.mark.parametrize("name", NAMES)
all_presets = pytest.mark.parametrize("preset", PRESETS)
Array = NDArray[Any]


def make(name: str, **values: Any) -> Any:
    return parse(trial_task_class(name), values, name)


def preset(name: str) -> Any:
    values = dict(PRESETS[name])
    return make(values.pop("task"), **values)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def ranges(mask: Array) -> list[list[int]]:
    """Half-open ranges where a mask of one trial is on."""
    edges: list[list[int]] = np.flatnonzero(np.diff(np.concatenate([[0], mask, [0]]))).reshape(-1, 2).tolist()
    return edges


def targets(trials: Trials) -> tuple[Array, Array]:
    assert trials.target is not None and trials.mask is not None
    return trials.target, trials.mask


# -- numbers of the published code ----------------------------------------------------------------------------

PUBLISHED: dict[str, tuple[tuple[int, int, int, int], list[list[int]], float | None]] = {
    # (T, trials, inputs, outputs), steps at which the loss counts, mean target power there
    "seed2023/cddm": ((600, 338, 6, 2), [[0, 200], [400, 600]], 0.5 * 0.5 * 12 / 13),
    "seed2023/dmts": ((120, 256, 2, 2), [[0, 60], [90, 120]], 0.5 * 30 / 90),
    "seed2023/flip_flop": ((200, 256, 3, 3), [[0, 200]], None),
    "seed2023/memory_anti_number": ((320, 352, 2, 1), [[0, 160], [180, 320]], 1.419355 * 140 / 300),
    "seed2023/memory_anti_angle": ((320, 396, 3, 2), [[0, 160], [180, 320]], 2 * 140 / 300),
    "head2026/cddm": ((300, 450, 6, 2), [[0, 100], [200, 300]], 0.5 * (14 / 15 * 0.5 + 1 / 15 * 0.25)),
    "head2026/dmts": ((140, 256, 3, 1), [[0, 100], [110, 140]], 0.5 * 30 / 130),
    "head2026/graded_go_nogo": ((60, 256, 3, 1), [[10, 30], [40, 60]], 0.25),
    "head2026/static_xor": ((150, 256, 4, 2), [[15, 150]], 0.5),
    "head2026/half_adder": ((150, 256, 2, 1), [[30, 150]], 0.5 * 90 / 120),
    "head2026/flip_flop": ((100, 256, 3, 3), [[0, 100]], None),
    "head2026/memory_number": ((120, 256, 3, 1), [[0, 60], [80, 120]], 0.333987 * 40 / 100),
    "head2026/memory_anti_angle": ((200, 72, 5, 3), [[0, 120], [130, 200]], None),
    "head2026/memory_angle": ((120, 396, 3, 2), [[0, 90], [100, 120]], 2 * 20 / 110),
    "head2026/angle_integration": ((220, 256, 3, 3), [[10, 220]], None),
    "head2026/angle_integration_pulse": ((220, 120, 3, 3), [[10, 220]], None),
    "head2026/angle_addition": ((120, 225, 12, 6), [[30, 120]], None),
    "head2026/memory_dm": ((157, 3, 3, 2), [[0, 157]], 2 / 3 * 0.5 * 47 / 157),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_masks_and_power_are_the_published_ones(name: str) -> None:
    task = preset(name)
    trials = task.batch(rng())
    target, mask = targets(trials)
    (n_steps, n_trials, n_inputs, n_outputs), counted, power = PUBLISHED[name]
    assert trials.inputs.shape == (n_steps, n_trials, n_inputs)
    assert target.shape == (n_steps, n_trials, n_outputs) and target.dtype == np.float32
    assert mask.shape == (n_steps, n_trials) and mask.dtype == np.float32
    assert all(ranges(mask[:, i]) == counted for i in range(n_trials))
    if power is not None:
        found = float((mask[..., None] * target.astype(float) ** 2).sum() / mask.sum() / n_outputs)
        assert found == pytest.approx(power, rel=1e-5)
        assert 1 - task.score(0 * target, trials)["r2_unc"] == pytest.approx(1)


def test_every_task_is_in_the_presets_of_2026_and_a_preset_is_changed_settings() -> None:
    assert {PRESETS[k]["task"] for k in PRESETS if k.startswith("head2026/")} == set(NAMES)
    for name, values in PRESETS.items():
        assert preset(name).changed() == {k: v for k, v in values.items() if k != "task"}, name


def test_the_power_of_numbers() -> None:
    """1.419 and 0.334 above are the mean squares of 32 numbers in [-2, 2] and of 256 in [0, 1]."""
    assert np.mean(np.linspace(-2, 2, 32) ** 2) == pytest.approx(1.419355, rel=1e-6)
    assert np.mean(np.linspace(0, 1, 256) ** 2) == pytest.approx(0.333987, rel=1e-6)


# -- context-dependent decisions -----------------------------------------------------------------------------


def test_cddm_batch_has_the_order_that_psychometrics_reshape_on() -> None:
    trials = preset("seed2023/cddm").batch(rng())
    levels = [-0.8, -0.4, -0.2, -0.1, -0.05, -0.025, 0, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8]
    shape = (2, 13, 13)
    context, relevant, irrelevant = (
        trials.conditions[k].reshape(shape) for k in ("context", "coherence_relevant", "coherence_irrelevant")
    )
    assert (context[0] == "motion").all() and (context[1] == "colour").all()
    np.testing.assert_array_equal(relevant, np.broadcast_to(np.array(levels)[None, :, None], shape))
    np.testing.assert_array_equal(irrelevant, np.broadcast_to(np.array(levels)[None, None], shape))
    late = trials.inputs[-1].reshape(*shape, 6).astype(float)
    np.testing.assert_allclose(late[0, :, 0, 2] - late[0, :, 0, 3], levels, atol=1e-7)  # motion is relevant
    np.testing.assert_allclose(late[1, :, 0, 4] - late[1, :, 0, 5], levels, atol=1e-7)  # colour is
    np.testing.assert_allclose(late[1, 0, :, 2] - late[1, 0, :, 3], levels, atol=1e-7)


@pytest.mark.parametrize("early", [False, True])
def test_cddm_windows_and_channels(early: bool) -> None:
    task = make("cddm", early_onset=early)
    trials = task.sample(
        rng(), 2, context=["motion", "colour"], coherence_relevant=[0.4, -0.1], coherence_irrelevant=0.8
    )
    target, mask = targets(trials)
    on, decide = (199, 399) if early else (200, 400)
    assert (trials.inputs[:, 0, :2] == [1, 0]).all() and (trials.inputs[:, 1, :2] == [0, 1]).all()
    assert (trials.inputs[:on, :, 2:] == 0).all()
    np.testing.assert_allclose(trials.inputs[on:, 0, 2:], np.tile([0.7, 0.3, 0.9, 0.1], (600 - on, 1)), rtol=1e-6)
    np.testing.assert_allclose(trials.inputs[on:, 1, 2:], np.tile([0.9, 0.1, 0.45, 0.55], (600 - on, 1)), rtol=1e-6)
    assert (target[:decide] == 0).all()
    assert (target[decide:, 0] == [1, 0]).all() and (target[decide:, 1] == [0, 1]).all()
    assert ranges(mask[:, 0]) == [[0, 200], [400, 600]], "the loss counts as without"
    np.testing.assert_array_equal(trials.ground_truth.max(0), [2, 1])


def test_cddm_at_zero_coherence() -> None:
    for outputs, zero, expected in ((2, 0.0, [0, 0]), (2, 0.5, [0.5, 0.5]), (1, 0.5, [0])):
        task = make("cddm", outputs=outputs, zero_target=zero)
        trials = task.sample(rng(), 1, coherence_relevant=0.0, coherence_irrelevant=0.8)
        np.testing.assert_array_equal(targets(trials)[0][-1, 0], expected)
        np.testing.assert_array_equal(trials.correct[0], [-1, 1, 1])
        np.testing.assert_array_equal(trials.rewards[1, 0], [0, 1, 1])
        assert np.isnan(task.score(targets(trials)[0], trials)["accuracy"]), "no answer is the right one"
    signed = targets(make("cddm", outputs=1).sample(rng(), 2, coherence_relevant=[0.1, -0.1]))[0]
    np.testing.assert_array_equal(signed[-1, :, 0], [1, -1])


def test_cddm_accuracy_by_context_is_of_large_coherences() -> None:
    task = make("cddm")
    trials = task.batch(rng())
    output = targets(trials)[0].copy()
    small = np.abs(trials.conditions["coherence_relevant"]) < 0.2
    output[:, small] = output[:, small][..., ::-1]  # small ones all wrong
    scores = task.score(output, trials)
    assert scores["accuracy_motion"] == scores["accuracy_colour"] == 1
    assert scores["accuracy"] == pytest.approx(6 / 12)
    colour = trials.conditions["context"] == "colour"
    output[:, colour] = 1 - output[:, colour]
    scores = task.score(output, trials)
    assert (scores["accuracy_motion"], scores["accuracy_colour"]) == (1, 0)
    assert set(task.choices(output, trials)) == {1, 2}


def test_cddm_protocol() -> None:
    found = make("cddm").protocol_inputs()
    assert list(found["motion"]) == [1, 0, 0.5, 0.5, 0.5, 0.5] and list(found["colour"]) == [0, 1, 0.5, 0.5, 0.5, 0.5]
    np.testing.assert_allclose(found["motion+"], [1, 0, 0.55, 0.45, 0.5, 0.5])
    np.testing.assert_allclose(found["colour-"], [0, 1, 0.5, 0.5, 0.45, 0.55])
    np.testing.assert_array_equal(found["colour context only"], [0, 1, 0, 0, 0, 0])
    assert set(make("cddm_signed").protocol_inputs()) == {
        "motion",
        "motion+",
        "motion-",
        "colour",
        "colour+",
        "colour-",
    }


# -- flip-flop -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tmax", "n_events", "changes", "power", "jump"),
    [(200.0, 4.46, 2.74, 0.786, 0.0398), (100.0, 3.52, 2.26, 0.739, 0.0604)],
)
def test_flip_flop_statistics(tmax: float, n_events: float, changes: float, power: float, jump: float) -> None:
    """Events and target changes of a channel in a trial, mean target power and mean squared jump of the target."""
    task = make("flip_flop", tmax=tmax)
    trials = task.sample(rng(3), 4000)
    target = targets(trials)[0]
    onsets, signs = task.events(trials.conditions)
    there = onsets < task.n_steps
    assert there.sum(-1).mean() == pytest.approx(n_events, abs=0.05)
    assert np.mean(signs[there] > 0) == pytest.approx(0.5, abs=0.01)
    steps = np.diff(target, axis=0, prepend=0)
    assert (steps != 0).sum(0).mean() == pytest.approx(changes, abs=0.04)
    assert np.square(target).mean() == pytest.approx(power, abs=0.005)
    assert np.square(steps).mean() == pytest.approx(jump, abs=0.0007)


@pytest.mark.parametrize("values", [{}, {"n_bits": 2, "dt": 2.0}, {"pulse": 15.0, "n_events": 3.0, "tmax": 400.0}])
def test_flip_flop_follows_its_events(values: dict[str, Any]) -> None:
    task = make("flip_flop", **values)
    trials = task.sample(rng(1), 40)
    onsets, signs = task.events(trials.conditions)
    pulse = round(task.pulse / task.dt)
    inputs, target = np.zeros_like(trials.inputs), np.zeros_like(trials.inputs)
    for i in range(40):
        for k in range(task.n_bits):
            starts = onsets[i, k][onsets[i, k] < task.n_steps]
            assert starts.size == 0 or starts[0] >= pulse
            assert (np.diff(starts) >= pulse).all()
            for start, sign in zip(starts, signs[i, k], strict=False):
                inputs[start : start + pulse, i, k] = sign
                target[start:, i, k] = sign
    np.testing.assert_array_equal(trials.inputs, inputs)
    np.testing.assert_array_equal(targets(trials)[0], target)
    assert len(task.input_names) == task.n_outputs == task.n_bits


def test_flip_flop_channels_and_trials_are_independent() -> None:
    target = targets(make("flip_flop").sample(rng(2), 3000))[0][-1].astype(float)
    c = np.corrcoef(np.concatenate([target.T, np.roll(target, 1, axis=0).T]))
    assert np.abs(c - np.eye(6)).max() < 0.08


def test_flip_flop_sign_correct_counts_once_a_pulse_has_passed() -> None:
    task: FlipFlop = make("flip_flop", n_bits=1)
    trials = task.sample(rng(4), 300)
    target = targets(trials)[0]
    late = np.concatenate([np.zeros((9, 300, 1)), target[:-9]])  # right from the tenth step of a pulse on
    assert task.score(late, trials)["sign_correct"] == 1
    later = np.concatenate([np.zeros((20, 300, 1)), target[:-20]])
    assert 0.5 < task.score(later, trials)["sign_correct"] < 0.97
    assert task.score(-target, trials)["sign_correct"] == 0
    lagged = np.concatenate([np.zeros((1, 300, 1)), target[:-1]])
    assert task.score(lagged, trials)["mse"] == pytest.approx(0.0398, rel=0.06), "the floor that one step of lag sets"


# -- memory --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "factor", "n", "repeats"), [
    ("seed2023/memory_anti_number", "number", 32, 11), ("seed2023/memory_anti_angle", "angle", 36, 11),
])  # fmt: skip
def test_memory_onsets_are_drawn_for_each_trial(name: str, factor: str, n: int, repeats: int) -> None:
    task = preset(name)
    trials = task.batch(rng())
    assert all(len(v) == n * repeats for v in trials.conditions.values())
    shown, onset = (trials.conditions[k].reshape(repeats, n) for k in (factor, "onset"))
    assert (shown == shown[0]).all() and len(np.unique(shown[0])) == n
    assert (np.array([len(np.unique(onset[:, k])) for k in range(n)]) > 5).all(), "repeats have onsets of their own"
    many = task.variables()["onset"](rng(1), 20_000)
    assert (many == np.floor(many)).all() and (many.min(), many.max()) == (0, 139)
    counts = np.bincount(many.astype(int), minlength=140)
    assert np.abs(counts - 20_000 / 140).max() < 5 * np.sqrt(20_000 / 140)
    for k in (0, 1, n):
        on = ranges(np.any(trials.inputs[:160, k] != 0, axis=-1))
        start = int(trials.conditions["onset"][k])
        assert on == [[start, start + 10]], "ten steps, and nothing until recall"


def test_memory_number_channels_and_target() -> None:
    for gain in (-1, 1):
        task = make("memory_number", gain=gain, bias=True)
        trials = task.sample(rng(), 3, number=[-2.0, 0.5, 1.5], onset=[0.0, 20.0, 139.0])
        target, _ = targets(trials)
        for i, (v, s) in enumerate(((-2.0, 0), (0.5, 20), (1.5, 139))):
            assert (trials.inputs[s : s + 10, i, 0] == v).all()
            assert (target[:160, i] == 0).all() and (target[160:, i] == gain * v).all()
        assert ranges(trials.inputs[:, 0, 1]) == [[160, 320]] and (trials.inputs[..., 2] == 1).all()
    numbers = np.unique(make("memory_number").batch(rng()).conditions["number"])
    np.testing.assert_allclose(numbers, np.linspace(-2, 2, 32))
    assert 0 not in numbers


def test_memory_number_scores() -> None:
    task = preset("seed2023/memory_anti_number")
    trials = task.batch(rng())
    target, _ = targets(trials)
    output = 0.9 * target + 0.1
    output[160:180] = np.nan  # within the grace period nothing counts
    scores = task.score(output, trials)
    assert scores["slope"] == pytest.approx(-0.9) and 0.95 < scores["r2_recalled"] < 0.99
    assert task.score(target, trials)["r2_recalled"] == pytest.approx(1)
    assert np.isnan(task.score(target[:, :1], trials[:1])["slope"])


@pytest.mark.parametrize("offset", [0.0, 180.0])
def test_memory_angle_channels_and_target(offset: float) -> None:
    task = make("memory_angle", offset=offset)
    trials = task.sample(rng(), 36, angle=np.arange(36) * 10.0)
    target, _ = targets(trials)
    a, b = np.deg2rad(np.arange(36) * 10.0), np.deg2rad(np.arange(36) * 10.0 + offset)
    start = trials.conditions["onset"].astype(int)
    seen = trials.inputs[start, np.arange(36)]
    np.testing.assert_allclose(seen, np.stack([2 * np.cos(a), 2 * np.sin(a), 0 * a], 1), atol=1e-6)
    np.testing.assert_allclose(target[200], np.stack([2 * np.cos(b), 2 * np.sin(b)], 1), atol=1e-6)
    assert (target[:160] == 0).all() and ranges(trials.inputs[:, 0, 2]) == [[160, 320]]
    turned = targets(task.sample(rng(), 36, angle=np.arange(36) * 10.0 + 3.0))[0]
    assert task.score(turned, trials)["angular_error"] == pytest.approx(3, abs=1e-3)


def test_memory_anti_angle_of_2026_leaves_no_angle_out_and_keeps_its_jitter() -> None:
    trials = preset("head2026/memory_anti_angle").batch(rng())
    np.testing.assert_array_equal(np.sort(trials.conditions["angle"]), np.arange(72) * 5.0)
    assert len(np.unique(trials.conditions["onset"])) > 10
    assert trials.conditions["onset"].min() >= 0 and trials.conditions["onset"].max() <= 19


# -- the other tasks -----------------------------------------------------------------------------------------


def test_dmts_windows() -> None:
    trials = preset("seed2023/dmts").sample(rng(), 2, sample=[1, 2], match=[1, 1])
    target, _ = targets(trials)
    assert ranges(trials.inputs[:, 0, 0]) == [[15, 45], [60, 90]] and not trials.inputs[:, 0, 1].any()
    assert ranges(trials.inputs[:, 1, 1]) == [[15, 45]] and ranges(trials.inputs[:, 1, 0]) == [[60, 90]]
    assert (target[:90] == 0).all() and (target[90:, 0] == [1, 0]).all() and (target[90:, 1] == [0, 1]).all()
    batch = preset("seed2023/dmts").batch(rng())
    pairs = np.stack([batch.conditions["sample"], batch.conditions["match"]], 1).reshape(64, 4, 2)
    assert (pairs == [[1, 1], [2, 1], [1, 2], [2, 2]]).all()


def test_dmts_jitter_is_drawn_for_sample_and_match_each() -> None:
    trials = preset("head2026/dmts").batch(rng())
    first, second = trials.conditions["sample_onset"] - 10, trials.conditions["match_onset"] - 80
    for d in (first, second):
        assert set(np.unique(d)) == set(range(-10, 10))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2
    assert ranges(trials.inputs[:, 0, 2]) == [[100, 140]]
    for i in range(20):
        on = trials.inputs[:, i, :2].sum(1)
        starts = [int(trials.conditions[k][i]) for k in ("sample_onset", "match_onset")]
        assert ranges(on) == [[s, s + 10] for s in starts]


def test_half_adder_with_carry() -> None:
    task = make("half_adder", carry=True)
    trials = task.sample(rng(), 4, first=[0, 0, 1, 1], second=[0, 1, 0, 1])
    target, _ = targets(trials)
    np.testing.assert_array_equal(target[60], [[0, 0], [1, 0], [1, 0], [0, 1]])
    assert (target[:30] == 0).all() and (target[120:] == 0).all()
    np.testing.assert_array_equal(trials.ground_truth.max(0), [1, 2, 2, 3])
    one = make("half_adder").sample(rng(), 4, first=[0, 0, 1, 1], second=[0, 1, 0, 1])
    np.testing.assert_array_equal(targets(one)[0][60, :, 0], [0, 1, 1, 0])
    np.testing.assert_array_equal(one.ground_truth.max(0), [1, 2, 2, 1])
    assert list(make("half_adder", decision=120.0).sample(rng(), 1).periods) == ["stimulus", "decision"]


def test_graded_go_nogo() -> None:
    task = preset("head2026/graded_go_nogo")
    trials = task.batch(rng())
    np.testing.assert_allclose(trials.conditions["number"], np.linspace(0, 1, 256))
    target, _ = targets(trials)
    assert (target[:30] == 0).all()
    np.testing.assert_array_equal(target[30:, :, 0], np.broadcast_to(np.linspace(0, 1, 256) > 0.5, (30, 256)))
    assert (trials.inputs[:, 7, 0] == np.float32(7 / 255)).all() and ranges(trials.inputs[:, 7, 1]) == [[30, 60]]


@pytest.mark.parametrize("name", ["memory_dm", "delay_dm"])
def test_a_catch_trial_has_a_cue_and_no_target(name: str) -> None:
    task = make(name)
    trials = task.sample(rng(), 3, direction=[0, 1, 2])
    target, _ = targets(trials)
    assert not trials.inputs[:, 0, :2].any() and ranges(trials.inputs[:, 0, 2]) == [[110, 157]]
    assert not target[:, 0].any() and (target[110:, 1] == [1, 0]).all() and (target[110:, 2] == [0, 1]).all()
    onset = int(trials.conditions["onset"][1])
    assert ranges(trials.inputs[:, 1, 0]) == [[onset, onset + 30 if name == "memory_dm" else 157]]
    assert set(np.unique(task.sample(rng(), 500).conditions["onset"])) == set(range(14))


def test_block_dm_blocks() -> None:
    task = make("block_dm")
    trials = task.sample(rng(), 4, coherence=[0.4, -0.4, 0.4, 0.0], blocked=[False, False, True, False])
    np.testing.assert_array_equal(targets(trials)[0][-1, :, 0], [1, -1, 0, 0])
    np.testing.assert_array_equal(trials.ground_truth.max(0), [2, 1, 0, 0])
    assert (trials.correct[:, 0] == [0, 0, 1, 1]).all()
    everything = task.batch(rng())
    assert everything.n_trials == 26
    mixed = everything[rng().permutation(26)]
    assert task.score(targets(mixed)[0], mixed)["accuracy"] == 1


@pytest.mark.parametrize("name", ["angle_integration", "integration"])
def test_speeds_come_in_blocks(name: str) -> None:
    task = make(name, block_gap=10.0)
    trials = task.sample(rng(), 200)
    speed = trials.inputs[..., 0].astype(float) - trials.inputs[..., 1]
    assert (trials.inputs[..., :2] >= 0).all() and (trials.inputs[..., :2].min(-1) == 0).all()
    lengths = []
    for column in speed.T:
        edges = np.flatnonzero(np.diff(column)) + 1
        values = np.split(column, edges)
        assert values[0][0] != 0, "the first block begins with the trial"
        assert all((v == 0).all() for v in values[1::2]) and all(len(v) == 10 for v in values[1::2][:-1])
        lengths += [len(v) for v in values[:-1:2]]
    assert min(lengths) >= 10
    drawn = np.abs(speed[speed != 0])
    assert drawn.max() < 1 and drawn.mean() == pytest.approx(0.5, abs=0.03)
    without = make(name, block_gap=0.0)
    assert (without.speed(trials.conditions) != 0).all()
    first = [int(np.flatnonzero(np.diff(c))[0]) + 1 for c in speed.T if np.diff(c).any()]
    assert np.mean(first) == pytest.approx(10 + 22 - 0.5, abs=4)


def test_integrals_are_of_the_speeds_so_far() -> None:
    for dt in (1.0, 2.0):
        for name, gain in (("angle_integration", 0.15), ("integration", 0.02)):
            task = make(name, dt=dt)
            trials = task.sample(rng(1), 50)
            way = np.cumsum(trials.inputs[..., 0].astype(float) - trials.inputs[..., 1], axis=0) * dt * gain
            target, _ = targets(trials)
            expected = np.stack([np.maximum(way, 0), np.maximum(-way, 0)], -1)
            if name == "angle_integration":
                place = np.mod(way, 2 * np.pi) / (2 * np.pi / 3)
                i, f = np.floor(place).astype(int) % 3, place - np.floor(place)
                expected = np.eye(3)[i] * (1 - f)[..., None] + np.eye(3)[(i + 1) % 3] * f[..., None]
            np.testing.assert_allclose(target, expected, atol=2e-5)


def test_single_pulses_are_graded() -> None:
    task = make("integration_pulse")
    trials = task.batch(rng())
    duration = (trials.inputs[..., :2] != 0).sum((0, 2))
    np.testing.assert_array_equal(duration, trials.conditions["duration"])
    np.testing.assert_array_equal(np.unique(duration), np.arange(1, 21) * 5)
    np.testing.assert_allclose(targets(trials)[0][-1].max(-1), 0.02 * duration, rtol=1e-5)
    left = trials.conditions["side"] == "left"
    assert (targets(trials)[0][-1, left, 0] > 0).all() and (targets(trials)[0][-1, ~left, 1] > 0).all()


def test_the_target_of_angle_addition_is_on_where_its_loss_counts() -> None:
    task = make("angle_addition")
    trials = task.batch(rng())
    target, mask = targets(trials)
    assert ((target.sum(-1) > 0) == (mask > 0)).all() and (trials.inputs[20:] == 0).all()
    seen = trials.inputs[0].astype(float)
    total = task.decode(seen[:, :6]) + task.decode(seen[:, 6:])
    np.testing.assert_allclose(np.mod(task.decode(target[-1]) - total + 180, 360), 180, atol=1e-3)


# -- an ideal observer of the inputs: each output from inputs up to that step alone --------------------------


def held(inputs: Array) -> Array:
    """The last value that was not 0, step by step."""
    found, last = np.zeros_like(inputs), np.zeros_like(inputs[0])
    for t, u in enumerate(inputs):
        last = np.where(u != 0, u, last)
        found[t] = last
    return found


def decide_cddm(task: Any, u: Array) -> Array:
    motion = u[..., 0] == 1
    pairs = u[..., 2:] if task.name == "cddm" else np.stack([u[..., 2], 0 * u[..., 2], u[..., 3], 0 * u[..., 3]], -1)
    diff = np.where(motion, pairs[..., 0] - pairs[..., 1], pairs[..., 2] - pairs[..., 3])
    answer = np.stack([diff > 1e-6, diff < -1e-6], -1).astype(float)
    return answer * (np.arange(len(u)) >= 400)[:, None, None]


def decide_dmts(task: Any, u: Array) -> Array:
    on = u.sum(-1) > 0
    second = np.cumsum(np.diff(on, axis=0, prepend=False) & on, axis=0) >= 2
    first = held(np.where(second, 0, u[..., 0] - u[..., 1]))
    same = first == held(np.where(second, u[..., 0] - u[..., 1], 0))
    return np.stack([same, ~same], -1) * (np.arange(len(u)) >= 90)[:, None, None]


def decide_speed(task: Any, u: Array) -> Array:
    way = np.cumsum(u[..., 0] - u[..., 1], axis=0)
    if task.name.startswith("angle"):
        return np.asarray(task.encode(np.rad2deg(0.15 * way)))
    return 0.02 * np.stack([np.maximum(way, 0), np.maximum(-way, 0)], -1)


def decide_angles(task: Any, u: Array) -> Array:
    seen = task.decode(u[0, :, :6]) + task.decode(u[0, :, 6:])
    return np.asarray(task.encode(seen)) * (np.arange(len(u)) >= 30)[:, None, None]


OBSERVERS: dict[str, Callable[[Any, Array], Array]] = {
    "cddm": decide_cddm,
    "cddm_signed": decide_cddm,
    "dmts": decide_dmts,
    "flip_flop": lambda task, u: held(u),
    "memory_number": lambda task, u: -held(u[..., :1]) * u[..., 1:2],
    "memory_angle": lambda task, u: -held(u[..., :2]) * u[..., 2:3],
    "graded_go_nogo": lambda task, u: (u[..., :1] > 0.5) * u[..., 1:2],
    "static_xor": lambda task, u: np.stack([u[..., 0] != u[..., 2], u[..., 0] == u[..., 2]], -1),
    "half_adder": lambda task, u: (u.sum(-1, keepdims=True) == 1) * (np.arange(len(u)) < 120)[:, None, None],
    "angle_integration": decide_speed,
    "angle_integration_pulse": decide_speed,
    "integration": decide_speed,
    "integration_pulse": decide_speed,
    "angle_addition": decide_angles,
    "memory_dm": lambda task, u: held(u[..., :2]) * u[..., 2:],
    "delay_dm": lambda task, u: u[..., :2] * u[..., 2:],
    "block_dm": lambda task, u: np.sign(u[..., 1:]) * (1 - u[..., :1]) * (np.arange(len(u)) >= 50)[:, None, None],
    "identity": lambda task, u: u,
    "square_number": lambda task, u: u[..., :1] ** 2,
}


@all_tasks
def test_an_observer_of_the_inputs_is_never_wrong(name: str) -> None:
    task = make(name)
    trials = task.sample(rng(5), 150)
    output = np.asarray(OBSERVERS[name](task, trials.inputs.astype(float)), float)
    scores = task.score(output, trials)
    assert scores["mse"] < 1e-9 and scores["r2_unc"] == pytest.approx(1) and scores["r2"] == pytest.approx(1)
    assert scores["n_r2_per_trial"] == 0 or scores["r2_per_trial"] == pytest.approx(1, abs=1e-6)
    for key, value in scores.items():
        if key.startswith("accuracy") or key == "sign_correct":
            assert value == 1, key
        if key == "angular_error":
            assert value < 1e-3
    if isinstance(task, CategoricalTask):
        right = trials.correct[np.arange(150), task.choices(output, trials)]
        judged = (trials.correct == 1).sum(1) == 1
        assert (right[judged] == 1).all()
        blind = task.score(np.zeros_like(output), trials)["accuracy"]
        assert blind < 0.9, "outputs that know nothing are not scored as knowing"


# -- properties of all of them ---------------------------------------------------------------------------------


@all_tasks
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 12))
def test_targets_and_masks_belong_to_the_trials(name: str, seed: int, n: int) -> None:
    task = make(name)
    trials = task.sample(rng(seed), n)
    target, mask = targets(trials)
    assert target.shape == (task.n_steps, n, task.n_outputs) == (task.n_steps, n, len(task.output_names))
    assert np.isfinite(target).all() and np.isin(mask, (0, 1)).all() and (mask.sum(0) > 0).all()
    assert trials.inputs.shape[2] == len(task.input_names) == len(set(task.input_names))
    np.testing.assert_array_equal(trials.loss_mask, mask > 0)
    assert trials.phase.shape == mask.shape and all(len(v) == n for v in trials.conditions.values())

    order = rng(seed).permutation(n)
    mixed = trials[order]
    np.testing.assert_array_equal(mixed.target, target[:, order])
    np.testing.assert_array_equal(mixed.mask, mask[:, order])
    np.testing.assert_array_equal(mixed.inputs, trials.inputs[:, order])
    again = task.sample(rng(seed + 1), n, **mixed.conditions)
    np.testing.assert_array_equal(again.target, mixed.target, "a target follows from the conditions")
    np.testing.assert_array_equal(again.mask, mixed.mask)
    noise = rng(seed).standard_normal(target.shape)
    a, b = task.score(target + noise, trials), task.score(target[:, order] + noise[:, order], mixed)
    assert a.keys() == b.keys()
    np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-9, atol=1e-12)


@all_tasks
def test_a_batch_is_complete_and_of_the_published_size(name: str) -> None:
    task = make(name)
    trials = task.batch(rng())
    table = task.factorial()
    assert trials.n_trials == task.trials_per_update == len(table) * task.repeats
    for factor in task.factors:
        np.testing.assert_array_equal(trials.conditions[factor], [row[factor] for row in table] * task.repeats)
    same, other = task.batch(rng()), task.batch(rng(1))
    np.testing.assert_array_equal(trials.inputs, same.inputs)
    fixed = set(task.variables()) == set(task.factors)
    free = [k for k in task.variables() if k not in task.factors and len(np.unique(trials.conditions[k])) > 1]
    assert fixed or not free or not np.array_equal(trials.inputs, other.inputs)
    assert make(name, repeats=2).batch(rng()).n_trials == 2 * len(table)


@all_tasks
def test_inputs_of_protocols_are_those_of_trials(name: str) -> None:
    task = make(name)
    found = task.protocol_inputs()
    assert len({u.tobytes() for u in found.values()}) == len(found) and len(found) >= 2
    for label, u in found.items():
        assert u.shape == (len(task.input_names),) and u.dtype == np.float64, label
        assert not np.signbit(u[u == 0]).any(), "no negative zero, which another label could be equal to"


@all_tasks
def test_step_t_of_the_target_is_compared_with_inputs_before(name: str) -> None:
    """T inputs, T targets; a finer grid has the same trials, step for step."""
    coarse, fine = make(name), make(name, dt=0.5)
    conditions = coarse.sample(rng(7), 6).conditions
    if "train" in conditions:  # trains of events are floored to steps
        return
    a, b = coarse.sample(rng(), 6, **conditions), fine.sample(rng(), 6, **conditions)
    assert b.n_steps == 2 * a.n_steps
    np.testing.assert_array_equal(b.inputs[::2], a.inputs)
    np.testing.assert_array_equal(targets(b)[1][::2], targets(a)[1])
    if "duration" not in conditions:  # an integral counts the step it is in
        np.testing.assert_array_equal(targets(b)[0][::2], targets(a)[0])


@all_tasks
def test_targets_survive_the_disk(name: str, tmp_path: Path) -> None:
    task = make(name)
    a, b = task.sample(rng(1), 5), task.sample(rng(2), 4)
    write_trials(tmp_path / "t.h5", [a, b], 9, task.model_dump(mode="json"), {})
    with open_trials(tmp_path / "t.h5") as file:
        read = file[2:8]
        np.testing.assert_array_equal(read.target, np.concatenate([targets(a)[0][:, 2:], targets(b)[0][:, :3]], axis=1))
        np.testing.assert_array_equal(read.mask, np.concatenate([targets(a)[1][:, 2:], targets(b)[1][:, :3]], axis=1))
        for key, values in read.conditions.items():
            np.testing.assert_array_equal(values, np.concatenate([a.conditions[key][2:], b.conditions[key][:3]]))


def test_files_of_tasks_without_targets_are_as_before(tmp_path: Path) -> None:
    task = trial_task_class("rdm_fixed")()
    write_trials(tmp_path / "t.h5", [task.sample(rng(), 3)], 3, {}, {})
    with open_trials(tmp_path / "t.h5") as file:
        assert "target" not in file.file and "mask" not in file.file
        trials = file[:]
    assert trials.target is None and trials.mask is None and trials[:2].target is None
    assert trials.loss_mask.shape == (trials.n_steps, 3)


def test_a_data_set_names_its_outputs(tmp_path: Path) -> None:
    for name, outputs in (("flip_flop", ["bit_1", "bit_2", "bit_3"]), ("rdm_fixed", None)):
        path = tmp_path / f"{name}.h5"
        words = [f"--task.name={name}", "--dataset.trials_per_condition=1", f"--out={path}"]
        assert main(["dataset", *words]) == 0
        with open_trials(path) as file:
            found = file.attributes.get("output_names")
            assert found is None if outputs is None else list(found) == outputs


def test_a_data_set_goes_through_the_factors() -> None:
    for name, n in (("flip_flop", 3), ("dmts", 12), ("cddm", 3 * 338)):
        drawn = list(blocks(make(name), DatasetSettings(trials_per_condition=3)))
        assert sum(b.n_trials for b in drawn) == n and all(b.target is not None for b in drawn)


# -- in a configuration --------------------------------------------------------------------------------------


def study(tmp_path: Path, **sections: Any) -> Any:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "mine.yaml").write_text(yaml.safe_dump(sections, sort_keys=False))
    return load_study({"sources": ["mine"]}, (tmp_path,), "config.yaml")


def test_presets_are_entries_of_a_configuration(tmp_path: Path) -> None:
    entries = {name.replace("/", "_"): values for name, values in PRESETS.items()}
    read = study(tmp_path, tasks=entries)
    assert all(read.tasks[name.replace("/", "_")] == preset(name) for name in PRESETS)


def test_reward_cannot_teach_a_task_without_choices(tmp_path: Path) -> None:
    one = {"task": "memory", "network": {"n_units": 20}, "seeds": [1]}
    with pytest.raises(
        SettingsError, match="experiments.one: task memory has continuous outputs and nothing to choose"
    ):
        study(tmp_path, tasks={"memory": {"task": "memory_number"}}, experiments={"one": one})


# -- settings that cannot be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("flip_flop", {"reward_abort": 0.0}, "reward_abort has no meaning in task flip_flop, which has no choices"),
        ("memory_angle", {"min_correct": 0.5}, "min_correct has no meaning"),
        ("flip_flop", {"n_bits": 0}, "n_bits = 0 bits: .*greater than 0"),
        ("cddm", {"coherences": [0.5, 0.5]}, "coherences = .*a coherence is given twice"),
        ("cddm", {"coherences": [1.5]}, "every coherence must be between -1 and 1"),
        ("cddm", {"outputs": 3}, "outputs = 3: "),
        ("cddm", {"grace": 200.0}, "the last period can end at 601 ms, after tmax = 600 ms"),
        ("dmts", {"jitter": 20.0}, "the sample could start before the trial: jitter = 20 ms is too large"),
        ("dmts", {"match_onset": 70.0}, "the match can end after decision_onset = 90 ms"),
        ("dmts", {"jitter": 10.0, "match_onset": 50.0}, "delay between sample and match can be -15 ms"),
        ("memory_number", {"low": 2.0, "high": 2.0}, "low = 2 must be below high = 2"),
        ("memory_number", {"gain": 2}, "gain = 2: "),
        ("memory_number", {"onset_max": 155.0}, r"delay \(recall_onset less onset_max and stimulus\) can be -5 ms"),
        ("memory_number", {"onset_min": 141.0}, "nothing lies between 141 and 140"),
        ("memory_angle", {"n_channels": 4}, "n_channels is of the triangular code"),
        ("memory_angle", {"encoding": "ring"}, "encoding = 'ring'"),
        ("graded_go_nogo", {"grace": 30.0}, "fixation less grace can be 0 ms"),
        ("half_adder", {"decision": 121.0}, "the last period can end at 151 ms, after tmax = 150 ms"),
        ("angle_addition", {"stimulus": 40.0}, "the stimulus ends after answer_onset = 30 ms"),
        ("memory_dm", {"jitter": 8.0}, "the stimulus could start before the trial"),
        ("memory_dm", {"stimulus": 96.0}, "the delay before decision_onset can be 0 ms"),
        ("integration_pulse", {"n_durations": 200}, "shortest pulse .* can be 0.5 ms, shorter than one step"),
        ("integration_pulse", {"duration_max": 211.0}, "can end at 221 ms, after tmax = 220 ms"),
        ("square_number", {"low": 1.0}, "low = 1 must be below high = 1"),
        ("identity", {"low": 1.0}, "nothing lies between 1 and 1"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        make(name, **values)
    assert "\n" not in str(error.value) and str(error.value).startswith(f"{name}: ")


def test_noise_on_inputs_is_a_setting() -> None:
    quiet, noisy = (make("cddm", var_in=v).sample(rng(1), 20) for v in (0.0, 0.005))
    noise = noisy.inputs.astype(float) - quiet.inputs
    assert noise.std() == pytest.approx(1.0, rel=0.01)  # sqrt(2 * 100 ms / 1 ms * 0.005)
    np.testing.assert_array_equal(noisy.target, quiet.target)
    assert isinstance(make("cddm"), Cddm)
