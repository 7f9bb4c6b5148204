"""Files as the authors of benchmarks publish them, read by the presets."""

import base64
import csv
import io
import json
import random

import pytest
from PIL import Image

from labels.metrics.registry import score_answer
from labels.sources.benchmarks import PRESETS
from labels.sources.loading import Reading, load_questions

TEN = [{"answer": "cat", "answer_confidence": "yes", "answer_id": k} for k in range(10)]

# Benchmark -> the image's file, the file's text, and a right answer.
FILES = {
    "textvqa": (
        "003a8ae2ef43b901.jpg",
        {
            "dataset_type": "val",
            "data": [
                {
                    "question": "What?",
                    "image_id": "003a8ae2ef43b901",
                    "image_classes": ["Cassette deck"],
                    "answers": ["cat"] * 10,
                    "question_tokens": ["what"],
                    "question_id": 34602,
                }
            ],
            "dataset_name": "textvqa",
        },
        "cat",
    ),
    "docvqa": (
        "documents/xnbl0037_1.png",
        {
            "dataset_name": "docvqa",
            "data": [
                {
                    "questionId": 49153,
                    "question": "What?",
                    "image": "documents/xnbl0037_1.png",
                    "answers": ["0.28"],
                    "data_split": "val",
                }
            ],
        },
        "0.28",
    ),
    "vizwiz": (
        "VizWiz_val_00000000.jpg",
        [{"image": "VizWiz_val_00000000.jpg", "question": "What?", "answers": TEN}],
        "cat",
    ),
    "gqa": (
        "2405722.jpg",
        {"201307251": {"question": "What?", "imageId": "2405722", "answer": "cat", "groups": {}}},
        "cat",
    ),
    "seed": (
        "1454426_2591111986",
        {
            "question_type": {"Counting": 5, "Identity": 1},
            "questions": [
                {
                    "answer": "C",
                    "choice_a": "One",
                    "choice_b": "Two",
                    "choice_c": "Three",
                    "choice_d": "Four",
                    "data_id": "1454426_2591111986",
                    "data_type": "image",
                    "question": "How many?",
                    "question_id": "101669",
                    "question_type_id": 5,
                }
            ],
        },
        "C",
    ),
    "scienceqa": (
        "test/11/image.png",
        {
            "7": {"question": "When?", "choices": ["a", "b"], "answer": 0, "split": "train"},
            "11": {
                "question": "Which?",
                "choices": ["dog", "cat"],
                "answer": 1,
                "hint": "",
                "image": "image.png",
                "subject": "natural science",
                "split": "test",
            },
        },
        "B",
    ),
    "chartqa": ("7.png", [{"imgname": "7.png", "query": "How many?", "label": "14"}], "14"),
}


def draw_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), "red").save(path, "PNG")


def load(name, path, **reading):
    preset = PRESETS[name]
    columns = dict(pair.split("=", 1) for pair in preset.columns)
    return load_questions(
        str(path),
        split=preset.split,
        columns=columns,
        metric=preset.metric,
        reading=Reading(**reading),
    )


@pytest.mark.parametrize("name", FILES)
def test_official_json(tmp_path, name):
    image, content, right = FILES[name]
    draw_image(tmp_path / image)
    (tmp_path / "q.json").write_text(json.dumps(content))
    [question] = load(name, tmp_path / "q.json")
    assert score_answer(right, question).score == 1


def test_official_pope_is_one_object_a_line(tmp_path):
    draw_image(tmp_path / "COCO_val2014_000000310196.jpg")
    rows = [
        {
            "question_id": k,
            "image": "COCO_val2014_000000310196.jpg",
            "text": "Is there a snowboard in the image?",
            "label": label,
        }
        for k, label in enumerate(("yes", "no"), start=1)
    ]
    path = tmp_path / "coco_pope_popular.json"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert [question.answers for question in load("pope", path)] == [("yes",), ("no",)]


def test_official_vqav2_has_its_answers_in_a_second_file(tmp_path):
    ids = list(range(1, 30))
    asked = [{"question_id": k, "image_id": 262148, "question": f"What {k}?"} for k in ids]
    given = [
        {"question_id": k, "image_id": 262148, "answers": [{"answer": f"cat {k}"}] * 10}
        for k in random.Random(0).sample(ids, len(ids))
    ]
    draw_image(tmp_path / "COCO_val2014_000000262148.jpg")
    questions, answers = tmp_path / "questions.json", tmp_path / "annotations.json"
    license_ = {"url": "x", "name": "y"}
    questions.write_text(json.dumps({"info": {}, "license": license_, "questions": asked}))
    answers.write_text(json.dumps({"info": {}, "license": license_, "annotations": given}))
    loaded = load("vqav2", questions, answers=answers)
    assert [(q.sample_id, q.answers) for q in loaded] == [(str(k), (f"cat {k}",) * 10) for k in ids]
    answers.write_text(json.dumps({"annotations": given[1:]}))
    with pytest.raises(
        ValueError, match=r"1 of 29 rows .* there is no answer with the question_id"
    ):
        load("vqav2", questions, answers=answers)
    answers.write_text(json.dumps({"annotations": [*given, given[0]]}))
    with pytest.raises(ValueError, match="two answers have the question_id"):
        load("vqav2", questions, answers=answers)
    answers.write_text(json.dumps([{"id": 1}]))
    with pytest.raises(ValueError, match="joined by question_id, which both must have"):
        load("vqav2", questions, answers=answers)


@pytest.mark.parametrize("packed", ["plain", "several"])
def test_mmbench_is_a_table_with_images_in_it(tmp_path, packed):
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(buffer, "JPEG")
    image = base64.b64encode(buffer.getvalue()).decode()
    names = [
        "index",
        "question",
        "hint",
        "A",
        "B",
        "C",
        "D",
        "answer",
        "category",
        "image",
        "split",
    ]
    texts = ["241", 'Say "what"?', "nan", "one", "", "three", "nan", "C", "identity"]
    with (tmp_path / "MMBench_DEV_EN.tsv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(names)
        writer.writerow([*texts, image if packed == "plain" else str([image, image]), "dev"])
    questions = load("mmbench", tmp_path / "MMBench_DEV_EN.tsv")
    [question] = questions
    assert (question.choices, question.right) == (("one", "", "three"), (2,))
    assert question.question == 'Say "what"?'
    assert len(questions.image_parts(question.image_id)) == (1 if packed == "plain" else 2)


def test_a_split_that_a_file_lacks_is_named(tmp_path):
    (tmp_path / "q.json").write_text(json.dumps({"7": {"split": "train", "question": "?"}}))
    columns = {"answers": "question", "image": "question"}
    with pytest.raises(ValueError, match="has no row of the split 'test'; it has: train"):
        load_questions(str(tmp_path / "q.json"), split="test", columns=columns)
