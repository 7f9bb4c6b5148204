"""Questions about several images: loaded, labelled with the fake, their cost added up."""

import json

import datasets
import numpy as np
import pytest

from labels.labelling.run import label
from labels.labelling.settings import LabelSettings
from labels.outcomes.table import read_features, read_outcomes, read_questions
from labels.questions import QuestionSet, image_fingerprint, join_fingerprints
from labels.sources.loading import Reading, load_questions

SHADES = (0, 1, 2, 3)
# The images of each question; of seven places four images are distinct.
ASKED = {"a": (0, 1), "b": (1, 2), "c": (2, 1), "d": (3,)}


@pytest.fixture
def source(tmp_path, toy):
    for shade in SHADES:
        toy.paint(shade).save(tmp_path / f"{shade}.png")
    lines = [
        {"sample_id": name, "question": "Shade?", "answers": ["shade 0"], "image": files}
        for name, shades in ASKED.items()
        for files in [[f"{shade}.png" for shade in shades]]
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def identify(toy, *shades):
    return join_fingerprints([image_fingerprint(toy.paint(shade)) for shade in shades])


@pytest.fixture
def answerer(toy):
    """The fake, which reads the shade of the first image and counts the tokens of all."""

    class Several(toy.Answerer):
        def image_flops(self, image):
            return 1000.0 + image.getpixel((0, 0))[0]

        def answer_images(self, pyramids, questions, scale, **settings):
            groups = [seen if isinstance(seen, list) else [seen] for seen in pyramids]
            firsts = [group[0] for group in groups]
            answers = super().answer_images(firsts, questions, scale, **settings)
            for group, actual in zip(groups, answers, strict=True):
                for answer in actual:
                    answer.visual_tokens = scale * len(group)
            return answers

        def coarse_tokens(self, pyramids):
            return super().coarse_tokens([np.mean(seen) for seen in pyramids])

    return Several()


def test_questions_know_their_images(source, toy):
    questions = load_questions(str(source))
    first, again, turned, alone = questions
    assert first.image_id == identify(toy, 0, 1)
    assert again.image_id != turned.image_id
    assert alone.image_id == image_fingerprint(toy.paint(3))
    parts = questions.image_parts(turned.image_id)
    assert [questions.image(part).getpixel((0, 0))[0] for part in parts] == [2, 1]
    assert questions.image_parts(alone.image_id) == (alone.image_id,)
    assert questions[1:].image_parts(turned.image_id) == parts
    with pytest.raises(ValueError, match="expected questions about one image, got one about 2"):
        questions.image(first.image_id)


def test_images_in_columns_and_in_lists_of_a_data_set(tmp_path, toy):
    images = [toy.paint(shade) for shade in (0, 1)]
    row = {"question": "Shade?", "answers": "x"}
    columns = {**row, "left": images[0], "right": images[1]}
    datasets.Dataset.from_list([columns]).save_to_disk(tmp_path / "columns")
    feature = datasets.Features(
        question=datasets.Value("string"),
        answers=datasets.Value("string"),
        image=datasets.List(datasets.Image()),
    )
    lists = datasets.Dataset.from_list([{**row, "image": images}], features=feature)
    lists.save_to_disk(tmp_path / "lists")
    asked = load_questions(str(tmp_path / "columns"), columns={"image": "left,right"})
    assert asked[0].image_id == identify(toy, 0, 1)
    assert load_questions(str(tmp_path / "lists"))[0].image_id == identify(toy, 0, 1)
    with pytest.raises(ValueError, match="has no column 'middle' for the field 'image'"):
        load_questions(str(tmp_path / "columns"), columns={"image": "left,middle"})


def test_videos_become_frames(tmp_path, toy):
    first, *others = (toy.paint(50 * shade) for shade in range(5))
    first.save(tmp_path / "clip.png", save_all=True, append_images=others)
    line = {"question": "Shade?", "answers": "x", "image": "clip.png"}
    (tmp_path / "q.jsonl").write_text(json.dumps(line), encoding="utf-8")
    [question] = load_questions(str(tmp_path / "q.jsonl"), reading=Reading(frames=2))
    # Of five frames in two stretches, the middles are frames 1 and 3.
    assert question.image_id == identify(toy, 50, 150)


@pytest.mark.parametrize("images_per_batch", [1, 4])
def test_each_image_is_encoded_once_a_part_and_costs_add_up(
    tmp_path, source, toy, answerer, images_per_batch
):
    questions = load_questions(str(source))
    settings = LabelSettings(images_per_part=4, images_per_batch=images_per_batch)
    folder = label(questions, answerer, tmp_path / "run", settings, progress=False)
    assert answerer.n_encoded == len(SHADES)
    table = read_outcomes(folder)
    counts = np.array([len(shades) for shades in ASKED.values()])
    assert table.visual_tokens.tolist() == np.outer(counts, toy.scales).tolist()
    vision = [sum(1000 + shade for shade in shades) for shades in ASKED.values()]
    texts = [10 * (1 + scale) for scale in toy.scales]
    assert table.flops.tolist() == np.add.outer(vision, texts).tolist()
    coarse = np.asarray(read_features(folder, table.sample_ids)[0])
    assert coarse[:, 0, 0].tolist() == [0.5, 1.5, 1.5, 3]
    assert read_questions(folder) == list(questions)


def test_parts_do_not_share(tmp_path, source, answerer):
    settings = LabelSettings(images_per_part=2, images_per_batch=1)
    label(load_questions(str(source)), answerer, tmp_path / "run", settings, progress=False)
    # {0, 1, 2} in the first part, {1, 2, 3} in the second.
    assert answerer.n_encoded == 6


def test_a_damaged_image_among_several_names_the_sample(tmp_path, source, answerer):
    questions = load_questions(str(source))

    def load(image_id):
        raise ValueError("cut short")

    broken = QuestionSet("x", questions, load, {q.image_id: ("i0", "i1") for q in questions})
    with pytest.raises(ValueError, match="image of sample 'a': cut short"):
        label(broken, answerer, tmp_path / "run", progress=False)


def test_one_id_stands_for_itself():
    assert join_fingerprints(["abc"]) == "abc"
    assert len(join_fingerprints(["abc", "def"])) == 16
