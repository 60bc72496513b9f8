"""The inner loops of the vector environment, over its rows, compiled.

Trials lie row by row in flat arrays, `n_ahead` places for each row; trial k of row i is at place i * n_ahead + k:
`inputs` (places, n_steps, n_inputs); `steps` (places, n_steps, 3), of each step its phase, the action to take and the
index of its period; `rewards` and `flags` (places, n_phases, n_actions), what an action earns and means; `onset`
(places,), when reaction times begin, ms.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

import numba

from rnnpipe.environments._trials import NO_PERIOD
from rnnpipe.trials import FIXATE

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}

STOPS, CHOICE, RIGHT, WRONG = 1, 2, 4, 8
"""Flags of an action in a phase: it ends the trial, is a choice, and the correct or a wrong one."""

TRIAL, SESSION, ENDLESS = range(3)
"""What an episode is."""


@numba.njit(**_OPTIONS)
def store(
    first: int,
    of_inputs: Any,
    of_phase: Any,
    of_rewards: Any,
    of_stops: Any,
    of_choices: Any,
    of_correct: Any,
    of_answers: Any,
    bounds: Any,
    inputs: Any,
    steps: Any,
    rewards: Any,
    flags: Any,
) -> None:
    """Write a batch of trials, laid out as in `Trials`, to the places from `first` on.

    Besides, `of_answers` is the action to take in each phase, (n_phases, n_trials), and `bounds` the first step of each
    period and the one after its last, (n_periods, n_trials, 2).
    """
    n_steps, n, n_inputs = of_inputs.shape
    n_phases, _, n_actions = of_rewards.shape
    for i in range(n):
        place = first + i
        for phase in range(n_phases):
            for a in range(n_actions):
                rewards[place, phase, a] = of_rewards[phase, i, a]
                flag = STOPS if of_stops[phase, i, a] else 0
                if of_choices[phase, i, a]:
                    flag |= CHOICE
                    if of_correct[i, a] == 1:
                        flag |= RIGHT
                    elif of_correct[i, a] == 0:
                        flag |= WRONG
                flags[place, phase, a] = flag
        for t in range(n_steps):
            phase = of_phase[t, i]
            steps[place, t, 0] = phase
            steps[place, t, 1] = of_answers[phase, i]
            steps[place, t, 2] = NO_PERIOD
            for k in range(n_inputs):
                inputs[place, t, k] = of_inputs[t, i, k]
        for period in range(len(bounds)):
            for t in range(max(bounds[period, i, 0], 0), min(bounds[period, i, 1], n_steps)):
                steps[place, t, 2] = period


@numba.njit(inline="always", **_OPTIONS)
def _go_on(i: int, trial: Any, t: Any, drawn: Any, earned: Any, empty: Any, n_empty: int) -> int:
    """Begin the next trial of a row, which is noted where it is yet to be drawn."""
    t[i] = 0
    earned[i] = 0.0
    trial[i] += 1
    if trial[i] >= drawn[i]:
        empty[n_empty] = i
        n_empty += 1
    return n_empty


@numba.njit(**_OPTIONS)
def begin(
    rows: Any, trial: Any, t: Any, drawn: Any, n_done: Any, n_taken: Any, over: Any, fresh: Any, earned: Any, empty: Any
) -> int:
    """Begin the next episodes of some rows, each with the trial that is already shown or with the next one.

    Returns:
        How many rows, listed in `empty`, have to draw trials.
    """
    n_empty = 0
    for i in rows:
        n_done[i] = n_taken[i] = 0
        over[i] = False
        if not fresh[i]:
            n_empty = _go_on(i, trial, t, drawn, earned, empty, n_empty)
        fresh[i] = False
    return n_empty


@numba.njit(**_OPTIONS)
def score(
    actions: Any,
    mode: int,
    session_trials: int,
    max_steps: int,
    restarts: bool,
    dt: float,
    n_ahead: int,
    steps: Any,
    rewards: Any,
    flags: Any,
    onset: Any,
    discount: Any,
    trial: Any,
    t: Any,
    drawn: Any,
    n_done: Any,
    n_taken: Any,
    over: Any,
    fresh: Any,
    earned: Any,
    empty: Any,
    ended: Any,
    places: Any,
    lasts: Any,
    judged: Any,
    sums: Any,
    reward: Any,
    terminated: Any,
    truncated: Any,
    new_trial: Any,
    performance: Any,
    timed: Any,
    reaction: Any,
) -> tuple[int, int, int, int, int]:
    """Score one action of each row and go on by one step.

    Where `restarts`, rows whose episode is over begin the next one instead, whatever their action. `fresh` is whether
    the first observation of a trial was shown at the end of the one before, and it has not begun. Written to are, as
    long as counted, `empty`, rows that have to draw trials, and of the trials that ended `ended`, their rows, `places`,
    `lasts`, their last steps, `judged`, whether the choice was correct (-1 where there was none), and `sums`, what they
    earned; and of all rows what comes after, `performance`, whether choices are `timed` and the `reaction` time 0
    unless a trial ended.

    Returns:
        How many rows have to draw, how many trials ended, how many of them with a timed choice, how many episodes are
        over, and how many of these not with their trial; -1 and zeros, with nothing done, where an action is none.
    """
    for i in range(len(actions)):
        if actions[i] < 0 or actions[i] >= flags.shape[2]:
            return -1, 0, 0, 0, 0
    n_steps = len(discount)
    n_empty = n_ended = n_timed = n_over = n_cut = 0
    for i in range(len(actions)):
        reward[i], terminated[i], truncated[i], new_trial[i] = 0.0, False, False, False
        performance[i], timed[i], reaction[i] = 0.0, False, 0.0
        if restarts and over[i]:
            n_done[i] = n_taken[i] = 0
            over[i] = False
            if not fresh[i]:
                n_empty = _go_on(i, trial, t, drawn, earned, empty, n_empty)
            fresh[i] = False
            continue
        place, now, a = i * n_ahead + trial[i], t[i], actions[i]
        phase = steps[place, now, 0]
        flag = flags[place, phase, a]
        reward[i] = discount[now] * rewards[place, phase, a]
        earned[i] += reward[i]
        n_taken[i] += 1
        fresh[i] = False
        stops = (flag & STOPS) != 0
        if not stops and now + 1 < n_steps:
            t[i] = now + 1
        else:
            new_trial[i] = True
            right, choice = (flag & RIGHT) != 0, (flag & CHOICE) != 0
            ended[n_ended], places[n_ended], lasts[n_ended], sums[n_ended] = i, place, now, earned[i]
            judged[n_ended] = 1 if right else 0 if flag & WRONG else -1
            n_ended += 1
            performance[i] = 1.0 if right else 0.0
            if choice and a != FIXATE:
                timed[i], reaction[i] = True, now * dt - onset[place]
                n_timed += 1
            if mode == TRIAL:
                terminated[i], truncated[i] = stops, not stops
            else:
                n_done[i] += 1
                n_empty = _go_on(i, trial, t, drawn, earned, empty, n_empty)
                fresh[i] = True
                truncated[i] = mode == SESSION and n_done[i] == session_trials
        if max_steps > 0 and n_taken[i] >= max_steps and not terminated[i]:
            truncated[i] = True
        if terminated[i] or truncated[i]:
            over[i] = True
            n_over += 1
            if not new_trial[i]:
                n_cut += 1
    return n_empty, n_ended, n_timed, n_over, n_cut


@numba.njit(**_OPTIONS)
def show(
    n_ahead: int, inputs: Any, steps: Any, trial: Any, t: Any, blank: Any, observation: Any, answer: Any, period: Any
) -> None:
    """What the rows show now; nothing, no answer and no period where `blank`."""
    for i in range(len(trial)):
        if blank[i]:
            for k in range(inputs.shape[2]):
                observation[i, k] = 0.0
            answer[i], period[i] = FIXATE, NO_PERIOD
        else:
            place = i * n_ahead + trial[i]
            for k in range(inputs.shape[2]):
                observation[i, k] = inputs[place, t[i], k]
            answer[i], period[i] = steps[place, t[i], 1], steps[place, t[i], 2]


@numba.njit(**_OPTIONS)
def spread(values: Any, places: Any, rows: Any, n: int, out: Any) -> None:
    """Write the first `n` trials' values (places, columns) to their rows of (columns, rows)."""
    for k in range(n):
        for j in range(values.shape[1]):
            out[j, rows[k]] = values[places[k], j]
