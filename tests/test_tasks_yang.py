"""Peculiarities of the twenty tasks of Yang et al. (2019); what they share with others is in `test_tasks_library`."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium
import numpy as np
import pytest
from yang_observers import ATTENDED, BUMPS, YANG_OBSERVERS, N, rings

from rnnpipe.environments import IDS
from rnnpipe.errors import SettingsError
from rnnpipe.settings import parse
from rnnpipe.tasks import task_names, trial_task_class
from rnnpipe.tasks._yang import YANG19, YangTask, gaussian_bump
from rnnpipe.trials import FIXATE, TIMEOUT, Trials

twenty = pytest.mark.parametrize("name", YANG19)
REACH, MATCH = YANG19[:6], YANG19[-4:]


def make(name: str, **settings: Any) -> YangTask:
    task = parse(trial_task_class(name), settings, name)
    assert isinstance(task, YangTask)
    return task


def answers(trials: Trials) -> list[int]:
    return (trials.correct == 1).argmax(1).tolist()


def sample(name: str, n: int = 1, /, **conditions: Any) -> Trials:
    """Trials without noise."""
    return make(name).without_noise().sample(np.random.default_rng(0), n, **conditions)


def test_the_collection_is_complete() -> None:
    assert len(YANG19) == 20 and set(YANG19) == {name for name in task_names() if name.startswith("yang_")}
    for name in YANG19:
        id = f"rnnpipe/{trial_task_class(name).environment}-v0"
        assert id[8:-3].replace("-", "_").lower() == name and IDS[id] == name
        assert gymnasium.make(id).unwrapped.task.name == name  # type: ignore[attr-defined]
    env = gymnasium.make("rnnpipe/Yang-CtxDlyDM1-v0", rule_input=True, dt=50.0)
    assert env.observation_space.shape == (53,) and env.action_space.n == 17  # type: ignore[attr-defined]


@twenty
def test_channels(name: str) -> None:
    task = make(name)
    assert len(task.input_names) == 33 and len(task.action_names) == 17
    assert task.input_names[:2] == ("fixation", "mod1_1") and task.input_names[17] == "mod2_1"
    assert make(name, dim_ring=8).input_names[8:10] == ("mod1_8", "mod2_1")


@twenty
def test_rule_input_is_a_code_of_the_task_and_changes_nothing_else(name: str) -> None:
    with_rule, without = make(name, rule_input=True), make(name)
    assert len(with_rule.input_names) == 53
    a, b = (task.sample(np.random.default_rng(1), 20) for task in (with_rule, without))
    np.testing.assert_array_equal(a.inputs[..., :33], b.inputs)
    own = 33 + YANG19.index(name)
    assert with_rule.input_names[own] == name.replace("yang", "rule")
    np.testing.assert_array_equal(a.inputs[..., own], a.loss_mask)
    assert not np.delete(a.inputs[..., 33:], own - 33, axis=-1).any()
    for field in ("rewards", "stops", "choices", "phase", "correct"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def test_bump() -> None:
    np.testing.assert_allclose(gaussian_bump(N, np.arange(N)), BUMPS, rtol=1e-12)
    assert gaussian_bump(N, np.array([0]))[0, [0, 1, 8, 15]] == pytest.approx(
        [0.8, 0.8 * np.exp(-0.5), 0, 0.48522], abs=1e-5
    )
    assert gaussian_bump(32, np.array([31]))[0, 1] == pytest.approx(0.8 * np.exp(-0.5))  # two steps are pi / 8


@pytest.mark.parametrize("name", REACH)
def test_anti_is_opposite(name: str) -> None:
    directions = np.arange(16)
    expected = (directions + (8 if "anti" in name else 0)) % 16 + 1
    for modality in (1, 2):
        trials = sample(name, 16, modality=modality, direction=directions)
        assert answers(trials) == expected.tolist()
        shown = rings(trials, "decision" if "rt" in name else "stimulus")
        np.testing.assert_allclose(shown[modality - 1], BUMPS, rtol=1e-6)
        assert not shown[2 - modality].any()


def test_when_to_reach() -> None:
    """At once; when the fixation cue goes off; or that, with nothing to see for 500 ms before."""
    for name, steps, on in (
        ("go", 15, (5, 10)),
        ("anti", 15, (5, 10)),
        ("dlygo", 20, (5, 10)),
        ("rtanti", 10, (5, 10)),
    ):
        trials = sample(f"yang_{name}")
        assert trials.n_steps == steps
        np.testing.assert_array_equal(
            trials.inputs[:, 0, 1:].any(-1), (np.arange(steps) >= on[0]) & (np.arange(steps) < on[1])
        )
        np.testing.assert_array_equal(trials.ground_truth[:, 0] != FIXATE, np.arange(steps) >= steps - 5)
        np.testing.assert_array_equal(trials.inputs[:, 0, 0], np.arange(steps) < steps - 5)


@pytest.mark.parametrize("name", [*REACH, *MATCH])
def test_modalities_do_not_take_turns(name: str) -> None:
    modality = make(name).sample(np.random.default_rng(2), 2000).conditions["modality"]
    assert np.mean(modality == 1) == pytest.approx(0.5, abs=0.05)
    assert np.mean(modality[1:] == modality[:-1]) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ATTENDED)
def test_what_counts_is_what_is_attended(name: str) -> None:
    """The sign of the evidence in the attended modality is the answer, whatever the other one shows."""
    task, c = make(name), {"direction": 3, "apart": 6}
    one = task.factors[0].rpartition("_mod")[0]
    toward, away = (64.0, -64.0) if one == "coherence" else (4, 1)  # by name: (1, .3) and (.3, 1)
    weak = 8.0 if one == "coherence" else 2  # (.6, .3)
    for modality, other in itertools.permutations((1, 2)):
        if modality not in ATTENDED[name]:
            continue
        both = f"{one}_mod{other}" in task.factors
        assert both == name.startswith(("yang_ctx", "yang_multi"))
        irrelevant = {f"{one}_mod{other}": away} if both else {}
        outweighed = other in ATTENDED[name]
        assert answers(sample(name, **c, **{f"{one}_mod{modality}": weak}, **irrelevant)) == [10 if outweighed else 4]
        assert answers(sample(name, **c, **{f"{one}_mod{modality}": toward}, **dict.fromkeys(irrelevant, weak))) == [4]
        assert answers(sample(name, **c, **{f"{one}_mod{modality}": away}, **dict.fromkeys(irrelevant, weak))) == [10]


@pytest.mark.parametrize("name", ATTENDED)
def test_strengths(name: str) -> None:
    task = make(name)
    one = task.factors[0].rpartition("_mod")[0]
    value = -32.0 if one == "coherence" else 3  # strengths .34 and .66; .6 and 1
    trials = sample(name, direction=15, apart=8, **dict.fromkeys(task.factors, value))
    periods = task.stimuli if "dly" in name else ("stimulus", "stimulus")
    for k, (period, strength) in enumerate(zip(periods, (0.34, 0.66) if one == "coherence" else (0.6, 1), strict=True)):
        level = rings(trials, period)[:, 0, (15, 7)[k]]
        there = np.array([any(f.endswith(m) for f in task.factors) for m in ("mod1", "mod2")])
        np.testing.assert_allclose(level, 0.8 * strength * there, rtol=1e-5)
        if "dly" in name:
            assert rings(trials, period)[:, 0, (7, 15)[k]].max() < 1e-5


@pytest.mark.parametrize(("name", "equal"), [("yang_multidm", 1 / 8), ("yang_multidlydm", 1 / 6)])
def test_a_coin_decides_between_equal_sums(name: str, equal: float) -> None:
    one = make(name).factors[0].rpartition("_mod")[0]
    pair = (16.0, -16.0) if one == "coherence" else (0, 2)  # (.3, .6) and (.6, .3)
    trials = sample(
        name, 2, fixation=200, direction=0, apart=4, coin=[1, 2], **dict(zip(make(name).factors, pair, strict=True))
    )
    assert answers(trials) == [1, 5]
    np.testing.assert_array_equal(trials.inputs[:, 0], trials.inputs[:, 1])
    # who cannot see the coin is right on half of these trials only, whatever the noise
    many = sample(name, 6000)
    right = YANG_OBSERVERS[name][0](None, many) == (many.correct == 1).argmax(1)
    assert right.mean() == pytest.approx(1 - equal / 2, abs=0.015)


def test_one_timing_for_all_decisions_and_the_old_one_of_dm1() -> None:
    for name in ATTENDED:
        task, other = make(name), make("yang_dm2" if "dly" not in name else "yang_dlydm2")
        assert task.durations() == other.durations()
        assert set(np.diff(sample(name, 300).periods["fixation"])[:, 0]) == {2, 3, 4}
    old = make("yang_dm1", stimulus=[200, 400, 600]).sample(np.random.default_rng(0), 300)
    assert set(np.diff(old.periods["stimulus"])[:, 0]) == {2, 4, 6}


MATCHES = [
    ("yang_dms", 3, 3, True), ("yang_dms", 3, 11, False),
    ("yang_dmc", 7, 0, True), ("yang_dmc", 7, 8, False), ("yang_dmc", 8, 15, True), ("yang_dmc", 8, 7, False),
    ("yang_dmc", 15, 8, True), ("yang_dmc", 0, 15, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sample_direction", "test_direction", "match"), MATCHES)
@pytest.mark.parametrize("modality", [1, 2])
def test_rule_of_matching(name: str, sample_direction: int, test_direction: int, match: bool, modality: int) -> None:
    """Respond to the test on matches (DMS, DMC) or non-matches; to withhold is rewarded where no response is due."""
    given = {"modality": modality, "sample": sample_direction, "match": match}
    if name == "yang_dmc":
        given["place"] = test_direction % 8
    for task, responds in ((name, match), (name.replace("_d", "_dn"), not match)):
        trials = sample(task, **given)
        shown = [rings(trials, period)[modality - 1, 0] for period in ("sample_stimulus", "test_stimulus")]
        np.testing.assert_allclose(shown, BUMPS[[sample_direction, test_direction]], rtol=1e-6)
        assert not any(rings(trials, period)[2 - modality].any() for period in ("sample_stimulus", "test_stimulus"))
        assert answers(trials) == [test_direction + 1 if responds else FIXATE]
        rewards = np.zeros(17)
        rewards[test_direction + 1 if responds else FIXATE] = 1
        np.testing.assert_array_equal(trials.rewards[TIMEOUT, 0], rewards)


def test_categories_are_halves_of_the_ring() -> None:
    trials = make("yang_dmc").sample(np.random.default_rng(4), 4000)
    shown = [rings(trials, period).sum(0).argmax(1) for period in ("sample_stimulus", "test_stimulus")]
    np.testing.assert_array_equal(trials.conditions["match"], shown[0] // 8 == shown[1] // 8)
    for directions in shown:
        assert np.bincount(directions, minlength=16) == pytest.approx(np.full(16, 250), abs=75)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("yang_anti", {"dim_ring": 15}, "dim_ring = 15: .*multiple of 2"),
    ("yang_dm1", {"dim_ring": 2}, "dim_ring = 2: .*greater than or equal to 4"),
    ("yang_dm1", {"coherences": [0.0, 8.0]}, "every coherence must be above 0 and not above 100 percent"),
    ("yang_dm1", {"coherences": [8.0, 8.0]}, "be listed once"),
    ("yang_multidm", {"coherences": []}, "at least 1 item"),
    ("yang_dlydm1", {"strength_values": [0.5]}, "at least 2 items"),
    ("yang_dlydm1", {"strength_values": [0.5, -0.5]}, "every strength must be above 0 and be listed once"),
    ("yang_dlydm1", {"strength_values": [0.5, 0.5]}, "every strength must be above 0 and be listed once"),
    ("yang_rtgo", {"stimulus": 500.0}, "unknown key 'stimulus'"),
]


@pytest.mark.parametrize(("name", "settings", "message"), BAD)
def test_settings_that_make_no_sense(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make(name, **settings)
