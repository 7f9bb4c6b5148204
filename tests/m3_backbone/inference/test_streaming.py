import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m3_backbone.inference.streaming import AnswerStream, Detokenizer


class Letters:
    """Token n says letter number n; 9 is the second half of the letter that 8 begins."""

    def decode(self, ids, skip_special_tokens):
        text = "".join("abcde \n-[]"[one] for one in ids)
        return text.replace("[]", "\u00e9").replace("[", "\ufffd").replace("]", "\ufffd")


class RecordingStream:
    """Notes what is pushed at each step."""

    closed = False

    def __init__(self):
        self.pushed = []

    def push(self, text):
        self.pushed.append(text)


def detokenize(text, stops):
    """Detokenize token by token; give what was pushed, the detokenizer and the tokens read."""
    stream = RecordingStream()
    detokenizer = Detokenizer(Letters(), stops, stream)
    ids = ["abcde \n-[]".index(letter) for letter in text]
    for count in range(1, len(ids) + 1):
        if detokenizer.update(ids[:count]):
            break
    return stream.pushed, detokenizer, count


def test_a_stop_is_never_streamed_even_if_it_comes_in_parts():
    pushed, detokenizer, count = detokenize("ab cde", ["cd"])
    assert (detokenizer.stopped, detokenizer.text, count) == (True, "ab", 5)
    assert pushed == ["a", "ab", "ab", "ab", "ab"]


def test_what_only_looked_like_a_stop_is_streamed_later():
    pushed, detokenizer, _ = detokenize("abacbe", ["bc"])
    assert pushed == ["a", "a", "aba", "abac", "abac", "abacbe"]
    assert not detokenizer.stopped


def test_the_first_of_several_stops_cuts():
    _, detokenizer, _ = detokenize("a-bcd", ["bcd", "d", "-bcde"])
    assert detokenizer.text == "a-"


def test_a_space_in_front_of_an_answer_is_no_stop():
    assert detokenize(" ab cd", [" "])[1].text == "ab"


def test_half_a_letter_and_space_at_the_end_wait():
    pushed, _, _ = detokenize("a []b", [])
    assert pushed == ["a", "a", "a", "a \u00e9", "a \u00e9b"]
    assert detokenize("\n\n", ["\n\n"])[1].text == ""


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.text("abc \n[]", min_size=1, max_size=12),
    st.lists(st.text("abc \n", min_size=1, max_size=3), max_size=3),
)
def test_what_is_streamed_begins_the_text_and_never_holds_a_stop(text, stops):
    pushed, detokenizer, count = detokenize(text, stops)
    whole = Letters().decode(["abcde \n-[]".index(one) for one in text], True).lstrip(" ")
    places = [whole.find(stop) for stop in stops if stop in whole]
    expected = whole[: min(places)].strip() if places and detokenizer.stopped else detokenizer.text
    assert detokenizer.text == expected
    assert detokenizer.stopped == bool(places)
    for earlier, later in zip(pushed, [*pushed[1:], detokenizer.text], strict=True):
        assert later.startswith(earlier)


def test_without_a_stop_or_a_stream_nothing_is_decoded():
    detokenizer = Detokenizer(None)
    assert not detokenizer.update([1, 2])


async def answer(stream, texts, end):
    for text in texts:
        await asyncio.to_thread(stream.push, text)
    if isinstance(end, Exception):
        raise end
    return SimpleNamespace(text=end)


def read(texts, end):
    async def collect():
        stream = AnswerStream()
        return [piece async for piece in stream.iterate(answer(stream, texts, end))]

    return asyncio.run(collect())


def test_pieces_make_the_text_and_the_answer_comes_last():
    *pieces, last = read(["re", "re", "red", "red c"], "red cat")
    assert pieces == ["re", "d", " c", "at"]
    assert last.text == "red cat"
    assert [*read([], "")][0].text == ""


def test_of_a_whole_answer_nothing_is_passed_on_before_its_end():
    async def collect():
        stream = AnswerStream(in_pieces=False)
        assert not stream.begun
        task = asyncio.create_task(answer(stream, ["re", "red"], "red cat"))
        got = [piece async for piece in stream.iterate(task)]
        return stream.begun, got

    begun, [text, last] = asyncio.run(collect())
    # Not begun: another server may take over.
    assert not begun
    assert text == last.text == "red cat"


def test_what_ends_an_answer_is_raised():
    with pytest.raises(ValueError, match="no room"):
        read(["a"], ValueError("no room"))


def test_an_iterator_that_is_closed_closes_the_stream_and_cancels_the_answer():
    async def leave():
        stream = AnswerStream()
        begun, ended = asyncio.Event(), asyncio.Event()

        async def work():
            begun.set()
            stream.push("red")
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

        pieces = stream.iterate(work())
        assert await anext(pieces) == "red"
        assert not stream.closed
        await pieces.aclose()
        await asyncio.wait_for(ended.wait(), 5)
        assert stream.closed
        return stream

    stream = asyncio.run(leave())
    stream.push("red cat")  # its loop is closed
    stream.closed = False
    stream.push("red cat")
