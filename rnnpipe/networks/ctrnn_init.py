r"""Initial continuous-time networks.

With N units and R excitatory units for each inhibitory one:

==================  =======================================================================
recurrent, Dale     abs(normal) of mean 1 / sqrt(N) (from excitatory units) or R / sqrt(N), SD 1 / N
recurrent, free     normal of mean 0, SD 1 / sqrt(N)
input and output    normal of mean 1 / sqrt(N), SD 1 / N ("positive"), or mean 0, SD 1 / sqrt(N) ("gaussian")
==================  =======================================================================

then absent connections are removed and the recurrent weights scaled to a spectral radius. Without a diagonal, Dale's
matrix has a leading pair near +- i sqrt(R) before it is scaled: the rows of the full matrix sum to zero. Each matrix
is drawn from a random stream of its own, and excitatory and inhibitory weights are, too. Units can be silenced on
purpose, see `ctrnn_silence`.

Reference: engellab/trainRNNbrain (github.com/engellab/trainRNNbrain), states of 2023 and 2026.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackError, eigs
from scipy.spatial.distance import pdist, squareform

from rnnpipe.errors import SettingsError
from rnnpipe.networks.ctrnn import Ctrnn
from rnnpipe.networks.ctrnn_constraints import Constraints
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.networks.ctrnn_silence import boost_inhibition, connect_master, held_master, set_master

Array = NDArray[np.float64]

DENSE_UP_TO = 2000
"""Units up to which all eigenvalues are computed to find the largest."""

UNITS_PER_VOLUME = 100
INPUT_DEPTH, OUTPUT_DEPTH = 0.25, 0.75
"""In a slab of depth 1, units above the first receive inputs, and outputs read those below the second."""


def initial_ctrnn(
    settings: CtrnnSettings, n_inputs: int, n_outputs: int, dt: float, seed: int | np.random.SeedSequence
) -> tuple[Ctrnn, Constraints]:
    """An untrained network in float32, and what its weights must obey.

    Args:
        settings: The network's settings.
        n_inputs: Number of input channels.
        n_outputs: Number of outputs.
        dt: Euler step, ms.
        seed: Decides the weights.

    Raises:
        SettingsError: There is no such network: dt exceeds tau, or the connections have no cycle to scale.
    """
    if dt > settings.tau:
        raise SettingsError(
            f"network: tau = {settings.tau:g} ms is below the step dt = {dt:g} ms of the task; raise tau or lower dt."
        )
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    names = ("connections", "excitatory", "inhibitory", "inputs", "outputs", "bias", "kinds", "silent", "master")
    rng = {name: np.random.default_rng(stream) for name, stream in zip(names, root.spawn(len(names)), strict=True)}
    n = settings.n_units
    sign = np.zeros(n, np.int8)
    if settings.dale:
        sign[:] = np.where(np.arange(n) < settings.n_excitatory, 1, -1)
    mask_rec, mask_in, mask_out = np.ones((n, n), bool), np.ones((n, n_inputs), bool), np.ones((n_outputs, n), bool)
    if settings.connectivity == "spatial":
        places = _places(settings, rng["connections"], rng["kinds"])
        mask_rec = near(places, settings.degree * math.log(n + 1) / math.log(101))
        mask_in[:] = places[:, 2:] < INPUT_DEPTH
        mask_out[:] = places[:, 2] >= OUTPUT_DEPTH
    else:
        absent = math.ceil((1 - settings.density) * n - 1e-9)
        mask_rec = rng["connections"].random((n, n)).argsort(0).argsort(0) >= absent
    if not settings.self_connections:
        np.fill_diagonal(mask_rec, False)
    if not settings.read_inhibitory:
        mask_out &= sign >= 0
    masks = {"w_rec": mask_rec, "w_in": mask_in, "w_out": mask_out}
    if settings.n_mastered:
        connect_master(masks, settings, rng["master"])
    w_rec = mask_rec * (_dale(settings, sign, rng) if settings.dale else rng["excitatory"].normal(0, n**-0.5, (n, n)))
    low, high = settings.bias_range if settings.train_bias else (settings.bias, settings.bias)
    arrays = {
        "w_rec": scaled(w_rec, settings.spectral_radius),
        "w_in": _io_weights(settings, mask_in, rng["inputs"]),
        "w_out": _io_weights(settings, mask_out, rng["outputs"]),
        "b_rec": rng["bias"].uniform(low, high, n) if settings.bias_uniform else np.full(n, settings.bias),
        "x_init": np.zeros(n),
    }
    if settings.n_silent:
        boost_inhibition(arrays["w_rec"], sign, settings, rng["silent"])
    if settings.n_mastered:
        set_master(arrays, masks, settings)
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    network = Ctrnn(
        **arrays,
        activation=settings.phi,
        form=settings.form,
        tau=settings.tau,
        dt=dt,
        saturation=settings.saturation,
        noise_site=settings.noise_site,
        sigma_rec=settings.sigma_rec,
        sigma_in=settings.sigma_in,
        sigma_out=settings.sigma_out,
    )
    io_sign = int(settings.nonnegative_io)
    bias_range = (low, high) if settings.train_bias else None
    held = held_master(arrays, settings) if settings.n_mastered and settings.freeze_master else {}
    return network, Constraints(
        mask_rec, mask_in, mask_out, sign, io_sign, io_sign, settings.projection, bias_range, held
    )


def _dale(settings: CtrnnSettings, sign: NDArray[np.int8], rng: dict[str, np.random.Generator]) -> Array:
    n, n_excitatory = settings.n_units, int((sign > 0).sum())
    sd = n**-0.5 if settings.connectivity == "spatial" else 1 / n
    excitatory = np.abs(rng["excitatory"].normal(n**-0.5, sd, (n, n_excitatory)))
    inhibitory = np.abs(rng["inhibitory"].normal(settings.exc_inh_ratio * n**-0.5, sd, (n, n - n_excitatory)))
    return np.concatenate([excitatory, -inhibitory], axis=1)


def _io_weights(settings: CtrnnSettings, mask: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    n = settings.n_units
    mean, sd = (n**-0.5, 1 / n) if settings.io_weights == "positive" else (0.0, n**-0.5)
    w = rng.normal(mean, sd, mask.shape) * mask
    return np.abs(w) if settings.nonnegative_io else w


def _places(settings: CtrnnSettings, rng: np.random.Generator, kinds: np.random.Generator) -> Array:
    """Uniform places in a slab of depth 1 (last axis), (n_units, 3), those of excitatory units first.

    Units that receive inputs or are read out are excitatory; the inhibitory ones are drawn among the rest.
    """
    n, side = settings.n_units, math.sqrt(settings.n_units / UNITS_PER_VOLUME)
    places = rng.random((n, 3)) * [side, side, 1.0]
    n_inhibitory = n - settings.n_excitatory if settings.dale else 0
    middle = np.flatnonzero((places[:, 2] >= INPUT_DEPTH) & (places[:, 2] < OUTPUT_DEPTH))
    if len(middle) < n_inhibitory:
        raise SettingsError(
            f"network: connectivity spatial: of {n} units {len(middle)} lie between inputs and outputs, fewer than the"
            f" {n_inhibitory} inhibitory ones; raise exc_inh_ratio or n_units."
        )
    inhibitory = np.zeros(n, bool)
    inhibitory[kinds.choice(middle, n_inhibitory, replace=False)] = True
    return places[np.argsort(inhibitory, kind="stable")]


def near(places: Array, degree: float) -> NDArray[np.bool_]:
    """Pairs closer than the distance at which units have `degree` neighbours on average, (n_units, n_units)."""
    distances = pdist(places)
    n_pairs = min(len(distances), round(degree * len(places) / 2))
    connected = np.zeros(len(distances), bool)
    connected[np.argsort(distances, kind="stable")[:n_pairs]] = True
    return squareform(connected).astype(bool)


def scaled(w: Array, radius: float | None) -> Array:
    """A matrix scaled to a spectral radius; None leaves it as it is.

    Raises:
        SettingsError: Its eigenvalues are all zero.
    """
    if radius is None:
        return w
    # rounding makes eigenvalues of a matrix that has none, so that they do not tell
    n_components, _ = connected_components(w != 0, connection="strong")
    if n_components == len(w) and not w.diagonal().any():
        raise SettingsError(
            f"network: the initial recurrent weights have no cycle and cannot be scaled to spectral_radius ="
            f" {radius:g}; raise density (or degree) or set spectral_radius: null."
        )
    return w * (radius / spectral_radius(w))


def spectral_radius(w: NDArray[np.floating], dense_up_to: int = DENSE_UP_TO) -> float:
    """Largest |eigenvalue| of a matrix: by all eigenvalues, or of a larger one by Arnoldi iteration, to about 1e-6."""
    w = w.astype(np.float64)
    if len(w) > dense_up_to:
        try:
            # several, since the edge of a random spectrum is crowded and the first to converge need not be the largest
            leading = eigs(w, k=12, ncv=80, tol=1e-4, v0=np.ones(len(w)), return_eigenvectors=False)
            return float(np.abs(leading).max())
        except ArpackError:
            pass  # it did not converge: compute them all
    return float(np.abs(np.linalg.eigvals(w)).max())
