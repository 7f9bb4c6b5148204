"""Questions that are asked several times: what changes, what does not, and what is written."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from labels.labelling.repeating import move_image
from labels.labelling.run import label
from labels.labelling.settings import LabelSettings
from labels.outcomes.compact import compact
from labels.outcomes.manifest import read_manifest
from labels.outcomes.parts import TABLE, part_path
from labels.outcomes.table import read_features, read_outcomes, read_table, wide_table
from labels.questions import REFERENCE, QuestionSet, Wordings
from m3_backbone.inference.sampling import Sampling, make_seed

pytestmark = pytest.mark.usefixtures("skip_waiting_for_the_disk")

OTHER = Wordings(lambda question, repeat: f"Again {repeat}: {question.question}", "again")


@pytest.fixture
def thrice(toy):
    return replace(toy.small, repeats=3)


def make_questions(toy):
    return toy.make_questions().with_wordings(OTHER)


class Recorder:
    """Hands everything on to an answerer, and notes what it was asked."""

    def __init__(self, answerer):
        self.answerer = answerer
        self.asked = []
        self.sizes = []

    def __getattr__(self, name):
        return getattr(self.answerer, name)

    def answer_images(self, pyramids, questions, scale, **settings):
        self.asked += [(scale, text) for texts in questions for text in texts]
        self.sizes.append(len(pyramids))
        return self.answerer.answer_images(pyramids, questions, scale, **settings)


def test_every_repeat_has_its_rows_and_the_first_is_the_run_without(tmp_path, toy, thrice):
    plain = label(toy.make_questions(), toy.Answerer(), tmp_path / "one", toy.small, False)
    folder = label(make_questions(toy), toy.Answerer(), tmp_path / "run", thrice, False)
    rows = read_table(folder)
    assert rows.groupby("repeat").size().tolist() == [15 * 3] * 3
    first = rows[rows["repeat"] == 0].drop(columns="wall_ms").reset_index(drop=True)
    assert first.drop(columns="prompt_id").equals(
        read_table(plain).drop(columns=["wall_ms", "prompt_id"])
    )
    table, once = read_outcomes(folder), read_outcomes(plain)
    assert table.repeats.shape == (15, 3, 3) and once.repeats is None
    np.testing.assert_array_equal(table.repeats[:, 0], table.scores)
    np.testing.assert_array_equal(table.scores, once.scores)
    # Features are those of the questions as they stand.
    for ours, theirs in zip(
        read_features(folder, table.sample_ids), read_features(plain, table.sample_ids), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_repeats_are_asked_in_other_words_and_smaller_batches(tmp_path, toy, thrice):
    answerer = Recorder(toy.Answerer())
    label(make_questions(toy), answerer, tmp_path / "run", thrice, False)
    asked = {text for _, text in answerer.asked}
    own = {question.question for question in toy.make_questions()}
    assert asked == own | {f"Again {k}: {text}" for k in (1, 2) for text in own}
    # Each scale of each repeat once.
    assert len(answerer.asked) == 15 * 3 * 3
    # Two images at first, then one at a time; the last part has one image.
    assert answerer.sizes == [*([2] * 3 + [1] * 12) * 2, *[1] * 9]


def test_a_run_that_was_stopped_ends_with_the_same_repeats(tmp_path, toy, thrice):
    whole = label(make_questions(toy), toy.Answerer(), tmp_path / "whole", thrice, False)
    folder = label(make_questions(toy), toy.Answerer(), tmp_path / "run", thrice, False)
    part_path(folder, 1, TABLE).unlink()
    label(make_questions(toy), toy.Answerer(), folder, thrice, False)
    toy.check_same(folder, toy.read_all(whole))
    compact(folder)
    before, after = read_outcomes(whole), read_outcomes(folder)
    np.testing.assert_array_equal(before.repeats, after.repeats)


def test_answers_of_repeats_are_drawn_by_a_seed_of_sample_scale_and_repeat(tmp_path, toy):
    class Noting(Recorder):
        def answer_images(self, pyramids, questions, scale, **settings):
            samplings = [one for row in settings["sampling"] for one in row]
            self.drawn += zip(sum(questions, []), samplings, strict=True)
            return super().answer_images(pyramids, questions, scale, **settings)

    answerer = Noting(toy.Answerer())
    answerer.drawn = []
    label(make_questions(toy), answerer, tmp_path / "run", toy.drawn, False)
    first = [one for text, one in answerer.drawn if not text.startswith("Again")]
    again = [one for text, one in answerer.drawn if text.startswith("Again")]
    # The first time is the run without: a router learns from it.
    assert set(first) == {Sampling(16)} and len(first) == 15 * 3
    assert {one.temperature for one in again} == {0.7}
    assert len({one.seed for one in again}) == len(again) == 15 * 3 * 2
    assert make_seed("q0-0:9:1") in {one.seed for one in again}


def test_a_temperature_is_a_setting_of_the_run(tmp_path, toy, thrice):
    label(make_questions(toy), toy.Answerer(), tmp_path / "run", thrice, False)
    # Runs from before there was one go on.
    assert "sample_temperature" not in read_manifest(tmp_path / "run").settings
    with pytest.raises(ValueError, match=r"sample_temperature is 0.0 there but 0.7 now"):
        label(make_questions(toy), toy.Answerer(), tmp_path / "run", toy.drawn, False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sample_temperature": 0.5}, "--sample-temperature needs --repeats, at least 2"),
        ({"sample_temperature": 2.5, "repeats": 2}, "from 0 to 2, got 2.5"),
        ({"sample_temperature": float("nan"), "repeats": 2}, "from 0 to 2, got nan"),
        ({"sample_temperature": -0.1, "repeats": 2}, "must be at least 0, got -0.1"),
    ],
)
def test_a_temperature_that_cannot_be_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        LabelSettings(**given)


def test_what_repeats_are_made_of_is_refused_with_the_difference(tmp_path, toy, thrice):
    folder = label(make_questions(toy), toy.Answerer(), tmp_path / "run", thrice, False)
    assert read_manifest(folder).settings["wordings"] == "again"
    for settings, questions, message in (
        (replace(thrice, repeats=2), make_questions(toy), "repeats is 3 there but 2 now"),
        (replace(thrice, jitter=4), make_questions(toy), "jitter is 2 there but 4 now"),
        (thrice, toy.make_questions(), "wordings is 'again' there but '' now"),
        (toy.small, make_questions(toy), "repeats is 3 there but 1 now"),
    ):
        with pytest.raises(ValueError, match=message):
            label(questions, toy.Answerer(), folder, settings, False)


def test_without_repeats_a_run_keeps_its_id(tmp_path, toy):
    settings = toy.small.to_manifest()
    assert not {"repeats", "jitter"} & settings.keys()
    folder = label(make_questions(toy), toy.Answerer(), tmp_path / "run", toy.small, False)
    assert "wordings" not in read_manifest(folder).settings


def test_without_answers_the_first_answer_of_the_largest_scale_stays_right(tmp_path, toy, thrice):
    """A model whose answer depends on the words: what is right must not move with it."""

    class Fickle(toy.Answerer):
        def answer(self, shade, text, scale, started, together):
            answer = super().answer(shade, text, scale, started, together)
            answer.text = "again" if text.startswith("Again") else "first"
            return answer

    plain = toy.make_questions()
    bare = [replace(question, answers=(), metric=REFERENCE) for question in plain]
    questions = QuestionSet("bare", bare, plain.image, wordings=OTHER)
    table = read_outcomes(label(questions, Fickle(), tmp_path / "run", thrice, False))
    assert (table.repeats[:, 0] == 1).all() and (table.repeats[:, 1:] == 0).all()


def test_a_repeat_that_is_not_whole_is_told(tmp_path, toy, thrice):
    rows = read_table(label(make_questions(toy), toy.Answerer(), tmp_path / "run", thrice, False))
    lacking = rows[(rows["repeat"] < 2) | (rows["sample_id"] != "q0-0")]
    with pytest.raises(ValueError, match="repeat 2 of the outcome table has other samples"):
        wide_table(lacking)
    twice = rows[~((rows["repeat"] == 1) & (rows["scale"] == 9) & (rows["sample_id"] == "q0-0"))]
    with pytest.raises(ValueError, match="'q0-0' does not have each of the scales"):
        wide_table(twice)


def test_an_image_is_moved_by_a_few_pixels_and_always_the_same():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    moves = set()
    for k in range(150):
        moved = np.asarray(move_image(image, 2, f"i:{k}"))
        assert moved.shape == pixels.shape
        # Apart from two pixels at each edge, all is there, elsewhere.
        inner = moved[2:-2, 2:-2]
        [move] = [
            (down, across)
            for down in range(5)
            for across in range(5)
            if np.array_equal(inner, pixels[down : down + 60, across : across + 76])
        ]
        moves.add(move)
    assert len(moves) == 25
    assert np.array_equal(np.asarray(move_image(image, 2, "i:149")), moved)
    # Away from the edge that is repeated it stays within the image.
    assert set(np.unique(moved[0, 2:-2])) <= set(np.unique(pixels))
    small = Image.new("RGB", (31, 64))
    assert move_image(small, 2, "i:1") is small
    assert move_image(image, 0, "i:1").size == (80, 64)
