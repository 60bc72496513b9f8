"""Broken and hostile files: thousands by `fuzz/campaign.py`, a few hundred here, and every defect that it has found."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.io
import torch
from fuzz.mutations import STRUCTURED, mutate_bytes, mutate_hdf5, mutate_mat
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from rnnpipe.cli.main import main
from rnnpipe.errors import ArtefactError, brief
from rnnpipe.io import seal as seal_module
from rnnpipe.io.ctrnn import write_ctrnn
from rnnpipe.io.episodes import open_episodes, write_episodes
from rnnpipe.io.exchange.trainrnnbrain import as_network as foreign
from rnnpipe.io.exchange.trainrnnbrain import read_parameters
from rnnpipe.io.hdf5 import create, open_sound
from rnnpipe.io.history import any_history, read_history, write_history
from rnnpipe.io.mat import read_mat, write_mat
from rnnpipe.io.mat5 import read_variables
from rnnpipe.io.network import kind_of, read_network, read_tensors, write_tensors
from rnnpipe.io.rate_network import read_rate_network, write_rate_network
from rnnpipe.io.record import PNG_KEYWORD, as_text, read_record
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.networks.parameters import initial_policy, initial_value
from rnnpipe.networks.rate_parameters import initial_network
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import task_class

BEFORE_ITS_START = (
    "UEsDBBQAAAAAABFofF2pMMX+BwAAAAcAAAAKAAAAYXQvbmRhLnBrbGNvbnRlbnRQSwECFAMUAAAAAAARaHxdqTDF/gf3//8GAAAACgAA"
    "AAAAAAAAAAAAgAEAAAAAbi9kYXRhLnBrbFBLBQYAAAAAAQABADgAAAAvAQIUAAA="
)
"""An archive with a record at a negative place; found by `fuzz/guided.py`."""

CAMPAIGN = Path(__file__).parent / "fuzz" / "campaign.py"
ROW = {
    "update": 0, "n_trials": 5, "mean_reward": 0.5, "value_rmse": 0.1, "criterion": False, "new_best": True, "note": 2,
}  # fmt: skip


def test_a_campaign_finds_no_defect(tmp_path: Path) -> None:
    words = ["--seed=7", "--cases=250", "--fast", f"--corpus={tmp_path}/corpus", f"--report={tmp_path}/report.json"]
    done = subprocess.run([sys.executable, CAMPAIGN, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    refused = sum(n for name, n in report["counts"].items() if name.endswith(": refused"))
    assert report["files"] == 250 and refused > 100, report["counts"]


def test_a_campaign_tells_defects_from_refusals(tmp_path: Path) -> None:
    """On readers that are wrong in every way."""
    code = f"""
import os, sys, time
sys.path.insert(0, {str(CAMPAIGN.parents[1])!r})
from fuzz import workers
workers.LIMIT = 8.0
def case(number):
    if number == 1: os.abort()
    if number == 2: time.sleep(100)
    if number == 3: raise ValueError("x")
    if number == 4: held = bytearray(500 * 2**20)
    if number == 5: held = bytearray(5 * 2**30)
    return {{"outcome": "refused"}}
for result in workers.run_cases(case, range(8)):
    print(result["number"], result["outcome"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found == {
        "0": "refused",
        "1": "killed",
        "2": "hang",
        "3": "trace",
        "4": "memory",
        "5": "trace",
    } | dict.fromkeys("67", "refused")


# -- HDF5 ----------------------------------------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A small file of our own."""
    write_history(tmp_path / "h.h5", [ROW, ROW], {"task": {"name": "rdm_fixed"}}, {"rnnpipe": "x"}, seed=1)
    return tmp_path / "h.h5"


def test_a_seal_stands_for_every_byte(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    assert data[-81:].startswith(b"\nrnnpipe sha256 ") and len(read_history(whole)) == 2
    rng = random.Random(0)
    bad = tmp_path / "bad.h5"
    for place in [0, 8, len(data) - 82, *rng.sample(range(len(data) - 81), 20)]:
        bad.write_bytes(data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :])
        with pytest.raises(ArtefactError, match="bad.h5: is damaged: its content is not what its seal"):
            read_history(bad)
    bad.write_bytes(data[:-10])
    with pytest.raises(ArtefactError, match="seal"):
        read_history(bad)


def test_a_file_that_another_program_has_changed_is_probed(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probed: list[Path] = []
    probe = seal_module._probe
    monkeypatch.setattr(seal_module, "_probe", lambda path: (probed.append(path), probe(path)))
    read_history(whole)
    assert not probed
    with h5py.File(whole, "r+") as file:
        file["validations/note"][:] = 5
    assert not whole.read_bytes().endswith(b"\n"), "HDF5 has cut the seal off"
    assert read_history(whole)["note"].tolist() == [5, 5]
    assert read_history(whole)["note"].tolist() == [5, 5]
    assert probed == [whole], "once"


def test_what_ends_the_probe_is_a_sentence(whole: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = whole.read_bytes()[:-81]
    for number, (program, words) in enumerate(
        [("import os; os.abort()", "the HDF5 library fails on it"), ("print('no'); raise SystemExit(1)", "no")]
    ):
        bad = tmp_path / f"{number}.h5"
        bad.write_bytes(data)
        (tmp_path / "probe.py").write_text(program)
        monkeypatch.setattr(seal_module, "__file__", str(tmp_path / "seal.py"))
        with pytest.raises(ArtefactError, match=f"{number}.h5: is damaged: {words}; make it again"):
            read_history(bad)


def test_a_name_that_is_no_text(whole: Path) -> None:
    data = whole.read_bytes()[:-81].replace(b"validations", b"validati\xffns").replace(b"note", b"no\xffe")
    whole.write_bytes(data)
    with open(whole, "r+b") as stream:
        trailer = seal_module.seal(stream)
        stream.seek(0, os.SEEK_END)
        stream.write(trailer)
    with pytest.raises(ArtefactError, match="h.h5: holds something of the name b'.*', which is no text; make it again"):
        read_history(whole)


def test_what_cannot_be_written_is_no_fault_of_what_is_read(whole: Path, tmp_path: Path) -> None:
    """It was said that the open file is damaged."""
    with (
        pytest.raises(TypeError, match="no native HDF5"),
        open_sound(whole),
        create(tmp_path / "o.h5", "x", {}, {}, n=10**30),
    ):
        pass


def test_a_history_of_any_rule_is_sound(whole: Path) -> None:
    """It was opened to see its rule before anything was checked."""
    data = whole.read_bytes()
    whole.write_bytes(data[:200] + b"\xff" + data[201:])
    with pytest.raises(ArtefactError, match="its content is not what its seal"):
        any_history(whole)


def test_seeds_of_episodes(tmp_path: Path) -> None:
    task = parse(task_class("cartpole"), {}, "task")
    path, network = tmp_path / "e.h5", SimpleNamespace(path=tmp_path, task=task)
    write_episodes(path, np.array([3, 5]), {}, {}, task="cartpole", environment_id=task.id)
    with open_episodes(path, network) as opened:
        assert opened.n_trials == 2
    write_episodes(path, np.array([3, -1]), {}, {}, task="cartpole", environment_id=task.id)
    with pytest.raises(ArtefactError, match="a seed below 0"), open_episodes(path, network):
        pass


def elsewhere(file: h5py.File, name: str, target: Path) -> None:
    layout = h5py.VirtualLayout(shape=(2,), dtype="f8")
    layout[...] = h5py.VirtualSource(str(target), "x", shape=(2,))
    file.create_virtual_dataset(name, layout)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f, n, t: f.__setitem__(n, h5py.ExternalLink(str(t), "/x")), "is a link"),
        (lambda f, n, t: f.__setitem__(n, h5py.SoftLink("/validations/update")), "is a link"),
        (lambda f, n, t: f.create_dataset(n, (2,), "f8", external=[(str(t), 0, 16)]), "another file"),
        (elsewhere, "another file"),
        (lambda f, n, t: f.create_dataset(n, (2**40,), "f8", chunks=(16,)), "more values than the file has room for"),
        (lambda f, n, t: f.create_dataset(n, (2**36,), "i1", chunks=(16,), compression="gzip"), "has room for"),
        (lambda f, n, t: f.create_group(n), "is a group, expected values"),
        (lambda f, n, t: f.create_dataset(n, data=h5py.Empty("f8")), "is not an array"),
        (lambda f, n, t: f.__setitem__(n, np.dtype("f8")), "is not an array"),
        (lambda f, n, t: f.create_dataset(n, (2,), h5py.vlen_dtype(np.dtype("f8"))), "neither numbers nor text"),
        (lambda f, n, t: f.attrs.__setitem__("settings", "[" * 50_000), "'settings' is not JSON of a mapping"),
        (lambda f, n, t: f.attrs.__setitem__("settings", 3), "'settings' is not JSON of a mapping"),
        (lambda f, n, t: f.attrs.__setitem__("provenance", "[1]"), "'provenance' is not JSON of a mapping"),
        (lambda f, n, t: f.attrs.__setitem__("settings", '{"task": 3}'), "the settings of task are no mapping"),
        (lambda f, n, t: f.attrs.__setitem__("seed", "one"), "attribute 'seed' cannot be 'one'"),
        (lambda f, n, t: f.attrs.__setitem__("dt", math.nan), "attribute 'dt' cannot be nan"),
        (lambda f, n, t: f.attrs.__setitem__("kind", np.zeros(3)), "not a file of rnnpipe"),
        (lambda f, n, t: f.attrs.__setitem__("schema_version", h5py.Empty("i4")), "schema version"),
    ],
)  # fmt: skip
def test_what_a_file_claims(
    change: Callable[[h5py.File, str, Path], None], words: str, whole: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"secret, which no reader may show")
    with h5py.File(whole, "r+") as file:
        del file["validations/note"]
        change(file, "validations/note", target)
    with open(whole, "r+b") as stream:  # as if we had written it: the probe has no say
        trailer = seal_module.seal(stream)
        stream.seek(0, os.SEEK_END)
        stream.write(trailer)
    with pytest.raises(ArtefactError, match=words) as error:
        read_history(whole)
    assert str(error.value).startswith(f"{whole}: ")


def test_a_reader_that_fails_while_a_result_is_written_blames_the_file(whole: Path, tmp_path: Path) -> None:
    """It was said that the result cannot be written."""
    with pytest.raises(OSError, match="^what was read$"), create(tmp_path / "o.h5", "x", {}, {}):
        raise OSError("what was read")
    assert not (tmp_path / "o.h5").exists()


# -- tensors -------------------------------------------------------------------------------------------------


def rewritten(data: bytes, change: Callable[[str, bytes], tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content, how = change(name, old.read(name))
            new.writestr(name, content, how)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"x": torch.zeros(1).expand(2**20, 2**20)}, "larger or deeper"),
        ({"x": torch.zeros(3).to_sparse()}, "not an ordinary one"),
        ({"x": torch.zeros(3, device="meta")}, "not an ordinary one"),
        ({"x": b"bytes"}, "type bytes"),
        ({"x": 1j}, "type complex"),
    ],
)
def test_tensors_that_are_none(content: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.pth"
    torch.save({"kind": "network", "schema_version": 1, **content}, path)
    with pytest.raises(ArtefactError, match=words):
        read_tensors(path, "network")


def test_an_archive_is_whole_and_what_it_seems(tmp_path: Path) -> None:
    path, bad = tmp_path / "n.pth", tmp_path / "bad.pth"
    write_tensors(path, {"kind": "network", "schema_version": 1, "x": torch.arange(500.0)})
    data = path.read_bytes()
    assert kind_of(path) == "network"
    at = data.index(np.arange(500, dtype=np.float32).tobytes())
    nested: list[Any] = []
    for _ in range(60):
        nested = [nested, nested]
    deep = io.BytesIO()
    torch.save({"kind": "network", "x": nested}, deep)
    old = io.BytesIO()
    torch.save({"kind": "network", "schema_version": 1}, old, _use_new_zipfile_serialization=False)
    for content, words in (
        (data[: at + 40] + b"\x01" + data[at + 41 :], "is damaged"),  # a weight, which PyTorch would take
        (rewritten(data, lambda _, part: (part, zipfile.ZIP_DEFLATED)), "compressed"),
        (rewritten(data, lambda _, part: (part + bytes(10**7), zipfile.ZIP_DEFLATED)), "compressed"),
        (base64.b64decode(BEFORE_ITS_START), "before its start"),
        (old.getvalue(), "no archive"),
        (deep.getvalue(), "larger or deeper"),
    ):
        bad.write_bytes(content)
        with pytest.raises(ArtefactError, match=words):
            read_tensors(bad, "network")


def test_info_describes_a_rate_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It said that it was no network."""
    small = ["--network.n_units=10", "--learning.max_trials=4", "--learning.evaluation_interval=2"]
    small += ["--learning.evaluation_trials=2", "--learning.rule=bptt", "--seed=5"]
    paths = [f"--network={tmp_path}/n.pth", f"--history={tmp_path}/h.h5"]
    assert main(["train", "--task.name=go_nogo", *small, *paths]) == 0
    capsys.readouterr()
    assert main(["info", f"{tmp_path}/n.pth"]) == 0
    said = capsys.readouterr().out
    assert all(words in said for words in ("kind: rate_network", "task: go_nogo", "seed: 5", "units: 10", "accuracy"))


def gated(path: Path) -> dict[str, Any]:
    """A network that acts, not trained."""
    task, units, value = parse(task_class("rdm_fixed"), {}, "task"), GatedSettings(n_units=4), ValueSettings(n_units=4)
    n_actions = len(task.action_names)
    made = initial_policy(units, task.input_names, n_actions, 1), initial_value(value, units, n_actions, 1, -1.0)
    parts = dict(zip(("policy", "value"), made, strict=True))
    plain = {"network": units.model_dump(mode="json"), "value_network": value.model_dump(mode="json")}
    content = {
        "kind": "network",
        "schema_version": 1,
        "settings": json.dumps({**plain, "task": {"name": "rdm_fixed"}}),
        "seed": 1,
        "masks": {name: masks for name, (_, masks) in parts.items()},
        "score": {"n_trials_trained": 5, "reached_criterion": False, "mean_reward": 0.5},
        "provenance": "{}",
    }
    content |= {name: dict(parameters) for name, (parameters, _) in parts.items()}
    torch.save(content, path)
    return content


def rate(path: Path) -> dict[str, Any]:
    network = initial_network(RateSettings(n_units=4), 1, 1, 5.0, np.random.default_rng(0), seed=1)
    known = {"task": {"name": "go_nogo"}, "network": RateSettings(n_units=4).model_dump(mode="json")}
    write_rate_network(path, network, known, {"accuracy": 0.5, "n_trials_trained": 5}, {}, {})
    return read_tensors(path, "rate_network")


def ctrnn(path: Path) -> dict[str, Any]:
    task, units = parse(task_class("flip_flop"), {"n_bits": 1}, "task"), CtrnnSettings(activation="tanh")
    arrays = {"W_rec": np.eye(4) / 2, "W_inp": np.ones((4, 1)), "W_out": np.ones((1, 4))}
    made = foreign(arrays, units, task.dt, path)
    known = {"task": {"name": "flip_flop", "n_bits": 1}, "network": made.settings.model_dump(mode="json")}
    write_ctrnn(path, made.network, made.network, made.constraints, known, 1, {"mse": 0.5}, {}, {})
    return read_tensors(path, "ctrnn")


NETWORKS = {"gated": gated, "rate": rate, "ctrnn": ctrnn}
PLAIN_VALUES = [
    ("seed", 1e308, "its seed is 1e.308"),
    ("seed", 10**30, "its seed is 1000"),
    ("seed", "1", "its seed is '1'"),
    (
        "settings",
        '{"task": {"name": "rdm_fixed"}, "learning": {"rate": NaN}}',
        "not JSON of a mapping of finite values",
    ),
    ("settings", '{"learning": {"rate": 1e999}}', "not JSON of a mapping of finite values"),
    ("settings", '{"learning": [1, 2]}', "the settings of learning are no mapping"),
    ("settings", "[" * 50_000, "'settings' is not JSON"),
    ("score", [1, 2], r"its score is \[1, 2\]"),
    ("score", {"accuracy": [1, 2]}, r"its score has 'accuracy' = \[1, 2\]"),
    ("score", {"mse": "0.5"}, "its score has 'mse' = '0.5'"),
    ("score", {"n_trials_trained": "[[["}, "'n_trials_trained' = "),
    ("score", {"n_trials_trained": math.nan}, "n_trials_trained = nan"),
    ("score", {"n_trials_trained": 10**30}, "too large a number"),
]


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(("name", "value", "words"), PLAIN_VALUES)
def test_plain_values_of_a_network(
    kind: str, name: str, value: Any, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "n.pth"
    content = NETWORKS[kind](path)
    assert main(["info", str(path)]) == 0
    torch.save({**content, name: value}, path)
    assert main(["info", str(path)]) == 3
    assert re.match(f"rnnpipe: {path}: .*{words}.* again[^\n]*\n$", capsys.readouterr().err)


@pytest.mark.parametrize("words", [["info"], ["info", "--trace"]])
@pytest.mark.parametrize("kind", ["gated", "ctrnn"])
@pytest.mark.parametrize("value", ["3", "[1]", '{"a": NaN}', "{", 3])
def test_what_made_a_network(kind: str, value: Any, words: list[str], tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "n.pth"
    torch.save({**NETWORKS[kind](path), "provenance": value}, path)
    assert main([*words, str(path)]) == 3
    assert f"rnnpipe: {path}: 'provenance' is not JSON of a mapping" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("part", "name", "value", "words"),
    [
        ("policy", "\u202e", "text", "policy has .*, expected only w_in"),
        ("value", "x", {"a": 1}, "value has 'x', expected only w_in"),
        ("value", "x" * 9999, True, "value has 'x*, expected only"),
        ("policy", "b_in", True, "policy.b_in is True, expected a tensor"),
        ("policy", "b_in", torch.zeros(12, dtype=torch.complex64), "policy.b_in is torch.complex64"),
        ("policy", "b_in", torch.zeros(3), r"policy.b_in has shape \(3,\)"),
        ("value", "b_in", torch.full((12,), math.nan), "value.b_in holds NaN"),
        ("masks.policy", "w_rec", torch.zeros(4, 4, dtype=torch.bool), "masks.policy.w_rec is torch.bool"),
        ("masks.policy", "w_new", torch.zeros(4, 4), "masks.policy has 'w_new'"),
        ("masks", "policy", 3, "masks.policy is 3, expected tensors by name"),
    ],
)
def test_tensors_of_a_network(part: str, name: str, value: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "n.pth"
    content: Any = gated(path)
    inner = content
    for key in part.split("."):
        inner = inner[key]
    inner[name] = value
    torch.save(content, path)
    with pytest.raises(ArtefactError, match=words):
        read_network(path)


def test_arrays_of_a_rate_network(tmp_path: Path) -> None:
    path = tmp_path / "n.pth"
    content = rate(path)
    for name, value, words in (
        ("w", torch.zeros(4, 4, dtype=torch.complex64), "w holds complex64, expected float32"),
        ("w_initial", torch.zeros(3), r"w_initial has shape \(3,\), expected \(4, 4\)"),
        ("gamma_initial", torch.full((4,), math.inf), "gamma_initial holds NaN or infinite"),
        ("w", "text", "is damaged or incomplete"),
    ):
        torch.save({**content, "network": {**content["network"], name: value}}, path)
        with pytest.raises(ArtefactError, match=words):
            read_rate_network(path)


# -- parameters of other programs ----------------------------------------------------------------------------


def test_what_a_library_says_of_bytes_is_one_printable_line(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    np.savez(path, W_rec=np.zeros((9, 9)))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"W_rec", b"\n_rec", 1))  # zipfile quotes the name and all that follows it
    with pytest.raises(ArtefactError) as error:
        read_parameters(path)
    said = str(error.value)
    assert said.startswith(f"{path}: cannot be read as parameters (") and said.isprintable() and len(said) < 500
    assert brief(ValueError("a\nb\0" + "x" * 999)) == "a b?" + "x" * 193 + "..."
    assert brief(MemoryError()) == "MemoryError"


@pytest.mark.parametrize(
    "change",
    [{"dt": 0}, {"W_rec": np.zeros((0, 4))}, {"W_rec": np.eye(4) + 1j}, {"tau": 10**400}, {"y_init": np.zeros(0)}],
)
def test_parameters_that_are_no_numbers(change: dict[str, Any]) -> None:
    arrays = {"W_rec": np.eye(4), "W_inp": np.ones((4, 1)), "W_out": np.ones((1, 4)), "tau": 10}
    with pytest.raises(ArtefactError, match="p.pkl: holds parameters that are no arrays of numbers"):
        foreign({**arrays, **change}, CtrnnSettings(), 1.0, Path("p.pkl"))


# -- MATLAB --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def matlab(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("mat") / "n.mat"
    write_mat(path, initial_network(RateSettings(n_units=8), 1, 1, 5.0, np.random.default_rng(0)))
    return path.read_bytes()


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32), st.booleans())
def test_a_matlab_file_of_any_bytes_is_read_or_refused(matlab: bytes, seed: int, knowing: bool) -> None:
    rng = random.Random(seed)
    data = mutate_mat(rng, matlab, Path()) if knowing else mutate_bytes(rng, matlab)
    try:
        plain, _ = read_variables(data)
    except ValueError:
        return
    assert sum(array.nbytes for array in plain.values()) < 8 * 1032 * len(data)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("tr", "'; touch x; '", "'; touch x; '"),
        ("tr", math.nan, "nan"),
        ("eval_perf_mean", "%s%n", "%s%n"),
        ("eval_loss_mean", 1j, "1j"),
    ],
)
def test_a_score_in_a_matlab_file_is_a_number(name: str, value: Any, found: str, matlab: bytes, tmp_path: Path) -> None:
    content = {k: v for k, v in loadmat(io.BytesIO(matlab)).items() if not k.startswith("__")}
    path = tmp_path / "n.mat"
    savemat(path, {**content, "tr": 5, "eval_perf_mean": np.zeros((0, 0))})
    assert read_rate_network(path).score == {"n_trials_trained": 6.0}  # nothing in it is nothing known
    savemat(path, {**content, name: value})
    with pytest.raises(ArtefactError) as error:
        read_rate_network(path)
    assert f"{path}: variable {name!r} is " in str(error.value) and found in str(error.value)


# -- the campaign itself -------------------------------------------------------------------------------------


def test_a_change_that_hdf5_refuses_is_replaced() -> None:
    """Such as text in place of a compound, where one change follows another: it was taken for a defect of a reader."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("compound", (2,), [("a", "f8"), ("b", "i4")])
        file.create_dataset("lists", (2,), h5py.vlen_dtype(np.dtype("f4")))
        file.create_dataset("huge", (2**40,), "f8", chunks=(16,))
    for seed in range(30):
        data = mutate_hdf5(random.Random(seed), stream.getvalue(), Path("canary"))
        assert data.startswith(b"\x89HDF") and data != stream.getvalue()


@pytest.mark.parametrize("suffix", [".pdf", ".png"])
def test_the_record_of_a_figure_is_changed(suffix: str, tmp_path: Path) -> None:
    path, figure = tmp_path / f"f{suffix}", plt.figure()
    text = as_text({"kind": "figure (1)", "provenance": {"stage": "figures", "inputs": []}})
    figure.savefig(path, metadata={"Keywords" if suffix == ".pdf" else PNG_KEYWORD: text})
    plt.close(figure)
    data = path.read_bytes()
    assert read_record(path)
    for seed in range(20):
        path.write_bytes(STRUCTURED[suffix](random.Random(seed), data, tmp_path))
        try:
            assert read_record(path) != json.loads(text)
        except ArtefactError as error:
            assert str(error).startswith(f"{path}: ")


def test_attributes_are_plain_values(whole: Path, tmp_path: Path) -> None:
    for value in (h5py.Empty("f8"), "reference"):
        bad = tmp_path / "bad.h5"
        bad.write_bytes(whole.read_bytes())
        with h5py.File(bad, "r+") as file:
            file.attrs["note"] = file.ref if value == "reference" else value
        with pytest.raises(ArtefactError, match="bad.h5: attribute 'note' is no plain value"):
            read_history(bad)


def test_a_matlab_file_may_have_no_seed_that_is_one(tmp_path: Path) -> None:
    network = initial_network(RateSettings(n_units=5), 1, 1, 5.0, np.random.default_rng(0))
    path = tmp_path / "n.mat"
    for seed, read in ((1e46, -1), (np.nan, -1), (7.0, 7)):
        write_mat(path, network)
        content = scipy.io.loadmat(path)
        scipy.io.savemat(path, {k: v for k, v in content.items() if not k.startswith("_")} | {"seed": seed})
        assert read_mat(path).network.seed == read
