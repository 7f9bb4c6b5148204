"""Labelling with a fake model: what is written, and what is refused before anything is."""

import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from labels.labelling.run import label
from labels.labelling.settings import LabelSettings
from labels.outcomes.compact import compact
from labels.outcomes.parts import CHECKSUMS, part_path
from labels.outcomes.table import (
    OUTCOME_COLUMNS,
    read_extras,
    read_features,
    read_outcomes,
    read_questions,
    read_table,
)
from labels.questions import Question, QuestionSet, image_fingerprint

pytestmark = pytest.mark.usefixtures("skip_waiting_for_the_disk")


def test_run_writes_one_row_per_sample_and_scale(tmp_path, toy):
    folder = label(
        toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, progress=False
    )
    frame = read_table(folder)
    assert tuple(frame.columns) == OUTCOME_COLUMNS
    assert len(frame) == 5 * 3 * len(toy.scales)
    row = frame[(frame["sample_id"] == "q3-1") & (frame["scale"] == 9)].iloc[0]
    assert (row["answer"], row["score"], bool(row["parse_ok"])) == ("Shade 3.", 1.0, True)
    assert (row["visual_tokens"], row["prompt_tokens"], row["output_tokens"]) == (9, 11, 2)
    assert row["flops"] == 10 * 11 + 1000
    # Two images, three questions each.
    assert (row["batch_size"], row["batch_shape"], row["attention"]) == (6, "6x1x9", "sdpa")
    assert (row["dataset"], row["group"], row["checkpoint"]) == ("toy", "kind1", "fake")
    assert row["image_id"] == image_fingerprint(toy.paint(3))


def test_outcomes_and_features_line_up(tmp_path, toy):
    questions = toy.make_questions()
    folder = label(questions, toy.Answerer(), tmp_path / "run", toy.small, progress=False)
    table = read_outcomes(folder)
    assert table.scales == toy.scales
    assert table.sample_ids[:4].tolist() == ["q0-0", "q0-1", "q0-2", "q1-0"]  # whole images
    index = table.sample_ids.tolist().index("q3-1")
    assert table.scores[index].tolist() == [0, 1, 1]
    assert table.meta[index] == {"shade": 3}
    coarse, question = map(np.asarray, read_features(folder, table.sample_ids))
    assert coarse.dtype == question.dtype == np.float32
    assert coarse[index, 0].tolist() == [3, 4, 5, 6]
    assert question[index].tolist() == [len("Shade 1?"), 1, 0.5, 1]
    assert read_questions(folder) == list(questions)


def test_extras_are_measured_when_asked_for(tmp_path, toy):
    plain = label(toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, False)
    assert read_extras(plain, read_outcomes(plain).sample_ids) == {}
    both = dataclasses.replace(toy.small, extras=("pixels", "state"))
    with pytest.raises(ValueError, match="other settings: .*extras"):
        label(toy.make_questions(), toy.Answerer(), tmp_path / "run", both, progress=False)
    folder = label(toy.make_questions(), toy.Answerer(), tmp_path / "more", both, False)
    compact(folder)
    samples = read_outcomes(folder).sample_ids
    actual = {name: np.asarray(rows) for name, rows in read_extras(folder, samples).items()}
    index = samples.tolist().index("q3-1")
    assert actual["pixels"][index].tolist() == [8, 3]
    assert actual["state"][index].tolist() == [3, len("Shade 1?")]
    with pytest.raises(ValueError, match="extras must be some of"):
        dataclasses.replace(both, extras=("eyes",))


def test_each_image_is_encoded_once(tmp_path, toy):
    answerer = toy.Answerer()
    label(toy.make_questions(), answerer, tmp_path / "run", toy.small, progress=False)
    assert answerer.n_encoded == 5


def test_batches_do_not_change_features(tmp_path, undisturbed, toy):
    settings = LabelSettings(images_per_part=2, images_per_batch=1)
    folder = label(
        toy.make_questions(), toy.Answerer(), tmp_path / "ones", settings, progress=False
    )
    assert toy.read_all(folder)[1] == undisturbed[1]


def test_chosen_scales_and_suffixes(tmp_path, toy):
    settings = LabelSettings(scales=(36, 1), suffix="One word.")
    folder = label(toy.make_questions(), toy.Answerer(), tmp_path / "run", settings, progress=False)
    table = read_outcomes(folder)
    assert table.scales == (1, 36)
    assert read_table(folder)["prompt_tokens"].tolist()[:2] == [1 + 4, 36 + 4]


def test_illegal_scale_is_refused_before_anything_is_written(tmp_path, toy):
    with pytest.raises(ValueError, match="1, 9, 36"):
        label(toy.make_questions(), toy.Answerer(), tmp_path / "run", LabelSettings(scales=(10,)))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "name", ["max_new_tokens", "images_per_part", "images_per_batch", "token_budget"]
)
def test_settings_refuse_zero(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        LabelSettings(**{name: 0})


def test_a_question_that_cannot_be_scored_is_refused_before_anything_is_written(tmp_path, toy):
    questions = QuestionSet("toy", [Question("q0", "i0", "What?", ("x",), "bleu")], toy.paint)
    with pytest.raises(ValueError, match="sample 'q0' has the unknown metric 'bleu'"):
        label(questions, toy.Answerer(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_finished_run_asks_nothing(tmp_path, caplog, toy):
    folder = label(
        toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, progress=False
    )
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    # The logger is named: commands that ran before set the level of the package.
    with caplog.at_level("INFO", logger="labels"):
        label(toy.make_questions(), SimpleNamespace(**read_identity(toy)), folder, toy.small)
    assert "nothing to do" in caplog.text
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def read_identity(toy):
    """A fake that can say who it is, and nothing else."""
    fake = toy.Answerer()
    return {
        "scales": fake.scales,
        "fingerprint": fake.fingerprint,
        "dtype_name": fake.dtype_name,
        "pooling": fake.pooling,
        "attention": fake.attention,
        "prompt": fake.prompt,
    }


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("settings", "answerer", "n_images", "message"),
    [
        ({"max_new_tokens": 8}, {}, 5, "max_new_tokens is 16 there but 8 now"),
        ({}, {"fingerprint": "new"}, 5, "checkpoint is 'fake' there but 'new' now"),
        ({}, {"pooling": "spatial"}, 5, "pooling is 'average' there but 'spatial' now"),
        ({}, {"template": "Q: {}"}, 5, "prompt is 'USER: .*' there but 'Q: .*' now"),
        ({}, {}, 4, "questions is '.*' there but '.*' now"),
    ],
)
def test_changed_setting_is_refused_and_shown(
    tmp_path, settings, answerer, n_images, message, finished, toy
):
    folder = label(toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, False)
    if not finished:
        part_path(folder, 1, CHECKSUMS).unlink()
        text = (folder / "manifest.json").read_text()
        (folder / "manifest.json").write_text(text.replace("true", "false"))
    changed = dataclasses.replace(toy.small, **settings)
    with pytest.raises(ValueError, match=message):
        label(toy.make_questions(n_images), toy.Answerer(**answerer), folder, changed, False)


def test_unwritable_folder_is_refused_before_the_model_is_asked(tmp_path, toy):
    (tmp_path / "file").write_text("in the way")
    answerer = toy.Answerer()
    with pytest.raises(ValueError, match="cannot write to the folder"):
        label(toy.make_questions(), answerer, tmp_path / "file" / "run", toy.small, progress=False)
    assert answerer.n_encoded == 0


OLD_RUN = Path(__file__).parents[2] / "scripts" / "old_artefacts" / "interrupted"


def test_a_run_that_an_older_version_left_behind_goes_on(tmp_path, undisturbed, toy):
    folder = Path(shutil.copytree(OLD_RUN, tmp_path / "run"))
    assert list(folder.rglob("*.claim"))  # that version's, which means nothing any more
    answerer = toy.Answerer()
    label(toy.make_questions(), answerer, folder, toy.small, progress=False)
    assert answerer.n_encoded == 3  # the first part, two images, is the old one
    toy.check_same(folder, undisturbed)


def test_progress_is_on_stderr_and_can_be_off(tmp_path, capsys, toy):
    label(toy.make_questions(), toy.Answerer(), tmp_path / "loud", toy.small)
    output = capsys.readouterr()
    assert output.out == ""
    assert "labelling toy: 100%" in output.err
    assert "questions/s" in output.err
    label(toy.make_questions(), toy.Answerer(), tmp_path / "quiet", toy.small, progress=False)
    assert capsys.readouterr().err == ""
