"""What is peculiar to single tasks of consecutive periods; what they share is in `test_tasks_library`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.evaluation.outcomes import outcomes
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._periods import PeriodTask
from rnnpipe.tasks.hierarchical_reasoning import HierarchicalReasoning
from rnnpipe.tasks.probabilistic_reasoning import ORDERS, ProbabilisticReasoning
from rnnpipe.tasks.pulse_decision_making import PulseDecisionMaking
from rnnpipe.trials import EARLY, Trials


def make(name: str, **settings: Any) -> PeriodTask:
    task = parse(trial_task_class(name), settings, name)
    assert isinstance(task, PeriodTask)
    return task


def drawn(task: PeriodTask, n: int, **conditions: Any) -> Trials:
    return task.sample(np.random.default_rng(0), n, **conditions)


def answers(trials: Trials) -> list[int]:
    answer: list[int] = (trials.correct == 1).argmax(1).tolist()
    return answer


def acting_at(trials: Trials, step: NDArray[np.integer[Any]]) -> dict[str, NDArray[Any]]:
    """Outcomes of taking action 1 once, at a step of each trial."""
    i, alive = np.arange(trials.n_trials), np.ones(trials.n_trials, bool)
    taken, rewards = np.full(trials.phase.shape, -1), np.zeros(trials.phase.shape)
    for t in range(trials.n_steps):
        a = np.where(step == t, 1, 0)
        taken[t, alive], rewards[t, alive] = a[alive], trials.reward(t, a)[alive]
        alive &= ~trials.stops[trials.phase[t], i, a]
    return outcomes(trials, taken, rewards)


def test_the_shown_context_says_which_modality_counts() -> None:
    task = make("context_decision_making", explicit_context=True, sigma=0.0, delay=300.0, dim_ring=4)
    conditions = {"context": [1, 2], "direction": 1, "other_direction": 3, "coherence": 50.0, "other_coherence": 5.0}
    trials = drawn(task, 2, **conditions)
    assert task.input_names[-2:] == ("context_1", "context_2") and len(task.input_names) == 1 + 4 + 4 + 2
    relevant, other = [0.5, 0.75, 0.5, 0.25], [0.5, 0.475, 0.5, 0.525]
    np.testing.assert_allclose(
        trials.inputs[4], [[1, *relevant, *other, 1, 0], [1, *other, *relevant, 0, 1]], rtol=1e-6
    )
    assert answers(trials) == [2, 2]
    for context, channel in ((0, -2), (1, -1)):
        np.testing.assert_array_equal(trials.inputs[:, context, channel], 1, "shown for the whole trial")
    noisy = drawn(make("context_decision_making", explicit_context=True), 100)
    assert set(noisy.conditions["context"]) == {1, 2} and set(np.unique(noisy.inputs[..., -2:])) == {0, 1}


def test_the_context_that_is_not_shown_is_a_setting() -> None:
    task = make("context_decision_making", modality=2, sigma=0.0, dim_ring=2)
    trials = drawn(task, 300)
    assert trials.n_inputs == 5 and (trials.conditions["context"] == 2).all()
    assert (trials.inputs[4, :, 3:].argmax(1) + 1).tolist() == answers(trials)
    go = trials.periods["decision"][:, 0]
    assert len(set(go)) > 5, "the time to answer is not known in advance"
    np.testing.assert_array_equal(trials.inputs[..., 0].sum(0), go, "the fixation cue goes off at the decision")
    with pytest.raises(SettingsError, match="modality = 3: "):
        make("context_decision_making", modality=3)


def test_shares_of_two_modalities() -> None:
    task = make("multisensory_integration", sigma=0.0)
    trials = drawn(task, 3, direction=0, coherence=50.0, share=[0.0, 0.5, 1.0])
    weak, half, strong = [0.5, 0.5], [0.625, 0.375], [0.75, 0.25]
    np.testing.assert_allclose(trials.inputs[3, :, 1:], [weak + strong, half + half, strong + weak], rtol=1e-6)


def test_pulses_are_where_their_train_has_them() -> None:
    task = make("pulse_decision_making", pulse=20.0, gap=80.0, n_bins=3, fixation=100.0)
    assert isinstance(task, PulseDecisionMaking)
    trials = drawn(task, 3, side=[1, 2, 2], frequent=[0b101, 0b101, 0b001], rare=[0b010, 0b011, 0b011])
    expected = np.zeros((30, 2))
    expected[[0, 1, 20, 21], 0] = expected[[10, 11], 1] = 1
    np.testing.assert_array_equal(trials.inputs[10:40, 0, 1:], expected)
    assert answers(trials) == [1, 2, 1], "more pulses, a tie, and fewer on the side that has more of them on average"
    many = drawn(task, 4000, side=[1, 2] * 2000)
    np.testing.assert_allclose(task.pulses(many.conditions)[::2].mean((0, 2)), [0.7, 0.3], atol=0.025)
    np.testing.assert_allclose(task.pulses(many.conditions)[1::2].mean((0, 2)), [0.3, 0.7], atol=0.025)
    for p in ([0.7, 0.3], [0.5], [-0.1, 0.5]):
        with pytest.raises(SettingsError, match="must be two probabilities, the lower one first"):
            make("pulse_decision_making", p_pulse=p)


def test_distractors_come_before_the_test() -> None:
    task = make("delay_match_sample_distractor", separation=60.0)
    trials = drawn(task, 3, n_distractors=[0, 1, 2])
    np.testing.assert_array_equal(trials.periods["test_stimulus"], [[18, 23], [33, 38], [48, 53]])
    stimuli = trials.inputs[[5, 20, 35, 50], :, 1:]
    for i, test in enumerate((1, 2, 3)):
        np.testing.assert_array_equal(stimuli[test, i], stimuli[0, i])
        for distractor in range(1, test):
            between = np.corrcoef(stimuli[0, i], stimuli[distractor, i])[0, 1]  # cosine of the angle between them
            assert between <= 0.5 + 1e-6
    table = acting_at(trials, np.full(3, 20))
    assert table["reward"].tolist() == [1, -1, -1] and table["decision"].tolist() == [True, False, False]
    too_soon = acting_at(trials, np.full(3, 4))
    np.testing.assert_allclose(too_soon["reward"], -0.1, rtol=1e-6)


def test_shapes_accumulate_at_their_locations() -> None:
    task = make("probabilistic_reasoning", weights=[-1.0, 0.5, 2.0])
    assert isinstance(task, ProbabilisticReasoning)
    trials = drawn(task, 2, first=0, second=1, third=2, fourth=1, order=[0, 23], reward_draw=[0.98, 0.995])
    assert ORDERS[[0, 23]].tolist() == [[0, 1, 2, 3], [3, 2, 1, 0]]
    for n, t in enumerate((5, 10, 15, 20), start=1):
        shown = trials.inputs[t, :, 1:].reshape(2, 4, 3)
        np.testing.assert_array_equal(shown[0], np.eye(3)[[0, 1, 2, 1]] * (np.arange(4) < n)[:, None])
        np.testing.assert_array_equal(shown[1], np.eye(3)[[1, 2, 1, 0]] * (np.arange(4) >= 4 - n)[:, None])
    assert task.probability(trials.conditions) == pytest.approx(1 / (1 + 10**-2.0)) and answers(trials) == [2, 1]
    many = drawn(task, 4000)
    p = task.probability(many.conditions)
    found, expected = np.mean(np.array(answers(many)) == 2), p.mean()
    assert abs(found - expected) < 4 * np.sqrt((p * (1 - p)).sum()) / 4000


def test_the_rule_is_about_the_delay_that_is_shown() -> None:
    task = make("hierarchical_reasoning", dt=10.0)
    assert isinstance(task, HierarchicalReasoning)
    conditions = {"rule": [1, 1, 2, 2], "side": [1, 1, 1, 2], "delay": [770.0, 930.0, 770.0, 770.0]}
    assert answers(drawn(task, 4, **conditions)) == [1, 2, 2, 1]
    coarse = drawn(make("hierarchical_reasoning"), 2, rule=1, side=1, delay=[900, 890])
    assert (np.diff(coarse.periods["delay"])[:, 0] == [9, 8]).all() and answers(coarse) == [2, 1]
    trials = drawn(task, 4000)
    long = np.diff(trials.periods["delay"])[:, 0] >= 85
    assert abs(long.mean() - 0.5) < 0.035
    side, rule = trials.conditions["side"], trials.conditions["rule"]
    assert answers(trials) == np.where(long ^ (rule == 2), 3 - side, side).tolist()


def test_two_stimuli_never_last_equally_long() -> None:
    task = make("interval_discrimination")
    trials = drawn(task, 12, pair=np.arange(12))
    first, second = (np.diff(trials.periods[period])[:, 0] for period in task.stimuli)
    assert (first != second).all() and len(set(zip(first, second, strict=True))) == 12
    assert answers(trials) == np.where(first > second, 1, 2).tolist()
    assert answers(trials).count(1) == 6, "neither answer is more frequent"
    with pytest.raises(SettingsError, match="two of the intervals are the same on a grid of dt = 100 ms"):
        make("interval_discrimination", intervals=[300.0, 350.0])


@pytest.mark.parametrize(
    ("name", "conditions", "due"),
    [
        ("ready_set_go", {"measure": [800.0, 1200.0]}, [800, 1200]),
        ("motor_timing", {"interval": [0, 1]}, [800, 1500]),
        ("one_two_three_go", {"interval": [600.0, 1000.0]}, [600, 1000]),
    ],
)
def test_intervals_are_right_within_their_tolerance(name: str, conditions: dict[str, Any], due: list[float]) -> None:
    """From flash to action, in ms: correct from 20% and 25 ms too short to as much too long, and nowhere else."""
    task = make(name, dt=10.0, fixation=100.0, reward_wrong=-0.5, reward_timeout=-0.25, graded=False)
    trials = drawn(task, 2, **conditions)
    flash = trials.periods["production"][:, 0]
    error = 0.2 * np.array(due) + 25
    earliest, latest = np.ceil((due - error) / 10).astype(int), np.floor((due + error) / 10).astype(int)
    for step, right in ((earliest, 1), (latest, 1), (earliest - 1, -1), (latest + 1, -1)):
        table = acting_at(trials, flash + step)
        assert table["correct"].tolist() == [right] * 2
        late = (step > latest).all()
        assert table["reward"].tolist() == ([1, 1] if right == 1 else [-0.25] * 2 if late else [-0.5] * 2)
    np.testing.assert_array_equal(trials.phase[flash, [0, 1]], EARLY)


def test_the_interval_to_produce_has_a_gain() -> None:
    task = make("ready_set_go", gain=1.5, dt=20.0)
    trials = drawn(task, 2, measure=[800.0, 1000.0])
    begins = (trials.periods["decision"] - trials.periods["production"])[:, 0] * 20
    assert begins.tolist() == [940, 1180]  # 80% of 1200 and 1500 ms, less 25 ms, on the grid
    assert acting_at(trials, trials.periods["production"][:, 0] + 60)["correct"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "ready_set_go",
            {"ready_flash": 800.0},
            "ready_flash = 800 ms must be shorter than the shortest measure .800 ms",
        ),
        ("ready_set_go", {"set_flash": 40.0}, r"set_flash can be 40 ms, shorter than one step \(dt = 80 ms\)"),
        (
            "one_two_three_go",
            {"flash_duration": 600.0},
            "flash_duration = 600 ms must be shorter than the shortest first",
        ),
        ("motor_timing", {"tolerance": 1.0}, "tolerance = 1.0: .*less than 1"),
    ],
)
def test_flashes_that_could_not_be_told_apart(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        make(name, **settings)
    assert "\n" not in str(error.value)
