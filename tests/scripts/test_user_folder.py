"""A user's folder, after every command was pointed at all in it: refused, and byte-identical."""

import os
import stat

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from scripts.cli import COMMANDS, main
from scripts.fuzzing.world import copy_tree

HERE = os.path.dirname(__file__)


def describe(folder):
    """Path -> kind, mode, time of change and content, of everything below a folder."""
    entries = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content = b""
        if stat.S_ISLNK(facts.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(facts.st_mode):
            content = path.read_bytes()
        time = facts.st_mtime_ns if not stat.S_ISDIR(facts.st_mode) else 0
        entries[str(path.relative_to(folder))] = (facts.st_mode, time, content)
    return entries


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """Notes, leftovers of other programs, an app, links, a pipe, a device, and our artefacts."""
    home = tmp_path_factory.mktemp("user") / "home"
    artefacts = os.path.join(HERE, "old_artefacts")
    copy_tree(type(home)(artefacts), home)
    for name in ("notes.txt", "a.tmp", "a.partial", ".x.writing", "data.csv", "package.json"):
        (home / name).write_text('{"name": "mine"}')
        os.utime(home / name, (1e9, 1e9))
    for name in ("app", "b.tmp", "b.partial", ".y.writing", "site"):
        (home / name).mkdir()
        for inner in ("config.json", "manifest.json", "index.html", "report.md", "results.json"):
            (home / name / inner).write_text('{"model_type": "llava"}')
    (home / "bare").mkdir()
    (home / "bare" / "thesis.txt").write_text("years")
    (home / "taken" / "report").mkdir(parents=True)
    (home / "taken" / "report" / "index.html").write_text("<title>mine</title>")
    (home / "labels").mkdir()
    (home / "labels" / "questions.parquet").write_bytes(b"PAR1")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(home / "photo.png")
    (home / "questions.jsonl").write_text('{"image": "photo.png", "question": "?", "answers": "a"}')
    (home / "link").symlink_to("notes.txt")
    (home / "to-app").symlink_to("app")
    (home / "loop").symlink_to("loop")
    os.mkfifo(home / "pipe")
    if os.geteuid() == 0:
        os.mknod(home / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    return home


def list_calls(home):
    """Every command with every place that it must not write to."""
    files = ["notes.txt", "a.tmp", "photo.png", "package.json", "link", "loop", "pipe", "app"]
    files += ["app/config.json", "router/config.json", "outcomes/calibration/manifest.json"]
    files += ["data.csv", "notes.txt/below", *(["null"] if (home / "null").exists() else [])]
    folders = ["app", "site", "b.tmp", "b.partial", ".y.writing", "bare", "labels", "to-app"]
    folders += ["notes.txt", "link", "loop", "pipe", ".", "outcomes", "notes.txt/below"]
    outcomes = ["--outcomes", "outcomes/calibration"]
    splits = ["--train", "outcomes/router-train", "--calibration", "outcomes/calibration"]
    splits += ["--test", "outcomes/calibration", "--router", "router"]
    to_file = [
        ["ablate", "--outcomes", "outcomes/router-train", "--calibration", outcomes[1], "--json"],
        ["ask", "what?", "--image", "photo.png", "--scale", "1", "--json"],
        ["audit", *outcomes, "--json"],
        ["label", "--source", "questions.jsonl", "--out", "new", "--json"],
        ["oracle", *outcomes, "--json"],
        ["profile", "--limit", "1", "--repeats", "1", "--out"],
        ["report", *splits, "--out", "new", "--json"],
        ["serve", "--port", "0", "--router", "router", "--log"],
        ["train", *outcomes, "--no-tune", "--kind", "linear", "--out", "new", "--json"],
        ["verify", "--router", "router", "--json"],
        ["demo", "--out", "new", "--json"],
    ]
    tuned = ["finetune", "--model", "m3-mini", "--data", "scenes", "--steps", "1", "--quiet"]
    to_folder = [
        [*tuned, "--out"],
        ["import", "--table", "data.csv", "--out"],
        ["convert", "m3-mini"],
        ["label", "--source", "questions.jsonl", "--out"],
        ["train", *outcomes, "--no-tune", "--kind", "linear", "--out"],
    ]
    calls = [[*call, place] for call in to_file for place in files]
    calls += [[*call, place] for call in to_folder for place in folders]
    others = ["app", "site", "taken/report", "link", "loop", "pipe", "outcomes/calibration"]
    calls += [["report", *splits, "--out", place] for place in others]
    calls += [["demo", "--out", place] for place in ("taken", "link", "pipe", "notes.txt/below")]
    calls += [["report", "--markdown", "package.json", place] for place in files]
    calls += [["compact", "--outcomes", place] for place in folders]
    features = ["features", "--source", "questions.jsonl", "--outcomes"]
    calls += [[*features, place] for place in folders]
    return calls


def test_nothing_of_a_user_changes_when_an_output_is_refused(home, monkeypatch):
    monkeypatch.chdir(home)
    before, calls = describe(home), list_calls(home)
    tried = {call[0] for call in calls}
    # push writes nothing; pull has a test below.
    assert set(COMMANDS) - tried == {"push", "pull"}
    for call in calls:
        result = CliRunner().invoke(main, call)
        assert (result.exit_code, result.stdout) == (2, ""), (call[-1], call, result.output)
        assert result.stderr.count("\n") == 1, (call, result.stderr)
        assert describe(home) == before, call


def test_pull_changes_nothing_of_a_user(home, monkeypatch):
    router = os.path.join(HERE, "old_artefacts", "router")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: router)
    monkeypatch.chdir(home)
    before = describe(home)
    for place in ("app", "site", "b.tmp", "bare", "to-app", "notes.txt", "pipe", ".", "outcomes"):
        result = CliRunner().invoke(main, ["pull", "owner/name", place])
        assert result.exit_code == 2, (place, result.output, result.exc_info)
        assert describe(home) == before, place
