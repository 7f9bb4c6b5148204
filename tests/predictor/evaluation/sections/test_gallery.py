"""Which questions the gallery shows, and what a row of it holds."""

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.sections.gallery import GalleryTexts, draw_rows, file_name, gallery_rows
from predictor.policy.prices import Price


@pytest.fixture
def split():
    return TrainData(
        sample_ids=np.array(["s0", "s1", "a/../s2", "s3", "s4", "s5"]),
        image_ids=np.array(["p", "p", "p", "q", "q", "q"]),
        groups=np.array(["gist", "gist", "reading", "reading", "gist", "reading"]),
        coarse=np.zeros((6, 10, 2), np.float32),
        question=np.zeros((6, 2), np.float32),
        scores=np.tile([0.0, 1.0], (6, 1)),
        tokens=np.tile([1.0, 9.0], (6, 1)),
        scales=(1, 9),
    )


@pytest.fixture
def texts():
    answers = np.array([["no", "yes"]] * 6, dtype=object)
    return GalleryTexts([f"question {k}?" for k in range(6)], [["yes", "y"]] * 6, answers)


def test_rows_come_family_by_family_and_from_different_images(split):
    for seed in range(8):
        rows = draw_rows(split, 1, seed)
        assert split.groups[rows].tolist() == ["gist", "reading"]
        assert len(set(split.image_ids[rows])) == 2


def test_rows_are_seeded_and_all_shown_where_asked_for(split):
    assert draw_rows(split, 2, 4).tolist() == draw_rows(split, 2, 4).tolist()
    assert sorted(draw_rows(split, 99, 0).tolist()) == list(range(6))


def test_a_row_holds_every_scale(split, texts):
    probabilities = np.tile([0.25, 0.75], (6, 1))
    # 0.25 - 1/64 against 0.75 - 9/64
    actual = gallery_rows(split, texts, probabilities, Price(1 / 64), np.array([1]))
    assert actual == [
        {
            "sample_id": "s1",
            "family": "gist",
            "question": "question 1?",
            "answers": ["yes", "y"],
            "image": "gallery/s1.png",
            "scales": {
                "1": {
                    "answer": "no",
                    "score": 0.0,
                    "probability": 0.25,
                    "net": 0.234375,
                    "pays": True,
                },
                "9": {
                    "answer": "yes",
                    "score": 1.0,
                    "probability": 0.75,
                    "net": 0.609375,
                    "pays": True,
                },
            },
            "chosen": 9,
        }
    ]


def test_file_names_are_plain_and_differ():
    assert file_name("test-00012_3") == "test-00012_3.png"
    odd = [file_name(name) for name in ("a/../b", "a\\..\\b", "a b", "x" * 60, "x" * 61)]
    assert len(set(odd)) == 5
    for name in odd:
        assert "/" not in name and "\\" not in name and name.count(".") == 1


def test_words_that_do_not_fit_are_refused(split, texts):
    wrong = GalleryTexts(texts.questions, texts.references, texts.answers[:, :1])
    with pytest.raises(ValueError, match=r"answers of shape \(6, 2\), got \(6, 1\)"):
        gallery_rows(split, wrong, np.zeros((6, 2)), Price(0.0), np.array([0]))
