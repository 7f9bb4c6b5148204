import json

import pytest
from PIL import Image

from labels.importing.importing import import_outcomes
from labels.outcomes.table import read_outcomes, read_questions
from scripts.cli import main


@pytest.fixture
def answers(tmp_path):
    """LLaVA's answers at two scales, and the questions with their image."""
    Image.new("RGB", (16, 16), "red").save(tmp_path / "red.png")
    questions = [
        {"question_id": k, "text": f"Colour {k}?", "image": "red.png", "answers": [answer]}
        for k, answer in enumerate(["Red", "Blue"])
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, questions)))
    for scale, said in ((1, ["red", "red"]), (9, ["red.", "blue"])):
        rows = [
            {"question_id": k, "prompt": f"Colour {k}?\nOne word.", "text": text, "answer_id": "x"}
            for k, text in enumerate(said)
        ]
        (tmp_path / f"{scale}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def give_samples(folder):
    return [word for scale in (1, 9) for word in ("--samples", f"{scale}={folder}/{scale}.jsonl")]


def test_answer_files_are_judged_against_their_questions(runner, answers):
    columns = ["--column", "sample_id=question_id", "--column", "question=text"]
    source = ["--questions", str(answers / "questions.jsonl"), *columns, "--metric", "exact"]
    out = ["--out", str(answers / "out")]
    result = runner.invoke(main, ["import", *give_samples(answers), *source, *out])
    assert result.exit_code == 0, result.output
    assert result.output == f"2 samples, 2 scales: {answers / 'out'}\n"
    table = read_outcomes(answers / "out")
    assert table.scores.tolist() == [[1, 1], [0, 1]]
    assert len(set(table.image_ids)) == 1
    assert [one.answers for one in read_questions(answers / "out")] == [("Red",), ("Blue",)]


def test_refusals_are_one_line_before_anything_is_written(runner, answers):
    samples, out = give_samples(answers), ["--out", str(answers / "out")]
    for words, message in (
        (samples, "without verdicts; judge them: --metric NAME --questions SOURCE"),
        ([*samples, "--metric", "nope"], "unknown metric 'nope'; known: exact"),
        ([*samples, "--metric", "exact"], "sample '0' has no answers"),
        ([*samples, "--metric", "exact", "--score", "x"], "--metric judges anew, without the"),
        (["--samples", f"x={answers}/1.jsonl"], "'x' is not a valid integer"),
        (["--samples", f"0={answers}/1.jsonl"], "0 is not in the range x>=1"),
        (["--samples", "1=nothing.jsonl"], "'nothing.jsonl' does not exist"),
        (["--samples", "1"], "expected SCALE=FILE, got '1'"),
        (["--samples", "1=/dev/zero"], "no regular file"),
        ([*samples, "--answers", f"{answers}/1.jsonl"], "--answers is of --questions: give that"),
        ([*samples, "--split", "test"], "--split is of --questions: give that too, or leave it"),
        ([], "give either --samples SCALE=FILE, once per scale, or --table FILE"),
    ):
        result = runner.invoke(main, ["import", *words, *out])
        assert result.exit_code == 2
        assert message in result.output
        assert not (answers / "out").exists()


def test_what_unknown_images_cost_is_said_by_every_command(runner, tmp_path):
    rows = [
        {"sample_id": k, "scale": scale, "answer": "x", "score": scale > 1}
        for k in range(3)
        for scale in (1, 9)
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out = str(tmp_path / "out")
    told = runner.invoke(main, ["import", "--table", str(tmp_path / "t.jsonl"), "--out", out])
    assert "image unknown for 3 of 3" in told.output
    for command in ("audit", "oracle"):
        result = runner.invoke(main, [command, "--outcomes", out])
        assert result.exit_code == 0, result.output
        last = result.output.strip().splitlines()[-1]
        assert "Image unknown for 3 of 3 questions" in last
        assert "intervals are too narrow" in last
    known = import_outcomes([row | {"image_id": "i"} for row in rows], tmp_path / "known", "x")
    for command in ("audit", "oracle"):
        result = runner.invoke(main, [command, "--outcomes", str(known)])
        assert "Image unknown" not in result.output
