"""Routers that somebody edited and signed anew: right numbers or one line, whatever was edited."""

import dataclasses
import io
import json
import shutil

import numpy as np
import pytest

from m3_backbone.serialization import sha256, to_json
from predictor.bundle.bundle import RouterBundle
from predictor.data import TrainData
from predictor.features.feature_map import FeatureSettings
from predictor.policy.claims import Claim
from predictor.routers.arrays import pack_arrays
from predictor.routers.boosted import BoostedSettings
from predictor.training.train import TrainSettings, train_bundle

SCALES = (1, 9, 36)
KINDS = ["boosted", "constant", "knn", "linear", "mlp"]
NASTY = [None, True, -1, 0, 2**70, 1e300, "x", "", "\ud800", [], [None], [[1.0]], {}, {"a": 1}]
NASTY_NUMBERS = [np.nan, np.inf, -np.inf, -1, 0, 1e300, 2**40]


def make_split(seed, n_images=40):
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(n_images), 3)
    coarse = rng.normal(size=(n_images, 10, 8))[image]
    question = rng.normal(size=(len(image), 8))
    tokens = np.tile(np.array(SCALES, np.float64), (len(image), 1))
    return TrainData(
        sample_ids=np.array([f"{seed}-{row}" for row in range(len(image))]),
        image_ids=np.array([f"{seed}-{number}" for number in image]),
        groups=np.full(len(image), "g"),
        coarse=coarse,
        question=question,
        scores=(coarse[:, 0, :1] + question[:, :1] > np.array([1.0, 0.0, -1.0])).astype(float),
        tokens=tokens,
        scales=SCALES,
        costs={"ms": 2.0 + tokens},
    )


@pytest.fixture(scope="module", params=KINDS)
def saved(request, tmp_path_factory):
    boosted = BoostedSettings(trees=4, shared_trees=4, min_rows=10)
    features = FeatureSettings(product_question=4)
    claims = (Claim("regression", 0.4, 0.3),)
    method = "isotonic" if request.param == "linear" else "platt"
    settings = TrainSettings(
        request.param, certify=claims, features=features, boosted=boosted, calibration=method
    )
    bundle = train_bundle(make_split(0), make_split(1), settings, {"checkpoint": "abc"})
    return bundle.save(tmp_path_factory.mktemp("saved") / "router")


def sign(folder, changes):
    """Put content into a router's folder and make every hash right again."""
    config = json.loads(changes.pop("config.json", (folder / "config.json").read_bytes()))
    config.pop("config_sha256", None)
    for name, content in changes.items():
        (folder / name).write_bytes(content)
        config["sha256"][name] = sha256(content)
    config["config_sha256"] = sha256(to_json(config))
    (folder / "config.json").write_bytes(to_json(config))


def list_places(value, place=()):
    """Give the place of every field, and of the first and last item of every list."""
    yield place
    if isinstance(value, dict):
        for key, item in value.items():
            yield from list_places(item, (*place, key))
    if isinstance(value, list) and value:
        for index in sorted({0, len(value) - 1}):
            yield from list_places(value[index], (*place, index))


def put(content, place, value):
    """Give JSON with another value at a place; `dict` is no value there at all."""
    whole = json.loads(content)
    if not place:
        return json.dumps(value).encode()
    holder = whole
    for step in place[:-1]:
        holder = holder[step]
    if value is dict:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return json.dumps(whole).encode()


def edit_json(folder):
    for path in sorted(folder.glob("*.json")):
        content = path.read_bytes()
        for place in list_places(json.loads(content)):
            if place[:1] in {("sha256",), ("config_sha256",)} or place[:2] == ("meta", "settings"):
                continue
            if path.name == "config.json" and not place:
                continue  # nothing to sign
            for value in [*NASTY, *([dict] if place else [])]:
                yield (path.name, place, value), put(content, place, value)


def edit_arrays(folder):
    for path in sorted(folder.glob("*.npz")):
        with np.load(io.BytesIO(path.read_bytes())) as archive:
            arrays = dict(archive)
        for name, array in arrays.items():
            others = {
                "gone": None,
                "text": np.array("x"),
                "longer": np.concatenate([np.atleast_1d(array)] * 2),
                "shorter": np.atleast_1d(array)[:-1],
                "deeper": array[None],
                "flat": array.ravel(),
                "float": array.astype(np.float16),
                "byte": np.zeros_like(array, np.int8),
                "complex": array.astype(complex),
            }
            for number in NASTY_NUMBERS:
                edited = array.astype(np.float64) if array.dtype.kind == "f" else array.copy()
                with np.errstate(all="ignore"):
                    edited.flat[:1] = np.array(number).astype(edited.dtype)
                others[number] = edited
                others[f"all {number}"] = np.full_like(edited, edited.flat[0])
            for label, other in others.items():
                kept = {**arrays, name: other}
                kept = {key: value for key, value in kept.items() if value is not None}
                yield (path.name, name, label), pack_arrays(kept)


def use(folder):
    """Open a router and do with it what `ask` and `verify` do."""
    bundle = RouterBundle.load(folder)
    test = make_split(2, 4)
    shares = bundle.predict_proba(test.coarse, test.question)
    assert np.all((shares >= 0) & (shares <= 1))
    assert shares.shape == (12, len(bundle.scales))
    for unit in ("tokens", "ms"):
        chosen = bundle.price(30, unit).choose(shares, np.array(SCALES, float)[: shares.shape[1]])
        assert np.all((chosen >= 0) & (chosen < len(SCALES)))
    bundle.gate.find_outside(test.coarse, test.question, 0.02)
    bundle.price_for_drop(0.1)
    bundle.to_files()


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("edits", [edit_json, edit_arrays])
def test_every_edit_is_refused_in_one_line_or_does_no_harm(saved, tmp_path, edits):
    tried = refused = 0
    for (name, *what), content in edits(saved):
        tried += 1
        folder = tmp_path / "edited"
        shutil.copytree(saved, folder)
        sign(folder, {name: content})
        try:
            use(folder)
        except (ValueError, OSError) as error:
            assert "\n" not in str(error), (name, what)
            assert len(str(error)) < 600, (name, what)
            refused += 1
        except Exception as error:
            raise AssertionError((name, what)) from error
        shutil.rmtree(folder)
    assert tried > 100
    assert refused > tried / 2


def test_a_calibration_of_nan_that_was_signed_is_refused(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "edited")
    with np.load(folder / "calibration.npz") as archive:
        arrays = {name: np.full_like(archive[name], np.nan) for name in archive.files}
    sign(folder, {"calibration.npz": pack_arrays(arrays)})
    with pytest.raises(ValueError, match="holds NaN or infinite numbers; train the router again"):
        RouterBundle.load(folder)


@pytest.mark.parametrize("saved", ["knn"], indirect=True)
def test_neighbours_that_weigh_nothing_are_refused_in_one_line(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "edited")
    with np.load(folder / "neighbours.npz") as archive:
        arrays = {**archive, "weights": np.zeros_like(archive["weights"])}
    sign(folder, {"neighbours.npz": pack_arrays(arrays)})
    with pytest.raises(ValueError, match="cannot be used: Weights sum to zero"):
        RouterBundle.load(folder)


def test_untouched_it_opens(saved):
    use(saved)
    assert dataclasses.is_dataclass(RouterBundle.load(saved).policy)
