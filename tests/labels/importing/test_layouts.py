import base64
import io
import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labels.importing.importing import import_outcomes
from labels.importing.judging import gather_questions
from labels.importing.layouts import read_sample_log, read_table_rows
from labels.outcomes.table import read_outcomes, read_questions
from labels.questions import image_fingerprint, join_fingerprints

SCALES = (1, 9)
QUIETLY = settings(derandomize=True, deadline=None, max_examples=15)

TEXT = st.text(st.characters(exclude_characters="\0"), max_size=12)
NAME = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)
WORDS = TEXT.map(lambda text: f"What {text}?".encode("utf-8", "replace").decode())


def paint(colour):
    buffer = io.BytesIO()
    image = Image.new("RGB", (8, 8), colour)
    image.save(buffer, "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return uri, image_fingerprint(image)


RED, RED_ID = paint("red")


@st.composite
def draw_samples(draw):
    """Questions of an evaluation, and what was answered at each scale with which verdict."""
    count = draw(st.integers(1, 4))
    return [
        {
            "question": draw(WORDS),
            "image": draw(NAME),
            "group": draw(NAME),
            "target": draw(NAME),
            "answers": [draw(TEXT) for _ in SCALES],
            "scores": [draw(st.sampled_from([0.0, 1.0])) for _ in SCALES],
        }
        for _ in range(count)
    ]


def with_doc(k, sample, column):
    return {
        "doc_id": k,
        "doc": {key: sample[key] for key in ("question", "group")} | {"image_id": sample["image"]},
        "target": sample["target"],
        "resps": [[sample["answers"][column]]],
        "filtered_resps": [sample["answers"][column]],
        "doc_hash": f"{k}" * 64,
        "exact_match": sample["scores"][column],
    }


def without_doc(k, sample, column):
    return {
        "doc_id": k,
        "target": str(sample["target"]),
        "filtered_resps": sample["answers"][column],
        "token_counts": [{"input_tokens": 7, "output_tokens": 2, "visual_tokens": 5 + column}],
        "doc_hash": "74234e98",
        "input": sample["question"],
        "input_media": [sample["image"]],
        "accuracy": {"question_id": k, "score": sample["scores"][column], **take_group(sample)},
    }


def take_group(sample):
    return {"category": sample["group"]}


def vlmevalkit(k, sample, column):
    return {
        "index": k,
        "question": sample["question"],
        "answer": sample["target"],
        "image_path": sample["image"],
        "prediction": sample["answers"][column],
        "hit": int(sample["scores"][column]),
        **take_group(sample),
    }


def inspect(k, sample, column):
    return {
        "id": k,
        "epoch": 1,
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": sample["question"]},
                    {"type": "image", "image": sample["image"]},
                ],
            }
        ],
        "target": sample["target"],
        "output": {"completion": sample["answers"][column], "usage": {"input_tokens": 7}},
        "scores": {"match": {"value": "CI"[int(1 - sample["scores"][column])]}},
        "metadata": {"group": sample["group"]},
    }


def write_log(path, layout, samples, column):
    rows = [layout(k, sample, column) for k, sample in enumerate(samples)]
    if layout is inspect:
        path = path.with_suffix(".json")
        path.write_text(json.dumps({"version": 2, "eval": {}, "samples": rows}))
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    return path


LAYOUTS = [with_doc, without_doc, vlmevalkit, inspect]


@QUIETLY
@given(samples=draw_samples())
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_as_it_was_written(tmp_path_factory, layout, samples):
    folder = tmp_path_factory.mktemp("logs")
    rows = []
    for column, scale in enumerate(SCALES):
        path = write_log(folder / f"{scale}.jsonl", layout, samples, column)
        rows += read_sample_log(path, scale)
    table = read_outcomes(import_outcomes(rows, folder / "out", "x"))
    assert table.sample_ids.tolist() == [str(k) for k in range(len(samples))]
    assert table.image_ids.tolist() == [sample["image"] for sample in samples]
    assert table.groups.tolist() == [sample["group"] for sample in samples]
    assert table.scores.tolist() == [sample["scores"] for sample in samples]
    clean = [
        [a.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for a in s["answers"]]
        for s in samples
    ]
    assert table.answers.tolist() == clean
    asked = read_questions(folder / "out")
    assert [one.question for one in asked] == [s["question"].strip() for s in samples]
    assert [one.answers for one in asked] == [(sample["target"],) for sample in samples]
    if layout is without_doc:
        assert table.visual_tokens.tolist() == [[5, 6]] * len(samples)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@QUIETLY
@given(samples=draw_samples(), data=st.data())
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_damaged_log_is_read_or_refused_in_one_line(tmp_path_factory, layout, samples, data):
    folder = tmp_path_factory.mktemp("logs")
    rows = []
    for column, _ in enumerate(SCALES):
        row = layout(0, samples[0], column)
        key = data.draw(st.sampled_from(sorted(row)))
        if data.draw(st.booleans()):
            del row[key]
        else:
            row[key] = data.draw(JSON)
        rows.append(row)
    log = [
        {"version": 2, "eval": {}, "samples": [row]} if layout is inspect else row for row in rows
    ]
    try:
        read = []
        for scale, row in zip(SCALES, log, strict=True):
            (folder / "log.json").write_text(json.dumps([row] if layout is not inspect else row))
            read += read_sample_log(folder / "log.json", scale)
        table = read_outcomes(import_outcomes(read, folder / "out", "x"))
    except ValueError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
        assert not (folder / "out").exists()
    else:
        assert ((table.scores >= 0) & (table.scores <= 1)).all()


def write_lines(path, *records):
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return path


SAMPLE = {
    "question": "Red?",
    "image": "i",
    "group": "g",
    "target": "yes",
    "answers": ["Yes.", "no"],
    "scores": [1.0, 0.0],
}


@pytest.mark.parametrize(
    ("metric", "right", "wrong"),
    [
        ({"parsed_pred": "B", "answer": "B"}, 1, 0),
        ({"question_type": "multiple-choice", "parsed_pred": ["B"], "answer": ["A", "B"]}, 1, 0),
        ({"question_type": "open", "parsed_pred": [["it is b", 3.0]], "answer": "3"}, 1, 0),
        ({"question_type": "open", "parsed_pred": ["a red dog"], "answer": "red dog"}, 1, 0),
        ({"pred": "b ", "answer": "B"}, 1, 0),
        ({"pred_answer": "b", "answer": "B"}, 1, 0),
        ({"scores": [True, False]}, 1, 0),
        ({"true_false": True}, 1, 0),
        ({"prediction": "(B) dog", "answer": "B", "A": "cat", "B": "dog", "C": "nan"}, 1, 0),
        ({"prediction": "the dog", "answer": "A", "A": "cat", "B": "dog"}, 0, 0),
    ],
)
def test_verdicts_without_a_score(tmp_path, metric, right, wrong):
    row = with_doc(0, SAMPLE, 0) | {"task_acc": metric, "task_all": metric}
    del row["exact_match"]
    assert read_sample_log(write_lines(tmp_path / "a", row), 1)[0]["score"] == right
    other = {key: value for key, value in metric.items() if key not in ("scores", "true_false")}
    other |= {"answer": "Z"} if other else {key: [False] for key in metric if key == "scores"}
    other |= {"true_false": False} if "true_false" in metric else {}
    row |= {"task_acc": other, "task_all": other}
    assert read_sample_log(write_lines(tmp_path / "b", row), 1)[0]["score"] == wrong


@pytest.mark.parametrize(
    "metric",
    [
        {"pred": "a man", "answer": ["a man", "man on a horse"]},  # COCO captions
        {"pred": "red car.", "answer": "red car"},  # RefCOCO
        {"pred": "[0, 0, 5, 5]", "answer": [0, 0, 5, 5]},
        {"scores": [8.0, 3.0]},  # LLaVA-Bench
        {"scores": [-1, -1]},
        {"scores": []},
        {
            "question_type": "open",
            "answer": "3",
            "pred": ["it is 3"],
            "score": ["1"],
        },  # MMMU, judged
        {"parsed_pred": "The answer is B.", "answer": "B"},  # MMMU-Pro, images alone
        {"parsed_pred": ["?"], "answer": "?"},  # of a hidden split
        {"question_type": "open", "parsed_pred": ["3"], "answer": []},
        {"pred_answer": "3", "answer": ["3", "three"]},  # IconQA
        {"true_false": "no"},
        {"prediction": "(B) dog", "answer": "nan", "A": "cat", "B": "dog"},
    ],
)
def test_what_a_task_does_not_count_as_right_or_wrong_is_no_verdict(tmp_path, metric):
    row = with_doc(0, SAMPLE, 0) | {"task_metric": metric}
    del row["exact_match"]
    with pytest.raises(ValueError, match="row 1: no verdict that is known stands there; judge"):
        read_sample_log(write_lines(tmp_path / "log.jsonl", row), 1)


def test_several_letters_count_in_mme_realworld_alone(tmp_path):
    metric = {"pred_answer": "AB", "answer": "B"}
    row = with_doc(0, SAMPLE, 0)
    del row["exact_match"]
    for name, score in (("mme_realworld_score", 1.0), ("videomme_score", 0.0)):
        path = write_lines(tmp_path / name, row | {name: metric})
        assert read_sample_log(path, 1)[0]["score"] == score


def test_verdicts_that_differ_must_be_named(tmp_path):
    row = with_doc(0, SAMPLE, 0) | {"pope_accuracy": {"score": 0.5}, "perplexity": 12.5}
    path = write_lines(tmp_path / "log.jsonl", row)
    assert read_sample_log(path, 1, "pope_accuracy")[0]["score"] == 0.5
    with pytest.raises(
        ValueError, match=r"row 1: expected .* \(exact_match, pope_accuracy, perplexity\), got no"
    ):
        read_sample_log(path, 1)
    with pytest.raises(ValueError, match="got anls"):
        read_sample_log(path, 1, "anls")


def test_a_list_of_answers_that_was_made_a_text_is_a_list(tmp_path):
    row = without_doc(0, SAMPLE, 0) | {"target": "['a', 'b']"}
    assert read_sample_log(write_lines(tmp_path / "a", row), 1)[0]["target"] == ("a", "b")


def test_an_image_in_the_log_is_known_by_its_content(tmp_path):
    row = without_doc(0, SAMPLE, 0) | {"input_media": [RED]}
    assert read_sample_log(write_lines(tmp_path / "a", row), 1)[0]["image_id"] == RED_ID
    held = inspect(0, SAMPLE | {"image": "attachment://x"}, 0) | {"attachments": {"x": RED}}
    log = {"version": 2, "eval": {}, "samples": [held]}
    path = tmp_path / "log.json"
    path.write_text(json.dumps(log))
    assert read_sample_log(path, 1)[0]["image_id"] == RED_ID
    row["input_media"] = ["data:image/png;base64,AAAA"]
    with pytest.raises(ValueError, match="row 1: its image is not an image"):
        read_sample_log(write_lines(tmp_path / "b", row), 1)


def test_several_images_are_kept_beside_their_id(tmp_path):
    row = without_doc(0, SAMPLE, 0) | {"input_media": ["a.png", "b.png"]}
    [read] = read_sample_log(write_lines(tmp_path / "a", row), 1)
    [question] = gather_questions([read]).values()
    assert question.images == ("a.png", "b.png")
    assert question.image_id == join_fingerprints(question.images)


def test_fields_under_other_names(tmp_path):
    row = with_doc(0, SAMPLE, 0)
    row["doc"] |= {"qid": 77, "photo": "p.png"}
    path = write_lines(tmp_path / "log.jsonl", row)
    [read] = read_sample_log(path, 1, columns={"sample_id": "qid", "image_id": "photo"})
    assert (read["sample_id"], read["image_id"]) == (77, "p.png")
    with pytest.raises(
        ValueError, match="row 1: no 'pic' for the field 'image_id'; it has: doc_id"
    ):
        read_sample_log(path, 1, columns={"image_id": "pic"})
    with pytest.raises(
        ValueError, match="unknown field 'cost' in the columns of a log; known: sam"
    ):
        read_sample_log(path, 1, columns={"cost": "x"})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"question_id": 0, "score": 1}],
            "in no known layout .*question_id, score.*lmms-eval 0.7",
        ),
        (
            [{"question_id": 0, "text": "x", "prompt": "q"}],
            "LLaVA or M3 .* without verdicts; judge",
        ),
        ([with_doc(0, SAMPLE, 0), {"doc_id": 1}], "row 2: it is not in the layout of row 1"),
        ([with_doc(0, SAMPLE, 0) | {"exact_match": None}], "row 1: no verdict that is known"),
        ([{"version": 2, "eval": {}}], "has no samples"),
        ([inspect(0, SAMPLE, 0) | {"scores": None, "version": 2, "eval": 1}], "has no samples"),
    ],
)
def test_what_is_in_no_layout_is_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        read_sample_log(write_lines(tmp_path / "log.jsonl", *rows), 1)


def test_compressed_logs_need_inspect_ai(tmp_path):
    (tmp_path / "log.eval").write_bytes(b"PK")
    with pytest.raises(ValueError, match="need inspect-ai|expected a log of inspect-ai"):
        read_sample_log(tmp_path / "log.eval", 1)


ROWS = [{"sample_id": "a", "scale": scale, "answer": "x", "score": 1} for scale in SCALES]


def test_a_plain_table_with_other_names(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,scale,answer,score\na,1,no,0\na,9,yes,0.5\n", encoding="utf-8")
    rows = read_table_rows(path, {"sample_id": "id"})
    table = read_outcomes(import_outcomes(rows, tmp_path / "out", "t"))
    assert table.scores.tolist() == [[0, 0.5]]
    with pytest.raises(ValueError, match="row 1: no value in sample_id; it has: id, scale"):
        read_table_rows(path, {})
    with pytest.raises(ValueError, match="row 1: no value in team; it has: id, scale"):
        read_table_rows(path, {"sample_id": "id", "group": "team"})
    path.write_text("sample_id,scale,answer,score\na,1,no,0\n,,,\n", encoding="utf-8")
    with pytest.raises(ValueError, match="csv, row 2: expected a sample_id, got none"):
        read_table_rows(path, {})
    with pytest.raises(ValueError, match="unknown field 'tokens' in the columns; known: sample_id"):
        read_table_rows(path, {"tokens": "scale"})


def test_an_empty_answer_is_an_answer_in_every_kind_of_table(tmp_path):
    table = pd.DataFrame([row | {"answer": None, "score": 0} for row in ROWS])
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_excel(tmp_path / "t.xlsx", index=False)
    table.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for kind in ("csv", "xlsx", "jsonl"):
        rows = read_table_rows(tmp_path / f"t.{kind}", {})
        read = read_outcomes(import_outcomes(rows, tmp_path / kind, "t"))
        assert read.answers.tolist() == [["", ""]]
    path = write_lines(tmp_path / "none.jsonl", {"sample_id": "a", "scale": 1, "score": 1})
    with pytest.raises(ValueError, match="row 1: no value in answer; it has: sample_id"):
        read_table_rows(path, {})


def test_a_table_that_is_to_be_judged_needs_no_score(tmp_path):
    rows = [{key: value for key, value in row.items() if key != "score"} for row in ROWS]
    path = write_lines(tmp_path / "t.jsonl", *rows)
    assert [row["scale"] for row in read_table_rows(path, {}, judged=False)] == list(SCALES)
    with pytest.raises(ValueError, match="row 1: no value in score"):
        read_table_rows(path, {})
