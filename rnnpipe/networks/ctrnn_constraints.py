"""What the weights of a continuous-time network must obey, and how they are kept to it while they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.networks.ctrnn_settings import Projection

Arrays = dict[str, NDArray[Any]]

EPSILON = 1e-12
"""Magnitude of a weight that was clipped, where its sign is to stay readable."""

WEIGHTS = ("w_rec", "w_in", "w_out")


@dataclass(frozen=True)
class Constraints:
    """Connections that exist, signs that they have, and the range of the bias."""

    mask_rec: NDArray[np.bool_]
    """Whether there is a connection, (n_units, n_units) as [to, from]."""
    mask_in: NDArray[np.bool_]
    """(n_units, n_inputs)."""
    mask_out: NDArray[np.bool_]
    """(n_outputs, n_units)."""
    sign_rec: NDArray[np.int8]
    """Sign of the weights from each unit, 1 or -1; 0 is either. (n_units,)."""
    sign_in: int
    """1 if input weights are 0 or above, 0 if they are free."""
    sign_out: int
    """1 if output weights are 0 or above, 0 if they are free."""
    projection: Projection = "clip0"
    bias_range: tuple[float, float] | None = None
    """Of a trained bias."""
    held: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Values that are not trained, by name of `ctrnn.ARRAYS` and of its shape; NaN where they are."""

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Mask of weights by name of `ctrnn.ARRAYS`."""
        return {"w_rec": self.mask_rec, "w_in": self.mask_in, "w_out": self.mask_out}[name]

    def sign(self, name: str) -> NDArray[np.int8]:
        """Signs of weights by name, to broadcast over the matrix."""
        return {
            "w_rec": self.sign_rec,
            "w_in": np.array([self.sign_in], np.int8),
            "w_out": np.array([self.sign_out], np.int8),
        }[name]

    def effective(self, trained: Mapping[str, NDArray[Any]]) -> Arrays:
        """The network's arrays, of those that are trained: the same ones unless magnitudes are trained (reflect)."""
        arrays = dict(trained)
        if self.projection == "reflect":
            for name in WEIGHTS:
                w, sign = trained[name], self.sign(name)
                arrays[name] = np.where(sign == 0, w, np.abs(w) * sign).astype(w.dtype) * self.mask(name)
        return arrays

    def pull_back(self, trained: Mapping[str, NDArray[Any]], gradients: Mapping[str, NDArray[Any]]) -> Arrays:
        """Gradients in what is trained, of gradients in the network's arrays."""
        pulled = dict(gradients)
        for name in WEIGHTS if self.projection != "none" else ():
            g = gradients[name] * self.mask(name)
            if self.projection == "reflect":
                sign = self.sign(name)
                g = g * np.where(sign == 0, 1, np.where(trained[name] < 0, -sign, sign)).astype(g.dtype)
            pulled[name] = g
        for name, values in self.held.items():
            g = pulled[name]
            pulled[name] = np.where(np.isnan(values), g, g.dtype.type(0))
        return pulled

    def project(self, trained: Mapping[str, NDArray[Any]], momentum: Mapping[str, NDArray[Any]]) -> None:
        """Bring arrays back to what they must obey, after an update; the momentum of what was clipped is forgotten.

        In place: absent connections are 0; a weight of the wrong sign becomes 0 (or 1e-12 of the right one); the bias
        is brought back into its range; what is held is as it was, since momentum and decay of weights move it even
        without a gradient.

        Args:
            trained: Arrays that are trained, by name of `ctrnn.ARRAYS`.
            momentum: First moments of the optimiser, by the same names.
        """
        if self.bias_range is not None:
            bias, moment = trained["b_rec"], momentum["b_rec"]
            kept = np.clip(bias, *self.bias_range)
            moment[kept != bias] = 0
            bias[...] = kept
        for name in WEIGHTS if self.projection != "none" else ():
            w, mask = trained[name], self.mask(name)
            w *= mask
            if self.projection == "reflect":
                continue
            sign = np.broadcast_to(self.sign(name), w.shape)
            wrong = w * sign < 0
            if self.projection == "clip_eps":
                wrong |= (w == 0) & mask & (sign != 0)
            w[wrong] = EPSILON * sign[wrong] if self.projection == "clip_eps" else 0
            momentum[name][wrong] = 0
        for name, values in self.held.items():
            if name in momentum:
                fixed = ~np.isnan(values)
                trained[name][fixed] = values[fixed]
                momentum[name][fixed] = 0

    def broken(self, arrays: Mapping[str, NDArray[Any]]) -> str:
        """Which weights of a network break a constraint, in words; empty if none do."""
        for name, values in self.held.items():
            fixed = ~np.isnan(values)
            if (arrays[name][fixed] != values[fixed]).any():
                return f"{name} has values that are held and have changed"
        if self.projection == "none":
            return ""
        for name in WEIGHTS:
            w = arrays[name]
            if w[~self.mask(name)].any():
                return f"{name} has weights where there is no connection"
            if (w * self.sign(name) < 0).any():
                return f"{name} has weights of the wrong sign"
        b, kept = arrays["b_rec"], self.bias_range
        if kept is not None and not ((np.float32(kept[0]) <= b) & (b <= np.float32(kept[1]))).all():
            return f"b_rec leaves {kept[0]:g} to {kept[1]:g}"
        return ""
