"""Angles as the activity of a few channels, and tasks about them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._regression import TargetTask


class AngleTask(TargetTask):
    """A task whose outputs are an angle, in degrees, coded by channels of one amplitude A.

    `cos_sin`: two channels, A cos(angle) and A sin(angle). `triangular`: k channels with preferred angles 360 i / k;
    with i the one before the angle and f the fraction of the arc 360 / k that is left to the next one, channel i is at
    A (1 - f), channel i + 1 (mod k) at A f and the others at 0. It is piecewise linear and never negative, which suits
    units that are rectified and obey Dale's law.
    """

    encoding: Literal["cos_sin", "triangular"] = setting("cos_sin", "how channels code an angle")
    n_channels: int = setting(3, "channels of the triangular code", gt=2)
    amplitude: float = setting(2.0, "largest activity of a channel", gt=0)

    def channel_names(self, prefix: str = "") -> tuple[str, ...]:
        """Names of the channels of one angle."""
        if self.encoding == "cos_sin":
            return f"{prefix}cos", f"{prefix}sin"
        return tuple(f"{prefix}angle_{i}" for i in range(1, self.n_channels + 1))

    @property
    def output_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The channels of the answer."""
        return self.channel_names()

    def encode(self, angle: ArrayLike) -> NDArray[np.float64]:
        """Activity of the channels at an angle in degrees, (..., n_channels)."""
        if self.encoding == "cos_sin":
            radians = np.deg2rad(np.asarray(angle, float))
            return self.amplitude * np.stack([np.cos(radians), np.sin(radians)], axis=-1)
        place = np.mod(np.asarray(angle, float), 360.0) * self.n_channels / 360.0
        apart = np.abs(place[..., None] - np.arange(self.n_channels))
        around = np.minimum(apart, self.n_channels - apart)
        return np.asarray(self.amplitude * np.maximum(1.0 - around, 0.0))

    def decode(self, output: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """The angle, in degrees in [0, 360), that channels (..., n_channels) code.

        Of the triangular code the two neighbours with the largest sum are read: their share is the fraction of the arc.
        """
        y = np.asarray(output, float)
        if self.encoding == "cos_sin":
            return np.asarray(np.mod(np.rad2deg(np.arctan2(y[..., 1], y[..., 0])), 360.0))
        after = np.roll(y, -1, axis=-1)
        i = (y + after).argmax(-1)
        low, high = (np.take_along_axis(x, i[..., None], -1)[..., 0] for x in (y, after))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.clip(high / (low + high), 0.0, 1.0)
        return np.asarray(np.mod((i + share) * 360.0 / self.n_channels, 360.0))

    def angular_error(self, output: NDArray[np.floating[Any]], angle: ArrayLike) -> float:
        """Median distance on the circle, in degrees, between what outputs (..., n_channels) code and an angle (...)."""
        apart = np.mod(self.decode(output) - np.asarray(angle, float) + 180.0, 360.0) - 180.0
        return float(np.median(np.abs(apart))) if apart.size else float("nan")

    @model_validator(mode="after")
    def _channels_belong_to_the_code(self) -> AngleTask:
        if self.encoding == "cos_sin" and self.n_channels != type(self).model_fields["n_channels"].default:
            raise ValueError("n_channels is of the triangular code; remove it or set encoding: triangular")
        return self
