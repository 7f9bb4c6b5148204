import math
import subprocess
import sys

import numpy as np
import pytest

from m3_backbone.inference.sampling import Sampling


def test_by_default_an_answer_is_short_and_greedy():
    plain = Sampling()
    assert (plain.max_new_tokens, plain.temperature, plain.stop) == (16, 0.0, ())
    assert plain.is_plain
    assert Sampling(max_new_tokens=3, seed=1, top_p=0.5).is_plain  # nothing is drawn
    for other in ({"temperature": 0.1}, {"stop": ("a",)}, {"top_logprobs": 0}):
        assert not Sampling(**other).is_plain


def test_stops_become_a_tuple():
    assert Sampling(stop="\n").stop == ("\n",)
    assert Sampling(stop=["a", "b"]).stop == ("a", "b")
    assert hash(Sampling(stop=["a"])) == hash(Sampling(stop=("a",)))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens must be a whole number of at least 1, got 0"),
        ({"max_new_tokens": True}, "max_new_tokens must be a whole number of at least 1, got True"),
        ({"max_new_tokens": 2.0}, "max_new_tokens must be a whole number of at least 1, got 2.0"),
        ({"temperature": -0.1}, "temperature must be a number from 0 to 2, got -0.1"),
        ({"temperature": math.nan}, "temperature must be a number from 0 to 2, got nan"),
        ({"temperature": math.inf}, "temperature must be a number from 0 to 2, got inf"),
        ({"temperature": "1"}, "temperature must be a number from 0 to 2, got '1'"),
        ({"top_p": 0}, "top_p must be a number from 1e-09 to 1, got 0"),
        ({"top_p": 1.5}, "top_p must be a number"),
        ({"seed": 2**63}, "seed must be a whole number from"),
        ({"seed": 1.0}, "seed must be a whole number from"),
        ({"top_logprobs": 21}, "top_logprobs must be a whole number from 0 to 20, got 21"),
        ({"stop": ("a",) * 5}, "stop must be at most 4 texts, got"),
        ({"stop": 5}, "stop must be at most 4 texts, got 5"),
        ({"stop": ("",)}, "each stop must be a text of 1 to 256 characters, got ''"),
        ({"stop": (None,)}, "each stop must be a text of 1 to 256 characters, got None"),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(wrong, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        Sampling(**wrong)


def test_numbers_of_numpy_are_as_good_and_become_plain_ones():
    given = Sampling(np.int64(3), np.float32(0.5), np.float16(0.5), np.uint8(7), (), np.int32(2))
    assert given == Sampling(3, 0.5, 0.5, 7, (), 2)
    values = (given.max_new_tokens, given.temperature, given.top_p, given.seed, given.top_logprobs)
    assert [type(one) for one in values] == [int, float, float, int, int]


def test_settings_are_checked_without_torch():
    code = "import sys, m3_backbone.inference.sampling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
