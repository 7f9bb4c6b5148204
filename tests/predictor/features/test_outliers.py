from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.features.outliers import DensityGate, DensitySettings

PLANES = np.random.default_rng(9).normal(size=(3, 2, 12))


def turn(angle):
    return np.column_stack([np.cos(angle), np.sin(angle)])


def make_split(seed, n=300, strange=(0.0, 0.0, 0.0)):
    """Pictures, places and questions that vary in two directions, hardly in all others."""
    rng = np.random.default_rng(seed)
    picture, place, question = (
        turn(rng.uniform(0, 2 * np.pi, n)) @ plane + (0.1 + more) * rng.normal(size=(n, 12))
        for plane, more in zip(PLANES, strange, strict=True)
    )
    return TrainData(
        sample_ids=np.array([f"{seed}-{k:04}" for k in range(n)]),
        image_ids=np.array([f"{seed}-{k:04}" for k in range(n)]),
        groups=np.full(n, "g"),
        coarse=np.stack([picture, picture + place], axis=1),
        question=question,
        scores=np.ones((n, 1)),
        tokens=np.ones((n, 1)),
        scales=(1,),
    )


@pytest.fixture(scope="module")
def gate():
    settings = DensitySettings(picture_width=2, places_width=2, question_width=2)
    return DensityGate.fit(make_split(0), make_split(1), settings)


def test_shares_of_alike_rows_are_spread_evenly(gate):
    fresh = make_split(2, 2000)
    shares = gate.share_beyond(fresh.coarse, fresh.question)
    for share in (0.05, 0.1, 0.3):
        assert (shares < share).mean() == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize("part", range(3))
def test_what_leaves_the_plane_is_found_though_it_is_no_longer(gate, part):
    fresh, strange = make_split(2), make_split(3, strange=0.6 * np.eye(3)[part])
    outside = gate.find_outside(strange.coarse, strange.question, 0.02)
    assert outside.mean() > 0.7
    assert gate.find_outside(fresh.coarse, fresh.question, 0.02).mean() < 0.06


def test_what_is_longer_in_a_known_direction_is_found(gate):
    fresh = make_split(2)
    longer = gate.find_outside(3 * fresh.coarse, fresh.question, 0.02)
    assert longer.mean() > 0.95
    without = {k: v for k, v in gate.arrays_.items() if k != "length.ranks"}
    older = DensityGate.from_bytes(DensityGate(without).to_bytes())
    assert older.find_outside(3 * fresh.coarse, fresh.question, 0.02).mean() < 0.1


def test_many_pictures_are_thinned_out_and_an_image_counts_once():
    settings = DensitySettings(picture_width=2, places_width=2, question_width=2)
    every, some = make_split(0, 3000), make_split(1)
    half = DensityGate.fit(every, some, replace(settings, pictures=1500))
    # The odd rows are not looked at: strange ones change nothing.
    every.coarse[1::2] = 1000 * np.random.default_rng(7).normal(size=(1500, 2, 12))
    again = DensityGate.fit(every, some, replace(settings, pictures=1500))
    assert np.array_equal(half.arrays_["places.basis"], again.arrays_["places.basis"])
    assert np.array_equal(half.arrays_["picture.ranks"], again.arrays_["picture.ranks"])


def test_an_older_gate_looks_at_the_whole_picture_alone(gate):
    older = {k: v for k, v in gate.arrays_.items() if not k.startswith("places")}
    fresh = make_split(2)
    moved = fresh.coarse.copy()
    moved[:, 1] += 9.0
    loaded = DensityGate.from_bytes(DensityGate(older).to_bytes())
    shares = [loaded.share_beyond(coarse, fresh.question) for coarse in (fresh.coarse, moved)]
    assert np.array_equal(*shares)


def test_places_that_are_all_alike_leave_the_picture_to_judge():
    splits = [make_split(seed) for seed in (0, 1, 2)]
    for split in splits:
        split.coarse[:, 1] = split.coarse[:, 0]
    gate = DensityGate.fit(*splits[:2], DensitySettings(picture_width=2, question_width=2))
    strange = np.random.default_rng(4).normal(size=(300, 1, 12)).repeat(2, axis=1)
    assert gate.find_outside(strange, splits[2].question, 0.02).mean() > 0.9
    assert gate.find_outside(splits[2].coarse, splits[2].question, 0.02).mean() < 0.06


def test_nothing_is_outside_at_zero(gate):
    strange = make_split(3, strange=(9.0, 9.0, 9.0))
    assert not gate.find_outside(strange.coarse, strange.question, 0.0).any()


def test_it_survives_its_bytes(gate):
    fresh, loaded = make_split(2), DensityGate.from_bytes(gate.to_bytes())
    shares = loaded.share_beyond(fresh.coarse, fresh.question)
    assert np.array_equal(shares, gate.share_beyond(fresh.coarse, fresh.question))


def test_what_is_no_share_or_no_gate_is_refused(gate):
    fresh = make_split(2)
    with pytest.raises(ValueError, match=r"outlier share must lie in \[0, 1\], got 2"):
        gate.find_outside(fresh.coarse, fresh.question, 2)
    other = DensityGate({"picture.from": np.zeros(1)}).to_bytes()
    with pytest.raises(ValueError, match="not a density gate"):
        DensityGate.from_bytes(other)
    partly = {name: values for name, values in gate.arrays_.items() if name != "places.rest"}
    with pytest.raises(ValueError, match="not a density gate: it has places in part"):
        DensityGate.from_bytes(DensityGate(partly).to_bytes())


def test_a_share_counts_the_row_itself_unless_it_is_farther_out_than_any(gate):
    place = DensityGate({k: v for k, v in gate.arrays_.items() if not k.startswith("length")})
    place.arrays_["question.ranks"] = np.full(9, np.inf)  # no question is far out
    fresh = make_split(2, 4)
    distances = place._distances(fresh.coarse, fresh.question)["picture"]
    place.arrays_["picture.ranks"] = np.sort(distances)
    shares = place.share_beyond(fresh.coarse, fresh.question)
    # Of four pictures the farthest has one at least as far out, itself: (1 + 1) / (4 + 1), twice.
    assert np.sort(shares).tolist() == [0.8, 1.0, 1.0, 1.0]
    assert place.share_beyond(1e3 * fresh.coarse[:1] ** 3, fresh.question[:1]).tolist() == [0.0]


def test_pictures_are_ranked_among_pictures_whatever_is_asked_of_each():
    settings = DensitySettings(picture_width=2, places_width=2, question_width=2)
    train, once = make_split(0), make_split(1, 40)
    # The first picture is asked about twenty times.
    rows = np.concatenate([np.zeros(20, int), np.arange(40)])
    often = replace(
        once,
        sample_ids=np.array([f"r{k:02}" for k in range(60)]),
        image_ids=once.image_ids[rows],
        groups=once.groups[rows],
        coarse=once.coarse[rows],
        question=once.question[rows],
        scores=once.scores[rows],
        tokens=once.tokens[rows],
    )
    expected, actual = (DensityGate.fit(train, split, settings).arrays_ for split in (once, often))
    for part in ("picture", "length"):
        assert actual[f"{part}.ranks"] == pytest.approx(expected[f"{part}.ranks"])
    assert len(actual["question.ranks"]) == 60
