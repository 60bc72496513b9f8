"""The learning rule: golden numbers, properties of the first updates, stop rules, state."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from rnnpipe.errors import SettingsError
from rnnpipe.networks.draws import Fresh
from rnnpipe.networks.engine import CpuEngine
from rnnpipe.networks.engine_torch import TorchEngine
from rnnpipe.networks.parameters import effective, initial_policy, initial_value
from rnnpipe.networks.reference import gated_step
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.tasks import choice_task_names, task_class, trial_task_class
from rnnpipe.tasks._base import TimeoutTask
from rnnpipe.training.adam import Adam
from rnnpipe.training.objective import advantage, policy_loss, returns, value_loss
from rnnpipe.training.policy_gradient import PolicyGradient
from rnnpipe.training.settings import PolicyGradientSettings

CPU = torch.device("cpu")
F64 = torch.float64


def learner(
    task: str = "rdm_fixed", seed: int = 97, network=None, value=None, threads: int = 1, **learning
) -> PolicyGradient:
    return PolicyGradient(
        task_class(task)(),
        network or GatedSettings(),
        value or ValueSettings(),
        PolicyGradientSettings(**{"validation_trials": 100, **learning}),
        seed,
        CPU,
        threads,
    )


# -- golden numbers of the published implementation's rules (independently computed) --------------------------


def test_initial_policy_of_seed_97() -> None:
    p, masks = initial_policy(GatedSettings(), "abc", 3, 292)
    rows = [12, 23, 27, 42, 51, 67, 73, 81, 90, 99]
    assert masks["w_rec"][0].nonzero()[:, 0].tolist() == rows
    assert masks["w_gates"][0].nonzero()[:, 0].tolist() == [2, 12, 37, 40, 42, 51, 53, 82, 84, 96]
    assert masks["w_gates"][100].nonzero()[:, 0].tolist() == [13, 18, 31, 46, 48, 53, 78, 88, 90, 95]
    np.testing.assert_allclose(p["w_in"][:3, 0], [-0.41365892, -1.47094874, 1.56298519], rtol=1e-6)
    assert p["w_in"][299, 2].item() == pytest.approx(0.16838281, rel=1e-6)
    w = effective(p, masks)
    expected = [0.17564322, 0.64058899, 0.18832709, 0.50992069, 0.27986881, 0.76989295, 0.42222848, -0.08217647]
    np.testing.assert_allclose(w["w_rec"][0, rows], [*expected, -1.11097727, 0.35348631], rtol=1e-5)
    assert w["w_rec"].double().abs().sum().item() == pytest.approx(551.4143696, rel=1e-6)
    assert w["w_rec"].double().sum().item() == pytest.approx(-20.5905469, rel=1e-5)
    assert int((w["w_rec"] > 0).sum()) == 480
    assert w["w_gates"].double().sum().item() == pytest.approx(17.6847709, rel=1e-5)
    assert (p["x0"] == 0.5).all() and (p["w_out"] == 0).all() and (p["b_out"] == 0).all() and (p["b_in"] == 0).all()


def test_initial_value_network_of_seed_97() -> None:
    v, masks = initial_value(ValueSettings(), GatedSettings(), 3, 293, -1.0)
    assert masks == {}
    np.testing.assert_allclose(v["w_in"][:3, 0], [0.05528010, 0.09201655, -0.11058317], rtol=1e-6)
    np.testing.assert_allclose(v["w_rec"][:3, 0], [0.27765181, -0.16705432, -0.24550282], rtol=1e-6)
    np.testing.assert_allclose(v["w_gates"][:3, 0], [0.12081622, -0.33146879, -0.22639568], rtol=1e-6)
    assert v["b_out"].item() == -1 and (v["w_out"] == 0).all()


def test_recurrent_blocks_have_the_spectral_radius() -> None:
    p, masks = initial_policy(GatedSettings(n_units=40, connection_probability=0.2, spectral_radius=1.5), "abcd", 3, 5)
    w = effective(p, masks)
    for block in (w["w_rec"], w["w_gates"][:40], w["w_gates"][40:]):
        assert torch.linalg.eigvals(block.double()).abs().max().item() == pytest.approx(1.5, rel=1e-5)
        assert ((block != 0).sum(1) == 8).all()


def test_one_gated_step() -> None:
    w = {
        "w_in": torch.tensor([[0.5, -0.25, 0.1, 0.2, -0.3, 0.4]], dtype=F64).T,
        "b_in": torch.zeros(6, dtype=F64),
        "w_gates": torch.tensor([[0.3, -0.2, 0.1, 0.4], [0.25, 0.5, -0.6, 0.2]], dtype=F64).T,
        "w_rec": torch.tensor([[0.7, -0.4], [0.2, 0.9]], dtype=F64).T,
    }
    x, u, q = (
        torch.tensor([[0.5, -0.3]], dtype=F64),
        torch.ones(1, 1, dtype=F64),
        torch.tensor([[0.2, -0.1]], dtype=F64),
    )
    x = gated_step(w, x, u, q, 0.1)
    np.testing.assert_allclose(x[0], [0.51985822, -0.30722186], atol=1e-8)
    np.testing.assert_allclose(gated_step(w, x, u, q, 0.1)[0], [0.53900199, -0.31423923], atol=1e-8)


def test_objective() -> None:
    log_p = torch.tensor([[-0.5, -1], [-0.2, -0.3], [-0.7, 0]], dtype=F64)
    rewards = torch.tensor([[0.0, -1], [0, 0], [1, 0]], dtype=F64)
    mask = torch.tensor([[1.0, 1], [1, 0], [1, 0]], dtype=F64)
    b = torch.tensor([[-0.2, -0.4], [0.1, 0], [0.3, 0]], dtype=F64)
    assert policy_loss(log_p, advantage(rewards, mask, b)).item() == pytest.approx(0.085, abs=1e-12)
    assert policy_loss(log_p, advantage(rewards, mask, b, "return")).item() == pytest.approx(0.335, abs=1e-12)
    assert returns(rewards, mask).tolist() == [[1, -1], [1, 0], [1, 0]]
    assert value_loss(b, rewards, mask).item() == pytest.approx(0.775, abs=1e-12)


def test_adam() -> None:
    from rnnpipe.networks.parameters import Parameters

    p = Parameters({"b_out": torch.ones(1, dtype=F64)})
    adam = Adam(p, 0.004, 1.0, {})
    for gradient, expected in ((0.3, 0.9960000042), (-0.1, 0.9943991315)):
        adam.step({"b_out": torch.full((1,), gradient, dtype=F64)})
        assert p["b_out"].item() == pytest.approx(expected, abs=1e-10)


def test_adam_clips_the_norm_and_ignores_a_gradient_that_is_not_finite() -> None:
    from rnnpipe.networks.parameters import Parameters

    steps = []
    for gradient in ([3.0, 4.0], [0.6, 0.8]):  # norms 5 and 1
        p = Parameters({"b_out": torch.zeros(2, dtype=F64)})
        adam = Adam(p, 0.004, 1.0, {})
        adam.step({"b_out": torch.tensor(gradient, dtype=F64)})
        steps.append(adam.m.clone())
    torch.testing.assert_close(steps[0], steps[1])
    before = p["b_out"].clone()
    for bad in (float("nan"), float("inf"), 1e11):
        adam.step({"b_out": torch.tensor([bad, 0.0], dtype=F64)})
    assert torch.isfinite(p["b_out"]).all()
    assert (p["b_out"] != before).all(), "the step is still made, with the old moments"
    assert adam.step_count == 4


def test_masked_and_fixed_parameters_never_move() -> None:
    a = learner(network=GatedSettings(fixed=["w_rec"]), seed=3)
    start = a.policy.clone()
    for _ in range(30):
        a.update()
    assert torch.equal(a.policy["w_rec"], start["w_rec"])
    absent = a.masks["policy"]["w_gates"] == 0
    assert torch.equal(a.policy["w_gates"][absent], start["w_gates"][absent])
    assert not torch.equal(a.policy["w_gates"], start["w_gates"]), "fixing w_rec does not fix w_gates"
    w = effective(a.policy, a.masks["policy"])
    assert ((w["w_gates"] != 0).sum(1) == 10).all() and ((w["w_rec"] != 0).sum(1) == 10).all()


# -- the bootstrapping phase ----------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [n for n in choice_task_names() if issubclass(trial_task_class(n), TimeoutTask)])
def test_before_any_update_every_trial_aborts_and_the_value_is_exact(task: str) -> None:
    a = learner(task)
    row = a.validate()
    discounted = a.task.tau_reward is not None
    abort = a.task.reward_abort
    assert row["mean_reward"] == (pytest.approx(0.9995 * abort, abs=5e-4) if discounted else abort)
    assert row["p_decision"] == 0
    if not discounted:
        assert row["value_rmse"] == 0
    episode, passed = a._simulate(
        a.task.sample(a.rng, 20), effective(a.policy, a.masks["policy"]), dict(a.value), Fresh.seeded(1)
    )
    assert (passed.value[episode.mask > 0] == abort).all()
    np.testing.assert_array_equal(
        a.engine.activity(episode)["probabilities"][episode.mask.numpy() > 0], np.float32(1 / len(a.task.action_names))
    )


def test_a_task_without_choices_is_not_learned_by_reward() -> None:
    with pytest.raises(SettingsError, match="^task flip_flop has continuous outputs and nothing to choose"):
        learner("flip_flop")


def test_first_update_moves_the_readout_by_the_learning_rate_and_nothing_else() -> None:
    a = learner()
    start, start_value = a.policy.clone(), a.value.clone()
    a.update()
    for name in ("w_out", "b_out"):
        np.testing.assert_allclose((a.policy[name] - start[name]).abs(), 0.004, rtol=1e-4)
    assert (a.policy["b_out"][0] > 0) and (a.policy["b_out"][1:] < 0).all(), "waiting becomes more likely"
    for name in ("x0", "w_in", "b_in", "w_rec", "w_gates"):
        assert torch.equal(a.policy[name], start[name]), name
    assert torch.equal(a.value.flat, start_value.flat)
    a.update()
    assert not torch.equal(a.policy["x0"], start["x0"])


def test_crediting_the_first_action_with_the_return_never_starts() -> None:
    a = learner(credit_t0="return")
    start = a.policy.clone()
    for _ in range(20):
        a.update()
    assert torch.equal(a.policy.flat, start.flat)
    assert all(float(norm) == 0 for norms in a._norms for norm in norms)


def test_reward_rises_from_exactly_minus_one() -> None:
    a = learner(seed=102)
    assert a.validate()["mean_reward"] == -1
    for _ in range(50):
        a.update()
    assert a.validate()["mean_reward"] > 0.3


# -- validation, stop rules, state ----------------------------------------------------------------------------


def test_best_network_follows_reward_and_criterion() -> None:
    a = learner()
    a.validate()
    for _ in range(40):
        a.update()
    row = a.validate()
    assert row["new_best"] and torch.equal(a.best_policy.flat, a.policy.flat)
    best = a.best_policy.clone()
    a.update()
    assert torch.equal(a.best_policy.flat, best.flat), "the best network is a copy"
    a.policy.flat.zero_()
    assert not a.validate()["new_best"]
    assert torch.equal(a.best_policy.flat, best.flat)


def test_it_stops_at_the_criterion_the_target_and_the_limit() -> None:
    a = learner(max_updates=3, validation_interval=2)
    due = []
    while not a.finished:
        if a.validation_due:
            a.validate()
            due.append(a.n_updates)
            continue
        a.update()
    assert due == [0, 2, 3] and a.n_updates == 3 and not a.reached_criterion
    b = learner(target_reward=-1.0)
    b.validate()
    assert b.finished and not b.reached_criterion
    easy = task_class("rdm_fixed")(min_decisions=0.0, min_correct=0.0)
    c = PolicyGradient(easy, GatedSettings(), ValueSettings(), PolicyGradientSettings(validation_trials=10), 1, CPU)
    c.validate()
    assert c.finished and c.reached_criterion


@pytest.mark.parametrize("kind", ["gated", "linear"])
def test_state_continues_bit_for_bit(kind: str) -> None:
    def fresh() -> PolicyGradient:
        return learner(seed=5, value=ValueSettings(kind=kind), validation_interval=5)  # type: ignore[arg-type]

    def go(a: PolicyGradient, until: int) -> None:
        while a.n_updates < until:
            if a.validation_due:
                a.validate()
            a.update()

    whole = fresh()
    go(whole, 23)
    broken = fresh()
    go(broken, 12)
    buffer = io.BytesIO()
    torch.save(broken.state(), buffer)
    buffer.seek(0)
    resumed = fresh()
    resumed.load_state(torch.load(buffer, weights_only=True))
    go(resumed, 23)
    for a in (whole, resumed):
        a.validate()
    assert resumed.history == whole.history
    for name in ("policy", "value", "best_policy", "best_value"):
        assert torch.equal(getattr(resumed, name).flat, getattr(whole, name).flat), name
    assert torch.equal(resumed.policy_adam.v, whole.policy_adam.v)


@pytest.mark.parametrize("kind", ["gated", "linear"])
def test_the_result_does_not_depend_on_the_number_of_threads(kind: str) -> None:
    results = []
    for threads in (1, 2, 3):
        a = learner(seed=5, value=ValueSettings(kind=kind), threads=threads, validation_trials=600)  # type: ignore[arg-type]
        for _ in range(12):
            a.update()
        a.validate()
        results.append((a.policy.flat.clone(), a.value.flat.clone(), a.history))
    for other in results[1:]:
        assert torch.equal(other[0], results[0][0]) and torch.equal(other[1], results[0][1])
        assert other[2] == results[0][2]


def test_two_runs_with_one_seed_agree_and_another_seed_differs() -> None:
    results = []
    for seed in (5, 5, 6):
        a = learner(seed=seed)
        for _ in range(5):
            a.update()
        results.append(a.policy.flat.clone())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("kind", ["gated", "linear"])
def test_the_engine_of_other_devices_learns_too(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(device: torch.device, alpha: float, noise: float, value_noise: float, *task: object) -> TorchEngine:
        return TorchEngine(alpha, noise, value_noise, device=device)

    monkeypatch.setattr("rnnpipe.networks.gated_policy.make_engine", other)
    a = learner(seed=102, value=ValueSettings(kind=kind), validation_trials=300)  # type: ignore[arg-type]
    assert isinstance(a.engine, TorchEngine)
    assert a.validate()["mean_reward"] == -1
    start = a.policy.clone()
    a.update()
    np.testing.assert_allclose((a.policy["w_out"] - start["w_out"]).abs(), 0.004, rtol=1e-4)
    assert torch.equal(a.policy["w_rec"], start["w_rec"])
    for _ in range(49):
        a.update()
    assert a.validate()["mean_reward"] > 0.2


def test_engine_is_the_compiled_one_on_the_cpu() -> None:
    assert isinstance(learner().engine, CpuEngine)
