"""Certificates measured on a table whose losses are known."""

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.sections.certificates import study_certificates
from predictor.policy.certificates import certify, image_losses

LAMBDAS = np.array([0.0, 1e-3, 1e-2, 5e-2])


def make_part(name, n_images, seed):
    """Make two questions an image: the cheap scale is right with the chance that is believed."""
    rng = np.random.default_rng(seed)
    n = 2 * n_images
    chance = rng.beta(4, 1, n)
    right = (rng.random(n) < chance).astype(float)
    data = TrainData(
        sample_ids=np.array([f"{name}{k}" for k in range(n)]),
        image_ids=np.array([f"{name}{k // 2:04d}" for k in range(n)]),
        groups=np.full(n, "g"),
        coarse=np.zeros((n, 2, 1)),
        question=np.zeros((n, 1)),
        scores=np.column_stack([right, np.ones(n)]),
        tokens=np.tile([1.0, 36.0], (n, 1)),
        scales=(1, 36),
    )
    return np.column_stack([chance, np.ones(n)]), data


@pytest.fixture(scope="module")
def parts():
    return make_part("c", 150, 0), make_part("t", 200, 1)


def test_a_level_is_certified_and_measured_on_the_test_split(parts):
    actual = study_certificates(*parts, LAMBDAS, [(0.1, 0.1)], draws=40)["0.1,0.1"]
    expected = certify(*parts[0], LAMBDAS, (0.1, 0.1))
    losses, tokens = image_losses(*parts[1], expected.lam)
    assert (actual["lambda"], actual["risk"], actual["tokens"]) == (
        expected.lam,
        losses.mean(),
        tokens,
    )
    every = [image_losses(*parts[1], lam) for lam in LAMBDAS]
    assert actual["safe_tokens"] == min(spent for loss, spent in every if loss.mean() <= 0.1)
    assert actual["cost_ratio"] == pytest.approx(tokens / actual["safe_tokens"])
    assert actual["drawn_violations"] <= 0.1 and actual["drawn_cost_ratio"] >= 1
    assert actual["resplit_violations"] <= 0.2 and actual["draws"] == 40


def test_a_level_that_needs_more_images_is_only_named(parts):
    actual = study_certificates(*parts, LAMBDAS, [(0.01, 0.05)])
    assert actual == {"0.01,0.05": {"alpha": 0.01, "delta": 0.05, "images": 150, "needed": 314}}
