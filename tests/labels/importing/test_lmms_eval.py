import json

import pytest

from labels.importing.importing import import_outcomes
from labels.importing.layouts import read_sample_log
from labels.outcomes.table import read_outcomes


def write_log(folder, *rows, name="log.jsonl"):
    path = folder / name
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def make_row(number, **metrics):
    row = {"doc_id": number, "target": "red", "filtered_resps": "red", "input": f"Q{number}?"}
    return row | (metrics or {"exact_match": 1.0})


def test_the_one_file_of_the_first_releases(tmp_path):
    rows = [make_row(number) | {"doc": {"question": f"Q{number}?"}} for number in range(2)]
    log = {"args": {}, "model_configs": {}, "logs": rows}
    read = read_sample_log(write_log(tmp_path, log, name="task.json"), 1)
    assert [row["question"] for row in read] == ["Q0?", "Q1?"]
    with pytest.raises(ValueError, match="has no rows"):
        read_sample_log(write_log(tmp_path, log | {"logs": []}, name="task.json"), 1)


def test_a_log_of_another_scale_is_refused(tmp_path):
    rows = [make_row(k) | {"token_counts": [{"scale": scale}]} for k, scale in enumerate((9, 144))]
    assert [row["scale"] for row in read_sample_log(write_log(tmp_path, rows[0]), 9)] == [9]
    told = "row 2: it was answered at scale 144, expected 9, as --samples 9=FILE says; give each"
    with pytest.raises(ValueError, match=told):
        read_sample_log(write_log(tmp_path, *rows), 9)
    for wrong in (0, "wide", 1.5, True):
        path = write_log(tmp_path, make_row(0) | {"token_counts": [{"scale": wrong}]})
        with pytest.raises(ValueError, match="row 1: scale: expected a whole number of tokens"):
            read_sample_log(path, 9)


@pytest.mark.parametrize("flags", [(False, True), ("False", "True")])
def test_multiple_choice_logs_losses(tmp_path, flags):
    responses = [["1.5", flags[0]], ["0.25", flags[1]], ["7", flags[0]]]
    path = write_log(tmp_path, make_row(0) | {"filtered_resps": responses})
    [row] = read_sample_log(path, 1)
    assert row["answer"] == "B"
    responses[1][0] = "nan"
    path = write_log(tmp_path, make_row(0) | {"filtered_resps": responses})
    with pytest.raises(ValueError, match=r"row 1: expected the loss of each option, got \[\["):
        read_sample_log(path, 1)


def test_of_several_answers_the_first_counts(tmp_path):
    path = write_log(tmp_path, make_row(0) | {"filtered_resps": ["blue", "red", "red"]})
    assert read_sample_log(path, 1)[0]["answer"] == "blue"


@pytest.mark.parametrize(
    ("metric", "score"), [("1.0", 1), ("0", 0), ({"score": "0.5"}, 0.5), ({"score": "True"}, 1)]
)
def test_a_score_may_be_a_text(tmp_path, metric, score):
    path = write_log(tmp_path, make_row(0, accuracy=metric, kind="open"))
    assert read_sample_log(path, 1)[0]["score"] == score


def test_a_sample_that_is_there_twice_is_refused(tmp_path):
    path = write_log(tmp_path, make_row(0), make_row(1), make_row(0))
    with pytest.raises(ValueError, match=r"\(lmms-eval 0.7\): sample '0' is in rows 1 and 3; "):
        read_sample_log(path, 1)


def test_the_order_of_rows_does_not_matter(tmp_path):
    first = write_log(tmp_path, make_row(0), make_row(1, exact_match=0.0))
    rows = read_sample_log(first, 1)
    second = write_log(tmp_path, make_row(1, exact_match=0.5), make_row(0))
    table = read_outcomes(import_outcomes(rows + read_sample_log(second, 9), tmp_path / "o", "x"))
    assert table.sample_ids.tolist() == ["0", "1"]
    assert table.scores.tolist() == [[1, 1], [0, 0.5]]


@pytest.mark.parametrize(
    ("metrics", "score"),
    [
        ({"mmmu_acc": {"question_type": "open", "answer": "5", "parsed_pred": [5]}}, 1),
        ({"mmmu_acc": {"question_type": "open", "answer": "five", "parsed_pred": [5]}}, 0),
        ({"gpt": {"A": "x", "B": "y", "C": None, "D": "z", "answer": "D", "prediction": "D"}}, 1),
        ({"gpt": {"A": "x", "B": "y", "C": None, "D": "z", "answer": "D", "prediction": "C"}}, 0),
        ({"gpt": {"A": 0, "B": 1, "answer": "B", "prediction": "B"}}, 1),
    ],
)
def test_verdicts_of_numbers_and_of_options_that_are_missing(tmp_path, metrics, score):
    [row] = read_sample_log(write_log(tmp_path, make_row(0, **metrics)), 1)
    assert row["score"] == score


def test_responses_count_where_nothing_was_filtered(tmp_path):
    row = make_row(0) | {"filtered_resps": None, "resps": [["blue"]]}
    assert read_sample_log(write_log(tmp_path, row), 1)[0]["answer"] == "blue"
    losses = [[[0.5, False]], [[0.2, True]]]
    row = make_row(0) | {"filtered_resps": None, "resps": losses}
    assert read_sample_log(write_log(tmp_path, row), 1)[0]["answer"] == "B"
