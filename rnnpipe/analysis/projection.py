"""Axes onto which states of a population are projected: principal components, and outputs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.analysis.pca import principal_components
from rnnpipe.errors import SettingsError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Projection:
    """Linear coordinates of a population's rates."""

    names: tuple[str, ...]
    """What the coordinates are, in words."""
    vectors: Array
    """(n_coordinates, n_units)."""
    offset: Array
    """What each coordinate of zero rates is, (n_coordinates,)."""

    def __call__(self, rates: NDArray[Any]) -> Array:
        """Coordinates of rates, (..., n_units) to (..., n_coordinates)."""
        return np.asarray(rates, dtype=np.float64) @ self.vectors.T + self.offset

    def direction(self, vector: NDArray[Any]) -> Array:
        """Coordinates of a displacement, (..., n_units) to (..., n_coordinates)."""
        return np.asarray(vector, dtype=np.float64) @ self.vectors.T


def projection(names: Sequence[str], samples: NDArray[Any], w_out: NDArray[Any] | None = None) -> Projection:
    """Axes by name: "PC k" are principal components, "output k" are outputs.

    Coordinates of outputs are the outputs themselves. Principal components are those of the centred samples; where
    there are outputs among the axes, they are made orthogonal to these outputs, in their order, so that what is seen
    along them is not seen by the output.

    Args:
        names: Of the axes, "PC 1", "output 1", ...
        samples: Rates whose components they are, (n_samples, n_units), two or more.
        w_out: Output weights, (n_outputs, n_units); None if they are not known.

    Raises:
        SettingsError: No such axis, or the samples vary along fewer directions.
    """
    n_units = samples.shape[-1]
    found = principal_components([samples])
    kinds = [_parse(name, n_units, w_out) for name in names]
    vectors, offset, words = np.zeros((len(names), n_units)), np.zeros(len(names)), [""] * len(names)
    basis = np.zeros((0, n_units))
    for i, (kind, k) in enumerate(kinds):
        if kind == "output":
            assert w_out is not None
            vectors[i], words[i] = w_out[k], f"Output {k + 1}"
            basis = _orthonormal(basis, vectors[i], names[i])
    for i, (kind, k) in enumerate(kinds):
        if kind == "pc":
            if found.variance[k] <= 1e-12 * max(float(found.variance[0]), 1e-300):
                raise SettingsError(f"settings of the figure: axes has {names[i]!r}: nothing varies along it.")
            basis = _orthonormal(basis, found.axes[k], names[i])
            vectors[i] = basis[-1]
            offset[i] = -float(vectors[i] @ found.mean)
            share = (found.axes @ vectors[i]) ** 2 @ found.ratio  # less than the component's own beside an output
            words[i] = f"PC {k + 1} ({100 * share:.1f} % of the variance)"
    return Projection(tuple(words), vectors, offset)


def _orthonormal(basis: Array, vector: Array, name: str) -> Array:
    """The basis with one more vector, less what it has of the others."""
    rest = vector - basis.T @ (basis @ vector)
    rest -= basis.T @ (basis @ rest)
    size = np.linalg.norm(rest)
    if size <= 1e-9 * max(float(np.linalg.norm(vector)), 1e-300):
        raise SettingsError(f"settings of the figure: axes has {name!r}, which the axes before it already show.")
    return np.vstack([basis, rest / size])


def _parse(name: str, n_units: int, w_out: NDArray[Any] | None) -> tuple[str, int]:
    """Kind and index of an axis."""
    match = re.fullmatch(r"(PC|output) ([1-9]\d*)", name)
    if match is None:
        raise SettingsError(f"settings of the figure: axes has {name!r}; expected 'PC 1', 'output 1' or the like.")
    kind, k = match[1].lower(), int(match[2]) - 1
    if kind == "output" and w_out is None:
        raise SettingsError(f"settings of the figure: axes has {name!r}; give the network, too.")
    most = n_units if w_out is None or kind == "pc" else len(w_out)
    if k >= most:
        raise SettingsError(f"settings of the figure: axes has {name!r}, but the network has {most}.")
    return kind, k
