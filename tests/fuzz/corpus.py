"""Small whole files of every kind that the package reads, and the commands that read them."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnpipe.cli.main import main
from rnnpipe.io.network import write_tensors

UNITS = ["--network.n_units=6", "--value_network.n_units=6"]
ONCE = ["--learning.max_updates=1", "--learning.validation_trials=4", "--learning.on_failure=keep"]
RATE = [
    *("--network.n_units=10", "--learning.rule=bptt", "--learning.max_trials=10"),
    *("--learning.evaluation_interval=5", "--learning.evaluation_trials=4"),
]
BITS = ["--task.name=flip_flop", "--task.n_bits=1", "--task.tmax=40", "--task.repeats=4"]
REGRESSION = ["--network.n_units=8", "--learning.rule=regression", "--learning.max_iterations=2"]
SEARCH = ["--search.n_starts=16", "--search.max_starts=16", "--search.n_trials=4"]
FEW = ["--fixed_points.n_starts=4"]
FACTORS = ["--search.factors=10", "--search.n_trials=2", "--search.n_heldout=2", "--search.only_trained=false"]

Command = Callable[[Path, Path, Path], list[str]]
"""From the folder of whole files, the broken file and the folder for results to a command line."""


@dataclass(frozen=True)
class Target:
    """A file and a command that reads it."""

    reader: str
    file: str
    """Whole file, below the folder of the corpus."""
    command: Command
    weight: float = 6.0
    """How often it is run, relative to others: commands that take long come less often."""


def make_corpus(folder: Path) -> None:
    """Write all files.

    Raises:
        RuntimeError: A stage failed; its message is on standard error.
    """

    def run(*words: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            if main(list(words)) != 0:
                raise RuntimeError(f"cannot make the corpus: {' '.join(words)}")

    def stages(name: str, task: list[str], learn: list[str]) -> None:
        at = folder / name
        few = "--dataset.trials_per_condition=1"
        run("train", *task, *learn, "--seed=1", f"--network={at}/n.pth", f"--history={at}/history.h5", "--device=cpu")
        run("dataset", *task, few, f"--out={at}/trials.h5")
        evaluated = [f"--network={at}/n.pth", f"--dataset={at}/trials.h5", "--record_activity"]
        run("evaluate", *evaluated, f"--out={at}/evaluation.h5")

    stages("gated", ["--task.name=rdm_fixed"], [*UNITS, *ONCE])
    stages("rate", ["--task.name=go_nogo"], RATE)
    stages("ctrnn", BITS, REGRESSION)
    stages("cartpole", ["--task.name=cartpole"], [*UNITS, *ONCE])
    gated, rate, ctrnn = (folder / name for name in ("gated", "rate", "ctrnn"))
    run("fixed_points", f"--network={gated}/n.pth", f"--dataset={gated}/trials.h5", *FEW, f"--out={gated}/points.h5")
    run("fixed_points", f"--network={ctrnn}/n.pth", *SEARCH, f"--out={ctrnn}/points.h5")
    run("spiking", f"--network={rate}/n.pth", *FACTORS, f"--out={rate}/spiking.h5")
    drawn = ["--figure=fig_learning", f"--inputs=history={gated}/history.h5"]
    run("figures", *drawn, f"--out={gated}/f.pdf")
    run("export", f"--network={rate}/n.pth", f"--out={rate}/n.mat")
    write_tensors(
        folder / "n.checkpoint",
        {
            "kind": "checkpoint",
            "schema_version": 1,
            "key": "k",
            "state": {"update": 3, "time": 1.5, "name": "a"},
        },
    )
    rng = np.random.default_rng(0)
    parameters = {
        "W_out": rng.normal(0, 0.3, (1, 9)),
        "W_inp": rng.normal(0, 0.3, (9, 1)),
        "W_rec": rng.normal(0, 0.2, (9, 9)),
        "y_init": np.zeros(9),
        "N": 9,
        "dt": 1,
        "tau": 10,
    }
    (folder / "p.pkl").write_bytes(pickle.dumps(parameters))
    np.savez(folder / "p.npz", **parameters)


def read(path: Path, kind: str) -> None:
    """Read a file of a kind with every function that takes it, and all that is in it."""
    from rnnpipe.io import ctrnn, evaluation, fixed_points, history, network, rate_network, spiking, trials

    if kind == "trials":
        with trials.open_trials(path) as opened:
            opened.conditions()
            list(opened.batches(256))
    elif kind in ("evaluation", "played"):
        attributes = evaluation.read_table(path).attrs
        if kind == "evaluation":
            evaluation.task_of(attributes, path)
        evaluation.read_activity(path)
    elif kind == "points":
        fixed_points.read_fixed_points(path)
    else:
        {
            "gated": network.read_network,
            "rate": rate_network.read_rate_network,
            "ctrnn": ctrnn.read_ctrnn,
            "cartpole": network.read_network,
            "mat": rate_network.read_rate_network,
            "history": history.read_history,
            "bptt_history": history.read_bptt_history,
            "regression_history": history.read_regression_history,
            "spiking": spiking.read_spiking,
        }[kind](path)


def targets() -> list[Target]:
    """Every reader, through the commands that use it."""
    found = [Target("info", name, lambda _, bad, __: ["info", str(bad)]) for name in FILES]
    found += [Target("trace", name, lambda _, bad, __: ["info", "--trace", str(bad)], 2.0) for name in FILES[:-1]]
    found += [Target("record", name, lambda _, bad, __: ["info", "--trace", str(bad)]) for name in RECORDS]
    for name in FILES[:-1]:
        folder, stem = name.split("/")[0], Path(name).stem
        kind = {"n": folder if name.endswith(".pth") else "mat"}.get(stem, stem)
        kind = {
            "rate/history.h5": "bptt_history",
            "ctrnn/history.h5": "regression_history",
            "cartpole/evaluation.h5": "played",
        }.get(name, kind)
        if name != "cartpole/trials.h5":  # episodes, which are read with their network
            found += 2 * [Target(kind, name, lambda _, bad, __, kind=kind: ["read", str(bad), kind])]

    def add(reader: str, file: str, *words: str, weight: float = 1.0) -> None:
        """Words in which FOLDER, BAD and OUT stand for the three paths."""

        def command(folder: Path, bad: Path, out: Path) -> list[str]:
            paths = {"FOLDER": folder, "BAD": bad, "OUT": out}
            filled = []
            for word in words:
                for name, path in paths.items():
                    word = word.replace(name, str(path))
                filled.append(word)
            return filled

        found.append(Target(reader, file, command, weight))

    for kind in ("gated", "rate", "ctrnn", "cartpole"):
        to = "--out=OUT/o.h5"
        add("network", f"{kind}/n.pth", "evaluate", "--network=BAD", f"--dataset=FOLDER/{kind}/trials.h5", to)
        add("trials", f"{kind}/trials.h5", "evaluate", f"--network=FOLDER/{kind}/n.pth", "--dataset=BAD", to)
    starts = "--dataset=FOLDER/gated/trials.h5"
    add("network", "gated/n.pth", "fixed_points", "--network=BAD", starts, *FEW, "--out=OUT/o.h5")
    start = ["train", "--task.name=rdm_fixed", *UNITS, *ONCE, "--device=cpu", "--initial=BAD"]
    add("network", "gated/n.pth", *start, "--seed=1", "--network=OUT/n.pth", "--history=OUT/h.h5")
    add(
        "trials",
        "gated/trials.h5",
        "fixed_points",
        "--network=FOLDER/gated/n.pth",
        "--dataset=BAD",
        *FEW,
        "--out=OUT/o.h5",
    )
    add("network", "ctrnn/n.pth", "fixed_points", "--network=BAD", *SEARCH, "--out=OUT/o.h5")
    add("network", "rate/n.pth", "export", "--network=BAD", "--out=OUT/n.mat")
    add("network", "rate/n.pth", "spiking", "--network=BAD", *FACTORS, "--out=OUT/o.h5")
    spiking = ["evaluate", "--network=FOLDER/rate/n.pth", "--dataset=FOLDER/rate/trials.h5", "--out=OUT/o.h5"]
    add("spiking", "rate/spiking.h5", *spiking, "--spiking=BAD")
    add(
        "spiking",
        "rate/spiking.h5",
        "spiking",
        "--network=FOLDER/rate/n.pth",
        "--factor_of=BAD",
        *FACTORS[1:],
        "--out=OUT/o.h5",
    )
    add("spiking", "rate/spiking.h5", "export", "--network=FOLDER/rate/n.pth", "--factor_of=BAD", "--out=OUT/n.py")
    add(
        "mat",
        "rate/n.mat",
        "evaluate",
        "--network=BAD",
        "--task.name=go_nogo",
        "--dataset=FOLDER/rate/trials.h5",
        "--out=OUT/o.h5",
    )
    add("mat", "rate/n.mat", "export", "--network=BAD", "--out=OUT/n.mat")
    for name in ("p.pkl", "p.npz"):
        add("parameters", name, "convert", "--parameters=BAD", "--out=OUT/n.pth", *BITS, "--network.activation=tanh")

    def figure(name: str, need: str, file: str, *more: str) -> None:
        reader = {"n": "network", "points": "points"}.get(Path(file).stem, Path(file).stem)
        add(reader, file, "figures", f"--figure={name}", f"--inputs={need}=BAD", *more, "--out=OUT/f.pdf", weight=0.1)

    figure("fig_learning", "history", "gated/history.h5")
    figure("fig_learning", "history", "cartpole/history.h5")
    figure("fig_loss", "history", "ctrnn/history.h5")
    figure("fig_networks", "networks", "rate/spiking.h5")
    figure("fig_unit", "activity", "gated/evaluation.h5")
    figure("fig_trial", "activity", "gated/evaluation.h5")
    figure("fig_psychometric", "behaviour", "gated/evaluation.h5")
    figure("fig_outputs", "activity", "rate/evaluation.h5")
    figure("fig_fixed_points", "fixed_points", "gated/points.h5")
    figure("fig_fixed_points", "fixed_points", "ctrnn/points.h5")
    figure("fig_fixed_points", "activity", "ctrnn/evaluation.h5", "--inputs=fixed_points=FOLDER/ctrnn/points.h5")
    figure("fig_weights", "network", "gated/n.pth")
    return found


FILES = (
    *(
        f"{kind}/{name}"
        for kind in ("gated", "rate", "ctrnn", "cartpole")
        for name in ("n.pth", "trials.h5", "history.h5", "evaluation.h5")
    ),
    *("gated/points.h5", "ctrnn/points.h5", "rate/spiking.h5", "rate/n.mat", "n.checkpoint"),
)
"""Files that `rnnpipe info` describes."""
RECORDS = ("gated/f.pdf", "gated/f.png")
"""Files that say what made them without being made for it."""
