"""Penalties in the loss of continuous-time networks, by name: `orthogonality: 0.3`, or a mapping of their settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.networks.ctrnn import ARRAYS, Form
from rnnpipe.settings import parse, suggest
from rnnpipe.training.terms_states import (
    Activity,
    ActivityTerm,
    Clustering,
    DriveInequality,
    DriveTimeVariance,
    MeanSquareRate,
    OutputVariance,
    RateInequality,
    RateMagnitude,
    StateMagnitude,
    TailEnergy,
)
from rnnpipe.training.terms_weights import (
    ChannelOverlap,
    InDegree,
    InputWeights,
    Orthogonality,
    OutputWeights,
    RecurrentWeights,
    Term,
    WeightTerm,
)

Array = NDArray[Any]
Arrays = dict[str, Array]

TERMS: dict[str, type[Term]] = {
    "orthogonality": Orthogonality,
    "channel_overlap": ChannelOverlap,
    "mean_square_rate": MeanSquareRate,
    "in_degree": InDegree,
    "input_weights": InputWeights,
    "recurrent_weights": RecurrentWeights,
    "output_weights": OutputWeights,
    "output_variance": OutputVariance,
    "rate_magnitude": RateMagnitude,
    "state_magnitude": StateMagnitude,
    "rate_inequality": RateInequality,
    "drive_inequality": DriveInequality,
    "drive_time_variance": DriveTimeVariance,
    "clustering": Clustering,
    "tail_energy": TailEnergy,
}


def parse_terms(given: Mapping[str, Any]) -> dict[str, Term]:
    """Penalties by name, those of weight 0 left out.

    Raises:
        SettingsError: No such penalty, or a setting that it does not have.
    """
    terms = {}
    for name, values in given.items():
        if name not in TERMS:
            raise SettingsError(f"unknown penalty {name!r} ({suggest(name, TERMS)}).")
        values = values if isinstance(values, Mapping) else {"weight": values}
        terms[name] = parse(TERMS[name], values, f"penalties.{name}")
    return {name: term for name, term in terms.items() if term.weight > 0}


class Terms:
    """The penalties of one training.

    Args:
        given: Weight, or settings, of each by name.
        form: Form of the network.
        sign: Sign of the recurrent weights from each unit, 0 where they are free.
    """

    def __init__(self, given: Mapping[str, Any], form: Form, sign: NDArray[np.int8]) -> None:
        self.terms, self.form, self.sign = parse_terms(given), form, sign

    @property
    def rate_penalty(self) -> float:
        """Weight of the mean squared rate, which engines know."""
        term = self.terms.get("mean_square_rate")
        return 0.0 if term is None else term.weight

    @property
    def on_activity(self) -> dict[str, Term]:
        """Penalties on activity that engines do not know."""
        return {k: t for k, t in self.terms.items() if not isinstance(t, WeightTerm | MeanSquareRate)}

    def of_weights(self, arrays: Arrays) -> tuple[dict[str, float], Arrays]:
        """Values of the penalties on weights by name, and the gradient of their weighted sum."""
        values: dict[str, float] = {}
        total: Arrays = {}
        for name, term in self.terms.items():
            if isinstance(term, WeightTerm):
                values[name], gradient = term.of(arrays, self.sign)
                for array, part in gradient.items():
                    total[array] = total.get(array, 0) + term.weight * part
        return values, total

    def of_activity(self, arrays: Arrays, inputs: Array) -> ActivityPenalty:
        """What an engine takes as `state_terms` for a batch of these inputs."""
        return ActivityPenalty(self, arrays, inputs)

    def weighted(self, values: Mapping[str, float]) -> float:
        """Sum of the penalties, each by its weight."""
        return float(sum(self.terms[name].weight * value for name, value in values.items()))


class ActivityPenalty:
    """Penalties on the activity of one batch; keeps their values, and the gradient in the arrays that is direct.

    An output, or the input of a unit, depends on the weights at given rates, too: that part is `gradients`, to be added
    to what an engine finds through the rates.
    """

    def __init__(self, terms: Terms, arrays: Arrays, inputs: Array) -> None:
        self.terms, self.arrays, self.inputs = terms, arrays, inputs
        self.values: dict[str, float] = {}
        self.gradients: Arrays = {}

    def __call__(self, rates: Array, states: Array) -> tuple[float, Array | None, Array | None]:
        """Weighted sum of the penalties and its gradients in rates and states, (n_steps, n_trials, n_units)."""
        by_rates, by_states = np.zeros_like(rates), np.zeros_like(states)
        by_torch = {}
        for name, term in self.terms.on_activity.items():
            if isinstance(term, RateMagnitude):
                self.values[name], gradient = term.of(rates)
                by_rates += rates.dtype.type(term.weight) * gradient
            elif isinstance(term, StateMagnitude):
                self.values[name], gradient = term.of(states)
                by_states += states.dtype.type(term.weight) * gradient
            elif isinstance(term, ActivityTerm):
                by_torch[name] = term
        if by_torch:
            self._by_torch(by_torch, rates, by_rates)
        return self.terms.weighted(self.values), by_rates, by_states

    def _by_torch(self, terms: dict[str, ActivityTerm], rates: Array, by_rates: Array) -> None:
        import torch  # settings are read without it

        with torch.enable_grad():
            leaves = {name: torch.from_numpy(self.arrays[name]).requires_grad_() for name in ARRAYS}
            r = torch.from_numpy(np.ascontiguousarray(rates)).requires_grad_()
            u = torch.from_numpy(self.inputs.astype(rates.dtype, copy=False))
            drive = r @ leaves["w_rec"].T + u @ leaves["w_in"].T + leaves["b_rec"]
            activity = Activity(r, drive, r @ leaves["w_out"].T, torch.from_numpy(self.terms.sign))
            values = {name: term.of(activity) for name, term in terms.items()}
            total = sum(terms[name].weight * value.double() for name, value in values.items())
        assert isinstance(total, torch.Tensor)
        total.backward()  # type: ignore[no-untyped-call]
        self.values |= {name: float(value.detach()) for name, value in values.items()}
        if r.grad is not None:
            by_rates += r.grad.numpy()
        self.gradients = {name: leaf.grad.numpy() for name, leaf in leaves.items() if leaf.grad is not None}
