import numpy as np
import pytest

from predictor.data import TrainData, split_by_image


def make_split(**changes):
    fields = {
        "sample_ids": np.array(["q0", "q1", "q2", "q3"]),
        "image_ids": np.array(["a", "a", "b", "c"]),
        "groups": np.array(["g", "h", "g", "h"]),
        "coarse": np.arange(4 * 10 * 3, dtype=np.float32).reshape(4, 10, 3),
        "question": np.arange(12, dtype=np.float32).reshape(4, 3),
        "scores": np.array([[0, 1], [1, 1], [0, 0.5], [0, 0]], dtype=np.float64),
        "tokens": np.tile([1.0, 9.0], (4, 1)),
        "scales": (1, 9),
        "meta": np.array([[1.0], [np.nan], [3.0], [4.0]], dtype=np.float32),
        "meta_names": ("pixels",),
    }
    return TrainData(**{**fields, **changes})


def test_length_counts_questions():
    assert len(make_split()) == 4


def test_take_keeps_the_asked_rows_of_every_array():
    taken = make_split().take(np.array([3, 0]))
    assert taken.sample_ids.tolist() == ["q3", "q0"]
    assert taken.image_ids.tolist() == ["c", "a"]
    assert taken.groups.tolist() == ["h", "g"]
    assert taken.scores.tolist() == [[0, 0], [0, 1]]
    assert taken.question[:, 0].tolist() == [9, 0]
    assert taken.coarse[0, 0].tolist() == [90, 91, 92]
    assert taken.meta[:, 0].tolist() == [4.0, 1.0]
    assert taken.scales == (1, 9)


def test_take_works_without_metadata():
    assert make_split(meta=None, meta_names=()).take(np.array([1])).meta is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_ids", np.array(["a"])),
        ("groups", np.array(["a", "b"])),
        ("coarse", np.zeros((4, 3))),
        ("question", np.zeros((4, 2))),
        ("scores", np.zeros((4, 3))),
        ("tokens", np.zeros((3, 2))),
        ("meta", np.zeros((4, 2))),
    ],
)
def test_a_wrong_shape_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must have shape"):
        make_split(**{name: value})


@pytest.mark.parametrize("scales", [(9, 1), (1, 1)])
def test_scales_must_ascend(scales):
    with pytest.raises(ValueError, match="ascending and distinct"):
        make_split(scales=scales)


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan])
def test_scores_must_lie_between_0_and_1(bad):
    with pytest.raises(ValueError, match=r"scores must lie in \[0, 1\]"):
        make_split(scores=np.full((4, 2), bad))


@pytest.mark.parametrize("name", ["coarse", "question", "tokens"])
def test_features_must_be_finite(name):
    broken = np.array(getattr(make_split(), name))
    broken[0] = np.nan
    with pytest.raises(ValueError, match=f"{name} holds NaN"):
        make_split(**{name: broken})


def test_fingerprint_follows_questions_scores_and_scales():
    first = make_split().fingerprint()
    assert first == make_split().fingerprint()
    assert len(first) == 16
    other_scores = np.array([[0, 1], [1, 1], [0, 0.5], [0, 1]], dtype=np.float64)
    changed = [
        make_split(sample_ids=np.array(["q0", "q1", "q2", "x"])),
        make_split(scores=other_scores),
        make_split(scales=(1, 36)),
    ]
    assert len({first, *(split.fingerprint() for split in changed)}) == 4


def test_split_by_image_keeps_images_whole():
    images = np.repeat([f"image{i}" for i in range(20)], 3)
    first, second = split_by_image(images, 0.25, seed=0)
    assert sorted([*first, *second]) == list(range(60))
    assert not set(images[first]) & set(images[second])
    assert len(set(images[second])) == 5  # a quarter of 20 images


def test_split_by_image_is_seeded():
    images = np.arange(30)
    again = split_by_image(images, 0.5, seed=3)[1]
    assert np.array_equal(split_by_image(images, 0.5, seed=3)[1], again)
    assert not np.array_equal(split_by_image(images, 0.5, seed=4)[1], again)


def test_split_by_image_never_empties_a_side():
    assert [len(side) for side in split_by_image(np.array(["a", "b"]), 0.01, seed=0)] == [1, 1]


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_split_by_image_refuses_an_impossible_share(share):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        split_by_image(np.array(["a", "b"]), share, seed=0)


def test_split_by_image_needs_two_images():
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        split_by_image(np.array(["a", "a"]), 0.5, seed=0)


def test_repeats_stand_beside_the_scores():
    plain = make_split()
    again = np.stack((plain.scores, 1 - plain.scores, plain.scores), axis=1)
    asked = make_split(repeats=again)
    assert plain.outcomes.shape == (4, 1, 2)
    np.testing.assert_array_equal(asked.outcomes, again)
    np.testing.assert_array_equal(asked.take(np.array([2, 0])).repeats, again[[2, 0]])
    # A router does not learn from them, so it is the same with others.
    assert asked.fingerprint() == plain.fingerprint()


@pytest.mark.parametrize("repeats", [np.zeros((4, 2)), np.zeros((4, 3, 5)), np.full((4, 2, 2), 2)])
def test_repeats_that_do_not_fit_are_refused(repeats):
    with pytest.raises(ValueError, match="repeats must have shape|scores must lie in"):
        make_split(repeats=repeats)
