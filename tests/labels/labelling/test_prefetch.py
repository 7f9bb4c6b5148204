import threading

import pytest

from labels.labelling.prefetch import Lookahead


def test_expected_images_are_made_ready_in_a_thread():
    made, done = [], threading.Event()

    def make_ready(image_id, sample_id):
        made.append((image_id, sample_id, threading.current_thread().name))
        if image_id == "b":
            done.set()
        return image_id.upper()

    with Lookahead(make_ready, workers=1) as ahead:
        ahead.expect({"a": "q0", "b": "q1"})
        assert done.wait(10)  # before anybody takes one
        assert [ahead.take("a", "q9"), ahead.take("b", "q9")] == ["A", "B"]
        assert [made[0][:2], made[1][:2]] == [("a", "q0"), ("b", "q1")]
        assert all(name.startswith("images") for _, _, name in made)
        # Handed out once; again, it is made again, here.
        assert ahead.take("a", "q2") == "A"
        assert made[-1] == ("a", "q2", threading.current_thread().name)


def test_what_is_not_wanted_any_more_is_dropped():
    begun, go, made = threading.Event(), threading.Event(), []

    def make_ready(image_id, sample_id):
        begun.set()
        go.wait(10)
        made.append(image_id)

    with Lookahead(make_ready, workers=1) as ahead:
        ahead.expect({"a": "q", "b": "q", "c": "q"})
        assert begun.wait(10)
        ahead.expect({"a": "q", "c": "q"})
        go.set()
        ahead.take("a", "q")
        ahead.take("c", "q")
    assert made == ["a", "c"]


def test_an_error_comes_when_its_image_is_taken():
    def make_ready(image_id, sample_id):
        if image_id == "broken":
            raise ValueError(f"image of sample {sample_id!r}: cut short")
        return image_id

    with Lookahead(make_ready) as ahead:
        ahead.expect({"broken": "q7", "fine": "q8"})
        assert ahead.take("fine", "q8") == "fine"
        with pytest.raises(ValueError, match="image of sample 'q7': cut short"):
            ahead.take("broken", "q7")
