import json
import sys
import types

import datasets
import pytest
from PIL import Image

from labels.questions import QuestionSet, image_fingerprint
from labels.sources.loading import Reading, load_questions

COLOURS = ("red", "lime", "blue")


def paint(colour):
    return Image.new("RGB", (16, 16), colour)


@pytest.fixture(autouse=True)
def keep_home_clean(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def jsonl(tmp_path):
    """Four questions about three images; two rows share an image."""
    rows = []
    for index, colour in enumerate((*COLOURS, "red")):
        paint(colour).save(tmp_path / f"{colour}.png")
        row = {"image": f"{colour}.png", "question": f"Question {index}?", "answers": [colour]}
        rows.append(row)
    return write_jsonl(tmp_path / "questions.jsonl", rows)


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def make_dataset():
    return datasets.Dataset.from_dict(
        {
            "image": [paint(colour) for colour in COLOURS],
            "question": ["What?"] * 3,
            "answers": list(COLOURS),
            "sample_id": [10, 11, 12],
        },
        features=datasets.Features(
            {
                "image": datasets.Image(),
                "question": datasets.Value("string"),
                "answers": datasets.Value("string"),
                "sample_id": datasets.Value("int64"),
            }
        ),
    )


def check_colours(questions):
    assert isinstance(questions, QuestionSet)
    assert [question.answers for question in questions] == [(colour,) for colour in COLOURS]
    for question, colour in zip(questions, COLOURS, strict=True):
        assert question.image_id == image_fingerprint(paint(colour))
        assert questions.image(question.image_id).tobytes() == paint(colour).tobytes()


def test_jsonl_with_images_beside_it(jsonl):
    questions = load_questions(str(jsonl))
    assert [question.sample_id for question in questions] == ["0", "1", "2", "3"]
    assert questions[0].image_id == questions[3].image_id
    assert len(questions.image_ids) == 3
    check_colours(questions[:3])


def test_image_folder_and_limit(jsonl, tmp_path):
    (tmp_path / "moved").mkdir()
    moved = jsonl.rename(tmp_path / "moved" / "questions.jsonl")
    check_colours(load_questions(str(moved), limit=3, reading=Reading(tmp_path)))


def test_limit_beyond_the_end_takes_all(jsonl):
    assert len(load_questions(str(jsonl), limit=99)) == 4


def test_parquet_with_embedded_images(tmp_path):
    make_dataset().to_parquet(tmp_path / "data.parquet")
    questions = load_questions(str(tmp_path / "data.parquet"))
    check_colours(questions)
    assert [question.sample_id for question in questions] == ["10", "11", "12"]


def test_saved_folder(tmp_path):
    make_dataset().save_to_disk(tmp_path / "saved")
    check_colours(load_questions(str(tmp_path / "saved")))


def test_saved_folder_with_splits(tmp_path):
    folder = str(tmp_path / "saved")
    datasets.DatasetDict(test=make_dataset()).save_to_disk(folder)
    check_colours(load_questions(folder, split="test"))
    with pytest.raises(ValueError, match="has no split 'train'; it has: test"):
        load_questions(str(tmp_path / "saved"), split="train")


def test_image_folder_layout(tmp_path):
    folder = tmp_path / "pictures" / "test"
    folder.mkdir(parents=True)
    rows = []
    for colour in COLOURS:
        paint(colour).save(folder / f"{colour}.png")
        rows.append({"file_name": f"{colour}.png", "question": "What?", "answers": colour})
    write_jsonl(folder / "metadata.jsonl", rows)
    questions = load_questions(str(tmp_path / "pictures"), split="test")
    check_colours(questions)
    assert questions.name == f"{tmp_path / 'pictures'}:test"


def test_hub_name_goes_to_datasets(monkeypatch):
    asked = []

    def load_dataset(name, configuration, split):
        asked.append((name, configuration, split))
        return make_dataset()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    check_colours(load_questions("someone/some-set", split="validation"))
    check_colours(load_questions("someone/some-set:part", split="validation"))
    assert asked == [("someone/some-set", name, "validation") for name in (None, "part")]


def test_hub_error_is_one_line(monkeypatch):
    def load_dataset(name, configuration, split):
        raise ConnectionError("no way\n out")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(ValueError, match="^a/b cannot be read as a data set: no way out$"):
        load_questions("a/b")


def test_images_in_lists_of_one(monkeypatch):
    images = [[paint("red")]]
    rows = {"image": images, "question": ["What?"], "answers": ["red"]}
    made = datasets.Dataset.from_dict(rows)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, split: made)
    questions = load_questions("a/b")
    assert questions.image(questions[0].image_id).getpixel((0, 0)) == (255, 0, 0)


def test_data_without_answers_takes_the_largest_scale_for_right(tmp_path):
    paint("red").save(tmp_path / "red.png")
    path = write_jsonl(tmp_path / "q.jsonl", [{"image": "red.png", "question": "What?"}])
    assert load_questions(str(path), metric="reference")[0].answers == ()
    with pytest.raises(ValueError, match="no column 'answers' for the field 'answers'"):
        load_questions(str(path))


def test_the_number_of_an_option_is_read_under_its_own_name(tmp_path):
    paint("red").save(tmp_path / "red.png")
    row = {"image": "red.png", "question": "What?", "choices": ["cat", "dog"], "answer_index": 1}
    path = write_jsonl(tmp_path / "q.jsonl", [row])
    [question] = load_questions(str(path), metric="choice")
    assert (question.answers, question.right) == (("dog",), (1,))


@pytest.mark.parametrize(
    ("cells", "metric"),
    [
        ({"choices": ["cat", "dog"], "answer_index": 1}, "choice"),
        ({"choices": ["cat", "dog"], "answers": "B"}, "choice"),
        ({"choices": ["cat", "dog"], "answers": "dog"}, "choice"),
        ({"choices": ["cat", "dog"], "answers": "cow"}, "exact"),
        ({"answers": "B"}, "exact"),
    ],
)
def test_where_nobody_names_a_metric_options_make_a_choice(tmp_path, cells, metric):
    paint("red").save(tmp_path / "red.png")
    path = write_jsonl(tmp_path / "q.jsonl", [{"image": "red.png", "question": "What?", **cells}])
    [question] = load_questions(str(path))
    assert question.metric == metric
    assert question.right == ((1,) if metric == "choice" else ())


def test_an_image_that_was_exchanged_is_refused(tmp_path):
    paint("red").save(tmp_path / "m.png")
    row = {"image": "m.png", "question": "What?", "answers": "x"}
    questions = load_questions(str(write_jsonl(tmp_path / "q.jsonl", [row])))
    assert questions.image(questions[0].image_id).getpixel((0, 0)) == (255, 0, 0)
    paint("blue").save(tmp_path / "m.png")
    with pytest.raises(ValueError, match="the image of row 1 is another one than when it was"):
        questions.image(questions[0].image_id)


def test_columns_are_mapped(tmp_path):
    paint("red").save(tmp_path / "red.png")
    row = {"file": "red.png", "q": "What?", "truth": "A", "options": ["x", "y"], "kind": "choice"}
    path = write_jsonl(tmp_path / "q.jsonl", [row])
    columns = {
        "image": "file",
        "question": "q",
        "answers": "truth",
        "choices": "options",
        "metric": "kind",
    }
    (question,) = load_questions(str(path), columns=columns)
    assert (question.answers, question.choices, question.metric) == (("A",), ("x", "y"), "choice")


def test_metric_for_all(jsonl):
    assert {question.metric for question in load_questions(str(jsonl), metric="relaxed")} == {
        "relaxed"
    }


def test_missing_column_is_named(jsonl):
    path = write_jsonl(jsonl.with_name("b.jsonl"), [{"image": "red.png", "question": "What?"}])
    message = "no column 'answers' for the field 'answers'; it has: image, question; name the right"
    with pytest.raises(ValueError, match=message):
        load_questions(str(path))
    with pytest.raises(ValueError, match="no column 'kind' for the field 'group'"):
        load_questions(str(jsonl), columns={"group": "kind"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"columns": {"picture": "image"}}, "unknown field 'picture' in the columns; known: image"),
        ({"metric": "bleu"}, "unknown metric 'bleu'; known: exact"),
    ],
)
def test_arguments_are_checked(jsonl, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_questions(str(jsonl), **arguments)


@pytest.mark.parametrize("source", ["gone.jsonl", "./gone", "/gone/away", "~/gone-away"])
def test_missing_path(source):
    with pytest.raises(FileNotFoundError, match=f"there is no data set at {source}"):
        load_questions(source)


def test_file_that_is_not_what_its_name_says(tmp_path):
    path = tmp_path / "data.parquet"
    path.write_text("no parquet")
    with pytest.raises(ValueError, match=r"data\.parquet cannot be read as a data set: .*arquet"):
        load_questions(str(path))


def test_empty_file(tmp_path):
    with pytest.raises(ValueError, match="is empty; expected one question a line"):
        load_questions(str(write_jsonl(tmp_path / "q.jsonl", [])))


def test_broken_line_is_one_error_and_nothing_else(jsonl, capfd):
    jsonl.write_text(jsonl.read_text() + "{broken")
    with pytest.raises(
        ValueError, match="1 of 5 rows cannot be used.*: row 5 is not JSON: Expecting"
    ):
        load_questions(str(jsonl))
    assert capfd.readouterr().err == ""


def test_answers_may_be_text_in_one_row_and_a_list_in_the_next(jsonl):
    rows = [
        {"image": "red.png", "question": "What?", "answers": answers}
        for answers in ("tea", ["tea", "a tea"])
    ]
    questions = load_questions(str(write_jsonl(jsonl.with_name("b.jsonl"), rows)))
    assert [question.answers for question in questions] == [("tea",), ("tea", "a tea")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "sample 's1': there is no image file"),
        (b"plain text", "sample 's1' is not an image"),
    ],
)
def test_bad_image_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "bad.png").write_bytes(content)
    row = {"image": "bad.png", "question": "What?", "answers": "x", "sample_id": "s1"}
    with pytest.raises(ValueError, match=message):
        load_questions(str(write_jsonl(tmp_path / "q.jsonl", [row])))


def test_truncated_image_is_named(tmp_path):
    Image.effect_noise((64, 64), 90).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:1500])
    row = {"image": "cut.png", "question": "What?", "answers": "x", "sample_id": "s1"}
    with pytest.raises(ValueError, match="sample 's1' is damaged or cut short"):
        load_questions(str(write_jsonl(tmp_path / "q.jsonl", [row])))


def test_empty_question_is_named(jsonl):
    row = {"image": "red.png", "question": " ", "answers": "x", "sample_id": "s1"}
    with pytest.raises(ValueError, match="sample 's1' has an empty question"):
        load_questions(str(write_jsonl(jsonl.with_name("b.jsonl"), [row])))


def test_a_question_that_cannot_be_scored_is_named(jsonl):
    with pytest.raises(ValueError, match="sample '0' has 1 answer.*metric vqa"):
        load_questions(str(jsonl), metric="vqa")


def test_no_progress_bar_and_none_switched_off_for_others(jsonl, capfd):
    load_questions(str(jsonl))
    assert capfd.readouterr().err == ""
    assert not datasets.are_progress_bars_disabled()


@pytest.mark.parametrize(
    ("source", "limit", "expected"),
    [
        ("scenes", 7, ("scenes-v2", "test", 7, False)),
        ("scenes:ood", None, ("scenes-v2", "ood", 100, False)),
        ("scenes:test:rephrased", 5, ("scenes-v2", "test", 5, True)),
        ("scenes-v1:ood", 5, ("scenes-v1", "ood", 5, False)),
        ("scenes-v3:words", 5, ("scenes-v3", "words", 5, False)),
    ],
)
def test_built_in_benchmark(monkeypatch, source, limit, expected):
    scenes = types.ModuleType("labels.scenes.benchmark")
    scenes.load_scenes = lambda split, n_images, rephrased, draw: (
        draw.name,
        split,
        n_images,
        rephrased,
    )
    monkeypatch.setitem(sys.modules, "labels.scenes.benchmark", scenes)
    assert load_questions(source, limit=limit) == expected
    assert load_questions("scenes", split="ood") == ("scenes-v2", "ood", 100, False)


def test_the_benchmark_is_told_from_a_folder_of_its_name(jsonl, monkeypatch):
    folder = jsonl.parent / "scenes"
    folder.mkdir()
    jsonl.rename(folder / "test.jsonl")
    monkeypatch.chdir(jsonl.parent)
    with pytest.raises(ValueError, match=r"scenes is .* name scenes:test or \./scenes$"):
        load_questions("scenes")
    reading = Reading(folder=jsonl.parent)
    assert len(load_questions("./scenes", reading=reading)) == 4
    assert load_questions("scenes:test", limit=1).name.startswith("scenes")


def test_without_a_split_a_file_gives_all_rows_and_a_folder_those_of_test(jsonl):
    rows = [json.loads(line) for line in jsonl.read_text().splitlines()]
    parts = ("test", "test", "train", "val")
    rows = [{**row, "split": part} for row, part in zip(rows, parts, strict=True)]
    write_jsonl(jsonl, rows)
    assert len(load_questions(str(jsonl))) == 4
    assert len(load_questions(str(jsonl), split="test")) == 2
    write_jsonl(jsonl.parent / "test.jsonl", rows[:1])
    jsonl.rename(jsonl.parent / "train.jsonl")
    assert len(load_questions(str(jsonl.parent))) == 1


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"split": "ood"}, "--split"),
        ({"metric": "exact"}, "--metric"),
        ({"metric": "nope"}, "--metric"),
        ({"columns": {"foo": "bar"}}, "--column"),
        ({"reading": Reading(frames=2)}, "--frames"),
        ({"reading": Reading(field="data")}, "--field"),
        ({"reading": Reading(skip_bad=True)}, "--skip-bad"),
    ],
)
def test_the_benchmark_takes_nothing_that_it_would_ignore(given, option):
    with pytest.raises(ValueError, match=f"^scenes:test takes no {option}: "):
        load_questions("scenes:test", **given)
