import numpy as np
import pytest

from labels.importing.importing import import_outcomes
from labels.labelling.features import WORK, add_features
from labels.labelling.run import label
from labels.labelling.settings import LabelSettings
from labels.outcomes.manifest import read_manifest
from labels.outcomes.parts import FEATURES, list_parts, part_path
from labels.outcomes.table import read_features, read_outcomes, read_questions

pytestmark = pytest.mark.usefixtures("skip_waiting_for_the_disk")


@pytest.fixture
def labelled(tmp_path, toy):
    return label(toy.make_questions(), toy.Answerer(), tmp_path / "own", toy.small, progress=False)


@pytest.fixture
def imported(tmp_path, labelled):
    """The outcomes of `labelled` as another tool would have them: no images, no features."""
    table = read_outcomes(labelled)
    rows = [
        {
            "sample_id": sample,
            "scale": scale,
            "answer": table.answers[row, column],
            "score": table.scores[row, column],
        }
        for row, sample in enumerate(table.sample_ids.tolist())
        for column, scale in enumerate(table.scales)
    ]
    return import_outcomes(rows, tmp_path / "imported", "theirs")


def add(folder, toy, answerer=None, questions=None, settings=None):
    questions = questions or toy.make_questions()
    answerer = answerer or toy.Answerer()
    return add_features(folder, questions, answerer, settings or toy.small, progress=False)


def test_features_are_those_that_label_would_have_written(labelled, imported, toy):
    add(imported, toy)
    ours, theirs = toy.read_all(labelled), toy.read_all(imported)
    assert theirs[1:] == ours[1:]  # features, byte by byte, and questions
    shared = ["sample_id", "image_id", "group", "scale", "answer", "score", "visual_tokens"]
    assert theirs[0][shared].equals(ours[0][shared])
    settings = read_manifest(imported).settings
    assert settings.pop("outcomes").startswith("imported-")
    assert settings == read_manifest(labelled).settings | {"scales": list(toy.scales)}
    assert not (imported / WORK).exists()


def test_extras_are_added_and_nobody_is_asked(imported, toy, monkeypatch):
    monkeypatch.setattr(toy.Answerer, "answer_images", None)
    settings = LabelSettings(images_per_part=2, images_per_batch=2, extras=("pixels", "state"))
    add(imported, toy, settings=settings)
    with np.load(part_path(imported, 0, FEATURES)) as arrays:
        assert {"pixels", "state"} <= set(arrays)


def test_what_a_user_keeps_there_stays(imported, toy):
    (imported / "notes.txt").write_text("mine")
    add(imported, toy)
    assert (imported / "notes.txt").read_text() == "mine"


class Lost(Exception):
    """The process was lost."""


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_stopped_run_goes_on_and_the_table_stays_until_then(imported, labelled, toy, moment):
    class Stopping(toy.Answerer):
        def encode(self, images):
            if self.n_encoded >= 2 * (moment - 1):
                raise Lost
            return super().encode(images)

    before = read_outcomes(imported).answers.tolist()
    with pytest.raises(Lost):
        add(imported, toy, Stopping())
    assert read_outcomes(imported).answers.tolist() == before
    assert len(list_parts(imported / WORK)) == moment - 1
    answerer = toy.Answerer()
    add(imported, toy, answerer)
    assert answerer.n_encoded == 5 - 2 * (moment - 1)
    assert toy.read_all(imported)[1:] == toy.read_all(labelled)[1:]


def test_features_that_are_there_are_not_made_again_nor_by_another_model(imported, toy):
    add(imported, toy)
    answerer = toy.Answerer()
    add(imported, toy, answerer)
    assert answerer.n_encoded == 0
    with pytest.raises(ValueError, match="checkpoint is 'fake' there but 'other' now"):
        add(imported, toy, toy.Answerer(fingerprint="other"))


def test_a_run_that_was_labelled_is_left_as_it_is(labelled, toy):
    with pytest.raises(ValueError, match="was labelled with its features"):
        add(labelled, toy)


def test_scales_that_the_model_does_not_have_are_refused(imported, toy):
    with pytest.raises(ValueError, match="36"):
        add(imported, toy, toy.Answerer(scales=(1, 9)))
    with pytest.raises(ValueError, match="no features to train on"):
        read_features(imported, [read_questions(imported)[0].sample_id])
