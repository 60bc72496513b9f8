"""Following a valley of slow states: predictor, corrector in a hyperplane across it, steps, corners, closure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.valley import along_floor, onto_floor, slowness, stretch
from rnnpipe.settings import Settings, setting

End = Literal["closed", "speed", "rate", "corner", "limit", "given"]
"""Why a trace stopped: it came back to its start; the speed or the rate along it became too large; the valley turned
too sharply; there were too many steps; or the points of the curve were given."""

SHORTEST = 1e-8
"""Shortest step, relative to the size of the start: how exactly ends are located."""

CORNER = 1e-3
"""Steps that had to become this short, relative to the longest, are at an end or a corner; corners are cut by it."""

SHORT, KINK, SLOW = 1e-2, 45.0, 0.2
"""Steps shorter than `SHORT` of the longest may turn by `KINK` degrees, as kinks of units do not become smaller; the
rate along the valley must then be `SLOW` of the largest at most, which it is not beside the valley."""

ORIGIN = 1e-6
"""A start nearer to 0 is at 0."""

PATIENCE = 200
"""A trace ends if its last steps, as many as this, are not as long together as one may be."""


class ManifoldSettings(Settings):
    """How a line or ring of slow states is traced."""

    n_points: int = setting(200, "points of the result, at equal distances along it", gt=3)
    q_max: float = setting(
        1e-3, "largest q = |v|^2 / 2 of a state on it, with v the change of state in a time constant", gt=0
    )
    rate_max: float = setting(
        0.5, "largest |dv/ds| along it, and of the slow eigenvalue at its start, per time constant", gt=0
    )
    longest_step: float = setting(
        0.05, "longest step of the trace, relative to the norm of the start (to 1, if that is about 0)", gt=0, le=1
    )
    turn: float = setting(15.0, "largest turn in a step", "degrees", gt=0, lt=60)
    max_steps: int = setting(2000, "steps of the trace in a direction, at most", gt=0)


@dataclass(frozen=True)
class Trace:
    """A valley followed in one direction."""

    states: Array
    """From the start on; if closed, the last is the first, (n, n_units)."""
    tangents: Array
    """Unit vectors along it, (n, n_units)."""
    end: End
    """Why it stopped."""
    gap: float
    """Distance between the start and the trace where it came back, NaN if it did not."""


def follow(flow: Flow, start: Array, tangent: Array, settings: ManifoldSettings) -> Trace:
    """Follow the valley from a slow state in the direction of `tangent`, (n_units,) each."""
    size = _size(start)
    longest, shortest = settings.longest_step * size, SHORTEST * size
    walk = _Walk(flow, settings, longest)
    states, tangents = [start], [tangent]
    step, length, away = longest / 4, 0.0, 0.0
    end: End = "limit"
    reason: End | None = None
    corner, radius, tried = start, 0.0, False
    gap = np.nan
    while len(states) <= settings.max_steps:
        x, t = states[-1], tangents[-1]
        why = walk.forward(x, t, step)
        if why is not None:
            # what makes the steps short is why the valley ends; the shortest ones seem to turn by round-off
            reason = why if reason is None or why != "corner" else reason
            rounded = False
            if walk.short and not tried and step <= CORNER * longest:
                again = (
                    float(np.linalg.norm(x - corner)) < 20 * radius
                )  # several kinks at one corner: a longer way round
                radius = walk.round_corner(x, t, min(4 * radius, longest / 30) if again else 2 * step, longest)
                rounded, tried, corner = radius > 0, True, x
            if not rounded:
                if step <= shortest:
                    end = reason
                    break
                step /= 3
                continue
            step = max(step, radius)
            tried = False
        if step > CORNER * longest:
            reason, tried = None, False
        y, direction, turned = walk.state, walk.tangent, walk.turned
        length += float(np.linalg.norm(y - x))
        away = max(away, float(np.linalg.norm(y - start)))
        distance = _distance(start, x, y)
        if length > 4 * longest and distance <= min(0.01 * length, away / 4) and direction @ tangents[0] > 0:
            states.append(start)
            tangents.append(tangent)
            end, gap = "closed", walk.missed(start, x, y)
            break
        states.append(y)
        tangents.append(direction)
        if len(states) > PATIENCE and np.linalg.norm(np.diff(states[-PATIENCE:], axis=0), axis=1).sum() < longest:
            end = "corner"
            break
        step = min(longest, step * (3.0 if turned < settings.turn / 3 else 1.2))
    return Trace(np.array(states), np.array(tangents), end, gap)


def _size(start: Array) -> float:
    """The scale of a trace; a network that comes to rest at 0 gets there to round-off only."""
    norm = float(np.linalg.norm(start))
    return norm if norm > ORIGIN else 1.0


def beside_kinks(flow: Flow, start: Array, settings: ManifoldSettings) -> tuple[Array, Array] | None:
    """A slow state near a fixed point that lies in a small cell between kinks, and the direction of the valley there.

    In the cell itself the network may be fast in all directions although it is slow on both sides of it. None if there
    is no valley beside it.
    """
    size = _size(start)
    walk = _Walk(flow, settings, settings.longest_step * size)
    if not flow.phi.kinks:
        return None
    longest = settings.longest_step * size
    found = walk.round_corner(start, np.zeros_like(start), CORNER * longest, longest)
    return (walk.state, walk.tangent) if found else None


class _Walk:
    """Single steps along a valley; `state`, `tangent` and `turned` (degrees) are of the last one that was possible."""

    def __init__(self, flow: Flow, settings: ManifoldSettings, longest: float) -> None:
        self.flow, self.settings = flow, settings
        self.short = SHORT * longest if flow.phi.kinks else 0.0
        self.state = self.tangent = np.empty(0)
        self.turned = 0.0

    def forward(self, x: Array, t: Array, step: float) -> End | None:
        """One step from x along t; the reason why there is none."""
        return self._step(x, t, step, t)

    def _step(self, x: Array, direction: Array, step: float, before: Array) -> End | None:
        y, q = onto_floor(self.flow, (x + step * direction)[None], direction[None])
        if q[0] > self.settings.q_max:
            return "speed"
        secant = (y - x) / np.linalg.norm(y - x, axis=1, keepdims=True)
        tangent = along_floor(self.flow, y, secant)
        rate = float(stretch(self.flow, y, tangent)[0])
        if rate > self.settings.rate_max:
            return "rate"
        turned = max(_angle(secant[0], direction), _angle(tangent[0], secant[0]))
        kink = step < self.short and turned < KINK and rate < SLOW * self.settings.rate_max
        if turned > self.settings.turn and not kink:
            return "corner"
        self.state, self.tangent, self.turned = y[0], tangent[0], max(turned, _angle(tangent[0], before))
        return None

    def missed(self, start: Array, x: Array, y: Array) -> float:
        """How far the valley between x and y is from the start, which is beside the straight line between them."""
        normal = (y - x) / np.linalg.norm(y - x)
        beside = x + ((start - x) @ normal) * normal
        return float(np.linalg.norm(onto_floor(self.flow, beside[None], normal[None])[0][0] - start))

    def round_corner(self, x: Array, t: Array, shortest: float, longest: float) -> float:
        """Go on from x in another direction than t, where units reach their kinks; the length, 0 if it is impossible.

        The directions of least change here and beyond the kink are tried at growing distances, until one leads to a
        slow state from which a second step of that length is possible and does not lead back. Of several the slowest
        is taken; `state` and `tangent` are its. (In the small cell between the kinks of two units the network need not
        be slow.)
        """
        radius = shortest
        while radius <= longest:
            around = np.stack([x, x + radius * t])
            axes = np.linalg.svd(self.flow.stability_matrix(around))[2][:, -3:].reshape(-1, len(x))
            best, found = np.inf, None
            for direction in np.concatenate([axes, -axes]):
                if direction @ t < -0.5 or self._step(x, direction, radius, direction) is not None:
                    continue
                y, tangent = self.state, self.tangent
                q = float(slowness(self.flow, y))
                if q < best and self._step(y, tangent, radius, tangent) is None and self._leaves(x, t, radius):
                    best, found = q, (y, tangent)
            if found is not None:
                (self.state, self.tangent), self.turned = found, 0.0
                return radius
            radius *= 3
        return 0.0

    def _leaves(self, x: Array, t: Array, radius: float) -> bool:
        """Whether the last step is further from x than one of them, and not where the trace came from."""
        offset = self.state - x
        return bool(np.linalg.norm(offset) > radius and np.linalg.norm(offset + (offset @ -t) * t) > 0.1 * radius) or (
            float(offset @ t) > radius
        )


def _angle(a: Array, b: Array) -> float:
    """Between unit vectors, degrees; exact for small ones."""
    return float(np.degrees(2 * np.arcsin(min(1.0, float(np.linalg.norm(a - b)) / 2))))


def _distance(point: Array, a: Array, b: Array) -> float:
    """Of a point from the piece of a straight line between a and b, infinite if it is beyond its ends."""
    along = float((point - a) @ (b - a)) / max(float((b - a) @ (b - a)), 1e-300)
    return float(np.linalg.norm(point - a - along * (b - a))) if 0 <= along <= 1 else np.inf


def at_equal_distances(trace: Trace, n: int) -> tuple[Array, Array, Array]:
    """Points on the polygon through a trace, (n, n_units), unit vectors along it there, and their distances along it.

    A closed one is not repeated at its end.
    """
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(trace.states, axis=0), axis=1))])
    wanted = np.linspace(0, along[-1], n, endpoint=trace.end != "closed")
    k = np.clip(np.searchsorted(along, wanted, side="right") - 1, 0, len(along) - 2)
    part = ((wanted - along[k]) / np.maximum(along[k + 1] - along[k], 1e-300))[:, None]
    states = (1 - part) * trace.states[k] + part * trace.states[k + 1]
    tangents = (1 - part) * trace.tangents[k] + part * trace.tangents[k + 1]
    return states, tangents / np.linalg.norm(tangents, axis=1, keepdims=True), wanted
