"""How long a period lasts: one number, one of several, or a distribution, as a setting and as what is drawn."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator

from rnnpipe.tasks._draws import Choice, Draw, Fixed, TruncatedExponential, Uniform

FORMS = (
    "a duration is a number of ms, a list of them to draw from, {min: .., max: ..} (uniform) or {mean: .., min: ..,"
    " max: ..} (truncated exponential)"
)


def _read(value: Any) -> Any:
    """Validator of a duration: its numbers as floats.

    Raises:
        ValueError: It has none of the forms, or a time is negative.
    """
    if isinstance(value, dict):
        times = list(value.values())
        known = set(value) in ({"min", "max"}, {"mean", "min", "max"})
    else:
        times = value if isinstance(value, list) else [value]
        known = bool(times)
    if not known or not all(isinstance(x, int | float) and not isinstance(x, bool) for x in times):
        raise ValueError(FORMS)
    if not all(math.isfinite(x) and x >= 0 for x in times):
        raise ValueError("times must be finite and not negative")
    if isinstance(value, dict):
        if not value["min"] < value["max"]:
            raise ValueError(f"min = {value['min']:g} ms must be below max = {value['max']:g} ms")
        return {name: float(x) for name, x in value.items()}
    if isinstance(value, list) and len(set(value)) < len(value):
        raise ValueError("a duration is listed twice; list each once")
    return [float(x) for x in times] if isinstance(value, list) else float(value)


Duration = Annotated[float | list[float] | dict[str, float], BeforeValidator(_read)]
"""`500`: always that, ms. `[300, 500, 700]`: one of these, uniformly. `{min: 300, max: 3000}`: uniform in between.
`{mean: 600, min: 300, max: 3000}`: exponential of that mean, drawn again until it is in between."""


def floored(ms: float, dt: float) -> float:
    """The last multiple of a step that is no later than a time, ms."""
    return math.floor(ms / dt + 1e-9) * dt


def drawn(duration: Duration, dt: float) -> Draw:
    """What a duration is drawn from; all its values are multiples of `dt`, by flooring."""
    if isinstance(duration, dict):
        low, high = duration["min"], duration["max"]
        if "mean" in duration:
            return TruncatedExponential(duration["mean"], low, high, dt)
        return Uniform(low, high, dt)
    if isinstance(duration, list):
        return Choice(tuple(floored(ms, dt) for ms in duration))
    return Fixed(floored(duration, dt))


def ends(duration: Duration) -> list[float]:
    """The values, or the bounds, of a duration, ms."""
    if isinstance(duration, dict):
        return [duration["min"], duration["max"]]
    return duration if isinstance(duration, list) else [duration]
