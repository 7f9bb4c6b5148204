"""Places: as many as there are, free again whatever happens."""

import pytest

from scripts.serving.places import Places
from scripts.serving.refusals import Refusal


def test_who_comes_when_all_are_taken_is_told_when_to_come_back():
    places = Places(2)
    with places.take(), places.take():
        with pytest.raises(Refusal, match="all 2 places are taken; try again in 1 s") as caught:
            with places.take():
                pass
        assert caught.value.status_code == 429
        assert caught.value.headers == {"retry-after": "1"}
        assert places.taken == 2
    assert places.taken == 0


def test_a_place_is_free_after_an_error():
    places = Places(1)
    for _ in range(3):
        with pytest.raises(KeyError), places.take():
            raise KeyError
    assert places.taken == 0
