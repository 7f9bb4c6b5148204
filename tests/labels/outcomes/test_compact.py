"""Joining the parts of a finished run, killed or not."""

import pytest

from labels.labelling.run import label
from labels.labelling.sharing import Share
from labels.labelling.status import read_status
from labels.outcomes.compact import compact
from labels.outcomes.parts import TABLE, list_parts
from labels.outcomes.table import read_table

pytestmark = pytest.mark.usefixtures("skip_waiting_for_the_disk")


def test_compacted_run_says_the_same_and_is_left_as_it_is(tmp_path, undisturbed, toy):
    folder = label(toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, False)
    assert compact(folder) == (3, 1)
    assert [path.name for path in (folder / "parts").iterdir()] == ["part-00000-00002"]
    assert compact(folder) == (1, 1)
    assert read_table(folder).drop(columns="wall_ms").equals(undisturbed[0])
    assert read_status(folder)["workers"][0]["parts"] == 3
    answerer = toy.Answerer()
    label(toy.make_questions(), answerer, folder, toy.small, progress=False)
    assert answerer.n_encoded == 0
    # What was lost of it is made again, part by part.
    list_parts(folder)[0].file(TABLE).unlink()
    label(toy.make_questions(), answerer, folder, toy.small, progress=False)
    assert answerer.n_encoded == 5
    assert read_table(folder).drop(columns="wall_ms").equals(undisturbed[0])


def test_compaction_killed_at_any_write_leaves_the_run_whole(tmp_path, undisturbed, toy):
    folder = label(toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, False)
    for name in ("write_part", "check_part", "drop_joined"):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(f"labels.outcomes.compact.{name}", interrupt)
            compact(folder)
        assert read_table(folder).drop(columns="wall_ms").equals(undisturbed[0])
    assert compact(folder) == (1, 1)
    assert len(list((folder / "parts").iterdir())) == 1


def interrupt(*_):
    raise KeyboardInterrupt


def test_small_files_are_wanted_small(tmp_path, toy):
    folder = label(toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, False)
    assert compact(folder, largest=1) == (3, 3)
    sizes = [part.file(s).stat().st_size for part in list_parts(folder) for s in (".npz", TABLE)]
    assert compact(folder, largest=sum(sizes[:4])) == (3, 2)


def test_unfinished_run_is_not_compacted(tmp_path, toy):
    share = Share(0, 2)
    label(toy.make_questions(), toy.Answerer(), tmp_path, toy.small, progress=False, share=share)
    with pytest.raises(ValueError, match="is not finished; run m3scale label again before it is"):
        compact(tmp_path)
