"""A user's home in miniature: inputs that work, artefacts of ours, and what is only the user's.

Built once per run; afterwards every entry can be compared with what it was, and put back.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Tree = Mapping[str, tuple[str, str]]
"""Path below the home -> what it is (mode and kind), and the hash or target of its content."""


@dataclass(frozen=True)
class World:
    """Where everything lies.

    Attributes:
        home: the user's folder; everything below it is compared.
        spare: a copy from which it is put back.
    """

    home: Path
    spare: Path

    @property
    def outcomes(self) -> Path:
        """A finished label folder of nested scenes."""
        return self.home / "runs" / "outcomes"

    @property
    def router(self) -> Path:
        """A router that was trained on it."""
        return self.home / "runs" / "router"

    @cached_property
    def tree(self) -> Tree:
        """What the home is before a call."""
        return read_tree(self.spare)

    def restore(self, now: Tree) -> None:
        """Put back what differs, which is mostly little.

        Args:
            now: what the home is.
        """
        names = [name for name in {*now, *self.tree} if now.get(name) != self.tree.get(name)]
        try:
            # What is in a folder goes before it, and comes back after it.
            for name in sorted(set(names) & set(now), reverse=True):
                path = self.home / name
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            for name in sorted(set(names) & set(self.tree)):
                _copy_entry(self.spare / name, self.home / name)
        except OSError:
            shutil.rmtree(self.home, ignore_errors=True)
            copy_tree(self.spare, self.home)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder with its symlinks, pipes and times."""
    target.mkdir(parents=True)
    for entry in sorted(source.iterdir()):
        _copy_entry(entry, target / entry.name)
        if entry.is_dir() and not entry.is_symlink():
            (target / entry.name).rmdir()
            copy_tree(entry, target / entry.name)
    shutil.copystat(source, target)  # last: each new entry changes the time of its folder


def _copy_entry(source: Path, target: Path) -> None:
    """Copy one entry, a folder without what is in it."""
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
    elif source.is_dir():
        target.mkdir()
        shutil.copystat(source, target)
    elif source.is_file():
        shutil.copy2(source, target)
    else:
        os.mkfifo(target)


def read_tree(folder: Path) -> Tree:
    """Describe every entry below a folder.

    Returns:
        Path -> kind and mode, content. Two trees are equal if nothing was lost or changed.
    """
    entries: dict[str, tuple[str, str]] = {}
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(root, name)
            entries[path.relative_to(folder).as_posix()] = read_entry(path)
    return entries


def read_entry(path: Path) -> tuple[str, str]:
    """Describe one entry: kind and mode, content."""
    # Of a symlink itself: a loop ends here. A pipe is not read: it would wait for a writer.
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return oct(mode), os.readlink(path)
    if stat.S_ISREG(mode):
        return oct(mode), hashlib.sha256(path.read_bytes()).hexdigest()
    return oct(mode), ""


def build_world(folder: Path) -> World:
    """Make a home with inputs, artefacts and private files in an empty folder."""
    world = World(folder / "home", folder / "spare")
    world.home.mkdir(parents=True)
    _write_private(world.home)
    _write_inputs(world.home)
    _run_commands(world)
    # After the commands, so that what they made is put back too.
    copy_tree(world.home, world.spare)
    return world


def _write_private(home: Path) -> None:
    """What no command may ever touch: notes, half-finished things of other programs, an app."""
    for name in ("notes.txt", "old.tmp", "thesis.partial", ".hidden", "index.html", "report.md"):
        (home / name).write_text(f"{name} is mine\n")
        os.utime(home / name, (1e9, 1e9))
    checkpoint = home / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text('{"model_type": "llava"}')
    (checkpoint / "model.safetensors").write_bytes(b"weights" * 100)
    for name in ("checkpoint.partial", "checkpoint.unfinished", "data.tmp"):
        (home / name).mkdir()
        (home / name / "precious").write_text("mine")
        os.utime(home / name, (1e9, 1e9))
    (home / "link").symlink_to("notes.txt")
    (home / "loop").symlink_to("loop")
    (home / "folder-link").symlink_to("checkpoint")
    os.mkfifo(home / "pipe")


def _write_inputs(home: Path) -> None:
    from PIL import Image

    for index in range(3):
        shade = (80 * index, 10, 200)
        Image.new("RGB", (48, 40), shade).save(home / f"{index}.png")
    rows = [
        {"image": f"{index}.png", "question": "what colour?", "answers": ["red", "Red"]}
        for index in range(3)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (home / "questions.jsonl").write_text(text)
    # Those of the table, so that features can be added to its labels.
    asked = [
        {
            "sample_id": f"s{sample}",
            "image": f"{sample % 3}.png",
            "question": "what?",
            "answers": ["red"],
        }
        for sample in range(12)
    ]
    (home / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    table = ["sample_id,scale,answer,score,image_id,group"]
    for sample in range(12):
        table += [f"s{sample},{scale},red,{sample % 2},i{sample % 5},g" for scale in (1, 9)]
    (home / "table.csv").write_text("\n".join(table) + "\n")
    (home / "talks.json").write_text(
        json.dumps(
            [
                {
                    "id": "0",
                    "image": "0.png",
                    "conversations": [
                        {"from": "human", "value": "<image>\nwhat colour?"},
                        {"from": "gpt", "value": "red"},
                    ],
                }
            ]
        )
    )


def _run_commands(world: World) -> None:
    from click.testing import CliRunner

    from scripts.cli import main

    runs = world.home / "runs"
    other, official = str(runs / "calibration"), str(world.home.with_name("official"))
    calls = (
        ["label", "--source", "scenes:router-train", "--limit", "10", "--out", str(world.outcomes)],
        ["label", "--source", "scenes:calibration", "--limit", "3", "--out", other],
        ["convert", "m3-mini", official, "--to", "official"],
        ["import", "--table", str(world.home / "table.csv"), "--out", str(runs / "imported")],
        [
            *("train", "--outcomes", str(world.outcomes), "--calibration", other, "--no-tune"),
            *("--kind", "linear", "--out", str(world.router)),
        ],
    )
    for call in calls:
        result = CliRunner().invoke(main, call)
        if result.exit_code != 0:
            raise RuntimeError(f"m3scale {' '.join(call)} failed: {result.output}")
    # By a link, so that its weights are not hashed after each call.
    (world.home / "official").symlink_to(official)
