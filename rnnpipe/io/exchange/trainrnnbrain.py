"""Parameters of networks of engellab/trainRNNbrain (.pkl, .json, .npz) as continuous-time networks.

Its files hold a dictionary: W_rec, W_inp, W_out, bias_rec (or bias), y_init, N, dt, tau; those of 2026 also say
activation, form, saturation, signs and masks. A pickle is read without running code: only arrays and plain values.

Reference: engellab/trainRNNbrain (github.com/engellab/trainRNNbrain), states of 2023 and 2026.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError, SettingsError, brief
from rnnpipe.io.ctrnn import as_ctrnn
from rnnpipe.networks.ctrnn import ARRAYS, Ctrnn
from rnnpipe.networks.ctrnn_constraints import Constraints
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.settings import parse

NAMES = {
    "w_rec": ("W_rec",),
    "w_in": ("W_inp",),
    "w_out": ("W_out",),
    "b_rec": ("bias_rec", "bias"),
    "x_init": ("y_init",),
}
"""What our arrays are called there."""

SUFFIXES = (".pkl", ".pickle", ".json", ".npz")

_ALLOWED = {
    (f"numpy.{core}.{module}", name)
    for core in ("core", "_core")
    for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}


class _Plain(pickle.Unpickler):
    """Reads arrays and plain values; anything else is an error."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def read_parameters(path: str | Path) -> dict[str, Any]:
    """The dictionary of a file.

    Raises:
        ArtefactError: Missing, unreadable, hostile, or without the matrices of a network.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ArtefactError(f"{path}: parameters are read from {', '.join(SUFFIXES)}; rename the file.")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ArtefactError(f"{path}: no such file.") from None
    found: Any
    try:
        if path.suffix == ".json":
            found = json.loads(content)
        elif path.suffix == ".npz":
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                found = {name: file[name] if file[name].ndim else file[name].item() for name in file.files}
        else:
            found = _Plain(io.BytesIO(content)).load()
    except Exception as error:  # a damaged or hostile pickle raises whatever it leads to
        raise ArtefactError(
            f"{path}: cannot be read as parameters ({brief(error)}); expected a dictionary of arrays."
        ) from None
    if not isinstance(found, Mapping):
        raise ArtefactError(f"{path}: holds {type(found).__name__}, expected a dictionary with W_rec, W_inp and W_out.")
    missing = [name for name in ("W_rec", "W_inp", "W_out") if found.get(name) is None]
    if missing:
        raise ArtefactError(f"{path}: has no {missing[0]!r}; expected a dictionary with W_rec, W_inp and W_out.")
    return dict(found)


@dataclass(frozen=True)
class Converted:
    """A network of foreign parameters, with settings that describe it."""

    network: Ctrnn
    constraints: Constraints
    settings: CtrnnSettings


def as_network(parameters: Mapping[str, Any], given: CtrnnSettings, dt: float, path: Path) -> Converted:
    """The network of parameters; what they do not say is taken from settings.

    Args:
        parameters: See `read_parameters`.
        given: Settings, of which those that were set must not contradict the file.
        dt: Euler step, ms; the file's own unit of time is scaled to it.
        path: The file, for errors.

    Raises:
        ArtefactError: Arrays that do not fit each other, or are not finite.
        SettingsError: A setting contradicts the file, or weights their signs.
    """
    try:
        arrays = {ours: _array(parameters, names) for ours, names in NAMES.items()}
        n = len(arrays["w_rec"])
        for name in ("b_rec", "x_init"):
            arrays[name] = np.zeros(n, np.float32) if arrays[name] is None else arrays[name].reshape(-1)
        said = _said(parameters, n, dt)
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise ArtefactError(f"{path}: holds parameters that are no arrays of numbers ({brief(error)}).") from None
    for name in given.model_fields_set & set(said):
        if getattr(given, name) != said[name]:
            raise SettingsError(
                f"{path}: says {name} = {said[name]!r}, but --network.{name} is {getattr(given, name)!r}; leave it out."
            )
    bias = arrays["b_rec"]
    if (bias != bias[0]).any():
        low, high = min(-1.0, float(bias.min())), max(1.0, float(bias.max()))
        said |= {"train_bias": True, "bias": 0.0, "bias_range": [low, high]}
    else:
        said["bias"] = float(bias[0])
    settings = parse(CtrnnSettings, {**given.model_dump(exclude_unset=True), **said}, f"{path}: settings of network")
    network = as_ctrnn(arrays, settings, dt).check(str(path))
    constraints = _constraints(network, settings)
    broken = constraints.broken({name: getattr(network, name) for name in ARRAYS})
    if broken:
        raise SettingsError(
            f"{path}: {broken}; set network.dale and network.nonnegative_io as the network was trained."
        )
    return Converted(network, constraints, settings)


def _array(parameters: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    value = next((parameters[name] for name in names if parameters.get(name) is not None), None)
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype.kind == "c" or not array.size:
        raise ValueError(f"{names[0]} is of shape {array.shape} and type {array.dtype}")
    with np.errstate(over="ignore"):  # what is too large for float32 is found out with what is not finite
        return array.astype(np.float64).astype(np.float32)


def _said(parameters: Mapping[str, Any], n: int, dt: float) -> dict[str, Any]:
    """Settings that a file states, in our names."""
    said: dict[str, Any] = {"n_units": n}
    if parameters.get("tau") is not None:
        step = 1.0 if parameters.get("dt") is None else float(parameters["dt"])
        said["tau"] = float(parameters["tau"]) / step * dt
    if parameters.get("equation_type") is not None:
        said["form"] = {"s": "rate", "h": "current"}[str(parameters["equation_type"])]
    if parameters.get("gamma") is not None:
        said["saturation"] = float(parameters["gamma"])
    for ours, theirs in (
        ("dale", "dale"),
        ("nonnegative_io", "io_nonnegativity"),
        ("self_connections", "self_connections"),
    ):
        if parameters.get(theirs) is not None:
            said[ours] = bool(parameters[theirs])
    activation = parameters.get("activation_args")
    if isinstance(activation, Mapping):
        said["activation"] = str(activation["name"])
        names = {"slope": "slope", "shift": "shift", "beta": "sharpness", "alpha": "sharpness", "leaky_slope": "leak"}
        said |= {ours: float(activation[theirs]) for theirs, ours in names.items() if theirs in activation}
    return said


def _constraints(network: Ctrnn, settings: CtrnnSettings) -> Constraints:
    """Masks and signs that the weights show: whatever is zero counts as absent."""
    sign: NDArray[np.int8] = np.zeros(network.n_units, np.int8)
    if settings.dale:
        total = network.w_rec.sum(0)
        sign = np.where(total < 0, -1, 1).astype(np.int8)
    io_sign = int(settings.nonnegative_io)
    bias_range = (settings.bias_range[0], settings.bias_range[1]) if settings.train_bias else None
    masks = (network.w_rec != 0, network.w_in != 0, network.w_out != 0)
    return Constraints(*masks, sign, io_sign, io_sign, settings.projection, bias_range)
