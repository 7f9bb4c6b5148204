import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m3_backbone.inference.listening import Following, Listener


class Letters:
    """Token n says letter number n; 9 is the second half of the letter that 8 begins."""

    def decode(self, ids, skip_special_tokens):
        text = "".join("abcde \n-[]"[one] for one in ids)
        return text.replace("[]", "\u00e9").replace("[", "\ufffd").replace("]", "\ufffd")


class Ears:
    """Notes what is heard at each step."""

    gone = False

    def __init__(self):
        self.heard = []

    def hear(self, text):
        self.heard.append(text)


def follow(text, stops):
    """Follow a text token by token; what was heard, and what is left of it."""
    ears = Ears()
    following = Following(Letters(), stops, ears)
    ids = ["abcde \n-[]".index(letter) for letter in text]
    for count in range(1, len(ids) + 1):
        if following.follow(ids[:count]):
            break
    return ears.heard, following, count


def test_a_stop_is_never_heard_even_if_it_comes_in_parts():
    heard, following, count = follow("ab cde", ["cd"])
    assert (following.stopped, following.text, count) == (True, "ab", 5)
    assert heard == ["a", "ab", "ab", "ab", "ab"]


def test_what_only_looked_like_a_stop_is_heard_later():
    heard, following, _ = follow("abacbe", ["bc"])
    assert heard == ["a", "a", "aba", "abac", "abac", "abacbe"]
    assert not following.stopped


def test_the_first_of_several_stops_cuts():
    _, following, _ = follow("a-bcd", ["bcd", "d", "-bcde"])
    assert following.text == "a-"


def test_half_a_letter_and_space_at_the_end_wait():
    heard, _, _ = follow("a []b", [])
    assert heard == ["a", "a", "a", "a \u00e9", "a \u00e9b"]
    assert follow("\n\n", ["\n\n"])[1].text == ""


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.text("abc \n[]", min_size=1, max_size=12),
    st.lists(st.text("abc \n", min_size=1, max_size=3), max_size=3),
)
def test_what_is_heard_begins_the_text_and_never_holds_a_stop(text, stops):
    heard, following, count = follow(text, stops)
    whole = Letters().decode(["abcde \n-[]".index(one) for one in text], True)
    places = [whole.find(stop) for stop in stops if stop in whole]
    expected = whole[: min(places)].strip() if places and following.stopped else following.text
    assert following.text == expected
    assert following.stopped == bool(places)
    for earlier, later in zip(heard, [*heard[1:], following.text], strict=True):
        assert later.startswith(earlier)


def test_without_a_stop_or_a_listener_nothing_is_read():
    following = Following(None)
    assert not following.follow([1, 2])


async def answer(listener, texts, end):
    for text in texts:
        await asyncio.to_thread(listener.hear, text)
    if isinstance(end, Exception):
        raise end
    return SimpleNamespace(text=end)


def listen(texts, end):
    async def collect():
        listener = Listener()
        return [piece async for piece in listener.listen(answer(listener, texts, end))]

    return asyncio.run(collect())


def test_pieces_make_the_text_and_the_answer_comes_last():
    *pieces, last = listen(["re", "re", "red", "red c"], "red cat")
    assert pieces == ["re", "d", " c", "at"]
    assert last.text == "red cat"
    assert [*listen([], "")][0].text == ""


def test_what_ends_an_answer_is_raised():
    with pytest.raises(ValueError, match="no room"):
        listen(["a"], ValueError("no room"))


def test_who_stops_listening_is_gone():
    async def leave():
        listener = Listener()
        begun, ended = asyncio.Event(), asyncio.Event()

        async def work():
            begun.set()
            listener.hear("red")
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

        pieces = listener.listen(work())
        assert await anext(pieces) == "red"
        assert not listener.gone
        await pieces.aclose()
        await asyncio.wait_for(ended.wait(), 5)
        assert listener.gone
        return listener

    listener = asyncio.run(leave())
    listener.hear("red cat")  # its loop is closed
    listener.gone = False
    listener.hear("red cat")
