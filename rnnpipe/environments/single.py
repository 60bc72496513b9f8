"""One trial at a time as a gymnasium environment."""

from __future__ import annotations

import importlib
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from rnnpipe.environments._trials import NO_PERIOD, Stream, make_face, period_index
from rnnpipe.trials import FIXATE, Trials

Info = dict[str, Any]


class TrialEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """A trial-structured task, one environment.

    `reset` returns the observation of step 0; `step(a)` scores action a at step t and returns the observation of
    step t + 1. Modes:

    * "trial": an episode is a trial and its last observation is zeros;
    * "session": an episode is `session_trials` trials, one after the other without a gap, and is then truncated; the
      trial that its last observation belongs to is the first of the next one;
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
        example = self.face.example
        self._n_steps, self._n_actions = example.n_steps, example.n_actions
        self._discounts = bool((example.discount != 1).any())
        self._stream = Stream(self.task, self.face.n_ahead)
        self._trials: Trials | None = None
        self._i = self._t = self._n_done = 0
        self._earned = 0.0
        self._running = self._fresh = False

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[NDArray[np.float32], Info]:
        """Begin an episode with the next trial; a seed determines everything that follows."""
        super().reset(seed=seed)
        if seed is not None:
            self._stream, self._trials, self._fresh = Stream(self.task, self.face.n_ahead), None, False
        if not self._fresh:
            self._next_trial()
        self._n_done = 0
        self._running, self._fresh = True, False
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
        if not 0 <= a < self._n_actions:
            raise ValueError(f"action {action!r} is not one of 0 .. {self._n_actions - 1}.")
        t = self._t
        phase = self._phase[t]
        reward = self._rewards[phase][a]
        if self._discounts:
            assert self._trials is not None
            reward = float(self._trials.discount[t] * np.float32(reward))
        self._earned += reward
        self._fresh = False
        stops = self._stops[phase][a]
        if not stops and t + 1 < self._n_steps:
            self._t = t + 1
            return self._observation(), reward, False, False, self._info(False)

        outcome = self._outcome(a)
        if self.face.mode == "trial":
            self._running = False
            info = {"new_trial": True, "ground_truth": FIXATE, "period": NO_PERIOD, **outcome}
            zeros = np.zeros(len(self.input_names), np.float32)
            return zeros, reward, stops, not stops, info
        self._n_done += 1
        self._next_trial()
        self._fresh = True
        truncated = self.face.mode == "session" and self._n_done == self.face.session_trials
        self._running = not truncated
        return self._observation(), reward, False, truncated, self._info(True) | outcome

    def _outcome(self, action: int) -> Info:
        """How a trial ended, by its last action."""
        trials, i = self._trials, self._i
        assert trials is not None
        chose = bool(trials.choices[self._phase[self._t], i, action])
        judged = int(trials.correct[i, action]) if chose else -1
        if self.task.reacts:
            self._stream.note(judged, self._earned)
        outcome: Info = {
            "performance": float(judged == 1),
            "trial": {name: values[i].item() for name, values in trials.conditions.items()},
        }
        if chose and action != FIXATE:
            outcome["reaction_time"] = float(self._t * self.task.dt - self._onset[i])
        return outcome

    def render(self) -> Any:
        """Nothing, unless the environment was made with a `render_mode`; see `rnnpipe.environments.render`."""
        return None

    def _next_trial(self) -> None:
        self._i, self._t, self._earned = self._i + 1, 0, 0.0
        if self._trials is None or self._i == self._trials.n_trials:
            self._trials, self._i = self._stream.draw(self.np_random), 0
            self._answers, self._periods = self._trials.ground_truth, period_index(self._trials)
            self._onset = self._trials.periods[self.task.stimulus_onset][:, 0] * self.task.dt
        # lists are what one step at a time is fastest with
        trials, i = self._trials, self._i
        self._inputs = trials.inputs[:, i]
        self._phase = trials.phase[:, i].tolist()
        self._rewards, self._stops = trials.rewards[:, i].tolist(), trials.stops[:, i].tolist()
        self._answer, self._period = self._answers[:, i].tolist(), self._periods[:, i].tolist()

    def _observation(self) -> NDArray[np.float32]:
        return self._inputs[self._t].copy()

    def _info(self, new_trial: bool) -> Info:
        return {"new_trial": new_trial, "ground_truth": self._answer[self._t], "period": self._period[self._t]}
