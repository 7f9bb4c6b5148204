"""Every loss and unit of a certificate against numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.policy.claims import ALL, Claim, Counting, Losses, count_most


def make_split(scores, images, groups=None):
    n = len(scores)
    return TrainData(
        sample_ids=np.arange(n).astype(str),
        image_ids=np.array(images),
        groups=np.array(groups or ["g"] * n),
        coarse=np.zeros((n, 2, 1)),
        question=np.zeros((n, 1)),
        scores=np.array(scores, float),
        tokens=np.tile([1.0, 576.0], (n, 1)),
        scales=(1, 576),
    )


# Image x: a regression, a rescue, right twice. Image y: a graded loss of 0.6 - 0.1.
HERE = make_split(
    [[0, 1], [1, 0], [1, 1], [0.1, 0.6]],
    ["x", "x", "x", "y"],
    ["text", "chart", "text", "text"],
)
CHEAPEST = np.zeros(4, int)


def measure(claim, most=None, data=HERE):
    counting = Counting.of(claim, data, most or {ALL: 4})
    return Losses.of(claim, counting, data.scores, CHEAPEST)


@pytest.mark.parametrize(
    ("loss", "lost", "base"),
    [
        # Sums of an image, as shares of the 4 questions that an image has at most.
        ("regression", [1, 0.5], [3, 1]),
        ("net", [1 - 1 + 0, 0.5], [3, 1]),
        ("given-right", [1, 0.5], [2, 0.6]),
    ],
)
def test_losses_of_questions(loss, lost, base):
    claim = Claim(loss, 0.1, 0.05)
    actual = measure(claim)
    assert actual.lost == pytest.approx(np.array([lost]) / 4)
    assert actual.base == pytest.approx(np.array([base]) / 4)
    assert actual.risk == pytest.approx(sum(lost) / sum(base))
    expected = [(a - 0.1 * b) / 4 for a, b in zip(lost, base, strict=True)]
    assert actual.excess(0.1) == pytest.approx(np.array([expected]))


@pytest.mark.parametrize(
    ("loss", "lost", "base"),
    [
        ("regression", [1 / 3, 0.5], [1, 1]),
        ("net", [0, 0.5], [1, 1]),
        ("given-right", [1 / 3, 0.5], [2 / 3, 0.6]),
    ],
)
def test_losses_of_images(loss, lost, base):
    actual = measure(Claim(loss, 0.1, 0.05, "image"))
    assert actual.lost == pytest.approx(np.array([lost]))
    assert actual.base == pytest.approx(np.array([base]))
    assert actual.risk == pytest.approx(sum(lost) / sum(base))


def test_losses_of_families_show_the_worst():
    claim = Claim("net", 0.1, 0.05, "family")
    counting = Counting.of(claim, HERE, {ALL: 4, "text": 2})
    assert counting.names == ("chart", "text")
    actual = Losses.of(claim, counting, HERE.scores, CHEAPEST)
    # Chart: gained one question of image a. Text: lost one of two there, and half of one of b.
    assert actual.lost == pytest.approx(np.array([[-1 / 4, 0], [1 / 2, 0.5 / 2]]))
    assert actual.base == pytest.approx(np.array([[1 / 4, 0], [2 / 2, 1 / 2]]))
    assert actual.risk == pytest.approx(1.5 / 3)


def test_an_image_counts_as_no_more_than_the_limit():
    # Of the three questions of image a each counts two thirds, so that they count as two.
    actual = measure(Claim("regression", 0.1, 0.05), {ALL: 2})
    assert actual.lost == pytest.approx(np.array([[1 * 2 / 3 / 2, 0.5 / 2]]))
    assert actual.base == pytest.approx(np.array([[1, 1 / 2]]))


def test_halved_graded_scores_are_seen():
    """The largest scale at 0.8 and the routed one at 0.5: both "right", a loss all the same."""
    data = make_split([[0.5, 0.8]] * 4, list("abcd"))
    for loss, risk in (("regression", 0.3), ("net", 0.3), ("given-right", 0.3 / 0.8)):
        assert measure(Claim(loss, 0.1, 0.05), data=data).risk == pytest.approx(risk)


@pytest.mark.parametrize("loss", ["regression", "net", "given-right"])
@pytest.mark.parametrize("unit", ["question", "image", "family"])
def test_an_excess_keeps_its_bound(loss, unit):
    rng = np.random.default_rng(0)
    scores = rng.choice([0.0, 0.3, 1.0], size=(300, 2))
    data = make_split(scores, rng.integers(0, 40, 300).astype(str), list("abc") * 100)
    claim = Claim(loss, 0.1, 0.05, unit)
    counting = Counting.of(claim, data, {ALL: 5, "a": 2})
    chosen = rng.integers(0, 2, 300)
    excess = Losses.of(claim, counting, data.scores, chosen).excess(0.1)
    assert excess.max() <= 0.9 + 1e-12
    # The whole of it would be reached if all were lost.
    worst = replace(data, scores=np.tile([0.0, 1.0], (300, 1)))
    excess = Losses.of(claim, counting, worst.scores, np.zeros(300, int)).excess(0.1)
    assert excess.max() == pytest.approx(0.9)


def test_images_are_picked_and_joined():
    losses = measure(Claim("net", 0.1, 0.05))
    both = losses.join(losses.take(np.array([1, 1])))
    assert both.lost.tolist() == [[0, 0.125, 0.125, 0.125]]


def test_the_largest_image_is_counted():
    assert count_most(HERE) == {ALL: 3, "text": 2, "chart": 1}


def test_a_family_without_a_name_is_counted_by_itself():
    data = replace(HERE, groups=np.array(["", "b", "b", "b"]))
    most = count_most(data)
    assert most == {ALL: 3, "": 1, "b": 2}
    counting = Counting.of(Claim("regression", 0.1, 0.05, "family"), data, most)
    assert counting.names == ("", "b")
    losses = Losses.of(Claim("regression", 0.1, 0.05), counting, data.scores, CHEAPEST)
    assert losses.lost == pytest.approx(np.array([[1, 0], [0, 0.5 / 2]]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.05,0.1", Claim("regression", 0.05, 0.1)),
        ("net:0.02,0.05,question", Claim("net", 0.02, 0.05)),
        ("given-right:0.02,0.05,image", Claim("given-right", 0.02, 0.05, "image")),
        ("0.1,0.05,family", Claim("regression", 0.1, 0.05, "family")),
    ],
)
def test_claims_are_read_and_written(text, expected):
    assert Claim.parse(text) == expected
    assert Claim.parse(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", r"expected \[LOSS:\]ALPHA,DELTA\[,UNIT\] such as net:0.02,0.05, got '1'"),
        ("net:a,b", "expected .*, got 'net:a,b'"),
        ("0.1,0.1,image,family", "expected .*, got"),
        ("gross:0.1,0.1", "expected one of regression, net, given-right, got 'gross'"),
        ("0.1,0.1,scene", "expected one of question, image, family, got 'scene'"),
        ("net:0,0.1", "alpha must lie strictly between 0 and 1, got 0.0"),
        ("net:0.1,nan", "delta must lie strictly between 0 and 1, got nan"),
    ],
)
def test_other_claims_are_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message):
        Claim.parse(text)


def test_the_sentence_says_loss_unit_levels_and_limit():
    said = Claim("net", 0.02, 0.05).sentence(60)
    assert said == (
        "With confidence 95 %, for images like those of the calibration split, the accuracy of "
        "routing as such, without the fallback for unfamiliar inputs, is at most 2 percentage "
        "points below that of always the largest scale, over all questions; an image counts as at "
        "most 60 questions."
    )
    said = Claim("given-right", 0.05, 0.1, "family").sentence()
    assert "90 %" in said and "gets right, routing loses at most 5 %, in every family" in said
    said = Claim("regression", 0.05, 0.1, "image").sentence()
    assert "5 % of the answers are right at the largest scale and wrong as routed, averaged" in said


def test_a_sentence_says_the_limit_that_is_tested():
    """Of a family it is that family's own, not the one of all families together."""
    said = {unit: Claim("net", 0.02, 0.05, unit).sentence(8) for unit in ("image", "family")}
    assert said["image"].endswith("averaged over images, each counting once.")
    assert said["family"].endswith(
        "; in each family an image counts as at most as many questions as the training split's "
        "largest image has in it."
    )


def test_the_order_of_images_tells_nothing_of_how_many_count_as_one():
    """The least of ten names comes early among single ones; a bet must not know it beforehand."""
    names = [f"{number:x}" for number in np.random.default_rng(0).integers(0, 2**60, 2400)]
    albums = [names[k * 10 : k * 10 + 10] for k in range(200)]
    members = [*(tuple(one) for one in albums), *((name,) for name in names[2200:])]
    data = make_split([[0, 1]] * 400, [one[0] for one in members])
    several = np.fromiter(members, object, 400)
    owner = Counting.of(
        Claim("regression", 0.1, 0.05), replace(data, members=several), {ALL: 1}
    ).owner
    assert sorted(owner) == list(range(400))
    assert abs(owner[:200].mean() - owner[200:].mean()) < 35  # three standard errors
