"""Certificates on tables whose true risk is known."""

from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.policy.certificates import (
    Certificate,
    candidate_lambdas,
    certify,
    check_certificate,
    image_losses,
)
from predictor.policy.risk_tests import RiskTest

SCALES = (1, 9, 36)
LAMBDAS = np.array([0.0, 1e-3, 3e-3, 6e-3, 1e-2, 3e-2, 1e-1])


def make_table(n_images, seed, questions=4):
    """Make outcomes and a router's imperfect idea of them; questions of an image are alike."""
    rng = np.random.default_rng(seed)
    n = n_images * questions
    image = np.repeat(np.arange(n_images), questions)
    hard = rng.normal(size=n_images)[image] + rng.normal(size=n)
    odds = np.array([-0.5, 1.5, 3.5]) - 1.5 * hard[:, None]
    chance = 1 / (1 + np.exp(-odds))
    seen = 1 / (1 + np.exp(-odds - rng.normal(0, 0.7, size=(n, 1))))
    # One draw a question: what a scale gets right, larger ones do too.
    scores = (rng.random((n, 1)) < chance).astype(float)
    data = TrainData(
        sample_ids=np.array([f"q{row}" for row in range(n)]),
        image_ids=np.array([f"{k:06d}" for k in image]),
        groups=np.full(n, "g"),
        coarse=np.zeros((n, 2, 1), np.float32),
        question=np.zeros((n, 1), np.float32),
        scores=scores,
        tokens=np.tile(np.array(SCALES, float), (n, 1)),
        scales=SCALES,
    )
    return data, seen


@pytest.fixture(scope="module")
def table():
    return make_table(400, seed=0)


def test_a_router_picked_on_the_split_is_tested_at_a_share_of_delta(table):
    data, seen = table
    alone = certify(seen, data, LAMBDAS, (0.05, 0.025))
    picked = certify(seen, data, LAMBDAS, (0.05, 0.1), tested=4)
    assert picked == replace(alone, delta=0.1, tested=4)
    check_certificate(Certificate.from_dict(picked.to_dict()), seen, data)
    assert picked.tokens > certify(seen, data, LAMBDAS, (0.05, 0.1)).tokens


def test_the_last_lambda_that_passes_is_certified(table):
    data, seen = table
    certificate = certify(seen, data, LAMBDAS, (0.05, 0.1))
    assert 1 < len(certificate.lambdas) < len(LAMBDAS)
    assert certificate.lam == certificate.lambdas[-2]
    assert all(p <= 0.1 for p in certificate.p_values[:-1]) and certificate.p_values[-1] > 0.1
    for lam, p in zip(certificate.lambdas, certificate.p_values, strict=True):
        assert p == RiskTest(0.05, 0.1, 400, 1600).p_value(image_losses(seen, data, lam)[0])
    losses, tokens = image_losses(seen, data, certificate.lam)
    assert (certificate.risk, certificate.tokens) == (losses.mean(), tokens)
    assert (certificate.images, certificate.questions, certificate.split) == (
        400,
        1600,
        data.fingerprint(),
    )


def test_a_first_failure_leaves_the_largest_scale(table):
    data, seen = table
    certificate = certify(seen, data, np.array([0.1, 0.0]), (0.05, 0.1))
    assert (certificate.lam, certificate.lambdas, certificate.tokens, certificate.risk) == (
        None,
        (0.1,),
        36.0,
        0.0,
    )
    assert certificate.choose(seen[:2], np.array(SCALES)).tolist() == [2, 2]


def test_all_lambdas_may_pass(table):
    data, seen = table
    certificate = certify(seen, data, LAMBDAS[:2], (0.5, 0.1))
    assert (certificate.lam, len(certificate.lambdas)) == (1e-3, 2)


def test_losses_by_hand():
    # Image a: regression at 1 token, then none. Image b: the largest is wrong too.
    data, _ = make_table(2, seed=0, questions=2)
    scores = np.array([[0, 1, 1], [1, 1, 1], [0, 0, 0], [1, 1, 0]], dtype=float)
    data, belief = replace(data, scores=scores), np.tile([0.9, 0.8, 0.7], (4, 1))
    losses, tokens = image_losses(belief, data, 0.0)
    assert losses.tolist() == [0.5, 0.0] and tokens == 1.0


def test_candidates_rise_from_zero(table):
    data, seen = table
    actual = candidate_lambdas(seen, data, 20)
    assert actual[0] == 0 and len(actual) <= 20 and (np.diff(actual) > 0).all()


def test_too_few_images_says_how_many(table):
    data, seen = table
    few = data.take(np.arange(40))
    with pytest.raises(ValueError, match="needs at least 314 calibration images, got 10"):
        certify(seen[:40], few, LAMBDAS, (0.01, 0.05))


def test_a_certificate_survives_json(table):
    actual = certify(table[1], table[0], LAMBDAS, (0.05, 0.1))
    record = actual.to_dict()
    assert Certificate.from_dict({**record, "lambdas": list(record["lambdas"])}) == actual
    for wrong in ({}, {**record, "more": 1}, {**record, "p_values": None}):
        with pytest.raises(ValueError, match="a certificate cannot be used"):
            Certificate.from_dict(wrong)


def test_checking_a_certificate(table):
    data, seen = table
    certificate = certify(seen, data, LAMBDAS, (0.05, 0.1))
    check_certificate(certificate, seen, data)
    for lie in (
        replace(certificate, lam=LAMBDAS[-1]),
        replace(certificate, p_values=(*certificate.p_values[:-1], 0.01)),
        replace(
            certificate, lambdas=(*certificate.lambdas, 0.2), p_values=(*certificate.p_values, 0.01)
        ),
    ):
        with pytest.raises(ValueError, match="train the router again"):
            check_certificate(lie, seen, data)
    with pytest.raises(ValueError, match="give the folder the router was calibrated on"):
        check_certificate(certificate, seen[:400], data.take(np.arange(400)))


def violations(level, n_images, resplits):
    """Draw calibration images at random; give how often the rest loses more than alpha."""
    data, seen = make_table(6000, seed=1)
    losses = np.stack([image_losses(seen, data, lam)[0] for lam in LAMBDAS])
    rng, broken, saved = np.random.default_rng(2), 0, 0
    for _ in range(resplits):
        drawn = np.sort(rng.permutation(6000)[:n_images])
        rows = (drawn[:, None] * 4 + np.arange(4)).ravel()
        certificate = certify(seen[rows], data.take(rows), LAMBDAS, level)
        if certificate.lam is not None:
            rest = np.ones(6000, bool)
            rest[drawn] = False
            broken += losses[LAMBDAS.tolist().index(certificate.lam)][rest].mean() > level[0]
            saved += certificate.tokens < 36
    return broken / resplits, saved / resplits


def test_the_bound_fails_no_more_often_than_delta():
    broken, saved = violations((0.05, 0.1), 300, 30)
    assert broken <= 0.1
    assert saved > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("level", [(0.01, 0.05), (0.02, 0.1), (0.05, 0.05)])
def test_the_bound_over_a_thousand_resplits(level):
    broken, _ = violations(level, 600, 1000)
    assert broken <= level[1]
