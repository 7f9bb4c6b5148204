"""Answers that take too long."""

import openai
import pytest


def test_a_check_that_takes_too_long_is_given_up(served, ask):
    with pytest.raises(openai.InternalServerError, match="no answer within 2 s"):
        ask("long", timeout=5)
    assert not served.model.asked
    served.model.go.set()


def test_an_answer_that_takes_too_long_is_given_up(served, ask, wait_until):
    ended = served.model.ended
    with pytest.raises(openai.InternalServerError, match="no answer within 2 s") as caught:
        ask("wait")
    assert caught.value.status_code == 504
    wait_until(lambda: served.model.ended == ended + 1)
