"""Rate networks as `.mat` files: names, shapes, classes, round trips, what others write, and bad input."""

from __future__ import annotations

import datetime
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.io import loadmat, savemat, whosmat
from scipy.sparse import csc_matrix

from rnnpipe.errors import ArtefactError
from rnnpipe.io.mat import RECORD_NAMES, MatFile, mat_name, new_mat_path, read_mat, write_mat
from rnnpipe.io.mat5 import read_variables
from rnnpipe.networks.rate_network import RateNetwork

Array = NDArray[Any]
ARRAYS = ("w", "sign", "mask", "w_in", "w_out", "b_out", "b_rec", "gamma", "w_initial", "gamma_initial")
SCALARS = ("tau_min", "tau_max", "activation", "dt", "n_som", "dale", "task", "seed")


def make(
    n: int = 12,
    n_in: int = 2,
    n_out: int = 1,
    dale: bool = True,
    n_som: int = 2,
    taus: tuple[float, float] = (20.0, 100.0),
    seed: int = 0,
    **changes: Any,
) -> RateNetwork:
    rng = np.random.default_rng(seed)
    sign = np.where(rng.random(n) < 0.4, -1.0, 1.0) if dale else np.ones(n)
    n_som = min(n_som, int((sign < 0).sum()))
    som = (sign < 0) & (np.cumsum(sign < 0) <= n_som)
    mask = 1.0 - np.outer(som, sign < 0)
    w = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.7)
    w_initial = rng.normal(size=(n, n))
    values: dict[str, Any] = dict(
        w=np.abs(w) if dale else w,
        sign=sign,
        mask=mask,
        w_in=rng.normal(size=(n, n_in)),
        w_out=rng.normal(size=(n_out, n)),
        b_out=rng.normal(size=n_out),
        b_rec=np.zeros(n),
        gamma=rng.normal(size=n),
        tau_min=taus[0],
        tau_max=taus[1],
        activation="sigmoid",
        dt=5.0,
        n_som=n_som,
        dale=dale,
        w_initial=np.abs(w_initial) if dale else w_initial,
        gamma_initial=rng.normal(size=n),
        task="go_nogo",
        seed=7,
    )
    return RateNetwork(**{**values, **changes})


def assert_equal(a: RateNetwork, b: RateNetwork) -> None:
    for name in ARRAYS:
        one, other = getattr(a, name), getattr(b, name)
        assert (one is None) == (other is None), name
        if one is not None:
            np.testing.assert_array_equal(one, other, err_msg=name, strict=False)
            assert other.dtype == np.float64 and one.shape == other.shape, name
    for name in SCALARS:
        assert getattr(a, name) == getattr(b, name), name


def published(network: RateNetwork, **changes: Any) -> dict[str, Any]:
    """The variables as the authors' code writes them: single precision, in steps of 5 ms; None removes one."""
    n, sign = network.n_units, network.sign
    single = {
        "w": network.w,
        "w0": network.w_initial,
        "m": np.diag(sign),
        "som_m": network.mask,
        "w_in": network.w_in,
        "w_out": network.w_out,
        "b_out": network.b_out.reshape(-1, 1),
        "taus_gaus": network.gamma.reshape(n, 1),
        "taus_gaus0": network.gamma_initial.reshape(n, 1),
    }
    content: dict[str, Any] = {name: np.asarray(array, np.float32) for name, array in single.items()}
    content |= {
        "N": np.int64(n),
        "som_N": np.int64(network.n_som),
        "inh": (sign < 0).reshape(n, 1),
        "exc": (sign > 0).reshape(n, 1),
        "taus": np.array([network.tau_min, network.tau_max]) / 5,
        "activation": network.activation,
    }
    content |= changes
    return {name: value for name, value in content.items() if value is not None}


def save(path: Path, content: dict[str, Any], **kwargs: Any) -> Path:
    savemat(path, content, **kwargs)
    return path


# -- what is written -----------------------------------------------------------------------------------------


def test_names_shapes_and_classes_are_the_published_ones(tmp_path: Path) -> None:
    network = make(n=12, n_in=3)
    write_mat(tmp_path / "n.mat", network, extra={"P_rec": 0.2, "P_inh": 0.2, "gain": 1.5, "success": True})
    assert (tmp_path / "n.mat").read_bytes()[124:128] == b"\x00\x01IM"  # level 5
    found = {name: (shape, kind) for name, shape, kind in whosmat(tmp_path / "n.mat")}
    expected = {
        **dict.fromkeys(("w", "w0", "m", "som_m"), ((12, 12), "double")),
        **dict.fromkeys(("w_in", "w_in0"), ((12, 3), "double")),
        "w_out": ((1, 12), "double"),
        "b_out": ((1, 1), "double"),
        **dict.fromkeys(("N", "som_N", "seed", "spec_version"), ((1, 1), "int64")),
        **dict.fromkeys(("inh", "exc"), ((12, 1), "logical")),
        **dict.fromkeys(("taus", "taus_ms"), ((1, 2), "double")),
        **dict.fromkeys(("taus_gaus", "taus_gaus0"), ((12, 1), "double")),
        "activation": ((1,), "char"),
        "task": ((1,), "char"),
        **dict.fromkeys(("P_rec", "P_inh", "gain", "dt_rate_ms"), ((1, 1), "double")),
        **dict.fromkeys(("success", "apply_dale"), ((1, 1), "logical")),
    }
    assert found == expected


@pytest.mark.parametrize("dale", [True, False])
def test_what_the_matlab_code_computes_is_the_rate_network(tmp_path: Path, dale: bool) -> None:
    """The published mapping: W = w*m.*som_m (a matrix product, no rectification), td from taus and taus_gaus."""
    network = make(dale=dale)
    raw = network.w - 0.3 * (network.w == 0) if dale else network.w  # entries that training left below zero
    path = tmp_path / "n.mat"
    save(path, published(network, w=raw, inh=network.sign[:, None] < 0))
    write_mat(path, read_mat(path).network)
    names = ("w_in", "w", "w0", "N", "m", "som_m", "w_out", "inh", "exc", "taus_gaus0", "taus_gaus", "taus")
    mat = loadmat(path, variable_names=names)
    assert len(mat) == 12 + 3
    np.testing.assert_allclose((mat["w"] @ mat["m"]) * mat["som_m"], network.w_rec, rtol=1e-6, atol=0)
    low, high = mat["taus"].ravel() * 5
    decay = (1 / (1 + np.exp(-mat["taus_gaus"])) * (high - low) + low).ravel()
    np.testing.assert_allclose(decay, network.tau, rtol=1e-6)
    if dale:
        assert (mat["w"] >= 0).all() and (mat["w0"] >= 0).all()


def test_one_time_constant_is_one_number_and_several_outputs_are_rows(tmp_path: Path) -> None:
    network = make(n_out=3, taus=(35.0, 35.0), dt=10.0, b_rec=np.arange(12.0), w_initial=None, gamma_initial=None)
    notes = write_mat(tmp_path / "n.mat", network)
    mat = loadmat(tmp_path / "n.mat")
    assert mat["taus"].shape == (1, 1) and mat["taus"][0, 0] == 3.5 and mat["dt_rate_ms"][0, 0] == 10
    assert mat["w_out"].shape == (3, 12) and mat["b_out"].shape == (3, 1)
    np.testing.assert_array_equal(mat["w0"], mat["w"])  # the MATLAB code wants the name
    assert [word in note for word, note in zip(["3 rows", "b_rec", "10 ms", "w0 and taus_gaus0"], notes, strict=True)]
    assert write_mat(tmp_path / "plain.mat", make()) == []
    assert_equal(read_mat(tmp_path / "n.mat").network, network)


def test_equal_content_gives_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mat(tmp_path / "a.mat", make())
    monkeypatch.setattr("time.asctime", lambda *_: "Fri Jan  1 00:00:00 1999")
    write_mat(tmp_path / "b.mat", make())
    assert (tmp_path / "a.mat").read_bytes() == (tmp_path / "b.mat").read_bytes()
    assert (tmp_path / "a.mat").read_bytes().startswith(b"MATLAB 5.0 MAT-file")
    assert len(list(tmp_path.iterdir())) == 2


def record(n: int = 12, n_in: int = 2, t: int = 6) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    states = {name: rng.normal(size=(t, n)) for name in ("x0", "r0", "x", "r")}
    return {
        **states,
        "u": rng.normal(size=(n_in, t)),
        "target": rng.normal(size=t),
        "o": rng.normal(size=t - 1),
        "losses": rng.random(9),
        "tr": 8,
        "eval_perf_mean": 0.97,
        "eval_loss_mean": 4.5,
        "eval_os": rng.normal(size=(4, t - 1)),
        "eval_labels": ["same", "diff", "diff", "same"],
        "opt_scaling_factor": 50.0,
        "all_perfs": [0.5, 0.98],
        "scaling_factors": [45.0, 50.0],
    }


def test_a_record_gets_the_published_shapes_and_survives(tmp_path: Path) -> None:
    given = record()
    assert set(given) == set(RECORD_NAMES)
    write_mat(tmp_path / "n.mat", make(), given)
    shapes = {name: shape for name, shape, _ in whosmat(tmp_path / "n.mat")}
    kinds = {name: kind for name, _, kind in whosmat(tmp_path / "n.mat")}
    for name in ("x0", "r0", "x", "r"):
        assert shapes[name] == (6, 12, 1)
    assert shapes["u"] == (2, 6) and shapes["target"] == (1, 6) and shapes["o"] == (5, 1, 1)
    assert shapes["losses"] == (1, 9) and shapes["eval_os"] == (4, 5) and kinds["tr"] == "int64"
    assert shapes["all_perfs"] == (2, 1) and shapes["scaling_factors"] == (1, 2)
    assert kinds["eval_labels"] == "char"
    assert loadmat(tmp_path / "n.mat", chars_as_strings=False)["eval_labels"].shape == (4, 4)
    found = read_mat(tmp_path / "n.mat")
    assert found.warnings == []
    np.testing.assert_array_equal(found.record["x"][:, :, 0], given["x"])
    np.testing.assert_array_equal(found.record["o"].ravel(), given["o"])
    assert found.record["eval_labels"].tolist() == given["eval_labels"]
    write_mat(tmp_path / "again.mat", found.network, found.record, found.extra)
    assert (tmp_path / "again.mat").read_bytes() == (tmp_path / "n.mat").read_bytes()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("x", np.zeros((6, 11)), ["x has shape (6, 11)", "(T, 12, 1)"]),
        ("u", np.zeros((3, 6)), ["u has shape (3, 6)", "(2, T)"]),
        ("u", np.zeros((2, 7)), ["x0 is of a trial of 6 steps, u of one of 7"]),
        ("o", np.zeros(6), ["a trial of 6 steps, o of one of 7"]),
        ("eval_os", np.zeros(6), ["eval_os has shape", "(n_trials, T - 1)"]),
        ("eval_perf_mean", [1.0, 2.0], ["eval_perf_mean", "one number"]),
        ("losses", np.zeros((2, 2)), ["losses", "(1, n)"]),
        ("losses", "none", ["losses", "expected numbers"]),
        ("eval_labels", ["same", "other"], ["eval_labels", "different lengths"]),
        ("perf", 1.0, ["no 'perf'", "eval_perf_mean"]),
    ],
)
def test_a_record_that_does_not_fit_is_refused(tmp_path: Path, name: str, value: Any, words: list[str]) -> None:
    with pytest.raises(ArtefactError) as error:
        write_mat(tmp_path / "n.mat", make(), {**record(), name: value})
    assert all(word in str(error.value) for word in words), error.value
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extra", [{"_seed": 1}, {"w": 1}, {"losses": 1}, {"a b": 1}, {"note": {"a": 1}}])
def test_an_extra_that_matlab_could_not_read_is_refused(tmp_path: Path, extra: dict[str, Any]) -> None:
    with pytest.raises(ArtefactError, match="cannot be noted"):
        write_mat(tmp_path / "n.mat", make(), extra=extra)


def test_extras_come_back_as_plain_values(tmp_path: Path) -> None:
    extra = {"P_rec": 0.2, "success": False, "note": "hello", "list": [1.5, 2.5], "n_trials": 3, "nothing": None}
    write_mat(tmp_path / "n.mat", make(), extra=extra)
    found = read_mat(tmp_path / "n.mat").extra
    assert {**extra, **found}.items() == {**found, "nothing": None}.items()
    assert found["success"] is False and found["dt_rate_ms"] == 5 and found["apply_dale"] is True


# -- round trips ---------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 30),
    n_in=st.integers(1, 4),
    n_out=st.integers(1, 3),
    dale=st.booleans(),
    n_som=st.integers(0, 4),
    taus=st.tuples(st.floats(0.1, 1e3), st.floats(0, 1e3, allow_subnormal=False)).map(lambda t: (t[0], t[0] + t[1])),
    dt=st.sampled_from([5.0, 1.0, 0.3, 10 / 3]),
    activation=st.sampled_from(["sigmoid", "clipped_relu", "softplus"]),
    known=st.booleans(),
    biased=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_round_trip_is_exact(
    tmp_path_factory: pytest.TempPathFactory,
    n: int,
    n_in: int,
    n_out: int,
    dale: bool,
    n_som: int,
    taus: tuple[float, float],
    dt: float,
    activation: str,
    known: bool,
    biased: bool,
    seed: int,
) -> None:
    network = make(n, n_in, n_out, dale, n_som, taus, seed, dt=dt, activation=activation)
    changes: dict[str, Any] = {} if known else {"w_initial": None, "gamma_initial": None, "task": "", "seed": -1}
    changes |= {"b_rec": np.linspace(1, 2, n)} if biased else {}
    network = RateNetwork(**{**network.__dict__, **changes})
    path = tmp_path_factory.mktemp("round") / "n.mat"
    write_mat(path, network)
    found = read_mat(path)
    assert found.warnings == []
    assert_equal(network, found.network)


def test_single_precision_networks_keep_their_values(tmp_path: Path) -> None:
    network = make()
    single = {name: getattr(network, name).astype(np.float32) for name in ARRAYS}
    network = RateNetwork(**{**network.__dict__, **single})
    write_mat(tmp_path / "n.mat", network)
    assert_equal(network, read_mat(tmp_path / "n.mat").network)


def test_classes_survive_a_detour_through_scipy(tmp_path: Path) -> None:
    """Saved again by scipy, logical variables become uint8: read and written by us they are logical again."""
    network = make()
    write_mat(tmp_path / "a.mat", network)
    detour = {k: v for k, v in loadmat(tmp_path / "a.mat").items() if not k.startswith("__")}
    save(tmp_path / "b.mat", detour)
    assert dict((n, k) for n, _, k in whosmat(tmp_path / "b.mat"))["inh"] == "uint8"
    found = read_mat(tmp_path / "b.mat")
    assert_equal(network, found.network)
    write_mat(tmp_path / "c.mat", found.network, found.record, found.extra)
    assert {n: (s, k) for n, s, k in whosmat(tmp_path / "c.mat") if n != "apply_dale"} == {
        n: (s, k) for n, s, k in whosmat(tmp_path / "a.mat") if n != "apply_dale"
    }
    # and as MATLAB keeps them: doubles that are whole numbers are stored in fewer bytes, and stay doubles
    variables = read_mat(tmp_path / "a.mat").variables
    assert variables["inh"].dtype == bool and variables["som_m"].dtype == np.float64


# -- what others write ---------------------------------------------------------------------------------------


def read_changed(tmp_path: Path, network: RateNetwork | None = None, name: str = "n.mat", **changes: Any) -> MatFile:
    network = network or make()
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return read_mat(save(path, published(network, **changes)))


def test_the_authors_files_are_read(tmp_path: Path) -> None:
    network = make()
    states = np.zeros((6, 12, 1), np.float32)
    found = read_changed(tmp_path, network, x=states, o=np.zeros((5, 1, 1)), losses=np.zeros((1, 9)))
    assert found.warnings == []
    for name in ("w", "w_in", "w_out", "gamma", "w_initial", "gamma_initial", "b_out", "mask", "sign"):
        np.testing.assert_allclose(getattr(found.network, name), getattr(network, name), rtol=1e-6)
    assert (found.network.tau_min, found.network.tau_max, found.network.dt) == (20, 100, 5)
    assert found.network.dale and found.network.n_som == network.n_som and found.network.seed == -1
    assert found.variables["x"].shape == (6, 12, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"inh": "uint8"},
        {"inh": "float64", "exc": "float64"},
        {"w": "float64"},
        {"taus": (2, 1)},
        {"taus": (2,)},
        {"b_out": (1,)},
        {"x": np.zeros((12, 1)), "x0": np.zeros((12, 1)), "target": np.zeros((1, 5)), "o": np.zeros((1, 5))},
        {"eval_labels": np.array([[1.0, 0.0]])},
        {"eval_labels": np.array(["same", "diff"])},
    ],
)
def test_variations_that_mean_the_same(tmp_path: Path, changes: dict[str, Any]) -> None:
    content = published(make())
    for name, change in changes.items():
        if isinstance(change, str):
            content[name] = content[name].astype(change)
        else:
            content[name] = content[name].reshape(change) if isinstance(change, tuple) else change
    found = read_mat(save(tmp_path / "changed.mat", content))
    plain = read_mat(save(tmp_path / "plain.mat", published(make())))
    assert_equal(found.network, plain.network)
    assert found.warnings == []
    write_mat(tmp_path / "again.mat", found.network, found.record, found.extra)  # what was kept can be written, too
    assert_equal(read_mat(tmp_path / "again.mat").network, found.network)


def test_compressed_files_of_matlab_are_read(tmp_path: Path) -> None:
    path = save(tmp_path / "n.mat", published(make()), do_compression=True)
    assert_equal(read_mat(path).network, read_changed(tmp_path, name="plain.mat").network)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("b_out", "no bias"),
        ("som_N", "shows 2 SOM units"),
        ("w0", "not known"),
        ("taus_gaus0", "not known"),
        ("activation", "sigmoid"),
        ("m", "'inh' and 'exc'"),
        ("N", None),
        ("inh", None),
    ],
)
def test_what_is_missing_is_made_up_for_and_said(tmp_path: Path, name: str, word: str | None) -> None:
    found = read_changed(tmp_path, **{name: None})
    assert len(found.warnings) == (word is not None)
    assert word is None or (repr(name) in found.warnings[0] and word in found.warnings[0])
    expected = read_changed(tmp_path).network
    unknown = {"w0": {"w_initial": None}, "taus_gaus0": {"gamma_initial": None}, "b_out": {"b_out": np.zeros(1)}}
    assert_equal(found.network, RateNetwork(**{**expected.__dict__, **unknown.get(name, {})}))


def test_a_missing_mask_is_that_of_the_first_inhibitory_units(tmp_path: Path) -> None:
    network = make(n=12, n_som=2)
    assert (network.mask == 0).sum() == 2 * network.inhibitory.sum() > 0
    found = read_changed(tmp_path, network, som_m=None)
    np.testing.assert_array_equal(found.network.mask, network.mask)
    assert "som_m" in found.warnings[0]


def test_raw_negative_weights_are_rectified_where_dale_holds(tmp_path: Path) -> None:
    network = make()
    raw = network.w - 0.5 * (network.w == 0)
    n_negative = int((raw < 0).sum())
    path = save(tmp_path / "n.mat", published(network, w=raw, w0=raw))
    found = read_mat(path)
    assert f"set {n_negative} negative entries" in found.warnings[0] and "taus_gaus" in found.warnings[1]
    np.testing.assert_allclose(found.network.w_rec, network.w_rec, rtol=1e-6)
    assert found.network.w_initial is not None and (found.network.w_initial >= 0).all()
    kept = read_mat(path, rectify="never")
    assert not kept.network.dale and "kept" in kept.warnings[0]
    np.testing.assert_allclose(kept.network.w_rec, raw * network.sign * network.mask, rtol=1e-6)


def test_negative_weights_without_dale_are_weights(tmp_path: Path) -> None:
    network = make(dale=False)
    found = read_changed(tmp_path, network)
    np.testing.assert_allclose(found.network.w_rec, network.w_rec, rtol=1e-6)
    assert not found.network.dale and "'always'" in found.warnings[0]
    assert read_changed(tmp_path, network, name="NoDale/n.mat").warnings == []
    assert (read_mat(tmp_path / "n.mat", rectify="always").network.w_rec >= 0).all()


def test_rows_and_transposed_matrices_are_put_right(tmp_path: Path) -> None:
    network = make(n_in=3)
    expected = read_changed(tmp_path, network).network
    changed = {
        "taus_gaus": network.gamma[None].astype(np.float32),
        "w_in": network.w_in.T.astype(np.float32),
        "w_out": network.w_out.T.astype(np.float32),
    }
    found = read_changed(tmp_path, network, **changed)
    assert_equal(found.network, expected)
    assert [name for name in changed if any(w.startswith(f"{name} has shape") for w in found.warnings)] == list(changed)
    found = read_changed(tmp_path, network, w_in=None, w_in0=network.w_in.astype(np.float32))
    assert_equal(found.network, expected)
    assert "w_in0" in found.warnings[0]


def test_a_square_input_matrix_is_never_transposed(tmp_path: Path) -> None:
    network = make(n=4, n_in=4)
    np.testing.assert_allclose(read_changed(tmp_path, network).network.w_in, network.w_in, rtol=1e-6)


def test_results_of_a_search_are_kept_and_an_interrupted_one_is_said(tmp_path: Path) -> None:
    search = {"opt_scaling_factor": np.nan, "all_perfs": np.ones((12, 1)), "scaling_factors": np.arange(20.0, 80, 5)}
    found = read_changed(tmp_path, **search)
    assert "not finished" in found.warnings[0] and np.isnan(found.record["opt_scaling_factor"]).all()
    assert found.record["scaling_factors"].tolist() == [list(range(20, 80, 5))]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("models/xor/Task_go-nogo_N_12_Tau_4.0_Act_sigmoid_2019_01_01_000000.mat", "go_nogo"),  # not of the folder
        ("models/mante/P_rec_0.2/m.mat", "context_integration"),
        ("xor_mante/m.mat", ""),
        ("Task_my-task_N_3.mat", "my-task"),
    ],
)
def test_the_task_is_that_of_the_name(tmp_path: Path, name: str, task: str) -> None:
    assert read_changed(tmp_path, name=name).network.task == task


# -- bad input -----------------------------------------------------------------------------------------------

BIG = np.ones((12, 12))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"w": None}, ["no variable 'w'", "it holds N, activation"]),
        ({"w_in": None}, ["no variable 'w_in'"]),
        ({"w_out": None}, ["no variable 'w_out'"]),
        ({"taus": None}, ["no variable 'taus'"]),
        ({"taus_gaus": None}, ["no variable 'taus_gaus'"]),
        ({"m": None, "inh": None, "exc": None}, ["no variable 'm'"]),
        ({"w": np.ones((12, 11))}, ["w has shape (12, 11)", "square"]),
        ({"w": np.ones((11, 11))}, ["N is 12", "11 units"]),
        ({"w": np.where(np.eye(12), np.nan, 1)}, ["'w' holds NaN"]),
        ({"taus_gaus": np.full((12, 1), np.inf)}, ["'taus_gaus' holds NaN or infinite"]),
        ({"taus_gaus": BIG}, ["taus_gaus has shape (12, 12)", "a column of 12"]),
        ({"w": BIG + 1j}, ["'w' holds complex"]),
        ({"w": "text"}, ["'w' holds text"]),
        ({"w": {"a": 1}}, ["'w' is of class struct"]),
        ({"w": csc_matrix(BIG)}, ["'w' is of class sparse", "full(w)"]),
        ({"w": np.array([1, "a"], object)}, ["'w' is of class cell"]),
        ({"w0": np.ones((3, 3))}, ["w0 has shape (3, 3)"]),
        ({"m": -BIG}, ["m, of shape (12, 12)", "diagonal"]),
        ({"m": np.eye(12) * 2}, ["diagonal"]),
        ({"m": np.ones((12, 1))}, ["m, of shape (12, 1)"]),
        ({"inh": np.ones((12, 1), bool)}, ["inh and m disagree"]),
        ({"exc": np.zeros((3, 1), bool)}, ["exc has shape (3, 1)"]),
        ({"som_m": BIG / 2}, ["som_m", "0 and 1"]),
        ({"som_N": 13}, ["som_N is 13"]),
        ({"N": 13}, ["N is 13"]),
        ({"w_in": np.ones((5, 2))}, ["w_in has shape (5, 2)", "(12, n_inputs)"]),
        ({"w_out": np.ones((1, 5))}, ["w_out has shape (1, 5)"]),
        ({"b_out": np.ones((1, 5))}, ["b_out has 5 entries"]),
        ({"taus": np.array([20.0, 4.0])}, ["taus is [20.0, 4.0]", "in this order"]),
        ({"taus": np.array([0.0, 4.0])}, ["taus is [0.0, 4.0]", "positive"]),
        ({"taus": -4.0}, ["taus is [-4.0]"]),
        ({"taus": np.ones(3)}, ["taus has shape (1, 3)"]),
        ({"dt_rate_ms": 0.0}, ["dt_rate_ms is 0"]),
        ({"activation": "tanh"}, ["activation is 'tanh'", "clipped_relu"]),
        ({"activation": 3.0}, ["'activation' holds", "expected text"]),
    ],
)
def test_what_cannot_be_put_right_is_one_sentence(tmp_path: Path, changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ArtefactError) as error:
        read_changed(tmp_path, **changes)
    message = str(error.value)
    assert message.startswith(str(tmp_path / "n.mat")) and "\n" not in message
    assert all(word in message for word in words), message


def test_structs_cells_and_objects_beside_the_network_are_left_alone(tmp_path: Path) -> None:
    found = read_changed(tmp_path, cfg={"a": 1}, list_of=np.array([1, "a"], object))
    assert [w.split(" is of class ")[1].split(",")[0] for w in found.warnings] == ["struct", "cell"]
    assert "cfg" not in found.variables


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "n.mat"
    for content, word in (
        (b"", "empty"),
        (b"not a mat file at all" * 20, "is not a MATLAB file"),
        (b"\x80\x04\x95" + b"x" * 500, "is not a MATLAB file"),
        (b"MATLAB 7.3 MAT-file, Platform".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(600), "save(..., '-v7')"),
    ):
        path.write_bytes(content)
        with pytest.raises(ArtefactError, match="n.mat: ") as error:
            read_mat(path)
        assert word in str(error.value)
    with h5py.File(path, "w") as file:
        file["w"] = 1.0
    with pytest.raises(ArtefactError, match="7.3"):
        read_mat(path)
    with pytest.raises(ArtefactError, match="no such file"):
        read_mat(tmp_path / "none.mat")
    with pytest.raises(ArtefactError, match="folder"):
        read_mat(tmp_path)


@pytest.mark.parametrize("compressed", [False, True])
def test_truncated_and_altered_files_are_refused_or_read(tmp_path: Path, compressed: bool) -> None:
    """Whatever the bytes: a network, or one sentence."""
    buffer = io.BytesIO()
    savemat(buffer, published(make(n=3)), do_compression=compressed)
    whole = buffer.getvalue()
    path = tmp_path / "n.mat"
    for end in range(1, len(whole) - 8, 37):
        path.write_bytes(whole[:end])
        with pytest.raises(ArtefactError):
            read_mat(path)
    rng = np.random.default_rng(0)
    for _ in range(400):
        altered = bytearray(whole)
        for position in rng.integers(124, len(whole), size=3):
            altered[position] = rng.integers(256)
        path.write_bytes(altered)
        try:
            read_mat(path)
        except ArtefactError as error:
            assert "\n" not in str(error)


def element(kind: int, content: bytes, order: str) -> bytes:
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def variable(name: str, shape: tuple[int, ...], content: bytes, order: str = "<", mat_class: int = 6) -> bytes:
    parts = element(6, struct.pack(f"{order}II", mat_class, 0), order)
    parts += element(5, struct.pack(f"{order}{len(shape)}i", *shape), order) + element(1, name.encode(), order)
    return element(14, parts + content, order)


LITTLE, BIG_ENDIAN = (
    b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM",
    b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI",
)


def test_plain_variables_are_those_that_scipy_reads(tmp_path: Path) -> None:
    """An independent decoder agrees on values, shapes and classes, of arrays that are stored as MATLAB stores them."""
    rng = np.random.default_rng(0)
    content: dict[str, Any] = {
        f"{kind}{n}": (100 * rng.random((3, 4))).astype(f"{kind}{n}") for kind in "iu" for n in (1, 2, 4, 8)
    }
    content |= {"f4": rng.random((2, 3, 4), np.float32), "f8": rng.random((5, 1)), "empty": np.zeros((0, 3))}
    content |= {"logical": rng.random((3, 2)) > 0.5, "one": 3.0, "n": np.int64(-4)}
    content |= {"word": "sigmoid", "none": "", "words": np.array(["same", "diff"]), "accents": "é€"}
    for compression in (False, True):
        path = save(tmp_path / "v.mat", content, do_compression=compression)
        found, others = read_variables(path.read_bytes())
        expected = {k: v for k, v in loadmat(path, mat_dtype=True).items() if not k.startswith("__")}
        assert found.keys() == expected.keys() and others == {}
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)
            assert found[name].shape == array.shape and found[name].dtype.kind == array.dtype.kind, name
            assert array.dtype.kind in "U" or found[name].dtype == array.dtype, name
    path = save(tmp_path / "c.mat", {"complex": rng.random((2, 2)) + 2j})
    np.testing.assert_array_equal(read_variables(path.read_bytes())[0]["complex"], loadmat(path)["complex"])


def test_doubles_in_few_bytes_and_big_endian_files() -> None:
    """MATLAB stores doubles that are whole numbers as bytes; old machines stored everything the other way round."""
    small = struct.pack("<HH", 2, 2) + bytes([7, 9, 0, 0])  # two uint8 in a small element
    found, _ = read_variables(LITTLE + variable("a", (2, 1), small))
    assert found["a"].tolist() == [[7.0], [9.0]] and found["a"].dtype == np.float64
    values = element(9, struct.pack(">3d", 1.5, 2.5, -3.5), ">")
    found, _ = read_variables(BIG_ENDIAN + variable("a", (1, 3), values, ">"))
    assert found["a"].tolist() == [[1.5, 2.5, -3.5]]
    columns = element(9, struct.pack("<6d", *range(6)), "<")
    found, _ = read_variables(LITTLE + variable("a", (2, 3), columns) + variable("a", (3, 2), columns))
    assert found["a"].tolist() == [[0, 3], [1, 4], [2, 5]]  # columns first, and the later of two counts


def test_what_claims_more_than_there_is_is_refused(tmp_path: Path) -> None:
    eight = element(9, bytes(64), "<")
    bomb = zlib.compress(struct.pack("<II", 14, 2**31 - 8) + bytes(10**6))
    for body, word in (
        (variable("w", (2**30, 2**30), eight), "claims the shape"),
        (variable("w", (-1, 2), eight), "claims the shape"),
        (variable("w", (3, 3), eight), "holds 64 bytes"),
        (struct.pack("<II", 15, len(bomb)) + bomb, "shorter than it claims"),
        (struct.pack("<II", 15, 4) + b"abcd", "cannot be unpacked"),
        (struct.pack("<II", 14, 10**6) + bytes(8), "ends within"),
        (element(9, bytes(8), "<"), "an element of type 9"),
        (bytes(3), "ends within"),
    ):
        path = tmp_path / "w.mat"
        path.write_bytes(LITTLE + body)
        with pytest.raises(ArtefactError, match="damaged or truncated") as error:
            read_mat(path)
        assert word in str(error.value)


# -- names ---------------------------------------------------------------------------------------------------

TIME = datetime.datetime(2019, 9, 5, 12, 3, 59)


def test_paths_are_the_published_ones() -> None:
    assert mat_name(make(n=200), 0.20, TIME).as_posix() == (
        "models/go-nogo/P_rec_0.2_Taus_4.0_20.0/Task_go-nogo_N_200_Taus_4.0_20.0_Act_sigmoid_2019_09_05_120359.mat"
    )
    network = make(dale=False, taus=(35, 35), task="context_integration", activation="clipped_relu")
    assert mat_name(network, 1, TIME).as_posix() == (
        "models/mante/NoDale/P_rec_1.0_Tau_7.0/Task_mante_N_12_Tau_7.0_Act_clipped_relu_2019_09_05_120359.mat"
    )
    assert "/xor/" in mat_name(make(task="xor"), 0.2, TIME).as_posix()
    with pytest.raises(ArtefactError, match="which task"):
        mat_name(make(task=""), 0.2, TIME)


def test_a_second_file_in_one_second_gets_the_next_one(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        with new_mat_path(tmp_path, make(), 0.2, TIME) as path:
            write_mat(path, make())
            names.append(path.stem[-6:])
    assert names == ["120359", "120400", "120401"]
    with pytest.raises(ArtefactError), new_mat_path(tmp_path, make(), 0.2, TIME) as path:
        write_mat(path, make(), {"u": np.zeros((9, 9))})
    assert not path.exists() and len(list(path.parent.iterdir())) == 3
    assert read_mat(tmp_path / mat_name(make(), 0.2, TIME)).network.task == "go_nogo"
