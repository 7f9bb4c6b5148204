"""How far a run is, read off its folder."""

import time

import pytest

from labels.labelling.run import label
from labels.labelling.sharing import Share
from labels.labelling.status import read_status
from m3_backbone.processes import worker_name

pytestmark = pytest.mark.usefixtures("skip_waiting_for_the_disk")


def test_status_says_what_is_done_by_whom_and_what_is_left(tmp_path, monkeypatch, toy):
    folder = tmp_path / "run"
    slow = toy.Answerer(0.1)
    label(toy.make_questions(), slow, folder, toy.small, progress=False, share=Share(0, 2))
    status = read_status(folder)
    assert (status["finished"], status["missing"]) == (False, [1])
    assert status["parts"] == {"done": 2, "all": 3}
    assert status["images"] == {"done": 3, "all": 5}
    assert status["questions"] == {"done": 9, "all": 15}
    (me,) = status["workers"]
    assert (me["worker"], me["parts"], me["images"]) == (worker_name(), 2, 3)
    # Six questions at the speed of nine.
    assert status["seconds_left"] == pytest.approx(me["seconds"] * 6 / 9)
    later = time.time() + 100
    monkeypatch.setattr("time.time", lambda: later)
    assert read_status(folder)["seconds_left"] is None  # it was not heard of for very long
    label(toy.make_questions(), toy.Answerer(), folder, toy.small, False, Share(1, 2))
    done = read_status(folder)
    assert (done["finished"], done["seconds_left"], done["missing"]) == (True, 0, [])
