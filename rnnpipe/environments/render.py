"""Environments that show the running trial as a picture, where `render_mode="rgb_array"`.

    env = gymnasium.make("rnnpipe/PerceptualDecisionMaking-v0", render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()  # (531, 708, 3), uint8

A picture shows what was seen so far, the actions taken with the right ones dashed, the rewards, and which period it
was when. After the step that ends a trial it shows this trial as a whole, also where the next one has begun.

These are the classes that environments are made of when they are asked to render, so that others pay nothing for it.
The canvas is drawn once; a frame draws only what moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from rnnpipe.analysis.history import in_words
from rnnpipe.environments._vector_api import AutoresetMode
from rnnpipe.environments.neurogym import NeurogymEnv
from rnnpipe.environments.single import TrialEnv
from rnnpipe.environments.vector import TrialVectorEnv
from rnnpipe.errors import SettingsError
from rnnpipe.figures.consecutive import REWARD, RIGHT, TAKEN, TRACES, name_axis, readable, tint
from rnnpipe.figures.style import GREY, INK, MM, as_styled, place
from rnnpipe.tasks._base import Task

Info = dict[str, Any]
Frame = NDArray[np.uint8]

MODE = "rgb_array"
SIZE, DPI = (120.0, 90.0), 150
"""Of a picture, mm, and dots per inch."""
AHEAD = 1.5
"""Where a trial turns out longer than expected, the time axis is this much longer than what there is."""


def check_mode(render_mode: str | None) -> None:
    """Refuse what cannot be rendered.

    Raises:
        SettingsError: It is neither None nor "rgb_array".
    """
    if render_mode not in (None, MODE):
        raise SettingsError(f"render_mode = {render_mode!r}: must be {MODE!r} or None.")


@dataclass
class Running:
    """A trial as far as it has come."""

    seen: list[NDArray[Any]] = field(default_factory=list)
    truths: list[Any] = field(default_factory=list)
    periods: list[int] = field(default_factory=list)
    actions: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    outcome: Info | None = None
    """Info of its end, once it has ended."""
    following: tuple[NDArray[Any], Info] | None = None
    """With what the next trial begins, where it has begun."""

    def begin(self, observation: NDArray[Any], info: Info) -> None:
        """Forget all and begin with an observation."""
        self.__init__()  # type: ignore[misc]
        self._see(observation, info)

    def step(self, action: Any, observation: NDArray[Any], reward: float, info: Info) -> None:
        """Go on by a step of the environment."""
        if self.following is not None:
            self.begin(*self.following)
        self.actions.append(action)
        self.rewards.append(float(reward))
        if info["new_trial"]:
            self.outcome, self.following = info, (observation, info)
        else:
            self._see(observation, info)

    def _see(self, observation: NDArray[Any], info: Info) -> None:
        self.seen.append(observation)
        if "ground_truth" in info:
            self.truths.append(info["ground_truth"])
        self.periods.append(info["period"])


class Canvas:
    """Draws running trials of an environment."""

    def __init__(self, environment: Any) -> None:
        task = getattr(environment, "task", None)
        self.dt = float(environment.dt if task is None else task.dt)
        self.input_names, self.action_names = environment.input_names, environment.action_names
        self.period_names = environment.period_names
        self.factors = task.factors if isinstance(task, Task) else None
        space = getattr(environment, "single_action_space", environment.action_space)
        self.discrete = hasattr(space, "n")
        self.n_steps = 1 if task is None else task.n_steps
        self.span, self.low, self.high = [1e-6, 1e-6], 0.0, 1.0
        """Largest observation either side of 0 ([below, above]), and extent of the rewards."""
        self._drawn: _Drawn | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_drawn": None}  # drawn again by the copy, when it needs it

    def frame(self, trial: Running) -> Frame:
        """A picture of a trial, (height, width, 3)."""
        seen = np.array(trial.seen, float)
        rewards = np.array(trial.rewards)
        if not self._fits(seen, rewards) or self._drawn is None:
            with as_styled():
                self._drawn = _Drawn(self)
        return self._drawn.frame(trial, seen, rewards)

    def _fits(self, seen: NDArray[Any], rewards: NDArray[Any]) -> bool:
        """Whether all of it is within the axes; these are widened where it is not."""
        fits = True
        if len(seen) > self.n_steps:
            self.n_steps, fits = int(AHEAD * len(seen)) + 1, False
        for side, most in enumerate((-float(seen.min()), float(seen.max()))):
            if most > self.span[side]:
                self.span[side], fits = 1.25 * most, False
        if len(rewards) and (rewards.min() < self.low or rewards.max() > self.high):
            self.low, self.high = min(self.low, float(rewards.min())), max(self.high, float(rewards.max()))
            fits = False
        return fits


class _Drawn:
    """What does not move, as pixels, and what does, as artists."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.figure = figure = Figure(figsize=(SIZE[0] * MM, SIZE[1] * MM), dpi=DPI)
        self.agg = FigureCanvasAgg(figure)
        self.end = canvas.n_steps * canvas.dt
        self.edges = np.arange(canvas.n_steps + 1) * canvas.dt
        n = len(canvas.input_names)
        self.traced = n <= TRACES
        seen, acted, earned = (place(figure, 27, *rest) for rest in ((47, 68, 34), (24, 68, 19), (9.5, 68, 11)))
        strip = place(figure, 27, 82, 68, 2)
        strip.axis("off")
        self.moving: list[tuple[Axes, Artist]] = []
        n_periods = len(canvas.period_names)
        self.tints, self.strong = (  # the last one, white, is of no period
            np.array([*(255 * np.array(tint(i, much)) for i in range(n_periods)), np.full(3, 255.0)]).astype(np.uint8)
            for much in (0.13, 0.55)
        )
        self.signed = canvas.span[0] > 0.2 * canvas.span[1]
        for axes in (seen, acted, earned, strip):
            axes.set_xlim(0, self.end)
        below, above = canvas.span
        self.scale = max(canvas.span)
        low = -below / self.scale
        self.bases = (1.25 - low) * np.arange(n)[::-1]
        if self.traced:
            seen.set(ylim=(low - 0.1, self.bases[0] + 1.15), yticks=self.bases + 0.5 * (1 + low))
            seen.set_yticklabels([readable(name) for name in canvas.input_names])
            seen.tick_params(left=False)
            for base in self.bases:
                seen.axhline(base, color=GREY, lw=0.3)
            across = seen.get_yaxis_transform()
            seen.plot([1.02, 1.02], [0, 1], color=INK, lw=1.0, transform=across, clip_on=False)
            seen.text(1.035, 0.5, f"{self.scale:.3g}", transform=across, va="center")
        else:
            seen.set_ylim(n - 0.5, -0.5)
            name_axis(seen, canvas.input_names, 34)
        if canvas.discrete:
            acted.set_ylim(len(canvas.action_names) - 0.5, -0.5)
            name_axis(acted, canvas.action_names, 19)
        else:
            acted.set_ylim(-1.2, 1.2)
        acted.set_ylabel("Action")
        margin = 0.1 * (canvas.high - canvas.low)
        earned.set(
            ylim=(canvas.low - margin, canvas.high + margin), ylabel="Reward", xlabel="Time from trial start (ms)"
        )
        for axes in (seen, acted):
            axes.set_xticklabels([])
        # what moves, in the order in which it is drawn
        self.boxes = [self._pixels(axes) for axes in (strip, *([seen] if self.traced else []), acted, earned)]
        self.picture = None if self.traced else self._pixels(seen)
        self.lines = [self._line(seen, INK, 0.8) for _ in range(n)] if self.traced else []
        n_lines = 1 if canvas.discrete else len(canvas.action_names)
        self.taken = [self._line(acted, TAKEN, 1.3) for _ in range(n_lines)]
        self.right = [self._line(acted, RIGHT, 1.3, (0, (2.0, 1.4))) for _ in range(n_lines)]
        self.earned = self._line(earned, REWARD, 1.1)
        self.now = [(axes, self._line(axes, INK, 0.6)) for axes in (seen, acted, earned)]
        self.words = figure.text(27 / SIZE[0], 1 - 1.5 / SIZE[1], "", ha="left", va="top", fontsize=6, animated=True)
        self._legends(figure, acted)
        self.agg.draw()  # type: ignore[no-untyped-call]
        self.background = self.agg.copy_from_bbox(figure.bbox)  # type: ignore[no-untyped-call]

    def _line(self, axes: Axes, color: str, lw: float, ls: Any = "-") -> Line2D:
        (line,) = axes.plot([], [], color=color, lw=lw, ls=ls, animated=True)
        self.moving.append((axes, line))
        return line

    def _pixels(self, axes: Axes) -> tuple[slice, NDArray[np.intp]]:
        """Rows of pixels within axes, and the first column of each step and the one after the last."""
        width, height = self.figure.bbox.size
        box = axes.get_position()
        rows = slice(round((1 - box.y1) * height) + 1, round((1 - box.y0) * height) - 1)
        columns = np.linspace(box.x0 * width + 1, box.x1 * width - 1, self.canvas.n_steps + 1)
        return rows, columns.round().astype(np.intp)

    def _paint(self, pixels: NDArray[np.uint8], periods: NDArray[np.intp], seen: NDArray[Any]) -> None:
        """Shade the periods, and fill in the observations where they are an image."""
        for k, (rows, columns) in enumerate(self.boxes):
            part = pixels[rows, columns[0] : columns[len(periods)], :3]
            colours = (self.strong if k == 0 else self.tints)[periods]
            np.minimum(part, np.repeat(colours, np.diff(columns[: len(periods) + 1]), axis=0), out=part)
        if self.picture is not None:
            rows, columns = self.picture
            scaled = seen / (2 * self.scale) + 0.5 if self.signed else seen / self.scale
            colours = mpl.colormaps["RdBu_r" if self.signed else "viridis"](scaled, bytes=True)[..., :3]
            channel = np.arange(rows.stop - rows.start) * seen.shape[1] // (rows.stop - rows.start)
            step = np.repeat(np.arange(len(seen)), np.diff(columns[: len(seen) + 1]))
            pixels[rows, columns[0] : columns[len(seen)], :3] = colours[step[None], channel[:, None]]

    def _legends(self, figure: Figure, acted: Axes) -> None:
        handles = [Line2D([], [], color=TAKEN, lw=1.3, label="taken")]
        handles.append(Line2D([], [], color=RIGHT, lw=1.3, ls=(0, (2.0, 1.4)), label="ground truth"))
        acted.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.05))
        names = self.canvas.period_names[:12]
        patches = [Patch(color=tint(i, 0.55), lw=0, label=readable(name)) for i, name in enumerate(names)]
        where = (97 / SIZE[0], 84 / SIZE[1])
        figure.legend(handles=patches, loc="upper left", bbox_to_anchor=where, borderaxespad=0.0)

    def frame(self, trial: Running, seen: NDArray[Any], rewards: NDArray[Any]) -> Frame:
        """The picture of a trial."""
        n, done, dt = len(seen), len(rewards), self.canvas.dt
        x = self.edges[: n + 1]
        for base, line, values in zip(self.bases, self.lines, seen.T, strict=False):
            _set(line, x, base + values / self.scale)
        actions = np.array(trial.actions, float).reshape(done, len(self.taken))
        truths = np.array(trial.truths, float).reshape(len(trial.truths), len(self.taken))
        for lines, values in ((self.taken, actions), (self.right, truths)):
            for line, one in zip(lines, values.T, strict=False):
                _set(line, self.edges[: len(one) + 1], one)
        _set(self.earned, self.edges[: done + 1], rewards)
        for axes, line in self.now:
            line.set_data([done * dt] * 2, axes.get_ylim())
        self.words.set_text(self._words(trial))
        self.agg.restore_region(self.background)  # type: ignore[no-untyped-call]
        pixels = np.asarray(self.agg.buffer_rgba())  # type: ignore[no-untyped-call]
        self._paint(pixels, np.array(trial.periods), seen)  # many times faster than images of matplotlib
        for axes, artist in self.moving:
            axes.draw_artist(artist)
        self.figure.draw_artist(self.words)
        return pixels[..., :3].copy()

    def _words(self, trial: Running) -> str:
        """What became of the trial, once it is known."""
        if trial.outcome is None:
            return ""
        conditions = in_words(trial.outcome.get("trial", {}), self.canvas.factors).split("\n")
        score = f"performance {trial.outcome['performance']:.3g}" if "performance" in trial.outcome else ""
        earned = f"reward {sum(trial.rewards):.3g}".replace("-", "\N{MINUS SIGN}")
        return ", ".join(word for word in (score, earned, *conditions[:4]) if word)


def _set(line: Line2D, edges: NDArray[Any], values: NDArray[Any]) -> None:
    """A line that keeps each value until the next step."""
    line.set_data(np.repeat(edges, 2)[1:-1], np.repeat(values, 2))


class _Shown:
    """What single environments that render have in common."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        check_mode(kwargs.get("render_mode"))
        super().__init__(*args, **kwargs)
        self._running_trial, self._canvas = Running(), Canvas(self)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[NDArray[np.float32], Info]:
        """Begin an episode with a new trial; a seed determines everything that follows."""
        observation, info = super().reset(seed=seed, options=options)  # type: ignore[misc]
        self._running_trial.begin(observation, info)
        return observation, info

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, Info]:
        """Score an action and advance by one step of `dt`."""
        result = super().step(action)  # type: ignore[misc]
        observation, reward, _, _, info = result
        self._running_trial.step(action, observation, reward, info)
        return result

    def render(self) -> Frame:
        """A picture of the running trial, or of the one that has just ended, (height, width, 3)."""
        return self._canvas.frame(self._running_trial)


class ShownTrialEnv(_Shown, TrialEnv):
    """`TrialEnv` that renders."""


class ShownNeurogymEnv(_Shown, NeurogymEnv):
    """`NeurogymEnv` that renders."""


class ShownTrialVectorEnv(TrialVectorEnv):
    """`TrialVectorEnv` that renders every row."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        check_mode(kwargs.get("render_mode"))
        super().__init__(*args, **kwargs)
        self._running_trials, self._canvas = [Running() for _ in range(self.num_envs)], Canvas(self)
        self._restarts = np.zeros(self.num_envs, bool)

    def reset(self, *, seed: Any = None, options: Info | None = None) -> tuple[NDArray[np.float32], Info]:
        """Begin new episodes; see `TrialVectorEnv.reset`."""
        observation, info = super().reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        for row in np.flatnonzero(mask).tolist():
            self._running_trials[row].begin(observation[row], _of(info, row))
        self._restarts[mask] = False
        return observation, info

    def step(self, actions: Any) -> Any:
        """Score one action per environment and advance by one step of `dt`."""
        result = super().step(actions)
        observation, reward, terminated, truncated, info = result
        final = info.get("final_info", {})
        for row, trial in enumerate(self._running_trials):
            if self._restarts[row]:  # this step has reset it
                trial.begin(observation[row], _of(info, row))
                continue
            now = _of(info, row)
            if "_final_info" in info and info["_final_info"][row]:
                now = {**now, **_of(final, row), "period": now["period"], "ground_truth": now["ground_truth"]}
            trial.step(int(actions[row]), observation[row], reward[row], now)
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._restarts = terminated | truncated
        return result

    def render(self) -> tuple[Frame, ...]:
        """A picture of every row, as of a single environment."""
        return tuple(self._canvas.frame(trial) for trial in self._running_trials)


def _of(info: Info, row: int) -> Info:
    """The info of a row."""
    return {
        name: _of(values, row) if isinstance(values, dict) else values[row]
        for name, values in info.items()
        if not name.startswith("_") and info.get(f"_{name}", np.ones(row + 1, bool))[row]
    }
