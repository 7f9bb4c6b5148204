from pathlib import Path

import pytest

from m3_backbone.checkpoints import loading


def test_the_embedded_model_lies_in_the_repository(tmp_path, monkeypatch):
    folder = tmp_path / "models" / "m3-mini"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(
        loading, "__file__", str(tmp_path / "m3_backbone" / "checkpoints" / "loading.py")
    )
    assert loading.embedded_path() == folder


def test_without_it_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(
        loading, "__file__", str(tmp_path / "m3_backbone" / "checkpoints" / "loading.py")
    )
    expected = Path("models") / "m3-mini"
    with pytest.raises(FileNotFoundError, match=f"m3-mini is not at .*{expected}: work in a full"):
        loading.embedded_path()
