from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from labels.questions import image_fingerprint
from labels.sources.rows import ImageColumn, make_question

ONE = ("i0",)
FIELDS = {field: (field,) for field in ("question", "answers", "metric", "choices", "group")}


def encode(image, kind="PNG", **options):
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


RED = Image.new("RGB", (10, 12), "red")


@pytest.fixture
def red_file(tmp_path):
    (tmp_path / "sub").mkdir()
    path = tmp_path / "sub" / "red.png"
    path.write_bytes(encode(RED))
    return path


def test_image_column_takes_every_kind_of_cell(tmp_path, red_file):
    data = encode(RED)
    cells = [
        data,
        "sub/red.png",
        str(red_file),
        {"bytes": data, "path": "elsewhere.png"},
        {"bytes": None, "path": "sub/red.png"},
    ]
    rows = [{"picture": cell} for cell in cells]
    for index, cell in enumerate(cells):
        column = ImageColumn(rows, "picture", tmp_path)
        image_id = column.register(index, cell, "sample")
        assert image_id == image_fingerprint(RED)
        assert column.load(image_id).tobytes() == RED.tobytes()


def test_image_column_knows_the_same_picture_in_another_file(tmp_path):
    rows = [{"image": encode(RED)}, {"image": encode(RED, "BMP")}]
    column = ImageColumn(rows, "image", tmp_path)
    assert len({column.register(index, row["image"], "x") for index, row in enumerate(rows)}) == 1


def test_image_column_decodes_equal_bytes_once(tmp_path, monkeypatch):
    column = ImageColumn([{"image": encode(RED)}] * 3, "image", tmp_path)
    decoded = []
    monkeypatch.setattr(
        "labels.sources.rows.decode_frames", lambda data, name, _: decoded.append(name) or [RED]
    )
    for index in range(3):
        column.register(index, encode(RED), f"sample {index}")
    assert decoded == ["sample 0"]


def test_image_column_names_the_missing_file(tmp_path):
    column = ImageColumn([], "image", tmp_path)
    with pytest.raises(FileNotFoundError, match="sample 'q3': there is no image file .*gone.png"):
        column.register(0, "gone.png", "sample 'q3'")


@pytest.mark.parametrize("cell", [None, 7, "", {"bytes": None, "path": None}])
def test_image_column_refuses_what_is_no_image_cell(tmp_path, cell):
    with pytest.raises(ValueError, match=r"sample 'q3': expected an image \(bytes, or a path"):
        ImageColumn([], "image", tmp_path).register(0, cell, "sample 'q3'")


def test_image_column_refuses_an_unknown_id(tmp_path):
    with pytest.raises(ValueError, match="no image with the id 'abc'"):
        ImageColumn([], "image", tmp_path).load("abc")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("tea", ("tea",)),
        (["tea", "a tea"], ("tea", "a tea")),
        ([{"answer": "tea", "answer_confidence": "yes"}, {"answer": "milk"}], ("tea", "milk")),
        (5, ("5",)),
        ([3, None], ("3",)),
    ],
)
def test_make_question_takes_every_kind_of_answers(answers, expected):
    question = make_question(
        {"question": "What?", "answers": answers}, _fields(2), "q0", ONE, "exact"
    )
    assert question.answers == expected
    assert (question.metric, question.choices, question.group) == ("exact", (), "")


def test_make_question_reads_optional_columns():
    row = {
        "question": "What?",
        "answers": "B",
        "metric": "choice",
        "choices": ["tea", "milk"],
        "group": "drinks",
    }
    question = make_question(row, FIELDS, "q0", ONE, "exact")
    assert (question.metric, question.choices) == ("choice", ("tea", "milk"))
    assert (question.group, question.image_id) == ("drinks", "i0")


def test_make_question_names_the_sample_of_an_empty_question():
    with pytest.raises(ValueError, match="sample 'q9' has an empty question"):
        make_question({"question": None, "answers": "x"}, _fields(2), "q9", ONE, "exact")


def _fields(count):
    return dict(list(FIELDS.items())[:count])


@pytest.mark.parametrize(
    "index", [2, "-1", "B", None, True, 0.5, "1e0", [1], float("nan"), 10**400]
)
def test_make_question_refuses_a_choice_that_is_not_there(index):
    row = {"question": "Which?", "options": ["x", "y"], "right": index}
    columns = {"question": ["question"], "choices": ["options"], "answer_index": ["right"]}
    with pytest.raises(ValueError, match="number of one of its 2 choices"):
        make_question(row, columns, "q9", ONE, "exact")


@pytest.mark.parametrize("text", ["x or y", "[1", "7"])
def test_make_question_refuses_choices_that_are_no_list(text):
    row = {"question": "Which?", "answers": "x", "options": text}
    columns = {"question": ["question"], "answers": ["answers"], "choices": ["options"]}
    with pytest.raises(ValueError, match="'q9', column 'options': expected a list of choices, got"):
        make_question(row, columns, "q9", ONE, "exact")


@pytest.mark.parametrize("index", [1, 1.0, "1", "1.0", np.int64(1), np.float32(1)])
def test_the_number_of_a_choice_in_every_form(index):
    row = {"question": "Which?", "options": ["leaf", "leaf"], "right": index}
    columns = {"question": ["question"], "choices": ["options"], "answer_index": ["right"]}
    assert make_question(row, columns, "q9", ONE, "choice").right == (1,)


@pytest.mark.parametrize(
    ("text", "images", "expected"),
    [
        ("<image>\nWhat is it?", 1, "What is it?"),
        ("What is it?\n<image>", 1, "What is it?"),
        ("Look at <image> and say.", 1, "Look at   and say."),
        ("<image><image> Which?", 2, "Which?"),
        ("<image>\n<image>\nWhich?", 2, "Which?"),
    ],
)
def test_marks_of_images_are_taken_off(text, images, expected):
    ids = ("i0",) if images == 1 else ("i0", "a", "b")
    row = {"question": text, "answers": "x"}
    assert make_question(row, _fields(2), "q9", ids, "exact").question == expected


@pytest.mark.parametrize(
    ("text", "images"),
    [("<image> or <image>?", 2), ("<image><image>What?", 1), ("What does <image> mean?", 2)],
)
def test_other_marks_are_refused_by_name(text, images):
    ids = ("i0",) if images == 1 else ("i0", "a", "b")
    with pytest.raises(ValueError, match="'q9', column 'question': holds <image>"):
        make_question({"question": text, "answers": "x"}, _fields(2), "q9", ids, "exact")


@pytest.mark.parametrize("cell", [[], {"a": 1}, ["What?"], b"\xff", float("inf")])
def test_a_question_of_another_type_is_refused_by_name(cell):
    with pytest.raises(ValueError, match="'q9', column 'question': expected text"):
        make_question({"question": cell, "answers": "x"}, _fields(2), "q9", ONE, "exact")


@pytest.mark.parametrize("cell", [True, "True", "true", np.bool_(True), "TRUE", ["True"]])
def test_truth_values_are_text_and_answer_a_question_of_yes_and_no(cell):
    row = {"question": "Is it?", "answers": cell}
    assert make_question(row, _fields(2), "q9", ONE, "yes_no").answers == ("yes",)
    [answer] = make_question(row, _fields(2), "q9", ONE, "exact").answers
    assert answer.casefold() == "true"
