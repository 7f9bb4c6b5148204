"""Routers on the Hugging Face Hub: push, pull, and open by name.

What arrives is checked against its own hashes, as on disk: that finds damage and mix-ups, and is
no signature. Who may push, and as whom, is up to the Hub's client and its login.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors

from m3_backbone.arguments import check_address
from m3_backbone.files import recover
from m3_backbone.serialization import parse_json, sha256, to_json
from predictor.bundle.bundle import RouterBundle, read_router
from predictor.bundle.folder import CARD, CONFIG, ORIGIN, write_router

PATTERNS = ("*.json", "*.npz", "*.txt", "*.safetensors", "README.md")
"""What a router is made of; whatever else lies in a repository is left there."""


def push_router(folder: str | Path, name: str, private: bool = False) -> str:
    """Put a saved router into a repository on the Hub, which is made if it is not there.

    Args:
        folder: what `m3scale train` wrote; nothing is sent unless it is whole.
        name: the repository, as owner/name.
        private: whether a repository that is made is private.

    Returns:
        Address of the commit.
    """
    files = read_router(folder)
    with _plain_errors(f"cannot push {folder} to {name}"):
        hub = huggingface_hub.HfApi()
        hub.create_repo(name, private=private, exist_ok=True)
        # One commit, so that no one can fetch half of a router.
        commit = hub.create_commit(
            name,
            [
                huggingface_hub.CommitOperationAdd(file, content)
                for file, content in sorted(files.items())
            ],
            commit_message="Upload router with m3scale",
        )
    return str(commit.commit_url)


def pull_router(name: str, folder: str | Path, revision: str | None = None) -> Path:
    """Fetch a router from the Hub into a folder.

    Args:
        name: the repository, as owner/name.
        folder: where to; it appears whole or not at all, and an older router there is replaced.
            Only the files that the router lists are kept, its card if nobody edited it, and
            `origin.json`, which says from which commit they are.
        revision: branch, tag or commit; the main branch if left out.
    """
    fetched = _fetch(name, revision)
    files = read_router(fetched)
    # A card that was edited has no hash: it stays on the Hub.
    if parse_json(files[CONFIG]).get("card_sha256") != sha256(files.get(CARD, b"")):
        files.pop(CARD, None)
    # The Hub's client calls the folder of a snapshot by its commit.
    files[ORIGIN] = to_json({"name": name, "commit": fetched.name})
    return write_router(Path(folder), files)


def open_router(name_or_path: str | Path) -> RouterBundle:
    """Open a router from a folder or, if there is none, by its name on the Hub.

    Args:
        name_or_path: a folder, or owner/name; a `Path` is always a folder.

    Raises:
        FileNotFoundError: if there is neither.
    """
    check_address("a router", name_or_path)
    name = str(name_or_path)
    # Only OWNER/NAME can be a name on the Hub; all else is a folder.
    if isinstance(name_or_path, Path) or name.count("/") != 1 or name[0] in "./~":
        return RouterBundle.load(name_or_path)
    recover(Path(name))
    # A folder wins over a name that reads the same.
    if Path(name).exists():
        return RouterBundle.load(name)
    try:
        folder = _fetch(name)
    except ValueError as error:
        raise FileNotFoundError(
            f"no router in {name}, and none of that name could be fetched from the Hub; run "
            "`m3scale train`"
        ) from error
    return RouterBundle.load(folder)


def _fetch(name: str, revision: str | None = None) -> Path:
    with _plain_errors(f"cannot fetch {name} from the Hub"):
        folder = huggingface_hub.snapshot_download(
            name, revision=revision, allow_patterns=list(PATTERNS)
        )
        _check_links(Path(folder))
    return Path(folder)


def _check_links(folder: Path) -> None:
    # The client's cache is made of links from snapshots to blobs, two folders up; none leads on.
    home = folder.resolve().parent.parent
    for path in folder.iterdir():
        if not path.resolve().is_relative_to(home):
            raise ValueError(f"{path.name} is a link that leads out of the repository")


@contextmanager
def _plain_errors(failed: str) -> Iterator[None]:
    """Turn what the Hub's client raises into one line.

    Args:
        failed: what could not be done.

    Yields:
        Nothing.

    Raises:
        ValueError: if the block raised an error of the client.
    """
    try:
        yield
    except errors.HfHubHTTPError as error:
        raise ValueError(f"{failed}: {error.server_message or error}") from error
    # HTTPError is that of httpx or httpx2, whichever the client's release has.
    except (errors.HTTPError, OSError, ValueError) as error:  # type: ignore[attr-defined]
        raise ValueError(f"{failed}: {error}") from error
