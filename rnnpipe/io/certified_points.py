"""Fixed points of rate networks on disk, with their certificates and what else the search found.

The file is of the kind and layout of `rnnpipe.io.fixed_points`, with more columns and tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.fixed_points.result import FixedPointSet
from rnnpipe.io.fixed_points import KIND, SCHEMA
from rnnpipe.io.hdf5 import Field, create, put

_POINT, _INPUT, _MODES = ("fixed_point",), ("input",), ("fixed_point", "mode")
_SLOW, _MOVING, _FOLLOWED = ("slow_point",), ("attractor",), ("followed",)
CERTIFIED = SCHEMA | {
    "fixed_points/id": Field(_POINT, "i", "number of the point under its input, most attracting first"),
    "fixed_points/rate": Field(("fixed_point", "unit"), "f", "rate of each unit"),
    "fixed_points/output": Field(("fixed_point", "output"), "f", "output of the network"),
    "fixed_points/q": Field(_POINT, "f", "half the squared length of F, in rates"),
    "fixed_points/speed": Field(_POINT, "f", "speed of the state, per time_unit"),
    "fixed_points/certified": Field(_POINT, "b", "whether a true fixed point is proved to be within `radius`"),
    "fixed_points/method": Field(_POINT, "SO", "kantorovich, pattern, exact, or empty where nothing is proved"),
    "fixed_points/outer_radius": Field(_POINT, "f", "distance within which there is no other; NaN: not proved"),
    "fixed_points/degenerate": Field(_POINT, "b", "whether the Jacobian is singular to round-off, or nearly"),
    "fixed_points/degree": Field(_POINT, "i", "sign of det(-J); 0 where it is not known"),
    "fixed_points/growth_real": Field(_MODES, "f", "growth rate of the flow, largest first", "1/time_unit"),
    "fixed_points/growth_imag": Field(_MODES, "f", "angular frequency of the flow", "1/time_unit"),
    "fixed_points/growth_condition": Field(_MODES, "f", "condition number of the growth rate"),
    "fixed_points/slowest": Field(_POINT, "f", "time constant of the first growth rate", "ms"),
    "fixed_points/index": Field(_POINT, "i", "growth rates with positive real part: unstable directions"),
    "fixed_points/other_index": Field(_POINT, "i", "likewise on the lower side of a kink"),
    "fixed_points/certain": Field(_POINT, "b", "whether the signs of all growth rates are certain"),
    "fixed_points/class": Field(_POINT, "SO", "stable node, stable focus, saddle, repeller or undecided, of the flow"),
    "fixed_points/marginal": Field(_POINT, "b", "whether its slowest mode is slower than the task"),
    "fixed_points/continuum": Field(_POINT, "i", "number of the continuum that it stands for, -1 if isolated"),
    "fixed_points/basin": Field(_POINT, "f", "share of the noise-free relaxations that end here"),
    "fixed_points/basin_low": Field(_POINT, "f", "lower end of its 95 % interval"),
    "fixed_points/basin_high": Field(_POINT, "f", "upper end of its 95 % interval"),
    "fixed_points/right_real": Field(("fixed_point", "unit"), "f", "right eigenvector of the first growth rate"),
    "fixed_points/right_imag": Field(("fixed_point", "unit"), "f", "right eigenvector of the first growth rate"),
    "fixed_points/left_real": Field(("fixed_point", "unit"), "f", "left eigenvector, of product 1 with the right one"),
    "fixed_points/left_imag": Field(("fixed_point", "unit"), "f", "left eigenvector, of product 1 with the right one"),
    "fixed_points/input_sensitivity": Field(
        ("fixed_point", "unit", "channel"), "f", "change of the rates with the input; NaN where degenerate"
    ),
    "inputs/time_unit": Field(_INPUT, "f", "unit of time of growth rates and speeds", "ms"),
    "inputs/complete": Field(_INPUT, "b", "whether nothing speaks against the set being complete"),
    "inputs/reasons": Field(_INPUT, "SO", "what speaks against it"),
    "inputs/coverage": Field(_INPUT, "f", "estimated probability that a start ends at a known point"),
    "inputs/chao1": Field(_INPUT, "f", "estimated number of points, a lower bound"),
    "unstable/input": Field(_FOLLOWED, "i", "index of the input"),
    "unstable/from": Field(_FOLLOWED, "i", "id of the point that is left"),
    "unstable/direction": Field(_FOLLOWED, "i", "1, 2, ... to one side of the fastest, next, ...; -1, -2, ..."),
    "unstable/to": Field(_FOLLOWED, "i", "id of the point that is reached, -1 for none"),
    "slow_points/input": Field(_SLOW, "i", "index of the input"),
    "slow_points/x": Field(("slow_point", "unit"), "f", "state"),
    "slow_points/rate": Field(("slow_point", "unit"), "f", "rate of each unit"),
    "slow_points/q": Field(_SLOW, "f", "half the squared length of F, in rates"),
    "slow_points/speed": Field(_SLOW, "f", "speed of the state, per time_unit"),
    "slow_points/direction": Field(("slow_point", "unit"), "f", "direction of F, in rates"),
    "slow_points/drift_time": Field(_SLOW, "f", "time to move by the spread of the visited states", "ms"),
    "attractors/input": Field(_MOVING, "i", "index of the input"),
    "attractors/kind": Field(_MOVING, "SO", "limit cycle, irregular, chaos, drift or divergence"),
    "attractors/state": Field(("attractor", "unit"), "f", "a state of it"),
    "attractors/period": Field(_MOVING, "f", "period of a limit cycle, else NaN", "ms"),
    "attractors/lyapunov": Field(_MOVING, "f", "largest Lyapunov exponent", "1/time_unit"),
    "attractors/size": Field(_MOVING, "f", "root mean square distance of the motion from its mean"),
    "attractors/n_trajectories": Field(_MOVING, "i", "examined trajectories that end in it"),
}


def write_certified_points(
    path: str | Path,
    found: Mapping[str, FixedPointSet],
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
    **attrs: Any,
) -> None:
    """Write the fixed points of a rate network, by the input's label; the attribute `summary` is JSON."""
    sets = list(found.values())
    parts = [_columns(s) for s in sets]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for group, lengths in (
        ("fixed_points", [s.n_points for s in sets]),
        ("unstable", [len(s.unstable_to) for s in sets]),
        ("slow_points", [len(s.slow.q) for s in sets]),
        ("attractors", [len(s.attractors.kind) for s in sets]),
    ):
        arrays[f"{group}/input"] = np.repeat(np.arange(len(sets)), lengths)
    arrays |= {
        "inputs/label": np.array(list(found)),
        "inputs/values": np.array([s.flow.u for s in sets]),
        "inputs/n_starts": np.array([s.n_starts for s in sets]),
        "inputs/n_converged": np.array([s.n_solved for s in sets]),
        "inputs/time_unit": np.array([s.flow.time_unit for s in sets]),
        "inputs/complete": np.array([s.completeness.complete for s in sets]),
        "inputs/reasons": np.array(["; ".join(s.completeness.reasons) for s in sets]),
        "inputs/coverage": np.array([s.completeness.coverage for s in sets]),
        "inputs/chao1": np.array([s.completeness.chao1 for s in sets], float),
    }
    # how long it took is printed, not kept: the same search makes the same bytes
    kept = {label: {k: v for k, v in s.summary().items() if k != "wall_time"} for label, s in found.items()}
    summary = json.dumps(kept)
    with create(path, KIND, settings, provenance, summary=summary, **attrs) as file:
        for name, values in arrays.items():
            put(file, name, CERTIFIED, values)


def _columns(points: FixedPointSet) -> dict[str, NDArray[Any]]:
    flow, c, s = points.flow, points.certificates, points.stability
    of_map = flow.map_eigenvalues(s.eigenvalues)
    order = np.lexsort((-of_map.imag, -of_map.real, -np.abs(of_map).round(12)), axis=1)
    of_map = np.take_along_axis(of_map, order, axis=1)
    with np.errstate(divide="ignore"):
        time_constant = -flow.dt / np.log(np.abs(of_map))
    columns = {
        "id": np.arange(points.n_points),
        "x": points.state,
        "rate": points.x,
        "output": points.output,
        "residual": c.residual,
        "q": points.q,
        "speed": points.speed,
        "certified": c.certified,
        "method": c.method,
        "radius": c.inner_radius,
        "outer_radius": c.outer_radius,
        "on_kink": c.on_kink,
        "degenerate": c.degenerate,
        "degree": c.degree,
        "eigenvalue_real": of_map.real,
        "eigenvalue_imag": of_map.imag,
        "time_constant": time_constant,
        "stable": s.map_stable,
        "n_unstable": s.map_index,
        "growth_real": s.eigenvalues.real,
        "growth_imag": s.eigenvalues.imag,
        "growth_condition": s.conditions,
        "slowest": s.slowest,
        "index": s.index,
        "other_index": s.other_index,
        "certain": s.certain,
        "class": s.flow_class,
        "marginal": s.marginal,
        "continuum": points.continuum,
        "n_hits": points.n_hits,
        "basin": points.basin,
        "basin_low": points.basin_low,
        "basin_high": points.basin_high,
        "right_real": s.right.real,
        "right_imag": s.right.imag,
        "left_real": s.left.real,
        "left_imag": s.left.imag,
        "input_sensitivity": points.input_sensitivity,
    }
    slow, moving = points.slow, points.attractors
    return {
        **{f"fixed_points/{name}": values for name, values in columns.items()},
        "unstable/from": points.unstable_from,
        "unstable/direction": points.unstable_direction,
        "unstable/to": points.unstable_to,
        "slow_points/x": flow.state(slow.x),
        "slow_points/rate": slow.x,
        **{f"slow_points/{name}": getattr(slow, name) for name in ("q", "speed", "direction", "drift_time")},
        **{
            f"attractors/{name}": getattr(moving, name)
            for name in ("kind", "state", "period", "lyapunov", "size", "n_trajectories")
        },
    }
