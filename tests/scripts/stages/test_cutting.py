from dataclasses import replace

import numpy as np
import pytest

from labels.questions import UNKNOWN_IMAGE, Question
from predictor.data import TrainData
from predictor.evaluation.runs import Splits
from scripts.stages.cutting import Cutting, cut, describe_cutting, drop_shared, note_cutting
from scripts.stages.splits import LabelledSplit


def draw(shade):
    """Coarse tokens that hardly differ for 3 and 3.001, and for 3 and 4 entirely."""
    whole = round(shade)
    return np.random.default_rng(whole).normal(size=(1, 8)) + (shade - whole)


def make_split(shades, prefix="", name="q"):
    """A split with one question for each shade, about a picture that is of this shade."""
    rows = np.arange(len(shades))
    data = TrainData(
        sample_ids=np.array([f"{name}{row}" for row in rows]),
        image_ids=np.array([f"{prefix}{shade}" for shade in shades]),
        groups=np.array(["even", "odd"])[rows % 2],
        coarse=np.stack([draw(shade) for shade in shades]),
        question=np.zeros((len(rows), 8), np.float32),
        scores=np.tile([0.0, 1.0], (len(rows), 1)),
        tokens=np.tile([1.0, 9.0], (len(rows), 1)),
        scales=(1, 9),
    )
    asked = [Question(f"{name}{row}", "", "What?", ("1",), "exact") for row in rows]
    answers = np.array([[f"a{row}", f"b{row}"] for row in rows], object)
    return LabelledSplit(data, asked, answers, "c" * 16)


def names(split):
    return split.data.sample_ids.tolist()


def test_rows_stay_with_their_questions_and_answers():
    parts = cut(make_split(range(20)), (60, 20, 20), seed=1)
    assert [len(part.data) for part in parts] == [12, 4, 4]
    for part in parts:
        assert [question.sample_id for question in part.questions] == names(part)
        assert [row[0] for row in part.answers] == [f"a{name[1:]}" for name in names(part)]
    assert cut(make_split(range(20)), (60, 20, 20), seed=1)[2].questions == parts[2].questions


def test_a_cut_is_noted_and_told():
    parts = cut(make_split([*range(20), 0.001, 3.001]), (60, 20, 20), seed=1)
    note = note_cutting(parts)
    assert note == note_cutting(parts[:1])  # every part knows all of them
    described = note["split"]["parts"]["test"]
    assert described["fingerprint"] == parts[2].data.fingerprint()
    first, second = describe_cutting(note)
    assert first.startswith("split 60/20/20, seed 1: router-train 14 questions about 12 images, ")
    assert second == "2 of 22 images are near-equal to another"


def test_questions_with_a_picture_in_common_stay_together():
    whole = make_split(range(40))
    # Each tuple shares a picture with the next one, and the last with a question about it alone.
    images = [(f"p{row}", f"p{row + 1}") for row in range(4)]
    ids = whole.data.image_ids.copy()
    ids[20] = "p4"
    members = np.fromiter((*images, *((name,) for name in ids[4:].tolist())), object, 40)
    whole = replace(whole, data=replace(whole.data, image_ids=ids, members=members))
    together = {"q0", "q1", "q2", "q3", "q20"}
    for seed in range(5):
        parts = [set(names(part)) for part in cut(whole, (40, 30, 30), seed)]
        assert any(together <= part for part in parts)
    # A later split loses what an earlier one shows within a tuple.
    later = whole.take(np.array([3, 20, 30]), {})
    splits = [whole.take(np.array([0, 1, 2, 10]), {}), whole.take(np.array([15]), {}), later]
    with pytest.raises(ValueError, match="shares 1 images"):
        Splits(*(split.data for split in splits))
    kept = drop_shared(splits)
    assert names(kept[2]) == ["q30"]
    Splits(*(split.data for split in kept))


def test_near_equal_pictures_count_as_one_image():
    shades = [shade + copy / 1000 for shade in range(20) for copy in range(3)]
    parts = cut(make_split(shades), (60, 20, 20), seed=1)
    assert [part.data.n_images for part in parts] == [12, 4, 4]
    assert all(len(part.data) == 3 * part.data.n_images for part in parts)
    first, second = make_split([0, 0.001, 1]), make_split([5, 5.001, 6, 0.002], name="c")
    assert [part.data.n_images for part in drop_shared([first, second])] == [2, 2]
    # Where none are alike nothing is added.
    assert cut(make_split(range(20)), (60, 20, 20), seed=1)[0].data.members is None


def test_unknown_images_are_told():
    parts = cut(make_split(range(9), UNKNOWN_IMAGE), (34, 33, 33), seed=0)
    assert "image unknown for 9 questions" in describe_cutting(note_cutting(parts))[-1]


def test_what_an_earlier_split_has_is_dropped():
    train, calibration = make_split([0, 1, 2]), make_split([2, 7, 8, 7], name="c")
    test = make_split([0.001, 7, 9, 20], name="t")
    kept = drop_shared([train, calibration, test])
    assert list(map(names, kept)) == [["q0", "q1", "q2"], ["c1", "c2", "c3"], ["t2", "t3"]]
    note = note_cutting(kept)
    assert note["dropped"]["calibration"] == {"questions": 1, "images": 1}
    assert note["dropped"]["test"] == {"questions": 2, "images": 2}
    assert describe_cutting(note)[1].startswith("2 images with 2 questions left out of test")
    # As `train` has it, which reads no test split.
    assert names(drop_shared([train, calibration])[1]) == names(kept[1])


def test_nothing_shared_is_nothing_noted():
    assert note_cutting(drop_shared([make_split([0, 5]), make_split([9, 14])])) == {}


def test_a_split_that_would_be_empty_is_refused():
    with pytest.raises(ValueError, match="calibration split has no image of its own"):
        drop_shared([make_split([0, 1]), make_split([0, 1])])


def test_what_follows_the_three_splits_is_left_as_it_is():
    splits = [make_split([0, 5]), make_split([10, 5]), make_split([20, 25]), make_split([20, 0])]
    applied = Cutting(drop_shared=True).apply(splits)
    assert [len(split.data) for split in applied] == [2, 1, 2, 2]
    whole = make_split(range(10))
    applied = Cutting((60.0, 20.0, 20.0)).apply([whole, replace(whole, checkpoint="other")])
    assert len(applied) == 4 and applied[3].checkpoint == "other"
