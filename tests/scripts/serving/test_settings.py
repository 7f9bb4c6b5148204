"""Where the token comes from, what a model is called, who can reach the server."""

import pytest
from click.testing import CliRunner

from scripts.cli import main
from scripts.serving import opening
from scripts.serving.running import open_port
from scripts.serving.settings import ServeSettings, is_log, is_loopback, read_variable
from scripts.terminal.outputs import check_file


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


@pytest.mark.parametrize("name", ["M3SCALE_TOKEN", "M3SCALE_UPSTREAM_TOKEN"])
def test_tokens_of_variables_are_checked_alike(monkeypatch, name):
    monkeypatch.delenv(name, raising=False)
    assert read_variable(name) is None
    monkeypatch.setenv(name, " word\n")
    assert read_variable(name) == "word"
    for content in ("", "\n", "two words", "caf\u00e9", "\udcff"):
        monkeypatch.setenv(name, content)
        with pytest.raises(ValueError, match=f"^{name} must hold a token"):
            read_variable(name)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:abc", "http://[::1", "http://host:99999", "http://host:0", "http://:8000",
        "http://host:-1", "http://a.b:80:80", "http://256.1.1.1", "http://[g]", "http://..",
        f"http://{'a' * 64}", "http://\u2603\ud800", "host:8000", "http://user@host", "http://a b",
        "http://host/\x7f", "",
    ],
)  # fmt: skip
def test_what_is_no_address_of_an_upstream_is_refused(url):
    with pytest.raises(ValueError, match="--upstream wants an address such as") as caught:
        ServeSettings(upstreams=(url,))
    assert "\n" not in str(caught.value)


def test_upstreams_have_names_or_addresses_ports_and_paths():
    urls = ("http://host", "https://10.0.0.5:8443/m3", "http://[fd00::1]:1", "http://a.b:65535/")
    assert ServeSettings(upstreams=urls).upstreams == urls


def test_a_log_may_hold_nothing_but_an_unfinished_line(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"scale": 36, "rea')
    check_file(path, is_log)
    path.write_bytes(b'{"mine": 36}')
    with pytest.raises(ValueError, match="log.jsonl"):
        check_file(path, is_log)


def test_a_model_is_called_by_its_name_or_the_last_part_of_its_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    assert ServeSettings().name_of("owner/name") == "owner/name"
    assert ServeSettings().name_of(str(tmp_path / "mine")) == "mine"
    assert ServeSettings(name="other").name_of("m3-mini") == "other"


@pytest.mark.parametrize(
    ("address", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.0.1.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:7f00:1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.5", False),
        ("::ffff:10.0.0.5", False),
        ("fe80::1%1", False),
    ],
)
def test_only_loopback_is_local(address, is_local):
    assert is_loopback(address) == is_local


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "LOCALHOST"])
def test_an_address_of_this_machine_is_known_however_it_is_written(host):
    with open_port(host, 0) as port:
        address = port.getsockname()[0]
    names = ServeSettings(host=host).list_own_hosts(address)
    assert {"localhost", "127.0.0.1", "[::1]", host} <= set(names)


def test_the_command_goes_by_the_address_that_it_took(monkeypatch):
    def note(*given):
        raise ValueError(f"opened at {given[-1]}")

    monkeypatch.setattr(opening, "open_app", note)
    done = CliRunner().invoke(main, ["serve", "--host", "127.1", "--port", "0"])
    assert done.stderr == "Error: opened at 127.0.0.1\n"


def test_the_server_has_all_names_or_those_of_this_machine_and_those_that_are_given():
    here = ("localhost", "127.0.0.1", "[::1]")
    assert ServeSettings().list_own_hosts("127.0.0.1") == (*here, "127.0.0.1", "127.0.0.1")
    assert ServeSettings(host="me").list_own_hosts("127.0.1.1") == (*here, "me", "127.0.1.1")
    assert ServeSettings(host="::1").list_own_hosts("::1") == (*here, "[::1]", "[::1]")
    assert ServeSettings(host="10.0.0.5").list_own_hosts("10.0.0.5") == ()
    named = ServeSettings(host="me", allowed_hosts=("chat.example.org", "*", "[fd00::1]"))
    assert named.list_own_hosts("10.0.0.5") == (*here, "me", "10.0.0.5")


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
