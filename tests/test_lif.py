"""Spiking networks: published numbers, analytic ones, and the engine against the step-by-step reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from rnnpipe.bench.lif import measure_lif
from rnnpipe.errors import SettingsError
from rnnpipe.networks import lif, lif_reference, random_kernels
from rnnpipe.networks.lif import Given, Record, Rows
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.settings import parse

EXACT = LifSettings(precision="float64")


def network(n: int, **changes: Any) -> RateNetwork:
    """Unconnected excitatory units without input that share a time constant of 20 ms; rates are read out, summed."""
    arrays: dict[str, Any] = {
        "w": np.zeros((n, n)), "sign": np.ones(n), "mask": np.ones((n, n)), "w_in": np.zeros((n, 1)),
        "w_out": np.ones((1, n)), "b_out": np.zeros(1), "b_rec": np.zeros(n), "gamma": np.zeros(n),
        "tau_min": 20.0, "tau_max": 20.0, "activation": "sigmoid", "dt": 5.0,
    }  # fmt: skip
    return RateNetwork(**arrays | changes)


def dale_network(
    rng: np.random.Generator, n: int, n_inputs: int = 1, n_outputs: int = 1, **changes: Any
) -> RateNetwork:
    """A random network under Dale's principle, strong enough to matter at a factor of 1."""
    sign = np.where(rng.random(n) < 0.3, -1.0, 1.0)
    w = np.abs(rng.normal(0, 30 / np.sqrt(n), (n, n))) * (rng.random((n, n)) < 0.5) * np.where(sign < 0, 2, 1) / 10
    made: dict[str, Any] = {
        "w": w, "sign": sign, "w_in": 10 * rng.normal(size=(n, n_inputs)), "b_rec": rng.normal(5, 5, n),
        "w_out": rng.normal(size=(n_outputs, n)) / n, "b_out": np.ones(n_outputs), "gamma": rng.normal(size=n),
        "tau_min": 20.0, "tau_max": 50.0,
    }  # fmt: skip
    return network(n, **made | changes)


def columns(n_columns: int, n_trials: int = 1, n_inputs: int = 1) -> np.ndarray:
    return np.zeros((n_columns, n_trials, n_inputs))


def rows(n: int, factor: float = 1.0, first_seed: int = 0) -> Rows:
    zero = np.zeros(n, int)
    return Rows(zero, zero, np.full(n, factor), np.arange(first_seed, first_seed + n).astype(np.uint64))


def raster(result: lif.LifResult, row: int, n: int) -> np.ndarray:
    assert result.spikes is not None
    found = np.zeros((result.n_steps, n), bool)
    mine = result.spikes.row == row
    found[result.spikes.step[mine] - 1, result.spikes.unit[mine]] = True
    return found


# the published numbers of a deterministic network


def golden() -> tuple[RateNetwork, np.ndarray, np.ndarray, np.ndarray]:
    """The network, its input, voltages at the start and noise of 201 steps of 100 steps each."""
    n = 6
    k = np.arange(n)
    i, j = np.meshgrid(k, k, indexing="ij")
    w = np.where((i + 2 * j) % 3 == 0, 0, 0.9 + 0.6 * np.sin(1 + 3 * i + 5 * j))
    net = network(
        n, w=w, sign=np.where(k >= 4, -1.0, 1.0), w_in=np.cos(k)[:, None], w_out=0.5 * (-1.0) ** k[None] / (1 + k),
        b_out=np.array([0.1]), gamma=-1 + 0.4 * k, tau_min=20.0, tau_max=100.0,
    )  # fmt: skip
    u = columns(202)
    u[50:75] = 1
    steps = np.arange(1, 20101)[:, None]
    return net, u, -65 + 95 * np.modf(0.37 * (k + 1))[0], np.sqrt(2) * np.sin(0.11 * steps + 0.7 * k)


def test_the_published_numbers_of_a_deterministic_network() -> None:
    net, u, v0, noise = golden()
    trace = lif_reference.simulate(net, u[:, 0], 30.0, EXACT, v0, noise)
    spikes = trace.spikes[:20000]
    np.testing.assert_array_equal(spikes.sum(0), [5, 43, 33, 42, 33, 43])
    first = [list(np.nonzero(unit)[0][:5] + 1) for unit in spikes.T]
    assert first == [
        [1, 1282, 5395, 6366, 7335], [1, 585, 1106, 1613, 2074], [468, 1095, 1667, 2240, 2864],
        [1, 630, 1201, 1718, 2230], [1, 624, 1252, 1824, 2396], [276, 844, 1360, 1871, 2334],
    ]  # fmt: skip
    expected = [0.178106541054, -0.066812845183, -0.364213109128, -0.325598097458, -0.324806178660]
    np.testing.assert_allclose(trace.outputs[[99, 999, 4999, 9999, 19999], 0], expected, rtol=0, atol=1e-12)
    # the current after step 20000 acts in step 20001
    current = [-2.37345402, 2.15233578, 0.29936636, 1.72419035, 0.45973254, 2.41190863]
    np.testing.assert_allclose(trace.currents[20000], current, atol=1e-8)
    np.testing.assert_allclose(
        trace.rates[19999], [8.58e-6, 35.14642, 27.65064, 44.47128, 34.61976, 41.62909], rtol=1e-3 / 8.58, atol=5e-6
    )

    record = Record(outputs_every=1, spikes=True, bin=50.0, voltage_units=(3, 0))
    result = lif.simulate(
        [net], u, rows(1, 30.0), EXACT, (500.0, None), record=record, given=Given(v0[None], noise[None])
    )
    np.testing.assert_array_equal(raster(result, 0, 6), trace.spikes)
    np.testing.assert_allclose(result.outputs[0], trace.outputs, atol=1e-13)
    np.testing.assert_allclose(result.voltage[0], trace.voltage[:, [3, 0]], atol=1e-5)
    window = trace.outputs[9999:]  # "MATLAB 10000:end"
    np.testing.assert_allclose(
        [result.high[0, 0], result.low[0, 0], result.mean[0, 0]], [window.max(), window.min(), window.mean()]
    )
    np.testing.assert_array_equal(result.n_spikes[0], trace.spikes[9:].sum(0))
    np.testing.assert_allclose(result.rates[0], trace.spikes[9:].sum(0) / 1.005)
    bins = np.add.reduceat(trace.spikes, np.arange(0, 20100, 1000), axis=0, dtype=int)
    np.testing.assert_array_equal(result.binned[0], bins)


@pytest.mark.parametrize("seed", range(30))
def test_engine_and_reference_spike_alike(seed: int) -> None:
    """On random small networks, every model, filter and intervention, with given random numbers."""
    rng = np.random.default_rng(seed)
    pick = rng.choice
    n, n_inputs, n_outputs = int(rng.integers(1, 40)), int(rng.integers(1, 4)), int(rng.integers(1, 3))
    w_initial = np.abs(rng.normal(0, 0.5, (n, n)))
    net = dale_network(rng, n, n_inputs, n_outputs, w_initial=w_initial, mask=(rng.random((n, n)) < 0.9) * 1.0)
    stimulated = [int(unit) for unit in rng.permutation(n)[: 1 + n // 3]]
    changes: dict[str, Any] = {
        "precision": "float64", "model": str(pick(["lif", "qif"])), "dt": float(pick([0.05, 0.1])),
        "downsample": int(pick([1, 1, 2])), "tau_rise": float(pick([0.0, 0.02, 2.0])),
        "t_ref": float(pick([0.0, 1.3, 2.0])),
        "initial_weights": bool(pick([False, True])), "v_noise": float(pick([0.0, 0.1, 1.0])),
        "lesion_fraction": float(pick([0.0, 0.4])), "lesion_keep_self": bool(pick([False, True])),
        "lesion_scale": float(pick([0.0, 0.5])), "stimulation": str(pick(["none", "exc", "inh"])),
        "stimulation_on": 20.0, "stimulation_off": 71.3, "stimulation_units": stimulated,
    }  # fmt: skip
    settings = parse(LifSettings, changes, "here")
    u = rng.normal(size=(31, 3, n_inputs))
    held = round(5 / settings.dt)
    n_steps = held * (len(u[:: settings.downsample]) - 1)
    noise, v0 = rng.normal(size=(2, n_steps, n)), rng.uniform(-65, 30, (2, n))
    coins = rng.random((2, n_steps)) < 0.5
    which = Rows(np.array([0, 0]), np.array([2, 0]), np.array([1.0, 3.0]), np.array([1, 2], np.uint64))
    end = settings.step * n_steps
    result = lif.simulate(
        [net], u, which, settings, (0.4 * end, 0.8 * end),
        record=Record(outputs_every=7, spikes=True), given=Given(v0, noise, coins),
    )  # fmt: skip
    for row in range(2):
        trace = lif_reference.simulate(
            net, u[:, which.trial[row]], which.factor[row], settings, v0[row], noise[row], coins[row]
        )
        np.testing.assert_array_equal(raster(result, row, n), trace.spikes)
        assert trace.spikes[50:].any()
        np.testing.assert_allclose(result.outputs[row], trace.outputs[6::7], rtol=1e-9, atol=1e-9)
        part = trace.outputs[round(0.4 * n_steps) - 1 : round(0.8 * n_steps) - 1]
        np.testing.assert_allclose(result.high[row], part.max(0), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(result.low[row], part.min(0), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(result.mean[row], part.mean(0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("stimulation", ["none", "exc"])
def test_the_random_numbers_of_a_row_are_those_that_draws_gives(stimulation: str) -> None:
    net = dale_network(np.random.default_rng(0), 37)
    changes = {"stimulation": stimulation, "stimulation_off": 1000.0, "stimulation_units": [3, 36]}
    settings = parse(LifSettings, {"precision": "float64", **changes}, "here")
    drawn = lif.draws(11, 37, 1000, settings)
    trace = lif_reference.simulate(net, columns(11)[:, 0], 2.0, settings, drawn.v0, drawn.noise, drawn.coins)
    result = lif.simulate([net], columns(11), rows(1, 2.0, 11), settings, record=Record(spikes=True))
    np.testing.assert_array_equal(raster(result, 0, 37), trace.spikes)


# time


def test_input_columns_are_held_as_published() -> None:
    """Column 0 for 49 steps, the last for 51, others for 100; the current is read back from the voltage."""
    for downsample in (1, 2):
        net = network(1, w_in=np.ones((1, 1)))
        u = np.arange(5.0 * downsample)[:, None, None] + 1
        settings = LifSettings(
            precision="float64", v_threshold=1e4, v_noise=0.0, t_ref=0.0, bias=0.0, downsample=downsample
        )
        n_steps, leak = 400, 0.005 * downsample
        trace = lif_reference.simulate(net, u[:, 0], 1.0, settings, np.zeros(1), np.zeros((n_steps, 1)))
        result = lif.simulate([net], u, rows(1), settings, given=Given(np.zeros((1, 1)), np.zeros((1, n_steps, 1))),
                              record=Record(voltage_units=(0,)))  # fmt: skip
        for voltage in (trace.voltage[:, 0], result.voltage[0, :, 0]):
            v = np.concatenate([[0], voltage])
            current = np.rint(np.diff(v) / leak + v[:-1]).astype(int)
            column = (current - 1) // downsample
            np.testing.assert_array_equal(np.bincount(column), [49, 100, 100, 100, 51])
            np.testing.assert_array_equal(current, column * downsample + 1)


def test_refractory_table_is_the_literal_comparison() -> None:
    """41 steps after nearly all spikes and 40 after 1.3 % of those in 10000 steps: rounding decides."""
    n = 10000
    table = lif.resume_table(n, LifSettings())
    dt, t_ref = 5e-5, 0.002
    for i in (*range(300), 4321, n):
        literal = next(k for k in range(i + 1, i + 60) if dt * k > dt * i + t_ref)
        assert table[i] == literal
    after = table[1:] - np.arange(1, n + 1)
    assert set(after) == {40, 41}
    assert (after == 40).mean() == pytest.approx(0.013, abs=0.002)
    np.testing.assert_array_equal(lif.resume_table(50, LifSettings(t_ref=0.0)), np.arange(1, 52))
    assert lif.resume_table(50, LifSettings(downsample=2))[0] in (20, 21)


def test_nothing_integrates_before_step_41() -> None:
    net, v0 = network(1, b_rec=np.array([10.0])), np.full((1, 1), -50.0)
    settings = LifSettings(precision="float64", v_noise=0.0)
    given = Given(v0, np.zeros((1, 100, 1)))
    result = lif.simulate([net], columns(2), rows(1), settings, given=given, record=Record(voltage_units=(0,)))
    trace = lif_reference.simulate(net, columns(2)[:, 0], 1.0, settings, v0[0], np.zeros((100, 1)))
    for voltage in (result.voltage[0, :, 0], trace.voltage[:, 0]):
        assert (voltage[:40] == -50).all()
        assert voltage[40] == pytest.approx(-50 + 0.005 * 20)


def test_a_spike_reaches_targets_two_steps_later_and_the_output_one() -> None:
    """Unit 1 spikes in step 1; it excites unit 0, whose own time constant filters the spike."""
    w = np.array([[0.0, 3.0], [0.0, 0.0]])
    net = network(2, w=w, w_out=np.array([[0.0, 1.0]]), gamma=np.array([-20.0, 20.0]), tau_max=100.0)
    settings = LifSettings(precision="float64", v_noise=0.0, t_ref=0.0, bias=-50.0)
    trace = lif_reference.simulate(net, columns(101)[:, 0], 2.0, settings, np.array([-50.0, 0.0]), np.zeros((10000, 2)))
    assert (trace.voltage[:2, 0] == -50).all() and trace.voltage[2, 0] > -50
    assert trace.outputs[0, 0] == 0 and trace.outputs[1, 0] > 0
    current, output = trace.currents[:, 0], trace.outputs[:, 0]
    late = slice(3000, 4000)
    t = np.arange(1000) * 0.05
    assert -1 / np.polyfit(t, np.log(current[late]), 1)[0] == pytest.approx(20, rel=1e-3)
    assert -1 / np.polyfit(t, np.log(output[late]), 1)[0] == pytest.approx(100, rel=1e-3)
    # areas: S divides the recurrent and the output weight
    assert current.sum() * 5e-5 == pytest.approx(1.5 * 1.01382, rel=1e-5)
    assert output.sum() * 5e-5 == pytest.approx(0.5 * 1.01281, rel=0.01)


@pytest.mark.parametrize(("tau", "area"), [(20.0, 1.01382), (50.0, 1.01306), (100.0, 1.01281)])
def test_area_of_the_filter(tau: float, area: float) -> None:
    """One spike a unit, in step 1: the double exponential, and the one that only decays."""
    net = network(1, tau_min=tau, tau_max=tau)
    given = Given(np.zeros((1, 1)), np.zeros((1, 40000, 1)))
    settings = LifSettings(precision="float64", t_ref=1e5)
    result = lif.simulate([net], columns(401), rows(1), settings, given=given, record=Record(outputs_every=1))
    assert result.outputs.sum() * 5e-5 == pytest.approx(area, rel=1e-5)
    peak = np.log(tau / 2) * tau * 2 / (tau - 2)
    assert result.outputs[0, :, 0].argmax() * 0.05 == pytest.approx(peak, abs=0.1)

    settings = LifSettings(precision="float64", t_ref=1e5, tau_rise=0.0)
    result = lif.simulate([net], columns(401), rows(1), settings, given=given, record=Record(outputs_every=1))
    t = np.arange(40000) * 0.05
    np.testing.assert_allclose(result.outputs[0, :, 0], 1000 / tau * np.exp(-t / tau), rtol=1e-9)


# statistics of single units


def test_rates_of_a_single_unit() -> None:
    """The published relation of current and rate, Hz: 100 unconnected units a current, 40 s."""
    current = [-3, -2, -1, 0, 1, 2, 3, 5, 10, 20]
    expected = np.array([0.9, 6.3, 15.7, 24.3, 31.0, 36.7, 41.6, 50.4, 68.8, 98.8])
    net = network(1000, b_rec=np.repeat(current, 100).astype(float))
    result = lif.simulate([net], columns(8001), rows(1), LifSettings())
    rates = result.rates[0].reshape(10, 100).mean(axis=1)
    np.testing.assert_allclose(rates, expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(("downsample", "sd"), [(1, 1.0), (2, 0.71)])
def test_noise_of_the_voltage(downsample: int, sd: float) -> None:
    """0.1 mV a step, whatever the step is."""
    settings = LifSettings(v_threshold=1000.0, downsample=downsample)
    record = Record(voltage_units=tuple(range(64)))
    voltage = lif.simulate([network(64)], columns(801), rows(1), settings, record=record).voltage[0]
    late = voltage[len(voltage) // 4 :]
    assert late.std() == pytest.approx(sd, rel=0.015)
    assert late.mean() == pytest.approx(-40, abs=0.05)


def test_three_quarters_of_the_units_spike_in_the_first_step() -> None:
    result = lif.simulate([network(200)], columns(2), rows(200), LifSettings(), record=Record(spikes=True))
    at_once = np.bincount(result.spikes.row[result.spikes.step == 1], minlength=200) / 200
    assert at_once.mean() == pytest.approx(0.737, abs=0.007)
    assert at_once.std() == pytest.approx(0.031, abs=0.006)
    # these do not count for the mean rates
    assert result.n_spikes.sum() == (result.spikes.step >= 10).sum()
    assert (result.spikes.step < 10).sum() >= 0.7 * 200 * 200


def test_quadratic_units_fire_between_their_own_bounds() -> None:
    settings = LifSettings(model="qif")
    assert settings.threshold == 30 and settings.constant == 0
    net = network(32, b_rec=np.repeat([-20.0, 20.0], 16))
    record = Record(voltage_units=(20,))
    result = lif.simulate([net], columns(401), rows(4), settings, record=record)
    rates = result.rates.reshape(4, 2, 16).mean(axis=(0, 2))
    assert rates[0] < 5 and rates[1] > 20, "v^2 + I has no fixed point for I > 0"
    assert result.voltage.max() == 30 and -70 < result.voltage.min() < -60


# independence


def test_rows_do_not_depend_on_their_company() -> None:
    rng = np.random.default_rng(3)
    nets = [dale_network(rng, n, 2) for n in (30, 61, 16)]
    u = rng.normal(size=(41, 5, 2))
    which = Rows(
        rng.integers(0, 3, 12), rng.integers(0, 5, 12), rng.uniform(1, 5, 12), rng.integers(0, 2**63, 12, np.uint64)
    )
    record = Record(spikes=True, outputs_every=10)

    def run(order: np.ndarray, threads: int) -> lif.LifResult:
        part = Rows(which.network[order], which.trial[order], which.factor[order], which.seed[order])
        done: list[int] = []
        result = lif.simulate(nets, u, part, LifSettings(), record=record, threads=threads, progress=done.append)
        assert sum(done) == len(order)
        return result

    everything = run(np.arange(12), 1)
    assert len({tuple(mean) for mean in everything.mean}) == 12, "rows differ"
    shuffled = rng.permutation(12)
    for order, threads in ((shuffled, 2), (shuffled[:1], 1), (np.arange(12), 2)):
        again = run(order, threads)
        for name in ("high", "low", "mean", "outputs"):
            np.testing.assert_array_equal(getattr(again, name), getattr(everything, name)[order])
        most = again.n_spikes.shape[1]
        np.testing.assert_array_equal(again.n_spikes, everything.n_spikes[order, :most])
        for place, row in enumerate(order):
            np.testing.assert_array_equal(raster(again, place, 61), raster(everything, row, 61))
    assert (everything.n_spikes[everything.n_units == 16, 16:] == 0).all()


def test_more_spikes_than_expected_are_recorded() -> None:
    """Without refractory period, far above threshold: one spike in every few steps."""
    net = network(3, b_rec=np.full(3, 1e4))
    settings = LifSettings(t_ref=0.0)
    result = lif.simulate([net], columns(21), rows(2), settings, record=Record(spikes=True, bin=50.0))
    assert len(result.spikes.step) > 2 * 64 * 3
    np.testing.assert_array_equal(result.binned.sum((0, 1)), np.bincount(result.spikes.unit, minlength=3))
    steps = result.spikes.step[result.spikes.row == 1]
    assert (np.diff(steps) >= 0).all() and steps[-1] <= 2000


def test_precisions_agree() -> None:
    """The same noise in both: spikes are the same until rounding decides one, statistics are the same after it."""
    rng = np.random.default_rng(5)
    net = dale_network(rng, 60)
    single, double = (
        lif.simulate([net], columns(201), rows(12, 2.0), LifSettings(precision=precision), (500.0, None))
        for precision in ("float32", "float64")
    )
    assert double.rates.mean() > 3
    assert single.rates.mean() == pytest.approx(double.rates.mean(), rel=0.02)
    np.testing.assert_allclose(single.rates.mean(0), double.rates.mean(0), atol=4)
    np.testing.assert_allclose(single.mean.mean(), double.mean.mean(), atol=0.05 * double.mean.std() + 0.02)


# random numbers


def xoshiro(state: list[int]) -> int:
    """xoshiro128++ as its authors write it."""
    mask = 0xFFFFFFFF

    def rotated(x: int, k: int) -> int:
        return (x << k | x >> (32 - k)) & mask

    word = (rotated((state[0] + state[3]) & mask, 7) + state[0]) & mask
    t = state[1] << 9 & mask
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= t
    state[3] = rotated(state[3], 11)
    return word


def test_generators_are_the_published_ones() -> None:
    numbers = [int(random_kernels.mixed(np.uint64(1234567), k)) for k in range(1, 4)]
    assert numbers == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    state = [1, 2, 3, 4]
    assert [xoshiro(state) for _ in range(4)] == [641, 1573767, 3222811527, 3517856514]
    lanes, words = np.empty((4, random_kernels.LANES), np.uint32), np.empty((2, random_kernels.LANES), np.uint32)
    random_kernels.start_lanes(np.uint64(9), lanes)
    states = [[int(word) for word in lane] for lane in lanes.T]
    for _ in range(3):
        random_kernels._words(lanes, words)
        for word in words:
            np.testing.assert_array_equal(word, [xoshiro(state) for state in states])


def normals(seed: int, n: int, dtype: str = "float32") -> np.ndarray:
    lanes, out = np.empty((4, random_kernels.LANES), np.uint32), np.empty(n, dtype)
    random_kernels.start_lanes(np.uint64(seed), lanes)
    random_kernels.normal(lanes, out)
    return out


def test_normal_numbers_are_normal() -> None:
    """Moments, distribution, and the tails to 5.5 standard deviations."""
    n, seeds, beyond = 2**22, 10, dict.fromkeys((3.0, 4.0, 4.5, 5.0, 5.5), 0)
    total, moments = n * seeds, np.zeros(4)
    for seed in range(seeds):
        z = normals(seed, n)
        squared = z * z
        moments += [values.sum(dtype=float) for values in (z, squared, squared * z, squared * squared)]
        large = np.sqrt(squared[squared > 9])
        for bound in beyond:
            beyond[bound] += int((large > bound).sum())
    # standard errors of the first four moments of n normal numbers
    errors = (moments / total - [0, 1, 0, 3]) * np.sqrt(total / np.array([1, 2, 15, 96]))
    assert np.abs(errors).max() < 4
    for bound, count in beyond.items():
        expected = 2 * stats.norm.sf(bound) * total
        assert abs(count - expected) < 4 * np.sqrt(expected) + 1, bound
    assert stats.kstest(normals(99, 2**20), "norm").pvalue > 1e-3
    np.testing.assert_allclose(normals(3, 512), normals(3, 512, "float64"), rtol=1e-6)


def test_transform_of_the_most_extreme_words() -> None:
    """Radii of the smallest and the largest word, and angles at quarter turns; none is NaN."""
    lanes = np.zeros((4, random_kernels.LANES), np.uint32)  # a generator at zero yields zeros
    out = np.empty(256, np.float32)
    random_kernels.normal(lanes, out)
    assert out[0] == pytest.approx(np.sqrt(-2 * np.log(0.5 * 2.0**-32)), rel=1e-5) and out[128] == 0
    z = normals(1, 2**22)
    assert np.isfinite(z).all()
    pairs = z.reshape(-1, 2, 128)
    squared = (pairs**2).sum(axis=1).ravel()
    assert stats.kstest(squared[: 2**18], stats.chi2(2).cdf).pvalue > 1e-3
    angle = np.arctan2(pairs[:, 1], pairs[:, 0]).ravel()
    assert stats.kstest(angle[: 2**18], stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3


def test_normal_numbers_are_independent() -> None:
    """Between generators, between the numbers of a pair, in time, and between seeds; squares as well."""
    blocks = 6000
    z = normals(7, 256 * blocks).reshape(blocks, 256)
    seeds = np.stack([normals(seed, 24 * 256)[:blocks] for seed in [*range(60), 2**32, 2**63, 2**64 - 1]], axis=1)
    for sample in (z, seeds):
        for values in (sample, sample**2):
            values = (values - values.mean(0)) / values.std(0)
            n = values.shape[1]
            same = values.T @ values / blocks
            assert np.abs(same[~np.eye(n, dtype=bool)]).max() < 5.5 / np.sqrt(blocks)
            for lag in (1, 2):
                later = values[lag:].T @ values[:-lag] / (blocks - lag)
                assert np.abs(later).max() < 5.5 / np.sqrt(blocks - lag)


def test_pushes_are_fair_and_independent_of_the_noise() -> None:
    found = np.stack([lif.draws(seed, 4, 4000, LifSettings()).coins for seed in range(40)])
    assert found.mean() == pytest.approx(0.5, abs=0.005)
    assert np.abs(np.corrcoef(found)[~np.eye(40, dtype=bool)]).max() < 5 / np.sqrt(4000)
    assert (found[:, 1:] & found[:, :-1]).mean() == pytest.approx(0.25, abs=0.005)


# interventions


def test_stimulation_pushes_its_units_in_its_time() -> None:
    changes = {"stimulation_on": 200.05, "stimulation_off": 400.05, "stimulation_units": [2, 5]}
    rates = {}
    for mode in ("none", "exc", "inh"):
        settings = parse(LifSettings, {"stimulation": mode, **changes}, "here")
        result = lif.simulate([network(8)], columns(121), rows(20), settings, record=Record(bin=200.0))
        rates[mode] = result.binned.sum(0) / (20 * 0.2)
    chosen = np.isin(np.arange(8), [2, 5])
    assert (rates["exc"][1, chosen] > 5 * rates["none"][1, chosen]).all()
    assert (rates["inh"][1, chosen] < 0.2 * rates["none"][1, chosen]).all()
    for mode in ("exc", "inh"):
        np.testing.assert_array_equal(rates[mode][0], rates["none"][0])
        np.testing.assert_array_equal(rates[mode][:, ~chosen], rates["none"][:, ~chosen])


def test_a_part_of_a_population_is_stimulated_as_if_its_units_were_listed() -> None:
    rng = np.random.default_rng(2)
    nets = [dale_network(rng, n, n_som=2) for n in (40, 30)]
    changes = {"stimulation": "exc", "stimulation_on": 20.0, "stimulation_off": 60.0}

    def settings(**more: Any) -> LifSettings:
        return LifSettings(**changes, **more)

    def units(net: Any, **more: Any) -> list[int]:
        return lif_reference.stimulated_units(net, settings(**more)).tolist()

    for net in nets:
        members = {"all": np.ones(net.n_units, bool), "excitatory": ~net.inhibitory, "inhibitory": net.inhibitory}
        for name, which in {**members, "som": net.som}.items():
            assert units(net, stimulation_of=name) == np.flatnonzero(which).tolist()
        some, more = (units(net, stimulation_of="excitatory", stimulation_fraction=part) for part in (0.3, 0.6))
        assert len(some) == round(0.3 * (~net.inhibitory).sum()) and set(some) < set(more)
        assert not net.inhibitory[more].any()
        assert some != units(net, stimulation_of="excitatory", stimulation_fraction=0.3, stimulation_seed=2)
    picked = settings(stimulation_of="inhibitory", stimulation_fraction=0.5)
    both = Rows(np.array([0, 1]), np.zeros(2, int), np.full(2, 30.0), np.arange(2, dtype=np.uint64))
    found = lif.simulate(nets, columns(17), both, picked)
    for k, net in enumerate(nets):
        one = Rows(np.zeros(1, int), np.zeros(1, int), np.full(1, 30.0), np.array([k], np.uint64))
        listed = settings(stimulation_units=lif_reference.stimulated_units(net, picked).tolist())
        expected = lif.simulate([net], columns(17), one, listed)
        np.testing.assert_array_equal(found.n_spikes[k, : net.n_units], expected.n_spikes[0])
        assert (expected.n_spikes != lif.simulate([net], columns(17), one, LifSettings()).n_spikes).any()
    assert units(nets[0], stimulation_of="all", stimulation_fraction=0.0) == []
    with pytest.raises(SettingsError, match="som units, of which the network has none"):
        lif_reference.stimulated_units(network(5), settings(stimulation_of="som"))
    with pytest.raises(ValidationError, match="both say what is stimulated"):
        settings(stimulation_of="all", stimulation_units=[1])


def test_lesions_take_the_stated_fraction_of_the_stated_connections() -> None:
    rng = np.random.default_rng(8)
    net = dale_network(rng, 50, n_som=4, w_initial=np.ones((50, 50)))
    inh, som = net.inhibitory, net.som
    whole = lif_reference.recurrent_weights(net, LifSettings())
    np.testing.assert_array_equal(whole, net.w * net.sign[None, :])
    first = lif_reference.recurrent_weights(net, LifSettings(initial_weights=True))
    np.testing.assert_array_equal(first, np.broadcast_to(net.sign, (50, 50)))
    kinds = {"all": np.ones(50, bool), "excitatory": ~inh, "inhibitory": inh, "som": som}
    for post, to in kinds.items():
        for pre, by in kinds.items():
            settings = parse(
                LifSettings,
                {"lesion_fraction": 0.3, "lesion_pre": pre, "lesion_post": post, "lesion_scale": 0.5},
                "here",
            )
            changed = lif_reference.recurrent_weights(net, settings) / np.where(whole == 0, 1, whole)
            of_kind = np.outer(to, by) & (whole != 0)
            assert (changed[of_kind] == 0.5).sum() == round(0.3 * of_kind.sum()) > 0
            assert (changed[(whole != 0) & ~of_kind] == 1).all()
    typed = lif_reference.recurrent_weights(net, LifSettings(lesion_fraction=0.3, lesion_by_type=True))
    for to in (inh, ~inh):
        for by in (inh, ~inh):
            block = np.outer(to, by) & (whole != 0)
            assert (typed[block] == 0).sum() == round(0.3 * block.sum())
    kept = lif_reference.recurrent_weights(net, LifSettings(lesion_fraction=1.0, lesion_keep_self=True))
    np.testing.assert_array_equal(kept, np.diag(np.diag(whole)))
    assert np.diag(whole).any()
    again, other = (
        lif_reference.recurrent_weights(net, LifSettings(lesion_fraction=0.3, lesion_seed=seed)) for seed in (1, 2)
    )
    np.testing.assert_array_equal(again, lif_reference.recurrent_weights(net, LifSettings(lesion_fraction=0.3)))
    assert (again != other).any()


# mistakes


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"v_reset": -40.0}, "v_reset = -40 mV is not below the threshold of -40 mV"),
        ({"v_threshold": -70.0}, "is not below the threshold of -70 mV"),
        ({"v_init_low": 40.0}, "v_init_low = 40 mV is above v_init_high = 30 mV"),
        ({"tau_m": 0.0}, "tau_m = 0.0 ms: input should be greater than 0"),
        ({"t_ref": -1.0}, "t_ref = -1.0 ms: input should be greater than or equal to 0"),
        ({"tau_rise": -1.0}, "tau_rise = -1.0 ms"),
        ({"downsample": 0}, "downsample = 0"),
        ({"downsample": 300}, "a step of 15 ms (dt * downsample) is longer than tau_m = 10 ms"),
        ({"lesion_fraction": 1.5}, "lesion_fraction = 1.5"),
        (
            {"stimulation": "exc", "stimulation_units": [1]},
            "stimulation_on = 0 ms is not before stimulation_off = 0 ms",
        ),
        ({"stimulation": "exc", "stimulation_off": 9.0}, "stimulation_units = [] are no units"),
        ({"stimulation": "inh", "stimulation_off": 9.0, "stimulation_units": [1, 1]}, "names a unit twice"),
        ({"lesion_by_type": True, "lesion_pre": "som"}, "lesion_by_type is about all connections"),
    ],
)
def test_impossible_settings_are_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match="^here: ") as error:
        parse(LifSettings, changes, "here")
    assert sentence in str(error.value) and str(error.value).endswith(".")


def test_impossible_simulations_are_one_sentence() -> None:
    net = network(4)
    good: dict[str, Any] = {
        "networks": [net], "inputs": columns(11), "rows": rows(1), "settings": LifSettings(), "window": (0.0, None),
    }  # fmt: skip
    lif.simulate(**good)
    nan = columns(11)
    nan[3] = np.nan
    one = np.array([1])
    stimulated = LifSettings(stimulation="exc", stimulation_off=9.0, stimulation_units=[4])
    for changes, sentence in [
        ({"rows": rows(1, 0.0)}, "the scaling factor 0 is not a positive number"),
        ({"rows": rows(1, -20.0)}, "the scaling factor -20 is not a positive number"),
        ({"rows": rows(1, np.nan)}, "the scaling factor nan is not a positive number"),
        ({"rows": Rows(one, 0 * one, 20 * one, one)}, "network 1 does not exist; there are 1"),
        ({"rows": Rows(0 * one, one, 20 * one, one)}, "trial 1 does not exist; there are 1"),
        ({"inputs": columns(11, 1, 2)}, "expected (n_columns, n_trials, n_inputs) with n_inputs = 1"),
        ({"inputs": columns(11)[0]}, "the inputs have shape (1, 1)"),
        ({"inputs": nan}, "the inputs hold NaN"),
        ({"inputs": columns(1)}, "the input has 1 columns"),
        ({"window": (60.0, None)}, "no step is in the window from 60 ms to its end: the trial takes 50 ms"),
        ({"window": (30.0, 30.0)}, "no step is in the window from 30 ms to 30 ms"),
        ({"settings": LifSettings(dt=0.3)}, "dt = 0.3 ms of the spiking units does not divide"),
        ({"settings": LifSettings(initial_weights=True)}, "no weights from before training"),
        ({"settings": LifSettings(lesion_fraction=0.1, lesion_pre="som")}, "som units, of which the network has none"),
        ({"settings": stimulated}, "stimulation_units: there is no unit 4 in a network of 4 units"),
        ({"record": Record(voltage_units=(5,))}, "voltage_units: there is no unit 5"),
        ({"record": Record(bin=0.01)}, "bins of 0.01 ms cannot be counted in steps of 0.05 ms"),
        ({"networks": [net, network(4, dt=10.0)]}, "must share their step"),
        ({"networks": []}, "there is no network"),
    ]:
        with pytest.raises(SettingsError) as error:
            lif.simulate(**(good | changes))
        assert sentence in str(error.value) and str(error.value).endswith("."), sentence


def test_no_rows_is_no_mistake() -> None:
    result = lif.simulate([network(4)], columns(11), rows(0), LifSettings(), record=Record(spikes=True))
    assert result.high.shape == (0, 1) and len(result.spikes.step) == 0


def test_window_edges() -> None:
    """A time in ms is the first step that ends there or later, at every downsampling."""
    for downsample, step in ((1, 10000), (2, 5000)):
        assert lif_reference.step_at(500.0, LifSettings(downsample=downsample)) == step
    assert lif_reference.step_at(0.0, LifSettings()) == 1
    assert [lif_reference.step_at(t, LifSettings()) for t in (1000.0, 1300.0, 0.05, 0.051)] == [20000, 26000, 1, 2]


def test_bench_compares_with_the_plain_loop_and_the_limit() -> None:
    found = {(m.name, m.threads): m for m in measure_lif((1, 2), 1, n_units=16, n_columns=21)}
    assert set(found) == {
        ("lif_reference", 1), ("lif_trial", 1), ("lif_noise_alone", 1), ("lif_state_alone", 1),
        ("lif_batch", 1), ("lif_batch", 2), ("lif_unit_step", 1), ("lif_unit_step", 2),
    }  # fmt: skip
    assert all(m.value > 0 for m in found.values())
    for threads in (1, 2):
        batch, step = found["lif_batch", threads], found["lif_unit_step", threads]
        assert batch.ratio == pytest.approx(batch.value / found["lif_reference", 1].value)
        # a step of 0.05 ms of 16 units takes each thread 16 times the time per unit
        assert step.value == pytest.approx(threads * 1e9 * 5e-5 / 16 / batch.value)
        alone = found["lif_noise_alone", 1].value + found["lif_state_alone", 1].value
        assert step.ratio == pytest.approx(alone / step.value)
