r"""Evidence that a search has found all fixed points, and what speaks against it.

*Degree*: where all fixed points lie in a bounded region whatever s in x = s psi(W x + c), 0 <= s <= 1, the signs of
det(-J) over all of them, if not degenerate, add up to 1 (the degree of x - psi(W x + c) is that of x). It is necessary
for completeness, not sufficient. *Symmetry*: the points of an odd flow come in pairs +-x. *Unseen mass*: of hits on S
points, f1 of which were hit once and f2 twice, the next start hits a known point with a probability of about
1 - f1 / n, and there are about f1^2 / (2 f2) more points (lower bound).

References: Good (1953) Biometrika 40:237; Chao (1984) Scand J Stat 11:265.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from rnnpipe.fixed_points.certify import Certificates
from rnnpipe.fixed_points.enumerate import rate_bounds
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.points import SAME
from rnnpipe.fixed_points.response import Array


@dataclass(frozen=True)
class Completeness:
    """What is known of how complete a search is."""

    complete: bool
    """Whether nothing speaks against it."""
    enumerated: bool
    """Whether it is proved, by trying all patterns of a piecewise linear network."""
    reasons: tuple[str, ...]
    """What speaks against it."""
    more_starts_may_help: bool
    """Whether a reason is one that more starts can remove."""
    degree_sum: int | None
    """Sum of the signs of det(-J); None where one is not known."""
    degree_expected: int | None
    """1 where all fixed points are bounded for certain, else None."""
    symmetric: bool | None
    """Whether the set is closed under x -> -x; None where the flow is not odd."""
    singletons: int
    """f1."""
    doubletons: int
    """f2."""
    coverage: float
    """1 - f1 / n (Good-Turing)."""
    chao1: float
    """S + f1^2 / (2 f2), with f2 = 1 where no point was hit twice."""
    n_unreached: int
    """Relaxations that came to rest at no known point (0 for certainty; moving ones are counted elsewhere)."""
    closure_rounds: int
    """Rounds of starts made from the points found."""
    quiet_rounds: int
    """How many of the last of them brought nothing new."""


def bounded(flow: Flow) -> bool:
    """Whether all fixed points are proved to lie in a bounded region."""
    low, high = rate_bounds(flow)
    if np.isfinite(low).all() and np.isfinite(high).all():
        return True
    growth = flow.psi.steepness * np.abs(flow.w)  # rates without any bound: |x| <= s |W| |x| + |psi(c)|
    return bool(np.abs(np.linalg.eigvals(growth)).max(initial=0) < 1 - 1e-9)


def assess(
    flow: Flow,
    x: Array,
    certificates: Certificates,
    hits: NDArray[np.int64],
    n_continua: int,
    n_unreached: int,
    n_moving: int,
    rounds: tuple[int, int, int],
    enumerated: bool,
) -> Completeness:
    """Weigh the evidence.

    Args:
        flow: The network under its input.
        x: Rates of the points, (n, n_units).
        certificates: Of the points.
        hits: Starts that ended at each.
        n_continua: Number of continua of fixed points.
        n_unreached: Relaxations that came to rest at no known point.
        n_moving: Relaxations that did not come to rest.
        rounds: Closure rounds made; how many of the last were quiet; and how many may be made.
        enumerated: Whether the points of an enumeration of all patterns are among them.
    """
    fatal, curable = [], []
    if not certificates.certified.all():
        count = int((~certificates.certified).sum())
        fatal.append(f"{count} of {len(x)} points are not certified")
    if n_continua:
        fatal.append(f"fixed points fill {n_continua} continua")
    known = not n_continua and not certificates.degenerate.any() and bool((certificates.degree != 0).all())
    degree = int(certificates.degree.sum()) if known else None
    expected = 1 if bounded(flow) else None
    if expected is None:
        fatal.append("rates have no proved bound, so the degrees of all points need not add up to 1")
    elif degree is None:
        fatal.append("the degree of a point is not known")
    elif degree != expected:
        curable.append(f"degrees add up to {degree}, not {expected}")
    symmetric = None
    if flow.odd:
        symmetric = bool(len(x)) and bool((cdist(-x, x).min(1, initial=np.inf) < SAME).all())
        if not symmetric and not n_continua:
            curable.append("the set is not symmetric")
    f1, f2, n = int((hits == 1).sum()), int((hits == 2).sum()), int(hits.sum())
    if f1:
        curable.append(f"{f1} points were hit by one start only")
    missed = int((hits == 0).sum())
    if missed:
        curable.append(f"{missed} points were found from other points only")
    if n_unreached and not n_continua:
        curable.append(f"{n_unreached} relaxations came to rest at no known point")
    if not len(x) and not n_moving and expected == 1:
        curable.append("no attractor was found")
    made, quiet, allowed = rounds
    if quiet < min(2, allowed):
        curable.append(f"the last of {made} closure rounds still found points")
    if enumerated and not n_continua:
        fatal, curable = [], []
    return Completeness(
        complete=not fatal and not curable,
        enumerated=enumerated,
        reasons=(*fatal, *curable),
        more_starts_may_help=bool(curable) and not n_continua,
        degree_sum=degree,
        degree_expected=expected,
        symmetric=symmetric,
        singletons=f1,
        doubletons=f2,
        coverage=1 - f1 / n if n else float("nan"),
        chao1=len(x) + f1**2 / (2 * max(f2, 1)),
        n_unreached=n_unreached,
        closure_rounds=made,
        quiet_rounds=quiet,
    )


def wilson(successes: Array, n: int, z: float = 1.959963984540054) -> tuple[Array, Array]:
    """95 % interval of a probability (Wilson 1927), of successes in n trials; NaN without trials."""
    if n == 0:
        nan = np.full(len(successes), np.nan)
        return nan, nan
    p = successes / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return np.clip(middle - half, 0, p), np.clip(middle + half, p, 1)  # p = 0 and 1 are ends, but for rounding
