"""Options of the learning rule: penalties, entropy, risk, simple networks, no validations, start from a network."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnnpipe.analysis.fixed_points import find_fixed_points
from rnnpipe.analysis.fixed_points_settings import FixedPointSettings
from rnnpipe.analysis.gated_map import GatedMap
from rnnpipe.cli.main import main
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.evaluation.simulate import simulate
from rnnpipe.io.history import read_history
from rnnpipe.io.match import check_start
from rnnpipe.io.network import Network, read_network
from rnnpipe.networks.engine import CpuEngine
from rnnpipe.networks.engine_torch import TorchEngine
from rnnpipe.networks.parameters import effective, initial_policy, initial_value
from rnnpipe.networks.penalties import rates_penalty, vanishing_gradients, vanishing_gradients_slope
from rnnpipe.networks.reference import gated_step, simple_step
from rnnpipe.networks.settings import NO_PENALTY, GatedSettings, Penalty, ValueSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import task_class
from rnnpipe.training import reference
from rnnpipe.training.loop import write_results
from rnnpipe.training.objective import advantage, entropy_loss, returns, risk_sensitive, value_loss
from rnnpipe.training.policy_gradient import PolicyGradient
from rnnpipe.training.settings import PolicyGradientSettings
from rnnpipe.training.tracker import Tracker
from tests.test_engine import ALPHA, ENGINES, F64, SD, SD_VALUE, a_case, run

CPU = torch.device("cpu")


def learner(seed: int = 5, network: Any = None, value: Any = None, threads: int = 1, initial: Any = None, **learning):
    return PolicyGradient(
        task_class("rdm_fixed")(dt=50.0),
        GatedSettings(**{"n_units": 16, **(network or {})}),
        ValueSettings(**{"n_units": 12, **(value or {})}),
        PolicyGradientSettings(**{"validation_trials": 50, **learning}),
        seed,
        CPU,
        threads,
        initial,
    )


def go(a: PolicyGradient, until: int) -> PolicyGradient:
    while a.n_updates < until:
        if a.validation_due:
            a.validate()
        a.update()
    return a


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    loaded: dict[str, Any] = torch.load(buffer, weights_only=True)
    return loaded


# -- penalties, entropy and risk in the gradients ------------------------------------------------------------

ALL = Penalty(l1_rec=0.3, l2_rec=0.7, l2_rate=0.4)
OPTIONS: dict[str, dict[str, Any]] = {
    "weights": {"policy_penalty": Penalty(l1_rec=0.3, l2_rec=0.7), "value_penalty": Penalty(l1_rec=0.2, l2_rec=0.5)},
    "rates": {"policy_penalty": Penalty(l2_rate=0.4), "value_penalty": Penalty(l2_rate=0.6)},
    "entropy": {"entropy_bonus": 0.3},
    "risk": {"kappa": 0.4},
    "all": {"policy_penalty": ALL, "value_penalty": ALL, "entropy_bonus": 0.2, "kappa": -0.6},
}
SIMPLE = {**OPTIONS["all"], "policy_penalty": dataclasses.replace(ALL, gradient=2.0)}
CASES = [
    *((name, "gated", "gated", options) for name, options in OPTIONS.items()),
    ("all", "simple", "simple", {**SIMPLE, "value_penalty": SIMPLE["policy_penalty"]}),
    ("all", "simple", "linear", {**SIMPLE, "value_penalty": Penalty(l2_rate=0.6)}),
    (
        "vanishing gradients",
        "simple",
        "simple",
        {k: Penalty(gradient=2.0) for k in ("policy_penalty", "value_penalty")},
    ),
]


@pytest.fixture(scope="module")
def plain() -> dict[tuple[str, str], Any]:
    """Cases by kinds of the networks, with the gradients without options."""
    made = {}
    for kinds in {c[1:3] for c in CASES}:
        case = a_case(n_trials=4, n_units=12, policy_kind=kinds[0], kind=kinds[1], dt=40.0)
        made[kinds] = case, reference.gradients(case[1], case[2], case[0], *case[3:], ALPHA)
    return made


@pytest.mark.parametrize(("name", "policy_kind", "kind", "options"), CASES)
def test_gradients_of_the_options_equal_autograd_of_the_written_formula(
    name: str, policy_kind: str, kind: str, options: dict[str, Any], plain: Any
) -> None:
    case, without = plain[policy_kind, kind]
    _, d_policy, d_value, _ = reference.gradients(case[1], case[2], case[0], *case[3:], ALPHA, **options)
    for engine_class in ENGINES:
        _, _, g_policy, g_value = run(engine_class(ALPHA, SD, SD_VALUE, dtype=F64), *case, **options)
        for ours, theirs in ((g_policy, d_policy), (g_value, d_value)):
            for key, gradient in ours.items():
                torch.testing.assert_close(
                    gradient, theirs[key], rtol=1e-10, atol=1e-10, msg=lambda m, n=key: f"{n}: {m}"
                )
    changed = [not torch.allclose(d[k], w[k]) for d, w in ((d_policy, without[1]), (d_value, without[2])) for k in d]
    assert any(changed[: len(d_policy)]), "the option does not act on the policy network"
    if name != "entropy":
        assert any(changed[len(d_policy) :]), "the option does not act on the value network"


@pytest.mark.parametrize("engine_class", ENGINES)
def test_gradients_of_the_options_equal_finite_differences_of_formulas_written_out(engine_class) -> None:
    case = a_case(n_trials=3, n_units=8, dt=40.0)
    trials, policy, value, noise, _, value_noise = case
    absent = policy["w_rec"] == 0
    options: dict[str, Any] = OPTIONS["all"]
    episode, passed, g_policy, g_value = run(engine_class(ALPHA, SD, SD_VALUE, dtype=F64), *case, **options)
    mask, kappa = episode.mask, options["kappa"]
    delta = advantage(episode.rewards, mask, passed.value)
    factor = torch.where(delta > 0, (1 - kappa) * delta, (1 + kappa) * delta)
    engine = CpuEngine(ALPHA, SD, SD_VALUE, dtype=F64)
    record = run(engine, *case)[0]
    rates = torch.from_numpy(engine.activity(record)["policy_rates"])

    def penalties(w: Any, visited: Any) -> float:
        n = len(w["w_rec"])
        mean_l2 = (sum(float((w[k] ** 2).sum()) for k in ("w_rec", "w_gates"))) / (3 * n * n)
        rate = float((torch.stack(visited).clamp(min=0) ** 2 * mask[..., None]).sum() / (n * mask.sum()))
        return 0.3 * float(w["w_rec"].abs().sum()) / n**2 + 0.7 * mean_l2 + 0.4 * rate

    def policy_objective(w: Any) -> float:
        visited = reference.policy_states(w, trials, noise, ALPHA)
        z = torch.softmax(reference.log_policy(w, visited), -1)
        taken = z.gather(-1, episode.actions.clamp(min=0)[..., None])[..., 0].log()
        entropy = -(z * z.log()).sum(-1)
        gain = ((taken * factor + 0.2 * entropy) * mask).sum(0).mean()
        return -float(gain) + penalties(w, visited)

    def value_objective(w: Any) -> float:
        visited = reference.value_states(w, rates, episode.actions, value_noise, trials.n_actions, ALPHA)
        error = returns(episode.rewards, mask) - reference.predicted(w, visited)
        weight = torch.where(error > 0, 1 - kappa, 1 + kappa)
        return float((weight * error**2 * mask).sum() / mask.sum()) + penalties(w, visited)

    rng = np.random.default_rng(0)
    for objective, weights, gradient in ((policy_objective, policy, g_policy), (value_objective, value, g_value)):
        for name, w in weights.items():
            for index in rng.choice(w.numel(), min(4, w.numel()), replace=False):
                if name in ("w_rec", "w_gates") and w.view(-1)[index] == 0:
                    continue  # the absolute value has a kink there
                up, down = ({**weights, name: w.clone()} for _ in range(2))
                up[name].view(-1)[index] += 1e-5
                down[name].view(-1)[index] -= 1e-5
                slope = (objective(up) - objective(down)) / 2e-5
                assert gradient[name].reshape(-1)[index].item() == pytest.approx(slope, rel=1e-5, abs=1e-8), name
    without = run(
        engine_class(ALPHA, SD, SD_VALUE, dtype=F64), *case, **{**options, "policy_penalty": Penalty(l2_rate=0.4)}
    )
    assert absent.any() and torch.equal(g_policy["w_rec"][absent], without[2]["w_rec"][absent]), (
        "absent weights cost nothing"
    )


def test_the_penalty_on_rates_counts_valid_steps_from_the_first_on() -> None:
    rates, mask = torch.zeros(3, 2, 4), torch.tensor([[1.0, 1], [1, 0], [1, 0]])
    rates[0, 1, 0], rates[1, 1] = 2.0, 100.0
    assert rates_penalty(rates, mask, Penalty(l2_rate=0.5)).item() == pytest.approx(0.5 * 4 / (4 * 4))


def test_the_entropy_of_a_uniform_policy() -> None:
    log_z = torch.full((3, 2, 4), -math.log(4), dtype=F64)
    mask = torch.tensor([[1.0, 1], [1, 0], [1, 0]], dtype=F64)
    assert entropy_loss(log_z, mask).item() == pytest.approx(-4 * math.log(4) / 2)


def test_the_penalty_on_vanishing_gradients() -> None:
    """With d along one axis: |(1 - alpha) d + alpha W^T d|^2 / |d|^2, and only active units pass it on."""
    w = torch.tensor([[0.5, 3.0], [0.0, 2.0]], dtype=F64)  # w[to, from]
    d = torch.tensor([[2.0, 0.0], [0.0, 0.0], [1e-11, 0.0]], dtype=F64)
    on = torch.tensor([[1.0, 0.0], [1, 1], [1, 1]], dtype=F64)
    passed_on = 0.9 + 0.1 * 0.5
    assert vanishing_gradients(w, d, on, 0.1, 3).item() == pytest.approx((passed_on**2 - 1) ** 2 / 3)
    both = 0.95**2 + (0.1 * 3) ** 2
    assert vanishing_gradients(w, d[:1], on[1:2], 0.1, 1).item() == pytest.approx((both - 1) ** 2)
    g = torch.Generator().manual_seed(0)
    d, on = torch.randn(6, 5, generator=g, dtype=F64), (torch.rand(6, 5, generator=g) > 0.4).to(F64)
    leaf = torch.randn(5, 5, generator=g, dtype=F64, requires_grad=True)
    vanishing_gradients(leaf, d, on, 0.1, 9).backward()
    torch.testing.assert_close(vanishing_gradients_slope(leaf.detach(), d, on, 0.1, 9), leaf.grad, rtol=1e-12, atol=0)


def test_options_at_zero_change_nothing_and_above_zero_train() -> None:
    zero = {"l1_rec": 0.0, "l2_rec": 0.0, "l2_rate": 0.0}
    runs = [
        learner(),
        learner(network=zero, value=zero, kappa=0.0, entropy_bonus=0.0, mode="episodic"),
        learner(network={k: 0.5 for k in zero}),
        learner(value={k: 0.5 for k in zero}),
        learner(kappa=0.5),
        learner(entropy_bonus=0.1),
    ]
    for a in runs:
        go(a, 6)
    assert torch.equal(runs[0].policy.flat, runs[1].policy.flat) and torch.equal(runs[0].value.flat, runs[1].value.flat)
    assert runs[0].history == runs[1].history
    for a in runs[2:]:
        assert not torch.equal(
            torch.cat([a.policy.flat, a.value.flat]), torch.cat([runs[0].policy.flat, runs[0].value.flat])
        )
    assert torch.equal(runs[3].masks["policy"]["w_rec"], runs[0].masks["policy"]["w_rec"])


@pytest.mark.parametrize("kind", ["gated", "simple"])
def test_penalties_shrink_weights_and_rates_and_leave_absent_connections(kind: str) -> None:
    strong = {"kind": kind, "l1_rec": 50.0, "l2_rec": 50.0, "l2_rate": 5.0}
    a, b = learner(network={"kind": kind}), learner(network=strong)
    start = b.policy.clone()
    for each in (a, b):
        go(each, 20)
    size = [effective(x.policy, x.masks["policy"])["w_rec"].abs().sum() for x in (a, b)]
    assert size[1] < 0.95 * size[0]
    assert b.policy["x0"].relu().mean() < a.policy["x0"].relu().mean()
    absent = b.masks["policy"]["w_rec"] == 0
    assert torch.equal(b.policy["w_rec"][absent], start["w_rec"][absent])


# -- risk ----------------------------------------------------------------------------------------------------


def test_risk_sensitive_errors() -> None:
    error = torch.tensor([2.0, -2.0, 0.0], dtype=F64)
    assert risk_sensitive(error, 0.25).tolist() == [1.5, -2.5, 0.0], "above 0: losses weigh more (risk-averse)"
    assert risk_sensitive(error, -0.25).tolist() == [2.5, -1.5, 0.0], "below 0: gains weigh more (risk-seeking)"
    assert risk_sensitive(error, 1.0).tolist() == [0.0, -4.0, 0.0]
    assert risk_sensitive(error, -1.0).tolist() == [4.0, 0.0, 0.0]
    assert risk_sensitive(error, 0.0) is error


@pytest.mark.parametrize("kappa", [-0.5, 0.0, 0.6])
def test_a_coin_flip_is_valued_where_the_two_sides_balance(kappa: float) -> None:
    """(1 - kappa) (1 - v) / 2 = (1 + kappa) v / 2 gives v = (1 - kappa) / 2."""
    rewards, mask = torch.tensor([[0.0, 1.0]], dtype=F64), torch.ones(1, 2, dtype=F64)
    v = torch.zeros((), dtype=F64, requires_grad=True)
    for _ in range(300):
        (slope,) = torch.autograd.grad(value_loss(v.expand(1, 2), rewards, mask, kappa), v)
        with torch.no_grad():
            v -= 0.2 * slope
    assert v.item() == pytest.approx((1 - kappa) / 2, abs=1e-6)


def test_the_value_network_learns_the_risk_sensitive_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that end at once with 0 or 1: the prediction that is learned through the engine is (1 - kappa) / 2."""
    found = []
    for kappa in (-0.6, 0.6):
        a = learner(
            network={"fixed": ["w_in", "b_in", "w_gates", "w_rec", "w_out", "b_out", "x0"]},
            value={"kind": "linear", "initial_value": 0.5},
            kappa=kappa,
            value_learning_rate=0.02,
            trials_per_update=200,
        )
        sample = a.task.sample

        def flip(rng: Any, n: int, sample: Any = sample) -> Any:
            trials = sample(rng, n)
            stops, rewards = np.ones_like(trials.stops), np.zeros_like(trials.rewards)
            rewards[:] = (np.arange(n) % 2)[:, None]  # ends at once, with 0 or 1
            return dataclasses.replace(trials, stops=stops, rewards=rewards)

        monkeypatch.setattr(type(a.task), "sample", lambda self, rng, n, flip=flip: flip(rng, n))
        for _ in range(120):
            a.update()
        monkeypatch.undo()
        x0 = a.value["x0"]
        found.append(float(a.value["w_out"][0] @ x0 + a.value["b_out"][0]))
    assert found == pytest.approx([0.8, 0.2], abs=0.02)


# -- simple networks -----------------------------------------------------------------------------------------


def test_a_simple_step_is_a_gated_one_with_open_gates() -> None:
    p, masks = initial_policy(GatedSettings(n_units=9, kind="simple", connection_probability=0.5), "ab", 3, 1)
    own_w = {k: v.to(F64) for k, v in p.items()}
    own_w["w_rec"] = own_w["w_rec"] * masks["w_rec"]
    g = torch.Generator().manual_seed(0)
    x, u, q = (torch.randn(4, n, generator=g, dtype=F64) for n in (9, 2, 9))
    expected = 0.8 * x + 0.2 * (x.clamp(min=0) @ own_w["w_rec"].T + u @ own_w["w_in"].T + own_w["b_in"] + q)
    torch.testing.assert_close(simple_step(own_w, x, u, q, 0.2), expected, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(gated_step(effective(own_w, {}), x, u, q, 0.2), expected, rtol=1e-13, atol=1e-13)


def test_initial_simple_networks() -> None:
    settings = GatedSettings(n_units=60, kind="simple", connection_probability=0.2)
    p, masks = initial_policy(settings, "abc", 4, 7)
    assert {k: tuple(v.shape) for k, v in p.items()} == {
        "w_in": (60, 3), "b_in": (60,), "w_rec": (60, 60), "w_out": (4, 60), "b_out": (4,), "x0": (60,),
    }  # fmt: skip
    assert (p["x0"] == np.float32(np.arctanh(0.5))).all() and (p["w_out"] == 0).all() and (p["b_in"] == 0).all()
    w = (p["w_rec"] * masks["w_rec"]).double()
    assert masks.keys() == {"w_rec"} and ((w != 0).sum(1) == 12).all()
    assert torch.linalg.eigvals(w).abs().max().item() == pytest.approx(1.5, rel=1e-5)
    shape = p["w_rec"].double().flatten()
    assert (shape**4).mean() / (shape**2).mean() ** 2 == pytest.approx(3, abs=0.3), "normal, not gamma"
    assert p["w_in"].std().item() == pytest.approx(math.sqrt(12) / 3, rel=0.15)
    v, _ = initial_value(ValueSettings(kind="simple", n_units=30, spectral_radius=0.7), settings, 4, 8, -1.0)
    assert torch.linalg.eigvals(v["w_rec"].double()).abs().max().item() == pytest.approx(0.7, rel=1e-5)
    assert v["w_in"].shape == (30, 64) and v["b_out"].item() == -1
    narrow = GatedSettings(n_units=8, kind="simple", input_targets={"b": [2, 5]}, input_targets_permanent=True)
    p, masks = initial_policy(narrow, "ab", 3, 1)
    assert (p["w_in"][:, 1] != 0).nonzero()[:, 0].tolist() == [2, 3, 4] and masks["w_in"].shape == (8, 2)


def test_published_values_of_a_kind() -> None:
    gated, simple = GatedSettings(), GatedSettings(kind="simple")
    assert (gated.radius, simple.radius, GatedSettings(kind="simple", spectral_radius=1.1).radius) == (2.0, 1.5, 1.1)
    assert gated.penalty == NO_PENALTY and ValueSettings(kind="linear").penalty == NO_PENALTY
    assert simple.penalty == ValueSettings(kind="simple").penalty == Penalty(l2_rate=0.002, gradient=2.0)
    assert GatedSettings(kind="simple", l2_rate=0.0, gradient_penalty=0.0).penalty == NO_PENALTY


def test_a_simple_network_learns_is_read_and_has_fixed_points(tmp_path: Path) -> None:
    kinds = {"network": {"kind": "simple", "n_units": 40}, "value": {"kind": "simple", "n_units": 30}}
    a = learner(
        seed=1, **kinds,
        learning_rate=0.01, value_learning_rate=0.01, validation_trials=200, validation_interval=25,
    )  # fmt: skip
    assert a.validate()["mean_reward"] == -1
    go(a, 150)
    a.validate()
    assert a.best["mean_reward"] > 0
    network = written(a, tmp_path, **kinds)
    assert network.parameters["policy"].keys() == {"w_in", "b_in", "w_rec", "w_out", "b_out", "x0"}
    assert torch.equal(network.policy["w_rec"], a.best_policy["w_rec"] * a.masks["policy"]["w_rec"])
    trials = a.task.sample(np.random.default_rng(0), 60)
    ((table, activity),) = simulate(network, iter([trials]), CPU, 1, 0, activity=True)
    assert table["reward"].mean() > -0.2 and activity["value_rates"].shape[2] == 30
    # without input the map is piecewise linear: where the same units are active, its fixed point solves a linear system
    gated = GatedMap.of({k: v.numpy() for k, v in network.policy.items()}, np.zeros(3), 50.0, 100.0)
    points = find_fixed_points(
        gated, activity["policy_rates"][5].astype(float), FixedPointSettings(n_starts=32), np.random.default_rng(0)
    )
    assert len(points.x) >= 1
    w, b = (network.parameters["policy"][k].double().numpy() for k in ("w_rec", "b_in"))
    w = w * network.masks["policy"]["w_rec"].numpy()
    for x in points.x:
        np.testing.assert_allclose(x, w @ np.maximum(x, 0) + b, atol=1e-6)


@pytest.mark.parametrize("kind", ["gated", "simple"])
def test_the_engine_of_other_devices_trains_with_every_option(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32 both engines make the same first updates, the noise being off and the actions those of one stream."""

    def other(device: torch.device, alpha: float, noise: float, value_noise: float, *task: object) -> TorchEngine:
        return TorchEngine(alpha, noise, value_noise, device=device)

    options: dict[str, Any] = {
        "network": {"kind": kind, "l1_rec": 0.1, "l2_rec": 0.1, "l2_rate": 0.1, "var_rec": 0.0},
        "value": {"kind": kind, "l1_rec": 0.1, "l2_rec": 0.1, "l2_rate": 0.1, "var_rec": 0.0},
        "kappa": 0.3,
        "entropy_bonus": 0.01,
        "validation_trials": 0,
        "tracked_trials": 15,
        "trials_per_update": 1,
    }
    mine = go(learner(**options), 1)
    monkeypatch.setattr("rnnpipe.networks.gated_policy.make_engine", other)
    theirs = learner(**options)
    assert isinstance(theirs.engine, TorchEngine)
    go(theirs, 1)
    torch.testing.assert_close(theirs.policy.flat, mine.policy.flat, rtol=0, atol=1e-5)
    torch.testing.assert_close(theirs.value.flat, mine.value.flat, rtol=0, atol=1e-5)
    go(theirs, 51)
    assert torch.isfinite(theirs.policy.flat).all() and len(theirs.history) == 1


def test_options_do_not_depend_on_the_number_of_threads() -> None:
    options: dict[str, Any] = {
        "network": {"kind": "simple", "l1_rec": 0.1},
        "value": {"kind": "simple", "l2_rec": 0.1},
        "kappa": -0.3,
        "entropy_bonus": 0.02,
        "validation_trials": 0,
        "tracked_trials": 20,
        "validation_interval": 4,
    }
    one, two = (go(learner(threads=threads, **options), 12) for threads in (1, 2))
    assert torch.equal(one.policy.flat, two.policy.flat) and torch.equal(one.value.flat, two.value.flat)
    assert one.history == two.history and len(one.history) == 2


# -- fixed parameters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gated", "simple"])
@pytest.mark.parametrize("fixed", ["w_rec", "x0", "w_out"])
def test_fixed_parameters_stay_and_the_others_move(kind: str, fixed: str) -> None:
    # readouts that start at 0 and stay there pass no gradient on: the penalties move what lies behind them
    on = {"kind": kind, "fixed": [fixed], "l2_rec": 1.0, "l2_rate": 1.0}
    a = learner(network=on, value={**on, "initial_value": 0.0})
    start = {"policy": a.policy.clone(), "value": a.value.clone()}
    go(a, 12)
    for part, parameters in (("policy", a.policy), ("value", a.value)):
        for name, value in parameters.items():
            assert torch.equal(value, start[part][name]) == (name == fixed), (part, name)


def test_the_linear_value_network_honours_fixed_parameters() -> None:
    for fixed in (["x0"], ["w_out"], ["b_out"], []):
        a = learner(value={"kind": "linear", "fixed": fixed, "l2_rate": 1.0, "initial_value": 0.0})
        start = a.value.clone()
        go(a, 12)
        assert [name for name in a.value if torch.equal(a.value[name], start[name])] == fixed


# -- without validations -------------------------------------------------------------------------------------


def test_the_last_training_trials_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    a = learner(validation_trials=0, tracked_trials=25, validation_interval=2, trials_per_update=10)
    seen: list[dict[str, Any]] = []
    add = a._tracker.add
    monkeypatch.setattr(a._tracker, "add", lambda table: (seen.append(dict(table)), add(table))[1])
    assert not a.validation_due, "there is nothing to score before the first update"
    go(a, 9)
    assert [row["update"] for row in a.history] == [2, 4, 6, 8]
    for row in a.history:
        rewards = np.concatenate([t["reward"] for t in seen[: row["update"]]])[-25:]
        decided = np.concatenate([t["decision"] for t in seen[: row["update"]]])[-25:]
        assert row["mean_reward"] == pytest.approx(rewards.mean(), abs=1e-6)
        assert row["p_decision"] == pytest.approx(decided.mean())
        errors = np.concatenate([t["square_error"] for t in seen[: row["update"]]])[-25:]
        steps = np.concatenate([t["n_steps"] for t in seen[: row["update"]]])[-25:]
        assert row["value_rmse"] == pytest.approx(math.sqrt(errors.sum() / steps.sum()))
    assert not a.history[0]["new_best"], "20 of 25 trials are not enough"
    assert a.history[1]["new_best"] and a.best["update"] >= 4
    assert len(a._tracker) == 25


def test_the_criterion_waits_for_enough_training_trials() -> None:
    settings = PolicyGradientSettings(
        validation_trials=0, tracked_trials=25, validation_interval=1, trials_per_update=10
    )
    easy = task_class("rdm_fixed")(dt=50.0, min_decisions=0.0, min_correct=0.0)
    a = PolicyGradient(easy, GatedSettings(n_units=8), ValueSettings(n_units=8), settings, 1, CPU)
    while not a.finished:
        a.validate() if a.validation_due else a.update()
    assert a.n_updates == 3 and a.reached_criterion and [row["criterion"] for row in a.history] == [False, False, True]


def test_too_few_training_trials_still_give_a_best_network_at_the_end() -> None:
    a = learner(validation_trials=0, tracked_trials=1000, max_updates=3, validation_interval=2, trials_per_update=4)
    while not a.finished:
        a.validate() if a.validation_due else a.update()
    assert [row["new_best"] for row in a.history] == [False, True] and a.best["n_trials"] == 12
    assert not a.reached_criterion


def test_tracked_trials_are_saved_bit_for_bit() -> None:
    options = {"validation_trials": 0, "tracked_trials": 30, "validation_interval": 3, "trials_per_update": 4}
    whole, broken = go(learner(**options), 17), go(learner(**options), 10)
    resumed = learner(**options)
    resumed.load_state(through_a_file(broken.state()))
    go(resumed, 17)
    assert resumed.history == whole.history and resumed.best == whole.best
    assert torch.equal(resumed.policy.flat, whole.policy.flat) and torch.equal(
        resumed.best_value.flat, whole.best_value.flat
    )
    assert resumed.state()["tracked"] == whole.state()["tracked"]


def test_tracker_keeps_the_last_trials_of_every_type() -> None:
    tracker = Tracker(3)
    assert len(tracker) == 0 and not tracker.full
    tracker.add({"a": np.array([1, 2], np.int8), "b": np.array(["x", "y"]), "c": np.array([0.1, 0.2], np.float32)})
    tracker.add({"a": np.array([3, 4], np.int8), "b": np.array(["long", "z"]), "c": np.array([0.3, 0.4], np.float32)})
    assert (
        tracker.full and tracker.table["a"].tolist() == [2, 3, 4] and tracker.table["b"].tolist() == ["y", "long", "z"]
    )
    other = Tracker(3)
    other.load_state(through_a_file(tracker.state()))
    for name, column in tracker.table.items():
        assert other.table[name].dtype == column.dtype and (other.table[name] == column).all()


def test_tracked_trials_carry_outcomes_and_conditions_side_by_side() -> None:
    a = learner(validation_trials=0, tracked_trials=40, trials_per_update=40, seed=2)
    a.update()
    assert a._tracker.table.keys() >= {"reward", "decision", "correct", *a.task.variables()}
    trials = a.task.sample(np.random.RandomState(6), 40)
    assert (a._tracker.table["coherence"] == trials.conditions["coherence"]).all()
    assert (a._tracker.table["n_steps"] > 0).all()


# -- start from a trained network ----------------------------------------------------------------------------


def written(a: PolicyGradient, folder: Path, network: Any = None, value: Any = None) -> Network:
    """The best networks of a `learner(network=network, value=value)` by way of a file."""
    if not a.history:
        a.validate()
    settings = {
        "task": {"name": a.task.name, **a.task.model_dump(mode="json")},
        "network": GatedSettings(**{"n_units": 16, **(network or {})}).model_dump(mode="json"),
        "value_network": ValueSettings(**{"n_units": 12, **(value or {})}).model_dump(mode="json"),
    }
    write_results(a, folder / "net.pth", folder / "net.h5", settings, 1, {"stage": "train"})
    return read_network(folder / "net.pth")


SMALL = [
    "--task.name=rdm_fixed", "--task.dt=50", "--network.n_units=16", "--value_network.n_units=12",
    "--learning.max_updates=4", "--learning.validation_interval=2", "--learning.validation_trials=20",
    "--learning.on_failure=keep", "--device=cpu",
]  # fmt: skip


def train(folder: Path, name: str, *more: str) -> Path:
    main(["train", *SMALL, "--network", f"{folder}/{name}.pth", "--history", f"{folder}/{name}.h5", *more])
    return folder / f"{name}.pth"


@pytest.mark.parametrize("kind", ["gated", "simple"])
def test_training_starts_from_the_weights_and_masks_of_a_network(tmp_path: Path, kind: str) -> None:
    kinds = (f"--network.kind={kind}",)
    first = train(tmp_path, "first", "--seed=1", *kinds)
    before = read_network(first)
    still = train(tmp_path, "still", "--seed=2", f"--initial={first}", "--learning.max_updates=0", *kinds)
    after = read_network(still)
    for part in ("policy", "value"):
        for name, tensor in before.parameters[part].items():
            assert torch.equal(after.parameters[part][name], tensor), name
        assert before.masks[part].keys() == after.masks[part].keys()
    assert torch.equal(after.masks["policy"]["w_rec"], before.masks["policy"]["w_rec"])
    unlike = read_network(train(tmp_path, "unlike", "--seed=2", *kinds))
    assert not torch.equal(unlike.masks["policy"]["w_rec"], before.masks["policy"]["w_rec"])

    tuned = read_network(train(tmp_path, "tuned", "--seed=2", f"--initial={first}", *kinds))
    absent = before.masks["policy"]["w_rec"] == 0
    assert torch.equal(tuned.masks["policy"]["w_rec"], before.masks["policy"]["w_rec"])
    assert (tuned.policy["w_rec"][absent] == 0).all() and "initial" in tuned.provenance
    content = torch.load(tmp_path / "tuned.pth", weights_only=True)
    assert content["resume"]["adam"][0]["step_count"] == 4, "the optimiser starts anew"

    digest = hashlib.sha256(first.read_bytes()).hexdigest()
    assert tuned.provenance["initial"] == digest and str(first) not in json_of(tmp_path / "tuned.h5")
    assert "initial" not in before.provenance
    moved = tmp_path / "elsewhere.pth"
    moved.write_bytes(first.read_bytes())
    train(tmp_path, "again", "--seed=2", f"--initial={moved}", *kinds)
    other = torch.load(tmp_path / "again.pth", weights_only=True)
    of_again, of_tuned = json.loads(other.pop("provenance")), json.loads(content.pop("provenance"))
    assert of_again.pop("inputs") == [{"as": "initial", "file": "elsewhere.pth", "sha256": digest}]
    assert of_tuned.pop("inputs")[0]["sha256"] == digest and of_again == of_tuned
    saved = io.BytesIO(), io.BytesIO()
    torch.save(other, saved[0])
    torch.save(content, saved[1])
    assert saved[0].getvalue() == saved[1].getvalue(), "the path does not matter, the content does"


def json_of(path: Path) -> str:
    return str(read_history(path).attrs)


def test_a_checkpoint_belongs_to_the_network_that_training_started_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (train(tmp_path, f"net{seed}", f"--seed={seed}") for seed in (1, 2))
    shared = ["--seed=3", "--checkpoint", f"{tmp_path}/state", "--checkpoint_seconds=0"]
    kept = tmp_path / "kept"
    drop = "rnnpipe.training.checkpoint.Checkpoint.drop"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drop, lambda self: kept.write_bytes(self.path.read_bytes()) and None)
        train(tmp_path, "a", *shared, f"--initial={one}")
    (tmp_path / "state").write_bytes(kept.read_bytes())
    capsys.readouterr()
    train(tmp_path, "b", *shared, f"--initial={two}")
    assert "of other settings" in capsys.readouterr().out
    (tmp_path / "state").write_bytes(kept.read_bytes())
    train(tmp_path, "c", *shared, f"--initial={one}")
    assert "continuing from" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": {"n_units": 17}}, ["network.n_units", "16", "17"]),
        ({"network": {"kind": "simple"}}, ["network.kind", "gated", "simple"]),
        ({"value": {"kind": "linear"}}, ["value_network.kind", "gated", "linear"]),
        ({"value": {"n_units": 13}}, ["value_network.n_units", "12", "13"]),
        ({"network": {"connection_probability": 0.5}}, ["network.connection_probability", "0.1", "0.5"]),
        (
            {"network": {"input_targets": {"left": [0, 4]}, "input_targets_permanent": True}},
            ["network.input_targets", "left"],
        ),
        ({"task": "mante"}, ["the task's inputs", "fixation"]),
    ],
)
def test_a_network_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any], words: list[str]) -> None:
    network = written(learner(), tmp_path)
    policy = GatedSettings(**{"n_units": 16, **change.get("network", {})})
    value = ValueSettings(**{"n_units": 12, **change.get("value", {})})
    check_start(network, network.task, GatedSettings(n_units=16), ValueSettings(n_units=12))
    with pytest.raises(ArtefactError) as error:
        check_start(network, task_class(change.get("task", "rdm_fixed"))(), policy, value)
    for word in [str(network.path), *words]:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_masks_are_found(tmp_path: Path) -> None:
    written(learner(), tmp_path)
    content = torch.load(tmp_path / "net.pth", weights_only=True)
    content["masks"]["policy"]["w_rec"] = torch.ones(16)
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(ArtefactError, match=r"masks.policy.w_rec has shape \(16,\), expected \(16, 16\)"):
        read_network(tmp_path / "net.pth")


# -- bad values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "values", "words"),
    [
        (PolicyGradientSettings, {"kappa": 1.5}, ["kappa = 1.5", "less than or equal to 1"]),
        (PolicyGradientSettings, {"kappa": -1.01}, ["kappa = -1.01", "greater than or equal to -1"]),
        (PolicyGradientSettings, {"kappa": float("nan")}, ["kappa", "finite"]),
        (PolicyGradientSettings, {"entropy_bonus": -0.1}, ["entropy_bonus = -0.1"]),
        (PolicyGradientSettings, {"validation_trials": -1}, ["validation_trials = -1"]),
        (PolicyGradientSettings, {"tracked_trials": 0}, ["tracked_trials = 0"]),
        (PolicyGradientSettings, {"mode": "batch"}, ["mode = 'batch'", "episodic"]),
        (PolicyGradientSettings, {"mode": "continuous"}, ["continuous", "initial state", "side by side", "episodic"]),
        (GatedSettings, {"l2_rate": -1.0}, ["l2_rate = -1.0"]),
        (GatedSettings, {"l1_rec": "much"}, ["l1_rec = 'much'", "number"]),
        (GatedSettings, {"kind": "linear"}, ["kind = 'linear'", "simple"]),
        (GatedSettings, {"gradient_penalty": 1.0}, ["gradient_penalty = 1", "kind gated", "kind: simple"]),
        (GatedSettings, {"kind": "simple", "fixed": ["w_gates"]}, ["w_gates", "kind simple", "w_rec"]),
        (ValueSettings, {"kind": "linear", "fixed": ["w_rec"]}, ["w_rec", "kind linear", "w_out"]),
        (ValueSettings, {"kind": "linear", "l2_rec": 0.1}, ["l2_rec", "linear", "remove"]),
    ],
)
def test_bad_values_are_one_sentence(group: Any, values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SettingsError) as error:
        parse(group, values, "config.yaml: experiments.a.learning")
    message = str(error.value)
    assert message.startswith("config.yaml: experiments.a.learning: ") and "\n" not in message
    for word in words:
        assert word in message


def test_no_updates_and_no_validations_leave_nothing_to_score() -> None:
    with pytest.raises(SettingsError, match="max_updates = 0"):
        learner(validation_trials=0, max_updates=0)


# -- which network is kept ------------------------------------------------------------------------------------


def test_the_last_network_is_kept_where_that_is_asked_for() -> None:
    """The best network by mean reward is not what a rule learns that weighs gains and losses differently."""
    for keep, expected in (("best", False), ("last", True)):
        a = learner(keep=keep)
        a.validate()
        a.best["mean_reward"] = 2.0  # better than any network can be
        a.policy.flat.add_(0.01)
        row = a.validate()
        assert row["new_best"] is expected
        assert torch.equal(a.best_policy.flat, a.policy.flat) is expected
