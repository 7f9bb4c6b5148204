import json

import pytest

from labels.outcomes.parts import (
    CHECKSUMS,
    FEATURES,
    PARTS,
    TABLE,
    Part,
    check_part,
    list_parts,
    missing_parts,
    part_path,
    prepare_folder,
    read_part,
    read_work,
    write_part,
)

CONTENTS = {TABLE: b"table" * 50, FEATURES: b"features" * 50}
WORK = [{"worker": "node-1", "questions": 8, "seconds": 0.5}]


@pytest.fixture
def part(tmp_path):
    prepare_folder(tmp_path / "run")
    part = Part(7, 7, tmp_path / "run")
    write_part(part, "run1", CONTENTS, WORK)
    return part


def test_part_has_its_files_and_nothing_else(part):
    names = sorted(
        path.relative_to(part.folder / PARTS).as_posix() for path in part.place.iterdir()
    )
    assert names == [f"part-00007/part-00007{suffix}" for suffix in (CHECKSUMS, FEATURES, TABLE)]
    check_part(part, "run1")
    assert read_part(part, "run1", TABLE) == CONTENTS[TABLE]
    assert read_part(part, "run1", FEATURES) == CONTENTS[FEATURES]
    assert read_work(part, "run1") == WORK
    assert list_parts(part.folder) == [part]


@pytest.mark.parametrize("suffix", [TABLE, FEATURES, CHECKSUMS])
def test_part_without_a_file_is_not_there_and_can_be_made_again(part, suffix):
    part.file(suffix).unlink()
    assert not part.is_present()
    assert list_parts(part.folder) == []
    write_part(part, "run1", CONTENTS, WORK)
    check_part(part, "run1")


def test_the_first_of_two_that_make_a_part_wins(part):
    write_part(part, "run1", {**CONTENTS, TABLE: b"later"}, [])
    assert read_part(part, "run1", TABLE) == CONTENTS[TABLE]
    assert [path.name for path in (part.folder / PARTS).iterdir()] == ["part-00007"]


def test_part_of_another_run_is_not_written_over(part):
    with pytest.raises(ValueError, match=r"belongs to another run \(run1, not run2\); delete"):
        write_part(part, "run2", CONTENTS, WORK)


def test_joined_parts_stand_for_those_within(part):
    joined = Part(6, 9, part.folder)
    write_part(joined, "run1", CONTENTS, WORK)
    write_part(Part(10, 10, part.folder), "run1", CONTENTS, WORK)
    assert list_parts(part.folder) == [joined, Part(10, 10, part.folder)]
    assert missing_parts(list_parts(part.folder), 12) == [0, 1, 2, 3, 4, 5, 11]
    joined.file(TABLE).unlink()
    assert list_parts(part.folder) == [part, Part(10, 10, part.folder)]


def test_parts_from_before_they_were_folders_are_read(part):
    for path in part.place.iterdir():
        path.rename(part.folder / PARTS / path.name)
    part.place.rmdir()
    assert list_parts(part.folder) == [part]
    check_part(part, "run1")
    part_path(part.folder, 7, FEATURES).unlink()
    assert list_parts(part.folder) == []


@pytest.mark.parametrize("suffix", [TABLE, FEATURES])
@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_damaged_part_is_named(part, suffix, damage):
    path = part.file(suffix)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[100] ^= 1
    else:
        del content[-1]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"part-00007\{suffix} is damaged .*delete it and run"):
        check_part(part, "run1")


@pytest.mark.parametrize("record", ["", "{", "[]", "{}", '{"run": "run1", "sha256": 3}'])
def test_a_damaged_record_is_named(part, record):
    part.file(CHECKSUMS).write_text(record)
    with pytest.raises(ValueError, match=r"part-00007\.json cannot be used: .*; delete it"):
        check_part(part, "run1")


def test_every_flipped_bit_of_a_record_is_noticed_or_means_nothing(part):
    path = part.file(CHECKSUMS)
    content = path.read_bytes()
    for place in range(0, len(content), 2):
        flipped = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        path.write_bytes(flipped)
        try:
            same = json.loads(flipped) == json.loads(content)
        except ValueError:
            same = False
        if not same:
            with pytest.raises(
                ValueError, match=r"part-00007\.\w+ (is damaged|cannot be used|belongs to)"
            ):
                check_part(part, "run1")


def test_part_of_another_run_is_refused(part):
    with pytest.raises(ValueError, match=r"belongs to another run \(run1, not run2\); delete"):
        check_part(part, "run2")


def test_prepare_refuses_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        ValueError, match="cannot write to the folder .*run: Not a directory; choose"
    ):
        prepare_folder(tmp_path / "file" / "run")


def test_prepare_refuses_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(path, data):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.write_bytes", refuse)
    with pytest.raises(ValueError, match="cannot write to the folder .*run: Permission denied"):
        prepare_folder(tmp_path / "run")


def test_the_record_names_the_run_of_a_part(part):
    assert json.loads(part.file(CHECKSUMS).read_text())["run"] == "run1"


def test_every_edit_of_a_record_is_named(part, edit_json):
    path = part.file(CHECKSUMS)
    record = json.loads(path.read_text())
    for place, edited in edit_json(record):
        if json.dumps(edited) != json.dumps(record):
            path.write_text(json.dumps(edited))
            with pytest.raises(ValueError, match=r"part-00007\.\w+ (is damaged|cannot|belongs)"):
                check_part(part, "run1")
                pytest.fail(f"an edit of {place} passed")
