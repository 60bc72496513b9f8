"""Continuous-time networks before training: settings, initial weights, constraints, files."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnnpipe.cli.main import main
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.io.ctrnn import read_ctrnn, write_ctrnn
from rnnpipe.io.network import read_tensors, write_tensors
from rnnpipe.networks.ctrnn import ARRAYS
from rnnpipe.networks.ctrnn_constraints import EPSILON, WEIGHTS, Constraints
from rnnpipe.networks.ctrnn_init import initial_ctrnn, near, spectral_radius
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.settings import parse
from rnnpipe.training.regression_adam import Adam

DALE: dict[str, Any] = {"activation": "relu", "dale": True, "nonnegative_io": True}


def made(n_inputs: int = 6, n_outputs: int = 2, seed: int = 0, **settings: Any) -> tuple[Any, Constraints]:
    return initial_ctrnn(CtrnnSettings(**settings), n_inputs, n_outputs, 1.0, seed)


# -- initial weights -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {**DALE, "n_units": 75}, {**DALE, "n_units": 51}, {"density": 0.2}])
def test_recurrent_weights_have_the_spectral_radius_and_no_diagonal(settings: dict[str, Any]) -> None:
    network, _ = made(**settings)
    assert abs(np.linalg.eigvals(network.w_rec.astype(float))).max() == pytest.approx(1.2, rel=1e-5)
    assert not network.w_rec.diagonal().any()
    assert all(getattr(network, name).dtype == np.float32 for name in ARRAYS)


@pytest.mark.parametrize(("n", "ratio", "expected"), [(50, 4.0, 40), (51, 4.0, 41), (53, 4.0, 42), (30, 1.0, 15)])
def test_dale_has_both_kinds_for_any_number_of_units(n: int, ratio: float, expected: int) -> None:
    network, constraints = made(n_units=n, exc_inh_ratio=ratio, **DALE)
    assert (constraints.sign_rec == np.repeat([1, -1], [expected, n - expected])).all()
    off = ~np.eye(n, dtype=bool)
    assert (network.w_rec * constraints.sign_rec > 0)[off].all()
    assert (network.w_in >= 0).all() and (network.w_out >= 0).all()


def test_dale_is_nearly_of_rank_one_with_an_imaginary_leading_pair() -> None:
    """Of the spec's measurements: |lambda| 1.89 to 2.03 at 4:1 before it is scaled, and columns of I/O almost alike."""
    for seed in range(5):
        network, _ = made(seed=seed, n_units=75, spectral_radius=None, **DALE)
        values = np.linalg.eigvals(network.w_rec.astype(float))
        leading = values[abs(values).argmax()]
        assert 1.85 < abs(leading) < 2.07
        assert abs(leading.real) < 0.35
        columns = np.concatenate([network.w_in, network.w_out.T], axis=1)
        columns /= np.linalg.norm(columns, axis=0)
        cosines = (columns.T @ columns)[np.triu_indices(8, 1)]
        assert cosines.mean() == pytest.approx(1 - 1 / 75, abs=0.004)


def test_scales_of_input_output_and_free_recurrent_weights() -> None:
    network, _ = made(200, 200, n_units=400, spectral_radius=None)
    assert network.w_rec.std() == pytest.approx(400**-0.5, rel=0.01)
    for w in (network.w_in, network.w_out):
        assert w.mean() == pytest.approx(400**-0.5, rel=0.01)
        assert w.std() == pytest.approx(1 / 400, rel=0.02)
    network, _ = made(200, 200, n_units=400, io_weights="gaussian")
    for w in (network.w_in, network.w_out):
        assert abs(w.mean()) < 4 * 400**-0.5 / 200**0.5 / 20
        assert w.std() == pytest.approx(400**-0.5, rel=0.02)
    network, _ = made(20, 2, io_weights="gaussian", nonnegative_io=True)
    assert (network.w_in >= 0).all()


def test_blocks_have_streams_of_their_own() -> None:
    """Normal numbers behind weights from excitatory and inhibitory units, of inputs and of outputs, do not repeat."""
    network, _ = made(40, 40, n_units=80, exc_inh_ratio=1.0, spectral_radius=None, **DALE)
    blocks = [network.w_rec[:, :40], -network.w_rec[:, 40:], network.w_in, network.w_out.T]
    off = ~(np.eye(80, dtype=bool)[:, :40] | np.eye(80, dtype=bool)[:, 40:])
    for a, b in itertools.combinations(blocks, 2):
        assert abs(np.corrcoef(a[off], b[off])[0, 1]) < 0.1
    other, _ = made(7, 3, n_units=80, exc_inh_ratio=1.0, spectral_radius=None, **DALE)
    assert (other.w_rec == network.w_rec).all(), "more channels change no recurrent weight"
    assert (made(seed=1)[0].w_rec != made(seed=2)[0].w_rec).any()


def test_density_removes_the_same_number_of_weights_from_every_column() -> None:
    network, constraints = made(n_units=50, density=0.3, self_connections=True)
    assert ((network.w_rec != 0).sum(0) == 15).all()
    assert (constraints.mask_rec == (network.w_rec != 0)).all()


def test_outputs_read_excitatory_units_only_if_asked() -> None:
    network, constraints = made(n_units=50, read_inhibitory=False, **DALE)
    assert not network.w_out[:, 40:].any() and (network.w_out[:, :40] > 0).all()
    assert (constraints.mask_out == (constraints.sign_rec > 0)).all()


def test_spatial_networks_connect_near_units_and_pass_from_one_side_to_the_other() -> None:
    network, constraints = made(n_units=100, connectivity="spatial", self_connections=False, **DALE)
    assert constraints.mask_rec.sum() / 100 == pytest.approx(12, abs=0.01)
    assert (constraints.mask_rec == constraints.mask_rec.T).all()
    receives, read = constraints.mask_in[:, 0], constraints.mask_out[0]
    assert 10 < receives.sum() < 40 and 10 < read.sum() < 40 and not (receives & read).any()
    assert (constraints.sign_rec[receives | read] == 1).all()
    assert not constraints.broken({name: getattr(network, name) for name in ARRAYS})
    with pytest.raises(SettingsError, match="fewer than the 67 inhibitory"):
        made(n_units=100, connectivity="spatial", **{**DALE, "exc_inh_ratio": 0.5})


def test_near_pairs_are_the_nearest_ones() -> None:
    places = np.random.default_rng(0).random((30, 3))
    chosen = near(places, 6.0)
    distance = np.linalg.norm(places[:, None] - places, axis=-1)
    pairs = np.triu(np.ones((30, 30), bool), 1)
    assert chosen.sum() == 180
    assert distance[chosen & pairs].max() < distance[~chosen & pairs].min()


@pytest.mark.parametrize("settings", [{}, DALE])
def test_spectral_radius_of_large_matrices_is_that_of_small_ones(settings: dict[str, Any]) -> None:
    w = made(n_units=250, spectral_radius=None, **settings)[0].w_rec
    assert spectral_radius(w, dense_up_to=100) == pytest.approx(spectral_radius(w), rel=1e-4)


def test_biases() -> None:
    assert (made(bias=0.3)[0].b_rec == np.float32(0.3)).all()
    network, constraints = made(train_bias=True, bias_uniform=True, bias_range=[-0.2, 0.1], n_units=400)
    assert -0.2 <= network.b_rec.min() < -0.17 and 0.07 < network.b_rec.max() <= 0.1
    assert constraints.bias_range == (-0.2, 0.1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_unit": 3}, "did you mean 'n_units'"),
        ({"activation": "elu"}, "activation = 'elu'"),
        ({"density": 1.5}, "above 0 and up to 1"),
        ({"n_units": 2, "dale": True}, "2 excitatory and 0 inhibitory"),
        ({"read_inhibitory": False}, "needs dale: true"),
        ({"train_bias": True, "bias_range": [1.0]}, "smallest and the largest"),
        ({"train_bias": True, "bias": 3.0}, "lies outside"),
        ({"bias_uniform": True}, "needs train_bias"),
        ({"form": "current", "noise_site": "pre"}, "is of form rate"),
        ({"n_units": 1}, "no recurrent weight to scale"),
        ({"tau": 0.0}, "greater than 0"),
    ],
)
def test_bad_settings(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse(CtrnnSettings, settings, "network")


def test_impossible_networks() -> None:
    with pytest.raises(SettingsError, match="have no cycle"):
        made(n_units=20, density=0.01)
    with pytest.raises(SettingsError, match=r"tau = 10 ms is below the step dt = 20 ms"):
        initial_ctrnn(CtrnnSettings(), 2, 2, 20.0, 0)


# -- constraints ---------------------------------------------------------------------------------------------

SWITCHES = list(itertools.product([True, False], repeat=3))


@pytest.mark.parametrize("projection", ["clip0", "clip_eps", "reflect"])
@pytest.mark.parametrize(("dale", "nonnegative", "own"), SWITCHES)
def test_constraints_hold_after_each_of_200_updates(projection: str, dale: bool, nonnegative: bool, own: bool) -> None:
    settings: dict[str, Any] = {"dale": dale, "nonnegative_io": nonnegative, "self_connections": own}
    network, c = made(2, 2, n_units=20, density=0.8, projection=projection, train_bias=True, bias=0.1, **settings)
    adam = Adam({name: getattr(network, name) for name in ARRAYS}, ARRAYS, 1e-4)
    rng, before = np.random.default_rng(1), None
    for _ in range(200):
        gradients = {name: rng.normal(0.1, 1, adam.arrays[name].shape).astype(np.float32) for name in ARRAYS}
        adam.step(adam.flat(c.pull_back(adam.arrays, gradients)), 0.05)
        c.project(adam.arrays, adam.momentum)
        now = c.effective(adam.arrays)
        assert not c.broken(now)
        assert own or not now["w_rec"].diagonal().any()
        assert not now["w_rec"][~c.mask_rec].any()
        if dale:
            assert (now["w_rec"][:, :16] >= 0).all() and (now["w_rec"][:, 16:] <= 0).all()
            # the inhibition that a projection without signs would delete
            assert now["w_rec"][:, 16:].sum() < -1 and now["w_rec"][:, :16].sum() > 1
        if nonnegative:
            assert (now["w_in"] >= 0).all() and (now["w_out"] >= 0).all()
        assert abs(now["b_rec"]).max() <= 1
        if before is not None:
            assert (now["w_rec"] != before).any()
        before = now["w_rec"].copy()


def test_clipped_weights_lose_their_momentum_and_keep_their_sign() -> None:
    network, c = made(2, 1, n_units=10, projection="clip_eps", **DALE)
    adam = Adam({name: getattr(network, name) for name in ARRAYS}, ARRAYS, 0.0)
    adam.m[:] = 1
    wrong = [(3, 1), (3, 9)]  # from an excitatory and from an inhibitory unit
    for i, j in wrong:
        adam.arrays["w_rec"][i, j] *= -1
    c.project(adam.arrays, adam.momentum)
    assert [adam.arrays["w_rec"][k] for k in wrong] == [np.float32(EPSILON), np.float32(-EPSILON)]
    assert [adam.momentum["w_rec"][k] for k in wrong] == [0, 0]
    assert (adam.m == 0).sum() == 2


def test_nothing_is_enforced_without_projection() -> None:
    network, c = made(2, 1, n_units=10, projection="none", **DALE)
    adam = Adam({name: getattr(network, name) for name in ARRAYS}, WEIGHTS, 0.0)
    adam.arrays["w_rec"][:] = -1
    c.project(adam.arrays, adam.momentum)
    assert (c.effective(adam.arrays)["w_rec"] == -1).all() and not c.broken(adam.arrays)


def test_reflected_weights_have_the_gradient_of_finite_differences() -> None:
    network, c = made(2, 1, n_units=6, projection="reflect", **DALE)
    rng = np.random.default_rng(0)
    trained = {name: rng.normal(size=getattr(network, name).shape) for name in ARRAYS}
    outer = {name: rng.normal(size=a.shape) for name, a in trained.items()}

    def value(arrays: dict[str, Any]) -> float:
        return sum(float((outer[name] * a).sum()) for name, a in c.effective(arrays).items())

    pulled = c.pull_back(trained, outer)
    for name in WEIGHTS:
        direction, step = rng.normal(size=trained[name].shape), 1e-6
        ends = [value({**trained, name: trained[name] + side * step * direction}) for side in (1, -1)]
        assert (pulled[name] * direction).sum() == pytest.approx((ends[0] - ends[1]) / 2 / step, abs=1e-7)


# -- files ---------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    network, constraints = made(2, 2, n_units=12, **DALE)
    settings = {
        "task": {"name": "flip_flop", "n_bits": 2},
        "network": CtrnnSettings(n_units=12, **DALE).model_dump(mode="json"),
        "learning": {},
    }
    path = tmp_path / "net.pth"
    write_ctrnn(path, network, network, constraints, settings, 7, {"mse": 0.1}, {"code": "x"}, {"state": [1]})
    return path


def test_a_network_is_read_as_it_was_written(stored: Path) -> None:
    network, constraints = made(2, 2, n_units=12, **DALE)
    read = read_ctrnn(stored)
    for name in ARRAYS:
        assert getattr(read.network, name).tobytes() == getattr(network, name).tobytes()
    assert (read.constraints.mask_rec == constraints.mask_rec).all() and read.constraints.sign_in == 1
    assert (read.seed, read.score, read.provenance, read.task.n_bits) == (7, {"mse": 0.1}, {"code": "x"}, 2)
    u = np.random.default_rng(0).normal(size=(9, 3, 2))
    both = [n.astype(np.float64).simulate(u)[1].tobytes() for n in (read.network, network)]
    assert both[0] == both[1]


def test_a_network_is_described(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(stored)]) == 0
    shown = capsys.readouterr().out
    assert "kind: ctrnn" in shown and "12 units (2 inhibitory), 2 inputs, 2 outputs, form rate, relu" in shown


def change(path: Path, part: str, name: str, value: Any) -> None:
    content = read_tensors(path, "ctrnn")
    content[part][name] = value
    write_tensors(path, content)


@pytest.mark.parametrize(
    ("part", "name", "value", "words"),
    [
        ("network", "w_rec", torch.zeros(3, 4), "w_rec has shape"),
        ("network", "w_in", torch.full((12, 2), torch.nan), "NaN or infinite"),
        ("network", "w_out", torch.full((2, 12), -1.0), "w_out has weights of the wrong sign"),
        ("network", "w_rec", torch.ones(12, 12), "w_rec has weights where there is no connection"),
        ("network", "b_rec", torch.zeros(12, dtype=torch.float64), "not float32"),
        ("constraints", "mask_in", torch.ones(2, 2), "mask_in does not have the shape of w_in"),
        ("constraints", "sign_rec", torch.ones(3, dtype=torch.int8), "one sign a unit"),
        ("network", "w_in", "text", "damaged or incomplete"),
    ],
)
def test_wrong_contents_are_refused(stored: Path, part: str, name: str, value: Any, words: str) -> None:
    change(stored, part, name, value)
    with pytest.raises(ArtefactError, match=words):
        read_ctrnn(stored)


class _Hostile:
    def __reduce__(self) -> Any:
        return print, ("run by a file",)


def test_foreign_truncated_and_hostile_files_are_refused(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = stored.read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2], pickle.dumps({"kind": "ctrnn", "network": _Hostile()})):
        stored.write_bytes(content)
        with pytest.raises(ArtefactError, match=r"expected a ctrnn file|is not a ctrnn file"):
            read_ctrnn(stored)
    torch.save({"kind": "ctrnn", "network": _Hostile()}, stored)
    with pytest.raises(ArtefactError, match="objects other than tensors"):
        read_ctrnn(stored)
    assert "run by a file" not in capsys.readouterr().out
    with pytest.raises(ArtefactError, match="no such file"):
        read_ctrnn(stored.with_name("other.pth"))
