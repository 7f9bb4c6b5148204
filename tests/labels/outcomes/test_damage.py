"""A disk that fills up, damaged parts, a manifest of another model: each is named."""

import os
import shutil

import pytest

from labels.labelling.run import label
from labels.outcomes.manifest import read_manifest
from labels.outcomes.parts import CHECKSUMS, FEATURES, TABLE, list_parts
from labels.outcomes.table import read_features, read_table

resource = pytest.importorskip("resource")

pytestmark = pytest.mark.usefixtures("skip_waiting_for_the_disk")


def check_whole_parts(folder, n_parts):
    """Nothing is half-written, and something was done."""
    places = [path for path in (folder / "parts").iterdir() if path.suffix != ".claim"]
    assert [part.place for part in list_parts(folder)] == sorted(places)
    assert 0 < len(places) < n_parts
    assert not list(folder.rglob("*.tmp"))


def test_full_disk_is_named_and_the_run_goes_on_once_there_is_room(tmp_path, small_disk, toy):
    questions = toy.make_questions(toy.n_slow_images)
    expected = toy.read_all(label(questions, toy.Answerer(), tmp_path / "whole", toy.small, False))
    disk, make_room = small_disk
    folder = disk / "run"
    for what in (r"parts/part-\d+\S*", r"\S+"):  # a second try finds no more room than the first
        with pytest.raises(
            OSError, match=rf"cannot write \S*{what}: No space left on device; what"
        ):
            label(questions, toy.Answerer(), folder, toy.small, progress=False)
        check_whole_parts(folder, toy.n_slow_images // 2)
    make_room()
    label(questions, toy.Answerer(), folder, toy.small, progress=False)
    toy.check_same(folder, expected)


def test_file_that_may_not_grow_is_named_and_leaves_nothing(tmp_path, undisturbed, toy):
    folder, limits = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot write .*: File too large; what was written bef"):
            label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(folder.rglob("*.tmp"))
    label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)
    toy.check_same(folder, undisturbed)


def cut(content):
    return content[: len(content) // 2]


def flip(content):
    place = len(content) // 3
    return content[:place] + bytes([content[place] ^ 8]) + content[place + 1 :]


@pytest.mark.parametrize("suffix", [TABLE, FEATURES, CHECKSUMS])
@pytest.mark.parametrize("damage", [cut, flip])
def test_damage_is_named_when_read_and_when_resumed(tmp_path, undisturbed, suffix, damage, toy):
    folder = label(toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, False)
    samples = read_table(folder)["sample_id"].unique()
    path = list_parts(folder)[1].file(suffix)
    path.write_bytes(damage(path.read_bytes()))
    message = rf"part-00001\{suffix} (is damaged|cannot be used|belongs to another run)"
    with pytest.raises(ValueError, match=message):
        read_features(folder, samples) if suffix == FEATURES else read_table(folder)
    shutil.rmtree(list_parts(folder)[2].place)
    with pytest.raises(ValueError, match=message):
        label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)
    path.unlink()
    label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)
    toy.check_same(folder, undisturbed)


@pytest.mark.parametrize("finished", [True, False])
def test_manifest_of_another_model_is_named(tmp_path, finished, toy):
    ours, theirs = (
        label(toy.make_questions(), toy.Answerer(fingerprint=name), tmp_path / name, toy.small)
        for name in ("ours", "theirs")
    )
    if not finished:
        shutil.rmtree(list_parts(ours)[1].place)
    os.replace(theirs / "manifest.json", ours / "manifest.json")
    runs = r"part-0000\d\.json belongs to another run \(\w{16}, not " + read_manifest(ours).run
    with pytest.raises((ValueError, FileNotFoundError), match=runs if finished else "not complete"):
        read_table(ours)
    with pytest.raises(ValueError, match="checkpoint is 'theirs' there but 'ours' now"):
        label(toy.make_questions(), toy.Answerer(fingerprint="ours"), ours, toy.small)
