"""Rate networks that act: engines against a plain loop, autograd and finite differences; training, files, spikes."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from rnnpipe.cli.main import main
from rnnpipe.errors import ArtefactError, SettingsError, TrainingError
from rnnpipe.evaluation.outcomes import outcomes
from rnnpipe.evaluation.spiking_policy import SETTLE, act
from rnnpipe.figures import figure_module
from rnnpipe.figures.source_data import of
from rnnpipe.io.evaluation import read_activity, read_table
from rnnpipe.io.fixed_points import read_fixed_points
from rnnpipe.io.match import check_start
from rnnpipe.io.network import Network, read_network
from rnnpipe.io.rate_network import read_rate_network
from rnnpipe.mapping.score import rate_correct, spiking_trials
from rnnpipe.networks import lif_reference
from rnnpipe.networks.draws import Given
from rnnpipe.networks.lif import draws
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.parameters import effective, initial_value, own
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.rate_policy import KIND, VALUE_TAU, RateEngine, RateTorchEngine, alpha_slope, slope
from rnnpipe.networks.rate_policy import alpha as alpha_of
from rnnpipe.networks.rate_reference import activate, recurrent_matrix, time_constants
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.tasks import task_class
from rnnpipe.training import reference
from rnnpipe.training.objective import advantage, entropy_loss, policy_loss, returns
from rnnpipe.training.policy_gradient import PolicyGradient
from rnnpipe.training.rules import modules_of
from rnnpipe.training.settings import PolicyGradientSettings
from tests.synthetic import write_evaluation

ROOT = Path(__file__).parents[1]
CPU, F64 = torch.device("cpu"), torch.float64
ENGINES = [RateEngine, RateTorchEngine]
DT, VALUE_SD = 40.0, 0.3
BASE: dict[str, Any] = {
    "n_units": 12,
    "tau_min": 50.0,
    "tau_max": 200.0,
    "connection_probability": 0.4,
    "sigma_init": 0.2,
}
CASES: dict[str, dict[str, Any]] = {
    "dale": {"p_inhibitory": 0.4},
    "balanced": {"p_inhibitory": 0.4, "balanced": True},
    "som": {"p_inhibitory": 0.5, "n_som": 3},
    "no dale": {"dale": False},
    "relu": {"activation": "clipped_relu", "dale": False, "gain": 0.8},
    "softplus": {"activation": "softplus", "p_inhibitory": 0.5},
    "one tau": {"tau_max": 50.0},
}


# -- engines ---------------------------------------------------------------------------------------------------


@functools.cache
def a_case(name: str, value_kind: str = "gated"):
    """A batch of trials of different lengths, weights away from their special values, given random numbers."""
    task = task_class("rdm_fixed")(dt=DT, fixation=200.0, stimulus_max=500.0, decision=280.0, tmax=1000.0)
    settings = RateSettings(**{**BASE, **CASES[name]})
    trials = task.sample(np.random.RandomState(1), 4)
    parameters, masks = KIND.initial(settings, task, 2)
    g = torch.Generator().manual_seed(3)
    policy = {k: v.to(F64) for k, v in parameters.items()}
    for key, scale in (("w_out", 0.5), ("b_out", 0.2), ("b_rec", 0.3)):
        policy[key] = policy[key] + scale * torch.randn(policy[key].shape, generator=g, dtype=F64)
    policy["b_out"][0] += 2.0  # mostly waits, so that trials last
    value_settings = ValueSettings(n_units=9, kind=value_kind)  # type: ignore[arg-type]
    v, _ = initial_value(value_settings, settings, 3, 4, -1.0)
    value = {k: x.to(F64) + 0.1 * torch.randn(x.shape, generator=g, dtype=F64) for k, x in v.items()}
    shape = (trials.n_steps, 4)
    unit = torch.randn(*shape, settings.n_units, generator=g, dtype=F64)
    uniform = torch.rand(*shape, generator=g, dtype=F64)
    value_unit = torch.randn(*shape, len(value["x0"]), generator=g, dtype=F64)
    return settings, trials, policy, masks, value, unit, uniform, value_unit


def plain_states(settings: RateSettings, policy, masks, inputs, unit) -> torch.Tensor:
    """States by the written formula, (n_steps, n_trials, n_units); differentiable in the parameters."""
    n = settings.n_units
    full = {"sign": torch.ones(n, dtype=F64), "mask": masks.get("w", torch.ones(n, n)).to(F64), **policy}
    w_rec = recurrent_matrix(full, settings.dale)
    a = DT / time_constants(full, settings.tau_min, settings.tau_max)
    x = settings.sigma_init * unit[0]
    visited = [x]
    for t in range(1, len(inputs)):
        drive = activate(x, settings.activation) @ w_rec.T + policy["b_rec"] + inputs[t] @ policy["w_in"].T
        x = (1 - a) * x + a * drive + settings.sigma_rec * unit[t]
        visited.append(x)
    return torch.stack(visited)


def plain_rollout(settings: RateSettings, trials, policy, masks, unit, uniform):
    """Actions, rewards and mask, one trial and one step at a time, from the states without actions."""
    inputs = torch.from_numpy(trials.inputs).to(F64)
    rates = activate(plain_states(settings, policy, masks, inputs, unit), settings.activation)
    z = torch.softmax(rates @ policy["w_out"].T + policy["b_out"], -1)
    below = torch.cumsum(z, -1)
    actions = np.full(uniform.shape, -1)
    rewards = np.zeros(uniform.shape)
    for i in range(trials.n_trials):
        for t in range(trials.n_steps):
            actions[t, i] = int((uniform[t, i] >= below[t, i]).sum())
            phase = trials.phase[t, i]
            rewards[t, i] = trials.rewards[phase, i, actions[t, i]]
            if trials.stops[phase, i, actions[t, i]]:
                break
    return actions, rewards, rates, z


def an_engine(engine_class: Any, settings: RateSettings, dtype: torch.dtype = F64) -> Any:
    return engine_class(settings, DT, DT / VALUE_TAU, settings.sigma_rec, VALUE_SD, dtype=dtype)


def run(engine: Any, case: Any, entropy: float = 0.1):
    """Rollout, value pass and both gradients in the parameters, as training makes them."""
    settings, trials, policy, masks, value, unit, uniform, value_unit = case
    acting, predicting = effective(policy, {k: m.to(F64) for k, m in masks.items()}), effective(value, {})
    with ThreadPoolExecutor(1) as pool:
        episode, passed = engine.rollout_with_value(acting, predicting, trials, Given(unit, uniform, value_unit), pool)
    factor = advantage(episode.rewards, episode.mask, passed.value) / trials.n_trials
    gradient = own(engine.policy_gradient(acting, episode, factor, entropy / trials.n_trials), policy)
    if "w" in masks:
        gradient["w"] = gradient["w"] * masks["w"]
    error = (returns(episode.rewards, episode.mask) - passed.value) * episode.mask
    d_value = own(engine.value_gradient(predicting, passed, -2 * error / episode.mask.sum()), value)
    return episode, passed, factor, gradient, d_value


@pytest.mark.parametrize("engine_class", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_rollout_and_gradient_equal_the_plain_loop_and_autograd(engine_class: Any, name: str) -> None:
    case = a_case(name)
    settings, trials, policy, masks, value, unit, uniform, value_unit = case
    actions, rewards, rates, z = plain_rollout(settings, trials, policy, masks, unit, uniform)
    engine = an_engine(engine_class, settings)
    episode, passed, factor, gradient, d_value = run(engine, case)
    assert len(set((actions >= 0).sum(0))) > 1, "the case should have trials of different lengths"
    assert episode.actions.tolist() == actions.tolist()
    np.testing.assert_allclose(episode.rewards, rewards, atol=1e-12)
    assert torch.equal(episode.mask > 0, torch.from_numpy(actions >= 0))
    activity = engine.activity(episode, passed)
    mask = episode.mask[..., None]
    np.testing.assert_allclose(activity["policy_rates"], rates * mask, atol=1e-10)
    np.testing.assert_allclose(activity["probabilities"], z * mask, atol=1e-10)

    leaves = {k: v.clone().requires_grad_() for k, v in policy.items()}
    inputs = torch.from_numpy(trials.inputs).to(F64)
    x = plain_states(settings, leaves, masks, inputs, unit)
    log_z = torch.log_softmax(activate(x, settings.activation) @ leaves["w_out"].T + leaves["b_out"], -1)
    log_p = log_z.gather(-1, episode.actions.clamp(min=0)[..., None])[..., 0]
    loss = policy_loss(log_p, factor * trials.n_trials) + 0.1 * entropy_loss(log_z, episode.mask)
    loss.backward()  # type: ignore[no-untyped-call]
    trained = set(policy) - {"sign"} - (set() if settings.learns_tau else {"gamma"})
    for key in trained:
        torch.testing.assert_close(
            gradient[key], leaves[key].grad, rtol=1e-9, atol=1e-11, msg=lambda m, k=key: f"{k}: {m}"
        )
        assert gradient[key].abs().max() > 1e-5, f"the case does not exercise {key}"

    # the value network reads these rates and these actions
    b = reference.value_prediction(value, rates * mask, episode.actions, VALUE_SD * value_unit, 3, DT / VALUE_TAU)
    torch.testing.assert_close(passed.value, b * episode.mask, rtol=0, atol=1e-10)
    assert set(d_value) == set(value) and all(torch.isfinite(v).all() for v in d_value.values())


def test_gradients_equal_finite_differences() -> None:
    case = a_case("dale")
    settings, trials, policy, masks, _, unit, _, _ = case
    episode, _, factor, gradient, _ = run(an_engine(RateEngine, settings), case, entropy=0.0)
    inputs = torch.from_numpy(trials.inputs).to(F64)

    def loss(weights: dict[str, torch.Tensor]) -> float:
        x = plain_states(settings, weights, masks, inputs, unit)
        log_z = torch.log_softmax(activate(x, settings.activation) @ weights["w_out"].T + weights["b_out"], -1)
        log_p = log_z.gather(-1, episode.actions.clamp(min=0)[..., None])[..., 0]
        return -float((log_p * factor * episode.mask).sum())

    rng = np.random.default_rng(0)
    for name in set(policy) - {"sign"}:
        w = policy[name]
        places = np.flatnonzero(w.numpy().ravel()) if name == "w" else np.arange(w.numel())
        for index in rng.choice(places, min(4, len(places)), replace=False):
            shifted = [{**policy, name: w.clone()} for _ in range(2)]
            shifted[0][name].view(-1)[index] += 1e-5
            shifted[1][name].view(-1)[index] -= 1e-5
            expected = (loss(shifted[0]) - loss(shifted[1])) / 2e-5
            assert gradient[name].reshape(-1)[index].item() == pytest.approx(expected, rel=1e-5, abs=1e-9), name


def test_absent_connections_have_no_gradient_and_inhibitory_ones_have_the_other_sign() -> None:
    settings, _, policy, *_ = case = a_case("dale")
    *_, gradient, _ = run(an_engine(RateEngine, settings), case)
    assert (policy["w"] == 0).any() and (gradient["w"][policy["w"] == 0] == 0).all()
    assert (gradient["sign"] == 0).all() and (policy["sign"] < 0).any()
    w_rec = effective(policy, {})["w_rec"]
    assert (w_rec[:, policy["sign"] < 0] <= 0).all() and (w_rec[:, policy["sign"] > 0] >= 0).all()
    free_settings, _, free, *_ = other = a_case("no dale")
    *_, gradient, _ = run(an_engine(RateEngine, free_settings), other)
    assert "sign" not in free and (gradient["w"][free["w"] == 0] != 0).any(), "without Dale's principle any may grow"


@pytest.mark.parametrize("kind", ["linear", "simple"])
def test_other_value_networks_follow_the_rates(kind: str) -> None:
    case = a_case("dale", kind)
    settings, trials, policy, masks, value, unit, uniform, value_unit = case
    *_, rates, _ = plain_rollout(settings, trials, policy, masks, unit, uniform)
    for engine_class in ENGINES:
        episode, passed, *_ = run(an_engine(engine_class, settings), case)
        seen = rates * episode.mask[..., None]
        b = reference.value_prediction(value, seen, episode.actions, VALUE_SD * value_unit, 3, DT / VALUE_TAU)
        torch.testing.assert_close(passed.value, b * episode.mask, rtol=0, atol=1e-10)


@pytest.mark.parametrize("engine_class", ENGINES)
def test_float32_agrees_with_float64(engine_class: Any) -> None:
    settings, trials, policy, masks, value, *numbers = a_case("dale")
    results = []
    for dtype in (torch.float32, F64):
        cast = [{k: v.to(dtype) for k, v in w.items()} for w in (policy, value)]
        given = Given(*(a.to(dtype) for a in numbers))
        engine = an_engine(engine_class, settings, dtype)
        acting = effective(cast[0], masks)
        episode = engine.rollout(acting, trials, given)
        gradient = engine.policy_gradient(acting, episode, episode.mask)
        results.append((episode.actions, {k: v.to(F64) for k, v in gradient.items()}))
    assert torch.equal(results[0][0], results[1][0])
    for name, gradient in results[0][1].items():
        torch.testing.assert_close(gradient, results[1][1][name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("engine_class", ENGINES)
def test_a_trial_does_not_depend_on_its_batch(engine_class: Any) -> None:
    settings, trials, policy, masks, _, unit, uniform, value_unit = a_case("dale")
    engine, acting = an_engine(engine_class, settings), effective(policy, masks)
    whole = engine.rollout(acting, trials, Given(unit, uniform, value_unit))
    for i in range(4):
        given = Given(unit[:, [i]], uniform[:, [i]], value_unit[:, [i]])
        assert torch.equal(engine.rollout(acting, trials[i : i + 1], given).actions[:, 0], whole.actions[:, i])


@pytest.mark.parametrize("activation", ["sigmoid", "clipped_relu", "softplus"])
def test_slopes_are_derivatives(activation: str) -> None:
    x = torch.tensor([-30.0, -3.0, -0.2, 0.3, 4.0, 19.5, 25.0], dtype=F64, requires_grad=True)
    r = activate(x, activation)
    r.sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(slope(r.detach(), activation), x.grad, rtol=1e-7, atol=1e-12)


def test_alpha_is_dt_over_tau_and_its_slope_the_derivative() -> None:
    settings = RateSettings(tau_min=20.0, tau_max=100.0)
    gamma = torch.tensor([-3.0, 0.0, 2.0], dtype=F64, requires_grad=True)
    a = alpha_of(gamma, settings, 5.0)
    assert a[1].item() == pytest.approx(5 / 60)
    a.sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(alpha_slope(gamma.detach(), settings, 5.0), gamma.grad)


def test_nan_is_reported() -> None:
    settings, trials, policy, masks, _, *numbers = a_case("dale")
    acting = effective(policy, masks)
    acting["w_rec"] = torch.full_like(acting["w_rec"], float("nan"))
    for engine_class in ENGINES:
        with pytest.raises(TrainingError, match="NaN"):
            an_engine(engine_class, settings).rollout(acting, trials, Given(*numbers))


# -- training --------------------------------------------------------------------------------------------------

UNITS: dict[str, Any] = {"n_units": 16, "tau_min": 50.0, "tau_max": 100.0, "balanced": True, "p_inhibitory": 0.3}


def learner(
    seed: int = 5, network: Any = None, value: Any = None, task: Any = None, threads: int = 1, **learning: Any
) -> PolicyGradient:
    return PolicyGradient(
        task or task_class("rdm_fixed")(dt=50.0),
        RateSettings(**{**UNITS, **(network or {})}),
        ValueSettings(**{"n_units": 12, **(value or {})}),
        PolicyGradientSettings(**{"validation_trials": 50, **learning}),
        seed,
        CPU,
        threads,
    )


def easy_task() -> Any:
    """Short trials of full coherence."""
    return task_class("rdm_fixed")(
        dt=25.0, coherences=[100.0], fixation=100.0, stimulus_min=100.0, stimulus_max=300.0, decision=200.0, tmax=700.0
    )


def go(a: PolicyGradient, until: int) -> PolicyGradient:
    while a.n_updates < until:
        if a.validation_due:
            a.validate()
        a.update()
    return a


def test_what_is_trained_and_what_is_not() -> None:
    a = go(learner(learning_rate=0.02), 40)
    start, _ = KIND.initial(RateSettings(**UNITS), a.task, 16)
    for name in ("sign", "w_in", "b_rec"):
        assert torch.equal(a.policy[name], start[name]), name
    for name in ("w", "w_out", "b_out", "gamma"):
        assert not torch.equal(a.policy[name], start[name]), name
    assert (a.policy["w"] >= 0).all() and torch.equal(a.initial["w"], start["w"])
    assert (a.policy["w"][start["w"] == 0] == 0).all(), "no connection is made under Dale's principle"
    assert ((a.policy["w"] == 0) & (start["w"] > 0)).any(), "some have died"
    fixed = go(learner(network={"fixed": ["w", "gamma"]}), 5)
    assert torch.equal(fixed.policy["w"], start["w"]) and torch.equal(fixed.policy["gamma"], start["gamma"])
    biased = go(learner(network={"bias": -2.0}), 3)
    assert (start["b_rec"] == 0).all() and (biased.policy["b_rec"] == -2).all()
    one = go(learner(network={"tau_max": 50.0}), 5)
    assert torch.equal(one.policy["gamma"], start["gamma"]), "one time constant is not a parameter"


def test_setting_negative_magnitudes_to_zero_changes_nothing() -> None:
    """Raw magnitudes that are rectified where they act, as in the authors' code, give the same networks."""
    kept, raw = (learner(seed=1, learning_rate=0.02) for _ in range(2))
    raw._kind = type("Raw", (type(KIND),), {"confine": lambda self, parameters: None})()
    for a in (kept, raw):
        for _ in range(40):
            a.update()
    assert (raw.policy["w"] < 0).any()
    assert torch.equal(raw.policy["w"].relu(), kept.policy["w"])
    assert torch.equal(raw.policy["w_out"], kept.policy["w_out"])


def test_som_units_stay_without_inhibition() -> None:
    a = go(learner(network={"n_som": 2, "p_inhibitory": 0.4}), 10)
    inhibitory = a.policy["sign"] < 0
    som = inhibitory & (torch.cumsum(inhibitory, 0) <= 2)
    assert int(som.sum()) == 2
    w_rec = effective(a.policy, a.masks["policy"])["w_rec"]
    assert (w_rec[som][:, inhibitory] == 0).all() and (w_rec[~som][:, inhibitory] < 0).any()


def test_the_number_of_threads_does_not_matter_and_seeds_do() -> None:
    one, two, other = (go(learner(**o), 4) for o in ({}, {"threads": 2}, {"seed": 6}))
    assert torch.equal(one.policy.flat, two.policy.flat) and torch.equal(one.value.flat, two.value.flat)
    assert not torch.equal(one.policy.flat, other.policy.flat)


def test_it_learns_to_wait_and_to_answer() -> None:
    """At full coherence, with short trials, within a few hundred updates."""
    settings = {"n_units": 50, "gain": 0.8, "p_inhibitory": 0.2, "bias": -2.0}
    a = learner(2, settings, {"kind": "linear"}, easy_task(), learning_rate=0.01, validation_trials=300)
    assert go(a, 450).history[0]["mean_reward"] < 0
    row = a.validate()
    assert row["p_decision"] > 0.85 and row["p_correct"] > 0.9


def test_the_engine_of_other_devices_makes_the_same_first_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {
        "network": {"sigma_rec": 0.0, "sigma_init": 0.0},
        "value": {"var_rec": 0.0},
        "validation_trials": 0,
        "trials_per_update": 1,
        "entropy_bonus": 0.01,
    }
    mine = go(learner(**options), 1)
    other = type("Other", (type(KIND),), {})()

    def engine(device: Any, task: Any, network: RateSettings, value: Any) -> RateTorchEngine:
        return RateTorchEngine(network, task.dt, task.dt / VALUE_TAU, network.sigma_rec, 0.0)

    other.engine = engine
    monkeypatch.setattr("rnnpipe.networks.rate_policy.KIND", other)
    theirs = go(learner(**options), 1)
    assert isinstance(theirs.engine, RateTorchEngine) and isinstance(mine.engine, RateEngine)
    torch.testing.assert_close(theirs.policy.flat, mine.policy.flat, rtol=0, atol=1e-5)
    torch.testing.assert_close(theirs.value.flat, mine.value.flat, rtol=0, atol=1e-5)


def test_a_step_longer_than_the_time_constants_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"task.dt = 50 ms is longer than network.tau_min, 40 ms"):
        learner(network={"tau_min": 40.0})


def test_environments_can_be_learned_too() -> None:
    a = learner(task=task_class("cartpole")(dt=1.0), validation_trials=5, trials_per_update=2)
    before = a.policy.clone()
    go(a, 2)
    assert a.history[0]["mean_reward"] > 0 and not torch.equal(a.policy.flat, before.flat)


def test_only_the_kind_that_is_trained_counts_as_code() -> None:
    assert "networks.rate_policy" in modules_of({"network": {"kind": "rate"}})
    assert "networks.gated_policy" not in modules_of({"network": {"kind": "rate"}})
    assert "networks.rate_policy" not in modules_of({})
    assert "networks.gated_policy" in modules_of({"network": {"kind": "simple"}})


# -- files and stages --------------------------------------------------------------------------------------------

SMALL = [
    "--task.name=rdm_fixed", "--task.dt=50", "--network.kind=rate", "--network.n_units=16", "--network.tau_min=50",
    "--network.tau_max=100", "--network.n_som=1", "--value_network.n_units=12", "--learning.validation_interval=20",
    "--learning.validation_trials=40", "--learning.on_failure=keep", "--device=cpu",
]  # fmt: skip


def train(folder: Path, name: str, *more: str) -> Path:
    files = ["--network", f"{folder}/{name}.pth", "--history", f"{folder}/{name}.h5"]
    main(["train", *SMALL, "--learning.max_updates=4", *files, *more])
    return folder / f"{name}.pth"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("rate"), "first", "--seed=1", "--learning.max_updates=40")


def test_a_file_holds_the_rate_network(trained: Path) -> None:
    policy, stored = read_network(trained), read_rate_network(trained)
    network = stored.network
    assert (network.n_units, network.n_inputs, network.n_outputs, network.dt) == (16, 3, 3, 50.0)
    assert (network.task, network.seed, network.n_som, stored.sigma_rec) == ("rdm_fixed", 1, 1, 0.1)
    np.testing.assert_array_equal(network.w_rec, policy.policy["w_rec"])
    for name in ("w_in", "w_out", "b_out", "gamma"):
        np.testing.assert_array_equal(getattr(network, name), policy.policy[name])
    assert (network.w >= 0).all() and network.som.sum() == 1
    start, _ = KIND.initial(policy.policy_settings, policy.task, 4)
    np.testing.assert_array_equal(network.w_initial, start["w"])
    np.testing.assert_array_equal(network.gamma_initial, start["gamma"])
    assert (network.tau != network.tau_initial).any()
    assert stored.task == policy.task and stored.score["n_trials_trained"] == 400


def test_other_policies_are_no_rate_networks(tmp_path: Path) -> None:
    files = ["--network", f"{tmp_path}/g.pth", "--history", f"{tmp_path}/g.h5"]
    plain = [o for o in SMALL if not o.startswith("--network")]
    main(["train", *plain, "--network.n_units=16", "--learning.max_updates=1", "--seed=1", *files])
    with pytest.raises(ArtefactError, match="is a gated network"):
        read_rate_network(tmp_path / "g.pth")


def test_evaluation_runs_it(trained: Path, tmp_path: Path) -> None:
    main(["dataset", "--task.name=rdm_fixed", "--task.dt=50", "--dataset.seed=1", "--out", f"{tmp_path}/d.h5",
          "--dataset.trials_per_condition=3"])  # fmt: skip
    for threads in (1, 2):
        main(["evaluate", "--network", str(trained), "--dataset", f"{tmp_path}/d.h5", f"--threads={threads}",
              "--out", f"{tmp_path}/e{threads}.h5", "--record_activity"])  # fmt: skip
    with h5py.File(tmp_path / "e1.h5") as one, h5py.File(tmp_path / "e2.h5") as two:
        rates, z, mask = (one[f"activity/{name}"][:] for name in ("policy_rates", "probabilities", "mask"))
        network = read_rate_network(trained).network
        logits = rates @ network.w_out.T + network.b_out
        expected = torch.softmax(torch.from_numpy(logits), -1).numpy()
        np.testing.assert_allclose(z[mask], expected[mask], atol=1e-5)
        assert len(one["trials/choice"]) == 30 and (one["trials/choice"][:] == two["trials/choice"][:]).all()


def test_fixed_points_of_a_rate_policy(trained: Path, tmp_path: Path, capsys: Any) -> None:
    """Under an input given by hand; one of the wrong length is refused."""
    call = ["fixed_points", "--network", str(trained), "--search.n_starts=64", "--search.max_starts=64"]
    n_inputs = read_rate_network(trained).network.n_inputs
    zeros = ",".join(["0"] * n_inputs)
    assert main([*call, "--out", f"{tmp_path}/f.h5", f"--input=rest={zeros}"]) == 0
    table, states = read_fixed_points(tmp_path / "f.h5")
    assert set(table["label"]) <= {"rest"} and len(table) == len(states)
    capsys.readouterr()
    main([*call, "--out", f"{tmp_path}/g.h5", f"--input={zeros},1"])
    message = capsys.readouterr().err
    assert f"expected {n_inputs} finite ones" in message and "Traceback" not in message
    assert not (tmp_path / "g.h5").exists()


def test_training_starts_from_a_network(trained: Path, tmp_path: Path) -> None:
    still = read_network(train(tmp_path, "still", "--seed=2", f"--initial={trained}", "--learning.max_updates=0"))
    before = read_network(trained)
    for name, tensor in before.parameters["policy"].items():
        assert torch.equal(still.parameters["policy"][name], tensor), name
        if name in still.initial:
            assert torch.equal(still.initial[name], tensor), "before this training"
    check_start(before, before.task, before.policy_settings, before.value_settings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_units": 17}, ["network.n_units", "16", "17"]),
        ({"activation": "softplus"}, ["network.activation", "sigmoid", "softplus"]),
        ({"tau_max": 90.0}, ["network.tau_max", "100", "90"]),
        ({"dale": False}, ["network.dale", "True", "False"]),
        (None, ["network.kind", "rate", "gated"]),
    ],
)
def test_a_network_that_does_not_fit_is_refused(trained: Path, change: Any, words: list[str]) -> None:
    network: Network = read_network(trained)
    wanted: Any = GatedSettings(n_units=16)
    if change is not None:
        wanted = RateSettings(**{**network.policy_settings.model_dump(), **change})
    with pytest.raises(ArtefactError) as error:
        check_start(network, network.task, wanted, network.value_settings)
    for word in [str(trained), *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda c: c["policy"].update(w=torch.ones(16, 15)), ["policy.w has shape (16, 15)", "(16, 16)"]),
        (lambda c: c["policy"]["gamma"].fill_(float("nan")), ["policy.gamma", "NaN"]),
        (lambda c: c["policy"].pop("sign"), ["policy has no 'sign'"]),
        (lambda c: c.pop("initial"), ["damaged or incomplete", "initial"]),
        (lambda c: c["masks"]["policy"].update(w=torch.ones(16)), ["masks.policy.w"]),
    ],
)
def test_damaged_files_are_one_sentence(trained: Path, tmp_path: Path, damage: Any, words: list[str]) -> None:
    content = torch.load(trained, weights_only=True)
    damage(content)
    torch.save(content, tmp_path / "net.pth")
    for read in (read_network, read_rate_network):
        with pytest.raises(ArtefactError) as error:
            read(tmp_path / "net.pth")
        message = str(error.value)
        assert "\n" not in message and all(word in message for word in [str(tmp_path / "net.pth"), *words]), message


@pytest.mark.slow
def test_killed_it_continues_with_the_same_bytes(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("whole", "stopped")}
    for folder in folders.values():
        folder.mkdir()

    def start(folder: Path) -> subprocess.Popen[str]:
        files = ["--network", f"{folder}/net.pth", "--history", f"{folder}/net.h5", "--checkpoint", f"{folder}/state"]
        command = [sys.executable, "-m", "rnnpipe", "train", *SMALL, "--learning.max_updates=800", *files, "--seed=3"]
        return subprocess.Popen(
            [*command, "--checkpoint_seconds=0.05", "--task.min_correct=1"], cwd=folder, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    whole = start(folders["whole"])
    process = start(folders["stopped"])
    deadline = time.monotonic() + 60
    while not (folders["stopped"] / "state").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    process = start(folders["stopped"])
    output, _ = process.communicate()
    assert process.returncode == 0 and "continuing from" in output, output
    output, _ = whole.communicate()
    assert whole.returncode == 0, output
    for name in ("net.pth", "net.h5"):
        assert (folders["stopped"] / name).read_bytes() == (folders["whole"] / name).read_bytes(), name


# -- spikes ------------------------------------------------------------------------------------------------------


def hand_made(task: Any) -> RateNetwork:
    """A policy that waits while it sees the fixation cue and then chooses the side whose evidence it still remembers.

    Unit 0 follows the cue, units 1 and 2 the evidence for left and right, slowly; nothing is recurrent.
    """
    zeros = np.zeros((3, 3))
    w_out = 30 * np.array([[1.0, -0.2, -0.2], [-1.0, 1.0, -0.5], [-1.0, -0.5, 1.0]])
    return RateNetwork(
        w=zeros, sign=np.ones(3), mask=zeros + 1, w_in=8 * np.eye(3), w_out=w_out, b_out=np.array([-1.0, 0.5, 0.5]),
        b_rec=np.full(3, -4.0), gamma=np.array([-30.0, 30.0, 30.0]), tau_min=20.0, tau_max=200.0, activation="sigmoid",
        dt=task.dt,
    )  # fmt: skip


def test_spiking_logits_are_means_over_the_step_that_ends_then() -> None:
    task = easy_task()
    network, lif = hand_made(task), LifSettings(precision="float64")
    trials = task.sample(np.random.RandomState(0), 2)
    seeds = np.array([5, 9], np.uint64)
    acted = act(network, trials, np.full(2, 30.0), seeds, lif)
    n_settle, held = round(SETTLE / 25), 500
    assert acted.n_settle == n_settle
    n_steps = held * (n_settle + trials.n_steps - 1)
    for i in range(2):
        columns = np.concatenate([np.repeat(trials.inputs[:1, i], n_settle, 0), trials.inputs[:, i]])
        numbers = draws(int(seeds[i]), 3, n_steps, lif)
        trace = lif_reference.simulate(network, columns, 30.0, lif, numbers.v0, numbers.noise)
        for t in range(trials.n_steps):
            end = held * (n_settle + t)
            # samples every 0.5 ms, the last of them at the end of the step
            logits = trace.outputs[end - held + 9 : end : 10].mean(0) + network.b_out
            expected = np.exp(logits - logits.max())
            np.testing.assert_allclose(acted.probabilities[t, i], expected / expected.sum(), atol=1e-6)
        assert np.abs(np.diff(acted.probabilities[:, i], axis=0)).max() > 0.3, "the policy should change in a trial"


def test_a_hand_made_spiking_policy_waits_and_chooses() -> None:
    task = easy_task()
    network, lif = hand_made(task), LifSettings()
    trials = task.sample(np.random.RandomState(1), 60)
    seeds = np.arange(60, dtype=np.uint64)
    acted = act(network, trials, np.full(60, 40.0), seeds, lif, threads=2)
    outcome = outcomes(trials, acted.actions, acted.rewards)
    assert outcome["decision"].mean() > 0.9 and (outcome["correct"] == 1).mean() > 0.85
    assert set(outcome["choice"]) >= {1, 2}
    # rewards are those of the rule table for these actions, and nothing happens after the end
    last = (acted.actions >= 0).sum(0) - 1
    i = np.arange(60)
    assert trials.stops[trials.phase[last, i], i, acted.actions[last, i]].all()
    expected = trials.discount[last] * trials.rewards[trials.phase[last, i], i, acted.actions[last, i]]
    np.testing.assert_allclose(outcome["reward"], expected)
    again = act(network, trials[10:12], np.full(2, 40.0), seeds[10:12], lif)
    assert (again.actions == acted.actions[:, 10:12]).all(), "a trial does not depend on its batch"
    deaf = act(dataclasses.replace(network, w_in=0 * network.w_in), trials, np.full(60, 40.0), seeds, lif)
    assert (outcomes(trials, deaf.actions, deaf.rewards)["correct"] == 1).mean() < 0.5


def test_rates_and_spikes_are_scored_by_the_same_rule() -> None:
    task = easy_task()
    network = hand_made(task)
    trials = task.sample(np.random.RandomState(1), 60)
    right = rate_correct(task, network, trials, (0.1, 0.01), torch.Generator().manual_seed(0))
    assert right.mean() > 0.85
    blind = dataclasses.replace(network, w_out=0 * network.w_out, b_out=np.array([-9.0, 9.0, -9.0]))
    assert not rate_correct(task, blind, trials, (0.1, 0.01), torch.Generator().manual_seed(0)).any(), "too early"
    spiking = spiking_trials(task, network, trials, np.full(60, 40.0), np.arange(60, dtype=np.uint64), LifSettings())
    assert spiking.correct.mean() > 0.85 and spiking.rates.shape == (60, 3)


def test_skipped_steps_are_refused() -> None:
    task = easy_task()
    trials = task.sample(np.random.RandomState(0), 1)
    with pytest.raises(SettingsError, match="downsample"):
        act(hand_made(task), trials, np.ones(1), np.zeros(1, np.uint64), LifSettings(downsample=2))


def test_stages_map_and_evaluate_a_spiking_policy(trained: Path, tmp_path: Path, capsys: Any) -> None:
    main(["dataset", "--task.name=rdm_fixed", "--task.dt=50", "--dataset.seed=1", "--out", f"{tmp_path}/d.h5",
          "--dataset.trials_per_condition=1"])  # fmt: skip
    main(["spiking", "--network", str(trained), "--out", f"{tmp_path}/s.h5", "--search.factors=[30,50]",
          "--search.n_trials=4", "--search.n_heldout=6", "--search.only_trained=false"])  # fmt: skip
    assert "1 of 1 networks mapped" in capsys.readouterr().out
    main(["evaluate", "--network", str(trained), "--dataset", f"{tmp_path}/d.h5", "--spiking", f"{tmp_path}/s.h5",
          "--out", f"{tmp_path}/e.h5", "--record_activity"])  # fmt: skip
    table = read_table(tmp_path / "e.h5")
    assert len(table) == 10 and (table["rate_hz"] > 0).all() and table.attrs["scaling_factor"] in (30, 50)
    activity = read_activity(tmp_path / "e.h5")
    assert {"policy_rates", "probabilities", "actions", "rewards", "mask", "time"} == set(activity)
    np.testing.assert_allclose(activity["probabilities"].sum(2)[activity["mask"]], 1, atol=1e-5)
    with h5py.File(tmp_path / "e.h5") as file:
        time, trial = file["spikes/time"][:], file["spikes/trial"][:]
        ends = (table["n_steps"].to_numpy() - 1) * 50.0
        assert (time > 0).all() and (time <= ends[trial]).all() and len(file["units/tau"]) == 16


def test_figure_shows_both_networks(tmp_path: Path) -> None:
    """A spiking network that answers left throughout, and not at all on some trials, beside an ideal observer."""
    module = figure_module("fig_rl_to_spiking")

    def worse(table: dict[str, Any]) -> None:
        table["choice"][:] = 1
        table["decision"][:] = True
        silent = np.arange(len(table["choice"])) % 4 == 0
        table["choice"][silent], table["decision"][silent] = 0, False

    rate = write_evaluation(tmp_path / "rate.h5", activity=False)
    write_evaluation(tmp_path / "spiking.h5", activity=False, change=worse)
    with h5py.File(tmp_path / "spiking.h5", "a") as file:
        file.attrs["scaling_factor"] = 45.0
    table = module.data({name: [tmp_path / f"{name}.h5"] for name in ("rate", "spiking")}, module.Options())
    right = {name: of(table, f"A {name}", "right choices").set_index("x")["y"] for name in ("rate", "spiking")}
    strong = rate[(rate["coherence"] == 51.2) & (rate["side"] > 0) & rate["decision"]]
    assert right["rate"][51.2] == pytest.approx((strong["choice"] == 2).mean()) and right["rate"][51.2] > 0.9
    assert (right["spiking"] == 0).all()
    decisions = of(table, "B spiking", "decisions")
    assert decisions["y"].mean() == pytest.approx(0.75, abs=0.01) and set(decisions["label"]) == {"spiking, factor 45"}
    assert set(of(table, "B rate", "decisions")["label"]) == {"rate"}
    assert len(module.draw(table).axes) == 2
