"""The tasks of Song, Yang & Wang (2017) beyond motion against their published numbers, and the gambling task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chisquare, norm

from rnnpipe.errors import SettingsError
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._base import Task
from rnnpipe.trials import DECISION, OUTSIDE, Trials

RATIO_4P1 = {
    "value_ratio": 4.1,
    "offers": [[0, 1], [1, 2], [1, 1], [2, 1], [3, 1], [4, 1], [6, 1], [10, 1], [3, 0]],
}
"""The other economic task, as `config/song2017.yaml` has it."""


def make(name: str, **values: Any) -> Task:
    return parse(trial_task_class(name), values, name)


def steps_of(trials: Trials, period: str) -> list[int]:
    """First and last step of a period of the first trial."""
    steps = np.flatnonzero(trials.during(period)[:, 0])
    np.testing.assert_array_equal(np.diff(steps), 1)
    return [int(steps[0]), int(steps[-1])]


# -- protocol ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "n_steps", "n_inputs", "n_actions", "n_conditions", "n_validation", "sd", "min_correct"),
    [
        ("rdm_fixed", 276, 3, 3, 10, 1000, 0.4472, 0.80),
        ("rdm_rt", 276, 3, 3, 12, 1200, 0.5477, 0.80),
        ("mante", 351, 6, 3, 72, 3600, 0.6325, 0.85),
        ("multisensory", 226, 5, 3, 24, 1200, 0.6481, 0.82),
        ("romo", 556, 3, 3, 10, 200, 0.1414, 0.97),
        ("postdecisionwager", 396, 4, 4, 24, 1200, 0.4472, 0.79),
        ("padoaschioppa2006", 351, 7, 3, 18, 900, 0.1414, 0.95),
    ],
)
def test_published_protocol(
    name: str, n_steps: int, n_inputs: int, n_actions: int, n_conditions: int, n_validation: int, sd: float,
    min_correct: float,
) -> None:  # fmt: skip
    for task in [make(name), *([make(name, **RATIO_4P1)] if name == "padoaschioppa2006" else [])]:
        trials = task.sample(np.random.default_rng(0), 1)
        assert (trials.n_steps, trials.n_inputs, trials.n_actions) == (n_steps, n_inputs, n_actions)
        assert len(task.factorial()) == task.trials_per_update == n_conditions
        assert task.validation_trials == n_validation
        assert task.sigma_step == pytest.approx(sd, abs=5e-5)
        assert (task.min_decisions, task.min_correct) == (0.99, min_correct)
        assert (task.reward_abort, task.reward_timeout, task.abort_on_last_step) == (-1.0, None, True)
        assert task.tau_reward == (10_000.0 if name == "rdm_rt" else None)


@pytest.mark.parametrize(
    ("name", "first", "second", "last"),
    [
        (
            "mante",
            {"context": "motion", "side_motion": -1, "side_color": -1, "coherence_motion": 5, "coherence_color": 5},
            {"context": "color", "side_motion": -1, "side_color": -1, "coherence_motion": 5, "coherence_color": 5},
            {"context": "color", "side_motion": 1, "side_color": 1, "coherence_motion": 50, "coherence_color": 50},
        ),
        (
            "multisensory",
            {"modality": "visual", "rate": 9},
            {"modality": "auditory", "rate": 9},
            {"modality": "multisensory", "rate": 16},
        ),
        ("romo", {"order": 1, "base": 10}, {"order": -1, "base": 10}, {"order": -1, "base": 26}),
        (
            "postdecisionwager",
            {"wager": True, "side": -1, "coherence": 0},
            {"wager": False, "side": -1, "coherence": 0},
            {"wager": False, "side": 1, "coherence": 51.2},
        ),
        (
            "padoaschioppa2006",
            {"juices": "AB", "offer": "0B:1A"},
            {"juices": "BA", "offer": "0B:1A"},
            {"juices": "BA", "offer": "2B:0A"},
        ),
        ("gambling", {"left": 0, "right": 0}, {"left": 1, "right": 0}, {"left": 24, "right": 24}),
    ],
)
def test_factor_order(name: str, first: dict[str, Any], second: dict[str, Any], last: dict[str, Any]) -> None:
    rows = make(name).factorial()
    assert (rows[0], rows[1], rows[-1]) == (first, second, last)
    assert list(rows[0]) == list(first), "the first factor is the fastest"


# -- draws ---------------------------------------------------------------------------------------------------


def truncexp(rng: np.random.RandomState, mean: float, low: float, high: float) -> float:
    while True:
        x = rng.exponential(mean)
        if low <= x < high:
            return float(x // 10 * 10)


def uniform(rng: np.random.RandomState, low: float, high: float) -> float:
    return float(rng.uniform(low, high) // 10 * 10)


def one_mante(rng: np.random.RandomState) -> tuple[Any, ...]:
    delay = 300 + truncexp(rng, 300, 0, 1200)
    context = rng.choice(["motion", "color"])
    return (delay, context, *(rng.choice([-1, 1]) for _ in range(2)), *(rng.choice([5, 15, 50]) for _ in range(2)))


def one_wager(rng: np.random.RandomState) -> tuple[Any, ...]:
    wager = rng.choice([True, False])
    stimulus, delay = 100 + truncexp(rng, 180, 0, 800), truncexp(rng, 1350, 1200, 1800)
    sure = truncexp(rng, 575, 500, 750) if wager else 500.0
    return wager, stimulus, delay, sure, rng.choice([-1, 1]), rng.choice([0, 3.2, 6.4, 12.8, 25.6, 51.2])


OFFERS = ["0B:1A", "1B:3A", "1B:2A", "1B:1A", "2B:1A", "3B:1A", "4B:1A", "6B:1A", "2B:0A"]
PUBLISHED_DRAWS: dict[str, Callable[[np.random.RandomState], tuple[Any, ...]]] = {
    "mante": one_mante,
    "multisensory": lambda rng: (
        rng.choice(["visual", "auditory", "multisensory"]), rng.choice([9, 10, 11, 12, 13, 14, 15, 16])
    ),
    "romo": lambda rng: (uniform(rng, 2700, 3300), rng.choice([1, -1]), rng.choice([10, 14, 18, 22, 26])),
    "postdecisionwager": one_wager,
    "padoaschioppa2006": lambda rng: (uniform(rng, 1000, 2000), rng.choice(["AB", "BA"]), rng.choice(OFFERS)),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED_DRAWS)
def test_conditions_of_the_published_generator(name: str) -> None:
    """The same trials as drawing one variable after the other, trial by trial, in the published order."""
    rng = np.random.RandomState(303)
    expected = [PUBLISHED_DRAWS[name](rng) for _ in range(200)]
    conditions = make(name).sample(np.random.RandomState(303), 200).conditions
    for variable, values in zip(conditions, zip(*expected, strict=True), strict=True):
        np.testing.assert_array_equal(conditions[variable], values, err_msg=variable)


@pytest.mark.parametrize("generator", [np.random.default_rng, np.random.RandomState])
@pytest.mark.parametrize(
    ("name", "variable", "mean", "low", "high", "expected"),
    [
        ("mante", "delay", 300, 300, 1500, 573),
        ("postdecisionwager", "stimulus", 180, 100, 900, 266),
        ("postdecisionwager", "delay", 1350, 1200, 1800, 1473),
        ("postdecisionwager", "sure_onset", 575, 500, 750, 611),
        ("romo", "delay", np.inf, 2700, 3300, 2995),
        ("padoaschioppa2006", "duration", np.inf, 1000, 2000, 1495),
    ],
)
def test_durations(
    name: str, variable: str, mean: float, low: float, high: float, expected: float, generator: Any
) -> None:
    """Truncated exponentials (an infinite mean: uniform), floored to the 10 ms of a step."""
    task, n = make(name), 20_000
    given = {"wager": True} if variable == "sure_onset" else {}
    draw = task.variables()[variable]
    if generator is np.random.RandomState:
        n = 2000
        x = task.sample(generator(1), n, **given).conditions[variable]
    else:
        x = getattr(draw, "draw", draw)(generator(1), n)
    bins = np.arange(low, high, 10.0)
    assert np.isin(x, bins).all(), "multiples of the step within the bounds, the upper one excluded"
    decay = np.ones(len(bins)) if np.isinf(mean) else np.exp(-(bins - low) / mean)
    p = decay / decay.sum()
    assert p @ bins == pytest.approx(expected, abs=1.0)
    assert x.mean() == pytest.approx(p @ bins, abs=4.5 * x.std() / np.sqrt(n))
    counts = (x[:, None] == bins).sum(0)
    groups = np.arange(0, len(bins), max(1, len(bins) // 15))
    pair = np.add.reduceat(counts, groups), np.add.reduceat(n * p, groups)
    assert pair[1].min() > 4 and chisquare(*pair).pvalue > 1e-3


def test_onset_of_the_sure_target_exists_on_wager_trials_only() -> None:
    conditions = make("postdecisionwager").sample(np.random.default_rng(0), 500).conditions
    onset, wager = conditions["sure_onset"], conditions["wager"]
    assert (onset[~wager] == 500).all() and len(np.unique(onset[wager])) > 10
    assert 0.4 < wager.mean() < 0.6


# -- inputs without noise ------------------------------------------------------------------------------------


def columns(trials: Trials, trial: int = 0) -> dict[int, list[float]]:
    """Inputs of one trial at the steps where they change."""
    x = trials.inputs[:, trial].astype(float).round(6)
    changes = np.flatnonzero(np.any(x[1:] != x[:-1], axis=1)) + 1
    return {int(t): x[t].tolist() for t in [0, *changes]}


def test_inputs_of_mante() -> None:
    given = {"delay": 310.0, "context": ["motion", "color"], "side_motion": -1, "side_color": 1}
    trials = make("mante", var_in=0.0).sample(
        np.random.default_rng(0), 2, **given, coherence_motion=50.0, coherence_color=5.0
    )
    # the cue of the context goes on and off; motion to the left, color to the right; no other fixation input
    evidence = [0.75, 0.25, 0.475, 0.525]
    for trial, cue in enumerate(([1.0, 0.0], [0.0, 1.0])):
        assert columns(trials, trial) == {
            0: [*cue, 0, 0, 0, 0],
            75: cue + evidence,
            150: [*cue, 0, 0, 0, 0],
            181: [0] * 6,
        }
    np.testing.assert_array_equal(trials.correct, [[-1, 1, 0], [-1, 0, 1]])
    np.testing.assert_array_equal(trials.rewards[DECISION], [[0, 1, 0], [0, 0, 1]])
    assert steps_of(trials, "delay") == [150, 180] and steps_of(trials, "decision") == [181, 349]


def test_inputs_of_multisensory() -> None:
    trials = make("multisensory", var_in=0.0).sample(
        np.random.default_rng(0), 3, modality=["visual", "auditory", "multisensory"], rate=[16.0, 9.0, 13.0]
    )
    high, low, middle = ([(1 + s) / 2, (1 - s) / 2] for s in (14 / 21, 7 / 21, 11 / 21))
    for trial, evidence in enumerate(([*high, 0, 0], [0, 0, *low], [*middle, *middle])):
        expected = {0: [1.0, 0, 0, 0, 0], 75: [1.0, *np.round(evidence, 6)], 175: [0] * 5}
        assert columns(trials, trial) == expected
    np.testing.assert_array_equal(trials.correct, [[-1, 0, 1], [-1, 1, 0], [-1, 0, 1]])
    assert steps_of(trials, "decision") == [175, 224]
    s = (make("multisensory").boundary - 2) / 21  # type: ignore[attr-defined]
    assert [(1 + s) / 2, (1 - s) / 2] == [0.75, 0.25]


def test_inputs_of_romo() -> None:
    trials = make("romo", var_in=0.0).sample(
        np.random.default_rng(0), 2, delay=3000.0, order=[1, -1], base=[10.0, 26.0]
    )
    third = [round(x, 6) for x in (2 / 3, 1 / 3)]  # 18 Hz: s = 1/3
    assert columns(trials, 0) == {
        0: [1, 0, 0], 75: [1, *third], 125: [1, 0, 0], 425: [1, 0.5, 0.5], 475: [0, 0, 0]
    }  # fmt: skip
    five_sixths = [round(x, 6) for x in (5 / 6, 1 / 6)]  # 26 Hz: s = 2/3
    assert columns(trials, 1) == {0: [1, 0, 0], 75: [1, *five_sixths], 125: [1, 0, 0], 425: [1, 1, 0], 475: [0, 0, 0]}
    np.testing.assert_array_equal(trials.correct, [[-1, 1, 0], [-1, 0, 1]], "the first action says f1 > f2")
    assert steps_of(trials, "decision") == [475, 554]
    np.testing.assert_array_equal(trials.inputs[-1], 0, "the cue does not come back at the last step")


def test_inputs_of_wager() -> None:
    given = {"stimulus": 200.0, "delay": 1200.0, "sure_onset": 510.0, "side": [1, -1], "coherence": 51.2}
    task = make("postdecisionwager", var_in=0.0)
    trials = task.sample(np.random.default_rng(0), 2, wager=[True, False], **given)
    assert columns(trials, 0) == {
        0: [1, 0, 0, 0], 75: [1, 0.244, 0.756, 0], 95: [1, 0, 0, 0], 146: [1, 0, 0, 1], 215: [0, 0, 0, 1],
        395: [0, 0, 0, 0],
    }  # fmt: skip
    assert columns(trials, 1) == {0: [1, 0, 0, 0], 75: [1, 0.756, 0.244, 0], 95: [1, 0, 0, 0], 215: [0, 0, 0, 0]}
    assert steps_of(trials, "decision") == [215, 394]
    np.testing.assert_allclose(trials.rewards[DECISION], [[0, 0, 1, 0.7], [0, 1, 0, -1]])
    np.testing.assert_array_equal(trials.choices[DECISION], [[0, 1, 1, 1], [0, 1, 1, 0]])
    np.testing.assert_array_equal(trials.stops[DECISION], [[0, 1, 1, 1]] * 2)
    np.testing.assert_array_equal(trials.correct, [[-1, 0, 1, -1], [-1, 1, 0, -1]])
    np.testing.assert_allclose(trials.rewards[OUTSIDE], [[0, -1, -1, -1]] * 2, err_msg="seeing it is not yet having it")


def test_inputs_of_economic_choice() -> None:
    task = make("padoaschioppa2006", var_in=0.0)
    trials = task.sample(np.random.default_rng(0), 2, duration=1200.0, juices=["AB", "BA"], offer="3B:1A")
    offers = ([1, 1, 0, 0, 1, 0.2, 0.6], [1, 0, 1, 1, 0, 0.6, 0.2])
    for trial, offer in enumerate(offers):
        assert columns(trials, trial) == {0: [1, 0, 0, 0, 0, 0, 0], 75: offer, 195: [0] * 7}
    np.testing.assert_allclose(trials.rewards[DECISION], [[0, 0.22, 0.3], [0, 0.3, 0.22]], rtol=1e-6)
    np.testing.assert_array_equal(trials.correct, [[-1, 0, 1], [-1, 1, 0]])
    assert steps_of(trials, "decision") == [195, 349]
    np.testing.assert_array_equal(trials.inputs[-1], 0, "the cue does not come back at the last step")


@pytest.mark.parametrize(
    ("values", "rewards", "a_is_better"),
    [
        ({}, [(0, 0.22), (0.1, 0.66), (0.1, 0.44), (0.1, 0.22), (0.2, 0.22), (0.3, 0.22), (0.4, 0.22), (0.6, 0.22),
              (0.2, 0)], [1, 1, 1, 1, 1, 0, 0, 0, 0]),
        (RATIO_4P1, [(0, 0.41), (0.1, 0.82), (0.1, 0.41), (0.2, 0.41), (0.3, 0.41), (0.4, 0.41), (0.6, 0.41),
                     (1.0, 0.41), (0.3, 0)], [1, 1, 1, 1, 1, 1, 0, 0, 0]),
    ],
)  # fmt: skip
def test_values_of_offers(values: dict[str, Any], rewards: list[tuple[float, float]], a_is_better: list[int]) -> None:
    """Rewards of juice B and A of every offer, whichever side they are on."""
    task = make("padoaschioppa2006", **values)
    table = task.factorial()
    given = {k: [row[k] for row in table] for k in task.factors}
    trials = task.sample(np.random.default_rng(0), 18, **given)
    a_left = np.array(given["juices"]) == "AB"
    i = np.arange(18)
    a, b = np.where(a_left, 1, 2), np.where(a_left, 2, 1)
    np.testing.assert_allclose(trials.rewards[DECISION][i, b], np.repeat([r[0] for r in rewards], 2), rtol=1e-6)
    np.testing.assert_allclose(trials.rewards[DECISION][i, a], np.repeat([r[1] for r in rewards], 2), rtol=1e-6)
    np.testing.assert_array_equal(trials.correct[i, a] == 1, np.repeat(a_is_better, 2))
    np.testing.assert_array_equal(trials.correct[i, b] == 1, np.repeat(a_is_better, 2) == 0)
    assert trials.rewards[DECISION].max(1).mean() == pytest.approx(0.530 if values else 0.362, abs=0.0005)


def test_offers_worth_the_same_are_both_correct() -> None:
    task = make("padoaschioppa2006", value_ratio=3.0, offers=[[3, 1], [1, 1]])
    trials = task.sample(np.random.default_rng(0), 2, juices="AB", offer=["3B:1A", "1B:1A"])
    np.testing.assert_array_equal(trials.correct, [[-1, 1, 1], [-1, 1, 0]])


def test_options_of_gambling() -> None:
    """Sizes by probability and rank, colors of the corners, and cue and colors in time."""
    task: Any = make("gambling", var_in=0.0)
    size = (task.expected / task.probabilities).reshape(5, 5)
    sizes = [
        [10, 13.75, 17.5, 21.25, 25], [3.33, 4.58, 5.83, 7.08, 8.33], [2, 2.75, 3.5, 4.25, 5],
        [1.43, 1.96, 2.5, 3.04, 3.57], [1.11, 1.53, 1.94, 2.36, 2.78],
    ]  # fmt: skip
    np.testing.assert_allclose(size * 2.5, sizes, atol=0.006)
    trials = task.sample(np.random.default_rng(0), 2, left=[0, 7], right=[24, 4])
    assert trials.n_steps == 77
    assert columns(trials, 0) == {0: [1] + [0] * 6, 25: [1, 1, 0, 1, 0, 1, 0], 50: [0] * 7}
    assert columns(trials, 1)[25] == [1, 0.5, 0.25, 0.75, 0, 0.5, 1]
    assert steps_of(trials, "decision") == [50, 75]
    np.testing.assert_allclose(trials.rewards[OUTSIDE], [[0, -0.5, -0.5]] * 2)
    assert make("gambling").sigma_step == pytest.approx(0.1)
    assert (make("gambling").trials_per_update, make("gambling").validation_trials) == (64, 500)


def test_gambles_pay_their_size_with_their_probability() -> None:
    task: Any = make("gambling")
    options = np.repeat(np.arange(25), 4000)
    trials = task.sample(np.random.default_rng(0), len(options), left=options, right=options[::-1])
    for action, shown in ((1, options), (2, options[::-1])):
        paid = trials.rewards[DECISION][:, action].astype(float)
        for option in range(25):
            p, expected = task.probabilities[option], task.expected[option]
            won = paid[shown == option]
            assert set(won.round(5)) == {0.0, round(expected / p, 5)}
            assert (won > 0).mean() == pytest.approx(p, abs=4.5 * np.sqrt(p * (1 - p) / 4000))
    both = (trials.rewards[DECISION][:, 1:] > 0).T.astype(float)
    assert (
        abs(np.corrcoef(both[0] - task.probabilities[options], both[1] - task.probabilities[options[::-1]])[0, 1])
        < 0.015
    )
    equal = task.expected[options] == task.expected[options[::-1]]
    better = task.expected[options] > task.expected[options[::-1]]
    np.testing.assert_array_equal(trials.correct, np.stack([-np.ones(len(options)), better | equal, ~better], axis=1))


@pytest.mark.parametrize(("name", "period"), [
    ("mante", "stimulus"), ("multisensory", "stimulus"), ("romo", "f1"), ("romo", "f2"),
    ("postdecisionwager", "stimulus"), ("padoaschioppa2006", "offer"), ("gambling", "stimulus"),
])  # fmt: skip
@pytest.mark.parametrize("dt", [10.0, 50.0])
def test_noise_is_on_evidence_alone(name: str, period: str, dt: float) -> None:
    """Every channel of evidence has independent noise of the step's SD; cues, labels and other steps have none."""
    given = {"modality": "multisensory"} if name == "multisensory" else {}
    n_noisy = {"mante": 4, "multisensory": 4, "romo": 2, "postdecisionwager": 2, "padoaschioppa2006": 2, "gambling": 6}
    task = make(name, dt=dt)
    trials = task.sample(np.random.default_rng(2), 150, **given)
    mean = make(name, dt=dt, var_in=0.0).sample(np.random.default_rng(0), 150, **trials.conditions)
    noise = trials.inputs - mean.inputs
    during = trials.during(period)
    others = trials.during("f2" if period == "f1" else "f1") if name == "romo" else np.zeros_like(during)
    np.testing.assert_array_equal(noise[~during & ~others], 0)
    inside = noise[during].astype(float)
    noisy = inside.std(0) > 0
    assert noisy.sum() == n_noisy[name]
    n = len(inside)
    np.testing.assert_allclose(inside[:, noisy].std(0), np.sqrt(200 / dt * task.var_in), rtol=4.5 / np.sqrt(2 * n))
    assert np.abs(inside[:, noisy].mean(0)).max() < 4.5 * task.sigma_step / np.sqrt(n)
    correlation = np.corrcoef(inside[:, noisy].T) - np.eye(n_noisy[name])
    assert np.abs(correlation).max() < 4.5 / np.sqrt(n)
    absent = task.sample(np.random.default_rng(2), 50, modality="visual") if name == "multisensory" else None
    assert absent is None or (absent.inputs[..., 3:] == 0).all(), "an absent modality is silent"


# -- criteria ------------------------------------------------------------------------------------------------


def test_performance_of_the_wager_task() -> None:
    """Sure choices are decisions but neither right nor wrong; their fraction is among the decisions of wager trials."""
    task = make("postdecisionwager")
    table = {
        "decision": np.array([1, 1, 1, 1, 1, 1, 0, 1], bool),
        "wager": np.array([1, 1, 1, 1, 0, 0, 1, 0], bool),
        "choice": np.array([3, 1, 2, 3, 1, 2, 0, 1]),
        "correct": np.array([-1, 1, 0, -1, 1, 1, -1, 0]),
    }
    assert task.performance(table) == pytest.approx({"p_decision": 7 / 8, "p_correct": 3 / 5, "p_sure": 2 / 4})
    good = {"p_decision": 0.99, "p_correct": 0.79, "p_sure": 0.5}
    assert task.criterion(good) and task.criterion({**good, "p_sure": 0.401})
    for bad in ({"p_sure": 0.4}, {"p_sure": 0.501}, {"p_correct": 0.789}, {"p_decision": 0.989}):
        assert not task.criterion({**good, **bad})


# -- ideal observers -----------------------------------------------------------------------------------------

SE = 0.001
"""Standard error of a measured fraction: a third of the tolerance."""


def batches(task: Task, p: float, seed: int, chunk: int = 20_000, **given: Any) -> Iterator[Trials]:
    """Trials enough for a fraction near p to have its standard error."""
    n, rng = int(max(p * (1 - p), 0.01) / SE**2), np.random.default_rng(seed)
    for start in range(0, n, chunk):
        yield task.sample(rng, min(chunk, n - start), **given)


def summed(trials: Trials, weights: list[float]) -> NDArray[np.float64]:
    """Weighted sum over inputs and steps, (n_trials,)."""
    total: NDArray[np.float64] = np.einsum("tic,c->i", trials.inputs, np.array(weights, np.float32)).astype(float)
    return total


def accuracy(answers: Iterator[tuple[Trials, NDArray[np.integer[Any]]]]) -> float:
    """Fraction of trials on which the answered action is correct."""
    right = [trials.correct[np.arange(trials.n_trials), answer] == 1 for trials, answer in answers]
    return float(np.concatenate(right).mean())


# sums over a stimulus of fixed duration have the same distribution on every grid that divides it


def test_ideal_observer_of_mante() -> None:
    task = make("mante", dt=250.0)

    def answers(coherence: float, p: float, context: str) -> Iterator[tuple[Trials, NDArray[Any]]]:
        weights = [0, 0, -1, 1, 0, 0] if context == "motion" else [0, 0, 0, 0, -1, 1]
        for trials in batches(task, p, 1, context=context, **{f"coherence_{context}": coherence}):
            yield trials, np.where(summed(trials, weights) > 0, 2, 1)

    expected = {5.0: 0.686, 15.0: 0.927, 50.0: 1.0}
    by_context = [{c: accuracy(answers(c, p, context)) for c, p in expected.items()} for context in ("motion", "color")]
    for measured in by_context:
        assert measured == pytest.approx(expected, abs=0.003)
        assert np.mean(list(measured.values())) == pytest.approx(0.871, abs=0.003)


def test_ideal_observer_of_mante_on_its_own_grid() -> None:
    """The noise of the published step: a coarse check that the fine and the coarse grid are the same task."""
    trials = make("mante").sample(np.random.default_rng(0), 8000, context="color", coherence_color=5.0)
    answer = np.where(summed(trials, [0, 0, 0, 0, -1, 1]) > 0, 2, 1)
    assert accuracy(iter([(trials, answer)])) == pytest.approx(norm.cdf(5 / 10.33), abs=3 * 0.0052)


def test_ideal_observer_of_multisensory() -> None:
    task = make("multisensory", dt=250.0)

    def measure(modality: str, p: float) -> tuple[float, float]:
        """Accuracy, and the SD of the estimated rate, events/s."""
        right, errors = [], []
        for trials in batches(task, p, 2, modality=modality):
            n_channels = 1 if modality != "multisensory" else 2
            scaled = summed(trials, [0, 1, -1, 1, -1]) / (n_channels * 1000 / 250)
            rate = 2 + 21 * scaled
            answer = np.where(rate > 12.5, 2, 1)
            right.append(trials.correct[np.arange(trials.n_trials), answer] == 1)
            errors.append(rate - trials.conditions["rate"])
        return float(np.concatenate(right).mean()), float(np.concatenate(errors).std())

    expected = {"visual": (0.813, 1.925), "auditory": (0.813, 1.925), "multisensory": (0.867, 1.361)}
    measured = {modality: measure(modality, p) for modality, (p, _) in expected.items()}
    for modality, (p, sigma) in expected.items():
        assert measured[modality][0] == pytest.approx(p, abs=0.003)
        assert measured[modality][1] == pytest.approx(sigma, rel=0.01)
    assert np.mean([p for p, _ in measured.values()]) == pytest.approx(0.831, abs=0.003)


def test_ideal_observer_of_romo() -> None:
    """The difference of the two integrated frequencies, on the published grid."""
    task = make("romo")
    trials = task.sample(np.random.default_rng(3), 2000, delay=3000.0)
    scaled = trials.inputs[..., 1].astype(float) - trials.inputs[..., 2]
    first, second = (np.where(trials.during(p), scaled, 0).sum(0) / 50 for p in ("f1", "f2"))
    difference = first - second
    answer = np.where(difference > 0, 1, 2)
    assert (trials.correct[np.arange(2000), answer] == 1).all()
    signed = difference * trials.conditions["order"]
    assert signed.mean() / signed.std() == pytest.approx(8.33, abs=4 * 8.33 / np.sqrt(2 * 2000))
    estimate = 10 + 24 * first
    f1 = trials.conditions["base"] + 8 * (trials.conditions["order"] > 0)
    assert (estimate - f1).mean() == pytest.approx(0, abs=0.1), "f1 is the higher one where order is 1"


def wager_observer(seed: int) -> dict[str, NDArray[Any]]:
    """Simulated wager trials, the summed evidence (right minus left), its steps, and the posterior of the best guess.

    Periods that carry no evidence are short, those that do are as published.
    """
    task = make(
        "postdecisionwager", fixation=10.0, delay_min=30.0, delay_mean=50.0, delay_max=60.0, sure_min=10.0,
        sure_mean=20.0, sure_max=30.0, tmax=1000.0,
    )  # fmt: skip
    rng, parts = np.random.default_rng(seed), []
    for _ in range(50):
        trials = task.sample(rng, 20_000)
        c = trials.conditions
        parts.append((c["wager"], c["side"], c["coherence"], summed(trials, [0, -1, 1, 0]), c["stimulus"] / 10))
    wager, side, coherence, x, n = (np.concatenate(p) for p in zip(*parts, strict=True))
    sd = np.sqrt(n * 2 * 0.2)
    right, left = (sum(norm.pdf(x, s * n * c / 100, sd) for c in (0, 3.2, 6.4, 12.8, 25.6, 51.2)) for s in (1, -1))
    guess = np.where(right > left, 1, -1)
    belief = np.maximum(right, left) / (right + left)
    return {"wager": wager, "coherence": coherence, "correct": guess == side, "belief": belief}


def test_ideal_observer_of_the_wager_task() -> None:
    trials = wager_observer(4)
    wager, correct, belief = trials["wager"], trials["correct"], trials["belief"]
    forced = {0.0: 0.5, 3.2: 0.599, 6.4: 0.690, 12.8: 0.833, 25.6: 0.963, 51.2: 0.999}
    measured = {c: float(correct[trials["coherence"] == c].mean()) for c in forced}
    assert measured == pytest.approx(forced, abs=0.003)
    assert correct.mean() == pytest.approx(0.764, abs=0.003)
    assert belief.mean() == pytest.approx(correct.mean(), abs=0.002), "the posterior is calibrated"

    sure = wager & (belief < 0.7)  # a sure 0.7 beats a guess that is right less often
    assert sure.sum() / wager.sum() == pytest.approx(0.419, abs=0.003)
    assert correct[wager & ~sure].mean() == pytest.approx(0.885, abs=0.003)
    assert correct[~sure].mean() == pytest.approx(0.809, abs=0.003)
    reward = np.where(sure, 0.7, correct)
    assert reward[~wager].mean() == pytest.approx(0.764, abs=0.003)
    assert reward[wager].mean() == pytest.approx(0.808, abs=0.003)
    assert reward.mean() == pytest.approx(0.786, abs=0.003)
    # the optimum: a stricter or a looser use of the sure option earns less
    for threshold in (0.6, 0.8):
        assert np.where(wager & (belief < threshold), 0.7, correct).mean() < reward.mean()


@pytest.mark.parametrize(("values", "reward"), [({}, 0.362), (RATIO_4P1, 0.530)])
def test_ideal_observer_of_economic_choice(values: dict[str, Any], reward: float) -> None:
    """Rounding the integrated amounts finds every offer, also the nearly equal ones."""
    task = make("padoaschioppa2006", **values)
    trials = task.sample(np.random.default_rng(5), 3000)
    n = trials.during("offer").sum(0)
    seen = trials.inputs.astype(float).sum(0) / n[:, None]
    drops = np.round(5 * seen[:, 5:])
    value_a = 0.1 * float(values.get("value_ratio", 2.2))
    value = drops * np.where(seen[:, [1, 3]] > 0.5, value_a, 0.1)
    answer = 1 + value.argmax(1)
    i = np.arange(3000)
    assert (trials.correct[i, answer] == 1).all()
    assert trials.rewards[DECISION][i, answer].mean() == pytest.approx(reward, abs=3 * 0.22 / np.sqrt(3000))


def test_maximum_reward_of_motion_discrimination() -> None:
    """The reward is the accuracy: 0.810 for a perfect integrator that answers in time."""
    trials = make("rdm_fixed").sample(np.random.default_rng(6), 30_000)
    answer = np.where(summed(trials, [0, -1, 1]) > 0, 2, 1)
    mean = trials.rewards[DECISION][np.arange(30_000), answer].mean()
    assert mean == pytest.approx(0.810, abs=3 * 0.0023)


# -- settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("mante", {"delay_max": 300.0}, r"delay_min \(300 ms\) must be below delay_max \(300 ms\)"),
        ("mante", {"delay_max": 2500.0}, r"the last period can end at 4010 ms, after tmax = 3500 ms"),
        ("mante", {"coherences": [-5.0]}, r"every coherence must be between 0 and 100"),
        ("multisensory", {"boundary": 12.0}, r"12 is the boundary itself, where neither choice is correct"),
        ("multisensory", {"rate_min": 23.0}, r"rate_min \(23\) must be below rate_max \(23\)"),
        ("multisensory", {"decision": 900.0}, r"can end at 2650 ms, after tmax = 2250 ms"),
        ("romo", {"delay_min": 3300.0}, r"nothing lies between 3300 and 3300"),
        ("romo", {"frequency_min": 40.0}, r"frequency_min \(40 Hz\) must be below frequency_max \(34 Hz\)"),
        ("romo", {"stimulus": 5.0}, r"stimulus can be 5 ms, shorter than one step"),
        ("postdecisionwager", {"sure_max": 1300.0}, r"can appear 1300 ms after the stimulus .sure_max., when"),
        ("postdecisionwager", {"sure_min": 800.0}, r"sure_min \(800 ms\) must be below sure_max \(750 ms\)"),
        ("postdecisionwager", {"min_sure": 0.6}, r"min_sure \(0.6\) must be below max_sure \(0.5\)"),
        ("postdecisionwager", {"stimulus_max": 3000.0}, r"after tmax = 3950 ms"),
        ("padoaschioppa2006", {"offers": [[1, -1]]}, r"amounts cannot be negative"),
        ("padoaschioppa2006", {"offers": [[1, 1], [1, 1]]}, r"an offer stands there twice"),
        ("padoaschioppa2006", {"offers": [[1, 2, 3]]}, r"offers"),
        ("padoaschioppa2006", {"offers": [["one", 2]]}, r"offers"),
        ("padoaschioppa2006", {"offers": []}, r"offers = \[\]"),
        ("padoaschioppa2006", {"offer_min": 2000.0}, r"nothing lies between 2000 and 2000"),
        ("gambling", {"reward_scale": 0.0}, r"reward_scale = 0\.0: .*greater than 0"),
        ("gambling", {"decision": 300.0}, r"can end at 800 ms, after tmax = 760 ms"),
    ],
)  # fmt: skip
def test_impossible_settings(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        parse(trial_task_class(name), values, "tasks.mine")
    assert str(error.value).startswith("tasks.mine: ") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("padoaschioppa2006", {"offer": "1B:7A"}, r"task padoaschioppa2006: offer = '1B:7A' .did you mean '1B:3A'"),
        ("mante", {"context": ["color", "colour"]}, r"task mante: context = 'colour' .did you mean 'color'"),
        ("multisensory", {"modality": "touch"}, r"modality = 'touch' .*known: auditory, multisensory, visual"),
    ],
)
def test_labels_that_no_trial_can_have(name: str, given: dict[str, Any], message: str) -> None:
    for generator in (np.random.default_rng, np.random.RandomState):
        with pytest.raises(SettingsError, match=message):
            make(name).sample(generator(0), 2, **given)
