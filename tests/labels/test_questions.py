import numpy as np
import pytest
from PIL import Image

from labels.questions import (
    Question,
    QuestionSet,
    fingerprint_questions,
    format_question,
    image_fingerprint,
    question_record,
)


def ask(sample_id="q0", image_id="i0", question="What is it?", **fields):
    values = {"answers": ("tea",), "metric": "exact", **fields}
    return Question(sample_id=sample_id, image_id=image_id, question=question, **values)


def make_set(*questions):
    return QuestionSet("toy", questions, lambda image_id: Image.new("RGB", (9, 9), image_id))


def test_question_refuses_missing_id():
    with pytest.raises(ValueError, match="without sample_id: 'What is it"):
        ask(sample_id="")


@pytest.mark.parametrize("text", ["", "  \n"])
def test_question_refuses_empty_text(text):
    with pytest.raises(ValueError, match="sample 'q7' has an empty question"):
        ask(sample_id="q7", question=text)


def test_question_refuses_no_answers():
    with pytest.raises(ValueError, match="sample 'q7' has no answers"):
        ask(sample_id="q7", answers=())


def test_question_refuses_more_choices_than_letters():
    with pytest.raises(ValueError, match="27 choices; at most 26"):
        ask(choices=tuple(str(number) for number in range(27)))


def test_question_is_hashable_despite_meta():
    assert len({ask(meta={"size": 3}), ask(meta={"size": 3})}) == 1


def test_set_is_a_sequence():
    questions = make_set(ask("a"), ask("b"), ask("c"))
    assert len(questions) == 3
    assert questions[1].sample_id == "b"
    assert [question.sample_id for question in questions] == ["a", "b", "c"]
    assert questions[1:].name == "toy"
    assert [question.sample_id for question in questions[1:]] == ["b", "c"]


def test_set_groups_by_image_in_order_of_first_question():
    questions = make_set(ask("a", "red"), ask("b", "blue"), ask("c", "red"))
    assert questions.image_ids == ("red", "blue")
    groups = [[question.sample_id for question in group] for group in questions.by_image()]
    assert groups == [["a", "c"], ["b"]]


def test_set_loads_images_when_asked():
    assert make_set(ask("a", "red")).image("red").getpixel((0, 0)) == (255, 0, 0)


def test_set_refuses_nothing():
    with pytest.raises(ValueError, match="toy: no questions"):
        make_set()


def test_set_refuses_a_sample_id_twice():
    with pytest.raises(ValueError, match="sample_id 'a' occurs twice"):
        make_set(ask("a"), ask("b"), ask("a"))


def test_set_fingerprint_follows_content_and_order():
    first = make_set(ask("a"), ask("b"))
    assert first.fingerprint == make_set(ask("a"), ask("b")).fingerprint
    assert first.fingerprint != make_set(ask("b"), ask("a")).fingerprint
    assert first.fingerprint != make_set(ask("a"), ask("b", answers=("milk",))).fingerprint
    assert first.fingerprint == fingerprint_questions(first.questions)


def test_record_takes_numpy_numbers_in_meta():
    record = question_record(ask(meta={"size": np.float32(0.5), "count": np.int64(3)}))
    assert record["meta"] == '{"count": 3, "size": 0.5}'


def test_record_refuses_other_objects_in_meta():
    with pytest.raises(ValueError, match="meta holds a set; expected numbers and text"):
        question_record(ask(meta={"box": {1, 2}}))


def test_image_fingerprint_sees_pixels_and_shape_only():
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8)
    wide = Image.fromarray(pixels.reshape(4, 6, 3))
    tall = Image.fromarray(pixels.reshape(6, 4, 3))
    assert image_fingerprint(wide) == image_fingerprint(wide.convert("RGBA"))
    assert image_fingerprint(wide) != image_fingerprint(tall)
    assert len(image_fingerprint(wide)) == 16


def test_format_leaves_an_open_question_alone():
    assert format_question(ask(question="What is it?")) == "What is it?"


def test_format_letters_the_options():
    question = ask(question="Which?", choices=("tea", "milk"))
    assert format_question(question) == "Which?\nA. tea\nB. milk"


def test_format_adds_the_instruction_that_fits():
    suffixes = ("One word.", "The letter.")
    assert format_question(ask(question="What?"), *suffixes) == "What?\nOne word."
    question = ask(question="Which?", choices=("tea", "milk"))
    assert format_question(question, *suffixes) == "Which?\nA. tea\nB. milk\nThe letter."
