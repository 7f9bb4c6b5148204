"""Bodies that are no JSON object: refused in the form of the OpenAI API's errors."""

import json

import httpx2
import pytest


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 50_000, b'{"a":' * 20_000,
        b'{"model": NaN}', b"1" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_object_is_refused(refuse, content):
    refuse(content)


def test_another_content_type_is_told(served, write_body):
    url = f"{served.address}/v1/chat/completions"
    response = httpx2.post(
        url, content=json.dumps(write_body()), headers={"content-type": "text/plain"}
    )
    assert response.status_code == 400
    assert "content-type: application/json" in response.json()["error"]["message"]


@pytest.mark.parametrize("content", [b"\xff", b"[" * 50_000, b"1" * 10_000])
def test_what_is_expected_is_told_of_a_body_that_cannot_be_read(refuse, content):
    assert "expected JSON in UTF-8" in refuse(content)["message"]
