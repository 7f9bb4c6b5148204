import json

import numpy as np
import pytest

from labels.outcomes.importing import import_outcomes, read_sample_log, read_table_rows
from labels.outcomes.table import read_features, read_outcomes, read_questions, read_table


def make_rows():
    return [
        {"sample_id": sample, "scale": scale, "answer": f"{sample}{scale}", "score": scale > 1}
        for sample in ("b", "a")
        for scale in (9, 1)
    ]


def write_lines(path, records):
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def log_record(index, **changes):
    record = {
        "doc_id": index,
        "doc_hash": f"{index}23456789",
        "doc": {"question": "Red?"},
        "target": "yes",
        "resps": [["Yes."]],
        "filtered_resps": ["yes"],
        "exact_match": 1.0,
    }
    return {**record, **changes}


def test_imported_rows_become_a_table_of_our_own(tmp_path):
    rows = make_rows()
    rows[0] |= {"group": "g", "image_id": "i", "cost": 7, "target": ["x", "y"], "question": "What?"}
    rows[1] |= {"image_id": "i"}
    table = read_outcomes(import_outcomes(rows, tmp_path / "out", "mine"))
    assert table.sample_ids.tolist() == ["b", "a"]
    assert table.scales == (1, 9)
    assert table.scores.tolist() == [[0, 1], [0, 1]]
    assert table.answers.tolist() == [["b1", "b9"], ["a1", "a9"]]
    assert table.visual_tokens.tolist() == [[1, 7], [1, 9]]
    assert np.isnan(table.flops).all()
    assert table.image_ids.tolist() == ["i", "a"]
    first, second = read_questions(tmp_path / "out")
    assert (first.question, first.answers, first.group) == ("What?", ("x", "y"), "g")
    assert (second.question, second.answers, second.metric) == ("a", (), "reference")
    assert set(read_table(tmp_path / "out")["dataset"]) == {"mine"}


def test_no_training_on_an_imported_table(tmp_path):
    folder = import_outcomes(make_rows(), tmp_path / "out", "mine")
    with pytest.raises(ValueError, match="was imported and has no features to train on"):
        read_features(folder, ["a"])
    with pytest.raises(ValueError, match="holds a run already"):
        import_outcomes(make_rows(), folder, "mine")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "nothing to import"),
        (make_rows()[:-1], r"sample 'a' lacks scale 1; expected one row for each of \[1, 9\]"),
        ([*make_rows(), make_rows()[0]], "sample 'b' has more than one row of scale 9"),
        ([make_rows()[0] | {"score": "good"}], "sample 'b': could not convert .*expected numbers"),
        ([make_rows()[0] | {"score": 90}], r"expected a score in \[0, 1\], got 90.0 at scale 9"),
        *(
            ([make_rows()[0] | {field: value}], "a whole number of tokens of at least 1, got")
            for field in ("scale", "cost")
            for value in (1.9, True, 0, -1, float("inf"), float("nan"), 2**63, "1e309")
        ),
    ],
)
def test_bad_rows_leave_nothing_behind(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        import_outcomes(rows, tmp_path / "out", "mine")
    assert not (tmp_path / "out").exists()


def test_csv_with_other_column_names(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,scale,answer,score\na,1,no,0\na,9,yes,0.5\n", encoding="utf-8")
    rows = read_table_rows(path, {"sample_id": "id"})
    table = read_outcomes(import_outcomes(rows, tmp_path / "out", "t"))
    assert table.scores.tolist() == [[0, 0.5]]
    with pytest.raises(ValueError, match="row 1: no value in sample_id; it has: id, scale"):
        read_table_rows(path, {})
    with pytest.raises(ValueError, match="unknown field 'tokens' in the columns; known: sample_id"):
        read_table_rows(path, {"tokens": "scale"})


def test_jsonl_table(tmp_path):
    rows = read_table_rows(write_lines(tmp_path / "t.jsonl", make_rows()), {})
    assert [row["scale"] for row in rows] == [9, 1, 9, 1]
    (tmp_path / "bad.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="expected one JSON object per line"):
        read_table_rows(tmp_path / "bad.jsonl", {})


def test_sample_log_of_lmms_eval(tmp_path):
    path = write_lines(tmp_path / "log.jsonl", [log_record(0), log_record(1, exact_match=0)])
    first, second = read_sample_log(path, 36)
    assert first == {
        "sample_id": "0-02345678",
        "scale": 36,
        "answer": "yes",
        "score": 1,
        "target": "yes",
        "question": "Red?",
    }
    assert (second["sample_id"], second["score"]) == ("1-12345678", 0)


def test_sample_log_with_several_scores(tmp_path):
    nested = log_record(0, pope_accuracy={"score": 0.5, "prediction": "yes"})
    path = write_lines(tmp_path / "log.jsonl", [nested])
    assert read_sample_log(path, 1, "pope_accuracy")[0]["score"] == 0.5
    with pytest.raises(ValueError, match=r"row 1: expected .* \(exact_match, pope_accuracy\), got"):
        read_sample_log(path, 1)
    with pytest.raises(ValueError, match="got anls"):
        read_sample_log(path, 1, "anls")


def test_zero_is_a_name_and_a_group(tmp_path):
    rows = [row | {"image_id": 0, "group": False} for row in make_rows()]
    table = read_outcomes(import_outcomes(rows, tmp_path / "out", "mine"))
    assert set(table.image_ids) == {"0"}
    assert set(table.groups) == {"False"}


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b"])
def test_only_a_newline_ends_a_json_line(tmp_path, separator):
    row = {"sample_id": "a", "scale": 1, "answer": f"x{separator}y", "score": 1}
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_table_rows(path, {})[0]["answer"] == f"x{separator}y"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "sample_id,scale,answer,score\na,1,x,1,2\n", "row 1: it has more cells"),
        ("t.csv", "sample_id\n" + "x" * 200000, "expected a CSV table: field larger"),
        ("t.jsonl", "[" * 100000 + "]" * 100000, "expected one JSON object per line"),
    ],
)
def test_tables_that_cannot_be_read_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_table_rows(tmp_path / name, {})
