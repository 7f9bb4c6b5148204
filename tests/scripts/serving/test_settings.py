"""Where the token comes from, what a model is called, who can reach the server."""

import pytest

from scripts.serving.settings import ServeSettings


def test_the_token_of_a_file_comes_before_that_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("M3SCALE_TOKEN", raising=False)
    assert ServeSettings().read_token() is None
    monkeypatch.setenv("M3SCALE_TOKEN", "from-environment")
    assert ServeSettings().read_token() == "from-environment"
    path = tmp_path / "token"
    path.write_text(" from-file\n")
    assert ServeSettings(token_file=path).read_token() == "from-file"


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"\xff\xfe", "caf\u00e9".encode()])
def test_what_is_no_token_is_refused(tmp_path, content):
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="must hold a token"):
        ServeSettings(token_file=path).read_token()


def test_a_model_is_called_by_its_name_or_the_last_part_of_its_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    assert ServeSettings().name_of("owner/name") == "owner/name"
    assert ServeSettings().name_of(str(tmp_path / "mine")) == "mine"
    assert ServeSettings(name="other").name_of("m3-mini") == "other"


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_only_loopback_is_local(host, is_local):
    assert ServeSettings(host=host).is_local == is_local


def test_the_server_has_all_names_or_those_of_this_machine_and_those_that_are_given():
    here = ("localhost", "127.0.0.1", "[::1]")
    assert ServeSettings().own_hosts == (*here, "127.0.0.1")
    assert ServeSettings(host="::1").own_hosts == (*here, "[::1]")
    assert ServeSettings(host="10.0.0.5").own_hosts == ()
    named = ServeSettings(host="10.0.0.5", allowed_hosts=("chat.example.org", "*", "[fd00::1]"))
    assert named.own_hosts == (*here, "10.0.0.5")


@pytest.mark.parametrize("host", ["", "https://example.org", "example.org/images", "a@b", "a b"])
def test_what_is_no_host_of_images_is_refused(host):
    with pytest.raises(ValueError, match="--remote-images wants a host"):
        ServeSettings(remote_images=(host,))


def test_hosts_of_images_may_be_patterns_and_have_ports():
    hosts = ("*", "*.example.org", "images.example.org:8080")
    assert ServeSettings(remote_images=hosts).remote_images == hosts


def test_a_model_has_a_name():
    with pytest.raises(ValueError, match="--name is empty"):
        ServeSettings(name="")
