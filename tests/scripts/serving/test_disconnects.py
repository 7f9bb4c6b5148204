"""Clients that do not wait for their answer."""

import httpx2
import pytest


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("question", ["wait", "one wait"])
def test_who_leaves_ends_the_answer_and_is_counted_no_more(
    served, write_body, wait_until, question, stream
):
    ended, answered = served.model.ended, served.model.answered
    asked = write_body(question, stream=stream)
    client = httpx2.Client()
    url = f"{served.address}/v1/chat/completions"
    with pytest.raises(httpx2.ReadTimeout), client:
        with client.stream("POST", url, json=asked, timeout=0.3) as response:
            response.read()
    wait_until(lambda: served.limiter.active == 0, 1)
    assert (served.model.ended, served.model.answered) == (ended + 1, answered)
