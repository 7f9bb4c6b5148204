import json

import pytest

from labels.importing.inspect_logs import list_samples
from labels.importing.layouts import read_sample_log

SAMPLE = {
    "id": "s",
    "epoch": 1,
    "input": "What?",
    "target": ["red", "rot"],
    "output": {"completion": "red"},
    "scores": {"match": {"value": "C"}},
}


def write_log(folder, *changes):
    samples = [SAMPLE | change for change in changes]
    path = folder / "log.json"
    path.write_text(json.dumps({"version": 2, "eval": {}, "samples": samples}))
    return path


def read_one(folder, score=None, judged=True, **changes):
    [row] = read_sample_log(write_log(folder, changes), 1, score, judged=judged)
    return row


@pytest.mark.parametrize(
    ("value", "score"),
    [
        *[("C", 1), ("P", 0.5), ("I", 0), ("N", 0), (True, 1), (False, 0), (0.25, 0.25)],
        *[("yes", 1), ("No", 0), ("TRUE", 1), ("false", 0), ("0.5", 0.5)],
    ],
)
def test_every_verdict_of_a_scorer_is_read(tmp_path, value, score):
    assert read_one(tmp_path, scores={"match": {"value": value}})["score"] == score


@pytest.mark.parametrize("value", ["c", "GRADE: good", [1, 0], float("nan"), 80, "1e3", -1])
def test_what_is_no_verdict_is_refused_by_name(tmp_path, value):
    with pytest.raises(ValueError, match=r"\(inspect-ai\), row 1: expected a score in \[0, 1\]"):
        read_one(tmp_path, scores={"match": {"value": value}})


def test_a_scorer_with_several_values_has_one_verdict_each(tmp_path):
    scores = {"two": {"value": {"a": 1, "b": 0}}}
    assert [read_one(tmp_path, f"two.{name}", scores=scores)["score"] for name in "ab"] == [1, 0]
    with pytest.raises(ValueError, match=r"one of its scores \(two.a, two.b\), got no name"):
        read_one(tmp_path, scores=scores)


def test_a_sample_of_an_early_release(tmp_path):
    """One score without a name, the answer in the messages, long texts beside the transcript."""
    said = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "blue"}]
    image = {"type": "image", "image": "attachment://x"}
    early = {
        "scores": None,
        "score": {"value": "I"},
        "output": {"choices": [{"message": {"role": "assistant", "content": said}}]},
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [image]}],
        "transcript": {"content": {"x": "photo.png"}, "events": []},
    }
    [row] = read_sample_log(write_log(tmp_path, early), 1)
    assert (row["answer"], row["score"], row["image_id"]) == ("blue", 0, "photo.png")
    plain = {"choices": [{"message": {"content": "green"}}]}
    assert read_one(tmp_path, output=plain)["answer"] == "green"
    assert read_one(tmp_path, output={"choices": []})["answer"] == ""


def test_visual_tokens_are_read_from_the_metadata_of_the_output(tmp_path):
    output = {"completion": "red", "metadata": {"visual_tokens": 288, "scale": 1}}
    assert read_one(tmp_path, output=output)["cost"] == 288
    assert "cost" not in read_one(tmp_path)
    output["metadata"]["visual_tokens"] = -1
    with pytest.raises(ValueError, match="row 1: visual_tokens"):
        read_one(tmp_path, output=output)


def test_a_log_of_another_scale_is_refused(tmp_path):
    output = {"completion": "red", "metadata": {"visual_tokens": 288, "scale": 144}}
    told = r"\(inspect-ai\), row 1: it was answered at scale 144, expected 1, as --samples 1=FILE"
    with pytest.raises(ValueError, match=told):
        read_one(tmp_path, output=output)
    # Another model's scale is not ours.
    assert read_one(tmp_path, output=output | {"metadata": {"scale": "wide"}})["scale"] == 1


def test_samples_without_scores_can_be_judged_anew(tmp_path):
    with pytest.raises(ValueError, match=r"\(inspect-ai\), row 1: no verdict .* with --metric"):
        read_one(tmp_path, scores={})
    assert read_one(tmp_path, judged=False, scores=None)["score"] is None


def test_several_epochs_are_refused(tmp_path):
    path = write_log(tmp_path, {}, {"id": "t"}, {"epoch": 2})
    with pytest.raises(ValueError, match=r"\(inspect-ai\): sample 's' is in rows 1 and 3; "):
        read_sample_log(path, 1)


def test_a_sample_that_ended_in_an_error_is_refused(tmp_path):
    with pytest.raises(ValueError, match="sample 1: it ended in an error; .* inspect eval-retry"):
        read_one(tmp_path, error={"message": "x"})


@pytest.mark.parametrize("status", ["error", "cancelled", "started", None])
def test_a_log_that_is_not_finished_is_refused(status):
    samples = [{"id": 1}]
    assert list_samples({"samples": samples, "status": "success"}, "a.json") == samples
    with pytest.raises(ValueError, match=r"a\.json \(inspect-ai\): the evaluation has status"):
        list_samples({"samples": samples, "status": status}, "a.json")
