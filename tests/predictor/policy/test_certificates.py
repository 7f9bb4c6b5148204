"""Certificates on tables whose true risk is known."""

from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.policy.candidates import Candidates
from predictor.policy.certificates import (
    Certificate,
    certify,
    certify_splits,
    check_certificate,
    check_size,
    choose_at,
    count_needed,
    fixed_sequence,
    worst_p_value,
)
from predictor.policy.claims import ALL, Claim, Counting, Losses, count_most
from predictor.policy.risk_tests import images_needed, p_value

SCALES = (1, 9, 36)
MOST = 6
LAMBDAS = (0.0, 1e-3, 3e-3, 6e-3, 1e-2, 3e-2, 1e-1)
CANDIDATES = Candidates(LAMBDAS, "training", {ALL: 4})
CLAIM = Claim("regression", 0.05, 0.1)


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


def measure(claim, data, seen, lam):
    counting = Counting.of(claim, data, CANDIDATES.most)
    return Losses.of(claim, counting, data.scores, choose_at(seen, data.tokens, lam))


@pytest.fixture(scope="module")
def table():
    return make_table(400, seed=0)


def test_a_router_picked_on_the_split_is_tested_at_a_share_of_delta(table):
    data, seen = table
    alone = certify(seen, data, CANDIDATES, replace(CLAIM, delta=0.025))
    picked = certify(seen, data, CANDIDATES, CLAIM, tested=4)
    assert picked == replace(alone, claim=CLAIM, tested=4)
    check_certificate(Certificate.from_dict(picked.to_dict()), CANDIDATES, seen, data, tested=4)
    # The level is that of the router, whatever the certificate says.
    for tested in (1, 2):
        with pytest.raises(ValueError, match="differs from the outcomes in .*tested"):
            check_certificate(picked, CANDIDATES, seen, data, tested)
    assert picked.tokens >= certify(seen, data, CANDIDATES, CLAIM).tokens


def test_the_last_candidate_that_passes_is_certified(table):
    data, seen = table
    certificate = certify(seen, data, CANDIDATES, CLAIM)
    tested = len(certificate.p_values)
    assert 1 < tested < len(LAMBDAS)
    assert certificate.lam == LAMBDAS[tested - 2]
    assert all(p <= 0.1 for p in certificate.p_values[:-1]) and certificate.p_values[-1] > 0.1
    for lam, p in zip(LAMBDAS, certificate.p_values, strict=False):
        excess = measure(CLAIM, data, seen, lam).excess(0.05)
        assert p == pytest.approx(p_value(excess, 0.05, 0.1).item())
    chosen = choose_at(seen, data.tokens, certificate.lam)
    lost = (data.scores[:, -1] == 1) & (data.scores[np.arange(1600), chosen] == 0)
    assert certificate.risk == pytest.approx(lost.mean())
    assert certificate.tokens == data.tokens[np.arange(1600), chosen].mean()
    assert (certificate.images, certificate.questions) == (400, 1600)
    assert (certificate.split, certificate.candidates, certificate.most) == (
        data.fingerprint(),
        CANDIDATES.fingerprint,
        4,
    )


def test_a_first_failure_leaves_the_largest_scale(table):
    data, seen = table
    certificate = certify(seen, data, replace(CANDIDATES, lambdas=(0.1,)), CLAIM)
    assert (certificate.lam, len(certificate.p_values), certificate.tokens, certificate.risk) == (
        None,
        1,
        36.0,
        0.0,
    )
    assert certificate.choose(seen[:2], np.array(SCALES)).tolist() == [2, 2]


def test_all_candidates_may_pass(table):
    data, seen = table
    certificate = certify(
        seen, data, replace(CANDIDATES, lambdas=LAMBDAS[:2]), replace(CLAIM, alpha=0.5)
    )
    assert (certificate.lam, len(certificate.p_values)) == (1e-3, 2)


@pytest.mark.parametrize("loss", ["regression", "net", "given-right"])
@pytest.mark.parametrize("unit", ["question", "image", "family"])
def test_every_claim_is_certified_and_proven_again(table, loss, unit):
    data, seen = table
    data = replace(data, groups=np.where(np.arange(1600) % 4 < 2, "text", "chart"))
    claim = Claim(loss, 0.1, 0.1, unit)
    certificate = certify(seen, data, CANDIDATES, claim)
    assert certificate.lam is not None and certificate.risk < 0.1 and certificate.tokens < 36
    assert (certificate.most is None) == (unit == "image")
    assert (f"at most {certificate.most} q" in certificate.sentence) == (unit == "question")
    again = Certificate.from_dict(certificate.to_dict())
    assert again == certificate
    check_certificate(again, CANDIDATES, seen, data)


def test_a_family_cannot_hide_in_a_mean():
    """One family in ten loses 30 % of its answers: 3 % of all."""
    n = 4000
    data, _ = make_table(n // 4, seed=0)
    rare = np.arange(n) % 10 == 0
    scores = np.ones((n, 3))
    scores[rare & (np.arange(n) % 100 < 30), 0] = 0
    data = replace(data, scores=scores, groups=np.where(rare, "count", "other"))
    seen = np.ones((n, 3))
    one = replace(CANDIDATES, lambdas=(0.0,))
    assert certify(seen, data, one, replace(CLAIM, delta=0.05)).tokens == 1
    of_families = certify(seen, data, one, Claim("regression", 0.05, 0.05, "family"))
    assert of_families.lam is None
    losses = measure(of_families.claim, data, seen, 0.0)
    # Both families are tested at the whole of delta, and the larger p-value counts.
    each = p_value(losses.excess(0.05), 0.05, 0.05)
    assert each[0] > 0.9 and each[1] < 0.05
    assert worst_p_value(losses, of_families.claim) == each[0]


@pytest.mark.parametrize("name", ["", "None", "count"])
def test_a_family_is_tested_whatever_its_name(table, name):
    """One question in four is lost, all of them of one family."""
    data, _ = table
    rare = np.arange(1600) % 4 == 0
    scores = np.where(rare[:, None], [0.0, 0.0, 1.0], 1.0)
    data = replace(data, scores=scores, groups=np.where(rare, name, "other"))
    candidates = Candidates((0.0,), "training", count_most(data))
    assert certify(np.ones((1600, 3)), data, candidates, replace(CLAIM, alpha=0.3)).tokens == 1
    claim = Claim("regression", 0.3, 0.1, "family")
    assert certify(np.ones((1600, 3)), data, candidates, claim).lam is None


def test_a_sequence_ends_with_its_first_failure(table):
    data, seen = table
    rows = [measure(CLAIM, data, seen, lam) for lam in LAMBDAS]
    p_values = fixed_sequence(iter(rows), CLAIM)
    assert p_values == pytest.approx([worst_p_value(row, CLAIM) for row in rows[: len(p_values)]])
    assert [p > 0.1 for p in p_values] == [False] * (len(p_values) - 1) + [True]


def test_candidates_beyond_one_round_are_tested_in_order(table):
    data, seen = table
    rows = [measure(CLAIM, data, seen, lam) for lam in LAMBDAS]
    p_values = fixed_sequence([rows[0]] * 70 + rows, CLAIM)
    assert p_values == pytest.approx([p_values[0]] * 70 + fixed_sequence(rows, CLAIM))


def test_many_splits_are_certified_as_each_by_itself(table):
    data, seen = table
    data = replace(data, groups=np.where(np.arange(1600) % 4 < 2, "text", "chart"))
    claim = Claim("net", 0.1, 0.1, "family")
    rows = [measure(claim, data, seen, lam) for lam in LAMBDAS]
    splits = np.random.default_rng(0).integers(0, 400, (6, 150))
    one_by_one = []
    for images in splits:
        p_values = fixed_sequence((row.take(images) for row in rows), claim, 2)
        one_by_one.append(sum(p <= 0.05 for p in p_values))
    assert len(set(one_by_one)) > 1
    assert certify_splits(rows, splits, claim, 2).tolist() == one_by_one


def test_too_few_images_says_how_many(table):
    data, seen = table
    few = data.take(np.arange(40))
    with pytest.raises(ValueError, match=r"regression:0.01,0.05 needs at least 299 .*, got 10"):
        certify(seen[:40], few, CANDIDATES, Claim("regression", 0.01, 0.05))
    families = replace(few, groups=np.array(["rare"] + 39 * ["g"]))
    with pytest.raises(ValueError, match="images with as large a share of family 'rare', got 10"):
        certify(seen[:40], families, CANDIDATES, Claim("regression", 0.3, 0.1, "family"))


def make_unequal(n_images):
    """Make images of 40 questions or, mostly, of one, all of them right everywhere."""
    sizes = np.where(np.random.default_rng(1).random(3000) < 0.02, 40, 1)[:n_images]
    owner = np.repeat(np.arange(n_images), sizes)
    names = np.array([f"{k:06d}" for k in owner])
    data = make_table(len(owner), 0, questions=1)[0]
    return replace(data, image_ids=names, scores=np.ones((len(owner), 3)))


def test_images_of_unequal_size_are_counted_until_they_suffice():
    """Not as one more than there are, time and again."""
    claim, most = Claim("regression", 0.05, 0.05), {ALL: 40}
    few = make_unequal(1390)
    # By the formula, which is about images of equal size, there are enough.
    assert images_needed(0.05 * len(few) / 1390 / 40, 0.05, 0.05) <= 1390
    with pytest.raises(ValueError, match=r"needs about \d+ calibration images, got 1390") as error:
        check_size(claim, few, most)
    named = int(str(error.value).split("about ")[1].split()[0])
    assert count_needed(claim, few, most) == (ALL, named, False)
    # It depends on the images that come, so not to the last of them.
    with pytest.raises(ValueError, match="needs about"):
        check_size(claim, make_unequal(round(0.98 * named)), most)
    check_size(claim, make_unequal(round(1.01 * named)), most)


def test_what_takes_too_long_to_try_is_counted_by_the_formula():
    claim, few = Claim("regression", 1e-3, 0.05), make_unequal(100)
    base = len(few) / 100 / 40  # questions of an image, as a share of the most
    expected = images_needed(1e-3 * base, 1e-3, 0.05)
    assert count_needed(claim, few, {ALL: 40}) == (ALL, expected, True) and expected > 20_000


def test_nothing_right_is_nothing_to_lose(table):
    data, seen = table
    wrong = replace(data, scores=np.zeros_like(data.scores))
    with pytest.raises(ValueError, match="gets no question of the split right"):
        certify(seen, wrong, CANDIDATES, Claim("given-right", 0.1, 0.1))


def test_candidates_of_the_calibration_split_are_refused(table):
    data, seen = table
    own = replace(CANDIDATES, split=data.fingerprint())
    with pytest.raises(ValueError, match="come from the calibration split"):
        certify(seen, data, own, CLAIM)


def test_a_certificate_survives_json(table):
    actual = certify(table[1], table[0], CANDIDATES, CLAIM)
    record = actual.to_dict()
    assert Certificate.from_dict({**record, "p_values": list(record["p_values"])}) == actual
    other = {**record["claim"], "loss": "gross"}
    for wrong in ({}, {**record, "more": 1}, {**record, "p_values": None}, {"claim": other}):
        with pytest.raises(ValueError, match="a certificate cannot be used"):
            Certificate.from_dict({**record, **wrong} if wrong else {})


def test_checking_a_certificate(table):
    data, seen = table
    certificate = certify(seen, data, CANDIDATES, CLAIM)
    check_certificate(certificate, CANDIDATES, seen, data)
    rounded = replace(certificate, risk=certificate.risk * (1 + 1e-12))
    check_certificate(rounded, CANDIDATES, seen, data)
    for lie in (
        replace(certificate, lam=LAMBDAS[-1]),
        replace(certificate, p_values=(*certificate.p_values[:-1], 0.01)),
        replace(certificate, p_values=(*certificate.p_values, 0.01)),
        replace(certificate, candidates="other"),
        replace(certificate, most=1),
        replace(certificate, risk=certificate.risk - 1e-6),
        replace(certificate, tokens=1.0),
        replace(certificate, images=99_999),
        replace(certificate, questions=1),
        replace(certificate, tested=2),
    ):
        with pytest.raises(
            ValueError, match="differs from the outcomes in .*; train the router again"
        ):
            check_certificate(lie, CANDIDATES, seen, data)
    older = {key: value for key, value in certificate.to_dict().items() if key != "test"}
    with pytest.raises(ValueError, match=r"older test \(fixed bets\).*; train the router again"):
        check_certificate(Certificate.from_dict(older), CANDIDATES, seen, data)
    with pytest.raises(ValueError, match="give the folder the router was calibrated on"):
        check_certificate(certificate, CANDIDATES, seen[:400], data.take(np.arange(400)))


@pytest.mark.parametrize(
    "claim",
    [Claim("regression", 0.05, 0.1), Claim("net", 0.05, 0.1), Claim("given-right", 0.1, 0.1)],
)
def test_the_bound_fails_no_more_often_than_delta(claim):
    """Calibration images drawn from many, of one to six questions, the largest three times as bad.

    What is tested breaks the claim by a hair: to pass is to fail.
    """
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, MOST + 1, 2000)
    owner = np.repeat(np.arange(2000), sizes)
    n = len(owner)
    wrong = rng.random(n) < np.where(sizes[owner] > 3, 0.15, 0.05)
    bad = np.where(rng.random(2000)[owner] < 0.5, wrong, wrong[np.searchsorted(owner, owner)])
    scores = np.column_stack([~bad, np.ones(n)]).astype(float)
    scores[rng.random(n) < 0.05, 1] = 0.5  # graded
    data = replace(
        make_table(n, 0, 1)[0],
        image_ids=np.array([f"{k:04d}" for k in owner]),
        scores=scores,
        tokens=np.tile([1.0, 36.0], (n, 1)),
        scales=(1, 36),
    )
    counting = Counting.of(claim, data, {ALL: MOST})
    losses = Losses.of(claim, counting, scores, np.zeros(n, int))
    at = replace(claim, alpha=losses.risk * 0.999)  # just broken
    drawn = losses.take(rng.integers(0, 2000, 1000 * 200)).excess(at.alpha).reshape(1000, 200)
    assert abs(losses.excess(losses.risk).mean()) < 1e-12
    # 1,000 draws of a rate of 0.1 exceed 0.13 once in 1,000.
    assert (p_value(drawn, at.alpha, at.delta) <= 0.1).mean() <= 0.13
    # It is not idle: a bound half as far again is mostly proven.
    easy = replace(claim, alpha=min(1.8 * losses.risk, 0.9))
    drawn = losses.take(rng.integers(0, 2000, 100 * 200)).excess(easy.alpha).reshape(100, 200)
    assert (p_value(drawn, easy.alpha, easy.delta) <= 0.1).mean() > 0.5
