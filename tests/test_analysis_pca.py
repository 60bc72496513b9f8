"""Principal components: against numpy's SVD, and of activity whose dimensions are known."""

from pathlib import Path

import numpy as np
import pytest
from synthetic_kim import write_analog

from rnnpipe.analysis.outputs import as_levels, output_groups
from rnnpipe.analysis.pca import group_means, principal_components, samples
from rnnpipe.analysis.recording import Recording
from rnnpipe.io.evaluation import read_activity


def _low_rank(n: int = 400, n_units: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Samples in a plane, the first direction of nine times the variance of the second, far from the origin."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((n_units, 2)))[0].T
    scores = rng.standard_normal((n, 2))
    scores -= scores.mean(axis=0)
    scores = np.linalg.qr(scores)[0] * np.sqrt(n - 1) * [3.0, 1.0]
    return axes, 1e4 + scores @ axes


def test_components_in_chunks_are_those_of_the_svd() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((300, 6)) * [5, 4, 3, 2, 1, 0.5] @ np.linalg.qr(rng.standard_normal((6, 6)))[0] + 7
    found = principal_components(np.array_split(x, [3, 3, 120, 250]))
    _, singular, axes = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(found.mean, x.mean(axis=0))
    np.testing.assert_allclose(found.variance, singular**2 / 299)
    np.testing.assert_allclose(found.ratio, singular**2 / (singular**2).sum())
    np.testing.assert_allclose(np.abs(found.axes @ axes.T), np.eye(6), atol=1e-7)
    # coordinates are those of the centered samples, and uncorrelated
    scores = found.project(x, 4)
    np.testing.assert_allclose(np.cov(scores.T), np.diag(found.variance[:4]), atol=1e-9)
    assert (found.axes[np.arange(6), np.abs(found.axes).argmax(axis=1)] > 0).all()


def test_a_plane_has_two_components_of_known_variance() -> None:
    axes, x = _low_rank()
    found = principal_components([x.astype(np.float32)])
    np.testing.assert_allclose(found.ratio[:2], [0.9, 0.1], atol=1e-3)
    assert found.ratio[:2].sum() > 0.9999 and found.variance.min() >= 0
    np.testing.assert_allclose(np.abs(found.axes[:2] @ axes.T), np.eye(2), atol=2e-3)


def test_what_does_not_vary_has_no_ratio() -> None:
    found = principal_components([np.full((4, 3), 2.0)])
    assert np.isnan(found.ratio).all() and found.project(np.full(3, 2.0), 2).tolist() == [0, 0]
    with pytest.raises(ValueError, match="of 1 samples"):
        principal_components([np.ones((1, 3)), np.ones((0, 3))])


def test_means_and_samples_of_a_recording(tmp_path: Path) -> None:
    write_analog(tmp_path / "a.h5")
    recording = Recording(tmp_path / "a.h5")
    groups = output_groups(recording)
    rates = read_activity(tmp_path / "a.h5", "policy_rates")["policy_rates"]
    means = group_means(recording, as_levels(groups, len(recording.table)), n_groups=3)
    for group, mean in zip(groups, means[:2], strict=True):
        np.testing.assert_allclose(mean, rates[:, group.trials].mean(axis=1), atol=1e-6)
    assert np.isnan(means[2]).all()
    late = np.concatenate(list(samples(recording, start=500.0)))
    assert late.shape == ((recording.time >= 500).sum() * len(recording.table), rates.shape[2])
    # units rise together, so one component holds everything
    assert principal_components(samples(recording)).ratio[0] == pytest.approx(1, abs=1e-5)
