from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from labels.labelling.asking import Asking, ask_images
from labels.labelling.settings import LabelSettings
from labels.metrics.registry import list_closing
from labels.outcomes.formats import Features, join_features
from labels.questions import Question

GROUPS = [
    [Question("a", "i0", "One?", ("yes",), "exact"), Question("b", "i0", "Two?", ("no",), "exact")],
    [Question("c", "i1", "Three?", ("yes",), "exact")],
]


class Yes:
    """Says yes to everything."""

    def prepare(self, image):
        return image

    def image_flops(self, image):
        return 100.0 * (image.width - 7)

    def encode(self, images):
        return [image.width for image in images]

    def answer_images(self, pyramids, questions, scale, *, token_budget, **settings):
        numbers = {"mean_logprob": -0.5, "first_margin": 2.0, "wall_ms": 1.0, "output_tokens": 1}
        batch = {"batch_size": 3, "batch_shape": f"3x1x{token_budget}"}
        answer = SimpleNamespace(
            text="Yes", visual_tokens=scale, prompt_tokens=9, **numbers, **batch
        )
        return [[answer] * len(texts) for texts in questions]

    def answer_flops(self, answer):
        return float(answer.visual_tokens)

    def coarse_tokens(self, pyramids):
        return np.array(pyramids, np.float32)[:, None, None] * np.ones((1, 10, 2), np.float32)

    def question_embedding(self, questions):
        return np.array([[len(text), 0] for text in questions], np.float32)


def make_asking(answerer):
    return Asking(
        answerer=answerer,
        load_image=lambda image_id: Image.new("RGB", ({"i0": 8, "i1": 9}[image_id], 8)),
        write_text=lambda question: question.question.upper(),
        scales=(1, 9),
        settings=LabelSettings(max_new_tokens=4, token_budget=99),
        stamp={"dtype": "float32"},
    )


def test_rows_and_features_of_a_batch():
    rows, features = ask_images(make_asking(Yes()), GROUPS)
    assert [(row["sample_id"], row["scale"]) for row in rows] == [
        ("a", 1),
        ("a", 9),
        ("b", 1),
        ("b", 9),
        ("c", 1),
        ("c", 9),
    ]
    assert [row["score"] for row in rows] == [1, 1, 0, 0, 1, 1]
    assert (rows[1]["flops"], rows[1]["batch_size"], rows[1]["dtype"]) == (109.0, 3, "float32")
    assert rows[1]["batch_shape"] == "3x1x99"
    # The second image is the larger one.
    assert rows[5]["flops"] == 209.0
    assert features.sample_ids.tolist() == ["a", "b", "c"]
    assert features.image_rows.tolist() == [0, 0, 1]
    assert features.coarse[:, 0, 0].tolist() == [8, 9]  # one row an image
    assert features.question[:, 0].tolist() == [4, 4, 6]  # one row a question


def test_reference_scores_every_scale_by_the_largest():
    answerer, reply = Yes(), {1: "Red", 9: "blue."}
    usual = answerer.answer_images

    def answer_images(pyramids, questions, scale, **settings):
        answers = usual(pyramids, questions, scale, **settings)
        return [
            [SimpleNamespace(**{**vars(a), "text": reply[scale]}) for a in of_image]
            for of_image in answers
        ]

    answerer.answer_images = answer_images
    groups = [[Question("a", "i0", "Colour?", (), "reference")]]
    assert [row["score"] for row in ask_images(make_asking(answerer), groups)[0]] == [0, 1]
    reply[1] = "Blue"
    assert [row["score"] for row in ask_images(make_asking(answerer), groups)[0]] == [1, 1]


def test_answers_that_do_not_fit_the_questions_are_refused():
    answerer = Yes()
    answerer.answer_images = lambda *_, **settings: [[], []]
    with pytest.raises(ValueError, match=r"asked \[2, 1\] questions per image at scale 1, got \["):
        ask_images(make_asking(answerer), GROUPS)


def test_missing_image_names_the_sample():
    asking = make_asking(Yes())
    broken = Asking(**{**vars(asking), "load_image": lambda _: open("/gone/away.png")})
    with pytest.raises(ValueError, match="image of sample 'a': .*No such file.*away"):
        ask_images(broken, GROUPS)


def test_join_counts_images_on():
    def make(name, n_images):
        return Features(
            sample_ids=np.array([f"{name}{index}" for index in range(n_images)]),
            image_rows=np.arange(n_images),
            coarse=np.full((n_images, 10, 2), n_images, np.float16),
            question=np.zeros((n_images, 2), np.float16),
        )

    joined = join_features([make("a", 2), make("long name ", 3)])
    assert joined.image_rows.tolist() == [0, 1, 2, 3, 4]
    assert joined.sample_ids.tolist() == ["a0", "a1", *(f"long name {i}" for i in range(3))]
    assert joined.coarse[:, 0, 0].tolist() == [2, 2, 3, 3, 3]


def test_only_letters_that_begin_no_option_settle_a_choice():
    def close(*choices, metric="choice"):
        return list_closing(Question("a", "i", "What?", ("no",), metric, choices=choices))

    assert close("no", "maybe") == ("A", "B")
    assert close("no", "A cat", " Bee") == ("C",)
    assert close(metric="yes_no") == ("Yes", "No")
    assert close(metric="exact") == ()


@pytest.mark.parametrize("first_token", [False, True])
def test_closing_words_are_handed_over_if_wanted(first_token):
    answerer, seen = Yes(), []
    usual = answerer.answer_images

    def answer_images(*asked, closing, **settings):
        seen.append(closing)
        return usual(*asked, **settings)

    answerer.answer_images = answer_images
    asking = replace(make_asking(answerer), settings=LabelSettings(first_token=first_token))
    ask_images(asking, [[Question("a", "i0", "One?", ("yes",), "yes_no")]])
    assert seen == [[[("Yes", "No")]] if first_token else None] * 2
