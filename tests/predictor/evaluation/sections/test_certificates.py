"""Certificates measured on a table whose losses are known."""

from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.sections import certificates
from predictor.evaluation.sections.certificates import (
    CLAIMS,
    feasible_claims,
    study_certificates,
)
from predictor.policy.candidates import Candidates
from predictor.policy.certificates import certify, certify_splits, choose_at
from predictor.policy.claims import ALL, Claim

LAMBDAS = (0.0, 1e-3, 1e-2, 5e-2)
CANDIDATES = Candidates(LAMBDAS, "training", {ALL: 2})
CLAIM = Claim("regression", 0.1, 0.1)


def make_part(name, n_images, seed):
    """Make two questions an image: the cheap scale is right with the chance that is believed."""
    rng = np.random.default_rng(seed)
    n = 2 * n_images
    chance = rng.beta(4, 1, n)
    right = (rng.random(n) < chance).astype(float)
    data = TrainData(
        sample_ids=np.array([f"{name}{k}" for k in range(n)]),
        image_ids=np.array([f"{name}{k // 2:04d}" for k in range(n)]),
        groups=np.array(["even", "odd"] * n_images),
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


def measure(part, lam):
    """Give the share of lost answers, the largest scale being always right, and mean tokens."""
    probabilities, data = part
    chosen = choose_at(probabilities, data.tokens, lam)
    rows = np.arange(len(data))
    return 1 - data.scores[rows, chosen].mean(), data.tokens[rows, chosen].mean()


@pytest.mark.parametrize("loss", ["regression", "net", "given-right"])
def test_a_claim_is_certified_and_measured_on_the_test_split(parts, loss):
    claim = Claim(loss, 0.1, 0.1)
    # Where the largest scale is always right all losses are the same; net is harder to prove.
    [(name, actual)] = study_certificates(*parts, CANDIDATES, [claim], draws=40).items()
    assert (name, actual["sentence"]) == (str(claim), claim.sentence(2))
    expected = certify(*parts[0], CANDIDATES, claim)
    risk, tokens = measure(parts[1], expected.lam)
    assert actual["lambda"] == expected.lam
    assert (actual["risk"], actual["tokens"]) == pytest.approx((risk, tokens))
    every = [measure(parts[1], lam) for lam in (None, *LAMBDAS)]
    safe = min(spent for lost, spent in every if lost <= 0.1)
    assert actual["safe_tokens"] == pytest.approx(safe)
    assert actual["cost_ratio"] == pytest.approx(tokens / safe)
    assert actual["drawn_violations"] <= 0.1 and actual["drawn_cost_ratio"] >= 1
    assert actual["resplit_violations"] <= 0.2 and actual["draws"] == 40
    assert actual["needed"] <= 150 == actual["images"]


def test_the_worst_family_stands_beside_the_mean(parts):
    calibration, (probabilities, data) = parts
    # The cheap scale is never right about every second odd question.
    scores = data.scores.copy()
    scores[1::4, 0] = 0.0
    test = probabilities, replace(data, scores=scores)
    claim = Claim("regression", 0.2, 0.1)
    [level] = study_certificates(calibration, test, CANDIDATES, [claim], draws=10).values()
    chosen = choose_at(probabilities, data.tokens, level["lambda"])
    lost = 1 - scores[np.arange(len(data)), chosen]
    assert level["risk"] == pytest.approx(lost.mean())
    worst = level["worst_family"]
    assert (worst["name"], worst["of"], worst["questions"]) == ("odd", 2, 200)
    assert worst["risk"] == pytest.approx(lost[1::2].mean())
    assert worst["risk"] > 2 * lost[::2].mean()
    # One question an image: about two binomial standard errors.
    error = 2 * (worst["risk"] * (1 - worst["risk"]) / 200) ** 0.5
    ends = worst["risk"] - worst["risk_low"], worst["risk_high"] - worst["risk"]
    assert ends == pytest.approx((error, error), rel=0.15)


def test_a_worst_family_needs_another_images_and_a_loss(parts):
    calibration, (probabilities, data) = parts
    claim = Claim("regression", 0.2, 0.1)
    small = np.where(np.arange(len(data)) < 98, data.groups, "even")  # 49 images of another
    always = np.ones_like(data.scores)
    for change in ({"groups": np.full(len(data), "even")}, {"groups": small}, {"scores": always}):
        test = probabilities, replace(data, **change)
        [level] = study_certificates(calibration, test, CANDIDATES, [claim], draws=10).values()
        assert level["worst_family"] is None


@pytest.mark.parametrize("unit", ["question", "family"])
def test_splits_are_drawn_in_portions_and_are_the_same(parts, monkeypatch, unit):
    """A portion is all that is held at once; the numbers drawn do not depend on it."""
    claim = Claim("regression", 0.2, 0.1, unit)
    whole = study_certificates(*parts, CANDIDATES, [claim], draws=40)
    seen = []

    def watch(losses, splits, *more):
        seen.append(splits)
        return certify_splits(losses, splits, *more)

    monkeypatch.setattr(certificates, "certify_splits", watch)
    families = 2 if unit == "family" else 1
    monkeypatch.setattr(certificates, "AT_ONCE", 7 * 150 * families)
    assert study_certificates(*parts, CANDIDATES, [claim], draws=40) == whole
    assert [len(splits) for splits in seen] == [7, 7, 7, 7, 7, 5] * 2
    rng = np.random.default_rng(0)
    with_repeats = rng.integers(0, 350, (40, 150))
    orders = np.array([rng.permutation(350) for _ in range(40)])
    assert np.array_equal(np.concatenate(seen), np.vstack([with_repeats, orders[:, :150]]))


def test_tokens_of_both_splits_are_those_of_their_questions_together():
    """No split that is drawn proves what holds, so each takes the largest scale."""
    (_, calibration), (_, test) = make_part("c", 150, 0), make_part("t", 600, 1)
    wrong = np.arange(1200) % 11 == 0
    scores = np.column_stack([~wrong, np.ones(1200)]).astype(float)
    sure = np.ones((1200, 2))
    parts = [
        # 200 of the 300 questions are read at 36 tokens.
        (np.where(np.arange(300)[:, None] < 200, [0.0, 1.0], 1.0), scores[:300], calibration),
        (sure, scores, test),
    ]
    parts = [(seen, replace(data, scores=own)) for seen, own, data in parts]
    claim, candidates = Claim("regression", 0.1, 1e-4), replace(CANDIDATES, lambdas=(1e-2,))
    [actual] = study_certificates(*parts, candidates, [claim], draws=20).values()
    spent = (200 * 36 + 100 * 1 + 1200 * 1) / 1500
    assert actual["drawn_cost_ratio"] == pytest.approx(36 / spent)


def test_families_are_measured_by_the_worst(parts):
    claim = Claim("regression", 0.2, 0.1, "family")
    [actual] = study_certificates(*parts, CANDIDATES, [claim], draws=5).values()
    probabilities, data = parts[1]
    each = [
        measure((probabilities[rows], data.take(rows)), actual["lambda"])[0]
        for rows in (np.arange(0, 400, 2), np.arange(1, 400, 2))
    ]
    assert actual["risk"] == pytest.approx(max(each))


def test_a_claim_that_needs_more_images_is_only_named(parts):
    claim = Claim("regression", 0.01, 0.05)
    actual = study_certificates(*parts, CANDIDATES, [claim])
    level = {"alpha": 0.01, "delta": 0.05, "images": 150, "needed": 299}
    assert actual == {"regression:0.01,0.05": {"sentence": claim.sentence(2), **level}}


def test_claims_that_the_images_suffice_for(parts):
    actual = feasible_claims(parts[1][1], parts[0][1])
    assert set(actual) < set(CLAIMS)
    assert Claim("regression", 0.05, 0.05) in actual
    assert Claim("regression", 0.01, 0.05) not in actual
    # Tested at a quarter of delta it takes more.
    assert len(feasible_claims(parts[1][1], parts[0][1], tested=40)) < len(actual)
