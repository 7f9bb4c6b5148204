import dataclasses
import hashlib
import json
import zipfile

import numpy as np
import pytest

from m3_backbone.serialization import sha256, to_json
from predictor.bundle.bundle import RouterBundle
from predictor.data import TrainData
from predictor.features.feature_map import FeatureSettings
from predictor.policy.candidates import check_candidates
from predictor.policy.certificates import check_certificate
from predictor.policy.claims import Claim
from predictor.routers.boosted import BoostedSettings
from predictor.routers.registry import ROUTERS
from predictor.training.train import TrainSettings, train_bundle

SCALES = (1, 9, 36)
FILES = ["calibration.npz", "features.npz", "policy.json", "trees.npz"]


def make_split(seed, n_images=60):
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(n_images), 4)
    coarse = rng.normal(size=(n_images, 10, 16))[image]
    question = rng.normal(size=(len(image), 16))
    return TrainData(
        sample_ids=np.array([f"{seed}-{row}" for row in range(len(image))]),
        image_ids=np.array([f"{seed}-{number}" for number in image]),
        groups=np.full(len(image), "g"),
        coarse=coarse,
        question=question,
        scores=(coarse[:, 0, :1] + question[:, :1] > np.array([1.0, 0.0, -1.0])).astype(float),
        tokens=np.tile(np.array(SCALES, np.float64), (len(image), 1)),
        scales=SCALES,
    )


def train(kind="boosted", calibration="platt"):
    boosted = BoostedSettings(trees=8, shared_trees=8, min_rows=10, threads=1)
    features = FeatureSettings(product_question=4)
    settings = TrainSettings(kind, calibration=calibration, features=features, boosted=boosted)
    return train_bundle(make_split(0), make_split(1), settings, {"checkpoint": "abc", "n": {1: 2}})


@pytest.fixture(scope="module")
def bundle():
    return train()


@pytest.fixture
def folder(bundle, tmp_path):
    return bundle.save(tmp_path / "router")


@pytest.mark.parametrize("kind", sorted(ROUTERS))
@pytest.mark.parametrize("calibration", ["platt", "isotonic"])
def test_a_loaded_router_is_the_saved_one(tmp_path, kind, calibration):
    saved = train(kind, calibration)
    loaded = RouterBundle.load(saved.save(tmp_path / "router"))
    test = make_split(2)
    probabilities = loaded.predict_proba(test.coarse, test.question)
    assert np.array_equal(probabilities, saved.predict_proba(test.coarse, test.question))
    assert loaded.scales == SCALES
    assert loaded.policy == saved.policy
    assert loaded.meta["checkpoint"] == "abc"
    assert loaded.to_files() == saved.to_files()


def test_size_is_that_of_the_folder_and_below_5_megabytes(bundle, folder):
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert bundle.size_bytes() == size < 5_000_000


def test_nothing_in_the_folder_is_a_pickle(folder):
    assert {path.suffix for path in folder.iterdir()} == {".json", ".npz", ".md"}
    for path in folder.glob("*.npz"):
        with np.load(path, allow_pickle=False) as archive:
            assert all(archive[name].dtype.kind in "bfiu" for name in archive.files)


def test_saving_replaces_an_older_router_and_keeps_what_is_a_users(bundle, folder):
    (folder / "notes.txt").write_text("mine")
    (folder / "README.md").write_text("my words")
    bundle.save(folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "README.md").read_text() == "my words"
    assert [path.name for path in folder.parent.iterdir()] == ["router"]
    assert RouterBundle.load(folder).scales == SCALES


def test_a_card_that_nobody_edited_and_files_that_are_gone_are_replaced(bundle, folder):
    first = (folder / "README.md").read_text()
    other = dataclasses.replace(bundle, meta={**bundle.meta, "checkpoint": "another"})
    other.save(folder)
    assert (folder / "README.md").read_text() != first
    assert not list(folder.glob("*.tmp"))


def test_a_checkpoint_is_no_router(bundle, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llava"}')
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(ValueError, match="exists and is not a saved router; choose another"):
        bundle.save(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == b"weights"


def test_saving_takes_an_empty_folder(bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    assert RouterBundle.load(bundle.save(tmp_path / "empty")).scales == SCALES


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_saving_never_replaces_what_is_no_router(bundle, tmp_path, kind):
    target = tmp_path / "precious"
    if kind == "folder":
        target.mkdir()
        (target / "thesis.tex").write_text("years of work")
    else:
        target.write_text("years of work")
    with pytest.raises(ValueError, match="is not a saved router; choose another folder"):
        bundle.save(target)
    assert target.exists()


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named_before_any_parser_sees_it(folder, monkeypatch, name):
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("parsed too early"))
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))
    with pytest.raises(ValueError, match=f"{name} was changed or damaged") as caught:
        RouterBundle.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=f"{name} was changed or damaged"):
        RouterBundle.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing; train the router again"):
        RouterBundle.load(folder)


def test_a_missing_folder_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="no router in .*run `m3scale train`"):
        RouterBundle.load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null"])
def test_a_broken_configuration_is_refused(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(ValueError, match="is not the configuration of a saved router"):
        RouterBundle.load(folder)


def test_the_card_is_for_people_and_may_be_changed(folder):
    assert "- kind: boosted" in (folder / "README.md").read_text(encoding="utf-8")
    (folder / "README.md").write_text("mine", encoding="utf-8")
    assert RouterBundle.load(folder).scales == SCALES


def test_a_configuration_changed_by_hand_is_refused(folder):
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"abc"', '"abd"'))
    with pytest.raises(ValueError, match="was changed by hand or damaged"):
        RouterBundle.load(folder)


def rewrite(folder, **changes):
    """Change the configuration and make its own hash right again."""
    config = json.loads((folder / "config.json").read_text())
    del config["config_sha256"]
    config.update(changes)
    text = json.dumps(config, indent=1, sort_keys=True) + "\n"
    config["config_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("name", ["format_version", "feature_version"])
def test_another_version_is_refused(folder, name):
    rewrite(folder, **{name: 999})
    with pytest.raises(
        ValueError, match="format and feature version .*999.*train the router again"
    ):
        RouterBundle.load(folder)


def test_an_unknown_kind_is_refused(folder):
    rewrite(folder, kind="neural")
    with pytest.raises(ValueError, match="router must be one of .*got 'neural'"):
        RouterBundle.load(folder)


def test_a_file_outside_the_folder_is_not_read(folder):
    outside = folder.parent / "outside.txt"
    outside.write_text("x")
    digest = hashlib.sha256(b"x").hexdigest()
    rewrite(folder, sha256={"../outside.txt": digest})
    with pytest.raises(ValueError, match="is missing"):
        RouterBundle.load(folder)


def test_a_part_that_is_not_listed_is_named(folder):
    config = json.loads((folder / "config.json").read_text())
    hashes = {name: digest for name, digest in config["sha256"].items() if name != "policy.json"}
    rewrite(folder, sha256=hashes)
    with pytest.raises(ValueError, match="lacks 'policy.json'; train it again"):
        RouterBundle.load(folder)


def test_a_budget_becomes_a_lambda(bundle):
    assert bundle.lambda_for_budget(576) == 0.0
    assert bundle.lambda_for_budget(1) >= bundle.lambda_for_budget(20) > 0
    with pytest.raises(ValueError, match="budget 0.5 is below"):
        bundle.lambda_for_budget(0.5)


def test_wrong_shapes_are_refused(bundle):
    with pytest.raises(ValueError, match=r"coarse must be \[n, 10, 16\]"):
        bundle.predict_proba(np.zeros((1, 10, 8)), np.zeros((1, 8)))


def test_a_failed_save_leaves_the_older_router_and_no_rubbish(bundle, folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(_):
        raise OSError("disk full")

    monkeypatch.setattr("m3_backbone.files.os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        bundle.save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["router"]


@pytest.fixture(scope="module")
def certified():
    """60 images: enough for a share of 0.1 at a chance of 0.1, and for 0.3."""
    boosted = BoostedSettings(trees=8, shared_trees=8, min_rows=10, threads=1)
    features = FeatureSettings(product_question=4)
    claims = (Claim("regression", 0.1, 0.1), Claim("net", 0.3, 0.1, "image"))
    settings = TrainSettings("boosted", certify=claims, features=features, boosted=boosted)
    return train_bundle(make_split(0), make_split(1), settings)


def test_certificates_are_saved_and_can_be_proven_again(certified, tmp_path):
    loaded = RouterBundle.load(certified.save(tmp_path / "router"))
    assert loaded.certificates == certified.certificates
    assert loaded.candidates == certified.candidates
    assert loaded.candidates.split == loaded.meta["train"]["fingerprint"]
    loose, strict = Claim("net", 0.3, 0.1, "image"), Claim("regression", 0.1, 0.1)
    assert loaded.certificate(loose).lam >= loaded.certificate(strict).lam
    calibration = make_split(1)
    raw = loaded.predict_raw(calibration.coarse, calibration.question)
    for certificate in loaded.certificates:
        assert certificate.split == loaded.meta["calibration"]["fingerprint"]
        check_certificate(certificate, loaded.candidates, raw, calibration)
    train = make_split(0)
    own = loaded.predict_raw(train.coarse, train.question)
    check_candidates(loaded.candidates, own, train, calibration)


def test_raw_probabilities_become_calibrated_ones(certified):
    test = make_split(2)
    raw = certified.predict_raw(test.coarse, test.question)
    probabilities = certified.predict_proba(test.coarse, test.question)
    assert np.array_equal(certified.calibrator.transform(raw), probabilities)


def test_the_gate_is_saved(certified, tmp_path):
    test, loaded = make_split(2), RouterBundle.load(certified.save(tmp_path / "router"))
    shares = loaded.gate.share_beyond(test.coarse, test.question)
    assert np.array_equal(shares, certified.gate.share_beyond(test.coarse, test.question))


def test_scales_of_the_same_tokens_have_prices_that_are_saved(tmp_path):
    splits = []
    for seed in range(2):
        tokens = np.tile([1.0, 36.0, 36.0], (240, 1))
        costs = {"ms": 2.0 + tokens + [0.0, 0.0, 1.0]}
        splits.append(dataclasses.replace(make_split(seed), tokens=tokens, costs=costs))
    trained = train_bundle(*splits, TrainSettings("constant"))
    loaded = RouterBundle.load(trained.save(tmp_path / "router"))
    assert loaded.price(20.0, "ms").prices.costs == pytest.approx((3.0, 38.5))


def test_a_level_without_certificate_is_refused(bundle, certified):
    known = "certified for regression:0.1,0.1 and net:0.3,0.1,image, not for net:0.2,0.1; run"
    other = Claim("net", 0.2, 0.1)
    with pytest.raises(ValueError, match=known):
        certified.certificate(other)
    with pytest.raises(ValueError, match="certified for nothing"):
        bundle.certificate(other)
    with pytest.raises(ValueError, match="train the router again: `m3scale train --certify net:0"):
        dataclasses.replace(certified, candidates=None).certificate(other)


def test_certificates_about_other_candidates_are_refused(certified, tmp_path):
    [first, *_] = certified.certificates
    mixed = dataclasses.replace(
        certified, certificates=(dataclasses.replace(first, candidates="other"),)
    )
    with pytest.raises(ValueError, match="is about other candidates; train the router again"):
        RouterBundle.load(mixed.save(tmp_path / "router"))


@pytest.mark.parametrize("field", ["sha256", "kind", "scales", "meta", "feature_version"])
@pytest.mark.parametrize("value", [None, "x", 3, [], 1.5, [[1]], [9, 1], [True]])
def test_a_configuration_that_was_signed_anew_is_refused_in_one_line(folder, field, value):
    config = json.loads((folder / "config.json").read_bytes())
    del config["config_sha256"]
    config[field] = value
    config["config_sha256"] = sha256(to_json(config))
    (folder / "config.json").write_bytes(to_json(config))
    with pytest.raises(ValueError, match="router"):
        RouterBundle.load(folder)
