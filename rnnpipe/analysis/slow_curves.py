"""Slow curves of trained networks in their tasks: line attractors of two contexts, lines and rings of memories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.heteroclinic import ring_of_points
from rnnpipe.fixed_points.line_between import line_between, nudged_end
from rnnpipe.fixed_points.manifold import ManifoldError, SlowManifold, stable_start, trace_manifold
from rnnpipe.fixed_points.search import search
from rnnpipe.fixed_points.selection import Selection, selection
from rnnpipe.fixed_points.settings import SearchSettings
from rnnpipe.fixed_points.trace import ManifoldSettings
from rnnpipe.networks.ctrnn import Ctrnn
from rnnpipe.tasks._regression import RegressionTask
from rnnpipe.tasks.cddm import Cddm

Array = NDArray[np.float64]

FEATURES = ("motion", "colour")
SIDES = {"right": "+", "zero": "", "left": "-"}
"""Evidence, and how the inputs of the task mark it."""

NUDGE = 0.1
"""Coherence that sends the network to either end of its line."""
NUDGE_TIME, RELAX_TIME = 100.0, 1.0
"""How long, and how long it is then left alone, in time constants: as in the authors' code, where the nudge stayed."""
MEMORY_RELAXATION = 20.0
"""How long a memory network is left alone to come to rest, in time constants."""
MAX_TRIALS = 100
"""Trials whose memories are followed."""
SEARCH = SearchSettings(n_starts=256, max_starts=1024)
"""Search for the fixed points that a ring is made of."""


@dataclass(frozen=True)
class ContextLine:
    """The line attractor of one context, and what drives the network along it."""

    line: SlowManifold
    selection: Selection
    gating_index: float
    """|mean gain of the irrelevant evidence| / |mean gain of the relevant one|."""
    trajectories: dict[str, Array]
    """Rates under no stimulus, then evidence of the relevant feature by side, (n_steps, n_units) each."""


def context_lines(
    network: Ctrnn, task: Cddm, n_points: int = 31, coherence: float = 0.4, before: float = 25.0, during: float = 50.0
) -> dict[str, ContextLine]:
    """Line attractors of both contexts under a neutral stimulus, with selection and trajectories.

    Args:
        network: A network of the task, in float64.
        task: The task.
        n_points: Points of a line.
        coherence: Of the evidence of the trajectories.
        before: Duration of a trajectory before the stimulus, time constants.
        during: Duration of its stimulus, time constants.

    Raises:
        ManifoldError: Both ends of a line are one state, or no mode is slow: there is no line.
    """
    neutral, strong = task.protocol_inputs(nudge=NUDGE), task.protocol_inputs(nudge=coherence)
    directions = {feature: _evidence(strong, feature) for feature in FEATURES}
    found = {}
    for feature, other in (FEATURES, FEATURES[::-1]):
        flow = Flow.of(network, neutral[feature])
        start, unit = network.x_init.astype(np.float64), flow.time_unit
        left, right = (
            nudged_end(flow, neutral[f"{feature}{side}"], start, NUDGE_TIME * unit, RELAX_TIME * unit) for side in "-+"
        )
        line = line_between(flow, left, right, n_points)
        choice = flow.w_out[0] - flow.w_out[1] if len(flow.w_out) > 1 else flow.w_out[0]
        driven = selection(flow, line.states, directions, choice, line.tangents)
        paths = {}
        for side, mark in SIDES.items():
            alone = strong.get(f"{feature} context only", strong[feature])  # no input, or one of no evidence
            inputs = ((alone, before), (strong[f"{feature}{mark}"], during))
            paths[side] = _path(flow, start, inputs)
        found[feature] = ContextLine(line, driven, driven.gating(other, feature), paths)
    return found


def _evidence(inputs: dict[str, Array], feature: str) -> Array:
    """Change of the input per unit of evidence for the right, of one feature."""
    away = inputs[f"{feature}+"] - inputs[feature]
    return away / np.abs(away).max()


def _path(flow: Flow, y: Array, inputs: tuple[tuple[Array, float], ...]) -> Array:
    """Rates on the way of a state through inputs that last some time constants each."""
    states = [y]
    for u, duration in inputs:
        under = flow.with_input(u)
        for _ in range(round(duration * flow.time_unit / flow.dt)):
            states.append(under.step(states[-1]))
    return flow.rates(np.array(states))


def memory_curves(
    network: Ctrnn, task: RegressionTask, labels: list[str], settings: ManifoldSettings, seed: int = 0
) -> dict[str, SlowManifold]:
    """Lines or rings of slow states under constant inputs of a memory task.

    The trace begins where the network rests after states that hold a memory: those before recall and at the ends of
    trials. (States before the stimulus hold none, and may be at rest elsewhere.) If it does not close, but the fixed
    points and the paths from the saddles among them do (`ring_of_points`), and are as slow, the curve is that ring.

    Args:
        network: A network of the task, in float64.
        task: The task.
        labels: Inputs, by label of `task.protocol_inputs`.
        settings: Of the traces.
        seed: Of the trials.

    Raises:
        SettingsError: The task has no such input.
        ManifoldError: There is no slow curve; see `trace_manifold`.
    """
    known = task.protocol_inputs()
    if absent := [label for label in labels if label not in known]:
        raise SettingsError(f"input {absent[0]!r} is none of task {task.name} ({', '.join(known)}).")
    rng = np.random.default_rng(seed)
    trials = task.batch(rng)
    trials = trials[rng.choice(trials.n_trials, min(MAX_TRIALS, trials.n_trials), replace=False)]
    visited, _ = network.simulate(trials.inputs.astype(np.float64))
    holding = [visited[-1]]
    if "recall" in trials.periods:
        holding.append(visited[trials.periods["recall"][:, 0], np.arange(trials.n_trials)])
    states = np.concatenate(holding)
    found = {}
    for label in labels:
        flow = Flow.of(network, known[label])
        found[label] = _curve(flow, states, settings, seed)
    return found


def _curve(flow: Flow, states: Array, settings: ManifoldSettings, seed: int) -> SlowManifold:
    """A closed trace; else the ring of fixed points, if there is one that is slow; else the trace as it is."""
    traced: SlowManifold | ManifoldError
    try:
        traced = trace_manifold(
            flow, stable_start(flow, states, MEMORY_RELAXATION * flow.time_unit, settings), settings
        )
        if traced.kind == "ring":
            return traced
    except ManifoldError as error:
        traced = error
    points = search(flow, states, SEARCH, np.random.default_rng([seed, 1]))
    ring = None if points.continuum_dimensions else ring_of_points(flow, points.state, settings.n_points)
    if ring is not None and ring.kind == "ring" and ring.q.max() <= settings.q_max:
        return ring
    if isinstance(traced, ManifoldError):
        raise traced
    return traced
