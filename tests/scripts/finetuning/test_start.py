import os

from m3_backbone.files import worker_name
from scripts.finetuning.start import RECORD, is_finished


def test_what_a_kill_left_beside_a_finished_folder_is_swept_by_the_next_run(tmp_path):
    out = tmp_path / "tuned"
    out.mkdir()
    (out / RECORD).write_text("what was trained")
    # This process has it not open, so it is of an older one with the same number.
    stage = tmp_path / f".m3scale-{worker_name()}-12345678.writing"
    stage.mkdir()
    (stage / "note.json").touch()
    assert is_finished(out, "what was trained")
    assert os.listdir(tmp_path) == ["tuned"]
