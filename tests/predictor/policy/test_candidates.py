"""The list of lambdas that certificates choose from, and the proof of where it comes from."""

from dataclasses import replace

import numpy as np
import pytest

from m3_backbone.schemas import parse_saved
from m3_backbone.serialization import sha256, to_json
from predictor.policy.candidates import (
    Candidates,
    SavedCandidates,
    check_candidates,
    list_candidates,
)
from predictor.policy.claims import ALL
from tests.predictor.policy.test_certificates import make_table


@pytest.fixture(scope="module")
def train():
    data, seen = make_table(100, seed=3)
    return replace(data, image_ids=np.char.add("t", data.image_ids.astype(str))), seen


def test_candidates_rise_from_zero_and_know_the_largest_image(train):
    data, seen = train
    actual = list_candidates(seen, data, 20)
    assert actual.lambdas[0] == 0 and 2 < len(actual.lambdas) <= 20
    assert (np.diff(actual.lambdas) > 0).all()
    assert (actual.split, actual.most) == (data.fingerprint(), {ALL: 4, "g": 4})


def test_the_fingerprint_names_the_whole_list():
    one = Candidates((0.0, 1.0), "abc", {ALL: 1})
    others = (
        replace(one, lambdas=(0.0, 2.0)),
        replace(one, split="abd"),
        replace(one, most={ALL: 2}),
    )
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert one.fingerprint == Candidates((0.0, 1.0), "abc", {ALL: 1}).fingerprint


def reopen(record):
    return Candidates.from_saved(parse_saved(SavedCandidates, record, "candidates", "train again"))


@pytest.mark.parametrize(
    "most", [{ALL: 4, "g": 4}, {ALL: 4, "": 4}, {ALL: 4, "": 1, "g": 3}, {ALL: 9, "": 1, "None": 8}]
)
def test_saved_candidates_keep_every_family(most):
    candidates = Candidates((0.0, 1.0), "abc", most)
    assert reopen(candidates.to_dict()) == candidates


@pytest.mark.parametrize("families", [{"g": 4}, {}])
def test_candidates_of_older_routers_open_and_keep_their_name(families):
    """They have all families together under "", as they had the one without a name."""
    older = {"lambdas": [0.0, 1.0], "split": "abc", "most": {"": 4, **families}}
    assert reopen(older).most == {ALL: 4, **(families or {"": 4})}
    assert reopen(older).fingerprint == sha256(to_json(older))[:16]


@pytest.mark.parametrize(
    "wrong", [{"lambdas": (1.0, 0.5)}, {"lambdas": (0.0, 0.0)}, {"most": {"g": 1}}]
)
def test_lists_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="candidates must rise and know the largest image"):
        Candidates(**{"lambdas": (0.0, 1.0), "split": "", "most": {ALL: 1}, **wrong})


def test_candidates_of_the_training_split_are_proven(train):
    data, seen = train
    calibration, _ = make_table(50, seed=4)
    actual = list_candidates(seen, data)
    check_candidates(actual, seen, data, calibration)
    moved = replace(actual, lambdas=tuple(lam * 1.01 for lam in actual.lambdas))
    for lie in (moved, replace(actual, most={ALL: 4})):
        with pytest.raises(ValueError, match="not those of the training outcomes"):
            check_candidates(lie, seen, data, calibration)
    with pytest.raises(ValueError, match="give the folder that the router learnt from"):
        check_candidates(replace(actual, split="abc"), seen, data, calibration)
    with pytest.raises(ValueError, match=r"shares 100 images .* certificates prove nothing"):
        check_candidates(actual, seen, data, data)
