"""Initial networks with silent units: over-inhibited ones, and a master inhibitor that may be frozen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnpipe.analysis.participation import participation
from rnnpipe.cli.main import main
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.io.ctrnn import read_ctrnn
from rnnpipe.io.network import read_tensors, write_tensors
from rnnpipe.networks.ctrnn import ARRAYS, Ctrnn
from rnnpipe.networks.ctrnn_constraints import Constraints
from rnnpipe.networks.ctrnn_init import initial_ctrnn
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.networks.engines import hold_libraries
from rnnpipe.settings import parse
from rnnpipe.tasks.cddm import Cddm
from rnnpipe.training.regression import Member
from rnnpipe.training.regression_settings import RegressionSettings

DALE: dict[str, Any] = {"n_units": 50, "activation": "relu", "dale": True, "nonnegative_io": True}
MASTER = 40
TASK = Cddm(dt=5.0, coherences=[-0.4, 0.0, 0.4])


def made(seed: int = 0, n_inputs: int = 6, **settings: Any) -> tuple[Ctrnn, Constraints]:
    return initial_ctrnn(CtrnnSettings(**{**DALE, **settings}), n_inputs, 2, 5.0, seed)


def rates(network: Ctrnn) -> NDArray[Any]:
    """Noise-free rates in all conditions of the task."""
    trials = TASK.batch(np.random.default_rng(0))
    states, _ = network.astype(np.float64).simulate(trials.inputs[:, ::5].astype(float))
    return network.rates(states)


def targets(network: Ctrnn) -> NDArray[np.bool_]:
    return network.w_rec[:, MASTER] < 0


def radius(w: NDArray[Any]) -> float:
    return float(np.abs(np.linalg.eigvals(w.astype(float))).max())


# -- over-inhibited units ------------------------------------------------------------------------------------


def test_inhibition_of_a_fraction_of_the_units_is_boosted_and_nothing_else() -> None:
    plain, silenced = made()[0], made(silent_fraction=0.25, inhibitory_boost=3.0)[0]
    off = plain.w_rec != 0
    ratio = np.divide(silenced.w_rec, plain.w_rec, out=np.ones_like(plain.w_rec), where=off)
    boosted = ratio[:, 40:].max(1) > 2
    assert boosted.sum() == round(0.25 * 50)
    np.testing.assert_allclose(ratio[boosted, 40:][off[boosted, 40:]], 3.0, rtol=1e-6)
    assert (ratio[:, :40] == 1).all() and (ratio[~boosted] == 1).all()
    assert all((getattr(plain, name) == getattr(silenced, name)).all() for name in ARRAYS if name != "w_rec")
    other = made(seed=1, silent_fraction=0.25)[0].w_rec / np.where(off, made(seed=1)[0].w_rec, 1)
    assert ((other[:, 40:].max(1) > 1.5) != boosted).any()


def test_boosted_inhibition_silences_these_units_and_no_others() -> None:
    """They are not truly silent: they respond in the first steps, before inhibition arrives."""
    network = made(silent_fraction=0.25)[0]
    boosted = (network.w_rec / np.where(made()[0].w_rec != 0, made()[0].w_rec, 1))[:, 40:].max(1) > 1.5
    late = rates(network)[40:]
    assert participation(late[..., boosted]).max() < 0.05 * np.median(participation(late[..., ~boosted]))


# -- master inhibitor ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.25, 1.0])
def test_a_master_inhibitor_has_its_connections_and_no_others(fraction: float) -> None:
    network, constraints = made(master_fraction=fraction)
    assert (constraints.sign_rec[MASTER - 1 : MASTER + 1] == [1, -1]).all(), "it is the first inhibitory unit"
    assert not network.w_rec[MASTER].any() and not constraints.mask_rec[MASTER].any()
    assert (network.w_in[MASTER] == [1, 1, 0, 0, 0, 0]).all()
    assert (constraints.mask_in[MASTER] == [True, True, False, False, False, False]).all()
    silenced = targets(network)
    assert silenced.sum() == round(fraction * 49) and (network.w_rec[silenced, MASTER] == -5).all()
    assert (constraints.mask_rec[:, MASTER] == silenced).all()
    assert radius(network.w_rec) == pytest.approx(1.2, rel=1e-5)
    plain = made()[0]
    rest = np.delete(np.arange(50), MASTER)
    scale = network.w_rec[np.ix_(rest, rest)].sum() / plain.w_rec[np.ix_(rest, rest)].sum()
    np.testing.assert_allclose(network.w_rec[np.ix_(rest, rest)], scale * plain.w_rec[np.ix_(rest, rest)], rtol=1e-4)
    assert (network.w_in[rest] == plain.w_in[rest]).all() and (network.w_out == plain.w_out).all()
    assert not constraints.held


@pytest.mark.parametrize("form", ["rate", "current"])
def test_it_silences_its_targets_and_no_others(form: str) -> None:
    network = made(master_fraction=0.5, form=form, master_drive=2.0, master_strength=10.0)[0]
    p, silenced = participation(rates(network)[40:]), targets(network)
    assert p[MASTER] == pytest.approx(2.0, rel=0.05), "one of the two contexts drives it throughout"
    others = ~silenced
    others[MASTER] = False
    assert p[silenced].max() < 1e-6 < 0.01 < np.median(p[others])


# -- frozen --------------------------------------------------------------------------------------------------


def member(seed: int = 0, **network: Any) -> Member:
    hold_libraries()
    units = CtrnnSettings(**{**DALE, "n_units": 20, "master_fraction": 0.5, **network})
    learning = RegressionSettings(max_iterations=20, weight_decay=1e-2, penalties={"orthogonality": 0.5})
    trained = Member(TASK, units, learning, seed)
    while not trained.finished:
        trained.advance()
    return trained


@pytest.mark.parametrize("projection", ["clip0", "clip_eps", "reflect", "none"])
def test_a_frozen_master_stays_as_it_is(projection: str) -> None:
    """Gradients, momentum and decay of weights all would move it."""
    trained = member(freeze_master=True, projection=projection, train_bias=True, bias=0.1, train_x_init=True)
    first, now = trained.first, trained.arrays()
    m = trained.settings.n_excitatory
    assert (now["w_rec"][:, m] == first.w_rec[:, m]).all() and (now["w_rec"][m] == first.w_rec[m]).all()
    assert (now["w_in"][m] == first.w_in[m]).all() and now["w_in"][m].tolist() == [1, 1, 0, 0, 0, 0]
    assert now["b_rec"][m] == first.b_rec[m] and now["x_init"][m] == 0
    moved = {name: now[name] != getattr(first, name) for name in ARRAYS}
    assert np.delete(moved["w_rec"], m, 1)[np.arange(20) != m].mean() > 0.8
    assert np.delete(moved["w_in"], m, 0).all() and np.delete(moved["b_rec"], m).mean() > 0.8
    trained.adam.arrays["w_rec"][:, m] *= 1.01
    assert "w_rec has values that are held and have changed" in trained.constraints.broken(trained.arrays())


def test_a_master_that_is_not_frozen_learns_but_gets_no_connections() -> None:
    trained = member()
    m, now = trained.settings.n_excitatory, trained.arrays()
    silenced = trained.first.w_rec[:, m] < 0
    assert (now["w_rec"][silenced, m] != -5).all() and not now["w_rec"][~silenced, m].any()
    assert not now["w_rec"][m].any() and not now["w_in"][m, 2:].any() and (now["w_in"][m, :2] != 1).all()


def test_files_say_what_is_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {
        "task": {"name": "cddm", "dt": 5.0, "coherences": [-0.4, 0.4]},
        "network": {**DALE, "n_units": 20, "master_fraction": 0.5, "freeze_master": True},
        "learning": {"rule": "regression", "max_iterations": 5},
    }
    path = tmp_path / "n.pth"
    files = [f"--network={path}", f"--history={tmp_path}/n.h5", "--seed=1", "--device=cpu"]
    assert main(["train", f"--settings={json.dumps(settings)}", *files]) == 0
    stored = read_ctrnn(path)
    held = stored.constraints.held
    assert set(held) == {"w_rec", "w_in", "b_rec", "x_init"}
    fixed = ~np.isnan(held["w_rec"])
    assert fixed.sum() == 20 + 19 and (stored.network.w_rec[fixed] == stored.initial.w_rec[fixed]).all()
    content = read_tensors(path, "ctrnn")
    content["network"]["w_rec"][:, 16] *= 0.5
    write_tensors(path, content)
    with pytest.raises(ArtefactError, match=r"n.pth: w_rec has values that are held and have changed"):
        read_ctrnn(path)
    content["constraints"]["held_w_rec"] = content["constraints"]["held_w_rec"][:3]
    write_tensors(path, content)
    with pytest.raises(ArtefactError, match="held_w_rec does not have the shape of w_rec"):
        read_ctrnn(path)


# -- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"silent_fraction": 0.25, "dale": False}, "silent_fraction needs dale: true"),
        ({"master_fraction": 0.25, "dale": False}, "master_fraction needs dale: true"),
        ({"silent_fraction": 0.009}, "silent_fraction = 0.009 of n_units = 50 is no unit"),
        ({"master_fraction": 0.009}, "master_fraction = 0.009 of n_units = 50 is no unit"),
        ({"master_fraction": 0.5, "n_units": 5}, "n_units = 5 at exc_inh_ratio = 4 only 1 is"),
        ({"inhibitory_boost": 0.5}, "inhibitory_boost = 0.5"),
    ],
)
def test_what_is_impossible_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse(CtrnnSettings, {**DALE, **settings}, "network")


def test_a_master_needs_its_inputs() -> None:
    with pytest.raises(SettingsError, match="the first 2 inputs drive the master inhibitor, but the task has 1"):
        made(n_inputs=1, master_fraction=0.5)
