"""Context-dependent decision making with one signed input for each feature."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnpipe.tasks.cddm import Cddm


class CddmSigned(Cddm):
    """`cddm` with the signed coherences of motion and colour as inputs, which rectified units cannot tell apart.

    Reference: engellab/trainRNNbrain, task CDDMMante, after Mante, Sussillo, Shenoy & Newsome (2013) Nature 503:78.
    """

    name: ClassVar[str] = "cddm_signed"
    environment: ClassVar[str] = "CDDMSigned"
    input_names: ClassVar[tuple[str, ...]] = ("motion", "colour", "motion_coherence", "colour_coherence")

    def sensory(self, motion: ArrayLike, colour: ArrayLike) -> NDArray[np.float64]:
        return np.stack([np.asarray(motion, float), np.asarray(colour, float)], axis=-1)
