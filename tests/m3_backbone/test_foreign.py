import os

import pytest

from m3_backbone.foreign import read_object, silent_stderr, third_party


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("[]", "must hold a JSON object, got list"),
        ("null", "must hold a JSON object, got NoneType"),
        ('{"a": [{"b": NaN}]}', r"a\.b must be a finite number, got nan"),
        ('{"a": -Infinity}', "a must be a finite number, got -inf"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "nested deeper than 32 levels"),
        ('{"a": ' + "[" * 9999 + "]" * 9999 + "}", "nested too deep"),
    ],
)
def test_what_is_no_object_of_settings_is_refused(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_object(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_object_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": {"b": [1, 2.5, null]}}')
    assert read_object(path) == {"a": {"b": [1, 2.5, None]}}


@pytest.mark.parametrize("error", [KeyError("rope_type"), ZeroDivisionError("by\nzero"), OSError()])
def test_what_a_library_raises_is_one_line_with_its_cause(error):
    with pytest.raises(ValueError, match=f"^it cannot be opened: {type(error).__name__}") as caught:
        with third_party("it cannot be opened"):
            raise error
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


def test_an_interruption_stays_what_it_is():
    with pytest.raises(KeyboardInterrupt), third_party("it"):
        raise KeyboardInterrupt


def test_a_long_cause_is_cut():
    with pytest.raises(ValueError, match=r"x\.\.\.$") as caught, third_party("it"):
        raise RuntimeError("x" * 9999)
    assert len(str(caught.value)) < 400


def test_what_is_printed_by_a_library_in_c_is_left_out(capfd):
    with silent_stderr():
        os.write(2, b"inside")
    os.write(2, b"outside")
    assert capfd.readouterr().err == "outside"
