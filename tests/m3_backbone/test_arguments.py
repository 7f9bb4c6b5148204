import math
from fractions import Fraction

import numpy as np
import pytest

from m3_backbone.arguments import check_kind, check_list, check_number, check_share, check_whole

WHOLE = (3, np.int64(3), np.uint8(3))
BROKEN = (0.5, np.float32(0.5), np.float16(0.5), Fraction(1, 2))
NEVER = (None, True, np.True_, "3", [3], {}, b"3", 3j, np.array([1, 2]), np.array(3), int)
ENDLESS = (math.nan, math.inf, -math.inf, np.float32("nan"), Fraction(10**400))


@pytest.mark.parametrize("value", WHOLE, ids=repr)
def test_whole_numbers_of_all_kinds_become_int(value):
    for checked in (check_whole("n", value, 1, 3), check_number("x", value, 0)):
        assert type(checked) is int
        assert checked == 3


@pytest.mark.parametrize("value", BROKEN, ids=repr)
def test_numbers_of_all_kinds_become_float(value):
    for checked in (check_number("x", value, 0, 0.5), check_share("x", value)):
        assert type(checked) is float
        assert checked == 0.5


@pytest.mark.parametrize("value", (*NEVER, *ENDLESS), ids=repr)
def test_what_is_no_number_is_none_anywhere(value):
    with pytest.raises(ValueError, match=r"^x must be a finite number, got [^\n]+$"):
        check_number("x", value)
    with pytest.raises(ValueError, match=r"^x must lie strictly between 0 and 1, got [^\n]+$"):
        check_share("x", value)
    with pytest.raises(ValueError, match=r"^n must be a whole number, got [^\n]+$"):
        check_whole("n", value)


def test_a_whole_number_may_be_larger_than_any_float():
    assert check_whole("n", 10**400) == 10**400
    with pytest.raises(ValueError, match="^x must be a finite number, got "):
        check_number("x", 10**400)


def test_a_refusal_names_the_bounds():
    with pytest.raises(ValueError, match="^n must be a whole number of at least 1, got 0$"):
        check_whole("n", 0, 1)
    with pytest.raises(ValueError, match="^n must be a whole number from 1 to 3, got 4$"):
        check_whole("n", 4, 1, 3)
    with pytest.raises(ValueError, match=r"^n must be a whole number, got 2\.0$"):
        check_whole("n", 2.0)
    with pytest.raises(ValueError, match=r"^x must be a number from 1e-09 to 1, got 0$"):
        check_number("x", 0, 1e-9, 1)
    for value in (0, 1, np.float32(1)):
        with pytest.raises(ValueError, match="^x must lie strictly between 0 and 1"):
            check_share("x", value)


@pytest.mark.parametrize("value", [[1, 2], (1, 2), range(1, 3), iter([1, 2])])
def test_a_list_may_be_anything_that_gives_one_after_the_other(value):
    assert check_list("counts", value, int) == [1, 2]


@pytest.mark.parametrize("value", [None, 5, "12", b"12", {1: 2}, int, np.array(1)], ids=repr)
def test_what_is_no_list_is_refused(value):
    with pytest.raises(ValueError, match="^counts must be a list of int, got "):
        check_list("counts", value, int)
    with pytest.raises(ValueError, match="^things must be a list, got "):
        check_list("things", value)


def test_one_of_another_kind_is_refused_with_its_place():
    with pytest.raises(ValueError, match="^counts must be a list of int, got None at place 1$"):
        check_list("counts", [1, None], int)
    assert check_kind("text", "a", str) == "a"
    with pytest.raises(ValueError, match="^text must be a str, got None$"):
        check_kind("text", None, str)
