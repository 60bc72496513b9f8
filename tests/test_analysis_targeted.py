"""Targeted dimensionality reduction: planted axes and time courses come out again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import hadamard

from rnnpipe.analysis.alignment import Aligned
from rnnpipe.analysis.targeted import (
    CONSTANT,
    condition_means,
    design,
    orthogonal_axes,
    project,
    regress,
    strongest_units,
)

NAMES = ["choice", "motion", "color", "context"]
N_UNITS, N_TRIALS = 64, 800
LAGS = np.arange(0, 800, 50.0)
COURSES = {
    "choice": LAGS / LAGS[-1],
    "motion": np.exp(-(((LAGS - 300) / 150) ** 2)),
    "color": np.exp(-(((LAGS - 450) / 150) ** 2)),
    "context": np.linspace(1, 0.5, len(LAGS)),
}
SIDED = ("choice", "motion", "color")
# rows of +-1 that are orthogonal: all units have the same variance, so that standardising keeps the axes
PLANTED = dict(zip(NAMES, hadamard(N_UNITS)[[3, 5, 9, 17]].astype(float), strict=True))


@pytest.fixture(scope="module")
def planted() -> tuple[Aligned, pd.DataFrame]:
    """Rates of a population with known axes, and the variables of its trials; 30 % of them are undecided."""
    rng = np.random.default_rng(0)
    variables = pd.DataFrame(
        {
            "choice": rng.choice([-1.0, 1.0], N_TRIALS),
            "motion": rng.choice([-1, -0.3, -0.1, 0.1, 0.3, 1], N_TRIALS),
            "color": rng.choice([-1, -0.3, -0.1, 0.1, 0.3, 1], N_TRIALS),
            "context": rng.choice([-1.0, 1.0], N_TRIALS),
        }
    )
    values = 3 + 0.5 * rng.standard_normal((len(LAGS), N_TRIALS, N_UNITS))
    for name in NAMES:
        values += COURSES[name][:, None, None] * variables[name].to_numpy()[:, None] * PLANTED[name]
    undecided = rng.random(N_TRIALS) < 0.3
    undecided[2] = True
    values[:, undecided] = 50.0  # nothing of these trials may be seen
    variables.loc[undecided, "choice"] = np.nan
    return Aligned(LAGS, values, np.ones(values.shape[:2], bool)), variables


def _cosines(axes: np.ndarray) -> np.ndarray:
    """Cosine of each axis with the one that was planted."""
    return np.array([axis @ PLANTED[name] / np.sqrt(N_UNITS) for axis, name in zip(axes, NAMES, strict=True)])


def test_the_design_holds_eleven_regressors() -> None:
    table = design(pd.DataFrame({"choice": [-1.0], "motion": [0.5], "color": [0.1], "context": [2.0]}))
    assert table.columns.tolist() == [
        *NAMES, CONSTANT, "choice:motion", "choice:color", "choice:context", "motion:color", "motion:context",
        "color:context",
    ]  # fmt: skip
    assert table.iloc[0].tolist() == [-1, 0.5, 0.1, 2, 1, -0.5, -0.1, -2, 0.05, 1, 0.2]


def test_planted_axes_come_out_with_sign_and_time(planted) -> None:
    regression = regress(*planted)
    assert regression.problem == "" and regression.n_trials == planted[1]["choice"].notna().sum()
    assert [LAGS[regression.peak(name)] for name in NAMES] == [750, 300, 450, 0]
    axes = orthogonal_axes(regression.vectors(NAMES))
    np.testing.assert_allclose(axes @ axes.T, np.eye(4), atol=1e-12)
    assert (_cosines(axes) > 0.95).all()  # not |cos|: an axis points the way of its variable
    # the coefficients are those of the standardised rates, lag by lag
    for name in NAMES:
        coefficient = regression.coefficients[NAMES.index(name)] * regression.sd
        np.testing.assert_allclose(coefficient @ PLANTED[name] / N_UNITS, COURSES[name], atol=0.03)
    products = regression.coefficients[5:] * regression.sd
    assert np.abs(products).mean() < 0.05


def test_records_shifted_by_one_trial_find_no_axes(planted) -> None:
    aligned, variables = planted
    shifted = orthogonal_axes(regress(aligned, variables.shift(1)).vectors(NAMES))
    assert (np.abs(_cosines(shifted)) < 0.5).all()
    # rates without the undecided trials beside records with them
    decided = variables["choice"].notna().to_numpy()
    wrong = variables.assign(choice=1.0).iloc[: decided.sum()].assign(choice=variables["choice"][decided].to_numpy())
    axes = orthogonal_axes(regress(aligned[decided], wrong).vectors(NAMES))
    assert (np.abs(_cosines(axes))[1:] < 0.8).all()
    with pytest.raises(ValueError, match="800 rows of variables"):
        regress(aligned[decided], variables)


def test_trials_that_had_ended_count_until_then(planted) -> None:
    aligned, variables = planted
    valid = aligned.valid.copy()
    valid[8:, ::2] = False
    values = np.where(valid[..., None], aligned.values, -1e6)
    regression = regress(replace(aligned, values=values, valid=valid), variables)
    assert (_cosines(orthogonal_axes(regression.vectors(NAMES))) > 0.95).all()


def test_preferred_coordinates_change_the_sign_of_odd_products_only(planted) -> None:
    aligned, variables = planted
    preferred = np.where(np.arange(N_UNITS) % 3 == 0, -1.0, 1.0)
    plain, turned = regress(aligned, variables), regress(aligned, variables, preferred, SIDED)
    # by definition: the regression of each unit on variables counted from its own side
    own = variables.copy()
    own[list(SIDED)] *= -1
    one = replace(aligned, values=aligned.values[..., :1])
    np.testing.assert_allclose(regress(one, own).coefficients[..., 0], turned.coefficients[..., 0], atol=1e-9)
    np.testing.assert_array_equal(plain.coefficients[..., 1:3], turned.coefficients[..., 1:3])
    # so what was planted there is the pattern counted from each unit's side; context has none
    axes = orthogonal_axes(turned.vectors(NAMES))
    cosines = [
        axis @ (PLANTED[name] * (preferred if name in SIDED else 1)) / np.sqrt(N_UNITS)
        for axis, name in zip(axes, NAMES, strict=True)
    ]
    assert (np.array(cosines) > 0.95).all()


def test_condition_means_project_to_the_time_courses(planted) -> None:
    aligned, variables = planted
    preferred = PLANTED["choice"]
    regression = regress(aligned, variables, preferred, SIDED)
    axes = orthogonal_axes(regression.vectors(NAMES))
    conditions = variables[["choice", "motion"]]
    keys, means = condition_means(aligned, conditions, preferred, ("choice", "motion"))
    assert keys[["choice", "motion"]].drop_duplicates().shape == (12, 2) and len(keys) == 12
    counts = conditions.groupby(["choice", "motion"]).size()
    for key in keys.itertuples():  # units of either preference meet a condition in mirrored trials
        assert key.n == min(counts[key.choice, key.motion], counts[-key.choice, -key.motion])
    x = project(regression.standardise(means), axes)
    amplitude = np.sqrt(N_UNITS) / regression.sd.mean()
    for i, key in enumerate(keys.itertuples()):
        np.testing.assert_allclose(x[i, :, 0], key.choice * COURSES["choice"] * amplitude, atol=0.12 * amplitude)
        np.testing.assert_allclose(x[i, :, 1], key.motion * COURSES["motion"] * amplitude, atol=0.12 * amplitude)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-9)


def test_means_in_preferred_coordinates_are_of_mirrored_trials_for_a_unit_that_prefers_left() -> None:
    values = np.arange(8.0).reshape(1, 4, 2)  # trials 0-3; units hold 0 2 4 6 and 1 3 5 7
    aligned = Aligned(np.zeros(1), values, np.ones((1, 4), bool))
    conditions = pd.DataFrame({"choice": [-1, 1, 1, np.nan], "context": ["m", "m", "c", "c"]})
    keys, means = condition_means(aligned, conditions, [1, -1], ("choice",), min_trials=1)
    assert keys.to_numpy().tolist() == [[-1, "m", 1], [1, "m", 1]]  # in context c one unit lacks either choice
    assert means[:, 0].tolist() == [[0, 3], [2, 1]]
    assert condition_means(aligned, conditions, min_trials=2)[1].shape == (0, 1, 2)


def test_orthogonal_axes_keep_the_first_direction_and_the_sign_of_each() -> None:
    axes = orthogonal_axes(np.array([[-2.0, 0, 0], [3.0, -1, 0], [1.0, 1, 5]]))
    np.testing.assert_allclose(axes, [[-1, 0, 0], [0, -1, 0], [0, 0, 1]], atol=1e-12)
    assert np.isnan(orthogonal_axes(np.array([[1.0, 0], [2.0, 0]]))).all()
    assert np.isnan(orthogonal_axes(np.ones((3, 2)))).all()


def test_example_units_have_the_largest_weights_and_are_distinct() -> None:
    rng = np.random.default_rng(1)
    variables = pd.DataFrame(rng.choice([-1.0, 1.0], (200, 3)), columns=["a", "b", "c"])
    weights = np.array([[0, 3, -9, 0], [0, 1, 5, -2], [0.0, 4, 0, 1]])  # variable, unit
    values = (variables.to_numpy() @ weights + rng.standard_normal((200, 4)))[None]
    values[..., 0] = 0.01 * variables["a"]  # hardly fires, but only for a
    regression = regress(Aligned(np.zeros(1), values, np.ones((1, 200), bool)), variables)
    assert strongest_units(regression, ["a", "b", "c"]) == {"a": 2, "b": 3, "c": 1}
    assert strongest_units(regression, ["a"], min_sd=0.0) == {"a": 0}


@pytest.mark.parametrize("spoil", ["undecided", "one choice", "no unit", "few"])
def test_what_cannot_be_regressed_has_a_reason(planted, spoil: str) -> None:
    aligned, variables = planted
    if spoil == "undecided":
        variables = variables.assign(choice=np.nan)
    elif spoil == "one choice":
        variables = variables.assign(choice=variables["choice"].abs())
    elif spoil == "few":
        aligned, variables = aligned[:9], variables[:9]
    else:
        aligned = replace(aligned, values=aligned.values[..., :0])
    regression = regress(aligned, variables)
    assert regression.problem and np.isnan(regression.coefficients).all()
    assert np.isnan(orthogonal_axes(regression.vectors(NAMES))).all() or spoil == "no unit"
    assert strongest_units(regression, NAMES) == {}


def test_a_unit_that_never_varies_has_no_weight(planted) -> None:
    aligned, variables = planted
    values = aligned.values.copy()
    values[..., 0] = 1.0
    assert (regress(replace(aligned, values=values), variables).coefficients[..., 0] == 0).all()
