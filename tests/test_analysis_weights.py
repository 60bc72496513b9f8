"""Weights of networks, block by block."""

import numpy as np
import pytest

from rnnpipe.analysis.weights import spectral_radius, weight_blocks, weight_histogram


def test_blocks_are_cut_along_their_targets() -> None:
    gates = np.arange(8.0).reshape(4, 2)
    blocks = weight_blocks({"w_rec": np.eye(2), "w_gates": gates, "w_in": np.ones((6, 3)), "x0": np.ones(2)})
    assert list(blocks) == ["W_rec", "W_lambda", "W_gamma", "W_in"]
    np.testing.assert_array_equal(blocks["W_lambda"], gates[:2])
    np.testing.assert_array_equal(blocks["W_gamma"], gates[2:])
    assert list(weight_blocks({"w_rec": np.eye(2), "w_in": np.ones((2, 3))})) == ["W_rec", "W_in"]
    assert list(weight_blocks({"w_out": np.ones((1, 3)), "x0": np.ones(3)})) == ["W_out"]


def test_the_spectral_radius_is_the_largest_modulus() -> None:
    assert spectral_radius(np.array([[0.0, -2.0], [2.0, 0.0]])) == pytest.approx(2)  # eigenvalues +-2i
    assert spectral_radius(np.array([[0.0, 5.0], [0.0, 0.5]])) == pytest.approx(0.5)


def test_signs_share_no_bin_and_absent_connections_are_not_counted() -> None:
    weights = np.array([[0.0, 1.0, 0.1], [-0.1, -2.0, 0.0]])
    bins = weight_histogram(weights, 4)
    assert bins["low"].tolist() == [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5]
    assert bins["high"].tolist() == [-1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2]
    assert bins["n"].tolist() == [1, 0, 0, 1, 1, 0, 1, 0]
    assert bins["sign"].tolist() == ["negative"] * 4 + ["positive"] * 4
    assert weight_histogram(np.zeros((2, 2)), 4).empty
