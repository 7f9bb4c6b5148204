"""As many requests at once as may be, whatever their ends."""

import pytest

from scripts.serving.concurrency import ConcurrencyLimiter
from scripts.serving.errors import ApiError


def test_who_comes_beyond_the_limit_is_told_when_to_come_back():
    limiter = ConcurrencyLimiter(2)
    with limiter.acquire(), limiter.acquire():
        with pytest.raises(ApiError, match="2 requests are being .* try again in 1 s") as caught:
            with limiter.acquire():
                pass
        assert caught.value.status_code == 429
        assert caught.value.headers == {"retry-after": "1"}
        assert limiter.active == 2
    assert limiter.active == 0


def test_a_request_that_fails_is_active_no_more():
    limiter = ConcurrencyLimiter(1)
    for _ in range(3):
        with pytest.raises(KeyError), limiter.acquire():
            raise KeyError
    assert limiter.active == 0
