"""One trial at a time as a gymnasium environment."""

from __future__ import annotations

import importlib
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from rnnpipe.environments._trials import N_AHEAD, NO_PERIOD, Block, make_face
from rnnpipe.trials import FIXATE

Info = dict[str, Any]


class TrialEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """A trial-structured task, one environment.

    `reset` returns the observation of step 0; `step(a)` scores action a at step t and returns the observation of
    step t + 1. Modes:

    * "trial": an episode is a trial and its last observation is zeros;
    * "session": an episode is `session_trials` trials, one after the other without a gap, and is then truncated;
    * "endless": trials follow each other for ever.

    Where a trial ends within an episode, the observation is that of step 0 of the next trial.

    Info, with every observation: `new_trial`, whether the action just scored ended a trial; `ground_truth`, the
    action to take on this observation; `period`, index into `period_names` of its step, -1 outside all periods.
    At the end of a trial also `performance` (1.0 for the correct choice, else 0.0), `trial` (the conditions of the
    trial that just ended) and, if there was a choice other than to wait, `reaction_time` (ms from stimulus onset).

    Reference for the interface: gymnasium.farama.org.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __new__(cls, *args: Any, render_mode: str | None = None, **kwargs: Any) -> TrialEnv:
        """One that renders is of a class of its own, so that the others pay nothing for it."""
        if render_mode is not None and cls is TrialEnv:
            cls = importlib.import_module("rnnpipe.environments.render").ShownTrialEnv
        return super().__new__(cls)

    def __init__(
        self,
        task: str,
        mode: str = "trial",
        session_trials: int = 100,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        """Make the environment of a task.

        Args:
            task: Name of the task.
            mode: "trial", "session" or "endless".
            session_trials: Trials of an episode in mode "session".
            render_mode: "rgb_array" for pictures of the running trial by `render`; None for none.
            **settings: Settings of the task, e.g. dt=20.0 (ms).

        Raises:
            SettingsError: Unknown task, mode or setting, or an impossible value.
        """
        self.face = make_face(task, mode, session_trials, settings)
        self.task = self.face.task
        self.render_mode = render_mode
        self.observation_space = self.face.observation_space  # type: ignore[assignment]  # a Box of float32
        self.action_space = self.face.action_space
        self.input_names, self.action_names = self.task.input_names, self.task.action_names
        self.period_names = self.face.period_names
        self._block: Block | None = None
        self._trial = self._t = self._n_done = 0
        self._running = False

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[NDArray[np.float32], Info]:
        """Begin an episode with a new trial; a seed determines everything that follows."""
        super().reset(seed=seed)
        if seed is not None:
            self._block = None
        self._next_trial()
        self._n_done = 0
        self._running = True
        return self._observation(), self._info(False)

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, Info]:
        """Score an action and advance by one step of `dt`.

        Raises:
            ResetNeeded: The episode is over or has not begun.
            ValueError: There is no such action.
        """
        if not self._running:
            raise ResetNeeded("the episode is over or has not begun; call reset().")
        a = int(action)
        if not 0 <= a < len(self.action_names):
            raise ValueError(f"action {action!r} is not one of 0 .. {len(self.action_names) - 1}.")
        block, i, t = self._block, self._trial, self._t
        assert block is not None
        phase = block.phase[i, t]
        reward = float(block.discount[t] * block.rewards[i, phase, a])
        stops = bool(block.stops[i, phase, a])
        last = t + 1 == len(block.discount)
        if not stops and not last:
            self._t = t + 1
            return self._observation(), reward, False, False, self._info(False)

        chose = bool(block.choices[i, phase, a])
        outcome: Info = {
            "performance": float(chose and block.correct[i, a] == 1),
            "trial": {name: values[i].item() for name, values in block.conditions.items()},
        }
        if chose and a != FIXATE:
            outcome["reaction_time"] = float(t * self.task.dt - block.onset[i])
        if self.face.mode == "trial":
            self._running = False
            info = {"new_trial": True, "ground_truth": FIXATE, "period": NO_PERIOD, **outcome}
            zeros = np.zeros(len(self.input_names), np.float32)
            return zeros, reward, stops, not stops, info
        self._n_done += 1
        self._next_trial()
        truncated = self.face.mode == "session" and self._n_done == self.face.session_trials
        self._running = not truncated
        return self._observation(), reward, False, truncated, self._info(True) | outcome

    def render(self) -> Any:
        """Nothing, unless the environment was made with a `render_mode`; see `rnnpipe.environments.render`."""
        return None

    def _next_trial(self) -> None:
        self._trial, self._t = self._trial + 1, 0
        if self._block is None or self._trial == N_AHEAD:
            self._block, self._trial = Block.draw(self.task, self.np_random), 0

    def _observation(self) -> NDArray[np.float32]:
        assert self._block is not None
        return self._block.inputs[self._trial, self._t].copy()

    def _info(self, new_trial: bool) -> Info:
        assert self._block is not None
        return {
            "new_trial": new_trial,
            "ground_truth": int(self._block.ground_truth[self._trial, self._t]),
            "period": int(self._block.period[self._trial, self._t]),
        }
