from dataclasses import replace

import numpy as np
import pytest

from labels.importing.importing import import_outcomes
from labels.labelling.features import add_features
from labels.labelling.run import label
from labels.labelling.settings import LabelSettings
from labels.questions import Question, QuestionSet, image_fingerprint
from scripts.stages.splits import find_clusters, read_answered, read_splits

SETTINGS = LabelSettings(images_per_part=2, images_per_batch=2)


class Answer:
    """Says the scale; right when the question accepts that number."""

    prompt_tokens = output_tokens = 1
    mean_logprob = first_margin = wall_ms = 0.0
    batch_size, batch_shape = 1, "1x1x1"

    def __init__(self, scale):
        self.text, self.visual_tokens = str(scale), scale


class Fake:
    dtype_name = "float32"
    pooling = "average"
    attention = "sdpa"

    def __init__(self, scales=(1, 9), fingerprint="a" * 16):
        self.scales, self.fingerprint = scales, fingerprint

    def prompt(self, question):
        return question

    def prepare(self, image):
        return image

    def image_flops(self, image):
        return 1.0

    def encode(self, images):
        return [np.asarray(image, np.float32).mean() for image in images]

    def answer_images(self, pyramids, questions, scale, **settings):
        return [[Answer(scale) for _ in group] for group in questions]

    def answer_flops(self, answer):
        return 1.0

    def coarse_tokens(self, pyramids):
        return np.stack([np.full((10, 4), mean, np.float32) for mean in pyramids])

    def question_embedding(self, questions):
        return np.stack([np.full(4, len(text), np.float32) for text in questions])


@pytest.fixture
def make_folder(tmp_path, paint):
    def make(name, questions, answerer=None):
        images = {image_fingerprint(paint(shade)): paint(shade) for shade in range(3)}
        names = list(images)
        placed = [replace(q, image_id=names[k % 3]) for k, q in enumerate(questions)]
        asked = QuestionSet(name, placed, images.__getitem__)
        return label(asked, answerer or Fake(), tmp_path / name, SETTINGS, progress=False)

    return make


@pytest.fixture
def paint():
    from PIL import Image

    return lambda shade: Image.new("RGB", (8, 8), (shade, shade, shade))


def ask(number, answer, **more):
    return Question(f"q{number}", "", "What?", (answer,), "exact", group="g", **more)


def test_join_keeps_rows_together(make_folder):
    # The first is right at 1, the second at 9, the third nowhere; image k is of shade k.
    folder = make_folder("a", [ask(0, "1"), ask(1, "9"), ask(2, "?")])
    (split,) = read_splits([folder])
    assert split.checkpoint == "a" * 16
    assert split.data.scores.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert split.data.tokens.tolist() == [[1, 9]] * 3
    assert np.asarray(split.data.coarse)[:, 0, 0].tolist() == [0, 1, 2]
    assert [question.sample_id for question in split.questions] == ["q0", "q1", "q2"]
    assert split.answers.tolist() == [["1", "9"]] * 3
    assert split.data.meta is None


def test_questions_say_which_rows_belong_together(make_folder):
    plain = make_folder("a", [ask(0, "1"), ask(1, "9"), ask(2, "?")])
    assert read_splits([plain])[0].data.members is None
    images = [("x", "y"), (), ("y", "z"), ("v", "w")]
    folder = make_folder("b", [ask(row, "1", images=of) for row, of in enumerate(images)])
    [split] = read_splits([folder])
    data, ids = split.data, split.data.image_ids.tolist()
    # The fourth question is about the image id of the first.
    assert dict(zip(data.sample_ids.tolist(), data.members, strict=True)) == {
        "q0": ("x", "y"),
        "q1": (ids[data.sample_ids.tolist().index("q1")],),
        "q2": ("y", "z"),
        "q3": ("v", "w"),
    }
    assert data.n_images == 2
    assert find_clusters(*read_answered(folder)).tolist() == data.clusters.tolist()


def test_metadata_has_the_same_columns_in_every_split(make_folder):
    first = make_folder("a", [ask(0, "1", meta={"size": 5, "font": "serif"}), ask(1, "1")])
    second = make_folder("b", [ask(0, "1", choices=("1", "9"), meta={"angle": 0.5})])
    splits = read_splits([first, second])
    # Words are no numbers; the number of options comes last and is known for choices only.
    assert [split.data.meta_names for split in splits] == [("angle", "size", "options")] * 2
    nan = np.nan
    np.testing.assert_array_equal(splits[0].data.meta, [[nan, 5, nan], [nan, nan, nan]])
    np.testing.assert_array_equal(splits[1].data.meta, [[0.5, nan, 2]])


def test_splits_of_two_models_are_refused(make_folder):
    first = make_folder("a", [ask(0, "1")])
    second = make_folder("b", [ask(0, "1")], Fake(fingerprint="b" * 16))
    with pytest.raises(ValueError, match="label all splits with one model"):
        read_splits([first, second])


def test_splits_of_two_ladders_are_refused(make_folder):
    first = make_folder("a", [ask(0, "1")])
    second = make_folder("b", [ask(0, "1")], Fake(scales=(1, 9, 36)))
    with pytest.raises(ValueError, match="label all splits at the same scales"):
        read_splits([first, second])


def test_imported_outcomes_do_not_know_how_sure_the_model_was(make_folder, paint, tmp_path):
    (labelled,) = read_splits([make_folder("labelled", [ask(0, "1")])])
    assert labelled.data.confidence.tolist() == [[0, 0]]
    question = replace(ask(0, "1"), image_id=image_fingerprint(paint(0)))
    rows = [{"sample_id": "q0", "scale": k, "answer": "1", "score": 1.0} for k in (1, 9)]
    import_outcomes(rows, tmp_path / "a", "table", {"q0": question})
    asked = QuestionSet("a", [question], lambda _: paint(0))
    add_features(tmp_path / "a", asked, Fake(), SETTINGS, progress=False)
    (split,) = read_splits([tmp_path / "a"])
    assert split.data.confidence is None
