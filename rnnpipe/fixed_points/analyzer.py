"""One object for interactive work: fixed points of a network under several inputs, looked at and drawn."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure

from rnnpipe.errors import SettingsError
from rnnpipe.figures.states import KINDS, color_of, marker
from rnnpipe.fixed_points.certify import certify
from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.result import FixedPointSet
from rnnpipe.fixed_points.search import search
from rnnpipe.fixed_points.settings import SearchSettings
from rnnpipe.fixed_points.stability import stability
from rnnpipe.networks.ctrnn import Ctrnn
from rnnpipe.networks.rate_network import RateNetwork


class DynamicSystemAnalyzer:
    """Fixed points of one network.

    Args:
        network: The network.
        settings: Of the searches.
        threads: CPU threads; results do not depend on them.

    Example:
        >>> analyzer = DynamicSystemAnalyzer(network)
        >>> points = analyzer.get_fixed_points([0.0, 0.0])
        >>> analyzer.plot_fixed_points("3D").savefig("points.pdf")
    """

    def __init__(self, network: Ctrnn | RateNetwork, settings: SearchSettings | None = None, threads: int = 1) -> None:
        self.network, self.threads = network, threads
        self.settings = SearchSettings() if settings is None else settings
        self.fixed_points: dict[tuple[float, ...], FixedPointSet] = {}
        """What was found, by input."""

    def get_fixed_points(
        self, input: Any, mode: Literal["exact", "approx"] = "exact", visited: Array | None = None
    ) -> FixedPointSet:
        """Search under one input, (n_inputs,); what is found is kept for `plot_fixed_points`.

        Args:
            input: The input.
            mode: "exact": doubles the starts until nothing speaks against completeness; "approx": the first starts
                only. Slow points are in the result's `slow` in either mode, never among the fixed points.
            visited: States that the network passes through, (n, n_units), where they are known.

        Raises:
            SettingsError: The input does not fit, or the mode does not exist.
        """
        if mode not in ("exact", "approx"):
            raise SettingsError(f"mode = {mode!r}; expected 'exact' or 'approx'.")
        flow = Flow.of(self.network, input)
        settings = self.settings
        if mode == "approx":
            settings = settings.model_copy(update={"max_starts": settings.n_starts})
        points = search(flow, visited, settings, threads=self.threads)
        self.fixed_points[tuple(flow.u.tolist())] = points
        return points

    def compute_point_analytics(self, point: Array, input: Any) -> dict[str, Any]:
        """What the network does near one point, a state of it, (n_units,).

        Returns:
            q = |f|^2 / 2 and `speed` = |f| of the state; `jacobian` df/dy; `eigenvalues`, largest real part first;
            the first right and left eigenvector, `r` of length 1 and `l` with l^T r = 1; `class` of the flow.
        """
        flow = Flow.of(self.network, input)
        y = np.asarray(point, np.float64)
        if y.shape != (flow.n_units,):
            raise SettingsError(f"point has shape {y.shape}, expected ({flow.n_units},).")
        f = flow.state_velocity(y)
        x = flow.rates(y)[None]
        near = stability(flow, x, certify(flow, x), self.settings.trial_time)
        values, vectors = np.linalg.eig(flow.stability_matrix(y))
        order = np.argsort(-values.real, kind="stable")
        left = np.linalg.pinv(vectors[:, order])[0]
        return {
            "q": 0.5 * float(f @ f),
            "speed": float(np.linalg.norm(f)),
            "jacobian": flow.state_jacobian(y),
            "eigenvalues": values[order],
            "r": vectors[:, order[0]],
            "l": left,
            "class": str(near.flow_class[0]),
        }

    def plot_fixed_points(
        self, projection: Literal["2D", "3D"] = "2D", P: Array | None = None, slow: bool = False
    ) -> Figure:
        """All points found so far, projected; marked by class, coloured by input, counted in the legend.

        Args:
            projection: "2D" or "3D".
            P: Axes, (n_units, 2 or 3), made orthonormal; by default the first principal components of the points.
            slow: Whether slow points are shown, too.
        """
        if projection not in ("2D", "3D"):
            raise SettingsError(f"projection = {projection!r}; expected '2D' or '3D'.")
        d = int(projection[0])
        if not any(s.n_points for s in self.fixed_points.values()):
            raise SettingsError("there is no fixed point to draw; call get_fixed_points first.")
        states = np.concatenate([s.state for s in self.fixed_points.values()])
        centre, axes, names = states.mean(0), P, [f"P {k + 1}" for k in range(d)]
        if axes is None:
            axes = np.linalg.svd(states - centre, full_matrices=True)[2][:d].T
            names = [f"PC {k + 1}" for k in range(d)]
        elif np.shape(axes) != (states.shape[1], d):
            raise SettingsError(f"P has shape {np.shape(axes)}, expected ({states.shape[1]}, {d}).")
        else:
            centre = np.zeros_like(centre)  # the user's axes are those of the state space, from its origin
            axes = np.linalg.qr(np.asarray(axes, np.float64))[0] * np.sign(
                np.diag(np.linalg.qr(np.asarray(axes, np.float64))[1])
            )
        figure = Figure(figsize=(5, 4.5), layout="constrained")
        ax: Any = figure.add_subplot(projection="3d" if d == 3 else None)
        for k, (u, points) in enumerate(self.fixed_points.items()):
            label = f"u = ({', '.join(f'{v:g}' for v in u)})"
            kinds = point_kinds(points)
            shown = {kind: points.state[kinds == kind] for kind in KINDS}
            if slow and len(points.slow.q):
                shown["slow"] = points.flow.state(points.slow.x)
            for kind, chosen in shown.items():
                if len(chosen):
                    look = marker(kind, color_of(kind, k))
                    name = f"{label}: {len(chosen)} {kind}"
                    ax.plot(*((chosen - centre) @ axes).T, ls="", label=name, **look)
        for axis, name in zip("xyz"[:d], names, strict=True):
            getattr(ax, f"set_{axis}label")(name)
        ax.legend(fontsize="small")
        return figure


def point_kinds(points: FixedPointSet) -> Array:
    """Kind of each point: "stable", "unstable" or "marginal" (slower than the task, or not decided)."""
    s = points.stability
    kinds = np.where(s.index > 0, "unstable", "stable")
    return np.where(s.marginal | ((s.index == 0) & ~s.stable), "marginal", kinds)
