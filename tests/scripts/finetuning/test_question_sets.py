"""Question sets as training data: all that can be learnt is asked, and the rest is told."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from labels.metrics.registry import score_answer
from labels.questions import Question, QuestionSet
from labels.sources.loading import load_questions
from m3_backbone.inference.prompts import PromptBuilder
from m3_backbone.training.mini import build_mini, train_tokenizer
from m3_backbone.training.packing import pack_texts
from scripts.finetuning.question_sets import (
    check_teachable,
    count_ids,
    keep_fitting,
    question_examples,
)


@pytest.fixture(scope="module")
def prompts():
    tokenizer = train_tokenizer([("What colour is it?", "red")])
    return PromptBuilder(tokenizer, build_mini(tokenizer).config.image_token_id)


def gather(*questions):
    return QuestionSet("own", questions, lambda _: Image.new("RGB", (32, 32)))


def ask(name, text="red?", **fields):
    fields = {"answers": ("yes",), "metric": "exact", **fields}
    return Question(name, fields.pop("image_id", "i"), text, **fields)


def test_a_question_set_is_gone_through_once_an_epoch(write_source, tmp_path):
    questions = load_questions(str(write_source(tmp_path / "data", 3, 0)), split="train")
    example = question_examples(questions, turns=1, seed=0)
    pixels = [np.asarray(example(index).image).tobytes() for index in range(6)]
    assert len(set(pixels[:3])) == len(set(pixels[3:])) == 3
    assert all(len(example(index).turns) == 1 for index in range(3))


def test_every_question_about_an_image_has_its_epoch():
    many = [ask(f"a{number}", f"{number}?", image_id="a") for number in range(5)]
    example = question_examples(gather(*many, ask("b", image_id="b")), turns=2, seed=0)
    epochs = [[example(2 * epoch + place).turns for place in (0, 1)] for epoch in range(3)]
    asked = [[text for text, _ in max(pair, key=len)] for pair in epochs]
    assert asked == [["0?", "1?"], ["2?", "3?"], ["4?", "0?"]]
    assert all(min(pair, key=len) == [("red?", "yes")] for pair in epochs)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"choices": ("cat", "dog"), "answers": ("B",)}, "B"),
        ({"choices": ("Cat", "Dog"), "answers": ("dog",)}, "B"),
        ({"choices": ("cat", "dog", "dog"), "answers": ("dog",), "right": (2,)}, "C"),
        ({"choices": ("C", "A", "B"), "answers": ("A",), "right": (0,)}, "A"),
        ({"metric": "vqa", "answers": ("grey", *["red"] * 9)}, "red"),
    ],
)
def test_the_answer_that_is_trained_is_scored_right(fields, expected):
    question = ask("q", **{"metric": "choice", **fields})
    [(_, answer)] = question_examples(gather(question), turns=1, seed=0)(0).turns
    assert answer == expected
    assert score_answer(answer, question).score == 1


def test_a_question_without_an_answer_or_with_several_images_is_named():
    fine, open_ended = ask("fine"), ask("open", metric="reference", answers=())
    several = ask("two", images=("i", "j"))
    check_teachable(gather(fine))
    with pytest.raises(ValueError, match="sample 'open' has the metric reference, so .*; 1 more"):
        check_teachable(gather(fine, open_ended, several))
    with pytest.raises(ValueError, match="sample 'two' is about 2 images, training takes .* one$"):
        check_teachable(gather(several, fine))


def test_questions_that_are_too_long_are_told_and_never_met(prompts):
    long = [ask(f"long{number}", "what " * 60, image_id="b") for number in range(2)]
    questions = gather(ask("a", image_id="a"), *long, ask("b", image_id="b"))
    most = count_ids(questions[0], prompts)
    kept, messages = keep_fitting(questions, prompts, most)
    assert [one.sample_id for one in kept] == ["a", "b"]
    length = count_ids(long[0], prompts)
    assert messages[0] == (
        f"sample 'long0' has {length} tokens with its answer, --max-length is {most}"
    )
    example = question_examples(kept, turns=1, seed=0)
    pack = partial(pack_texts, prompts, max_tokens=most)
    assert not any(pack([example(index).turns]).dropped for index in range(6))
    with pytest.raises(ValueError, match=f"is short enough: sample 'long0' .* {most}; raise it"):
        keep_fitting(gather(*long), prompts, most)


def test_a_question_that_no_prompt_can_be_made_of_is_named(prompts):
    with pytest.raises(ValueError, match="sample 'q': the question holds the image marker"):
        keep_fitting(gather(ask("q", f"{prompts.image_marker}?")), prompts, 100)
