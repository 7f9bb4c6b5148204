import pytest

from m3_backbone.hosts.templates import TEMPLATES, read_template


def test_a_template_has_a_name_or_a_file(tmp_path):
    (tmp_path / "mine.jinja").write_text("<image> ü", encoding="utf-8")
    assert read_template(str(tmp_path / "mine.jinja")) == "<image> ü"
    assert read_template("vicuna_v1") == TEMPLATES["vicuna_v1"]
    with pytest.raises(ValueError, match=r"no chat template 'vicuna': expected llava-1\.5, vicun"):
        read_template("vicuna")


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"a\.png is no chat template: expected text in UTF-8"):
        read_template(str(tmp_path / "a.png"))


def test_a_template_is_read_as_its_file_means_it(tmp_path):
    (tmp_path / "mark.jinja").write_bytes(b"\xef\xbb\xbf<image>")
    assert read_template(str(tmp_path / "mark.jinja")) == "<image>"
    (tmp_path / "chat_template.json").write_text('{"chat_template": "<image> {{ 1 }}"}')
    assert read_template(str(tmp_path / "chat_template.json")) == "<image> {{ 1 }}"


@pytest.mark.parametrize(
    ("name", "content"), [("a.jinja", " \n"), ("a.json", "{}"), ("b.json", '{"chat_template": []}')]
)
def test_a_file_without_a_template_is_named(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=f"{name} holds no chat template"):
        read_template(str(tmp_path / name))
