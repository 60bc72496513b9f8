r"""The search for fixed points against the two formulations that are in use, in points found, points made up, and time.

Of F(x) = tanh(W x + c) - x, from the same starts, on one thread: the search, with certificates and evidence of
completeness; its batched solver alone; SciPy's `fsolve` from one start after another; and Adam on q = |F|^2 / 2 of all
starts at once. What each reports (of the last two: residuals below a tolerance, merged by distance) is judged by
Newton's method: a true point, one of those again, or spurious. Times are of the CPU: a busy machine disturbs them less.

References: Sussillo & Barak (2013) Neural Comput 25:626; Golub & Sussillo (2018) JOSS 3:1003 (Adam);
engellab/trainRNNbrain (`fsolve`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq, fsolve
from scipy.spatial.distance import cdist

from rnnpipe.bench.measure import Measurement, seconds
from rnnpipe.config import Study
from rnnpipe.config_entries import RegressionExperiment
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.points import SAME, groups
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.result import FixedPointSet
from rnnpipe.fixed_points.search import search
from rnnpipe.fixed_points.settings import SearchSettings
from rnnpipe.fixed_points.solver import residual, solve, tolerance
from rnnpipe.fixed_points.starts import draw
from rnnpipe.fixed_points.visited import visited_states
from rnnpipe.io.ctrnn import StoredCtrnn, read_ctrnn
from rnnpipe.networks.activations import Activation
from rnnpipe.networks.ctrnn import Ctrnn
from rnnpipe.networks.engines import hold_libraries
from rnnpipe.tasks.flip_flop import FlipFlop

N_STARTS = 1024
"""Starts of every method where methods are compared: what first-order minimisation takes at once."""

GAIN = 1.5
"""Of the groups of units of the exact system."""

APART = 1e-3
"""Distance up to which reported points are usually merged."""

RESIDUAL = 1e-12
"""Largest |F|^2 of a point that `fsolve` ended at, as in trainRNNbrain."""

TOLERANCES = (1e-6, 1e-9, 1e-12)
"""Largest q of a point that Adam ended at: published analyses take values from 1e-6 to 1e-12."""

RATES = (0.3, 1e-3)
"""First and last learning rate of Adam; it decays geometrically. Of rates between 0.03 and 1 at first and 1e-6 and 0.01
at last, and of plateau schedules, the pair that solved most starts of those that found most points of a trained
network."""

ITERATIONS = 5000
"""Iterations of Adam, at most; it ends where all starts are below the smallest tolerance."""

CHECKED = 25
"""Iterations between looks at whether a tolerance is met."""

LIMIT = 20.0
"""CPU seconds after which a rival stops, whatever starts are left."""

REACH = 0.1
"""Newton's method goes no further than this from the report of a true fixed point to it."""

NEWTON = 12
"""Steps of it."""

REPEATED = 3
"""Repetitions of the complete search by threads."""


@dataclass(frozen=True)
class System:
    """A network x = tanh(W x + c) under one input, and what is known of it."""

    flow: Flow
    visited: Array | None = None
    """States visited in its task, (n, n_units)."""
    known: Array | None = None
    """All its fixed points, (n, n_units); None where they are not known exactly."""


@dataclass(frozen=True)
class Reported:
    """What a method takes for the fixed points, and what it needed."""

    x: Array
    """Rates, one of those that it takes for the same, (n, n_units)."""
    n_starts: int
    seconds: float
    """CPU time."""


@dataclass(frozen=True)
class Judged:
    """What the report of a method holds."""

    points: Array
    """The true fixed points near what was reported, each once, to round-off, (n, n_units)."""
    repeated: int
    """Reports of a point that another one is a report of."""
    spurious: int
    """Reports near no fixed point."""


def exact_system(sizes: Sequence[int], seed: int = 0) -> System:
    """Groups of units, each a switch of three states, in random order and with random signs: 3^k known fixed points.

    Units of a group of m are connected by GAIN / m, others not at all. All units of a group are at the same root of
    x = tanh(GAIN x), one of 0 and +-x*, up to their signs.

    Args:
        sizes: Number of units of each group.
        seed: Of order and signs.
    """
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    sign = rng.choice([-1.0, 1.0], len(group))
    w = np.where(group[:, None] == group, GAIN / np.asarray(sizes)[group], 0) * np.outer(sign, sign)
    root = brentq(lambda x: np.tanh(GAIN * x) - x, 0.1, 1.0, xtol=1e-15)
    levels = np.array(list(np.ndindex(*[3] * len(sizes)))) - 1
    network = Ctrnn(
        w_rec=w,
        w_in=np.ones((len(w), 1)),
        w_out=np.ones((1, len(w))) / len(w),
        b_rec=np.zeros(len(w)),
        x_init=np.zeros(len(w)),
        activation=Activation("tanh"),
        form="rate",
        tau=10.0,
        dt=1.0,
    )
    return System(Flow.of(network, [0.0]), known=root * levels[:, group] * sign)


def trained_network(study: Study, folder: Path) -> StoredCtrnn | None:
    """The first trained network of the 3-bit flip-flop, of tanh units that do not saturate otherwise.

    Args:
        study: The study.
        folder: Folder that holds its `results/`.
    """
    for name, experiment in study.experiments.items():
        task = study.tasks[experiment.task]
        if not (isinstance(experiment, RegressionExperiment) and isinstance(task, FlipFlop) and task.n_bits == 3):
            continue
        if experiment.network.activation != "tanh" or experiment.network.saturation:
            continue
        for seed in experiment.seeds:
            path = folder / study.network(name, seed)
            if path.is_file():
                return read_ctrnn(path)
    return None


def trained_system(stored: StoredCtrnn, n_trials: int) -> System:
    """A trained network without input, and the states that it visits on trials of its task."""
    trials = stored.task.sample(np.random.default_rng(0), n_trials)
    visited = visited_states(
        stored.network, trials.inputs, stored.network.sigma_rec, np.random.default_rng([0, stored.seed])
    )
    return System(Flow.of(stored.network, np.zeros(stored.network.n_inputs)), visited)


def starts_of(system: System, settings: SearchSettings) -> Array:
    """The starts that the search makes first, (n_starts, n_units); before it relaxes a tenth of them."""
    visited = None if system.visited is None else system.flow.rates(system.visited)
    return draw(system.flow, visited, settings.n_starts, settings, np.random.default_rng(settings.seed)).x


def distinct(x: Array, distance: float = APART) -> Array:
    """One point of each group of points joined by steps shorter than a distance."""
    return x[np.unique(groups(x, distance), return_index=True)[1]]


def batched(flow: Flow, starts: Array, settings: SearchSettings) -> Reported:
    """The solver of the search alone: Levenberg-Marquardt and Newton's method on all starts in batches."""
    begin = time.process_time()
    ends = solve(flow, starts, settings.max_iterations, np.random.default_rng(settings.seed))
    x = distinct(ends.x[ends.solved], SAME)
    return Reported(x, len(starts), time.process_time() - begin)


def sequential(flow: Flow, starts: Array, derivative: bool) -> Reported:
    """`fsolve` from one start after another, until `LIMIT`; what ends at a small residual is reported.

    Args:
        flow: The network, of tanh units.
        starts: Rates, (n, n_units).
        derivative: Whether it is given the Jacobian; otherwise it takes differences.
    """
    w, c = _weights(flow)
    unit = np.arange(len(w))

    def velocity(x: Array) -> Array:
        return np.tanh(w @ x + c) - x

    def jacobian(x: Array) -> Array:
        made = (1 - np.tanh(w @ x + c) ** 2)[:, None] * w
        made[unit, unit] -= 1
        return np.asarray(made)

    begin = time.process_time()
    accepted, n = [], 0
    for start in starts:
        x, info, _, _ = fsolve(velocity, start, fprime=jacobian if derivative else None, full_output=True)
        n += 1
        if (info["fvec"] ** 2).sum() <= RESIDUAL:
            accepted.append(x)
        if time.process_time() - begin > LIMIT:
            break
    x = distinct(np.reshape(accepted, (len(accepted), len(w))))
    return Reported(x, n, time.process_time() - begin)


def first_order(flow: Flow, starts: Array, iterations: int = ITERATIONS) -> dict[float, Reported]:
    """Adam on q of all starts at once, in single precision; what is below each tolerance once all are, or at the end.

    The gradient of q, J^T F, is written down, which takes less time than automatic differentiation.

    Args:
        flow: The network, of tanh units.
        starts: Rates, (n, n_units).
        iterations: Iterations, at most.
    """
    w, c = (torch.tensor(a, dtype=torch.float32) for a in _weights(flow))
    begin = time.process_time()
    x = torch.tensor(starts, dtype=torch.float32, requires_grad=True)
    adam = torch.optim.Adam([x], lr=RATES[0])
    decay = torch.optim.lr_scheduler.ExponentialLR(adam, (RATES[1] / RATES[0]) ** (1 / iterations))
    reported: dict[float, Reported] = {}
    for k in range(iterations + 1):
        with torch.no_grad():
            rates = torch.tanh(x @ w.T + c)
            f = rates - x
            x.grad = (f * (1 - rates**2)) @ w - f
            if k % CHECKED == 0 or k == iterations:
                q = 0.5 * (f**2).sum(1).numpy()
                last = k == iterations or time.process_time() - begin > LIMIT
                for tol in TOLERANCES:
                    if tol not in reported and (last or (q <= tol).all()):
                        below = x.detach().numpy()[q <= tol].astype(np.float64)
                        reported[tol] = Reported(distinct(below), len(starts), time.process_time() - begin)
                if len(reported) == len(TOLERANCES):
                    break
        adam.step()
        decay.step()
    return reported


def judge(flow: Flow, x: Array) -> Judged:
    """What reported points (n, n_units) are, by Newton's method from each."""
    y = x.copy()
    for _ in range(NEWTON):
        jacobian, f = flow.jacobian(y), flow.velocity(y)
        try:
            y = y - np.linalg.solve(jacobian, f[..., None])[..., 0]
        except np.linalg.LinAlgError:
            y = y - (np.linalg.pinv(jacobian) @ f[..., None])[..., 0]
    true: NDArray[np.bool_] = (residual(flow, y) <= tolerance(y)) & (np.linalg.norm(y - x, axis=1) <= REACH)
    points = distinct(y[true], SAME)
    return Judged(points, int(true.sum()) - len(points), int((~true).sum()))


def compare(name: str, system: System, settings: SearchSettings) -> Iterator[Measurement]:
    """All methods on a system, on one thread, from as many starts; `n` is the number of starts.

    Ratios of times and rates are to those of the search: it is faster than a method whose time ratio is above 1.

    Where the points are not known exactly, those that any method found are the known ones.
    """
    flow, starts = system.flow, starts_of(system, settings)
    begin = time.process_time()
    points = search(flow, system.visited, settings)
    methods = {"search": Reported(points.x, points.n_starts, time.process_time() - begin)}
    methods["solver"] = batched(flow, starts, settings)
    methods["fsolve_jacobian"] = sequential(flow, starts, derivative=True)
    methods["fsolve"] = sequential(flow, starts, derivative=False)
    methods |= {f"adam_{tol:.0e}": reported for tol, reported in first_order(flow, starts).items()}
    judged = {method: judge(flow, reported.x) for method, reported in methods.items()}
    known = system.known
    if known is None:
        known = distinct(np.concatenate([j.points for j in judged.values()]), SAME)
    label = f"fixed_points_{name}"
    yield Measurement(f"{label}_known", len(known), "points", 1, 1)
    yield from _certified(label, points, len(known), 1, points.n_starts)
    ours = methods["search"]
    pace, rate = ours.seconds / ours.n_starts, len(judged["search"].points) / ours.seconds
    for method, reported in methods.items():
        n, verdict, spent = reported.n_starts, judged[method], reported.seconds
        found = int((cdist(verdict.points, known).min(1, initial=np.inf) < SAME).sum())
        of, to = f"{label}_{method}", f"{label}_search"
        yield Measurement(f"{of}_found", found, "points", 1, n, found / len(known), f"{label}_known")
        yield Measurement(f"{of}_repeated", verdict.repeated, "reported points", 1, n)
        yield Measurement(f"{of}_spurious", verdict.spurious, "reported points", 1, n)
        yield Measurement(f"{of}_seconds", spent, "CPU s", 1, n)
        if method == "search":
            yield Measurement(f"{of}_start", 1e3 * pace, "CPU ms/start", 1, n)
            yield Measurement(f"{of}_rate", rate, "points/CPU s", 1, n)
        else:
            yield Measurement(f"{of}_start", 1e3 * spent / n, "CPU ms/start", 1, n, spent / n / pace, f"{to}_start")
            yield Measurement(
                f"{of}_rate", found / spent, "points/CPU s", 1, n, found / spent / rate if rate else None, f"{to}_rate"
            )


def complete_search(threads: Sequence[int], sizes: Sequence[int], settings: SearchSettings) -> Iterator[Measurement]:
    """Wall seconds of a complete and certified search of an exact system, by threads."""
    system = exact_system(sizes)
    assert system.known is not None
    label = f"fixed_points_{settings.n_starts}"
    yield Measurement(f"{label}_known", len(system.known), "points", 1, 1)
    first = None
    for count in threads:
        spent = seconds(partial(search, system.flow, None, settings, threads=count), REPEATED, warm_up=0)
        points = search(system.flow, None, settings, threads=count)
        found = judge(system.flow, points.x).points
        yield Measurement(
            f"{label}_found", len(found), "points", count, 1, len(found) / len(system.known), f"{label}_known"
        )
        yield from _certified(label, points, len(system.known), count, 1)
        if first is None:
            first = spent
            yield Measurement(f"{label}_seconds", spent, "s", count, REPEATED)
        else:
            of = f"{label}_seconds of the first thread count"
            yield Measurement(f"{label}_seconds", spent, "s", count, REPEATED, spent / first, of)


def _certified(label: str, points: FixedPointSet, known: int, threads: int, n: int) -> Iterator[Measurement]:
    certified = int(points.certificates.certified.sum())
    yield Measurement(f"{label}_certified", certified, "points", threads, n, certified / known, f"{label}_known")
    complete = float(points.completeness.complete)
    yield Measurement(f"{label}_complete", complete, "1 if nothing speaks against completeness", threads, n)


def _weights(flow: Flow) -> tuple[Array, Array]:
    """W and c of x = tanh(W x + c), the slope of the units at 0 included."""
    slope = flow.psi.steepness
    return slope * flow.w, slope * flow.c


def measure_fixed_points(threads: Sequence[int], study: Study, folder: Path) -> Iterator[Measurement]:
    """Methods compared on an exact system of 48 units and a trained network; a complete search of 50 units by threads.

    Args:
        threads: Thread counts to try with the complete search.
        study: Study whose first trained network of the 3-bit flip-flop is taken; without any, a line on stderr says so.
        folder: Folder that holds its `results/`.
    """
    hold_libraries()
    few, settings = SearchSettings(n_starts=64, max_starts=64), SearchSettings(n_starts=N_STARTS)
    small = exact_system((16, 16)).flow  # compiles the kernels, loads the libraries
    search(small, None, few)
    first_order(small, small.rates(np.eye(len(small.w))), 1)
    yield from compare("exact", exact_system((16, 16, 16)), settings)
    stored = trained_network(study, folder)
    if stored is None:
        print(
            f"fixed_points: no trained network of the 3-bit flip-flop in {folder / 'results'}; that comparison is left"
            " out. `snakemake engel2023` trains them.",
            file=sys.stderr,
            flush=True,
        )
    else:
        yield from compare("trained", trained_system(stored, settings.n_trials), settings)
    yield from complete_search(threads, (17, 17, 16), SearchSettings())
