"""Networks of trainRNNbrain: parameter files of 2023 and 2026, what they leave open, and files that are of no use."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnpipe.cli.main import main
from rnnpipe.io.ctrnn import read_ctrnn
from rnnpipe.networks.ctrnn import ARRAYS

TASK = ["--task.name=flip_flop", "--task.n_bits=2", "--task.tmax=60", "--task.repeats=8"]


def parameters(n: int = 9, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    w_rec = rng.normal(0, 0.2, (n, n))
    return {
        "W_out": rng.normal(0, 0.3, (2, n)), "W_inp": rng.normal(0, 0.3, (n, 2)), "W_rec": w_rec,
        "bias_rec": None, "y_init": np.zeros(n), "N": n, "dt": 1, "tau": 10, **more,
    }  # fmt: skip


def write(path: Path, content: dict[str, Any]) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(content, default=lambda a: a.tolist()))
    elif path.suffix == ".npz":
        np.savez(path, **{name: value for name, value in content.items() if value is not None})
    else:
        path.write_bytes(pickle.dumps(content))
    return path


def convert(path: Path, *more: str) -> int:
    return main(["convert", f"--parameters={path}", f"--out={path.parent}/n.pth", *TASK, *more])


@pytest.mark.parametrize("suffix", [".pkl", ".json", ".npz"])
def test_parameters_of_2023(tmp_path: Path, suffix: str) -> None:
    content = parameters()
    assert convert(write(tmp_path / f"p{suffix}", content), "--network.activation=tanh") == 0
    stored = read_ctrnn(tmp_path / "n.pth")
    for name, theirs in (("w_rec", "W_rec"), ("w_in", "W_inp"), ("w_out", "W_out"), ("x_init", "y_init")):
        assert (getattr(stored.network, name) == content[theirs].astype(np.float32)).all()
    assert stored.network.tau == 10 and stored.network.alpha == 0.1 and not stored.network.b_rec.any()
    assert stored.score["mse"] > 0 and stored.score["noisy_mse"] > 0
    x = np.zeros((1, 9))
    u = np.array([[1.0, -0.5]])
    for _ in range(5):  # the equation of the reference, step by step
        x = x + 0.1 * (-x + np.tanh(x @ content["W_rec"].T + u @ content["W_inp"].T))
    states, outputs = stored.network.astype(float).simulate(np.repeat(u[None], 6, axis=0))
    np.testing.assert_allclose(states[5], x, atol=1e-6)
    np.testing.assert_allclose(outputs[5], x @ content["W_out"].T, atol=1e-6)


def test_parameters_of_2026_say_more(tmp_path: Path) -> None:
    content = parameters(
        dt=0.5, tau=10.0, equation_type="h", gamma=0.1, bias=np.linspace(-0.3, 1.5, 9), dale=True,
        io_nonnegativity=True, self_connections=False, activation_args={"name": "softplus", "slope": 2.0, "beta": 25},
    )  # fmt: skip
    sign = np.repeat([1, -1], [7, 2])
    content |= {name: np.abs(content[name]) for name in ("W_inp", "W_out")}
    content["W_rec"] = np.abs(content["W_rec"]) * sign * ~np.eye(9, dtype=bool)
    assert convert(write(tmp_path / "p.json", content)) == 0
    stored = read_ctrnn(tmp_path / "n.pth")
    network, phi = stored.network, stored.network.activation
    assert (network.form, network.saturation, network.tau, network.alpha) == ("current", 0.1, 20.0, 0.05)
    assert (phi.name, phi.slope, phi.sharpness) == ("softplus", 2.0, 25.0)
    assert (stored.constraints.sign_rec == sign).all() and stored.constraints.sign_in == 1
    np.testing.assert_allclose(network.b_rec, np.linspace(-0.3, 1.5, 9), rtol=1e-6)
    assert not stored.constraints.mask_rec.diagonal().any()


class _Hostile:
    def __reduce__(self) -> Any:
        return os.system, ("echo run by a file",)


@pytest.mark.parametrize(
    ("content", "more", "words"),
    [
        ({**parameters(), "x": _Hostile()}, [], "it asks for posix.system"),
        ({"W_rec": np.eye(3)}, [], "has no 'W_inp'"),
        ([1, 2], [], "holds list"),
        (parameters(W_inp=np.zeros((4, 2))), [], "w_in has shape (4, 2)"),
        (parameters(W_rec="text"), [], "no arrays of numbers"),
        (parameters(W_rec=np.full((9, 9), np.nan)), [], "NaN or infinite"),
        (parameters(), ["--network.dale=true"], "w_rec has weights of the wrong sign"),
        (parameters(), ["--network.n_units=8"], "says n_units = 9, but --network.n_units is 8"),
        (parameters(), ["--task.n_bits=3"], "2 inputs and 2 outputs, but task flip_flop has 3 and 3"),
        (parameters(activation_args={"name": "swish"}), [], "activation = 'swish'"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: Any, more: list[str], words: str
) -> None:
    assert convert(write(tmp_path / "p.pkl", content), *more) != 0
    shown = capfd.readouterr()
    assert words in shown.err and "Traceback" not in shown.err and "run by a file" not in shown.out + shown.err
    assert not (tmp_path / "n.pth").exists()


def test_damaged_and_missing_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = write(tmp_path / "p.pkl", parameters())
    whole.write_bytes(whole.read_bytes()[:200])
    for path, words in (
        (whole, "cannot be read as parameters"),
        (tmp_path / "q.pkl", "no such file"),
        (tmp_path / "p.txt", "parameters are read from .pkl"),
    ):
        assert convert(path) == 3
        assert words in capsys.readouterr().err


def test_arrays_are_all_of_a_network() -> None:
    from rnnpipe.io.exchange.trainrnnbrain import NAMES

    assert tuple(NAMES) == ARRAYS
