"""N-bit flip-flop: hold the sign of the last pulse of each input."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Draw
from rnnpipe.tasks._regression import TargetTask
from rnnpipe.tasks._trains import Train, event_onsets, since, uniforms, values_of
from rnnpipe.trials import Trials


class FlipFlop(TargetTask):
    """Pulses of +1 or -1 arrive in each input at random; each output holds the sign of its input's last pulse.

    In each channel, independently, onsets are k_0 = 0, k_{i+1} = k_i + pulse + floor(E_i) with E_i exponential of mean
    tmax / n_events; there is no pulse at k_0, so that none begins before `pulse` has passed. Each pulse is +1 or -1
    with equal probability and lasts `pulse`. The target is 0 before the first pulse and its sign changes where a pulse
    begins, one step before an output can. The loss counts throughout, or after `grace`.

    The condition `train` is a number that stands for all pulses of a trial; `events` unfolds it.

    Reference: Sussillo & Barak (2013) Neural Comput 25:626, with the timing of engellab/trainRNNbrain.
    """

    name: ClassVar[str] = "flip_flop"
    reference: ClassVar[str] = "Sussillo & Barak (2013) Neural Comput 25:626; engellab/trainRNNbrain"
    trials_per_update: ClassVar[int] = 256
    validation_trials: ClassVar[int] = 256

    tmax: float = setting(200.0, "duration of a trial", "ms", gt=0)
    repeats: int = setting(256, "trials of a batch", "trials", gt=0)
    n_bits: int = setting(3, "number of inputs, and of outputs", "bits", gt=0)
    pulse: float = setting(10.0, "duration of a pulse, and shortest time between onsets", "ms", gt=0)
    n_events: float = setting(6.0, "the mean of the exponential between pulses is tmax / n_events", gt=0)

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """One name for each bit."""
        return tuple(f"pulse_{k}" for k in range(1, self.n_bits + 1))

    @property
    def output_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """One name for each bit."""
        return tuple(f"bit_{k}" for k in range(1, self.n_bits + 1))

    def variables(self) -> dict[str, Draw]:
        return {"train": Train()}

    def bounds(self, conditions: Conditions) -> Bounds:
        return {"stimulus": (0.0, self.tmax)}

    def events(self, conditions: Conditions) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
        """Onset (steps; `n_steps` where there is no event) and sign of each pulse, (n_trials, n_bits, n_most) each."""
        pulse, n_steps = int(self.steps(self.pulse)), self.n_steps
        u = uniforms(conditions["train"], (2, self.n_bits, -(-n_steps // pulse)))
        mean = self.tmax / self.n_events / self.dt
        gaps = pulse + np.floor(-mean * np.log1p(-u[:, 0])).astype(np.int64)
        return event_onsets(gaps, n_steps, first=False), np.where(u[:, 1] < 0.5, -1, 1).astype(np.int8)

    def _held(self, conditions: Conditions) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
        """Sign of the last pulse (0 before the first) and steps since its onset, (n_steps, n_trials, n_bits) each."""
        onsets, signs = self.events(conditions)
        latest, ago = since(onsets, self.n_steps)
        return values_of(signs, latest), ago

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        held, ago = self._held(conditions)
        inputs[:] = np.where(ago < self.steps(self.pulse), held, 0)

    def write_target(self, target: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        target[:] = self._held(conditions)[0]

    def counted(self) -> dict[str, float]:
        return {"stimulus": self.grace}

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        found = {"rest": np.zeros(self.n_bits)}
        for k, name in enumerate(self.input_names):
            found |= {f"{name}{mark}": sign * np.eye(self.n_bits)[k] + 0.0 for mark, sign in (("+", 1.0), ("-", -1.0))}
        return found

    def own_scores(self, output: NDArray[np.floating[Any]], trials: Trials) -> dict[str, float]:
        """`sign_correct`: how often an output has the sign of its bit once `pulse` has passed since the last onset."""
        held, ago = self._held(trials.conditions)
        settled = (held != 0) & (ago >= self.steps(self.pulse))
        return {"sign_correct": float((np.sign(output) == held)[settled].mean()) if settled.any() else float("nan")}

    def shortest_periods(self) -> dict[str, float]:
        return {"pulse": self.pulse}

    def longest(self) -> float:
        return max(2 * self.pulse, self.grace + self.dt)
