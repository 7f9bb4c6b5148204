"""A router's files on disk: written to the last byte, read against their hashes.

Not the router: `bundle.py` says what is in them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Interval, Len

from m3_backbone.files import recover, replacing, write_files
from m3_backbone.schemas import CLOSED, parse_saved
from m3_backbone.serialization import parse_json, sha256, to_json

CONFIG = "config.json"
CARD = "README.md"
ORIGIN = "origin.json"  # where a router was fetched from

LARGEST_FILE = 2**30  # bytes

Hash = Annotated[str, Len(64, 64)]


@dataclass(frozen=True)
class SplitFacts:
    """What is known of a split that a router was made with."""

    questions: int
    images: int
    fingerprint: str


@dataclass(frozen=True)
class CandidateFacts:
    """A router that was tried: its kind and the gap it closed."""

    kind: str
    ogc: float | None


@dataclass(frozen=True)
class Facts:
    """The facts of a training that something of ours looks at; there are more."""

    checkpoint: str = ""
    code_version: str = ""
    train: SplitFacts | None = None
    calibration: SplitFacts | None = None
    candidates: tuple[CandidateFacts, ...] = ()
    budgets: tuple[Annotated[float, Ge(0)], ...] = ()


@dataclass(frozen=True)
class RouterConfig:
    """The configuration of a saved router.

    Attributes:
        format_version: version of the folder's layout.
        feature_version: version of the features.
        kind: name of the router.
        scales: its scales, rising.
        meta: facts of its training.
        sha256: hash of every other file but the card.
        card_sha256: hash of the card as it was written; not known in older routers.
    """

    __pydantic_config__ = CLOSED

    format_version: int
    feature_version: int
    kind: str
    scales: Annotated[tuple[Annotated[int, Interval(gt=0, lt=2**31)], ...], Len(1, 64)]
    meta: dict[str, Any]
    sha256: dict[str, Hash]
    card_sha256: Hash | None = None


def write_router(target: Path, files: Mapping[str, bytes]) -> Path:
    """Write a router's files; the folder appears whole or not at all.

    Args:
        target: the folder; an older router there is replaced. Files in it that are not the older
            router's stay, and so does its card if it was edited.
        files: file name to content.

    Raises:
        ValueError: if something that is not a router is in the way.
    """
    if target.exists() and not target.is_dir():
        raise ValueError(_not_a_router(target))
    with replacing(target, owned=list_own_files) as fresh:
        write_files(fresh, files)
    return target


def list_own_files(folder: Path) -> set[str]:
    """Tell which files of a folder are those of a saved router.

    Args:
        folder: the folder.

    Returns:
        Their names; the card is among them unless it was edited.

    Raises:
        ValueError: if the folder holds no saved router.
    """
    try:
        config = _read_signed(folder / CONFIG)
        names = {CONFIG, ORIGIN, *map(str, config["sha256"])}
        card = (folder / CARD).read_bytes() if (folder / CARD).is_file() else b""
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(_not_a_router(folder)) from error
    # Routers from before do not say what their card was: it counts as unedited.
    return names | ({CARD} if config.get("card_sha256", sha256(card)) == sha256(card) else set())


def _not_a_router(target: Path) -> str:
    return f"{target} exists and is not a saved router; choose another folder"


def read_checked(
    folder: Path, versions: Collection[tuple[int, int]]
) -> tuple[RouterConfig, dict[str, bytes]]:
    """Read a router's files, each against its hash.

    Args:
        folder: the router's folder.
        versions: format and feature versions, one pair of which it must have.

    Returns:
        Its configuration and its other files.

    Raises:
        ValueError: if a file is missing, damaged or changed.
    """
    config = _read_config(folder, versions)
    files = {}
    for name, digest in config.sha256.items():
        path = folder / name
        # A name with a folder in it could read from anywhere; the list comes with the router.
        if Path(name).name != name or "\0" in name or not path.is_file():
            raise ValueError(f"router file {path} is missing; train the router again")
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"router file {path} is larger than any router; train it again")
        files[name] = path.read_bytes()
        if sha256(files[name]) != digest:
            raise ValueError(
                f"router file {path} was changed or damaged (its SHA-256 differs from "
                f"{CONFIG}); restore it or train the router again"
            )
    return config, files


def _read_config(folder: Path, wanted: Collection[tuple[int, int]]) -> RouterConfig:
    path = folder / CONFIG
    recover(folder)
    if not path.is_file():
        raise FileNotFoundError(f"no router in {folder}: {path} is missing; run `m3scale train`")
    config = _read_signed(path)
    versions = (config.get("format_version"), config.get("feature_version"))
    if versions not in wanted:
        raise ValueError(
            f"router in {folder} has format and feature version {versions}, this program reads "
            f"{', '.join(map(str, wanted))}; train the router again"
        )
    saved = parse_saved(RouterConfig, config, str(path), "train the router again")
    parse_saved(Facts, saved.meta, f"{path}, 'meta'", "train the router again")
    if list(saved.scales) != sorted(set(saved.scales)):
        raise ValueError(f"{path} cannot be used: 'scales' must rise; train the router again")
    return saved


def _read_signed(path: Path) -> dict[str, Any]:
    # A configuration holds the hash of all else that is in it.
    try:
        config = parse_json(path.read_bytes())
        digest = config.pop("config_sha256")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not the configuration of a saved router") from error
    if sha256(to_json(config)) != digest:
        raise ValueError(f"{path} was changed by hand or damaged; train the router again")
    return dict(config)
