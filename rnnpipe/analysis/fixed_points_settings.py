"""Settings of the search for fixed points."""

from __future__ import annotations

from rnnpipe.settings import Settings, setting


class FixedPointSettings(Settings):
    """How the fixed points of a trained network are searched for, per constant input."""

    n_starts: int = setting(256, "starts of the search, per input", gt=0)
    jitter: float = setting(
        1.0, "largest jitter of a start, in units of the root mean square of the visited states", ge=0
    )
    relaxation: float = setting(
        20000.0, "time that a quarter of the starts first follows the noise-free network", "ms", ge=0
    )
    max_iterations: int = setting(100, "Newton steps of a start", gt=0)
    tolerance: float = setting(
        1e-12, "largest residual of a fixed point, relative to its largest state (at least 1)", gt=0
    )
    min_distance: float = setting(1e-6, "solutions nearer than this are one fixed point", gt=0)
    n_trials: int = setting(200, "trials of the dataset on which the network is run to find starts", "trials", gt=0)
    seed: int = setting(1, "seed of the starts", ge=0)
