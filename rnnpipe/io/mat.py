"""Rate networks as `.mat` files (level 5), in the variable names, shapes and classes of Kim et al. (2019).

What the field's MATLAB and Python code for spiking networks reads is written exactly: magnitudes `w` that are not
negative under Dale's principle (nothing downstream rectifies them) with the sign in the diagonal matrix `m` alone;
time constants in steps; their parameters a column (a row would silently become a matrix in MATLAB); masks logical
(others cannot index). Reading accepts what other implementations have written, says what it had to put right, and
refuses what cannot be put right.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811 and the authors' code.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.io import savemat

from rnnpipe.errors import ArtefactError
from rnnpipe.files import whole
from rnnpipe.io.mat5 import read_variables
from rnnpipe.networks.rate_network import Activation, RateNetwork

Array = NDArray[Any]
Rectify = Literal["auto", "always", "never"]

SPEC_VERSION = 1
"""Version of what we add to the published variables."""
STEP = 5.0
"""Step of the published rate model, ms; in a file, time constants are in steps."""
TASK_NAMES = {"go_nogo": "go-nogo", "xor": "xor", "context_integration": "mante"}
"""What the field's files call our tasks."""

NETWORK_NAMES = (
    *("w", "w0", "m", "som_m", "w_in", "w_in0", "w_out", "b_out", "N", "inh", "exc", "som_N"),
    *("taus", "taus_gaus", "taus_gaus0", "activation"),
)
"""Published variables that describe the network itself."""
OWN_NAMES = ("b_rec", "taus_ms", "w0_unknown", "taus_gaus0_unknown")
"""Variables that we add where the published ones cannot say it."""
RECORD_NAMES = (
    *("x0", "r0", "x", "r", "u", "target", "o", "losses", "tr", "eval_perf_mean", "eval_loss_mean", "eval_os"),
    *("eval_labels", "opt_scaling_factor", "all_perfs", "scaling_factors"),
)
"""Published variables that describe its training, evaluation and mapping; all optional."""

_HEADER = b"MATLAB 5.0 MAT-file of a rate network, variables of Kim, Li & Sejnowski (2019), written by rnnpipe".ljust(
    116
)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_EXTRA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True)
class MatFile:
    """What a `.mat` file holds."""

    network: RateNetwork
    variables: dict[str, Array]
    """All variables of plain classes as they stand in the file; logical ones as bool, so that they stay logical."""
    warnings: list[str]
    """What had to be put right or assumed, one sentence each."""

    @property
    def record(self) -> dict[str, Array]:
        """What was kept of training, evaluation and mapping."""
        return {name: self.variables[name] for name in RECORD_NAMES if name in self.variables}

    @property
    def extra(self) -> dict[str, Any]:
        """All other variables, as plain values: seed, P_rec, ...; those that are more than a list are left out."""
        known = {*NETWORK_NAMES, *OWN_NAMES, *RECORD_NAMES}
        plain = {name: _plain(array) for name, array in self.variables.items() if name not in known}
        return {name: value for name, value in plain.items() if value is not None and _EXTRA_NAME.fullmatch(name)}


# -- writing -------------------------------------------------------------------------------------------------


def write_mat(
    path: str | Path,
    network: RateNetwork,
    record: Mapping[str, ArrayLike] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> list[str]:
    """Write a network; equal content gives equal bytes.

    Args:
        path: File to write.
        network: The network. With more than one output, `w_out` is (n_outputs, N) and `b_out` (n_outputs, 1).
        record: Any of `RECORD_NAMES`; a network has N units, a trial T steps. States `x0, r0, x, r` are (T, N, 1) or
            (T, N), or (N, 1) for one instant; `u` is (n_inputs, T), `target` (n_outputs, T) or (T,), `o`
            (T - 1, n_outputs, 1), (T - 1, n_outputs) or (T - 1,), `eval_os` (n_trials, T - 1), `eval_labels` numbers
            or words of equal length, the rest numbers and lists of them.
        extra: More to note by name: text, numbers, booleans and lists of numbers; None is left out. `task`, `seed`,
            `apply_dale`, `dt_rate_ms` and `spec_version` are noted without being asked for.

    Returns:
        What programs that only know the published variables will miss, one sentence each.

    Raises:
        ArtefactError: Arrays that do not fit each other, a name that cannot be noted, or a folder that cannot be
            written to.
    """
    network.check(str(path))
    content = {**_network_variables(network), **_record_variables(str(path), network, record or {})}
    content |= _extra_variables(str(path), network, extra or {}, content)
    buffer = io.BytesIO()
    savemat(buffer, content, format="5", do_compression=False)
    data = buffer.getvalue()
    with whole(path) as tmp:
        tmp.write_bytes(_HEADER + data[len(_HEADER) :])  # scipy's text holds the date
    return _losses_in_translation(network)


def _network_variables(network: RateNetwork) -> dict[str, Any]:
    def double(array: ArrayLike) -> Array:
        return np.asarray(array, np.float64)

    def magnitudes(w: Array) -> Array:
        return np.maximum(double(w), 0) if network.dale else double(w)

    n, sign = network.n_units, double(network.sign)
    w0 = network.w if network.w_initial is None else network.w_initial
    gamma0 = network.gamma if network.gamma_initial is None else network.gamma_initial
    taus = [network.tau_min] if network.tau_min == network.tau_max else [network.tau_min, network.tau_max]
    content: dict[str, Any] = {
        "w": magnitudes(network.w),
        "w0": magnitudes(w0),
        "m": np.diag(sign),
        "som_m": double(network.mask),
        "w_in": double(network.w_in),
        "w_in0": double(network.w_in),
        "w_out": double(network.w_out),
        "b_out": double(network.b_out).reshape(-1, 1),
        "N": _integer(n),
        "inh": (sign < 0).reshape(n, 1),
        "exc": (sign > 0).reshape(n, 1),
        "som_N": _integer(network.n_som),
        "taus": double([taus]) / network.dt,
        "taus_gaus": double(network.gamma).reshape(n, 1),
        "taus_gaus0": double(gamma0).reshape(n, 1),
        "activation": str(network.activation),
        "taus_ms": double([taus]),
    }
    if network.w_initial is None:
        content["w0_unknown"] = np.ones((1, 1), bool)
    if network.gamma_initial is None:
        content["taus_gaus0_unknown"] = np.ones((1, 1), bool)
    if np.any(network.b_rec):
        content["b_rec"] = double(network.b_rec).reshape(n, 1)
    return content


def _losses_in_translation(network: RateNetwork) -> list[str]:
    notes = []
    if network.n_outputs > 1:
        notes.append(f"w_out has {network.n_outputs} rows, where the published networks have one output")
    if np.any(network.b_rec):
        notes.append("the units' constant inputs are kept as b_rec, which programs for the published networks ignore")
    if network.dt != STEP:
        notes.append(
            f"time constants are in steps of {network.dt:g} ms, where programs for the published networks take a step"
            f" to be {STEP:g} ms"
        )
    unknown = [name for name, array in (("w0", network.w_initial), ("taus_gaus0", network.gamma_initial))
               if array is None]  # fmt: skip
    if unknown:
        notes.append(f"{' and '.join(unknown)} repeat the trained values, since those before training are not known")
    return notes


def _record_variables(where: str, network: RateNetwork, record: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Arrays of a record in the shapes that the authors' code gives them."""
    n, n_out = network.n_units, network.n_outputs
    n_steps: dict[int, str] = {}
    content: dict[str, Array] = {}
    for name, value in record.items():
        if name not in RECORD_NAMES:
            raise ArtefactError(
                f"{where}: a record has no {name!r} (known: {', '.join(RECORD_NAMES)}); note it with the extras."
            )
        array = np.asarray(value)
        if name == "eval_labels" and array.dtype.kind in "US":
            array = array.astype(str).ravel()
            if len({len(word) for word in array.tolist()}) > 1:
                raise ArtefactError(f"{where}: eval_labels holds words of different lengths, which .mat cannot keep.")
            content[name] = array
            continue
        if array.dtype.kind not in "fiub":
            raise ArtefactError(f"{where}: {name} holds {array.dtype}, expected numbers.")
        array = array.astype(np.int64 if name == "tr" else np.float64)
        steps = None
        if name in ("x0", "r0", "x", "r"):
            expected = f"(T, {n}, 1) or ({n}, 1)"
            fits = array.shape[1:] in ((n,), (n, 1)) or array.shape == (n, 1)
            if fits and array.shape != (n, 1):
                array, steps = array.reshape(-1, n, 1), len(array)
        elif name == "u":
            expected = f"({network.n_inputs}, T)"
            fits = array.ndim == 2 and len(array) == network.n_inputs
            steps = array.shape[-1] if fits else None
        elif name == "target":
            expected = f"({n_out}, T)"
            array = array.reshape(1, -1) if array.ndim == 1 else array
            fits = array.ndim == 2 and len(array) == n_out
        elif name == "o":
            expected = f"(T - 1, {n_out}, 1)"
            if n_out == 1 and array.ndim <= 2 and 1 in (array.ndim, *array.shape):
                array = array.reshape(-1, 1, 1)
            fits = array.shape[1:] in ((n_out,), (n_out, 1))
            if fits:
                array, steps = array.reshape(-1, n_out, 1), len(array) + 1
        elif name == "eval_os":
            expected = "(n_trials, T - 1)"
            fits = array.ndim == 2
            steps = array.shape[-1] + 1 if fits else None
        elif name in ("losses", "eval_labels", "scaling_factors"):
            expected, array = "(1, n)", array.reshape(1, -1) if array.ndim == 1 else array
            fits = array.ndim == 2 and 1 in array.shape
            array = array.reshape(1, -1) if fits else array
        elif name == "all_perfs":
            expected = "(n, 1)"
            fits = array.ndim == 1 or (array.ndim == 2 and 1 in array.shape)
            array = array.reshape(-1, 1) if fits else array
        else:
            expected, fits = "one number", array.size == 1
            array = array.reshape(1, 1) if fits else array
        if not fits:
            raise ArtefactError(f"{where}: {name} has shape {array.shape}, expected {expected}.")
        if steps is not None:
            n_steps.setdefault(steps, name)
        content[name] = array
    if len(n_steps) > 1:
        (a, first), (b, second), *_ = n_steps.items()
        raise ArtefactError(f"{where}: {first} is of a trial of {a} steps, {second} of one of {b}.")
    return content


def _extra_variables(
    where: str, network: RateNetwork, extra: Mapping[str, Any], content: Mapping[str, Any]
) -> dict[str, Any]:
    noted: dict[str, Any] = {**extra, "apply_dale": network.dale, "dt_rate_ms": float(network.dt)}
    noted["spec_version"] = SPEC_VERSION
    if network.task:
        noted["task"] = network.task
    if network.seed >= 0:
        noted["seed"] = network.seed
    result: dict[str, Any] = {}
    for name, value in noted.items():
        if not _EXTRA_NAME.fullmatch(name) or name in content or name in NETWORK_NAMES + OWN_NAMES + RECORD_NAMES:
            raise ArtefactError(
                f"{where}: {name!r} cannot be noted: a name begins with a letter, holds letters, digits and"
                " underscores, and is none of the network's own."
            )
        if value is None or (isinstance(value, str) and not value):
            continue
        array = np.asarray(value)
        if isinstance(value, str):
            result[name] = value
        elif array.dtype.kind == "b":
            result[name] = array.reshape(1, -1)
        elif array.dtype.kind in "iu":
            result[name] = array.astype(np.int64).reshape(1, -1)
        elif array.dtype.kind == "f":
            result[name] = array.astype(np.float64).reshape(1, -1)
        else:
            raise ArtefactError(f"{where}: {name} = {value!r} cannot be noted: give text, numbers or booleans.")
    return result


def _integer(value: int) -> Array:
    return np.full((1, 1), value, np.int64)


# -- names ---------------------------------------------------------------------------------------------------


def mat_name(network: RateNetwork, p_rec: float, time: datetime.datetime) -> Path:
    """Path of a network's file as the authors' code names it, below the output folder.

    `models/<task>[/NoDale]/P_rec_<p_rec>_Taus_<min>_<max>/Task_<task>_N_<N>_Taus_<min>_<max>_Act_<act>_<time>.mat`,
    with numbers as Python prints floats (`P_rec_0.2_Taus_4.0_20.0`) and time constants in steps; a single time
    constant makes it `Tau_<tau>`.

    Args:
        network: The network.
        p_rec: Connection probability that it was initialised with.
        time: When it was made.
    """
    task = TASK_NAMES.get(network.task, network.task.replace("_", "-"))
    if not task:
        raise ArtefactError("the network does not say which task it was trained on, which its file's name holds.")
    low, high = (float(tau / network.dt) for tau in (network.tau_min, network.tau_max))
    taus = f"Tau_{low}" if low == high else f"Taus_{low}_{high}"
    folder = Path("models", task, *(() if network.dale else ("NoDale",)), f"P_rec_{float(p_rec)}_{taus}")
    stem = f"Task_{task}_N_{network.n_units}_{taus}_Act_{network.activation}"
    return folder / f"{stem}_{time:%Y_%m_%d_%H%M%S}.mat"


@contextlib.contextmanager
def new_mat_path(folder: str | Path, network: RateNetwork, p_rec: float, time: datetime.datetime) -> Iterator[Path]:
    """Reserve a path that no file has: where a second is taken, the next one that is free.

    Raises:
        ArtefactError: The folder cannot be written to.
    """
    while True:
        path = Path(folder) / mat_name(network, p_rec, time)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            break
        except FileExistsError:
            if path.parent.is_dir():
                time += datetime.timedelta(seconds=1)
                continue
            raise ArtefactError(f"{path.parent}: is a file, expected a folder.") from None
        except OSError as error:
            raise ArtefactError(f"{path}: cannot be written ({error.strerror}); check the folder.") from None
    try:
        yield path
    finally:
        if path.is_file() and path.stat().st_size == 0:  # nothing came of it
            path.unlink()


# -- reading -------------------------------------------------------------------------------------------------


def read_mat(path: str | Path, rectify: Rectify = "auto") -> MatFile:
    """Read a network that we, the authors' code or another implementation of it have written.

    Args:
        path: File to read; level 5, compressed or not.
        rectify: What to do with negative `w` (magnitudes should not be): "auto" sets them to zero where the signs
            in `m` show Dale's principle, "always" does so anyway, "never" keeps them, and then Dale's principle does
            not hold.

    Raises:
        ArtefactError: Not such a file, level 7.3, damaged, or without a network that makes sense.
    """
    path = Path(path)
    variables, ignored = _load(path)
    reader = _Reader(path, variables, ignored)
    network = reader.network(rectify)
    return MatFile(network, variables, reader.warnings)


def _load(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Variables of plain classes, and the classes of the others, which are never decoded."""
    try:
        head = path.read_bytes()
    except FileNotFoundError:
        raise ArtefactError(f"{path}: no such file.") from None
    except IsADirectoryError:
        raise ArtefactError(f"{path}: is a folder, expected a MATLAB file (.mat).") from None
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror}).") from None
    if head.startswith(_HDF5) or head[512:520] == _HDF5 or head.startswith(b"MATLAB 7.3"):
        raise ArtefactError(
            f"{path}: is a MATLAB file of version 7.3 (HDF5), which is not read; save it again in MATLAB with"
            " `save(..., '-v7')`."
        )
    if not head:
        raise ArtefactError(f"{path}: is empty, expected a MATLAB file (.mat).")
    try:
        return read_variables(head)
    except MemoryError:
        raise ArtefactError(f"{path}: claims to hold more than fits into memory; it is damaged.") from None
    except ValueError as error:
        known = head.startswith(b"MATLAB 5.0 MAT-file")
        what = "is damaged or truncated" if known else "is not a MATLAB file of level 5"
        raise ArtefactError(f"{path}: {what} ({error}); expected a .mat file, saved with -v6 or -v7.") from None


class _Reader:
    """Takes a network out of variables, noting what had to be put right."""

    def __init__(self, path: Path, variables: Mapping[str, Array], ignored: Mapping[str, str]) -> None:
        self.path = path
        self.variables = variables
        self.ignored = ignored
        self.warnings = [
            f"variable {name!r} is of class {kind}, which is not read" for name, kind in ignored.items() if name
        ]

    def network(self, rectify: Rectify) -> RateNetwork:
        w = self.numbers("w")
        n = len(w)
        if w.ndim != 2 or w.shape != (n, n) or n == 0:
            self.fail(f"w has shape {w.shape}, expected a square matrix (to, from)")
        self._check_size(n)
        sign = self._sign(n)
        mask, n_som = self._som(n, sign)
        taus, dt = self._taus()
        w_in = self._oriented("w_in" if "w_in" in self.variables else self._instead("w_in", "w_in0"), n, axis=0)
        w_out = self._oriented("w_out", n, axis=1)
        w0 = None
        if not self._flag("w0_unknown"):
            w0 = self.numbers("w0") if self._optional("w0", "the weights before training are not known") else None
        if w0 is not None and w0.shape != (n, n):
            self.fail(f"w0 has shape {w0.shape}, expected {(n, n)}")
        w, w0, dale = self._rectified(w, w0, sign, rectify)
        gamma, gamma0 = self._gammas(n, len(taus))
        if self._optional("b_out", "the readout has no bias"):
            b_out = self.numbers("b_out").ravel()
            if len(b_out) != len(w_out):
                self.fail(f"b_out has {len(b_out)} entries, expected {len(w_out)}, one per row of w_out")
        else:
            b_out = np.zeros(len(w_out))
        b_rec = self.numbers("b_rec").ravel() if "b_rec" in self.variables else np.zeros(n)
        if len(b_rec) != n:
            self.fail(f"b_rec has {len(b_rec)} entries, expected {n}, one per unit")
        factor = self.variables.get("opt_scaling_factor")
        if factor is not None and factor.dtype.kind == "f" and np.isnan(factor).any():
            self.warnings.append("opt_scaling_factor is NaN: a search for it was not finished")
        seed = self.variables.get("seed")
        return RateNetwork(
            w=w,
            sign=sign,
            mask=mask,
            w_in=w_in,
            w_out=w_out,
            b_out=b_out,
            b_rec=b_rec,
            gamma=gamma,
            tau_min=taus[0],
            tau_max=taus[-1],
            activation=self._activation(),
            dt=dt,
            n_som=n_som,
            dale=dale,
            w_initial=w0,
            gamma_initial=gamma0,
            task=self._task(),
            # one that is none is left out; NaN compares to nothing
            seed=int(seed.flat[0])
            if seed is not None and seed.size and seed.dtype.kind in "iuf" and 0 <= seed.flat[0] < 2**63
            else -1,
        ).check(str(self.path))

    def fail(self, what: str) -> NoReturn:
        raise ArtefactError(f"{self.path}: {what}.")

    def numbers(self, name: str, finite: bool = True) -> Array:
        """A variable as float64, which it must be able to become."""
        if name not in self.variables:
            if name in self.ignored:
                hint = f"; save it as full({name})" if self.ignored[name] == "sparse" else ""
                self.fail(f"variable {name!r} is of class {self.ignored[name]}, expected numbers{hint}")
            found = ", ".join(sorted(self.variables)) or "nothing"
            self.fail(f"holds no variable {name!r}, so it is not a rate network; it holds {found}")
        array = self.variables[name]
        if array.dtype.kind not in "fiub":
            kind = {"c": "complex numbers"}.get(array.dtype.kind, "text")
            self.fail(f"variable {name!r} holds {kind}, expected real numbers")
        if finite and not np.isfinite(array).all():
            self.fail(f"variable {name!r} holds NaN or infinite values; train the network again")
        return array.astype(np.float64)

    def number(self, name: str) -> float:
        array = self.numbers(name)
        if array.size != 1:
            self.fail(f"{name} has shape {array.shape}, expected one number")
        return float(array.flat[0])

    def text(self, name: str) -> str:
        array = self.variables[name]
        if array.dtype.kind not in "US":
            self.fail(f"variable {name!r} holds {array.dtype}, expected text")
        return str(array.flat[0]).strip() if array.size else ""

    def _optional(self, name: str, otherwise: str) -> bool:
        if name in self.variables:
            return True
        self.warnings.append(f"holds no variable {name!r}; {otherwise}")
        return False

    def _instead(self, name: str, other: str) -> str:
        if other not in self.variables:
            return name
        self.warnings.append(f"holds no variable {name!r}; took {other!r}")
        return other

    def _flag(self, name: str) -> bool:
        return name in self.variables and bool(np.any(self.variables[name]))

    def _check_size(self, n: int) -> None:
        if "N" in self.variables and self.number("N") != n:
            self.fail(f"N is {self.number('N'):g}, but w is a matrix of {n} units")

    def _sign(self, n: int) -> Array:
        kinds = {}
        for name in ("inh", "exc"):
            if name in self.variables:
                array = self.numbers(name)
                if array.size != n or n not in array.shape:
                    self.fail(f"{name} has shape {array.shape}, expected ({n}, 1)")
                kinds[name] = array.ravel() != 0
        if "m" in self.variables or not kinds:
            m = self.numbers("m")
            sign = np.diagonal(m).copy() if m.shape == (n, n) else np.zeros(n)
            if m.shape != (n, n) or (np.abs(sign) != 1).any() or np.count_nonzero(m) != n:
                self.fail(
                    f"m, of shape {m.shape}, is not the diagonal {n} x {n} matrix of +1 and -1 that holds the units'"
                    " signs"
                )
        else:
            sign = np.where(kinds["inh"] if "inh" in kinds else ~kinds["exc"], -1.0, 1.0)
            self.warnings.append("holds no variable 'm'; took the units' signs from 'inh' and 'exc'")
        for name, is_kind in kinds.items():
            if (is_kind != ((sign < 0) if name == "inh" else (sign > 0))).any():
                self.fail(f"{name} and m disagree about which units are inhibitory")
        return sign

    def _som(self, n: int, sign: Array) -> tuple[Array, int]:
        """Mask of absent connections and number of SOM units."""
        inhibitory = sign < 0
        n_som = None
        if "som_N" in self.variables:
            n_som = int(self.number("som_N"))
            if not 0 <= n_som <= n:
                self.fail(f"som_N is {n_som}, expected 0 to {n}")
        if "som_m" in self.variables:
            mask = self.numbers("som_m")
            if mask.shape != (n, n) or not np.isin(mask, (0, 1)).all():
                self.fail(f"som_m, of shape {mask.shape}, is not a {n} x {n} matrix of 0 and 1")
            if n_som is None:
                n_som = int((inhibitory & ~mask[:, inhibitory].any(axis=1)).sum()) if inhibitory.any() else 0
                self.warnings.append(f"holds no variable 'som_N'; som_m shows {n_som} SOM units")
        else:
            mask = np.ones((n, n))
            n_som = n_som or 0
            som = inhibitory & (np.cumsum(inhibitory) <= n_som)
            mask[np.ix_(som, inhibitory)] = 0
            self.warnings.append(f"holds no variable 'som_m'; made it for the first {n_som} inhibitory units")
        return mask, n_som

    def _taus(self) -> tuple[list[float], float]:
        """Time constants, ms (one or two), and the step, ms."""
        dt = self.number("dt_rate_ms") if "dt_rate_ms" in self.variables else STEP
        if dt <= 0:
            self.fail(f"dt_rate_ms is {dt:g}, expected a positive step in ms")
        taus = self.numbers("taus")
        if taus.size not in (1, 2):
            self.fail(f"taus has shape {taus.shape}, expected one time constant or [min max], in steps")
        steps = taus.ravel()
        if (steps <= 0).any() or steps[0] > steps[-1]:
            self.fail(f"taus is {steps.tolist()}, expected [min max] in steps, positive and in this order")
        ms = steps * dt
        if "taus_ms" in self.variables:
            noted = self.numbers("taus_ms").ravel()
            if noted.shape == ms.shape and np.allclose(noted, ms, rtol=1e-12, atol=0):
                ms = noted  # the same but for rounding
            else:
                self.warnings.append(f"taus_ms disagrees with taus; took taus, in steps of {dt:g} ms")
        return [float(tau) for tau in ms], dt

    def _oriented(self, name: str, n: int, axis: int) -> Array:
        """A matrix with one entry per unit along an axis; the other way round where only that can be meant."""
        array = self.numbers(name)
        expected = f"({n}, n_inputs)" if axis == 0 else f"(n_outputs, {n})"
        if array.ndim == 2 and array.shape[axis] != n and array.shape[1 - axis] == n:
            self.warnings.append(f"{name} has shape {array.shape}, expected {expected}; transposed it")
            array = array.T.copy()
        if array.ndim != 2 or array.shape[axis] != n or array.size == 0:
            self.fail(f"{name} has shape {array.shape}, expected {expected}")
        return array

    def _rectified(self, w: Array, w0: Array | None, sign: Array, rectify: Rectify) -> tuple[Array, Array | None, bool]:
        negative = int((w < 0).sum())
        if "apply_dale" in self.variables:
            dale = self._flag("apply_dale")
        else:
            dale = bool((sign < 0).any()) or (negative == 0 and "NoDale" not in self.path.parts)
            if not dale and negative and rectify == "auto" and "NoDale" not in self.path.parts:
                self.warnings.append(
                    "w has negative entries and m no -1, so the network is taken to be one without Dale's principle;"
                    " rectify 'always' if it was trained under it"
                )
        if rectify == "always":
            dale = True
        if rectify == "never" and dale and negative:
            self.warnings.append(f"kept {negative} negative entries of w, so Dale's principle does not hold")
            dale = False
        if dale:
            if negative:
                self.warnings.append(
                    f"set {negative} negative entries of w to zero ({100 * negative / w.size:.2g} %): under Dale's"
                    " principle the rate network never used them"
                )
                if self.variables["taus"].size == 2:
                    self.warnings.append(
                        "some programs that leave w negative do not train the time constants either and note a random"
                        " draw as taus_gaus; make sure that this one did"
                    )
            w = np.maximum(w, 0)
            w0 = None if w0 is None else np.maximum(w0, 0)
        return w, w0, dale

    def _gammas(self, n: int, n_taus: int) -> tuple[Array, Array | None]:
        if "taus_gaus" in self.variables or n_taus == 2:
            gamma = self._column("taus_gaus", n)
        else:
            gamma = np.zeros(n)
            self.warnings.append("holds no variable 'taus_gaus'; with one time constant it is not needed")
        if self._flag("taus_gaus0_unknown"):
            return gamma, None
        if not self._optional("taus_gaus0", "the time constants before training are not known"):
            return gamma, None
        return gamma, self._column("taus_gaus0", n)

    def _column(self, name: str, n: int) -> Array:
        array = self.numbers(name)
        if array.size != n or n not in array.shape:
            self.fail(f"{name} has shape {array.shape}, expected a column of {n}")
        if array.shape != (n, 1):
            self.warnings.append(f"{name} has shape {array.shape}; made it a column")
        return array.ravel()

    def _activation(self) -> Activation:
        if not self._optional("activation", "took the default, 'sigmoid'"):
            return "sigmoid"
        name = self.text("activation")
        if name not in get_args(Activation):
            self.fail(f"activation is {name!r}, expected one of {', '.join(get_args(Activation))}")
        return cast(Activation, name)

    def _task(self) -> str:
        """Task by name: noted in the file, or in the file's name or the name of a folder."""
        if "task" in self.variables and self.variables["task"].dtype.kind in "US":
            return self.text("task")
        ours = {theirs: name for name, theirs in TASK_NAMES.items()}
        named = re.match(r"Task_(.+?)_N_\d", self.path.name)
        for word in [named.group(1)] if named else reversed(self.path.parts[:-1]):
            if word in ours:
                return ours[word]
        return named.group(1) if named else ""


def _plain(array: Array) -> Any:
    """One value or a list of numbers; None where it is neither."""
    if array.dtype.kind in "US":
        return str(array.flat[0]) if array.size == 1 else None
    if array.dtype.kind == "c" or array.ndim > 2 or (array.size != 1 and 1 not in array.shape) or not array.size:
        return None
    return array.item() if array.size == 1 else array.ravel().tolist()
