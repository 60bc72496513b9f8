"""The fast engines against the reference equations, autograd and finite differences, in float64."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from alike import ALIKE

from rnnpipe.networks import kernels
from rnnpipe.networks.draws import Fresh, Given
from rnnpipe.networks.engine import CpuEngine
from rnnpipe.networks.engine_torch import TorchEngine
from rnnpipe.networks.parameters import GATE_BIAS, Parameters, effective, initial_policy, initial_value, own
from rnnpipe.networks.penalties import weights_slope
from rnnpipe.networks.settings import NO_PENALTY, GatedSettings, ValueSettings
from rnnpipe.tasks import choice_task_names, task_class, trial_task_class
from rnnpipe.tasks._periods import PeriodTask
from rnnpipe.training import reference
from rnnpipe.training.objective import advantage, policy_loss, returns, risk_sensitive, value_loss

F64 = torch.float64
ENGINES = [CpuEngine, TorchEngine]
ALPHA, SD, SD_VALUE = 0.1, 0.4472, 0.3


def perturbed(parameters: Parameters, scale: float, seed: int) -> dict[str, torch.Tensor]:
    """Parameters away from their special initial values (zero readout, equal initial states)."""
    g = torch.Generator().manual_seed(seed)
    return {k: v.to(F64) + scale * torch.randn(v.shape, generator=g, dtype=F64) for k, v in parameters.items()}


def a_case(
    task: str = "rdm_fixed", n_trials: int = 7, kind: str = "gated", n_units: int = 20, seed: int = 0,
    policy_kind: str = "gated", **settings: Any,
):  # fmt: skip
    """A small batch whose trials end at different steps, with weights and random numbers."""
    policy_settings = GatedSettings(n_units=n_units, kind=policy_kind)  # type: ignore[arg-type]
    value_settings = ValueSettings(n_units=n_units - 4, kind=kind)  # type: ignore[arg-type]
    the_task = task_class(task)(**settings)
    trials = the_task.sample(np.random.RandomState(seed), n_trials)
    n_actions = trials.n_actions
    p, masks = initial_policy(policy_settings, the_task.input_names, n_actions, seed + 1)
    v, _ = initial_value(value_settings, policy_settings, n_actions, seed + 2, -1.0)
    policy = perturbed(p, 0.1, seed)
    policy["b_out"][0] += 3.0  # mostly waits, so that trials last
    policy = {k: masks[k].to(F64) * w if k in masks else w for k, w in policy.items()}
    value = perturbed(v, 0.1, seed + 1)
    g = torch.Generator().manual_seed(seed)
    shape = (trials.n_steps, n_trials)
    noise = SD * torch.randn(*shape, n_units, generator=g, dtype=F64)
    uniform = torch.rand(*shape, generator=g, dtype=F64)
    value_noise = SD_VALUE * torch.randn(*shape, len(value["x0"]), generator=g, dtype=F64)
    return trials, policy, value, noise, uniform, value_noise


def draws(noise: torch.Tensor, uniform: torch.Tensor, value_noise: torch.Tensor) -> Given:
    return Given(noise / SD, uniform, value_noise / SD_VALUE)


def run(
    engine, trials, policy, value, noise, uniform, value_noise, credit="immediate", kappa=0.0, entropy_bonus=0.0,
    policy_penalty=NO_PENALTY, value_penalty=NO_PENALTY,
):  # fmt: skip
    """Rollout, value pass and both gradients as training makes them, in the parameters of the networks."""
    given = draws(noise, uniform, value_noise)
    acting, predicting = effective(policy, {}), effective(value, {})
    with ThreadPoolExecutor(1) as pool:
        episode, passed = engine.rollout_with_value(acting, predicting, trials, given, pool)
    mask, n = episode.mask, trials.n_trials
    error = risk_sensitive((returns(episode.rewards, mask) - passed.value) * mask, kappa)
    d_v = own(engine.value_gradient(predicting, passed, -2 * error / mask.sum(), value_penalty), value)
    factor = risk_sensitive(advantage(episode.rewards, mask, passed.value, credit), kappa) / n
    d_p = own(engine.policy_gradient(acting, episode, factor, entropy_bonus / n, policy_penalty), policy)
    for gradient, weights, penalty in ((d_p, policy, policy_penalty), (d_v, value, value_penalty)):
        if "w_rec" in weights:
            for name, slope in weights_slope(weights, penalty).items():
                gradient[name] = gradient[name] + slope
    return episode, passed, d_p, d_v


@functools.cache
def with_reference(task: str, kind: str, policy_kind: str, credit: str):
    dt = 40.0 if trial_task_class(task).model_fields["dt"].default > 1 else 10.0  # periods of 10 ms and more
    # haste ends no trial of consecutive periods, so that these differ in length by themselves
    own = {"fixation": {"min": 200.0, "max": 1000.0}} if issubclass(trial_task_class(task), PeriodTask) else {}
    own |= {"pulse": 40.0, "gap": 80.0} if task == "pulse_decision_making" else {}  # whose pulses are shorter
    case = a_case(task, 4, kind, policy_kind=policy_kind, dt=dt, **own)
    return case, reference.gradients(case[1], case[2], case[0], *case[3:], ALPHA, credit)  # type: ignore[arg-type]


CASES = [
    *((t, "gated", "gated", "immediate") for t in choice_task_names() if t not in ALIKE),
    *(("rdm_fixed", *kinds, "return") for kinds in (("gated", "gated"), ("linear", "simple"))),
    *(("rdm_fixed", *kinds, "immediate") for kinds in (("linear", "gated"), ("simple", "gated"), ("simple", "simple"))),
]


@pytest.mark.parametrize("engine_class", ENGINES)
@pytest.mark.parametrize(("task", "kind", "policy_kind", "credit"), CASES)
def test_engine_equals_the_reference(engine_class, task: str, kind: str, policy_kind: str, credit: str) -> None:
    case, (out, d_policy, d_value, b) = with_reference(task, kind, policy_kind, credit)
    lengths = out.mask.sum(0)
    one_step = case[0].n_steps <= 2
    assert one_step or len(set(lengths.tolist())) > 2, "the case should have trials of different lengths"
    engine = engine_class(ALPHA, SD, SD_VALUE, dtype=F64)
    episode, passed, g_policy, g_value = run(engine, *case, credit=credit)
    assert torch.equal(episode.actions, out.actions)
    torch.testing.assert_close(episode.mask, out.mask, rtol=0, atol=0)
    torch.testing.assert_close(episode.rewards, out.rewards, rtol=0, atol=1e-12)
    torch.testing.assert_close(passed.value, b, rtol=0, atol=1e-10)
    shown = engine.value(effective(case[2], {}), episode, draws(*case[3:]), pairing="rollout")
    torch.testing.assert_close(shown.value, out.value, rtol=0, atol=1e-10)
    for ours, theirs in ((g_policy, d_policy), (g_value, d_value)):
        assert ours.keys() == theirs.keys()
        for name, gradient in ours.items():
            torch.testing.assert_close(
                gradient, theirs[name], rtol=1e-10, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}"
            )
            if name in ("w_out", "x0"):
                assert gradient.abs().max() > 1e-6, f"the case does not exercise {name}"
    activity = engine.activity(episode, shown)
    np.testing.assert_allclose(activity["policy_rates"], out.rates, atol=1e-10)
    np.testing.assert_allclose(activity["probabilities"], out.probabilities, atol=1e-10)


@pytest.mark.parametrize("block", [1, 7])
def test_blocks_do_not_change_a_rollout_and_what_on_block_writes_counts(block: int) -> None:
    """As an environment does it: it answers the actions of a step with the next input, and ends the trial."""
    trials, policy, value, noise, uniform, value_noise = a_case(n_trials=3, n_units=8)
    engine = CpuEngine(ALPHA, SD, SD_VALUE, dtype=F64)
    given = draws(noise, uniform, value_noise)
    whole, passed = engine.rollout_with_value(policy, value, trials, given)
    blind = dataclasses.replace(trials, inputs=np.zeros_like(trials.inputs), stops=np.zeros_like(trials.stops))
    steps = []

    def answer(p, t0: int, t1: int) -> None:
        steps.append((t0, t1))
        t = t1 - 1
        running = p.trial[p.start[t] : p.start[t1]]
        assert p.action[p.start[t] : p.start[t1]].tolist() == whole.actions[t, running].tolist()
        blind.inputs[t1 : t1 + block, running] = trials.inputs[t1 : t1 + block, running]
        blind.stops[blind.phase[t, running], running] = trials.stops[trials.phase[t, running], running]

    blind.inputs[:block] = trials.inputs[:block]
    if block > 1:  # ends within a block are the rule table's affair
        blind = dataclasses.replace(blind, stops=trials.stops)
    with ThreadPoolExecutor(1) as pool:
        episode, follows = engine.rollout_with_value(policy, value, blind, given, pool, answer, block)
    assert torch.equal(episode.actions, whole.actions) and torch.equal(episode.mask, whole.mask)
    torch.testing.assert_close(follows.value, passed.value, rtol=0, atol=1e-12)
    assert steps[0] == (0, block) and all(a[1] == b[0] for a, b in itertools.pairwise(steps))
    factor = advantage(whole.rewards, whole.mask, passed.value)
    for one, other in zip(
        engine.policy_gradient(policy, episode, factor).values(),
        engine.policy_gradient(policy, whole, factor).values(),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine_class", ENGINES)
def test_gradients_equal_finite_differences(engine_class) -> None:
    trials, policy, value, noise, uniform, value_noise = a_case(n_trials=3, n_units=8)
    engine = engine_class(ALPHA, SD, SD_VALUE, dtype=F64)
    episode, passed, g_policy, g_value = run(engine, trials, policy, value, noise, uniform, value_noise)
    factor = advantage(episode.rewards, episode.mask, passed.value)
    rates = torch.from_numpy(engine.activity(episode)["policy_rates"])

    def loss(which: str, weights: dict[str, torch.Tensor]) -> float:
        if which == "policy":
            log_p = reference.log_probability(weights, trials, noise, episode.actions, ALPHA)
            return float(policy_loss(log_p * episode.mask, factor))
        b = reference.value_prediction(weights, rates, episode.actions, value_noise, trials.n_actions, ALPHA)
        return float(value_loss(b, episode.rewards, episode.mask))

    rng = np.random.default_rng(0)
    for which, weights, gradient in (("policy", policy, g_policy), ("value", value, g_value)):
        for name, w in weights.items():
            for index in rng.choice(w.numel(), min(5, w.numel()), replace=False):
                h = 1e-5
                shifted = [{**weights, name: w.clone()} for _ in range(2)]
                shifted[0][name].view(-1)[index] += h
                shifted[1][name].view(-1)[index] -= h
                slope = (loss(which, shifted[0]) - loss(which, shifted[1])) / (2 * h)
                assert gradient[name].reshape(-1)[index].item() == pytest.approx(slope, rel=1e-5, abs=1e-8), (
                    which,
                    name,
                )


@pytest.mark.parametrize("engine_class", ENGINES)
def test_float32_agrees_with_float64_to_single_precision(engine_class) -> None:
    trials, policy, value, noise, uniform, value_noise = a_case(n_trials=4)
    results = []
    for dtype in (torch.float32, F64):
        engine = engine_class(ALPHA, SD, SD_VALUE, dtype=dtype)
        cast = [{k: v.to(dtype) for k, v in w.items()} for w in (policy, value)]
        episode, passed, g_policy, _ = run(engine, trials, *cast, *(a.to(dtype) for a in (noise, uniform, value_noise)))
        results.append((episode.actions, passed.value.to(F64), g_policy["w_rec"].to(F64)))
    assert torch.equal(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(results[0][2], results[1][2], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("engine_class", ENGINES)
def test_a_trial_does_not_depend_on_its_batch(engine_class) -> None:
    trials, policy, _, noise, uniform, value_noise = a_case(n_trials=6)
    engine = engine_class(ALPHA, SD, SD_VALUE, dtype=F64)
    whole = engine.rollout(policy, trials, draws(noise, uniform, value_noise))
    for i in (0, 3, 5):
        one = engine.rollout(policy, trials[i : i + 1], draws(noise[:, [i]], uniform[:, [i]], value_noise[:, [i]]))
        assert torch.equal(one.actions[:, 0], whole.actions[:, i])


@pytest.mark.parametrize("engine_class", ENGINES)
def test_the_baseline_does_not_see_the_action_it_judges(engine_class) -> None:
    """Changing a_t alone changes b_k only for k > t."""
    trials, policy, value, noise, uniform, value_noise = a_case(n_trials=1)
    stops = np.zeros_like(trials.stops)
    stops[2] = True
    trials = dataclasses.replace(trials, stops=stops)
    engine = engine_class(ALPHA, SD, SD_VALUE, dtype=F64)
    given = draws(noise, uniform, value_noise)
    episode = engine.rollout(policy, trials, given)
    t = 40
    other = uniform.clone()
    other[t] = 0.999999 if episode.actions[t, 0] == 0 else 0.0
    given2 = draws(noise, other, value_noise)
    changed = engine.rollout(policy, trials, given2)
    assert (changed.actions != episode.actions).nonzero().tolist() == [[t, 0]]
    for pairing in ("learning", "rollout"):
        a = engine.value(value, episode, given, pairing).value
        b = engine.value(value, changed, given2, pairing).value
        assert torch.equal(a[: t + 1], b[: t + 1])
        assert (a[t + 1 :] != b[t + 1 :]).all()


def test_float32_sigmoid_is_exact_to_single_precision() -> None:
    x = np.linspace(-100, 100, 200_001).astype(np.float32)
    out = np.empty_like(x)
    kernels.sigmoid(x, out)
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert np.abs(out - exact).max() < 2e-7
    assert np.abs(out / exact - 1)[x > -80].max() < 1e-6
    for kind in (np.float32, np.float64):
        bias = np.array([GATE_BIAS], kind)
        kernels.sigmoid(bias, bias)
        assert bias[0] == 1, "the gates of a simple network are exactly 1"
    assert torch.sigmoid(torch.tensor(GATE_BIAS)) == 1
    nan = np.array([np.nan], np.float32)
    kernels.sigmoid(nan, nan)
    assert np.isnan(nan[0])


def test_nan_in_the_weights_is_reported() -> None:
    trials, policy, _, noise, uniform, value_noise = a_case(n_trials=2)
    policy["w_rec"][0, 0] = float("nan")
    from rnnpipe.errors import TrainingError

    with pytest.raises(TrainingError, match="NaN"):
        CpuEngine(ALPHA, SD, SD_VALUE, dtype=F64).rollout(policy, trials, draws(noise, uniform, value_noise))


def test_noise_has_the_stated_variance() -> None:
    fresh = Fresh.seeded(0)
    q = fresh.noise(0, 20, torch.arange(50), 100)
    assert q.std().item() == pytest.approx(1, abs=0.01)
    assert q.mean().item() == pytest.approx(0, abs=0.01)


def test_effective_weights_are_masked() -> None:
    p, masks = initial_policy(GatedSettings(), "abc", 3, 292)
    w = effective(p, masks)
    assert (w["w_rec"] != 0).sum(1).tolist() == [10] * 100
    assert (w["w_gates"] != 0).sum(1).tolist() == [10] * 200
