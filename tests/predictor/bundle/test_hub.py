"""Push and pull with the Hub's real client, against the few answers of the Hub that it needs."""

import base64
import errno
import hashlib
import json
import os
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import constants

from predictor.bundle.bundle import RouterBundle
from predictor.bundle.hub import open_router, pull_router, push_router
from predictor.data import TrainData
from predictor.features.feature_map import FeatureSettings
from predictor.training.train import TrainSettings, train_bundle
from scripts.cli import main

NAME = "me/a-router"


class FakeHub(BaseHTTPRequestHandler):
    """A repository a name, one branch, every file sent with the commit; the Hub takes large files
    by a protocol of its own, which is not tried here."""

    def log_message(self, *arguments):
        pass

    def answer(self, content=b"", status=200, **headers):
        self.send_response(status)
        for key, value in {"Content-Length": len(content), **headers}.items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def answer_json(self, value, status=200, **headers):
        self.answer(json.dumps(value).encode(), status, Content_Type="application/json", **headers)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self):
        hub, body = self.server, self.body()
        if self.path == "/api/repos/create":
            request = json.loads(body)
            name = f"{request.get('organization', 'me')}/{request['name']}"
            hub.repositories.setdefault(name, {})
            hub.private[name] = request.get("private", request.get("visibility") == "private")
            self.answer_json({"url": f"{hub.url}/{name}"})
        elif "/preupload/" in self.path:
            modes = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self.answer_json({"files": modes})
        elif "/commit/" in self.path:
            self.commit([json.loads(line) for line in body.splitlines()])
        else:  # the card's front matter is checked here
            hub.cards.append(json.loads(body)["content"])
            self.answer_json({"errors": [], "warnings": []})

    def commit(self, lines):
        name = re.match(r"/api/models/(.+)/commit/", self.path)[1]
        files = self.server.repositories[name]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
        sha = self.sha(files)
        url = f"{self.server.url}/{name}/commit/{sha}"
        self.answer_json({"commitUrl": url, "commitOid": sha})

    def sha(self, files):
        return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()

    def do_GET(self):
        name = "/".join(self.path.removeprefix("/api/models").split("/")[1:3])
        files = self.server.repositories.get(name)
        if files is None:
            return self.answer_json({}, 404, X_Error_Code="RepoNotFound")
        sha = self.sha(files)
        if "/resolve/" in self.path:
            content = files[self.path.rpartition("/")[2]]
            etag = hashlib.sha1(content).hexdigest()
            return self.answer(content, ETag=f'"{etag}"', X_Repo_Commit=sha)
        if "/tree/" in self.path:
            return self.answer_json(
                [
                    {
                        **{"type": "file", "path": path, "size": len(content)},
                        "oid": hashlib.sha1(content).hexdigest(),
                    }
                    for path, content in files.items()
                ]
            )
        siblings = [{"rfilename": path} for path in files]
        return self.answer_json({"id": name, "sha": sha, "siblings": siblings})

    do_HEAD = do_GET


@pytest.fixture
def hub(monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.repositories, server.cards, server.private = {}, [], {}
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def bundle():
    rng = np.random.default_rng(0)
    names = np.array([f"{row}" for row in range(80)])
    split = TrainData(
        sample_ids=names,
        image_ids=names,
        groups=np.full(80, "g"),
        coarse=rng.normal(size=(80, 10, 4)),
        question=rng.normal(size=(80, 4)),
        scores=rng.integers(0, 2, (80, 2)).astype(float),
        tokens=np.tile([1.0, 9.0], (80, 1)),
        scales=(1, 9),
    )
    settings = TrainSettings("linear", features=FeatureSettings(product_question=2))
    return train_bundle(split, None, settings, {"checkpoint": "abc"})


@pytest.fixture
def folder(bundle, tmp_path):
    return bundle.save(tmp_path / "router")


def read(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_pushed_is_what_is_pulled(hub, folder, tmp_path):
    (folder / "notes.tmp").write_text("not part of a router", encoding="utf-8")
    url = push_router(folder, NAME, private=True)
    assert url.startswith(f"{hub.url}/{NAME}/commit/") and hub.private[NAME]
    (folder / "notes.tmp").unlink()
    assert hub.repositories[NAME] == read(folder)
    hub.repositories[NAME]["picture.png"] = b"somebody's"
    pulled = read(pull_router(NAME, tmp_path / "pulled"))
    origin = json.loads(pulled.pop("origin.json"))
    assert origin["name"] == NAME and re.fullmatch("[0-9a-f]{40}", origin["commit"])
    assert pulled == read(folder)
    assert open_router(NAME).meta["checkpoint"] == "abc"


def test_the_card_has_front_matter_that_the_hub_can_read(hub, folder):
    push_router(folder, NAME)
    assert hub.cards == [(folder / "README.md").read_text("utf-8")]
    facts = huggingface_hub.ModelCard(hub.cards[0]).data
    assert facts.library_name == "m3scale" and "visual-tokens" in facts.tags


def test_a_damaged_router_is_neither_sent_nor_taken(hub, folder, tmp_path):
    push_router(folder, NAME)
    sent = dict(hub.repositories[NAME])
    weights = next(iter(sorted(folder.glob("*.npz"))))
    weights.write_bytes(weights.read_bytes() + b"!")
    with pytest.raises(ValueError, match="was changed or damaged"):
        push_router(folder, NAME)
    assert hub.repositories[NAME] == sent
    hub.repositories[NAME][weights.name] += b"!"
    for take in (lambda: pull_router(NAME, tmp_path / "pulled"), lambda: open_router(NAME)):
        with pytest.raises(ValueError, match="was changed or damaged"):
            take()
    assert not (tmp_path / "pulled").exists()


def test_pull_replaces_a_router_and_nothing_else(hub, folder, tmp_path):
    push_router(folder, NAME)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="is not a saved router"):
        pull_router(NAME, tmp_path / "mine")
    pulled = read(pull_router(NAME, folder))
    assert {**hub.repositories[NAME], "origin.json": pulled["origin.json"]} == pulled


def test_an_edited_card_is_not_taken_along(hub, folder, tmp_path):
    push_router(folder, NAME)
    hub.repositories[NAME]["README.md"] = b"[click](https://x.example)"
    assert "README.md" not in read(pull_router(NAME, tmp_path / "pulled"))


def test_a_link_out_of_what_was_fetched_is_not_followed(folder, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("mine", encoding="utf-8")
    snapshot = tmp_path / "cache" / "snapshots" / "0123"
    shutil.copytree(folder, snapshot)
    (snapshot / "README.md").unlink()
    (snapshot / "README.md").symlink_to(tmp_path / "secret")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(snapshot))
    with pytest.raises(ValueError, match="README.md is a link that leads out of the repository"):
        pull_router(NAME, tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


@pytest.mark.usefixtures("hub")
def test_what_the_hub_does_not_have_is_one_error(tmp_path):
    with pytest.raises(ValueError, match="cannot fetch me/nothing from the Hub: "):
        pull_router("me/nothing", tmp_path / "pulled")
    with pytest.raises(FileNotFoundError, match="none of that name could be fetched"):
        open_router("me/nothing")
    with pytest.raises(FileNotFoundError, match="no router in runs/mine/router"):
        open_router("runs/mine/router")
    with pytest.raises(ValueError, match="cannot fetch a b/c"):
        pull_router("a b/c", tmp_path / "pulled")


def test_a_hub_that_cannot_be_reached_is_one_error(monkeypatch, folder):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match="cannot push .* to me/a-router: "):
        push_router(folder, NAME)


def test_a_folder_goes_before_the_hub(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundle.save("me/a-router")
    assert isinstance(open_router("me/a-router"), RouterBundle)


class Cut(BaseException):
    """A kill: nothing may tidy up after it."""


def test_a_folder_that_was_being_replaced_goes_before_the_hub(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundle.save("me/a-router")
    place = tmp_path / "me" / "a-router"
    replace = os.replace

    def cut(source, target):
        if Path(target) == place:
            raise Cut
        replace(source, target)

    with monkeypatch.context() as patch:
        # As on a file system that exchanges no folders, killed between the two steps.
        patch.setattr("m3_backbone.exchange._exchange_at_once", lambda *_: errno.EINVAL)
        patch.setattr("m3_backbone.files._close_stage", lambda stage: None)
        patch.setattr(os, "replace", cut)
        with pytest.raises(Cut):
            bundle.save("me/a-router")
    assert not place.exists()
    assert isinstance(open_router("me/a-router"), RouterBundle)


def test_the_commands_say_where_things_went(hub, folder, tmp_path, runner):
    pushed = runner.invoke(main, ["push", str(folder), NAME])
    assert pushed.exit_code == 0 and pushed.stdout.startswith(f"{hub.url}/{NAME}/commit/")
    target = str(tmp_path / "pulled")
    pulled = runner.invoke(main, ["pull", NAME, target])
    assert (pulled.exit_code, pulled.stdout) == (0, f"files whole: {target}\n")
    refused = runner.invoke(main, ["push", str(tmp_path / "nowhere"), NAME])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "no router in" in refused.stderr and refused.stderr.count("\n") == 1
