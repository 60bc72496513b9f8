"""The two-step task: what is shown second depends on what was chosen first."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray
from pydantic import model_validator

from rnnpipe.environments._trials import MODES, NO_PERIOD, Mode
from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, parse, setting, suggest
from rnnpipe.trials import FIXATE

Info = dict[str, Any]
FIRST_STAGE, SECOND_STAGE = 0, 1
N_STATES = N_ARMS = 2


class TwoStepSettings(Settings):
    """Settings of the two-step task: its keywords."""

    dt: float = setting(100.0, "time step; a stage is one step", "ms", gt=0)
    second_choice: bool = setting(
        True, "choose in the second state, too; else each state pays with one probability, as in NeuroGym's DawTwoStep"
    )
    p_common: float = setting(0.7, "probability of the transition that is common", gt=0.5, le=1)
    walk_sd: float = setting(
        0.025, "with a second choice: SD of the change of each probability of reward per trial", ge=0
    )
    p_min: float = setting(0.25, "with a second choice: lower bound of the probabilities of reward", ge=0, le=1)
    p_max: float = setting(0.75, "with a second choice: upper bound", ge=0, le=1)
    p_good: float = setting(0.9, "without: probability with which the better state pays", ge=0, le=1)
    p_bad: float = setting(0.1, "without: probability with which the other state pays", ge=0, le=1)
    p_swap: float = setting(0.025, "without: probability per trial that the states swap", ge=0, le=1)
    reward_win: float = setting(1.0, "reward where it is paid")
    reward_loss: float = setting(0.0, "reward where it is not")
    reward_abort: float = setting(-0.1, "reward of waiting where a choice is due, and of acting where none is")
    pass_reward: bool = setting(False, "observations end with the reward of the step before")
    pass_action: bool = setting(False, "observations end with the action of the step before, one-hot")

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> TwoStepSettings:
        for low, high in (("p_min", "p_max"), ("p_bad", "p_good"), ("reward_loss", "reward_win")):
            if getattr(self, low) >= getattr(self, high):
                raise ValueError(f"{low} = {getattr(self, low):g} must be below {high} = {getattr(self, high):g}")
        return self


class TwoStepEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """Choose one of two actions, come to one of two states, choose again there, and perhaps be paid.

    A trial is two steps. First stage: action 1 leads to state 1 and action 2 to state 2 with probability `p_common`,
    else to the other state. Second stage: the state is shown, and each of its two arms pays with a probability of its
    own. The four probabilities are uniform between `p_min` and `p_max` when a session begins; before each further trial
    Gaussian noise of SD `walk_sd` is added to each, reflected at the bounds. To wait costs `reward_abort` and ends the
    trial at either stage.

    Without `second_choice` the state itself pays, with `p_good` or `p_bad`, if one waits for it; to act there costs
    `reward_abort` and ends the trial. Before each trial the two states swap with probability `p_swap`.

    Inputs are one-hot: first stage, state 1, state 2; then the reward and the action of the step before, if they are
    passed. Modes, ends and info are those of `TrialEnv`: `ground_truth` is the choice of who knows all probabilities,
    and `performance` of a trial is 1 if every choice was that. `trial` has the state, whether the transition was common
    (None where there was none), and the probabilities, `p` of each state (and arm).

    Reference: Daw, Gershman, Seymour, Dayan & Dolan (2011) Neuron 69:1204; without a second choice, Wang,
    Kurth-Nelson, Kumaran et al. (2018) Nat Neurosci 21:860 and NeuroGym, whose reward comes before the state is seen.
    """

    metadata: dict[str, Any] = {"render_modes": []}
    action_names = ("fixate", "choice_1", "choice_2")
    period_names = ("first_stage", "second_stage")

    def __init__(
        self, mode: Mode = "session", session_trials: int = 100, render_mode: str | None = None, **settings: Any
    ) -> None:
        """Make the environment.

        Args:
            mode: "trial", "session" or "endless".
            session_trials: Trials of an episode in mode "session".
            render_mode: None; there is nothing to render.
            **settings: Fields of `TwoStepSettings`.

        Raises:
            SettingsError: Unknown mode or setting, or an impossible value.
        """
        self.settings = parse(TwoStepSettings, settings, "environment TwoStep")
        if mode not in MODES:
            raise SettingsError(f"environment TwoStep: unknown mode {mode!r} ({suggest(str(mode), MODES)}).")
        if session_trials < 1:
            raise SettingsError(f"environment TwoStep: session_trials = {session_trials}: must be at least 1.")
        self.mode, self.session_trials, self.render_mode = mode, session_trials, render_mode
        self.dt = self.settings.dt
        names = ["first_stage", "state_1", "state_2"]
        names += ["reward"] * self.settings.pass_reward
        names += [f"did_{name}" for name in self.action_names] * self.settings.pass_action
        self.input_names = tuple(names)
        self.observation_space = spaces.Box(-np.inf, np.inf, (len(names),), np.float32)
        self.action_space = spaces.Discrete(len(self.action_names))
        self._p: NDArray[np.float64] | None = None
        self._state = 0
        self._common: bool | None = None
        self._right = True
        self._n_done, self._running = 0, False

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[NDArray[np.float32], Info]:
        """Begin an episode; in mode "session" also a session. A seed determines everything that follows."""
        super().reset(seed=seed)
        if seed is not None or self.mode != "trial":
            self._p = None
        self._n_done, self._running = 0, True
        self._begin()
        return self._observation(None, 0.0), self._info(False)

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
        self._right &= a == self._ground_truth()
        settings, p = self.settings, self._p
        assert p is not None
        if self._state == 0 and a != FIXATE:
            self._common = bool(self.np_random.random() < settings.p_common)
            self._state = a if self._common else 3 - a
            return self._observation(a, 0.0), 0.0, False, False, self._info(False)

        acts = a != FIXATE
        if self._state == 0 or acts != settings.second_choice:
            reward, self._right = settings.reward_abort, False
        else:
            pays = p[self._state - 1, a - 1] if settings.second_choice else p[self._state - 1, 0]
            reward = settings.reward_win if self.np_random.random() < pays else settings.reward_loss
        outcome: Info = {
            "performance": float(self._right),
            "trial": {"state": self._state, "common": self._common, "p": p.round(12).tolist()},
        }
        if self.mode == "trial":
            self._running = False
            info = {"new_trial": True, "ground_truth": FIXATE, "period": NO_PERIOD, **outcome}
            return np.zeros(len(self.input_names), np.float32), reward, True, False, info
        self._n_done += 1
        truncated = self.mode == "session" and self._n_done == self.session_trials
        self._running = not truncated
        self._begin()
        return self._observation(a, reward), reward, False, truncated, self._info(True) | outcome

    def _begin(self) -> None:
        """Begin a trial: probabilities of reward, (state, arm), drawn for a session or changed since the last trial."""
        settings, rng = self.settings, self.np_random
        if settings.second_choice:
            low, high = settings.p_min, settings.p_max
            if self._p is None:
                self._p = rng.uniform(low, high, (N_STATES, N_ARMS))
            else:
                moved = self._p + settings.walk_sd * rng.standard_normal(self._p.shape) - low
                moved = np.mod(moved, 2 * (high - low))  # reflected at both bounds, however large the step
                self._p = low + np.minimum(moved, 2 * (high - low) - moved)
        elif self._p is None:
            good = rng.integers(N_STATES)
            self._p = np.where(np.arange(N_STATES) == good, settings.p_good, settings.p_bad)[:, None]
        elif rng.random() < settings.p_swap:
            self._p = self._p[::-1]
        self._state, self._common, self._right = 0, None, True

    def _ground_truth(self) -> int:
        """What to do who knows the probabilities: the first of two that are equally good."""
        assert self._p is not None
        if self._state == 0:
            return int(self._p.max(1).argmax()) + 1
        return int(self._p[self._state - 1].argmax()) + 1 if self.settings.second_choice else FIXATE

    def _observation(self, action: int | None, reward: float) -> NDArray[np.float32]:
        shown = np.zeros(len(self.input_names), np.float32)
        shown[self._state] = 1
        if self.settings.pass_reward:
            shown[1 + N_STATES] = reward
        if self.settings.pass_action and action is not None:
            shown[len(shown) - len(self.action_names) + action] = 1
        return shown

    def _info(self, new_trial: bool) -> Info:
        stage = FIRST_STAGE if self._state == 0 else SECOND_STAGE
        return {"new_trial": new_trial, "ground_truth": self._ground_truth(), "period": stage}
