"""Fonts are taken from packages, checked by their hash, and refused by name."""

from importlib.metadata import PackageNotFoundError

import pytest

from labels.scenes.wide import typefaces
from labels.scenes.wide.typefaces import FAMILIES, HELD_OUT, KNOWN, FontFile, find_file, open_font


def test_twelve_families_are_known_and_two_held_out():
    assert len(KNOWN) >= 12
    assert len(HELD_OUT) >= 2
    assert {*KNOWN, *HELD_OUT} == set(FAMILIES)
    assert not set(KNOWN) & set(HELD_OUT)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_writes_all_letters_and_digits(family):
    font = open_font(family)
    missing = font.getmask("\uffff").getbbox(), bytes(font.getmask("\uffff"))
    for letter in "abcdefghijklmnopqrstuvwxyz0123456789":
        mask = font.getmask(letter)
        assert mask.getbbox()
        assert (mask.getbbox(), bytes(mask)) != missing


def test_a_missing_package_is_named_with_what_to_install(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(typefaces, "distribution", absent)
    with pytest.raises(ValueError, match=r"font-lato is missing; .*pip install -e '.\[scenes\]'"):
        find_file.__wrapped__("lato")


def test_another_file_is_refused(monkeypatch):
    other = FontFile("matplotlib", FAMILIES["stix"].path, "0" * 16)
    monkeypatch.setitem(FAMILIES, "stix", other)
    with pytest.raises(ValueError, match="STIXGeneral.ttf is not the one of the wide draw"):
        find_file.__wrapped__("stix")
