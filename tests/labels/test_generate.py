"""Labelling with a fake model, killed, cut off and resumed in every way we know.

Run as a program, this file labels into a folder with a slow fake: what the kill test kills.
"""

import hashlib
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labels.generate import LabelSettings, label
from labels.manifest import CODE_VERSION, read_manifest
from labels.outcomes import (
    OUTCOME_COLUMNS,
    read_features,
    read_outcomes,
    read_questions,
    read_table,
)
from labels.parts import FEATURES, SEAL, TABLE, part_path
from labels.questions import Question, QuestionSet, image_fingerprint

ROOT = Path(__file__).resolve().parents[2]
SCALES = (1, 9, 36)
SMALL = LabelSettings(images_per_part=2, images_per_batch=2)
N_SLOW_IMAGES = 60  # thirty parts of three scales: more than ten kills leave time for


def paint(shade):
    return Image.new("RGB", (8, 8), (shade, 0, 0))


def make_questions(n_images=5, n_each=3):
    """Image i is red of shade i; question j asks for it, or for the impossible if j is 2."""
    shades = {image_fingerprint(paint(shade)): shade for shade in range(n_images)}
    questions = [
        Question(
            f"q{shade}-{number}",
            image_id,
            f"Shade {number}?",
            (f"shade {shade}" if number < 2 else "unknown",),
            "exact",
            group=f"kind{number}",
            meta={"shade": shade},
        )
        for number in range(n_each)
        for image_id, shade in shades.items()
    ]
    return QuestionSet("toy", questions, lambda image_id: paint(shades[image_id]))


@dataclass
class FakeAnswerer:
    """Reads the shade of an image, right only from nine tokens on."""

    delay: float = 0.0
    fingerprint: str = "fake"
    dtype_name: str = "float32"
    scales: tuple = SCALES
    template: str = "USER: {} ASSISTANT:"
    n_encoded: int = 0

    def prompt(self, question):
        return self.template.format(question)

    def image_flops(self, image):
        return 1000.0

    def encode(self, images):
        self.n_encoded += len(images)
        return [image.getpixel((0, 0))[0] for image in images]

    def answer_images(self, pyramids, questions, scale, *, max_new_tokens=16):
        started = time.perf_counter()
        time.sleep(self.delay)
        return [
            [self.answer(shade, text, scale, started) for text in texts]
            for shade, texts in zip(pyramids, questions, strict=True)
        ]

    def answer(self, shade, text, scale, started):
        luck = int(hashlib.sha256(f"{shade}{text}{scale}".encode()).hexdigest()[:6], 16)
        return SimpleNamespace(
            text=f"Shade {shade}." if scale > 1 else "shade 0",
            visual_tokens=scale,
            prompt_tokens=scale + len(text.split()),
            output_tokens=2,
            mean_logprob=-luck / 2**24,
            first_margin=luck / 2**24,
            wall_ms=(time.perf_counter() - started) * 1000,
        )

    def answer_flops(self, answer):
        return 10.0 * answer.prompt_tokens

    def coarse_tokens(self, pyramids):
        ramp = np.arange(40, dtype=np.float32).reshape(10, 4)
        return np.stack([ramp + shade for shade in pyramids])

    def question_embedding(self, questions):
        return np.array([[len(text), text.count("S"), 0.5, 1] for text in questions], np.float32)


@pytest.fixture(autouse=True)
def skip_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("labels.parts.os.fsync", lambda handle: None)


def read_all(folder):
    """Everything that a run wrote, but for the measured time."""
    table = read_table(folder).drop(columns="wall_ms")
    features = [path.read_bytes() for path in sorted((folder / "parts").glob(f"*{FEATURES}"))]
    return table, features, read_questions(folder)


def check_same(folder, expected):
    table, features, questions = read_all(folder)
    pd.testing.assert_frame_equal(table, expected[0])
    assert features == expected[1]
    assert questions == expected[2]
    assert not list(folder.rglob("*.tmp"))


@pytest.fixture
def undisturbed(tmp_path):
    return read_all(label(make_questions(), FakeAnswerer(), tmp_path / "whole", SMALL, False))


def test_run_writes_one_row_per_sample_and_scale(tmp_path):
    folder = label(make_questions(), FakeAnswerer(), tmp_path / "run", SMALL, progress=False)
    frame = read_table(folder)
    assert tuple(frame.columns) == OUTCOME_COLUMNS
    assert len(frame) == 5 * 3 * len(SCALES)
    row = frame[(frame["sample_id"] == "q3-1") & (frame["scale"] == 9)].iloc[0]
    assert (row["answer"], row["score"], bool(row["parse_ok"])) == ("Shade 3.", 1.0, True)
    assert (row["visual_tokens"], row["prompt_tokens"], row["output_tokens"]) == (9, 11, 2)
    assert row["flops"] == 10 * 11 + 1000
    assert row["batch_size"] == 2 * 3  # two images, three questions each
    assert (row["dataset"], row["group"], row["checkpoint"]) == ("toy", "kind1", "fake")
    assert row["image_id"] == image_fingerprint(paint(3))


def test_outcomes_and_features_line_up(tmp_path):
    questions = make_questions()
    folder = label(questions, FakeAnswerer(), tmp_path / "run", SMALL, progress=False)
    table = read_outcomes(folder)
    assert table.scales == SCALES
    assert table.sample_ids[:4].tolist() == ["q0-0", "q0-1", "q0-2", "q1-0"]  # whole images
    index = table.sample_ids.tolist().index("q3-1")
    assert table.scores[index].tolist() == [0, 1, 1]
    assert table.meta[index] == {"shade": 3}
    coarse, question = read_features(folder, table.sample_ids)
    assert coarse.dtype == question.dtype == np.float32
    assert coarse[index, 0].tolist() == [3, 4, 5, 6]
    assert question[index].tolist() == [len("Shade 1?"), 1, 0.5, 1]
    assert read_questions(folder) == list(questions)


def test_each_image_is_encoded_once(tmp_path):
    answerer = FakeAnswerer()
    label(make_questions(), answerer, tmp_path / "run", SMALL, progress=False)
    assert answerer.n_encoded == 5


def test_batches_do_not_change_features(tmp_path, undisturbed):
    settings = LabelSettings(images_per_part=2, images_per_batch=1)
    folder = label(make_questions(), FakeAnswerer(), tmp_path / "ones", settings, progress=False)
    assert read_all(folder)[1] == undisturbed[1]


def test_chosen_scales_and_suffixes(tmp_path):
    settings = LabelSettings(scales=(36, 1), suffix="One word.")
    folder = label(make_questions(), FakeAnswerer(), tmp_path / "run", settings, progress=False)
    table = read_outcomes(folder)
    assert table.scales == (1, 36)
    assert read_table(folder)["prompt_tokens"].tolist()[:2] == [1 + 4, 36 + 4]


def test_illegal_scale_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="1, 9, 36"):
        label(make_questions(), FakeAnswerer(), tmp_path / "run", LabelSettings(scales=(10,)))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["max_new_tokens", "images_per_part", "images_per_batch"])
def test_settings_refuse_zero(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        LabelSettings(**{name: 0})


def test_unjudgeable_question_is_refused_before_anything_is_written(tmp_path):
    questions = QuestionSet("toy", [Question("q0", "i0", "What?", ("x",), "bleu")], paint)
    with pytest.raises(ValueError, match="sample 'q0' has the unknown metric 'bleu'"):
        label(questions, FakeAnswerer(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_finished_run_asks_nothing(tmp_path, caplog):
    folder = label(make_questions(), FakeAnswerer(), tmp_path / "run", SMALL, progress=False)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with caplog.at_level("INFO"):
        label(make_questions(), SimpleNamespace(**read_identity()), folder, SMALL)
    assert "nothing to do" in caplog.text
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def read_identity():
    """A fake that can say who it is, and nothing else."""
    fake = FakeAnswerer()
    return {
        "scales": fake.scales,
        "fingerprint": fake.fingerprint,
        "dtype_name": fake.dtype_name,
        "prompt": fake.prompt,
    }


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": LabelSettings(8, images_per_part=2)}, "max_new_tokens is 16 there but 8 now"),
        ({"answerer": FakeAnswerer(fingerprint="new")}, "checkpoint is 'fake' there but 'new' now"),
        (
            {"answerer": FakeAnswerer(template="Q: {}")},
            "prompt is 'USER: .*' there but 'Q: .*' now",
        ),
        ({"questions": make_questions(4)}, "questions is '.*' there but '.*' now"),
    ],
)
def test_changed_setting_is_refused_and_shown(tmp_path, change, message, finished):
    folder = label(make_questions(), FakeAnswerer(), tmp_path / "run", SMALL, progress=False)
    if not finished:
        part_path(folder, 1, SEAL).unlink()
        text = (folder / "manifest.json").read_text()
        (folder / "manifest.json").write_text(text.replace("true", "false"))
    settings = LabelSettings(max_new_tokens=8, images_per_part=2, images_per_batch=2)
    arguments = {"questions": make_questions(), "answerer": FakeAnswerer(), "settings": SMALL}
    arguments |= {"settings": settings} if "settings" in change else change
    with pytest.raises(ValueError, match=message):
        label(folder=folder, progress=False, **arguments)


@pytest.mark.parametrize("suffix", [TABLE, FEATURES, SEAL])
def test_lost_file_is_made_again_even_in_a_finished_run(tmp_path, undisturbed, suffix):
    folder = label(make_questions(), FakeAnswerer(), tmp_path / "run", SMALL, progress=False)
    part_path(folder, 1, suffix).unlink()
    answerer = FakeAnswerer()
    label(make_questions(), answerer, folder, SMALL, progress=False)
    assert answerer.n_encoded == 2  # that part only
    check_same(folder, undisturbed)


def test_damaged_part_is_named_and_deleting_it_repairs_the_run(tmp_path, undisturbed):
    folder = label(make_questions(), FakeAnswerer(), tmp_path / "run", SMALL, progress=False)
    damaged = part_path(folder, 1, TABLE)
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"part-00001\.parquet is damaged"):
        read_table(folder)
    part_path(folder, 2, SEAL).unlink()
    with pytest.raises(ValueError, match=r"part-00001\.parquet is damaged .*delete it and run"):
        label(make_questions(), FakeAnswerer(), folder, SMALL, progress=False)
    damaged.unlink()
    label(make_questions(), FakeAnswerer(), folder, SMALL, progress=False)
    check_same(folder, undisturbed)


def test_moved_data_do_not_change_a_begun_run(tmp_path, undisturbed):
    folder = label(make_questions(), FakeAnswerer(), tmp_path / "run", SMALL, progress=False)
    part_path(folder, 1, SEAL).unlink()
    questions = make_questions()
    moved = QuestionSet("moved", questions, questions.image)
    label(moved, FakeAnswerer(), folder, SMALL, progress=False)
    check_same(folder, undisturbed)


def test_parts_of_another_run_are_refused(tmp_path):
    folder = label(make_questions(), FakeAnswerer(), tmp_path / "run", SMALL, progress=False)
    (folder / "manifest.json").unlink()
    with pytest.raises(ValueError, match="belongs to another run"):
        label(make_questions(), FakeAnswerer(fingerprint="new"), folder, SMALL, progress=False)


def test_finished_run_survives_a_new_version_of_the_code(tmp_path, monkeypatch):
    folder = label(make_questions(), FakeAnswerer(), tmp_path / "run", SMALL, progress=False)
    written = read_manifest(folder).settings[CODE_VERSION]
    monkeypatch.setattr("labels.generate.package_version", lambda: "99.0")
    label(make_questions(), FakeAnswerer(), folder, SMALL, progress=False)
    assert set(read_table(folder)["code_version"]) == {written}
    part_path(folder, 1, SEAL).unlink()
    with pytest.raises(ValueError, match="code_version is .* there but '99.0' now"):
        label(make_questions(), FakeAnswerer(), folder, SMALL, progress=False)


def test_bad_image_names_its_sample_and_keeps_finished_parts(tmp_path, undisturbed):
    questions = make_questions()

    def load(image_id):
        if image_id == questions[3].image_id:
            raise ValueError("cut short")
        return questions.image(image_id)

    folder = tmp_path / "run"
    with pytest.raises(ValueError, match="image of sample 'q3-0': cut short"):
        label(QuestionSet("toy", questions, load), FakeAnswerer(), folder, SMALL, progress=False)
    answerer = FakeAnswerer()
    label(questions, answerer, folder, SMALL, progress=False)
    assert answerer.n_encoded == 3  # the first part, two images, was kept
    check_same(folder, undisturbed)


def test_unwritable_folder_is_refused_before_the_model_is_asked(tmp_path):
    (tmp_path / "file").write_text("in the way")
    answerer = FakeAnswerer()
    with pytest.raises(ValueError, match="cannot write to the folder"):
        label(make_questions(), answerer, tmp_path / "file" / "run", SMALL, progress=False)
    assert answerer.n_encoded == 0


def test_progress_is_on_stderr_and_can_be_off(tmp_path, capsys):
    label(make_questions(), FakeAnswerer(), tmp_path / "loud", SMALL)
    output = capsys.readouterr()
    assert output.out == ""
    assert "labelling toy: 100%" in output.err
    assert "questions/s" in output.err
    label(make_questions(), FakeAnswerer(), tmp_path / "quiet", SMALL, progress=False)
    assert capsys.readouterr().err == ""


N_WRITES = 1 + 1 + 3 * 3 + 1
"""Manifest, questions, three files for each of three parts, manifest."""


def test_number_of_writes(tmp_path, monkeypatch):
    moments = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (moments.append(paths), replace(*paths)))
    label(make_questions(), FakeAnswerer(), tmp_path / "counted", SMALL, progress=False)
    assert len(moments) == N_WRITES


class PowerCut(BaseException):
    """Not an Exception: nothing may tidy up after it, as after a real one."""


@pytest.mark.parametrize("after", [False, True])
def test_a_cut_at_every_write_changes_nothing(tmp_path, monkeypatch, undisturbed, after):
    replace = os.replace
    for moment in range(N_WRITES):
        left = [moment]

        def cut(source, target, left=left):
            left[0] -= 1
            if left[0] >= 0 or after:
                replace(source, target)
            if left[0] < 0:
                raise PowerCut

        folder = tmp_path / f"cut{moment}"
        with monkeypatch.context() as patch, pytest.raises(PowerCut):
            patch.setattr(os, "replace", cut)
            label(make_questions(), FakeAnswerer(), folder, SMALL, progress=False)
        label(make_questions(), FakeAnswerer(), folder, SMALL, progress=False)
        check_same(folder, undisturbed)


def start_labelling(folder, delay):
    command = [sys.executable, __file__, str(folder), str(delay)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def kill_at_random(folder, random_, delay):
    """Start labelling, wait for a new file, and kill it at a random moment after; False if done."""
    before = set(folder.rglob("*"))
    process = start_labelling(folder, delay)
    while process.poll() is None and set(folder.rglob("*")) == before:
        time.sleep(0.001)
    time.sleep(random_.uniform(0, 8 * delay))
    process.kill()
    return process.wait() != 0


def check_killed_run(tmp_path, n_kills):
    delay = 0.01
    questions = make_questions(N_SLOW_IMAGES)
    expected = read_all(label(questions, FakeAnswerer(), tmp_path / "whole", SMALL, False))
    folder = tmp_path / "killed"
    killed = sum(kill_at_random(folder, random.Random(seed), delay) for seed in range(n_kills))
    assert killed == n_kills
    label(questions, FakeAnswerer(), folder, SMALL, progress=False)
    check_same(folder, expected)


def test_killed_run_ends_with_the_same_table(tmp_path):
    check_killed_run(tmp_path, 3)


@pytest.mark.slow
def test_run_killed_ten_times_ends_with_the_same_table(tmp_path):
    check_killed_run(tmp_path, 10)


if __name__ == "__main__":
    os.fsync = lambda handle: None  # a killed process leaves its writes to the kernel
    slow = FakeAnswerer(float(sys.argv[2]))
    label(make_questions(N_SLOW_IMAGES), slow, Path(sys.argv[1]), SMALL, progress=False)
