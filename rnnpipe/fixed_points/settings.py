"""Settings of the search for fixed points of rate networks."""

from __future__ import annotations

from rnnpipe.settings import Settings, setting


class SearchSettings(Settings):
    """How the fixed points under one constant input are searched for."""

    n_starts: int = setting(4096, "starts of the search, per input", gt=0)
    max_starts: int = setting(
        65536, "starts at most, where the evidence that all fixed points were found asks for more", gt=0
    )
    jitter: float = setting(1.0, "largest jitter of visited states, in units of their root mean square", ge=0)
    relaxation: float = setting(
        200.0, "time that starts follow the noise-free network, in units of the time constant", "tau", gt=0
    )
    max_iterations: int = setting(100, "steps of a solver from one start", gt=0)
    closure_rounds: int = setting(5, "rounds of new starts made from the points found, at most", ge=0)
    trial_time: float = setting(1000.0, "time scale of the task: slower modes are marginal on it", "ms", gt=0)
    n_trials: int = setting(100, "trials on which the network is run to find starts", "trials", gt=0)
    seed: int = setting(1, "seed of the starts", ge=0)
