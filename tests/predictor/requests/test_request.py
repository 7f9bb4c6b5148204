from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m3_backbone.inference.sampling import Sampling
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from predictor.requests.turns import Turn

PIXELS = np.full((20, 30, 3), 128, np.uint8)
KNOB = Knob(budget=72)
SHOWN, ASKED = Turn("user", "what?", (PIXELS,)), Turn("user", "and there?", (PIXELS, PIXELS))
SAID, TOLD, UNSEEN = Turn("assistant", "red"), Turn("system", "be brief"), Turn("user", "why?")


def test_one_question_about_one_image_or_several():
    one = Request.about(PIXELS, "what?", KNOB)
    assert (one.question, len(one.pictures), one.system) == ("what?", 1, None)
    assert one.sampling == Sampling()
    assert len(Request.about([PIXELS, PIXELS], "what?", KNOB, Sampling(3)).pictures) == 2


def test_a_conversation_keeps_its_images_in_order():
    chat = Request([TOLD, SHOWN, SAID, ASKED], KNOB)
    assert chat.system == "be brief"
    assert chat.question == "and there?"
    assert chat.pictures == [*SHOWN.pictures, *ASKED.pictures]
    assert isinstance(chat.turns, tuple)


@pytest.mark.parametrize(
    "turns",
    [(), (TOLD,), (SAID, SHOWN), (SHOWN, SAID), (SHOWN, UNSEEN), (SHOWN, SAID, TOLD, UNSEEN)],
    ids=lambda turns: "-".join(turn.role for turn in turns),
)
def test_turns_in_another_order_are_refused(turns):
    got = ", ".join(turn.role for turn in turns) or "no turn"
    with pytest.raises(ValueError, match=f"^a conversation is maybe a system turn, .* got {got}$"):
        Request(turns, KNOB)


def test_without_an_image_there_is_nothing_to_choose():
    with pytest.raises(ValueError, match="a request needs at least one image"):
        Request((UNSEEN,), KNOB)
    with pytest.raises(ValueError, match="a request needs at least one image"):
        Request.about([], "what?", KNOB)


def test_parts_of_another_type_are_refused():
    with pytest.raises(ValueError, match="turns must be a list of Turn, got 'what"):
        Request("what?", KNOB)
    with pytest.raises(ValueError, match=r"turns must be a list of Turn, got Turn\(role='user'"):
        Request(SHOWN, KNOB)
    with pytest.raises(ValueError, match="turns must be a list of Turn, got None at place 1"):
        Request([SHOWN, None], KNOB)
    with pytest.raises(ValueError, match="knob must be a Knob, got 72"):
        Request((SHOWN,), 72)
    with pytest.raises(ValueError, match="sampling must be a Sampling, got None"):
        Request((SHOWN,), KNOB, None)
    with pytest.raises(ValueError, match="sampling must be a Sampling, got 0"):
        Request.about(PIXELS, "what?", KNOB, 0)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.sampled_from([10**400, Turn, PIXELS, "tokens", "0.1,0.1", KNOB]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.sampled_from([Turn, Knob, Sampling, Request]),
    st.integers(0, 5),
    ANYTHING,
    st.booleans(),
)
def test_whatever_is_given_is_taken_or_refused_in_one_line(kind, place, value, listed):
    given = [value] if listed else value
    names = [one.name for one in fields(kind) if one.init]
    start = {Turn: {"role": "user", "text": "what?"}, Request: {"turns": (SHOWN,), "knob": KNOB}}
    arguments = {**start.get(kind, {}), names[place % len(names)]: given}
    try:
        kind(**arguments)
    except (ValueError, FileNotFoundError) as error:
        assert str(error)
        assert "\n" not in str(error)
