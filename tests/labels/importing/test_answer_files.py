import json

import pytest

from labels.importing.layouts import read_sample_log

ROW = {"index": 0, "question": "Red?", "answer": "Yes", "prediction": "yes"}


def write_lines(path, *rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize(
    ("cells", "score"),
    [
        *[({"hit": 1}, 1), ({"hit": "0"}, 0), ({"hit": 0.0}, 0)],
        # Of questions to be answered by yes or no.
        *[({"extracted": "Yes", "score": True}, 1), ({"extracted": "No", "score": "False"}, 0)],
    ],
)
def test_verdicts_of_vlmevalkit(tmp_path, cells, score):
    assert read_sample_log(write_lines(tmp_path / "t", ROW | cells), 1)[0]["score"] == score


@pytest.mark.parametrize("cells", [{"hit": "yes"}, {"score": 4}, {"hit": float("nan")}])
def test_what_is_no_verdict_is_refused_by_name(tmp_path, cells):
    with pytest.raises(ValueError, match=r"\(VLMEvalKit\), row 1: expected a score in \[0, 1\]"):
        read_sample_log(write_lines(tmp_path / "t", ROW | cells), 1)


def test_a_mark_beside_the_hit_must_be_chosen(tmp_path):
    path = write_lines(tmp_path / "t", ROW | {"hit": 1, "score": 4})
    assert read_sample_log(path, 1, "hit")[0]["score"] == 1
    with pytest.raises(ValueError, match=r"one of its scores \(hit, score\), got no name"):
        read_sample_log(path, 1)


def test_options_of_llava_keep_their_letters(tmp_path):
    row = {"question_id": 7, "prompt": "Which?", "text": "B", "model_id": "m"}
    path = write_lines(tmp_path / "a.jsonl", row | {"options": ["", "cat"], "round_id": 0})
    assert read_sample_log(path, 1, judged=False)[0]["choices"] == ("", "cat")
    rounds = [row | {"options": ["cat", "dog"], "round_id": number} for number in range(2)]
    with pytest.raises(ValueError, match=r"LLaVA or M3\): sample '7' is in rows 1 and 2; .* round"):
        read_sample_log(write_lines(tmp_path / "b.jsonl", *rounds), 1, judged=False)
