"""Effective weights of a network, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

RECURRENT = ("W_rec", "W_lambda", "W_gamma")
"""Recurrent blocks of a gated network: of the state, of the update gate, and of the gate of recurrent input."""


def weight_blocks(parameters: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Effective weights by block, w[to, from].

    Args:
        parameters: Tensors of a network, masks applied: `w_rec` (n, n), `w_gates` (2n, n) with row blocks [lambda |
            gamma], `w_in`, `w_out`; those that a kind of network does not have are absent.

    Returns:
        Those it has of `W_rec`, `W_lambda`, `W_gamma`, `W_in` and `W_out`.
    """
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in parameters.items()}
    blocks = {"W_rec": arrays["w_rec"]} if "w_rec" in arrays else {}
    if "w_gates" in arrays:
        n = arrays["w_gates"].shape[1]
        blocks |= {"W_lambda": arrays["w_gates"][:n], "W_gamma": arrays["w_gates"][n:]}
    for name, block in (("w_in", "W_in"), ("w_out", "W_out")):
        if name in arrays:
            blocks[block] = arrays[name]
    return blocks


def spectral_radius(weights: NDArray[np.float64]) -> float:
    """Largest absolute eigenvalue of a square matrix."""
    return float(np.abs(np.linalg.eigvals(weights)).max())


def weight_histogram(weights: NDArray[np.float64], n_bins: int) -> pd.DataFrame:
    """Numbers of positive and of negative weights in bins of equal width.

    Absent connections (0) are not counted. Zero is an edge of bins, so that no bin holds both signs, and the bins of
    both signs are equally wide.

    Args:
        weights: Weights, any shape.
        n_bins: Bins of the larger of the two sides.

    Returns:
        One row a bin: `sign` ("negative", "positive"), `low`, `high` (edges), `n`; ascending. Empty without weights.
    """
    w = np.ravel(weights)
    w = w[w != 0]
    if not len(w):
        return pd.DataFrame(columns=["sign", "low", "high", "n"])
    edges = np.abs(w).max() * np.arange(n_bins + 1) / n_bins
    parts = []
    for sign, side in (("negative", -w[w < 0]), ("positive", w[w > 0])):
        counts, _ = np.histogram(side, edges)
        part = pd.DataFrame({"sign": sign, "low": edges[:-1], "high": edges[1:], "n": counts})
        if sign == "negative":
            part = part.assign(low=-edges[1:], high=-edges[:-1])[::-1]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
