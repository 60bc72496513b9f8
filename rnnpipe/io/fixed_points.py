"""Fixed points on disk: one row a fixed point, one row an input under which they were searched for.

Those of gated networks have the policy's probabilities; those of rate networks have what their search proves, too:
certificates, stability of the flow, evidence of completeness, slow points and attractors that move; they are written by
`rnnpipe.io.certified_points`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnpipe.analysis.fixed_points import FixedPoints
from rnnpipe.errors import ArtefactError
from rnnpipe.io.hdf5 import Field, attributes, create, load, put, read

KIND = "fixed_points"
_POINT, _INPUT = ("fixed_point",), ("input",)
_MODES = ("fixed_point", "mode")
SCHEMA = {
    "inputs/label": Field(_INPUT, "SO", "period, and the conditions that the input depends on"),
    "inputs/values": Field(("input", "channel"), "f", "the constant input"),
    "inputs/n_starts": Field(_INPUT, "i", "starts of the search"),
    "inputs/n_converged": Field(_INPUT, "i", "starts that ended at a fixed point"),
    "inputs/relaxed_speed": Field(
        _INPUT,
        "f",
        "largest change of a unit's state after a noise-free relaxation, median over starts",
        "1/s",
        required=False,
    ),
    "fixed_points/input": Field(_POINT, "i", "index of the input"),
    "fixed_points/x": Field(
        ("fixed_point", "unit"),
        "f",
        "state; rates of gated networks are its positive part, of an LSTM it is the output h",
    ),
    "fixed_points/action_probability": Field(
        ("fixed_point", "action"), "f", "policy at the fixed point", required=False
    ),
    "fixed_points/residual": Field(_POINT, "f", "largest difference of a unit's state from what drives it"),
    "fixed_points/radius": Field(
        _POINT, "f", "distance within which a true fixed point lies for certain; NaN: not proved"
    ),
    "fixed_points/on_kink": Field(_POINT, "b", "whether a unit is on the kink of the rectification"),
    "fixed_points/stable": Field(_POINT, "b", "whether all eigenvalues are inside the unit circle"),
    "fixed_points/n_unstable": Field(_POINT, "i", "number of eigenvalues not inside the unit circle"),
    "fixed_points/n_hits": Field(_POINT, "i", "starts that ended here"),
    "fixed_points/eigenvalue_real": Field(_MODES, "f", "of the map of one step, largest modulus first"),
    "fixed_points/eigenvalue_imag": Field(_MODES, "f", "of the map of one step, largest modulus first"),
    "fixed_points/time_constant": Field(_MODES, "f", "of decay where positive, of growth where negative", "ms"),
}


def write_fixed_points(
    path: str | Path,
    found: Mapping[str, tuple[NDArray[np.float64], FixedPoints, NDArray[np.float64]]],
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
    **attrs: Any,
) -> None:
    """Write what was found: by the input's label its values, the fixed points and the policy at them."""
    values, points, policies = zip(*found.values(), strict=True)
    arrays: dict[str, Any] = {
        "inputs/label": np.array(list(found)),
        "inputs/values": np.array(values),
        "inputs/n_starts": np.array([p.n_starts for p in points]),
        "inputs/n_converged": np.array([p.n_converged for p in points]),
        "inputs/relaxed_speed": np.array([p.relaxed_speed for p in points]),
        "fixed_points/input": np.repeat(np.arange(len(points)), [len(p.x) for p in points]),
        "fixed_points/action_probability": np.concatenate(policies),
        "fixed_points/eigenvalue_real": np.concatenate([p.eigenvalues.real for p in points]),
        "fixed_points/eigenvalue_imag": np.concatenate([p.eigenvalues.imag for p in points]),
        "fixed_points/time_constant": np.concatenate([p.time_constants for p in points]),
    }
    for name in ("x", "residual", "radius", "on_kink", "stable", "n_unstable", "n_hits"):
        arrays[f"fixed_points/{name}"] = np.concatenate([getattr(p, name) for p in points])
    with create(path, KIND, settings, provenance, **attrs) as file:
        for name in SCHEMA:
            put(file, name, SCHEMA, arrays[name])


def read_fixed_points(path: str | Path) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """One row a fixed point, with its input's label and its slowest time constant, and the states, (n, n_units).

    The table's `.attrs` holds the file's attributes (task, seed, settings, ...).
    """
    with read(path, KIND, SCHEMA) as file:
        group = file["fixed_points"]
        columns = {name: load(column) for name, column in group.items() if column.ndim == 1}
        if len({len(column) for column in columns.values()}) != 1:
            raise ArtefactError(f"{path}: columns of fixed_points are not of one length; make it again.")
        table = pd.DataFrame(columns)
        labels = file["inputs/label"].asstr()[:]
        if not table["input"].between(0, len(labels) - 1).all():
            raise ArtefactError(f"{path}: fixed_points/input names an input that is not there; make it again.")
        table.insert(0, "label", labels[table["input"]])
        table["time_constant"] = group["time_constant"][:, 0]
        table.attrs = attributes(file)
        return table, group["x"][:]
