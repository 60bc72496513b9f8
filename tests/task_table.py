"""The table of all tasks in docs/tasks.md: `python tests/task_table.py` writes it, a test compares it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tasks.md"
HEADING = "## Every task\n"

INTRODUCTION = """
Made by `python tests/task_table.py` from the tasks at their defaults. Times are in ms: `300`, one of `300/500`,
`300-500` uniformly, `~600 in 300-3000` exponentially, `100..900` what other distributions give. An environment is
`rnnpipe.environments:rnnpipe/NAME-v0`. Rewards are those of their settings `reward_*`. The last column says what was
learned here, and how well: the fraction of seeds that met the criterion of the task, or the accuracy of each; `-` where
nothing was run.
"""

GROUPS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("Tasks of consecutive periods (NeuroGym's)", lambda task: _is(task, "ConsecutiveTask") and not _is(task, "Yang")),
    ("The twenty tasks of Yang et al. (2019)", lambda task: _is(task, "Yang")),
    ("Tasks with room for the trial (Song, Yang & Wang 2017; Kim, Li & Sejnowski 2019)",
     lambda task: _is(task, "TimeoutTask") and not _is(task, "RegressionTask")),
    ("Tasks with a target in time (trainRNNbrain)", lambda task: _is(task, "RegressionTask")),
)  # fmt: skip

SCORES = {
    "perceptual_decision_making": "periods 300, 500, 300: recurrent PPO .863 (5), policy gradient .836 (5),"
    " supervised .856 (5); all of 2000 ms: recurrent PPO .882 (2)",
    "context_decision_making": "supervised .936 (3); shown context: recurrent PPO .854, .500",
    "delay_comparison": "recurrent PPO .982 (2); supervised .988 (3)",
    "delay_match_sample": "policy gradient .998 (3), supervised 1.000 (3), recurrent PPO 1.000, .999, .731",
    "delay_match_category": "recurrent PPO .915 (2)",
    "rdm_fixed": "policy gradient: 6 of 6 (criterion .80)",
    "rdm_rt": "policy gradient: 6 of 6 (.80)",
    "mante": "policy gradient: 6 of 6 (.85)",
    "multisensory": "policy gradient: 6 of 6 (.82)",
    "romo": "policy gradient: 6 of 6 (.97); supervised .992 (3)",
    "postdecisionwager": "policy gradient: 4 of 6 (.79 and .4-.5 sure)",
    "padoaschioppa2006": "policy gradient: 6 of 6 (.95)",
    "context_integration": "supervised 1.000 (3)",
    "delay_match_sample_distractor": "supervised .922 (3)",
    "delay_paired_association": "supervised .487 (3): not learned",
    "delay_response": "supervised .855, .490, .487",
    "delayed_go_nogo": "supervised 1.000 (3)",
    "detection": "supervised .975 (3)",
    "dual_delay_match_sample": "supervised .500 (3): not learned",
    "gambling": "supervised 1.000 (3)",
    "graded_go_nogo": "supervised .976 (3)",
    "half_adder": "supervised 1.000 (3)",
    "hierarchical_reasoning": "supervised .500 (3): not learned",
    "interval_discrimination": "supervised .999, .997, .833",
    "motor_timing": "supervised 1.000 (3)",
    "multisensory_integration": "supervised .894 (3)",
    "one_two_three_go": "supervised .990 (3)",
    "post_decision_wager": "supervised .505 (3): not learned",
    "probabilistic_reasoning": "supervised .909 (3)",
    "static_xor": "supervised 1.000 (3)",
    "cartpole": "policy gradient: 6 of 6 (return 195)",
}
"""What was learned, by config/README.md and docs/supervised.md: criterion, or median fraction correct (seeds)."""


def _is(task: Any, base: str) -> bool:
    return any(c.__name__.startswith(base) for c in type(task).__mro__)


def duration(value: Any) -> str:
    """A `Duration` in few characters."""
    if isinstance(value, dict):
        ends = f"{value['min']:g}-{value['max']:g}"
        return f"~{value['mean']:g} in {ends}" if "mean" in value else ends
    return "/".join(f"{ms:g}" for ms in value) if isinstance(value, list) else f"{value:g}"


def timing(task: Any) -> str:
    """Every period and how long it lasts."""
    if _is(task, "ConsecutiveTask"):
        lasts = {p: duration(d) for p, d in task.durations().items()}
        if _is(task, "TimingTask"):  # as long as the interval to produce allows
            ms = task.durations()["production"]
            lasts["production"] = f"{min(ms):g}..{max(ms):g}"
    else:
        trials = task.sample(np.random.default_rng(0), 500)
        steps = {p: np.diff(edges)[:, 0] * task.dt for p, edges in trials.periods.items()}
        lasts = {p: "..".join(dict.fromkeys(f"{x:g}" for x in (ms.min(), ms.max()))) for p, ms in steps.items()}
    return "; ".join(f"{name} {ms}" for name, ms in lasts.items() if ms != "0") + f" (dt {task.dt:g})"


def names(these: tuple[str, ...]) -> str:
    """Names of channels, not all of many."""
    return ", ".join(these) if len(these) <= 7 else f"{len(these)}: {', '.join(these[:2])}, ..., {these[-1]}"


def rewards(task: Any) -> str:
    """What its settings say about rewards."""
    if not task.chooses:
        return "-"
    keys = [key for key in type(task).model_fields if key.startswith("reward_")]
    own = {key.removeprefix("reward_"): getattr(task, key) for key in keys}
    listed = [f"{key} {value:g}" for key, value in own.items() if value is not None]
    return ", ".join(listed + ["graded by the error"] * getattr(task, "graded", False))


def table() -> str:
    """All of the section, without its heading."""
    from rnnpipe.tasks import environment_task_names, task_class, task_names

    tasks: dict[str, Any] = {name: task_class(name)() for name in task_names() if name not in NEED_SETTINGS}
    lines = [INTRODUCTION]
    for title, belongs in GROUPS:
        lines += [f"### {title}\n", "| task | inputs | actions | timing | reward | reference | learned |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for name, task in tasks.items():
            if belongs(task):
                what = f"`{name}`" + (f", `{task.environment}`" if task.chooses else "")
                actions = names(task.action_names) if task.chooses else "-"
                cells = [what, names(task.input_names), actions, timing(task), rewards(task), task.reference]
                lines += [f"| {' | '.join([*cells, SCORES.get(name, '-')])} |"]
        lines += [""]
    lines += ["### Environments\n", "| task | what | reference | learned |", "|---|---|---|---|"]
    for name in environment_task_names():
        of = task_class(name)
        lines += [f"| `{name}` | {(of.__doc__ or '').splitlines()[0]} | {of.reference} | {SCORES.get(name, '-')} |"]
    return "\n".join(lines) + "\n"


NEED_SETTINGS: tuple[str, ...] = ("supervised", "combine", "mixture")
"""Tasks made of others, which their settings name."""

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(PAGE.read_text().partition(HEADING)[0] + HEADING + table())
