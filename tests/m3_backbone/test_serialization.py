import numpy as np
import pytest

from m3_backbone.serialization import json_ready, parse_json, short_hash, to_json


def test_json_ready_makes_strict_json():
    value = {1: np.float32(0.5), "a": [np.int64(3), float("nan")], "b": (float("inf"), None, "x")}
    assert json_ready(value) == {"1": 0.5, "a": [3, None], "b": [None, None, "x"]}


def test_json_ready_makes_text_of_the_names_of_files():
    assert json_ready({"q\udcff": ["a\udcff", "\u00e9"]}) == {"q\\udcff": ["a?", "\u00e9"]}


def test_json_ready_keeps_keys_apart_that_differ_in_bytes_alone():
    names = [b"a\xff".decode(errors="surrogateescape"), b"a\xfe".decode(errors="surrogateescape")]
    assert len(json_ready(dict.fromkeys(names))) == 2


def test_json_ready_rounds_to_digits():
    value = {1: np.float64(1 / 3), "b": np.array([1, 2]), "c": (np.nan, np.int64(4), None, "d")}
    assert json_ready(value, digits=7) == {"1": 0.3333333, "b": [1, 2], "c": [None, 4, None, "d"]}


def test_equal_values_give_equal_bytes():
    assert to_json({"b": 1, "a": [2]}) == to_json({"a": [2], "b": 1})
    assert len(short_hash("a")) == 16


@pytest.mark.parametrize("text", ["{", "[" * 100000 + "]" * 100000, "", b"\xff\xfe"])
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError, match="JSON|Expecting|decode"):
        parse_json(text)


def test_a_key_that_says_two_things_is_refused():
    assert parse_json('{"a": 1, "b": {"a": 2}, "a": 1}') == {"a": 1, "b": {"a": 2}}
    with pytest.raises(ValueError, match="an object has the key 'a' twice: 'x' and 'y'"):
        parse_json('[{"b": {"a": "x", "c": 1, "a": "y"}}]')
