import json
import threading

import pytest

from predictor.requests import decisions
from predictor.requests.decisions import (
    UNFAMILIAR,
    Decision,
    DecisionLog,
    check_log,
    read_decisions,
)


def decide(**changes):
    facts = {
        **{"scale": 36, "reason": "router", "probabilities": {9: 0.25, 36: 0.75}},
        **{"knob": {"budget": 72, "unit": "tokens"}, "images": 1, "turns": 3},
        **{"visual_tokens": 36, "prompt_tokens": 50, "output_tokens": 2, "finish_reason": "stop"},
        **{"encode_ms": 1.5, "router_ms": 0.25, "generate_ms": 4.0},
    }
    return Decision(**{**facts, **changes})


def test_a_decision_goes_through_a_log_and_back(tmp_path):
    made = [decide(), decide(reason=UNFAMILIAR, scale=576)]
    log = DecisionLog(tmp_path / "new" / "log.jsonl")
    for one in made:
        log.append(one)
    assert list(read_decisions(log.path)) == made
    lines = log.path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [one.to_dict() for one in made]
    assert json.loads(lines[0])["probabilities"] == {"9": 0.25, "36": 0.75}
    assert [one.unfamiliar for one in made] == [one.fell_back for one in made] == [False, True]
    assert made[0].time.endswith("+00:00")


def test_a_log_goes_on_and_loses_nothing_but_an_unfinished_line(tmp_path, monkeypatch):
    path = tmp_path / "log.jsonl"
    DecisionLog(path).append(decide(turns=1))
    whole = path.read_bytes()
    for tail in (b"", b'{"scale": 36, "rea', b"x" * 100):
        monkeypatch.setattr(decisions, "BLOCK", 7)
        path.write_bytes(whole + tail)
        DecisionLog(path).append(decide(turns=5))
        assert [one.turns for one in read_decisions(path)] == [1, 5]


@pytest.mark.parametrize("end", [1, 8, 10, 11, 40, -1])
def test_a_log_of_nothing_but_an_unfinished_line_begins_anew(tmp_path, end):
    path = tmp_path / "log.jsonl"
    DecisionLog(path).append(decide(turns=1))
    path.write_bytes(path.read_bytes()[:end])
    check_log(path)
    DecisionLog(path).append(decide(turns=5))
    assert [one.turns for one in read_decisions(path)] == [5]


@pytest.mark.parametrize(
    "content",
    [
        b"image,question\n",
        b"{}\n",
        b'{"scale": 36}\n',
        b"\xff\xfe",
        b"[1]\n",
        b"image,question",
        b"[1, 2",
        b"{}",
        b'{"a": 1}',
        b'{\n  "scale": 36',
        b'{"scale": 36}',
        b'{"scale": 36,\n"a": 1}',
        b"\n",
        b" ",
        b'\n{"scale": ',
    ],
    ids=repr,
)
def test_no_other_file_is_written_to(tmp_path, content):
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="mine.csv, line 1, cannot be used: .*name another file"):
        DecisionLog(path)
    with pytest.raises(ValueError, match="mine.csv, line 1"):
        check_log(path)
    assert path.read_bytes() == content


def test_a_folder_is_no_log(tmp_path):
    with pytest.raises(ValueError, match="is a folder: name a file to write to"):
        DecisionLog(tmp_path)


def test_lines_of_many_threads_stay_whole(tmp_path):
    log = DecisionLog(tmp_path / "log.jsonl")

    def write(number):
        for _ in range(25):
            log.append(decide(turns=number))

    threads = [threading.Thread(target=write, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    turns = sorted(one.turns for one in read_decisions(log.path))
    assert turns == sorted([*range(8)] * 25)


def test_a_line_that_cannot_be_written_whole_is_not_there(tmp_path, monkeypatch):
    log = DecisionLog(tmp_path / "log.jsonl")
    log.append(decide(turns=1))
    whole = log.path.read_bytes()
    path = log.path

    class Full:
        """Opens the file as it is, but writes half of what it is given, as a full disk does."""

        def open(self, mode, buffering):
            self.file = path.open(mode, buffering=buffering)
            return self

        def __enter__(self):
            return self

        def __exit__(self, *raised):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, line):
            return self.file.write(line[: len(line) // 2])

        def __str__(self):
            return str(path)

    log.path = Full()
    with pytest.raises(OSError, match="cannot write .*log.jsonl: No space left on device"):
        log.append(decide(turns=2))
    assert path.read_bytes() == whole
