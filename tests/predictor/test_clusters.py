"""Rows with an image in common stay together, wherever rows are parted, drawn or counted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labels.questions import join_fingerprints
from predictor.clusters import name_clusters
from predictor.data import TrainData, split_by_image
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit, Splits
from predictor.features.blocks import FeatureSettings
from predictor.policy.candidates import Candidates, check_candidates
from predictor.policy.claims import ALL, Claim, Counting, count_most
from predictor.routing_metrics.headroom import measure_headroom
from predictor.training.cross_routing import cross_predict
from predictor.training.train import TrainSettings, fit_features, train_bundle

SCALES = (1, 9)


def make_split(members, name="q"):
    """A split of questions about these images, of which nothing else is of interest."""
    rng = np.random.default_rng(0)
    n = len(members)
    return TrainData(
        sample_ids=np.array([f"{name}{row}" for row in range(n)]),
        image_ids=np.array([join_fingerprints(row) for row in members]),
        groups=np.full(n, "g"),
        coarse=rng.normal(size=(n, 10, 4)).astype(np.float32),
        question=rng.normal(size=(n, 4)).astype(np.float32),
        scores=rng.integers(0, 2, (n, 2)).astype(np.float64),
        tokens=np.tile(np.array(SCALES, np.float64), (n, 1)),
        scales=SCALES,
        members=np.fromiter(members, object, n),
    )


def make_chains(count, length=3):
    """Questions about two images each, of which each shares one with the next of its chain."""
    return [(f"{c}-{k}", f"{c}-{k + 1}") for c in range(count) for k in range(length)]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=3), min_size=1))
def test_clusters_are_those_of_following_every_link(members):
    ids = np.array([join_fingerprints(row) for row in members])
    linked = np.array([[bool(set(one) & set(other)) for other in members] for one in members])
    for _ in members:  # what is linked to linked ones is linked
        linked = linked @ linked
    clusters = name_clusters(ids, members)
    np.testing.assert_array_equal(clusters[:, None] == clusters[None], linked)
    np.testing.assert_array_equal(clusters, [min(ids[row]) for row in linked])


def test_questions_about_one_image_are_clustered_by_it():
    ids = np.array(["b", "a", "b"])
    assert name_clusters(ids, None).tolist() == ["b", "a", "b"]
    assert name_clusters(ids, [("b",), ("a",), ("b",)]).tolist() == ["b", "a", "b"]
    plain = replace(make_split([("b",), ("a",), ("b",)]), members=None)
    assert plain.clusters.tolist() == ["b", "a", "b"]
    assert (plain.n_images, plain.all_images) == (2, {"a", "b"})


def test_a_part_of_a_split_is_clustered_by_itself():
    whole = make_split([("a", "b"), ("b", "c"), ("c", "d"), ("e",)])
    assert (whole.n_images, whole.take(np.array([0, 2, 3])).n_images) == (2, 3)
    assert whole.fingerprint() == replace(whole, members=None).fingerprint()
    with pytest.raises(ValueError, match="members must have shape"):
        replace(whole, members=whole.members[:2])


def test_splits_that_share_one_of_several_images_are_refused():
    train, other = make_split([("a", "b"), ("x",)]), make_split([("k",)], "k")
    for members in ([("c", "a")], [("a",)]):
        test = make_split(members, "t")
        for splits in ((train, other, test), (other, train, test)):
            with pytest.raises(
                ValueError, match=r"shares 1 images .* \(one is a\).* --drop-shared"
            ):
                Splits(*splits)
        with pytest.raises(ValueError, match=r"share 1 images \(one is a\).* --drop-shared"):
            train_bundle(train, test, TrainSettings())
        candidates = Candidates((0.1,), train.fingerprint(), {ALL: 1})
        with pytest.raises(ValueError, match="the training split shares 1 images"):
            check_candidates(candidates, np.zeros((2, 2)), train, test)
    # Where a set as a whole is all that is known, as in tables of older versions.
    older = replace(make_split([("a", "b")], "t"), members=None)
    with pytest.raises(ValueError, match="shares 1 images"):
        Splits(train, other, older)
    Splits(train, other, make_split([("c", "d")], "t"))


def test_the_share_held_back_for_calibration_has_images_of_its_own():
    data = make_split(make_chains(20))
    for seed in range(5):
        parts = [data.take(rows) for rows in split_by_image(data.clusters, 0.25, seed)]
        assert [part.n_images for part in parts] == [15, 5]
        assert not parts[0].all_images & parts[1].all_images
    bundle = train_bundle(data, settings=TrainSettings(kind="constant"))
    assert [bundle.meta[name]["images"] for name in ("train", "calibration")] == [15, 5]


def test_no_fold_asks_about_an_image_that_its_router_was_trained_on(monkeypatch):
    data = make_split(make_chains(20))
    trained = []

    def note(train, calibration=None, settings=None):
        trained.append(train)
        return train_bundle(train, calibration, settings)

    monkeypatch.setattr("predictor.training.cross_routing.train_bundle", note)
    cross_predict(data, TrainSettings(kind="constant"))
    assert [train.n_images for train in trained] == [16] * 5  # whole chains are left out


def test_features_are_learnt_in_folds_of_clusters():
    data = make_split(make_chains(20))
    settings = TrainSettings(features=FeatureSettings(folds=21))
    with pytest.raises(ValueError, match=r"at least 21 images, got 20 \(those that one question"):
        fit_features(data, settings)


def test_bootstraps_draw_clusters():
    data = make_split(make_chains(20))
    prepared = PreparedSplit.prepare(data, EvaluationSettings((2.0,), 2.0, n_resamples=10))
    assert prepared.resamples.weights.shape == (10, 20)
    assert np.bincount(prepared.resamples.image_of_row).tolist() == [3] * 20
    assert measure_headroom(data.scores, data.tokens, data.clusters)["images"] == 20


def test_a_certificate_counts_clusters():
    data = make_split(make_chains(20))
    assert count_most(data) == {ALL: 3, "g": 3}
    for unit in ("question", "image", "family"):
        counting = Counting.of(Claim("net", 0.1, 0.1, unit), data, count_most(data))
        assert counting.add_up(np.ones(60)) == pytest.approx(np.ones((1, 20)))
