"""What stands behind the page, without a browser."""

import httpx2
import pytest

from predictor.adaptive import AdaptiveM3
from predictor.requests.knobs import Knob
from scripts.serving.opening import serve_model
from scripts.serving.settings import ServeSettings


@pytest.fixture
def explain(mini, serving, write_url):
    """A function that asks about an image, with so much time for all answers."""

    def ask(seconds, question=mini.questions[0]):
        settings = ServeSettings(ui=True, max_seconds=seconds)
        model = AdaptiveM3(mini.backbone, mini.router)
        with serving(serve_model(model, settings, "m3-mini", Knob(budget=72))) as running:
            asked = {"image": write_url(mini.images[0]), "question": question}
            return httpx2.post(f"{running.address}/page/explain", json=asked, timeout=60)

    return ask


def test_every_scale_answers(explain, mini):
    answer = explain(60)
    assert answer.status_code == 200
    assert [one["side"] ** 2 for one in answer.json()["scales"]] == list(mini.router.scales)


def test_the_route_of_questions_says_which_method_it_has(mini, serving):
    model = AdaptiveM3(mini.backbone, mini.router)
    with serving(serve_model(model, ServeSettings(ui=True), "m", Knob(budget=72))) as running:
        told = httpx2.options(f"{running.address}/page/explain")
    assert (told.status_code, told.headers["allow"]) == (405, "POST")


def test_answers_that_take_too_long_are_given_up(explain):
    answer = explain(0.01)
    assert answer.status_code == 504
    assert answer.json()["error"]["message"] == "there was no answer within 0.01 s"


def test_what_has_no_room_at_the_largest_scale_is_told_before_any_work(explain, monkeypatch):
    monkeypatch.setattr(AdaptiveM3, "answer_async", None)
    answer = explain(60, "what " * 1900)
    assert answer.status_code == 400
    assert "at scale 576: shorten" in answer.json()["error"]["message"]


@pytest.mark.parametrize("step", ["route", "answer_async"])
def test_what_fails_while_answering_is_no_fault_of_the_client(explain, monkeypatch, caplog, step):
    async def fail(self, request):
        raise ValueError("an inner matter")

    monkeypatch.setattr(AdaptiveM3, step, fail)
    answer = explain(60)
    assert (answer.status_code, answer.json()["error"]["message"]) == (500, "the server failed")
    assert "an inner matter" in caplog.text


@pytest.mark.parametrize("question", [" ", "<image>?"])
def test_a_question_that_cannot_be_asked_is_a_bad_request(explain, question):
    answer = explain(60, question)
    assert answer.status_code == 400
    assert "question" in answer.json()["error"]["message"]
