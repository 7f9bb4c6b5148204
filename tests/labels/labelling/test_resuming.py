"""Labelling that is killed, cut off, damaged and resumed in every way we know."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labels.labelling.run import label
from labels.labelling.sharing import Share
from labels.outcomes.manifest import CODE_VERSION, read_manifest
from labels.outcomes.parts import CHECKSUMS, FEATURES, TABLE, list_parts, part_path
from labels.outcomes.table import read_table
from labels.questions import QuestionSet

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "tests" / "labels" / "conftest.py"

pytestmark = pytest.mark.usefixtures("skip_waiting_for_the_disk")


@pytest.mark.parametrize("suffix", [TABLE, FEATURES, CHECKSUMS])
def test_lost_file_is_made_again_even_in_a_finished_run(tmp_path, undisturbed, suffix, toy):
    folder = label(
        toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, progress=False
    )
    part_path(folder, 1, suffix).unlink()
    answerer = toy.Answerer()
    label(toy.make_questions(), answerer, folder, toy.small, progress=False)
    assert answerer.n_encoded == 2  # that part only
    toy.check_same(folder, undisturbed)


def test_damaged_part_is_named_and_deleting_it_repairs_the_run(tmp_path, undisturbed, toy):
    folder = label(
        toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, progress=False
    )
    damaged = part_path(folder, 1, TABLE)
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"part-00001\.parquet is damaged"):
        read_table(folder)
    part_path(folder, 2, CHECKSUMS).unlink()
    with pytest.raises(ValueError, match=r"part-00001\.parquet is damaged .*delete it and run"):
        label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)
    damaged.unlink()
    label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)
    toy.check_same(folder, undisturbed)


def test_moved_data_do_not_change_a_begun_run(tmp_path, undisturbed, toy):
    folder = label(
        toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, progress=False
    )
    part_path(folder, 1, CHECKSUMS).unlink()
    questions = toy.make_questions()
    moved = QuestionSet("moved", questions, questions.image)
    label(moved, toy.Answerer(), folder, toy.small, progress=False)
    toy.check_same(folder, undisturbed)


def test_parts_of_another_run_are_refused(tmp_path, toy):
    folder = label(
        toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, progress=False
    )
    (folder / "manifest.json").unlink()
    with pytest.raises(ValueError, match="belongs to another run"):
        label(
            toy.make_questions(), toy.Answerer(fingerprint="new"), folder, toy.small, progress=False
        )


def test_finished_run_survives_a_new_version_of_the_code(tmp_path, monkeypatch, toy):
    folder = label(
        toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, progress=False
    )
    written = read_manifest(folder).settings[CODE_VERSION]
    monkeypatch.setattr("labels.labelling.run.package_version", lambda: "99.0")
    label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)
    assert set(read_table(folder)["code_version"]) == {written}
    part_path(folder, 1, CHECKSUMS).unlink()
    with pytest.raises(ValueError, match="code_version is .* there but '99.0' now"):
        label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)


def test_bad_image_names_its_sample_and_keeps_finished_parts(tmp_path, undisturbed, toy):
    questions = toy.make_questions()

    def load(image_id):
        if image_id == questions[3].image_id:
            raise ValueError("cut short")
        return questions.image(image_id)

    folder = tmp_path / "run"
    with pytest.raises(ValueError, match="image of sample 'q3-0': cut short"):
        label(
            QuestionSet("toy", questions, load), toy.Answerer(), folder, toy.small, progress=False
        )
    answerer = toy.Answerer()
    label(questions, answerer, folder, toy.small, progress=False)
    assert answerer.n_encoded == 3  # the first part, two images, was kept
    toy.check_same(folder, undisturbed)


N_WRITES = 1 + 1 + 3 + 1
"""Manifest, questions, three parts, manifest."""


def test_number_of_writes(tmp_path, monkeypatch, toy):
    moments = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (moments.append(paths), replace(*paths)))
    label(toy.make_questions(), toy.Answerer(), tmp_path / "counted", toy.small, progress=False)
    assert len(moments) == N_WRITES


class PowerCut(BaseException):
    """Not an Exception: nothing may tidy up after it, as after a real one."""


@pytest.mark.parametrize("after", [False, True])
def test_a_cut_at_every_write_changes_nothing(tmp_path, monkeypatch, undisturbed, after, toy):
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
            label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)
        label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)
        toy.check_same(folder, undisturbed)


def start_labelling(folder, delay, more):
    command = [sys.executable, str(PROGRAM), str(folder), str(delay)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **more})


def list_all(folder):
    """All that lies in a folder; what is renamed in the meantime may be missing."""
    return {(at, name) for at, folders, files in os.walk(folder) for name in (*folders, *files)}


def kill_at_random(folder, random_, delay, **more):
    """Start labelling, wait for a new file, and kill it at a random moment after; False if done."""
    before = list_all(folder)
    process = start_labelling(folder, delay, more)
    while process.poll() is None and list_all(folder) == before:
        time.sleep(0.001)
    time.sleep(random_.uniform(0, 8 * delay))
    process.kill()
    return process.wait() != 0


def check_killed_run(tmp_path, n_kills, toy):
    delay = 0.01
    questions = toy.make_questions(toy.n_slow_images)
    expected = toy.read_all(label(questions, toy.Answerer(), tmp_path / "whole", toy.small, False))
    folder = tmp_path / "killed"
    killed = sum(kill_at_random(folder, random.Random(seed), delay) for seed in range(n_kills))
    assert killed == n_kills
    label(questions, toy.Answerer(), folder, toy.small, progress=False)
    toy.check_same(folder, expected)


def test_killed_run_ends_with_the_same_table(tmp_path, toy):
    check_killed_run(tmp_path, 3, toy)


def test_repeats_whose_answers_are_drawn_are_the_same_after_kills_and_in_shares(tmp_path, toy):
    """Two shares, each killed at work and then run to its end; the second one begins."""
    questions, delay = toy.make_questions(toy.n_slow_images), 0.002
    whole = label(questions, toy.Answerer(), tmp_path / "whole", toy.drawn, False)
    expected = toy.read_all(whole)
    changes = expected[0].groupby(["sample_id", "scale"])["score"].nunique()
    assert 0.1 < (changes > 1).mean() < 0.9
    folder = tmp_path / "killed"
    for rank in (1, 0):
        share = {"RANK": str(rank), "WORLD_SIZE": "2", "DRAWN": ""}
        assert kill_at_random(folder, random.Random(rank), delay, **share)
        before = len(list_parts(folder))
        label(questions, toy.Answerer(), folder, toy.drawn, False, Share(rank, 2))
        assert before < len(list_parts(folder))
    toy.check_same(folder, expected)


@pytest.mark.slow
def test_run_killed_ten_times_ends_with_the_same_table(tmp_path, toy):
    check_killed_run(tmp_path, 10, toy)
