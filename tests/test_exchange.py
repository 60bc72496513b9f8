"""Networks for other programs: the stage `export`, NIR graphs and Brian2 scripts against our own simulation."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnpipe.cli.main import main
from rnnpipe.io.exchange.brian2_script import brian2_parameters, write_brian2
from rnnpipe.io.mat import read_mat, write_mat
from rnnpipe.networks.lif_reference import simulate
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_network import RateNetwork

Array = NDArray[Any]
FACTOR = 30.0


def toy(n_inputs: int = 1, b_rec: float = 0.0) -> RateNetwork:
    """Six units, two of them inhibitory, with time constants of 41 to 79 ms."""
    n = 6
    i, j = np.arange(n)[:, None], np.arange(n)[None]
    return RateNetwork(
        w=np.where((i + 2 * j) % 3 == 0, 0, 0.9 + 0.6 * np.sin(1 + 3 * i + 5 * j)),
        sign=np.array([1.0, 1, 1, 1, -1, -1]),
        mask=np.ones((n, n)),
        w_in=np.cos(i + np.arange(n_inputs)),
        w_out=0.5 * (-1.0) ** j / (1 + j),
        b_out=np.array([0.1]),
        b_rec=np.full(n, b_rec),
        gamma=-1 + 0.4 * np.arange(n),
        tau_min=20.0,
        tau_max=100.0,
        activation="sigmoid",
        dt=5.0,
        task="go_nogo",
        seed=3,
    )


V0 = -65 + 95 * ((0.37 * np.arange(1, 7)) % 1)


def pulse(n_columns: int = 61, n_inputs: int = 1) -> Array:
    u = np.zeros((n_columns, n_inputs))
    u[11:21] = 1
    return u


def reference(network: RateNetwork, settings: LifSettings, u: Array) -> Any:
    n_steps = 100 * (len(u[:: settings.downsample]) - 1)
    return simulate(network, u, FACTOR, settings, V0, np.zeros((n_steps, network.n_units)))


# -- NIR -----------------------------------------------------------------------------------------------------


def run_nir(graph: Any, u: Array, v0: Array, dt: float) -> tuple[Array, Array]:
    """Integrate an NIR graph by NIR's own equations: spikes (n_steps, n_units) and outputs; dt in s.

    Leaky integrators advance exactly over a step; a spike is a Dirac pulse, so it adds weight / tau to one.
    """
    nodes = graph.nodes
    sources: dict[str, list[str]] = {name: [a for a, b in graph.edges if b == name] for name in nodes}
    state = {name: np.zeros(len(node.tau)) for name, node in nodes.items() if type(node).__name__ == "LI"}
    units = nodes["units"]
    v, spikes, outputs = v0.copy(), [], []
    fired = np.zeros(len(v))

    def value(name: str, column: Array) -> Array:
        """Output of a node now; what stems from spikes is a number of Dirac pulses."""
        node = nodes[name]
        kind = type(node).__name__
        if kind == "Input":
            return column
        if kind == "LIF":
            return fired
        if kind == "LI":
            return state[name]
        return node.weight @ sum(value(source, column) for source in sources[name])

    def from_spikes(name: str) -> bool:
        kind = type(nodes[name]).__name__
        return kind == "LIF" or (kind == "Linear" and all(from_spikes(s) for s in sources[name]))

    for column in u:
        drive = sum(value(source, column) for source in sources["units"])
        v = v + (1 - np.exp(-dt / units.tau)) * (units.v_leak + units.r * drive - v)
        fired = (v > units.v_threshold).astype(float)
        v = np.where(fired > 0, units.v_reset, v)
        before = {name: value(sources[name][0], column) for name in state}
        for name, x in state.items():
            tau = nodes[name].tau
            if from_spikes(sources[name][0]):
                state[name] = x * np.exp(-dt / tau) + before[name] / tau
            else:
                state[name] = x * np.exp(-dt / tau) + (1 - np.exp(-dt / tau)) * before[name]
        spikes.append(fired)
        outputs.append(value("w_out", column))
    return np.array(spikes), np.array(outputs)


@pytest.mark.parametrize("settings", [{}, {"tau_rise": 0.0}, {"tau_m": 20.0, "v_reset": -60.0}])
def test_the_graph_spikes_like_our_network_does(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Without what NIR cannot say, its own equations give our spike counts and output."""
    nir = pytest.importorskip("nir")
    lif = LifSettings(t_ref=0.0, v_noise=0.0, **settings)
    network, u = toy(b_rec=0.5), pulse()
    write_mat(tmp_path / "n.mat", network)
    flags = [f"--lif.{name}={value}" for name, value in {"t_ref": 0.0, "v_noise": 0.0, **settings}.items()]
    out = tmp_path / "n.nir"
    words = ["export", f"--network={tmp_path}/n.mat", f"--out={out}", f"--scaling_factor={FACTOR}"]
    assert main([*words, *flags]) == 0
    graph = nir.read(out)
    assert graph.metadata["scaling_factor"] == "30" and "refractory" in graph.metadata["not_in_the_graph"]
    expected = reference(network, lif, u)
    columns = u[np.floor(np.arange(1, 6001) / 100 + 0.5).astype(int)]
    spikes, outputs = run_nir(graph, columns, V0, 5e-5)
    np.testing.assert_allclose(spikes.sum(axis=0), expected.spikes.sum(axis=0), rtol=0.05, atol=2)
    window = slice(2000, None)
    np.testing.assert_allclose(outputs[window].mean(), expected.outputs[window].mean(), rtol=0.05)
    again = tmp_path / "again.nir"
    assert main([*words[:2], f"--out={again}", *words[3:], *flags]) == 0
    assert again.read_bytes() == out.read_bytes()


def test_what_nir_cannot_say_is_said_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("nir")
    write_mat(tmp_path / "n.mat", toy())
    words = ["export", f"--network={tmp_path}/n.mat", f"--out={tmp_path}/n.nir", "--scaling_factor=30"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "refractory" in said and "SD 0.1 mV" in said and "between -65 and 30 mV" in said
    (tmp_path / "n.nir").unlink()
    assert main([*words, "--lif.model=qif"]) == 2
    assert "quadratic" in capsys.readouterr().err and not (tmp_path / "n.nir").exists()


def test_a_missing_package_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "nir", None)
    write_mat(tmp_path / "n.mat", toy())
    assert main(["export", f"--network={tmp_path}/n.mat", f"--out={tmp_path}/n.nir", "--scaling_factor=30"]) == 3
    error = capsys.readouterr().err
    assert "pip install 'rnnpipe[nir]'" in error and error.count("\n") == 1


# -- Brian2 --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> Any:
    """The script as a module, where Brian2 is there (some versions of it fail on import in ways of their own)."""
    try:
        brian2 = importlib.import_module("brian2")
    except Exception as error:
        pytest.skip(f"Brian2 cannot be imported: {error}")
    brian2.prefs.codegen.target = "numpy"
    return importlib.import_module("rnnpipe.io.exchange.brian2_model")


@pytest.mark.parametrize("settings", [{}, {"tau_rise": 0.0}, {"model": "qif"}, {"downsample": 2}, {"t_ref": 0.0}])
def test_brian2_spikes_at_the_very_steps(model: Any, settings: dict[str, Any]) -> None:
    lif = LifSettings(**settings)
    network, u = toy(n_inputs=2, b_rec=0.3), pulse(n_inputs=2)
    expected = reference(network, lif, u)
    parameters = {name: np.asarray(value) for name, value in brian2_parameters(network, FACTOR, lif).items()}
    found = model.simulate(parameters, u, v_noise=0.0, v0=V0)
    step, unit = np.nonzero(expected.spikes)
    assert len(step) > 20
    np.testing.assert_array_equal(np.round(found["spike_time"] / lif.step), step + 1)
    np.testing.assert_array_equal(found["spike_unit"], unit)
    every = round(1 / lif.step)
    np.testing.assert_allclose(found["output"][1:], expected.outputs[every - 1 :: every][: len(found["output"]) - 1])


def test_brian2_draws_noise_and_starts(model: Any) -> None:
    """Noise alone spreads the voltage by 1 mV about threshold, which makes a lone unit fire at 24 Hz."""
    network = RateNetwork(**{**toy().__dict__, "w": np.zeros((6, 6))})
    parameters = {name: np.asarray(value) for name, value in brian2_parameters(network, FACTOR, LifSettings()).items()}
    rates = [model.simulate(parameters, np.zeros((201, 1)), seed=seed)["rate"] for seed in (1, 2)]
    assert not np.array_equal(*rates)
    assert np.mean(rates) == pytest.approx(24.3, rel=0.2)  # 12 s of one unit
    again = model.simulate(parameters, np.zeros((201, 1)), seed=1)["rate"]
    np.testing.assert_array_equal(again, rates[0])


def test_the_script_runs_alone(model: Any, tmp_path: Path) -> None:
    write_brian2(tmp_path / "toy.py", toy(), FACTOR, LifSettings())
    np.savetxt(tmp_path / "u.csv", pulse(5), delimiter=",")
    command = [sys.executable, "toy.py", "--inputs=u.csv", "--out=r.npz", "--v_noise=0", "--seed=2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = np.load(tmp_path / "r.npz")
    assert result["output"].shape == (20, 1) and "spikes" in done.stdout


def test_the_script_needs_nothing_of_ours_and_its_weights_are_the_mapped_ones(tmp_path: Path) -> None:
    network = toy()
    write_mat(tmp_path / "n.mat", network, {"opt_scaling_factor": 50.0})
    assert main(["export", f"--network={tmp_path}/n.mat", f"--out={tmp_path}/s.py"]) == 0
    text = (tmp_path / "s.py").read_text()
    imports = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {n.module if isinstance(n, ast.ImportFrom) else n.names[0].name for n in imports}
    assert names == {"__future__", "argparse", "pathlib", "typing", "brian2", "numpy"}
    weights = np.load(tmp_path / "s.npz")
    np.testing.assert_array_equal(weights["w"], network.w_rec / 50)
    np.testing.assert_array_equal(weights["w_out"], network.w_out / 50)
    np.testing.assert_array_equal(weights["w_in"], network.w_in)
    np.testing.assert_allclose(weights["tau"] * 1000, network.tau)
    first = (tmp_path / "s.npz").read_bytes()
    assert main(["export", f"--network={tmp_path}/n.mat", f"--out={tmp_path}/s.py"]) == 0
    assert (tmp_path / "s.npz").read_bytes() == first


# -- the stage -----------------------------------------------------------------------------------------------


def test_mat_to_mat_keeps_everything_and_notes_the_factor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = {"losses": np.arange(4.0), "u": np.ones((1, 8)), "eval_perf_mean": 0.98}
    write_mat(tmp_path / "a.mat", toy(), record, {"P_rec": 0.2, "success": True})
    assert main(["export", f"--network={tmp_path}/a.mat", f"--out={tmp_path}/b.mat", "--scaling_factor=45"]) == 0
    assert "wrote" in capsys.readouterr().out
    a, b = read_mat(tmp_path / "a.mat"), read_mat(tmp_path / "b.mat")
    assert b.record["opt_scaling_factor"] == 45 and b.extra == a.extra
    np.testing.assert_array_equal(b.record["losses"], a.record["losses"])
    np.testing.assert_array_equal(b.network.w, a.network.w)
    assert main(["info", f"{tmp_path}/b.mat"]) == 0
    said = capsys.readouterr().out
    assert "units: 6 (2 inhibitory, 0 SOM)" in said and "opt_scaling_factor" in said and "P_rec: 0.2" in said


def test_published_names_replace_no_file(tmp_path: Path) -> None:
    write_mat(tmp_path / "a.mat", toy(), None, {"P_rec": 0.2})
    for _ in range(2):
        assert main(["export", f"--network={tmp_path}/a.mat", f"--spikernn_names={tmp_path}/out"]) == 0
    files = sorted((tmp_path / "out").rglob("*.mat"))
    assert len(files) == 2
    assert files[0].parent == tmp_path / "out/models/go-nogo/P_rec_0.2_Taus_4.0_20.0"
    assert files[0].name.startswith("Task_go-nogo_N_6_Taus_4.0_20.0_Act_sigmoid_20")


TASK = ["--task.tmax=300", "--task.fixation=50", "--task.stimulus=50"]
TASK += ["--task.rate_window=150", "--task.spiking_window=150"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A barely trained network of ours (seed 4), and what a search over two factors found for it."""
    folder = tmp_path_factory.mktemp("trained")
    words = ["train", "--learning.rule=bptt", "--task.name=go_nogo", *TASK, "--network.n_units=10", "--seed=4"]
    words += ["--learning.max_trials=3", "--learning.evaluation_trials=5", "--network.gain=1.25", "--device=cpu"]
    assert main([*words, f"--network={folder}/n.pth", f"--history={folder}/n.h5"]) == 0
    words = ["spiking", f"--network={folder}/n.pth", f"--out={folder}/s.h5", "--search.factors=20,30"]
    assert main([*words, "--search.n_trials=4", "--search.n_heldout=2", "--search.only_trained=false"]) == 0
    return folder


def test_our_networks_are_exported_with_what_is_known_of_them(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", f"--network={trained}/n.pth", f"--factor_of={trained}/s.h5"]
    assert main([*words, f"--out={tmp_path}/n.mat"]) == 0
    ours, beside = read_mat(tmp_path / "n.mat"), read_mat(trained / "n.mat")  # training writes one, too
    for name in ("w", "sign", "w_in", "w_out", "b_out", "gamma", "w_initial", "gamma_initial", "mask"):
        np.testing.assert_array_equal(getattr(ours.network, name), getattr(beside.network, name), err_msg=name)
    assert ours.extra == beside.extra
    assert ours.extra["P_rec"] == 0.2 and ours.extra["gain"] == 1.25 and ours.extra["seed"] == 4
    for name in ("tr", "eval_perf_mean", "eval_loss_mean"):
        np.testing.assert_array_equal(ours.record[name], beside.record[name])
    assert ours.record["scaling_factors"].tolist() == [[20.0, 30.0]] and ours.record["all_perfs"].shape == (2, 1)
    factor = ours.record["opt_scaling_factor"].item()
    assert factor == [20, 30][int(ours.record["all_perfs"].argmax())]
    assert main([*words, f"--out={tmp_path}/n.py"]) == 0
    weights = np.load(tmp_path / "n.npz")
    np.testing.assert_allclose(weights["w"], np.asarray(ours.network.w_rec) / factor, rtol=1e-6)
    assert "other settings" not in capsys.readouterr().out
    assert main([*words, f"--out={tmp_path}/n.py", "--lif.t_ref=1"]) == 0
    assert "other settings" in capsys.readouterr().out
    write_mat(tmp_path / "toy.mat", toy())  # of seed 3
    assert main([words[0], f"--network={tmp_path}/toy.mat", words[2], f"--out={tmp_path}/t.py"]) == 3
    assert "no network of seed 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 2, "give either --out FILE or --spikernn_names FOLDER"),
        (["--out=x.txt"], 2, "one of .mat, .nir, .py"),
        (["--out=x.nir"], 2, "n.mat: notes no scaling factor; give --scaling_factor"),
        (["--out=x.py"], 2, "notes no scaling factor"),
        (["--out=x.py", "--scaling_factor=0"], 2, "--scaling_factor"),
        (["--out=x.py", "--scaling_factor=9", "--factor_of=s.h5"], 2, "give either --scaling_factor or --factor_of"),
        (["--out=x.py", "--factor_of=s.h5"], 3, "s.h5: no such file"),
        (["--out=x.mat", "--lif.t_ref=1"], 2, "settings of spiking units do not go with it"),
        (["--spikernn_names=x"], 2, "give --p_rec"),
        (["--spikernn_names=x", "--format=nir"], 2, "--out FILE"),
        (["--out=x.nir", "--format=brian2", "--scaling_factor=3"], 3, "is called *.py"),
        (["--out=x.py", "--scaling_factor=3", "--lif.dt=0.03"], 2, "does not divide"),
        (["--out=x.mat", "--network=none.mat"], 3, "none.mat: no such file"),
        (["--out=x.mat", "--network=none.pth"], 3, "none.pth: no such file"),
    ],
)
def test_mistakes_are_one_sentence(
    tmp_path: Path,
    words: list[str],
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_mat(tmp_path / "n.mat", toy())
    assert main(["export", "--network=n.mat", *words]) == status
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1, error
    assert [p.name for p in tmp_path.iterdir()] == ["n.mat"]
